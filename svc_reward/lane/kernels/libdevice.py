"""CUDA's libdevice where Triton interprets kernels: the compiler takes these calls, the interpreter has none.

Triton's own declarations decide which types a function takes; only what is behind a symbol such as
`__nv_tanhf` is replaced. A function that is not listed here raises, and says its name.
"""

import functools
import inspect
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import triton.language as tl
from torch.utils._python_dispatch import _disable_current_modes
from triton.language.extra import libdevice as portable
from triton.language.extra.cuda import libdevice as nvidia
from triton.runtime import interpreter

Function = Callable[..., Any]


def _torch(function: Callable[..., torch.Tensor]) -> Function:
    """A function that NumPy lacks."""

    def call(*arrays: Any) -> Any:
        # It is the kernel that computes here: nothing is to be traced as PyTorch's work.
        with _disable_current_modes():
            tensors = [torch.from_numpy(np.ascontiguousarray(each)) for each in arrays]
            return function(*tensors).numpy()

    return call


def _round(x: Any) -> Any:
    """To the nearest, halves away from zero."""
    return np.copysign(np.floor(np.abs(x) + 0.5), x)


_NUMPY = (
    "abs ceil floor trunc rint exp exp2 expm1 log log2 log10 log1p sqrt cbrt "
    "sin cos tan sinh cosh tanh fmod hypot copysign nextafter ldexp"
)
FUNCTIONS: dict[str, Function] = {name: getattr(np, name) for name in _NUMPY.split()} | {
    "fabs": np.abs,
    "nearbyint": np.rint,
    "round": _round,
    "fdim": lambda x, y: np.maximum(x - y, 0),
    "fma": lambda x, y, z: x * y + z,
    "pow": np.power,
    "powi": np.power,
    "exp10": lambda x: np.power(x.dtype.type(10), x),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "rcbrt": lambda x: 1 / np.cbrt(x),
    "rhypot": lambda x, y: 1 / np.hypot(x, y),
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "sinpi": lambda x: np.sin(x * x.dtype.type(math.pi)),
    "cospi": lambda x: np.cos(x * x.dtype.type(math.pi)),
    "erf": _torch(torch.erf),
    "erfc": _torch(torch.erfc),
    "erfinv": _torch(torch.erfinv),
    "erfcx": _torch(torch.special.erfcx),
    "normcdf": _torch(torch.special.ndtr),
    "normcdfinv": _torch(torch.special.ndtri),
    "lgamma": _torch(torch.lgamma),
    "cyl_bessel_i0": _torch(torch.special.i0),
    "cyl_bessel_i1": _torch(torch.special.i1),
    "saturate": lambda x: np.clip(x, 0, 1),
    "fdivide": np.divide,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "finite": np.isfinite,
    "isfinite": np.isfinite,
    "signbit": np.signbit,
    "fadd": np.add,
    "dadd": np.add,
    "fsub": np.subtract,
    "dsub": np.subtract,
    "fmul": np.multiply,
    "dmul": np.multiply,
    "fdiv": np.divide,
    "ddiv": np.divide,
    "fsqrt": np.sqrt,
    "dsqrt": np.sqrt,
    "frcp": lambda x: 1 / x,
    "drcp": lambda x: 1 / x,
    "frsqrt": lambda x: 1 / np.sqrt(x),
}
"""By the part of a symbol that names the function, whatever its type and rounding."""
_SYMBOL = re.compile(r"__nv_(?:fast_)?(\w+?)(?:_r[nduz])?")


def find(symbol: str) -> Function:
    """What stands for a symbol.

    Raises:
        NotImplementedError: nothing does.
    """
    match = _SYMBOL.fullmatch(symbol)
    name = match[1] if match else symbol
    # As `erff`, `isnand`: the type is the last letter, unless the name has it of its own.
    found = FUNCTIONS.get(name) or FUNCTIONS.get(name.removesuffix("d").removesuffix("f"))
    if found is None:
        raise NotImplementedError(f"{symbol} of libdevice cannot be interpreted")
    return found


def install() -> None:
    """Patch the interpreter of this process, and both modules that name these functions."""
    builder: Any = interpreter.InterpreterBuilder
    builder.create_extern_elementwise = _extern
    for name, function in inspect.getmembers(nvidia, tl.core.is_builtin):
        call = functools.partial(function, _semantic=interpreter.interpreter_semantic)
        for module in (nvidia, portable):
            setattr(module, name, call)


def _extern(
    _builder: Any, _library: str, _path: str, symbol: str, operands: Any, kind: Any, _pure: object
) -> Any:
    with np.errstate(all="ignore"):
        result = find(symbol)(*(each.data for each in operands))
    dtype = interpreter._get_np_dtype(kind)  # noqa: SLF001 - the interpreter's own table
    return interpreter.TensorHandle(result.astype(dtype), kind.scalar)
