"""Rows as a Markdown report."""

from itertools import groupby

from benchmarks.measure import Samples
from benchmarks.run import Row
from benchmarks.statistics import Ratio


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best.

    >>> duration(0.0021), duration(5.2e-8)
    ('2.1 ms', '52 ns')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def interval(ratio: Ratio) -> str:
    """A ratio with its interval.

    >>> interval(Ratio(0.5, 0.41, 12.3456))
    '0.500 (0.410–12.3)'
    """
    return f"{ratio.median:#.3g} ({ratio.low:#.3g}–{ratio.high:#.3g})"


def table(header: list[str], lines: list[list[str]]) -> str:
    """A Markdown table whose first column is text and whose others are figures.

    >>> print(table(["row", "time"], [["a", "1 s"]]))
    | row | time |
    |---|---:|
    | a | 1 s |
    """
    rule = "|---|" + "---:|" * (len(header) - 1)
    return "\n".join(["| " + " | ".join(header) + " |", rule, *("| " + " | ".join(line) + " |" for line in lines)])


def time_cell(row: Row, framework: str, clock: str) -> str:
    if framework in row.failures:
        return "failed"
    samples: Samples | None = row.samples.get(framework)
    return duration(getattr(samples, f"{clock}_median")) if samples else "–"


def ratio_cell(row: Row, subject: str, other: str, clock: str) -> str:
    ratio = row.ratio(subject, other, clock)
    return interval(ratio) if ratio else "–"


def limit_cell(row: Row) -> str:
    """The row's limits and whether they are held; a limit that could not be measured is named as such."""
    parts = []
    for other, limit in row.workload.limits.items():
        verdict = row.verdict(other)
        word = "not measured" if verdict is None else "held" if verdict else "**not held**"
        parts.append(f"{limit:g} × {other}: {word}")
    return ", ".join(parts) or "–"


def timings(rows: list[Row], frameworks: list[str], subject: str, clock: str) -> str:
    """One table of times and ratios by a clock; the limits are judged by CPU time."""
    others = [name for name in frameworks if name != subject]
    judged = clock == "cpu"
    header = ["row", *frameworks, *(f"{subject} / {other}" for other in others), *(["limit"] if judged else [])]
    lines = [
        [
            row.workload.name,
            *(time_cell(row, name, clock) for name in frameworks),
            *(ratio_cell(row, subject, other, clock) for other in others),
            *([limit_cell(row)] if judged else []),
        ]
        for row in rows
    ]
    return table(header, lines)


def first_calls(rows: list[Row], frameworks: list[str]) -> str:
    """How long each first call took, compilation included."""
    lines = [
        [row.workload.title, *(duration(row.first_call[f]) if f in row.first_call else "–" for f in frameworks)]
        for row in rows
    ]
    return table(["row", *frameworks], lines)


def markdown(rows: list[Row], frameworks: list[str], subject: str, facts: list[str], rounds: int) -> str:
    """The whole report."""
    parts = [
        f"# {subject} beside {', '.join(name for name in frameworks if name != subject)}",
        "\n".join(f"- {fact}" for fact in facts),
        "Times are medians per call. A ratio is the median of the ratios of "
        f"{rounds} interleaved pairs of samples, with its 95% interval (order statistics); a limit is held when the "
        "upper end of the interval of CPU time is under it. Every answer was compared with plain NumPy's first.",
    ]
    for group, members in groupby(rows, key=lambda row: row.workload.group):
        in_group = list(members)
        parts += [
            f"## {group}",
            "CPU time:",
            timings(in_group, frameworks, subject, "cpu"),
            "Wall time:",
            timings(in_group, frameworks, subject, "wall"),
        ]
    failures = [f"- {row.workload.title}, {name}: {why}" for row in rows for name, why in row.failures.items()]
    if failures:
        parts += ["## Not timed", "\n".join(failures)]
    parts += ["## First calls (wall time, with compilation)", first_calls(rows, frameworks)]
    return "\n\n".join(parts) + "\n"
