"""`burnish jobs update-rewards`, `rescore` and `completions`: what people read of a live gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gateway_world import BASE, SOURCE, World, eventually, world
from test_gateway_jobs import BROKEN, GOOD, Client

from burnish import cli
from burnish.bus import topology
from burnish.v1 import events_pb2, infer_pb2, job_pb2, jobs_service_pb2

REVISION = "a" * 64


class Burnish:
    """Runs a verb of `burnish jobs` on one job and returns what it wrote."""

    def __init__(self, there: World, job_id: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.there = there
        self.job_id = job_id
        self._capsys = capsys

    async def __call__(self, verb: str, *options: object, status: int = 0) -> str:
        address = f"127.0.0.1:{self.there.gateway.grpc_port}"
        command = ["--address", address, "jobs", verb, self.job_id, *map(str, options)]
        self._capsys.readouterr()
        found = await asyncio.to_thread(cli.run, command)
        out, err = self._capsys.readouterr()
        assert found == status, err
        assert "Traceback" not in err
        return out if found == 0 else err


@pytest.fixture
async def there(nats_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(nats_url, tmp_path) as there:
        await there.serve()
        yield there


@pytest.fixture
async def burnish(there: World, capsys: pytest.CaptureFixture[str]) -> Burnish:
    client = Client(there.channel)
    await client.reward()
    job = await client.create()
    return Burnish(there, job.id, capsys)


@pytest.fixture
def strict(tmp_path: Path) -> Path:
    path = tmp_path / "strict.py"
    path.write_text(SOURCE + "\n# strict\n")
    return path


async def store(there: World, job_id: str, rewards: list[float]) -> None:
    """Completions as the reward service publishes them, one for each of `rewards`."""
    for number, reward in enumerate(rewards):
        message = events_pb2.RewardScored(reward=reward)
        one = message.completion
        one.project, one.job_id, one.group_id = "default", job_id, f"{job_id}.rl.0"
        one.completion_id, one.completion = f"{job_id}.rl.0.{number}", f"answer {number}"
        one.row.id, one.context.step = "7", number
        one.row.messages.add(role="user", content="2+2")
        message.scores.add(
            name="exact",
            revision=REVISION,
            value=reward,
            status=events_pb2.SCORE_STATUS_OK,
            weight=1,
            image="sha256:abc",
            isolation="container",
            seed=1234,
            cpu_ms=5,
        )
        await there.bus.publish(message, id=one.completion_id)

    async def stored() -> bool:
        ask = jobs_service_pb2.ListCompletionsRequest(job_id=job_id)
        found = await Client(there.channel).jobs.ListCompletions(ask)
        return len(found.completions) == len(rewards)

    await eventually(stored)


async def test_each_change_says_its_set_and_its_step(burnish: Burnish, strict: Path) -> None:
    await burnish.there.judge(GOOD)
    said = await burnish("update-rewards", "--reward", f"exact={strict}", "--weight", "exact=0.5")
    assert "Set 2" in said
    assert "(exact 0.5) applies from the next step boundary on" in said
    said = await burnish("update-rewards", "--shadow", f"strict={strict}", "--at-step", 2)
    assert "Set 3" in said
    assert "(exact 0.5, strict 0) applies from step 2 on" in said
    said = await burnish("update-rewards", "--rollback", "--reason", "too strict")
    assert "Set 4" in said
    assert "(exact 0.5)" in said
    added = json.loads(await burnish("update-rewards", "--rollback", "--json"))
    assert (added["number"], added["repeats"]) == (5, 1)
    assert "set 1 of 5" in await burnish("get")


async def test_all_rewards_of_a_job_file_replace_the_set(burnish: Burnish, strict: Path) -> None:
    await burnish.there.judge(GOOD)
    job = {
        "base_model": BASE,
        "training_file": "rows.jsonl",
        "rewards": [{"name": "exact", "file": strict.name, "weight": 0.25}],
        "stages": [{"rl": {"steps": 2}}],
    }
    file = strict.parent / "job.yaml"
    file.write_text(json.dumps(job))
    added = json.loads(
        await burnish("update-rewards", "-f", file, "--reason", "stricter", "--json")
    )
    (ref,) = added["rewards"]
    assert (added["number"], added["reason"]) == (2, "stricter")
    assert (ref["name"], ref["weight"]) == ("exact", 0.25)
    assert len(ref["revision"]) == 64


async def test_what_cannot_be_changed_is_said_in_one_sentence(
    burnish: Burnish, strict: Path, tmp_path: Path
) -> None:
    async def refused(*options: object) -> str:
        said = await burnish("update-rewards", *options, status=2)
        assert said.startswith("burnish: ")
        return said

    await burnish.there.judge(GOOD)
    assert "give one of --file, --rollback" in await refused()
    assert "give one of" in await refused("--rollback", "--weight", "exact=1")
    assert "no reward 'exat' in the set" in await refused("--weight", "exat=1")
    assert "NAME=VALUE" in await refused("--reward", strict)
    assert "missing.py" in await refused("--reward", f"exact={tmp_path / 'missing.py'}")
    assert "set 1 is the first" in (await refused("--rollback")).lower()
    assert "weight" in await refused("--weight", "exact=0")
    runs = await burnish.there.bus.kv(topology.RUNS, job_pb2.JobRun)
    await runs.put(burnish.job_id, job_pb2.JobRun(id=burnish.job_id, policy_version=4))
    said = await refused("--weight", "exact=0.5", "--at-step", 5)
    assert "step 5 has begun already" in said.lower()
    assert "from 6 on" in said


async def test_a_reward_that_fails_on_the_rows_does_not_reach_the_job(
    burnish: Burnish, strict: Path
) -> None:
    await burnish.there.judge(BROKEN)
    said = await burnish("update-rewards", "--reward", f"exact={strict}", status=2)
    assert "KeyError: 'x'" in said
    assert "set 1 of 1" in await burnish("get")


async def test_rescoring_prints_both_means_the_correlation_and_the_movers(
    burnish: Burnish, strict: Path
) -> None:
    await store(burnish.there, burnish.job_id, [0.0, 0.5, 1.0])
    # Newest first: the old rewards are 1, 0.5 and 0.
    scores = (1.0, 0.0, 0.25)
    await burnish.there.judge(
        *(infer_pb2.RewardVerdict(status="ok", score=score) for score in scores)
    )
    lines = (await burnish("rescore", "--reward", strict)).splitlines()
    figures = dict(line.rsplit(maxsplit=1) for line in lines[:5])
    found = {name.strip(): float(value) for name, value in figures.items()}
    assert found["completions"] == found["with both scores"] == 3
    assert found["old mean"] == pytest.approx(0.5)
    assert found["new mean"] == pytest.approx(1.25 / 3, abs=1e-3)
    assert found["rank correlation"] == pytest.approx(0.5)
    assert "answer 1" in lines[6], "the largest mover comes first"
    verdicts = json.loads(await burnish("rescore", "--reward", "exact", "--last", 1, "--json"))
    assert [each["completion"]["reward"] for each in verdicts] == [1.0]


async def test_rescoring_says_what_it_cannot_do(burnish: Burnish, tmp_path: Path) -> None:
    await burnish.there.judge(GOOD)
    assert "Nothing has both" in await burnish("rescore", "--reward", "exact")
    said = await burnish("rescore", "--reward", "exat", status=2)
    assert "known rewards: exact" in said.lower()
    said = await burnish("rescore", "--reward", tmp_path / "none.py", status=2)
    assert "none.py" in said


async def test_completions_show_what_their_scores_came_from(burnish: Burnish) -> None:
    await store(burnish.there, burnish.job_id, [0.5])
    assert "exact=0.5 [aaaaaaaa container 5 ms]" in await burnish("completions")
    said = await burnish("completions", "--provenance")
    for word in (REVISION, "sha256:abc", "container", "1234"):
        assert word in said
    (found,) = json.loads(await burnish("completions", "--json"))
    (score,) = found["scores"]
    assert (score["seed"], score["image"], score["cpu_ms"]) == (1234, "sha256:abc", 5.0)
    assert (score["revision"], score["isolation"]) == (REVISION, "container")
