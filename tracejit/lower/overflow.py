"""Overflow checks of Python integers that follow each other become one.

``3 * n + 1`` is checked twice, at the product and at the sum. Both failures raise the same error from the same line,
and nothing that can be seen happens in between, so one check that both pass does.
"""

from __future__ import annotations

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ir.types import BOOL, ArrayType
from tracejit.lower.facts import integer
from tracejit.ops import elementwise, structural
from tracejit.ops.effects import is_pure

_MIN, _MAX = -(2**63), 2**63 - 1


def run(function: Function) -> None:
    """Join the overflow checks of ``function``."""
    _block(function.body)


def _block(block: Block) -> None:
    earlier: Op | None = None
    for op in list(block.ops):
        for region in op.regions:
            _block(region)
        if op.name == "check" and op.attrs["exception"] is OverflowError:
            joined = earlier is not None and _join(block, earlier, op)
            earlier = None if joined else op
        elif op.regions or not is_pure(op) or op.name in ("update", "scatter"):
            # the caller may see a store that comes before an error
            earlier = None


def _join(block: Block, first: Op, second: Op) -> bool:
    """Let ``second`` check both, and take ``first`` away; not when they say different things or have different
    excuses."""
    if first.attrs != second.attrs or (first.loc.file, first.loc.line) != (second.loc.file, second.loc.line):
        return False
    payload = first.operands[1:]
    if len(payload) != len(second.operands) - 1 or any(a is not b for a, b in zip(payload, second.operands[1:])):
        return False
    a, excuse_a = _parts(first.operands[0])
    b, excuse_b = _parts(second.operands[0])
    if a is None or b is None or excuse_a is not excuse_b:
        return False
    ops: list[Op] = []

    def emit(primitive: object, *operands: Value) -> Value:
        op = Op(primitive, operands, (ArrayType(BOOL),), None, (), second.loc)  # type: ignore[arg-type]
        ops.append(op)
        return op.results[0]

    bounds = _bounds(a, b)
    if bounds is not None:
        x, low, high = bounds
        limits = []
        for limit in (low, high):
            const = Op(structural.const, (), (x.type,), {"value": limit}, (), second.loc)
            ops.append(const)
            limits.append(const.results[0])
        ok = emit(elementwise.and_, emit(elementwise.ge, x, limits[0]), emit(elementwise.le, x, limits[1]))
    else:
        ok = emit(elementwise.not_, emit(elementwise.or_, a, b))
    if excuse_a is not None:
        ok = emit(elementwise.or_, ok, excuse_a)
    block.insert_before(second, *ops)
    second.set_operands([ok, *payload])
    first.erase()
    return True


def _parts(condition: Value) -> tuple[Value | None, Value | None]:
    """``(overflow, excuse)`` of a condition ``not overflow`` or ``not overflow or excuse``."""
    op = condition.op
    if op is None:
        return None, None
    if op.name == "not":
        return _overflow(op.operands[0]), None
    if op.name == "or":
        for v, other in (op.operands, op.operands[::-1]):
            if v.op is not None and v.op.name == "not":
                return _overflow(v.op.operands[0]), other
    return None, None


def _overflow(v: Value) -> Value | None:
    return v if v.op is not None and v.op.name in ("add_overflows", "sub_overflows", "mul_overflows") else None


def _bounds(a: Value, b: Value) -> tuple[Value, int, int] | None:
    """``(x, low, high)`` when ``a`` is ``x * c`` leaving 64 bits and ``b`` is ``x * c + d`` doing so, with
    constants."""
    product, following = a.op, b.op
    assert product is not None and following is not None
    if product.name != "mul_overflows" or following.name == "mul_overflows":
        return None
    x, c = product.operands[0], integer(product.operands[1])
    y, d = following.operands[0], integer(following.operands[1])
    if c is None or d is None or c <= 0 or y.op is None or y.op.name != "mul" or y.op.operands != product.operands:
        return None
    if following.name == "sub_overflows":
        d = -d
    low, high = max(_MIN, _MIN - d), min(_MAX, _MAX - d)
    return x, -(-low // c), high // c
