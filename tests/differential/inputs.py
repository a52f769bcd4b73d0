"""Inputs for the corpus: random arrays of every dtype and layout, and the edge values that break compilers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Rng = np.random.Generator

SIGNED = ("i1", "i2", "i4", "i8")
UNSIGNED = ("u1", "u2", "u4", "u8")
INTS = SIGNED + UNSIGNED
FLOATS = ("f2", "f4", "f8")
COMPLEX = ("c8", "c16")
NUMBERS = INTS + FLOATS + COMPLEX
ALL = ("?", *NUMBERS)

nan, inf = float("nan"), float("inf")
EDGE = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, nan, inf, -inf, 1e-310, 1.7e308, -1.7e308, 2.0**53)
EDGE_INTS = (0, 1, -1, 2, -7, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))


def rand(rng: Rng, shape: int | Sequence[int] = 9, dtype: Any = float) -> np.ndarray:
    """A random array: small integers of both signs, booleans, floats around 2.

    The floats are multiples of 1/16: their sums are exact in any order, so that most comparisons can be bit for bit.
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.asarray(rng.integers(0, 2, shape)).astype(bool)
    if dtype.kind == "u":
        return np.asarray(rng.integers(0, 10, shape)).astype(dtype)
    if dtype.kind == "i":
        return np.asarray(rng.integers(-9, 10, shape)).astype(dtype)
    if dtype.kind == "c":
        return np.asarray(_sixteenths(rng, shape) + 1j * _sixteenths(rng, shape)).astype(dtype)
    return np.asarray(_sixteenths(rng, shape)).astype(dtype)


def _sixteenths(rng: Rng, shape: int | Sequence[int]) -> np.ndarray:
    return np.asarray(np.round(32 * rng.normal(size=shape)) / 16)


def rough(rng: Rng, shape: int | Sequence[int] = 9, dtype: Any = float) -> np.ndarray:
    """Random floats with all digits in use: every operation on them rounds."""
    return np.asarray(2 * rng.normal(size=shape)).astype(dtype)


def edge(dtype: Any = float) -> np.ndarray:
    """The edge values of a dtype, as a vector."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.array([True, False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.array([0, 1, 2, 7, info.max, info.max - 1, info.min, info.min + 1], dtype)
    with np.errstate(all="ignore"):
        values = np.array([*EDGE, float(np.finfo(dtype).max), float(np.finfo(dtype).tiny)])
        if dtype.kind == "c":
            return (values + 1j * values[::-1]).astype(dtype)
        return values.astype(dtype)


def strided(a: np.ndarray) -> np.ndarray:
    """The same values, every second element of a larger array along the last axis."""
    return np.repeat(a, 2, axis=-1)[..., ::2]


def flipped(a: np.ndarray) -> np.ndarray:
    """The same values with a negative first stride."""
    return a[::-1].copy()[::-1]


def fortran(a: np.ndarray) -> np.ndarray:
    """The same values in column-major order."""
    return np.asfortranarray(a)


def padded(a: np.ndarray) -> np.ndarray:
    """The same values inside a larger matrix: rows are contiguous, the whole is not."""
    big = np.zeros(tuple(n + 2 for n in a.shape), a.dtype)
    inner = big[tuple(slice(1, -1) for _ in a.shape)]
    inner[...] = a
    return inner


def layouts(a: np.ndarray) -> list[np.ndarray]:
    """One array in every layout."""
    return [a, strided(a), flipped(a), fortran(a), padded(a)]


def each(*values: Any) -> list[tuple[Any]]:
    """One call with one argument for each value."""
    return [(v,) for v in values]


def vectors(rng: Rng, *dtypes: str) -> list[tuple[np.ndarray]]:
    """Calls with one vector: random, strided, reversed, empty, of length one, then the other dtypes."""
    first = dtypes[0] if dtypes else "f8"
    a = rand(rng, 9, first)
    return each(a, strided(a), flipped(a), a[:0], a[:1], *(rand(rng, 5, d) for d in dtypes[1:]))


def matrices(rng: Rng, *dtypes: str) -> list[tuple[np.ndarray]]:
    """Calls with one matrix: every layout, with empty axes, with one row, then the other dtypes."""
    first = dtypes[0] if dtypes else "f8"
    a = rand(rng, (4, 5), first)
    others = (rand(rng, (3, 2), d) for d in dtypes[1:])
    return each(*layouts(a), a[:0], a[:, :0], a[:1], *others)


def edges(*dtypes: str) -> list[tuple[np.ndarray]]:
    """Calls with the edge values of each dtype."""
    return each(*(edge(d) for d in dtypes or ("f8",)))
