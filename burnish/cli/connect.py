"""Which gateway a command talks to."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from burnish.sdk import Client
from burnish.sdk.transport import DEFAULT_ADDRESS
from burnish.supervisor import RunDir

DEFAULT_DIR = Path(".burnish")

Directory: TypeAlias = Annotated[
    Path, typer.Option("--dir", help="Folder of the platform: logs, streams, data.")
]


@dataclass(slots=True)
class Target:
    """What `--address` says; empty: the platform that runs in ./.burnish, or the default port."""

    address: str = ""


TARGET = Target()


def find_address(folder: Path = DEFAULT_DIR) -> str:
    """The gateway's gRPC address."""
    if TARGET.address:
        return TARGET.address
    state = RunDir(folder).running()
    return DEFAULT_ADDRESS if state is None else state.grpc_address


@contextmanager
def connect() -> Iterator[Client]:
    """A client of the gateway that the command is for."""
    with Client(find_address()) as client:
        yield client
