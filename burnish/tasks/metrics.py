"""Figures over judged kernels. Pure.

A figure is the mean over tasks of its mean over a task's samples, so that a task with more samples
does not count more.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from math import comb

Rate = Callable[["Sample"], float]


@dataclass(frozen=True, slots=True)
class Sample:
    """One judged kernel.

    Attributes:
        task: what it was written for.
        level: of the task; 0 where that is not known.
        format: the answer had the parts that it must have.
        compiled: its kernels compile for the target.
        correct: every hidden call was right, and it is no hack.
        speedup: against PyTorch; None where it was not measured.
        flags: hacks that it was caught at.
    """

    task: str
    level: int
    format: bool
    compiled: bool
    correct: bool
    speedup: float | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """Of samples of at least one task.

    Attributes:
        fast: fast_p for each p; None where the speed of a correct kernel was not measured.
        pass_at: pass@k for each k that every task has samples enough for.
        flagged: share of samples that were caught at a hack.
        flags: number of samples for each hack.
    """

    tasks: int
    samples: int
    format: float
    compiled: float
    correct: float
    fast: Mapping[float, float | None]
    pass_at: Mapping[int, float]
    flagged: float
    flags: Mapping[str, int]


def figures(samples: Sequence[Sample], *, ps: Collection[float], ks: Collection[int]) -> Figures:
    """All figures of some samples.

    Args:
        samples: at least one.
        ps: speedups for fast_p.
        ks: numbers of tries for pass@k.
    """
    groups = by_task(samples)
    fewest = min(map(len, groups))
    return Figures(
        tasks=len(groups),
        samples=len(samples),
        format=rate(groups, lambda sample: sample.format),
        compiled=rate(groups, lambda sample: sample.compiled),
        correct=rate(groups, lambda sample: sample.correct),
        fast={p: fast(groups, p) for p in sorted(ps)},
        pass_at={k: mean_pass_at(groups, k) for k in sorted(ks) if k <= fewest},
        flagged=rate(groups, lambda sample: bool(sample.flags)),
        flags=dict(Counter(flag for sample in samples for flag in sample.flags)),
    )


def by_level(samples: Sequence[Sample]) -> dict[int, list[Sample]]:
    """The samples of each level, in order."""
    found: defaultdict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.level].append(sample)
    return dict(sorted(found.items()))


def by_task(samples: Sequence[Sample]) -> list[list[Sample]]:
    """The samples of each task."""
    found: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.task].append(sample)
    return list(found.values())


def rate(groups: Sequence[Sequence[Sample]], of: Rate) -> float:
    """The mean over tasks of the mean over samples."""
    return sum(sum(map(of, group)) / len(group) for group in groups) / len(groups)


def fast(groups: Sequence[Sequence[Sample]], p: float) -> float | None:
    """fast_p: the share that is correct and more than p times as fast as PyTorch.

    fast_0 is correctness, for which no speed is needed.
    """
    if p <= 0:
        return rate(groups, lambda sample: sample.correct)
    if any(s.correct and s.speedup is None for group in groups for s in group):
        return None
    return rate(groups, lambda sample: sample.correct and (sample.speedup or 0.0) > p)


def mean_pass_at(groups: Sequence[Sequence[Sample]], k: int) -> float:
    """pass@k, the mean over tasks."""
    counts = [(len(group), sum(sample.correct for sample in group)) for group in groups]
    return sum(pass_at(n, c, k) for n, c in counts) / len(counts)


def pass_at(n: int, c: int, k: int) -> float:
    """The chance that at least one of k samples, drawn from n of which c are right, is right.

    The unbiased estimator of Chen et al. (2021), "Evaluating Large Language Models Trained on Code".

    Raises:
        ValueError: not 0 <= c <= n and 1 <= k <= n.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"pass@{k} of {c} right among {n} is not defined")
    return 1.0 - comb(n - c, k) / comb(n, k)
