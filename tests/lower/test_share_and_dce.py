"""Sharing of equal ops, and removal of dead ones."""

from __future__ import annotations

import numpy as np

from tests.lower.helpers import apply, count, golden, parse
from tracejit.lower import dce, share


def test_equal_ops_are_shared() -> None:
    golden(
        """
        func f(%x: i64, %y: i64, %p: bool) {
          %a: i64 = add %x, %y
          %b: i64 = add %y, %x
          %c: i64 = sub %x, %y
          %d: i64 = sub %y, %x
          %r: i64 = if %p {
            %e: i64 = add %x, %y
            %f: i64 = mul %e, %x
            yield %f
          } {
            %g: i64 = mul %a, %x
            yield %g
          }
          %h: i64 = mul %a, %x
          return %a, %b, %c, %d, %r, %h
        }
        """,
        """
        func f(%x: i64, %y: i64, %p: bool) {
          %a: i64 = add %x, %y
          %c: i64 = sub %x, %y
          %d: i64 = sub %y, %x
          %r: i64 = if %p {
            %f: i64 = mul %a, %x
            yield %f
          } {
            %g: i64 = mul %a, %x
            yield %g
          }
          %h: i64 = mul %a, %x
          return %a, %a, %c, %d, %r, %h
        }
        """,
        share.run,
        inputs=[[3, 4, True], [3, 4, False]],
    )


def test_constants_differ_by_type_and_sign() -> None:
    f = apply(parse("""
    func f() {
      %a: f64 = const 0.0
      %b: f64 = const -0.0
      %c: f32 = const 0.0
      %d: i64 = const 1
      %e: bool = const True
      %g: f64 = const nan
      %h: f64 = const nan
      %i: f64[2] = const array(f64, (2,), [0.0, 1.0])
      %j: f64[2] = const array(f64, (2,), [-0.0, 1.0])
      %k: f64[2] = const array(f64, (2,), [0.0, 1.0])
      return %a, %b, %c, %d, %e, %g, %h, %i, %j, %k
    }
    """), (share.run,), [[]])  # fmt: skip
    assert len(set(f.outputs)) == 8


def test_attributes_and_shapes_count() -> None:
    f = apply(parse("""
    func f(%x: f64[2, 2], %y: f64) {
      %a: f64[2] = reduce_sum %x {axes = (0,)}
      %b: f64[2] = reduce_sum %x {axes = (1,)}
      %c: f64[2] = reduce_sum %x {axes = (0,)}
      %d: f64[2] = view %y {pairs = ()}
      %e: f64[3] = view %y {pairs = ()}
      %g: f64[4] = reshape %x
      %h: f64[4, 1] = reshape %x
      return %a, %b, %c, %d, %e, %g, %h
    }
    """), (share.run,), [[np.ones((2, 2)), 1.0]])  # fmt: skip
    assert len(set(f.outputs)) == 6 and f.outputs[0] is f.outputs[2]


def test_uninitialised_arrays_are_not_shared() -> None:
    f = apply(parse("""
    func f() {
      %a: f64[3] = empty
      %b: f64[3] = empty
      return %a, %b
    }
    """), (share.run,))  # fmt: skip
    assert len(set(f.outputs)) == 2


def test_equal_loops_are_shared() -> None:
    loop = """
      %R: i64 = for %zero, %n, %one, %zero { (%i.R: i64, %s.R: i64) ->
        %t.R: i64 = OP %s.R, %i.R
        yield %t.R
      }"""
    text = (
        """
    func f(%n: i64) {
      %zero: i64 = const 0
      %one: i64 = const 1"""
        + "".join(loop.replace("R", r).replace("OP", op) for r, op in [("a", "add"), ("b", "add"), ("c", "sub")])
        + """
      return %a, %b, %c
    }
    """
    )
    f = apply(parse(text), (share.run,), [[0], [4]])
    assert count(f, "for") == 2 and f.outputs[0] is f.outputs[1]


def test_effects_are_not_shared_but_repeated_checks_are() -> None:
    golden(
        """
        func f(%ok: bool, %p: bool, %x: i64) {
          if %p {
            check %ok {exception = ValueError, args = ("1",)}
            yield
          } {
            yield
          }
          check %ok {exception = ValueError, args = ("2",)}
          print %x {parts = (&Slot(0, "python"),)}
          print %x {parts = (&Slot(0, "python"),)}
          check %ok {exception = IndexError, args = ("3",)}
          if %p {
            check %ok {exception = ValueError, args = ("4",)}
            yield
          } {
            yield
          }
          return
        }
        """,
        """
        func f(%ok: bool, %p: bool, %x: i64) {
          if %p {
            check %ok {exception = ValueError, args = ("1",)}
            yield
          } {
            yield
          }
          check %ok {exception = ValueError, args = ("2",)}
          print %x {parts = (&Slot(0, "python"),)}
          print %x {parts = (&Slot(0, "python"),)}
          if %p {
            yield
          } {
            yield
          }
          return
        }
        """,
        share.run,
        inputs=[[ok, p, 3] for ok in (True, False) for p in (True, False)],
    )


def test_dead_ops_and_dead_cycles_go() -> None:
    golden(
        """
        func f(%n: i64, %x: f64, %p: bool) {
          %zero: i64 = const 0
          %one: i64 = const 1
          %dead: f64 = exp %x
          %deader: f64 = neg %dead
          %a: f64, %b: f64, %c: f64 = for %zero, %n, %one, %x, %x, %x { (%i: i64, %a1: f64, %b1: f64, %c1: f64) ->
            %a2: f64 = add %a1, %x
            %b2: f64 = mul %b1, %c1
            %c2: f64 = sub %c1, %b1
            yield %a2, %b2, %c2
          }
          %r: f64, %s: f64 = if %p {
            %t: f64 = exp %a
            yield %a, %t
          } {
            yield %x, %b
          }
          %w: f64 = while %x { (%u: f64) ->
            %q: bool = gt %u, %x
            yield %q
          } { (%v: f64) ->
            yield %v
          }
          return %r
        }
        """,
        """
        func f(%n: i64, %x: f64, %p: bool) {
          %zero: i64 = const 0
          %one: i64 = const 1
          %a: f64 = for %zero, %n, %one, %x { (%i: i64, %a1: f64) ->
            %a2: f64 = add %a1, %x
            yield %a2
          }
          %r: f64 = if %p {
            yield %a
          } {
            yield %x
          }
          return %r
        }
        """,
        dce.run,
        inputs=[[3, 2.0, True], [0, 2.0, False]],
    )


def test_effects_keep_what_they_need() -> None:
    text = """
    func f(%n: i64, %x: f64) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %a: f64, %b: f64 = for %zero, %n, %one, %x, %x { (%i: i64, %a1: f64, %b1: f64) ->
        print %a1 {parts = (&Slot(0, "python"),)}
        %a2: f64 = add %a1, %b1
        %b2: f64 = neg %b1
        yield %a2, %b2
      }
      return
    }
    """
    golden(text, text, dce.run, inputs=[[3, 2.0]])


def test_dimensions_are_kept_alive() -> None:
    f = apply(parse("""
    func f(%m: bool[4], %n: i64) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %k: i64, %index: i64[%k] = nonzero %m
      %size: i64, %x: i64[%size] = for %zero, %n, %one, %k, %index { (%i: i64, %d: i64, %y: i64[%d]) ->
        %z: i64[%d] = neg %y
        yield %d, %z
      }
      return %x
    }
    """), (dce.run,), [[np.array([True, False, True, True]), 3]])  # fmt: skip
    (loop,) = [op for op in f.walk() if op.name == "for"]
    assert len(loop.results) == 2


def test_all_of_an_unused_loop_goes() -> None:
    f = apply(parse("""
    func f(%n: i64, %x: f64[3]) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %y: f64[3] = for %zero, %n, %one, %x { (%i: i64, %y1: f64[3]) ->
        %v: f64 = const 1.0
        %y2: f64[3] = update %y1, %v, %zero {pairs = ()}
        yield %y2
      }
      return %n
    }
    """), (dce.run,), [[3, np.zeros(3)]])  # fmt: skip
    assert [op.name for op in f.walk()] == ["return"]


def test_one_number_at_every_index_is_shared_within_its_block_only() -> None:
    """It needs no memory where it is used; carried into a loop it would."""
    function = parse("""
        func f(%x: f64[4], %n: i64) {
          %0: i64 = const 0
          %1: i64 = const 1
          %one: f64 = const 1.0
          %a: f64[4] = view %one {pairs = ()}
          %b: f64[4] = view %one {pairs = ()}
          %c: f64[4] = add %a, %b
          %y: f64[4] = for %0, %n, %1, %x { (%i: i64, %z: f64[4]) ->
            %d: f64[4] = view %one {pairs = ()}
            %e: f64[4] = add %z, %d
            yield %e
          }
          return %c, %y
        }""")
    share.run(function)
    assert [op.name for op in function.walk()].count("view") == 2


def test_negations_stand_where_their_operand_is_defined() -> None:
    golden(
        """
        func f(%n: i64, %i: i64, %p: bool) {
          %r: i64 = if %p {
            %a: i64 = neg %n
            yield %a
          } {
            %s: i64 = while %i { (%k: i64) ->
              %b: i64 = neg %n
              %more: bool = gt %k, %b
              yield %more
            } { (%m: i64) ->
              %c: i64 = neg %n
              %next: i64 = add %m, %c
              yield %next
            }
            yield %s
          }
          return %r
        }
        """,
        """
        func f(%n: i64, %i: i64, %p: bool) {
          %c: i64 = neg %n
          %r: i64 = if %p {
            yield %c
          } {
            %s: i64 = while %i { (%k: i64) ->
              %more: bool = gt %k, %c
              yield %more
            } { (%m: i64) ->
              %next: i64 = add %m, %c
              yield %next
            }
            yield %s
          }
          return %r
        }
        """,
        share.run,
        inputs=[[3, 8, True], [3, 8, False]],
    )
