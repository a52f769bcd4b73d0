"""``x[key]`` and ``x[key] = value`` with everything NumPy allows as a key."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tracejit.ir.core import Value
from tracejit.ir.types import BOOL, INT64, UINT64, Dim
from tracejit.ops import elementwise as E
from tracejit.record import record
from tracejit.trace import advanced, dims
from tracejit.trace.assignment import assign
from tracejit.trace.boxes import ArrayTracer, box_of
from tracejit.trace.context import current
from tracejit.trace.lenses import Strided
from tracejit.trace.scalars import ScalarTracer, numpy_scalar

_INVALID = (
    "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are valid "
    "indices"
)


@record
class Integer:
    """An integer index; ``copies``: it came as a 0-d array, which makes NumPy copy."""

    index: Dim
    copies: bool = False


@record
class IntegerArray:
    """An index array of rank at least 1, as int64, its elements not yet checked."""

    value: Value


@record
class Mask:
    """A bool array of any rank; rank 0 for a bool."""

    value: Value


Item: TypeAlias = "Integer | IntegerArray | Mask | slice | None"
"""One entry of a key; None is ``np.newaxis``, and an Ellipsis has become whole slices."""

WHOLE = slice(None)
"""The item of an axis that is taken as it is."""
GAP = slice(0)
"""The item of an Ellipsis that stands for no axis; it still keeps the index arrays on its sides apart."""


# --- from Python objects to items -----------------------------------------------------------------


def parse(key: Any, rank: int) -> list[Item]:
    """The items of ``key``, as many as take up ``rank`` axes."""
    entries = key if type(key) is tuple else (key,)
    items: list[Item] = []
    ellipsis: int | None = None
    used = 0
    for entry in entries:
        if entry is Ellipsis:
            if ellipsis is not None:
                raise IndexError("an index can only have a single ellipsis ('...')")
            ellipsis = len(items)
            continue
        item = _item(entry)
        items.append(item)
        if isinstance(item, Mask):
            used += item.value.rank
        elif item is not None:
            used += 1
    if used > rank:
        raise IndexError(f"too many indices for array: array is {rank}-dimensional, but {used} were indexed")
    place = len(items) if ellipsis is None else ellipsis
    if used < rank:
        items[place:place] = [WHOLE] * (rank - used)
    elif ellipsis is not None:
        items.insert(place, GAP)
    return items


def _item(entry: Any) -> Item:
    cls = type(entry)
    if cls is int:
        return Integer(entry)
    if cls is slice or entry is None:
        return entry  # type: ignore[no-any-return]
    if cls is ScalarTracer:
        return _scalar_item(entry)
    if isinstance(entry, (bool, np.bool_)):
        return Mask(current().builder.const(bool(entry), BOOL))
    if isinstance(entry, ArrayTracer):
        return _array_item(entry.read())
    if isinstance(entry, (list, np.ndarray, tuple)):
        return _sequence_item(entry)
    try:
        return Integer(operator.index(entry))
    except TypeError:
        raise IndexError(_INVALID) from None


def _scalar_item(x: ScalarTracer) -> Item:
    from tracejit.trace import conversions

    dtype = x.value.dtype
    if dtype is INT64 and x.selector is None:
        return Integer(x.value)
    if dtype == BOOL:
        return Mask(x.value)
    if any(d.kind in "iu" for _, d in x.alternatives):
        return Integer(conversions.as_index(x))
    raise IndexError(_INVALID)


def _array_item(value: Value) -> Item:
    b = current().builder
    if value.dtype == BOOL:
        return Mask(value)
    if value.dtype.kind not in "iu":
        raise IndexError("arrays used as indices must be of integer (or boolean) type")
    if value.dtype == UINT64:
        value = b.apply(E.minimum, value, b.fill(b.const(2**63 - 1, UINT64), value.shape))
    value = b.cast(value, INT64)
    return IntegerArray(value) if value.rank else Integer(value, copies=True)


def _sequence_item(entry: Any) -> Item:
    from tracejit.trace.numpy_api import creation

    if isinstance(entry, np.ndarray):
        if not entry.ndim and entry.dtype.kind in "iu":
            return Integer(int(entry), copies=True)
        if entry.dtype == object:
            raise IndexError("arrays used as indices must be of integer (or boolean) type")
        return _array_item(box_of(entry).read())
    if not len(entry):
        return _array_item(current().builder.const(np.zeros(0, INT64), INT64))
    return _array_item(creation.array(entry).read())


# --- one axis -------------------------------------------------------------------------------------


def normalised(index: Dim, n: Dim, axis: int) -> Dim:
    """``index`` along an axis of length ``n``: checked to be in bounds, and counted from the start."""
    if isinstance(index, int) and not -(2**63) <= index < 2**63:
        raise IndexError(_INVALID)
    if isinstance(index, int) and isinstance(n, int):
        if -n <= index < n:
            return index + n if index < 0 else index
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {n}")
    if current().trusted:
        return index
    text = f"index {{0}} is out of bounds for axis {axis} with size {{1}}"
    if isinstance(index, int):
        known = index >= 0
        dims.check(dims.lt(index, n) if known else dims.ge(n, -index), IndexError, text, index, n)
        return index if known else dims.add(index, n)
    b = current().builder
    size = b.index(n)
    ok = b.apply(E.lt, index, size)
    if dims.nonnegative(index):
        b.check(ok, IndexError, (text,), (index, size))
        return index
    low = b.index(-n) if isinstance(n, int) else b.apply(E.neg, n)
    b.check(b.apply(E.and_, b.apply(E.ge, index, low), ok), IndexError, (text,), (index, size))
    return b.apply(E.select, b.apply(E.lt, index, b.index(0)), b.apply(E.add, index, size), index)


def wrapped(index: Dim, n: Dim) -> Dim:
    """``index``, or ``index + n`` if it is negative."""
    if isinstance(index, int):
        return index if index >= 0 else dims.add(index, n)
    if dims.nonnegative(index):
        return index
    return dims.select(dims.lt(index, 0), dims.add(index, n), index)


def slice_bounds(s: slice, n: Dim) -> tuple[Dim, Dim, Dim]:
    """Start, length and step of a slice of an axis of length ``n``, clamped as Python does.

    The start of an empty slice may lie outside the axis.
    """
    if isinstance(n, int) and all(type(x) is int or x is None for x in (s.start, s.stop, s.step)):
        turns = range(*s.indices(n))  # ValueError for step 0
        # a step beyond the axis is never made, and might not be a number of 64 bits
        return turns.start, len(turns), turns.step if -n <= turns.step <= n else n + 1
    step: Dim = 1 if s.step is None else _bound(s.step)
    start: Dim | None = None if s.start is None else _bound(s.start)
    stop: Dim | None = None if s.stop is None else _bound(s.stop)
    if isinstance(step, int):
        if step == 0:
            raise ValueError("slice step cannot be zero")
        return (*(_ascending if step > 0 else _descending)(start, stop, step, n), step)
    dims.check(dims.ne(step, 0), ValueError, "slice step cannot be zero")
    up = _ascending(start, stop, dims.maximum(step, 1), n)
    down = _descending(start, stop, dims.minimum(step, -1), n)
    forward = dims.gt(step, 0)
    return dims.select(forward, up[0], down[0]), dims.select(forward, up[1], down[1]), step


def _bound(x: Any) -> Dim:
    from tracejit.trace import conversions

    if isinstance(x, (ScalarTracer, ArrayTracer)):
        try:
            return conversions.as_index(x)
        except TypeError:
            raise TypeError("slice indices must be integers or None or have an __index__ method") from None
    if not hasattr(x, "__index__"):
        raise TypeError("slice indices must be integers or None or have an __index__ method")
    return min(max(operator.index(x), -(2**63)), 2**63 - 1)


def _ascending(start: Dim | None, stop: Dim | None, step: Dim, n: Dim) -> tuple[Dim, Dim]:
    first = 0 if start is None else dims.maximum(wrapped(start, n), 0)
    end = n if stop is None else dims.minimum(wrapped(stop, n), n)
    if start is not None and stop is not None:
        end = dims.maximum(end, 0)  # the span must not leave 64 bits
    span = dims.sub(end, first)
    return first, dims.maximum(_turns(span, step), 0)


def _descending(start: Dim | None, stop: Dim | None, step: Dim, n: Dim) -> tuple[Dim, Dim]:
    last = dims.sub(n, 1)
    first = last if start is None else dims.minimum(wrapped(start, n), last)
    end = -1 if stop is None else dims.maximum(wrapped(stop, n), -1)
    if start is not None and stop is not None:
        first = dims.maximum(first, -1)
    span = dims.sub(first, end)
    return first, dims.maximum(_turns(span, dims.sub(0, dims.maximum(step, -(2**63 - 1)))), 0)


def _turns(span: Dim, width: Dim) -> Dim:
    """``span / width`` rounded up, without a sum that could leave 64 bits."""
    return span if width == 1 else dims.add(dims.floordiv(dims.sub(span, 1), width), 1)


# --- basic indexing -------------------------------------------------------------------------------


def basic_lens(shape: Sequence[Dim], items: Sequence[Item]) -> Strided:
    """The lens of a key of integers, slices and ``None``."""
    starts: list[Dim] = []
    steps: list[Dim] = []
    pairs: list[tuple[int, int]] = []
    result: list[Dim] = []
    axis = 0
    for item in items:
        if item is GAP:
            continue
        if item is None:
            result.append(1)
            continue
        n = shape[axis]
        if isinstance(item, Integer):
            starts.append(normalised(item.index, n, axis))
        else:
            assert isinstance(item, slice)
            start, length, step = (0, n, 1) if item is WHOLE else slice_bounds(item, n)
            starts.append(start)
            steps.append(step)
            pairs.append((axis, len(result)))
            result.append(length)
        axis += 1
    return Strided(tuple(result), tuple(starts), tuple(pairs), tuple(steps))


def is_basic(items: Sequence[Item]) -> bool:
    return not any(isinstance(item, (IntegerArray, Mask)) for item in items)


def getitem(x: ArrayTracer, key: Any) -> Any:
    """``x[key]``: a NumPy scalar, a view, or a new array."""
    current().at()
    element = _element_index(x, key)
    if element is not None:
        return numpy_scalar(x.load_element(_in_bounds(x, element)))
    items = parse(key, len(x.shape_dims))
    if not is_basic(items):
        return advanced.getitem(x, items)
    lens = basic_lens(x.shape_dims, items)
    if not lens.dims and not _has_ellipsis(key):
        return numpy_scalar(x.load_element(lens.starts))
    view = x.part(lens)
    if any(isinstance(item, Integer) and item.copies for item in items):
        return view.copy()
    return view


def setitem(x: ArrayTracer, key: Any, value: Any) -> None:
    """``x[key] = value``."""
    current().at()
    x.require_writeable()
    element = _element_index(x, key)
    if element is not None:
        assign(x.part(Strided((), _in_bounds(x, element), (), ())), value, True)
        return
    items = parse(key, len(x.shape_dims))
    if not is_basic(items):
        advanced.setitem(x, items, value)
        return
    lens = basic_lens(x.shape_dims, items)
    single = not lens.dims and not _has_ellipsis(key)
    assign(x.part(lens), value, single)


def _element_index(x: ArrayTracer, key: Any) -> list[Dim] | None:
    """The indices of a key that plainly names one element: the common case, quickly."""
    entries = key if type(key) is tuple else (key,)
    if len(entries) != len(x.shape_dims):
        return None
    index: list[Dim] = []
    for entry in entries:
        if type(entry) is int:
            index.append(entry)
        elif type(entry) is ScalarTracer and entry.selector is None and entry.value.type.dtype is INT64:
            index.append(entry.value)
        else:
            return None
    return index if index else None


def _in_bounds(x: ArrayTracer, index: Sequence[Dim]) -> tuple[Dim, ...]:
    return tuple(normalised(i, n, axis) for axis, (i, n) in enumerate(zip(index, x.shape_dims)))


def _has_ellipsis(key: Any) -> bool:
    return key is Ellipsis or (type(key) is tuple and any(k is Ellipsis for k in key))
