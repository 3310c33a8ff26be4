"""A base model: in memory once, shared by the adapters of all its jobs.

Everything that touches its weights runs on one thread of its own, so that the event loop stays free
for heartbeats. No adapter is ever switched on: each pass says which rows go through which adapters.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar, cast

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from burnish.datasets import ChatMessage
from burnish.errors import UserError
from svc_learner.engine import attention, lora
from svc_learner.engine.batching import MicroBatch
from svc_learner.engine.checkpointing import checkpoint_layers
from svc_learner.engine.head import Head
from svc_learner.engine.lora import Run
from svc_learner.engine.norms import replace_norms
from svc_learner.engine.parts import cut

P = ParamSpec("P")
R = TypeVar("R")


class BaseModel:
    """Weights and tokenizer of one base model. Build it with `load`."""

    def __init__(
        self,
        name: str,
        model: PreTrainedModel,
        tokenizer: Any,  # noqa: ANN401  transformers' tokenizers share no useful type
        *,
        threads: int = 1,
    ) -> None:
        self.name = name
        self.model = model
        model.eval()  # type: ignore[no-untyped-call]
        model.requires_grad_(requires_grad=False)
        attention.install(model)
        self.tokenizer = tokenizer
        output: nn.Linear = model.get_output_embeddings()  # type: ignore[no-untyped-call]
        self.head = Head(output.weight, output.bias)
        self.layers = lora.adapt(model, keep=output)
        replace_norms(model)
        # torch's thread count is a property of the calling thread.
        self._thread = ThreadPoolExecutor(
            1, f"train-{name}", initializer=torch.set_num_threads, initargs=(threads,)
        )

    @classmethod
    def load(cls, name: str, folder: Path, *, device: str, dtype: str, threads: int) -> Self:
        """Read a Hugging Face model folder. Blocks for seconds.

        Raises:
            UserError: The folder holds no model that can be loaded.
        """
        chosen = pick_device(device)
        try:
            model = AutoModelForCausalLM.from_pretrained(
                folder, dtype=pick_dtype(dtype, chosen), local_files_only=True
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"The base model {name!r} cannot be loaded from {folder}: {error}",
                field="base_model",
            ) from error
        cast("nn.Module", model).to(chosen)
        return cls(name, model, tokenizer, threads=threads)

    def checkpoint_gradients(self) -> None:
        """From now on, passes keep little and compute more."""
        checkpoint_layers(self.model)

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def context(self) -> int:
        """Most tokens of prompt and completion together."""
        return int(self.model.config.max_position_embeddings)

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do `work` on the model's thread, after what is queued there."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, partial(work, *args, **kwargs))

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def prompt_tokens(self, messages: Sequence[ChatMessage]) -> tuple[int, ...]:
        """The prompt as the sampler renders it: chat template, up to the assistant's turn."""
        rendered = self.tokenizer.apply_chat_template(
            [{"role": m.role, "content": m.content} for m in messages],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=False,
        )
        return tuple(rendered)

    def completion_tokens(self, text: str) -> tuple[int, ...]:
        """A demonstration's answer, and the token that ends the turn."""
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return (*ids, int(self.tokenizer.eos_token_id))

    def hidden_states(self, batch: MicroBatch, runs: Sequence[Run] = ()) -> Tensor:
        """[N, H]: what predicts each completion token of a micro-batch.

        Args:
            batch: T input tokens.
            runs: which of them go through which adapters; the others see the bare base.
        """
        decoder = cast("nn.Module", getattr(self.model, self.model.base_model_prefix))
        with lora.routed(runs), attention.attending(cut(batch.trees, self.device)):
            hidden = decoder(
                input_ids=self._tensor(batch.tokens)[None],
                position_ids=self._tensor(batch.positions)[None],
                use_cache=False,
            ).last_hidden_state
        return cast("Tensor", hidden[0].index_select(0, self._tensor(batch.sources)))

    def _tensor(self, array: Any) -> Tensor:  # noqa: ANN401
        return torch.from_numpy(array).to(self.device)


def pick_device(device: str) -> str:
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def pick_dtype(dtype: str, device: str) -> torch.dtype:
    """`auto`: bfloat16 where the hardware multiplies it, else float32.

    A CPU without bfloat16 instructions emulates them at a tenth of the speed of float32.
    """
    if dtype != "auto":
        return cast("torch.dtype", getattr(torch, dtype))
    if device.startswith("cuda"):
        return torch.bfloat16
    native: Callable[[], bool] = torch.ops.mkldnn._is_mkldnn_bf16_supported  # noqa: SLF001
    return torch.bfloat16 if native() else torch.float32
