"""Sorting, quantiles, distinct elements and linear algebra, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import tracejit
from tracejit.errors import UnsupportedError

from .test_numpy_api import arr
from .test_numpy_routines import agree

RNG = np.random.default_rng(5)
NAN = np.where(RNG.random((5, 6)) < 0.15, np.nan, RNG.integers(0, 9, (5, 6)) / 2)
SORTABLE = {
    "f8": NAN, "f4": NAN.astype("f4"), "f2": NAN.astype("f2"), "i8": RNG.integers(-9, 9, (5, 6)), "bool": NAN > 2,
    "u1": RNG.integers(0, 250, (5, 6)).astype("u1"), "i2": RNG.integers(-9, 9, (5, 6)).astype("i2"),
    "c16": NAN + 1j * RNG.integers(0, 3, (5, 6)), "c8": (NAN + 1j).astype("c8"), "vector": RNG.normal(size=1000),
    "empty": np.zeros(0), "no rows": np.zeros((0, 3)), "no columns": np.zeros((3, 0)),
    "cube": RNG.normal(size=(2, 3, 4)), "fortran": np.asfortranarray(RNG.normal(size=(4, 5))),
}  # fmt: skip


@pytest.mark.parametrize("x", SORTABLE.values(), ids=SORTABLE)
def test_sort_and_argsort(x):
    agree(lambda x: (np.sort(x), np.argsort(x), np.argsort(x, kind="stable")), x)
    agree(lambda x: (np.sort(x, 0), np.argsort(x, 0, stable=True)), x)
    agree(lambda x: (np.sort(x, None), x.argsort(-1)), x)


def test_sorting_in_place():
    def whole(x):
        x.sort()
        return x

    def part(x):
        x[1:4].sort(axis=0)
        x[0].sort()
        return x

    agree(whole, RNG.normal(size=20))
    agree(part, RNG.normal(size=(5, 6)))
    agree(lambda x: np.sort(x, 2), arr(3, 3))
    agree(lambda x: np.sort(x, kind="bubble"), arr(3))
    agree(lambda x: np.sort(np.float64(3.0)), arr(3))
    agree(lambda a, b: np.lexsort((a, b)), RNG.integers(0, 4, 30), RNG.integers(0, 3, 30))


@pytest.mark.parametrize("name", ["f8", "f4", "i8", "u1", "vector", "cube"])
def test_medians_and_quantiles(name):
    x = SORTABLE[name]
    agree(lambda x: (np.median(x), np.median(x, axis=0), np.median(x, -1, keepdims=True)), x, dynamic=False)
    agree(lambda x: (np.percentile(x, 25), np.percentile(x, [0, 33.3, 100], axis=0)), x)
    agree(lambda x: (np.quantile(x, 0.9), np.quantile(x, [[0.5], [0.1]], axis=-1, keepdims=True)), x)
    agree(lambda x, q: np.quantile(x, q), x, 0.35)
    agree(lambda x: np.quantile(x, 1.5), x)
    agree(lambda x: np.percentile(x, [50, 101]), x)


@pytest.mark.parametrize("name", ["f8", "i8", "bool", "c16", "empty", "vector"])
def test_unique(name):
    x = SORTABLE[name]
    agree(lambda x: np.unique(x), x)
    agree(lambda x: np.unique(x, return_index=True, return_inverse=True, return_counts=True), x)
    agree(lambda x: np.unique(x, return_counts=True, equal_nan=False), x)


# --- linear algebra ---------------------------------------------------------------------------------

MATRICES = {
    dtype: (RNG.normal(size=(3, 4, 4)) + (1j * RNG.normal(size=(3, 4, 4)) if dtype[0] == "c" else 0)).astype(dtype)
    for dtype in ("f4", "f8", "c8", "c16")
}
MATRICES["i8"] = RNG.integers(-5, 6, (3, 4, 4))
MATRICES["bool"] = np.triu(np.ones((3, 4, 4), bool))
MATRICES["large"] = RNG.normal(size=(1, 70, 70))


def tolerance(x):
    return 1e-4 if x.dtype in (np.float32, np.complex64) else 1e-10


@pytest.mark.parametrize("a", MATRICES.values(), ids=MATRICES)
def test_systems(a):
    b, rtol = a[:, :, :2] + 1, tolerance(a)
    agree(lambda a, b: np.linalg.solve(a[0], b[0]), a, b, rtol=rtol)
    agree(lambda a, b: np.linalg.solve(a[0], b[0, :, 0]), a, b, rtol=rtol)
    agree(lambda a, b: np.linalg.solve(a, b), a, b, rtol=rtol)
    agree(lambda a, b: np.linalg.solve(a, b[0]), a, b, rtol=rtol)
    agree(lambda a: (np.linalg.inv(a), np.linalg.inv(a[0].T)), a, rtol=rtol)
    agree(lambda a: (np.linalg.det(a), np.linalg.det(a[0])), a, rtol=rtol)
    agree(lambda a: np.linalg.matrix_power(a[0], -3), a, rtol=100 * rtol)


@pytest.mark.parametrize("a", MATRICES.values(), ids=MATRICES)
def test_cholesky(a):
    a = a.astype(a.dtype if a.dtype.kind in "fc" else float)
    s = (a @ np.conj(np.swapaxes(a, 1, 2)) + 3 * np.eye(a.shape[-1])).astype(a.dtype)
    agree(lambda s: (np.linalg.cholesky(s), np.linalg.cholesky(s[0])), s, rtol=tolerance(a) * 10)
    agree(lambda s: np.linalg.cholesky(s[0], upper=True), s, rtol=tolerance(a) * 10)
    # the upper triangle is not read
    agree(lambda s: np.linalg.cholesky(np.tril(s)), s, rtol=tolerance(a) * 10)


@pytest.mark.parametrize(
    "a", [np.ones((3, 3)), np.ones((2, 3)), np.zeros((0, 0)), np.zeros((2, 0, 0)), np.full((2, 2), np.nan), -np.eye(2),
          np.zeros(3), np.stack([np.eye(2), np.zeros((2, 2))]), np.eye(2, dtype="f2")], ids=str
)  # fmt: skip
def test_matrices_that_are_no_good(a):
    agree(lambda a: np.linalg.inv(a), a)
    agree(lambda a: np.linalg.cholesky(a), a)
    agree(lambda a: np.linalg.det(a), a)
    agree(lambda a: np.linalg.solve(a, np.ones(2)), a)


def test_norms_and_products():
    m, v = RNG.normal(size=(4, 4)), RNG.normal(size=9)
    agree(lambda m: [np.linalg.norm(m, o) for o in (None, "fro", 1, -1, np.inf, -np.inf)], m)
    agree(lambda v: [np.linalg.norm(v, o) for o in (None, 0, 1, 2, 3, -1, np.inf, -np.inf)], v, rtol=1e-12)
    agree(lambda m: np.linalg.norm(m, np.inf, axis=(1, 0), keepdims=True), m)
    agree(lambda m: (np.linalg.norm(m, axis=1), np.linalg.vector_norm(m), np.linalg.matrix_norm(m)), m)
    agree(lambda m: (np.linalg.matrix_power(m, 5), np.linalg.matrix_power(m, 0)), m, rtol=1e-12)
    agree(lambda m, v: np.linalg.multi_dot([m, m, v[:4]]), m, v, rtol=1e-12)
    agree(lambda m, v: (np.linalg.outer(v, v), np.linalg.trace(m), np.linalg.diagonal(m, offset=1)), m, v)
    with pytest.raises(UnsupportedError, match="ord=2 of matrices is not supported"):
        tracejit.jit(lambda m: np.linalg.norm(m, 2))(m)
