"""Rules for structural ops: views of views, loads of what was stored, shapes that change nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tracejit.ir.core import Op, Value
from tracejit.ir.types import ArrayType, Dim
from tracejit.lower.rewriter import Rewriter, filled
from tracejit.ops import elementwise as e
from tracejit.ops import structural
from tracejit.ops.effects import constant, has_effects

Rule = Callable[[Rewriter, Op], "Value | None"]
Pairs = tuple[tuple[int, int], ...]

_STORES = 16
"""How many stores a load looks back through."""


def strided(op: Op) -> tuple[Value, Sequence[Value], Pairs, Sequence[Value]]:
    """Base, starts, pairs and steps of a ``view`` or ``update``."""
    base = op.operands[0]
    rest = op.operands[1:] if op.name == "view" else op.operands[2:]
    return base, rest[: base.rank], op.attrs["pairs"], rest[base.rank :]


def part_shape(op: Op) -> tuple[Dim, ...]:
    """The shape of what a ``view`` reads or an ``update`` writes."""
    return op.result.shape if op.name == "view" else op.operands[1].shape


def covers(op: Op) -> bool:
    """Whether a ``view`` or ``update`` concerns its whole base, element for element."""
    base, starts, pairs, steps = strided(op)
    return (
        part_shape(op) == base.shape
        and sorted(pairs) == [(k, k) for k in range(base.rank)]
        and all(constant(v) == 0 for v in starts)
        and all(constant(v) == 1 for v in steps)
    )


def _view(s: Rewriter, op: Op) -> Value | None:
    base, starts, _, _ = strided(op)
    if base.rank == 0:
        return base if op.result.rank == 0 else None
    scalar = filled(base)
    if scalar is not None:
        return s.fill(scalar, op.result.type)
    if covers(op):
        return base
    inner = base.op
    if inner is None:
        return None
    if inner.name == "view":
        return _compose(s, op, inner)
    if inner.name in ("update", "scatter"):
        return _load(s, op)
    if inner.name == "iota" and op.result.rank == 0:
        return s.cast(starts[0], op.result.dtype)
    if inner.name == "concat":
        return _part_of_concat(s, op, inner)
    if inner.name == "reshape":
        return _view_of_reshape(s, op, inner)
    return None


def _affine(s: Rewriter, start: Value, step: Value, times: Value) -> Value:
    """``start + step * times``, in index arithmetic."""
    product = times if constant(step) == 1 else s.apply(e.mul, step, times)
    return s.apply(e.add, start, product)


def _compose(s: Rewriter, op: Op, inner: Op) -> Value | None:
    """The view of a view is one view: axes of the outer base are axes of the inner result."""
    base, first_starts, first_pairs, first_steps = strided(inner)
    _, second_starts, second_pairs, second_steps = strided(op)
    starts = list(first_starts)
    pairs: list[tuple[int, int]] = []
    steps: list[Value] = []
    for (axis, middle), step in zip(first_pairs, first_steps):
        starts[axis] = _affine(s, starts[axis], step, second_starts[middle])
        for (from_middle, to), second_step in zip(second_pairs, second_steps):
            if from_middle == middle:
                product = step if constant(second_step) == 1 else s.apply(e.mul, step, second_step)
                if (axis, to) in pairs:
                    at = pairs.index((axis, to))
                    steps[at] = s.apply(e.add, steps[at], product)
                else:
                    pairs.append((axis, to))
                    steps.append(product)
    return s.emit(structural.view, (base, *starts, *steps), (op.result.type,), {"pairs": tuple(pairs)})[0]


# --- loads of what was stored
def _load(s: Rewriter, op: Op) -> Value | None:
    """What a view of a stored-to array shows, when it is a number that is known without memory.

    Loads of stored arrays stay loads: they are in memory anyway. So do loads of an older version of the array, which
    must not be kept alive for them.
    """
    array = op.operands[0]
    for _ in range(_STORES):
        store = array.op
        if store is None or store.name != "update":
            break
        v = store.operands[1]
        if _same_place(op, store):
            return v if v.rank == 0 or filled(v) is not None else None
        scalar = filled(v)
        if scalar is not None and (covers(store) or _within(op, store)):
            return s.fill(scalar, op.result.type)
        if not apart(op, store):
            return None
        array = store.operands[0]
    if array is op.operands[0]:
        return None
    scalar = filled(array)
    if scalar is not None:
        return s.fill(scalar, op.result.type)
    if array.op is not None and array.op.name in ("const", "iota") and op.result.rank == 0:
        return s.emit(structural.view, (array, *op.operands[1:]), (op.result.type,), op.attrs)[0]
    return None


def _same_place(load: Op, store: Op) -> bool:
    _, starts, pairs, steps = strided(load)
    _, other_starts, other_pairs, other_steps = strided(store)
    return (
        pairs == other_pairs
        and part_shape(load) == part_shape(store)
        and all(equal(a, b) for a, b in zip(starts, other_starts))
        and all(equal(a, b) for a, b in zip(steps, other_steps))
        and _injective(store)
    )


def _injective(store: Op) -> bool:
    """Whether a store writes each element at most once, so that what it wrote can be read back."""
    _, _, pairs, steps = strided(store)
    axes = [j for _, j in pairs]
    bases = [k for k, _ in pairs]
    fed = {j for (_, j), step in zip(pairs, steps) if constant(step) not in (None, 0)}
    shape = part_shape(store)
    if len(set(bases)) != len(bases) or len(set(axes)) != len(axes):
        return False
    return all(d == 1 or j in fed for j, d in enumerate(shape))


def _within(load: Op, store: Op) -> bool:
    """Whether a load is from inside the block that a store wrote: at the same indices, along axes that it wrote
    entirely, or from a constant range of what it wrote."""
    base, starts, pairs, _ = strided(load)
    _, other_starts, other_pairs, other_steps = strided(store)
    shape = part_shape(store)
    along = dict(other_pairs)
    if len(along) != len(other_pairs) or 0 in shape:
        return False
    paired = {k for k, _ in pairs}
    for k in range(base.rank):
        if k in along:
            j = along[k]
            step = constant(other_steps[other_pairs.index((k, j))])
            if constant(other_starts[k]) == 0 and step == 1 and shape[j] == base.shape[k]:
                continue
            (x, low), (y, other_low) = _offset(starts[k]), _offset(other_starts[k])
            first, second = _reach(load, k), _reach(store, k)
            if x is not None or y is not None or step not in (1, -1) or first is None or second is None:
                return False
            if low + first[0] < other_low + second[0] or low + first[1] > other_low + second[1]:
                return False
        elif k in paired or not equal(starts[k], other_starts[k]):
            return False
    return len(set(along.values())) == len(along)


def equal(a: Value, b: Value) -> bool:
    """Whether two index values are certainly equal."""
    if a is b:
        return True
    x = constant(a)
    return x is not None and x == constant(b)


def _offset(v: Value) -> tuple[Value | None, int]:
    """An index as ``base + constant`` (modulo 2**64)."""
    k = 0
    while v.op is not None and v.op.name == "add":
        c = constant(v.op.operands[1])
        if not isinstance(c, int):
            break
        v, k = v.op.operands[0], k + c
    c = constant(v)
    return (None, k + c) if isinstance(c, int) else (v, k)


def apart(a: Op, b: Op) -> bool:
    """Whether two views or updates of arrays of one shape certainly concern different elements."""
    base, starts = strided(a)[:2]
    other_starts = strided(b)[1]
    for k in range(base.rank):
        (x, low), (y, other_low) = _offset(starts[k]), _offset(other_starts[k])
        if x is not y:
            continue
        first, second = _reach(a, k), _reach(b, k)
        if first == (0, 0) and second == (0, 0):
            if (low - other_low) % 2**64:
                return True
        elif x is None and first is not None and second is not None:
            if low + first[1] < other_low + second[0] or other_low + second[1] < low + first[0]:
                return True
    return False


def _reach(op: Op, axis: int) -> tuple[int, int] | None:
    """How far the elements along a base axis go from the start."""
    _, _, pairs, steps = strided(op)
    low = high = 0
    for (k, j), step in zip(pairs, steps):
        if k == axis:
            extent, n = part_shape(op)[j], constant(step)
            if not isinstance(extent, int) or not isinstance(n, int):
                return None
            reach = max(extent - 1, 0) * n
            low, high = low + min(reach, 0), high + max(reach, 0)
    return low, high


# --- concat, reshape, update, gather
def _part_of_concat(s: Rewriter, op: Op, inner: Op) -> Value | None:
    """A view that lies within one part of a concatenation."""
    axis = inner.attrs["axis"]
    _, starts, _, _ = strided(op)
    start, reach = constant(starts[axis]), _reach(op, axis)
    if not isinstance(start, int) or reach is None or 0 in op.result.shape:
        return None
    low, high = start + reach[0], start + reach[1]
    at = 0
    for part in inner.operands:
        length = part.shape[axis]
        if not isinstance(length, int):
            return None
        if at <= low and high < at + length:
            operands = list(op.operands)
            operands[0] = part
            operands[1 + axis] = s.index(start - at)
            return s.emit(structural.view, operands, (op.result.type,), op.attrs)[0]
        at += length
    return None


def _view_of_reshape(s: Rewriter, op: Op, inner: Op) -> Value | None:
    """One element of a reshaped static array, at constant indices, is an element of the array itself."""
    base = inner.operands[0]
    indices = [constant(v) for v in op.operands[1:]]
    shapes = (*base.shape, *inner.result.shape)
    if op.result.rank or not all(isinstance(i, int) for i in indices) or not all(isinstance(d, int) for d in shapes):
        return None
    flat = 0
    for i, d in zip(indices, inner.result.shape):
        assert isinstance(i, int) and isinstance(d, int)
        flat = flat * d + i
    starts = []
    for d in reversed(base.shape):
        assert isinstance(d, int)
        starts.append(flat % d)
        flat //= d
    operands = (base, *(s.index(i) for i in reversed(starts)))
    return s.emit(structural.view, operands, (op.result.type,), {"pairs": ()})[0]


def _reshape(s: Rewriter, op: Op) -> Value | None:
    (x,) = op.operands
    shape = op.result.shape
    if x.shape == shape:
        return x
    if x.op is not None and x.op.name == "reshape":
        return s.emit(structural.reshape, x.op.operands, (op.result.type,))[0]
    scalar = filled(x)
    if scalar is not None:
        return s.fill(scalar, op.result.type)
    long = [k for k, d in enumerate(x.shape) if d != 1]
    long_after = [k for k, d in enumerate(shape) if d != 1]
    if [x.shape[k] for k in long] == [shape[k] for k in long_after] and not _stored_to(op):
        zeros, ones = [s.index(0)] * x.rank, [s.index(1)] * len(long)
        pairs = tuple(zip(long, long_after))
        return s.emit(structural.view, (x, *zeros, *ones), (op.result.type,), {"pairs": pairs})[0]
    return None


def _stored_to(op: Op) -> bool:
    """Whether a reshape is there to be written into, which a view cannot be."""
    return any(u.name in ("update", "scatter", "reshape") or u.regions or u.primitive.terminator
               for u in op.result.users)  # fmt: skip


def _update(s: Rewriter, op: Op) -> Value | None:
    x, v = op.operands[:2]
    if 0 in v.shape:
        return x
    load = v.op
    if load is not None and load.name == "view" and load.operands[0] is x and _same_place(load, op):
        return x
    # a store right over another one makes that one useless, unless an effect in between lets the caller see it
    inner = x.op
    if inner is not None and inner.name == "update" and x.users == {op: 1}:
        if (_same_place_stored(op, inner) or covers(op)) and not _effect_since(s, inner):
            operands = [inner.operands[0], *op.operands[1:]]
            return s.emit(structural.update, operands, (op.result.type,), op.attrs)[0]
    return None


def _effect_since(s: Rewriter, op: Op) -> bool:
    """Whether anything with an effect comes after ``op`` in the rebuilt part, or ``op`` is in another block."""
    for other in reversed(s.out):
        if other is op:
            return False
        if has_effects(other):
            return True
    return True


def _same_place_stored(op: Op, inner: Op) -> bool:
    _, starts, pairs, steps = strided(op)
    _, other_starts, other_pairs, other_steps = strided(inner)
    return (
        pairs == other_pairs
        and part_shape(op) == part_shape(inner)
        and all(equal(a, b) for a, b in zip((*starts, *steps), (*other_starts, *other_steps)))
    )


def _gather(s: Rewriter, op: Op) -> Value | None:
    x, *indices = op.operands
    axes = op.attrs["axes"]
    if indices[0].rank == 0:
        rest = [k for k in range(x.rank) if k not in axes]
        starts = [indices[axes.index(k)] if k in axes else s.index(0) for k in range(x.rank)]
        pairs = tuple((k, j) for j, k in enumerate(rest))
        steps = [s.index(1)] * len(rest)
        return s.emit(structural.view, (x, *starts, *steps), (op.result.type,), {"pairs": pairs})[0]
    scalar = filled(x)
    return s.fill(scalar, op.result.type) if scalar is not None else None


def _scatter(s: Rewriter, op: Op) -> Value | None:
    x, v, *indices = op.operands
    axes = op.attrs["axes"]
    if indices[0].rank == 0 and op.attrs.get("mode", "set") == "set":
        rest = [k for k in range(x.rank) if k not in axes]
        starts = [indices[axes.index(k)] if k in axes else s.index(0) for k in range(x.rank)]
        pairs = tuple((k, j) for j, k in enumerate(rest))
        steps = [s.index(1)] * len(rest)
        return s.emit(structural.update, (x, v, *starts, *steps), (op.result.type,), {"pairs": pairs})[0]
    return None


def _concat(s: Rewriter, op: Op) -> Value | None:
    axis = op.attrs["axis"]
    parts = [v for v in op.operands if v.shape[axis] != 0]
    if len(parts) == 1 and len(op.operands) > 1 and not isinstance(op.result.shape[axis], int):
        return None
    if len(parts) == 1:
        return parts[0]
    if parts and len(parts) < len(op.operands):
        return s.emit(structural.concat, parts, (op.result.type,), op.attrs)[0]
    return None


def _reduce(s: Rewriter, op: Op) -> Value | None:
    return op.operands[0] if op.attrs["axes"] == () else None


def _iota(s: Rewriter, op: Op) -> Value | None:
    (n,) = op.result.shape
    if not isinstance(n, int) or n > 1:
        return None
    value = np.arange(n, dtype=op.result.dtype)
    value.flags.writeable = False
    t = ArrayType(op.result.dtype, (n,))
    return s.emit(structural.const, (), (t,), {"value": value})[0]


RULES: dict[str, Rule] = {
    "view": _view,
    "reshape": _reshape,
    "update": _update,
    "gather": _gather,
    "scatter": _scatter,
    "concat": _concat,
    "iota": _iota,
    "reduce_sum": _reduce,
    "reduce_prod": _reduce,
    "reduce_min": _reduce,
    "reduce_max": _reduce,
    "reduce_any": _reduce,
    "reduce_all": _reduce,
}
