"""Settings of the gateway."""

from pydantic import Field

from burnish.config import ServiceSettings

MIB = 1024**2


class GatewaySettings(ServiceSettings):
    """Read from `BURNISH_*`."""

    http_port: int = Field(
        8080, ge=0, le=65535, description="Port of HTTP and the console; 0 takes a free one."
    )
    grpc_port: int = Field(50051, ge=0, le=65535, description="Port of gRPC; 0 takes a free one.")
    project: str = Field(
        "default",
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="Project that files, rewards and jobs belong to.",
    )
    max_upload_mib: int = Field(256, ge=1, le=4096, description="Size limit of one uploaded file.")
    completions_kept: int = Field(
        5000, ge=100, description="Newest completions of each job that the read model keeps."
    )

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mib * MIB
