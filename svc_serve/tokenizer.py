"""Text ⇄ token ids of the base model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from burnish.errors import SetupError, UserError


class Tokenizer:
    """The tokenizer of a model folder, and its chat template."""

    def __init__(self, folder: Path) -> None:
        """Load it.

        Raises:
            SetupError: The folder has no tokenizer.
        """
        # Seconds of import, which a process that only shows its settings can do without.
        from transformers import AutoTokenizer  # noqa: PLC0415

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError) as error:
            raise SetupError(f"{folder} has no usable tokenizer: {error}") from error

    def encode(self, text: str) -> list[int]:
        """A plain prompt, with whatever the model wants at a text's beginning."""
        return cast("list[int]", self._tokenizer.encode(text))

    def decode(self, token_ids: Sequence[int], *, special: bool = False) -> str:
        """Text, without special tokens unless asked for."""
        return cast("str", self._tokenizer.decode(list(token_ids), skip_special_tokens=not special))

    def chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """The prompt as the model sees it, ready for the assistant's turn.

        Raises:
            UserError: The chat template refuses the messages.
        """
        try:
            ids = self._tokenizer.apply_chat_template(
                list(messages), add_generation_prompt=True, tokenize=True, return_dict=False
            )
        except Exception as error:  # templates raise whatever they like
            raise UserError(
                f"the model's chat template refuses the messages: {error}", field="messages"
            ) from error
        return cast("list[int]", ids)
