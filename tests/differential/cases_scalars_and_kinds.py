"""Python scalars, NumPy scalars, 0-d arrays and arrays: what every mixture gives, in value, kind and dtype."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from .harness import Call
from .inputs import EDGE, EDGE_INTS, FLOATS, INTS, each, inf, nan, rand, rough
from .registry import REFUSED
from .registry import case as any_case

case = partial(any_case, rtol=0)

PAIRS = [(a, b) for a in (7, -7, 2.5, -2.5) for b in (3, -3, 0.75, -0.75)]
ONE_OF_EACH = each(
    2,
    2.5,
    True,
    1.5 + 2j,
    np.int8(2),
    np.uint16(3),
    np.float32(2.5),
    np.float64(2.5),
    np.bool_(True),
    np.complex64(1 + 1j),
    np.array(2.5),
    np.array(2, "i4"),
    np.ones(2, "f4"),
)


@case(lambda rng: ONE_OF_EACH)
def kind_of_the_same_value(x):
    return x


@case(lambda rng: ONE_OF_EACH, rtol=1e-12)
def kind_after_adding_python_scalars(x):
    return x + 1, x * 2.5, 1 + x, x - 1j, x + True


@case(
    lambda rng: [
        (np.float32(2), v)
        for v in (1, 1.5, np.float64(2), np.float32(3), np.int8(2), np.int64(2), np.array(1.0), np.ones(2))
    ]
)
def kind_after_mixing_with_float32(a, b):
    return a + b, b * a, a / b, a < b


@case(
    lambda rng: [(np.int8(100), v) for v in (1, 27, 28, np.int8(100), np.uint8(200), np.int64(1), 1.5, np.float32(1))]
)
def kind_after_mixing_with_int8(a, b):
    return a + b, a * b, a - b


@case(lambda rng: [(np.int8(1), 128), (np.uint8(1), -1), (np.uint8(1), 256), (np.int8(1), 127)], raises=OverflowError)
def python_int_that_does_not_fit_a_numpy_scalar(a, b):
    return a + b


@case(lambda rng: PAIRS, rtol=1e-15)
def python_arithmetic(a, b):
    return a + b, a - b, a * b, a / b, a // b, a % b, divmod(a, b)


@case(lambda rng: [(a, b) for a in EDGE for b in (0.5, -3.0, inf, nan)], rtol=1e-15)
def python_float_arithmetic_on_edges(a, b):
    return a + b, a - b, a * b, a / b, a // b if a * 0 == 0 else None, a % b if a * 0 == 0 else None


@case(lambda rng: [(a, b) for a in (7, -7, 0) for b in (3, -3, 7, 1)])
def python_int_division_signs(a, b):
    return a // b, a % b, divmod(a, b), a / b


@case(lambda rng: [(12, 10), (-12, 10), (0, -1), (255, 8), (-1, 1)])
def python_int_bits(a, b):
    return a & b, a | b, a ^ b, ~a, a << 3, a >> 1, -a, +a, abs(a)


@case(lambda rng: [(1, 3), (5, 0), (-5, 2), (1, 62)])
def python_shifts_by_an_argument(a, n):
    return a << n, a >> n


@case(lambda rng: [(1, -1), (1, 2)], raises=ValueError)
def python_shift_by_a_negative_count(a, n):
    return a << n


@case(
    lambda rng: [Call(2, 10), Call(-3, 3), Call(0, 0), Call(1, 0), Call(2.0, -1), Call(2.0, 0.5), Call(10, 18)],
    rtol=1e-14,
)
def python_power(a, b):
    return a**b


@case(lambda rng: [(2, -1), (4, -2), (2, 3)], kind="widened")
def python_int_to_a_negative_power(a, b):
    return a**b


@case(lambda rng: [(0, -1), (0.0, -2.0), (1.0, 2.0)], raises=ZeroDivisionError, messages=False, kind="widened")
def zero_to_a_negative_power(a, b):
    return a**b


@case(lambda rng: [(-8.0, 1 / 3), (4.0, 0.5)], rtol=1e-12, allow=(ValueError, *REFUSED))
def negative_float_to_a_fraction_is_complex(a, b):
    return a**b


@case(lambda rng: [(1, 2.0), (1, 0), (0, 0)], raises=ZeroDivisionError)
def python_division_by_zero(a, b):
    return a / b


@case(lambda rng: [(1.5, 2.0), (1.5, 0.0), (0.0, -0.0)], raises=ZeroDivisionError)
def python_float_division_by_zero(a, b):
    return a / b


@case(lambda rng: [(7, 2), (7, 0)], raises=ZeroDivisionError)
def python_floor_division_by_zero(a, b):
    return a // b


@case(lambda rng: [(7.5, 2.0), (7.5, 0.0)], raises=ZeroDivisionError)
def python_modulo_by_zero(a, b):
    return a % b


@case(lambda rng: [(np.float64(a), np.float64(b)) for a, b in ((1, 0), (-1, 0), (0, 0), (7, 2), (inf, 2), (nan, 1))])
def numpy_float_division_by_zero(a, b):
    return a / b, a // b, a % b


@case(
    lambda rng: [
        (np.int64(7), np.int64(0)),
        (np.int64(-7), np.int64(2)),
        (np.int32(0), np.int32(0)),
        (np.int8(-128), np.int8(-1)),
    ]
)
def numpy_int_division_by_zero(a, b):
    return a // b, a % b, a / b


@case(
    lambda rng: (
        [(np.array([7, -7, 0, 5]), np.array([2, 2, 0, 0]))]
        + [(np.array([-128, 127, 1], "i1"), np.array([-1, 0, -1], "i1"))]
    )
)
def array_int_division_by_zero(a, b):
    return a // b, a % b, a / b


@case(lambda rng: [(np.array([1.0, -1.0, 0.0, inf]), 0), (np.array([1.0, nan]), 0.0), (np.array([1.0]), -0.0)])
def array_float_division_by_zero(a, b):
    return a / b, a // b, a % b


@case(lambda rng: each(*(np.iinfo(d).max * np.ones(2, d) for d in INTS)))
def integer_arrays_wrap_around(x):
    return x + 1, x * 2, x * x, -x, x - x.dtype.type(5)


@case(lambda rng: each(*(np.iinfo(d).max * np.ones((), d)[()] for d in INTS)))
def integer_numpy_scalars_wrap_around(x):
    return x + 1, x * 2, x * x, -x


@case(lambda rng: [Call(v).allowing(OverflowError) for v in EDGE_INTS])
def python_ints_do_not_wrap(n):
    return n + 1, n * 2 - n


@case(lambda rng: [Call(2**62).allowing(OverflowError), Call(2**31), Call(-(2**62) - 1).allowing(OverflowError)])
def python_int_products_beyond_64_bits(n):
    return n * 4, n + n + n


@case(lambda rng: each(3.7, -3.7, 0.5, 2, True, np.float32(2.5), np.int8(-3), np.array(2.5), np.float64(1e15)))
def conversions(x):
    return int(x), float(x), bool(x), complex(x), abs(x)


@case(lambda rng: each(nan, 1.0), raises=ValueError, messages=False)
def int_of_nan(x):
    return int(x)


@case(lambda rng: each(inf, -inf, 1.0), raises=OverflowError)
def int_of_infinity(x):
    return int(x)


@case(lambda rng: [*each(0.5, 1.5, 2.5, -0.5, -1.5, 2.675, 3, True), Call(1e300).allowing(OverflowError)])
def rounding_is_to_even(x):
    return round(x), math.floor(x), math.ceil(x), math.trunc(x)


@case(lambda rng: each(2.675, -1234.5678, 0.05, 3.0), rtol=1e-15)
def rounding_to_digits(x):
    return round(x, 2), round(x, 0)


@case(lambda rng: each(rand(rng, 5), np.array([0.5, 1.5, 2.5, -0.5, nan, inf]), np.float32(2.5), rand(rng, 3, "i4")))
def numpy_floor_and_ceil(x):
    return np.floor(x), np.ceil(x)


@case(lambda rng: each(np.array(1.5), np.float64(1.5), 1.5, np.array([1.5])))
def augmented_assignment_of_an_alias(x):
    y = x
    y += 1
    return x, y, y is x if isinstance(x, np.ndarray) else None


@case(lambda rng: each(np.array(3.0), np.array(4)))
def zero_d_arrays_become_scalars_in_arithmetic(x):
    return x + 1, x * x, -x, np.sqrt(x), x.sum(), x[()], x.copy(), x.reshape(1)


@case(lambda rng: each(rand(rng, 4), rand(rng, 4, "f4"), rand(rng, 4, "i2")))
def reductions_give_numpy_scalars(x):
    return x.max(), x[1:3].max() > 0, x.min() + 1, x.argmax(), x.any()


@case(lambda rng: [(1, 2.5), (True, 2), (np.float32(1), 2.5), (np.int8(1), np.float32(2)), (1, 1j)])
def comparison_kinds(a, b):
    return a == b, a != b, (a < b, a >= b) if not isinstance(b, complex) else None


@case(lambda rng: [(2**53, 2.0**53), (2**53 + 1, 2.0**53), (10**18 + 1, 1e18), (-1, -1.0), (3, nan), (2, inf)])
def int_and_float_compare_exactly(n, x):
    return n == x, n < x, n > x, n != x, n <= x


@case(lambda rng: [(np.array([2**63], "u8"), np.array([-1])), (np.array([1], "u8"), np.array([1]))])
def unsigned_and_signed_compare_exactly(a, b):
    return a == b, a < b, a > b


@case(lambda rng: [(np.ones(2, a), np.ones(2, b)) for a in ("?", "i1", "u8", "f2", "c8") for b in ("u1", "i8", "f4")])
def promotion_of_arrays(a, b):
    return a + b, a * b, np.add(a, b)


@case(lambda rng: each(*(np.ones(2, d) for d in ("?", *INTS, *FLOATS))))
def promotion_with_python_scalars(x):
    return x + 1, x * 1.5, x + True, x / 2, x * 1j, np.sqrt(x), x**2


@case(lambda rng: [(3, 1), (3, -1)], kind="widened")
def int_and_float_meet_at_a_join(n, c):
    if c > 0:
        r = n
    else:
        r = n * 0.5
    return r * 2


@case(lambda rng: [(2**53 + 1, 1), (5, 1), (5, -1)], kind="widened", allow=(OverflowError, *REFUSED))
def inexact_int_at_a_join(n, c):
    r = n if c > 0 else 0.5
    return r


@case(lambda rng: [(True, 1), (True, -1)], kind="widened")
def bool_and_int_meet_at_a_join(b, c):
    r = b if c > 0 else 5
    return r


@case(lambda rng: [(1.5, 1), (1.5, -1)], kind="widened")
def python_and_numpy_scalar_meet_at_a_join(x, c):
    r = x if c > 0 else np.float64(2.5)
    return r


@case(lambda rng: [(rand(rng, 3, "f4"), 1), (rand(rng, 3, "f4"), -1)], allow=REFUSED)
def arrays_of_different_dtypes_meet_at_a_join(x, c):
    y = x if c > 0 else np.zeros(3)
    return y + 1


@case(lambda rng: each(2.0, 0.5), rtol=1e-14)
def complex_python_scalars(x):
    z = complex(x, 1.0)
    w = z * 2j + 1
    return w, w.real, w.imag, w.conjugate(), abs(w), z == w, z / w


@case(lambda rng: each(0.0, 1.5, -2.0, nan, inf))
def math_predicates(x):
    return math.isnan(x), math.isinf(x), math.isfinite(x), math.copysign(1.0, x), np.isnan(x), np.isfinite(x)


@case(lambda rng: each(4.0, -4.0), raises=ValueError, messages=False)
def math_sqrt_of_a_negative_number(x):
    return math.sqrt(x)


@case(lambda rng: each(4.0, -4.0, nan, -0.0, 2))
def numpy_sqrt_of_a_python_scalar(x):
    return np.sqrt(x)


@case(lambda rng: each(1.0, 800.0), raises=OverflowError, messages=False, rtol=1e-14)
def math_exp_overflows(x):
    return math.exp(x)


@case(lambda rng: [(3.0, 3.0), (1e200, 1e200), (0.1, 0.1), (5.0, 4.0)])
def no_contraction_of_products(x, y):
    return np.sqrt(x * x - y * y)


@case(lambda rng: [(rough(rng, 64), np.zeros(1)), (rough(rng, 5, "f4"), np.zeros(1, "f4"))])
def no_contraction_in_vectors(x, zero):
    return np.sqrt(x * x - x * x), x * x - x * x + zero, np.sqrt(np.abs(x) * np.abs(x) - x * x)


@case(lambda rng: each(np.array([inf, nan, 1.0, -0.0]), np.array([1e308, -1e308])))
def no_algebra_that_changes_values(x):
    return x - x, x * 0, x + 0.0, x / x, 0 - x, -x, x * -1, (x + 1e300) - 1e300


@case(lambda rng: each(np.int64(3), np.float32(2.5), np.bool_(True), np.complex128(1 + 2j)))
def methods_of_numpy_scalars(x):
    return (
        x.item(),
        x.dtype,
        x.shape,
        x.ndim,
        x.astype("f4" if x.dtype.kind != "c" else "c8"),
        x.real,
        x.sum(),
        x.copy(),
    )
