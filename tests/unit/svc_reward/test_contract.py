"""What reward revisions are given, and which lanes they need."""

import json

import pytest

from burnish.errors import NotFoundError
from burnish.reward_spec import RewardDefinition
from svc_reward.contract import Case, LaneClass, Program, last_user_text
from svc_reward.revisions import Revisions


def program(source: str) -> Program:
    return Program.python(RewardDefinition(source=source))


@pytest.mark.parametrize(
    ("imports", "lane_class"),
    [
        ("import json, re", LaneClass()),
        ("import triton", LaneClass(("numpy", "torch", "triton"), packages=True)),
        ("from torch import nn", LaneClass(("torch",), packages=True)),
        ("import rapidfuzz", LaneClass((), packages=True)),
    ],
)
def test_the_imports_choose_the_lane(imports: str, lane_class: LaneClass) -> None:
    source = f"{imports}\ndef reward(p, c, e): return 1"
    assert program(source).lane_class == lane_class


def test_context_is_sent_only_to_those_who_take_it() -> None:
    case = Case("p", "c", {"a": "1"}, {"step": 3})
    without = json.loads(program("def reward(p, c, e): return 1").payload(case, seed=7))
    assert without["example"] == {"a": "1"}
    assert "context" not in without
    taking = json.loads(program("def reward(p, c, e, context): return 1").payload(case, seed=7))
    assert taking["context"] == {"step": 3}


def test_the_prompt_is_the_last_user_message() -> None:
    messages = [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c")]
    assert last_user_text(messages) == "c"
    assert last_user_text([*messages, ("assistant", "partial")]) == "c"
    assert last_user_text([("system", "s")]) == "s"
    assert last_user_text([]) == ""


async def test_a_revision_is_fetched_once() -> None:
    fetched: list[tuple[str, str]] = []

    async def fetch(name: str, revision: str) -> RewardDefinition | None:
        fetched.append((name, revision))
        source = "def reward(p, c, e): return 1"
        return RewardDefinition(source=source) if name == "known" else None

    revisions = Revisions(fetch)
    assert await revisions.get("known", "r1") is await revisions.get("known", "r1")
    assert fetched == [("known", "r1")]
    with pytest.raises(NotFoundError, match="no reward other with revision r1"):
        await revisions.get("other", "r1")
