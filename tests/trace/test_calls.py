"""Calls of every kind of callable, in compiled functions."""

from __future__ import annotations

import collections
import functools
import operator
import re
import threading
import time
from collections import namedtuple
from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.trace.call import Traced
from tracejit.errors import CaptureError, NeedsConcrete, UnsupportedError


def square(x):
    return x * x


def add(a, b=10.0, *rest, c=100.0, **more):
    return a + 2 * b + 3 * c + sum(rest) + len(more)


def decorate(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs) + 1

    return wrapper


@decorate
def decorated(x, k=2):
    return x * k


def power(x, n):
    return 1.0 if n == 0 else x * power(x, n - 1)


@functools.cache
def cached(x):
    return x * 3


class Model:
    scale = 3.0

    def __init__(self, w):
        self.w = w

    def forward(self, x):
        return self.activate(self.w * x)

    def activate(self, y):
        return y * self.scale

    @staticmethod
    def double(x):
        return x * 2

    @classmethod
    def scaled(cls, x):
        return x * cls.scale

    @property
    def twice(self):
        return self.w * 2

    @functools.cached_property
    def thrice(self):
        return self.w * 3

    def __call__(self, x):
        return self.forward(x) + 1

    def __add__(self, other):
        return Model(self.w + other.w)


class Child(Model):
    def forward(self, x):
        return super().forward(x) - 1


@dataclass
class Point:
    x: float
    y: float = 2.0
    tags: list = field(default_factory=list)


Pair = namedtuple("Pair", "a b")
MODEL = Model(2.0)
CHILD = Child(0.5)


def helpers(x):
    return square(x) + add(x) + add(x, 1.0, 2.0, c=3.0, z=4), add(*[x, x], **{"c": x})


def lambdas_and_closures(x):
    k = x + 1

    def inner(a, b=k):
        return a * k + b

    steps = [lambda a: a + 1, lambda a: a * 2]
    for step in steps:
        x = step(x)
    return inner(x), (lambda a: a - k)(x)


def methods(x):
    return MODEL.forward(x), MODEL(x), CHILD(x), Model.double(x), Model.scaled(x), MODEL.double(x), CHILD.scaled(x)


def properties(x):
    return MODEL.twice * x + CHILD.thrice


def partials(x):
    f = functools.partial(add, b=x, c=1.0)
    return f(x), f(x, b=2.0), functools.reduce(lambda a, b: a * 2 + b, [x, 1.0, x])


def natively_called(x):
    return list(map(square, [x, 2.0])), sorted([3, 1, 2], key=lambda k: -k), operator.add(x, 1)


def objects(x):
    m = Model(x)
    p = Point(x)
    p.y += 1.0
    return m.forward(2.0), (m + m).w, p.x + p.y, Pair(x, 2)._replace(a=x + 1)


def recursive(x):
    return power(x, 5)


def wrapped(x):
    return decorated(x) + decorated(x, k=5) + cached(x) + cached(2.0)


@pytest.mark.parametrize(
    "function",
    [
        helpers,
        lambdas_and_closures,
        methods,
        properties,
        partials,
        natively_called,
        objects,
        recursive,
        wrapped,
        functools.partial(add, 1.0, c=2.0),
        MODEL.forward,
        MODEL,
        square,
    ],
)
def test_call_gives_what_python_gives(function):
    t = Traced(function)
    for x in (3.0, 2, np.float32(1.5)):
        assert t(x) == function(x)
        assert type(t(x)) is type(function(x))


def test_class_instance_as_result_is_made_anew():
    t = Traced(lambda x: Point(x, tags=[x]))
    first, second = t(1.0), t(2.0)
    assert first == Point(1.0, 2.0, [1.0]) and second == Point(2.0, 2.0, [2.0])
    assert len(t.programs) == 1 and first.tags is not second.tags


def test_calls_that_nest_too_deep_are_refused():
    def down(x):
        return down(x + 1)

    with pytest.raises(CaptureError, match="nest more than 200 deep") as caught:
        Traced(down)(1.0)
    assert "return down(x + 1)" in str(caught.value)


def test_functions_that_are_not_for_tracing_are_refused():
    for function in (lambda x: x * time.time(), lambda x: x + np.random.default_rng().normal()):
        with pytest.raises(UnsupportedError, match="while the function is compiled"):
            Traced(function)(1.0)


def test_numpy_functions_that_are_not_known_are_refused():
    with pytest.raises(UnsupportedError, match=r"np\.fft\.fft|numpy\.fft"):
        Traced(lambda x: np.fft.fft(x))(np.ones(4))


def test_function_without_source_runs_as_it_is_and_does_not_go_stale():
    namespace: dict = {"K": 2.0}
    exec("def helper(x):\n    return x + K\ndef f(x):\n    return helper(x) * 2\n", namespace)
    t = Traced(namespace["f"])
    assert t(1.0) == 6.0
    namespace["K"] = 3.0
    assert t(1.0) == 8.0
    exec("def helper(x):\n    return x + 100\n", namespace)
    assert t(1.0) == 202.0


def test_exception_of_the_user_comes_with_the_line():
    def fails(x):
        return helper(x)

    def helper(x):
        raise KeyError(f"no {1 + 1}")

    with pytest.raises(KeyError, match="no 2") as caught:
        Traced(fails)(1.0)
    assert caught.traceback[-1].name == "helper"


def test_exception_after_an_effect_is_raised_by_the_program():
    def fails(x):
        x[0] = 7.0
        raise ValueError("too late")

    x = np.zeros(2)
    t = Traced(fails)
    for _ in range(2):
        with pytest.raises(ValueError, match="too late"):
            t(x)
    assert len(t.programs) == 0 or t.programs[0].function is not None


def test_method_of_ndarray_subclass_argument_of_python_function_is_traced():
    def apply(f, x):
        return f(x)

    assert Traced(lambda x: apply(np.sqrt, x) + apply(square, x))(4.0) == 18.0


def test_recursion_on_an_argument_or_a_length():
    def factorial(n):
        return 1 if n <= 1 else n * factorial(n - 1)

    def total(x):
        return x[0] if len(x) == 1 else total(x[: len(x) // 2]) + total(x[len(x) // 2 :])

    t = Traced(factorial)
    assert [t(5), t(1), t(10)] == [120, 1, 3628800]
    assert Traced(total)(np.arange(5.0)) == 10.0
    with pytest.raises(NeedsConcrete, match="nest more than"):
        Traced(total, dynamic=True)(np.arange(5.0))


class Vector:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __mul__(self, k):
        if k > 1:
            return Vector(self.x * k, self.y)
        return Vector(self.x, self.y * SCALE)

    def __getitem__(self, k):
        return self.x if k == 0 else self.y

    def __len__(self):
        return 2


SCALE = 3.0


@dataclass
class Checked:
    x: float
    doubled: float = field(init=False)

    def __post_init__(self):
        if self.x < 0:
            self.x = -self.x
        self.doubled = self.x * 2


def test_operators_of_classes_are_converted():
    global SCALE
    v = Vector(1.0, 2.0)

    def f(x):
        w = (v + Vector(x, x)) * x
        return w, w[0] + w[1] + len(w), type(w) is Vector, isinstance(w, Vector)

    t = Traced(f)
    for scale in (3.0, 4.0):
        SCALE = scale
        for x in (0.5, 2.0):
            (got, *rest), (want, *others) = t(x), f(x)
            assert type(got) is Vector and vars(got) == vars(want) and rest == others
    v.x = 10.0
    assert vars(t(2.0)[0]) == vars(f(2.0)[0])


def test_post_init_is_converted():
    t = Traced(lambda x: Checked(x))
    for x in (3.0, -3.0):
        assert t(x) == Checked(x)
    assert len(t.programs) == 1


def test_objects_that_cannot_be_watched_are_not_called():
    queue = collections.deque([1.0])
    pattern = re.compile("a+")
    assert Traced(lambda x: x if pattern.match("aa") else -x)(1.0) == 1.0
    with pytest.raises(UnsupportedError):
        Traced(lambda x: queue.append(x))(1.0)
    with pytest.raises(UnsupportedError, match="while the function is compiled"):
        lock = threading.Lock()
        Traced(lambda x: lock.acquire())(1.0)


def test_state_of_what_is_called_does_not_go_stale():
    model = Model(2.0)
    f, g, h = Traced(model), Traced(model.forward), Traced(functools.partial(add, c=OFFSET))
    for w in (2.0, 5.0, np.float64(3.0)):
        model.w = w
        OFFSET[0] = w
        assert f(1.0) == model(1.0) and g(1.0) == model.forward(1.0)
        assert h(1.0) == add(1.0, c=OFFSET)


OFFSET = np.array([1.0])
