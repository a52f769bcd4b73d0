"""Runs plain functions on tracers of their arguments and interprets the ops: the data side without any control flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit.errors import TracejitError
from tracejit.ir.core import Block, Function, Value
from tracejit.ir.types import INT64, ArrayType
from tracejit.ops.interpret import interpret
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import Context, is_tracing
from tracejit.trace.numpy_api import lookup
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.tracer import alternative_of, lift


class _Raise(Exception):
    """Carries an exception that was raised while recording to the place where it belongs."""


class Dynamic:
    """An array argument whose dimensions along ``axes`` (default: all) are known at run time only."""

    def __init__(self, array: np.ndarray, axes: Sequence[int] | None = None) -> None:
        self.array = np.asarray(array)
        self.axes = range(self.array.ndim) if axes is None else axes


def traced(function: Callable[..., Any], *arguments: Any) -> Any:
    """What ``function(*arguments)`` gives when it is recorded and interpreted; arguments are updated in place.

    Scalars come back as scalars of their kind; tuples and lists are kept.
    """
    context = Context(Block())
    inputs: list[Any] = []
    with context:
        tracers = [_parameter(context, a, inputs) for a in arguments]
        try:
            result = function(*tracers)
        except TracejitError:
            raise
        except Exception as error:
            # it happens after the checks recorded so far
            context.builder.check(context.builder.const(False, bool), _Raise, (error,))
            result = None
        outputs: list[Value] = []
        rebuild = _flatten(context, result, outputs)
        arrays = [(a, t) for a, t in zip(arguments, tracers) if isinstance(t, ArrayTracer)]
        start = len(outputs)
        outputs += [t.read() for _, t in arrays]
        context.builder.return_(*outputs)
    program = Function("f", context.blocks[0])
    try:
        values = interpret(program, inputs)
    except _Raise as error:
        raise error.args[0] from None
    for (argument, _), final in zip(arrays, values[start:]):
        target = argument.array if isinstance(argument, Dynamic) else argument
        if target.flags.writeable:
            target[...] = final
    return rebuild(values)


def _parameter(context: Context, argument: Any, inputs: list[Any]) -> Any:
    block = context.blocks[0]
    alternative = alternative_of(argument)
    if alternative is not None:
        inputs.append(np.asarray(argument, alternative[1]))
        return ScalarTracer(block.add_param(ArrayType(alternative[1])), (alternative,))
    if isinstance(argument, (np.ndarray, Dynamic)):
        array = argument.array if isinstance(argument, Dynamic) else argument
        dims: list[Any] = list(array.shape)
        if isinstance(argument, Dynamic):
            for axis in argument.axes:
                dims[axis] = block.add_param(ArrayType(INT64))
                inputs.append(np.asarray(array.shape[axis]))
                context.nonnegative.add(dims[axis])
        inputs.append(array)
        return ArrayTracer(block.add_param(ArrayType(array.dtype, tuple(dims))))
    return argument


def _flatten(context: Context, result: Any, outputs: list[Value]) -> Callable[[list[Any]], Any]:
    if isinstance(result, (tuple, list)):
        parts = [_flatten(context, r, outputs) for r in result]
        return lambda values: type(result)(p(values) for p in parts)
    if isinstance(result, ScalarTracer):
        k = len(outputs)
        outputs.append(result.value)
        if result.selector is not None:
            outputs.append(result.selector)

        def scalar(values: list[Any]) -> Any:
            which = int(values[k + 1]) if result.selector is not None else 0
            kind, dtype = result.alternatives[which]
            value = np.asarray(values[k]).astype(dtype)
            return value.item() if kind == "python" else value[()]

        return scalar
    if isinstance(result, ArrayTracer):
        k = len(outputs)
        outputs.append(result.read())
        return lambda values: np.asarray(values[k])
    if isinstance(result, np.ndarray):
        outputs.append(lift(result))
    return lambda values: result


class Numpy:
    """``numpy`` as compiled code sees it: functions are replaced while tracing, as calls in a program are."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if is_tracing() and callable(function) and not isinstance(function, np.ufunc):
            return lookup(function) or function
        return function


def outcome(function: Callable[..., Any], *arguments: Any) -> tuple[str, Any, str]:
    """``("value", result, "")`` or ``("error", exception class, text)``."""
    try:
        with np.errstate(all="ignore"):
            return "value", function(*arguments), ""
    except Exception as error:
        cls = next(c for c in type(error).__mro__ if not c.__module__.startswith("numpy._"))
        return "error", cls, str(error)
