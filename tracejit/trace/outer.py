"""Assignments to globals, and to variables of functions that are not compiled (``global x``, ``nonlocal x``).

Rewritten code assigns them as attributes of an :class:`Outer`. While tracing, the new value is kept in a
:class:`Variable`, where branches and loops find it as they find any changed object; the variable itself gets it when
the call of the compiled program returns.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from types import CellType
from typing import TYPE_CHECKING, Any

from tracejit.ir.interface import Cell, Global, Source
from tracejit.trace.context import is_tracing
from tracejit.trace.syntax import HOOKS, SCOPES, at, load

if TYPE_CHECKING:
    from tracejit.trace.captures import Captures


class Variable:
    """A global or closure variable that the program assigns.

    Attributes:
        value: What it holds now, to the program.
    """

    def __init__(self, value: Any) -> None:
        self.value = value


class Outer:
    """The globals and closure variables of a function, as attributes that can be assigned."""

    __slots__ = ("_cells", "_globals")

    def __init__(self, namespace: dict[str, Any], cells: Mapping[str, CellType]) -> None:
        object.__setattr__(self, "_globals", namespace)
        object.__setattr__(self, "_cells", cells)

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            return object.__getattribute__(self, name)
        captures = _captures()
        cell = _cells(self).get(name)
        if cell is not None:
            return cell.cell_contents if captures is None else captures.cell(cell, name)
        return _namespace(self)[name] if captures is None else captures.glob(_namespace(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        captures = _captures()
        cell, namespace = _cells(self).get(name), _namespace(self)
        if captures is not None:
            captures.assign(Global(namespace, name) if cell is None else Cell(cell, name), value)
        elif cell is not None:
            cell.cell_contents = value
        else:
            namespace[name] = value


def _cells(outer: Outer) -> dict[str, CellType]:
    result: dict[str, CellType] = object.__getattribute__(outer, "_cells")
    return result


def _namespace(outer: Outer) -> dict[str, Any]:
    result: dict[str, Any] = object.__getattribute__(outer, "_globals")
    return result


def _captures() -> Captures | None:
    if not is_tracing():
        return None
    from tracejit.trace.control import control

    return control().captures


def put(source: Source, value: Any) -> None:
    """Assign the variable at ``source``."""
    match source:
        case Global(namespace, name):
            namespace[name] = value
        case Cell(cell, _):
            cell.cell_contents = value
        case _:
            raise AssertionError(source)


def own_nodes(statements: list[ast.stmt]) -> Iterator[ast.AST]:
    """The nodes of one function, those of nested functions and classes (but not their heads) left out."""
    stack: list[ast.AST] = list(statements)
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, SCOPES):
            stack.extend(ast.iter_child_nodes(node))


class OuterStores(ast.NodeTransformer):
    """Turns assignments to the names ``outer`` of one function into assignments of attributes."""

    def __init__(self, outer: frozenset[str]) -> None:
        self.outer = outer

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        return [self.visit(st) for st in statements]

    def visit(self, node: ast.AST) -> Any:
        return node if isinstance(node, SCOPES) else super().visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        node.targets = [self._target(t) for t in node.targets]
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AugAssign:
        target = self._target(node.target)
        assert isinstance(target, ast.Name | ast.Attribute | ast.Subscript)
        node.target = target
        return node

    def _target(self, target: ast.expr) -> ast.expr:
        match target:
            case ast.Name(name) if name in self.outer:
                place = ast.Attribute(load(HOOKS), "outer", ast.Load())
                return at(ast.Attribute(place, name, ast.Store()), target)
            case ast.Tuple() | ast.List():
                target.elts = [self._target(t) for t in target.elts]
            case ast.Starred():
                target.value = self._target(target.value)
        return target
