"""What a recorded loop carries from turn to turn: local names, contents of arrays, contents of Python objects.

Names get a template before the body is recorded (a guess: numbers are carried in the type they have before the loop,
anything else stays the object it is). If what the body leaves behind does not fit, the template is widened and the
body recorded again. Contents of arrays need no guess (see :meth:`Control.localize
<tracejit.trace.control.Control.localize>`).

A name that is bound to another array in each turn (``x = x + 1``, ``a, b = b, a``) is carried by its contents
(:class:`Rebound`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Literal

import numpy as np

from tracejit.ir.core import Block, Value
from tracejit.ir.types import INDEX, INT64, ArrayType, Dim
from tracejit.ops import control
from tracejit.ops import elementwise as E
from tracejit.record import record
from tracejit.trace import doubts
from tracejit.trace.boxes import ArrayTracer, ChoiceTracer
from tracejit.trace.context import Context, current
from tracejit.trace.identity import ById
from tracejit.trace.lenses import Lenses
from tracejit.trace.templates import Internal, Maybe, NewValue, OneOf, Template, Tree, Values

Mode = Literal["exchange", "read", "swap", "choice"]


class MergedChoice(ChoiceTracer):
    """A choice whose contents are known as long as no candidate has been written to since.

    Args:
        selector: Which candidate it is.
        candidates: The boxes.
        merged: The contents, whichever it is.
        order: The memory order.
    """

    __slots__ = ("_seen",)

    def __init__(self, selector: Value, candidates: Sequence[ArrayTracer], merged: Value, order: str) -> None:
        super().__init__(selector, candidates)
        self.shape_dims = merged.type.shape
        self._order = order
        self._value = merged
        self._seen = [r._value for r in self.roots]

    def set_value(self, value: Value) -> None:
        self._value = value

    def refresh(self, value: Value) -> None:
        """``value`` is what it contains now."""
        self._value = value
        self._seen = [r._value for r in self.roots]

    def choose(self) -> Value:
        """The contents by looking up which candidate it is."""
        return super()._load(())

    @property
    def is_current(self) -> bool:
        """Whether the merged contents are those of the candidates (and were not computed in an arm that is over)."""
        unlocalized = self.context.inputs.unlocalized
        same = all(unlocalized(r) is v for r, v in zip(self.roots, self._seen))
        return same and self.context.is_available(self._value)

    def _load(self, lenses: Lenses) -> Value:
        if not self.is_current:
            return super()._load(lenses)
        if self.scope is not self.context.scope:
            self.context.localize(self)
        value = self._value
        for lens in lenses:
            value = lens.get(self.context.builder, value)
        return value


@record(frozen=True, eq=False)
class Rebound(Template):
    """A name bound to an array that changes from turn to turn.

    Two values besides run-time dimensions: which array it is (an index into ``entries``, or ``len(entries)`` for one
    made in the loop), and its contents.

    Attributes:
        slot: Distinguishes the names of one loop.
        entries: The arrays that it may be from before the loop.
        mode: ``"read"``: nothing writes to the arrays while they are carried, so contents are enough;
        ``"exchange"``: and the
            names do nothing but exchange arrays. ``"swap"``: they exchange arrays that are written to. ``"choice"``:
            none of these; each access looks up which array it is.
        doubts: Arrays that it may share memory with (see :mod:`tracejit.trace.doubts`); another name of the loop is
            given by its slot.
    """

    slot: int
    dtype: np.dtype[Any]
    shape: tuple[Dim | None, ...]
    order: str
    entries: tuple[ArrayTracer, ...]
    mode: Mode
    doubts: tuple[ArrayTracer | int, ...] = ()
    is_array = True

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Rebound)
            and (self.dtype, self.shape, self.order, self.mode) == (other.dtype, other.shape, other.order, other.mode)
            and len(self.entries) == len(other.entries)
            and all(a is b for a, b in zip(self.entries, other.entries))
            and list(map(id, self.doubts)) == list(map(id, other.doubts))
        )

    __hash__ = None  # type: ignore[assignment]

    def place(self, x: ArrayTracer) -> int:
        """Which entry ``x`` is, else the number of entries."""
        for k, e in enumerate(self.entries):
            if x.stands_for(e):
                return k
        return len(self.entries)

    def pack(self, x: Any, out: list[Value]) -> None:
        b = current().at()
        for d, own in zip(self.shape, x.shape_dims):
            if d is None:
                out.append(b.index(own))
        out.append(self.identity(x))
        out.append(self._contents(x))

    def identity(self, x: ArrayTracer, known: ById[Value] | None = None) -> Value:
        """Which array ``x`` is, as a value; ``known`` are answers that were found on the way."""
        known = ById() if known is None else known
        if x not in known:
            known[x] = self._identity(x, known)
        return known[x]

    def _identity(self, x: ArrayTracer, known: ById[Value]) -> Value:
        b = current().builder
        place = self.place(x)
        head = heads().get(x)
        if isinstance(head, Head) and place == len(self.entries):
            return head.translated(self)
        if isinstance(x, ChoiceTracer) and place == len(self.entries):
            result = self.identity(x.candidates[-1], known)
            for k in range(len(x.candidates) - 2, -1, -1):
                is_k = b.apply(E.eq, x.selector, b.const(k, INT64))
                result = b.apply(E.select, is_k, self.identity(x.candidates[k], known), result)
            return result
        return b.const(place, INT64)

    def _contents(self, x: ArrayTracer) -> Value:
        if self.mode != "choice":
            return x.read()
        made = _made_inside(self, x)
        if made is None:
            b = current().builder
            return b.empty(self.dtype, [n if d is None else d for d, n in zip(self.shape, x.shape_dims)])
        return made.read()

    def allocate(self, new: NewValue) -> None:
        shape = tuple(new(INDEX) if d is None else d for d in self.shape)
        new(INDEX)
        new(ArrayType(self.dtype, shape))

    def unpack(self, values: Values) -> ArrayTracer:
        """The box at the start of a turn."""
        for d in self.shape:
            if d is None:
                current().nonnegative.add(next(values))
        identity, contents = next(values), next(values)
        after: AfterLoop | None = current().inputs.after_loop
        if after is not None:
            return after.box(self, identity, contents)
        c = current().inputs
        if self.slot in c.assumed:
            c.shared_out[identity] = c.assumed[self.slot]
        box: ArrayTracer = ArrayTracer(contents, self.order)
        if self.mode == "choice":
            box = ChoiceTracer(identity, (*self.entries, box))
        heads()[box] = Head(self, identity)
        return box

    def fits(self, x: Any) -> bool:
        return isinstance(x, ArrayTracer) and x.dtype == self.dtype and x.ndim == len(self.shape)


@record(frozen=True, eq=False)
class Head:
    """What is known of the box that a name is bound to at the start of a turn."""

    template: Rebound
    identity: Value

    @property
    def entries(self) -> tuple[ArrayTracer, ...]:
        """The arrays that it may be from before the loop."""
        return self.template.entries

    @property
    def may_be_new(self) -> bool:
        """Whether it may be an array made in the loop."""
        return self.template.mode not in ("swap", "exchange")

    def translated(self, to: Rebound) -> Value:
        """The identity among the entries of another name of the loop."""
        b = current().builder
        result = b.const(len(to.entries), INT64)
        if all(a is c for a, c in zip(self.template.entries, to.entries)) and len(self.template.entries) == len(
            to.entries
        ):
            return self.identity
        for k, e in enumerate(self.template.entries):
            is_k = b.apply(E.eq, self.identity, b.const(k, INT64))
            result = b.apply(E.select, is_k, b.const(to.place(e), INT64), result)
        return result


@record(frozen=True, eq=False)
class Which:
    """What is known of a view that may be an older one: number ``value`` of ``boxes``, or else a new one."""

    value: Value
    boxes: tuple[ArrayTracer, ...]
    may_be_new: bool


def rebounds(t: Template) -> Iterator[Rebound]:
    """The arrays bound anew in ``t``."""
    match t:
        case Rebound():
            yield t
        case Tree(_, _, children) | OneOf(children):
            for child in children:
                yield from rebounds(child)
        case Maybe(_, inner) | Internal(inner):
            yield from rebounds(inner)


class Distinct:
    """Names that are never bound to the same array.

    Attributes:
        answers: Which entry each of them may be at the same time (the number of entries: an array made in the loop).
    """

    def __init__(self, names: int, entries: int, own: bool) -> None:
        every = product(range(entries + own), repeat=names)
        self.answers = [a for a in every if all(a.count(k) < 2 for k in range(entries))]


class AfterLoop:
    """Turns what :class:`Rebound` names carried into arrays after the loop.

    Args:
        distinct: By slot: the names that are never the same array, and which of them it is.
        outs: By slot: the array that a name is bound to at the end of a turn.
    """

    def __init__(self, distinct: Mapping[int, tuple[Distinct, int]], outs: Mapping[int, ArrayTracer]) -> None:
        self._outs = outs
        self._collecting = False
        self._swapped: dict[tuple[int, ...], tuple[Rebound, list[tuple[Value, Value]]]] = {}
        self._distinct = distinct

    def prepare(self, parts: Sequence[tuple[Template, list[Value]]]) -> None:
        """Settle the contents of arrays that the names exchanged, given all names and what they carried."""
        self._collecting = True
        for t, values in parts:
            if any(r.mode == "swap" for r in rebounds(t)):
                t.unpack(iter(values))
        self._collecting = False
        for t, slots in self._swapped.values():
            for e, value in zip(t.entries, exchanged(current(), slots, range(len(t.entries)))):
                e.write(value)

    def box(self, t: Rebound, identity: Value, contents: Value) -> ArrayTracer:
        """The array that the name is bound to."""
        box = self._box(t, identity, contents)
        if t.slot in self._outs and not self._collecting:
            doubts.inherit(box, self._outs[t.slot])
        return box

    def _box(self, t: Rebound, identity: Value, contents: Value) -> ArrayTracer:
        if self._collecting:
            if t.mode == "swap":
                key = tuple(id(e) for e in t.entries)
                self._swapped.setdefault(key, (t, []))[1].append((identity, contents))
            return t.entries[0] if t.entries else ArrayTracer(contents, t.order)
        op = identity.op
        known = op.attrs["value"] if op is not None and op.name == "const" else None
        if known is not None and known < len(t.entries):
            entry: ArrayTracer = t.entries[known]
            return entry
        if known is not None or not t.entries:
            return ArrayTracer(contents, t.order)
        if t.slot in self._distinct:
            current().inputs.shared_out[identity] = self._distinct[t.slot]
        if t.mode in ("swap", "exchange"):
            return MergedChoice(identity, t.entries, contents, t.order)
        own = ArrayTracer(contents, t.order)
        if t.mode == "choice":
            return ChoiceTracer(identity, (*t.entries, own))
        return MergedChoice(identity, (*t.entries, own), contents, t.order)


def exchanged(context: Context, slots: Sequence[tuple[Value, Value]], wanted: Sequence[int]) -> list[Value]:
    """The contents of the ``wanted`` arrays after the loop: each those of the name that is bound to it."""
    (identity, contents), *rest = slots
    if not rest:
        return [contents]
    known = identity.op.attrs["value"] if identity.op is not None and identity.op.name == "const" else None
    if known is not None:
        return _with(contents, wanted.index(known), context, rest, wanted)
    return _choose(context, identity, contents, rest, wanted, 0)


def _choose(
    context: Context,
    identity: Value,
    contents: Value,
    rest: Sequence[tuple[Value, Value]],
    wanted: Sequence[int],
    k: int,
) -> list[Value]:
    """``contents`` for the one of ``wanted``, from number ``k`` on, that ``identity`` says."""
    if k == len(wanted) - 1:
        return _with(contents, k, context, rest, wanted)
    b = context.builder
    arms: list[Block] = []
    for mine in (True, False):
        block = Block()
        with context.region(block):
            if mine:
                b.yield_(*_with(contents, k, context, rest, wanted))
            else:
                b.yield_(*_choose(context, identity, contents, rest, wanted, k + 1))
        arms.append(block)
    is_k = b.apply(E.eq, identity, b.const(wanted[k], INT64))
    return b.emit(control.if_, (is_k,), [v.type for v in arms[0].yields], None, arms)


def _with(
    contents: Value, k: int, context: Context, rest: Sequence[tuple[Value, Value]], wanted: Sequence[int]
) -> list[Value]:
    """``contents`` for number ``k`` of the wanted arrays, those of the other names for the others."""
    others = exchanged(context, rest, [w for j, w in enumerate(wanted) if j != k])
    return [*others[:k], contents, *others[k:]]


def heads() -> ById[Head | Which]:
    """The boxes that may be arrays from before the loop (at the start of turns, of all loops), or from before arms."""
    found: ById[Head | Which] = current().inputs.heads
    return found


def _made_inside(t: Rebound, x: ArrayTracer, known: ById[ArrayTracer | None] | None = None) -> ArrayTracer | None:
    """The part of ``x`` that is no entry: an array made in the loop. ``known`` are answers found on the way."""
    known = ById() if known is None else known
    if x not in known:
        known[x] = _part_made_inside(t, x, known)
    return known[x]


def _part_made_inside(t: Rebound, x: ArrayTracer, known: ById[ArrayTracer | None]) -> ArrayTracer | None:
    place = t.place(x)
    if not isinstance(x, ChoiceTracer) or place != len(t.entries):
        return x if place == len(t.entries) else None
    made = [(k, m) for k, c in enumerate(x.candidates) if (m := _made_inside(t, c, known)) is not None]
    parts = [m for _, m in made]
    if len(parts) < 2:
        return parts[0] if parts else None
    b = current().builder
    selector = b.const(len(parts) - 1, INT64)
    for count, (k, _) in enumerate(made):
        is_k = b.apply(E.eq, x.selector, b.const(k, INT64))
        selector = b.apply(E.select, is_k, b.const(count, INT64), selector)
    return ChoiceTracer(selector, parts)
