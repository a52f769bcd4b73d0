"""Makes allocations of the loop level cheap: small ones into the frame, repeated ones out of their loops."""

from __future__ import annotations

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ir.types import INDEX
from tracejit.ops import elementwise, loop, structural
from tracejit.ops.primitive import Primitive

LARGEST = 2048
"""Bytes of the largest array kept in the frame."""


def run(function: Function) -> None:
    """Give ``alloc`` the attribute ``stack``, or move it with its ``free`` around the loop, where its life ends in
    its block."""
    _block(function.body)


def _block(block: Block) -> None:
    for op in list(block.ops):
        for region in op.regions:
            _block(region)
    for op in list(block.ops):
        if op.primitive is not loop.alloc:
            continue
        frees = _frees(op, block)
        if frees is None:
            continue
        size = _constant(op.operands[0])
        if size is not None and size * op.results[0].dtype.itemsize <= LARGEST:
            op.attrs["stack"] = size
            for free in frees:
                free.erase()
        elif len(frees) == 1 and block.parent is not None and block.parent.name in ("for", "while"):
            _move_out(op, frees[0], block.parent)


def _constant(v: Value) -> int | None:
    op = v.op
    return int(op.attrs["value"]) if op is not None and op.primitive is structural.const else None


def _frees(op: Op, block: Block) -> list[Op] | None:
    """The ``free`` ops of an array that ends in the block where it is made; None when it lives on somewhere else."""
    frees = []
    for user in op.results[0].users:
        if user.primitive is loop.free:
            if user.block is not block:
                return None
            frees.append(user)
        elif user.primitive.terminator or user.regions or user.primitive is loop.offset:
            return None
    return frees or None


def _move_out(alloc: Op, free: Op, around: Op) -> None:
    """Allocate once before the loop ``around`` and free after it, when the size does not change inside."""
    inside = alloc.block
    chain = _computation(alloc.operands[0], inside)
    if chain is None or around.block is None:
        return
    outer = around.block
    for op in chain:
        assert op.block is not None
        op.block.remove(op)
        outer.insert_before(around, op)
    assert alloc.block is not None
    alloc.block.remove(alloc)
    outer.insert_before(around, *_at_least_zero(alloc), alloc)
    assert free.block is not None
    free.block.remove(free)
    following = outer.ops.index(around) + 1
    if following < len(outer.ops):
        outer.insert_before(outer.ops[following], free)
    else:
        outer.append(free)


def _at_least_zero(alloc: Op) -> list[Op]:
    """Make the count of an allocation 0 where it is negative, which it can be when the loop makes no turn."""
    (count,) = alloc.operands
    if _constant(count) is not None:
        return []
    zero = Op(structural.const, (), (INDEX,), {"value": 0}, (), alloc.loc)
    most = Op(elementwise.maximum, (count, zero.results[0]), (INDEX,), None, (), alloc.loc)
    alloc.set_operands(most.results)
    return [zero, most]


def _computation(v: Value, block: Block | None) -> list[Op] | None:
    """The pure ops of ``block`` that compute ``v`` from outside values, in order; None when it depends on the turn."""
    op = v.op
    if op is None:
        return None if v.owner is block else []
    if op.block is not block:
        return []
    assert isinstance(op.primitive, Primitive)
    if op.regions or not op.primitive.pure or op.primitive is loop.load:
        return None
    chain: list[Op] = []
    for w in op.operands:
        before = _computation(w, block)
        if before is None:
            return None
        chain += [o for o in before if o not in chain]
    return [*chain, op]
