"""Running a demo program as it is and compiled, comparing the answers and timing both."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tracejit.demos import Program, Size
from tracejit.demos.answers import difference, fresh, run
from tracejit.errors import TracejitError

Function = Callable[..., Any]

#: A call is repeated until the repetitions fill about this time, on at most so many copies of the arguments.
SECONDS = 0.02
MAX_COPIES = 1000
#: The best of so many repetitions counts.
REPETITIONS = 3


@dataclass(frozen=True)
class Comparison:
    """What came of one program.

    Attributes:
        program: the program.
        plain: seconds of a call in plain Python and NumPy.
        first_call: seconds of the first compiled call, which traces and compiles.
        compiled: seconds of a later compiled call.
        difference: the greatest difference of the answers (`answers.difference`).
        error: what tracejit raised instead of an answer; the other figures of the compiled program are None then.
    """

    program: Program
    plain: float
    first_call: float | None = None
    compiled: float | None = None
    difference: float | None = None
    error: TracejitError | None = None

    @property
    def equal(self) -> bool:
        """Whether the compiled program gave plain Python's answer, up to the rounding the program allows."""
        return self.difference is not None and self.difference <= self.program.tolerance

    @property
    def speedup(self) -> float | None:
        """How many times faster the compiled program is than plain Python and NumPy."""
        return None if self.compiled is None else self.plain / self.compiled


def seconds_per_call(function: Function, arguments: tuple[Any, ...], about: float) -> float:
    """The time of one call on fresh arguments, which is expected to take about so many seconds."""
    calls = max(1, min(MAX_COPIES, round(SECONDS / max(about, 1e-9))))
    best = float("inf")
    for _ in range(REPETITIONS if about < 1.0 else 1):
        copies = [fresh(arguments) for _ in range(calls)]
        start = time.perf_counter()
        for given in copies:
            function(*given)
        best = min(best, (time.perf_counter() - start) / calls)
    return best


def compare(program: Program, jit: Callable[[Function], Function], size: Size, seed: int) -> Comparison:
    """Run a program plainly and compiled by `jit` on the same input."""
    arguments = program.make_inputs(size, seed)
    start = time.perf_counter()
    expected = run(program.function, arguments)
    plain = seconds_per_call(program.function, arguments, time.perf_counter() - start)

    compiled = jit(program.function)
    given = fresh(arguments)
    start = time.perf_counter()
    try:
        result = compiled(*given)
    except TracejitError as error:
        return Comparison(program, plain, error=error)
    first_call = time.perf_counter() - start
    gap = difference((result, given), expected)

    start = time.perf_counter()
    again = run(compiled, arguments)
    about = time.perf_counter() - start
    gap = max(gap, difference(again, expected))
    return Comparison(program, plain, first_call, seconds_per_call(compiled, arguments, about), gap)
