"""Random array-level programs (nested control flow, stores, views, swaps) lowered and compared with what they mean."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

from tests.lower.test_lowering import agree, branch, loop_over, program
from tracejit.ir.core import Function, Value
from tracejit.ir.types import BOOL, FLOAT64, INDEX, ArrayType
from tracejit.lower import allocations
from tracejit.ops import elementwise, reduction
from tracejit.ops.builder import Builder

COUNT = 20_000 if os.environ.get("TRACEJIT_NIGHTLY") else 300
N = 5
VECTOR = ArrayType(FLOAT64, (N,))


class Generator:
    """Builds one random program over three vectors, one matrix of which rows are read and written, and scalars."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.budget = 14

    def function(self) -> Function:
        mutated = {k: k for k in range(3) if self.random.random() < 0.4}

        def build(b: Builder, *params: Value) -> list[Value]:
            state = self.statements(b, list(params), 0)
            return [*state[:3], b.reduce(reduction.reduce_sum, state[self.random.randrange(3)], (0,))]

        return program([VECTOR, VECTOR, VECTOR, INDEX, ArrayType(BOOL)], build, mutated)

    def statements(self, b: Builder, state: list[Value], depth: int) -> list[Value]:
        """``state``: three vectors, an index in range, a bool."""
        for _ in range(self.random.randint(1, 4)):
            if self.budget <= 0:
                break
            self.budget -= 1
            state = self.statement(b, list(state), depth)
        return state

    def statement(self, b: Builder, state: list[Value], depth: int) -> list[Value]:
        r = self.random
        i, j, k = (r.randrange(3) for _ in range(3))
        kind = r.choice(
            ["new", "new", "store", "store", "slice", "slice", "swap", "alias", "sum", "if", "for", "for", "if"]
        )
        if depth >= 3 and kind in ("if", "for"):
            kind = "store"
        match kind:
            case "new":
                state[i] = self.vector(b, state, j, k)
            case "store":
                x = b.view(state[j], (), (state[3],), (), ())
                state[i] = b.update(state[i], b.apply(elementwise.add, x, b.const(1.0, FLOAT64)), (state[3],), (), ())
            case "slice":
                part = self.vector(b, state, j, k)
                length = r.randint(0, N - 1)
                source = b.view(part, (length,), (r.randint(0, N - length),), ((0, 0),), (1,))
                state[i] = b.update(state[i], source, (r.randint(0, N - length),), ((0, 0),), (1,))
            case "swap":
                state[i], state[j] = state[j], state[i]
            case "alias":
                state[i] = state[j]
            case "sum":
                total = b.reduce(reduction.reduce_sum, self.vector(b, state, j, k), (0,))
                state[4] = b.apply(elementwise.lt, total, b.const(3.0, FLOAT64))
            case "if":
                condition = state[4]
                state = branch(
                    b,
                    condition,
                    lambda b: self.statements(b, list(state), depth + 1),
                    lambda b: self.statements(b, list(state), depth + 1),
                )
            case "for":
                state = loop_over(
                    b,
                    b.index(r.randint(0, 3)),
                    state,
                    lambda b, n, *inner: self.statements(
                        b, [*inner[:3], n if r.random() < 0.5 else inner[3], inner[4]], depth + 1
                    ),
                )
        return state

    def vector(self, b: Builder, state: list[Value], j: int, k: int) -> Value:
        r = self.random
        x, y = state[j], state[k]
        if r.random() < 0.3:
            x = b.view(x, (N,), (N - 1,), ((0, 0),), (-1,))
        if r.random() < 0.2:
            y = b.fill(b.view(y, (), (state[3],), (), ()), (N,))
        z = b.apply(r.choice([elementwise.add, elementwise.sub, elementwise.minimum]), x, y)
        return b.apply(elementwise.mul, z, b.fill(b.const(0.5, FLOAT64), (N,))) if r.random() < 0.5 else z


@pytest.mark.parametrize("largest", [0, allocations.LARGEST])
@pytest.mark.parametrize("block", range(10))
def test_random_programs(block: int, largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocations, "LARGEST", largest)
    for seed in range(block * COUNT // 10, (block + 1) * COUNT // 10):
        function = Generator(seed).function()
        data = np.random.default_rng(seed)
        text = str(function)
        try:
            agree(
                function,
                *(data.integers(-4, 5, N).astype(float) for _ in range(3)),
                int(data.integers(N)),
                bool(seed % 3),
                native=seed % 5 == 0,
                optimize=bool(seed % 2),
            )
        except Exception as e:
            e.add_note(f"seed {seed}\n{text}")
            raise
