"""Globals, closure cells, attributes and containers that are read, changed between calls, and written."""

from __future__ import annotations

import sys
from functools import partial

import numpy as np

from .inputs import each, rand
from .registry import REFUSED, case, scenario

exact = partial(case, rtol=0)

SCALE = 2.0
OFFSETS = np.array([1.0, 2.0, 3.0])
SETTINGS = {"rate": 0.5, "steps": 3, "weights": [1.0, 2.0]}
HELPER = abs
COUNTER = 0
LIMITS = (0.0, 1.0)


class Config:
    gain = 1.5
    table = np.array([1.0, 10.0])
    nested = {"deep": (1, 2)}


def this_module():
    return sys.modules[__name__]


@exact(lambda rng: each(1.0, rand(rng, 3)))
def global_scalar_and_array(x):
    return x * SCALE + OFFSETS[1]


@exact(lambda rng: each(1.0, -1.0))
def global_containers(x):
    for _ in range(SETTINGS["steps"]):
        x = x * SETTINGS["rate"] + SETTINGS["weights"][1]
    return min(max(x, LIMITS[0]), LIMITS[1])


@exact(lambda rng: each(1.0, rand(rng, 2)))
def class_attributes(x):
    return x * Config.gain + Config.table + Config.nested["deep"][0]


@scenario()
def global_scalar_that_changes(jit):
    module = this_module()
    f = jit(lambda x: x * SCALE)
    log = []
    for value in (2.0, 3.5, 7, -1.0, 2.0, np.float32(1.5)):
        module.SCALE = value
        log.append(f(10.0))
    module.SCALE = 2.0
    return [*log, f(10.0)]


@scenario()
def global_scalar_that_changes_sign_of_zero(jit):
    module = this_module()
    f = jit(lambda x: x * SCALE)
    log = []
    for value in (0.0, -0.0, 0, False, float("nan"), 0.0):
        module.SCALE = value
        log.append(f(1.0))
    module.SCALE = 2.0
    return log


@scenario()
def global_function_that_changes(jit):
    module = this_module()

    def f(x):
        return HELPER(x) + 1

    f = jit(f)
    log = [f(-2.0)]
    module.HELPER = lambda v: v * 100
    log.append(f(-2.0))
    module.HELPER = abs
    return [*log, f(-2.0)]


@scenario()
def global_array_changed_in_place(jit):
    f = jit(lambda x: x + OFFSETS)
    log = [f(1.0)]
    OFFSETS[0] = 50.0
    log.append(f(1.0))
    OFFSETS[0] = 1.0
    return [*log, f(1.0)]


@scenario()
def global_array_replaced(jit):
    module = this_module()
    saved = module.OFFSETS
    f = jit(lambda x: x + OFFSETS)
    log = [f(1.0)]
    for other in (np.zeros(3), np.zeros(5), np.ones(2, "f4"), 3.0, np.array(2.0)):
        module.OFFSETS = other
        log.append(f(1.0))
    module.OFFSETS = saved
    return [*log, f(1.0)]


@scenario()
def global_container_changed_in_place(jit):
    f = jit(lambda x: x * SETTINGS["rate"] + len(SETTINGS["weights"]) + SETTINGS["weights"][-1])
    log = [f(1.0)]
    SETTINGS["rate"] = 10.0
    log.append(f(1.0))
    SETTINGS["weights"].append(5)
    log.append(f(1.0))
    SETTINGS["weights"].pop()
    SETTINGS["rate"] = 0.5
    return [*log, f(1.0)]


@scenario(allow=REFUSED)
def global_counter_is_written(jit):
    module = this_module()
    module.COUNTER = 0

    def f(x):
        global COUNTER
        COUNTER = COUNTER + 1
        return x * COUNTER

    f = jit(f)
    log = [f(2.0), COUNTER, f(2.0), COUNTER, f(3.0), COUNTER]
    module.COUNTER = 10
    return [*log, f(2.0), module.COUNTER]


@scenario(allow=REFUSED)
def global_written_under_a_condition(jit):
    module = this_module()
    module.COUNTER = 5

    def f(x):
        global COUNTER
        if x > 0:
            COUNTER = COUNTER + 1
        return COUNTER

    f = jit(f)
    return [f(2.0), f(-2.0), f(2.0), module.COUNTER]


@scenario()
def closure_cell_that_changes(jit):
    k = 1.0
    f = jit(lambda x: x + k)
    log = [f(1.0)]
    k = 2.0
    log.append(f(1.0))
    k = 3
    log.append(f(1.0))
    k = np.array([1.0, 2.0])
    log.append(f(1.0))
    k = "text"
    try:
        f(1.0)
    except TypeError as error:
        log.append(type(error))
    k = 1.0
    return [*log, f(1.0)]


@scenario()
def closures_of_one_function_with_different_cells(jit):
    def make(k):
        return jit(lambda x: x * k)

    fs = [make(2.0), make(3.0), make(4)]
    return [f(10.0) for f in fs] + [f(10) for f in fs]


@scenario()
def closure_array_written_by_the_function(jit):
    buffer = np.zeros(3)

    @jit
    def f(i, v):
        buffer[i] = v
        return buffer.sum()

    log = [f(0, 1.0), f(1, 2.0), buffer.copy(), f(-1, 5.0)]
    buffer[:] = 0
    return [*log, f(0, 1.0), buffer, f(1, 0.5)]


@scenario()
def closure_array_returned(jit):
    table = np.arange(4.0)
    f = jit(lambda: (table, table[1:]))
    return [table, f(), f()]


@scenario()
def attribute_of_an_object_that_changes(jit):
    class Model:
        def __init__(self, w):
            self.w = w

        def predict(self, x):
            return self.w * x

    m = Model(2.0)
    f = jit(lambda x: m.predict(x))
    log = [f(3.0)]
    m.w = 5.0
    log.append(f(3.0))
    m.w = np.array([1.0, 2.0])
    log.append(f(3.0))
    m.w[0] = 100.0
    log.append(f(3.0))
    m = Model(-1.0)
    return [*log, f(3.0)]


@scenario()
def class_attribute_that_changes(jit):
    f = jit(lambda x: x * Config.gain)
    log = [f(1.0)]
    Config.gain = 4.0
    log.append(f(1.0))
    Config.gain = 1.5
    return [*log, f(1.0)]


@scenario()
def attribute_written_by_a_method(jit):
    class Accumulator:
        def __init__(self):
            self.total = 0.0
            self.values = np.zeros(3)

        def add(self, x):
            self.total = self.total + x
            self.values[1] += x
            return self.total

    a = Accumulator()
    f = jit(lambda x: a.add(x))
    return [f(1.0), f(2.0), a.total, a.values, f(0.5), a.total]


@scenario()
def jitted_methods(jit):
    class Model:
        def __init__(self, w):
            self.w = w

        @jit
        def predict(self, x):
            if x > 0:
                return self.w * x
            return -x

    a, b = Model(2.0), Model(np.array([1.0, 2.0]))
    log = [a.predict(3.0), b.predict(3.0), a.predict(-3.0)]
    a.w = 10.0
    return [*log, a.predict(3.0), Model.predict(a, 4.0)]


@scenario()
def jitted_functions_call_jitted_functions(jit):
    @jit
    def inner(x):
        if x > 0:
            return x * SCALE
        return x - 1

    @jit
    def outer(x):
        total = inner(x)
        for i in range(3):
            total = total + inner(i - 1.0)
        return total

    return [outer(2.0), outer(-2.0), inner(2.0), inner(-1.0)]


@scenario()
def mutable_default_argument(jit):
    def f(x, memory=[0.0]):  # noqa: B006
        memory[0] = memory[0] + x
        return memory[0]

    f = jit(f)
    return [f(1.0), f(2.0), f(3.0), f.__defaults__ if hasattr(f, "__defaults__") else ([6.0],)]


@scenario()
def list_captured_and_appended_to(jit):
    seen = []

    @jit
    def f(x):
        seen.append(x)
        return len(seen)

    return [f(1.0), f(2.0), seen, f(3.0), len(seen)]


@scenario()
def dict_captured_and_written(jit):
    cache = {}

    @jit
    def f(x, key):
        cache[key] = x * 2
        return x

    return [f(1.0, "a"), f(2.0, "b"), f(3.0, "a"), cache]


@scenario(allow=REFUSED)
def redefined_helper(jit):
    namespace = {}
    exec("def helper(x):\n    return x + 1\ndef f(x):\n    return helper(x) * 2\n", namespace)
    f = jit(namespace["f"])
    log = [f(1.0)]
    exec("def helper(x):\n    return x + 100\n", namespace)
    return [*log, f(1.0)]


@scenario()
def a_cell_that_is_empty_at_first(jit):
    def make():
        f = jit(lambda x: x + later)
        try:
            f(1.0)
        except NameError:
            log = ["unbound"]
        later = 5.0
        return [*log, f(1.0)]

    return make()
