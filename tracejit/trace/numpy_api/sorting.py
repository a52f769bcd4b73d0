"""Sorting, and what rests on it: medians, quantiles, distinct elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.types import BOOL, FLOAT64
from tracejit.ops import library
from tracejit.trace import assignment, dims
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.numpy_api import choosing, creation, joining, reductions
from tracejit.trace.numpy_api.arguments import as_array, axes_of, axis_of, check_writeable
from tracejit.trace.numpy_api.shaping import moveaxis, ravel, swapaxes
from tracejit.trace.numpy_api.table import implements, method
from tracejit.trace.scalars import from_dim, is_scalar
from tracejit.trace.tracer import Tracer

_STABLE = ("stable", "mergesort")


def _lined_up(a: Any, axis: Any) -> tuple[ArrayTracer, int]:
    """``a`` with the axis to sort in the last place, and which one that was."""
    x = as_array(a)
    if axis is None:
        return ravel(x), 0
    k = axis_of(axis, x.ndim)
    return (x if k == x.ndim - 1 else swapaxes(x, k, -1)), k


def _is_stable(kind: Any, stable: Any) -> bool:
    np.sort(np.ones(1), kind=kind, stable=stable)  # raises what NumPy says of these options
    return kind in _STABLE or bool(stable)


def _refuse_order(order: Any, name: str) -> None:
    if order is not None:
        raise UnsupportedError(f"{name}(order=...) is for arrays with fields, which are not supported")


@implements(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> ArrayTracer:
    """``np.sort``."""
    b = current().at()
    _refuse_order(order, "np.sort")
    _is_stable(kind, stable)  # elements that compare equal are the same, but for signs of zeros
    if axis is not None and not as_array(a).ndim:
        axis_of(axis, 0)
    x, k = _lined_up(a, axis)
    result = ArrayTracer(b.apply(library.sort, x.read()))
    return result if k == result.ndim - 1 else ArrayTracer(swapaxes(result, k, -1).read())


@method("sort")
def _sort_in_place(x: ArrayTracer, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> None:
    check_writeable(x, "sort array")
    assignment.assign(x, sort(x, axis_of(axis, x.ndim), kind, order, stable=stable))


@method("argsort")
@implements(np.argsort)
def argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> ArrayTracer:
    """``np.argsort``."""
    b = current().at()
    _refuse_order(order, "np.argsort")
    x, k = _lined_up(a, axis)
    result = ArrayTracer(b.apply(library.argsort, x.read(), stable=_is_stable(kind, stable)))
    return result if k == result.ndim - 1 else ArrayTracer(swapaxes(result, k, -1).read())


@implements(np.lexsort)
def lexsort(keys: Any, axis: Any = -1) -> ArrayTracer:
    """``np.lexsort`` of vectors."""
    current().at()
    rows = [as_array(x) for x in keys]
    if not rows:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    if any(x.ndim != 1 for x in rows):
        raise UnsupportedError("np.lexsort of arrays of several dimensions is not supported yet")
    order = argsort(rows[0], stable=True)
    for x in rows[1:]:
        order = order[argsort(x[order], stable=True)]
    return order


# --- medians and quantiles ------------------------------------------------------------------------


def flattened(a: Any, axis: Any) -> tuple[ArrayTracer, tuple[int, ...]]:
    """``a`` with the reduced axes joined as the last one, and these."""
    x = as_array(a)
    axes = axes_of(axis, x.ndim)
    moved = moveaxis(x, axes, tuple(range(x.ndim - len(axes), x.ndim)))
    kept = moved.shape[: x.ndim - len(axes)]
    count = dims.product([x.shape_dims[k] for k in axes])
    return moved.reshape((*kept, from_dim(count))), axes


def unreduced(result: Any, shape: Any, axes: tuple[int, ...], keepdims: Any) -> Any:
    if not keepdims:
        return result
    return np.reshape(result, tuple(1 if k in axes else d for k, d in enumerate(shape)))


@implements(np.median)
def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """``np.median``."""
    current().at()
    if out is not None or overwrite_input:
        raise UnsupportedError("np.median(out=..., overwrite_input=...) is not supported")
    x, axes = flattened(a, axis)
    ordered = sort(x)
    n = ordered.shape[-1]
    if isinstance(n, Tracer) or n == 0:
        raise UnsupportedError(
            "np.median of an array whose length is not known while compiling (or is 0) is not supported yet"
        )
    middle = ordered[..., (n - 1) // 2 : n // 2 + 1]
    found = reductions.mean(middle, axis=-1)
    last = ordered[..., -1]
    if ordered.dtype.kind in "fc":
        found = np.where(np.isnan(last), last, found)[()]  # NaN is sorted to the end
    return unreduced(found, as_array(a).shape, axes, keepdims)


@implements(np.quantile)
def quantile(
    a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
    keepdims: bool = False, *, weights: Any = None,
) -> Any:  # fmt: skip
    """``np.quantile`` by linear interpolation."""
    b = current().at()
    if out is not None or overwrite_input or weights is not None or method != "linear":
        raise UnsupportedError("np.quantile with out=, overwrite_input=, weights= or another method= is not supported")
    x, axes = flattened(a, axis)
    if x.dtype == BOOL or x.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    ordered = sort(x)
    n = ordered.shape_dims[-1]
    at = as_array(q)
    if is_scalar(q) and not isinstance(q, np.generic) and x.dtype.kind == "f":
        at = at.astype(x.dtype)
    elif at.dtype.kind in "biu":
        at = at.astype(FLOAT64)
    inside = np.logical_and(np.greater_equal(at, 0), np.less_equal(at, 1))
    b.check(as_array(reductions.all_(inside)).read(), ValueError, ("Quantiles must be in the range [0, 1]",))
    dims.check(dims.gt(n, 0), IndexError, "index -1 is out of bounds for axis 0 with size 0")
    place = np.multiply(at, from_dim(dims.sub(n, 1)))
    whole = np.floor(place)
    below = as_array(whole).astype(np.int64)
    above = np.minimum(np.add(below, 1), from_dim(dims.sub(n, 1)))
    rest = np.subtract(place, whole)
    low, high = (moveaxis(_taken(ordered, k), tuple(range(ordered.ndim - 1, ordered.ndim - 1 + at.ndim)),
                          tuple(range(at.ndim))) for k in (below, above))  # fmt: skip
    weight = np.reshape(rest, (*at.shape, *(1,) * (ordered.ndim - 1)))
    # as NumPy interpolates, from the nearer side
    difference = np.subtract(high, low)
    found = np.add(low, np.multiply(difference, weight))
    nearer = np.subtract(high, np.multiply(difference, np.subtract(1, weight)))
    found = np.where(np.greater_equal(weight, 0.5), nearer, found)
    if ordered.dtype.kind == "f":
        last = ordered[..., -1]
        found = np.where(np.isnan(last), last, found)
    shape = as_array(a).shape
    if keepdims:
        found = np.reshape(found, (*at.shape, *(1 if k in axes else d for k, d in enumerate(shape))))
    return found[()]


def _taken(x: ArrayTracer, places: Any) -> ArrayTracer:
    found = choosing.take(x, as_array(places), axis=-1)
    return as_array(found)


@implements(np.percentile)
def percentile(a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
               method: str = "linear", keepdims: bool = False, *, weights: Any = None) -> Any:  # fmt: skip
    """``np.percentile`` by linear interpolation."""
    current().at()
    x = as_array(a)
    share = np.true_divide(q, x.dtype.type(100) if x.dtype.kind == "f" else 100)
    b = current().at()
    inside = np.logical_and(np.greater_equal(share, 0), np.less_equal(share, 1))
    b.check(as_array(reductions.all_(inside)).read(), ValueError, ("Percentiles must be in the range [0, 100]",))
    return quantile(a, share, axis, out, overwrite_input, method, keepdims, weights=weights)


# --- distinct elements ----------------------------------------------------------------------------


@implements(np.unique)
def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False, axis: Any = None, *,
    equal_nan: bool = True, sorted: bool = True,
) -> Any:  # fmt: skip
    """``np.unique`` of all elements."""
    current().at()
    if axis is not None:
        raise UnsupportedError("np.unique(axis=...) is not supported yet")
    x = ravel(ar)
    if return_index or return_inverse:
        order = argsort(x, stable=True)
        ordered = x[order]
    else:
        ordered = sort(x)
    before, after = ordered[:-1], ordered[1:]
    differs = np.not_equal(before, after)
    if equal_nan and x.dtype.kind in "fc":
        differs = np.logical_and(differs, np.logical_not(np.logical_and(np.isnan(before), np.isnan(after))))
    first = creation.ones(_at_most(1, x), bool)
    mask = joining.concatenate((first, as_array(differs)))
    results: list[Any] = [ordered[mask]]
    if return_index:
        results.append(order[mask])
    if return_inverse:
        number = np.subtract(np.cumsum(mask), 1)
        inverse = creation.empty(x.shape, np.int64)
        inverse[order] = number
        results.append(inverse.reshape(as_array(ar).shape))
    if return_counts:
        (starts,) = choosing.nonzero(mask)
        ends = joining.concatenate((starts[1:], as_array([x.size])))
        results.append(np.subtract(ends, starts))
    return results[0] if len(results) == 1 else tuple(results)


def _at_most(limit: int, x: ArrayTracer) -> Any:
    """The length of ``x``, at most ``limit``."""
    return from_dim(dims.minimum(limit, x.size_dim))
