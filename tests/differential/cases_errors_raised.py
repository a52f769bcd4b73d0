"""Exceptions on traced conditions: raise, assert, failing operations in and out of arms, what is left behind."""

from __future__ import annotations

from functools import partial

import numpy as np

from .inputs import each, nan, rand, strided
from .registry import REFUSED
from .registry import case as any_case

case = partial(any_case, rtol=0)


class ConvergenceError(Exception):
    """A user's own exception."""


class Detailed(ValueError):
    def __init__(self, message, code):
        super().__init__(message, code)
        self.code = code


def checked(x):
    if x < 0:
        raise ValueError("negative")
    return x


def positive(x):
    assert x > 0, "must be positive"
    return x * 2


@case(lambda rng: each(4.0, -4.0, nan, 0), raises=ValueError)
def raise_on_a_condition(x):
    if x < 0:
        raise ValueError("negative")
    return x * 2


@case(lambda rng: each(4.0, -4.0), raises=ValueError)
def raise_without_a_message(x):
    if x < 0:
        raise ValueError
    return x


@case(lambda rng: each(1, 2, 3, 4, 5), raises=(ValueError, IndexError, KeyError, RuntimeError))
def raise_different_exceptions(n):
    if n == 1:
        raise ValueError("one")
    elif n == 2:
        raise IndexError("two")
    elif n == 3:
        raise KeyError("three")
    elif n == 4:
        raise RuntimeError("four", 4)
    return n


@case(lambda rng: each(1.0, -1.0), raises=ConvergenceError)
def raise_an_exception_of_ones_own(x):
    if x < 0:
        raise ConvergenceError("did not converge")
    return x


@case(lambda rng: each(1.0, -1.0), raises=Detailed)
def raise_an_exception_with_arguments(x):
    if x < 0:
        raise Detailed("bad", 7)
    return x


@case(lambda rng: each(3, -3), raises=ValueError, messages=False)
def raise_with_a_formatted_traced_value(n):
    if n < 0:
        raise ValueError(f"n must be positive, got {n}")
    return n


@case(lambda rng: each(3, -3), raises=ValueError, allow=REFUSED)
def raise_with_a_traced_argument(n):
    if n < 0:
        raise ValueError("negative", n)
    return n


@case(lambda rng: each(4.0, -4.0, 0.0), raises=ValueError)
def raise_in_a_helper(x):
    return checked(x) + checked(x + 1)


@case(lambda rng: [(rand(rng, 5), 3.0), (rand(rng, 5), -100.0), (rand(rng, 0), 0.0)], raises=ConvergenceError)
def raise_in_a_loop(x, limit):
    for i in range(len(x)):
        if x[i] > limit:
            raise ConvergenceError("too large")
        x[i] = 0.0
    return x


@case(lambda rng: each(2.0, 1e6, 0.5), raises=ConvergenceError)
def raise_in_a_while(a):
    x, n = a, 0
    while abs(x - 1) > 1e-3:
        x = x**0.5
        n += 1
        if n > 10:
            raise ConvergenceError("no convergence")
    return n


@case(lambda rng: each(2.0, -2.0), raises=AssertionError)
def assert_on_a_condition(x):
    assert x > 0
    return x


@case(lambda rng: each(2.0, -2.0), raises=AssertionError)
def assert_with_a_message_in_a_helper(x):
    return positive(x) + positive(x + 3)


@case(lambda rng: each(rand(rng, 3), -np.ones(3)), raises=AssertionError)
def assert_on_a_reduction(x):
    x[0] = 5.0
    assert (x[1:] > -1).any(), "all too small"
    x[1] = 6.0
    return x


@case(lambda rng: [(rand(rng, 3), 2), (rand(rng, 4), 2)], raises=AssertionError)
def assert_on_a_shape(x, n):
    assert x.shape == (3,), "need three"
    return x * n


@case(lambda rng: [(7, 2), (7, 0)])
def division_by_zero_in_an_arm_not_taken(a, b):
    r = 0
    if b != 0:
        r = a // b + a % b
    return r


@case(lambda rng: [(rand(rng, 6, "i8"), rand(rng, 6, "i8") * 0), (rand(rng, 6, "i8"), np.arange(6))])
def division_by_zero_in_a_vectorisable_arm(a, b):
    out = np.zeros(len(a), dtype=int)
    for i in range(len(a)):
        if b[i] != 0:
            out[i] = a[i] // b[i]
        else:
            out[i] = -1
    return out


@case(lambda rng: [(0, 4), (3, 4), (0, 0), (-2, 3)])
def division_by_zero_in_a_hoistable_arm(d, n):
    total = 0
    for i in range(n):
        if d != 0:
            total += 100 // d + i
    return total


@case(lambda rng: [(0, 4), (3, 4), (0, 0)], raises=ZeroDivisionError)
def division_by_zero_in_a_loop_that_may_not_run(d, n):
    total = 0
    for i in range(n):
        total += 100 // d
    return total


@case(lambda rng: [([3, 0, 2], 1.0), ([3, 1, 2], 1.0)], raises=ZeroDivisionError)
def division_by_zero_after_writes(divisors, x):
    out = np.zeros(3)
    for i in range(3):
        out[i] = x / divisors[i]
    return out


@case(lambda rng: [(np.array([4, 2, 1]), np.zeros(3), n) for n in (8, 2)])
def numpy_division_by_zero_in_a_loop(x, y, n):
    for i in range(3):
        y[i] = x[i] // (x[i] - n // 2)
    return y


@case(lambda rng: [(rand(rng, 5), 2), (rand(rng, 5), 9)], raises=IndexError)
def which_of_two_errors_comes_first(x, i):
    y = x[i]
    if y == y:
        z = 1 // (i - 2 + 1)
    return y, z


@case(lambda rng: [(0, 7), (1, 7), (1, 1)], raises=(ZeroDivisionError, IndexError))
def errors_come_in_program_order(d, i):
    x = np.arange(5)
    a = 10 // d
    b = x[i]
    return a + b


@case(
    lambda rng: [(np.zeros(4), 0, 1), (np.zeros(4), 1, 9), (np.zeros(4), 1, 1)], raises=(ZeroDivisionError, IndexError)
)
def writes_before_an_error_are_visible(x, d, i):
    x[0] = 1.0
    x[1] = 10 // d
    x[2] = 2.0
    x[i] = 3.0
    x[3] = 4.0
    return None


@case(lambda rng: [(np.zeros(4), 3), (np.zeros(4), 6)], raises=IndexError)
def prints_before_an_error_are_visible(x, n):
    print("start", n)
    for i in range(n):
        x[i] = i
        print("wrote", i)
    print("end")


@case(
    lambda rng: [(rand(rng, 3), rand(rng, 3)), (rand(rng, 3), rand(rng, 4)), (rand(rng, 3), rand(rng, 1))],
    raises=ValueError,
)
def shapes_checked_at_run_time(x, y):
    x[0] = 1.0
    z = x + y
    x[1] = 2.0
    return z


@case(lambda rng: [(rand(rng, 6), n) for n in (3, 2, 6)], raises=ValueError)
def lengths_that_depend_on_values(x, n):
    return x[:n] + x[3:]


@case(lambda rng: [(np.array([1.0, -1.0, 2.0]),), (np.array([1.0, 2.0]),)], raises=ValueError)
def masked_lengths_that_may_differ(x):
    return x[x > 0] + np.array([1.0, 2.0])[: len(x)] * x[: len(x)]


@case(lambda rng: each((1.0, 2.0), (1.0, 2.0, 3.0)), raises=ValueError)
def unpacking_of_the_wrong_length(pair):
    a, b = pair
    return a + b


@case(lambda rng: each(rand(rng, 2), rand(rng, 3)), raises=ValueError)
def unpacking_an_array(x):
    a, b = x
    return a * b


@case(lambda rng: each({"a": 1.0}, {"b": 1.0}), raises=KeyError)
def missing_key(d):
    return d["a"] * 2


@case(lambda rng: each([1.0, 2.0, 3.0], [1.0]), raises=IndexError)
def list_index_out_of_range(items):
    return items[2]


@case(lambda rng: each(1.0, "text"), raises=AttributeError, messages=False)
def missing_attribute(x):
    return x.real if isinstance(x, float) else x.nonsense


@case(lambda rng: each(1.0, 2), raises=NameError)
def missing_name(x):
    if x == 2:
        return undefined_name  # noqa: F821
    return x


@case(lambda rng: [(1.0, "a"), (1, 2)], raises=TypeError)
def operands_that_do_not_go_together(x, y):
    return x + y


@case(lambda rng: each(None, 2.0), raises=TypeError)
def arithmetic_with_none(x):
    return x * 2


@case(lambda rng: each(rand(rng, 2), 2.0), raises=TypeError, messages=False)
def indexing_a_number(x):
    return x[0]


@case(lambda rng: each(rand(rng, 2), 2.0), raises=TypeError, messages=False)
def length_of_a_number(x):
    return len(x)


@case(lambda rng: each(1.0), raises=TypeError)
def wrong_call_of_a_helper(x):
    return checked(x, x)


@case(lambda rng: [(1, 5), (1, 0)], raises=ZeroDivisionError)
def error_in_a_comprehension(a, b):
    return [a // (b - k) for k in range(3) if k != 1]


@case(lambda rng: [(1, 5), (1, 0)])
def try_around_static_code(a, b):
    try:
        value = {"a": 1}["b"]
    except KeyError:
        value = 2
    finally:
        a = a + 1
    return a + b + value


@case(lambda rng: each(strided(np.zeros(6)), np.zeros(6)), raises=IndexError)
def errors_in_strided_arrays(x):
    for i in range(7):
        x[i] = 1.0


@case(lambda rng: [(5,), (-5,)], raises=ValueError)
def raise_from_another_exception(n):
    if n < 0:
        raise ValueError("negative") from None
    return n


@case(lambda rng: [(np.zeros(3), -1.0), (np.zeros(3), 1.0)], raises=ValueError)
def write_in_an_arm_that_raises(x, c):
    if c < 0:
        x[0] = 1.0
        raise ValueError("after the write")
    x[1] = 2.0
    return x


@case(lambda rng: [(2, 3), (2, -3)], raises=ValueError)
def error_in_the_condition_of_a_while(n, k):
    while checked(k) > 0:
        n += k
        k -= 1
    return n


@case(lambda rng: [(3.0, 2), (3.0, -1)], raises=ValueError)
def not_a_jump_but_a_raise_in_nested_loops(x, n):
    for i in range(3):
        for j in range(3):
            if i * j > n * n + 2 or n < 0:
                raise ValueError("inside")
            x = x * 0.5 + j
    return x


@case(lambda rng: [(1,), (0,), (2,)], raises=NameError)
def comprehension_over_a_name_without_a_value(n):
    if n > 0:
        k = 2
    return [k * i for i in range(3)]


@case(lambda rng: [(1,), (0,), (2,)], raises=NameError)
def dict_comprehension_with_a_name_without_a_value(n):
    for i in range(n):
        k = i
    return {i: k for i in range(2)}


@case(lambda rng: [(1,), (0,), (2,)], raises=NameError)
def generator_with_a_name_without_a_value(n):
    if n > 0:
        k = 2
    return sum(k * i for i in range(3)) + sum(j for i in range(2) for j in [k, i])
