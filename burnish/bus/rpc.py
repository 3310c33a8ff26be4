"""Request and streaming reply over core NATS: load balancing and discovery by queue groups.

The reply subject receives messages until one with the `Burnish-End` header. A responder that is
at work but has nothing to say sends `Burnish-Alive`, so silence means that it is gone.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TYPE_CHECKING, TypeVar

import nats.errors
from google.protobuf.message import DecodeError, Message

from burnish.errors import RetryableError, UnavailableError, UserError
from burnish.logs import get_logger
from burnish.stopping import stop

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

log = get_logger(__name__)
Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
Responder = Callable[[Q], AsyncIterator[Message]]

END = "Burnish-End"
ALIVE = "Burnish-Alive"
ERROR = "Burnish-Error"
FIELD = "Burnish-Error-Field"
HINT = "Burnish-Error-Hint"
ALIVE_SECONDS = 2.0
IDLE_TIMEOUT = 15.0
_NO_RESPONDERS = "503"


async def request(
    nc: "Client", subject: str, message: Message, kind: type[R], *, idle_timeout: float
) -> AsyncGenerator[R, None]:
    """Send `message` and yield the replies until the responder ends.

    Raises:
        UserError: the responder refused the request.
        UnavailableError: nobody listens on `subject`, or the responder fell silent.
        RetryableError: the responder failed.
    """
    inbox = nc.new_inbox()
    replies = await nc.subscribe(inbox)
    try:
        await nc.publish(subject, message.SerializeToString(), reply=inbox)
        while True:
            try:
                reply = await replies.next_msg(timeout=idle_timeout)
            except nats.errors.TimeoutError:
                raise UnavailableError(
                    f"{subject}: the instance that took the request fell silent for "
                    f"{idle_timeout:g} s"
                ) from None
            headers = reply.headers or {}
            if headers.get("Status") == _NO_RESPONDERS:
                raise UnavailableError(f"no service instance answers on {subject}")
            if ERROR in headers:
                if headers.get(END) == "user":
                    raise UserError(
                        headers[ERROR], field=headers.get(FIELD, ""), hint=headers.get(HINT, "")
                    )
                raise RetryableError(headers[ERROR])
            if END in headers:
                return
            if ALIVE not in headers:
                yield kind.FromString(reply.data)
    finally:
        with contextlib.suppress(nats.errors.Error):
            await replies.unsubscribe()


class Responders:
    """The requests that this process answers."""

    def __init__(self) -> None:
        self._pending: list[tuple[str, str, type[Message], Responder[Message]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, subject: str, kind: type[Q], responder: Responder[Q], queue: str) -> None:
        self._pending.append((subject, queue, kind, responder))  # type: ignore[arg-type]

    async def start(self, nc: "Client") -> None:
        for subject, queue, kind, responder in self._pending:

            async def take(
                msg: "Msg",
                kind: type[Message] = kind,
                responder: Responder[Message] = responder,
            ) -> None:
                task = asyncio.create_task(_answer(nc, msg, kind, responder))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

            await nc.subscribe(subject, queue=queue, cb=take)
        self._pending.clear()

    async def stop(self, grace: float) -> None:
        """Let running answers finish for `grace` seconds, then cancel them."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        await stop(self._tasks)


async def _answer(
    nc: "Client", msg: "Msg", kind: type[Message], responder: Responder[Message]
) -> None:
    alive = asyncio.create_task(_stay_alive(nc, msg.reply))
    end: dict[str, str] = {END: "done"}
    try:
        async for reply in responder(kind.FromString(msg.data)):
            await nc.publish(msg.reply, reply.SerializeToString())
    except UserError as error:
        end = {
            END: "user",
            ERROR: _one_line(error.message),
            FIELD: error.field,
            HINT: _one_line(error.hint),
        }
    except RetryableError as error:
        end = {END: "retry", ERROR: _one_line(str(error))}
    except DecodeError:
        end = {END: "user", ERROR: f"the request is not a {kind.DESCRIPTOR.full_name}"}
    except asyncio.CancelledError:
        end = {END: "retry", ERROR: "the instance is shutting down"}
    except Exception as error:
        log.exception("request.failed", subject=msg.subject)
        end = {END: "retry", ERROR: _one_line(f"{type(error).__name__}: {error}")}
    finally:
        alive.cancel()
        with contextlib.suppress(nats.errors.Error):
            await nc.publish(msg.reply, b"", headers=end)


async def _stay_alive(nc: "Client", reply: str) -> None:
    while True:
        await nc.publish(reply, b"", headers={ALIVE: "1"})
        await asyncio.sleep(ALIVE_SECONDS)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:2000]
