"""Versions of innermost loops: one without the index checks that hold at both ends of the counter's range."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lower.helpers import apply, count, parse
from tracejit.lower import dce, hoist, simplify, versions

X = np.arange(1.0, 7.0)

PROGRAM = """
    func f(%n: i64, %x: f64[%n], %m: i64, %y: f64[%m], %w: i64, %start: i64, %stop: i64, %out: f64[%n]) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %step: i64 = const STEP
      %s: f64 = const 0.0
      %size: i64 = neg %m
      %sum: f64, %z: f64[%n] = for %start, %stop, %step, %s, %out { (%i: i64, %a: f64, %b: f64[%n]) ->
        %p: bool = ge %i, %zero
        check %p, %i {exception = IndexError, args = ("x {0}",)}
        %q: bool = lt %i, %n
        check %q, %i {exception = IndexError, args = ("x {0}",)}
        %u: f64 = view %x, %i {pairs = ()}
        %j: i64 = sub %i, %w
        %low: bool = ge %j, %size
        %high: bool = lt %j, %m
        %ok: bool = and %low, %high
        check %ok, %j {exception = IndexError, args = ("y {0}",)}
        %negative: bool = lt %j, %zero
        %around: i64 = add %j, %m
        %k: i64 = select %negative, %around, %j
        %v: f64 = view %y, %k {pairs = ()}
        %c: f64 = add %a, %u
        %d: f64 = add %c, %v
        %e: f64[%n] = update %b, %d, %i {pairs = ()}
        yield %d, %e
      }
      return %sum, %z
    }
    """


def cases(step: int) -> list[list[object]]:
    out: list[list[object]] = []
    for n, m, w, start, stop in [
        (5, 5, 0, 0, 5), (5, 3, 0, 0, 5), (5, 5, 1, 0, 5), (5, 5, 1, 1, 5), (5, 4, 1, 1, 5), (3, 3, 0, -1, 2),
        (3, 3, 0, 2, 2), (3, 3, 2**62, 0, 3), (3, 3, -(2**63), 0, 3), (3, 3, 0, 2**62, 2**62 + 2), (6, 6, 6, 0, 6),
        (3, 3, 0, 0, 2**63 - 1),
    ]:  # fmt: skip
        if step < 0:
            start, stop = max(stop - 1, -(2**63)), max(start - 1, -(2**63))
        out.append([n, X[:n], m, -X[:m], w, start, stop, np.zeros(n)])
    return out


@pytest.mark.parametrize("step", [1, 2, -1, -3])
def test_both_versions_do_what_the_loop_did(step: int) -> None:
    f = apply(parse(PROGRAM.replace("STEP", str(step))), [versions.run, simplify.run, dce.run], cases(step))
    loops = [op for op in f.walk() if op.name == "for"]
    assert len(loops) == 2 and count(f, "if") == 1
    checks = [sum(op.name == "check" for op in loop.walk()) for loop in loops]
    selects = [sum(op.name == "select" for op in loop.walk()) for loop in loops]
    assert checks == [0, 3] and selects == [0, 1]


def test_comparisons_that_were_moved_out() -> None:
    text = """
    func f(%n: i64, %x: f64[%n], %stop: i64, %k: i64) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %s: f64 = const 0.0
      %sum: f64 = for %zero, %stop, %one, %s { (%i: i64, %a: f64) ->
        %q: bool = lt %i, %n
        check %q, %i {exception = IndexError, args = ("{0}",)}
        %low: bool = ge %k, %zero
        %high: bool = lt %k, %n
        %ok: bool = and %low, %high
        check %ok, %k {exception = IndexError, args = ("{0}",)}
        %u: f64 = view %x, %i {pairs = ()}
        %v: f64 = view %x, %k {pairs = ()}
        %w: f64 = mul %u, %v
        %c: f64 = add %a, %w
        yield %c
      }
      return %sum
    }
    """
    inputs = [[3, X[:3], stop, k] for stop, k in [(3, 1), (4, 1), (3, 3), (3, -1), (0, 9)]] + [[0, X[:0], 1, 0]]
    f = apply(parse(text), [hoist.run, versions.run, simplify.run, dce.run], inputs)
    assert [sum(op.name == "check" for op in loop.walk()) for loop in f.walk() if loop.name == "for"] == [0, 2]


def test_loops_with_effects_and_outer_loops_stay() -> None:
    printing = PROGRAM.replace("STEP", "1").replace("%c: f64 = add", 'print %i {parts = ("turn",)}\n %c: f64 = add')
    assert count(apply(parse(printing), [versions.run], cases(1)), "for") == 1
    unknown = PROGRAM.replace("STEP", "1").replace("%start, %stop, %step", "%start, %stop, %w")
    assert count(apply(parse(unknown), [versions.run]), "for") == 1
