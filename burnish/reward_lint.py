"""What a reader of a reward's source would raise an eyebrow at. Nothing is executed.

A warning is a remark: it refuses nothing, so a rule stands here only if it is seldom wrong.
"""

import ast
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
        *_excepts(entry),
        *_result(entry),
    ]
    if not packages:
        found += _imports(tree)
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


def _imports(tree: ast.Module) -> Iterator[Remark]:
    for line, name in _imported(tree):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names | _INSTALLED | _NETWORK:
            yield Remark(line, "missing-package", f"`{top}` is not among the reward's packages")


def _imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))
