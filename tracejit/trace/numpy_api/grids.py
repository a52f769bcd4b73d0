"""Coordinates: ``np.mgrid``, ``np.ogrid``, ``np.indices``, ``np.ix_``, and indices of triangles and diagonals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.types import BOOL, Dim
from tracejit.trace import conversions, dims, promotion
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.numpy_api import choosing, creation, ufuncs
from tracejit.trace.numpy_api.arguments import as_array, shape_of
from tracejit.trace.numpy_api.table import implements
from tracejit.trace.scalars import from_dim
from tracejit.trace.tracer import Tracer


def _axis(s: slice) -> tuple[Any, Any, Dim, list[Any]]:
    """Start, step and length of one axis, and the numbers whose common type is the grid's."""
    start = 0 if s.start is None else s.start
    step = 1 if s.step is None else s.step
    if isinstance(step, (complex, np.complexfloating)):
        count = int(np.abs(step))
        return start, (s.stop - start) / float(count - 1) if count != 1 else 1, count, [start, s.stop, abs(step)]
    numbers = [start, s.stop, step]
    if not any(isinstance(x, Tracer) for x in numbers):
        return start, step, max(math.ceil((s.stop - start) / step), 0), numbers
    low, high, increment = map(conversions.index_dim, numbers)
    if not isinstance(increment, int) or not increment:
        raise UnsupportedError("a grid whose step is known at run time only is not supported", hint="np.linspace")
    span = dims.sub(high, low) if increment > 0 else dims.sub(low, high)
    size = abs(increment)
    count_of = span if size == 1 else dims.floordiv(dims.add(span, size - 1), size)
    return start, step, dims.maximum(count_of, 0), [0]


def _coordinates(key: Sequence[Any], sparse: bool) -> list[ArrayTracer]:
    axes = [_axis(s) for s in key]
    dtype = promotion.canonical(np.result_type(*(x for *_, numbers in axes for x in numbers)))
    shape = [count for _, _, count, _ in axes]
    found: list[ArrayTracer] = []
    for k, (start, step, count, _) in enumerate(axes):
        numbers = creation.arange(from_dim(count), dtype=dtype)
        values = numbers if type(step) is int and step == 1 else ufuncs.call(np.multiply, numbers, step)
        if isinstance(start, Tracer) or start != 0:
            values = ufuncs.call(np.add, values, start)
        b = current().builder
        target = tuple(d if not sparse or j == k else 1 for j, d in enumerate(shape))
        # NumPy stores the numbers in the common type
        found.append(ArrayTracer(b.view(b.cast(values.read(), dtype), target, (0,), ((0, k),), (1,))))
    return found


def _one(s: slice) -> ArrayTracer:
    """A grid of one axis that is not in a tuple."""
    start, step, count, _ = _axis(s)
    if isinstance(s.step, (complex, np.complexfloating)):
        return ufuncs.call(np.add, ufuncs.call(np.multiply, creation.arange(0, count, 1, float), step), start)  # type: ignore[no-any-return]
    return creation.arange(start, s.stop, step)


@implements(type(np.mgrid).__getitem__, always=True)
def grid(maker: Any, key: Any) -> Any:
    """``np.mgrid[...]`` and ``np.ogrid[...]``."""
    current().at()
    if isinstance(key, slice):
        return _one(key)
    if not all(isinstance(s, slice) for s in key):
        raise UnsupportedError("np.mgrid and np.ogrid take slices", hint="np.mgrid[0:n, 0:m]")
    found = _coordinates(key, maker.sparse)
    return tuple(found) if maker.sparse else _stacked(found)


def _stacked(parts: Sequence[ArrayTracer]) -> ArrayTracer:
    """The arrays one after another along a new first axis."""
    from tracejit.trace.numpy_api import joining

    result: ArrayTracer = joining.stack(parts)
    return result


@implements(np.indices, always=True)
def indices(dimensions: Any, dtype: Any = int, sparse: bool = False) -> Any:
    """``np.indices``."""
    b = current().at()
    shape = shape_of(dimensions)
    d = promotion.canonical(dtype)
    found = []
    for k, n in enumerate(shape):
        target = tuple(m if not sparse or j == k else 1 for j, m in enumerate(shape))
        found.append(ArrayTracer(b.view(b.cast(b.iota(n), d), target, (0,), ((0, k),), (1,))))
    if sparse:
        return tuple(found)
    return _stacked(found) if found else creation.empty((0,), d)


@implements(np.ix_)
def ix(*args: Any) -> tuple[ArrayTracer, ...]:
    """``np.ix_``."""
    current().at()
    found = []
    for k, given in enumerate(args):
        x = as_array(given)
        if x.ndim != 1:
            raise ValueError("Cross index must be 1 dimensional")
        if x.dtype == BOOL:
            (x,) = choosing.nonzero(x)
        found.append(x[tuple(slice(None) if j == k else None for j in range(len(args)))])
    return tuple(found)


def _triangle(mask: Any, n: Any, k: Any, m: Any) -> Any:
    columns = n if m is None else m
    return choosing.nonzero(mask(creation.ones((n, columns), bool), k))


@implements(np.tril_indices, always=True)
def tril_indices(n: Any, k: Any = 0, m: Any = None) -> Any:
    """``np.tril_indices``."""
    current().at()
    return _triangle(creation.tril, n, k, m)


@implements(np.triu_indices, always=True)
def triu_indices(n: Any, k: Any = 0, m: Any = None) -> Any:
    """``np.triu_indices``."""
    current().at()
    return _triangle(creation.triu, n, k, m)


@implements(np.diag_indices, always=True)
def diag_indices(n: Any, ndim: int = 2) -> tuple[ArrayTracer, ...]:
    """``np.diag_indices``."""
    numbers = creation.arange(n)
    return (numbers,) * ndim
