from burnish.service import main
from svc_learner.app import Learner
from svc_learner.config import LearnerSettings

main("learner", LearnerSettings, Learner)
