"""Entry points: how calls bind, what is checked, what results are made of, who owns what."""

from __future__ import annotations

import pickle
import types
from collections import namedtuple

import numpy as np
import pytest

from tracejit.ir.interface import (
    Argument,
    ArrayInput,
    Disjoint,
    Guard,
    Item,
    OutArray,
    OutInput,
    OutScalar,
    OutSource,
    OutStatic,
    OutTree,
    Same,
    ScalarInput,
)
from tracejit.ir.types import DTYPE_NAMES
from tracejit.lower.loops import Returned
from tracejit.ops import elementwise as ew

from .entries import B1, C16, F4, F8, I8, entry, is_slow
from .native import LoopBuilder, loop_over

X, Y = Argument(0, "x"), Argument(1, "y")
PYTHON_FLOAT = (("python", F8),)

Pair = namedtuple("Pair", "left right")


def one(x): ...


def two(x, y): ...


def scalar(source, dtype=F8, kind="python"):
    return ScalarInput(source, kind, np.dtype(dtype))


def array(source, shape, dtype=F8, layout="C", **options):
    return ArrayInput(source, np.dtype(dtype), shape, layout, **options)


def number(index=0, dtype=F8):
    return Returned(index, index, np.dtype(dtype), None)


def identity(like=one, dtype=F8, kind="python", **options):
    """A function that gives back its first argument, a number."""
    return entry(
        like,
        [scalar(X, dtype, kind)],
        [dtype],
        lambda b, x: [x],
        [number(0, dtype)],
        OutScalar(0, ((kind, np.dtype(dtype)),)),
        **options,
    )


def static(value):
    """A function of one argument and a result that says it was taken."""
    return dict(inputs=[], params=[], write=lambda b: [], returned=[], output=OutStatic(value))


def guarded(*guards, like=one, **options):
    return entry(like, guards=guards, **static("taken"), **options)


def doubled(x, shape, returned_shape, symbols=(), layout="C"):
    """``x * 2`` of a flat array, as a new array."""

    def write(b: LoopBuilder, *values):
        *dims, data = values[: len(symbols) + 1]
        count = dims[0] if dims else b.index(int(np.prod(shape)))
        out = b.alloc(F8, count)
        loop_over(b, count, lambda c, i: c.store(out, i, c.apply(ew.mul, c.load(data, i), c.const(2.0, F8))))
        return [out, *dims]

    return entry(
        one,
        [array(X, shape, layout=layout)],
        [*[I8] * len(symbols), (F8,)],
        write,
        [Returned(0, 0, F8, returned_shape)],
        OutArray(0),
        symbols=symbols,
    )


# --- binding ---------------------------------------------------------------------------------------------


def test_positional_and_keyword_calls():
    f = entry(
        lambda a, b, c=3.0: ...,
        [scalar(Argument(k, n)) for k, n in enumerate("abc")],
        [F8] * 3,
        lambda b, x, y, z: [
            b.apply(
                ew.add,
                b.apply(ew.mul, x, b.const(100.0, F8)),
                b.apply(ew.add, b.apply(ew.mul, y, b.const(10.0, F8)), z),
            )
        ],
        [number()],
        OutScalar(0, PYTHON_FLOAT),
    )
    assert f(1.0, 2.0) == f(1.0, b=2.0) == f(b=2.0, a=1.0) == f(a=1.0, b=2.0, c=3.0) == f(1.0, 2.0, 3.0) == 123.0
    assert f(1.0, c=4.0, b=2.0) == 124.0
    for call in (
        lambda: f(),
        lambda: f(1.0),
        lambda: f(1.0, 2.0, 3.0, 4.0),
        lambda: f(1.0, a=2.0, b=1.0),
        lambda: f(1.0, d=2.0),
        lambda: f(1.0, 2.0, 3.0, c=1.0),
        lambda: f(1.0, "2"),
        lambda: f(1.0, 2),
    ):
        assert is_slow(call())
    slow = f(1.0, d=2.0)
    assert slow.args == (1.0,) and slow.kwargs == {"d": 2.0}


def test_keywords_that_are_not_interned_go_the_slow_way():
    f = identity()
    assert f(**{"x": 1.0}) == 1.0
    assert is_slow(f(**{"".join(["x", ""]) + "y": 1.0}))


def test_positional_only_and_keyword_only():
    def like(a, /, b, *, c, d=4.0): ...

    f = entry(like, [scalar(Argument(3, "d"))], [F8], lambda b, d: [d], [number()], OutScalar(0, PYTHON_FLOAT))
    assert f(1, 2, c=3) == 4.0 and f(1, b=2, c=3, d=5.0) == 5.0
    assert is_slow(f(a=1, b=2, c=3)) and is_slow(f(1, 2, 3)) and is_slow(f(1, 2))


def test_variable_arguments():
    def like(a, *rest, k=1.0, **named): ...

    rest, named = Argument(1, "rest"), Argument(3, "named")
    f = entry(
        like,
        [scalar(Item(rest, 1)), scalar(Item(named, "q")), scalar(Argument(2, "k"))],
        [F8] * 3,
        lambda b, x, y, z: [b.apply(ew.add, x, b.apply(ew.mul, y, z))],
        [number()],
        OutTree("tuple", (OutScalar(0, PYTHON_FLOAT), OutSource(rest), OutSource(named))),
        guards=[Guard(rest, "container", (None, None)), Guard(named, "container", {"p": None, "q": None})],
        extra=(2, ("p", "q")),
    )
    assert f(0, 1.0, 2.0, p=5, q=10.0) == (12.0, (1.0, 2.0), {"p": 5, "q": 10.0})
    assert f(0, 1.0, 2.0, p=5, k=3.0, q=10.0)[0] == 32.0
    for call in (
        lambda: f(0, 1.0, p=5, q=10.0),
        lambda: f(0, 1.0, 2.0, 3.0, p=5, q=1.0),
        lambda: f(0, 1.0, 2.0, p=5),
        lambda: f(0, 1.0, 2.0, q=1.0, p=5),
        lambda: f(0, 1.0, 2.0, p=5, q=1.0, r=2),
        lambda: f(a=0, p=5, q=1.0),
    ):
        assert is_slow(call())


def test_no_arguments():
    f = entry(lambda: ..., **static(7))
    assert f() == 7 and is_slow(f(1)) and is_slow(f(x=1))


def test_chain_of_entry_points():
    last = identity(dtype=B1)
    middle = identity(dtype=I8, then=last)
    f = identity(then=middle)
    assert f(1.5) == 1.5 and type(f(2)) is int and f(2) == 2 and f(True) is True
    assert is_slow(f("x")) and is_slow(f()) and f("x").args == ("x",)


def test_method_binding():
    f = identity(two)

    class Owner:
        method = f

    owner = Owner()
    slow = owner.method(1.0)
    assert is_slow(slow) and slow.args == (owner, 1.0)
    assert Owner.method is f and isinstance(owner.method, types.MethodType)


# --- numbers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype,values",
    [
        (F8, [0.0, -0.0, 1.5, float("inf"), float("nan"), 5e-324]),
        (I8, [0, 1, -1, 2**62, 2**63 - 1, -(2**63)]),
        (B1, [True, False]),
        (C16, [0j, 1.5 - 2j, complex("nan"), complex(-0.0, -0.0)]),
    ],
)
def test_python_numbers(dtype, values):
    f = identity(dtype=dtype)
    for v in values:
        got = f(v)
        assert type(got) is type(v) and repr(got) == repr(v)
    for other in (0.5, 2, True, 1j, np.float64(1), np.int64(1), np.True_, None, "x", 2**63, -(2**70), [1.0]):
        assert is_slow(f(other)) == (type(other) is not type(values[0]) or abs(other) >= 2**63)


@pytest.mark.parametrize("dtype", DTYPE_NAMES)
def test_numpy_scalars(dtype):
    f = identity(dtype=dtype, kind="numpy")
    for v in (0, 1, 3):
        value = dtype.type(v)
        got = f(value)
        assert type(got) is dtype.type and got == value and got.dtype is np.dtype(dtype)
    assert is_slow(f(1.5)) and is_slow(f(1)) and is_slow(f(True)) and is_slow(f(np.array(1, dtype)))
    assert is_slow(f(np.float32(1) if dtype != F4 else np.float64(1)))


def test_numbers_of_several_kinds():
    kinds = (("python", I8), ("python", F8), ("numpy", F8), ("numpy", F4), ("python", B1), ("python", C16))
    f = entry(
        two,
        [scalar(X), scalar(Y, I8)],
        [F8, I8],
        lambda b, x, y: [x, y],
        [number(), number(1, I8)],
        OutScalar(0, kinds, selector=1),
    )
    got = [f(3.0, k) for k in range(6)]
    assert [type(g) for g in got] == [int, float, np.float64, np.float32, bool, complex]
    assert got == [3, 3.0, 3.0, 3.0, True, 3 + 0j]
    assert f(0.0, 4) is False


def test_overflowing_and_odd_ints_do_not_disturb_the_exception_state():
    f = identity(dtype=I8)

    class Index(int):
        def __index__(self):
            raise RuntimeError("must not be called")

    for value in (2**64, -(2**64), Index(3), object()):
        assert is_slow(f(value))


# --- arrays ----------------------------------------------------------------------------------------------


def test_array_checks():
    f = doubled(X, (2, 3), (2, 3))
    x = np.arange(6.0).reshape(2, 3)
    got = f(x)
    np.testing.assert_array_equal(got, x * 2)
    assert type(got) is np.ndarray and got.flags.owndata and got.flags.c_contiguous and got.flags.writeable
    assert got.flags.aligned and got.base is None and got.dtype is np.dtype("f8")

    class Sub(np.ndarray):
        pass

    others = [
        x[:, ::-1],
        np.asfortranarray(x),
        x.astype("f4"),
        x.astype(">f8"),
        x.ravel(),
        x[None],
        x[:1],
        x.tolist(),
        x.view(Sub),
        np.zeros((2, 3), "i8"),
        np.zeros((2, 3), object),
        np.zeros((3, 2)),
        np.frombuffer(b"x" * 49, "u1")[1:].view("f8"),
        None,
        np.ma.masked_array(x),
        np.zeros((2, 3), "c16"),
        memoryview(x),
    ]
    for other in others:
        assert is_slow(f(other))


def test_equivalent_dtypes_are_taken():
    f = doubled(X, (3,), (3,))
    unpickled = pickle.loads(pickle.dumps(np.arange(3.0)))
    tagged = np.arange(3.0).astype(np.dtype("f8", metadata={"a": 1}))
    for x in (unpickled, tagged):
        np.testing.assert_array_equal(f(x), [0, 2, 4])
    g = entry(
        one,
        [array(X, (1,), I8)],
        [(I8,)],
        lambda b, x: [b.load(x, b.index(0))],
        [number(0, I8)],
        OutScalar(0, (("numpy", I8),)),
    )
    assert g(np.array([5], "q")) == 5 and g(np.array([5], "l")) == 5 and is_slow(g(np.array([5], "u8")))


def test_symbols():
    f = entry(
        two,
        [array(X, ("n", 2)), array(Y, ("n", "m"))],
        [I8, I8, (F8,), (F8,)],
        lambda b, n, m, x, y: [n, m],
        [number(0, I8), number(1, I8)],
        OutTree("tuple", (OutScalar(0, (("python", I8),)), OutScalar(1, (("python", I8),)))),
        symbols=("n", "m"),
    )
    assert f(np.zeros((3, 2)), np.zeros((3, 7))) == (3, 7) and f(np.zeros((0, 2)), np.zeros((0, 0))) == (0, 0)
    assert is_slow(f(np.zeros((3, 2)), np.zeros((4, 7)))) and is_slow(f(np.zeros((3, 3)), np.zeros((3, 7))))


def test_run_time_shape_of_a_result():
    f = doubled(X, ("n",), (("at", 1),), symbols=("n",))
    for n in (0, 1, 5, 1000):
        np.testing.assert_array_equal(f(np.arange(float(n))), np.arange(float(n)) * 2)


def test_layouts():
    def probe(layout, shape=(2, 3)):
        strides = 2 if layout == "strided" else 0
        out = [Returned(k, k, I8, None) for k in range(strides)]
        ints = (("python", I8),)
        return entry(
            one,
            [array(X, shape, layout=layout)],
            [(F8,), *[I8] * strides],
            lambda b, x, *s: list(s),
            out,
            OutTree("tuple", tuple(OutScalar(k, ints) for k in range(strides))),
        )

    x = np.zeros((2, 3))
    big = np.zeros((4, 9))
    assert probe("C")(x) == () and is_slow(probe("C")(np.asfortranarray(x)))
    assert probe("F")(np.asfortranarray(x)) == () and is_slow(probe("F")(x))
    strided = probe("strided")
    assert strided(x) == (3, 1) and strided(np.asfortranarray(x)) == (1, 2)
    assert strided(big[::2, ::-4]) == (18, -4) and strided(np.broadcast_to(1.0, (2, 3))) == (0, 0)
    odd = np.zeros((2, 3), np.dtype({"names": ["v"], "formats": ["f8"], "offsets": [0], "itemsize": 12}))["v"]
    assert is_slow(strided(odd))
    assert probe("C", (1, 3))(big[:1, :3]) == () and probe("C", (0, 3))(big[:0, :3]) == ()


def test_writeable():
    writing = entry(
        one,
        [array(X, (2,), written=True)],
        [(F8,)],
        lambda b, x: b.store(x, b.index(0), b.const(5.0, F8)) or [],
        [],
        OutInput(0),
    )
    x = np.zeros(2)
    assert writing(x) is x and x[0] == 5
    x.flags.writeable = False
    assert is_slow(writing(x))
    reading = entry(one, [array(X, (2,), readonly=True)], [(F8,)], lambda b, x: [], [], OutStatic("read-only"))
    assert reading(x) == "read-only" and is_slow(reading(np.zeros(2)))


@pytest.mark.parametrize("layout", ["C", "strided"])
def test_disjoint(layout):
    strides = [I8] if layout == "strided" else []
    f = entry(
        two,
        [array(X, (4,), layout=layout, written=True), array(Y, (4,), layout=layout)],
        [(F8,), *strides, (F8,), *strides],
        lambda b, *v: [],
        [],
        OutStatic("apart"),
        relations=[Disjoint(0, 1)],
    )
    base = np.zeros(20)
    assert (
        f(base[:4], base[4:8]) == "apart"
        and f(base[4:8], base[:4]) == "apart"
        and f(np.zeros(4), np.zeros(4)) == "apart"
    )
    assert is_slow(f(base[:4], base[3:7])) and is_slow(f(base[3:7], base[:4])) and is_slow(f(base[:4], base[:4]))
    x = base[:4]
    assert is_slow(f(x, x))
    if layout == "strided":
        assert is_slow(f(base[:8:2], base[7:3:-1])) and f(base[:8:2], base[19:11:-2]) == "apart"
        assert f(base[3::-1], base[4:8]) == "apart" and is_slow(f(base[4:0:-1], base[4:8]))
        assert is_slow(f(base[:8:2], base[1:9:2])), "interleaved arrays are not told apart"


def test_empty_arrays_are_disjoint():
    f = entry(
        two,
        [array(X, ("n",), written=True), array(Y, (4,))],
        [I8, (F8,), (F8,)],
        lambda b, *v: [],
        [],
        OutStatic("apart"),
        relations=[Disjoint(0, 1)],
        symbols=("n",),
    )
    y = np.zeros(4)
    assert f(y[1:1], y) == "apart" and is_slow(f(y[1:2], y))


def test_same():
    f = entry(
        two,
        [array(X, (2,), written=True), array(Y, (2,), written=True)],
        [(F8,)],
        lambda b, x: [],
        [],
        OutTree("list", (OutInput(0), OutInput(1))),
        relations=[Same(0, 1)],
    )
    x = np.zeros(2)
    got = f(x, x)
    assert got[0] is x and got[1] is x
    assert is_slow(f(x, x.copy())) and is_slow(f(x, x[:]))
