"""Errors that come from around a program: Ctrl-C, a broken output, threads, fork, the stack, the environment."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from tests.errors.lines import NAMES
from tests.transcripts import Program
from tracejit import jit

ROOT = Path(__file__).parents[2]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path / "program.py", names={**NAMES, "jit": jit})


def frames(error: BaseException) -> list[str]:
    """The frames of a traceback from the user's program on, one line each."""
    found = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)]
    return [text for text in found if not text.startswith(f"{Path(__file__).name}:")]


# --- Ctrl-C ---------------------------------------------------------------------------------------


@contextmanager
def ctrl_c_after(seconds: float) -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_ctrl_c_in_a_compiled_loop(program: Program) -> None:
    program.run("""
@jit
def spin(x):
    k = 0
    while x[0] >= 0:
        x[1] += 1
        k = (k + 1) % 1000
    return k
""")
    spin, x = program.names["spin"], np.zeros(2)
    assert spin(np.array([-1.0, 0.0])) == 0
    with pytest.raises(KeyboardInterrupt) as caught, ctrl_c_after(0.3):
        spin(x)
    assert frames(caught.value) == []
    assert x[1] > 0  # what was done is there
    assert spin(np.array([-1.0, 0.0])) == 0  # and the function can be called again


def test_ctrl_c_while_tracing_and_compiling(program: Program) -> None:
    program.run("""
def long(x):
    for k in range(900):
        x = {0: x * k, 1: x + k}[k % 2]
    return x
""")
    plain = program.names["long"](1.0)
    for seconds in (0.02, 0.05, 0.1, 0.2):
        compiled = jit(program.names["long"])
        try:
            with ctrl_c_after(seconds):
                assert compiled(1.0) == plain
        except KeyboardInterrupt as error:
            assert not [f for f in frames(error) if "/tracejit/" in f]
        assert compiled(1.0) == plain


# --- what is called back --------------------------------------------------------------------------


class Broken:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def write(self, text: str) -> int:
        self.texts.append(text)
        if "2" in text:
            raise OSError("disk full")
        return len(text)

    def flush(self) -> None: ...


def test_an_output_that_fails(program: Program) -> None:
    program.run("""
def report(x, k):
    x[k] = 1
    print("step", k)

@jit
def f(x):
    for k in range(len(x)):
        report(x, k)
""")
    for function in (program.names["f"].__wrapped__, program.names["f"]):
        x, output = np.zeros(5), Broken()
        with pytest.raises(OSError, match="disk full") as caught, redirect_stdout(output):  # type: ignore[type-var]
            function(x)
        assert x.tolist() == [1, 1, 1, 0, 0] and "".join(output.texts) == "step 0\nstep 1\nstep 2"
        shown = [text for text in frames(caught.value) if text.startswith("program.py")]
        assert shown == ["program.py:9 f", "program.py:4 report"]
        assert caught.value.__context__ is None and not caught.value.__suppress_context__


# --- threads and processes ------------------------------------------------------------------------

RAISING = """
def check(x, i):
    return x[i]

@jit
def f(x, i):
    total = 0.0
    for k in range(50):
        total += check(x, i + k)
    return total
"""


def test_each_thread_has_its_own_error(program: Program) -> None:
    program.run(RAISING)
    f, x = program.names["f"], np.zeros(40)
    errors: dict[int, BaseException] = {}
    barrier = threading.Barrier(8)

    def work(i: int) -> None:
        barrier.wait(30)
        for _ in range(50):
            with pytest.raises(IndexError) as caught:
                f(x[: 30 + i], 2 * i)
            errors[i] = caught.value

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(8):
        size = 30 + i
        assert str(errors[i]) == f"index {size} is out of bounds for axis 0 with size {size}"
        assert frames(errors[i]) == ["program.py:9 f", "program.py:3 check"]


def test_errors_in_a_forked_process(program: Program) -> None:
    program.run(RAISING)
    f, x = program.names["f"], np.zeros(40)
    with pytest.raises(IndexError):
        f(x, 0)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            f(x, 1)
        except IndexError as error:
            os.write(writer, pickle.dumps((str(error), frames(error))))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    assert told == ("index 40 is out of bounds for axis 0 with size 40", ["program.py:9 f", "program.py:3 check"])


def test_compiling_deep_in_the_stack(program: Program) -> None:
    program.run("""
def deep(n, function, x):
    return function(x) if n == 0 else deep(n - 1, function, x)

def f(x):
    if x > 0:
        return x * 2
    return -x
""")
    deep, f = program.names["deep"], program.names["f"]
    for room in (5, 20, 60, 200):
        depth = sys.getrecursionlimit() - len(traceback.extract_stack()) - room
        compiled = jit(f)
        try:
            assert deep(depth, compiled, 2.0) == 4.0
        except RecursionError:
            assert compiled(2.0) == 4.0


# --- the environment ------------------------------------------------------------------------------


def run(source: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("TRACEJIT_SHAPES", "fixed", "expected one of auto, static, dynamic"),
        ("TRACEJIT_MAX_VERSIONS", "many", "expected a positive whole number"),
        ("TRACEJIT_MAX_UNROLL", "0", "expected a positive whole number"),
        ("TRACEJIT_LOG", "everything", "unknown topic 'everything'; expected compile, passes, ir or all"),
        ("TRACEJIT_DISABLE", "perhaps", "expected 0 or 1"),
    ],
)
def test_environment_variables_with_bad_values(variable: str, value: str, why: str) -> None:
    done = run("import tracejit\n@tracejit.jit\ndef f(x): return x\n", **{variable: value})
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[-1] == f"ValueError: environment variable {variable}={value!r}: {why}"
    assert not [line for line in lines if "tracejit/" in line]


def test_disabled_functions_run_as_they_are() -> None:
    source = "import tracejit\n@tracejit.jit\ndef f(n):\n    yield from range(n)\nprint(list(f(3)), f.explain())\n"
    done = run(source, TRACEJIT_DISABLE="1")
    assert done.stdout == "[0, 1, 2] f: not compiled yet\n", done.stderr


def test_source_that_only_the_command_line_has() -> None:
    source = (
        "import tracejit\n@tracejit.jit\ndef f(x):\n    if x > 0:\n        return x\n    return -x\nprint(f(-3.0))\n"
    )
    done = run(source)
    if sys.version_info >= (3, 13):  # from there on, Python keeps what -c was given
        assert done.stdout == "3.0\n", done.stderr
    else:
        assert "branches and loops on such values are not compiled in this function, because" in done.stderr
        assert "write instead: the function in a file or a notebook cell" in done.stderr


@pytest.mark.parametrize("arguments", [["demo", "nothing"], ["demo", "--size", "huge"], ["nothing"]])
def test_command_line(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "tracejit.cli", *arguments]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ")
