"""Entry points: objects of every kind as arguments, and containers that change meanwhile."""

from __future__ import annotations

import random
import threading

import numpy as np

from tracejit.ir.interface import (
    Attribute,
    Disjoint,
    Guard,
    Item,
    OutScalar,
)

from .entries import F4, F8, I8, entry, sum_into
from .test_entry import PYTHON_FLOAT, Pair, X, Y, array, doubled, guarded, identity, number, one, scalar, two

# --- odd arguments ---------------------------------------------------------------------------------------


def test_odd_objects_never_crash():
    class Liar:
        __class__ = np.ndarray
        shape, dtype, ndim = (3,), np.dtype("f8"), 1

    class Attr:
        def __getattr__(self, name):
            raise ValueError(name)

    class Sub(np.ndarray):
        pass

    rng = random.Random(3)
    atoms = [
        None,
        True,
        0,
        -1,
        2**100,
        1.5,
        float("nan"),
        1j,
        "",
        "abc",
        b"",
        (),
        [],
        {},
        set(),
        object(),
        Liar(),
        Attr(),
        int,
        len,
        np.float64(1),
        np.float32(1),
        np.int8(1),
        np.bool_(True),
        np.complex64(1),
        np.longdouble(1),
        np.str_("a"),
        np.datetime64("2020-01-01"),
        np.zeros(3),
        np.zeros((3, 1)),
        np.zeros(0),
        np.array(1.0),
        np.zeros(3, "f4"),
        np.zeros(3, ">f8"),
        np.zeros(3, object),
        np.zeros(3, "M8[s]"),
        np.zeros(3, "S3"),
        np.zeros(3, [("a", "f8")]),
        np.zeros((3,) * 5),
        np.zeros(3)[::-1],
        np.zeros(6)[::2],
        np.zeros(25, "u1")[1:].view("f8"),
        np.zeros(3).view(Sub),
        np.ma.zeros(3),
        memoryview(b"123"),
        range(3),
        slice(3),
        Ellipsis,
        NotImplemented,
        type,
        Pair(1, 2),
        iter([]),
        {"a": np.zeros(3)},
        [np.zeros(3)],
        (np.zeros(3), 1.0),
    ]
    functions = [
        identity(two),
        identity(two, I8),
        identity(two, F4, "numpy"),
        doubled(X, (3,), (3,)),
        doubled(X, ("n",), (("at", 1),), symbols=("n",)),
        guarded(Guard(X, "container", {"a": None}), like=two),
        guarded(Guard(X, "container", (None, None)), Guard(Item(X, 0), "equal", 1.5), like=two),
        guarded(Guard(X, "equal", (1, "a", (2.0, None))), like=two),
        guarded(Guard(X, "type", Pair), Guard(Item(X, 1), "equal", "s"), like=two),
        entry(
            two,
            [array(X, (3,), layout="strided"), array(Y, (3,), layout="strided")],
            [(F8,), I8, (F8,), I8],
            lambda b, *v: [sum_into(b, v[0], v[2])],
            [number()],
            OutScalar(0, PYTHON_FLOAT),
            relations=[Disjoint(0, 1)],
        ),
        guarded(Guard(Attribute(X, "dtype"), "equal", np.dtype("f8")), like=two),
    ]

    def random_object(depth=0):
        if depth < 3 and rng.random() < 0.4:
            n = rng.randrange(4)
            items = [random_object(depth + 1) for _ in range(n)]
            return rng.choice(
                [tuple(items), items, dict(zip(rng.sample(["a", "b", 1, 1.0, "".join(["a"])], k=min(n, 5)), items))]
            )
        return rng.choice(atoms)

    for _ in range(4000):
        f = rng.choice(functions)
        args = [random_object() for _ in range(rng.choice([0, 1, 1, 2, 2, 2, 3]))]
        names = rng.sample(["x", "y", "z", "".join(["x"])], k=rng.choice([0, 0, 0, 1, 2]))
        f(*args, **{n: random_object() for n in names})


def test_mutation_while_calling():
    """Containers that another thread changes all the time."""
    f = entry(
        one,
        [array(Item(X, "a"), ("n",)), scalar(Item(X, "s"))],
        [I8, (F8,), F8],
        lambda b, n, x, s: [s],
        [number()],
        OutScalar(0, PYTHON_FLOAT),
        guards=[Guard(X, "container", {"a": None, "s": None})],
        symbols=("n",),
        release="always",
    )
    box = {"a": np.zeros(3), "s": 1.0}
    stop = threading.Event()

    def change():
        k = 0
        while not stop.is_set():
            k += 1
            box["a"] = np.zeros(k % 50)
            box.pop("s", None)
            box["s"] = float(k)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(20000):
            f(box)
    finally:
        stop.set()
        thread.join()
