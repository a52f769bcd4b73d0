"""Elementwise functions: arithmetic, comparison, logic, bits, exp/log/trigonometry, casts; every dtype and edge."""

from __future__ import annotations

from functools import partial

import numpy as np

from .inputs import FLOATS, INTS, NUMBERS, each, edge, edges, fortran, inf, matrices, nan, rand, rough, strided, vectors
from .registry import case

exact = partial(case, rtol=0)


@exact(lambda rng: [*vectors(rng, *NUMBERS), *edges(*FLOATS, *INTS), *matrices(rng, "f8"), (rough(rng, 37),)])
def arithmetic_with_itself(x):
    return x + x, x - x, x * x


@exact(
    lambda rng: [
        (rough(rng, 23), rough(rng, 23)),
        (rand(rng, (3, 4)), rand(rng, 4)),
        (rand(rng, (3, 1)), rand(rng, (1, 4))),
        (rand(rng, (2, 3), "f4"), fortran(rand(rng, (2, 3)))),
        (rand(rng, 0), rand(rng, 1)),
        (rand(rng, (0, 3)), rand(rng, 3)),
    ]
)
def arithmetic_with_broadcasting(x, y):
    return x + y, x - y, x * y, x / y, x // y, x % y


@exact(
    lambda rng: [(rand(rng, 3), rand(rng, 4)), (rand(rng, 3), rand(rng, 3)), (rand(rng, (2, 3)), rand(rng, 2))],
    raises=ValueError,
)
def shapes_that_do_not_broadcast(x, y):
    return x + y


@exact(lambda rng: [(edge(d), edge(d)[::-1].copy()) for d in (*FLOATS, *INTS)])
def arithmetic_on_edge_values(x, y):
    return x + y, x - y, x * y, x / y


@exact(
    lambda rng: [
        (
            np.array([7.5, -7.5, 7.5, -7.5, 0.0, -0.0, inf, 5.0, nan, 1e300], d),
            np.array([2, 2, -2, -2, 3, 3, 2, inf, 1, 1e-5], d),
        )
        for d in ("f8", "f4")
    ]
)
def floor_division_and_modulo(x, y):
    return x // y, x % y, np.floor_divide(x, y), np.remainder(x, y)


@exact(lambda rng: [(rand(rng, 20, d), rand(rng, 20, d)) for d in INTS])
def integer_floor_division_and_modulo(x, y):
    y[y == 0] = 3
    return x // y, x % y


@exact(lambda rng: [(edge(d), edge(d)[::-1].copy()) for d in ("?", "i4", "u8", *FLOATS)])
def comparisons(x, y):
    return x < y, x <= y, x > y, x >= y, x == y, x != y


@exact(
    lambda rng: [
        (rand(rng, 5, "c16"), rand(rng, 5, "c16")),
        (np.array([nan + 1j, 1 + 1j]), np.array([nan + 1j, 1 + 1j])),
    ]
)
def complex_equality(x, y):
    return x == y, x != y


@exact(
    lambda rng: [
        (rand(rng, 6, "?"), rand(rng, 6, "?")),
        (rand(rng, 6), rand(rng, 6, "i4")),
        (np.array([nan, 0.0, -0.0]), np.ones(3, bool)),
    ]
)
def logic(x, y):
    return np.logical_and(x, y), np.logical_or(x, y), np.logical_not(x), np.logical_xor(x, y)


@exact(lambda rng: [(rand(rng, 6, d), rand(rng, 6, d)) for d in ("?", *INTS)])
def bit_operators(x, y):
    return x & y, x | y, x ^ y, ~x, np.bitwise_and(x, y), np.invert(x)


@exact(lambda rng: [(rand(rng, 6, d), np.array([0, 1, 2, 3, 7, 5], d)) for d in INTS])
def shift_operators(x, n):
    return x << n, x >> n, np.left_shift(x, 1), np.right_shift(x, 1)


@exact(lambda rng: [(edge(d), np.full(8, k, d)) for d in ("i4", "u1", "i8") for k in (0, 31, 40, 64, 100)])
def shifts_beyond_the_width(x, n):
    return x << n, x >> n


@exact(lambda rng: each(rand(rng, 4), rand(rng, 4, "i4")), raises=TypeError)
def bit_operators_on_floats_are_an_error(x):
    return x & 1


@exact(lambda rng: [*vectors(rng, *NUMBERS), *edges(*FLOATS, *INTS)])
def negative_absolute_sign(x):
    return -x, +x, np.sign(x) if x.dtype.kind != "c" else None, np.positive(x)


@case(lambda rng: [*vectors(rng, *NUMBERS), *edges(*FLOATS, "i8"), *edges("c16")])
def absolute_value(x):
    return abs(x), np.abs(x), np.absolute(x)


@exact(lambda rng: each(rand(rng, 3, "?")), raises=TypeError)
def negative_of_booleans_is_an_error(x):
    return -x


@exact(lambda rng: each(rand(rng, 3, "?"), np.array([True])), raises=TypeError)
def subtraction_of_booleans_is_an_error(x):
    return x - x


@exact(lambda rng: [*vectors(rng, "f8", "f4", "i4", "u1", "?"), *edges("f8", "f4")])
def floor_and_ceil(x):
    return np.floor(x), np.ceil(x)


@exact(lambda rng: [(edge(d), edge(d)[::-1].copy()) for d in (*FLOATS, *INTS, "?")])
def minimum_and_maximum(x, y):
    return np.minimum(x, y), np.maximum(x, y)


@exact(lambda rng: [*vectors(rng, "f8", "f4", "i4"), *edges("f8")], signed_zero=False)
def clip_with_constants(x):
    return np.clip(x, -1, 1), x.clip(0, 2), np.clip(x, None, 1), np.clip(x, -1, None)


@exact(
    lambda rng: [
        (rand(rng, 6), -1.0, 1.0),
        (rand(rng, 6), 1.0, -1.0),
        (rand(rng, 6), nan, 1.0),
        (rand(rng, 6, "i4"), 0, 3),
        (rand(rng, 6), rand(rng, 6), 2.0),
    ]
)
def clip_with_arguments(x, lo, hi):
    return np.clip(x, lo, hi)


@exact(
    lambda rng: [
        (rand(rng, 6, "?"), rand(rng, 6), rand(rng, 6)),
        (rand(rng, 6), 1, 0.5),
        (rand(rng, (2, 3)), rand(rng, 3, "f4"), 2),
    ]
)
def where(c, x, y):
    return np.where(c, x, y)


@exact(lambda rng: [*vectors(rng, *FLOATS), *edges(*FLOATS)])
def square_root(x):
    return np.sqrt(x), np.square(x)


@case(
    lambda rng: [
        (rough(rng, 21),),
        *vectors(rng, *FLOATS),
        *edges(*FLOATS),
        (np.array([-1000, -745.2, -708.5, -1e-20, 1e-20, 709.7, 710.0, 88.7]),),
    ]
)
def exponential(x):
    return np.exp(x)


@case(
    lambda rng: [
        *vectors(rng, *FLOATS),
        *edges(*FLOATS),
        (np.array([5e-324, 1e-310, 1 - 1e-16, 1.0, 1 + 1e-15, 10.0]),),
    ]
)
def logarithm(x):
    return np.log(x)


@case(
    lambda rng: [
        (rough(rng, 21),),
        *vectors(rng, *FLOATS),
        (np.array([0.0, -0.0, nan, inf, -inf, 1e5, 1e-300, np.pi, np.pi / 2, 1e15]),),
    ]
)
def trigonometry(x):
    return np.sin(x), np.cos(x)


@case(lambda rng: [*vectors(rng, *FLOATS), (np.array([0.0, -0.0, nan, inf, -inf, 1.0, np.pi / 4]),)], rtol=1e-11)
def tangent(x):
    return np.tan(np.clip(x, -1.5, 1.5)) if x.dtype == float else np.tan(x.astype(float) / 8)


@case(lambda rng: [(rough(rng, 21),), *vectors(rng, "f8", "f4"), *edges("f8", "f4")])
def hyperbolic_tangent(x):
    return np.tanh(x)


@case(
    lambda rng: [
        (np.array([2.0, 0.5, 10.0]), np.array([3.0, -2.0, 0.5])),
        (
            np.array([0.0, -0.0, nan, 1.0, inf, -inf, 2.0, -2.0, -8.0]),
            np.array([0.0, -1.0, 0.0, nan, -1.0, 3.0, 1024.0, 3.0, 1 / 3]),
        ),
    ]
)
def power_of_arrays(x, y):
    return x**y, np.power(x, y)


@case(lambda rng: [*vectors(rng, "f8", "f4", "i8", "i2", "c16")])
def power_with_constants(x):
    return x**2, x**3, x**0, x**1, x**2.0, x**0.5


@case(lambda rng: vectors(rng, "f8", "f4"))
def powers_with_negative_exponents(x):
    return x**-1, x**-2, x**-0.5, 2.0**x


@exact(lambda rng: each(np.array([2, 3]), np.array([2, 3], "i4")), raises=ValueError)
def integer_array_to_a_negative_power_is_an_error(x):
    return x**-1


@exact(
    lambda rng: [(np.array([2, 3, -3, 0]), np.array([3, 39, 3, 0])), (np.array([2, 200], "u1"), np.array([7, 2], "u1"))]
)
def integer_powers_wrap_around(x, y):
    return x**y


@exact(lambda rng: [*vectors(rng, *FLOATS), *edges(*FLOATS, "i4")])
def float_predicates(x):
    return np.isnan(x), np.isinf(x), np.isfinite(x)


@exact(lambda rng: [*vectors(rng, "?", *NUMBERS)])
def cast_to_every_dtype(x):
    x = np.abs(x) if x.dtype.kind != "c" else x
    if x.dtype.kind == "c":
        return x.astype("c8"), x.astype("c16")
    return [x.astype(d) for d in ("?", *NUMBERS)]


@exact(lambda rng: edges("i8", "i4", "u8", "i1", "?"))
def cast_integers_wrap_around(x):
    return [x.astype(d) for d in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "?")]


@exact(lambda rng: each(np.array([0.0, -0.0, 1.9, -1.9, 127.5, -128.5, 1e5, 65519.0, 65520.0, 3e38, 1e-8, nan, inf])))
def cast_floats_to_smaller_floats(x):
    return x.astype("f4"), x.astype("f2"), x.astype("f4").astype("f2"), x.astype("?"), np.float32(x), x.astype("c8")


@exact(lambda rng: each(rand(rng, 5), rand(rng, 5, "i4"), 2.7, 3, np.array(2.7)))
def casts_by_calling_the_type(x):
    return np.float32(x), np.int16(x), np.float64(x), np.bool_(x), np.complex64(x), np.asarray(x, dtype=np.float32)


@case(
    lambda rng: [
        (rand(rng, 5, "c16"), rand(rng, 5, "c16")),
        (rand(rng, 5, "c8"), rand(rng, 5)),
        (strided(rand(rng, 5, "c16")), rand(rng, 1, "c8")),
    ]
)
def complex_arithmetic(x, y):
    return x + y, x - y, x * y, x / y, np.conj(x), x.real, x.imag, x.conj() * x


@case(lambda rng: [(rand(rng, 5, d),) for d in ("c16", "c8")], rtol=1e-5)
def complex_functions(x):
    return np.exp(x), np.sqrt(x), np.log(x), np.sin(x), np.cos(x)


@case(lambda rng: [*vectors(rng, "f8", "f4"), *matrices(rng, "f8"), (rough(rng, 29),), (rough(rng, 5, "f4"),)])
def long_chain_of_operations(x):
    y = np.exp(-np.abs(x)) + np.sqrt(x * x + 1)
    z = np.where(y > 1, np.log(y + 1), np.tanh(y)) * 0.5 + np.cos(x) ** 2
    return np.minimum(z, y) / (1 + np.maximum(z, 0)) - x * 0.25


@case(lambda rng: [*vectors(rng, "f8", "f4"), (rough(rng, 29),)])
def sigmoid_relu_and_softmax(x):
    s = 1 / (1 + np.exp(-x))
    r = np.maximum(x, 0)
    if len(x) > 0:
        e = np.exp(x - x.max())
        return s, r, e / e.sum()
    return s, r


@exact(lambda rng: [(rand(rng, 4), 2.0, 3), (rand(rng, 4, "f4"), 2.0, 3), (rand(rng, 4, "i8"), 0.5, 3)])
def scalars_stay_weak(x, a, n):
    return a * x + n, x / n, x * n, x - a, (a + n) * x, np.add(x, n), np.multiply(a, x)


@case(lambda rng: [(np.arange(-3, 4), n) for n in (5, 300, -129)] + [(np.arange(-3, 4), 1.5)])
def select_of_small_integers_and_numbers(x, n):
    small = x.astype(np.int8)
    a = np.select([x < 0, x > 1], [small, n], 2)
    b = np.select([x < 0, x == 2], [small, 300], n)
    c = np.select([x < 0], [True], False)
    return a, b, c, np.select([x[0] < 0], [3], 4), np.select([x > 0], [np.float32(1)], 2**40)


@case(lambda rng: [(np.arange(-3, 4), 5), (np.arange(3), 5)], raises=TypeError)
def select_that_cannot_be_cast(x, n):
    return np.select([x < 0, x > 2], [x.astype(np.uint8), n])


@case(lambda rng: [(np.arange(-3, 4),)], raises=TypeError)
def select_by_what_is_no_bool(x):
    return np.select([x], [1])


@case(lambda rng: [(np.arange(n), np.arange(3)) for n in (3, 1, 4, 5)], raises=ValueError)
def select_of_shapes_that_do_not_meet(x, y):
    return np.select([x > 0, y > 1], [x, 1])
