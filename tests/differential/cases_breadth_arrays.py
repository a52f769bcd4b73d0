"""Array functions beyond the core set: each gives NumPy's answer, or an error that says it is not supported."""

from __future__ import annotations

from functools import partial

import numpy as np

from .inputs import each, fortran, matrices, nan, rand, vectors
from .registry import UNSUPPORTED
from .registry import case as any_case

case = partial(any_case, allow=UNSUPPORTED)
exact = partial(case, rtol=0)
close = partial(case, rtol=1e-5, atol=1e-12)


@close(lambda rng: [(rand(rng, 10),), (rand(rng, (4, 5)),), (rand(rng, (3, 1)),), (rand(rng, 5, "f4"),)])
def variance_and_standard_deviation(x):
    return x.var(), x.std(), np.var(x, axis=0), np.std(x, axis=0, ddof=0), x.var(axis=-1, keepdims=True)


@exact(
    lambda rng: (
        [(rand(rng, 9, d),) for d in ("f8", "f4", "i4", "?")] + [(np.array([1.0, nan, nan]),), (np.array([2.0, 2.0]),)]
    )
)
def argmax_and_argmin(x):
    return x.argmax(), x.argmin(), np.argmax(x), np.argmin(x)


@exact(lambda rng: matrices(rng, "f8")[:5])
def argmax_along_axes(a):
    return a.argmax(axis=0), a.argmin(axis=1), np.argmax(a), np.argmax(a, axis=-1)


@exact(lambda rng: each(rand(rng, 0), rand(rng, 2)), raises=ValueError)
def argmax_of_an_empty_array(x):
    return x.argmax()


@close(lambda rng: [*vectors(rng, "f8", "i4", "?", "f4"), *matrices(rng, "f8")])
def cumulative_sums(x):
    return np.cumsum(x), x.cumsum(), np.cumsum(x, axis=0), np.cumprod(x)


@exact(lambda rng: each(rand(rng, 0), rand(rng, 3)))
def initial_of_a_reduction(x):
    return np.max(x, initial=-5.0), np.min(x, initial=0.0)


@exact(lambda rng: [(rand(rng, (3, 4), d),) for d in ("i2", "u1", "?")])
def dtype_of_a_reduction(a):
    return a.sum(dtype="i2"), a.sum(axis=0, dtype="f8"), a.mean(dtype="f4")


@exact(lambda rng: [(rand(rng, 5, "i8"), rand(rng, (2, 5), "i8"))])
def reduction_methods_of_ufuncs(x, a):
    return np.add.reduce(x), np.multiply.reduce(a, axis=1), np.maximum.reduce(a), np.add.accumulate(x)


@exact(lambda rng: [(rand(rng, 6, "i8"),), (rand(rng, 2, "i8"),)])
def count_nonzero_and_ptp(x):
    return np.count_nonzero(x), np.ptp(x), np.count_nonzero(x > 2)


@close(lambda rng: [(np.array([1.0, nan, 3.0]),), (np.array([2.0, 4.0]),)])
def nan_aware_reductions(x):
    return np.nansum(x), np.nanmax(x), np.nanmin(x), np.nanmean(x)


@close(lambda rng: [(rand(rng, 7),), (rand(rng, (3, 4)),)])
def median_and_quantiles(x):
    return np.median(x), np.percentile(x, 25), np.quantile(x, 0.9)


@close(lambda rng: [(0.0, 1.0, 5), (1, -1, 4), (2.0, 2.0, 1), (0.0, 1.0, 0)])
def linspace(a, b, n):
    return np.linspace(a, b, n)


@exact(lambda rng: each(1, 3, 0))
def eye_and_identity(n):
    return np.eye(n), np.identity(n), np.eye(n, 2), np.eye(n, k=1)


@exact(lambda rng: each(rand(rng, (2, 3, 4)), fortran(rand(rng, (2, 3, 4)))))
def swapaxes_and_moveaxis(a):
    return a.swapaxes(0, 2), np.moveaxis(a, 0, -1), np.swapaxes(a, 1, 2), np.rollaxis(a, 2)


@exact(lambda rng: each(rand(rng, (1, 3, 1)), rand(rng, (1, 1, 1))))
def squeeze_and_expand_dims(a):
    return a.squeeze(), np.squeeze(a, axis=0), np.expand_dims(a, 1)


@exact(lambda rng: each(rand(rng, (2, 3)), 1.5, rand(rng, 2)))
def at_least_some_axes(a):
    return np.atleast_1d(a), np.atleast_2d(a)


@exact(lambda rng: [(rand(rng, 3), rand(rng, 3)), (rand(rng, 2), rand(rng, 2, "i4"))])
def other_ways_to_stack(x, y):
    return np.vstack([x, y]), np.hstack([x, y]), np.column_stack([x, y]), np.append(x, y), np.dstack([x, y])


@exact(lambda rng: each(rand(rng, 4), rand(rng, (2, 3))))
def repeat_and_tile(x):
    return np.repeat(x, 2), np.tile(x, 3), np.repeat(x, 2, axis=0), x.repeat(3)


@exact(lambda rng: each(rand(rng, 6), rand(rng, (4, 3))))
def flips_and_rolls(x):
    return np.flip(x), np.roll(x, 1), np.roll(x, -2, axis=0), np.flip(x, axis=0), np.roll(x, 7)


@exact(lambda rng: each(rand(rng, 6), rand(rng, (6, 2))))
def split_into_pieces(x):
    a, b = np.split(x, 2)
    c, d, e = np.array_split(x, 3)
    return a, b, c + d + e


@exact(lambda rng: each(rand(rng, (3, 4)), rand(rng, (4, 4)), rand(rng, (1, 1))))
def diagonals_and_triangles(a):
    return np.diag(a), np.tril(a), np.triu(a, 1), np.trace(a), np.diagonal(a), np.diag(a[0])


@exact(lambda rng: [(rand(rng, 3), rand(rng, 4)), (rand(rng, 0), rand(rng, 2))])
def outer_products(x, y):
    return np.outer(x, y), np.multiply.outer(x, y), np.subtract.outer(x, y)


@exact(lambda rng: [(rand(rng, 3), rand(rng, 2)), (rand(rng, 2, "i4"), rand(rng, 1))])
def meshgrid(x, y):
    a, b = np.meshgrid(x, y)
    c, d = np.meshgrid(x, y, indexing="ij")
    return a, b, c + d


@exact(lambda rng: vectors(rng, "f8", "i8"))
def differences_and_padding(x):
    return np.diff(x), np.pad(x, 1), np.diff(x, n=2), np.ediff1d(x)


@exact(lambda rng: vectors(rng, "f8", "i8", "f4"))
def sorting(x):
    order = np.argsort(x, kind="stable")
    return np.sort(x), order, x[order], np.searchsorted(np.sort(x), 0.5), np.unique(x)


@exact(lambda rng: vectors(rng, "f8", "i4"))
def sort_in_place(x):
    x.sort()
    return None


@close(lambda rng: [(rand(rng, (3, 4)), rand(rng, (3, 4)))])
def einsum_and_tensordot(a, b):
    return np.einsum("ij,ij->i", a, b), np.einsum("ij,kj->ik", a, b), np.tensordot(a, b, axes=([0, 1], [0, 1]))


@close(lambda rng: [(rand(rng, 4), rand(rng, 4)), (rand(rng, 4, "c16"), rand(rng, 4))])
def inner_vdot_and_kron(x, y):
    return np.inner(x, y), np.vdot(x, y), np.kron(x, y), np.convolve(x, y), np.cross(x[:3], y[:3])


@close(lambda rng: [(rand(rng, (3, 3)) + 5 * np.eye(3), rand(rng, 3))])
def linear_algebra(a, y):
    return np.linalg.solve(a, y), np.linalg.inv(a), np.linalg.det(a), np.linalg.norm(y)


@exact(lambda rng: [(rand(rng, 6), np.array([0, 2])), (rand(rng, 6), np.array([[5], [-1]]))])
def take_function(x, index):
    return np.take(x, index), x.take(index)


@exact(lambda rng: [(rand(rng, (3, 4)), np.array([0, 2]))])
def take_along_an_axis(a, index):
    return np.take(a, index, axis=1), np.take(a, index, axis=0), np.take(a, 1, axis=0)


@exact(lambda rng: [*vectors(rng, "f8", "i8", "?"), (np.zeros((2, 3)),)])
def nonzero_function(x):
    return np.nonzero(x), np.flatnonzero(x)


@exact(lambda rng: vectors(rng, "f8", "i8"))
def where_with_one_argument(x):
    (index,) = np.where(x > 0)
    return index, x[index]


@exact(lambda rng: [(rand(rng, (3, 4)),), (rand(rng, (1, 1)),)])
def indices_from_argmax(a):
    best = np.argmax(a, axis=1)
    return a[np.arange(a.shape[0]), best]


@exact(lambda rng: each(rand(rng, (3, 4)), fortran(rand(rng, (3, 4))), rand(rng, (0, 4)), rand(rng, 5)))
def fill_method(x):
    x.fill(2.5)
    return None


@exact(lambda rng: each(rand(rng, 5), rand(rng, (3, 3))))
def copyto_function(x):
    y = np.zeros_like(x)
    np.copyto(y, x)
    np.copyto(x, 1.0)
    return y


@exact(lambda rng: each(rand(rng, (2, 3)), fortran(rand(rng, (2, 3))), rand(rng, (2, 6))[:, ::2]))
def contiguous_copies(a):
    return np.ascontiguousarray(a), np.asfortranarray(a), np.ravel(a), a.ravel(order="F"), a.copy(order="F")


@exact(lambda rng: [(np.zeros(4), np.array([0, 1, 1, 3])), (np.zeros(4, int), np.array([2, 2, 2]))])
def unbuffered_add_at(x, index):
    np.add.at(x, index, 1)
    return np.bincount(index)
