"""Tasks, and what is wrong with those that cannot be used."""

import json

import pytest
import torch

from svc_reward.lane.kernels.oracle import Oracle
from svc_reward.lane.kernels.task import MAX_VARIANTS, ShapesError, Task, TaskError, variants

SOURCE = """
import torch
batch_size = 4
dim: int = 8
class Model(torch.nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(dim) * scale)
    def forward(self, x):
        return x * self.weight
def get_inputs():
    return [torch.randn(batch_size, dim)]
def get_init_inputs():
    return [2.0]
"""


def test_a_task_builds_and_draws() -> None:
    task = Task(SOURCE)
    assert task.arguments() == ([2.0], {})
    (x,) = task.draw(1)
    assert torch.equal(task.build(0)(x), 2 * x)
    assert torch.equal(task.draw(1)[0], x)
    assert not torch.equal(task.draw(2)[0], x)


def test_init_inputs_may_be_keywords() -> None:
    source = SOURCE.replace("return [2.0]", "return [[], {'scale': 3.0}]")
    assert Task(source).arguments() == ([], {"scale": 3.0})


def test_constants_are_replaced() -> None:
    assert Task(SOURCE, {"batch_size": 7, "dim": 3}).draw(0)[0].shape == (7, 3)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def (", "is not Python"),
        ("1 / 0", "does not load: line 1 in <module>: 1 / 0"),
        ("raise SystemExit", "does not load"),
        ("x = 1", "defines no Model, get_inputs, get_init_inputs"),
        (SOURCE.replace("def get_inputs", "def inputs"), "defines no get_inputs"),
    ],
)
def test_a_task_that_does_not_load(source: str, says: str) -> None:
    with pytest.raises(TaskError, match=says.replace("(", r"\(")):
        Task(source)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("return x * self.weight", "return x @ self.weight[:3]", "its Model raised"),
        ("return x * self.weight", "return 'x'", "its Model raised"),
        ("return x * self.weight", "return torch.rand_like(x)", "two answers"),
        ("return x * self.weight", "return torch.zeros(3)", "whatever its inputs hold"),
        ("return x * self.weight", "return (x - x) * self.weight", "whatever its inputs hold"),
        ("return [torch.randn(batch_size, dim)]", "return 1 / 0", "get_inputs raised"),
        ("return [2.0]", "return []", "Model raised"),
    ],
)
def test_a_task_that_cannot_be_used(old: str, new: str, says: str) -> None:
    with pytest.raises(TaskError, match=says):
        Oracle(SOURCE.replace(old, new), (), seed=1).examine(declared=False)


def test_an_elementwise_task_is_known() -> None:
    oracle = Oracle(SOURCE, (), seed=1)
    oracle.examine(declared=False)
    assert not oracle.accumulates
    summed = Oracle(SOURCE.replace("x * self.weight", "(x * self.weight).sum(1)"), (), seed=1)
    summed.examine(declared=False)
    assert summed.accumulates


def test_a_batch_size_is_varied_by_itself() -> None:
    (found,) = variants(SOURCE, "", 3)
    assert list(found) == ["batch_size"]
    assert found["batch_size"] != 4
    assert variants(SOURCE.replace("batch_size", "rows"), "", 3) == ()


def test_declared_shapes() -> None:
    assert variants(SOURCE, '[{"dim": 3}, {"batch_size": 1}]', 0) == (
        {"dim": 3},
        {"batch_size": 1},
    )


@pytest.mark.parametrize(
    "shapes", ["{", "3", '{"dim": 3}', "[3]", json.dumps([{"dim": 1}] * (MAX_VARIANTS + 1))]
)
def test_shapes_that_are_none(shapes: str) -> None:
    with pytest.raises(ShapesError):
        variants(SOURCE, shapes, 0)


def test_shapes_of_an_unknown_constant() -> None:
    with pytest.raises(ShapesError, match="no constant width"):
        Task(SOURCE, {"width": 3})


def test_an_undeclared_variant_that_fails_is_left_out() -> None:
    source = SOURCE.replace("return x *", "assert len(x) == 4\n        return x *")
    oracle = Oracle(source, ({"batch_size": 5},), seed=1)
    oracle.examine(declared=False)
    assert len(oracle.variants) == 1
    with pytest.raises(TaskError):
        Oracle(source, ({"batch_size": 5},), seed=1).examine(declared=True)
