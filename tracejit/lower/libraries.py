"""Ops that libraries compute (:mod:`tracejit.ops.library`): operands are brought into the order that a routine wants,
which is called per row or matrix, and the result is brought back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tracejit.ir.core import Op, Value
from tracejit.ir.types import INDEX, ArrayType
from tracejit.lower import small_systems
from tracejit.lower.storage import Index, Nest, Storage
from tracejit.ops import elementwise, loop
from tracejit.ops.primitive import Primitive

if TYPE_CHECKING:
    from tracejit.lower.elements import Elements
    from tracejit.lower.kernels import Kernel


def call(nest: Nest, routine: str, buffers: Sequence[Value], numbers: Sequence[Index]) -> Value:
    """Call a routine at the innermost level; its status."""
    operands = [*buffers, *map(nest.value, numbers)]
    op = Op(loop.call, operands, (INDEX,), {"routine": routine}, (), nest.builder.loc)
    nest.blocks[-1].append(op)
    nest.level[op.results[0]] = nest.depth
    return op.results[0]


def _row(nest: Nest, storage: Storage, row: Index) -> Value:
    at = nest.mul(row, storage.shape[-1])
    return nest.emit(loop.offset, (storage.buffer, nest.value(at)))


# --- sorting
def sort(kernel: Kernel) -> None:
    """Lower the root ``sort`` of a fusion: a copy, sorted row by row."""
    target = _filled(kernel, kernel.root.operands[0])
    kernel.low.bind(kernel.fusion.results[0], target)
    nest = Nest(kernel.low.builder)
    row = nest.open(nest.product(target.shape[:-1]))[0]
    call(nest, "sort", [_row(nest, target, row)], [target.shape[-1]])
    kernel.close_nest(nest)


def argsort(kernel: Kernel) -> None:
    """Lower the root ``argsort`` of a fusion."""
    low = kernel.low
    values = _filled(kernel, kernel.root.operands[0])
    nest = Nest(low.builder)
    target = nest.alloc(INDEX.dtype, values.shape)
    low.bind(kernel.fusion.results[0], target)
    row = nest.open(nest.product(target.shape[:-1]))[0]
    places = _row(nest, target, row)
    k = nest.open(target.shape[-1], vector=True)[0]
    nest.store(places, k, k)
    nest.close()
    routine = "stable_argsort" if kernel.root.attrs["stable"] else "argsort"
    call(nest, routine, [_row(nest, values, row), places], [target.shape[-1]])
    kernel.close_nest(nest)
    low.free(values)


def _filled(kernel: Kernel, x: Value) -> Storage:
    nest = Nest(kernel.low.builder)
    target = nest.alloc(x.dtype, [kernel.low.dim(d) for d in x.shape])
    kernel.fill(nest, target, x)
    return target


# --- matrices
class Batch:
    """Loops over the matrices of a batch, with room for one in Fortran's order."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.low = kernel.low
        self.a = kernel.root.operands[0]
        shape = [self.low.dim(d) for d in self.a.shape]
        self.n, self.batch = shape[-1], shape[:-2]
        self.nest = Nest(self.low.builder)
        self.rooms: list[Storage] = []

    def room(self, dtype: object, *shape: Index) -> Storage:
        storage = self.nest.alloc(dtype, shape)
        self.rooms.append(storage)
        return storage

    def result(self, k: int) -> Storage | None:
        """Where result ``k`` goes; None for a number."""
        r = self.kernel.fusion.results[k]
        if not r.rank:
            return None
        storage = self.nest.alloc(r.dtype, [self.low.dim(d) for d in r.shape])
        self.low.bind(r, storage)
        return storage

    def start(self) -> None:
        self.elements: Elements = self.kernel.elements(self.nest)

    def open(self) -> list[Index]:
        self.start()
        return [self.nest.open(d)[0] for d in self.batch]

    def turned(self, room: Storage, v: Value, at: Sequence[Index]) -> None:
        """Store a matrix of ``v`` in Fortran's order: ``room`` has its columns as rows."""
        nest = self.nest
        i = nest.open(room.shape[1])[0]
        j = nest.open(room.shape[0])[0]
        nest.store(room.buffer, nest.linear(room, [j, i]), self.elements.at(v, [*at, i, j]))
        nest.close()
        nest.close()

    def ok(self, status: Value, where: Storage | None, at: Sequence[Index]) -> Value:
        nest = self.nest
        ok = nest.emit(elementwise.eq, (status, nest.value(0)), innermost=True)
        if where is None:
            self.low.bind_scalar(self.kernel.fusion.results[1], ok)
        else:
            nest.store(where.buffer, nest.linear(where, at), ok)
        return ok

    def close(self) -> None:
        self.kernel.close_nest(self.nest)
        for storage in self.rooms:
            self.low.free(storage)


def solve(kernel: Kernel) -> None:
    """Lower the root ``solve`` of a fusion: ``gesv`` on copies, or many small systems side by side."""
    batch = Batch(kernel)
    nest, n = batch.nest, batch.n
    a, b = kernel.root.operands
    if small_systems.is_suited(batch, b):
        small_systems.solve(batch, b)
        return
    m = kernel.low.dim(b.shape[-1])
    factors, right, pivots = batch.room(a.dtype, n, n), batch.room(b.dtype, m, n), batch.room(INDEX.dtype, n)
    target, flags = batch.result(0), batch.result(1)
    assert target is not None
    at = batch.open()
    batch.turned(factors, a, at)
    batch.turned(right, b, at)
    status = call(nest, "gesv", [factors.buffer, right.buffer, pivots.buffer], [n, m])
    ok = batch.ok(status, flags, at)
    nan = nest.const(_nan(b), ArrayType(b.dtype))
    i, j = nest.open(n)[0], nest.open(m)[0]
    found = nest.load(right.buffer, nest.linear(right, [j, i]), innermost=True)
    nest.store(
        target.buffer, nest.linear(target, [*at, i, j]), nest.emit(elementwise.select, (ok, found, nan), innermost=True)
    )
    batch.close()


def cholesky(kernel: Kernel) -> None:
    """Lower the root ``cholesky`` of a fusion: ``potrf`` on a copy."""
    batch = Batch(kernel)
    nest, n = batch.nest, batch.n
    (a,) = kernel.root.operands
    factor = batch.room(a.dtype, n, n)
    target, flags = batch.result(0), batch.result(1)
    assert target is not None
    at = batch.open()
    batch.turned(factor, a, at)
    ok = batch.ok(call(nest, "potrf", [factor.buffer], [n]), flags, at)
    nan, zero = (nest.const(x, ArrayType(a.dtype)) for x in (_nan(a), a.dtype.type(0).item()))
    i, j = nest.open(n)[0], nest.open(n)[0]
    found = nest.load(factor.buffer, nest.linear(factor, [j, i]), innermost=True)
    below = nest.emit(elementwise.le, (j, i), innermost=True)
    found = nest.emit(elementwise.select, (below, found, zero), innermost=True)
    nest.store(
        target.buffer, nest.linear(target, [*at, i, j]), nest.emit(elementwise.select, (ok, found, nan), innermost=True)
    )
    batch.close()


def det(kernel: Kernel) -> None:
    """Lower the root ``det`` of a fusion: ``getrf`` on a copy, and the product of the pivots by their logarithms."""
    batch = Batch(kernel)
    nest, n = batch.nest, batch.n
    (a,) = kernel.root.operands
    real = elementwise.real_dtype(a.dtype)
    factors, pivots = batch.room(a.dtype, n, n), batch.room(INDEX.dtype, n)
    target = batch.result(0)
    at = batch.open()
    batch.turned(factors, a, at)
    status = call(nest, "getrf", [factors.buffer, pivots.buffer], [n])

    def emit(primitive: Primitive, *operands: Value, dtype: np.dtype[Any] | None = None) -> Value:
        types = None if dtype is None else (ArrayType(dtype),)
        return nest.emit(primitive, operands, types, innermost=True)

    one, zero = (nest.const(a.dtype.type(x).item(), ArrayType(a.dtype)) for x in (1, 0))
    i, sign, total = nest.open(n, carried=(one, nest.const(0.0, ArrayType(real))))
    pivot = nest.load(factors.buffer, nest.linear(factors, [i, i]), innermost=True)
    size = emit(elementwise.abs, pivot)
    unit = emit(elementwise.div, pivot, emit(elementwise.cast, size, dtype=a.dtype) if real != a.dtype else size)
    swapped = emit(elementwise.ne, nest.load(pivots.buffer, i, innermost=True), emit(elementwise.add, i, nest.value(1)))
    unit = emit(elementwise.select, swapped, emit(elementwise.neg, unit), unit)
    sign, total = nest.close(
        emit(elementwise.mul, sign, unit), emit(elementwise.add, total, emit(elementwise.log, size))
    )
    scale = emit(elementwise.exp, total)
    found = emit(elementwise.mul, sign, emit(elementwise.cast, scale, dtype=a.dtype) if real != a.dtype else scale)
    found = emit(elementwise.select, emit(elementwise.eq, status, nest.value(0)), found, zero)
    if target is None:
        batch.close()
        kernel.low.bind_scalar(kernel.fusion.results[0], found)
    else:
        nest.store(target.buffer, nest.linear(target, at), found)
        batch.close()


def _nan(v: Value) -> complex:
    nan = float("nan")
    return complex(nan, nan) if v.dtype.kind == "c" else nan


LOWERINGS = {"sort": sort, "argsort": argsort, "solve": solve, "cholesky": cholesky, "det": det}
"""By op."""
