"""Comprehensions over run-time lengths, as the direct argument of a function: ``np.array([f(v) for v in x])``,
``sum(...)``.

Over what Python can iterate, they run as in Python. Where items would have to be counted at run time, the loop is
recorded: the functions below stand for it, and are compiled as if the user had written them.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit.errors import CaptureError
from tracejit.ir.types import INDEX
from tracejit.trace import calls
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.control import Arm, control
from tracejit.trace.either import describe
from tracejit.trace.iterables import Staged, from_counter, staged
from tracejit.trace.scalars import ScalarTracer, from_dim
from tracejit.trace.tracer import abstract

# --- what stands for the loops: compiled as user code
# ----------------------------------------------------------------------


def _sum(items: Any, each: Any, keep: Any, start: Any) -> Any:
    total = start
    for item in items:
        if keep is None or keep(item, item):
            total = total + each(item, item)
    return total


def _any(items: Any, each: Any, keep: Any) -> Any:
    for item in items:
        if keep is None or keep(item, item):
            if each(item, item):
                return True
    return False


def _all(items: Any, each: Any, keep: Any) -> Any:
    for item in items:
        if keep is None or keep(item, item):
            if not each(item, item):
                return False
    return True


def _best(items: Any, each: Any, keep: Any, better: Any, message: str) -> Any:
    found = False
    best = None
    for item in items:
        if keep is None or keep(item, item):
            value = each(item, item)
            if not found:
                found = True
                best = value
            elif better(value, best):
                best = value
    if not found:
        raise ValueError(message)
    return best


def _fill(out: Any, items: Any, each: Any, convert: Any) -> None:
    for k, item in enumerate(items):
        out[k] = convert(each(item, item))


def _greater(a: Any, b: Any) -> Any:
    return a > b


def _less(a: Any, b: Any) -> Any:
    return a < b


# --- choosing
# ------------------------------------------------------------------------------------------------------------------


def comprehend(
    call: Callable[..., Any],
    function: Any,
    items: Any,
    each: Any,
    keep: Any,
    lazy: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """``function(each(i) for i in items if keep(i))``, with ``lazy`` False for a list comprehension."""
    if function is builtins.sum and len(args) <= 1 and not kwargs.keys() - {"start"}:
        return _as_user(_sum, items, each, keep, args[0] if args else kwargs.get("start", 0))
    if function is builtins.any or function is builtins.all:
        return _as_user(_any if function is builtins.any else _all, items, each, keep)
    if function in (builtins.max, builtins.min) and not args and not kwargs:
        better = _greater if function is builtins.max else _less
        return _as_user(_best, items, each, keep, better, f"{function.__name__}() iterable argument is empty")
    loop = staged(items)
    if loop is not None and (loop.static_length is None or loop.static_length > control().options.unroll):
        made = _recorded(function, loop, each, keep, args, kwargs)
        if made is not NotImplemented:
            return made
    listed = [each(i, i) for i in items if keep is None or keep(i, i)]
    return call(function, iter(listed) if lazy else listed, *args, **kwargs)


def _recorded(function: Any, items: Staged, each: Any, keep: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if keep is None and function in (np.array, np.asarray) and not kwargs.keys() - {"dtype"} and len(args) <= 1:
        dtype = args[0] if args else kwargs.get("dtype")
        return _array(items, each, None if dtype is None else np.dtype(dtype))
    if keep is None and function is np.stack and not args and not kwargs:
        return _array(items, each, None)
    if items.static_length is None:
        raise CaptureError(
            "a comprehension over a length known at run time only can be the argument of np.array, np.stack, sum, min, "
            "max, any or all, and of nothing else",
            hint="fill an array in a 'for' loop: out = np.empty(n)",
        )
    return NotImplemented


def _as_user(function: Any, *args: Any) -> Any:
    return calls.routine(function)(*args)


def _array(items: Staged, each: Any, dtype: np.dtype[Any] | None) -> Any:
    """``np.array([each(i) for i in items])``."""
    element = _element(items, each)
    if element is None:
        return NotImplemented
    shape, own, nested = element
    out_dtype = own if dtype is None else dtype
    from tracejit.trace.numpy_api import lookup

    empty = lookup(np.empty)
    assert empty is not None
    length = items.length if isinstance(items.length, int) else from_counter(items.length)
    out = empty((length, *shape), out_dtype)
    _as_user(_fill, out, items, each, np.array if nested else _same)
    return out


def _same(x: Any) -> Any:
    return x


def _element(items: Staged, each: Any) -> tuple[tuple[Any, ...], np.dtype[Any], bool] | None:
    """Shape and dtype of the elements, and whether they are lists, found out by recording one that is thrown away."""
    c = control()
    arm = Arm(c)
    arm.open()
    try:
        item = items.item(from_dim(arm.block.add_param(INDEX)))
        value = each(item, item)
        nested = isinstance(value, (list, tuple))
        if nested:
            value = calls.call(np.array, (value,), {})
    except Exception as error:
        if not arm.caught(error):
            raise
        arm.abandon()
        return None
    found = abstract(value)
    shape: tuple[Any, ...] = ()
    if isinstance(value, ArrayTracer):
        if any(not isinstance(d, int) and d.block is arm.block for d in value.shape_dims):
            raise CaptureError(
                "the rows of this array have lengths that are known at run time only",
                hint="rows of one length, filled in a 'for' loop: out = np.zeros((n, longest))",
            )
        shape = value.shape
    elif not isinstance(value, ScalarTracer) and found is None:
        raise CaptureError(
            f"an item of this array is {describe(value)}, and compiled code has arrays of numbers only",
            hint="a list of as many items as are known while compiling",
        )
    arm.abandon()
    assert found is not None
    return shape, found.dtype, nested
