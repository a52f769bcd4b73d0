"""Random array-level programs full of integers, conditions, checks and loads, and how two versions of one compare."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.ir.core import Block, Function, Value
from tracejit.ir.types import BOOL, FLOAT64, INDEX, INT64, ArrayType
from tracejit.ops import control
from tracejit.ops import elementwise as e
from tracejit.ops.builder import Builder
from tracejit.ops.control import Slot
from tracejit.ops.interpret import interpret

CONSTANTS = [-2, -1, 0, 1, 2, 3, 5, 10, 2**31, 2**62, 2**63 - 1, -(2**63)]
INTS, BOOLS, FLOATS, ARRAYS = range(0, 4), range(4, 6), range(6, 8), range(8, 10)
"""Positions in the state a program passes along: four i64, two bools, two f64, an i64 and an f64 array of length n."""


class Generator:
    """Builds one program; its parameters are ``n``, then the state."""

    def __init__(self, seed: int, budget: int = 16) -> None:
        self.random = random.Random(seed)
        self.budget = budget
        self.checks = 0

    def function(self) -> Function:
        function = Function("f")
        self.n = function.body.add_param(INDEX)
        scalars = [INDEX] * 4 + [ArrayType(BOOL)] * 2 + [ArrayType(FLOAT64)] * 2
        arrays = [ArrayType(INT64, (self.n,)), ArrayType(FLOAT64, (self.n,))]
        state = [function.body.add_param(t) for t in (*scalars, *arrays)]
        b = Builder(function.body)
        b.return_(*self.statements(b, state, 0))
        return function

    def statements(self, b: Builder, state: Sequence[Value], depth: int) -> list[Value]:
        state = list(state)
        for _ in range(self.random.randint(1, 5)):
            if self.budget <= 0:
                break
            self.budget -= 1
            self.statement(b, state, depth)
        return state

    def pick(self, positions: Sequence[int]) -> int:
        return self.random.choice(list(positions))

    def statement(self, b: Builder, state: list[Value], depth: int) -> None:
        kinds = ["int"] * 5 + ["bool"] * 3 + ["float", "load", "load", "store", "check", "print", "swap"]
        if depth < 3:
            kinds += ["if", "if", "for", "for", "for", "while"]
        getattr(self, "make_" + self.random.choice(kinds))(b, state, depth)

    # --- scalars
    def integer(self, b: Builder, state: list[Value]) -> Value:
        r = self.random
        return b.const(r.choice(CONSTANTS), INT64) if r.random() < 0.4 else r.choice([state[self.pick(INTS)], self.n])

    def condition(self, b: Builder, state: list[Value]) -> Value:
        r = self.random
        if r.random() < 0.3:
            return state[self.pick(BOOLS)]
        compare = r.choice([e.eq, e.ne, e.lt, e.le, e.gt, e.ge])
        return b.apply(compare, self.integer(b, state), self.integer(b, state))

    def make_int(self, b: Builder, state: list[Value], depth: int) -> None:
        r = self.random
        x, y = self.integer(b, state), self.integer(b, state)
        kinds = ["arithmetic", "arithmetic", "arithmetic", "small", "unary", "divide", "select", "narrow", "shift"]
        match r.choice([*kinds, "bits"]):
            case "arithmetic":
                primitive = r.choice([e.add, e.sub, e.mul])
                if r.random() < 0.4:
                    overflows = {e.add: e.add_overflows, e.sub: e.sub_overflows, e.mul: e.mul_overflows}[primitive]
                    self.check(b, b.apply(e.not_, b.apply(overflows, x, y)), (x, y))
                z = b.apply(primitive, x, y)
            case "small":
                z = b.apply(r.choice([e.add, e.sub]), x, b.const(r.choice([1, 1, 2, -1]), INT64))
            case "unary":
                z = b.apply(r.choice([e.neg, e.abs, e.not_, e.sign]), x)
            case "divide":
                z = b.apply(r.choice([e.floordiv, e.mod]), x, y)
            case "select":
                z = b.apply(e.select, self.condition(b, state), x, y)
            case "narrow":
                z = b.cast(b.cast(x, np.dtype(r.choice([np.int8, np.uint8, np.int32, np.bool_]))), INT64)
            case "shift":
                z = b.apply(r.choice([e.shl, e.shr]), x, b.const(r.randint(0, 3), INT64))
            case _:
                z = b.apply(r.choice([e.and_, e.or_, e.xor, e.minimum, e.maximum]), x, y)
        state[self.pick(INTS)] = z

    def make_bool(self, b: Builder, state: list[Value], depth: int) -> None:
        r = self.random
        p, q = self.condition(b, state), self.condition(b, state)
        match r.choice(["compare", "and", "or", "not", "select"]):
            case "and":
                p = b.apply(e.and_, p, q)
            case "or":
                p = b.apply(e.or_, p, q)
            case "not":
                p = b.apply(e.not_, p)
            case "select":
                p = b.apply(e.select, p, q, self.condition(b, state))
        state[self.pick(BOOLS)] = p

    def make_float(self, b: Builder, state: list[Value], depth: int) -> None:
        r = self.random
        x = state[self.pick(FLOATS)]
        y = b.const(r.choice([0.0, -0.0, 1.0, -1.0, 2.0, 0.5, float("inf"), float("nan")]), FLOAT64)
        y = r.choice([y, state[self.pick(FLOATS)], b.cast(state[self.pick(INTS)], FLOAT64)])
        if r.random() < 0.2:
            state[self.pick(BOOLS)] = b.apply(r.choice([e.lt, e.eq, e.ne, e.ge]), x, y)
        else:
            state[self.pick(FLOATS)] = b.apply(r.choice([e.add, e.sub, e.mul, e.div, e.minimum, e.copysign]), x, y)

    # --- arrays
    def place(self, b: Builder, state: list[Value]) -> Value:
        """An index that is in bounds: checked, or brought there."""
        i = state[self.pick(INTS)]
        zero, one = b.const(0, INT64), b.const(1, INT64)
        match self.random.choice(["check", "check", "normalise", "clamp"]):
            case "check":
                ok = b.apply(e.and_, b.apply(e.ge, i, zero), b.apply(e.lt, i, self.n))
                self.check(b, ok, (i,), IndexError)
            case "normalise":
                negative = b.apply(e.lt, i, zero)
                j = b.apply(e.select, negative, b.apply(e.add, i, self.n), i)
                ok = b.apply(e.and_, b.apply(e.ge, j, zero), b.apply(e.lt, j, self.n))
                self.check(b, ok, (i, self.n), IndexError)
                i = j
            case _:
                self.check(b, b.apply(e.gt, self.n, zero), (), ValueError)
                i = b.apply(e.maximum, zero, b.apply(e.minimum, i, b.apply(e.sub, self.n, one)))
        return i

    def make_load(self, b: Builder, state: list[Value], depth: int) -> None:
        k = self.pick(ARRAYS)
        x = b.view(state[k], (), (self.place(b, state),), (), ())
        state[self.pick(INTS if k == ARRAYS[0] else FLOATS)] = x

    def make_store(self, b: Builder, state: list[Value], depth: int) -> None:
        r = self.random
        k = self.pick(ARRAYS)
        if r.random() < 0.3:
            v = b.fill(state[self.pick(INTS if k == ARRAYS[0] else FLOATS)], (self.n,))
            if r.random() < 0.5:
                v = b.apply(e.add, state[k], v)
            state[k] = b.update(state[k], v, (0,), ((0, 0),), (1,))
        else:
            v = state[self.pick(INTS if k == ARRAYS[0] else FLOATS)]
            state[k] = b.update(state[k], v, (self.place(b, state),), (), ())

    # --- effects
    def check(
        self, b: Builder, ok: Value, payload: Sequence[Value], exception: type[Exception] = OverflowError
    ) -> None:
        self.checks += 1
        b.check(ok, exception, (f"{self.checks}: " + " ".join("{%d}" % k for k in range(len(payload))),), payload)

    def make_check(self, b: Builder, state: list[Value], depth: int) -> None:
        ok = self.condition(b, state)
        if self.random.random() < 0.7:
            ok = b.apply(e.or_, ok, self.condition(b, state))
        self.check(b, ok, (state[self.pick(INTS)],), ValueError)

    def make_print(self, b: Builder, state: list[Value], depth: int) -> None:
        if self.random.random() < 0.3:
            parts = (Slot(0, "python"), Slot(1, "numpy"))
            b.emit(control.print_, (state[self.pick(INTS)], state[self.pick(FLOATS)]), (), {"parts": parts})

    # --- control flow
    def make_swap(self, b: Builder, state: list[Value], depth: int) -> None:
        i, j = self.pick(INTS), self.pick(INTS)
        state[i], state[j] = state[j], state[i]

    def make_if(self, b: Builder, state: list[Value], depth: int) -> None:
        condition = self.condition(b, state)
        blocks = [Block(), Block()]
        for block in blocks:
            inner = Builder(block)
            after = self.statements(inner, state, depth + 1) if self.random.random() < 0.8 else list(state)
            inner.yield_(*after)
        state[:] = b.emit(control.if_, (condition,), [v.type for v in state], None, blocks)

    def bound(self, b: Builder, state: list[Value]) -> Value:
        r = self.random
        if r.random() < 0.6:
            return r.choice([self.n, b.const(r.randint(-2, 5), INT64)])
        v = b.apply(e.minimum, state[self.pick(INTS)], b.const(6, INT64))
        return b.apply(e.maximum, v, b.const(-3, INT64))

    def make_for(self, b: Builder, state: list[Value], depth: int) -> None:
        r = self.random
        start = b.const(r.choice([0, 0, 1]), INT64) if r.random() < 0.6 else self.bound(b, state)
        bounds = [start, self.bound(b, state)]
        step = r.choice([1, 1, 1, 2, -1, -2])
        if step < 0:
            bounds.reverse()
        body = Block()
        i = body.add_param(INDEX)
        inner = [body.add_param(v.type) for v in state]
        entered = list(inner)
        if r.random() < 0.7:
            entered[self.pick(INTS)] = i
        builder = Builder(body)
        after = self.statements(builder, entered, depth + 1)
        if r.random() < 0.4:
            k = self.pick(INTS)
            after[k] = inner[k]
        builder.yield_(*after)
        operands = [*bounds, b.const(step, INT64), *state]
        state[:] = b.emit(control.for_, operands, [v.type for v in state], None, (body,))

    def make_while(self, b: Builder, state: list[Value], depth: int) -> None:
        """``while t < 5 and condition``, where ``t`` counts turns."""
        inits = [b.const(self.random.choice([0, 0, 3, 7]), INT64), *state]
        condition, body = Block(), Block()
        for block in (condition, body):
            for v in inits:
                block.add_param(v.type)
        head = Builder(condition)
        p = head.apply(e.lt, condition.params[0], head.const(5, INT64))
        if self.random.random() < 0.6:
            p = head.apply(e.and_, p, self.condition(head, condition.params[1:]))
        head.yield_(p)
        inner = Builder(body)
        t = inner.apply(e.add, body.params[0], inner.const(1, INT64))
        after = self.statements(inner, body.params[1:], depth + 1)
        inner.yield_(t, *after)
        state[:] = b.emit(control.while_, inits, [v.type for v in inits], None, (condition, body))[1:]


def arguments(seed: int) -> list[Any]:
    """Arguments for a generated program."""
    r = random.Random(seed)
    n = r.choice([0, 1, 3, 5, 5])
    ints = [r.choice([*CONSTANTS, r.randint(-6, 6), r.randint(-6, 6), r.randint(0, 4)]) for _ in range(4)]
    floats = [r.choice([0.0, -0.0, 1.5, -2.0, float("nan"), float("inf")]) for _ in range(2)]
    data = np.random.default_rng(seed)
    array = data.integers(-3, 6, n)
    return [n, *ints, r.random() < 0.5, r.random() < 0.5, *floats, array, data.integers(-2, 3, n) * 0.5]


def outcome(function: Function, args: Sequence[Any]) -> tuple[Any, ...]:
    """What running ``function`` shows: outputs or the exception, and what was printed."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        try:
            outputs = interpret(function, args)
        except (ValueError, OverflowError, IndexError, ZeroDivisionError) as error:
            return type(error).__name__, str(error), shown.getvalue()
    return *((x.dtype.str, x.shape, _bits(x)) for x in outputs), shown.getvalue()


def _bits(x: np.ndarray[Any, Any]) -> bytes:
    """The contents, all NaNs alike."""
    if x.dtype.kind == "f":
        x = np.where(np.isnan(x), np.nan, x)
    return x.tobytes()
