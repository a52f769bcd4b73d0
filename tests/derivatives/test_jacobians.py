"""``jacfwd``, ``jacrev``, ``jacobian``, ``hessian`` and ``hvp``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracejit as tj

WAYS: list[Callable[..., Any]] = [tj.jacfwd, tj.jacrev, tj.jacobian]


def scan(x: Any, k: Any) -> Any:
    y = np.zeros(len(x) + 1)
    for i in range(len(x)):
        y[i + 1] = np.sin(y[i] * k) + x[i]
    return y


def central(f: Callable[[Any], Any], x: Any, h: float = 1e-6) -> Any:
    columns = []
    for k in range(x.size):
        e = np.zeros(x.size)
        e[k] = h
        e = e.reshape(x.shape)
        columns.append((f(x + e) - f(x - e)) / (2 * h))
    return np.stack(columns, -1).reshape(*np.shape(columns[0]), *x.shape)


@pytest.mark.parametrize("way", WAYS)
def test_loops(way: Callable[..., Any]) -> None:
    x = np.linspace(0, 1, 4)
    by_x, by_k = way(scan, argnums=(0, 1))(x, 0.7)
    np.testing.assert_allclose(by_x, central(lambda v: scan(v, 0.7), x), atol=1e-8)
    np.testing.assert_allclose(by_k, (scan(x, 0.7 + 1e-6) - scan(x, 0.7 - 1e-6)) / 2e-6, atol=1e-8)


@pytest.mark.parametrize("way", WAYS)
def test_structures(way: Callable[..., Any]) -> None:
    def f(p: Any, x: Any) -> Any:
        return {"y": p["w"] @ x, "n": 3, "s": (p["w"].sum() * p["b"],)}

    p, x = {"w": np.arange(6.0).reshape(2, 3), "b": 2.0}, np.array([1.0, 2.0, 3.0])
    j = way(f)(p, x)
    assert list(j) == ["y", "n", "s"] and j["n"] is None
    expected = np.zeros((2, 2, 3))
    expected[0, 0] = expected[1, 1] = x
    np.testing.assert_array_equal(j["y"]["w"], expected)
    np.testing.assert_array_equal(j["y"]["b"], np.zeros(2))
    np.testing.assert_array_equal(j["s"][0]["w"], np.full((2, 3), 2.0))
    assert j["s"][0]["b"] == 15.0


@pytest.mark.parametrize("way", WAYS)
def test_numbers(way: Callable[..., Any]) -> None:
    result = way(lambda x: x**3)(2.0)
    assert result == 12.0 and type(result) is float


@pytest.mark.parametrize("way", WAYS)
def test_growing_shapes(way: Callable[..., Any]) -> None:
    f = way(lambda x: x[1:] * x[:-1])
    for n in (2, 3, 4, 6):
        x = np.arange(1.0, n + 1)
        expected = np.zeros((n - 1, n))
        for k in range(n - 1):
            expected[k, k], expected[k, k + 1] = x[k + 1], x[k]
        np.testing.assert_array_equal(f(x), expected)


def test_effects_once(capfd: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        print("once")
        x[0] = 7.0
        return x * x[1], "aux"

    for way in WAYS:
        x = np.array([1.0, 2.0])
        j, aux = way(f, has_aux=True)(x)
        assert capfd.readouterr().out == "once\n" and aux == "aux"
        np.testing.assert_array_equal(j, [[0.0, 7.0], [0.0, 4.0]])
        np.testing.assert_array_equal(x, [7.0, 2.0])


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def test_hessians() -> None:
    x = np.array([0.3, -0.2, 0.9, 1.1])
    expected = central(tj.grad(rosenbrock), x)
    np.testing.assert_allclose(tj.hessian(rosenbrock)(x), expected, rtol=1e-6, atol=1e-5)
    exact = tj.hessian(rosenbrock)(x)
    compositions: list[Callable[..., Any]] = [
        tj.jacfwd(tj.jacrev(rosenbrock)), tj.jacrev(tj.jacfwd(rosenbrock)), tj.jacrev(tj.grad(rosenbrock)),
        tj.jacfwd(tj.jacfwd(rosenbrock)),
    ]  # fmt: skip
    for composed in compositions:
        np.testing.assert_allclose(composed(x), exact, rtol=1e-12, atol=1e-10)
    v = np.array([1.0, -1.0, 2.0, 0.5])
    np.testing.assert_allclose(tj.hvp(rosenbrock, (x,), (v,))[0], exact @ v, rtol=1e-12)


def test_blocks_of_hessians() -> None:
    def f(p: Any, k: float) -> Any:
        return (p["a"] ** 2).sum() * p["b"] * k

    h = tj.hessian(f)({"a": np.array([1.0, 2.0]), "b": 3.0}, 2.0)
    np.testing.assert_array_equal(h["a"]["a"], 12 * np.eye(2))
    np.testing.assert_array_equal(h["a"]["b"], [4.0, 8.0])
    np.testing.assert_array_equal(h["b"]["a"], [4.0, 8.0])
    assert h["b"]["b"] == 0.0
    both = tj.hessian(lambda x, y: x**2 * y, argnums=(0, 1))(2.0, 3.0)
    assert both == ((6.0, 4.0), (4.0, 0.0))
    held = tj.hvp(lambda x, y: x**2 * y, (2.0, 3.0), (1.0, None))
    assert held == (6.0, None)


def test_inside_compiled_functions() -> None:
    @tj.jit
    def newton(x: Any) -> Any:
        for _ in range(30):
            x = x - np.linalg.norm(tj.grad(rosenbrock)(x)) * 0 - 1e-4 * tj.grad(rosenbrock)(x)
        return tj.hessian(rosenbrock)(x), tj.jacobian(lambda y: y * x)(x)

    x = np.array([0.3, -0.2])
    y = x.copy()
    for _ in range(30):
        y = y - 1e-4 * tj.grad(rosenbrock)(y)
    h, j = newton(x)
    np.testing.assert_allclose(h, tj.hessian(rosenbrock)(y), rtol=1e-12)
    np.testing.assert_allclose(j, np.diag(y))


# --- complex numbers --------------------------------------------------------------------------------------------------


def test_complex_to_real() -> None:
    z = 3 + 4j
    assert np.allclose(tj.grad(lambda z: (z * z.conjugate()).real)(z), 2 * z.conjugate())
    assert np.allclose(tj.grad(abs)(z), 0.6 - 0.8j)
    # df/dx - 1j df/dy
    f = lambda z: z.real * z.imag  # noqa: E731
    assert np.allclose(tj.grad(f)(z), 4 - 3j)
    a = np.array([1 + 1j, 2 - 1j])
    np.testing.assert_allclose(tj.jacrev(lambda z: (z * np.conj(z)).real)(a), np.diag(2 * a.conj()))


def test_real_to_complex() -> None:
    value, tangent = tj.jvp(lambda t: np.exp(1j * t), (np.float64(0.5),), (np.float64(1.0),))
    assert np.allclose(tangent, 1j * np.exp(0.5j))
    assert np.allclose(tj.jacfwd(lambda t: np.exp(1j * t))(np.float64(0.5)), 1j * np.exp(0.5j))
    assert np.allclose(tj.jacobian(lambda t: np.exp(1j * t))(np.float64(0.5)), 1j * np.exp(0.5j))


def test_holomorphic() -> None:
    z = 0.3 + 0.4j
    assert np.allclose(tj.grad(lambda z: z**3, holomorphic=True)(z), 3 * z**2)
    assert np.allclose(tj.hessian(lambda z: np.exp(2 * z), holomorphic=True)(z), 4 * np.exp(2 * z))
    a = np.array([1 + 1j, 2 - 1j])
    for way in WAYS:
        np.testing.assert_allclose(way(np.square, holomorphic=True)(a), np.diag(2 * a))


def test_pairing() -> None:
    z, w = np.array([1 + 2j, 0.5j]), np.array([0.3 - 1j, 2 + 1j])
    f = lambda z: np.exp(z) * z[::-1]  # noqa: E731
    _, tangent = tj.jvp(f, (z,), (w,))
    _, pullback = tj.vjp(f, z)
    ct = np.array([1 - 1j, 0.2 + 3j])
    (back,) = pullback(ct)
    assert math.isclose((ct * tangent).real.sum(), (back * w).real.sum(), rel_tol=1e-12)
