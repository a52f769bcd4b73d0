"""What a failing program leaves behind: writes of every kind before the error, none after it."""

from __future__ import annotations

from functools import partial

import numpy as np

from .inputs import each, fortran, rand, strided
from .registry import case as any_case

case = partial(any_case, rtol=0)


def halve(x):
    x /= 2


def pick(x, i):
    return x[i]


@case(lambda rng: [(np.arange(4), 1), (np.arange(4), 9), (np.arange(40.0), -41)], raises=IndexError)
def whole_array_write_before_an_index_error(x, i):
    x += 1
    return x[i]


@case(lambda rng: each(np.arange(4.0), np.arange(1.0)), raises=IndexError)
def whole_array_write_before_a_constant_index_error(x):
    x *= 2
    return x[7]


@case(lambda rng: [(np.arange(4.0), 1), (np.arange(4.0), 2), (fortran(rand(rng, (3, 3))), 2)], raises=ValueError)
def whole_array_write_before_a_raise(x, n):
    x /= 2
    if n > 1:
        raise ValueError("stop")
    x += 100
    return n


@case(lambda rng: [(np.arange(4.0), 5), (np.arange(4.0), 2), (strided(np.arange(6.0)), 2)], raises=AssertionError)
def whole_array_write_before_an_assert(x, n):
    x -= 0.5
    assert n > 3, "too small"
    x[0] = 77.0
    return n


@case(lambda rng: [(np.arange(4), 2), (np.arange(4), 0)], raises=ZeroDivisionError)
def whole_array_write_before_a_division_by_zero(x, n):
    x -= 1
    y = 7 // n
    x += y
    return y


@case(lambda rng: [(np.arange(4.0), 2.0), (np.arange(4.0), -2.0)], raises=ValueError)
def slice_write_before_a_raise(x, c):
    x[1:3] = c
    if c < 0:
        raise ValueError("stop")
    x[:] = 0
    return x


@case(lambda rng: [(np.arange(4.0), 2.0), (np.arange(4.0), -2.0)], raises=ValueError)
def mask_write_before_a_raise(x, c):
    x[x > 1] = c
    if c < 0:
        raise ValueError("stop")
    return x


@case(lambda rng: [(np.arange(4.0), np.array([0, 2]), 1), (np.arange(4.0), np.array([0, 2]), 4)], raises=IndexError)
def scatter_before_an_index_error(x, index, i):
    x[index] = -1.0
    return x[i]


@case(lambda rng: [(np.arange(4.0), 1), (np.arange(4.0), 4)], raises=IndexError)
def write_in_a_helper_before_an_error_in_another(x, i):
    halve(x)
    y = pick(x, i)
    halve(x)
    return y


@case(lambda rng: [(np.arange(4.0), n) for n in (2, 4, 6)], raises=IndexError)
def whole_array_writes_in_a_loop_before_an_error(x, n):
    for i in range(n):
        x += 1
        x[i] = -1.0
    return x


@case(lambda rng: [(np.arange(4.0), np.zeros(4), n) for n in (2, 4, 6)], raises=IndexError)
def writes_into_two_arrays_before_an_error(x, y, n):
    for i in range(n):
        y[i % 4] += 1
        y *= 2
        x[i] = y.sum()
    return None


@case(lambda rng: [(np.arange(4.0), np.ones(4), k) for k in (-1, 1)], raises=ValueError)
def swapped_arrays_before_an_error(x, y, k):
    x += 1
    x, y = y, x
    x -= 1
    if k > 0:
        raise ValueError("stop")
    return x


@case(lambda rng: [(np.arange(4.0), np.ones(4), k) for k in (-1, 1)], raises=ValueError)
def chosen_array_before_an_error(x, y, k):
    t = x if k > 0 else y
    t += 5
    if t[0] > 5.5 or k > 0:
        raise ValueError("stop")
    return t


@case(lambda rng: [(np.arange(6.0), 2), (np.arange(6.0), 9)], raises=IndexError)
def write_through_a_view_before_an_error(x, i):
    v = x[::2]
    v += 10
    w = x[::-1]
    w[0] = -1.0
    return v[i]


@case(lambda rng: [({"w": np.ones(3), "n": 1}, 1), ({"w": np.ones(3), "n": 1}, 5)], raises=IndexError)
def objects_changed_before_an_error(d, i):
    d["w"] *= 2
    d["n"] = 7
    y = d["w"][i]
    d["n"] = 8
    return y


@case(
    lambda rng: [(np.arange(4.0), np.ones(3), np.ones(3)), (np.arange(4.0), np.ones(3), np.ones(2))], raises=ValueError
)
def write_before_shapes_disagree(x, a, b):
    x += 1
    y = a + b
    x += 1
    return y


@case(lambda rng: [(np.arange(4.0), 3), (np.arange(4.0), 5)], raises=ValueError)
def write_before_a_length_disagrees(x, n):
    x *= 3
    y = np.ones(n)
    x[:3] = y
    return x


@case(lambda rng: [(np.zeros(3), 2), (np.zeros(3), 5)], raises=IndexError)
def nothing_is_written_after_an_error_in_a_value(x, i):
    x[0], x[1] = 1.0, np.arange(4)[i]
    return x
