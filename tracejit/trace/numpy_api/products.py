"""Products of vectors and matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.core import Value
from tracejit.ir.types import BOOL, INT64, Dim
from tracejit.ops import elementwise as E
from tracejit.ops import reduction, structural
from tracejit.trace import assignment, broadcast, dims, promotion
from tracejit.trace.boxes import ArrayTracer, retyped
from tracejit.trace.context import current
from tracejit.trace.lenses import Dims
from tracejit.trace.numpy_api.arguments import as_array, scalar_or_array
from tracejit.trace.numpy_api.shaping import ravel, swapaxes, transpose
from tracejit.trace.numpy_api.table import implements, method
from tracejit.trace.scalars import is_scalar

Mismatch: TypeAlias = Callable[[dims.Predicate], None]


def product(x: Value, y: Value, mismatch: Mismatch) -> Value:
    """``matmul`` of two arrays of rank at least 2 and one dtype, their batch axes broadcast."""
    b = current().builder
    inner = x.type.shape[-1]
    mismatch(True if dims.equal(inner, y.type.shape[-2]) else dims.eq(inner, y.type.shape[-2]))
    y = retyped(b, y, (*y.type.shape[:-2], inner, y.type.shape[-1]))
    batch_x, batch_y = x.type.shape[:-2], y.type.shape[:-2]
    if batch_x != batch_y:
        shapes = (x.type.shape, y.type.shape)
        batch = broadcast.common_shape((batch_x, batch_y), broadcast.operands_fail(shapes))
        x = broadcast.spread(b, x, (*batch, *x.type.shape[-2:]))
        y = broadcast.spread(b, y, (*batch, *y.type.shape[-2:]))
    if x.dtype == BOOL:
        # a sum of products of bools is an "or" of "and"s
        counts = b.apply(structural.matmul, b.cast(x, INT64), b.cast(y, INT64))
        return b.apply(E.ne, counts, b.fill(b.const(0, INT64), counts.type.shape))
    return b.apply(structural.matmul, x, y)


def inner(x: Value, y: Value) -> Value:
    """The sum of products of two vectors of one dtype and length."""
    b = current().builder
    products = b.apply(E.mul, x, retyped(b, y, x.type.shape))
    return b.reduce(reduction.reduce_any if x.dtype == BOOL else reduction.reduce_sum, products, (0,))


@implements(np.matmul)
def matmul(
    x1: Any, x2: Any, /, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind", order: Any = "K",
    subok: bool = True,
) -> Any:  # fmt: skip
    """``np.matmul``."""
    b = current().at()
    for k, x in enumerate((x1, x2)):
        if is_scalar(x) or (isinstance(x, ArrayTracer) and not x.ndim):
            raise ValueError(
                f"matmul: Input operand {k} does not have enough dimensions (has 0, gufunc core with signature "
                "(n?,k),(k,m?)->(n?,m?) requires 1)"
            )
    left, right = as_array(x1), as_array(x2)
    signature = None if dtype is None else promotion.canonical(dtype)
    dx, dy, given = promotion.resolve(np.matmul, (left.dtype, right.dtype), signature)
    x, y = b.cast(left.read(), dx), b.cast(right.read(), dy)

    def mismatch(ok: dims.Predicate) -> None:
        sizes = (right.shape_dims[0 if right.ndim == 1 else -2], left.shape_dims[-1])
        text = (
            "matmul: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature "
            "(n?,k),(k,m?)->(n?,m?) (size {0} is different from {1})"
        )
        dims.check(ok, ValueError, text, *sizes)

    result = _of_any_rank(x, y, mismatch)
    if out is None:
        return scalar_or_array(result)
    target = as_array(out[0] if isinstance(out, tuple) else out)
    promotion.check_output_cast(np.matmul, given, target.dtype, casting)
    text = "non-broadcastable output operand with shape %s doesn't match the broadcast shape %s"
    broadcast.fail_with(ValueError, text, target.shape_dims, result.type.shape)(_same(target.shape_dims, result))
    assignment.assign(target, ArrayTracer(result))
    return target


def _same(shape: Dims, result: Value) -> dims.Predicate:
    if len(shape) != result.rank:
        return False
    ok: dims.Predicate = True
    for d, e in zip(shape, result.type.shape):
        ok = dims.both(ok, True if dims.equal(d, e) else dims.eq(d, e))
    return ok


def _of_any_rank(x: Value, y: Value, mismatch: Mismatch) -> Value:
    """``matmul`` where a vector on the left is a row, on the right a column, which the result loses again."""
    b = current().builder
    row, column = x.rank == 1, y.rank == 1
    if row and column:
        mismatch(True if dims.equal(x.type.shape[0], y.type.shape[0]) else dims.eq(x.type.shape[0], y.type.shape[0]))
        return inner(x, y)
    if row:
        x = b.reshape(x, (1, *x.type.shape))
    if column:
        y = b.reshape(y, (*y.type.shape, 1))
    result = product(x, y, mismatch)
    if row:
        return b.reshape(result, (*result.type.shape[:-2], result.type.shape[-1]))
    return b.reshape(result, result.type.shape[:-1]) if column else result


def _not_aligned(left: ArrayTracer, right: ArrayTracer, j: int, k: int) -> Mismatch:
    def mismatch(ok: dims.Predicate) -> None:
        if ok is True:
            return
        payload: list[Dim] = []
        shapes = f"{dims.shape_text(left.shape_dims, payload)} and {dims.shape_text(right.shape_dims, payload)}"
        n = len(payload)
        text = f"shapes {shapes} not aligned: {{{n}}} (dim {j}) != {{{n + 1}}} (dim {k})"
        dims.check(ok, ValueError, text, *payload, left.shape_dims[j], right.shape_dims[k])

    return mismatch


@method("dot")
@implements(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    """``np.dot``."""
    builder = current().at()
    if out is not None:
        raise UnsupportedError("np.dot(out=...) is not supported yet", hint="out[...] = np.dot(a, b)")
    left, right = as_array(a), as_array(b)
    if not left.ndim or not right.ndim:
        return np.multiply(a, b)
    dtype = promotion.result_type(left.dtype, right.dtype)
    x, y = builder.cast(left.read(), dtype), builder.cast(right.read(), dtype)
    mismatch = _not_aligned(left, right, left.ndim - 1, max(right.ndim - 2, 0))
    if left.ndim <= 2 and right.ndim <= 2:
        return scalar_or_array(_of_any_rank(x, y, mismatch))
    # the sum runs over the last axis of a and the second to last of b; all other axes are kept
    lead, inner_dim = x.type.shape[:-1], x.type.shape[-1]
    k = max(right.ndim - 2, 0)
    order = [k, *(j for j in range(right.ndim) if j != k)]
    rest = [right.shape_dims[j] for j in order[1:]]
    flat_x = builder.reshape(x, (dims.product(lead), inner_dim))
    flat_y = builder.reshape(builder.transpose(y, order), (right.shape_dims[k], dims.product(rest)))
    return scalar_or_array(builder.reshape(product(flat_x, flat_y, mismatch), (*lead, *rest)))


@implements(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    """``np.vdot``."""
    current().at()
    left, right = ravel(a), ravel(b)
    text = "cannot reshape array of size {} into shape ({},)"
    sizes = right.shape_dims[0], left.shape_dims[0]
    dims.check(dims.eq(*sizes), ValueError, text, *sizes)
    return dot(np.conjugate(left) if left.dtype.kind == "c" else left, right)


@implements(np.inner)
def inner_product(a: Any, b: Any) -> Any:
    """``np.inner``."""
    current().at()
    left, right = as_array(a), as_array(b)
    if right.ndim <= 1:
        return dot(left, right)
    if right.ndim == 2:
        return dot(left, transpose(right))
    return dot(left, swapaxes(right, -1, -2))


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    """``np.outer``."""
    current().at()
    left, right = ravel(a), ravel(b)
    return np.multiply(left[:, None], right[None, :], out=out)


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    """``np.kron`` of arrays of one rank."""
    builder = current().at()
    left, right = as_array(a), as_array(b)
    if left.ndim != right.ndim:
        raise UnsupportedError("np.kron of arrays of different rank is not supported yet")
    spread_left = left[tuple(k for _ in range(left.ndim) for k in (slice(None), None))]
    spread_right = right[tuple(k for _ in range(left.ndim) for k in (None, slice(None)))]
    shape = tuple(dims.mul(d, e) for d, e in zip(left.shape_dims, right.shape_dims))
    return ArrayTracer(builder.reshape(np.multiply(spread_left, spread_right).read(), shape))


@method("trace")
@implements(np.trace)
def trace(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1, dtype: Any = None, out: Any = None) -> Any:
    """``np.trace``."""
    return np.sum(np.diagonal(as_array(a), offset, axis1, axis2), axis=-1, dtype=dtype, out=out)


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """``np.tensordot``."""
    builder = current().at()
    left, right = as_array(a), as_array(b)
    if isinstance(axes, (tuple, list)):
        over_left, over_right = ([k] if isinstance(k, int) else list(k) for k in axes)
    else:
        over_left, over_right = list(range(left.ndim - axes, left.ndim)), list(range(axes))
    over_left = [k % left.ndim for k in over_left]
    over_right = [k % right.ndim for k in over_right]
    if len(over_left) != len(over_right):
        raise ValueError("shape-mismatch for sum")
    for j, k in zip(over_left, over_right):
        d, e = left.shape_dims[j], right.shape_dims[k]
        dims.check(True if dims.equal(d, e) else dims.eq(d, e), ValueError, "shape-mismatch for sum")
    keep_left = [k for k in range(left.ndim) if k not in over_left]
    keep_right = [k for k in range(right.ndim) if k not in over_right]
    dtype = promotion.result_type(left.dtype, right.dtype)
    summed = dims.product([left.shape_dims[k] for k in over_left])
    shape_left = [left.shape_dims[k] for k in keep_left]
    shape_right = [right.shape_dims[k] for k in keep_right]
    x = builder.transpose(builder.cast(left.read(), dtype), [*keep_left, *over_left])
    y = builder.transpose(builder.cast(right.read(), dtype), [*over_right, *keep_right])
    x = builder.reshape(x, (dims.product(shape_left), summed))
    y = builder.reshape(y, (summed, dims.product(shape_right)))
    result = product(x, y, lambda ok: None)
    return ArrayTracer(builder.reshape(result, (*shape_left, *shape_right)))


@implements(np.cross)
def cross(a: Any, b: Any, axisa: Any = -1, axisb: Any = -1, axisc: Any = -1, axis: Any = None) -> Any:
    """``np.cross`` of vectors of length 3 along the last axis."""
    current().at()
    left, right = as_array(a), as_array(b)
    if axis is not None or (axisa, axisb, axisc) != (-1, -1, -1):
        raise UnsupportedError("np.cross with axis arguments is not supported yet")
    if left.shape_dims[-1] != 3 or right.shape_dims[-1] != 3:
        raise UnsupportedError("np.cross is supported for vectors of length 3")
    x, y = ([v[..., k] for k in range(3)] for v in (left, right))
    parts = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]
    return np.stack(parts, axis=-1)
