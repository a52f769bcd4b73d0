"""Building syntax trees: small helpers shared by the rewriting passes.

Names that the passes introduce contain ``@``, which no identifier in source code can: they never clash with the user's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

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


def at(node: N, place: ast.AST) -> N:
    """``node``, with every part that has no position yet put where ``place`` is."""
    stack: list[ast.AST] = [node]
    while stack:
        n = stack.pop()
        if "lineno" in n._attributes and not hasattr(n, "lineno"):
            ast.copy_location(n, place)
            if isinstance(n, ast.Attribute):  # CPython would move the call of a hook to the line where this ends
                n.end_lineno, n.end_col_offset = n.lineno, n.col_offset
            stack.extend(ast.iter_child_nodes(n))
        elif "lineno" not in n._attributes:
            stack.extend(ast.iter_child_nodes(n))
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
    for name, value in node.__dict__.items():
        if isinstance(value, ast.AST):
            # contexts and operators are shared by all trees anyway
            value = copy_tree(value) if value._fields else value
        elif isinstance(value, list):
            value = [copy_tree(v) if isinstance(v, ast.AST) else v for v in value]
        setattr(new, name, value)
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
            stack.extend(ast.iter_child_nodes(node))


def has_jump(statements: Sequence[ast.stmt], kinds: tuple[type[ast.stmt], ...] = JUMPS) -> bool:
    """Whether a jump of one of ``kinds`` leaves these statements (a ``break`` of an inner loop does not)."""
    for st in statements:
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
        for block in blocks(st):
            if has_jump(block, inner):
                return True
    return False


def blocks(st: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The statement lists inside a compound statement."""
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
    for node in ast.walk(target):
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
