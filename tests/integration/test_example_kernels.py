"""The kernels of the Triton example, judged by its own job's reward in real lanes."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from burnish.reward_spec import RewardDefinition
from burnish.spec import JobSpec
from examples.triton.showcase import rows as showcase
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, Program
from svc_reward.lane.wire import Status
from svc_reward.outcome import Outcome
from svc_reward.sandbox import Sandbox

EXAMPLE = Path(__file__).parents[2] / "examples" / "triton"
EXPRESSION = "torch.relu(x) + y"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    pytest.importorskip("triton")
    sandbox = Sandbox(RewardSettings(sandbox="process", reward_lanes=1))
    await sandbox.open()
    yield sandbox
    await sandbox.close()


@pytest.fixture(scope="module")
def definition() -> RewardDefinition:
    (reward,) = JobSpec.from_file(EXAMPLE / "job.yaml").rewards
    return reward.definition(None)


async def judge(
    sandbox: Sandbox, definition: RewardDefinition, rows: Sequence[dict[str, str]]
) -> list[Outcome]:
    program = Program.triton(definition)
    return [
        await sandbox.evaluate(program, Case(row["prompt"], row["completion"], row)) for row in rows
    ]


async def test_every_operation_can_be_solved(
    sandbox: Sandbox, definition: RewardDefinition, triton_data: ModuleType
) -> None:
    pairs = [*triton_data.LABELLED.items(), *triton_data.operations()]
    rows = [triton_data.row(expression, body) for expression, body in pairs]

    for row, found in zip(rows, await judge(sandbox, definition, rows), strict=True):
        assert (found.value, found.flags) == (1.0, ()), (row["completion"], found.message)


WRONG = [
    "out = x",
    "out = 0.0",
    "out = tl.maximum(x, 0.0) - y",
    "out = tl.maximum(y, 0.0) + x",
    "out = tl.relu(x) + y",
    "out = torch.relu(x) + y",
    "out = __import__('torch').relu(x) + y",
    "mask = x > 0\nout = x + y",
    "x_ptr = out_ptr",
    "out = tl.maximum(x, 0.0) + y\nThis is the kernel.",
    "out = " + "-" * 10_000 + "x",
    "\0",
    "",
]


async def test_wrong_bodies_score_nothing(
    sandbox: Sandbox, definition: RewardDefinition, triton_data: ModuleType
) -> None:
    rows = [triton_data.row(EXPRESSION, body) for body in WRONG]

    for row, found in zip(rows, await judge(sandbox, definition, rows), strict=True):
        verdict = (found.status, found.value, found.parts["correct"])
        assert verdict == (Status.OK, 0.0, 0.0), (row["completion"], found.message)


async def test_other_right_bodies_score_too(
    sandbox: Sandbox, definition: RewardDefinition, triton_data: ModuleType
) -> None:
    bodies = [
        "  out = tl.where(x > 0, x, 0) + y\n",
        "r = tl.maximum(x, 0)\nout = r + y",
        "out = (x + tl.abs(x)) / 2 + y  # half of each",
        "```\nout = tl.maximum(x, 0.0) + y\n```",
    ]
    rows = [triton_data.row(EXPRESSION, body) for body in bodies]

    assert [found.value for found in await judge(sandbox, definition, rows)] == [1.0] * 4


async def test_the_showcase_tests_with_what_can_be_solved(
    sandbox: Sandbox, definition: RewardDefinition, triton_data: ModuleType
) -> None:
    """A sample: they are made of the same primitives as all others."""
    rows = [triton_data.row(*pair) for pair in showcase.unseen_operations()[0][::8]]

    for row, found in zip(rows, await judge(sandbox, definition, rows), strict=True):
        assert (found.value, found.flags) == (1.0, ()), (row["completion"], found.message)


def whole(body: str) -> dict[str, str]:
    """The row of EXPRESSION, answered by a whole kernel with this body."""
    return showcase.kernel_row("kernel", showcase.SIZE, EXPRESSION, body)


async def test_whole_kernels_score(sandbox: Sandbox, definition: RewardDefinition) -> None:
    labelled = [row for row in showcase.rows_of("kernel").train if "completion" in row]
    rows = [row for row in labelled if row["level"] == "kernel"]

    assert [found.value for found in await judge(sandbox, definition, rows)] == [1.0] * 12


GAMED = [
    "out = mask * x",
    "out = mask",
    "out = x",
    "out = tl.maximum(x, 0.0)",
    "out = tl.maximum(x, 0.0) + y\n    return",
]


async def test_what_games_a_reward_for_stages_earns_nothing(
    sandbox: Sandbox, definition: RewardDefinition
) -> None:
    rows = [whole(body) for body in GAMED]
    rows.append({**whole("out = x"), "completion": "kernel = torch.relu"})

    for row, found in zip(rows, await judge(sandbox, definition, rows), strict=True):
        assert (found.status, found.value) == (Status.OK, 0.0), (row["completion"], found.message)
