"""Entry points: what results are made of, what fails, who owns what."""

from __future__ import annotations

import gc
import sys
import threading
import traceback

import numpy as np
import pytest

from tracejit.ir.interface import (
    Global,
    Guard,
    Item,
    OutArray,
    OutChoice,
    OutIndex,
    OutInput,
    OutScalar,
    OutSource,
    OutStatic,
    OutTree,
    OutView,
)
from tracejit.ir.loc import Loc
from tracejit.ir.types import DTYPE_NAMES
from tracejit.lower.loops import Returned
from tracejit.ops import control
from tracejit.ops import elementwise as ew

from .entries import B1, F4, F8, I8, entry
from .native import LoopBuilder, loop_over
from .test_entry import PYTHON_FLOAT, X, Y, array, doubled, number, one, scalar, two

# --- results ---------------------------------------------------------------------------------------------


def fill(b: LoopBuilder, dtype, count, start=0.0):
    out = b.alloc(dtype, b.index(count))
    for k in range(count):
        b.store(out, b.index(k), b.const(dtype.type(start + k), dtype))
    return out


@pytest.mark.parametrize("dtype", DTYPE_NAMES)
def test_new_arrays(dtype):
    f = entry(lambda: ..., [], [], lambda b: [fill(b, dtype, 6)], [Returned(0, 0, dtype, (2, 3))], OutArray(0))
    want = np.arange(6).reshape(2, 3).astype(dtype)
    for _ in range(3):
        got = f()
        assert got.dtype == dtype and got.shape == (2, 3)
        np.testing.assert_array_equal(got, want)
    got.resize((4, 3), refcheck=False)
    np.testing.assert_array_equal(got[:2], want)


def test_rank_0_and_empty_arrays():
    f = entry(
        lambda: ...,
        [],
        [],
        lambda b: [b.const(2.5, F8), fill(b, F4, 0)],
        [number(), Returned(1, 1, F4, (0, 3))],
        OutTree("tuple", (OutArray(0), OutArray(1))),
    )
    a, b = f()
    assert type(a) is np.ndarray and a.shape == () and a == 2.5 and a.flags.owndata and a.flags.writeable
    assert b.shape == (0, 3) and b.dtype == F4


def test_one_array_in_several_places():
    f = entry(
        lambda: ...,
        [],
        [],
        lambda b: [fill(b, F8, 2), fill(b, F8, 3)],
        [Returned(0, 0, F8, (2,)), Returned(1, 1, F8, (3,))],
        OutTree("tuple", (OutArray(0), OutTree("list", (OutArray(0), OutStatic(None))))),
    )
    a, (b, none) = f()
    assert a is b and none is None
    assert sys.getrefcount(a) == 3


def test_views():
    base = OutArray(0)
    view = OutView(base, (2, 2), (1, 0), ((0, 0), (1, 1)), (-1, 2))
    f = entry(
        lambda: ...,
        [],
        [],
        lambda b: [fill(b, F8, 6), b.index(1), b.index(2)],
        [Returned(0, 0, F8, (2, 3)), number(1, I8), number(2, I8)],
        OutTree(
            "tuple",
            (
                base,
                view,
                OutView(base, (OutIndex(2),), (OutIndex(1), OutIndex(1)), ((1, 0),), (OutIndex(1),)),
                OutView(base, (), (1, 2), (), ()),
                OutView(base, (4, 3), (1, 0), ((1, 1),), (1,), writeable=False),
            ),
        ),
    )
    a, v, w, z, fixed = f()
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(v, x[::-1, ::2])
    np.testing.assert_array_equal(w, x[1, 1:3])
    np.testing.assert_array_equal(fixed, np.broadcast_to(x[1], (4, 3)))
    assert v.base is a and w.base is a and z.base is a and z.shape == () and z == 5.0
    assert v.strides == x[::-1, ::2].strides and v.flags.writeable and not v.flags.owndata and not v.flags.c_contiguous
    assert w.flags.c_contiguous and not fixed.flags.writeable
    v[0, 0] = 100
    assert a[1, 0] == 100
    del a, w, z, fixed
    gc.collect()
    assert v[0, 1] == 5.0


def test_views_of_arguments():
    f = entry(one, [array(X, (4,))], [(F8,)], lambda b, x: [], [], OutView(OutInput(0), (2,), (1,), ((0, 0),), (2,)))
    x = np.arange(4.0)
    v = f(x)
    assert v.base is x and v.tolist() == [1.0, 3.0]
    y = np.arange(8.0)
    assert f(y[2:6]).base is y, "as NumPy does, a view refers to the array that owns the memory"
    y.flags.writeable = False
    assert not f(y[:4]).flags.writeable


def test_choices():
    f = entry(
        two,
        [array(X, (2,)), scalar(Y, I8)],
        [(F8,), I8],
        lambda b, x, k: [k, fill(b, F8, 2), b.const(1.5, F8)],
        [number(0, I8), Returned(1, 1, F8, (2,)), number(2)],
        OutChoice(
            0, (OutInput(0), OutArray(1), OutStatic("no"), OutTree("tuple", (OutScalar(2, PYTHON_FLOAT), OutArray(1))))
        ),
    )
    x = np.zeros(2)
    for _ in range(3):
        assert f(x, 0) is x and f(x, 1).tolist() == [0, 1] and f(x, 2) == "no"
        a, b = f(x, 3)
        assert a == 1.5 and b.tolist() == [0, 1]


def test_failing_make_releases_everything():
    def make(children):
        raise KeyError("no")

    f = entry(
        one,
        [array(X, (2,))],
        [(F8,)],
        lambda b, x: [fill(b, F8, 2)],
        [Returned(0, 0, F8, (2,))],
        OutTree("list", (OutInput(0), OutTree("make", (OutArray(0), OutInput(0)), make=make))),
    )
    x = np.zeros(2)
    before = sys.getrefcount(x)
    for _ in range(5):
        with pytest.raises(KeyError):
            f(x)
    assert sys.getrefcount(x) == before


def test_unhashable_key_of_a_result():
    f = entry(lambda: ..., [], [], lambda b: [], [], OutTree("dict", (OutStatic(1),), keys=([],)))
    with pytest.raises(TypeError, match="unhashable"):
        f()


# --- failing checks --------------------------------------------------------------------------------------


def test_checks_raise_at_the_users_line():
    def write(b: LoopBuilder, x, k):
        b.loc = Loc(__file__, 7, function="user_function", caller=Loc(__file__, 9, function="outer"))
        b.store(x, b.index(0), b.const(1.0, F8))
        b.check(b.apply(ew.ge, k, b.const(0, I8)), ValueError, ("negative: {0}", 5), [k])
        b.store(x, b.index(1), b.const(1.0, F8))
        b.check(b.apply(ew.lt, k, b.const(10, I8)), IndexError, ("index {0} is out of {1}",), [k, b.const(2.5, F8)])
        out = fill(b, F8, 3)
        b.check(b.apply(ew.lt, k, b.const(5, I8)), RuntimeError, ())
        return [out]

    f = entry(
        two, [array(X, (2,), written=True), scalar(Y, I8)], [(F8,), I8], write, [Returned(0, 0, F8, (3,))], OutArray(0)
    )
    x = np.zeros(2)
    before = sys.getrefcount(x)
    with pytest.raises(ValueError) as caught:
        f(x, -3)
    assert caught.value.args == ("negative: -3", 5) and x.tolist() == [1, 0]
    names = [s.name for s in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-2:] == ["outer", "user_function"] and traceback.extract_tb(caught.value.__traceback__)[-1].lineno == 7
    assert len(names) == 3
    with pytest.raises(IndexError, match=r"^index 10 is out of 2\.5$"):
        f(x, 10)
    assert x.tolist() == [1, 1]
    with pytest.raises(RuntimeError):
        f(x, 7)
    assert f(x, 3).tolist() == [0, 1, 2]
    del caught
    assert sys.getrefcount(x) == before


def test_exceptions_that_cannot_be_made():
    class Odd(Exception):
        def __init__(self):
            raise LookupError("cannot be made")

    f = entry(
        one,
        [scalar(X)],
        [F8],
        lambda b, x: b.check(b.apply(ew.gt, x, b.const(0.0, F8)), Odd, ()) or [x],
        [number()],
        OutScalar(0, PYTHON_FLOAT),
    )
    assert f(1.0) == 1.0
    with pytest.raises(LookupError):
        f(-1.0)


def test_out_of_memory():
    f = entry(
        one, [scalar(X, I8)], [I8], lambda b, n: [b.alloc(F8, n), n], [Returned(0, 0, F8, (("at", 1),))], OutArray(0)
    )
    assert f(4).shape == (4,)
    with pytest.raises(MemoryError):
        f(2**50)


# --- prints and callbacks --------------------------------------------------------------------------------


def calling(function, results=(F8,), kinds=("python",)):
    def write(b: LoopBuilder, x):
        from tracejit.ir.types import ArrayType

        types = [ArrayType(r) for r in results]
        return b.emit(control.callback, (x,), types, {"function": function, "tree": None, "kinds": kinds})

    outputs = tuple(OutScalar(k, (("python", r),)) for k, r in enumerate(results))
    return entry(
        one,
        [scalar(X)],
        [F8],
        write,
        [number(k, r) for k, r in enumerate(results)],
        OutTree("tuple", outputs),
        release="always",
    )


def test_callbacks_may_call_the_function_again():
    def again(x):
        seen.append(x)
        return f(x - 1)[0] + x if x > 0 else 0.0

    seen = []
    f = calling(again)
    assert f(4.0) == (10.0,) and seen == [4.0, 3.0, 2.0, 1.0, 0.0]


def test_exceptions_in_callbacks():
    def fail(x):
        raise KeyError(x)

    f = calling(fail)
    with pytest.raises(KeyError) as caught:
        f(2.0)
    assert caught.value.args == (2.0,)
    assert [s.name for s in traceback.extract_tb(caught.value.__traceback__)][-1] == "fail"


def test_callbacks_of_a_wrong_number_of_results():
    with pytest.raises(ValueError):
        calling(lambda x: (1.0,), results=(F8, F8))(1.0)
    assert calling(lambda x: (x, 2.0), results=(F8, F8))(1.0) == (1.0, 2.0)


def test_prints(capsys):
    def write(b: LoopBuilder, x):
        b.emit(control.print_, (x,), (), {"parts": ("x is", control.Slot(0, "python"), None), "sep": "-", "end": "!\n"})
        return []

    f = entry(one, [scalar(X)], [F8], write, [], OutStatic(None))
    assert f(1.5) is None
    assert capsys.readouterr().out == "x is-1.5-None!\n"


# --- ownership -------------------------------------------------------------------------------------------


def test_references_are_balanced():
    w = np.ones(3)
    namespace = {"w": w, "s": np.float64(2.0)}
    params = {"a": np.ones(3), "b": [np.ones(3), 1.0]}
    source = [Item(X, "a"), Item(Item(X, "b"), 0), Global(namespace, "w")]

    def write(b: LoopBuilder, x, y, z, s, t):
        return [fill(b, F8, 3), s, b.apply(ew.gt, t, b.const(0.0, F8))]

    f = entry(
        two,
        [*(array(s, (3,)) for s in source), scalar(Global(namespace, "s"), F8, "numpy"), scalar(Y)],
        [(F8,), (F8,), (F8,), F8, F8],
        write,
        [Returned(0, 0, F8, (3,)), number(1), number(2, B1)],
        OutTree(
            "dict",
            (
                OutArray(0),
                OutScalar(1, (("numpy", F8),)),
                OutScalar(2, (("python", B1),)),
                OutInput(1),
                OutSource(Item(X, "b")),
                OutSource(X),
                OutView(OutInput(2), (2,), (1,), ((0, 0),), (1,)),
                OutStatic(params),
            ),
            keys=tuple("abcdefgh"),
        ),
        guards=[Guard(X, "container", dict.fromkeys("ab")), Guard(Item(X, "b"), "container", [None, None])],
        release="always",
    )
    objects = [w, params, params["a"], params["b"], params["b"][0], np.dtype("f8"), True, namespace, np.ndarray, f]

    def counts():
        return [sys.getrefcount(o) for o in objects]

    for y in (1.0, -1.0, 2):
        f(params, y)
        f(params)
    gc.collect()
    before = counts()
    for _ in range(1000):
        f(params, 1.0)
        f(params, 2)
        f({"a": params["a"], "b": params["b"]}, y=0.5)
        f(params["b"], 1.0)
    gc.collect()
    assert counts() == before


def test_memory_of_results_is_freed():
    f = doubled(X, ("n",), (("at", 1),), symbols=("n",))
    x = np.zeros(1 << 20)

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    f(x)
    before = resident()
    for _ in range(200):
        f(x)
    assert resident() - before < 100 << 20


def test_no_warning_about_memory_policies(monkeypatch):
    import subprocess

    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "from tests.codegen.test_entry import doubled, X, np\n"
        "f = doubled(X, (3,), (3,))\n"
        "for _ in range(3): f(np.zeros(3))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"NUMPY_WARN_IF_NO_MEM_POLICY": "1", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_threads():
    def write(b: LoopBuilder, x):
        out = b.alloc(F8, b.index(1000))
        loop_over(b, 1000, lambda c, i: c.store(out, i, c.apply(ew.add, c.load(x, i), c.const(1.0, F8))))
        return [out]

    f = entry(
        one,
        [array(Item(X, 0), (1000,))],
        [(F8,)],
        write,
        [Returned(0, 0, F8, (1000,))],
        OutArray(0),
        release="always",
        guards=[Guard(X, "container", [None])],
    )
    box = [np.zeros(1000)]
    failures = []

    def work(seed):
        for k in range(300):
            try:
                got = f(box)
                if not (got == got[0]).all():
                    failures.append(got)
                box[0] = np.full(1000, float(k))
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
