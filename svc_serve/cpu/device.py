"""Where the built-in engine computes, and in what precision."""

import torch

from burnish.errors import SetupError

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def choose_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one.

    Raises:
        SetupError: PyTorch does not know the device, or it is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SetupError(f"device {name!r} cannot be used: {error}") from error
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 where the device multiplies it natively, float32 where it is emulated.

    On a CPU without AVX512-BF16 or AMX, bfloat16 products are several times slower than float32.
    """
    if name != "auto":
        return DTYPES[name]
    if device.type != "cpu":
        return torch.bfloat16
    capabilities = torch.cpu.get_capabilities()
    native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if native else torch.float32
