"""What it costs until the first answer: import, tracing and compiling, each in fresh processes, in CPU time."""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import report

ROOT = Path(__file__).parent.parent

#: Two operations each; a hundred of them are the chain of 200.
OPERATIONS = ["x = x * 1.25 + 0.5", "x = np.sqrt(x + 1.0)", "x = np.minimum(x, 4.0) - 0.125", "x = abs(x) / 1.5"]
#: The functions that the snippets call. They stand in a file because tracing reads source.
PROGRAMS = f"""
import numpy as np

def tiny(x):
    return x * 2.0 + 1.0

def other(x, y):
    return x * y - 1.0

def chain(x):
    {"; ".join(OPERATIONS[i % 4] for i in range(100))}
    return x

def nest(n):
    total = 0.0
    for i in range(n):
        for j in range(n):
            for k in range(n):
                for l in range(n):
                    for m in range(n):
                        for o in range(n):
                            total += i * j - k * l + m * o
    return total

def static_1000(x):
    for i in range(1000):
        x = x * 0.5 + i
    return x

def static_2000(x):
    for i in range(2000):
        x = x * 0.5 + i
    return x
"""

CLOCK = "import time; clock = time.process_time; start = clock(); {}; print(clock() - start)"
LOADED = "import numpy as np, tracejit as tj, programs, llvmlite.binding; x = np.ones(8)"
COMPILED = f"{LOADED}; tj.jit(programs.tiny)(x)"


@dataclass(frozen=True)
class Measurement:
    """A figure: a snippet whose last printed number is the value, in seconds unless said otherwise.

    Attributes:
        name: what is measured.
        before: statements that are run first.
        timed: the statements that count.
        limit: the value must not exceed this; None where the figure only informs.
        of: the name of another measurement, whose value this one's limit is a multiple of.
    """

    name: str
    before: str
    timed: str
    limit: float | None = None
    of: str | None = None

    def once(self, folder: str) -> float:
        """The value in one fresh process."""
        code = f"{self.before}\n{CLOCK.format(self.timed)}"
        paths = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {folder!r}]\n"
        done = subprocess.run([sys.executable, "-c", paths + code], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"measuring {self.name!r} failed:\n{done.stderr}")
        return float(done.stdout.split()[-1])


MEASUREMENTS = [
    Measurement("import numpy", "", "import numpy"),
    Measurement("import tracejit", "", "import tracejit", limit=1.5, of="import numpy"),
    Measurement("first call of a tiny function, llvmlite loaded", LOADED, "tj.jit(programs.tiny)(x)", 0.020),
    Measurement(
        "first call of a tiny function, loading llvmlite too",
        "import numpy as np, tracejit as tj, programs; x = np.ones(8)",
        "tj.jit(programs.tiny)(x)",
        0.090,
    ),
    Measurement("first call of a second tiny function", COMPILED, "tj.jit(programs.other)(x, x)"),
    Measurement("first call of a chain of 200 operations, llvmlite loaded", LOADED, "tj.jit(programs.chain)(x)", 0.060),
    Measurement("the same after a tiny function", COMPILED, "tj.jit(programs.chain)(x)"),
    Measurement("tracing six nested loops", COMPILED, "tj.jit(programs.nest).ir(3)", 0.050),
]


@dataclass(frozen=True)
class Figure:
    """A measurement and its median over fresh processes."""

    measurement: Measurement
    value: float
    bound: float | None

    @property
    def held(self) -> bool:
        """Whether the limit is held; a figure without one holds."""
        return self.bound is None or self.value <= self.bound


def rolled() -> Figure:
    """Whether a static loop is rolled: twice the turns must not mean more IR."""
    lines = "len(str(tj.jit(programs.static_{}).ir(x)).splitlines())"
    longer = Measurement(
        "IR lines of a static loop of 2000 turns over one of 1000",
        LOADED,
        f"print({lines.format(2000)} / {lines.format(1000)}); raise SystemExit",
        1.0,
    )
    with programs() as folder:
        return Figure(longer, longer.once(folder), longer.limit)


def programs() -> "tempfile.TemporaryDirectory[str]":
    """A folder that holds the module `programs`."""
    folder = tempfile.TemporaryDirectory()
    Path(folder.name, "programs.py").write_text(PROGRAMS)
    return folder


def measure_all(repeats: int) -> list[Figure]:
    """Every figure; the processes of one repeat run one after another, so that a slow moment meets all."""
    values: dict[str, list[float]] = {m.name: [] for m in MEASUREMENTS}
    with programs() as folder:
        for _ in range(repeats):
            for m in MEASUREMENTS:
                values[m.name].append(m.once(folder))
    figures = []
    for m in MEASUREMENTS:
        bound = m.limit
        if m.limit is not None and m.of is not None:
            bound = m.limit * median(values[m.of])
        figures.append(Figure(m, median(values[m.name]), bound))
    return [*figures, rolled()]


def table(figures: list[Figure]) -> str:
    """The figures as a Markdown table."""
    lines = []
    for figure in figures:
        plain = figure.measurement.name.startswith("IR lines")
        show = "{:g}".format if plain else report.duration
        bound = "–" if figure.bound is None else show(figure.bound)
        verdict = "–" if figure.bound is None else "held" if figure.held else "**not held**"
        lines.append([figure.measurement.name, show(figure.value), bound, verdict])
    return report.table(["figure", "median", "limit", "held"], lines)


def markdown(figures: list[Figure], facts: list[str], repeats: int) -> str:
    """The whole report."""
    lines = "\n".join(f"- {fact}" for fact in facts)
    lines += f"\n- CPU time, median of {repeats} fresh processes each"
    return f"# Until the first answer\n\n{lines}\n\n{table(figures)}\n"
