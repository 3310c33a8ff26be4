"""The HTTP surface: the real `openai` client, Connect's JSON, server-sent events, the console."""

import asyncio
import io
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from gateway_world import BASE, ROWS, SOURCE, World, eventually, running, settings, world

from burnish.bus import topology
from burnish.supervisor import nats
from burnish.supervisor.ports import free_port
from burnish.v1 import infer_pb2, job_pb2, jobs_service_pb2

ASK: Any = [{"role": "user", "content": "Hello"}]


@pytest.fixture
async def there(nats_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(nats_url, tmp_path) as there:
        yield there


@pytest.fixture
async def client(there: World) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{there.url}/v1", api_key="none", max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def http(there: World) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=there.url) as client:
        yield client


async def call(http: httpx.AsyncClient, method: str, **request: object) -> dict[str, Any]:
    response = await http.post(f"/burnish.v1.{method}", json=request)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def create_job(there: World, http: httpx.AsyncClient) -> str:
    await there.serve("Hello", " you")
    uploaded = await http.post("/v1/files", files={"file": ("rows.jsonl", ROWS)})
    await call(http, "RewardsService/CreateReward", name="exact", definition={"source": SOURCE})
    spec = {
        "baseModel": BASE,
        "trainingFile": uploaded.json()["id"],
        "rewards": [{"name": "exact", "weight": 1}],
        "stages": [{"rl": {"steps": 2, "loss": "LOSS_CISPO"}}],
    }
    return str((await call(http, "JobsService/CreateJob", spec=spec))["job"]["id"])


async def test_files_with_the_openai_client(client: openai.AsyncOpenAI) -> None:
    uploaded = [
        await client.files.create(file=(f"rows{n}.jsonl", io.BytesIO(ROWS)), purpose="fine-tune")
        for n in range(3)
    ]
    assert uploaded[0].status == "processed"
    assert uploaded[0].bytes == len(ROWS)
    listed = [file.id async for file in client.files.list(limit=2)]
    assert listed == [file.id for file in reversed(uploaded)]
    assert (await client.files.retrieve(listed[0])).filename == "rows2.jsonl"
    assert (await client.files.content(listed[0])).content == ROWS
    assert (await client.files.delete(listed[0])).deleted
    with pytest.raises(openai.NotFoundError, match="There is no file"):
        await client.files.retrieve(listed[0])
    with pytest.raises(openai.BadRequestError, match="line 1 is not valid JSON") as caught:
        await client.files.create(file=("rows.jsonl", b"{broken"), purpose="fine-tune")
    assert caught.value.param == "file"


async def test_chat_by_base_adapter_and_alias(there: World, client: openai.AsyncOpenAI) -> None:
    await there.serve("Hello", " you")
    for version in (9, 10):
        await there.publish_adapter("job-1", version)
    names = {
        BASE: BASE,
        "job-1:v9": "job-1:v9",
        "job-1@latest": "job-1:v10",
    }
    for asked, answers in names.items():
        whole = await client.chat.completions.create(model=asked, messages=ASK)
        assert (whole.model, whole.choices[0].message.content) == (answers, "Hello  you")
        assert json.loads(there.asked[-1].body)["model"] == asked
        assert (await client.models.retrieve(asked)).id == answers
    stream = await client.chat.completions.create(model="job-1@latest", messages=ASK, stream=True)
    words = [chunk.choices[0].delta.content async for chunk in stream]
    assert words == ["Hello", " you"]
    assert there.asked[-1].path == "/v1/chat/completions"
    assert [model.id async for model in client.models.list()] == [BASE, "job-1:v9", "job-1:v10"]


async def test_an_unknown_model_is_answered_with_close_names(
    there: World, client: openai.AsyncOpenAI
) -> None:
    await there.serve("Hello")
    with pytest.raises(openai.NotFoundError, match=f"close names: {BASE}") as caught:
        await client.chat.completions.create(model="smollm2-135m", messages=ASK)
    assert caught.value.param == "model"
    with pytest.raises(openai.BadRequestError, match="Name a model"):
        await client.chat.completions.create(model="", messages=ASK)


async def test_a_base_model_that_nobody_serves_is_one_sentence(
    there: World, client: openai.AsyncOpenAI
) -> None:
    await there.announce()
    with pytest.raises(openai.InternalServerError, match="No serve instance answers") as caught:
        await client.chat.completions.create(model=BASE, messages=ASK)
    assert caught.value.status_code == 503


async def test_what_the_engine_refuses_keeps_its_status(
    there: World, client: openai.AsyncOpenAI
) -> None:
    async def refuse(_: infer_pb2.OpenAIRequest) -> AsyncIterator[infer_pb2.OpenAIChunk]:
        error = infer_pb2.InferError(message="n must be 1", status=400, param="n")
        yield infer_pb2.OpenAIChunk(error=error, done=True)

    there.bus.respond(f"burnish.v1.infer.openai.{BASE}", infer_pb2.OpenAIRequest, refuse, queue="s")
    await there.bus.start()
    await there.announce()
    with pytest.raises(openai.BadRequestError, match="must be 1") as caught:
        await client.chat.completions.create(model=BASE, messages=ASK, n=2, stream=True)
    assert caught.value.param == "n"


async def test_a_client_that_leaves_stops_the_engine(
    there: World, client: openai.AsyncOpenAI
) -> None:
    await there.serve(*["word"] * 1000, pause=0.02)
    stream = await client.chat.completions.create(model=BASE, messages=ASK, stream=True)
    await anext(aiter(stream))
    await stream.close()

    async def told() -> bool:
        return there.cancelled == [there.asked[0].request_id]

    await eventually(told)


async def test_events_replay_and_resume_where_a_browser_left(
    there: World, http: httpx.AsyncClient
) -> None:
    job_id = await create_job(there, http)
    for number in (1, 2, 3):
        await there.step(job_id, number)
    seen = await events(http, job_id, stop_after=2)
    assert [json.loads(data)["stepCompleted"]["step"] for _, _, data in seen] == ["1", "2"]
    await there.update(job_id, job_pb2.JOB_STATE_SUCCEEDED)
    rest = await events(http, job_id, after=seen[-1][0])
    assert [name for _, name, _ in rest] == ["step_completed", "job_updated", "end"]
    assert json.loads(rest[0][2])["stepCompleted"]["step"] == "3"
    assert (await events(http, job_id, after=rest[1][0]))[0][1] == "end"
    assert (await http.get("/events/job-x")).status_code == 404


async def test_graders_with_the_openai_client(there: World, client: openai.AsyncOpenAI) -> None:
    good = infer_pb2.RewardVerdict(status="ok", score=0.5, parts={"a": 0.5}, seconds=0.1)
    bad = infer_pb2.RewardVerdict(status="error", message="KeyError: 'x'")
    verdicts = [good]

    async def answer(
        _: infer_pb2.TryRewardRequest,
    ) -> AsyncIterator[infer_pb2.TryRewardResponse]:
        yield infer_pb2.TryRewardResponse(verdicts=verdicts)

    there.bus.respond(topology.REWARD_TRY, infer_pb2.TryRewardRequest, answer, queue="reward")
    await there.bus.start()
    check: Any = {
        "type": "string_check",
        "name": "exact",
        "operation": "eq",
        "input": "{{ sample.output_text }}",
        "reference": "{{ item.answer }}",
    }
    graders = client.fine_tuning.alpha.graders
    validated = (await graders.validate(grader=check)).grader
    assert validated is not None
    assert validated.name == "exact"
    with pytest.raises(openai.BadRequestError, match="must be 'eq'") as caught:
        await graders.validate(grader={**check, "operation": "is"})
    assert caught.value.param == "grader.operation"
    run = await graders.run(grader=check, model_sample="4", item={"answer": 4})
    assert (run.reward, run.sub_rewards, run.metadata.name) == (0.5, {"a": 0.5}, "exact")
    assert not run.metadata.errors.other_error
    verdicts[:] = [bad]
    source = "def grade(sample, item): return item['x']"
    python: Any = {"type": "python", "name": "p", "source": source}
    errors = (await graders.run(grader=python, model_sample="4")).metadata.errors
    assert errors.python_grader_runtime_error
    assert errors.python_grader_runtime_error_details == "KeyError: 'x'"


async def events(
    http: httpx.AsyncClient, job_id: str, *, after: str = "", stop_after: int = 0
) -> list[tuple[str, str, str]]:
    """(id, event, data) of each event."""
    headers = {"last-event-id": after} if after else {}
    found: list[tuple[str, str, str]] = []
    fields: dict[str, str] = {}
    async with (
        asyncio.timeout(10),
        http.stream("GET", f"/events/{job_id}", headers=headers) as response,
    ):
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            fields[name] = value
            if not line:
                found.append((fields.get("id", ""), fields["event"], fields["data"]))
                fields = {}
                if len(found) == stop_after:
                    break
    return found


async def test_unary_methods_are_json_and_protobuf(there: World, http: httpx.AsyncClient) -> None:
    job_id = await create_job(there, http)
    listed = await call(http, "JobsService/ListJobs", pageSize=10)
    assert [job["id"] for job in listed["jobs"]] == [job_id]
    request = jobs_service_pb2.GetJobRequest(id=job_id).SerializeToString()
    answer = await http.post(
        "/burnish.v1.JobsService/GetJob",
        content=request,
        headers={"content-type": "application/proto"},
    )
    assert jobs_service_pb2.GetJobResponse.FromString(answer.content).job.id == job_id
    missing = await http.post("/burnish.v1.JobsService/GetJob", json={"id": "job-x"})
    assert missing.status_code == 404
    assert missing.json()["code"] == "not_found"
    unknown = await http.post("/burnish.v1.JobsService/GetJob", json={"name": "x"})
    assert unknown.status_code == 400
    assert "GetJobRequest" in unknown.json()["message"]
    assert (await http.post("/burnish.v1.JobsService/WatchJob", json={})).status_code == 404


async def test_pages_of_other_sites_have_no_say(http: httpx.AsyncClient) -> None:
    method = "/burnish.v1.RewardsService/CreateReward"
    reward = {"name": "exact", "definition": {"source": SOURCE}}
    foreign = await http.post(method, json=reward, headers={"origin": "https://example.com"})
    assert foreign.status_code == 403
    own = await http.post(method, json=reward, headers={"origin": str(http.base_url).rstrip("/")})
    assert own.status_code == 200


async def test_a_job_in_yaml_fills_the_form(http: httpx.AsyncClient) -> None:
    text = "training_file: rows.jsonl\nstages:\n  - sft: {epochs: 3}\n"
    filled = await http.post("/console/spec", content=text)
    (stage,) = filled.json()["stages"]
    assert stage["sft"].items() >= {"epochs": 3, "batch_size": 4, "learning_rate": 1e-4}.items()
    wrong = await http.post("/console/spec", content=text.replace("epochs", "epoch"))
    assert wrong.status_code == 400
    assert "epoch" in wrong.json()["error"]["message"]


async def test_probes_console_and_unknown_paths(http: httpx.AsyncClient) -> None:
    assert (await http.get("/healthz")).text == "ok\n"
    assert (await http.get("/readyz")).status_code == 200
    assert "python_info" in (await http.get("/metrics")).text
    index = await http.get("/")
    assert "<title>Burnish</title>" in index.text
    for path in ("static/js/main.js", "static/css/base.css", "static/vendor/uPlot.iife.min.js"):
        assert (await http.get(f"/{path}")).status_code == 200
    nothing = await http.get("/v2/jobs")
    assert nothing.status_code == 404
    assert nothing.json()["error"]["message"] == "There is nothing at GET /v2/jobs."


def start(command: tuple[str, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


async def test_a_nats_that_goes_is_named_and_one_that_comes_back_is_used(tmp_path: Path) -> None:
    port = free_port()
    command = nats.command(tmp_path / "nats", port)
    first = start(command)
    second: subprocess.Popen[bytes] | None = None
    try:
        assert nats.wait_until_ready(port)
        async with (
            running(settings(nats.url(port), tmp_path)) as gateway,
            httpx.AsyncClient(timeout=30) as http,
        ):
            files = f"http://127.0.0.1:{gateway.http_port}/v1/files"
            assert (await http.get(files)).status_code == 200
            first.kill()
            first.wait()
            response = await http.get(files)
            assert response.status_code == 503
            assert "NATS does not answer" in response.json()["error"]["message"]
            second = start(command)

            async def back() -> bool:
                return (await http.get(files)).status_code == 200

            await eventually(back, seconds=30)
    finally:
        for server in (first, second):
            if server is not None:
                server.kill()
                server.wait()
