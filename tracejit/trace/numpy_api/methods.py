"""Attributes and methods of ``ndarray``: most are the NumPy function of the same name."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.trace import assignment, conversions, promotion
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.numpy_api import find, shaping, ufuncs
from tracejit.trace.numpy_api.arguments import order_like
from tracejit.trace.numpy_api.table import METHODS, PROPERTIES, method
from tracejit.trace.numpy_api.table import attribute as attribute_of
from tracejit.trace.scalars import numpy_scalar
from tracejit.trace.tracer import OUTSIDE


def attribute(x: ArrayTracer, name: str) -> Any:
    """``getattr(x, name)``."""
    get = PROPERTIES.get(name)
    if get is not None:
        return get(x)
    found = find(METHODS, name)
    if found is not None:
        return partial(found, x)
    if hasattr(np.ndarray, name):
        raise UnsupportedError(f"ndarray.{name} is not supported yet", hint=OUTSIDE)
    raise AttributeError(f"'numpy.ndarray' object has no attribute '{name}'")


@method("astype")
def astype(
    x: ArrayTracer, dtype: Any, order: str = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
) -> ArrayTracer:
    """``x.astype(dtype)``."""
    target = promotion.canonical(dtype)
    if not np.can_cast(x.dtype, target, casting):
        text = f"Cannot cast array data from {x.dtype!r} to {target!r} according to the rule {casting!r}"
        raise TypeError(text)
    if not copy and target == x.dtype:
        return x
    b = current().at()
    return ArrayTracer(b.cast(x.read(), target), order_like(x) if order in "KA" else order)


@method("copy", "__copy__")
def copy(x: ArrayTracer, order: str = "C") -> ArrayTracer:
    """``x.copy()``."""
    current().at()
    return ArrayTracer(x.read(), order_like(x) if order in "KA" else order)


@method("fill")
def fill(x: ArrayTracer, value: Any) -> None:
    """``x.fill(value)``."""
    current().at()
    assignment.assign(x, value)


@method("item")
def item(x: ArrayTracer, *index: Any) -> Any:
    """``x.item(...)``: the only element, or the one at an index, as a Python number."""
    b = current().at()
    if not index:
        text = "can only convert an array of size 1 to a Python scalar"
        from tracejit.trace import dims

        dims.check(dims.eq(x.size_dim, 1), ValueError, text)
        return conversions.item(numpy_scalar(x.load_element((0,) * x.ndim)))
    if len(index) == 1 and not isinstance(index[0], tuple):
        flat = b.reshape(x.read(), (x.size_dim,)) if x.ndim != 1 else x.read()
        return conversions.item(ArrayTracer(flat)[index[0]])
    return conversions.item(x[index[0] if len(index) == 1 else index])


@method("tolist")
def tolist(x: ArrayTracer) -> Any:
    """``x.tolist()``: nested lists of traced Python numbers; the shape must be known while tracing."""
    current().at()
    if not x.ndim:
        return item(x)
    n = x.shape[0]
    if not isinstance(n, int):
        raise n._needs("the length of the list")
    return [tolist(row) if isinstance(row, ArrayTracer) else conversions.item(row) for row in (x[k] for k in range(n))]


@method("clip")
def clip(x: ArrayTracer, min: Any = None, max: Any = None, out: Any = None) -> Any:
    """``x.clip(min, max)``."""
    return ufuncs.clip(x, min, max, out)


@method("round")
def round(x: ArrayTracer, decimals: Any = 0, out: Any = None) -> Any:
    """``x.round(decimals)``."""
    return ufuncs.rounded(x, decimals, out)


@method("conj", "conjugate")
def conj(x: ArrayTracer) -> Any:
    """``x.conj()``: of real arrays it is the array itself."""
    return ufuncs.call(np.conjugate, x) if x.dtype.kind == "c" else x


@method("setflags")
def setflags(x: ArrayTracer, write: Any = None, align: Any = None, uic: Any = None) -> None:
    """``x.setflags(write=False)`` of an array made in the program."""
    if write is None or x.input_index is not None or x.root.input_index is not None:
        raise UnsupportedError("setflags is supported for write= of arrays made in the compiled function only")
    x.writeable = bool(write)


@attribute_of("T")
def _transposed(x: ArrayTracer) -> ArrayTracer:
    return shaping.transpose(x)


@attribute_of("mT")
def _matrix_transposed(x: ArrayTracer) -> ArrayTracer:
    if x.ndim < 2:
        raise ValueError("matrix transpose with ndim < 2 is undefined")
    return shaping.swapaxes(x, -1, -2)


@attribute_of("flat")
def _flat(x: ArrayTracer) -> ArrayTracer:
    """``x.flat`` of an array whose elements lie in C order; it is used like a one-dimensional view."""
    flat = shaping.ravel(x)
    if flat.root is not x.root:
        raise UnsupportedError("flat of an array that is not C-contiguous is not supported", hint="x.ravel()")
    return flat


@attribute_of("base")
def _base(x: ArrayTracer) -> Any:
    return x.root if x.lenses else None
