"""vLLM's settings. Nothing of vLLM is imported here, so its environment is set in time."""

import os
from collections.abc import MutableMapping
from pathlib import Path

from svc_serve.config import ServeSettings

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Maximum ranks that vLLM accepts."""
MAX_BATCH_ADAPTERS = 16
"""Different adapters in one step; requests for more of them wait for the next."""
_CPU_KV_GIB = 1


def prepare(settings: ServeSettings, environ: MutableMapping[str, str] = os.environ) -> None:
    """Set what vLLM reads from the environment when it is imported. What is set already stays."""
    defaults = {
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
        # The services of one machine share its cores: let the system place the threads.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_CPU_KVCACHE_SPACE": str(round(settings.serve_memory) or _CPU_KV_GIB),
    }
    if settings.serve_batch_invariant:
        defaults["VLLM_BATCH_INVARIANT"] = "1"
    for name, value in defaults.items():
        environ.setdefault(name, value)


def arguments(settings: ServeSettings, folder: Path, *, dtype: str, gpu: bool) -> list[str]:
    """The command line of the engine and of its OpenAI app."""
    loras = min(settings.serve_adapters, MAX_BATCH_ADAPTERS)
    rank = next(rank for rank in RANKS if rank >= settings.serve_max_rank)
    options = {
        "model": str(folder),
        "served-model-name": settings.base_model,
        "dtype": dtype,
        "max-num-seqs": str(settings.serve_rows + settings.serve_interactive_rows),
        "max-loras": str(loras),
        "max-cpu-loras": str(max(settings.serve_adapters, loras)),
        "max-lora-rank": str(rank),
        # The default reports log probabilities before temperature and top_p: not what was sampled.
        "logprobs-mode": "processed_logprobs",
        "scheduling-policy": "priority",
    }
    if settings.serve_tensor_parallel > 1:
        options["tensor-parallel-size"] = str(settings.serve_tensor_parallel)
    if settings.serve_max_context:
        options["max-model-len"] = str(settings.serve_max_context)
    if gpu and settings.serve_memory:
        options["gpu-memory-utilization"] = str(settings.serve_memory)
    flags = ["--enable-lora"] if gpu else ["--enable-lora", "--enforce-eager"]
    if settings.serve_batch_invariant:
        flags.append("--no-enable-prefix-caching")
    return [*flags, *(f"--{name}={value}" for name, value in options.items())]
