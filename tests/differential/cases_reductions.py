"""sum prod min max any all mean; axis, keepdims, dtypes, empty axes, NaN."""

from __future__ import annotations

from functools import partial

import numpy as np

from .inputs import FLOATS, INTS, each, edges, fortran, inf, matrices, nan, padded, rand, strided, vectors
from .registry import case

exact = partial(case, rtol=0)
close = partial(case, atol=1e-6, rtol=1e-5)


@case(lambda rng: [*vectors(rng, "f8"), *matrices(rng, "f8"), (np.arange(1000) * 0.1,)], atol=1e-14)
def sum_of_floats(x):
    return x.sum(), np.sum(x)


@exact(lambda rng: vectors(rng, "?", *INTS))
def sum_and_prod_of_integers(x):
    return x.sum(), x.prod(), np.sum(x), np.prod(x)


@close(lambda rng: each(rand(rng, 50, "f4"), rand(rng, (5, 8), "f4"), rand(rng, 9, "f4")[:0]))
def sum_of_float32(x):
    return x.sum(), x.mean(), x.prod()


@case(lambda rng: each(rand(rng, 9, "f2"), rand(rng, (3, 4), "f2")), rtol=5e-3, atol=5e-3)
def sum_of_float16(x):
    return x.sum(), x.mean()


@case(lambda rng: each(rand(rng, 9, "c16"), rand(rng, (3, 4), "c16")), atol=1e-13)
def sum_of_complex(x):
    return x.sum(), x.mean(), x.prod()


@case(lambda rng: matrices(rng, "f8", "i4", "?"), atol=1e-14)
def sum_along_axes(a):
    return a.sum(axis=0), a.sum(axis=1), a.sum(axis=-1), np.sum(a, axis=(0, 1)), a.sum(axis=())


@case(lambda rng: matrices(rng, "f8"), atol=1e-14)
def sum_with_keepdims(a):
    return a.sum(axis=1, keepdims=True), a.sum(keepdims=True), a - a.mean(axis=0, keepdims=True)


@case(
    lambda rng: [(rand(rng, (2, 3, 4)),), (fortran(rand(rng, (2, 3, 4))),), (padded(rand(rng, (3, 2, 3))),)], atol=1e-14
)
def sum_of_three_axes(a):
    return a.sum(axis=1), a.sum(axis=(0, 2)), a.sum(axis=(-1, 0)), a.sum(axis=2, keepdims=True).sum(axis=0)


@exact(
    lambda rng: [
        *vectors(rng, "f8", "f4", "i4")[5:],
        *matrices(rng, "f8")[:5],
        (np.array([1.0, nan, -3.0]),),
        (np.array([-0.0, 0.0]),),
        (np.array([inf, -inf]),),
        (strided(rand(rng, 20)),),
    ],
    signed_zero=False,  # NumPy does not say which zero is the smaller one
)
def min_and_max(x):
    return x.min(), x.max(), np.min(x), np.max(x), np.amin(x), np.amax(x)


@exact(lambda rng: each(rand(rng, 0), rand(rng, 3), rand(rng, (0, 3))), raises=ValueError)
def max_of_an_empty_array(x):
    return x.max()


@exact(lambda rng: each(rand(rng, (3, 0)), rand(rng, (2, 3)), rand(rng, (0, 3))), raises=ValueError)
def min_along_an_empty_axis(a):
    return a.min(axis=1)


@exact(
    lambda rng: (
        [(rand(rng, (4, 5), d),) for d in ("f8", "f4", "i1", "u8", "?")]
        + [(rand(rng, (0, 3)),), (np.array([[1.0, nan], [nan, 2.0]]),)]
    )
)
def min_and_max_along_axes(a):
    return a.max(axis=1), a.min(axis=-1) if a.size else 0, a.max(axis=1, keepdims=True)


@exact(lambda rng: [(rand(rng, 5), 1), (rand(rng, 0), -1), (rand(rng, 5), -1)])
def reduction_of_an_empty_array_in_an_arm(x, c):
    if c > 0:
        return x.max()
    return np.float64(0)


@exact(lambda rng: [*vectors(rng, "?", "f8", "i4", "c16"), *matrices(rng, "?"), (np.array([nan]),)])
def any_and_all(x):
    return x.any(), x.all(), np.any(x), np.all(x)


@exact(lambda rng: matrices(rng, "?", "f8"))
def any_and_all_along_axes(a):
    return a.any(axis=0), a.all(axis=1), np.any(a > 0, axis=1, keepdims=True), np.all(a < 0, axis=(0, 1))


@case(lambda rng: [*vectors(rng, "f8", "i4", "?"), *matrices(rng, "f8", "i8")], atol=1e-14)
def mean(x):
    return x.mean(), np.mean(x), x.mean(axis=0), x.mean(axis=-1)


@exact(lambda rng: [(rand(rng, (3, 4), d),) for d in ("i2", "u1", "?")])
def integer_sums_widen(a):
    return a.sum(), a.sum(axis=0), a.prod(axis=1)


@exact(lambda rng: edges(*INTS))
def integer_sums_wrap_around(x):
    return x.sum(), x.astype("i8").sum(), x.prod(), x.max(), x.min()


@case(
    lambda rng: each(np.array([1.0, nan]), np.array([inf, 1.0]), np.array([inf, -inf]), np.array([1e308, 1e308, 1.0]))
)
def sums_of_special_values(x):
    return x[:2].sum(), x.mean(), x.prod()


@case(
    lambda rng: [(rand(rng, 40), rand(rng, 40)), (rand(rng, 0), rand(rng, 0)), (rand(rng, 3, "f4"), rand(rng, 3))],
    rtol=1e-6,
    atol=1e-6,
)
def reductions_of_expressions(x, y):
    return (x * y).sum(), ((x - y) ** 2).mean(), (x > y).sum(), np.sqrt((x * x).sum())


@exact(lambda rng: [(rand(rng, (5, 4)), n) for n in (0, 2, 5)])
def reductions_in_a_loop(a, n):
    best = np.float64(-inf)
    for i in range(n):
        m = a[i].max()
        if m > best:
            best = m
    return best


@case(lambda rng: matrices(rng, "f8")[:5], atol=1e-14)
def row_statistics(a):
    centred = a - a.mean(axis=1, keepdims=True)
    scale = np.sqrt((centred * centred).mean(axis=1, keepdims=True)) + 1e-3
    return centred / scale


@case(lambda rng: [(rand(rng, (3, 4)),), (rand(rng, (1, 6)),)])
def softmax_by_rows(a):
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@exact(lambda rng: [(np.array(2.5),), (np.array(3, "i4"),), (np.float64(2.5),), (np.array(True),)])
def reductions_of_0d_arrays(x):
    return x.sum(), x.max(), x.mean(), x.any(), x.prod(), x.min()


@exact(lambda rng: each(*(rand(rng, 5, d) for d in FLOATS)))
def reductions_keep_the_dtype(x):
    return x.max().dtype, x.sum().dtype, x.mean().dtype, (x > 0).sum().dtype
