"""Batching rules: what an op becomes when some of its operands have one more axis in front, for the lanes of ``vmap``.

A rule is the ``batch`` slot of a primitive: it takes an :class:`Application` and returns the results, each with the
lanes along axis 0. Families have defaults: an elementwise op works on one more axis, a reduction leaves it alone. An op
without a rule runs in a loop over the lanes (:mod:`tracejit.transform.batch`), and so does every op whose shapes differ
from lane to lane: rules see shapes that all lanes have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tracejit.ir.core import Op, Value
from tracejit.ir.types import ArrayType, Dim, Type
from tracejit.ops.effects import constant
from tracejit.ops.primitive import REGISTRY, Primitive
from tracejit.record import record

if TYPE_CHECKING:
    from tracejit.ops.builder import Builder


@record(eq=False)
class Application:
    """An op to be applied in all lanes at once.

    Attributes:
        b: Where the ops go.
        op: The op as one lane has it.
        operands: Its operands for all lanes.
        batched: Per operand, whether it has the axis of the lanes (in front); the others are the same in all lanes.
        types: Its result types in one lane.
        size: The number of lanes.
        axis: What ops that look across these lanes name them by, if any do.
    """

    b: Builder
    op: Op
    operands: Sequence[Value]
    batched: Sequence[bool]
    types: Sequence[Type]
    size: Dim
    axis: object | None = None

    def shape(self, of: Value | Type) -> tuple[Dim, ...]:
        """The shape of what has the shape ``of`` in one lane."""
        return (self.size, *of.shape)

    def spread(self, k: int) -> Value:
        """Operand ``k`` with the axis of the lanes."""
        v = self.operands[k]
        return v if self.batched[k] else spread(self.b, v, self.size)

    def lane(self, rest: Sequence[Dim]) -> Value:
        """The number of the lane at each index of a shape ``(lanes, *rest)``."""
        return along(self.b, self.b.iota(self.size), (self.size, *rest), 0)


Rule = Callable[[Application], "Value | Sequence[Value]"]


def spread(b: Builder, v: Value, size: Dim) -> Value:
    """``v`` once per lane."""
    if not v.rank:
        return b.fill(v, (size,))
    pairs = [(k, k + 1) for k in range(v.rank)]
    return b.view(v, (size, *v.shape), (0,) * v.rank, pairs, (1,) * v.rank)


def along(b: Builder, v: Value, shape: Sequence[Dim], axis: int) -> Value:
    """The one-dimensional ``v`` along an axis of ``shape``, repeated along the others."""
    return v if len(shape) == 1 else b.view(v, shape, (0,), ((0, axis),), (1,))


def rule_of(primitive: Primitive) -> Rule | None:
    """The rule of a primitive; None when it runs lane by lane."""
    if primitive.batch is not None:
        rule: Rule = primitive.batch
        return rule
    return {"elementwise": elementwise, "reduction": reduction}.get(primitive.family)


# --- defaults of families
def elementwise(a: Application) -> Value:
    operands = [a.spread(k) for k in range(len(a.operands))]
    t = ArrayType(a.types[0].dtype, a.shape(a.types[0]))
    return a.b.emit(_primitive(a.op), operands, (t,), a.op.attrs)[0]


def reduction(a: Application) -> Value:
    return a.b.reduce(_primitive(a.op), a.operands[0], [axis + 1 for axis in a.op.attrs["axes"]])


def _primitive(op: Op) -> Primitive:
    assert isinstance(op.primitive, Primitive)
    return op.primitive


# --- views and stores
def _moved(op: Op) -> list[tuple[int, int]]:
    """The pairs of a ``view`` or ``update`` with an axis in front on both sides."""
    return [(0, 0), *((k + 1, j + 1) for k, j in op.attrs["pairs"])]


def view(a: Application) -> Value:
    base, *places = a.operands
    rank = a.op.operands[0].rank
    (t,) = a.types
    if any(a.batched[1:]):
        axes = range(rank + 1) if a.batched[0] else range(rank)
        return a.b.gather(base, _indices(a, 1, t.shape, lanes=a.batched[0]), axes)
    return a.b.view(base, a.shape(t), (0, *places[:rank]), _moved(a.op), (1, *places[rank:]))


def update(a: Application) -> Value:
    base, v = a.spread(0), a.spread(1)
    rank = a.op.operands[0].rank
    if any(a.batched[2:]):
        return a.b.scatter(base, v, _indices(a, 2, v.shape[1:], lanes=True), range(rank + 1))
    places = a.operands[2:]
    return a.b.update(base, v, (0, *places[:rank]), _moved(a.op), (1, *places[rank:]))


def _indices(a: Application, first: int, part: Sequence[Dim], *, lanes: bool) -> list[Value]:
    """The places of the elements of a ``view`` or ``update`` as index arrays, one per axis of the base (the lanes
    before them); starts and steps are the operands from ``first`` on."""
    b, shape = a.b, (a.size, *part)
    rank = a.op.operands[0].rank

    def spread_number(k: int) -> Value:
        v = a.operands[k]
        return along(b, v, shape, 0) if a.batched[k] else b.fill(v, shape)

    found = [a.lane(part)] if lanes else []
    for axis in range(rank):
        index = spread_number(first + axis)
        for n, (k, j) in enumerate(a.op.attrs["pairs"]):
            position = first + rank + n
            step = constant(a.op.operands[position])
            if k != axis or step == 0:
                continue
            offset = along(b, b.iota(part[j]), shape, j + 1)
            if step != 1:
                offset = b.apply(REGISTRY["mul"], offset, spread_number(position))
            index = b.apply(REGISTRY["add"], index, offset)
        found.append(index)
    return found


def reshape(a: Application) -> Value:
    return a.b.reshape(a.operands[0], a.shape(a.types[0]))


def concat(a: Application) -> Value:
    axis = a.op.attrs["axis"]
    parts = [a.spread(k) for k in range(len(a.operands))]
    return a.b.concat(parts, axis + 1, a.types[0].shape[axis])


# --- indexing by arrays
def gather(a: Application) -> Value:
    base, *indices = a.operands
    axes = a.op.attrs["axes"]
    inside = [axis + 1 for axis in axes]
    if any(a.batched[1:]):
        indices = [a.spread(k) for k in range(1, len(a.operands))]
        if not a.batched[0]:
            return a.b.gather(base, indices, axes)
        return a.b.gather(base, [a.lane(indices[0].shape[1:]), *indices], [0, *inside])
    found = a.b.gather(base, indices, inside)
    rank = indices[0].rank
    return a.b.transpose(found, [rank, *(k for k in range(found.rank) if k != rank)]) if rank else found


def scatter(a: Application) -> Value:
    base, v, *indices = (a.spread(k) for k in range(len(a.operands)))
    axes = [0, *(axis + 1 for axis in a.op.attrs["axes"])]
    lane = a.lane(indices[0].shape[1:])
    return a.b.scatter(base, v, [lane, *indices], axes, a.op.attrs.get("mode", "set"))


# --- products
def matmul(a: Application) -> Value:
    """A matrix that all lanes share makes one product out of many."""
    b, (x, y) = a.b, a.operands
    product = _primitive(a.op)
    if all(a.batched) or a.op.operands[0].rank > 2:
        return b.apply(product, a.spread(0), a.spread(1))
    if a.batched[0]:
        n, m, k = x.shape
        rows = b.reshape(x, (b.dim_product((n, m)), k))
        return b.reshape(b.apply(product, rows, y), (n, m, y.shape[1]))
    n, k, p = y.shape
    m = x.shape[0]
    # x @ y is the transpose of y.T @ x.T
    turned = y if p == 1 else b.transpose(y, (0, 2, 1))
    rows = b.reshape(turned, (b.dim_product((n, p)), k))
    found = b.apply(product, rows, b.transpose(x, (1, 0)))
    if p == 1:
        return b.reshape(found, (n, m, p))
    return b.transpose(b.reshape(found, (n, p, m)), (0, 2, 1))


def of_the_rest(a: Application) -> list[Value]:
    """An op that works on the last axes: the lanes are one more axis before these."""
    return a.b.emit(_primitive(a.op), [a.spread(k) for k in range(len(a.operands))], None, a.op.attrs)
