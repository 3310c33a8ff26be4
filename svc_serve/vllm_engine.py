"""vLLM behind the `Engine` protocol.

vLLM's prefix cache and adapter cache are keyed by an adapter's name and path, so both are fresh for
each version (`load_inplace` would reuse them, and is never used).
"""

import asyncio
import contextlib
import os
import signal
import time
from argparse import Namespace
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from burnish.errors import NotFoundError, SetupError, UnavailableError, UserError
from burnish.logs import get_logger
from svc_serve import vllm_setup
from svc_serve.config import ServeSettings
from svc_serve.cpu.device import choose_device, choose_dtype
from svc_serve.engine import EngineStats, FinishReason, GenerateJob, Sampling, TokenDelta
from svc_serve.rate import Rate

log = get_logger(__name__)

_FINISH = {
    None: None,
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "abort": FinishReason.CANCELLED,
}
_DTYPES = {"bf16": "bfloat16", "fp32": "float32"}


class VllmEngine:
    """An `AsyncLLM`; its computing half runs in a process of its own."""

    def __init__(self, settings: ServeSettings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._llm: Any = None
        self._args: Namespace | None = None
        self._loras: dict[str, Any] = {}
        self._lora_ids = 0
        self._cancels: dict[str, Callable[[], None]] = {}
        self._rows: dict[str, int] = {}
        self._rate = Rate()
        self._tokens = 0
        self._counted = time.monotonic()
        self._aborts: set[asyncio.Task[None]] = set()

    @property
    def max_context(self) -> int:
        return int(self.llm.model_config.max_model_len)

    @property
    def llm(self) -> Any:  # noqa: ANN401  (vLLM is not installed where types are checked)
        """The `AsyncLLM`.

        Raises:
            UnavailableError: It is not running.
        """
        if self._llm is None:
            raise UnavailableError("the engine is not running")
        return self._llm

    @property
    def args(self) -> Namespace:
        """The parsed command line, for vLLM's OpenAI app."""
        if self._args is None:
            raise UnavailableError("the engine is not running")
        return self._args

    @property
    def loras(self) -> dict[str, Any]:
        """`LoRARequest`s by adapter name, live."""
        return self._loras

    async def start(self) -> None:
        """Start the engine process and wait until it is ready.

        Raises:
            SetupError: vLLM refuses the model or the settings.
        """
        vllm_setup.prepare(self._settings)
        try:
            self._args, self._llm = await asyncio.to_thread(self._create)
        except (ValueError, RuntimeError, OSError) as error:
            raise SetupError(f"vLLM does not start: {error}") from error

    async def stop(self) -> None:
        if self._llm is not None:
            llm, self._llm = self._llm, None
            await asyncio.to_thread(llm.shutdown)

    async def generate(self, job: GenerateJob) -> AsyncGenerator[TokenDelta, None]:
        """See `Engine.generate`."""
        if job.solo and not self._settings.serve_batch_invariant:
            raise UserError(
                "this vLLM rounds differently from batch to batch",
                field="deterministic",
                hint="set BURNISH_SERVE_BATCH_INVARIANT=true on a GPU that has it, "
                "or BURNISH_SERVE_ENGINE=cpu",
            )
        # vLLM draws a greedy completion only once: all n of them are that one.
        copies = job.n if job.sampling.temperature == 0 else 1
        async with contextlib.aclosing(self._deltas(job, job.n // copies)) as deltas:
            async for delta in deltas:
                for copy in range(copies):
                    yield replace(delta, index=delta.index + copy)

    async def load_adapter(self, name: str, path: Path) -> None:
        """Give vLLM a PEFT folder, under an id that no other adapter ever had."""
        from vllm.lora.request import LoRARequest  # noqa: PLC0415

        self._lora_ids += 1
        request = LoRARequest(lora_name=name, lora_int_id=self._lora_ids, lora_path=str(path))
        try:
            await self.llm.add_lora(request)
        except Exception as error:
            if self.llm.errored:
                raise self._died(error) from error
            raise UserError(f"vLLM refuses adapter {name}: {error}", field="adapter") from error
        self._loras[name] = request

    async def unload_adapter(self, name: str) -> None:
        request = self._loras.pop(name, None)
        if request is not None:
            await self.llm.remove_lora(request.lora_int_id)

    def cancel(self, request_id: str) -> None:
        cancel = self._cancels.get(request_id)
        if cancel is not None:
            cancel()

    @contextlib.contextmanager
    def tracked(self, request_id: str, rows: int, cancel: Callable[[], None]) -> Iterator[None]:
        """A request that runs in the engine, and how to end it early."""
        self._rows[request_id] = rows
        self._cancels[request_id] = cancel
        try:
            yield
        finally:
            del self._rows[request_id], self._cancels[request_id]

    def stats(self) -> EngineStats:
        return EngineStats(
            running_rows=sum(self._rows.values()),
            tokens_per_second=self._rate.per_second(),
            generated_tokens=self._tokens,
            adapters=tuple(self._loras),
        )

    async def _deltas(self, job: GenerateJob, n: int) -> AsyncGenerator[TokenDelta, None]:
        stream = self._open(job, n)
        completions = [Pending(index) for index in range(n)]
        with self.tracked(job.request_id, n, lambda: self._abort(job.request_id)):
            async with contextlib.aclosing(self._guarded(stream)) as outputs:
                async for output in outputs:
                    for piece in output.outputs:
                        self._count(len(piece.token_ids))
                        completion = completions[piece.index]
                        completion.add(piece)
                        finish = _FINISH.get(piece.finish_reason, FinishReason.STOP)
                        self._rows[job.request_id] -= finish is not None
                        if finish is not None or (job.stream and completion.token_ids):
                            yield completion.take(finish)
            for completion in completions:
                if not completion.finished:  # an abort may end the stream without a word
                    yield completion.take(FinishReason.CANCELLED)

    def _create(self) -> tuple[Namespace, Any]:
        from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415
        from vllm.entrypoints.launchers.cli_args import make_arg_parser  # noqa: PLC0415
        from vllm.platforms import current_platform  # noqa: PLC0415
        from vllm.utils.argparse_utils import FlexibleArgumentParser  # noqa: PLC0415
        from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415

        gpu = not current_platform.is_cpu()
        words = vllm_setup.arguments(self._settings, self._folder, dtype=self._dtype(gpu), gpu=gpu)
        args = make_arg_parser(FlexibleArgumentParser()).parse_args(words)
        return args, AsyncLLM.from_engine_args(AsyncEngineArgs.from_cli_args(args))

    def _dtype(self, gpu: bool) -> str:  # noqa: FBT001
        """What vLLM computes in: it would emulate bfloat16 where the CPU has none."""
        asked = self._settings.serve_dtype
        if asked != "auto":
            return _DTYPES[asked]
        return "auto" if gpu else str(choose_dtype("auto", choose_device("cpu"))).split(".")[-1]

    def _open(self, job: GenerateJob, n: int) -> Any:  # noqa: ANN401
        from vllm.inputs import tokens_input  # noqa: PLC0415

        length = len(job.prompt_token_ids)
        if not length:
            raise UserError("the prompt is empty", field="prompt")
        if length >= self.max_context:
            raise UserError(
                f"the prompt has {length} tokens, which leaves no room for a completion: the "
                f"context is {self.max_context} tokens",
                field="prompt",
            )
        if job.adapter and job.adapter not in self._loras:
            raise NotFoundError(f"adapter {job.adapter} is not loaded", field="adapter")
        return self.llm.generate(
            tokens_input(list(job.prompt_token_ids)),
            _sampling_params(job.sampling, n, self.max_context - length),
            job.request_id,
            lora_request=self._loras[job.adapter] if job.adapter else None,
            priority=int(job.priority),
        )

    async def _guarded(self, stream: Any) -> AsyncGenerator[Any, None]:  # noqa: ANN401
        """Turn failures of vLLM into ours."""
        from vllm.exceptions import VLLMClientError  # noqa: PLC0415

        if not any(self._rows.values()):
            self._counted = time.monotonic()
        try:
            async for output in stream:
                yield output
        except (VLLMClientError, ValueError) as error:
            raise UserError(f"vLLM refuses the request: {error}") from error
        except Exception as error:
            raise self._died(error) from error
        finally:
            await stream.aclose()

    def _died(self, error: Exception) -> UnavailableError:
        """A dead engine process does not come back: end this one, so that it is started anew."""
        if self._llm is not None and self._llm.errored:
            log.critical("engine.died", reason=str(error))
            os.kill(os.getpid(), signal.SIGTERM)
        return UnavailableError(f"vLLM failed: {error}")

    def _abort(self, request_id: str) -> None:
        task = asyncio.ensure_future(self.llm.abort(request_id))
        self._aborts.add(task)
        task.add_done_callback(self._aborts.discard)

    def _count(self, tokens: int) -> None:
        now = time.monotonic()
        self._rate.add(tokens, now - self._counted)
        self._counted = now
        self._tokens += tokens


class Pending:
    """Tokens of one completion that were not passed on yet."""

    def __init__(self, index: int) -> None:
        self._index = index
        self.token_ids: list[int] = []
        self._logprobs: list[float] = []
        self.finished = False

    def add(self, piece: Any) -> None:  # noqa: ANN401
        """Take a `CompletionOutput`."""
        self.token_ids += piece.token_ids
        for token, candidates in zip(piece.token_ids, piece.logprobs or (), strict=True):
            self._logprobs.append(float(candidates[token].logprob))

    def take(self, finish: FinishReason | None) -> TokenDelta:
        delta = TokenDelta(self._index, tuple(self.token_ids), tuple(self._logprobs), finish)
        self.token_ids, self._logprobs = [], []
        self.finished = finish is not None
        return delta


def _sampling_params(sampling: Sampling, n: int, room: int) -> Any:  # noqa: ANN401
    from vllm import SamplingParams  # noqa: PLC0415
    from vllm.exceptions import VLLMClientError  # noqa: PLC0415
    from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

    try:
        return SamplingParams(
            n=n,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=min(sampling.max_tokens, room),
            seed=None if sampling.seed is None else sampling.seed % 2**63,
            stop=list(sampling.stop),
            logprobs=0,  # of the sampled token alone
            output_kind=RequestOutputKind.DELTA,
        )
    except (VLLMClientError, ValueError) as error:
        raise UserError(f"vLLM refuses the request: {error}", field="sampling") from error
