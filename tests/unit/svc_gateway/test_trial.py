"""The trial of a reward before its job is accepted."""

from collections.abc import Sequence
from typing import cast

import pytest

from burnish.datasets import DatasetRow, parse
from burnish.errors import BurnishError, UnavailableError, UserError
from burnish.v1 import infer_pb2
from svc_gateway import trial
from svc_gateway.rewards import Reward, Rewards

Verdict = infer_pb2.RewardVerdict
REWARD = Reward(name="quality", source="def reward(prompt, completion, example): ...")
LABELLED = parse(b'{"prompt": "p", "completion": "c"}\n{"prompt": "q"}', "rows.jsonl")
UNLABELLED = parse(b'{"prompt": "p"}', "rows.jsonl")


class Sandbox:
    def __init__(self, *verdicts: Verdict, error: BurnishError | None = None) -> None:
        self.tried: list[DatasetRow] = []
        self._verdicts = verdicts
        self._error = error

    async def test(self, _source: str, rows: Sequence[DatasetRow]) -> Sequence[Verdict]:
        self.tried.extend(rows)
        if self._error is not None:
            raise self._error
        return self._verdicts


async def run(sandbox: Sandbox, *, labelled: bool = True) -> None:
    dataset = LABELLED if labelled else UNLABELLED
    await trial.run(cast("Rewards", sandbox), REWARD, dataset, 1)


async def test_a_reward_that_fails_on_every_label_is_refused() -> None:
    broken = Verdict(status="error", message="Traceback...\nKeyError: 'anwser'")
    with pytest.raises(UserError, match="'quality' fails on row 0: KeyError: 'anwser'") as caught:
        await run(Sandbox(broken, broken))
    assert caught.value.field == "rewards[1]"


async def test_one_verdict_is_enough() -> None:
    await run(Sandbox(Verdict(status="error"), Verdict(status="ok", score=0.0)))


async def test_only_labels_are_tried() -> None:
    sandbox = Sandbox(Verdict(status="ok", score=1.0))
    await run(sandbox)
    assert [row.completion for row in sandbox.tried] == ["c"]
    untouched = Sandbox(Verdict(status="error"))
    await run(untouched, labelled=False)
    assert untouched.tried == []


async def test_a_source_that_does_not_load_is_refused_and_an_absent_service_is_not() -> None:
    with pytest.raises(UserError, match="'quality': no module named nump"):
        await run(Sandbox(error=UserError("no module named nump")))
    await run(Sandbox(error=UnavailableError("no reward service answers")))
