"""The grader's side of the link to a candidate: bounded in time, believing nothing."""

import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch

from ..roles import Role
from ..wire import Status
from ..workers import Ended, Worker, Workers
from . import packing, protocol, reference
from .candidate import Start
from .clocks import Lap
from .endings import Ending, of_process
from .protocol import Kind, Message
from .reports import Failure, Layout, Report, unpack_state, unpack_time

Parsed = TypeVar("Parsed")

GRACE = 1.0
"""Seconds in which a worker that is finished has to be gone."""


class Lost(Exception):  # noqa: N818 - an outcome
    """The candidate's process is of no more use."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.text)
        self.ending = ending


class Raised(Exception):  # noqa: N818 - an outcome
    """The candidate's code raised; its process goes on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class Answer(NamedTuple):
    """What came back from a call: an announcement, and bytes read as what was expected."""

    report: Report
    outputs: tuple[torch.Tensor, ...]


class Candidate:
    """One candidate's process.

    Args:
        workers: starts it.
        start: what it loads.
        seconds: its whole life.
    """

    def __init__(self, workers: Workers, start: Start, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._worker: Worker = workers.start(Role.CANDIDATE, start.pack(), seconds=seconds)

    def loaded(self) -> None:
        """Wait until its source has been executed.

        Raises:
            Raised: it raised.
            Lost: it did something else.
        """
        self._answer(Kind.LOADED)

    def build(self, model: int, seed: int, arguments: Any) -> tuple[Layout, ...]:
        """Have it make a model; the names and shapes of that model's state."""
        tree = packing.encode(arguments, [])
        order = {"model": model, "seed": seed, "arguments": tree}
        self._send(Kind.BUILD, order)
        return self._parsed(unpack_state, self._answer(Kind.BUILT))

    def load(self, model: int, state: dict[str, torch.Tensor]) -> None:
        """Give a model's parameters values."""
        rows = [(name, str(value.dtype), list(value.shape)) for name, value in state.items()]
        data = protocol.memory(packing.buffer(packing.pack(list(state.values()))))
        try:
            self._send(Kind.BUILD, {"model": model, "state": rows}, (data,))
        finally:
            os.close(data)
        self._answer(Kind.BUILT)

    def call(
        self,
        model: int,
        inputs: Sequence[Any],
        *,
        slot: int,
        ablated: bool,
        expected: Sequence[Layout],
    ) -> Answer:
        """Run a model once.

        Args:
            model: which.
            inputs: its arguments.
            slot: the buffers that they are put into.
            ablated: kernels do nothing.
            expected: what its outputs have to look like.
        """
        order, source = _packed(model, inputs, slot)
        try:
            return self._outputs(Kind.CALL, {**order, "ablated": ablated}, (source,), expected)
        finally:
            os.close(source)

    def time(
        self,
        model: int,
        inputs: Sequence[Any],
        *,
        slot: int,
        empty: bool = False,
        traced: bool = False,
    ) -> Lap:
        """Run a model once against the clock.

        Args:
            model: which.
            inputs: its arguments.
            slot: the buffers that they are put into.
            empty: everything but the call itself.
            traced: operations are noted, which takes time.
        """
        order, source = _packed(model, inputs, slot)
        try:
            self._send(Kind.TIME, {**order, "empty": empty, "traced": traced}, (source,))
            self._answer(Kind.READY)
            began = time.perf_counter()
            self._send(Kind.GO, {})
            body = self._answer(Kind.TIMED)
            wall = (time.perf_counter() - began) * 1e3
        finally:
            os.close(source)
        return Lap(self._parsed(unpack_time, body), wall)

    def show(self, expected: Sequence[Layout]) -> Answer:
        """What the call that was timed last came to."""
        return self._outputs(Kind.SHOW, {}, (), expected)

    @property
    def seconds_left(self) -> float:
        return self._deadline - time.monotonic()

    def close(self) -> Ended | None:
        """End the process."""
        self._worker.link.close()
        self._worker.kill()
        return self._worker.ended(GRACE)

    def _outputs(
        self, kind: Kind, order: dict[str, Any], fds: tuple[int, ...], expected: Sequence[Layout]
    ) -> Answer:
        """Give an order that ends with outputs in memory that is made for them."""
        blank = packing.buffer(reference.blank(expected))
        target = protocol.memory(blank, seals=protocol.SIZED)
        try:
            self._send(kind, order, (*fds, target))
            report = self._parsed(Report.unpack, self._answer(Kind.DONE))
            # Copied once: what the process does to the file afterwards changes nothing.
            data = torch.empty(len(blank), dtype=torch.uint8)
            protocol.read_into(target, packing.buffer(data))
        finally:
            os.close(target)
        return Answer(report, tuple(packing.unpack(data, expected)))

    def _send(self, kind: Kind, order: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
        try:
            body = json.dumps(order).encode()
            protocol.send(self._worker.link, kind, body, fds, deadline=self._deadline)
        except protocol.ProtocolError as error:
            raise self._lost(error) from None

    def _answer(self, kind: Kind) -> bytes:
        """The body of the next message, which has to be of that kind."""
        try:
            message = protocol.receive(self._worker.link, deadline=self._deadline)
            if message.kind is Kind.FAILED:
                raise Raised(Failure.unpack(message.body))
            return _of_kind(message, kind)
        except protocol.ProtocolError as error:
            raise self._lost(error) from None

    def _parsed(self, parse: Callable[[bytes], Parsed], body: bytes) -> Parsed:
        try:
            return parse(body)
        except protocol.ProtocolError as error:
            raise self._lost(error) from None

    def _lost(self, error: protocol.ProtocolError) -> Lost:
        """End it, and find out why it is of no use."""
        ended = self._worker.ended(GRACE) if isinstance(error, protocol.Closed) else None
        if ended is not None:
            return Lost(of_process(ended, str(error)))
        self._worker.kill()
        self._worker.ended(GRACE)
        if isinstance(error, protocol.Late):
            return Lost(Ending(Status.TIMEOUT, "took too long"))
        return Lost(Ending(Status.CRASH, f"broke the protocol: {error}"))


def _packed(model: int, inputs: Sequence[Any], slot: int) -> tuple[dict[str, Any], int]:
    """The order for a call, and a descriptor of its inputs' bytes."""
    tensors: list[torch.Tensor] = []
    tree = packing.encode(list(inputs), tensors)
    rows = [(str(t.dtype), list(t.shape), _strides(t)) for t in tensors]
    order = {"model": model, "slot": slot, "inputs": tree, "tensors": rows}
    return order, protocol.memory(packing.buffer(packing.pack(tensors)))


def _of_kind(message: Message, kind: Kind) -> bytes:
    if message.kind is not kind:
        raise protocol.ProtocolError(f"{message.kind.name} instead of {kind.name}")
    return message.body


def _strides(tensor: torch.Tensor) -> list[int]:
    """Strides that new memory can have: an expanded tensor has none of its own."""
    if 0 in tensor.stride():
        return list(torch.empty(tensor.shape, device="meta").stride())
    return list(tensor.stride())
