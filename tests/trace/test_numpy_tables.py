"""What stands for functions of NumPy is loaded when a program first asks for it."""

import importlib
import pkgutil
import subprocess
import sys
from functools import partial

import numpy
import pytest

from tracejit.trace import numpy_api
from tracejit.trace.numpy_api import lookup, table


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("method", ["searchsorted(2.0)", "repeat(2)", "cumsum()", "nonzero()", "sum()"])
def test_a_method_may_be_all_that_a_program_uses(method, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(f"def f(x):\n    return x.{method}\n")
    run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import numpy as np, tracejit as tj, program\n"
        "x = np.arange(4.0)\n"
        "np.testing.assert_array_equal(tj.jit(program.f)(x), program.f(x))\n"
    )


def test_every_module_is_found_and_few_are_loaded_early():
    run(
        "import pkgutil, sys\n"
        "import numpy as np\n"
        "from tracejit.trace import numpy_api\n"
        "named = {name for names in numpy_api._HOMES.values() for name in names}\n"
        "there = {m.name for m in pkgutil.iter_modules(numpy_api.__path__)}\n"
        "assert named == there - {'table', 'arguments'}, named ^ there\n"
        "assert numpy_api.lookup(np.sqrt) and 'tracejit.trace.numpy_api.counting' not in sys.modules\n"
        "assert numpy_api.lookup(np.histogram) and numpy_api.lookup(np.save) is None and numpy_api.lookup([]) is None\n"
    )


def test_every_entry_is_found():
    for module in pkgutil.iter_modules(numpy_api.__path__):
        importlib.import_module(f"{numpy_api.__name__}.{module.name}")
    assert len(table.TABLE) > 250
    for function, ours in table.TABLE.items():
        assert lookup(function) is ours
        homes = numpy_api._HOMES[numpy_api._package(function)]
        assert declared_in(ours) in {f"{numpy_api.__name__}.{home}" for home in homes}, function
    assert lookup(numpy.fft.fft) is None
    assert lookup([]) is None
    assert lookup(test_every_entry_is_found) is None


def declared_in(ours):
    """The module of the function that an entry of the table calls in the end."""
    while hasattr(ours, "__wrapped__"):
        ours = ours.__wrapped__
    return (ours.func if isinstance(ours, partial) else ours).__module__
