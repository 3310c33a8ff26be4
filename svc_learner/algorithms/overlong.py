"""What a completion that was cut at its budget is worth: nobody knows how it would have ended."""

from svc_learner.types import Completion


def soft_punishment(length: int, max_tokens: int, buffer: int) -> float:
    """DAPO, arXiv:2503.14476, equation 13: 0, then evenly down to -1 over the last tokens.

        0                               |y| <= L - B
        ((L - B) - |y|) / B             L - B < |y| <= L
        -1                              L < |y|, or the completion was cut at L

    Args:
        length: |y|, tokens of the completion.
        max_tokens: L, after which it is cut.
        buffer: B, tokens before L where the punishment begins.
    """
    return max(-1.0, min(0.0, (max_tokens - buffer - length) / buffer))


def punished(completion: Completion, reward: float, max_tokens: int, buffer: int) -> float:
    """The reward that the baseline is computed with."""
    length = max_tokens if completion.truncated else len(completion.tokens)
    return reward + soft_punishment(length, max_tokens, buffer)
