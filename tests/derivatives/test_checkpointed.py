"""Loops that reverse mode computes again in parts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

import tracejit as tj
from tracejit.ir.core import Block, Function
from tracejit.ir.types import INDEX
from tracejit.ops.builder import Builder
from tracejit.ops.interpret import interpret
from tracejit.transform.binomial import _distance

SCHEDULES: list[int | str] = ["sqrt", "levels 2", "levels 3", "binomial 1", "binomial 3", "binomial 30", 1, 3, 1000]

Wrap = Callable[[Iterable[Any]], Iterable[Any]]


def program(wrap: Wrap) -> Any:
    def f(x: Any, k: float, n: int) -> Any:
        kept = np.zeros(n + 1)
        for i in wrap(range(n)):
            if x[0] > 0.2:
                x = np.tanh(x * k + 0.01 * i)
            else:
                x = x + kept[i]
            kept[i + 1] = (x * x).sum()
        return kept.sum() + (x * x).sum()

    return f


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_agrees(schedule: int | str) -> None:
    plain, parts = program(lambda items: items), program(lambda items: tj.checkpointed(items, schedule))
    x = np.array([0.3, 0.9, -0.4])
    for n in (0, 1, 2, 10, 23):
        assert parts(x, 1.1, n) == plain(x, 1.1, n)
        both = [tj.value_and_grad(f, argnums=(0, 1))(x, 1.1, n) for f in (plain, parts)]
        np.testing.assert_allclose(both[1][0], both[0][0], rtol=1e-14)
        for a, b in zip(both[0][1], both[1][1]):
            np.testing.assert_allclose(b, a, rtol=1e-12)


def test_orders_and_modes() -> None:
    plain, parts = program(lambda items: items), program(tj.checkpointed)
    x, v = np.array([0.3, 0.9, -0.4]), np.array([1.0, 0.5, -0.5])
    for schedule in ("sqrt", "binomial 3"):
        parts = program(lambda items: tj.checkpointed(items, schedule))  # noqa: B023
        np.testing.assert_allclose(tj.hessian(parts)(x, 1.1, 10), tj.hessian(plain)(x, 1.1, 10), rtol=1e-11)
    np.testing.assert_allclose(
        tj.grad(lambda x: (tj.grad(parts)(x, 1.1, 10) * v).sum())(x), tj.hessian(plain)(x, 1.1, 10) @ v, rtol=1e-11
    )
    moved = [tj.jvp(f, (x, 1.1, 10), (v, 1.0, None))[1] for f in (plain, parts)]
    np.testing.assert_allclose(moved[1], moved[0], rtol=1e-13)


def test_what_is_kept() -> None:
    def f(wrap: Wrap) -> Any:
        def g(x: Any) -> Any:
            for _ in wrap(range(100)):
                x = np.tanh(x)
            return x.sum()

        return tj.grad(g).ir(np.ones(7))

    assert "f64[100, 7]" in f(lambda items: items)
    for schedule, rows in [("sqrt", 10), ("levels 2", 5), (25, 25)]:
        text = f(lambda items: tj.checkpointed(items, schedule))  # noqa: B023
        assert "f64[100, 7]" not in text and f"f64[{rows}, 7]" in text


def test_binomial_keeps_so_many_states() -> None:
    def f(x: Any, n: int) -> Any:
        for _ in tj.checkpointed(range(n), "binomial 6"):
            x = np.tanh(x)
        return x.sum()

    text = tj.grad(f).ir(np.ones(7), 100)
    assert "f64[7, 7]" in text and "f64[100, 7]" not in text  # six rows, and the state at hand


@functools.cache
def fewest_runs(turns: int, states: int) -> int:
    """How often turns run before the last of them is undone, at least: by trying all schedules."""
    if turns == 1:
        return 0
    if states == 1:
        return turns * (turns - 1) // 2
    return min(m + fewest_runs(m, states) + fewest_runs(turns - m, states - 1) for m in range(1, turns))


def test_binomial_runs_no_turn_too_often() -> None:
    builder = Builder(Block([INDEX, INDEX]))
    builder.return_(_distance(builder, *builder.block.params))
    distance = Function("distance", builder.block, {"mutated": {}})

    def runs(turns: int, states: int) -> int:
        if turns == 1:
            return 0
        if states == 1:
            return turns * (turns - 1) // 2
        (m,) = interpret(distance, [np.int64(turns - 1), np.int64(states)])
        return int(m) + runs(int(m), states) + runs(turns - int(m), states - 1)

    for states in (1, 2, 3, 5, 8):
        for turns in (1, 2, 3, 7, 20, 36, 55, 60):
            assert runs(turns, states) == fewest_runs(turns, states)


def test_over_arrays_and_backwards() -> None:
    def f(wrap: Wrap) -> Any:
        def g(a: Any) -> Any:
            y = 1.0
            for v in wrap(a):
                y = np.sin(y * v)
            for i in wrap(range(len(a) - 1, -1, -2)):
                y = y * a[i] + 1
            return y

        return g

    a = np.linspace(0.5, 1.5, 11)
    np.testing.assert_allclose(tj.grad(f(tj.checkpointed))(a), tj.grad(f(lambda items: items))(a), rtol=1e-13)


@pytest.mark.parametrize("outer", ["sqrt", "levels 2", "binomial 2"])
@pytest.mark.parametrize("inner", ["sqrt", "binomial 3", 2])
def test_loops_in_loops(outer: str, inner: str | int) -> None:
    def f(outside: Wrap, inside: Wrap) -> Any:
        def g(x: Any, a: Any, n: int) -> Any:
            m = 0
            for i in outside(range(n, 0, -2)):
                for j in inside(range(5)):
                    x = np.tanh(x * a[j] + 0.1 * i)
                    m += j
                if m > 20:
                    x = x + a[:2].sum()
                    m = 0
            return (x * x).sum()

        return tj.grad(g, argnums=(0, 1))

    def same(items: Iterable[Any]) -> Iterable[Any]:
        return items

    given = np.array([0.1, 0.5, 0.9]), np.linspace(0.5, 1.4, 5), 31
    expected = f(same, same)(*given)
    found = f(lambda items: tj.checkpointed(items, outer), lambda items: tj.checkpointed(items, inner))(*given)
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_refused() -> None:
    def early(x: float) -> float:
        for _ in tj.checkpointed(range(20)):
            x = np.sin(x)
            if x < 0.1:
                break
        return x

    with pytest.raises(tj.errors.CaptureError, match="may end early") as error:
        tj.grad(early)(1.0)
    assert "for _ in tj.checkpointed(range(20))" in str(error.value)
    for schedule in ("binomial", "binomial 0", "levels 0", 0, -1, True, 1.5):
        with pytest.raises(ValueError, match="expected 'sqrt', 'levels 2' \\(or more\\), 'binomial 10'"):
            tj.checkpointed(range(3), schedule)  # type: ignore[arg-type]
    assert list(tj.checkpointed(range(3))) == [0, 1, 2]
