"""Loops whose turns reverse mode computes again from a fixed number of states.

The states are kept on a stack. The way back goes from the last turn to the first; before each turn the loop runs
forward from the state on top of the stack, and puts states on it at the places that binomial coefficients give, for
which no turn is computed more often than necessary (Griewank and Walther, "Algorithm 799: revolve", ACM TOMS 26, 2000).
With s states and r more runs that reaches (s + r)! / (s! r!) turns.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracejit.ir.core import Block, Function, Op, Value, clone_op, inline_block, map_type
from tracejit.ir.outline import closed
from tracejit.ir.types import INDEX
from tracejit.ops import control
from tracejit.ops import elementwise as e
from tracejit.ops.builder import Builder
from tracejit.ops.custom import custom
from tracejit.transform.custom import recomputing
from tracejit.transform.structure import carried, inits, is_float


def with_kept_states(b: Builder, op: Op, values: Sequence[Value], trips: Value, kept: int) -> list[Value]:
    """The ``values`` that the loop ``op`` gives, with a rule that keeps so many states."""
    turn, free = _turn(op)
    first = len(free) + 1
    found = [k for k, v in enumerate(values) if is_float(v)]
    moving = [k for k, v in enumerate(free) if is_float(v)]
    if not found:
        return list(values)
    gradient = recomputing(turn, [*moving, *(first + k for k in found)], found)
    for inner in list(turn.walk()):
        if not inner.primitive.pure and not inner.results:
            inner.erase()  # it has happened
    alone = Builder(Block(), op.loc)
    given = [alone.block.add_param(values[k].type) for k in found]
    way = _WayBack(turn, gradient, free, moving, found, trips, kept)
    rule, residuals = closed("rule", alone.block, way.build(alone, inits(op), given), control.return_)
    alone.block.drop_references()
    arguments = [*(free[k] for k in moving), *(inits(op)[k] for k in found)]
    attrs = {"counts": (len(found), len(arguments), len(residuals), 0), "direction": "backward", "name": "a loop"}
    outside = [values[k] for k in found]
    made = Op(custom, [*outside, *arguments, *residuals], [v.type for v in outside], attrs, (rule.body,), op.loc)
    b.block.append(made)
    results = list(values)
    for k, v in zip(found, made.results):
        results[k] = v
    return results


def _turn(op: Op) -> tuple[Function, list[Value]]:
    """One turn as a function of what it uses from outside, its number, and the state; and what it uses."""
    (body,) = op.regions
    block = Block()
    number = block.add_param(INDEX)
    first, _, step = op.operands[:3]
    b = Builder(block, op.loc)
    mapping: dict[Value, Value] = {}
    for p in carried(op):
        mapping[p] = block.add_param(map_type(p.type, mapping), p.hint)
    mapping[body.params[0]] = b.apply(e.add, first, b.apply(e.mul, number, step))
    for one in body.ops[:-1]:
        block.append(clone_op(one, mapping))
    turn, free = closed("turn", block, [mapping.get(v, v) for v in body.yields], control.return_)
    block.drop_references()
    return turn, free


class _WayBack:
    """Writes the loop over the turns, last to first.

    Args:
        turn: One turn.
        gradient: Parameters of ``turn`` and cotangents of the state after it, to cotangents of what varies.
        free: What a turn uses from outside.
        moving: Those of ``free`` that have cotangents.
        found: The parts of the state that have cotangents.
        trips: How many turns there are.
        kept: How many states the stack has room for.
    """

    def __init__(
        self,
        turn: Function,
        gradient: Function,
        free: Sequence[Value],
        moving: Sequence[int],
        found: Sequence[int],
        trips: Value,
        kept: int,
    ) -> None:
        self.turn = turn
        self.gradient = gradient
        self.free = free
        self.moving = moving
        self.found = found
        self.trips = trips
        self.kept = kept

    def build(self, b: Builder, first: Sequence[Value], given: Sequence[Value]) -> list[Value]:
        """Cotangents of ``moving`` and of the first state, from those of the last."""
        rows = self.kept + 1  # what is put on a full stack goes to the last, and is not there afterwards
        self.types = [v.type for v in first]
        stack = [_put(b, b.empty(v.dtype, (rows, *v.shape)), b.index(0), v) for v in (b.index(0), *first)]
        sums = [b.full(0, self.free[k]) for k in self.moving]
        n = len(stack)

        def back(b: Builder, done: Value, depth: Value, *values: Value) -> list[Value]:
            number = b.apply(e.sub, b.apply(e.sub, self.trips, b.index(1)), done)
            depth, stack, state = self._state_at(b, number, depth, values[:n])
            cts = values[n + len(sums) :]
            parts = inline_block(self.gradient.body, [*self.free, number, *state, *cts], b.block.append)
            more = [b.apply(e.add, x, y) for x, y in zip(values[n:], parts[: len(sums)])]
            top = b.apply(e.sub, depth, b.index(1))
            used = b.apply(e.eq, _get(b, stack[0], top, INDEX.shape), number)
            return [b.apply(e.select, used, top, depth), *stack, *more, *parts[len(sums) :]]

        _, *results = b.for_(0, self.trips, 1, [b.index(1), *stack, *sums, *given], back)
        return results[n:]

    def _state_at(
        self, b: Builder, number: Value, depth: Value, stack: Sequence[Value]
    ) -> tuple[Value, Sequence[Value], Sequence[Value]]:
        """Run forward to the state before a turn, from the one on top of the stack."""
        top = b.apply(e.sub, depth, b.index(1))
        at = _get(b, stack[0], top, ())
        state = [_get(b, x, top, t.shape) for x, t in zip(stack[1:], self.types)]
        start = [at, depth, *stack, *state]
        types = [v.type for v in start]
        condition, body = Builder(Block(types), b.loc), Builder(Block(types), b.loc)
        condition.yield_(condition.apply(e.lt, condition.block.params[0], number))
        at, depth, *rest = body.block.params
        stack, state = rest[: len(stack)], rest[len(stack) :]
        body.yield_(*self._advance(body, at, depth, stack, state, number))
        _, depth, *rest = b.emit(control.while_, start, types, None, (condition.block, body.block))
        return depth, rest[: len(stack)], rest[len(stack) :]

    def _advance(
        self, b: Builder, at: Value, depth: Value, stack: Sequence[Value], state: Sequence[Value], number: Value
    ) -> list[Value]:
        """Run to the place of the next state that is kept."""
        left = b.apply(e.sub, number, at)
        room = b.apply(e.lt, depth, b.index(self.kept))
        available = b.apply(e.sub, b.index(self.kept + 1), depth)
        stop = b.apply(e.add, at, b.apply(e.select, room, _distance(b, left, available), left))

        def go(b: Builder, k: Value, *state: Value) -> list[Value]:
            return inline_block(self.turn.body, [*self.free, k, *state], b.block.append)

        state = b.for_(at, stop, 1, state, go)
        stack = [_put(b, x, depth, v) for x, v in zip(stack, (stop, *state))]
        deeper = b.apply(e.add, depth, b.index(1))
        return [stop, b.apply(e.select, room, deeper, depth), *stack, *state]


def _distance(b: Builder, left: Value, states: Value) -> Value:
    """How far from a kept state the next is, where ``left + 1`` turns follow and there is room for ``states``, the
    first included.

    With ``reach(s, r)`` turns for s states and r more runs, and r as small as can be, it is the smaller of
    ``reach(s, r - 1)`` and what leaves ``reach(s - 1, r - 1)`` turns.
    """
    turns = b.apply(e.add, left, b.index(1))

    def further(b: Builder, r: Value, reach: Value) -> Value:
        return b.apply(e.floordiv, b.apply(e.mul, reach, b.apply(e.add, states, r)), r)

    start = [b.index(1), b.index(1)]
    condition, body = (Builder(Block([INDEX, INDEX]), b.loc) for _ in range(2))
    condition.yield_(condition.apply(e.lt, further(condition, *condition.block.params), turns))
    r, reach = body.block.params
    body.yield_(body.apply(e.add, r, body.index(1)), further(body, r, reach))
    r, reach = b.emit(control.while_, start, [INDEX, INDEX], None, (condition.block, body.block))
    total = b.apply(e.sub, b.apply(e.add, states, r), b.index(1))
    rest = b.apply(e.floordiv, b.apply(e.mul, reach, states), total)
    return b.apply(e.minimum, reach, b.apply(e.sub, turns, rest))


def _put(b: Builder, rows: Value, at: Value, v: Value) -> Value:
    pairs = [(k + 1, k) for k in range(v.rank)]
    return b.update(rows, v, (at, *(0,) * v.rank), pairs, (1,) * v.rank)


def _get(b: Builder, rows: Value, at: Value, shape: Sequence[int | Value]) -> Value:
    pairs = [(k + 1, k) for k in range(len(shape))]
    return b.view(rows, shape, (at, *(0,) * len(shape)), pairs, (1,) * len(shape))
