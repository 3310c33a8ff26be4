"""Settings that every service shares. A service adds its own in `svc_<name>/config.py`."""

import os
import socket
from pathlib import Path
from typing import Self, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from burnish.errors import SetupError

PREFIX = "BURNISH_"


class ServiceSettings(BaseSettings):
    """Read from `BURNISH_*` environment variables; see `docs/configuration.md`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", validate_default=True)

    nats_url: str = Field("nats://127.0.0.1:4222", description="NATS server to connect to.")
    nats_wait: float = Field(30, ge=0, description="Seconds to wait for NATS at start.")
    ack_wait: float = Field(
        30, ge=1, description="Seconds without a sign of life before work goes to another worker."
    )
    instance: str = Field(
        default_factory=lambda: f"{socket.gethostname().split('.')[0]}-{os.getpid()}",
        pattern=r"^[A-Za-z0-9_-]+$",
        description="Name of this process in status and logs.",
    )
    host: str = Field("127.0.0.1", description="Address that HTTP and gRPC listen on.")
    health_port: int = Field(
        0, ge=0, le=65535, description="Port of /healthz, /readyz, /metrics; 0 takes a free one."
    )
    data_dir: Path = Field(Path(".burnish"), description="Where this service may keep files.")
    models_dir: Path = Field(
        Path("~/.cache/burnish/models"), description="Folder of base model folders."
    )
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")
    log_json: bool = Field(default=False, description="One JSON object per log line.")
    drain_seconds: float = Field(10, ge=0, description="Time that running work gets on SIGTERM.")

    @field_validator("data_dir", "models_dir")
    @classmethod
    def _at_home(cls, path: Path) -> Path:
        return path.expanduser()

    @classmethod
    def load(cls) -> Self:
        """Read the environment; a bad value ends in one sentence."""
        return load(cls)

    def service_dir(self, service: str) -> Path:
        """The folder that `service` may write to, made if missing."""
        path = self.data_dir / service
        path.mkdir(parents=True, exist_ok=True)
        return path


S = TypeVar("S", bound=BaseSettings)


def load(settings: type[S]) -> S:
    """Build `settings` from the environment.

    Raises:
        SetupError: naming the variable at fault and what it accepts.
    """
    try:
        return settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        raise SetupError(
            f"{name}={first.get('input')!r} is not accepted: {first['msg']}."
        ) from error
