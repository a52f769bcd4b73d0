"""Which values a derivative concerns: those that depend on the inputs in question, and on which the outputs depend.

Only floating-point values carry derivatives, and only through ops that have one: a comparison or a rounding stops them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ops import custom
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


class Activity:
    """How derivatives spread through a function.

    Attributes:
        to: Per value those that have a derivative with respect to it, one step on.
        by: Per value those with respect to which it has a derivative, one step back.
    """

    def __init__(self, function: Function) -> None:
        self.to: dict[Value, list[Value]] = {}
        self.by: dict[Value, list[Value]] = {}
        self._block(function.body)

    def varied(self, inputs: Iterable[Value]) -> set[Value]:
        """The values that depend on ``inputs``."""
        return _reached(inputs, self.to)

    def useful(self, outputs: Iterable[Value]) -> set[Value]:
        """The values on which ``outputs`` depend."""
        return _reached(outputs, self.by)

    def _link(self, sources: Iterable[Value], targets: Iterable[Value]) -> None:
        for v, r in zip(sources, targets):
            if is_float(r):
                self.to.setdefault(v, []).append(r)
                self.by.setdefault(r, []).append(v)

    def _block(self, block: Block) -> None:
        for op in block.ops:
            for region in op.regions:
                self._block(region)
            if op.name == "if":
                for arm in op.regions:
                    self._link(arm.yields, op.results)
            elif op.name in ("for", "while"):
                params = carried(op)
                self._link(inits(op), params)
                self._link(op.regions[-1].yields, params)
                self._link(params, op.results)
                # a loop that makes no trip gives what it was given, one that does what it yielded last
                self._link(inits(op), op.results)
                self._link(op.regions[-1].yields, op.results)
            elif op.name == "custom":
                _, arguments, _, closed = custom.parts(op)
                for v in (*arguments, *closed):
                    for r in op.results:
                        self._link((v,), (r,))
            else:
                for k, v in enumerate(op.operands):
                    if flows(op, k):
                        for r in op.results:
                            self._link((v,), (r,))


def _reached(start: Iterable[Value], ways: Mapping[Value, list[Value]]) -> set[Value]:
    found = set(start)
    todo = list(found)
    while todo:
        for v in ways.get(todo.pop(), ()):
            if v not in found:
                found.add(v)
                todo.append(v)
    return found
