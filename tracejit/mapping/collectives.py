"""Functions that look across lanes, as ops of the program that calls them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from tracejit.errors import BatchError
from tracejit.ir.core import Value
from tracejit.ir.types import FLOAT64, INT64, ArrayType
from tracejit.mapping.frames import Frame, find
from tracejit.ops import collective
from tracejit.ops import elementwise as e
from tracejit.ops.primitive import Primitive
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.tracer import lift
from tracejit.trace.trees import is_number, kind_of, mapped


def _axis_index(axis_name: Hashable) -> Any:
    found = find(axis_name, "axis_index")
    return ScalarTracer(current().at().apply(collective.axis_index, axis=found.axis), (("python", INT64),))


def _on_leaves(name: str, compute: Callable[[Frame, Value], Value]) -> Callable[..., Any]:
    def function(x: Any, axis_name: Hashable) -> Any:
        found = find(axis_name, name)

        def change(leaf: Any, path: str) -> Any:
            if not is_number(leaf):
                raise BatchError(f"{name} takes numbers and arrays, and {path or 'its argument'} is {kind_of(leaf)}")
            value = compute(found, lift(leaf))
            is_array = value.rank or isinstance(leaf, (ArrayTracer, np.ndarray))
            return ArrayTracer(value) if is_array else ScalarTracer(value, (("numpy", value.dtype),))

        return mapped(change, x)

    return function


def _combined(primitive: Primitive) -> Callable[[Frame, Value], Value]:
    def compute(found: Frame, x: Value) -> Value:
        b = current().at()
        if x.dtype.kind == "b" and primitive is collective.psum:
            x = b.cast(x, INT64)
        return b.apply(primitive, x, axis=found.axis)

    return compute


def _mean(found: Frame, x: Value) -> Value:
    b = current().at()
    if x.dtype.kind in "biu":
        x = b.cast(x, FLOAT64)
    total = b.apply(collective.psum, x, axis=found.axis)
    size = b.cast(b.index(found.size), x.dtype)
    return b.apply(e.div, total, b.fill(size, total.shape))


def _gathered(found: Frame, x: Value) -> Value:
    t = ArrayType(x.dtype, (found.size, *x.shape))
    return current().at().emit(collective.all_gather, (x,), (t,), {"axis": found.axis})[0]


COLLECTIVES: dict[str, Callable[..., Any]] = {
    "axis_index": _axis_index,
    "psum": _on_leaves("psum", _combined(collective.psum)),
    "pmean": _on_leaves("pmean", _mean),
    "pmax": _on_leaves("pmax", _combined(collective.pmax)),
    "pmin": _on_leaves("pmin", _combined(collective.pmin)),
    "all_gather": _on_leaves("all_gather", _gathered),
}
