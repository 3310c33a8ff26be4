"""Right and wrong answers, by dtype and kind of task."""

import pytest
import torch

from svc_reward.lane.kernels.compare import compare, same, tolerance


def finding(output: torch.Tensor, native: torch.Tensor, *, accumulates: bool = False) -> bool:
    exact = native.double() if native.is_floating_point() else native
    return compare(output, exact, native, accumulates=accumulates).right


@pytest.mark.parametrize(
    ("dtype", "accumulates", "near", "far"),
    [
        (torch.float64, False, 1e-8, 1e-6),
        (torch.float32, False, 1e-5, 1e-3),
        (torch.float32, True, 1e-5, 1e-3),
        (torch.float16, False, 1e-3, 1e-2),
        (torch.float16, True, 1e-2, 5e-2),
        (torch.bfloat16, False, 8e-3, 6e-2),
        (torch.bfloat16, True, 2e-2, 1e-1),
    ],
)
def test_tolerance_of_a_dtype(
    dtype: torch.dtype, *, accumulates: bool, near: float, far: float
) -> None:
    native = torch.ones(64, dtype=dtype)
    assert finding(native + near, native, accumulates=accumulates)
    assert not finding(native + far, native, accumulates=accumulates)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int32, torch.int64, torch.bool])
def test_integers_are_exact(dtype: torch.dtype) -> None:
    native = torch.tensor([0, 1, 1, 0]).to(dtype)
    assert finding(native.clone(), native)
    assert not finding(torch.tensor([0, 1, 0, 0]).to(dtype), native)


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (torch.zeros(3, 2), "shape [3, 2] instead of [2, 3]"),
        (torch.zeros(6), "shape [6] instead of [2, 3]"),
        (torch.zeros(2, 3, dtype=torch.float64), "torch.float64 instead of torch.float32"),
        (torch.zeros(2, 3, dtype=torch.float16), "torch.float16 instead of torch.float32"),
    ],
)
def test_shape_and_dtype_are_exact(output: torch.Tensor, says: str) -> None:
    native = torch.zeros(2, 3)
    found = compare(output, native.double(), native, accumulates=False)
    assert not found.right
    assert found.text == says


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_wrong_unless_expected(value: float) -> None:
    native = torch.ones(4)
    output = native.clone()
    output[2] = value
    assert not finding(output, native)
    assert not finding(native, output)
    assert finding(output.clone(), output)


def test_an_infinity_of_the_other_sign_is_wrong() -> None:
    assert not finding(torch.tensor([float("-inf")]), torch.tensor([float("inf")]))


def test_the_worst_element_is_named() -> None:
    native = torch.zeros(3, 4)
    output = native.clone()
    output[0, 1], output[2, 3] = 1.0, 5.0
    found = compare(output, native.double(), native, accumulates=False)
    assert found.text == "2 of 12 elements are wrong: 5 instead of 0 at [2, 3]"


def test_pytorchs_own_error_widens_the_tolerance() -> None:
    exact = torch.ones(100, dtype=torch.float64)
    native = (exact + 1e-3).float()
    assert compare((exact + 3e-3).float(), exact, native, accumulates=True).right
    assert not compare((exact + 2e-2).float(), exact, native, accumulates=True).right


def test_small_outputs_are_not_drowned_by_an_absolute_tolerance() -> None:
    native = torch.full((64,), 1e-3)
    assert not finding(torch.zeros(64), native)


def test_a_single_wrong_element_among_many_is_found() -> None:
    native = torch.randn(10_000)
    output = native.clone()
    output[-1] += 1.0
    assert not finding(output, native)


def test_complex_outputs_are_compared_by_parts() -> None:
    native = torch.complex(torch.ones(4), torch.ones(4))
    exact = native.to(torch.complex128)
    assert compare(native.clone(), exact, native, accumulates=False).right
    assert not compare(native.conj().resolve_conj(), exact, native, accumulates=False).right


def test_empty_outputs_agree() -> None:
    assert finding(torch.zeros(0, 3), torch.zeros(0, 3))
    assert not finding(torch.zeros(3, 0), torch.zeros(0, 3))


def test_tolerance_has_the_shape_of_the_output() -> None:
    expected = torch.randn(3, 5, dtype=torch.float64)
    assert tolerance(expected, expected.float(), accumulates=False).shape == (3, 5)


def test_same_allows_a_few_units_of_the_last_place() -> None:
    value = torch.tensor([1.0, float("nan"), float("inf")])
    assert same(value, value * (1 + 1e-7))
    assert not same(value, value * 1.001)
    assert not same(value, value.double())
    assert not same(value, value[:2])
    assert same(torch.tensor([1, 2]), torch.tensor([1, 2]))
