"""Indexing with integer arrays and boolean masks, reading and writing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tracejit.ir.core import Block, Value
from tracejit.ir.types import BOOL, INT64, Dim
from tracejit.ops import control, reduction, structural
from tracejit.ops import elementwise as E
from tracejit.ops.builder import Builder
from tracejit.record import record
from tracejit.trace import assignment, broadcast, dims, indexing, layout
from tracejit.trace.boxes import ArrayTracer, Order
from tracejit.trace.context import current
from tracejit.trace.layout import Layout
from tracejit.trace.lenses import Dims, Strided

if TYPE_CHECKING:
    from tracejit.trace.indexing import Item


@record
class Plan:
    """What an advanced key means.

    Attributes:
        lens: The slices and new axes of the key, leaving the indexed axes whole; None when there are none.
        axes: The axes (after ``lens``) that are indexed by arrays.
        indices: One index array per axis in ``axes``, of the common shape ``common``.
        position: Where NumPy puts the common axes among the others.
        shape: The shape of the result, in NumPy's order.
    """

    lens: Strided | None
    axes: tuple[int, ...]
    indices: tuple[Value, ...]
    common: Dims
    position: int
    shape: Dims

    def permutation(self) -> list[int] | None:
        """NumPy's order of the axes of the gathered result, whose common axes come first; None when it is that."""
        if not self.position:
            return None
        lead = len(self.common)
        others = list(range(lead, len(self.shape)))
        return [*others[: self.position], *range(lead), *others[self.position :]]


def getitem(x: ArrayTracer, items: Sequence[Item]) -> ArrayTracer:
    """``x[key]``: a new array."""
    b = current().builder
    plan = planned(b, x, items)
    source = x if plan.lens is None else x.part(plan.lens)
    result = ArrayTracer(b.gather(source.read(), plan.indices, plan.axes), _order(source, plan))
    permutation = plan.permutation()
    if permutation is None:
        return result
    # NumPy too gives a transposed view of what it gathered
    shape = tuple(result.shape_dims[p] for p in permutation)
    pairs = tuple((p, k) for k, p in enumerate(permutation))
    return result.part(Strided(shape, (0,) * len(shape), pairs, (1,) * len(shape)))


def _order(source: ArrayTracer, plan: Plan) -> Order:
    """The memory order of what is gathered: the indexed axes, then the others as they follow each other in memory."""
    whole = [k for k in range(source.ndim) if k not in plan.axes]
    if source.is_plain or len(whole) < 2:
        return "C"
    lead = len(plan.common)

    def order(shape: Dims) -> Layout:
        strides = source.layout
        sides = [source.shape_dims[k] for k in whole]
        found = layout.keep_order(len(whole), [(sides, tuple(strides[k] for k in whole))])
        if found is None:
            return layout.unknown(len(shape))
        return layout.contiguous(shape, [*range(lead), *(lead + k for k in found)])

    return order


def setitem(x: ArrayTracer, items: Sequence[Item], value: Any) -> None:
    """``x[key] = value``."""
    b = current().builder
    content = assignment.contents(value, x.dtype)
    mask = _only_mask(items)
    if mask is not None and not content.rank:
        _check_mask(mask, x.shape_dims, 0)
        chosen = b.view(mask, x.shape_dims, (0,) * mask.rank, [(k, k) for k in range(mask.rank)], (1,) * mask.rank)
        x.write(b.apply(E.select, chosen, b.fill(content, x.shape_dims), x.read()))
        return
    plan = planned(b, x, items)
    fail = _assignment_fail(mask, x, content.shape, plan.shape)
    content = broadcast.fitted(b, content, plan.shape, fail)
    permutation = plan.permutation()
    if permutation is not None:
        inverse = [permutation.index(k) for k in range(len(permutation))]
        content = b.transpose(content, inverse)
    target = x if plan.lens is None else x.part(plan.lens)
    target.write(b.scatter(target.read(), content, plan.indices, plan.axes))


def _only_mask(items: Sequence[Item]) -> Value | None:
    """The mask of a key that is one mask (of rank at least 1) followed by whole axes."""
    if not isinstance(items[0], indexing.Mask) or not items[0].value.rank:
        return None
    return items[0].value if all(item is indexing.WHOLE or item is indexing.GAP for item in items[1:]) else None


def _assignment_fail(mask: Value | None, x: ArrayTracer, shape: Dims, target: Dims) -> broadcast.Fail:
    if mask is None or mask.rank != x.ndim:
        text = "shape mismatch: value array of shape %s could not be broadcast to indexing result of shape %s"
        return broadcast.fail_with(ValueError, text, shape, target)
    if len(shape) > 1:
        raise TypeError(
            "NumPy boolean array indexing assignment requires a 0 or 1-dimensional input, input has "
            f"{len(shape)} dimensions"
        )
    text = (
        "NumPy boolean array indexing assignment cannot assign {0} input values to the {1} output values "
        "where the mask is true"
    )
    return lambda ok: dims.check(ok, ValueError, text, shape[0], target[0])


# --- planning -------------------------------------------------------------------------------------


def planned(b: Builder, x: ArrayTracer, items: Sequence[Item]) -> Plan:
    """Work out an advanced key: split it into a strided part and index arrays, and check these."""
    _check_masks(items, x.shape_dims)
    starts: list[Dim] = []
    pairs: list[tuple[int, int]] = []
    steps: list[Dim] = []
    seen: list[Dim] = []  # the shape after the strided part
    arrays: list[tuple[int, Value, int | None]] = []  # axis after the strided part, index, axis to check against
    runs = 0  # of adjacent advanced items
    previous_is_advanced = False
    first = 0
    axis = 0

    def keep(start: Dim, length: Dim, step: Dim) -> None:
        nonlocal axis
        starts.append(start)
        pairs.append((axis, len(seen)))
        steps.append(step)
        seen.append(length)
        axis += 1

    for item in items:
        is_advanced = not (item is None or isinstance(item, slice))
        if is_advanced and not previous_is_advanced:
            runs += 1
            if runs == 1:
                first = len(seen)
        previous_is_advanced = is_advanced
        if item is indexing.GAP:
            continue
        if item is None:
            seen.append(1)
        elif isinstance(item, slice):
            whole = item is indexing.WHOLE
            keep(*((0, x.shape_dims[axis], 1) if whole else indexing.slice_bounds(item, x.shape_dims[axis])))
        elif isinstance(item, indexing.Integer):
            index = indexing.normalised(item.index, x.shape_dims[axis], axis)
            arrays.append((len(seen), b.index(index), None))
            keep(0, x.shape_dims[axis], 1)
        elif isinstance(item, indexing.IntegerArray):
            arrays.append((len(seen), item.value, axis))
            keep(0, x.shape_dims[axis], 1)
        elif item.value.rank:
            for index in _places(b, item.value):
                arrays.append((len(seen), index, None))
                keep(0, x.shape_dims[axis], 1)
        else:
            count = b.cast(item.value, INT64)
            current().nonnegative.add(count)
            arrays.append((len(seen), b.fill(b.const(0, INT64), (count,)), None))
            seen.append(1)
    is_whole = len(seen) == axis == x.ndim and all(
        s == 0 and t == 1 and d is n for s, t, d, n in zip(starts, steps, seen, x.shape_dims)
    )
    lens = None if is_whole else Strided(tuple(seen), tuple(starts), tuple(pairs), tuple(steps))
    shapes = [v.shape for _, v, _ in arrays if v.rank]
    text = "shape mismatch: indexing arrays could not be broadcast together with shapes " + "%s " * len(shapes)
    fail = broadcast.fail_with(IndexError, text, *shapes)
    common = broadcast.common_shape([v.shape for _, v, _ in arrays], fail)
    indices = tuple(
        broadcast.spread(b, v if of is None else checked(b, v, x.shape_dims[of], of), common) for _, v, of in arrays
    )
    axes = tuple(a for a, _, _ in arrays)
    others = [d for k, d in enumerate(seen) if k not in axes]
    position = first if runs == 1 else 0
    shape = (*others[:position], *common, *others[position:])
    return Plan(lens, axes, indices, common, position, shape)


def _check_masks(items: Sequence[Item], shape: Dims) -> None:
    """NumPy compares the shapes of all masks before it looks at any index."""
    axis = 0
    for item in items:
        if isinstance(item, indexing.Mask):
            _check_mask(item.value, shape, axis)
            axis += item.value.rank
        elif item is not None and item is not indexing.GAP:
            axis += 1


def _check_mask(mask: Value, shape: Dims, axis: int) -> None:
    """The mask must be as long as the axes it stands for."""
    for k, d in enumerate(mask.shape):
        n = shape[axis + k]
        text = (
            f"boolean index did not match indexed array along axis {axis + k}; size of axis is {{0}} but size of "
            "corresponding boolean axis is {1}"
        )
        dims.check(True if dims.equal(n, d) else dims.eq(n, d), IndexError, text, n, d)


def nonzero(b: Builder, mask: Value) -> list[Value]:
    """``[count, *indices]`` of the true elements; computed once per mask."""
    context = current()
    known = context.nonzeros.get(mask)
    if known is not None:
        results, block, position = known
        if any(block is o for o in context.blocks) and position < len(block.ops):
            if block.ops[position] is results[0].owner:
                return results
    results = b.nonzero(mask)
    context.nonzeros[mask] = (results, b.block, len(b.block.ops) - 1)
    context.nonnegative.add(results[0])
    return results


def _places(b: Builder, mask: Value) -> list[Value]:
    """The index arrays that a mask stands for."""
    constant = _constant_of(mask)
    if constant is None:
        return nonzero(b, mask)[1:]
    return [b.const(index, INT64) for index in np.nonzero(constant)]


def checked(b: Builder, index: Value, n: Dim, axis: int) -> Value:
    """An index array, checked to be in bounds and counted from the start."""
    constant = _constant_of(index)
    if constant is not None and isinstance(n, int):
        outside = constant[(constant < -n) | (constant >= n)]
        if outside.size:
            raise IndexError(f"index {outside[0]} is out of bounds for axis {axis} with size {n}")
        return b.const(np.where(constant < 0, constant + n, constant), INT64) if (constant < 0).any() else index
    if current().trusted:
        return index
    length = b.fill(b.index(n), index.shape)
    zero = b.fill(b.const(0, INT64), index.shape)
    low = b.apply(E.ge, index, b.apply(E.neg, length))
    inside = b.apply(E.and_, low, b.apply(E.lt, index, length))
    ok = b.reduce(reduction.reduce_all, inside, range(index.rank))
    _fail_at_first(b, ok, index, n, axis)
    return b.apply(E.select, b.apply(E.lt, index, zero), b.apply(E.add, index, length), index)


def _constant_of(x: Value) -> np.ndarray[Any, Any] | None:
    op = x.op
    if op is None or op.primitive is not structural.const:
        return None
    return np.asarray(op.attrs["value"])


def _fail_at_first(b: Builder, ok: Value, index: Value, n: Dim, axis: int) -> None:
    """Raise for the first index that is not inside; finding it costs nothing when there is none.

    It is looked for by another expression than ``ok`` is computed by, whose parts would have to be kept otherwise.
    """
    context = current()
    passed, failed = Block(), Block()
    with context.region(passed):
        b.yield_()
    with context.region(failed):
        count = dims.product(index.shape)
        flat = index if index.rank == 1 else b.reshape(index, (count,))
        length = b.fill(b.index(n), flat.shape)
        below = b.apply(E.lt, flat, b.apply(E.neg, length))
        outside = b.apply(E.or_, below, b.apply(E.ge, flat, length))
        first = b.reduce(reduction.argmax, b.cast(outside, INT64), (0,))
        culprit = b.view(flat, (), (first,), (), ())
        text = f"index {{0}} is out of bounds for axis {axis} with size {{1}}"
        b.check(b.const(False, BOOL), IndexError, (text,), (culprit, b.index(n)))
        b.yield_()
    b.emit(control.if_, (ok,), (), None, (passed, failed))
