"""Changing programs in place: carrying more values through control flow, inserting ops, counting trips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from tracejit.ir.core import Block, Function, Op, Value, map_type
from tracejit.ir.types import INDEX, ArrayType, Dim, Type
from tracejit.ops import elementwise as e
from tracejit.ops.builder import Builder
from tracejit.ops.effects import constant
from tracejit.ops.primitive import Primitive


def is_float(v: Value) -> bool:
    """Whether ``v`` has a derivative in general: it holds real or complex floating-point numbers."""
    return isinstance(v.type, ArrayType) and v.type.dtype.kind in "fc"


def is_loop(op: Op) -> bool:
    return op.name in ("for", "while")


def first_slot(op: Op) -> tuple[int, int]:
    """The position of the first carried value of a loop among its operands, and among the parameters of its body."""
    return (3, 1) if op.name == "for" else (0, 0)


def inits(op: Op) -> list[Value]:
    """The first values of what a loop carries."""
    return op.operands[first_slot(op)[0] :]


def carried(op: Op) -> list[Value]:
    """The parameters of a loop's body for the values it carries."""
    return op.regions[-1].params[first_slot(op)[1] :]


def carry(op: Op, init: Value, type: Type, hint: str | None = None) -> tuple[Value, Value]:
    """Let a loop carry one more value, of ``type`` in terms of what the body sees: its parameter and its result.

    The body must then yield it (:func:`carry_on`), in the same order.
    """
    body = op.regions[-1]
    params = carried(op)
    if op.name == "while":
        condition = op.regions[0]
        condition.add_param(map_type(type, dict(zip(params, condition.params))), hint)
    result = Value(map_type(type, dict(zip(params, op.results))), op, hint)
    op.results.append(result)
    op.set_operands([*op.operands, init])
    return body.add_param(type, hint), result


def carry_on(op: Op, values: Sequence[Value]) -> None:
    """Let the body of a loop yield ``values`` beside what it yields already."""
    yield_too(op.regions[-1], values)


def yield_too(block: Block, values: Sequence[Value]) -> None:
    block.terminator.set_operands([*block.yields, *values])


def add_result(op: Op, type: Type, hint: str | None = None) -> Value:
    """One more result of an ``if``, which its arms must yield (:func:`yield_too`)."""
    result = Value(type, op, hint)
    op.results.append(result)
    return result


@contextmanager
def inserting(block: Block, before: Op | None = None, at: int | None = None) -> Iterator[Builder]:
    """A builder whose ops go into ``block`` before the op ``before`` or at position ``at``."""
    builder = Builder(Block())
    if before is not None:
        builder.loc = before.loc
    yield builder
    ops = builder.block.ops
    at = block.ops.index(before) if before is not None else at
    assert at is not None
    block.ops[at:at] = ops
    for op in ops:
        op.block = block


def trip_count(b: Builder, start: Value, stop: Value, step: Value) -> Dim:
    """How often the body of a ``for`` runs."""
    known = [constant(v) for v in (start, stop, step)]
    if all(isinstance(n, int) for n in known):
        first, last, stride = (n for n in known if isinstance(n, int))
        return len(range(first, last, stride))
    distance = stop if known[0] == 0 else b.apply(e.sub, stop, start)
    if known[2] == -1:
        distance = b.apply(e.sub, start, stop)
    elif known[2] != 1:
        # rounded up: one step more, less one
        distance = b.apply(e.sub, b.apply(e.add, distance, step), b.apply(e.sign, step))
        distance = b.apply(e.floordiv, distance, step)
    return b.apply(e.maximum, distance, b.index(0))


def trip_in_body(op: Op) -> Value:
    """In the body of a ``for``: how many trips were made before this one."""
    (body,) = op.regions
    i = body.params[0]
    start, _, step = op.operands[:3]
    stride = constant(step)
    if stride == 1 and constant(start) == 0:
        return i
    if stride in (1, -1):
        with inserting(body, at=0) as b:
            return b.apply(e.sub, i, start) if stride == 1 else b.apply(e.sub, start, i)
    return count_trips(op)[0]


def count_trips(op: Op) -> tuple[Value, Value]:
    """Let a loop count its trips: those before this one (in the body), and all of them (a result)."""
    assert op.block is not None
    op.attrs.pop("parallel", None)
    with inserting(op.block, before=op) as b:
        zero = b.index(0)
    trip, count = carry(op, zero, INDEX, "trip")
    body = op.regions[-1]
    with inserting(body, before=body.terminator) as b:
        following = b.apply(e.add, trip, b.index(1))
    carry_on(op, [following])
    return trip, count


def elements(type: Type, unknown: int) -> int:
    """The number of elements of an array, taking run-time dimensions to be ``unknown``."""
    return int(np.prod([d if isinstance(d, int) else unknown for d in type.shape], dtype=object))


def expand(function: Function, values: set[Value]) -> bool:
    """Replace ops among whose operands are ``values`` and that have an expansion instead of derivative rules."""
    found = False
    for op in list(function.walk()):
        primitive = op.primitive
        if not isinstance(primitive, Primitive) or primitive.expand is None or op.block is None:
            continue
        if any(v in values for v in op.operands):
            with inserting(op.block, before=op) as b:
                results = primitive.expand(b, op)
            op.replace_by(results)
            found = True
    return found
