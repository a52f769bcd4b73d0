"""What the conditions of checks say: indices that may be negative, and what practically always holds."""

from __future__ import annotations

from tracejit.ir.core import Op, Value
from tracejit.ir.types import INT64
from tracejit.ops.effects import constant

_FAR = 2**56
"""A bound that the integers of real programs stay within."""

OVERFLOW = {"add_overflows": "add", "sub_overflows": "sub", "mul_overflows": "mul"}
"""The predicate that says whether an operation overflows, and the operation."""


def _conjuncts(v: Value) -> list[Op]:
    op = v.op
    if op is None:
        return []
    return [p for w in op.operands for p in _conjuncts(w)] if op.name == "and" else [op]


def has_upper(check: Op) -> bool:
    """Whether the check of an index has an upper bound."""
    return any(p.name == "lt" for p in _conjuncts(check.operands[0]))


def wrap_around(check: Op) -> Op | None:
    """The ``select(i < 0, i + n, i)`` that follows the check of ``-n <= i`` (and ``i < n``) in its block."""
    parts = _conjuncts(check.operands[0])
    lower = [p for p in parts if p.name == "ge"]
    upper = [p for p in parts if p.name == "lt"]
    if len(lower) != 1 or len(parts) != 1 + len(upper) or len(upper) > 1 or check.block is None:
        return None
    index = lower[0].operands[0]
    if index.dtype != INT64 or any(p.operands[0] is not index for p in upper):
        return None
    for sign in index.users:
        if sign.name != "lt" or sign.operands[0] is not index or constant(sign.operands[1]) != 0:
            continue
        for wrap in sign.results[0].users:
            if wrap.name != "select" or wrap.block is not check.block or wrap.operands[2] is not index:
                continue
            shifted = wrap.operands[1].op
            if shifted is None or shifted.name != "add" or index not in shifted.operands:
                continue
            size = next((v for v in shifted.operands if v is not index), None)
            ops = check.block.ops
            if size is None or not _is_size(size, lower[0].operands[1], upper) or ops.index(wrap) < ops.index(check):
                continue
            if size.op is None or size.op.block is not check.block or ops.index(size.op) < ops.index(check):
                return wrap
    return None


def _is_size(size: Value, least: Value, upper: list[Op]) -> bool:
    """Whether an index is checked against ``size``: ``least`` is its negative, and it is the upper bound if there is
    one."""
    n, low = constant(size), constant(least)
    if isinstance(n, int) and isinstance(low, int):
        matches = low == -n
    else:
        op = least.op
        matches = op is not None and (
            (op.name == "neg" and op.operands[0] is size)
            or (op.name == "sub" and constant(op.operands[0]) == 0 and op.operands[1] is size)
        )
    bounds = [p.operands[1] for p in upper]
    return matches and all(b is size or (isinstance(n, int) and constant(b) == n) for b in bounds)


def alternatives(condition: Value) -> tuple[Value, Value] | None:
    """``(a, b)`` when the condition is ``a or b`` and ``a`` practically always holds: ``b`` need not be looked at."""
    op = condition.op
    if op is None or op.name != "or":
        return None
    for a, b in (op.operands, op.operands[::-1]):
        if _never_overflows(a):
            return a, b
    return None


def _never_overflows(v: Value) -> bool:
    op = v.op
    if op is None:
        return False
    if op.name == "and":
        return all(map(_never_overflows, op.operands))
    if op.name in ("le", "ge"):
        limit = constant(op.operands[1])
        return isinstance(limit, int) and (limit >= _FAR if op.name == "le" else limit <= -_FAR)
    return op.name == "not" and op.operands[0].op is not None and op.operands[0].op.name in OVERFLOW
