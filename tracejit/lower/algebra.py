"""Rules for elementwise ops that never change a value.

Exactness decides: integers wrap around, so their rules hold modulo ``2**bits``; of floats only what IEEE 754 makes
exact for every operand, with NaN, infinities and the sign of zero. What is not here for that reason: ``x + 0.0`` (it
turns -0.0 into 0.0), ``x * 0.0``, ``x - x``, ``x == x``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from tracejit.ir.core import Op, Value
from tracejit.ir.types import BOOL, ArrayType
from tracejit.lower.rewriter import Rewriter, Scalar, splat
from tracejit.ops import elementwise as e
from tracejit.ops.primitive import Primitive

Rule = Callable[[Rewriter, Op], "Value | None"]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule: it gives the value that stands for the result, or None when it does not apply."""

    def register(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return register


# --- facts about dtypes and constants
@lru_cache(maxsize=256)
def exact(a: np.dtype[Any], b: np.dtype[Any]) -> bool:
    """Whether every value of ``a`` is one of ``b``."""
    if a == b or a.kind == "b":
        return True
    if b.kind == "c":
        return exact(a, np.dtype(f"f{b.itemsize // 2}")) if a.kind != "c" else a.itemsize <= b.itemsize
    if a.kind in "iu":
        bits = 8 * a.itemsize - (a.kind == "i")
        if b.kind == "f":
            return bits <= np.finfo(b).nmant + 1
        if b.kind == "u":
            return a.kind == "u" and a.itemsize <= b.itemsize
        return b.kind == "i" and bits <= 8 * b.itemsize - 1
    return a.kind == "f" and b.kind == "f" and a.itemsize <= b.itemsize


def wrapped(n: int, dtype: np.dtype[Any]) -> int:
    """``n`` modulo the range of an integer dtype."""
    bits = 8 * dtype.itemsize
    n &= (1 << bits) - 1
    return n - (1 << bits) if dtype.kind == "i" and n >> (bits - 1) else n


def is_integer(v: Value) -> bool:
    return v.dtype.kind in "iu"


def made_by(v: Value, name: str) -> Op | None:
    """The op that defines ``v`` if it is ``name``."""
    op = v.op
    return op if op is not None and op.name == name else None


def same(a: Scalar | None, b: Scalar) -> bool:
    """Whether a known constant is the number ``b``, sign of zero included."""
    if a is None or a != b:
        return False
    return not isinstance(a, float) or math.copysign(1.0, a) == math.copysign(1.0, float(b.real))


def constant_right(op: Op) -> Scalar | None:
    """The constant second operand of a commutative op, after it was moved there."""
    a, b = op.operands
    if splat(b) is None and splat(a) is not None:
        op.set_operands([b, a])
    return splat(op.operands[1])


def offset(v: Value) -> tuple[Value, int]:
    """An integer as ``base + constant`` (modulo its range)."""
    op = made_by(v, "add")
    if op is not None and is_integer(v):
        c = splat(op.operands[1])
        if isinstance(c, int):
            return op.operands[0], c
    return v, 0


# --- arithmetic
@rule("add")
def _add(s: Rewriter, op: Op) -> Value | None:
    c = constant_right(op)
    a, b = op.operands
    if a.dtype.kind == "b":
        return _or(s, op)
    if is_integer(a):
        if c == 0:
            return a
        if c is not None:
            base, k = offset(a)
            if base is not a:
                return s.apply(e.add, base, s.full(wrapped(k + int(c.real), a.dtype), a.type))
        for x, y in ((a, b), (b, a)):
            difference = made_by(x, "sub")
            if difference is not None and difference.operands[1] is y:
                return difference.operands[0]
    elif a.dtype.kind == "f" and same(c, -0.0):
        return a
    if a.dtype.kind != "c":
        for x, y in ((a, b), (b, a)):
            negative = made_by(y, "neg")
            if negative is not None:
                return s.apply(e.sub, x, negative.operands[0])
    return None


@rule("sub")
def _sub(s: Rewriter, op: Op) -> Value | None:
    a, b = op.operands
    c = splat(b)
    if is_integer(a):
        if c is not None:
            return s.apply(e.add, a, s.full(wrapped(-int(c.real), a.dtype), a.type))
        (x, k), (y, m) = offset(a), offset(b)
        if x is y:
            return s.full(wrapped(k - m, a.dtype), a.type)
        total = made_by(a, "add")
        if total is not None and b in total.operands:
            return total.operands[1 if total.operands[0] is b else 0]
        difference = made_by(b, "sub")
        if difference is not None and difference.operands[0] is a:
            return difference.operands[1]
        if a.dtype.kind == "i" and splat(a) == 0:
            return s.apply(e.neg, b)
    elif a.dtype.kind == "f" and same(c, 0.0):
        return a
    negative = made_by(b, "neg")
    if negative is not None and a.dtype.kind != "c":
        return s.apply(e.add, a, negative.operands[0])
    return None


@rule("mul")
def _mul(s: Rewriter, op: Op) -> Value | None:
    c = constant_right(op)
    a, b = op.operands
    kind = a.dtype.kind
    if kind == "b":
        return _and(s, op)
    if kind == "c":
        return None
    if c == 1:
        return a
    if c == -1 and kind != "u":
        return s.apply(e.neg, a)
    if is_integer(a):
        if c == 0:
            return b
        inner = made_by(a, "mul")
        if c is not None and inner is not None:
            k = splat(inner.operands[1])
            if k is not None:
                factor = wrapped(int(c.real) * int(k.real), a.dtype)
                return s.apply(e.mul, inner.operands[0], s.full(factor, a.type))
    first, second = made_by(a, "neg"), made_by(b, "neg")
    if first is not None and second is not None:
        return s.apply(e.mul, first.operands[0], second.operands[0])
    return None


@rule("div")
def _div(s: Rewriter, op: Op) -> Value | None:
    a, b = op.operands
    c = splat(b)
    if a.dtype.kind != "f" or not isinstance(c, float):
        return None
    if c == 1.0:
        return a
    if c == -1.0:
        return s.apply(e.neg, a)
    if c and math.isfinite(c) and abs(math.frexp(c)[0]) == 0.5:
        limits = np.finfo(a.dtype)
        if float(limits.tiny) <= abs(1.0 / c) <= float(limits.max):
            return s.apply(e.mul, a, s.full(1.0 / c, a.type))
    return None


def _log2(c: Scalar | None) -> int | None:
    """``k`` of ``c == 2**k``."""
    if isinstance(c, int) and c > 0 and c & (c - 1) == 0:
        return c.bit_length() - 1
    return None


@rule("floordiv")
def _floordiv(s: Rewriter, op: Op) -> Value | None:
    a, b = op.operands
    if not is_integer(a):
        return None
    k = _log2(splat(b))
    if k == 0 or same(splat(a), 0):
        return a
    return None if k is None else s.apply(e.shr, a, s.full(k, a.type))


@rule("mod")
def _mod(s: Rewriter, op: Op) -> Value | None:
    a, b = op.operands
    c = splat(b)
    if not is_integer(a):
        return None
    if c in (1, -1) or same(splat(a), 0):
        return s.full(0, a.type)
    return None if _log2(c) is None or c is None else s.apply(e.and_, a, s.full(int(c.real) - 1, a.type))


@rule("pow")
def _pow(s: Rewriter, op: Op) -> Value | None:
    a, b = op.operands
    c = splat(b)
    if a.dtype.kind not in "iuf" or c is None:
        return None
    if c == 0:
        return s.full(1, a.type)
    if c == 1:
        return a
    if c == 2:
        return s.apply(e.mul, a, a)
    if c == -1 and a.dtype.kind == "f":
        return s.apply(e.div, s.full(1.0, a.type), a)
    return None


@rule("neg")
def _neg(s: Rewriter, op: Op) -> Value | None:
    (a,) = op.operands
    inner = made_by(a, "neg")
    if inner is not None:
        return inner.operands[0]
    difference = made_by(a, "sub")
    if difference is not None and is_integer(a):
        return s.apply(e.sub, difference.operands[1], difference.operands[0])
    return None


@rule("abs")
def _abs(s: Rewriter, op: Op) -> Value | None:
    (a,) = op.operands
    if a.dtype.kind in "ub" or made_by(a, "abs") is not None:
        return a
    inner = made_by(a, "neg")
    return s.apply(e.abs, inner.operands[0]) if inner is not None else None


@rule("minimum", "maximum", "fmin", "fmax")
def _extremum(s: Rewriter, op: Op) -> Value | None:
    primitive = op.primitive
    assert isinstance(primitive, Primitive)
    a, b = op.operands
    if a is b:
        return a
    if a.dtype.kind == "b" and op.name in ("minimum", "maximum"):
        return s.apply(e.and_ if op.name == "minimum" else e.or_, a, b)
    c = constant_right(op) if primitive.commutative else splat(b)
    a, b = op.operands
    for x, y in ((a, b), (b, a)):
        inner = made_by(x, op.name)
        if inner is not None and y in inner.operands and op.name in ("minimum", "maximum"):
            return x
    if is_integer(a) and isinstance(c, int):
        low, high = np.iinfo(a.dtype).min, np.iinfo(a.dtype).max
        if op.name in ("minimum", "fmin"):
            if c in (low, high):
                return b if c == low else a
        elif c in (low, high):
            return b if c == high else a
        inner = made_by(a, op.name)
        if inner is not None:
            k = splat(inner.operands[1])
            if isinstance(k, int):
                pick = min if op.name in ("minimum", "fmin") else max
                return s.apply(primitive, inner.operands[0], s.full(pick(c, k), a.type))
    return None


@rule("add_overflows", "sub_overflows", "mul_overflows", "shl_overflows", "pow_overflows")
def _overflows(s: Rewriter, op: Op) -> Value | None:
    a, b = op.operands
    c = constant_right(op) if op.name in ("add_overflows", "mul_overflows") else splat(b)
    if c == 0 or (c == 1 and op.name in ("mul_overflows", "pow_overflows")) or (a is b and op.name == "sub_overflows"):
        return s.full(False, ArrayType(BOOL, a.type.shape))
    return None


# --- comparison
_SWAPPED = {"eq": e.eq, "ne": e.ne, "lt": e.gt, "le": e.ge, "gt": e.lt, "ge": e.le}
_NEGATED = {"eq": e.ne, "ne": e.eq, "lt": e.ge, "le": e.gt, "gt": e.le, "ge": e.lt}
_REFLEXIVE = {"eq": True, "ne": False, "lt": False, "le": True, "gt": False, "ge": True}


@rule("eq", "ne", "lt", "le", "gt", "ge")
def _compare(s: Rewriter, op: Op) -> Value | None:
    primitive = op.primitive
    assert isinstance(primitive, Primitive)
    a, b = op.operands
    bools = ArrayType(BOOL, a.type.shape)
    if a is b and (a.dtype.kind in "iub" or op.name in ("lt", "gt")) and a.dtype.kind != "c":
        return s.full(_REFLEXIVE[op.name], bools)
    c = splat(b)
    if c is None and splat(a) is not None:
        return s.apply(_SWAPPED[op.name], b, a)
    if a.dtype.kind == "b" and op.name in ("eq", "ne"):
        if c is None:
            return None
        return a if bool(c) == (op.name == "eq") else s.apply(e.not_, a)
    first, second = made_by(a, "cast"), made_by(b, "cast")
    if first is not None and second is not None:
        x, y = first.operands[0], second.operands[0]
        if x.dtype == y.dtype and exact(x.dtype, a.dtype) and x.dtype.kind != "b":
            return s.apply(primitive, x, y)
    if c is None:
        return None
    if first is not None and first.operands[0].dtype.kind == "b" and op.name in ("eq", "ne"):
        return _equals(s, first.operands[0], True, False, c, op.name == "eq", bools)
    if is_integer(a) and isinstance(c, int):
        return _compare_integer(s, op, a, c, bools)
    return None


def _compare_integer(s: Rewriter, op: Op, a: Value, c: int, bools: ArrayType) -> Value | None:
    low, high = np.iinfo(a.dtype).min, np.iinfo(a.dtype).max
    decided = {
        "lt": False if c == low else None,
        "ge": True if c == low else None,
        "gt": False if c == high else None,
        "le": True if c == high else None,
    }.get(op.name)
    if decided is not None:
        return s.full(decided, bools)
    if op.name in ("eq", "ne"):
        base, k = offset(a)
        if base is not a:
            primitive = e.eq if op.name == "eq" else e.ne
            return s.apply(primitive, base, s.full(wrapped(c - k, a.dtype), a.type))
        choice = made_by(a, "select")
        if choice is not None:
            x, y = splat(choice.operands[1]), splat(choice.operands[2])
            if x is not None and y is not None:
                return _equals(s, choice.operands[0], x, y, c, op.name == "eq", bools)
    return None


def _equals(s: Rewriter, p: Value, x: Scalar, y: Scalar, c: Scalar, equal: bool, t: ArrayType) -> Value | None:
    """``(x if p else y) == c``, or ``!=``, of constants."""
    first, second = (x == c) == equal, (y == c) == equal
    if first == second:
        return s.full(first, t)
    return p if first else s.apply(e.not_, p)


# --- bits and logic
def _complements(a: Value, b: Value) -> bool:
    """Whether one is the ``not`` of the other."""
    x, y = made_by(a, "not"), made_by(b, "not")
    return (x is not None and x.operands[0] is b) or (y is not None and y.operands[0] is a)


def _ones(dtype: np.dtype[Any]) -> int | bool:
    return True if dtype.kind == "b" else -1 if dtype.kind == "i" else int(np.iinfo(dtype).max)


def _contains(v: Value, name: str, x: Value) -> bool:
    inner = made_by(v, name)
    return inner is not None and x in inner.operands


@rule("and")
def _and(s: Rewriter, op: Op) -> Value | None:
    c = constant_right(op)
    a, b = op.operands
    if a is b or c == _ones(a.dtype):
        return a
    if c == 0:
        return b
    if _complements(a, b):
        return s.full(0, a.type)
    for x, y in ((a, b), (b, a)):
        if _contains(x, "and", y):
            return x
        if _contains(x, "or", y):
            return y
    return None


def _strictly(v: Value, name: str) -> tuple[Value, Value] | None:
    """``(x, k)`` of a comparison of integers that says ``x > k`` (for a ``maximum``) or ``x < k`` (``minimum``)."""
    op = v.op
    if op is None or op.name not in ("lt", "gt") or not is_integer(op.operands[0]):
        return None
    x, k = op.operands
    return (x, k) if (op.name == "gt") == (name == "maximum") else (k, x)


def _reaches(v: Value, k: Value, name: str) -> bool:
    """Whether ``v`` is an extremum of ``k`` and others."""
    op = made_by(v, name)
    return op is not None and any(_alike(x, k) or _reaches(x, k, name) for x in op.operands)


def _any_beyond(s: Rewriter, a: Value, b: Value) -> Value | None:
    """``x > k or y > max(x, k)`` as ``max(y, max(x, k)) > k``; likewise for the minimum.

    The running extremum of several integers asks so, number by number, whether any of them beat the first.
    """
    for name, primitive, compare in (("maximum", e.maximum, e.gt), ("minimum", e.minimum, e.lt)):
        first, second = _strictly(a, name), _strictly(b, name)
        if first is None or second is None:
            continue
        for (x, k), (y, m) in ((first, second), (second, first)):
            best = made_by(m, name)
            if best is None or not _reaches(m, k, name):
                continue
            if m is x or any(v is x for v in best.operands):
                # what was made already is found again by those that ask of the next number
                made = next((u for u in y.users if u.name == name and m in u.operands and u in s.out), None)
                return s.apply(compare, s.apply(primitive, y, m) if made is None else made.result, k)
    return None


@rule("or")
def _or(s: Rewriter, op: Op) -> Value | None:
    c = constant_right(op)
    a, b = op.operands
    if a is b or c == 0:
        return a
    if c == _ones(a.dtype):
        return b
    if _complements(a, b):
        return s.full(_ones(a.dtype), a.type)
    for x, y in ((a, b), (b, a)):
        if _contains(x, "or", y):
            return x
        if _contains(x, "and", y):
            return y
    return _any_beyond(s, a, b) if a.dtype.kind == "b" else None


@rule("xor")
def _xor(s: Rewriter, op: Op) -> Value | None:
    c = constant_right(op)
    a, b = op.operands
    if c == 0:
        return a
    if a is b:
        return s.full(0, a.type)
    if c is not None and c == _ones(a.dtype):
        return s.apply(e.not_, a)
    return None


@rule("not")
def _not(s: Rewriter, op: Op) -> Value | None:
    (a,) = op.operands
    inner = a.op
    if inner is None:
        return None
    if inner.name == "not":
        return inner.operands[0]
    if inner.name in _NEGATED:
        kind = inner.operands[0].dtype.kind
        if kind in "iub" or inner.name in ("eq", "ne"):
            return s.apply(_NEGATED[inner.name], *inner.operands)
    return None


@rule("shl", "shr")
def _shift(s: Rewriter, op: Op) -> Value | None:
    a, b = op.operands
    return a if splat(b) == 0 else None


# --- choice and conversion
def _equal(a: Value, b: Value) -> bool:
    """Whether two values are one, or the same simple op of the same operands."""
    if a is b:
        return True
    x, y = a.op, b.op
    if x is None or y is None or x.primitive is not y.primitive or x.attrs or y.attrs or a.type != b.type:
        return False
    primitive = x.primitive
    simple = isinstance(primitive, Primitive) and primitive.family == "elementwise"
    return simple and all(map(_alike, x.operands, y.operands))


def _alike(a: Value, b: Value) -> bool:
    """Whether two integers of one shape are one value, or the same constant."""
    x = splat(a)
    return a is b or (x is not None and x == splat(b))


@rule("select")
def _select(s: Rewriter, op: Op) -> Value | None:
    p, a, b = op.operands
    if _equal(a, b):
        return a
    c = splat(p)
    if c is not None:
        return a if c else b
    x, y = splat(a), splat(b)
    if x is not None and y is not None and same(x, y):
        return a
    inverse = made_by(p, "not")
    if inverse is not None:
        return s.apply(e.select, inverse.operands[0], b, a)
    if a.dtype.kind == "b":
        if a is p or x is True:
            return s.apply(e.or_, p, b)
        if b is p or y is False:
            return s.apply(e.and_, p, a)
        if x is False:
            return s.apply(e.and_, s.apply(e.not_, p), b)
        if y is True:
            return s.apply(e.or_, s.apply(e.not_, p), a)
    order = p.op
    if is_integer(a) and order is not None and order.name in ("lt", "le", "gt", "ge"):
        small, large = order.operands if order.name in ("lt", "le") else order.operands[::-1]
        if _alike(small, a) and _alike(large, b):
            return s.apply(e.minimum, a, b)
        if _alike(small, b) and _alike(large, a):
            return s.apply(e.maximum, a, b)
    first, second = made_by(a, "select"), made_by(b, "select")
    if first is not None and first.operands[0] is p:
        return s.apply(e.select, p, first.operands[1], b)
    if second is not None and second.operands[0] is p:
        return s.apply(e.select, p, a, second.operands[2])
    if x is not None and second is not None and same(splat(second.operands[1]), x):
        return s.apply(e.select, s.apply(e.or_, p, second.operands[0]), a, second.operands[2])
    if y is not None and first is not None and same(splat(first.operands[2]), y):
        return s.apply(e.select, s.apply(e.and_, p, first.operands[0]), first.operands[1], b)
    return None


@rule("cast")
def _cast(s: Rewriter, op: Op) -> Value | None:
    (a,) = op.operands
    t = op.result.dtype
    if a.dtype == t:
        return a
    inner = made_by(a, "cast")
    if inner is None:
        return None
    x = inner.operands[0]
    if not exact(x.dtype, a.dtype):
        return None
    if x.dtype == t:
        return x
    # floats to integers out of range is the one conversion that the way taken decides
    if t.kind in "fcb" or a.dtype.kind in "iub" or exact(x.dtype, t):
        return s.cast(x, t)
    return None


@rule("floor", "ceil", "trunc", "rint")
def _round(s: Rewriter, op: Op) -> Value | None:
    (a,) = op.operands
    inner = a.op
    if inner is not None and inner.name in ("floor", "ceil", "trunc", "rint"):
        return a
    if inner is not None and inner.name == "cast" and inner.operands[0].dtype.kind in "iub":
        return a
    return None


@rule("isnan", "isinf", "isfinite")
def _classify(s: Rewriter, op: Op) -> Value | None:
    inner = made_by(op.operands[0], "cast")
    if inner is not None and inner.operands[0].dtype.kind in "iub" and inner.result.dtype != np.float16:
        return s.full(op.name == "isfinite", op.result.type)
    return None


# --- complex numbers
@rule("real", "imag")
def _part(s: Rewriter, op: Op) -> Value | None:
    made = made_by(op.operands[0], "complex")
    return made.operands[op.name == "imag"] if made is not None else None


@rule("conj")
def _conj(s: Rewriter, op: Op) -> Value | None:
    inner = made_by(op.operands[0], "conj")
    return inner.operands[0] if inner is not None else None
