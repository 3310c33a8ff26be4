"""Where a lane starts."""

import os
import signal
import sys

from . import kernel, namespaces
from .broker import Broker
from .settings import LaneSettings
from .wire import Kind, frame


def main(argument: str) -> None:
    """Become a lane's broker; exits with it.

    Args:
        argument: a `LaneSettings` as JSON.
    """
    settings = LaneSettings.parse(argument)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        if settings.namespaces:
            namespaces.enter(settings)
        _harden(settings)
        broker = Broker(settings)
    except Exception as error:  # noqa: BLE001 - whatever it is, the host has to hear of it
        reason = f"{type(error).__name__}: {error}"[:2000]
        os.write(1, frame(Kind.FATAL, reason.encode()))
        os._exit(1)
    try:
        broker.run()
    except Exception as error:  # noqa: BLE001 - the host sees the end of the stream
        sys.stderr.write(f"lane: {type(error).__name__}: {error}\n")
    os._exit(1)


def _harden(settings: LaneSettings) -> None:
    """Close what is open between the broker and children of the same machine."""
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    os.umask(0o022)
    if settings.first_uid:
        kernel.keep_only_capabilities(kernel.CAP_SETUID, kernel.CAP_SETGID)
    else:
        # With one uid for all, this is what keeps children out of our memory.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
