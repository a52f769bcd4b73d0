"""The routine that binds keywords natively is made when a call first needs it: that call is bound by Python."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import numpy as np
import tracejit
from tracejit.codegen import support

def refuse(*args, **kwargs):
    raise AssertionError("not bound natively")

def natively(f, *args, **kwargs):
    slow, f.slow = f.slow, refuse
    try:
        return f(*args, **kwargs)
    finally:
        f.slow = slow

@tracejit.jit
def f(x, y=2.0):
    return x - y

x = np.arange(3.0)
assert (f(x, 5.0) == x - 5).all()
assert (natively(f, x, 7.0) == x - 7).all()
assert support._bind_cell.value is None, "positional calls do not need it"
FIRST
assert (natively(f, x, y=4.0) == x - 4).all()
assert (natively(f, y=4.0, x=x) == x - 4).all()
assert (natively(f, x, 1.0) == x - 1).all()
"""


def run(program: str, folder: Path) -> None:
    source = folder / "program.py"
    source.write_text(program)
    done = subprocess.run([sys.executable, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("call", ["f(x, y=3.0)", "f(y=3.0, x=x)"])
def test_keywords_first(call: str, tmp_path: Path) -> None:
    run(PROGRAM.replace("FIRST", f"assert ({call} == x - 3).all()"), tmp_path)


def test_defaults_first(tmp_path: Path) -> None:
    run(PROGRAM.replace("FIRST", "assert (f(x) == natively(f, x)).all() and f(x)[0] == -2"), tmp_path)


def test_keyword_only_parameters_need_it_at_once(tmp_path: Path) -> None:
    run(
        "import tracejit\n"
        "@tracejit.jit\n"
        "def f(x, *, k=3):\n"
        "    return x * k\n"
        "@tracejit.jit\n"
        "def g(*xs, k=3):\n"
        "    return xs[0] * k\n"
        "assert [f(2), f(2, k=5), g(1, 2), g(1, 2, k=4)] == [6, 10, 3, 4]\n",
        tmp_path,
    )
