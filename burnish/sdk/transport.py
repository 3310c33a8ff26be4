"""Calls over gRPC that fail with Burnish's errors and the server's own sentence."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from burnish.errors import (
    BurnishError,
    ConflictError,
    NotFoundError,
    UnavailableError,
    UserError,
)

DEFAULT_ADDRESS = "127.0.0.1:50051"
UNARY_SECONDS = 60.0

_MAX_MESSAGE_BYTES = 64 * 1024**2
_USER_ERRORS: dict[grpc.StatusCode, type[UserError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: UserError,
    grpc.StatusCode.OUT_OF_RANGE: UserError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: ConflictError,
    grpc.StatusCode.ABORTED: ConflictError,
    grpc.StatusCode.FAILED_PRECONDITION: ConflictError,
}

R = TypeVar("R", bound=Message)


class Transport:
    """One channel to a gateway."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = grpc.insecure_channel(
            address,
            options=(
                ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
                ("grpc.keepalive_time_ms", 30_000),
                # A gateway that restarts is found again at once.
                ("grpc.max_reconnect_backoff_ms", 1_000),
            ),
        )

    def stub(self, factory: Callable[[grpc.Channel], Any]) -> Any:  # noqa: ANN401 (generated)
        return factory(self._channel)

    def call(
        self, method: Callable[..., R], request: Message, *, timeout: float = UNARY_SECONDS
    ) -> R:
        with self._errors():
            return method(request, timeout=timeout)

    def send(self, method: Callable[..., R], requests: Iterable[Message]) -> R:
        with self._errors():
            return method(iter(requests))

    def stream(self, method: Callable[..., Iterable[R]], request: Message) -> Iterator[R]:
        """Replies as they come; the call is cancelled when the iterator is closed."""
        with self._errors():
            call: Any = method(request)
            try:
                yield from call
            finally:
                call.cancel()

    def replay(
        self, method: Callable[..., Iterable[R]], request: Message, *, idle: float
    ) -> Iterator[R]:
        """Replies until none has come for `idle` seconds: a stream that goes on, read so far."""
        with self._errors():
            call: Any = method(request)
            while True:
                gave_up = threading.Event()
                watchdog = threading.Timer(idle, _cancel, (call, gave_up))
                watchdog.start()
                try:
                    reply: R = next(call)
                except StopIteration:
                    return
                except grpc.RpcError:
                    if gave_up.is_set():
                        return
                    raise
                finally:
                    watchdog.cancel()
                yield reply

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise _translate(error, self.address) from None


def _cancel(call: Any, gave_up: threading.Event) -> None:  # noqa: ANN401 (a grpc call)
    gave_up.set()
    call.cancel()


def _translate(error: Any, address: str) -> BurnishError:  # noqa: ANN401 (grpc's error is a call)
    code: grpc.StatusCode = error.code()
    message: str = error.details() or code.name.lower().replace("_", " ")
    status = rpc_status.from_call(error)
    if code in _USER_ERRORS:
        field, description = _violation(status)
        return _USER_ERRORS[code](description or message, field=field)
    if code is grpc.StatusCode.UNAVAILABLE and status is None:
        return UnavailableError(
            f"No Burnish gateway answers at {address}: is `burnish up` running?"
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return UnavailableError(f"The gateway at {address} did not answer in time.")
    if code is grpc.StatusCode.UNAVAILABLE:
        return UnavailableError(message)
    return BurnishError(message)


def _violation(status: Any) -> tuple[str, str]:  # noqa: ANN401 (google.rpc.Status or None)
    """(field, what is wrong with it) from the rich error details."""
    bad_request = error_details_pb2.BadRequest()
    for packed in () if status is None else status.details:
        if packed.Unpack(bad_request) and bad_request.field_violations:
            violation = bad_request.field_violations[0]
            return violation.field, violation.description
    return "", ""
