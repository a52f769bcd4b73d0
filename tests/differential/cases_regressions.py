"""Programs that once went wrong, found by generated programs and made small."""

from __future__ import annotations

import os
from functools import partial

import numpy as np

from .inputs import rand
from .registry import REFUSED, scenario
from .registry import case as any_case

case = partial(any_case, rtol=0)


def shifted(rng, n=4):
    """Two arguments that overlap by all but one element."""
    base = rand(rng, n + 1)
    return base[:-1], base[1:]


@case(lambda rng: [(0, rand(rng, 4), rand(rng, 4)), (0, *shifted(rng)), (3, *shifted(rng))])
def returned_argument_that_overlaps_another(n, a, b):
    a[0] = n
    if (a > 0.5).any():
        if n > 1:
            return a + 0, b
    return a, a


@case(lambda rng: [(0, rand(rng, 4), rand(rng, 4)), (0, *shifted(rng)), (1, *shifted(rng))])
def choice_of_overlapping_arguments_in_a_loop(n, a, b):
    a /= 2
    for i in range(3):
        b = a if i < n else b
    return b


@case(lambda rng: [(0, np.zeros(0), np.zeros(0, int)), (0, np.zeros(4), np.zeros(4, int))], raises=IndexError)
def index_into_an_empty_array_after_returns_in_a_loop(n, a, c):
    for i in range(3):
        if n > i:
            return a, n, c[0]
        if (a > 0.5).any():
            return a, 1, c[0]
        a[0] = 1.0
    return a, n, c[0]


@case(lambda rng: [(0, rand(rng, (2, 3)), rand(rng, 3)), (2, rand(rng, (2, 3)), rand(rng, 3))], allow=REFUSED)
def row_of_a_loop_bound_to_an_outer_name(n, m, a):
    for i in range(n):
        for row in m:
            a = row
            a[0] += i
    return a, m


@case(lambda rng: [(0, rand(rng, (2, 3))), (3, rand(rng, (2, 3)))], allow=REFUSED)
def name_bound_to_a_view_in_each_turn(n, m):
    for i in range(n):
        m = m[:, ::-1]
        m[0, 0] += 1
    return m


@case(lambda rng: [(0, rand(rng, 5), rand(rng, 5)), (3, rand(rng, 5), rand(rng, 5)), (3, *shifted(rng))])
def two_names_of_one_array_after_a_turn(n, a, b):
    for i in range(n):
        a[i] += 1
        a = b
        b[0] -= 1
    return a, b


@case(lambda rng: [(0, rand(rng, 4)), (3, rand(rng, 4))])
def conditions_on_values_before_a_loop(n, a):
    k = 3
    while k > 0 and n > k:
        k -= 1
        a[k] = k
    return k


@case(lambda rng: [(rand(rng, 4),), (rand(rng, 3),), (rand(rng, 0),), (rand(rng, 1),)])
def overlapping_shift_in_a_loop_over_the_array(a):
    for _ in a:
        a[1:] = a[:-1]
    return a


@case(lambda rng: [(1, *shifted(rng)), (-1, *shifted(rng)), (1, rand(rng, 4), rand(rng, 4))])
def overlapping_arguments_swapped_in_an_arm(n, a, b):
    if n > 0:
        a[-1] -= 3.0 / n
    else:
        a, b = b, a
    return a, b[1:]


@case(lambda rng: [(m, m[1], k) for k in (0, 1) for m in (rand(rng, (2, 3)),)] + [(rand(rng, (2, 3)), rand(rng, 3), 1)])
def matrix_returned_early_beside_its_row(m, b, k):
    for v in b:
        if v * 0 + k > 0:
            return m, b[1:]
    m[:] = np.stack([m[1], m[0]])
    return m, b[:-1]


@case(lambda rng: [(rand(rng, (8, 8)), rand(rng, 8))])
def products_with_broadcast_numbers(a, b):
    return a @ np.zeros(8), np.ones_like(a) @ b, a @ np.full_like(b, b[0])


@case(lambda rng: [(np.asarray(rand(rng, (4, 4, 2)), order=order),) for order in "CF"])
def reshape_of_what_was_gathered(a):
    b = np.moveaxis(a[:, [0, 1]], 0, -1)
    flat = b.reshape(-1)
    b *= 2
    return b.sum(axis=0), flat


@any_case(allow=REFUSED, rtol=0, inputs=lambda rng: [(np.asarray(rand(rng, (4, 2)), order="F"),)])
def reshape_that_shares_memory_in_another_order(a):
    b = a + 1
    return b, b.T.reshape(-1)


@case(lambda rng: [(np.int64(2),), (np.uint8(0),), (np.int32(-1),)])
def sequences_repeated_by_numpy_integers(n):
    return [0] * n, n * [1, 2], (3,) * n


@case(lambda rng: [(1.0,), (-1.0,)], raises=NameError)
def name_that_one_branch_binds_read_in_a_nested_function(x):
    if x > 0:
        y = x * 2

    def g(z):
        return y + z

    return g(x), [y * k for k in range(3)]


@any_case(allow=REFUSED, rtol=0, inputs=lambda rng: [(np.zeros(4, ">f8"), 2), (np.zeros(4), 2)])
def byte_swapped_argument_that_overlaps_another(a, n):
    a[0] = 5
    return a[:n] + 1


@any_case(allow=REFUSED, rtol=0, inputs=lambda rng: [overlapping_bytes(4), overlapping_bytes(8)])
def misaligned_argument_that_overlaps_another(a, b):
    a[0] = 5
    return b + 1


def overlapping_bytes(offset):
    raw = np.zeros(40, np.uint8)
    return raw[:32].view(float), raw[offset : offset + 32].view(int)


@scenario()
def environment_variables_are_never_stale(jit):
    @jit
    def f(x):
        return x + len(os.environ["TRACEJIT_TEST_VARIABLE"])

    found = []
    for text in ("a", "abc", ""):
        os.environ["TRACEJIT_TEST_VARIABLE"] = text
        found.append(f(1))
    del os.environ["TRACEJIT_TEST_VARIABLE"]
    return found


def _rows_given(rng):
    m = rand(rng, (2, 4))
    return [(n, np.abs(rand(rng, 4)) + 1, m[1], m) for n in (0, 6, 8)]


@case(_rows_given)
def row_in_place_of_the_caller_s_own(n, a, b, m):
    a = b if n > 5 else a
    if a[0] > 0.5:
        if n > 7:
            return a, a
        for v in m:
            a += 1
            b = v if n < 7 else a
    return b, a


def _stop(n):
    if n % 2 == 0:
        raise ValueError("stop")


@case(lambda rng: [(n, rand(rng, 4), rand(rng, 4), {}) for n in (0, 1)], raises=ValueError)
def write_before_an_error_that_every_arm_raises(n, a, b, d):
    if n % 2 == 0:
        a[:] = b
        d["n"] = n
        _stop(len(a))
    else:
        _stop(len(a))
    return a


def _either_order(rng):
    return [(np.asarray(rand(rng, (2, 3)), order=order), n) for order in "CF" for n in (0, 2, 3)]


@any_case(allow=REFUSED, rtol=0, inputs=_either_order)
def reshape_of_a_carried_array_that_is_written(x, n):
    a = x + 0
    for k in range(n):
        b = a.reshape(-1)
        a[0, 0] += 1
        x[0, 0] += b[0]
        a = a.T.copy().T
    return a


@any_case(allow=REFUSED, rtol=0, inputs=_either_order)
def reshape_of_a_carried_array_whose_origin_is_written(x, n):
    a = x
    for k in range(n):
        b = a.reshape(-1)
        a[0, 0] += 1
        x[0, 1] = b[0]
        if k == 1:
            a = (a.T.copy()).T
    return a


@any_case(allow=REFUSED, rtol=0, inputs=_either_order)
def reshape_of_a_choice_whose_candidate_is_written(x, n):
    y = x.T.copy().T
    a = x if n < 3 else y
    b = a.reshape(-1)
    y[0, 0] = 9
    return a, b


@any_case(allow=REFUSED, rtol=0, inputs=_either_order)
def reshape_written_in_the_next_turn(x, n):
    a = x.T.copy().T
    if n > 2:
        a = x.copy()
    b = x.ravel() * 2
    for k in range(n):
        b[0] += 1
        x[0, 1] += a[0, 0]
        b = a.reshape(-1)
    return a, b


@any_case(allow=REFUSED, rtol=0, inputs=_either_order)
def array_written_in_the_turn_after_its_reshape(x, n):
    a = x.T.copy().T
    if n > 2:
        a = x.copy()
    b = x.ravel() * 2
    for k in range(n):
        a[0, 0] += 1
        x[0, 1] += b[0]
        b = a.reshape(-1)
    return a, b


@any_case(allow=REFUSED, rtol=0, inputs=_either_order)
def reshape_in_a_branch_written_after_it(x, n):
    a = x.T.copy().T
    if n > 2:
        a = x.copy()
    b = np.zeros(6)
    if n > 2:
        b = a.reshape(-1)
    b[0] = 7
    return a, b


@any_case(allow=REFUSED, rtol=0, inputs=_either_order)
def array_written_after_its_reshape_in_a_branch(x, n):
    a = x.T.copy().T
    if n > 2:
        a = x.copy()
    b = np.zeros(6)
    if n > 2:
        b = a.reshape(-1)
    a[0, 0] = 7
    return a, b


@any_case(allow=REFUSED, rtol=0, inputs=_either_order)
def reshape_in_a_loop_written_after_it(x, n):
    a = x.T.copy().T
    if n > 2:
        a = x.copy()
    b = np.zeros(6)
    for k in range(n):
        b = a.reshape(-1)
    b[0] = 7
    return a, b


@any_case(allow=REFUSED, rtol=0, inputs=_either_order)
def array_made_in_a_turn_written_after_its_reshape(x, n):
    b = np.zeros(6)
    a = np.zeros((2, 3))
    for k in range(n):
        a[0, 0] += 7
        x[0, 1] += b[0]
        a = (x + k).T.copy().T
        if n > 2:
            a = x.copy()
        b = a.reshape(-1)
    return a, b


@any_case(allow=REFUSED, rtol=0, inputs=_either_order)
def array_and_its_reshape_made_in_a_branch_and_written(x, n):
    b = np.zeros(6)
    a = np.zeros((2, 3))
    if n > 1:
        a = (x + 1).T.copy().T
        if n > 2:
            a = x.copy()
        b = a.reshape(-1)
    a[0, 0] += 1
    return a, b


@any_case(allow=REFUSED, rtol=0, inputs=_either_order)
def reshape_in_a_list_written_in_the_next_turn(x, n):
    a = x.T.copy().T
    if n > 2:
        a = x.copy()
    found = [np.zeros(6)]
    for k in range(n):
        found[0][0] += 1
        x[0, 1] += a[0, 0]
        found[0] = a.reshape(-1)
    return a, found[0]


@case(_either_order)
def array_written_when_its_reshape_is_dead(x, n):
    a = x.T.copy().T
    if n > 2:
        a = x.copy()
    s = 0.0
    for k in range(n):
        a[0, 0] += 1
        b = a.reshape(-1)
        s += b[k]
    return s, a


@case(_either_order)
def reshape_written_when_its_array_is_dead(x, n):
    s = 0.0
    b = np.zeros(6)
    for k in range(n):
        b[0] += 1
        a = (x + k).T.copy().T
        if n > 2:
            a = x.copy()
        b = a.reshape(-1)
    return b


@case(lambda rng: [(n, x, np.array(a)) for n in (0, 2) for x, a in ((1.0, [2.0, 1, 0, -1]), (0.5, [1.0, 0, 2, -2]))])
def view_returned_from_turns_in_an_arm(n, x, a):
    if a[0] == a.sum():
        a[a > x]
    elif n > n:
        n = n
    else:
        for _ in range(3):
            if n > 1:
                return a[::-1], n
    return a, n


@case(lambda rng: [(n, rand(rng, 5), rand(rng, 5)) for n in (0, 7, 99)])
def choices_between_choices(n, x, y):
    for k in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24):
        if n % k > 2:
            x, y = y, x
    x[0] += y.sum()
    for _ in range(n % 5):
        x, y = y, x
        y[1] += x[0]
    return x, y
