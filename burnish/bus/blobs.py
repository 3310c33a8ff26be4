"""Large values in the JetStream object store, addressed by name and checked by digest."""

import asyncio
import contextlib
import hashlib
import io
from collections.abc import AsyncIterator
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING

from nats.js.api import ObjectMeta, ObjectMetaOptions
from nats.js.errors import NotFoundError as NatsNotFoundError
from nats.js.errors import ObjectNotFoundError

from burnish.errors import NotFoundError, RetryableError
from burnish.v1 import common_pb2

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.object_store import ObjectStore

# Four times the client's default: reading one object is quadratic in its chunks.
CHUNK = 512 * 1024
TIMEOUT = 300.0


class Blobs:
    """Puts and gets `ObjectRef`s. An object is never changed in place by two writers."""

    def __init__(self) -> None:
        self._js: JetStreamContext | None = None

    def connect(self, js: "JetStreamContext") -> None:
        self._js = js

    async def put(self, bucket: str, name: str, data: bytes | Path) -> common_pb2.ObjectRef:
        """Store bytes or a file.

        Raises:
            RetryableError: the store did not take it in time, or is full.
        """
        store = await self._store(bucket)
        digest, size = await asyncio.to_thread(_measure, data)
        meta = ObjectMeta(name=name, options=ObjectMetaOptions(max_chunk_size=CHUNK))
        with contextlib.ExitStack() as stack:
            source: BufferedIOBase = (
                stack.enter_context(data.open("rb")) if isinstance(data, Path) else io.BytesIO(data)
            )
            async with _deadline(f"storing {bucket}/{name}"):
                await store.put(name, source, meta=meta)
        return common_pb2.ObjectRef(bucket=bucket, name=name, sha256=digest, size=size)

    async def get(self, ref: common_pb2.ObjectRef) -> bytes:
        """The object's bytes.

        Raises:
            NotFoundError: there is no such object.
            RetryableError: it did not arrive, or its digest is not the reference's.
        """
        sink = io.BytesIO()
        await self._read(ref, sink)
        return sink.getvalue()

    async def download(self, ref: common_pb2.ObjectRef, path: Path) -> None:
        """Like `get`, into a file that appears only when it is whole."""
        part = path.with_name(f"{path.name}.part")
        try:
            with part.open("wb+") as sink:
                await self._read(ref, sink)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    async def names(self, bucket: str, prefix: str) -> list[str]:
        """The objects of a bucket whose names begin with `prefix`."""
        store = await self._store(bucket)
        try:
            found = await store.list(ignore_deletes=True)
        except NatsNotFoundError:
            return []
        return sorted(info.name for info in found if info.name.startswith(prefix))

    async def copy(self, ref: common_pb2.ObjectRef, name: str) -> common_pb2.ObjectRef:
        """A second object of the same content in the same bucket."""
        return await self.put(ref.bucket, name, await self.get(ref))

    async def delete(self, ref: common_pb2.ObjectRef) -> None:
        """Remove an object; one that is gone already is fine."""
        store = await self._store(ref.bucket)
        with contextlib.suppress(ObjectNotFoundError, NatsNotFoundError):
            await store.delete(ref.name)

    async def _read(self, ref: common_pb2.ObjectRef, sink: BufferedIOBase) -> None:
        store = await self._store(ref.bucket)
        async with _deadline(f"reading {ref.bucket}/{ref.name}"):
            try:
                await store.get(ref.name, writeinto=sink)
            except (ObjectNotFoundError, NatsNotFoundError):
                raise NotFoundError(f"object {ref.bucket}/{ref.name} does not exist") from None
        sink.seek(0)
        digest = (await asyncio.to_thread(hashlib.file_digest, sink, "sha256")).hexdigest()
        if ref.sha256 and digest != ref.sha256:
            raise RetryableError(f"object {ref.bucket}/{ref.name} is not what was stored")

    async def _store(self, bucket: str) -> "ObjectStore":
        if self._js is None:
            raise RetryableError("the bus is not connected")
        return await self._js.object_store(bucket)


@contextlib.asynccontextmanager
async def _deadline(what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(TIMEOUT):
            yield
    except TimeoutError as error:
        raise RetryableError(f"{what} did not finish: is NATS reachable, its disk full?") from error


def _measure(data: bytes | Path) -> tuple[str, int]:
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest(), len(data)
    with data.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), data.stat().st_size
