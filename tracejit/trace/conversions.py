"""What turns traced values into other kinds: truth, ``int(x)``, ``float(x)``, an index, ``x.item()``."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from tracejit.ir.core import Value
from tracejit.ir.types import BOOL, COMPLEX128, FLOAT64, INT64, UINT64, Dim
from tracejit.ops import elementwise as E
from tracejit.ops.builder import Builder
from tracejit.ops.primitive import Primitive
from tracejit.trace import dims, pynumbers
from tracejit.trace.boxes import ArrayTracer, only_element
from tracejit.trace.context import current
from tracejit.trace.pynumbers import Guard
from tracejit.trace.scalars import (
    ScalarTracer,
    alternatives_of,
    cases_of,
    mixed,
    numpy_scalar,
    operand_of,
    python_scalar,
    type_name,
    type_name_of,
    type_of,
)
from tracejit.trace.tracer import PY_BOOL, PY_INT, Tracer


def truth(x: Any) -> Value:
    """``bool(x)`` of a traced scalar or array, as a value."""
    b = current().at()
    if isinstance(x, ArrayTracer):
        x = only_element(x)
    value: Value = x.value
    if value.dtype == BOOL:
        return value
    return b.apply(E.ne, value, b.const(0, value.dtype))


def as_index(x: Any) -> Value:
    """``operator.index(x)`` as an i64: of ints and bools, and of NumPy's integers.

    Raises:
        TypeError: Python's, for anything else.
    """
    b = current().at()
    if isinstance(x, ArrayTracer):
        x = x.as_index_scalar()
    if not isinstance(x, ScalarTracer):
        return b.const(operator.index(x), INT64)
    value: Value | None = None
    for guard, alternative, operand in cases_of(b, x):
        kind, dtype = alternative
        if dtype.kind not in "iu" and not (kind == "python" and dtype.kind == "b"):
            text = f"'{type_name_of(alternative)}' object cannot be interpreted as an integer"
            if guard is None:
                raise TypeError(text)
            pynumbers.check(b, b.const(False, BOOL), guard, TypeError, (text,))
            continue
        if dtype == UINT64:
            _check_signed(b, operand.as_(UINT64), guard, "Python int too large to convert to C long")
        value = operand.as_(INT64)
    if value is None:
        raise TypeError(f"'{type_name(x)}' object cannot be interpreted as an integer")
    return value


def _check_signed(b: Builder, x: Value, guard: Guard, text: str) -> None:
    """Raise an OverflowError unless a uint64 fits an int64."""
    fits = b.apply(E.le, x, b.const(pynumbers.INT_MAX, UINT64))
    pynumbers.check(b, fits, guard, OverflowError, (text,))


def index_dim(x: Any) -> Dim:
    """``operator.index(x)`` as a dimension: an ``int`` where it is known."""
    return as_index(x) if isinstance(x, Tracer) else operator.index(x)


_ONE_ELEMENT_AXES = pynumbers.succeeds(int, np.ones(1))  # NumPy gives that up


def only_scalar(x: ArrayTracer) -> ScalarTracer:
    """The number that ``float(x)`` and the like convert when ``x`` is an array."""
    x.context.at()
    if x.ndim and not _ONE_ELEMENT_AXES:
        raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
    if x.ndim:
        dims.check(dims.eq(x.size_dim, 1), TypeError, "only length-1 arrays can be converted to Python scalars")
    return numpy_scalar(x.load_element((0,) * x.ndim))


def attribute(x: Tracer, name: str) -> Any:
    """``x.name`` as the program sees it: what the object that ``x`` stands for has, and nothing of the tracer's own."""
    if isinstance(x, ArrayTracer):
        classes: tuple[type, ...] = (np.ndarray,)
    elif isinstance(x, ScalarTracer):
        classes = tuple(map(type_of, x.alternatives))
    else:
        return getattr(x, name)
    for cls in classes:
        if not hasattr(cls, name):
            text = cls.__name__ if cls.__module__ == "builtins" else f"numpy.{cls.__name__}"
            raise AttributeError(f"'{text}' object has no attribute '{name}'")
    return getattr(x, name)


def to_bool(x: ScalarTracer) -> ScalarTracer:
    """``bool(x)``."""
    return ScalarTracer(truth(x), (PY_BOOL,))


def to_int(x: ScalarTracer) -> ScalarTracer:
    """``int(x)``."""
    return integral(x, E.trunc)


def integral(x: ScalarTracer, rounding: Primitive) -> ScalarTracer:
    """``int(x)``, ``math.floor(x)``, ...: an int."""
    b = current().at()
    results: list[tuple[Guard, ScalarTracer]] = []
    for guard, (kind, dtype), operand in cases_of(b, x):
        if dtype.kind == "c" and kind == "python":
            raise pynumbers.failure_of(int, 1j)
        if dtype.kind in "fc":
            value = pynumbers.to_int(b, operand.as_(FLOAT64), guard, rounding)
        else:
            if dtype == UINT64:
                _check_signed(b, operand.as_(UINT64), guard, pynumbers.TOO_LARGE)
            value = operand.as_(INT64)
        results.append((guard, ScalarTracer(value, (PY_INT,))))
    return mixed(b, results)


def to_float(x: ScalarTracer) -> ScalarTracer:
    """``float(x)``."""
    b = current().at()
    for guard, (kind, dtype), _ in cases_of(b, x):
        if kind == "python" and dtype.kind == "c":
            pynumbers.check_as(b, b.const(False, BOOL), guard, float, 1j)
    return python_scalar(b.cast(x.value, FLOAT64))


def to_complex(x: Any) -> ScalarTracer:
    """``complex(x)``."""
    b = current().at()
    return python_scalar(operand_of(b, x, alternatives_of(x)[0][1]).as_(COMPLEX128))


def item(x: ScalarTracer) -> ScalarTracer:
    """A NumPy scalar as the Python number of its value."""
    b = current().at()
    results: list[tuple[Guard, ScalarTracer]] = []
    for guard, (_, dtype), operand in cases_of(b, x):
        if dtype == UINT64:
            _check_signed(b, operand.as_(UINT64), guard, pynumbers.TOO_LARGE)
        python = {"b": BOOL, "i": INT64, "u": INT64, "f": FLOAT64, "c": COMPLEX128}[dtype.kind]
        results.append((guard, python_scalar(operand.as_(python))))
    return mixed(b, results)
