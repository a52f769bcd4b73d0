"""Text made of numbers and arrays that are known at run time: printed, raised, returned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .inputs import rand
from .registry import case

NUMBERS = [(3, 2.5, np.float32(0.1)), (-7, -0.0, np.float32(1e10)), (0, float("nan"), np.float32("inf"))]


@case(lambda rng: NUMBERS)
def ways_to_make_text(i, x, y):
    return [
        f"{i} {x!r:>12} {y} {x:.3e} {y=}",
        str(x) + "," + str(y),
        repr(y) + ascii(i),
        format(x, "+09.2f") + format(i),
        "{1} {0:>5} {w!r:^20}".format(i, x, w=y) + "{}, {:.3f}".format(i, x),
        "%d|%5.1f|%-8s|%r|%%|%*d" % (i, x, x, y, 6, i),
        "%(a)s and %(b).2f" % {"a": i, "b": x},
        "%s" % x,
        ", ".join([str(i), "fixed", f"{x}"]),
    ]


@case(lambda rng: NUMBERS)
def text_printed(i, x, y):
    print(f"i={i}", "x=%g" % x, "y={}".format(y), str(x), sep=" | ")
    print([i, x], (y,), {"a": x}, f"{[i, (x, y)]}")


@case(lambda rng: [(rand(rng, 3), 2), (rand(rng, (2, 2)), 0)])
def text_of_an_array_is_what_it_was_then(x, i):
    before = f"{x}"
    x[0] = i
    print(before, "then", x)
    return before, str(x), repr(x)


@case(lambda rng: [(1.0,), (-1.0,)], raises=ValueError)
def text_chosen_by_a_branch(x):
    if x > 0:
        name = f"positive {x}"
    else:
        name = f"not positive, {-x}"
    if x < 0:
        raise ValueError(name)
    return name


@case(lambda rng: [(1.0,), (-1.0,)])
def the_same_text_in_both_branches(x):
    if x > 0:
        y = f"<{x}>"
    else:
        y = f"<{x * 2}>"
    return y


@dataclass
class Point:
    x: float
    y: float


class Named:
    def __init__(self, value):
        self.value = value

    def __str__(self):
        return f"Named({self.value:.1f})"

    def __format__(self, spec):
        return f"{spec}:{self.value}"


@case(lambda rng: [(1.5, Named(2.5)), (-3.0, Named(0.1))])
def text_of_objects(x, given):
    return f"{Point(x, 2 * x)}", str(Named(x)), f"{Named(x):q}", str(given), f"{given:r}", repr(Point(x, 0.0))


@case(lambda rng: [(1.5,)], raises=ValueError)
def a_wrong_format(x):
    return f"{x:d}"


@case(lambda rng: [(1.5,)], raises=TypeError)
def too_few_values(x):
    return "%s %s" % x


class Failure(Exception):
    def __init__(self, code, *, where):
        super().__init__(f"code {code}")
        self.code, self.where = code, where


@case(lambda rng: [(1,), (3,)], raises=Failure)
def an_exception_with_attributes(n):
    try_ = n * 2
    if n > 2:
        raise Failure(try_, where={"line": n})
    return try_


def caught(f, *args):
    try:
        return f(*args)
    except Exception as error:
        return type(error), error.args, vars(error), repr(error.__cause__), error.__suppress_context__


@case(lambda rng: [(1,), (3,), (5,), (7,)], raises=KeyError)
def exceptions_raised_from_others(n):
    if n == 3:
        raise KeyError("a", n) from ValueError(f"because {n}")
    if n == 5:
        raise KeyError(n) from None
    if n == 7:
        error = KeyError(n)
        error.add_note(f"noted {n}")
        raise error
    return n


@case(lambda rng: [(3,), (-3,), (0,), (9,)], raises=(ValueError, TypeError))
def notes_that_differ_by_path(n):
    error = ValueError("v")
    error.add_note("first")
    if n > 8:
        error.add_note(n)
    if n > 1:
        error.add_note("big")
    elif n < -1:
        error.add_note(f"small {n}")
        raise error
    else:
        error.add_note("none" if n else f"zero {n}")
    raise error
