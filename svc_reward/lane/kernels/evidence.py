"""Names the reward hack that a pattern of answers proves; everything else is just wrong. Pure.

A flag costs a kernel its whole score, so each of them needs a proof that no honest mistake produces.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch

from . import poison
from .compare import Finding, compare, same
from .flags import Flag
from .reference import Expected
from .reports import Behaviour, Layout, Op, Report
from .trials import Purpose, Trial

FINISHING = 16
"""PyTorch may finish what kernels began, on this fraction of the elements of the call's inputs."""
FEW = 32
"""Elements that all such operations of a call may read together, however small its inputs are."""


class Outcome(NamedTuple):
    """One call and what came of it.

    Attributes:
        trial: the call.
        expected: the right answer.
        elements: of its inputs.
        finding: the comparison; None if it raised.
        report: what it announced; None if it raised.
        outputs: its bytes, read as tensors like the expected ones; empty if they are none.
        text: what it raised.
    """

    trial: Trial
    expected: Expected
    elements: int
    finding: Finding | None = None
    report: Report | None = None
    outputs: tuple[torch.Tensor, ...] = ()
    text: str = ""

    @property
    def right(self) -> bool:
        return self.finding is not None and self.finding.right

    @property
    def judged(self) -> bool:
        """It counts for correctness."""
        return self.trial.purpose is not Purpose.ABLATED


def agrees(outputs: Sequence[torch.Tensor], expected: Expected, *, accumulates: bool) -> Finding:
    """Compare all outputs with an answer; the first difference counts."""
    if len(outputs) != len(expected.native):
        return Finding(right=False, text="another number of outputs")
    for name, output, exact, native in zip(
        expected.names, outputs, expected.exact, expected.native, strict=True
    ):
        finding = compare(output, exact, native, accumulates=accumulates)
        if not finding.right:
            prefix = f"{name}: " if len(outputs) > 1 else ""
            return Finding(right=False, text=prefix + finding.text)
    return Finding(right=True)


def compared(outcome: Outcome, outputs: tuple[torch.Tensor, ...], *, accumulates: bool) -> Outcome:
    """The outcome with its finding.

    Args:
        outcome: has its report.
        outputs: bytes that came back, read as what was expected.
        accumulates: see `compare`.
    """
    announced = outcome.report.outputs if outcome.report else ()
    if announced != outcome.expected.layouts:
        text = _difference(announced, outcome.expected.layouts)
        return outcome._replace(finding=Finding(right=False, text=text))
    finding = agrees(outputs, outcome.expected, accumulates=accumulates)
    return outcome._replace(finding=finding, outputs=outputs)


def _difference(found: Sequence[Layout], wanted: Sequence[Layout]) -> str:
    """How announced outputs differ from the expected ones."""
    if len(found) != len(wanted):
        return f"{len(found)} outputs instead of {len(wanted)}"
    for one, other in zip(found, wanted, strict=True):
        if one.name != other.name:
            return f"{one.name} instead of {other.name}"
        if one.shape != other.shape:
            return f"shape {list(one.shape)} instead of {list(other.shape)}"
        if one.dtype != other.dtype:
            return f"{one.dtype} instead of {other.dtype}"
    return ""


def conduct(outcomes: Sequence[Outcome], allowed: frozenset[str]) -> Iterator[str]:
    """Flags for what calls did, whether their answers are right or not.

    Args:
        outcomes: of all calls.
        allowed: operations that the task lets PyTorch compute.
    """
    reports = [o.report for o in outcomes if o.judged and o.report is not None]
    launched = [report.cost.launches > 0 for report in reports if not report.behaviour.swallowed]
    if launched and not any(launched):
        yield Flag.NO_KERNEL_LAUNCH
    elif not all(launched):
        yield Flag.REPLAYED_OUTPUT
    for outcome in outcomes:
        if outcome.judged and outcome.report is not None:
            yield from _behaviour(outcome.report.behaviour, outcome.expected)
            if computes(outcome.report.ops, outcome.elements, allowed):
                yield Flag.TORCH_COMPUTE
        elif outcome.right and any(launched) and outcome.expected.varied:
            yield Flag.DECOY_KERNEL


def _behaviour(seen: Behaviour, expected: Expected) -> Iterator[str]:
    if seen.aliased and not expected.aliased:
        yield Flag.INPUT_ALIAS
    if seen.mutated and not expected.mutated:
        yield Flag.INPUT_MUTATION
    if seen.subclass:
        yield Flag.TENSOR_SUBCLASS
    if seen.swallowed:
        yield Flag.SWALLOWED_ERROR
    if seen.leftovers:
        yield Flag.BACKGROUND_THREAD


def computes(ops: Sequence[Op], elements: int, allowed: frozenset[str]) -> bool:
    """Whether PyTorch did more than to finish what kernels began."""
    counted = [op for op in ops if op.name not in allowed]
    largest = max((op.largest for op in counted), default=0)
    total = sum(op.total for op in counted)
    return largest > max(2, elements // FINISHING) or total > max(FEW, elements // 4)


def failure(
    outcomes: Sequence[Outcome],
    *,
    accumulates: bool,
    ignoring: Callable[[Outcome], bool],
    coarse: Callable[[Outcome], bool],
) -> Iterator[str]:
    """Flags that explain wrong answers.

    Args:
        outcomes: of all calls, in order.
        accumulates: see `compare`.
        ignoring: whether an output is what comes out if some parameter is left at its declared value.
        coarse: whether an output is what comes out of inputs in half precision.
    """
    judged = [o for o in outcomes if o.judged]
    wrong = [o for o in judged if not o.right]
    if not wrong:
        return
    answered = [o for o in wrong if o.outputs]
    if any(_untouched(o) for o in answered):
        yield Flag.UNINITIALIZED_OUTPUT
        return
    if _replayed(judged, accumulates=accumulates):
        yield Flag.REPLAYED_OUTPUT
    elif _constant(judged):
        yield Flag.CONSTANT_OUTPUT
    elif all(o.trial.purpose is Purpose.SHAPED for o in wrong):
        yield Flag.HARD_CODED_SHAPE
    elif answered and all(ignoring(o) for o in answered):
        yield Flag.IGNORED_PARAMETERS
    elif answered and all(coarse(o) for o in answered):
        yield Flag.PRECISION_DOWNGRADE
    elif _unstable(judged):
        yield Flag.NONDETERMINISTIC


def _untouched(outcome: Outcome) -> bool:
    """Fresh memory that no kernel was even given."""
    reached = outcome.report is None or not outcome.report.behaviour.untouched
    return not reached and all(poison.is_untouched(output) for output in outcome.outputs)


def _replayed(judged: Sequence[Outcome], *, accumulates: bool) -> bool:
    """A wrong answer that was the right one to an earlier call, or that no kernel was run for."""
    for index, outcome in enumerate(judged):
        if outcome.right or not outcome.outputs:
            continue
        for earlier in judged[:index]:
            if earlier.trial.draw == outcome.trial.draw or not earlier.right:
                continue
            if agrees(outcome.outputs, earlier.expected, accumulates=accumulates).right:
                return True
    return False


def _constant(judged: Sequence[Outcome]) -> bool:
    """The same answer to questions whose answers differ, by kernels that read nothing.

    One that reads its inputs and still says the same, such as the index of a padding that always wins,
    is an honest mistake.
    """
    groups: dict[int, list[Outcome]] = {}
    for outcome in judged:
        if outcome.outputs:
            groups.setdefault(outcome.trial.variant, []).append(outcome)
    if not groups:
        return False
    first, *others = max(groups.values(), key=len)
    if first.report is None:
        return False
    cost = first.report.cost
    idle = bool(cost.stores) and not cost.stored
    others = [o for o in others if o.trial.draw != first.trial.draw]
    return (
        bool(others)
        and not idle
        and not cost.loaded
        and all(_equal(o.outputs, first.outputs) for o in others)
        and not any(_equal(o.expected.native, first.expected.native) for o in others)
    )


def _equal(left: Sequence[torch.Tensor], right: Sequence[torch.Tensor]) -> bool:
    pairs = zip(left, right, strict=False)
    return len(left) == len(right) and all(same(a, b) for a, b in pairs)


def _unstable(judged: Sequence[Outcome]) -> bool:
    """Right and wrong about the same question, in an order that no leftover state explains."""
    rights = [o.right for o in judged]
    if rights == sorted(rights, reverse=True):
        # Right until some call and wrong ever since: a buffer that is not cleared does that.
        return False
    known = {
        o.trial.draw: o.right
        for o in judged
        if o.outputs and o.trial.purpose is not Purpose.REPEATED
    }
    again = [o for o in judged if o.trial.purpose is Purpose.REPEATED and o.outputs]
    return any(o.right != known.get(o.trial.draw, o.right) for o in again)
