"""Python's builtin functions for traced values. (``range``, ``zip`` and the like belong to loops.)"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from tracejit.errors import CaptureError, UnsupportedError
from tracejit.ir.core import Block, Value
from tracejit.ir.types import BOOL, FLOAT64, INDEX, INT64
from tracejit.ops import control, reduction
from tracejit.ops import elementwise as E
from tracejit.trace import conversions, dims, promotion, strings
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.numpy_api.table import has_traced, implements
from tracejit.trace.samples import sample
from tracejit.trace.scalars import (
    ScalarTracer,
    alternatives_of,
    as_tracer,
    binary,
    chosen,
    is_scalar,
    numpy_scalar,
    python_scalar,
    select_scalar,
    type_of,
)
from tracejit.trace.tracer import Tracer

COMPENSATED = sys.version_info >= (3, 12)
COMPENSATED_INTS = sys.version_info >= (3, 14)
UNROLL = 8  # the longest array that min, max and sum go through without a loop


@implements(len)
def len_(x: Any, /) -> Any:
    """``len(x)``."""
    if isinstance(x, ArrayTracer):
        return x.length()
    return len(x)


def _number(x: Any) -> Any:
    return conversions.only_scalar(x) if isinstance(x, ArrayTracer) else x


@implements(int)
def int_(x: Any = 0, /, *args: Any, **kwargs: Any) -> Any:
    """``int(x)``."""
    x = _number(x)
    if args or kwargs or not isinstance(x, ScalarTracer):
        return int(x, *args, **kwargs)
    return conversions.to_int(x)


@implements(float)
def float_(x: Any = 0.0, /) -> Any:
    """``float(x)``."""
    x = _number(x)
    return conversions.to_float(x) if isinstance(x, ScalarTracer) else float(x)


@implements(bool)
def bool_(x: Any = False, /) -> Any:
    """``bool(x)``."""
    if isinstance(x, (ScalarTracer, ArrayTracer)):
        return python_scalar(conversions.truth(x))
    return bool(x)


@implements(complex)
def complex_(real: Any = 0, imag: Any = None) -> Any:
    """``complex(real, imag)``."""
    real, imag = _number(real), _number(imag)
    if not is_scalar(real) or not (imag is None or is_scalar(imag)):
        return complex(real) if imag is None else complex(real, imag)
    result = conversions.to_complex(real)
    if imag is None:
        return result
    # z + 1j * w, without the products of zeros that would lose signs and infinities
    b = current().at()
    other = conversions.to_complex(imag).value
    z = result.value
    re = b.apply(E.real, z) if _is_real(imag) else b.apply(E.sub, b.apply(E.real, z), b.apply(E.imag, other))
    im = b.apply(E.real, other) if _is_real(real) else b.apply(E.add, b.apply(E.imag, z), b.apply(E.real, other))
    return python_scalar(b.apply(E.make_complex, re, im))


def _is_real(x: Any) -> bool:
    return bool(as_tracer(x).value.dtype.kind != "c")


@implements(str, always=True)
def str_(x: Any = "", /, *args: Any, **kwargs: Any) -> Any:
    """``str(x)``."""
    return str(x, *args, **kwargs) if args or kwargs else strings.text(x, "!s")


@implements(repr, always=True)
def repr_(x: Any, /) -> Any:
    """``repr(x)``."""
    return strings.text(x, "!r")


@implements(ascii, always=True)
def ascii_(x: Any, /) -> Any:
    """``ascii(x)``."""
    return strings.text(x, "!a")


@implements(format, always=True)
def format_(x: Any, spec: Any = "", /) -> Any:
    """``format(x, spec)``."""
    return strings.text(x, "", spec)


# --- types ----------------------------------------------------------------------------------------


@implements(isinstance)
def isinstance_(x: Any, cls: Any, /) -> Any:
    """``isinstance(x, cls)``: of the object that ``x`` stands for."""
    if isinstance(x, ArrayTracer):
        return isinstance(sample(x), cls)
    if isinstance(x, strings.TracedString):
        return isinstance("", cls)
    if not isinstance(x, ScalarTracer):
        return isinstance(x, cls)
    isinstance(0, cls)  # raises what Python raises if that is no class
    answers = [issubclass(type_of(a), cls) for a in x.alternatives]
    if all(answers) or not any(answers):
        return answers[0]
    b = current().at()
    result: Value = b.const(False, BOOL)
    for k, answer in enumerate(answers):
        if answer:
            is_this = chosen(b, x, k)
            assert is_this is not None
            result = b.apply(E.or_, result, is_this)
    return python_scalar(result)


@implements(type)
def type_(x: Any, /, *args: Any, **kwargs: Any) -> Any:
    """``type(x)``: of the object that ``x`` stands for."""
    if args or kwargs:
        return type(x, *args, **kwargs)
    if isinstance(x, ArrayTracer):
        return np.ndarray
    if isinstance(x, strings.TracedString):
        return str
    if not isinstance(x, ScalarTracer):
        return type(x)
    if x.is_mixed:
        names = " or ".join(type_of(a).__name__ for a in x.alternatives)
        raise CaptureError(
            f"the type of this number depends on the path taken: it is {names}",
            hint="isinstance(x, ...), or one type on all paths, for example by float(x)",
        )
    return type_of(x.alternatives[0])


@implements(callable)
def callable_(x: Any, /) -> bool:
    """``callable(x)``."""
    return False if isinstance(x, (ScalarTracer, ArrayTracer)) else callable(x)


# --- extremes and sums ----------------------------------------------------------------------------


def _items(iterable: Any) -> list[Any]:
    if isinstance(iterable, ArrayTracer):
        n = iterable.length()
        if not isinstance(n, int):
            raise n._needs("the number of items")
        return [iterable[k] for k in range(n)]
    return list(iterable)


def _extreme(name: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    comparison = "lt" if name == "min" else "gt"
    if len(args) == 1 and isinstance(args[0], ArrayTracer) and args[0].ndim == 1 and not kwargs:
        n = args[0].shape_dims[0]
        if not isinstance(n, int) or n > UNROLL:
            return _extreme_of_array(name, args[0])
    key, default = kwargs.get("key"), kwargs.get("default", _extreme)
    items = _items(args[0]) if len(args) == 1 else list(args)
    if not items:
        return function(items, **kwargs)
    if not has_traced(items) or set(kwargs) - {"default"} or (len(args) > 1 and default is not _extreme):
        if key is not None and has_traced(items):
            raise UnsupportedError(
                f"{name} with a key function is not supported yet for values that are known only at run time",
                hint="a 'for' statement that compares the keys",
            )
        return function(*args, **kwargs) if len(args) > 1 else function(items, **kwargs)
    if not all(is_scalar(x) for x in items):
        return function(items)
    best = items[0]
    for x in items[1:]:
        # as Python does: the later item, if it is beyond
        best = select_scalar(conversions.truth(as_tracer(compare(comparison, x, best))), x, best)
    return best


def compare(name: str, x: Any, y: Any) -> Any:
    """A comparison of two scalars, traced or not."""
    if isinstance(x, Tracer) or isinstance(y, Tracer):
        return binary(name, x, y)
    return x < y if name == "lt" else x > y


def _extreme_of_array(name: str, x: ArrayTracer) -> Any:
    """``min(x)``: the elements one after the other, as Python compares them."""
    context = current()
    b = context.at()
    (n,) = x.shape_dims
    dims.check(dims.gt(n, 0), ValueError, _empty_text(name))
    contents = x.read()
    body = Block()
    i = body.add_param(INDEX)
    best = body.add_param(contents.type.with_shape(()))  # type: ignore[union-attr]
    context.nonnegative.add(i)
    with context.region(body):
        here = b.view(contents, (), (i,), (), ())
        b.yield_(b.apply(E.select, b.apply(E.lt if name == "min" else E.gt, here, best), here, best))
    first = b.view(contents, (), (0,), (), ())
    operands = [b.index(1), b.index(n), b.index(1), first]
    return numpy_scalar(b.emit(control.for_, operands, (best.type,), None, (body,))[0])


def _empty_text(name: str) -> str:
    try:
        getattr(builtins, name)(())
    except ValueError as error:
        return str(error)
    raise AssertionError(name)


@implements(min)
def min_(*args: Any, **kwargs: Any) -> Any:
    """``min(...)``."""
    return _extreme("min", min, args, kwargs)


@implements(max)
def max_(*args: Any, **kwargs: Any) -> Any:
    """``max(...)``."""
    return _extreme("max", max, args, kwargs)


@implements(sum)
def sum_(iterable: Any, /, start: Any = 0) -> Any:
    """``sum(...)``: from left to right."""
    if isinstance(iterable, ArrayTracer):
        if not iterable.ndim:
            raise TypeError("iteration over a 0-d array")
        n = iterable.shape_dims[0]
        if not isinstance(n, int) or n > UNROLL:
            return _sum_of_array(iterable, start)
    return summed(_items(iterable), start, COMPENSATED)


def summed(items: Sequence[Any], start: Any, compensated: bool) -> Any:
    """``sum(items, start)``; from Python 3.12 on, sums of floats are compensated."""
    result, rest = start, iter(items)
    if compensated:
        if _is_int(result):
            for x in rest:
                result = result + x
                if not _is_int(x):
                    break
        if _is(result, (FLOAT64,)):
            result, rest = _compensated_sum(result, list(rest))
    for x in rest:
        result = result + x
    return result


def _is(x: Any, dtypes: Sequence[Any]) -> bool:
    """Whether ``x`` is a Python number of one of ``dtypes``."""
    return is_scalar(x) and all(kind == "python" and dtype in dtypes for kind, dtype in alternatives_of(x))


def _is_int(x: Any) -> bool:
    return _is(x, (BOOL, INT64))


def _compensated_sum(start: Any, items: list[Any]) -> tuple[ScalarTracer, Iterator[Any]]:
    """Neumaier's sum of the numbers that ``items`` begins with, and the other items."""
    b = current().at()
    total = as_tracer(start).value
    lost = b.const(0.0, FLOAT64)
    rest = iter(items)
    for x in rest:
        if _is(x, (FLOAT64,)) or (_is_int(x) and COMPENSATED_INTS):
            value = b.cast(as_tracer(x).value, FLOAT64)
            following = b.apply(E.add, total, value)
            kept = b.apply(E.ge, b.apply(E.abs, total), b.apply(E.abs, value))
            large, small = b.apply(E.select, kept, total, value), b.apply(E.select, kept, value, total)
            lost = b.apply(E.add, lost, b.apply(E.add, b.apply(E.sub, large, following), small))
            total = following
        elif _is_int(x):
            total = b.apply(E.add, total, b.cast(as_tracer(x).value, FLOAT64))
        else:
            rest = chain((x,), rest)
            break
    # what was lost is infinite where the sum is; and adding 0.0 would turn -0.0 into 0.0
    some = b.apply(E.and_, b.apply(E.isfinite, lost), b.apply(E.ne, lost, b.const(0.0, FLOAT64)))
    whole = b.apply(E.select, some, b.apply(E.add, total, lost), total)
    return python_scalar(whole), rest


def _sum_of_array(x: ArrayTracer, start: Any) -> Any:
    if x.ndim > 1:
        n = x.shape_dims[0]
        if not isinstance(n, int):
            raise UnsupportedError(
                "sum of the rows of an array whose length is known at run time only", hint="x.sum(axis=0)"
            )
        return np.add(start, np.sum(x, axis=0, dtype=_sum_dtype(x, start)))
    context = current()
    b = context.at()
    (n,) = x.shape_dims
    dtype = _sum_dtype(x, start)
    contents = x.read()
    body = Block()
    i = body.add_param(INDEX)
    begin = as_tracer(start)
    total = body.add_param(begin.value.type.with_dtype(dtype))  # type: ignore[union-attr]
    context.nonnegative.add(i)
    with context.region(body):
        here = b.cast(b.view(contents, (), (i,), (), ()), dtype)
        b.yield_(b.apply(E.add, total, here))
    operands = [b.index(0), b.index(n), b.index(1), b.cast(begin.value, dtype)]
    result = numpy_scalar(b.emit(control.for_, operands, (total.type,), None, (body,))[0])
    if isinstance(n, int):
        return result
    return select_scalar(dims.predicate(dims.gt(n, 0)), result, begin)


def _sum_dtype(x: ArrayTracer, start: Any) -> Any:
    from tracejit.trace.numpy_api.ufuncs import specs_of

    (spec,) = specs_of(start)
    return promotion.resolve(np.add, (spec, x.dtype))[-1]


def _truths(iterable: Iterable[Any]) -> tuple[list[Value], list[Any]]:
    traced: list[Value] = []
    known: list[Any] = []
    for x in iterable:
        if isinstance(x, (ScalarTracer, ArrayTracer)):
            traced.append(conversions.truth(x))
        else:
            known.append(x)
    return traced, known


def _any_all(function: Any, iterable: Any) -> Any:
    decisive = function is any
    if isinstance(iterable, ArrayTracer):
        if iterable.ndim == 1:
            b = current().at()
            primitive = reduction.reduce_any if decisive else reduction.reduce_all
            return python_scalar(b.reduce(primitive, b.cast(iterable.read(), BOOL), (0,)))
        iterable = _items(iterable)
    traced, known = _truths(iterable)
    if any(known) if decisive else not all(known):
        return decisive
    if not traced:
        return not decisive
    b = current().at()
    result = traced[0]
    for t in traced[1:]:
        result = b.apply(E.or_ if decisive else E.and_, result, t)
    return python_scalar(result)


@implements(any)
def any_(iterable: Any, /) -> Any:
    """``any(...)``."""
    return _any_all(any, iterable)


@implements(all)
def all_(iterable: Any, /) -> Any:
    """``all(...)``."""
    return _any_all(all, iterable)


@implements(sorted)
def sorted_(iterable: Any, /, *, key: Any = None, reverse: bool = False) -> Any:
    """``sorted(...)``."""
    iter(iterable)  # raises what Python raises if that is not iterable
    raise UnsupportedError(
        "sorted is not supported yet for values that are known only at run time", hint="np.sort(np.array(items))"
    )
