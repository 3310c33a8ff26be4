"""`burnish jobs pause`, `resume`, `checkpoints`, `fork` and `watch` against a live gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gateway_world import World, world
from test_gateway_jobs import GOOD
from test_gateway_lifecycle import PAUSED, RL, RUNNING, SUCCEEDED, Owner, peft, tarred

from burnish import cli

pytestmark = pytest.mark.timeout(60)


class Burnish:
    """Runs `burnish jobs` and returns what it wrote."""

    def __init__(self, owner: Owner, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.owner = owner
        self.job_id = job_id
        self._address = f"127.0.0.1:{owner.there.gateway.grpc_port}"
        self._capsys = capsys

    async def __call__(self, verb: str, *options: object, status: int = 0) -> str:
        return await self.run(verb, self.job_id, *options, status=status)

    async def run(self, verb: str, *options: object, status: int = 0) -> str:
        command = ["--address", self._address, "jobs", verb, *map(str, options)]
        self._capsys.readouterr()
        found = await asyncio.to_thread(cli.run, command)
        out, err = self._capsys.readouterr()
        assert found == status, err
        return out if found == 0 else err


@pytest.fixture
async def there(nats_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(nats_url, tmp_path) as there:
        await there.serve()
        await there.judge(GOOD)
        yield there


@pytest.fixture
async def burnish(there: World, capsys: pytest.CaptureFixture[str]) -> Burnish:
    owner = Owner(there)
    await owner.reward()
    job = await owner.create(stages=[RL], budget={"tokens": 1000})
    return Burnish(owner, job.id, capsys)


async def test_pausing_and_resuming_from_the_shell(burnish: Burnish) -> None:
    assert f"burnish jobs resume {burnish.job_id}" in await burnish("pause")
    await burnish.owner.rest(burnish.job_id, tokens=1001)
    words = await burnish("resume", status=2)
    assert "budget.tokens: 1,001 of 1,000 tokens are used up" in words
    answer = json.loads(await burnish("resume", "--tokens", 5000, "--json"))
    assert (answer["state"], answer["resumes"]) == ("queued", 1)
    budget = (await burnish.owner.get(burnish.job_id)).spec.budget
    assert (budget.tokens, budget.steps) == (5000, 0)


async def test_watching_ends_when_a_job_is_paused_and_not_at_an_old_pause(
    burnish: Burnish,
) -> None:
    await burnish.owner.rest(burnish.job_id)
    assert "paused: why" in await burnish("watch", status=1)
    await burnish.owner.resume(burnish.job_id)
    watching = asyncio.create_task(burnish("watch"))
    await asyncio.sleep(0.5)
    assert not watching.done()
    await burnish.owner.there.update(burnish.job_id, RUNNING, "sampling")
    await burnish.owner.there.update(burnish.job_id, SUCCEEDED, "done")
    assert "succeeded: done" in await watching
    assert not await burnish.owner.is_in(burnish.job_id, PAUSED)


async def test_checkpoints_are_listed(burnish: Burnish) -> None:
    assert "No checkpoint yet" in await burnish("checkpoints")
    await burnish.owner.keep(burnish.job_id, 3, 2)
    listed = json.loads(await burnish("checkpoints", "--json"))
    assert [each["step"] for each in listed] == [3, 2]
    assert "kept as" in await burnish("checkpoints")


async def test_forking_with_changes_and_from_a_file(burnish: Burnish, tmp_path: Path) -> None:
    await burnish.owner.keep(burnish.job_id, 3, 2)
    plain = json.loads(await burnish("fork", "--json"))
    assert plain["spec"]["start"]["checkpoint"] == {"job_id": burnish.job_id, "step": 3}
    changed = json.loads(
        await burnish(
            "fork", "--step", 2, "--set", "stages[0].rl.steps=9", "--set", "name=longer", "--json"
        )
    )
    assert changed["spec"]["start"]["checkpoint"]["step"] == 2
    assert changed["spec"]["name"] == "longer"
    assert changed["spec"]["stages"][0]["rl"]["steps"] == 9

    (tmp_path / "rows.jsonl").write_text('{"prompt": "new"}\n')
    (tmp_path / "job.yaml").write_text(
        "training_file: rows.jsonl\nrewards: [{name: exact, revision: "
        f"{changed['spec']['rewards'][0]['revision']}}}]\nstages: [rl: {{steps: 8}}]\n"
    )
    filed = json.loads(await burnish("fork", "-f", tmp_path / "job.yaml", "--json"))
    assert filed["spec"]["training_file"].startswith("file-")
    words = await burnish("fork", "--set", "lora.rank=4", status=2)
    assert "lora.rank: the checkpoint of step 3 has rank 16, the job 4" in words
    words = await burnish("fork", "--set", "stages.3.rl.steps=9", status=2)
    assert "'3' is not one of 0 to 0" in words
    assert "either --set or --file" in await burnish(
        "fork", "--set", "seed=1", "-f", tmp_path / "job.yaml", status=2
    )


async def test_a_job_file_names_an_adapter_by_its_path(burnish: Burnish, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    (tmp_path / "mine.tar.gz").write_bytes(tarred(peft()))
    (tmp_path / "job.yaml").write_text(
        "training_file: rows.jsonl\nstart: {file: mine.tar.gz}\nstages: [sft: {}]\n"
    )
    made = json.loads(await burnish.run("create", "-f", tmp_path / "job.yaml", "--json"))
    assert made["spec"]["start"]["file"].startswith("file-")
