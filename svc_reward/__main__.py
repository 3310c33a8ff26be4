"""Run the reward service: `python -m svc_reward`."""

from burnish import service
from svc_reward.app import RewardService
from svc_reward.config import RewardSettings

if __name__ == "__main__":
    service.main("reward", RewardSettings, RewardService)
