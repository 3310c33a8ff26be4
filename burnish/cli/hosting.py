"""The platform that a long command works with: the one that runs, or one of its own."""

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from burnish.cli.signals import interruptible, sigterm_interrupts
from burnish.supervisor import Platform, RunDir, State, nats
from burnish.supervisor.ports import free_port

_HTTP_PORT = 8080
_GRPC_PORT = 50051


@contextlib.contextmanager
def running_or_own(run_dir: RunDir, console: Console) -> Iterator[State]:
    """The platform that runs in the folder already, or else one that ends with the block."""
    running = run_dir.running()
    if running is not None:
        sigterm_interrupts()
        yield running
        return
    platform = Platform(
        run_dir.path,
        http_port=free_port(_HTTP_PORT),
        grpc_port=free_port(_GRPC_PORT),
        nats_port=nats.DEFAULT_PORT,
        report=lambda sentence: console.print(Text(sentence, style="dim")),
    )
    with interruptible(platform):
        yield platform.start().state
