"""A learner of two ranks that `torchrun` starts, on the CPU."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sharded_worker
import tiny_model
import torch
from google.protobuf.message import Message
from learner_pipeline import RL, SFT, Pipeline, in_order, pipeline_on
from processes import runs
from safetensors.torch import load_file

from burnish.bus import Bus
from burnish.v1 import events_pb2, job_pb2
from svc_learner.engine import lesson
from svc_learner.engine.base import BaseModel

ROOT = Path(__file__).parents[2]
ENV = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
PATHS = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "integration")))


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny_model.write(folder / "bytes")
    return folder


@contextmanager
def torchrun(log: Path, *command: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """Two ranks; killed with all that they started when the test ends."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*launcher, *command],
            stdout=output,
            stderr=output,
            env=os.environ | ENV | {"PYTHONPATH": PATHS} | env,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        kill(ranks(process).values())  # each leads a session of its own
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_two_ranks_learn_what_one_learns(models_dir: Path, tmp_path: Path) -> None:
    """RL by two losses, one of them with a leash to the base, and SFT; three jobs on one base."""
    output, log = tmp_path / "found.safetensors", tmp_path / "log"
    with torchrun(log, sharded_worker.__file__, str(models_dir), str(output)) as process:
        assert process.wait(timeout=200) == 0, log.read_text()
    folder = models_dir / "bytes"
    base = BaseModel.load("bytes", folder, device="cpu", dtype="float32", threads=1)
    torch.set_num_threads(1)
    # Ranks learn from one micro-batch each; sharing a pass would round differently.
    wanted = sharded_worker.train(
        base, lambda lessons, budget: [lesson.learn(each, budget) for each in lessons]
    )
    base.close()
    found = load_file(output)
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-6, rtol=1e-5, msg=name)


@pytest.fixture
async def pipeline(nats_url: str) -> AsyncIterator[Pipeline]:
    async with pipeline_on(nats_url) as running:
        yield running


@contextmanager
def learner(pipeline: Pipeline, models_dir: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    settings = {
        "BURNISH_NATS_URL": pipeline.url,
        "BURNISH_MODELS_DIR": str(models_dir),
        "BURNISH_DATA_DIR": str(log.parent),
        "BURNISH_LEARNER_DEVICE": "cpu",
        "BURNISH_LEARNER_DTYPE": "float32",
        "BURNISH_HEALTH_PORT": "0",
        "BURNISH_DRAIN_SECONDS": "0.5",
    }
    with torchrun(log, "-m", "svc_learner", **settings) as process:
        yield process


async def request(pipeline: Pipeline, job: str) -> None:
    """A job whose result is the same bytes, however and wherever it is run."""
    pipeline.job_id = job
    await pipeline.submit(SFT, RL, base_model="bytes", deterministic=True)
    asked = events_pb2.JobRequested(project="default", job_id=job)
    await pipeline.bus.publish(asked, id=job)


async def alone(pipeline: Pipeline, models_dir: Path) -> None:
    """Finish the job in one process."""
    runner = await pipeline.runner(
        models_dir=models_dir, learner_device="cpu", learner_dtype="float32"
    )
    await runner.run()


async def adapter(pipeline: Pipeline) -> bytes:
    run = await pipeline.record()
    assert run.state == job_pb2.JOB_STATE_SUCCEEDED, run.message
    return await pipeline.bus.blobs.get(run.adapter.blob)


async def steps(pipeline: Pipeline, count: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the job has announced so many."""
    while len(await pipeline.steps()) < count:
        assert process.poll() is None
        await asyncio.sleep(0.2)


async def end(pipeline: Pipeline, process: subprocess.Popen[bytes]) -> None:
    while (await pipeline.record()).state != job_pb2.JOB_STATE_SUCCEEDED:
        assert process.poll() is None
        await asyncio.sleep(0.1)


def ranks(process: subprocess.Popen[bytes]) -> dict[int, int]:
    """Rank → process id, of the processes that the launcher started."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "environ").read_bytes().split(b"\0")
            if parent == process.pid:
                found |= {int(w[5:]): int(folder.name) for w in words if w.startswith(b"RANK=")}
    return found


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def test_a_sharded_job_ends_in_the_same_bytes_and_the_ranks_end_together(
    pipeline: Pipeline, models_dir: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with learner(pipeline, models_dir, log) as process:
        await request(pipeline, "job-1")
        await steps(pipeline, 7, process)
        await end(pipeline, process)
        sharded = await adapter(pipeline)
        members = ranks(process)
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 60)
    assert sorted(members) == [0, 1]
    for pid in members.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert "ends, for" not in log.read_text()
    await request(pipeline, "job-2")
    await alone(pipeline, models_dir)
    assert await adapter(pipeline) == sharded


async def test_the_ranks_end_when_their_launcher_is_killed(
    pipeline: Pipeline, models_dir: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with learner(pipeline, models_dir, log) as process:
        while "service.ready" not in log.read_text():
            assert process.poll() is None
            await asyncio.sleep(0.2)
        members = ranks(process)
        assert sorted(members) == [0, 1]
        process.kill()
        deadline = time.monotonic() + 60
        try:
            while any(runs(Path(f"/proc/{pid}")) for pid in members.values()):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
        finally:
            kill(members.values())
    assert "ends, for" not in log.read_text()


async def test_a_rank_that_dies_ends_the_learner_and_its_job_goes_on_elsewhere(
    pipeline: Pipeline, models_dir: Path, tmp_path: Path
) -> None:
    async def slowly(bus: Bus, asked: events_pb2.RolloutRequested, messages: list[Message]) -> None:
        await asyncio.sleep(0.3)
        await in_order(bus, asked, messages)

    pipeline.deliver = slowly
    log = tmp_path / "log"
    with learner(pipeline, models_dir, log) as process:
        await request(pipeline, "job-1")
        await steps(pipeline, 5, process)
        os.kill(ranks(process)[1], signal.SIGKILL)
        assert await asyncio.to_thread(process.wait, 60) != 0
    words = log.read_text()
    assert "Signal 9 (SIGKILL)" in words, "the launcher names the rank that died"
    assert "burnish learner: rank 0 ends, for not all ranks" in words
    pipeline.deliver = in_order
    await alone(pipeline, models_dir)
    disturbed = await adapter(pipeline)
    await request(pipeline, "job-2")
    await alone(pipeline, models_dir)
    assert await adapter(pipeline) == disturbed
