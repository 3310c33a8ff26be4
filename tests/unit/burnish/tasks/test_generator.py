"""Generated tasks are different, the same for the same seed, and sane when they are executed."""

import ast
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from burnish.errors import UserError
from burnish.tasks import KernelTask, examine, generator
from burnish.tasks.generator import LEVELS, generate

COUNT = 60


@pytest.fixture(scope="module", params=LEVELS)
def tasks(request: pytest.FixtureRequest) -> tuple[KernelTask, ...]:
    return tuple(generate(levels=[request.param], count=COUNT, seed=11))


def outputs(source: str, sizes: Mapping[str, int], seed: int) -> torch.Tensor:
    names: dict[str, Any] = {}
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            node.value = (
                ast.parse(str(sizes.get(node.targets[0].id, ast.unparse(node.value)))).body[0].value
            )  # type: ignore[attr-defined]
    exec(compile(ast.fix_missing_locations(tree), "task", "exec"), names)
    torch.manual_seed(seed)
    result = names["Model"](*names["get_init_inputs"]())(*names["get_inputs"]())
    assert isinstance(result, torch.Tensor)
    return result


def test_all_are_valid_and_different(tasks: tuple[KernelTask, ...]) -> None:
    assert len({task.source for task in tasks}) == len({task.id for task in tasks}) == COUNT
    for task in tasks:
        examine(task.source)


def test_all_compute_something_that_depends_on_the_inputs(tasks: tuple[KernelTask, ...]) -> None:
    for task in tasks:
        for sizes in ({}, *task.shapes):
            one, other = outputs(task.source, sizes, 1), outputs(task.source, sizes, 2)
            assert one.isfinite().all(), task.source
            assert (one - other).abs().max() > 1e-3, task.source
            assert one.std() > 1e-3, task.source


def test_hidden_shapes_are_other_shapes(tasks: tuple[KernelTask, ...]) -> None:
    for task in tasks:
        assert len(task.shapes) == 2
        shapes = {outputs(task.source, sizes, 1).shape for sizes in ({}, *task.shapes)}
        assert len(shapes) == 3, task.source


def test_equal_seeds_give_equal_tasks_however_many_are_asked_for() -> None:
    few = list(generate(levels=LEVELS, count=3, seed=5))
    many = list(generate(levels=LEVELS, count=5, seed=5))
    assert few == [task for task in many if int(task.id.rpartition("/")[2]) <= 3]
    assert few != list(generate(levels=LEVELS, count=3, seed=6))


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(UserError, match="levels are 1 to 5"):
        list(generate(levels=[9], count=1, seed=0))


def test_an_exhausted_level_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "ATTEMPTS", 1)
    with pytest.raises(UserError, match="no more than"):
        list(generate(levels=[3], count=1000, seed=0))
