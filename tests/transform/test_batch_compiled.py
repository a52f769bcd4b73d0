"""Every op, and random programs, for many lanes: through the optimiser, to loops, to machine code."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tests.lower.test_lowering import agree
from tests.ops.test_registry import arity
from tests.transform.generate import Generator
from tests.transform.test_batch import program, stack
from tracejit.ir.core import Value
from tracejit.ir.types import DTYPES, FLOAT64, INT64, ArrayType
from tracejit.ops import REGISTRY
from tracejit.ops.builder import Builder
from tracejit.transform.batch import batch


@pytest.mark.parametrize("seed", range(12))
def test_floats(seed: int) -> None:
    generator = Generator(seed, 10)
    function = generator.function()
    vectors = [k for k, v in enumerate(function.outputs) if v.shape == (4,)]
    function.meta["mutated"] = {0: vectors[0]} if vectors and seed % 2 else {}
    lanes = [generator.arguments(seed + k) for k in range(3)]
    r = random.Random(seed)
    axes = [0, *(r.choice([None, 0]) for _ in lanes[0][1:])]
    whole = batch(function, axes, None, 3)
    values = [np.asarray(stack(c, a), p.dtype) for c, a, p in zip(zip(*lanes), axes, whole.params)]
    agree(whole, *(x if x.ndim else x.item() for x in values), optimize=True)


def compare(types: Sequence[ArrayType], build: Callable[..., Sequence[Value]], lanes: Sequence[Sequence[Any]]) -> None:
    """Everything mapped, then all but the last argument; the optimiser's way and not."""
    for axes in ([0] * len(types), [*[0] * (len(types) - 1), None]):
        if all(a is None for a in axes):
            continue
        for optimize in (False, True):
            whole = batch(program(types, build), axes, None, len(lanes))
            values = [np.asarray(stack(c, a), p.dtype) for c, a, p in zip(zip(*lanes), axes, whole.params)]
            agree(whole, *(x if x.ndim else x.item() for x in values), optimize=optimize)


NUMBERS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "?": lambda rng, shape: rng.random(shape) < 0.5,
    "i8": lambda rng, shape: rng.integers(1, 9, shape),
    "u1": lambda rng, shape: rng.integers(1, 7, shape).astype(np.uint8),
    "f8": lambda rng, shape: rng.uniform(0.3, 0.9, shape),
    "c16": lambda rng, shape: rng.uniform(0.3, 0.9, shape) + 1j * rng.uniform(0.3, 0.9, shape),
}


@pytest.mark.parametrize("shape", [(), (3,)], ids=str)
@pytest.mark.parametrize("dtype", NUMBERS)
def test_every_elementwise_op(dtype: str, shape: tuple[int, ...]) -> None:
    rng, numbers, t = np.random.default_rng(1), NUMBERS[dtype], np.dtype(dtype)
    ops = [p for p in REGISTRY.values() if p.family == "elementwise" and t.kind in p.codegen and p.infer is not None]
    ops = [p for p in ops if p.name != "select" and not (p.name.endswith("_overflows") and t.kind != "i")]
    assert ops

    def build(b: Builder, x: Value, c: Value, y: Value) -> list[Value]:
        found = [b.apply(p, *(x, y)[: arity(p)]) for p in ops]
        return [
            *found,
            b.apply(REGISTRY["select"], c, x, y),
            *(b.cast(x, d) for d in DTYPES.values() if d.kind >= t.kind),
        ]

    types = [ArrayType(t, shape), ArrayType(np.dtype(bool), shape), ArrayType(t, shape)]
    compare(types, build, [[numbers(rng, shape), rng.random(shape) < 0.5, numbers(rng, shape)] for _ in range(5)])


def test_every_reduction() -> None:
    rng = np.random.default_rng(1)

    def build(b: Builder, c: Value, x: Value) -> list[Value]:
        found = []
        for p in REGISTRY.values():
            if p.family == "reduction":
                of = c if p.name in ("reduce_any", "reduce_all") else x
                found += [b.reduce(p, of, axes) for axes in ([(0,), (1,)] if p.name[:3] == "arg" else [(0,), (0, 1)])]
        return found

    types = [ArrayType(np.dtype(bool), (2, 3)), ArrayType(FLOAT64, (2, 3))]
    compare(types, build, [[rng.random((2, 3)) < 0.5, rng.random((2, 3))] for _ in range(4)])


def test_every_structural_op() -> None:
    rng = np.random.default_rng(1)

    def build(b: Builder, x: Value, y: Value, k: Value, i: Value) -> list[Value]:
        one = b.index(1)
        row = b.view(x, (4,), (k, 0), ((1, 0),), (1,))
        window = b.view(x, (2, 2), (k, k), ((0, 0), (1, 1)), (1, 1))
        n, places = b.nonzero(b.apply(REGISTRY["gt"], y, b.full(0.5, y)))
        return [
            row,
            window,
            b.view(x, (), (k, b.apply(REGISTRY["add"], k, one)), (), ()),
            b.view(x, (4, 3), (0, 0), ((1, 0), (0, 1)), (1, 1)),
            b.update(x, y, (k, 0), ((1, 0),), (1,)),
            b.update(x, b.view(y, (2, 2), (0,), ((0, 0), (0, 1)), (1, 1)), (k, k), ((0, 0), (1, 1)), (1, 1)),
            b.update(y, b.view(y, (), (0,), (), ()), (k,), (), ()),
            b.reshape(x, (2, 6)),
            b.concat([x, b.reshape(row, (1, 4))], 0, 4),
            b.gather(x, [i], (1,)),
            b.gather(x, [i, i], (0, 1)),
            b.scatter(x, b.gather(x, [i], (0,)), [i], (0,), "add"),
            b.sum(b.gather(y, [places], (0,)), (0,)),
            n,
            b.apply(REGISTRY["matmul"], x, b.reshape(y, (4, 1))),
            b.apply(REGISTRY["matmul"], x, b.transpose(x, (1, 0))),
        ]

    types = [ArrayType(FLOAT64, (3, 4)), ArrayType(FLOAT64, (4,)), ArrayType(INT64), ArrayType(INT64, (3,))]
    lanes = [[rng.random((3, 4)), rng.random(4), lane % 2, rng.integers(0, 3, 3)] for lane in range(5)]
    compare(types, build, lanes)
