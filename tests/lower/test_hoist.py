"""Loop-invariant code motion: what moves, how far, and what must not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lower.helpers import apply, golden, parse
from tracejit.ir.core import Function
from tracejit.lower import hoist

X = np.arange(4.0)


def names(function: Function) -> list[str]:
    """The ops of the top block."""
    return [op.name for op in function.body.ops if op.name != "const"]


def test_scalars_move_as_far_as_they_can() -> None:
    golden(
        """
        func f(%n: i64, %x: f64, %y: f64) {
          %zero: i64 = const 0
          %one: i64 = const 1
          %r: f64 = for %zero, %n, %one, %x { (%i: i64, %a: f64) ->
            %s: f64 = for %zero, %n, %one, %a { (%j: i64, %b: f64) ->
              %two: f64 = const 2.0
              %u: f64 = mul %x, %two
              %v: f64 = exp %u
              %fi: f64 = cast %i
              %w: f64 = mul %fi, %v
              %c: f64 = add %b, %w
              yield %c
            }
            yield %s
          }
          return %r
        }
        """,
        """
        func f(%n: i64, %x: f64, %y: f64) {
          %zero: i64 = const 0
          %one: i64 = const 1
          %two: f64 = const 2.0
          %u: f64 = mul %x, %two
          %v: f64 = exp %u
          %r: f64 = for %zero, %n, %one, %x { (%i: i64, %a: f64) ->
            %fi: f64 = cast %i
            %w: f64 = mul %fi, %v
            %s: f64 = for %zero, %n, %one, %a { (%j: i64, %b: f64) ->
              %c: f64 = add %b, %w
              yield %c
            }
            yield %s
          }
          return %r
        }
        """,
        hoist.run,
        inputs=[[3, 0.5, 1.0], [0, 0.5, 1.0]],
    )


LOADS = """
    func f(%n: i64, %x: f64[%n], %m: i64, %k: i64) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %x0: f64 = const 0.0
      %r: f64 = for %zero, %n, %one, %x0 { (%i: i64, %a: f64) ->
        %s: f64 = for %zero, %m, %one, %a { (%j: i64, %b: f64) ->
          %v: f64 = view %x, INDEX {pairs = ()}
          %c: f64 = add %b, %v
          yield %c
        }
        yield %s
      }
      return %r
    }
    """


def test_loads_move_when_in_bounds_before_the_loop() -> None:
    f = apply(parse(LOADS.replace("INDEX", "%i")), (hoist.run,), [[4, X, 3, 0], [0, X[:0], 3, 0], [2, X[:2], 0, 0]])
    outer = next(op for op in f.body.ops if op.name == "for")
    assert [op.name for op in outer.regions[0].ops] == ["view", "for", "yield"]
    # nothing says that k is in bounds when the loops do not run
    f = apply(parse(LOADS.replace("INDEX", "%k")), (hoist.run,), [[4, X, 3, 2], [4, X, 0, 99], [0, X[:0], 3, 99]])
    outer = next(op for op in f.body.ops if op.name == "for")
    assert [op.name for op in outer.regions[0].ops] == ["for", "yield"]


def test_loads_of_what_the_loop_writes_stay() -> None:
    text = """
    func f(%n: i64, %x: f64[4]) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %y: f64[4] = for %zero, %n, %one, %x { (%i: i64, %a: f64[4]) ->
        %v: f64 = view %a, %zero {pairs = ()}
        %w: f64 = neg %v
        %b: f64[4] = update %a, %w, %zero {pairs = ()}
        yield %b
      }
      return %y
    }
    """
    golden(text, text, hoist.run, inputs=[[3, X + 1]])


ARRAYS = """
    func f(%n: i64, %x: f64[4], %p: bool) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %two: f64 = const 2.0
      %y: f64[4] = for %zero, STOP, %one, %x { (%i: i64, %a: f64[4]) ->
        %fill: f64[4] = view %two {pairs = ()}
        %b: f64[4] = mul %x, %fill
        %c: f64[4] = exp %b
        %d: f64[4] = add %a, %c
        %e: f64[4] = add %d, %b
        yield %e
      }
      return %y
    }
    """


def test_dear_arrays_move_from_loops_that_run() -> None:
    inputs = [[3, X, True], [0, X, True]]
    text = ARRAYS.replace("STOP", "%three").replace("%zero:", "%three: i64 = const 3\n %zero:", 1)
    f = apply(parse(text), (hoist.run,), inputs)
    assert names(f) == ["view", "mul", "exp", "for", "return"]
    f = apply(parse(ARRAYS.replace("STOP", "%n")), (hoist.run,), inputs)
    assert names(f) == ["for", "return"]


def test_dear_arrays_under_a_condition_stay() -> None:
    text = """
    func f(%x: f64[4], %p: bool) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %three: i64 = const 3
      %y: f64[4] = for %zero, %three, %one, %x { (%i: i64, %a: f64[4]) ->
        %c: f64[4] = if %p {
          %b: f64[4] = exp %x
          yield %b
        } {
          yield %a
        }
        yield %c
      }
      return %y
    }
    """
    assert names(apply(parse(text), (hoist.run,), [[X, True], [X, False]])) == ["for", "return"]


def test_cheap_arrays_stay_where_they_are_fused() -> None:
    f = apply(parse(ARRAYS.replace("STOP", "%n").replace("exp %b", "neg %b")), (hoist.run,), [[3, X, True]])
    assert names(f) == ["for", "return"]


def test_whole_loops_move() -> None:
    text = """
    func f(%n: i64, %x: f64[4], %p: bool) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %four: i64 = const 4
      %x0: f64 = const 0.0
      %y: f64 = for %zero, %four, %one, %x0 { (%i: i64, %a: f64) ->
        %s: f64 = for %zero, %four, %one, %x0 { (%j: i64, %b: f64) ->
          %v: f64 = cast %j
          %c: f64 = add %b, %v
          yield %c
        }
        %d: f64 = add %a, %s
        yield %d
      }
      return %y
    }
    """
    assert names(apply(parse(text), (hoist.run,), [[3, X, True]])) == ["for", "for", "return"]


CHECKED = """
    func f(%n: i64, %k: i64, %x: f64[4]) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %four: i64 = const 4
      %y: f64[4] = for %zero, STOP, %one, %x { (%i: i64, %a: f64[4]) ->
        %v: f64 = cast %i
        BEFORE
        %ok: bool = lt %k, %four
        check %ok, %k {exception = IndexError, args = ("{0}",)}
        %b: f64[4] = update %a, %v, %zero {pairs = ()}
        yield %b
      }
      return %y
    }
    """
INPUTS = [[3, 2, X], [0, 9, X], [3, 9, X]]


def test_first_check_of_a_loop_that_runs() -> None:
    f = apply(parse(CHECKED.replace("STOP", "%four").replace("BEFORE", "")), (hoist.run,), INPUTS)
    assert names(f) == ["lt", "check", "for", "return"]


def test_first_check_of_a_loop_that_may_not_run() -> None:
    f = apply(parse(CHECKED.replace("STOP", "%n").replace("BEFORE", "")), (hoist.run,), INPUTS)
    assert names(f) == ["lt", "lt", "if", "for", "return"]


@pytest.mark.parametrize(
    "before",
    [
        'print %v {parts = (&Slot(0, "python"),)}',
        '%p: bool = lt %i, %n\n check %p {exception = ValueError, args = ("other",)}',
        "%c: f64[4] = update %a, %v, %one {pairs = ()}",
    ],
)
def test_a_check_does_not_overtake_effects_and_stores(before: str) -> None:
    text = CHECKED.replace("STOP", "%four").replace("BEFORE", before)
    if "%c:" in before:
        text = text.replace("update %a, %v, %zero", "update %c, %v, %zero")
    f = apply(parse(text), (hoist.run,), INPUTS)
    assert "check" not in names(f)


def test_a_check_of_what_the_loop_computes_stays() -> None:
    text = CHECKED.replace("STOP", "%four").replace("BEFORE", "").replace("lt %k, %four", "lt %i, %k")
    assert names(apply(parse(text), (hoist.run,), INPUTS)) == ["for", "return"]


def test_a_check_moves_out_of_nested_loops() -> None:
    text = """
    func f(%n: i64, %k: i64) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %four: i64 = const 4
      %s: i64 = for %zero, %four, %one, %zero { (%i: i64, %a: i64) ->
        %t: i64 = for %zero, %four, %one, %a { (%j: i64, %b: i64) ->
          %ok: bool = lt %k, %four
          check %ok, %k {exception = IndexError, args = ("{0}",)}
          %p: bool = lt %i, %k
          check %p, %i {exception = ValueError, args = ("{0}",)}
          %c: i64 = add %b, %j
          yield %c
        }
        yield %t
      }
      return %s
    }
    """
    f = apply(parse(text), (hoist.run,), [[0, 2], [0, 4], [0, 9]])
    assert names(f) == ["lt", "check", "for", "return"]
    (loop,) = [op for op in f.body.ops if op.name == "for"]
    assert [op.name for op in loop.regions[0].ops] == ["lt", "check", "for", "yield"]


def test_a_check_in_an_arm_stays() -> None:
    text = """
    func f(%n: i64, %k: i64, %p: bool) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %four: i64 = const 4
      for %zero, %four, %one { (%i: i64) ->
        if %p {
          %ok: bool = lt %k, %four
          check %ok {exception = IndexError, args = ()}
          yield
        } {
          yield
        }
        yield
      }
      return %n
    }
    """
    f = apply(parse(text), (hoist.run,), [[0, 2, True], [0, 9, False], [0, 9, True]])
    assert names(f) == ["lt", "for", "return"]


def test_condition_of_a_while() -> None:
    text = """
    func f(%n: i64, %k: i64) {
      %one: i64 = const 1
      %r: i64 = while %n { (%a: i64) ->
        %ok: bool = lt %k, %n
        check %ok {exception = IndexError, args = ()}
        %m: i64 = mul %k, %k
        %p: bool = lt %a, %m
        yield %p
      } { (%b: i64) ->
        %c: i64 = add %b, %one
        yield %c
      }
      return %r
    }
    """
    assert names(apply(parse(text), (hoist.run,), [[9, 4], [3, 4]])) == ["lt", "check", "mul", "while", "return"]
