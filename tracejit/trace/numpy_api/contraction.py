"""Sums of products: ``einsum``, products of stacks of vectors, convolutions, interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.types import COMPLEX128, FLOAT64
from tracejit.trace import dims, promotion, routines
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.numpy_api import creation, products, reductions, shaping
from tracejit.trace.numpy_api.arguments import as_array
from tracejit.trace.numpy_api.table import implements
from tracejit.trace.routines import signals
from tracejit.trace.scalars import from_dim, numpy_scalar

# --- einsum ---------------------------------------------------------------------------------------

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@implements(np.einsum)
def einsum(*operands: Any, out: Any = None, optimize: Any = False, dtype: Any = None, **options: Any) -> Any:
    """``np.einsum``, contracted pair by pair from the left."""
    current().at()
    if options.keys() - {"order", "casting"}:
        raise TypeError(f"Did not understand the following kwargs: {sorted(options.keys() - {'order', 'casting'})}")
    if not operands or not isinstance(operands[0], str):
        raise UnsupportedError("np.einsum with lists of axes is not supported yet", hint="np.einsum('ij,jk->ik', a, b)")
    text, arrays = operands[0], [as_array(x) for x in operands[1:]]
    inputs, result = _parsed(text, arrays)
    found = promotion.canonical(dtype) if dtype is not None else promotion.result_type(*(x.dtype for x in arrays))
    terms = [_prepared(labels, x.astype(found)) for labels, x in zip(inputs, arrays, strict=True)]
    _check_dimensions(terms)
    labels, x = terms[0]
    for k, (other, y) in enumerate(terms[1:], 1):
        later = set(result).union(*(names for names, _ in terms[k + 1 :]))
        labels, x = _pair(labels, x, other, y, later)
    labels, x = _summed(labels, x, set(result))
    x = shaping.transpose(x, [labels.index(name) for name in result])
    value = ArrayTracer(x.read())
    if out is not None:
        target = as_array(out)
        target[...] = value
        return target
    return value if result else numpy_scalar(value.read())


def _parsed(text: str, arrays: Sequence[ArrayTracer]) -> tuple[list[str], str]:
    """The labels of each operand and of the result, with letters of their own for what ``...`` stands for."""
    text = text.replace(" ", "")
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(arrays):
        np.einsum(text, *(np.ones((1,) * x.ndim) for x in arrays))  # raises
    free = [c for c in _LETTERS if c not in text]
    most = 0
    for part, x in zip(parts, arrays):
        named = len(part.replace("...", ""))
        if named > x.ndim or ("..." not in part and named != x.ndim):
            raise ValueError(
                "einstein sum subscripts string contains too many subscripts for operand 0"
                if named > x.ndim
                else "operand has more dimensions than subscripts given in einstein sum, but no '...' ellipsis "
                "provided to broadcast the extra dimensions."
            )
        most = max(most, x.ndim - named if "..." in part else 0)
    dots = "".join(free[:most])
    inputs = []
    for part, x in zip(parts, arrays):
        count = x.ndim - len(part.replace("...", ""))
        inputs.append(part.replace("...", dots[most - count :] if count else ""))
    if arrow:
        result = right.replace("...", dots)
    else:
        once = sorted(c for c in set("".join(parts)) - {"."} if "".join(parts).count(c) == 1)
        result = dots + "".join(once)
    for c in result:
        if not any(c in labels for labels in inputs):
            raise ValueError(
                f"einstein sum subscripts string included output subscript '{c}' which never appeared in an input"
            )
    return inputs, result


def _prepared(labels: str, x: ArrayTracer) -> tuple[str, ArrayTracer]:
    """An operand whose repeated labels have become diagonals."""
    for c in dict.fromkeys(labels):
        while labels.count(c) > 1:
            j = labels.index(c)
            k = labels.index(c, j + 1)
            n, m = x.shape_dims[j], x.shape_dims[k]
            text = f"dimensions in single operand for collapsing index '{c}' don't match ({{0}} != {{1}})"
            dims.check(True if dims.equal(n, m) else dims.eq(n, m), ValueError, text, n, m)
            x = shaping.diagonal(x, 0, j, k)
            labels = "".join(name for i, name in enumerate(labels) if i not in (j, k)) + c
    return labels, x


def _check_dimensions(terms: Sequence[tuple[str, ArrayTracer]]) -> None:
    known: dict[str, Any] = {}
    for k, (labels, x) in enumerate(terms):
        for c, d in zip(labels, x.shape_dims):
            first = known.setdefault(c, d)
            if first == 1:
                known[c] = d
            elif d != 1 and not dims.equal(first, d):
                text = f"operands could not be broadcast together with remapped shapes (label '{c}' of operand {k})"
                dims.check(dims.either(dims.eq(first, d), dims.eq(d, 1)), ValueError, text)


def _summed(labels: str, x: ArrayTracer, kept: set[str]) -> tuple[str, ArrayTracer]:
    axes = tuple(k for k, c in enumerate(labels) if c not in kept)
    if not axes:
        return labels, x
    total = reductions.sum_(x, axes, x.dtype)
    return "".join(c for c in labels if c in kept), as_array(total)


def _pair(labels: str, x: ArrayTracer, other: str, y: ArrayTracer, later: set[str]) -> tuple[str, ArrayTracer]:
    """The product of two operands, summed over the labels that neither the result nor later operands have."""
    labels, x = _summed(labels, x, later | set(other))
    other, y = _summed(other, y, later | set(labels))
    sizes_x, sizes_y = dict(zip(labels, x.shape_dims)), dict(zip(other, y.shape_dims))
    shared = [c for c in labels if c in other]
    if any(1 in (sizes_x[c], sizes_y[c]) and sizes_x[c] != sizes_y[c] for c in shared):
        # an axis of length 1 is repeated: no matrix product
        names = labels + "".join(c for c in other if c not in labels)
        spread_x = _spread(labels, x, names)
        spread_y = _spread(other, y, names)
        return _summed(names, as_array(np.multiply(spread_x, spread_y)), later)
    batch = [c for c in shared if c in later]
    summed = [c for c in shared if c not in later]
    rows = [c for c in labels if c not in shared]
    columns = [c for c in other if c not in shared]

    def matrix(names: str, z: ArrayTracer, first: list[str], second: list[str]) -> ArrayTracer:
        moved = shaping.transpose(z, [names.index(c) for c in (*batch, *first, *second)])
        sizes = dict(zip(names, z.shape_dims))
        shape = [from_dim(sizes[c]) for c in batch]
        shape += [from_dim(dims.product([sizes[c] for c in group])) for group in (first, second)]
        return shaping.reshape(moved, tuple(shape))

    left, right = matrix(labels, x, rows, summed), matrix(other, y, summed, columns)
    product = as_array(products.matmul(left, right))
    shape = [from_dim(sizes_x[c]) for c in (*batch, *rows)] + [from_dim(sizes_y[c]) for c in columns]
    return "".join((*batch, *rows, *columns)), shaping.reshape(product, tuple(shape))


def _spread(labels: str, x: ArrayTracer, names: str) -> ArrayTracer:
    moved = shaping.transpose(x, [labels.index(c) for c in names if c in labels])
    result = moved[tuple(slice(None) if c in labels else None for c in names)]
    assert isinstance(result, ArrayTracer)
    return result


# --- stacks of vectors ----------------------------------------------------------------------------


@implements(np.vecdot)
def vecdot(x1: Any, x2: Any, /, **options: Any) -> Any:
    """``np.vecdot`` along the last axis."""
    current().at()
    _no_options("np.vecdot", options)
    return reductions.sum_(np.multiply(np.conjugate(as_array(x1)), x2), -1)


@implements(np.matvec)
def matvec(x1: Any, x2: Any, /, **options: Any) -> Any:
    """``np.matvec``."""
    current().at()
    _no_options("np.matvec", options)
    return products.matmul(x1, as_array(x2)[..., None])[..., 0]


@implements(np.vecmat)
def vecmat(x1: Any, x2: Any, /, **options: Any) -> Any:
    """``np.vecmat``."""
    current().at()
    _no_options("np.vecmat", options)
    return products.matmul(np.conjugate(as_array(x1))[..., None, :], x2)[..., 0, :]


def _no_options(name: str, options: dict[str, Any]) -> None:
    if options:
        raise UnsupportedError(f"{name}({next(iter(options))}=...) is not supported yet")


# --- convolutions and interpolation ---------------------------------------------------------------


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """``np.convolve``."""
    current().at()
    x, y = (shaping.ravel(z) if as_array(z).ndim == 0 else as_array(z) for z in (a, v))
    n, m = x.shape_dims[0], y.shape_dims[0]
    if not (isinstance(n, int) and isinstance(m, int)):
        raise UnsupportedError("np.convolve of arrays whose lengths are known at run time only is not supported yet")
    if not n or not m:
        raise ValueError("a cannot be empty" if not n else "v cannot be empty")
    if n < m:
        x, y, n, m = y, x, m, n
    dtype = promotion.result_type(x.dtype, y.dtype)
    out = creation.zeros(n + m - 1, dtype)
    routines.run(signals.convolve, x.astype(dtype), y.astype(dtype), out)
    if mode == "full":
        return out
    if mode == "same":
        return out[(m - 1) // 2 : (m - 1) // 2 + n].copy()
    if mode == "valid":
        return out[m - 1 : n].copy()
    raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """``np.correlate``."""
    current().at()
    x, y = as_array(a), as_array(v)
    n, m = x.shape_dims[0], y.shape_dims[0]
    if isinstance(n, int) and isinstance(m, int) and n < m and mode == "same":
        raise UnsupportedError("np.correlate(mode='same') with a longer second array is not supported yet")
    return convolve(x, np.conjugate(y)[::-1], mode)


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """``np.interp``."""
    current().at()
    if period is not None:
        raise UnsupportedError("np.interp(period=...) is not supported yet")
    given, places, values = as_array(x), as_array(xp).astype(FLOAT64), as_array(fp)
    values = values.astype(COMPLEX128 if values.dtype.kind == "c" else FLOAT64)
    n, m = places.shape_dims[0], values.shape_dims[0]
    dims.check(dims.gt(n, 0), ValueError, "array of sample points is empty")
    dims.check(True if dims.equal(n, m) else dims.eq(n, m), ValueError, "fp and xp are not of the same length.")
    out = creation.empty(from_dim(given.size_dim), values.dtype)
    before = values[0] if left is None else left
    after = values[-1] if right is None else right
    routines.run(signals.interpolate, shaping.ravel(given).astype(FLOAT64), places, values, before, after, out)
    return out.reshape(given.shape) if given.ndim else numpy_scalar(out.load_element((0,)))
