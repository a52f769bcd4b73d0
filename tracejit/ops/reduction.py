"""Reductions: one number out of all elements along some axes (attribute ``axes``, ascending, never negative)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tracejit.ir.types import INDEX, ArrayType, Type
from tracejit.lazy import LazyFunctions
from tracejit.ops.primitive import Attrs, Primitive, quiet

if TYPE_CHECKING:
    from tracejit.ops import linear
else:
    linear = LazyFunctions("tracejit.ops.linear")


def _reduced(types: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
    x = types[0]
    return (ArrayType(x.dtype, tuple(d for k, d in enumerate(x.shape) if k not in attrs["axes"])),)


def _reduction(name: str, function: Callable[..., Any], **rules: Any) -> Primitive:
    def evaluate(operands: Sequence[Any], attrs: Attrs, types: Sequence[ArrayType]) -> Any:
        return np.asarray(function(operands[0], axis=attrs["axes"]), dtype=types[0].dtype)

    return Primitive(name, "reduction", infer=_reduced, evaluate=quiet(evaluate), **rules)


reduce_sum = _reduction("reduce_sum", lambda x, axis: np.sum(x, axis=axis, dtype=x.dtype), transpose=linear.reduce_sum)
"""The sum in the operand's dtype (the front end casts first); bool is "or". Floats may be reassociated, with an error
at most that of NumPy's pairwise summation; 0 over an empty axis."""
reduce_prod = _reduction(
    "reduce_prod", lambda x, axis: np.prod(x, axis=axis, dtype=x.dtype), expand=linear.product_as_loop
)
reduce_min = _reduction("reduce_min", np.min, transpose=linear.extremum, jvp=linear.extremum_jvp)
"""NaN if any element is; the front end checks that no reduced axis is empty. Elements that are equal to the minimum
share the derivative equally."""
reduce_max = _reduction("reduce_max", np.max, transpose=linear.extremum, jvp=linear.extremum_jvp)
reduce_any = _reduction("reduce_any", np.any, derivative="zero")
"""Of bool arrays only."""
reduce_all = _reduction("reduce_all", np.all, derivative="zero")


def _arg_type(types: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
    x = types[0]
    return (ArrayType(INDEX.dtype, tuple(d for k, d in enumerate(x.shape) if k not in attrs["axes"])),)


def _arg_reduction(name: str, function: Callable[..., Any]) -> Primitive:
    def evaluate(operands: Sequence[Any], attrs: Attrs, types: Sequence[ArrayType]) -> Any:
        return np.asarray(function(operands[0], axis=attrs["axes"][0]), dtype=np.int64)

    return Primitive(name, "reduction", infer=_arg_type, evaluate=evaluate, derivative="zero")


argmin = _arg_reduction("argmin", np.argmin)
"""Index of the first minimum (of the first NaN, if any) along the one axis in ``axes``."""
argmax = _arg_reduction("argmax", np.argmax)
