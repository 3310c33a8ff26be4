from burnish.service import main
from svc_rollout.app import Rollout
from svc_rollout.config import RolloutSettings

main("rollout", RolloutSettings, Rollout)
