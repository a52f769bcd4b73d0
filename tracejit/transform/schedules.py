"""Loops that reverse mode runs in parts: each part keeps the state it begins with, and is computed again.

A ``for`` of n turns with the attribute ``checkpoint`` becomes a loop over parts of it, and each part a ``custom`` op
whose rule computes that part again. With parts of sqrt(n) turns that takes memory for 2 sqrt(n) states instead of n
(Griewank, "Achieving logarithmic growth of temporal and spatial complexity in reverse automatic differentiation",
1992, has this and the schedules that follow when parts are divided again).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from tracejit.errors import DerivativeError
from tracejit.ir.core import Block, Function, Op, Value, clone_op, map_type
from tracejit.ir.outline import closed
from tracejit.ir.types import INDEX
from tracejit.ops import control
from tracejit.ops import elementwise as e
from tracejit.ops.builder import Builder
from tracejit.ops.custom import custom
from tracejit.transform.binomial import with_kept_states
from tracejit.transform.custom import recomputing
from tracejit.transform.structure import carried, inits, inserting, is_float, trip_count


def run_in_parts(function: Function) -> None:
    """Divide the loops of ``function`` that ask for it; those inside them when these are computed again."""
    _divide_in(function.body)


def _divide_in(block: Block) -> None:
    for op in list(block.ops):
        if "checkpoint" in op.attrs and op.name == "for":
            _divide(op, op.attrs["checkpoint"])
        else:
            for region in op.regions:
                _divide_in(region)


def _divide(op: Op, schedule: int | str) -> None:
    params = carried(op)
    if any(isinstance(d, Value) and d in params for p in params for d in p.shape):
        raise DerivativeError(
            "a loop that carries arrays whose lengths change from turn to turn cannot be computed again in parts",
            loc=op.loc if op.loc.line else None,
        )
    assert op.block is not None
    with inserting(op.block, before=op) as b:
        trips = b.index(trip_count(b, *op.operands[:3]))
        kept = re.fullmatch("binomial ([0-9]+)", str(schedule))
        if kept is not None:
            values = _turns(b, op, b.index(0), trips, inits(op), None)
            results = with_kept_states(b, op, values, trips, int(kept[1]))
        else:
            results = _in_parts(b, op, trips, schedule)
    op.replace_by(results)


def _in_parts(b: Builder, op: Op, trips: Value, schedule: int | str) -> list[Value]:
    """The loop as a loop over parts of it."""
    size, deeper = _part(b, trips, schedule)
    parts = _quotient(b, trips, size)
    body = Block()
    body.add_param(INDEX)
    for x in inits(op):
        body.add_param(x.type)
    _fill(body, op, trips, size, deeper)
    types = [x.type for x in inits(op)]
    return b.emit(control.for_, [b.index(0), parts, b.index(1), *inits(op)], types, None, (body,))


def _part(b: Builder, trips: Value, schedule: int | str) -> tuple[Value, int | str | None]:
    """How many turns a part has, and the schedule of the turns inside it."""
    if isinstance(schedule, int):
        return b.index(schedule), None
    levels = {"sqrt": 1}.get(schedule) or int(schedule.removeprefix("levels "))
    power = levels / (levels + 1)
    deeper = None if levels == 1 else f"levels {levels - 1}"
    op = trips.op
    if op is not None and op.name == "const":
        return b.index(max(1, math.ceil(op.attrs["value"] ** power))), deeper
    count = b.cast(trips, np.dtype(np.float64))
    size = b.apply(e.ceil, b.apply(e.pow, count, b.const(power, count.dtype)))
    return b.apply(e.maximum, b.cast(size, INDEX.dtype), b.index(1)), deeper


def _quotient(b: Builder, n: Value, size: Value) -> Value:
    """``n / size``, rounded up."""
    more = b.apply(e.add, n, b.apply(e.sub, size, b.index(1)))
    return b.apply(e.floordiv, more, size)


def _fill(body: Block, op: Op, trips: Value, size: Value, deeper: int | str | None) -> None:
    """The body of the loop over parts: a part, and the rule that computes it again."""
    b = Builder(body, op.loc)
    part, *states = body.params
    start = b.apply(e.mul, part, size)
    stop = b.apply(e.minimum, trips, b.apply(e.add, start, size))
    values = list(_turns(b, op, start, stop, states, deeper))
    alone = Builder(Block(), op.loc)
    again = _turns(alone, op, start, stop, states, deeper)
    function, free = closed("part", alone.block, again, control.return_)
    alone.block.drop_references()
    moving = [k for k, v in enumerate(free) if is_float(v)]
    found = [k for k, v in enumerate(values) if is_float(v)]
    if moving and found:
        rule = recomputing(function, moving, found)
        given = [free[k] for k in moving]
        operands = [*(values[k] for k in found), *given, *free]
        attrs = {"counts": (len(found), len(given), len(free), 0), "direction": "backward", "name": "a loop"}
        made = Op(custom, operands, [values[k].type for k in found], attrs, (rule.body,), op.loc)
        body.append(made)
        for k, v in zip(found, made.results):
            values[k] = v
    b.yield_(*values)


def _turns(
    b: Builder, op: Op, start: Value, stop: Value, states: Sequence[Value], deeper: int | str | None
) -> list[Value]:
    """A copy of the loop ``op`` that makes turns ``start`` to ``stop`` of it."""
    (body,) = op.regions
    block = Block()
    turn = block.add_param(INDEX)
    first, _, step = op.operands[:3]
    inner = Builder(block, op.loc)
    mapping: dict[Value, Value] = {}
    for p in carried(op):
        mapping[p] = block.add_param(map_type(p.type, mapping), p.hint)
    mapping[body.params[0]] = inner.apply(e.add, first, inner.apply(e.mul, turn, step))
    for one in body.ops:
        block.append(clone_op(one, mapping))
    attrs = None if deeper is None else {"checkpoint": deeper}
    return b.emit(control.for_, [start, stop, b.index(1), *states], [v.type for v in states], attrs, (block,))
