"""The programs of the derivative benchmarks are differentiated rightly, and the report says what was measured."""

import numpy as np
import pytest

from benchmarks import derivative_programs as programs
from benchmarks import derivatives
from benchmarks.frameworks import Jax, Tracejit, installed
from benchmarks.run import measure
from benchmarks.startup import Figure
from benchmarks.statistics import Ratio
from benchmarks.workload import Workload
from benchmarks.workloads import derivatives as beside
from tracejit.testing import check_grads

SMALL = {
    programs.cheap_chain: programs.vector(5),
    programs.chain: programs.vector(5),
    programs.mlp: programs.mlp_arguments(2, 3, 4, 4, 2),
    programs.heat: programs.square(4),
    programs.stencil: programs.square(5),
    programs.rosenbrock: programs.vector(4),
    programs.pendulum: (1.0, 0.0, 5),
    programs.running_product: programs.factors(5),
    programs.layers: programs.layers_arguments(3, 2),
    programs.checkpointed_layers: programs.layers_arguments(5, 2),
    programs.lstm: programs.lstm_arguments(3, 2, 2),
}


@pytest.mark.parametrize("program", SMALL, ids=lambda p: p.__name__)
def test_programs(program):
    check_grads(program, SMALL[program], order=1)


@pytest.mark.parametrize("row", beside.WORKLOADS, ids=lambda w: w.name)
def test_rows_beside_other_frameworks(row):
    inputs = {"product_gradient": lambda: programs.factors(6)}.get(row.name, row.make_inputs)
    small = Workload(row.group, row.name, row.source, inputs, row.frameworks, row.variants, {}, row.tolerance)
    frameworks = {"tracejit": Tracejit()}
    if "jax" in installed():
        frameworks["jax"] = Jax()
    done = measure(small, frameworks, 6, 1e-5)
    assert not done.failures
    assert done.samples.keys() == frameworks.keys()


def test_a_ratio_is_measured():
    row = derivatives.Cost("", programs.rosenbrock, lambda: programs.vector(10), 0, 3.0)
    assert derivatives.cost(row, 6, 1e-5).median > 0


def test_the_report_names_what_is_not_held():
    name = derivatives.COSTS[0].name
    first, second = derivatives.FIRST_CALLS
    text = derivatives.markdown(
        {name: Ratio(5.0, 4.5, 5.5)}, [Figure(first, 0.1, 0.15), Figure(second, 0.3, 0.25)],
        [Figure(derivatives.MEMORY[0], 2.0, 3.0)], ["a machine"],
    )  # fmt: skip
    assert f"| {name} | 5.00 (4.50–5.50) | 3 | **not held** |" in text
    assert "| 100 ms | 150 ms | held |" in text and "| 300 ms | 250 ms | **not held** |" in text
    assert "| `p.layers` | 2 | 3 | held |" in text and "- a machine" in text


def test_memory_is_that_of_the_call():
    assert np.isclose(
        derivatives.fresh([derivatives.memory("(lambda w, b, x: x + 1.0)", 2.0)], 1)[0].value, 1, atol=0.5
    )
