"""Checks that always pass are removed, and comparisons of integers that are decided are folded.

What is not proved stays. The proofs are those of :mod:`tracejit.lower.ranges`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ir.types import BOOL, ArrayType
from tracejit.lower.facts import is_int
from tracejit.lower.ranges import Ranges
from tracejit.lower.rewriter import drop, replace
from tracejit.ops import elementwise as e
from tracejit.ops import structural
from tracejit.ops.primitive import Primitive

_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "add_overflows", "sub_overflows", "mul_overflows"})


def run(function: Function) -> None:
    """Remove the checks of ``function`` that are proved to pass."""
    walk = _Checks(Ranges(function))
    walk.block(function.body)
    for op in walk.gone:
        drop(op)


class _Checks:
    """The walk; ``ranges`` knows the function as it was before, so ops that are ``gone`` keep their operands until the
    end."""

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges
        self.gone: list[Op] = []

    def block(self, block: Block) -> None:
        kept: list[Op] = []
        for op in block.ops:
            at = self.ranges.facts.order[op]
            if op.name == "check" and self.check(op, at, kept):
                continue
            if op.name in ("if", "select") and op.operands[0].rank == 0:
                self.decide(op, at, kept)
            elif op.name in _COMPARISONS and is_int(op.operands[0]):
                truth = self.ranges.holds(op.result, at)
                if truth is not None:
                    replace(op.result, _const(op, truth, kept))
                    self.gone.append(op)
                    continue
            elif op.name in ("minimum", "maximum", "abs", "mod") and is_int(op.operands[0]):
                same = self.operand(op, at)
                if same is None and op.name == "mod":
                    same = self.wrapped_once(op, at, kept)
                if same is not None:
                    replace(op.result, same)
                    self.gone.append(op)
                    continue
            kept.append(op)
            op.block = block
            for region in op.regions:
                self.block(region)
        for op in kept:
            op.block = block
        block.ops = kept

    def check(self, op: Op, at: int, kept: list[Op]) -> bool:
        """Whether the check always passes. If only part of it does, it asks for the rest from now on."""
        parts = list(_conjuncts(op.operands[0]))
        rest = [p for p in parts if self.ranges.holds(p, at) is not True]
        if not rest:
            self.gone.append(op)
            return True
        if len(rest) < len(parts):
            ok = rest[0]
            for p in rest[1:]:
                both = Op(e.and_, (ok, p), (ArrayType(BOOL),), None, (), op.loc)
                kept.append(both)
                ok = both.result
            op.set_operands([ok, *op.operands[1:]])
        return False

    def decide(self, op: Op, at: int, kept: list[Op]) -> None:
        """A condition that is known here, if not where it was computed."""
        truth = self.ranges.holds(op.operands[0], at)
        if truth is not None and not (op.operands[0].op is not None and op.operands[0].op.name == "const"):
            op.set_operands([_const(op, truth, kept), *op.operands[1:]])
        elif truth is None:
            self.arms(op, at)

    def arms(self, op: Op, at: int) -> None:
        """A choice that is made for one arm of a choice, and is decided by that arm being taken."""
        p = op.operands[0]
        if op.name == "if":
            for region in op.regions:
                holds = partial(self.ranges.holds, at=self.ranges.facts.span[region][1])
                region.terminator.set_operands([self.decided(v, holds) for v in region.yields])
            return
        arms = [
            self.decided(v, partial(self.ranges.holds_where, p, truth, at=at))
            for v, truth in zip(op.operands[1:], (True, False))
        ]
        op.set_operands([p, *arms])

    def decided(self, v: Value, holds: Callable[[Value], bool | None]) -> Value:
        """What ``v`` is if it is chosen by a condition that is known."""
        inner = v.op
        if inner is None or inner.name != "select" or inner.operands[0].rank or inner not in self.ranges.facts.order:
            return v
        truth = holds(inner.operands[0])
        return v if truth is None else inner.operands[1 if truth else 2]

    def operand(self, op: Op, at: int) -> Value | None:
        """The operand that the op gives back, if it is certain which."""
        a, b = op.operands[0], op.operands[-1]
        match op.name:
            case "abs":
                return a if self.ranges.at_most(None, a, 0, at) else None
            case "mod":
                inside = self.ranges.at_most(None, a, 0, at) and self.ranges.at_most(a, b, -1, at)
                return a if inside else None
        if self.ranges.at_most(a, b, 0, at):
            return a if op.name == "minimum" else b
        if self.ranges.at_most(b, a, 0, at):
            return b if op.name == "minimum" else a
        return None

    def wrapped_once(self, op: Op, at: int, kept: list[Op]) -> Value | None:
        """The remainder of a number that is at most one turn off (a neighbouring index), by a comparison."""
        a, b = op.operands
        low, high = self.ranges.interval(a, at)
        least = self.ranges.interval(b, at)[0]
        if least < 1:
            return None

        def emit(primitive: Primitive, *operands: Value) -> Value:
            assert primitive.infer is not None
            new = Op(primitive, operands, primitive.infer([v.type for v in operands], {}), None, (), op.loc)
            kept.append(new)
            return new.result

        zero = Op(structural.const, (), (a.type,), {"value": 0}, (), op.loc)
        if low >= 0 and (high < 2 * least or self.ranges.at_most(a, b, 0, at)):
            return emit(e.select, emit(e.ge, a, b), emit(e.sub, a, b), a)
        if low >= -least and (high < least or self.ranges.at_most(a, b, -1, at)):
            kept.append(zero)
            return emit(e.select, emit(e.lt, a, zero.result), emit(e.add, a, b), a)
        return None


def _conjuncts(p: Value) -> Iterator[Value]:
    op = p.op
    if op is not None and op.name == "and":
        for v in op.operands:
            yield from _conjuncts(v)
    else:
        yield p


def _const(op: Op, truth: bool, kept: list[Op]) -> Value:
    new = Op(structural.const, (), (ArrayType(BOOL),), {"value": truth}, (), op.loc)
    kept.append(new)
    return new.result
