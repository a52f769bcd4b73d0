"""Ops that libraries compute: sorting by NumPy's own routines, linear algebra by LAPACK.

They work on the last axis, or on the matrices of the last two; what comes before are batch axes. Each is lowered to
calls of routines on contiguous memory (:data:`ROUTINES`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tracejit.ir.core import Op, Value
from tracejit.ir.types import BOOL, INDEX, ArrayType, Type
from tracejit.lazy import LazyFunctions
from tracejit.ops.primitive import REGISTRY, Attrs, Primitive, quiet
from tracejit.record import record

if TYPE_CHECKING:
    from tracejit.ops import batching, linear
else:
    batching = LazyFunctions("tracejit.ops.batching")
    linear = LazyFunctions("tracejit.ops.linear")

Array = np.ndarray[Any, Any]


# --- sorting --------------------------------------------------------------------------------------


def _sort_expanded(b: Any, op: Op) -> list[Value]:
    """A sorted array as what is found at the places that it comes from, which is how it is differentiated."""
    (x,) = op.operands
    last = x.rank - 1
    places = b.apply(argsort, x, stable=False)
    index = []
    for k in range(last):
        numbers = b.iota(x.shape[k])
        index.append(b.view(numbers, x.shape, (0,), ((0, k),), (1,)))
    return [b.gather(x, [*index, places], range(x.rank))]


sort = Primitive(
    "sort",
    "library",
    infer=lambda t, a: (t[0],),
    evaluate=lambda o, a, t: np.sort(o[0], axis=-1),
    expand=_sort_expanded,
    batch=batching.of_the_rest,
)
"""The last axis in increasing order, as ``np.sort`` has it: NaN last, complex numbers by real parts first."""

argsort = Primitive(
    "argsort",
    "library",
    derivative="zero",
    batch=batching.of_the_rest,
    infer=lambda t, a: (ArrayType(INDEX.dtype, t[0].shape),),
    evaluate=lambda o, a, t: np.argsort(o[0], axis=-1, kind="stable" if a["stable"] else None),
)
"""The indices that sort the last axis; with ``stable``, equal elements keep their order, else they come as NumPy's
sorting leaves them."""


# --- linear algebra -------------------------------------------------------------------------------


def _solve_type(types: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
    return types[1], ArrayType(BOOL, types[1].shape[:-2])


def _cholesky_type(types: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
    return types[0], ArrayType(BOOL, types[0].shape[:-2])


def _each_matrix(function: Callable[..., Array], operands: Sequence[Array], types: Sequence[ArrayType]) -> Any:
    """``function`` on each matrix of a batch, and whether it found that possible; NaN where it did not."""
    shape = tuple(d for d in types[0].shape if isinstance(d, int))
    result, ok = np.full(shape, np.nan, types[0].dtype), np.ones(shape[:-2], bool)
    for at in np.ndindex(ok.shape):
        try:
            result[at] = function(*(x[at] for x in operands))
        except np.linalg.LinAlgError:
            ok[at] = False
    return result, ok


def _swapped(b: Any, x: Value) -> Value:
    return b.transpose(x, (*range(x.rank - 2), x.rank - 1, x.rank - 2))  # type: ignore[no-any-return]


def _minus(b: Any, x: Value) -> Value:
    return b.apply(REGISTRY["neg"], x)  # type: ignore[no-any-return]


def _times(b: Any, x: Value, y: Value) -> Value:
    return b.apply(REGISTRY["matmul"], x, y)  # type: ignore[no-any-return]


def _solved(b: Any, a: Value, y: Value) -> Value:
    return b.emit(solve, (a, y))[0]  # type: ignore[no-any-return]


def _solve_transpose(b: Any, op: Op, ct: Value, k: int) -> Value:
    found = _solved(b, _swapped(b, op.operands[0]), ct)
    return found if k == 1 else _minus(b, _times(b, found, _swapped(b, op.results[0])))


def _solve_jvp(b: Any, op: Op, tangents: Sequence[Value | None]) -> Value:
    ta, ty = tangents
    right = ty
    if ta is not None:
        moved = _minus(b, _times(b, ta, op.results[0]))
        right = moved if ty is None else b.apply(REGISTRY["add"], ty, moved)
    assert right is not None
    return _solved(b, op.operands[0], right)


solve = Primitive(
    "solve",
    "library",
    infer=_solve_type,
    evaluate=quiet(lambda o, a, t: _each_matrix(np.linalg.solve, o, t)),
    transpose=_solve_transpose,
    jvp=_solve_jvp,
    batch=batching.of_the_rest,
)
"""``solve(a: [*batch, n, n], b: [*batch, n, m]) -> (x, ok)``: ``a @ x == b`` by LU with partial pivoting (``gesv``);
where a pivot is exactly zero ``ok`` is false and ``x`` NaN."""


def _half_lower(b: Any, x: Value, diagonal: float = 0.5) -> Value:
    """The lower triangle, its diagonal multiplied."""
    n, shape = x.shape[-1], x.shape
    row, column = (b.view(b.iota(n), shape, (0,), ((0, x.rank - 2 + k),), (1,)) for k in (0, 1))
    zero = b.full(0, x)
    on = b.apply(REGISTRY["select"], b.apply(REGISTRY["eq"], row, column), b.full(diagonal, x), b.full(1, x))
    below = b.apply(REGISTRY["ge"], row, column)
    return b.apply(REGISTRY["select"], below, b.apply(REGISTRY["mul"], on, x), zero)  # type: ignore[no-any-return]


def _of_real(op: Op) -> None:
    from tracejit.errors import DerivativeError

    if op.operands[0].dtype.kind == "c":
        raise DerivativeError(f"{op.name} of complex matrices has no derivative yet", loc=op.loc)


def _cholesky_transpose(b: Any, op: Op, ct: Value, k: int) -> Value:
    # Murray, "Differentiation of the Cholesky decomposition" (2016), eq. 10; only the lower triangle is read
    _of_real(op)
    lower = op.results[0]
    upper = _swapped(b, lower)
    inner = _half_lower(b, _times(b, upper, ct))
    left = _solved(b, upper, inner)
    s = _swapped(b, _solved(b, upper, _swapped(b, left)))
    return _half_lower(b, b.apply(REGISTRY["add"], s, _swapped(b, s)))


def _cholesky_jvp(b: Any, op: Op, tangents: Sequence[Value | None]) -> Value:
    _of_real(op)
    (t,) = tangents
    assert t is not None
    lower = op.results[0]
    strict = _half_lower(b, t, 0.0)
    symmetric = b.apply(REGISTRY["add"], _half_lower(b, t, 1.0), _swapped(b, strict))
    left = _solved(b, lower, symmetric)
    inner = _swapped(b, _solved(b, lower, _swapped(b, left)))
    return _times(b, lower, _half_lower(b, inner))


cholesky = Primitive(
    "cholesky",
    "library",
    infer=_cholesky_type,
    evaluate=quiet(lambda o, a, t: _each_matrix(np.linalg.cholesky, o, t)),
    transpose=_cholesky_transpose,
    jvp=_cholesky_jvp,
    batch=batching.of_the_rest,
)
"""``cholesky(a: [*batch, n, n]) -> (l, ok)``: lower triangles with ``a == l @ l^H``, from the lower triangles of ``a``
(``potrf``); where ``a`` is not positive definite ``ok`` is false and ``l`` NaN."""


def _identity(b: Any, like: Value) -> Value:
    n, shape = like.shape[-1], like.shape
    row, column = (b.view(b.iota(n), shape, (0,), ((0, like.rank - 2 + k),), (1,)) for k in (0, 1))
    return b.cast(b.apply(REGISTRY["eq"], row, column), like.dtype)  # type: ignore[no-any-return]


def _det_transpose(b: Any, op: Op, ct: Value, k: int) -> Value:
    (a,) = op.operands
    inverse = _solved(b, _swapped(b, a), _identity(b, a))
    scale = b.apply(REGISTRY["mul"], ct, op.result)
    return b.apply(REGISTRY["mul"], linear.spread(b, scale, a, (a.rank - 2, a.rank - 1)), inverse)  # type: ignore[no-any-return]


def _det_jvp(b: Any, op: Op, tangents: Sequence[Value | None]) -> Value:
    (t,) = tangents
    (a,) = op.operands
    assert t is not None
    product = b.apply(REGISTRY["mul"], _solved(b, a, t), _identity(b, a))
    return b.apply(REGISTRY["mul"], op.result, b.sum(product, (a.rank - 2, a.rank - 1)))  # type: ignore[no-any-return]


det = Primitive(
    "det",
    "library",
    infer=lambda t, a: (ArrayType(t[0].dtype, t[0].shape[:-2]),),
    evaluate=quiet(lambda o, a, t: np.asarray(np.linalg.det(o[0]), t[0].dtype)),
    transpose=_det_transpose,
    jvp=_det_jvp,
    batch=batching.of_the_rest,
)
"""``det(a: [*batch, n, n])``: the determinant from the LU factors (``getrf``), as NumPy computes it: the sign times the
exponential of the sum of the logarithms of the pivots' moduli. Its derivatives are right for regular matrices."""


# --- the routines ---------------------------------------------------------------------------------


@record(frozen=True)
class Routine:
    """A routine that the loop-level op ``call`` calls: buffers first, then numbers; it returns a status, 0 for success.

    Args:
        buffers: How many buffers it takes; the first one's dtype is the routine's.
        sizes: How many elements of each it uses, for the numbers given.
        compute: What it does, in NumPy: ``compute(*arrays, *numbers) -> status``.
    """

    buffers: int
    sizes: Callable[..., tuple[int, ...]]
    compute: Callable[..., int]


def _sort(x: Array, n: int) -> int:
    x.sort()
    return 0


def _argsort(stable: bool) -> Callable[..., int]:
    def compute(x: Array, index: Array, n: int) -> int:
        index[:] = index[np.argsort(x[index], kind="stable" if stable else None)]
        return 0

    return compute


def _potrf(a: Array, n: int) -> int:
    matrix = a.reshape(n, n).T
    try:
        matrix[...] = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return 1
    return 0


def _gesv(a: Array, b: Array, pivots: Array, n: int, m: int) -> int:
    try:
        b.reshape(m, n).T[...] = np.linalg.solve(a.reshape(n, n).T, b.reshape(m, n).T)
    except np.linalg.LinAlgError:
        return 1
    return 0


def _getrf(a: Array, pivots: Array, n: int) -> int:
    matrix, status = a.reshape(n, n).T, 0
    for k in range(n):
        p = k + int(np.argmax(np.abs(matrix[k:, k])))
        pivots[k] = p + 1
        matrix[[k, p]] = matrix[[p, k]]
        if matrix[k, k] == 0:
            status = status or k + 1
            continue
        matrix[k + 1 :, k] /= matrix[k, k]
        matrix[k + 1 :, k + 1 :] -= np.outer(matrix[k + 1 :, k], matrix[k, k + 1 :])
    return status


ROUTINES: dict[str, Routine] = {
    "sort": Routine(1, lambda n: (n,), _sort),
    "argsort": Routine(2, lambda n: (n, n), _argsort(False)),
    "stable_argsort": Routine(2, lambda n: (n, n), _argsort(True)),
    "potrf": Routine(1, lambda n: (n * n,), _potrf),
    "gesv": Routine(3, lambda n, m: (n * n, n * m, n), _gesv),
    "getrf": Routine(2, lambda n: (n * n, n), _getrf),
}
"""By name. ``sort(x, n)``; ``argsort(x, index, n)``, where ``index`` holds 0 to n - 1 at first; LAPACK's, on matrices
in Fortran's order: ``potrf(a, n)`` of the lower triangle, ``gesv(a, b, pivots, n, m)``, ``getrf(a, pivots, n)``."""
