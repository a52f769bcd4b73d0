"""Fits the polynomials of tracejit/trace/erf.py, with mpmath, and prints them.

    ./dev run python tools/fit_erf.py

Both are Chebyshev interpolants, converted to powers of the variable: of ``erf(x) / x`` in ``x**2`` up to 1, and of
``erfc(x) exp(x**2) / t`` in ``2 t - 1`` for ``t = 2 / (2 + x)``, from 0 up to where erfc vanishes.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath


def interpolant(function: Callable[[mpmath.mpf], mpmath.mpf], low: float, high: float, degree: int) -> list[mpmath.mpf]:
    """Coefficients, by powers of the variable ``(2 y - low - high) / (high - low)``, constant first."""
    n = degree + 1
    nodes = [mpmath.cos(mpmath.pi * (k + mpmath.mpf(1) / 2) / n) for k in range(n)]
    values = [function((low + high) / mpmath.mpf(2) + (high - low) / mpmath.mpf(2) * node) for node in nodes]
    chebyshev = []
    for j in range(n):
        total = mpmath.fsum(v * mpmath.cos(j * mpmath.acos(node)) for v, node in zip(values, nodes))
        chebyshev.append(total * 2 / n)
    chebyshev[0] /= 2
    powers = [mpmath.mpf(0)] * n
    before, current = [mpmath.mpf(1)], [mpmath.mpf(0), mpmath.mpf(1)]
    for j, c in enumerate(chebyshev):
        basis = before if j == 0 else current
        for k, b in enumerate(basis):
            powers[k] += c * b
        if j:
            following = [mpmath.mpf(0), *(2 * b for b in current)]
            for k, b in enumerate(before):
                following[k] -= b
            before, current = current, following
    return powers


def near(y: mpmath.mpf) -> mpmath.mpf:
    x = mpmath.sqrt(y) if y else mpmath.mpf(0)
    return mpmath.erf(x) / x if x else 2 / mpmath.sqrt(mpmath.pi)


def far(t: mpmath.mpf) -> mpmath.mpf:
    x = 2 / t - 2
    return mpmath.erfc(x) * mpmath.exp(x * x) / t


def main() -> None:
    mpmath.mp.dps = 60
    for name, function, low, high, degree in (("NEAR", near, 0, 1, 12), ("FAR", far, mpmath.mpf(1) / 15, 1, 26)):
        print(f"{name} = (")
        for c in interpolant(function, low, high, degree):
            print(f"    {float(c)!r},")
        print(")")


if __name__ == "__main__":
    main()
