"""Typed key-value buckets with compare-and-set."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from google.protobuf.message import Message
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError, NoKeysError

from burnish.errors import ConflictError

if TYPE_CHECKING:
    from nats.js.kv import KeyValue

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Change(Generic[M]):
    """One change of a bucket; `value` is None when the key was deleted."""

    key: str
    value: M | None
    revision: int


class Bucket(Generic[M]):
    """Entries of one message type. Keys match `[-/_=.a-zA-Z0-9]+`."""

    def __init__(self, kv: "KeyValue", kind: type[M]) -> None:
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

    async def keys(self) -> list[str]:
        try:
            return await self._kv.keys()
        except NoKeysError:
            return []

    async def items(self) -> list[tuple[str, M]]:
        """All entries that stand now."""
        keys = await self.keys()
        found = await asyncio.gather(*(self.get(key) for key in keys))
        return [(key, hit[0]) for key, hit in zip(keys, found, strict=True) if hit]

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
