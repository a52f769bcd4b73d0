"""What ``explain()`` says about how ``vmap`` runs the lanes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracejit as tj
from tracejit.codegen.target import Target


def halvings(x: float) -> int:
    n = 0
    while x > 1.0:
        x /= 2.0
        n += 1
    return n


def product(x: Any) -> Any:
    return x @ x


def partial_sum(x: Any, n: int) -> Any:
    total = 0.0
    for i in range(n):
        total += np.sum(x[:i])
    return total


def printed(x: Any) -> Any:
    print(x)
    return x + 1.0


def _told(program: Callable[..., Any], *args: Any) -> str:
    f = tj.jit(program)
    f(*args)
    (line,) = [line for line in f.explain().splitlines() if "vmap of" in line]
    return line.strip()


def test_rules() -> None:
    told = _told(lambda x: tj.vmap(product)(x), np.ones((3, 4)))
    assert told == "vmap of product: all lanes at once, by batching rules"


def test_lanes_that_part_ways() -> None:
    told = _told(lambda x: tj.vmap(halvings)(x), np.arange(50.0))
    line = halvings.__code__.co_firstlineno + 2
    assert told.startswith(
        f"vmap of halvings: a loop over the lanes, since lanes make different numbers of turns (line {line}); "
    )
    if Target.host().vector_bits >= 256:
        assert told.endswith(" lanes at a time, as vectors")


def test_scalar_lanes_that_were_asked_for() -> None:
    told = _told(lambda x: tj.vmap(halvings, lanes="scalar")(x), np.arange(50.0))
    if Target.host().vector_bits >= 256:
        assert told.endswith('; one lane at a time, since lanes="scalar" says so')


def test_scalar_lanes_that_are_better() -> None:
    told = _told(lambda x, n: tj.vmap(partial_sum)(x, n), np.ones((4, 5)), np.arange(4))
    assert "since lanes make different turns" in told
    if Target.host().vector_bits >= 256:
        assert "; one lane at a time, since there is a loop over the elements of arrays in it" in told


def test_lanes_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    told = _told(lambda x: tj.vmap(printed)(x), np.ones(2))
    assert told == "vmap of printed: a loop over the lanes, since lanes keep their order; one lane after the other"
    assert capsys.readouterr().out == "1.0\n1.0\n"


def test_a_loop_of_each() -> None:
    def program(x: Any) -> Any:
        return tj.vmap(tj.vmap(halvings))(x)

    f = tj.jit(program)
    np.testing.assert_array_equal(f(np.array([[3.0, 8.0], [0.5, 100.0]])), [[2, 3], [0, 7]])
    assert "vmap of halvings: a loop" in f.explain() and "vmap of vmap(halvings): a loop" in f.explain()
