"""Jobs that begin with an adapter, a file or another job's checkpoint, on a real nats-server."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from learner_pipeline import RL, SFT, Pipeline, pipeline_on
from safetensors.torch import load, save

from burnish.bus import topology
from burnish.v1 import common_pb2, events_pb2, job_pb2
from svc_learner.state import archive
from svc_learner.state.checkpoint import Checkpoint
from svc_learner.state.store import RunStore

SUCCEEDED, FAILED = job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED
HELD_OUT = {"evaluation_file": "file-1"}
STEADY = {"deterministic": True}
KEEP = {"checkpoints": {"every_steps": 1, "keep": 100}}
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


class Crash(BaseException):
    """kill -9, as far as the coroutine can tell."""


@pytest.fixture
async def pipeline(nats_url: str) -> AsyncIterator[Pipeline]:
    async with pipeline_on(nats_url) as running:
        yield running


def rl(**changes: object) -> dict[str, object]:
    return {"rl": RL["rl"] | changes}


async def run(pipeline: Pipeline) -> job_pb2.JobRun:
    await (await pipeline.runner()).run()
    return await pipeline.record()


async def finished(
    pipeline: Pipeline, job_id: str, *stages: object, **spec: object
) -> job_pb2.JobRun:
    """A job that ran to its end."""
    pipeline.job_id = job_id
    await pipeline.submit(*stages, **spec)
    ended = await run(pipeline)
    assert ended.state == SUCCEEDED, ended.message
    return ended


async def fork(
    pipeline: Pipeline, source: job_pb2.JobRun, step: int, *stages: object, **spec: object
) -> None:
    """Write a fork as the gateway does."""
    pipeline.job_id = "job-2"
    start = {"checkpoint": {"job_id": source.id, "step": step}}
    await pipeline.submit(*stages, start=start, **spec)
    kept = next(each for each in source.checkpoints if each.step == step)
    await pipeline.wish(origin=await pipeline.bus.blobs.copy(kept.blob, "job-2/origin"))


async def begin_with(pipeline: Pipeline, content: bytes, *stages: object, **spec: object) -> None:
    pipeline.job_id = "job-2"
    await pipeline.submit(*stages, start={"file": "file-2"}, **spec)
    blob = await pipeline.bus.blobs.put(topology.OBJECTS_FILES, "file-2", content)
    await pipeline.wish(origin=blob)


@pytest.mark.parametrize("staleness", [0, 2])
@pytest.mark.parametrize("step", [2, 4, 6])
async def test_a_fork_with_nothing_changed_goes_on_as_its_source(
    pipeline: Pipeline, step: int, staleness: int
) -> None:
    """Step 2 is in the warm-up, 4 ends it, 6 has groups of older policies in flight."""
    stages = SFT, rl(steps=4, max_staleness=staleness)
    source = await finished(pipeline, "job-1", *stages, **STEADY, **KEEP, **HELD_OUT)
    await fork(pipeline, source, step, *stages, **STEADY, **HELD_OUT)
    ended = await run(pipeline)
    assert ended.state == SUCCEEDED, ended.message
    assert ended.adapter.name == "job-2:v8"
    assert ended.adapter.blob.sha256 == source.adapter.blob.sha256
    assert [each.step for each in await pipeline.steps()] == list(range(step + 1, 9))
    assert ended.usage.steps == 8 - step


async def test_a_fork_goes_on_in_its_sources_curriculum(pipeline: Pipeline) -> None:
    rows = [{"prompt": letter, "level": str(n // 3)} for n, letter in enumerate("abcdefghi")]
    curriculum = {"level_column": "level", "promote_at": 0.3, "window": 2, "adaptive": {}}
    stages = (rl(steps=6, curriculum=curriculum, max_staleness=1, sft_replay=0),)
    source = await finished(pipeline, "job-1", *stages, rows=rows, **STEADY, **KEEP)
    await fork(pipeline, source, 3, *stages, rows=rows, **STEADY)
    ended = await run(pipeline)
    assert ended.state == SUCCEEDED, ended.message
    assert ended.adapter.blob.sha256 == source.adapter.blob.sha256


async def test_a_fork_may_lengthen_the_stage_that_it_begins_in(pipeline: Pipeline) -> None:
    longer = await finished(pipeline, "job-0", SFT, rl(steps=5), **STEADY)
    source = await finished(pipeline, "job-1", SFT, rl(steps=3), **STEADY)
    await fork(pipeline, source, 7, SFT, rl(steps=5), **STEADY)
    ended = await run(pipeline)
    assert ended.policy_version == 9
    assert ended.adapter.blob.sha256 == longer.adapter.blob.sha256


async def test_a_fork_with_other_rows_rewards_and_settings_goes_on(pipeline: Pipeline) -> None:
    source = await finished(pipeline, "job-1", SFT, RL, **KEEP)
    pipeline.requests.clear()
    changed = rl(steps=6, group_size=2, learning_rate=0.02, sft_replay=0)
    await fork(
        pipeline,
        source,
        6,
        SFT,
        changed,
        rows=[{"prompt": "q"}],
        training_file="file-9",
        rewards=[{"name": "other", "revision": "1" * 64}],
        seed=5,
    )
    ended = await run(pipeline)
    assert ended.state == SUCCEEDED, ended.message
    assert ended.policy_version == 10
    assert {request.group_size for request in pipeline.requests} == {2}
    assert {each.name for request in pipeline.requests for each in request.rewards} == {"other"}


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
async def test_a_crash_at_the_beginning_changes_nothing(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    stages = SFT, rl(max_staleness=2)
    source = await finished(pipeline, "job-1", *stages, **STEADY, **KEEP)
    commit, after = RunStore.commit, moment == "after the commit"

    async def dying(store: RunStore, checkpoint: Checkpoint, **how: Any) -> None:  # noqa: ANN401
        if after:
            await commit(store, checkpoint, **how)
        raise Crash

    await fork(pipeline, source, 5, *stages, **STEADY)
    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "commit", dying)
        with pytest.raises(Crash):
            await run(pipeline)
    ended = await run(pipeline)
    assert ended.adapter.blob.sha256 == source.adapter.blob.sha256


async def test_the_copy_of_the_source_goes_when_the_fork_stands_by_itself(
    pipeline: Pipeline,
) -> None:
    source = await finished(pipeline, "job-1", SFT)
    await fork(pipeline, source, 4, SFT, RL)
    await run(pipeline)
    assert "job-2/origin" not in await pipeline.bus.blobs.names(
        topology.OBJECTS_CHECKPOINTS, "job-2/"
    )


async def test_an_adapter_becomes_version_0(pipeline: Pipeline) -> None:
    source = await finished(pipeline, "job-1", SFT)
    pipeline.job_id = "job-2"
    await pipeline.submit(RL, start={"adapter": "job-1:v4"}, **HELD_OUT)
    await pipeline.wish(origin=source.adapter.blob)
    ended = await run(pipeline)
    assert ended.state == SUCCEEDED, ended.message
    adapters = await pipeline.bus.kv(topology.ADAPTERS, common_pb2.AdapterRef)
    first = await adapters.get("job-2.v0")
    assert first is not None
    assert first[0].blob.sha256 == source.adapter.blob.sha256
    assert pipeline.requests[-1].adapter.job_id == "job-2"
    sampled = {r.adapter.name for r in pipeline.requests if r.job_id == "job-2"}
    assert {"job-2:v0", "job-2:v3"} <= sampled <= {f"job-2:v{version}" for version in range(4)}
    events = await pipeline.events()
    labels = [e.label for e in events if isinstance(e, events_pb2.EvaluationCompleted)]
    assert labels == ["start", "final"]


def peft(adapter: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    files = archive.unpack(adapter)
    return archive.pack({CONFIG: files[CONFIG], WEIGHTS: save(change(load(files[WEIGHTS])))})


async def test_layers_that_a_file_leaves_alone_begin_fresh(pipeline: Pipeline) -> None:
    source = await finished(pipeline, "job-1", SFT)
    whole = await pipeline.bus.blobs.get(source.adapter.blob)
    content = peft(whole, lambda t: {k: v.bfloat16() for k, v in t.items() if "q_proj" in k})
    await begin_with(pipeline, content, SFT, seed=3)
    assert (await run(pipeline)).state == SUCCEEDED
    adapters = await pipeline.bus.kv(topology.ADAPTERS, common_pb2.AdapterRef)
    first = await adapters.get("job-2.v0")
    assert first is not None
    files = archive.unpack(await pipeline.bus.blobs.get(first[0].blob))
    given, weights = load(archive.unpack(content)[WEIGHTS]), load(files[WEIGHTS])
    assert json.loads(files[CONFIG])["r"] == 4
    for name, tensor in weights.items():
        if name in given:
            assert tensor.equal(given[name].float())
        elif ".lora_B." in name:
            assert not tensor.any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: {f"base_model.model.{n}": v for n, v in t.items()}, "has no place there"),
        (lambda t: {n: v.repeat(2, 1) if "_B" in n else v for n, v in t.items()}, "another size"),
    ],
)
async def test_a_file_that_does_not_fit_is_named(
    pipeline: Pipeline, change: Callable[[dict[str, Any]], dict[str, Any]], words: str
) -> None:
    source = await finished(pipeline, "job-1", SFT)
    content = peft(await pipeline.bus.blobs.get(source.adapter.blob), change)
    await begin_with(pipeline, content, SFT)
    ended = await run(pipeline)
    assert ended.state == FAILED
    assert "start: The adapter does not fit the base model" in ended.message
    assert words in ended.message
