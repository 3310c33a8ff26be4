"""Draws the next token of each row, and its log probability under the distribution drawn from."""

import hashlib
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import torch

BLOCK = 256
"""Of the vocabulary: about the square root of usual sizes."""


@dataclass(frozen=True, slots=True)
class Draw:
    """How one row's next token is drawn."""

    temperature: float
    """0 is greedy."""
    top_p: float
    uniform: float
    """In [0, 1): the point of the cumulative distribution that is hit."""


def stream(seed: int | None, index: int) -> random.Random:
    """The random numbers of completion `index`, the same whatever else is in the batch."""
    if seed is None:
        return random.Random(secrets.randbits(128))  # noqa: S311  (no secret depends on it)
    digest = hashlib.sha256(f"{seed}:{index}".encode()).digest()
    return random.Random(digest)  # noqa: S311


def sample(logits: torch.Tensor, draws: Sequence[Draw]) -> tuple[list[int], list[float]]:
    """One token per row.

    Args:
        logits: [rows, vocab] in float32; overwritten.
        draws: One for each row.

    Returns:
        Token ids and their log probabilities. A greedy row's is under temperature 1.
    """
    temperatures = [draw.temperature or 1.0 for draw in draws]
    if any(value != 1.0 for value in temperatures):
        logits.div_(_column(temperatures, logits))
    for row, draw in enumerate(draws):
        if 0.0 < draw.top_p < 1.0 and draw.temperature > 0.0:
            _keep_nucleus(logits[row], draw.top_p)
    greedy = [row for row, draw in enumerate(draws) if draw.temperature == 0.0]
    best = logits[greedy].argmax(dim=-1) if greedy else None
    # Unnormalised probabilities: the greatest is 1.
    weights = logits.sub_(logits.amax(dim=-1, keepdim=True)).exp_()
    uniforms = torch.tensor([draw.uniform for draw in draws], dtype=torch.float64)
    tokens, totals = _search(weights, uniforms.to(weights.device).unsqueeze(-1))
    if best is not None:
        tokens[greedy, 0] = best
    logprobs = weights.gather(-1, tokens).double().log_() - totals.log()
    return tokens.squeeze(-1).tolist(), logprobs.squeeze(-1).tolist()


def _search(weights: torch.Tensor, uniforms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Invert each row's cumulative distribution: first the block, then the token in it.

    Running sums over the whole vocabulary take longer than all else here. They are in float64,
    because float32 sums would make rare tokens unreachable.

    Args:
        weights: [rows, vocab], not negative.
        uniforms: [rows, 1] in [0, 1), in float64.

    Returns:
        Tokens and sums of the weights, both [rows, 1].
    """
    vocab = weights.shape[1]
    whole = vocab // BLOCK * BLOCK
    blocks = weights[:, :whole].view(len(weights), -1, BLOCK).sum(dim=-1)
    blocks = torch.cat((blocks, weights[:, whole:].sum(dim=-1, keepdim=True)), dim=-1).double()
    block, rest, totals = _invert(blocks, uniforms)
    places = block * BLOCK + torch.arange(BLOCK, device=weights.device)
    inside = weights.gather(-1, places.clamp(max=vocab - 1)).double()
    token, _, _ = _invert(inside.masked_fill_(places >= vocab, 0.0), rest)
    return block * BLOCK + token, totals


def _invert(
    weights: torch.Tensor, uniforms: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Where each row's running sum passes a share of its total; never where a weight is 0.

    Args:
        weights: [rows, n] in float64.
        uniforms: [rows, 1] in [0, 1).

    Returns:
        Places, how far into the place (a share of its weight), and totals; all [rows, 1].
    """
    ends = weights.cumsum(dim=-1)
    totals = ends[:, -1:].contiguous()
    points = torch.minimum(uniforms * totals, totals.nextafter(torch.zeros_like(totals)))
    place = torch.searchsorted(ends, points, right=True)
    weight = weights.gather(-1, place)
    rest = (points - (ends.gather(-1, place) - weight)) / weight
    return place, rest.clamp_(0.0, 1.0), totals


def _keep_nucleus(logits: torch.Tensor, top_p: float) -> None:
    """Mask all but the smallest set of tokens that holds `top_p` (arXiv:1904.09751), in place."""
    ordered, order = logits.sort(descending=True)
    before = ordered.softmax(dim=-1).cumsum(dim=-1).roll(1)
    before[0] = 0.0
    logits[order[before >= top_p]] = -torch.inf


def _column(values: Sequence[float], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).unsqueeze(-1)
