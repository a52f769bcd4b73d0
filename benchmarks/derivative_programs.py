"""Programs that are differentiated in the benchmarks, as a NumPy user writes them, and arguments for them."""

from itertools import pairwise
from typing import Any

import numpy as np

import tracejit


def cheap_chain(x: Any) -> Any:
    """Elementwise operations that memory bounds."""
    y = x * x + 0.5 * x
    y = y * 1.5 - x
    y = y * y + x
    return np.sum(y)


def chain(x: Any) -> Any:
    """Elementwise operations that arithmetic bounds."""
    y = x
    for _ in range(5):
        y = np.sin(y) * 1.1 + y * 0.3
        y = np.exp(-y * y) + y
        y = np.tanh(y) - 0.2 * y
    return np.sum(y)


def mlp(p: Any, x: Any, y: Any) -> Any:
    """The loss of a network of three layers."""
    h = np.tanh(x @ p["w1"] + p["b1"])
    h = np.tanh(h @ p["w2"] + p["b2"])
    return np.mean((h @ p["w3"] + p["b3"] - y) ** 2)


def heat(u: Any) -> Any:
    """Fifty steps of the heat equation, in place by slices."""
    u = u.copy()
    for _ in range(50):
        u[1:-1, 1:-1] = u[1:-1, 1:-1] + 0.1 * (
            u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]
        )
    return np.sum(u * u)


def stencil(u: Any) -> Any:
    """One step of a nonlinear stencil, by loops."""
    v = np.zeros_like(u)
    for i in range(1, u.shape[0] - 1):
        for j in range(1, u.shape[1] - 1):
            v[i, j] = 0.2 * (u[i, j] + u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]) ** 2
    return np.sum(v)


def rosenbrock(x: Any) -> Any:
    """Rosenbrock (An automatic method for finding the greatest or least value of a function, 1960)."""
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def pendulum(angle: Any, speed: Any, steps: Any) -> Any:
    """The angle of a pendulum after some symplectic Euler steps."""
    for _ in range(steps):
        speed = speed - 0.01 * np.sin(angle)
        angle = angle + 0.01 * speed
    return angle


def running_product(first: Any, factors: Any) -> Any:
    """The sum of ``y[i] = y[i - 1] * factors[i]``."""
    y = np.empty(factors.shape[0])
    y[0] = first
    for i in range(1, factors.shape[0]):
        y[i] = y[i - 1] * factors[i]
    return np.sum(y)


def layers(weight: Any, bias: Any, x: Any) -> Any:
    """As many layers of tanh as there are weights."""
    for i in range(weight.shape[0]):
        x = np.tanh(weight[i] * x + bias[i])
    return np.sum(x * x)


def checkpointed_layers(weight: Any, bias: Any, x: Any) -> Any:
    """The same, of which reverse mode keeps only some and computes the others again."""
    for i in tracejit.checkpointed(range(weight.shape[0])):
        x = np.tanh(weight[i] * x + bias[i])
    return np.sum(x * x)


def lstm(w: Any, u: Any, b: Any, x: Any, h: Any, c: Any, y: Any) -> Any:
    """The loss of an LSTM (Hochreiter and Schmidhuber, 1997) after a sequence, by a plain loop."""
    n = h.shape[1]
    for t in range(x.shape[0]):
        z = x[t] @ w + h @ u + b
        i = 1 / (1 + np.exp(-z[:, :n]))
        f = 1 / (1 + np.exp(-z[:, n : 2 * n]))
        g = np.tanh(z[:, 2 * n : 3 * n])
        o = 1 / (1 + np.exp(-z[:, 3 * n :]))
        c = f * c + i * g
        h = o * np.tanh(c)
    return np.mean((h - y) ** 2)


Arguments = tuple[Any, ...]


def vector(n: int) -> Arguments:
    return (np.random.default_rng(1).standard_normal(n),)


def square(n: int) -> Arguments:
    return (np.random.default_rng(1).standard_normal((n, n)),)


def mlp_arguments(batch: int, *sizes: int) -> Arguments:
    rng = np.random.default_rng(1)
    p = {}
    for k, (m, n) in enumerate(pairwise(sizes), 1):
        p[f"w{k}"], p[f"b{k}"] = rng.standard_normal((m, n)) / np.sqrt(m), np.zeros(n)
    return p, rng.standard_normal((batch, sizes[0])), rng.standard_normal((batch, sizes[-1]))


def factors(n: int) -> Arguments:
    return 1.0, 1.0 + 1e-7 * np.random.default_rng(1).standard_normal(n)


def layers_arguments(count: int, size: int) -> Arguments:
    rng = np.random.default_rng(1)
    return rng.standard_normal(count), rng.standard_normal(count), rng.standard_normal((size, size))


def lstm_arguments(steps: int, batch: int, size: int) -> Arguments:
    rng = np.random.default_rng(1)
    w, u = (rng.standard_normal((size, 4 * size)) / np.sqrt(size) for _ in range(2))
    state = np.zeros((batch, size)), np.zeros((batch, size))
    return (
        w,
        u,
        np.zeros(4 * size),
        rng.standard_normal((steps, batch, size)),
        *state,
        rng.standard_normal((batch, size)),
    )
