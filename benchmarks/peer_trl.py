"""TRL's side of `learner_vs_trl.py`; runs in TRL's own environment (scripts/trl_env.sh).

    python peer_trl.py train|evaluate PLAN.json RESULT.json

`train` is `GRPOTrainer` on the rows and reward files of a Burnish example. `evaluate` samples the
held-out rows with plain `generate`, for any PEFT folder: both sides are judged by the same code.
"""

import importlib.util
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback, set_seed
from trl import GRPOConfig, GRPOTrainer

Row = dict[str, str]
Score = Callable[[str, str, Row], float]


@dataclass(frozen=True, slots=True)
class Plan:
    """What both sides do, and the peer's own setting."""

    model: str
    example: str
    rewards: dict[str, float]
    """File of a reward function → its weight."""
    steps: int
    prompts: int
    group: int
    max_tokens: int
    learning_rate: float
    rank: int
    alpha: int
    seed: int
    dtype: str = "float32"
    threads: int = 1
    vllm: bool = False
    adapter: str = ""
    """Where `train` saves, or what `evaluate` loads; for `evaluate`, "" is the base model."""
    samples: int = 4

    @property
    def functions(self) -> list[tuple[Score, float]]:
        folder = Path(self.example)
        return [(_load(folder / name), weight) for name, weight in self.rewards.items()]

    def rows(self, name: str) -> list[Row]:
        lines = (Path(self.example) / name).read_text().splitlines()
        return [json.loads(line) for line in lines]


def _load(path: Path) -> Score:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("Score", module.reward)


@dataclass(slots=True)
class Record:
    """Clock time of the training loop, without what comes before and after it."""

    began: float = 0.0
    ended: list[float] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)


class Watch(TrainerCallback):  # type: ignore[misc, unused-ignore]
    def __init__(self, record: Record) -> None:
        self._record = record

    def on_train_begin(self, *_: object, **__: object) -> None:
        self._record.began = time.time()

    def on_step_end(self, *_: object, **__: object) -> None:
        self._record.ended.append(time.time())

    def on_log(self, *_: Any, **said: Any) -> None:  # noqa: ANN401  (as in the base class)
        logs = said["logs"]
        if "reward" in logs:
            self._record.rewards.append(logs["reward"])
            self._record.lengths.append(logs["completions/mean_length"])


def trl_reward(score: Score, name: str) -> Callable[..., list[float]]:
    """The same function, called as TRL calls rewards."""

    def rewards(
        prompts: list[Any], completions: list[Any], row: list[str], **_: object
    ) -> list[float]:
        return [
            score(prompt[-1]["content"], completion[-1]["content"], json.loads(one))
            for prompt, completion, one in zip(prompts, completions, row, strict=True)
        ]

    rewards.__name__ = name
    return rewards


def trainer(plan: Plan, folder: str, watch: Watch) -> GRPOTrainer:
    functions = plan.functions
    rows = [
        {"prompt": [{"role": "user", "content": row["prompt"]}], "row": json.dumps(row)}
        for row in plan.rows("train.jsonl")
    ]
    config = GRPOConfig(
        output_dir=folder,
        max_steps=plan.steps,
        # All are sampled at once. Trained at once, they take 8 GB and no less time.
        per_device_train_batch_size=plan.group,
        gradient_accumulation_steps=plan.prompts,
        num_generations=plan.group,
        max_completion_length=plan.max_tokens,
        temperature=1.0,
        loss_type="cispo",
        epsilon_high=5.0,
        scale_rewards="group",
        beta=0.0,
        reward_weights=[weight for _, weight in functions],
        learning_rate=plan.learning_rate,
        lr_scheduler_type="constant",
        adam_beta2=0.95,
        weight_decay=0.0,
        max_grad_norm=1.0,
        bf16=plan.dtype == "bfloat16",
        model_init_kwargs={"dtype": plan.dtype},
        # TRL's default trades a third of the speed for memory that is not short here.
        gradient_checkpointing=False,
        use_cpu=not torch.cuda.is_available(),
        use_vllm=plan.vllm,
        vllm_mode="colocate",
        vllm_gpu_memory_utilization=0.4,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=plan.seed,
    )
    return GRPOTrainer(
        model=plan.model,
        reward_funcs=[trl_reward(f, f"reward_{n}") for n, (f, _) in enumerate(functions)],
        args=config,
        train_dataset=Dataset.from_list(rows),
        peft_config=LoraConfig(
            r=plan.rank,
            lora_alpha=plan.alpha,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
        callbacks=[watch],
    )


def train(plan: Plan) -> dict[str, Any]:
    record = Record()
    one = trainer(plan, f"{plan.adapter}-trainer", Watch(record))
    one.train()
    one.save_model(plan.adapter)
    return {
        "began": record.began,
        "ended": record.ended,
        "rewards": record.rewards,
        "lengths": record.lengths,
    }


def evaluate(plan: Plan) -> dict[str, Any]:
    """Mean reward of the held-out rows, sampled at temperature 1."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = getattr(torch, plan.dtype)
    model: Any = AutoModelForCausalLM.from_pretrained(plan.model, dtype=dtype)
    model.to(device)
    if plan.adapter:
        model = PeftModel.from_pretrained(model, plan.adapter).merge_and_unload()
    tokenizer = AutoTokenizer.from_pretrained(plan.model, padding_side="left")
    rows = plan.rows("heldout.jsonl")
    turns = [[{"role": "user", "content": row["prompt"]}] for row in rows]
    inputs: Any = tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_tensors="pt", padding=True, return_dict=True
    )
    set_seed(plan.seed)
    with torch.inference_mode():
        out = model.eval().generate(
            **inputs.to(device),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=plan.max_tokens,
            num_return_sequences=plan.samples,
        )
    answers = tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], True)  # noqa: FBT003
    return {"reward": mean_reward(plan, rows, answers)}


def mean_reward(plan: Plan, rows: Sequence[Row], answers: Sequence[str]) -> float:
    total = sum(
        weight * score(row["prompt"], answer, row)
        for number, answer in enumerate(answers)
        for row in [rows[number // plan.samples]]
        for score, weight in plan.functions
    )
    return total / len(answers)


def main() -> None:
    verb, plan_file, result_file = sys.argv[1:]
    plan = Plan(**json.loads(Path(plan_file).read_text()))
    torch.set_num_threads(plan.threads)
    result = {"train": train, "evaluate": evaluate}[verb](plan)
    Path(result_file).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
