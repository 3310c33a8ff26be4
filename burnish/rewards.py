"""What counts as a reward function, decided from its source alone.

Nothing is executed here, so any service may call it; running it is for the sandbox.
"""

import ast
import re
from dataclasses import dataclass

from burnish.errors import UserError

MAX_SOURCE_BYTES = 256_000
PREFERRED_NAME = "reward"
ACCEPTED = "def reward(prompt: str, completion: str, example: dict[str, str]) -> float"
GRADE_NAME = "grade"
ACCEPTED_GRADE = "def grade(sample: dict, item: dict) -> float"
GROUP_ARGUMENT = "completions"
"""The name of a second argument that asks for all completions of a group."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class RewardFunction:
    """The function in a source that scores.

    Attributes:
        entry: its name.
        takes_context: whether it wants the fourth argument, `context`.
        group: whether its second argument is `completions`, all of a group at once.
        imports: top-level names of all modules that the source imports, anywhere in it.
    """

    entry: str
    takes_context: bool
    group: bool
    imports: frozenset[str]


def check_name(name: str) -> str:
    """A reward's name, which is part of a bucket key and of metric names.

    Raises:
        UserError: saying which characters are accepted.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} cannot name a reward function",
            field="name",
            hint="1 to 63 lower-case letters, digits, '_' and '-', starting with a letter or digit",
        )
    return name


def check_source(source: str) -> RewardFunction:
    """Find the function that scores, without running anything.

    Raises:
        UserError: the source does not parse, or holds no such function; says what is accepted.
    """
    _check_size(source)
    tree = _parse(source)
    function = _entry(tree)
    return RewardFunction(
        function.name, _takes_context(function), _is_group(function), _imports(tree)
    )


def check_grade(source: str) -> None:
    """Check the source of a `python` grader, without running anything.

    Raises:
        UserError: the source does not parse, or defines no `grade(sample, item)`.
    """
    _check_size(source)
    functions = [
        node
        for node in _parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == GRADE_NAME
    ]
    if not functions:
        raise UserError(f"defines no function `{GRADE_NAME}`", hint=ACCEPTED_GRADE)
    arguments = functions[-1].args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    if required > 2 or (positional < 2 and not arguments.vararg):
        raise UserError(
            f"line {functions[-1].lineno}: `{GRADE_NAME}` takes {positional} arguments",
            hint=ACCEPTED_GRADE,
        )


def imports_of(source: str) -> frozenset[str]:
    """Top-level names of all modules that a checked source imports, anywhere in it."""
    return _imports(_parse(source))


def _check_size(source: str) -> None:
    if len(source.encode(errors="surrogatepass")) > MAX_SOURCE_BYTES:
        raise UserError(
            f"the reward source is larger than {MAX_SOURCE_BYTES // 1000} kB", field="source"
        )


def _parse(source: str) -> ast.Module:
    try:
        return ast.parse(source, filename="reward")
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        raise UserError(
            f"the reward source is not valid Python: {where}{error.msg}", field="source"
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"the reward source is not valid Python: {error}", field="source") from None


def _entry(tree: ast.Module) -> ast.FunctionDef:
    functions = [
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    named = [node for node in functions if node.name == PREFERRED_NAME]
    if named:
        # As in Python, the last definition counts.
        return _accepted(named[-1])
    public = [
        node for node in functions if not node.name.startswith("_") and _arity_fault(node) is None
    ]
    if len(public) == 1:
        return _accepted(public[0])
    found = (
        "several functions could be it: " + ", ".join(node.name for node in public)
        if public
        else "no top-level function takes (prompt, completion, example)"
    )
    raise UserError(f"the reward source defines no reward function: {found}", hint=ACCEPTED)


def _accepted(function: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.FunctionDef:
    if isinstance(function, ast.AsyncFunctionDef):
        raise UserError(
            f"line {function.lineno}: {function.name} is an async function, which rewards cannot be",
            hint=ACCEPTED,
        )
    fault = _arity_fault(function)
    if fault is not None:
        raise UserError(f"line {function.lineno}: {function.name} {fault}", hint=ACCEPTED)
    return function


def _arity_fault(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    """Why `function` cannot be called with three or four positional arguments."""
    arguments = function.args
    required_keywords = [
        argument.arg
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    if required_keywords:
        return f"needs keyword arguments: {', '.join(required_keywords)}"
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    if required > 4:
        return f"takes {required} arguments: a fourth, context, is optional, and there is no fifth"
    if positional < 3 and not arguments.vararg:
        count = f"{positional} argument{'' if positional == 1 else 's'}"
        return f"takes {count} instead of prompt, completion and example"
    return None


def _takes_context(function: ast.FunctionDef) -> bool:
    arguments = [*function.args.posonlyargs, *function.args.args]
    required = len(arguments) - len(function.args.defaults)
    return required == 4 or (len(arguments) > 3 and arguments[3].arg == "context")


def _is_group(function: ast.FunctionDef) -> bool:
    arguments = [*function.args.posonlyargs, *function.args.args]
    return len(arguments) > 1 and arguments[1].arg == GROUP_ARGUMENT


def _imports(tree: ast.Module) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return frozenset(names)
