"""Which values a derivative concerns: those that depend on the inputs in question, and on which the outputs depend.

Only floating-point values carry derivatives, and only through ops that have one: a comparison or a rounding stops them.
Loops are gone through until nothing new is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ops.primitive import Primitive
from tracejit.transform.structure import carried, inits, is_float


def flows(op: Op, k: int) -> bool:
    """Whether the results of ``op`` have a derivative with respect to operand ``k`` that is not zero by definition."""
    if not is_float(op.operands[k]) or not any(is_float(r) for r in op.results):
        return False
    primitive = op.primitive
    assert isinstance(primitive, Primitive)
    if primitive.family == "elementwise":
        partials = primitive.partials_for(op.operands[0].dtype)
        return partials is None or partials[k] is not None
    return True


def _through(op: Op) -> Iterator[Value]:
    return (v for k, v in enumerate(op.operands) if flows(op, k))


def varied(function: Function, inputs: Iterable[Value]) -> set[Value]:
    """The values of ``function`` that depend on ``inputs``."""
    found = set(inputs)

    def visit(block: Block) -> None:
        for op in block.ops[:-1]:
            if op.name == "if":
                for arm in op.regions:
                    visit(arm)
                    mark(op.results, arm.yields)
            elif op.name in ("for", "while"):
                mark(carried(op), inits(op))
                body = op.regions[-1]
                while True:
                    visit(body)
                    if not mark(carried(op), body.yields):
                        break
                mark(op.results, carried(op))
            elif any(v in found for v in _through(op)):
                found.update(r for r in op.results if is_float(r))

    def mark(targets: Iterable[Value], values: Iterable[Value]) -> bool:
        new = [t for t, v in zip(targets, values) if v in found and is_float(t) and t not in found]
        found.update(new)
        return bool(new)

    visit(function.body)
    return found


def useful(function: Function, outputs: Iterable[Value]) -> set[Value]:
    """The values of ``function`` on which ``outputs`` depend."""
    found = {v for v in outputs if is_float(v)}

    def visit(block: Block) -> None:
        for op in reversed(block.ops[:-1]):
            if op.name == "if":
                for arm in op.regions:
                    mark(arm.yields, op.results)
                    visit(arm)
            elif op.name in ("for", "while"):
                body = op.regions[-1]
                mark(carried(op), op.results)
                while True:
                    mark(body.yields, carried(op))
                    before = len(found)
                    visit(body)
                    if len(found) == before:
                        break
                mark(body.yields, carried(op))
                mark(inits(op), carried(op))
            elif any(r in found for r in op.results):
                found.update(_through(op))

    def mark(targets: Iterable[Value], values: Iterable[Value]) -> None:
        found.update(t for t, v in zip(targets, values) if v in found and is_float(t))

    visit(function.body)
    return found
