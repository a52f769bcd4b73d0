"""What differs from lane to lane under ``vmap``, and which ops of a block run in a loop over the lanes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ops.batching import rule_of
from tracejit.ops.custom import parts
from tracejit.ops.effects import has_effects, is_speculatable
from tracejit.ops.primitive import Primitive
from tracejit.record import record
from tracejit.transform.structure import carried, inits, is_loop


class Variation:
    """How lanes differ.

    Attributes:
        varying: The values that may differ from lane to lane.
        axis: What ops that look across the lanes name them by.
    """

    def __init__(self, function: Function, inputs: Iterable[Value], axis: object | None = None) -> None:
        self.varying: set[Value] = set(inputs)
        self.axis = axis
        self._block(function.body)

    def _block(self, block: Block) -> None:
        for op in block.ops:
            self._op(op)

    def _op(self, op: Op) -> None:
        varying = self.varying
        if op.name == "if":
            for arm in op.regions:
                self._block(arm)
            for k, r in enumerate(op.results):
                if op.operands[0] in varying or any(arm.yields[k] in varying for arm in op.regions):
                    varying.add(r)
        elif is_loop(op):
            self._loop(op)
        elif op.name == "custom":
            self._custom(op)
        elif any(v in varying for v in op.inputs()) or self.looks_across(op):
            varying.update(op.results)
        if op.regions and op.results and self.is_divergent(op):
            varying.update(op.results)  # it runs lane by lane, and so has results for each

    def _custom(self, op: Op) -> None:
        if any(v in self.varying for v in op.operands):
            self.varying.update(op.results)
            _, _, residuals, _ = parts(op)
            (rule,) = op.regions
            vectors = rule.params[len(residuals) :]
            self.varying.update((p for p, v in zip(rule.params, residuals) if v in self.varying), vectors)
            self._block(rule)

    def _loop(self, op: Op) -> None:
        varying, body = self.varying, op.regions[-1]
        uneven = op.name == "for" and any(v in varying for v in op.operands[:3])
        if uneven:
            varying.add(body.params[0])
        before = -1
        while len(varying) != before:
            before = len(varying)
            for k, (init, p, r) in enumerate(zip(inits(op), carried(op), op.results)):
                if uneven or init in varying or body.yields[k] in varying:
                    varying.update((p, r))
                    if op.name == "while":
                        varying.add(op.regions[0].params[k])
            for region in op.regions:
                self._block(region)
            uneven = uneven or (op.name == "while" and op.regions[0].yields[0] in varying)

    # --- questions about ops
    def is_uniform(self, op: Op) -> bool:
        """Whether the op is the same in all lanes."""
        return not any(v in self.varying for v in touched(op))

    def is_divergent(self, op: Op) -> bool:
        """Whether the lanes part ways in this op, or its shapes differ from lane to lane, or there is no rule for it;
        also a loop around such ops, and one that computes with single numbers: these stay in registers when the loop
        runs inside the lane and not the other way round."""
        if self.is_uniform(op):
            return False
        if self._parts(op) or any(self.is_ragged(v) for inner in op.walk() for v in _defined_and_used(inner)):
            return True
        if not op.regions:
            primitive = op.primitive
            assert isinstance(primitive, Primitive)
            return rule_of(primitive) is None and primitive.family != "effect"
        if not is_loop(op) or self.is_barrier(op) or _is_heavy(op):
            return False
        inside = [inner for region in op.regions for inner in region.ops]
        return any(self.is_divergent(inner) for inner in inside) or all(map(is_scalar, op.walk()))

    def reason(self, ops: Iterable[Op]) -> str:
        """Why there is a loop over the lanes that runs ``ops``: what the first divergent one of them is."""
        op = next(op for op in ops if self.is_divergent(op))
        at = f" (line {op.loc.line})" if op.loc.line else ""
        if self._parts(op):
            parts = {
                "while": "make different numbers of turns",
                "for": "make different turns",
                "if": "take two branches",
            }
            return f"lanes {parts[op.name]}{at}"
        if any(self.is_ragged(v) for inner in op.walk() for v in _defined_and_used(inner)):
            return f"lengths differ from lane to lane{at}"
        if not op.regions:
            return f"{op.name} has no batching rule{at}"
        inside = [inner for region in op.regions for inner in region.ops]
        if any(map(self.is_divergent, inside)):
            return self.reason(inside)
        return f"a loop computes with single numbers{at}"

    def looks_across(self, op: Op) -> bool:
        """Whether the result of the op depends on which lane it is in, or on other lanes."""
        return _family(op) == "collective" and op.attrs["axis"] is self.axis

    def is_barrier(self, op: Op) -> bool:
        """Whether lanes cannot run through the op one after the other, because it needs all of them."""
        return any(inner.name != "axis_index" and self.looks_across(inner) for inner in op.walk())

    def is_ragged(self, v: Value) -> bool:
        return any(d in self.varying for d in v.type.shape)

    def _parts(self, op: Op) -> bool:
        if op.name == "while":
            return op.regions[0].yields[0] in self.varying
        return any(v in self.varying for v in op.operands[: {"if": 1, "for": 3}.get(op.name, 0)])


def _family(op: Op) -> str:
    assert isinstance(op.primitive, Primitive)
    return op.primitive.family


def is_scalar(op: Op) -> bool:
    """Whether an op computes single numbers, or reads or writes single elements."""
    if op.regions or op.primitive.terminator or op.name == "check":
        return True
    if op.name == "update":
        return op.operands[1].rank == 0
    return (_family(op) == "elementwise" or op.name in ("view", "const", "axis_index")) and op.result.rank == 0


def _defined_and_used(op: Op) -> Iterator[Value]:
    yield from op.operands
    yield from op.results
    for region in op.regions:
        yield from region.params


def touched(op: Op) -> Iterator[Value]:
    """All values that an op and its regions use, as operands or dimensions, or define."""
    for inner in op.walk():
        yield from inner.inputs()
        yield from inner.results
        for region in inner.regions:
            for p in region.params:
                for d in p.type.shape:
                    if isinstance(d, Value):
                        yield d


@record(frozen=True)
class Plan:
    """The ops of a block (but its last) in three parts: those before the loop over the lanes, those in it, those
    after it."""

    before: list[Op]
    members: list[Op]
    after: list[Op]


def plan(block: Block, variation: Variation) -> list[Plan]:
    """Which ops run lane by lane: divergent ones, what lies between them, and single numbers that come from or go into
    them only. There are several plans, to be carried out in order, where ops need all lanes in between, or are better
    applied to all at once."""
    ops = block.ops[:-1]
    needs = _needs(block, ops, variation)
    apart = set(filter(variation.is_barrier, ops))
    if not any(variation.is_ragged(v) for op in ops for v in _defined_and_used(op)):
        apart.update(op for op in ops if _is_heavy(op) and not variation.is_divergent(op))
    if not apart:
        return [_plan(block, ops, needs, variation)]
    stage: dict[Op, int] = {}
    for op in ops:
        stage[op] = max((stage[x] + (x in apart) for x in needs[op]), default=0)
    stages = [[op for op in ops if stage[op] == n] for n in range(max(stage.values()) + 1)]
    return [_plan(block, some, needs, variation) for some in stages]


def _plan(block: Block, ops: list[Op], needed: dict[Op, set[Op]], variation: Variation) -> Plan:
    members = {op for op in ops if variation.is_divergent(op)}
    if not members:
        return Plan(ops, [], [])
    position = set(ops)
    needs = {op: needed[op] & position for op in ops}
    users: dict[Op, set[Op]] = {op: set() for op in ops}
    for op in ops:
        for other in needs[op]:
            users[other].add(op)
    behind = _reached(ops, members, needs)
    ahead = _reached(reversed(ops), members, users)
    members |= behind & ahead
    for op in ops:
        if op not in members and op in behind and _is_light(op) and all(x in members for x in needs[op] & behind):
            members.add(op)
    for op in reversed(ops):
        outside = any(_at_level(u, block) not in position for r in op.results for u in r.users)
        if op in members or op in behind or outside or not _is_light(op) or op.name == "check":
            continue
        if not variation.is_uniform(op) and users[op] and users[op] <= members:
            members.add(op)
    behind = _reached(ops, members, needs)
    return Plan(
        [op for op in ops if op not in members and op not in behind],
        [op for op in ops if op in members],
        [op for op in ops if op not in members and op in behind],
    )


def _is_heavy(op: Op) -> bool:
    """Whether there are products of matrices, or the like, in an op."""
    return any(_family(inner) == "library" for inner in op.walk())


def _is_light(op: Op) -> bool:
    return is_scalar(op) and not op.regions


def _needs(block: Block, ops: list[Op], variation: Variation) -> dict[Op, set[Op]]:
    """The ops of a block that must come before each of them: those whose results it uses, checks before what they
    protect, other effects in order. What is the same in all lanes comes before what is not."""
    position = set(ops)
    needs: dict[Op, set[Op]] = {}
    last: Op | None = None
    for op in ops:
        found = {at for v in touched(op) if (at := _at_level(v.op, block)) in position and at is not op}
        needs[op] = {x for x in found if x is not None}
        if variation.is_uniform(op):
            continue
        if last is not None and (has_effects(op) or not is_speculatable(op)):
            needs[op].add(last)
        if has_effects(op):
            last = op
    return needs


def _at_level(op: Op | None, block: Block) -> Op | None:
    """The op of ``block`` that is or contains ``op``."""
    while op is not None and op.block is not block:
        op = op.block.parent if op.block is not None else None
    return op


def _reached(ops: Iterable[Op], seeds: set[Op], links: dict[Op, set[Op]]) -> set[Op]:
    """The ops linked to ``seeds`` directly or through others; ``ops`` lists them so that links go back."""
    found: set[Op] = set()
    for op in ops:
        if any(x in seeds or x in found for x in links[op]):
            found.add(op)
    return found
