"""Four jobs at once on one learner against the same four one after the other, as rewards get slower.

    python benchmarks/learner_jobs.py [--short] [--json] [--jobs 4] [--sleep 0 1 5]

Everything is real: gateway, rollout, serve, learner, NATS, and a reward function in the sandbox that
sleeps. There are lanes enough that scores are late but never queue. All jobs run on one platform,
in both orders, after a first one that loads the models; rates are completions learned from per
second between the first submission and the last end, so each job's start and final checkpoint count.
The last line is a JSON object; `ratio` is at once / in series, with the slowest reward.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slow_rewards
from process_usage import Usage
from say import Say

from burnish import models
from burnish.errors import BurnishError
from burnish.sdk import Client
from burnish.sdk.types import StepCompleted
from burnish.spec import JobSpec
from burnish.supervisor import Platform

MAX_STALENESS = 1


@dataclass(frozen=True, slots=True)
class Load:
    """Of one job."""

    steps: int
    prompts: int = 2
    group: int = 4
    max_tokens: int = 16

    @property
    def in_flight(self) -> int:
        """Most completions of a job that are being sampled or scored."""
        return self.prompts * self.group * (1 + MAX_STALENESS)

    def job(self, seed: int) -> JobSpec:
        return JobSpec.parse(
            {
                "name": f"jobs-{seed}",
                "base_model": models.SMOLLM2,
                "training_file": "train.jsonl",
                "rewards": [{"name": "slow", "file": "slow.py"}],
                "stages": [
                    {
                        "rl": {
                            "steps": self.steps,
                            "prompts_per_step": self.prompts,
                            "group_size": self.group,
                            "learning_rate": 1e-5,
                            "sampling": {"max_tokens": self.max_tokens},
                            "max_staleness": MAX_STALENESS,
                        }
                    }
                ],
                "lora": {"rank": 16},
                "seed": seed,
            }
        )


SHORT = Load(steps=3, group=2, max_tokens=8)


@dataclass(frozen=True, slots=True)
class Run:
    """Jobs from the first submission to the last end."""

    completions: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        return self.completions / self.seconds

    def summary(self) -> dict[str, float]:
        return {
            "seconds": round(self.seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1),
            "completions": self.completions,
            "completions_per_second": round(self.rate, 2),
        }


class Bench:
    """One platform with one learner."""

    def __init__(self, client: Client, usage: Usage, folder: Path, load: Load) -> None:
        self._client = client
        self._usage = usage
        self._folder = folder
        self._load = load

    def in_series(self, count: int) -> Run:
        return self._run([[seed] for seed in range(count)])

    def at_once(self, count: int) -> Run:
        return self._run([range(count)])

    def _run(self, rounds: Sequence[Sequence[int]]) -> Run:
        began, began_cpu, done = time.monotonic(), self._usage.total_cpu_seconds(), list[str]()
        for seeds in rounds:
            jobs = [self._client.submit(self._load.job(seed), self._folder) for seed in seeds]
            for job in jobs:
                ended = self._client.jobs.wait(job.id)
                if ended.state != "succeeded":
                    raise BurnishError(f"{job.id} ended as {ended.state}: {ended.message}")
                done.append(job.id)
        seconds, cpu_seconds = time.monotonic() - began, self._usage.total_cpu_seconds() - began_cpu
        each = self._load.prompts * self._load.group
        steps = sum(len(list(self._steps(job_id))) for job_id in done)
        return Run(steps * each, seconds, cpu_seconds)

    def _steps(self, job_id: str) -> Iterator[StepCompleted]:
        for watched in self._client.jobs.watch(job_id):
            if isinstance(watched.event, StepCompleted):
                yield watched.event


def compare(bench: Bench, folder: Path, sleep: float, jobs: int, say: Say) -> dict[str, Any]:
    """In series first, then at once."""
    slow_rewards.write(folder, sleep)
    load = os.getloadavg()[0]
    series = bench.in_series(jobs)
    say(f"rewards of {sleep:g} s, in series: {series.summary()}")
    at_once = bench.at_once(jobs)
    say(f"rewards of {sleep:g} s, at once: {at_once.summary()}")
    return {
        "sleep": sleep,
        "ratio": round(at_once.rate / series.rate, 2),
        "in_series": series.summary(),
        "at_once": at_once.summary(),
        "load_average": [round(load, 1), round(os.getloadavg()[0], 1)],
    }


def measure(load: Load, jobs: int, sleeps: Sequence[float], say: Say) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="burnish-jobs-") as work:
        folder = Path(work) / "job"
        folder.mkdir()
        env = {
            "BURNISH_LEARNER_JOBS": str(jobs),
            "BURNISH_REWARD_LANES": str(min(jobs * load.in_flight, 256)),
            "BURNISH_ROLLOUT_GROUPS": "1024",
        }
        platform = Platform(Path(work) / "platform", env=env, report=say)
        with (
            platform,
            Usage(lambda: platform.pids) as usage,
            Client(platform.grpc_address) as client,
        ):
            bench = Bench(client, usage, folder, load)
            slow_rewards.write(folder, 0)
            say(f"the first job, which loads: {bench.at_once(1).summary()}")
            return [compare(bench, folder, sleep, jobs, say) for sleep in sleeps]


def table(results: Sequence[dict[str, Any]], jobs: int) -> str:
    lines = [
        f"| a reward takes | {jobs} in series | {jobs} at once | ratio | CPU, series | at once |",
        "|---|---|---|---|---|---|",
    ]
    for each in results:
        series, at_once = each["in_series"], each["at_once"]
        lines.append(
            f"| {each['sleep']:g} s | {series['completions_per_second']}/s "
            f"| {at_once['completions_per_second']}/s | {each['ratio']}x "
            f"| {series['cpu_seconds']:.0f} s | {at_once['cpu_seconds']:.0f} s |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="few and small steps")
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--sleep", type=float, nargs="+", default=[0.0, 1.0, 5.0])
    options = parser.parse_args()
    load = SHORT if options.short else Load(steps=8)
    say = Say(quiet=options.json)
    results = measure(load, options.jobs, options.sleep, say)
    if not options.json:
        print(table(results, options.jobs))
    slowest = max(results, key=lambda each: each["sleep"])
    print(json.dumps({"ratio": slowest["ratio"], "jobs": options.jobs, "results": results}))


if __name__ == "__main__":
    main()
