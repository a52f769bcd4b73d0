"""Loops, branches, checks, allocation and calls into Python in native code, against the interpreter."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tracejit.codegen import control as codegen_control
from tracejit.codegen.llvm import Target
from tracejit.ir.core import Function, Value
from tracejit.ir.types import BufferType
from tracejit.ops import control, loop
from tracejit.ops import elementwise as ew
from tracejit.ops.interpret import interpret

from .native import LoopBuilder, Native, Status, build, choose, loop_over, loop_while, take

I, F = np.dtype(np.int64), np.dtype(np.float64)


def same(function: Function, *arguments: Any, **options: Any) -> list[Any]:
    """The native results, which must be the interpreter's, with the same effect on buffers."""
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    want = interpret(function, copies)
    got = Native(function, **options)(*arguments)
    for g, w, v in zip(got, want, function.outputs, strict=True):
        if isinstance(v.type, BufferType):
            assert np.array_equal(take(g, w.dtype, len(w)), w, equal_nan=w.dtype.kind in "fc")
        else:
            assert g == w[()] or (g != g and w != w), (got, want)
    for a, c in zip(arguments, copies):
        if isinstance(a, np.ndarray):
            assert np.array_equal(a, c, equal_nan=a.dtype.kind in "fc")
    return got


def test_if_chooses_and_runs_one_arm() -> None:
    def write(b: LoopBuilder, x: Value, out: Value) -> Sequence[Value]:
        def then(c: LoopBuilder) -> Sequence[Value]:
            c.store(out, c.const(0, I), c.const(1, I))
            return [c.apply(ew.add, x, c.const(1, I)), x]

        def otherwise(c: LoopBuilder) -> Sequence[Value]:
            c.store(out, c.const(1, I), c.const(2, I))
            return [c.const(-7, I), x]

        return choose(b, b.apply(ew.gt, x, b.const(3, I)), then, otherwise)

    function = build([I, (I,)], write)
    same(function, 5, np.zeros(2, np.int64))
    same(function, 3, np.zeros(2, np.int64))


BOUNDS = [-7, -1, 0, 1, 2, 9]
FAR = [2**63 - 1, 2**63 - 3, -(2**63), -(2**63) + 4]


def count_and_sum(b: LoopBuilder, *bounds: Value | int) -> Sequence[Value]:
    start, stop, step = bounds
    zero = b.const(0, I)

    def body(c: LoopBuilder, i: Value, n: Value, total: Value) -> Sequence[Value]:
        return [c.apply(ew.add, n, c.const(1, I)), c.apply(ew.add, c.apply(ew.mul, total, c.const(31, I)), i)]

    return loop_over(b, stop, body, zero, zero, start=start, step=step)


@pytest.mark.parametrize("optimize", ["light", "full"])
def test_for_takes_any_bounds(optimize: Any) -> None:
    native = Native(build([I, I, I], count_and_sum), optimize=optimize)
    cases = [c for c in itertools.product(BOUNDS, BOUNDS, [-3, -2, -1, 1, 2, 3])]
    cases += [
        (f, f + d, s)
        for f in FAR
        for d in (-3, -1, 1, 2, 3)
        for s in (-2, -1, 1, 2, 2**62, -(2**63))
        if abs(f + d) < 2**63
    ]
    cases += [(-(2**63), 2**63 - 1, 2**62), (2**63 - 1, -(2**63), -(2**62)), (0, 2**63 - 1, 2**63 - 1)]
    for start, stop, step in cases:
        assert native(start, stop, step) == list(expected(start, stop, step)), (start, stop, step)


def expected(start: int, stop: int, step: int) -> tuple[int, int]:
    n = total = 0
    for i in range(start, stop, step):
        n, total = n + 1, total * 31 + i
    return n, (total + 2**63) % 2**64 - 2**63


@pytest.mark.parametrize(
    "start,stop,step", [(0, 5, 1), (3, 3, 1), (5, 0, -1), (0, 10, 4), (10, -3, -4), (2, 100, 1), (7, 0, 1)]
)
def test_for_with_constant_bounds(start: int, stop: int, step: int) -> None:
    function = build([], lambda b: count_and_sum(b, start, stop, step))
    assert Native(function)() == list(expected(start, stop, step))
    for k in range(3):  # and each bound known or not
        given = [start, stop, step]
        known = [v if j != k else None for j, v in enumerate(given)]
        partly = build([I], lambda b, x: count_and_sum(b, *(x if v is None else v for v in known)))
        assert Native(partly)(given[k]) == list(expected(start, stop, step))


def test_step_zero_ends() -> None:
    """The front end checks it, but code must not hang or trap when it is run for nothing."""
    assert Native(build([I, I, I], count_and_sum))(5, 5, 0) == [0, 0]


def test_while_carries_values_of_every_kind() -> None:
    def write(b: LoopBuilder, n: Value, z: Value, flag: Value, h: Value) -> Sequence[Value]:
        def condition(c: LoopBuilder, n: Value, z: Value, flag: Value, h: Value) -> Value:
            return c.apply(ew.gt, n, c.const(0, I))

        def body(c: LoopBuilder, n: Value, z: Value, flag: Value, h: Value) -> Sequence[Value]:
            return [
                c.apply(ew.sub, n, c.const(1, I)),
                c.apply(ew.add, z, c.const(1 - 2j, np.complex128)),
                c.apply(ew.not_, flag),
                c.apply(ew.add, h, c.const(0.1, np.float16)),
            ]

        return loop_while(b, condition, body, n, z, flag, h)

    function = build([I, np.complex128, np.bool_, np.float16], write)
    for n in (0, 1, 17):
        same(function, n, 0.5 + 1j, True, 2.0)


def test_nested_loops_and_a_swap_of_buffers() -> None:
    """Ping-pong: two buffers change places in every turn of an outer loop."""

    def write(b: LoopBuilder, x: Value, y: Value, n: Value, turns: Value) -> Sequence[Value]:
        def turn(c: LoopBuilder, t: Value, a: Value, z: Value) -> Sequence[Value]:
            def inner(d: LoopBuilder, i: Value) -> None:
                left = d.load(a, d.apply(ew.sub, i, d.const(1, I)))
                d.store(z, i, d.apply(ew.add, d.apply(ew.mul, left, d.const(0.5, F)), d.load(a, i)))

            loop_over(c, n, inner, start=1)
            return [z, a]

        last, _ = loop_over(b, turns, turn, x, y)
        return [b.load(last, b.const(3, I)), b.apply(loop.same_buffer, last, x)]

    function = build([(F,), (F,), I, I], write, noalias={0, 1})
    for turns in (0, 1, 2, 5):
        same(function, np.arange(9.0), np.ones(9), 9, turns)


# --- checks
def checked(b: LoopBuilder, x: Value, y: Value) -> Sequence[Value]:
    b.check(b.apply(ew.gt, x, b.const(0, I)), ValueError, ("x is {0}, not {1}",), [x, y])

    def body(c: LoopBuilder, i: Value) -> None:
        c.check(c.apply(ew.ne, i, x), IndexError, ("turn {0}", 5), [i])

    loop_over(b, 10, body)
    b.check(b.apply(ew.isfinite, y), ZeroDivisionError, ("end",))
    return [x]


def test_the_first_failing_check_is_reported_with_its_payload() -> None:
    native = Native(build([I, F], checked))
    assert native(11, 0.0) == [11]
    with pytest.raises(ValueError, match="x is -3, not 1.5"):
        native(-3, 1.5)
    with pytest.raises(IndexError) as error:
        native(7, 0.0)
    assert error.value.args == ("turn 7", 5)
    with pytest.raises(ZeroDivisionError, match="end"):
        native(12, np.inf)


def test_payloads_of_every_dtype() -> None:
    from tracejit.ir.types import DTYPES

    values = [True, -5, -300, -70000, -(2**40), 200, 60000, 2**31 + 1, 2**63 + 1, 1.5, 0.1, 0.1, 1 - 2j, 0.1 + 3j]

    def write(b: LoopBuilder, *xs: Value) -> Sequence[Value]:
        b.check(b.const(False, np.bool_), ValueError, tuple(f"{{{k}!r}}" for k in range(len(xs))), xs)
        return []

    function = build(list(DTYPES.values()), write)
    with pytest.raises(ValueError) as error:
        Native(function)(*values)
    want = [repr(d.type(v).item()) for d, v in zip(DTYPES.values(), values)]
    assert list(error.value.args) == want


def test_arithmetic_and_its_overflow_share_an_instruction() -> None:
    def write(b: LoopBuilder, x: Value, y: Value) -> Sequence[Value]:
        total = b.apply(ew.add, y, x)
        b.check(b.apply(ew.not_, b.apply(ew.add_overflows, x, y)), OverflowError, ("too big",))
        difference = b.apply(ew.sub, x, y)

        def then(c: LoopBuilder) -> Sequence[Value]:
            return [c.apply(ew.mul_overflows, x, y), c.apply(ew.mul, x, y)]

        def otherwise(c: LoopBuilder) -> Sequence[Value]:
            return [c.apply(ew.sub_overflows, y, x), c.apply(ew.mul, y, x)]

        return [total, difference, *choose(b, b.apply(ew.gt, x, y), then, otherwise)]

    function = build([I, I], write)
    native = Native(function)
    assert native.kernel.text.count("sadd.with.overflow.i64(i64") == 2  # declared, called once
    for x, y in ((3, 4), (2**62, -(2**62)), (2**62, 3), (-5, 2**40), (2**31, 2**31)):
        same(function, x, y)
    with pytest.raises(OverflowError):
        native(2**62, 2**62)


# --- buffers
def test_a_returned_buffer_belongs_to_the_caller() -> None:
    def write(b: LoopBuilder, n: Value) -> Sequence[Value]:
        out, scratch = b.alloc(F, n), b.alloc(F, n)

        def body(c: LoopBuilder, i: Value) -> None:
            x = c.cast(i, F)
            c.store(scratch, i, x)
            c.store(out, i, c.apply(ew.mul, c.load(scratch, i), x))

        loop_over(b, n, body)
        b.emit(loop.free, (scratch,), ())
        return [out, n]

    function = build([I], write)
    for n in (0, 1, 7, 100_000):
        same(function, n)


class Counted:
    """malloc and free of the C library, replaced in the module's text so that a test can count."""

    def __init__(self) -> None:
        self.alive: set[int] = set()
        libc = ctypes.CDLL(None)
        libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = (
            ctypes.c_void_p,
            [ctypes.c_size_t],
            [ctypes.c_void_p],
        )

        def allocate(alignment: int, size: int) -> int:
            p = libc.malloc(size)
            self.alive.add(p)
            return int(p)

        def release(p: int) -> None:
            self.alive.discard(p)
            libc.free(p)

        self.allocate = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)(allocate)
        self.allocate_small = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t)(lambda size: allocate(16, size))
        self.release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(release)

    def imports(self) -> dict[str, int]:
        pairs = (
            ("counted_alloc", self.allocate),
            ("counted_malloc", self.allocate_small),
            ("counted_free", self.release),
        )
        return {n: ctypes.cast(f, ctypes.c_void_p).value or 0 for n, f in pairs}

    @staticmethod
    def rewrite(text: str) -> str:
        for name, counted in (("aligned_alloc", "alloc"), ("malloc", "malloc"), ("free", "free")):
            text = text.replace(f"@{name}(", f"@counted_{counted}(")
        return text


def test_a_failing_check_frees_what_is_alive() -> None:
    """Many buffers alive at once (more than the table in the frame holds), some freed before."""

    def write(b: LoopBuilder, n: Value, fail_at: Value, given: Value) -> Sequence[Value]:
        first = b.alloc(F, n)
        b.store(first, b.const(0, I), b.const(0.0, F))

        def body(c: LoopBuilder, i: Value, previous: Value) -> Sequence[Value]:
            extra = c.alloc(I, n)  # never freed by the program: it stays in the table
            c.store(extra, c.const(0, I), i)
            following = c.alloc(F, n)
            c.store(
                following,
                c.const(0, I),
                c.apply(ew.add, c.load(previous, c.const(0, I)), c.cast(c.load(extra, c.const(0, I)), F)),
            )
            c.emit(loop.free, (previous,), ())
            c.check(c.apply(ew.ne, i, fail_at), RuntimeError, ("at {0}",), [i])
            return [following]

        (last,) = loop_over(b, 40, body, first)
        b.emit(loop.free, (given,), ())  # an argument: nothing happens
        return [b.load(last, b.const(0, I)), last]

    counted = Counted()
    function = build([I, I, (F,)], write)
    native = Native(function, rewrite=counted.rewrite, imports=counted.imports())
    given = np.arange(3.0)
    for fail_at in (0, 5, 39):
        with pytest.raises(RuntimeError, match=f"at {fail_at}"):
            native(3, fail_at, given)
        assert not counted.alive
    total, address = native(3, 100, given)
    assert total == sum(range(40)) and address in counted.alive
    assert len(counted.alive) == 41  # the result, and what the program itself forgot


def test_buffers_of_straight_line_programs_are_freed_by_what_fails_after_them() -> None:
    def write(b: LoopBuilder, n: Value, fail_at: Value) -> Sequence[Value]:
        buffers = []
        for k, size in enumerate((b.const(4, I), n, b.const(4000, I))):
            b.check(b.apply(ew.ne, fail_at, b.const(k, I)), RuntimeError, ("at {0}",), [fail_at])
            buffers.append(b.alloc(F, size))
            b.store(buffers[-1], b.const(0, I), b.cast(n, F))
        b.check(b.apply(ew.ne, fail_at, b.const(3, I)), RuntimeError, ("at {0}",), [fail_at])
        return [*buffers, b.alloc(F, b.const(4, I))]  # nothing fails after the last but its own lack of room

    counted = Counted()
    native = Native(build([I, I], write), rewrite=counted.rewrite, imports=counted.imports())
    assert "@tj_alloc(ptr %v" not in native.kernel.text
    for fail_at in range(4):
        with pytest.raises(RuntimeError, match=f"at {fail_at}"):
            native(5, fail_at)
        assert not counted.alive
    with pytest.raises(Status):
        native(2**61, 9)
    assert not counted.alive
    assert set(native(5, 9)) == counted.alive and len(counted.alive) == 4


def test_too_large_an_allocation_is_reported() -> None:
    def write(b: LoopBuilder, n: Value) -> Sequence[Value]:
        return [b.alloc(F, b.const(4, I)), b.alloc(F, n)]

    native = Native(build([I], write))
    for n in (2**61, 2**63 - 1, 2**58, -1):
        with pytest.raises(Status) as error:
            native(n)
        assert error.value.args == (-2,)


def test_stack_buffers_offsets_copies_zeros_constants() -> None:
    data = np.array([2.5, -1.0, 3.0, 0.0])

    def write(b: LoopBuilder, out: Value) -> Sequence[Value]:
        room = b.alloc(F, b.const(4, I), stack=4)
        (table,) = b.emit(loop.constant_buffer, (), (BufferType(F),), {"value": data})
        b.emit(loop.copy_elements, (room, table, b.const(4, I)), ())
        b.store(room, b.const(1, I), b.const(9.0, F))
        tail = b.apply(loop.offset, out, b.const(2, I))
        b.emit(loop.fill_zero, (out, b.const(8, I)), ())
        b.emit(loop.copy_elements, (tail, room, b.const(3, I)), ())
        return [b.apply(loop.same_buffer, tail, out), b.load(tail, b.const(1, I))]

    same(build([(F,)], write), np.ones(8))


def test_loads_and_stores_of_every_dtype() -> None:
    from tracejit.ir.types import DTYPES

    for dtype in DTYPES.values():

        def write(b: LoopBuilder, x: Value, y: Value, n: Value) -> Sequence[Value]:
            def body(c: LoopBuilder, i: Value, last: Value) -> Sequence[Value]:
                v = c.load(x, i)
                c.store(y, i, v)
                return [v]

            return loop_over(b, n, body, b.load(x, b.const(0, I)))

        x = np.arange(-3, 5).astype(dtype)
        same(build([(dtype,), (dtype,), I], write), x, np.zeros(8, dtype), 8)


def test_gemm_calls_cblas_with_64_bit_integers() -> None:
    calls = []

    @ctypes.CFUNCTYPE(
        None, *[ctypes.c_int32] * 3, *[ctypes.c_int64] * 3, ctypes.c_double, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_double, ctypes.c_void_p, ctypes.c_int64,
    )  # fmt: skip
    def dgemm(*arguments: Any) -> None:
        calls.append(arguments)

    def write(b: LoopBuilder, c: Value, x: Value, y: Value) -> Sequence[Value]:
        sizes = [b.const(v, I) for v in (2, 3, 4, 0, 3)]
        b.emit(loop.gemm, (c, x, y, *sizes), (), {"transpose_b": False, "transpose_a": True})
        return []

    function = build([(F,)] * 3, write)
    arrays = [np.zeros(12) for _ in range(3)]
    address = ctypes.cast(dgemm, ctypes.c_void_p).value or 0
    Native(function, imports={"tj_dgemm": address})(*arrays)
    c, a, b = (x.ctypes.data for x in arrays)
    assert calls == [(101, 112, 111, 2, 3, 4, 1.0, a, 2, b, 3, 0.0, c, 3)]


# --- Python and interrupts
def test_callbacks_pass_values_in_slots() -> None:
    def write(b: LoopBuilder, x: Value, z: Value, buffer: Value) -> Sequence[Value]:
        attrs = {"function": None, "tree": None, "kinds": ("numpy",) * 3}
        doubled, flag = b.emit(control.callback, (x, z, buffer), (x.type, b.const(True, np.bool_).type), attrs)
        b.emit(control.print_, (flag,), (), {"parts": (), "sep": " ", "end": ""})
        return [doubled, flag]

    seen: list[Any] = []
    array = np.arange(3.0)

    def python(number: int, payload: int) -> int:
        slots = np.frombuffer((ctypes.c_uint8 * 48).from_address(payload), np.uint8)
        if number == 0:
            x, z = slots[:8].view(np.int64), slots[16:32].view(np.complex128)[0]
            seen.append((int(x[0]), complex(z), int(slots[32:40].view(np.int64)[0]) == array.ctypes.data))
            x[0] *= 2
            slots[16] = 1
        else:
            seen.append(bool(slots[0]))
        return int(seen[0][0] == 13)

    native = Native(build([I, np.complex128, (F,)], write), python=python)
    assert native.kernel.calls_python and [e.name for e in native.kernel.effects] == ["callback", "print"]
    assert native(21, 1 + 2j, array) == [42, True]
    assert seen == [(21, 1 + 2j, True), True]
    seen.clear()
    with pytest.raises(Status) as error:
        native(13, 0j, array)
    assert error.value.args == (-1,)


def endless(b: LoopBuilder, n: Value) -> Sequence[Value]:
    return loop_while(
        b, lambda c, k: c.apply(ew.ne, k, n), lambda c, k: [c.apply(ew.xor, k, c.const(1, I))], b.const(0, I)
    )


def long_for(b: LoopBuilder, n: Value) -> Sequence[Value]:
    return loop_over(b, n, lambda c, i, x: [c.apply(ew.xor, c.apply(ew.mul, x, c.const(3, I)), i)], b.const(0, I))


def nest(b: LoopBuilder, n: Value) -> Sequence[Value]:
    def outer(c: LoopBuilder, i: Value, x: Value) -> Sequence[Value]:
        return loop_over(c, c.apply(ew.and_, i, c.const(3, I)), lambda d, j, y: [d.apply(ew.xor, y, i)], x)

    return loop_over(b, n, outer, b.const(0, I))


def nest_of_constant_size(b: LoopBuilder, n: Value) -> Sequence[Value]:
    def outer(c: LoopBuilder, i: Value, x: Value) -> Sequence[Value]:
        return loop_over(c, 100, lambda d, j, y: [d.apply(ew.xor, d.apply(ew.mul, y, i), j)], x)

    return loop_over(b, n, outer, b.const(0, I))


@pytest.mark.parametrize("write", [endless, long_for, nest, nest_of_constant_size])
def test_long_loops_poll_for_interrupts(write: Callable[..., Sequence[Value]]) -> None:
    polls = 0

    def poll() -> bool:
        nonlocal polls
        polls += 1
        return polls == 3

    native = Native(build([I], write), poll=poll)
    with pytest.raises(Status) as error:
        native(2**62 + 1)
    assert error.value.args == (-1,) and polls == 3


def test_polling_does_not_change_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codegen_control, "FUEL", 64)
    polls = 0

    def poll() -> bool:
        nonlocal polls
        polls += 1
        return False

    for write in (long_for, nest, nest_of_constant_size, count_and_sum):
        function = build([I] * (3 if write is count_and_sum else 1), write)
        native = Native(function, poll=poll)
        for n in (0, 1, 63, 64, 65, 1000):
            arguments = (n, -n, -2) if write is count_and_sum else (n,)
            assert native(*arguments) == [v[()] for v in interpret(function, arguments)]
    assert polls > 10


def test_short_programs_do_not_poll() -> None:
    def write(b: LoopBuilder) -> Sequence[Value]:
        return loop_over(b, 1000, lambda c, i, x: [c.apply(ew.add, x, i)], b.const(0, I))

    native = Native(build([], write))
    assert not native.kernel.needs and native() == [499500]


def test_a_branch_of_a_vector_target_is_not_needed_for_scalars() -> None:
    """The scalar emission does not depend on the target's vectors."""
    function = build([I, F], checked)
    one, other = (Native(function, Target(bits)).kernel.text for bits in (128, 512))
    assert one.replace('"128"', '"512"') == other


def test_the_most_turns_of_a_loop() -> None:
    """Triangular loops of small known extent count as straight-line code; unknown ones do not."""
    from tracejit.codegen.costs import most_trips

    found = []

    def write(b, n):
        def outer(b, i):
            def inner(b, j):
                pass

            loop_over(b, 5, inner, start=b.apply(ew.add, i, b.index(1)))
            found.append(b.block.ops[-1])
            loop_over(b, n, inner, start=i)
            found.append(b.block.ops[-1])
            loop_over(b, b.apply(ew.minimum, n, b.index(7)), inner, start=i)
            found.append(b.block.ops[-1])
            loop_over(b, b.index(-1), inner, start=i, step=-2)
            found.append(b.block.ops[-1])

        loop_over(b, 5, outer)
        return [n]

    build([np.int64], write)
    assert [most_trips(op) for op in found] == [4, None, 7, 3]
