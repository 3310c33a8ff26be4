"""The trial of a reward before its job is accepted."""

from collections.abc import Sequence
from typing import cast

import pytest

from burnish.datasets import DatasetRow, parse
from burnish.errors import BurnishError, UnavailableError, UserError
from burnish.reward_spec import RewardDefinition
from burnish.v1 import infer_pb2
from svc_gateway import trial
from svc_gateway.rewards import Reward, Rewards

Verdict = infer_pb2.RewardVerdict
EACH = "def reward(prompt, completion, example): ..."
GROUP = "def reward(prompt, completions, example): ..."
LABELLED = parse(b'{"prompt": "p", "completion": "c"}\n{"prompt": "q"}', "rows.jsonl")
TWO = parse(b'{"prompt": "p", "completion": "c"}\n{"prompt": "q", "completion": "d"}', "r.jsonl")
UNLABELLED = parse(b'{"prompt": "p"}', "rows.jsonl")


class Sandbox:
    def __init__(self, *verdicts: Verdict, error: BurnishError | None = None) -> None:
        self.rows: list[DatasetRow] = []
        self.completions: list[str] = []
        self._verdicts = verdicts
        self._error = error

    async def test(
        self, _: RewardDefinition, rows: Sequence[DatasetRow], completions: Sequence[str]
    ) -> Sequence[Verdict]:
        self.rows.extend(rows)
        self.completions.extend(completions)
        if self._error is not None:
            raise self._error
        return self._verdicts


async def run(sandbox: Sandbox, *, source: str = EACH, dataset: object = LABELLED) -> None:
    definition = RewardDefinition(source=source)
    reward = Reward(name="quality", definition=definition.to_proto())
    await trial.run(cast("Rewards", sandbox), reward, dataset, 1)  # type: ignore[arg-type]


async def test_a_reward_that_fails_on_every_label_is_refused() -> None:
    broken = Verdict(status="error", message="Traceback...\nKeyError: 'anwser'")
    with pytest.raises(UserError, match="'quality' fails on row 0: KeyError: 'anwser'") as caught:
        await run(Sandbox(broken, broken))
    assert caught.value.field == "rewards[1]"


async def test_one_verdict_is_enough() -> None:
    await run(Sandbox(Verdict(status="error"), Verdict(status="ok", score=0.0)))


async def test_labels_are_tried() -> None:
    sandbox = Sandbox(Verdict(status="ok", score=1.0))
    await run(sandbox)
    assert ([row.id for row in sandbox.rows], sandbox.completions) == (["0"], ["c"])


async def test_without_labels_no_verdict_counts_but_what_the_reward_needs_does() -> None:
    await run(Sandbox(Verdict(status="error")), dataset=UNLABELLED)
    missing = UserError("there is no secret 'KEY'", field="secrets")
    with pytest.raises(UserError, match="no secret 'KEY'") as caught:
        await run(Sandbox(error=missing), dataset=UNLABELLED)
    assert caught.value.field == "rewards[1].secrets"


@pytest.mark.parametrize(("dataset", "completions"), [(LABELLED, ["c", "c"]), (TWO, ["c", "d"])])
async def test_a_reward_that_compares_is_tried_on_a_group(
    dataset: object, completions: list[str]
) -> None:
    sandbox = Sandbox(Verdict(status="ok"), Verdict(status="ok"))
    await run(sandbox, source=GROUP, dataset=dataset)
    assert ([row.id for row in sandbox.rows], sandbox.completions) == (["0"], completions)


async def test_a_source_that_does_not_load_is_refused_and_an_absent_service_is_not() -> None:
    with pytest.raises(UserError, match="'quality': no module named nump"):
        await run(Sandbox(error=UserError("no module named nump")))
    await run(Sandbox(error=UnavailableError("no reward service answers")))
