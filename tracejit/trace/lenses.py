"""How a view gets from the contents of its base to its own, and back."""

from __future__ import annotations

from typing import TypeAlias

from tracejit.ir.core import Value
from tracejit.ir.types import Dim
from tracejit.ops import elementwise as E
from tracejit.ops.builder import Builder
from tracejit.record import record
from tracejit.trace import dims

Dims: TypeAlias = tuple[Dim, ...]


@record(frozen=True)
class Strided:
    """A strided part: the ``view`` primitive."""

    dims: Dims
    starts: Dims
    pairs: tuple[tuple[int, int], ...]
    steps: Dims

    def get(self, b: Builder, base: Value) -> Value:
        return b.view(base, self.dims, self.starts, self.pairs, self.steps)

    def put(self, b: Builder, base: Value, part: Value) -> Value:
        return b.update(base, part, self.starts, self.pairs, self.steps)

    def then(self, inner: Strided) -> Strided:
        """This lens followed by ``inner``, as one."""
        feeds: dict[int, list[tuple[int, Dim]]] = {}  # axis between the lenses -> axes and steps of the result
        for (axis, to), step in zip(inner.pairs, inner.steps):
            feeds.setdefault(axis, []).append((to, step))
        starts = list(self.starts)
        pairs: list[tuple[int, int]] = []
        steps: list[Dim] = []
        for (axis, between), step in zip(self.pairs, self.steps):
            starts[axis] = dims.add(starts[axis], dims.mul(step, inner.starts[between]))
            for to, inner_step in feeds.get(between, ()):
                pairs.append((axis, to))
                steps.append(dims.mul(step, inner_step))
        return Strided(inner.dims, tuple(starts), tuple(pairs), tuple(steps))


@record(frozen=True)
class Reshape:
    """All elements in C order under another shape."""

    dims: Dims
    base_dims: Dims

    def get(self, b: Builder, base: Value) -> Value:
        return b.reshape(base, self.dims)

    def put(self, b: Builder, base: Value, part: Value) -> Value:
        return b.reshape(part, self.base_dims)


@record(frozen=True)
class RealPart:
    """The real parts of a complex array."""

    dims: Dims

    def get(self, b: Builder, base: Value) -> Value:
        return b.apply(E.real, base)

    def put(self, b: Builder, base: Value, part: Value) -> Value:
        return b.apply(E.make_complex, part, b.apply(E.imag, base))


@record(frozen=True)
class ImagPart:
    """The imaginary parts of a complex array."""

    dims: Dims

    def get(self, b: Builder, base: Value) -> Value:
        return b.apply(E.imag, base)

    def put(self, b: Builder, base: Value, part: Value) -> Value:
        return b.apply(E.make_complex, b.apply(E.real, base), part)


Lens: TypeAlias = Strided | Reshape | RealPart | ImagPart
Lenses: TypeAlias = tuple[Lens, ...]


def extended(lenses: Lenses, lens: Lens) -> Lenses:
    """The chain ``lenses`` followed by ``lens``; neighbours of one kind become one."""
    if lenses:
        last = lenses[-1]
        if isinstance(last, Strided) and isinstance(lens, Strided):
            return (*lenses[:-1], last.then(lens))
        if isinstance(last, Reshape) and isinstance(lens, Reshape):
            return (*lenses[:-1], Reshape(lens.dims, last.base_dims))
    return (*lenses, lens)


def joined(lenses: Lenses, more: Lenses) -> Lenses:
    """One chain after the other."""
    for lens in more:
        lenses = extended(lenses, lens)
    return lenses
