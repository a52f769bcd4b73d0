"""``custom_root``: implicit differentiation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tracejit as tj


@tj.custom_root(lambda x, a, k: x**3 + k * x - a)
def cubic(a: float, k: float) -> float:
    x = 1.0
    for _ in range(60):
        x = x - (x**3 + k * x - a) / (3 * x * x + k)
    return x


def unrolled(a: float, k: float) -> float:
    x = 1.0
    for _ in range(60):
        x = x - (x**3 + k * x - a) / (3 * x * x + k)
    return x


def test_numbers() -> None:
    assert math.isclose(cubic(5.0, 2.0), unrolled(5.0, 2.0))
    for f, g in [(tj.grad, tj.grad), (tj.hessian, tj.hessian)]:
        np.testing.assert_allclose(f(cubic, argnums=(0, 1))(5.0, 2.0), g(unrolled, argnums=(0, 1))(5.0, 2.0))
    np.testing.assert_allclose(tj.jvp(cubic, (5.0, 2.0), (1.0, 3.0)), tj.jvp(unrolled, (5.0, 2.0), (1.0, 3.0)))
    third = tj.grad(tj.grad(tj.grad(cubic)))(5.0, 2.0)
    assert math.isclose(third, tj.grad(tj.grad(tj.grad(unrolled)))(5.0, 2.0), rel_tol=1e-9)


def fixed_point(w: Any, b: Any) -> Any:
    x = np.zeros(len(b))
    while True:
        y = np.tanh(w @ x + b)
        if np.abs(y - x).max() < 1e-15:
            return y
        x = y


def equation(x: Any, w: Any, b: Any) -> Any:
    return np.tanh(w @ x + b) - x


def conjugate(product: Any, ct: Any) -> Any:
    """``product(w) == ct`` by Richardson iteration: the Jacobian is near -1."""
    w = -ct
    for _ in range(200):
        w = w - (ct - product(w))
    return w


@pytest.mark.parametrize("linear_solve", [None, conjugate])
def test_fixed_points(linear_solve: Any) -> None:
    solve = tj.custom_root(equation, fixed_point, linear_solve=linear_solve)
    rng = np.random.default_rng(0)
    w, b = 0.2 * rng.uniform(-1, 1, (4, 4)), rng.uniform(-1, 1, 4)
    np.testing.assert_allclose(solve(w, b), fixed_point(w, b))
    loss = lambda f: lambda w, b: (f(w, b) ** 2).sum()  # noqa: E731
    for a, e in zip(tj.grad(loss(solve), argnums=(0, 1))(w, b), tj.grad(loss(fixed_point), argnums=(0, 1))(w, b)):
        np.testing.assert_allclose(a, e, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        tj.jvp(solve, (w, b), (w, b))[1], tj.jvp(fixed_point, (w, b), (w, b))[1], rtol=1e-9, atol=1e-12
    )


def test_structures() -> None:
    def residual(s: Any, a: Any) -> Any:
        return {"x": s["x"] * 2 + s["y"] - a, "y": s["y"] ** 3 - s["x"].sum()}

    @tj.custom_root(residual)
    def solve(a: Any) -> Any:
        x, y = np.zeros(2), 1.0
        for _ in range(300):
            y = 0.7 * y + 0.3 * np.cbrt(x.sum())
            x = (a - y) / 2
        return {"x": x, "y": y}

    a = np.array([4.0, 5.0])
    j = tj.jacobian(lambda a: solve(a)["y"])(a)
    expected = [(solve(a + e)["y"] - solve(a - e)["y"]) / 2e-5 for e in 1e-5 * np.eye(2)]
    np.testing.assert_allclose(j, expected, rtol=1e-6)


def test_another_structure() -> None:
    solve = tj.custom_root(lambda x, a: x.sum() - a, lambda a: np.array([a, 0.0]))
    with pytest.raises(tj.errors.DerivativeError, match="which is not like the solution, a float64 array"):
        tj.grad(lambda a: solve(a).sum())(1.0)
    with pytest.raises(TypeError, match="residual of custom_root is a function, not an object of type int"):
        tj.custom_root(3)  # type: ignore[call-overload]
