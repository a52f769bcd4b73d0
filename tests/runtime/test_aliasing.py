"""Arrays in odd memory, and arrays that share memory."""

import numpy as np
import pytest

from tracejit import jit
from tracejit.errors import UnsupportedError
from tracejit.ir.interface import Argument, ArrayInput, Disjoint, Same
from tracejit.runtime.aliasing import Groups, copy_in
from tracejit.runtime.signature import Classifier, Policy


def arrays(*values):
    return Classifier([f"p{k}" for k in range(len(values))], Policy()).classify(values).arrays


def groups(*values):
    return Groups(arrays(*values))


def misaligned(n=3):
    a = np.zeros(8 * n + 1, np.uint8)[1:].view("f8")
    a[:] = range(n)
    return a


def test_ordinary_arguments_stay_what_they_are():
    values = [np.zeros(3), (np.zeros(3), 1.0), [np.zeros(3)], {"a": 1}, None, "s"]
    copies = copy_in("abcdef", values)
    assert not copies and all(a is b for a, b in zip(copies.values, values))


def test_odd_arrays_are_copied_in_and_out():
    m, swapped = misaligned(), np.arange(3.0).astype(">f8")
    copies = copy_in("abc", [m, (swapped, 5), m])
    a, (b, five), c = copies.values
    assert a is c and five == 5 and a.flags.aligned and b.dtype.isnative
    np.testing.assert_array_equal(a, m)
    np.testing.assert_array_equal(b, swapped)
    a += 1
    b[0] = 7
    copies.copy_out()
    assert m.tolist() == [1, 2, 3] and swapped.tolist() == [7, 1, 2] and swapped.dtype == ">f8"
    restored = copies.restore(({"k": a}, [b], 1))
    assert restored[0]["k"] is m and restored[1][0] is swapped
    with pytest.raises(UnsupportedError, match="misaligned"):
        copies.restore(a[1:])
    with pytest.raises(UnsupportedError, match="byte-swapped"):
        copies.restore([b[::2]])


def test_read_only_copies():
    m = misaligned()
    m.flags.writeable = False
    copies = copy_in("a", [m])
    assert not copies.values[0].flags.writeable
    copies.copy_out()


def test_odd_arrays_inside_lists_are_refused():
    for inside in ([misaligned()], {"a": (1, misaligned())}, [[np.zeros(3, ">f8")]]):
        assert not copy_in("a", [inside])
        with pytest.raises(UnsupportedError, match=r"p0\[.* is (misaligned|byte-swapped)"):
            arrays(inside)
    with pytest.raises(UnsupportedError, match=r"p0\[0\] is a numpy.longlong"):
        arrays([np.longlong(1)])


def test_numpy_scalars_of_other_c_types():
    (value,) = copy_in("a", [np.longlong(5)]).values
    assert type(value) is np.int64 and value == 5


def test_groups():
    x, y = np.zeros(10), np.zeros(10)
    assert not groups(x, y) and not groups(x[:5], x[5:]) and not groups(x[3:3], x)
    assert groups(x, y, x).same == (Same(0, 2),) and not groups(x, x).overlaps and not groups(x, x).key
    assert not groups(x, x, x[1:]).same and len(groups(x, x, x[1:]).overlaps) == 1
    assert groups(x, x[2:]) and groups(x[:5], x[4:]) and groups(y, x[::2], x[1::2])
    g = groups(y, x[2:6], 1.0, x[8:3:-1])
    (overlap,) = g.overlaps
    assert overlap.inputs == (1, 3)
    base = overlap.base
    for (shape, start, steps), want in zip(overlap.views, (x[2:6], x[8:3:-1])):
        view = base[start:] if steps[0] > 0 else base[start::-1]
        assert view[: shape[0]].ctypes.data == want.ctypes.data and shape == want.shape
    base[0] = 5
    assert x[2] == 5


def test_matrices():
    x = np.zeros((4, 6))
    (overlap,) = groups(x[:, 1:4], x.T).overlaps
    assert len(overlap.base) == 24 and overlap.views == (((4, 3), 1, (6, 1)), ((6, 4), 0, (1, 6)))


def test_keys_depend_on_the_geometry_only():
    def pair(n, at):
        x = np.zeros(n)
        return groups(x, x[at:])

    assert pair(9, 1).key == pair(9, 1).key and pair(9, 1).key != pair(9, 2).key and pair(9, 1).key != pair(8, 1).key


def test_which_programs_need_them():
    x = np.zeros(9)
    leaves = arrays(x, x[1:], np.zeros(3))
    inputs = [ArrayInput(leaf.source, leaf.dtype, leaf.array.shape, "C") for _, leaf in leaves]
    g = Groups(leaves)
    assert (
        g.violates([Disjoint(0, 1)], inputs) and not g.violates([Disjoint(0, 2)], inputs) and not g.violates([], inputs)
    )
    other = [ArrayInput(Argument(5, "q"), np.dtype("f8"), (3,), "C"), *inputs]
    assert not g.violates([Disjoint(0, 1)], other)


def test_what_cannot_be_one_flat_array():
    x = np.zeros(8)
    with pytest.raises(UnsupportedError, match="different dtypes"):
        groups(x, x.view("i8")).overlaps  # noqa: B018
    with pytest.raises(UnsupportedError, match="parts of elements"):
        raw = np.zeros(100, np.uint8)
        odd = np.ndarray((2,), "c16", raw, 0), np.ndarray((2,), "c16", raw, 8)
        groups(*odd).overlaps  # noqa: B018
    y = x[2:]
    y.flags.writeable = False
    with pytest.raises(UnsupportedError, match="read-only"):
        groups(x, y).overlaps  # noqa: B018


@pytest.mark.parametrize("odd", [misaligned(4), np.arange(4.0).astype(">f8")], ids=["misaligned", "byte-swapped"])
def test_copies_of_arrays_that_share_memory_are_refused(odd):
    for other in (odd[:2], [1, {"k": odd[1:]}], (odd[::-1],)):
        with pytest.raises(UnsupportedError, match="x and y overlap in memory, and x is (misaligned|byte-swapped)"):
            copy_in("xy", [odd, other])
    assert len(copy_in("xy", [odd, odd]).pairs) == 1
    assert len(copy_in("xy", [odd[:2], odd[2:]]).pairs) == 2
    assert len(copy_in("xy", [odd[::2], odd[1::2]]).pairs) == 2


def test_captured_array_that_overlaps_an_argument():
    state = np.zeros(6)

    @jit
    def f(x):
        x[0] += 1.0
        return state.sum()

    assert f(np.zeros(2)) == 0.0
    with pytest.raises(UnsupportedError, match="x and state overlap in memory, and one of them is written") as error:
        f(state[1:])
    assert "def f(x)" in str(error.value) and not state.any()
    assert f(state) == 1.0
    assert f(np.ones(6)) == 1.0
    assert f.ir(state).startswith("func f(%n0: i64, %0: f64[%n0])")  # one array
