"""Whole kernels that a model labels itself: bodies that it gets right, in the kernel's form.

RL asks for bodies alone; of what it learned there, whole kernels show a part. Supervision on verified
answers of its own carries the rest over, without further labels (STaR, arXiv:2203.14465).
"""

from collections.abc import Mapping, Sequence

from examples.triton.showcase.exam import Examiner
from examples.triton.showcase.rows import Row, kernel_answer
from examples.triton.showcase.study import Exam

BODY = Exam(max_tokens=32)


def with_own_kernels(examiner: Examiner, model: str, train: Sequence[Row], seed: int) -> list[Row]:
    """The labelled rows, and each whole kernel whose body the model gets right.

    Raises:
        RetryableError: the platform cannot answer or judge now.
        BurnishError: it does not have the model.
    """
    asked = _unlabelled(train, "body")
    bodies = examiner.solve(model, asked, BODY, seed)
    right = {row["expression"]: body for row, body in zip(asked, bodies, strict=True) if body}
    return labelled_by(right, train)


def labelled_by(bodies: Mapping[str, str], train: Sequence[Row]) -> list[Row]:
    """The labelled rows, and the whole kernels of operations with a body here. Pure."""
    own = [
        {**row, "completion": kernel_answer("kernel", bodies[row["expression"]].strip())}
        for row in _unlabelled(train, "kernel")
        if row["expression"] in bodies
    ]
    return [row for row in train if "completion" in row] + own


def _unlabelled(train: Sequence[Row], form: str) -> list[Row]:
    return [row for row in train if row["level"] == form and "completion" not in row]
