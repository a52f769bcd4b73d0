"""``np.linalg``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.core import Value
from tracejit.ir.types import FLOAT64, Dim
from tracejit.ops import elementwise as E
from tracejit.ops import library, reduction
from tracejit.ops.builder import Builder
from tracejit.ops.primitive import Primitive
from tracejit.trace import broadcast, dims, promotion
from tracejit.trace.boxes import ArrayTracer, retyped
from tracejit.trace.context import current
from tracejit.trace.numpy_api import creation, products, shaping
from tracejit.trace.numpy_api.arguments import as_array, axes_of, scalar_or_array, static_int
from tracejit.trace.numpy_api.table import implements

DType: TypeAlias = "np.dtype[Any]"

_SINGULAR = "Singular matrix"


def _common(*arrays: ArrayTracer) -> DType:
    """The dtype in which LAPACK computes."""
    for x in arrays:
        if x.dtype == np.float16:
            raise TypeError("array type float16 is unsupported in linalg")
    return promotion.result_type(*(FLOAT64 if x.dtype.kind in "biu" else x.dtype for x in arrays))


def _matrix(x: ArrayTracer) -> None:
    if x.ndim < 2:
        raise np.linalg.LinAlgError(f"{x.ndim}-dimensional array given. Array must be at least two-dimensional")


def _square(x: ArrayTracer) -> None:
    _matrix(x)
    n, m = x.shape_dims[-2:]
    same = True if dims.equal(n, m) else dims.eq(n, m)
    dims.check(same, np.linalg.LinAlgError, "Last 2 dimensions of the array must be square")


def _squared(b: Builder, x: ArrayTracer, dtype: DType) -> Value:
    value = b.cast(x.read(), dtype)
    n = value.shape[-2]
    return retyped(b, value, (*value.shape[:-2], n, n))


def _checked(b: Builder, primitive: Primitive, operands: Sequence[Value], message: str) -> Value:
    """The first result of an op that tells by its second one whether it could compute it."""
    result, ok = b.emit(primitive, operands)
    if ok.rank:
        ok = b.reduce(reduction.reduce_all, ok, range(ok.rank))
    b.check(ok, np.linalg.LinAlgError, (message,))
    return result


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """``np.linalg.solve``."""
    builder = current().at()
    left, right = as_array(a), as_array(b)
    _square(left)
    vector = right.ndim == 1
    if not vector:
        _matrix(right)
    dtype = _common(left, right)
    x, y = _squared(builder, left, dtype), builder.cast(right.read(), dtype)
    n = x.shape[-1]
    if vector:
        y = builder.reshape(y, (*y.shape, 1))
    rows = y.shape[-2]
    if not dims.equal(n, rows):
        signature = "(m,m),(m)->(m)" if vector else "(m,m),(m,n)->(m,n)"
        text = f"solve{1 if vector else ''}: Input operand 1 has a mismatch in its core dimension 0, with gufunc "
        text += f"signature {signature} (size {{0}} is different from {{1}})"
        dims.check(dims.eq(n, rows), ValueError, text, rows, n)
        y = retyped(builder, y, (*y.shape[:-2], n, y.shape[-1]))
    x, y = _one_batch(builder, x, y)
    found = _checked(builder, library.solve, (x, y), _SINGULAR)
    return ArrayTracer(builder.reshape(found, found.shape[:-1]) if vector else found)


def _one_batch(b: Builder, x: Value, y: Value) -> tuple[Value, Value]:
    shapes = (x.shape[:-2], y.shape[:-2])
    if shapes[0] == shapes[1]:
        return x, y
    batch = broadcast.common_shape(shapes, broadcast.operands_fail((x.shape, y.shape)))
    return broadcast.spread(b, x, (*batch, *x.shape[-2:])), broadcast.spread(b, y, (*batch, *y.shape[-2:]))


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    """``np.linalg.inv``: solved for the identity, as NumPy does."""
    b = current().at()
    x = as_array(a)
    _square(x)
    value = _squared(b, x, _common(x))
    n = value.shape[-1]
    unit = b.cast(creation.diagonal_mask(b, n, n, 0, E.eq), value.dtype)
    return ArrayTracer(_checked(b, library.solve, _one_batch(b, value, unit), _SINGULAR))


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """``np.linalg.cholesky``."""
    b = current().at()
    x = as_array(a)
    _square(x)
    value = _squared(b, x, _common(x))
    if upper:
        value = _adjoint(b, value)
    found = _checked(b, library.cholesky, (value,), "Matrix is not positive definite")
    return ArrayTracer(_adjoint(b, found) if upper else found)


def _adjoint(b: Builder, x: Value) -> Value:
    turned = b.transpose(x, (*range(x.rank - 2), x.rank - 1, x.rank - 2))
    return b.apply(E.conj, turned) if x.dtype.kind == "c" else turned


@implements(np.linalg.det)
def det(a: Any) -> Any:
    """``np.linalg.det``."""
    b = current().at()
    x = as_array(a)
    _square(x)
    return scalar_or_array(b.apply(library.det, _squared(b, x, _common(x))))


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """``np.linalg.norm``: norms of vectors of any order, and the matrix norms that are sums or maxima.

    Derivatives where a norm is 0 are 0, one of the subgradients.
    """
    current().at()
    array = as_array(x)
    if array.dtype.kind in "biu":
        array = array.astype(np.float64)
    axes = tuple(range(array.ndim)) if axis is None else axes_of(axis, array.ndim)
    if ord is None or (ord in (2, "fro") and len(axes) == (1 if ord == 2 else 2)):
        square = np.real(np.multiply(np.conjugate(array), array)) if array.dtype.kind == "c" else np.square(array)
        total = np.sum(square, axis=axes, keepdims=keepdims)
        # the derivative at 0 is 0, one of the subgradients
        return np.where(np.equal(total, 0), total, np.sqrt(total))[()]
    size: Any = np.abs(array)
    if len(axes) == 1:
        return _vector_norm(size, ord, axes, keepdims)
    if len(axes) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    row, column = axes if axis is None else (axes_of(k, array.ndim)[0] for k in axis)
    if ord in (1, -1, np.inf, -np.inf):
        inner, outer = (row, column) if abs(ord) == 1 else (column, row)
        sums = np.sum(size, axis=inner, keepdims=True)
        found = (np.max if ord > 0 else np.min)(sums, axis=outer, keepdims=True)
        return found if keepdims else np.squeeze(found, axis=axes)[()]
    if ord in (2, -2, "nuc"):
        raise UnsupportedError(f"np.linalg.norm with ord={ord!r} of matrices is not supported yet")
    raise ValueError("Invalid norm order for matrices." if not isinstance(ord, str) else f"Invalid norm order {ord!r}.")


def _vector_norm(size: Any, ord: Any, axes: Any, keepdims: bool) -> Any:
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    if ord in (np.inf, -np.inf):
        return (np.max if ord > 0 else np.min)(size, axis=axes, keepdims=keepdims)
    if ord == 0:
        return np.sum(np.not_equal(size, 0).astype(size.dtype), axis=axes, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axes, keepdims=keepdims)
    total = np.sum(np.power(size, ord), axis=axes, keepdims=keepdims)
    root = np.power(total, 1.0 / ord)
    return np.where(np.equal(total, 0), total, root)[()] if isinstance(ord, (int, float)) and ord > 0 else root


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """``np.linalg.vector_norm`` along one axis, or of all elements."""
    array = as_array(x)
    if axis is None:
        found = norm(shaping.ravel(array), ord)
        return np.reshape(found, (1,) * array.ndim) if keepdims else found
    if isinstance(axis, tuple) and len(axis) != 1:
        raise UnsupportedError("np.linalg.vector_norm along several axes is not supported yet")
    return norm(array, ord, axis, keepdims)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """``np.linalg.matrix_norm``."""
    return norm(x, ord, (-2, -1), keepdims)


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Any:
    """``np.linalg.matrix_power``, by squaring."""
    current().at()
    x = as_array(a)
    _square(x)
    power = static_int(n, "the exponent as a Python int")
    if power == 0:
        rows: Dim = x.shape_dims[-1]
        b = current().builder
        unit = b.cast(creation.diagonal_mask(b, rows, rows, 0, E.eq), x.dtype)
        return ArrayTracer(broadcast.spread(b, unit, x.shape_dims))
    base = inv(x) if power < 0 else x
    power = abs(power)
    result: Any = None
    while True:
        if power & 1:
            result = base if result is None else products.matmul(result, base)
        power >>= 1
        if not power:
            return result
        base = products.matmul(base, base)


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """``np.linalg.multi_dot``, from the left."""
    current().at()
    if out is not None:
        raise UnsupportedError("np.linalg.multi_dot(out=...) is not supported yet")
    if len(arrays) < 2:
        raise ValueError("Expecting at least two arrays.")
    result = as_array(arrays[0])
    for x in arrays[1:]:
        result = products.dot(result, x)
    return result


@implements(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: Any = 0) -> Any:
    """``np.linalg.diagonal``."""
    return shaping.diagonal(x, offset, -2, -1)


@implements(np.linalg.trace)
def trace(x: Any, /, *, offset: Any = 0, dtype: Any = None) -> Any:
    """``np.linalg.trace``."""
    return products.trace(x, offset, -2, -1, dtype)


@implements(np.linalg.outer)
def outer(x1: Any, x2: Any, /) -> Any:
    """``np.linalg.outer``."""
    left, right = as_array(x1), as_array(x2)
    if left.ndim != 1 or right.ndim != 1:
        raise ValueError(
            f"Input arrays must be one-dimensional, but they are x1.ndim={left.ndim!r} and x2.ndim={right.ndim!r}."
        )
    return products.outer(left, right)


implements(np.linalg.matmul)(products.matmul)
implements(np.linalg.matrix_transpose, always=True)(shaping.matrix_transpose)
implements(np.linalg.tensordot)(products.tensordot)
