"""Who owns which array when: the plan by which stores happen in place, buffers move instead of being copied, and are
freed.

Arrays are values; memory is decided here. At each point of a block an array is *owned* (its buffer belongs to this
block alone: it was made here, or handed over by the enclosing op) or *borrowed* (an argument that is only read, or
an array of an outer block that is needed again). An op *takes* the buffer of an operand when the operand is owned
and this is its last use; then a store writes in place, a loop carries the buffer, a branch hands it out. Otherwise
it works on a copy.

Arrays that the caller sees being written (``meta["mutated"]``) must change where they are: along the chain of values
from the parameter to its final contents, an older value that is still needed after the store is copied (a
*snapshot*), not the chain.
"""

from __future__ import annotations

from collections.abc import Iterator

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.lower.fuse import is_alias_reshape, writes_base
from tracejit.record import field, record


@record
class Plan:
    """What :mod:`tracejit.lower.loops` does about memory.

    Attributes:
        takes: ``(op, operand position)`` of array operands whose buffer the op takes over (position 0 is the base of
        a fused
            store).
        snapshots: Arrays to copy before an op, because the op overwrites them and they are read later.
        frees: Arrays whose buffer is given back after an op (before it, when the op ends its block).
        frees_at_start: Arrays handed to an arm that does not use them.
    """

    takes: set[tuple[Op, int]] = field(default_factory=set)
    snapshots: dict[Op, list[Value]] = field(default_factory=dict)
    frees: dict[Op, list[Value]] = field(default_factory=dict)
    frees_at_start: dict[Block, list[Value]] = field(default_factory=dict)


def plan(function: Function) -> Plan:
    """Plan the memory of a fused array-level function."""
    result = Plan()
    mutated = function.meta.get("mutated", {})
    chain = _chain(function)
    owned = {function.params[k] for k in mutated}
    _Planner(result, chain).block(function.body, owned)
    return result


def taking_slots(op: Op) -> Iterator[tuple[int, Value]]:
    """The array operands whose buffers ``op`` would like to take over."""
    if op.name == "fusion":
        root = op.regions[0].ops[-2]
        if writes_base(root):
            yield 0, root.operands[0]
    elif writes_base(op) or is_alias_reshape(op):
        yield 0, op.operands[0]
    elif op.name in ("for", "while") or op.primitive.terminator:
        for k, v in enumerate(op.operands):
            if v.rank:
                yield k, v


def _chain(function: Function) -> set[Value]:
    """The values between mutated parameters and their final contents."""
    outputs = function.outputs
    todo = [outputs[k] for k in function.meta.get("mutated", {}).values()]
    chain: set[Value] = set()
    while todo:
        v = todo.pop()
        if v in chain or not v.rank:
            continue
        chain.add(v)
        op = v.op
        if op is None:
            owner = v.owner
            assert isinstance(owner, Block)
            if owner.parent is not None:
                first = 1 if owner.parent.name == "for" else 0
                k = owner.params.index(v) - first
                todo += [owner.parent.operands[k + (3 if first else 0)], owner.parent.regions[-1].yields[k]]
            continue
        if op.name in ("if", "for", "while"):
            k = op.results.index(v)
            todo += [r.yields[k] for r in (op.regions if op.name == "if" else op.regions[-1:])]
            if op.name != "if":
                todo.append(op.operands[k + (3 if op.name == "for" else 0)])
                todo.append(op.regions[-1].params[k + (1 if op.name == "for" else 0)])
        else:
            todo += [base for _, base in taking_slots(op)]
    return chain


def _position_in(block: Block, op: Op) -> Op | None:
    """The op of ``block`` that is or contains ``op``."""
    while op.block is not block:
        if op.block is None or op.block.parent is None:
            return None
        op = op.block.parent
    return op


class _Planner:
    def __init__(self, result: Plan, chain: set[Value]) -> None:
        self.plan = result
        self.chain = chain

    def block(self, block: Block, handed: set[Value]) -> None:
        """Plan ``block``, which owns ``handed`` (its own array parameters among them, if it owns those)."""
        position = {op: k for k, op in enumerate(block.ops)}
        owned: set[Value] = set()
        last: dict[Value, int] = {}
        dying: dict[int, list[Value]] = {}

        def own(v: Value, unused_at: int) -> None:
            at = unused_at
            for user in v.users:
                inside = _position_in(block, user)
                if inside is not None:
                    at = max(at, position[inside])
            owned.add(v)
            last[v] = at
            dying.setdefault(at, []).append(v)

        for v in sorted(handed, key=lambda v: int(v.label)):
            own(v, -1)
        self.plan.frees_at_start[block] = dying.get(-1, [])
        for k, op in enumerate(block.ops):
            taken: set[Value] = set()
            for slot, v in taking_slots(op):
                if v not in owned or v in taken or (op.regions and op.name != "fusion" and _used_inside(op, v)):
                    continue
                if last[v] == k:
                    self.plan.takes.add((op, slot))
                    taken.add(v)
                elif self._continues_chain(op, slot, v):
                    self._snapshot(op, v)
                    self.plan.takes.add((op, slot))
            if op.name == "if":
                hand = {v for v in owned if last[v] == k and _used_inside(op, v)}
                taken |= hand
                for v in owned & self.chain:
                    if last[v] > k and self._chain_goes_inside(op, v):
                        self._snapshot(op, v)
                        hand.add(v)
                for arm in op.regions:
                    self.block(arm, hand)
            elif op.name in ("for", "while"):
                if op.name == "while":
                    self.block(op.regions[0], set())
                self.block(op.regions[-1], {p for p in op.regions[-1].params if p.rank})
            for r in op.results:
                if r.rank and op.name != "const":
                    own(r, k)
            self.plan.frees[op] = [v for v in dying.get(k, ()) if v not in taken]

    def _snapshot(self, op: Op, v: Value) -> None:
        self.plan.snapshots.setdefault(op, []).append(v)

    def _continues_chain(self, op: Op, slot: int, v: Value) -> bool:
        if v not in self.chain or op.primitive.terminator:
            return False
        k = slot - 3 if op.name == "for" else slot
        return op.results[k] in self.chain

    def _chain_goes_inside(self, op: Op, v: Value) -> bool:
        """Whether an arm of the ``if`` op carries the chain on from ``v`` (by a store, or by handing it out)."""
        for inner in op.walk():
            if inner is op:
                continue
            for slot, w in taking_slots(inner):
                if w is not v:
                    continue
                if inner.primitive.terminator:
                    if inner.block in op.regions and op.results[slot] in self.chain:
                        return True
                elif self._continues_chain(inner, slot, v):
                    return True
        return False


def _used_inside(op: Op, v: Value) -> bool:
    return any(user is not op and any(region.contains(user.block) for region in op.regions) for user in v.users)
