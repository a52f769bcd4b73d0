"""NumPy's scalar types as functions: ``np.float32(x)``, ``np.int64(x)``, ``np.bool_(x)``, ..."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tracejit.ir.core import Value
from tracejit.ir.types import DTYPES, FLOAT64, INT64
from tracejit.ops import elementwise as E
from tracejit.trace import promotion, pynumbers
from tracejit.trace.context import current
from tracejit.trace.numpy_api.arguments import as_array, scalar_or_array
from tracejit.trace.numpy_api.table import implements
from tracejit.trace.promotion import DType
from tracejit.trace.scalars import ScalarTracer, cases_of, checked_python_int, numpy_scalar


def construct(dtype: DType, x: Any = 0) -> Any:
    """``dtype.type(x)``: a NumPy scalar, or an array of an array."""
    b = current().at()
    if isinstance(x, ScalarTracer):
        result: Value | None = None
        for guard, (kind, source), operand in cases_of(b, x):
            if kind == "python" and source.kind == "c" and dtype.kind in "iuf":
                raise pynumbers.failure_of(float if dtype.kind == "f" else int, 1j)
            if kind == "python" and source == FLOAT64 and dtype.kind in "iu":
                value = pynumbers.to_int(b, operand.as_(FLOAT64), guard, text=pynumbers.C_LONG)
                value = value if dtype == INT64 else checked_python_int(b, value, dtype, guard)
            elif kind == "python" and source == INT64 and dtype.kind in "iu" and dtype != INT64:
                value = checked_python_int(b, operand.as_(INT64), dtype, guard)
            else:
                value = operand.as_(dtype)
            result = value if result is None or guard is None else b.apply(E.select, guard, value, result)
        assert result is not None
        return numpy_scalar(result)
    array = as_array(x)
    if array.dtype == dtype and array.ndim:
        return array
    return scalar_or_array(b.cast(array.read(), dtype))


def _install() -> None:
    for dtype in DTYPES.values():
        implements(dtype.type)(partial(construct, dtype))
    for cls in (np.longlong, np.ulonglong):
        implements(cls)(partial(construct, promotion.canonical(cls)))


_install()
