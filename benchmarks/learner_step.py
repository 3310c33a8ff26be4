"""Seconds and memory of one optimizer step: ours against transformers with PEFT, in one run.

A step learns from groups of completions that share their prompt. The peer does what TRL's
GRPOTrainer does with them: rows padded to one length, PEFT's adapters, logits of the completion
tokens, autograd. Each side runs in a process of its own, one thread, random tokens; CPU seconds
mean something on a busy machine, wall seconds only on a quiet one. Peak memory is what the steps
add to the loaded model.

Then jobs of one base: micro-batches in one pass against one pass for each.

usage: python benchmarks/learner_step.py [--short] [--json]
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from burnish import models
from svc_learner.algorithms.losses import LossConfig
from svc_learner.engine.base import BaseModel
from svc_learner.engine.batching import pack
from svc_learner.engine.objective import Objective
from svc_learner.engine.policy import Policy, accumulate_many
from svc_learner.types import Sample

RANK, ALPHA = 16, 32
OBJECTIVE = Objective("rl", LossConfig("cispo", 1.0, 4.0))
SIDES = ("peft", "burnish")
DTYPES = ("float32", "bfloat16")
MODEL = "smollm2-135m-instruct"


@dataclass(frozen=True, slots=True)
class Load:
    """What one step learns from."""

    groups: int
    size: int
    prompt: int
    completion: int

    def samples(self, seed: int = 0) -> list[list[Sample]]:
        """The groups; completions have up to `completion` tokens, three quarters on average."""
        rng = random.Random(seed)

        def tokens(count: int) -> tuple[int, ...]:
            return tuple(rng.randrange(3, 49_000) for _ in range(count))

        def sample(prompt: tuple[int, ...]) -> Sample:
            length = rng.randint(self.completion // 2, self.completion)
            return Sample(prompt, tokens(length), 1.0, rng.gauss(0, 1), (-10.0,) * length)

        prompts = [tokens(self.prompt) for _ in range(self.groups)]
        return [[sample(prompt) for _ in range(self.size)] for prompt in prompts]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one optimizer step."""

    side: str
    dtype: str
    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


def measure(side: str, dtype: str, step: Callable[[], object], steps: int) -> Cost:
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _status("VmRSS")
    step()  # allocators and caches warm up
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Cost(side, dtype, wall / steps, cpu / steps, _status("VmHWM") - before)


def burnish(folder: Path, dtype: str, load: Load) -> Callable[[], object]:
    base = BaseModel.load(MODEL, folder, device="cpu", dtype=dtype, threads=1)
    policy = Policy(base, rank=RANK, alpha=ALPHA, seed=0)
    policy.start_stage(1e-4)
    groups = load.samples()
    tokens = sum(len(sample.tokens) for group in groups for sample in group)

    def step() -> None:
        for group in groups:
            for batch in pack(group, 512):
                policy.accumulate(batch, OBJECTIVE)
        policy.step({"rl": 1 / tokens})

    return step


def peft(folder: Path, dtype: str, load: Load) -> Callable[[], object]:
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415  (its own process alone needs it)
    from transformers import AutoModelForCausalLM  # noqa: PLC0415

    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    config = LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    model = get_peft_model(plain, config)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    groups = load.samples()
    tokens = sum(len(sample.tokens) for group in groups for sample in group)

    def learn(group: list[Sample]) -> None:
        longest = max(len(sample.tokens) for sample in group)
        ids = torch.zeros(len(group), load.prompt + longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, sample in enumerate(group):
            end = load.prompt + len(sample.tokens)
            ids[row, :end], mask[row, :end] = torch.tensor([*sample.prompt, *sample.tokens]), 1
        logits = model(ids, attention_mask=mask, logits_to_keep=longest + 1).logits[:, :-1]
        targets = ids[:, load.prompt :]
        picked = logits.gather(-1, targets[..., None])[..., 0]
        logprobs = picked - torch.stack([row.logsumexp(-1) for row in logits])
        advantages = torch.tensor([[sample.advantage] for sample in group])
        ratio = (logprobs.detach().float() + 10).exp().clamp(0, 5)
        loss = -(ratio * advantages * logprobs.float() * mask[:, load.prompt :]).sum() / tokens
        loss.backward()

    def step() -> None:
        for group in groups:
            learn(group)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


@dataclass(frozen=True, slots=True)
class Mixed:
    """CPU seconds for one micro-batch of each of some jobs."""

    jobs: int
    tokens: int
    apart: float
    together: float


def mixed(folder: Path, *, short: bool) -> Iterator[Mixed]:
    base = BaseModel.load(MODEL, folder, device="cpu", dtype="bfloat16", threads=1)
    loads = [Load(1, 2, 10, 12), Load(1, 4, 30, 24), Load(1, 8, 50, 40)]
    for load in loads[:1] if short else loads:
        policies = [Policy(base, rank=RANK, alpha=ALPHA, seed=seed) for seed in range(4)]
        work = [
            (policy, pack(load.samples(seed)[0], 512)[0], OBJECTIVE)
            for seed, policy in enumerate(policies)
        ]
        apart, together = [], []
        for _ in range(2 if short else 4):  # alternating: both see the same machine
            start = time.process_time()
            for part in work:
                accumulate_many([part])
            middle = time.process_time()
            accumulate_many(work)
            apart.append(middle - start)
            together.append(time.process_time() - middle)
        tokens = len(work[0][1].tokens)
        yield Mixed(len(work), tokens, min(apart), min(together))


def table(costs: list[Cost], pairs: list[Mixed], load: Load) -> str:
    lines = [
        f"{load.groups} groups of {load.size} x ({load.prompt} + up to {load.completion}) tokens",
        f"LoRA r{RANK}, one thread, load average {os.getloadavg()[0]:.1f}",
        "",
        "| side | dtype | wall s | CPU s | peak MiB | against PEFT (CPU) |",
        "|---|---|---|---|---|---|",
    ]
    slow = {cost.dtype: cost.cpu_seconds for cost in costs if cost.side == "peft"}
    lines += [
        f"| {c.side} | {c.dtype} | {c.wall_seconds:.2f} | {c.cpu_seconds:.2f} | {c.peak_mib:.0f} | "
        f"{slow[c.dtype] / c.cpu_seconds:.1f}x |"
        for c in costs
    ]
    lines += ["", "| jobs | tokens of each | apart, CPU s | in one pass | ratio |"]
    lines += ["|---|---|---|---|---|"]
    lines += [
        f"| {p.jobs} | {p.tokens} | {p.apart:.2f} | {p.together:.2f} | {p.apart / p.together:.2f} |"
        for p in pairs
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models-dir", type=Path, default="~/.cache/burnish/models")
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--size", type=int, default=8)
    parser.add_argument("--prompt", type=int, default=50)
    parser.add_argument("--completion", type=int, default=40)
    parser.add_argument("--short", action="store_true", help="a small step, once")
    parser.add_argument("--json", action="store_true", help="the last line is a JSON object")
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = models.ensure(MODEL, Path(options.models_dir).expanduser())
    groups, steps = (1, 1) if options.short else (options.groups, 2)
    load = Load(groups, options.size, options.prompt, options.completion)
    if options.only:
        side, dtype = options.only
        step = (burnish if side == "burnish" else peft)(folder, dtype, load)
        print(json.dumps(asdict(measure(side, dtype, step, steps))))
        return
    costs = [_alone(side, dtype) for dtype in DTYPES for side in SIDES]
    pairs = list(mixed(folder, short=options.short))
    print(table(costs, pairs, load))
    if options.json:
        cpu = {(cost.side, cost.dtype): cost.cpu_seconds for cost in costs}
        best = min(cpu["peft", dtype] for dtype in DTYPES)
        print(
            json.dumps(
                {
                    "ratio": best / min(cpu["burnish", dtype] for dtype in DTYPES),
                    "costs": [asdict(cost) for cost in costs],
                    "mixed": [asdict(pair) for pair in pairs],
                }
            )
        )


def _alone(side: str, dtype: str) -> Cost:
    """Measured in a process of its own."""
    command = [sys.executable, __file__, *sys.argv[1:], "--only", side, dtype]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    cost = Cost(**json.loads(done.stdout.splitlines()[-1]))
    print(f"  {side} {dtype}: {cost.cpu_seconds:.2f} CPU s", file=sys.stderr)
    return cost


def _status(field: str) -> float:
    """A memory figure of this process in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


if __name__ == "__main__":
    main()
