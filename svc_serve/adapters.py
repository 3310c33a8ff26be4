"""Adapters on demand: from the object store to the engine on first use, out again when idle."""

import asyncio
import contextlib
import re
import shutil
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from burnish.errors import UserError
from burnish.logs import get_logger
from burnish.v1 import common_pb2
from svc_serve import peft_folder
from svc_serve.engine import Engine
from svc_serve.residency import Residency

log = get_logger(__name__)

_SHA256 = re.compile(r"[0-9a-f]{64}")
KEPT_ON_DISK = 256
"""Unpacked folders; the ones unused for longest go first."""


class Blobs(Protocol):
    """What this module needs of the object store."""

    async def download(self, ref: common_pb2.ObjectRef, path: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class AdapterSource:
    """Where an adapter comes from."""

    name: str
    base_model: str
    rank: int
    blob: common_pb2.ObjectRef


class Adapters:
    """Loads each adapter once, however many requests ask at the same time."""

    def __init__(
        self,
        blobs: Blobs,
        engine: Engine,
        folder: Path,
        *,
        base_model: str,
        capacity: int,
        max_rank: int,
    ) -> None:
        self._blobs = blobs
        self._engine = engine
        self._folder = folder
        self._base_model = base_model
        self._max_rank = max_rank
        self._residency = Residency(capacity)
        self._digests: dict[str, str] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def loaded(self) -> tuple[str, ...]:
        return tuple(self._residency)

    @contextlib.asynccontextmanager
    async def lease(self, source: AdapterSource) -> AsyncIterator[str]:
        """The adapter's name, which the engine knows and keeps meanwhile.

        Raises:
            UserError: It is not an adapter of this base model, or the engine cannot serve it.
            RetryableError: The object store did not deliver it.
        """
        async with self._locks[source.name]:
            await self._load(source)
            self._residency.acquire(source.name)
        try:
            yield source.name
        finally:
            self._residency.release(source.name)
            await self._unload_surplus()

    async def prefetch(self, source: AdapterSource) -> None:
        """Load an adapter that will be asked for soon."""
        async with self._locks[source.name]:
            await self._load(source)
        await self._unload_surplus()

    async def _load(self, source: AdapterSource) -> None:
        if source.name in self._residency:
            if self._digests[source.name] != source.blob.sha256:
                raise UserError(
                    f"adapter {source.name} is loaded with other weights: names are never reused",
                    field="adapter.blob",
                )
            return
        if source.base_model != self._base_model:
            raise UserError(
                f"adapter {source.name} belongs to {source.base_model}, not to {self._base_model}",
                field="adapter",
            )
        began = time.monotonic()
        path = await self._on_disk(source)
        await self._engine.load_adapter(source.name, path)
        self._residency.add(source.name)
        self._digests[source.name] = source.blob.sha256
        log.info("adapter.loaded", adapter=source.name, seconds=round(time.monotonic() - began, 3))

    async def _on_disk(self, source: AdapterSource) -> Path:
        if not _SHA256.fullmatch(source.blob.sha256):
            raise UserError(f"adapter {source.name} has no sha256 digest", field="adapter.blob")
        path = self._folder / source.blob.sha256
        if path.exists():
            path.touch()
            return path
        self._folder.mkdir(parents=True, exist_ok=True)
        archive = self._folder / f".{source.blob.sha256}.tar"
        try:
            await self._blobs.download(source.blob, archive)  # checks the digest
            await asyncio.to_thread(
                peft_folder.unpack, archive, path, rank=source.rank, max_rank=self._max_rank
            )
        finally:
            archive.unlink(missing_ok=True)
        return path

    async def _unload_surplus(self) -> None:
        surplus = self._residency.surplus()
        for key in surplus:
            # Whoever asks for it meanwhile waits, and loads it again.
            async with self._locks[key]:
                if key not in self._residency.surplus():
                    continue
                self._residency.remove(key)
                del self._digests[key]
                await self._engine.unload_adapter(key)
            log.info("adapter.unloaded", adapter=key)
        if surplus:
            keep = max(KEPT_ON_DISK, 2 * len(self._residency))
            await asyncio.to_thread(_prune, self._folder, keep)


def _prune(folder: Path, keep: int) -> None:
    """Remove the folders that were loaded longest ago."""
    if not folder.exists():
        return
    folders = sorted(
        (path for path in folder.iterdir() if _SHA256.fullmatch(path.name)),
        key=lambda path: path.stat().st_mtime,
    )
    for path in folders[: max(0, len(folders) - keep)]:
        shutil.rmtree(path, ignore_errors=True)
