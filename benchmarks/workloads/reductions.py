"""Reductions over all elements and over rows. Numba has neither `keepdims` nor `amax` along an axis, and gets loops."""

from typing import Any

import numpy as np

from benchmarks.workload import ARRAY_PROGRAM, Workload


def matrix() -> tuple[Any, ...]:
    return (np.random.default_rng(1).standard_normal((4096, 1024)).astype(np.float32),)


def sum_all(x: Any) -> Any:
    return np.sum(x)


def mean_variance(x: Any) -> Any:
    mean = np.sum(x, axis=1, keepdims=True) / x.shape[1]
    difference = x - mean
    return mean, np.sum(difference * difference, axis=1, keepdims=True) / x.shape[1]


def mean_variance_loops(x: Any) -> Any:
    mean = np.empty((x.shape[0], 1), x.dtype)
    variance = np.empty((x.shape[0], 1), x.dtype)
    for i in range(x.shape[0]):
        total = 0.0
        for j in range(x.shape[1]):
            total += x[i, j]
        mean[i, 0] = total / x.shape[1]
        total = 0.0
        for j in range(x.shape[1]):
            total += (x[i, j] - mean[i, 0]) ** 2
        variance[i, 0] = total / x.shape[1]
    return mean, variance


def softmax(x: Any) -> Any:
    shifted = np.exp(x - np.amax(x, axis=1, keepdims=True))
    return shifted / np.sum(shifted, axis=1, keepdims=True)


def softmax_loops(x: Any) -> Any:
    result = np.empty_like(x)
    for i in range(x.shape[0]):
        largest = x[i, 0]
        for j in range(1, x.shape[1]):
            largest = max(largest, x[i, j])
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            result[i, j] = np.exp(x[i, j] - largest)
            total += result[i, j]
        for j in range(x.shape[1]):
            result[i, j] /= total
    return result


WORKLOADS = [
    Workload("reductions", "sum_all_f32_4M", sum_all, lambda: (matrix()[0].ravel(),), ARRAY_PROGRAM, tolerance=1e-4),
    Workload(
        "reductions",
        "mean_variance_f32_4096x1024",
        mean_variance,
        matrix,
        ARRAY_PROGRAM,
        variants={"numba": mean_variance_loops},
        tolerance=1e-5,
    ),
    Workload(
        "reductions",
        "softmax_f32_4096x1024",
        softmax,
        matrix,
        ARRAY_PROGRAM,
        variants={"numba": softmax_loops},
        tolerance=1e-6,
    ),
]
