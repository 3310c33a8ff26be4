"""Keys and values of recent prompts, for prompts that begin alike.

The rows of a dataset share their instruction, and all chats share the template's opening: what two
prompts of one adapter have in common is computed once and copied.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from svc_serve.cpu.kv import KvBlock
from svc_serve.cpu.lora import Adapter

MIN_TOKENS = 8
"""Shorter beginnings are not worth a copy."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt that is read, or being read: `block` holds as much of it as its length says."""

    token_ids: Sequence[int]
    adapter: Adapter | None
    block: KvBlock

    def common(self, token_ids: Sequence[int], adapter: Adapter | None) -> int:
        """Tokens at the beginning of both, leaving one to compute: its logits are needed."""
        if adapter is not self.adapter:
            return 0
        most = min(len(self.token_ids), len(token_ids) - 1)
        differs = (at for at in range(most) if self.token_ids[at] != token_ids[at])
        return next(differs, most)


class PrefixCache:
    """The prompts used last, within a bound on their memory."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._prompts: OrderedDict[int, Prompt] = OrderedDict()
        self._numbers = count()

    def add(self, prompt: Prompt) -> None:
        self._prompts[next(self._numbers)] = prompt
        self._shrink()

    def drop(self, block: KvBlock) -> None:
        """Forget a prompt that will not be read to its end: nobody may wait for it."""
        self._keep(lambda prompt: prompt.block is not block)

    def forget(self, adapter: Adapter) -> None:
        """Forget what was computed with an adapter that goes."""
        self._keep(lambda prompt: prompt.adapter is not adapter)

    def best(self, token_ids: Sequence[int], adapter: Adapter | None) -> tuple[Prompt, int] | None:
        """The prompt with the longest common beginning, and its length, ready or not."""
        number, length = max(
            ((key, each.common(token_ids, adapter)) for key, each in self._prompts.items()),
            key=lambda found: found[1],
            default=(0, 0),
        )
        if length < MIN_TOKENS:
            return None
        self._prompts.move_to_end(number)
        return self._prompts[number], length

    def _keep(self, wanted: Callable[[Prompt], bool]) -> None:
        kept = ((number, prompt) for number, prompt in self._prompts.items() if wanted(prompt))
        self._prompts = OrderedDict(kept)

    def _shrink(self) -> None:
        held = sum(prompt.block.nbytes for prompt in self._prompts.values())
        while held > self._max_bytes:
            _, oldest = self._prompts.popitem(last=False)
            held -= oldest.block.nbytes
