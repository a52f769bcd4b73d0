"""Attributes and methods of traced scalars: those of ``int``, ``float``, ``complex`` and of NumPy's scalars."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.core import Value
from tracejit.ir.types import BOOL, FLOAT64, INT64
from tracejit.ops import elementwise as E
from tracejit.ops.builder import Builder
from tracejit.trace import conversions, pynumbers
from tracejit.trace.context import current
from tracejit.trace.pynumbers import Guard
from tracejit.trace.scalars import (
    ScalarTracer,
    cases_of,
    mixed,
    numpy_scalar,
    python_scalar,
    type_name,
    type_of,
)
from tracejit.trace.tracer import OUTSIDE

_ALIKE = {"copy", "squeeze", "transpose", "round", "clip", "conj", "conjugate", "astype", "byteswap"}
_ARRAY_METHODS = frozenset(
    {"sum", "prod", "mean", "std", "var", "min", "max", "any", "all", "argmin", "argmax", "reshape", "ravel", "flatten",
     "dot", "ptp", "repeat", "trace", "diagonal", "swapaxes", "nonzero", "cumsum", "cumprod"} | _ALIKE
)  # fmt: skip


def attribute(x: ScalarTracer, name: str) -> Any:
    """``getattr(x, name)``."""
    if name.startswith("__"):
        raise AttributeError(name)
    found = (_PYTHON if x.kind == "python" else _NUMPY if x.kind == "numpy" else _MIXED).get(name)
    if found is not None:
        return found(x)
    if x.kind == "numpy" and name in _ARRAY_METHODS:
        return _through_array(x, name)
    types = [type_of(a) for a in x.alternatives]
    lacking = next((t for t in types if not hasattr(t, name)), None)
    if lacking is not None:
        text = lacking.__name__ if lacking.__module__ == "builtins" else f"numpy.{lacking.__name__}"
        raise AttributeError(f"'{text}' object has no attribute '{name}'")
    raise UnsupportedError(f"{type_name(x)}.{name} is not supported yet", hint=OUTSIDE)


def _through_array(x: ScalarTracer, name: str) -> Callable[..., Any]:
    """The array method ``name`` of a NumPy scalar, which NumPy performs on a 0-d array."""
    from tracejit.trace.boxes import ArrayTracer

    def method(*args: Any, **kwargs: Any) -> Any:
        result = getattr(ArrayTracer(x.value), name)(*args, **kwargs)
        if name in _ALIKE and isinstance(result, ArrayTracer) and result.ndim == 0:
            return numpy_scalar(result.read())
        return result

    return method


def getitem(x: ScalarTracer, key: Any) -> Any:
    """``x[key]``: NumPy scalars can be indexed like arrays without axes."""
    if x.kind == "python":
        raise TypeError(f"'{type_name(x)}' object is not subscriptable")
    if key is Ellipsis or key is None or (isinstance(key, tuple) and all(k is None or k is Ellipsis for k in key)):
        from tracejit.trace.boxes import ArrayTracer

        return ArrayTracer(x.value)[key]
    raise IndexError("invalid index to scalar variable.")


# --- parts and predicates -------------------------------------------------------------------------


def per_case(x: ScalarTracer, compute: Callable[[Builder, Value, Guard], Value]) -> ScalarTracer:
    """``compute`` applied to every alternative of ``x``; the results are of the same kinds."""
    b = current().at()
    results: list[tuple[Guard, ScalarTracer]] = []
    for guard, (kind, dtype), operand in cases_of(b, x):
        value = compute(b, operand.as_(dtype), guard)
        results.append((guard, python_scalar(value) if kind == "python" else numpy_scalar(value)))
    return mixed(b, results)


def _real(b: Builder, value: Value, guard: Guard) -> Value:
    return b.apply(E.real, value) if value.dtype.kind == "c" else value


def _imag(b: Builder, value: Value, guard: Guard) -> Value:
    return b.apply(E.imag, value) if value.dtype.kind == "c" else b.const(0, value.dtype)


def _conjugate(b: Builder, value: Value, guard: Guard) -> Value:
    return b.apply(E.conj, value) if value.dtype.kind == "c" else value


def _python_int(x: ScalarTracer) -> ScalarTracer:
    """Python's ``True.real`` is the int 1."""
    return conversions.to_int(x) if x.value.dtype == BOOL else x


def _python_real(x: ScalarTracer) -> ScalarTracer:
    return per_case(_python_int(x), _real)


def _python_imag(x: ScalarTracer) -> ScalarTracer:
    return per_case(_python_int(x), _imag)


def _python_conjugate(x: ScalarTracer) -> Callable[[], ScalarTracer]:
    return lambda: per_case(_python_int(x), _conjugate)


def _is_integer(x: ScalarTracer) -> Callable[[], ScalarTracer]:
    def is_integer() -> ScalarTracer:
        b = current().at()
        value = x.value
        if value.dtype.kind == "f":
            whole = b.apply(E.eq, value, b.apply(E.floor, value))
            value = b.apply(E.and_, whole, b.apply(E.isfinite, value))
        elif value.dtype.kind in "biu":
            value = b.const(True, BOOL)
        else:
            raise AttributeError("'complex' object has no attribute 'is_integer'")
        return python_scalar(value)

    return is_integer


def _bit_length(x: ScalarTracer) -> Callable[[], ScalarTracer]:
    def bit_length() -> ScalarTracer:
        b = current().at()
        # -2 ** 63 is its own absolute value; as an unsigned number it has 64 bits
        rest = b.cast(b.apply(E.abs, b.cast(x.value, INT64)), np.dtype(np.uint64))
        length = b.const(0, INT64)
        for width in (32, 16, 8, 4, 2, 1):
            high = b.apply(E.shr, rest, b.const(width, rest.dtype))
            some = b.apply(E.ne, high, b.const(0, rest.dtype))
            rest = b.apply(E.select, some, high, rest)
            longer = b.apply(E.add, length, b.const(width, INT64))
            length = b.apply(E.select, some, longer, length)
        return python_scalar(b.apply(E.add, length, b.cast(rest, INT64)))

    return bit_length


def _constant(value: Any) -> Callable[[ScalarTracer], Any]:
    return lambda x: value


def _same(x: ScalarTracer) -> ScalarTracer:
    return x


def _dtype(x: ScalarTracer) -> Any:
    return x.value.dtype


def _item(x: ScalarTracer) -> Callable[..., ScalarTracer]:
    def item(*args: Any) -> ScalarTracer:
        if args not in ((), (0,), ((),)):
            from tracejit.trace.samples import sample

            sample(x).item(*args)  # raises
        return conversions.item(x)

    return item


_MIXED: dict[str, Callable[[ScalarTracer], Any]] = {
    "real": lambda x: per_case(x, _real),
    "imag": lambda x: per_case(x, _imag),
    "conjugate": lambda x: lambda: per_case(x, _conjugate),
}
_PYTHON: dict[str, Callable[[ScalarTracer], Any]] = {
    "real": _python_real,
    "imag": _python_imag,
    "conjugate": _python_conjugate,
    "is_integer": _is_integer,
    "numerator": lambda x: _integer_only(x, "numerator", conversions.to_int),
    "denominator": lambda x: _integer_only(x, "denominator", _constant(1)),
    "bit_length": lambda x: _integer_only(x, "bit_length", _bit_length),
}
_NUMPY: dict[str, Callable[[ScalarTracer], Any]] = {
    **_MIXED,
    "conj": lambda x: lambda: per_case(x, _conjugate),
    "is_integer": _is_integer,
    "dtype": _dtype,
    "shape": _constant(()),
    "strides": _constant(()),
    "ndim": _constant(0),
    "size": _constant(1),
    "base": _constant(None),
    "itemsize": lambda x: x.value.dtype.itemsize,
    "nbytes": lambda x: x.value.dtype.itemsize,
    "T": _same,
    "item": _item,
    "tolist": _item,
}


def _integer_only(x: ScalarTracer, name: str, get: Callable[[ScalarTracer], Any]) -> Any:
    if x.value.dtype.kind not in "bi":
        raise AttributeError(f"'{type_name(x)}' object has no attribute '{name}'")
    return get(x)


# --- rounding -------------------------------------------------------------------------------------


def rounded(x: ScalarTracer, ndigits: Any = None) -> Any:
    """``round(x, ndigits)``."""
    if isinstance(ndigits, ScalarTracer):
        raise ndigits._needs("the number of digits as a Python int")
    if ndigits is not None:
        ndigits = operator.index(ndigits)
    if x.kind == "numpy":
        if ndigits is None and x.value.dtype.kind != "c":
            return conversions.integral(x, E.rint)
        return _through_array(x, "round")(0 if ndigits is None else ndigits)
    b = current().at()
    results: list[tuple[Guard, ScalarTracer]] = []
    for guard, (kind, dtype), operand in cases_of(b, x):
        if kind != "python":
            raise UnsupportedError("round of a number that is Python's on one path and NumPy's on another",
                                   hint="round(float(x))")  # fmt: skip
        if dtype.kind == "c":
            raise TypeError("type complex doesn't define __round__ method")
        if dtype.kind in "bi":
            if ndigits is not None and ndigits < 0:
                raise UnsupportedError("round of an int that is known at run time only, to tens, is not supported yet")
            results.append((guard, python_scalar(operand.as_(INT64))))
        elif ndigits is None:
            results.append((guard, python_scalar(pynumbers.to_int(b, operand.as_(FLOAT64), guard, E.rint))))
        else:
            results.append((guard, python_scalar(_round_decimal(b, operand.as_(FLOAT64), int(ndigits)))))
    return mixed(b, results)


def _round_decimal(b: Builder, x: Value, ndigits: int) -> Value:
    """The float64 nearest to ``x`` rounded to ``ndigits`` decimals, exactly as Python rounds.

    ``x * 10**n`` is computed exactly as a sum ``p + e`` of two floats (Dekker), rounded to an integer, and divided by
    ``10**n``; the division rounds once, so the result is the float that stands for the decimal number.
    """
    if not 0 <= ndigits <= 22:
        raise UnsupportedError("round(x, n) of a float that is known at run time only is supported for 0 <= n <= 22")

    def number(c: float) -> Value:
        return b.const(c, FLOAT64)

    def split(v: Value) -> tuple[Value, Value]:
        scaled = b.apply(E.mul, v, number(2.0**27 + 1))
        high = b.apply(E.sub, scaled, b.apply(E.sub, scaled, v))
        return high, b.apply(E.sub, v, high)

    scale = number(10.0**ndigits)
    product = b.apply(E.mul, x, scale)
    # from 2**52 on the float has no decimals left to round; the bound also keeps the arithmetic below finite
    small = b.apply(E.lt, b.apply(E.abs, product), number(2.0**52))
    safe = b.apply(E.select, small, x, number(0.0))
    p = b.apply(E.mul, safe, scale)
    xh, xl = split(safe)
    sh, sl = split(scale)
    e = b.apply(E.sub, b.apply(E.mul, xh, sh), p)
    e = b.apply(E.add, e, b.apply(E.mul, xh, sl))
    e = b.apply(E.add, e, b.apply(E.mul, xl, sh))
    e = b.apply(E.add, e, b.apply(E.mul, xl, sl))
    r = b.apply(E.rint, p)
    d = b.apply(E.sub, p, r)
    up = b.apply(E.and_, b.apply(E.eq, d, number(0.5)), b.apply(E.gt, e, number(0.0)))
    down = b.apply(E.and_, b.apply(E.eq, d, number(-0.5)), b.apply(E.lt, e, number(0.0)))
    step = b.apply(E.select, up, number(1.0), b.apply(E.select, down, number(-1.0), number(0.0)))
    quotient = b.apply(E.div, b.apply(E.add, r, step), scale)
    return b.apply(E.select, small, b.apply(E.copysign, quotient, x), x)
