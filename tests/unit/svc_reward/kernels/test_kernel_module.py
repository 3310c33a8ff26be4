"""What the compiler gets of a candidate's module."""

import ast

from svc_reward.lane.kernels import compiler
from svc_reward.lane.kernels.kernel_module import extract
from svc_reward.lane.kernels.reports import Launch

SOURCE = """\
import os, triton; import torch
import triton.language as tl
print("no")
SCALE: tl.constexpr = tl.constexpr(2.0)
HUGE = 9 ** 9 ** 9
CALLED = len("no")
@triton.autotune(configs=[triton.Config({"BLOCK": 64})], key=["size"])
@triton.jit
def kernel(
    x_ptr, out_ptr, size, BLOCK: tl.constexpr
):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets, mask=offsets < size)
    tl.store(out_ptr + offsets, x * SCALE, mask=offsets < size)
@triton.jit
def odd(x_ptr, size=print("no")):
    pass
class ModelNew(torch.nn.Module):
    pass
"""


def test_nothing_but_kernels_and_constants_is_left() -> None:
    source = extract(SOURCE, ast.parse(SOURCE)).source
    for gone in ("os", "torch", "print", "HUGE", "CALLED", "autotune", "odd", "ModelNew"):
        assert gone not in {
            node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)
        }
        assert f"{gone}(" not in source
    assert "import os" not in source


def test_kernels_stay_on_their_lines() -> None:
    source = extract(SOURCE, ast.parse(SOURCE)).source
    assert source.split("\n")[8] == "def kernel("


def test_the_text_compiles_to_a_binary() -> None:
    kinds = (("x_ptr", "*fp32"), ("out_ptr", "*fp32"), ("size", "i32"), ("BLOCK", "constexpr"))
    launch = Launch("kernel", kinds, ("", "", "", "=64"), "{}")
    found = compiler.load(extract(SOURCE, ast.parse(SOURCE)).source)
    result = compiler.compile_one(found, launch, compiler.DEFAULT_TARGET)
    assert result.ok, result.text
