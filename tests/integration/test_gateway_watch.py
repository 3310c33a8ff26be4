"""What watches a job, at the gateway: levels, alarms and the best evaluation, down to the console."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from gateway_world import BASE, World, eventually, world
from playwright.async_api import Page, async_playwright, expect
from test_gateway_jobs import GOOD, Client, field_of, refused

from burnish import sdk
from burnish.bus import topology
from burnish.sdk import AlarmRaised, CurriculumAdvanced, EvaluationCompleted
from burnish.spec import JobSpec
from burnish.v1 import common_pb2, events_pb2, job_pb2, models_service_pb2

ID = "job-1"
LEVELS = (
    b'{"prompt": "1+1", "grade": "easy"}\n{"prompt": "2+2", "grade": "hard"}\n{"prompt": "3"}\n'
)


@pytest.fixture
async def there(nats_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(nats_url, tmp_path) as there:
        yield there


@pytest.fixture
def client(there: World) -> Client:
    return Client(there.channel)


async def announce(there: World, event: Any, name: str) -> None:  # noqa: ANN401
    event.project, event.job_id = "default", ID
    event.time.GetCurrentTime()
    await there.bus.publish(event, id=f"{ID}.{name}")


async def begin(there: World) -> None:
    """A job with a level that opened, an alarm that stands, and an evaluation that is the best."""
    spec = {
        "base_model": BASE,
        "training_file": "file-1",
        "rewards": [{"name": "exact", "revision": "0" * 64}],
        "stages": [{"rl": {"curriculum": {"level_column": "grade"}}}],
    }
    job = job_pb2.DesiredJob(id=ID, project="default", spec=JobSpec.parse(spec).to_proto())
    jobs = await there.bus.kv(topology.JOBS, job_pb2.DesiredJob)
    await jobs.put(ID, job)
    await there.update(ID, job_pb2.JOB_STATE_RUNNING, "reward 0.7")
    for version in (1, 2):
        await there.publish_adapter(ID, version)
        await there.step(ID, version)
    message = "the mean reward of the newest 16 groups of `easy` is 0.81, at least 0.7"
    opened = events_pb2.CurriculumAdvanced(
        step=2, level="hard", number=2, levels=2, message=message
    )
    await announce(there, opened, "curriculum")
    message = "completions grew from 31 to 97 tokens on average"
    alarm = events_pb2.AlarmRaised(
        step=2, kind="length_drift", message=message, value=3.13, threshold=3
    )
    await announce(there, alarm, "alarm")
    for version, mean, best in ((1, 0.75, True), (2, 0.5, False)):
        evaluation = events_pb2.EvaluationCompleted(
            label=f"step-{version}",
            policy_version=version,
            adapter=f"{ID}:v{version}",
            reward_mean=mean,
            pass_at={1: mean, 4: 0.9},
            samples=4,
            best=best,
            gap=0.125,
        )
        await announce(there, evaluation, f"evaluation.{version}")


async def test_the_best_evaluation_is_part_of_the_job(there: World, client: Client) -> None:
    await begin(there)

    async def both() -> bool:
        return (await client.get(ID)).metrics.get("evaluation/reward", 0) == 0.5

    await eventually(both)
    found = await client.get(ID)
    assert found.best_adapter.name == f"{ID}:v1"
    assert found.best_adapter.rank == 16
    assert found.adapter.name == f"{ID}:v2"
    assert found.metrics["evaluation/pass@4"] == 0.9
    assert found.metrics["evaluation/gap"] == 0.125


async def test_best_is_an_alias(there: World, client: Client) -> None:
    async def pull(name: str) -> bytes:
        get = models_service_pb2.DownloadAdapterRequest(name=name)
        return b"".join([part.chunk async for part in client.adapters.DownloadAdapter(get)])

    await there.publish_adapter(ID, 1, b"the first")
    await there.publish_adapter(ID, 2, b"the second")
    missing = await refused(pull(f"{ID}@best"), grpc.StatusCode.NOT_FOUND)
    assert "no adapter 'job-1@best'" in missing
    run = job_pb2.JobRun(id=ID)
    adapters = await there.bus.kv(topology.ADAPTERS, common_pb2.AdapterRef)
    first = await adapters.get(topology.adapter_key(f"{ID}:v1"))
    assert first is not None
    run.best_adapter.CopyFrom(first[0])
    await (await there.bus.kv(topology.RUNS, job_pb2.JobRun)).put(ID, run)
    assert await pull(f"{ID}@best") == b"the first"
    assert await pull(f"{ID}@latest") == b"the second"


async def test_the_client_watches_levels_and_alarms(there: World) -> None:
    await begin(there)
    await there.update(ID, job_pb2.JOB_STATE_SUCCEEDED)

    def read() -> list[object]:
        with sdk.Client(f"127.0.0.1:{there.gateway.grpc_port}") as client:
            return [watched.event for watched in client.jobs.watch(ID)]

    events = await asyncio.to_thread(read)
    (level,) = [event for event in events if isinstance(event, CurriculumAdvanced)]
    assert (level.level, level.number, level.levels, level.step) == ("hard", 2, 2, 2)
    (alarm,) = [event for event in events if isinstance(event, AlarmRaised)]
    assert (alarm.kind, alarm.threshold, alarm.paused) == ("length_drift", 3, False)
    first, second = [event for event in events if isinstance(event, EvaluationCompleted)]
    assert (first.best, second.best) == (True, False)
    assert dict(first.pass_at) == {1: 0.75, 4: 0.9}
    assert first.gap == 0.125


async def test_a_row_without_a_level_is_refused_at_creation(there: World, client: Client) -> None:
    await there.serve("x")
    await there.judge(GOOD)
    await client.reward()
    curriculum = {"level_column": "grade"}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.create(
            training_file=await client.upload(LEVELS), stages=[{"rl": {"curriculum": curriculum}}]
        )
    assert "row 2 of the training file has no value in `grade`" in (caught.value.details() or "")
    assert field_of(caught.value) == "stages[0].rl.curriculum.level_column"


@pytest.fixture
async def page(there: World) -> AsyncIterator[Page]:
    """A page on the console; an error in its scripts fails the test."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("BURNISH_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = await browser.new_page(base_url=there.url, viewport={"width": 1280, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        await browser.close()
    assert errors == []


@pytest.mark.browser
async def test_the_console_shows_what_watches_a_job(there: World, page: Page) -> None:
    await begin(there)
    await page.goto(f"/#/jobs/{ID}")
    alarm = page.locator("[data-alarm=length_drift]")
    await expect(alarm).to_contain_text("Step 2: completions grew from 31 to 97 tokens")
    await expect(page.locator("#job-level")).to_have_text("Level hard (2 of 2) since step 2")
    await expect(page.locator("#job-best")).to_contain_text("v1 (pass@1 75 %, pass@4 90 %")
    gone = events_pb2.StepCompleted(
        stage="rl", step=3, total_steps=9, metrics={"alarms/length_drift": 0.0}
    )
    await announce(there, gone, "step.3")
    await expect(alarm).to_have_count(0)


YAML = """
training_file: rows.jsonl
rewards: [{name: exact, source: "def reward(prompt, completion, example):\\n    return 1.0\\n"}]
stages:
  - rl: {steps: 3, loss: dapo, overlong: mask, curriculum: {level_column: grade, promote_at: 0.5}}
alarms: {action: pause, window: 7}
early_stopping: {patience: 2}
evaluation: {every_steps: 1, samples: 2, pass_at: [1, 2], sampling: {temperature: 1.0}}
evaluation_file: rows.jsonl
"""


@pytest.mark.browser
async def test_the_form_keeps_settings_that_it_does_not_show(
    there: World, client: Client, page: Page
) -> None:
    await there.serve("x")
    await there.judge(GOOD)
    await client.upload(LEVELS.replace(b'"3"', b'"3", "grade": "hard"'))
    await page.goto("/#/new")
    await page.click("#paste-yaml")
    await page.fill("#yaml-text", YAML)
    await page.click("#yaml-apply")
    kept = page.locator("#kept-settings")
    await expect(kept).to_contain_text("a curriculum, early stopping, alarms that pause")
    await page.locator("#training-file").select_option(index=1)
    await page.locator("#evaluation-file").select_option(index=1)
    await page.fill("#rl-steps", "5")
    await page.click("#start-job")
    job_id = await page.locator("#job-id").inner_text()
    spec = JobSpec.from_proto((await client.get(job_id)).spec)
    stage = spec.stages[-1].rl
    assert stage is not None
    assert stage.curriculum is not None
    assert (stage.steps, stage.loss, stage.overlong) == (5, "dapo", "mask")
    assert (stage.curriculum.level_column, stage.curriculum.promote_at) == ("grade", 0.5)
    assert (stage.clip_low, stage.clip_high) == (0.2, 0.28)
    assert (spec.alarms.action, spec.alarms.window, spec.early_stopping.patience) == ("pause", 7, 2)
    assert spec.evaluation.pass_at == (1, 2)
