"""Files of one-line programs: what a function does, and after ``<-`` what it is called with.

``python -m tests.errors.lines`` writes into refused.txt what is said now of each program, to be read before it is
committed.
"""

from __future__ import annotations

import math
import re
import tempfile
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.special

from tests.transcripts import Program
from tracejit import jit

AS_PYTHON = Path(__file__).parent / "as_python.txt"
REFUSED = Path(__file__).parent / "refused.txt"


class Slotted:
    __slots__ = ("v",)


def locked(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


NAMES = {"np": np, "math": math, "scipy": scipy, "types": types, "Slotted": Slotted, "locked": locked}


@dataclass
class Line:
    """A program, and what follows it in the file, indented."""

    text: str
    below: str = ""

    def seen(self, decorator: Any, folder: Path) -> str:
        """What is seen of the call."""
        action, _, arguments = self.text.partition("<-")
        action = action.strip()
        names = re.findall(r"(\w+)=", re.sub(r"\([^()]*\)", "", arguments))
        try:
            compile(action, "", "eval")
        except SyntaxError:
            body = action
        else:
            body = f"return {action}"
        program = Program(folder / "program.py", names={**NAMES, "jit": decorator})
        program.run(f"@jit\ndef f({', '.join(names)}):\n    {body}\n")
        return program.call(f"f({arguments.strip()})")


def read(file: Path) -> Iterator[Line]:
    """The lines of a file that are no comments."""
    line: Line | None = None
    for text in file.read_text().splitlines():
        if text.startswith("    ") and line is not None:
            line.below += ("\n" if line.below else "") + text[4:]
        elif text and not text.startswith("#"):
            if line is not None:
                yield line
            line = Line(text)
    if line is not None:
        yield line


def without_place(seen: str) -> str:
    """What is seen, without the frame and the excerpt: they are the same for all these programs."""
    kept = [
        t for t in seen.split("\n") if not re.match(r"  at program.py:3, in f$|  --> program.py:3, in f$| +3? \|", t)
    ]
    return "\n".join(kept)


def update() -> None:
    """Write what is seen now."""
    texts = {line.text: line for line in read(REFUSED)}
    out: list[str] = []
    for text in REFUSED.read_text().splitlines():
        if text.startswith("    "):
            continue
        out.append(text)
        if text in texts:
            with tempfile.TemporaryDirectory() as folder:
                seen = without_place(texts[text].seen(jit, Path(folder)))
            out += [f"    {line}" for line in seen.split("\n")]
    REFUSED.write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    update()
