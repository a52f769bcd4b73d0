"""Random programs of branches, loops, jumps and arrays under several names do what Python does."""

from __future__ import annotations

import linecache
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from tests.trace.call import Traced
from tracejit.errors import CaptureError

INPUTS = ((0, 0), (3, 2), (5, 7), (1, 12), (-2, 4))
REFUSED = "two names are the same array after a turn"


class Writer:
    """Writes one program: ints `n m a b c`, floats `p q`, arrays `x y z` of five elements."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.loops = 0

    def pick(self, *options: str) -> str:
        return self.random.choice(options)

    def integer(self, depth: int = 2) -> str:
        r = self.random.random()
        if depth == 0 or r < 0.35:
            return self.pick("n", "m", "a", "b", "c", "1", "2", "3", "0", "-1")
        if r < 0.6:
            return f"({self.integer(depth - 1)} {self.pick('+', '-')} {self.integer(depth - 1)})"
        if r < 0.7:
            return f"({self.integer(depth - 1)} * {self.pick('2', '3', '-1')})"
        if r < 0.8:
            return f"({self.integer(depth - 1)} % {self.pick('3', '4', '7')})"
        if r < 0.9:
            return f"({self.integer(depth - 1)} if {self.condition(depth - 1)} else {self.integer(depth - 1)})"
        return self.pick("len(x)", "(a and b)", "(a or c)", "int(x[0])", "abs(a)", "min(a, b)", "max(b, c)")

    def number(self, depth: int = 2) -> str:
        r = self.random.random()
        if depth == 0 or r < 0.3:
            return self.pick("p", "q", "x[0]", "x[1]", "y[2]", "0.5", "1.0", self.integer(1))
        if r < 0.7:
            return f"({self.number(depth - 1)} {self.pick('+', '-', '*')} {self.number(depth - 1)})"
        if r < 0.85:
            return f"({self.number(depth - 1)} if {self.condition(depth - 1)} else {self.number(depth - 1)})"
        return self.pick(f"x[{self.pick('a', 'b', 'n')} % 5]", "x.sum()", "y[1:3].sum()", "float(a)", "p * 0.5")

    def condition(self, depth: int = 2) -> str:
        r = self.random.random()
        if depth <= 0 or r < 0.5:
            return f"{self.integer(0)} {self.pick('<', '<=', '>', '==', '!=')} {self.integer(1)}"
        if r < 0.7:
            return f"({self.condition(depth - 1)} {self.pick('and', 'or')} {self.condition(depth - 1)})"
        if r < 0.8:
            return f"not {self.condition(depth - 1)}"
        if r < 0.9:
            return f"{self.number(1)} {self.pick('<', '>')} {self.number(1)}"
        return f"{self.integer(0)} {self.pick('<', '<=')} {self.integer(0)} < {self.integer(0)}"

    def block(self, depth: int, in_loop: bool, indent: int, most: int = 3) -> list[str]:
        return [line for _ in range(self.random.randint(1, most)) for line in self.statement(depth, in_loop, indent)]

    def statement(self, depth: int, in_loop: bool, indent: int) -> list[str]:
        r = self.random.random()
        if depth > 0 and r < 0.44:
            return self.compound(r, depth, in_loop, indent)
        return ["    " * indent + line for line in self.simple(r, in_loop)]

    def compound(self, r: float, depth: int, in_loop: bool, indent: int) -> list[str]:
        tab = "    " * indent
        if r < 0.22:
            out = [f"{tab}if {self.condition()}:", *self.block(depth - 1, in_loop, indent + 1)]
            while self.random.random() < 0.25:
                out += [f"{tab}elif {self.condition()}:", *self.block(depth - 1, in_loop, indent + 1)]
            if self.random.random() < 0.5:
                out += [f"{tab}else:", *self.block(depth - 1, in_loop, indent + 1)]
            return out
        self.loops += 1
        k = f"i{self.loops}"
        if r < 0.36:
            ranges = (
                "range(n)",
                "range(m)",
                "range(3)",
                "range(a % 4)",
                "range(10)",
                "range(n, 0, -1)",
                "range(len(x))",
            )
            items = self.pick("x", "enumerate(y)", "zip(x, y)", *ranges)
            target = f"{k}, v{k}" if items.startswith(("enumerate", "zip")) else k
            use = f"a = a + {k}" if items.startswith(("range", "enumerate")) else f"p = p + {k}"
            head = [f"{tab}for {target} in {items}:", f"{tab}    {self.pick(use, f'q = {k} * 1.0')}"]
            out = [*head, *self.block(depth - 1, True, indent + 1)]
            if self.random.random() < 0.15:
                out += [f"{tab}else:", *self.block(depth - 1, in_loop, indent + 1, 1)]
            return out
        if self.random.random() < 0.7:
            head = [f"{tab}{k} = 0", f"{tab}while {k} < {self.pick('n', 'm', '4', '12')} and {self.condition(1)}:"]
        else:
            stop = f"{tab}    if {k} > {self.pick('n', '3', 'm')}:"
            head = [f"{tab}{k} = 0", f"{tab}while True:", stop, f"{tab}        break"]
        return [*head, f"{tab}    {k} += 1", *self.block(depth - 1, True, indent + 1)]

    def simple(self, r: float, in_loop: bool) -> list[str]:
        if in_loop and r < 0.5:
            return [f"if {self.condition()}:", f"    {self.pick('break', 'continue', 'break')}"]
        if r < 0.54:
            if self.random.random() < 0.4:
                return ["a, b = b, a"]
            value = self.pick(self.integer(), self.number(), "a, p", "x", "(y, b)", "None")
            return [f"if {self.condition()}:", f"    return {value}"]
        if r < 0.62:
            return [f"{self.pick('x', 'y')}[({self.integer(1)}) % 5] = {self.number()}"]
        if r < 0.66:
            return [f"{self.pick('x', 'y')}[1:4] {self.pick('+=', '*=', '-=')} {self.number(1)}"]
        if r < 0.70:
            return ["x, y = y, x"]
        if r < 0.73:
            return [f"{self.pick('x', 'y')} = {self.pick('x + 1', 'y * 2', 'x + y', 'y.copy()')}"]
        if r < 0.76:
            return [f"z = {self.pick('x', 'y')} if {self.condition(1)} else {self.pick('x', 'y')}", "z[0] += 1"]
        if r < 0.86:
            return [f"{self.pick('a', 'b', 'c')} {self.pick('+=', '-=')} {self.integer()}"]
        if r < 0.93:
            return [f"{self.pick('p', 'q')} = {self.number()}"]
        return [f"{self.pick('a', 'b', 'c')} = ({self.integer()}) % 50"]

    def program(self) -> str:
        head = ["def f(n, m, x, y):", "    a, b, c = 1, 2, n", "    p, q = 0.0, 1.5"]
        return "\n".join([*head, *self.block(3, False, 1, 5), "    return a, b, c, p, q, x, y", ""])


def function(seed: int) -> tuple[Any, str]:
    text = Writer(seed).program()
    name = f"<random program {seed}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    namespace: dict[str, Any] = {"np": np, "__name__": "random_program"}
    exec(compile(text, name, "exec"), namespace)
    return namespace["f"], text


class TooLong(BaseException):
    pass


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooLong

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def outcome(f: Any, n: int, m: int) -> tuple[Any, list[Any]]:
    args = [n, m, np.arange(5.0) * 0.7 - 1, np.linspace(2, -1, 5)]
    try:
        return f(*args), args
    except Exception as error:
        return error, args


def same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, Exception):
        return True
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.allclose(a, b, rtol=1e-9, equal_nan=True)
    if isinstance(a, float):
        return bool(np.isclose(a, b, rtol=1e-9, equal_nan=True))
    return bool(a == b)


def places(result: Any, args: list[Any]) -> list[int]:
    parts = result if isinstance(result, tuple) else (result,)
    return [next((k for k, a in enumerate(args) if p is a), -1) for p in parts if isinstance(p, np.ndarray)]


def compare(seed: int, dynamic: bool = False) -> None:
    f, text = function(seed)
    traced = Traced(f, dynamic)
    for n, m in INPUTS:
        try:
            with at_most(5), np.errstate(all="ignore"):
                want, expected = outcome(f, n, m)
        except TooLong:  # the program does not end
            return
        if isinstance(want, OverflowError | MemoryError):
            return
        with at_most(60), np.errstate(all="ignore"):
            got, given = outcome(traced, n, m)
        if isinstance(got, OverflowError):  # an int left 64 bits
            continue
        if isinstance(got, CaptureError) and REFUSED in str(got):
            return
        if isinstance(got, Exception) and not isinstance(want, Exception):
            raise AssertionError(f"{text}\ninput {(n, m)}") from got
        assert same(want, got), f"{text}\ninput {(n, m)}: {want} became {got}"
        if not isinstance(want, Exception):  # the interpreter does not show what was written before an exception
            assert same(expected, given), f"{text}\ninput {(n, m)}: arguments {expected} became {given}"
            assert places(want, expected) == places(got, given), f"{text}\ninput {(n, m)}: other objects"


@pytest.mark.parametrize("seed", [*range(40), 1817])  # 1817: arrays exchanged, then written in a loop in a branch
def test_random_program(seed: int) -> None:
    compare(seed, dynamic=seed % 2 == 1)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1000, 3000))
def test_many_random_programs(seed: int) -> None:
    compare(seed, dynamic=seed % 2 == 1)
