"""`tracejit.jit`: decoration, how many versions there are, what is recognised again."""

import copy
import functools
import gc
import inspect
import os
import pickle
import subprocess
import sys
import threading
import traceback
import weakref

import numpy as np
import pytest

import tracejit as tj
from tracejit import config
from tracejit.errors import TracejitError, UnsupportedError


def double(x):
    """Twice x."""
    return x * 2


compiled_double = tj.jit(double)


@tj.jit
def module_level(x, y=1.0):
    return x + y


def versions(f):
    return f.stats().versions


# --- decoration -------------------------------------------------------------------------------------------------


def test_forms_of_decoration():
    @tj.jit
    def plain(x):
        return x + 1

    @tj.jit(shapes="static")
    def called(x):
        return x + 1

    assert plain(1) == called(1) == tj.jit()(lambda x: x + 1)(1) == 2
    assert tj.jit(plain) is plain and tj.jit(plain, shapes="static") is not plain


def test_methods():
    class Model:
        def __init__(self, w):
            self.w = w

        @tj.jit
        def predict(self, x):
            return self.w * x

        @tj.jit
        @staticmethod
        def half(x):
            return x / 2

        @staticmethod
        @tj.jit
        def third(x):
            return x / 3

        @tj.jit
        @classmethod
        def make(cls, w):
            return w + 1

        def late(self, x):
            return self.w - x

    m = Model(2.0)
    assert m.predict(3.0) == 6.0 and Model.predict(m, 4.0) == 8.0
    assert m.half(3.0) == 1.5 and Model.half(3.0) == 1.5 and m.third(3.0) == 1.0
    assert Model.make(1.0) == 2.0 and m.make(2) == 3
    assert tj.jit(m.late)(0.5) == 1.5


def test_partials_and_callable_objects():
    class Scale:
        def __init__(self, k):
            self.k = k

        def __call__(self, x):
            return x * self.k

    scale = Scale(2.0)
    f, g = tj.jit(scale), tj.jit(functools.partial(lambda a, b, c=0: a - b * c, 10.0, c=2))
    assert f(3.0) == 6.0 and g(1.0) == 8.0 and g(1.0, c=0) == 10.0
    scale.k = 5.0
    assert f(3.0) == 15.0


@pytest.mark.parametrize("thing", [3, "f", None.__class__, int, len, np.sin, property(double)])
def test_what_cannot_be_decorated(thing):
    with pytest.raises(TypeError, match="jit compiles Python functions"):
        tj.jit(thing)


def test_unroll():
    def f(x):
        for k in tj.unroll(range(20)):
            x = x + [1.0, 2.0][k % 2]
        return x

    assert tj.jit(f)(1.0) == f(1.0) and "for" not in tj.jit(f).ir(1.0)


def test_bad_options():
    with pytest.raises(ValueError, match="shapes is 'some'"):
        tj.jit(double, shapes="some")
    with pytest.raises(TypeError, match="static_argnames has 'z', which is not a parameter"):
        tj.jit(double, static_argnames="z")(1)
    with pytest.raises(TypeError, match="static_argnums has 3"):
        tj.jit(double, static_argnums=3)(1)


def test_it_looks_like_the_function():
    f = compiled_double
    assert f.__name__ == "double" and f.__doc__ == "Twice x." and f.__wrapped__ is double and f.__module__ == __name__
    assert f.__qualname__ == "double" and str(inspect.signature(f)) == "(x)" and callable(f)
    assert repr(f) == "<compiled function double>"
    f.note = 5
    assert f.note == 5
    assert weakref.ref(f)() is f


def test_copies_and_pickles_are_the_function_itself():
    assert copy.copy(module_level) is module_level and copy.deepcopy([module_level])[0] is module_level
    assert pickle.loads(pickle.dumps(module_level)) is module_level
    again = pickle.loads(pickle.dumps(compiled_double))
    assert again.__wrapped__ is double and again(3) == 6
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(tj.jit(lambda x: x))


def test_disabled():
    calls = []

    def f(x):
        calls.append(x)
        return x

    with config.override(disable=True):
        g = tj.jit(f)
    assert g("anything") == "anything" and g({1}) == {1} and len(calls) == 2 and versions(g) == 0


# --- calls ------------------------------------------------------------------------------------------------------


def test_wrong_calls_raise_pythons_errors():
    def f(a, b, *, c=1):
        return a + b + c

    g = tj.jit(f)
    for args, kwargs in [((), {}), ((1,), {}), ((1, 2, 3), {}), ((1, 2), {"d": 1}), ((1, 2), {"a": 1})]:
        for _ in range(2):
            with pytest.raises(TypeError) as want:
                f(*args, **kwargs)
            with pytest.raises(TypeError) as got:
                g(*args, **kwargs)
            assert str(got.value) == str(want.value)
            assert [s.name for s in traceback.extract_tb(got.tb)] == ["test_wrong_calls_raise_pythons_errors"]
            g(1, 2)


def test_every_way_to_pass_arguments():
    def f(a, /, b, c=3, *rest, d, e=5, **named):
        total = a + 10 * b + 100 * c + 1000 * d + 10000 * e
        for v in rest:
            total = total + v
        for v in named.values():
            total = total - v
        return total

    g = tj.jit(f)
    calls = [
        ((1, 2), {"d": 4}),
        ((1,), {"b": 2, "d": 4}),
        ((1, 2, 3, 7, 8), {"d": 4}),
        ((1, 2), {"d": 4, "e": 6}),
        ((1, 2), {"c": 1, "d": 4}),
        ((1, 2), {"d": 4, "x": 9, "y": 3}),
        ((1, 2), {"x": 9, "d": 4, "y": 3}),
        ((1, 2), {"y": 9, "x": 3, "d": 4}),
        ((1, 2), {"d": 4}),
    ]
    for _ in range(2):
        for args, kwargs in calls:
            assert g(*args, **kwargs) == f(*args, **kwargs), (args, kwargs)
            built = {"".join(list(k)): v for k, v in kwargs.items()}
            assert g(*args, **built) == f(*args, **built)
    assert versions(g) == 4


def test_tracebacks_show_the_users_frames_only():
    @tj.jit
    def f(x):
        if x < 0:
            raise ValueError(f"bad {x}")
        return x

    for turn in range(3):
        with pytest.raises(ValueError, match="bad -1") as caught:
            f(-1)
        names = [s.name for s in traceback.extract_tb(caught.tb)]
        assert names == ["test_tracebacks_show_the_users_frames_only", "f"], (turn, names)
        assert traceback.extract_tb(caught.tb)[-1].line.startswith("raise ValueError")
        assert caught.value.__context__ is None


def test_huge_ints_are_python_ints():
    f = tj.jit(lambda n: (n + 1, n // 3))
    for n in (5, 2**63 - 2, 2**70, -(2**70), 2**70, 6):
        assert f(n) == (n + 1, n // 3)
    with pytest.raises(OverflowError):
        f(2**63 - 1)


def test_odd_arrays():
    @tj.jit
    def f(x):
        x[0] = 5
        x += 1
        return x, x * 2

    for make in (
        lambda: np.arange(4.0).astype(">f8"),
        lambda: np.frombuffer(bytearray(b"\0" * 33), np.uint8)[1:].view("f8"),
        lambda: np.zeros(4, np.dtype({"names": ["v"], "formats": ["f8"], "offsets": [1], "itemsize": 9}))["v"],
        lambda: np.arange(8.0)[::-2],
        lambda: np.arange(4.0),
    ):
        a, b = make(), make()
        want, got = f.__wrapped__(a), f(b)
        assert got[0] is b and np.array_equal(a, b) and np.array_equal(got[1], want[1]) and got[1].dtype.isnative
    with pytest.raises(UnsupportedError, match="the result is a view of an argument whose memory is byte-swapped"):
        tj.jit(lambda x: x[1:])(np.arange(4.0).astype(">f8"))


def test_overlapping_arguments():
    @tj.jit
    def f(a, b):
        a += 1
        b[0] = a[-1]
        b *= 2
        return a, b, a + b

    def pairs():
        for at in (0, 1, 3):
            x = np.arange(8.0)
            yield x[:4], x[at : at + 4]
        x = np.arange(8.0)
        yield x[::2], x[1::2]
        yield x[3::-1], x[4:]
        yield x[:4], x[3::-1]
        yield x, x
        yield x, x[:]
        yield np.arange(4.0), np.arange(4.0)
        m = np.arange(16.0).reshape(4, 4)
        yield m, m.T

    for _ in range(2):
        for (a, b), (c, d) in zip(pairs(), pairs()):
            want, got = f.__wrapped__(a, b), f(c, d)
            for w, g in zip(want, got):
                np.testing.assert_array_equal(g, w)
            assert got[0] is c and got[1] is d
            np.testing.assert_array_equal(c, a)
            np.testing.assert_array_equal(d, b)


def test_overlapping_arguments_that_are_only_read():
    f = tj.jit(lambda a, b: a + b)
    x = np.arange(6.0)
    for a, b in [(x[:4], x[2:]), (x[1:5], x[:4]), (x[:4], x[:4]), (x[:4],) * 2]:
        np.testing.assert_array_equal(f(a, b), a + b)
    assert versions(f) == 1


def test_arrays_of_different_dtypes_in_one_memory():
    @tj.jit
    def f(a, b):
        a[0] = b[0]
        return a

    x = np.zeros(4)
    with pytest.raises(UnsupportedError, match="a and b overlap in memory with different dtypes"):
        f(x, x.view("i8"))


def test_results_are_the_arguments():
    params = {"w": np.zeros(3), "b": [1.0]}
    f = tj.jit(lambda p, x: (p, x, p["w"], p["b"]))
    x = np.zeros(2)
    p, y, w, b = f(params, x)
    assert p is params and y is x and w is params["w"] and b is params["b"]


# --- versions ---------------------------------------------------------------------------------------------------


def test_fifty_batch_sizes_take_two_versions():
    @tj.jit
    def f(x, w, b):
        return np.tanh(x @ w + b)

    w, b = np.ones((3, 2)), np.ones(2)
    for n in range(50):
        x = np.arange(3.0 * n).reshape(n, 3)
        np.testing.assert_allclose(f(x, w, b), np.tanh(x @ w + b), rtol=1e-12)
    assert versions(f) == 2


def test_the_same_signature_is_compiled_once():
    f = tj.jit(lambda x, y: x + y)
    for _ in range(3):
        for a, b in [(1, 2), (1.0, 2), (np.float32(1), 2), (np.ones(3), 2.0), (np.ones(3, "f4"), np.ones(3, "f4"))]:
            assert np.array_equal(f(a, b), a + b) and type(f(a, b)) is type(a + b)
    assert versions(f) == 5


def test_policies():
    f = tj.jit(lambda x: x * 2, shapes="static")
    g = tj.jit(lambda x: x * 2, shapes="dynamic")
    for n in (2, 3, 4, 2):
        assert len(f(np.ones(n))) == len(g(np.ones(n))) == n
    assert versions(f) == 3 and versions(g) == 1
    with config.override(shapes="dynamic"):
        h = tj.jit(lambda x: x * 2)
        for n in (2, 3, 4):
            h(np.ones(n))
        assert versions(h) == 1


def test_dimensions_that_tracing_needs():
    @tj.jit
    def f(x):
        names = ["zero", "one", "two", "three", "four"]
        return names[len(x)], x + 1

    for n in (1, 2, 3, 1, 2, 3):
        assert f(np.ones(n))[0] == f.__wrapped__(np.ones(n))[0]
    assert versions(f) == 3


def test_numbers_that_tracing_needs():
    @tj.jit
    def f(x, axis, scale):
        return x.sum(axis=axis) * scale

    x = np.arange(6.0).reshape(2, 3)
    for _ in range(2):
        for axis in (0, 1, -1):
            for scale in (1.0, 2.5):
                np.testing.assert_array_equal(f(x, axis, scale), x.sum(axis=axis) * scale)
    assert versions(f) == 3


def test_static_arguments():
    @tj.jit(static_argnames=("n", "mode"))
    def f(x, n, mode="add", table=(1, 2)):
        for _ in range(n):
            x = x + table[0] if mode == "add" else x * table[1]
        return x

    assert f(1.0, 3) == 4.0 and f(1.0, 3, mode="mul") == 8.0 and f(1.0, 2) == 3.0 and f(2.0, 3) == 5.0
    assert versions(f) == 3
    g = tj.jit(lambda x, n: x * n, static_argnums=-1)
    assert [g(2, n) for n in (1, 2, 1)] == [2, 4, 2] and versions(g) == 2
    with pytest.raises(UnsupportedError, match="arrays cannot be static"):
        g(1, np.zeros(3))


def test_too_many_versions():
    f = tj.jit(lambda x, n: x * n, static_argnames="n")
    with config.override(max_versions=3):
        for n in range(3):
            f(1, n)
        with pytest.raises(TracejitError, match="has been compiled 3 times"):
            f(1, 3)
        assert f(1, 2) == 2


def test_functions_as_arguments():
    def apply(g, x):
        return g(x) + 1

    f = tj.jit(apply)
    for k in range(5):
        assert f(lambda v: v * 2, k) == 2 * k + 1
    assert versions(f) <= 2
    assert f(double, 3) == 7 and f(abs, -3) == 4

    def closure(k):
        return lambda v: v * k

    assert [f(closure(k), 3) for k in (2, 3, 2)] == [7, 10, 7]


def test_captured_numbers_that_change():
    rate, power = 0.5, 2
    f = tj.jit(lambda x: x * rate + power)
    for rate in (0.5, 0.25, 1.0, -0.0, float("inf"), 3.0):
        for power in (2, 3, 4):
            assert f(2.0) == 2.0 * rate + power
    assert versions(f) <= 4


def test_captured_arrays_that_change():
    table = np.ones(3)
    f = tj.jit(lambda x: (table * x).sum())
    for n in (3, 4, 5, 6, 3):
        table = np.arange(float(n))
        assert f(2.0) == (table * 2.0).sum()
    assert versions(f) == 2
    table = 5.0
    with pytest.raises(AttributeError):
        f(2.0)
    table = np.ones((2, 2), "f4")
    assert f(2.0) == 8.0


def test_captured_objects():
    class Settings:
        steps = 2

    settings = Settings()

    @tj.jit
    def f(x):
        for _ in range(settings.steps):
            x = x * 2
        return x

    assert f(1.0) == 4.0
    settings.steps = 3
    assert f(1.0) == 8.0
    settings = Settings()
    assert f(1.0) == 4.0


# --- several at once --------------------------------------------------------------------------------------------


def test_concurrent_first_calls_compile_once():
    f = tj.jit(lambda x: x * 2 + 1)
    barrier = threading.Barrier(8)
    results = []

    def work():
        barrier.wait()
        results.append(f(np.ones(5)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(results) == 8 and all(np.array_equal(r, np.full(5, 3.0)) for r in results)
    assert versions(f) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_fork_while_another_thread_compiles():
    stop = threading.Event()

    def compile_all_the_time():
        k = 0
        while not stop.is_set():
            tj.jit(lambda x: x + k)(1)
            k += 1

    f = tj.jit(lambda x: x * 3)
    worker = threading.Thread(target=compile_all_the_time)
    worker.start()
    try:
        for n in range(3):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    code = 0 if f(2) == 6 and tj.jit(lambda x: x - n)(5) == 5 - n else 2
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        stop.set()
        worker.join()


def test_recursion_through_python():
    @tj.jit
    def inner(x):
        return x + 1

    def outer(n):
        return inner(outer(n - 1)) if n else 0

    assert outer(50) == 50


def test_functions_are_freed():
    def make():
        f = tj.jit(lambda x: x + 1)
        f(1)
        f(np.ones(3))
        return weakref.ref(f)

    alive = make()
    gc.collect()
    assert alive() is None


def test_arguments_are_not_kept_alive():
    class Thing:
        def __init__(self):
            self.w = np.ones(3)

    f = tj.jit(lambda t, d: t.w.sum() + d["a"].sum())
    thing, array = Thing(), np.ones(3)
    assert f(thing, {"a": array}) == 6.0
    things = [weakref.ref(thing), weakref.ref(thing.w), weakref.ref(array)]
    del thing, array
    gc.collect()
    assert [r() for r in things] == [None, None, None]


# --- settings ---------------------------------------------------------------------------------------------------


def test_disable_by_environment():
    code = (
        "import tracejit as tj, sys\n"
        "f = tj.jit(lambda x: [x, {x}])\n"
        "assert f(1) == [1, {1}] and 'llvmlite' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TRACEJIT_DISABLE": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
