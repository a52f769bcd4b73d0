import importlib
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import tracejit
from tracejit.cli import duration, main
from tracejit.demos import program
from tracejit.demos.comparison import compare
from tracejit.errors import TracejitError


def run_demo(monkeypatch, jit, *arguments):
    monkeypatch.setattr(tracejit, "jit", jit, raising=False)
    return CliRunner().invoke(main, ["demo", "--size", "tiny", *arguments], env={"COLUMNS": "160"})


def unchanged(function):
    return function


def off_by_a_little(function):
    def wrong(*arguments):
        return function(*arguments) + 1e-6

    return wrong


def refusing(function):
    def refuse(*arguments):
        raise TracejitError("loops are [not] supported")

    return refuse


def test_demo_shows_equal_answers(monkeypatch):
    done = run_demo(monkeypatch, unchanged)
    assert done.exit_code == 0, done.output
    assert "25 of 25 programs give plain Python's answer" in done.output
    assert "levenshtein" in done.output
    assert "NO" not in done.output


def test_demo_fails_on_a_different_answer(monkeypatch):
    done = run_demo(monkeypatch, off_by_a_little, "heat", "iir_filter")
    assert done.exit_code == 1
    assert "NO (" in done.output
    assert "0 of 2 programs" in done.output


def test_demo_fails_on_an_error_and_shows_it(monkeypatch):
    done = run_demo(monkeypatch, refusing, "sieve")
    assert done.exit_code == 1
    assert "error" in done.output
    assert "loops are [not] supported" in done.output
    assert "0 of 1 programs" in done.output


def test_demo_names_the_programs_it_knows(monkeypatch):
    done = run_demo(monkeypatch, unchanged, "siev")
    assert done.exit_code == 2
    assert "no demo program is called 'siev'" in done.output
    assert "sieve" in done.output


def test_other_exceptions_are_not_swallowed(monkeypatch):
    done = run_demo(monkeypatch, lambda function: 1 / 0, "sieve")
    assert isinstance(done.exception, ZeroDivisionError)


def test_comparison_sees_written_arguments():
    def on_copies(function):
        return lambda *arguments: function(*(np.copy(a) if isinstance(a, np.ndarray) else a for a in arguments))

    assert compare(program("heat"), unchanged, "tiny", 1).equal
    assert not compare(program("heat"), on_copies, "tiny", 1).equal


def test_comparison_sees_a_later_call_that_differs():
    def first_call_only(function):
        calls = []

        def wrong(*arguments):
            calls.append(None)
            return function(*arguments) + (len(calls) > 1)

        return wrong

    comparison = compare(program("iir_filter"), first_call_only, "tiny", 1)
    assert comparison.difference > 0.1
    assert not comparison.equal
    assert comparison.speedup > 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (12.0, "12 s"), (1.5e-3, "1.5 ms"), (999e-6, "999 µs"), (3.21e-8, "32.1 ns")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_help_does_not_load_the_compiler_or_rich():
    code = "import sys, tracejit.cli; print([m for m in ('llvmlite', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_line_tool_is_the_module():
    assert importlib.import_module("tracejit.cli").main is main
    done = subprocess.run(
        [sys.executable, "-m", "tracejit.cli", "demo", "--help"], capture_output=True, text=True, check=True
    )
    assert "[PROGRAM]..." in done.stdout
