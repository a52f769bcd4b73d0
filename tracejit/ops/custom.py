"""Ops that matter to transforms only: derivatives that the user gives, and values that are not to be shared."""

from __future__ import annotations

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ops.primitive import Primitive

custom = Primitive(
    "custom",
    "control",
    evaluate=lambda operands, attrs, types: tuple(operands[: attrs["counts"][0]]),
    derivative="structure",
)
"""``custom(*values, *arguments, *residuals, *closed) {counts, direction, name} {rule}``: the ``values``, with a
derivative given by a rule.

``counts`` are the numbers of values, arguments, residuals and closed ones. ``rule`` is a block that uses nothing from
outside: it takes residuals and vectors, and is linear in the vectors. For ``direction == "forward"`` these are tangents
of the arguments and it yields tangents of the values, for ``"backward"`` cotangents of the values and it yields
cotangents of the arguments. ``closed`` are what the values depend on beside the arguments, which the rule says nothing
about: differentiating with respect to them is an error. Without arguments and closed ones the derivative is zero.
``name`` is the user's function."""

barrier: Primitive = Primitive(
    "barrier",
    "structural",
    evaluate=lambda operands, attrs, types: operands[0],
    transpose=lambda b, op, ct, k: ct,
    batch=lambda a: a.b.emit(barrier, [a.operands[0]], [a.operands[0].type])[0],
)
"""``barrier(x)``: ``x``, but what is computed from it is not the same as what is computed from ``x``: it is computed
again (rematerialised) instead of kept."""


def parts(op: Op) -> tuple[list[Value], list[Value], list[Value], list[Value]]:
    """The values, arguments, residuals and closed values of a ``custom``."""
    found: list[list[Value]] = []
    start = 0
    for n in op.attrs["counts"]:
        found.append(op.operands[start : start + n])
        start += n
    values, arguments, residuals, closed = found
    return values, arguments, residuals, closed


def drop_rules(function: Function) -> None:
    """Derivative rules, once there is nothing left to differentiate."""
    _drop_rules(function.body)


def _drop_rules(block: Block) -> None:
    for op in list(block.ops):
        if op.name == "custom":
            op.replace_by(parts(op)[0])
            continue
        for region in op.regions:
            _drop_rules(region)


def drop_barriers(function: Function) -> None:
    """What keeps equal values from being shared, once nothing is shared any more."""
    for op in list(function.walk()):
        if op.name == "barrier" and op.block is not None:
            op.replace_by(op.operands)
