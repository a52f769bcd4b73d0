"""Where in the user's source a name gets its values, and which name an object has: for messages."""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterator, Sequence
from types import FrameType, FunctionType
from typing import Any, TypeAlias

from tracejit.ir.loc import Loc
from tracejit.trace.context import current
from tracejit.trace.either import describe
from tracejit.trace.source import NoSource, source_of
from tracejit.trace.syntax import FUNCTIONS, same_scope

Related: TypeAlias = tuple[tuple[Loc, str], ...]

_BINDING = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.With, ast.NamedExpr)


def bindings(statement: Loc, name: str) -> tuple[Loc | None, list[list[Loc]]]:
    """Where ``name`` is bound: the last place before a statement, and those in each of its blocks."""
    try:
        tree = ast.parse("".join(linecache.getlines(statement.file)))
    except SyntaxError:
        return None, []
    function = _innermost(tree, statement.line)
    found = None
    blocks: list[list[Loc]] = []
    for node in sorted(same_scope(function), key=lambda n: getattr(n, "lineno", 0)):
        line = getattr(node, "lineno", statement.line)
        if line < statement.line and name in _bound(node):
            found = _loc(node, statement)
        if line == statement.line and isinstance(node, ast.If | ast.For | ast.While) and not blocks:
            blocks = [_inside(block, name, statement) for block in (node.body, node.orelse)]
    return found, blocks


def _innermost(tree: ast.Module, line: int) -> Sequence[ast.AST]:
    best: Sequence[ast.AST] = tree.body
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS) and node.lineno <= line <= (node.end_lineno or node.lineno):
            best = [node.args, *node.body]  # walked from the outside in
    return best


def _inside(block: Sequence[ast.stmt], name: str, place: Loc) -> list[Loc]:
    found = [n for n in same_scope(block) if name in _bound(n)]
    return [_loc(n, place) for n in sorted(found, key=lambda n: getattr(n, "lineno", 0))]


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.arg):
        yield node.arg
    if not isinstance(node, _BINDING):
        return
    targets: list[ast.AST] = []
    if isinstance(node, ast.Assign):
        targets = list(node.targets)
    elif isinstance(node, ast.With):
        targets = [i.optional_vars for i in node.items if i.optional_vars is not None]
    else:
        targets = [node.target]
    for target in targets:
        yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def _loc(node: Any, place: Loc) -> Loc:
    end = node.end_col_offset if node.end_lineno == node.lineno else None
    return Loc(place.file, node.lineno, node.col_offset, end, place.function)


def of_result(function: Any) -> Loc | None:
    """Where a function gives its result: its ``return``, or where it begins if there are several."""
    if not isinstance(function, FunctionType):
        return None
    try:
        source = source_of(function)
    except NoSource:
        return None
    node: ast.AST = source.node
    if isinstance(source.node, ast.Lambda):
        node = source.node.body
    else:
        values = [n.value for n in same_scope(source.node.body) if isinstance(n, ast.Return) and n.value is not None]
        node = values[0] if len(values) == 1 else node
    return _loc(node, Loc(source.filename, 0, None, None, function.__qualname__))


def of_parameter(function: Any, name: str) -> Loc | None:
    """Where a function has the parameter ``name``."""
    if not isinstance(function, FunctionType):
        return None
    try:
        source = source_of(function)
    except NoSource:
        return None
    arguments = source.node.args
    listed = (*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg)
    place = Loc(source.filename, 0, None, None, function.__qualname__)
    return next((_loc(arg, place) for arg in listed if arg is not None and arg.arg == name), None)


def related(statement: Loc, name: str, texts: Sequence[str], before: str | None = None) -> Related:
    """The places where ``name`` is bound in the blocks of a statement, each with what it is after that block.

    And the one before the statement, with ``before``, or for a block that does not bind the name.
    """
    first, blocks = bindings(statement, name)
    out: list[tuple[Loc, str]] = []
    for places, text in zip(blocks, texts):
        if places:
            out.append((places[-1], text))
        elif before is None:
            before = text
    if first is not None and before is not None:
        out.insert(0, (first, before))
    return tuple(out)


def named(target: Any) -> str:
    """An object as the user would call it: ``the list 'items'``, or what it is if it has no name."""
    frame: FrameType | None = sys._getframe(1)
    context = current()
    while frame is not None and not context.is_user_code(frame.f_code):
        frame = frame.f_back
    kind = f"{type(target).__name__}{'' if isinstance(target, (list, dict, set)) else ' object'}"
    for name, value in dict(frame.f_locals).items() if frame is not None else ():
        if value is target and "@" not in name:
            return f"the {kind} {name!r}"
    for name, value in dict(frame.f_locals).items() if frame is not None else ():
        for inner, part in getattr(value, "__dict__", {}).items() if "@" not in name else ():
            if part is target:
                return f"the {kind} '{name}.{inner}'"
    return describe(target)
