"""Samples → micro-batches of at most a budget of tokens, without padding and with shared prompts.

A micro-batch is one row of tokens that holds several trees; a tree is one prompt followed by the
completions that answer it. Every completion attends to its prompt and to itself, so a group of G
completions pays for its prompt once, and results equal those of G separate rows. A completion's
last token predicts nothing and is left out of the input.

Order within and between micro-batches is a pure function of the samples' order.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svc_learner.types import Sample

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """T input tokens, N completion tokens, S completions.

    Attributes:
        tokens: [T] input ids.
        positions: [T] position within prompt + completion.
        tree: [T] which prompt a token belongs to.
        branch: [T] which completion a token belongs to, -1 within a prompt.
        sources: [N] the input whose hidden state predicts the target.
        targets: [N] completion tokens.
        owner: [N] which of `samples` a target belongs to.
        samples: [S] in order.
    """

    tokens: Ints
    positions: Ints
    tree: Ints
    branch: Ints
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

    def visible(self) -> NDArray[np.bool_]:
        """[T, T], True where the row's token may attend to the column's."""
        causal = np.tri(len(self.tokens), dtype=bool)
        same_tree = self.tree[:, None] == self.tree[None, :]
        same_branch = (self.branch[:, None] == self.branch[None, :]) | (self.branch == -1)[None, :]
        visible: NDArray[np.bool_] = causal & same_tree & same_branch
        return visible


@dataclass(slots=True)
class _Tree:
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
    bins: list[tuple[int, list[_Tree]]] = []
    for tree in trees:
        for index, (used, members) in enumerate(bins):
            if used + tree.cost <= budget:
                members.append(tree)
                bins[index] = (used + tree.cost, members)
                break
        else:
            bins.append((tree.cost, [tree]))
    return [_lay_out(members) for _, members in bins]


def _trees(samples: Sequence[Sample], budget: int) -> Iterator[_Tree]:
    by_prompt: dict[tuple[int, ...], list[Sample]] = {}
    for sample in samples:
        if sample.tokens:
            by_prompt.setdefault(sample.prompt, []).append(sample)
    for prompt, members in by_prompt.items():
        tree = _Tree(prompt, [])
        for sample in sorted(members, key=_cost, reverse=True):
            if tree.samples and tree.cost + _cost(sample) > budget:
                yield tree
                tree = _Tree(prompt, [])
            tree.samples.append(sample)
        yield tree


def _lay_out(trees: Sequence[_Tree]) -> MicroBatch:
    tokens: list[int] = []
    positions: list[int] = []
    tree_ids: list[int] = []
    branches: list[int] = []
    sources: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    samples: list[Sample] = []

    def append(ids: Sequence[int], start: int, tree: int, branch: int) -> None:
        tokens.extend(ids)
        positions.extend(range(start, start + len(ids)))
        tree_ids.extend([tree] * len(ids))
        branches.extend([branch] * len(ids))

    for number, tree in enumerate(trees):
        append(tree.prompt, 0, number, -1)
        last = len(tokens) - 1
        for sample in tree.samples:
            first = len(tokens)
            append(sample.tokens[:-1], len(tree.prompt), number, len(samples))
            sources.extend([last, *range(first, len(tokens))])
            targets.extend(sample.tokens)
            owners.extend([len(samples)] * len(sample.tokens))
            samples.append(sample)
    return MicroBatch(
        tokens=np.asarray(tokens, dtype=np.int64),
        positions=np.asarray(positions, dtype=np.int64),
        tree=np.asarray(tree_ids, dtype=np.int64),
        branch=np.asarray(branches, dtype=np.int64),
        sources=np.asarray(sources, dtype=np.int64),
        targets=np.asarray(targets, dtype=np.int64),
        owner=np.asarray(owners, dtype=np.int64),
        samples=tuple(samples),
    )
