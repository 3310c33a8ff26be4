"""A gateway in this process, and stand-ins for whoever is not the point of a test."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from burnish.bus import Bus, topology
from burnish.stopping import stop
from burnish.v1 import common_pb2, events_pb2, infer_pb2, job_pb2
from svc_gateway.app import Gateway
from svc_gateway.config import GatewaySettings

BASE = "smollm2-135m-instruct"
ROWS = (
    b'{"prompt": "1+1", "completion": "2"}\n{"prompt": "2+2", "completion": "4"}\n{"prompt": "3"}\n'
)
SOURCE = "def reward(prompt, completion, example):\n    return float(completion == example['completion'])\n"


def settings(nats_url: str, folder: Path, **changes: object) -> GatewaySettings:
    values: dict[str, Any] = {
        "nats_url": nats_url,
        "data_dir": folder,
        "http_port": 0,
        "grpc_port": 0,
        "drain_seconds": 0.2,
        **changes,
    }
    return GatewaySettings(**values)


@dataclass(slots=True)
class World:
    """A running gateway and a bus of its own to play the others on."""

    gateway: Gateway
    bus: Bus
    channel: grpc.aio.Channel
    asked: list[infer_pb2.OpenAIRequest] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    beats: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.http_port}"

    async def serve(self, *words: str, pause: float = 0.0) -> None:
        """Play a serve instance that answers with `words`."""

        async def answer(request: infer_pb2.OpenAIRequest) -> AsyncIterator[infer_pb2.OpenAIChunk]:
            self.asked.append(request)
            model = request.adapter.name or request.base_model
            if not json.loads(request.body).get("stream"):
                yield infer_pb2.OpenAIChunk(
                    data=json.dumps(_whole(model, " ".join(words))).encode(),
                    status=200,
                    content_type="application/json",
                    done=True,
                )
                return
            for word in words:
                yield infer_pb2.OpenAIChunk(
                    data=f"data: {json.dumps(_piece(model, word))}\n\n".encode(),
                    status=200,
                    content_type="text/event-stream",
                )
                await asyncio.sleep(pause)
            yield infer_pb2.OpenAIChunk(data=b"data: [DONE]\n\n", done=True)

        async def cancel(message: infer_pb2.CancelGeneration) -> None:
            self.cancelled.append(message.request_id)

        self.bus.respond(
            topology.infer_openai(BASE), infer_pb2.OpenAIRequest, answer, queue="serve"
        )
        await self.bus.listen(topology.INFER_CANCEL, infer_pb2.CancelGeneration, cancel)
        await self.bus.start()
        await self.announce()
        self.beats = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        """Entries expire: a machine that stands still for a while must not end the engine."""
        while True:
            await asyncio.sleep(3)
            with contextlib.suppress(Exception):  # a test may have ended the server
                await self.announce()

    async def announce(self) -> None:
        services = await self.bus.kv(topology.SERVICES, events_pb2.ServiceStatus)
        status = events_pb2.ServiceStatus(service="serve", instance="one", base_models=[BASE])
        await services.put("serve.one", status)

    async def judge(
        self, *verdicts: infer_pb2.RewardVerdict, error: str = "", field: str = ""
    ) -> None:
        """Play the reward service: one of `verdicts` for each completion, in turn."""

        async def answer(
            request: infer_pb2.TryRewardRequest,
        ) -> AsyncIterator[infer_pb2.TryRewardResponse]:
            chosen = (
                [verdicts[n % len(verdicts)] for n in range(len(request.completions))]
                if verdicts
                else []
            )
            yield infer_pb2.TryRewardResponse(verdicts=chosen, error=error, field=field)

        self.bus.respond(topology.REWARD_TRY, infer_pb2.TryRewardRequest, answer, queue="reward")
        await self.bus.start()

    async def publish_adapter(self, job_id: str, version: int, content: bytes = b"") -> None:
        name = f"{job_id}:v{version}"
        adapter = common_pb2.AdapterRef(
            name=name, base_model=BASE, job_id=job_id, policy_version=version, rank=16
        )
        if content:
            blob = await self.bus.blobs.put(topology.OBJECTS_ADAPTERS, name, content)
            adapter.blob.CopyFrom(blob)
        bucket = await self.bus.kv(topology.ADAPTERS, common_pb2.AdapterRef)
        await bucket.put(topology.adapter_key(name), adapter)
        event = events_pb2.PolicyPublished(project="default", job_id=job_id, adapter=adapter)
        event.time.GetCurrentTime()
        await self.bus.publish(event, id=name)

    async def update(self, job_id: str, state: job_pb2.JobState, message: str = "") -> None:
        event = events_pb2.JobUpdated(
            project="default", job_id=job_id, state=state, message=message
        )
        event.time.GetCurrentTime()
        await self.bus.publish(event, id=f"{job_id}.{state}")

    async def step(self, job_id: str, number: int) -> None:
        event = events_pb2.StepCompleted(
            project="default",
            job_id=job_id,
            stage="rl",
            step=number,
            total_steps=9,
            metrics={"loss": 1 / number},
        )
        event.time.GetCurrentTime()
        await self.bus.publish(event, id=f"{job_id}.step.{number}")


@contextlib.asynccontextmanager
async def running(values: GatewaySettings) -> AsyncIterator[Gateway]:
    """A gateway as the service frame runs it."""
    bus = Bus(values, "gateway")
    gateway = Gateway(bus, values)
    await bus.connect()
    try:
        await gateway.start()
        await bus.start()
        yield gateway
    finally:
        await bus.drain()
        await gateway.stop()
        await bus.close()


@contextlib.asynccontextmanager
async def world(nats_url: str, folder: Path, **changes: object) -> AsyncIterator[World]:
    values = settings(nats_url, folder, **changes)
    others = Bus(values, "others")
    async with running(values) as gateway:
        await others.connect()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.grpc_port}") as channel:
                yield (there := World(gateway, others, channel))
                if there.beats:
                    await stop([there.beats])
        finally:
            await others.stop()


async def eventually(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait until an async condition holds."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.02)


def _whole(model: str, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }


def _piece(model: str, word: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}],
    }
