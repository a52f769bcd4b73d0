"""How often one function is compiled when it is called with many batch sizes."""

import importlib
from typing import Any

import numpy as np

from tracejit.demos import answers

BATCH_SIZES = 50


def layer(x: Any, weight: Any, bias: Any) -> Any:
    """A dense layer and its mean activation, with a loop over the batch."""
    y = np.tanh(x @ weight + bias)
    largest = np.zeros(x.shape[0])
    for i in range(x.shape[0]):
        largest[i] = np.max(y[i])
    return y, largest, np.mean(y)


def count() -> int:
    """Compilations of `layer` for batches of 1 to 50 rows, every answer compared with plain NumPy's."""
    compiled = importlib.import_module("tracejit").jit(layer)
    rng = np.random.default_rng(1)
    weight, bias = rng.standard_normal((8, 4)), rng.standard_normal(4)
    for batch in range(1, BATCH_SIZES + 1):
        arguments = rng.standard_normal((batch, 8)), weight, bias
        difference = answers.difference(answers.run(compiled, arguments), answers.run(layer, arguments))
        if difference > 1e-13:
            raise AssertionError(f"a batch of {batch} differs from NumPy by {difference:.2g}")
    compilations: int = compiled.stats().compilations
    return compilations
