"""The kernels of the public NPBench suite: their NumPy sources unmodified, compiled from outside.

The suite is no part of this project: the runner takes the folder of a checkout of https://github.com/spcl/npbench.
"""

import contextlib
import importlib.util
import io
import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.frameworks import Jax
from benchmarks.measure import Competitor, interleave
from benchmarks.report import duration, table
from tracejit.demos import answers

KERNELS = [
    "arc_distance", "azimint_hist", "cavity_flow", "cholesky", "cholesky2", "compute", "contour_integral",
    "correlation", "covariance", "crc16", "deriche", "durbin", "fdtd_2d", "floyd_warshall", "gemm", "gemver",
    "gesummv", "hdiff", "jacobi_1d", "jacobi_2d", "k2mm", "k3mm", "lenet", "lu", "ludcmp", "mandelbrot2", "mlp",
    "resnet", "scattering_self_energies", "seidel_2d", "stockham_fft", "syrk",
]  # fmt: skip

#: The greatest relative difference from NumPy's answer: the suite's own limit.
TOLERANCE = 1e-5
#: Which of the suite's files for a framework is taken: the first that exists.
FILES = {"numba": ("numba_n", "numba_o", "numba_np"), "jax": ("jax",)}
#: What the suite's sources, which are of several years, raise with today's packages; those peers are left out.
PEERS_RAISE = (ArithmeticError, AttributeError, ImportError, LookupError, RuntimeError, TypeError, ValueError)
ROUNDS = 9
SAMPLE_SECONDS = 2e-3
SECONDS_PER_KERNEL = 4.0


@dataclass
class Outcome:
    """What came of one kernel.

    Attributes:
        name: the kernel's.
        failure: why tracejit's answer is none; empty where it agrees with NumPy's.
        first_call: wall seconds of the first call, which compiles.
        times: CPU seconds per call by framework, one entry per round.
        peers_failed: by framework, why it was not timed.
    """

    name: str
    failure: str = ""
    first_call: float = math.nan
    times: dict[str, list[float]] = field(default_factory=dict)
    peers_failed: dict[str, str] = field(default_factory=dict)

    def speedup(self, over: str, of: str = "tracejit") -> float:
        """Time of `over` by time of `of`; 1.0 where tracejit failed, nan where the other was not measured."""
        if of not in self.times:
            return 1.0 if of == "tracejit" else math.nan
        if over not in self.times:
            return math.nan
        return median(a / b for a, b in zip(self.times[over], self.times[of]))


class Suite:
    """A checkout of the suite."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def description(self, kernel: str) -> dict[str, Any]:
        """What the suite says of a kernel."""
        text = (self.folder / "bench_info" / f"{kernel}.json").read_text()
        return dict(json.loads(text)["benchmark"])

    def module(self, kernel: str, postfix: str = "") -> ModuleType | None:
        """A module of a kernel, as the file stands; None where there is no such file."""
        info = self.description(kernel)
        name = info["module_name"] + (f"_{postfix}" if postfix else "")
        file = self.folder / "npbench" / "benchmarks" / info["relative_path"] / f"{name}.py"
        if not file.exists():
            return None
        spec = importlib.util.spec_from_file_location(f"npbench_{name}", file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def function(self, kernel: str, postfix: str = "numpy") -> Callable[..., Any] | None:
        """The function that a file of a kernel defines."""
        module = self.module(kernel, postfix)
        found: Callable[..., Any] | None = getattr(module, self.description(kernel)["func_name"], None)
        return found

    def arguments(self, kernel: str, preset: str) -> tuple[Any, ...]:
        """The arguments of a kernel at a preset."""
        info = self.description(kernel)
        data: dict[str, Any] = dict(info["parameters"][preset])
        init = info.get("init")
        if init:
            make = getattr(self.module(kernel), init["func_name"])
            made = make(*(data[name] for name in init["input_args"]))
            names = init["output_args"]
            data.update(zip(names, made if len(names) > 1 else (made,)))
        return tuple(data[name] for name in info["input_args"])


def _peer(suite: Suite, kernel: str, framework: str) -> Callable[..., Any] | None:
    for postfix in FILES[framework]:
        function = suite.function(kernel, postfix)
        if function is not None:
            return function
    return None


def _prepared(framework: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """A peer's function and arguments as its users would have them."""
    if framework != "jax":
        return function, arguments
    jax = Jax()
    return jax.finishing(function), jax.convert(arguments)


def run(suite: Suite, kernel: str, preset: str, peers: Iterable[str]) -> Outcome:
    """Check one kernel against NumPy and time it beside NumPy and the peers."""
    import tracejit

    outcome = Outcome(kernel)
    function = suite.function(kernel)
    assert function is not None
    given = suite.arguments(kernel, preset)
    with np.errstate(all="ignore"):
        start = time.perf_counter()
        expected = answers.run(function, given)
        once = time.perf_counter() - start
        writes = answers.difference(expected.arguments, given) > 0.0
        competitors = {"numpy": Competitor(function, given, writes, SAMPLE_SECONDS)}

        compiled = tracejit.jit(function)
        start = time.perf_counter()
        try:
            answer = answers.run(compiled, given)
        except tracejit.TracejitError as error:
            outcome.failure = f"{type(error).__name__}: {error}"
        else:
            outcome.first_call = time.perf_counter() - start
            gap = answers.difference(answer, expected)
            if gap > TOLERANCE:
                outcome.failure = f"differs by {gap:.2g}"
            else:
                competitors["tracejit"] = Competitor(compiled, given, writes, SAMPLE_SECONDS)

        for name in peers:
            try:
                peer = _peer(suite, kernel, name)
                if peer is not None:
                    ready, arguments = _prepared(name, peer, given)
                    with contextlib.redirect_stdout(io.StringIO()):
                        competitors[name] = Competitor(ready, arguments, writes and name != "jax", SAMPLE_SECONDS)
            except PEERS_RAISE as error:
                outcome.peers_failed[name] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        rounds = max(3, min(ROUNDS, int(SECONDS_PER_KERNEL / max(once, 1e-3))))
        interleave(list(competitors.values()), rounds)
    outcome.times = {name: competitor.samples.cpu for name, competitor in competitors.items()}
    return outcome


def geometric_mean(values: Iterable[float]) -> float:
    """The geometric mean of those values that are numbers.

    >>> geometric_mean([1.0, 4.0, math.nan])
    2.0
    """
    logs = [math.log(v) for v in values if not math.isnan(v)]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def line(outcome: Outcome, peers: Iterable[str]) -> list[str]:
    """A row of the table."""

    def times(value: float) -> str:
        return "–" if math.isnan(value) else f"{value:.2f}x"

    speed = [duration(median(outcome.times[who])) if who in outcome.times else "–" for who in ("numpy", "tracejit")]
    return [
        outcome.name,
        "no" if outcome.failure else "yes",
        "–" if math.isnan(outcome.first_call) else f"{outcome.first_call:.2f} s",
        *speed,
        times(outcome.speedup("numpy")),
        *(times(outcome.speedup("numpy", peer)) for peer in peers),
    ]


def report(outcomes: list[Outcome], preset: str, peers: list[str]) -> str:
    """The table, the geometric means and what failed, as Markdown."""
    header = ["kernel", "agrees", "first call", "NumPy", "tracejit", "speed-up"]
    text = table([*header, *(f"{p}'s" for p in peers)], [line(o, peers) for o in outcomes])
    agreeing = sum(not o.failure for o in outcomes)
    means = [f"tracejit {geometric_mean(o.speedup('numpy') for o in outcomes):.2f}x (a failure counts 1)"]
    for peer in peers:
        measured = [o.speedup("numpy", peer) for o in outcomes]
        count = sum(not math.isnan(m) for m in measured)
        means.append(f"{peer} {geometric_mean(measured):.2f}x on the {count} it runs")
    failed = [f"- {o.name}: {o.failure}" for o in outcomes if o.failure]
    failed += [f"- {o.name}, {who}: {why}" for o in outcomes for who, why in o.peers_failed.items()]
    return "\n".join([
        f"{agreeing} of {len(outcomes)} kernels agree with NumPy (preset {preset}). Speed-up over NumPy, geometric "
        f"mean: {', '.join(means)}.",
        "",
        text,
        "",
        *failed,
        "",
    ])  # fmt: skip
