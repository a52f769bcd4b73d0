"""Binding and classification of arguments."""

import inspect
from collections import deque, namedtuple
from decimal import Decimal
from enum import Enum

import numpy as np
import pytest

from tracejit.errors import UnsupportedError
from tracejit.ir.interface import Same
from tracejit.runtime.signature import Classifier, Policy, arrange, bind, exact
from tracejit.runtime.sources import evaluate, holds

Pair = namedtuple("Pair", "left right")


class Colour(Enum):
    RED = 1


class Thing:
    def __init__(self, v=0):
        self.v = v

    def method(self):
        return self.v


def classify(*values, **policy):
    return Classifier([f"p{k}" for k in range(len(values))], Policy(**policy)).classify(values)


def key(*values, **policy):
    return classify(*values, **policy).key


def test_binding():
    def f(a, b=2, *rest, k, d=5, **named): ...

    signature = inspect.signature(f)
    bound = bind(f, signature, (1,), {"k": 3})
    assert bound.values == [1, 2, (), 3, 5, {}] and bound.positional == [1, 2] and bound.keywords == {"k": 3, "d": 5}
    bound = bind(f, signature, (1, 2, 3, 4), {"k": 3, "z": 9})
    assert bound.values == [1, 2, (3, 4), 3, 5, {"z": 9}]
    assert bound.positional == [1, 2, 3, 4] and bound.keywords == {"k": 3, "d": 5, "z": 9}
    assert arrange(signature, bound.values).positional == bound.positional


@pytest.mark.parametrize("call", [((), {}), ((1, 2, 3), {}), ((1,), {"a": 2}), ((1,), {"z": 2})])
def test_calls_that_do_not_bind_raise_pythons_error(call):
    def f(a, b=1):
        raise AssertionError("must not run")

    args, kwargs = call
    with pytest.raises(TypeError) as want:
        f(*args, **kwargs)
    with pytest.raises(TypeError) as got:
        bind(f, inspect.signature(f), args, kwargs)
    assert str(got.value) == str(want.value) and got.value.__cause__ is None


def test_guards_hold_for_the_call_they_were_made_for():
    thing = Thing()
    values = [
        (1.0, [np.zeros(3), {"a": 1, 2: "x"}], None),
        Pair(1, "s"),
        "text",
        np.dtype("f4"),
        slice(1, None),
        range(3),
        len,
        thing,
        thing.method,
        Colour.RED,
        2**70,
        np.float64,
        Ellipsis,
        b"b",
        Decimal("1.5"),
        np,
        np.sin,
    ]
    signature = classify(*values)
    assert len(signature.guards) > len(values)
    for guard in signature.guards:
        assert holds(guard, evaluate(guard.source, values)), guard
    assert hash(signature.key) == hash(key(*values)) and signature.key == key(*values)


def test_keys_tell_apart_what_a_program_could_tell_apart():
    a = np.zeros((2, 3))
    frozen = np.zeros((2, 3))
    frozen.flags.writeable = False
    different = [
        (1,),
        (1.0,),
        (True,),
        (1j,),
        (np.int64(1),),
        (np.float32(1),),
        (a,),
        (a.astype("f4"),),
        (a[0],),
        (np.asfortranarray(a),),
        (a[:, ::2],),
        (frozen,),
        ("1",),
        (b"1",),
        (None,),
        ((1,),),
        ([1],),
        ({"a": 1},),
        ({"b": 1},),
        ({1: 1},),
        ({1.0: 1},),
        ((),),
        ([],),
        ({},),
        ((1, 1),),
        ((1, (1,)),),
        (2**63,),
        (2**64,),
        (Pair(1, 1),),
        (int,),
        (float,),
        (len,),
        (Thing(),),
        (slice(1),),
        (slice(2),),
        (range(1),),
        (Colour.RED,),
        (Ellipsis,),
        (np.dtype("f4"),),
        (np.dtype("f8"),),
        (Thing().method,),
    ]
    keys = [key(*v) for v in different]
    assert len(set(keys)) == len(keys)


def test_keys_do_not_depend_on_values_of_inputs_or_dimensions():
    assert key(1, 2.0, np.zeros(3)) == key(7, -0.0, np.ones(8))
    assert key({"a": [np.zeros((3, 4))]}) == key({"a": [np.zeros((5, 1))]})
    assert key(Thing(1)) == key(Thing(2))
    thing = Thing()
    assert key(thing.method) == key(thing.method) == key(Thing().method)


def test_static_parameters_and_numbers_that_tracing_needs():
    assert key(1, static=frozenset({0})) != key(2, static=frozenset({0}))
    assert key((1, "a"), static=frozenset({0})) == key((1, "a"), static=frozenset({0}))
    signature = classify((1, 2), specialized={(0, int, 1)})
    assert len(signature.leaves) == 1 and [g.value for g in signature.guards if g.condition == "equal"] == [2]
    assert key(0.0, static=frozenset({0})) != key(-0.0, static=frozenset({0}))
    with pytest.raises(UnsupportedError, match="p0 is an ndarray, and arrays cannot be static"):
        classify(np.zeros(3), static=frozenset({0}))


def test_one_array_given_twice():
    x, y = np.zeros(3), np.zeros(3)
    assert classify(x, y).same == () and classify(x, 1.0, (y, x), x).same == (Same(0, 3), Same(0, 4))
    assert key(x, y) == key(x, x)


def test_functions_made_anew():
    def make():
        return lambda v: v

    def closure(k):
        return lambda v: v + k

    f, g = make(), make()
    assert key(f) != key(g)
    codes = {f.__code__}
    assert key(f, structural=codes) == key(g, structural=codes)
    p, q = closure(1), closure(2)
    assert key(p, structural={p.__code__}) != key(q, structural={p.__code__})


class SubArray(np.ndarray):
    pass


class SubDict(dict):
    pass


class SubFloat(float):
    pass


@pytest.mark.parametrize(
    "value, message",
    [
        (np.zeros(3, object), "dtype object"),
        (np.zeros(3, "U3"), "dtype <U3"),
        (np.zeros(3, "M8[s]"), "datetime64"),
        (np.zeros(3, [("a", "f8")]), "dtype"),
        (np.zeros(3, np.longdouble), "float128|longdouble"),
        (np.longdouble(1), "NumPy scalar of dtype"),
        (np.datetime64("2020-01-01"), "NumPy scalar of dtype"),
        (np.zeros(3).view(SubArray), "subclass of ndarray"),
        (np.ma.zeros(3), "subclass of ndarray"),
        (SubDict(), "subclass of dict"),
        (SubFloat(1), "subclass of float"),
        ({1, 2}, "p0 is a set"),
        (bytearray(b"x"), "bytearray"),
        (deque([1]), "deque"),
        (iter([1]), "list_iterator"),
        ((v for v in [1]), "generator"),
        ([1, {"a": {1}}], r"p0\[1\]\['a'\] is a set"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_name(value, message):
    with pytest.raises(UnsupportedError, match=message):
        classify(value)


def test_containers_inside_themselves():
    loop = [1]
    loop.append(loop)
    with pytest.raises(UnsupportedError, match=r"p0\[1\] contains itself"):
        classify(loop)
    shared = [1.0]
    assert len(classify([shared, shared]).leaves) == 2


def test_exact_values():
    assert exact(0.0) != exact(-0.0) and exact(float("nan")) == exact(float("nan"))
    assert exact((1, 1.0)) != exact((1.0, 1)) and exact(np.float32(1)) != exact(np.float64(1))
