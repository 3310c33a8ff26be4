"""Entry of a process that `torchrun` started."""

import os
import sys
from typing import NoReturn

from burnish import logs
from burnish.bus import Bus
from burnish.errors import BurnishError
from burnish.service import main
from burnish.supervisor.launch import end_with
from svc_learner.app import Learner
from svc_learner.config import LearnerSettings
from svc_learner.distributed.follower import Follower
from svc_learner.distributed.leader import Leader
from svc_learner.distributed.ranks import Ranks, leave
from svc_learner.sharing.models import BaseModels


class ShardedModels(BaseModels):
    """Base models that all ranks hold together."""

    def __init__(self, settings: LearnerSettings, leader: Leader) -> None:
        super().__init__(settings, leader.load, outcomes=leader.outcomes, ranks=leader.size)
        self._leader = leader

    def close(self) -> None:
        """The other ranks end, and with them what they hold."""
        self._leader.stop()


def run() -> NoReturn:
    """Be the learner, or one of the ranks that help it; does not return."""
    try:
        settings = LearnerSettings.load()
        ranks = Ranks.join(settings.learner_device, seconds=settings.learner_rank_seconds)
    except BurnishError as error:
        sys.stderr.write(f"burnish learner: {error}\n")
        sys.exit(1)
    if ranks.rank:
        _follow(ranks, settings)
    end_with(os.getppid())  # a killed launcher ends nobody; the other ranks end with this one
    leader = Leader(ranks, settings)

    def create(bus: Bus, settings: LearnerSettings) -> Learner:
        return Learner(bus, settings, ShardedModels(settings, leader))

    main("learner", LearnerSettings, create)


def _follow(ranks: Ranks, settings: LearnerSettings) -> NoReturn:
    logs.configure("learner", settings)
    try:
        Follower(ranks, settings).run()
    except Exception as error:  # noqa: BLE001  whatever it is, the others wait for this rank
        leave(ranks.rank, error)
    os._exit(0)
