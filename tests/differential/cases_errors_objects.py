"""Objects that a program changes before it raises, in expressions, loops, helpers and containers."""

import dataclasses
import types

import numpy as np

from .registry import case


class Acc:
    def __init__(self):
        self.items = []
        self.n = 0
        self.best = None
        self.log = {}

    def add(self, v):
        self.n += 1
        self.items.append(v)
        return self

    @property
    def mean(self):
        return sum(self.items) / self.n


def acc(*rest):
    return lambda rng: [(Acc(), np.arange(4.0), i, *rest) for i in (0, 2, 4, -5)]


@dataclasses.dataclass
class P:
    x: float
    v: np.ndarray
    t: tuple = ()


def bump(s):
    s.c += 1
    return s.c


@case(acc(), raises=IndexError)
def methods_that_return_self(a, x, i):
    a.add(x[0]).add(x[i]).add(i)
    return a.mean


@case(acc(), raises=(IndexError, ZeroDivisionError))
def changes_in_an_unrolled_loop(a, x, i):
    for k in range(3):
        a.add(k)
    a.best = x[i]
    a.log["k"] = a.best
    a.log["z"] = 1 / (i - 2)
    return a


@case(acc(), raises=ValueError)
def lists_inside_of_a_dict(a, x, i):
    a.log.setdefault("l", []).append(x)
    a.log["l"].append(x[i:].sum())
    if i > 2:
        raise ValueError(a.n, i)
    del a.log["l"][0]
    return a.log


@case(acc(), raises=AssertionError)
def assertion_after_a_nested_container(a, x, i):
    a.best = (x, [x, x[1:]], {"n": a.n})
    assert i < 3, f"i is {i}"
    a.best = None


@case(acc(), raises=IndexError)
def new_array_in_a_list_written_later(a, x, i):
    y = np.zeros(3)
    a.items.extend([y, y])
    y[1] = 5
    y[i] = 7
    y = y + 1
    a.items.append(y)
    x[i] = 3
    y[2] = 100
    return y[i + 1]


@case(acc(), raises=IndexError)
def slices_and_methods_of_a_list(a, x, i):
    a.items[:] = [1, 2, 3]
    a.items.pop(0)
    a.items.insert(1, x[i])
    a.items.sort
    a.items.reverse()
    a.n = len(a.items)
    return a.items[i]


@case(acc(), raises=IndexError)
def while_loop_over_an_attribute(a, x, i):
    while a.n < 10:
        a.n += 1
        x[a.n % 5] -= 1
    return a


@case(acc(), raises=KeyError)
def raised_in_a_loop_over_an_array(a, x, i):
    for v in x:
        a.n += 1
        if v > i:
            a.best = v
            raise KeyError(v, a.n)
    a.best = i


@case(acc(), raises=IndexError)
def nonlocal_counter_and_attribute(a, x, i):
    def inner(k):
        nonlocal i
        i += 1
        a.n += 1
        return x[k]

    r = inner(0) + inner(i) + inner(i)
    return r


@case(lambda rng: [({"x": [1, {"y": np.arange(3.0)}]}, i) for i in (0, 2, 3)], raises=IndexError)
def containers_in_containers(d, i):
    d["x"][1]["y"][0] = 9
    d["x"][1]["z"] = d["x"]
    d["x"].append(i)
    v = d["x"][1]["y"][i]
    d["x"][1]["z"] = v
    return d["x"][0]


@case(lambda rng: [([np.arange(3.0), np.arange(3.0) + 1], i) for i in (0, 2, 3)], raises=IndexError)
def items_that_become_one_array(l, i):
    l[0], l[1] = l[1], l[0]
    l[0][i] = -1
    l[1] = l[0]
    l[1][i - 1] = -2
    return l


@case(lambda rng: [([np.arange(3.0), np.arange(3.0) + 1], n) for n in (0, 2, 3, 4)], raises=IndexError)
def rotated_items(l, n):
    for i in range(n):
        l[0][i] += 1
        l.append(l.pop(0))
    return l


@case(lambda rng: [([0.0] * 3, np.arange(5.0), n) for n in (0, 2, 5, 6)], raises=IndexError)
def numbers_in_a_list(l, x, n):
    for i in range(n):
        l[i % 3 if False else 0] += x[i]
        l[1] = max(l[1], x[i])
        l[2] = i
    return sum(l)


@case(lambda rng: [(P(1.0, np.arange(3.0)), n) for n in (0, 2, 3)], raises=IndexError)
def one_new_object_in_two_places(p, n):
    q = P(p.x + n, p.v, (p,))
    p.t = (q, q)
    q.x += p.v[n]
    return q


@case(lambda rng: [([P(float(k), np.arange(3.0)) for k in range(3)], n) for n in (0, 2, 3)], raises=IndexError)
def objects_in_a_list(ps, n):
    for k, p in enumerate(ps):
        p.x += ps[(k + 1) % 3].v[n] if k == 1 else 0
        p.v[k] = p.x
    return ps


@case(
    lambda rng: [(types.SimpleNamespace(a=np.arange(3.0), b=None), n) for n in (0, 1, 2, 3)],
    raises=(IndexError, RuntimeError),
)
def attributes_exchanged_then_none(s, n):
    s.b = s.a
    s.a = s.a[::-1]
    s.a[n] = 10
    if n == 1:
        s.b, s.a = s.a, s.b
    elif n == 2:
        s.a = s.b = None
        raise RuntimeError
    return s.a, s.b


@case(lambda rng: [(types.SimpleNamespace(n=0), n) for n in (0, 1, 2, 3)], raises=ZeroDivisionError)
def finally_and_else(s, n):
    try:
        s.n = 1
        if n is None:
            raise KeyError
        t = (1, 2, 3)[1]
    except KeyError:
        s.n = 2
    else:
        s.n = 3
    finally:
        s.f = True
    s.n += 1
    return 10 // (n - 2)


@case(
    lambda rng: [(types.SimpleNamespace(c=0, z=np.arange(6.0).reshape(2, 3)), n) for n in (2, 3, 4)],
    raises=(IndexError, ValueError),
)
def views_of_attributes(s, n):
    s.w = s.z.T
    s.u = s.w.reshape(-1)
    s.y = s.z.ravel()
    s.q = s.z.reshape(n, -1)
    s.c = 1
    return s.q[2]


@case(lambda rng: [(types.SimpleNamespace(c=0j), n) for n in (0.0, 1.0, 2.0)], raises=ZeroDivisionError)
def numbers_of_all_kinds(s, n):
    s.c += 1j * n
    s.b = n > 0
    s.i = np.int8(3)
    s.f = np.float32(n)
    s.t = s.f < s.i
    return 1.0 / (n - 1)


@case(lambda rng: [(types.SimpleNamespace(c=0), np.arange(4.0), n) for n in (0, 3, 4)], raises=IndexError)
def strings_and_none_by_path(s, x, n):
    s.x = x if n > 0 else None
    s.y = "big" if n > 2 else n
    s.z = f"n={n}"
    return x[n], s.z


@case(lambda rng: [(types.SimpleNamespace(c=0), np.arange(4.0), n) for n in (0, 3, 4)], raises=IndexError)
def changes_inside_of_an_expression(s, x, n):
    return bump(s) + x[n] + bump(s) if n < 10 and bump(s) else 0


@case(lambda rng: [(types.SimpleNamespace(c=0), np.arange(4.0), n) for n in (0, 3, 4)])
def changes_in_an_index(s, x, n):
    x[bump(s)] = x[n + bump(s) - 2]
    return s


@case(lambda rng: [(types.SimpleNamespace(c=0), np.arange(4.0), n) for n in (0, 3, 4)], raises=IndexError)
def changes_in_a_comprehension(s, x, n):
    return [x[n - k + bump(s)] for k in range(2)]


@case(lambda rng: [(types.SimpleNamespace(c=0), np.arange(4.0), n) for n in (0, 2, 3, 4)], raises=IndexError)
def changes_in_a_generator(s, x, n):
    return sum(x[k] + bump(s) for k in range(n + 1))


@case(lambda rng: [(types.SimpleNamespace(c=0, d={}), np.arange(4.0), n) for n in (0, 2, 3, 4)], raises=IndexError)
def items_added_in_a_loop_over_strings(s, x, n):
    for k in ("a", "b", "c"):
        s.d[k] = bump(s)
        x[n - 1 + len(s.d) - 1] = s.c
    return s
