"""Derivative rules op by op: attributes and shapes of their own, conventions, places where calculus has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tests.transform.checking import check, run
from tracejit.ir.core import Block, Function, Value
from tracejit.ir.types import BOOL, FLOAT64, INT64, ArrayType
from tracejit.ops import REGISTRY, elementwise, library, reduction, structural
from tracejit.ops.builder import Builder
from tracejit.transform.jvp import jvp
from tracejit.transform.vjp import vjp

COMPLEX = {"f": np.dtype(np.float64), "c": np.dtype(np.complex128)}

DOMAINS: dict[str, tuple[tuple[float, float], ...]] = {
    "log": ((0.3, 3),), "log2": ((0.3, 3),), "log10": ((0.3, 3),), "log1p": ((-0.5, 2),), "sqrt": ((0.3, 3),),
    "asin": ((-0.8, 0.8),), "acos": ((-0.8, 0.8),), "tan": ((-1, 1),), "cbrt": ((0.4, 2),), "abs": ((0.3, 2),),
    "pow": ((0.4, 2), (-2, 2)), "div": ((-2, 2), (0.5, 2)), "atan2": ((0.3, 2), (0.3, 2)), "hypot": ((0.3, 2),) * 2,
    "mod": ((0.1, 0.4), (0.6, 1)), "floordiv": ((0.1, 0.4), (0.6, 1)), "copysign": ((0.3, 2), (-2, -0.3)),
    "floor": ((0.2, 0.8),), "ceil": ((0.2, 0.8),), "trunc": ((0.2, 0.8),), "rint": ((0.6, 0.9),),
    "sign": ((0.3, 2),),
}  # fmt: skip
"""Where an op is smooth and may be moved a little; (-2, 2) when not listed. Complex numbers are kept from the cuts."""


def program(types: Sequence[ArrayType], build: Callable[..., Sequence[Value]]) -> Function:
    function = Function("f", Block(types))
    b = Builder(function.body)
    b.return_(*build(b, *function.params))
    return function


def sample(name: str, kind: str, n: int, shape: tuple[int, ...], seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    found = []
    for k in range(n):
        low, high = DOMAINS.get(name, ((-2, 2),) * n)[k]
        x = rng.uniform(low, high, shape)
        if kind == "c":
            x = rng.uniform(0.4, 1.5, shape) + 1j * rng.uniform(0.3, 1.2, shape)
        found.append(np.asarray(x))
    return found


CASTS = [("f4", "f8"), ("f8", "f4"), ("f8", "c16"), ("c16", "f8"), ("c8", "c16"), ("f2", "f8")]


@pytest.mark.parametrize(("source", "target"), CASTS)
def test_casts(source: str, target: str) -> None:
    function = program([ArrayType(np.dtype(source), (3,))], lambda b, x: [b.cast(x, np.dtype(target))])
    x = np.array([0.5, 1.25, -2]).astype(source)
    check(function, x, order=2, numerical=False, agreement=1e-2)
    t = np.array([1, 2, 3]).astype(source)
    out = run(jvp(function, [0]), [x, t])
    np.testing.assert_array_equal(out[1], (t if target[0] == "c" else t.real).astype(target))


def test_casts_through_integers_have_derivative_zero() -> None:
    function = program([ArrayType(FLOAT64)], lambda b, x: [b.cast(b.cast(x, INT64), FLOAT64)])
    assert run(jvp(function, [0]), [2.5, 1.0])[1] == 0
    assert run(vjp(function, [0], [0]), [2.5, 1.0])[1] == 0


def test_select() -> None:
    t = ArrayType(FLOAT64, (4,))
    function = program([ArrayType(BOOL, (4,)), t, t], lambda b, c, x, y: [b.apply(elementwise.select, c, x, y)])
    check(function, np.array([True, False, True, False]), np.arange(4.0), np.arange(4.0) + 2)


# --- ops with attributes and shapes of their own
def vector(n: int) -> ArrayType:
    return ArrayType(FLOAT64, (n,))


def matrix(m: int, n: int) -> ArrayType:
    return ArrayType(FLOAT64, (m, n))


rng = np.random.default_rng(5)
VIEWS: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], Any, tuple[int, ...]]] = {
    "load": ((4,), (), (2,), (), ()),
    "slice": ((6,), (3,), (1,), ((0, 0),), (1,)),
    "strided": ((7,), (3,), (0,), ((0, 0),), (3,)),
    "reversed": ((5,), (5,), (4,), ((0, 0),), (-1,)),
    "transposed": ((2, 3), (3, 2), (0, 0), ((0, 1), (1, 0)), (1, 1)),
    "row": ((3, 4), (4,), (1, 0), ((1, 0),), (1,)),
    "column": ((3, 4), (3,), (0, 2), ((0, 0),), (1,)),
    "fill": ((), (2, 3), (), (), ()),
    "broadcast": ((3,), (2, 3), (0,), ((0, 1),), (1,)),
    "step 0": ((3,), (2, 4), (1,), ((0, 1),), (0,)),
    "diagonal": ((3, 3), (3,), (0, 0), ((0, 0), (1, 0)), (1, 1)),
    "windows": ((6,), (4, 3), (0,), ((0, 0), (0, 1)), (1, 1)),
    "blocks": ((6,), (3, 2), (0,), ((0, 0), (0, 1)), (2, 1)),
    "everything": ((5, 4), (2, 3, 2, 2), (4, 1), ((0, 0), (1, 2), (0, 3)), (-2, 1, -1)),
    "empty": ((3,), (0,), (0,), ((0, 0),), (1,)),
}


@pytest.mark.parametrize("run_time", [False, True])
@pytest.mark.parametrize("name", VIEWS)
def test_view(name: str, run_time: bool) -> None:
    base, shape, starts, pairs, steps = VIEWS[name]
    x = rng.uniform(-1, 1, base)
    if not run_time:
        function = program([ArrayType(FLOAT64, base)], lambda b, x: [b.view(x, shape, starts, pairs, steps)])
        check(function, x, order=1)
        return
    numbers = [*starts, *steps]

    def build(b: Builder, x: Value, *n: Value) -> list[Value]:
        y = b.view(x, shape, n[: len(starts)], pairs, n[len(starts) :])
        return [b.apply(elementwise.mul, y, y)]

    check(program([ArrayType(FLOAT64, base), *[ArrayType(INT64)] * len(numbers)], build), x, *numbers)


@pytest.mark.parametrize("name", [n for n in VIEWS if n != "fill"])
def test_update(name: str) -> None:
    base, shape, starts, pairs, steps = VIEWS[name]
    types = [ArrayType(FLOAT64, base), ArrayType(FLOAT64, shape)]
    x, v = rng.uniform(-1, 1, base), rng.uniform(-1, 1, shape)
    check(program(types, lambda b, x, v: [b.update(x, v, starts, pairs, steps)]), x, v, order=1)
    if steps:
        types += [ArrayType(INT64)] * len(steps)
        check(program(types, lambda b, x, v, *n: [b.update(x, v, starts, pairs, n)]), x, v, *steps)


def test_run_time_lengths() -> None:
    function = Function("f", Block())
    n = function.body.add_param(ArrayType(INT64), "n")
    x = function.body.add_param(ArrayType(FLOAT64, (n,)), "x")
    y = function.body.add_param(ArrayType(FLOAT64), "y")
    b = Builder(function.body)
    whole = b.view(x, (n,), (0,), ((0, 0),), (1,))
    product = b.apply(elementwise.mul, whole, b.fill(y, (n,)))
    backwards = b.view(product, (n,), (b.apply(elementwise.sub, n, b.index(1)),), ((0, 0),), (-1,))
    joined = b.concat([backwards, x], 0, b.apply(elementwise.add, n, n))
    b.return_(joined, b.sum(product, (0,)))
    check(function, 4, np.arange(4.0), 2.0)
    check(function, 0, np.zeros(0), 2.0)


def test_reshape() -> None:
    check(program([matrix(2, 6)], lambda b, x: [b.reshape(x, (3, 4))]), rng.uniform(-1, 1, (2, 6)))


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (1, 0)])
def test_gather_and_scatter(axes: tuple[int, ...]) -> None:
    x = rng.uniform(-1, 1, (3, 4))
    index = [np.array([0, 2, 0, 1]), np.array([3, 1, 3, 0])][: len(axes)]
    if axes == (1, 0):
        index.reverse()
    types = [matrix(3, 4)] + [ArrayType(INT64, (4,))] * len(axes)
    check(program(types, lambda b, x, *i: [b.gather(x, i, axes)]), x, *index)
    shape = (4,) if len(axes) == 2 else (4, 4) if axes == (0,) else (4, 3)
    v = rng.uniform(-1, 1, shape)
    types = [matrix(3, 4), ArrayType(FLOAT64, shape), *types[1:]]
    for mode in ("set", "add"):
        check(program(types, lambda b, x, v, *i: [b.scatter(x, v, i, axes, mode)]), x, v, *index)


def test_masks() -> None:
    def build(b: Builder, x: Value, v: Value) -> list[Value]:
        mask = b.apply(elementwise.gt, x, b.full(0.0, x))
        n, index = b.nonzero(mask)
        picked = b.gather(x, [index], (0,))
        square = b.apply(elementwise.mul, picked, picked)
        return [square, b.scatter(x, b.apply(elementwise.mul, square, b.fill(v, (n,))), [index], (0,))]

    check(program([vector(5), ArrayType(FLOAT64)], build), np.array([1.0, -2, 3, -4, 0.5]), 1.5)
    check(program([vector(5), ArrayType(FLOAT64)], build), -np.ones(5), 1.5)


@pytest.mark.parametrize("axis", [0, 1])
def test_concat(axis: int) -> None:
    function = program([matrix(2, 2)] * 3, lambda b, *x: [b.concat(x, axis, 6)])
    check(function, *rng.uniform(-1, 1, (3, 2, 2)))


@pytest.mark.parametrize("kind", "fc")
@pytest.mark.parametrize("batch", [(), (2,)])
def test_matmul(batch: tuple[int, ...], kind: str) -> None:
    types = [ArrayType(COMPLEX[kind], (*batch, 3, 4)), ArrayType(COMPLEX[kind], (*batch, 4, 2))]
    x, y = (rng.uniform(-1, 1, t.shape) for t in types)
    if kind == "c":
        x, y = x + 1j * x[::-1], y - 2j * y
    check(program(types, lambda b, x, y: [b.apply(structural.matmul, x, y)]), x, y)


@pytest.mark.parametrize("kind", "fc")
@pytest.mark.parametrize("batch", [(), (2,)])
def test_linear_algebra(batch: tuple[int, ...], kind: str) -> None:
    a, y = rng.uniform(-1, 1, (*batch, 3, 3)) + 2 * np.eye(3), rng.uniform(-1, 1, (*batch, 3, 2))
    if kind == "c":
        a, y = a + 1j * a[..., ::-1], y - 2j * y
    square, right = ArrayType(COMPLEX[kind], a.shape), ArrayType(COMPLEX[kind], y.shape)
    check(program([square, right], lambda b, a, y: [b.emit(library.solve, (a, y))[0]]), a, y)
    check(program([square], lambda b, a: [b.apply(library.det, a)]), a)
    if kind == "f":
        s = a @ np.swapaxes(a, -1, -2)
        check(program([square], lambda b, a: [b.emit(library.cholesky, (a,))[0]]), s)


def test_sort() -> None:
    for shape in ((7,), (3, 4)):
        x = rng.permutation(int(np.prod(shape))).reshape(shape) / 3
        check(program([ArrayType(FLOAT64, shape)], lambda b, x: [b.apply(library.sort, x)]), x)


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (0, 2)], ids=str)
@pytest.mark.parametrize("name", ["reduce_sum", "reduce_prod", "reduce_min", "reduce_max"])
def test_reductions(name: str, axes: tuple[int, ...]) -> None:
    function = program([ArrayType(FLOAT64, (2, 3, 2))], lambda b, x: [b.reduce(REGISTRY[name], x, axes)])
    check(function, rng.permutation(12).reshape(2, 3, 2) / 6 - 1.1)


def test_product_with_zeros() -> None:
    function = program([vector(4)], lambda b, x: [b.reduce(reduction.reduce_prod, x, (0,))])
    check(function, [2.0, 0.0, 3.0, 0.0], order=3)


def test_complex_sum_and_product() -> None:
    t = ArrayType(COMPLEX["c"], (3,))
    x = rng.uniform(-1, 1, 3) + 1j * rng.uniform(-1, 1, 3)
    for name in ("reduce_sum", "reduce_prod"):
        check(program([t], lambda b, x: [b.reduce(REGISTRY[name], x, (0,))]), x)


def test_equal_extrema_share() -> None:
    function = program([vector(4)], lambda b, x: [b.reduce(reduction.reduce_max, x, (0,))])
    assert run(vjp(function, [0], [0]), [np.array([1.0, 3, 3, 2]), 1.0])[1].tolist() == [0, 0.5, 0.5, 0]
    function = program([vector(2)] * 2, lambda b, x, y: [b.apply(elementwise.maximum, x, y)])
    out = run(vjp(function, [0, 1], [0]), [np.array([1.0, 2]), np.array([1.0, 1]), np.ones(2)])
    assert [x.tolist() for x in out[1:]] == [[0.5, 1], [0.5, 0]]


def test_derivatives_where_calculus_has_none() -> None:
    def grads(name: str, *x: float) -> list[float]:
        p = REGISTRY[name]
        function = program([ArrayType(FLOAT64)] * len(x), lambda b, *v: [b.apply(p, *v)])
        backward = run(vjp(function, range(len(x)), [0]), [*x, 1.0])[1:]
        forward = jvp(function, range(len(x)))
        for k, g in enumerate(backward):
            assert run(forward, [*x, *(float(j == k) for j in range(len(x)))])[1] == g
        return [float(g) for g in backward]

    assert grads("abs", 0.0) == [0]
    assert grads("hypot", 0.0, 0.0) == [0, 0]
    assert grads("sign", 0.0) == [0]
    assert grads("sqrt", 0.0) == [np.inf]
    assert grads("pow", 0.0, 0.0) == [0, 0]
    assert grads("pow", 0.0, 1.0) == [1, 0]
    assert grads("pow", 0.0, 2.0) == [0, 0]
    assert grads("fmax", np.nan, 1.0) == [0, 1]
    assert grads("fmin", 1.0, np.nan) == [1, 0]


def test_complex_conventions() -> None:
    """For a real function of a complex number the cotangent is d/dre - i d/dim; holomorphic functions multiply."""
    c = ArrayType(COMPLEX["c"])

    def square(b: Builder, z: Value) -> list[Value]:
        r = b.apply(elementwise.abs, z)
        return [b.apply(elementwise.mul, r, r)]

    z = 3 + 4j
    assert np.isclose(run(vjp(program([c], square), [0], [0]), [z, 1.0])[1], 2 * np.conj(z))
    cube = program([c], lambda b, z: [b.apply(elementwise.mul, z, b.apply(elementwise.mul, z, z))])
    assert np.isclose(run(vjp(cube, [0], [0]), [z, 1.0 + 0j])[1], 3 * z * z)
    assert np.isclose(run(jvp(cube, [0]), [z, 1.0 + 0j])[1], 3 * z * z)

    def turn(b: Builder, x: Value) -> list[Value]:
        return [b.apply(elementwise.exp, b.apply(elementwise.make_complex, b.full(0, x), x))]

    wave = program([ArrayType(FLOAT64)], turn)
    assert np.isclose(run(jvp(wave, [0]), [0.3, 1.0])[1], 1j * np.exp(0.3j))
    assert np.isclose(run(vjp(wave, [0], [0]), [0.3, 1.0 + 2j])[1], np.real((1 + 2j) * 1j * np.exp(0.3j)))
