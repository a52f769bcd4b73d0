"""Batches of small systems of equations, which are solved side by side, beside NumPy's answers."""

from typing import Any

import numpy as np
import pytest

import tracejit as tj


def solved(a: Any, b: Any) -> Any:
    return np.linalg.solve(a, b)


def _systems(shape: tuple[int, ...], n: int, m: int, dtype: Any = np.float64) -> tuple[Any, Any]:
    rng = np.random.default_rng(n + 100 * m)
    a = rng.standard_normal((*shape, n, n)) + 3 * np.eye(n)[rng.permutation(n)]
    return a.astype(dtype), rng.standard_normal((*shape, n, m)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(4,), (8,), (17,), (3, 5), (0,), (2, 0)])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (3, 1), (8, 8), (16, 5)])
def test_answers_are_those_of_numpy(shape: tuple[int, ...], n: int, m: int, dtype: Any) -> None:
    a, b = _systems(shape, n, m, dtype)
    found = tj.jit(solved)(a, b)
    wanted = np.linalg.solve(a, b)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    tolerance = 1e-10 if dtype is np.float64 else 2e-3
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def test_the_number_of_systems_may_change() -> None:
    solve = tj.jit(lambda a, b: tj.vmap(np.linalg.solve)(a, b))
    for count in (9, 30, 1, 2, 0, 16):
        a, b = _systems((count,), 5, 2)
        np.testing.assert_allclose(solve(a, b), np.linalg.solve(a, b), rtol=1e-10)


def test_elements_may_be_computed_on_the_way() -> None:
    def program(a: Any, b: Any) -> Any:
        return np.linalg.solve(np.exp(a) + np.swapaxes(a, -1, -2), b[::-1] * 2.0) + 1.0

    a, b = _systems((11,), 4, 1)
    np.testing.assert_allclose(tj.jit(program)(a, b), program(a, b), rtol=1e-10)


def test_rows_are_exchanged_in_each_system_by_itself() -> None:
    a = np.stack([np.eye(6)[np.random.default_rng(k).permutation(6)] for k in range(20)])
    b = np.arange(120.0).reshape(20, 6, 1)
    np.testing.assert_array_equal(tj.jit(solved)(a, b), np.linalg.solve(a, b))


@pytest.mark.parametrize("scale", [1e-310, 1e-300, 1e300, 2.0**-1060])
def test_pivots_may_be_tiny_or_huge(scale: float) -> None:
    # not NumPy's answers: LAPACK's small kernels lose all digits among subnormal numbers
    a = np.array([[2.0, 1.0, 3.0], [4.0, 1.0, 2.0], [8.0, 3.0, 1.0]]) * np.ones((5, 1, 1))
    b = np.full((5, 3, 1), 6.0)
    np.testing.assert_allclose(tj.jit(solved)(a * scale, b * scale), np.linalg.solve(a, b), rtol=1e-4)


@pytest.mark.parametrize("at", [0, 5, 18])
def test_one_singular_matrix_is_an_error(at: int) -> None:
    a, b = _systems((19,), 3, 2)
    a[at] = [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 1.0]]
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        np.linalg.solve(a, b)
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        tj.jit(solved)(a, b)


@pytest.mark.parametrize("n", [2, 3, 4, 6])
def test_lapack_decides_what_is_singular(n: int) -> None:
    rng = np.random.default_rng(n)
    jitted = tj.jit(solved)
    b = np.ones((4, n, 1))
    for _ in range(150):
        a = np.stack([np.eye(n)] * 4)
        a[2] = rng.integers(-4, 5, (n, n))
        a[2, -1] = a[2, :-1].sum(axis=0)  # singular, but for rounding
        try:
            wanted = np.linalg.solve(a, b)
        except np.linalg.LinAlgError:
            with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
                jitted(a, b)
        else:
            np.testing.assert_array_equal(jitted(a, b)[2], wanted[2])


def test_nan_stays_in_its_system() -> None:
    a, b = _systems((8,), 4, 2)
    clean = np.linalg.solve(a, b)
    a[1, 0, 0] = a[3, 2, 1] = b[5, 1, 1] = np.nan
    found, wanted = tj.jit(solved)(a, b), np.linalg.solve(a, b)
    others = [0, 2, 4, 6, 7]
    np.testing.assert_allclose(found[others], clean[others], rtol=1e-10)
    # a pivot that is NaN leaves finite numbers, of no meaning, in some of LAPACK's answers
    assert np.all(np.isnan(found[np.isnan(wanted)]))
    np.testing.assert_array_equal(np.isnan(found[5]), np.isnan(wanted[5]))


def test_gradients() -> None:
    def program(a: Any, b: Any) -> Any:
        return np.sum(np.linalg.solve(a, b) ** 2)

    a, b = _systems((6,), 3, 2)
    found = tj.grad(program)(a, b)
    step = 1e-6
    for k, i, j in ((0, 0, 1), (5, 2, 2), (3, 1, 0)):
        up, down = a.copy(), a.copy()
        up[k, i, j] += step
        down[k, i, j] -= step
        assert found[k, i, j] == pytest.approx((program(up, b) - program(down, b)) / (2 * step), rel=1e-4, abs=1e-5)
