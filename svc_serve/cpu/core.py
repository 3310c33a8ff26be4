"""The synchronous engine: each `step` reads some prompt tokens and adds one token to completions.

Not thread-safe: one thread owns a core.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from burnish.errors import NotFoundError, UserError
from svc_serve.cpu import architecture, lora, peft_adapter, weights
from svc_serve.cpu.attention import Decode, Prefill, Segment
from svc_serve.cpu.kv import KvBlock
from svc_serve.cpu.model import Batch, Model
from svc_serve.cpu.prefix import PrefixCache, Prompt
from svc_serve.cpu.sampler import Draw, sample, stream
from svc_serve.cpu.scheduler import Limits, Scheduler, Ticket
from svc_serve.cpu.stops import Decode as DecodeText
from svc_serve.cpu.stops import StopStrings
from svc_serve.cpu.turns import Turns
from svc_serve.engine import FinishReason, GenerateJob, Priority, TokenDelta

PREFIX_BYTES = 256 * 1024**2
"""Memory for keys and values of recent prompts."""

Event = tuple[str, TokenDelta]
"""A request's id, and what happened to one of its completions."""


@dataclass(slots=True)
class Row:
    """One running completion."""

    index: int
    random: random.Random
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    sent: int = 0

    def delta(self, finish_reason: FinishReason | None) -> TokenDelta:
        """What was not sent yet."""
        start, self.sent = self.sent, len(self.token_ids)
        return TokenDelta(
            self.index,
            tuple(self.token_ids[start:]),
            tuple(self.logprobs[start:]),
            finish_reason,
        )


@dataclass(slots=True)
class Cohort:
    """Completions of one request that started in the same step, so they have equal lengths."""

    own: KvBlock
    prompt: KvBlock | None
    """None: the prompt is the beginning of `own`."""
    rows: list[Row]

    @property
    def length(self) -> int:
        """Tokens whose keys and values are known, prompt included."""
        return self.own.length + (self.prompt.length if self.prompt else 0)


@dataclass(slots=True)
class Request:
    """A job and all that the engine holds for it."""

    job: GenerateJob
    ticket: Ticket
    adapter: lora.Adapter | None
    stops: StopStrings
    max_tokens: int
    """Per completion, within the context."""
    prompt: KvBlock
    first_logits: torch.Tensor | None = None
    """[1, vocab]: where every completion begins; set once the prompt is read."""
    cohorts: list[Cohort] = field(default_factory=list)

    def decodes(self) -> list[Cohort]:
        return [cohort for cohort in self.cohorts if cohort.rows]


class EngineCore:
    """A base model, its adapters and the requests in progress."""

    def __init__(
        self,
        folder: Path,
        decode: DecodeText,
        *,
        dtype: torch.dtype,
        device: torch.device,
        limits: Limits,
        max_rank: int = 64,
        max_context: int | None = None,
    ) -> None:
        """Load the weights.

        Raises:
            SetupError: This engine does not run that model.
        """
        self.architecture = architecture.read(folder)
        self.max_context = min(max_context or 2**31, self.architecture.max_context)
        self._dtype, self._device = dtype, device
        self._max_rank = max_rank
        self._decode_text = decode
        with torch.inference_mode():
            loaded = weights.load(folder, self.architecture, dtype=dtype, device=device)
            self._model = Model(self.architecture, loaded, max_context=self.max_context)
        self._adapters: dict[str, lora.Adapter] = {}
        self._turns = Turns(limits)
        self._requests: dict[str, Request] = {}
        self._prefixes = PrefixCache(PREFIX_BYTES)
        self.generated_tokens = 0

    @property
    def busy(self) -> bool:
        return bool(self._requests)

    @property
    def running_rows(self) -> int:
        return self._turns.running_rows

    @property
    def waiting_rows(self) -> int:
        return self._turns.waiting_rows

    @property
    def adapters(self) -> tuple[str, ...]:
        return tuple(self._adapters)

    def read_adapter(self, folder: Path) -> lora.Adapter:
        """Read a PEFT folder for `add_adapter`; touches nothing else, so any thread may call it.

        Raises:
            UserError: The folder is not an adapter that this engine can serve.
        """
        return peft_adapter.read(
            folder,
            self.architecture,
            max_rank=self._max_rank,
            dtype=self._dtype,
            device=self._device,
        )

    def add_adapter(self, name: str, adapter: lora.Adapter) -> None:
        self._adapters[name] = adapter

    def remove_adapter(self, name: str) -> None:
        """Requests in progress keep their weights."""
        adapter = self._adapters.pop(name, None)
        if adapter is not None:
            self._prefixes.forget(adapter)

    def submit(self, job: GenerateJob) -> None:
        """Queue a job.

        Raises:
            UserError: The prompt is empty, too long, or not in the vocabulary.
            NotFoundError: The adapter is not loaded.
        """
        length = len(job.prompt_token_ids)
        self._check(job, length)
        ticket = Ticket(job.request_id, job.priority, length, job.n)
        self._requests[job.request_id] = Request(
            job=job,
            ticket=ticket,
            adapter=self._adapters[job.adapter] if job.adapter else None,
            stops=StopStrings(job.sampling.stop, self._decode_text),
            max_tokens=min(job.sampling.max_tokens, self.max_context - length),
            prompt=self._block(rows=1, capacity=length),
        )
        self._turns.add(ticket, solo=job.solo)

    def cancel(self, request_id: str) -> list[Event]:
        """End a request now; every unfinished completion gets its last event."""
        request = self._requests.pop(request_id, None)
        if request is None:
            return []
        self._turns.remove(request.ticket)
        if request.ticket.unread:
            self._prefixes.drop(request.prompt)
        events = [
            (request_id, row.delta(FinishReason.CANCELLED))
            for cohort in request.cohorts
            for row in cohort.rows
        ]
        return events + [
            (request_id, TokenDelta(index, (), (), FinishReason.CANCELLED))
            for index in range(request.ticket.started, request.ticket.n)
        ]

    def cancel_all(self) -> list[Event]:
        return [event for request_id in list(self._requests) for event in self.cancel(request_id)]

    @torch.inference_mode()
    def step(self) -> list[Event]:
        """Do one forward pass, start what can start, and report every new token."""
        scheduler = self._turns.next()
        priorities = scheduler.decodes()
        decodes = sorted(
            (
                (request, cohort)
                for request in self._requests.values()
                if request.ticket.priority in priorities and request.ticket in scheduler
                for cohort in request.decodes()
            ),
            key=lambda pair: id(pair[0].adapter),
        )
        prefills = sorted(
            (
                (self._requests[ticket.request_id], count)
                for ticket, count in scheduler.prefills(self._begin)
            ),
            key=lambda pair: id(pair[0].adapter),
        )
        events = self._forward(decodes, prefills) if decodes or prefills else []
        events += self._start(scheduler)
        self._forget_finished()
        return events

    def _begin(self, ticket: Ticket) -> int | None:
        """Copy what is known of a prompt. Rollouts wait for a prompt being read that begins alike."""
        request = self._requests[ticket.request_id]
        token_ids, adapter = request.job.prompt_token_ids, request.adapter
        if request.job.solo:
            return 0  # what others computed was computed in other batches
        known = 0
        if (found := self._prefixes.best(token_ids, adapter)) is not None:
            prompt, common = found
            known = min(common, prompt.block.length)
            if known < common and ticket.priority is not Priority.INTERACTIVE:
                return None
            request.prompt.begin_with(prompt.block.beginning(known))
        self._prefixes.add(Prompt(token_ids, adapter, request.prompt))
        return known

    def _forward(
        self,
        decodes: Sequence[tuple[Request, Cohort]],
        prefills: Sequence[tuple[Request, int]],
    ) -> list[Event]:
        """Run the model on one batch and use its logits."""
        batch, read_prompts = self._batch(decodes, prefills)
        logits = self._model.forward(batch)
        for _, cohort in decodes:
            cohort.own.advance(1)
        for request, count in prefills:
            request.prompt.advance(count)
        decoded = sum(len(cohort.rows) for _, cohort in decodes)
        for offset, request in enumerate(read_prompts, start=decoded):
            request.first_logits = logits[offset : offset + 1].clone()
        return list(self._draw(decodes, logits[:decoded])) if decodes else []

    def _batch(
        self,
        decodes: Sequence[tuple[Request, Cohort]],
        prefills: Sequence[tuple[Request, int]],
    ) -> tuple[Batch, list[Request]]:
        """Lay out one batch; also the requests whose prompts it finishes."""
        token_ids: list[int] = []
        positions: list[int] = []
        segments: list[Segment] = []
        loras: list[lora.Run] = []
        logit_rows: list[int] = []
        read_prompts: list[Request] = []
        for request, cohort in decodes:
            start = len(token_ids)
            token_ids += [row.token_ids[-1] for row in cohort.rows]
            positions += [cohort.length] * len(cohort.rows)
            cohort.own.reserve(cohort.own.length + 1)
            segments.append(Decode(start, len(token_ids), cohort.own, cohort.prompt))
            _extend_runs(loras, start, len(token_ids), request.adapter)
        logit_rows += range(len(token_ids))
        for request, count in prefills:
            start, seen = len(token_ids), request.prompt.length
            token_ids += request.job.prompt_token_ids[seen : seen + count]
            positions += range(seen, seen + count)
            segments.append(Prefill(start, len(token_ids), request.prompt))
            _extend_runs(loras, start, len(token_ids), request.adapter)
            if seen + count == len(request.job.prompt_token_ids):
                logit_rows.append(len(token_ids) - 1)
                read_prompts.append(request)
        batch = Batch(
            token_ids=torch.tensor(token_ids, device=self._device),
            positions=torch.tensor(positions, device=self._device),
            segments=tuple(segments),
            loras=tuple(loras),
            logit_rows=torch.tensor(logit_rows, device=self._device, dtype=torch.long),
        )
        return batch, read_prompts

    def _start(self, scheduler: Scheduler) -> list[Event]:
        """Begin completions of prompts that are read: their first tokens need no forward pass."""
        started: list[tuple[Request, Cohort]] = []
        logits: list[torch.Tensor] = []
        for ticket, count in scheduler.starts():
            request = self._requests[ticket.request_id]
            if request.first_logits is None:
                raise RuntimeError(f"{ticket.request_id} starts before its prompt is read")
            first = ticket.started - count
            rows = [
                Row(index, stream(request.job.sampling.seed, index))
                for index in range(first, first + count)
            ]
            alone = request.job.n == 1
            cohort = Cohort(
                own=request.prompt if alone else self._block(rows=count),
                prompt=None if alone else request.prompt,
                rows=rows,
            )
            request.cohorts.append(cohort)
            started.append((request, cohort))
            logits.append(request.first_logits.expand(count, -1))
            if not ticket.unstarted:
                request.first_logits = None
        return list(self._draw(started, torch.cat(logits))) if started else []

    def _draw(
        self, cohorts: Sequence[tuple[Request, Cohort]], logits: torch.Tensor
    ) -> Iterator[Event]:
        """Sample one token for each row; finished rows leave their cohort."""
        draws = [
            Draw(request.job.sampling.temperature, request.job.sampling.top_p, row.random.random())
            for request, cohort in cohorts
            for row in cohort.rows
        ]
        drawn = zip(*sample(logits, draws), strict=True)
        self.generated_tokens += len(draws)
        for request, cohort in cohorts:
            done: list[int] = []
            for place, row in enumerate(cohort.rows):
                token, logprob = next(drawn)
                row.token_ids.append(token)
                row.logprobs.append(logprob)
                finish = self._finish(request, row)
                if finish is not None:
                    done.append(place)
                if finish is not None or request.job.stream:
                    yield request.job.request_id, row.delta(finish)
            for place in reversed(done):
                cohort.own.drop(place)
                last = cohort.rows.pop()
                if place < len(cohort.rows):
                    cohort.rows[place] = last
                request.ticket.finished += 1

    def _finish(self, request: Request, row: Row) -> FinishReason | None:
        if row.token_ids[-1] in self.architecture.eos_token_ids:
            return FinishReason.STOP
        if request.stops.met(row.token_ids):
            return FinishReason.STOP
        if len(row.token_ids) >= request.max_tokens:
            return FinishReason.LENGTH
        return None

    def _forget_finished(self) -> None:
        for request in list(self._requests.values()):
            if request.ticket.finished == request.ticket.n:
                self._turns.remove(request.ticket)
                del self._requests[request.job.request_id]

    def _block(self, *, rows: int, capacity: int = 64) -> KvBlock:
        return KvBlock(
            self.architecture,
            rows=rows,
            capacity=capacity,
            dtype=self._dtype,
            device=self._device,
        )

    def _check(self, job: GenerateJob, length: int) -> None:
        if job.request_id in self._requests:
            raise UserError(f"request {job.request_id} is already running", field="request_id")
        if job.adapter and job.adapter not in self._adapters:
            raise NotFoundError(f"adapter {job.adapter} is not loaded", field="adapter")
        if not length:
            raise UserError("the prompt is empty", field="prompt")
        if length >= self.max_context:
            raise UserError(
                f"the prompt has {length} tokens, which leaves no room for a completion: the "
                f"context is {self.max_context} tokens",
                field="prompt",
            )
        if max(job.prompt_token_ids) >= self.architecture.vocab_size:
            raise UserError("a prompt token is outside the vocabulary", field="prompt")


def _extend_runs(runs: list[lora.Run], start: int, end: int, adapter: lora.Adapter | None) -> None:
    """Append rows to the runs, joining neighbours that use the same adapter."""
    if adapter is None:
        return
    if runs and runs[-1].end == start and runs[-1].adapter is adapter:
        start = runs.pop().start
    runs.append(lora.Run(start, end, adapter))
