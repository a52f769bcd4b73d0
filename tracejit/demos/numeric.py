"""Small numerical programs: integers, roots, an integral by chance, an orbit, and the Mandelbrot set."""

import numpy as np
from numpy.typing import NDArray


def sieve(n: int) -> NDArray[np.bool_]:
    """Which of the numbers below n are prime.

    The sieve of Eratosthenes (Nicomachus, Introduction to Arithmetic I.13). Shape: result (n,).

    >>> np.flatnonzero(sieve(20))
    array([ 2,  3,  5,  7, 11, 13, 17, 19])
    """
    prime = np.ones(n, dtype=np.bool_)
    prime[:2] = False
    p = 2
    while p * p < n:
        if prime[p]:
            prime[p * p :: p] = False
        p += 1
    return prime


def collatz(limit: int) -> tuple[int, int]:
    """The start below `limit` with the longest Collatz sequence, and the number of its steps down to 1.

    Collatz's problem (Lagarias, The 3x + 1 problem and its generalizations, Amer. Math. Monthly 92, 1985).

    >>> collatz(1000)
    (871, 178)
    """
    longest = 0
    best = 1
    for start in range(1, limit):
        n = start
        steps = 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
        if steps > longest:
            longest = steps
            best = start
    return best, longest


def newton(a: float, tolerance: float = 1e-12) -> float:
    """The square root of `a` by Newton's iteration (Heron, Metrica I.8); a negative number is refused.

    >>> newton(2.0)
    1.414213562373095
    """
    if a < 0:
        raise ValueError("the square root of a negative number is not real")
    x = a if a > 1.0 else 1.0
    while abs(x * x - a) > tolerance * (1.0 + a):
        x = 0.5 * (x + a / x)
    return x


def monte_carlo_pi(points: NDArray[np.float64]) -> float:
    """Four times the part of the points of the unit square that lie in the quarter circle: about π.

    Metropolis and Ulam (The Monte Carlo method, J. Amer. Statist. Assoc. 44, 1949). Shape: points (n, 2).

    >>> monte_carlo_pi(np.array([[0.1, 0.2], [0.9, 0.9], [0.6, 0.7], [0.5, 0.0]]))
    3.0
    """
    inside = 0
    for x, y in points:
        if x * x + y * y <= 1.0:
            inside += 1
    return 4.0 * inside / len(points)


def lorenz(state: NDArray[np.float64]) -> NDArray[np.float64]:
    """The velocity of Lorenz's system at a state (x, y, z) (Deterministic nonperiodic flow, J. Atmos. Sci. 20, 1963).

    >>> lorenz(np.array([1.0, 1.0, 1.0])).round(6)
    array([ 0.      , 26.      , -1.666667])
    """
    x, y, z = state[0], state[1], state[2]
    return np.array([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z])


def runge_kutta(start: NDArray[np.float64], dt: float, steps: int) -> NDArray[np.float64]:
    """The orbit of Lorenz's system from `start`, by the classical Runge–Kutta method of fourth order.

    Kutta (Beitrag zur näherungsweisen Integration totaler Differentialgleichungen, 1901). Shapes: start (3,), result
    (steps + 1, 3).

    >>> runge_kutta(np.array([1.0, 1.0, 1.0]), 0.01, 2).round(4)
    array([[1.    , 1.    , 1.    ],
           [1.0126, 1.2599, 0.9849],
           [1.0488, 1.524 , 0.9731]])
    """
    orbit = np.empty((steps + 1, 3))
    orbit[0] = start
    state = start
    for i in range(steps):
        k1 = lorenz(state)
        k2 = lorenz(state + 0.5 * dt * k1)
        k3 = lorenz(state + 0.5 * dt * k2)
        k4 = lorenz(state + dt * k3)
        state = state + dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        orbit[i + 1] = state
    return orbit


def mandelbrot(width: int, height: int, max_turns: int) -> NDArray[np.int64]:
    """For each pixel the turns of z = z**2 + c before |z| exceeds 2, at most `max_turns`.

    The escape-time algorithm (Peitgen and Richter, The Beauty of Fractals, 1986) on the rectangle from -2 - 1.25i to
    0.5 + 1.25i. Shape: result (height, width).

    >>> mandelbrot(5, 3, 50)
    array([[ 1,  2,  3,  3,  2],
           [50, 50, 50, 50,  5],
           [ 1,  2,  3,  3,  2]])
    """
    turns = np.zeros((height, width), dtype=np.int64)
    for i in range(height):
        for j in range(width):
            cx = -2.0 + 2.5 * j / (width - 1)
            cy = -1.25 + 2.5 * i / (height - 1)
            x = y = 0.0
            n = 0
            while n < max_turns and x * x + y * y <= 4.0:
                x, y = x * x - y * y + cx, 2.0 * x * y + cy
                n += 1
            turns[i, j] = n
    return turns


def mandelbrot_masks(c: NDArray[np.complex128], max_turns: int) -> NDArray[np.int64]:
    """The turns of z = z**2 + c before |z| exceeds 2, at most `max_turns`, for an array of complex numbers c.

    The same as `mandelbrot` in the array form that leaves points alone once they have escaped, by boolean masks.
    Shape: c (n,).

    >>> mandelbrot_masks(np.array([0j, 1 + 0j, 0.25 + 0.6j, 2 + 2j]), 50)
    array([50,  3, 14,  1])
    """
    z = np.zeros_like(c)
    turns = np.zeros(c.size, dtype=np.int64)
    for _ in range(max_turns):
        inside = z.real * z.real + z.imag * z.imag <= 4.0
        turns[inside] += 1
        z[inside] = z[inside] * z[inside] + c[inside]
    return turns
