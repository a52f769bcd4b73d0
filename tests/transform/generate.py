"""Random differentiable programs: nested control flow, stores, views with moving bounds, tapes, guards."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.ir.core import Block, Function, Value
from tracejit.ir.types import BOOL, FLOAT64, INDEX, ArrayType
from tracejit.ops import control, reduction, structural
from tracejit.ops import elementwise as e
from tracejit.ops.builder import Builder

N = 4
VECTOR = ArrayType(FLOAT64, (N,))
MATRIX = ArrayType(FLOAT64, (N, N))
SCALAR = ArrayType(FLOAT64)

State = list[Value]
"""Three vectors, a matrix, two scalars, an index in range, a bool, a length and a vector of that length."""

VECTORS, M, SCALARS, INDEX_AT, CONDITION, LENGTH, RAGGED = (0, 1, 2), 3, (4, 5), 6, 7, 8, 9
UNARY = [e.sin, e.cos, e.tanh, e.atan]


class Generator:
    """Builds one random program from a seed; ``budget`` is the number of statements."""

    def __init__(self, seed: int, budget: int = 12, depth: int = 3) -> None:
        self.random = random.Random(seed)
        self.budget = budget
        self.depth = depth

    def function(self) -> Function:
        types = [VECTOR, VECTOR, VECTOR, MATRIX, SCALAR, SCALAR, INDEX, ArrayType(BOOL), INDEX]
        function = Function("f", Block(types))
        b = Builder(function.body)
        ragged = b.view(function.params[0], (3,), (1,), ((0, 0),), (1,))
        state = self.statements(b, [*function.params[:8], b.index(3), ragged], 0)
        outputs = [*state[:3], state[M], *state[4:6], b.sum(state[RAGGED], (0,))]
        if self.random.random() < 0.3:
            outputs.append(state[RAGGED])
        self.random.shuffle(outputs)
        b.return_(*outputs[: self.random.randint(1, len(outputs))])
        return function

    def arguments(self, seed: int) -> list[Any]:
        data = np.random.default_rng(seed)
        vectors = [data.uniform(-1, 1, N) for _ in range(3)]
        scalars = data.uniform(-1, 1, 2)
        return [*vectors, data.uniform(-1, 1, (N, N)), *scalars, int(data.integers(N)), bool(seed % 2), 3]

    # --- statements
    def statements(self, b: Builder, state: State, depth: int) -> State:
        for _ in range(self.random.randint(1, 4)):
            if self.budget <= 0:
                break
            self.budget -= 1
            state = self.statement(b, list(state), depth)
        return state

    def statement(self, b: Builder, state: State, depth: int) -> State:
        r = self.random
        i, j, k = (r.choice(VECTORS) for _ in range(3))
        s, t = (r.choice(SCALARS) for _ in range(2))
        index = state[INDEX_AT]
        kinds = ["vector", "vector", "scalar", "scalar", "store", "store", "accumulate", "slice", "moving", "swap",
                 "alias", "reduce", "product", "row", "row store", "gather", "scatter", "guard", "condition", "index",
                 "shrink", "ragged", "new", "concat", "fold", "windows", "limit", "complex"]  # fmt: skip
        if depth < self.depth:
            kinds += ["if", "if", "if", "for", "for", "for", "triangle", "while", "while", "halving"]
        match r.choice(kinds):
            case "vector":
                state[i] = self.vector(b, state[j], state[k], state[s])
            case "scalar":
                state[s] = self.smooth(b, state[t], b.view(state[j], (), (index,), (), ()))
            case "store":
                state[i] = b.update(state[i], self.smooth(b, state[s], state[t]), (index,), (), ())
            case "accumulate":
                here = b.view(state[i], (), (index,), (), ())
                there = b.view(state[i], (), (r.randrange(N),), (), ())
                state[i] = b.update(state[i], b.apply(e.add, here, self.smooth(b, there, state[s])), (index,), (), ())
            case "slice":
                n = r.randint(1, N - 1)
                part = b.view(state[j], (n,), (r.randint(0, N - n),), ((0, 0),), (1,))
                other = b.view(state[k], (n,), (r.randint(0, N - n),), ((0, 0),), (1,))
                state[i] = b.update(state[i], b.apply(e.mul, part, other), (r.randint(0, N - n),), ((0, 0),), (1,))
            case "moving":
                # x[:index] = y[:index] * s
                part = b.view(state[j], (index,), (0,), ((0, 0),), (1,))
                product = b.apply(e.mul, part, b.fill(state[s], (index,)))
                state[i] = b.update(state[i], product, (0,), ((0, 0),), (1,))
            case "swap":
                state[i], state[j] = state[j], state[i]
            case "alias":
                state[i] = state[j]
            case "new":
                state[i] = b.fill(state[s], (N,)) if r.random() < 0.5 else b.full(0.5, state[i])
            case "reduce":
                state[s] = b.apply(e.tanh, b.sum(self.vector(b, state[i], state[j], state[t]), (0,)))
            case "product":
                column = b.view(state[i], (N, 1), (0,), ((0, 0),), (1,))
                state[j] = b.apply(e.sin, b.reshape(b.apply(structural.matmul, state[M], column), (N,)))
            case "row":
                state[i] = b.view(state[M], (N,), (index, 0), ((1, 0),), (1,))
            case "row store":
                if r.random() < 0.5:
                    state[M] = b.update(state[M], state[i], (index, 0), ((1, 0),), (1,))
                else:
                    state[M] = b.update(state[M], state[i], (0, index), ((0, 0),), (1,))
            case "gather":
                state[i] = b.gather(state[j], [self.indices(b, index)], (0,))
            case "scatter":
                mode = r.choice(["set", "add"])
                state[i] = b.scatter(state[i], state[j], [self.indices(b, index)], (0,), mode)
            case "guard":
                # where(x > 0, sqrt(x) * log(x), y)
                x = state[i]
                risky = b.apply(e.mul, b.apply(e.sqrt, x), b.apply(e.log, x))
                chosen = b.apply(e.gt, x, b.full(0.1, x))
                state[j] = b.apply(e.sin, b.apply(e.select, chosen, risky, state[k]))
            case "condition":
                state[CONDITION] = b.apply(e.lt, state[s], state[t])
            case "index":
                state[INDEX_AT] = b.apply(e.mod, b.apply(e.add, index, b.index(r.randint(1, 3))), b.index(N))
            case "shrink":
                n, z = state[LENGTH], state[RAGGED]
                shorter = b.apply(e.maximum, b.apply(e.sub, n, b.index(1)), b.index(1))
                state[LENGTH], state[RAGGED] = shorter, b.view(z, (shorter,), (0,), ((0, 0),), (1,))
            case "ragged":
                n, z = state[LENGTH], state[RAGGED]
                state[RAGGED] = b.apply(r.choice(UNARY), b.apply(e.mul, z, b.fill(state[s], (n,))))
            case "concat":
                parts = [b.view(state[v], (N // 2,), (r.randrange(3),), ((0, 0),), (1,)) for v in (i, j)]
                state[k] = b.concat(parts, 0, N)
            case "fold":
                fold = r.choice([reduction.reduce_prod, reduction.reduce_max, reduction.reduce_min])
                state[s] = b.reduce(fold, state[i], (0,))
            case "windows":
                pairs = b.view(state[i], (3, 2), (0,), ((0, 0), (0, 1)), (1, 1))
                products = b.reduce(reduction.reduce_prod, pairs, (1,))
                state[j] = b.update(state[j], products, (0,), ((0, 0),), (1,))
            case "limit":
                other = self.vector(b, state[i], state[k], state[s])
                state[i] = b.apply(r.choice([e.minimum, e.maximum]), state[j], other)
            case "complex":
                z = b.apply(e.make_complex, state[s], state[t])
                w = b.apply(e.mul, b.apply(e.sin, z), b.apply(e.conj, z))
                state[s] = b.apply(e.tanh, b.apply(r.choice([e.real, e.imag]), w))
            case "if":
                state = self.branch(b, state, depth)
            case "for":
                start, stop, step = r.choice([(0, 3, 1), (0, 0, 1), (1, 4, 2), (3, -1, -1), (5, 0, -2)])
                state = self.loop(b, state, [start, stop, step], depth)
            case "triangle":
                state = self.loop(b, state, [0, index, 1], depth)
            case "while":
                state = self.while_(b, state, depth, counted=True)
            case "halving":
                state = self.while_(b, state, depth, counted=False)
        return state

    def smooth(self, b: Builder, x: Value, y: Value) -> Value:
        match self.random.randrange(5):
            case 0:
                return b.apply(self.random.choice(UNARY), b.apply(e.mul, x, y))
            case 1:
                return b.apply(e.div, x, b.apply(e.add, b.apply(e.mul, y, y), b.full(1.0, x)))
            case 2:
                return b.apply(e.tanh, b.apply(e.add, x, b.apply(e.exp, b.apply(e.sin, y))))
            case 3:
                return b.apply(e.mul, b.full(0.5, x), b.apply(e.sub, x, y))
            case _:
                return b.apply(e.sin, b.apply(e.add, b.apply(e.mul, x, y), x))

    def vector(self, b: Builder, x: Value, y: Value, s: Value) -> Value:
        r = self.random
        if r.random() < 0.3:
            x = b.view(x, (N,), (N - 1,), ((0, 0),), (-1,))
        if r.random() < 0.3:
            y = b.fill(s, (N,))
        return self.smooth(b, x, y)

    def indices(self, b: Builder, index: Value) -> Value:
        shifted = b.apply(e.add, b.iota(N), b.fill(index, (N,)))
        if self.random.random() < 0.5:
            shifted = b.apply(e.mul, shifted, b.fill(b.index(2), (N,)))
        return b.apply(e.mod, shifted, b.fill(b.index(N), (N,)))

    # --- control flow
    def branch(self, b: Builder, state: State, depth: int) -> State:
        arms = []
        for _ in range(2):
            inner = Builder(Block())
            inner.yield_(*self.statements(inner, list(state), depth + 1))
            arms.append(inner.block)
        results = b.emit(control.if_, [state[CONDITION]], [v.type for v in state], None, arms)
        return settle(results)

    def loop(self, b: Builder, state: State, bounds: Sequence[Any], depth: int) -> State:
        body, inside = carried_block(state, counter=True)
        inner = Builder(body)
        if self.random.random() < 0.5:
            inside[INDEX_AT] = inner.apply(e.mod, body.params[0], inner.index(N))
        inner.yield_(*self.statements(inner, inside, depth + 1))
        results = b.emit(control.for_, [*map(b.index, bounds), *state], [v.type for v in state], None, [body])
        return settle(results)

    def while_(self, b: Builder, state: State, depth: int, counted: bool) -> State:
        """``while k < n`` or ``while |s| > 0.1`` (with ``s`` getting smaller), with a counter beside the state."""
        s = self.random.choice(SCALARS)
        blocks = []
        for _ in range(2):
            block, inside = carried_block(state, counter=False)
            blocks.append((block, inside, block.add_param(INDEX)))
        (condition, seen, count), (body, inside, turn) = blocks
        c = Builder(condition)
        if counted:
            c.yield_(c.apply(e.lt, count, c.index(self.random.randint(0, 3))))
        else:
            c.yield_(c.apply(e.gt, c.apply(e.abs, seen[s]), c.const(0.1, FLOAT64)))
        inner = Builder(body)
        following = self.statements(inner, inside, depth + 1)
        if not counted:
            following[s] = inner.apply(e.mul, inner.apply(e.tanh, inside[s]), inner.const(0.45, FLOAT64))
        inner.yield_(*following, inner.apply(e.add, turn, inner.index(1)))
        types = [*(v.type for v in state), INDEX]
        results = b.emit(control.while_, [*state, b.index(0)], types, None, [condition, body])
        return settle(results)[: len(state)]


def carried_block(state: State, counter: bool) -> tuple[Block, State]:
    """A block with a parameter for each value of ``state`` (after a counter, for a ``for``), and these."""
    block = Block([INDEX] if counter else [])
    params = [block.add_param(v.type) for v in state]
    params[RAGGED].set_type(ArrayType(FLOAT64, (params[LENGTH],)))
    return block, list(params)


def settle(results: Sequence[Value]) -> State:
    results[RAGGED].set_type(ArrayType(FLOAT64, (results[LENGTH],)))
    return list(results)
