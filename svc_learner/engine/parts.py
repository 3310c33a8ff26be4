"""A packed micro-batch cut into rectangles: who attends to whom.

A part holds sequences of similar length that continue one prefix: the completions of a prompt, or
whole sequences that continue nothing. So the cost of attention grows with what tokens really attend
to, never with the square of the micro-batch, and no mask of that size exists. Tokens of different
sequences never meet, not even as a zero times what might not be finite.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from svc_learner.engine.batching import Tree

SHORT = 64
"""Padding sequences up to this length costs less than another part."""

LEAST_FILL = 0.7
"""Longer ones are padded to at most 1 / LEAST_FILL of their length."""

Span = tuple[int, int]
"""First row of the micro-batch, and the row after the last."""


@dataclass(frozen=True, slots=True)
class Part:
    """R sequences, padded to L tokens, that continue the same P tokens.

    Attributes:
        sequences: R.
        length: L.
        prefix: where the P tokens are.
        rows: [n] the rows that the part computes.
        gather: [R · L] the row of each place; padding repeats a row.
        places: [n] the place of each of `rows`.
        only: where the rows are if there is a single sequence, which needs no padding.
    """

    sequences: int
    length: int
    prefix: Span
    rows: Tensor
    gather: Tensor
    places: Tensor
    only: Span | None

    @property
    def offset(self) -> int:
        """P: keys that every query sees."""
        return self.prefix[1] - self.prefix[0]

    def pad(self, x: Tensor) -> Tensor:
        """[T, ...] → [R, L, ...]."""
        if self.only is not None:
            return x[slice(*self.only)].unsqueeze(0)
        return self._by_sequence(x.index_select(0, self.gather))

    def pad_zeros(self, x: Tensor) -> Tensor:
        """[T, ...] → [R, L, ...], zero where there is no row of the part's own."""
        if self.only is not None:
            return self.pad(x)
        places = x.new_zeros((len(self.gather), *x.shape[1:]))
        places.index_copy_(0, self.places, x.index_select(0, self.rows))
        return self._by_sequence(places)

    def unpad(self, x: Tensor) -> Tensor:
        """[R, L, ...] → [n, ...]."""
        if self.only is not None:
            return x[0]
        return x.flatten(0, 1).index_select(0, self.places)

    def continued(self, x: Tensor) -> Tensor:
        """[T, ...] → [R, P + L, ...], the prefix before each sequence."""
        own = self.pad(x)
        if not self.offset:
            return own
        prefix = x[self.prefix[0] : self.prefix[1]]
        return torch.cat((prefix.expand(self.sequences, *prefix.shape), own), dim=1)

    def _by_sequence(self, x: Tensor) -> Tensor:
        return x.view(self.sequences, self.length, *x.shape[1:])


@dataclass(frozen=True, slots=True)
class Attending:
    """How one layer attends.

    Attributes:
        parts: of the micro-batch.
        scale: of the scores.
        window: how many keys a query sees, itself included; None is all.
    """

    parts: Sequence[Part]
    scale: float
    window: int | None = None


def cut(trees: Sequence[Tree], device: torch.device) -> tuple[Part, ...]:
    """All parts of a micro-batch; together they hold each row once."""
    alone: list[Span] = []
    shared: list[tuple[Span, list[Span]]] = []
    for tree in trees:
        if len(tree.completions) == 1:
            alone.append((tree.start, tree.end))
        else:
            prompt = (tree.start, tree.start + tree.prompt)
            alone.append(prompt)
            shared.append((prompt, list(tree.branches())))
    parts = [_part((0, 0), spans, device) for spans in _alike(alone)]
    for prompt, branches in shared:
        parts += [_part(prompt, spans, device) for spans in _alike(branches)]
    return tuple(parts)


def _alike(spans: Sequence[Span]) -> Iterator[list[Span]]:
    """Spans of similar length together, the longest first; empty ones nowhere."""
    together: list[Span] = []
    longest = 0
    for start, end in sorted(spans, key=lambda span: span[0] - span[1]):
        if together and longest > SHORT and end - start < LEAST_FILL * longest:
            yield together
            together = []
        if end > start:
            longest = longest if together else end - start
            together.append((start, end))
    if together:
        yield together


def _part(prefix: Span, spans: Sequence[Span], device: torch.device) -> Part:
    length = max(end - start for start, end in spans)
    gather = [min(start + place, end - 1) for start, end in spans for place in range(length)]
    places = [
        number * length + place
        for number, (start, end) in enumerate(spans)
        for place in range(end - start)
    ]
    return Part(
        sequences=len(spans),
        length=length,
        prefix=prefix,
        rows=torch.tensor([row for span in spans for row in range(*span)], device=device),
        gather=torch.tensor(gather, device=device),
        places=torch.tensor(places, device=device),
        only=spans[0] if len(spans) == 1 else None,
    )


@lru_cache(maxsize=32)
def visible(offset: int, start: int, end: int, window: int | None, device: torch.device) -> Tensor:
    """[end - start, offset + end]: which keys the queries `start` to `end` of a sequence see."""
    queries = torch.arange(offset + start, offset + end, device=device)[:, None]
    keys = torch.arange(offset + end, device=device)[None, :]
    seen = keys <= queries
    return seen if window is None else seen & (keys > queries - window)


@lru_cache(maxsize=32)
def mask(offset: int, start: int, end: int, window: int | None, like: torch.dtype) -> Tensor:
    """What is added to the scores of these queries: 0 where they see a key, else -inf. On a CPU."""
    seen = visible(offset, start, end, window, torch.device("cpu"))
    return torch.zeros(seen.shape, dtype=like).masked_fill_(~seen, -torch.inf)
