"""Writing a value into (a part of) an array: its conversion to the array's dtype, and its broadcasting."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from tracejit.ir.core import Value
from tracejit.ir.types import FLOAT64, INT64
from tracejit.ops import elementwise as E
from tracejit.ops.builder import Builder
from tracejit.trace import broadcast, pynumbers
from tracejit.trace.boxes import ArrayTracer, box_of
from tracejit.trace.context import current
from tracejit.trace.pynumbers import Guard, Operand
from tracejit.trace.scalars import ScalarTracer, cases_of, checked_python_int
from tracejit.trace.tracer import Alternative, alternative_of

DType: TypeAlias = "np.dtype[Any]"


def assign(target: ArrayTracer, value: Any, single: bool = False) -> None:
    """``target[...] = value``; ``single``: the target is one element, which takes no array with axes."""
    b = current().builder
    content = contents(value, target.dtype)
    if content.rank:
        if single:
            why = TypeError("only 0-dimensional arrays can be converted to Python scalars")
            raise ValueError("setting an array element with a sequence.") from why
        text = "could not broadcast input array from shape %s into shape %s"
        fail = broadcast.fail_with(ValueError, text, content.shape, target.shape_dims)
        content = broadcast.fitted(b, content, target.shape_dims, fail)
    else:
        content = b.fill(content, target.shape_dims)
    target.write(content)


def contents(value: Any, dtype: DType) -> Value:
    """What assignment stores for ``value``: its elements in ``dtype``."""
    b = current().builder
    if isinstance(value, ArrayTracer):
        return b.cast(value.read(), dtype)
    if isinstance(value, ScalarTracer) or alternative_of(value) is not None:
        return converted_scalar(b, value, dtype)
    if isinstance(value, np.ndarray):
        return b.cast(box_of(value).read(), dtype)
    if isinstance(value, (list, tuple)):
        from tracejit.trace.numpy_api import creation

        return creation.array(value, dtype=dtype).read()
    # anything else NumPy refuses in its own words
    converted = np.zeros((), dtype)
    converted[()] = value
    return b.const(converted[()], dtype)


def converted_scalar(b: Builder, x: Any, dtype: DType) -> Value:
    """A scalar as an element of an array of ``dtype``, with the errors of an assignment."""
    if not isinstance(x, ScalarTracer):
        element = np.zeros((), dtype)
        with np.errstate(all="ignore"):
            element[()] = x
        return b.const(element[()], dtype)
    result: Value | None = None
    for guard, alternative, operand in cases_of(b, x):
        value = _converted(b, operand, alternative, dtype, guard)
        result = value if result is None or guard is None else b.apply(E.select, guard, value, result)
    assert result is not None
    return result


def _converted(b: Builder, x: Operand, alternative: Alternative, dtype: DType, guard: Guard) -> Value:
    kind, source = alternative
    if kind == "python" and source.kind == "c" and dtype.kind in "iuf":
        converter = float if dtype.kind == "f" else int
        if guard is None:
            raise pynumbers.failure_of(converter, 1j)
        pynumbers.check_as(b, b.const(False, bool), guard, converter, 1j)
    if dtype.kind not in "iu":
        return x.as_(dtype)
    if source.kind == "i" and kind == "python":
        return checked_python_int(b, x.as_(INT64), dtype, guard) if dtype != INT64 else x.as_(INT64)
    if source == FLOAT64:
        # np.float64 is a Python float, so both are converted as int(x) is
        whole = pynumbers.to_int(b, x.as_(FLOAT64), guard, text=pynumbers.C_LONG)
        if kind == "python" and dtype != INT64:
            return checked_python_int(b, whole, dtype, guard)
        return b.cast(whole, dtype)
    return x.as_(dtype)
