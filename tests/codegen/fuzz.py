"""Random loop-level functions, compiled and compared with the interpreter.

`python -m tests.codegen.fuzz FIRST COUNT` runs programs number FIRST to FIRST + COUNT - 1. LLVM ends the process on bad
IR, so tests run it in a subprocess: the last number it printed is the program to look at (`--show` prints its IR
first).
"""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.codegen.native import LoopBuilder, Native, build, choose, loop_over, loop_while
from tracejit.codegen.llvm import Target
from tracejit.ir.core import Function, Value
from tracejit.ir.types import BOOL, DTYPES, FLOAT64, INT64, BufferType
from tracejit.ops import REGISTRY, loop
from tracejit.ops import elementwise as ew
from tracejit.ops.elementwise import real_dtype
from tracejit.ops.interpret import interpret
from tracejit.ops.primitive import Primitive

LENGTH = 40
"""Elements of every buffer."""

TARGETS = [Target(512, masked=True), Target(256), Target(128)]

UNARY = frozenset("neg abs sign not floor ceil trunc rint isnan isinf isfinite sqrt real imag conj".split())


def is_exact(primitive: Primitive, dtype: np.dtype[Any]) -> bool:
    """Whether NumPy's result is one and the same for arrays, scalars and us, bit for bit (NaN aside)."""
    template = primitive.codegen.get(dtype.kind, "math")
    if template.startswith("math") or primitive.name in ("cast", "select", "fmin", "fmax", "signbit", "copysign"):
        return False
    if dtype.kind == "c":
        return primitive.name not in ("mul", "pow", "abs", "sign", "sqrt", "exp", "log", "sin", "cos")
    if dtype == np.float16 and primitive.name == "complex":
        return False
    if primitive.name.endswith("_overflows"):
        return dtype == INT64
    return not (dtype.kind == "f" and primitive.name == "pow")


OPS = {
    dtype: [p for p in REGISTRY.values() if p.family == "elementwise" and is_exact(p, dtype)]
    for dtype in DTYPES.values()
}


class Scope:
    """Values that may be used, innermost last."""

    def __init__(self, parent: Scope | None = None) -> None:
        self.values: list[Value] = list(parent.values) if parent else []


class Generator:
    """Writes one random function."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.budget = self.random.choice([5, 15, 40, 80])

    def function(self) -> Function:
        r = self.random
        scalars = [r.choice(list(DTYPES.values())) for _ in range(r.randint(0, 4))] + [INT64]
        self.buffer_dtypes = [r.choice(list(DTYPES.values())) for _ in range(r.randint(1, 4))]
        params: list[Any] = [*scalars, *((d,) for d in self.buffer_dtypes)]

        def write(b: LoopBuilder, *values: Value) -> Sequence[Value]:
            scope = Scope()
            scope.values = list(values[: len(scalars)])
            self.three = scope.values[-1]
            self.three.hint = "three"
            self.buffers = list(values[len(scalars) :])
            owned = []
            if r.random() < 0.3:
                dtype = r.choice(list(DTYPES.values()))
                attrs = {"stack": LENGTH} if r.random() < 0.5 else {}
                buffer = b.alloc(dtype, b.const(LENGTH, INT64), **attrs)
                loop_over(b, LENGTH, lambda c, i: c.store(buffer, i, c.cast(i, dtype)), vector=r.random() < 0.5)
                self.buffers.append(buffer)
                if not attrs:
                    owned.append(buffer)
            self.statements(b, scope, 0)
            for buffer in owned:
                b.emit(loop.free, (buffer,), ())
            return r.sample(scope.values, min(len(scope.values), 5))

        noalias = {len(scalars) + k for k in range(len(self.buffer_dtypes))}
        return build(params, write, noalias=noalias if r.random() < 0.7 else set())

    # --- statements
    def statements(self, b: LoopBuilder, scope: Scope, depth: int) -> None:
        for _ in range(self.random.randint(1, 5)):
            if self.budget <= 0:
                break
            self.budget -= 1
            kinds = [self.compute] * 6 + [self.memory] * 2 + [self.check, self.blocks]
            if depth < 3:
                kinds += [self.branch, self.count, self.repeat, self.lanes, self.lanes, self.swaps]
            self.random.choice(kinds)(b, scope, depth)

    def compute(self, b: LoopBuilder, scope: Scope, depth: int = 0) -> None:
        scope.values.append(self.expression(b, scope))

    def memory(self, b: LoopBuilder, scope: Scope, depth: int) -> None:
        buffer = self.random.choice(self.buffers)
        index = self.index(b, scope)
        if self.random.random() < 0.5:
            scope.values.append(b.load(buffer, index))
        else:
            b.store(buffer, index, self.value(b, scope, buffer.dtype))

    def blocks(self, b: LoopBuilder, scope: Scope, depth: int) -> None:
        """Whole buffers: zeros, copies, parts, comparison of addresses."""
        r = self.random
        target = r.choice(self.buffers)
        sources = [x for x in self.buffers if x is not target and x.dtype == target.dtype]
        n = b.const(r.choice([0, 1, 5, 16]), INT64)
        part = b.apply(loop.offset, target, b.const(r.randint(0, LENGTH - 16), INT64))
        if r.random() < 0.5 or not sources:
            b.emit(loop.fill_zero, (part, n), ())
        else:
            b.emit(loop.copy_elements, (part, r.choice(sources), n), ())
        scope.values.append(b.apply(loop.same_buffer, part, r.choice(self.buffers)))
        scope.values.append(b.load(part, b.const(r.randint(0, 15), INT64)))

    def swaps(self, b: LoopBuilder, scope: Scope, depth: int) -> None:
        """Two new buffers that change places in every turn; one of them is freed after a few turns and made again."""
        r = self.random
        dtype = self.dtype()
        first, second = (b.alloc(dtype, b.const(LENGTH, INT64)) for _ in range(2))
        for buffer in (first, second):
            loop_over(b, LENGTH, lambda c, i: c.store(buffer, i, c.cast(c.apply(ew.and_, i, c.const(1, INT64)), dtype)))

        def body(c: LoopBuilder, i: Value, x: Value, y: Value) -> Sequence[Value]:
            def step(d: LoopBuilder, j: Value) -> None:
                inner = Scope(scope)
                inner.values += [i, j, d.load(x, d.apply(ew.sub, d.const(LENGTH - 1, INT64), j))]
                d.store(y, j, self.value(d, inner, dtype))

            loop_over(c, LENGTH, step, vector=r.random() < 0.7)
            if r.random() < 0.3:
                self.check(c, scope, depth)
            if r.random() < 0.5:
                return [y, x]
            c.emit(loop.free, (x,), ())
            fresh = c.alloc(dtype, c.const(LENGTH, INT64))
            c.emit(loop.copy_elements, (fresh, y, c.const(LENGTH, INT64)), ())
            return [y, fresh]

        x, y = loop_over(b, self.three if r.random() < 0.5 else 4, body, first, second)
        scope.values += [b.load(x, self.index(b, scope)), b.load(y, self.index(b, scope))]
        for buffer in (x, y):
            b.emit(loop.free, (buffer,), ())

    def check(self, b: LoopBuilder, scope: Scope, depth: int) -> None:
        ok = self.value(b, scope, BOOL)
        if self.random.random() < 0.8:  # mostly true, so that programs get far
            ok = b.apply(
                ew.or_, ok, b.apply(ew.ne, self.value(b, scope, INT64), b.const(self.random.randint(0, 3), INT64))
            )
        payload = [v for v in self.random.sample(scope.values, min(2, len(scope.values))) if v.dtype.kind not in "fc"]
        template = " ".join(f"{{{k}}}" for k in range(len(payload)))
        b.check(ok, self.random.choice([ValueError, IndexError]), (template, 7), payload)

    def branch(self, b: LoopBuilder, scope: Scope, depth: int) -> None:
        condition = self.value(b, scope, BOOL)
        dtypes = [self.dtype() for _ in range(self.random.randint(0, 3))]

        def arm(c: LoopBuilder) -> Sequence[Value]:
            inner = Scope(scope)
            if self.random.random() < 0.8:
                self.statements(c, inner, depth + 1)
            return [self.value(c, inner, d) for d in dtypes]

        scope.values += choose(b, condition, arm, arm)

    def carried(self, b: LoopBuilder, scope: Scope) -> list[Value]:
        return [self.value(b, scope, self.dtype()) for _ in range(self.random.randint(0, 3))]

    def count(self, b: LoopBuilder, scope: Scope, depth: int) -> None:
        """A scalar ``for`` of a few turns."""
        r = self.random
        inits = self.carried(b, scope)
        step = r.choice([1, 1, 1, -1, 2, 3, -4])
        turns = r.randint(0, 6)
        start = r.choice([0, 0, r.randint(-5, 5)])
        stop: Value | int = start + step * turns - r.choice([0, 0, 1 if step > 1 else 0])
        bounds: list[Value | int] = [start, stop, step]
        if r.random() < 0.5:  # known only at run time: offset by the parameter that is always 3
            at = r.randrange(3)
            bounds[at] = b.apply(ew.add, b.const(int(str(bounds[at])) - 3, INT64), self.three)

        def body(c: LoopBuilder, i: Value, *values: Value) -> Sequence[Value]:
            inner = Scope(scope)
            inner.values += [i, *values]
            self.statements(c, inner, depth + 1)
            return [self.value(c, inner, v.dtype) for v in values]

        scope.values += loop_over(b, bounds[1], body, *inits, start=bounds[0], step=bounds[2])

    def repeat(self, b: LoopBuilder, scope: Scope, depth: int) -> None:
        """A ``while`` that ends after a few turns or by a random condition."""
        limit = b.const(self.random.randint(0, 6), INT64)
        inits = [b.const(0, INT64), *self.carried(b, scope)]

        def condition(c: LoopBuilder, n: Value, *values: Value) -> Value:
            more = c.apply(ew.lt, n, limit)
            inner = Scope(scope)
            inner.values += [n, *values]
            return c.apply(ew.and_, more, self.value(c, inner, BOOL)) if self.random.random() < 0.5 else more

        def body(c: LoopBuilder, n: Value, *values: Value) -> Sequence[Value]:
            inner = Scope(scope)
            inner.values += [n, *values]
            self.statements(c, inner, depth + 1)
            return [c.apply(ew.add, n, c.const(1, INT64)), *(self.value(c, inner, v.dtype) for v in values)]

        scope.values += loop_while(b, condition, body, *inits)

    def lanes(self, b: LoopBuilder, scope: Scope, depth: int) -> None:
        """A vector loop: reads any buffer but the one it writes, and writes element ``i`` of that (or its mirror)."""
        r = self.random
        target = r.choice(self.buffers)
        others = [x for x in self.buffers if x is not target]
        n: Value | int = r.choice([2, 7, 8, 16, 33, LENGTH])
        if r.random() < 0.6:
            n = b.apply(ew.add, b.const(r.choice([0, 1, 2, 8, 15, 17, 32, LENGTH]) - 3, INT64), self.three)
        names, inits = [], []
        for _ in range(r.choice([0, 0, 1, 2])):
            dtype = self.dtype()
            choices = ["minimum", "maximum"] if dtype.kind in "iufb" else []
            choices += ["add", "mul", "and", "or"] if dtype.kind in "iub" else []
            if choices:
                names.append(r.choice(choices))
                inits.append(self.value(b, scope, dtype))
        backwards = r.random() < 0.15

        def body(c: LoopBuilder, i: Value, *totals: Value) -> Sequence[Value]:
            inner = Scope(scope)
            inner.values.append(i)
            at = c.apply(ew.sub, c.const(LENGTH - 1, INT64), i) if backwards else i
            mine = c.load(target, at) if r.random() < 0.5 else None
            for _ in range(r.randint(1, 5)):
                if others and r.random() < 0.6:
                    x = r.choice(others)
                    index = r.choice([i, i, at, self.index(c, inner), self.index(c, scope)])
                    inner.values.append(c.load(x, index))
                self.compute(c, inner)
            if mine is not None:
                inner.values.append(mine)
            if r.random() < 0.8:
                c.store(target, at, self.value(c, inner, target.dtype))
            return [
                c.apply(REGISTRY[name], *r.sample([total, self.fresh(c, inner, total.dtype)], 2))
                for name, total in zip(names, totals)
            ]

        scope.values += loop_over(b, n, body, *inits, vector=True, reductions=tuple(names))

    # --- values
    def dtype(self) -> np.dtype[Any]:
        return self.random.choice([INT64, FLOAT64, BOOL, *DTYPES.values()])

    def fresh(self, b: LoopBuilder, scope: Scope, dtype: np.dtype[Any]) -> Value:
        """A value that is used nowhere else."""
        return b.apply(ew.or_ if dtype == BOOL else ew.maximum, self.value(b, scope, dtype), self.constant(b, dtype))

    def constant(self, b: LoopBuilder, dtype: np.dtype[Any]) -> Value:
        r = self.random
        if dtype.kind == "b":
            return b.const(r.random() < 0.5, dtype)
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            small = [-3, -2, -1, 0, 1, 2, 3, 7, 64]
            value = r.choice([*small, r.randint(info.min, info.max), info.min, info.max])
            return b.const(min(max(value, info.min), info.max), dtype)
        value = r.choice([0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 1e3, np.inf, np.nan, r.gauss(0, 10)])
        if dtype.kind == "c":
            return b.const(complex(value, r.gauss(0, 2)), dtype)
        return b.const(value, dtype)

    def value(self, b: LoopBuilder, scope: Scope, dtype: np.dtype[Any]) -> Value:
        """Some value of ``dtype``: one there is, a constant, or another one cast."""
        r = self.random
        ready = [v for v in scope.values if v.dtype == dtype]
        if ready and r.random() < 0.75:
            return r.choice(ready)
        castable = [v for v in scope.values if self.casts(v.dtype, dtype)]
        if castable and r.random() < 0.6:
            return b.cast(r.choice(castable), dtype)
        return self.constant(b, dtype)

    @staticmethod
    def casts(source: np.dtype[Any], target: np.dtype[Any]) -> bool:
        # NumPy's own result depends on the length of the array for float numbers that do not fit uint32
        return not (source.kind in "fc" and target == np.uint32)

    def index(self, b: LoopBuilder, scope: Scope) -> Value:
        """An int64 within a buffer."""
        return b.apply(ew.mod, self.value(b, scope, INT64), b.const(LENGTH, INT64))

    def expression(self, b: LoopBuilder, scope: Scope) -> Value:
        r = self.random
        if r.random() < 0.1 and scope.values:
            dtype = self.dtype()
            condition = self.value(b, scope, BOOL)
            return b.apply(ew.select, condition, self.value(b, scope, dtype), self.value(b, scope, dtype))
        dtype = r.choice(scope.values).dtype if scope.values and r.random() < 0.8 else self.dtype()
        primitive = r.choice(OPS[dtype])
        count = 1 if primitive.name in UNARY else 2
        operands = [self.value(b, scope, dtype) for _ in range(count)]
        return b.apply(primitive, *operands)


def random_array(rng: np.random.Generator, dtype: np.dtype[Any], n: int) -> np.ndarray[Any, Any]:
    if dtype.kind == "b":
        return rng.random(n) < 0.5
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        wild = rng.integers(info.min, info.max, n, dtype, endpoint=True)
        tame = rng.integers(max(info.min, -5), 6, n).astype(dtype)
        return np.where(rng.random(n) < 0.3, wild, tame)
    part = real_dtype(dtype)
    x = (rng.standard_normal(n) * 10).astype(part)
    x[rng.random(n) < 0.2] = rng.choice(np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0], part))
    if dtype.kind == "c":
        return (x + 1j * np.round(rng.standard_normal(n), 2)).astype(dtype)
    return x


def run(seed: int, *, show: bool = False) -> None:
    """Compile and compare program number ``seed`` on two inputs."""
    generator = Generator(seed)
    function = generator.function()
    if show:
        print(function)
    target = TARGETS[seed % len(TARGETS)]
    optimize = (None, "light", "peephole", "full")[seed // 3 % 4]
    native = Native(function, target, optimize=optimize)  # type: ignore[arg-type]
    if show:
        print(native.text)
    rng = np.random.default_rng(seed)
    for _ in range(2):
        arguments: list[Any] = []
        for p in function.params:
            if isinstance(p.type, BufferType):
                arguments.append(random_array(rng, p.dtype, LENGTH))
            elif p.hint == "three":
                arguments.append(3)
            else:
                arguments.append(random_array(rng, p.dtype, 1)[0])
        copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        want, got = outcome(interpret, function, copies), outcome(native, *arguments)
        assert type(want) is type(got), (want, got)
        if isinstance(want, Exception):
            assert str(want) == str(got), (want, got)
        else:
            for w, g in zip(want, got, strict=True):
                assert alike(np.asarray(w).reshape(1), np.asarray(g).reshape(1)), (want, got)
        for a, c, p in zip(arguments, copies, function.params):
            if isinstance(a, np.ndarray):
                assert alike(c, a), (p, c, a)


def outcome(call: Any, *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except (ValueError, IndexError) as error:
        return error


def alike(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    if a.dtype.kind == "c":
        return alike(a.real, b.real) and alike(a.imag, b.imag)
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    numbers = ~np.isnan(a)
    same = (a == b) & (np.signbit(a) == np.signbit(b))
    return bool(np.all(np.isnan(b) == ~numbers) and np.all(same, where=numbers))


def main() -> None:
    warnings.simplefilter("ignore")
    first, count = int(sys.argv[1]), int(sys.argv[2])
    for seed in range(first, first + count):
        print(seed, flush=True)
        run(seed, show="--show" in sys.argv)


if __name__ == "__main__":
    main()
