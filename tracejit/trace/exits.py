"""Second rewriting pass: functions without ``break``, ``continue``, ``return`` and loop ``else``.

Where a jump ends a branch, the rest of the block moves into the other branch, and nothing else is needed::

    if a: return 1        if a: value = 1
    rest                  else: rest

Where it does not, a local flag is set and the rest of the block is guarded by it. Flags are ordinary locals: Python
bools until a traced branch sets one. Those of a loop are reset at the start of each turn, so that they are not carried
around it; a loop whose ``flag`` is true after a turn ends.
"""

from __future__ import annotations

import ast
from itertools import count

from tracejit.record import record
from tracejit.trace.syntax import (
    FUNCTIONS,
    JUMPS,
    RETURNED,
    VALUE,
    ForLoop,
    WhileLoop,
    assign,
    at,
    blocks,
    has_jump,
    is_true,
    load,
    same_scope,
    unsupported,
)


@record(frozen=True)
class _Loop:
    """The flags of the loop around a statement."""

    leave: str  # set by break and return: the loop ends
    skip: str  # set by every jump: the rest of this turn is not executed


class Exits:
    """Rewrites the body of one function."""

    def __init__(self, filename: str, function: str) -> None:
        self.filename = filename
        self.function = function
        self._number = count(1)
        self._reads_returned = False

    def body(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """The statements of a function, ending in its only ``return``."""
        if not has_jump(statements):
            return self.block(statements, None)
        last = statements[-1]
        if isinstance(last, ast.Return) and not has_jump(statements[:-1]):
            return [*self.block(statements[:-1], None), last]
        first = statements[0]
        init = [at(assign(VALUE, ast.Constant(None)), first)] if _falls_off(statements) else []
        out = self.block(statements, None)
        if self._reads_returned:
            init.append(at(assign(RETURNED, ast.Constant(False)), first))
        return [*init, *out, at(ast.Return(load(VALUE)), last)]

    def block(self, statements: list[ast.stmt], loop: _Loop | None) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for k, st in enumerate(statements):
            rest = statements[k + 1 :]
            match st:
                case ast.Return() | ast.Break() | ast.Continue():
                    out.extend(at(s, st) for s in self._jump(st, loop))
                    return out
                case ast.For() | ast.While():
                    jumps = has_jump([st])
                    out.extend(self._loop(st, loop, rest))
                    if jumps:
                        return out
                case ast.If() if has_jump([st]):
                    if _leaves(st.body):
                        st.orelse, rest = [*st.orelse, *rest], []
                    elif st.orelse and _leaves(st.orelse):
                        st.body, rest = [*st.body, *rest], []
                    st.body, st.orelse = self.block(st.body, loop), self.block(st.orelse, loop)
                    out.append(st)
                    out.extend(self._guarded(rest, loop, st))
                    return out
                case ast.Try() if has_jump([st]):
                    if has_jump(st.finalbody):
                        jump = next(n for n in same_scope(st.finalbody) if isinstance(n, JUMPS))
                        raise unsupported(
                            jump,
                            self.filename,
                            "a jump out of 'finally' is not supported: it would swallow exceptions",
                            "the statement after the 'try'",
                            self.function,
                        )
                    body_jumps = has_jump(st.body)
                    st.body = self.block(st.body, loop)
                    for handler in st.handlers:
                        handler.body = self.block(handler.body, loop)
                    if st.orelse:
                        st.orelse = self._guarded(st.orelse, loop, st) if body_jumps else self.block(st.orelse, loop)
                    st.finalbody = self.block(st.finalbody, loop)
                    out.append(st)
                    out.extend(self._guarded(rest, loop, st))
                    return out
                case ast.With() | ast.Match() if has_jump([st]):
                    for inner in blocks(st):
                        inner[:] = self.block(inner, loop)
                    out.append(st)
                    out.extend(self._guarded(rest, loop, st))
                    return out
                case _:
                    if not isinstance(st, (*FUNCTIONS, ast.ClassDef)):
                        for inner in blocks(st):
                            inner[:] = self.block(inner, loop)
                    out.append(st)
        return out

    def _jump(self, st: ast.stmt, loop: _Loop | None) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        if isinstance(st, ast.Return):
            out.append(assign(VALUE, st.value if st.value is not None else ast.Constant(None)))
            out.append(assign(RETURNED, ast.Constant(True)))
        if loop is not None:
            if not isinstance(st, ast.Continue):
                out.append(assign(loop.leave, ast.Constant(True)))
            if loop.skip != loop.leave or isinstance(st, ast.Continue):
                out.append(assign(loop.skip, ast.Constant(True)))
        return out

    def _guarded(self, rest: list[ast.stmt], loop: _Loop | None, place: ast.stmt) -> list[ast.stmt]:
        """``rest``, executed only if no jump was reached in the statement before it."""
        if not rest:
            return []
        if loop is None:
            self._reads_returned = True
        flag = loop.skip if loop is not None else RETURNED
        return [at(ast.If(load(flag), [ast.Pass()], self.block(rest, loop)), place)]

    def _loop(self, st: ast.For | ast.While, outer: _Loop | None, rest: list[ast.stmt]) -> list[ast.stmt]:
        """The loop and, if a ``return`` may leave it, everything after it in its block."""
        returns = has_jump(st.body, (ast.Return,))
        leaves = returns or has_jump(st.body, (ast.Break,))
        number = next(self._number)
        leave = f"@leave{number}"
        flags = _Loop(leave, f"@skip{number}" if has_jump(st.body, (ast.Continue,)) else leave)
        orelse, st.orelse = st.orelse, []
        reset: list[ast.stmt] = []
        if has_jump(st.body):
            names = dict.fromkeys([leave] if leaves else [])
            names[flags.skip] = None
            if returns:
                names[RETURNED] = None
            reset = [at(assign(name, ast.Constant(False)), st) for name in names]
        body = [*reset, *self.block(st.body, flags)]
        new: ForLoop | WhileLoop
        if isinstance(st, ast.For):
            new = ast.copy_location(ForLoop(st.target, st.iter, body, []), st)
        else:
            new = ast.copy_location(WhileLoop(st.test, body, []), st)
        new.flag = leave if leaves else None
        out: list[ast.stmt] = []
        if leaves:
            out.append(at(assign(leave, ast.Constant(False)), st))
        out.append(new)
        if orelse:
            if leaves:
                unless = at(ast.If(load(leave), [ast.Pass()], orelse), st)
                if returns:
                    rest = [unless, *rest]  # goes into the guard below
                elif has_jump(orelse):
                    out.extend(self.block([unless, *rest], outer))
                    return out
                else:
                    unless.orelse = self.block(orelse, outer)
                    out.append(unless)
            else:
                out.extend(self.block([*orelse, *rest] if has_jump(orelse) else orelse, outer))
                if has_jump(orelse):
                    return out
        if returns:
            self._reads_returned = True
            then: list[ast.stmt] = [ast.Pass()]
            if outer is not None:
                then = [assign(name, ast.Constant(True)) for name in dict.fromkeys((outer.leave, outer.skip))]
            if rest or outer is not None:
                out.append(at(ast.If(load(RETURNED), then, self.block(rest, outer)), st))
        return out


def _leaves(statements: list[ast.stmt]) -> bool:
    """Whether control never reaches the end of the statements, because of a jump."""
    if not statements:
        return False
    last = statements[-1]
    if isinstance(last, JUMPS):
        return True
    if isinstance(last, ast.If):
        arms = (last.body, last.orelse)
        return any(map(_leaves, arms)) and all(_leaves(a) or _raises(a) for a in arms)
    if isinstance(last, ast.With):
        return _leaves(last.body)
    if isinstance(last, ast.While):
        return is_true(last.test) and not has_jump(last.body, (ast.Break,)) and has_jump(last.body, (ast.Return,))
    return False


def _raises(statements: list[ast.stmt]) -> bool:
    return bool(statements) and isinstance(statements[-1], ast.Raise)


def _falls_off(statements: list[ast.stmt]) -> bool:
    """Whether control may reach the end of a function's statements."""
    if not statements:
        return True
    last = statements[-1]
    match last:
        case ast.Return() | ast.Raise():
            return False
        case ast.If():
            return _falls_off(last.body) or _falls_off(last.orelse)
        case ast.With():
            return _falls_off(last.body)
        case ast.While():
            return not is_true(last.test) or has_jump(last.body, (ast.Break,))
    return True
