"""What compiles for a GPU has to run where kernels are interpreted: one honest kernel for each gap."""

import textwrap
from collections.abc import Iterator

import pytest

from burnish.reward_spec import RewardDefinition
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, Program
from svc_reward.lane.wire import Limits, Status
from svc_reward.outcome import Outcome
from svc_reward.process_backend import ProcessBackend
from svc_reward.warm_lane import WarmLane

LIMITS = Limits(wall=60.0, memory=1 << 30)
FLOATS = "torch.randn(rows, columns)"
BFLOATS = f"{FLOATS}.to(torch.bfloat16)"
PLAIN = "kernel[(triton.cdiv(x.numel(), 64),)](x, out, x.numel(), BLOCK=64)"
TUNED = 'kernel[lambda meta: (triton.cdiv(x.numel(), meta["BLOCK"]),)](x, out, x.numel())'
CONFIGS = '[triton.Config({"BLOCK": 32}, num_warps=2), triton.Config({"BLOCK": 64}, num_warps=4)]'
RELU = "torch.relu(x[0]) * 2.0"
TWICE = "tl.maximum(x, 0.0) * 2.0"


def task(body: str, inputs: str = FLOATS, columns: int = 33) -> str:
    return textwrap.dedent(
        f"""
        import torch
        rows, columns = 32, {columns}
        class Model(torch.nn.Module):
            def forward(self, *x):
                return {body}
        def get_inputs():
            return [{inputs}]
        def get_init_inputs():
            return []
        """
    )


def elementwise(
    value: str = TWICE,
    *,
    imports: str = "",
    decorator: str = "",
    before: str = "pass",
    host: str = "pass",
    launch: str = PLAIN,
) -> str:
    return f"""
import torch
import triton
import triton.language as tl
{imports}
{decorator}
@triton.jit
def kernel(x_ptr, out_ptr, size, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < size
    x = tl.load(x_ptr + offsets, mask=mask, other=0.0)
    {before}
    tl.store(out_ptr + offsets, {value}, mask=mask)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        {host}
        out = torch.empty_like(x)
        {launch}
        return out
"""


def blocks(load: str, store: str, arguments: str, parameters: str) -> str:
    """A kernel of two-dimensional blocks."""
    return f"""
import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

@triton.jit
def kernel({parameters}, M: tl.constexpr, N: tl.constexpr):
    row, column = tl.program_id(0) * M, tl.program_id(1) * N
    x = {load}
    value = tl.maximum(x, 0.0) * 2.0
    {store}

class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        m, n = x.shape
        kernel[(triton.cdiv(m, 4), triton.cdiv(n, 16))]({arguments}, M=4, N=16)
        return out
"""


def pointer(name: str) -> str:
    return f"tl.make_block_ptr({name}, (m, n), (n, 1), (row, column), (M, N), (1, 0))"


def descriptor(name: str) -> str:
    return f"tl.make_tensor_descriptor({name}, shape=[m, n], strides=[n, 1], block_shape=[M, N])"


MATMUL = """
import torch
import triton
import triton.language as tl

@triton.jit
def kernel(x_ptr, out_ptr, BLOCK: tl.constexpr):
    line = tl.arange(0, BLOCK)
    square = line[:, None] * BLOCK + line[None, :]
    x = tl.load(x_ptr + square)
    sums = tl.dot(x, tl.trans(x), tl.zeros((BLOCK, BLOCK), tl.float32))
    tl.store(out_ptr + square, sums.to(out_ptr.dtype.element_ty))

class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        kernel[(1,)](x, out, BLOCK=32)
        return out
"""
HISTOGRAM = """
import torch
import triton
import triton.language as tl

@triton.jit
def kernel(x_ptr, out_ptr, size, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets, mask=offsets < size, other=15)
    bins = tl.arange(0, 16)
    tl.store(out_ptr + bins, tl.histogram(x, 16), mask=bins < 8)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.empty(8, dtype=torch.int32, device=x.device)
        kernel[(1,)](x, out, x.numel(), BLOCK=2048)
        return out
"""
PORTABLE = "from triton.language.extra import libdevice"
NVIDIA = "from triton.language.extra.cuda import libdevice"
TANH = task("torch.tanh(x[0])")
GELU = task("torch.nn.functional.gelu(x[0])")

BFLOAT16 = {
    "bf16 with scalars": (elementwise("x * 2.0 + 1.0"), task("x[0] * 2.0 + 1.0", BFLOATS)),
    "bf16 compared": (elementwise("tl.where(x > 0, x, 0.0)"), task("torch.relu(x[0])", BFLOATS)),
    "bf16 negated": (elementwise("-x * x - 3"), task("-x[0] * x[0] - 3", BFLOATS)),
    "bf16 full": (
        elementwise("ones + x", before="ones = tl.full((BLOCK,), 1.0, dtype=tl.bfloat16)"),
        task("x[0] + 1.0", BFLOATS),
    ),
    "bf16 from integers": (
        elementwise("x + (offsets * 0 + 2).to(tl.bfloat16)"),
        task("x[0] + 2.0", BFLOATS),
    ),
    "bf16 dot": (MATMUL, task("x[0] @ x[0].T", BFLOATS, columns=32)),
}
LIBDEVICE = {
    "libdevice": (elementwise("libdevice.tanh(x)", imports=PORTABLE), TANH),
    "libdevice of cuda": (elementwise("libdevice.tanh(x)", imports=NVIDIA), TANH),
    "tl.extra.cuda.libdevice": (elementwise("tl.extra.cuda.libdevice.tanh(x)"), TANH),
    "tl.extra.libdevice": (elementwise("tl.extra.libdevice.tanh(x)"), TANH),
    "a function of libdevice": (
        elementwise("tanh(x)", imports="from triton.language.extra.libdevice import tanh"),
        TANH,
    ),
    "libdevice.erf": (
        elementwise("0.5 * x * (1 + libdevice.erf(x * 0.70710678))", imports=PORTABLE),
        GELU,
    ),
    "libdevice.pow": (
        elementwise("libdevice.pow(tl.abs(x) + 0.5, 1.5)", imports=PORTABLE),
        task("(x[0].abs() + 0.5) ** 1.5"),
    ),
    "libdevice.rsqrt": (
        elementwise("libdevice.rsqrt(libdevice.fast_expf(x) + 1)", imports=PORTABLE),
        task("torch.rsqrt(x[0].exp() + 1)"),
    ),
    "libdevice.isnan": (
        elementwise("tl.where(libdevice.isnan(x), 0.0, libdevice.log1p(x * x))", imports=PORTABLE),
        task("torch.log1p(x[0] * x[0])"),
    ),
}
LANGUAGE = {
    "flip": (elementwise("tl.flip(tl.flip(x, 0), 0) * 2.0"), task("x[0] * 2.0")),
    "histogram": (
        HISTOGRAM,
        task(
            "torch.bincount(x[0].flatten(), minlength=8).to(torch.int32)",
            "torch.randint(0, 8, (rows, columns), dtype=torch.int32)",
        ),
    ),
    "device_assert": (
        elementwise(before="tl.device_assert(size > 0, 'size')\n    tl.debug_barrier()"),
        task(RELU),
    ),
    "num_programs": (elementwise(before="tl.assume(tl.num_programs(0) > 0)"), task(RELU)),
    "block pointers": (
        blocks(
            f"tl.load({pointer('x_ptr')}, boundary_check=(0, 1), padding_option='zero')",
            f"tl.store({pointer('out_ptr')}, value, boundary_check=(0, 1))",
            "x, out, m, n",
            "x_ptr, out_ptr, m, n",
        ),
        task(RELU),
    ),
    "descriptors made in the kernel": (
        blocks(
            f"{descriptor('x_ptr')}.load([row, column])",
            f"{descriptor('out_ptr')}.store([row, column], value)",
            "x, out, m, n",
            "x_ptr, out_ptr, m, n",
        ),
        task(RELU, columns=32),
    ),
    "descriptors made by the host": (
        blocks(
            "source.load([row, column])",
            "target.store([row, column], value)",
            "TensorDescriptor.from_tensor(x, [4, 16]), TensorDescriptor.from_tensor(out, [4, 16])",
            "source, target",
        ),
        task(RELU, columns=32),
    ),
}
HOST = {
    "cuda()": (elementwise(host="x = x.cuda(non_blocking=True).contiguous()"), task(RELU)),
    "to('cuda')": (elementwise(host="x = x.to('cuda').to(device='cuda:0')"), task(RELU)),
    "devices": (
        elementwise(
            host="assert x.device == torch.device('cuda', 0) and x.get_device() == 0",
            launch=f"with torch.cuda.device(x.device.index):\n            {PLAIN}",
        ),
        task(RELU),
    ),
    "a default device": (
        elementwise(
            host="with torch.device('cuda'):\n            assert torch.empty(3).is_cuda",
        ),
        task(RELU),
    ),
    "the current stream": (
        elementwise(
            host="torch.cuda.current_stream(x.device).synchronize(); torch.cuda.synchronize()"
        ),
        task(RELU),
    ),
    "events": (
        elementwise(host="event = torch.cuda.Event(enable_timing=True); event.record()"),
        task(RELU),
    ),
    "ranges": (elementwise(host="torch.cuda.nvtx.range_push('relu')"), task(RELU)),
    "multiprocessors": (
        elementwise(
            host="assert torch.cuda.get_device_properties(x.device).multi_processor_count > 0"
        ),
        task(RELU),
    ),
    "launch options": (
        elementwise(launch=PLAIN.replace("BLOCK=64", "BLOCK=64, num_warps=8, num_stages=3")),
        task(RELU),
    ),
    "heuristics": (
        elementwise(
            decorator='@triton.heuristics({"BLOCK": lambda a: triton.next_power_of_2(a["size"])})',
            launch=TUNED,
        ),
        task(RELU),
    ),
    "autotune, pruned": (
        elementwise(
            decorator=f"@triton.autotune({CONFIGS}, key=['size'], prune_configs_by="
            "{'early_config_prune': lambda configs, named, **kw: configs[1:]})",
            launch=TUNED,
        ),
        task(RELU),
    ),
    "autotune, modelled": (
        elementwise(
            decorator=f"@triton.autotune({CONFIGS}, key=['size'], prune_configs_by="
            "{'perf_model': lambda **kw: 1.0, 'top_k': 1})",
            launch=TUNED,
        ),
        task(RELU),
    ),
}
GAPS = {**BFLOAT16, **LIBDEVICE, **LANGUAGE, **HOST}


@pytest.fixture(scope="module")
def lane() -> Iterator[WarmLane]:
    backend = ProcessBackend(RewardSettings(sandbox="process"))
    lane = WarmLane.start(backend, Program.triton(RewardDefinition(preset="triton")).lane_class)
    yield lane
    lane.close()
    backend.close()


def judge(lane: WarmLane, completion: str, source: str) -> Outcome:
    program = Program.triton(RewardDefinition(preset="triton"))
    payload = program.payload(Case("p", completion, {"task": source}), seed=7)
    return lane.evaluate(payload, LIMITS._replace(workers=program.workers))


@pytest.mark.parametrize("gap", GAPS)
def test_honest(lane: WarmLane, gap: str) -> None:
    result = judge(lane, *GAPS[gap])
    assert (result.status, result.value, result.flags) == (Status.OK, 1.0, ()), result


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (BFLOAT16["bf16 dot"], ("tl.trans(x)", "x")),
        (BFLOAT16["bf16 with scalars"], ("+ 1.0", "+ 1.125")),
        (LIBDEVICE["libdevice"], ("tanh(x)", "atan(x)")),
        (LANGUAGE["descriptors made in the kernel"], ("* 2.0", "* 2.1")),
    ],
)
def test_wrong(lane: WarmLane, right: tuple[str, str], wrong: tuple[str, str]) -> None:
    completion, source = right
    assert wrong[0] in completion
    result = judge(lane, completion.replace(*wrong), source)
    assert (result.parts["ran"], result.parts["correct"]) == (1.0, 0.0), result


def test_what_does_not_compile_is_not_made_to_run(lane: WarmLane) -> None:
    result = judge(lane, elementwise("tl.math.tanh(x)"), TANH)
    assert result.parts["compiled"] == result.parts["correct"] == 0.0


def test_what_cannot_be_interpreted_is_named(lane: WarmLane) -> None:
    result = judge(lane, elementwise("libdevice.j0(x)", imports=PORTABLE), TANH)
    assert "__nv_j0f of libdevice cannot be interpreted" in result.message
