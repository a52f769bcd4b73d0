"""What errors of the front end say: what is wrong, where, and what to write instead."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.trace.call import Traced
from tracejit.errors import CaptureError, NeedsConcrete, TracejitError, UnsupportedError, runtime_error
from tracejit.ir.loc import Loc


def message(function: Callable[..., Any], *args: Any, kind: type[TracejitError] = CaptureError) -> str:
    with pytest.raises(kind) as caught:
        Traced(function)(*args)
    return str(caught.value)


def test_the_line_the_caret_and_the_advice() -> None:
    def f(x: Any) -> Any:
        with open("somewhere") as file:
            return x, file

    text = message(f, 1.0, kind=TracejitError)
    assert "test_messages.py" in text and "in test_the_line_the_caret_and_the_advice.<locals>.f" in text
    line = next(k for k, part in enumerate(text.split("\n")) if "with open(" in part)
    carets = text.split("\n")[line + 1]
    assert text.split("\n")[line][carets.index("^") :].startswith("open(")
    assert "write instead: " in text


def test_the_chain_of_calls() -> None:
    def helper(v: Any) -> Any:
        return [1, 2, 3][v.sum()]

    def f(x: Any) -> Any:
        y = x + 1
        return helper(y)

    text = message(f, np.arange(3), kind=NeedsConcrete)
    assert "[1, 2, 3][v.sum()]" in text and "called from" in text and "return helper(y)" in text
    assert text.index("v.sum()") < text.index("helper(y)")


def test_a_list_index_that_is_not_known() -> None:
    def f(x: Any) -> Any:
        table = [1.0, 2.0, 3.0]
        total = 0.0
        for i in range(len(x)):
            total += table[x[i]]
        return total

    text = message(f, np.zeros(20, int), kind=NeedsConcrete)
    assert "the value of an index of a list" in text and "write instead: an array" in text


def test_growing_a_list_in_a_loop() -> None:
    def f(n: int) -> Any:
        found = []
        for i in range(n):
            found.append(i)
        return found

    text = message(f, 5)
    assert "another length" in text and "for i in range(n)" in text and "np.empty(n)" in text


def test_items_that_differ_between_branches() -> None:
    def f(x: float) -> Any:
        found = [1.0]
        if x > 0:
            found.append(x)
        return found

    text = message(f, 5.0)
    assert "has 2 items after one branch and 1 item after the other" in text and "if x > 0" in text


def test_a_carried_array_that_changes_its_dtype() -> None:
    def f(n: int) -> Any:
        x = np.zeros(3, dtype=int)
        for _ in range(n):
            x = x * 0.5
        return x

    text = message(f, 5)
    assert "'x' is an int64 array" in text and "here it becomes a float64 array" in text


def test_use_of_what_differs_by_path() -> None:
    def f(x: float) -> Any:
        r = None
        if x > 0:
            r = (1, 2)
        a, b = r
        return a

    text = message(f, 5.0)
    assert "None or a tuple of 2" in text or "a tuple of 2 or None" in text
    assert "depending on the path taken" in text


def test_unbound_on_one_path() -> None:
    def f(x: float) -> float:
        if x > 0:
            y = x
        return y

    traced = Traced(f)
    assert traced(1.0) == 1.0
    with pytest.raises(
        UnboundLocalError, match="cannot access local variable 'y' where it is not associated with a value"
    ):
        traced(-1.0)


def test_a_try_around_what_may_fail() -> None:
    def f(x: Any, i: int) -> Any:
        try:
            return x[i]
        except IndexError:
            return 0.0

    text = message(f, np.arange(3.0), 7)
    assert "whether an IndexError is raised here" in text and "x[i]" in text


def test_a_try_around_a_raise_under_a_traced_condition() -> None:
    def f(x: float) -> float:
        try:
            if x > 0:
                raise ValueError("no")
        except ValueError:
            x = 0.0
        return x

    assert "this would catch it" in message(f, 1.0)


def test_comprehension_of_unknown_length() -> None:
    def f(n: int) -> Any:
        return [i * 2 for i in range(n)]

    text = message(f, 3)
    assert "known at run time only" in text and "np.array([... for ...])" in text


def test_a_loop_that_would_have_to_be_unrolled() -> None:
    def f(x: float) -> float:
        table = list(range(3000))
        for i in range(3000):
            x = x + table[i]
        return x

    text = message(f, 1.0)
    assert "3000 turns" in text and "the limit is 1024" in text and "table[i]" in text


def test_unsupported_functions_are_named() -> None:
    def f(x: Any) -> Any:
        return np.fft.fft(x)

    assert "np.fft.fft is not supported" in message(f, np.ones(4), kind=UnsupportedError)


# --- tracebacks ----------------------------------------------------------------------------------------------------


def test_an_exception_while_tracing_shows_the_users_frames_only() -> None:
    def f(x: Any) -> Any:
        return x.reshape(5, 7)

    with pytest.raises(ValueError, match="cannot reshape array of size 3") as caught:
        Traced(f)(np.ones(3))
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-1].line == "return x.reshape(5, 7)"
    inside = frames[next(k for k, s in enumerate(frames) if s.filename.endswith("call.py")) :]
    assert not [s for s in inside if "/tracejit/trace/" in s.filename and not s.filename.endswith("program.py")]


def test_a_failing_check_looks_as_if_raised_by_the_users_line() -> None:
    here = Loc(__file__, 12, 4, 9, "inner", Loc(__file__, 20, 0, 5, "Outer.method"))
    error = runtime_error(IndexError("out of bounds"), here)
    frames = traceback.extract_tb(error.__traceback__)
    assert [(s.name, s.lineno, s.colno) for s in frames] == [("method", 20, 0), ("inner", 12, 4)]
    assert all(s.filename == __file__ for s in frames)
