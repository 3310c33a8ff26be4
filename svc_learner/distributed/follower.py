"""The ranks other than 0: they do what they are told, until they are told to stop."""

import signal
from contextlib import suppress

import torch
from torch import Tensor

from burnish.errors import UserError
from svc_learner.config import LearnerSettings
from svc_learner.distributed import loading, passes
from svc_learner.distributed.commands import Adapter, Free, Learn, Load, Stop
from svc_learner.distributed.ranks import Ranks
from svc_learner.distributed.shard import ShardedModel
from svc_learner.engine.policy import Policy


class Follower:
    """`run` returns when rank 0 has ended the learner."""

    def __init__(self, ranks: Ranks, settings: LearnerSettings) -> None:
        self._ranks = ranks
        self._settings = settings
        self._bases: dict[str, ShardedModel] = {}
        self._policies: dict[int, Policy] = {}

    def run(self) -> None:
        """Obey.

        Raises:
            Exception: rank 0, or another rank, is gone, or this one failed.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # rank 0 drains; then it says stop
        torch.set_num_threads(self._settings.learner_threads)
        while True:
            match self._ranks.hear():
                case Load(name):
                    self._load(name)
                case Free(name):
                    self._free(name)
                case Learn() as command:
                    self._learn(command)
                case Stop():
                    return

    def _load(self, name: str) -> None:
        with suppress(UserError):  # rank 0 has the same one, and tells the job
            self._bases[name] = loading.load(name, self._settings, self._ranks)

    def _free(self, name: str) -> None:
        base = self._bases.pop(name)
        self._policies = {k: p for k, p in self._policies.items() if p.base is not base}

    def _learn(self, command: Learn) -> None:
        for key in command.forgotten:
            self._policies.pop(key, None)
        for adapter in command.adapters:
            self._update(adapter, self._bases[command.base])
        result = passes.learn(command, self._policies, self._ranks.rank)
        self._ranks.gather(result.tally if result else None)
        if result is not None:
            self._ranks.send(result.gradient)

    def _update(self, adapter: Adapter, base: ShardedModel) -> None:
        if adapter.key not in self._policies:
            policy = Policy(base, rank=adapter.rank, alpha=adapter.alpha, seed=0)
            self._policies[adapter.key] = policy
        if adapter.fresh:
            mine = self._policies[adapter.key].adapter
            values: Tensor = mine.flat.detach()
            self._ranks.share(values)
            mine.changed()
