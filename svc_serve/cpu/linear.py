"""Dense layers in the form that the device multiplies fastest."""

from typing import cast

import torch
from torch.nn import functional

# oneDNN chooses its blocked layout for about this many rows; the layout serves any number.
_PACKED_FOR_ROWS = 64


class Linear:
    """``y = x Wᵀ + b`` with fixed weights.

    On a CPU the weights are repacked once into oneDNN's blocked layout. A plain GEMM repacks them
    on each call, which for the few rows of a decode step costs up to half of the time.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        """Take over `weight` [out, in] and `bias` [out]."""
        self.out_features, self.in_features = weight.shape
        self._bias = bias
        self._packed: torch.Tensor | None = None
        onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        if onednn and weight.device.type == "cpu":
            self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, _PACKED_FOR_ROWS)  # noqa: SLF001
        else:
            self._weight = weight

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """[rows, in] → [rows, out], contiguous."""
        if self._packed is None:
            return functional.linear(x, self._weight, self._bias)
        return cast(
            "torch.Tensor",
            torch.ops.mkldnn._linear_pointwise(x, self._packed, self._bias, "none", [], ""),  # noqa: SLF001
        )
