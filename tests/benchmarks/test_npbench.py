"""The runner for NPBench, on a suite of two kernels that the test writes."""

import json
import math

import pytest

from benchmarks import npbench

NUMPY = """
import numpy as np

def kernel(A, x):
    A[:] = A @ A
    return A @ x
"""
REFUSED = """
import numpy as np

def kernel(A, x):
    return np.fft.fft(x)
"""
INIT = """
import numpy as np

def initialize(N):
    return np.arange(N * N, dtype=np.float64).reshape(N, N), np.ones(N)
"""


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "bench_info").mkdir()
    for name, source in (("good", NUMPY), ("refused", REFUSED)):
        folder = tmp_path / "npbench" / "benchmarks" / "own" / name
        folder.mkdir(parents=True)
        (folder / f"{name}.py").write_text(INIT)
        (folder / f"{name}_numpy.py").write_text(source)
        info = {
            "relative_path": f"own/{name}",
            "module_name": name,
            "func_name": "kernel",
            "parameters": {"S": {"N": 4}},
            "init": {"func_name": "initialize", "input_args": ["N"], "output_args": ["A", "x"]},
            "input_args": ["A", "x"],
        }
        (tmp_path / "bench_info" / f"{name}.json").write_text(json.dumps({"benchmark": info}))
    return npbench.Suite(tmp_path)


def test_a_kernel_that_agrees(suite):
    outcome = npbench.run(suite, "good", "S", ["numba"])
    assert outcome.failure == "" and outcome.first_call > 0
    assert outcome.times.keys() == {"numpy", "tracejit"}
    assert outcome.speedup("numpy") > 0 and math.isnan(outcome.speedup("numpy", "numba"))


def test_a_kernel_that_is_refused_counts_one(suite):
    outcome = npbench.run(suite, "refused", "S", [])
    assert "np.fft.fft is not supported" in outcome.failure and outcome.speedup("numpy") == 1.0
    text = npbench.report([outcome], "S", [])
    assert "0 of 1 kernels agree" in text and "- refused: UnsupportedError" in text


def test_the_list():
    assert len(set(npbench.KERNELS)) == 32
