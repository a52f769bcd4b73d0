"""Branches: with a Python condition one arm runs, as in Python; with a traced one both are recorded and joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tracejit.ir.core import Value
from tracejit.ir.types import BOOL
from tracejit.ops import elementwise as E
from tracejit.ops.builder import Builder
from tracejit.ops.effects import is_speculatable
from tracejit.trace import conversions
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import is_tracing, leaked
from tracejit.trace.control import UNBOUND, Arm, Control, Unreachable, control
from tracejit.trace.either import Either, Joined, describe
from tracejit.trace.join import BranchJoin
from tracejit.trace.scalars import ScalarTracer, python_scalar
from tracejit.trace.tracer import COMPUTED, Origin, Tracer

if TYPE_CHECKING:
    from tracejit.trace.rewrite import Site

Env = dict[str, Any]


def truth(x: Any) -> bool | Value:
    """``bool(x)``, as a value where it is known at run time only."""
    if isinstance(x, (ScalarTracer, ArrayTracer)):
        value = conversions.truth(x)
        op = value.op
        return bool(op.attrs["value"]) if op is not None and op.name == "const" else value
    if isinstance(x, Either):
        result = x.each(as_bool)
        return result if isinstance(result, bool) else truth(result)
    return bool(x)


def as_bool(x: Any) -> Any:
    """``bool(x)`` as a Python bool, traced where it must be."""
    t = truth(x)
    return t if isinstance(t, bool) else python_scalar(t)


# --- expressions
# ---------------------------------------------------------------------------------------------------------------


def record(c: Control, function: Callable[[], Any]) -> tuple[Arm, Any]:
    """An arm that is one expression, and its value."""
    arm = Arm(c)
    arm.open()
    value: Any = UNBOUND
    try:
        value = function()
    except Exception as error:
        if not arm.caught(error):
            raise
    arm.close()
    return arm, value


def branch(condition: Value, first: Callable[[], Any], second: Callable[[], Any]) -> Any:
    """``first() if condition else second()``."""
    c = control()
    one, x = record(c, first)
    other, y = record(c, second)
    (result,) = BranchJoin(c, condition, (one, other)).run(("the value",), (x,), (y,))
    return result


def logical(first: Any, condition: Value, second: Callable[[], Any], conjunction: bool) -> Any:
    """``first and second()`` (or ``or``); ``condition`` is the truth of ``first``."""
    c = control()
    arm, x = record(c, second)
    if isinstance(first, ScalarTracer) and isinstance(x, ScalarTracer) and first.value.dtype == x.value.dtype == BOOL:
        if first.alternatives == x.alternatives and not first.is_mixed and _is_cheap(arm):
            b = _spliced(c, arm)
            value = b.apply(E.and_ if conjunction else E.or_, condition, x.value)
            return ScalarTracer(value, first.alternatives)
    skip, y = record(c, lambda: first)
    arms, values = ((arm, skip), (x, y)) if conjunction else ((skip, arm), (y, x))
    (result,) = BranchJoin(c, condition, arms).run(("the value",), values[:1], values[1:])
    return result


def _is_cheap(arm: Arm) -> bool:
    """Whether an arm may as well run when it is not needed."""
    plain = not arm.raised and not arm.arrays and not arm.objects
    return plain and len(arm.block.ops) <= 24 and all(map(is_speculatable, arm.block.ops))


def _spliced(c: Control, arm: Arm) -> Builder:
    b = c.context.at()
    for op in arm.block.ops:
        b.block.append(op)
    return b


def both(condition: Value, second: Callable[[], Any], conjunction: bool) -> Any:
    """``condition and second()`` (or ``or``) where only the truth of the result counts."""
    c = control()
    arm, x = record(c, lambda: as_bool(second()))
    if _is_cheap(arm):
        b = _spliced(c, arm)
        if isinstance(x, bool):
            return python_scalar(condition) if x is conjunction else x
        return python_scalar(b.apply(E.and_ if conjunction else E.or_, condition, x.value))
    skip, y = record(c, lambda: not conjunction)
    arms, values = ((arm, skip), (x, y)) if conjunction else ((skip, arm), (y, x))
    (result,) = BranchJoin(c, condition, arms).run(("the condition",), values[:1], values[1:])
    return result


def negated(condition: Value) -> ScalarTracer:
    """``not condition``."""
    return python_scalar(control().context.at().apply(E.not_, condition))


# --- statements
# ----------------------------------------------------------------------------------------------------------------


class _Decided:
    """The driver of a branch whose condition is known."""

    fresh = watch = joined = False

    def __init__(self, step: int) -> None:
        self._steps = (step,)

    def __iter__(self) -> Iterator[int]:
        return iter(self._steps)

    def caught(self, error: Exception) -> bool:
        return False


_FIRST = _Decided(0)
_SECOND = _Decided(1)


class Branch:
    """The driver of ``if``, with all its ``elif``\\ s: see :mod:`tracejit.trace.rewrite`.

    Turn ``2 k`` runs the body of test number ``k``, turn ``2 k - 1`` computes that test (after whatever precedes
    it), the last turn runs ``else``.
    """

    fresh = watch = True

    def __init__(self, site: Site, test: Any, tests: int) -> None:
        self.site = site
        self.joined = False
        self._tests = tests
        self._tested = test
        self._entry: Env | None = None  # the names before the statement
        self._state: Env | None = None  # ... before the next turn, or after the last
        self._arms: list[Arm] = []

    def enter(self, env: Env) -> tuple[Any, ...]:
        if self._entry is None:
            self._entry = self._take(env)
        state = self._state if self._state is not None else self._entry
        return tuple(state.get(name, UNBOUND) for name in self.site.names)

    def leave(self, env: Env) -> None:
        self._state = self._take(env)

    def _take(self, env: Env) -> Env:
        return {name: env[name] for name in self.site.names if name in env}

    def test(self, value: Any) -> None:
        self._tested = value

    def caught(self, error: Exception) -> bool:
        return bool(self._arms) and self._arms[-1].caught(error)

    def result(self) -> tuple[Any, ...]:
        assert self._state is not None
        return tuple(self._state.get(name, UNBOUND) for name in self.site.joined)

    def __iter__(self) -> Iterator[int]:
        yield from self._branch(0)

    def _branch(self, k: int) -> Iterator[int]:
        condition = truth(self._tested)
        if isinstance(condition, bool):
            yield from self._arm(k, condition)
            return
        c = control()
        before = self._state
        arms: list[Arm] = []
        states: list[Env] = []
        for which in (True, False):
            arm = Arm(c)
            arm.open()
            self._arms.append(arm)
            self._state = before
            yield from self._arm(k, which)
            assert self._state is not None
            states.append(self._state)
            self._arms.pop()
            arm.close()
            arms.append(arm)
        self.joined = True
        self._state = self._join(c, condition, (arms[0], arms[1]), states)

    def _arm(self, k: int, which: bool) -> Iterator[int]:
        if which:
            yield 2 * k
        elif k == self._tests - 1:
            yield 2 * k + 1
        else:
            yield 2 * k + 1
            if self._arms and self._arms[-1].raised:
                return
            try:
                yield from self._branch(k + 1)
            except Unreachable as error:
                # every further arm raises: so does the arm of this one that they are in
                if not self.caught(error):
                    raise

    def _join(self, c: Control, condition: Value, arms: tuple[Arm, Arm], states: Sequence[Env]) -> Env:
        # inside an `elif` chain the names that only later arms read do not matter any more
        names = self.site.joined
        values = [[state.get(name, UNBOUND) for name in names] for state in states]
        joined = BranchJoin(c, condition, arms).run(names, *values)
        for name, x, *arm_values in zip(names, joined, *values):
            if isinstance(x, Either) and x.origin is COMPUTED and "@" not in name:
                place = Joined(c.context.here(), name, tuple(map(describe, arm_values)))
                x.origin = Origin("computed", place, repr(name))
        return dict(zip(names, joined))


def branch_driver(site: Site, test: Any, tests: int) -> Branch | _Decided:
    """The driver of an ``if``."""
    if not isinstance(test, Tracer):
        if tests == 1:
            return _FIRST if test else _SECOND
        if test:
            return _FIRST
    elif not is_tracing():
        raise leaked()
    return Branch(site, test, tests)
