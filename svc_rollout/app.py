"""Wiring: rollout.requested in; rollout.completed, group.completed or group.cancelled out."""

import asyncio
import contextlib

import structlog

from burnish.bus import Bus, topology
from burnish.errors import RetryableError, UserError
from burnish.logs import get_logger
from burnish.service import Status
from burnish.stopwatch import Stopwatch
from burnish.v1 import events_pb2, infer_pb2
from svc_rollout import codec
from svc_rollout.config import RolloutSettings
from svc_rollout.endings import EndedJobs
from svc_rollout.group import GroupProgress
from svc_rollout.prompts import Tokenizers

log = get_logger(__name__)


class Rollout:
    """Samples groups: every one ends with all its completions out, or with one cancellation."""

    def __init__(self, bus: Bus, settings: RolloutSettings) -> None:
        self._bus = bus
        self._settings = settings
        self._tokenizers = Tokenizers(settings.models_dir)
        self._ended = EndedJobs(bus)
        self._warming: asyncio.Task[None] | None = None
        self._sampling = 0
        self._refused: set[str] = set()
        """Groups that no later delivery could mend, until they are given up."""
        self._completions = 0
        self._tokens = 0

    async def start(self) -> None:
        await self._ended.start()
        self._bus.consume(
            topology.ROLLOUT_REQUESTED,
            self.handle,
            concurrency=self._settings.rollout_groups,
            on_exhausted=self._give_up,
        )
        self._warming = asyncio.create_task(self._tokenizers.warm())

    async def stop(self) -> None:
        if self._warming is not None:
            self._warming.cancel()
        await self._ended.stop()

    def status(self) -> Status:
        return Status(
            activity=f"sampling {self._sampling} groups" if self._sampling else "idle",
            metrics={
                "groups": self._sampling,
                "completions_total": self._completions,
                "tokens_total": self._tokens,
            },
        )

    async def handle(self, request: events_pb2.RolloutRequested) -> None:
        with structlog.contextvars.bound_contextvars(job=request.job_id, group=request.group_id):
            if request.job_id not in self._ended and await self._sample_unless_ended(request):
                return
            await self._cancel(request, events_pb2.CANCEL_REASON_JOB_CANCELLED, "the job has ended")

    async def _sample_unless_ended(self, request: events_pb2.RolloutRequested) -> bool:
        self._sampling += 1
        self._refused.discard(request.group_id)
        work = asyncio.create_task(self._sample(request))
        try:
            return await self._ended.guard(request.job_id, work)
        except UserError:
            self._refused.add(request.group_id)
            raise
        finally:
            self._sampling -= 1

    async def _sample(self, request: events_pb2.RolloutRequested) -> None:
        watch = Stopwatch.since(request.time)
        prompt = await self._tokenizers.render(request.base_model, codec.messages(request.row))
        progress = GroupProgress(request.group_size)
        whole = any(reward.group for reward in request.rewards)
        finished: list[events_pb2.RolloutCompleted] = []
        subject = topology.infer_generate(request.base_model)
        ask = codec.generate_request(request, prompt)
        watch.begin()
        chunks = self._bus.request(subject, ask, infer_pb2.GenerateChunk)
        try:
            async with contextlib.aclosing(chunks):
                async for chunk in chunks:
                    codec.check(chunk)
                    if chunk.done:
                        break
                    completion = progress.add(chunk)
                    if completion is None:
                        continue
                    message = codec.completed(
                        request,
                        chunk.index,
                        completion,
                        text=await self._tokenizers.decode(
                            request.base_model, completion.token_ids
                        ),
                        prompt_token_ids=prompt,
                        adapter=progress.adapter,
                        watch=watch,
                    )
                    self._completions += 1
                    self._tokens += len(completion.token_ids)
                    if whole:
                        finished.append(message)
                    else:
                        await self._bus.publish(message, id=codec.message_id(message))
        except asyncio.CancelledError:
            await self._bus.broadcast(
                topology.INFER_CANCEL, infer_pb2.CancelGeneration(request_id=request.group_id)
            )
            raise
        if not progress.complete:
            raise RetryableError("the engine ended the group before all its completions")
        if whole:  # a reward compares them: one message, so that none is judged without the others
            await self._bus.publish(
                codec.group(request, finished, watch), id=codec.group_message_id(request)
            )
        log.info("group.sampled", seconds=round(watch.seconds - watch.waited, 2))

    async def _give_up(self, request: events_pb2.RolloutRequested, reason: str) -> None:
        refused = request.group_id in self._refused
        self._refused.discard(request.group_id)
        kind = (
            events_pb2.CANCEL_REASON_REFUSED
            if refused
            else events_pb2.CANCEL_REASON_SAMPLING_FAILED
        )
        await self._cancel(request, kind, reason)

    async def _cancel(
        self, request: events_pb2.RolloutRequested, reason: events_pb2.CancelReason, message: str
    ) -> None:
        await self._bus.publish(
            codec.cancelled(request, reason, message),
            id=f"{codec.group_message_id(request)}.cancelled",
        )
