"""The reverse sweep: code that carries cotangents from the results of a block to what it was given.

Control flow is run backwards by control flow. The counterpart of an ``if`` decides as the ``if`` did. The counterpart
of a loop makes as many trips, last to first; it carries the cotangents of what the loop carries, and those of outer
values that the body reads, as sums that grow from trip to trip. So a load inside a loop adds to one array in place.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracejit.ir.core import Block, Op, Value, map_type
from tracejit.ir.types import INDEX, Type
from tracejit.ops import control, linear
from tracejit.ops import elementwise as e
from tracejit.ops.builder import Builder
from tracejit.ops.formula import Formula, Guarded, Term, known_number
from tracejit.ops.primitive import Primitive
from tracejit.transform import custom
from tracejit.transform.activity import flows
from tracejit.transform.cotangents import Cotangents
from tracejit.transform.jvp import no_derivative, partials_of
from tracejit.transform.regions import Pair, Region
from tracejit.transform.structure import carried, count_trips, inits, is_float, trip_count

_LINEAR = frozenset({"add", "sub", "neg", "cast", "select", "real", "imag", "conj", "complex", "copysign", "sign"})
"""Elementwise ops whose derivatives are finite."""

_TRANSPARENT = frozenset({"view", "reshape", "reduce_sum"})
"""Ops through which masks go."""


class Reverse:
    """Runs blocks backwards.

    Args:
        active: The values that have cotangents.
        ops: The ops of the program, in order.
    """

    def __init__(self, active: set[Value], ops: Sequence[Op]) -> None:
        self.active = active
        self.singular = _singular(active, ops)

    def cotangents(self, b: Builder) -> Cotangents:
        return Cotangents(b, self.active.__contains__, self.singular.__contains__)

    def block(self, region: Region, cts: Cotangents) -> None:
        """Pass the ops of ``region.forward``, last to first."""
        for op in reversed(region.forward.ops[:-1]):
            if not any(r in cts for r in op.results):
                continue
            cts.b.loc = op.loc.as_role("cotangent", op.name)
            if op.name == "if":
                self.branch(op, cts, region)
            elif op.name in ("for", "while"):
                self.loop(op, cts, region)
            elif op.name == "custom":
                self.custom(op, cts)
            else:
                self.op(op, cts)

    # --- ops
    def op(self, op: Op, cts: Cotangents) -> None:
        primitive = op.primitive
        assert isinstance(primitive, Primitive)
        if sum(map(is_float, op.results)) != 1 or not is_float(op.results[0]):
            raise no_derivative(op)
        if primitive.family == "elementwise":
            self.elementwise(op, cts)
            return
        if primitive.transpose is None:
            raise no_derivative(op)
        b, mask = cts.b, None
        if op.name in _TRANSPARENT and self.singular.__contains__(op.operands[0]):
            found = cts.take(op.result)
            assert found is not None
            ct, mask = found
            if mask is not None:
                if op.name == "view":
                    ct = b.apply(e.select, mask, ct, b.full(0, ct))
                    mask = linear.view_mask(b, op, mask)
                else:
                    mask = primitive.transpose(b, op, mask, 0)
        else:
            ct = cts.get_or_zero(op.results[0])
            cts.take(op.results[0])
        # last to first: what an update has stored is read before its place is cleared
        for k, x in reversed(list(enumerate(op.operands))):
            if x in self.active:
                cts.add(x, primitive.transpose(b, op, ct, k), mask)

    def elementwise(self, op: Op, cts: Cotangents) -> None:
        found = cts.take(op.result)
        assert found is not None
        ct, mask = found
        f, t = Formula(cts.b), Term(cts.b, ct)
        terms = [Term(cts.b, v) for v in (op.result, *op.operands)]
        for x, rule in zip(op.operands, partials_of(op)):
            if rule is None or x not in self.active:
                continue
            term, here = (rule[1] if isinstance(rule, tuple) else rule)(f, t, *terms), mask
            if isinstance(term, Guarded):
                condition = term.condition.value
                here = condition if mask is None else cts.b.apply(e.and_, mask, condition)
                term = term.term
            cts.add(x, term.value, here)

    def custom(self, op: Op, cts: Cotangents) -> None:
        given = [cts.get_or_zero(r) for r in op.results]
        for r in op.results:
            cts.take(r)
        for x, ct in custom.cotangents(cts.b, op, given, self.active):
            cts.add(x, ct)

    # --- control flow
    def branch(self, op: Op, cts: Cotangents, region: Region) -> None:
        b = cts.b
        outer = self.outer_values(op)
        known = {v: cts.get(v) for v in outer}
        arriving = [(k, ct) for k, r in enumerate(op.results) if (ct := cts.get(r)) is not None]
        pair = Pair(op, op, region)
        arms: list[tuple[Cotangents, list[Value | None]]] = []
        for arm in op.regions:
            inner = cts.inside(Builder(Block(), op.loc))
            for v, ct in known.items():
                if ct is not None:
                    inner.set(v, ct)
            for k, ct in arriving:
                inner.add(arm.yields[k], ct)
            inside = Region(arm, inner.b.block, pair)
            self.block(inside, inner)
            pair.regions.append(inside)
            arms.append((inner, [inner.get(v) for v in outer]))
        changed = [k for k, v in enumerate(outer) if any(new[k] is not known[v] for _, new in arms)]
        for r in op.results:
            cts.take(r)
        if not changed:
            for inner, _ in arms:
                inner.b.block.drop_references()
            return
        for inner, _ in arms:
            inner.b.loc = op.loc
            inner.b.yield_(*(inner.get_or_zero(outer[k]) for k in changed))
        regions = [inner.b.block for inner, _ in arms]
        types = [outer[k].type for k in changed]
        pair.back = b.block.append(Op(control.if_, [op.operands[0]], types, None, regions, op.loc))
        region.pairs.append(pair)
        for k, ct in zip(changed, pair.back.results):
            cts.set(outer[k], ct)

    def loop(self, op: Op, cts: Cotangents, region: Region) -> None:
        b, body, params = cts.b, op.regions[-1], carried(op)
        if op.name == "for":
            trips = b.index(trip_count(b, *op.operands[:3]))
        else:
            trips = count_trips(op)[1]
        slots = [k for k, p in enumerate(params) if p in self.active]
        outer = self.outer_values(op)
        # lengths that change from trip to trip are carried beside the cotangents that have them
        dims = [k for k, p in enumerate(params) if any(p in params[s].shape for s in slots)]
        inner = Builder(Block([INDEX]), op.loc)
        trip = inner.block.params[0]
        lengths = {params[k]: inner.block.add_param(INDEX) for k in dims}
        types: list[Type] = [map_type(params[k].type, lengths) for k in slots] + [v.type for v in outer]
        given = [inner.block.add_param(t) for t in types]
        starts = [op.results[k] for k in dims]
        starts += [cts.get_or_zero(op.results[k]) for k in slots] + [cts.get_or_zero(v) for v in outer]
        pair = Pair(op, op, region)
        inside = Region(body, inner.block, pair, trip)
        pair.regions.append(inside)
        inner_cts = cts.inside(inner)
        for v, ct in zip(outer, given[len(slots) :]):
            inner_cts.set(v, ct)
        for k, ct in zip(slots, given):
            inner_cts.add(body.yields[k], ct)
        self.block(inside, inner_cts)
        inner.loc = op.loc
        carries = [*(params[k] for k in slots), *outer]
        inner.yield_(*(params[k] for k in dims), *(inner_cts.get_or_zero(v) for v in carries))
        for r in op.results:
            cts.take(r)
        last = b.apply(e.sub, trips, b.index(1))
        back = Op(control.for_, [last, b.index(-1), b.index(-1), *starts], (), None, [inner.block], op.loc)
        back.results = [Value(INDEX, back) for _ in dims]
        after = dict(zip((lengths[params[k]] for k in dims), back.results))
        back.results += [Value(map_type(t, after), back) for t in types]
        b.block.append(back)
        pair.back = back
        region.pairs.append(pair)
        results = back.results[len(dims) :]
        for v, ct in zip(outer, results[len(slots) :]):
            cts.set(v, ct)
        for k, ct in zip(slots, results):
            cts.add(inits(op)[k], ct)

    def outer_values(self, op: Op) -> list[Value]:
        """The active values from outside that the regions of ``op`` use."""
        found: dict[Value, None] = {}
        for region in op.regions:
            for inner in region.walk():
                for v in inner.operands:
                    if v in self.active and not _inside(op, v):
                        found[v] = None
        return list(found)


def _inside(op: Op, v: Value) -> bool:
    return any(region.contains(v.block) for region in op.regions)


def _singular(active: set[Value], ops: Sequence[Op]) -> set[Value]:
    """The active values made by ops whose derivatives may be inf or nan, or from such values by ops that let masks
    through; none when nothing makes masks."""
    found: set[Value] = set()
    masks = False
    for op in ops:
        if len(op.results) != 1 or op.result not in active:
            continue
        assert isinstance(op.primitive, Primitive)
        if op.primitive.family == "elementwise":
            masks = masks or op.name in ("select", "minimum", "maximum", "fmin", "fmax")
            if not _is_linear(op):
                found.add(op.result)
                continue
        elif op.name not in _TRANSPARENT:
            continue
        if any(v in found and flows(op, k) for k, v in enumerate(op.operands)):
            found.add(op.result)
    return found if masks else set()


def _is_linear(op: Op) -> bool:
    if op.name in _LINEAR or op.name in ("minimum", "maximum", "fmin", "fmax"):
        return True
    if op.name == "mul":
        return any(known_number(v) is not None for v in op.operands)
    return op.name == "div" and known_number(op.operands[1]) is not None
