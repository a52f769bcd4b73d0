"""Bad input: the right answer, the exception plain Python raises, or, where it says `allow`, a clear refusal.

Never a crash, never a wrong number.
"""

from __future__ import annotations

import decimal
import fractions
from functools import partial

import numpy as np

from tracejit.errors import UnsupportedError

from .harness import Call
from .inputs import EDGE_INTS, each, edge, fortran, inf, nan, rand
from .registry import REFUSED, scenario
from .registry import case as any_case

case = partial(any_case, rtol=0)
refusable = partial(case, allow=REFUSED)


class Tagged(np.ndarray):
    """A subclass of ndarray that carries an attribute."""

    def __array_finalize__(self, parent):
        self.tag = getattr(parent, "tag", "none")


class Reversed(np.ndarray):
    """A subclass of ndarray that means something else by addition."""

    def __add__(self, other):
        return np.asarray(self)[::-1] - other


class Money(float):
    """A subclass of float with an operator of its own."""

    def __add__(self, other):
        return Money(round(float(self) + float(other), 2))


class MyInt(int):
    pass


class Arraylike:
    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, 2.0], dtype=dtype)


def misaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def odd_strides(a):
    """Items of 8 bytes, 9 bytes apart."""
    record = np.zeros(a.shape, dtype=np.dtype({"names": ["v"], "formats": [a.dtype], "offsets": [1], "itemsize": 9}))
    record["v"] = a
    return record["v"]


def read_only(a):
    a.setflags(write=False)
    return a


def object_with(value):
    a = np.empty(2, dtype=object)
    a[:] = value
    return a


@case(lambda rng: [Call(), Call(1.0), Call(1.0, 2.0), Call(1.0, 2.0, 3.0), Call(1.0, 2.0, 3.0, 4.0)], raises=TypeError)
def too_few_or_too_many_arguments(a, b, c=0.0):
    return a + b + c


@case(
    lambda rng: [
        Call(1.0, b=2.0),
        Call(1.0, d=2.0),
        Call(1.0, 2.0, b=3.0),
        Call(b=1.0),
        Call(1.0, 2.0, **{"not a name": 1}),
    ],
    raises=TypeError,
)
def wrong_keyword_arguments(a, b):
    return a - b


@case(lambda rng: [Call(1.0, k=2), Call(1.0, 2), Call(1.0)], raises=TypeError)
def missing_keyword_only_argument(a, *, k):
    return a * k


@refusable(
    lambda rng: each("text", b"bytes", None, [1, 2], {"a": 1}, (1,), {1}, object, 2.0), raises=TypeError, messages=False
)
def wrong_types(x):
    return x - 1.5


@refusable(lambda rng: each(decimal.Decimal("1.5"), fractions.Fraction(1, 3), MyInt(3), Money(1.25)))
def number_like_objects(x):
    return x + 1


@refusable(lambda rng: each(Arraylike()), raises=TypeError)
def objects_with_an_array_method(x):
    return x + 1


@refusable(
    lambda rng: each(object_with(1.5), object_with("a"), object_with(None), np.array([1, 2.5, 3], object)),
    raises=TypeError,
)
def object_arrays(x):
    return x * 2 + x


@refusable(
    lambda rng: each(np.array(["a", "b"]), np.array([b"x"]), np.array(["2020-01-01"], "M8[D]"), np.array([1], "m8[s]"))
)
def arrays_of_other_kinds(x):
    return x[0], x[::-1], x == x


@refusable(
    lambda rng: each(
        np.zeros(2, dtype=[("a", "f8"), ("b", "i4")]), np.rec.array([(1.0, 2)], dtype=[("a", "f8"), ("b", "i4")])
    )
)
def structured_arrays(x):
    x["a"] += 1
    return x["a"] * 2


@refusable(
    lambda rng: each(np.array([1, 2], "longdouble"), np.array([1], "clongdouble"), np.longdouble(1.5)), rtol=None
)
def extended_precision(x):
    return x * 2 + 1


@case(lambda rng: each(read_only(rand(rng, 4)), rand(rng, 4), read_only(rand(rng, 4)[::2])), raises=ValueError)
def read_only_array_written_to(x):
    x[0] = 1.0
    return x


@case(lambda rng: each(read_only(rand(rng, 4)), rand(rng, 4)), raises=ValueError)
def read_only_array_added_to(x):
    x += 1
    return x


@case(lambda rng: [(rand(rng, 4), read_only(np.zeros(4))), (rand(rng, 4), np.zeros(4))], raises=ValueError)
def read_only_out_argument(x, out):
    return np.add(x, 1.0, out=out)


@case(
    lambda rng: [(read_only(rand(rng, 4)), -1.0), (read_only(rand(rng, 4)), 1.0), (rand(rng, 4), 1.0)],
    raises=ValueError,
)
def read_only_array_written_to_in_an_arm(x, c):
    if c > 0:
        x[1] = 5.0
    return x


@case(lambda rng: [(np.zeros(3), read_only(rand(rng, 4))), (np.zeros(3), rand(rng, 4))], raises=ValueError)
def writes_before_a_read_only_one_are_visible(a, b):
    a[0] = 1.0
    b[0] = 2.0
    a[1] = 3.0
    return a


@case(lambda rng: each(read_only(rand(rng, 4)), read_only(rand(rng, (2, 3))), rand(rng, 4)))
def read_only_array_only_read(x):
    return x * 2, x[1:], x.T, x


@refusable(
    lambda rng: each(
        misaligned(rand(rng, 5)), misaligned(rand(rng, (2, 3), "c16")), misaligned(rand(rng, 5, "i4")), rand(rng, 5)
    )
)
def misaligned_arrays(x):
    x[0] = 5
    x += 1
    return x * 2, x[1:]


@refusable(lambda rng: each(odd_strides(rand(rng, 5)), odd_strides(rand(rng, 3, "i8")), rand(rng, 5)))
def strides_that_are_no_multiple_of_the_item(x):
    x[1:] *= 2
    return x + 1, x[::2]


@refusable(lambda rng: each(rand(rng, 5, ">f8"), rand(rng, 5, ">i4"), rand(rng, 5, "<f8"), rand(rng, 5, ">c8")))
def byte_swapped_arrays(x):
    x[0] = 5
    x += 1
    return x, x * 2, x[0]


@case(lambda rng: each(*(rand(rng, 0, d) for d in ("f8", "f4", "i4", "?", "c16"))))
def empty_arrays(x):
    return x + 1, x.sum(), x[::-1], x.any(), x.all(), x.shape, x.reshape(0, 3), np.concatenate([x, x]), x == x


@case(lambda rng: each(*(np.zeros(s) for s in ((0, 3), (3, 0), (0, 0), (2, 0, 4)))))
def empty_matrices(a):
    a += 1
    return a.sum(axis=0), a.T, a.mean() if a.size else 0, a[:0], a * a, a.sum(axis=1, keepdims=True)


@case(lambda rng: each(*(np.array(v) for v in (2.5, 3, True, 1 + 2j)), np.array(nan), np.float64(2.5)))
def zero_dimensional_arrays(x):
    return x * 2, x.shape, x.sum(), x == x, x.reshape(1, 1), np.where(x == x, x, 0), x.T


@case(lambda rng: each(np.ones((1,) * 12), np.ones((1,) * 32), np.ones((2,) * 10)))
def arrays_of_many_axes(x):
    return x + 1, x.sum(axis=-1), x.reshape(-1)


@case(
    lambda rng: each(
        np.broadcast_to(np.array([1.0, 2.0]), (3, 2)), np.broadcast_to(2.5, (4,)), np.broadcast_to(1.0, (0, 2))
    )
)
def arrays_with_zero_strides(a):
    return a * 2, a.sum(), a[0] if len(a) else None, a


@case(
    lambda rng: [
        Call(n).allowing(OverflowError) if abs(n) >= 2**63 else Call(n)
        for n in (3, 2**63, -(2**63) - 1, 10**30, 2**64 - 1, 5)
    ]
)
def huge_python_ints(n):
    return n + 1, n // 3, n * 2 if n < 100 else n % 10


@case(
    lambda rng: [
        Call(2**63 - 1, 1).allowing(OverflowError),
        Call(-(2**63), -1).allowing(OverflowError),
        Call(5, 7),
    ]
)
def ints_at_the_edge_of_64_bits(a, b):
    return a + b, a * b, a - b, -a, abs(a)


@case(lambda rng: [Call(-(2**63), -1).allowing(OverflowError), Call(7, -1), Call(-(2**63), 2)])
def smallest_int_divided_by_minus_one(a, b):
    return a // b, a % b


@case(lambda rng: [Call(n).allowing(OverflowError) for n in EDGE_INTS])
def squares_of_edge_ints(n):
    return n * n


@case(
    lambda rng: [
        (rand(rng, 3, "i8"), 2**63),
        (rand(rng, 3, "i8"), 1),
        (rand(rng, 3, "u1"), 256),
        (rand(rng, 3, "f8"), 2**63),
    ],
    raises=OverflowError,
    messages=False,
)
def huge_python_int_with_an_array(x, n):
    return x + n


@case(
    lambda rng: [(rand(rng, 3), 2**70), (rand(rng, 3), 1), (rand(rng, 3), -(2**70))], raises=IndexError, messages=False
)
def huge_index(x, i):
    return x[i]


@case(lambda rng: [(rand(rng, 5), 2**70, -(2**70)), (rand(rng, 5), 1, 3)])
def huge_slice_bounds(x, i, j):
    return x[j:i], x[i:], x[:j]


@case(lambda rng: [Call(nan, 1.0), Call(inf, -inf), Call(1.0, nan), Call(-0.0, 0.0)])
def nan_and_infinity(a, b):
    return a + b, a * b, a < b, a == b, a != b, min(a, b), max(a, b), a if a > b else b


@case(lambda rng: each(edge("f8"), edge("f4"), edge("c16"), edge("f2")))
def arrays_of_special_values(x):
    return x + x, x * x, x == x, x.max() if x.dtype.kind == "f" else 0, x - x


@refusable(lambda rng: each(rand(rng, 4).view(Tagged), rand(rng, (2, 2)).view(Tagged), rand(rng, 4)))
def subclass_with_an_attribute(x):
    return x * 2, x[1:], x.sum()


@refusable(lambda rng: each(rand(rng, 4).view(Reversed), rand(rng, 4)))
def subclass_with_an_operator_of_its_own(x):
    return x + 1


@refusable(lambda rng: each(np.matrix([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])))
def matrix_subclass(a):
    return a * a, a[0]


@refusable(lambda rng: each(np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False]), np.array([1.0, 2.0, 3.0])))
def masked_arrays(x):
    return x.sum(), x + 1


@refusable(lambda rng: each(np.memmap("/dev/zero", dtype="f8", mode="r", shape=(4,)), rand(rng, 4)))
def memory_mapped_array(x):
    return x.sum()


@case(
    lambda rng: (
        [(x, x[1:], x[::2], x.T) for x in (rand(rng, 6), np.zeros(3))]
        + [(rand(rng, 6), rand(rng, 5), rand(rng, 3), rand(rng, 6))]
    )
)
def four_overlapping_arguments(a, b, c, d):
    b += 1
    c[0] = 10.0
    a[1:3] = d[:2] + a[-2:]
    return a, b, c, d


@case(
    lambda rng: (
        [(x[:4].reshape(2, 2), x[2:6].reshape(2, 2)) for x in (rand(rng, 6),)]
        + [(rand(rng, (2, 2)), fortran(rand(rng, (2, 2))))]
    )
)
def overlapping_matrices(a, b):
    a[:] = b.T + 1
    b *= 2
    return a @ b


@case(
    lambda rng: [(rand(rng, 3), 5), ("abc", 5), (rand(rng, 3), "5"), (rand(rng, 3), None), (rand(rng, 3, "f4"), 5)],
    raises=TypeError,
    messages=False,
)
def good_and_bad_calls_alternate(x, n):
    return x * 0.5 + n


@case(
    lambda rng: [(0.5, 3), ("ab", 3), ([1], 2), ((1.0, 2), 2), (rand(rng, 2), 2)],
)
def repetition_of_sequences(x, n):
    return x * n


@case(lambda rng: each(True, 1, 1.0, np.True_, np.int64(1), np.float64(1), np.array(1), np.array([1])), rtol=0)
def equal_arguments_of_different_types(x):
    return x + 1, x


@case(lambda rng: each({"a": 1.0, "b": 2}, {"b": 2, "a": 1.0}, {"a": 1.0}, {1: 2.0}, {}), raises=KeyError)
def dicts_of_different_shapes(d):
    return [d[k] * 2 for k in d], d["a"]


@scenario()
def the_same_list_inside_itself(jit):
    loop = [1.0]
    loop.append(loop)
    f = jit(lambda items: items[0] + 1)
    try:
        return f(loop)
    except UnsupportedError:
        return 2.0
