"""Room for residuals: results of an ``if``, arrays indexed by trip, and tapes.

- What an arm of an ``if`` stores becomes a further result of the ``if`` (the other arm gives something of its type),
  and so a value of the block around it. Inside loops that is done for small values only.
- In a nest of ``for`` loops whose numbers of trips, and whose arrays' shapes, are known before the nest, there is an
  array with one row per trip of all loops around, made before the nest and written in place. When both a carried value
  and its successor are stored, one array with one row more serves both.
- Everything else goes onto a *tape*: one growable array per dtype and nest, carried through the nest with its capacity
  and the number of its elements. The backward code reads it from the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tracejit.ir.core import Op, Value, map_type
from tracejit.ir.types import INDEX, ArrayType
from tracejit.ops import elementwise as e
from tracejit.ops.builder import Builder
from tracejit.ops.primitive import Primitive
from tracejit.transform.regions import Pair, Region
from tracejit.transform.structure import (
    add_result,
    carried,
    carry,
    carry_on,
    elements,
    first_slot,
    inits,
    inserting,
    is_loop,
    trip_count,
    trip_in_body,
    yield_too,
)

if TYPE_CHECKING:
    from tracejit.transform.residuals import Residuals

DType: TypeAlias = "np.dtype[Any]"
Tops: TypeAlias = dict["Tape", Value]
"""Where tapes stand: the number of elements on them."""

_SMALL = 32
"""How many elements an array may have to be a result of an ``if`` inside a loop."""

_CAPACITY = 256
"""How many elements a tape has room for at first."""


def store(residuals: Residuals, region: Region) -> None:
    """Find room for what is stored inside the control flow of a region that is in no loop."""
    for pair in region.pairs:
        if is_loop(pair.op):
            _store_nest(residuals, pair)
        else:
            for arm in pair.regions:
                store(residuals, arm)
            _promote(residuals, pair, lambda v: True)


def _small(v: Value) -> bool:
    return isinstance(v.type, ArrayType) and v.type.is_static and elements(v.type, 0) <= _SMALL


# --- results of branches ---------------------------------------------------------------------------------------------


def _promote(residuals: Residuals, pair: Pair, which: Callable[[Value], bool]) -> None:
    """Let the ``if`` of ``pair`` give what its arms store."""
    op, slots = pair.op, _Slots(pair.op)
    for number, arm in enumerate(pair.regions):
        stored = residuals.stored[arm]
        chosen = [v for v in stored if which(v)]
        # a length that only the arm knows must be a result too
        lengths = {d for v in chosen for d in v.shape if isinstance(d, Value) and d.block is arm.forward}
        results: dict[Value, Value] = {}
        for v in sorted({*chosen, *lengths}, key=lambda v: (v.rank, int(v.label))):
            result = results[v] = slots.result(v, number, results, shared=v not in lengths)
            residuals.keep(arm, v, lambda b, result=result: residuals.value(result, b))  # type: ignore[misc]
            residuals.keep(pair.parent, result)
    slots.finish()
    assert all(len(arm.yields) == len(op.results) for arm in op.regions)


class _Slots:
    """Further results of an ``if``; what one arm gives may share a result with what the other gives."""

    def __init__(self, op: Op) -> None:
        self.op = op
        self.results: list[Value] = []
        self.own: set[Value] = set()
        self.given: list[list[Value | None]] = []

    def result(self, v: Value, arm: int, lengths: dict[Value, Value], shared: bool) -> Value:
        t = map_type(v.type, lengths)
        shared = shared and t == v.type
        if shared:
            for r, given in zip(self.results, self.given):
                if given[arm] is None and r.type == t and r not in self.own:
                    given[arm] = v
                    return r
        r = add_result(self.op, t)
        self.results.append(r)
        if not shared:
            self.own.add(r)
        self.given.append([v if k == arm else None for k in range(2)])
        return r

    def finish(self) -> None:
        for number, arm in enumerate(self.op.regions):
            values: list[Value] = []
            with inserting(arm, before=arm.terminator) as b:
                nothing: dict[Value, Value] = {}
                for r, given in zip(self.results, self.given):
                    v = given[number]
                    if v is None:
                        shape = tuple(0 if d in nothing else d for d in r.shape)
                        v = b.empty(r.dtype, shape) if shape else b.const(0, r.dtype)
                        nothing[r] = v
                    values.append(v)
            yield_too(arm, values)


# --- nests of loops --------------------------------------------------------------------------------------------------


def _store_nest(residuals: Residuals, pair: Pair) -> None:
    """Find room for what is stored inside an outermost loop."""
    _promote_inside(residuals, pair)
    taped: dict[Region, list[Value]] = {}
    for path in _paths(pair):
        region = path[-1]
        indexed = _Indexed(residuals, path)
        values = list(residuals.stored[region])
        for v in values:
            if not indexed.can_hold(v):
                taped.setdefault(region, []).append(v)
        indexed.store([v for v in values if v not in taped.get(region, ())])
    if taped:
        _Tapes(residuals, pair, taped).store()


def _promote_inside(residuals: Residuals, pair: Pair) -> None:
    for region in pair.regions:
        for inner in region.pairs:
            _promote_inside(residuals, inner)
    if pair.op.name == "if":
        _promote(residuals, pair, _small)


def _paths(pair: Pair, before: Sequence[Region] = ()) -> list[list[Region]]:
    """The regions inside ``pair``, each with those around it up to ``pair``."""
    found = []
    for region in pair.regions:
        path = [*before, region]
        found.append(path)
        for inner in region.pairs:
            found += _paths(inner, path)
    return found


class _Indexed:
    """Arrays with a row per trip, for the innermost region of a path."""

    def __init__(self, residuals: Residuals, path: Sequence[Region]) -> None:
        self.residuals = residuals
        self.region = path[-1]
        self.regions = path
        pairs = [r.pair for r in path]
        self.loops = [p.op for p in pairs if p is not None]
        self.outermost = self.loops[0]
        assert pairs[0] is not None
        self.around = pairs[0].parent
        self.regular = all(op.name == "for" for op in self.loops) and all(
            hoistable(v, self.outermost) for op in self.loops for v in op.operands[:3]
        )

    def can_hold(self, v: Value) -> bool:
        return self.regular and all(isinstance(d, int) or hoistable(d, self.outermost) for d in v.shape)

    def store(self, values: Sequence[Value]) -> None:
        if not values:
            return
        trips = [trip_in_body(op) for op in self.loops]
        successors = self._successors(values)
        for v in values:
            if v not in successors.values():
                self._store(v, successors.get(v), trips)

    def _successors(self, values: Sequence[Value]) -> dict[Value, Value]:
        """Carried values among ``values``, each with its next value when that is stored too."""
        loop = self.loops[-1]
        found: dict[Value, Value] = {}
        for p, y in zip(carried(loop), self.region.forward.yields):
            if p in values and y in values and y.op is not None and y not in found.values():
                found[p] = y
        return found

    def _store(self, v: Value, successor: Value | None, trips: Sequence[Value]) -> None:
        """Store ``v``, or rather its successor and its first value."""
        loops, block = self.loops, self.outermost.block
        extra = 0 if successor is None else 1
        assert block is not None
        with inserting(block, before=self.outermost) as b:
            counts = [trip_count(b, *(hoist(b, x, self.outermost) for x in op.operands[:3])) for op in loops]
            counts[-1] = b.dim_sum([counts[-1], extra])
            shape = tuple(d if isinstance(d, int) else hoist(b, d, self.outermost) for d in v.shape)
            array = b.empty(v.dtype, (*counts, *shape))
        results: list[Value] = []
        for k, op in enumerate(loops):
            if k == len(loops) - 1 and successor is not None:
                assert op.block is not None
                first = inits(op)[carried(op).index(v)]
                with inserting(op.block, before=op) as b:
                    array = _set_row(b, array, first, [*trips[:-1], b.index(0)])
            array, result = carry(op, array, array.type, "residual")
            results.append(result)
        body = self.region.forward
        value = v if successor is None else successor
        made = [x.op for x in (value, trips[-1]) if x.op is not None and x.op.block is body]
        with inserting(body, at=max((body.ops.index(op) for op in made), default=-1) + 1) as b:
            row = trips[-1] if not extra else b.apply(e.add, trips[-1], b.index(1))
            array = _set_row(b, array, value, [*trips[:-1], row])
        for op, result in zip(reversed(loops), reversed(results)):
            carry_on(op, [array])
            array = result
        self.residuals.keep(self.around, array)
        self._load(v, array, 0)
        if successor is not None:
            self._load(successor, array, 1)

    def _load(self, v: Value, array: Value, offset: int) -> None:
        residuals = self.residuals
        rows = [r.trip for r in self.regions]

        def load(b: Builder) -> Value:
            at = [t for t in rows if t is not None]
            if offset:
                at[-1] = b.apply(e.add, at[-1], b.index(offset))
            shape = residuals.dims(v.shape, b)
            pairs = [(len(at) + k, k) for k in range(v.rank)]
            base = residuals.value(array, b)
            return b.view(base, shape, [*at, *(0,) * v.rank], pairs, (1,) * v.rank)

        residuals.keep(self.region, v, load)


def _set_row(b: Builder, array: Value, v: Value, at: Sequence[Value]) -> Value:
    pairs = [(len(at) + k, k) for k in range(v.rank)]
    return b.update(array, v, [*at, *(0,) * v.rank], pairs, (1,) * v.rank)


def hoistable(v: Value, op: Op) -> bool:
    """Whether an integer scalar can be computed before ``op``."""
    if not any(region.contains(v.block) for region in op.regions):
        return True
    if v.op is not None:
        assert isinstance(v.op.primitive, Primitive)
        simple = v.op.name == "const" or v.op.primitive.family == "elementwise"
        return simple and not v.rank and all(hoistable(x, op) for x in v.op.operands)
    unchanged = _unchanged(v)
    return unchanged is not None and hoistable(unchanged, op)


def _unchanged(v: Value) -> Value | None:
    """The first value of a carried value that the loop never changes."""
    loop = v.block.parent if v.block is not None else None
    if loop is None or v not in carried(loop):
        return None
    k = loop.regions[-1].params.index(v) - first_slot(loop)[1]
    return inits(loop)[k] if loop.regions[-1].yields[k] is v else None


def hoist(b: Builder, v: Value, op: Op) -> Value:
    """``v`` (see :func:`hoistable`) computed by ``b``, which stands before ``op``."""
    if not any(region.contains(v.block) for region in op.regions):
        return v
    made = v.op
    if made is None:
        unchanged = _unchanged(v)
        assert unchanged is not None
        return hoist(b, unchanged, op)
    assert isinstance(made.primitive, Primitive)
    return b.emit(made.primitive, [hoist(b, x, op) for x in made.operands], [v.type], made.attrs)[0]


# --- tapes -----------------------------------------------------------------------------------------------------------


class Tape:
    """A growable array that a nest writes and its counterpart reads backwards.

    Attributes:
        frames: What each region puts on it, scalars first: from the top of the frame down.
        contents: The elements, as a result of the outermost loop.
    """

    def __init__(self, dtype: DType) -> None:
        self.dtype = dtype
        self.frames: dict[Region, list[Value]] = {}
        self.contents: Value | None = None
        self.count: Value | None = None


State: TypeAlias = dict[Tape, tuple[Value, Value, Value]]
"""Per tape its capacity, its elements and how many there are."""


class _Tapes:
    """The tapes of a nest: forward."""

    def __init__(self, residuals: Residuals, pair: Pair, taped: dict[Region, list[Value]]) -> None:
        self.residuals = residuals
        self.pair = pair
        tapes: dict[DType, Tape] = {}
        for region, values in taped.items():
            for v in sorted(values, key=lambda v: v.rank > 0):
                tape = tapes.setdefault(v.dtype, Tape(v.dtype))
                tape.frames.setdefault(region, []).append(v)
        self.tapes = list(tapes.values())

    def store(self) -> None:
        op, state = self.pair.op, {}
        assert op.block is not None
        with inserting(op.block, before=op) as b:
            for tape in self.tapes:
                state[tape] = (b.index(_CAPACITY), b.empty(tape.dtype, (_CAPACITY,)), b.index(0))
        state = self.through(self.pair, state)
        self.residuals.tapes[self.pair] = self.tapes
        for tape in self.tapes:
            capacity, tape.contents, tape.count = state[tape]
            for v in (capacity, tape.contents, tape.count):
                self.residuals.keep(self.pair.parent, v)

    def through(self, pair: Pair, state: State) -> State:
        """Carry the tapes that ``pair`` uses through its op."""
        op = pair.op
        op.attrs.pop("parallel", None)
        used = [tape for tape in self.tapes if uses(pair, tape)]
        if op.name == "if":
            ends = [self.region(arm, state) for arm in pair.regions]
            after = dict(state)
            for tape in used:
                capacity = add_result(op, INDEX, "capacity")
                contents = add_result(op, ArrayType(tape.dtype, (capacity,)), "tape")
                after[tape] = (capacity, contents, add_result(op, INDEX, "top"))
                for arm, end in zip(pair.regions, ends):
                    yield_too(arm.forward, end[tape])
            return after
        inside, after = dict(state), dict(state)
        for tape in used:
            capacity, contents, top = state[tape]
            capacity, capacity_after = carry(op, capacity, INDEX, "capacity")
            contents, contents_after = carry(op, contents, ArrayType(tape.dtype, (capacity,)), "tape")
            top, top_after = carry(op, top, INDEX, "top")
            inside[tape] = (capacity, contents, top)
            after[tape] = (capacity_after, contents_after, top_after)
        (region,) = pair.regions
        end = self.region(region, inside)
        carry_on(op, [v for tape in used for v in end[tape]])
        return after

    def region(self, region: Region, state: State) -> State:
        for inner in reversed(region.pairs):
            if any(uses(inner, tape) for tape in self.tapes):
                state = self.through(inner, state)
        state = dict(state)
        with inserting(region.forward, before=region.forward.terminator) as b:
            for tape in self.tapes:
                if region in tape.frames:
                    state[tape] = _push(b, state[tape], tape.frames[region])
        return state


def uses(pair: Pair, tape: Tape) -> bool:
    return any(r in tape.frames or any(uses(inner, tape) for inner in r.pairs) for r in pair.regions)


def _push(b: Builder, state: tuple[Value, Value, Value], frame: Sequence[Value]) -> tuple[Value, Value, Value]:
    capacity, contents, top = state
    sizes = [b.dim_product(v.shape) for v in frame]
    needed = b.apply(e.add, top, b.index(b.dim_sum(sizes)))
    dtype, old = contents.dtype, capacity

    def larger(b: Builder) -> list[Value]:
        new = b.apply(e.maximum, needed, b.apply(e.mul, old, b.index(2)))
        return [new, b.update(b.empty(dtype, (new,)), contents, (0,), ((0, 0),), (1,))]

    full = b.apply(e.gt, needed, capacity)
    capacity, grown = b.if_(full, [INDEX, contents.type], larger, lambda b: [old, contents])
    grown.set_type(ArrayType(dtype, (capacity,)))
    at = needed
    for v, size in zip(frame, sizes):
        at = b.apply(e.sub, at, b.index(size))
        if v.rank:
            flat = v if v.rank == 1 else b.reshape(v, (size,))
            grown = b.update(grown, flat, (at,), ((0, 0),), (1,))
        else:
            grown = b.update(grown, v, (at,), (), ())
    return capacity, grown, needed


class Frames:
    """What a region put on tapes, seen from its backward block."""

    def __init__(self, residuals: Residuals, region: Region, tops: Tops) -> None:
        self.residuals = residuals
        self.tops = dict(tops)
        self.place: dict[Value, Tape] = {}
        self.left: dict[Tape, list[Value]] = {}
        for tape in tops:
            if region in tape.frames:
                self.left[tape] = list(tape.frames[region])
                self.place.update((v, tape) for v in tape.frames[region])

    def load(self, v: Value, b: Builder) -> Value:
        """Take from the tape down to ``v``."""
        tape = self.place[v]
        known = self.residuals.known_of(v)
        while v not in known:
            self._pop(tape, b)
        return known[v]

    def below(self, b: Builder) -> Tops:
        """Take the rest; where the tapes stand below this frame."""
        for tape, left in self.left.items():
            while left:
                self._pop(tape, b)
        return self.tops

    def _pop(self, tape: Tape, b: Builder) -> None:
        v = self.left[tape].pop(0)
        assert tape.contents is not None
        contents = self.residuals.value(tape.contents, b)
        shape = self.residuals.dims(v.shape, b)
        size = b.dim_product(shape)
        top = self.tops[tape] = b.apply(e.sub, self.tops[tape], b.index(size))
        if v.rank:
            flat = b.view(contents, (size,), (top,), ((0, 0),), (1,))
            self.residuals.known_of(v)[v] = flat if v.rank == 1 else b.reshape(flat, shape)
        else:
            self.residuals.known_of(v)[v] = b.view(contents, (), (top,), (), ())


def thread_backward(residuals: Residuals, pair: Pair, tops: Tops, emit: Callable[[Region, Tops], Tops]) -> Tops:
    """Emit the backward regions of ``pair``, and carry through its op where the tapes that it uses stand."""
    begun = {**tops}
    b = Builder(pair.parent.backward)
    for tape in residuals.tapes.get(pair, ()):
        assert tape.count is not None
        begun[tape] = residuals.value(tape.count, b)
    used = [tape for tape in begun if uses(pair, tape)]
    after = dict(tops)
    if pair.back.name == "if":
        for arm in pair.regions:
            end = emit(arm, begun)
            yield_too(arm.backward, [end[tape] for tape in used])
        for tape in used:
            after[tape] = add_result(pair.back, INDEX, "top")
        return after
    (region,) = pair.regions
    inside = dict(begun)
    for tape in used:
        inside[tape], after[tape] = carry(pair.back, begun[tape], INDEX, "top")
    end = emit(region, inside)
    carry_on(pair.back, [end[tape] for tape in used])
    return {tape: top for tape, top in after.items() if tape in tops}
