"""Indexing traced arrays: every key NumPy takes, reading and writing, with static and run-time shapes and indices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .run import Dynamic, outcome, traced


def agree(function, *arguments, dynamic: bool = True) -> None:
    """Static and run-time shapes give what NumPy gives: result, final contents of the arrays, exception and text."""
    plain = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    want = outcome(function, *plain)
    for wrap in (lambda a: a, Dynamic) if dynamic else (lambda a: a,):
        ours = [wrap(a.copy()) if isinstance(a, np.ndarray) else a for a in arguments]
        got = outcome(traced, function, *ours)
        assert_equal(want, got)
        if want[0] == "value":
            for p, o in zip(plain, ours):
                if isinstance(p, np.ndarray):
                    np.testing.assert_array_equal(p, o.array if isinstance(o, Dynamic) else o)


def assert_equal(want, got) -> None:
    assert got[0] == want[0], f"{want} against {got}"
    if want[0] == "error":
        assert got[1] is want[1], f"{want} against {got}"
        assert got[2] == want[2] or got[1] is TypeError, f"{want} against {got}"
        return
    wants, gots = (want[1], got[1]) if isinstance(want[1], (tuple, list)) else ([want[1]], [got[1]])
    assert len(wants) == len(gots)
    for w, g in zip(wants, gots):
        assert type(w) is type(g), f"{type(w)} against {type(g)}"
        if isinstance(w, (np.ndarray, np.generic)):
            assert w.dtype == g.dtype and w.shape == g.shape, f"{w.dtype}{w.shape} against {g.dtype}{g.shape}"
        np.testing.assert_array_equal(w, g)


def arr(*shape, dtype="f8"):
    return np.arange(1, 1 + int(np.prod(shape))).astype(dtype).reshape(shape)


BASIC = [
    np.s_[0], np.s_[-1], np.s_[1:], np.s_[:-1], np.s_[::2], np.s_[::-1], np.s_[3:0:-2], np.s_[5:2], np.s_[-100:100],
    np.s_[...], np.s_[None], np.s_[()], np.s_[1, 2], np.s_[:, 1], np.s_[1, :], np.s_[..., 0], np.s_[0, ...],
    np.s_[1, ..., 1], np.s_[:, None, 1:], np.s_[None, ..., None], np.s_[-1, -2], np.s_[1:, ::-1], np.s_[1, 2, ...],
    np.s_[7], np.s_[-5], np.s_[0, 9], np.s_[0, 0, 0], np.s_[..., ...], np.s_[1.0], np.s_["a"], np.s_[:, :, :],
    np.s_[np.int32(1)], np.s_[np.array(1)], np.s_[np.array(1), 0], np.s_[2:2], np.s_[::0], np.s_[:5:3], np.s_[-2:],
]  # fmt: skip


@pytest.mark.parametrize("key", BASIC, ids=str)
def test_basic_keys(key):
    agree(lambda x: x[key], arr(4, 5))

    def store(x):
        x[key] = 7
        return x.sum()

    agree(store, arr(4, 5))


@pytest.mark.parametrize("key", [np.s_[...], np.s_[()], np.s_[None], np.s_[0]], ids=str)
def test_keys_of_an_array_without_axes(key):
    agree(lambda x: x[key], np.array(3.5))


def test_run_time_integers():
    for i, j in itertools.product([0, 2, -1, -4, 4, -5], [0, -5, 5]):
        agree(lambda x, i, j: x[i, j], arr(4, 5), i, j)
        agree(lambda x, i: x[i], arr(4, 5), i)
        agree(lambda x, i: x[i], arr(4, 5), np.int8(i))

        def store(x, i, j):
            x[i, j] = 100.0
            return x[i]

        agree(store, arr(4, 5), i, j)


def test_run_time_slices():
    bounds = [None, 0, 2, 5, 7, -1, -3, -9]
    for a, b, s in itertools.product(bounds, bounds, [None, 1, 2, -1, -3]):
        n = arr(5)
        used = [v for v in (a, b) if v is not None]
        if not used:
            continue

        def cut(x, *rest):
            values = iter(rest)
            return x[slice(None if a is None else next(values), None if b is None else next(values), s)]

        agree(cut, n, *used)


def test_run_time_steps():
    for a, b, s in itertools.product([None, 0, 3, -2], [None, 1, -1, 9], [1, 2, 3, -1, -2, 100, -100, 0]):
        agree(lambda x, s: x[a:b:s], arr(5), s)

        def store(x, s):
            x[a:b:s] = -1.0
            return x

        agree(store, arr(5), s)


def test_a_slice_of_a_slice():
    agree(lambda x, i: x[1:][i:][::-1], arr(6), 2)
    agree(lambda x, i: x[:, 1:][i, ::2][-1], arr(4, 6), -2)
    agree(lambda x: x[::2, ::-1].T[1:, ::-1], arr(5, 4))


def test_writing_through_views():
    def program(x):
        row = x[1]
        column = x.T[2]
        row[:] = 0
        column[0] = 50
        inner = row[1:][1:]
        inner[0] = -3
        x[2, 3] = 8
        return column, row, inner

    agree(program, arr(4, 5))


@pytest.mark.parametrize("index", [[0, 2], [-1, 0, 0], [[1, 2], [0, -3]], [], [5], [-6, 1], [[[0]]]], ids=str)
def test_integer_arrays(index):
    array = np.array(index, dtype=np.int64)
    for x in (arr(5), arr(5, 3), arr(5, 2, 2)):
        agree(lambda x, k: x[k], x, array)
        agree(lambda x: x[index], x)
        agree(lambda x, k: x[k], x, array.astype(np.int8))

        def store(x, k):
            x[k] = -1.5
            return x

        agree(store, x, array)


ADVANCED = (
    "i, j | :, i | i, :, j | ..., i | 0, i | i, 0 | :, 0, i | 0, :, i | None, i | i, None, j | 1:, i | "
    "i, 1: | i[:, None], j | m | m, 0 | m, i[:1] | :, :, i | i, j, i | i, ..., j | ::2, i, ::-1 | "
    "i, j[:1], 1 | 0, ..., i | m, :, 1 | m, ... | 1, m[:3] | :, m[:3] | i, i[:1], ... | 0, i, ..., 0"
).split(" | ")
"""Keys of two index arrays ``i`` and ``j`` and a mask ``m``."""


@pytest.mark.parametrize("text", ADVANCED)
def test_combinations_with_arrays(text):
    make = eval(f"lambda i, j, m: np.s_[{text}]", {"np": np})
    i, j, m = np.array([0, 1]), np.array([1, -1]), np.array([True, False, True, False])
    x = arr(4, 3, 3)
    agree(lambda x, i, j, m: x[make(i, j, m)], x, i, j, m)
    agree(lambda x: x[make(i, j, m)], x, dynamic=False)

    def store(x, i, j, m):
        x[make(i, j, m)] = 0.5
        return x

    agree(store, x, i, j, m)

    def update(x, i, j, m):
        x[make(i, j, m)] += x[make(i, j, m)] * 2
        return x

    agree(update, x, i, j, m)


def test_errors_of_advanced_keys():
    x = arr(4, 3)
    agree(lambda x, i: x[i], x, np.array([0, 9, -8]))
    agree(lambda x, i: x[0, i], x, np.array([0, -4]))
    agree(lambda x, i, j: x[i, j], x, np.array([0, 1]), np.array([0, 1, 2]))
    agree(lambda x, m: x[m], x, np.array([True, False]), dynamic=False)
    agree(lambda x, m: x[:, m], x, np.array([True, False]), dynamic=False)
    agree(lambda x, i: x[i], x, np.array([0.0, 1.0]))
    agree(lambda x, i: x[i, i, i], x, np.array([0, 1]))


def test_boolean_masks():
    x, m = arr(3, 4), (np.arange(12).reshape(3, 4) % 3 == 0)
    agree(lambda x, m: x[m], x, m)
    agree(lambda x: x[x > 4], x)
    agree(lambda x, m: x[~m].sum(), x, m)
    agree(lambda x, m: x[m[:, 0]], x, m)

    def store_scalar(x, m):
        x[m] = 9
        x[x < 3] = -x[0, 1]
        return x

    agree(store_scalar, x, m)

    def store_rows(x, m):
        x[m[:, 1]] = 5
        x[m[:, 0], 1:] = [1, 2, 3]
        return x

    agree(store_rows, x, m)

    def update(x, m):
        x[m] += 1
        x[m] = x[m] * x[m] + x[m][0]
        return x

    agree(update, x, m)

    def swap(x, m):
        x[m] = x[m][::-1]
        return x

    agree(swap, x, m)


def test_masked_assignment_of_the_wrong_length():
    x, m = arr(4), np.array([True, False, True, False])

    def store(x, m, v):
        x[m] = v
        return x

    for n in (0, 1, 2, 3):
        agree(store, x, m, arr(n))
    agree(store, x, m, arr(1, 2))
    agree(store, arr(4, 2), m, arr(3, 2))
    agree(store, arr(4, 2), m, arr(2, 1))


def test_bool_scalars_as_keys():
    for flag in (True, False):
        agree(lambda x, f: x[f], arr(3, 2), flag)
        agree(lambda x, f: x[f], arr(3, 2), np.bool_(flag))
        agree(lambda x: x[flag], arr(3, 2))

        def store(x, f):
            x[f] = 0
            return x

        agree(store, arr(3, 2), flag)


VALUES = [
    2,
    2.9,
    -1,
    300,
    True,
    np.int8(3),
    np.float64(2.5),
    np.float32(1.5),
    1 + 2j,
    np.complex64(1j),
    float("nan"),
    1e30,
]


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i8", "u8", "f4", "f8", "c8"])
@pytest.mark.filterwarnings("ignore")
def test_stored_scalars_are_converted_as_numpy_does(dtype):
    def store(x, v):
        x[1] = v
        return x

    def fill(x, v):
        x[:] = v
        return x

    for value in VALUES:
        if isinstance(value, np.generic) and np.dtype(dtype).kind in "iu" and not np.isfinite(value):
            continue
        agree(store, arr(3, dtype=dtype), value)
        agree(fill, arr(3, dtype=dtype), value)
        agree(lambda x: store(x, value), arr(3, dtype=dtype))


def test_assigned_arrays_are_broadcast():
    def store(x, v):
        x[:] = v
        return x

    for shape in [(), (1,), (3,), (2, 3), (1, 3), (2, 1), (1, 1, 3), (2,), (3, 2), (2, 2, 3), (0,)]:
        agree(store, arr(2, 3), arr(*shape))
    agree(lambda x, v: x.__setitem__(0, v), arr(3), arr(1))
    agree(lambda x, v: x.__setitem__(0, v), arr(3), np.array(2.0))
    agree(lambda x: x.__setitem__(slice(None), [1, 2, 3]), arr(2, 3))


def test_overlapping_source_and_target():
    def shift(x):
        x[1:] = x[:-1]
        x[::-1] = x
        return x

    agree(shift, arr(6))
    agree(lambda x: x.__setitem__(slice(None), x.T), arr(3, 3))


def test_casts_between_arrays():
    def store(x, v):
        x[1:3] = v[:2]
        return x

    for a, b in itertools.product(["?", "i2", "u1", "f4", "f8", "c16"], repeat=2):
        if b == "c16" and a != "c16":
            continue  # a warning in NumPy
        agree(store, arr(4, dtype=a), arr(4, dtype=b))


index_entries = st.one_of(
    st.integers(-5, 5),
    st.builds(
        slice, *(st.one_of(st.none(), st.integers(-6, 6)) for _ in range(2)), st.sampled_from([None, 1, 2, -1, -2])
    ),
    st.just(None),
    st.just(Ellipsis),
    st.lists(st.integers(-3, 3), min_size=1, max_size=3),
    st.sampled_from([np.array([True, False, True]), np.array([[0, 1], [1, 2]])]),
)


@given(st.lists(index_entries, min_size=1, max_size=4), st.booleans())
@settings(max_examples=300, deadline=None)
def test_random_keys(key, writes):
    x = arr(3, 4, 3)
    if writes:

        def program(x):
            x[tuple(key)] = 0.25
            return x

    else:

        def program(x):
            return x[tuple(key)]

    agree(program, x)
