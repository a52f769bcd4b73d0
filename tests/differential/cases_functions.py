"""Helpers, methods, lambdas, closures, defaults, keyword arguments, decorated functions, recursion."""

from __future__ import annotations

import functools
import math
from functools import partial

import numpy as np

from .harness import Call
from .inputs import each, nan, rand, vectors
from .registry import case as any_case

case = partial(any_case, rtol=0)


def square(x):
    return x * x


def clamp(x, lo=-1.0, hi=1.0):
    if x < lo:
        return lo
    if x > hi:
        return hi
    return x


def find_first(x, limit):
    for i in range(len(x)):
        if x[i] > limit:
            return i
    return -1


def fill(x, value):
    for i in range(len(x)):
        x[i] = value


def power(x, n):
    if n == 0:
        return 1.0
    return x * power(x, n - 1)


def trace_calls(fn):
    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        return fn(*args, **kwargs) + 1

    return wrapper


@trace_calls
def decorated(x, k=2):
    return x * k


class Model:
    scale = 3.0

    def __init__(self, w, b):
        self.w, self.b = w, b

    def forward(self, x):
        return self.activate(self.w * x + self.b)

    def activate(self, y):
        if y < 0:
            return y * 0.01
        return y * self.scale

    @staticmethod
    def double(x):
        return x * 2

    @classmethod
    def scaled(cls, x):
        return x * cls.scale

    @property
    def total(self):
        return self.w + self.b

    def __call__(self, x):
        return self.forward(x) + 1


class Child(Model):
    def forward(self, x):
        return super().forward(x) - 1


MODEL = Model(2.0, -1.0)
CHILD = Child(0.5, 0.25)


@case(lambda rng: each(3.0, -3.0, 2, nan))
def calls_a_helper(x):
    return square(x) + square(x + 1)


@case(lambda rng: each(3.0, -3.0, 0.25, nan))
def helper_with_early_returns_and_defaults(x):
    return clamp(x) + clamp(x, 0.0) + clamp(x, hi=2.0)


@case(lambda rng: [(rand(rng, 6), 0.5), (rand(rng, 6), 99.0), (rand(rng, 0), 0.0)])
def helper_with_a_loop_and_return(x, limit):
    i = find_first(x, limit)
    if i < 0:
        return -1.0
    return float(i)


@case(lambda rng: [(rand(rng, 4), 2.0), (rand(rng, 0), 2.0)])
def helper_writes_into_its_argument(x, v):
    fill(x, v)
    return x.sum()


@case(lambda rng: [(rand(rng, 6), n) for n in (0, 1, 5)])
def helper_writes_in_a_loop(x, n):
    for i in range(n):
        fill(x[i:], i)
    return n


@case(lambda rng: each(1.5, -2.0, 3))
def recursion_on_a_constant(x):
    return power(x, 5)


@case(lambda rng: [(1.5, 3), (2.0, 0), (1.5, 5)], jit_options={"static_argnames": ("n",)})
def recursion_on_a_static_argument(x, n):
    if n == 0:
        return x
    return recursion_on_a_static_argument(x, n - 1) * 2 + n


@case(lambda rng: each(rand(rng, 8), rand(rng, 1), rand(rng, 5)), rtol=1e-12)
def recursion_on_the_length(x):
    if len(x) == 1:
        return x[0]
    mid = len(x) // 2
    return recursion_on_the_length(x[:mid]) + recursion_on_the_length(x[mid:])


@case(lambda rng: each(2.0, -2.0, 5))
def a_lambda(x):
    f = lambda a, b=3: a * b + 1  # noqa: E731
    return f(x) + f(x, 2)


@case(lambda rng: each(2.0, -2.0))
def a_list_of_lambdas(x):
    steps = [lambda a: a + 1, lambda a: a * 2, lambda a: -a]
    for step in steps:
        x = step(x)
    return x


@case(lambda rng: each(2.0, -2.0))
def two_lambdas_on_one_line(x):
    return (lambda a: a + 1)(x) * (lambda a: a - 1 if a > 0 else a + 1)(x)


@case(lambda rng: [(2.0, 3), (-2.0, 1)])
def a_closure_over_locals(x, k):
    def inner(a):
        if a > 0:
            return a * k
        return a - k

    return inner(x) + inner(-x)


@case(lambda rng: each(2.0, 0.0))
def a_closure_sees_later_changes(x):
    y = x

    def inner():
        return y * 2

    before = inner()
    y = y + 10
    return before, inner()


@case(lambda rng: each(4, 0))
def nonlocal_counter(n):
    count = 0

    def tick(k):
        nonlocal count
        count += k
        return count

    tick(n)
    tick(n + 1)
    return count


@case(lambda rng: [Call(1.0), Call(1.0, 2.0), Call(1.0, b=5.0), Call(a=1.0, c=7.0), Call(1.0, 2.0, 3.0)])
def defaults_and_keywords(a, b=10.0, c=100.0):
    return a + 2 * b + 3 * c


@case(lambda rng: [Call(1.0, scale=2.0), Call(1.0, scale=2.0, shift=-1.0)])
def keyword_only_arguments(x, *, scale, shift=0.0):
    return x * scale + shift


@case(lambda rng: [Call(1.0, 2.0), Call(3, 4)])
def positional_only_arguments(a, b, /, c=1):
    return a - b * c


@case(lambda rng: [Call(), Call(1.0), Call(1.0, 2, 3.5), Call(np.ones(3), 2)])
def variadic_arguments(*values):
    total = 0
    for v in values:
        total = total + v
    return total, len(values)


@case(lambda rng: [Call(1.0), Call(1.0, a=2.0), Call(1.0, b=3.0, a=2)])
def variadic_keywords(x, **extra):
    for name, v in extra.items():
        x = x * v if name == "a" else x + v
    return x, sorted(extra)


@case(lambda rng: [Call(1.0, 2.0, 3.0, k=4.0), Call(1.0)])
def forwarded_arguments(x, *args, **kwargs):
    def inner(a, b=1.0, c=2.0, k=3.0):
        return a + 10 * b + 100 * c + 1000 * k

    return inner(x, *args, **kwargs)


@case(lambda rng: each(1.0, -2))
def unpacked_call(x):
    bounds = (0.0, 0.5)
    options = {"hi": 0.75}
    return clamp(x, *bounds), clamp(x, 0.0, **options), clamp(**{"x": x})


@case(lambda rng: each(1.0, -2))
def decorated_helper(x):
    return decorated(x) + decorated(x, k=5)


@case(lambda rng: each(1.0, -2))
def functools_partial(x):
    f = functools.partial(clamp, lo=0.0)
    return f(x) + f(x, hi=0.5)


@case(lambda rng: each(1.0, -2.0, 0.0))
def functools_reduce(x):
    return functools.reduce(lambda a, b: a * 2 + b, [x, 1.0, x, 2.0])


@case(lambda rng: each(1.0, -5.0, 0.25))
def methods_of_a_captured_object(x):
    return MODEL.forward(x) + MODEL(x) + MODEL.total


@case(lambda rng: each(1.0, -5.0))
def static_and_class_methods(x):
    return Model.double(x) + Model.scaled(x) + MODEL.double(x)


@case(lambda rng: each(1.0, -5.0))
def inherited_methods_and_super(x):
    return CHILD.forward(x) + CHILD(x)


@case(lambda rng: each(1.0, 4.0, 0.25), rtol=1e-12)
def math_functions(x):
    return math.sqrt(x) + math.exp(-x) + math.floor(x) + math.pi + math.hypot(x, 1.0)


@case(lambda rng: [(3, -4.5), (-3, 4.5), (0, -0.0), (2, 2.0)])
def python_builtins(a, b):
    return abs(a), abs(b), min(a, b), max(a, b), float(a), int(b), round(b), bool(a), pow(a, 2), divmod(a, 2)


@case(lambda rng: [(3.0, 1.0, 2.0), (nan, 1.0, 2.0), (1.0, nan, 2.0), (-0.0, 0.0, 0.0), (5, 5, 7)])
def min_and_max_of_three(a, b, c):
    return min(a, b, c), max(a, b, c), min([a, b]), max((b, c))


@case(lambda rng: vectors(rng, "f8", "i8", "?"), rtol=1e-12, kind="widened")
def builtin_sum_and_len(x):
    return sum(x), len(x), sum(x, 5)


@case(lambda rng: each(rand(rng, 4), rand(rng, 4, "i8"), rand(rng, 1)))
def builtin_min_and_max_of_an_array(x):
    return min(x), max(x)


@case(lambda rng: each(rand(rng, 4), 2.0))
def function_as_an_argument_of_a_helper(x):
    def twice(f, v):
        return f(f(v))

    return twice(square, x), twice(lambda v: v + 1, x)


@case(lambda rng: [(2.0, square), (2.0, abs), (3.0, square)])
def function_as_an_argument(x, f):
    return f(x) + 1


@case(lambda rng: each(2.0, 5.0))
def map_and_filter_over_static_sequences(x):
    return list(map(lambda k: k * x, [1, 2, 3])), [k for k in range(6) if k % 2]


@case(lambda rng: each((1.0, 2.0, 3.0, 4.0)))
def starred_unpacking(values):
    first, *middle, last = values
    (a, b), c = (first, last), middle[0]
    return [last, *middle, first], a + b * c


@case(lambda rng: each(3.0, -3.0))
def chained_assignment(x):
    a = b = c = x * 2
    a += 1
    return a, b, c


@case(lambda rng: each(3, -3, 0))
def global_constant_and_f_string(n):
    label = f"n={MODEL.scale}"
    return n * len(label), label


@case(lambda rng: each(rand(rng, 3), rand(rng, (2, 3))))
def generator_free_helper_chain(x):
    def normalise(a):
        return a - a.mean()

    def energy(a):
        return (normalise(a) ** 2).sum()

    return energy(x) + energy(2 * x)


@case(lambda rng: each(1.0, 10.0, -3.0))
def mutual_recursion_on_constants(x):
    def even(n):
        return x if n == 0 else odd(n - 1) + 1

    def odd(n):
        return -x if n == 0 else even(n - 1) * 2

    return even(4), odd(3)


class Scaled:
    """Methods with decorators of the user's own."""

    def __init__(self, k):
        self.k = k

    @trace_calls
    def apply(self, x):
        if x > 0:
            return x * self.k
        return x

    @functools.cached_property
    def twice(self):
        return self.k * 2


SCALED = Scaled(3.0)


@case(lambda rng: each(1.0, -2))
def decorated_methods(x):
    return SCALED.apply(x) + SCALED.twice
