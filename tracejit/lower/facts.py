"""What the structure of a program says about its integers and conditions, and where it says so.

Places are numbers: ops are numbered in program order, regions inside their op. A fact holds at the places of an
interval ``(first, last]``: after the ``check`` that enforces it, inside the branch or loop that it guards, where a
dimension is in use. Values of one iteration do not change, so a fact about them holds for every op that they reach in
that interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ir.types import ArrayType
from tracejit.ops import structural
from tracejit.ops.effects import constant
from tracejit.record import record

Term = Value | None
"""An integer scalar, or None for the number zero."""


@record(frozen=True)
class Bound:
    """``this <= other + offset`` (listed under ``this``) or ``other <= this + offset`` (listed under ``this`` among the
    lower bounds), at places in ``(first, last]``, provided that the ops ``exact`` do not wrap around."""

    other: Term
    offset: int
    first: int
    last: int
    exact: tuple[Op, ...] = ()


@record(frozen=True)
class Span:
    """Something holds at places in ``(first, last]``."""

    first: int
    last: int
    truth: bool = True


def is_int(v: Value) -> bool:
    """Whether ``v`` is an integer scalar."""
    return isinstance(v.type, ArrayType) and not v.type.shape and v.type.dtype.kind in "iu"


def integer(v: Value) -> int | None:
    """The number that an integer constant is."""
    owner = v.owner
    if type(owner) is not Op or owner.primitive is not structural.const:
        return None
    value = owner.attrs["value"]
    return value if type(value) is int else None


Operand = Value | int


def operand(v: Value) -> Operand:
    """A key for an operand: constants by value."""
    c = integer(v)
    return v if c is None else c


_NEGATIONS = {"lt": "ge", "ge": "lt", "le": "gt", "gt": "le", "eq": "ne", "ne": "eq"}


def consequences(p: Value, truth: bool) -> Iterator[tuple[Value, bool]]:
    """Bool scalars that are known when ``p`` is known to be ``truth``."""
    yield p, truth
    for user in p.users:
        if user.name == "not" and user.result.rank == 0:
            yield user.result, not truth
    op = p.op
    if op is None or p.rank:
        return
    if op.name == "not":
        yield from consequences(op.operands[0], not truth)
    elif op.name == ("and" if truth else "or"):
        for v in op.operands:
            yield from consequences(v, truth)


def inequalities(p: Value, truth: bool) -> list[tuple[Term, Term, int]]:
    """What a comparison of integers says when it is ``truth``: each ``(a, b, k)`` is ``a <= b + k``."""
    op = p.op
    if op is None or op.name not in _NEGATIONS or not is_int(op.operands[0]):
        return []
    name = op.name if truth else _NEGATIONS[op.name]
    a, b = op.operands
    out: list[tuple[Term, Term, int]] = []
    if name in ("lt", "le", "eq"):
        out.append(_inequality(a, b, -1 if name == "lt" else 0))
    if name in ("gt", "ge", "eq"):
        out.append(_inequality(b, a, -1 if name == "gt" else 0))
    return out


def _inequality(a: Value, b: Value, k: int) -> tuple[Term, Term, int]:
    x, y = integer(a), integer(b)
    return (None if x is not None else a), (None if y is not None else b), k + (y or 0) - (x or 0)


class Facts:
    """The facts of a function.

    Attributes:
        order: The place of each op.
        end: The place after each op with regions.
        span: First and last place of each block.
        upper: Per integer its upper bounds.
        lower: Per integer its lower bounds.
        distinct: Per integer what it differs from: ``this != other + offset``.
        truths: Per bool what it is known to be.
        exact: Arithmetic ``(name, a, b)`` that was checked not to leave 64 bits.
        zone: Per place the last one at which facts changed, so that places of one zone need only be asked about once.
    """

    def __init__(self, function: Function) -> None:
        self.order: dict[Op, int] = {}
        self.end: dict[Op, int] = {}
        self.span: dict[Block, tuple[int, int]] = {}
        self.upper: dict[Value, list[Bound]] = {}
        self.lower: dict[Value, list[Bound]] = {}
        self.distinct: dict[Value, list[Bound]] = {}
        self.truths: dict[Value, list[Span]] = {}
        self.exact: dict[tuple[str, Operand, Operand], list[Span]] = {}
        self._place = 0
        self._number(function.body)
        self._block(function.body)
        self.zone = self._zones()
        for p in function.params:
            for d in p.type.shape:
                if isinstance(d, Value):
                    # NumPy makes no array whose lengths times the item size leave 64 bits
                    self.at_most(d, None, (2**63 - 1) // p.dtype.itemsize, 0, self._place)

    # --- places
    def _number(self, block: Block) -> None:
        self._place += 1
        first = self._place
        for op in block.ops:
            self._place += 1
            self.order[op] = self._place
            if op.regions:
                for region in op.regions:
                    self._number(region)
                self._place += 1
                self.end[op] = self._place
        self._place += 1
        self.span[block] = (first, self._place)

    def _zones(self) -> list[int]:
        changes = {place + 1 for span in self.span.values() for place in span}
        changes |= {place + 1 for place in self.end.values()}
        changes |= {place + 1 for op, place in self.order.items() if op.name == "check"}
        changes |= {b.first + 1 for bounds in (*self.upper.values(), *self.lower.values()) for b in bounds}
        zone, last = [], 0
        for place in range(self._place + 2):
            last = place if place in changes else last
            zone.append(last)
        return zone

    def place(self, v: Value) -> int | None:
        """Where ``v`` is defined; None when it is newer than these facts."""
        owner = v.owner
        if isinstance(owner, Op):
            return self.end.get(owner) or self.order.get(owner)
        span = self.span.get(owner) if owner is not None else None
        return span[0] if span is not None else None

    def entry(self, block: Block) -> int:
        """The place at which a block has just been entered."""
        return self.span[block][0] + 1

    def before(self, v: Term, op: Op) -> bool:
        """Whether ``v`` is defined before ``op``."""
        if v is None:
            return True
        place = self.place(v)
        return place is not None and place <= self.order[op]

    # --- collection
    def _block(self, block: Block) -> None:
        first, last = self.span[block]
        for p in block.params:
            self._dimensions(p, first, last)
        for op in block.ops:
            at = self.order[op]
            if op.name == "check":
                self.condition(op.operands[0], True, at, last)
            elif op.regions:
                self._regions(op, last)
            for r in op.results:
                self._dimensions(r, self.end.get(op, at), last)

    def _dimensions(self, v: Value, first: int, last: int) -> None:
        for d in v.type.shape:
            if isinstance(d, Value):
                known = self.lower.get(d, ())
                if not any(b.other is None and b.offset <= 0 and b.first <= first and last <= b.last for b in known):
                    self.at_most(None, d, 0, first, last)

    def _regions(self, op: Op, last: int) -> None:
        if op.name == "if":
            for region, truth in zip(op.regions, (True, False)):
                self.condition(op.operands[0], truth, *self.span[region])
        elif op.name == "for":
            (body,) = op.regions
            first, end = self.span[body]
            start, stop, step = op.operands[:3]
            i, n = body.params[0], integer(step)
            if n is not None and n > 0:
                self.at_most(i, stop, -1, first, end)
                self.at_most(start, i, 0, first, end)
            elif n is not None:
                self.at_most(stop, i, -1, first, end)
                self.at_most(i, start, 0, first, end)
        elif op.name == "while":
            condition, body = op.regions
            inside = dict(zip(condition.params, body.params))
            after = dict(zip(condition.params, op.results))
            for names, truth, first, end in (
                (inside, True, *self.span[body]),
                (after, False, self.end[op], last),
            ):
                self.condition(condition.yields[0], truth, first, end, names, condition)
                for inner in condition.ops:
                    if inner.name == "check":
                        self.condition(inner.operands[0], True, first, end, names, condition)
        for region in op.regions:
            self._block(region)

    def condition(
        self,
        p: Value,
        truth: bool,
        first: int,
        last: int,
        names: Mapping[Value, Value] | None = None,
        inside: Block | None = None,
    ) -> None:
        """Record that the bool ``p`` is ``truth`` at places in ``(first, last]``.

        With ``names``, values go by other names there, and those of the block ``inside`` without one are unknown.
        """

        def name(v: Value) -> Value | None:
            return v if names is None else _renamed(v, names, inside)

        known = name(p)
        if known is not None:
            self.truths.setdefault(known, []).append(Span(first, last, truth))
        op = p.op
        if op is None or p.rank:
            return
        if op.name == "not":
            self.condition(op.operands[0], not truth, first, last, names, inside)
        elif op.name == ("and" if truth else "or"):
            for v in op.operands:
                self.condition(v, truth, first, last, names, inside)
        elif op.name in _NEGATIONS and is_int(op.operands[0]):
            a, b = (name(v) for v in op.operands)
            if a is not None and b is not None:
                self._comparison(op.name if truth else _NEGATIONS[op.name], a, b, first, last)
        elif not truth and op.name in ("add_overflows", "sub_overflows", "mul_overflows"):
            a, b = (name(v) for v in op.operands)
            if a is not None and b is not None:
                self._no_overflow(op.name[:3], operand(a), operand(b), Span(first, last))

    def _no_overflow(self, name: str, a: Operand, b: Operand, span: Span) -> None:
        keys = [(name, a, b)]
        if name != "sub":
            keys.append((name, b, a))
        elif isinstance(b, int):
            keys += [("add", a, -b), ("add", -b, a)]
        for key in keys:
            self.exact.setdefault(key, []).append(span)

    def _comparison(self, name: str, a: Value, b: Value, first: int, last: int) -> None:
        if name in ("lt", "le", "eq"):
            self.at_most(a, b, -1 if name == "lt" else 0, first, last)
        if name in ("gt", "ge", "eq"):
            self.at_most(b, a, -1 if name == "gt" else 0, first, last)
        if name == "ne":
            self._differ(a, b, first, last)
            self._differ(b, a, first, last)

    def _differ(self, a: Value, b: Value, first: int, last: int) -> None:
        c = integer(b)
        other, offset = (b, 0) if c is None else (None, c)
        self.distinct.setdefault(a, []).append(Bound(other, offset, first, last))

    def at_most(self, a: Term, b: Term, offset: int, first: int, last: int) -> None:
        """Record ``a <= b + offset``."""
        a, less = self._plain(a)
        b, more = self._plain(b)
        offset += more - less
        for x, k, exact in _stripped(a):
            if x is not None:
                self.upper.setdefault(x, []).append(Bound(b, offset - k, first, last, exact))
        for y, k, exact in _stripped(b):
            if y is not None:
                self.lower.setdefault(y, []).append(Bound(a, offset + k, first, last, exact))

    @staticmethod
    def _plain(v: Term) -> tuple[Term, int]:
        c = integer(v) if v is not None else 0
        return (None, c) if c is not None else (v, 0)


def _stripped(v: Term) -> list[tuple[Term, int, tuple[Op, ...]]]:
    """``v`` as itself, and as ``x + constant`` where it is computed so (which needs that this does not wrap around)."""
    out: list[tuple[Term, int, tuple[Op, ...]]] = [(v, 0, ())]
    if v is not None and v.op is not None and v.op.name == "add":
        c = integer(v.op.operands[1])
        if c is not None:
            out.append((v.op.operands[0], c, (v.op,)))
    return out


def _renamed(v: Value, names: Mapping[Value, Value], inside: Block | None) -> Value | None:
    """What ``v`` is called where values go by ``names``; for one that is computed ``inside``, what is computed likewise
    there."""
    if v in names:
        return names[v]
    op = v.op
    if v.block is not inside or op is None or constant(v) is not None:
        return v
    if op.regions or len(op.results) != 1 or not op.primitive.pure:
        return None
    operands = [_renamed(x, names, inside) for x in op.operands]
    known = [x for x in operands if x is not None]
    if len(known) < len(operands) or not known:
        return None
    for user in next((x for x in known if constant(x) is None), known[0]).users:
        if user is not op and user.primitive is op.primitive and user.attrs == op.attrs and user.result.type == v.type:
            if [operand(x) for x in user.operands] == [operand(x) for x in known]:
                return user.result
    return None


def limits(dtype: np.dtype) -> tuple[int, int]:
    """The least and the greatest value of an integer dtype."""
    return _LIMITS[dtype]


_LIMITS = {
    np.dtype(t): (int(np.iinfo(t).min), int(np.iinfo(t).max))
    for t in (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
}
