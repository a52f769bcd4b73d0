"""Arrays made longer or shorter: padding, blocks, deleted elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.trace import conversions, dims
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.numpy_api import choosing, creation, joining
from tracejit.trace.numpy_api.arguments import as_array, axis_of
from tracejit.trace.numpy_api.shaping import ravel
from tracejit.trace.numpy_api.table import has_traced, implements
from tracejit.trace.scalars import from_dim, is_scalar
from tracejit.trace.tracer import Tracer

# --- padding --------------------------------------------------------------------------------------


def _pairs(given: Any, rank: int) -> list[tuple[Any, Any]]:
    """``pad_width`` and ``constant_values`` in all their forms, as one pair per axis."""
    if isinstance(given, ArrayTracer):
        raise given._needs("the widths as Python ints")
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if isinstance(given, dict):
        found = [(0, 0)] * rank
        for axis, width in given.items():
            found[axis_of(axis, rank)] = (width, width) if is_scalar(width) else tuple(width)
        return found
    if is_scalar(given):
        return [(given, given)] * rank
    rows = [tuple(row) if isinstance(row, (tuple, list)) else row for row in given]
    if all(is_scalar(row) for row in rows):
        if len(rows) == 1:
            return [(rows[0], rows[0])] * rank
        if len(rows) == 2:
            return [(rows[0], rows[1])] * rank
    elif len(rows) == 1 and rank != 1:
        return [rows[0] if len(rows[0]) == 2 else rows[0] * 2] * rank
    elif len(rows) == rank and all(not is_scalar(row) for row in rows):
        return [row if len(row) == 2 else row * 2 for row in rows]
    raise ValueError(f"operands could not be broadcast together: {rank} axes, widths {given!r}")


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> ArrayTracer:
    """``np.pad`` with constants, edges, or the array continued."""
    current().at()
    x = as_array(array)
    modes = ("constant", "edge", "reflect", "symmetric", "wrap", "empty")
    if isinstance(mode, str):
        numpy_pad: Any = np.pad
        numpy_pad(np.ones(1), 0, mode=mode)  # raises what NumPy says of a mode that does not exist
    if mode not in modes or options.keys() - {"constant_values"}:
        raise UnsupportedError(f"np.pad with mode={mode!r} or such options is not supported yet")
    widths = [(conversions.index_dim(a), conversions.index_dim(b)) for a, b in _pairs(pad_width, x.ndim)]
    for pair in widths:
        for width in pair:
            dims.check(dims.ge(width, 0), ValueError, "index can't contain negative values")
    if mode in ("constant", "empty"):
        return _framed(x, widths, _pairs(options.get("constant_values", 0), x.ndim))
    for k, (before, after) in enumerate(widths):
        if before == 0 and after == 0:
            continue
        n = x.shape_dims[k]
        text = f"can't extend empty axis {k} using modes other than 'constant' or 'empty'"
        dims.check(dims.gt(n, 0), ValueError, text)
        x = _continued(x, k, before, dims.add(dims.add(before, n), after), mode)
    return ArrayTracer(x.read())


def _framed(x: ArrayTracer, widths: Any, values: list[tuple[Any, Any]]) -> ArrayTracer:
    shape = [dims.add(dims.add(before, d), after) for d, (before, after) in zip(x.shape_dims, widths)]
    out = creation.empty(tuple(map(from_dim, shape)), x.dtype)
    middle = [slice(from_dim(before), from_dim(dims.add(before, d))) for d, (before, _) in zip(x.shape_dims, widths)]
    same = all(v is values[0][0] or (not isinstance(v, Tracer) and v == values[0][0]) for pair in values for v in pair)
    if same:
        out[...] = values[0][0]
    else:
        # later axes go over the corners, as in NumPy
        for k, (before, after) in enumerate(values):
            inside = tuple(slice(None) if j <= k else middle[j] for j in range(x.ndim))
            out[(*inside[:k], slice(None, middle[k].start), *inside[k + 1 :])] = before
            out[(*inside[:k], slice(middle[k].stop, None), *inside[k + 1 :])] = after
    out[tuple(middle)] = x
    return out


def _continued(x: ArrayTracer, axis: int, before: Any, length: Any, mode: str) -> ArrayTracer:
    n: Any = from_dim(x.shape_dims[axis])
    places = np.subtract(creation.arange(from_dim(length)), from_dim(before))
    if mode == "edge":
        index = np.clip(places, 0, n - 1)
    elif mode == "wrap":
        index = np.remainder(places, n)
    elif mode == "symmetric":
        index = np.remainder(places, 2 * n)
        index = np.where(index < n, index, 2 * n - 1 - index)
    else:
        period = np.maximum(2 * (n - 1), 1)
        index = np.remainder(places, period)
        index = np.where(index < n, index, period - index)
    context = current()
    trusted = context.trusted
    context.trusted = True
    try:
        return as_array(choosing.take(x, index, axis))
    finally:
        context.trusted = trusted


# --- blocks ---------------------------------------------------------------------------------------


@implements(np.block, always=True)
def block(arrays: Any) -> ArrayTracer:
    """``np.block``."""
    current().at()
    depth = _depth(arrays)
    leaves: list[ArrayTracer] = []
    _collect(arrays, leaves)
    rank = max(depth, *(x.ndim for x in leaves))
    found = _joined(arrays, depth, rank)
    return ArrayTracer(found.read())


def _depth(x: Any) -> int:
    if not isinstance(x, list):
        return 0
    if not x:
        raise ValueError("List at arrays cannot be empty")
    depths = {_depth(y) for y in x}
    if len(depths) > 1:
        text = f"List depths are mismatched: an element is at depth {max(depths)}, another at depth {min(depths)}"
        raise ValueError(text)
    return depths.pop() + 1


def _collect(x: Any, into: list[ArrayTracer]) -> None:
    if isinstance(x, list):
        for y in x:
            _collect(y, into)
    else:
        into.append(as_array(x))


def _joined(x: Any, depth: int, rank: int) -> ArrayTracer:
    if depth == 0:
        array = as_array(x)
        found = array[(None,) * (rank - array.ndim) + (Ellipsis,)]
        assert isinstance(found, ArrayTracer)
        return found
    return as_array(joining.concatenate([_joined(y, depth - 1, rank) for y in x], axis=-depth))


# --- without some ---------------------------------------------------------------------------------


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> ArrayTracer:
    """``np.delete`` of places that are known while compiling."""
    current().at()
    x = ravel(arr) if axis is None else as_array(arr)
    k = 0 if axis is None else axis_of(axis, x.ndim)
    n = x.shape_dims[k]
    if has_traced([obj]) or not isinstance(n, int):
        raise UnsupportedError(
            "np.delete of places, or from lengths, that are known at run time only is not supported yet",
            hint="x[mask] with a mask of what stays",
        )
    kept = np.delete(np.arange(n), obj)
    return as_array(choosing.take(x, kept, k))


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """``np.ediff1d``."""
    current().at()
    x = ravel(ary)
    parts = [np.subtract(x[1:], x[:-1])]
    for place, more in ((0, to_begin), (len(parts), to_end)):
        if more is not None:
            parts.insert(place if place == 0 else len(parts), ravel(as_array(more)).astype(x.dtype))
    return parts[0] if len(parts) == 1 else joining.concatenate(parts)
