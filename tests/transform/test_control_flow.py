"""Derivatives through loops and branches."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from tests.transform import programs
from tests.transform.checking import check, close, parse, run
from tracejit.ir.core import Function, Op
from tracejit.ir.text import parse_function
from tracejit.ir.verify import verify
from tracejit.ops import REGISTRY
from tracejit.ops.control import Slot
from tracejit.transform.jvp import jvp
from tracejit.transform.vjp import gradient, split, vjp

rng = np.random.default_rng(3)


def reverse(function: Function) -> Function:
    """Of one scalar: the derivative of the last output."""
    return gradient(function, [0], len(function.outputs) - 1)


def forward(function: Function) -> Function:
    """Like :func:`reverse`; the tangents that this adds as parameters must be 1."""
    return jvp(function, [0])


@pytest.mark.parametrize("modes", [f"{n:04b}" for n in range(16)])
def test_four_derivatives_of_a_while_loop(modes: str) -> None:
    """d^4 sqrt(a) by all compositions of both modes."""
    function, arguments = parse(programs.NEWTON), [2.0]
    expected = math.sqrt(2)
    for order, mode in enumerate(modes):
        function = reverse(function) if mode == "0" else forward(function)
        verify(function)
        if mode == "1":
            arguments.append(1.0)
        expected *= (0.5 - order) / 2
        assert math.isclose(float(run(function, arguments)[-1]), expected, rel_tol=1e-9)


@pytest.mark.parametrize("modes", ["0000", "0101", "1010", "0011", "1100", "1111"])
def test_four_derivatives_of_a_for_loop(modes: str) -> None:
    function, arguments = parse(programs.POWER), [1.3, 7]
    for order, mode in enumerate(modes):
        function = reverse(function) if mode == "0" else forward(function)
        arguments += [1.0] if mode == "1" else []
        expected = math.perm(7, order + 1) * 1.3 ** (6 - order)
        assert math.isclose(float(run(function, arguments)[-1]), expected, rel_tol=1e-12)
    assert run(function, [1.3, 0, *arguments[2:]])[-1] == 0, "no trips"


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_trip_counts(n: int) -> None:
    check(parse(programs.POWER), 0.7, n)


def test_recurrence() -> None:
    check(parse(programs.RECURRENCE), rng.uniform(0.5, 1.5, 6), rng.uniform(0.5, 1.5, 6))


def test_cholesky() -> None:
    a = rng.uniform(-1, 1, (4, 4))
    function, a = parse(programs.CHOLESKY), a @ a.T + 4 * np.eye(4)
    close([np.tril(run(function, [a])[0])], [np.linalg.cholesky(a)], 1e-12, "values")
    check(function, a, h=1e-2)


def test_layers() -> None:
    check(parse(programs.LAYERS), rng.uniform(-1, 1, (5, 3, 3)), rng.uniform(-1, 1, (3, 1)))


def test_stencil() -> None:
    check(parse(programs.STENCIL), rng.uniform(-1, 1, 8))


@pytest.mark.parametrize("n", [1, 2, 7, 9])
def test_while_with_branches_and_stores(n: int) -> None:
    check(parse(programs.COLLATZ), n, 0.8, rng.uniform(0.5, 1, 8))


# --- what the programs do besides
def talking() -> Function:
    return parse_function(programs.TALKING, REGISTRY, {"Slot": Slot})


@pytest.mark.parametrize(
    "transform", [lambda f: jvp(f, [0]), lambda f: gradient(f, [0]), lambda f: split(f, [0], [0]).forward]
)
def test_effects_happen_once(transform: Callable[[Function], Function], capsys: pytest.CaptureFixture[str]) -> None:
    function = transform(talking())
    verify(function)
    arguments = [2.0, 2, 1.0][: len(function.params)]
    run(function, arguments)
    assert capsys.readouterr().out == "0 4.0\n1 16.0\n"
    with pytest.raises(ValueError, match="256.0 is too big"):
        run(function, [2.0, 3, 1.0][: len(function.params)])
    assert capsys.readouterr().out == "0 4.0\n1 16.0\n"


def test_the_backward_function_has_no_effects() -> None:
    backward = split(talking(), [0], [0]).backward
    assert not any(op.name in ("check", "print") for op in backward.walk())


def test_arguments_that_are_written() -> None:
    """The derivative is that with respect to the contents before the call."""
    function = parse("""
        func f(%x: f64[3], %s: f64) {mutated = {0: 1}} {
          %1: i64 = const 1
          %a: f64 = view %x, %1 {pairs = ()}
          %b: f64 = mul %a, %s
          %y: f64[3] = update %x, %b, %1 {pairs = ()}
          %z: f64[3] = mul %y, %y
          %t: f64 = reduce_sum %z {axes = (0,)}
          return %t, %y
        }""")
    assert vjp(function, [0], [0]).meta["mutated"] == {0: 1}
    assert jvp(function, [0]).meta["mutated"] == {0: 1}
    out = run(gradient(function, [0, 1]), [np.array([1.0, 2, 3]), 0.5])
    close(out[2:], [[2, 1, 6], 4], 1e-15, "gradient")
    check(function, np.array([1.0, 2, 3]), 0.5)


def test_inputs_that_do_not_matter_have_derivative_zero() -> None:
    function = parse("""
        func f(%x: f64[3], %y: f64) {
          %1: i64 = cast %y
          %2: f64 = cast %1
          return %2, %x
        }""")
    assert [g.tolist() for g in run(vjp(function, [0, 1], [0]), [np.ones(3), 2.5, 1.0])[2:]] == [[0, 0, 0], 0]
    assert [t.tolist() for t in run(jvp(function, [1]), [np.ones(3), 2.5, 1.0])[2:]] == [0, [0, 0, 0]]


def test_an_output_twice_and_a_parameter_as_output() -> None:
    function = parse("""
        func f(%x: f64) {
          %y: f64 = mul %x, %x
          return %y, %y, %x
        }""")
    check(function, 1.5)
    assert run(vjp(function, [0], [0, 1, 2]), [1.5, 1.0, 10.0, 100.0])[3] == 133


# --- what the backward code costs
def loops(function: Function) -> list[Op]:
    return [op for op in function.walk() if op.name in ("for", "while")]


def named(function: Function, hint: str) -> int:
    """How many residual arrays (or tapes) a function begins with."""
    return sum(r.hint == hint for op in function.body.ops for r in op.results)


def test_element_by_element_means_constant_work_per_trip() -> None:
    function = gradient(sums(parse(programs.RECURRENCE)), [0, 1])
    for loop in loops(function):
        for op in loop.regions[-1].ops[:-1]:
            assert not any(r.rank for r in op.results) or op.name == "update", op


def sums(function: Function) -> Function:
    """``function`` with the sum of its first output instead."""
    from tracejit.ops.builder import Builder

    v = function.outputs[0]
    last = function.body.ops.pop()
    total = Builder(function.body).sum(v, range(v.rank))
    last.set_operands([total])
    function.body.append(last)
    return function


def test_a_linear_loop_stores_nothing() -> None:
    function = gradient(sums(parse(programs.STENCIL)), [0])
    assert named(function, "residual") == named(function, "tape") == 0


def test_a_value_and_its_successor_share_an_array() -> None:
    """h and tanh(w h) are both needed in each trip, and the second is the first of the next trip."""
    function = gradient(parse(programs.LAYERS), [0, 1])
    (array,) = [r for op in function.body.ops for r in op.results if r.hint == "residual"]
    assert array.shape == (6, 3, 1)


def test_one_array_for_nested_loops() -> None:
    function = parse("""
        func f(%x: f64[3, 4]) {
          %0: i64 = const 0
          %1: i64 = const 1
          %m: i64 = const 3
          %n: i64 = const 4
          %one: f64 = const 1.0
          %r: f64 = for %0, %m, %1, %one { (%i: i64, %s: f64) ->
            %t: f64 = for %0, %n, %1, %s { (%j: i64, %p: f64) ->
              %a: f64 = view %x, %i, %j {pairs = ()}
              %b: f64 = mul %a, %p
              yield %b
            }
            yield %t
          }
          return %r
        }""")
    derivative = gradient(function, [0])
    arrays = [r for op in derivative.body.ops for r in op.results if r.hint == "residual"]
    assert [a.shape for a in arrays] == [(3, 4)]
    check(function, rng.uniform(0.5, 1.5, (3, 4)))


def test_counters_and_lengths_are_not_stored() -> None:
    """A while loop that counts: its index is computed again from the number of the trip."""
    function = parse("""
        func f(%x: f64[5]) {
          %0: i64 = const 0
          %2: i64 = const 2
          %5: i64 = const 5
          %zero: f64 = const 0.0
          %k: i64, %s: f64 = while %0, %zero { (%k.1: i64, %s.1: f64) ->
            %more: bool = lt %k.1, %5
            yield %more
          } { (%k.2: i64, %s.2: f64) ->
            %a: f64 = view %x, %k.2 {pairs = ()}
            %b: f64 = mul %a, %a
            %c: f64 = add %s.2, %b
            %d: i64 = add %k.2, %2
            yield %d, %c
          }
          return %s
        }""")
    assert named(gradient(function, [0]), "tape") == 0
    check(function, rng.uniform(-1, 1, 5))


def test_a_branch_keeps_what_the_arm_taken_needs() -> None:
    function = parse("""
        func f(%c: bool, %x: f64[40]) {
          %y: f64[40] = if %c {
            %a: f64[40] = exp %x
            %b: f64[40] = mul %a, %a
            yield %b
          } {
            %d: f64[40] = tanh %x
            yield %d
          }
          %s: f64 = reduce_sum %y {axes = (0,)}
          return %s
        }""")
    derivative = gradient(function, [1])
    forward_if = next(op for op in derivative.body.ops if op.name == "if")
    assert len(forward_if.results) == 2, "one array serves both arms"
    for c in (True, False):
        check(function, c, rng.uniform(-1, 1, 40))


def test_growing_tapes() -> None:
    """More elements than a tape has room for at first, and arrays whose length changes."""
    function = parse("""
        func f(%x: f64, %n: i64) {
          %0: i64 = const 0
          %1: i64 = const 1
          %zero: f64 = const 0.0
          %r: f64 = for %0, %n, %1, %zero { (%i: i64, %s: f64) ->
            %j: f64[%i] = view %x {pairs = ()}
            %e: f64[%i] = sin %j
            %f: f64[%i] = exp %e
            %g: f64 = reduce_sum %f {axes = (0,)}
            %h: f64 = add %s, %g
            yield %h
          }
          return %r
        }""")
    check(function, 0.3, 40, h=1e-2)


# --- what cannot be differentiated
def test_errors() -> None:
    from tracejit.errors import DerivativeError

    function = parse("""
        func f(%n: i64, %x: f64[3]) {
          %y: i64[3] = cast %x
          return %n, %x, %y
        }""")
    with pytest.raises(DerivativeError, match="parameter 0, which is i64"):
        jvp(function, [0])
    with pytest.raises(DerivativeError, match="parameter 0, which is i64"):
        vjp(function, [0], [1])
    with pytest.raises(DerivativeError, match=r"output 2 of f is i64\[3\]"):
        vjp(function, [1], [2])
    with pytest.raises(DerivativeError, match=r"is a scalar, and it is f64\[3\]"):
        gradient(function, [1], 1)
    calling = parse_function(
        """
        func f(%x: f64) {
          %y: f64 = callback %x {function = &g, tree = None, kinds = ("python",)}
          return %y
        }""",
        REGISTRY,
        {"g": float},
    )
    for transform in (lambda: jvp(calling, [0]), lambda: gradient(calling, [0])):
        with pytest.raises(DerivativeError, match="callback has no derivative"):
            transform()
