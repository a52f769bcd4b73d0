"""Functions of one element applied to many: `vmap` beside loops over the elements, and beside whole arrays in NumPy."""

from functools import partial
from typing import Any

import numpy as np

import tracejit as tj
from benchmarks.workload import Workload

LIMIT = 200
TOLERANCE = 1e-12


# --- of one element
def escape(re: Any, im: Any) -> Any:
    x, y, n = 0.0, 0.0, 0
    while n < LIMIT and x * x + y * y <= 4.0:
        x, y = x * x - y * y + re, 2 * x * y + im
        n += 1
    return n


def anomaly(mean: Any, eccentricity: Any) -> Any:
    """Kepler's equation by Newton's iteration."""
    e = mean
    while True:
        step = (e - eccentricity * np.sin(e) - mean) / (1.0 - eccentricity * np.cos(e))
        e -= step
        if abs(step) < TOLERANCE:
            return e


def steps(n: Any) -> Any:
    count = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        count += 1
    return count


# --- of many, by loops
def escape_loop(re: Any, im: Any) -> Any:
    out = np.empty(re.shape[0], np.int64)
    for k in range(re.shape[0]):
        out[k] = escape(re[k], im[k])
    return out


def anomaly_loop(mean: Any, eccentricity: Any) -> Any:
    out = np.empty(mean.shape[0])
    for k in range(mean.shape[0]):
        out[k] = anomaly(mean[k], eccentricity[k])
    return out


def steps_loop(n: Any) -> Any:
    out = np.empty(n.shape[0], np.int64)
    for k in range(n.shape[0]):
        out[k] = steps(n[k])
    return out


# --- of many, by lanes
def escape_lanes(re: Any, im: Any) -> Any:
    return tj.vmap(escape)(re, im)


def anomaly_lanes(mean: Any, eccentricity: Any) -> Any:
    return tj.vmap(anomaly)(mean, eccentricity)


def steps_lanes(n: Any) -> Any:
    return tj.vmap(steps)(n)


def product(a: Any, b: Any) -> Any:
    return np.matmul(a, b)


def product_lanes(a: Any, b: Any) -> Any:
    return tj.vmap(lambda x, y: x @ y)(a, b)


def solution(a: Any, b: Any) -> Any:
    return np.linalg.solve(a, b)


def solution_lanes(a: Any, b: Any) -> Any:
    return tj.vmap(np.linalg.solve)(a, b)


# --- of many, by whole arrays
def escape_arrays(re: Any, im: Any) -> Any:
    x, y, n = np.zeros_like(re), np.zeros_like(re), np.zeros(re.shape, np.int64)
    inside = np.ones(re.shape, np.bool_)
    with np.errstate(all="ignore"):
        for _ in range(LIMIT):
            inside &= x * x + y * y <= 4.0
            x, y = x * x - y * y + re, 2 * x * y + im
            n += inside
    return n


def anomaly_arrays(mean: Any, eccentricity: Any) -> Any:
    e, going = mean.copy(), np.ones(mean.shape, np.bool_)
    while going.any():
        step = (e - eccentricity * np.sin(e) - mean) / (1.0 - eccentricity * np.cos(e))
        e = np.where(going, e - step, e)
        going &= np.abs(step) >= TOLERANCE
    return e


def steps_arrays(n: Any) -> Any:
    n, count = n.copy(), np.zeros(n.shape, np.int64)
    while (n != 1).any():
        going = n != 1
        n = np.where(going, np.where(n % 2 == 0, n // 2, 3 * n + 1), n)
        count += going
    return count


# --- inputs
def plane(n: int) -> tuple[Any, ...]:
    re, im = np.meshgrid(np.linspace(-2.0, 0.6, n), np.linspace(-1.2, 1.2, n))
    return re.ravel(), im.ravel()


def orbits(n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    return rng.uniform(0, 2 * np.pi, n), rng.uniform(0, 0.9, n)


def numbers(n: int) -> tuple[Any, ...]:
    return (np.arange(1, n + 1),)


def matrices(n: int, size: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    return rng.standard_normal((n, size, size)), rng.standard_normal((n, size, size))


def systems(n: int, size: int, right: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    return rng.standard_normal((n, size, size)), rng.standard_normal((n, size, right))


LOOPS = ("numpy", "numba", "tracejit")

WORKLOADS = [
    Workload(
        "vmap",
        "mandelbrot_512",
        escape_arrays,
        partial(plane, 512),
        LOOPS,
        {"numba": escape_loop, "tracejit": escape_lanes},
        {"numba": 0.4},
    ),
    Workload(
        "vmap",
        "kepler_1e5",
        anomaly_arrays,
        partial(orbits, 10**5),
        LOOPS,
        {"numba": anomaly_loop, "tracejit": anomaly_lanes},
        {"numba": 0.5},
        tolerance=1e-12,
    ),
    Workload(
        "vmap",
        "collatz_1e5",
        steps_arrays,
        partial(numbers, 10**5),
        LOOPS,
        {"numba": steps_loop, "tracejit": steps_lanes},
        {"numba": 0.7},
    ),
    Workload(
        "vmap",
        "matmul_1000_of_8",
        product,
        partial(matrices, 1000, 8),
        ("numpy", "tracejit", "jax", "torch"),
        {"tracejit": product_lanes},
        {"numpy": 0.7, "jax": 0.7, "torch": 0.7},
        tolerance=1e-13,
    ),
    *(
        Workload(
            "vmap",
            f"solve_1000_of_8_by_{m}",
            solution,
            partial(systems, 1000, 8, m),
            ("numpy", "tracejit", "jax", "torch"),
            {"tracejit": solution_lanes},
            {"numpy": 0.7, "jax": 0.7, "torch": 0.7},
            tolerance=1e-9,
        )
        for m in (1, 8)
    ),
]
