"""Kernels in real lanes: honest, wrong, faked and hostile ones, and whoever comes after them."""

import textwrap
from collections.abc import Callable, Iterator

import pytest

from burnish.reward_spec import RewardDefinition
from svc_reward.backend import Backend
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, Program
from svc_reward.docker_backend import DockerBackend
from svc_reward.lane.wire import Limits, Status
from svc_reward.outcome import Outcome
from svc_reward.process_backend import ProcessBackend
from svc_reward.warm_lane import WarmLane

Judge = Callable[..., Outcome]

LIMITS = Limits(wall=60.0, memory=1 << 30)
BRIEF = LIMITS._replace(wall=6.0)
IMPORTS = "import torch\nimport triton\nimport triton.language as tl\n"
STAGES = ("format", "compiled", "ran", "correct")


def task(body: str, inputs: str = "torch.randn(rows, columns)") -> str:
    return textwrap.dedent(
        f"""
        import torch
        rows, columns = 5, 33
        batch_size = rows
        class Model(torch.nn.Module):
            def forward(self, *x):
                return {body}
        def get_inputs():
            return [{inputs}]
        def get_init_inputs():
            return []
        """
    )


RELU_TASK = task("torch.relu(x[0]) * 2.0")
RELU = (
    IMPORTS
    + """
@triton.jit
def relu(x_ptr, out_ptr, size, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < size
    x = tl.load(x_ptr + offsets, mask=mask)
    tl.store(out_ptr + offsets, tl.maximum(x, 0.0) * 2.0, mask=mask)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        assert x.is_cuda
        out = torch.empty(x.shape, dtype=x.dtype, device="cuda")
        relu[(triton.cdiv(x.numel(), 64),)](x, out, x.numel(), BLOCK=64)
        return out
"""
)
SOFTMAX = (
    IMPORTS
    + """
@triton.jit
def softmax(x_ptr, out_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    offsets = tl.arange(0, BLOCK)
    mask = offsets < columns
    x = tl.load(x_ptr + row * columns + offsets, mask=mask, other=-float("inf"))
    e = tl.exp(x - tl.max(x, axis=0))
    tl.store(out_ptr + row * columns + offsets, e / tl.sum(e, axis=0), mask=mask)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        softmax[(x.shape[0],)](x, out, x.shape[1], BLOCK=triton.next_power_of_2(x.shape[1]))
        return out
"""
)
MATMUL = (
    IMPORTS
    + """
@triton.autotune([triton.Config({"B": 16}), triton.Config({"B": 32})], key=["m", "n", "k"])
@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, m, n, k, B: tl.constexpr):
    rows = tl.program_id(0) * B + tl.arange(0, B)
    columns = tl.program_id(1) * B + tl.arange(0, B)
    sums = tl.zeros((B, B), dtype=tl.float32)
    for start in range(0, k, B):
        inner = start + tl.arange(0, B)
        a = tl.load(a_ptr + rows[:, None] * k + inner[None, :],
                    mask=(rows[:, None] < m) & (inner[None, :] < k), other=0.0)
        b = tl.load(b_ptr + inner[:, None] * n + columns[None, :],
                    mask=(inner[:, None] < k) & (columns[None, :] < n), other=0.0)
        sums += tl.dot(a, b, input_precision="ieee")
    tl.store(c_ptr + rows[:, None] * n + columns[None, :], sums,
             mask=(rows[:, None] < m) & (columns[None, :] < n))

class ModelNew(torch.nn.Module):
    def forward(self, a, b):
        (m, k), n = a.shape, b.shape[1]
        c = torch.empty((m, n), device=a.device, dtype=a.dtype)
        grid = lambda meta: (triton.cdiv(m, meta["B"]), triton.cdiv(n, meta["B"]))
        matmul[grid](a, b, c, m, n, k)
        return c
"""
)
MATMUL_TASK = task("x[0] @ x[1]", "torch.randn(rows, columns), torch.randn(columns, 20)")


class Lanes:
    """One warm lane at a time, replaced when it says that it is not clean."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.lane: WarmLane | None = None

    def judge(
        self,
        completion: str,
        source: str | None = RELU_TASK,
        *,
        limits: Limits = LIMITS,
        seed: int = 7,
        options: dict[str, object] | None = None,
        **columns: str,
    ) -> Outcome:
        definition = RewardDefinition(preset="triton", options=options or {})
        program = Program.triton(definition)
        if self.lane is None or not self.lane.usable:
            self.close()
            self.lane = WarmLane.start(self.backend, program.lane_class)
        example = columns if source is None else {"task": source, **columns}
        payload = program.payload(Case("p", completion, example), seed=seed)
        return self.lane.evaluate(payload, limits._replace(workers=program.workers))

    def close(self) -> None:
        if self.lane is not None:
            self.lane.close()


@pytest.fixture(
    scope="module", params=["process", pytest.param("docker", marks=pytest.mark.docker)]
)
def lanes(request: pytest.FixtureRequest) -> Iterator[Lanes]:
    settings = RewardSettings(sandbox=request.param)
    backend: Backend = (
        DockerBackend(settings) if request.param == "docker" else ProcessBackend(settings)
    )
    lanes = Lanes(backend)
    yield lanes
    lanes.close()
    backend.close()


@pytest.fixture
def judge(lanes: Lanes) -> Iterator[Judge]:
    """Judges; afterwards, the next evaluation must be as if nothing had happened."""
    yield lanes.judge
    after = lanes.judge(RELU)
    assert (after.status, after.value, after.flags) == (Status.OK, 1.0, ()), after


def stages(result: Outcome) -> list[float]:
    return [result.parts[name] for name in STAGES]


@pytest.mark.parametrize(
    ("completion", "source"),
    [
        pytest.param(RELU, RELU_TASK, id="elementwise"),
        pytest.param(f"Here it is:\n```python\n{RELU}```\nDone.", RELU_TASK, id="fenced"),
        pytest.param(SOFTMAX, task("torch.softmax(x[0], 1)"), id="softmax"),
        pytest.param(MATMUL, MATMUL_TASK, id="autotuned matmul"),
    ],
)
def test_honest(judge: Judge, completion: str, source: str) -> None:
    result = judge(completion, source)
    assert (result.status, result.value, result.flags) == (Status.OK, 1.0, ()), result
    assert stages(result) == [1.0] * 4
    assert "speedup" not in result.parts
    assert result.parts["launches"] == 1.0
    assert result.parts["bytes_moved"] > 0


def test_dot_products_are_counted(judge: Judge) -> None:
    assert judge(MATMUL, MATMUL_TASK).parts["dot_flops"] > 0


def test_a_seed_repeats_an_evaluation(judge: Judge) -> None:
    wrong = RELU.replace("* 2.0", "* 2.5")
    first, again, other = judge(wrong), judge(wrong), judge(wrong, seed=8)
    assert first.message == again.message
    assert first.message != other.message


@pytest.mark.parametrize(
    ("old", "new", "passed", "says"),
    [
        ("* 2.0", "* 3.0", [1, 1, 1, 0], "elements are wrong"),
        ("x.shape, dtype", "x.shape[:1], dtype", [1, 1, 0, 0], "outside of the kernel's tensors"),
        ("return out", "return out[:2]", [1, 1, 1, 0], "shape [2, 33] instead of"),
        ("return out", "return out.to(torch.float16)", [1, 1, 1, 0], "torch.float16 instead of"),
        ("return out", "raise ValueError('mine')", [1, 1, 0, 0], "ValueError: mine"),
        ("tl.maximum(x, 0.0)", "tl.maxi(x, 0.0)", [1, 0, 0, 0], "maxi"),
        ("def forward(self, x)", "def forward(self)", [1, 0, 0, 0], "TypeError"),
    ],
)
def test_wrong(judge: Judge, old: str, new: str, passed: list[int], says: str) -> None:
    assert old in RELU
    result = judge(RELU.replace(old, new))
    assert result.status is Status.OK
    assert stages(result) == passed, result
    assert says in result.message


def test_prose_has_no_format(judge: Judge) -> None:
    result = judge("I would rather not.")
    assert (result.status, result.value, stages(result)) == (Status.OK, 0.0, [0.0] * 4)


def test_plain_pytorch_behind_a_decoy_kernel(judge: Judge) -> None:
    result = judge(RELU.replace("return out", "return torch.relu(x) * 2.0"))
    assert (result.status, result.value) == (Status.OK, 0.0)
    assert result.flags


@pytest.mark.parametrize(
    ("attack", "status"),
    [
        ("while True: pass", Status.TIMEOUT),
        ("__import__('time').sleep(99)", Status.TIMEOUT),
        ("__import__('os')._exit(0)", Status.CRASH),
        ("__import__('os').kill(__import__('os').getpid(), 11)", Status.CRASH),
        ("torch.zeros(1 << 40)", Status.MEMORY_LIMIT),
        ("x = [torch.ones(1 << 22) for _ in range(10_000)]", Status.MEMORY_LIMIT),
        ("__import__('socket').create_connection(('1.1.1.1', 80))", Status.BLOCKED),
    ],
)
def test_hostile(judge: Judge, attack: str, status: Status) -> None:
    """Its own fault, with the parts that say so, unless its text gives it away at once."""
    limits = BRIEF if status is Status.TIMEOUT else LIMITS
    body = RELU.replace("assert x.is_cuda", attack)
    result = judge(body, limits=limits)
    if result.flags:
        assert (result.status, result.value) == (Status.OK, 0.0)
        return
    assert result.status is status, result
    assert result.value is None
    assert result.blames_completion
    assert result.parts["correct"] == 0.0


def test_a_kernel_that_never_ends(judge: Judge) -> None:
    endless = RELU.replace(
        "    x = tl.load", "    while size > 0:\n        size += 0\n    x = tl.load"
    )
    result = judge(endless, limits=BRIEF)
    assert result.status is Status.TIMEOUT, result
    assert result.blames_completion


def test_without_compilation(judge: Judge) -> None:
    result = judge(RELU, options={"compile": False, "weights": {"correct": 1.0}})
    assert (result.status, result.value) == (Status.OK, 1.0), result
    assert "compiled" not in result.parts


def test_what_only_the_interpreter_runs_is_not_correct(judge: Judge) -> None:
    python = RELU.replace("    mask = offsets < size", "    mask = offsets < int(str(size))")
    result = judge(python)
    assert result.value == 0.1, result
    assert stages(result)[1] == 0.0


def test_more_trials(judge: Judge) -> None:
    few, many = (judge(RELU, options={"trials": count}) for count in (1, 9))
    assert few.value == many.value == 1.0
    assert int(many.message.split(" hidden")[0].split()[-1]) >= 11


def test_a_template(judge: Judge) -> None:
    slot = "tl.maximum(x, 0.0) * 2.0"
    template = RELU.replace(slot, "{{completion}}")
    assert judge(slot, template=template).value == 1.0
    assert judge("tl.maximum(x, 0.0)", template=template).parts["correct"] == 0.0


def test_declared_shapes(judge: Judge) -> None:
    source = RELU_TASK.replace("rows, columns = 5, 33", "rows = 5\ncolumns = 33")
    assert judge(RELU, source, shapes='[{"columns": 100}, {"rows": 1}]').value == 1.0
    fixed = RELU.replace("relu[(triton.cdiv(x.numel(), 64),)]", "relu[(3,)]")
    result = judge(fixed, source, shapes='[{"columns": 100}]')
    assert result.parts["correct"] == 0.0


@pytest.mark.parametrize(
    ("source", "columns", "says"),
    [
        (None, {}, "example.task: is missing"),
        ("", {}, "example.task: is missing"),
        ("def (", {}, "example.task: is not Python"),
        (task("1 / 0"), {}, "example.task: its Model raised"),
        (task("x[0] * 0.0"), {}, "example.task: its Model gives the same answer"),
        (RELU_TASK, {"shapes": "3"}, "example.shapes: is no list"),
        (RELU_TASK, {"shapes": '[{"width": 3}]'}, "example.shapes: the task has no constant"),
        (RELU_TASK, {"template": "x = 1"}, "example.template: "),
    ],
)
def test_the_example_is_at_fault(
    judge: Judge, source: str | None, columns: dict[str, str], says: str
) -> None:
    result = judge(RELU, source, **columns)
    assert result.status is Status.ERROR, result
    assert result.message.startswith(says)
    assert not result.parts
    assert not result.blames_completion
