"""NumPy functions that are traced as programs of our own, grids, and assigned shapes, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tracejit
from tracejit.errors import UnsupportedError

from .call import Traced
from .run import outcome
from .test_numpy_api import arr, close


def agree(function, *arguments: Any, dynamic: bool = True, rtol: float = 1e-13) -> None:
    """``function`` gives the same compiled, and interpreted for run-time dimensions."""
    plain = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    want = outcome(function, *plain)
    for wrap in (tracejit.jit, lambda f: Traced(f, dynamic=True)) if dynamic else (tracejit.jit,):
        ours = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        got = outcome(wrap(function), *ours)
        assert want[0] == got[0], f"{want} against {got}"
        if want[0] == "error":
            assert got[1] is want[1] and (got[2] == want[2] or want[1] is TypeError), f"{want} against {got}"
            continue
        close(want[1], got[1], rtol)
        close(plain, ours, rtol)


RNG = np.random.default_rng(11)
VALUES = RNG.normal(size=200)
WITH_NAN = np.where(RNG.random(40) < 0.2, np.nan, RNG.integers(0, 9, 40) / 2)


# --- counting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bins", [1, 10, np.array([-1.0, 0.0, 0.25, 3.0])], ids=str)
def test_histogram(bins):
    weights = RNG.random(200)
    agree(lambda x: np.histogram(x, bins), VALUES, dynamic=False)
    agree(lambda x, w: np.histogram(x, bins, weights=w), VALUES, weights, dynamic=False, rtol=1e-12)
    agree(lambda x: np.histogram(x, bins, density=True), VALUES, dynamic=False, rtol=1e-12)
    agree(lambda x: np.histogram(x, bins, range=(-1.0, 2.0)), VALUES)
    agree(lambda x: np.histogram(x, bins), (VALUES * 3).astype(int).reshape(20, 10), dynamic=False)
    agree(lambda x: np.histogram(x, bins), (VALUES * 3).astype("f4"), dynamic=False)


def test_histogram_edge_cases():
    agree(lambda x: np.histogram(x), np.ones(5), dynamic=False)
    agree(lambda x: np.histogram(x), np.zeros(0), dynamic=False)
    agree(lambda x: np.histogram(x, 4, (0.0, 1.0)), np.array([0.0, 0.25, 0.5, 1.0, 1.5, np.nan]))
    agree(lambda x: np.histogram(x), np.array([1.0, np.nan]), dynamic=False)
    agree(lambda x: np.histogram(x, 3, (2.0, 1.0)), VALUES)
    agree(lambda x: np.histogram(x, [2.0, 1.0, 3.0]), VALUES)
    agree(lambda x: np.histogram(x, weights=np.ones(3)), VALUES, dynamic=False)
    agree(lambda x: np.histogram(x, 0), VALUES, dynamic=False)
    agree(lambda x: np.histogram_bin_edges(x, 7), VALUES, dynamic=False)
    with pytest.raises(UnsupportedError, match="a rule for the number of bins"):
        tracejit.jit(lambda x: np.histogram(x, "auto"))(VALUES)


def test_bincount():
    x = RNG.integers(0, 9, 50)
    agree(lambda x: np.bincount(x), x)
    agree(lambda x: np.bincount(x, minlength=20), x)
    agree(lambda x, w: np.bincount(x, w), x, RNG.random(50))
    agree(lambda x: np.bincount(x), x.astype("u1"))
    agree(lambda x: np.bincount(x), x[:0])
    agree(lambda x: np.bincount(x), x - 1)
    agree(lambda x: np.bincount(x), x.astype(float))
    agree(lambda x, w: np.bincount(x, w), x, RNG.random(49))


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(side):
    ordered = np.array([0.0, 1.0, 1.0, 2.5, np.inf, np.nan, np.nan])
    wanted = np.array([[-1.0, 0.0, 1.0], [2.0, np.inf, np.nan]])
    agree(lambda a, v: np.searchsorted(a, v, side), ordered, wanted)
    agree(lambda a: np.searchsorted(a, 1.0, side), ordered)
    agree(lambda a, v: np.searchsorted(a, v, side), arr(5, dtype="i4"), arr(3))
    agree(lambda a, v: np.searchsorted(a, v, side), np.zeros(0), arr(3))
    agree(lambda a, v: a.searchsorted(v, side=side), ordered, wanted)
    agree(lambda a, v: np.searchsorted(a, v, side, sorter=[2, 0, 1]), np.array([2.0, 3.0, 1.0]), wanted)


def test_digitize():
    x = np.array([-1.0, 0.0, 0.5, 1.0, 7.0])
    for right in (False, True):
        agree(lambda x, b: np.digitize(x, b, right), x, arr(3))
        agree(lambda x, b: np.digitize(x, b, right), x, arr(3)[::-1].copy())
    agree(lambda x, b: np.digitize(x, b), x, np.array([1.0, 0.0, 2.0]))


# --- grids ------------------------------------------------------------------------------------------


def test_mgrid_and_ogrid():
    agree(lambda n: np.mgrid[0:n, 1:4], 7)
    agree(lambda n: np.ogrid[0:4, -1:1:5j, :n], 7)
    agree(lambda n: np.mgrid[2:n:3, 0:1:0.25], 7)
    agree(lambda x, n: np.mgrid[: len(x), n : len(x) : 2], arr(7), 1)
    agree(lambda: (np.mgrid[0:1:0.25], np.ogrid[2:5], np.mgrid[0:1:3j]))

    def written(n):
        x, y = np.mgrid[0:n, 0:3]
        x[0] += y[0]
        return x, y

    agree(written, 4)


def test_indices():
    agree(lambda n: np.indices((n, 3)), 4)
    agree(lambda n: np.indices((n, 3), sparse=True), 4)
    agree(lambda n: np.tril_indices(n), 4)
    agree(lambda n: np.triu_indices(n, 1, 6), 4)
    agree(lambda n: np.diag_indices(n), 4)
    agree(lambda x: x[np.ix_([0, 2], [True, False, True])], arr(3, 3))


# --- assigned shapes --------------------------------------------------------------------------------


def test_assigning_the_shape():
    def program(x):
        y = x + 1
        y.shape = 2, 3
        z = y[1]
        z[0] = 7.0
        row = (x * 2)[2:]
        row.shape = (2, 2)
        row += 1
        return y, z, row, y.shape, row.shape

    agree(program, arr(6))

    def wrong(x):
        y = x + 1
        y.shape = 4

    agree(wrong, arr(6))


def test_shapes_that_cannot_be_assigned():
    def viewed(x):
        y = x + 1
        z = y[1:]
        y.shape = 2, 3
        return z

    def argument(x):
        x.shape = 2, 3

    def strided(x):
        y = (x + 1)[::2]
        y.shape = (1, 3)
        z = (x.reshape(2, 3) + 1).T
        z.shape = 6

    with pytest.raises(UnsupportedError, match="that has views"):
        tracejit.jit(viewed)(arr(6))
    with pytest.raises(UnsupportedError, match="shape of an argument"):
        tracejit.jit(argument)(arr(6))
    with pytest.raises(AttributeError, match="Incompatible shape"):
        tracejit.jit(strided)(arr(6))


def test_an_array_that_is_gone_is_no_alias():
    def program(y, n):
        part = np.reshape(np.transpose(np.reshape(y, (n, -1))), (-1,)) * 2.0
        y[:] = part
        return y

    agree(program, arr(12), 3)
