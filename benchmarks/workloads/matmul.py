"""Matrix products, alone and with what follows them in a layer of a network."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from benchmarks.workload import ARRAY_PROGRAM, Workload


def matmul(a: Any, b: Any) -> Any:
    return a @ b


def matmul_bias_gelu(x: Any, weight: Any, bias: Any) -> Any:
    """A dense layer with the tanh form of GELU (Hendrycks and Gimpel 2016)."""
    y = x @ weight + bias
    return 0.5 * y * (1.0 + np.tanh(0.7978845608028654 * (y + 0.044715 * y * y * y)))


def square(dtype: DTypeLike, n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    return tuple((rng.standard_normal((n, n)) / np.sqrt(n)).astype(dtype) for _ in range(2))


def layer(dtype: DTypeLike, n: int) -> tuple[Any, ...]:
    return *square(dtype, n), np.random.default_rng(2).standard_normal(n).astype(dtype)


WORKLOADS = [
    Workload("matmul", f"f32_{n}", matmul, partial(square, np.float32, n), ARRAY_PROGRAM, tolerance=1e-5)
    for n in (16, 64, 256, 1024)
]
WORKLOADS += [
    Workload("matmul", "f64_1024", matmul, partial(square, np.float64, 1024), ARRAY_PROGRAM, tolerance=1e-13),
    Workload("matmul", "bias_gelu_f32_1024", matmul_bias_gelu, partial(layer, np.float32, 1024), ARRAY_PROGRAM,
             tolerance=1e-5),
]  # fmt: skip
