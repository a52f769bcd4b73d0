"""Programs with every kind of branch and loop, each with inputs; see ``test_control_flow.py``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {}


def case(*inputs: Any) -> Callable[[Any], Any]:
    """Register a program with its inputs, tuples of arguments."""

    def register(function: Any) -> Any:
        PROGRAMS[function.__name__] = function, inputs
        return function

    return register


@case((3,), (0,), (12,))
def walrus_lazy(n):
    if n > 2 and (k := n * 2) > 10:
        return k
    while n > 0 and (d := n - 1) > 1:
        n = d
    return n


@case((np.array([1.0, 5.0, 2.0]), 4.0), (np.array([1.0, 5.0, 2.0]), 9.0))
def for_else(x, lim):
    for i in range(len(x)):
        if x[i] > lim:
            r = i
            break
    else:
        r = -1
    return r


@case((5,), (0,), (100,))
def while_else(n):
    k = 0
    while k < n:
        if k == 50:
            break
        k += 1
    else:
        k = -k
    return k


@case((np.array([3.0, 1.0, 2.0]),), (np.array([]),), (np.arange(20.0),))
def best_none(x):
    best = None
    for v in x:
        if best is None or v > best:
            best = v
    return best


@case((np.array([3.0, 1.0, 2.0]),), (np.array([]),))
def best_none_use(x):
    best = None
    where = -1
    for i in range(len(x)):
        if best is None or x[i] > best:
            best = x[i]
            where = i
    if best is None:
        return "empty"
    return best * 2, where


@case((1.0,), (-1.0,))
def either_types(x):
    if x > 0:
        r = 1
    else:
        r = (x, "neg")
    return r


@case((1.0,), (-1.0,))
def dict_both(x):
    d = {}
    if x > 0:
        d["a"] = x
        d["b"] = 1.0
    else:
        d["a"] = -x
        d["b"] = 2
    return d, d["a"] + d["b"]


@case((1.0,), (-1.0,))
def dict_override(x):
    d = {"k": 1.0, "z": 5}
    if x > 0:
        d["k"] = x
    else:
        d["z"] = d["z"] + 1
    d["n"] = 3
    return d


@case((4,), (0,))
def list_in_loop(n):
    acc = [0.0, 1.0]
    for i in range(n):
        acc[i % 2 if False else 0] += i
        acc[1] = acc[0] * 2
    return acc


class Counter:
    def __init__(self, start):
        self.n = start
        self.total = 0.0

    def add(self, v):
        self.n += 1
        self.total += v
        return self

    @property
    def mean(self):
        return self.total / self.n if self.n > 0 else 0.0


@case((np.arange(4.0),), (np.arange(20.0),), (np.array([]),))
def object_in_loop(x):
    c = Counter(0)
    for v in x:
        if v > 1:
            c.add(v)
    return c.n, c.total, c.mean


@case((3.0,), (-3.0,))
def set_and_in(x):
    s = {1, 2}
    s.add(3)
    t = 5 if x in (3.0, 4.0) else 6
    u = x not in [1.0, -3.0]
    return t, u, 3 in s, len(s)


@case((3, 4), (4, 3))
def tuple_compare(a, b):
    return (a, b) == (3, 4), (a, b) != (3, 4), [a] == [3], (a,) == (a, b)


@case((np.arange(12.0).reshape(3, 4), 7.0), (np.arange(12.0).reshape(3, 4), 70.0))
def ndindex_break(a, v):
    r = (-1, -1)
    for i, j in np.ndindex(3, 4):
        if a[i, j] == v:
            r = i, j
            break
    return r


@case((np.arange(30.0).reshape(5, 6),))
def ndindex_long(a):
    out = np.zeros(a.shape)
    for i, j in np.ndindex(*a.shape):
        if i > 0:
            out[i, j] = out[i - 1, j] + a[i, j]
        else:
            out[i, j] = a[i, j]
    return out


@case((np.arange(5.0),), (np.arange(15.0),))
def test_with_effects(x):
    k = np.zeros(1, dtype=int)

    def step():
        k[0] += 1
        return x[k[0]]

    s = 0.0
    while step() < 3.5:
        s += k[0]
    return s, k


@case((3,), (10,), (0,))
def nested_while_flags(n):
    total = 0
    i = 0
    while True:
        if i >= n:
            break
        j = 0
        while True:
            j += 1
            if j > i:
                break
            if (i + j) % 3 == 0:
                continue
            total += j
            if total > 100:
                return -total
        i += 1
    return total


@case((1.5,), (-1.5,))
def with_errstate(x):
    with np.errstate(all="ignore"):
        if x > 0:
            y = np.log(x)
        else:
            y = np.sqrt(-x)
    return y


@case((1.5,), (-1.5,))
def try_static(x):
    try:
        y = int("12")
    except ValueError:
        y = 0
    else:
        y = y + 1
    finally:
        z = 3
    try:
        {}["a"]
    except KeyError as e:
        w = 5
    return x * y + z + w


@case((2.0, "a"), (2.0, "b"), (-2.0, "c"))
def match_guard(x, k):
    match k:
        case "a" | "b" if k == "a":
            r = x
        case "b":
            if x > 0:
                return x * 3
            r = -x
        case _:
            r = 0.0
    return r + 1


class Priv:
    __rate = 3.0

    def __init__(self, v):
        self.__v = v

    def go(self, __x):
        y = self.__v * __x if __x > 0 else self.__rate
        return y


class Sub(Priv):
    def go(self, x):
        return super().go(x) + 1 if x < 5 else super().go(1.0)


@case((2.0,), (-2.0,), (7.0,))
def private_names(x):
    return Priv(2.0).go(x) + Sub(x).go(x)


@case((np.array([1.0, -2.0, 3.0]),), (np.array([]),), (np.arange(30.0) - 10,))
def comps_filter(x):
    a = sum(v for v in x if v > 0)
    b = any(v > 2 for v in x if v > 0)
    c = all(v < 50 for v in x)
    return a, b, c


@case((np.array([1.0, -2.0, 3.0]),), (np.arange(30.0) - 10,))
def comp_max(x):
    return max(v * v for v in x), min(abs(v) for v in x)


@case(
    (np.arange(20.0),),
)
def comp_array(x):
    return (
        np.array([v * 2 if v > 3 else -v for v in x]),
        np.array([[v, v + 1] for v in x]),
        np.stack([x * v for v in x]),
    )


@case((3.0,), (-3.0,))
def del_names(x):
    y = x
    if x > 0:
        del y
        y = 2.0
    z = y
    del y
    return z


@case((3,), (0,))
def loop_var_after(n):
    i = "none"
    for i in range(n):
        pass
    return i


@case((4.0,), (-4.0,))
def fstring_error(x):
    try:
        label = f"value {3:>4}"
    except ValueError:
        label = ""
    return label, f"{'a'!r}{1.5:.3f}"


@case((np.arange(6.0), 2), (np.arange(6.0), 9), (np.arange(6.0), -1))
def oob_in_arm(x, i):
    if i < 6:
        r = x[i]
    else:
        r = x[5] * 2
    if i == 100:
        r = x[17]
    return r


@case(
    (np.zeros((3, 3)),),
)
def target_subscript(a):
    for a[0, 0] in range(5):
        a[1, 1] += a[0, 0]
    (a[2, 0], b), a[2, 1] = (1, 2), 3
    return a, b


@case((5,), (0,))
def closures_in_loop(n):
    fs = []
    for k in range(3):
        fs.append(lambda v, k=k: v + k)
    t = 0
    for i in range(n):
        t = t + fs[0](i) + fs[2](i)
    return t


@case((1.0,), (-1.0,))
def choose_function(x):
    f = math.sqrt if x > 0 else math.fabs
    g = (lambda v: v + 1) if x > 0 else (lambda v: v - 1)
    return f(abs(x)), g(x)


@case((4,), (1,), (0,))
def state_tuple(n):
    state = (1.0, np.ones(3))
    for i in range(n):
        v, a = state
        state = (v * 2, a + v)
    return state


@case((4,), (1,), (0,))
def state_dict(n):
    params = {"w": np.ones(3), "b": 0.5}
    for i in range(n):
        g = {k: p * 0.1 for k, p in params.items()}
        params = {k: params[k] - g[k] for k in params}
    return params


@case((np.arange(4.0), 3), (np.arange(4.0), 0))
def rebind_and_write(x, n):
    for i in range(n):
        x[0] += 1
        x = x + 1
    return x


@case((np.arange(4.0), 3), (np.arange(4.0), 0))
def local_rebind_and_write(x, n):
    u = x.copy()
    for i in range(n):
        u[0] = 10.0 * i
        u = u * 0.5 + x
    return u


@case((np.arange(6.0).reshape(2, 3), 3), (np.arange(6.0).reshape(2, 3), 0))
def rows_swapped(a, n):
    p, q = a[0], a[1]
    for i in range(n):
        p[i % 3] += q[0] + 1
        p, q = q, p
    return p, a


@case((np.arange(6.0).reshape(2, 3), 1), (np.arange(6.0).reshape(2, 3), 0))
def row_carried(a, k):
    row = a[0]
    for i in range(1, 2 + k):
        row = a[i % 2]
    row[0] = 100.0
    return row, a


@case(
    (np.arange(20.0),),
)
def prefix_views(x):
    v = x
    while len(v) > 3:
        v = v[2:]
    v[0] = -1.0
    return v, x


@case((3,), (0,), (25,))
def unroll_list(n):
    w = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    t = 0
    for i in range(10):
        if i < n:
            t += w[i]
    return t


@case((np.arange(9.0), 3.5), (np.arange(9.0), 30.0))
def list_traced_break(x, lim):
    seen = 0
    for name, v in [("a", 1.0), ("b", 3.0), ("c", 4.0), ("d", 5.0)]:
        if v > lim:
            break
        seen += len(name)
        x[seen] = v
    return seen, x


@case((7, 3), (-7, 3))
def and_or_values(a, b):
    return a and b, a or b, a and 0, 0 or a, (a > 0) and "yes" or "no", not a or not b, a and b and a + b


@case((2.5,), (-2.5,))
def exceptions_in_helper(x):
    def check(v):
        if v < -10:
            raise ValueError(f"too small: {v}")
        return v

    return check(x) + 1


@case((0.0,), (2.0,))
def early_return_none(x):
    if x > 1:
        return
    y = x + 1


@case(
    (5,),
)
def global_style(n):
    out = []
    for i in range(3):
        row = []
        for j in range(2):
            row.append(i * j + n)
        out.append(row)
    return out


@case(
    (np.arange(5.0),),
)
def assert_passes(x):
    assert len(x) == 5, "five"
    assert x[0] < x[1]
    return x.sum()


@case((4,), (0,), (9,))
def collatz_two(n):
    longest = best = 0
    for start in range(1, n):
        steps, v = 0, start
        while v != 1:
            v = v // 2 if v % 2 == 0 else 3 * v + 1
            steps += 1
        if steps > longest:
            longest, best = steps, start
    return best, longest


@case((np.arange(6.0), 3), (np.arange(6.0), 0))
def alias_after_loop(x, n):
    y = x
    for i in range(n):
        y = y + 1
    y[0] = 50
    return x, y, x is y


@case((3,), (-3,))
def unbound_then_bound(n):
    for i in range(n):
        t = i
    if n > 0:
        return t
    return -1


@case((np.array([4.0, 2.0, 9.0]),))
def in_array(x):
    return 2.0 in x, 3.0 in x, 3 in [1, 3], "a" in "cat"


@case((3,), (0,))
def conditional_in_while_test(n):
    k = 0
    while (k < n if n > 1 else False) or k < 1:
        k += 1
    return k


@case((5, 2), (2, 5))
def swap_scalars_if(a, b):
    if a > b:
        a, b = b, a
    return a, b


@case((3,), (0,))
def nested_functions_loops(n):
    def outer(k):
        def inner(j):
            s = 0
            for q in range(j):
                if q == 2:
                    continue
                s += q
            return s

        t = 0
        for j in range(k):
            t += inner(j)
            if t > 10:
                return t
        return t

    return outer(n) + outer(n + 4)


@case((0.0,), (2.0,))
def or_makes_an_array(x):
    a = x or np.ones(3)
    b = x and np.zeros(2)
    return a, b


@case((np.arange(3.0), 0.0), (np.arange(3.0), 1.0))
def or_gives_an_array(x, c):
    a = (c and x) if c else (x + 1)
    return a, a is x


@case((np.arange(3.0), 1.0), (np.arange(3.0), -1.0))
def arithmetic_with_what_may_be_none(x, c):
    shift = None
    if c > 0:
        shift = x * 2
    scale = None if c > 0 else c
    if shift is not None:
        return x + shift, x[0] * shift
    return scale * x, x[1] - scale


@case((np.arange(3.0), 1.0), (np.arange(3.0), -1.0))
def text_or_number(x, c):
    kind = "up" if c > 0 else "down"
    if kind == "up":
        x = x + 1
    return x, kind, kind + "wards", len(kind)
