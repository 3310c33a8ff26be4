"""Curricula on a real nats-server: levels rise with the reward, and a crash changes no draw."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from google.protobuf.message import Message
from learner_pipeline import RL, Pipeline, alternating, careless, pipeline_on, scored

from burnish.v1 import events_pb2, job_pb2
from svc_learner.state.checkpoint import Checkpoint
from svc_learner.state.store import RunStore

NAMES = ["easy", "medium", "hard"]
ROWS = [{"prompt": name[0] * (i + 1), "level": name} for name in NAMES for i in range(3)]
Answer = Callable[[events_pb2.RolloutRequested], list[Message]]
BY_LEVEL = {"level_column": "level", "levels": NAMES, "window": 4, "promote_at": 0.3}


@pytest.fixture
async def pipeline(nats_url: str) -> AsyncIterator[Pipeline]:
    async with pipeline_on(nats_url) as running:
        yield running


def rl(curriculum: dict[str, object], **changes: object) -> dict[str, object]:
    fresh = {"steps": 6, "sft_replay": 0.0, "max_staleness": 0}
    return {"rl": RL["rl"] | fresh | changes | {"curriculum": curriculum}}


def advances(events: list[Message]) -> list[tuple[str, int]]:
    return [(e.level, e.step) for e in events if isinstance(e, events_pb2.CurriculumAdvanced)]


async def test_levels_open_as_the_reward_rises(pipeline: Pipeline) -> None:
    """Completions of the pipeline get 1/3 of the reward on average: above the bar of 0.3."""
    await pipeline.submit(rl(BY_LEVEL | {"rehearsal": 0.25}), rows=ROWS)
    await (await pipeline.runner()).run()
    assert (await pipeline.record()).state == job_pb2.JOB_STATE_SUCCEEDED

    assert advances(await pipeline.events()) == [("medium", 3), ("hard", 6)]
    steps = await pipeline.steps()
    assert [s.metrics["curriculum/level"] for s in steps] == [1, 1, 2, 2, 2, 3]
    assert steps[-1].metrics["curriculum/pass_rate/easy"] == pytest.approx(1 / 3)
    assert steps[-1].metrics["pass_rate"] == pytest.approx(1 / 3)

    for request in pipeline.requests:
        assert request.context.level == request.row.example["level"], "rewards see the level"
    by_step: dict[int, set[str]] = {}
    for request in pipeline.requests:
        by_step.setdefault(request.context.step, set()).add(request.context.level)
    assert by_step[0] == {"easy"}
    assert by_step[2] <= {"easy", "medium"}
    assert "hard" in by_step[5]


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
@pytest.mark.parametrize("staleness", [0, 2])
async def test_a_takeover_draws_the_same_rows(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, moment: str, staleness: int
) -> None:
    stage = rl(
        BY_LEVEL | {"rehearsal": 0.25, "adaptive": {"hard_weight": 0.1}}, max_staleness=staleness
    )
    await pipeline.submit(stage, rows=ROWS)
    commit, after_commit = RunStore.commit, moment == "after the commit"

    for step in (2, 4):

        async def crash(
            store: RunStore,
            checkpoint: Checkpoint,
            step: int = step,
            **rest: Any,  # noqa: ANN401
        ) -> None:
            if after_commit:
                await commit(store, checkpoint, **rest)
            if checkpoint.progress.version == step:
                raise Crash
            if not after_commit:
                await commit(store, checkpoint, **rest)

        with monkeypatch.context() as patch:
            patch.setattr(RunStore, "commit", crash)
            with pytest.raises(Crash):
                await (await pipeline.runner()).run()
    await (await pipeline.runner()).run()

    assert (await pipeline.record()).state == job_pb2.JOB_STATE_SUCCEEDED
    rows: dict[str, set[str]] = {}
    for request in pipeline.requests:
        rows.setdefault(request.group_id, set()).add(request.row.id)
    assert all(len(found) == 1 for found in rows.values()), "a group keeps its row"
    opened = [level for level, _ in advances(await pipeline.events())]
    assert opened == ["medium", "hard"][: len(opened)], "each level is announced once"
    assert opened


class Crash(BaseException):
    """kill -9, as far as the coroutine can tell."""


def easy_is_solved(request: events_pb2.RolloutRequested) -> list[Message]:
    solved = request.context.level == "easy"
    size = request.group_size
    return [scored(request, i, 1.0 if solved else float(i == 0)) for i in range(size)]


@pytest.mark.parametrize(
    ("answer", "curriculum"),
    [(alternating, {"rehearsal": 0.25, "adaptive": {}}), (easy_is_solved, {"promote_at": 0.9})],
)
async def test_a_deterministic_job_ends_in_the_same_bytes(
    pipeline: Pipeline, answer: Answer, curriculum: dict[str, object]
) -> None:
    """With levels, pools and an early stop, and learners that are killed at any moment."""
    pipeline.answer = answer
    stage = rl(BY_LEVEL | curriculum, steps=20, max_staleness=1)
    watched = {
        "evaluation_file": "file-1",
        "evaluation": {"every_steps": 2},
        "early_stopping": {"patience": 3},
        "deterministic": True,
    }
    pipeline.job_id = "job-0"
    await pipeline.submit(stage, rows=ROWS, **watched)
    await (await pipeline.runner()).run()
    expected, told = await pipeline.record(), advances(await pipeline.events())
    assert expected.state == job_pb2.JOB_STATE_SUCCEEDED, expected.message
    assert expected.policy_version == 8, "evaluations at 2, 4, 6 and 8 are all alike"

    pipeline.job_id, pipeline.deliver = "job-1", careless(7)
    await pipeline.submit(stage, rows=ROWS, **watched)
    deaths = 0
    for lifetime in (0.2, 0.35, 0.5, 0.3):
        work = asyncio.create_task((await pipeline.runner()).run())
        _, alive = await asyncio.wait({work}, timeout=lifetime)
        deaths += len(alive)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    await (await pipeline.runner()).run()
    found = await pipeline.record()
    assert deaths
    assert found.policy_version == 8
    assert found.adapter.blob.sha256 == expected.adapter.blob.sha256
    assert advances(await pipeline.events()) == told


async def test_a_solved_level_gives_way_without_a_step(pipeline: Pipeline) -> None:
    pipeline.answer = easy_is_solved
    await pipeline.submit(rl(BY_LEVEL | {"promote_at": 0.9, "rehearsal": 0}, steps=2), rows=ROWS)
    await (await pipeline.runner()).run()
    assert (await pipeline.record()).state == job_pb2.JOB_STATE_SUCCEEDED
    assert advances(await pipeline.events()) == [("medium", 1)]
    assert [s.metrics["curriculum/level"] for s in await pipeline.steps()] == [2, 2]


async def test_rows_are_drawn_by_their_pass_rate(pipeline: Pipeline) -> None:
    """Rows whose prompt has one letter are always solved: they come back less often."""

    def answer(request: events_pb2.RolloutRequested) -> list[Message]:
        solved = len(request.row.messages[0].content) == 1
        return [scored(request, i, 1.0 if solved else float(i % 2)) for i in range(3)]

    pipeline.answer = answer
    stage = rl({"adaptive": {"easy_weight": 0, "hard_weight": 1}}, steps=8)
    await pipeline.submit(stage, rows=ROWS)
    await (await pipeline.runner()).run()
    last = (await pipeline.steps())[-1].metrics
    assert last["curriculum/rows/easy"] == 3
    assert last["curriculum/rows/normal"] == 6
    later = [r for r in pipeline.requests if r.context.step > 6]
    assert later
    assert all(len(r.row.messages[0].content) > 1 for r in later)


async def test_a_slip_in_the_name_of_a_part_is_pointed_out(pipeline: Pipeline) -> None:
    def with_parts(request: events_pb2.RolloutRequested) -> list[Message]:
        messages = [scored(request, i, float(i % 2)) for i in range(request.group_size)]
        for message in messages:
            message.scores[0].parts["right"] = 1.0
        return messages

    pipeline.answer = with_parts
    await pipeline.submit(rl(BY_LEVEL | {"measure": "good/rihgt"}, steps=2), rows=ROWS)
    await (await pipeline.runner()).run()
    said = [e.message for e in await pipeline.events() if isinstance(e, events_pb2.JobUpdated)]
    field = "stages[0].rl.curriculum.measure"
    remark = f"no completion has the part `good/rihgt` that `{field}` names; there are: right"
    assert said.count(remark) == 1


async def test_a_level_that_no_row_has_is_named(pipeline: Pipeline) -> None:
    await pipeline.submit(rl(BY_LEVEL | {"levels": [*NAMES, "absurd"]}), rows=ROWS)
    await (await pipeline.runner()).run()
    run = await pipeline.record()
    assert run.state == job_pb2.JOB_STATE_FAILED
    assert "no row of the training file has the level `absurd`" in run.message
