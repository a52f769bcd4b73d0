"""Interval arithmetic of integer ops: where the mathematical result lies, given where the operands lie."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from tracejit.ir.core import Op

Interval = tuple[int, int]
"""The least and the greatest value."""


def of_operation(op: Op, operands: Sequence[Interval], whole: Interval) -> Interval:
    """Where the result of ``op`` lies if it does not wrap around, ``whole`` being the range of its dtype; for other ops
    than those below, anywhere."""
    match op.name.removesuffix("_overflows"):
        case "add":
            (a, b), (c, d) = operands
            return a + c, b + d
        case "sub":
            (a, b), (c, d) = operands
            return a - d, b - c
        case "mul":
            corners = [x * y for x, y in product(*operands)]
            return min(corners), max(corners)
        case "neg":
            ((a, b),) = operands
            return -b, -a
        case "abs":
            ((a, b),) = operands
            # the minimum is its own absolute value
            if a <= whole[0] < 0:
                return whole
            return (a, b) if a >= 0 else (-b, -a) if b <= 0 else (0, max(-a, b))
        case "sign":
            ((a, b),) = operands
            return (a > 0) - (a < 0), (b > 0) - (b < 0)
        case "minimum":
            (a, b), (c, d) = operands
            return min(a, c), min(b, d)
        case "maximum":
            (a, b), (c, d) = operands
            return max(a, c), max(b, d)
        case "cast":
            ((a, b),) = operands
            return (a, b) if whole[0] <= a and b <= whole[1] else whole
        case "not":
            ((a, b),) = operands
            return (~b, ~a) if whole[0] < 0 else (whole[1] - b, whole[1] - a)
        case "and":
            return _and(operands[0], operands[1], whole)
        case "or" | "xor":
            (a, b), (c, d) = operands
            return (0, (1 << max(b.bit_length(), d.bit_length())) - 1) if a >= 0 and c >= 0 else whole
        case "shr":
            (a, b), (c, d) = operands
            if c == d and 0 <= c < 64:
                return a >> c, b >> c
            return min(a, 0), max(b, 0)
        case "shl":
            (a, b), (c, d) = operands
            fits = c == d and 0 <= c < 64 and whole[0] <= a << c and b << c <= whole[1]
            return (a << c, b << c) if fits else whole
        case "floordiv":
            return _floordiv(operands[0], operands[1])
        case "mod":
            return _mod(operands[0], operands[1])
        case "pow":
            (a, b), (c, d) = operands
            if a >= 0 and c >= 0 and d <= 64 and b**d <= whole[1]:
                return min(a**c, a**d), b**d
            return whole
    return whole


def _and(x: Interval, y: Interval, whole: Interval) -> Interval:
    bounds = [b for a, b in (x, y) if a >= 0]
    return (0, min(bounds)) if bounds else whole


def _floordiv(x: Interval, y: Interval) -> Interval:
    (a, b), (c, d) = x, y
    if c >= 0:
        # division by zero gives 0
        corners = [n // m for n in (a, b) for m in (max(c, 1), max(d, 1))]
        if c == 0:
            corners.append(0)
        return min(corners), max(corners)
    size = max(abs(a), abs(b))
    return -size, size


def _mod(x: Interval, y: Interval) -> Interval:
    (a, b), (c, d) = x, y
    if c > 0 and a >= 0 and b < c:
        return a, b
    low, high = min(c + 1, 0), max(d - 1, 0)
    if c >= 0 and a >= 0:
        high = min(high, b)
    return low, high
