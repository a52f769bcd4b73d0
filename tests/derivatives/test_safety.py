"""Derivatives where calculus, or careless arithmetic, has none: guards, norms, powers, ties, sums of exponentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracejit as tj

INF = float("inf")


def both(f: Callable[..., Any], *args: Any) -> Any:
    """The gradient with respect to the first argument, which forward mode confirms."""
    gradient = np.asarray(tj.grad(f)(*args))
    forward = np.asarray(tj.jacfwd(f)(*args))
    np.testing.assert_allclose(forward, gradient, rtol=1e-14)
    return gradient.tolist()


def test_where_gives_the_derivative_of_what_it_chose() -> None:
    assert both(lambda x: np.where(x > 0, np.sqrt(x), 0.0).sum(), np.array([0.0, 4.0, -1.0])) == [0, 0.25, 0]
    assert both(lambda x: np.where(x != 0, np.sin(x) / x, 1.0), 0.0) == 0
    assert both(lambda x: np.where(x > 0, x * np.log(x), 0.0).sum(), np.array([0.0, 1.0])) == [0, 1]
    assert tj.grad(tj.grad(lambda x: np.where(x > 0, x**1.5, 0.0)))(0.0) == 0
    assert tj.hessian(lambda x: np.where(x > 0, np.sqrt(x), 0.0).sum())(np.array([0.0, 1.0])).tolist() == [
        [0, 0],
        [0, -0.25],
    ]


@pytest.mark.parametrize("norm", [
    np.linalg.norm, lambda x: np.linalg.norm(x, 3), lambda x: np.linalg.norm(x, 1), lambda x: np.hypot(x[0], x[1]),
    np.std, lambda x: np.linalg.norm(x.reshape(1, -1), axis=1)[0],
])  # fmt: skip
def test_norms_have_derivative_0_at_0(norm: Any) -> None:
    assert both(lambda x: norm(x), np.zeros(3)) == [0, 0, 0]
    assert not np.isnan(tj.hessian(lambda x: norm(x))(np.zeros(3))).any()
    x = np.array([3.0, -4.0, 1.0])
    h = 1e-6
    differences = [(norm(x + h * e) - norm(x - h * e)) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(both(lambda x: norm(x), x), differences, rtol=1e-8, atol=1e-9)


def logsumexp(x: Any) -> Any:
    top = np.max(x)
    return top + np.log(np.sum(np.exp(x - top)))


def test_sums_of_exponentials() -> None:
    assert both(logsumexp, np.array([1000.0, -1000.0, 1000.0])) == [0.5, 0, 0.5]
    np.testing.assert_allclose(both(logsumexp, np.log([1.0, 2, 5])), [0.125, 0.25, 0.625])
    assert both(lambda x: np.logaddexp(x[0], x[1]), np.array([1000.0, 1000])) == [0.5, 0.5]
    assert both(lambda x: np.logaddexp(x[0], x[1]), np.array([-INF, 0])) == [0, 1]
    assert both(lambda x: np.logaddexp(x[0], x[1]), np.array([INF, INF])) == [0.5, 0.5]
    assert both(lambda x: np.logaddexp2(x[0], x[1]), np.array([3.0, 3])) == [0.5, 0.5]


@pytest.mark.parametrize("x", [0.0, 0.3, -2.0, 30.0, 1000.0, -1000.0])
def test_log_sigmoid(x: float) -> None:
    with np.errstate(over="ignore"):
        s = 1 / (1 + np.exp(x))  # the derivative
    sigmoids = [lambda x: -np.logaddexp(0.0, -x), lambda x: -np.logaddexp2(0.0, -x / np.log(2)) * np.log(2)]
    for f in sigmoids:
        np.testing.assert_allclose(both(f, x), s, rtol=1e-13)
        np.testing.assert_allclose(tj.grad(tj.grad(f))(x), -s * (1 - s), rtol=1e-12, atol=1e-300)
        np.testing.assert_allclose(tj.grad(tj.grad(tj.grad(f)))(x), s * (1 - s) * (1 - 2 * s), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(both(lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))), x), s, rtol=1e-13)


@pytest.mark.parametrize(("base", "exponent", "gradient"), [
    (0.0, 0.0, (0, 0)), (0.0, 1.0, (1, 0)), (0.0, 2.0, (0, 0)), (0.0, 0.5, (INF, 0)), (2.0, 0.0, (0, np.log(2))),
    (1.0, 3.0, (3, 0)),
])  # fmt: skip
def test_powers(base: float, exponent: float, gradient: Any) -> None:
    assert tj.grad(lambda x, y: x**y, argnums=(0, 1))(base, exponent) == gradient


def test_powers_of_negative_numbers() -> None:
    assert both(lambda x: x**3, -2.0) == 12
    assert both(lambda x: x**3.0, -2.0) == 12
    assert both(lambda x: x**2, 0.0) == 0
    assert tj.grad(tj.grad(lambda x: x**2))(0.0) == 2
    assert tj.grad(tj.grad(tj.grad(lambda x: x**2)))(0.0) == 0
    assert tj.grad(lambda x, n: x**n)(-2.0, 3) == 12


def test_what_ties_for_an_extremum_shares() -> None:
    assert both(lambda x: np.max(x), np.array([1.0, 3, 3])) == [0, 0.5, 0.5]
    assert both(lambda x: np.maximum(x, 0.0), 0.0) == 0.5
    assert both(lambda x: np.minimum(x[0], x[1]), np.array([2.0, 2])) == [0.5, 0.5]
    assert both(lambda x: np.clip(x, 0.0, 1.0), 1.0) == 0.5
    assert both(lambda x: abs(x), 0.0) == 0
    # Python's own max takes the first of equals
    assert both(lambda x: max(x, 0.0), 0.0) == 1
