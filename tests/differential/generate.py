"""Random programs as a NumPy user might write them: Python source made of draws, so that Hypothesis can shrink it.

Every variable keeps one type for its whole life, and is assigned before it is read on every path: what remains is what
the compiler promises to handle. Indices may leave their arrays and divisors may be zero: those exceptions must match.

    int, float, bool   Python scalars (ints stay far below 64 bits)
    d, l               NumPy float64 and int64 scalars
    F, I, S            vectors of float64, int64, float32; all have the length of the argument `a`
    M                  a float64 matrix of two rows of that length
    V                  a float64 vector of another length: a slice of one of the above, or a selection
"""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from .expressions import Expressions

ARRAYS = ("F", "I", "S", "M")
RESULTS = ("F", "int", "d", "float", "M", "I", "V", "l", "S", "bool")
PARAMETERS = {"n": "int", "x": "float", "a": "F", "b": "F", "c": "I", "s": "S", "m": "M"}
AUGMENT = {
    "float": [" += <number>", " -= <number>", " *= <number>"],
    "d": [" += <any>", " -= <any>", " *= <any>", " /= <any>"],
    "F": [" += <any>", " *= <any>", " -= <F>", " *= <F.>", " /= 2", " += 1", " //= 0.75", " %= 1.5"],
    "M": [" += <any>", " *= <any>", " -= <M>", " += 1"],
    "I": [" += 1", " -= <I>", " //= 3", " %= 7", " *= <I.>", " &= 5", " //= <I.>"],
    "S": [" += <number>", " *= <S>", " -= <F>"],
    "V": [" += <any>", " *= <any>", " -= 1"],
}
STORE = {
    "F": [
        "@[<slice>] = <any>", "@[:] = <F>", "@[1:] = @[:-1]", "@[<F!> > <any>] = <float>", "@[1:-1] += @[2:] - @[:-2]",
        "@[<slice>] *= <any>", "@[:-1] += @[1:]", "@[:] = @[::-1]", "@[...] = <any>", "@[<I!> > 0] += 1",
    ],
    "M": [
        "@[0] = <F>", "@[:, <slice>] = <any>", "@[1] += <any>", "@[<row>, <slice>] *= 2", "@[:] = <M>",
        "@[0] -= @[1]",
    ],
    "V": ["@[:] = <any>", "@[<slice>] += <any>", "@[@ > <any>] = 0.5"],
}  # fmt: skip
RANGES = [
    "range(3)", "range(<int!> % 4)", "range(len(<F!>))", "range(5, 0, -2)", "range(<bound>, 4)",
    "range(0, <bound>, 2)", "range(<bound>, <bound>, -1)", "range(<bound>, <bound>, 3)",
    "reversed(range(<int!> % 5))", "range(len(<F!>) - 1, -1, -1)",
]  # fmt: skip
ARRAY_LOOPS: list[tuple[str, dict[str, str]]] = [
    ("<F!>", {"v": "d"}),
    ("enumerate(<F!>)", {"i": "int", "v": "d"}),
    ("zip(<F!>, <F!>)", {"v": "d", "w": "d"}),
    ("<M!>", {"v": "F"}),
    ("enumerate(<M!>)", {"i": "int", "v": "F"}),
    ("reversed(<F!>)", {"v": "d"}),
    ("<I!>", {"v": "l"}),
    ("enumerate(<V!>)", {"i": "int", "v": "d"}),
]
VIEWS = [
    ("<F!>[<slice>]", "V"), ("<F!>[::-1]", "F"), ("<M!>[<row>]", "F"), ("<F!>", "F"), ("<F!>[::2]", "V"),
    ("<M!>[:, ::-1]", "M"), ("<F!>[<F!> > <any>]", "V"), ("<V!>[1:]", "V"), ("<M!>[<row>, 1:]", "V"),
]  # fmt: skip
_numbers = itertools.count()


@dataclass(frozen=True)
class Inputs:
    """One call: the arrays are made from a seed, `b` may be, or overlap with, another argument."""

    n: int
    x: float
    length: int
    seed: int
    alias: str

    def make(self) -> tuple[Any, ...]:
        rng = np.random.default_rng(self.seed)
        size = self.length
        base = rng.integers(-12, 13, size + 1) / 4.0
        m = rng.integers(-12, 13, (2, size)) / 4.0
        a = base[:size]
        b = rng.integers(-12, 13, size) / 4.0
        if self.alias == "same":
            b = a
        elif self.alias == "overlapping":
            b = base[1:]
        elif self.alias == "row":
            b = m[1]
        elif self.alias == "reversed":
            b = b[::-1]
        c = rng.integers(-6, 7, size)
        s = (rng.integers(-12, 13, size) / 4.0).astype(np.float32)
        return self.n, self.x, a, b, c, s, m


@dataclass
class Program:
    """A function with its source and the calls to compare."""

    source: str
    calls: list[Inputs]
    fn: Callable[..., Any] = field(init=False)

    def __post_init__(self) -> None:
        filename = f"<generated program {next(_numbers)}>"
        linecache.cache[filename] = (len(self.source), None, self.source.splitlines(True), filename)
        namespace: dict[str, Any] = {"np": np, "__name__": "generated"}
        exec(compile(self.source, filename, "exec"), namespace)
        self.fn = namespace["program"]

    def inputs(self, rng: np.random.Generator) -> Sequence[tuple[Any, ...]]:
        return [call.make() for call in self.calls]

    def __repr__(self) -> str:
        return f"\n{self.source}\n# called with\n" + "\n".join(f"#   {call}" for call in self.calls)


class Writer(Expressions):
    """Writes the statements of one function."""

    def __init__(self, draw: Any, names: dict[str, str], results: list[str], helpers: dict[str, list[str]]) -> None:
        super().__init__(draw, names)
        self.results = results
        self.helpers = helpers
        self.lines: list[str] = []
        self.depth = 1
        self.loops = 0
        self.budget = draw(st.integers(3, 16))

    def emit(self, template: str) -> None:
        self.lines.append("    " * self.depth + template)

    def assignable(self, *kinds: str) -> list[str]:
        return [name for name, kind in self.names.items() if kind in kinds and name not in self.counters]

    def define_name(self, kind: str, text: str) -> None:
        name = f"{kind.lower()}{len(self.lines)}"
        self.emit(f"{name} = {text}")
        self.names[name] = kind

    def block(self) -> None:
        """An indented block; names made in it are forgotten at its end."""
        outer = dict(self.names)
        self.depth += 1
        before = len(self.lines)
        for _ in range(self.draw(st.integers(1, 3))):
            self.statement()
        if len(self.lines) == before:
            self.assign()
        if len(self.lines) == before:
            self.emit("pass")
        self.depth -= 1
        self.names = outer

    def statement(self) -> None:
        if self.budget <= 0:
            return
        self.budget -= 1
        choices = [self.assign, self.define, self.augment, self.store, self.store_slice]
        if self.depth < 4:
            choices += [self.branch, self.for_range, self.for_array, self.branch, self.for_range, self.while_loop]
        if self.loops:
            choices += [self.leave_loop]
        if self.helpers:
            choices += [self.call_helper] * 4
        choices += [self.swap, self.view, self.choose, self.maybe_return, self.say, self.fail]
        self.pick(choices)()

    def assign(self) -> None:
        names = self.assignable("int", "float", "d", "l", "bool", *ARRAYS)
        if names:
            name = self.pick(names)
            self.emit(f"{name} = {self.expression(self.names[name])}")

    def define(self) -> None:
        kind = self.pick(["float", "int", "d", "F", "bool", "l", "V", "I", "M", "S"])
        self.define_name(kind, self.expression(kind))

    def augment(self) -> None:
        names = self.assignable("float", "d", *ARRAYS, "V")
        if names:
            name = self.pick(names)
            self.emit(name + self.fill(self.pick(AUGMENT[self.names[name]])))

    def store(self) -> None:
        names = self.assignable("F", "I", "S", "M")
        if names:
            name = self.pick(names)
            kind = self.names[name]
            index = self.fill("[<row>, <index>]" if kind == "M" else "[<index>]")
            value = self.expression("int" if kind == "I" else self.pick(["float", "d", "int"]))
            self.emit(f"{name}{index} {self.pick(['=', '+=', '-='])} {value}")

    def store_slice(self) -> None:
        names = self.assignable("F", "M", "V")
        if names:
            name = self.pick(names)
            self.emit(self.fill(self.pick(STORE[self.names[name]]).replace("@", name)))

    def branch(self) -> None:
        self.emit(f"if {self.expand('cond', 2)}:")
        self.block()
        if self.flip():
            self.emit(f"elif {self.expand('cond', 2)}:")
            self.block()
        if self.flip():
            self.emit("else:")
            self.block()

    def loop_body(self, names: dict[str, str]) -> None:
        outer = dict(self.names)
        self.names.update(names)
        self.counters.update(name for name, kind in names.items() if kind == "int")
        self.loops += 1
        self.block()
        self.loops -= 1
        self.names = outer

    def for_range(self) -> None:
        i = f"i{len(self.lines)}"
        self.emit(f"for {i} in {self.fill(self.pick([r for r in RANGES if self.available(r)]))}:")
        self.loop_body({i: "int"})

    def for_array(self) -> None:
        number = str(len(self.lines))
        head, kinds = self.pick([pair for pair in ARRAY_LOOPS if self.available(pair[0])] or ARRAY_LOOPS[:1])
        names = {letter + number: kind for letter, kind in kinds.items()}
        targets = ", ".join(names)
        self.emit(f"for {targets} in {self.fill(head)}:")
        self.loop_body(names)

    def while_loop(self) -> None:
        k = f"k{len(self.lines)}"
        self.emit(f"{k} = {self.fill(self.pick(['3', '<int.> % 5', 'len(<F!>)', '6']))}")
        more = self.fill(" and <cond>", 2) if self.flip() else ""
        self.emit(f"while {k} > 0{more}:")
        self.depth += 1
        self.emit(f"{k} -= 1")
        self.depth -= 1
        self.loop_body({k: "int"})
        self.names[k] = "int"

    def under_condition(self, text: str) -> None:
        self.emit(f"if {self.expand('cond', 2)}:")
        self.depth += 1
        self.emit(text)
        self.depth -= 1

    def leave_loop(self) -> None:
        self.under_condition(self.pick(["break", "continue"]))

    def swap(self) -> None:
        names = self.assignable(self.pick(["F", "float", "int", "d"]))
        if len(names) > 1:
            first, second = names[0], self.pick(names[1:])
            self.emit(f"{first}, {second} = {second}, {first}")

    def view(self) -> None:
        text, kind = self.pick([pair for pair in VIEWS if self.available(pair[0])] or VIEWS[:1])
        self.define_name(kind, self.fill(text))

    def choose(self) -> None:
        """A name that is one of two arrays."""
        kind = self.pick(["F", "F", "I", "M"])
        text = f"{self.variable(kind)} if {self.expand('cond', 2)} else {self.variable(kind)}"
        names = self.assignable(kind)
        if names and self.flip():
            self.emit(f"{self.pick(names)} = {text}")
        else:
            self.define_name(kind, text)

    def maybe_return(self) -> None:
        if self.depth > 1:
            self.under_condition(self.result())

    def result(self) -> str:
        return "return " + ", ".join(self.expression(kind, result=True) for kind in self.results)

    def call_helper(self) -> None:
        helper = self.pick(sorted(self.helpers))
        kind, *parameters = self.helpers[helper]
        values = [self.variable(p) if p in ARRAYS else self.expression(p) for p in parameters]
        text = f"{helper}({', '.join(values)})"
        names = self.assignable(kind)
        if names and self.flip():
            self.emit(f"{self.pick(names)} = {text}")
        else:
            self.define_name(kind, text)

    def say(self) -> None:
        self.emit(f"print({self.expression(self.pick(['int', 'bool']))})")

    def fail(self) -> None:
        if self.flip():
            self.under_condition("raise ValueError('stop')")
        else:
            self.emit(f"assert {self.expand('cond', 1)}, 'wrong'")


HELPERS = [["d", "F", "int"], ["float", "float", "int"], ["F", "F", "float"], ["int", "int", "F"]]


@st.composite
def programs(draw: Any) -> Program:
    """A program with up to two helper functions, and the calls to compare it on."""
    helpers: dict[str, list[str]] = {}
    functions = []
    for number in range(draw(st.integers(0, 2))):
        kind, *parameters = draw(st.sampled_from(HELPERS))
        names = {("pqr" if p in ARRAYS else "hjk")[k]: p for k, p in enumerate(parameters)}
        writer = Writer(draw, dict(names), [kind], dict(helpers))
        functions.append(_function(draw, f"helper{number}", writer, names))
        helpers[f"helper{number}"] = [kind, *parameters]
    results = draw(st.lists(st.sampled_from(RESULTS), min_size=1, max_size=4))
    writer = Writer(draw, dict(PARAMETERS), results, helpers)
    source = _function(draw, "program", writer, PARAMETERS)
    for number, helper in reversed(list(enumerate(functions))):
        if f"helper{number}(" in source:
            source = f"{helper}\n\n{source}"
    calls = draw(st.lists(_inputs, min_size=2, max_size=4))
    return Program(source + "\n", calls)


def _function(draw: Any, name: str, writer: Writer, parameters: dict[str, str]) -> str:
    for _ in range(draw(st.integers(1, 6))):
        writer.statement()
    writer.emit(writer.result())
    return "\n".join([f"def {name}({', '.join(parameters)}):", *writer.lines])


_inputs = st.builds(
    Inputs,
    n=st.integers(-4, 9),
    x=st.sampled_from([1.0, 0.0, -0.5, 2.25, -3.0, 1e300, float("inf"), float("nan"), -0.0]),
    length=st.sampled_from([4, 3, 5, 4, 2, 6, 1, 0]),
    seed=st.integers(0, 20),
    alias=st.sampled_from(["no", "no", "same", "overlapping", "row", "reversed"]),
)
