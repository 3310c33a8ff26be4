"""What a model labels itself. That such kernels are correct is tested in lanes, by
`tests/integration/test_example_kernels.py`."""

from examples.triton.make_data import LABELLED, operations
from examples.triton.showcase.distill import labelled_by
from examples.triton.showcase.rows import SIZE, kernel_row, rows_of


def test_a_body_that_is_right_labels_its_whole_kernel() -> None:
    train = rows_of("kernel").train
    expression, body = operations()[0]

    rows = labelled_by({expression: f" {body}\n"}, train)

    *labelled, own = rows
    assert own == kernel_row("kernel", SIZE, expression, body)
    assert labelled == [row for row in train if "completion" in row]


def test_labelled_operations_keep_their_labels() -> None:
    train = rows_of("kernel").train
    wrong = dict.fromkeys(LABELLED, "out = x")

    assert labelled_by(wrong, train) == [row for row in train if "completion" in row]
