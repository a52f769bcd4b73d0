"""Ops that look across the lanes of a ``vmap``, as one lane sees them.

Attribute ``axis`` is the :class:`Axis` of that ``vmap``, and batching along it removes them: they exist only in
programs of one lane. Derivatives are those of a program in which every lane has its own copy of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tracejit.ir.core import Op, Value
from tracejit.ir.types import INDEX, ArrayType, Type
from tracejit.lazy import LazyFunctions
from tracejit.ops.primitive import REGISTRY, Attrs, Primitive
from tracejit.record import record

if TYPE_CHECKING:
    from tracejit.ops import batching
    from tracejit.ops.batching import Application
    from tracejit.ops.builder import Builder
else:
    batching = LazyFunctions("tracejit.ops.batching")


@record(frozen=True, eq=False)
class Axis:
    """An axis that a function is mapped over."""

    name: Any

    def __repr__(self) -> str:
        return f"Axis({self.name!r})"


def _same(types: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
    return (types[0],)


def _index(a: Application) -> Value:
    return a.b.iota(a.size)


axis_index = Primitive("axis_index", "collective", infer=lambda t, a: (INDEX,), derivative="zero", batch=_index)
"""``axis_index() {axis}``: the number of the lane."""


def _combined(reduction: str) -> Any:
    def rule(a: Application) -> Value:
        x = a.spread(0)
        if a.op.attrs["axis"] is not a.axis:
            return a.b.apply(REGISTRY[a.op.name], x, axis=a.op.attrs["axis"])
        return batching.spread(a.b, a.b.reduce(REGISTRY[reduction], x, (0,)), a.size)

    return rule


def _psum_transpose(b: Builder, op: Op, ct: Value, k: int) -> Value:
    return b.apply(psum, ct, axis=op.attrs["axis"])


psum = Primitive("psum", "collective", infer=_same, transpose=_psum_transpose, batch=_combined("reduce_sum"))
"""``psum(x) {axis}``: the sum over all lanes, in each."""
pmax = Primitive("pmax", "collective", infer=_same, derivative="undefined", batch=_combined("reduce_max"))
pmin = Primitive("pmin", "collective", infer=_same, derivative="undefined", batch=_combined("reduce_min"))


def _gathered(a: Application) -> Value:
    x, axis = a.spread(0), a.op.attrs["axis"]
    if axis is not a.axis:
        t = ArrayType(x.dtype, (a.types[0].shape[0], *x.shape))
        found = a.b.emit(all_gather, (x,), (t,), {"axis": axis})[0]
        return a.b.transpose(found, (1, 0, *range(2, found.rank)))
    return batching.spread(a.b, x, a.size)


def _gather_transpose(b: Builder, op: Op, ct: Value, k: int) -> Value:
    axis = op.attrs["axis"]
    total = b.apply(psum, ct, axis=axis)
    lane = b.apply(axis_index, axis=axis)
    pairs = [(j + 1, j) for j in range(total.rank - 1)]
    return b.view(total, total.shape[1:], (lane, *(0,) * len(pairs)), pairs, (1,) * len(pairs))


all_gather = Primitive("all_gather", "collective", transpose=_gather_transpose, batch=_gathered)
"""``all_gather(x) {axis}``: the values of all lanes along a new first axis, in each; the result type says how many."""
