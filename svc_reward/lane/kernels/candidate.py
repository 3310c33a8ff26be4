"""The candidate's process: loads model-written source and answers calls with raw bytes.

Nothing in here judges. Inputs come as sealed memory, after the source has been loaded; outputs go as
bytes into memory that the grader made.
"""

import functools
import json
import linecache
import os
import socket
import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from . import faults, hooks, packing, protocol, timing
from .protocol import Kind, Message
from .reports import MAX_STATE, Behaviour, Failure, Layout, Report, pack_state, pack_time

FILENAME = "candidate.py"
ENTRY = "ModelNew"


class Start(NamedTuple):
    """What the process gets first.

    Attributes:
        source: of a module.
        entry: the model's class in it.
        device: "cpu", where kernels are interpreted, or "cuda".
    """

    source: str
    entry: str = ENTRY
    device: str = "cpu"

    def pack(self) -> bytes:
        return json.dumps(self._asdict()).encode()


def serve(payload: bytes, link: socket.socket) -> None:
    """Answer the grader until it hangs up.

    Args:
        payload: a packed `Start`.
        link: to the grader.
    """
    try:
        Session(Start(**json.loads(payload)), link).run()
    except (protocol.ProtocolError, ValueError, TypeError, KeyError):
        return


def warm() -> None:
    """Do in the zygote what every candidate would pay for: the first launch, the first mode."""
    watch = hooks.Watch(interpreted=True)
    module = _module(_WARM, "warm.py")
    values = torch.arange(8.0)
    with watch.loading(), watch.calling(ablated=False):
        model = module.__dict__[ENTRY]()
        packing.pack([tensor for _, tensor in packing.leaves(model(values))])
    linecache.cache.pop("warm.py", None)
    sys.modules.pop("candidate", None)


def stand_by(device: str) -> None:
    """Do in this process what no fork inherits: its context on the device, its first operation."""
    values = torch.arange(8.0, device=device)
    (values * values).sum().item()


class _Call(NamedTuple):
    """A call that was timed: what came out, and the inputs as they are now and as they were sent."""

    result: Any
    inputs: list[torch.Tensor]
    sent: list[torch.Tensor]


class Session:
    """One candidate: its module, its models, the buffers that its inputs lie in."""

    def __init__(self, start: Start, link: socket.socket) -> None:
        self._start = start
        self._link = link
        self._watch = hooks.Watch(interpreted=start.device == "cpu")
        self._make: Callable[..., Any] | None = None
        self._models: dict[int, Any] = {}
        self._slots: dict[int, list[torch.Tensor]] = {}
        self._rig = timing.Rig(start.device)
        self._timed: _Call | None = None

    def run(self) -> None:
        self._watch.install()
        self._attempt(self._load)
        while True:
            message = protocol.receive(self._link, fds=protocol.MAX_FDS)
            try:
                self._attempt(functools.partial(self._handle, message))
            finally:
                protocol.close(message.fds)

    def _attempt(self, step: Callable[[], tuple[Kind, bytes]]) -> None:
        """Do a step and send its result, or why there is none."""
        try:
            kind, body = step()
        except protocol.ProtocolError:
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit and the like are the candidate's
            failure = faults.failure(error, FILENAME)
            kind, body = Kind.FAILED, _fitting(failure._replace(launches=self._watch.launches))
        protocol.send(self._link, kind, body)

    def _load(self) -> tuple[Kind, bytes]:
        with self._watch.loading():
            self._make = _module(self._start.source, FILENAME).__dict__[self._start.entry]
        return Kind.LOADED, b""

    def _handle(self, message: Message) -> tuple[Kind, bytes]:
        order = json.loads(message.body)
        if message.kind is Kind.BUILD:
            return self._build(order, message.fds)
        if message.kind is Kind.CALL:
            return self._call(order, message.fds)
        if message.kind is Kind.TIME:
            return self._time(order, message.fds)
        if message.kind is Kind.SHOW and self._timed is not None:
            return self._done(self._timed, message.fds[0])
        raise protocol.ProtocolError("not for a candidate")

    def _build(self, order: dict[str, Any], fds: tuple[int, ...]) -> tuple[Kind, bytes]:
        """Make a model, or give one that exists the values of its parameters."""
        if fds:
            layouts = [Layout(name, dtype, tuple(shape)) for name, dtype, shape in order["state"]]
            tensors = packing.unpack(_read(fds[0], packing.size_of(layouts)), layouts)
            named = {row.name: tensor for row, tensor in zip(layouts, tensors, strict=True)}
            with self._watch.loading():
                self._models[order["model"]].load_state_dict(named, strict=False)
            return Kind.BUILT, pack_state([])
        assert self._make is not None  # noqa: S101 - a grader only goes on after LOADED
        torch.default_generator.manual_seed(order["seed"])
        arguments, keywords = packing.decode(order["arguments"], [])
        with self._watch.loading():
            model = self._make(*arguments, **keywords)
            if self._start.device != "cpu":
                model = model.to(self._start.device)
        self._models[order["model"]] = model
        return Kind.BUILT, pack_state(_state(model))

    def _call(self, order: dict[str, Any], fds: tuple[int, ...]) -> tuple[Kind, bytes]:
        """Run the model once.

        Args:
            order: "model", "slot", "ablated", "inputs" (a tree), "tensors" (dtype, shape, strides).
            fds: the inputs' bytes, and where the outputs' bytes go.
        """
        source, target = fds
        inputs, sent = self._receive(order, source)
        arguments = packing.decode(order["inputs"], inputs)
        with self._watch.calling(ablated=order["ablated"]):
            result = self._models[order["model"]](*arguments)
        self._rig.synchronize()
        return self._done(_Call(result, inputs, sent), target)

    def _time(self, order: dict[str, Any], fds: tuple[int, ...]) -> tuple[Kind, bytes]:
        """Run the model once against the clock.

        Everything but the call is done before the grader is told that its clock may start.

        Args:
            order: as for `_call`, with "traced" instead of "ablated", and "empty" for no call at all.
            fds: the inputs' bytes.
        """
        self._timed = None
        inputs, sent = self._receive(order, fds[0])
        arguments = packing.decode(order["inputs"], inputs)
        model = (lambda *_: None) if order["empty"] else self._models[order["model"]]
        with self._watch.timing(traced=order["traced"]):
            self._rig.flush()
            protocol.send(self._link, Kind.READY)
            if protocol.receive(self._link).kind is not Kind.GO:
                raise protocol.ProtocolError("not what follows READY")
            taken, result = self._rig.run(functools.partial(model, *arguments))
        self._timed = _Call(result, inputs, sent)
        return Kind.TIMED, pack_time(taken)

    def _done(self, call: _Call, target: int) -> tuple[Kind, bytes]:
        """Say what a call did, and put its outputs where they belong."""
        outputs = packing.leaves(call.result)
        report = self._report(outputs, call.inputs, call.sent)
        _write(target, [tensor for _, tensor in outputs])
        return Kind.DONE, _fitting(report)

    def _receive(
        self, order: dict[str, Any], source: int
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The inputs in their buffers, and as they were sent."""
        layouts = [Layout("", dtype, tuple(shape)) for dtype, shape, _ in order["tensors"]]
        data = _read(source, packing.size_of(layouts))
        sent = packing.unpack(data, layouts)
        return self._place(order["slot"], sent, [row[2] for row in order["tensors"]]), sent

    def _place(
        self, slot: int, sent: list[torch.Tensor], strides: list[list[int]]
    ) -> list[torch.Tensor]:
        """Inputs in their buffers: a slot that exists already is overwritten in place."""
        if slot not in self._slots:
            self._slots[slot] = [
                torch.empty_strided(
                    tuple(tensor.shape), layout, dtype=tensor.dtype, device=self._start.device
                )
                for tensor, layout in zip(sent, strides, strict=True)
            ]
        for buffer, tensor in zip(self._slots[slot], sent, strict=True):
            buffer.copy_(tensor)
        return self._slots[slot]

    def _report(
        self,
        outputs: list[tuple[str, torch.Tensor]],
        inputs: list[torch.Tensor],
        sent: list[torch.Tensor],
    ) -> Report:
        tensors = [tensor for _, tensor in outputs]
        memory = hooks.storages(tensors)
        behaviour = Behaviour(
            aliased=bool(memory & hooks.storages(inputs)),
            mutated=any(
                not torch.equal(packing.raw(left), packing.raw(right))
                for left, right in zip(inputs, sent, strict=True)
            ),
            subclass=any(type(tensor) is not torch.Tensor for tensor in tensors),
            swallowed=self._watch.failed,
            untouched=bool(memory - self._watch.stored),
            leftovers=self._watch.leftovers(),
        )
        layouts = tuple(packing.layout_of(name, tensor) for name, tensor in outputs)
        watch = self._watch
        return Report(layouts, behaviour, watch.cost, watch.ops, watch.launches)


def _module(source: str, filename: str) -> types.ModuleType:
    """Execute the source as a module; `triton.jit` finds its lines through `linecache`."""
    module = types.ModuleType("candidate")
    module.__file__ = filename
    sys.modules["candidate"] = module
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), module.__dict__)  # noqa: S102 - what the process is for
    return module


def _state(model: Any) -> list[Layout]:
    """Names and shapes of the model's parameters and buffers; none if there are too many."""
    if not isinstance(model, torch.nn.Module):
        return []
    layouts = [packing.layout_of(name, value) for name, value in model.state_dict().items()]
    return layouts if len(layouts) <= MAX_STATE else []


def _fitting(report: Report | Failure) -> bytes:
    """Without launches, of which only very odd ones take much room, where it would be too long."""
    body = report.pack()
    return body if len(body) <= protocol.MAX_BODY else report._replace(launches=()).pack()


def _read(descriptor: int, size: int) -> torch.Tensor:
    data = torch.empty(size, dtype=torch.uint8)
    protocol.read_into(descriptor, packing.buffer(data))
    return data


def _write(descriptor: int, tensors: list[torch.Tensor]) -> None:
    """Put outputs where they belong; what does not fit is wrong anyway, by its announced shape."""
    room = os.fstat(descriptor).st_size
    layouts = [packing.layout_of("", tensor) for tensor in tensors]
    if packing.size_of(layouts) != room:
        return
    for tensor, place in zip(tensors, packing.offsets(layouts), strict=False):
        data = packing.buffer(packing.raw(tensor))
        written = 0
        while written < len(data):
            written += os.pwrite(descriptor, data[written:], place + written)


_WARM = """
import torch
import triton
import triton.language as tl


@triton.jit
def kernel(x_ptr, out_ptr, size, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < size
    x = tl.load(x_ptr + offsets, mask=mask)
    y = tl.maximum(tl.exp(x), 0.0) * 2.0 + tl.where(x > 0, x, tl.sum(x, axis=0))
    tl.store(out_ptr + offsets, y, mask=mask)


class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        kernel[(triton.cdiv(x.numel(), 8),)](x, out, x.numel(), BLOCK=8)
        return out
"""
