"""The processes of one learner: who they are, and how they talk."""

import os
import sys
from datetime import timedelta
from typing import Any, NoReturn, Self, TypeVar, cast

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from burnish.errors import BurnishError
from svc_learner.distributed.commands import Command
from svc_learner.engine import memory

T = TypeVar("T")

IDLE = timedelta(days=365)
"""How long a rank waits for a command: a learner without jobs says nothing."""


class RankLostError(BurnishError):
    """A process of the learner has ended, or does not answer."""


class Ranks:
    """Build it with `join`. Every method blocks, until all ranks have called its counterpart.

    Attributes:
        rank: this process's, from 0.
        size: of the learner, in processes.
        device: where this rank computes.
        mesh: all ranks, in one dimension.
    """

    def __init__(self, device: torch.device, *, timeout: timedelta) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.device = device
        self.mesh: DeviceMesh = init_device_mesh(device.type, (self.size,))
        # Objects go by way of the CPU, whatever computes.
        self._commands = dist.new_group(backend="gloo", timeout=IDLE)
        self._answers = dist.new_group(backend="gloo", timeout=timeout)

    @classmethod
    def join(cls, device: str, *, seconds: float) -> Self:
        """Meet the other ranks.

        Args:
            device: of the learner's settings; on GPUs, each rank of a machine takes one of its own.
            seconds: silence of another rank within a pass after which it counts as lost.

        Raises:
            RankLostError: they do not all come.
        """
        timeout = timedelta(seconds=seconds)
        gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if gpu else torch.device("cpu")
        if gpu:
            torch.cuda.set_device(chosen)
        try:
            dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=timeout)
            return cls(chosen, timeout=timeout)
        except RuntimeError as error:
            raise RankLostError(f"not all ranks of the learner came: {error}") from error

    def tell(self, command: Command) -> None:
        """Rank 0: what all do next."""
        dist.broadcast_object_list([command], src=0, group=self._commands)

    def hear(self) -> Command:
        """The other ranks: wait for what is done next."""
        heard: list[Any] = [None]
        dist.broadcast_object_list(heard, src=0, group=self._commands)
        return cast("Command", heard[0])

    def gather(self, answer: T) -> list[T]:
        """What each rank says, in their order."""
        answers: list[Any] = [None] * self.size
        dist.all_gather_object(answers, answer, group=self._answers)
        return answers

    def share(self, tensor: Tensor) -> None:
        """Rank 0's values, everywhere."""
        dist.broadcast(tensor, src=0)

    def send(self, tensor: Tensor) -> None:
        """To rank 0."""
        dist.send(tensor, dst=0)

    def receive(self, like: Tensor, rank: int) -> Tensor:
        """Rank 0: what `rank` sends."""
        received = torch.empty_like(like)
        dist.recv(received, src=rank)
        return received


def leave(rank: int, error: Exception) -> NoReturn:
    """End this process, whose ranks are no longer in step, at once.

    Collectives cannot be taken back, and a thread that waits for a lost rank can only be
    abandoned. Jobs go on from their checkpoints, on another learner.
    """
    lines = str(error).strip().splitlines()
    hint = "; lower BURNISH_LEARNER_BATCH_TOKENS" if memory.is_out_of_memory(error) else ""
    sys.stderr.write(
        f"burnish learner: rank {rank} ends, for not all ranks finished what they do together: "
        f"{type(error).__name__}: {lines[0] if lines else ''}{hint}\n"
    )
    sys.stderr.flush()
    os._exit(1)
