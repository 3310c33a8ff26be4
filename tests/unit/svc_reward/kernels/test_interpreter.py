"""What stands in for bfloat16 and libdevice where kernels are interpreted."""

import numpy as np
import pytest
import torch

from svc_reward.lane.kernels import bfloat16, libdevice


def test_bfloat16_is_rounded_as_pytorch_does() -> None:
    bits = np.random.default_rng(1).integers(0, 1 << 32, 100_000, dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[~np.isnan(values)]
    expected = torch.from_numpy(values).to(torch.bfloat16)
    assert np.array_equal(
        bfloat16.narrow(values), expected.view(torch.int16).numpy().view(np.uint16)
    )
    assert np.array_equal(bfloat16.widen(bfloat16.narrow(values)), expected.float().numpy())


def test_no_number_stays_none() -> None:
    assert np.isnan(bfloat16.widen(bfloat16.narrow(np.array([np.nan], dtype=np.float32)))).all()


@pytest.mark.parametrize(
    ("symbol", "value", "expected"),
    [
        ("__nv_tanhf", 0.5, np.tanh(0.5)),
        ("__nv_erff", 0.5, 0.5204999),
        ("__nv_erf", 0.5, 0.5204999),
        ("__nv_fast_expf", 1.0, np.e),
        ("__nv_frsqrt_rn", 4.0, 0.5),
        ("__nv_isnand", 1.0, 0.0),
        ("__nv_roundf", -2.5, -3.0),
        ("__nv_rintf", -2.5, -2.0),
        ("__nv_saturatef", 1.5, 1.0),
    ],
)
def test_symbols_are_found_whatever_their_type_and_rounding(
    symbol: str, value: float, expected: float
) -> None:
    found = libdevice.find(symbol)(np.array([value], dtype=np.float32))
    assert found[0] == pytest.approx(expected, rel=1e-5)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(NotImplementedError, match="__nv_j0f"):
        libdevice.find("__nv_j0f")
