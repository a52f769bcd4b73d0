"""Arithmetic of Python's own numbers: ``bool``, ``int`` (in 64 bits), ``float`` and ``complex``.

Each function takes operands of python kind and a guard (a predicate that says whether this computation is the one the
program performs; None: it always is) and emits the computation with checks that raise what Python raises. The texts of
exceptions come from Python itself: the failing operation is performed once on sample numbers.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from typing import Any, TypeAlias

import numpy as np

from tracejit.ir.core import Value
from tracejit.ir.types import BOOL, COMPLEX128, FLOAT64, INT64
from tracejit.ops import elementwise as E
from tracejit.ops.builder import Builder
from tracejit.ops.primitive import Primitive
from tracejit.ops.structural import const
from tracejit.record import record
from tracejit.trace import dims
from tracejit.trace.context import current

DType: TypeAlias = "np.dtype[Any]"
Guard: TypeAlias = "Value | None"

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
EXACT = 2**53  # every int up to here is a float64
TOO_LARGE = "a Python int does not fit 64 bits, in which compiled code computes; a float would"

_RANK = {"b": 0, "i": 1, "f": 2, "c": 3}
_SAMPLES: dict[str, tuple[Any, Any]] = {"b": (True, False), "i": (1, 0), "f": (1.0, 0.0), "c": (1j, 0j)}


class Operand:
    """A scalar as an operand: a constant, or a value that holds a number of ``dtype`` (perhaps in a wider dtype)."""

    __slots__ = ("_casts", "builder", "const", "dtype", "value")

    def __init__(self, builder: Builder, dtype: DType, value: Value | None, const: Any = None) -> None:
        self.builder = builder
        self.dtype = dtype
        self.value = value
        self.const = const
        self._casts: dict[DType, Value] | None = None

    @property
    def kind(self) -> str:
        return self.dtype.kind

    def as_(self, dtype: DType) -> Value:
        """The operand as an IR value of ``dtype``."""
        value = self.value
        if value is None:
            c = self.const
            if dtype.kind in "iu" and type(c) is int and not INT_MIN <= c <= INT_MAX:
                raise OverflowError(TOO_LARGE)
            return self.builder.const(float(c) if dtype.kind == "f" and type(c) is int else c, dtype)
        if value.type.dtype == dtype:
            return value
        if self._casts is None:
            self._casts = {}
        cast = self._casts.get(dtype)
        if cast is None:
            cast = self._casts[dtype] = self.builder.cast(value, dtype)
        return cast


@record(frozen=True)
class Case:
    """One thing a result may be: a value of python kind, when ``when`` (None: always)."""

    value: Value
    when: Value | None = None


Result: TypeAlias = "Value | list[Case]"
Binary: TypeAlias = Callable[[Builder, Operand, Operand, Guard], Result]


# --- failing --------------------------------------------------------------------------------------

_failures: dict[tuple[Any, ...], tuple[type[BaseException], tuple[Any, ...]]] = {}


def failure_of(function: Callable[..., Any], *samples: Any) -> BaseException:
    """An exception like that which ``function(*samples)`` raises in this version of Python."""
    key = (function, *map(repr, samples))
    known = _failures.get(key)
    if known is None:
        try:
            function(*samples)
        except Exception as raised:
            known = _failures[key] = type(raised), raised.args
        else:
            raise AssertionError(f"{function} does not fail for {samples}")
    kind, args = known
    return kind(*args)


def succeeds(function: Callable[..., Any], *samples: Any) -> bool:
    """Whether this version of Python and NumPy accepts ``function(*samples)``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function(*samples)
        except (TypeError, ValueError):
            return False
    return True


def check(b: Builder, ok: Value, guard: Guard, exception: type[BaseException], args: tuple[Any, ...],
          payload: Sequence[Value] = ()) -> None:  # fmt: skip
    """Raise unless ``ok``, where ``guard`` holds."""
    if guard is not None:
        ok = b.apply(E.or_, ok, b.apply(E.not_, guard))
    b.check(ok, exception, args, payload)


def check_as(b: Builder, ok: Value, guard: Guard, function: Callable[..., Any], *samples: Any,
             shown: Value | None = None) -> None:  # fmt: skip
    """Raise what ``function(*samples)`` raises unless ``ok``.

    ``shown`` is the operand whose value the text repeats, as newer Pythons do, in place of the first sample.
    """
    error = failure_of(function, *samples)
    args = tuple(a.replace("{", "{{").replace("}", "}}") if isinstance(a, str) else a for a in error.args)
    payload: list[Value] = []
    if shown is not None and len(args) == 1 and isinstance(args[0], str) and args[0].endswith(repr(samples[0])):
        args = (args[0].removesuffix(repr(samples[0])) + "{0}",)
        payload = [shown]
    check(b, ok, guard, type(error), args, payload)


def check_no_overflow(b: Builder, primitive: Primitive, x: Value, y: Value, guard: Guard) -> None:
    overflows = b.apply(primitive, x, y)
    check(b, b.apply(E.not_, overflows), guard, OverflowError, (TOO_LARGE,))


def check_divisor(
    b: Builder, y: Operand, divisor: Value, guard: Guard, function: Callable[..., Any], x: Operand
) -> None:
    """Raise Python's ZeroDivisionError if ``divisor`` is 0."""
    if y.value is None and y.const:
        return
    nonzero = b.apply(E.ne, divisor, b.const(0, divisor.dtype))
    check_as(b, nonzero, guard, function, _SAMPLES[x.kind][0], _SAMPLES[y.kind][1])


# --- arithmetic -----------------------------------------------------------------------------------


def common(x: Operand, y: Operand) -> DType:
    """The dtype in which ``x`` and ``y`` meet in arithmetic."""
    rank = max(_RANK[x.kind], _RANK[y.kind])
    return (INT64, INT64, FLOAT64, COMPLEX128)[rank]


def _arithmetic(primitive: Primitive, overflows: Primitive) -> Binary:
    def compute(b: Builder, x: Operand, y: Operand, guard: Guard) -> Result:
        d = common(x, y)
        p, q = x.as_(d), y.as_(d)
        if d is not INT64:
            return b.apply(primitive, p, q)
        check_no_overflow(b, overflows, p, q, guard)
        result = b.apply(primitive, p, q)
        if guard is None:
            current().exact.add(result)
        return result

    return compute


def _truediv(b: Builder, x: Operand, y: Operand, guard: Guard) -> Result:
    d = common(x, y)
    d = COMPLEX128 if d.kind == "c" else FLOAT64
    p, q = x.as_(d), y.as_(d)
    check_divisor(b, y, q, guard, operator.truediv, x)
    return b.apply(E.div, p, q)


def _quotient(
    b: Builder, x: Operand, y: Operand, guard: Guard, operation: Callable[..., Any] = operator.floordiv
) -> Result:
    d = common(x, y)
    if d.kind == "c":
        return []
    p, q = x.as_(d), y.as_(d)
    check_divisor(b, y, q, guard, operation, x)
    if d is INT64 and (y.value is not None or y.const == -1):
        least = b.apply(E.eq, p, b.const(INT_MIN, INT64))
        minus = b.apply(E.eq, q, b.const(-1, INT64))
        check(b, b.apply(E.not_, b.apply(E.and_, least, minus)), guard, OverflowError, (TOO_LARGE,))
    return b.apply(E.floordiv, p, q)


def _remainder(
    b: Builder, x: Operand, y: Operand, guard: Guard, operation: Callable[..., Any] = operator.mod
) -> Result:
    d = common(x, y)
    if d.kind == "c":
        return []
    p, q = x.as_(d), y.as_(d)
    check_divisor(b, y, q, guard, operation, x)
    return b.apply(E.mod, p, q)


def _pow(b: Builder, x: Operand, y: Operand, guard: Guard) -> Result:
    d = common(x, y)
    if d.kind == "c":
        return _complex_pow(b, x, y, guard)
    if d.kind == "f":
        return _float_pow(b, x, y, guard)
    if y.value is None:
        return _int_pow(b, x, y, guard) if y.const >= 0 else _float_pow(b, x, y, guard)
    exponent = y.as_(INT64)
    if dims.nonnegative(exponent):
        return _int_pow(b, x, y, guard)
    negative = b.apply(E.lt, exponent, b.const(0, INT64))
    natural = b.apply(E.not_, negative)
    as_int = _int_pow(b, x, y, natural if guard is None else b.apply(E.and_, guard, natural))
    as_float = _float_pow(b, x, y, negative if guard is None else b.apply(E.and_, guard, negative))
    return [Case(as_int, natural), Case(as_float, negative)]


def _int_pow(b: Builder, x: Operand, y: Operand, guard: Guard) -> Value:
    p = x.as_(INT64)
    if y.value is None and 1 <= y.const <= 3:
        result = p
        for _ in range(y.const - 1):
            check_no_overflow(b, E.mul_overflows, result, p, guard)
            result = b.apply(E.mul, result, p)
        return result
    q = y.as_(INT64)
    check_no_overflow(b, E.pow_overflows, p, q, guard)
    return b.apply(E.pow, p, q)


def _float_pow(b: Builder, x: Operand, y: Operand, guard: Guard) -> Value:
    p, q = x.as_(FLOAT64), y.as_(FLOAT64)
    zero = b.const(0.0, FLOAT64)
    base = float(x.const) if x.value is None else None
    exponent = float(y.const) if y.value is None else None
    if (exponent is None or -inf < exponent < 0) and not base:
        fails = b.apply(E.eq, p, zero)
        if exponent is None:
            negative = b.apply(E.and_, b.apply(E.lt, q, zero), b.apply(E.isfinite, q))
            fails = b.apply(E.and_, fails, negative)
        check_as(b, b.apply(E.not_, fails), guard, operator.pow, _SAMPLES[x.kind][1], -_SAMPLES[y.kind][0])
    if (exponent is None or not exponent.is_integer()) and (base is None or base < 0):
        fails = b.apply(E.and_, b.apply(E.lt, p, zero), b.apply(E.isfinite, p))
        if exponent is None:
            fractional = b.apply(E.and_, b.apply(E.ne, q, b.apply(E.floor, q)), b.apply(E.isfinite, q))
            fails = b.apply(E.and_, fails, fractional)
        text = "a negative number to a fractional power is complex: compiled code needs complex(x) ** y for that"
        check(b, b.apply(E.not_, fails), guard, ValueError, (text,))
    result = b.apply(E.mul, p, p) if exponent == 2 else b.apply(E.pow, p, q)
    if exponent is None or not 0 <= exponent <= 1:
        finite = b.apply(E.isfinite, p) if exponent is not None else b.apply(
            E.and_, b.apply(E.isfinite, p), b.apply(E.isfinite, q))  # fmt: skip
        if base is None or exponent is None:
            overflows = b.apply(E.and_, b.apply(E.isinf, result), finite)
            # a zero base has been dealt with, so only an overflow gives infinity here
            check_as(b, b.apply(E.not_, overflows), guard, operator.pow, 10.0, 400.0)
    return result


def _complex_pow(b: Builder, x: Operand, y: Operand, guard: Guard) -> Value:
    p, q = x.as_(COMPLEX128), y.as_(COMPLEX128)
    zero = b.const(0, COMPLEX128)
    real_zero = b.const(0.0, FLOAT64)
    bad = b.apply(E.or_, b.apply(E.lt, b.apply(E.real, q), real_zero), b.apply(E.ne, b.apply(E.imag, q), real_zero))
    fails = b.apply(E.and_, b.apply(E.eq, p, zero), bad)
    check_as(b, b.apply(E.not_, fails), guard, operator.pow, 0j, -1)
    result = b.apply(E.pow, p, q)
    lost = b.apply(E.not_, b.apply(E.isfinite, result))
    overflows = b.apply(E.and_, lost, b.apply(E.and_, b.apply(E.isfinite, p), b.apply(E.isfinite, q)))
    check_as(b, b.apply(E.not_, overflows), guard, operator.pow, 1e300 + 1j, 3)
    return result


def _shift(primitive: Primitive, function: Callable[..., Any]) -> Binary:
    def compute(b: Builder, x: Operand, y: Operand, guard: Guard) -> Result:
        if y.kind not in "bi" or x.kind not in "bi":
            return []
        p, q = x.as_(INT64), y.as_(INT64)
        if not dims.nonnegative(q):
            natural = b.apply(E.ge, q, b.const(0, INT64))
            check_as(b, natural, guard, function, 1, -1)
        if primitive is E.shl:
            check_no_overflow(b, E.shl_overflows, p, q, guard)
        return b.apply(primitive, p, q)

    return compute


def _bits(primitive: Primitive) -> Binary:
    def compute(b: Builder, x: Operand, y: Operand, guard: Guard) -> Result:
        if x.kind not in "bi" or y.kind not in "bi":
            return []
        d = BOOL if x.kind == y.kind == "b" else INT64
        return b.apply(primitive, x.as_(d), y.as_(d))

    return compute


# --- comparison -----------------------------------------------------------------------------------


def _comparison(primitive: Primitive, python: Callable[[Any, Any], bool], mirrored: Primitive) -> Binary:
    def compute(b: Builder, x: Operand, y: Operand, guard: Guard) -> Result:
        kinds = {x.kind, y.kind}
        if "c" in kinds:
            if primitive not in (E.eq, E.ne):
                return []
            return b.apply(primitive, x.as_(COMPLEX128), y.as_(COMPLEX128))
        if "f" in kinds:
            if x.kind == "i" and not _is_exact(x):
                return _int_float(b, primitive, x, y)
            if y.kind == "i" and not _is_exact(y):
                return _int_float(b, mirrored, y, x)
            return b.apply(primitive, x.as_(FLOAT64), y.as_(FLOAT64))
        if kinds == {"b"}:
            return b.apply(primitive, x.as_(BOOL), y.as_(BOOL))
        for known, other in ((x, y), (y, x)):
            if known.value is None and not INT_MIN <= known.const <= INT_MAX and other.value is not None:
                # outside 64 bits: on one side of everything
                sides = (known.const, 0) if known is x else (0, known.const)
                return b.const(python(*sides), BOOL)
        return b.apply(primitive, x.as_(INT64), y.as_(INT64))

    return compute


def _is_exact(x: Operand) -> bool:
    return x.value is None and -EXACT <= x.const <= EXACT


def _int_float(b: Builder, primitive: Primitive, x: Operand, y: Operand) -> Value:
    """Compare an int with a float as exact numbers: where the rounded int equals the float, as ints."""
    if x.value is not None and x.value.dtype == FLOAT64:
        return b.apply(primitive, x.value, y.as_(FLOAT64))  # an int held as a float is exact
    n, f = x.as_(INT64), y.as_(FLOAT64)
    rounded = b.cast(n, FLOAT64)
    limit = b.const(2.0**63, FLOAT64)
    inside = b.apply(E.lt, f, limit)  # 2.0 ** 63 itself is greater than every int
    tie = b.apply(E.and_, b.apply(E.eq, rounded, f), inside)
    clipped = b.apply(E.select, tie, f, b.const(0.0, FLOAT64))
    as_ints = b.apply(primitive, n, b.cast(clipped, INT64))
    # where the int was rounded up to 2.0 ** 63 it is less than the float
    below = b.apply(E.eq, f, limit)
    nudged = b.apply(E.select, below, b.const(2.0**63 - 1024, FLOAT64), rounded)
    low = b.apply(E.minimum, nudged, rounded)
    return b.apply(E.select, tie, as_ints, b.apply(primitive, low, f))


BINARY: dict[str, Binary] = {
    "add": _arithmetic(E.add, E.add_overflows),
    "sub": _arithmetic(E.sub, E.sub_overflows),
    "mul": _arithmetic(E.mul, E.mul_overflows),
    "truediv": _truediv,
    "floordiv": _quotient,
    "mod": _remainder,
    "divmod//": partial(_quotient, operation=divmod),
    "divmod%": partial(_remainder, operation=divmod),
    "pow": _pow,
    "lshift": _shift(E.shl, operator.lshift),
    "rshift": _shift(E.shr, operator.rshift),
    "and": _bits(E.and_),
    "or": _bits(E.or_),
    "xor": _bits(E.xor),
    "eq": _comparison(E.eq, operator.eq, E.eq),
    "ne": _comparison(E.ne, operator.ne, E.ne),
    "lt": _comparison(E.lt, operator.lt, E.gt),
    "le": _comparison(E.le, operator.le, E.ge),
    "gt": _comparison(E.gt, operator.gt, E.lt),
    "ge": _comparison(E.ge, operator.ge, E.le),
}
"""Binary operators by name; an empty result means that Python raises a TypeError."""


# --- unary operators ------------------------------------------------------------------------------


def negative(b: Builder, x: Operand, guard: Guard) -> Value:
    if x.kind in "bi":
        value = x.as_(INT64)
        if x.kind == "i":
            check(b, b.apply(E.ne, value, b.const(INT_MIN, INT64)), guard, OverflowError, (TOO_LARGE,))
        return b.apply(E.neg, value)
    return b.apply(E.neg, x.as_(x.dtype))


def positive(b: Builder, x: Operand, guard: Guard) -> Value:
    return x.as_(INT64 if x.kind == "b" else x.dtype)


def absolute(b: Builder, x: Operand, guard: Guard) -> Value:
    if x.kind == "b":
        return x.as_(INT64)
    value = x.as_(x.dtype)
    if x.kind == "i":
        check(b, b.apply(E.ne, value, b.const(INT_MIN, INT64)), guard, OverflowError, (TOO_LARGE,))
    return b.apply(E.abs, value)


def inverted(b: Builder, x: Operand, guard: Guard) -> Value:
    return b.apply(E.not_, x.as_(INT64))


C_LONG = "Python int too large to convert to C long"


def to_int(b: Builder, x: Value, guard: Guard, rounding: Primitive = E.trunc, text: str = TOO_LARGE) -> Value:
    """``int(x)`` (or ``math.floor`` and the like) of a float64."""
    check_as(b, b.apply(E.not_, b.apply(E.isnan, x)), guard, int, float("nan"))
    check_as(b, b.apply(E.not_, b.apply(E.isinf, x)), guard, int, float("inf"))
    whole = b.apply(rounding, x)
    limit = b.const(2.0**63, FLOAT64)
    fits = b.apply(E.and_, b.apply(E.ge, whole, b.const(-(2.0**63), FLOAT64)), b.apply(E.lt, whole, limit))
    check(b, fits, guard, OverflowError, (text,))
    return b.cast(whole, INT64)


def widened(b: Builder, x: Value, dtype: DType, guard: Guard) -> Value:
    """``x`` as the wider ``dtype``, checked to be the same number."""
    if x.dtype == dtype:
        return x
    op = x.op
    if op is not None and op.primitive is const and x.dtype.kind in "iu" and not x.shape:
        number = op.attrs["value"]
        if complex(number) == number:
            return b.const(number, dtype)
    result = b.cast(x, dtype)
    if x.dtype.kind in "iu" and x.dtype.itemsize == 8 and dtype.kind in "fc":
        largest = 2**63 - 1024 if x.dtype.kind == "i" else 2**64 - 2048
        small = b.apply(E.le, x, b.const(largest, x.dtype))
        as_float = b.cast(x, FLOAT64)
        back = b.cast(b.apply(E.select, small, as_float, b.const(0.0, FLOAT64)), x.dtype)
        exact = b.apply(E.and_, small, b.apply(E.eq, back, x))
        text = "an int that meets a float here has no exact float64 ({0})"
        check(b, exact, guard, OverflowError, (text,), [x])
    return result
