"""Random programs for many lanes, through the optimiser, to loops, to machine code."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.lower.test_lowering import agree
from tests.transform.generate import Generator
from tests.transform.test_batch import stack
from tracejit.transform.batch import batch


@pytest.mark.parametrize("seed", range(12))
def test_floats(seed: int) -> None:
    generator = Generator(seed, 10)
    function = generator.function()
    vectors = [k for k, v in enumerate(function.outputs) if v.shape == (4,)]
    function.meta["mutated"] = {0: vectors[0]} if vectors and seed % 2 else {}
    lanes = [generator.arguments(seed + k) for k in range(3)]
    r = random.Random(seed)
    axes = [0, *(r.choice([None, 0]) for _ in lanes[0][1:])]
    whole = batch(function, axes, None, 3)
    values = [np.asarray(stack(c, a), p.dtype) for c, a, p in zip(zip(*lanes), axes, whole.params)]
    agree(whole, *(x if x.ndim else x.item() for x in values), optimize=True)
