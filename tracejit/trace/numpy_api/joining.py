"""Joining, splitting, repeating and rearranging arrays along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.core import Value
from tracejit.ir.types import Dim
from tracejit.ops import elementwise as E
from tracejit.trace import assignment, conversions, dims, promotion
from tracejit.trace.boxes import ArrayTracer, retyped
from tracejit.trace.context import current
from tracejit.trace.numpy_api.arguments import as_array, axis_of, check_writeable, static_int
from tracejit.trace.numpy_api.shaping import diagonal_lens, ravel
from tracejit.trace.numpy_api.table import implements, method
from tracejit.trace.samples import type_text
from tracejit.trace.tracer import Tracer


def _sequence(arrays: Any, function: str) -> list[ArrayTracer]:
    if isinstance(arrays, ArrayTracer):
        n = arrays.length()
        if isinstance(n, Tracer):
            raise n._needs("the number of arrays to join")
        return [as_array(arrays[k]) for k in range(n)]
    if not isinstance(arrays, (list, tuple)):
        text = type_text(arrays) if isinstance(arrays, Tracer) else type(arrays).__name__
        raise TypeError(f"{function} takes a sequence of arrays, not {text}")
    return [as_array(x) for x in arrays]


@implements(np.concatenate, np.concat, always=True)
def concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    """``np.concatenate``."""
    current().at()
    parts = _sequence(arrays, "concatenate")
    if not parts:
        raise ValueError("need at least one array to concatenate")
    if axis is None:
        parts, axis = [ravel(x) for x in parts], 0
    if not parts[0].ndim:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    for k, x in enumerate(parts):
        if x.ndim != parts[0].ndim:
            raise ValueError(
                "all the input arrays must have same number of dimensions, but the array at index 0 has "
                f"{parts[0].ndim} dimension(s) and the array at index {k} has {x.ndim} dimension(s)"
            )
    along = axis_of(axis, parts[0].ndim)
    if dtype is not None:
        target = promotion.canonical(dtype)
        for x in parts:
            if not np.can_cast(x.dtype, target, casting):
                raise TypeError(
                    f"Cannot cast array data from {x.dtype!r} to {target!r} according to the rule {casting!r}"
                )
    else:
        target = promotion.result_type(*(x.dtype for x in parts))
    result = ArrayTracer(_joined(parts, along, target))
    if out is None:
        return result
    assignment.assign(as_array(out), result)
    return out


def _joined(parts: Sequence[ArrayTracer], along: int, dtype: Any) -> Value:
    b = current().builder
    first = parts[0].shape_dims
    length: Dim = first[along]
    for k, x in enumerate(parts[1:], 1):
        for axis, (d, e) in enumerate(zip(first, x.shape_dims)):
            if axis == along or d is e or dims.equal(d, e):
                continue
            text = (
                "all the input array dimensions except for the concatenation axis must match exactly, but along "
                f"dimension {axis}, the array at index 0 has size {{0}} and the array at index {k} has size {{1}}"
            )
            dims.check(dims.eq(d, e), ValueError, text, d, e)
        length = dims.add(length, x.shape_dims[along])
    if not isinstance(length, int):
        current().assume_nonnegative(length)
    values = []
    for x in parts:
        shape = tuple(x.shape_dims[along] if k == along else d for k, d in enumerate(first))
        values.append(retyped(b, b.cast(x.read(), dtype), shape))
    return values[0] if len(values) == 1 else b.concat(values, along, length)


@implements(np.stack, always=True)
def stack(arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """``np.stack``."""
    current().at()
    parts = _sequence(arrays, "stack")
    if not parts:
        raise ValueError("need at least one array to stack")
    first = parts[0].shape_dims
    for x in parts[1:]:
        if len(x.shape_dims) != len(first):
            raise ValueError("all input arrays must have the same shape")
        for d, e in zip(first, x.shape_dims):
            same = True if dims.equal(d, e) else dims.eq(d, e)
            dims.check(same, ValueError, "all input arrays must have the same shape")
    k = axis_of(axis, len(first) + 1)
    key = (*(slice(None) for _ in range(k)), None)
    return concatenate([x[(*key, Ellipsis)] for x in parts], k, out, dtype=dtype, casting=casting)


def _at_least(parts: Sequence[ArrayTracer], rank: int) -> list[Any]:
    function = {1: np.atleast_1d, 2: np.atleast_2d, 3: np.atleast_3d}[rank]
    return [function(x) for x in parts]


@implements(np.hstack, always=True)
def hstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """``np.hstack``."""
    parts = _at_least(_sequence(tup, "hstack"), 1)
    return concatenate(parts, 0 if parts and parts[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@implements(np.vstack, always=True)
def vstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """``np.vstack``."""
    return concatenate(_at_least(_sequence(tup, "vstack"), 2), 0, dtype=dtype, casting=casting)


@implements(np.dstack, always=True)
def dstack(tup: Any) -> Any:
    """``np.dstack``."""
    return concatenate(_at_least(_sequence(tup, "dstack"), 3), 2)


@implements(np.column_stack, always=True)
def column_stack(tup: Any) -> Any:
    """``np.column_stack``."""
    parts = _sequence(tup, "column_stack")
    return concatenate([x if x.ndim >= 2 else np.atleast_1d(x)[:, None] for x in parts], 1)


@implements(np.append, always=True)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """``np.append``."""
    if axis is None:
        return concatenate((ravel(arr), ravel(values)))
    return concatenate((arr, values), axis)


# --- splitting ------------------------------------------------------------------------------------


def _pieces(x: ArrayTracer, bounds: Sequence[Any], axis: int) -> list[Any]:
    ends = [0, *bounds, None]
    lead = (slice(None),) * axis
    return [x[(*lead, slice(a, b))] for a, b in pairwise(ends)]


@implements(np.array_split, always=True)
def array_split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Any]:
    """``np.array_split``."""
    current().at()
    x = as_array(ary)
    k = axis_of(axis, x.ndim)
    if isinstance(indices_or_sections, (list, tuple)):
        return _pieces(x, indices_or_sections, k)
    sections = static_int(indices_or_sections, "the number of sections as a Python int")
    if sections <= 0:
        raise ValueError("number sections must be larger than 0.")
    n = x.shape[k]
    if isinstance(n, Tracer):
        raise n._needs("the length of the axis to split")
    each, extra = divmod(n, sections)
    bounds = np.cumsum([each + 1] * extra + [each] * (sections - extra)).tolist()
    return _pieces(x, bounds[:-1], k)


@implements(np.split, always=True)
def split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Any]:
    """``np.split``."""
    current().at()
    x = as_array(ary)
    if not isinstance(indices_or_sections, (list, tuple)):
        sections = static_int(indices_or_sections, "the number of sections as a Python int")
        n = x.shape_dims[axis_of(axis, x.ndim)]
        if isinstance(n, int) and n % sections:
            raise ValueError("array split does not result in an equal division")
    return array_split(x, indices_or_sections, axis)


@implements(np.hsplit, always=True)
def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """``np.hsplit``."""
    return split(ary, indices_or_sections, 1 if as_array(ary).ndim > 1 else 0)


@implements(np.vsplit, always=True)
def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """``np.vsplit``."""
    return split(ary, indices_or_sections, 0)


# --- repeating and shifting -----------------------------------------------------------------------


@method("repeat")
@implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> ArrayTracer:
    """``np.repeat``, every element equally often."""
    b = current().at()
    x = as_array(a)
    if axis is None:
        x, axis = ravel(x), 0
    k = axis_of(axis, x.ndim)
    if isinstance(repeats, (list, tuple, np.ndarray)) or (isinstance(repeats, ArrayTracer) and repeats.ndim):
        raise UnsupportedError("np.repeat with an array of counts is not supported yet")
    count = conversions.index_dim(repeats)
    dims.check(dims.ge(count, 0), ValueError, "negative dimensions are not allowed")
    if not isinstance(count, int):
        current().assume_nonnegative(count)
    shape = x.shape_dims
    spread = (*shape[: k + 1], count, *shape[k + 1 :])
    pairs = [(j, j if j <= k else j + 1) for j in range(x.ndim)]
    value = b.view(x.read(), spread, (0,) * x.ndim, pairs, (1,) * x.ndim)
    merged = (*shape[:k], dims.mul(shape[k], count), *shape[k + 1 :])
    return ArrayTracer(b.reshape(value, merged))


@implements(np.tile)
def tile(A: Any, reps: Any) -> ArrayTracer:
    """``np.tile``."""
    b = current().at()
    x = as_array(A)
    counts: list[Dim] = [conversions.index_dim(r) for r in (reps if isinstance(reps, (tuple, list)) else (reps,))]
    for count in counts:
        dims.check(dims.ge(count, 0), ValueError, "negative dimensions are not allowed")
    counts = [*(1,) * (x.ndim - len(counts)), *counts]
    value = x.read()
    if len(counts) > x.ndim:
        value = b.reshape(value, (*((1,) * (len(counts) - x.ndim)), *x.shape_dims))
    shape = value.type.shape
    spread = tuple(d for n, size in zip(counts, shape) for d in (n, size))
    pairs = [(k, 2 * k + 1) for k in range(len(shape))]
    value = b.view(value, spread, (0,) * len(shape), pairs, (1,) * len(shape))
    return ArrayTracer(b.reshape(value, tuple(dims.mul(n, size) for n, size in zip(counts, shape))))


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> ArrayTracer:
    """``np.roll``."""
    b = current().at()
    x = as_array(a)
    if axis is None:
        flat = x.read() if x.ndim == 1 else b.reshape(x.read(), (x.size_dim,))
        return ArrayTracer(b.reshape(_rolled(flat, shift, 0), x.shape_dims) if x.ndim != 1 else _rolled(flat, shift, 0))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    value = x.read()
    for s, k in zip(shifts if len(shifts) == len(axes) else shifts * len(axes), axes):
        value = _rolled(value, s, axis_of(k, x.ndim))
    return ArrayTracer(value)


def _rolled(x: Value, shift: Any, axis: int) -> Value:
    """The last ``shift`` (modulo the length) elements, then the others."""
    b = current().builder
    n = x.type.shape[axis]
    by = conversions.index_dim(shift)
    if isinstance(by, int) and isinstance(n, int):
        moved: Dim = by % n if n else 0
        if not moved:
            return x
    else:
        moved = b.apply(E.mod, b.index(by), b.index(n))
        current().assume_nonnegative(moved)
    parts = []
    for start, length in ((dims.sub(n, moved), moved), (0, dims.sub(n, moved))):
        if not isinstance(length, int):
            current().assume_nonnegative(length)
        shape = tuple(length if k == axis else d for k, d in enumerate(x.type.shape))
        starts = tuple(start if k == axis else 0 for k in range(x.rank))
        parts.append(b.view(x, shape, starts, [(k, k) for k in range(x.rank)], (1,) * x.rank))
    return b.concat(parts, axis, n)


@implements(np.diff)
def diff(a: Any, n: Any = 1, axis: Any = -1, prepend: Any = None, append: Any = None) -> Any:
    """``np.diff``."""
    x = as_array(a)
    if prepend is not None or append is not None:
        raise UnsupportedError("np.diff with prepend= or append= is not supported yet")
    if not x.ndim:
        raise ValueError("diff requires input that is at least one dimensional")
    k = axis_of(axis, x.ndim)
    lead = (slice(None),) * k
    result: Any = x
    turns = static_int(n, "the order of the difference as a Python int")
    if turns < 0:
        raise ValueError(f"order must be non-negative but got {n!r}")
    for _ in range(turns):
        left, right = result[(*lead, slice(None, -1))], result[(*lead, slice(1, None))]
        result = np.not_equal(right, left) if x.dtype.kind == "b" else np.subtract(right, left)
    return result


# --- diagonals ------------------------------------------------------------------------------------


@implements(np.diag)
def diag(v: Any, k: Any = 0) -> ArrayTracer:
    """``np.diag``: the diagonal of a matrix (a read-only view), or a matrix with a diagonal."""
    b = current().at()
    x = as_array(v)
    offset = static_int(k, "the number of the diagonal as a Python int")
    if x.ndim == 2:
        return x.part(diagonal_lens(x.shape_dims, offset, 0, 1), writeable=False)
    if x.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    n = dims.add(x.shape_dims[0], abs(offset))
    zeros = b.fill(b.const(0, x.dtype), (n, n))
    starts = (max(-offset, 0), max(offset, 0))
    return ArrayTracer(b.update(zeros, x.read(), starts, ((0, 0), (1, 0)), (1, 1)))


@implements(np.diagflat)
def diagflat(v: Any, k: Any = 0) -> ArrayTracer:
    """``np.diagflat``."""
    return diag(ravel(v), k)


@implements(np.fill_diagonal, always=True)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """``np.fill_diagonal`` of a matrix."""
    current().at()
    x = as_array(a)
    if x.ndim < 2:
        raise ValueError("array must be at least 2-d")
    if x.ndim != 2 or wrap:
        raise UnsupportedError("np.fill_diagonal is supported for matrices without wrap=True")
    check_writeable(x, "underlying array")
    assignment.assign(x.part(diagonal_lens(x.shape_dims, 0, 0, 1)), val)
