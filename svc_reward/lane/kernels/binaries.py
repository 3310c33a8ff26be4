"""The grader's side of the link to the compiler."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from ..roles import Role
from ..workers import Workers
from . import protocol
from .compiler import Compiled, Order
from .endings import of_process
from .protocol import Kind
from .reports import Launch

MAX_KERNELS = 12
GRACE = 1.0


class Binaries(NamedTuple):
    """What the compiler made of the kernels.

    Attributes:
        ok: each of them has a binary, and there is at least one.
        text: what is wrong with the first that has none.
        registers: per thread, of the kernel that takes the most.
        spills: bytes, of all kernels.
        shared: bytes of shared memory, of the kernel that takes the most.
    """

    ok: bool
    text: str = ""
    registers: int = 0
    spills: int = 0
    shared: int = 0


def distinct(launches: Sequence[Launch]) -> tuple[Launch, ...]:
    """One launch of each kernel and argument types: other constants make no other kernel."""
    found = {(launch.kernel, launch.types): launch for launch in reversed(launches)}
    return tuple(reversed(found.values()))[:MAX_KERNELS]


def make(workers: Workers, order: Order, seconds: float) -> Binaries:
    """Have kernels compiled.

    Args:
        workers: starts the compiler's process.
        order: what to compile.
        seconds: its life.
    """
    deadline = time.monotonic() + seconds
    worker = workers.start(Role.COMPILER, order.pack(), seconds=seconds)
    results: list[Compiled] = []
    try:
        while len(results) < len(order.launches):
            message = protocol.receive(worker.link, deadline=deadline)
            if message.kind is not Kind.COMPILED:
                raise protocol.ProtocolError(  # noqa: TRY301 - handled with what `receive` raises
                    f"{message.kind.name} instead of a result"
                )
            results.append(Compiled.unpack(message.body))
    except protocol.ProtocolError as error:
        # Some kernels crash LLVM or ptxas, or keep them busy for ever: the kernel's own fault.
        ended = worker.ended(GRACE) if isinstance(error, protocol.Closed) else None
        fault = of_process(ended, str(error)).text if ended else str(error)
        kernel = order.launches[len(results)].kernel
        results.append(Compiled(kernel, ok=False, text=f"the compiler {fault}"))
    finally:
        worker.link.close()
        worker.kill()
        worker.ended(GRACE)
    return _summary(results, order.target)


def _summary(results: Sequence[Compiled], target: str) -> Binaries:
    failed = [result for result in results if not result.ok]
    if failed:
        text = f"{failed[0].kernel} does not compile for {target}: {failed[0].text}"
        return Binaries(ok=False, text=text)
    return Binaries(
        ok=bool(results),
        text="" if results else "no kernel to compile",
        registers=max((result.registers for result in results), default=0),
        spills=sum(result.spills for result in results),
        shared=max((result.shared for result in results), default=0),
    )
