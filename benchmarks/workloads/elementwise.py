"""Array expressions whose every element is computed alone: vector mathematics and memory traffic.

Numba widens float32 to float64 where a float literal stands; the others keep it, as NumPy does.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from benchmarks.workload import ARRAY_PROGRAM, Workload

#: Vector mathematics may differ from the C library's by some units in the last place.
TOLERANCE = {np.float32: 2e-6, np.float64: 1e-14}


def uniform(dtype: DTypeLike, low: float, high: float, *shape: int) -> Any:
    return np.random.default_rng(1).uniform(low, high, shape).astype(dtype)


def black_scholes(spot: Any, strike: Any, years: Any) -> Any:
    """Prices of European calls at 3% interest and 20% volatility.

    The normal distribution by Abramowitz and Stegun's formula 26.2.17, which needs no error function.
    """
    spread = 0.2 * np.sqrt(years)
    d1 = (np.log(spot / strike) + (0.03 + 0.5 * 0.2 * 0.2) * years) / spread
    d2 = d1 - spread
    k1 = 1.0 / (1.0 + 0.2316419 * np.abs(d1))
    k2 = 1.0 / (1.0 + 0.2316419 * np.abs(d2))
    tail1 = (
        0.3989422804014327 * np.exp(-0.5 * d1 * d1)
        * k1 * (0.319381530 + k1 * (-0.356563782 + k1 * (1.781477937 + k1 * (-1.821255978 + k1 * 1.330274429))))
    )  # fmt: skip
    tail2 = (
        0.3989422804014327 * np.exp(-0.5 * d2 * d2)
        * k2 * (0.319381530 + k2 * (-0.356563782 + k2 * (1.781477937 + k2 * (-1.821255978 + k2 * 1.330274429))))
    )  # fmt: skip
    n1 = np.where(d1 > 0.0, 1.0 - tail1, tail1)
    n2 = np.where(d2 > 0.0, 1.0 - tail2, tail2)
    return spot * n1 - strike * np.exp(-0.03 * years) * n2


def options(dtype: DTypeLike) -> tuple[Any, ...]:
    """A million options."""
    n = 1_000_000
    return uniform(dtype, 10, 50, n), uniform(dtype, 10, 50, n)[::-1].copy(), uniform(dtype, 0.1, 2, n)


def tanh_exp_chain(x: Any) -> Any:
    return np.tanh(x) * np.exp(-x * x) + 0.5 * np.tanh(0.25 * x + 1.0)


def polynomial(x: Any, y: Any) -> Any:
    return x * x * 2.0 + 3.0 * x * y - y / (1.0 + x * x)


def exp(x: Any) -> Any:
    return np.exp(x)


def log(x: Any) -> Any:
    return np.log(x)


def sin(x: Any) -> Any:
    return np.sin(x)


def tanh(x: Any) -> Any:
    return np.tanh(x)


WORKLOADS = [
    Workload("elementwise", "small_f64_1e4", polynomial,
             lambda: (uniform(np.float64, -1, 1, 10_000), uniform(np.float64, 0, 1, 10_000)),
             ARRAY_PROGRAM, tolerance=1e-15),
    Workload("elementwise", "tanh_exp_chain_f32_1e7", tanh_exp_chain,
             lambda: (uniform(np.float32, -3, 3, 10_000_000),), ARRAY_PROGRAM,
             tolerance=2e-6),
]  # fmt: skip
for _name, _dtype in (("f32", np.float32), ("f64", np.float64)):
    WORKLOADS.append(
        Workload("elementwise", f"black_scholes_{_name}_1e6", black_scholes, partial(options, _dtype), ARRAY_PROGRAM,
                 tolerance=20 * TOLERANCE[_dtype])
    )  # fmt: skip
    for _function, _low, _high in ((exp, -10.0, 10.0), (log, 1e-3, 1e3), (sin, -100.0, 100.0), (tanh, -5.0, 5.0)):
        WORKLOADS.append(
            Workload(
                "elementwise",
                f"{_function.__name__}_{_name}_1e6",
                _function,
                lambda dtype=_dtype, low=_low, high=_high: (uniform(dtype, low, high, 1_000_000),),  # type: ignore[misc]
                ARRAY_PROGRAM,
                tolerance=TOLERANCE[_dtype],
            )
        )
