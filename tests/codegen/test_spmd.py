"""Lane loops with control flow as vectors under masks: the same as the scalar loop, lane by lane."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lower import programs
from tests.lower.test_lowering import flat_arguments, lower
from tracejit.codegen.llvm import Target
from tracejit.ir.core import Function, Value
from tracejit.lower import pipeline
from tracejit.ops.builder import Builder
from tracejit.ops.interpret import interpret
from tracejit.transform.batch import batch

from .native import Native, take

MASKS = Target(512, masked=True)
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


def outcomes(whole: Function, arguments: Sequence[Any], optimize: bool) -> tuple[Any, Any, str]:
    """What the interpreter and native code say, and the native code."""
    try:
        expected: Any = interpret(whole, arguments)
    except FAILURES as error:
        expected = error
    if optimize:
        pipeline.optimize(whole)
    layouts: list[Any] = ["C" if isinstance(a, np.ndarray) and a.ndim else None for a in arguments]
    lowered = lower(whole, layouts)
    native = Native(lowered.function, MASKS)
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


def compare(whole: Function, arguments: Sequence[Any], optimize: bool = True) -> str:
    expected, got, text = outcomes(whole, arguments, optimize)
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
        text = compare(whole, [x if x.ndim else x.item() for x in typed], r.random() < 0.7)
    except Exception as error:
        error.add_note(f"scalars({seed})")
        raise
    return "vector.reduce.or" in text


def test_some() -> None:
    vectors = [scalars(seed) for seed in range(30)]
    assert sum(vectors) > 5


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_many(seed: int) -> None:
    scalars(seed)
