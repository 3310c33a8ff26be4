"""Running out of memory: how it shows, and what it is worth another try with."""

import gc

import torch

# What a failed allocation says on a CPU: there is no type of its own for it.
_CPU_WORDS = ("can't allocate memory", "not enough memory", "Cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on whichever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _CPU_WORDS)


def release() -> None:
    """Give back what no tensor uses any more. Call it after the error's traceback is gone."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
