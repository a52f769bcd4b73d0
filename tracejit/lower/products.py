"""Matrix products: BLAS for large float matrices, a loop nest for small ones and for the dtypes BLAS does not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tracejit.ir.core import Value
from tracejit.ir.types import ArrayType
from tracejit.lower.storage import Index, Nest, Storage
from tracejit.ops import elementwise, loop

if TYPE_CHECKING:
    from tracejit.lower.kernels import Kernel

_WRITTEN_OUT = 16
"""Sums of so many terms are written out."""
_TERMS = 64
"""Products of so many rows and terms are written out as a whole."""
SMALL = 16 * 16 * 16
"""Products with at most this many multiplications, known while compiling, are written out as loops."""


def matmul(kernel: Kernel) -> None:
    """Lower the root ``matmul`` of a fusion."""
    low = kernel.low
    result = kernel.fusion.results[0]
    if _computes(kernel, kernel.root.operands[0]):
        _dots_of_elements(kernel)
        return
    a, b = (_operand(kernel, v) for v in kernel.root.operands)
    nest = Nest(low.builder)
    target = nest.alloc(result.dtype, [low.dim(d) for d in result.shape])
    low.bind(result, target)
    m, k = a.shape[-2:]
    n = b.shape[-1]
    sizes = [d for d in (m, n, k) if isinstance(d, int)]
    small = len(sizes) == 3 and sizes[0] * sizes[1] * sizes[2] <= SMALL
    if n == 1 and a.strides[-1] == 1 and b.strides[-2] == 1:
        _dots(nest, target, a, b)
        return
    if result.dtype.kind not in "fc" or result.dtype.itemsize == 2 or small or m == 1 or len(a.shape) > 2:
        if isinstance(k, int) and k <= _WRITTEN_OUT:
            _rows(nest, target, a, b, k)
        else:
            _loops(nest, target, a, b)
        return
    a, transpose_a, lda = _leading(kernel, a)
    b, transpose_b, ldb = _leading(kernel, b)
    nest = Nest(low.builder)
    operands = [target.buffer, a.buffer, b.buffer, *(nest.value(d) for d in (m, n, k, lda, ldb))]
    low.builder.emit(loop.gemm, operands, (), {"transpose_a": transpose_a, "transpose_b": transpose_b})
    for storage, v in ((a, kernel.root.operands[0]), (b, kernel.root.operands[1])):
        if storage in low.temporaries:
            low.free(storage)
        assert v.rank == 2


def _computes(kernel: Kernel, v: Value) -> bool:
    """Whether the elements of an operand are computed on the fly; a view of a stored matrix is not."""
    op = v.op
    if op is None or op not in kernel.inlined:
        return False
    source = op.operands[0].op if op.name == "view" else op
    return source is not None and source in kernel.inlined


def _dots_of_elements(kernel: Kernel) -> None:
    """A matrix that is computed on the fly times one column: a reduction per row."""
    low = kernel.low
    x, y = kernel.root.operands
    result = kernel.fusion.results[0]
    column = _operand(kernel, y)
    nest = Nest(low.builder)
    target = nest.alloc(result.dtype, [low.dim(d) for d in result.shape])
    low.bind(result, target)
    elements = kernel.elements(nest)
    index: list[Index] = [nest.open(d)[0] for d in target.shape[:-1]]
    depth = low.dim(x.shape[-1])
    k, total = nest.open(depth, carried=(_zero(nest, target),), vector=True, reductions=("add",))
    left = elements.at(x, [*index, k])
    right = nest.load(column.buffer, nest.linear(column, [*index[:-1], k, 0]))
    product = nest.emit(elementwise.mul, (left, right))
    (total,) = nest.close(nest.emit(elementwise.add, (total, product), innermost=True))
    nest.store(target.buffer, nest.linear(target, [*index, 0]), total)
    while nest.depth:
        nest.close()


def _operand(kernel: Kernel, v: Value) -> Storage:
    """The storage of an operand; a view of a stored matrix is a storage with other strides."""
    op = v.op
    if op is None or op not in kernel.inlined:
        return kernel.low.storage(v)
    base = kernel.low.storage(op.operands[0])
    nest = Nest(kernel.low.builder)
    elements = kernel.elements(nest)
    rest = [elements.index_of(s) for s in op.operands[1:]]
    x = op.operands[0]
    offset = nest.linear(base, rest[: x.rank])
    strides: list[Index] = [0] * v.rank
    for (axis, j), step in zip(op.attrs["pairs"], rest[x.rank :], strict=True):
        strides[j] = nest.add(strides[j], nest.mul(base.strides[axis], step))
    buffer = base.buffer
    if not (isinstance(offset, int) and offset == 0):
        buffer = nest.emit(loop.offset, (buffer, nest.value(offset)))
    shape = elements.shape(v)
    return Storage(buffer, shape, tuple(strides), c_order=tuple(strides) == nest.c_strides(shape), foreign=True)


def _leading(kernel: Kernel, x: Storage) -> tuple[Storage, bool, Index]:
    """``(storage, transposed, distance between stored rows)`` that BLAS can read; copies when neither axis is
    contiguous."""
    rows, columns = x.strides
    if columns == 1 and _at_least(rows, x.shape[1], x.c_order):
        return x, False, rows
    if rows == 1 and _at_least(columns, x.shape[0], True):
        return x, True, columns
    low = kernel.low
    copy = low.copy(x, x.buffer.dtype)
    low.temporaries.add(copy)
    return copy, False, x.shape[1]


def _at_least(stride: Index, length: Index, known: bool) -> bool:
    # BLAS wants the distance between rows to be at least a row, which broadcast and reversed views are not
    if isinstance(stride, int) and isinstance(length, int):
        return stride >= max(length, 1)
    return known


def _zero(nest: Nest, target: Storage) -> Value:
    dtype = target.buffer.dtype
    return nest.const(dtype.type(0).item(), ArrayType(dtype))


def _dots(nest: Nest, target: Storage, a: Storage, b: Storage) -> None:
    """A matrix times one column: a reduction per row, along contiguous memory."""
    index: list[Index] = [nest.open(d)[0] for d in target.shape[:-1]]
    k, total = nest.open(a.shape[-1], carried=(_zero(nest, target),), vector=True, reductions=("add",))
    left = nest.load(a.buffer, nest.linear(a, [*index, k]))
    right = nest.load(b.buffer, nest.linear(b, [*index[:-1], k, 0]))
    product = nest.emit(elementwise.mul, (left, right))
    (total,) = nest.close(nest.emit(elementwise.add, (total, product), innermost=True))
    nest.store(target.buffer, nest.linear(target, [*index, 0]), total)
    while nest.depth:
        nest.close()


def _rows(nest: Nest, target: Storage, a: Storage, b: Storage, inner: int) -> None:
    """``c[i, :] = a[i, 0] * b[0, :] + a[i, 1] * b[1, :] + ...``, the sum written out."""
    batch: list[Index] = [nest.open(d)[0] for d in target.shape[:-2]]
    count = target.shape[-2]
    # few rows are written out, too: then they share what they load of b
    rows: Sequence[Index] = range(count) if isinstance(count, int) and count * inner <= _TERMS else nest.open(count)[:1]
    (column,) = nest.open(target.shape[-1], vector=True)
    rights = [nest.load(b.buffer, nest.linear(b, [*batch, k, column])) for k in range(inner)]
    totals = []
    for row in rows:
        total = _zero(nest, target)
        for k, right in enumerate(rights):
            left = nest.load(a.buffer, nest.linear(a, [*batch, row, k]))
            total = nest.emit(elementwise.add, (total, nest.emit(elementwise.mul, (left, right))), innermost=True)
        totals.append(total)
    for row, total in zip(rows, totals):
        nest.store(target.buffer, nest.linear(target, [*batch, row, column]), total)
    while nest.depth:
        nest.close()


def _loops(nest: Nest, target: Storage, a: Storage, b: Storage) -> None:
    """``c[i, :] += a[i, k] * b[k, :]``: the innermost loop runs along rows of ``b`` and ``c``."""
    zero = _zero(nest, target)
    (i,) = nest.open(nest.product(target.shape), vector=True)
    nest.store(target.buffer, i, zero)
    nest.close()
    batch: list[Index] = [nest.open(d)[0] for d in target.shape[:-2]]
    (row,) = nest.open(target.shape[-2])
    (inner,) = nest.open(a.shape[-1])
    (column,) = nest.open(target.shape[-1], vector=True)
    left = nest.load(a.buffer, nest.linear(a, [*batch, row, inner]))
    right = nest.load(b.buffer, nest.linear(b, [*batch, inner, column]))
    at = nest.linear(target, [*batch, row, column])
    product = nest.emit(elementwise.mul, (left, right))
    total = nest.emit(elementwise.add, (nest.load(target.buffer, at, innermost=True), product), innermost=True)
    nest.store(target.buffer, at, total)
    while nest.depth:
        nest.close()
