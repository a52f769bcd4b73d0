"""Arguments of NumPy functions: arrays, axes, shapes, as they may be given."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.errors import CaptureError, UnsupportedError, a
from tracejit.ir.core import Value
from tracejit.ir.types import Dim
from tracejit.trace import conversions, dims, layout
from tracejit.trace.boxes import ArrayTracer, box_of
from tracejit.trace.context import current
from tracejit.trace.layout import Layout
from tracejit.trace.lenses import Dims
from tracejit.trace.scalars import ScalarTracer, numpy_scalar, type_name_of
from tracejit.trace.tracer import Tracer, alternative_of


def path_dependent(scalars: Sequence[ScalarTracer]) -> CaptureError:
    """The error for an array whose dtype would depend on the path that a scalar came by."""
    names = " or ".join(a(type_name_of(alternative)) for alternative in scalars[0].alternatives)
    return CaptureError(
        f"the dtype of this array depends on the path taken: a number in it is {names}",
        hint="one type on all paths, for example by float(x) or np.float64(x)",
    )


def as_array(x: Any) -> ArrayTracer:
    """``np.asarray(x)``."""
    if isinstance(x, ArrayTracer):
        return x
    b = current().builder
    if isinstance(x, ScalarTracer):
        if x.is_mixed and len({d for _, d in x.alternatives}) > 1:
            raise path_dependent([x])
        return ArrayTracer(x.value)
    if isinstance(x, np.ndarray):
        return box_of(x)
    alternative = alternative_of(x)
    if alternative is not None:
        return ArrayTracer(b.const(x, alternative[1]))
    from tracejit.trace.numpy_api import creation

    return creation.array(x)


def axis_of(axis: Any, rank: int, name: str | None = None) -> int:
    """One axis, counted from the start; ``name`` is the argument that NumPy's error mentions."""
    if isinstance(axis, Tracer):
        raise axis._needs("the axis as a Python int")
    k = operator.index(axis)
    if not -rank <= k < rank:
        raise np.exceptions.AxisError(k, rank, name)
    return k % rank


def axes_of(axis: Any, rank: int) -> tuple[int, ...]:
    """``axis=`` of a reduction: None (all), one or several; ascending."""
    if axis is None:
        return tuple(range(rank))
    if not isinstance(axis, (tuple, list)):
        return (axis_of(axis, rank),)
    axes = [axis_of(a, rank) for a in axis]
    if len(set(axes)) != len(axes):
        raise ValueError("duplicate value in 'axis'")
    return tuple(sorted(axes))


def shape_of(shape: Any) -> Dims:
    """A shape argument: an int or several, traced or not."""
    if isinstance(shape, ArrayTracer):
        if shape.ndim:
            raise UnsupportedError("an array as a shape is not supported", hint="a tuple of ints")
        entries: Sequence[Any] = (shape,)
    elif isinstance(shape, (tuple, list)):
        entries = shape
    elif isinstance(shape, np.ndarray):
        entries = shape.tolist() if shape.ndim else (shape.item(),)
    else:
        entries = (shape,)
    result: list[Dim] = []
    for entry in entries:
        d = conversions.index_dim(entry)
        dims.check(dims.ge(d, 0), ValueError, "negative dimensions are not allowed")
        if not isinstance(d, int):
            current().assume_nonnegative(d)
        result.append(d)
    return tuple(result)


def shape_arguments(args: Sequence[Any]) -> Any:
    """``x.reshape(2, 3)`` and ``x.reshape((2, 3))`` alike."""
    return args[0] if len(args) == 1 else tuple(args)


def scalar_or_array(value: Value, order: Any = "C") -> Any:
    """A result as NumPy returns it: of rank 0 it is a scalar."""
    return ArrayTracer(value, order) if value.type.shape else numpy_scalar(value)


def order_like(*operands: ArrayTracer) -> Any:
    """The memory order of a new array that NumPy lays out like its operands (``order="K"``)."""
    if all(x.is_plain for x in operands):
        return "C"
    rank = max(x.ndim for x in operands)
    if rank <= 1:
        return "C"
    shapes = [(x.shape_dims, x) for x in operands]

    def order(shape: Dims) -> Layout:
        found = layout.keep_order(rank, [(s, x.layout) for s, x in shapes])
        return layout.unknown(rank) if found is None else layout.contiguous(shape, found)

    return order


def check_writeable(x: ArrayTracer, what: str) -> None:
    """Raise what NumPy raises when a function writes into a read-only array that it calls ``what``."""
    if not x.writeable:
        raise ValueError(f"{what} is read-only")


def static_int(x: Any, what: str) -> int:
    """An argument that must be known while tracing."""
    if isinstance(x, Tracer):
        raise x._needs(what)
    return operator.index(x)


def reject(function: str, **options: Any) -> None:
    """Refuse options that differ from their defaults (given as ``name=(value, default)``)."""
    for name, (value, default) in options.items():
        if value is not default and not (isinstance(value, str) and value == default):
            raise UnsupportedError(f"{function}({name}=...) is not supported yet")
