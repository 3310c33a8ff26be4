"""Samples → micro-batches of at most a budget of tokens, without padding and with shared prompts.

A micro-batch is one row of tokens that holds several trees; a tree is one prompt followed by the
completions that answer it. Every completion attends to its prompt and to itself, so a group of G
completions pays for its prompt once, and results equal those of G separate rows. A completion's
last token predicts nothing and is left out of the input.

Order within and between micro-batches is a pure function of the samples' order.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from svc_learner.types import Sample

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tree:
    """Rows of a micro-batch: a prompt, then its completions, each but for its last token.

    Attributes:
        start: the prompt's first row.
        prompt: rows of the prompt.
        completions: rows of each completion.
    """

    start: int
    prompt: int
    completions: tuple[int, ...]

    @property
    def end(self) -> int:
        return self.start + self.prompt + sum(self.completions)

    def branches(self) -> Iterator[tuple[int, int]]:
        """First row and end of each completion."""
        start = self.start + self.prompt
        for rows in self.completions:
            yield start, start + rows
            start += rows


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """T input tokens, N completion tokens, S completions.

    Attributes:
        tokens: [T] input ids.
        positions: [T] position within prompt + completion.
        trees: who attends to whom; together they cover all rows, in order.
        sources: [N] the input whose hidden state predicts the target.
        targets: [N] completion tokens.
        owner: [N] which of `samples` a target belongs to.
        samples: [S] in order.
    """

    tokens: Ints
    positions: Ints
    trees: tuple[Tree, ...]
    sources: Ints
    targets: Ints
    owner: Ints
    samples: tuple[Sample, ...]

    def spread(self, values: Iterable[float]) -> Floats:
        """One value for each completion, [S], → one for each completion token, [N]."""
        return np.asarray(list(values), dtype=np.float32)[self.owner]

    def behaviour(self) -> Floats:
        """[N] log mu; NaN where a sample has none."""
        parts = [
            sample.logprobs if sample.logprobs is not None else [np.nan] * len(sample.tokens)
            for sample in self.samples
        ]
        return np.asarray([p for part in parts for p in part], dtype=np.float32)


def join(batches: Sequence[MicroBatch]) -> MicroBatch:
    """One micro-batch with the rows, targets and samples of all, in order."""
    rows = _starts(len(batch.tokens) for batch in batches)
    owners = _starts(len(batch.samples) for batch in batches)
    return MicroBatch(
        tokens=np.concatenate([batch.tokens for batch in batches]),
        positions=np.concatenate([batch.positions for batch in batches]),
        trees=tuple(
            replace(tree, start=tree.start + start)
            for batch, start in zip(batches, rows, strict=True)
            for tree in batch.trees
        ),
        sources=np.concatenate([b.sources + start for b, start in zip(batches, rows, strict=True)]),
        targets=np.concatenate([batch.targets for batch in batches]),
        owner=np.concatenate([b.owner + first for b, first in zip(batches, owners, strict=True)]),
        samples=tuple(sample for batch in batches for sample in batch.samples),
    )


def _starts(lengths: Iterable[int]) -> list[int]:
    return [0, *accumulate(lengths)][:-1]


@dataclass(slots=True)
class _Draft:
    prompt: tuple[int, ...]
    samples: list[Sample]

    @property
    def cost(self) -> int:
        return len(self.prompt) + sum(_cost(sample) for sample in self.samples)


def _cost(sample: Sample) -> int:
    return len(sample.tokens) - 1


def pack(samples: Sequence[Sample], budget: int) -> list[MicroBatch]:
    """First-fit-decreasing over trees; one longer than `budget` is split between completions.

    A single completion that exceeds the budget with its prompt makes a micro-batch of its own.
    Completions without tokens teach nothing and are left out.
    """
    trees = sorted(_trees(samples, budget), key=lambda tree: tree.cost, reverse=True)
    bins: list[tuple[int, list[_Draft]]] = []
    for tree in trees:
        for index, (used, members) in enumerate(bins):
            if used + tree.cost <= budget:
                members.append(tree)
                bins[index] = (used + tree.cost, members)
                break
        else:
            bins.append((tree.cost, [tree]))
    return [_lay_out(members) for _, members in bins]


def _trees(samples: Sequence[Sample], budget: int) -> Iterator[_Draft]:
    by_prompt: dict[tuple[int, ...], list[Sample]] = {}
    for sample in samples:
        if sample.tokens:
            by_prompt.setdefault(sample.prompt, []).append(sample)
    for prompt, members in by_prompt.items():
        tree = _Draft(prompt, [])
        for sample in sorted(members, key=_cost, reverse=True):
            if tree.samples and tree.cost + _cost(sample) > budget:
                yield tree
                tree = _Draft(prompt, [])
            tree.samples.append(sample)
        yield tree


def _lay_out(drafts: Sequence[_Draft]) -> MicroBatch:
    tokens: list[int] = []
    positions: list[int] = []
    trees: list[Tree] = []
    sources: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    samples: list[Sample] = []

    def append(ids: Sequence[int], start: int) -> None:
        tokens.extend(ids)
        positions.extend(range(start, start + len(ids)))

    for draft in drafts:
        trees.append(Tree(len(tokens), len(draft.prompt), tuple(map(_cost, draft.samples))))
        append(draft.prompt, 0)
        last = len(tokens) - 1
        for sample in draft.samples:
            first = len(tokens)
            append(sample.tokens[:-1], len(draft.prompt))
            sources.extend([last, *range(first, len(tokens))])
            targets.extend(sample.tokens)
            owners.extend([len(samples)] * len(sample.tokens))
            samples.append(sample)
    return MicroBatch(
        tokens=np.asarray(tokens, dtype=np.int64),
        positions=np.asarray(positions, dtype=np.int64),
        trees=tuple(trees),
        sources=np.asarray(sources, dtype=np.int64),
        targets=np.asarray(targets, dtype=np.int64),
        owner=np.asarray(owners, dtype=np.int64),
        samples=tuple(samples),
    )
