"""Compositions up to order 4, against closed forms and against derivatives of high precision."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import tracejit as tj

mpmath.mp.dps = 40


def forward(f: Any) -> Any:
    return lambda x: tj.jvp(f, (x,), (1.0,))[1]


def backward(f: Any) -> Any:
    return lambda x: tj.vjp(f, x)[1](1.0)[0]


def linear(f: Any) -> Any:
    return lambda x: tj.linearize(f, x)[1](1.0)


WAYS: dict[str, Callable[[Any], Any]] = {
    "grad": tj.grad, "jacfwd": tj.jacfwd, "jacrev": tj.jacrev, "jvp": forward, "vjp": backward, "linearize": linear,
}  # fmt: skip


def power_tower(x: Any) -> Any:
    y = x * 1.0
    for _ in range(10):
        y = x**y
    return y


def newton(a: Any) -> Any:
    x = a * 1.0
    while abs(x * x - a) > 1e-14:
        x = 0.5 * (x + a / x)
    return 0.5 * (x + a / x)


def logistic(r: Any) -> Any:
    x = 0.3
    for i in range(9):
        x = r * x * (1 - x) if i % 3 else x + r / 10
    return x


def in_place(t: Any) -> Any:
    y = np.zeros(6)
    y[0] = np.sin(t)
    y[1] = t
    for i in range(2, 6):
        y[i] = y[i - 1] * y[i - 2] + t
        y[i - 2] *= 0.5
    return y.sum()


def in_place_exact(t: Any) -> Any:
    y = [mpmath.sin(t), t, 0, 0, 0, 0]
    for i in range(2, 6):
        y[i] = y[i - 1] * y[i - 2] + t
        y[i - 2] *= mpmath.mpf("0.5")
    return mpmath.fsum(y)


def early(t: Any) -> Any:
    total = 0.0
    for k in range(1, 100):
        term = np.exp(-k * t) / k
        if term < 1e-18:
            return total
        if k % 2:
            total += term
        else:
            total -= term
    return total


def logistic_exact(r: Any) -> Any:
    x = mpmath.mpf("0.3")
    for i in range(9):
        x = r * x * (1 - x) if i % 3 else x + r / 10
    return x


def power_tower_exact(x: Any) -> Any:
    y = x
    for _ in range(10):
        y = x**y
    return y


PROGRAMS: dict[str, tuple[Any, Any, float]] = {
    "tower": (power_tower, power_tower_exact, 1.3),
    "newton": (newton, mpmath.sqrt, 3.0),
    "logistic": (logistic, logistic_exact, 1.7),
    "in place": (in_place, in_place_exact, 0.8),
    "early": (early, lambda t: mpmath.log(1 + mpmath.exp(-t)), 1.1),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_to_order_four(name: str) -> None:
    f, exact, x = PROGRAMS[name]
    for order in range(1, 5):
        f = tj.grad(f)
        expected = float(mpmath.diff(exact, mpmath.mpf(x), order))
        assert math.isclose(f(x), expected, rel_tol=1e-9, abs_tol=1e-11), (name, order)


@pytest.mark.parametrize("ways", list(itertools.product(WAYS, WAYS)), ids=lambda ways: f"{ways[0]}-{ways[1]}")
def test_every_way_of_every_way(ways: tuple[str, str]) -> None:
    first, second = (WAYS[way] for way in ways)
    for name in ("logistic", "in place"):
        f, exact, x = PROGRAMS[name]
        expected = float(mpmath.diff(exact, mpmath.mpf(x), 2))
        assert math.isclose(first(second(f))(x), expected, rel_tol=1e-10), name


@pytest.mark.parametrize("ways", [
    ("jvp", "vjp", "jvp", "vjp"), ("vjp", "jvp", "jvp", "grad"), ("jacfwd", "jacrev", "jacfwd", "jacrev"),
    ("linearize", "grad", "linearize", "grad"), ("jacrev", "linearize", "vjp", "jvp"), ("jvp", "jvp", "jvp", "jvp"),
], ids="-".join)  # fmt: skip
def test_four_at_once(ways: tuple[str, ...]) -> None:
    for name in ("newton", "in place"):
        f, exact, x = PROGRAMS[name]
        for way in ways:
            f = WAYS[way](f)
        assert math.isclose(f(x), float(mpmath.diff(exact, mpmath.mpf(x), 4)), rel_tol=1e-9), name


def test_many_variables() -> None:
    """The third derivative of a function of vectors, as one array."""

    def f(x: Any) -> Any:
        total = 0.0
        for i in range(len(x)):
            total += x[i] ** 2 * x[(i + 1) % len(x)]
        return total

    x = np.array([1.0, 2.0, 3.0])
    third = tj.jacfwd(tj.jacrev(tj.jacfwd(f)))(x)
    expected = np.zeros((3, 3, 3))
    for i in range(3):
        j = (i + 1) % 3
        for places in set(itertools.permutations((i, i, j))):
            expected[places] += 2
    np.testing.assert_allclose(third, expected)
    np.testing.assert_array_equal(tj.jacobian(tj.hessian(f))(x), expected)


def test_grad_calls_grad_in_loops() -> None:
    def meta(rate: float) -> float:
        w = 0.0
        for _ in range(5):
            w -= rate * tj.grad(lambda v: (v - 2) ** 2 * (1 + 0.1 * v))(w)
        return (w - 1) ** 2

    def exact(rate: Any) -> Any:
        w = mpmath.mpf(0)
        for _ in range(5):
            w -= rate * (2 * (w - 2) * (1 + w / 10) + (w - 2) ** 2 / 10)
        return (w - 1) ** 2

    f: Any = tj.jit(meta)
    for order in range(1, 4):
        f = tj.grad(f)
        assert math.isclose(f(0.1), float(mpmath.diff(exact, mpmath.mpf("0.1"), order)), rel_tol=1e-10)
