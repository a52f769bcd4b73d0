"""Ops that create, move and index elements without computing on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tracejit.ir.types import ArrayType, Type
from tracejit.lazy import LazyFunctions
from tracejit.ops.primitive import Attrs, Primitive

if TYPE_CHECKING:
    from tracejit.ops import batching, linear
else:
    batching = LazyFunctions("tracejit.ops.batching")
    linear = LazyFunctions("tracejit.ops.linear")


def _const(operands: Sequence[Any], attrs: Attrs, types: Sequence[ArrayType]) -> Any:
    return np.asarray(attrs["value"], dtype=types[0].dtype)


const = Primitive("const", "structural", derivative="zero", evaluate=_const)
"""A constant: attribute ``value`` is a Python scalar for rank 0, else a read-only ``ndarray``."""

empty = Primitive("empty", "structural", derivative="zero", evaluate=lambda o, a, t: np.zeros(t[0].shape, t[0].dtype))
"""An array whose contents do not matter (``np.empty``; also the value of a name that is unbound on this path)."""

iota = Primitive(
    "iota", "structural", derivative="zero", evaluate=lambda o, a, t: np.arange(t[0].shape[0], dtype=t[0].dtype)
)
"""``0, 1, ..., n - 1`` along the only axis."""


def view_index(shape: Sequence[int], pairs: Sequence[tuple[int, int]], starts: Sequence[int], steps: Sequence[int],
               base_rank: int) -> tuple[Any, ...]:  # fmt: skip
    """The index arrays with which a base array of rank ``base_rank`` gives the ``view`` of result ``shape``."""
    index: list[Any] = [np.full(shape, s, dtype=np.intp) for s in starts]
    assert len(index) == base_rank
    for (base_axis, axis), step in zip(pairs, steps, strict=True):
        along = [1] * len(shape)
        along[axis] = shape[axis]
        index[base_axis] = index[base_axis] + (np.arange(shape[axis]) * step).reshape(along)
    return tuple(index)


def _view(operands: Sequence[Any], attrs: Attrs, types: Sequence[ArrayType]) -> Any:
    x, rest = np.asarray(operands[0]), [int(v) for v in operands[1:]]
    shape = tuple(d for d in types[0].shape if isinstance(d, int))
    index = view_index(shape, attrs["pairs"], rest[: x.ndim], rest[x.ndim :], x.ndim)
    if 0 in shape:
        return np.empty(shape, x.dtype)
    return x[index] if x.ndim else np.broadcast_to(x, shape).copy()


view = Primitive("view", "structural", evaluate=_view, transpose=linear.view, batch=batching.view)
"""``view(x, *starts, *steps) {pairs}``: every strided view NumPy can make, and broadcasting.

Element ``r`` of the result is ``x[b]`` with
``b[k] = starts[k] + sum(steps[p] * r[j] for p, (k', j) in pairs if k' == k)``. ``starts`` has one index value per axis
of ``x``, ``pairs`` is a tuple of ``(axis of x, axis of the result)`` and ``steps`` has one index value per pair. The
result shape is that of the result type. So it covers slicing, integer indexing (a base axis without a pair), ``None``
and broadcasting (a result axis without a pair, or with step 0), transposition, reversal, diagonals and sliding windows;
with a rank-0 result it is the load of one element. Indices are in bounds: checks come first. The attribute ``whole``
says that the view is all of ``x``, whose dimensions are equal to its own at run time.
"""


def _update(operands: Sequence[Any], attrs: Attrs, types: Sequence[ArrayType]) -> Any:
    x, v, rest = np.array(operands[0]), np.asarray(operands[1]), [int(i) for i in operands[2:]]
    index = view_index(v.shape, attrs["pairs"], rest[: x.ndim], rest[x.ndim :], x.ndim)
    if v.size:
        x[index] = v
    return x


update = Primitive(
    "update",
    "structural",
    infer=lambda t, a: (t[0],),
    evaluate=_update,
    transpose=linear.update,
    batch=batching.update,
)
"""``update(x, v, *starts, *steps) {pairs}``: ``x`` with the elements of its ``view`` replaced by ``v``, whose shape is
the view's. When several indices name the same element (step 0) the last in C order wins. An array store in SSA form."""

reshape = Primitive(
    "reshape",
    "structural",
    evaluate=lambda o, a, t: np.reshape(o[0], t[0].shape),
    transpose=linear.reshape,
    batch=batching.reshape,
)
"""The same elements in C order under the result type's shape."""


def _gather(operands: Sequence[Any], attrs: Attrs, types: Sequence[ArrayType]) -> Any:
    x, index = np.asarray(operands[0]), operands[1:]
    moved = np.moveaxis(x, attrs["axes"], range(len(attrs["axes"])))
    return moved[tuple(index)]


gather = Primitive("gather", "structural", evaluate=_gather, transpose=linear.gather, batch=batching.gather)
"""``gather(x, *indices) {axes}``: integer-array indexing of the axes ``axes`` of ``x`` by as many index arrays of one
common shape and dtype i64, all in bounds and non-negative. The result shape is the index shape followed by the
remaining axes of ``x`` in order."""


def _scatter(operands: Sequence[Any], attrs: Attrs, types: Sequence[ArrayType]) -> Any:
    x, v, index = np.array(operands[0]), operands[1], operands[2:]
    moved = np.moveaxis(x, attrs["axes"], range(len(attrs["axes"])))
    if attrs.get("mode", "set") == "add":
        np.add.at(moved, tuple(index), v)
    else:
        moved[tuple(index)] = v
    return x


scatter = Primitive(
    "scatter",
    "structural",
    infer=lambda t, a: (t[0],),
    evaluate=_scatter,
    transpose=linear.scatter,
    batch=batching.scatter,
)
"""``scatter(x, v, *indices) {axes, mode="set"|"add"}``: ``x`` with the elements that ``gather`` would read replaced by
(or increased by) ``v``; on repeated indices the last in C order wins (all are added)."""


def _concat(operands: Sequence[Any], attrs: Attrs, types: Sequence[ArrayType]) -> Any:
    return np.concatenate([np.asarray(o) for o in operands], axis=attrs["axis"])


concat = Primitive("concat", "structural", evaluate=_concat, transpose=linear.concat, batch=batching.concat)
"""Join arrays of one dtype along the existing axis ``axis``."""


def _nonzero(operands: Sequence[Any], attrs: Attrs, types: Sequence[ArrayType]) -> Any:
    index = np.nonzero(operands[0])
    return (np.asarray(len(index[0])), *index)


nonzero = Primitive("nonzero", "structural", derivative="zero", evaluate=_nonzero)
"""``nonzero(mask) -> (n, *indices)``: how many elements of the bool array ``mask`` (rank at least 1) are true, and one
``i64[n]`` index array per axis, in C order. ``n`` is the run-time length that the other results' types mention."""


def _matmul_type(types: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
    a, b = types
    return (ArrayType(a.dtype, (*a.shape[:-1], b.shape[-1])),)


matmul = Primitive(
    "matmul",
    "library",
    infer=_matmul_type,
    evaluate=lambda o, a, t: np.matmul(o[0], o[1]),
    transpose=linear.matmul,
    jvp=linear.matmul_jvp,
    batch=batching.matmul,
)
"""``[*batch, m, k] @ [*batch, k, n]`` of one dtype; the batch dimensions are equal."""
