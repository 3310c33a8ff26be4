"""Chooses the engine, and the OpenAI layer that goes with it."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from burnish.errors import SetupError
from svc_serve.config import ServeSettings
from svc_serve.engine import Engine
from svc_serve.openai_layer import OpenAICall, OpenAILayer, Replies
from svc_serve.tokenizer import Tokenizer


class Answers(Protocol):
    """An OpenAI layer."""

    def answer(self, call: OpenAICall) -> Replies: ...


@dataclass(frozen=True, slots=True)
class Backend:
    """An engine that is not started yet."""

    name: str
    engine: Engine
    openai: Answers


def create(settings: ServeSettings, folder: Path) -> Backend:
    """The backend that the settings ask for, over a base model's folder.

    Raises:
        SetupError: It is not installed, or the settings contradict the machine.
    """
    name = settings.serve_engine
    if name == "auto":
        name = "vllm" if _has_vllm() and _has_gpu() else "cpu"
    return _vllm(settings, folder) if name == "vllm" else _cpu(settings, folder)


def _cpu(settings: ServeSettings, folder: Path) -> Backend:
    # Engines are imported only by the process that runs them: each takes seconds to import.
    from svc_serve.cpu.core import EngineCore  # noqa: PLC0415
    from svc_serve.cpu.device import choose_device, choose_dtype  # noqa: PLC0415
    from svc_serve.cpu.engine import CpuEngine  # noqa: PLC0415
    from svc_serve.cpu.scheduler import Limits  # noqa: PLC0415

    tokenizer = Tokenizer(folder)
    device = choose_device(settings.serve_device)
    dtype = choose_dtype(settings.serve_dtype, device)
    limits = Limits(rows=settings.serve_rows, interactive_rows=settings.serve_interactive_rows)

    def core() -> EngineCore:
        return EngineCore(
            folder,
            tokenizer.decode,
            dtype=dtype,
            device=device,
            limits=limits,
            max_rank=settings.serve_max_rank,
            max_context=settings.serve_max_context or None,
        )

    engine = CpuEngine(core)
    return Backend("cpu", engine, OpenAILayer(engine, tokenizer))


def _vllm(settings: ServeSettings, folder: Path) -> Backend:
    if not _has_vllm():
        raise SetupError(
            "BURNISH_SERVE_ENGINE=vllm, but vLLM is not installed here: run "
            "`pip install burnish[vllm]`, or set BURNISH_SERVE_ENGINE=cpu."
        )
    from svc_serve.vllm_engine import VllmEngine  # noqa: PLC0415
    from svc_serve.vllm_openai import VllmOpenAI  # noqa: PLC0415

    engine = VllmEngine(settings, folder)
    return Backend("vllm", engine, VllmOpenAI(engine))


def _has_vllm() -> bool:
    return importlib.util.find_spec("vllm") is not None


def _has_gpu() -> bool:
    import torch  # noqa: PLC0415

    return torch.cuda.is_available()
