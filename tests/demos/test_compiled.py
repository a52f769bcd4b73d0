"""The demo programs, compiled unmodified, give plain Python's answers."""

import numpy as np
import pytest

import tracejit as tj
from tracejit.demos import PROGRAMS, answers, program
from tracejit.demos.structures import decision_tree


def places(result, arguments):
    """For each part of a result the position of the argument that it is, or None."""
    parts = result if isinstance(result, tuple) else (result,)
    return [next((i for i, a in enumerate(arguments) if a is part), None) for part in parts]


@pytest.mark.parametrize("demo", PROGRAMS, ids=lambda p: p.name)
def test_program(demo):
    compiled = tj.jit(demo.function)
    for size, seed in [("tiny", 0), ("tiny", 1), ("small", 2), ("tiny", 3)]:
        arguments = demo.make_inputs(size, seed)
        expected = answers.run(demo.function, arguments)
        actual = answers.run(compiled, arguments)
        assert answers.difference(actual, expected) <= demo.tolerance, (size, seed)
        assert places(*actual) == places(*expected), "a result that is an argument"


def test_exceptions_of_a_program():
    with pytest.raises(ValueError, match="the square root of a negative number is not real"):
        tj.jit(program("newton").function)(-1.0)
    samples, *tree = program("decision_tree").make_inputs("tiny", 0)
    with pytest.raises(IndexError, match="index 2 is out of bounds for axis 1 with size 2") as plain:
        decision_tree(samples[:, :2], *tree)
    with pytest.raises(IndexError, match="index 2 is out of bounds for axis 1 with size 2") as compiled:
        tj.jit(decision_tree)(samples[:, :2], *tree)
    assert compiled.traceback[-1].lineno == plain.traceback[-1].lineno


def test_empty_inputs():
    nothing = np.zeros(0, np.uint8)
    for name, arguments in {
        "levenshtein": (nothing, nothing),
        "smith_waterman": (nothing, nothing, 3, -3, 2),
        "floyd_steinberg": (np.zeros((0, 4), np.uint8),),
        "monte_carlo_pi": (np.ones((1, 2)),),
        "union_find": (np.zeros((0, 2), np.int64), 3),
        "csr_product": (np.zeros(0), np.zeros(0, np.int32), np.zeros(1, np.int32), np.ones(3)),
        "sieve": (0,),
        "collatz": (1,),
        "mandelbrot": (0, 3, 5),
    }.items():
        function = program(name).function
        gap = answers.difference(answers.run(tj.jit(function), arguments), answers.run(function, arguments))
        assert gap == 0.0, name
