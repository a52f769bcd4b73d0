"""Derivatives of random programs through the optimiser, to loops, to machine code."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lower.test_lowering import agree
from tests.transform.checking import floats, random_like, run
from tests.transform.generate import Generator
from tracejit.transform.vjp import vjp


@pytest.mark.parametrize("seed", range(8))
def test_gradients(seed: int) -> None:
    generator = Generator(seed, 10)
    function, arguments = generator.function(), generator.arguments(seed)
    vectors = [k for k, v in enumerate(function.outputs) if v.shape == (4,)]
    function.meta["mutated"] = {0: vectors[0]} if vectors and seed % 2 else {}
    outputs = [k for k in floats(function.outputs) if all(isinstance(d, int) for d in function.outputs[k].shape)]
    rng = np.random.default_rng(seed)
    primal = run(function, arguments)
    cts = [random_like(rng, primal[k]) for k in outputs]
    derivative = vjp(function, floats(function.params), outputs)
    values = [np.asarray(x, p.dtype) for x, p in zip([*arguments, *cts], derivative.params)]
    agree(derivative, *(x if x.ndim else x.item() for x in values), optimize=True)
