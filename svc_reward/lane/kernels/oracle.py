"""Knows the answers: draws hidden inputs and what the task's model makes of them.

One oracle per evaluation, in the grader's process alone. Everything random in it comes from the
job's seed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from . import packing, trials
from .evidence import Outcome, agrees
from .reference import Expected, Reference, perturbed
from .reports import Layout
from .task import Overrides, Task, TaskError
from .trials import Purpose, Trial

SCALE, SHIFT = 1.7, 0.6
"""Inputs on another scale: far from where constants and statistics of the declared ones hold."""
MANY = 8
"""Parameters beyond which it is not asked which single one was ignored."""
COARSE = (torch.float16, torch.bfloat16)


class Variant:
    """The task with one set of constants: its model, and that model with other parameters."""

    def __init__(self, task: Task, seed: int) -> None:
        self.task = task
        self.seed = seed
        self.arguments = task.arguments()
        self.declared = Reference(task.build(seed))
        self.reference = self.declared
        self.state: dict[str, torch.Tensor] = {}

    def perturb(self, theirs: Sequence[Layout]) -> str:
        """Move the parameters, if a candidate's model has the same ones.

        Args:
            theirs: names and shapes of its state.

        Returns:
            Why that is not possible; "" if it is.
        """
        ours = self.declared.model.state_dict()
        if not ours:
            return ""
        shapes = {row.name: row.shape for row in theirs}
        missing = [name for name, value in ours.items() if shapes.get(name) != tuple(value.shape)]
        if missing:
            names = ", ".join(missing[:4])
            return f"its parameters cannot be matched with the task's ({names}): not perturbed"
        self.state = perturbed(self.declared.model, trials.derive(self.seed, "state"))
        self.reference = self.with_state(self.state)
        return ""

    def share(self, other: "Variant") -> None:
        """Have the parameters of a variant whose model is made alike."""
        self.state = other.state
        self.reference = self.with_state(other.state) if other.state else self.declared

    def undo(self) -> None:
        """Back to the declared parameters."""
        self.state, self.reference = {}, self.declared

    def with_state(self, state: dict[str, torch.Tensor]) -> Reference:
        model = self.task.build(self.seed)
        model.load_state_dict(state)
        return Reference(model)


class Oracle:
    """The variants of a task, and the answers to trials.

    Args:
        source: of the task.
        overrides: constants of each further variant.
        seed: the job's.

    Raises:
        TaskError: the task does not load.
    """

    def __init__(self, source: str, overrides: Sequence[Overrides], seed: int) -> None:
        self._source = source
        self._overrides = overrides
        self._seed = seed
        self._model_seed = trials.derive(seed, "model")
        self.variants = [Variant(Task(source), self._model_seed)]
        self.accumulates = True

    def examine(self, *, declared: bool) -> None:
        """Draw first inputs and run the reference on them.

        Args:
            declared: the example itself lists the variants; others are left out where they fail.

        Raises:
            TaskError: the reference fails, is not deterministic, or could be replaced by a constant.
        """
        reference, inputs = self.variants[0].reference, self._draw(0, 0)
        self.accumulates = not reference.is_elementwise(inputs)
        if not reference.is_deterministic(inputs):
            raise TaskError("its Model gives two answers to the same inputs")
        first = reference.answer(inputs)
        if all(self._same_as(first, draw) for draw in trials.PROBES):
            raise TaskError("its Model gives the same answer whatever its inputs hold")
        for row in self._overrides:
            try:
                self.variants.append(Variant(Task(self._source, row), self._model_seed))
                self.variants[-1].reference.answer(self._draw(len(self.variants) - 1, 0))
            except TaskError:
                if declared:
                    raise
                self.variants.pop()

    def perturb(self, index: int, theirs: Sequence[Layout]) -> str:
        """Move a variant's parameters, unless its answers become infinite by that.

        Args:
            index: of the variant.
            theirs: names and shapes of the state of the candidate's model.

        Returns:
            Why they are not moved; "" if they are, or if there are none.
        """
        variant = self.variants[index]
        reason = variant.perturb(theirs)
        if variant.state:
            inputs = self._draw(index, 0)
            if variant.declared.answer(inputs).finite > variant.reference.answer(inputs).finite:
                variant.undo()
                return "its parameters are not perturbed: the reference becomes infinite"
        return reason

    def inputs(self, trial: Trial) -> list[Any]:
        """The input set of a trial. The same draw of the same variant gives the same values."""
        inputs = self._draw(trial.variant, trial.draw)
        if trial.draw == trials.SCALED_DRAW:
            scaled = _mapped(inputs, _rescaled)
            if self._bears(trial.variant, scaled, inputs):
                return scaled
        if trial.purpose is Purpose.STRIDED:
            return _mapped(inputs, _strided)
        return inputs

    def answer(self, trial: Trial, inputs: Sequence[Any]) -> Expected:
        return self.variants[trial.variant].reference.answer(inputs)

    def ignoring(self, outcome: Outcome) -> bool:
        """Whether a wrong output is right for a model in which some parameters never moved."""
        variant = self.variants[outcome.trial.variant]
        if not variant.state:
            return False
        inputs = self.inputs(outcome.trial)
        return any(
            agrees(outcome.outputs, other.answer(inputs), accumulates=self.accumulates).right
            for other in self._unmoved(variant)
        )

    def coarse(self, outcome: Outcome) -> bool:
        """Whether a wrong output is right for inputs and parameters in half precision."""
        native = outcome.expected.native
        if not any(t.dtype in (torch.float32, torch.float64) for t in native):
            return False
        variant = self.variants[outcome.trial.variant]
        for dtype in COARSE:
            lower = _lowered(dtype)
            state = {
                name: lower(value) for name, value in variant.reference.model.state_dict().items()
            }
            inputs = _mapped(self.inputs(outcome.trial), lower)
            answer = variant.with_state(state).answer(inputs)
            rounded = answer._replace(
                native=tuple(lower(t) for t in answer.native),
                exact=tuple(lower(t) for t in answer.exact),
            )
            for guess in (answer, rounded):
                if agrees(outcome.outputs, guess, accumulates=self.accumulates).right:
                    return True
        return False

    def _unmoved(self, variant: Variant) -> list[Reference]:
        before = variant.declared.model.state_dict()
        found = [variant.declared]
        if 1 < len(variant.state) <= MANY:
            found += [
                variant.with_state({**variant.state, name: before[name]}) for name in variant.state
            ]
        return found

    def _draw(self, variant: int, draw: int) -> list[Any]:
        task = self.variants[variant].task
        return task.draw(trials.derive(self._seed, "inputs", variant, draw))

    def _same_as(self, first: Expected, draw: int) -> bool:
        """Whether an answer is right for another draw of the inputs as well."""
        inputs = self.inputs(Trial(Purpose.DECLARED, draw))
        other = self.variants[0].reference.answer(inputs)
        return agrees(first.native, other, accumulates=self.accumulates).right

    def _bears(self, variant: int, scaled: Sequence[Any], plain: Sequence[Any]) -> bool:
        """Whether the reference is defined on another scale as well as it is on its own."""
        reference = self.variants[variant].reference
        try:
            return reference.answer(scaled).finite or not reference.answer(plain).finite
        except TaskError:
            return False


def nothing() -> Expected:
    """The answer that is not needed."""
    return Expected((), (), (), aliased=False, mutated=False)


def elements(inputs: Sequence[Any]) -> int:
    """Elements of all input tensors together."""
    tensors: list[torch.Tensor] = []
    packing.encode(list(inputs), tensors)
    return sum(tensor.numel() for tensor in tensors)


def size(inputs: Sequence[Any], model: torch.nn.Module, expected: Expected) -> int:
    """Bytes of inputs, parameters and outputs: what has to be moved at least."""
    tensors: list[torch.Tensor] = []
    packing.encode(list(inputs), tensors)
    everything = [*tensors, *model.parameters(), *expected.native]
    return sum(tensor.numel() * tensor.element_size() for tensor in everything)


def _mapped(inputs: Sequence[Any], change: Callable[[torch.Tensor], torch.Tensor]) -> list[Any]:
    tensors: list[torch.Tensor] = []
    tree = packing.encode(list(inputs), tensors)
    found: list[Any] = packing.decode(tree, [change(tensor) for tensor in tensors])
    return found


def _rescaled(tensor: torch.Tensor) -> torch.Tensor:
    return tensor * SCALE + SHIFT if tensor.is_floating_point() else tensor


def _strided(tensor: torch.Tensor) -> torch.Tensor:
    """The same values, the last dimension with a stride of 2."""
    if not tensor.dim():
        return tensor
    wide = tensor.new_zeros((*tensor.shape[:-1], 2 * tensor.shape[-1]))
    wide[..., ::2] = tensor
    return wide[..., ::2]


def _lowered(dtype: torch.dtype) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda tensor: tensor.to(dtype).to(tensor) if tensor.is_floating_point() else tensor
