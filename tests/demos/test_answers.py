import math

import numpy as np
import pytest

from tracejit.demos.answers import agrees, difference, fresh, run

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("actual", "expected", "wanted"),
    [
        (1.0, 1.0, 0.0),
        (np.float64(1.0), 1.0, 0.0),
        (np.float32(1.0), 1.0, INF),
        (1, 1.0, INF),
        (2, 1, INF),
        (True, 1, INF),
        (None, None, 0.0),
        (None, 0, INF),
        (1.0 + 1e-10, 1.0, pytest.approx(1e-10, rel=1e-5)),
        (1e-10, 0.0, 1e-10),
        (1000.0, 1001.0, pytest.approx(1 / 1001)),
        (NAN, NAN, 0.0),
        (NAN, 1.0, INF),
        (1.0, NAN, INF),
        (INF, INF, 0.0),
        (-INF, INF, INF),
        (1.0, INF, INF),
        (1 + 1j, 1 + 1j, 0.0),
        (1 + 2j, 1 + 1j, pytest.approx(1 / math.sqrt(2))),
        (np.zeros(0), np.zeros(0), 0.0),
        (np.zeros((0, 2)), np.zeros((0, 3)), INF),
        (np.zeros(3), np.zeros((1, 3)), INF),
        (np.array([1, 2]), np.array([1, 2]), 0.0),
        (np.array([1.0, NAN, 4.0]), np.array([1.0, NAN, 5.0]), 0.2),
        ((1, 2.0), (1, 2.5), 0.2),
        ((1,), (1, 2), INF),
        (1, (1,), INF),
        ([(1.0, "a")], [(1.0, "a")], 0.0),
        ("a", "b", INF),
    ],
)
def test_difference(actual, expected, wanted):
    assert difference(actual, expected) == wanted


def test_agrees_up_to_the_tolerance():
    assert agrees(1.0 + 1e-10, 1.0, 1e-9)
    assert not agrees(1.0 + 1e-10, 1.0, 0.0)


def test_run_sees_the_result_and_the_written_arguments():
    def write(x):
        x[0] = 7
        return x

    given = np.arange(3)
    answer = run(write, (given,))
    assert given[0] == 0
    assert answer.arguments[0] is answer.result
    assert difference(answer, (np.array([7, 1, 2]), (np.array([7, 1, 2]),))) == 0.0


def test_fresh_keeps_what_a_signature_looks_at():
    x = np.arange(6.0)
    frozen = np.arange(3)
    frozen.flags.writeable = False
    a, b, c = fresh((x, x, frozen))
    assert a is b
    assert a is not x
    assert not c.flags.writeable
