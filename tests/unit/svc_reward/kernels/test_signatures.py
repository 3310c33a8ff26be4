"""Launches as text, and back to what the compiler needs."""

import math

import pytest
import torch
import triton.language as tl

from svc_reward.lane.kernels import poison, signatures
from svc_reward.lane.kernels.reports import MAX_NAME


class Kernel:
    """As `triton.jit` wraps a function, as far as signatures read it."""

    @staticmethod
    def fn(x_ptr: object, n: object, BLOCK: tl.constexpr, flag: "tl.constexpr" = 1) -> None:  # noqa: N803
        pass

    def __call__(self) -> None:
        """What is launched can be called, as far as `callable` knows."""


def test_of_a_launch() -> None:
    found = signatures.of(Kernel(), (torch.zeros(3), 3), {"BLOCK": 64, "num_warps": 8})
    assert found is not None
    assert found.types == (
        ("x_ptr", "*fp32"),
        ("n", "i32"),
        ("BLOCK", "constexpr"),
        ("flag", "constexpr"),
    )
    assert found.constants == ("", "", "=64", "=1")
    assert found.options == "{'num_warps': 8}"
    assert found.kernel == "fn"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (torch.zeros(1, dtype=torch.float16), "*fp16"),
        (torch.zeros(1, dtype=torch.bfloat16), "*bf16"),
        (torch.zeros(1, dtype=torch.int64), "*i64"),
        (2**40, "i64"),
        (1.5, "fp32"),
        (object(), "?"),
    ],
)
def test_types(value: object, kind: str) -> None:
    found = signatures.of(Kernel(), (value, 3), {"BLOCK": 64})
    assert found is not None
    assert found.types[0] == ("x_ptr", kind)


def test_a_call_that_does_not_fit_has_no_signature() -> None:
    assert signatures.of(Kernel(), (), {}) is None


@pytest.mark.parametrize("value", [1, -3, True, None, "relu", 0.1, math.inf, tl.float16])
def test_constants_come_back(value: object) -> None:
    assert signatures.constant(signatures.literal(value), {}) == value


def test_functions_are_named() -> None:
    text = signatures.literal(Kernel())
    assert signatures.constant(text, {"fn": 3}) == 3
    with pytest.raises(ValueError, match="ahead of time"):
        signatures.constant(text, {})


@pytest.mark.parametrize("value", [object(), "x" * MAX_NAME, [1]])
def test_what_cannot_be_known_ahead(value: object) -> None:
    with pytest.raises(ValueError, match="ahead of time"):
        signatures.constant(signatures.literal(value), {})


@pytest.mark.parametrize(
    "dtype",
    [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.int64],
)
def test_fresh_memory_is_marked(dtype: torch.dtype) -> None:
    value = torch.empty(4, dtype=dtype)
    poison.fill(value)
    assert poison.is_untouched(value)
    assert not dtype.is_floating_point or bool(value.isnan().all())
    value[1] = 0
    assert not poison.is_untouched(value)
