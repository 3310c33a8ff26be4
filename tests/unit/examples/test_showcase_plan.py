"""Which runs a study has, in which order, and what names them."""

from collections.abc import Sequence

import pytest
import yaml

from burnish.errors import UserError
from examples.triton.showcase import plan
from examples.triton.showcase.plan import Planned
from examples.triton.showcase.rows import Rows, rows_of
from examples.triton.showcase.study import FOLDER, Study

STUDIES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.fixture(scope="module")
def rows() -> Rows:
    return rows_of("body")


def planned(rows: Rows, form: str = "full", revision: str = "abc") -> Sequence[Planned]:
    study = Study.load("body")
    return plan.plan(study, study.form(form), rows, revision)


@pytest.mark.parametrize("task", STUDIES)
def test_every_form_of_every_study_is_a_job(task: str) -> None:
    study = Study.load(task)

    for form in study.forms.values():
        for arm in study.arms_of(form):
            if arm.stages:
                spec = study.spec(arm, form, 3, start="job-1:v9" if arm.after else "")
                assert spec.seed == 3
                assert (spec.start is not None) == bool(arm.after)
        assert study.reward(form).preset == "triton"


@pytest.mark.parametrize("task", STUDIES)
def test_the_short_form_fits_into_ten_minutes(task: str) -> None:
    study = Study.load(task)
    every = plan.plan(study, study.form("short"), rows_of(task), "abc")

    assert sum(run.minutes for run in every) <= 10


def test_every_arm_has_five_seeds_and_the_base_one(rows: Rows) -> None:
    every = planned(rows)

    assert {run.seed for run in every if run.arm.name == "sft-rl"} == {0, 1, 2, 3, 4}
    assert [run.seed for run in every if run.arm.role == "base"] == [0]


def test_seed_by_seed(rows: Rows) -> None:
    seeds = [run.seed for run in planned(rows)]

    assert seeds == sorted(seeds)


def test_keys_are_stable_and_all_different(rows: Rows) -> None:
    keys = [run.key for run in planned(rows)]

    assert keys == [run.key for run in planned(rows)]
    assert len(set(keys)) == len(keys)


def test_whatever_decides_a_result_is_in_its_key(rows: Rows) -> None:
    keys = {run.key for run in planned(rows)}
    other_rows = Rows(rows.train[1:], rows.validation, rows.choice, rows.test)

    assert not keys & {run.key for run in planned(rows, revision="def")}
    assert not keys & {run.key for run in planned(other_rows)}
    assert not keys & {run.key for run in planned(rows, form="short")}


def test_what_else_an_arm_learns_from_is_in_its_key() -> None:
    study, rows = Study.load("kernel"), rows_of("kernel")
    form = study.form("full", ["distilled"])
    distilled = study.arm("distilled").model_copy(update={"own_kernels": False})
    other = study.model_copy(update={"arms": (*study.arms_of(form)[:-1], distilled)})

    keys, others = (
        [run.key for run in plan.plan(each, form, rows, "a")] for each in (study, other)
    )

    differ = [ours != theirs for ours, theirs in zip(keys, others, strict=True)]
    assert differ == [False, False, True] * len(form.seeds)


def test_a_run_waits_for_the_one_it_starts_from(rows: Rows) -> None:
    every = planned(rows)
    main = next(run for run in every if run.arm.name == "sft-rl")

    assert main not in list(plan.ready(every, set()))
    assert main in list(plan.ready(every, {main.after}))


def test_what_starts_from_a_failed_run_is_left_out(rows: Rows) -> None:
    every = planned(rows)
    failed = next(run for run in every if (run.arm.name, run.seed) == ("sft-20", 0))
    left = {(run.arm.name, run.seed) for run in plan.without(every, failed)}

    assert ("sft-rl", 0) not in left
    assert ("sft-20", 0) not in left
    assert {("sft-rl", 1), ("rank-4", 0), ("rl", 0)} <= left


def test_the_rest_is_estimated_by_the_pace_so_far(rows: Rows) -> None:
    every = planned(rows)
    whole = sum(run.minutes for run in every)

    assert plan.minutes_left(every, {}, 0) == pytest.approx(whole)
    assert plan.minutes_left(every, {"a": 2.0, "b": 4.0}, 9.0) == pytest.approx(1.5 * whole)
    assert plan.minutes_left([], {}, 0) == 0


def test_an_arm_starts_from_an_earlier_one() -> None:
    data = yaml.safe_load((FOLDER / "body.yaml").read_text(encoding="utf-8"))
    data["arms"] = [arm for arm in data["arms"] if arm["name"] != "sft-20"]

    with pytest.raises(ValueError, match="no earlier arm is named `sft-20`"):
        Study.model_validate(data)


def test_own_kernels_need_a_run_that_labels_them() -> None:
    text = yaml.safe_load((FOLDER / "kernel.yaml").read_text(encoding="utf-8"))
    del next(arm for arm in text["arms"] if arm["name"] == "distilled")["after"]

    with pytest.raises(ValueError, match="it needs a run to start from"):
        Study.model_validate(text)


def test_chosen_arms_bring_what_they_start_from(rows: Rows) -> None:
    study = Study.load("body")
    form = study.form("full", ["kl"])
    every = plan.plan(study, form, rows, "abc")

    assert [run.arm.name for run in every[:2]] == ["sft-20", "kl"]
    assert {run.key for run in every} <= {run.key for run in planned(rows)}


def test_names_that_are_not_there() -> None:
    with pytest.raises(UserError, match="there is no study 'bodies'"):
        Study.load("bodies")
    with pytest.raises(UserError, match="there is no form 'long'"):
        Study.load("body").form("long")
    with pytest.raises(UserError, match="there is no arm 'rank-5'"):
        Study.load("body").form("full", ["sft-5", "rank-5"])
