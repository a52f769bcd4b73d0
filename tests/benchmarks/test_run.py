import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import recompiles, report, startup
from benchmarks.frameworks import Framework
from benchmarks.measure import Competitor, Samples, calling_loop
from benchmarks.run import Row, difference, measure, selected
from benchmarks.workload import Workload, with_globals
from benchmarks.workloads import WORKLOADS


def scale(x, factor):
    x *= factor
    return x.sum()


def row(**changes):
    given = {"make_inputs": lambda: (np.arange(4.0), 2.0), "limits": {"numpy": 2.0}} | changes
    return Workload("group", "scale", scale, **given)


class Same(Framework):
    """Stands for tracejit: runs the function as it is."""

    keeps_dtypes = True


class Wrong(Framework):
    def compile(self, function):
        return lambda *arguments: function(*arguments) + 1.0


class Refusing(Framework):
    refusals = (NotImplementedError,)

    def compile(self, function):
        def refuse(*arguments):
            raise NotImplementedError("no loops")

        return refuse


def test_every_row_can_be_selected_alone():
    titles = [w.title for w in WORKLOADS]
    assert len(set(titles)) == len(titles)
    assert [w.title for w in selected(WORKLOADS, ("scalar/sieve",))] == ["scalar/sieve"]
    assert {w.group for w in selected(WORKLOADS, ("matmul", "unknown"))} == {"matmul"}
    assert [w.name for w in selected(WORKLOADS, ("*_loops", "newton"))] == ["newton"]
    assert selected(WORKLOADS, ()) == WORKLOADS


def test_limits_name_frameworks_that_run_the_row():
    for workload in WORKLOADS:
        assert workload.limits.keys() | workload.variants.keys() <= set(workload.frameworks)


@pytest.mark.parametrize("workload", selected(WORKLOADS, ("dispatch", "scalar", "programs")), ids=lambda w: w.title)
def test_small_rows_give_the_same_inputs_each_time(workload):
    assert difference(workload.make_inputs(), workload.make_inputs(), True) == 0.0


def test_loops_call_once_per_item():
    for arity in range(4):
        calls = []
        calling_loop(arity)(range(3), lambda *a: calls.append(a), tuple(range(arity)))
        assert calls == [tuple(range(arity))] * 3


def test_written_arguments_are_fresh_for_each_call():
    seen = []

    def function(x):
        seen.append(x[0])
        x[0] += 1.0

    competitor = Competitor(function, (np.zeros(1),), True, 1e-4)
    competitor.sample()
    assert len(seen) > competitor.calls
    assert set(seen) == {0.0}
    assert len(competitor.samples.cpu) == len(competitor.samples.wall) == 1


def test_measure_times_those_who_answer_rightly():
    frameworks = {"numpy": Framework(), "tracejit": Same(), "numba": Wrong(), "jax": Refusing(), "torch": Same()}
    result = measure(row(frameworks=("numpy", "tracejit", "numba", "jax")), frameworks, 6, 1e-4)
    assert list(result.samples) == ["numpy", "tracejit"]
    assert all(len(s.cpu) == len(s.wall) == 6 for s in result.samples.values())
    assert result.failures["numba"].startswith("wrong answer")
    assert result.failures["jax"] == "NotImplementedError: no loops"
    assert result.ratio("tracejit", "numpy").low > 0
    assert result.ratio("tracejit", "jax") is None
    assert result.ratio("tracejit", "tracejit") is None


def test_other_errors_end_the_run():
    class Broken(Refusing):
        refusals = ()

    with pytest.raises(NotImplementedError):
        measure(row(), {"numba": Broken()}, 6, 1e-4)


def test_written_arguments_are_part_of_the_answer():
    class ReadOnly(Framework):
        def compile(self, function):
            return lambda x, factor: function(x.copy(), factor)

    result = measure(row(), {"numba": ReadOnly()}, 6, 1e-4)
    assert result.failures["numba"].startswith("wrong answer")


def test_only_some_frameworks_are_held_to_dtypes():
    assert difference(2, np.float32(2), False) == 0.0
    assert difference(2, np.float32(2), True) == float("inf")
    assert difference((1.0,), (1.0, 2.0), False) == float("inf")


def samples(value):
    return Samples([value] * 6, [2 * value] * 6)


def test_verdicts():
    both = Row(row(), {"numpy": samples(1.0), "tracejit": samples(1.9)})
    assert both.verdict("numpy") is True
    slow = Row(row(), {"numpy": samples(1.0), "tracejit": samples(2.1)})
    assert slow.verdict("numpy") is False
    refused = Row(row(), {"numpy": samples(1.0)}, failures={"tracejit": "no"})
    assert refused.verdict("numpy") is False
    assert Row(row(), {"numpy": samples(1.0)}).verdict("numpy") is None
    assert Row(row(), {"tracejit": samples(1.0)}).verdict("numpy") is None


def test_report():
    rows = [
        Row(row(), {"numpy": samples(1e-3), "tracejit": samples(5e-4)}, {"numpy": 0.1, "tracejit": 0.2}),
        Row(row(), {"numpy": samples(1e-3)}, {"numpy": 0.1}, {"tracejit": "refused"}),
    ]
    text = report.markdown(rows, ["numpy", "tracejit"], "tracejit", ["a machine"], 6)
    assert "- a machine" in text
    assert "| scale | 1 ms | 500 µs | 0.500 (0.500–0.500) | 2 × numpy: held |" in text
    assert "| scale | 1 ms | failed | – | 2 × numpy: **not held** |" in text
    assert "| scale | 2 ms | 1 ms | 0.500 (0.500–0.500) |" in text
    assert "- group/scale, tracejit: refused" in text
    assert "| group/scale | 100 ms | 200 ms |" in text


def test_with_globals_keeps_defaults_and_closures():
    offset = 3

    def function(x, /, y=2, *, z=5):
        return np, x + y + z + offset

    assert with_globals(function, np="another")(1) == ("another", 11)
    assert function(1)[0] is np


class Compiled:
    """Stands for a compiled function that was compiled a given number of times."""

    def __init__(self, function, compilations):
        self.function, self.compilations = function, compilations

    def __call__(self, *arguments):
        return self.function(*arguments)

    def stats(self):
        return SimpleNamespace(compilations=self.compilations)


def test_recompiles_counts_and_compares(monkeypatch):
    monkeypatch.setitem(sys.modules, "tracejit", SimpleNamespace(jit=lambda f: Compiled(f, 2)))
    assert recompiles.count() == 2

    def wrong(x, weight, bias):
        y, largest, mean = recompiles.layer(x, weight, bias)
        return y, largest, mean + (len(x) == 7)

    monkeypatch.setitem(sys.modules, "tracejit", SimpleNamespace(jit=lambda f: Compiled(wrong, 2)))
    with pytest.raises(AssertionError, match="a batch of 7 differs"):
        recompiles.count()


def test_startup_programs_are_what_their_figures_say():
    namespace = {}
    exec(startup.PROGRAMS, namespace)
    steps = startup.PROGRAMS.split("def chain(x):")[1].split("return")[0].split(";")
    assert 2 * len(steps) == 200
    x = np.ones(3)
    assert namespace["chain"](x).shape == namespace["static_1000"](x).shape == (3,)
    assert namespace["nest"](2) == 16


def test_startup_measures_in_a_fresh_process_and_shows_its_errors():
    with startup.programs() as folder:
        seconds = startup.Measurement("a loop", "", "sum(range(1000))").once(folder)
        assert 0.0 <= seconds < 10.0
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            startup.Measurement("an error", "", "1 / 0").once(folder)


def test_startup_limits():
    free = startup.Measurement("import numpy", "", "pass")
    held = startup.Figure(free, 0.1, None)
    late = startup.Figure(startup.Measurement("import tracejit", "", "pass", 1.5, "import numpy"), 0.2, 0.15)
    assert held.held
    assert not late.held
    assert "| import tracejit | 200 ms | 150 ms | **not held** |" in startup.table([held, late])
