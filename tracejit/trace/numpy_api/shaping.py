"""The same elements under another shape: reshape, transpose, axes; views where NumPy gives views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.types import Dim
from tracejit.trace import broadcast, conversions, dims, doubts, layout
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.lenses import Dims, Reshape, Strided, extended
from tracejit.trace.numpy_api.arguments import as_array, axes_of, axis_of, shape_arguments, shape_of, static_int
from tracejit.trace.numpy_api.table import implements, method
from tracejit.trace.scalars import from_dim
from tracejit.trace.tracer import Tracer


def permuted(x: ArrayTracer, permutation: Sequence[int]) -> ArrayTracer:
    """The view whose axis ``k`` is axis ``permutation[k]`` of ``x``."""
    shape = tuple(x.shape_dims[p] for p in permutation)
    pairs = tuple((p, k) for k, p in enumerate(permutation))
    return x.part(Strided(shape, (0,) * x.ndim, pairs, (1,) * x.ndim))


# --- reshape --------------------------------------------------------------------------------------


@method("reshape")
def _reshape_method(x: ArrayTracer, *shape: Any, order: str = "C", copy: Any = None) -> ArrayTracer:
    return reshape(x, shape_arguments(shape), order, copy=copy)


@implements(np.reshape, always=True)
def reshape(a: Any, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None) -> ArrayTracer:
    """``np.reshape``."""
    current().at()
    x = as_array(a)
    target = _target_shape(x, newshape if shape is None else shape)
    if order == "F":
        return permuted(_reshaped(transpose(x), target[::-1], copy), range(len(target) - 1, -1, -1))
    if order not in ("C", "A"):
        numpy_reshape: Any = np.reshape
        numpy_reshape(np.ones(1), 1, order=order)  # raises
    if order == "A":
        raise UnsupportedError("reshape(order='A') is not supported yet", hint="order='C' or order='F'")
    return _reshaped(x, target, copy)


def _reshaped(x: ArrayTracer, target: Dims, copy: Any = None) -> ArrayTracer:
    lens = Reshape(target, x.shape_dims)
    if copy:
        return ArrayTracer(lens.get(current().builder, x.read()))
    is_view = True if x.is_plain else layout.reshaped(x.shape_dims, x.layout, target)
    if is_view not in (False, None):
        return x.part(lens)
    if copy is False and is_view is False:
        raise ValueError("Unable to avoid creating a copy while reshaping.")
    result = ArrayTracer(lens.get(current().builder, x.read()))
    if is_view is None:
        doubts.entangle(result, x)
    return result


def set_shape(x: ArrayTracer, shape: Any) -> None:
    """``x.shape = shape``."""
    context = current()
    b = context.at()
    hint = "y = x.reshape(shape)"
    if len(context.blocks) > 1:
        raise UnsupportedError("assigning the shape of an array in a branch or loop is not supported", hint=hint)
    if x.root.input_index is not None and x.root is x:
        raise UnsupportedError("assigning the shape of an argument is not supported", hint=hint)
    target = _target_shape(x, shape)
    lens = Reshape(target, x.shape_dims)
    if x.root is not x:
        if layout.reshaped(x.shape_dims, x.layout, target) in (False, None):
            text = (
                "Incompatible shape for in-place modification. Use `.reshape()` to make a copy with the desired shape."
            )
            raise AttributeError(text)
        x.lenses = extended(x.lenses, lens)
    elif x.viewed or not x.is_plain:
        raise UnsupportedError("assigning the shape of an array that has views is not supported", hint=hint)
    else:
        x.set_value(lens.get(b, x.read()))
    x.shape_dims = target


def _target_shape(x: ArrayTracer, shape: Any) -> Dims:
    entries = shape if isinstance(shape, (tuple, list)) else (shape,)
    target = [conversions.index_dim(e) for e in entries]
    size = x.size_dim
    unknown = [k for k, d in enumerate(target) if isinstance(d, int) and d < 0]
    for d in target:
        if not isinstance(d, int):
            dims.check(dims.ge(d, 0), ValueError, "negative dimensions are not allowed")
            current().assume_nonnegative(d)
    if len(unknown) > 1:
        raise ValueError("can only specify one unknown dimension")
    known = dims.product([d for k, d in enumerate(target) if k not in unknown])
    if unknown:
        ok = dims.both(dims.ne(known, 0), dims.eq(_times_quotient(size, known), size))
        _check_size(ok, size, target)
        target[unknown[0]] = _quotient(size, known)
    else:
        _check_size(True if dims.equal(known, size) else dims.eq(known, size), size, target)
    return tuple(target)


def _quotient(size: Dim, known: Dim) -> Dim:
    if known == 1:
        return size
    q = dims.floordiv(size, known)
    if not isinstance(q, int):
        current().assume_nonnegative(q)
    return q


def _times_quotient(size: Dim, known: Dim) -> Dim:
    return dims.mul(known, _quotient(size, known))


def _check_size(ok: dims.Predicate, size: Dim, target: Sequence[Dim]) -> None:
    if ok is True:
        return
    payload: list[Dim] = [size]
    # NumPy leaves out an unknown dimension in front, and then the comma of a single one
    shown = target[1:] if target and isinstance(target[0], int) and target[0] < 0 else target
    text = dims.shape_text(shown, payload).replace("-1", "newaxis")
    if len(shown) < len(target):
        text = text.replace(",)", ")")
    dims.check(ok, ValueError, f"cannot reshape array of size {{0}} into shape {text}", *payload)


@method("ravel")
@implements(np.ravel, always=True)
def ravel(a: Any, order: str = "C") -> ArrayTracer:
    """``np.ravel``: a view of a C-contiguous array, else a copy."""
    b = current().at()
    x = as_array(a)
    if order == "F":
        return ravel(transpose(x))
    if order != "C":
        raise UnsupportedError(f"ravel(order={order!r}) is not supported yet", hint="order='C' or order='F'")
    lens = Reshape((x.size_dim,), x.shape_dims)
    contiguous = True if x.is_plain else layout.is_c_contiguous(x.shape_dims, x.layout)
    if contiguous:
        return x.part(lens)
    result = ArrayTracer(lens.get(b, x.read()))
    if contiguous is None:
        doubts.entangle(result, x)
    return result


@method("flatten")
def flatten(x: ArrayTracer, order: str = "C") -> ArrayTracer:
    """``x.flatten()``: always a copy."""
    b = current().at()
    if order == "F":
        x = transpose(x)
    elif order != "C":
        raise UnsupportedError(f"flatten(order={order!r}) is not supported yet", hint="order='C' or order='F'")
    return ArrayTracer(b.reshape(x.read(), (x.size_dim,)))


@implements(np.size)
def size(a: Any, axis: Any = None) -> Any:
    """``np.size``."""
    current().at()
    x = as_array(a)
    return from_dim(x.size_dim if axis is None else x.shape_dims[axis_of(axis, x.ndim)])


@implements(np.shape)
def shape(a: Any) -> Any:
    """``np.shape``."""
    current().at()
    return as_array(a).shape


@implements(np.ndim)
def ndim(a: Any) -> int:
    """``np.ndim``."""
    current().at()
    return as_array(a).ndim


# --- axes -----------------------------------------------------------------------------------------


@method("transpose")
def _transpose_method(x: ArrayTracer, *axes: Any) -> ArrayTracer:
    return transpose(x, shape_arguments(axes) if axes else None)


@implements(np.transpose, np.permute_dims, always=True)
def transpose(a: Any, axes: Any = None) -> ArrayTracer:
    """``np.transpose``."""
    current().at()
    x = as_array(a)
    if axes is None:
        return permuted(x, range(x.ndim - 1, -1, -1))
    if len(axes) != x.ndim:
        raise ValueError("axes don't match array")
    order = [axis_of(k, x.ndim) for k in axes]
    if len(set(order)) != x.ndim:
        raise ValueError("repeated axis in transpose")
    return permuted(x, order)


@method("swapaxes")
@implements(np.swapaxes, always=True)
def swapaxes(a: Any, axis1: Any, axis2: Any) -> ArrayTracer:
    """``np.swapaxes``."""
    current().at()
    x = as_array(a)
    order = list(range(x.ndim))
    j, k = axis_of(axis1, x.ndim, "axis1"), axis_of(axis2, x.ndim, "axis2")
    order[j], order[k] = order[k], order[j]
    return permuted(x, order)


@implements(np.matrix_transpose, always=True)
def matrix_transpose(x: Any) -> ArrayTracer:
    """``np.matrix_transpose``."""
    return swapaxes(x, -1, -2)


@implements(np.moveaxis, always=True)
def moveaxis(a: Any, source: Any, destination: Any) -> ArrayTracer:
    """``np.moveaxis``."""
    current().at()
    x = as_array(a)
    sources = [axis_of(k, x.ndim, "source") for k in (source if isinstance(source, (tuple, list)) else (source,))]
    wanted = destination if isinstance(destination, (tuple, list)) else (destination,)
    places = [axis_of(k, x.ndim, "destination") for k in wanted]
    if len(sources) != len(places):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    order = [k for k in range(x.ndim) if k not in sources]
    for place, k in sorted(zip(places, sources)):
        order.insert(place, k)
    return permuted(x, order)


@implements(np.rollaxis, always=True)
def rollaxis(a: Any, axis: Any, start: Any = 0) -> ArrayTracer:
    """``np.rollaxis``."""
    current().at()
    x = as_array(a)
    k = axis_of(axis, x.ndim)
    at = start + x.ndim if start < 0 else start
    order = [j for j in range(x.ndim) if j != k]
    order.insert(at - 1 if k < at else at, k)
    return permuted(x, order)


@implements(np.expand_dims, always=True)
def expand_dims(a: Any, axis: Any) -> ArrayTracer:
    """``np.expand_dims``."""
    current().at()
    x = as_array(a)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    new = axes_of(tuple(axes), x.ndim + len(axes))
    key = tuple(None if k in new else slice(None) for k in range(x.ndim + len(axes)))
    result = x[(*key, Ellipsis)]
    assert isinstance(result, ArrayTracer)
    return result


@method("squeeze")
@implements(np.squeeze, always=True)
def squeeze(a: Any, axis: Any = None) -> ArrayTracer:
    """``np.squeeze``."""
    current().at()
    x = as_array(a)
    if axis is None:
        for d in x.shape_dims:
            if not isinstance(d, int):
                dimension = from_dim(d)
                assert isinstance(dimension, Tracer)
                raise dimension._needs("to know whether it is 1")
        gone: tuple[int, ...] = tuple(k for k, d in enumerate(x.shape_dims) if d == 1)
    else:
        gone = axes_of(axis, x.ndim)
        for k in gone:
            text = "cannot select an axis to squeeze out which has size not equal to one"
            dims.check(dims.eq(x.shape_dims[k], 1), ValueError, text)
    kept = [k for k in range(x.ndim) if k not in gone]
    lens = Strided(
        tuple(x.shape_dims[k] for k in kept), (0,) * x.ndim, tuple((k, j) for j, k in enumerate(kept)), (1,) * len(kept)
    )
    return x.part(lens)


def _at_least(x: Any, rank: int) -> ArrayTracer:
    current().at()
    array = as_array(x)
    if array.ndim >= rank:
        return array
    if rank == 3:
        whole = slice(None)
        key: tuple[Any, ...] = ((None, None, None), (None, whole, None), (whole, whole, None))[array.ndim]
    else:
        key = (None,) * (rank - array.ndim)
    result = array[key]
    assert isinstance(result, ArrayTracer)
    return result


def _declare_at_least(function: Any, rank: int) -> None:
    @implements(function, always=True)
    def at_least(*arys: Any) -> Any:
        results = tuple(_at_least(x, rank) for x in arys)
        return results[0] if len(results) == 1 else results


for _function, _rank in ((np.atleast_1d, 1), (np.atleast_2d, 2), (np.atleast_3d, 3)):
    _declare_at_least(_function, _rank)


@implements(np.broadcast_to, always=True)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> ArrayTracer:
    """``np.broadcast_to``: a read-only view."""
    current().at()
    x = as_array(array)
    target = shape_of(shape)
    text = (
        "operands could not be broadcast together with remapped shapes [original->remapped]: %s  and requested shape %s"
    )
    fail = broadcast.fail_with(ValueError, text, x.shape_dims, target)
    if x.ndim > len(target):
        raise ValueError("input operand has more dimensions than allowed by the axis remapping")
    broadcast.fit(x.shape_dims, target, fail)
    lens = broadcast.broadcast_lens(x.shape_dims, target)
    if lens is None:
        lens = Strided(target, (0,) * x.ndim, tuple((k, k) for k in range(x.ndim)), (1,) * x.ndim)
    return x.part(lens, writeable=False)


@implements(np.broadcast_arrays, always=True)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[ArrayTracer, ...]:
    """``np.broadcast_arrays``."""
    current().at()
    arrays = [as_array(x) for x in args]
    shapes = [x.shape_dims for x in arrays]
    target = broadcast.common_shape(shapes, broadcast.objects_fail(shapes))
    results = []
    for x in arrays:
        lens = broadcast.broadcast_lens(x.shape_dims, target)
        results.append(x if lens is None else x.part(lens, writeable=False))
    return tuple(results)


# --- reversals and diagonals ----------------------------------------------------------------------


@implements(np.flip, always=True)
def flip(m: Any, axis: Any = None) -> ArrayTracer:
    """``np.flip``: a view."""
    current().at()
    x = as_array(m)
    axes = axes_of(axis, x.ndim)
    result = x[tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(x.ndim))]
    assert isinstance(result, ArrayTracer)
    return result


@implements(np.fliplr, always=True)
def fliplr(m: Any) -> ArrayTracer:
    """``np.fliplr``."""
    if as_array(m).ndim < 2:
        raise ValueError("Input must be >= 2-d.")
    return flip(m, 1)


@implements(np.flipud, always=True)
def flipud(m: Any) -> ArrayTracer:
    """``np.flipud``."""
    if as_array(m).ndim < 1:
        raise ValueError("Input must be >= 1-d.")
    return flip(m, 0)


@implements(np.rot90, always=True)
def rot90(m: Any, k: Any = 1, axes: Any = (0, 1)) -> ArrayTracer:
    """``np.rot90``."""
    x = as_array(m)
    turns = static_int(k, "the number of turns as a Python int") % 4
    first, second = axes
    if first == second or abs(first - second) == x.ndim:
        raise ValueError("Axes must be different.")
    if turns == 0:
        result = x[...]
        assert isinstance(result, ArrayTracer)
        return result
    if turns == 2:
        return flip(flip(x, first), second)
    if turns == 1:
        return swapaxes(flip(x, second), first, second)
    return flip(swapaxes(x, first, second), second)


def diagonal_lens(shape: Dims, offset: int, j: int, k: int) -> Strided:
    """The diagonal of axes ``j`` and ``k``, as the last axis."""
    n, m = shape[j], shape[k]
    rows = dims.sub(n, max(-offset, 0))
    columns = dims.sub(m, max(offset, 0))
    length = dims.maximum(dims.minimum(rows, columns), 0)
    others = [a for a in range(len(shape)) if a not in (j, k)]
    starts = tuple(max(-offset, 0) if a == j else max(offset, 0) if a == k else 0 for a in range(len(shape)))
    last = len(others)
    pairs = (*((a, i) for i, a in enumerate(others)), (j, last), (k, last))
    return Strided((*(shape[a] for a in others), length), starts, pairs, (1,) * len(pairs))


@method("diagonal")
@implements(np.diagonal, always=True)
def diagonal(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> ArrayTracer:
    """``np.diagonal``: a read-only view."""
    current().at()
    x = as_array(a)
    if x.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    j, k = axis_of(axis1, x.ndim, "axis1"), axis_of(axis2, x.ndim, "axis2")
    if j == k:
        raise ValueError("axis1 and axis2 cannot be the same")
    shift = static_int(offset, "the offset of the diagonal as a Python int")
    return x.part(diagonal_lens(x.shape_dims, shift, j, k), writeable=False)
