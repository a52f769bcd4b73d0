"""Loop-invariant code moves out of loops.

Scalars move whenever they may be computed for nothing (:func:`~tracejit.ops.effects.is_speculatable`; loads when they
are proved to be in bounds before the loop). What is long (transcendental functions of arrays, products, reductions,
whole loops) moves when the loop certainly runs, and takes along the cheap arrays it needs; these stay inside otherwise,
where they are fused into their consumers. A ``check`` moves when it would be the first effect of the first turn; when
the loop may not run, it moves into a branch that asks whether it does.
"""

from __future__ import annotations

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ir.types import PREDICATE
from tracejit.lower.facts import integer
from tracejit.lower.ranges import Ranges
from tracejit.lower.views import strided
from tracejit.ops import control
from tracejit.ops import elementwise as e
from tracejit.ops.effects import has_effects, is_pure, is_speculatable

_DEAR = frozenset(
    {"pow", "exp", "expm1", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "atan2"}
    | {"sinh", "cosh", "tanh", "cbrt", "hypot", "mod", "floordiv", "matmul", "nonzero", "argmin", "argmax"}
    | {"sort", "argsort", "solve", "cholesky", "det"}
    | {"reduce_sum", "reduce_prod", "reduce_min", "reduce_max", "reduce_any", "reduce_all"}
)
"""Ops on arrays that are worth a trip through memory."""

_STORES = frozenset({"update", "scatter"})


def run(function: Function) -> None:
    """Move invariant code out of the loops of ``function``."""
    if any(op.name in ("for", "while") for op in function.walk()):
        _Hoister(function).block(function.body, [], True)


class _Hoister:
    """A walk in order of execution.

    Attributes:
        level: How many loops around it a value needs: fewer than are around it for one that is invariant. Values
            that are not listed are where they need to be.
        certain: Per loop around, whether it is reached in every turn of the one around it.
        quiet: Per block around, whether nothing with an effect has come before in it.
    """

    def __init__(self, function: Function) -> None:
        self.ranges = Ranges(function)
        self.level: dict[Value, int] = dict.fromkeys(function.params, 0)
        self.certain: list[bool] = []
        self.quiet: list[bool] = []

    def block(self, block: Block, loops: list[Op], certain: bool) -> None:
        """Visit ``block`` inside ``loops``; ``certain`` says whether it runs in every turn of the innermost one."""
        self.quiet.append(certain)
        for op in list(block.ops[:-1]):
            level = self.needed(op, len(loops))
            for r in op.results:
                self.level[r] = level if is_pure(op) and op.name not in _STORES else len(loops)
            if op.name == "check":
                if level < len(loops):
                    self.hoist_check(op, loops, level)
                if op.block is block:
                    self.quiet[-1] = False
            elif level < len(loops):
                self.consider(op, loops, level, certain)
            if op.block is block:
                self.regions(op, loops, certain)
                # a store that the caller sees counts as an effect; so does what may not end
                if op.name in _STORES or op.name == "while" or (op.regions and _stores(op)) or has_effects(op):
                    self.quiet[-1] = False
        self.quiet.pop()

    def regions(self, op: Op, loops: list[Op], certain: bool) -> None:
        inner = [*loops, op] if op.name in ("for", "while") else loops
        if inner is not loops:
            self.certain.append(certain)
        for k, region in enumerate(op.regions):
            for p in region.params:
                self.level[p] = len(inner)
            runs = (op.name == "for" or (op.name == "while" and k == 0)) or (op.name == "fusion" and certain)
            self.block(region, inner, runs)
        if inner is not loops:
            self.certain.pop()

    def needed(self, op: Op, depth: int) -> int:
        """The number of loops that ``op`` has to be inside of."""
        return max((self.level.get(v, depth) for v in _inputs(op)), default=0)

    def consider(self, op: Op, loops: list[Op], level: int, certain: bool) -> None:
        """Move ``op`` to before ``loops[level]``, or as far out as is right."""
        if not is_pure(op) or op.name in _STORES:
            return
        scalar = not op.regions and all(r.rank == 0 for r in op.results) and all(v.rank == 0 for v in op.operands)
        load = op.name == "view" and op.result.rank == 0
        if not (scalar or load or op.name in _DEAR or op.regions):
            return
        for target in range(level, len(loops)):
            loop = loops[target]
            if load:
                right = self.in_bounds(op, loop)
            elif not self.speculatable(op, loop):
                right = False
            else:
                right = scalar or (
                    certain and all(self.certain[target + 1 :]) and all(self.runs(x) for x in loops[target:])
                )
            if right:
                self.move(op, loop)
                for r in op.results:
                    self.level[r] = target
                return

    def speculatable(self, op: Op, loop: Op) -> bool:
        """Whether ``op`` and the pending arrays it needs may run before ``loop``."""
        return is_speculatable(op) and all(
            self.speculatable(d, loop) for v in _inputs(op) if (d := v.op) is not None and self.is_inside(d, loop)
        )

    def is_inside(self, op: Op, loop: Op) -> bool:
        return any(region.contains(op.block) for region in loop.regions)

    def move(self, op: Op, loop: Op) -> None:
        """Put ``op``, and before it what it needs from inside, right before ``loop``."""
        for v in _inputs(op):
            if v.op is not None and self.is_inside(v.op, loop):
                self.move(v.op, loop)
        assert op.block is not None and loop.block is not None
        op.block.remove(op)
        loop.block.insert_before(loop, op)
        # facts that held where it was need not hold where it is
        facts = self.ranges.facts
        for inner in op.walk():
            facts.order[inner] = facts.order[loop]
            if inner in facts.end:
                facts.end[inner] = facts.order[loop]

    def in_bounds(self, op: Op, loop: Op) -> bool:
        """Whether the element that ``op`` loads exists whenever ``loop`` is reached."""
        base, starts, _, _ = strided(op)
        if base.op is not None and self.is_inside(base.op, loop):
            return False
        if any(v.op is not None and self.is_inside(v.op, loop) for v in starts):
            return False
        at = self.ranges.facts.order[loop]
        for v, d in zip(starts, base.shape):
            size, offset = (d, -1) if isinstance(d, Value) else (None, d - 1)
            if not (self.ranges.at_most(None, v, 0, at) and self.ranges.at_most(v, size, offset, at)):
                return False
        return True

    def runs(self, loop: Op) -> bool:
        """Whether the body of a ``for`` certainly runs at least once whenever the loop is reached."""
        if loop.name != "for":
            return False
        start, stop, step = loop.operands[:3]
        n, at = integer(step), self.ranges.facts.order[loop]
        if n is None:
            return False
        return self.ranges.at_most(start, stop, -1, at) if n > 0 else self.ranges.at_most(stop, start, -1, at)

    def hoist_check(self, op: Op, loops: list[Op], level: int) -> None:
        """Move a check that is the first effect of a loop's first turn to before the loop, and on."""
        for k in range(len(loops) - 1, level - 1, -1):
            loop, depth = loops[k], k - len(loops)
            assert loop.block is not None and op.block is not None
            if op.block.parent is not loop or not self.quiet[depth]:
                return
            self.quiet[depth] = False
            if any(v.op is not None and self.is_inside(v.op, loop) for v in op.operands):
                return
            if not self.runs(loop) and not (loop.name == "while" and op.block is loop.regions[0]):
                if self.guard(op, loop):
                    self.quiet[depth - 1 : depth + 1 or None] = [False, True]
                return
            self.move(op, loop)
            self.quiet[depth] = True
            if k == level or loop.block.parent is not loops[k - 1]:
                self.quiet[depth - 1] = False

    def guard(self, op: Op, loop: Op) -> bool:
        """Move a check to before a loop that may not run, into a branch that asks whether it does."""
        n = integer(loop.operands[2]) if loop.name == "for" else None
        if n is None or loop.block is None or op.block is None:
            return False
        start, stop = loop.operands[:2]
        entered = Op(e.lt if n > 0 else e.gt, (start, stop), (PREDICATE,), None, (), op.loc)
        then, otherwise = Block(), Block()
        guard = Op(control.if_, (entered.result,), (), None, (then, otherwise), op.loc)
        op.block.remove(op)
        then.append(op)
        for region in (then, otherwise):
            region.append(Op(control.yield_, (), (), None, (), op.loc))
        loop.block.insert_before(loop, entered, guard)
        return True


def _inputs(op: Op) -> list[Value]:
    """The values from outside that ``op`` needs: operands, dimensions, and what its regions read."""
    if not op.regions:
        return list(op.inputs())
    inside = {r for inner in op.walk() for r in inner.results}
    inside |= {p for inner in op.walk() for region in inner.regions for p in region.params}
    return list(dict.fromkeys(v for inner in op.walk() for v in inner.inputs() if v not in inside))


def _stores(op: Op) -> bool:
    return any(inner.name in _STORES for inner in op.walk())
