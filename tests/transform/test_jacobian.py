"""Jacobians and Hessians."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from tests.transform import programs
from tests.transform.checking import close, parse, run
from tracejit.errors import DerivativeError
from tracejit.ir.verify import verify
from tracejit.lower import pipeline
from tracejit.transform import jacobian as transform_jacobian
from tracejit.transform.jacobian import jacobian
from tracejit.transform.vjp import gradient

Mode = Literal["forward", "reverse"]

ROSENBROCK = """
func rosenbrock(%x: f64[5]) {
  %0: i64 = const 0
  %1: i64 = const 1
  %hundred: f64 = const 100.0
  %one: f64 = const 1.0
  %hundreds: f64[4] = view %hundred {pairs = ()}
  %ones: f64[4] = view %one {pairs = ()}
  %a: f64[4] = view %x, %0, %1 {pairs = ((0, 0),)}
  %b: f64[4] = view %x, %1, %1 {pairs = ((0, 0),)}
  %c: f64[4] = mul %a, %a
  %d: f64[4] = sub %b, %c
  %e: f64[4] = mul %d, %d
  %f: f64[4] = mul %e, %hundreds
  %g: f64[4] = sub %ones, %a
  %h: f64[4] = mul %g, %g
  %i: f64[4] = add %f, %h
  %r: f64 = reduce_sum %i {axes = (0,)}
  return %r
}"""


def rosenbrock_hessian(x: np.ndarray) -> np.ndarray:
    h = np.zeros((len(x), len(x)))
    for k in range(len(x) - 1):
        h[k, k] += 1200 * x[k] ** 2 - 400 * x[k + 1] + 2
        h[k + 1, k + 1] += 200
        h[k, k + 1] -= 400 * x[k]
        h[k + 1, k] -= 400 * x[k]
    return h


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_hessian(mode: Mode) -> None:
    function = jacobian(gradient(parse(ROSENBROCK), [0]), 0, 1, mode)
    verify(function)
    x = np.array([0.3, -0.2, 0.9, 1.1, -0.5])
    close(run(function, [x])[2:], [rosenbrock_hessian(x)], 1e-13, mode)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_of_a_loop(mode: Mode) -> None:
    function = parse(programs.RECURRENCE)
    a, y = np.linspace(0.5, 1.5, 6), np.ones(6)
    result = run(jacobian(function, 0, 0, mode), [a, y])[1]
    expected = np.zeros((6, 6))
    for i in range(6):
        for j in range(1, i + 1):
            expected[i, j] = np.prod(a[1 : i + 1]) / a[j]
    close([result], [expected], 1e-13, mode)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_shapes_and_run_time_lengths(mode: Mode) -> None:
    function = parse("""
        func f(%n: i64, %x: f64[%n, 2]) {
          %0: i64 = const 0
          %1: i64 = const 1
          %t: f64[2, %n] = view %x, %0, %0, %1, %1 {pairs = ((0, 1), (1, 0))}
          %y: f64[2, %n] = mul %t, %t
          return %y
        }""")
    x = np.arange(6.0).reshape(3, 2)
    transformed = jacobian(function, 1, 0, mode)
    verify(transformed)
    result = run(transformed, [3, x])[1]
    assert result.shape == (2, 3, 3, 2)
    for i in range(2):
        for j in range(3):
            expected = np.zeros((3, 2))
            expected[j, i] = 2 * x[j, i]
            np.testing.assert_array_equal(result[i, j], expected)


def test_scalars() -> None:
    for mode in ("forward", "reverse"):
        assert run(jacobian(parse(programs.POWER), 0, 0, mode), [2.0, 5])[1] == 80


def test_real_and_complex() -> None:
    function = parse("""
        func f(%z: c128) {
          %r: f64 = abs %z
          return %r
        }""")
    with pytest.raises(DerivativeError, match="reverse mode can"):
        jacobian(function, 0, 0, "forward")
    close(run(jacobian(function, 0, 0, "reverse"), [3 + 4j])[1:], [0.6 - 0.8j], 1e-15, "abs")
    rotate = parse("""
        func f(%x: f64) {
          %z: c128 = cast %x
          %r: c128 = exp %z
          return %r
        }""")
    with pytest.raises(DerivativeError, match="forward mode can"):
        jacobian(rotate, 0, 0, "reverse")
    close(run(jacobian(rotate, 0, 0, "forward"), [1.0])[1:], [np.exp(1.0) + 0j], 1e-15, "exp")


LAYER = """
func layer(%a: f64[4, 4], %x: f64[4]) {
  %c: f64[4, 1] = reshape %x
  %m: f64[4, 1] = matmul %a, %c
  %y: f64[4] = reshape %m
  %t: f64[4] = tanh %y
  %0: i64 = const 0
  %one: i64 = const 1
  %s: f64[3] = view %t, %0, %one {pairs = ((0, 0),)}
  %z: f64[4] = update %x, %s, %one, %one {pairs = ((0, 0),)}
  return %t, %z
}"""


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("output", [0, 1])
def test_all_basis_vectors_at_once_or_one_by_one(output: int, mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    a, x = rng.uniform(-1, 1, (4, 4)), rng.uniform(-1, 1, 4)
    found = []
    for limit in (2**23, 0):
        monkeypatch.setattr(transform_jacobian, "_AT_ONCE", limit)
        whole = jacobian(parse(LAYER), 1, output, mode)
        verify(whole)
        pipeline.optimize(whole)
        verify(whole)
        assert any(op.name == "for" for op in whole.walk()) == (limit == 0)
        if output == 0:  # a product with basis vectors is none
            assert all(op.result.shape != (4, 4) for op in whole.walk() if op.name == "matmul")
        found.append(run(whole, [a, x])[-1])
    np.testing.assert_allclose(found[0], found[1], 1e-13)
