"""Pausing, resuming, forking and starting points through a real channel and nats-server."""

import io
import json
import struct
import tarfile
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from gateway_world import BASE, World, eventually, running, settings, world
from test_gateway_jobs import GOOD, Client, refused, requested

from burnish.bus import topology
from burnish.v1 import common_pb2, events_pb2, files_service_pb2, job_pb2, jobs_service_pb2

QUEUED, RUNNING = job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING
PAUSED, SUCCEEDED = job_pb2.JOB_STATE_PAUSED, job_pb2.JOB_STATE_SUCCEEDED
RL = {"rl": {"steps": 4}}


class Owner(Client):
    """A client of jobs, and the learner that obeys it."""

    def __init__(self, there: World) -> None:
        super().__init__(there.channel)
        self.there = there

    async def pause(self, job_id: str) -> job_pb2.Job:
        request = jobs_service_pb2.PauseJobRequest(id=job_id)
        return (await self.jobs.PauseJob(request)).job  # type: ignore[no-any-return]

    async def resume(self, job_id: str, **budget: Any) -> job_pb2.Job:  # noqa: ANN401
        request = jobs_service_pb2.ResumeJobRequest(id=job_id)
        if budget:
            request.budget.CopyFrom(job_pb2.Budget(**budget))
        return (await self.jobs.ResumeJob(request)).job  # type: ignore[no-any-return]

    async def fork(self, job_id: str, step: int = 0, **changes: Any) -> job_pb2.Job:  # noqa: ANN401
        """`changes` are of the source's spec."""
        request = jobs_service_pb2.ForkJobRequest(id=job_id, step=step)
        if changes:
            request.spec.CopyFrom((await self.get(job_id)).spec)
            request.spec.MergeFrom(job_pb2.JobSpec(**changes))
        return (await self.jobs.ForkJob(request)).job  # type: ignore[no-any-return]

    async def desired(self, job_id: str) -> job_pb2.DesiredJob:
        found = await (await self.there.bus.kv(topology.JOBS, job_pb2.DesiredJob)).get(job_id)
        assert found is not None
        return found[0]

    async def rest(self, job_id: str, *, resumes: int = 0, **usage: float) -> None:
        """The learner came to rest and acknowledged its request."""
        runs = await self.there.bus.kv(topology.RUNS, job_pb2.JobRun)
        run = job_pb2.JobRun(id=job_id, state=PAUSED, resumes=resumes)
        run.usage.CopyFrom(job_pb2.Usage(**usage))  # type: ignore[arg-type]
        await runs.put(job_id, run)
        event = events_pb2.JobUpdated(
            project="default", job_id=job_id, state=PAUSED, message="why", resumes=resumes
        )
        event.time.GetCurrentTime()
        await self.there.bus.publish(event, id=f"{job_id}.paused.{resumes}")
        await self.acknowledge()
        await eventually(lambda: self.is_in(job_id, PAUSED))

    async def acknowledge(self) -> None:
        await self.there.bus.js.purge_stream(topology.JOBS_STREAM.name)

    async def is_in(self, job_id: str, state: job_pb2.JobState) -> bool:
        return (await self.get(job_id)).state == state

    async def keep(self, job_id: str, *steps: int, content: bytes = b"checkpoint") -> None:
        """The learner keeps checkpoints of its RL stage, newest first."""
        runs = await self.there.bus.kv(topology.RUNS, job_pb2.JobRun)
        run = job_pb2.JobRun(id=job_id, state=RUNNING, reward_set=1)
        for step in steps:
            blob = await self.there.bus.blobs.put(
                topology.OBJECTS_CHECKPOINTS, f"{job_id}/v{step}", content
            )
            run.checkpoints.add(step=step, stage="rl", blob=blob, stage_index=0, stage_step=step)
        await runs.put(job_id, run)


@pytest.fixture
async def there(nats_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(nats_url, tmp_path) as there:
        await there.serve()
        await there.judge(GOOD)
        yield there


@pytest.fixture
async def owner(there: World) -> Owner:
    owner = Owner(there)
    await owner.reward()
    return owner


async def test_a_job_is_paused_and_resumed(owner: Owner) -> None:
    job = await owner.create(budget={"steps": 5})
    pausing = await owner.pause(job.id)
    assert pausing.message.startswith("Pausing")
    assert pausing.state == QUEUED
    await owner.rest(job.id, steps=2)
    assert (await owner.get(job.id)).message == "why"
    assert (await owner.pause(job.id)).state == PAUSED
    assert await requested(owner.there) == []

    resumed = await owner.resume(job.id, steps=9)
    assert (resumed.state, resumed.resumes) == (QUEUED, 1)
    assert resumed.message.startswith("Resumed")
    assert resumed.spec.budget.steps == 9
    assert await requested(owner.there) == [job.id]
    assert (await owner.resume(job.id)).resumes == 1, "the same wish once more"
    assert not (await owner.desired(job.id)).paused


async def test_a_pause_that_has_not_come_is_taken_back(owner: Owner) -> None:
    job = await owner.create()
    await owner.there.update(job.id, RUNNING, "sampling")
    await owner.acknowledge()
    await owner.pause(job.id)
    resumed = await owner.resume(job.id)
    assert resumed.resumes == 1
    runs = await owner.there.bus.kv(topology.RUNS, job_pb2.JobRun)
    await runs.put(job.id, job_pb2.JobRun(id=job.id, state=RUNNING))
    await owner.acknowledge()
    await owner.pause(job.id)
    await owner.resume(job.id)
    assert await requested(owner.there) == [], "its learner has it"


async def test_what_cannot_be_paused_or_resumed_is_refused(owner: Owner) -> None:
    job = await owner.create()
    assert "is not paused" in await refused(owner.resume(job.id))
    await owner.there.update(job.id, SUCCEEDED, "done")
    await eventually(lambda: owner.is_in(job.id, SUCCEEDED))
    assert "has ended, there is nothing to pause" in await refused(owner.pause(job.id))
    assert "burnish jobs fork" in await refused(owner.resume(job.id))
    missing = refused(owner.pause("job-nowhere"), grpc.StatusCode.NOT_FOUND)
    assert "job-nowhere" in await missing


@pytest.mark.parametrize("unit", ["tokens", "seconds", "steps"])
async def test_a_budget_that_is_used_up_does_not_resume(owner: Owner, unit: str) -> None:
    job = await owner.create(budget={unit: 10})
    await owner.rest(job.id, **{unit: 12})
    words = await refused(owner.resume(job.id))
    assert f"budget.{unit}: 12 of 10 {unit} are used up (more than 12" in words
    assert "12 of 11" in await refused(owner.resume(job.id, **{unit: 11}))
    assert (await owner.resume(job.id, **{unit: 13})).state == QUEUED


async def test_a_paused_job_is_cancelled_by_a_learner(owner: Owner) -> None:
    job = await owner.create()
    await owner.pause(job.id)
    await owner.rest(job.id)
    cancelled = await owner.jobs.CancelJob(jobs_service_pb2.CancelJobRequest(id=job.id))
    assert cancelled.job.message.startswith("Cancelling")
    assert await requested(owner.there) == [job.id]
    assert "is being cancelled" in await refused(owner.pause(job.id))


async def test_a_resume_that_a_crash_cut_off_is_repaired(
    owner: Owner, nats_url: str, tmp_path: Path
) -> None:
    job = await owner.create()
    await owner.rest(job.id)
    jobs = await owner.there.bus.kv(topology.JOBS, job_pb2.DesiredJob)
    wish = await owner.desired(job.id)
    wish.resumes = 1
    await jobs.put(job.id, wish)
    async with running(settings(nats_url, tmp_path / "second")):
        assert await requested(owner.there) == [job.id]


async def test_checkpoints_are_listed_newest_first(owner: Owner) -> None:
    job = await owner.create()
    await owner.keep(job.id, 4, 2)
    request = jobs_service_pb2.ListCheckpointsRequest(job_id=job.id)
    listed = (await owner.jobs.ListCheckpoints(request)).checkpoints
    assert [each.step for each in listed] == [4, 2]


async def test_a_fork_keeps_a_copy_of_its_checkpoint(owner: Owner) -> None:
    source = await owner.create(stages=[RL])
    await owner.keep(source.id, 3, 2, content=b"three")
    fork = await owner.fork(source.id)
    assert fork.spec.start.checkpoint == job_pb2.CheckpointRef(job_id=source.id, step=3)
    assert fork.spec.stages == source.spec.stages
    origin = (await owner.desired(fork.id)).origin
    assert origin.name == f"{fork.id}/origin"
    assert await owner.there.bus.blobs.get(origin) == b"three"
    assert fork.id in await requested(owner.there)
    again = await owner.fork(source.id, 2, seed=7)
    assert (again.spec.seed, again.spec.start.checkpoint.step) == (7, 2)


async def test_a_fork_carries_the_rewards_and_the_budget_in_force(owner: Owner) -> None:
    await owner.reward("other")
    source = await owner.create(stages=[{"rl": {"steps": 4}}])
    update = jobs_service_pb2.UpdateJobRewardsRequest(
        id=source.id, rewards=[common_pb2.RewardRef(name="other", weight=2)]
    )
    await owner.jobs.UpdateJobRewards(update)
    await owner.keep(source.id, 2)
    runs = await owner.there.bus.kv(topology.RUNS, job_pb2.JobRun)
    found = await runs.get(source.id)
    assert found is not None
    found[0].reward_set, found[0].state = 2, PAUSED
    await runs.put(source.id, found[0])
    await owner.resume(source.id, tokens=77)
    fork = await owner.fork(source.id)
    assert [(each.name, each.weight) for each in fork.spec.rewards] == [("other", 2)]
    assert fork.spec.budget.tokens == 77


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lora": job_pb2.LoraConfig(rank=4)}, "lora.rank: the checkpoint of step 2 has rank 16"),
        ({"lora": job_pb2.LoraConfig(alpha=4)}, "lora.alpha: "),
        ({"stages": []}, "stages[0].rl.steps: the checkpoint of step 4 has done 4 of the 4 steps"),
    ],
)
async def test_a_fork_that_does_not_fit_is_refused(
    owner: Owner, change: dict[str, Any], words: str
) -> None:
    source = await owner.create(stages=[RL])
    await owner.keep(source.id, 4, 2)
    step = 4 if "stages" in change else 2
    assert words in await refused(owner.fork(source.id, step, **change, seed=3))


async def test_a_fork_of_a_warm_up_that_is_over_is_refused(owner: Owner) -> None:
    stage = {"sft": {"epochs": 2, "batch_size": 1}}
    source = await owner.create(stages=[stage])
    await owner.keep(source.id, 4)
    words = await refused(owner.fork(source.id))
    assert "stages[0].sft.epochs: the checkpoint of step 4 has done 4 of the 4 steps" in words
    assert (await owner.fork(source.id, stages=[job_pb2.Stage(rl=job_pb2.RlStage())])).id


async def test_a_fork_of_what_is_not_there_is_refused(owner: Owner) -> None:
    source = await owner.create(stages=[RL])
    nothing = refused(owner.fork(source.id), grpc.StatusCode.NOT_FOUND)
    assert "has no checkpoint yet" in await nothing
    await owner.keep(source.id, 3, 2)
    wrong = refused(owner.fork(source.id, 1), grpc.StatusCode.NOT_FOUND)
    assert "keeps no checkpoint of step 1 (it keeps 2, 3)" in await wrong
    start = {"checkpoint": {"job_id": "job-0", "step": 1}}
    unknown = refused(owner.create(start=start), grpc.StatusCode.NOT_FOUND)
    assert "start.checkpoint.job_id: there is no job 'job-0'" in await unknown


async def test_a_fork_of_another_kind_of_stage_is_refused(owner: Owner) -> None:
    source = await owner.create(stages=[RL])
    await owner.keep(source.id, 2)
    start = {"checkpoint": {"job_id": source.id, "step": 2}}
    words = await refused(owner.create(start=start, stages=[{"sft": {}}, RL]))
    assert "stages[0]: the checkpoint of step 2 is in stage 1: stage 1 has to be `rl`" in words


def safetensors(
    rank: int, names: tuple[str, ...] = ("q.lora_A.weight", "q.lora_B.weight")
) -> bytes:
    header = {}
    for index, name in enumerate(names):
        shape = [rank, 2] if index == 0 else [2, rank]
        start = index * 2 * rank * 4
        header[name] = {
            "dtype": "F32",
            "shape": shape,
            "data_offsets": [start, start + 2 * rank * 4],
        }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(len(names) * 2 * rank * 4)


def peft(rank: int = 16, **config: object) -> dict[str, bytes]:
    settings = {"peft_type": "LORA", "r": rank, "lora_alpha": 32, "target_modules": ["q"], **config}
    return {
        "adapter_config.json": json.dumps(settings).encode(),
        "adapter_model.safetensors": safetensors(rank),
    }


def tarred(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(f"adapter/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "pack"), [("mine.tar.gz", tarred), ("mine.zip", zipped)])
async def test_a_job_begins_with_an_uploaded_adapter(
    owner: Owner, name: str, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    file_id = await owner.upload(pack(peft()), name)
    file = (await owner.files.GetFile(files_service_pb2.GetFileRequest(id=file_id))).file
    assert (file.purpose, file.rows) == ("adapter", 0)
    job = await owner.create(start={"file": file_id})
    assert (await owner.desired(job.id)).origin == file.blob
    in_use = owner.files.DeleteFile(files_service_pb2.DeleteFileRequest(id=file_id))
    assert "cancel the job" in await refused(in_use)
    wrong = await refused(owner.create(start={"file": file_id}, lora={"rank": 8}))
    assert "lora.rank: the adapter has rank 16, the job 8 (set it to 16)" in wrong
    data = await refused(owner.create(training_file=file_id))
    assert data == f"{name} is an adapter, not a dataset."
    rows = await owner.upload()
    assert "is a dataset, not an adapter" in await refused(owner.create(start={"file": rows}))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no adapter_config.json"),
        ({"adapter_config.json": b"{}", "adapter_model.bin": b"x"}, "can run code"),
        ({**peft(), "adapter_config.json": b"{"}, "is not a LoRA's"),
        (peft(use_dora=True), "`use_dora` is True"),
        (peft(peft_type="IA3"), "describes a 'IA3'"),
        ({**peft(), "adapter_model.safetensors": b"1234567"}, "is not a safetensors file"),
        ({**peft(), "adapter_model.safetensors": safetensors(16)[:-1]}, "or cut off"),
        ({**peft(), "adapter_model.safetensors": safetensors(8)}, "has not rank 16"),
        (
            {**peft(), "adapter_model.safetensors": safetensors(16, ("q.weight", "p"))},
            "q.weight (F32) is no LoRA weight",
        ),
    ],
)
async def test_a_bad_adapter_is_refused_at_the_door(
    owner: Owner, files: dict[str, bytes], words: str
) -> None:
    assert words in await refused(owner.upload(tarred(files), "mine.tgz"))


async def test_an_archive_that_is_none_is_refused(owner: Owner) -> None:
    assert "neither a tar nor a zip" in await refused(owner.upload(b"hello", "mine.tar"))


async def test_a_job_begins_with_a_published_adapter(owner: Owner) -> None:
    source = await owner.create()
    await owner.there.publish_adapter(source.id, 3, tarred(peft(), "w"))
    job = await owner.create(start={"adapter": f"{source.id}:v3"})
    bucket = await owner.there.bus.kv(topology.ADAPTERS, common_pb2.AdapterRef)
    found = await bucket.get(f"{source.id}.v3")
    assert found is not None
    assert (await owner.desired(job.id)).origin == found[0].blob
    missing = refused(owner.create(start={"adapter": f"{source.id}:v9"}), grpc.StatusCode.NOT_FOUND)
    assert "start.adapter" in await missing
    assert job.spec.base_model == BASE
