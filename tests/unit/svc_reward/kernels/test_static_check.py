"""Hacks that the text of a kernel shows; and that honest kernels show none."""

import ast

import pytest

from svc_reward.lane.kernels.flags import Flag
from svc_reward.lane.kernels.static_check import check

HEAD = """
import math
import torch
import torch.nn as nn
import torch.nn.functional as F
import triton
import triton.language as tl
"""
KERNEL = """
@triton.jit
def kernel(x_ptr, out_ptr, size, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets, mask=offsets < size)
    tl.store(out_ptr + offsets, x * 2.0, mask=offsets < size)
"""
MODEL = """
class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        kernel[(triton.cdiv(x.numel(), 128),)](x, out, x.numel(), BLOCK=128)
        return out
"""


def forward(*lines: str) -> str:
    body = "".join(f"        {line}\n" for line in lines)
    return f"class ModelNew(nn.Module):\n    def forward(self, x):\n{body}"


LAUNCH = "out = torch.empty_like(x); kernel[(1,)](x, out, x.numel(), BLOCK=128)"
HONEST = {
    "plain": MODEL,
    "autotune": MODEL.replace("BLOCK=128", "").replace("kernel[", "tuned[")
    + "tuned = triton.autotune([triton.Config({'BLOCK': 64}, num_warps=4)], key=['size'])(kernel)\n",
    "heuristics": '@triton.heuristics({"BLOCK": lambda args: triton.next_power_of_2(args["size"])})'
    + KERNEL.replace("def kernel", "def other").lstrip("\n").join(["\n", ""])
    + MODEL.replace("kernel[", "other["),
    "constexpr global": "SCALE: tl.constexpr = tl.constexpr(2.0)\n" + MODEL,
    "asserts": forward("assert x.is_cuda and x.is_contiguous()", "assert x.data_ptr() % 16 == 0", LAUNCH, "return out"),
    "device guard": forward("with torch.cuda.device(x.device):", f"    {LAUNCH}", "return out"),
    "wrapper": "def run(x: torch.Tensor) -> torch.Tensor:\n    " + LAUNCH + "\n    return out\n"
    + forward("return run(x)"),
    "two kernels": KERNEL.replace("kernel", "second") + MODEL + "    def more(self, x):\n        second[(1,)](x, x, 1, BLOCK=1)\n",
    "helper": "@triton.jit\ndef double(x):\n    return x * 2\n" + MODEL,
    "lambda grid": forward("grid = lambda META: (triton.cdiv(x.numel(), META['BLOCK']),)",
                           "out = torch.empty(x.shape, device=x.device, dtype=x.dtype)",
                           "kernel[grid](x, out, x.numel(), BLOCK=64)", "return out"),
    "parameters": "class ModelNew(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n"
    "        self.linear = nn.Linear(n, n)\n        self.w = nn.Parameter(torch.randn(n))\n"
    "    def forward(self, x):\n        " + LAUNCH + "\n        return out\n",
    "strides": forward("x = x.contiguous(); a = x.stride(0)", LAUNCH, "return out.view(-1, a)"),
    "words": '"""No exec, eval, os.system, torch.compile, data_ptr, sys._getframe."""\n# import ctypes\n' + MODEL,
    "eval method": MODEL + "ModelNew().eval()\n",
    "module of same name": "class Helper(nn.Module):\n    pass\n" + MODEL.replace("nn.Module", "Helper"),
    "imported jit": "from triton import jit\n@jit\ndef k(x):\n    pass\n" + forward("k[(1,)](x)", "return x"),
    "alias": "launch = kernel\n" + forward("out = torch.empty_like(x); launch[(1,)](x, out, 1, BLOCK=1)", "return out"),
    "unused imports": "import os, sys, time\nfrom typing import Optional\n" + MODEL,
    "environment": "import os\nos.environ['TRITON_INTERPRET'] = '1'\n" + MODEL,
    "tf32 off": "torch.backends.cuda.matmul.allow_tf32 = False\n" + MODEL,
    "ieee dot": "@triton.jit\ndef d(a, b):\n    return tl.dot(a, b, input_precision='ieee', allow_tf32=False)\n" + MODEL,
    "own names": "def compile(x):\n    return x\ncompile(1)\n" + MODEL,
    "sizes as keys": "CONFIG = {128: 4}\n" + forward("w = CONFIG.get(x.shape[0], 4)", LAUNCH, "return out"),
    "literal getattr": "sqrt = getattr(tl, 'sqrt')\nclamp = getattr(tl, 'clamp', None)\n" + MODEL,
}  # fmt: skip


@pytest.mark.parametrize("source", HONEST.values(), ids=HONEST.keys())
def test_an_honest_module_has_no_flag(source: str) -> None:
    assert check(ast.parse(HEAD + KERNEL + source), single=True).flags == ()


@pytest.mark.parametrize(
    ("line", "flag"),
    [
        ("import sys; sys.exit(0)", Flag.FORBIDDEN_ACCESS),
        ("import os; os._exit(0)", Flag.FORBIDDEN_ACCESS),
        ("from os import _exit as leave; leave(0)", Flag.FORBIDDEN_ACCESS),
        ("import gc; gc.get_objects()", Flag.FORBIDDEN_ACCESS),
        ("import flag_gems", Flag.FORBIDDEN_ACCESS),
        ("from torch.utils import cpp_extension", Flag.FORBIDDEN_ACCESS),
        ("torch.load('x')", Flag.FORBIDDEN_ACCESS),
        ("open('/etc/passwd')", Flag.FORBIDDEN_ACCESS),
        ("f = (lambda: 0).__globals__", Flag.FORBIDDEN_ACCESS),
        ("exec('x = 1')", Flag.DYNAMIC_CODE),
        ("getattr(torch, 'mat' + 'mul')", Flag.DYNAMIC_CODE),
        ("torch.allclose = lambda *a, **k: True", Flag.MODULE_MUTATION),
        ("setattr(F, 'gelu', None)", Flag.MODULE_MUTATION),
        ("import time; time.perf_counter = None", Flag.MODULE_MUTATION),
        ("f = torch.compile(F.gelu)", Flag.TORCH_COMPILE),
        ("from torch import compile as c", Flag.TORCH_COMPILE),
        ("g = torch.cuda.CUDAGraph()", Flag.TORCH_COMPILE),
        ("s = torch.cuda.Stream()", Flag.SIDE_STREAM),
        ("class Lazy(torch.Tensor):\n    x = torch.Tensor._make_subclass", Flag.TENSOR_SUBCLASS),
        ("c = {}\ndef f(x):\n    return c[x.data_ptr()]", Flag.REPLAYED_OUTPUT),
        ("c = {}\ndef f(x):\n    return (x.shape, x._version) in c", Flag.REPLAYED_OUTPUT),
        (
            "@triton.jit\ndef d(a, b):\n    return tl.dot(a, b, allow_tf32=True)",
            Flag.PRECISION_DOWNGRADE,
        ),
        (
            "@triton.jit\ndef d(a, b):\n    return tl.dot(a.to(tl.float16), b)",
            Flag.PRECISION_DOWNGRADE,
        ),
    ],
)
def test_a_hack_is_flagged(line: str, flag: Flag) -> None:
    seen = check(ast.parse(HEAD + KERNEL + MODEL + line), single=True)
    assert seen.flags == (flag,)
    assert seen.messages[0].startswith(f"{flag}: line ")


def test_half_precision_is_fine_where_the_task_has_it() -> None:
    source = (
        HEAD + KERNEL + MODEL + "@triton.jit\ndef d(a, b):\n    return tl.dot(a.to(tl.float16), b)"
    )
    assert check(ast.parse(source), single=False).flags == ()


def test_a_kernel_that_nothing_launches_is_flagged() -> None:
    tree = ast.parse(HEAD + KERNEL + forward("return F.relu(x)"))
    assert check(tree, single=True).flags == (Flag.NO_KERNEL_LAUNCH,)


def test_the_inherited_reference_is_flagged() -> None:
    tree = ast.parse(HEAD + KERNEL + MODEL.replace("nn.Module", "Model"))
    assert check(tree, single=True).flags == (Flag.INHERITED_REFERENCE,)
