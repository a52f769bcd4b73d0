"""What derivatives cost: gradient over function in time, the first call, and memory."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks import derivative_programs as programs
from benchmarks import report, startup
from benchmarks.derivative_programs import Arguments
from benchmarks.measure import Competitor, interleave
from benchmarks.startup import Figure, Measurement
from benchmarks.statistics import Ratio, paired_ratio


@dataclass(frozen=True)
class Cost:
    """The time of a gradient is to stay under a multiple of that of the function.

    Attributes:
        name: what is measured.
        function: a plain function that returns one number.
        arguments: makes its arguments.
        argnums: what it is differentiated with respect to.
        limit: the multiple.
    """

    name: str
    function: Callable[..., Any]
    arguments: Callable[[], Arguments]
    argnums: int | tuple[int, ...]
    limit: float


COSTS = [
    Cost("elementwise, 1e4 cheap", programs.cheap_chain, lambda: programs.vector(10_000), 0, 3.0),
    Cost("elementwise, 1e6 cheap", programs.cheap_chain, lambda: programs.vector(1_000_000), 0, 3.0),
    Cost("elementwise, 1e4 transcendental", programs.chain, lambda: programs.vector(10_000), 0, 3.0),
    Cost("MLP 64-128-128-10, batch 32", programs.mlp, lambda: programs.mlp_arguments(32, 64, 128, 128, 10), 0, 3.5),
    Cost("MLP 784-512-512-10, batch 128", programs.mlp, lambda: programs.mlp_arguments(128, 784, 512, 512, 10), 0, 3.5),
    Cost("heat by slices, 128²", programs.heat, lambda: programs.square(128), 0, 4.0),
    Cost("stencil by loops, 128²", programs.stencil, lambda: programs.square(128), 0, 4.0),
    Cost("pendulum, 10,000 steps", programs.pendulum, lambda: (1.0, 0.0, 10_000), (0, 1), 4.0),
    Cost("LSTM, 100 steps", programs.lstm, lambda: programs.lstm_arguments(100, 8, 32), (0, 1, 2), 4.0),
]


def cost(row: Cost, rounds: int, sample_seconds: float) -> Ratio:
    """Time of the gradient over time of the function."""
    tracejit = importlib.import_module("tracejit")
    arguments = row.arguments()
    compiled = [tracejit.grad(row.function, argnums=row.argnums), tracejit.jit(row.function)]
    gradient, function = (Competitor(f, arguments, False, sample_seconds) for f in compiled)
    interleave([gradient, function], rounds)
    return paired_ratio(gradient.samples.cpu, function.samples.cpu)


_LOADED = "import numpy as np, tracejit as tj, llvmlite.binding; from benchmarks import derivative_programs as p"

FIRST_CALLS = [
    Measurement(
        "first call of the gradient of an MLP of three layers",
        f"{_LOADED}; a = p.mlp_arguments(32, 64, 128, 128, 10)",
        "tj.grad(p.mlp)(*a)",
        0.150,
    ),
    Measurement(
        "first call of the gradient of an LSTM over 100 steps",
        f"{_LOADED}; a = p.lstm_arguments(100, 8, 32)",
        "tj.grad(p.lstm, argnums=(0, 1, 2))(*a)",
        0.250,
    ),
]

LAYERS, SIDE = 100, 512


def memory(what: str, limit: float) -> Measurement:
    """How much memory a call needs at once, in activations. Read from Linux's own account of the process."""
    before = (
        f"{_LOADED}\n"
        "def peak():\n"
        "    return next(int(line.split()[1]) * 1024 for line in open('/proc/self/status') if 'VmHWM' in line)\n"
        f"f = tj.jit({what}, shapes='dynamic'); f(*p.layers_arguments(3, 2))\n"
        f"a = p.layers_arguments({LAYERS}, {SIDE})\n"
        "open('/proc/self/clear_refs', 'w').write('5')  # the peak begins anew\n"
        "before = peak()"
    )
    return Measurement(what, before, "f(*a); print((peak() - before) / a[2].nbytes); raise SystemExit", limit)


MEMORY = [
    memory("p.layers", 3.0),
    memory("tj.grad(p.layers, argnums=(0, 1))", 1.2 * LAYERS),
    memory("tj.grad(p.checkpointed_layers, argnums=(0, 1))", 0.25 * 1.2 * LAYERS),
]
"""The function; its gradient, whose residuals are what each layer gives; the gradient with checkpoints."""


def fresh(measurements: list[Measurement], repeats: int) -> list[Figure]:
    """The medians over fresh processes."""
    with startup.programs() as folder:
        return [Figure(m, median(m.once(folder) for _ in range(repeats)), m.limit) for m in measurements]


def verdict(held: bool) -> str:
    return "held" if held else "**not held**"


def markdown(costs: dict[str, Ratio], first: list[Figure], peaks: list[Figure], facts: list[str]) -> str:
    """The whole report."""
    limits = {row.name: row.limit for row in COSTS}
    lines = [[n, report.interval(r), f"{limits[n]:g}", verdict(r.holds(limits[n]))] for n, r in costs.items()]
    parts = ["# Derivatives", "\n".join(f"- {fact}" for fact in facts)]
    parts.append(report.table(["gradient over function, CPU time", "ratio", "limit", "held"], lines))
    lines = [
        [f.measurement.name, report.duration(f.value), report.duration(f.bound or 0), verdict(f.held)] for f in first
    ]
    parts.append(report.table(["first call, llvmlite loaded, CPU time", "median", "limit", "held"], lines))
    lines = [[f"`{f.measurement.name}`", f"{f.value:.3g}", f"{f.bound:g}", verdict(f.held)] for f in peaks]
    title = f"memory of {LAYERS} layers of {SIDE}², in activations"
    parts.append(report.table([title, "peak", "limit", "held"], lines))
    return "\n\n".join(parts) + "\n"
