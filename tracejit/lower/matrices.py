"""Rules for matrix products that are no products.

The matrix of basis vectors that a Jacobian starts from (:mod:`tracejit.transform.jacobian`) is a ``cast`` with the
attribute ``basis``: its zeros are the absence of numbers, so that products with it are exact even with infinities.
"""

from __future__ import annotations

from tracejit.ir.core import Op, Value
from tracejit.ir.types import INDEX, ArrayType
from tracejit.lower.rewriter import Rewriter
from tracejit.lower.views import Rule, strided
from tracejit.ops import elementwise as e
from tracejit.ops import structural
from tracejit.ops.effects import constant


def _is_basis(v: Value) -> bool:
    """Whether ``v`` is a matrix of all basis vectors, or its transpose."""
    op = v.op
    if op is not None and op.name == "view" and v.rank == 2:
        base, starts, pairs, steps = strided(op)
        whole = sorted(pairs) in ([(0, 0), (1, 1)], [(0, 1), (1, 0)]) and v.shape == base.shape
        ones = [constant(x) for x in starts] == [0, 0] and [constant(x) for x in steps] == [1, 1]
        return whole and ones and _is_basis(base)
    return op is not None and op.name == "cast" and bool(op.attrs.get("basis")) and v.rank == 2


def _diagonal(v: Value) -> Value | None:
    """A matrix with the diagonal of ``v``, when ``v`` is a matrix of basis vectors times something."""
    op = v.op
    if op is None or op.name != "mul" or v.rank != 2:
        return None
    for x, y in (op.operands, op.operands[::-1]):
        if _is_basis(x):
            return y
    return None


def _times_basis(s: Rewriter, op: Op) -> Value | None:
    """Products with basis vectors, or multiples of them: rows or columns, or multiples of these."""
    a, b = op.operands
    if a.rank != 2:
        return None
    if _is_basis(a):
        return b
    if _is_basis(b):
        return a
    zero, one, t = s.const(0, INDEX.dtype), s.const(1, INDEX.dtype), op.result.type
    for k, other in ((0, b), (1, a)):
        scales = _diagonal(op.operands[k])
        if scales is not None:
            n = ArrayType(t.dtype, scales.shape[:1])
            d = s.emit(structural.view, (scales, zero, zero, one, one), (n,), {"pairs": ((0, 0), (1, 0))})[0]
            spread = s.emit(structural.view, (d, zero, one), (t,), {"pairs": ((0, k),)})[0]
            return s.emit(e.mul, (spread, other))[0]
    return None


def _matmul(s: Rewriter, op: Op) -> Value | None:
    """A column times a row is elementwise."""
    found = _times_basis(s, op)
    if found is not None:
        return found
    a, b = op.operands
    if 1 not in (a.shape[-1], b.shape[-2]):
        return None
    t = op.result.type
    zero, one = s.const(0, INDEX.dtype), s.const(1, INDEX.dtype)

    def spread(x: Value) -> Value:
        alone = x.rank - (1 if x is a else 2)
        pairs = tuple((k, k) for k in range(x.rank) if k != alone)
        steps = [one] * len(pairs)
        return s.emit(structural.view, (x, *[zero] * x.rank, *steps), (t,), {"pairs": pairs})[0]

    product = s.emit(e.mul, (spread(a), spread(b)))[0]
    if a.dtype.kind not in "fc":
        return product
    # a sum starts from 0: there is no -0.0
    return s.emit(e.add, (product, s.fill(s.const(0, t.dtype), t)))[0]


RULES: dict[str, Rule] = {"matmul": _matmul}
