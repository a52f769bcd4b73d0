"""Which arrays several names are bound to together: a choice made in one branch is the same choice for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tracejit.ir.core import Op, Value
from tracejit.ops import elementwise as E
from tracejit.ops import structural
from tracejit.ops.control import if_
from tracejit.trace.boxes import ArrayTracer, ChoiceTracer
from tracejit.trace.control import control

_LIMIT = 256


class _TooMany(Exception):
    """There are more combinations than it is worth looking at."""


def combinations(names: Sequence[ArrayTracer], opaque: Sequence[ArrayTracer]) -> list[tuple[ArrayTracer, ...]] | None:
    """Every combination of arrays that the given boxes may be at the same time; None if there are too many.

    Args:
        names: Boxes, among them choices.
        opaque: Choices that are not looked into.
    """
    found: list[tuple[ArrayTracer, ...]] = []
    try:
        for combination in _expand(list(names), opaque, {}):
            found.append(combination)
            if len(found) > _LIMIT:
                return None
    except _TooMany:
        return None
    return found


Known = Mapping[object, int]
"""Decisions: which region of an ``if`` op runs, which value an unknown selector has."""


def _expand(names: list[ArrayTracer], opaque: Sequence[ArrayTracer], known: Known) -> Iterator[tuple[ArrayTracer, ...]]:
    for k, box in enumerate(names):
        if not isinstance(box, ChoiceTracer) or any(box is o for o in opaque):
            continue
        value = _evaluate(box.selector, known)
        if isinstance(value, int):
            yield from _expand([*names[:k], box.candidates[value], *names[k + 1 :]], opaque, known)
        else:
            question, answers = value
            for answer in answers if answers is not None else range(len(box.candidates)):
                if len(known) > 24:
                    raise _TooMany
                yield from _expand(names, opaque, {**known, question: answer})
        return
    yield tuple(names)


def _evaluate(value: Value, known: Known) -> int | tuple[object, Sequence[int] | None]:
    """A selector or condition as a number, or what must be decided first and its possible answers (None: any index)."""
    if value in known:
        return known[value]
    group, number = control().shared_out.get(value, (None, 0))
    if group is not None:
        answer = known.get(group)
        return (group, range(len(group.answers))) if answer is None else group.answers[answer][number]
    op = value.op
    if op is None:
        return value, None
    if op.primitive is structural.const:
        return int(op.attrs["value"])
    if op.primitive is if_:
        region = known.get(op)
        if region is None:
            return op, (0, 1)
        return _evaluate(op.regions[region].yields[_position(op, value)], known)
    if op.primitive is E.select:
        condition = _evaluate(op.operands[0], known)
        if not isinstance(condition, int):
            return (condition[0], condition[1] if condition[1] is not None else (0, 1))
        return _evaluate(op.operands[1 if condition else 2], known)
    if op.primitive is E.eq and not value.shape:
        sides = [_evaluate(v, known) for v in op.operands]
        for side in sides:
            if not isinstance(side, int):
                return side
        return int(sides[0] == sides[1])
    return value, None


def _position(op: Op, value: Value) -> int:
    return next(k for k, r in enumerate(op.results) if r is value)
