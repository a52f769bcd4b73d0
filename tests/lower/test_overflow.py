"""Joined overflow checks fail exactly when one of the two did."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.lower.test_lowering import program
from tracejit.ir.core import Value
from tracejit.ir.loc import Loc
from tracejit.ir.types import INDEX, PREDICATE, ArrayType
from tracejit.ir.verify import verify
from tracejit.lower import overflow
from tracejit.ops import elementwise
from tracejit.ops.builder import Builder
from tracejit.ops.interpret import interpret

LOW, HIGH = -(2**63), 2**63 - 1


def checked(b: Builder, name: str, x: Value, y: Value, excuse: Value | None, line: int = 1) -> Value:
    b.loc = Loc("f.py", line)
    bad = b.apply(getattr(elementwise, f"{name}_overflows"), x, y)
    ok = b.apply(elementwise.not_, bad)
    if excuse is not None:
        ok = b.apply(elementwise.or_, ok, excuse)
    b.check(ok, OverflowError, ("too large",))
    return b.apply(getattr(elementwise, name), x, y)


@pytest.mark.parametrize("excused", [True, False])
@pytest.mark.parametrize(
    ("c", "name", "d"), [(3, "add", 1), (3, "sub", 5), (7, "add", -2), (1, "add", 1), (-3, "add", 1)]
)
def test_product_and_sum(c: int, name: str, d: int, excused: bool) -> None:
    def build(b: Builder, x: Value, p: Value) -> Sequence[Value]:
        excuse = p if excused else None
        y = checked(b, "mul", x, b.const(c, np.int64), excuse)
        return [checked(b, name, y, b.const(d, np.int64), excuse)]

    before = program([INDEX, PREDICATE], build)
    after = before.clone()
    overflow.run(after)
    assert sum(op.name == "check" for op in after.walk()) == 1
    edges = {e // c + k for e in (LOW, HIGH, LOW - d, HIGH - d, LOW + d, HIGH + d) for k in (-2, -1, 0, 1, 2)}
    for x in sorted(v for v in edges | {0, 1, -1, LOW, HIGH} if LOW <= v <= HIGH):
        for p in (True, False):
            assert outcome(after, x, p) == outcome(before, x, p), (x, p)


def outcome(function: object, *arguments: object) -> object:
    try:
        return [int(v) for v in interpret(function, arguments)]  # type: ignore[arg-type]
    except OverflowError:
        return OverflowError


def test_different_lines_or_excuses_stay_apart() -> None:
    def lines(b: Builder, x: Value, p: Value) -> Sequence[Value]:
        y = checked(b, "mul", x, b.const(3, np.int64), None)
        return [checked(b, "add", y, b.const(1, np.int64), None, line=2)]

    def excuses(b: Builder, x: Value, p: Value) -> Sequence[Value]:
        y = checked(b, "mul", x, b.const(3, np.int64), p)
        return [checked(b, "add", y, b.const(1, np.int64), None)]

    for build in (lines, excuses):
        function = program([INDEX, PREDICATE], build)
        overflow.run(function)
        assert sum(op.name == "check" for op in function.walk()) == 2


def test_three_in_a_row() -> None:
    def build(b: Builder, x: Value) -> Sequence[Value]:
        y = checked(b, "mul", x, b.const(3, np.int64), None)
        z = checked(b, "add", y, b.const(1, np.int64), None)
        return [checked(b, "add", z, x, None)]

    before = program([INDEX], build)
    after = before.clone()
    overflow.run(after)
    verify(after)
    assert sum(op.name == "check" for op in after.walk()) == 2
    for x in (0, 1, HIGH // 3, HIGH // 3 + 1, HIGH // 4, HIGH // 4 + 1, LOW // 3, LOW // 3 - 1, LOW // 4, HIGH, LOW):
        assert outcome(after, x) == outcome(before, x), x


def test_a_store_in_between_is_seen_by_the_caller() -> None:
    def build(b: Builder, x: Value, array: Value) -> Sequence[Value]:
        y = checked(b, "mul", x, b.const(3, np.int64), None)
        array = b.update(array, y, (0,), (), ())
        return [checked(b, "add", y, b.const(1, np.int64), None), array]

    function = program([INDEX, ArrayType(INDEX.dtype, (1,))], build)
    overflow.run(function)
    assert sum(op.name == "check" for op in function.walk()) == 2
