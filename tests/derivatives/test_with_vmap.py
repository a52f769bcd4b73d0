"""Derivatives and ``vmap`` of each other."""

from __future__ import annotations

from typing import Any

import numpy as np

import tracejit as tj


def newton(a: Any) -> Any:
    x = 0.5 * (1 + a)
    while abs(x * x - a) > 1e-13:
        x = 0.5 * (x + a / x)
    return x


A = np.array([0.7, 4.0, 9.0, 121.0])


def test_derivatives_per_lane() -> None:
    np.testing.assert_allclose(tj.vmap(tj.grad(newton))(A), 0.5 * A**-0.5)
    np.testing.assert_allclose(tj.vmap(tj.grad(tj.grad(newton)))(A), -0.25 * A**-1.5, rtol=1e-6)
    np.testing.assert_allclose(tj.vmap(lambda a: tj.jvp(newton, (a,), (2.0,))[1])(A), A**-0.5)


def test_derivatives_of_all_lanes() -> None:
    np.testing.assert_allclose(tj.grad(lambda a: tj.vmap(newton)(a).sum())(A), 0.5 * A**-0.5)
    np.testing.assert_allclose(tj.jacfwd(tj.vmap(newton))(A), np.diag(0.5 * A**-0.5))
    np.testing.assert_allclose(tj.jacrev(tj.vmap(newton))(A), np.diag(0.5 * A**-0.5))


def test_gradients_per_example() -> None:
    def loss(p: Any, x: Any, y: Any) -> Any:
        return (np.tanh(p["w"] @ x + p["b"]) - y) ** 2

    rng = np.random.default_rng(0)
    p, x, y = {"w": rng.normal(size=3), "b": 0.1}, rng.normal(size=(5, 3)), rng.normal(size=5)
    each = tj.vmap(tj.grad(loss), in_axes=(None, 0, 0))(p, x, y)
    whole = tj.grad(lambda p: tj.vmap(loss, in_axes=(None, 0, 0))(p, x, y).sum())(p)
    np.testing.assert_allclose(each["w"], [tj.grad(loss)(p, a, b)["w"] for a, b in zip(x, y)])
    np.testing.assert_allclose(each["w"].sum(0), whole["w"])
    np.testing.assert_allclose(each["b"].sum(), whole["b"])


def test_rules_of_the_user() -> None:
    @tj.custom_vjp
    def f(x: Any) -> Any:
        return np.sin(x)

    f.defvjp(lambda x: (f(x), x), lambda x, ct: (10 * ct * np.cos(x),))  # type: ignore[attr-defined]
    np.testing.assert_allclose(tj.vmap(tj.grad(f))(A), 10 * np.cos(A))
    np.testing.assert_allclose(tj.grad(lambda a: tj.vmap(f)(a).sum())(A), 10 * np.cos(A))
    again = tj.checkpoint(lambda x: np.sin(x) * x)
    np.testing.assert_allclose(tj.grad(lambda a: tj.vmap(again)(a).sum())(A), np.sin(A) + A * np.cos(A))
    root = tj.custom_root(lambda x, a: x * x - a, newton)
    np.testing.assert_allclose(tj.vmap(tj.grad(root))(A), 0.5 * A**-0.5)
    np.testing.assert_allclose(tj.grad(lambda a: tj.vmap(root)(a).sum())(A), 0.5 * A**-0.5)


def test_pullback_of_many_cotangents() -> None:
    y, pullback = tj.vjp(lambda x: x[1:] * x[:-1], np.array([1.0, 2.0, 3.0]))
    rows = tj.vmap(lambda ct: pullback(ct)[0])(np.eye(2))
    np.testing.assert_array_equal(rows, [[2.0, 1.0, 0.0], [0.0, 3.0, 2.0]])
    _, pushforward = tj.linearize(lambda x: x[1:] * x[:-1], np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(tj.vmap(pushforward)(np.eye(3)).T, rows)
