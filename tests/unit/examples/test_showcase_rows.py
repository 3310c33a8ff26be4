"""The showcase's rows. That its whole kernels score is tested in lanes, by
`tests/integration/test_example_kernels.py`."""

import itertools

import pytest

from examples.triton import make_data
from examples.triton.showcase import rows
from svc_reward.lane.kernels import template


@pytest.mark.parametrize("task", ["body", "kernel"])
def test_no_operation_is_in_two_sets(task: str) -> None:
    data = rows.rows_of(task)
    sets = [
        {row["expression"] for row in part}
        for part in (data.train, data.validation, data.choice, data.test)
    ]

    assert [len(one) for one in sets] == [324, 24, 96, 96]
    assert not any(one & other for one, other in itertools.combinations(sets, 2))


def test_the_test_set_is_in_no_file() -> None:
    known = {expression for expression, _ in make_data.operations()} | set(make_data.LABELLED)

    assert not known & {name for drawn in rows.unseen_operations() for name, _ in drawn}


def test_equal_seeds_draw_equal_operations() -> None:
    assert make_data.draw(30, 5) == make_data.draw(30, 5)
    assert make_data.draw(30, 5) != make_data.draw(30, 6)


def test_more_operations_than_there_are_cannot_be_drawn() -> None:
    every = {name for form in make_data.forms() for name, _ in form} - set(make_data.LABELLED)

    assert len(make_data.draw(len(every), 5)) == len(every)
    with pytest.raises(ValueError, match=f"only {len(every)} operations are left"):
        make_data.draw(len(every) + 1, 5)


def test_every_form_has_the_labelled_rows() -> None:
    train = rows.rows_of("kernel").train

    for form in rows.FORMS:
        of_form = [row for row in train if row["level"] == form]
        assert len(of_form) == 324
        assert sum("completion" in row for row in of_form) == 12


def test_a_form_and_its_template_make_one_kernel() -> None:
    modules = set()
    for form in rows.FORMS:
        row = rows.kernel_row(form, rows.SIZE, "torch.relu(x)", "out = tl.maximum(x, 0.0)")
        modules.add(template.fill(row["template"], row["completion"]))

    assert len(modules) == 1


def test_the_size_reaches_the_task() -> None:
    (row, *_) = rows.rows_of("body", size=4_000_000).test

    assert "SIZE = 4000000\n" in row["task"]


@pytest.mark.parametrize(
    ("expression", "depth"),
    [("x", 0), ("torch.relu(x) + y", 2), ("torch.exp(x - y) * 2.0", 3), ("x + y", 1)],
)
def test_depth_counts_what_is_nested(expression: str, depth: int) -> None:
    assert rows.depth(expression) == depth
