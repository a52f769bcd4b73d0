"""print at run time and in order; callbacks through it; functions defined in unusual places."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stdout
from functools import partial

import numpy as np

from .inputs import each, rand
from .registry import REFUSED, scenario
from .registry import case as any_case

case = partial(any_case, rtol=0)


@case(lambda rng: each(1.5, 3, True, 1e100, float("nan"), -0.0, 1j, np.float32(2.5), np.int8(3), None, "text"))
def print_a_value(x):
    print(x)
    return x


@case(lambda rng: each(1.5, 2))
def print_in_order(x):
    print("first")
    y = x * 2
    print("second", y)
    z = y - 1
    print("third:", x, y, z, "done")
    return z


@case(lambda rng: each(1.0, -1.0))
def print_in_arms(x):
    if x > 0:
        print("positive", x)
    else:
        print("negative", -x)
    print("after")


@case(lambda rng: each(0, 1, 4))
def print_in_a_loop(n):
    for i in range(n):
        print(i, i * 0.5)
    print("total", n)


@case(lambda rng: each(0, 6))
def print_in_a_while(n):
    while n > 0:
        print("n is", n)
        n //= 2
    return n


@case(lambda rng: each(rand(rng, 3), rand(rng, (2, 2), "i8"), rand(rng, 0), np.array(1.5), rand(rng, 2, "?")))
def print_an_array(x):
    print(x)
    print("twice:", x * 2)


@case(lambda rng: each(rand(rng, 3)))
def print_sees_the_state_of_the_moment(x):
    print(x)
    x[0] = 100.0
    print(x)
    x += 1
    print(x, x[0])
    return x


@case(lambda rng: each(1.5))
def print_with_sep_and_end(x):
    print(x, x + 1, sep=", ", end=";\n")
    print()
    print("a", "b", sep="")
    print(x, end="")


@case(lambda rng: each(1.5, 7))
def print_formatted(x):
    print(f"static {3 * 4} text")
    print("%d apples" % 3, "{}".format(2))


@case(lambda rng: each(1.5, 7), allow=REFUSED)
def print_a_formatted_traced_value(x):
    print(f"x = {x}")
    print(f"{x:.3f}")


@case(lambda rng: each((1.0, 2), [1, 2.5], {"a": 1.5}), allow=REFUSED)
def print_containers(items):
    print(items)
    print(items, len(items))


def shout(x):
    print("in helper", x)
    return x + 1


@case(lambda rng: each(1.0))
def print_in_helpers_in_argument_order(x):
    return shout(x) * shout(x + 10) - (shout(0.0) if x > 0 else shout(-1.0))


@case(lambda rng: each(1.0, -1.0))
def print_and_short_circuit(x):
    if shout(x) > 0 and shout(-x) > 0 or shout(5.0) > 100:
        return 1
    return 2


@case(lambda rng: [(np.zeros(3), 2), (np.zeros(3), 0)])
def print_and_writes_interleaved(x, n):
    for i in range(n):
        x[i] = i + 1
        print("sum", x.sum())
    return x


@case(lambda rng: each(2, 0))
def print_in_nested_loops(n):
    for i in range(n):
        for j in range(i + 1):
            if (i + j) % 2 == 0:
                print("even", i, j)
            else:
                print("odd", i, j)


@scenario()
def a_callback_that_calls_the_function_again(jit):
    log = []

    @jit
    def f(x, n):
        y = x * 2
        scratch = np.zeros(4)
        scratch[:] = x
        if n > 0:
            print("level", n)
        return y + scratch.sum() + n

    class Calling(io.StringIO):
        """Standard output that calls the function while it is printing."""

        depth = 0

        def write(self, text):
            if "level" in text and self.depth < 3:
                self.depth += 1
                log.append(f(100.0 + self.depth, self.depth - 1))
                self.depth -= 1
            return super().write(text)

    out = Calling()
    with redirect_stdout(out):
        log.append(f(1.0, 1))
        log.append(f(1.0, 2))
        log.append(f(1.0, 0))
    return log, out.getvalue()


@scenario()
def a_callback_that_raises(jit):
    @jit
    def f(x):
        x[0] = 1.0
        print("before")
        x[1] = 2.0
        return x

    class Failing(io.StringIO):
        def write(self, text):
            raise OSError("disk full")

    x = np.zeros(3)
    try:
        with redirect_stdout(Failing()):
            f(x)
    except OSError as error:
        return x, str(error), f(np.zeros(3))
    return "no error"


@scenario()
def a_callback_that_changes_the_arguments(jit):
    x = np.zeros(3)

    @jit
    def f(a):
        a[0] = 1.0
        print("now")
        return a.sum()

    class Writing(io.StringIO):
        def write(self, text):
            x[2] = 50.0
            return super().write(text)

    with redirect_stdout(Writing()):
        total = f(x)
    return total, x


@scenario()
def standard_output_replaced_between_calls(jit):
    f = jit(lambda x: print("value", x))
    first, second = io.StringIO(), io.StringIO()
    with redirect_stdout(first):
        f(1.0)
    with redirect_stdout(second):
        f(2.0)
    f(3.0)
    return first.getvalue(), second.getvalue()


@scenario(allow=REFUSED)
def print_to_a_file(jit):
    out = io.StringIO()

    @jit
    def f(x):
        print("to the file", x, file=out)
        print("to stdout", x, file=sys.stdout, flush=True)
        return x

    return f(1.0), f(2), out.getvalue()


@scenario()
def effects_happen_once_per_call(jit):
    out = io.StringIO()

    @jit
    def f(x):
        print("called")
        for i in range(3):
            if x > i:
                print("inner", i)
        return x

    with redirect_stdout(out):
        for x in (0.5, 1.5, 2, 0.5):
            f(x)
    return out.getvalue().count("called"), out.getvalue()
