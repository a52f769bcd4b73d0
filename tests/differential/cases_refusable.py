"""Constructs at the edge of the language: the right answer, or a clear error. Never a different answer."""

from __future__ import annotations

import contextlib
import itertools
from functools import partial

import numpy as np

from .inputs import each, rand
from .registry import REFUSED
from .registry import case as any_case

case = partial(any_case, rtol=0, allow=(*REFUSED, RecursionError))


@case(lambda rng: [(10, 2), (10, 0)])
def try_around_a_failing_operation(a, b):
    try:
        r = a // b
    except ZeroDivisionError:
        r = -1
    return r


@case(lambda rng: [(4.0,), (-4.0,)])
def try_around_a_traced_condition(x):
    try:
        if x < 0:
            raise ValueError("negative")
        r = x
    except ValueError:
        r = 0.0
    finally:
        x = x + 1
    return r, x


@case(lambda rng: [(rand(rng, 4), 2), (rand(rng, 4), 9)])
def try_around_an_index(x, i):
    try:
        return x[i]
    except IndexError:
        return np.float64(-1)


@case(lambda rng: [(5, 3), (5, 9)])
def for_else(n, k):
    for i in range(n):
        if i == k:
            r = i
            break
    else:
        r = -1
    return r


@case(lambda rng: [(5, 3), (5, 9)])
def while_else(n, k):
    while n > 0:
        n -= 1
        if n == k:
            break
    else:
        n = -100
    return n


@case(lambda rng: each(3, 0, 5))
def generator_function(n):
    def squares(m):
        for i in range(m):
            yield i * i

    total = 0
    for v in squares(n):
        total += v
    return total


@case(lambda rng: each(3, 0))
def list_grown_in_a_traced_loop(n):
    items = []
    for i in range(n):
        items.append(i * 2)
    return items


@case(lambda rng: each(3.0, -3.0))
def list_grown_in_one_arm(x):
    items = [1.0]
    if x > 0:
        items.append(x)
    return items


@case(lambda rng: each(3.0, -3.0))
def dict_key_in_one_arm(x):
    d = {"a": 1.0}
    if x > 0:
        d["b"] = x
    return d


@case(lambda rng: each(3.0, -3.0))
def keys_deleted_in_arms(x):
    d = {"a": x, "b": 2.0}
    if x > 0:
        del d["a"]
    else:
        del d["b"]
    return d


@case(lambda rng: each(3.0, -3.0))
def attribute_deleted_in_both_arms(x):
    class Holder:
        pass

    h = Holder()
    h.value = x
    if x > 0:
        del h.value
    else:
        del h.value
    return hasattr(h, "value")


@case(lambda rng: each(1, 2, 3))
def traced_dict_key(n):
    table = {1: 10.0, 2: 20.0, 3: 30.0}
    return table[n]


@case(lambda rng: each(0, 1, 2))
def traced_list_index(n):
    return [10.0, 20.0, 30.0][n]


@case(lambda rng: [(np.array([1.0, 2.0]), 1), (np.array([1.0, 2.0]), -1)])
def arms_of_different_shapes(x, c):
    y = x if c > 0 else np.zeros(3)
    return y * 2


@case(lambda rng: each(1.0, -1.0))
def arms_of_different_kinds(x):
    y = "positive" if x > 0 else 0.0
    return y


@case(lambda rng: each(1.0, -1.0))
def none_in_one_arm(x):
    y = None
    if x > 0:
        y = x * 2
    return y


@case(lambda rng: each(1.0, -1.0))
def returns_of_different_structure(x):
    if x > 0:
        return x, x
    return x


@case(lambda rng: each(1.0, -1.0))
def no_return_in_one_arm(x):
    if x > 0:
        return x


@case(lambda rng: each(1.0, -1.0))
def strings_chosen_by_a_traced_condition(x):
    name = "sin" if x > 0 else "cos"
    return getattr(np, name)(0.0)


@case(lambda rng: each(1.0, -1.0))
def functions_chosen_by_a_traced_condition(x):
    f = abs if x > 0 else float
    return f(x)


@case(lambda rng: each(0, 1, 7))
def match_on_a_traced_subject(n):
    match n:
        case 0:
            return 10
        case 1:
            return 20
        case _:
            return 30


@case(lambda rng: [(2.0, 3), (3.5, 3), (1.0, 3)])
def membership(x, n):
    return x in (1.0, 2.0), n in [1, 2, 3], n not in range(2)


@case(lambda rng: each([3.0, 1.0, 2.0], [1.0]))
def sorted_traced_values(items):
    return sorted(items), sorted(items, reverse=True)


@case(lambda rng: each(3.14159, 2.0))
def formatted_traced_values(x):
    return f"{x:.2f}", str(x), "%.1f" % x, repr(x)


@case(lambda rng: each(5, 0))
def recursion_on_a_traced_argument(n):
    def factorial(k):
        return 1 if k <= 1 else k * factorial(k - 1)

    return factorial(n)


@case(lambda rng: each(2.0, -2.0))
def with_statement(x):
    with np.errstate(all="ignore"), contextlib.nullcontext(3.0) as k:
        if x > 0:
            x = x * k
    return x


@case(lambda rng: each(2.0, 3))
def eval_and_locals(x):
    y = x + 1
    return eval("x * 2"), sorted(locals())


@case(lambda rng: each(3, 0))
def nonlocal_in_a_traced_loop(n):
    count = 0

    def tick():
        nonlocal count
        count += 1

    for _ in range(n):
        tick()
    return count


@case(lambda rng: each(3, 1))
def lambda_made_in_a_traced_loop(n):
    f = lambda: 0  # noqa: E731
    for i in range(n):
        f = lambda i=i: i * 2  # noqa: E731
    return f()


@case(lambda rng: [(rand(rng, 3), rand(rng, 3))])
def itertools_over_arrays(x, y):
    total = np.float64(0)
    for a, b in itertools.product(x, y):
        total = total + a * b
    return total


@case(lambda rng: [(rand(rng, 4),), (rand(rng, 0),)])
def iterators_by_hand(x):
    it = iter(x)
    first = next(it, None)
    rest = sum(1 for _ in it)
    return first is None, rest


@case(lambda rng: each(np.array([1.0, 2.0])))
def attributes_set_on_arrays(x):
    x.shape = (2, 1)
    return x.shape


@case(lambda rng: each(np.array([1.0, 2.0])))
def tobytes_and_views_of_dtypes(x):
    return x.tobytes(), x.view(np.int64), hash(x.dtype)


@case(lambda rng: each(2.0, 3))
def id_and_hash_of_traced_values(x):
    return hash(x), {x: 1}[x], len({x, x})


@case(lambda rng: each(6, 7))
def integer_methods(n):
    return n.bit_length(), n.real, n.numerator, (2.5).is_integer(), divmod(n, 4)


@case(lambda rng: each(2.5, 3.0))
def float_methods(x):
    return x.is_integer(), x.hex(), x.as_integer_ratio(), x.conjugate()


@case(lambda rng: [(rand(rng, 3), 1.0), (rand(rng, 3), -1.0)])
def string_results_in_arms(x, c):
    if c > 0:
        return x.sum(), "up"
    return x.sum(), "down"


@case(lambda rng: each(1.0, -1.0))
def chained_ternaries_of_containers(x):
    pair = (x, 1.0) if x > 0 else (0.0, x)
    items = [x] if x > 0 else [-x]
    return pair, items[0]


@case(lambda rng: [(np.arange(6.0), 2), (np.arange(6.0), 3)])
def reshape_with_a_traced_rank(x, n):
    return x.reshape((n,) + (6 // n,)), np.zeros((2,) * n).shape


@case(lambda rng: each(3, 4))
def star_unpacking_of_traced_length(n):
    first, *rest = range(n)
    return first, len(rest)


@case(lambda rng: [(rand(rng, 4, "i8"), 3)])
def set_of_traced_values(x, n):
    return n in {1, 2, 3}, len(set(x.tolist())) > 0


@case(lambda rng: each(2.0, -2.0))
def assert_isinstance_after_a_join(x):
    y = x if x > 0 else 1
    assert isinstance(y, (int, float))
    return y * 2.0


@case(lambda rng: each(3, 0, 10))
def while_with_a_list_as_a_stack(n):
    stack = [n]
    total = 0
    while stack:
        k = stack.pop()
        total += k
        if k > 1:
            stack.append(k // 2)
    return total
