"""Control flow that is decided or makes no difference; what loops carry for nothing."""

from __future__ import annotations

import numpy as np

from tests.lower.helpers import apply, count, golden, parse
from tracejit.lower import dce, share, simplify

CLEAN = (simplify.run, dce.run)


def test_decided_if() -> None:
    golden(
        """
        func f(%x: i64) {
          %true: bool = const True
          %r: i64 = if %true {
            %one: i64 = const 1
            %a: i64 = add %x, %one
            yield %a
          } {
            yield %x
          }
          return %r
        }
        """,
        """
        func f(%x: i64) {
          %one: i64 = const 1
          %a: i64 = add %x, %one
          return %a
        }
        """,
        *CLEAN,
        inputs=[[3]],
    )


def test_arms_that_yield_the_same() -> None:
    golden(
        """
        func f(%x: i64, %p: bool, %a: f64[2], %b: f64[2]) {
          %same: i64, %five: i64, %array: f64[2], %other: f64[2] = if %p {
            %c: i64 = const 5
            yield %x, %c, %a, %a
          } {
            %d: i64 = const 5
            yield %x, %d, %a, %b
          }
          return %same, %five, %array, %other
        }
        """,
        """
        func f(%x: i64, %p: bool, %a: f64[2], %b: f64[2]) {
          %0: i64 = const 5
          %other: f64[2] = if %p {
            yield %a
          } {
            yield %b
          }
          return %x, %0, %a, %other
        }
        """,
        *CLEAN,
        inputs=[[3, True, np.ones(2), np.zeros(2)], [3, False, np.ones(2), np.zeros(2)]],
    )


def test_scalars_from_outside_are_chosen() -> None:
    golden(
        """
        func f(%x: f64, %y: f64, %p: bool, %q: bool) {
          %r: f64, %s: bool = if %p {
            %true: bool = const True
            yield %x, %true
          } {
            yield %y, %q
          }
          return %r, %s
        }
        """,
        """
        func f(%x: f64, %y: f64, %p: bool, %q: bool) {
          %0: f64 = select %p, %x, %y
          %1: bool = or %p, %q
          return %0, %1
        }
        """,
        *CLEAN,
        inputs=[[1.0, 2.0, p, q] for p in (True, False) for q in (True, False)],
    )


def test_signed_zeros_are_different_constants() -> None:
    f = apply(parse("""
    func f(%p: bool) {
      %r: f64 = if %p {
        %a: f64 = const 0.0
        yield %a
      } {
        %b: f64 = const -0.0
        yield %b
      }
      return %r
    }
    """), CLEAN, [[True], [False]])  # fmt: skip
    assert count(f, "select") == 1


def test_condition_is_known_in_its_arms() -> None:
    golden(
        """
        func f(%x: i64, %p: bool, %q: bool) {
          %both: bool = and %p, %q
          %r: i64 = if %both {
            %s: i64 = if %p {
              %a: i64 = neg %x
              print %a {parts = (&Slot(0, "python"),)}
              yield %a
            } {
              yield %x
            }
            yield %s
          } {
            %not: bool = not %both
            check %not {exception = ValueError, args = ()}
            %t: i64 = if %p {
              print %x {parts = (&Slot(0, "python"),)}
              yield %x
            } {
              yield %x
            }
            yield %t
          }
          return %r
        }
        """,
        """
        func f(%x: i64, %p: bool, %q: bool) {
          %both: bool = and %p, %q
          %r: i64 = if %both {
            %a: i64 = neg %x
            print %a {parts = (&Slot(0, "python"),)}
            yield %a
          } {
            if %p {
              print %x {parts = (&Slot(0, "python"),)}
              yield
            } {
              yield
            }
            yield %x
          }
          return %r
        }
        """,
        *CLEAN,
        inputs=[[3, p, q] for p in (True, False) for q in (True, False)],
    )


COLLATZ = """
    func f(%start: i64) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %two: i64 = const 2
      %three: i64 = const 3
      %n: i64, %steps: i64 = while %start, %zero { (%a: i64, %b: i64) ->
        %p: bool = ne %a, %one
        yield %p
      } { (%k: i64, %s: i64) ->
        %half: i64 = mod %k, %two
        %even: bool = eq %half, %zero
        %next: i64 = if %even {
          %h: i64 = floordiv %k, %two
          yield %h
        } {
          %o: bool = mul_overflows %k, %three
          %fits: bool = not %o
          check %fits {exception = OverflowError, args = ("mul",)}
          %t: i64 = mul %k, %three
          %o1: bool = add_overflows %t, %one
          %fits1: bool = not %o1
          check %fits1 {exception = OverflowError, args = ("add",)}
          %u: i64 = add %t, %one
          yield %u
        }
        %s1: i64 = add %s, %one
        yield %next, %s1
      }
      return %steps
    }
"""


def test_small_arms_become_a_choice_with_their_checks() -> None:
    inputs = [[27], [1], [2**62 + 1], [(2**63 - 1) // 3], [(2**63 - 1) // 3 + 2]]
    f = apply(parse(COLLATZ), (simplify.flatten, dce.run), inputs)
    assert count(f, "if") == 0 and count(f, "select") == 1 and count(f, "check") == 2
    assert count(apply(parse(COLLATZ), CLEAN, inputs), "if") == 1


def test_arms_that_do_much_or_index_stay() -> None:
    dear = """
    func f(%x: f64, %p: bool) {
      %r: f64 = if %p {
        %a: f64 = exp %x
        yield %a
      } {
        yield %x
      }
      return %r
    }
    """
    assert count(apply(parse(dear), (simplify.flatten,), [[1.0, True]]), "if") == 1
    assert count(apply(parse(dear.replace("exp", "neg")), (simplify.flatten,), [[1.0, True], [1.0, False]]), "if") == 0
    load = """
    func f(%n: i64, %x: i64[%n], %i: i64, %p: bool) {
      %zero: i64 = const 0
      %r: i64 = if %p {
        %a: i64 = view %x, %i {pairs = ()}
        yield %a
      } {
        yield %zero
      }
      return %r
    }
    """
    f = apply(parse(load), (simplify.flatten,), [[2, np.array([5, 6]), 7, False], [2, np.array([5, 6]), 1, True]])
    assert count(f, "if") == 1


def test_loops_of_no_and_of_one_turn() -> None:
    golden(
        """
        func f(%x: i64) {
          %zero: i64 = const 0
          %one: i64 = const 1
          %five: i64 = const 5
          %a: i64 = for %five, %zero, %one, %x { (%i: i64, %c: i64) ->
            %d: i64 = neg %c
            yield %d
          }
          %b: i64 = for %five, %zero, %five, %a { (%i1: i64, %c1: i64) ->
            yield %i1
          }
          %minus: i64 = const -7
          %r: i64 = for %five, %zero, %minus, %b { (%i2: i64, %c2: i64) ->
            %m: i64 = mul %c2, %i2
            yield %m
          }
          return %r
        }
        """,
        """
        func f(%x: i64) {
          %five: i64 = const 5
          %m: i64 = mul %x, %five
          return %m
        }
        """,
        *CLEAN,
        inputs=[[3]],
    )


def test_while_that_never_runs_still_evaluates_its_condition() -> None:
    f = apply(parse("""
    func f(%x: i64, %ok: bool) {
      %r: i64 = while %x { (%a: i64) ->
        check %ok {exception = ValueError, args = ("in the condition",)}
        %no: bool = const False
        yield %no
      } { (%b: i64) ->
        %c: i64 = neg %b
        yield %c
      }
      return %r
    }
    """), CLEAN, [[3, True], [3, False]])  # fmt: skip
    assert count(f, "while") == 0 and count(f, "check") == 1
    assert f.outputs[0] is f.params[0]


def test_carried_unchanged() -> None:
    golden(
        """
        func f(%n: i64, %x: f64, %p: bool) {
          %zero: i64 = const 0
          %one: i64 = const 1
          %false: bool = const False
          %a: f64, %b: f64, %g: bool, %s: f64 = for %zero, %n, %one, %x, %x, %false, %x {
            (%i: i64, %a1: f64, %b1: f64, %f1: bool, %s1: f64) ->
            %b2: f64 = if %p {
              print %b1 {parts = (&Slot(0, "python"),)}
              yield %b1
            } {
              yield %x
            }
            %f2: bool = const False
            %s2: f64 = if %f1 {
              yield %a1
            } {
              %sum: f64 = add %s1, %b1
              yield %sum
            }
            yield %a1, %b2, %f2, %s2
          }
          return %a, %b, %g, %s
        }
        """,
        """
        func f(%n: i64, %x: f64, %p: bool) {
          %zero: i64 = const 0
          %one: i64 = const 1
          %false: bool = const False
          %s: f64 = for %zero, %n, %one, %x { (%i: i64, %s1: f64) ->
            if %p {
              print %x {parts = (&Slot(0, "python"),)}
              yield
            } {
              yield
            }
            %sum: f64 = add %s1, %x
            yield %sum
          }
          return %x, %x, %false, %s
        }
        """,
        simplify.run,
        dce.run,
        inputs=[[3, 2.5, True], [0, 2.5, False]],
    )


def test_carried_twice() -> None:
    f = apply(parse("""
    func f(%n: i64) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %a: i64, %b: i64, %c: i64 = for %zero, %n, %one, %zero, %zero, %one { (%i: i64, %x: i64, %y: i64, %z: i64) ->
        %x1: i64 = add %x, %one
        %y1: i64 = add %y, %one
        %z1: i64 = add %z, %one
        yield %x1, %y1, %z1
      }
      return %a, %b, %c
    }
    """), (simplify.run, share.run, dce.run), [[0], [4]])  # fmt: skip
    (loop,) = [op for op in f.walk() if op.name == "for"]
    assert len(loop.results) == 2 and f.outputs[0] is f.outputs[1]


def test_flag_of_break_is_known_inside() -> None:
    f = apply(parse("""
    func f(%n: i64, %x: i64) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %false: bool = const False
      %k: i64, %broke: bool = while %zero, %false { (%a: i64, %b: bool) ->
        %more: bool = lt %a, %n
        %go: bool = not %b
        %p: bool = and %more, %go
        yield %p
      } { (%i: i64, %flag: bool) ->
        %i1: i64 = if %flag {
          yield %i
        } {
          print %i {parts = (&Slot(0, "python"),)}
          %next: i64 = add %i, %one
          yield %next
        }
        %hit: bool = eq %i1, %x
        %either: bool = or %hit, %flag
        yield %i1, %either
      }
      return %k, %broke
    }
    """), CLEAN, [[3, 2], [3, 9], [0, 0]])  # fmt: skip
    assert count(f, "if") == 0 and count(f, "or") == 0


def test_check_of_true_goes_and_of_false_stays() -> None:
    golden(
        """
        func f(%x: i64) {
          %true: bool = const True
          %false: bool = const False
          check %true {exception = ValueError, args = ()}
          check %false, %x {exception = ValueError, args = ("{0}",)}
          return %x
        }
        """,
        """
        func f(%x: i64) {
          %false: bool = const False
          check %false, %x {exception = ValueError, args = ("{0}",)}
          return %x
        }
        """,
        *CLEAN,
        inputs=[[3]],
    )


def test_raise_under_a_condition_is_one_check() -> None:
    golden(
        """
        func f(%x: f64) {
          %zero: f64 = const 0.0
          %p: bool = lt %x, %zero
          if %p {
            %no: bool = const False
            check %no {exception = ValueError, args = ("negative",)}
            yield
          } {
            yield
          }
          return %x
        }
        """,
        """
        func f(%x: f64) {
          %zero: f64 = const 0.0
          %p: bool = lt %x, %zero
          %0: bool = not %p
          check %0 {exception = ValueError, args = ("negative",)}
          return %x
        }
        """,
        simplify.flatten,
        dce.run,
        inputs=[[1.0], [-1.0], [np.nan]],
    )


RECORD = """
        func f(%x: i64[8]) {{
          %one: i64 = const 1
          %n: i64 = const 8
          %o: i64 = const 0
          %r: i64, %s: i64, %t: i64 = for %o, %n, %one, %o, %o, %o {{ (%i: i64, %b: i64, %k: i64, %m: i64) ->
            %v: i64 = view %x, %i {{pairs = ()}}
            %more: bool = gt %v, %b
            %b1: i64, %k1: i64, %m1: i64 = if %more {{
              yield %v, %i, {then}
            }} {{
              yield %b, %k, %m
            }}
            yield %b1, %k1, %m1
          }}
          return %r, %s, %t
        }}
        """


def test_a_record_with_companions_stays_a_branch() -> None:
    """What is remembered of each record is not chosen in every turn; of few things it is."""
    inputs = [[np.array([3, 1, 4, 1, 5, 9, 2, 6])]]
    kept = apply(parse(RECORD.format(then="%v")), [simplify.run, simplify.flatten, dce.run], inputs)
    assert [op.attrs["rare"] for op in kept.walk() if op.name == "if"] == [True]
    few = apply(parse(RECORD.format(then="%m")), [simplify.run, simplify.flatten, dce.run], inputs)
    assert count(few, "if") == 0 and count(few, "maximum") == 1


STORES = """
        func f(%x: i64[8], %p: bool, %i: i64, %j: i64) {{
          %one: i64 = const 1
          %two: i64 = const 2
          %good: bool = gt %j, %one
          %r: i64[8] = if %p {{
            %a: i64[8] = update %x, %one, %i {{pairs = ()}}
            yield %a
          }} {{
            %b: i64[8] = update %x, %two, %j {{pairs = ()}}
            {after}
            yield %b
          }}
          return %r
        }}
        """


def test_arms_that_end_with_a_store_are_one_store() -> None:
    inputs = [[np.arange(8), p, 3, 5] for p in (False, True)]
    joint = apply(parse(STORES.format(after="")), [simplify.flatten, dce.run], inputs)
    assert count(joint, "update") == 1 and count(joint, "if") == 0
    # a check that follows a store which the caller may see is not passed
    ordered = STORES.format(after='check %good {exception = ValueError, args = ("no",)}')
    assert count(apply(parse(ordered), [simplify.flatten, dce.run], inputs), "update") == 2


def test_what_a_proved_check_has_left_behind_is_no_work() -> None:
    left = "".join(f"%d{k}: bool = gt %i, %two\n %e{k}: bool = and %d{k}, %good\n" for k in range(12))
    function = apply(parse(STORES.format(after=left)), [simplify.flatten], [[np.arange(8), True, 3, 5]])
    assert count(function, "if") == 0
