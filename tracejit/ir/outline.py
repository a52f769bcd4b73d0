"""Making a function of a part of a program."""

from __future__ import annotations

from collections.abc import Sequence

from tracejit.ir.core import Block, Function, Op, PrimitiveBase, Value, clone_op, map_type
from tracejit.ir.types import Dim


def closed(name: str, block: Block, outputs: Sequence[Value], end: PrimitiveBase) -> tuple[Function, list[Value]]:
    """A function with a copy of the ops of ``block``, and the values from outside that its first parameters stand for.

    The parameters of ``block`` follow those.

    Args:
        name: The name of the function.
        block: Ops, without a terminator.
        outputs: What the function returns.
        end: The terminator.
    """
    inside: set[Value] = set(block.params)
    for op in block.walk():
        inside.update(op.results)
        for region in op.regions:
            inside.update(region.params)
    free: dict[Value, None] = {}

    def need(v: Dim) -> None:
        if isinstance(v, int) or v in inside or v in free:
            return
        for d in v.type.shape:
            need(d)
        free[v] = None

    def look(values: Sequence[Value]) -> None:
        for v in values:
            for d in v.type.shape:
                need(d)

    look(block.params)
    for op in block.walk():
        for v in op.operands:
            need(v)
        look(op.results)
        for region in op.regions:
            look(region.params)
    for v in outputs:
        need(v)
    body = Block()
    mapping: dict[Value, Value] = {}
    for v in (*free, *block.params):
        mapping[v] = body.add_param(map_type(v.type, mapping), v.hint)
    for op in block.ops:
        body.append(clone_op(op, mapping))
    last = Op(end, [mapping[v] for v in outputs], ())
    body.append(last)
    return Function(name, body, {"mutated": {}}), list(free)
