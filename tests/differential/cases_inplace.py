"""Writes into arrays: items, slices, augmented assignment, out=, through views, through helpers, casts, arms."""

from __future__ import annotations

from functools import partial

import numpy as np

from .inputs import each, fortran, matrices, padded, rand, strided, vectors
from .registry import case as any_case

case = partial(any_case, rtol=0)


@case(
    lambda rng: [
        (rand(rng, 5), 2, 9.5),
        (rand(rng, 5), -1, 9.5),
        (strided(rand(rng, 5)), 0, 1),
        (rand(rng, 5, "i8"), 1, 3),
    ]
)
def set_item(x, i, v):
    x[i] = v
    return x


@case(lambda rng: [(rand(rng, 5), i) for i in (0, 4, -5, 5, -6)], raises=IndexError)
def set_item_out_of_bounds(x, i):
    x[0] = 100.0
    x[i] = 7.0
    return x[0]


@case(lambda rng: matrices(rng, "f8", "f4", "i4"))
def set_constant_slice(a):
    a[1:3, ::2] = 7
    return None


@case(lambda rng: [(rand(rng, 8), i, j) for i, j in ((1, 4), (-3, 8), (5, 2), (0, 100), (-100, 3))])
def set_slice_with_bounds_from_arguments(x, i, j):
    x[i:j] = -1.0
    return x


@case(lambda rng: [(rand(rng, 8), s) for s in (1, 2, 3, -1, -2, 100)])
def set_slice_with_a_step_from_an_argument(x, s):
    x[::s] = 5.0
    return x


@case(lambda rng: vectors(rng, "f8", "f4", "i8", "u1", "c16"))
def set_everything_with_ellipsis(x):
    x[...] = 3
    return x


@case(
    lambda rng: [
        (rand(rng, (3, 4)), rand(rng, 4)),
        (fortran(rand(rng, (3, 4))), rand(rng, 4)),
        (rand(rng, (2, 2)), rand(rng, 2, "i4")),
    ]
)
def set_row_and_column(a, v):
    a[1] = v
    a[:, 0] = v[0]
    a[-1, :] += v
    return a


@case(lambda rng: [(rand(rng, (3, 4)), rand(rng, 3)), (rand(rng, (4, 3)), rand(rng, 4))], raises=ValueError)
def set_row_of_the_wrong_length(a, v):
    a[:, 0] = v[: a.shape[0]]
    a[0] = v
    return a


@case(lambda rng: [(rand(rng, (3, 4)), rand(rng, 4)), (rand(rng, (3, 4)), rand(rng, (3, 1))), (rand(rng, (3, 4)), 2.5)])
def set_by_broadcasting(a, v):
    a[:] = v
    a[1:, 1:3] = a[:2, :1] + 1
    return a


@case(lambda rng: [*vectors(rng, "f8", "f4", "i8"), *each(padded(rand(rng, (3, 3))))])
def augmented_assignment_on_an_argument(x):
    x += 1
    x *= 2
    x -= 3
    return x


@case(lambda rng: vectors(rng, "f8", "f4", "f2"))
def augmented_division(x):
    x /= 4
    x **= 2
    return x


@case(lambda rng: vectors(rng, "i8", "i2", "u1", "u4"))
def augmented_integer_operators(x):
    x //= 2
    x %= 5
    x <<= 1
    x |= 1
    x &= 13
    x ^= 6
    x >>= 1
    return x


@case(lambda rng: each(rand(rng, 4, "i8"), rand(rng, 4, "f8"), rand(rng, 4, "f4")), raises=TypeError)
def augmented_division_of_ints_is_a_casting_error(x):
    x += 1
    x /= 2
    return x


@case(
    lambda rng: [
        (rand(rng, 4, "f4"), rand(rng, 4)),
        (rand(rng, 4, "i4"), rand(rng, 4, "i8")),
        (rand(rng, 4, "c8"), rand(rng, 4)),
    ]
)
def augmented_assignment_keeps_the_dtype(x, y):
    x += y
    return x


@case(lambda rng: each(rand(rng, 4, "i8")), raises=TypeError)
def adding_floats_to_ints_in_place_is_a_casting_error(x):
    x += 0.5
    return x


@case(
    lambda rng: [
        (rand(rng, 4, "i4"), 2.9),
        (rand(rng, 4, "i4"), -2.9),
        (rand(rng, 4, "f4"), 0.1),
        (rand(rng, 4, "?"), 3),
        (rand(rng, 4, "u1"), 7),
    ]
)
def set_item_casts_the_value(x, v):
    x[1] = v
    return x


@case(
    lambda rng: [
        (rand(rng, 4, "i2"), rand(rng, 4)),
        (rand(rng, 4, "f2"), rand(rng, 4)),
        (rand(rng, 4, "?"), rand(rng, 4)),
        (rand(rng, 4, "u1"), rand(rng, 4, "i8") % 200),
    ]
)
def set_slice_casts_the_values(x, v):
    x[:] = v
    return x


@case(
    lambda rng: [
        (rand(rng, 4, "u1"), 300),
        (rand(rng, 4, "i1"), -129),
        (rand(rng, 4, "u1"), 255),
        (rand(rng, 4, "u4"), -1),
    ],
    raises=OverflowError,
)
def set_item_of_a_python_int_that_does_not_fit(x, v):
    x[0] = v
    return x


@case(lambda rng: [(rand(rng, (3, 3)), i, j) for i, j in ((0, 0), (2, -1), (-3, 1))])
def augmented_item(a, i, j):
    a[i, j] += 10
    a[j][i] *= 2
    return a


@case(lambda rng: matrices(rng, "f8", "i8"))
def augmented_slices(a):
    a[:, 1:] += 1
    a[::2] *= 3
    a[:1] -= a[:1] * 2
    return a


@case(
    lambda rng: [
        (rand(rng, 5), rand(rng, 5)),
        (strided(rand(rng, 5)), rand(rng, 5, "f4")),
        (rand(rng, 0), rand(rng, 0)),
    ]
)
def out_argument_of_ufuncs(x, y):
    z = np.empty(len(x))
    np.add(x, y, out=z)
    np.multiply(z, 2.0, out=z)
    r = np.subtract(x, 1.0, out=x)
    return z, r, np.negative(y, out=y)


@case(lambda rng: [(rand(rng, (3, 5)), np.empty(5)), (fortran(rand(rng, (3, 5))), np.empty(5))], rtol=1e-12)
def out_argument_of_a_reduction(a, out):
    r = np.sum(a, axis=0, out=out)
    return r, a.max(axis=0, out=np.zeros(5))


@case(lambda rng: each(rand(rng, 5), rand(rng, 5, "i8")))
def positional_out_argument(x):
    y = np.zeros_like(x)
    np.add(x, x, y)
    np.maximum(x, 0, y)
    return y
