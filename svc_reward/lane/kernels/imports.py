"""What a kernel's module may use of others: an allow-list of packages, and of PyTorch's parts. Pure."""

import sys

from .flags import Flag

HARMLESS = frozenset(
    [
        "__future__",
        "abc",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "enum",
        "functools",
        "itertools",
        "logging",
        "math",
        "numbers",
        "operator",
        "random",
        "string",
        "textwrap",
        "time",
        "types",
        "typing",
        "warnings",
    ]
)
"""Modules of the standard library that a kernel may use. Others may be imported, and not be used."""
PACKAGES = frozenset(["torch", "triton", "numpy", "einops", "packaging", "typing_extensions"])
"""Other packages; values that NumPy is given are seen when they leave their tensor."""
IMPLEMENTATIONS = frozenset(
    [
        "aiter",
        "apex",
        "bitsandbytes",
        "causal_conv1d",
        "cupy",
        "cutlass",
        "deep_gemm",
        "deepspeed",
        "fla",
        "flag_gems",
        "flash_attn",
        "flashinfer",
        "jax",
        "kernels",
        "liger_kernel",
        "mamba_ssm",
        "numba",
        "onnxruntime",
        "quack",
        "sageattention",
        "sgl_kernel",
        "sglang",
        "tensorrt",
        "tensorrt_llm",
        "thunderkittens",
        "torch_scatter",
        "torch_sparse",
        "torchao",
        "transformer_engine",
        "unsloth",
        "vllm",
        "xformers",
    ]
)
"""Packages of ready kernels."""
_PROCESS = frozenset(
    ["os.environ", "os.getenv", "sys.version_info", "sys.maxsize", "sys.float_info"]
)
"""What is left of modules that reach the process."""
_TORCH = {
    **dict.fromkeys(
        [
            "torch.compile",
            "torch.jit",
            "torch.fx",
            "torch.export",
            "torch._inductor",
            "torch._dynamo",
            "torch._export",
            "torch._functorch",
            "torch.cuda.CUDAGraph",
            "torch.cuda.graph",
            "torch.cuda.graphs",
            "torch.cuda.graph_pool_handle",
            "torch.cuda.is_current_stream_capturing",
            "torch.cuda.make_graphed_callables",
        ],
        Flag.TORCH_COMPILE,
    ),
    **dict.fromkeys(
        [
            "torch.Stream",
            "torch.cuda.Stream",
            "torch.cuda.ExternalStream",
            "torch.cuda.get_stream_from_external",
            "torch.cuda.green_contexts",
            "torch.cuda.streams",
        ],
        Flag.SIDE_STREAM,
    ),
    **dict.fromkeys(
        [
            "torch.ao",
            "torch.builtins",
            "torch.classes",
            "torch.cpp",
            "torch.ctypes",
            "torch.cuda.CUDAPluggableAllocator",
            "torch.cuda.caching_allocator_alloc",
            "torch.cuda.change_current_allocator",
            "torch.cuda.gds",
            "torch.cuda.importlib",
            "torch.cuda.nccl",
            "torch.cuda.os",
            "torch.cuda.threading",
            "torch.cuda.tunable",
            "torch.distributed",
            "torch.from_file",
            "torch.futures",
            "torch.glob",
            "torch.hub",
            "torch.importlib",
            "torch.inspect",
            "torch.library",
            "torch.load",
            "torch.monitor",
            "torch.multiprocessing",
            "torch.ops",
            "torch.os",
            "torch.package",
            "torch.quantization",
            "torch.save",
            "torch.serialization",
            "torch.sys",
            "torch.threading",
            "torch.utils.backend_registration",
            "torch.utils.collect_env",
            "torch.utils.copyreg",
            "torch.utils.cpp_backtrace",
            "torch.utils.cpp_extension",
            "torch.utils.serialization",
            "torch.utils.weak",
            "torch.utils.weakref",
            "triton.backends",
            "triton.compiler",
            "triton.ops",
        ],
        Flag.FORBIDDEN_ACCESS,
    ),
    **dict.fromkeys(
        ["torch.overrides", "torch.utils._python_dispatch"],
        Flag.TENSOR_SUBCLASS,
    ),
    **dict.fromkeys(
        ["torch.set_default_dtype", "torch.set_default_tensor_type"], Flag.MODULE_MUTATION
    ),
    # Code in strings, which no interpreter runs and no compiler of kernels checks.
    **dict.fromkeys(
        [
            "torch.cuda.jiterator",
            "triton.language.inline_asm_elementwise",
            "triton.language.core.inline_asm_elementwise",
            "types.CodeType",
            "types.FunctionType",
        ],
        Flag.DYNAMIC_CODE,
    ),
}
HONEST = frozenset(
    [
        "torch._assert",
        "torch._check",
        "torch.jit.export",
        "torch.jit.ignore",
        "torch.jit.is_scripting",
        "torch.jit.is_tracing",
        "torch.jit.unused",
    ]
)
"""Exceptions from the above: they change nothing about what computes."""
DEEPEST = 5
"""Parts of a full name that are looked at; what is forbidden has fewer."""
_INTERNAL = frozenset(["torch", "torch.cuda", "torch.utils", "triton"])
"""Packages whose names with an underscore are not meant for others."""


def of_import(name: str) -> tuple[Flag, str] | None:
    """The hack that importing something is by itself, and why.

    Args:
        name: full, as in "torch.nn.functional"; "*" may be its end.
    """
    root = name.partition(".")[0]
    if root in IMPLEMENTATIONS:
        return Flag.FORBIDDEN_ACCESS, f"{name} is not the completion's own kernel"
    if flag := of_use(name):
        return flag, f"{name} has no place in a kernel"
    known = root in PACKAGES or root in HARMLESS
    if known or (root in sys.stdlib_module_names and not name.endswith(".*")):
        return None
    return Flag.FORBIDDEN_ACCESS, f"{name} is not among what a kernel may import"


def of_use(name: str) -> Flag | None:
    """The hack that a part of PyTorch or Triton belongs to, by its full name."""
    if name in HONEST:
        return None
    parts = name.split(".", DEEPEST)[:DEEPEST]
    prefixes = [".".join(parts[: index + 1]) for index in range(len(parts))]
    for prefix in prefixes:
        if prefix in _TORCH:
            return _TORCH[prefix]
    for parent, part in zip(prefixes, parts[1:], strict=False):
        if parent in _INTERNAL and part.startswith("_") and not part.startswith("__"):
            return Flag.FORBIDDEN_ACCESS
    return None


def reaches_out(name: str) -> bool:
    """Whether a full name belongs to a standard module that a kernel cannot need.

    A module's bare name does not: many an honest completion imports what it does not use.
    """
    root, _, rest = name.partition(".")
    if root not in sys.stdlib_module_names or root in HARMLESS or name in _PROCESS:
        return False
    return not (root in {"os", "sys"} and (not rest or name.startswith(tuple(_PROCESS))))
