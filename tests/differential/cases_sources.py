"""Functions that come from unusual places: exec with linecache, -c, standard input, nested definitions, wrappers."""

from __future__ import annotations

import functools
import linecache
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

from .registry import REFUSED, scenario

SOURCE = """\
def f(x):
    total = 0.0
    while x > 0:
        total = total + x
        x = x - 1
    return total
"""


def compile_source(source, filename):
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    namespace = {"np": np}
    exec(compile(source, filename, "exec"), namespace)
    return namespace


@scenario()
def source_in_the_line_cache(jit):
    f = jit(compile_source(SOURCE, "<notebook cell 1>")["f"])
    return f(3.0), f(0.0), f(2)


@scenario()
def two_cells_define_the_same_name(jit):
    first = jit(compile_source(SOURCE, "<notebook cell 2>")["f"])
    second = jit(compile_source(SOURCE.replace("x - 1", "x - 2"), "<notebook cell 3>")["f"])
    return first(5.0), second(5.0), first(5.0)


GENERIC = """\
class Scaled[T]:
    def __init__(self, by: T):
        self.by = by

    def __twice(self, v):
        return v + v

    def apply[S](self, v: S, w: T) -> S:
        return self.__twice(v) * w + self.by + len(S.__name__ + T.__name__)


def scale[T: float](v: T, *, by: T) -> T:
    type Pair = tuple[T, T]

    def inner[U](u: U) -> U:
        return u * by

    return inner(v) + len(T.__name__)


def f(x):
    return scale(x, by=2.0), Scaled(3.0).apply(x, 2), [scale(k, by=x) for k in range(2)]
"""
if sys.version_info < (3, 12):
    # without type parameters, what a reader of the code above would write before there were any
    GENERIC = re.sub(r"(?m)^ *type .*\n|\[[TSU](: float)?\](?=[(:])", "", GENERIC)
    GENERIC = re.sub(r"\b[TSU]\b(?!\.)", "int", GENERIC).replace("S.__", "int.__").replace("T.__", "int.__")


@scenario()
def type_parameters(jit):
    namespace = compile_source(GENERIC, "<notebook cell 4>")
    scale = jit(namespace["scale"])
    bound = jit(namespace["Scaled"](1.5).apply)
    x = np.arange(3.0)
    return jit(namespace["f"])(x), scale(x, by=1.5), scale(2, by=3), bound(x, 2)


@scenario(allow=REFUSED)
def a_file_edited_after_the_definition(jit):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "module_of_the_test.py"
        path.write_text(SOURCE)
        namespace = {}
        exec(compile(SOURCE, str(path), "exec"), namespace)
        f = jit(namespace["f"])
        path.write_text("# another file now\n" * 20)
        return f(3.0), f(4)


@scenario()
def functions_of_a_module_run_as_a_script(jit):
    # The functions of a script live in __main__; TRACEJIT is plain Python when `jit` is the identity.
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "script.py"
        if jit.__module__.startswith("tracejit"):
            decorate = "import tracejit\njit = tracejit.jit\n"
        else:
            decorate = "jit = lambda f: f\n"
        path.write_text(decorate + "@jit\n" + SOURCE + "print(f(3.0), f(2), f(0.0))\n")
        done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=120)
    return done.stdout, done.stderr, done.returncode


@scenario()
def functions_nested_in_functions(jit):
    def outer(k):
        def middle(x):
            def inner(y):
                if y > k:
                    return y - k
                return y + k

            return inner(x) * 2

        return middle

    f, g = jit(outer(1.0)), jit(outer(5.0))
    return f(2.0), g(2.0), f(0.5), g(10)


@scenario()
def lambdas_on_one_line(jit):
    fs = [jit(lambda x: x + 1 if x > 0 else x), jit(lambda x: x * 2 if x > 0 else -x)]
    gs = [jit(lambda x, k=k: x + k) for k in (1, 2.5)]
    return [f(3.0) for f in fs] + [f(-3.0) for f in fs] + [g(3.0) for g in gs]


@scenario()
def functools_wrappers(jit):
    def logged(fn):
        @functools.wraps(fn)
        def wrapper(*args, **kwargs):
            print("calling", fn.__name__)
            return fn(*args, **kwargs)

        return wrapper

    @jit
    @logged
    def f(x):
        if x > 0:
            return x * 2
        return x

    @logged
    @jit
    def g(x):
        return x + 1

    return f(2.0), f(-2.0), g(1.0)


@scenario()
def functools_partial_of_a_function(jit):
    def f(a, b, c=1.0):
        return a * b + c if a > 0 else a - b

    g = jit(functools.partial(f, 2.0, c=3.0))
    return g(5.0), g(np.ones(2)), g(5.0)


@scenario()
def callable_objects_and_bound_methods(jit):
    class Adder:
        def __init__(self, k):
            self.k = k

        def __call__(self, x):
            return x + self.k

        def method(self, x):
            return x * self.k if x > 0 else x

    a = Adder(2.0)
    f, g = jit(a), jit(a.method)
    log = [f(1.0), g(3.0), g(-3.0)]
    a.k = 10.0
    return [*log, f(1.0), g(3.0)]


@scenario(allow=REFUSED)
def builtins_and_ufuncs(jit):
    return jit(abs)(-2.5), jit(np.sin)(0.0), jit(np.add)(1.0, np.ones(2)), jit(max)(1, 2)


@scenario()
def attributes_of_the_wrapped_function(jit):
    @jit
    def f(x, k=2):
        """Multiply."""
        return x * k

    return f.__name__, f.__doc__, f(2.0), f.__module__, f.__qualname__


@scenario()
def recompiled_by_hand(jit):
    def f(x):
        return x * 2 if x > 0 else x

    first, second = jit(f), jit(f)
    twice = jit(first)
    return first(2.0), second(2.0), twice(2.0), twice(-2.0)


@scenario()
def classes_defined_inside(jit):
    @jit
    def f(x):
        class Pair:
            def __init__(self, a, b):
                self.a, self.b = a, b

            def total(self):
                return self.a + self.b

        p = Pair(x, x * 2)
        p.a = p.a + 1
        return p.total()

    return f(1.0), f(np.ones(2))
