"""Elementwise functions beyond the core set: each gives NumPy's answer, or an error that says it is not supported."""

from __future__ import annotations

from functools import partial

import numpy as np

from .inputs import FLOATS, INTS, each, edge, edges, inf, nan, rand, vectors
from .registry import UNSUPPORTED
from .registry import case as any_case

case = partial(any_case, allow=UNSUPPORTED)
exact = partial(case, rtol=0)


@exact(lambda rng: [*vectors(rng, *FLOATS), *edges(*FLOATS)])
def trunc_and_rint(x):
    return np.trunc(x), np.rint(x)


@exact(
    lambda rng: each(rand(rng, 5), np.array([0.5, 1.5, 2.5, -0.5, nan, inf]), np.float32(2.5), rand(rng, 3, "i4"), 2.5)
)
def numpy_round(x):
    return np.round(x), np.round(x, 1)


@exact(lambda rng: [*vectors(rng, *FLOATS), *edges(*FLOATS)])
def square_and_reciprocal(x):
    return np.square(x), np.reciprocal(x), np.positive(x)


@case(lambda rng: [*vectors(rng, *FLOATS), *edges(*FLOATS)])
def exp2_and_expm1(x):
    return np.exp2(x), np.expm1(x)


@case(lambda rng: [*vectors(rng, *FLOATS), *edges(*FLOATS), (np.array([5e-324, 1e-310, 1 - 1e-16, 1 + 1e-15]),)])
def other_logarithms(x):
    return np.log2(x), np.log10(x), np.log1p(x)


@case(lambda rng: [*vectors(rng, "f8", "f4"), *edges("f8", "f4")])
def sinh_and_cosh(x):
    return np.sinh(x), np.cosh(x)


@case(lambda rng: [*vectors(rng, "f8", "f4"), (np.array([-1.0, 1.0, 0.0, -0.0, 2.0, nan, inf]),)])
def inverse_trigonometry(x):
    return np.arcsin(x), np.arccos(x), np.arctan(x), np.arctan2(x, x[::-1])


@case(lambda rng: [*vectors(rng, "f8", "f4"), (np.array([-1.0, 1.0, 0.0, -0.0, 2.0, nan, inf]),)])
def inverse_hyperbolic(x):
    return np.arcsinh(x), np.arccosh(x), np.arctanh(x)


@case(lambda rng: [(rand(rng, 6), rand(rng, 6)), (edge(), edge()[::-1].copy())])
def hypot_copysign_and_fmod(x, y):
    return np.hypot(x, y), np.copysign(x, y), np.fmod(x, y)


@exact(lambda rng: [(edge(d), edge(d)[::-1].copy()) for d in (*FLOATS, "i4")])
def fmin_and_fmax(x, y):
    return np.fmin(x, y), np.fmax(x, y)


@exact(lambda rng: [(rand(rng, 20, d), rand(rng, 20, d)) for d in INTS])
def integer_fmod(x, y):
    y[y == 0] = 3
    return np.fmod(x, y)


@exact(lambda rng: [(edge(d), edge(d)[::-1].copy()) for d in ("f8", "i4")])
def divmod_of_arrays(x, y):
    y[y == 0] = 2
    return divmod(x, y), np.divmod(x, y)


@exact(lambda rng: [*vectors(rng, *FLOATS), *edges(*FLOATS)])
def signbit_and_nextafter(x):
    return np.signbit(x), np.nextafter(x, x.dtype.type(0))


@exact(lambda rng: [*vectors(rng, *FLOATS), *edges("f8")])
def nan_to_num(x):
    return np.nan_to_num(x), np.nan_to_num(x, nan=1.0)


@exact(lambda rng: [*vectors(rng, "f8", "f4"), *edges("f8")])
def heaviside(x):
    return np.heaviside(x, 0.5)


@case(lambda rng: each(rand(rng, 5), 30.0))
def radians_and_degrees(x):
    return np.deg2rad(x), np.rad2deg(x), np.radians(x), np.degrees(x)


@case(lambda rng: [(rand(rng, 5), rand(rng, 5)), (np.array([nan, inf, 1.0]), np.array([nan, inf, 1.0 + 1e-9]))])
def closeness(x, y):
    return np.isclose(x, y), np.allclose(x, y), np.array_equal(x, y), np.isclose(x, x)


@case(lambda rng: [(rand(rng, 5), rand(rng, 5)), (edge(), edge()[::-1].copy())])
def logaddexp(x, y):
    return np.logaddexp(x, y), np.logaddexp2(x, y)


@case(lambda rng: [(rand(rng, 5, d),) for d in ("c16", "c8")], rtol=1e-5)
def complex_angle_and_tan(x):
    return np.angle(x), np.tan(x), np.tanh(x)


@exact(lambda rng: [(rand(rng, 5),), (rand(rng, 5, "i4"),)])
def dtype_argument_of_a_ufunc(x):
    return np.add(x, x, dtype="f4" if x.dtype.kind == "f" else "f8", casting="unsafe"), np.sqrt(np.abs(x), dtype="f8")


@exact(lambda rng: [(rand(rng, 5), rand(rng, 5) > 0)])
def where_argument_of_a_ufunc(x, m):
    out = np.zeros(5)
    np.add(x, 1.0, out=out, where=m)
    return out


@exact(lambda rng: [(rand(rng, 5),), (rand(rng, (2, 3)),)])
def select_and_piecewise(x):
    return np.select([x > 1, x < -1], [x * 2, x - 1], default=0.0)


@case(lambda rng: [(np.array([0.0, 0.5, 1.0, 5.0]), np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 2.0]))])
def interpolation_and_polynomials(x, xp, fp):
    return np.interp(x, xp, fp), np.polyval(fp, x)


@exact(lambda rng: [(np.array([12, -18, 0]), np.array([18, 12, 5]))])
def gcd_and_lcm(x, y):
    return np.gcd(x, y), np.lcm(x, y)
