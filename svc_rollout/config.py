"""Settings of the rollout service."""

from pydantic import Field

from burnish.config import ServiceSettings


class RolloutSettings(ServiceSettings):
    """Read from `BURNISH_*`."""

    rollout_groups: int = Field(
        32, ge=1, le=1024, description="Groups that this process keeps in flight."
    )
