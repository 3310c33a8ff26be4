"""Each loss and its options in a whole job, on a real nats-server."""

from collections.abc import AsyncIterator

import pytest
from google.protobuf.message import Message
from learner_pipeline import RL, SFT, Pipeline, pipeline_on, scored

from burnish.v1 import common_pb2, events_pb2, job_pb2

SUCCEEDED = job_pb2.JOB_STATE_SUCCEEDED
CORRECTED = {"anchor": "trainer", "importance": "masked"}
OVERLONG = {"overlong": "penalize", "overlong_buffer": 2}


@pytest.fixture
async def pipeline(nats_url: str) -> AsyncIterator[Pipeline]:
    async with pipeline_on(nats_url) as running:
        yield running


async def metrics(pipeline: Pipeline, *stages: object) -> list[dict[str, float]]:
    await pipeline.submit(*stages)
    await (await pipeline.runner()).run()
    run = await pipeline.record()
    assert run.state == SUCCEEDED, run.message
    return [dict(step.metrics) for step in await pipeline.steps()]


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "cispo"},
        {"loss": "dapo", "overlong": "mask"},
        {"loss": "dr_grpo", **OVERLONG},
        {"loss": "grpo", "advantage": "standardized", "kl_weight": 0.1},
        {"loss": "gspo", "anchor": "trainer", "importance": "truncated"},
        {"loss": "gspo", "clip_low": 0.9, "clip_high": 9.0},
        {"loss": "cispo", **CORRECTED},
    ],
    ids=str,
)
async def test_a_job_learns_by_each_algorithm(
    pipeline: Pipeline, options: dict[str, object]
) -> None:
    steps = await metrics(pipeline, {"rl": RL["rl"] | {"sft_replay": 0.0} | options})
    assert len(steps) == 3
    for step in steps:
        assert step["grad_norm"] > 0
        assert 0 < step["ratio/effective_samples"] <= 1
        assert 0 <= step["correction_fraction"] <= 1
        assert ("kl" in step) == bool(options.get("kl_weight")) or step["kl"] == 0


async def test_the_learning_rate_follows_the_schedule(pipeline: Pipeline) -> None:
    sft = {"sft": SFT["sft"] | {"warmup_steps": 1}}
    rl = {"rl": RL["rl"] | {"schedule": "linear", "learning_rate": 0.03}}
    steps = await metrics(pipeline, sft, rl)
    found = [step["learning_rate"] for step in steps]
    assert found == pytest.approx([0.005, 0.01, 0.01, 0.01, 0.03, 0.02, 0.01])


async def test_a_cut_completion_is_not_learned_from(pipeline: Pipeline) -> None:
    """Of three completions one is cut; masked, its tokens are missing from what is learned."""

    def answer(request: events_pb2.RolloutRequested) -> list[Message]:
        found = [scored(request, index, float(index)) for index in range(3)]
        found[0].completion.finish_reason = common_pb2.FINISH_REASON_LENGTH
        return list(found)

    pipeline.answer = answer
    steps = await metrics(pipeline, {"rl": RL["rl"] | {"sft_replay": 0.0, "overlong": "mask"}})
    for step in steps:
        assert step["truncated"] == pytest.approx(1 / 3)
        assert step["groups/used"] == 2


async def test_groups_without_a_difference_are_told_apart(pipeline: Pipeline) -> None:
    def answer(request: events_pb2.RolloutRequested) -> list[Message]:
        """Rows a and b are solved, c is hopeless, the others are worth a lesson."""
        prompt = request.row.messages[0].content
        fixed = {"a": 1.0, "b": 1.0, "c": 0.0}.get(prompt)
        return [scored(request, i, float(i % 2) if fixed is None else fixed) for i in range(3)]

    pipeline.answer = answer
    stage = {"rl": RL["rl"] | {"sft_replay": 0.0, "steps": 6, "max_staleness": 0}}
    steps = await metrics(pipeline, stage)
    solved = sum(step["frac_all_solved"] for step in steps)
    failed = sum(step["frac_all_failed"] for step in steps)
    assert solved > failed > 0
    for step in steps:
        both = step["frac_all_solved"] + step["frac_all_failed"]
        assert step["frac_zero_variance"] == pytest.approx(both)


async def test_a_step_makes_do_after_as_many_useless_groups_as_asked(pipeline: Pipeline) -> None:
    """Half a batch of useless groups, and one useful one, are enough for a step."""

    def answer(request: events_pb2.RolloutRequested) -> list[Message]:
        useful = request.row.messages[0].content == "e"
        return [scored(request, i, float(i % 2) if useful else 0.0) for i in range(3)]

    pipeline.answer = answer
    options = {"sft_replay": 0.0, "steps": 2, "max_resample": 0.5, "max_staleness": 0}
    steps = await metrics(pipeline, {"rl": RL["rl"] | options})
    assert min(step["groups/used"] for step in steps) == 1
