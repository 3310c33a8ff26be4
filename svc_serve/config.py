"""Settings of the serve service."""

from typing import Literal

from pydantic import Field

from burnish.config import ServiceSettings


class ServeSettings(ServiceSettings):
    """Read from `BURNISH_*`."""

    base_model: str = Field(
        "smollm2-135m-instruct",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="The base model to serve: a folder of models_dir.",
    )
    serve_engine: Literal["auto", "cpu", "vllm"] = Field(
        "auto",
        description="Token engine; auto is vllm where a GPU and vLLM are present, else cpu.",
    )
    serve_device: str = Field(
        "auto", description="Where the cpu engine computes: auto, cpu, cuda, cuda:1."
    )
    serve_dtype: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="Precision; auto is bf16 where the hardware multiplies it natively."
    )
    serve_rows: int = Field(64, ge=1, le=4096, description="Completions generated at once.")
    serve_interactive_rows: int = Field(
        16, ge=0, le=4096, description="More of them, kept free for interactive requests."
    )
    serve_max_context: int = Field(
        0, ge=0, description="Most tokens of prompt and completion; 0 is what the model allows."
    )
    serve_adapters: int = Field(
        16, ge=1, le=4096, description="Adapters kept loaded; more only while all are in use."
    )
    serve_max_rank: int = Field(64, ge=1, le=512, description="Highest LoRA rank accepted.")
    serve_batch_invariant: bool = Field(
        default=False,
        description="vLLM: kernels whose results do not depend on the batch, which deterministic "
        "jobs need; slower, and on some GPUs only.",
    )
    serve_memory: float = Field(
        0.0,
        ge=0,
        le=1024,
        description="vLLM: share of GPU memory, or GiB of KV cache on a CPU; 0 is vLLM's default.",
    )
    serve_tensor_parallel: int = Field(
        1, ge=1, le=64, description="vLLM: GPUs of this machine over which the model is split."
    )
