"""The files of programs/: how they are read, run and written.

A file is a list of cases. A case has a title (a line that begins with ===), a program (``np`` and ``jit`` are there
without import), and calls as at a prompt (>>>), each with what the user sees of it below.

``python -m tests.errors.cases FILE...`` (all by default) writes into the files what is seen now: to be read line by
line before it is committed. Is the cause clear, the place right, the advice good?
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.transcripts import NAMES, Program

FOLDER = Path(__file__).parent / "programs"


@dataclass
class Case:
    title: str
    program: str
    calls: list[tuple[str, str]] = field(default_factory=list)

    def run(self, folder: Path) -> list[tuple[str, str]]:
        """The calls with what is seen of them; that of the program itself belongs to the call ""."""
        program = Program(folder / "program.py", names=dict(NAMES))
        seen = [("", program.run(self.program))]
        seen += [(call, program.call(call)) for call, _ in self.calls if call]
        return [pair for pair in seen if pair != ("", "")]

    def text(self) -> str:
        parts = [f"=== {self.title}\n{self.program}\n"]
        for call, seen in self.calls:
            prompt = "\n".join((">>> " if k == 0 else "... ") + line for k, line in enumerate(call.split("\n")))
            parts.append(f"\n{prompt}\n{seen}\n" if seen else f"\n{prompt}\n")
        return "".join(parts)


def read(file: Path) -> Iterator[Case]:
    """The cases of a file."""
    for block in re.split(r"^=== ", file.read_text(), flags=re.MULTILINE)[1:]:
        title, _, rest = block.partition("\n")
        program, *calls = re.split(r"^>>>(?: |$)", rest, flags=re.MULTILINE)
        case = Case(title, program.strip("\n"))
        for text in calls:
            lines = text.split("\n")
            count = 1
            while count < len(lines) and lines[count].startswith("... "):
                count += 1
            call = "\n".join([lines[0], *(line[4:] for line in lines[1:count])])
            case.calls.append((call, "\n".join(lines[count:]).strip("\n")))
        yield case


def update(file: Path) -> None:
    """Write into the file what is seen of its cases now."""
    preamble = re.split(r"^=== ", file.read_text(), flags=re.MULTILINE)[0]
    cases = list(read(file))
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            case.calls = case.run(Path(folder))
    file.write_text(preamble + "\n\n".join(case.text() for case in cases))


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(FOLDER.glob("*.txt")):
        update(Path(name))
