"""Histograms, occurrences, and places in sorted arrays."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.types import BOOL, FLOAT64, INT64
from tracejit.trace import conversions, dims, promotion, routines
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.numpy_api import creation, reductions
from tracejit.trace.numpy_api.arguments import as_array
from tracejit.trace.numpy_api.shaping import ravel
from tracejit.trace.numpy_api.table import implements, method
from tracejit.trace.routines import counting
from tracejit.trace.scalars import ScalarTracer, from_dim, is_scalar, numpy_scalar

DType: TypeAlias = "np.dtype[Any]"


# --- histograms -----------------------------------------------------------------------------------


@implements(np.histogram)
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """``np.histogram``."""
    current().at()
    x = ravel(a)
    if x.dtype == BOOL:
        x = x.astype(np.uint8)
    w = None if weights is None else _weights(a, weights)
    if isinstance(bins, str):
        raise UnsupportedError("np.histogram with a rule for the number of bins is not supported yet", hint="bins=10")
    if is_scalar(bins):
        counts, edges = _uniform(x, conversions.index_dim(bins), range, w)
    else:
        edges = as_array(bins)
        counts = _edged(x, edges, w)
    if density:
        width = np.diff(edges)
        return counts / width / reductions.sum_(counts), edges
    return counts, edges


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """``np.histogram_bin_edges``."""
    current().at()
    if isinstance(bins, str):
        raise UnsupportedError("a rule for the number of bins is not supported yet", hint="bins=10")
    if not is_scalar(bins):
        return as_array(bins)
    x = ravel(a)
    return _uniform_edges(x, conversions.index_dim(bins), range)[0]


def _weights(a: Any, weights: Any) -> ArrayTracer:
    x, w = as_array(a), as_array(weights)
    ok: dims.Predicate = len(x.shape_dims) == len(w.shape_dims)
    for d, e in zip(x.shape_dims, w.shape_dims):
        ok = dims.both(ok, True if dims.equal(d, e) else dims.eq(d, e))
    if ok is not True:
        dims.check(ok, ValueError, "weights should have the same shape as a.")
    return ravel(w)


def _uniform_edges(x: ArrayTracer, n: Any, range: Any) -> tuple[ArrayTracer, Any, Any]:
    dims.check(dims.ge(n, 1), ValueError, "`bins` must be positive, when an integer")
    if range is None:
        empty = dims.eq(x.size_dim, 0)
        first: Any = np.float64(0.0)
        last: Any = np.float64(1.0)
        if empty is not True:
            if empty is not False:
                raise UnsupportedError(
                    "np.histogram without range= of an array that may be empty is not supported yet",
                    hint="range=(x.min(), x.max())",
                )
            first, last = reductions.min_(x), reductions.max_(x)
        text = "autodetected range of [{0}, {1}] is not finite"
    else:
        first, last = (_number(v) for v in range)
        _check(np.less_equal(first, last), "max must be larger than min in range parameter.")
        text = "supplied range of [{0}, {1}] is not finite"
    if promotion.result_type(_dtype(first), _dtype(last)).kind == "f":
        finite = np.logical_and(np.isfinite(first), np.isfinite(last))
        b = current().builder
        b.check(as_array(finite).read(), ValueError, (text,), (as_array(first).read(), as_array(last).read()))
    same = np.equal(first, last)
    first, last = np.where(same, first - 0.5, first)[()], np.where(same, last + 0.5, last)[()]
    found = promotion.result_type(_dtype(first), _dtype(last), x.dtype)
    if found.kind in "iu":
        found = promotion.result_type(found, FLOAT64)
    count = dims.add(n, 1)
    edges = creation.linspace(first, last, from_dim(count), dtype=found)
    return edges, first, last


def _number(x: Any) -> Any:
    return numpy_scalar(as_array(x).read()) if isinstance(x, (ScalarTracer, ArrayTracer)) else np.asarray(x)[()]


def _dtype(x: Any) -> DType:
    return as_array(x).dtype


def _check(ok: Any, text: str) -> None:
    current().builder.check(as_array(ok).read(), ValueError, (text,))


def _uniform(x: ArrayTracer, n: Any, range: Any, weights: ArrayTracer | None) -> tuple[ArrayTracer, ArrayTracer]:
    edges, first, last = _uniform_edges(x, n, range)
    counts = creation.zeros(from_dim(n), INT64 if weights is None else weights.dtype)
    routines.run(counting.uniform_bins, x, counts, weights, edges, first, last, last - first)
    return counts, edges


def _edged(x: ArrayTracer, edges: ArrayTracer, weights: ArrayTracer | None) -> ArrayTracer:
    if edges.ndim != 1:
        raise ValueError("`bins` must be 1d, when an array")
    rising = reductions.all_(np.less_equal(edges[:-1], edges[1:]))
    _check(rising, "`bins` must increase monotonically, when an array")
    n = dims.sub(edges.shape_dims[0], 1)
    counts = creation.zeros(from_dim(n), INT64 if weights is None else weights.dtype)
    routines.run(counting.edged_bins, x, counts, weights, edges)
    return counts


# --- occurrences ----------------------------------------------------------------------------------


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: Any = 0) -> Any:
    """``np.bincount``."""
    b = current().at()
    numbers = as_array(x)
    if numbers.ndim != 1:
        raise ValueError("object too deep for desired array" if numbers.ndim > 1 else "object of too small depth")
    if numbers.dtype.kind not in "biu" or numbers.dtype == np.uint64:
        raise TypeError(
            f"Cannot cast array data from dtype('{numbers.dtype}') to dtype('int64') according to the rule 'safe'"
        )
    numbers = numbers.astype(INT64)
    least = conversions.index_dim(minlength)
    dims.check(dims.ge(least, 0), ValueError, "'minlength' must not be negative")
    smallest = reductions.min_(numbers, initial=0)
    b.check(as_array(smallest >= 0).read(), ValueError, ("'list' argument must have no negative elements",))
    largest = as_array(reductions.max_(numbers, initial=-1)).read()
    length = dims.maximum(dims.add(largest, 1), least)
    current().assume_nonnegative(length) if not isinstance(length, int) else None
    w = None
    if weights is not None:
        w = as_array(weights)
        promotion.check_output_cast(np.add, w.dtype, FLOAT64, "safe")
        w = w.astype(FLOAT64)
        same = dims.eq(w.shape_dims[0], numbers.shape_dims[0])
        dims.check(same, ValueError, "The weights and list don't have the same length.")
    counts = creation.zeros(from_dim(length), INT64 if w is None else FLOAT64)
    routines.run(counting.occurrences, numbers, counts, w)
    return counts


# --- places ---------------------------------------------------------------------------------------


@method("searchsorted")
@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """``np.searchsorted``."""
    current().at()
    array, wanted = as_array(a), as_array(v)
    if array.ndim != 1:
        raise ValueError("object too deep for desired array" if array.ndim else "object of too small depth")
    if side not in ("left", "right", "l", "r"):
        numpy_searchsorted: Any = np.searchsorted
        numpy_searchsorted([1], 1, side=side)  # raises
    common = promotion.result_type(array.dtype, wanted.dtype)
    if common.kind == "c":
        raise UnsupportedError("np.searchsorted of complex numbers is not supported yet")
    if sorter is not None:
        array = array[sorter]
    out = creation.empty(from_dim(wanted.size_dim), INT64)
    places = counting.places_left if side[0] == "l" else counting.places_right
    routines.run(places, array.astype(common), ravel(wanted).astype(common), out)
    if not wanted.ndim:
        return numpy_scalar(out.load_element((0,)))
    return out.reshape(wanted.shape)


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """``np.digitize`` with increasing ``bins``."""
    current().at()
    edges = as_array(bins)
    if edges.ndim != 1:
        raise ValueError("object too deep for desired array" if edges.ndim else "object of too small depth")
    rising = reductions.all_(np.less_equal(edges[:-1], edges[1:]))
    falling = reductions.all_(np.greater_equal(edges[:-1], edges[1:]))
    _check(np.logical_or(rising, falling), "bins must be monotonically increasing or decreasing")
    up = searchsorted(edges, x, "left" if right else "right")
    count = from_dim(edges.shape_dims[0])
    down = np.subtract(count, searchsorted(edges[::-1], x, "left" if right else "right"))
    return np.where(rising, up, down)[()]
