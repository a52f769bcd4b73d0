"""The harness notices every kind of difference: each test runs a `jit` with one fault."""

from __future__ import annotations

import faulthandler
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from . import isolate
from .compare import Policy
from .harness import Call, Difference, Rules, check, check_scenario, identity_jit


def faulty(after: Callable[[Any, tuple[Any, ...]], Any]) -> Callable[..., Any]:
    def jit(fn: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        return lambda *args: after(fn(*args), args)

    return jit


def replaced(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A jit that runs another function instead."""
    return lambda plain, **options: fn


def one(*values: Any) -> Callable[[np.random.Generator], list[tuple[Any, ...]]]:
    return lambda rng: [tuple(v.copy() if isinstance(v, np.ndarray) else v for v in values)]


X = np.arange(6.0)


@pytest.mark.parametrize(
    ("fn", "args", "fault", "says"),
    [
        (lambda x: x * 2, one(X), lambda r, a: r + 1e-9, "elements differ"),
        (lambda x: x * 2, one(X), lambda r, a: r.astype("f4"), "float32"),
        (lambda x: x * 2, one(X), lambda r, a: r[None], "(1, 6)"),
        (lambda x: x[0], one(X), lambda r, a: float(r), "NumPy scalar"),
        (lambda x: x[0], one(X), lambda r, a: np.asarray(r), "NumPy scalar"),
        (lambda x: x, one(2.5), lambda r, a: np.float64(r), "float 2.5"),
        (lambda x: x, one(2), lambda r, a: float(r), "int 2"),
        (lambda x: x, one(0.0), lambda r, a: -r, "-0.0"),
        (lambda x: np.zeros(3), one(X), lambda r, a: -r, "-0.0"),
        (lambda x: x > 1, one(2), lambda r, a: int(r), "bool True"),
        (lambda x: x, one(X), lambda r, a: r.copy(), "same object as argument leaf 0"),
        (lambda x: x.copy(), one(X), lambda r, a: a[0], "another object"),
        (lambda x: x[1:], one(X), lambda r, a: r.copy(), "shares memory"),
        (lambda x: x[1:].copy(), one(X), lambda r, a: a[0][1:], "shares memory"),
        (lambda x: x[1:3], one(X), lambda r, a: a[0][:2] if r[0] == r[1] else a[0][1:5:3], "elements differ"),
        (lambda x: x[::2], one(np.ones(6)), lambda r, a: a[0][:3], "numbered [0, 2, 4]"),
        (lambda x: (x + 1,) * 2, one(X), lambda r, a: (r[0], r[0].copy()), "same object"),
        (lambda x: (x, x), one(X), lambda r, a: [*r], "tuple"),
        (lambda x: {"a": x, "b": x}, one(X), lambda r, a: {"b": r["b"], "a": r["a"]}, "keys"),
        (lambda x: None, one(X), lambda r, a: a[0].__setitem__(2, 9.0), "9.0"),
        (lambda x: x * 1, one(X), lambda r, a: (r.setflags(write=False), r)[1], "writeable"),
        (lambda x: 1, one(X), lambda r, a: print("hello") or 1, "prints"),
        (lambda x: 2**80, one(X), lambda r, a: 2**80 + 1, "compiled gives"),
        (lambda x: float("nan"), one(X), lambda r, a: 1.0, "nan"),
    ],
)
def test_faults_are_noticed(fn: Any, args: Any, fault: Any, says: str) -> None:
    check(fn, args, jit=identity_jit)
    with pytest.raises(Difference) as caught:
        check(fn, args, jit=faulty(fault))
    assert says in str(caught.value)


def raises_at(x: Any) -> Any:
    if x < 0:
        raise ValueError("negative")
    return x


def raises_elsewhere(x: Any) -> Any:
    raise ValueError("negative")


def raises_other_text(x: Any) -> Any:
    raise ValueError("less than zero")


def raises_other_type(x: Any) -> Any:
    raise IndexError("negative")


def writes_then_raises(x: Any) -> Any:
    x[0] = 5.0
    return x[10]


def raises_without_writing(x: Any) -> Any:
    return x[10]


@pytest.mark.parametrize(
    ("plain", "compiled", "arg", "says"),
    [
        (raises_at, raises_elsewhere, -1, "line"),
        (raises_at, raises_other_text, -1, "less than zero"),
        (raises_at, raises_other_type, -1, "IndexError"),
        (raises_at, lambda x: x, -1, "compiled returns"),
        (raises_at, raises_elsewhere, 1, "plain Python does not"),
        (writes_then_raises, raises_without_writing, X, "elements differ"),
    ],
)
def test_faults_in_exceptions_are_noticed(plain: Any, compiled: Any, arg: Any, says: str) -> None:
    check(plain, one(arg), jit=identity_jit)
    with pytest.raises(Difference) as caught:
        check(plain, one(arg), jit=replaced(compiled))
    assert says in str(caught.value)


def test_allowed_exceptions_stand_in_for_the_answer() -> None:
    rules = Rules(allow=(ValueError,))
    check(lambda x: x, lambda rng: [Call(1).allowing(ValueError)], jit=replaced(raises_elsewhere))
    check(lambda x: x, one(1), jit=replaced(raises_elsewhere), rules=rules)
    with pytest.raises(Difference):
        check(lambda x: x, one(1), jit=replaced(lambda x: x + 1), rules=rules)


def test_widened_kinds_need_equal_values() -> None:
    rules = Rules(Policy(kind="widened"))
    check(lambda x: x, one(1), jit=replaced(lambda x: 1.0), rules=rules)
    check(lambda x: x, one(1.0), jit=replaced(lambda x: np.float64(1)), rules=rules)
    for wrong in (2.0, None, "1", np.ones(1)):
        with pytest.raises(Difference):
            check(lambda x: x, one(1), jit=replaced(lambda x, wrong=wrong: wrong), rules=rules)
    with pytest.raises(Difference):
        check(lambda x: x, one(1.0), jit=replaced(lambda x: 1), rules=rules)


def test_every_input_runs_through_one_object_and_the_first_again() -> None:
    seen: list[Any] = []

    def jit(fn: Any) -> Any:
        def call(x: Any) -> Any:
            seen.append(x)
            return x if seen.count(x) < 2 else "stale"

        return call

    with pytest.raises(Difference, match="again"):
        check(lambda x: x, lambda rng: [(1,), (2,), (3,)], jit=jit)
    assert seen == [1, 2, 3, 1]


def test_keyword_arguments_and_scenarios() -> None:
    check(lambda x, *, k: x + k, lambda rng: [Call(1, k=2)], jit=identity_jit)

    def story(jit: Any) -> list[Any]:
        return [jit(lambda x: x + 1)(1)]

    check_scenario(story, jit=identity_jit, rules=Rules())
    with pytest.raises(Difference):
        check_scenario(story, jit=faulty(lambda r, a: r + 1), rules=Rules())


def test_isolation_reports_crashes_and_failures() -> None:
    def crash() -> None:
        faulthandler.disable()  # no dump of a crash that is meant
        os.kill(os.getpid(), signal.SIGSEGV)

    isolate.run(lambda: None)
    with pytest.raises(isolate.Crash, match="SIGSEGV"):
        isolate.run(crash)
    with pytest.raises(isolate.Crash, match="still running"):
        isolate.run(lambda: time.sleep(5), timeout=0.2)
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        isolate.run(lambda: print(1 // 0))
