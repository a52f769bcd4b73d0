"""Building syntax trees: small helpers shared by the rewriting passes.

Names that the passes introduce contain ``@``, which no identifier in source code can: they never clash with the user's.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, TypeVar

from tracejit.errors import CaptureError
from tracejit.ir.loc import Loc

N = TypeVar("N", bound=ast.AST)

HOOKS = "@"
"""The name under which rewritten code finds its :class:`~tracejit.trace.hooks.Hooks`."""
VALUE = "@value"
"""The local that holds what the function will return."""
RETURNED = "@returned"
"""The local flag that says that a ``return`` was reached."""

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
SCOPES = (*FUNCTIONS, ast.ClassDef, ast.Lambda)
JUMPS = (ast.Return, ast.Break, ast.Continue)


class WhileLoop(ast.While):
    """A ``while`` without jumps: it ends early when the local flag ``flag`` is true after a turn."""

    flag: str | None = None


class ForLoop(ast.For):
    """A ``for`` without jumps: it ends early when the local flag ``flag`` is true after a turn."""

    flag: str | None = None


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes right below, without contexts and operators (:func:`ast.iter_child_nodes` takes five times as long)."""
    found: list[ast.AST] = []
    parts = node.__dict__
    for name in node._fields:
        value = parts.get(name)
        if isinstance(value, ast.AST):
            if value._fields:
                found.append(value)
        elif type(value) is list:
            found += [v for v in value if isinstance(v, ast.AST)]
    return found


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it, in no particular order."""
    stack = [node]
    while stack:
        n = stack.pop()
        yield n
        stack += children(n)


class Visitor(ast.NodeVisitor):
    """A visitor that looks up its methods once for each class of nodes."""

    _methods: ClassVar[dict[type[ast.AST], Callable[[Any, Any], Any]]]

    def __init_subclass__(cls) -> None:
        cls._methods = {}

    def visit(self, node: ast.AST) -> Any:
        kind = type(node)
        if kind not in self._methods:
            self._methods[kind] = getattr(type(self), f"visit_{kind.__name__}", type(self).generic_visit)
        return self._methods[kind](self, node)

    def visit_Constant(self, node: ast.Constant) -> Any:
        return node

    def generic_visit(self, node: ast.AST) -> Any:
        for child in children(node):
            self.visit(child)
        return node


_PLACE = ("lineno", "col_offset", "end_lineno", "end_col_offset")


def at(node: N, place: ast.AST) -> N:
    """``node``, with every part that has no position yet put where ``place`` is."""
    position = {name: getattr(place, name) for name in _PLACE}
    start = {**position, "end_lineno": position["lineno"], "end_col_offset": position["col_offset"]}
    stack: list[ast.AST] = [node]
    while stack:
        n = stack.pop()
        if n._attributes:
            if "lineno" in n.__dict__:
                continue
            below = children(n)
            # CPython would move the call of a hook to the line where its attribute ends
            n.__dict__.update(start if isinstance(n, ast.Attribute) else position)
            stack += below
        else:
            stack += children(n)
    return node


def place_of_attribute(node: ast.Attribute) -> ast.AST:
    """Where Python says that an attribute is looked up, or called: at its name, if the expression has several lines."""
    assert node.end_lineno is not None and node.end_col_offset is not None
    if node.lineno == node.end_lineno:
        return node
    end = node.end_col_offset
    start = end - len(node.attr)
    return ast.Pass(lineno=node.end_lineno, col_offset=start, end_lineno=node.end_lineno, end_col_offset=end)


def copy_tree(node: N) -> N:
    """A deep copy (faster than :func:`copy.deepcopy`)."""
    new = node.__class__.__new__(node.__class__)
    parts = node.__dict__.copy()
    for name, value in parts.items():
        if isinstance(value, ast.AST):
            if value._fields:  # contexts and operators are shared by all trees anyway
                parts[name] = copy_tree(value)
        elif type(value) is list:
            parts[name] = [copy_tree(v) if isinstance(v, ast.AST) else v for v in value]
    new.__dict__.update(parts)
    return new


def load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def store(name: str) -> ast.Name:
    return ast.Name(name, ast.Store())


def assign(name: str, value: ast.expr) -> ast.Assign:
    return ast.Assign([store(name)], value)


def hook(name: str, *args: ast.expr) -> ast.Call:
    """The call of a hook."""
    return ast.Call(ast.Attribute(load(HOOKS), name, ast.Load()), list(args), [])


INLINE = "@inline"
"""The parameter of lambdas that stand for a part of an expression of the function around them."""


def thunk(body: ast.expr, param: str = INLINE) -> ast.Lambda:
    """``lambda param: body``."""
    return ast.Lambda(ast.arguments([], [ast.arg(param)], None, [], [], None, []), body)


def negate(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)


def same_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes and all below them, without the insides of nested functions, classes and lambdas."""
    stack = list(nodes)
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, SCOPES):
            stack += children(node)


def every_statement(block: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a block and those inside them, without nested functions and classes."""
    for st in block:
        yield st
        if not isinstance(st, SCOPES):
            for inner in blocks(st):
                yield from every_statement(inner)


def has_jump(block: Sequence[ast.stmt], kinds: tuple[type[ast.stmt], ...] = JUMPS) -> bool:
    """Whether a jump of one of ``kinds`` leaves these statements (a ``break`` of an inner loop does not)."""
    for st in block:
        if isinstance(st, kinds):
            return True
        if isinstance(st, SCOPES):
            continue
        inner = kinds
        if isinstance(st, ast.For | ast.While | ast.AsyncFor):
            if has_jump(st.orelse, kinds):
                return True
            inner = tuple(k for k in kinds if k is ast.Return)
            if inner and has_jump(st.body, inner):
                return True
            continue
        for part in blocks(st):
            if has_jump(part, inner):
                return True
    return False


_SIMPLE = (ast.Assign, ast.Expr, ast.AugAssign, ast.Return)


def blocks(st: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The statement lists inside a compound statement."""
    if isinstance(st, _SIMPLE):
        return
    for field in ("body", "orelse", "finalbody"):
        block = getattr(st, field, None)
        if isinstance(block, list):
            yield block
    for handler in getattr(st, "handlers", ()):
        yield handler.body
    for case in getattr(st, "cases", ()):
        yield case.body


def target_names(target: ast.AST) -> Iterator[str]:
    """The names that an assignment target (or any pattern) binds."""
    for node in walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node.id
        elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name is not None:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest is not None:
            yield node.rest


def is_true(test: ast.expr) -> bool:
    """Whether a test is a constant that is true, as in ``while True``."""
    return isinstance(test, ast.Constant) and bool(test.value)


SYNCHRONOUS = "'def' without 'async' and 'await': await around the call of the compiled function"
"""What to write instead of asynchronous code."""


class Unsupported(CaptureError):
    """Syntax that is not supported."""


def unsupported(node: ast.AST, filename: str, what: str, hint: str | None = None, function: str = "") -> Unsupported:
    """The error for ``node``: ``what`` is a whole sentence."""
    line = getattr(node, "lineno", 0)
    end = getattr(node, "end_col_offset", None) if getattr(node, "end_lineno", line) == line else None
    return Unsupported(what, hint=hint, loc=Loc(filename, line, getattr(node, "col_offset", None), end, function))
