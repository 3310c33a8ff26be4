"""Errors as clients see them: one sentence, a code, the field at fault. Never a traceback."""

import re
import uuid
from dataclasses import dataclass

import grpc
import nats.errors
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from burnish.errors import BurnishError, ConflictError, NotFoundError, RetryableError, UserError
from burnish.logs import get_logger

log = get_logger(__name__)

DOMAIN = "burnish"
RETRY_SECONDS = 2

# `must be at least 1` says nothing without its field; `stages[1].rl` is worth naming anyway.
_SUBJECTLESS = re.compile(r"(must|is|needs|takes) ", re.IGNORECASE)
_PATH = re.compile(r"[.\[]")
_WORD = re.compile(r"[a-z]+[ ,:]")


@dataclass(frozen=True, slots=True)
class Kind:
    """How a family of errors is called on each surface."""

    grpc: grpc.StatusCode
    http: int
    openai: str


INVALID = Kind(grpc.StatusCode.INVALID_ARGUMENT, 400, "invalid_request_error")
NOT_FOUND = Kind(grpc.StatusCode.NOT_FOUND, 404, "invalid_request_error")
FORBIDDEN = Kind(grpc.StatusCode.PERMISSION_DENIED, 403, "permission_error")
CONFLICT = Kind(grpc.StatusCode.ABORTED, 409, "conflict_error")
UNAVAILABLE = Kind(grpc.StatusCode.UNAVAILABLE, 503, "service_unavailable_error")
INTERNAL = Kind(grpc.StatusCode.INTERNAL, 500, "server_error")


@dataclass(frozen=True, slots=True)
class Failure:
    """`message` is the whole sentence, with field and hint."""

    kind: Kind
    message: str
    field: str = ""
    description: str = ""
    """What is wrong with the field, without its name."""

    @property
    def code(self) -> str:
        """As Connect spells it: `not_found`."""
        return self.kind.grpc.name.lower()

    def details(self) -> list[Message]:
        """The rich error model: https://google.aip.dev/193."""
        found: list[Message] = [
            error_details_pb2.ErrorInfo(reason=self.kind.grpc.name, domain=DOMAIN)
        ]
        if self.field:
            violation = error_details_pb2.BadRequest.FieldViolation(
                field=self.field, description=self.description
            )
            found.append(error_details_pb2.BadRequest(field_violations=[violation]))
        if self.kind is UNAVAILABLE:
            delay = Duration(seconds=RETRY_SECONDS)
            found.append(error_details_pb2.RetryInfo(retry_delay=delay))
        return found

    def status(self) -> status_pb2.Status:
        packed = []
        for detail in self.details():
            wrapped = any_pb2.Any()
            wrapped.Pack(detail)
            packed.append(wrapped)
        code = code_pb2.Code.Value(self.kind.grpc.name)
        return status_pb2.Status(code=code, message=self.message, details=packed)


def failure_of(error: BaseException) -> Failure:
    """What a client is told about an error."""
    match error:
        case UserError():
            return Failure(_kind(error), sentence(error), error.field, _described(error))
        case RetryableError():
            return Failure(UNAVAILABLE, sentence(error))
        case BurnishError():
            return Failure(INTERNAL, sentence(error))
        case nats.errors.Error() | TimeoutError():
            log.warning("nats.failed", reason=repr(error))
            return Failure(
                UNAVAILABLE, "NATS does not answer the gateway: check that it runs, then try again."
            )
        case _:
            number = uuid.uuid4().hex[:8]
            log.error("request.failed", error=number, exc_info=error)
            return Failure(
                INTERNAL, f"The gateway failed on this request; its log says why under {number}."
            )


def sentence(error: BurnishError) -> str:
    """The error as one sentence. A message without a subject follows its field."""
    text = error.message.rstrip(".")
    field, hint = (error.field, error.hint) if isinstance(error, UserError) else ("", "")
    if field and (_SUBJECTLESS.match(text) or _PATH.search(field)):
        text = f"{field}: {text}"
    elif _WORD.match(text):
        text = text[0].upper() + text[1:]
    return f"{text} ({hint.rstrip('.')})." if hint else f"{text}."


def _kind(error: UserError) -> Kind:
    if isinstance(error, NotFoundError):
        return NOT_FOUND
    return CONFLICT if isinstance(error, ConflictError) else INVALID


def _described(error: UserError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
