"""Adapters to take home: each is a tar of a PEFT folder."""

from collections.abc import AsyncIterator

from burnish.bus.blobs import Blobs
from burnish.v1 import common_pb2
from svc_gateway.models import Models

CHUNK = 256 * 1024


class Adapters:
    """List and download."""

    def __init__(self, models: Models, blobs: Blobs) -> None:
        self._models = models
        self._blobs = blobs

    async def list(self, job_id: str = "") -> list[common_pb2.AdapterRef]:
        return await self._models.adapters(job_id)

    async def content(self, name: str) -> tuple[common_pb2.AdapterRef, bytes]:
        """The adapter's reference and its tar.

        Raises:
            NotFoundError: there is no such adapter.
        """
        adapter = await self._models.adapter(name)
        return adapter, await self._blobs.get(adapter.blob)


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    """Content in pieces that fit a message."""
    for start in range(0, len(content), CHUNK):
        yield content[start : start + CHUNK]
