"""Reductions that ignore NaN. Where all is NaN the result is NaN, as in NumPy, whose warning is not given."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.numpy_api import choosing, reductions, sorting
from tracejit.trace.numpy_api.arguments import as_array
from tracejit.trace.numpy_api.table import implements

_UNSET = np._NoValue


def _replaced(x: ArrayTracer, number: float) -> Any:
    return np.where(np.isnan(x), x.dtype.type(number), x)


def _extreme(largest: bool, a: Any, axis: Any, out: Any, keepdims: Any) -> Any:
    current().at()
    if out is not None:
        raise UnsupportedError("nan-reductions with out= are not supported yet", hint="out[...] = np.nanmax(x)")
    x = as_array(a)
    reduce = reductions.max_ if largest else reductions.min_
    if x.dtype.kind != "f":
        return reduce(x, axis, keepdims=keepdims)
    found = reduce(_replaced(x, -np.inf if largest else np.inf), axis, keepdims=keepdims)
    nothing = reductions.all_(np.isnan(x), axis, keepdims=keepdims)
    return np.where(nothing, x.dtype.type(np.nan), found)[()]


@implements(np.nanmax)
def nanmax(a: Any, axis: Any = None, out: Any = None, keepdims: Any = _UNSET) -> Any:
    """``np.nanmax``."""
    return _extreme(True, a, axis, out, keepdims)


@implements(np.nanmin)
def nanmin(a: Any, axis: Any = None, out: Any = None, keepdims: Any = _UNSET) -> Any:
    """``np.nanmin``."""
    return _extreme(False, a, axis, out, keepdims)


@implements(np.nanvar)
def nanvar(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = _UNSET) -> Any:
    """``np.nanvar``."""
    current().at()
    x = as_array(a)
    if dtype is not None or out is not None:
        raise UnsupportedError("np.nanvar with dtype= or out= is not supported yet")
    if x.dtype.kind not in "fc":
        return reductions.var(x, axis, ddof=ddof, keepdims=keepdims)
    missing = np.isnan(x)
    present = np.logical_not(missing)
    count = reductions.sum_(present, axis, keepdims=True)
    center = np.true_divide(reductions.sum_(_replaced(x, 0), axis, keepdims=True), count.astype(x.real.dtype))
    deviation = np.where(missing, x.dtype.type(0), np.subtract(x, center))
    square = np.real(np.multiply(deviation, np.conjugate(deviation)))
    total = reductions.sum_(square, axis, keepdims=keepdims)
    free = np.subtract(reductions.sum_(present, axis, keepdims=keepdims), ddof)
    found = np.true_divide(total, as_array(free).astype(x.real.dtype))
    return np.where(np.less_equal(free, 0), x.real.dtype.type(np.nan), found)[()]


@implements(np.nanstd)
def nanstd(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = _UNSET) -> Any:
    """``np.nanstd``."""
    return np.sqrt(nanvar(a, axis, dtype, out, ddof, keepdims))


@implements(np.nanmedian)
def nanmedian(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = _UNSET) -> Any:
    """``np.nanmedian``: NaN is sorted to the end, so the numbers are the first ones."""
    current().at()
    if out is not None or overwrite_input:
        raise UnsupportedError("np.nanmedian with out= or overwrite_input= is not supported yet")
    x, axes = sorting.flattened(a, axis)
    if x.dtype.kind != "f":
        return sorting.median(a, axis, keepdims=keepdims is not _UNSET and keepdims)
    ordered = sorting.sort(x)
    count = as_array(reductions.sum_(np.logical_not(np.isnan(x)), -1, keepdims=True))
    low = np.maximum(np.floor_divide(np.subtract(count, 1), 2), 0)
    high = np.minimum(np.floor_divide(count, 2), np.maximum(np.subtract(count, 1), 0))
    first, last = (choosing.take_along_axis(ordered, place, -1)[..., 0] for place in (low, high))
    found = reductions.mean(np.stack([first, last]), 0)
    return sorting.unreduced(found, as_array(a).shape, axes, keepdims is not _UNSET and keepdims)
