"""The job spec: what is accepted, what is refused and in which words, and the way to the wire."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import UserError
from burnish.spec import JobSpec
from burnish.stage_spec import CLIP_DEFAULTS
from burnish.v1 import job_pb2

MINIMAL: dict[str, Any] = {
    "training_file": "file-1",
    "rewards": [{"name": "correct"}],
    "stages": [{"rl": {}}],
}

WHOLE = """
name: triton-body
base_model: smollm2-135m-instruct
training_file: train.jsonl
evaluation_file: heldout.jsonl
rewards:
  - {name: correct, file: correct.py, weight: 1.0}
  - {name: format, source: "def reward(p, c, e): return 1.0", weight: 0}
stages:
  - sft: {epochs: 5, batch_size: 4, learning_rate: 1e-3}
  - rl:
      steps: 14
      prompts_per_step: 12
      learning_rate: 4e-4
      loss: dr_grpo
      advantage: standardized
      sampling: {max_tokens: 32}
      sft_replay: 0.3
      require_success: correct
lora: {rank: 16, alpha: 32}
evaluation: {samples: 1, sampling: {max_tokens: 32}}
on_reward_error: drop
seed: 1
"""


def refused(**changes: object) -> UserError:
    with pytest.raises(UserError) as caught:
        JobSpec.parse({**MINIMAL, **changes})
    return caught.value


def test_a_whole_job_is_read_from_yaml() -> None:
    spec = JobSpec.from_yaml(WHOLE)
    sft, rl = spec.stages[0].sft, spec.stages[1].rl
    assert sft is not None
    assert sft.learning_rate == 1e-3
    assert rl is not None
    assert (rl.loss, rl.advantage, rl.require_success) == ("dr_grpo", "standardized", "correct")
    assert spec.evaluation.sampling.temperature == 0
    assert spec.rewards[1].weight == 0


def test_json_is_read_like_yaml() -> None:
    spec = JobSpec.parse(MINIMAL)
    assert JobSpec.from_yaml(spec.to_json()) == spec


def test_a_stage_without_options_takes_the_defaults() -> None:
    spec = JobSpec.from_yaml("training_file: a\nstages:\n  - sft:\n")
    assert spec.stages[0].sft is not None
    assert spec.stages[0].sft.epochs == 5


@pytest.mark.parametrize("loss", sorted(CLIP_DEFAULTS))
def test_the_clip_range_follows_the_loss(loss: str) -> None:
    rl = JobSpec.parse({**MINIMAL, "stages": [{"rl": {"loss": loss}}]}).stages[0].rl
    assert rl is not None
    assert (rl.clip_low, rl.clip_high) == CLIP_DEFAULTS[loss]


def test_an_unknown_key_suggests_the_nearest() -> None:
    error = refused(stages=[{"sft": {}}, {"rl": {"grup_size": 4}}])
    assert error.field == "stages[1].rl.grup_size"
    assert error.message == "unknown key `grup_size`"
    assert error.hint == "did you mean `group_size`?"


def test_an_unknown_key_that_is_near_nothing_lists_the_valid_ones() -> None:
    error = refused(lora={"zzz": 1})
    assert error.hint == "valid keys: rank, alpha"


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"stages": []}, "stages", "at least 1"),
        ({"stages": [{"rl": {"group_size": 1}}]}, "stages[0].rl.group_size", "at least 2"),
        (
            {"stages": [{"rl": {"loss": "ppo"}}]},
            "stages[0].rl.loss",
            "'cispo', 'dapo', 'dr_grpo', 'grpo' or 'gspo', not \"ppo\"",
        ),
        (
            {"stages": [{"rl": {"sampling": {"top_p": 0.9}}}]},
            "stages[0].rl.sampling.top_p",
            "must be 1 in training",
        ),
        (
            {"stages": [{"rl": {"sampling": {"temperature": 0}}}]},
            "stages[0].rl.sampling.temperature",
            "above 0",
        ),
        ({"stages": [{"rl": {}, "sft": {}}]}, "stages[0]", "exactly one kind"),
        ({"stages": ["rl"]}, "stages[0]", "a stage is a mapping"),
        ({"stages": [{"dpo": {}}]}, "stages[0].dpo", "unknown key `dpo`"),
        ({"rewards": []}, "rewards", "at least one reward"),
        ({"rewards": [{"name": "a", "weight": 0}]}, "rewards", "not 0"),
        ({"rewards": [{"name": "a"}, {"name": "a"}]}, "rewards[1].name", "two rewards"),
        ({"rewards": [{"name": "no spaces"}]}, "rewards[0].name", "cannot name"),
        (
            {"rewards": [{"name": "a", "file": "a.py", "source": "x"}]},
            "rewards[0].source",
            "not both",
        ),
        (
            {"stages": [{"rl": {"require_success": "corect"}}]},
            "stages[0].rl.require_success",
            "not one of",
        ),
        ({"training_file": None}, "training_file", "text"),
        ({"seed": "x"}, "seed", "whole number"),
        ({"base_model": "org/model"}, "base_model", "must match"),
        ({"on_reward_error": "ignore"}, "on_reward_error", "'zero', 'drop' or 'fail'"),
        ({"lora": {"alpha": float("nan")}}, "lora.alpha", "finite"),
    ],
)
def test_a_mistake_names_its_field(changes: dict[str, Any], field: str, words: str) -> None:
    error = refused(**changes)
    assert error.field == field
    assert words in str(error)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(UserError, match="training_file: is missing"):
        JobSpec.parse({"stages": [{"sft": {}}]})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stages: [", "not valid YAML at line"),
        ("- a list", "a job is a mapping"),
        ("", "a job is a mapping"),
        ("name: a\nname: b\n", "`name` is given twice"),
    ],
)
def test_text_that_is_no_job(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        JobSpec.from_yaml(text)


def test_a_local_reward_must_be_uploaded_before_the_wire() -> None:
    with pytest.raises(UserError, match="`correct` is not uploaded") as caught:
        JobSpec.from_yaml(WHOLE).to_proto()
    assert caught.value.field == "rewards[0]"


def test_wire_zeros_mean_the_defaults() -> None:
    message = job_pb2.JobSpec(training_file="file-1", stages=[job_pb2.Stage(rl=job_pb2.RlStage())])
    message.rewards.add(name="correct", weight=1)
    rl = JobSpec.from_proto(message).stages[0].rl
    assert rl is not None
    assert (rl.loss, rl.max_staleness, rl.sampling.temperature) == ("cispo", 4, 1.0)
    message.stages[0].rl.max_staleness = 0
    rl = JobSpec.from_proto(message).stages[0].rl
    assert rl is not None
    assert rl.max_staleness == 0


def test_a_wire_weight_of_zero_is_meant() -> None:
    message = JobSpec.parse(
        {**MINIMAL, "rewards": [{"name": "a"}, {"name": "watch", "weight": 0}]}
    ).to_proto()
    assert [reward.weight for reward in JobSpec.from_proto(message).rewards] == [1.0, 0.0]


def test_an_unset_stage_on_the_wire_is_refused() -> None:
    message = job_pb2.JobSpec(training_file="file-1", stages=[job_pb2.Stage()])
    with pytest.raises(UserError, match="exactly one kind"):
        JobSpec.from_proto(message)


RL_STAGES = st.fixed_dictionaries(
    {
        "group_size": st.integers(2, 256),
        "learning_rate": st.floats(1e-9, 1, allow_nan=False),
        "loss": st.sampled_from(sorted(CLIP_DEFAULTS)),
        "max_staleness": st.integers(0, 64),
        "sampling": st.fixed_dictionaries(
            {
                # The wire keeps single precision: enough for every value that people write.
                "temperature": st.integers(1, 20_000).map(lambda number: number / 10_000),
                "stop": st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3),
                "seed": st.integers(0, 2**63 - 1),
            }
        ),
    }
)


@given(rl=RL_STAGES, policy=st.sampled_from(["zero", "drop", "fail"]))
def test_a_job_survives_the_wire(rl: dict[str, Any], policy: str) -> None:
    spec = JobSpec.parse(
        {**MINIMAL, "stages": [{"sft": {}}, {"rl": rl}], "on_reward_error": policy}
    )
    assert JobSpec.from_proto(spec.to_proto()) == spec
