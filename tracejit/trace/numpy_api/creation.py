"""New arrays: from numbers, from sequences, like other arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.core import Value
from tracejit.ir.types import FLOAT64, INT64, Dim
from tracejit.ops import elementwise as E
from tracejit.ops.builder import Builder
from tracejit.trace import assignment, broadcast, conversions, dims, doubts, layout, promotion, pynumbers
from tracejit.trace.boxes import ArrayTracer, box_of
from tracejit.trace.context import current
from tracejit.trace.lenses import Dims
from tracejit.trace.numpy_api.arguments import as_array, order_like, reject, shape_of, static_int
from tracejit.trace.numpy_api.table import has_traced, implements
from tracejit.trace.scalars import ScalarTracer, alternatives_of, is_scalar
from tracejit.trace.tracer import Tracer

DType: TypeAlias = "np.dtype[Any]"


def filled(shape: Dims, content: Value, order: Any = "C") -> ArrayTracer:
    """A new array full of a scalar."""
    return ArrayTracer(current().builder.fill(content, shape), order if len(shape) > 1 else "C")


# --- of one number --------------------------------------------------------------------------------


@implements(np.zeros, always=True)
def zeros(shape: Any, dtype: Any = float, order: str = "C", *, like: Any = None) -> ArrayTracer:
    """``np.zeros``."""
    b = current().at()
    return filled(shape_of(shape), b.const(0, promotion.canonical(dtype)), order)


@implements(np.ones, always=True)
def ones(shape: Any, dtype: Any = None, order: str = "C", *, like: Any = None) -> ArrayTracer:
    """``np.ones``."""
    b = current().at()
    return filled(shape_of(shape), b.const(1, promotion.canonical(float if dtype is None else dtype)), order)


@implements(np.empty, always=True)
def empty(shape: Any, dtype: Any = float, order: str = "C", *, like: Any = None) -> ArrayTracer:
    """``np.empty``."""
    b = current().at()
    return _empty(b, shape_of(shape), promotion.canonical(dtype), order)


def _empty(b: Builder, shape: Dims, dtype: DType, order: Any) -> ArrayTracer:
    if not shape:
        return ArrayTracer(b.const(0, dtype))
    return ArrayTracer(b.empty(dtype, shape), order if len(shape) > 1 else "C")


@implements(np.full, always=True)
def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", *, like: Any = None) -> ArrayTracer:
    """``np.full``."""
    b = current().at()
    dimensions = shape_of(shape)
    if dtype is None:
        value = as_array(fill_value).read()
    else:
        value = assignment.contents(fill_value, promotion.canonical(dtype))
    if value.rank:
        text = "could not broadcast input array from shape %s into shape %s"
        fail = broadcast.fail_with(ValueError, text, value.type.shape, dimensions)
        return ArrayTracer(broadcast.fitted(b, value, dimensions, fail))
    return filled(dimensions, value, order)


def _like(prototype: Any, dtype: Any, order: str, shape: Any) -> tuple[Dims, DType, Any]:
    x = as_array(prototype)
    dimensions = x.shape_dims if shape is None else shape_of(shape)
    kept = order
    if order in ("K", "A"):
        kept = order_like(x) if len(dimensions) == x.ndim else "C"
    return dimensions, x.dtype if dtype is None else promotion.canonical(dtype), kept


@implements(np.zeros_like, always=True)
def zeros_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> ArrayTracer:
    """``np.zeros_like``."""
    b = current().at()
    dimensions, d, kept = _like(a, dtype, order, shape)
    return filled(dimensions, b.const(0, d), kept)


@implements(np.ones_like, always=True)
def ones_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> ArrayTracer:
    """``np.ones_like``."""
    b = current().at()
    dimensions, d, kept = _like(a, dtype, order, shape)
    return filled(dimensions, b.const(1, d), kept)


@implements(np.empty_like, always=True)
def empty_like(
    prototype: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> ArrayTracer:
    """``np.empty_like``."""
    b = current().at()
    dimensions, d, kept = _like(prototype, dtype, order, shape)
    return _empty(b, dimensions, d, kept)


@implements(np.full_like, always=True)
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> ArrayTracer:
    """``np.full_like``."""
    b = current().at()
    dimensions, d, kept = _like(a, dtype, order, shape)
    result = _empty(b, dimensions, d, kept)
    assignment.assign(result, fill_value)
    return result


# --- sequences of numbers -------------------------------------------------------------------------


@implements(np.arange, always=True)
def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None, **kwargs: Any) -> ArrayTracer:
    """``np.arange``."""
    b = current().at()
    reject("np.arange", **{k: (v, None) for k, v in kwargs.items() if k != "device"})
    if stop is None:
        start, stop = 0, start
    step = 1 if step is None else step
    for x in (start, stop, step):
        if not is_scalar(x):
            raise UnsupportedError("np.arange takes numbers")
    kinds = {d.kind for x in (start, stop, step) for _, d in alternatives_of(x)}
    if kinds <= {"i", "u", "b"}:
        values = _int_range(b, *(conversions.index_dim(x) for x in (start, stop, step)))
        sources = [d for x in (start, stop, step) for _, d in alternatives_of(x)]
        found = promotion.result_type(INT64, *(s for s in sources if s.kind != "b"))
        return ArrayTracer(b.cast(values, found if dtype is None else promotion.canonical(dtype)))
    if "c" in kinds:
        raise UnsupportedError("np.arange of complex numbers is not supported")
    return ArrayTracer(_float_range(b, start, stop, step, dtype))


def _int_range(b: Builder, start: Dim, stop: Dim, step: Dim) -> Value:
    dims.check(dims.ne(step, 0), ZeroDivisionError, str(pynumbers.failure_of(np.arange, 0, 1, 0)))
    span = dims.sub(stop, start)
    if isinstance(step, int):
        sign = 1 if step > 0 else -1
        length = span if sign > 0 else dims.sub(0, span)
        if abs(step) != 1:
            length = dims.add(dims.floordiv(dims.sub(length, 1), abs(step)), 1)
    else:
        up = dims.add(dims.floordiv(dims.sub(span, 1), step), 1)
        down = dims.add(dims.floordiv(dims.add(span, 1), step), 1)
        length = dims.select(dims.gt(step, 0), up, down)
    length = dims.maximum(length, 0)
    values = b.iota(length)
    if step != 1:
        values = b.apply(E.mul, values, b.fill(b.index(step), (length,)))
    if start != 0:
        values = b.apply(E.add, values, b.fill(b.index(start), (length,)))
    return values


def _float_range(b: Builder, start: Any, stop: Any, step: Any, dtype: Any) -> Value:
    dtypes = [d for x in (start, stop, step) for _, d in alternatives_of(x)]
    found = promotion.result_type(*dtypes) if dtype is None else promotion.canonical(dtype)
    if all(not isinstance(x, Tracer) for x in (start, stop, step)):
        numbers = np.arange(start, stop, step, found)  # type: ignore[call-overload]
        return b.const(numbers, found)
    first, last, increment = (as_array(x).read() for x in (start, stop, step))
    first, last, increment = (b.cast(v, FLOAT64) for v in (first, last, increment))
    nonzero = b.apply(E.ne, increment, b.const(0.0, FLOAT64))
    b.check(nonzero, ZeroDivisionError, (str(pynumbers.failure_of(np.arange, 0.0, 1.0, 0.0)),))
    count = b.apply(E.ceil, b.apply(E.div, b.apply(E.sub, last, first), increment))
    finite = b.apply(E.lt, count, b.const(2.0**62, FLOAT64))
    b.check(finite, ValueError, ("Maximum allowed size exceeded",))
    length = dims.maximum(b.cast(b.apply(E.maximum, count, b.const(0.0, FLOAT64)), INT64), 0)
    # NumPy stores the first two numbers and continues with their difference
    first, increment = b.cast(first, found), b.cast(b.apply(E.add, first, increment), found)
    delta = b.apply(E.sub, increment, first)
    steps = b.apply(E.mul, b.cast(b.iota(length), found), b.fill(delta, (length,)))
    return b.apply(E.add, b.fill(first, (length,)), steps)


@implements(np.linspace, always=True)
def linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0
) -> Any:
    """``np.linspace`` between numbers."""
    b = current().at()
    count = conversions.index_dim(num)
    if not isinstance(count, int):
        dims.check(dims.ge(count, 0), ValueError, "Number of samples, {0}, must be non-negative.", count)
        current().assume_nonnegative(count)
    elif count < 0:
        raise ValueError(f"Number of samples, {count}, must be non-negative.")
    first, last = as_array(start).read(), as_array(stop).read()
    if first.rank or last.rank:
        raise UnsupportedError("np.linspace between arrays is not supported yet")
    computed = promotion.result_type(first.dtype, last.dtype, FLOAT64)
    found = computed if dtype is None else promotion.canonical(dtype)
    first, last = b.cast(first, computed), b.cast(last, computed)
    divisions = dims.sub(count, 1) if endpoint else count
    span = b.apply(E.sub, last, first)
    step = b.apply(E.div, span, b.cast(b.index(dims.maximum(divisions, 1)), computed))
    shape: Dims = (count,)
    numbers = b.cast(b.iota(count), computed)
    # NumPy multiplies by the span first where the step underflows to 0; the last number is exact
    scaled = b.apply(E.mul, numbers, b.fill(step, shape))
    divided = b.apply(E.div, numbers, b.fill(b.cast(b.index(dims.maximum(divisions, 1)), computed), shape))
    vanished = b.fill(b.apply(E.eq, step, b.const(0, computed)), shape)
    scaled = b.apply(E.select, vanished, b.apply(E.mul, divided, b.fill(span, shape)), scaled)
    values = b.apply(E.add, scaled, b.fill(first, shape))
    if endpoint:
        is_last = b.apply(E.eq, b.iota(count), b.fill(b.index(dims.maximum(divisions, 1)), shape))
        values = b.apply(E.select, is_last, b.fill(last, shape), values)
    if found.kind in "iu":
        values = b.apply(E.floor, values)
    result = ArrayTracer(b.cast(values, found))
    if not retstep:
        return result
    from tracejit.trace.scalars import numpy_scalar

    return result, numpy_scalar(step)


@implements(np.eye, always=True)
def eye(N: Any, M: Any = None, k: Any = 0, dtype: Any = float, order: str = "C", **kwargs: Any) -> ArrayTracer:
    """``np.eye``."""
    b = current().at()
    rows, columns = shape_of((N, N if M is None else M))
    offset = conversions.index_dim(k)
    d = promotion.canonical(dtype)
    return ArrayTracer(b.cast(diagonal_mask(b, rows, columns, offset, E.eq), d), order)


@implements(np.identity, always=True)
def identity(n: Any, dtype: Any = None, **kwargs: Any) -> ArrayTracer:
    """``np.identity``."""
    return eye(n, dtype=float if dtype is None else dtype)


def diagonal_mask(b: Builder, rows: Dim, columns: Dim, offset: Dim, comparison: Any) -> Value:
    """A bool matrix: ``comparison(column, row + offset)``."""
    shape: Dims = (rows, columns)
    r = b.iota(rows)
    if offset != 0:
        r = b.apply(E.add, r, b.fill(b.index(offset), (rows,)))
    row = b.view(r, shape, (0,), ((0, 0),), (1,))
    column = b.view(b.iota(columns), shape, (0,), ((0, 1),), (1,))
    return b.apply(comparison, column, row)


@implements(np.tri, always=True)
def tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = float, **kwargs: Any) -> ArrayTracer:
    """``np.tri``."""
    b = current().at()
    rows, columns = shape_of((N, N if M is None else M))
    mask = diagonal_mask(b, rows, columns, conversions.index_dim(k), E.le)
    return ArrayTracer(b.cast(mask, promotion.canonical(dtype)))


@implements(np.tril)
def tril(m: Any, k: Any = 0) -> ArrayTracer:
    """``np.tril``."""
    return _triangle(m, k, E.le)


@implements(np.triu)
def triu(m: Any, k: Any = 0) -> ArrayTracer:
    """``np.triu``."""
    return _triangle(m, k, E.ge)


def _triangle(m: Any, k: Any, comparison: Any) -> ArrayTracer:
    b = current().at()
    x = as_array(m)
    if x.ndim < 2:
        raise UnsupportedError("np.tril and np.triu take matrices")
    mask = diagonal_mask(b, x.shape_dims[-2], x.shape_dims[-1], conversions.index_dim(k), comparison)
    spread = broadcast.spread(b, mask, x.shape_dims)
    return ArrayTracer(b.apply(E.select, spread, x.read(), b.fill(b.const(0, x.dtype), x.shape_dims)))


# --- from objects ---------------------------------------------------------------------------------


@implements(np.array, always=True)
def array(
    object: Any, dtype: Any = None, *, copy: Any = True, order: Any = "K", subok: bool = False, ndmin: int = 0,
    like: Any = None,
) -> ArrayTracer:  # fmt: skip
    """``np.array``."""
    b = current().at()
    target = None if dtype is None else promotion.canonical(dtype)
    if isinstance(object, np.ndarray):
        object = box_of(object)
    if isinstance(object, ArrayTracer):
        if not copy and (target is None or target == object.dtype) and order in ("K", "A", None):
            result = object
        else:
            kept = order_like(object) if order in ("K", "A", None) else order
            result = ArrayTracer(b.cast(object.read(), target or object.dtype), kept)
    else:
        result = ArrayTracer(_contents(b, object, target))
    return result if result.ndim >= ndmin else result[(None,) * (ndmin - result.ndim)]


def _contents(b: Builder, x: Any, dtype: DType | None) -> Value:
    """The contents of the array that ``np.array`` makes of nested sequences and scalars."""
    if isinstance(x, ScalarTracer):
        return as_array(x).read() if dtype is None else assignment.converted_scalar(b, x, dtype)
    if not isinstance(x, (list, tuple)) or not has_traced(x):
        made = np.array(x, dtype)
        return b.const(made, promotion.canonical(made.dtype))
    if dtype is None:
        dtypes: list[DType] = []
        _collect_dtypes(x, dtypes)
        dtype = promotion.result_type(*dtypes)
    value = _stacked(b, x, dtype)
    if value is None:
        raise ValueError(
            "setting an array element with a sequence. The requested array has an inhomogeneous shape after 1 "
            f"dimensions. The detected shape was ({len(x)},) + inhomogeneous part."
        )
    return value


def _collect_dtypes(x: Any, found: list[DType]) -> None:
    if isinstance(x, (list, tuple)):
        for item in x:
            _collect_dtypes(item, found)
    elif isinstance(x, ArrayTracer):
        found.append(x.dtype)
    elif isinstance(x, ScalarTracer):
        found.append(as_array(x).dtype)
    else:
        found.append(promotion.canonical(np.asarray(x).dtype))


def _stacked(b: Builder, x: Sequence[Any], dtype: DType) -> Value | None:
    """A sequence as an array of ``dtype``; None when shapes differ."""
    if not has_traced(x):
        return b.const(np.array(x, dtype), dtype)
    parts: list[Value] = []
    for item in x:
        if isinstance(item, (list, tuple)):
            part = _stacked(b, item, dtype)
            if part is None:
                return None
        else:
            part = assignment.contents(item, dtype)
        parts.append(part)
    first = parts[0].type.shape
    if any(not dims.all_equal(p.type.shape, first) for p in parts):
        if any(p.rank != len(first) for p in parts) or all(isinstance(d, int) for p in parts for d in p.type.shape):
            return None
        _check_same_shapes(parts)
    rows = [b.reshape(p, (1, *first)) for p in parts]
    return rows[0] if len(rows) == 1 else b.concat(rows, 0, len(rows))


def _check_same_shapes(parts: Sequence[Value]) -> None:
    text = (
        "setting an array element with a sequence. The requested array has an inhomogeneous shape after 1 dimensions. "
        f"The detected shape was ({len(parts)},) + inhomogeneous part."
    )
    for p in parts[1:]:
        for d, e in zip(p.type.shape, parts[0].type.shape):
            dims.check(dims.eq(d, e), ValueError, text)


@implements(np.asarray, np.asanyarray, always=True)
def asarray(a: Any, dtype: Any = None, order: Any = None, **kwargs: Any) -> ArrayTracer:
    """``np.asarray``: an array of that dtype is given back as it is."""
    result = array(a, dtype, copy=kwargs.pop("copy", None), order=order)
    reject("np.asarray", **{k: (v, None) for k, v in kwargs.items()})
    return result


@implements(np.ascontiguousarray, always=True)
def ascontiguousarray(a: Any, dtype: Any = None, *, like: Any = None) -> ArrayTracer:
    """``np.ascontiguousarray``: itself when it is C-contiguous already."""
    x = asarray(a, dtype)
    if not x.ndim:
        x = x[None]
    if x.is_plain:
        return x
    contiguous = layout.is_c_contiguous(x.shape_dims, x.layout)
    if contiguous:
        return x
    current().at()
    result = ArrayTracer(x.read())
    if contiguous is None:
        doubts.entangle(result, x)
    return result


@implements(np.copy, always=True)
def copy(a: Any, order: str = "K", subok: bool = False) -> ArrayTracer:
    """``np.copy``."""
    return array(a, order=order)


@implements(np.fromiter, always=True)
def fromiter(iter: Any, dtype: Any, count: Any = -1, **kwargs: Any) -> ArrayTracer:
    """``np.fromiter`` of an iterable whose length is known while tracing."""
    items = list(iter)
    n = static_int(count, "the number of items as a Python int")
    return array(items if n < 0 else items[:n], dtype)


@implements(np.meshgrid, always=True)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[ArrayTracer, ...]:
    """``np.meshgrid``."""
    b = current().at()
    arrays = [as_array(x) for x in xi]
    order = list(range(len(arrays)))
    if indexing == "xy" and len(arrays) > 1:
        order[0], order[1] = 1, 0
    shape: list[Dim] = [1] * len(arrays)
    for k, x in enumerate(arrays):
        shape[order[k]] = x.size_dim
    results: list[ArrayTracer] = []
    for k, x in enumerate(arrays):
        flat = x.read() if x.ndim == 1 else b.reshape(x.read(), (x.size_dim,))
        target = tuple(d if not sparse or j == order[k] else 1 for j, d in enumerate(shape))
        results.append(ArrayTracer(b.view(flat, target, (0,), ((0, order[k]),), (1,))))
    return tuple(results)
