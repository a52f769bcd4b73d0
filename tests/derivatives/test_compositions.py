"""Derivatives in programs: in loops and branches, of rules, solvers and checkpoints, of programs that change state.

Each program is a function of one number; reverse mode, forward mode and central differences must agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracejit as tj

PROGRAMS: list[tuple[Callable[[Any], Any], float]] = []


def program(*at: float) -> Any:
    def register(f: Any) -> Any:
        PROGRAMS.extend((f, x) for x in at)
        return f

    return register


@tj.custom_vjp
def sine(x: Any) -> Any:
    return np.sin(x)


sine.defvjp(lambda x: (sine(x), x), lambda x, ct: (ct * np.cos(x),))  # type: ignore[attr-defined]


@tj.custom_jvp
def decay(x: Any) -> Any:
    return np.exp(-x)


decay.defjvp(lambda p, t: (decay(p[0]), -t[0] * np.exp(-p[0])))  # type: ignore[attr-defined]


@tj.custom_root(lambda x, a: x**3 + x - a)
def cubic(a: Any) -> Any:
    x = 1.0
    for _ in range(40):
        x -= (x**3 + x - a) / (3 * x * x + 1)
    return x


again = tj.checkpoint(lambda x: sine(x) * cubic(x) + decay(x))


@program(0.7)
def rules_and_writes(x: Any) -> Any:
    y = np.zeros(5)
    for i in range(5):
        y[i] = sine(x * i) + decay(x) * cubic(x + i)
        if y[i] > 1:
            y[i] *= 0.5
    return y.sum()


@program(0.4)
def pullbacks_in_a_loop(x: Any) -> Any:
    s = 0.0
    for i in range(3):
        v, pullback = tj.vjp(lambda y: y * y * sine(y), x + i)
        s += pullback(v)[0]
    return s


@program(0.8)
def checkpoints_of_checkpoints(x: Any) -> Any:
    for _ in tj.checkpointed(range(6)):
        x = again(x) * 0.9 + 0.1
    return x


@program(1.3)
def determinant_of_a_hessian(x: Any) -> Any:
    return np.linalg.det(tj.hessian(lambda v: (v**3).sum() * x)(np.array([x, 2.0])))


@program(1.1)
def gradients_while(x: Any) -> Any:
    i = 0
    while x < 10 and i < 50:
        x = x + tj.grad(lambda y: y**2 * 0.1 + cubic(y))(x)
        i += 1
    return x


@program(0.5, -0.5)
def gradients_in_branches(x: Any) -> Any:
    return tj.grad(lambda y: y**3)(x) if x > 0 else tj.grad(lambda y: -(y**2) * x)(x)


@program(1.2)
def values_kept_in_a_list(x: Any) -> Any:
    kept = []

    def inner(y: Any) -> Any:
        kept.append(y * 2)
        return y**3

    return tj.grad(inner)(x) * kept[0]


@program(1.1)
def state_in_a_dict(x: Any) -> Any:
    state = {"n": 0.0}

    def inner(y: Any) -> Any:
        state["n"] += y
        for _ in range(4):
            state["n"] *= y
        return state["n"]

    return tj.grad(inner)(x) + state["n"]


@program(0.6)
def arguments_written(x: Any) -> Any:
    a = np.array([x, 2 * x, 3 * x])

    def inner(b: Any) -> Any:
        b[0] = b[1] * b[2]
        return (b * b).sum()

    value, gradient = tj.value_and_grad(inner)(a)
    return value + gradient.sum() + a[0]


@program(0.6)
def closures_written(x: Any) -> Any:
    a = np.array([x, 2 * x, 3 * x])

    def inner(b: Any) -> Any:
        a[0] = b[1] * b[2]
        return (b * b).sum() * a[0]

    return tj.grad(inner)(a.copy()).sum() * a[0]


@program(0.7)
def system_of_a_jacobian(x: Any) -> Any:
    m = np.array([[x, 1.0], [1.0, 2.0]])
    j = tj.jacobian(lambda v: np.tanh(m @ v))(np.array([x, x * x]))
    return np.linalg.solve(j, np.ones(2)).sum()


@program(0.9)
def lanes(x: Any) -> Any:
    return tj.vmap(lambda k: tj.grad(lambda z: z**k * sine(z))(x))(np.arange(1.0, 4.0)).sum()


@program(0.5)
def tangents_and_products(x: Any) -> Any:
    t = tj.linearize(lambda q: np.array([q, q * q, np.sin(q)]), x)[1](1.0)
    return (t * t).sum() + tj.hvp(lambda a, b: a * a * b, (x, x + 1), (1.0, x))[0]


@pytest.mark.parametrize(("f", "x"), PROGRAMS, ids=lambda v: getattr(v, "__name__", str(v)))
def test_programs(f: Any, x: float) -> None:
    compiled, h = tj.jit(f), 1e-5
    assert compiled(x) == pytest.approx(float(f(x)), rel=1e-12)  # transforms are compiled in plain Python, too
    reverse = tj.grad(f)(x)
    assert reverse == pytest.approx((compiled(x + h) - compiled(x - h)) / (2 * h), rel=1e-6)
    assert tj.jvp(f, (x,), (1.0,))[1] == pytest.approx(reverse, rel=1e-11)
    second = tj.grad(tj.grad(f))(x)
    gradient = tj.grad(f)
    assert second == pytest.approx((gradient(x + h) - gradient(x - h)) / (2 * h), rel=1e-5, abs=1e-6)
    assert tj.jvp(gradient, (x,), (1.0,))[1] == pytest.approx(second, rel=1e-10, abs=1e-12)
