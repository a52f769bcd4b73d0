"""What the caller's objects and arrays are after a call that raised: everything done before is there, nothing after."""

import types

import numpy as np

from tracejit.errors import UnsupportedError

from .registry import case, scenario


def tables(*rest):
    return lambda rng: [
        ({"a": np.arange(3.0), "b": 10 * np.arange(3.0), "c": None, "n": 0}, n, *rest) for n in (0, 2, 3, 5, 7)
    ]


def pairs(rng):
    return [(np.arange(3.0), np.arange(3.0) + 10, n) for n in (0, 2, 3, 5, 7)]


def things(*rest):
    return lambda rng: [(types.SimpleNamespace(n=0, total=0.0, x=np.ones(3)), np.arange(3.0), n, *rest)
                        for n in (0, 1, 3, 4, 6)]  # fmt: skip


@case(things(), raises=IndexError)
def counters_of_an_object_in_a_loop(c, x, n):
    for i in range(n):
        c.total = c.total + x[i]
        c.n += 1
    return c.n


@case(things(), raises=IndexError)
def array_attribute_bound_anew_in_a_loop(c, x, n):
    for i in range(n):
        c.x = c.x + x[i]
        c.n += 1
    c.n = -1


@case(things(), raises=IndexError)
def changes_in_arms(c, x, n):
    if n > 3:
        c.total = 9
        c.x = x * n
    else:
        c.total = n
        c.x = x
    return x[n - 1]


@case(things(), raises=IndexError)
def change_in_the_arm_that_raises(c, x, n):
    if n > 3:
        c.total = -1.0
        y = x[n]
        c.total = -2.0
    else:
        c.n = 5
        y = 0.0
    c.n += 1
    return y


@case(things(), raises=ZeroDivisionError)
def change_before_a_division(c, x, n):
    c.n = n
    c.total = 1 / (n - 3)
    c.n = 99
    return c.total


@case(things(), raises=ValueError)
def raise_statement_with_views_and_new_arrays(c, x, n):
    c.view = x[1:]
    c.flat = c.x.reshape(3, 1).T
    c.new = x * 2
    c.both = [c.new, x, {"t": (n, c.new[::-1])}]
    c.new[0] = 7
    if n > 2:
        c.later = 1
        raise ValueError("no", n, c.total)
    c.new[1] = 8
    return c


@case(things(), raises=KeyError)
def deleted_and_added_attributes(c, x, n):
    del c.total
    c.extra = None
    if n > 2:
        raise KeyError(n)
    c.total = 1


@case(lambda rng: [({"k": 1, "w": np.ones(3)}, n) for n in (1, 3)], raises=IndexError)
def container_methods(d, n):
    d["list"] = [1]
    d["list"].append(n * 2)
    d.setdefault("s", []).extend((n, None))
    d.pop("k")
    d.update(z=n)
    y = d["w"][n]
    d.clear()
    return y


@case(lambda rng: [([1.0, np.zeros(2)], n) for n in (0, 1, 2)], raises=IndexError)
def list_of_the_caller(items, n):
    items.append("more")
    items[0] = n
    items.insert(1, items[1][::-1])
    y = items[2][n]
    items.reverse()
    return y


@scenario()
def globals_and_nonlocals(jit):
    log = []

    def outer():
        count = 0

        def body(x, i):
            nonlocal count
            count += 1
            y = x[i]
            count += 10
            return y

        return jit(body), lambda: count

    f, seen = outer()
    for i in (0, 5, 1, -7):
        try:
            f(np.arange(3.0), i)
        except IndexError as error:
            log.append(str(error))
        log.append(seen())
    return log


@scenario()
def print_that_fails(jit):
    import contextlib

    class Broken:
        def write(self, text):
            raise OSError("no room")

    def body(c, x):
        c.n = x.sum()
        print("now", c.n)
        c.n = -1.0

    c = types.SimpleNamespace(n=None)
    try:
        with contextlib.redirect_stdout(Broken()):
            jit(body)(c, np.ones(3))
    except OSError as error:
        return str(error), c
    return c


@case(lambda rng: [({"n": 1}, 1), ({"n": 1}, 3)], raises=KeyError)
def what_always_raises(d, n):
    d["n"] = n + 1
    if n > 2:
        d["n"] *= 2
    return d["missing"]


@case(lambda rng: [({"n": 1}, 1), ({"n": 1}, 3)], raises=RuntimeError)
def raised_through_finally(d, n):
    try:
        d["n"] = n
        if n == n:
            pass
        raise RuntimeError("always")
    finally:
        d["done"] = n + 1


def _step(c, x, i):
    c.n += 1
    c.total += x[i]
    return c


@case(things(), raises=IndexError)
def changes_in_helpers_of_nested_loops(c, x, n):
    for i in range(n):
        for j in range(i):
            _step(c, x, i + j)
        c.x[0] = i
    return c


@case(things(), raises=IndexError)
def while_loop_whose_condition_raises(c, x, n):
    while x[c.n] < n:
        c.n += 1
        c.total = c.total + 0.5
    return c.n


# --- arrays that change places while they are written to ---


@case(pairs, raises=IndexError)
def ping_pong(a, b, n):
    for i in range(n):
        a[i] += 1
        a, b = b, a
    return a


@case(pairs, raises=IndexError)
def ping_pong_first_exchanged(a, b, n):
    for i in range(n):
        a, b = b, a
        a[i] += 1
        b[i] -= 1
    return a


@case(pairs, raises=IndexError)
def exchanged_in_an_arm(a, b, n):
    for i in range(n):
        if a[i] > b[i]:
            a, b = b, a
        a[i] += 1
    return a


@case(pairs, raises=IndexError)
def exchanged_until_it_raises(a, b, n):
    i = 0
    while True:
        a[i] = b[i] * 2
        a, b = b, a
        i += 1
        if i > n:
            break
    return a


@case(pairs, raises=IndexError)
def exchanged_around_a_loop(a, b, n):
    for i in range(n):
        for j in range(i):
            a[j + i] = b[j] + 1
        a, b = b, a
    return a


@case(pairs, raises=IndexError)
def another_name_for_one_of_two(a, b, n):
    c = a
    for i in range(n):
        c[i] += 1
        c = a if i % 2 else b
    return a


@case(tables(2.0), raises=IndexError)
def new_arrays_exchanged(d, n, x):
    a, b, c = np.zeros(3), np.ones(3), np.ones(3)
    d["a"], d["b"], d["c"] = a, b, c
    for i in range(n):
        a[i] += x
        a, b, c = b, c, a
    return a


@case(tables(2.0), raises=IndexError)
def items_and_names_exchanged(d, n, x):
    a, b = d["a"], d["b"]
    for i in range(n):
        a[i] += x
        d["a"], d["b"] = d["b"], d["a"]
        a, b = b, a
        d["n"] = i
    return a


@case(tables(2.0), raises=IndexError)
def items_exchanged(d, n, x):
    for i in range(n):
        d["a"][i] += x
        for j in range(i):
            d["b"][2 * j] -= 1
        d["a"], d["b"] = d["b"], d["a"]
    return 0


@case(tables(2.0), raises=IndexError)
def items_of_a_new_list_exchanged(d, n, x):
    arrays = [d["a"], d["b"]]
    d["c"] = arrays
    for i in range(n):
        arrays[0][i] += x
        arrays.reverse()
    return arrays


# --- arrays without axes, odd memory, parts of targets ---


@case(lambda rng: [(np.array(1.0), np.array(2), n) for n in (1, 0, 2)], raises=ZeroDivisionError)
def arrays_without_axes(x, y, n):
    x += 1
    y[()] = n
    z = 1 / n
    x *= 2
    return z


@case(lambda rng: [(np.array(1.0), np.zeros(4), n) for n in (1, 0, 2)], raises=IndexError)
def array_without_axes_in_a_loop(x, y, n):
    for i in range(3):
        x += 1
        y[i + n] = x
    return x


@case(lambda rng: [(types.SimpleNamespace(k=np.array(1.0)), n) for n in (1.0, 0.0)], raises=ZeroDivisionError)
def attribute_without_axes(s, n):
    y = s.k
    y += 1
    s.z = y[()]
    s.k[...] = 5 / n
    return y


@case(
    lambda rng: [({"k": 0}, a, i) for a in (np.arange(4.0), np.arange(4.0).astype(">f8")) for i in (0, 4)],
    raises=IndexError,
    allow=(UnsupportedError,),
)
def odd_array_stored_in_a_dict(d, a, i):
    d["k"] = i
    d["a"] = a
    return a[i]


@case(lambda rng: [(types.SimpleNamespace(a=np.arange(3.0)), n) for n in (0, 2, 3)], raises=IndexError)
def nested_targets_that_are_attributes(s, n):
    (s.x, s.y), s.z = (n, s.a[n]), 5
    [s.a, (s.b, *s.c)] = s.y, (s.a, n, [s.x])
    return s


def _read_only(x):
    x.flags.writeable = False
    return x


@case(lambda rng: [(types.SimpleNamespace(k=0), w(np.arange(4.0)), 4) for w in (np.array, _read_only)],
      raises=(IndexError, ValueError))  # fmt: skip
def store_out_of_bounds_into_what_is_read_only(s, a, i):
    s.k += 1
    s.b = a
    a[i] = 1
    s.k += 1
