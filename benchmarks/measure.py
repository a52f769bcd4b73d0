"""Timing: samples of calibrated length, taken in turn from each competitor."""

import gc
import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.workload import Function
from tracejit.demos import answers

Arguments = tuple[Any, ...]

#: The most copies of written arguments that one sample goes through. More would push each other out of the cache, and
#: the copying is not timed but has to be waited for.
MAX_COPIES = 64


@dataclass
class Samples:
    """Seconds per call, one entry per sample."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    @property
    def cpu_median(self) -> float:
        return median(self.cpu)

    @property
    def wall_median(self) -> float:
        return median(self.wall)


def calling_loop(arity: int) -> Callable[[Iterable[Any], Function, Arguments], None]:
    """A function that calls another once per item with the same arguments, spelled out as a user's call is.

    Written for the arity (as `timeit` does): unpacking a tuple at each call would cost as much as a fast call.
    """
    names = ", ".join(f"a{i}" for i in range(arity))
    unpack = f"{names}, = arguments" if arity else "pass"
    source = f"def loop(items, function, arguments):\n {unpack}\n for _ in items:\n  function({names})\n"
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    loop: Callable[[Iterable[Any], Function, Arguments], None] = namespace["loop"]
    return loop


class Competitor:
    """A callable with its arguments, timed in samples of at least `sample_seconds`.

    A program that writes into its arguments gets a fresh copy for each call, made before the clock starts.
    """

    def __init__(self, function: Function, arguments: Arguments, writes: bool, sample_seconds: float) -> None:
        self.function = function
        self.arguments = arguments
        self.writes = writes
        self.loop = calling_loop(len(arguments))
        self.samples = Samples()
        self.calls = self.calibrate(sample_seconds)

    def time(self, calls: int) -> tuple[float, float]:
        """CPU and wall seconds of so many calls."""
        collecting = gc.isenabled()
        gc.disable()
        try:
            if self.writes:
                return self.time_with_copies([answers.fresh(self.arguments) for _ in range(calls)])
            items = itertools.repeat(None, calls)
            wall, cpu = time.perf_counter(), time.process_time()
            self.loop(items, self.function, self.arguments)
            return time.process_time() - cpu, time.perf_counter() - wall
        finally:
            if collecting:
                gc.enable()

    def time_with_copies(self, copies: list[Arguments]) -> tuple[float, float]:
        """CPU and wall seconds of one call for each of the argument tuples."""
        function = self.function
        wall, cpu = time.perf_counter(), time.process_time()
        for arguments in copies:
            function(*arguments)
        return time.process_time() - cpu, time.perf_counter() - wall

    def calibrate(self, sample_seconds: float) -> int:
        """How many calls make a sample of the wanted length; also warms up."""
        calls = 1
        while True:
            _, wall = self.time(calls)
            if wall >= sample_seconds or (self.writes and calls >= MAX_COPIES):
                return calls
            # Twice as many at least, and with a margin: the first calls are slower than those that will be timed.
            calls = max(2 * calls, min(100 * calls, int(1.2 * calls * sample_seconds / max(wall, 1e-9))))
            if self.writes:
                calls = min(calls, MAX_COPIES)

    def sample(self) -> None:
        """Take one sample."""
        cpu, wall = self.time(self.calls)
        self.samples.cpu.append(cpu / self.calls)
        self.samples.wall.append(wall / self.calls)


def interleave(competitors: list[Competitor], rounds: int) -> None:
    """Take `rounds` samples of each, one after another within a round, the order turned around each time.

    Samples of one round form the pairs whose ratios are reported, so that a slow moment of the machine meets all.
    """
    for turn in range(rounds):
        for competitor in competitors if turn % 2 == 0 else reversed(competitors):
            competitor.sample()
