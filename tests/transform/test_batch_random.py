"""Random programs in many lanes: branches, loops, stores, lengths and failures that differ from lane to lane."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lower import programs
from tests.transform import generate
from tests.transform.batching import check
from tracejit.errors import BatchError
from tracejit.transform.batch import batch


def integers(seed: int) -> None:
    """Programs of integers, checks, prints and stores, one argument shared or not at random."""
    function = programs.Generator(seed).function()
    r = random.Random(seed)
    n = programs.arguments(seed)[0]
    lanes: list[list[Any]] = []
    while len(lanes) < 4:
        arguments = programs.arguments(seed + 1000 * r.randrange(1000))
        if arguments[0] == n:
            lanes.append(arguments)
    axes = [None, *(r.choice([None, *range(np.ndim(a) + 1)]) for a in lanes[0][1:])]
    if all(a is None for a in axes):
        axes[1] = 0
    if r.random() < 0.3:
        function.meta["mutated"] = {9: 8} if axes[9] is not None else {}
    out = [r.randrange(v.rank + 1) for v in function.outputs]
    check(function, lanes, axes, out, static=r.random() < 0.5, strict=False)


def floats(seed: int) -> None:
    """Differentiable programs: arrays of run-time length, windows, scatters, guards."""
    generator = generate.Generator(seed, 12, 3)
    function = generator.function()
    r = random.Random(seed)
    lanes = [generator.arguments(seed + k) for k in range(3)]
    axes = [r.choice([None, *range(np.ndim(a) + 1)]) for a in lanes[0]]
    if all(a is None for a in axes):
        axes[0] = 0
    check(function, lanes, axes, tolerance=1e-12, static=r.random() < 0.5, strict=False)


def nested(seed: int) -> None:
    """Lanes within lanes."""
    generator = generate.Generator(seed, 8, 2)
    function = generator.function()
    r = random.Random(seed)
    rows = [[generator.arguments(seed + 10 * j + k) for k in range(2)] for j in range(2)]
    axes = [r.choice([None, 0]) for _ in rows[0][0]]
    axes[r.randrange(6)] = 0
    inner = batch(function, axes, None, 2)
    arguments = [[c[0] if a is None else np.stack([np.asarray(x) for x in c], a) for c, a in zip(zip(*row), axes)]
                 for row in rows]  # fmt: skip
    outer = [r.choice([None, 0]) for _ in axes]
    outer[r.randrange(6)] = 0
    check(inner, arguments, outer, tolerance=1e-12, strict=False)


def attempt(compare: Any, seed: int) -> None:
    try:
        compare(seed)
    except BatchError:
        raise
    except Exception as e:
        e.add_note(f"{compare.__name__}({seed})")
        raise


KINDS = [integers, floats, nested]


@pytest.mark.parametrize("compare", KINDS, ids=lambda k: k.__name__)
@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**31))
def test_some(compare: Any, seed: int) -> None:
    attempt(compare, seed)


@pytest.mark.nightly
@pytest.mark.parametrize("compare", KINDS, ids=lambda k: k.__name__)
@settings(max_examples=2000, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_many(compare: Any, seed: int) -> None:
    attempt(compare, seed)
