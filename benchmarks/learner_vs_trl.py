"""A whole RL job on the platform against TRL's `GRPOTrainer`: one task, one machine, one run.

    python benchmarks/learner_vs_trl.py [--short] [--json] [--steps N] [--peer bfloat16:2]

Both train the same LoRA on the same rows with the same reward functions, groups, loss, learning rate
and number of steps. Ours is `burnish up` as users have it: gateway, rollout, serve, learner, rewards
in the sandbox, NATS. TRL runs in an environment of its own (scripts/trl_env.sh) with whichever of its
settings is the fastest here, tried first. Time counts from the beginning of the training loop to the
end of its last step: starting up and loading are left out on both sides. Afterwards both adapters and
the base model answer the held-out rows through the same plain `generate`. The last line is a JSON
object; `ratio` is ours / theirs in completions per second.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from process_usage import Usage
from say import Say

from burnish import models
from burnish.errors import BurnishError
from burnish.sdk import Client
from burnish.sdk.types import Job, JobUpdated, StepCompleted
from burnish.spec import JobSpec
from burnish.supervisor import Platform, allocator

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "extraction"
REWARDS = {"reward_format.py": 0.3, "reward_correct.py": 0.7}
MODEL = models.SMOLLM2
PEER_VENV = ROOT / ".venv-trl"
LANE_LABEL = "burnish.lane.owner"
ON_ONE_GPU = {"BURNISH_SERVE_MEMORY": "0.4", "BURNISH_LEARNER_BATCH_TOKENS": "16384"}
"""The engine and the learner share it; see docs/gpu.md."""


@dataclass(frozen=True, slots=True)
class Task:
    """What both sides are asked for."""

    steps: int
    prompts: int = 4
    group: int = 8
    max_tokens: int = 48
    learning_rate: float = 1e-3
    rank: int = 16
    alpha: int = 32
    seed: int = 0
    max_staleness: int = 1
    """Of ours alone: TRL samples, scores and trains in turns."""

    def job(self) -> JobSpec:
        return JobSpec.parse(
            {
                "name": "learner-vs-trl",
                "base_model": MODEL,
                "training_file": "train.jsonl",
                "rewards": [
                    {"name": Path(file).stem, "file": file, "weight": weight}
                    for file, weight in REWARDS.items()
                ],
                "stages": [
                    {
                        "rl": {
                            "steps": self.steps,
                            "prompts_per_step": self.prompts,
                            "group_size": self.group,
                            "learning_rate": self.learning_rate,
                            "loss": "cispo",
                            "advantage": "standardized",
                            "sampling": {"temperature": 1.0, "max_tokens": self.max_tokens},
                            "max_staleness": self.max_staleness,
                        }
                    }
                ],
                "lora": {"rank": self.rank, "alpha": self.alpha},
                "seed": self.seed,
            }
        )

    def plan(self, setting: "Setting", **changes: object) -> dict[str, Any]:
        """The same for the peer script."""
        mine = asdict(self)
        del mine["max_staleness"]
        return {
            **mine,
            "model": str(models_dir() / MODEL),
            "example": str(EXAMPLE),
            "rewards": REWARDS,
            **asdict(setting),
            **changes,
        }


@dataclass(frozen=True, slots=True)
class Setting:
    """How TRL runs."""

    dtype: str
    threads: int
    vllm: bool = False

    @classmethod
    def parse(cls, text: str) -> "Setting":
        dtype, _, threads = text.partition(":")
        return cls(dtype, int(threads or 1))

    def __str__(self) -> str:
        return f"{self.dtype}, {self.threads} threads{', vLLM' if self.vllm else ''}"


@dataclass(frozen=True, slots=True)
class Run:
    """One side's training loop."""

    step_seconds: tuple[float, ...]
    completions: int
    tokens: int
    """Sampled; those of groups without a lesson included."""
    rewards: tuple[float, ...]
    """Mean of each step's completions."""
    cpu: Mapping[str, float]
    """Seconds, by process."""
    peak_mib: int
    metrics: tuple[dict[str, float], ...] = ()

    @property
    def seconds(self) -> float:
        return sum(self.step_seconds)

    @property
    def cpu_seconds(self) -> float:
        return sum(self.cpu.values())

    @property
    def per_second(self) -> float:
        return self.completions / self.seconds

    @property
    def per_cpu_second(self) -> float:
        return self.completions / self.cpu_seconds

    def summary(self) -> dict[str, Any]:
        steps = len(self.step_seconds)
        return {
            "seconds_per_step": round(self.seconds / steps, 2),
            "cpu_seconds_per_step": round(self.cpu_seconds / steps, 2),
            "cpu_seconds": {name: round(each, 1) for name, each in sorted(self.cpu.items())},
            "completions_per_second": round(self.per_second, 3),
            "completions_per_cpu_second": round(self.per_cpu_second, 3),
            "completions": self.completions,
            "tokens_sampled": self.tokens,
            "step_seconds": [round(each, 1) for each in self.step_seconds],
            "rewards": [round(each, 3) for each in self.rewards],
            "peak_mib": self.peak_mib,
        }


def models_dir() -> Path:
    return Path(os.environ.get("BURNISH_MODELS_DIR") or "~/.cache/burnish/models").expanduser()


class Lanes:
    """Main processes of the containers that rewards run in: they are not the platform's children."""

    def __init__(self, sandbox: str) -> None:
        self._client: Any = None
        if sandbox == "docker":
            import docker  # noqa: PLC0415

            self._client = docker.from_env()
            self._others = {each.id for each in self._list()}
            self._pids: dict[str, int] = {}

    def pids(self) -> dict[str, int]:
        if self._client is None:
            return {}
        for container in self._list():
            if container.id not in self._others and container.id not in self._pids:
                self._pids[container.id] = container.attrs["State"]["Pid"]
        return {f"lane {number}": pid for number, pid in enumerate(self._pids.values(), 1)}

    def _list(self) -> list[Any]:
        found: list[Any] = self._client.containers.list(filters={"label": LANE_LABEL})
        return found


def ours(task: Task, work: Path, say: "Say") -> tuple[Run, Path]:
    """A job on a platform of its own; returns the loop's record and the adapter's folder."""
    env = ON_ONE_GPU if torch.cuda.is_available() else {}
    platform = Platform(work / "platform", env=env, report=say)
    lanes = Lanes("docker" if not os.environ.get("BURNISH_SANDBOX") else "")
    with (
        platform,
        Usage(lambda: {**platform.pids, **lanes.pids()}) as usage,
        Client(platform.grpc_address) as client,
    ):
        job = client.submit(task.job(), EXAMPLE)
        say(f"{job.id} on {platform.http_url}, sandbox {platform.sandbox}")
        began, steps = follow(client, job, say)
        adapter = client.jobs.get(job.id).adapter
        assert adapter is not None
        folder = client.adapters.pull(adapter.name, work / "ours")
        ends = [each.time.timestamp() for each in steps if each.time is not None]
        metrics = [dict(each.metrics) for each in steps]
        completions = sum(each["completions"] for each in metrics)
        tokens = sum(each["completions"] * each["completion_tokens/mean"] for each in metrics)
        run = Run(
            step_seconds=differences(began, ends),
            completions=round(completions),
            tokens=round(tokens),
            rewards=tuple(each["reward/mean"] for each in metrics),
            cpu=usage.cpu_seconds(began, ends[-1]),
            peak_mib=usage.peak_rss(began, ends[-1]) >> 20,
            metrics=tuple(metrics),
        )
    return run, folder


def follow(client: Client, job: Job, say: "Say") -> tuple[float, list[StepCompleted]]:
    """When the loop began, and its steps."""
    began, steps = 0.0, list[StepCompleted]()
    for watched in client.jobs.watch(job.id):
        event = watched.event
        if isinstance(event, JobUpdated):
            say(f"  {event.state} {event.stage}: {event.message}")
            if event.stage.startswith("rl") and not began and event.time is not None:
                began = event.time.timestamp()
        elif isinstance(event, StepCompleted):
            steps.append(event)
            say(f"  ours: step {event.step}, reward {event.metrics['reward/mean']:.3f}")
    ended = client.jobs.wait(job.id)
    if ended.state != "succeeded":
        raise BurnishError(f"{job.id} ended as {ended.state}: {ended.message}")
    return began, steps


def theirs(task: Task, setting: Setting, work: Path) -> tuple[Run, Path]:
    """`GRPOTrainer` in a process of its own."""
    folder = work / "theirs"
    result, usage = peer("train", task.plan(setting, adapter=str(folder)), work)
    began, ends = result["began"], result["ended"]
    each = task.prompts * task.group
    run = Run(
        step_seconds=differences(began, ends),
        completions=each * len(ends),
        tokens=round(sum(each * length for length in result["lengths"])),
        rewards=tuple(result["rewards"]),
        cpu=usage.cpu_seconds(began, ends[-1]),
        peak_mib=usage.peak_rss(began, ends[-1]) >> 20,
    )
    return run, folder


def peer(verb: str, plan: dict[str, Any], work: Path) -> tuple[dict[str, Any], Usage]:
    plan_file, result_file, log = work / "plan.json", work / "result.json", work / "peer.log"
    plan_file.write_text(json.dumps(plan))
    script = Path(__file__).with_name("peer_trl.py")
    command: list[str | Path] = [PEER_VENV / "bin" / "python", script, verb, plan_file, result_file]
    env = {
        **os.environ,
        **allocator.KEEP_MEMORY,  # TRL's users do without; here both sides have it
        "OMP_NUM_THREADS": str(plan["threads"]),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
    }
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=env) as process,
        Usage(lambda: {"trl": process.pid}) as usage,
    ):
        process.wait()
    if process.returncode:
        raise SystemExit(f"TRL failed:\n{log.read_text()[-3000:]}")
    return json.loads(result_file.read_text()), usage


def fastest(task: Task, settings: Sequence[Setting], work: Path, say: "Say") -> Setting:
    """The setting with the shortest second step of half the size; the first one also warms up."""
    seconds = {}
    for setting in settings:
        short = Task(steps=2, prompts=2, seed=task.seed)
        run, _ = theirs(short, setting, work)
        seconds[setting] = run.step_seconds[-1]
        say(f"TRL with {setting}: {run.step_seconds[-1]:.1f} s a step")
    return min(seconds, key=seconds.__getitem__)


def settings() -> list[Setting]:
    """What is worth trying on this machine."""
    if torch.cuda.is_available():
        has_vllm = any((PEER_VENV / "lib").glob("python*/site-packages/vllm"))
        return [Setting("bfloat16", 1, vllm) for vllm in {False, has_vllm}]
    cores = len(os.sched_getaffinity(0))
    return [
        Setting(dtype, threads)
        for dtype, threads in itertools.product(("bfloat16", "float32"), sorted({1, cores}))
    ]


def differences(began: float, ends: Sequence[float]) -> tuple[float, ...]:
    return tuple(after - before for before, after in itertools.pairwise([began, *ends]))


def compare(task: Task, setting: Setting, work: Path, say: Say, *, samples: int) -> dict[str, Any]:
    load = os.getloadavg()[0]
    mine, my_adapter = ours(task, work, say)
    say(f"ours: {json.dumps(mine.summary())}")
    load_between = os.getloadavg()[0]
    other, other_adapter = theirs(task, setting, work)
    say(f"TRL: {json.dumps(other.summary())}")
    load_after = os.getloadavg()[0]
    held_out = {
        name: peer("evaluate", task.plan(setting, adapter=adapter, samples=samples), work)[0][
            "reward"
        ]
        for name, adapter in (
            ("base", ""),
            ("ours", str(my_adapter)),
            ("trl", str(other_adapter)),
        )
    }
    return {
        "ratio": round(mine.per_second / other.per_second, 2),
        "ratio_steps": round(
            (other.seconds / len(other.step_seconds)) / (mine.seconds / len(mine.step_seconds)), 2
        ),
        "ratio_per_cpu_second": round(mine.per_cpu_second / other.per_cpu_second, 2),
        "held_out_reward": {name: round(value, 3) for name, value in held_out.items()},
        "ours": mine.summary(),
        "trl": other.summary() | {"setting": str(setting)},
        "task": asdict(task),
        "load": [round(each, 1) for each in (load, load_between, load_after)],
        "where_our_time_went": where(mine),
    }


def where(run: Run) -> dict[str, float]:
    """Means over the steps of what the learner says of its own time."""
    names = {
        name
        for each in run.metrics
        for name in each
        if name.startswith(("seconds/", "utilisation/", "waiting/", "staleness/", "k3/", "groups/"))
    }
    return {
        name: round(sum(each.get(name, 0.0) for each in run.metrics) / len(run.metrics), 4)
        for name in sorted(names)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="4 steps instead of 12")
    parser.add_argument("--json", action="store_true", help="only the last line")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--peer", help="TRL's dtype:threads, instead of trying which is fastest")
    parser.add_argument("--ours-only", action="store_true", help="no comparison: to profile a job")
    options = parser.parse_args()
    say = Say(quiet=options.json)
    task = Task(steps=options.steps or (4 if options.short else 12))
    models.ensure(MODEL, models_dir())
    with tempfile.TemporaryDirectory(prefix="burnish-vs-trl-") as folder:
        work = Path(folder)
        if options.ours_only:
            run, _ = ours(task, work, say)
            print(json.dumps(run.summary() | {"where_our_time_went": where(run)}))
            return
        subprocess.run([ROOT / "scripts" / "trl_env.sh", PEER_VENV], check=True, stdout=sys.stderr)
        setting = (
            Setting.parse(options.peer) if options.peer else fastest(task, settings(), work, say)
        )
        samples = 2 if options.short else 8
        print(json.dumps(compare(task, setting, work, say, samples=samples)))


if __name__ == "__main__":
    main()
