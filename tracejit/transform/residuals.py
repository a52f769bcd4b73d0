"""Residuals: what the backward code needs of the forward code is stored or computed again.

The reverse sweep writes backward code as if it could see every value of its forward counterpart. This pass makes that
true. One minimum cut over the whole program decides what is stored (:mod:`tracejit.transform.mincut`): cheap
elementwise values and loads are computed again, transcendental functions, products and whatever loops carry are stored,
each weighed by its size and by how often its block runs. :mod:`tracejit.transform.storage` finds room for what is
stored; then the backward code is given its values, outer regions first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from tracejit.ir.core import Block, Op, Value, clone_op
from tracejit.ir.types import ArrayType, Dim
from tracejit.ops import elementwise as e
from tracejit.ops.builder import Builder
from tracejit.ops.effects import constant
from tracejit.ops.primitive import Primitive
from tracejit.transform import storage
from tracejit.transform.mincut import minimum_cut
from tracejit.transform.regions import Pair, Region
from tracejit.transform.storage import Tops
from tracejit.transform.structure import carried, elements, inits, is_loop

_UNKNOWN = 64
"""What a length or a number of trips that is known at run time only is taken to be when sizes are compared."""

_STRUCTURAL = frozenset({"const", "iota", "view", "reshape", "gather"})

Source = Callable[[Builder], Value]


class Residuals:
    """Gives the backward code its values.

    Args:
        root: The whole program; its regions know their counterparts.
        split: Whether forward and backward are two functions. Otherwise the backward code follows the forward code and
            sees what the root region defines.

    Attributes:
        stored: Per region the values that are stored, in order of definition.
    """

    def __init__(self, root: Region, split: bool) -> None:
        self.root = root
        self.regions = list(_regions(root))
        tracked = self.regions if split else self.regions[1:]
        self.owner: dict[Block, Region] = {r.forward: r for r in tracked}
        self.runs: dict[Region, float] = {}
        for r in self.regions:
            self.runs[r] = self._runs(r)
        self.stored: dict[Region, dict[Value, Source | None]] = {r: {} for r in self.regions}
        self.computed: dict[Region, list[Value]] = {r: [] for r in self.regions}
        self.known: dict[Region, dict[Value, Value]] = {r: {} for r in self.regions}
        self.tapes: dict[Pair, list[storage.Tape]] = {}

    def run(self) -> None:
        """Store what must be stored, inside control flow. What is stored of the root region (of a split program) is up
        to the caller, who then calls :meth:`finish`."""
        self._choose()
        storage.store(self, self.root)

    def run_whole(self) -> None:
        """For a program that is not split: all of it."""
        self.run()
        self.finish()

    def keep_at_root(self, lengths: Sequence[Value]) -> list[Value]:
        """For a program that is split: what the forward function must hand over (``lengths`` among it), lengths
        first."""
        stored = self.stored[self.root]
        stored.update((d, None) for d in lengths if d not in stored)
        for v in list(stored):
            for d in v.shape:
                if isinstance(d, Value):
                    stored.setdefault(d, None)
        return sorted(stored, key=lambda v: v.rank > 0)

    def finish(self) -> None:
        """Give every backward region its values."""
        self._emit(self.root, {})

    # --- what is needed, and what is stored of it
    def region_of(self, v: Value) -> Region | None:
        """The region whose forward block defines ``v``, when the backward code cannot see it."""
        return self.owner.get(v.block) if v.block is not None else None

    def keep(self, region: Region, v: Value, source: Source | None = None) -> None:
        """Count ``v``, which ``region`` defines, as stored; ``source`` says how the backward block gets it."""
        if region.forward in self.owner:
            self.stored[region][v] = source

    def _runs(self, region: Region) -> float:
        pair = region.pair
        if pair is None:
            return 1.0
        outside = self.runs[pair.parent]
        if pair.op.name == "if":
            return outside / 2
        trips: float = _UNKNOWN
        if pair.op.name == "for":
            start, stop, step = (expected(v) for v in pair.op.operands[:3])
            if start is not None and stop is not None and step:
                trips = (stop - start) / step
        return outside * max(trips, 1.0)

    def _needed(self) -> Iterator[Value]:
        def values(block: Block) -> Iterator[Value]:
            for p in block.params:
                yield from (d for d in p.shape if isinstance(d, Value))
            for op in block.ops:
                yield from op.operands
                for r in op.results:
                    yield from (d for d in r.shape if isinstance(d, Value))
                for inner in op.regions:
                    yield from values(inner)

        return (v for v in dict.fromkeys(values(self.root.backward)) if self.region_of(v) is not None)

    def _choose(self) -> None:
        needed = dict.fromkeys(self._needed())
        while True:
            stored, computed = minimum_cut(needed, self._operands, self._cost)
            dims = (d for v in stored for d in v.shape if isinstance(d, Value) and self.region_of(d) is not None)
            more = [d for d in dims if d not in needed]
            if not more:
                break
            needed.update(dict.fromkeys(more))
        for v in self._in_order(stored):
            self.keep(self._region(v), v)
        for v in self._in_order(computed):
            self.computed[self._region(v)].append(v)

    def _region(self, v: Value) -> Region:
        region = self.region_of(v)
        assert region is not None
        return region

    def _in_order(self, values: Sequence[Value]) -> list[Value]:
        blocks = dict.fromkeys(v.block for v in values)
        place: dict[Op, int] = {}
        for block in blocks:
            assert block is not None
            place.update((op, k) for k, op in enumerate(block.ops))
        return sorted(values, key=lambda v: -1 if v.op is None else place[v.op])

    def _cost(self, v: Value) -> float:
        size: int = elements(v.type, _UNKNOWN) * v.dtype.itemsize
        return max(size * self.runs[self._region(v)], 1e-3)

    def _operands(self, v: Value) -> list[Value] | None:
        found = origins(v)
        return None if found is None else [x for x in found if self.region_of(x) is not None]

    # --- giving the backward code its values
    def value(self, v: Value, b: Builder) -> Value:
        """What stands for ``v`` in backward code."""
        region = self.region_of(v)
        if region is None:
            return v
        known = self.known[region]
        if v not in known:
            source = self.stored[region].get(v)
            known[v] = source(b) if source is not None else self._recompute(region, v, b)
        return known[v]

    def known_of(self, v: Value) -> dict[Value, Value]:
        """What stands for values of the region of ``v``."""
        return self.known[self._region(v)]

    def dims(self, shape: Sequence[Dim], b: Builder) -> tuple[Dim, ...]:
        return tuple(d if isinstance(d, int) else self.value(d, b) for d in shape)

    def _recompute(self, region: Region, v: Value, b: Builder) -> Value:
        op = v.op
        assert origins(v) is not None, f"{v} is neither stored nor cheap"
        if op is not None and is_loop(op):
            return self.value(inits(op)[op.results.index(v)], b)
        if op is not None and op.name == "custom":
            return self.value(op.operands[op.results.index(v)], b)
        if op is not None:
            b.loc = op.loc
            mapping = {x: self.value(x, b) for x in op.inputs()}
            return b.block.append(clone_op(op, mapping)).result
        assert region.pair is not None and region.trip is not None
        loop, trip = region.pair.op, region.trip
        if v not in carried(loop):
            start, _, step = loop.operands[:3]
            return _plus_times(b, self.value(start, b), trip, self.value(step, b))
        k = carried(loop).index(v)
        init = self.value(inits(loop)[k], b)
        following = region.forward.yields[k]
        if following is v:
            return init
        change = following.op
        assert change is not None
        amount = next(x for x in change.operands if x is not v)
        times = b.cast(trip, v.dtype)
        product = b.apply(e.mul, times, self.value(amount, b))
        return b.apply(change.primitive, init, product)  # type: ignore[arg-type]

    def _emit(self, region: Region, tops: Tops) -> Tops:
        """Begin the backward block with what it needs; return where the tapes stand at its end."""
        b = Builder(Block())
        known = self.known[region]
        frames = storage.Frames(self, region, tops)
        for v in frames.place:
            self.keep(region, v, partial(frames.load, v))
        for v in self._in_order([*self.stored[region], *self.computed[region]]):
            self.value(v, b)
        tops = frames.below(b)
        region.backward.ops[0:0] = b.block.ops
        for op in b.block.ops:
            op.block = region.backward
        for old, new in list(known.items()):
            _replace(old, new, region.forward)
        for pair in region.pairs:
            tops = storage.thread_backward(self, pair, tops, self._emit)
        return tops


def expected(v: Value) -> float | None:
    """About what an index value will be, if anything is known about it; for a counter, its mean."""
    op = v.op
    if op is None:
        block = v.owner
        assert isinstance(block, Block)
        if block.parent is None or block.parent.name != "for" or v is not block.params[0]:
            return None
        start, stop = (expected(x) for x in block.parent.operands[:2])
        return None if start is None or stop is None else (start + stop) / 2
    number = constant(v)
    if isinstance(number, int):
        return number
    if op.name in ("add", "sub", "maximum", "minimum"):
        x, y = (expected(x) for x in op.operands)
        if x is not None and y is not None:
            match op.name:
                case "add":
                    return x + y
                case "sub":
                    return x - y
                case "maximum":
                    return max(x, y)
                case _:
                    return min(x, y)
    return None


def origins(v: Value) -> list[Value] | None:
    """What ``v`` is computed from, when it is cheap to compute again, else None."""
    op = v.op
    if op is None:
        return _param_origins(v)
    if op.name == "custom":
        return [op.operands[op.results.index(v)]]
    if is_loop(op):
        k = op.results.index(v)
        return [inits(op)[k]] if op.regions[-1].yields[k] is carried(op)[k] else None
    return list(op.inputs()) if _is_cheap(op) else None


def _is_cheap(op: Op) -> bool:
    primitive = op.primitive
    assert isinstance(primitive, Primitive)
    if primitive.family != "elementwise":
        return op.name in _STRUCTURAL
    return op.name != "pow" and not any(how.startswith("math") for how in primitive.codegen.values())


def _param_origins(v: Value) -> list[Value] | None:
    """Parameters of loop bodies that follow from the number of the trip: the counter, what does not change, and
    integers that change by the same amount each time."""
    block = v.owner
    assert isinstance(block, Block)
    loop = block.parent
    if loop is None:
        return None
    if v not in carried(loop):
        return [loop.operands[0], loop.operands[2]]
    k = carried(loop).index(v)
    init, following = inits(loop)[k], block.yields[k]
    if following is v:
        return [init]
    change = following.op
    if change is None or v.dtype.kind not in "iu" or v.rank or change.name not in ("add", "sub"):
        return None
    x, y = change.operands
    if (x is v) == (y is v) or (y is v and change.name == "sub"):
        return None
    amount = y if x is v else x
    if constant(amount) is None and block.contains(amount.block):
        return None
    return [init, amount]


def _plus_times(b: Builder, start: Value, trip: Value, step: Value) -> Value:
    if constant(step) != 1:
        trip = b.apply(e.mul, trip, step)
    return trip if constant(start) == 0 else b.apply(e.add, start, trip)


def _replace(old: Value, new: Value, forward: Block) -> None:
    """Let backward code use ``new`` for ``old``, which ``forward`` defines."""
    for user in list(old.users):
        if not forward.contains(user.block):
            user.replace_operand(old, new)
    for holder in list(old.dim_users):
        if not forward.contains(holder.block):
            t = holder.type
            assert isinstance(t, ArrayType)
            holder.set_type(t.with_shape(tuple(new if d is old else d for d in t.shape)))


def _regions(region: Region) -> Iterator[Region]:
    yield region
    for pair in region.pairs:
        for inner in pair.regions:
            yield from _regions(inner)
