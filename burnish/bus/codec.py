"""Protobuf on the wire, in FastStream handlers and in AsyncAPI.

The content type names the message (`application/x-protobuf; messageType="burnish.v1.X"`), so a
reader needs no table. A payload over 512 KiB is replaced by an `ObjectRef` to it (claim check):
nats-server refuses messages over 1 MiB and cuts the connection.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from burnish.errors import BurnishError, UserError
from burnish.v1 import common_pb2

if TYPE_CHECKING:
    from faststream._internal.basic_types import SendableMessage
    from faststream.message import StreamMessage

    from burnish.bus.blobs import Blobs

CLAIM_HEADER = "Burnish-Claim"
MAX_INLINE = 512 * 1024
_CONTENT_TYPE = re.compile(r'^application/x-protobuf; messageType="(?P<name>[\w.]+)"$')


def content_type(message: Message | type[Message]) -> str:
    return f'application/x-protobuf; messageType="{message.DESCRIPTOR.full_name}"'


def parse(data: bytes, content: str) -> Message:
    """Decode a payload by its content type.

    Raises:
        UserError: an unknown content type, or bytes that are not that message.
    """
    match = _CONTENT_TYPE.match(content)
    if match is None:
        raise UserError(f"content type {content!r} is not a Burnish message", field="content-type")
    name = match["name"]
    try:
        kind = message_factory.GetMessageClass(
            descriptor_pool.Default().FindMessageTypeByName(name)
        )
        return kind.FromString(data)
    except KeyError:
        raise UserError(f"message type {name!r} is unknown", field="content-type") from None
    except DecodeError:
        raise UserError(f"{len(data)} bytes are not a {name}", field="payload") from None


@dataclass(frozen=True, slots=True)
class Undecoded:
    """A payload that could not be turned into its message, and why."""

    error: BurnishError


class ProtoCodec:
    """Typed messages for FastStream handlers, with the claim check inside."""

    __slots__ = ("blobs",)

    def __init__(self, blobs: "Blobs") -> None:
        self.blobs = blobs

    async def decode(self, msg: "StreamMessage[Any]") -> Any:  # noqa: ANN401  Message | Undecoded
        """The message; a failure as a value, which the consumer turns into retry or dead letter.

        An exception here would never reach the consumer: FastStream would redeliver for ever.
        """
        try:
            return await self.unpack(msg.body, msg.headers)
        except BurnishError as error:
            return Undecoded(error)

    async def unpack(self, body: bytes, headers: dict[str, str]) -> Message:
        """The message behind a payload, fetched from the object store if it was too large."""
        if CLAIM_HEADER in headers:
            body = await self.blobs.get(common_pb2.ObjectRef.FromString(body))
        return parse(body, headers.get("content-type", ""))

    async def encode(
        self, msg: "SendableMessage", _serializer: object = None
    ) -> tuple[bytes, str | None]:
        if not isinstance(msg, Message):
            raise TypeError(f"only protobuf messages travel on the bus, not {type(msg).__name__}")
        return msg.SerializeToString(), content_type(msg)
