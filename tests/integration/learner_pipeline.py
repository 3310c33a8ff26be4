"""A pipeline around the learner in which sampling and scoring can be made to misbehave.

`Pipeline` takes the place of rollout, serve and reward: it answers each dispatched group with
deterministic completions and scores, and hands over to `deliver`, which a test may replace to
repeat, reorder, lose or withhold messages.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf.message import Message
from learner_kit import tiny_base

from burnish.bus import Bus, topology
from burnish.config import ServiceSettings
from burnish.spec import JobSpec
from burnish.v1 import common_pb2, events_pb2, files_service_pb2, job_pb2
from svc_learner.config import LearnerSettings
from svc_learner.job import JobRunner
from svc_learner.sharing.models import BaseModels, read

Deliver = Callable[[Bus, events_pb2.RolloutRequested, list[Message]], Awaitable[None]]
ROWS = [
    {"prompt": "a", "completion": "x"},
    {"prompt": "b", "completion": "yz"},
    {"prompt": "c"},
    {"prompt": "d"},
    {"prompt": "e"},
]
SFT = {"sft": {"epochs": 2, "batch_size": 1, "learning_rate": 0.01}}
RL = {
    "rl": {
        "steps": 3,
        "prompts_per_step": 2,
        "group_size": 3,
        "learning_rate": 0.01,
        "max_staleness": 1,
        "sampling": {"max_tokens": 4},
        "sft_replay": 0.3,
    }
}


def scored(
    request: events_pb2.RolloutRequested, index: int, reward: float | None
) -> events_pb2.RewardScored:
    prompt = "".join(m.content for m in request.row.messages)
    tokens = [40 + index, 50 + len(request.group_id), 0]
    message = events_pb2.RewardScored(
        completion=events_pb2.RolloutCompleted(
            project=request.project,
            job_id=request.job_id,
            group_id=request.group_id,
            completion_id=f"{request.group_id}.{index}",
            index=index,
            group_size=request.group_size,
            purpose=request.purpose,
            row=request.row,
            completion=f"answer {index}",
            prompt_token_ids=[1, *prompt.encode(), 2],
            completion_token_ids=tokens,
            logprobs=[-4.5] * len(tokens),
            finish_reason=common_pb2.FINISH_REASON_STOP,
            policy_version=request.adapter.policy_version,
            adapter=request.adapter.name,
            attempt=request.attempt,
        ),
        reward=reward,
        message="" if reward is not None else "the sandbox is away",
    )
    if reward is not None:
        status = events_pb2.SCORE_STATUS_OK
        message.scores.add(name="good", revision="0" * 64, status=status, value=reward, weight=1)
    return message


def alternating(request: events_pb2.RolloutRequested) -> list[Message]:
    return [scored(request, index, float(index % 2)) for index in range(request.group_size)]


async def in_order(bus: Bus, _: events_pb2.RolloutRequested, messages: list[Message]) -> None:
    for message in messages:
        await publish(bus, message)


async def nothing(*_: object) -> None:
    """Nobody answers."""


def careless(seed: int) -> Deliver:
    """Repeats, reorders and delays; now and then sampling fails for good."""
    rng = random.Random(seed)

    async def deliver(
        bus: Bus, request: events_pb2.RolloutRequested, messages: list[Message]
    ) -> None:
        if rng.random() < 0.2 and request.purpose == common_pb2.PURPOSE_TRAIN:
            messages = [*messages[:1], cancelled(request)]
        for message in rng.sample([*messages, *messages], k=2 * len(messages)):
            await asyncio.sleep(rng.random() * 0.01)
            await publish(bus, message, fresh_id=True)

    return deliver


def cancelled(request: events_pb2.RolloutRequested) -> events_pb2.GroupCancelled:
    return events_pb2.GroupCancelled(
        project=request.project,
        job_id=request.job_id,
        group_id=request.group_id,
        reason=events_pb2.CANCEL_REASON_SAMPLING_FAILED,
        message="the engine is gone",
        attempt=request.attempt,
    )


async def publish(bus: Bus, message: Message, *, fresh_id: bool = False) -> None:
    name = str(
        message.completion.completion_id
        if isinstance(message, events_pb2.RewardScored)
        else f"{message.group_id}.cancelled"  # type: ignore[attr-defined]
    )
    await bus.publish(message, id=f"{name}.{random.random()}" if fresh_id else name)


def base_models(settings: LearnerSettings) -> BaseModels:
    """A tiny one, and those that can be read."""
    return BaseModels(settings, lambda n: tiny_base() if n == "tiny" else read(settings, n))


class Pipeline:
    """A job's surroundings on a real nats-server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bus = Bus(ServiceSettings(nats_url=url, drain_seconds=0.1), "test")
        self.answer: Callable[[events_pb2.RolloutRequested], list[Message]] = alternating
        self.deliver: Deliver = in_order
        self.requests: list[events_pb2.RolloutRequested] = []
        self.asked = asyncio.Event()
        self.job_id = "job-1"

    async def start(self) -> None:
        self.bus.consume(topology.ROLLOUT_REQUESTED, self._sample, concurrency=4)
        await self.bus.start()

    async def _sample(self, request: events_pb2.RolloutRequested) -> None:
        self.requests.append(request)
        self.asked.set()
        await self.deliver(self.bus, request, self.answer(request))

    async def submit(self, *stages: object, rows: Iterable[object] = ROWS, **spec: object) -> None:
        """Write the job as the gateway does, and ask for it."""
        import json

        content = "\n".join(json.dumps(row) for row in rows).encode()
        file_id = str(spec.get("training_file", "file-1"))
        ref = await self.bus.blobs.put(topology.OBJECTS_FILES, file_id, content)
        files = await self.bus.kv(topology.FILES, files_service_pb2.File)
        await files.put(file_id, files_service_pb2.File(id=file_id, filename="f.jsonl", blob=ref))
        data = {
            "training_file": file_id,
            "base_model": "tiny",
            "rewards": [{"name": "good", "revision": "0" * 64}],
            "stages": list(stages),
            "lora": {"rank": 4},
        }
        job = job_pb2.DesiredJob(id=self.job_id, project="default")
        job.spec.CopyFrom(JobSpec.parse(data | spec).to_proto())
        await (await self.bus.kv(topology.JOBS, job_pb2.DesiredJob)).put(self.job_id, job)

    async def update_rewards(self, *names: str, from_step: int = 0) -> None:
        """Add a set of rewards as the gateway does."""
        jobs = await self.bus.kv(topology.JOBS, job_pb2.DesiredJob)
        found = await jobs.get(self.job_id)
        assert found is not None
        job, revision = found
        if not job.reward_sets:
            job.reward_sets.add(number=1, rewards=job.spec.rewards, from_step=1)
        added = job.reward_sets.add(number=len(job.reward_sets) + 1, from_step=from_step)
        for name in names:
            added.rewards.add(name=name, revision="1" * 64, weight=1)
        await jobs.update(self.job_id, job, revision)

    async def cancel(self) -> None:
        await self.wish(cancelled=True)

    async def pause(self) -> None:
        await self.wish(paused=True)

    async def resume(self, **budget: float) -> None:
        """As the gateway does, but for the request: a test runs the job itself."""
        desired = await self.desired()
        changes: dict[str, Any] = {"budget": job_pb2.Budget(**budget)} if budget else {}  # type: ignore[arg-type]
        await self.wish(paused=False, resumes=desired.resumes + 1, **changes)

    async def desired(self) -> job_pb2.DesiredJob:
        found = await (await self.bus.kv(topology.JOBS, job_pb2.DesiredJob)).get(self.job_id)
        assert found is not None
        return found[0]

    async def wish(self, **changes: Any) -> None:  # noqa: ANN401
        """Change what the job's owner wants."""
        desired = await self.desired()
        desired.MergeFrom(job_pb2.DesiredJob(**changes))
        for name, value in changes.items():
            if value is False:
                desired.ClearField(name)
        await (await self.bus.kv(topology.JOBS, job_pb2.DesiredJob)).put(self.job_id, desired)

    async def runner(self, **settings: object) -> JobRunner:
        """A learner of its own: nothing in memory is shared with another."""
        config = LearnerSettings(nats_url=self.url, **settings)  # type: ignore[arg-type]
        models = base_models(config)
        return JobRunner(self.bus, config, models, await self.desired())

    async def record(self) -> job_pb2.JobRun:
        found = await (await self.bus.kv(topology.RUNS, job_pb2.JobRun)).get(self.job_id)
        assert found is not None
        return found[0]

    async def events(self) -> list[Message]:
        """Everything that the job has announced so far."""
        subject = f"burnish.v1.*.*.default.{self.job_id}"
        info = await self.bus.js.stream_info(topology.EVENTS_STREAM.name, subjects_filter=subject)
        left = sum((info.state.subjects or {}).values())
        found: list[Message] = []
        entries = self.bus.read(topology.EVENTS_STREAM, subjects=[subject])
        while len(found) < left:
            found.append((await anext(entries)).message)
        await entries.aclose()
        return found

    async def steps(self) -> list[events_pb2.StepCompleted]:
        return [e for e in await self.events() if isinstance(e, events_pb2.StepCompleted)]


@asynccontextmanager
async def pipeline_on(url: str) -> AsyncIterator[Pipeline]:
    pipeline = Pipeline(url)
    await pipeline.start()
    try:
        yield pipeline
    finally:
        await pipeline.bus.stop()
