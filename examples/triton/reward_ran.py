"""1.0 when the kernel keeps to the rules and runs, right or wrong, else 0.0.

Only watch this one (weight 0): a kernel that merely runs is easy to write, and a model that is paid
for it stops trying to be right.
"""

import ast
import linecache

import torch
import triton

# --- kernel: the same lines stand in each reward of this folder, as each is uploaded alone ---
TEMPLATE = """\
import triton
import triton.language as tl


@triton.jit
def kernel(x_ptr, y_ptr, out_ptr, size, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < size
    x = tl.load(x_ptr + offsets, mask=mask)
    y = tl.load(y_ptr + offsets, mask=mask)
    {body}
    tl.store(out_ptr + offsets, out, mask=mask)
"""
RESERVED = {"x_ptr", "y_ptr", "out_ptr", "size", "BLOCK", "offsets", "mask"}
FUNCTIONS = set(
    "abs ceil clamp cos erf exp exp2 floor fma log log2 maximum minimum rsqrt sigmoid sin sqrt"
    " where".split()
)


def kernel_source(body: str) -> str:
    """The module around a body.

    Raises:
        SyntaxError: The body is not Python.
        ValueError: It is anything but up to three assignments of `tl` arithmetic.
    """
    if len(body) > 400:
        raise ValueError("a body has at most 400 characters")
    statements = ast.parse(body.strip()).body
    for statement in statements:
        match statement:
            case ast.Assign(targets=[ast.Name()]):
                for node in ast.walk(statement):
                    check(node)
            case _:
                raise ValueError(f"not an assignment to a name: {ast.unparse(statement)}")
    if not 1 <= len(statements) <= 3:
        raise ValueError(f"{len(statements)} statements instead of one to three")
    return TEMPLATE.format(body="\n    ".join(map(ast.unparse, statements)))


def check(node: ast.AST) -> None:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name("tl"), attr=name), keywords=[]):
            if name not in FUNCTIONS:
                raise ValueError(f"not an elementwise function: tl.{name}")
        case ast.Name(id=name) if name not in RESERVED:
            pass
        case ast.Attribute(value=ast.Name("tl")):
            pass
        case ast.Constant(value=value) if isinstance(value, int | float):
            pass
        case ast.BinOp() | ast.UnaryOp() | ast.Compare() | ast.Assign():
            pass
        case ast.operator() | ast.unaryop() | ast.cmpop() | ast.expr_context():
            pass
        case _:
            raise ValueError(f"not tl arithmetic: {ast.unparse(node)}")


def run(source: str, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Launch the kernel of a module on two vectors."""
    linecache.cache["kernel.py"] = (
        len(source),
        None,
        source.splitlines(keepends=True),
        "kernel.py",
    )
    module: dict[str, object] = {}
    exec(compile(source, "kernel.py", "exec"), module)
    out = torch.full_like(x, 1e9)
    module["kernel"][(triton.cdiv(len(x), 128),)](x, y, out, len(x), BLOCK=128)
    return out


# --- end of kernel ---


def reward(prompt: str, completion: str, example: dict[str, str]) -> float:
    try:
        run(kernel_source(completion), *torch.randn(2, 41))
    except Exception as error:  # whatever the kernel raises is the kernel's fault
        print(f"{type(error).__name__}: {error}")
        return 0.0
    return 1.0
