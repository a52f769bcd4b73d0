"""Small arrays that live only within one block move from the heap into the frame."""

from __future__ import annotations

from tracejit.ir.core import Block, Function, Op
from tracejit.ops import loop

LARGEST = 2048
"""Bytes of the largest array kept in the frame."""


def run(function: Function) -> None:
    """Give ``alloc`` ops of a loop-level function the attribute ``stack`` where the matching ``free`` ends their life."""
    _block(function.body)


def _block(block: Block) -> None:
    for op in list(block.ops):
        for region in op.regions:
            _block(region)
        if op.primitive is not loop.alloc:
            continue
        count = op.operands[0].op
        if count is None or count.name != "const":
            continue
        size = int(count.attrs["value"])
        if size * op.results[0].dtype.itemsize > LARGEST:
            continue
        frees = _frees(op, block)
        if frees is not None:
            op.attrs["stack"] = size
            for f in frees:
                f.erase()


def _frees(op: Op, block: Block) -> list[Op] | None:
    """The ``free`` ops of an array that ends in the block where it is made; None when it lives on somewhere else."""
    frees = []
    for user in op.results[0].users:
        if user.primitive is loop.free:
            if user.block is not block:
                return None
            frees.append(user)
        elif user.primitive.terminator or user.regions or user.name == "offset":
            return None
    return frees or None
