"""``grad``, ``value_and_grad``, ``jvp``, ``vjp`` and ``linearize`` on ordinary functions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import tracejit as tj


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclass
class Layer:
    w: Any
    b: Any


@dataclass(frozen=True)
class Frozen:
    scale: Any


def newton(a: float) -> float:
    x = a
    while abs(x * x - a) > 1e-13:
        x = 0.5 * (x + a / x)
    return x


def test_numbers_keep_their_kind() -> None:
    cube = tj.grad(lambda x: x**3)
    assert cube(2.0) == 12.0 and type(cube(2.0)) is float
    assert cube(np.float64(2.0)) == 12.0 and type(cube(np.float64(2.0))) is np.float64
    assert cube(np.float32(2.0)) == 12.0 and type(cube(np.float32(2.0))) is np.float32
    rank0 = cube(np.array(2.0))
    assert isinstance(rank0, np.ndarray) and rank0.shape == () and rank0 == 12.0


def test_value_and_gradient() -> None:
    value, gradient = tj.value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    assert value == 5.0
    np.testing.assert_array_equal(gradient, [2.0, 4.0])


def test_structures_in_and_out() -> None:
    def loss(p: Any) -> Any:
        return (p["a"] * p["t"][0]).sum() + p["t"][1].first ** 2 * p["layer"].w + p["f"].scale * p["l"][0]

    p = {
        "a": np.array([1.0, 2.0]),
        "t": (3.0, Pair(4.0, np.float32(1))),
        "layer": Layer(5.0, np.ones(2)),
        "l": [6.0, None],
        "f": Frozen(7.0),
    }
    g = tj.grad(loss)(p)
    assert list(g) == list(p)
    np.testing.assert_array_equal(g["a"], [3.0, 3.0])
    assert g["t"][0] == 3.0 and type(g["t"][1]) is Pair and g["t"][1] == (40.0, 0)
    assert type(g["layer"]) is Layer and g["layer"].w == 16.0
    np.testing.assert_array_equal(g["layer"].b, [0.0, 0.0])
    assert g["l"] == [7.0, None]
    assert g["f"] == Frozen(6.0)


def test_argnums_and_argnames() -> None:
    def f(x: Any, y: Any, *, z: Any = 5.0) -> Any:
        return x * y * z

    assert tj.grad(f)(2.0, 3.0) == 15.0
    assert tj.grad(f, argnums=1)(2.0, 3.0) == 10.0
    assert tj.grad(f, argnums=-1)(2.0, 3.0) == 10.0
    assert tj.grad(f, argnums=(1, 0))(2.0, 3.0) == (10.0, 15.0)
    assert tj.grad(f, argnames="z")(2.0, 3.0) == 6.0
    assert tj.grad(f, argnames=["z", "y"])(2.0, 3.0, z=4.0) == {"z": 6.0, "y": 8.0}
    assert tj.grad(f, argnums=0, argnames="z")(2.0, 3.0) == (15.0, 6.0)
    assert tj.grad(f, argnames="y")(2.0, y=3.0) == 10.0
    assert tj.grad(lambda *xs: xs[0] * xs[1], argnums=1)(2.0, 3.0) == 2.0
    assert tj.grad(lambda **k: k["a"] * k["b"], argnames="a")(a=2.0, b=3.0) == 3.0


def test_aux() -> None:
    def f(x: Any) -> Any:
        return x * x, {"double": 2 * x, "text": "same"}

    assert tj.grad(f, has_aux=True)(3.0) == (6.0, {"double": 6.0, "text": "same"})
    assert tj.value_and_grad(f, has_aux=True)(3.0) == ((9.0, {"double": 6.0, "text": "same"}), 6.0)


def test_decorators() -> None:
    @tj.grad
    def f(x: float) -> float:
        return x * x

    @tj.value_and_grad(argnums=1)
    @tj.jit
    def g(x: float, y: float) -> float:
        return x * y**2

    assert f(3.0) == 6.0
    assert g(2.0, 3.0) == (18.0, 12.0)
    assert "first call" in f.explain() and "add" in f.ir(3.0)
    assert f.__name__ == "grad_f"


def test_methods_and_objects() -> None:
    class Model:
        def __init__(self, k: float) -> None:
            self.k = k
            self.w = np.array([k, 2.0])

        def loss(self, x: Any) -> Any:
            return self.k * (self.w * x).sum()

        def __call__(self, x: Any) -> Any:
            return x * self.k

    model = Model(3.0)
    np.testing.assert_array_equal(tj.grad(model.loss)(np.ones(2)), [9.0, 6.0])
    assert tj.grad(model)(1.0) == 3.0
    model.k = 4.0
    np.testing.assert_array_equal(tj.grad(model.loss)(np.ones(2)), [12.0, 8.0])
    assert tj.grad(model)(1.0) == 4.0


def test_captured_state_is_not_stale() -> None:
    w = np.array([1.0, 2.0])
    f = tj.grad(lambda x: (w * x).sum())
    np.testing.assert_array_equal(f(np.ones(2)), [1.0, 2.0])
    w[0] = 5.0
    np.testing.assert_array_equal(f(np.ones(2)), [5.0, 2.0])


def test_the_same_array_twice() -> None:
    x = np.array([1.0, 2.0])
    f = tj.grad(lambda a, b: (a * a * b).sum())
    np.testing.assert_array_equal(f(x, x), [2.0, 8.0])
    np.testing.assert_array_equal(tj.grad(lambda a: (a * x).sum())(x), x)
    both = tj.grad(lambda p: (p["a"] * p["a"] * p["b"]).sum())({"a": x, "b": x})
    np.testing.assert_array_equal(both["a"], [2.0, 8.0])
    np.testing.assert_array_equal(both["b"], [1.0, 4.0])


# --- nesting ----------------------------------------------------------------------------------------------------------


def test_higher_orders() -> None:
    f = tj.grad(newton)
    expected = [0.5, -0.25, 3 / 8, -15 / 16]
    for order, factor in enumerate(expected, 1):
        assert math.isclose(f(3.0), factor * 3.0 ** (0.5 - order), rel_tol=1e-9)
        f = tj.grad(f)


def test_inside_compiled_functions() -> None:
    @tj.jit
    def f(x: float, k: float) -> Any:
        def inner(y: float) -> float:
            return k * y**3

        return tj.grad(inner)(x), tj.grad(tj.grad(inner))(x), tj.value_and_grad(inner)(x)

    assert f(2.0, 5.0) == (60.0, 60.0, (40.0, 60.0))


def test_closures_over_traced_values() -> None:
    def outer(x: float, k: float) -> float:
        return tj.grad(lambda y: k * y**3 * x)(x)  # 3 k x**3

    assert tj.grad(outer)(2.0, 5.0) == 9 * 5.0 * 4.0
    assert tj.grad(outer, argnums=1)(2.0, 5.0) == 3 * 8.0
    assert tj.grad(tj.grad(outer), argnums=1)(2.0, 5.0) == 9 * 4.0


def test_perturbations_are_told_apart() -> None:
    f = tj.grad(lambda x: x * tj.grad(lambda y: x + y)(1.0))
    assert f(3.0) == 1.0
    inner = lambda x: tj.jvp(lambda y: x * y, (2.0,), (1.0,))[1]  # noqa: E731
    assert tj.jvp(inner, (3.0,), (1.0,)) == (3.0, 1.0)


def test_in_loops_and_branches() -> None:
    @tj.jit
    def descend(x: float, steps: int) -> float:
        for _ in range(steps):
            g = tj.grad(lambda y: (y - 3) ** 2)(x)
            if g > 0:
                x = x - 0.1 * g
            else:
                x -= 0.2 * tj.grad(lambda y, z: (y - 3) ** 2 * z)(x, 1.0)
        return x

    x = 0.0
    for _ in range(20):
        g = 2 * (x - 3)
        x = x - (0.1 if g > 0 else 0.2) * g
    assert math.isclose(descend(0.0, 20), x)
    numeric = (descend(1e-6, 20) - descend(-1e-6, 20)) / 2e-6
    assert math.isclose(tj.grad(descend)(0.0, 20), numeric, rel_tol=1e-4)


def test_jit_of_grad_of_jit() -> None:
    f = tj.jit(tj.grad(tj.jit(lambda x: np.sin(x) ** 2)))
    assert math.isclose(f(1.0), math.sin(2.0))
    assert tj.jit(f) is f


# --- effects ----------------------------------------------------------------------------------------------------------


def test_effects_happen_once(capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        print("x is", x[0])
        seen.append(x[1])
        x[0] = 2 * x[1]
        return (x * x).sum()

    x = np.array([1.0, 2.0, 3.0])
    value, gradient = tj.value_and_grad(f)(x)
    assert capfd.readouterr().out == "x is 1.0\n"
    assert seen == [2.0] and type(seen[0]) is np.float64
    np.testing.assert_array_equal(x, [4.0, 2.0, 3.0])
    assert value == 29.0
    np.testing.assert_array_equal(gradient, [0.0, 20.0, 6.0])


def test_results_that_are_arguments() -> None:
    def f(x: Any, y: Any) -> Any:
        y[0] = 7.0
        return x.sum(), (x, x[1:], y)

    x, y = np.ones(3), np.zeros(2)
    gradient, (same, part, other) = tj.grad(f, has_aux=True)(x, y)
    assert same is x and part.base is x and other is y
    np.testing.assert_array_equal(gradient, np.ones(3))
    np.testing.assert_array_equal(y, [7.0, 0.0])


def test_results_that_are_one_of_several() -> None:
    def f(a: Any, c: int) -> Any:
        v = a.reshape(2, -1)[::-1].T
        kept = [v, a]
        return a.sum(), (v if c > 1 else a, kept, kept, a[1:] if c else a[2:])

    a = np.arange(6.0)
    for c in range(3):
        _, (either, kept, same, view) = tj.grad(f, has_aux=True)(a, c)
        assert kept is same and kept[1] is a
        assert either.shape == (3, 2) if c > 1 else either is a
        np.testing.assert_array_equal(either, kept[0] if c > 1 else a)
        np.testing.assert_array_equal(view, a[1:] if c else a[2:])
        assert np.shares_memory(view, a)


def test_exceptions() -> None:
    def f(x: float) -> float:
        if x < 0:
            raise ValueError(f"{x} is negative")
        return x * x

    assert tj.grad(f)(2.0) == 4.0
    with pytest.raises(ValueError, match=r"-1.0 is negative"):
        tj.grad(f)(-1.0)

    def always(x: Any) -> Any:
        x[0] = 5.0
        raise KeyError("never")

    x = np.zeros(2)
    with pytest.raises(KeyError, match="never"):
        tj.grad(always)(x)
    assert x[0] == 5.0


def test_state_of_objects() -> None:
    class Counter:
        def __init__(self) -> None:
            self.calls = 0
            self.last = 0.0

        def loss(self, x: float) -> float:
            self.calls += 1
            self.last = x * x
            return self.last

    counter = Counter()
    g = tj.grad(counter.loss)
    assert g(3.0) == 6.0 and g(4.0) == 8.0
    assert counter.calls == 2 and counter.last == 16.0


# --- jvp, vjp, linearize ----------------------------------------------------------------------------------------------


def test_forward() -> None:
    def f(x: Any, n: int, p: Any) -> Any:
        y = x.copy()
        for i in range(1, n):
            y[i] = y[i - 1] * p["k"]
        return {"y": y, "n": n}

    out, tangent = tj.jvp(f, (np.ones(3), 3, {"k": 2.0}), (np.array([1.0, 0, 0]), None, {"k": 1.0}))
    np.testing.assert_array_equal(out["y"], [1.0, 2.0, 4.0])
    np.testing.assert_array_equal(tangent["y"], [1.0, 3.0, 8.0])
    assert tangent["n"] is None
    assert tj.jvp(lambda x: (x * x, "aux"), (3.0,), (1.0,), has_aux=True) == (9.0, 6.0, "aux")


def test_reverse() -> None:
    def f(x: Any, k: float) -> Any:
        return x * k, x.sum()

    (y, s), pullback = tj.vjp(f, np.array([1.0, 2.0]), 3.0)
    np.testing.assert_array_equal(y, [3.0, 6.0])
    assert s == 3.0
    gx, gk = pullback((np.array([1.0, 0.0]), 10.0))
    np.testing.assert_array_equal(gx, [13.0, 10.0])
    assert gk == 1.0 and type(gk) is float
    gx, gk = pullback((np.zeros(2), np.float64(1.0)))
    np.testing.assert_array_equal(gx, [1.0, 1.0])


def test_pullbacks_go_in_and_out_of_compiled_functions() -> None:
    apply = tj.jit(lambda pullback, ct: pullback(ct)[0] * 2)
    make = tj.jit(lambda x: tj.vjp(lambda a: np.exp(a) * a, x)[1])
    for start in (0.0, 1.0):
        x = np.arange(3.0) + start
        expected = 2 * (np.exp(x) * (x + 1))
        np.testing.assert_allclose(apply(tj.vjp(lambda a: np.exp(a) * a, x)[1], np.ones(3)), expected)
        np.testing.assert_allclose(apply(make(x), np.ones(3)), expected)


def test_many_shapes() -> None:
    f = tj.vjp(lambda x: np.cumsum(x * x))
    for n in (2, 3, 4, 5):
        x = np.arange(1.0, n + 1)
        y, pullback = f(x)
        np.testing.assert_allclose(y, np.cumsum(x * x))
        np.testing.assert_allclose(pullback(np.ones(n))[0], 2 * x * np.arange(n, 0, -1))


def test_linear_part() -> None:
    y, pushforward = tj.linearize(lambda x, k: k * x**2, np.array([1.0, 2.0]), 3.0)
    np.testing.assert_array_equal(y, [3.0, 12.0])
    np.testing.assert_array_equal(pushforward(np.array([1.0, 0.0]), 0.0), [6.0, 0.0])
    np.testing.assert_array_equal(pushforward(np.zeros(2), 1.0), [1.0, 4.0])


def test_reverse_of_forward() -> None:
    def directional(x: Any, v: Any) -> Any:
        return tj.jvp(lambda y: (y**3).sum(), (x,), (v,))[1]

    x, v = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    np.testing.assert_array_equal(tj.grad(directional)(x, v), 6 * x * v)
    np.testing.assert_array_equal(tj.grad(directional, argnums=1)(x, v), 3 * x**2)
    pulled = tj.jvp(lambda y: tj.vjp(lambda z: (z**3).sum(), y)[1](1.0)[0], (x,), (v,))[1]
    np.testing.assert_array_equal(pulled, 6 * x * v)
