"""Pytrees as arguments and results: dict, list, tuple, namedtuple, dataclass, None; objects changed in arms."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from copy import copy, deepcopy
from dataclasses import astuple, dataclass, field, fields, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from .harness import Call
from .inputs import each, rand
from .registry import REFUSED
from .registry import case as any_case

case = partial(any_case, rtol=0)

Point = namedtuple("Point", "x y")


class Layer(NamedTuple):
    w: np.ndarray
    b: float = 0.5


@dataclass
class State:
    position: np.ndarray
    velocity: np.ndarray
    time: float = 0.0
    notes: list = field(default_factory=list)

    def energy(self):
        return (self.velocity * self.velocity).sum() / 2

    def step(self, dt):
        self.position += dt * self.velocity
        self.time += dt


@dataclass(frozen=True)
class Options:
    scale: float = 2.0
    order: int = 1


def state(rng, n=3):
    return State(rand(rng, n), rand(rng, n), 1.0)


@case(lambda rng: each((rand(rng, 3), 2.0), (rand(rng, 3), 3), (2, 3)))
def tuple_argument(pair):
    a, b = pair
    return a * b


@case(lambda rng: each([rand(rng, 3), 2.0, rand(rng, 3)], [1.0, 2.0], [3]))
def list_argument(items):
    total = 0
    for v in items:
        total = total + v
    return total, len(items)


@case(lambda rng: each({"w": rand(rng, (2, 3)), "b": rand(rng, 2)}, {"b": rand(rng, 2), "w": rand(rng, (2, 3))}))
def dict_argument(p):
    return p["w"] * 2 + p["b"][:, None]


@case(lambda rng: each({"layers": [{"w": rand(rng, 3), "b": 1.0}, {"w": rand(rng, 3), "b": 2}], "scale": (2.0, None)}))
def nested_argument(p):
    x = np.ones(3)
    for layer in p["layers"]:
        x = x * layer["w"] + layer["b"]
    scale, nothing = p["scale"]
    return x * scale, nothing is None


@case(lambda rng: each(Point(1.0, 2.0), Point(rand(rng, 3), 2), Point(1, rand(rng, 2))))
def namedtuple_argument_and_result(p):
    return Point(p.y, p.x + p[0])


@case(lambda rng: each(Layer(rand(rng, 3)), Layer(rand(rng, 2), 3.0)))
def typed_namedtuple(layer):
    w, b = layer
    return layer._replace(w=w * 2 + b), layer.b


@case(lambda rng: each(state(rng), state(rng, 1)))
def dataclass_argument(s):
    return s.position + s.velocity * s.time, s.energy()


@case(lambda rng: [(state(rng), 0.5), (state(rng), 1)], kind="widened")
def dataclass_changed_in_a_method(s, dt):
    s.step(dt)
    s.step(dt)
    return s.time


@case(lambda rng: [(rand(rng, 3), Options()), (rand(rng, 3), Options(3.0, 2))])
def frozen_dataclass_argument(x, o):
    for _ in range(o.order):
        x = x * o.scale
    return x


@case(lambda rng: each(rand(rng, 3)))
def dataclass_result(x):
    s = State(x * 2, np.zeros_like(x))
    s.step(0.5)
    return s


@case(lambda rng: each(state(rng)))
def dataclass_argument_returned(s):
    s.velocity = s.velocity * 2
    return s


@case(lambda rng: each(None, (None, 1.0), [None], {"a": None}))
def none_in_pytrees(x):
    return x, None


@case(lambda rng: each(2.0, 5))
def every_container_as_a_result(x):
    return {"t": (x, x + 1), "l": [x, [x * 2]], "d": {"z": x, "a": -x}, "n": None, "p": Point(x, x)}


@case(lambda rng: each(2.0))
def empty_containers(x):
    return (), [], {}, ((), [None]), None


@case(lambda rng: each(2.0))
def no_result(x):
    x + 1


@case(lambda rng: [()])
def no_arguments():
    return np.arange(3) * 2


@case(lambda rng: [(2.0, 1), (2.0, -1)])
def dict_written_in_both_arms(x, c):
    d = {"a": 0.0}
    if c > 0:
        d["a"] = x
        d["b"] = x + 1
    else:
        d["a"] = -x
        d["b"] = x - 1
    return d


@case(lambda rng: [({"a": 1.0, "b": 2.0}, 1), ({"a": 1.0, "b": 2.0}, -1)])
def dict_argument_written_in_one_arm(d, c):
    if c > 0:
        d["a"] = d["a"] + 10.0
    return d["a"] * 2


@case(lambda rng: [([1.0, 2.0, 3.0], 1), ([1.0, 2.0, 3.0], -1)])
def list_argument_written_in_arms(items, c):
    if c > 0:
        items[0] = 9.0
    else:
        items[1] = items[0] + items[2]
    return items


@case(lambda rng: [(Options(), 1), (Options(), -1)])
def attribute_written_in_arms(o, c):
    class Holder:
        pass

    h = Holder()
    h.value = o.scale
    if c > 0:
        h.value = h.value * 2
    else:
        h.value = h.value - 1
    return h.value


@case(lambda rng: [(state(rng), n) for n in (0, 1, 4)])
def attribute_written_in_a_loop(s, n):
    for _ in range(n):
        s.time = s.time + 0.5
        s.position += s.velocity
    return s.time


@case(lambda rng: [({"n": 0, "x": rand(rng, 3)}, n) for n in (0, 3)])
def dict_argument_written_in_a_loop(d, n):
    for i in range(n):
        d["n"] += i
        d["x"] = d["x"] * 0.5
    return d["x"]


@case(lambda rng: [([1.0, 2.0],), ([],)])
def list_argument_grows(items):
    items.append(5.0)
    items.extend([6.0, 7.0])
    items.insert(0, -1.0)
    last = items.pop()
    return last, len(items)


@case(lambda rng: [({"a": 1.0, "b": 2.0},)])
def dict_methods(d):
    d.update(c=3.0)
    d.setdefault("a", 100.0)
    d.setdefault("e", 5.0)
    b = d.pop("b")
    del d["a"]
    return b, list(d), list(d.values()), d.get("zz"), d.get("c"), "c" in d, dict(d, q=1)


@case(lambda rng: each([3.0, 1.0, 2.0]))
def list_methods_on_static_lists(items):
    order = [2, 0, 1]
    order.sort()
    order.reverse()
    return [items[i] for i in order], items + [1.0], items * 2, items[::-1], order.index(1), order.count(0)


@case(lambda rng: each(1.5, -2.0))
def sets_and_strings_are_static(x):
    names = {"a", "b"} | {"c"}
    text = "-".join(sorted(names))
    return x * len(names), text.upper(), f"{text}!"


@case(
    lambda rng: [(rand(rng, 4), "f4"), (rand(rng, 4), np.float32), (rand(rng, 4), np.dtype("i4")), (rand(rng, 4), int)]
)
def dtypes_as_arguments(x, dtype):
    return x.astype(dtype), np.zeros(2, dtype)


@case(lambda rng: [(rand(rng, (3, 4)), 0), (rand(rng, (3, 4)), 1), (rand(rng, (3, 4)), -1), (rand(rng, (3, 4)), None)])
def ints_used_as_an_axis(x, axis):
    return x.max(axis=axis)


@case(lambda rng: [(rand(rng, (3, 4)), 0), (rand(rng, (3, 4)), 2)], raises=np.exceptions.AxisError)
def axis_out_of_range(x, axis):
    return x.max(axis=axis)


@case(lambda rng: [(3, 4), (1, 1), (0, 2)])
def ints_used_as_a_shape(n, m):
    a = np.zeros((n, m))
    a[:, :] = n + m
    return a, a.shape, np.ones(n)


@case(lambda rng: [(rand(rng, 6), 2), (rand(rng, 6), 3), (rand(rng, 6), 4)], raises=ValueError)
def ints_used_in_a_reshape(x, k):
    return x.reshape(k, -1)


@case(
    lambda rng: [Call(rand(rng, 3), power=2), Call(rand(rng, 3), power=3), Call(rand(rng, 3))],
    jit_options={"static_argnames": ("power",)},
    rtol=1e-12,
)
def static_argument_by_name(x, power=1):
    y = np.ones_like(x)
    for _ in [None] * power:
        y = y * x
    return y


@case(allow=REFUSED, inputs=lambda rng: each(OrderedDict([("b", 1.0), ("a", 2.0)]), {"b": 1.0, "a": 2.0}))
def ordered_dict(d):
    return d["b"] - d["a"], list(d)


@case(lambda rng: each((1.0, 2), [1.0, 2], {"a": 1.0}, (1.0, 2.0), (1.0, 2, 3), 1.0))
def one_function_many_structures(x):
    if isinstance(x, dict):
        return x["a"]
    if isinstance(x, (tuple, list)):
        return x[0] + len(x)
    return x


@case(lambda rng: each({"x": rand(rng, 3), "names": ["a", "b"], "kind": "tanh", "n": 3}))
def strings_inside_pytrees(config):
    if config["kind"] == "tanh":
        return config["x"] * len(config["names"]) + config["n"]
    return config["x"]


@dataclass(frozen=True)
class Body:
    position: np.ndarray
    time: float = 0.0


@case(lambda rng: [(Body(rand(rng, 3)), n) for n in (0, 1, 4)])
def dataclass_replaced_each_turn(body, n):
    for _ in range(n):
        body = replace(body, position=body.position * 0.5, time=body.time + 0.25)
    return body, astuple(body), [f.name for f in fields(body)]


@dataclass(slots=True)
class Slotted:
    x: np.ndarray = field(compare=False)
    items: list


@dataclass
class Open:
    x: np.ndarray = field(compare=False)
    items: list


@case(lambda rng: [(kind(rand(rng, 3), [1.5, 2]),) for kind in (Slotted, Open)])
def copied_objects(original):
    shallow, deep = copy(original), deepcopy(original)
    shallow.x = shallow.x * 2
    shallow.items.append(3)
    deep.x[0] = 7
    return shallow.x, original.x, deep.x, len(original.items), len(deep.items), shallow is original
