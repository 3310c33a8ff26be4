"""What holds for each example job."""

import subprocess
import sys
from pathlib import Path

import pytest

from burnish import datasets
from burnish.spec import JobSpec

JOBS = ("extraction", "triton")


@pytest.fixture(params=JOBS)
def folder(request: pytest.FixtureRequest, examples: Path) -> Path:
    return examples / str(request.param)


def test_the_data_files_are_what_the_script_writes(folder: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, folder / "make_data.py", tmp_path], check=True)

    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_text() for path in folder.glob("*.jsonl")}


def test_the_job_names_files_and_rewards_that_are_valid(folder: Path) -> None:
    spec = JobSpec.from_file(folder / "job.yaml")

    training, evaluation = (
        datasets.parse((folder / file).read_bytes(), file)
        for file in (spec.training_file, spec.evaluation_file)
    )
    assert training.labelled
    assert not evaluation.labelled
    for reward in spec.rewards:
        reward.definition((folder / reward.file).read_text() if reward.file else None)


def test_held_out_prompts_are_not_trained_on(folder: Path) -> None:
    prompts = {
        file.name: {row.messages for row in datasets.parse(file.read_bytes(), file.name).rows}
        for file in folder.glob("*.jsonl")
    }
    training = prompts.pop("train.jsonl")
    for held_out in prompts.values():
        assert training.isdisjoint(held_out)
