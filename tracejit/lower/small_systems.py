"""Many small systems of equations, solved side by side: each is a lane of vectors.

A routine that solves one system of 8 equations spends most of its time on calls and on rows that are shorter than it
was made for. Here the systems of a group are interleaved, so that one element of all of them is one vector, and
Gaussian elimination with partial pivoting runs on the whole group. Lanes differ in their pivots only: rows are
exchanged by choosing between two elements, never by a branch.

Whether a matrix is singular is a matter of rounding when a pivot nearly vanishes, and NumPy's answer is what counts:
such systems, and those that are not finite, are solved once more by the routine that NumPy calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tracejit.ir.core import Value
from tracejit.ir.types import BOOL, INDEX, ArrayType
from tracejit.lower.storage import Index, Storage
from tracejit.ops import elementwise as e
from tracejit.ops.primitive import Primitive

if TYPE_CHECKING:
    from tracejit.lower.libraries import Batch

_VECTOR = 64
"""Bytes of one element of all systems of a group."""
_EQUATIONS = 16
"""The most equations: choosing rows looks at all of them, which costs more than moving one when there are many."""
_ELEMENTS = 512
"""The most elements of a system, both sides: a group of them fits the first-level cache."""
_MUCH = 2.0**64
"""What pivots whose inverse is infinite are multiplied by first."""
_DOUBTFUL = 8.0
"""Pivots of up to this many roundings of the largest element, times the number of equations, may as well be zero."""
_FEW = 4
"""Fewer systems leave most lanes empty."""


def is_suited(batch: Batch, b: Value) -> bool:
    """Whether the systems ``a @ x == b`` of a batch are many and small."""
    n, m = batch.n, b.shape[-1]
    if not batch.batch or batch.a.dtype.kind != "f" or not isinstance(n, int) or not isinstance(m, int):
        return False
    count = batch.nest.product([d for d in batch.batch if isinstance(d, int)])
    known = all(isinstance(d, int) for d in batch.batch)
    enough = not known or (isinstance(count, int) and count >= _FEW)
    return enough and 1 <= n <= _EQUATIONS and m >= 1 and n * (n + m) <= _ELEMENTS


def solve(batch: Batch, b: Value) -> None:
    """Lower ``solve`` of the batch and the right sides ``b``."""
    _Group(batch, b).write()


class _Group:
    """The loop over groups. ``room`` holds the matrices and, to their right, the right sides: ``[n, n + m, lanes]``."""

    def __init__(self, batch: Batch, b: Value) -> None:
        n, m = batch.n, b.shape[-1]
        assert isinstance(n, int) and isinstance(m, int)
        self.batch, self.nest, self.b, self.n, self.m = batch, batch.nest, b, n, m
        self.dtype = batch.a.dtype
        self.lanes = _VECTOR // self.dtype.itemsize
        self.room = batch.room(self.dtype, n, n + m, self.lanes)
        self.regular = batch.room(BOOL, self.lanes)
        self.again = batch.room(self.dtype, n, n), batch.room(self.dtype, m, n), batch.room(INDEX.dtype, n)

    def write(self) -> None:
        nest, batch = self.nest, self.batch
        target, flags = batch.result(0), batch.result(1)
        assert target is not None and flags is not None
        total = nest.product(batch.batch)
        groups = nest.divmod(nest.add(total, self.lanes - 1), self.lanes)[0]
        batch.start()
        first = nest.mul(nest.open(groups)[0], self.lanes)
        self._fill(first, nest.sub(total, 1))
        lane = nest.open(self.lanes, parallel=True)[0]
        regular = self._eliminate(lane)
        self._substitute(lane)
        nest.store(self.regular.buffer, lane, regular)
        nest.close()
        self._take(first, self._least(self.lanes, nest.sub(total, first)), target, flags)
        batch.close()

    # --- in and out
    def _fill(self, first: Index, last: Index) -> None:
        """Interleave a group; when systems run out, the last one is repeated."""
        nest = self.nest
        lane = nest.open(self.lanes)[0]
        at = self._unravel(self._least(nest.add(first, lane), last))
        for v, columns, beside in ((self.batch.a, self.n, 0), (self.b, self.m, self.n)):
            i, j = nest.open(self.n)[0], nest.open(columns)[0]
            self._set(i, nest.add(j, beside), lane, self.batch.elements.at(v, [*at, i, j]))
            nest.close()
            nest.close()
        nest.close()

    def _take(self, first: Index, count: Index, target: Storage, flags: Storage) -> None:
        nest = self.nest
        nan = nest.const(float("nan"), ArrayType(self.dtype))
        lane = nest.open(count)[0]
        at = self._unravel(nest.add(first, lane))
        self._solve_again(lane, at)
        regular = nest.load(self.regular.buffer, lane, innermost=True)
        nest.store(flags.buffer, nest.linear(flags, at), regular)
        i, j = nest.open(self.n)[0], nest.open(self.m)[0]
        found = self._do(e.select, regular, self._get(i, nest.add(j, self.n), lane), nan)
        nest.store(target.buffer, nest.linear(target, [*at, i, j]), found)
        nest.close()
        nest.close()
        nest.close()

    def _solve_again(self, lane: Value, at: Sequence[Index]) -> None:
        """Let LAPACK decide about a system with a doubtful pivot."""
        from tracejit.lower.libraries import call

        nest, batch = self.nest, self.batch
        factors, right, pivots = self.again
        certain = nest.load(self.regular.buffer, lane, innermost=True)
        nest.open(self._do(e.select, certain, nest.value(0), nest.value(1)))  # a loop of one turn, or none
        batch.turned(factors, batch.a, at)
        batch.turned(right, self.b, at)
        status = call(nest, "gesv", [factors.buffer, right.buffer, pivots.buffer], [self.n, self.m])
        nest.store(self.regular.buffer, lane, self._do(e.eq, status, nest.value(0)))
        i, j = nest.open(self.n)[0], nest.open(self.m)[0]
        found = nest.load(right.buffer, nest.linear(right, [j, i]), innermost=True)
        self._set(i, nest.add(j, self.n), lane, found)
        for _ in range(3):
            nest.close()

    def _unravel(self, number: Index) -> list[Index]:
        """The indices of a system by its number."""
        at: list[Index] = []
        for d in reversed(self.batch.batch[1:]):
            number, k = self.nest.divmod(number, d)
            at.append(k)
        return [number, *reversed(at)]

    def _least(self, a: Index, b: Index) -> Index:
        a, b = self.nest.value(a), self.nest.value(b)
        return self._do(e.select, self._do(e.lt, a, b), a, b)

    # --- what each lane does
    def _eliminate(self, lane: Value) -> Value:
        """Bring the matrix into upper triangular form, and the right sides along; whether all pivots certainly differ
        from 0.

        This is Crout's order, where each element is computed at once: its sum of products first, which is subtracted
        then."""
        nest, wide = self.nest, self.n + self.m
        normal = float(np.finfo(self.dtype).tiny)
        doubtful = _DOUBTFUL * self.n * float(np.finfo(self.dtype).eps)
        one, tiny, much, doubt = (nest.const(x, ArrayType(self.dtype)) for x in (1.0, 4 * normal, _MUCH, doubtful))
        least = self._do(e.mul, self._largest(lane), doubt)
        k, regular = nest.open(self.n, carried=(nest.const(True, ArrayType(BOOL)),))
        after = nest.add(k, 1)

        largest = nest.const(-1.0, ArrayType(self.dtype))
        i, size, row = nest.open(self.n, start=k, carried=(largest, k))
        other = self._do(e.abs, self._reduced(i, k, k, lane))
        larger = self._do(e.gt, other, size)
        _, row = nest.close(self._do(e.select, larger, other, size), self._do(e.select, larger, i, row))

        i = nest.open(self.n, start=after)[0]
        chosen = self._do(e.eq, i, row)
        j = nest.open(wide)[0]
        x, y = self._get(k, j, lane), self._get(i, j, lane)
        self._set(k, j, lane, self._do(e.select, chosen, y, x))
        self._set(i, j, lane, self._do(e.select, chosen, x, y))
        nest.close()
        nest.close()

        self._reduced(k, nest.open(wide, start=after)[0], k, lane)
        nest.close()
        pivot = self._get(k, k, lane)
        small = self._do(e.lt, self._do(e.abs, pivot), tiny)
        scale = self._do(e.select, small, much, one)
        inverse = self._do(e.div, one, self._do(e.mul, pivot, scale))
        i = nest.open(self.n, start=after)[0]
        factor = self._do(e.mul, self._do(e.mul, self._get(i, k, lane), scale), inverse)
        self._set(i, k, lane, factor)
        nest.close()
        return nest.close(self._do(e.and_, regular, self._do(e.gt, self._do(e.abs, pivot), least)))[0]

    def _largest(self, lane: Value) -> Value:
        """The largest modulus in the matrix; nan if there is one."""
        nest = self.nest
        none = nest.const(0.0, ArrayType(self.dtype))
        i, outer = nest.open(self.n, carried=(none,))
        j, inner = nest.open(self.n, carried=(outer,))
        found = nest.close(self._do(e.maximum, inner, self._do(e.abs, self._get(i, j, lane))))
        return nest.close(*found)[0]

    def _reduced(self, i: Index, j: Index, count: Index, lane: Value) -> Value:
        """Subtract from an element what the first ``count`` rows, already eliminated, contribute to it."""
        nest = self.nest
        t, total = nest.open(count, carried=(nest.const(0.0, ArrayType(self.dtype)),))
        product = self._do(e.mul, self._get(i, t, lane), self._get(t, j, lane))
        total = nest.close(self._do(e.add, total, product))[0]
        found = self._do(e.sub, self._get(i, j, lane), total)
        self._set(i, j, lane, found)
        return found

    def _substitute(self, lane: Value) -> None:
        """Solve the triangular system, from the last equation up, in the place of the right sides."""
        nest = self.nest
        k = nest.sub(self.n - 1, nest.open(self.n)[0])
        pivot = self._get(k, k, lane)
        column = nest.add(nest.open(self.m)[0], self.n)
        x = self._do(e.div, self._get(k, column, lane), pivot)
        self._set(k, column, lane, x)
        i = nest.open(k)[0]
        step = self._do(e.mul, self._get(i, k, lane), x)
        self._set(i, column, lane, self._do(e.sub, self._get(i, column, lane), step))
        for _ in range(3):
            nest.close()

    # --- elements
    def _do(self, primitive: Primitive, *operands: Value) -> Value:
        return self.nest.emit(primitive, operands, innermost=True)

    def _at(self, i: Index, j: Index, lane: Index) -> Index:
        return self.nest.linear(self.room, [i, j, lane])

    def _get(self, i: Index, j: Index, lane: Index) -> Value:
        return self.nest.load(self.room.buffer, self._at(i, j, lane), innermost=True)

    def _set(self, i: Index, j: Index, lane: Index, x: Value) -> None:
        self.nest.store(self.room.buffer, self._at(i, j, lane), x)
