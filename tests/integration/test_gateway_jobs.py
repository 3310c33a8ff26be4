"""Files and jobs through a real gRPC channel and a real nats-server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from gateway_world import BASE, ROWS, SOURCE, World, eventually, running, settings, world
from google.protobuf import json_format
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from burnish.bus import topology
from burnish.errors import SetupError
from burnish.service import listen
from burnish.v1 import (
    common_pb2,
    events_pb2,
    files_service_pb2,
    files_service_pb2_grpc,
    infer_pb2,
    job_pb2,
    jobs_service_pb2,
    jobs_service_pb2_grpc,
    models_service_pb2,
    models_service_pb2_grpc,
    rewards_service_pb2,
    rewards_service_pb2_grpc,
)

GOOD = infer_pb2.RewardVerdict(status="ok", score=1.0, stdout="fine\n", isolation="process")
BROKEN = infer_pb2.RewardVerdict(status="error", message="KeyError: 'x'")


class Client:
    """The stubs, and requests as JSON."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.files: Any = files_service_pb2_grpc.FilesServiceStub(channel)  # type: ignore[no-untyped-call]
        self.rewards: Any = rewards_service_pb2_grpc.RewardsServiceStub(channel)  # type: ignore[no-untyped-call]
        self.jobs: Any = jobs_service_pb2_grpc.JobsServiceStub(channel)  # type: ignore[no-untyped-call]
        self.models: Any = models_service_pb2_grpc.ModelsServiceStub(channel)  # type: ignore[no-untyped-call]
        self.adapters: Any = models_service_pb2_grpc.AdaptersServiceStub(channel)  # type: ignore[no-untyped-call]
        self.chat: Any = models_service_pb2_grpc.ChatServiceStub(channel)  # type: ignore[no-untyped-call]

    async def upload(self, content: bytes = ROWS, name: str = "rows.jsonl") -> str:
        def pieces() -> Iterator[files_service_pb2.UploadFileRequest]:
            yield files_service_pb2.UploadFileRequest(filename=name)
            for start in range(0, len(content), 20):
                yield files_service_pb2.UploadFileRequest(chunk=content[start : start + 20])

        response = await self.files.UploadFile(pieces())
        return str(response.file.id)

    async def create(self, request_id: str = "", **changes: object) -> job_pb2.Job:
        spec: dict[str, Any] = {
            "name": "sums",
            "base_model": BASE,
            "training_file": "",
            "rewards": [{"name": "exact", "weight": 1}],
            "stages": [{"sft": {}}, {"rl": {"steps": 2, "require_success": "exact"}}],
            **changes,
        }
        spec["training_file"] = spec["training_file"] or await self.upload()
        request = jobs_service_pb2.CreateJobRequest(request_id=request_id)
        json_format.ParseDict(spec, request.spec)
        response = await self.jobs.CreateJob(request)
        job: job_pb2.Job = response.job
        return job

    async def reward(self, name: str = "exact", source: str = SOURCE) -> rewards_service_pb2.Reward:
        request = rewards_service_pb2.CreateRewardRequest(
            name=name, definition=common_pb2.RewardDefinition(source=source)
        )
        response = await self.rewards.CreateReward(request)
        reward: rewards_service_pb2.Reward = response.reward
        return reward

    async def get(self, job_id: str) -> job_pb2.Job:
        response = await self.jobs.GetJob(jobs_service_pb2.GetJobRequest(id=job_id))
        job: job_pb2.Job = response.job
        return job


@pytest.fixture
async def there(nats_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(nats_url, tmp_path) as there:
        yield there


@pytest.fixture
def client(there: World) -> Client:
    return Client(there.channel)


def field_of(error: grpc.aio.AioRpcError) -> str:
    """The field that a refusal names."""
    status = rpc_status.from_call(error)
    assert status is not None
    violations = error_details_pb2.BadRequest()
    assert any(detail.Unpack(violations) for detail in status.details)
    return str(violations.field_violations[0].field)


async def refused(
    call: Awaitable[object], code: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT
) -> str:
    """The sentence with which a call is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is code
    message = caught.value.details() or ""
    assert "Traceback" not in message
    return message


async def requested(there: World) -> list[str]:
    """Jobs that wait for a learner."""
    info = await there.bus.js.stream_info(topology.JOBS_STREAM.name, subjects_filter=">")
    return sorted(subject.rpartition(".")[2] for subject in info.state.subjects or {})


async def test_health_and_reflection(there: World) -> None:
    health = health_pb2_grpc.HealthStub(there.channel)
    answer = await health.Check(health_pb2.HealthCheckRequest(service="burnish.v1.JobsService"))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflection = reflection_pb2_grpc.ServerReflectionStub(there.channel)
    call = reflection.ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    )
    listed = [one.name async for reply in call for one in reply.list_services_response.service]
    assert {"burnish.v1.FilesService", "burnish.v1.ChatService", "grpc.health.v1.Health"} <= set(
        listed
    )


async def test_a_file_comes_back_byte_for_byte(client: Client) -> None:
    file_id = await client.upload()
    file = (await client.files.GetFile(files_service_pb2.GetFileRequest(id=file_id))).file
    assert (file.rows, file.labelled_rows, list(file.columns)) == (3, 2, ["prompt", "completion"])
    download = client.files.DownloadFile(files_service_pb2.DownloadFileRequest(id=file_id))
    assert b"".join([piece.chunk async for piece in download]) == ROWS
    preview = files_service_pb2.PreviewFileRequest(id=file_id, limit=1)
    rows = (await client.files.PreviewFile(preview)).rows
    assert [row.messages[0].content for row in rows] == ["1+1"]
    await client.files.DeleteFile(files_service_pb2.DeleteFileRequest(id=file_id))
    gone = client.files.GetFile(files_service_pb2.GetFileRequest(id=file_id))
    assert file_id in await refused(gone, grpc.StatusCode.NOT_FOUND)


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"x", "rows.txt", "a .jsonl, .csv or .parquet file"),
        (b'{"question": 1}', "rows.jsonl", "no `prompt` or `messages` column"),
        (b"{broken", "rows.jsonl", "line 1 is not valid JSON"),
        (b"", "rows.csv", "is empty"),
        (ROWS, "", "has no name"),
        (b"{" * 1024 * 1025, "rows.jsonl", "larger than 1 MiB"),
    ],
)
async def test_a_bad_file_is_refused_in_one_sentence(
    nats_url: str, tmp_path: Path, content: bytes, name: str, words: str
) -> None:
    async with world(nats_url, tmp_path, max_upload_mib=1) as there:
        request = files_service_pb2.UploadFileRequest(filename=name, chunk=content)
        call = Client(there.channel).files.UploadFile(iter([request]))
        assert words in await refused(call)


async def test_a_job_is_written_once_requested_once_and_followed(
    there: World, client: Client
) -> None:
    await there.serve()
    await there.judge(GOOD)
    reward = await client.reward()
    training_file = await client.upload()
    job = await client.create("again", training_file=training_file)
    same = await client.create("again", training_file=training_file)
    assert same.id == job.id
    assert await requested(there) == [job.id]
    assert job.state == job_pb2.JOB_STATE_QUEUED
    assert job.spec.rewards[0].revision == reward.revision
    assert job.spec.stages[1].rl.max_staleness == 4
    in_use = client.files.DeleteFile(files_service_pb2.DeleteFileRequest(id=training_file))
    assert "cancel the job" in await refused(in_use)

    watch = client.jobs.WatchJob(jobs_service_pb2.WatchJobRequest(id=job.id))
    await there.update(job.id, job_pb2.JOB_STATE_RUNNING)
    await there.step(job.id, 1)
    await there.publish_adapter(job.id, 1, b"tar")
    await there.update(job.id, job_pb2.JOB_STATE_SUCCEEDED, "Done.")
    events = [event async for event in watch]
    assert [event.WhichOneof("event") for event in events] == [
        "job_updated",
        "step_completed",
        "policy_published",
        "job_updated",
    ]
    rest = jobs_service_pb2.WatchJobRequest(id=job.id, after_sequence=events[1].sequence)
    assert [event async for event in client.jobs.WatchJob(rest)] == events[2:]
    over = jobs_service_pb2.WatchJobRequest(id=job.id, after_sequence=events[3].sequence)
    assert [event async for event in client.jobs.WatchJob(over)] == []

    async def projected() -> bool:
        return (await client.get(job.id)).state == job_pb2.JOB_STATE_SUCCEEDED

    await eventually(projected)
    done = await client.get(job.id)
    assert (done.step, done.adapter.name) == (1, f"{job.id}:v1")
    listed = (await client.jobs.ListJobs(jobs_service_pb2.ListJobsRequest())).jobs
    assert [one.id for one in listed] == [job.id]
    get = models_service_pb2.DownloadAdapterRequest(name=f"{job.id}@latest")
    assert b"".join([p.chunk async for p in client.adapters.DownloadAdapter(get)]) == b"tar"
    cancel = client.jobs.CancelJob(jobs_service_pb2.CancelJobRequest(id=job.id))
    assert "has ended" in await refused(cancel)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"base_model": "smollm-135m-instruct"}, "base_model", f"did you mean `{BASE}`"),
        ({"training_file": "file-x"}, "training_file", "there is no file 'file-x'"),
        ({"evaluation_file": "file-x"}, "evaluation_file", "there is no file 'file-x'"),
        ({"rewards": [{"name": "exat", "weight": 1}]}, "stages[1].rl.require_success", "exact"),
        (
            {"stages": [{"rl": {"require_success": "quality"}}]},
            "stages[0].rl.require_success",
            "quality",
        ),
        ({"stages": [{"rl": {"group_size": 1}}]}, "stages[0].rl.group_size", "at least 2"),
        ({"stages": []}, "stages", "is missing"),
        ({"name": "?"}, "name", "must match"),
    ],
)
async def test_a_job_that_cannot_run_is_refused_in_one_sentence(
    there: World, client: Client, changes: dict[str, Any], field: str, words: str
) -> None:
    await there.serve()
    await client.reward()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.create(**changes)
    assert words in (caught.value.details() or "").lower()
    assert field in field_of(caught.value)
    assert await requested(there) == []


async def test_a_job_needs_labels_for_sft_a_model_and_a_reward_that_works(
    there: World, client: Client
) -> None:
    await client.reward()
    assert "no serve instance answers" in (await refused(client.create())).lower()
    await there.serve()
    await there.judge(BROKEN)
    unlabelled = await client.upload(b'{"prompt": "p"}')
    assert "no labelled row" in await refused(client.create(training_file=unlabelled))
    assert "'exact' fails on row 0: KeyError: 'x'" in await refused(client.create())


async def test_cancelling_is_a_wish_that_is_written_and_nothing_else(
    there: World, client: Client
) -> None:
    await there.serve()
    await client.reward()
    job = await client.create()
    cancel = jobs_service_pb2.CancelJobRequest(id=job.id)
    assert (await client.jobs.CancelJob(cancel)).job.message.startswith("Cancelling")
    assert (await client.jobs.CancelJob(cancel)).job.id == job.id
    jobs = await there.bus.kv(topology.JOBS, job_pb2.DesiredJob)
    found = await jobs.get(job.id)
    assert found is not None
    assert found[0].cancelled
    assert (await there.bus.js.stream_info(topology.EVENTS_STREAM.name)).state.messages == 0


async def test_a_crash_between_writing_and_requesting_is_repaired(
    nats_url: str, tmp_path: Path
) -> None:
    async with world(nats_url, tmp_path) as there:
        jobs = await there.bus.kv(topology.JOBS, job_pb2.DesiredJob)
        runs = await there.bus.kv(topology.RUNS, job_pb2.JobRun)
        for job_id in ("job-lost", "job-runs", "job-cancelled", "job-paused", "job-resumed"):
            wish = job_pb2.DesiredJob(
                id=job_id,
                project="default",
                cancelled=job_id == "job-cancelled",
                resumes=int(job_id == "job-resumed"),
            )
            await jobs.put(job_id, wish)
        await runs.put("job-runs", job_pb2.JobRun(id="job-runs"))
        for job_id in ("job-paused", "job-resumed"):
            await runs.put(job_id, job_pb2.JobRun(id=job_id, state=job_pb2.JOB_STATE_PAUSED))
        assert await requested(there) == []
        async with running(settings(nats_url, tmp_path / "second")):
            # A cancelled job has to be ended by a learner, too.
            assert await requested(there) == ["job-cancelled", "job-lost", "job-resumed"]


async def test_the_read_model_can_be_deleted_and_outlives_its_gateway(
    nats_url: str, tmp_path: Path
) -> None:
    async with world(nats_url, tmp_path) as there:
        client = Client(there.channel)
        await there.serve()
        await client.reward()
        job = await client.create()
        await there.step(job.id, 1)
        message = events_pb2.RewardScored(reward=1.0)
        message.completion.project, message.completion.job_id = "default", job.id
        message.completion.completion_id = f"{job.id}.rl.0.0"
        await there.bus.publish(message, id="c0")

    async def check(folder: Path) -> None:
        async with world(nats_url, folder) as there:
            client = Client(there.channel)

            async def there_again() -> bool:
                found = await client.jobs.ListCompletions(
                    jobs_service_pb2.ListCompletionsRequest(job_id=job.id)
                )
                return len(found.completions) == 1 and (await client.get(job.id)).step == 1

            await eventually(there_again)

    await check(tmp_path)
    await check(tmp_path / "from nothing")


async def test_another_log_under_the_same_name_clears_the_read_model(
    nats_url: str, tmp_path: Path
) -> None:
    async with world(nats_url, tmp_path) as there:
        client = Client(there.channel)
        await there.serve()
        await client.reward()
        job = await client.create()
        await there.step(job.id, 5)

        async def projected() -> bool:
            return (await client.get(job.id)).step == 5

        await eventually(projected)
        await there.bus.js.delete_stream(topology.EVENTS_STREAM.name)
    async with world(nats_url, tmp_path) as there:
        assert (await Client(there.channel).get(job.id)).step == 0


async def test_a_taken_port_is_named_with_its_setting(nats_url: str, tmp_path: Path) -> None:
    taken = listen("127.0.0.1", 0, "")
    port = taken.getsockname()[1]
    try:
        for name in ("http_port", "grpc_port"):
            with pytest.raises(SetupError, match=f"port {port} .*BURNISH_{name.upper()}"):
                async with running(settings(nats_url, tmp_path, **{name: port})):
                    pass
    finally:
        taken.close()
    await asyncio.sleep(0)
