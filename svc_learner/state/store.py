"""A job's durable state: checkpoint objects, and the run record that points to the valid one.

The run record is written by compare-and-set and names its checkpoint by digest: a learner that was
only thought to be dead fails at its next write, and a write torn by a crash is never read.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from nats.errors import Error as NatsError
from nats.js.errors import APIError, ServiceUnavailableError

from burnish.bus import Bucket, Bus, topology
from burnish.errors import ConflictError, RetryableError
from burnish.logs import get_logger
from burnish.run_spec import Checkpoints
from burnish.v1 import common_pb2, job_pb2
from svc_learner import codec
from svc_learner.state import retention
from svc_learner.state.checkpoint import Checkpoint
from svc_learner.state.retention import Marks

log = get_logger(__name__)
T = TypeVar("T")

ENDED = {
    job_pb2.JOB_STATE_SUCCEEDED,
    job_pb2.JOB_STATE_FAILED,
    job_pb2.JOB_STATE_CANCELLED,
}

OUTAGE_SECONDS = 300.0
"""How long a finished step waits for the infrastructure before its work is given up."""
OUTAGE = (RetryableError, NatsError, APIError, ServiceUnavailableError, OSError, TimeoutError)


class TakenOverError(Exception):
    """Another learner writes this job's record now."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What the store held when it was opened."""

    run: job_pb2.JobRun
    checkpoint: Checkpoint | None


class RunStore:
    """Build it with `open`, which takes the job over from whoever held it."""

    def __init__(self, bus: Bus, runs: Bucket[job_pb2.JobRun], run: job_pb2.JobRun) -> None:
        self._bus = bus
        self._runs = runs
        self._run = run
        self._revision = 0
        self._unanswered: list[job_pb2.JobRun] = []
        """Written, but nobody got the answer: it was lost, or the writer was cancelled meanwhile."""

    @classmethod
    async def open(cls, bus: Bus, job_id: str) -> "RunStore":
        runs = await bus.kv(topology.RUNS, job_pb2.JobRun)
        store = cls(bus, runs, job_pb2.JobRun(id=job_id, state=job_pb2.JOB_STATE_QUEUED))
        found = await runs.get(job_id)
        if found is not None:
            store._run, store._revision = found
        return store

    @property
    def run(self) -> job_pb2.JobRun:
        return self._run

    async def take_over(self, reward_set: int) -> Checkpoint | None:
        """Fence every other learner off, and read the checkpoint that stands.

        Args:
            reward_set: what the job begins with; whoever takes it over for the first time decides.

        Raises:
            TakenOverError: somebody else was faster.
        """
        self._run.reward_set = self._run.reward_set or reward_set
        await self.record(job_pb2.JOB_STATE_RUNNING, self._run.message)
        if not self._run.HasField("checkpoint"):
            return None
        await self._sweep()
        return await self.read(self._run.checkpoint)

    async def read(self, blob: common_pb2.ObjectRef) -> Checkpoint:
        content = await patiently(lambda: self._bus.blobs.get(blob))
        return await asyncio.to_thread(Checkpoint.unpack, content)

    def hear(self, resumes: int) -> None:
        """How often the job was resumed; it stands in the record from the next write on."""
        self._run.resumes = resumes

    async def record(self, state: job_pb2.JobState, message: str) -> None:
        """Write state and message next to the checkpoint that stands."""
        run = job_pb2.JobRun()
        run.CopyFrom(self._run)
        run.state, run.message = state, message
        await self._write(run)

    async def commit(
        self, checkpoint: Checkpoint, *, message: str, marks: Marks, config: Checkpoints
    ) -> None:
        """Make a checkpoint the one that stands, and free those that nothing keeps."""
        content = await asyncio.to_thread(checkpoint.pack)
        progress = checkpoint.progress
        run = job_pb2.JobRun()
        run.CopyFrom(self._run)
        blob = await self._put(topology.OBJECTS_CHECKPOINTS, progress.version, content)
        run.checkpoint.CopyFrom(blob)
        run.policy_version, run.message = progress.version, message
        run.reward_set = progress.reward_set
        run.usage.CopyFrom(codec.usage(progress.usage))
        _keep(run, progress.step, marks, config)
        await self._replace(run)

    async def publishable(self, base_model: str, version: int, rank: int, content: bytes) -> None:
        """Store an adapter; it is named by the run record from the next `commit` on."""
        blob = await self._put(topology.OBJECTS_ADAPTERS, version, content)
        self._run.adapter.CopyFrom(
            common_pb2.AdapterRef(
                name=f"{self._run.id}:v{version}",
                base_model=base_model,
                job_id=self._run.id,
                policy_version=version,
                blob=blob,
                rank=rank,
            )
        )

    async def name_best(self, adapter: str) -> None:
        """The adapter of the best evaluation; it stands in the record from the next write on."""
        if adapter == self._run.best_adapter.name:
            return
        adapters = await self._bus.kv(topology.ADAPTERS, common_pb2.AdapterRef)
        found = await patiently(lambda: adapters.get(topology.adapter_key(adapter)))
        if found is not None:
            self._run.best_adapter.CopyFrom(found[0])

    async def register_adapter(self) -> None:
        """List the newest adapter where it is looked up by name. Repeating it changes nothing."""
        adapters = await self._bus.kv(topology.ADAPTERS, common_pb2.AdapterRef)
        adapter = self._run.adapter
        await patiently(lambda: adapters.put(topology.adapter_key(adapter.name), adapter))

    async def wait_for_silence(self, seconds: float) -> None:
        """Return when the job has ended, or nobody has written its record for so long."""
        revision, heard = 0, asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - heard < seconds:
            found = await patiently(lambda: self._runs.get(self._run.id))
            if found is not None and found[0].state in ENDED:
                return
            if found is not None and found[1] != revision:
                revision, heard = found[1], asyncio.get_running_loop().time()
            await asyncio.sleep(seconds / 20)

    async def _put(self, bucket: str, version: int, content: bytes) -> common_pb2.ObjectRef:
        digest = hashlib.sha256(content).hexdigest()[:16]
        name = f"{self._run.id}/v{version}.{digest}"
        return await patiently(lambda: self._bus.blobs.put(bucket, name, content))

    async def _replace(self, run: job_pb2.JobRun) -> None:
        before = list(_blobs(self._run))
        await self._write(run)
        named = {blob.name for blob in _blobs(run)}
        for blob in before:
            if blob.name not in named:
                await patiently(lambda blob=blob: self._bus.blobs.delete(blob))  # type: ignore[misc]

    async def _sweep(self) -> None:
        """Delete what a crash between the two writes of a commit left behind.

        Only after the record is taken over: nobody else can make it name another object now.
        """
        bucket, prefix = topology.OBJECTS_CHECKPOINTS, f"{self._run.id}/"
        named = {blob.name for blob in _blobs(self._run)}
        for name in await patiently(lambda: self._bus.blobs.names(bucket, prefix)):
            if name not in named:
                blob = common_pb2.ObjectRef(bucket=bucket, name=name)
                await patiently(lambda blob=blob: self._bus.blobs.delete(blob))  # type: ignore[misc]

    async def _write(self, run: job_pb2.JobRun) -> None:
        self._revision = await patiently(lambda: self._compare_and_set(run))
        self._unanswered.clear()
        self._run = run

    async def _compare_and_set(self, run: job_pb2.JobRun) -> int:
        self._unanswered.append(run)
        try:
            if self._revision:
                return await self._runs.update(run.id, run, self._revision)
            return await self._runs.create(run.id, run)
        except ConflictError:
            found = await self._runs.get(run.id)
            if found is None or found[0] not in self._unanswered:
                raise TakenOverError from None
        self._revision = found[1]
        return found[1] if found[0] == run else await self._compare_and_set(run)


def _keep(run: job_pb2.JobRun, stage_step: int, marks: Marks, config: Checkpoints) -> None:
    """List the new checkpoint, and strike out those that nothing keeps any more.

    A step's first checkpoint stays in the list: it stands before the end of its stage, so a fork
    may lengthen the stage.
    """
    listed = {each.step: each for each in run.checkpoints}
    step = run.policy_version
    if step and step not in listed:
        new = job_pb2.Checkpoint(
            step=step,
            stage=marks.stage,
            stage_index=marks.stage_index,
            stage_step=stage_step,
            blob=run.checkpoint,
        )
        new.time.GetCurrentTime()
        if run.adapter.policy_version == step:
            new.adapter.CopyFrom(run.adapter)
        listed[step] = new
    ends = {each.step for each in run.checkpoints if retention.STAGE in each.reasons}
    kept = []
    for each, why in retention.reasons(list(listed), ends, marks, config).items():
        del listed[each].reasons[:]
        listed[each].reasons.extend(why)
        if each in marks.measured:
            listed[each].measure = marks.measured[each]
        kept.append(listed[each])
    del run.checkpoints[:]
    run.checkpoints.extend(kept)


def _blobs(run: job_pb2.JobRun) -> Iterator[common_pb2.ObjectRef]:
    """The checkpoint objects that a record names."""
    if run.HasField("checkpoint"):
        yield run.checkpoint
    for each in run.checkpoints:
        yield each.blob


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Repeat idempotent work while the infrastructure is away.

    Raises:
        RetryableError: it stayed away for too long.
    """
    deadline = asyncio.get_running_loop().time() + OUTAGE_SECONDS
    while True:
        try:
            return await work()
        except OUTAGE as error:
            if asyncio.get_running_loop().time() > deadline:
                raise RetryableError(f"the bus is out of reach: {error}") from error
            log.warning("store.retried", reason=repr(error))
            await asyncio.sleep(1)
