"""Broadcasting: shapes that meet, with run-time checks and strides where dimensions are not known while tracing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from tracejit.ir.core import Value
from tracejit.ir.types import Dim
from tracejit.ops.builder import Builder
from tracejit.trace import dims
from tracejit.trace.dims import Predicate
from tracejit.trace.lenses import Dims, Strided

Fail: TypeAlias = Callable[[Predicate], None]
"""Raises (now or at run time) unless the predicate holds."""


def fail_with(exception: type[BaseException], text: str, *shapes: Sequence[Dim]) -> Fail:
    """A :data:`Fail` whose message is ``text``, in which each ``%s`` stands for a shape."""

    def fail(ok: Predicate) -> None:
        if ok is not True:
            payload: list[Dim] = []
            texts = [dims.shape_text(shape, payload) for shape in shapes]
            template = text.replace("{", "{{").replace("}", "}}") % tuple(texts)
            dims.check(ok, exception, template, *payload)

    return fail


def operands_fail(shapes: Sequence[Sequence[Dim]]) -> Fail:
    """What NumPy raises when operands do not broadcast."""
    return fail_with(ValueError, "operands could not be broadcast together with shapes " + "%s " * len(shapes), *shapes)


def objects_fail(shapes: Sequence[Sequence[Dim]]) -> Fail:
    """What NumPy raises when arrays cannot be broadcast against each other; which two it names, it decides itself."""

    def fail(ok: Predicate) -> None:
        if ok is False:
            known = [tuple(d if isinstance(d, int) else 1 for d in shape) for shape in shapes]
            np.broadcast_shapes(*known)  # raises, unless another pair is what does not fit
        text = "shape mismatch: objects cannot be broadcast to a single shape"
        if len(shapes) == 2:
            text += ".  Mismatch is between arg 0 with shape %s and arg 1 with shape %s."
        fail_with(ValueError, text, *(shapes if len(shapes) == 2 else ()))(ok)

    return fail


def common_shape(shapes: Sequence[Sequence[Dim]], fail: Fail) -> Dims:
    """The shape to which all ``shapes`` broadcast."""
    rank = max(map(len, shapes), default=0)
    result: list[Dim] = []
    for axis in range(rank):
        size: Dim = 1
        for shape in shapes:
            k = axis - rank + len(shape)
            if k >= 0:
                size = _meet(size, shape[k], fail)
        result.append(size)
    return tuple(result)


def _meet(a: Dim, b: Dim, fail: Fail) -> Dim:
    if a is b or b == 1:
        return a
    if a == 1:
        return b
    if dims.equal(a, b):
        return a
    if isinstance(a, int) and isinstance(b, int):
        fail(False)
        return a
    if isinstance(b, int):
        a, b = b, a  # b is the run-time one
    same, one = dims.eq(a, b), dims.eq(b, 1)
    if isinstance(a, int):
        fail(dims.either(same, one))
        return a
    other_is_one = dims.eq(a, 1)
    fail(dims.either(same, dims.either(one, other_is_one)))
    return dims.select(other_is_one, b, a)


def broadcast_lens(shape: Sequence[Dim], target: Sequence[Dim]) -> Strided | None:
    """The lens that spreads ``shape`` over ``target``, to which it is known to broadcast; None when they are equal."""
    lead = len(target) - len(shape)
    if not lead and all(d is t or dims.equal(d, t) for d, t in zip(shape, target)):
        return None
    pairs: list[tuple[int, int]] = []
    steps: list[Dim] = []
    for axis, (d, t) in enumerate(zip(shape, target[lead:])):
        if d == 1 and t != 1:
            continue
        pairs.append((axis, axis + lead))
        spread = d is not t and not isinstance(d, int) and not dims.equal(d, t)
        steps.append(dims.select(dims.eq(d, 1), 0, 1) if spread else 1)
    return Strided(tuple(target), (0,) * len(shape), tuple(pairs), tuple(steps))


def spread(b: Builder, x: Value, target: Dims) -> Value:
    """``x`` broadcast to ``target``, to which it is known to broadcast."""
    shape = x.type.shape
    if shape == target:
        return x
    if not shape:
        return b.fill(x, target)
    lens = broadcast_lens(shape, target)
    if lens is None:
        axes = range(len(target))
        return b.view(x, target, (0,) * len(target), [(k, k) for k in axes], (1,) * len(target))
    return lens.get(b, x)


def fit(shape: Sequence[Dim], target: Sequence[Dim], fail: Fail) -> Dims:
    """Check that ``shape`` broadcasts to ``target`` and drop its leading axes of length 1 that ``target`` lacks."""
    extra = max(len(shape) - len(target), 0)
    for d in shape[:extra]:
        if d != 1:
            fail(dims.eq(d, 1))
    rest = tuple(shape[extra:])
    for d, t in zip(rest, target[len(target) - len(rest) :]):
        if d == 1 or d is t or dims.equal(d, t):
            continue
        fail(dims.either(dims.eq(d, t), dims.eq(d, 1)))
    return rest


def fitted(b: Builder, x: Value, target: Dims, fail: Fail) -> Value:
    """``x`` broadcast to ``target`` as an assignment does."""
    rest = fit(x.type.shape, target, fail)
    if len(rest) != x.rank:
        x = b.reshape(x, rest)
    return spread(b, x, target)
