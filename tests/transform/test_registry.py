"""Every op in the registry that has a derivative: each dtype, several shapes, both modes, to second order; and every
other op says that it has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import tracejit as tj
from tests.transform.checking import check, close, floats, random_like, run
from tests.transform.test_rules import program, sample
from tracejit.ir.core import Function, Value
from tracejit.ir.types import ArrayType
from tracejit.ir.verify import verify
from tracejit.ops import REGISTRY, elementwise
from tracejit.ops.builder import Builder
from tracejit.ops.primitive import Primitive
from tracejit.transform.jvp import jvp
from tracejit.transform.structure import is_float
from tracejit.transform.vjp import vjp

DOUBLE = {"f": np.dtype(np.float64), "c": np.dtype(np.complex128)}
SHORT = {"f": (np.dtype(np.float32), np.dtype(np.float16)), "c": (np.dtype(np.complex64),)}
TOLERANCE = {2: 3e-2, 4: 1e-4, 8: 1e-4}

Build = Callable[..., Value]
Shapes = Sequence[tuple[int, ...]]


def index(b: Builder, *numbers: Any) -> Value:
    return b.const(np.array(numbers), np.dtype(np.int64))


def condition(b: Builder, x: Value, y: Value) -> Value:
    return b.apply(elementwise.select, b.apply(elementwise.gt, b.apply(elementwise.abs, x), size(b, y)), x, y)


def size(b: Builder, x: Value) -> Value:
    return b.apply(elementwise.abs, x)


def regular(b: Builder, a: Value) -> Value:
    """``a`` with so much on the diagonal that it has an inverse, and is positive definite."""
    unit = b.const(np.broadcast_to(8 * np.eye(a.shape[-1]), a.shape), a.dtype)
    return b.apply(elementwise.add, a, unit)


PROGRAMS: dict[str, list[tuple[Shapes, Build]]] = {
    "select": [([(4,), (4,)], condition), ([(2, 3), (2, 3)], condition), ([(), ()], condition)],
    "view": [
        ([()], lambda b, x: b.fill(x, (2, 3))),
        ([(4,)], lambda b, x: b.view(x, (), (2,), (), ())),
        ([(7,)], lambda b, x: b.view(x, (3,), (6,), ((0, 0),), (-3,))),
        ([(3, 4)], lambda b, x: b.view(x, (4, 2, 3), (2, 0), ((0, 2), (1, 0)), (-1, 1))),
        ([(3, 3)], lambda b, x: b.view(x, (3,), (0, 0), ((0, 0), (1, 0)), (1, 1))),
        ([(6,)], lambda b, x: b.view(x, (4, 3), (0,), ((0, 0), (0, 1)), (1, 1))),
        ([(3,)], lambda b, x: b.view(x, (0,), (1,), ((0, 0),), (1,))),
    ],
    "update": [
        ([(4,), ()], lambda b, x, v: b.update(x, v, (2,), (), ())),
        ([(7,), (3,)], lambda b, x, v: b.update(x, v, (6,), ((0, 0),), (-3,))),
        ([(3, 4), (4,)], lambda b, x, v: b.update(x, v, (1, 0), ((1, 0),), (1,))),
        ([(3,), (2, 3)], lambda b, x, v: b.update(x, v, (0,), ((0, 1),), (1,))),
    ],
    "reshape": [([(2, 6)], lambda b, x: b.reshape(x, (3, 4))), ([(1,)], lambda b, x: b.reshape(x, ()))],
    "gather": [
        ([(3, 4)], lambda b, x: b.gather(x, [index(b, 0, 2, 0)], (0,))),
        ([(3, 4)], lambda b, x: b.gather(x, [index(b, 0, 2, 0), index(b, 1, 1, 3)], (0, 1))),
        ([(3,)], lambda b, x: b.gather(x, [index(b, [0, 2], [1, 1])], (0,))),
    ],
    "scatter": [
        ([(3, 4), (3, 4)], lambda b, x, v: b.scatter(x, v, [index(b, 0, 2, 0)], (0,))),
        ([(3, 4), (3,)], lambda b, x, v: b.scatter(x, v, [index(b, 0, 2, 0), index(b, 1, 1, 1)], (0, 1), "add")),
        ([(5,), (2,)], lambda b, x, v: b.scatter(x, v, [index(b, 4, 1)], (0,), "set")),
    ],
    "barrier": [([(3,)], lambda b, x: b.emit(REGISTRY["barrier"], (x,), (x.type,))[0])],
    "concat": [
        ([(2,), (3,)], lambda b, x, y: b.concat([x, y], 0, 5)),
        ([(2, 2), (2, 1)], lambda b, x, y: b.concat([x, y], 1, 3)),
    ],
    "matmul": [
        ([(3, 4), (4, 2)], lambda b, x, y: b.apply(REGISTRY["matmul"], x, y)),
        ([(2, 1, 3), (2, 3, 1)], lambda b, x, y: b.apply(REGISTRY["matmul"], x, y)),
    ],
    "sort": [(shapes, lambda b, x: b.apply(REGISTRY["sort"], x)) for shapes in ([(4,)], [(2, 3)])],
    "solve": [
        ([(3, 3), (3, 2)], lambda b, a, y: b.emit(REGISTRY["solve"], (regular(b, a), y))[0]),
        ([(2, 2, 2), (2, 2, 1)], lambda b, a, y: b.emit(REGISTRY["solve"], (regular(b, a), y))[0]),
    ],
    "det": [
        ([(3, 3)], lambda b, a: b.apply(REGISTRY["det"], regular(b, a))),
        ([(2, 2, 2)], lambda b, a: b.apply(REGISTRY["det"], regular(b, a))),
    ],
    "cholesky": [
        ([(3, 3)], lambda b, a: b.emit(REGISTRY["cholesky"], (regular(b, a),))[0]),
        ([(2, 2, 2)], lambda b, a: b.emit(REGISTRY["cholesky"], (regular(b, a),))[0]),
    ],
}  # fmt: skip
"""Programs for ops with attributes, or with operands that are not all floats."""

for _name in ("reduce_sum", "reduce_prod", "reduce_min", "reduce_max"):
    PROGRAMS[_name] = [
        ([(5,)], lambda b, x, p=REGISTRY[_name]: b.reduce(p, x, (0,))),
        ([(2, 3, 2)], lambda b, x, p=REGISTRY[_name]: b.reduce(p, x, (1,))),
        ([(2, 3, 2)], lambda b, x, p=REGISTRY[_name]: b.reduce(p, x, (0, 2))),
    ]

ORDERED = {"minimum", "maximum", "reduce_min", "reduce_max"}
"""Ops on complex numbers whose order (first by the real part) is not continuous; they are tried where it does not
matter."""


def kinds(p: Primitive) -> list[str]:
    """The kinds of numbers on which ``p`` has a derivative."""
    if p.name == "cholesky":
        return ["f"]
    if p.family != "elementwise" or p.name == "select":
        return ["f", "c"]
    return [kind for kind in "fc" if kind in p.codegen and gives_float(p, kind)]


def gives_float(p: Primitive, kind: str) -> bool:
    if p.infer is None:
        return False
    return bool(p.infer([ArrayType(DOUBLE[kind])] * 3, {})[0].dtype.kind in "fc")


def cases(p: Primitive, kind: str) -> list[tuple[Shapes, Build]]:
    if p.name in PROGRAMS:
        return PROGRAMS[p.name]
    partials = p.partials_for(DOUBLE[kind])
    assert partials is not None, f"{p.name} has no derivative rules for {kind}"
    return [([shape] * len(partials), lambda b, *x: b.apply(p, *x)) for shape in [(), (4,), (2, 3), (0,)]]


ELSEWHERE = {"cast": "two dtypes, see test_rules.py", "psum": "under vmap, below", "all_gather": "under vmap, below"}

DIFFERENTIABLE = [p for p in REGISTRY.values() if p.derivative == "rules" and p.name not in ELSEWHERE]

EVERY = [(p, kind, k) for p in DIFFERENTIABLE for kind in kinds(p) for k in range(len(cases(p, kind)))]


def build(p: Primitive, dtype: np.dtype[Any], number: int) -> tuple[Function, list[np.ndarray]]:
    """A program that applies ``p``, and arguments for it."""
    shapes, write = cases(p, dtype.kind)[number]
    function = program([ArrayType(dtype, shape) for shape in shapes], lambda b, *x: [write(b, *x)])
    verify(function)
    arguments = []
    for k, shape in enumerate(shapes):
        x = sample(p.name, dtype.kind, len(shapes), shape, 10 * number + k)[k]
        if p.name in ORDERED:
            x = np.asarray(np.random.default_rng(k).permutation(x.size).reshape(shape) / 8 + x / 16)
        arguments.append(np.asarray(x, DOUBLE[dtype.kind]))
    return function, arguments


def test_every_op_says_what_its_derivative_is() -> None:
    for p in REGISTRY.values():
        assert p.derivative is not None, f"the declaration of {p.name} does not say what its derivative is"


def test_ops_without_a_derivative_give_no_floats() -> None:
    """A derivative that is zero by declaration belongs to a bool, an integer or a constant."""
    for p in REGISTRY.values():
        if p.derivative == "zero" and p.family in ("elementwise", "reduction") and p.infer is not None:
            kind = "f" if p.family == "elementwise" and "f" in p.codegen else "b" if p.family == "reduction" else "i"
            operand = ArrayType({"f": DOUBLE["f"], "b": np.dtype(bool), "i": np.dtype(np.int64)}[kind], (2,))
            assert p.infer([operand] * 2, {"axes": (0,)})[0].dtype.kind in "biu", p.name


@pytest.mark.parametrize(("p", "kind", "number"), EVERY, ids=lambda v: getattr(v, "name", str(v)))
def test_numerically(p: Primitive, kind: str, number: int) -> None:
    function, arguments = build(p, DOUBLE[kind], number)
    check(function, *arguments, order=2)


@pytest.mark.parametrize(("p", "kind", "number"), EVERY, ids=lambda v: getattr(v, "name", str(v)))
def test_shorter_floats_agree_with_double(p: Primitive, kind: str, number: int) -> None:
    """All derivatives up to the second order, which are right in double precision."""
    function, arguments = build(p, DOUBLE[kind], number)
    for dtype in SHORT[kind]:
        if p.name in ("complex", "solve", "det", "cholesky") and dtype == np.float16:
            continue
        short, _ = build(p, dtype, number)
        rng = np.random.default_rng(3)
        given = [np.asarray(a, dtype) for a in arguments]
        for (name, exact), (_, rough) in zip(derivatives(function), derivatives(short), strict=True):
            more = [random_like(rng, np.zeros(v.shape, v.dtype)) for v in rough.params[len(given) :]]
            values = run(rough, [*given, *more])
            wide = [np.asarray(x, v.dtype) for x, v in zip([*given, *more], exact.params)]
            assert [v.dtype.itemsize for v in values] == [v.dtype.itemsize for v in rough.outputs]
            close(values, run(exact, wide), TOLERANCE[dtype.itemsize], f"{p.name} on {dtype}: {name}")


def derivatives(function: Function) -> list[tuple[str, Function]]:
    """The derivative programs of the first and the second order."""
    found = []
    for first in (jvp, vjp):
        once = derive(first, function)
        found.append((first.__name__, once))
        for second in (jvp, vjp):
            found.append((f"{second.__name__} of {first.__name__}", derive(second, once)))
    return found


def derive(transform: Callable[..., Function], function: Function) -> Function:
    wrt = floats(function.params)
    if transform is jvp:
        return jvp(function, wrt)
    return vjp(function, wrt, [k for k, v in enumerate(function.outputs) if is_float(v)])


def test_collectives() -> None:
    """One lane of a ``vmap`` sees all others; every lane has a copy of the result, and so a cotangent of it."""
    x, t = np.array([1.0, 2.0, 4.0]), np.array([0.5, -1.0, 0.25])

    def total(v: Any) -> Any:
        return tj.psum(v * v, "i")

    def product(v: Any) -> Any:
        return (tj.all_gather(v, "i") * np.array([1.0, 10.0, 100.0])).sum() * v

    def moved(f: Any) -> Any:
        return tj.vmap(lambda v, t: tj.jvp(f, (v,), (t,))[1], axis_name="i")(x, t)

    weights = np.array([1.0, 10.0, 100.0])
    np.testing.assert_allclose(moved(total), np.full(3, 2 * (x * t).sum()))
    np.testing.assert_allclose(moved(product), (weights * x).sum() * t + (weights * t).sum() * x)
    np.testing.assert_allclose(tj.vmap(tj.grad(total), axis_name="i")(x), 3 * 2 * x)
    np.testing.assert_allclose(tj.vmap(tj.grad(product), axis_name="i")(x), (weights * x).sum() + weights * x.sum())
    np.testing.assert_allclose(tj.grad(lambda x: tj.vmap(total, axis_name="i")(x).sum())(x), 3 * 2 * x)
