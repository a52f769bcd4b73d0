"""Text with parts that are known when the program runs: f-strings, ``str(x)``, ``"...".format(x)``, ``"..." % x``.

Such text can be printed, raised, returned and put into other text; it is made when that happens.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from tracejit.errors import UnsupportedError
from tracejit.lazy import Lazy
from tracejit.ops.control import formatted
from tracejit.record import record
from tracejit.trace import libraries
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.scalars import ScalarTracer, type_of
from tracejit.trace.tracer import COMPUTED, Tracer

if TYPE_CHECKING:
    from tracejit.trace import templates
else:
    templates = Lazy("tracejit.trace.templates")

_CONVERSIONS = {-1: "", 114: "!r", 115: "!s", 97: "!a"}


@record(frozen=True)
class Field:
    """Where a value goes: ``conversion`` and ``spec`` as :func:`tracejit.ops.control.formatted` takes them."""

    conversion: str
    spec: str


Piece: TypeAlias = str | Field


class TracedString(Tracer):
    """A str with parts that are known when the program runs.

    Attributes:
        pieces: Text, and a field for each of ``values``.
        values: What goes into the fields: traced numbers and arrays, and containers of them.
    """

    __slots__ = ("pieces", "values")

    def __init__(self, pieces: tuple[Piece, ...], values: tuple[Any, ...]) -> None:
        self.pieces = pieces
        self.values = values
        self.context = current()
        self.origin = COMPUTED

    @property
    def _structure(self) -> tuple[Any, ...]:  # type: ignore[override]
        return self.pieces

    @property
    def _children(self) -> Sequence[Any]:  # type: ignore[override]
        return self.values

    @classmethod
    def _rebuild(cls, structure: tuple[Any, ...], children: Sequence[Any]) -> TracedString:
        return cls(structure, tuple(children))

    def parts(self) -> Iterator[str | tuple[Any, str, str]]:
        """Text, and ``(value, conversion, spec)``."""
        values = iter(self.values)
        for piece in self.pieces:
            yield piece if isinstance(piece, str) else (next(values), piece.conversion, piece.spec)

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise UnsupportedError(
            "a str with parts that are known only at run time can be printed, raised, returned and put into another "
            "str, and nothing else",
            hint="a computation with the numbers, and the str at the end",
        )

    __int__ = __index__ = __float__ = __complex__ = _refuse
    __len__ = __getitem__ = __iter__ = __contains__ = __mod__ = __mul__ = __rmul__ = __bool__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if not hasattr(str, name):
            raise AttributeError(f"'str' object has no attribute {name!r}")
        self._refuse()

    def __add__(self, other: Any) -> Any:
        if isinstance(other, str | TracedString):
            return joined([self, other])
        from tracejit.trace.samples import complain_binary

        complain_binary("add", self, other)
        return NotImplemented

    def __radd__(self, other: Any) -> Any:
        return joined([other, self]) if isinstance(other, str) else NotImplemented


@record(frozen=True)
class Text:
    """Makes the str of its values, when the program has them."""

    pieces: tuple[Piece, ...]

    def __call__(self, values: Sequence[Any]) -> str:
        rest = iter(values)
        return "".join(p if isinstance(p, str) else formatted(next(rest), p.conversion, p.spec) for p in self.pieces)


def joined(parts: Sequence[Any]) -> Any:
    """One str of several, traced or not."""
    pieces: list[Piece] = []
    values: list[Any] = []
    for part in parts:
        if isinstance(part, TracedString):
            pieces += part.pieces
            values += part.values
        elif part:
            pieces.append(part)
    return TracedString(tuple(pieces), tuple(values)) if values else "".join(parts)


def holds_traced(x: Any) -> bool:
    """Whether ``x`` is traced, or a container with something traced in it."""
    if isinstance(x, Tracer):
        return True
    return templates.structure_of(x) is not None and any(map(holds_traced, templates.parts_of(x)))


def text(x: Any, conversion: str = "", spec: Any = "") -> Any:
    """``format(x, spec)``, of ``str(x)`` or ``repr(x)`` where ``conversion`` says so."""
    if isinstance(spec, TracedString):
        raise UnsupportedError(
            "a format whose width or precision is known only at run time is not supported",
            hint="a width that is known while compiling: a constant, or a static argument",
        )
    if isinstance(x, TracedString) and conversion in ("", "!s") and not spec:
        return x
    if holds_traced(x):
        if isinstance(x, ScalarTracer):
            for kind in map(type_of, x.alternatives):
                formatted(kind(1), conversion, spec)  # says what is wrong with the format, if anything is
        return TracedString((Field(conversion, spec),), (_snapshot(x),))
    method = _method(x, conversion)
    if method is None:
        return formatted(x, conversion, spec)
    from tracejit.trace import calls

    arguments = (x, spec) if method.__name__ == "__format__" else (x,)
    made = calls.call(method, arguments, {})
    return made if method.__name__ == "__format__" or not spec else text(made, "", spec)


def _method(x: Any, conversion: str) -> types.FunctionType | None:
    """What of the user's makes the text of an object."""
    kind = type(x)
    asked = {"": ("__format__", "__str__", "__repr__"), "!s": ("__str__", "__repr__")}
    for name in asked.get(conversion, ("__repr__",)):
        method = getattr(kind, name, None)
        if isinstance(method, types.FunctionType):
            return None if libraries.is_library_code(method.__code__) else method
        if method is not getattr(object, name):
            return None
    return None


def _snapshot(x: Any) -> Any:
    """``x`` as it is now, whatever is written into it later."""
    if isinstance(x, ArrayTracer):
        return ArrayTracer(x.read())
    structure = None if isinstance(x, Tracer) else templates.structure_of(x)
    return x if structure is None else templates.rebuild(*structure, [_snapshot(p) for p in templates.parts_of(x)])


# --- the ways to make text
# ---------------------------------------------------------------------------------------------


def fstring(*pieces: Any) -> Any:
    """An f-string: constants, and ``(value, conversion, spec)``."""
    return joined([p if isinstance(p, str) else text(p[0], _CONVERSIONS[p[1]], p[2]) for p in pieces])


def _format(template: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """``template.format(*args, **kwargs)``."""
    return joined(list(_pieces(template, args, kwargs)))


def _pieces(template: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Any]:
    from string import Formatter  # takes long to load, and few programs need it

    formatter, count = Formatter(), 0
    for literal, name, spec, conversion in formatter.parse(template):
        yield literal
        if name is None:
            continue
        if name[:1] in ("", ".", "["):
            name, count = f"{count}{name}", count + 1
        try:
            value, _ = formatter.get_field(name, args, kwargs)
        except IndexError:
            text_of = f"Replacement index {name} out of range for positional args tuple"
            raise IndexError(text_of) from None
        yield text(value, f"!{conversion}" if conversion else "", _format(spec or "", args, kwargs))


_PERCENT = r"%(?:\((?P<key>[^)]*)\))?(?P<shape>[#0\- +]*(?:\d+|\*)?(?:\.(?:\d+|\*))?)[hlL]?(?P<kind>.)"


def percent(template: str, given: Any) -> Any:
    """``template % given``."""
    values = list(given) if isinstance(given, tuple) else [given]
    keyed = isinstance(given, Mapping)
    parts: list[Any] = []
    end = used = 0

    def take() -> Any:
        nonlocal used
        used += 1
        if used > len(values):
            raise TypeError("not enough arguments for format string")
        return values[used - 1]

    for found in re.finditer(_PERCENT, template, re.DOTALL):
        parts.append(template[end : found.start()])
        end = found.end()
        shape, kind = found["shape"], found["kind"]
        for _ in range(shape.count("*")):
            shape = shape.replace("*", str(int(take())), 1)
        if kind == "%":
            parts.append("%")
        elif found["key"] is not None:
            if not keyed:
                raise TypeError("format requires a mapping")
            parts.append(text(given[found["key"]], "%", f"%{shape}{kind}"))
        else:
            parts.append(text(take(), "%", f"%{shape}{kind}"))
    parts.append(template[end:])
    if used < len(values) and not keyed:
        raise TypeError("not all arguments converted during string formatting")
    return joined(parts)


def method(name: str, owner: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """A method of a str that meets traced values."""
    if name == "format":
        return _format(owner, args, kwargs)
    if name == "join" and len(args) == 1 and isinstance(args[0], list | tuple):
        parts: list[Any] = []
        for k, part in enumerate(args[0]):
            if not isinstance(part, str | TracedString):
                kind = type_of(part.alternatives[0]) if isinstance(part, ScalarTracer) else type(part)
                raise TypeError(f"sequence item {k}: expected str instance, {kind.__name__} found")
            parts += [owner, part] if k else [part]
        return joined(parts)
    raise UnsupportedError(
        f"str.{name} with something that is known only at run time is not supported", hint="an f-string, or str.join"
    )
