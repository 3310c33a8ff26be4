"""How a model is asked for a kernel."""

_EXAMPLE_TASK = """\
import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, x, y):
        return torch.relu(x + y)


def get_inputs():
    return [torch.randn(33, 70), torch.randn(33, 70)]


def get_init_inputs():
    return []
"""

_EXAMPLE_ANSWER = """\
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def add_relu_kernel(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < n
    x = tl.load(x_ptr + offsets, mask=mask)
    y = tl.load(y_ptr + offsets, mask=mask)
    tl.store(out_ptr + offsets, tl.maximum(x + y, 0.0), mask=mask)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, x, y):
        x, y = x.contiguous(), y.contiguous()
        out = torch.empty_like(x)
        n = out.numel()
        add_relu_kernel[(triton.cdiv(n, 1024),)](x, y, out, n, BLOCK=1024)
        return out
"""

_RULES = """\
Rewrite the PyTorch module `Model` as `ModelNew`, with Triton kernels that you write yourself.

- `ModelNew` takes the same arguments as `Model`, in `__init__` and in `forward`, and returns the same \
values with the same shapes and dtypes, for inputs of other sizes too.
- Parameters keep their names, so that a state dict of `Model` loads into `ModelNew`.
- All arithmetic happens in kernels decorated with `@triton.jit`; PyTorch may only allocate, reshape \
and copy.
- Mask every load and store that could run past the end of a tensor.
- Answer with one complete Python module in a single ```python block: imports, kernels, `ModelNew`."""


def ask(source: str) -> str:
    """The prompt for a task."""
    return "\n\n".join(
        (
            _RULES,
            f"For example, for\n\n```python\n{_EXAMPLE_TASK}```",
            f"the answer is\n\n```python\n{_EXAMPLE_ANSWER}```",
            f"Now rewrite\n\n```python\n{source.strip()}\n```",
        )
    )
