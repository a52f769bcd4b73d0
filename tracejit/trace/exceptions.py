"""Exceptions that the compiled program raises: what ``raise`` under a traced condition becomes, and text with traced
parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracejit.errors import CaptureError, UnsupportedError
from tracejit.ir.core import Value
from tracejit.ir.loc import Loc
from tracejit.ir.types import BOOL
from tracejit.ops.control import Format, Nested, Slot
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import Context
from tracejit.trace.either import describe
from tracejit.trace.numpy_api.table import has_traced
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.templates import parts_of, rebuild, structure_of
from tracejit.trace.tracer import Alternative, Tracer

_CONVERSIONS = {-1: "", 114: "!r", 115: "!s", 97: "!a"}


class TracedString:
    """A str some parts of which are known at run time only: what an f-string gives.

    It can be printed or be the message of an exception.

    Attributes:
        parts: Strings, and ``(number, conversion, format spec)``.
    """

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[str | tuple[ScalarTracer, int, str], ...]) -> None:
        self.parts = parts

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise UnsupportedError(
            "a string with parts that are known at run time only can be printed or be the message of an exception, "
            "and nothing else"
        )

    __len__ = __getitem__ = __iter__ = __contains__ = __mod__ = __mul__ = __bool__ = _refuse
    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return "".join(p if isinstance(p, str) else "{...}" for p in self.parts)

    def __add__(self, other: Any) -> TracedString:
        return TracedString((*self.parts, *_parts(other)))

    def __radd__(self, other: Any) -> TracedString:
        return TracedString((*_parts(other), *self.parts))

    def __format__(self, spec: str) -> str:
        return str(self._refuse())


def _parts(x: Any) -> tuple[Any, ...]:
    if isinstance(x, TracedString):
        return x.parts
    if isinstance(x, str):
        return (x,)
    raise TypeError(f'can only concatenate str (not "{type(x).__name__}") to str')


def fstring(*pieces: Any) -> Any:
    """An f-string: constants, and ``(value, conversion, spec)``."""
    if not any(isinstance(p, tuple) and isinstance(p[0], (Tracer, TracedString)) for p in pieces):
        return "".join(p if isinstance(p, str) else _formatted(*p) for p in pieces)
    parts: list[Any] = []
    for p in pieces:
        if isinstance(p, tuple) and isinstance(p[0], TracedString):
            parts.extend(p[0].parts)
        elif isinstance(p, tuple) and isinstance(p[0], ScalarTracer):
            parts.append(p)
        elif isinstance(p, tuple) and isinstance(p[0], Tracer):
            raise UnsupportedError(
                f"formatting {describe(p[0])} into a string is not supported", hint="print it, or format its elements"
            )
        else:
            parts.append(p if isinstance(p, str) else _formatted(*p))
    return TracedString(tuple(parts))


def _formatted(value: Any, conversion: int, spec: str) -> str:
    converted = {-1: value, 114: repr, 115: str, 97: ascii}[conversion]
    return format(value if conversion == -1 else converted(value), spec)


def emit_raise(context: Context, error: BaseException, loc: Loc) -> None:
    """End the open block by raising ``error`` (an exception whose arguments may be traced)."""
    kind, args = constructor(error)
    payload: list[Value] = []
    templates = tuple(_template(a, payload) for a in args)
    b = context.builder
    b.loc = loc
    b.check(b.const(False, BOOL), kind, templates, payload)


def constructor(error: BaseException) -> tuple[type[BaseException], tuple[Any, ...]]:
    """A class and arguments that make an equal exception."""
    given = getattr(error, "__tracejit_args__", None)
    if given is not None:
        return type(error), tuple(given)
    return type(error), error.args


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
        parts = [
            p if isinstance(p, str) else (run_time_part(p[0], operands), _CONVERSIONS[p[1]], p[2]) for p in x.parts
        ]
        return Format(tuple(parts))
    if isinstance(x, ArrayTracer) and arrays:
        operands.append(x.read())
        return Slot(len(operands) - 1, "array")
    if isinstance(x, Tracer):
        raise CaptureError(f"an exception cannot carry {describe(x)} that is known at run time only")
    structure = structure_of(x)
    if structure is not None and has_traced(parts_of(x)):
        kind, keys = structure
        items = tuple(run_time_part(p, operands, arrays) for p in parts_of(x))
        return Nested(lambda made: rebuild(kind, keys, made), items)
    return x
