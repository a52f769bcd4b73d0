"""What the machine code of typical loops must and must not contain (x86-64; elsewhere only that it compiles)."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence

import numpy as np

from tracejit.codegen.cpu import vector_bits
from tracejit.ir.core import Function, Value
from tracejit.ops import elementwise as ew

from .native import LoopBuilder, Native, build, choose, loop_over, loop_while

I, F = np.dtype(np.int64), np.dtype(np.float64)
ON_X86 = platform.machine() in ("x86_64", "AMD64")


def loops(function: Function) -> list[list[str]]:
    """The instructions of every innermost loop: from a label to the jump back to it."""
    lines = [line.strip() for line in Native(function).code.asm.splitlines()]
    found: list[list[str]] = []
    for end, line in enumerate(lines):
        jump = re.match(r"j\w+\s+(\.LBB\w+)", line)
        if jump and f"{jump[1]}:" in lines[:end]:
            body = lines[lines.index(f"{jump[1]}:") + 1 : end + 1]
            if not any(other.endswith(":") and re.match(r"\.LBB", other) for other in body):
                found.append([x for x in body if not x.startswith(".")])
    return found


def names(body: Sequence[str]) -> list[str]:
    return [line.split()[0] for line in body]


def test_a_vector_loop_is_loads_arithmetic_and_stores() -> None:
    def write(b: LoopBuilder, x: Value, y: Value, n: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, i: Value) -> None:
            c.store(y, i, c.apply(ew.add, c.load(x, i), c.const(1.0, F)))

        return loop_over(b, n, body, vector=True)

    bodies = loops(build([(F,), (F,), I], write, noalias={0, 1}))
    if ON_X86:
        main = names(bodies[0])
        arithmetic = [n for n in main if n.startswith("v")]
        assert set(arithmetic) <= {"vaddpd", "vmovupd", "vmovups"} and arithmetic.count("vaddpd") == 4
        assert len(main) <= len(arithmetic) + 3


def test_a_sum_keeps_its_accumulators_in_registers() -> None:
    def write(b: LoopBuilder, x: Value, n: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, i: Value, total: Value) -> Sequence[Value]:
            return [c.apply(ew.add, total, c.load(x, i))]

        return loop_over(b, n, body, b.const(0.0, F), vector=True, reductions=("add",))

    bodies = loops(build([(F,), I], write))
    if ON_X86:
        assert names(bodies[0])[:4] == ["vaddpd"] * 4 and len(bodies[0]) <= 7


def test_a_scalar_loop_over_plain_buffers_is_vectorised_by_llvm() -> None:
    def write(b: LoopBuilder, x: Value, y: Value, a: Value, n: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, i: Value) -> None:
            c.store(y, i, c.apply(ew.add, c.apply(ew.mul, a, c.load(x, i)), c.load(y, i)))

        return loop_over(b, n, body)

    bodies = loops(build([(F,), (F,), F, I], write, noalias={0, 1}, readonly={0}))
    if ON_X86:
        wide = "zmm" if vector_bits() == 512 else "[yx]mm"
        assert any("vaddpd" in line and re.search(wide, line) for line in bodies[0])


def test_a_loop_that_polls_counts_once_a_turn() -> None:
    """Collatz: the whole turn is a handful of instructions, with the fuel in a register."""

    def write(b: LoopBuilder, n: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, k: Value, steps: Value) -> Sequence[Value]:
            even = c.apply(ew.eq, c.apply(ew.mod, k, c.const(2, I)), c.const(0, I))
            (k,) = choose(
                c,
                even,
                lambda d: [d.apply(ew.floordiv, k, d.const(2, I))],
                lambda d: [d.apply(ew.add, d.apply(ew.mul, d.const(3, I), k), d.const(1, I))],
            )
            return [k, c.apply(ew.add, steps, c.const(1, I))]

        return loop_while(b, lambda c, k, steps: c.apply(ew.ne, k, c.const(1, I)), body, n, b.const(0, I))

    text = Native(build([I], write)).code.asm
    if ON_X86:
        assert "idiv" not in text and "cmov" in text
        assert text.count("(%r") < 8  # nothing of the loop lives in memory


def test_a_condition_and_its_body_load_once_and_branch_once() -> None:
    """Following links: the body has the element that the condition has looked at, and one jump ends a turn."""

    def write(b: LoopBuilder, x: Value, n: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, k: Value, steps: Value) -> Sequence[Value]:
            return [c.load(x, k), c.apply(ew.add, steps, c.const(1, I))]

        return loop_while(b, lambda c, k, steps: c.apply(ew.ne, c.load(x, k), k), body, n, b.const(0, I))

    lines = [line.strip() for line in Native(build([(I,), I], write, noalias={0}, readonly={0})).code.asm.splitlines()]
    lines = lines[lines.index("kernel:") :]
    if ON_X86:
        assert sum("(%rdi," in line for line in lines) == 2  # one before the loop, one in it
        polled = next(k for k, line in enumerate(lines) if line.startswith("call") and "poll" in line)
        jumps = [k for k, line in enumerate(lines[:polled]) if re.match(r"jn?e\s", line)]
        assert len(jumps) == 3  # into the loop, around it, and out of it or to the poll


def test_the_constant_of_an_extremum_stays_where_it_is() -> None:
    """``max(max(x[i], 0), left)``: one conditional move is between two turns."""

    def write(b: LoopBuilder, x: Value, gap: Value, n: Value) -> Sequence[Value]:
        zero = b.const(0, I)

        def body(c: LoopBuilder, i: Value, left: Value) -> Sequence[Value]:
            first = c.apply(ew.maximum, c.load(x, i), zero)
            best = c.apply(ew.maximum, first, c.apply(ew.sub, left, gap))
            c.store(x, i, best)
            return [best]

        return loop_over(b, n, body, zero)

    function = build([(I,), I, I], write, noalias={0})
    x = np.array([3, -1, -9, 12, -3, 0])
    want, left = x.copy(), 0
    for i, v in enumerate(x):
        want[i] = left = max(v, 0, left - 2)
    assert Native(function)(x, 2, 6) == [left] and (x == want).all()
    if ON_X86:
        after = [line for line in loops(function)[0] if not line.startswith("#")]
        sub = next(k for k, n in enumerate(names(after)) if n.startswith("sub"))
        assert not any(n.startswith(("sar", "andn")) for n in names(after[sub:])[:4])


def test_a_minimum_on_the_critical_path_is_no_branch() -> None:
    """Levenshtein distance: what the turn before stored comes back in a register, through conditional moves."""

    def write(b: LoopBuilder, s: Value, row: Value, above: Value, n: Value) -> Sequence[Value]:
        one = b.const(1, I)

        def body(c: LoopBuilder, j: Value) -> None:
            left = c.apply(ew.sub, j, one)
            cost = c.cast(c.apply(ew.ne, c.load(s, left), n), I)
            best = c.apply(ew.minimum, c.apply(ew.add, c.load(above, j), one), c.apply(ew.add, c.load(row, left), one))
            c.store(row, j, c.apply(ew.minimum, best, c.apply(ew.add, c.load(above, left), cost)))

        return loop_over(b, n, body, start=1)

    bodies = loops(build([(I,), (I,), (I,), I], write, noalias={0, 1, 2}, readonly={0, 2}))
    if ON_X86:
        (main,) = [names(body) for body in bodies if any(n.startswith("cmov") for n in names(body))][:1]
        stores = [line for line in bodies[0] if re.search(r"^movq\s+%\w+, .*\(", line)]
        assert sum(n.startswith("cmov") for n in main) == 2 * len(stores)
        assert sum(n.startswith("j") for n in main) == 1
