"""Tokens per second of the built-in engine against `generate`, and against vLLM, in one run.

Every engine samples the same prompts (groups of one prompt, temperature 1, a fixed number of
tokens) on one thread, with and without a LoRA adapter of rank 16. Rates are per second of wall
clock and per second of CPU time: the second one still means something on a busy machine.

usage: python benchmarks/serve_engine.py [--groups 4] [--n 8] [--tokens 32] [--vllm PYTHON]
"""

# ruff: noqa: PLC0415  (each engine is imported only where it is installed)

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

PROMPTS = (
    "Write a haiku about the sea.",
    "What is the capital of France, and why is it famous?",
    "Explain to a child how rain is made.",
    "List three uses of a paper clip.",
)
RANK = 16


@dataclass(frozen=True, slots=True)
class Rate:
    """One measurement."""

    engine: str
    case: str
    tokens: int
    per_second: float
    per_cpu_second: float


@dataclass(frozen=True, slots=True)
class Load:
    """What is generated."""

    prompts: tuple[tuple[int, ...], ...]
    n: int
    tokens: int

    @property
    def total(self) -> int:
        return len(self.prompts) * self.n * self.tokens


def measure(
    engine: str, case: str, work: Callable[[], int], cpu: Callable[[], float] = time.process_time
) -> Rate:
    """Run `work`, which returns the number of tokens that it made."""
    began, began_cpu = time.perf_counter(), cpu()
    tokens = work()
    seconds, cpu_seconds = time.perf_counter() - began, cpu() - began_cpu
    rate = Rate(engine, case, tokens, tokens / seconds, tokens / cpu_seconds)
    print(
        f"  {engine:10} {case:24} {rate.per_second:7.1f} tok/s {rate.per_cpu_second:7.1f} tok/cpu-s",
        file=sys.stderr,
    )
    return rate


def built_in(folder: Path, adapter: Path, load: Load, adapters: int) -> Iterator[Rate]:
    import torch

    from svc_serve.cpu.core import EngineCore
    from svc_serve.cpu.device import choose_dtype
    from svc_serve.cpu.scheduler import Limits
    from svc_serve.engine import GenerateJob, Priority, Sampling

    torch.set_num_threads(1)
    device = torch.device("cpu")
    core = EngineCore(
        folder,
        lambda _: "",
        dtype=choose_dtype("auto", device),
        device=device,
        limits=Limits(rows=max(64, len(load.prompts) * load.n)),
    )
    # Every engine makes the same number of tokens.
    object.__setattr__(core.architecture, "eos_token_ids", frozenset())
    for number in range(adapters):
        core.add_adapter(f"a{number}", core.read_adapter(adapter))

    def run(load: Load, choose: Callable[[int], str | None]) -> int:
        sampling = Sampling(temperature=1.0, max_tokens=load.tokens, seed=1)
        for number, prompt in enumerate(load.prompts):
            core.submit(
                GenerateJob(
                    f"{number}",
                    prompt,
                    load.n,
                    sampling,
                    choose(number),
                    Priority.ROLLOUT,
                    stream=False,
                )
            )
        before = core.generated_tokens
        while core.busy:
            core.step()
        return core.generated_tokens - before

    warm = Load(load.prompts[:1], 2, 4)
    run(warm, lambda _: "a0")
    yield measure("burnish", "base", lambda: run(load, lambda _: None))
    yield measure("burnish", f"LoRA r{RANK}", lambda: run(load, lambda _: "a0"))
    singles = Load(
        tuple(load.prompts[i % len(load.prompts)] for i in range(adapters)), 1, load.tokens
    )
    yield measure("burnish", f"{adapters}x1, one adapter", lambda: run(singles, lambda _: "a0"))
    yield measure(
        "burnish", f"{adapters}x1, {adapters} adapters", lambda: run(singles, lambda i: f"a{i}")
    )


def hugging_face(folder: Path, adapter: Path, load: Load) -> Iterator[Rate]:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, PreTrainedModel

    from svc_serve.cpu.device import choose_dtype

    torch.set_num_threads(1)
    dtype = choose_dtype("auto", torch.device("cpu"))
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()  # type: ignore[no-untyped-call]
    width = max(map(len, load.prompts))
    rows = [prompt for prompt in load.prompts for _ in range(load.n)]
    ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])

    def run(model: PreTrainedModel | PeftModel) -> int:
        with torch.inference_mode():
            out = model.generate(  # type: ignore[operator]
                input_ids=ids,
                attention_mask=mask,
                do_sample=True,
                temperature=1.0,
                top_k=0,
                min_new_tokens=load.tokens,
                max_new_tokens=load.tokens,
                pad_token_id=0,
            )
        return int((out.shape[1] - width) * len(rows))

    yield measure("generate", "base", lambda: run(base))
    tuned = PeftModel.from_pretrained(base, adapter).eval()
    yield measure("generate", f"LoRA r{RANK}", lambda: run(tuned))


def vllm(folder: Path, adapter: Path, load: Load) -> Iterator[Rate]:
    """Runs in vLLM's own environment, in one process, so that its CPU time can be read."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    from svc_serve.config import ServeSettings
    from svc_serve.vllm_setup import prepare

    prepare(ServeSettings())
    import torch
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    from svc_serve.cpu.device import choose_dtype

    dtype = str(choose_dtype("auto", torch.device("cpu"))).split(".")[-1]
    llm = LLM(
        model=str(folder),
        dtype=dtype,
        max_model_len=1024,
        max_num_seqs=len(load.prompts) * load.n,
        enforce_eager=True,
        enable_lora=True,
        max_loras=1,
        max_lora_rank=RANK,
        logprobs_mode="processed_logprobs",
    )
    lora = LoRARequest("a0", 1, str(adapter))

    def run(load: Load, request: LoRARequest | None) -> int:
        params = SamplingParams(
            n=load.n, temperature=1.0, max_tokens=load.tokens, ignore_eos=True, logprobs=0
        )
        prompts = [{"prompt_token_ids": list(prompt)} for prompt in load.prompts]
        outputs = llm.generate(prompts, params, lora_request=request, use_tqdm=False)
        return sum(len(one.token_ids) for output in outputs for one in output.outputs)

    run(Load(load.prompts[:1], 2, 4), lora)
    yield measure("vllm", "base", lambda: run(load, None))
    yield measure("vllm", f"LoRA r{RANK}", lambda: run(load, lora))


def in_vllm_environment(python: str, arguments: list[str]) -> list[Rate]:
    with tempfile.NamedTemporaryFile("r", suffix=".json") as results:
        command = [python, __file__, *arguments, "--only-vllm", results.name]
        root = str(Path(__file__).parents[1])
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": root})
        return [Rate(**rate) for rate in json.load(results)]


@contextmanager
def saved_adapter(folder: Path) -> Iterator[Path]:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = LoraConfig(
        r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.01)
    with tempfile.TemporaryDirectory() as path:
        model.save_pretrained(path)
        yield Path(path)


def table(rates: list[Rate], load: Load) -> str:
    slow = {rate.case: rate for rate in rates if rate.engine == "generate"}
    lines = [
        f"{len(load.prompts)} groups of {load.n}, {load.tokens} tokens each, one thread",
        "",
        "| engine | case | tok/s | tok/cpu-s | against generate (cpu) |",
        "|---|---|---|---|---|",
    ]
    for rate in rates:
        base = slow.get(rate.case)
        ratio = f"{rate.per_cpu_second / base.per_cpu_second:.1f}x" if base else ""
        lines.append(
            f"| {rate.engine} | {rate.case} | {rate.per_second:.0f} | {rate.per_cpu_second:.0f} | {ratio} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--models-dir", type=Path, default="~/.cache/burnish/models")
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--n", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--adapters", type=int, default=32)
    parser.add_argument("--vllm", help="Python of an environment with vLLM")
    parser.add_argument("--adapter", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--only-vllm", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()

    from burnish import models
    from svc_serve.tokenizer import Tokenizer

    folder = models.ensure(options.model, Path(options.models_dir).expanduser())
    tokenizer = Tokenizer(folder)
    prompts = tuple(
        tuple(tokenizer.chat([{"role": "user", "content": PROMPTS[number % len(PROMPTS)]}]))
        for number in range(options.groups)
    )
    load = Load(prompts, options.n, options.tokens)
    if options.only_vllm:
        rates = list(vllm(folder, options.adapter, load))
        options.only_vllm.write_text(json.dumps([asdict(rate) for rate in rates]))
        return
    with saved_adapter(folder) as adapter:
        rates = [
            *built_in(folder, adapter, load, options.adapters),
            *hugging_face(folder, adapter, load),
        ]
        if options.vllm:
            rates += in_vllm_environment(options.vllm, [*sys.argv[1:], "--adapter", str(adapter)])
    print(table(rates, load))


if __name__ == "__main__":
    main()
