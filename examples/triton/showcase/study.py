"""A study: the arms that are compared, over seeds, as `body.yaml` and `kernel.yaml` write them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from burnish.errors import UserError
from burnish.explain import explain, nearest, rule
from burnish.reward_spec import RewardDefinition
from burnish.spec import JobSpec
from burnish.strict import Strict

FOLDER = Path(__file__).parent


class Exam(Strict):
    """How the test rows are answered: once greedily, and `samples` times at a temperature."""

    samples: int = Field(default=4, ge=1, le=64)
    temperature: float = Field(default=1.0, gt=0, le=2)
    max_tokens: int = Field(default=32, ge=1)


class Arm(Strict):
    """One way to train: the study's job with other stages."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str = Field(min_length=1)
    role: Literal["base", "sft", "main", "ablation"] = "ablation"
    """What it is compared as: gains are over the best `sft` arm."""
    after: str = ""
    """Arm of the same seed whose adapter it starts from."""
    job: Mapping[str, Any] = {}
    """What differs from the study's job besides."""
    stages: tuple[Mapping[str, Any], ...] = ()
    own_kernels: bool = False
    """Whether it also learns from what the run that it starts from gets right; see `distill`."""
    weights: Mapping[str, float] | None = None
    """What its reward pays, where that differs from the form's; exams are the same for all."""
    may_fail: bool = False
    """Whether a failed job is a result; otherwise it is run again when the command is repeated."""
    seeds: int = Field(default=0, ge=0)
    """It runs with the form's first so many; 0: with all."""
    minutes: float = Field(gt=0)
    """What one run takes on two quiet cores, before any was measured."""


class Form(Strict):
    """How large the study is run."""

    seeds: tuple[int, ...] = Field(min_length=1)
    arms: tuple[str, ...] = ()
    """Those that run, besides those that they start from; empty: all."""
    rl: Mapping[str, Any] = {}
    """What every RL stage has instead of its own settings."""
    weights: Mapping[str, float] = {"correct": 1.0}
    """What the reward pays."""
    size: int = 150
    """Elements of the vectors that kernels compute on."""
    share: float = Field(default=1.0, gt=0)
    """Of the arms' minutes that a run takes."""
    examined: Literal["test", "choice", "validation"] = "test"
    """Which rows answer for a model."""
    test_rows: int = 0
    """The first so many of them; 0 is all."""
    exam: Exam = Exam()


class Study(Strict):
    """Use `load`."""

    task: str
    title: str = Field(min_length=1)
    headline: str
    """The score, or `<reward>/<part>`, that is reported."""
    fragments: Mapping[str, Any] = {}
    """Values that the arms refer to by YAML's anchors."""
    job: Mapping[str, Any]
    forms: Mapping[str, Form]
    arms: tuple[Arm, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _refers_back(self) -> Self:
        names = [arm.name for arm in self.arms]
        for index, arm in enumerate(self.arms):
            if arm.name in names[:index]:
                raise rule(f"arms[{index}].name", f"two arms are named `{arm.name}`")
            if arm.own_kernels and not arm.after:
                raise rule(f"arms[{index}].own_kernels", "it needs a run to start from: `after`")
            if arm.after and arm.after not in names[:index]:
                raise rule(f"arms[{index}].after", f"no earlier arm is named `{arm.after}`")
        for name, form in self.forms.items():
            for arm_name in form.arms:
                if arm_name not in names:
                    hint = nearest(arm_name, names, "arms")
                    raise rule(f"forms.{name}.arms", f"no arm is named `{arm_name}`", hint)
        return self

    @classmethod
    def load(cls, task: str) -> Self:
        """The study of this task.

        Raises:
            UserError: there is none, or it is not right.
        """
        known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
        if task not in known:
            raise UserError(f"there is no study {task!r}", hint=nearest(task, known, "studies"))
        text = (FOLDER / f"{task}.yaml").read_text(encoding="utf-8")
        try:
            return cls.model_validate(yaml.safe_load(text))
        except ValidationError as error:
            raise explain(error) from None

    def arm(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)

    def form(self, name: str, arms: Sequence[str] = ()) -> Form:
        """How large the study is run under this name, with all of its arms or with these.

        Raises:
            UserError: there is no such form, or no such arm.
        """
        if name not in self.forms:
            hint = nearest(name, list(self.forms), "forms")
            raise UserError(f"there is no form {name!r}", field="form", hint=hint)
        known = [arm.name for arm in self.arms]
        for arm in arms:
            if arm not in known:
                hint = nearest(arm, known, "arms")
                raise UserError(f"there is no arm {arm!r}", field="arms", hint=hint)
        form = self.forms[name]
        return form.model_copy(update={"arms": tuple(arms)}) if arms else form

    def arms_of(self, form: Form) -> tuple[Arm, ...]:
        """Those that a form runs, and those that they start from, in order."""
        names = set(form.arms or [arm.name for arm in self.arms])
        for arm in reversed(self.arms):  # an arm starts from an earlier one
            if arm.name in names and arm.after:
                names.add(arm.after)
        return tuple(arm for arm in self.arms if arm.name in names)

    def spec(self, arm: Arm, form: Form, seed: int, *, start: str = "") -> JobSpec:
        """The job of one run.

        Args:
            arm: what to train; it has stages.
            form: how large.
            seed: of the whole job.
            start: adapter that it starts from; empty: from the base model.

        Raises:
            UserError: the study asks for what a job cannot be.
        """
        data = {
            **self.job,
            **arm.job,
            "name": f"{self.task} {arm.name} {seed}",
            "training_file": "own.jsonl" if arm.own_kernels else "train.jsonl",
            "evaluation_file": "validation.jsonl",
            "rewards": [
                _paid(each, arm.weights or form.weights) for each in self.job.get("rewards", ())
            ],
            "stages": [_sized(stage, form.rl) for stage in arm.stages],
            "seed": seed,
        }
        return JobSpec.parse({**data, "start": {"adapter": start}} if start else data)

    def reward(self, form: Form) -> RewardDefinition:
        """What judges answers in the exam."""
        (reward,) = self._common(form).rewards
        return reward.definition(None)

    def base_model(self, form: Form) -> str:
        return self._common(form).base_model

    def _common(self, form: Form) -> JobSpec:
        """The job without what is an arm's own."""
        return self.spec(
            Arm(name="common", title="common", minutes=1, stages=({"sft": {}},)), form, 0
        )


def _sized(stage: Mapping[str, Any], rl: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"rl": {**stage["rl"], **rl}} if "rl" in stage else stage


def _paid(reward: Mapping[str, Any], weights: Mapping[str, float]) -> Mapping[str, Any]:
    return {**reward, "options": {**reward.get("options", {}), "weights": dict(weights)}}
