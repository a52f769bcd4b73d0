"""Gradients and a Hessian beside JAX. The NumPy column is the derivative written by hand, which the answers must be."""

from functools import partial
from typing import Any

import numpy as np

import tracejit
from benchmarks import derivative_programs as programs
from benchmarks.workload import Workload

# the names that these functions give their own functions of JAX are read with `np` replaced


def rosenbrock_gradient(x: Any) -> Any:
    left = np.append(x[1:] - x[:-1] ** 2, 0.0)
    gradient = -400.0 * left * x - 2.0 * (1.0 - x)
    gradient[-1] = 0.0
    gradient[1:] += 200.0 * left[:-1]
    return gradient


def rosenbrock_gradient_tracejit(x: Any) -> Any:
    return tracejit.grad(programs.rosenbrock)(x)


def rosenbrock_gradient_jax(x: Any) -> Any:
    import jax

    def rosenbrock(x: Any) -> Any:
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    return jax.grad(rosenbrock)(x)


def rosenbrock_hessian(x: Any) -> Any:
    n = len(x)
    diagonal = np.zeros(n)
    diagonal[:-1] = 1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0
    diagonal[1:] += 200.0
    hessian = np.diag(diagonal)
    rows = np.arange(n - 1)
    hessian[rows, rows + 1] = hessian[rows + 1, rows] = -400.0 * x[:-1]
    return hessian


def rosenbrock_hessian_tracejit(x: Any) -> Any:
    return tracejit.hessian(programs.rosenbrock)(x)


def rosenbrock_hessian_jax(x: Any) -> Any:
    import jax

    def rosenbrock(x: Any) -> Any:
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    return jax.hessian(rosenbrock)(x)


def pendulum_gradient(angle: Any, speed: Any, steps: Any) -> Any:
    angles = []
    for _ in range(steps):
        angles.append(angle)
        speed = speed - 0.01 * np.sin(angle)
        angle = angle + 0.01 * speed
    by_angle, by_speed = 1.0, 0.0
    for angle in reversed(angles):
        by_speed = by_speed + 0.01 * by_angle
        by_angle = by_angle - 0.01 * np.cos(angle) * by_speed
    return by_angle, by_speed


def pendulum_gradient_tracejit(angle: Any, speed: Any, steps: Any) -> Any:
    return tracejit.grad(programs.pendulum, argnums=(0, 1))(angle, speed, steps)


def pendulum_gradient_jax(angle: Any, speed: Any, steps: Any) -> Any:
    import jax

    def pendulum(angle: Any, speed: Any) -> Any:
        def step(state: Any, _: Any) -> Any:
            angle, speed = state
            speed = speed - 0.01 * np.sin(angle)
            return (angle + 0.01 * speed, speed), None

        return jax.lax.scan(step, (angle, speed), None, length=10_000)[0][0]  # reverse mode needs to know the length

    return jax.grad(pendulum, argnums=(0, 1))(angle, speed)


def product_gradient(first: Any, factors: Any) -> Any:
    y = np.cumprod(np.append(first, factors[1:]))
    after = np.cumsum(y[::-1])[::-1]
    gradient = after / factors
    gradient[0] = 0.0
    return after[0] / first, gradient


def product_gradient_tracejit(first: Any, factors: Any) -> Any:
    return tracejit.grad(programs.running_product, argnums=(0, 1))(first, factors)


def product_gradient_jax(first: Any, factors: Any) -> Any:
    import jax

    def running_product(first: Any, factors: Any) -> Any:
        def step(y: Any, factor: Any) -> Any:
            return y * factor, y * factor

        return jax.lax.scan(step, first, factors[1:])[1].sum() + first

    return jax.grad(running_product, argnums=(0, 1))(first, factors)


def workload(name: str, inputs: Any, limit: float, tolerance: float) -> Workload:
    found = globals()
    variants = {framework: found[f"{name}_{framework}"] for framework in ("tracejit", "jax")}
    return Workload(
        "derivatives", name, found[name], inputs, ("numpy", "tracejit", "jax"), variants, {"jax": limit}, tolerance
    )


WORKLOADS = [
    workload("rosenbrock_gradient", partial(programs.vector, 100), 0.5, 1e-12),
    workload("rosenbrock_hessian", partial(programs.vector, 100), 1.0, 1e-12),
    workload("pendulum_gradient", lambda: (1.0, 0.0, 10_000), 1.0, 1e-9),
    workload("product_gradient", partial(programs.factors, 1_000_000), 1.0, 1e-8),
]
