"""Structured control flow, and ops with an effect.

Region conventions (single blocks; regions read outer values by dominance; types of carried values are equal on every
path, dimensions that differ are carried beside them):

- ``if(condition) {then} {else}``: blocks without parameters that ``yield`` the results.
- ``while(*inits) {condition} {body}``: both blocks take the carried values; ``condition`` yields ``(predicate)``,
  ``body`` yields the next carried values; the results are the last ones. (The condition block computes only the
  predicate.)
- ``for(start, stop, step, *inits) {body}``: ``body`` takes ``(i, *carried)`` and yields the next carried values;
  ``step`` is not 0 (checked before) and ``stop`` is exclusive, as in ``range``. Attribute ``parallel`` says that
  iterations are independent, ``lanes="scalar"`` that they are to be run one by one nevertheless, ``mapped`` which
  ``vmap`` the loop is about and why there is one (for ``explain()``), ``checkpoint`` which of them reverse mode
  computes again (:mod:`tracejit.transform.schedules`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tracejit.ops.primitive import Kind, Primitive, as_kind
from tracejit.record import record

if_ = Primitive("if", "control", derivative="structure")
while_ = Primitive("while", "control", derivative="structure")
for_ = Primitive("for", "control", derivative="structure")
fusion = Primitive("fusion", "control", derivative="undefined")
"""``fusion() {body}``: the body's last op before its ``yield`` is the root, whose results are yielded and stored in
memory; the arrays inside are never stored, their elements are computed where the root needs them. Made by
:mod:`tracejit.lower.fuse`."""
yield_ = Primitive("yield", "control", derivative="structure", terminator=True)
return_ = Primitive("return", "control", derivative="structure", terminator=True)

# The traits of an op with regions depend on its regions: see tracejit.ops.effects.is_pure.

check = Primitive("check", "effect", derivative="zero", pure=False)
"""``check(ok, *payload) {exception, args}``: raise unless the scalar bool ``ok``.

``exception`` is the exception class; ``args`` a tuple with one entry per constructor argument: a ``str`` is a template
in which ``{k}`` stands for payload ``k`` as Python prints it (``str.format``: a literal brace is doubled), a
:class:`Slot`, :class:`Format` or :class:`Nested` is what it stands for, any other object is passed as it is. ``notes``,
templates too, become notes of the exception. Ordered with all other effects.

Attribute ``changes``, an :data:`~tracejit.ir.interface.Output` in terms of the payload, says what has to be done to
Python objects before the exception leaves; a ``print``, which raises where it cannot write, may have it too. At the
loop level an array of the payload is its buffer followed by its dimensions, and attribute ``ranks`` holds the rank of
each operand."""


@record(frozen=True)
class Slot:
    """Operand number ``index`` of a ``print``, shown as what it is to the user."""

    index: int
    kind: Kind


@record(frozen=True)
class Format:
    """A str made when the program runs: of strings, and of ``(part, conversion, spec)`` as in :func:`formatted`."""

    parts: tuple[str | tuple[Any, str, str], ...]


@record(frozen=True)
class Nested:
    """A container made when the program runs: ``make`` of the list of its items."""

    make: Callable[[list[Any]], Any]
    items: tuple[Any, ...]


_CONVERSIONS: dict[str, Callable[[Any], str]] = {"!r": repr, "!s": str, "!a": ascii}


def materialise(part: Any, operands: Sequence[np.ndarray[Any, Any]]) -> Any:
    """What a part of a print, or an argument of an exception, is when the program runs."""
    if isinstance(part, Slot):
        return as_kind(operands[part.index], part.kind)
    if isinstance(part, Nested):
        return part.make([materialise(p, operands) for p in part.items])
    if not isinstance(part, Format):
        return part
    text = ""
    for piece in part.parts:
        if isinstance(piece, str):
            text += piece
        else:
            inner, conversion, spec = piece
            text += formatted(materialise(inner, operands), conversion, spec)
    return text


def formatted(value: Any, conversion: str, spec: str) -> str:
    """``value`` as an f-string with ``conversion`` and ``spec`` shows it; with ``"%"``, as ``spec % value`` does."""
    if conversion == "%":
        return spec % (value,)
    return format(_CONVERSIONS[conversion](value) if conversion else value, spec)


def exception_of(attrs: Mapping[str, Any], payload: Sequence[np.ndarray[Any, Any]]) -> BaseException:
    """The exception that a failing ``check`` raises."""
    numbers = [p if p.ndim else p.item() for p in payload]
    args = [a.format(*numbers) if isinstance(a, str) else materialise(a, payload) for a in attrs["args"]]
    error = new_exception(attrs["exception"], args, materialise(attrs.get("state"), payload))
    if "cause" in attrs:
        error.__cause__ = materialise(attrs["cause"], payload)
    for note in attrs.get("notes", ()):
        error.add_note(note.format(*numbers))
    return error


def new_exception(kind: type[BaseException], args: Sequence[Any], state: Mapping[str, Any] | None) -> BaseException:
    """An exception with these arguments and, unless a call of its class sees to that, this ``__dict__``."""
    if state is None:
        return kind(*args)
    error = kind.__new__(kind, *args)
    error.args = tuple(args)
    vars(error).update(state)
    if "__notes__" in state:
        vars(error)["__notes__"] = list(state["__notes__"])  # the caller may add more
    return error


print_ = Primitive("print", "effect", derivative="zero", pure=False)
"""``print(*values) {parts, sep, end}``: ``parts`` is a tuple of static objects and of :class:`Slot`, :class:`Format`,
:class:`Nested`; runs at run time, in order. At the loop level an array operand is its buffer followed by its
dimensions, and attribute ``ranks`` holds the rank of each operand."""

callback = Primitive("callback", "effect", derivative="undefined", pure=False)
"""``callback(*values) {function, tree, kinds}``: call a Python function with the values at run time, holding the GIL.

``kinds`` has one :data:`~tracejit.ops.primitive.Kind` per value. ``tree`` is None for positional arguments, else an
object whose ``unflatten(values)`` gives ``(args, kwargs)``. The results are what it returns (a sequence when there are
several), converted to the result types."""
