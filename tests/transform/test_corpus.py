"""Every program of the repository whose float results depend on float inputs is differentiated: reverse mode agrees
with forward mode, forward mode with the interpreter on dual numbers, and with differences where the program is smooth.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.differential.harness import Call, count_calls, make_call, observe
from tests.differential.registry import load
from tests.transform.agreement import differentiate
from tracejit.demos import PROGRAMS, Program

NIGHTLY = os.environ.get("TRACEJIT_NIGHTLY", "") not in ("", "0")
CORPUS = {name: case for name, case in load().items() if case.inputs is not None}

NOT_DESCRIBED = {
    "bad_arguments/structured_arrays": "refused before tracing",
    "bad_arguments/byte_swapped_arrays": "copied to native order before tracing",
    "bad_arguments/huge_python_ints": "refused before tracing",
    "bad_arguments/huge_python_int_with_an_array": "refused before tracing",
    "bad_arguments/huge_slice_bounds": "refused before tracing",
}
"""Programs whose arguments never reach the front end."""

CONSTANT_DEMOS = {
    "levenshtein": "integers",
    "sieve": "integers",
    "game_of_life": "integers",
    "union_find": "integers",
    "collatz": "integers",
    "viterbi": "the result is a path: integers",
    "mandelbrot": "counts of turns until an escape test holds",
    "mandelbrot_masks": "counts of turns until an escape test holds",
    "monte_carlo_pi": "a count of random points",
    "ising": "spins are decided by comparisons with random numbers",
    "smith_waterman": "integers",
    "knapsack": "integers",
    "floyd_steinberg": "a picture of bytes, made black and white",
}
"""Demo programs of which no float result depends smoothly on a float argument."""

SMALLER: dict[str, Callable[[Any], Any]] = {
    "bilateral_filter": lambda a: (a[0][:4, :4].copy(), 1, *a[2:]),
    "sor": lambda a: (a[0][:5, :5].copy(), a[1][:5, :5].copy(), *a[2:4], 2),
}
"""Inputs of demo programs that would take the interpreter long."""


def calls(name: str) -> Iterator[Call]:
    """The calls of a program of the corpus that plain Python answers."""
    case = CORPUS[name]
    assert case.inputs is not None
    for index in range(count_calls(case.inputs)):
        if observe(case.fn, make_call(case.inputs, index), case.fn).error is None:
            yield make_call(case.inputs, index)


def differentiate_case(name: str, every_call: bool) -> int:
    """How many calls of a program of the corpus were differentiated, of all or until the first."""
    case, count = CORPUS[name], 0
    for call in calls(name):
        count += differentiate(case.fn, call, name, (*case.rules.allow, *call.allow))
        if count and not every_call:
            break
    return count


def test_most_of_the_corpus_is_differentiated() -> None:
    """So that what is not differentiated is not so by mistake."""
    names = sorted(CORPUS.keys() - NOT_DESCRIBED)[::7]
    assert sum(differentiate_case(name, False) for name in names) > len(names) / 2


@pytest.mark.parametrize("name", sorted(CORPUS.keys() - NOT_DESCRIBED))
def test_corpus(name: str) -> None:
    differentiate_case(name, NIGHTLY)


@pytest.mark.parametrize("demo", PROGRAMS, ids=lambda p: p.name)
@pytest.mark.parametrize("seed", range(3 if NIGHTLY else 1))
def test_demos(demo: Program, seed: int) -> None:
    arguments = SMALLER.get(demo.name, lambda a: a)(demo.make_inputs("tiny", seed))
    found = differentiate(demo.function, Call(*arguments), demo.name, ())
    assert found != (demo.name in CONSTANT_DEMOS)
