"""Choosing elements by condition, and questions about arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.types import BOOL
from tracejit.ops import elementwise as E
from tracejit.trace import advanced, broadcast, dims, promotion
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.conversions import item
from tracejit.trace.numpy_api.arguments import as_array, axis_of, check_writeable, order_like, reject
from tracejit.trace.numpy_api.reductions import all_
from tracejit.trace.numpy_api.shaping import broadcast_arrays, ravel
from tracejit.trace.numpy_api.table import implements, method
from tracejit.trace.numpy_api.ufuncs import call, operand_value, result_dtype
from tracejit.trace.scalars import ScalarTracer, alternatives_of, is_scalar

_UNSET = object()


def _where_checks() -> bool:
    """Whether ``np.where`` refuses Python ints that the dtype cannot hold (NumPy 2.5); before, they wrap around."""
    try:
        np.where([False], np.uint8(0), 256)
    except OverflowError:
        return True
    return False


WHERE_CHECKS = _where_checks()


@implements(np.where)
def where(condition: Any, x: Any = _UNSET, y: Any = _UNSET, /) -> Any:
    """``np.where`` with one argument (see :func:`nonzero`) or three."""
    if x is _UNSET and y is _UNSET:
        return nonzero(condition)
    if x is _UNSET or y is _UNSET:
        raise ValueError("either both or neither of x and y should be given")
    b = current().at()
    operands = [v if isinstance(v, ArrayTracer) or is_scalar(v) else as_array(v) for v in (x, y)]
    dtype = result_dtype(operands)
    mask = as_array(condition)
    values = [b.cast(mask.read(), BOOL)]
    for v in operands:
        if WHERE_CHECKS and not isinstance(v, ArrayTracer):
            if type(v) is int:
                np.where(False, dtype.type(0), v)  # raises for this number
            values.append(operand_value(b, v, dtype))
        else:
            values.append(b.cast(as_array(v).read(), dtype))
    shapes = [v.type.shape for v in values]
    shape = broadcast.common_shape(shapes, broadcast.operands_fail(shapes))
    spread = [broadcast.spread(b, v, shape) for v in values]
    arrays = [v for v in (mask, *operands) if isinstance(v, ArrayTracer)]
    return ArrayTracer(b.apply(E.select, *spread), order_like(*arrays))


@method("nonzero")
@implements(np.nonzero)
def nonzero(a: Any) -> tuple[ArrayTracer, ...]:
    """``np.nonzero``: index arrays whose length is known at run time."""
    b = current().at()
    x = as_array(a)
    if not x.ndim:
        np.nonzero(np.ones((), x.dtype))  # raises
    return tuple(ArrayTracer(v) for v in advanced.nonzero(b, b.cast(x.read(), BOOL))[1:])


@implements(np.flatnonzero)
def flatnonzero(a: Any) -> ArrayTracer:
    """``np.flatnonzero``."""
    return nonzero(ravel(a))[0]


@implements(np.argwhere)
def argwhere(a: Any) -> Any:
    """``np.argwhere``."""
    return np.stack(nonzero(np.atleast_1d(as_array(a))), axis=1)


@method("take")
@implements(np.take)
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    """``np.take``."""
    reject("np.take", out=(out, None), mode=(mode, "raise"))
    x = as_array(a)
    if axis is None:
        x, axis = ravel(x), 0
    result = x[(*(slice(None) for _ in range(axis_of(axis, x.ndim))), indices)]
    return result.copy() if is_scalar(indices) and isinstance(result, ArrayTracer) else result


@method("compress")
@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    """``np.compress`` with a condition as long as the axis."""
    reject("np.compress", out=(out, None))
    x = ravel(a) if axis is None else as_array(a)
    mask = as_array(condition).astype(bool)
    return x[(*(slice(None) for _ in range(0 if axis is None else axis_of(axis, x.ndim))), mask)]


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """``np.extract``."""
    return ravel(arr)[ravel(as_array(condition).astype(bool))]


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """``np.take_along_axis``."""
    b = current().at()
    x, index = as_array(arr), as_array(indices)
    if axis is None:
        return ravel(x)[index]
    k = axis_of(axis, x.ndim)
    if index.ndim != x.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    key: list[Any] = []
    for j, d in enumerate(x.shape_dims):
        if j == k:
            key.append(index)
        else:
            shape = tuple(d if i == j else 1 for i in range(x.ndim))
            key.append(ArrayTracer(b.view(b.iota(d), shape, (0,), ((0, j),), (1,))))
    return x[tuple(key)]


@implements(np.select)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """``np.select``."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if not condlist:
        raise ValueError("select with an empty condition list is not possible")
    given = [v if _is_weak(v) else as_array(v) for v in (*choicelist, default)]
    dtype = result_dtype(given)
    conditions = broadcast_arrays(*condlist)
    for k, condition in enumerate(conditions):
        if condition.dtype != bool:
            raise TypeError(f"invalid entry {k} in condlist: should be boolean ndarray")
    *choices, rest = broadcast_arrays(*given)
    for choice in reversed(choices):
        if not np.can_cast(choice.dtype, dtype, "same_kind"):
            raise TypeError(
                f"Cannot cast array data from {choice.dtype!r} to {dtype!r} according to the rule 'same_kind'"
            )
    b = current().at()
    shapes = [x.shape_dims for x in (conditions[0], rest)]
    shape = broadcast.common_shape(shapes, broadcast.objects_fail(shapes))
    result = broadcast.spread(b, b.cast(rest.read(), dtype), shape)
    for condition, choice in zip(reversed(conditions), reversed(choices)):
        mask = broadcast.spread(b, condition.read(), shape)
        result = b.apply(E.select, mask, broadcast.spread(b, b.cast(choice.read(), dtype), shape), result)
    return ArrayTracer(result)


def _is_weak(x: Any) -> bool:
    """Whether a choice of ``np.select`` is a Python number, whose type counts less than that of arrays."""
    return is_scalar(x) and all(kind == "python" and dtype.kind != "b" for kind, dtype in alternatives_of(x))


@implements(np.copyto, always=True)
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    """``np.copyto``."""
    target = as_array(dst)
    source = src if is_scalar(src) else as_array(src)
    dtype = source.dtype if isinstance(source, ArrayTracer) else None
    if dtype is not None and not np.can_cast(dtype, target.dtype, casting):
        raise TypeError(f"Cannot cast array data from {dtype!r} to {target.dtype!r} according to the rule {casting!r}")
    if where is True:
        target[...] = source
    else:
        target[...] = np.where(where, np.asarray(source, target.dtype), target)


@implements(np.put, always=True)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """``np.put`` with as many values as indices, or one."""
    reject("np.put", mode=(mode, "raise"))
    check_writeable(as_array(a), "put: output array")
    flat = ravel(a)
    if flat.root is not as_array(a).root:
        raise UnsupportedError("np.put into an array that is not C-contiguous is not supported yet")
    flat[np.ravel(as_array(ind))] = v if is_scalar(v) else ravel(v)


# --- questions ------------------------------------------------------------------------------------


@implements(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """``np.isclose``."""
    x, y = (v if is_scalar(v) else as_array(v) for v in (a, b))
    if isinstance(y, (ScalarTracer, ArrayTracer)) and result_dtype([y]).kind in "biu":
        y = np.multiply(y, 1.0)
    near = np.less_equal(np.absolute(np.subtract(x, y)), np.add(atol, np.multiply(rtol, np.absolute(y))))
    result = np.logical_or(np.logical_and(near, np.isfinite(y)), np.equal(x, y))
    if equal_nan:
        result = np.logical_or(result, np.logical_and(np.isnan(x), np.isnan(y)))
    return result


@implements(np.allclose)
def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """``np.allclose``: a Python bool."""
    return item(all_(isclose(a, b, rtol, atol, equal_nan)))


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """``np.array_equal``: a Python bool."""
    reject("np.array_equal", equal_nan=(equal_nan, False))
    x, y = as_array(a1), as_array(a2)
    if x.ndim != y.ndim:
        return False
    for d, e in zip(x.shape_dims, y.shape_dims):
        if isinstance(d, int) and isinstance(e, int):
            if d != e:
                return False
        elif not dims.equal(d, e):
            raise UnsupportedError("np.array_equal of arrays whose shapes are known at run time only")
    return item(all_(call(np.equal, x, y)))


@implements(np.real, always=True)
def real(val: Any) -> Any:
    """``np.real``."""
    return (val if is_scalar(val) else as_array(val)).real


@implements(np.imag, always=True)
def imag(val: Any) -> Any:
    """``np.imag``."""
    return (val if is_scalar(val) else as_array(val)).imag


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """``np.angle``."""
    x = z if is_scalar(z) else as_array(z)
    result = np.arctan2(x.imag, x.real) if _dtype(x).kind == "c" else np.arctan2(0, x)
    return np.multiply(result, 180 / np.pi) if deg else result


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """``np.nan_to_num`` of real numbers."""
    array = x if is_scalar(x) else as_array(x)
    dtype = _dtype(array)
    if dtype.kind == "c":
        raise UnsupportedError("np.nan_to_num of complex numbers is not supported yet")
    if dtype.kind != "f":
        result: Any = call(np.positive, array)
    else:
        limits = np.finfo(dtype)
        result = where(call(np.isnan, array), dtype.type(nan), array)
        result = where(call(np.equal, array, np.inf), limits.max if posinf is None else dtype.type(posinf), result)
        result = where(call(np.equal, array, -np.inf), limits.min if neginf is None else dtype.type(neginf), result)
        if isinstance(result, ArrayTracer) and not result.ndim and is_scalar(x):
            result = result[()]
    if not copy:
        array[...] = result
        return array
    return result


def _dtype(x: Any) -> Any:
    return x.dtype if isinstance(x, ArrayTracer) else result_dtype([x])


def _is_complex(x: Any) -> bool:
    return bool(_dtype(x if is_scalar(x) else as_array(x)).kind == "c")


implements(np.iscomplexobj)(_is_complex)
implements(np.isrealobj)(lambda x: not _is_complex(x))


@implements(np.isscalar)
def isscalar(element: Any) -> bool:
    """``np.isscalar``."""
    return isinstance(element, ScalarTracer)


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> Any:
    """``np.result_type``."""
    specs: list[Any] = []
    operands: list[Any] = []
    for x in arrays_and_dtypes:
        if isinstance(x, (ArrayTracer, ScalarTracer)):
            operands.append(x)
        else:
            specs.append(np.result_type(x) if not isinstance(x, (bool, int, float, complex)) else type(x))
    found = result_dtype(operands)
    return promotion.result_type(found, *specs) if specs else found


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """``np.polyval`` of a polynomial whose degree is known while tracing."""
    coefficients = as_array(p)
    n = coefficients.length()
    if not isinstance(n, int):
        raise n._needs("the degree of the polynomial")
    y: Any = np.multiply(0, x)
    for k in range(n):
        y = np.add(np.multiply(y, x), coefficients[k])
    return y


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Any:
    """``np.trapezoid``."""
    values = as_array(y)
    k = axis_of(axis, values.ndim)
    lead = (slice(None),) * k
    if x is None:
        width: Any = dx
    else:
        places = as_array(x)
        width = np.diff(places) if places.ndim == 1 else np.diff(places, axis=k)
        if places.ndim == 1:
            width = width[(slice(None), *((None,) * (values.ndim - k - 1)))]
    pairs = np.add(values[(*lead, slice(1, None))], values[(*lead, slice(None, -1))])
    return np.sum(np.divide(np.multiply(width, pairs), 2.0), axis=k)


@method("choose")
@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """``np.choose`` among a sequence of arrays."""
    b = current().at()
    reject("np.choose", out=(out, None), mode=(mode, "raise"))
    if not isinstance(choices, (tuple, list)):
        choices = [as_array(choices)[k] for k in range(len(as_array(choices)))]
    index = as_array(a)
    inside = np.logical_and(np.greater_equal(index, 0), np.less(index, len(choices)))
    b.check(as_array(np.all(as_array(inside))).read(), ValueError, ("invalid entry in choice array",))
    dtype = promotion.result_type(*(as_array(c).dtype for c in choices))
    result = as_array(choices[-1])
    for k in range(len(choices) - 2, -1, -1):
        result = as_array(np.where(np.equal(index, k), choices[k], result))
    found = result.astype(dtype)
    return found if found.ndim else found[()]


@implements(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """``np.putmask`` with one value, or as many as there are elements."""
    current().at()
    x, chosen, given = as_array(a), as_array(mask).astype(bool), as_array(values)
    if given.ndim and given.shape_dims != x.shape_dims:
        raise UnsupportedError("np.putmask with values of another shape is not supported yet", hint="a[mask] = values")
    x[...] = np.where(chosen, given.astype(x.dtype), x)


@implements(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: str = "raise", order: str = "C") -> Any:
    """``np.ravel_multi_index``."""
    b = current().at()
    reject("np.ravel_multi_index", mode=(mode, "raise"))
    sizes = list(dims) if isinstance(dims, (tuple, list)) else [dims]
    numbers = list(multi_index)
    if len(numbers) != len(sizes):
        raise ValueError(f"parameter multi_index must be a sequence of length {len(sizes)}")
    pairs = list(zip(numbers, sizes))
    total: Any = None
    for number, size in pairs if order == "C" else pairs[::-1]:
        inside = np.logical_and(np.greater_equal(number, 0), np.less(number, size))
        b.check(as_array(np.all(as_array(inside))).read(), ValueError, ("invalid entry in coordinates array",))
        total = number if total is None else np.add(np.multiply(total, size), number)
    return total


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    """``np.array_equiv``."""
    current().at()
    x, y = as_array(a1), as_array(a2)
    for d, e in zip(reversed(x.shape_dims), reversed(y.shape_dims)):
        if not (isinstance(d, int) and isinstance(e, int)):
            raise UnsupportedError("np.array_equiv of shapes that are known at run time only is not supported yet")
        if d != e and 1 not in (d, e):
            return False
    from tracejit.trace import conversions

    return conversions.to_bool(all_(np.equal(x, y)))
