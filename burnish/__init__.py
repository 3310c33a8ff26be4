"""Burnish: self-hosted reinforcement fine-tuning.

with burnish.Client() as client:
job = client.submit(burnish.JobSpec.from_file("job.yaml"))
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from burnish.errors import BurnishError, NotFoundError, UnavailableError, UserError
    from burnish.sdk import Client
    from burnish.spec import JobSpec
    from burnish.supervisor import Platform

__version__ = "0.1.0"
__all__ = [
    "BurnishError",
    "Client",
    "JobSpec",
    "NotFoundError",
    "Platform",
    "UnavailableError",
    "UserError",
    "__version__",
]

_HOMES = {"Client": "burnish.sdk", "JobSpec": "burnish.spec", "Platform": "burnish.supervisor"}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what users take from here when they take it: services need none of it."""
    if name not in __all__:
        raise AttributeError(f"module 'burnish' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_HOMES.get(name, "burnish.errors")), name)
