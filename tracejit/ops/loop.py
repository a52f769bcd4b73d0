"""Ops of the loop level: buffers, loads, stores and library calls, beside the scalar elementwise ops and control flow.

At this level every array has become a buffer (:class:`~tracejit.ir.types.BufferType`) plus index arithmetic on scalars;
the types of all other values have rank 0. Extra attributes of ``for`` here:

- ``vector``: True when consecutive iterations may run as lanes of one vector (no carried values, or reductions only);
- ``reductions``: names of the combining op per carried value (``"add" "mul" "minimum" "maximum" "or" "and"``), which
may be
  reassociated.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracejit.ir.types import INDEX, PREDICATE, ArrayType, BufferType, Type
from tracejit.ops.primitive import Attrs, Primitive


def _load_type(types: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
    assert isinstance(types[0], BufferType)
    return (ArrayType(types[0].dtype),)


alloc = Primitive("alloc", "loop", derivative="undefined", pure=False)
"""``alloc(count) -> buffer``: uninitialised room for ``count`` elements, 64-byte aligned beyond some hundred bytes;
lives until ``free`` or, when it is a result, in the caller's hands. Attribute ``stack`` (an int number of elements)
puts it into the frame instead."""
free = Primitive("free", "loop", derivative="undefined", pure=False)
"""``free(buffer)``: give back a buffer that ``alloc`` made; nothing happens to any other (an argument's)."""
constant_buffer = Primitive("constant_buffer", "loop", derivative="undefined")
"""``constant_buffer() {value} -> buffer``: the elements of the ``ndarray`` ``value`` in C order, read-only."""
offset = Primitive("offset", "loop", derivative="undefined", infer=lambda t, a: (t[0],))
"""``offset(buffer, index) -> buffer``: the buffer from element ``index`` on."""
same_buffer = Primitive("same_buffer", "loop", derivative="undefined", infer=lambda t, a: (PREDICATE,))
"""``same_buffer(a, b)``: whether two buffers start at the same address."""
load = Primitive("load", "loop", derivative="undefined", infer=_load_type, pure=False)
"""``load(buffer, index)``: element ``index`` (counted in elements). Attribute ``invariant``: nothing in the program
writes it."""
store = Primitive("store", "loop", derivative="undefined", pure=False)
"""``store(buffer, index, value)``."""
copy_elements = Primitive("copy_elements", "loop", derivative="undefined", pure=False)
"""``copy_elements(target, source, count)``: contiguous, not overlapping."""
fill_zero = Primitive("fill_zero", "loop", derivative="undefined", pure=False)
"""``fill_zero(buffer, count)``: bytes zero."""
gemm = Primitive("gemm", "loop", derivative="undefined", pure=False)
"""``gemm(c, a, b, m, n, k, lda, ldb) {transpose_a, transpose_b}``: ``c = op(a) @ op(b)`` by BLAS, ``c`` contiguous
``[m, n]``; ``lda`` and
``ldb`` are the element distances between rows of ``a`` (``[m, k]``, or ``[k, m]`` when transposed) and of ``b`` as
stored."""
call = Primitive("call", "loop", derivative="undefined", infer=lambda t, a: (INDEX,), pure=False)
"""``call(*buffers, *numbers) -> status {routine}``: one of :data:`tracejit.ops.library.ROUTINES`, for the dtype of the
first buffer."""
