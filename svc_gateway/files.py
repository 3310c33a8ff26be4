"""Datasets and adapters: checked at the door, kept byte for byte."""

import asyncio
import uuid
from collections.abc import AsyncIterable
from pathlib import PurePath

from burnish import datasets, peft_folder
from burnish.bus import topology
from burnish.bus.blobs import Blobs
from burnish.errors import NotFoundError, UserError
from burnish.v1 import files_service_pb2
from svc_gateway.codec import TERMINAL
from svc_gateway.pages import Page, page_of
from svc_gateway.store import Store

File = files_service_pb2.File
ADAPTER = "adapter"
"""The purpose of an uploaded adapter, whatever was given."""
PREVIEW_ROWS = 10
MAX_PREVIEW_ROWS = 1000


class Files:
    """Upload, list, read, delete."""

    def __init__(self, store: Store, blobs: Blobs, *, project: str, max_bytes: int) -> None:
        self._store = store
        self._blobs = blobs
        self._project = project
        self._max_bytes = max_bytes

    async def upload(
        self, filename: str, chunks: AsyncIterable[bytes], *, purpose: str = "fine-tune"
    ) -> File:
        """Keep a dataset whose every row can be read, or an adapter that can be trained on.

        Raises:
            UserError: it is too large, or neither of them; names the row or the part at fault.
        """
        name = PurePath(filename.replace("\\", "/")).name
        if not name:
            raise UserError(
                "the file has no name", field="file", hint=f"one of {', '.join(datasets.FORMATS)}"
            )
        content = await self._collect(name, chunks)
        file_id = f"file-{uuid.uuid4().hex[:20]}"
        file = File(id=file_id, project=self._project, filename=name, purpose=purpose)
        await asyncio.to_thread(_describe, file, content)
        file.blob.CopyFrom(await self._blobs.put(topology.OBJECTS_FILES, file_id, content))
        file.created_at.GetCurrentTime()
        await self._store.files.create(file_id, file)
        return file

    async def _collect(self, name: str, chunks: AsyncIterable[bytes]) -> bytes:
        content = bytearray()
        async for chunk in chunks:
            content += chunk
            if len(content) > self._max_bytes:
                raise UserError(
                    f"{name} is larger than {self._max_bytes // 1024**2} MiB",
                    field="file",
                    hint="split it, or raise BURNISH_MAX_UPLOAD_MIB on the gateway",
                )
        return bytes(content)

    async def list(self, *, size: int = 0, token: str = "") -> Page[File]:
        """Newest first."""
        files = [file for _, file in await self._store.files.items()]
        files.sort(key=lambda file: (file.created_at.ToNanoseconds(), file.id), reverse=True)
        return page_of(files, lambda file: file.id, size=size, token=token)

    async def get(self, file_id: str, *, field: str = "id") -> File:
        """One file.

        Raises:
            NotFoundError: there is none with this id.
        """
        found = await self._store.files.get(file_id) if _is_key(file_id) else None
        if found is None:
            raise NotFoundError(f"there is no file {file_id!r}", field=field, hint="list the files")
        return found[0]

    async def get_dataset(self, file_id: str, *, field: str) -> File:
        """One file that holds rows.

        Raises:
            NotFoundError: there is none with this id.
            UserError: it is an adapter.
        """
        file = await self.get(file_id, field=field)
        if file.purpose == ADAPTER:
            raise UserError(f"{file.filename} is an adapter, not a dataset", field=field)
        return file

    async def content(self, file_id: str) -> bytes:
        """What was uploaded."""
        return await self._blobs.get((await self.get(file_id)).blob)

    async def dataset(self, file: File) -> datasets.Dataset:
        """The rows of a file that was accepted."""
        content = await self._blobs.get(file.blob)
        return await asyncio.to_thread(datasets.parse, content, file.filename)

    async def preview(self, file_id: str, limit: int = 0) -> tuple[datasets.DatasetRow, ...]:
        """The first rows."""
        dataset = await self.dataset(await self.get_dataset(file_id, field="id"))
        return dataset.rows[: min(limit or PREVIEW_ROWS, MAX_PREVIEW_ROWS)]

    async def delete(self, file_id: str) -> None:
        """Forget a file.

        Raises:
            UserError: a job that has not ended needs it.
        """
        file = await self.get(file_id)
        for key, job in await self._store.jobs.items():
            named = (job.spec.training_file, job.spec.evaluation_file, job.spec.start.file)
            if file_id not in named:
                continue
            run = await self._store.runs.get(key)
            if run is None or run[0].state not in TERMINAL:
                raise UserError(
                    f"{file_id} is in use by {job.id}, which has not ended",
                    field="id",
                    hint="cancel the job or wait for its end",
                )
        await self._store.files.delete(file_id)
        await self._blobs.delete(file.blob)


def require_adapter(file: File, *, field: str) -> None:
    """Raises UserError unless the file is an adapter."""
    if file.purpose != ADAPTER:
        raise UserError(
            f"{file.filename} is a dataset, not an adapter",
            field=field,
            hint="upload a PEFT folder as tar or zip",
        )


def _describe(file: File, content: bytes) -> None:
    """Check what was uploaded, and note what it is.

    Raises:
        UserError: it is neither a dataset nor an adapter.
    """
    if file.filename.lower().endswith(peft_folder.FORMATS):
        peft_folder.read(content)
        file.purpose = ADAPTER
        return
    dataset = datasets.parse(content, file.filename)
    file.rows, file.labelled_rows = len(dataset.rows), len(dataset.labelled)
    file.columns.extend(dataset.columns)


def _is_key(text: str) -> bool:
    """Whether a bucket could hold it: anything else does not exist."""
    return bool(text) and text.replace("-", "").replace("_", "").isalnum() and text.isascii()
