"""First rewriting pass: what can be said with simpler syntax.

``assert`` becomes ``if ...: raise``, annotated assignments lose their annotation, and a test with ``:=`` in a part that
may not be evaluated (``a and (b := f())``) becomes statements, since the part will later be a function of its own.
"""

from __future__ import annotations

import ast
import sys
from itertools import count
from typing import NoReturn

from tracejit.trace.syntax import (
    COMPREHENSIONS,
    SCOPES,
    assign,
    at,
    children,
    has_jump,
    hook,
    is_true,
    load,
    negate,
    unsupported,
    walk,
)


class Desugar:
    """Rewrites the statements of one function; nested functions are passed over (they get their own turn)."""

    def __init__(self, filename: str, function: str) -> None:
        self.filename = filename
        self.function = function
        self._temporaries = count()
        self._has_walrus = True

    def body(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """The statements of the function."""
        self._has_walrus = any(isinstance(n, ast.NamedExpr) for st in statements for n in walk(st))
        return self.block(statements)

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for st in statements:
            out.extend(self.statement(st))
        return out

    def statement(self, st: ast.stmt) -> list[ast.stmt]:
        match st:
            case ast.Assert():
                return self.statement(self._assert(st)) if sys.flags.optimize == 0 else []
            case ast.AnnAssign():
                if st.value is None:
                    return []
                return self.statement(ast.copy_location(ast.Assign([st.target], st.value), st))
            case ast.While() if self._has_walrus and _lazy_walrus(st.test):
                stop = at(ast.If(negate(st.test), [ast.Break()], []), st.test)
                loop = ast.While(at(ast.Constant(True), st), [stop, *st.body], [])
                if st.orelse:  # runs when the test fails, which is now a break
                    if has_jump(st.orelse, (ast.Break, ast.Continue)):
                        self._refuse(st.test)
                    stop.body = [*st.orelse, *stop.body]
                return self.statement(ast.copy_location(loop, st))
            case ast.While(test, [ast.If(stop, [ast.Break()], []), *rest], []) if rest and not _lazy_walrus(stop):
                # the break says when the loop goes on
                more = at(negate(stop), stop)
                if not is_true(test):
                    more = at(ast.BoolOp(ast.And(), [test, more]), test)
                return self.statement(ast.copy_location(ast.While(more, rest, []), st))
            case ast.If() if self._has_walrus and _lazy_walrus(st.test):
                before, st.test = self._value(st.test)
                return [*before, *self.statement(st)]
            case ast.Assign() | ast.Return() | ast.Expr() | ast.AugAssign() if (
                self._has_walrus and st.value and _lazy_walrus(st.value)
            ):
                before, st.value = self._value(st.value)
                return [*before, *self.statement(st)]
        if isinstance(st, SCOPES):
            return [st]
        for field in ("body", "orelse", "finalbody"):
            if getattr(st, field, None):
                setattr(st, field, self.block(getattr(st, field)))
        for part in (*getattr(st, "handlers", ()), *getattr(st, "cases", ())):
            part.body = self.block(part.body)
        for child in children(st) if self._has_walrus else ():
            if isinstance(child, ast.expr) and _lazy_walrus(child):
                self._refuse(child)
        return [st]

    def _assert(self, st: ast.Assert) -> ast.If:
        error = hook("assertion_error", *([st.msg] if st.msg is not None else []))
        return at(ast.If(at(negate(st.test), st.test), [at(ast.Raise(error, None), st.test)], []), st)

    def _value(self, e: ast.expr) -> tuple[list[ast.stmt], ast.expr]:
        """Statements that compute ``e``, and an expression for the result."""
        if not _lazy_walrus(e):
            return [], e
        name = f"@t{next(self._temporaries)}"
        result = ast.copy_location(load(name), e)
        match e:
            case ast.UnaryOp(ast.Not(), operand):
                before, e.operand = self._value(operand)
                return before, e
            case ast.NamedExpr():
                before, e.value = self._value(e.value)
                return before, e
            case ast.BoolOp():
                out: list[ast.stmt] = []
                place = out
                for k, operand in enumerate(e.values):
                    before, value = self._value(operand)
                    place += [*before, at(assign(name, value), operand)]
                    if k < len(e.values) - 1:
                        test: ast.expr = load(name)
                        branch = at(ast.If(test if isinstance(e.op, ast.And) else negate(test), [], []), operand)
                        place.append(branch)
                        place = branch.body
                return [at(s, e) for s in out], result
            case ast.IfExp():
                before, test = self._value(e.test)
                arms = []
                for arm in (e.body, e.orelse):
                    inner, value = self._value(arm)
                    arms.append([*inner, at(assign(name, value), arm)])
                return [*before, at(ast.If(test, *arms), e)], result
        self._refuse(e)

    def _refuse(self, e: ast.expr) -> NoReturn:
        raise unsupported(
            e,
            self.filename,
            "':=' inside a part of an expression that may not be evaluated is not supported here",
            "the assignment in a statement of its own before",
            self.function,
        )


def _lazy_walrus(e: ast.expr) -> bool:
    """Whether ``e`` holds a ``:=`` in a part that may not be evaluated."""
    match e:
        case ast.BoolOp(values=[first, *rest]):
            return _lazy_walrus(first) or any(_walrus(v) for v in rest)
        case ast.IfExp():
            return _lazy_walrus(e.test) or _walrus(e.body) or _walrus(e.orelse)
        case ast.Compare() if len(e.ops) > 1:
            return any(_lazy_walrus(v) for v in (e.left, e.comparators[0])) or any(
                _walrus(v) for v in e.comparators[1:]
            )
        case ast.Lambda():
            return False
    if isinstance(e, COMPREHENSIONS):
        return False
    return any(_lazy_walrus(c) for c in children(e) if isinstance(c, ast.expr))


def _walrus(e: ast.AST) -> bool:
    if isinstance(e, ast.NamedExpr):
        return True
    return not isinstance(e, ast.Lambda) and any(map(_walrus, children(e)))
