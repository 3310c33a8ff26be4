"""Typed key-value buckets with compare-and-set."""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from google.protobuf.message import Message
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from burnish.errors import ConflictError

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.kv import KeyValue

M = TypeVar("M", bound=Message)
_PATTERN = re.compile(r"(?:[-/_=a-zA-Z0-9]+\.|\*\.)*(?:[-/_=a-zA-Z0-9]+|\*|>)")


@dataclass(frozen=True, slots=True)
class Change(Generic[M]):
    """One change of a bucket; `value` is None when the key was deleted."""

    key: str
    value: M | None
    revision: int


class Bucket(Generic[M]):
    """Entries of one message type. Keys match `[-/_=.a-zA-Z0-9]+`."""

    def __init__(self, js: "JetStreamContext", name: str, kv: "KeyValue", kind: type[M]) -> None:
        self._js = js
        self._name = name
        self._kv = kv
        self._kind = kind

    async def get(self, key: str) -> tuple[M, int] | None:
        """The value and its revision, or None."""
        try:
            entry = await self._kv.get(key)
        except KeyNotFoundError:
            return None
        return self._kind.FromString(entry.value or b""), int(entry.revision or 0)

    async def create(self, key: str, value: M) -> int:
        """Write a key that must not exist.

        Raises:
            ConflictError: it does.
        """
        try:
            return await self._kv.create(key, value.SerializeToString())
        except KeyWrongLastSequenceError:
            raise ConflictError(f"{key} exists already") from None

    async def put(self, key: str, value: M) -> int:
        """Write whatever is there. Only for keys with one writer."""
        return await self._kv.put(key, value.SerializeToString())

    async def update(self, key: str, value: M, revision: int) -> int:
        """Write if the key still has `revision`.

        Raises:
            ConflictError: somebody else wrote in between.
        """
        try:
            return await self._kv.update(key, value.SerializeToString(), last=revision)
        except KeyWrongLastSequenceError:
            raise ConflictError(f"{key} was changed by somebody else") from None

    async def delete(self, key: str) -> None:
        await self._kv.delete(key)

    async def items(self, keys: str = ">") -> list[tuple[str, M]]:
        """The entries that stand now, by key; of the keys that match, as subjects do.

        Nothing matches a pattern that no key could.

        Asks the stream for its subjects. The client's own `keys()` makes a consumer that stays for
        minutes at each call, and finds nothing if somebody writes at the same moment.
        """
        if not _PATTERN.fullmatch(keys):
            return []
        prefix = f"$KV.{self._name}."
        info = await self._js.stream_info(f"KV_{self._name}", subjects_filter=prefix + keys)
        names = sorted(subject.removeprefix(prefix) for subject in info.state.subjects or ())
        found = await asyncio.gather(*(self.get(name) for name in names))
        return [(name, hit[0]) for name, hit in zip(names, found, strict=True) if hit]

    async def watch(self, key: str = ">") -> AsyncGenerator[Change[M], None]:
        """The present entries, then every change, for ever."""
        watcher = await self._kv.watch(key)
        try:
            async for entry in watcher:
                if entry is None:  # end of the present entries
                    continue
                value = None if entry.operation else self._kind.FromString(entry.value or b"")
                yield Change(entry.key, value, int(entry.revision or 0))
        finally:
            await watcher.stop()  # type: ignore[no-untyped-call]
