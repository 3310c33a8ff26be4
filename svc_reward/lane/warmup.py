"""What a zygote judges before its first job: the first of anything is slow, and every child would pay.

Trusted sources of ours. The second one halves the cost of judging a Triton kernel: importing Triton
is not enough, its interpreter loads and caches much more at the first launch.
"""

import json

PLAIN = "def reward(p, c, e): return 1"

TRITON = '''
import linecache

import torch

KERNEL = """
import triton
import triton.language as tl

@triton.jit
def warm(pointer, size, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < size
    x = tl.load(pointer + offsets, mask=mask)
    tl.store(pointer + offsets, tl.maximum(tl.exp(x), 0.0) * 2.0 + x, mask=mask)
"""


def reward(p, c, e):
    linecache.cache["warm.py"] = (len(KERNEL), None, KERNEL.splitlines(True), "warm.py")
    module = {}
    exec(compile(KERNEL, "warm.py", "exec"), module)
    x = torch.randn(8)
    module["warm"][(1,)](x, 8, BLOCK=8)
    torch.allclose(x, x.clone())
    del linecache.cache["warm.py"]
    return 1
'''


def job(source: str) -> bytes:
    """The job that `runner.judge` takes."""
    parts = {
        "kind": "function",
        "source": source,
        "entry": "reward",
        "prompt": "",
        "completion": "",
        "example": {},
    }
    return json.dumps(parts).encode()
