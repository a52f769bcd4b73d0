"""Vector loops: every lane computes what the scalar loop computes, for every op, dtype, length, stride and target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tracejit.codegen.llvm import Target, emit_kernel
from tracejit.ir.core import Function, Value
from tracejit.ir.types import DTYPE_NAMES, DTYPES
from tracejit.ops import elementwise as ew
from tracejit.ops.interpret import interpret
from tracejit.ops.primitive import Primitive

from .every_op import CASES, arity, differences, operands, run_all
from .every_op import IDS as OP_IDS
from .native import LoopBuilder, Native, build, loop_over

I, F = np.dtype(np.int64), np.dtype(np.float64)
WIDE, MIDDLE, NARROW = Target(512, masked=True), Target(256), Target(128)
TARGETS = [WIDE, MIDDLE, NARROW]
IDS = ["512", "256", "128"]
LENGTHS = [0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 300]


def identical(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    """The same bits, any NaN being as good as another."""
    if a.dtype.kind == "c":
        return identical(a.real.copy(), b.real.copy()) and identical(a.imag.copy(), b.imag.copy())
    return not differences(a, b, 0).any()


def is_vectorised(function: Function, target: Target = WIDE) -> bool:
    return "lanes" in emit_kernel(function, target=target).text or "rest" in emit_kernel(function, target=target).text


def test_brief_kernels_are_translated_as_they_are() -> None:
    def pipeline(turns: int, vector: bool, dtype: Any = F) -> str:
        def double(b: LoopBuilder, x: Value, out: Value) -> Sequence[Value]:
            def body(c: LoopBuilder, i: Value) -> None:
                a = c.load(x, i)
                c.store(out, i, c.apply(ew.add, a, a))

            return loop_over(b, turns, body, vector=vector)

        return emit_kernel(build([(dtype,), (dtype,)], double, noalias={0, 1}), target=WIDE).optimize

    assert pipeline(8, True) == "none"
    assert pipeline(1000, True) == pipeline(1000, True, I) == "light"
    assert pipeline(1000, True, np.dtype(np.complex64)) == pipeline(1000, True, np.dtype(np.int16)) == "peephole"
    assert pipeline(200, False) == "full"  # turns of one element each gain from LLVM at once


@pytest.mark.parametrize("primitive,dtype", CASES, ids=OP_IDS)
def test_lanes_compute_what_scalars_compute(primitive: Primitive, dtype: np.dtype[Any]) -> None:
    count = arity(primitive)
    scalar = run_all(dtype, count)[primitive.name]
    target = (WIDE, MIDDLE)[list(DTYPES).index(DTYPE_NAMES[dtype]) % 2]  # they differ in the number of lanes only
    vector = run_all(dtype, count, target)[primitive.name]
    wrong = np.flatnonzero(differences(vector, scalar, 0))
    arrays = operands(dtype, count)
    assert not len(wrong), [(*(a[k] for a in arrays), vector[k], scalar[k]) for k in wrong[:5]]


@pytest.mark.parametrize("target", DTYPES)
@pytest.mark.parametrize("source", DTYPES.values(), ids=DTYPES)
def test_casts_in_lanes(source: np.dtype[Any], target: str) -> None:
    machine = (MIDDLE, WIDE)[list(DTYPES).index(DTYPE_NAMES[source]) % 2]
    assert identical(run_all(source, 0, machine)[target], run_all(source, 0)[target])


def against_interpreter(function: Function, target: Target, *arguments: Any, native: Native | None = None) -> None:
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    want = interpret(function, copies)
    got = (native or Native(function, target))(*arguments)
    assert all(identical(np.asarray(g).reshape(1), np.asarray(w).reshape(1)) for g, w in zip(got, want, strict=True))
    for a, c in zip(arguments, copies):
        if isinstance(a, np.ndarray):
            assert identical(a, c), (arguments[-1], a, c)


def mixed(b: LoopBuilder, x: Value, y: Value, flags: Value, out: Value, n: Value) -> Sequence[Value]:
    """float32, float64, bool and int64 in one body; the counter as a number."""
    scale = b.apply(ew.mul, b.cast(n, F), b.const(0.25, F))

    def body(c: LoopBuilder, i: Value) -> None:
        a, z, flag = c.load(x, i), c.load(y, i), c.load(flags, i)
        wide = c.apply(ew.mul, c.cast(a, F), scale)
        other = c.apply(ew.add, z, c.cast(c.apply(ew.mul, i, c.const(3, I)), F))
        r = c.apply(ew.select, c.apply(ew.and_, flag, c.apply(ew.lt, wide, other)), wide, other)
        c.store(out, i, c.cast(r, np.dtype(np.float32)))
        c.store(flags, i, c.apply(ew.gt, r, c.const(2.0, F)))

    return loop_over(b, n, body, vector=True)


@pytest.mark.parametrize("target", TARGETS, ids=IDS)
def test_mixed_dtypes_and_all_lengths(target: Target) -> None:
    f4 = np.dtype(np.float32)
    function = build([(f4,), (F,), (np.bool_,), (f4,), I], mixed, noalias={0, 1, 2, 3})
    assert is_vectorised(function, target)
    native = Native(function, target)
    rng = np.random.default_rng(1)
    for n in LENGTHS:
        x, y = rng.standard_normal(n + 3).astype(f4), rng.standard_normal(n + 3)
        out, flags = np.zeros(n + 3, f4), rng.random(n + 3) < 0.5
        against_interpreter(function, target, x, y, flags, out, n, native=native)


@pytest.mark.parametrize("target", TARGETS, ids=IDS)
@pytest.mark.parametrize("n", [2, 3, 5, 8, 9, 16, 31, 32, 40, 100])
def test_constant_lengths(target: Target, n: int) -> None:
    def write(b: LoopBuilder, x: Value, y: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, i: Value, total: Value) -> Sequence[Value]:
            v = c.load(x, i)
            c.store(y, i, c.apply(ew.mul, v, v))
            return [c.apply(ew.add, total, v)]

        return loop_over(b, n, body, b.const(0, I), vector=True, reductions=("add",))

    against_interpreter(build([(I,), (I,)], write, noalias={0, 1}), target, np.arange(n + 2) * 7, np.zeros(n + 2, I))


STRIDES: list[int | None] = [None, -3, -2, -1, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("target", TARGETS, ids=IDS)
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("dtype", ["bool", "i16", "f32", "f64", "c64"])
def test_strided_loads_and_stores(stride: int | None, dtype: str, target: Target) -> None:
    """``out[c + s * i] = f(x[d + s * i])`` for known strides, and (None) for one known only at run time."""
    t = DTYPES[dtype]

    def write(b: LoopBuilder, x: Value, out: Value, d: Value, s: Value, n: Value) -> Sequence[Value]:
        factor = s if stride is None else b.const(stride, I)

        def body(c: LoopBuilder, i: Value) -> None:
            at = c.apply(ew.add, d, c.apply(ew.mul, i, factor))
            v = c.load(x, at)
            r = c.apply(ew.not_, v) if dtype == "bool" else c.apply(ew.add, v, v)
            c.store(out, i, r)
            c.store(out, c.apply(ew.add, at, c.const(400, I)), v)

        return loop_over(b, n, body, vector=True)

    function = build([(t,), (t,), I, I, I], write, noalias={0, 1})
    assert is_vectorised(function, target)
    native = Native(function, target)
    step = 2 if stride is None else stride
    rng = np.random.default_rng(2)
    for n in (0, 1, 5, 8, 16, 33, 70):
        last = (n - 1) * step if n else 0
        # nothing beyond the last element may be touched: x ends exactly there
        x = (rng.standard_normal(max(abs(last) + 1, 1)) * 10).astype(t)
        out = np.zeros(800, t)
        against_interpreter(function, target, x, out, max(-last, 0), step, n, native=native)


@pytest.mark.parametrize("target", TARGETS, ids=IDS)
def test_reads_end_at_the_last_element(target: Target) -> None:
    """Loads of strided elements stay inside a page that ends with the array."""
    import mmap

    page = mmap.PAGESIZE
    room = mmap.mmap(-1, 2 * page)
    import ctypes

    base = ctypes.addressof(ctypes.c_char.from_buffer(room))
    libc = ctypes.CDLL(None)
    assert libc.mprotect(ctypes.c_void_p(base + page), ctypes.c_size_t(page), 0) == 0
    whole = np.frombuffer(room, np.float32, page // 4)
    whole[:] = np.arange(page // 4)
    for stride in (1, 2, 3, 4, 7):

        def write(b: LoopBuilder, x: Value, out: Value, n: Value) -> Sequence[Value]:
            def body(c: LoopBuilder, i: Value) -> None:
                c.store(out, i, c.load(x, c.apply(ew.mul, i, c.const(stride, I))))

            return loop_over(b, n, body, vector=True)

        native = Native(build([(np.float32,), (np.float32,), I], write, noalias={0, 1}), target)
        for n in (1, 16, 31, 32, 64, 65):
            x = whole[page // 4 - (n - 1) * stride - 1 :]
            out = np.zeros(n, np.float32)
            native(x, out, n)
            assert np.array_equal(out, x[::stride])


@pytest.mark.parametrize("target", TARGETS, ids=IDS)
@pytest.mark.parametrize("dtype", ["u8", "f32", "f64", "c128", "bool"])
def test_gather_and_scatter(dtype: str, target: Target) -> None:
    t = DTYPES[dtype]

    def write(b: LoopBuilder, x: Value, index: Value, out: Value, n: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, i: Value) -> None:
            j = c.load(index, i)
            c.store(out, j, c.load(x, c.apply(ew.xor, j, c.const(1, I))))

        return loop_over(b, n, body, vector=True)

    function = build([(t,), (I,), (t,), I], write, noalias={0, 1, 2})
    assert is_vectorised(function, target)
    native = Native(function, target)
    rng = np.random.default_rng(4)
    for n in (0, 2, 8, 16, 34, 100):
        x = (rng.standard_normal(n + 1) * 100).astype(t)
        against_interpreter(function, target, x, rng.permutation(n), np.zeros(n + 1, t), n, native=native)


@pytest.mark.parametrize("target", TARGETS, ids=IDS)
def test_uniform_values_other_starts_and_steps(target: Target) -> None:
    def write(b: LoopBuilder, x: Value, out: Value, k: Value, n: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, i: Value) -> None:
            weight = c.apply(ew.mul, c.load(x, k), c.const(0.5, F))
            c.store(out, i, c.apply(ew.add, c.apply(ew.mul, c.load(x, i), weight), c.cast(k, F)))

        loop_over(b, n, body, start=3, vector=True)
        loop_over(b, 3, body, start=n, step=-2, vector=True)
        return loop_over(b, n, body, start=k, step=3, vector=True)

    function = build([(F,), (F,), I, I], write, noalias={0, 1})
    native = Native(function, target)
    for n in (0, 3, 4, 20, 50, 99):
        against_interpreter(function, target, np.arange(100.0), np.zeros(100), 1, n, native=native)


@pytest.mark.parametrize("target", TARGETS, ids=IDS)
@pytest.mark.parametrize(
    "name,dtype",
    [
        (n, d)
        for n in ("add", "mul", "minimum", "maximum", "and", "or")
        for d in DTYPES
        if (n in ("and", "or")) <= (d[0] in "biu")
    ],
)
def test_reductions(name: str, dtype: str, target: Target) -> None:
    t = DTYPES[dtype]
    primitive = {p.name: p for p in (ew.add, ew.mul, ew.minimum, ew.maximum, ew.and_, ew.or_)}[name]
    rng = np.random.default_rng(5)

    def write(b: LoopBuilder, x: Value, start: Value, n: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, i: Value, total: Value) -> Sequence[Value]:
            return [c.apply(primitive, c.load(x, i), total)]

        return loop_over(b, n, body, start, vector=True, reductions=(name,))

    function = build([(t,), t, I], write)
    assert is_vectorised(function, target)
    native = Native(function, target)
    for n in LENGTHS:
        # exact numbers, so that the order of additions does not matter
        x = rng.integers(-4 if t.kind in "ifc" else 0, 5, n).astype(t)
        if t.kind in "fc" and name == "mul":
            x = rng.choice(np.array([1, -1, 2, 0.5], t), n)
        start = t.type(1)
        want = interpret(function, [x, start, n])[0]
        got = native(x, start, n)[0]
        if t == np.float16 and name == "add":  # float32 inside, as NumPy
            want = np.float16(np.float32(start) + x.astype(np.float32).sum())
        assert got == want or (np.isnan(want) and np.isnan(got)), (n, got, want)
    if t.kind in "fc" and name != "mul":
        x = np.ones(100, t)
        for place in (0, 50, 99):
            x[place] = np.nan
            assert np.isnan(native(x, t.type(0), 100)[0])
            x[place] = 1
    if t.kind == "f" and name == "add":
        x = np.full(5000, np.inf, t)
        assert native(x, t.type(0), 5000)[0] == np.inf


@pytest.mark.parametrize("target", TARGETS, ids=IDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_are_at_least_as_exact_as_numpys(dtype: Any, target: Target) -> None:
    def write(b: LoopBuilder, x: Value, n: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, i: Value, total: Value) -> Sequence[Value]:
            return [c.apply(ew.add, total, c.load(x, i))]

        return loop_over(b, n, body, b.const(0.0, dtype), vector=True, reductions=("add",))

    native = Native(build([(dtype,), I], write), target)
    rng = np.random.default_rng(6)
    ours = numpys = 0.0
    for n in (100, 1000, 10_000, 100_000, 1_000_000):
        for _ in range(6):
            x = rng.random(n).astype(dtype)
            exact = math.fsum(x.tolist())
            ours += abs(float(native(x, n)[0]) - exact) / exact
            numpys += abs(float(x.sum()) - exact) / exact
            assert abs(float(native(x, n)[0]) - exact) <= 2 * float(np.spacing(dtype(exact)))
    assert ours <= numpys * 2
    big = np.full(1_000_000, 0.1, dtype)
    assert abs(float(native(big, len(big))[0]) - math.fsum(big.tolist())) <= 3 * float(np.spacing(dtype(1e5)))


def test_several_reductions_and_a_store_in_one_loop() -> None:
    def write(b: LoopBuilder, x: Value, out: Value, n: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, i: Value, total: Value, top: Value, some: Value) -> Sequence[Value]:
            v = c.load(x, i)
            square = c.apply(ew.mul, v, v)
            c.store(out, i, square)
            found = c.apply(ew.gt, v, c.const(3.0, F))
            return [c.apply(ew.add, total, square), c.apply(ew.maximum, v, top), c.apply(ew.or_, some, found)]

        inits = [b.const(0.0, F), b.const(-math.inf, F), b.const(False, np.bool_)]
        return loop_over(b, n, body, *inits, vector=True, reductions=("add", "maximum", "or"))

    function = build([(F,), (F,), I], write, noalias={0, 1})
    assert is_vectorised(function)
    for target in TARGETS:
        native = Native(function, target)
        for n in (*LENGTHS, 3000):
            against_interpreter(function, target, np.arange(n, dtype=float) % 8, np.zeros(n), n, native=native)


def test_bodies_that_need_scalars_get_them() -> None:
    """The ``vector`` attribute is a permission; what cannot be vectors is a scalar loop."""

    def write(b: LoopBuilder, x: Value, out: Value, n: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, i: Value, last: Value) -> Sequence[Value]:
            c.check(c.apply(ew.lt, i, n), IndexError, ("{0}",), [i])
            v = c.load(x, i)
            c.store(out, i, c.apply(ew.sub, v, last))
            return [v]

        return loop_over(b, n, body, b.const(0.0, F), vector=True, reductions=("add",))

    function = build([(F,), (F,), I], write)
    assert not is_vectorised(function)
    against_interpreter(function, WIDE, np.arange(50.0) ** 2, np.zeros(50), 50)


def test_polling_inside_vector_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    from tracejit.codegen import control as codegen_control
    from tracejit.codegen import vector

    monkeypatch.setattr(codegen_control, "FUEL", 64)
    monkeypatch.setattr(vector, "FUEL", 64)
    monkeypatch.setattr(vector, "_LIGHT", 0)
    polls = 0

    def poll() -> bool:
        nonlocal polls
        polls += 1
        return False

    def total(b: LoopBuilder, x: Value, out: Value, n: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, i: Value, t: Value) -> Sequence[Value]:
            return [c.apply(ew.add, t, c.load(x, i))]

        return loop_over(b, n, body, b.const(0.0, F), vector=True, reductions=("add",))

    def square(b: LoopBuilder, x: Value, out: Value, n: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, i: Value, top: Value) -> Sequence[Value]:
            c.store(out, i, c.apply(ew.mul, c.load(x, i), c.cast(i, F)))
            return [c.apply(ew.maximum, top, c.load(x, i))]

        return loop_over(b, n, body, b.const(0.0, F), vector=True, reductions=("maximum",))

    for target in TARGETS:
        for write in (total, square):
            function = build([(F,), (F,), I], write, noalias={0, 1})
            native = Native(function, target, poll=poll)
            for n in (0, 1, 63, 64, 65, 1000):
                x = np.arange(n) % 5.0
                against_interpreter(function, target, x, np.zeros(n), n, native=native)
    assert polls > 20
