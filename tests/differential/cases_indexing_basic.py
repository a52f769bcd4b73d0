"""Integers, slices with static, traced and loop-dependent bounds and steps, Ellipsis, None, and mixtures."""

from __future__ import annotations

from functools import partial

import numpy as np

from .inputs import each, fortran, matrices, padded, rand, strided, vectors
from .registry import case as any_case

case = partial(any_case, rtol=0)


@case(lambda rng: [(rand(rng, 5), i) for i in (0, 4, -1, -5)])
def get_item(x, i):
    return x[i]


@case(lambda rng: [(rand(rng, 5), i) for i in (5, -6, 0, 2**40, -(2**40))], raises=IndexError)
def get_item_out_of_bounds(x, i):
    return x[i]


@case(
    lambda rng: [
        (rand(rng, 5), np.int64(3)),
        (rand(rng, 5), np.int8(-1)),
        (rand(rng, 5), np.uint8(2)),
        (rand(rng, 5), np.array(1)),
    ]
)
def get_item_with_numpy_integers(x, i):
    return x[i]


@case(
    lambda rng: [(rand(rng, 5), 1.0), (rand(rng, 5), np.float64(2)), (rand(rng, 5), "1")],
    raises=IndexError,
    messages=False,
)
def get_item_with_a_float_is_an_error(x, i):
    return x[i]


@case(lambda rng: [(rand(rng, 5), True), (rand(rng, 5), False)])
def get_item_with_a_python_bool_adds_an_axis(x, i):
    return x[i]


@case(lambda rng: matrices(rng, "f8", "f4", "i4")[:5] + matrices(rng, "f8", "f4", "i4")[-2:])
def constant_indices(a):
    return a[0, 0], a[-1, -1], a[1], a[-2], a[1][1]


@case(
    lambda rng: [(rand(rng, (3, 4)), i, j) for i, j in ((0, 0), (2, 3), (-3, -4), (3, 0), (0, 4), (-4, 0), (0, -5))],
    raises=IndexError,
)
def two_indices(a, i, j):
    return a[i, j]


@case(lambda rng: [(rand(rng, (3, 4)), 2, 1), (rand(rng, 5), 1, 1), (rand(rng, (2, 2, 2)), 0, 1)], raises=IndexError)
def too_many_indices(a, i, j):
    return a[i, j]


@case(lambda rng: [(rand(rng, (3, 4)), i) for i in (0, 2, -3)])
def row_by_an_argument(a, i):
    return a[i], a[:, i], a[i, 1:], a[::-1, i]


@case(lambda rng: vectors(rng, "f8", "f4", "i8", "c16"))
def constant_slices(x):
    return x[1:], x[:-1], x[::2], x[::-1], x[1:4], x[-3:], x[:], x[4:1], x[100:], x[-100:2]


@case(lambda rng: vectors(rng, "f8")[:3])
def slices_with_negative_steps(x):
    return x[::-2], x[5:1:-1], x[:2:-1], x[3::-1], x[-1:-4:-1], x[1:5:-1], x[100::-3]


@case(
    lambda rng: [
        (rand(rng, 9), i, j) for i, j in ((0, 9), (2, 5), (5, 2), (-4, -1), (-100, 100), (9, 9), (3, -3), (0, 0))
    ]
)
def slice_with_bounds_from_arguments(x, i, j):
    return x[i:j]


@case(
    lambda rng: [
        (rand(rng, 9), i, j, s) for i, j, s in ((0, 9, 2), (8, 0, -3), (-1, -100, -1), (1, 8, 3), (5, 5, 1), (0, 9, 50))
    ]
)
def slice_with_a_step_from_an_argument(x, i, j, s):
    return x[i:j:s], x[::s], x[:j:s], x[i::s]


@case(lambda rng: [(rand(rng, 4), 0), (rand(rng, 4), 2)], raises=ValueError)
def slice_with_step_zero(x, s):
    return x[::s]


@case(lambda rng: [(rand(rng, 9), 2.0), (rand(rng, 9), 2)], raises=TypeError)
def slice_with_a_float_bound(x, i):
    return x[i:]


@case(lambda rng: [(rand(rng, 9), n) for n in (0, 1, 9, 12)])
def slice_results_have_run_time_lengths(x, n):
    head = x[:n]
    tail = x[n:]
    return head.shape[0], len(tail), head.sum() * 0 + tail.size, (head * 2)


@case(lambda rng: matrices(rng, "f8", "i4"), raises=IndexError)
def slices_of_matrices(a):
    return a[1:, :-1], a[::2, 1], a[0:1], a[:, None, 1:], a[-1, ::-1]


@case(
    lambda rng: each(
        rand(rng, (2, 3, 4)), fortran(rand(rng, (2, 3, 4))), padded(rand(rng, (3, 3, 3))), rand(rng, (1, 1, 1))
    )
)
def ellipsis_and_newaxis(a):
    return a[..., 0], a[0, ...], a[..., None], a[None], a[:, None, ..., 0], a[0, ..., 0], a[..., 0, 0, 0], a[...]


@case(lambda rng: each(np.array(2.5), np.array(3), np.float64(2.5), np.int32(3)))
def indexing_0d(x):
    return x[()], x[...], x[None], x[..., None]


@case(lambda rng: each(np.array(2.5), np.array([1.0])), raises=IndexError)
def indexing_0d_with_an_integer(x):
    return x[0]


@case(lambda rng: [(rand(rng, (3, 4, 5)), 1, 2), (rand(rng, (3, 4, 5)), -1, 0)])
def integers_and_slices_mixed(a, i, n):
    return a[i, n:], a[:, i, :n], a[i, :, i], a[n:, i, ::2], a[..., i, n:]


@case(lambda rng: [(rand(rng, 6), n) for n in (0, 1, 6)])
def loop_dependent_indices(x, n):
    total = np.float64(0)
    for i in range(n):
        total = total + x[i] * x[-1 - i] - x[i // 2]
    return total


@case(lambda rng: [(rand(rng, 6), n) for n in (5, 6, 7, 0)], raises=IndexError)
def loop_index_leaves_the_array(x, n):
    total = np.float64(0)
    for i in range(n):
        total = total + x[i]
    return total


@case(lambda rng: [(rand(rng, 6), n) for n in (1, 6, 7)], raises=IndexError)
def loop_store_leaves_the_array(x, n):
    for i in range(n):
        x[i] = 2.0 * i
    return x


@case(lambda rng: [(rand(rng, 6), n) for n in (6, 7)], raises=IndexError)
def negative_loop_index_leaves_the_array(x, n):
    count = 0
    for i in range(1, n + 1):
        if x[-i] > 0:
            count += 1
    return count


@case(lambda rng: each(rand(rng, 7), rand(rng, 1), rand(rng, 0)))
def neighbours_with_wraparound(x):
    out = np.empty_like(x)
    for i in range(len(x)):
        out[i] = x[i - 1] + x[(i + 1) % len(x)]
    return out


@case(lambda rng: [(rand(rng, (5, 5)), k) for k in (0, 2, 5)])
def loop_dependent_blocks(a, k):
    out = np.zeros(5)
    for i in range(k):
        out[i:] += a[i, i:]
        out[:i] -= a[:i, i]
    return out


@case(lambda rng: [(rand(rng, (6, 6)), b) for b in (1, 2, 3)])
def blocks_by_a_step_from_an_argument(a, b):
    total = 0.0
    for i in range(0, 6, b):
        for j in range(0, 6, b):
            total = total + a[i : i + b, j : j + b].max()
    return total


@case(lambda rng: [(rand(rng, 8), i) for i in (0, 7, 3)])
def a_slice_object(x, i):
    s = slice(i, None, 2)
    t = (slice(None), None)
    return x[s], x[t], x[slice(1, 3)]


@case(lambda rng: [(rand(rng, (3, 4)), (1, 2)), (rand(rng, (3, 4)), (0, -1))])
def a_tuple_as_an_index(a, index):
    i, j = index
    return a[index], a[(i, j)], a[(i,)]


@case(lambda rng: vectors(rng, "f8"), raises=IndexError)
def constant_index_out_of_bounds(x):
    return x[7]


@case(lambda rng: [(rand(rng, 5), -1.0), (rand(rng, 5), 1.0), (rand(rng, 9), 1.0)], raises=IndexError)
def constant_index_out_of_bounds_in_an_arm(t, c):
    if c > 0:
        return t[7]
    return t[0]


@case(lambda rng: [(rand(rng, 5), -1.0), (rand(rng, 5), 1.0)])
def out_of_bounds_in_an_arm_never_taken(t, c):
    y = t[0]
    if c > 1e9:
        y = t[7]
    elif c * 0 != 0:
        y = t[-8] + t[5]
    return y


@case(lambda rng: each(rand(rng, 8), rand(rng, 3), rand(rng, 0)))
def guarded_index_in_a_loop(x):
    total = np.float64(0)
    for i in range(len(x)):
        if i + 1 < len(x):
            total = total + x[i + 1]
        if i >= 2 and x[i - 2] > 0:
            total = total - x[i - 2]
    return total


@case(
    lambda rng: each(
        *(rand(rng, 4, d) for d in ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"))
    )
)
def elements_of_every_dtype(x):
    y = np.zeros_like(x)
    y[0] = x[1]
    y[1:3] = x[2:4]
    return x[0], y, x[::-1]


@case(lambda rng: each(strided(rand(rng, 6)), rand(rng, (3, 6))[:, 2], rand(rng, 6)[::-1]))
def strided_arguments(x):
    s = np.float64(0)
    for i in range(len(x)):
        s = s * 0.5 + x[i]
    return s, x[1:3], x[::2]


@case(lambda rng: each([3.0, 1.0, 2.0], [5, 6, 7]))
def static_index_of_a_list(values):
    return values[0] + values[-1], values[1:], len(values)


@case(lambda rng: [((1.0, 2.0, 3.0), rand(rng, 4))])
def static_index_of_a_tuple(values, x):
    return values[0] * x[0] + values[-1] * x[-1]


TABLE = np.array([10.0, 20.0, 30.0, 40.0])


@case(lambda rng: each(0, 3, -1, 4), raises=IndexError)
def captured_table_with_a_traced_index(i):
    return TABLE[i] * 2


@case(lambda rng: [(rand(rng, (3, 4)),), (rand(rng, (1, 2)),)])
def shape_size_ndim_and_len(a):
    return a.shape, a.size, a.ndim, len(a), a.dtype, a.T.shape, a[0].shape, a.nbytes, a.itemsize


@case(lambda rng: each(rand(rng, 5), rand(rng, 5, "i4"), rand(rng, 2, "c16")))
def item_and_tolist(x):
    return x.item(0), x[1].item(), x.tolist()


@case(lambda rng: [(rand(rng, 6), 2), (rand(rng, 6), -2), (rand(rng, 6), 0)])
def diagonal_walk(x, k):
    a = np.zeros((6, 6))
    for i in range(6):
        j = i + k
        if 0 <= j < 6:
            a[i, j] = x[i]
    return a


@case(lambda rng: [(rand(rng, 9), n) for n in (0, 1, 4)])
def loop_dependent_steps(x, n):
    out = np.zeros(9)
    for i in range(n):
        out[:: i + 1] += 1
        out[i] = x[:: i + 2].size
    return out
