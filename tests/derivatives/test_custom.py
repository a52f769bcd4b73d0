"""``custom_jvp``, ``custom_vjp``, ``stop_gradient`` and ``checkpoint``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tracejit as tj

# the rules of these tests are wrong by a factor, so that it shows which rule was used


@tj.custom_jvp
def triple(x: Any) -> Any:
    return np.exp(x)


@triple.defjvp  # type: ignore[attr-defined]
def _(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    y = triple(x)
    return y, 3 * t * y


@tj.custom_vjp
def tenfold(x: Any, k: Any) -> Any:
    return np.sin(x) * k


tenfold.defvjp(  # type: ignore[attr-defined]
    lambda x, k: (tenfold(x, k), (x, {"k": k})), lambda kept, ct: (10 * ct * np.cos(kept[0]) * kept[1]["k"], None)
)


def test_without_derivatives() -> None:
    assert math.isclose(triple(1.0), math.e) and math.isclose(tenfold(1.0, 2.0), 2 * math.sin(1.0))
    assert tj.jit(lambda x: triple(x) + 1)(0.0) == 2.0
    assert triple.__name__ == "triple" and "first call" in triple.explain()


def test_forward_rule() -> None:
    assert tj.jvp(triple, (0.0,), (1.0,)) == (1.0, 3.0)
    assert tj.grad(triple)(0.0) == 3.0
    x = np.arange(3.0)
    np.testing.assert_allclose(tj.grad(lambda x: triple(x).sum())(x), 3 * np.exp(x))
    np.testing.assert_allclose(tj.jacrev(triple)(x), np.diag(3 * np.exp(x)))
    np.testing.assert_allclose(tj.jacfwd(triple)(x), np.diag(3 * np.exp(x)))


def test_orders() -> None:
    f: Any = triple
    for order in range(1, 5):
        f = tj.grad(f)
        assert math.isclose(f(0.5), 3**order * math.exp(0.5))
    assert math.isclose(tj.jacfwd(tj.jacrev(triple))(0.5), 9 * math.exp(0.5))
    assert math.isclose(tj.grad(tj.grad(tenfold))(1.0, 2.0), -20 * math.sin(1.0))


def test_backward_rule() -> None:
    assert math.isclose(tj.grad(tenfold)(1.0, 2.0), 20 * math.cos(1.0))
    assert tj.grad(tenfold, argnums=1)(1.0, 2.0) == 0.0
    assert math.isclose(tj.jvp(tenfold, (1.0, 2.0), (1.0, 0.0))[1], 20 * math.cos(1.0))
    value, pullback = tj.vjp(tenfold, 1.0, 2.0)
    assert pullback(1.0) == (20 * math.cos(1.0), 0.0)


def test_in_control_flow() -> None:
    def f(x: float, n: int) -> float:
        for i in range(n):
            if i % 2:
                x = tenfold(x, 0.5)
            else:
                x = triple(0.1 * x)
        return x

    def expected(x: float, n: int) -> float:
        d = 1.0
        for i in range(n):
            if i % 2:
                x, d = math.sin(x) * 0.5, 10 * math.cos(x) * 0.5 * d
            else:
                x, d = math.exp(0.1 * x), 0.3 * math.exp(0.1 * x) * d
        return d

    for n in (0, 1, 5):
        assert math.isclose(tj.grad(f)(0.7, n), expected(0.7, n))
        assert math.isclose(tj.jvp(f, (0.7, n), (1.0, None))[1], expected(0.7, n))


def test_structures_and_other_arguments() -> None:
    @tj.custom_vjp
    def f(p: Any, how: Any, n: int) -> Any:
        return {"a": p["w"] * n, "text": how(p["b"])}

    def forward(p: Any, how: Any, n: int) -> Any:
        return f(p, how, n), (how, n, None)

    def backward(kept: Any, ct: Any) -> Any:
        how, n, _ = kept
        assert ct["text"] is not None
        return {"w": ct["a"] * n, "b": how(ct["text"])}, None, None

    f.defvjp(forward, backward)  # type: ignore[attr-defined]
    g = tj.grad(lambda p: (lambda r: r["a"].sum() + r["text"])(f(p, lambda x: 2 * x, 3)))({"w": np.ones(2), "b": 1.0})
    np.testing.assert_array_equal(g["w"], [3.0, 3.0])
    assert g["b"] == 2.0


def test_clipped_gradient() -> None:
    @tj.custom_vjp
    def clip(x: Any) -> Any:
        return x

    clip.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1, 1),))  # type: ignore[attr-defined]
    assert tj.grad(lambda x: 5 * clip(x) + x)(2.0) == 2.0
    with pytest.raises(tj.errors.DerivativeError, match="not") as error:
        tj.jvp(clip, (1.0,), (1.0,))
    assert "must be linear in the cotangents" in str(error.value) and "custom_jvp" in str(error.value)
    assert "np.clip(ct, -1, 1)" in str(error.value)


def refused(f: Any, *words: str) -> None:
    with pytest.raises(tj.errors.DerivativeError) as error:
        f()
    for word in words:
        assert word in str(error.value), str(error.value)


def test_wrong_rules() -> None:
    def jvp_rule(rule: Any) -> Any:
        f = tj.custom_jvp(lambda x: x * 2)
        f.defjvp(rule)  # type: ignore[attr-defined]
        return lambda: tj.grad(lambda x: f(x).sum())(np.ones(3))

    def vjp_rule(forward: Any, backward: Any) -> Any:
        f = tj.custom_vjp(lambda x: x * 2)
        f.defvjp(forward, backward)  # type: ignore[attr-defined]
        return lambda: tj.grad(lambda x: f(x).sum())(np.ones(3))

    refused(jvp_rule(lambda p, t: t[0]), "expected a pair: (result, tangent of the result)")
    refused(jvp_rule(lambda p, t: (p[0], t[0][0])), "the tangent of the result has the shape (), expected (3,)")
    refused(
        jvp_rule(lambda p, t: (p[0], t)),
        "the tangent of the result is a tuple, expected a float64 array of shape (3,)",
    )
    refused(jvp_rule(lambda p, t: (p[0], t[0] + 1)), "must be linear in the tangents, and add of one is not")
    refused(jvp_rule(lambda p, t: (p[0], 1j * t[0])), "of dtype complex128, expected float64")
    refused(vjp_rule(lambda x: x, lambda r, ct: (ct,)), "expected a pair: (result, residuals)")
    refused(vjp_rule(lambda x: (x, None), lambda r, ct: ct), "expected a tuple of 1: a cotangent per argument")
    refused(vjp_rule(lambda x: (x, None), lambda r, ct: (ct, ct)), "a tuple of 2, expected a tuple of 1")
    refused(vjp_rule(lambda x: (x, None), lambda r, ct: (ct[:2],)), "the shape (2,), expected (3,)")
    bare = tj.custom_vjp(lambda x: x)
    assert bare(2.0) == 2.0
    refused(lambda: tj.grad(bare)(2.0), "has no rule", "defvjp(forward, backward)")
    with pytest.raises(TypeError, match="has a derivative rule already"):
        triple.defjvp(lambda p, t: t)  # type: ignore[attr-defined]


def test_closing_over_what_is_differentiated() -> None:
    def f(x: float, k: float) -> Any:
        g = tj.custom_jvp(lambda y: y * k)
        g.defjvp(lambda p, t: (g(*p), 5 * t[0]))  # type: ignore[attr-defined]
        return g(x)

    assert tj.grad(f)(1.0, 3.0) == 5.0
    refused(
        lambda: tj.grad(f, argnums=1)(1.0, 3.0), "depends on a value that is not among its arguments", "return g(x)"
    )


def test_writing_is_refused() -> None:
    @tj.custom_jvp
    def f(x: Any) -> Any:
        x[0] = 1.0
        return x.sum()

    f.defjvp(lambda p, t: (p[0].sum(), t[0].sum()))  # type: ignore[attr-defined]
    refused(lambda: tj.grad(f)(np.ones(2)), "changes an array from outside")


# --- stop_gradient ----------------------------------------------------------------------------------------------------


def test_stop_gradient() -> None:
    assert tj.grad(lambda x: x * tj.stop_gradient(x))(3.0) == 3.0
    assert tj.jvp(lambda x: x * tj.stop_gradient(x), (3.0,), (1.0,)) == (9.0, 3.0)
    straight_through = lambda x: x + tj.stop_gradient(np.round(x) - x)  # noqa: E731
    assert straight_through(2.7) == 3.0
    assert tj.value_and_grad(lambda x: straight_through(x) ** 2)(2.7) == (9.0, 6.0)
    x = np.ones(2)
    same = tj.stop_gradient({"x": x, "k": (1.0, None)})
    np.testing.assert_array_equal(same["x"], x)
    assert same["k"] == (1.0, None) and same["x"] is not x
    f = tj.jit(lambda p: tj.stop_gradient(p))
    np.testing.assert_array_equal(f({"x": x})["x"], x)


# --- checkpoint -------------------------------------------------------------------------------------------------------


def layers(layer: Any) -> Any:
    def f(w: Any, x: Any) -> Any:
        for _ in range(4):
            x = layer(w, x)
        return (x * x).sum()

    return f


def layer(w: Any, x: Any) -> Any:
    for _ in range(3):
        x = np.tanh(w @ x)
    return x


def test_checkpoint() -> None:
    rng = np.random.default_rng(0)
    w, x = rng.uniform(-1, 1, (4, 4)), rng.uniform(-1, 1, 4)
    plain, again = layers(layer), layers(tj.checkpoint(layer))
    for a, b in zip(tj.grad(plain, argnums=(0, 1))(w, x), tj.grad(again, argnums=(0, 1))(w, x)):
        np.testing.assert_allclose(b, a, rtol=1e-14)
    np.testing.assert_allclose(tj.hessian(again, argnums=1)(w, x), tj.hessian(plain, argnums=1)(w, x), rtol=1e-12)
    np.testing.assert_allclose(tj.jvp(again, (w, x), (w, x)), tj.jvp(plain, (w, x), (w, x)), rtol=1e-13)


def test_checkpoint_with_effects(capfd: pytest.CaptureFixture[str]) -> None:
    k = np.array([2.0, 3.0])

    @tj.checkpoint
    def f(x: Any, out: Any) -> Any:
        print("once")
        if x[0] < 0:
            raise ValueError("negative")
        out[:] = np.sin(x) * k
        return out[x > 0.5].sum()

    def g(x: Any) -> Any:
        out = np.zeros(2)
        s = f(x, out)
        return s * (out * out).sum()

    x = np.array([1.0, 0.3])
    expected = np.zeros(2)
    for j in range(2):
        e = np.eye(2)[j] * 1e-6
        expected[j] = (g(x + e) - g(x - e)) / 2e-6
    capfd.readouterr()
    np.testing.assert_allclose(tj.grad(g)(x), expected, rtol=1e-8)
    assert capfd.readouterr().out == "once\n"
    with pytest.raises(ValueError, match="negative"):
        tj.grad(g)(-x)


def test_checkpoint_closes_over_traced_values() -> None:
    def f(x: float, k: float) -> float:
        g = tj.checkpoint(lambda y: np.sin(y * k) * x)
        return g(g(x))

    def plain(x: float, k: float) -> float:
        g = lambda y: np.sin(y * k) * x  # noqa: E731
        return g(g(x))

    assert np.allclose(tj.grad(f, argnums=(0, 1))(0.4, 1.3), tj.grad(plain, argnums=(0, 1))(0.4, 1.3))
