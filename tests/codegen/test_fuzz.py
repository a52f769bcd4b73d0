"""Random programs in native code against the interpreter, in a process of their own: bad IR would end it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(first: int, count: int) -> None:
    command = [sys.executable, "-m", "tests.codegen.fuzz", str(first), str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    seeds = done.stdout.split()
    assert done.returncode == 0, f"program {seeds[-1:]} (exit status {done.returncode}):\n{done.stderr[-6000:]}"


def test_random_programs() -> None:
    run(0, 80)


@pytest.mark.nightly
def test_many_random_programs() -> None:
    """``TRACEJIT_FUZZ`` programs (5000), from a different start on every day of the year."""
    import datetime

    run(100_000 * datetime.date.today().timetuple().tm_yday, int(os.environ.get("TRACEJIT_FUZZ", "5000")))
