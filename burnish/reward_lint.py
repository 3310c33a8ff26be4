"""What a reader of a reward's source would raise an eyebrow at. Nothing is executed.

A warning is a remark: it refuses nothing, so a rule stands here only if it is seldom wrong.
"""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from burnish.rewards import check_source

_EXECUTES = frozenset({"exec", "eval", "compile"})
_SUBPROCESS = frozenset({"run", "call", "check_call", "check_output", "Popen", "getoutput"})
_NETWORK = frozenset({"aiohttp", "httpx", "requests", "socket", "urllib3", "openai", "ftplib"})
_DRAWS = frozenset({"random", "randint", "choice", "choices", "uniform", "shuffle", "sample"})
_CLOCKS = frozenset({"time.time", "datetime.now", "datetime.datetime.now", "datetime.utcnow"})
_INSTALLED = frozenset({"burnish", "numpy", "torch", "triton"})
"""What every lane can import beside the standard library."""
_PATH_METHODS = frozenset({"open", "read_text", "read_bytes", "write_text", "write_bytes"})
_HEAVY = frozenset(
    {"open", "json.load", "pickle.load", "torch.load", "np.load", "numpy.load", "time.sleep"}
)
_HEAVY_METHODS = frozenset({"from_pretrained", "read_text", "read_bytes"})
_NAMED_OTHERWISE = {
    "beautifulsoup4": "bs4",
    "biopython": "bio",
    "opencv-python": "cv2",
    "opencv-python-headless": "cv2",
    "pillow": "pil",
    "pycryptodome": "crypto",
    "pyyaml": "yaml",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
}
"""Packages whose module has another name, in lower case."""


class Remark(NamedTuple):
    """A remark on one line, counted from 1; 0 is the whole source."""

    line: int
    rule: str
    message: str


def lint(source: str, packages: Sequence[str] = ()) -> list[Remark]:
    """Remarks on a source that can be a reward, by line.

    Raises:
        UserError: it cannot be one.
    """
    function = check_source(source)
    tree = ast.parse(source)
    entry = next(
        node
        for node in reversed(tree.body)
        if isinstance(node, ast.FunctionDef) and node.name == function.entry
    )
    found = [
        *_executions(tree),
        *_network(tree),
        *_chance(tree),
        *_files(tree),
        *_equality(tree),
        *_top_level(tree),
        *_secrets(tree),
        *_excepts(entry),
        *_result(entry),
        *_imports(tree, packages),
    ]
    return sorted(set(found))


def _executions(tree: ast.Module) -> Iterator[Remark]:
    for call in _calls(tree):
        name = ast.unparse(call.func)
        started = name.partition(".")[0] == "subprocess" and name.rpartition(".")[2] in _SUBPROCESS
        constant = all(isinstance(argument, ast.Constant) for argument in call.args)
        if (name in _EXECUTES or name == "os.system" or started) and not constant:
            yield Remark(
                call.lineno,
                "executes-completion",
                f"`{name}` gives what it runs the reward's own process, and so its score; "
                "use `burnish.sandbox.run` for code that a model wrote",
            )


def _network(tree: ast.Module) -> Iterator[Remark]:
    for line, name in _imported(tree):
        if name.partition(".")[0] in _NETWORK or name == "urllib.request":
            yield Remark(line, "network", f"`{name}`: there is no network while scoring")


def _chance(tree: ast.Module) -> Iterator[Remark]:
    for call in _calls(tree):
        name = ast.unparse(call.func)
        module, _, function = name.rpartition(".")
        if module in {"random", "np.random", "numpy.random"} and function in _DRAWS:
            message = f"`{name}` makes the same completion score differently"
            yield Remark(call.lineno, "randomness", message)
        elif name in _CLOCKS:
            yield Remark(call.lineno, "clock", f"`{name}` makes the score depend on the time")


def _files(tree: ast.Module) -> Iterator[Remark]:
    """Files of a fixed name that are read and that the source itself does not write."""
    reads: list[tuple[int, str]] = []
    written: set[str] = set()
    for call in _calls(tree):
        path, reading = _opened(call)
        if path and reading:
            reads.append((call.lineno, path))
        elif path:
            written.add(path)
    for line, path in reads:
        if path not in written and not path.startswith(("/tmp/", "/proc/")):  # noqa: S108
            message = f"there is no {path!r} where rewards run; put it into the rows or the source"
            yield Remark(line, "reads-file", message)


def _opened(call: ast.Call) -> tuple[str, bool]:
    """The constant path that a call opens, and whether it only reads; "" if it opens none."""
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    made = call.func.value if isinstance(call.func, ast.Attribute) else None
    if isinstance(call.func, ast.Name) and call.func.id == "open":
        path, modes = call.args[:1], call.args[1:2]
    elif method in _PATH_METHODS and isinstance(made, ast.Call) and _is_path(made):
        path, modes = made.args[:1], call.args[:1] if method == "open" else []
    else:
        return "", False
    modes += [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    value = path[0].value if path and isinstance(path[0], ast.Constant) else None
    mode = ast.unparse(modes[0]) if modes else "r"
    reading = not method.startswith("write") and not set(mode) & set("wax+")
    return (value, reading) if isinstance(value, str) else ("", False)


def _is_path(call: ast.Call) -> bool:
    return ast.unparse(call.func) in {"Path", "pathlib.Path"}


def _equality(tree: ast.Module) -> Iterator[Remark]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        for operator, left, right in zip(node.ops, sides, sides[1:], strict=False):
            if isinstance(operator, ast.Eq | ast.NotEq) and (_float(left) or _float(right)):
                message = "floats are rarely equal to the last bit; use `math.isclose`"
                yield Remark(node.lineno, "float-equality", message)


def _float(node: ast.expr) -> bool:
    """Whether it is a number with a fraction, or text that becomes a float."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float) and not node.value.is_integer()
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func) == "float"
        and not all(isinstance(each, ast.Constant) for each in node.args)
    )


def _top_level(tree: ast.Module) -> Iterator[Remark]:
    """What every evaluation does again, because each is a fresh process."""
    for node in _executed_on_import(tree):
        if isinstance(node, ast.For | ast.While):
            yield Remark(node.lineno, "module-level", "this loop runs again in every evaluation")
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            root, method = name.partition(".")[0], name.rpartition(".")[2]
            if name in _HEAVY or method in _HEAVY_METHODS or root in _NETWORK | {"subprocess"}:
                message = f"`{name}` runs again in every evaluation, before the function"
                yield Remark(node.lineno, "module-level", message)


def _executed_on_import(tree: ast.Module) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def _secrets(tree: ast.Module) -> Iterator[Remark]:
    """What comes from the environment and is printed."""
    secret = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _environment(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in _calls(tree):
        name = ast.unparse(call.func)
        if name != "print" and name.partition(".")[0] not in {"logging", "log", "logger"}:
            continue
        for each in [*call.args, *(keyword.value for keyword in call.keywords)]:
            names = {node.id for node in ast.walk(each) if isinstance(node, ast.Name)}
            if names & secret or _environment(each):
                message = "what it prints is kept with the score; a part of a secret is not masked"
                yield Remark(call.lineno, "prints-secret", message)


def _environment(value: ast.expr) -> bool:
    """Whether a variable of the environment is in it."""
    return any(
        ast.unparse(node) in {"os.environ", "environ", "os.getenv", "getenv"}
        for node in ast.walk(value)
        if isinstance(node, ast.Attribute | ast.Name)
    )


def _excepts(entry: ast.FunctionDef) -> Iterator[Remark]:
    for node in ast.walk(entry):
        if (
            isinstance(node, ast.ExceptHandler)
            and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
            and any(isinstance(each, ast.Return) for each in node.body)
        ):
            yield Remark(
                node.lineno,
                "hides-errors",
                "a mistake in the reward itself scores too; catch what bad completions raise",
            )


def _result(entry: ast.FunctionDef) -> Iterator[Remark]:
    arguments = [*entry.args.posonlyargs, *entry.args.args]
    if len(arguments) > 1:
        name = arguments[1].arg
        if not any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(entry)):
            yield Remark(entry.lineno, "ignores-completion", f"`{name}` is never used")
    returned = [node.value for node in ast.walk(entry) if isinstance(node, ast.Return)]
    values = {node.value for node in returned if isinstance(node, ast.Constant)}
    if returned and len(values) == 1 and all(isinstance(node, ast.Constant) for node in returned):
        yield Remark(entry.lineno, "constant", "every completion scores the same")


def _imports(tree: ast.Module, packages: Sequence[str]) -> Iterator[Remark]:
    named = [_plain(re.split(r"[\[<>=!~;\s]", package.strip())[0]) for package in packages]
    for line, name in _imported(tree):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names | _INSTALLED | _NETWORK:
            continue
        if not any(_provides(package, _plain(top)) for package in named):
            yield Remark(line, "missing-package", f"`{top}` is not among the reward's packages")


def _provides(package: str, module: str) -> bool:
    """By their names: `python-dateutil` has `dateutil`, `google-cloud-storage` has `google`."""
    names = {package, package.removeprefix("py"), *package.split("-")}
    return module in names or _NAMED_OTHERWISE.get(package) == module


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))
