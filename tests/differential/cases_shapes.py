"""Making, reshaping and joining arrays; matmul and dot."""

from __future__ import annotations

from functools import partial

import numpy as np

from .inputs import each, fortran, padded, rand, strided
from .registry import case

exact = partial(case, rtol=0)
blas = partial(case, rtol=1e-5, atol=1e-12)


@exact(lambda rng: each(0, 1, 5))
def zeros_ones_full_of_a_length(n):
    return (
        np.zeros(n),
        np.ones(n),
        np.full(n, 2.5),
        np.full(n, 3),
        np.zeros((n, 2), dtype=np.int32),
        np.ones((2, n), "f4"),
    )


@exact(lambda rng: each(-1, 2), raises=ValueError)
def zeros_of_a_negative_length(n):
    return np.zeros(n)


@exact(lambda rng: [(3, 2.5), (2, 7), (2, np.float32(1.5)), (0, True)])
def full_takes_the_kind_of_the_value(n, v):
    return np.full(n, v), np.full((n, 2), v, dtype="f4"), np.array([v, v]), np.array([[v], [v]])


@exact(
    lambda rng: each(*(rand(rng, (2, 3), d) for d in ("f8", "f4", "i2", "?", "c8")), fortran(rand(rng, (3, 4)))),
)
def like_functions(a):
    e = np.empty_like(a)
    e[...] = 1
    return np.zeros_like(a), np.ones_like(a), np.full_like(a, 1), np.zeros_like(a, dtype=int), e


@exact(lambda rng: [(0,), (5,), (5.5,), (-3,), (np.int32(4),)])
def arange_of_one(n):
    return np.arange(n)


@exact(lambda rng: [(2, 7), (2.0, 7), (7, 2), (-1.5, 1.75), (3, 3)])
def arange_of_two(a, b):
    return np.arange(a, b)


@exact(lambda rng: [(0, 10, 3), (10, 0, -2), (0, 1, 0.25), (1.0, 0.0, -0.3), (0, 10, -1), (0.1, 0.7, 0.2)])
def arange_with_a_step(a, b, s):
    return np.arange(a, b, s), np.arange(a, b, s, dtype="f4")


@exact(lambda rng: each(0, 3))
def arange_with_a_dtype(n):
    return np.arange(n, dtype="f8"), np.arange(n, dtype=np.int16), np.arange(1, n + 1) * 2


@exact(
    lambda rng: each(
        rand(rng, 6), rand(rng, (2, 3)), rand(rng, (3, 2)).T, fortran(rand(rng, (2, 3))), padded(rand(rng, (2, 3)))
    )
)
def reshape(a):
    return (
        a.reshape(3, 2),
        a.reshape((2, 3)),
        a.reshape(-1),
        np.reshape(a, (1, -1)),
        a.reshape(6, 1),
        a.reshape(1, 6, 1),
    )


@exact(lambda rng: each(rand(rng, 6), rand(rng, 5)), raises=ValueError)
def reshape_to_the_wrong_size(a):
    return a.reshape(2, 3)


@exact(lambda rng: each(rand(rng, (2, 3, 4)), fortran(rand(rng, (2, 3, 4))), rand(rng, (0, 1, 2))))
def transposes(a):
    return (
        a.T,
        a.transpose(1, 0, 2),
        np.transpose(a, (2, 0, 1)),
        a.transpose(),
    )


@exact(
    lambda rng: [
        (rand(rng, 3), rand(rng, 2)),
        (rand(rng, 0), rand(rng, 2)),
        (rand(rng, 3, "f4"), rand(rng, 2, "i4")),
        (strided(rand(rng, 3)), rand(rng, 1)),
    ]
)
def concatenate_vectors(x, y):
    return np.concatenate([x, y]), np.concatenate((y, x, y)), np.concatenate([x])


@exact(lambda rng: [(rand(rng, (2, 3)), rand(rng, (4, 3))), (fortran(rand(rng, (2, 3))), rand(rng, (0, 3)))])
def concatenate_matrices(a, b):
    return (
        np.concatenate([a, b], axis=0),
        np.concatenate([a.T, b.T], axis=1),
        np.concatenate([a, b], axis=None),
    )


@exact(lambda rng: [(rand(rng, (2, 3)), rand(rng, (2, 3))), (rand(rng, (2, 3)), rand(rng, (2, 4)))], raises=ValueError)
def concatenate_mismatched(a, b):
    return np.concatenate([a, b])


@exact(
    lambda rng: [
        (rand(rng, 3), rand(rng, 3)),
        (rand(rng, (2, 2)), rand(rng, (2, 2), "i4")),
        (2.5, np.float64(1)),
        (rand(rng, 0), rand(rng, 0)),
    ]
)
def stack(x, y):
    return np.stack([x, y]), np.stack((y, x), axis=-1), np.array([x, y])


@exact(lambda rng: [(rand(rng, 3), rand(rng, 3)), (rand(rng, 3), rand(rng, 4))], raises=ValueError)
def stack_mismatched(x, y):
    return np.stack([x, y])


@exact(lambda rng: each(rand(rng, 4), rand(rng, (2, 3)), np.array(1.5)))
def broadcast_to(x):
    return np.broadcast_to(x, (2, *x.shape)), np.broadcast_to(x, x.shape)


@exact(
    lambda rng: each(
        *(rand(rng, (3, 4), d) for d in ("f8", "f4", "i4")), fortran(rand(rng, (3, 4))), rand(rng, (3, 8))[:, ::2]
    ),
)
def copies_of_every_layout(a):
    return a.copy(), np.copy(a), a.astype("f8"), np.array(a), a + 1


@blas(
    lambda rng: [
        (rand(rng, 5), rand(rng, 5)),
        (rand(rng, 0), rand(rng, 0)),
        (rand(rng, 5, "f4"), rand(rng, 5, "f4")),
        (strided(rand(rng, 5)), rand(rng, 5)[::-1]),
        (rand(rng, 4, "c16"), rand(rng, 4, "c16")),
    ]
)
def dot_of_vectors(x, y):
    return x @ y, np.dot(x, y), x.dot(y)


@blas(
    lambda rng: [
        (rand(rng, (3, 4)), rand(rng, (4, 2))),
        (fortran(rand(rng, (3, 4))), rand(rng, (2, 4)).T),
        (rand(rng, (3, 4), "f4"), rand(rng, (4, 2), "f4")),
        (padded(rand(rng, (3, 4))), strided(rand(rng, (4, 2)))),
        (rand(rng, (0, 4)), rand(rng, (4, 2))),
        (rand(rng, (3, 0)), rand(rng, (0, 2))),
        (rand(rng, (2, 2), "c16"), rand(rng, (2, 2), "c16")),
        (rand(rng, (3, 4)), rand(rng, (4, 2), "f4")),
    ]
)
def matmul(a, b):
    return a @ b, np.matmul(a, b), np.dot(a, b), a.dot(b)


@exact(
    lambda rng: [
        (rand(rng, (3, 4), "i8"), rand(rng, (4, 2), "i8")),
        (rand(rng, (2, 2), "i1"), rand(rng, (2, 2), "i1")),
        (rand(rng, (2, 2), "?"), rand(rng, (2, 2), "?")),
        (rand(rng, (2, 3), "i4"), rand(rng, 3, "i8")),
    ]
)
def matmul_of_integers(a, b):
    return a @ b


@blas(
    lambda rng: [
        (rand(rng, (3, 4)), rand(rng, 4), rand(rng, 3)),
        (fortran(rand(rng, (3, 4))), strided(rand(rng, 4)), rand(rng, 3)),
        (rand(rng, (1, 1)), rand(rng, 1), rand(rng, 1)),
    ]
)
def matrix_times_vector(a, x, y):
    return a @ x, y @ a, a.T @ y, (y @ a) @ x


@blas(
    lambda rng: [
        (rand(rng, (2, 3, 4)), rand(rng, (2, 4, 5))),
        (rand(rng, (2, 3, 4)), rand(rng, (4, 5))),
        (rand(rng, (3, 4)), rand(rng, (5, 4, 2))),
        (rand(rng, (2, 1, 3, 4)), rand(rng, (3, 4, 2))),
    ]
)
def batched_matmul(a, b):
    return a @ b


@exact(
    lambda rng: [
        (rand(rng, (3, 4)), rand(rng, (3, 4))),
        (rand(rng, (3, 4)), rand(rng, 3)),
        (rand(rng, 2), rand(rng, 3)),
        (rand(rng, (2, 2)), rand(rng, (2, 2))),
    ],
    raises=ValueError,
)
def matmul_of_mismatched_shapes(a, b):
    r = a @ b
    return r.shape


@exact(
    lambda rng: [(rand(rng, (2, 2)), 2.0), (2.0, rand(rng, 2)), (np.eye(2), np.eye(2))],
    raises=ValueError,
    messages=False,
)
def matmul_with_a_scalar_is_an_error(a, b):
    return a @ b


@blas(lambda rng: [(rand(rng, (4, 3)), rand(rng, 4), 3), (rand(rng, (4, 3)), rand(rng, 4), 0)])
def gradient_descent_for_least_squares(a, y, steps):
    w = np.zeros(a.shape[1])
    for _ in range(steps):
        w -= 0.01 * a.T @ (a @ w - y)
    return w


@blas(lambda rng: [(rand(rng, (3, 3)), n) for n in (0, 1, 5)])
def matrix_power_by_a_loop(a, n):
    r = np.eye(3)
    for _ in range(n):
        r = (r @ a) * 0.5
    return r


@exact(lambda rng: [(rand(rng, (5, 4)), 2), (rand(rng, (3, 4)), 1), (rand(rng, (1, 4)), 0), (rand(rng, (0, 4)), 0)])
def many_shapes_through_one_function(a, k):
    return a.reshape(-1), a.T[:k], np.concatenate([a, a]), a[None].shape, np.zeros(a.shape), np.full(a.shape[0], k)
