"""``check_nan``: the first nan or inf is found, at the user's line, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracejit as tj
from tracejit import config


def caught(f: Callable[..., Any], *args: Any) -> tuple[str, int]:
    """What is said, and the line of this file at which it is raised."""
    with pytest.raises(FloatingPointError) as info:
        f(*args)
    lines = [t.lineno + 1 for t in info.traceback if str(t.path) == __file__]
    return str(info.value), lines[-1]


def line_of(f: Callable[..., Any], offset: int) -> int:
    return f.__code__.co_firstlineno + offset


def logarithms(x: Any) -> Any:
    y = x * 2.0
    z = np.log(y)
    return z.sum() * 3.0


def root(x: Any) -> Any:
    y = np.sqrt(x)
    return (y * y).sum()


def loop(x: Any, n: int) -> Any:
    s = x[0]
    for i in range(n):
        s = s * s
        if i > 2:
            s = s + x[i]
    return s


def test_forward() -> None:
    message, line = caught(tj.jit(logarithms, check_nan=True), np.array([1.0, 0.0, 2.0]))
    assert "log gives nan or inf where its operands are finite, at 1 of 3 places" in message
    assert line == line_of(logarithms, 2)


def test_backward() -> None:
    x = np.array([1.0, 0.0])
    assert tj.jit(root, check_nan=True)(x) == 1.0
    message, line = caught(tj.jit(tj.grad(root), check_nan=True), x)
    assert "the cotangent of sqrt gives nan or inf" in message
    assert line == line_of(root, 1)
    message, line = caught(tj.jit(lambda x: tj.jvp(root, (x,), (x + 1,)), check_nan=True), x)
    assert "the tangent of sqrt gives nan or inf" in message


def test_in_a_loop() -> None:
    x = np.array([10.0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    message, line = caught(tj.jit(loop, check_nan=True), x, 10)
    assert "multiplication gives nan or inf where its operands are finite" in message
    assert line == line_of(loop, 3)
    assert tj.jit(loop, check_nan=True)(x, 3) == 1e8


def test_products_and_sums() -> None:
    big = np.full((2, 2), 1e200)
    assert "the matrix product" in caught(tj.jit(lambda x: x @ x, check_nan=True), big)[0]
    assert "the sum" in caught(tj.jit(lambda x: (x * 1e108).sum(), check_nan=True), big)[0]
    assert "division" in caught(tj.jit(lambda x: x / (x - x), check_nan=True), big)[0]
    assert "exp" in caught(tj.jit(lambda z: np.exp(z), check_nan=True), big.astype(complex))[0]


def test_what_came_in_is_not_reported() -> None:
    f = tj.jit(lambda x: np.sqrt(x) * 2 + np.inf, check_nan=True)
    np.testing.assert_array_equal(f(np.array([np.nan, np.inf, 4.0])), [np.nan, np.inf, np.inf])


def test_what_where_leaves_out_is_not_reported() -> None:
    def guarded(x: Any) -> Any:
        return np.where(x > 0, np.sqrt(x) * np.log(x), 0.0).sum()

    x = np.array([-1.0, 0.0, 4.0])
    assert tj.jit(guarded, check_nan=True)(x) == 2 * np.log(4.0)
    gradient = tj.jit(tj.grad(guarded), check_nan=True)(x)
    np.testing.assert_allclose(gradient, [0, 0, 0.5 + np.log(4.0) / 4])

    def badly(x: Any) -> Any:
        return np.where(x >= 0, np.log(x), 0.0).sum()

    message, line = caught(tj.jit(badly, check_nan=True), x)
    assert "log gives nan or inf where its operands are finite, at 1 of 3 places" in message
    assert line == line_of(badly, 1)


def test_the_setting() -> None:
    with config.override(check_nan=True):
        assert "log" in caught(tj.jit(logarithms), np.zeros(2))[0]
        with np.errstate(all="ignore"):
            assert tj.jit(logarithms, check_nan=False)(np.zeros(2)) == -np.inf
    assert "check_nan = False" in config.describe()
    jitted = tj.jit(root, check_nan=True)
    assert "sqrt" in caught(tj.grad(jitted), np.zeros(2))[0]


@pytest.mark.parametrize("shape", [(), (3,), (2, 0)])
def test_answers_stay_the_same(shape: tuple[int, ...]) -> None:
    def program(x: Any) -> Any:
        y = x
        while np.sum(y) < 10:
            y = np.exp(np.sin(y)) + y * y + 1
            if y.size == 0:
                break
        return np.tanh(y), y

    x = np.full(shape, 0.25)
    for got, want in zip(tj.jit(program, check_nan=True)(x), tj.jit(program)(x)):
        np.testing.assert_array_equal(got, want)
