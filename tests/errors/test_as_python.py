"""Errors that are Python's and NumPy's own: the same class, text and line as without the decorator."""

from __future__ import annotations

import math
import re
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tracejit
from tests.transcripts import Program

FILE = Path(__file__).parent / "as_python.txt"
LINES = [line for line in FILE.read_text().splitlines() if line and not line.startswith("#")]


class Slotted:
    __slots__ = ("v",)


def locked(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


NAMES = {"np": np, "math": math, "types": types, "Slotted": Slotted, "locked": locked}


def seen(line: str, jit: Any, folder: Path) -> str:
    """What is seen of the program and call in a line of the file."""
    action, _, arguments = line.partition("<-")
    action = action.strip()
    names = re.findall(r"(\w+)=", re.sub(r"\([^()]*\)", "", arguments))
    try:
        compile(action, "", "eval")
    except SyntaxError:
        body = action
    else:
        body = f"return {action}"
    program = Program(folder / "program.py", names={**NAMES, "jit": jit})
    program.run(f"@jit\ndef f({', '.join(names)}):\n    {body}\n")
    return program.call(f"f({arguments.strip()})")


@pytest.mark.parametrize("line", LINES)
def test_as_python(line: str, tmp_path: Path) -> None:
    plain = seen(line, lambda function: function, tmp_path)
    assert "Error" in plain
    assert seen(line, tracejit.jit, tmp_path) == plain
