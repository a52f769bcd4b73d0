"""Proving inequalities between integers of a program.

Whether ``a <= b + c`` holds at a place (``c`` a number) is answered, as far as can be told, by a search from both sides
through facts (:mod:`tracejit.lower.facts`), definitions, and induction over loops, after Bodík, Gupta and Sarkar (ABCD:
eliminating array bounds checks on demand, PLDI 2000); numbers come from :mod:`tracejit.lower.intervals`.

A proof may rest on a check only at places that the check dominates, so at times before which it has passed; hence
checks that are proved by each other may all go: the first time one of them would have failed, those before it had not.

A bound holds for what a loop carries when the init has it, and the next value has it whenever the value has. The other
side of the inequality must stay the same: it is defined before the loop, or carried beside, or the loop's counter.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.lower.arithmetic import of_operation
from tracejit.lower.dce import carried_slots
from tracejit.lower.facts import Term, consequences, inequalities, integer, is_int, limits
from tracejit.lower.intervals import Intervals

_FUEL = 200
"""Steps of one proof."""
_DEPTH = 24
_SUPPOSITIONS = 12
"""Conditions that may be supposed at a time."""


class Ranges(Intervals):
    """Proofs about the integers of one function, as it was when this was made."""

    def __init__(self, function: Function) -> None:
        super().__init__(function)
        self._proved: dict[tuple[Term, Term, int, int], bool] = {}
        self._fuel = 0
        self._depth = 0
        self._path: dict[tuple[Term, Term], int] = {}
        self._hypotheses: dict[tuple[Term, Term], int] = {}
        self._assumed: list[tuple[Value, bool]] = []

    def at_most(self, a: Term, b: Term, c: int, at: int) -> bool:
        """Whether ``a <= b + c`` certainly holds at the place ``at``."""
        key = (a, b, c, self.facts.zone[at])
        known = self._proved.get(key) if not self._assumed else None
        if known is None:
            self._fuel = _FUEL
            known = self._le(a, b, c, at)
            if not self._assumed:
                self._proved[key] = known
        return known

    def _le(self, v: Term, w: Term, c: int, at: int) -> bool:
        k = integer(v) if v is not None else None
        if k is not None:
            v, c = None, c - k
        k = integer(w) if w is not None else None
        if k is not None:
            w, c = None, c + k
        if v is w:
            return c >= 0
        self._fuel -= 1
        if self._fuel < 0 or self._depth > _DEPTH:
            return False
        high = 0 if v is None else self.interval(v, at)[1]
        low = 0 if w is None else self.interval(w, at)[0]
        if high - low <= c:
            return True
        key = (v, w)
        claimed = self._hypotheses.get(key)
        if claimed is not None and c >= claimed:
            return True
        asked = self._path.get(key)
        if asked is not None and c <= asked:
            return False
        self._path[key] = c
        self._depth += 1
        try:
            return (
                (v is not None and self._upper_by_definition(v, w, c, at))
                or (w is not None and self._lower_by_definition(v, w, c, at))
                or self._by_bounds(v, w, c, at)
            )
        finally:
            if asked is None:
                del self._path[key]
            else:
                self._path[key] = asked
            self._depth -= 1

    def _by_bounds(self, v: Term, w: Term, c: int, at: int) -> bool:
        facts = self.facts
        if v is not None:
            for b in facts.upper.get(v, ()):
                if b.first < at <= b.last and (b.other is not None or w is not None) and self._all_exact(b, at):
                    if self._le(b.other, w, c - b.offset, at):
                        return True
        if w is not None:
            for b in facts.lower.get(w, ()):
                if b.first < at <= b.last and (b.other is not None or v is not None) and self._all_exact(b, at):
                    if self._le(v, b.other, c - b.offset, at):
                        return True
        if v is not None and w is not None:
            for user in v.users:
                if user.name == "mul" and user.result in facts.upper and self._is_multiple(user, v, at):
                    if self._le(user.result, w, c, at):
                        return True
        for p, truth in self._assumed:
            for x, y, k in inequalities(p, truth):
                if x is v and v is not None and self._le(y, w, c - k, at):
                    return True
                if y is w and w is not None and self._le(v, x, c - k, at):
                    return True
        if v is not None:
            for b in facts.distinct.get(v, ()):
                if b.other is w and b.offset == c + 1 and b.first < at <= b.last:
                    # v != w + c + 1, so that v <= w + c + 1 is as good
                    if self._le(v, w, c + 1, at):
                        return True
        return False

    def _is_multiple(self, op: Op, v: Value, at: int) -> bool:
        """Whether a product of ``v`` is at least ``v`` where ``op`` may not have run yet: a square, or of a positive
        number and something not negative."""
        a, b = op.operands
        if a is not v or (b is not v and not (self.interval(v, at)[0] >= 0 and self.interval(b, at)[0] >= 1)):
            return False
        low, high = of_operation(op, [self.interval(a, at), self.interval(b, at)], limits(v.dtype))
        least, most = limits(v.dtype)
        return (least <= low and high <= most) or self.known_not_to_overflow("mul", op, at)

    def _supposing(self, p: Value, truth: bool, v: Term, w: Term, c: int, at: int) -> bool:
        """:meth:`_le` where ``p`` is ``truth``."""
        if (p, not truth) in self._assumed or not self.possible(p, truth, at):
            return True
        before = len(self._assumed)
        self._suppose(p, truth, at)
        try:
            return self._le(v, w, c, at)
        finally:
            del self._assumed[before:]

    def _suppose(self, p: Value, truth: bool, at: int) -> None:
        """Assume that ``p`` is ``truth``, and what follows by the disjunctions and conjunctions it is part of."""
        new = list(consequences(p, truth))
        for q, value in new:
            self._assumed.append((q, value))
            if len(new) > _SUPPOSITIONS:
                continue
            for user in q.users:
                if user.name not in ("and", "or") or user.result.rank or user.result.dtype.kind != "b":
                    continue
                decisive = user.name == "or"
                other = user.operands[1 if user.operands[0] is q else 0]
                if value is decisive or self._known(other, at) is (not decisive):
                    new.append((user.result, value))
                elif self._known(user.result, at) is decisive:
                    new += consequences(other, decisive)

    def _known(self, p: Value, at: int) -> bool | None:
        """What a condition is by itself: checked, or assumed."""
        for span in self.facts.truths.get(p, ()):
            if span.first < at <= span.last:
                return span.truth
        return next((truth for q, truth in self._assumed if q is p), None)

    def _upper_by_definition(self, v: Value, w: Term, c: int, at: int) -> bool:
        """``v <= w + c`` by what computes ``v``."""
        op = v.op
        if op is None:
            return self._parameter(v, w, c, at, upper=True)
        match op.name:
            case "add":
                if not self.exact(op, at):
                    return False
                a, b = op.operands
                k = integer(b)
                if k is not None:
                    return self._le(a, w, c - k, at)
                return self._le(a, w, c - self.interval(b, at)[1], at) or self._le(
                    b, w, c - self.interval(a, at)[1], at
                )
            case "sub":
                if not self.exact(op, at):
                    return False
                a, b = op.operands
                return (w is None and self._le(a, b, c, at)) or self._le(a, w, c + self.interval(b, at)[0], at)
            case "mul":
                k, other = integer(op.operands[1]), w.op if w is not None else None
                if k is None or k <= 0 or other is None or other.name != "mul" or integer(other.operands[1]) != k:
                    return False
                return (
                    self.exact(op, at)
                    and self.exact(other, at)
                    and self._le(op.operands[0], other.operands[0], c // k, at)
                )
            case "select":
                p, a, b = op.operands
                return self._supposing(p, True, a, w, c, at) and self._supposing(p, False, b, w, c, at)
            case "maximum":
                return all(self._le(x, w, c, at) for x in op.operands)
            case "minimum":
                return any(self._le(x, w, c, at) for x in op.operands)
            case "cast":
                (x,) = op.operands
                return is_int(x) and self._fits(x, v, at) and self._le(x, w, c, at)
            case "floordiv" | "shr":
                return self._upper_of_quotient(op, w, c, at)
            case "mod":
                a, b = op.operands
                if self.interval(b, at)[0] > 0 and self._le(b, w, c + 1, at):
                    return True
                return self.interval(a, at)[0] >= 0 and self.interval(b, at)[0] > 0 and self._le(a, w, c, at)
            case "and":
                return any(self.interval(x, at)[0] >= 0 and self._le(x, w, c, at) for x in op.operands)
            case "argmin" | "argmax":
                n = op.operands[0].shape[op.attrs["axes"][0]]
                return self._le(n, w, c + 1, at) if isinstance(n, Value) else self._le(None, w, c - (n - 1), at)
            case "if":
                return self._arms(op, v, w, c, upper=True)
            case "for" | "while":
                return self._result(op, v, w, c, upper=True)
        return False

    def _lower_by_definition(self, v: Term, w: Value, c: int, at: int) -> bool:
        """``v <= w + c`` by what computes ``w``."""
        op = w.op
        if op is None:
            return self._parameter(w, v, c, at, upper=False)
        match op.name:
            case "add":
                if not self.exact(op, at):
                    return False
                a, b = op.operands
                k = integer(b)
                if k is not None:
                    return self._le(v, a, c + k, at)
                return self._le(v, a, c + self.interval(b, at)[0], at) or self._le(
                    v, b, c + self.interval(a, at)[0], at
                )
            case "sub":
                if not self.exact(op, at):
                    return False
                a, b = op.operands
                return (v is None and self._le(b, a, c, at)) or self._le(v, a, c - self.interval(b, at)[1], at)
            case "mul":
                k = integer(op.operands[1])
                if k is None or k <= 0 or self.interval(op.operands[0], at)[0] < 0 or not self.exact(op, at):
                    return False
                return self._le(v, op.operands[0], c, at)
            case "select":
                p, a, b = op.operands
                return self._supposing(p, True, v, a, c, at) and self._supposing(p, False, v, b, c, at)
            case "maximum":
                return any(self._le(v, x, c, at) for x in op.operands)
            case "minimum":
                return all(self._le(v, x, c, at) for x in op.operands)
            case "cast":
                (x,) = op.operands
                return is_int(x) and self._fits(x, w, at) and self._le(v, x, c, at)
            case "floordiv" | "shr":
                pair = self._halved_sum(op, at)
                if pair is None:
                    return False
                x, y = pair
                return (self._le(v, x, c, at) and (self._le(v, y, c, at) or self._le(x, y, 0, at))) or (
                    self._le(v, y, c, at) and self._le(y, x, 0, at)
                )
            case "if":
                return self._arms(op, w, v, c, upper=False)
            case "for" | "while":
                return self._result(op, w, v, c, upper=False)
        return False

    def _fits(self, x: Value, v: Value, at: int) -> bool:
        """Whether a cast keeps the number."""
        (low, high), (least, most) = self.interval(x, at), limits(v.dtype)
        return least <= low and high <= most

    def _halved_sum(self, op: Op, at: int) -> Sequence[Value] | None:
        """``x, y`` of ``(x + y) // 2``."""
        a, b = op.operands
        total = a.op
        if integer(b) != (2 if op.name == "floordiv" else 1) or total is None or total.name != "add":
            return None
        return total.operands if self.exact(total, at) else None

    def _upper_of_quotient(self, op: Op, w: Term, c: int, at: int) -> bool:
        pair = self._halved_sum(op, at)
        if pair is not None:
            x, y = pair
            if self._le(x, w, c, at) and self._le(y, w, c, at):
                return True
            if self._le(y, w, c + 1, at) and self._le(x, y, -1, at):
                return True
            if self._le(x, w, c + 1, at) and self._le(y, x, -1, at):
                return True
        a, b = op.operands
        positive = op.name == "shr" or self.interval(b, at)[0] > 0
        return positive and self.interval(a, at)[0] >= 0 and self._le(a, w, c, at)

    # --- branches and loops
    def _side(self, v: Term, other: Term, c: int, at: int, upper: bool) -> bool:
        """``v <= other + c`` or, for a lower bound, ``other <= v + c``."""
        return self._le(v, other, c, at) if upper else self._le(other, v, c, at)

    def _arms(self, op: Op, v: Value, other: Term, c: int, upper: bool) -> bool:
        if op not in self.facts.order:
            return False
        k = op.results.index(v)
        for region in op.regions:
            at = self.facts.span[region][1]
            beside: Term = other
            if other is not None and other.op is op:
                beside = region.yields[op.results.index(other)]
            if not self._side(region.yields[k], beside, c, at, upper):
                return False
        return True

    def _parameter(self, p: Value, other: Term, c: int, at: int, upper: bool) -> bool:
        """A bound of what a loop carries, by induction; of a counter, by the range it runs over."""
        block = p.owner
        assert isinstance(block, Block)
        loop = block.parent
        if loop is None or loop not in self.facts.order:
            return False
        k = block.params.index(p)
        if loop.name == "for":
            if k == 0:
                return self._counter(loop, other, c, at, upper)
            k -= 1
        elif loop.name != "while":
            return False
        if loop.name == "for" and other is block.params[0]:
            return self._induct_on_counter(loop, k, other, c, upper)
        beside = self._beside(loop, block.params, other)
        entry = self.facts.order[loop] if block is not loop.regions[-1] else self.facts.entry(block)
        return self._induct(loop, k, other, beside, c, entry, upper)

    def _induct_on_counter(self, loop: Op, k: int, i: Value, c: int, upper: bool) -> bool:
        """A bound of a carried value by the counter of its loop, which moves on by a constant step."""
        step = integer(loop.operands[2])
        if step is None:
            return False
        init, params, following = carried_slots(loop, k)
        (body,) = loop.regions
        key = (params[0], i) if upper else (i, params[0])
        if key in self._hypotheses:
            return False
        assumed, self._assumed = self._assumed, []
        try:
            if not self._side(init, loop.operands[0], c, self.facts.entry(body), upper):
                return False
            self._hypotheses[key] = c
            return self._side(following, i, c + step if upper else c - step, self.facts.span[body][1], upper)
        finally:
            self._assumed = assumed
            self._hypotheses.pop(key, None)

    def _counter(self, loop: Op, other: Term, c: int, at: int, upper: bool) -> bool:
        """The counter of a loop whose step is not a constant."""
        start, stop, step = loop.operands[:3]
        low, high = self.interval(step, at)
        if low > 0:
            return self._le(stop, other, c + 1, at) if upper else self._le(other, start, c, at)
        if high < 0:
            return self._le(start, other, c, at) if upper else self._le(other, stop, c + 1, at)
        return False

    def _result(self, loop: Op, r: Value, other: Term, c: int, upper: bool) -> bool:
        if loop not in self.facts.order:
            return False
        beside = self._beside(loop, loop.results, other)
        return self._induct(loop, loop.results.index(r), other, beside, c, self.facts.order[loop], upper)

    def _beside(self, loop: Op, among: Sequence[Value], other: Term) -> int | None:
        """Which slot of the loop ``other`` belongs to, if it is one of its values ``among``."""
        if other is None or other not in among:
            return None
        k = list(among).index(other)
        if loop.name == "for" and among is not loop.results:
            k -= 1
        return k if k >= 0 else None

    def _induct(self, loop: Op, k: int, other: Term, beside: int | None, c: int, entry: int, upper: bool) -> bool:
        init, params, following = carried_slots(loop, k)
        first: Term = other
        carried: Term = other
        then: Term = other
        if beside is not None:
            first, others, then = carried_slots(loop, beside)
            carried = others[-1]
        elif not self.facts.before(other, loop):
            return False
        assumed, self._assumed = self._assumed, []
        key = (params[-1], carried) if upper else (carried, params[-1])
        previous = self._hypotheses.get(key)
        try:
            if not self._side(init, first, c, entry, upper):
                return False
            self._hypotheses[key] = c if previous is None else min(c, previous)
            return self._side(following, then, c, self.facts.span[loop.regions[-1]][1], upper)
        finally:
            self._assumed = assumed
            if previous is None:
                self._hypotheses.pop(key, None)
            else:
                self._hypotheses[key] = previous

    # --- conditions
    def holds(self, p: Value, at: int, depth: int = 0) -> bool | None:
        """What the bool scalar ``p`` certainly is at ``at``, or None."""
        op = p.op
        if op is not None and op.name == "const":
            return bool(op.attrs["value"])
        known = self._known(p, at)
        if known is not None:
            return known
        if op is None or p.rank or depth > _DEPTH:
            return None
        if op.name == "not":
            inner = self.holds(op.operands[0], at, depth + 1)
            return None if inner is None else not inner
        if op.name in ("and", "or") and p.dtype.kind == "b":
            decisive = op.name == "or"
            parts = [self.holds(v, at, depth + 1) for v in op.operands]
            if decisive in parts:
                return decisive
            if None not in parts:
                return not decisive
            # a or b: b, where a is not
            before = len(self._assumed)
            for a, b in (op.operands, op.operands[::-1]) if before < _SUPPOSITIONS else ():
                self._suppose(a, not decisive, at)
                try:
                    if self.holds(b, at, depth + 1) is decisive:
                        return decisive
                finally:
                    del self._assumed[before:]
            return None
        if op.operands and is_int(op.operands[0]):
            return self._compare(op, at)
        return None

    def holds_where(self, p: Value, truth: bool, q: Value, at: int) -> bool | None:
        """What ``q`` certainly is at ``at`` provided that ``p`` is ``truth``, or None."""
        before = len(self._assumed)
        self._suppose(p, truth, at)
        try:
            return self.holds(q, at)
        finally:
            del self._assumed[before:]

    def _compare(self, op: Op, at: int) -> bool | None:
        if op.name.endswith("_overflows"):
            return self._overflows(op, at)
        if len(op.operands) != 2:
            return None
        a, b = op.operands
        match op.name:
            case "gt" | "ge":
                a, b = b, a
                offset = -1 if op.name == "gt" else 0
            case "lt":
                offset = -1
            case "le":
                offset = 0
            case "eq" | "ne":
                if self.at_most(a, b, -1, at) or self.at_most(b, a, -1, at) or self._differ(a, b, at):
                    return op.name == "ne"
                if self.at_most(a, b, 0, at) and self.at_most(b, a, 0, at):
                    return op.name == "eq"
                return None
            case _:
                return None
        if self.at_most(a, b, offset, at):
            return True
        return False if self.at_most(b, a, -1 - offset, at) else None

    def _differ(self, a: Value, b: Value, at: int) -> bool:
        c = integer(b)
        other, offset = (b, 0) if c is None else (None, c)
        found = self.facts.distinct.get(a, ())
        return any(f.other is other and f.offset == offset and f.first < at <= f.last for f in found)

    def _overflows(self, op: Op, at: int) -> bool | None:
        name = op.name.removesuffix("_overflows")
        if name not in ("add", "sub", "mul"):
            return None
        if self.known_not_to_overflow(name, op, at):
            return False
        whole = limits(op.operands[0].dtype)
        low, high = of_operation(op, [self.interval(v, at) for v in op.operands], whole)
        return False if whole[0] <= low and high <= whole[1] else None
