"""How much work a piece of loop-level code is, where that is known before it runs."""

from __future__ import annotations

from tracejit.ir.core import Block, Op, Value
from tracejit.ops.effects import constant
from tracejit.ops.primitive import Primitive

_MODERATE = 1 << 40
FUEL = 1 << 24
"""Units of work between polls: some ten milliseconds."""

SMALL = 1 << 16
"""A loop of at most so much known work counts as straight-line code."""

_CALLS = frozenset({"gemm", "call", "copy_elements", "fill_zero", "alloc", "print", "callback"})


def static_trips(op: Op) -> int | None:
    """How many turns a ``for`` makes, when its bounds are constants."""
    bounds = [constant(v) for v in op.operands[:3]]
    if any(b is None for b in bounds):
        return None
    start, stop, step = (int(str(b)) for b in bounds)
    return len(range(start, stop, step)) if step else None


def most_trips(op: Op) -> int | None:
    """The most turns a ``for`` can make, where constants bound its start and stop."""
    known = static_trips(op)
    if known is not None:
        return known
    step = constant(op.operands[2])
    if not isinstance(step, int) or step == 0:
        return None
    start, stop = _bounds(op.operands[0], 0), _bounds(op.operands[1], 0)
    low, high = (start[0], stop[1]) if step > 0 else (stop[0], start[1])
    if low is None or high is None:
        return None
    return max(0, -((low - high) // abs(step)))


def _bounds(v: Value, depth: int) -> tuple[int | None, int | None]:
    """The least and the greatest value of an index, as far as constants and loop counters show them."""
    n = constant(v)
    if isinstance(n, int):
        return (n, n) if abs(n) < _MODERATE else (None, None)
    if depth > 4:
        return None, None
    op = v.op
    if op is None:
        loop = v.owner.parent if isinstance(v.owner, Block) else None
        if loop is None or loop.name != "for" or loop.regions[0].params[0] is not v:
            return None, None
        step = constant(loop.operands[2])
        if not isinstance(step, int) or step == 0:
            return None, None
        start, stop = (_bounds(b, depth + 1) for b in loop.operands[:2])
        if step > 0:
            return start[0], None if stop[1] is None else stop[1] - 1
        return None if stop[0] is None else stop[0] + 1, start[1]
    if op.name not in ("add", "sub", "minimum", "maximum"):
        return None, None
    (a, b), (c, d) = (_bounds(x, depth + 1) for x in op.operands)
    if op.name == "minimum":
        return (None if a is None or c is None else min(a, c)), min((x for x in (b, d) if x is not None), default=None)
    if op.name == "maximum":
        return max((x for x in (a, c) if x is not None), default=None), (None if b is None or d is None else max(b, d))
    if a is None or b is None or c is None or d is None:
        return None, None  # one side alone could have wrapped around
    return (a + c, b + d) if op.name == "add" else (a - d, b - c)


class Costs:
    """Work in units of about an instruction, remembered per block."""

    def __init__(self) -> None:
        self._blocks: dict[Block, int | None] = {}
        self._pays: dict[Block, bool] = {}

    def of(self, block: Block) -> int | None:
        """The work of ``block``, or None when it contains a loop that must be polled in."""
        if block not in self._blocks:
            total: int | None = 0
            for op in block.ops:
                cost = self.of_op(op)
                total = None if cost is None or total is None else total + cost
            self._blocks[block] = total
        return self._blocks[block]

    def of_op(self, op: Op) -> int | None:
        """The work of ``op``; None for loops that are long, or not known to be short."""
        if not op.regions:
            return _unit(op)
        if op.name == "while":
            return None
        inner = [self.of(r) for r in op.regions]
        if any(c is None for c in inner):
            return None
        total = 1 + sum(c for c in inner if c is not None)
        if op.name == "for":
            trips = most_trips(op)
            if trips is None or trips * total > SMALL:
                return None
            return trips * total
        return total

    def of_parts(self, block: Block) -> int:
        """The work of the ops of ``block`` other than loops that are polled in."""
        return sum(c for op in block.ops if (c := self.of_op(op)) is not None)

    def pays(self, block: Block) -> bool:
        """Whether every run of ``block`` reaches a loop that charges its work."""
        if block not in self._pays:
            self._pays[block] = any(
                op.name == "for" and self.of_op(op) is None and self._charges(op) for op in block.ops
            )
        return self._pays[block]

    def _charges(self, op: Op) -> bool:
        # an innermost loop charges on entry, also for no turns; another only in its turns
        return static_trips(op) != 0 and self.of(op.regions[0]) is not None


def _unit(op: Op) -> int:
    if op.name in _CALLS:
        return 64
    primitive = op.primitive
    if isinstance(primitive, Primitive) and any(t.startswith("math") for t in primitive.codegen.values()):
        return 8
    return 1
