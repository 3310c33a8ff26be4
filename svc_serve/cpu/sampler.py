"""Draws the next token of each row, and its log probability under the distribution drawn from."""

import hashlib
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import torch


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
    peaks = logits.amax(dim=-1, keepdim=True)
    # Unnormalised probabilities and their running sums; float64, because float32 sums over the
    # vocabulary would make rare tokens unreachable.
    sums = (logits - peaks).exp_().cumsum(dim=-1, dtype=torch.float64)
    totals = sums[:, -1:]
    points = _column([draw.uniform for draw in draws], sums) * totals
    tokens = torch.searchsorted(sums, points, right=True).clamp_(max=logits.shape[-1] - 1)
    greedy = [row for row, draw in enumerate(draws) if draw.temperature == 0.0]
    if greedy:
        tokens[greedy] = logits[greedy].argmax(dim=-1, keepdim=True)
    logprobs = logits.gather(-1, tokens) - peaks - totals.log()
    return tokens.squeeze(-1).tolist(), logprobs.squeeze(-1).tolist()


def _keep_nucleus(logits: torch.Tensor, top_p: float) -> None:
    """Mask all but the smallest set of tokens that holds `top_p` (arXiv:1904.09751), in place."""
    ordered, order = logits.sort(descending=True)
    before = ordered.softmax(dim=-1).cumsum(dim=-1).roll(1)
    before[0] = 0.0
    logits[order[before >= top_p]] = -torch.inf


def _column(values: Sequence[float], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).unsqueeze(-1)
