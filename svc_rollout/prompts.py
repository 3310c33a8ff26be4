"""Chat messages → token ids, once: from here on only token ids travel.

Decoding and encoding again would drift from what the model saw and sampled.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from burnish import models
from burnish.errors import BurnishError, UserError
from burnish.logs import get_logger

log = get_logger(__name__)


class Tokenizers:
    """The tokenizers of the base models that were asked for."""

    def __init__(self, models_dir: Path) -> None:
        self._models_dir = models_dir
        self._loaded: dict[str, Any] = {}
        self._lock = asyncio.Lock()

    async def warm(self) -> None:
        """Load what is there: the import alone takes seconds that no first group has to wait for."""
        for name in models.available(self._models_dir):
            try:
                await self._get(name)
            except (OSError, ValueError, BurnishError) as error:
                log.warning("tokenizer.unusable", base_model=name, error=str(error))

    async def render(self, base_model: str, messages: Sequence[dict[str, str]]) -> list[int]:
        """The prompt as the model sees it, ready for the assistant's turn.

        Raises:
            UserError: unknown base model, or messages that its chat template refuses.
        """
        tokenizer = await self._get(base_model)
        try:
            ids: list[int] = await asyncio.to_thread(
                tokenizer.apply_chat_template,
                list(messages),
                add_generation_prompt=True,
                tokenize=True,
                return_dict=False,
            )
        except Exception as error:  # templates raise whatever they like
            raise UserError(
                f"{base_model}'s chat template refuses the messages: {error}", field="row.messages"
            ) from error
        return ids

    async def decode(self, base_model: str, token_ids: Sequence[int]) -> str:
        tokenizer = await self._get(base_model)
        return str(tokenizer.decode(list(token_ids), skip_special_tokens=True))

    async def _get(self, base_model: str) -> Any:  # noqa: ANN401  transformers is untyped
        async with self._lock:
            if base_model not in self._loaded:
                path = models.resolve(base_model, self._models_dir)
                self._loaded[base_model] = await asyncio.to_thread(_load, path)
        return self._loaded[base_model]


def _load(path: Path) -> Any:  # noqa: ANN401
    # Seconds of import: never on the way to being ready.
    from transformers import AutoTokenizer  # noqa: PLC0415

    return AutoTokenizer.from_pretrained(path)
