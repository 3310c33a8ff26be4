"""The engine against Hugging Face: the same tokens, the same log probabilities."""

from collections import defaultdict
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from tiny_models import MakeAdapter, MakeCore
from transformers import PreTrainedModel

from burnish.errors import NotFoundError, UserError
from svc_serve.cpu.attention import Prefill
from svc_serve.cpu.core import EngineCore
from svc_serve.cpu.model import Batch, Model
from svc_serve.cpu.scheduler import Limits
from svc_serve.engine import FinishReason, GenerateJob, Priority, Sampling

PROMPTS = [(5, 9, 23), (7,), tuple(range(3, 40)), (100, 4, 4, 101, 77)]
GREEDY = Sampling(temperature=0, max_tokens=24)

Completions = dict[tuple[str, int], tuple[list[int], list[float], FinishReason | None]]


def run(core: EngineCore) -> Completions:
    tokens: dict[tuple[str, int], list[int]] = defaultdict(list)
    logprobs: dict[tuple[str, int], list[float]] = defaultdict(list)
    finish: dict[tuple[str, int], FinishReason | None] = {}
    while core.busy:
        for request_id, delta in core.step():
            key = (request_id, delta.index)
            assert finish.get(key) is None
            tokens[key] += delta.token_ids
            logprobs[key] += delta.logprobs
            finish[key] = delta.finish_reason
    return {key: (tokens[key], logprobs[key], finish[key]) for key in tokens}


def greedy(model: PreTrainedModel | PeftModel, prompt: tuple[int, ...], tokens: int) -> list[int]:
    ids = torch.tensor([prompt])
    with torch.no_grad():
        out = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=tokens,
        )
    return out[0, len(prompt) :].tolist()


def log_probabilities(
    model: PreTrainedModel | PeftModel,
    prompt: tuple[int, ...],
    completion: list[int],
    temperature: float = 1.0,
) -> torch.Tensor:
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*prompt, *completion]]), use_cache=False).logits[0]
    logits = logits[len(prompt) - 1 : -1] / temperature
    return logits.log_softmax(-1).gather(-1, torch.tensor(completion)[:, None]).squeeze(-1)


def tuned(reference: PreTrainedModel, folder: Path, adapter: Path) -> PeftModel:
    return PeftModel.from_pretrained(type(reference).from_pretrained(folder), adapter).eval()


def test_greedy_equals_generate_for_every_prompt_of_a_batch(
    make_core: MakeCore, reference: PreTrainedModel
) -> None:
    core = make_core()
    for number, prompt in enumerate(PROMPTS):
        core.submit(GenerateJob(f"r{number}", prompt, 1 + number, GREEDY))
    done = run(core)
    assert len(done) == 1 + 2 + 3 + 4
    for (request_id, _), (tokens, logprobs, finish) in done.items():
        prompt = PROMPTS[int(request_id[1:])]
        assert tokens == greedy(reference, prompt, 24)
        expected = log_probabilities(reference, prompt, tokens)
        assert torch.allclose(torch.tensor(logprobs), expected, atol=1e-4)
        stopped = tokens[-1] == 2
        assert finish is (FinishReason.STOP if stopped else FinishReason.LENGTH)


def test_one_batch_mixes_adapters_and_the_base_model(
    make_core: MakeCore, make_adapter: MakeAdapter, reference: PreTrainedModel, folder: Path
) -> None:
    core = make_core()
    paths = {
        "all": make_adapter(1),
        "attention": make_adapter(2, rank=8, targets=["q_proj", "v_proj"]),
        "rs": make_adapter(3, rank=3, use_rslora=True),
    }
    models: dict[str | None, PreTrainedModel | PeftModel] = {None: reference}
    for name, path in paths.items():
        core.add_adapter(name, core.read_adapter(path))
        models[name] = tuned(reference, folder, path)
    for name in models:
        for number, prompt in enumerate(PROMPTS):
            core.submit(GenerateJob(f"{name}/{number}", prompt, 2, GREEDY, adapter=name))
    outputs = set()
    for (request_id, _), (tokens, logprobs, _) in run(core).items():
        name, number = request_id.split("/")
        model = models[None if name == "None" else name]
        prompt = PROMPTS[int(number)]
        assert tokens == greedy(model, prompt, 24), request_id
        expected = log_probabilities(model, prompt, tokens)
        assert torch.allclose(torch.tensor(logprobs), expected, atol=1e-4)
        outputs.add((number, tuple(tokens)))
    assert len(outputs) > len(PROMPTS)


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.6])
def test_log_probabilities_are_those_of_the_sampled_distribution(
    make_core: MakeCore, reference: PreTrainedModel, temperature: float
) -> None:
    core = make_core()
    sampling = Sampling(temperature=temperature, max_tokens=16, seed=3)
    core.submit(GenerateJob("a", PROMPTS[0], 6, sampling))
    done = run(core)
    assert len({tuple(tokens) for tokens, _, _ in done.values()}) > 1
    for tokens, logprobs, _ in done.values():
        expected = log_probabilities(reference, PROMPTS[0], tokens, temperature)
        assert torch.allclose(torch.tensor(logprobs), expected, atol=1e-4)


def test_a_seed_fixes_each_completion_whatever_else_runs(make_core: MakeCore) -> None:
    job = GenerateJob("a", PROMPTS[2], 5, Sampling(max_tokens=12, seed=11))
    alone = make_core()
    alone.submit(job)
    crowded = make_core(Limits(rows=4))
    for number in range(3):
        crowded.submit(GenerateJob(f"b{number}", PROMPTS[3], 3, Sampling(max_tokens=9)))
    crowded.submit(job)
    expected, got = run(alone), run(crowded)
    for index in range(5):
        assert got["a", index][0] == expected["a", index][0]
        assert got["a", index][1] == pytest.approx(expected["a", index][1], abs=1e-4)


def test_a_long_prompt_is_read_in_pieces(make_core: MakeCore, reference: PreTrainedModel) -> None:
    prompt = tuple(3 + number % 90 for number in range(150))
    core = make_core(Limits(prefill_tokens=32))
    core.submit(GenerateJob("long", prompt, 2, Sampling(temperature=0, max_tokens=80)))
    core.submit(GenerateJob("short", PROMPTS[0], 1, GREEDY))
    done = run(core)
    assert done["long", 1][0] == greedy(reference, prompt, 80)
    assert done["short", 0][0] == greedy(reference, PROMPTS[0], 24)


def test_more_completions_than_rows_take_turns(make_core: MakeCore) -> None:
    core = make_core(Limits(rows=3))
    core.submit(GenerateJob("a", PROMPTS[0], 8, GREEDY, priority=Priority.ROLLOUT))
    core.submit(GenerateJob("b", PROMPTS[1], 4, GREEDY, priority=Priority.ROLLOUT))
    most = 0
    steps = []
    while core.busy:
        steps += core.step()
        most = max(most, core.running_rows)
    assert most == 3
    assert sum(delta.finish_reason is not None for _, delta in steps) == 12


def test_completions_come_in_one_piece_when_nobody_streams(make_core: MakeCore) -> None:
    core = make_core()
    core.submit(GenerateJob("a", PROMPTS[0], 3, Sampling(max_tokens=5, seed=1), stream=False))
    events = []
    while core.busy:
        events += core.step()
    assert len(events) == 3
    assert all(
        delta.finish_reason and len(delta.token_ids) == len(delta.logprobs) for _, delta in events
    )


def test_a_stop_string_ends_a_completion(make_core: MakeCore) -> None:
    core = make_core()
    core.submit(GenerateJob("free", PROMPTS[0], 1, GREEDY))
    tokens = run(core)["free", 0][0]
    stop = f"{tokens[3]}><{tokens[4]}"
    core.submit(
        GenerateJob("a", PROMPTS[0], 1, Sampling(temperature=0, max_tokens=24, stop=("no", stop)))
    )
    stopped = run(core)["a", 0]
    assert stopped[0] == tokens[:5]
    assert stopped[2] is FinishReason.STOP


def test_cancelling_ends_every_completion(make_core: MakeCore) -> None:
    core = make_core(Limits(rows=2))
    core.submit(GenerateJob("a", PROMPTS[0], 5, Sampling(max_tokens=200, temperature=5.0)))
    core.submit(GenerateJob("b", PROMPTS[1], 1, GREEDY))
    events = [*core.step(), *core.cancel("a")]
    ended = [delta.index for name, delta in events if name == "a" and delta.finish_reason]
    assert sorted(ended) == [0, 1, 2, 3, 4]
    assert core.cancel("a") == []
    assert set(run(core)) == {("b", 0)}


def test_bad_jobs_are_refused_by_name(make_core: MakeCore) -> None:
    core = make_core()
    with pytest.raises(UserError, match="empty"):
        core.submit(GenerateJob("a", (), 1, GREEDY))
    with pytest.raises(UserError, match="context is 256"):
        core.submit(GenerateJob("a", (5,) * 256, 1, GREEDY))
    with pytest.raises(UserError, match="vocabulary"):
        core.submit(GenerateJob("a", (5, 128), 1, GREEDY))
    with pytest.raises(NotFoundError, match="x:v1"):
        core.submit(GenerateJob("a", (5,), 1, GREEDY, adapter="x:v1"))
    assert not core.busy


def test_max_tokens_ends_at_the_context(make_core: MakeCore) -> None:
    core = make_core(max_context=12)
    core.submit(GenerateJob("a", (5, 6, 7), 2, Sampling(temperature=9.0, max_tokens=999, seed=5)))
    for tokens, _, finish in run(core).values():
        assert len(tokens) == 9 or finish is FinishReason.STOP


def test_what_prompts_have_in_common_is_read_once_for_each_adapter(
    make_core: MakeCore,
    make_adapter: MakeAdapter,
    reference: PreTrainedModel,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = make_adapter(21)
    core = make_core()
    core.add_adapter("a:v1", core.read_adapter(path))
    models = {None: reference, "a:v1": tuned(reference, folder, path)}
    read: list[int] = []
    forward = Model.forward

    def spy(model: Model, batch: Batch) -> torch.Tensor:
        read.extend(s.end - s.start for s in batch.segments if isinstance(s, Prefill))
        return forward(model, batch)

    monkeypatch.setattr(Model, "forward", spy)
    shared = tuple(range(10, 50))
    prompts = [(*shared, 60 + number) for number in range(3)] + [shared, (*shared, 60)]
    for adapter in models:
        for number, prompt in enumerate(prompts):
            core.submit(
                GenerateJob(
                    f"{adapter}/{number}", prompt, 1 + number, GREEDY, adapter, Priority.ROLLOUT
                )
            )
    done = run(core)
    assert sorted(read) == sorted([41, 1, 1, 1, 1] * 2)
    for (request_id, _), (tokens, _, _) in done.items():
        name, number = request_id.split("/")
        model = models[None if name == "None" else name]
        assert tokens == greedy(model, prompts[int(number)], 24), request_id
    core.remove_adapter("a:v1")
    core.submit(GenerateJob("chat", (*shared, 99), 1, GREEDY))
    assert run(core)["chat", 0][0] == greedy(reference, (*shared, 99), 24)


def test_nobody_waits_for_a_prompt_whose_request_is_gone(
    make_core: MakeCore, reference: PreTrainedModel
) -> None:
    core = make_core(Limits(prefill_tokens=16))
    prompt = tuple(range(3, 60))
    core.submit(GenerateJob("gone", prompt, 2, GREEDY, priority=Priority.ROLLOUT))
    core.submit(GenerateJob("waits", (*prompt, 7), 2, GREEDY, priority=Priority.ROLLOUT))
    core.step()
    core.cancel("gone")
    assert run(core)["waits", 1][0] == greedy(reference, (*prompt, 7), 24)


def shared(number: int, priority: Priority = Priority.ROLLOUT) -> GenerateJob:
    return GenerateJob(
        f"s{number}",
        PROMPTS[number % len(PROMPTS)],
        3,
        Sampling(max_tokens=12, seed=number),
        priority=priority,
    )


@pytest.mark.parametrize("priority", [Priority.ROLLOUT, Priority.INTERACTIVE])
def test_a_solo_job_gives_the_same_bits_whatever_else_runs(
    make_core: MakeCore, monkeypatch: pytest.MonkeyPatch, priority: Priority
) -> None:
    solo = [
        GenerateJob(f"d{n}", PROMPTS[2], 4, Sampling(max_tokens=16, seed=n), solo=True)
        for n in range(2)
    ]
    alone: Completions = {}
    for job in solo:
        core = make_core()
        core.submit(job)
        alone |= run(core)
    core = make_core()
    forward = core._forward

    def watched(decodes: list, prefills: list) -> list:
        jobs = {request.job for request, _ in [*decodes, *prefills]}
        assert len(jobs) == 1 or not any(job.solo for job in jobs)
        return forward(decodes, prefills)

    monkeypatch.setattr(core, "_forward", watched)
    core.submit(shared(2))
    core.step()  # its prompt, which is also the solo jobs', is known
    for number, job in enumerate(solo):
        core.submit(shared(3 + number, priority))
        core.submit(job)
    together = run(core)
    assert {key: together[key] for key in alone} == alone
    assert len(together) == 3 * 3 + 2 * 4, "nobody waits for ever"


def test_a_solo_job_can_be_cancelled(make_core: MakeCore) -> None:
    core = make_core()
    core.submit(shared(0))
    core.submit(GenerateJob("d", PROMPTS[2], 4, Sampling(max_tokens=16, seed=1), solo=True))
    core.step()
    core.step()
    assert {delta.finish_reason for _, delta in core.cancel("d")} == {FinishReason.CANCELLED}
    assert {request_id for request_id, _ in run(core)} == {"s0"}
    assert core.waiting_rows == core.running_rows == 0
