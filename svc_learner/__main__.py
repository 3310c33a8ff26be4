import os

from burnish.service import main
from svc_learner.app import Learner
from svc_learner.config import LearnerSettings

if int(os.environ.get("WORLD_SIZE", "1")) > 1:  # one of several ranks that torchrun started
    from svc_learner.distributed.run import run

    run()
main("learner", LearnerSettings, Learner)
