"""``while`` loops.

A short condition is written twice: before the loop, and at the end of its body. So a turn has one branch at its end,
and the body has what the condition computed: most often it loads the elements again that decided, at indices that the
condition has checked and normalised.

Polling is charged at the end of a turn. Where the condition loads (a loop that follows links, a search), turns are few
and how many there are is hard to foresee, so that branches cost most: one branch asks whether there is another turn and
whether there is fuel. Elsewhere a second branch, never taken, is cheaper than to combine the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracejit.codegen.scalars import Operand
from tracejit.ir.core import Block, Op, Value
from tracejit.ops.primitive import Primitive

if TYPE_CHECKING:
    from tracejit.codegen.control import Kernel

_BRIEF = 40
"""Ops that a condition may have to be written twice."""


def emit(k: Kernel, op: Op) -> None:
    """Write a ``while``."""
    condition, region = op.regions
    work = 1 + k.costs.of_parts(condition) + k.costs.of_parts(region)
    amount = None if k.costs.pays(region) or k.costs.pays(condition) else str(work)
    with k.scalar_without_vectors():
        if _is_brief(condition):
            _tested_below(k, op, amount)
        else:
            _tested_above(k, op, amount)


def _tested_above(k: Kernel, op: Op, amount: str | None) -> None:
    f, region = k.function, op.regions[1]
    head, body, done = f.new_label("while"), f.new_label("body"), f.new_label("done")
    before = f.label
    f.branch(head)
    f.start(head)
    phis = k.phis(op.results)
    for phi, v in zip(phis, k.operands(op.operands)):
        phi.add(v, before)
    carried = [phi.operand for phi in phis]
    f.branch_if(_condition(k, op, carried), body, done)
    f.start(body)
    k.bind(region.params, carried)
    values = k.block(region)
    if amount is not None:
        k.charge(amount)
    for phi, v in zip(phis, values):
        phi.add(v, f.label)
    f.branch(head)
    f.start(done)
    k.bind(op.results, carried)


def _tested_below(k: Kernel, op: Op, amount: str | None) -> None:
    f, region = k.function, op.regions[1]
    body, done = f.new_label("body"), f.new_label("done")
    pairs = _repeated(*op.regions)
    inits = k.operands(op.operands)
    go = _condition(k, op, inits)
    known = k.operands([first.result for first, _ in pairs])
    before = f.label
    f.branch_if(go, body, done)

    f.start(body)
    phis = k.phis([*op.results, *(second.result for _, second in pairs)])
    k.bind([*region.params, *(second.result for _, second in pairs)], [phi.operand for phi in phis])
    k.settled.update(second for _, second in pairs)
    values = k.block(region)
    if amount is not None and not any(inner.name == "load" for inner in op.regions[0].ops):
        k.charge(amount)
        amount = None
    go = _condition(k, op, values)
    following = [*values, *k.operands([first.result for first, _ in pairs])]
    edges, last = k.again(go, amount, body, done)

    f.start(done)
    results = k.phis(op.results)
    for phi, init, v in zip(phis, [*inits, *known], following):
        phi.add(init, before)
        for label in edges:
            phi.add(v, label)
    for phi, init, v in zip(results, inits, values):
        phi.add(init, before)
        phi.add(v, last)
    k.bind(op.results, [phi.operand for phi in results])


def _condition(k: Kernel, op: Op, values: list[Operand]) -> str:
    """Whether there is another turn, with ``values``."""
    condition = op.regions[0]
    k.forget(condition)
    k.bind(condition.params, values)
    (go,) = k.block(condition)
    assert isinstance(go, str)
    return go


def _is_brief(condition: Block) -> bool:
    """Whether a condition only computes, loads and checks, and is short."""
    ops = condition.ops[:-1]
    return len(ops) <= _BRIEF and all(_computes(op) or op.name == "check" for op in ops)


def _computes(op: Op) -> bool:
    return op.name in ("const", "load") or (
        isinstance(op.primitive, Primitive) and op.primitive.family == "elementwise"
    )


def _repeated(condition: Block, region: Block) -> list[tuple[Op, Op]]:
    """Ops of the condition, each with one of the body that computes the same of the same values."""
    names: dict[Value, Any] = {}
    for number, (p, q) in enumerate(zip(condition.params, region.params, strict=True)):
        names[p] = names[q] = number
    table: dict[Any, Op] = {}
    for op in condition.ops[:-1]:
        if op.name != "check":
            names[op.result] = table.setdefault(_key(op, names), op)
    pairs: list[tuple[Op, Op]] = []
    stored = False
    for op in region.ops[:-1]:
        if not _computes(op):
            stored = stored or op.name != "check"
        elif op.name != "load" or not stored:
            same = table.get(_key(op, names))
            if same is not None:
                names[op.result] = same
                if op.name != "const":
                    pairs.append((same, op))
    return pairs


def _key(op: Op, names: dict[Value, Any]) -> Any:
    if op.name == "const":
        return op.result.dtype.num, repr(op.attrs["value"])
    operands = tuple(names.get(v, v) for v in op.operands)
    return op.primitive, operands, repr(op.attrs), op.result.dtype.num
