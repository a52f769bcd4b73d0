"""while and for: over ranges of any step, array rows, enumerate, zip, reversed, ndindex; break, continue, return."""

from __future__ import annotations

from functools import partial

import numpy as np

from .inputs import each, matrices, nan, rand, vectors
from .registry import case as any_case

case = partial(any_case, rtol=0)


@case(lambda rng: each(1, 6, 7, 27, 97))
def while_collatz(n):
    steps = 0
    while n != 1:
        if n % 2 == 0:
            n //= 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


@case(lambda rng: each(2.0, 9.0, 1e10, 1e-10, 1.0))
def while_newton(a):
    x = a
    while abs(x * x - a) > 1e-12 * a:
        x = 0.5 * (x + a / x)
    return x


@case(lambda rng: [(48, 36), (17, 5), (0, 3), (5, 0), (-12, 18)])
def while_gcd(a, b):
    while b:
        a, b = b, a % b
    return a


@case(lambda rng: each(0, 1, 5, 100))
def while_true_with_break(n):
    i = 0
    total = 0
    while True:
        if i >= n:
            break
        total += i
        i += 1
    return total, i


@case(lambda rng: each(-3, 0, 3))
def while_that_may_not_run(n):
    last = -1
    while n > 0:
        last = n
        n -= 1
    return last


@case(lambda rng: vectors(rng, "f8", "i8"))
def while_two_pointers(x):
    i, j = 0, len(x) - 1
    while i < j:
        x[i], x[j] = x[j], x[i]
        i += 1
        j -= 1
    return x


@case(lambda rng: each(0, 1, 2, 10, 1000, -4))
def for_range_of_an_argument(n):
    total = 0
    for i in range(n):
        total += i * i
    return total


@case(lambda rng: [(2, 7), (7, 2), (-3, 3), (0, 0), (5, 6)])
def for_range_with_two_bounds(a, b):
    total, count = 0, 0
    for i in range(a, b):
        total = total * 2 + i
        count += 1
    return total, count


@case(lambda rng: [(0, 10, 3), (10, 0, -3), (0, 10, -1), (10, 0, 2), (-5, 5, 4), (3, 4, 100), (7, -8, -5)])
def for_range_with_a_step(a, b, s):
    out = np.zeros(12, dtype=int)
    k = 0
    for i in range(a, b, s):
        out[k] = i
        k += 1
    return out, k


@case(lambda rng: [(0, 10, 0), (1, 5, 2)], raises=ValueError)
def for_range_with_step_zero(a, b, s):
    total = 0
    for i in range(a, b, s):
        total += i
    return total


@case(lambda rng: each(2.5, 3), raises=TypeError)
def for_range_of_a_float_is_an_error(n):
    total = 0
    for i in range(n):
        total += i
    return total


@case(lambda rng: each(1, 5))
def for_static_range(x):
    for i in range(3):
        x = x * 2 + i
    return x


@case(lambda rng: each(0.5, -1.25))
def for_long_static_range(x):
    total = 0.0
    for i in range(500):
        total = total * 0.5 + x * i
    return total


@case(lambda rng: each(0, 3, 20))
def for_index_is_visible_after_the_loop(n):
    i = -1
    for i in range(n):
        pass
    return i


@case(lambda rng: each(0, 3), raises=UnboundLocalError)
def for_index_is_unbound_after_an_empty_loop(n):
    for i in range(n):
        pass
    return i


@case(lambda rng: each(3, 10))
def for_index_reassigned_in_the_body(n):
    total = 0
    for i in range(n):
        i = i * 2
        total += i
    return total, i


@case(lambda rng: vectors(rng, "f8", "f4", "i4"))
def for_index_over_length(x):
    y = np.zeros_like(x)
    for i in range(len(x)):
        y[i] = x[i] * 2
    return y


@case(lambda rng: vectors(rng, "f8", "i8", "f4"))
def for_backwards(x):
    y = np.empty_like(x)
    for i in range(len(x) - 1, -1, -1):
        y[len(x) - 1 - i] = x[i]
    return y


@case(lambda rng: vectors(rng, "f8", "f4", "i8", "u1"))
def for_over_a_vector(x):
    s = x.dtype.type(0)
    for v in x:
        s = s + v * v
    return s


@case(lambda rng: matrices(rng, "f8", "i8"))
def for_over_rows(a):
    out = np.zeros(a.shape[1])
    for row in a:
        out = out + row
    return out


@case(lambda rng: matrices(rng, "f8", "i4"))
def for_over_rows_writing_through(a):
    k = 1
    for row in a:
        row *= k
        k += 1
    return k


@case(lambda rng: matrices(rng, "f8"))
def for_over_elements_of_rows(a):
    count = 0
    for row in a:
        for v in row:
            if v > 0:
                count += 1
    return count


@case(lambda rng: vectors(rng, "f8", "i8"))
def for_enumerate(x):
    y = np.zeros(len(x))
    for i, v in enumerate(x):
        y[i] = i * v
    return y


@case(lambda rng: vectors(rng, "f8"))
def for_enumerate_with_start(x):
    y = np.zeros(len(x) + 5)
    for i, v in enumerate(x, start=3):
        y[i] = v
    return y


@case(lambda rng: [(rand(rng, 5), rand(rng, 5)), (rand(rng, 5), rand(rng, 3)), (rand(rng, 2), rand(rng, 4, "i8"))])
def for_zip(x, y):
    out = np.zeros(6)
    k = 0
    for a, b in zip(x, y):
        out[k] = a * b
        k += 1
    return out, k


@case(lambda rng: [(rand(rng, 5), rand(rng, 5)), (rand(rng, 5), rand(rng, 3))], raises=ValueError)
def for_zip_strict(x, y):
    total = np.float64(0)
    for a, b in zip(x, y, strict=True):
        total = total + a * b
    return total


@case(lambda rng: [(rand(rng, 5), rand(rng, (5, 2))), (rand(rng, 0), rand(rng, (0, 2)))])
def for_enumerate_zip(x, m):
    out = np.zeros(5)
    for i, (a, row) in enumerate(zip(x, m)):
        out[i] = a * row[0] + row[1]
    return out


@case(lambda rng: vectors(rng, "f8", "i4"))
def for_reversed_array(x):
    y = np.zeros(len(x), x.dtype)
    k = 0
    for v in reversed(x):
        y[k] = v
        k += 1
    return y


@case(lambda rng: each(0, 4, 11))
def for_reversed_range(n):
    h = 7
    for i in reversed(range(n)):
        h = (h * 31 + i) % 1009
    return h


@case(lambda rng: matrices(rng, "f8", "i8"))
def for_ndindex(a):
    out = np.zeros(a.shape)
    for i, j in np.ndindex(a.shape):
        out[i, j] = a[i, j] * (i + 10 * j)
    return out


@case(lambda rng: matrices(rng, "f8"))
def for_ndindex_as_a_tuple(a):
    best = np.float64(-1e30)
    for index in np.ndindex(*a.shape):
        if a[index] > best:
            best = a[index]
    return best


@case(lambda rng: [(1.0, 2.0, 3.0), (-1.0, 0.0, 1.0)])
def for_over_a_tuple(a, b, c):
    total = 0.0
    for v in (a, b, c, 4.0):
        total = total * 2 + v
    return total


@case(lambda rng: each([1.0, 2.0], [], [1.5, 2.5, 3.5]))
def for_over_a_list_argument(values):
    total = 0.0
    for v in values:
        total += v
    return total


@case(lambda rng: each({"a": 1.0, "b": 2.0}, {}))
def for_over_dict_items(d):
    total = 0.0
    for key, v in d.items():
        total += v * len(key)
    return total


@case(lambda rng: [(rand(rng, 8), 1.0), (rand(rng, 8), -100.0), (rand(rng, 0), 0.0), (rand(rng, 8), 100.0)])
def for_with_break(x, limit):
    found = -1
    for i in range(len(x)):
        if x[i] > limit:
            found = i
            break
    return found


@case(lambda rng: vectors(rng, "f8", "i8"))
def for_with_continue(x):
    count = 0
    for v in x:
        if v < 0:
            continue
        count += 1
    return count


@case(lambda rng: [(rand(rng, 8), 1.0), (rand(rng, 8), -100.0), (rand(rng, 0), 0.0), (rand(rng, 8), nan)])
def return_inside_for(x, limit):
    for i, v in enumerate(x):
        if v > limit:
            return i
    return -1


@case(lambda rng: each(2, 9, 25, 97, 91, 1))
def return_inside_while(n):
    if n < 2:
        return False
    d = 2
    while d * d <= n:
        if n % d == 0:
            return False
        d += 1
    return True


@case(lambda rng: [(rand(rng, (4, 5), "i8"), 3), (rand(rng, (4, 5), "i8"), 77), (rand(rng, (0, 5), "i8"), 0)])
def return_from_nested_loops(a, target):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            if a[i, j] == target:
                return i, j
    return -1, -1


@case(lambda rng: each(0, 5, 30))
def break_and_continue_in_nested_loops(n):
    total = 0
    for i in range(n):
        if i % 3 == 1:
            continue
        for j in range(i):
            if j > 6:
                break
            if (i + j) % 2:
                continue
            total += i * j
        total -= 1
    return total
