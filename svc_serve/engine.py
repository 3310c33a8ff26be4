"""What every token engine does, and the values that cross its boundary.

An adapter's name never gets other weights: whoever loads a new version gives it a new name and a
new path, so engines may cache by either.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import Enum, IntEnum
from pathlib import Path
from typing import Protocol


class Priority(IntEnum):
    """Smaller goes first."""

    INTERACTIVE = 0
    ROLLOUT = 1


class FinishReason(Enum):
    """Why a completion ended."""

    STOP = "stop"
    """The model ended its turn, or wrote a stop string."""
    LENGTH = "length"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the n completions of one prompt are drawn."""

    temperature: float = 1.0
    """0 is greedy."""
    top_p: float = 1.0
    max_tokens: int = 16
    seed: int | None = None
    """Completion i of a request is drawn from its own stream, seeded by (seed, i)."""
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GenerateJob:
    """One prompt and its n completions, all by one policy."""

    request_id: str
    prompt_token_ids: tuple[int, ...]
    n: int
    sampling: Sampling
    adapter: str | None = None
    """A loaded adapter's name; None is the base model itself."""
    priority: Priority = Priority.INTERACTIVE
    stream: bool = True
    """Whether tokens are wanted as they come, or each completion in one piece."""
    solo: bool = False
    """Whether equal jobs have to give equal tokens, whatever else the engine does."""


@dataclass(frozen=True, slots=True)
class TokenDelta:
    """New tokens of one completion.

    The tokens include the end-of-turn token and those that spelled a stop string. A log
    probability is that of the sampled token under the distribution that it was drawn from: after
    temperature and top_p, in float32; for greedy decoding, under the model's own (temperature 1).
    """

    index: int
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: FinishReason | None = None
    """Set on the last delta of a completion."""


@dataclass(frozen=True, slots=True)
class EngineStats:
    """A snapshot for status and metrics."""

    running_rows: int = 0
    waiting_rows: int = 0
    tokens_per_second: float = 0.0
    """Over the last seconds in which the engine had work."""
    generated_tokens: int = 0
    adapters: tuple[str, ...] = ()


class Engine(Protocol):
    """A running base model. All methods are called from one event loop."""

    @property
    def max_context(self) -> int:
        """Most tokens that a prompt and its completion may have together."""
        ...

    async def start(self) -> None:
        """Load the weights and begin to work.

        Raises:
            SetupError: This engine cannot run this model.
        """
        ...

    async def stop(self) -> None:
        """Cancel what runs and let go of the weights."""
        ...

    def generate(self, job: GenerateJob) -> AsyncGenerator[TokenDelta, None]:
        """Stream the completions of `job`, interleaved; closing the iterator cancels it.

        Raises:
            UserError: The prompt does not fit, or has ids outside the vocabulary; or the job is
                `solo`, and this engine cannot promise that.
            NotFoundError: The adapter is not loaded.
            UnavailableError: The engine is stopping, or failed.
        """
        ...

    async def load_adapter(self, name: str, path: Path) -> None:
        """Load a PEFT folder under a name that was never used for other weights.

        Raises:
            UserError: The folder is not a LoRA adapter that this engine can serve.
        """
        ...

    async def unload_adapter(self, name: str) -> None:
        """Forget an adapter that no request uses. Unknown names are ignored."""
        ...

    def cancel(self, request_id: str) -> None:
        """End a request's completions early. Unknown ids are ignored."""
        ...

    def stats(self) -> EngineStats: ...
