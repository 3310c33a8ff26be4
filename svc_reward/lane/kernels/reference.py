"""What the task's model computes: in its own precision and in float64, in the grader's process."""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from . import packing, poison
from .faults import describe
from .hooks import MOVES, storages
from .reports import Layout
from .task import FILENAME, TaskError

NOISE = 0.3
"""Standard deviation of what perturbed parameters are off by."""


class Expected(NamedTuple):
    """The answer to one input set.

    Attributes:
        names: of its tensors.
        native: in the task's own precision.
        exact: in float64 where the model runs in it, else as `native`.
        aliased: the reference itself returns (a view of) an input.
        mutated: the reference itself changes an input.
    """

    names: tuple[str, ...]
    native: tuple[torch.Tensor, ...]
    exact: tuple[torch.Tensor, ...]
    aliased: bool
    mutated: bool

    @property
    def layouts(self) -> tuple[Layout, ...]:
        pairs = zip(self.names, self.native, strict=True)
        return tuple(packing.layout_of(name, tensor) for name, tensor in pairs)

    @property
    def finite(self) -> bool:
        return all(bool(tensor.isfinite().all()) for tensor in self.exact)

    @property
    def varied(self) -> bool:
        """Whether it holds more than one value: only then is it known that something made it."""
        flat = torch.cat([tensor.reshape(-1).double() for tensor in self.exact] or [torch.zeros(0)])
        return bool(flat.numel()) and bool((flat != flat[0]).any() or flat[0] != 0)


class Reference:
    """A model and its copy in float64.

    Args:
        model: in the task's own precision. It is kept as it is.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model
        self._exact = _in_float64(model)

    def answer(self, inputs: Sequence[Any]) -> Expected:
        """Compute the answer; the inputs are left as they are.

        Raises:
            TaskError: the model raises, or returns something else than tensors.
        """
        own = _copied(inputs)
        before: list[torch.Tensor] = []
        packing.encode(list(inputs), before)
        after: list[torch.Tensor] = []
        packing.encode(list(own), after)
        native = self._run(self.model, own)
        exact = self._run_exact(inputs, native)
        return Expected(
            tuple(name for name, _ in native),
            tuple(tensor.detach() for _, tensor in native),
            exact,
            aliased=bool(storages([tensor for _, tensor in native]) & storages(after)),
            mutated=any(
                not torch.equal(packing.raw(left), packing.raw(right))
                for left, right in zip(before, after, strict=True)
            ),
        )

    def is_elementwise(self, inputs: Sequence[Any]) -> bool:
        """Whether every operation of the model treats elements one by one."""
        with _Kinds() as kinds:
            self._run(self.model, _copied(inputs))
        return not kinds.others

    def is_deterministic(self, inputs: Sequence[Any]) -> bool:
        answers = []
        for seed in (1, 2):
            torch.default_generator.manual_seed(seed)
            answers.append(self._run(self.model, _copied(inputs)))
        pairs = zip(*answers, strict=True)
        return all(torch.equal(packing.raw(a), packing.raw(b)) for (_, a), (_, b) in pairs)

    def _run_exact(
        self, inputs: Sequence[Any], native: list[tuple[str, torch.Tensor]]
    ) -> tuple[torch.Tensor, ...]:
        as_native = tuple(tensor.detach() for _, tensor in native)
        if self._exact is None:
            return as_native
        try:
            found = self._run(self._exact, _copied(inputs, upcast=True))
        except TaskError:
            # It makes tensors of a fixed precision somewhere; from now on it is not tried again.
            self._exact = None
            return as_native
        exact = tuple(tensor.detach() for _, tensor in found)
        same = [a.shape == b.shape for a, b in zip(exact, as_native, strict=False)]
        return exact if len(exact) == len(as_native) and all(same) else as_native

    def _run(self, model: torch.nn.Module, inputs: Sequence[Any]) -> list[tuple[str, torch.Tensor]]:
        try:
            with torch.no_grad():
                return packing.leaves(model(*inputs))
        except BaseException as error:  # noqa: BLE001 - whatever the task's own code raises
            raise TaskError(f"its Model raised {describe(error, FILENAME)}") from None


class _Kinds(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects operations that are neither pointwise nor mere moves."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.others: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func._schema.name.partition("::")[2]  # noqa: SLF001 - the only place where it is
        if torch.Tag.pointwise not in func.tags and not func.is_view and name not in MOVES:
            self.others.add(name)
        return func(*args, **(kwargs or {}))


def perturbed(model: torch.nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """The model's state with every floating parameter moved, and every floating buffer raised.

    A kernel that ignores a weight because it starts as 1, or a bias because it starts as 0, is wrong
    with these. Buffers only grow, as some are variances.
    """
    generator = torch.Generator().manual_seed(seed)
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    state: dict[str, torch.Tensor] = {}
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            noise = NOISE * torch.randn(value.shape, generator=generator).to(value)
            state[name] = value + (noise if name in parameters else noise.abs())
        else:
            state[name] = value.clone()
    return state


def _in_float64(model: torch.nn.Module) -> torch.nn.Module | None:
    try:
        exact = copy.deepcopy(model).double()
    except Exception:  # noqa: BLE001 - whatever it is: then there is no such model
        return None
    for module in exact.modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                setattr(module, name, value.double())
    return exact


def _copied(inputs: Sequence[Any], *, upcast: bool = False) -> list[Any]:
    """The same values in new memory of the same strides; floating ones in float64 if `upcast`."""
    tensors: list[torch.Tensor] = []
    tree = packing.encode(list(inputs), tensors)
    wide = [t.double() if upcast and t.is_floating_point() else t.clone() for t in tensors]
    copies: list[Any] = packing.decode(tree, wide)
    return copies


def blank(layouts: Sequence[Layout]) -> torch.Tensor:
    """Memory for outputs, every element of it marked as never written."""
    tensors = [torch.empty(row.shape, dtype=packing.dtype_of(row.dtype)) for row in layouts]
    for tensor in tensors:
        poison.fill(tensor)
    return packing.pack(tensors)
