"""Loops again: nesting, carried arrays and types, dependent bounds, comprehensions, swaps, masks."""

from __future__ import annotations

from functools import partial

import numpy as np

from .harness import Call
from .inputs import each, matrices, rand, rough, vectors
from .registry import case as any_case

case = partial(any_case, rtol=0)


@case(lambda rng: each(0, 1, 6))
def triangular_nest(n):
    total = 0
    for i in range(n):
        for j in range(i, n):
            for k in range(j):
                total += i + 2 * j + 3 * k
    return total


@case(lambda rng: each(1, 2, 3))
def six_nested_loops(n):
    total = 0
    for a in range(n):
        for b in range(n):
            for c in range(n):
                for d in range(n):
                    for e in range(n):
                        for f in range(n):
                            total += a * b + c * d + e * f + 1
    return total


@case(lambda rng: each(3, 10, 0))
def while_inside_for(n):
    longest = 0
    for start in range(1, n + 1):
        x, length = start, 0
        while x != 1:
            x = x // 2 if x % 2 == 0 else 3 * x + 1
            length += 1
        if length > longest:
            longest = length
    return longest


@case(lambda rng: each(1, 8, 0))
def for_inside_while(n):
    total = 0
    while n > 0:
        for i in range(n):
            total += i
        n -= 2
    return total


@case(lambda rng: each(0, 3, 50))
def carried_array_is_rebound(n):
    v = np.array([1.0, 1.0])
    m = np.array([[0.0, 1.0], [1.0, 1.0]])
    for _ in range(n):
        v = np.array([v[1], v[0] * 0.5 + v[1]]) + m[0] * 0
    return v


@case(lambda rng: [(rand(rng, 6), 1), (rand(rng, 6), 10), (rand(rng, 6), 0)])
def jacobi_ping_pong(u, steps):
    v = u.copy()
    for _ in range(steps):
        for i in range(1, len(u) - 1):
            v[i] = 0.5 * (u[i - 1] + u[i + 1])
        u, v = v, u
    return u, v


@case(lambda rng: [(rand(rng, 5), rand(rng, 5), n) for n in (0, 1, 2, 7)])
def swapped_names_in_a_loop_are_written(a, b, n):
    for i in range(n):
        a[i % 5] = b[i % 5] + 1
        a, b = b, a
    return a, b


@case(lambda rng: [(rand(rng, 3), rand(rng, 3), rand(rng, 3), n) for n in (0, 1, 2, 3, 4)])
def rotation_of_three_names(a, b, c, n):
    for i in range(n):
        a[0] += i
        a, b, c = b, c, a
    return a, b, c


@case(lambda rng: [(rough(rng, 6), n) for n in (0, 1, 9)])
def in_place_slice_update_in_a_loop(u, n):
    for _ in range(n):
        u[1:-1] += 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u


@case(lambda rng: matrices(rng, "f8"))
def loop_dependent_slices(a):
    out = np.zeros(a.shape[0])
    for i in range(a.shape[0]):
        out[i] = a[i, :i].sum() + a[i, i:].prod()
    return out


@case(lambda rng: [(rand(rng, 12, "i8"),), (np.arange(5),), (np.array([], int),), (np.ones(4, int),)])
def mask_carried_by_a_loop(z):
    rounds = 0
    while len(z) > 1:
        p = z[0]
        z = z[z % 3 != p % 3]
        rounds += 1
    return z, rounds


@case(lambda rng: each(10, 2, 30, 0))
def sieve_with_a_shrinking_array(n):
    candidates = np.arange(2, n + 2)
    count = 0
    while candidates.size > 0:
        p = candidates[0]
        count += 1
        candidates = candidates[candidates % p != 0]
    return count


@case(lambda rng: [(rand(rng, 7), 0), (rand(rng, 7), 3), (rand(rng, 7), 7)])
def growing_window(x, n):
    s = np.float64(0)
    for i in range(n):
        s = s + x[: i + 1].sum()
    return s


@case(lambda rng: each(0, 1, 5))
def int_becomes_float_in_a_loop(n):
    x = 1
    for _ in range(n):
        x = x * 0.5
    return x * 1.0


@case(lambda rng: each(1, 4), kind="widened")
def int_or_float_after_a_loop(n):
    x = 1
    for i in range(n):
        if i == 2:
            x = x + 0.5
    return x


@case(lambda rng: vectors(rng, "f8", "f4", "i8"))
def python_zero_accumulates_numpy_values(x):
    s = 0.0
    for v in x:
        s += v
    return s


@case(lambda rng: each(rand(rng, 4, "f4"), rand(rng, 4, "f4")[:0], rand(rng, 3, "f2")))
def weak_start_keeps_float32(x):
    s = 0
    for i in range(len(x)):
        s = s + x[i]
    return s


@case(lambda rng: vectors(rng, "f8"))
def comprehension_over_a_static_range(x):
    scale = [k * 2 for k in range(4)]
    return x * scale[3] + sum([s for s in scale])


@case(lambda rng: each(1.5, -2.0))
def comprehension_builds_a_list_result(x):
    return [x * k for k in range(3)], {k: x + k for k in range(2)}, tuple(x - k for k in range(3))


@case(lambda rng: each(3, 5, 0), rtol=1e-12)
def sum_of_a_generator_over_a_traced_range(n):
    return sum(i * 0.5 for i in range(n))


@case(lambda rng: vectors(rng, "f8"))
def array_of_a_comprehension_over_a_vector(x):
    return np.array([v * v for v in x])


@case(lambda rng: matrices(rng, "f8")[:5])
def stack_of_a_comprehension_over_rows(a):
    return np.stack([row * 2 + 1 for row in a])


@case(lambda rng: vectors(rng, "f8", "i8"))
def array_of_a_comprehension_with_indices(x):
    return np.array([x[i] + i for i in range(len(x))], dtype=float)


@case(lambda rng: vectors(rng, "f8"))
def any_and_all_of_generators(x):
    return any(v > 1 for v in x), all(v > -100 for v in x)


@case(lambda rng: vectors(rng, "f8", "i8"))
def running_maximum(x):
    out = x.copy()
    for i in range(1, len(out)):
        if out[i - 1] > out[i]:
            out[i] = out[i - 1]
    return out


@case(lambda rng: [(rough(rng, 8), 0.3), (rand(rng, 0), 0.5), (rand(rng, 1), 0.5)])
def iir_filter(x, a):
    y = np.zeros(len(x))
    for n in range(len(x)):
        y[n] = x[n] if n == 0 else a * y[n - 1] + x[n]
    return y


@case(lambda rng: vectors(rng, "i8", "f8", "u1"))
def insertion_sort(x):
    for i in range(1, len(x)):
        v = x[i]
        j = i - 1
        while j >= 0 and x[j] > v:
            x[j + 1] = x[j]
            j -= 1
        x[j + 1] = v
    return x


@case(lambda rng: vectors(rng, "i8", "f8"))
def bubble_sort_with_flag(x):
    swapped = True
    rounds = 0
    while swapped:
        swapped = False
        for i in range(len(x) - 1):
            if x[i] > x[i + 1]:
                x[i], x[i + 1] = x[i + 1], x[i]
                swapped = True
        rounds += 1
    return rounds


@case(lambda rng: [(np.sort(rand(rng, 9)), t) for t in (-100.0, 0.0, 100.0, 0.3)])
def binary_search(x, target):
    lo, hi = 0, len(x)
    while lo < hi:
        mid = (lo + hi) // 2
        if x[mid] < target:
            lo = mid + 1
        else:
            hi = mid
    return lo


@case(lambda rng: [(rand(rng, 5, "i8"), rand(rng, 4, "i8")), (rand(rng, 0, "i8"), rand(rng, 4, "i8"))])
def levenshtein(s, t):
    prev = np.arange(len(t) + 1)
    for i in range(len(s)):
        cur = np.zeros_like(prev)
        cur[0] = i + 1
        for j in range(len(t)):
            cost = 0 if s[i] == t[j] else 1
            cur[j + 1] = min(prev[j + 1] + 1, cur[j] + 1, prev[j] + cost)
        prev = cur
    return prev[-1]


@case(lambda rng: each(-2.0, 0.0, 0.3), rtol=1e-12)
def mandelbrot_point(re):
    c = complex(re, 0.25)
    z = 0j
    n = 0
    while abs(z) <= 2 and n < 50:
        z = z * z + c
        n += 1
    return n


@case(lambda rng: each(0, 1, 2, 25))
def two_names_carried_fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


@case(lambda rng: [Call(60), Call(91), Call(92).allowing(OverflowError), Call(100).allowing(OverflowError)])
def fibonacci_beyond_64_bits(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


@case(lambda rng: [(rand(rng, 4), 2), (rand(rng, 4), 5)])
def index_of_a_list_in_a_static_loop(x, k):
    weights = [1.0, 2.0, 4.0, 8.0]
    total = np.float64(0)
    for i in range(4):
        total = total + weights[i] * x[i] * k
    return total


@case(lambda rng: each(1.0, -1.0, 4.0))
def list_grown_in_a_static_loop(x):
    terms = []
    for i in range(5):
        terms.append(x * i)
    return terms


@case(lambda rng: each(0.5, 2.0))
def dict_filled_in_a_static_loop(x):
    table = {}
    for name in ("a", "b", "c"):
        table[name] = x
        x = x * 2
    return table
