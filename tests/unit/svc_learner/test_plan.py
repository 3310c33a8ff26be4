import pytest

from burnish.spec import JobSpec
from svc_learner.plan import Evaluate, phases, sft_steps, total_steps

SFT: dict[str, object] = {"sft": {"epochs": 3, "batch_size": 4}}
RL: dict[str, object] = {"rl": {"steps": 5}}


def spec(*stages: dict[str, object], held_out: str = "file-2") -> JobSpec:
    return JobSpec.parse(
        {
            "training_file": "file-1",
            "evaluation_file": held_out,
            "rewards": [{"name": "good", "revision": "0" * 64}],
            "stages": list(stages),
        }
    )


def outline(*stages: dict[str, object], held_out: str = "file-2") -> list[str]:
    plan = phases(spec(*stages, held_out=held_out))
    return [p.label if isinstance(p, Evaluate) else p.stage for p in plan]


@pytest.mark.parametrize(
    ("stages", "wanted"),
    [
        ((SFT, RL), ["base", "sft", "sft", "rl", "final"]),
        ((RL,), ["base", "rl", "final"]),
        ((SFT,), ["base", "sft", "final"]),
        ((SFT, RL, SFT, RL), ["base", "sft", "sft", "rl", "sft", "sft-2", "rl", "final"]),
    ],
)
def test_evaluations_stand_between_stages(
    stages: tuple[dict[str, object], ...], wanted: list[str]
) -> None:
    assert outline(*stages) == wanted


def test_without_held_out_rows_nothing_is_evaluated() -> None:
    assert outline(SFT, RL, held_out="") == ["sft", "rl"]


def test_steps_count_over_all_stages() -> None:
    plan = phases(spec(SFT, RL))
    stage = spec(SFT).stages[0].sft
    assert stage is not None
    assert sft_steps(stage, 10) == 9
    assert total_steps(plan, 10) == 9 + 5
