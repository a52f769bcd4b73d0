"""Branches and loops: traced and interpreted, or only rewritten, they do what Python does."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from tests.differential.harness import Rules, check
from tests.trace.call import Traced
from tests.trace.control_programs import PROGRAMS
from tracejit.trace.control import Options
from tracejit.trace.turns import Turn


def _inputs(name: str) -> Any:
    return lambda rng: [copy.deepcopy(given) for given in PROGRAMS[name][1]]


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("name", list(PROGRAMS))
def test_program(name: str, dynamic: bool) -> None:
    check(PROGRAMS[name][0], _inputs(name), jit=lambda f: Traced(f, dynamic), rules=Rules(lines=False))


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_program_without_unrolling(name: str) -> None:
    # short loops are recorded like long ones, unless they must be unrolled
    check(PROGRAMS[name][0], _inputs(name), jit=lambda f: Traced(f, unroll=1), rules=Rules(lines=False))


# --- what is recorded
# ------------------------------------------------------------------------------------------------------


def program_of(function: Any, *args: Any, **options: Any) -> Any:
    traced = Traced(function, **options)
    traced(*args)
    return traced.programs[-1]


def ops_of(function: Any, *args: Any, **options: Any) -> list[str]:
    return [op.name for op in program_of(function, *args, **options).function.walk()]


def test_a_decided_branch_leaves_no_trace() -> None:
    def f(x: Any, k: str) -> Any:
        if k == "double":
            return x * 2
        elif k == "half":
            return x / 2
        return x

    assert "if" not in ops_of(f, 1.0, "half")


def test_a_loop_over_a_range_is_a_for() -> None:
    def f(n: int) -> int:
        t = 0
        for i in range(n):
            t += i
        return t

    ops = ops_of(f, 5)
    assert ops.count("for") == 1 and "while" not in ops and "if" not in ops


def test_a_static_loop_of_a_thousand_turns_is_rolled() -> None:
    def f(x: float) -> float:
        t = 0.0
        for i in range(1000):
            t = t * 0.5 + x * i
        return t

    ops = ops_of(f, 1.0)
    assert ops.count("for") == 1 and len(ops) < 20


def test_a_short_innermost_loop_is_unrolled() -> None:
    def f(x: float) -> float:
        for i in range(3):
            x = x * i + 1
        return x

    assert "for" not in ops_of(f, 1.0)
    assert ops_of(f, 1.0, unroll=2).count("for") == 1


def test_a_loop_with_break_is_a_while_whose_flag_is_part_of_the_condition() -> None:
    def f(x: Any) -> int:
        for i in range(len(x)):
            if x[i] > 3:
                break
        return 7

    (loop,) = [op for op in program_of(f, np.arange(20.0)).function.walk() if op.name == "while"]
    assert len(loop.operands) == 2  # the counter, and whether to go on


def test_a_break_at_the_top_is_the_condition() -> None:
    def f(n: int) -> int:
        k = 0
        while True:
            if k >= n:
                break
            k += 2
        return k

    (loop,) = [op for op in program_of(f, 5).function.walk() if op.name == "while"]
    assert len(loop.operands) == 1


def test_names_that_are_not_read_again_are_not_carried() -> None:
    def f(x: Any) -> float:
        total = 0.0
        for i in range(len(x)):
            square = x[i] * x[i]
            shifted = square + 1
            total = total + shifted
        return total

    (loop,) = [op for op in program_of(f, np.arange(20.0)).function.walk() if op.name == "for"]
    assert len(loop.operands) - 3 <= 2  # the total, and whether it is still the Python number it was


def test_arrays_that_are_only_read_are_not_carried() -> None:
    def f(x: Any, y: Any) -> Any:
        for i in range(len(x)):
            y[i] = x[i]
        return y

    (loop,) = [op for op in program_of(f, np.arange(20.0), np.zeros(20)).function.walk() if op.name == "for"]
    assert len(loop.operands) - 3 == 1


def test_a_swap_carries_the_arrays_and_no_choices_between_them() -> None:
    def f(u: Any, v: Any, n: int) -> Any:
        for _ in range(n):
            for i in range(1, 9):
                v[i] = u[i - 1] + u[i + 1]
            u, v = v, u
        return u

    function = program_of(f, np.zeros(10), np.zeros(10), 3, unroll=1).function
    outer = next(op for op in function.walk() if op.name == "for")
    assert "if" not in [op.name for op in outer.walk()]


def test_a_branch_that_raises_is_a_check() -> None:
    def f(x: float) -> float:
        if x < 0:
            raise ValueError("negative")
        return x * 2

    ops = ops_of(f, 1.0)
    assert "if" not in ops and "check" in ops


def test_conditions_of_plain_comparisons_have_no_branches() -> None:
    def f(a: float, b: float) -> float:
        if 0 < a < 1 and (b > 2 or b < -2) and not a == b:
            return a
        return b

    assert ops_of(f, 0.5, 3.0).count("if") == 1


def test_nested_loops_are_not_recorded_exponentially_often(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = 0
    original = Turn.__init__

    def counting(self: Turn, *args: Any) -> None:
        nonlocal turns
        turns += 1
        original(self, *args)

    monkeypatch.setattr(Turn, "__init__", counting)

    def f(n: int) -> float:
        total = 0
        for a in range(n):
            for b in range(n):
                for c in range(n):
                    for d in range(n):
                        for e in range(n):
                            total += a * 0.5 + b + c + d + e
        return total

    program_of(f, 3)
    # one per level would do, and one more where the type of the total turns out to change
    assert turns <= 20


def test_unroll_limit() -> None:
    from tracejit.errors import CaptureError

    def f(x: float) -> float:
        table = list(range(5000))
        for i in range(5000):
            x += table[i]
        return x

    with pytest.raises(CaptureError, match="limit is 1024"):
        Traced(f)(1.0)
    assert Traced(f, max_unroll=5000, unroll=1)(1.0) == f(1.0)


def test_options_have_the_documented_defaults() -> None:
    assert (Options().unroll, Options().max_unroll, Options().inline_depth) == (8, 1024, 200)
