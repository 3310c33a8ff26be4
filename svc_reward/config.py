"""Settings of the reward service."""

import os
from typing import Literal

from pydantic import Field

from burnish.config import ServiceSettings
from svc_reward.lane.wire import Limits

MIB = 1 << 20


def _cores() -> int:
    return len(os.sched_getaffinity(0))


class RewardSettings(ServiceSettings):
    """Operator's choices. The limits hold for each evaluation."""

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
    reward_seconds: float = Field(10, gt=0, le=600, description="Wall time.")
    reward_memory_mib: int = Field(
        512, ge=16, le=65536, description="Memory beyond the preloaded modules."
    )
    reward_package_memory_mib: int = Field(
        2048, ge=16, le=65536, description="The same for rewards that import installed packages."
    )
    reward_scratch_mib: int = Field(64, ge=1, le=4096, description="Disk, and one file's size.")
    reward_processes: int = Field(64, ge=1, le=1024, description="Processes and threads.")

    def limits(self, *, packages: bool) -> Limits:
        """What one evaluation may use; rewards with installed packages get more memory."""
        memory = self.reward_package_memory_mib if packages else self.reward_memory_mib
        return Limits(
            wall=self.reward_seconds,
            memory=memory * MIB,
            file=self.reward_scratch_mib * MIB,
            processes=self.reward_processes,
        )
