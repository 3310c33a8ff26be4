"""Puts a completion into a task's template, where it may change nothing but its slot."""

import ast
import textwrap
from collections.abc import Sequence

from .completion import FormatError, code, parse

SLOT = "{{completion}}"
_PLACEHOLDER = "completion_slot_"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class TemplateError(Exception):
    """The template itself is at fault."""


def fill(template: str, completion: str) -> str:
    """The module that results.

    Args:
        template: with SLOT once, as whole line or in place of an expression.
        completion: statements or an expression; a code fence around it is taken off.

    Raises:
        FormatError: the completion does not fit, or reaches beyond the slot.
        TemplateError: there is no such slot.
    """
    template = template.replace("\r\n", "\n")
    before, found, after = template.partition(SLOT)
    if not found or SLOT in after:
        raise TemplateError(f"`template` has to contain {SLOT} exactly once")
    frame = _parsed_template(before + _PLACEHOLDER + after)
    answer = code(completion)
    head, _, indent = before.rpartition("\n")
    if not indent.strip() and not after.partition("\n")[0].strip():
        prefix = f"{head}\n" if head or before.startswith("\n") else ""
        source = prefix + textwrap.indent(answer, indent) + after
    else:
        source = f"{before}({_expression(answer)}){after}"
    filled = parse(source)
    if not _same(frame, filled):
        raise FormatError("the completion reaches beyond its place in the template")
    return source


def _parsed_template(source: str) -> ast.Module:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise TemplateError(f"`template` is not Python: {error}") from None
    if not any(isinstance(node, ast.Name) and node.id == _PLACEHOLDER for node in ast.walk(tree)):
        raise TemplateError(f"{SLOT} has to stand for statements or an expression")
    return tree


def _expression(answer: str) -> str:
    """An expression that parentheses can hold, whatever lines and comments it has."""
    source = answer.strip()
    if "\n" in source or "#" in source:
        source = f"\n{source}\n"
    try:
        ast.parse(f"({source})", mode="eval")
    except SyntaxError as error:
        raise FormatError(f"not an expression: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError):
        raise FormatError("not an expression: nested too deeply") from None
    return source


def _same(frame: object, filled: object) -> bool:
    """Whether two trees differ in the slot alone."""
    if isinstance(frame, ast.Name) and frame.id == _PLACEHOLDER:
        return isinstance(filled, ast.expr)
    if isinstance(frame, list) and isinstance(filled, list):
        return _same_list(frame, filled)
    if not isinstance(frame, ast.AST) or not isinstance(filled, ast.AST):
        return type(frame) is type(filled) and frame == filled
    return type(frame) is type(filled) and all(
        _same(getattr(frame, field, None), getattr(filled, field, None)) for field in frame._fields
    )


def _same_list(frame: Sequence[object], filled: Sequence[object]) -> bool:
    place = next((i for i, node in enumerate(frame) if _is_slot(node)), None)
    if place is None:
        return len(frame) == len(filled) and all(map(_same, frame, filled))
    after = len(frame) - place - 1
    end = len(filled) - after
    if end <= place:
        return False
    outside = [*frame[:place], *frame[place + 1 :]]
    rest = [*filled[:place], *filled[end:]]
    return all(map(_same, outside, rest)) and not _rebinds(filled[place:end], outside)


def _is_slot(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Name)
        and node.value.id == _PLACEHOLDER
    )


def _rebinds(statements: Sequence[object], outside: Sequence[object]) -> bool:
    """Whether statements define again what stands next to them, or reach out of their scope."""
    defined = {node.name for node in outside if isinstance(node, _SCOPES)}
    for statement in statements:
        if not isinstance(statement, ast.AST):
            return True
        for node in ast.walk(statement):
            match node:
                case ast.Global() | ast.Nonlocal():
                    return True
                case (
                    ast.FunctionDef(name=name)
                    | ast.ClassDef(name=name)
                    | ast.AsyncFunctionDef(name=name)
                ):
                    if name in defined:
                        return True
                case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if name in defined:
                    return True
                case _:
                    pass
    return False
