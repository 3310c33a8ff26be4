"""Asynchronous against synchronous steps, as a reward gets slower; and a step against its stages.

    python benchmarks/pipeline.py [--short] [--json] [--steps 12] [--sleep 0 1 5]

Everything is real: gateway, rollout, serve, learner, NATS, and a reward function in the sandbox that
sleeps. There are lanes enough for all completions in flight. One job at a time, after a first one
that loads the models: `max_staleness` 0 (a batch is sampled, scored, trained, and only then the next
one is asked for), then 2. Seconds per step count from the stage's first dispatch to its last step.

A stage's seconds are those of one batch in the synchronous job, where no two stages overlap: from
dispatch to the last token, while any of its rewards runs, and the training itself. The last line is
a JSON object; `ratio` is synchronous / asynchronous with the slowest reward, `of_slowest` the
asynchronous step / the slowest stage.
"""

import argparse
import asyncio
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slow_rewards
from process_usage import Usage
from say import Say

from burnish import models
from burnish.bus import Bus, topology
from burnish.config import ServiceSettings
from burnish.errors import BurnishError
from burnish.sdk import Client
from burnish.spec import JobSpec
from burnish.supervisor import Platform
from burnish.v1 import events_pb2

PROMPTS, GROUP, MAX_TOKENS = 2, 4, 16
STALENESS = 2
LANES = PROMPTS * GROUP * (STALENESS + 1)


def job(steps: int, max_staleness: int) -> JobSpec:
    return JobSpec.parse(
        {
            "name": f"staleness-{max_staleness}",
            "base_model": models.SMOLLM2,
            "training_file": "train.jsonl",
            "rewards": [{"name": "slow", "file": "slow.py"}],
            "stages": [
                {
                    "rl": {
                        "steps": steps,
                        "prompts_per_step": PROMPTS,
                        "group_size": GROUP,
                        "learning_rate": 1e-5,
                        "sampling": {"max_tokens": MAX_TOKENS},
                        "max_staleness": max_staleness,
                    }
                }
            ],
            "lora": {"rank": 16},
        }
    )


@dataclass(frozen=True, slots=True)
class Trace:
    """When one completion was where, in seconds since the epoch."""

    group: str
    dispatched: float
    sampled: float
    judged: tuple[float, float]

    @classmethod
    def of(cls, scored: events_pb2.RewardScored) -> "Trace":
        rollout = scored.completion
        sampled = rollout.time.seconds + rollout.time.nanos / 1e9
        return cls(
            rollout.group_id,
            sampled - rollout.seconds,
            sampled,
            (sampled + scored.waited_seconds, sampled + scored.seconds),
        )


@dataclass(frozen=True, slots=True)
class Run:
    """One job: its steps' events and its completions."""

    steps: Sequence[events_pb2.StepCompleted]
    traces: Sequence[Trace]
    cpu_seconds: float

    @property
    def seconds_per_step(self) -> float:
        last = max(step.time.seconds + step.time.nanos / 1e9 for step in self.steps)
        return (last - min(trace.dispatched for trace in self.traces)) / len(self.steps)

    def stages(self) -> dict[str, float]:
        """Seconds of one batch in each stage, the mean over the steps."""
        found: Counter[str] = Counter()
        for step in self.steps:
            batch = [trace for trace in self.traces if trace.group in set(step.group_ids)]
            begin = min(trace.dispatched for trace in batch)
            found["sampling"] += max(trace.sampled for trace in batch) - begin  # type: ignore[assignment]
            found["scoring"] += covered(trace.judged for trace in batch)  # type: ignore[assignment]
            found["training"] += step.metrics["seconds/training"]  # type: ignore[assignment]
        return {name: round(seconds / len(self.steps), 2) for name, seconds in found.items()}

    def shares(self) -> dict[str, float]:
        """Where the learner's time went, by its own account."""
        names = [
            name for name in self.steps[0].metrics if name.startswith(("waiting/", "utilisation/"))
        ]
        return {
            name: round(sum(step.metrics[name] for step in self.steps) / len(self.steps), 3)
            for name in sorted(names)
        }

    def summary(self) -> dict[str, Any]:
        return {
            "seconds_per_step": round(self.seconds_per_step, 2),
            "cpu_seconds_per_step": round(self.cpu_seconds / len(self.steps), 2),
            "shares": self.shares(),
            "bottleneck": self.steps[len(self.steps) // 2].bottleneck,
        }


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds that lie in at least one of the spans."""
    total, reached = 0.0, 0.0
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


class Bench:
    """One platform."""

    def __init__(self, platform: Platform, client: Client, usage: Usage, folder: Path) -> None:
        self._platform = platform
        self._client = client
        self._usage = usage
        self._folder = folder

    def run(self, steps: int, max_staleness: int) -> Run:
        began = self._usage.total_cpu_seconds()
        submitted = self._client.submit(job(steps, max_staleness), self._folder)
        ended = self._client.jobs.wait(submitted.id)
        if ended.state != "succeeded":
            raise BurnishError(f"{ended.id} ended as {ended.state}: {ended.message}")
        cpu = self._usage.total_cpu_seconds() - began
        return asyncio.run(self._read(ended.id, cpu))

    async def _read(self, job_id: str, cpu_seconds: float) -> Run:
        bus = Bus(ServiceSettings(nats_url=self._platform.nats_url), "benchmark")
        await bus.connect()
        try:
            steps = await _messages(bus, topology.EVENTS_STREAM, job_id, events_pb2.StepCompleted)
            scored = await _messages(bus, topology.SCORES_STREAM, job_id, events_pb2.RewardScored)
        finally:
            await bus.stop()
        return Run(steps, [Trace.of(message) for message in scored], cpu_seconds)


async def _messages(bus: Bus, stream: topology.Stream, job_id: str, kind: type[Any]) -> list[Any]:
    """All messages of one kind that a job left in a stream."""
    subject = f"burnish.v1.*.*.*.{job_id}"
    found = []
    async for entry in bus.read(stream, subjects=[subject]):
        if isinstance(entry.message, kind):
            found.append(entry.message)
        if entry.pending == 0:
            break
    return found


def compare(bench: Bench, folder: Path, sleep: float, steps: int, say: Say) -> dict[str, Any]:
    slow_rewards.write(folder, sleep)
    load = os.getloadavg()[0]
    sync = bench.run(steps, 0)
    say(f"rewards of {sleep:g} s, synchronous: {sync.summary()}")
    overlapped = bench.run(steps, STALENESS)
    say(f"rewards of {sleep:g} s, asynchronous: {overlapped.summary()}")
    stages = sync.stages()
    return {
        "sleep": sleep,
        "ratio": round(sync.seconds_per_step / overlapped.seconds_per_step, 2),
        "of_slowest": round(overlapped.seconds_per_step / max(stages.values()), 2),
        "stages": stages,
        "synchronous": sync.summary(),
        "asynchronous": overlapped.summary(),
        "load_average": [round(load, 1), round(os.getloadavg()[0], 1)],
    }


def measure(steps: int, sleeps: Sequence[float], say: Say) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="burnish-pipeline-") as work:
        folder = Path(work) / "job"
        folder.mkdir()
        env = {"BURNISH_REWARD_LANES": str(LANES), "BURNISH_SANDBOX": "process"}
        platform = Platform(Path(work) / "platform", env=env, report=say)
        with (
            platform,
            Usage(lambda: platform.pids) as usage,
            Client(platform.grpc_address) as client,
        ):
            bench = Bench(platform, client, usage, folder)
            slow_rewards.write(folder, 0)
            say(f"the first job, which loads: {bench.run(2, 0).summary()}")
            return [compare(bench, folder, sleep, steps, say) for sleep in sleeps]


def table(results: Sequence[dict[str, Any]]) -> str:
    lines = [
        (
            "| a reward takes | sampling | scoring | training | synchronous step | asynchronous | ratio "
            "| of the slowest stage |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in results:
        stages = " | ".join(f"{seconds:.1f} s" for seconds in each["stages"].values())
        lines.append(
            f"| {each['sleep']:g} s | {stages} | {each['synchronous']['seconds_per_step']:.1f} s "
            f"| {each['asynchronous']['seconds_per_step']:.1f} s | {each['ratio']}x "
            f"| {each['of_slowest']} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="6 steps instead of 12")
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--sleep", type=float, nargs="+", default=[0.0, 1.0, 5.0])
    options = parser.parse_args()
    steps = options.steps or (6 if options.short else 12)
    results = measure(steps, options.sleep, Say(quiet=options.json))
    if not options.json:
        print(table(results))
    last = results[-1]
    summary = {"ratio": last["ratio"], "of_slowest": last["of_slowest"], "results": results}
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
