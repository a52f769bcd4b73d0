"""The ``math`` module: Python floats in, Python floats out, and ``ValueError`` or ``OverflowError`` where C fails."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from tracejit.ir.core import Block, Value
from tracejit.ir.types import FLOAT64, INT64, UINT64
from tracejit.ops import control
from tracejit.ops import elementwise as E
from tracejit.ops.builder import Builder
from tracejit.ops.primitive import Primitive
from tracejit.trace import conversions, dims, erf, pynumbers
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.numpy_api.table import implements
from tracejit.trace.scalars import ScalarTracer, alternatives_of, python_scalar, type_name_of, type_of

Condition: TypeAlias = Callable[[Builder, Value], Value]
Failure: TypeAlias = tuple[Condition, float]
"""When a function fails, given its argument, and an argument for which it does."""


def real(x: Any) -> Value:
    """An argument of a ``math`` function as a float64, as Python converts it."""
    b = current().builder
    if isinstance(x, ArrayTracer):
        x = conversions.only_scalar(x)
    if not isinstance(x, ScalarTracer):
        return b.const(float(x), FLOAT64)
    if any(d.kind == "c" for _, d in alternatives_of(x)):
        raise TypeError("must be real number, not complex")
    return b.cast(x.value, FLOAT64)


def _number(b: Builder, c: float) -> Value:
    return b.const(c, FLOAT64)


# --- one argument ---------------------------------------------------------------------------------


def _negative(b: Builder, x: Value) -> Value:
    return b.apply(E.lt, x, _number(b, 0.0))


def _not_positive(b: Builder, x: Value) -> Value:
    return b.apply(E.le, x, _number(b, 0.0))


def _at_most_minus_one(b: Builder, x: Value) -> Value:
    return b.apply(E.le, x, _number(b, -1.0))


def _infinite(b: Builder, x: Value) -> Value:
    return b.apply(E.isinf, x)


def _outside_one(b: Builder, x: Value) -> Value:
    return b.apply(E.gt, b.apply(E.abs, x), _number(b, 1.0))


_UNARY: dict[Callable[[float], float], tuple[Primitive, Failure | None, float | None]] = {
    math.sqrt: (E.sqrt, (_negative, -1.0), None),
    math.exp: (E.exp, None, 1000.0),
    math.expm1: (E.expm1, None, 1000.0),
    math.log2: (E.log2, (_not_positive, -1.0), None),
    math.log10: (E.log10, (_not_positive, -1.0), None),
    math.log1p: (E.log1p, (_at_most_minus_one, -1.0), None),
    math.sin: (E.sin, (_infinite, math.inf), None),
    math.cos: (E.cos, (_infinite, math.inf), None),
    math.tan: (E.tan, (_infinite, math.inf), None),
    math.asin: (E.asin, (_outside_one, 2.0), None),
    math.acos: (E.acos, (_outside_one, 2.0), None),
    math.atan: (E.atan, None, None),
    math.sinh: (E.sinh, None, 1000.0),
    math.cosh: (E.cosh, None, 1000.0),
    math.tanh: (E.tanh, None, None),
    math.cbrt: (E.cbrt, None, None),
    math.fabs: (E.abs, None, None),
}
"""Function → primitive, when it is a domain error, and an argument for which the result overflows."""


def _fails(
    b: Builder, condition: Value, function: Callable[..., Any], *samples: Any, shown: Value | None = None
) -> None:
    pynumbers.check_as(b, b.apply(E.not_, condition), None, function, *samples, shown=shown)


def _unary(function: Callable[[float], float], x: Any) -> ScalarTracer:
    primitive, domain, overflow = _UNARY[function]
    b = current().at()
    value = real(x)
    if domain is not None:
        condition, sample = domain
        _fails(b, condition(b, value), function, sample, shown=value)
    result = b.apply(primitive, value)
    if overflow is not None:
        lost = b.apply(E.and_, b.apply(E.isinf, result), b.apply(E.isfinite, value))
        _fails(b, lost, function, overflow)
    return python_scalar(result)


for _function in _UNARY:
    implements(_function)(partial(_unary, _function))


@implements(math.exp2)
def exp2(x: Any) -> ScalarTracer:
    """``math.exp2``."""
    b = current().at()
    value = real(x)
    result = b.apply(E.pow, _number(b, 2.0), value)
    _fails(b, b.apply(E.and_, b.apply(E.isinf, result), b.apply(E.isfinite, value)), math.exp2, 10000.0)
    return python_scalar(result)


@implements(math.degrees)
def degrees(x: Any) -> ScalarTracer:
    """``math.degrees``."""
    b = current().at()
    return python_scalar(b.apply(E.mul, real(x), _number(b, 180.0 / math.pi)))


@implements(math.radians)
def radians(x: Any) -> ScalarTracer:
    """``math.radians``."""
    b = current().at()
    return python_scalar(b.apply(E.mul, real(x), _number(b, math.pi / 180.0)))


def _classify(primitive: Primitive, x: Any) -> ScalarTracer:
    b = current().at()
    return python_scalar(b.apply(primitive, real(x)))


implements(math.isnan)(partial(_classify, E.isnan))
implements(math.isinf)(partial(_classify, E.isinf))
implements(math.isfinite)(partial(_classify, E.isfinite))


def _to_integer(rounding: Primitive, x: Any) -> ScalarTracer:
    return conversions.integral(conversions.only_scalar(x) if isinstance(x, ArrayTracer) else x, rounding)


implements(math.floor)(partial(_to_integer, E.floor))
implements(math.ceil)(partial(_to_integer, E.ceil))


@implements(math.trunc)
def trunc(x: Any) -> ScalarTracer:
    """``math.trunc``, which NumPy's scalars lack but for float64."""
    for alternative in alternatives_of(x) if isinstance(x, ScalarTracer) else ():
        if not hasattr(type_of(alternative), "__trunc__"):
            raise TypeError(f"type {type_name_of(alternative)} doesn't define __trunc__ method")
    return _to_integer(E.trunc, x)


# --- more arguments -------------------------------------------------------------------------------


@implements(math.log)
def log(x: Any, base: Any = None) -> ScalarTracer:
    """``math.log``."""
    b = current().at()
    value = real(x)
    _fails(b, _not_positive(b, value), math.log, -1.0, shown=value)
    result = b.apply(E.log, value)
    if base is None:
        return python_scalar(result)
    of_base = real(base)
    _fails(b, _not_positive(b, of_base), math.log, 2.0, -1.0)
    divisor = b.apply(E.log, of_base)
    _fails(b, b.apply(E.eq, divisor, _number(b, 0.0)), math.log, 2.0, 1.0)
    return python_scalar(b.apply(E.div, result, divisor))


@implements(math.atan2)
def atan2(y: Any, x: Any) -> ScalarTracer:
    """``math.atan2``."""
    b = current().at()
    return python_scalar(b.apply(E.atan2, real(y), real(x)))


@implements(math.copysign)
def copysign(x: Any, y: Any) -> ScalarTracer:
    """``math.copysign``."""
    b = current().at()
    return python_scalar(b.apply(E.copysign, real(x), real(y)))


@implements(math.hypot)
def hypot(*coordinates: Any) -> ScalarTracer:
    """``math.hypot``."""
    b = current().at()
    result = b.apply(E.abs, real(coordinates[0]))
    for x in coordinates[1:]:
        result = b.apply(E.hypot, result, real(x))
    return python_scalar(result)


@implements(math.dist)
def dist(p: Any, q: Any) -> ScalarTracer:
    """``math.dist`` of points whose number of coordinates is known while tracing."""
    first, second = list(p), list(q)
    if len(first) != len(second):
        raise ValueError("both points must have the same number of dimensions")
    return hypot(*(x - y for x, y in zip(first, second)))


@implements(math.pow)
def pow(x: Any, y: Any) -> ScalarTracer:
    """``math.pow``."""
    b = current().at()
    base, exponent = real(x), real(y)
    result = b.apply(E.pow, base, exponent)
    finite = b.apply(E.and_, b.apply(E.isfinite, base), b.apply(E.isfinite, exponent))
    is_zero = b.apply(E.eq, base, _number(b, 0.0))
    pole = b.apply(E.and_, is_zero, b.apply(E.isinf, result))
    domain = b.apply(E.and_, finite, b.apply(E.or_, b.apply(E.isnan, result), pole))
    _fails(b, domain, math.pow, -1.0, 0.5)
    _fails(b, b.apply(E.and_, finite, b.apply(E.isinf, result)), math.pow, 10.0, 400.0)
    return python_scalar(result)


@implements(math.fmod)
def fmod(x: Any, y: Any) -> ScalarTracer:
    """``math.fmod``."""
    b = current().at()
    dividend, divisor = real(x), real(y)
    known = b.apply(E.not_, b.apply(E.or_, b.apply(E.isnan, dividend), b.apply(E.isnan, divisor)))
    bad = b.apply(E.or_, b.apply(E.isinf, dividend), b.apply(E.eq, divisor, _number(b, 0.0)))
    _fails(b, b.apply(E.and_, known, bad), math.fmod, 1.0, 0.0)
    size = b.apply(E.mod, b.apply(E.abs, dividend), b.apply(E.abs, divisor))
    return python_scalar(b.apply(E.copysign, size, dividend))


@implements(math.modf)
def modf(x: Any) -> tuple[ScalarTracer, ScalarTracer]:
    """``math.modf``."""
    b = current().at()
    value = real(x)
    whole = b.apply(E.trunc, value)
    rest = b.apply(E.select, b.apply(E.isinf, value), _number(b, 0.0), b.apply(E.sub, value, whole))
    return python_scalar(b.apply(E.copysign, rest, value)), python_scalar(b.apply(E.copysign, whole, value))


@implements(math.isclose)
def isclose(a: Any, b: Any, *, rel_tol: Any = 1e-09, abs_tol: Any = 0.0) -> ScalarTracer:
    """``math.isclose``."""
    c = current().at()
    x, y, relative, absolute = (real(v) for v in (a, b, rel_tol, abs_tol))
    zero = _number(c, 0.0)
    negative = c.apply(E.or_, c.apply(E.lt, relative, zero), c.apply(E.lt, absolute, zero))
    c.check(c.apply(E.not_, negative), ValueError, ("tolerances must be non-negative",))
    gap = c.apply(E.abs, c.apply(E.sub, x, y))
    near = c.apply(E.le, gap, absolute)
    for v in (x, y):
        near = c.apply(E.or_, near, c.apply(E.le, gap, c.apply(E.mul, relative, c.apply(E.abs, v))))
    infinite = c.apply(E.or_, c.apply(E.isinf, x), c.apply(E.isinf, y))
    near = c.apply(E.and_, near, c.apply(E.not_, infinite))
    return python_scalar(c.apply(E.or_, c.apply(E.eq, x, y), near))


# --- integers -------------------------------------------------------------------------------------


@implements(math.gcd)
def gcd(*integers: Any) -> ScalarTracer:
    """``math.gcd``."""
    b = current().at()
    result = b.index(0)
    for x in integers:
        result = _gcd(b, result, _magnitude(b, x))
    return python_scalar(result)


def _magnitude(b: Builder, x: Any) -> Value:
    value = conversions.as_index(x)
    ok = b.apply(E.ne, value, b.const(pynumbers.INT_MIN, INT64))
    b.check(ok, OverflowError, (pynumbers.TOO_LARGE,))
    return b.apply(E.abs, value)


def _gcd(b: Builder, x: Value, y: Value) -> Value:
    """Euclid's algorithm."""
    context = current()
    condition, body = Block(), Block()
    _, y_now = condition.add_param(x.type), condition.add_param(y.type)
    with context.region(condition):
        b.yield_(b.apply(E.ne, y_now, b.index(0)))
    x_now, y_now = body.add_param(x.type), body.add_param(y.type)
    with context.region(body):
        b.yield_(y_now, b.apply(E.mod, x_now, y_now))
    return b.emit(control.while_, (x, y), (x.type, y.type), None, (condition, body))[0]


@implements(math.lcm)
def lcm(*integers: Any) -> ScalarTracer:
    """``math.lcm``."""
    b = current().at()
    result = b.index(1)
    for x in integers:
        y = _magnitude(b, x)
        factor = b.apply(E.floordiv, y, _gcd(b, result, y))  # 0 where both are 0
        pynumbers.check_no_overflow(b, E.mul_overflows, result, factor, None)
        result = b.apply(E.mul, result, factor)
    return python_scalar(result)


@implements(math.isqrt)
def isqrt(n: Any) -> ScalarTracer:
    """``math.isqrt``."""
    b = current().at()
    value = conversions.as_index(n)
    if not dims.nonnegative(value):
        natural = b.apply(E.ge, value, b.const(0, INT64))
        pynumbers.check_as(b, natural, None, math.isqrt, -1)
    # the rounded float root is at most one off
    wide = b.cast(value, UINT64)
    root = b.cast(b.apply(E.sqrt, b.cast(value, FLOAT64)), UINT64)
    one = b.const(1, UINT64)
    too_large = b.apply(E.gt, b.apply(E.mul, root, root), wide)
    root = b.apply(E.select, too_large, b.apply(E.sub, root, one), root)
    above = b.apply(E.add, root, one)
    too_small = b.apply(E.le, b.apply(E.mul, above, above), wide)
    return python_scalar(b.cast(b.apply(E.select, too_small, above, root), INT64))


@implements(math.prod)
def prod(iterable: Any, /, *, start: Any = 1) -> Any:
    """``math.prod`` of a sequence whose length is known while tracing."""
    result = start
    for x in iterable:
        result = result * x
    return result


# --- the error function ---------------------------------------------------------------------------


@implements(math.erf)
def error_function(x: Any) -> Any:
    """``math.erf``."""
    return python_scalar(erf.erf(current().at(), real(x)))


@implements(math.erfc)
def complementary_error_function(x: Any) -> Any:
    """``math.erfc``."""
    return python_scalar(erf.erfc(current().at(), real(x)))
