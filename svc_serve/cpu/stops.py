"""Finds stop strings in the text of a growing completion."""

from collections.abc import Callable, Sequence

Decode = Callable[[list[int]], str]

# A character is at most four bytes of UTF-8, and a token is at least one byte.
_TOKENS_PER_CHARACTER = 4


class StopStrings:
    """Whether the end of a completion spells a stop string."""

    def __init__(self, stops: Sequence[str], decode: Decode) -> None:
        self._stops = tuple(stops)
        self._decode = decode
        longest = max((len(stop) for stop in stops), default=0)
        self._window = _TOKENS_PER_CHARACTER * longest

    def met(self, token_ids: list[int]) -> bool:
        """Call after each token: only the newest may complete a stop string."""
        if not self._stops:
            return False
        text = self._decode(token_ids[-self._window :])
        return any(stop in text for stop in self._stops)
