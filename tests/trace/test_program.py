"""Programs: inputs, outputs, relations and what is specialised."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import numpy as np
import pytest

from tests.trace.call import Traced, written
from tracejit.errors import CaptureError
from tracejit.ir.interface import (
    Argument,
    ArrayInput,
    Disjoint,
    OutArray,
    OutChoice,
    OutInput,
    OutScalar,
    OutSource,
    OutView,
    Same,
)
from tracejit.trace.program import Specialise, TraceRequest, ViewOf, trace

Pair = namedtuple("Pair", "a b")


@dataclass
class Node:
    value: float
    next: object = None


def test_scalars_keep_their_kind():
    t = Traced(lambda a, b: (a, b, a + b, a * 2, b == b))
    for args in ((1, 2.5), (True, np.int8(3)), (np.float32(1.5), 2), (1j, 3)):
        got, want = t(*args), t.function(*args)
        assert got == want and [type(x) for x in got] == [type(x) for x in want]


def test_arrays_in_results():
    def f(x):
        y = x + 1
        return x, y, y, x[1:], y[::-1], (y[1:], [x])

    t = Traced(f)
    x = np.arange(4.0)
    got = t(x)
    assert got[0] is x and got[1] is got[2] and got[5][1][0] is x
    assert np.shares_memory(got[3], x) and np.shares_memory(got[4], got[1]) and np.shares_memory(got[5][0], got[1])
    output = t.programs[0].output
    kinds = [type(o) for o in output.children[:5]]
    assert kinds == [OutInput, OutArray, OutArray, OutView, OutView]


def test_views_by_several_steps():
    def f(z):
        return z.real, z.imag, z.reshape(2, 2)[::-1].T, z.reshape(-1)[1:]

    z = np.arange(4.0) + 1j
    got = Traced(f)(z)
    for g, w in zip(got, f(z)):
        np.testing.assert_array_equal(g, w)
        assert np.shares_memory(g, z)


def test_writes_and_their_relations():
    def f(a, b, c):
        a[0] = b[0]
        return c

    t = Traced(f)
    a, b, c = np.zeros(2), np.ones(2), np.ones(3)
    t(a, b, c)
    assert a[0] == 1.0
    program = t.programs[0]
    assert [i.source.name for i in written(program)] == ["a"]
    assert set(program.relations) == {Disjoint(0, 1), Disjoint(0, 2)}
    assert list(program.function.meta["mutated"]) == [0]


def test_one_array_twice():
    def f(a, b):
        a[0] = 5.0
        b[1] = a[0] + b[0]
        return a is b, b

    t = Traced(f)
    x = np.zeros(3)
    same, b = t(x, x)
    assert same and b is x and list(x) == [5.0, 10.0, 0.0]
    program = t.programs[0]
    assert Same(0, 1) in program.relations and [i.written for i in program.inputs] == [True, True]
    assert len(program.function.params) == 1
    y, z = np.zeros(3), np.zeros(3)
    assert t(y, z)[0] is False and list(z) == [0.0, 5.0, 0.0]


def test_read_only_array():
    def f(x):
        x[0] = 1.0

    x = np.zeros(2)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        Traced(f)(x)
    assert Traced(lambda x: x + 1)(x)[0] == 1.0


def test_views_of_a_common_base():
    def f(x, y):
        x[:] = y * 2
        return y, x[1:]

    base = ArrayInput(Argument(2, "base"), np.dtype(float), (6,), "C")
    left = ViewOf(base, (4,), (0,), ((0, 0),), (1,), Argument(0, "x"))
    right = ViewOf(base, (4,), (2,), ((0, 0),), (1,), Argument(1, "y"))
    program = trace(TraceRequest(f, (left, right)))
    assert program.inputs[0].written and len(program.inputs) == 1
    assert isinstance(program.output.children[0], OutSource) and program.output.children[0].source.name == "y"
    assert program.output.children[1].base == OutInput(0)


def test_run_time_dimensions():
    t = Traced(lambda x, y: (x[1:] + y[:-1], len(x), x.T, x.shape), dynamic=True)
    for n in (4, 7):
        x = np.arange(float(n))
        got = t(x, x + 1)
        np.testing.assert_array_equal(got[0], x[1:] + x[:-1] + 1)
        assert got[1] == n and got[3] == (n,) and got[2].base is not None
    assert len(t.programs) == 1 and len(t.programs[0].symbols) == 2


def test_numbers_that_python_needs_are_specialised():
    def f(x, k, names):
        return x.sum(axis=k), names[k + 1], (1.0, 2.0, 3.0)[k]

    t = Traced(f)
    x = np.ones((2, 3))
    for k in (0, 1, 0):
        got = t(x, k, ["a", "b", "c"])
        np.testing.assert_array_equal(got[0], x.sum(axis=k))
        assert got[1:] == (["a", "b", "c"][k + 1], float(k + 1))
    assert len(t.programs) == 2


def test_captured_numpy_integer_that_python_needs():
    axis = np.int64(1)
    t = Traced(lambda x: x.sum(axis=axis))
    for value in (1, 0, 1):
        axis = np.int64(value)
        np.testing.assert_array_equal(t(np.ones((2, 3))), np.ones((2, 3)).sum(axis=value))


def test_specialise_names_the_source():
    from tracejit.ir.interface import ScalarInput

    given = ScalarInput(Argument(0, "k"), "python", np.dtype(np.int64))
    with pytest.raises(Specialise) as caught:
        trace(TraceRequest(lambda k: [1, 2, 3][k], (given,)))
    assert caught.value.source is given.source and "argument 'k'" in str(caught.value.error)


def test_containers_in_results():
    def f(x):
        return (), [], {}, {"a": [x, None], 2: Pair(x, "text")}, OrderedDict(b=x), {1, 2}, slice(0, 2), ...

    t = Traced(f)
    got = t(1.5)
    assert got == f(1.5) and type(got[4]) is OrderedDict
    again = t(2.5)
    assert again[1] is not got[1] and again[5] is not got[5]


def test_shared_and_cyclic_results():
    def f(x):
        items = [x]
        items.append(items)
        node = Node(x)
        node.next = node
        return items, node, [node, items]

    t = Traced(f)
    items, node, both = t(1.5)
    assert items[0] == 1.5 and items[1] is items and node.next is node and both[0] is node and both[1] is items
    assert t(2.5)[1].value == 2.5


def test_arguments_come_back_as_themselves():
    def f(items, d, text, x):
        return items, d, text, x, None

    t = Traced(f)
    items, d = [1.0], {"a": 2}
    got = t(items, d, "abc", (1, 2.0))
    assert got[0] is items and got[1] is d and got[2:] == ("abc", (1, 2.0), None)


def test_what_cannot_be_a_result():
    for function in (lambda x: (x for _ in range(2)), lambda x: map(abs, [x]), lambda x: lambda y: x + y):
        with pytest.raises(CaptureError):
            Traced(function)(1.0)


def test_choices():
    def f(a, b, c):
        t = a if c > 0 else b
        t[0] = 100.0
        return t, "yes" if c > 0 else None, (a[1:] if c > 0 else b)

    t = Traced(f)
    for c in (1.0, -1.0):
        a, b = np.zeros(3), np.ones(3)
        got = t(a, b, c)
        assert got[0] is (a if c > 0 else b) and got[0][0] == 100.0
        assert got[1] == ("yes" if c > 0 else None)
        assert np.shares_memory(got[2], got[0])
    assert len(t.programs) == 1
    assert isinstance(t.programs[0].output.children[0], OutChoice)


def test_mixed_scalar():
    def f(a, n):
        s = 0.0
        for i in range(n):
            s += a[i]
        return s

    t = Traced(f)
    a = np.arange(20.0)
    for n in (0, 12):
        got = t(a, n)
        assert got == f(a, n) and type(got) is type(f(a, n))
    assert isinstance(t.programs[0].output, OutScalar)


def test_traced_value_that_was_kept_is_refused_later():
    kept = []

    class Keeper:
        def __init__(self):
            self.value = 0.0

    keeper = Keeper()

    def f(x):
        kept.append(x)
        keeper.value = x
        return x

    assert Traced(f)(1.0) == 1.0
    assert kept == [1.0] and keeper.value == 1.0
