"""Captured state: it never goes stale, and what the program does to the caller's objects happens at run time."""

from __future__ import annotations

import sys
from enum import Enum
from functools import cached_property
from types import SimpleNamespace

import numpy as np
import pytest

from tests.trace.call import Traced, written
from tracejit.errors import CaptureError, TracejitError, UnsupportedError

SCALE = 2.0
OFFSETS = np.array([1.0, 2.0, 3.0])
SETTINGS = {"rate": 0.5, "weights": [1.0, 2.0], "name": "a"}
LIMITS = (0.0, (1.0, None))


class Colour(Enum):
    RED = 1
    BLUE = 2


class Config:
    gain = 1.5
    table = np.array([1.0, 10.0])


class Counter:
    def __init__(self, n=0):
        self.n = n
        self.log = []
        self.values = np.zeros(2)

    def tick(self, x):
        self.n += 1
        self.log.append(x)
        self.values[0] += x
        return self.n * x

    @cached_property
    def slow(self):
        return self.n * 10


@pytest.fixture
def module():
    here = sys.modules[__name__]
    before = dict(vars(here))
    yield here
    vars(here).update(before)


def check(function, changes, *args):
    """Call it before and after each change, compiled and plain."""
    t = Traced(function)
    assert_equal(t(*args), function(*args))
    for change in changes:
        change()
        assert_equal(t(*args), function(*args))
        assert_equal(t(*args), function(*args))
    return t


def assert_equal(got, want):
    assert type(got) is type(want)
    if isinstance(want, (tuple, list)):
        assert len(got) == len(want)
        for g, w in zip(got, want):
            assert_equal(g, w)
    elif isinstance(want, dict):
        assert list(got) == list(want)
        assert_equal(list(got.values()), list(want.values()))
    elif isinstance(want, np.ndarray):
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)
    else:
        assert got == want or (got != got and want != want)


# --- reading ----------------------------------------------------------------------------------------------------


def test_global_number(module):
    def set_to(value):
        return lambda: setattr(module, "SCALE", value)

    changes = [set_to(v) for v in (3.5, 4.5, 7, -0.0, 0.0, True, np.float32(1.5), np.int8(3), np.zeros(2), 2.0)]
    t = check(lambda x: x * SCALE, changes, 10.0)
    assert len(t.programs) <= 9


def test_number_that_changes_becomes_an_input(module):
    t = Traced(lambda x: x * SCALE)
    for value in range(20):
        module.SCALE = float(value)
        assert t(2.0) == 2.0 * value
    assert len(t.programs) == 2


def test_global_array_by_reference(module):
    def grow():
        module.OFFSETS = np.arange(5.0)

    def change():
        module.OFFSETS[0] = 50.0

    t = check(lambda x: x + OFFSETS, [change, grow, change, lambda: setattr(module, "OFFSETS", 3.0)], 1.0)
    assert len(t.programs) == 3


def test_containers(module):
    def f(x):
        return x * SETTINGS["rate"] + len(SETTINGS["weights"]) + SETTINGS["weights"][-1], LIMITS[1][0], SETTINGS["name"]

    changes = [
        lambda: SETTINGS.update(rate=10.0),
        lambda: SETTINGS["weights"].append(5),
        lambda: SETTINGS["weights"].pop(),
        lambda: SETTINGS.update(name="b"),
        lambda: setattr(module, "LIMITS", (0.0, (2.0, 3.0))),
        lambda: SETTINGS.update(rate=0.5, name="a"),
    ]
    check(f, changes, 2.0)


def test_classes_modules_and_enums():
    here = sys.modules[__name__]

    def f(x):
        return x * Config.gain + Config.table, here.SCALE, Colour.RED.value, Colour.BLUE is Colour.BLUE

    def set_gain(value):
        return lambda: setattr(Config, "gain", value)

    check(f, [set_gain(4.0), set_gain(1.5)], 1.0)


def test_closure_cells():
    k = 1.0

    def f(x):
        return x + k

    t = Traced(f)
    assert t(1.0) == 2.0
    for value in (2.0, 3, np.float64(4.0), np.array([1.0, 2.0])):
        k = value
        assert_equal(t(1.0), f(1.0))


def test_empty_cell_is_a_name_error():
    def f(x):
        return x + later

    with pytest.raises(NameError, match="cannot access free variable 'later'"):
        Traced(f)(1.0)
    later = 5.0
    assert Traced(f)(1.0) == 6.0


def test_attributes_of_an_object():
    m = SimpleNamespace(w=2.0, inner=SimpleNamespace(b=[1.0]))

    def f(x):
        return m.w * x + m.inner.b[0]

    def replace():
        nonlocal m
        m = SimpleNamespace(w=-1.0, inner=SimpleNamespace(b=(7.0,)))

    check(
        f,
        [
            lambda: setattr(m, "w", 5.0),
            lambda: setattr(m, "w", np.array([1.0, 2.0])),
            lambda: m.w.__setitem__(0, 100.0),
            lambda: m.inner.b.__setitem__(0, 3),
            replace,
        ],
        3.0,
    )


def test_attribute_that_appears_later():
    c = Counter()

    def f(x):
        return x + c.extra if hasattr(c, "extra") else getattr(c, "extra", -x)

    check(f, [lambda: setattr(c, "extra", 5.0), lambda: delattr(c, "extra")], 1.0)


def test_method_that_is_replaced():
    class Model:
        def predict(self, x):
            return x + 1

    m = Model()
    f = lambda x: m.predict(x)  # noqa: E731

    def patched(self, x):
        return x * 100

    check(f, [lambda: setattr(Model, "predict", patched), lambda: setattr(m, "predict", lambda x: -x)], 3.0)


def test_one_object_in_two_places():
    shared = [1.0]
    box = {"a": shared, "b": shared}

    def f(x):
        box["a"][0] = x
        return box["b"][0]

    t = Traced(f)
    assert t(5.0) == 5.0 and shared == [5.0]
    box["b"] = [2.0]
    assert t(6.0) == 2.0 and shared == [6.0] and box["b"] == [2.0]


def test_what_cannot_be_watched_is_refused():
    names = {"a"}
    for function in (lambda x: x + len(names), lambda x: x + np.array(["a"], object)[0] + odd[0]):
        odd = np.array([1], object)
        with pytest.raises(UnsupportedError):
            Traced(function)(1.0)


# --- changing ----------------------------------------------------------------------------------------------------


def both(function, make, *calls):
    """Make the arguments twice, run each call plain and compiled, compare arguments and results."""
    plain, ours = make(), make()
    t = Traced(function)
    for args in calls:
        assert_equal(t(ours, *args), function(plain, *args))
        assert_same_state(ours, plain)
    return t


def assert_same_state(got, want):
    assert type(got) is type(want)
    assert_equal(vars(got), vars(want)) if hasattr(want, "__dict__") else assert_equal(got, want)


def test_list_argument():
    def f(items, x):
        items.append(x)
        items[0] = x * 2
        items.extend([1, "a"])
        return len(items), items[-1]

    both(f, lambda: [1.0, 2.0], (5.0,), (6.0,))


def test_dict_argument():
    def f(d, x):
        d["n"] += 1
        d.setdefault("new", []).append(x)
        del d["gone"]
        d["gone"] = None
        return list(d)

    both(f, lambda: {"gone": 1, "n": 0}, (5.0,), (6.0,))


def test_object_argument():
    def f(c, x):
        y = c.tick(x)
        c.extra = [y]
        return c.n

    t = both(f, Counter, (5.0,), (6.0,), (7.0,))
    c = Counter()
    assert t(c, 1.0) == 1 and c.log == [1.0] and c.values[0] == 1.0


def test_object_is_returned_as_itself():
    c = Counter()

    def f(c, x):
        c.n = x
        return c, c.log

    t = Traced(f)
    result = t(c, 3)
    assert result[0] is c and result[1] is c.log and c.n == 3


def test_attribute_deleted():
    def f(c, x):
        del c.log
        return x

    both(f, Counter, (1.0,))


def test_cached_property_stays():
    def f(c, x):
        return c.slow + x

    both(f, lambda: Counter(4), (1.0,), (2.0,))


def test_captured_list_and_counter():
    seen = []
    c = Counter()

    def f(x):
        seen.append(x)
        return c.tick(x) + len(seen)

    t = Traced(f)
    assert [t(1.0), t(2.0), t(3.0)] == [2.0, 6.0, 12.0]
    assert seen == [1.0, 2.0, 3.0] and c.n == 3 and c.log == seen


def test_default_argument_that_remembers():
    def helper(x, memory=[0.0]):  # noqa: B006
        memory[0] = memory[0] + x
        return memory[0]

    def f(x):
        return helper(x)

    t = Traced(f)
    assert [t(1.0), t(2.0), t(3.0)] == [1.0, 3.0, 6.0]
    assert helper.__defaults__ == ([6.0],)


def test_array_in_captured_object_is_written():
    c = Counter()

    def f(x):
        c.values[1] = x
        c.values = c.values * 2
        return c.values

    t = Traced(f)
    before = c.values
    result = t(3.0)
    assert before[1] == 3.0 and c.values is result
    np.testing.assert_array_equal(result, [0.0, 6.0])
    assert len(written(t.programs[0])) == 1


def test_objects_that_turn_out_to_be_one_are_refused():
    def f(a, b):
        a[0] = 5.0
        return b[0]

    t = Traced(f)
    assert t([1.0], [2.0]) == 2.0
    one = [1.0]
    with pytest.raises(CaptureError, match="a and b are one object"):
        t(one, one)


def test_constants_of_modules_and_classes_are_not_assigned():
    for function in (lambda x: setattr(Config, "gain", x), lambda x: setattr(sys.modules[__name__], "SCALE", x)):
        with pytest.raises(TracejitError):
            Traced(function)(1.0)


# --- globals and closure variables -----------------------------------------------------------------------------------

COUNT = 0


def test_global_is_assigned(module):
    def f(x):
        global COUNT
        COUNT += 1
        before = COUNT
        COUNT, last = COUNT * 2, before
        return x * COUNT + last

    module.COUNT = 0
    t = Traced(f)
    assert [t(1.0), module.COUNT, t(1.0), module.COUNT] == [3.0, 2, 9.0, 6]
    module.COUNT = 10
    assert t(1.0) == 33.0 and module.COUNT == 22


def test_global_is_assigned_in_branches_and_loops(module):
    def f(x, n):
        global COUNT
        if x > 0:
            COUNT = COUNT + 1
        for i in range(n):
            COUNT += i
        return COUNT

    t = Traced(f)
    for x, n in ((1.0, 0), (-1.0, 12), (1.0, 3)):
        module.COUNT = 5
        want = f(x, n)
        module.COUNT = 5
        assert t(x, n) == want and module.COUNT == want


def test_variable_of_an_enclosing_function_is_assigned():
    total = 0.0

    def f(x):
        nonlocal total

        def add(y):
            nonlocal total
            total += y

        add(x)
        total = total * 2
        return total

    t = Traced(f)
    assert [t(1.0), total, t(1.0), total] == [2.0, 2.0, 6.0, 6.0]


def test_object_is_changed_in_branches_and_loops():
    def f(c, x, n):
        if x > 0:
            c.n = c.n + 1
            c.values[0] = x
        for i in range(n):
            c.n += i
            c.extra = x * i
        return c.n

    t = Traced(f)
    for x, n in ((1.0, 12), (-1.0, 3), (1.0, 1)):
        ours, plain = Counter(), Counter()
        ours.extra = plain.extra = 0.0
        assert t(ours, x, n) == f(plain, x, n)
        assert_same_state(ours, plain)
    assert len(t.programs) == 1


def test_attributes_that_cannot_be_watched_matter_when_they_are_read():
    c = Counter()
    c.names = {"a"}

    def f(x):
        c.n += 1
        return x * c.n

    t = Traced(f)
    assert [t(1.0), t(1.0)] == [1.0, 2.0] and c.n == 2 and c.names == {"a"}
    with pytest.raises(UnsupportedError, match=r"c\.names is a set"):
        Traced(lambda x: setattr(c, "n", 1) or len(c.names))(1.0)


def test_large_containers_are_refused():
    table = dict.fromkeys(range(3000), 1.0)
    with pytest.raises(UnsupportedError, match="table brings the items"):
        Traced(lambda x: x + table[0])(1.0)
