"""Several jobs on one base model: whose turn it is, and whose failure a failure is."""

import asyncio
import threading
from collections.abc import Callable

import pytest
import torch
from learner_kit import tiny_base
from torch import Tensor

from burnish.errors import UserError
from svc_learner.algorithms.metrics import Tally
from svc_learner.engine import lesson, memory
from svc_learner.engine.base import BaseModel
from svc_learner.engine.batching import MicroBatch
from svc_learner.engine.lesson import Lesson
from svc_learner.engine.objective import Objective
from svc_learner.engine.policy import Policy
from svc_learner.sharing.shared_base import SharedBase
from svc_learner.types import Sample

SFT = Objective("sft")
Parts = list[tuple[Policy, MicroBatch, Objective]]


@pytest.fixture
def base() -> BaseModel:
    return tiny_base()


def policy(base: BaseModel, seed: int = 0) -> Policy:
    made = Policy(base, rank=4, alpha=8.0, seed=seed)
    made.start_stage(0.01)
    return made


def samples(count: int, length: int = 6, first: int = 40) -> list[Sample]:
    """Each with a prompt of its own, so that they can be packed in any way."""
    return [
        Sample((1, first + number, 2), tuple(range(50, 50 + length))) for number in range(count)
    ]


def tensors(made: Policy) -> Tensor:
    return made.adapter.flat.detach().clone()


async def alone(rows: list[Sample], seed: int = 0, budget: int = 512) -> Tensor:
    """The adapter of a job after one step, with nobody else on the base model."""
    shared = SharedBase(tiny_base(), budget=budget)
    with shared.seat("alone", solo=True) as seat:
        made = policy(shared.base, seed)
        await seat.learn(made, rows, SFT)
        await seat.run(made.step, {"sft": 0.1})
        return tensors(made)


async def occupied(shared: SharedBase, release: threading.Event) -> asyncio.Task[None]:
    """Keep the thread busy, so that what comes meanwhile waits."""
    with shared.seat("first") as seat:
        task = asyncio.create_task(_hold(shared, release))
        await seat.run(lambda: None)
    while shared.waiting:  # noqa: ASYNC110  it has no event
        await asyncio.sleep(0)
    return task


async def _hold(shared: SharedBase, release: threading.Event) -> None:
    with shared.seat("holder") as seat:
        await seat.run(release.wait, 10)


async def test_work_of_a_small_job_overtakes_that_of_a_large_one(base: BaseModel) -> None:
    shared, release = SharedBase(base, budget=64), threading.Event()
    done: list[str] = []

    async def learn(job: str, rows: list[Sample]) -> None:
        with shared.seat(job, solo=True) as seat:
            await seat.learn(policy(base), rows, SFT)
            done.append(job)

    holder = await occupied(shared, release)
    large = asyncio.create_task(learn("large", samples(40)))
    await asyncio.sleep(0)
    small = asyncio.create_task(learn("small", samples(2)))
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(holder, large, small)
    assert done == ["small", "large"]


async def test_small_micro_batches_of_different_jobs_share_a_pass(
    base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    gradients = lesson.gradients

    def counted(parts: Parts) -> list[tuple[Tally, Tensor]]:
        passes.append(len(parts))
        return gradients(parts)

    monkeypatch.setattr(lesson, "gradients", counted)
    shared, release = SharedBase(base, budget=512), threading.Event()
    made = {f"job-{seed}": policy(base, seed) for seed in range(3)}

    async def step(job: str) -> None:
        with shared.seat(job, solo=job == "job-2") as seat:
            await seat.learn(made[job], samples(3), SFT)
            await seat.run(made[job].step, {"sft": 0.1})

    holder = await occupied(shared, release)
    steps = [asyncio.create_task(step(job)) for job in made]
    await asyncio.sleep(0.01)
    release.set()
    await asyncio.gather(holder, *steps)
    assert passes == [2], "two in one pass, and the one that wants to be alone"
    for seed, each in enumerate(made.values()):
        torch.testing.assert_close(
            tensors(each), await alone(samples(3), seed), rtol=1e-4, atol=1e-6
        )
    assert torch.equal(tensors(made["job-2"]), await alone(samples(3), 2)), "alone, to the bit"


async def test_a_poisoned_job_fails_and_the_one_beside_it_does_not_notice(base: BaseModel) -> None:
    shared, release = SharedBase(base, budget=512), threading.Event()
    sick, well = policy(base, 0), policy(base, 1)
    with torch.no_grad():
        sick.adapter.flat.fill_(torch.nan)

    async def step(job: str, made: Policy) -> None:
        with shared.seat(job) as seat:
            await seat.learn(made, samples(3), SFT)
            await seat.run(made.step, {"sft": 0.1})

    holder = await occupied(shared, release)
    steps = [asyncio.create_task(step("sick", sick)), asyncio.create_task(step("well", well))]
    await asyncio.sleep(0.01)
    release.set()
    found = await asyncio.gather(holder, *steps, return_exceptions=True)
    assert isinstance(found[1], UserError)
    assert "not finite" in str(found[1])
    assert found[2] is None
    assert torch.equal(tensors(well), await alone(samples(3), 1)), (
        "repeated by itself, so to the bit"
    )


def test_failed_allocations_are_recognised() -> None:
    with pytest.raises(RuntimeError) as failed:
        torch.empty(2**46)
    assert memory.is_out_of_memory(failed.value)
    assert memory.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert memory.is_out_of_memory(MemoryError())
    assert not memory.is_out_of_memory(RuntimeError("shapes differ"))


class Cramped(Policy):
    """Has memory for few tokens: how much there is cannot be arranged in a test."""

    limit = 0

    def accumulate(self, batch: MicroBatch, objective: Objective) -> Tally:
        if len(batch.tokens) > self.limit:
            torch.empty(2**46)
        return super().accumulate(batch, objective)


def cramped(base: BaseModel, limit: int) -> Cramped:
    made = Cramped(base, rank=4, alpha=8.0, seed=0)
    made.start_stage(0.01)
    made.limit = limit
    return made


async def test_too_little_memory_is_met_with_half_the_tokens(base: BaseModel) -> None:
    shared, made = SharedBase(base, budget=128), cramped(base, 64)
    with shared.seat("job") as seat:
        tally = await seat.learn(made, samples(10), SFT)
        await seat.run(made.step, {"sft": 0.1})
    assert tally.tokens == 60
    torch.testing.assert_close(
        tensors(made), await alone(samples(10), budget=128), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(("limit", "solo"), [(10, False), (64, True)])
async def test_still_too_little_memory_names_the_setting(
    base: BaseModel, limit: int, *, solo: bool
) -> None:
    shared = SharedBase(base, budget=128)
    with shared.seat("cramped", solo=solo) as seat, shared.seat("other") as other:
        with pytest.raises(UserError, match=r"BURNISH_LEARNER_BATCH_TOKENS.*now 128"):
            await seat.learn(cramped(base, limit), samples(10), SFT)
        assert (await other.learn(policy(base), samples(10), SFT)).tokens == 60


async def test_a_bug_in_one_jobs_work_is_that_jobs(base: BaseModel) -> None:
    shared = SharedBase(base, budget=128)
    with shared.seat("broken") as seat, shared.seat("other") as other:
        broken = seat.run({}.__getitem__, "missing")
        fine = other.learn(policy(base), samples(4), SFT)
        found = await asyncio.gather(broken, fine, return_exceptions=True)
    assert isinstance(found[0], KeyError)
    assert isinstance(found[1], Tally)


async def test_work_that_nobody_waits_for_is_not_done(base: BaseModel) -> None:
    shared, release = SharedBase(base, budget=32), threading.Event()
    holder = await occupied(shared, release)
    with shared.seat("cancelled") as seat:
        work = asyncio.create_task(seat.learn(policy(base), samples(8), SFT))
        await asyncio.sleep(0)
        assert shared.waiting > 1
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert shared.waiting == 0
    release.set()
    await holder


async def test_shares_say_who_was_served(base: BaseModel) -> None:
    shared = SharedBase(base, budget=128)
    with shared.seat("large") as large, shared.seat("small") as small:
        await large.learn(policy(base), samples(9), SFT)
        await small.learn(policy(base), samples(3), SFT)
        assert shared.shares.totals == {"large": 9 * 8, "small": 3 * 8}
        assert shared.shares.shares["large"] == pytest.approx(0.75, abs=0.01)
        assert shared.busy_seconds > 0
    assert not shared.shares.totals


def fail(_: Parts) -> list[tuple[Tally, Tensor]]:
    raise RuntimeError("whose fault it is cannot be seen here")


def spill(parts: Parts) -> list[tuple[Tally, Tensor]]:
    """One part's NaN is in everybody's gradient."""
    return [(Tally(), torch.full_like(made.adapter.flat, torch.nan)) for made, _, _ in parts]


@pytest.mark.parametrize("together", [fail, spill])
async def test_a_failure_together_changes_nobodys_sums(
    base: BaseModel,
    monkeypatch: pytest.MonkeyPatch,
    together: Callable[[Parts], list[tuple[Tally, Tensor]]],
) -> None:
    """Each is repeated alone, and counted once."""
    monkeypatch.setattr(lesson, "gradients", together)
    made = [policy(base, seed) for seed in range(2)]
    batch = lesson.pack(samples(3), 512)[0]
    found = lesson.outcomes([Lesson(each, batch, SFT) for each in made], 512)
    assert all(isinstance(each, Tally) for each in found)
    for seed, each in enumerate(made):
        each.step({"sft": 0.1})
        assert torch.equal(tensors(each), await alone(samples(3), seed))
