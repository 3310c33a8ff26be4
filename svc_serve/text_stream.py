"""Token ids → text, piece by piece, never showing what a later token may take back."""

from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]

_UNFINISHED = "�"
"""What a decoder shows for bytes that are not a whole character yet."""


class TextStream:
    """The text of one growing completion, cut in front of the first stop string."""

    def __init__(self, decode: Decode, stops: Sequence[str] = ()) -> None:
        self._decode = decode
        self._stops = tuple(stops)
        self._held_back = max((len(stop) - 1 for stop in stops), default=0)
        self._token_ids: list[int] = []
        # Text is decoded from `_start`; what the tokens up to `_read` spell is in `_text` already.
        self._start = 0
        self._read = 0
        self._text = ""
        self._sent = 0
        self._stopped = False

    def push(self, token_ids: Sequence[int], *, last: bool = False) -> str:
        """Take new tokens; returns the new text that is certain."""
        self._token_ids += token_ids
        self._decode_more(last=last)
        end = len(self._text) if last or self._stopped else len(self._text) - self._held_back
        piece = self._text[self._sent : max(end, self._sent)]
        self._sent += len(piece)
        return piece

    def _decode_more(self, *, last: bool) -> None:
        if self._stopped:
            return
        # Decoding two neighbouring windows shows what the new tokens add in their context
        # (leading spaces, characters spread over several tokens).
        before = self._decode(self._token_ids[self._start : self._read])
        after = self._decode(self._token_ids[self._start :])
        if after.endswith(_UNFINISHED) and not last:
            return
        self._text += after[len(before) :]
        self._start, self._read = self._read, len(self._token_ids)
        found = [at for at in (self._text.find(stop) for stop in self._stops) if at >= 0]
        if found:
            self._text = self._text[: min(found)]
            self._stopped = True
