"""A study of two short jobs on the whole platform, stopped in between."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from burnish.sdk import Client
from burnish.supervisor import Platform
from examples.triton.showcase.exam import Examiner
from examples.triton.showcase.ledger import Ledger
from examples.triton.showcase.rows import Rows, rows_of
from examples.triton.showcase.runner import Runner
from examples.triton.showcase.study import Study

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]

STUDY = {
    "task": "body",
    "title": "a small one",
    "headline": "triton/correct",
    "job": {
        "rewards": [{"name": "triton", "preset": "triton", "options": {"trials": 1}}],
        "evaluation": {"sampling": {"max_tokens": 24}},
    },
    "forms": {
        form: {"seeds": [0], "arms": arms, "exam": {"samples": 2, "max_tokens": 24}}
        for form, arms in (("begun", ["base", "sft"]), ("whole", ["base", "sft", "more"]))
    },
    "arms": [
        {"name": "base", "title": "base", "role": "base", "seeds": 1, "minutes": 1},
        {"name": "sft", "title": "SFT", "minutes": 1, "stages": [{"sft": {"epochs": 1}}]},
        {
            "name": "more",
            "title": "more SFT",
            "after": "sft",
            "minutes": 1,
            "stages": [{"sft": {"epochs": 1}}],
        },
    ],
}


@pytest.fixture
def client(burnish_up: Platform) -> Iterator[Client]:
    with Client(burnish_up.grpc_address) as client:
        yield client


def test_a_study_goes_on_where_it_was(burnish_up: Platform, client: Client, tmp_path: Path) -> None:
    study = Study.model_validate(STUDY)
    every = rows_of("body")
    rows = Rows(every.train[:12], every.validation[:1], every.choice[:1], every.test[:2])
    ledger = Ledger(tmp_path / "results.jsonl")

    def run(form: str) -> None:
        size = study.form(form)
        Runner(
            study,
            size,
            rows,
            revision=str(tmp_path),  # other jobs than an earlier test run's
            client=client,
            examiner=Examiner(client, burnish_up.http_url, study.reward(size), study.headline),
            ledger=ledger,
            work=tmp_path / "rows",
            console=Console(quiet=True),
            at_once=2,
        ).run()

    run("begun")
    begun = ledger.runs()
    run("whole")
    base, sft, more = ledger.runs()

    assert (base, sft) == begun
    assert (base.job, base.adapter, base.answers.greedy) == ("", "", (0, 0))
    assert sft.adapter == f"{sft.job}:v3"
    assert (sft.state, more.state) == ("succeeded", "succeeded")
    origin = client.jobs.get(more.job).spec.start
    assert origin is not None
    assert origin.adapter == sft.adapter
    assert all(len(run.answers.sampled) == 2 for run in (base, sft, more))
    assert set(sft.validation) == {"0", "3"}
