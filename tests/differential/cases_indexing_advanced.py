"""Integer arrays (one or several, broadcast), boolean masks, where, and mixtures with slices."""

from __future__ import annotations

from functools import partial

import numpy as np

from .inputs import fortran, matrices, rand, strided, vectors
from .registry import case as any_case

case = partial(any_case, rtol=0)


@case(
    lambda rng: (
        [(rand(rng, 6), np.array(i)) for i in ([0, 5, 2], [-1, -6], [3, 3, 3])] + [(rand(rng, 6), np.array([], int))]
    )
)
def gather(x, index):
    return x[index]


@case(lambda rng: [(rand(rng, 6), np.array([1, 2], d)) for d in ("i1", "u1", "i4", "u8")])
def gather_with_any_integer_dtype(x, index):
    return x[index]


@case(lambda rng: [(rand(rng, 6), np.array(i)) for i in ([0, 5], [0, 6], [-7])], raises=IndexError)
def gather_out_of_bounds(x, index):
    return x[index]


@case(lambda rng: [(rand(rng, 6), np.array([1.0, 2.0])), (rand(rng, 6), np.array([0]))], raises=IndexError)
def gather_with_floats_is_an_error(x, index):
    return x[index]


@case(
    lambda rng: [
        (rand(rng, 6), np.array([[0, 1], [2, 3]])),
        (rand(rng, 6), np.zeros((0, 2), int)),
        (rand(rng, 6), np.array(3)),
    ]
)
def gather_has_the_shape_of_the_index(x, index):
    return x[index]


@case(
    lambda rng: [
        (rand(rng, (4, 5)), np.array([0, 3, -1])),
        (fortran(rand(rng, (4, 5))), np.array([1])),
        (rand(rng, (4, 5)), np.array([], int)),
    ]
)
def gather_rows_and_columns(a, index):
    return a[index], a[:, index], a[index, 1:3], a[..., index]


@case(
    lambda rng: [
        (rand(rng, (4, 5)), np.array([0, 3]), np.array([4, -1])),
        (rand(rng, (4, 5)), np.array([[0], [1]]), np.array([2, 3])),
    ]
)
def gather_with_two_arrays(a, i, j):
    return a[i, j]


@case(lambda rng: [(rand(rng, (4, 5)), np.array([0, 3]), 2), (rand(rng, (4, 5)), np.array([1]), -1)])
def gather_with_an_array_and_an_integer(a, i, j):
    return a[i, j], a[j, i]


@case(lambda rng: [(rand(rng, (3, 4, 5)), np.array([0, 2]), np.array([1, 1]))])
def arrays_separated_by_a_slice(a, i, j):
    return a[i, :, j], a[:, i, j], a[i, j], a[0, :, j], a[i, 1:3]


@case(lambda rng: [(rand(rng, (4, 5)), np.array([0, 1, 2]), np.array([0, 1]))], raises=IndexError)
def index_arrays_that_do_not_broadcast(a, i, j):
    return a[i, j]


@case(lambda rng: vectors(rng, "f8")[:3])
def gather_with_a_list(x):
    return x[[0, 2, 1]], x[[-1]], x[[]]


@case(
    lambda rng: [
        (rand(rng, 6), np.array([1, 3, 5]), 9.0),
        (strided(rand(rng, 6)), np.array([-1]), 1),
        (rand(rng, 6), np.array([], int), 2.0),
    ]
)
def scatter(x, index, v):
    x[index] = v
    return x


@case(lambda rng: [(rand(rng, 6), np.array([1, 3, 1]), np.array([7.0, 8.0, 9.0]))])
def scatter_with_repeated_indices_keeps_the_last(x, index, v):
    x[index] = v
    return x


@case(lambda rng: [(np.zeros(5), np.array([1, 1, 3])), (np.zeros(5, int), np.array([0, 0, 0]))])
def augmented_scatter_counts_repeats_once(x, index):
    x[index] += 1
    return x


@case(lambda rng: [(rand(rng, 4), np.array([0, 1, 9]), 5.0), (rand(rng, 4), np.array([0]), 5.0)], raises=IndexError)
def scatter_out_of_bounds(x, index, v):
    x[index] = v
    return x


@case(
    lambda rng: [
        (rand(rng, (4, 5)), np.array([0, 2]), rand(rng, 5)),
        (rand(rng, (4, 5)), np.array([3]), rand(rng, (1, 5))),
    ]
)
def scatter_rows(a, index, v):
    a[index] = v
    a[:, index] *= 2
    return a


@case(lambda rng: [(np.zeros((4, 5)), np.array([0, 2, 3]), np.array([1, 4, 0]))])
def scatter_with_two_arrays(a, i, j):
    a[i, j] = [1.0, 2.0, 3.0]
    a[i, 0] -= 1
    return a


@case(lambda rng: [(rand(rng, 5), np.array([0, 1])), (rand(rng, 5), np.array([0, 1, 2]))], raises=ValueError)
def scatter_of_the_wrong_length(x, index):
    x[index] = np.array([1.0, 2.0])
    return x


@case(lambda rng: [*vectors(rng, "f8", "i4", "f4"), (np.array([np.nan, 1.0, -1.0]),)])
def mask_read(x):
    return x[x > 0], x[~(x > 0)], x[(x > -1) & (x < 1)]


@case(lambda rng: matrices(rng, "f8", "i8"))
def mask_read_of_a_matrix(a):
    return a[a > 0], a[a[:, :1].sum(axis=1) > 0], a[:, np.arange(a.shape[1]) % 2 == 0]


@case(lambda rng: [*vectors(rng, "f8", "i4"), *matrices(rng, "f8")[:3]])
def mask_write(x):
    x[x < 0] = 0
    x[x > 1] *= 10
    return x


@case(
    lambda rng: [
        (rand(rng, 5), np.array([True, False, True, False, False]), np.array([1.0, 2.0])),
        (rand(rng, 3), np.zeros(3, bool), np.zeros(0)),
    ]
)
def mask_write_with_an_array(x, mask, v):
    x[mask] = v
    return x


@case(lambda rng: [(rand(rng, 5), np.ones(5, bool)), (rand(rng, 3), np.array([True, True, False]))], raises=ValueError)
def mask_write_of_the_wrong_length(x, mask):
    x[mask] = np.array([1.0, 2.0])
    return x


@case(lambda rng: [(rand(rng, 5), np.array([True, False])), (rand(rng, 2), np.array([True, False]))], raises=IndexError)
def mask_of_the_wrong_shape(x, mask):
    return x[mask]


@case(lambda rng: [(rand(rng, (3, 4)), rand(rng, (3, 4), "?")), (rand(rng, (2, 2)), np.zeros((2, 2), bool))])
def mask_given_as_an_argument(a, mask):
    kept = a[mask]
    a[mask] = kept * 2
    a[~mask] = -1
    return kept.size, kept


@case(lambda rng: [(rand(rng, 8), n) for n in (0, 1, 3)])
def mask_in_a_loop(x, n):
    for _ in range(n):
        x = x[x != x.max()]
    return x, len(x)


@case(lambda rng: [(rand(rng, (5, 3)),)])
def mask_on_rows_and_an_integer(a):
    mask = a[:, 0] > 0
    return a[mask, 1], a[mask, 1:], a[mask][:, 0]


@case(
    lambda rng: [
        (rand(rng, 5), rand(rng, 5)),
        (rand(rng, (2, 3)), rand(rng, 3)),
        (rand(rng, 3), 1),
        (rand(rng, 0), 0.5),
    ]
)
def where_with_three_arguments(x, y):
    return np.where(x > y, x, y), np.where(x > 0, 1, 0), np.where(x > 0, x, 0)


@case(lambda rng: [(rand(rng, 6), n) for n in (0, 3, 6)])
def gather_in_a_loop(x, n):
    order = np.arange(6)
    for i in range(n):
        order = order[np.array([1, 2, 3, 4, 5, 0])]
        x[order[:2]] += i
    return x[order]


@case(lambda rng: [(rand(rng, 5), np.array([4, 3, 2, 1, 0]))])
def permutation_in_place(x, p):
    x[:] = x[p]
    x[p] = x
    return x


@case(lambda rng: [(np.array([0, 2, 1, 1]), rand(rng, (3, 2)))])
def embedding_lookup_and_pairs(ids, table):
    rows = table[ids]
    onehot = np.zeros((4, 3))
    onehot[np.arange(4), ids] = 1.0
    return rows, onehot, table[ids[0], ids[1] - 1]


@case(lambda rng: [(np.array([0, 2, 3, 3]), np.array([1, 0, 2]), rand(rng, 3), rand(rng, 3))])
def csr_product(indptr, indices, data, x):
    out = np.zeros(len(indptr) - 1)
    for row in range(len(indptr) - 1):
        for k in range(indptr[row], indptr[row + 1]):
            out[row] += data[k] * x[indices[k]]
    return out


@case(lambda rng: [(rand(rng, 5), np.array([[True, False, True, True, False]])[0])])
def logical_masks_combined(x, m):
    return x[m & (x > 0)], x[m | (x > 0)], x[m ^ (x > 0)], x[np.logical_and(m, x < 0)], x[np.logical_not(m)]


@case(lambda rng: [(rand(rng, 7, "i8"), 4)])
def histogram_by_a_loop(x, bins):
    counts = np.zeros(bins, dtype=int)
    for v in x:
        counts[v % bins] += 1
    return counts


@case(lambda rng: [(np.array([3, 0, 1]), 3)])
def union_find_with_path_halving(parent, n):
    parent = np.concatenate([parent, np.array([3])])
    i = 0
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i, parent
