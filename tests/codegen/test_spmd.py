"""Lane loops with control flow as vectors under masks: the same as the scalar loop, lane by lane."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracejit as tj
from tests.lower import programs
from tests.lower.test_lowering import flat_arguments, lower
from tracejit.codegen.llvm import Target
from tracejit.ir.core import Function, Value
from tracejit.lower import pipeline
from tracejit.ops.builder import Builder
from tracejit.ops.interpret import interpret
from tracejit.transform.batch import batch

from .native import Native, take

TARGETS = [Target(512, masked=True), Target(256), Target(256)]
FAILURES = (ValueError, OverflowError, IndexError)


class Scalars(programs.Generator):
    """Programs of numbers that read arrays and do not print."""

    def make_print(self, b: Builder, state: list[Value], depth: int) -> None:
        self.make_float(b, state, depth)

    def make_store(self, b: Builder, state: list[Value], depth: int) -> None:
        self.make_load(b, state, depth)

    def function(self) -> Function:
        function = super().function()
        last = function.body.terminator
        last.set_operands(last.operands[:8])
        return function


def outcomes(whole: Function, arguments: Sequence[Any], optimize: bool, target: Target) -> tuple[Any, Any, str]:
    """What the interpreter and native code say, and the native code."""
    try:
        expected: Any = interpret(whole, arguments)
    except FAILURES as error:
        expected = error
    if optimize:
        pipeline.optimize(whole)
    layouts: list[Any] = ["C" if isinstance(a, np.ndarray) and a.ndim else None for a in arguments]
    lowered = lower(whole, layouts)
    native = Native(lowered.function, target)
    flat = [a[0][a[1] :] if isinstance(a, tuple) else a for a in flat_arguments(arguments, layouts)]
    try:
        found = native(*flat)
    except FAILURES as error:
        return expected, error, native.text
    got = []
    for r in lowered.returned:
        x = found[r.position]
        if r.shape is not None:
            shape = tuple(d if isinstance(d, int) else int(found[d[1]]) for d in r.shape)
            x = take(x, r.dtype, int(np.prod(shape))).reshape(shape)
        got.append(np.asarray(x))
    return expected, got, native.text


def compare(whole: Function, arguments: Sequence[Any], optimize: bool = True, target: Target = TARGETS[0]) -> str:
    expected, got, text = outcomes(whole, arguments, optimize, target)
    if isinstance(expected, Exception) or isinstance(got, Exception):
        # lanes of a vector that fail in different places: the first place counts
        assert isinstance(expected, Exception) and isinstance(got, Exception), (expected, got)
        return text
    for k, (x, y) in enumerate(zip(got, expected, strict=True)):
        np.testing.assert_array_equal(x, y, err_msg=f"output {k}")
    return text


def scalars(seed: int) -> bool:
    """A random program in random lanes; whether it had loops of lanes."""
    function = Scalars(seed).function()
    r = random.Random(seed)
    n = programs.arguments(seed)[0]
    lanes: list[list[Any]] = []
    count = r.choice([1, 3, 8, 13, 21])
    while len(lanes) < count:
        arguments = programs.arguments(seed + 1000 * r.randrange(1000))
        if arguments[0] == n:
            lanes.append(arguments)
    axes = [None, *(r.choice([None, 0, 0]) for _ in lanes[0][1:])]
    axes[1 + r.randrange(8)] = 0
    whole = batch(function, axes, None, count if r.random() < 0.5 else None)
    values = [c[0] if a is None else np.stack([np.asarray(x) for x in c]) for c, a in zip(zip(*lanes), axes)]
    if len(whole.params) > len(values):
        values.insert(0, count)
    typed = [np.asarray(x, p.dtype) for x, p in zip(values, whole.params, strict=True)]
    try:
        text = compare(whole, [x if x.ndim else x.item() for x in typed], r.random() < 0.7, r.choice(TARGETS))
    except Exception as error:
        error.add_note(f"scalars({seed})")
        raise
    return "vector.reduce.or" in text


def test_some() -> None:
    vectors = [scalars(seed) for seed in range(30)]
    assert sum(vectors) > 5


def mapped(function: Any, *arguments: Any, axes: Any = 0) -> str:
    """The optimised LLVM IR of a mapped function that gives what a loop gives."""
    axes = axes if isinstance(axes, tuple) else (axes,) * len(arguments)
    fast = tj.vmap(function, axes)
    n = next(len(a) for a, axis in zip(arguments, axes) if axis is not None)
    want = [function(*(a if axis is None else a[k] for a, axis in zip(arguments, axes))) for k in range(n)]
    for lanes in (None, "scalar"):
        got = tj.vmap(function, axes, lanes=lanes)(*arguments)
        columns = zip(got, zip(*want), strict=True) if isinstance(got, tuple) else [(got, want)]
        for x, y in columns:
            np.testing.assert_allclose(x, np.stack(y), 1e-12)
    return fast.llvm(*arguments)


rng = np.random.default_rng(8)


def test_dtypes() -> None:
    def power(x: Any, n: Any) -> Any:
        y = x
        while n > 1:
            y, n = y * x, n - 1
        return y, n > 0, y == x

    for dtype in (np.float32, np.float64, np.complex64, np.complex128, np.int16, np.uint8, np.float16):
        x = (rng.integers(1, 3, 21) * 0.75).astype(dtype)
        if x.dtype.kind == "c":
            x = x + np.asarray(1j, dtype) * x
        with np.errstate(over="ignore"):
            mapped(power, x, rng.integers(1, 4, 21).astype(np.int16))
    mapped(lambda p, q: (p and not q, p or q) if p != q else (q, p), rng.random(19) < 0.5, rng.random(19) < 0.5)


def test_places_in_memory() -> None:
    def f(row: Any, table: Any, n: Any) -> Any:
        total = 0.0
        for k in range(n):  # a place of its own in each lane, one that lanes share, one that they choose
            total += row[k] * table[k] - table[(n * k) % 5]
        return total

    for rows in (rng.random((19, 7)), np.asfortranarray(rng.random((19, 7))), rng.random((38, 14))[::2, ::2]):
        mapped(f, rows, rng.random(9), rng.integers(0, 7, 19), axes=(0, None, 0))


def test_rows_written_in_place() -> None:
    def fill(row: Any, n: Any) -> Any:
        k = 0
        while k < n:
            row[k] = row[k] * 2 + k
            k += 1
        return k

    rows, n = rng.random((19, 6)), rng.integers(0, 7, 19)
    want = rows.copy()
    for r, m in zip(want, n):
        fill(r, m)
    tj.vmap(fill)(rows, n)
    np.testing.assert_array_equal(rows, want)


def test_loops_in_loops_in_branches() -> None:
    def f(x: Any, n: Any) -> Any:
        total, steps = x, 0
        for i in range(n):
            if total > i:
                for j in range(i, 0, -2):
                    total = total - j * x
                    if total < -3:
                        break
                    steps += j
            else:
                while total < i:
                    total += 0.75
                    steps += 1
                    if steps > 40:
                        return total, steps, i
        return total, steps, -1

    assert " x i1>" in mapped(f, rng.uniform(0, 4, 45), rng.integers(0, 9, 45))
    mapped(f, rng.uniform(0, 4, 5), rng.integers(0, 9, 5))
    mapped(f, rng.uniform(0, 4, 45), 6, axes=(0, None))


def test_failing_lanes() -> None:
    def f(x: Any) -> Any:
        while x > 1.0:
            x = x / 2
            if x == 1.5:
                raise ValueError(f"{x} in the middle")
        return x

    x = np.linspace(1, 5.9, 33)
    tj.vmap(f)(x)
    x[[17, 20]] = 6.0, 3.0
    with pytest.raises(ValueError, match=r"1\.5 in the middle") as error:
        tj.vmap(f)(x)
    # lane 20 gets there before lane 17 does, when both are in one vector
    assert error.value.__notes__[0] in {f"in lane {k} of the vmap of test_failing_lanes.f" for k in (17, 20)}


def test_interrupts_of_endless_lanes() -> None:
    def f(x: Any) -> Any:
        while x != 0.0:
            x = x + 1.0
        return x

    mapped_f = tj.vmap(f)
    mapped_f(np.zeros(9))
    timer = threading.Thread(target=lambda: (time.sleep(0.3), os.kill(os.getpid(), signal.SIGINT)))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        mapped_f(np.ones(9))
    timer.join()


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_many(seed: int) -> None:
    scalars(seed)
