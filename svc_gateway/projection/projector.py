"""Keeps the read model up with the streams.

Each batch of entries and the cursor behind it are one transaction, so a crash repeats nothing and
skips nothing.
"""

import asyncio
from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from burnish import stopping
from burnish.bus import Bucket, Bus, Entry, topology
from burnish.logs import get_logger
from burnish.v1 import events_pb2, job_pb2
from svc_gateway.projection import schema
from svc_gateway.projection.apply import apply, apply_desired, trim

log = get_logger(__name__)

BATCH = 200
TRIM_EVERY = 500
STREAMS = (topology.EVENTS_STREAM, topology.SCORES_STREAM)


class Projector:
    """The only writer of the read model."""

    def __init__(
        self,
        engine: AsyncEngine,
        bus: Bus,
        jobs: Bucket[job_pb2.DesiredJob],
        *,
        completions_kept: int,
    ) -> None:
        self._engine = engine
        self._bus = bus
        self._jobs = jobs
        self._kept = completions_kept
        self._writing = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._scored: dict[str, int] = {}

    async def start(self, on_failure: Callable[[BaseException], None]) -> None:
        """Project from the kept cursors on; `on_failure` hears why that ended, if it does."""
        cursors = await self._open()
        work = [self._follow(stream, *cursors[stream.name]) for stream in STREAMS]
        for coroutine in (*work, self._watch_jobs()):
            task = asyncio.create_task(coroutine)
            task.add_done_callback(lambda done: _report(done, on_failure))
            self._tasks.append(task)

    async def stop(self) -> None:
        await stopping.stop(self._tasks)

    async def put_desired(self, job: job_pb2.DesiredJob) -> None:
        """Show a job at once that the bucket's watch would show a moment later."""
        async with self._writing, self._engine.begin() as connection:
            await apply_desired(connection, job)

    async def _open(self) -> dict[str, tuple[str, int]]:
        """Each stream's incarnation and cursor; a read model of other streams is cleared."""
        async with self._engine.begin() as connection:
            await schema.prepare(connection)
            rows = (await connection.execute(select(schema.cursors))).all()
            known = {row.stream: (row.incarnation, row.sequence) for row in rows}
            found: dict[str, tuple[str, int]] = {}
            for stream in STREAMS:
                info = await self._bus.js.stream_info(stream.name)
                incarnation = str(info.created)
                kept, sequence = known.get(stream.name, (incarnation, 0))
                if kept != incarnation or sequence > info.state.last_seq:
                    log.warning("projection.rebuilt", stream=stream.name)
                    await schema.clear(connection)
                    return {one.name: (await self._incarnation(one), 0) for one in STREAMS}
                found[stream.name] = (incarnation, sequence)
            return found

    async def _incarnation(self, stream: topology.Stream) -> str:
        return str((await self._bus.js.stream_info(stream.name)).created)

    async def _follow(self, stream: topology.Stream, incarnation: str, after: int) -> None:
        batch: list[Entry] = []
        async for entry in self._bus.read(stream, after=after):
            batch.append(entry)
            if entry.pending == 0 or len(batch) >= BATCH:
                await self._write(stream, incarnation, batch)
                batch.clear()

    async def _write(
        self, stream: topology.Stream, incarnation: str, batch: Sequence[Entry]
    ) -> None:
        async with self._writing, self._engine.begin() as connection:
            for entry in batch:
                await apply(connection, entry.sequence, entry.message)
            for job_id in self._due_for_trim(batch):
                await trim(connection, job_id, self._kept)
            cursor = {"incarnation": incarnation, "sequence": batch[-1].sequence}
            await connection.execute(
                insert(schema.cursors)
                .values(stream=stream.name, **cursor)
                .on_conflict_do_update(index_elements=["stream"], set_=cursor)
            )

    def _due_for_trim(self, batch: Sequence[Entry]) -> list[str]:
        """Jobs of which many completions came since the last time."""
        for entry in batch:
            if isinstance(entry.message, events_pb2.RewardScored):
                job_id = entry.message.completion.job_id
                self._scored[job_id] = self._scored.get(job_id, 0) + 1
        due = [job_id for job_id, count in self._scored.items() if count >= TRIM_EVERY]
        for job_id in due:
            del self._scored[job_id]
        return due

    async def _watch_jobs(self) -> None:
        async for change in self._jobs.watch():
            if change.value is not None:
                await self.put_desired(change.value)


def _report(task: asyncio.Task[None], on_failure: Callable[[BaseException], None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        on_failure(error)
