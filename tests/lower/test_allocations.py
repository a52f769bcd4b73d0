"""Where arrays are allocated: loops exchange arrays instead of making new ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracejit as tj


def chain(x: Any, n: int) -> Any:
    for _ in range(n):
        x = np.tanh(x) + x
    return x


def nest(x: Any, n: int) -> Any:
    for k in range(n):
        for _ in range(k):
            x = np.sin(x)
        x = x * 0.5
    return x


def until(x: Any, n: int) -> Any:
    k = 0
    while k < n and x[0] < 50:
        x = x * 1.5
        k += 1
    return x


def two(x: Any, n: int) -> Any:
    y = x + 1
    for _ in range(n):
        x, y = y * 0.5, x - y
    return x, y


def raising(x: Any, n: int) -> Any:
    for k in range(n):
        x = np.sqrt(x + k)
        if x[0] > 2.3:
            raise ValueError(f"{x[0]:.3f} after {k}")
    return x


def in_the_body(f: Callable[..., Any], *arguments: Any) -> int:
    """How many allocations the program makes inside loops."""
    depth, found = 0, 0
    for line in tj.jit(f).ir(*arguments, stage="loops").splitlines():
        found += depth > 0 and "= alloc" in line and "stack" not in line
        depth += line.count("{ (") - (line.strip() == "}")
    return found


@pytest.mark.parametrize("f", [chain, nest, until, two])
def test_agree(f: Callable[..., Any]) -> None:
    compiled = tj.jit(f)
    for size in (1, 3, 300, 301):
        for n in (0, 1, 2, 3, 6):
            x = np.linspace(0.5, 2, size)
            np.testing.assert_allclose(compiled(x, n), f(x, n), rtol=1e-14)
            np.testing.assert_array_equal(x, np.linspace(0.5, 2, size))


@pytest.mark.parametrize("f", [chain, until])
def test_nothing_is_allocated_turn_by_turn(f: Callable[..., Any]) -> None:
    assert in_the_body(f, np.ones(1000), 5) == 0


def test_parts_of_gradients_share_their_arrays() -> None:
    def f(x: Any) -> Any:
        for _ in tj.checkpointed(range(100)):
            x = np.tanh(x)
        return x.sum()

    gradient = tj.grad(f)
    for size in (1000, 1001, 1002):
        text = gradient.ir(np.ones(size), stage="loops")
        assert text.count("= alloc") == text.count("free ") + 1  # the result
        assert in_the_body(gradient, np.ones(size)) == 0


def test_exceptions() -> None:
    compiled = tj.jit(raising)
    for _ in range(3):
        x = np.linspace(0.5, 2, 400)
        with pytest.raises(ValueError) as plain:
            raising(x, 50)
        with pytest.raises(ValueError, match=str(plain.value)):
            compiled(x, 50)
        np.testing.assert_allclose(compiled(x, 2), raising(x, 2))
