"""One-line programs: errors that are Python's and NumPy's own, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.errors.lines import AS_PYTHON, REFUSED, Line, read, without_place
from tracejit import jit


def identify(line: Line) -> str:
    return line.text


@pytest.mark.parametrize("line", read(AS_PYTHON), ids=identify)
def test_as_python(line: Line, tmp_path: Path) -> None:
    """The same class, text and line as without the decorator."""
    plain = line.seen(lambda function: function, tmp_path)
    assert "Error" in plain
    assert line.seen(jit, tmp_path) == plain


@pytest.mark.parametrize("line", read(REFUSED), ids=identify)
def test_refused(line: Line, tmp_path: Path) -> None:
    """Plain Python has an answer; compiled code says what it does not do, at the line, and what to write instead."""
    assert "Error" not in line.seen(lambda function: function, tmp_path)
    seen = line.seen(jit, tmp_path)
    assert without_place(seen) == line.below
    assert "\n  --> program.py:3, in f\n" in seen and "write instead: " in seen
