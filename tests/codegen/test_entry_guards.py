"""Entry points: where objects are found, and what must hold of them."""

from __future__ import annotations

import gc
import pickle
import types

import numpy as np
import pytest

from tracejit.ir.interface import (
    Attribute,
    Cell,
    Global,
    Guard,
    Item,
    OutScalar,
    OutStatic,
    OutTree,
)

from .entries import F8, entry, is_slow, sum_into
from .test_entry import PYTHON_FLOAT, Pair, X, array, guarded, number, one, scalar

# --- sources and guards ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        0,
        1,
        -7,
        2**80,
        1.5,
        -0.0,
        float("nan"),
        1j,
        complex("nan"),
        True,
        False,
        None,
        "text",
        "ü",
        b"bytes",
        np.dtype("f4"),
        (),
        (1, 2.0),
        ("a", (None, True)),
        np.float32(2.5),
        np.int16(3),
        np.bool_(True),
    ],
    ids=repr,
)
def test_equal_guard(value):
    f = guarded(Guard(X, "equal", value))
    assert f(value) == "taken"
    if type(value) in (int, str, bytes, tuple) and value:
        assert f(pickle.loads(pickle.dumps(value))) == "taken"
    others = [
        0,
        1,
        2,
        True,
        0.0,
        1.0,
        -0.0,
        "",
        "text ",
        b"",
        None,
        (),
        (1, 2),
        (1, 2.0, 3),
        2**80 + 1,
        2.5,
        np.float64(2.5),
        1 + 0j,
        int,
        [],
    ]
    for other in others:
        same = type(other) is type(value) and repr(other) == repr(value)
        assert is_slow(f(other)) != same, other


def test_identity_and_type_guards():
    class Thing:
        def __eq__(self, other):
            raise RuntimeError("guards must not compare")

        __hash__ = object.__hash__

    class Derived(Thing):
        pass

    thing = Thing()
    f = guarded(Guard(X, "is", thing))
    assert f(thing) == "taken" and is_slow(f(Thing()))
    g = guarded(Guard(X, "type", Thing))
    assert g(thing) == "taken" and g(Thing()) == "taken" and is_slow(g(Derived())) and is_slow(g(Thing))


def test_containers():
    inner = Item(X, "b")
    f = entry(
        one,
        [scalar(Item(X, "a")), scalar(Item(Item(inner, 1), 0)), scalar(Item(inner, 0))],
        [F8] * 3,
        lambda b, x, y, z: [x, y, z],
        [number(k) for k in range(3)],
        OutTree("dict", tuple(OutScalar(k, PYTHON_FLOAT) for k in range(3)), keys=("one", 2, None)),
        guards=[
            Guard(X, "container", {"a": None, "b": None}),
            Guard(inner, "container", (None, None)),
            Guard(Item(inner, 1), "container", [None]),
        ],
    )
    assert f({"a": 1.0, "b": (2.0, [3.0])}) == {"one": 1.0, 2: 3.0, None: 2.0}
    assert list(f({"a": 1.0, "b": (2.0, [3.0])})) == ["one", 2, None]
    built = {"".join(["", "a"]): 1.0, bytes([98]).decode(): (2.0, [3.0])}
    assert f(built) == {"one": 1.0, 2: 3.0, None: 2.0}

    class Mapping(dict):
        pass

    for other in (
        {"b": (2.0, [3.0]), "a": 1.0},
        {"a": 1.0},
        {"a": 1.0, "b": [2.0, [3.0]]},
        {"a": 1.0, "b": (2.0, (3.0,))},
        {},
        {"a": 1.0, "b": (2.0, [3.0, 4.0])},
        {"a": 1.0, "b": (2.0, [])},
        {"a": 1.0, "c": (2.0, [3.0])},
        [],
        (),
        None,
        Mapping(a=1.0, b=(2.0, [3.0])),
        {"a": 1.0, "b": (2.0, [3.0]), "c": 1},
    ):
        assert is_slow(f(other))


def test_dict_keys_of_one_value_and_several_types():
    f = guarded(Guard(X, "container", {1: None, "1": None}))
    assert f({1: 0, "1": 0}) == "taken"
    assert is_slow(f({1.0: 0, "1": 0})) and is_slow(f({True: 0, "1": 0})) and is_slow(f({"1": 0, 1: 0}))


def test_dict_entries_that_were_deleted():
    f = guarded(Guard(X, "container", {"a": None, "b": None}))
    d = dict.fromkeys("xaybz")
    for k in "xyz":
        del d[k]
    assert f(d) == "taken"


def test_named_tuples():
    f = entry(
        one,
        [scalar(Item(X, 1))],
        [F8],
        lambda b, x: [x],
        [number()],
        OutTree("make", (OutScalar(0, PYTHON_FLOAT), OutStatic("s")), make=Pair._make),
        guards=[Guard(X, "type", Pair)],
    )
    got = f(Pair(1.0, 2.0))
    assert type(got) is Pair and got == Pair(2.0, "s") and is_slow(f((1.0, 2.0)))


def test_globals():
    namespace = {"g": 1.0}
    f = entry(
        lambda: ..., [scalar(Global(namespace, "g"))], [F8], lambda b, x: [x], [number()], OutScalar(0, PYTHON_FLOAT)
    )
    assert f() == 1.0
    namespace["g"] = 2.0
    assert f() == 2.0
    namespace["g"] = 2
    assert is_slow(f())
    del namespace["g"]
    assert is_slow(f())


def test_builtins_and_their_shadows():
    namespace = {"__builtins__": {"len": len}}
    f = guarded(Guard(Global(namespace, "len"), "is", len))
    assert f(0) == "taken"
    namespace["len"] = len
    assert is_slow(f(0)), "a module that defines the name may change it"
    del namespace["len"]
    assert f(0) == "taken"
    namespace["__builtins__"]["len"] = abs
    assert is_slow(f(0))


def test_cells():
    value = 1.0

    def closure():
        return value  # noqa: F821

    (cell,) = closure.__closure__
    f = entry(
        lambda: ..., [scalar(Cell(cell, "value"))], [F8], lambda b, x: [x], [number()], OutScalar(0, PYTHON_FLOAT)
    )
    assert f() == 1.0
    value = 5.0
    assert f() == 5.0
    del value
    assert is_slow(f())


def test_attributes():
    class Model:
        scale = 2.0

    f = entry(
        one,
        [scalar(Attribute(X, "scale"))],
        [F8],
        lambda b, x: [x],
        [number()],
        OutScalar(0, PYTHON_FLOAT),
        guards=[Guard(X, "type", Model)],
    )
    m = Model()
    assert f(m) == 2.0
    m.scale = 3.0
    assert f(m) == 3.0
    m.scale = "x"
    assert is_slow(f(m))


def test_attribute_getters_may_do_anything():
    log = []

    class Model:
        @property
        def w(self):
            holder.clear()
            gc.collect()
            log.append(1)
            if len(log) > 3:
                raise KeyError("gone")
            return np.ones(2)

    holder = {"a": np.full(2, 5.0), "m": Model()}
    a, m = Item(X, "a"), Item(X, "m")
    f = entry(
        one,
        [array(a, (2,)), array(Attribute(m, "w"), (2,))],
        [(F8,), (F8,)],
        lambda b, x, y: [sum_into(b, x, y)],
        [number()],
        OutScalar(0, PYTHON_FLOAT),
        guards=[Guard(X, "container", {"a": None, "m": None}), Guard(m, "type", Model)],
    )
    for _ in range(3):
        assert f(holder) == 6.0
        holder.update(a=np.full(2, 5.0), m=Model())
    assert is_slow(f(holder))


def test_attributes_of_modules():
    module = types.ModuleType("m")
    module.w = 1.0
    namespace = {"m": module}
    source = Global(namespace, "m")
    f = entry(
        lambda: ...,
        [scalar(Attribute(source, "w"))],
        [F8],
        lambda b, x: [x],
        [number()],
        OutScalar(0, PYTHON_FLOAT),
        guards=[Guard(source, "is", module)],
    )
    assert f() == 1.0
    module.w = 2.0
    assert f() == 2.0
    del module.w
    assert is_slow(f())
