"""Which results are one object: views too, and arrays that are one of several."""

import numpy as np

from .registry import case


def both(rng):
    return [(np.arange(6.0), c) for c in (0, 1, 2, 3)]


def two(rng):
    return [(np.arange(9.0), np.zeros(9), n) for n in (0, 1, 2, 3, 5)]


@case(both)
def a_view_returned_twice(a, c):
    v = a[1:]
    return v, [v], {"v": v, "other": a[1:]}


@case(both)
def a_view_with_several_steps_returned_twice(a, c):
    v = a.reshape(2, -1)[::-1].T
    return (v, (v if c else None)), [v if c > 1 else a]


@case(both)
def one_of_two_views(a, c):
    v, w = a[1:], a[2:]
    r = v if c else w
    return v, w, r, r, r is v, r is w, r is not a


@case(both)
def one_of_two_views_in_containers(a, c):
    v, w = a[1:], a[2:]
    r = v if c else w
    return {"p": v if c > 1 else None, "q": r, "s": [r, w] if c else (w, r)}


@case(both)
def views_exchanged_in_a_loop(a, c):
    v, w, r = a[1:], a[2:], a
    for _ in range(c):
        r = v
        v = w
        w = r
    return v, w, r


@case(both)
def array_or_a_view_of_it(a, c):
    v = a
    for _ in range(c):
        v = v[1:]
    return v, a, v is a


@case(two)
def asked_which_array_it_is_in_a_loop(a, b, n):
    first, k = a, 0
    for _ in range(n):
        if a is first:
            k += 1
        a, b = b, a
    return k, a, b


@case(two)
def asked_which_array_it_is_in_a_loop_that_writes(a, b, n):
    first, k = a, 0
    for i in range(n):
        if a is first:
            k += 1
        a[i] += 1
        a, b = b, a
    return k, a, b


@case(two)
def asked_whether_it_is_still_the_same_array(a, b, n):
    first, k = a, 0
    for _ in range(n):
        if a is first:
            k += 1
        a = a + 1
    return k, a, b


@case(lambda rng: [(x, x[1:], n) for x in (np.arange(6.0),) for n in (0, 1, 2)])
def overlapping_arguments_in_arms(a, b, n):
    a[0] = n
    c = a if n > 1 else b
    d = b if n > 0 else a
    c[1] += 1
    return c, d, c is d, c is a, [a, b]
