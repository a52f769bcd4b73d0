"""Range analysis: which checks are proved away in programs as users write them, and which must stay.

Each program is IR text; ``# proved`` after a check (or a comparison) says that nothing is left of it, ``# stays`` that
it remains. Every program is run before and after on inputs that reach its limits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.lower.helpers import apply, parse
from tracejit.ir.core import Function
from tracejit.lower import checks, dce, simplify

N = np.arange(6.0)
BIG = 2**63 - 1


def remaining(text: str, inputs: Sequence[Sequence[Any]]) -> tuple[set[str], set[str]]:
    """The messages of the checks that remain in a program, and of those that should."""
    numbered = iter(range(10**6))
    expected: set[str] = set()

    def number(m: re.Match[str]) -> str:
        k = str(next(numbered))
        if m[3].strip() == "stays":
            expected.add(k)
        return f'{m[1]}{m[2]} {{exception = IndexError, args = ("{k}",)}}'

    text = re.sub(r"(check )(.*?) *# *(proved|stays)", number, text)
    function = parse(text)
    optimised = apply(function, [checks.run, simplify.run, dce.run], inputs)
    return {op.attrs["args"][0] for op in optimised.walk() if op.name == "check"}, expected


def expect(text: str, *inputs: Sequence[Any]) -> None:
    left, expected = remaining(text, inputs)
    assert left == expected, f"{left} instead of {expected}"


PRELUDE = """
      %zero: i64 = const 0
      %one: i64 = const 1
      %two: i64 = const 2
      %minus: i64 = const -1
      %x0: f64 = const 0.0
"""


def program(params: str, body: str, result: str = "%zero") -> str:
    return f"func f({params}) {{{PRELUDE}{body}\n      return {result}\n    }}"


LOAD = """
        %low.{k}: bool = ge {i}, %zero
        %high.{k}: bool = lt {i}, {n}
        %ok.{k}: bool = and %low.{k}, %high.{k}
        check %ok.{k} # {verdict}
        %v.{k}: f64 = view %x, {i} {{pairs = ()}}
"""


def load(i: str, verdict: str, n: str = "%n", k: int = 0) -> str:
    """A checked load of ``x[i]``."""
    return LOAD.format(i=i, n=n, verdict=verdict, k=k)


def loop(start: str, stop: str, step: str, body: str) -> str:
    return f"""
      for {start}, {stop}, {step} {{ (%i: i64) ->{body}
        yield
      }}"""


VECTOR = "%n: i64, %x: f64[%n]"


def vectors(*lengths: int) -> list[list[Any]]:
    return [[n, np.arange(float(n))] for n in lengths]


def test_index_of_a_loop_over_the_length() -> None:
    expect(program(VECTOR, loop("%zero", "%n", "%one", load("%i", "proved"))), *vectors(0, 1, 5))


def test_index_beside_the_loop() -> None:
    body = "%j: i64 = add %i, %one" + load("%j", "stays")
    expect(program(VECTOR, loop("%zero", "%n", "%one", "\n" + body)), *vectors(0, 1, 5))


def test_stencil() -> None:
    body = (
        """
        %before: i64 = sub %i, %one
        %after: i64 = add %i, %one"""
        + load("%before", "proved")
        + load("%after", "proved", k=1)
    )
    head = "\n      %stop: i64 = sub %n, %one"
    expect(program(VECTOR, head + loop("%one", "%stop", "%one", body)), *vectors(0, 1, 2, 6))
    # one more turn and the last load is out of bounds
    body = body.replace("# proved", "# stays").replace("# stays", "# proved", 1)
    expect(program(VECTOR, loop("%one", "%n", "%one", body)), *vectors(0, 1, 2, 6))


def test_reversed_loop() -> None:
    head = "\n      %last: i64 = sub %n, %one"
    expect(program(VECTOR, head + loop("%last", "%minus", "%minus", load("%i", "proved"))), *vectors(0, 1, 5))
    expect(program(VECTOR, loop("%n", "%minus", "%minus", load("%i", "stays"))), *vectors(0, 1, 5))


def test_mirrored_index() -> None:
    body = """
        %last: i64 = sub %n, %one
        %j: i64 = sub %last, %i""" + load("%j", "proved")
    expect(program(VECTOR, loop("%zero", "%n", "%one", body)), *vectors(0, 1, 5))


def test_negative_index_normalised() -> None:
    body = """
        %negative: bool = lt %i, %zero
        %wrapped: i64 = add %i, %n
        %j: i64 = select %negative, %wrapped, %i""" + load("%j", "proved")
    expect(program(VECTOR, loop("%zero", "%n", "%one", body)), *vectors(0, 1, 5))
    body = body.replace("%n", "%five")
    head = "\n      %five: i64 = const 5\n      %start: i64 = const -5"
    expect(program("%x: f64[5]", head + loop("%start", "%zero", "%one", body)), [N[:5]])
    body = body.replace("proved", "stays")
    expect(program("%x: f64[5]", head + loop("%start", "%five", "%one", body).replace("stays", "proved")), [N[:5]])
    wrong = head.replace("-5", "-6") + loop("%start", "%five", "%one", body)
    expect(program("%x: f64[5]", wrong), [N[:5]])


def test_static_length() -> None:
    head = "\n%five: i64 = const 5"
    text = program("%x: f64[5]", head + loop("%zero", "%five", "%one", load("%i", "proved", "%five")))
    expect(text, [np.arange(5.0)])
    text = program("%x: f64[5]", "\n%six: i64 = const 6\n%five: i64 = const 5"
                   + loop("%zero", "%six", "%one", load("%i", "stays", "%five")))  # fmt: skip
    expect(text, [np.arange(5.0)])


def test_row_longer_by_one() -> None:
    """The Levenshtein pattern: rows of length m + 1, indices j and j + 1."""
    text = (
        """
    func f(%m: i64, %b: u8[%m]) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %overflows: bool = add_overflows %m, %one
      %fits: bool = not %overflows
      check %fits # stays
      %n: i64 = add %m, %one
      %positive: bool = ge %n, %zero
      check %positive # proved
      %x: f64[%n] = empty
      %first: bool = lt %zero, %n
      check %first # proved
      for %zero, %m, %one { (%j: i64) ->
        %o: bool = add_overflows %j, %one
        %k: bool = not %o
        check %k # proved
        %next: i64 = add %j, %one"""
        + load("%next", "proved")
        + load("%j", "proved", k=1)
        + """
        yield
      }
      %low: bool = ge %m, %zero
      %high: bool = lt %m, %n
      %ok: bool = and %low, %high
      check %ok # proved
      %last: f64 = view %x, %m {pairs = ()}
      return %last
    }
    """
    )
    expect(text, [0, np.zeros(0, np.uint8)], [4, np.zeros(4, np.uint8)])


def test_counter_of_a_while() -> None:
    text = program(VECTOR, """
      %k: i64 = while %zero { (%a: i64) ->
        %p: bool = lt %a, %n
        yield %p
      } { (%i: i64) ->""" + load("%i", "proved") + """
        %o: bool = add_overflows %i, %one
        %fits: bool = not %o
        check %fits # proved
        %next: i64 = add %i, %one
        yield %next
      }""", "%k")  # fmt: skip
    expect(text, *vectors(0, 1, 5))


def test_counter_from_anywhere() -> None:
    text = program("%n: i64, %x: f64[%n], %start: i64", """
      %k: i64 = while %start { (%a: i64) ->
        %p: bool = lt %a, %n
        yield %p
      } { (%i: i64) ->""" + load("%i", "stays") + """
        %next: i64 = add %i, %one
        yield %next
      }""", "%k")  # fmt: skip
    expect(text, [3, N[:3], 0], [3, N[:3], -1])


def counting(step: str, init: str) -> str:
    return program("%turns: i64, %init: i64, %by: i64", f"""
      %total: i64 = for %zero, %turns, %one, {init} {{ (%i: i64, %k: i64) ->
        %o: bool = add_overflows %k, {step}
        %fits: bool = not %o
        check %fits # VERDICT
        %next: i64 = add %k, {step}
        yield %next
      }}""", "%total")  # fmt: skip


def test_counters_do_not_overflow_in_feasible_time() -> None:
    expect(counting("%one", "%zero").replace("VERDICT", "proved"), [5, 0, 0])
    expect(counting("%minus", "%zero").replace("VERDICT", "proved"), [5, 0, 0])
    # from anywhere, or by anything, they may
    expect(counting("%one", "%init").replace("VERDICT", "stays"), [5, 0, 0], [5, BIG - 2, 0])
    expect(counting("%by", "%zero").replace("VERDICT", "stays"), [5, 0, 2], [5, 0, 2**62])


def test_conditional_counter_and_compaction() -> None:
    """``out[k] = x[i]; k += 1`` where a condition holds: ``k`` is at most ``i``."""
    text = """
    func f(%n: i64, %x: f64[%n]) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %x0: f64 = const 0.0
      %out: f64[%n] = view %x0 {pairs = ()}
      %count: i64, %result: f64[%n] = for %zero, %n, %one, %zero, %out { (%i: i64, %k: i64, %y: f64[%n]) ->
        %v: f64 = view %x, %i {pairs = ()}
        %p: bool = gt %v, %x0
        %k2: i64, %y2: f64[%n] = if %p {
          %low: bool = ge %k, %zero
          %high: bool = lt %k, %n
          %ok: bool = and %low, %high
          check %ok # proved
          %y1: f64[%n] = update %y, %v, %k {pairs = ()}
          %o: bool = add_overflows %k, %one
          %fits: bool = not %o
          check %fits # proved
          %k1: i64 = add %k, %one
          yield %k1, %y1
        } {
          yield %k, %y
        }
        yield %k2, %y2
      }
      return %count, %result
    }
    """
    expect(text, [0, N[:0]], [4, N[:4]], [4, 1 + N[:4]])
    twice = text.replace("%k1: i64 = add %k, %one", "%kk: i64 = add %k, %one\n %k1: i64 = add %kk, %one")
    twice = twice.replace("check %ok # proved", "check %ok # stays")
    expect(twice, [0, N[:0]], [4, N[:4]], [4, 1 + N[:4]])


BISECTION = """
    func f(%n: i64, %x: f64[%n], %target: f64) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %two: i64 = const 2
      %lo: i64, %hi: i64 = while %zero, %n { (%a: i64, %b: i64) ->
        %p: bool = lt %a, %b
        yield %p
      } { (%l: i64, %h: i64) ->
        %o: bool = add_overflows %l, %h
        %fits: bool = not %o
        check %fits # proved
        %sum: i64 = add %l, %h
        %mid: i64 = floordiv %sum, %two
        %low: bool = ge %mid, %zero
        %high: bool = lt %mid, %n
        %ok: bool = and %low, %high
        check %ok # proved
        %v: f64 = view %x, %mid {pairs = ()}
        %less: bool = lt %v, %target
        %l2: i64, %h2: i64 = if %less {
          %next: i64 = add %mid, %one
          yield %next, %h
        } {
          yield %l, %mid
        }
        yield %l2, %h2
      }
      return %lo
    }
    """


def test_bisection() -> None:
    """Both ends are loop-carried; the middle is in bounds by induction."""
    expect(BISECTION, [0, N[:0], 1.0], [6, N, 2.5], [6, N, 99.0])
    # a first end that lies beyond the array
    wrong = BISECTION.replace("%lo: i64", "%m: i64 = add %n, %n\n %lo: i64", 1).replace("%zero, %n {", "%zero, %m {")
    left, _ = remaining(wrong, [[6, N, 2.5]])
    assert left


def test_index_of_the_smallest() -> None:
    """``best`` is one of the indices seen so far."""
    text = """
    func f(%n: i64, %x: f64[%n]) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %best: i64 = for %one, %n, %one, %zero { (%i: i64, %b: i64) ->LOADS
        %less: bool = lt %v.1, %v.0
        %next: i64 = select %less, %i, %b
        yield %next
      }
      return %best
    }
    """
    text = text.replace("LOADS", load("%b", "proved") + load("%i", "proved", k=1))
    expect(text, [1, N[:1]], [6, -N])


def test_conditions_around() -> None:
    inside = (
        """
      if %p {"""
        + load("%i", "proved")
        + """
        yield
      } {"""
        + load("%i", "stays", k=1)
        + """
        yield
      }"""
    )
    text = program(
        VECTOR + ", %i: i64",
        """
      %a: bool = le %zero, %i
      %b: bool = gt %n, %i
      %p: bool = and %a, %b"""
        + inside,
    )
    expect(text, [3, N[:3], 1], [3, N[:3], 3], [3, N[:3], -1])


def test_negated_condition_around() -> None:
    text = program(
        VECTOR + ", %i: i64",
        """
      %a: bool = lt %i, %zero
      %b: bool = ge %i, %n
      %p: bool = or %a, %b
      if %p {
        yield
      } {"""
        + load("%i", "proved")
        + """
        yield
      }""",
    )
    expect(text, [3, N[:3], 1], [3, N[:3], 3], [3, N[:3], -1])


def test_checks_before() -> None:
    again = (
        load("%i", "stays")
        + load("%i", "proved", k=1)
        + """
        %j: i64 = sub %i, %one"""
        + load("%j", "stays", k=2)
    )
    text = program(VECTOR + ", %i: i64", again)
    expect(text, [3, N[:3], 1], [3, N[:3], 3], [3, N[:3], 0], [3, N[:3], -(2**63)])


def test_broadcasting_twice() -> None:
    """``(x + y) * x`` of unknown lengths: what fits together once does so again."""
    text = program(
        "%n: i64, %m: i64",
        """
      %same: bool = eq %n, %m
      %n1: bool = eq %n, %one
      %m1: bool = eq %m, %one
      %either: bool = or %m1, %n1
      %fit: bool = or %same, %either
      check %fit # stays
      %k: i64 = select %n1, %m, %n
      %same2: bool = eq %k, %n
      %k1: bool = eq %k, %one
      %either2: bool = or %n1, %k1
      %fit2: bool = or %same2, %either2
      check %fit2 # proved
      %same3: bool = eq %k, %m
      %either3: bool = or %m1, %k1
      %fit3: bool = or %same3, %either3
      check %fit3 # proved""",
    )
    expect(text, [3, 3], [1, 3], [3, 1], [3, 4])


def test_a_check_later_does_not_help() -> None:
    text = program(
        "%n: i64, %m: i64",
        """
      %a: bool = lt %n, %m
      check %a # stays
      %b: bool = le %n, %m
      check %b # proved
      %o: bool = add_overflows %n, %one
      %fits: bool = not %o
      check %fits # proved""",
    )
    expect(text, [1, 2], [2, 1], [BIG, 0])
    text = program(
        "%n: i64, %m: i64",
        """
      %b: bool = le %n, %m
      check %b # stays
      %a: bool = lt %n, %m
      check %a # stays""",
    )
    expect(text, [1, 2], [2, 1], [2, 2])


def test_an_arm_says_nothing_after_it() -> None:
    text = program(
        VECTOR + ", %i: i64, %p: bool",
        """
      if %p {"""
        + load("%i", "stays")
        + """
        yield
      } {
        yield
      }"""
        + load("%i", "stays", k=1),
    )
    expect(text, [3, N[:3], 1, True], [3, N[:3], 5, False], [3, N[:3], 5, True])


def test_a_loop_that_may_not_run_says_nothing_after_it() -> None:
    text = program(
        VECTOR + ", %k: i64",
        """
      %big: i64 = const 7
      for %zero, %n, %one { (%i: i64) ->"""
        + load("%k", "stays")
        + """
        yield
      }"""
        + load("%k", "stays", k=1),
    )
    expect(text, [3, N[:3], 1], [0, N[:0], 0])


def test_dimension_is_not_negative_only_once_it_is_one() -> None:
    text = program(
        "%n: i64",
        """
      %p: bool = ge %n, %zero
      check %p # stays
      %x: f64[%n] = empty
      %q: bool = ge %n, %zero
      check %q # proved""",
        "%x",
    )
    text = text.replace("%x: f64[%n] = empty", "%x: f64[%n] = view %x0 {pairs = ()}")
    expect(text, [3], [0], [-1])


def test_wrapping_arithmetic_is_not_looked_through() -> None:
    """NumPy integers wrap around: ``n + 1 > n`` may be false."""
    text = program(
        "%n: i64",
        """
      %m: i64 = add %n, %one
      %p: bool = gt %m, %n
      check %p # stays""",
    )
    expect(text, [1], [BIG])
    checked = program(
        "%n: i64",
        """
      %o: bool = add_overflows %n, %one
      %fits: bool = not %o
      check %fits # stays
      %m: i64 = add %n, %one
      %p: bool = gt %m, %n
      check %p # proved""",
    )
    expect(checked, [1], [BIG])


def test_subtraction_that_did_not_wrap_because_of_its_result() -> None:
    """``range(capacity, w - 1, -1)``: inside, ``w - 1`` did not wrap around, for something is greater."""
    text = program(
        "%n: i64, %x: f64[%n], %w: i64",
        """
      %stop: i64 = sub %w, %one
      for %n, %stop, %minus { (%room: i64) ->
        %p: bool = ge %room, %w
        check %p # proved
        yield
      }""",
    )
    expect(text, [3, N[:3], 1], [3, N[:3], -(2**63)], [3, N[:3], 4])


def test_modulo_and_masks() -> None:
    text = program(
        "%x: f64[8], %k: i64",
        """
      %eight: i64 = const 8
      %i: i64 = mod %k, %eight"""
        + load("%i", "proved", "%eight")
        + """
      %seven: i64 = const 7
      %j: i64 = and %k, %seven"""
        + load("%j", "proved", "%eight", k=1)
        + """
      %m: i64 = minimum %k, %seven"""
        + load("%m", "stays", "%eight", k=2)
        + """
      %c: i64 = maximum %m, %zero"""
        + load("%c", "proved", "%eight", k=3),
    )
    expect(text, [np.arange(8.0), 3], [np.arange(8.0), -3], [np.arange(8.0), BIG], [np.arange(8.0), -(2**63)])


def test_modulo_by_a_length() -> None:
    text = program(
        VECTOR + ", %k: i64",
        """
      %p: bool = ne %n, %zero
      check %p # stays
      %i: i64 = mod %k, %n"""
        + load("%i", "proved"),
    )
    expect(text, [3, N[:3], 7], [3, N[:3], -7], [0, N[:0], 1])
    text = program(VECTOR + ", %k: i64", "\n%i: i64 = mod %k, %n" + load("%i", "stays"))
    expect(text, [3, N[:3], 7], [0, N[:0], 1])


def remainders(text: str, *inputs: Sequence[Any]) -> int:
    f = apply(parse(text), [checks.run, simplify.run, dce.run], inputs)
    return sum(op.name == "mod" for op in f.walk())


def test_remainder_of_a_neighbour_is_a_comparison() -> None:
    """``x[(i + 1) % n]``, ``x[(i - 1) % n]``: no division."""
    body = """
        %j: i64 = add %i, STEP
        %k: i64 = mod %j, %n
        print %k {parts = (&Slot(0, "python"),)}"""
    text = program(VECTOR, loop("%zero", "%n", "%one", body))
    assert remainders(text.replace("STEP", "%one"), *vectors(0, 1, 5)) == 0
    assert remainders(text.replace("STEP", "%minus"), *vectors(0, 1, 5)) == 0
    assert remainders(text.replace("STEP", "%two"), *vectors(0, 1, 5)) == 1
    static = text.replace("STEP", "%two").replace("mod %j, %n", "mod %j, %five").replace("%zero, %n", "%zero, %five")
    static = static.replace("%minus: i64", "%five: i64 = const 5\n %minus: i64", 1)
    assert remainders(static, *vectors(0, 5)) == 0
    assert remainders(static.replace("%zero, %five", "%zero, %n"), *vectors(0, 5, 20)) == 1


def test_small_dtypes() -> None:
    text = program(
        "%k: u8, %table: f64[256]",
        """
      %i: i64 = cast %k
      %size: i64 = const 256"""
        + load("%i", "proved", "%size").replace("%x,", "%table,"),
    )
    expect(text, [np.uint8(255), np.zeros(256)], [np.uint8(0), np.zeros(256)])
    signed = text.replace("%k: u8", "%k: i8").replace("proved", "stays")
    expect(signed, [np.int8(5), np.zeros(256)], [np.int8(-1), np.zeros(256)])


def test_step_and_division() -> None:
    text = program(
        "%k: i64",
        """
      %p: bool = ne %two, %zero
      check %p # proved
      %q: bool = ne %k, %zero
      check %q # stays
      %r: bool = ne %k, %zero
      check %r # proved
      %s: bool = ge %k, %zero
      check %s # stays
      %t: bool = ge %k, %one
      check %t # proved""",
    )
    expect(text, [0], [3], [-3])


def test_loop_with_a_step_of_known_sign() -> None:
    text = program(
        "%n: i64, %x: f64[%n], %step: i64",
        """
      %p: bool = gt %step, %zero
      check %p # stays
      for %zero, %n, %step { (%i: i64) ->"""
        + load("%i", "proved")
        + """
        yield
      }""",
    )
    expect(text, [5, N[:5], 2], [5, N[:5], 0])


def test_nested_loops() -> None:
    """Cholesky: ``for i: for j <= i: for k < j``."""
    text = """
    func f(%n: i64, %a: f64[%n, %n]) {
      %zero: i64 = const 0
      %one: i64 = const 1
      for %zero, %n, %one { (%i: i64) ->
        %top: i64 = add %i, %one
        for %zero, %top, %one { (%j: i64) ->
          for %zero, %j, %one { (%k: i64) ->
            %a1: bool = lt %i, %n
            %a2: bool = lt %j, %n
            %a3: bool = lt %k, %n
            %b1: bool = ge %k, %zero
            %c1: bool = and %a1, %a2
            %c2: bool = and %c1, %a3
            %c: bool = and %c2, %b1
            check %c # proved
            yield
          }
          %d: bool = lt %j, %i
          check %d # stays
          yield
        }
        yield
      }
      return %zero
    }
    """
    expect(text, [0, np.zeros((0, 0))], [3, np.zeros((3, 3))])


def test_part_of_a_check_is_proved() -> None:
    text = program(
        VECTOR + ", %i: i64",
        """
      %a: bool = ge %i, %zero
      if %a {"""
        + load("%i", "stays")
        + """
        yield
      } {
        yield
      }""",
    )
    function = parse(re.sub(r"check (.*?) # stays", r'check \1 {exception = IndexError, args = ("",)}', text))
    optimised = apply(function, [checks.run, simplify.run, dce.run], [[3, N[:3], 1], [3, N[:3], 3], [3, N[:3], -1]])
    (check,) = [op for op in optimised.walk() if op.name == "check"]
    assert check.operands[0].op is not None and check.operands[0].op.name == "lt"


def test_queue_of_two_ends() -> None:
    """``while head < tail``, both carried, and ``tail`` kept below the length by its own check."""
    text = (
        """
    func f(%n: i64, %x: f64[%n]) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %x0: f64 = const 0.0
      %p: bool = gt %n, %zero
      check %p # stays
      %h: i64, %t: i64 = while %zero, %one { (%a: i64, %b: i64) ->
        %q: bool = lt %a, %b
        yield %q
      } { (%head: i64, %tail: i64) ->"""
        + load("%head", "proved")
        + """
        %next: i64 = add %head, %one
        %more: bool = gt %v.0, %x0
        %tail2: i64 = if %more {
          %room: bool = lt %tail, %n
          check %room # stays
          %grown: i64 = add %tail, %one
          yield %grown
        } {
          yield %tail
        }
        yield %next, %tail2
      }
      return %h
    }
    """
    )
    expect(text, [3, np.array([1.0, 0, 0])], [3, np.ones(3)], [0, N[:0]])


SIEVE = (
    """
    func f(%n: i64, %x: f64[%n]) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %two: i64 = const 2
      %last: i64 = while %two { (%a: i64) ->
        %o: bool = mul_overflows %a, %a
        %fits: bool = not %o
        check %fits # stays
        %square: i64 = mul %a, %a
        %go: bool = lt %square, %n
        yield %go
      } { (%p: i64) ->"""
    + load("%p", "proved")
    + """
        %zero0: f64 = const 0.0
        %prime: bool = eq %v.0, %zero0
        if %prime {
          %o1: bool = mul_overflows %p, %p
          %fits1: bool = not %o1
          check %fits1 # proved
          %first: i64 = mul %p, %p
          print %first {parts = ()}
          yield
        } {
          yield
        }
        %next: i64 = add %p, %one
        yield %next
      }
      return %last
    }
    """
)


def test_condition_on_the_square() -> None:
    """``while p * p < n: if x[p]``: p is at most its square, which is known not to overflow."""
    expect(SIEVE, [0, N[:0]], [6, np.zeros(6)])
    # where the square may wrap around, nothing is known of p
    unchecked = SIEVE.replace("check %fits # stays", "").replace("check %fits1 # proved", "check %fits1 # stays")
    unchecked = unchecked.replace("while %two", "while %n").replace("# proved", "# stays")
    expect(unchecked, [6, np.zeros(6)])


def test_break_flag() -> None:
    """``for i in range(n): ... break`` as a while with a flag."""
    text = (
        """
    func f(%n: i64, %x: f64[%n]) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %x0: f64 = const 0.0
      %false: bool = const False
      %k: i64, %found: bool = while %zero, %false { (%a: i64, %b: bool) ->
        %more: bool = lt %a, %n
        %go: bool = not %b
        %q: bool = and %more, %go
        yield %q
      } { (%i: i64, %flag: bool) ->"""
        + load("%i", "proved")
        + """
        %hit: bool = lt %v.0, %x0
        %i2: i64 = if %hit {
          yield %i
        } {
          %next: i64 = add %i, %one
          yield %next
        }
        yield %i2, %hit
      }
      return %k
    }
    """
    )
    expect(text, [3, N[:3]], [3, -N[:3]], [0, N[:0]])


def test_swapped_bounds() -> None:
    """What one loop-carried value is allowed another one takes over."""
    text = """
    func f(%n: i64, %x: f64[%n], %turns: i64) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %p: bool = gt %n, %zero
      check %p # stays
      %last: i64 = sub %n, %one
      %a: i64, %b: i64 = for %zero, %turns, %one, %zero, %last { (%i: i64, %u: i64, %v: i64) ->
        %low: bool = ge %u, %zero
        %high: bool = lt %u, %n
        %ok: bool = and %low, %high
        check %ok # proved
        yield %v, %u
      }
      return %a
    }
    """
    expect(text, [3, N[:3], 4], [0, N[:0], 1])
    growing = text.replace("yield %v, %u", "%w: i64 = add %u, %one\n yield %v, %w")
    growing = growing.replace("%ok # proved", "%ok # stays")
    expect(growing, [3, N[:3], 4], [3, N[:3], 9])


def test_induction_is_not_circular() -> None:
    """A comparison with the value itself must not prove it."""
    text = """
    func f(%m: i64, %turns: i64, %w: i64) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %k: i64 = for %zero, %turns, %one, %m { (%i: i64, %p: i64) ->
        %same: bool = le %m, %p
        if %same {
          %b: bool = le %p, %w
          check %b # stays
          yield
        } {
          yield
        }
        yield %p
      }
      return %k
    }
    """
    expect(text, [1, 3, 2], [3, 3, 2])


def test_extrema_that_are_decided() -> None:
    text = """
    func f(%n: i64, %x: f64[%n]) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %s: i64 = for %zero, %n, %one, %zero { (%i: i64, %s0: i64) ->
        %m: i64 = maximum %i, %zero
        %l: i64 = minimum %m, %n
        %d: i64 = abs %l
        %s1: i64 = add %s0, %d
        yield %s1
      }
      return %s
    }
    """
    function: Function = apply(parse(text), [checks.run, simplify.run, dce.run], vectors(0, 1, 5))
    assert not any(op.name in ("maximum", "minimum", "abs") for op in function.walk())


@pytest.mark.parametrize("n", [0, 1, 4])
def test_argmax_is_an_index(n: int) -> None:
    text = program(
        VECTOR,
        """
      %p: bool = gt %n, %zero
      check %p # stays
      %i: i64 = argmax %x {axes = (0,)}"""
        + load("%i", "proved"),
    )
    expect(text, [n, N[:n]])


def test_a_choice_decided_by_the_arm_it_is_made_for() -> None:
    """The kind of a running maximum that starts at 0: what beats it is more than 0."""
    text = """
        func f(%x: i64[8]) {
          %zero: i64 = const 0
          %one: i64 = const 1
          %n: i64 = const 8
          %best: i64, %kind: i64 = for %zero, %n, %one, %zero, %one { (%i: i64, %b: i64, %k: i64) ->
            %v: i64 = view %x, %i {pairs = ()}
            %score: i64 = maximum %v, %zero
            %positive: bool = gt %v, %zero
            %from: i64 = select %positive, %zero, %one
            %more: bool = gt %v, %b
            %b1: i64 = maximum %v, %b
            %k1: i64 = select %more, %from, %k
            yield %b1, %k1
          }
          return %best, %kind
        }
        """
    inputs = [[np.array(x)] for x in ([-1] * 8, [-1, 3, 0, 2, 5, 1, 9, 1])]
    function = apply(parse(text), [checks.run, dce.run], inputs)
    (choice,) = (op for op in function.walk() if op.name == "select")
    assert choice.operands[1].op is not None and choice.operands[1].op.name == "const"
