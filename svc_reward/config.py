"""Settings of the reward service."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from burnish.config import ServiceSettings
from burnish.errors import UserError
from burnish.reward_spec import RewardLimits
from svc_reward.lane.wire import Limits

KIB, MIB = 1 << 10, 1 << 20


def _cores() -> int:
    return len(os.sched_getaffinity(0))


class RewardSettings(ServiceSettings):
    """Operator's choices. A reward may ask for other limits, up to the `max` of each."""

    sandbox: Literal["auto", "docker", "process"] = Field(
        "auto",
        description="Where rewards run: `auto` is Docker or nothing; `process` is for development.",
    )
    reward_lanes: int = Field(
        default_factory=_cores, ge=1, le=256, description="Evaluations at a time; default: cores."
    )
    lane_image: str = Field(
        "", description="Prebuilt lane image. Empty: made from the running interpreter."
    )
    lane_runtime: str = Field(
        "", description="OCI runtime of the lanes, for example `runsc`. Empty: the engine's own."
    )
    lane_evaluations: int = Field(
        2000, ge=1, description="Evaluations after which a lane is replaced."
    )
    lane_gpus: str = Field(
        "",
        pattern=r"^[A-Za-z0-9,:-]*$",
        description="GPUs that kernels are timed on, by index or UUID, with commas; one lane each. "
        "Empty: kernels run in Triton's interpreter, and speed is not measured.",
    )
    reward_secrets: Path | None = Field(
        None, description="Folder of secrets: one file for each, named like it."
    )
    reward_packages: Path | None = Field(
        None,
        description="Folder of rewards' pip packages, installed as asked for. Empty: none are.",
    )
    reward_seconds: float = Field(10, gt=0, le=3600, description="Wall time.")
    reward_kernel_seconds: float = Field(
        120, gt=0, le=3600, description="The same for the `triton` preset."
    )
    reward_memory_mib: int = Field(
        512, ge=16, le=262_144, description="Memory beyond the preloaded modules."
    )
    reward_package_memory_mib: int = Field(
        2048, ge=16, le=262_144, description="The same for rewards that import installed packages."
    )
    reward_scratch_mib: int = Field(64, ge=1, le=65_536, description="Disk, and one file's size.")
    reward_processes: int = Field(64, ge=1, le=4096, description="Processes and threads.")
    reward_output_kib: int = Field(
        4096, ge=1, le=65_536, description="Printed KiB after which an evaluation is ended."
    )
    reward_max_seconds: float = Field(600, gt=0, le=3600, description="Most that a reward may ask.")
    reward_max_memory_mib: int = Field(
        8192, ge=16, le=262_144, description="Most that a reward may ask."
    )
    reward_max_scratch_mib: int = Field(
        1024, ge=1, le=65_536, description="Most that a reward may ask."
    )
    reward_max_processes: int = Field(256, ge=1, le=4096, description="Most that a reward may ask.")
    reward_max_output_kib: int = Field(
        16_384, ge=1, le=65_536, description="Most that a reward may ask."
    )

    def limits(
        self,
        wanted: RewardLimits | None = None,
        *,
        packages: bool,
        kernels: bool = False,
        workers: int = 0,
    ) -> Limits:
        """What one evaluation may use: what the reward asks for, or the defaults.

        Raises:
            UserError: it asks for more than the operator allows.
        """
        wanted = wanted or RewardLimits()
        memory = self.reward_package_memory_mib if packages else self.reward_memory_mib
        seconds = self.reward_kernel_seconds if kernels else self.reward_seconds
        return Limits(
            wall=self._within("seconds", wanted.seconds, seconds),
            memory=int(self._within("memory_mib", wanted.memory_mib, memory)) * MIB,
            file=int(self._within("scratch_mib", wanted.scratch_mib, self.reward_scratch_mib))
            * MIB,
            processes=int(self._within("processes", wanted.processes, self.reward_processes)),
            output=int(self._within("output_kib", wanted.output_kib, self.reward_output_kib)) * KIB,
            workers=workers,
        )

    def _within(self, name: str, wanted: float | None, default: float) -> float:
        most = float(getattr(self, f"reward_max_{name}"))
        if wanted is not None and wanted > most:
            raise UserError(
                f"{wanted:g} is more than this installation allows",
                field=f"limits.{name}",
                hint=f"at most {most:g}",
            )
        return default if wanted is None else wanted
