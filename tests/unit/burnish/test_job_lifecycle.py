"""`burnish jobs fork --set`: changes of a job as paths and values."""

import pytest

from burnish.cli.job_lifecycle import changed
from burnish.errors import UserError
from burnish.run_spec import Budget
from burnish.sdk.lifecycle import with_limits
from burnish.spec import JobSpec
from burnish.stage_spec import CLIP_DEFAULTS

SPEC = JobSpec.parse(
    {
        "training_file": "file-1",
        "rewards": [{"name": "good", "revision": "0" * 64}],
        "stages": [{"sft": {}}, {"rl": {"steps": 3}}],
        "start": {"adapter": "job-1:v2"},
    }
)


def test_changes_reach_into_lists_and_mappings() -> None:
    found = changed(
        SPEC, ["stages.1.rl.steps=40", "stages[1].rl.curriculum.adaptive={}", "lora.rank=8"]
    )
    rl = found.stages[1].rl
    assert rl is not None
    assert rl.steps == 40
    assert rl.curriculum is not None
    assert rl.curriculum.adaptive is not None
    assert found.lora.rank == 8
    assert found.start is None
    assert found.rewards == SPEC.rewards


def test_clip_bounds_that_were_defaults_follow_the_loss() -> None:
    rl = changed(SPEC, ["stages.1.rl.loss=gspo"]).stages[1].rl
    assert rl is not None
    assert (rl.clip_low, rl.clip_high) == CLIP_DEFAULTS["gspo"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("seed", "not KEY=VALUE"),
        ("stages.2.rl.steps=1", "'2' is not one of 0 to 1"),
        ("stages.one=1", "'one' is not one of 0 to 1"),
        ("seed.more=1", "goes into a value"),
        ("sead=1", "unknown key `sead`"),
        ("stages.1.rl.steps=0", "steps"),
    ],
)
def test_a_change_that_leads_nowhere_is_named(change: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        changed(SPEC, [change])
    assert words in str(caught.value)


def test_limits_that_are_not_given_stay() -> None:
    budget = with_limits(Budget(tokens=5, steps=2), {"tokens": 9, "seconds": None, "steps": 0})
    assert (budget.tokens, budget.seconds, budget.steps) == (9, 0, 0)
