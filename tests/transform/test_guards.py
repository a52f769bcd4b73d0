"""What was not chosen never matters: derivatives of guarded expressions at and beyond the edge of their domain."""

from __future__ import annotations

import numpy as np
import pytest

from tests.transform.checking import check, close, parse, run
from tracejit.ir.core import Function
from tracejit.ir.verify import verify
from tracejit.transform.jvp import jvp
from tracejit.transform.vjp import gradient, vjp

X = np.array([-1.0, 0.0, 0.25, 4.0])


def guarded(body: str) -> Function:
    """``where(x > 0, y, 0)`` of a vector with ``y`` as ``body`` computes it."""
    return parse(f"""
        func f(%x: f64[4]) {{
          %zero: f64 = const 0.0
          %zeros: f64[4] = view %zero {{pairs = ()}}
          %positive: bool[4] = gt %x, %zeros
          {body}
          %r: f64[4] = select %positive, %y, %zeros
          return %r
        }}""")


@pytest.mark.parametrize(
    ("body", "first", "second"),
    [
        ("%y: f64[4] = sqrt %x", lambda x: 0.5 / np.sqrt(x), lambda x: -0.25 * x**-1.5),
        ("%y: f64[4] = log %x", lambda x: 1 / x, lambda x: -1 / x**2),
        ("%a: f64[4] = log %x\n%y: f64[4] = mul %x, %a", lambda x: np.log(x) + 1, lambda x: 1 / x),
        ("%a: f64[4] = div %x, %x\n%y: f64[4] = mul %a, %x", lambda x: 1 + 0 * x, lambda x: 0 * x),
        ("%a: f64[4] = sqrt %x\n%b: f64[4] = neg %a\n%y: f64[4] = exp %b",
         lambda x: -0.5 * np.exp(-np.sqrt(x)) / np.sqrt(x),
         lambda x: 0.25 * np.exp(-np.sqrt(x)) * (1 / x + x**-1.5)),
        ("%a: f64[2, 2] = reshape %x\n%b: f64[2, 2] = sqrt %a\n%y: f64[4] = reshape %b",
         lambda x: 0.5 / np.sqrt(x), lambda x: -0.25 * x**-1.5),
    ],
)  # fmt: skip
def test_guarded_functions(body: str, first: object, second: object) -> None:
    function = guarded(body)
    ones = np.ones(4)
    for order, exact in enumerate((first, second)):
        with np.errstate(all="ignore"):
            expected = np.where(X > 0, exact(X), 0)  # type: ignore[operator]
        if order == 0:
            close(run(vjp(function, [0], [0]), [X, ones])[1:], [expected], 1e-14, "reverse")
            close(run(jvp(function, [0]), [X, ones])[1:], [expected], 1e-14, "forward")
        else:
            over = vjp(vjp(function, [0], [0]), [0], [1])
            verify(over)
            close(run(over, [X, ones, ones])[2:], [expected], 1e-13, "reverse over reverse")
            over = vjp(jvp(function, [0]), [0], [1])
            close(run(over, [X, ones, ones])[2:], [expected], 1e-13, "reverse over forward")
            over = jvp(vjp(function, [0], [0]), [0])
            close(run(over, [X, ones, ones])[3:], [expected], 1e-13, "forward over reverse")


def test_where_is_the_other_way_round_too() -> None:
    function = parse("""
        func f(%x: f64) {
          %zero: f64 = const 0.0
          %bad: bool = le %x, %zero
          %y: f64 = sqrt %x
          %r: f64 = select %bad, %zero, %y
          return %r
        }""")
    assert run(gradient(function, [0]), [0.0])[1] == 0
    assert run(gradient(function, [0]), [4.0])[1] == 0.25


def test_a_scalar_guard_of_vectors() -> None:
    """``where(n > 0, x / n, 0)`` with ``n`` the norm: the derivative at 0 is that of 0."""
    function = parse("""
        func f(%x: f64[3]) {
          %zero: f64 = const 0.0
          %zeros: f64[3] = view %zero {pairs = ()}
          %a: f64[3] = mul %x, %x
          %s: f64 = reduce_sum %a {axes = (0,)}
          %n: f64 = sqrt %s
          %c: bool = gt %n, %zero
          %cs: bool[3] = view %c {pairs = ()}
          %ns: f64[3] = view %n {pairs = ()}
          %y: f64[3] = div %x, %ns
          %r: f64[3] = select %cs, %y, %zeros
          return %r
        }""")
    assert run(vjp(function, [0], [0]), [np.zeros(3), np.ones(3)])[1].tolist() == [0, 0, 0]
    check(function, np.array([0.3, -0.4, 1.2]))


def test_a_guard_of_rows() -> None:
    """The same, row by row: the mask goes through the broadcast."""
    function = parse("""
        func f(%x: f64[2, 3]) {
          %0: i64 = const 0
          %1: i64 = const 1
          %zero: f64 = const 0.0
          %zeros: f64[2, 3] = view %zero {pairs = ()}
          %a: f64[2, 3] = mul %x, %x
          %s: f64[2] = reduce_sum %a {axes = (1,)}
          %n: f64[2] = sqrt %s
          %ns: f64[2, 3] = view %n, %0, %1 {pairs = ((0, 0),)}
          %c: bool[2, 3] = gt %ns, %zeros
          %y: f64[2, 3] = div %x, %ns
          %r: f64[2, 3] = select %c, %y, %zeros
          return %r
        }""")
    x = np.array([[0, 0, 0], [0.3, -0.4, 1.2]])
    g = run(vjp(function, [0], [0]), [x, np.ones((2, 3))])[1]
    assert g[0].tolist() == [0, 0, 0]
    assert np.isfinite(g).all()


def test_extrema_guard_too() -> None:
    function = parse("""
        func f(%x: f64) {
          %one: f64 = const 1.0
          %y: f64 = log %x
          %r: f64 = maximum %y, %one
          return %r
        }""")
    assert run(gradient(function, [0]), [0.0])[1] == 0
    assert run(gradient(function, [0]), [4.0])[1] == 0.25


def test_a_guard_inside_a_loop() -> None:
    function = parse("""
        func f(%x: f64[4]) {
          %0: i64 = const 0
          %1: i64 = const 1
          %n: i64 = const 4
          %zero: f64 = const 0.0
          %r: f64 = for %0, %n, %1, %zero { (%i: i64, %s: f64) ->
            %a: f64 = view %x, %i {pairs = ()}
            %b: f64 = sqrt %a
            %c: bool = gt %a, %zero
            %d: f64 = select %c, %b, %zero
            %e: f64 = add %s, %d
            yield %e
          }
          return %r
        }""")
    close([run(gradient(function, [0]), [X])[1]], [[0, 0, 1, 0.25]], 1e-15, "gradient")
    second = gradient(sum_of(gradient(function, [0]), 1), [0])
    close([run(second, [X])[1]], [[0, 0, -2, -0.25 * 4**-1.5]], 1e-15, "second derivative")


def sum_of(function: Function, output: int) -> Function:
    from tracejit.ops.builder import Builder

    v = function.outputs[output]
    last = function.body.ops.pop()
    last.set_operands([Builder(function.body).sum(v, range(v.rank))])
    function.body.append(last)
    return function


def test_a_zero_cotangent_does_not_hide_second_derivatives() -> None:
    """Masks go by the condition, not by the value: where(c, (x - 1)**2 * x, 0) at 1 has second derivative 2."""
    function = parse("""
        func f(%x: f64) {
          %one: f64 = const 1.0
          %zero: f64 = const 0.0
          %c: bool = gt %x, %zero
          %d: f64 = sub %x, %one
          %e: f64 = mul %d, %d
          %g: f64 = mul %e, %x
          %r: f64 = select %c, %g, %zero
          return %r
        }""")
    assert run(gradient(function, [0]), [1.0])[1] == 0
    assert run(gradient(gradient(function, [0]), [0], 1), [1.0])[2] == 2
