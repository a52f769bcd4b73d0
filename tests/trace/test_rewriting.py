"""Rewritten functions, outside of any trace, are the functions they were made from."""

from __future__ import annotations

import copy
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

import pytest

from tests.differential.harness import Rules, check
from tests.differential.registry import load
from tests.trace.control_programs import PROGRAMS
from tracejit.errors import CaptureError
from tracejit.trace.flow import Flow, free_names, scope_of
from tracejit.trace.hooks import Hooks
from tracejit.trace.rewrite import Rewritten, rewrite
from tracejit.trace.source import NoSource, source_of

CORPUS = load()
GENERATORS = {"refusable/generator_function"}  # refused by the rewriting itself


def parts(function: Callable[..., Any]) -> Rewritten:
    assert isinstance(function, types.FunctionType)
    return rewrite(source_of(function), function.__code__)


def rewritten(function: Any = None, **options: Any) -> Any:
    """A `jit` that rewrites and does nothing else."""
    if function is None:
        return lambda f: rewritten(f, **options)
    if not isinstance(function, types.FunctionType) or "@" in function.__code__.co_freevars:
        return function
    try:
        made = parts(function)
    except NoSource:
        return function
    return made.make(function, Hooks(function, made))


@pytest.mark.parametrize("name", [n for n in CORPUS if n not in GENERATORS])
def test_corpus(name: str) -> None:
    CORPUS[name].run(rewritten)


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_control_programs(name: str) -> None:
    check(PROGRAMS[name][0], lambda rng: copy.deepcopy(list(PROGRAMS[name][1])), jit=rewritten, rules=Rules())


# --- what stays as it was --------------------------------------------------------------------------------------------


def raises_deep_inside(x: int) -> int:
    for k in range(3):
        if x > k:
            while True:
                y = {"a": 1}["b" if x else "a"]
                return y
    return 0


def test_lines_and_columns_in_tracebacks() -> None:
    def places(f: Callable[[int], int]) -> list[Any]:
        try:
            f(5)
        except KeyError as error:
            frames = traceback.extract_tb(error.__traceback__)
            return [s.lineno for s in frames if s.name == "raises_deep_inside"]
        raise AssertionError

    assert places(rewritten(raises_deep_inside)) == places(raises_deep_inside)


def test_names_flags_and_module() -> None:
    def f(a: int, b: int = 2, *args: int, c: int = 3, **rest: int) -> Any:
        """Documented."""
        return a, b, args, c, rest, (lambda q: q + a)(1)

    g = rewritten(f)
    assert g(1) == f(1) and g(1, 5, 6, c=7, d=8) == f(1, 5, 6, c=7, d=8)
    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        assert getattr(g, name) == getattr(f, name)
    assert g.__code__.co_qualname == f.__code__.co_qualname
    assert g.__globals__ is f.__globals__
    inner = [c.co_qualname for c in parts(f).codes]
    assert inner[0] == f.__qualname__ and f"{f.__qualname__}.<locals>.<lambda>" in inner


def test_the_module_is_left_alone() -> None:
    before = set(globals())
    rewritten(raises_deep_inside)(0)
    assert set(globals()) == before


def test_line_events_reach_a_debugger() -> None:
    def f(x: int) -> int:
        total = 0
        for k in range(3):
            if k > x:
                total += 1
            else:
                total += 2
        return total

    def lines(function: Any) -> set[int]:
        seen: set[int] = set()
        code = function.__code__

        def tracer(frame: Any, event: str, arg: Any) -> Any:
            if frame.f_code is not code:
                return None
            seen.add(frame.f_lineno)
            return tracer

        previous = sys.gettrace()
        sys.settrace(tracer)
        try:
            function(1)
        finally:
            sys.settrace(previous)
        return seen

    assert lines(f) <= lines(rewritten(f))


def test_closures_share_their_cells() -> None:
    k = 1

    def f(x: int) -> int:
        return x + k

    g = rewritten(f)
    assert g(1) == 2
    k = 10
    assert g(1) == 11


# --- what is refused -------------------------------------------------------------------------------------------------


def refusal(function: Callable[..., Any]) -> str:
    with pytest.raises(CaptureError) as caught:
        parts(function)
    return str(caught.value)


def test_yield() -> None:
    def f(x):
        yield x

    text = refusal(f)
    assert "'yield' is not supported" in text and "yield x" in text and "^^^^^^^" in text
    assert "write instead: a list or an array that is filled and returned" in text


def test_async() -> None:
    def f(x):
        async def g():
            return x

        return g

    assert "'async' is not supported" in refusal(f)


def test_except_star() -> None:
    def f(x):
        try:
            return x
        except* ValueError:
            pass

    assert "'except*' is not supported" in refusal(f)


def test_jump_out_of_finally() -> None:
    def f(x):
        for _ in range(3):
            try:
                x += 1
            finally:
                break
        return x

    assert "a jump out of 'finally'" in refusal(f)


def test_walrus_deep_in_a_lazy_part() -> None:
    def f(x):
        return [x > 1 and (y := x)]

    assert "':=' inside a part of an expression that may not be evaluated" in refusal(f)


# --- names -----------------------------------------------------------------------------------------------------------


def analysis(text: str) -> tuple[Any, Flow]:
    import ast

    (node,) = ast.parse(text).body
    assert isinstance(node, ast.FunctionDef)
    flow = Flow(scope_of(node))
    flow.run(node.body)
    return node, flow


def test_branches_hand_over_what_is_read_later() -> None:
    node, flow = analysis("def f(a):\n if a:\n  x = 1\n  y = 2\n else:\n  x = 3\n return x\n")
    info = flow.branches[node.body[0]]
    assert info.joined == {"x"} and "y" not in info.restored


def test_scopes() -> None:
    import ast

    (node,) = ast.parse("def f(a):\n g = lambda q: a + b + q\n def h():\n  nonlocal g\n  return [i for i in c]\n").body
    assert isinstance(node, ast.FunctionDef)
    scope = scope_of(node)
    assert scope.local == {"a", "g", "h"} and scope.captured == {"a", "g"}
    assert free_names(node) == {"b", "c"}
