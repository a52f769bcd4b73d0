"""Exceptions that the compiled program raises: what ``raise`` under a traced condition becomes."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

from tracejit.errors import CaptureError, TracejitError
from tracejit.ir.core import Value
from tracejit.ir.loc import Loc
from tracejit.ir.types import BOOL
from tracejit.ops.control import Format, Nested, Slot, new_exception
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import Context
from tracejit.trace.either import Either, describe
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.strings import TracedString, holds_traced
from tracejit.trace.templates import parts_of, rebuild, structure_of
from tracejit.trace.tracer import Alternative, Tracer


def emit_raise(context: Context, error: BaseException, loc: Loc) -> None:
    """End the open block by raising ``error`` (an exception whose arguments may be traced)."""
    payload: list[Value] = []
    more: dict[str, Any] = {}
    try:
        args = tuple(_template(a, payload) for a in error.args)
        state = _state(error)
        if state is not None:
            more["state"] = run_time_part(state, payload)
        if error.__suppress_context__:  # raise ... from ...
            more["cause"] = _cause(error.__cause__, payload)
    except TracejitError as refusal:
        refusal.loc = loc
        raise
    b = context.builder
    b.loc = loc
    b.check(b.const(False, BOOL), type(error), args, payload, **more)


def _state(error: BaseException) -> dict[str, Any] | None:
    """The attributes of an exception that a call of its class with its arguments might not give it."""
    state = vars(error)
    return state if state or isinstance(type(error).__init__, types.FunctionType) else None


def _cause(cause: BaseException | None, payload: list[Value]) -> Any:
    """What makes an exception that another one is raised from."""
    if cause is None:
        return None
    kind, state = type(cause), _state(cause)
    items = tuple(run_time_part(x, payload) for x in (list(cause.args), state))
    return Nested(lambda made: new_exception(kind, *made), items)


def _template(argument: Any, payload: list[Value]) -> Any:
    if isinstance(argument, str):
        return argument.replace("{", "{{").replace("}", "}}")
    return run_time_part(argument, payload)


def _number(alternatives: tuple[Alternative, ...], made: Sequence[Any]) -> Any:
    """A number held with others in one dtype as what it is: ``made`` is its value and which alternative it is."""
    held, which = made
    kind, dtype = alternatives[which]
    number = held.astype(dtype)[()]
    return number.item() if kind == "python" else number


def run_time_part(x: Any, operands: list[Value], arrays: bool = False) -> Any:
    """An object as a part of a ``print`` or an argument of an exception; numbers in it become ``operands``."""
    if isinstance(x, ScalarTracer):
        if x.selector is not None:
            alternatives = x.alternatives
            operands += [x.value, x.selector]
            items = (Slot(len(operands) - 2, "array"), Slot(len(operands) - 1, "python"))
            return Nested(lambda made: _number(alternatives, made), items)
        operands.append(x.value)
        return Slot(len(operands) - 1, x.alternatives[0][0])
    if isinstance(x, TracedString):
        parts = [p if isinstance(p, str) else (run_time_part(p[0], operands, arrays), *p[1:]) for p in x.parts()]
        return Format(tuple(parts))
    if isinstance(x, ArrayTracer) and arrays:
        operands.append(x.read())
        return Slot(len(operands) - 1, "array")
    if isinstance(x, Either):
        operands.append(x.selector)
        options = (Slot(len(operands) - 1, "python"), *(run_time_part(o, operands, arrays) for o in x.options))
        return Nested(lambda made: made[1 + made[0]], options)
    if isinstance(x, Tracer):
        raise CaptureError(
            f"an exception cannot carry {describe(x)} that is computed when the program runs",
            hint="numbers of it in the exception, such as x.max()",
        )
    structure = structure_of(x)
    if structure is not None and holds_traced(x):
        kind, keys = structure
        items = tuple(run_time_part(p, operands, arrays) for p in parts_of(x))
        return Nested(lambda made: rebuild(kind, keys, made), items)
    return x
