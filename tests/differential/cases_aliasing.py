"""Which objects are the same, which share memory: names, arguments, results, choices between arrays."""

from __future__ import annotations

from functools import partial

import numpy as np

from .inputs import each, fortran, matrices, rand, strided, vectors
from .registry import case as any_case

case = partial(any_case, rtol=0)


def same(x, *rest):
    """Arguments with one array given twice."""
    return (x, x, *rest)


def halves(x):
    """Two overlapping views of one array."""
    return x[:-2], x[2:]


@case(lambda rng: vectors(rng, "f8", "i4"))
def returns_its_argument(x):
    return x


@case(lambda rng: each(rand(rng, 4), 2.5, 3, True, None, "text", (1, 2.0), [1, 2], {"a": 1}, 1j))
def returns_any_argument(x):
    return x


@case(lambda rng: [(rand(rng, 4), rand(rng, 3)), same(rand(rng, 4))])
def returns_arguments_in_a_tuple(x, y):
    return y, x, x


@case(lambda rng: vectors(rng, "f8"))
def returns_the_same_new_array_twice(x):
    y = x + 1
    return y, y


@case(lambda rng: matrices(rng, "f8"))
def returns_views_of_its_argument(a):
    return a[1:], a.T, a[:, ::2], a[::-1]


@case(lambda rng: matrices(rng, "f8"))
def returns_an_array_and_its_view(a):
    b = a * 2
    return b, b[1:], b.T


@case(lambda rng: matrices(rng, "f8"))
def returns_only_a_view_of_a_new_array(a):
    b = a + 1
    return b[:, 1:]


@case(lambda rng: [same(rand(rng, 5)), (rand(rng, 5), rand(rng, 5)), same(strided(rand(rng, 5)))])
def one_array_given_twice(x, y):
    x[0] = 10.0
    y[1] = x[0] + y[0]
    return x, y


@case(lambda rng: [same(rand(rng, 5)), (rand(rng, 5), rand(rng, 5)), same(rand(rng, 5), 3.0)[:2]])
def reads_after_writes_through_two_arguments(x, y):
    for i in range(len(x) - 1):
        x[i + 1] = y[i] * 2
    return x.sum() + y[0]


@case(
    lambda rng: [
        halves(rand(rng, 8)),
        (rand(rng, 6), rand(rng, 6)),
        halves(rand(rng, 3)),
        halves(strided(rand(rng, 8))),
    ]
)
def overlapping_arguments(x, y):
    x[:] = y * 2
    y += 1
    return x, y


@case(lambda rng: [halves(rand(rng, 8)), (rand(rng, 6), rand(rng, 6)), halves(rand(rng, 12))])
def overlapping_arguments_in_a_loop(x, y):
    for i in range(len(x)):
        y[i] = x[i] + 1
    return None


@case(lambda rng: [(b, b[1]) for b in (rand(rng, (3, 4)), fortran(rand(rng, (3, 4))))])
def a_matrix_and_its_row(a, row):
    row[:] = 0.0
    a[0] += 1.0
    a[1, 2] = 5.0
    return row[2]


@case(lambda rng: [(b, b.T) for b in (rand(rng, (3, 3)), rand(rng, (2, 4)))])
def a_matrix_and_its_transpose(a, t):
    a[0, 1] = 7.0
    t[0, 0] = t[1, 0] + 1
    return a, t


@case(lambda rng: [(b[::2], b[1::2]) for b in (rand(rng, 6), rand(rng, 8))])
def interleaved_arguments_do_not_overlap(even, odd):
    even += odd
    odd *= 2
    return even, odd


@case(lambda rng: each(rand(rng, 4), np.array(1.0), np.float64(1.0), 1.0, 1, np.int32(3), np.ones((2, 2))))
def alias_then_augmented_assignment(x):
    y = x
    y += 1
    return x, y


@case(lambda rng: each(rand(rng, 4), np.array(1.0)))
def alias_then_rebinding(x):
    y = x
    y = y + 1
    x *= 2
    return x, y


@case(lambda rng: [(rand(rng, 4), rand(rng, 4), c) for c in (1.0, -1.0)])
def store_after_a_choice_by_ternary(a, b, c):
    t = a if c > 0 else b
    t[0] = 100.0
    return a.sum() - b.sum()


@case(lambda rng: [(rand(rng, 4), rand(rng, 4), c) for c in (1.0, -1.0)])
def store_after_a_choice_by_if(a, b, c):
    if c > 0:
        t = a
    else:
        t = b
    t += 1
    t[1:3] = 0
    return t


@case(lambda rng: [(rand(rng, 4), rand(rng, 4), c) for c in (1.0, -1.0)])
def choice_is_returned(a, b, c):
    return (a if c > 0 else b), a


@case(lambda rng: [(rand(rng, 4), c) for c in (1.0, -1.0)])
def choice_between_an_argument_and_a_new_array(a, c):
    t = a if c > 0 else np.zeros(4)
    t[0] = 5.0
    return t


@case(lambda rng: [(rand(rng, 6), c) for c in (1.0, -1.0)])
def choice_between_views_of_one_array(a, c):
    t = a[:3] if c > 0 else a[3:]
    t[:] = 0.0
    return a


@case(lambda rng: [(rand(rng, 4), rand(rng, 4), rand(rng, 4), k) for k in (0, 1, 2, 5)])
def choice_among_three(a, b, c, k):
    if k == 0:
        t = a
    elif k == 1:
        t = b
    else:
        t = c
    t[k % 4] = -1.0
    b[0] += t[0]
    return t[1]


@case(lambda rng: [(rand(rng, 4), rand(rng, 4), n) for n in (0, 1, 4)])
def choice_made_in_a_loop(a, b, n):
    for i in range(n):
        t = a if i % 2 == 0 else b
        t[i] = 10.0 * i
    return a, b


@case(lambda rng: [(rand(rng, 4), rand(rng, 4), n) for n in (0, 3)])
def choice_carried_by_a_loop(a, b, n):
    t = a
    for i in range(n):
        t[0] += 1
        if t[0] > 0:
            t = b
    return t


@case(lambda rng: each(rand(rng, 4), np.array(2.0)))
def is_comparisons(x):
    y = x
    z = x[...]
    w = x.copy()
    return x is y, x is z, x is w, y is not x, x is None


@case(lambda rng: [(rand(rng, 3), rand(rng, 3)), same(rand(rng, 3))])
def is_comparison_of_arguments(a, b):
    if a is b:
        return a * 2
    return a + b


@case(lambda rng: [([rand(rng, 3), rand(rng, 3)], 1.0)])
def writes_into_arrays_in_a_list(arrays, v):
    for a in arrays:
        a[0] = v
    arrays[1] += 1
    return arrays[0]


@case(lambda rng: [({"w": rand(rng, 3), "b": np.array([0.5])},), ({"w": rand(rng, 5), "b": np.array([0.5])},)])
def writes_into_arrays_in_a_dict(params):
    params["w"] *= 0.9
    params["b"][0] -= 1
    return params


@case(lambda rng: [([x, x],) for x in (rand(rng, 3), rand(rng, 4))] + [([rand(rng, 3), rand(rng, 3)],)])
def one_array_twice_in_a_list(pair):
    pair[0][0] = 1.0
    pair[1][0] += 1.0
    return pair[0] + pair[1]


@case(lambda rng: matrices(rng, "f8")[:5])
def view_taken_before_a_write(a):
    v = a[0]
    a[0, 0] = 42.0
    a *= 2
    return v + 0, v


@case(lambda rng: vectors(rng, "f8")[:3])
def value_taken_before_a_write(x):
    s = x[0]
    row = x[1:3] + 0
    x[0] = 42.0
    x[1] = 43.0
    return s, row


@case(lambda rng: each(rand(rng, (2, 3)), fortran(rand(rng, (2, 3)))))
def views_made_by_functions(a):
    return np.transpose(a), np.reshape(a, (3, 2)), a.ravel(), a[None]


@case(lambda rng: each(rand(rng, 4), rand(rng, (2, 2))))
def conversions_that_return_their_argument(x):
    return np.asarray(x), x.astype(float, copy=False), x.reshape(x.shape)


@case(lambda rng: each(rand(rng, 4), rand(rng, (3, 2))))
def arithmetic_never_returns_its_argument(x):
    return x + 0, x * 1, +x, x.copy(), np.abs(np.abs(x)), np.where(True, x, x)


@case(lambda rng: each(rand(rng, 3), rand(rng, (2, 3))))
def broadcast_to_is_a_read_only_view(x):
    return np.broadcast_to(x, (2, *x.shape))


@case(lambda rng: each(rand(rng, 4)), raises=ValueError)
def writing_into_broadcast_to_is_an_error(x):
    y = np.broadcast_to(x, (3, 4))
    y[0] = 1.0
    return y


@case(lambda rng: each(np.arange(4.0) + 1j, rand(rng, (2, 2), "c8")))
def real_and_imaginary_parts_are_views(z):
    z.real[0] = 5.0
    z.imag += 1.0
    return z.real, z.imag


@case(lambda rng: [(rand(rng, 4), rand(rng, 4), n) for n in (0, 1, 2, 3)])
def double_buffer_returned(a, b, n):
    src, dst = a, b
    for _ in range(n):
        dst[:] = src * 0.5
        src, dst = dst, src
    return src


@case(lambda rng: each((rand(rng, 3), rand(rng, 3)), (rand(rng, 4), rand(rng, 4))))
def swapped_arguments_in_a_result(pair):
    a, b = pair
    a, b = b, a
    a[0] = 0.0
    return a, b
