"""Writes through views, into overlapping regions, in arms and loops; copies that break the link."""

from __future__ import annotations

from functools import partial

import numpy as np

from .inputs import each, edge, fortran, layouts, matrices, padded, rand, strided, vectors
from .registry import REFUSED
from .registry import case as any_case

case = partial(any_case, rtol=0)


@case(lambda rng: vectors(rng, "f8", "i4"))
def write_through_a_slice_view(x):
    v = x[1:-1]
    v[:] = 0
    v += 1
    return x.sum()


@case(lambda rng: matrices(rng, "f8"))
def write_through_a_row(a):
    for i in range(a.shape[0]):
        row = a[i]
        row[:] = i
    return a


@case(lambda rng: [(rand(rng, (4, 5)),), (fortran(rand(rng, (4, 5))),), (padded(rand(rng, (4, 5))),)])
def write_through_a_transpose(a):
    t = a.T
    t[0] = 1.0
    t[1:3, ::2] += 2.0
    return t


@case(lambda rng: [(rand(rng, (4, 6)),), (rand(rng, (2, 3)),)])
def write_through_a_reshape_that_is_a_view(a):
    flat = a.reshape(-1)
    flat[::2] = 9.0
    b = a.reshape(2, -1)
    b[1] -= 1
    return flat


@case(
    lambda rng: each(strided(rand(rng, (4, 6))), fortran(rand(rng, (4, 6))), rand(rng, (4, 6)).T),
    allow=REFUSED,
)
def write_into_a_reshape_that_may_be_a_copy(a):
    flat = a.reshape(-1)
    flat[:] = 0.0
    return flat


@case(lambda rng: vectors(rng, "f8"))
def write_through_a_view_of_a_view(x):
    v = x[::2][1:][::-1]
    v[...] = np.arange(len(v))
    w = v[1:]
    w *= 10
    return v


@case(lambda rng: each(rand(rng, 6), rand(rng, 3)))
def write_through_a_flipped_view(x):
    r = x[::-1]
    r[0] = 100.0
    r[1:] += x[0]
    return r


@case(lambda rng: each(rand(rng, 4), rand(rng, (2, 3)), np.array(3.0)))
def copy_breaks_the_link(x):
    y = x.copy()
    y += 1
    z = np.array(x)
    z *= 2
    w = np.copy(x)
    w[...] = 0
    return y, z, w


@case(lambda rng: each(rand(rng, 4), rand(rng, 4, "f4"), rand(rng, 4, "i8")))
def asarray_and_astype_links(x):
    y = np.asarray(x)
    y[0] = 50
    z = x.astype(x.dtype)
    z[1] = 60
    w = x.astype(x.dtype, copy=False)
    w[2] = 70
    return y, z, w


@case(lambda rng: [(rand(rng, 5), 1.0), (rand(rng, 5), -1.0)])
def write_in_one_arm(x, c):
    if c > 0:
        x[0] = 99.0
    return x


@case(lambda rng: [(rand(rng, 5), 1.0), (rand(rng, 5), -1.0)])
def write_in_both_arms(x, c):
    if c > 0:
        x[0] = 99.0
        x[1:3] = 1.0
    else:
        x[-1] = 77.0
    return x + 0


@case(lambda rng: [(rand(rng, 5), n) for n in (0, 1, 4)])
def write_in_a_while(x, n):
    while n > 0:
        x[n] += x[n - 1]
        n -= 1
    return x


@case(lambda rng: [(np.zeros(4), i) for i in (3, 4, 10)], raises=IndexError)
def partial_writes_are_visible_after_an_exception(x, n):
    for i in range(n):
        x[i] = i + 1
    return x


@case(lambda rng: [(rand(rng, 8),), (rand(rng, 2),), (rand(rng, 0),)])
def overlapping_shift_right(x):
    x[1:] = x[:-1]
    return x


@case(lambda rng: [(rand(rng, 8),), (rand(rng, 2),), (rand(rng, 0),)])
def overlapping_shift_left_and_add(x):
    x[:-1] += x[1:]
    return x


@case(lambda rng: [(rand(rng, 8),), (rand(rng, 1),), (rand(rng, (4, 4)),)])
def overlapping_reverse(x):
    x[:] = x[::-1]
    return x


@case(lambda rng: each(rand(rng, (4, 4)), padded(rand(rng, (3, 3))), fortran(rand(rng, (5, 5)))))
def overlapping_transpose(a):
    a += a.T
    a[:] = a.T * 2
    return a


@case(lambda rng: each(rand(rng, 6), rand(rng, 6, "i8")))
def swap_elements_and_slices(x):
    x[0], x[1] = x[1], x[0]
    x[2:4], x[4:6] = x[4:6].copy(), x[2:4].copy()
    return x


@case(lambda rng: each(rand(rng, 6)))
def swap_slices_without_copies(x):
    x[:3], x[3:] = x[3:], x[:3]
    return x


@case(lambda rng: each(edge("f8"), edge("f4"), edge("f2")))
def in_place_on_edge_values(x):
    x *= 2
    x -= x
    return x


@case(lambda rng: each(*layouts(rand(rng, (3, 4)))))
def in_place_in_every_layout(a):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] = a[i, j] * 2 + i - j
    return a


@case(lambda rng: each(np.array(2.5), np.array(3), np.zeros((1,))))
def write_into_a_0d_array(x):
    x[...] = 4
    x += 1
    return x


@case(lambda rng: [(rand(rng, 5),), (rand(rng, 3),)])
def locally_made_arrays_do_not_leak(x):
    buffer = np.zeros(4)
    buffer[1] = x[0]
    buffer[2:] = x[1:3]
    other = buffer
    other[0] = -1.0
    return buffer


@case(lambda rng: each(rand(rng, (3, 4)), rand(rng, (2, 2))))
def flat_and_ravel(a):
    r = a.ravel()
    r[0] = 5.0
    f = a.flatten()
    f[1] = 6.0
    return r, f
