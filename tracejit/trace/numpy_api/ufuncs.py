"""Calling ufuncs on arrays and scalars: promotion, broadcasting, ``out=``, ``where=``, ``dtype=``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.core import Value
from tracejit.ir.types import BOOL, INT64, UINT64
from tracejit.ops import elementwise as E
from tracejit.ops.builder import Builder
from tracejit.trace import assignment, broadcast, dims, promotion
from tracejit.trace.boxes import ArrayTracer, box_of
from tracejit.trace.context import current
from tracejit.trace.kernels import COMPARISONS, KERNELS, PAIRS, kernel_of
from tracejit.trace.lenses import Dims
from tracejit.trace.numpy_api.arguments import as_array, order_like, path_dependent, scalar_or_array
from tracejit.trace.numpy_api.table import implements
from tracejit.trace.promotion import DType, Spec
from tracejit.trace.scalars import ScalarTracer, alternatives_of, is_scalar, numpy_operand, numpy_ufunc, operand_of
from tracejit.trace.tracer import Alternative

Operand: TypeAlias = "ArrayTracer | Any"
"""An array box, or a traced or concrete scalar."""


_CASTING = ("no", "equiv", "safe", "same_kind", "unsafe")


def dispatch(ufunc: np.ufunc, method: str, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """``getattr(ufunc, method)(*inputs, **kwargs)``."""
    if method == "__call__":
        if ufunc in KERNELS or ufunc in PAIRS:
            return call(ufunc, *inputs, **kwargs)
        from tracejit.trace.numpy_api import call_function

        return call_function(ufunc, inputs, kwargs)
    from tracejit.trace.numpy_api import ufunc_methods

    return ufunc_methods.dispatch(ufunc, method, inputs, kwargs)


def call(
    ufunc: np.ufunc,
    *inputs: Any,
    out: Any = None,
    where: Any = True,
    dtype: Any = None,
    casting: Any = "same_kind",
    order: Any = "K",
    subok: bool = True,
) -> Any:
    """``ufunc(*inputs, ...)``.

    Where ``where`` is false and there is no ``out``, the result holds whatever was in memory.
    """
    b = current().at()
    if not ufunc.nin <= len(inputs) <= ufunc.nargs:
        were = "was" if len(inputs) == 1 else "were"
        raise TypeError(
            f"{ufunc.__name__}() takes from {ufunc.nin} to {ufunc.nargs} positional arguments but {len(inputs)} {were} "
            "given"
        )
    if casting not in _CASTING:
        raise ValueError(f"casting must be one of {', '.join(map(repr, _CASTING))} (got {casting!r})")
    if out is None and where is True and dtype is None and ufunc.nout == 1:
        result = _of_one_shape(b, ufunc, inputs)
        if result is not None:
            return result
    if len(inputs) > ufunc.nin:
        inputs, out = inputs[: ufunc.nin], inputs[ufunc.nin :]
    signature = None if dtype is None else promotion.canonical(dtype)
    operands = [x if isinstance(x, ArrayTracer) or is_scalar(x) else as_array(x) for x in inputs]
    outs = _outputs(out, ufunc.nout)
    if where is True and all(o is None for o in outs) and not any(isinstance(x, ArrayTracer) for x in operands):
        results = [numpy_ufunc(ufunc, k, *operands, dtype=signature) for k in range(ufunc.nout)]
        return results[0] if ufunc.nout == 1 else tuple(results)
    dtypes = _dtypes(ufunc, operands, signature)
    for k, target in enumerate(outs):
        if target is not None:
            promotion.check_output_cast(ufunc, dtypes[ufunc.nin + k], target.dtype, casting, k)
            if not target.writeable:
                raise ValueError("output array is read-only")
    shapes: list[Dims] = [x.shape_dims if isinstance(x, ArrayTracer) else () for x in operands]
    mask = None if where is True else as_array(where)
    if mask is not None:
        shapes.append(mask.shape_dims)
    named = [*shapes, *(t.shape_dims for t in outs if t is not None)]
    shape = broadcast.common_shape(shapes, broadcast.operands_fail(named))
    values = _values(b, ufunc, operands, dtypes, signature)
    finished: list[Any] = []
    for k in range(ufunc.nout):
        target = outs[k]
        if target is not None:
            shape = _output_shape(shape, target, named)
        spread = [broadcast.spread(b, v, shape) for v in values]
        kernel = kernel_of(ufunc) if ufunc.nout == 1 else PAIRS[ufunc][k]
        result = kernel(b, spread, dtypes[ufunc.nin :])
        finished.append(_finish(b, result, shape, mask, target, operands))
    return finished[0] if ufunc.nout == 1 else tuple(finished)


def _of_one_shape(b: Builder, ufunc: np.ufunc, inputs: Sequence[Any]) -> Any:
    """The common case, quickly: arrays of one shape, and numbers; None when it is not that."""
    specs: list[Spec] = []
    arrays: list[ArrayTracer] = []
    has_int = False
    for x in inputs:
        cls = type(x)
        if cls is ArrayTracer:
            specs.append(x.dtype)
            arrays.append(x)
        elif cls is float or cls is int:
            specs.append(cls)
            has_int = has_int or cls is int
        elif cls is ScalarTracer and x.selector is None:
            spec = promotion.spec_of(x.alternatives[0])
            specs.append(spec)
            has_int = has_int or spec is int
        else:
            return None
    if not arrays or len(inputs) != ufunc.nin:
        return None
    shape = arrays[0].shape_dims
    if any(x.shape_dims != shape for x in arrays[1:]):
        return None
    dtypes = promotion.resolve(ufunc, specs)
    if has_int and dtypes[0].kind in "iu":
        return None  # a Python int that the dtype may not hold
    values: list[Value] = []
    for x, dtype in zip(inputs, dtypes):
        if type(x) is ArrayTracer:
            values.append(b.cast(x.read(), dtype))
        elif type(x) is ScalarTracer:
            values.append(b.fill(b.cast(x.value, dtype), shape))
        else:
            values.append(b.fill(b.const(x, dtype), shape))
    result = kernel_of(ufunc)(b, values, dtypes[-1:])
    return scalar_or_array(result, order_like(*arrays))


def _finish(
    b: Builder, result: Value, shape: Dims, mask: ArrayTracer | None, target: ArrayTracer | None,
    operands: Sequence[Operand],
) -> Any:  # fmt: skip
    if target is None:
        if mask is not None:
            chosen = broadcast.spread(b, b.cast(mask.read(), BOOL), shape)
            result = b.apply(E.select, chosen, result, b.empty(result.dtype, shape))
        arrays = [x for x in operands if isinstance(x, ArrayTracer)]
        return scalar_or_array(result, order_like(*arrays) if arrays else "C")
    result = b.cast(result, target.dtype)
    if mask is not None:
        chosen = broadcast.spread(b, b.cast(mask.read(), BOOL), shape)
        result = b.apply(E.select, chosen, result, broadcast.spread(b, target.read(), shape))
    target.write(result)
    return target


def _outputs(out: Any, count: int) -> list[ArrayTracer | None]:
    if out is None:
        return [None] * count
    given = list(out) if isinstance(out, tuple) else [out]
    given += [None] * (count - len(given))
    targets: list[ArrayTracer | None] = []
    for o in given:
        if isinstance(o, np.ndarray):
            o = box_of(o)
        if o is not None and not isinstance(o, ArrayTracer):
            raise TypeError("return arrays must be of ArrayType")
        targets.append(o)
    return targets


def _output_shape(shape: Dims, target: ArrayTracer, named: Sequence[Dims]) -> Dims:
    """The shape of ``out``, which the inputs must broadcast to and may not exceed."""
    text = "non-broadcastable output operand with shape %s doesn't match the broadcast shape %s"
    fail = broadcast.fail_with(ValueError, text, target.shape_dims, shape)
    if len(shape) > target.ndim:
        fail(False)
    lead = target.ndim - len(shape)
    for d, t in zip(shape, target.shape_dims[lead:]):
        if d is t or d == 1 or dims.equal(d, t):
            continue
        fits = dims.either(dims.eq(d, t), dims.eq(d, 1))
        broadcast.operands_fail(named)(dims.either(fits, dims.eq(t, 1)))
        fail(fits)
    return target.shape_dims


def specs_of(x: Operand) -> list[Spec]:
    """What an operand is to promotion: one spec, or several for a scalar whose type depends on the path."""
    if isinstance(x, ArrayTracer):
        return [x.dtype]
    return [promotion.spec_of(a) for a in alternatives_of(x)]


def _dtypes(ufunc: np.ufunc, operands: Sequence[Operand], signature: DType | None) -> tuple[DType, ...]:
    combinations: list[tuple[Spec, ...]] = [()]
    for x in operands:
        combinations = [(*c, s) for c in combinations for s in specs_of(x)]
    found = {promotion.resolve(ufunc, c, signature) for c in combinations}
    if len(found) > 1:
        raise path_dependent([x for x in operands if isinstance(x, ScalarTracer) and x.is_mixed])
    return found.pop()


def _values(
    b: Builder, ufunc: np.ufunc, operands: Sequence[Operand], dtypes: Sequence[DType], signature: DType | None
) -> list[Value]:
    if ufunc in COMPARISONS and signature is None:
        exact = _exact_comparison(b, operands)
        if exact is not None:
            return exact
    return [operand_value(b, x, d) for x, d in zip(operands, dtypes)]


def operand_value(b: Builder, x: Operand, dtype: DType) -> Value:
    """An operand in the dtype of the loop; a Python int that does not fit raises."""
    if isinstance(x, ArrayTracer):
        return b.cast(x.read(), dtype)
    alternatives: tuple[Alternative, ...] = alternatives_of(x)
    if len(alternatives) == 1:
        return numpy_operand(b, operand_of(b, x, alternatives[0][1]), alternatives[0], dtype, None)
    if dtype.kind in "iu" and any(a == ("python", INT64) for a in alternatives) and dtype != INT64:
        raise path_dependent([x])
    return b.cast(x.value, dtype)


def _exact_comparison(b: Builder, operands: Sequence[Operand]) -> list[Value] | None:
    """Operands for comparing an integer array with a Python int that its dtype may not hold."""
    left, right = operands
    array, number = (left, right) if isinstance(left, ArrayTracer) else (right, left)
    if not isinstance(array, ArrayTracer) or isinstance(number, ArrayTracer) or array.dtype.kind not in "iu":
        return None
    if alternatives_of(number) != (("python", INT64),):
        return None
    if not isinstance(number, ScalarTracer):
        low, high = promotion.int_bounds(array.dtype)
        if low <= number <= high:
            return None
        # beyond all elements: compare 0 with a number on that side
        zeros = b.fill(b.const(0, INT64), array.shape_dims)
        side = b.const(1 if number > high else -1, INT64)
        return [zeros, side] if array is left else [side, zeros]
    wide = UINT64 if array.dtype == UINT64 else INT64
    values = {id(array): b.cast(array.read(), wide), id(number): number.value}
    return [values[id(left)], values[id(right)]]


# --- ``**`` of arrays -----------------------------------------------------------------------------

_FAST_POWERS: dict[float, np.ufunc] = {1.0: np.positive, 2.0: np.square, 0.5: np.sqrt, -1.0: np.reciprocal}


def power(x: ArrayTracer, y: Any, modulus: Any = None, out: Any = None) -> Any:
    """``x ** y``, for which NumPy uses faster ufuncs when ``y`` is one of some Python numbers."""
    if modulus is not None:
        return NotImplemented
    if not isinstance(y, (ArrayTracer, ScalarTracer, int, float, complex, np.generic, np.ndarray, list, tuple)):
        return NotImplemented
    if type(y) is int or type(y) is float:
        fast = _FAST_POWERS.get(float(y)) if -1 <= y <= 2 else None
        if fast is not None and (x.dtype.kind in "fc" or (x.dtype.kind in "biu" and type(y) is int and y == 2)):
            return call(fast, x, out=out)
    return call(np.power, x, y, out=out)


# --- the table ------------------------------------------------------------------------------------


def _install() -> None:
    for ufunc in (*KERNELS, *PAIRS):
        implements(ufunc)(partial(call, ufunc))


_install()


@implements(np.clip)
def clip(
    a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None, **kwargs: Any
) -> Any:
    """``np.clip``."""
    low = a_min if min is None else min
    high = a_max if max is None else max
    if kwargs:
        raise UnsupportedError(f"np.clip({next(iter(kwargs))}=...) is not supported yet")
    subject = a if is_scalar(a) else as_array(a)
    of = subject.dtype if isinstance(subject, ArrayTracer) else result_dtype([subject])
    if of.kind in "iu":
        # a Python int beyond the dtype on the harmless side is no limit
        least, greatest = promotion.int_bounds(of)
        low = None if type(low) is int and low <= least else low
        high = None if type(high) is int and high >= greatest else high
    if low is None and high is None:
        return call(np.positive, a, out=out)
    if high is None:
        return call(np.maximum, a, low, out=out)
    if low is None:
        return call(np.minimum, a, high, out=out)
    # the three operands are promoted together
    b = current().at()
    operands = [x if isinstance(x, ArrayTracer) or is_scalar(x) else as_array(x) for x in (a, low, high)]
    dtype = result_dtype(operands)
    values = [operand_value(b, operands[0], dtype), *_limits(b, operands[1], operands[2], dtype)]
    arrays = [x for x in operands if isinstance(x, ArrayTracer)]
    shapes = [v.type.shape for v in values]
    shape = broadcast.common_shape(shapes, broadcast.operands_fail(shapes))
    spread = [broadcast.spread(b, v, shape) for v in values]
    result = b.apply(E.minimum, b.apply(E.maximum, spread[0], spread[1]), spread[2])
    if out is None:
        return scalar_or_array(result, order_like(*arrays) if arrays else "C")
    (target,) = _outputs(out, 1)
    assert target is not None
    promotion.check_output_cast(np.minimum, dtype, target.dtype)
    assignment.assign(target, ArrayTracer(result))
    return target


def _limits(b: Builder, low: Operand, high: Operand, dtype: DType) -> list[Value]:
    """The limits of ``np.clip``; a traced Python int that is beyond the dtype on the harmless side is no limit."""
    values: list[Value] = []
    for limit, is_low in ((low, True), (high, False)):
        python_int = isinstance(limit, ScalarTracer) and limit.alternatives == (("python", INT64),)
        if python_int and dtype.kind in "iu" and dtype not in (INT64, UINT64):
            least, greatest = promotion.int_bounds(dtype)
            bound = b.const(least if is_low else greatest, INT64)
            limit = ScalarTracer(b.apply(E.maximum if is_low else E.minimum, limit.value, bound), limit.alternatives)
        values.append(operand_value(b, limit, dtype))
    return values


def result_dtype(operands: Sequence[Operand]) -> DType:
    """``np.result_type`` of operands."""
    combinations: list[tuple[Spec, ...]] = [()]
    for x in operands:
        combinations = [(*c, s) for c in combinations for s in specs_of(x)]
    found = {promotion.result_type(*c) for c in combinations}
    if len(found) > 1:
        raise path_dependent([x for x in operands if isinstance(x, ScalarTracer) and x.is_mixed])
    return found.pop()


@implements(np.round, np.around)
def rounded(a: Any, decimals: Any = 0, out: Any = None) -> Any:
    """``np.round``: ``rint(a * 10**decimals) / 10**decimals``, as NumPy computes it."""
    if isinstance(decimals, ScalarTracer):
        raise decimals._needs("the number of decimals as a Python int")
    x = a if is_scalar(a) else as_array(a)
    dtype = x.dtype if isinstance(x, ArrayTracer) else result_dtype([x])
    if dtype.kind in "biu":
        if decimals < 0:
            raise UnsupportedError("np.round of integers to tens is not supported yet")
        return call(np.positive, x if dtype.kind != "b" else call(np.multiply, x, np.float16(1)), out=out)
    if dtype.kind == "c":
        raise UnsupportedError("np.round of complex numbers is not supported yet")
    if decimals == 0:
        return call(np.rint, x, out=out)
    scale = dtype.type(10.0 ** abs(decimals))
    first, second = (np.multiply, np.true_divide) if decimals > 0 else (np.true_divide, np.multiply)
    return call(second, call(np.rint, call(first, x, scale)), scale, out=out)
