"""Running the rows: compile, check the answer, then measure side by side."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from benchmarks.frameworks import FRAMEWORKS, Framework
from benchmarks.measure import Competitor, Samples, interleave
from benchmarks.statistics import Ratio, paired_ratio
from benchmarks.workload import Workload
from tracejit.demos import answers


@dataclass
class Row:
    """What came of one workload.

    Attributes:
        samples: by framework, for those that were timed.
        first_call: by framework, wall seconds of the first call, which compiles.
        failures: by framework, why it was not timed.
    """

    workload: Workload
    samples: dict[str, Samples] = field(default_factory=dict)
    first_call: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def ratio(self, subject: str, other: str, clock: str = "cpu") -> Ratio | None:
        """Time of `subject` over time of `other`, if both were timed."""
        if subject == other or not {subject, other} <= self.samples.keys():
            return None
        return paired_ratio(getattr(self.samples[subject], clock), getattr(self.samples[other], clock))

    def verdict(self, other: str) -> bool | None:
        """Whether tracejit holds its limit against `other`; None where one of them was not there to measure.

        Where tracejit refuses the program or answers wrongly, it holds no limit.
        """
        if other not in self.samples or "tracejit" not in self.samples.keys() | self.failures.keys():
            return None
        ratio = self.ratio("tracejit", other)
        return ratio is not None and ratio.holds(self.workload.limits[other])


def selected(workloads: Iterable[Workload], patterns: tuple[str, ...]) -> list[Workload]:
    """The workloads whose group, name or group/name matches one of the shell patterns; all where there is none."""
    return [
        w
        for w in workloads
        if not patterns or any(fnmatchcase(name, p) for p in patterns for name in (w.group, w.name, w.title))
    ]


def difference(actual: Any, expected: Any, keeps_dtypes: bool) -> float:
    """The difference of an answer in a framework's own arrays and scalars from NumPy's (`answers.difference`)."""
    if isinstance(expected, (tuple, list)):
        if not isinstance(actual, (tuple, list)) or len(actual) != len(expected):
            return float("inf")
        return max((difference(a, e, keeps_dtypes) for a, e in zip(actual, expected)), default=0.0)
    wanted = np.asarray(expected)
    return answers.difference(np.asarray(actual) if keeps_dtypes else np.asarray(actual, wanted.dtype), wanted)


def measure(workload: Workload, frameworks: dict[str, Framework], rounds: int, sample_seconds: float) -> Row:
    """Measure one workload in those of the frameworks that take it."""
    row = Row(workload)
    given = workload.make_inputs()
    expected = answers.run(workload.source, given)
    writes = answers.difference(expected.arguments, given) > 0.0
    competitors = {}
    for name, framework in frameworks.items():
        if name not in workload.frameworks:
            continue
        function = framework.compile(workload.variants.get(name, workload.source))
        arguments = framework.convert(given)
        start = time.perf_counter()
        try:
            answer = answers.run(function, arguments)
        except framework.refusals as refusal:
            row.failures[name] = f"{type(refusal).__name__}: {refusal}"
            continue
        row.first_call[name] = time.perf_counter() - start
        gap = difference(answer, expected, framework.keeps_dtypes)
        if gap > workload.tolerance:
            row.failures[name] = f"wrong answer: differs by {gap:.2g}, tolerance {workload.tolerance:.2g}"
            continue
        competitors[name] = Competitor(function, arguments, writes, sample_seconds)
    interleave(list(competitors.values()), rounds)
    row.samples = {name: competitor.samples for name, competitor in competitors.items()}
    return row


def load(names: Iterable[str]) -> dict[str, Framework]:
    """The adapters of the named frameworks."""
    return {name: FRAMEWORKS[name]() for name in names}
