"""Index checks that depend on an innermost loop's counter, made once before the loop.

What range analysis cannot prove may still be decided for all turns at once: an index ``i - w`` runs from its value
in the first turn to that in the last, so if both are in range, all are. Such a loop gets two versions::

    if <every comparison has its usual outcome at both ends>:  the loop without these checks
    else:                                                       the loop as it was

The idea is that of range-check elimination by loop versioning (as in Würthinger, Wimmer, Mössenböck, Array bounds check
elimination for the Java HotSpot client compiler, PPPJ 2007); the loop as it was keeps every check at its place.
"""

from __future__ import annotations

from tracejit.ir.core import Block, Function, Op, Value, clone_op, map_type
from tracejit.ir.types import BOOL, INDEX, ArrayType
from tracejit.lower.facts import integer, is_int
from tracejit.lower.ranges import Ranges
from tracejit.lower.rewriter import replace
from tracejit.ops import control, elementwise, structural
from tracejit.ops.builder import Builder
from tracejit.ops.effects import is_pure
from tracejit.record import field, record

LARGEST_BODY = 150
"""Loops with more ops than this are not written twice."""

_LIMIT = 2**59
"""Terms of an index that stay within this bound cannot make a sum of a few of them leave 64 bits."""
_MOST_TERMS = 6
_COMPARISONS = frozenset({"lt", "le", "gt", "ge"})


def run(function: Function) -> None:
    """Give innermost loops with such checks a version without them."""
    loops = [op for op in function.walk() if op.name == "for" and _is_candidate(op)]
    if not loops:
        return
    ranges = Ranges(function)
    plans = [plan for plan in (_plan(loop, ranges) for loop in loops) if plan is not None]
    for plan in reversed(plans):  # the conditions of later loops may be about results of earlier ones
        _split(plan)


@record
class _Affine:
    """``coefficient * counter + constant + sum(terms)``, where the terms do not change in the loop."""

    coefficient: int = 0
    constant: int = 0
    terms: dict[Value, int] = field(default_factory=dict)

    def plus(self, other: _Affine, sign: int) -> _Affine:
        terms = dict(self.terms)
        for v, n in other.terms.items():
            terms[v] = terms.get(v, 0) + sign * n
        return _Affine(
            self.coefficient + sign * other.coefficient,
            self.constant + sign * other.constant,
            {v: n for v, n in terms.items() if n},
        )


@record
class _Plan:
    """A loop, the outcome that its comparisons get, and the conditions under which they have it at every turn.

    ``at_ends``: affine expressions that must be at least 0 in the first and in the last turn. ``moderate``: values
    that must be within ``_LIMIT``.
    """

    loop: Op
    outcomes: dict[Op, bool]
    at_ends: list[_Affine]
    moderate: list[Value]


def _is_candidate(loop: Op) -> bool:
    """An innermost loop by a known step, of moderate size, whose only effects are checks."""
    step = integer(loop.operands[2])
    if step is None or step == 0 or abs(step) > 2**20:
        return False
    inner = list(loop.regions[0].walk())
    if len(inner) > LARGEST_BODY or not any(op.name == "check" for op in inner):
        return False
    return all(
        op.name in ("check", "if") or op.primitive.terminator or (not op.regions and is_pure(op)) for op in inner
    )


def _plan(loop: Op, ranges: Ranges) -> _Plan | None:
    outcomes: dict[Op, bool] = {}
    for op in loop.regions[0].walk():
        if op.name == "check":
            for part in _conjuncts(op.operands[0]):
                if part.op is not None and part.op.name in _COMPARISONS:
                    outcomes.setdefault(part.op, True)
        elif op.name == "select" and not op.results[0].rank and _is_wrap_around(op):
            assert op.operands[0].op is not None
            outcomes.setdefault(op.operands[0].op, False)
    counter = loop.regions[0].params[0]
    decided: dict[Op, bool] = {}
    at_ends: list[_Affine] = []
    checked = False
    for op, outcome in outcomes.items():
        difference = _nonnegative_when(op, outcome, loop, counter)
        if difference is None:
            continue
        decided[op] = outcome
        at_ends.append(difference)
        checked = checked or outcome
    if not checked:
        return None
    at = ranges.facts.order[loop]
    moderate = [*loop.operands[:2], *(v for a in at_ends for v in a.terms)]
    unknown: dict[Value, None] = {}
    for v in moderate:
        low, high = ranges.interval(v, at)
        if low < -_LIMIT or high > _LIMIT:
            unknown[v] = None
    return _Plan(loop, decided, at_ends, list(unknown))


def _conjuncts(p: Value) -> list[Value]:
    op = p.op
    if op is not None and op.name == "and":
        return _conjuncts(op.operands[0]) + _conjuncts(op.operands[1])
    return [p]


def _is_wrap_around(select: Op) -> bool:
    """``select(i < 0, i + n, i)``: Python's negative indices."""
    condition, shifted, plain = select.operands
    c, s = condition.op, shifted.op
    if c is None or c.name != "lt" or c.operands[0] is not plain or integer(c.operands[1]) != 0:
        return False
    return s is not None and s.name == "add" and plain in s.operands


def _nonnegative_when(op: Op, outcome: bool, loop: Op, counter: Value) -> _Affine | None:
    """The affine expression that is at least 0 exactly when the comparison ``op`` has ``outcome``; None if it is not of
    that kind."""
    a, b = op.operands
    if not is_int(a) or a.dtype != INDEX.dtype:
        return None
    x, y = _affine(a, loop, counter, 0), _affine(b, loop, counter, 0)
    if x is None or y is None:
        return None
    # a < b is b - a - 1 >= 0; a negated comparison is the opposite one
    opposite = {"lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}
    name = op.name if outcome else opposite[op.name]
    difference = y.plus(x, -1) if name in ("lt", "le") else x.plus(y, -1)
    if name in ("lt", "gt"):
        difference.constant -= 1
    small = all(abs(n) == 1 for n in difference.terms.values()) and len(difference.terms) <= _MOST_TERMS
    if abs(difference.coefficient) > 1 or abs(difference.constant) > _LIMIT or not small:
        return None
    return difference


def _affine(v: Value, loop: Op, counter: Value, depth: int) -> _Affine | None:
    n = integer(v)
    if n is not None:
        return _Affine(constant=n)
    if v is counter:
        return _Affine(coefficient=1)
    block = v.block
    if not loop.regions[0].contains(block):
        return _Affine(terms={v: 1})
    op = v.op
    if op is None or depth > 4 or op.name not in ("add", "sub"):
        return None
    a = _affine(op.operands[0], loop, counter, depth + 1)
    b = _affine(op.operands[1], loop, counter, depth + 1)
    return None if a is None or b is None else a.plus(b, 1 if op.name == "add" else -1)


def _split(plan: _Plan) -> None:
    """Put the two versions into the arms of an ``if``."""
    loop = plan.loop
    around = loop.block
    assert around is not None
    head = Block()
    b = Builder(head, loop.loc)
    ok = _condition(b, plan)
    arms = (Block(), Block())
    mapping: dict[Value, Value] = {}
    fast = clone_op(loop, mapping)
    _assume(fast, plan, mapping)
    slow_mapping: dict[Value, Value] = {}
    slow = clone_op(loop, slow_mapping)
    for arm, version in zip(arms, (fast, slow), strict=True):
        arm.append(version)
        arm.append(Op(control.yield_, version.results, (), None, (), loop.loc))
    choice = Op(control.if_, (ok,), (), None, arms, loop.loc)
    outer: dict[Value, Value] = {}
    for r in loop.results:
        v = Value(r.type, choice, r.hint)
        choice.results.append(v)
        outer[r] = v
    for v in choice.results:
        if isinstance(v.type, ArrayType) and not v.type.is_static:
            v.set_type(map_type(v.type, outer))
    around.insert_before(loop, *head.ops, choice)
    loop.replace_by(choice.results)


def _condition(b: Builder, plan: _Plan) -> Value:
    loop = plan.loop
    start, stop, step = loop.operands[:3]
    sign = 1 if (integer(step) or 0) > 0 else -1
    last = b.apply(elementwise.sub, stop, b.index(sign))
    parts: list[Value] = []
    for v in plan.moderate:
        parts.append(b.apply(elementwise.le, v, b.index(_LIMIT)))
        parts.append(b.apply(elementwise.ge, v, b.index(-_LIMIT)))
    for affine in plan.at_ends:
        ends = (start, last) if affine.coefficient else (start,)
        for end in ends:
            total = _evaluate(b, affine, end)
            parts.append(b.apply(elementwise.ge, total, b.index(0)))
    ok = parts[0]
    for p in parts[1:]:
        ok = b.apply(elementwise.and_, ok, p)
    return ok


def _evaluate(b: Builder, affine: _Affine, counter: Value) -> Value:
    """The expression with the counter's value put in."""
    total = b.index(affine.constant)
    terms = dict(affine.terms)
    if affine.coefficient:
        terms[counter] = terms.get(counter, 0) + affine.coefficient
    for v, n in terms.items():
        for _ in range(abs(n)):
            total = b.apply(elementwise.add if n > 0 else elementwise.sub, total, v)
    return total


def _assume(fast: Op, plan: _Plan, mapping: dict[Value, Value]) -> None:
    """Let the comparisons of the fast version be the constants they are there."""
    body = fast.regions[0]
    truths: dict[bool, Value] = {}
    for op, outcome in plan.outcomes.items():
        known = truths.get(outcome)
        if known is None:
            const = Op(structural.const, (), (ArrayType(BOOL),), {"value": outcome}, (), fast.loc)
            body.insert_before(body.ops[0], const)
            known = truths[outcome] = const.results[0]
        inside = mapping.get(op.results[0])
        if inside is not None:
            replace(inside, known)
        else:
            # the comparison does not change in the loop and was moved out of it
            for user in list(fast.walk()):
                user.replace_operand(op.results[0], known)
    for check in [op for op in fast.walk() if op.name == "check"]:
        # conjunctions may have been moved out as well
        if all(p.op is not None and plan.outcomes.get(p.op) for p in _conjuncts(check.operands[0])):
            check.set_operands([truths[True], *check.operands[1:]])
