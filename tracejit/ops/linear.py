"""Transposition of structural ops: how a cotangent of the result reaches the operands.

Each function is the ``transpose`` rule of a primitive: ``rule(b, op, ct, k)`` returns the cotangent of operand ``k``,
or a function that adds it to a cotangent that is already there. The second form is for ops that concern a part of the
operand: they accumulate in place, so that a load from an array costs as much backwards as forwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from tracejit.ir.core import Op, Value
from tracejit.ir.types import Dim
from tracejit.ops.effects import constant
from tracejit.ops.primitive import REGISTRY

if TYPE_CHECKING:
    from tracejit.ops.builder import Builder

Contribution: TypeAlias = "Value | Callable[[Value], Value]"
Pair: TypeAlias = tuple[int, int, Value]
"""An axis of the base, an axis of the part, and the step."""


def region_of(op: Op) -> tuple[list[Value], list[Pair]]:
    """The starts and pairs with steps of a ``view`` or ``update``."""
    rank = op.operands[0].rank
    rest = op.operands[1:] if op.name == "view" else op.operands[2:]
    return rest[:rank], [(k, j, s) for (k, j), s in zip(op.attrs["pairs"], rest[rank:], strict=True)]


# --- views
def view(b: Builder, op: Op, ct: Value, k: int) -> Contribution:
    base = op.operands[0]
    starts, pairs = region_of(op)
    kept = [j for j in range(ct.rank) if any(j == other and constant(s) != 0 for _, other, s in pairs)]
    ct, pairs = _without_broadcasting(b, ct, pairs)
    if not base.rank:
        return ct
    order = _whole(base, [op.result.shape[j] for j in kept], starts, pairs)
    if order is not None:
        return ct if order == list(range(ct.rank)) else b.transpose(ct, order)
    return lambda into: accumulate(b, into, ct, starts, pairs)


def view_mask(b: Builder, op: Op, mask: Value) -> Value | None:
    """Where a cotangent of the base of a ``view`` may be other than zero, when that of the result is so only where
    ``mask`` holds; None for anywhere."""
    base = op.operands[0]
    starts, pairs = region_of(op)
    repeats = [j for j in range(mask.rank) if not any(j == other and constant(s) != 0 for _, other, s in pairs)]
    kept = [j for j in range(mask.rank) if j not in repeats]
    pairs = [(k, kept.index(j), s) for k, j, s in pairs if constant(s) != 0]
    order = _whole(base, [op.result.shape[j] for j in kept], starts, pairs) if base.rank else []
    if order is None:
        return None
    if mask.op is not None and mask.op.name == "view" and not mask.op.operands[0].rank:
        return b.fill(mask.op.operands[0], base.shape)
    if repeats:
        mask = b.reduce(REGISTRY["reduce_any"], mask, repeats)
    return b.transpose(mask, order) if order != sorted(order) else mask


def _without_broadcasting(b: Builder, ct: Value, pairs: Sequence[Pair]) -> tuple[Value, list[Pair]]:
    """Sum over the axes along which the view repeats elements."""
    pairs = [p for p in pairs if constant(p[2]) != 0]
    paired = {j for _, j, _ in pairs}
    axes = [j for j in range(ct.rank) if j not in paired]
    place = {j: n for n, j in enumerate(j for j in range(ct.rank) if j in paired)}
    return b.sum(ct, axes), [(k, place[j], s) for k, j, s in pairs]


def _whole(base: Value, shape: Sequence[Dim], starts: Sequence[Value], pairs: Sequence[Pair]) -> list[int] | None:
    """The axes of a part of ``shape`` in the order of those of ``base``, when it has each element of that once, else
    None."""
    if sorted(k for k, _, _ in pairs) != list(range(base.rank)) or len(shape) != base.rank:
        return None
    if any(constant(s) != 0 for s in starts) or any(constant(s) != 1 for _, _, s in pairs):
        return None
    if any(base.shape[k] != shape[j] for k, j, _ in pairs):
        return None
    return [j for _, j, _ in sorted(pairs, key=lambda p: p[0])]


def accumulate(b: Builder, into: Value, ct: Value, starts: Sequence[Value], pairs: Sequence[Pair]) -> Value:
    """``into`` with ``ct`` added to the elements of its view; those that the view has several times get the sum."""
    ct, pairs = _without_broadcasting(b, ct, pairs)
    for n, (k, j, step) in enumerate(pairs):
        if constant(step) is None and not _is_nonzero(step):
            # a run-time step is 0 where the program broadcasts an axis that turned out to have length 1
            rest = [*pairs[:n], *pairs[n + 1 :]]

            def repeated(b: Builder, rest: list[Pair] = rest) -> list[Value]:
                return [accumulate(b, into, ct, starts, rest)]

            def strided(b: Builder, k: int = k, j: int = j, step: Value = step, rest: list[Pair] = rest) -> list[Value]:
                return [accumulate(b, into, ct, starts, [*rest, (k, j, _nonzero(b, step))])]

            zero = b.apply(REGISTRY["eq"], step, b.index(0))
            return b.if_(zero, [into.type], repeated, strided)[0]
    shared = [j for n, (k, j, _) in enumerate(pairs) if any(k == other for other, _, _ in pairs[:n])]
    if shared:
        # several axes of the part run over one axis of the base (sliding windows): one place after the other
        axes = {j for k, j, _ in pairs if any(k == other and j in shared for other, j, _ in pairs)}
        axis = min(axes, key=lambda j: _length(ct.shape[j]))
        return _accumulate_along(b, into, ct, starts, pairs, axis)
    operands = [s for _, _, s in pairs]
    axes_of = [(k, j) for k, j, _ in pairs]
    if not _is_zero(into, _extent(ct, starts, pairs)):
        ct = b.apply(REGISTRY["add"], b.view(into, ct.shape, starts, axes_of, operands), ct)
    return b.update(into, ct, starts, axes_of, operands)


Extent: TypeAlias = "list[tuple[int, int]] | None"
"""Per axis the first and the last index of a part; None when it is not known."""


def _extent(part: Value, starts: Sequence[Value], pairs: Sequence[Pair]) -> Extent:
    found: list[tuple[int, int]] = []
    for axis, start in enumerate(starts):
        low = high = constant(start)
        if not isinstance(low, int) or not isinstance(high, int):
            return None
        for k, j, step in pairs:
            if k == axis:
                length, stride = part.shape[j], constant(step)
                if not isinstance(length, int) or not isinstance(stride, int) or length == 0:
                    return None
                low, high = low + min(0, stride * (length - 1)), high + max(0, stride * (length - 1))
        found.append((low, high))
    return found


def _is_zero(into: Value, here: Extent) -> bool:
    """Whether an accumulator is known to be zero everywhere in a part: nothing has been added there yet."""
    while into.op is not None and into.op.name == "update" and here is not None:
        starts, pairs = region_of(into.op)
        there = _extent(into.op.operands[1], starts, pairs)
        if there is None or not any(a > d or b < c for (a, b), (c, d) in zip(here, there)):
            return False
        into = into.op.operands[0]
    return known_zero(into)


def known_zero(v: Value) -> bool:
    """Whether ``v`` is a constant zero at every index."""
    if v.op is not None and v.op.name == "view" and not v.op.operands[0].rank:
        v = v.op.operands[0]
    return v.op is not None and v.op.name == "const" and not v.rank and not v.op.attrs["value"]


def _length(d: Dim) -> float:
    return d if isinstance(d, int) else math.inf


def _accumulate_along(
    b: Builder, into: Value, ct: Value, starts: Sequence[Value], pairs: Sequence[Pair], axis: int
) -> Value:
    """:func:`accumulate` for each index of one axis of the part."""
    rest = [(k, j - (j > axis), s) for k, j, s in pairs if j != axis]
    others = [j for j in range(ct.rank) if j != axis]

    def body(b: Builder, i: Value, into: Value) -> list[Value]:
        shifted = list(starts)
        for k, j, step in pairs:
            if j == axis:
                shifted[k] = b.apply(REGISTRY["add"], shifted[k], b.apply(REGISTRY["mul"], i, step))
        at = [i if j == axis else 0 for j in range(ct.rank)]
        shape = tuple(ct.shape[j] for j in others)
        part = b.view(ct, shape, at, [(j, n) for n, j in enumerate(others)], (1,) * len(others))
        return [accumulate(b, into, part, shifted, rest)]

    return b.for_(0, ct.shape[axis], 1, [into], body)[0]


def _nonzero(b: Builder, step: Value) -> Value:
    """``step`` in a form that says that it is not 0 (see :func:`_is_nonzero`)."""
    zero = b.apply(REGISTRY["eq"], step, b.index(0))
    return b.apply(REGISTRY["select"], zero, b.index(1), step)


def _is_nonzero(step: Value) -> bool:
    op = step.op
    if op is None or op.name != "select" or constant(op.operands[1]) in (None, 0):
        return False
    condition = op.operands[0].op
    return (
        condition is not None
        and condition.name == "eq"
        and condition.operands[0] is op.operands[2]
        and constant(condition.operands[1]) == 0
    )


# --- updates
def update(b: Builder, op: Op, ct: Value, k: int) -> Contribution:
    base, v = op.operands[:2]
    starts, pairs = region_of(op)
    axes, steps = op.attrs["pairs"], [s for _, _, s in pairs]
    if k == 0:
        return b.update(ct, b.full(0, v), starts, axes, steps)
    part = b.view(ct, v.shape, starts, axes, steps)
    if _places_differ(v, pairs):
        return part

    def store(places: Value, numbers: Value) -> Value:
        return b.update(places, numbers, starts, axes, steps)

    def load(places: Value) -> Value:
        return b.view(places, v.shape, starts, axes, steps)

    return _of_the_last(b, part, base, store, load)


def _places_differ(v: Value, pairs: Sequence[Pair]) -> bool:
    """Whether no two elements of ``v`` are stored in one place."""
    paired = {j for _, j, s in pairs if constant(s) not in (None, 0) or _is_nonzero(s)}
    if any(j not in paired and d != 1 for j, d in enumerate(v.shape)):
        return False
    bases = [k for k, j, _ in pairs if v.shape[j] != 1]
    return len(bases) == len(set(bases))


def _of_the_last(
    b: Builder,
    part: Value,
    base: Value,
    store: Callable[[Value, Value], Value],
    load: Callable[[Value], Value],
) -> Value:
    """``part`` where an element was the last of those stored in its place, zero elsewhere."""
    numbers = b.reshape(b.iota(b.dim_product(part.shape)), part.shape)
    places = store(b.fill(b.index(0), base.shape), numbers)
    last = b.apply(REGISTRY["eq"], load(places), numbers)
    return b.apply(REGISTRY["select"], last, part, b.full(0, part))


# --- indexing by arrays
def gather(b: Builder, op: Op, ct: Value, k: int) -> Contribution:
    return lambda into: b.scatter(into, ct, op.operands[1:], op.attrs["axes"], "add")


def scatter(b: Builder, op: Op, ct: Value, k: int) -> Contribution:
    base, v, *indices = op.operands
    axes = op.attrs["axes"]
    if op.attrs.get("mode", "set") == "add":
        return ct if k == 0 else b.gather(ct, indices, axes)
    if k == 0:
        return b.scatter(ct, b.full(0, v), indices, axes)
    part = b.gather(ct, indices, axes)
    if _indices_differ(indices):
        return part
    return _of_the_last(
        b,
        part,
        base,
        lambda places, numbers: b.scatter(places, numbers, indices, axes),
        lambda places: b.gather(places, indices, axes),
    )


def _indices_differ(indices: Sequence[Value]) -> bool:
    """Whether no index occurs twice, because they are all that a ``nonzero`` gives."""
    op = indices[0].op
    return op is not None and op.name == "nonzero" and set(indices) == set(op.results[1:])


# --- the rest
def reshape(b: Builder, op: Op, ct: Value, k: int) -> Contribution:
    return b.reshape(ct, op.operands[0].shape)


def concat(b: Builder, op: Op, ct: Value, k: int) -> Contribution:
    axis, part = op.attrs["axis"], op.operands[k]
    start = b.dim_sum([before.shape[axis] for before in op.operands[:k]])
    starts = [start if j == axis else 0 for j in range(ct.rank)]
    return b.view(ct, part.shape, starts, [(j, j) for j in range(ct.rank)], (1,) * ct.rank)


def reduce_sum(b: Builder, op: Op, ct: Value, k: int) -> Contribution:
    return spread(b, ct, op.operands[0], op.attrs["axes"])


def spread(b: Builder, reduced: Value, like: Value, axes: Sequence[int]) -> Value:
    """A result of a reduction of ``like`` along ``axes``, repeated along these."""
    kept = [j for j in range(like.rank) if j not in axes]
    pairs = list(enumerate(kept))
    return b.view(reduced, like.shape, (0,) * len(kept), pairs, (1,) * len(kept))


def matmul(b: Builder, op: Op, ct: Value, k: int) -> Contribution:
    x, y = op.operands
    if k == 0:
        return b.apply(REGISTRY["matmul"], ct, _matrix_transpose(b, y))
    return b.apply(REGISTRY["matmul"], _matrix_transpose(b, x), ct)


def _matrix_transpose(b: Builder, x: Value) -> Value:
    *batch, m, n = range(x.rank)
    return b.transpose(x, (*batch, n, m))


def matmul_jvp(b: Builder, op: Op, tangents: Sequence[Value | None]) -> Value:
    x, y = op.operands
    tx, ty = tangents
    terms = []
    if tx is not None:
        terms.append(b.apply(REGISTRY["matmul"], tx, y))
    if ty is not None:
        terms.append(b.apply(REGISTRY["matmul"], x, ty))
    return terms[0] if len(terms) == 1 else b.apply(REGISTRY["add"], *terms)


# --- reductions
def _weights(b: Builder, op: Op) -> Value:
    """For a minimum or maximum: one over the number of elements equal to it at these elements, zero elsewhere."""
    x, axes = op.operands[0], op.attrs["axes"]
    chosen = b.cast(b.apply(REGISTRY["eq"], x, spread(b, op.result, x, axes)), x.dtype)
    return b.apply(REGISTRY["div"], chosen, spread(b, b.sum(chosen, axes), x, axes))


def extremum_jvp(b: Builder, op: Op, tangents: Sequence[Value | None]) -> Value:
    (t,) = tangents
    assert t is not None
    return b.sum(b.apply(REGISTRY["mul"], _weights(b, op), t), op.attrs["axes"])


def extremum(b: Builder, op: Op, ct: Value, k: int) -> Contribution:
    x = op.operands[0]
    return b.apply(REGISTRY["mul"], _weights(b, op), spread(b, ct, x, op.attrs["axes"]))


def product_as_loop(b: Builder, op: Op) -> list[Value]:
    """A product along axes, factor by factor: its derivative is right also where factors are zero."""
    x, axes = op.operands[0], op.attrs["axes"]
    if not axes:
        return [x]
    kept = [j for j in range(x.rank) if j not in axes]
    order = [*axes, *kept]
    moved = x if order == sorted(order) else b.transpose(x, order)
    size = b.dim_product([x.shape[axis] for axis in axes])
    rest = op.result.shape
    rows = moved if len(axes) == 1 else b.reshape(moved, (size, *rest))
    one = b.fill(b.const(1, x.dtype), rest)

    def body(b: Builder, i: Value, product: Value) -> list[Value]:
        row = b.view(rows, rest, (i, *(0,) * len(rest)), [(j + 1, j) for j in range(len(rest))], (1,) * len(rest))
        return [b.apply(REGISTRY["mul"], product, row)]

    return b.for_(0, size, 1, [one], body)
