"""Methods of ufuncs: ``reduce``, ``accumulate``, ``outer``, ``at``; and cumulative sums and products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.core import Block, Value
from tracejit.ir.types import INDEX, INT64, ArrayType
from tracejit.ops import control
from tracejit.trace import assignment, dims, promotion
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.kernels import kernel_of
from tracejit.trace.lenses import Dims
from tracejit.trace.numpy_api import reductions, ufuncs
from tracejit.trace.numpy_api.arguments import as_array, axis_of
from tracejit.trace.numpy_api.shaping import moveaxis, ravel
from tracejit.trace.numpy_api.table import implements, method
from tracejit.trace.tracer import OUTSIDE

DType: TypeAlias = "np.dtype[Any]"

_REDUCTIONS: dict[np.ufunc, Any] = {
    np.add: reductions.sum_,
    np.multiply: reductions.prod_,
    np.minimum: reductions.min_,
    np.maximum: reductions.max_,
    np.logical_and: reductions.all_,
    np.logical_or: reductions.any_,
}
_ACCUMULATIONS = (np.add, np.multiply, np.minimum, np.maximum)


def dispatch(ufunc: np.ufunc, method: str, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """``getattr(ufunc, method)(*inputs, **kwargs)``."""
    current().at()
    options = dict(kwargs)
    if method == "reduce":
        return (reduce if ufunc in _REDUCTIONS else fold)(ufunc, *inputs, **options)
    if method == "accumulate":
        return accumulate(ufunc, *inputs, **options)
    if method == "outer":
        x, y = (as_array(v) for v in inputs)
        spread = x[(*((slice(None),) * x.ndim), *((None,) * y.ndim))]
        return ufuncs.call(ufunc, spread, y, **options)
    if method == "at":
        return (at if ufunc in (np.add, np.subtract) else change_at)(ufunc, *inputs)
    raise UnsupportedError(f"np.{ufunc.__name__}.{method} is not supported yet", hint=OUTSIDE)


def reduce(ufunc: np.ufunc, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, **kwargs: Any) -> Any:
    """``ufunc.reduce``."""
    if isinstance(out, tuple):
        (out,) = out
    options = {k: v for k, v in kwargs.items() if v is not np._NoValue}
    if dtype is not None:
        options["dtype"] = dtype
    if not options.get("keepdims", True):
        del options["keepdims"]
    if options.get("where") is True:
        del options["where"]
    return _REDUCTIONS[ufunc](array, axis, out=out, **options)


def _check_binary(ufunc: np.ufunc, method: str) -> None:
    if ufunc.nin != 2:
        raise ValueError(f"{method} only supported for binary functions")
    if ufunc.nout != 1:
        raise ValueError(f"{method} only supported for functions returning a single value")


def fold(
    ufunc: np.ufunc, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: Any = False,
    initial: Any = np._NoValue, where: Any = True,
) -> Any:  # fmt: skip
    """``ufunc.reduce`` along one axis, element by element in order."""
    from tracejit.trace import routines
    from tracejit.trace.routines import signals

    current().at()
    _check_binary(ufunc, "reduce")
    if initial is not np._NoValue or where is not True or isinstance(axis, tuple) or out is not None:
        name = f"np.{ufunc.__name__}.reduce"
        raise UnsupportedError(f"{name} with initial=, where=, out= or several axes is not supported yet")
    x = as_array(array)
    if axis is None:
        x, axis = ravel(x), 0
    k = axis_of(axis, x.ndim)
    n = x.shape_dims[k]
    if ufunc.identity is None or n == 0:
        text = f"zero-size array to reduction operation {ufunc.__name__} which has no identity"
        dims.check(dims.gt(n, 0), ValueError, text)
    rows = moveaxis(x, k, 0)
    used = promotion.resolve(ufunc, (x.dtype, x.dtype), None if dtype is None else promotion.canonical(dtype))[-1]
    first = ArrayTracer(current().builder.cast(as_array(rows[0]).read(), used))
    routines.run(signals.fold, ufunc, rows, first)
    found = first if first.ndim else first[()]
    return np.expand_dims(found, k) if keepdims else found


def change_at(ufunc: np.ufunc, a: Any, indices: Any, b: Any = None) -> None:
    """``ufunc.at`` of a vector: one change after the other."""
    from tracejit.trace import advanced, routines
    from tracejit.trace.routines import signals

    builder = current().at()
    x, index = as_array(a), ravel(as_array(indices))
    if x.ndim != 1 or index.dtype.kind not in "iu":
        raise UnsupportedError(f"np.{ufunc.__name__}.at is supported for vectors and integer indices")
    index = ArrayTracer(advanced.checked(builder, builder.cast(index.read(), INT64), x.shape_dims[0], 0))
    if ufunc.nin == 1:
        routines.run(signals.change_each_at, ufunc, x, index)
        return
    routines.run(signals.change_at, ufunc, x, index, np.broadcast_to(b, index.shape))


def at(ufunc: np.ufunc, a: Any, indices: Any, b: Any) -> None:
    """``np.add.at``: every occurrence of an index counts."""
    from tracejit.trace import advanced, broadcast, indexing

    builder = current().at()
    x = as_array(a)
    items = indexing.parse(indices, x.ndim)
    if indexing.is_basic(items):
        x[indices] = ufuncs.call(ufunc, x[indices], b)
        return
    content = assignment.contents(b, x.dtype)
    if ufunc is np.subtract:
        content = builder.apply(_negation(x.dtype), content)
    plan = advanced.planned(builder, x, items)
    text = "array is not broadcastable to correct shape"
    content = broadcast.fitted(builder, content, plan.shape, broadcast.fail_with(ValueError, text))
    permutation = plan.permutation()
    if permutation is not None:
        content = builder.transpose(content, [permutation.index(k) for k in range(len(permutation))])
    target = x if plan.lens is None else x.part(plan.lens)
    target.write(builder.scatter(target.read(), content, plan.indices, plan.axes, "add"))


def _negation(dtype: DType) -> Any:
    from tracejit.ops import elementwise as E

    if dtype.kind == "b":
        raise UnsupportedError("np.subtract.at of bools is not supported")
    return E.neg


# --- running totals -------------------------------------------------------------------------------


def accumulate(ufunc: np.ufunc, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    """``ufunc.accumulate``: a loop along the axis, in NumPy's order."""
    if isinstance(out, tuple):
        (out,) = out
    b = current().at()
    _check_binary(ufunc, "accumulate")
    x = as_array(array)
    if not x.ndim:
        raise TypeError("cannot accumulate on a scalar")
    k = axis_of(axis, x.ndim)
    if dtype is not None:
        used = promotion.canonical(dtype)
    elif ufunc in (np.add, np.multiply):
        used = promotion.canonical(np.dtype(np.int64)) if x.dtype.kind == "b" else _wide(x.dtype)
    else:
        used = promotion.resolve(ufunc, (x.dtype, x.dtype))[-1]
    result = ArrayTracer(_running(ufunc, b.cast(x.read(), used), k))
    if out is None:
        return result
    target = as_array(out)
    promotion.check_output_cast(ufunc, used, target.dtype)
    assignment.assign(target, result)
    return target


def _wide(dtype: DType) -> DType:
    if dtype.kind == "i":
        return INT64
    return promotion.canonical(np.uint64) if dtype.kind == "u" else dtype


def _running(ufunc: np.ufunc, x: Value, axis: int) -> Value:
    context = current()
    b = context.builder
    shape = x.type.shape
    n = shape[axis]
    rest: Dims = tuple(d for k, d in enumerate(shape) if k != axis)
    pairs = [(k, k if k < axis else k - 1) for k in range(len(shape)) if k != axis]
    steps = (1,) * len(rest)

    def starts(i: Value | int) -> list[Any]:
        return [i if k == axis else 0 for k in range(len(shape))]

    # the first slice is copied, each further one is combined with the running value
    some = dims.gt(n, 0)
    first = b.view(x, rest, starts(0), pairs, steps) if some is True else None
    if first is None:
        first = _first_or_blank(x, rest, starts(0), pairs, steps, dims.predicate(some))
    result = x
    body = Block()
    i = body.add_param(INDEX)
    out = body.add_param(result.type)
    total = body.add_param(ArrayType(x.dtype, rest))
    context.nonnegative.add(i)
    with context.region(body):
        here = b.view(x, rest, starts(i), pairs, steps)
        total_now = kernel_of(ufunc)(b, (total, here), (x.dtype,))
        b.yield_(b.update(out, total_now, starts(i), pairs, steps), total_now)
    operands = [b.index(1), b.index(n), b.index(1), result, first]
    return b.emit(control.for_, operands, (result.type, total.type), None, (body,))[0]


def _first_or_blank(x: Value, rest: Dims, starts: Any, pairs: Any, steps: Any, some: Value) -> Value:
    context = current()
    b = context.builder
    present, absent = Block(), Block()
    with context.region(present):
        b.yield_(b.view(x, rest, starts, pairs, steps))
    with context.region(absent):
        b.yield_(b.fill(b.const(0, x.dtype), rest))
    return b.emit(control.if_, (some,), (ArrayType(x.dtype, rest),), None, (present, absent))[0]


@method("cumsum")
@implements(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """``np.cumsum``."""
    return _cumulative(np.add, a, axis, dtype, out)


@method("cumprod")
@implements(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """``np.cumprod``."""
    return _cumulative(np.multiply, a, axis, dtype, out)


def _cumulative(ufunc: np.ufunc, a: Any, axis: Any, dtype: Any, out: Any) -> Any:
    x = as_array(a)
    if axis is None:
        x, axis = ravel(x), 0
    return accumulate(ufunc, x, axis, dtype, out)


def _install() -> None:
    for ufunc in _REDUCTIONS:
        implements(ufunc.reduce)(partial(reduce, ufunc))
    for ufunc in _ACCUMULATIONS:
        implements(ufunc.accumulate)(partial(accumulate, ufunc))
        implements(ufunc.outer)(lambda a, b, u=ufunc: dispatch(u, "outer", (a, b), {}))
    for ufunc in (np.add, np.subtract):
        implements(ufunc.at, always=True)(partial(at, ufunc))


_install()
