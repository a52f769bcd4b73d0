"""How large the integers of a program can get.

Integers are mathematical ones here: an op that wraps around is only looked through where it is known not to.

A counter that only moves by small steps from a moderate init is taken not to reach 64 bits: that would take centuries.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.lower.arithmetic import Interval, of_operation
from tracejit.lower.dce import carried_slots
from tracejit.lower.facts import Bound, Facts, inequalities, integer, is_int, limits, operand
from tracejit.ops.effects import constant
from tracejit.record import field, record

_DEPTH = 24
_SMALL_STEP = 2**10
_MODERATE = 2**62
_GROWTH = 2**60
"""How far small steps lead in feasible time."""


_Question: TypeAlias = Value | tuple[Op, int]
_NEVER = 1 << 30


@record
class _Flow:
    """Where the next value of a carried one comes from: other values (with where they are read and how much is added),
    and itself, moved up or down by small steps."""

    roots: list[tuple[Value, int, int, int]] = field(default_factory=list)
    rises: bool = False
    falls: bool = False


class Intervals:
    """Answers about the integers of one function, as it was when this was made."""

    def __init__(self, function: Function) -> None:
        self.facts = Facts(function)
        self._answers: dict[tuple[Value, int] | tuple[Op, int], Interval] = {}
        self._provisional: dict[tuple[Value, int] | tuple[Op, int], Interval] = {}
        self._active: dict[_Question, int] = {}
        self._lowest = _NEVER
        self._outer: list[int] = []

    def interval(self, v: Value, at: int) -> Interval:
        """The least and the greatest value that the integer ``v`` can have at the place ``at``."""
        c = integer(v)
        if c is not None:
            return c, c
        key = (v, self.facts.zone[at])
        known = self._answers.get(key) or self._provisional.get(key)
        if known is not None:
            return known
        low, high = limits(v.dtype)
        if not self._enter(v):
            return low, high
        a, b = self._defined(v, at)
        low, high = max(low, a), min(high, b)
        a, b = self._by_facts(v, at)
        low, high = max(low, a), min(high, b)
        if low > high:
            # facts contradict each other: nothing runs here
            low, high = limits(v.dtype)
        self._leave(v, key, (low, high))
        return low, high

    def _enter(self, question: _Question) -> bool:
        """Start to answer a question, unless that is under way (around a loop) or leads too deep."""
        cycle = self._active.get(question)
        if cycle is None and len(self._active) > _DEPTH:
            cycle = 0
        if cycle is not None:
            self._lowest = min(self._lowest, cycle)
            return False
        self._outer.append(self._lowest)
        self._lowest = _NEVER
        self._active[question] = len(self._active)
        return True

    def _leave(self, question: _Question, key: tuple[Value, int] | tuple[Op, int], answer: Interval) -> None:
        """Keep an answer: for good, unless it was cut short because of a question that is still open."""
        depth = self._active.pop(question)
        if self._lowest >= depth:
            self._answers[key] = answer
            self._lowest = _NEVER
        else:
            self._provisional[key] = answer
        self._lowest = min(self._lowest, self._outer.pop())
        if not self._active:
            self._provisional.clear()

    def _by_facts(self, v: Value, at: int) -> Interval:
        low, high = limits(v.dtype)
        for b in self.facts.upper.get(v, ()):
            if b.first < at <= b.last and self._all_exact(b, at):
                high = min(high, b.offset + (0 if b.other is None else self.interval(b.other, at)[1]))
        for b in self.facts.lower.get(v, ()):
            if b.first < at <= b.last and self._all_exact(b, at):
                low = max(low, (0 if b.other is None else self.interval(b.other, at)[0]) - b.offset)
        for b in self.facts.distinct.get(v, ()):
            if b.other is None and b.first < at <= b.last:
                if b.offset == low:
                    low += 1
                if b.offset == high:
                    high -= 1
        return low, high

    def _defined(self, v: Value, at: int) -> Interval:
        """By what computes ``v``."""
        whole = limits(v.dtype)
        op = v.op
        if op is None:
            return self._of_parameter(v)
        if op.name == "if":
            k = op.results.index(v)
            if op.regions[0] not in self.facts.span:
                return whole
            parts = [self.interval(r.yields[k], self.facts.span[r][1]) for r in op.regions]
            return min(a for a, _ in parts), max(b for _, b in parts)
        if op.name in ("for", "while"):
            return self._slot(op, op.results.index(v))
        if op.name == "select":
            p, *arms = op.operands
            taken = [x for x, truth in zip(arms, (True, False)) if self.possible(p, truth, at)]
            parts = [self.interval(x, at) for x in taken or arms]
            return min(a for a, _ in parts), max(b for _, b in parts)
        if op.name == "view":
            base = op.operands[0].op
            if base is not None and base.name == "const" and isinstance(base.attrs["value"], np.ndarray):
                values = base.attrs["value"]
                return (int(values.min()), int(values.max())) if values.size else whole
            return whole
        operands = []
        for x in op.operands:
            if is_int(x):
                operands.append(self.interval(x, at))
            elif x.dtype.kind == "b" and not x.rank:
                operands.append((0, 1))
            else:
                return (0, whole[1]) if op.name in ("nonzero", "argmin", "argmax") else whole
        low, high = of_operation(op, operands, whole)
        if (low < whole[0] or high > whole[1]) and not self._checked(op, at):
            return whole
        return low, high

    def _of_parameter(self, p: Value) -> Interval:
        block = p.owner
        assert isinstance(block, Block)
        loop = block.parent
        if loop is None or loop not in self.facts.order:
            return limits(p.dtype)
        k = block.params.index(p)
        if loop.name == "while":
            return self._slot(loop, k)
        if loop.name != "for":
            return limits(p.dtype)
        if k:
            return self._slot(loop, k - 1)
        at = self.facts.entry(block)
        (a, b), (c, d), (e, f) = (self.interval(v, at) for v in loop.operands[:3])
        if e > 0:
            return a, d - 1
        if f < 0:
            return c + 1, b
        return min(a, c + 1), max(b, d - 1)

    def possible(self, p: Value, truth: bool, at: int) -> bool:
        """Whether a condition can be ``truth`` at ``at``, as far as intervals tell."""
        c = constant(p)
        if c is not None:
            return c == truth
        for a, b, k in inequalities(p, truth):
            low = 0 if a is None else self.interval(a, at)[0]
            high = 0 if b is None else self.interval(b, at)[1]
            if low - high > k:
                return False
        return True

    # --- what loops carry, as intervals
    def _slot(self, loop: Op, k: int) -> Interval:
        """The values that a loop carries as result ``k``, init and final ones included."""
        key = (loop, k)
        known = self._answers.get(key) or self._provisional.get(key)
        if known is not None:
            return known
        init, params, following = carried_slots(loop, k)
        whole = limits(init.dtype)
        if loop not in self.facts.order or not self._enter(key):
            return whole
        low, high = self._slot_interval(loop, init, params[-1], following)
        low, high = max(low, whole[0]), min(high, whole[1])
        self._leave(key, key, (low, high))
        return low, high

    def _slot_interval(self, loop: Op, init: Value, param: Value, following: Value) -> Interval:
        whole = limits(init.dtype)
        flow = _Flow()
        self._follow(following, param, self.facts.span[loop.regions[-1]][1], 0, 0, flow, 0)
        intervals = [self.interval(init, self.facts.order[loop])]
        for v, at, least, most in flow.roots:
            low, high = self.interval(v, at)
            if (least or most) and (init.dtype != np.int64 or low < -_MODERATE or high > _MODERATE):
                return whole
            intervals.append((low + least, high + most))
        low, high = min(a for a, _ in intervals), max(b for _, b in intervals)
        if flow.rises or flow.falls:
            if init.dtype != np.int64 or (flow.rises and high > _MODERATE) or (flow.falls and low < -_MODERATE):
                return whole
        return low - (_GROWTH if flow.falls else 0), high + (_GROWTH if flow.rises else 0)

    def _follow(self, v: Value, param: Value, at: int, least: int, most: int, flow: _Flow, depth: int) -> bool:
        """Trace ``v + [least, most]`` back to ``param`` and to other values; whether it comes from ``param`` at all."""
        if v is param:
            flow.rises |= most > 0
            flow.falls |= least < 0
            return True
        op = v.op
        if op is not None and depth < _DEPTH and op in self.facts.order:
            if op.name in ("add", "sub"):
                a, b = op.operands
                for x, y in ((a, b), (b, a)) if op.name == "add" else ((a, b),):
                    if x.op is not None and x.op.name == "const":
                        continue
                    low, high = self._step(y, at)
                    if op.name == "sub":
                        low, high = -high, -low
                    if low >= -_SMALL_STEP and high <= _SMALL_STEP:
                        moved = _Flow()
                        if self._follow(x, param, at, least + low, most + high, moved, depth + 1):
                            _merge(flow, moved)
                            return True
            parts: list[tuple[Value, int]] = []
            trial = _Flow()
            if op.name == "select":
                parts = [(x, at) for x in op.operands[1:]]
            elif op.name in ("minimum", "maximum"):
                parts = [(x, at) for x in op.operands]
            elif op.name == "if":
                k = op.results.index(v)
                parts = [(r.yields[k], self.facts.span[r][1]) for r in op.regions]
            elif op.name in ("for", "while"):
                init, params, following = carried_slots(op, op.results.index(v))
                inner = _Flow()
                self._follow(following, params[-1], self.facts.span[op.regions[-1]][1], 0, 0, inner, depth + 1)
                if not any(a or b for _, _, a, b in inner.roots):
                    parts = [(init, self.facts.order[op]), *((x, place) for x, place, _, _ in inner.roots)]
                    trial = _Flow(rises=inner.rises, falls=inner.falls)
            if parts:
                found = [self._follow(x, param, place, least, most, trial, depth + 1) for x, place in parts]
                if any(found):
                    _merge(flow, trial)
                    return True
        flow.roots.append((v, at, least, most))
        return False

    def _step(self, v: Value, at: int) -> Interval:
        """What is added to a counter in one turn."""
        return self.interval(v, at) if is_int(v) else (-_MODERATE, _MODERATE)

    # --- wrapping around
    def exact(self, op: Op, at: int) -> bool:
        """Whether an ``add``, ``sub``, ``mul`` or ``neg`` gives the mathematical result at ``at``."""
        whole = limits(op.result.dtype)
        low, high = of_operation(op, [self.interval(v, at) for v in op.operands], whole)
        if whole[0] <= low and high <= whole[1]:
            return True
        if self._checked(op, at):
            return True
        c = integer(op.operands[-1]) if op.name == "add" else None
        if c is not None:
            # had it wrapped around, the result would be near the other end
            low, high = self._by_facts(op.result, at)
            return low >= whole[0] + c if c > 0 else high <= whole[1] + c
        c = integer(op.operands[-1]) if op.name == "sub" else None
        return c is not None and c > 0 and self._by_facts(op.result, at)[1] <= whole[1] - c

    def _all_exact(self, bound: Bound, at: int) -> bool:
        return all(self.exact(op, at) for op in bound.exact)

    def _checked(self, op: Op, at: int) -> bool:
        """Whether a check has asked that this very arithmetic does not leave 64 bits."""
        if op.name not in ("add", "sub", "mul") or op.result.dtype != np.int64:
            return False
        place = self.facts.order.get(op, at)
        return self.known_not_to_overflow(op.name, op, at) or self.known_not_to_overflow(op.name, op, place)

    def known_not_to_overflow(self, name: str, op: Op, at: int) -> bool:
        """Whether a check has passed before ``at`` that ``name`` of the operands of ``op`` does not leave 64 bits."""
        spans = self.facts.exact.get((name, operand(op.operands[0]), operand(op.operands[1])), ())
        return any(s.first < at <= s.last for s in spans)


def _merge(flow: _Flow, other: _Flow) -> None:
    flow.roots += other.roots
    flow.rises |= other.rises
    flow.falls |= other.falls
