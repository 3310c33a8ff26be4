"""A served model as the judge: the reward service asks a real engine over the bus."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from serve_process import BASE, ServeProcess, running
from test_reward_service import run, settings

from burnish.bus import Bus, topology
from burnish.reward_spec import RewardDefinition
from burnish.v1 import common_pb2, infer_pb2

pytestmark = [pytest.mark.model, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def process(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    folder = tmp_path_factory.mktemp("judge")
    env = {"BURNISH_SERVE_MAX_CONTEXT": "1024", "BURNISH_SERVE_DTYPE": "fp32"}
    with running("cpu", model_dir, folder, **env) as process:
        yield process


@pytest.fixture
async def bus(process: ServeProcess) -> AsyncIterator[Bus]:
    async for bus in run(settings(process.nats_url, reward_lanes=1)):
        yield bus


def judge(model: str, question: str) -> RewardDefinition:
    """A judge that is told what to say, since a small model judges nothing."""
    return RewardDefinition.parse(
        {
            "grader": {
                "type": "score_model",
                "name": "judge",
                "model": model,
                "input": [{"role": "user", "content": question}],
                "range": [0, 10],
                "sampling_params": {"temperature": 0, "max_completions_tokens": 12},
            }
        }
    )


async def tried(bus: Bus, definition: RewardDefinition) -> infer_pb2.TryRewardResponse:
    request = infer_pb2.TryRewardRequest(
        definition=definition.to_proto(),
        rows=[common_pb2.PromptRow(id="0", example={"answer": "4"})],
        completions=["seven"],
        project="default",
    )
    replies = [
        reply
        async for reply in bus.request(
            topology.REWARD_TRY, request, infer_pb2.TryRewardResponse, idle_timeout=90
        )
    ]
    return replies[-1]


async def test_a_served_model_gives_the_score(bus: Bus) -> None:
    question = "The answer is {{item.answer}}. What is the answer? Reply with the number only."

    verdict = (await tried(bus, judge(BASE, question))).verdicts[0]

    assert (verdict.status, verdict.score) == ("ok", 4.0), verdict


async def test_a_judge_that_gives_no_number_gives_no_score(bus: Bus) -> None:
    verdict = (await tried(bus, judge(BASE, "Write a sentence about the sea."))).verdicts[0]

    assert verdict.status == "invalid_score", verdict
    assert not verdict.HasField("score")


async def test_a_judge_that_nobody_serves_is_infrastructure(bus: Bus) -> None:
    reply = await tried(bus, judge("no-such-model", "Score {{sample.output_text}}."))

    assert "no-such-model" in reply.error
    assert reply.retryable
