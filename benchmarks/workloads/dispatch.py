"""What a call costs when there is next to nothing to compute."""

from typing import Any

import numpy as np

from benchmarks.workload import ARRAY_PROGRAM, NUMPY_PROGRAM, Workload


def add_one(x: Any) -> Any:
    return x + 1


def add_ten(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, i: Any, j: Any) -> Any:
    return a + b + c + d + e + f + g + h + i + j


def polynomial(x: float, y: float) -> float:
    return x * x + 3.0 * x * y - y


WORKLOADS = [
    Workload("dispatch", "x+1_arr1", add_one, lambda: (np.ones(1),), ARRAY_PROGRAM, limits={"numba": 0.25}),
    Workload("dispatch", "python_scalars", polynomial, lambda: (1.5, 2.5), NUMPY_PROGRAM, limits={"numba": 1.0}),
    Workload(
        "dispatch",
        "ten_arrays_arr1",
        add_ten,
        lambda: tuple(np.full(1, float(i)) for i in range(10)),
        ARRAY_PROGRAM,
        limits={"numba": 0.5},
    ),
    Workload("dispatch", "x+1_arr1000_f32", add_one, lambda: (np.ones(1000, np.float32),), ARRAY_PROGRAM),
]
