"""Objects of every kind as arguments of compiled functions: Python's answer, Python's error, or a clear refusal."""

import decimal
import enum
import random
import types
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

import tracejit as tj
from tracejit.errors import TracejitError

Pair = namedtuple("Pair", "left right")


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Box:
    content: object


class Sub(np.ndarray):
    pass


class Proxy:
    def __getattr__(self, name):
        return 1.5

    def __add__(self, other):
        return other


class Rude:
    def __getattribute__(self, name):
        raise RuntimeError(name)

    def __eq__(self, other):
        raise RuntimeError("==")

    def __hash__(self):
        raise RuntimeError("hash")


ATOMS = [
    None,
    True,
    False,
    0,
    1,
    -5,
    2**63,
    2**100,
    -(2**100),
    0.0,
    -0.0,
    1.5,
    float("nan"),
    float("inf"),
    1j,
    "",
    "abc",
    "ü",
    b"",
    b"xy",
    (),
    [],
    {},
    set(),
    frozenset([1]),
    object(),
    Proxy(),
    int,
    float,
    len,
    abs,
    np.sin,
    np,
    types,
    np.float64(1),
    np.float32(2.5),
    np.int8(-1),
    np.uint64(2**64 - 1),
    np.bool_(True),
    np.complex64(1j),
    np.longdouble(1),
    np.str_("a"),
    np.datetime64("2020-01-01"),
    np.longlong(3),
    np.zeros(3),
    np.ones((3, 1)),
    np.zeros(0),
    np.array(1.0),
    np.array(1),
    np.zeros(3, "f4"),
    np.zeros(3, ">f8"),
    np.zeros(3, object),
    np.zeros(3, "M8[s]"),
    np.zeros(3, "S3"),
    np.ones(3, "f2"),
    np.zeros(3, [("a", "f8")]),
    np.zeros((1,) * 8),
    np.zeros(3)[::-1],
    np.ones(6)[::2],
    np.zeros((2, 3)).T,
    np.zeros(25, "u1")[1:].view("f8"),
    np.zeros(3).view(Sub),
    np.ma.zeros(3),
    memoryview(b"123"),
    bytearray(b"1"),
    range(3),
    slice(1, None),
    Ellipsis,
    NotImplemented,
    type,
    Pair(1, 2.0),
    iter([1]),
    (k for k in "ab"),
    decimal.Decimal("1.5"),
    Fraction(1, 3),
    Colour.RED,
    Level.LOW,
    Box(1.0),
    Box(np.ones(2)),
    OrderedDict(a=1),
    lambda v: v,
    np.dtype("f4"),
    np.random.default_rng(0),
    property(),
    staticmethod(len),
    "".join,
    [1].append,
    BaseException("x"),
    types.SimpleNamespace(a=1.0),
]


def random_object(rng, depth=0):
    if depth < 2 and rng.random() < 0.3:
        items = [random_object(rng, depth + 1) for _ in range(rng.randrange(4))]
        kind = rng.choice(["tuple", "list", "dict", "pair", "box"])
        if kind == "pair" and len(items) >= 2:
            return Pair(*items[:2])
        if kind == "box" and items:
            return Box(items[0])
        if kind == "dict":
            return dict(zip(rng.sample(["a", "b", 1, 1.5, None, (1, 2)], k=len(items)), items))
        return tuple(items) if kind == "tuple" else items
    return rng.choice(ATOMS)


def outcome(f, *args):
    try:
        return f(*args), None
    except Exception as error:
        return None, error


def alike(a, b):
    if isinstance(a, np.ndarray) or isinstance(a, np.generic):
        return type(a) is type(b) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        return type(a) is type(b) and list(a) == list(b) and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, (float, complex)):
        return type(a) is type(b) and repr(a) == repr(b)
    return a is b or (type(a) is type(b) and a == b)


FUNCTIONS = [
    lambda x: x,
    lambda x: (x, [x]),
    lambda x: x + 1,
    lambda x: x if x is None else 5,
    lambda x: isinstance(x, (int, tuple)),
]


@pytest.mark.parametrize("which", range(len(FUNCTIONS)))
def test_python_and_compiled_agree_or_refuse(which):
    rng = random.Random(which)
    f = FUNCTIONS[which]
    compiled = tj.jit(f)
    refused = 0
    for _ in range(60):
        x = random_object(rng)
        (want, plain), (got, error) = outcome(f, x), outcome(compiled, x)
        if isinstance(error, (TracejitError, OverflowError)):
            refused += 1
            assert str(error)
        elif plain is not None:
            assert type(error) is type(plain), (x, error)
        else:
            assert error is None, (x, error)
            assert alike(got, want) or isinstance(x, (np.ndarray, np.generic)), (x, got, want)
    assert refused < 40


def test_objects_that_refuse_everything():
    rude = Rude()
    f = tj.jit(lambda x, y: y)
    for _ in range(2):
        assert f(1, 2.0) == 2.0
        outcome(f, rude, 1.0)
        outcome(f, [rude], 1.0)
        outcome(f, {"a": rude}, 1.0)
    assert f(1, 3.0) == 3.0


def test_arrays_that_change_under_our_hands():
    f = tj.jit(lambda x: x + 1)
    x = np.zeros(4)
    for shape in ((4,), (2, 2), (4, 1), (4,)):
        x.shape = shape
        assert f(x).shape == shape
    x.dtype = np.int64
    assert f(x).dtype == np.int64
    y = np.arange(6.0)
    f(y)
    y.resize(3, refcheck=False)
    assert f(y).tolist() == [1.0, 2.0, 3.0]
    y.setflags(write=False)
    assert f(y).tolist() == [1.0, 2.0, 3.0]


def test_globals_that_are_deleted(monkeypatch):
    f = tj.jit(lambda x: x + FACTOR)
    assert f(1.0) == 3.0
    monkeypatch.delitem(globals(), "FACTOR")
    for _ in range(2):
        with pytest.raises(NameError, match="name 'FACTOR' is not defined"):
            f(1.0)
    monkeypatch.setitem(globals(), "FACTOR", np.ones(2))
    assert f(1.0).tolist() == [2.0, 2.0]


FACTOR = 2.0
