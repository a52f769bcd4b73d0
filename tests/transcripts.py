"""Programs as a user would write them in a file, and what the user sees of them: output, results, errors.

A program is a file of its own on disk. An error is shown as Python shows it, with simplifications that make the text
the same for every supported Python: frames are one line each, those of libraries and folders are left out.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import re
import sys
import traceback
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tracejit
from tracejit import jit

_LIBRARY = re.compile(r"/(?:site-packages|lib/python3\.\d+)/|^<frozen ")
_OURS = str(Path(tracejit.__file__).parent)
_ENDS = 4  # how many frames at both ends of a long traceback are shown


class Program:
    """A user's module in ``file``; calls are evaluated in its namespace, as if typed at a prompt.

    Args:
        file: Where its source goes.
        names: What is in its namespace from the start.
        frames: Whether the frames of a traceback are shown.
    """

    def __init__(self, file: Path, names: dict[str, Any] | None = None, frames: bool = True) -> None:
        self.module = types.ModuleType(file.stem)
        self.names = self.module.__dict__
        self.names.update(names or {})
        self._folders: set[Path] = set()
        self.begin(file)
        self._shows_frames = frames

    def begin(self, file: Path) -> None:
        """Go on in another file."""
        self.file = file
        self._folders.add(file.parent)
        self.module.__file__ = str(file)
        self._lines: list[str] = []

    def run(self, source: str) -> str:
        """Append ``source`` to the file and run it. Gives what is seen of it."""
        blank = "\n" * len(self._lines)
        self._lines += source.rstrip("\n").split("\n")
        self.file.write_text("\n".join(self._lines) + "\n")
        linecache.checkcache(str(self.file))
        code = compile(blank + source, str(self.file), "exec")
        return self._seen(lambda: exec(code, self.names))

    def call(self, expression: str) -> str:
        """What is seen when an expression or statement is typed at the prompt."""
        try:
            code = compile(expression, "<call>", "eval")
        except SyntaxError:
            code = compile(expression, "<call>", "exec")

        def evaluate() -> None:
            result = eval(code, self.names)
            if result is not None:
                print(repr(result))

        return self._seen(evaluate)

    def _seen(self, action: Callable[[], None]) -> str:
        out = io.StringIO()
        sys.modules[self.module.__name__] = self.module
        with contextlib.redirect_stdout(out), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                action()
            except Exception as error:
                frames = self._frames(error) if self._shows_frames else []
                out.write("\n".join([*frames, *self._message(error)]))
        del sys.modules[self.module.__name__]
        for warning in caught:
            out.write(f"\n{warning.category.__name__}: {warning.message}")
        return self._plain(out.getvalue()).strip("\n")

    def _frames(self, error: BaseException) -> list[str]:
        """One line per frame of the user's; that there are some of tracejit's would show."""
        shown = []
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename in (__file__, "<call>"):
                continue
            if frame.filename.startswith(_OURS):
                if shown[-1:] != ["  inside tracejit"]:
                    shown.append("  inside tracejit")
                continue
            if _LIBRARY.search(frame.filename):
                continue
            where = f"{frame.filename}:{frame.lineno}"
            shown.append(f"  at {where}, in {frame.name}" if frame.name != "<module>" else f"  at {where}")
        left_out = len(shown) - 2 * _ENDS
        return shown if left_out < 2 else [*shown[:_ENDS], f"  ... {left_out} more ...", *shown[-_ENDS:]]

    def _message(self, error: BaseException) -> list[str]:
        """Type, text, notes, and what Python would show of the exceptions behind it."""
        notes: list[str] = list(getattr(error, "__notes__", ()))
        text = str(error)
        lines = [f"{type(error).__name__}: {text}" if text else type(error).__name__, *notes]
        if error.__cause__ is not None:
            lines += ["caused by " + line if k == 0 else line for k, line in enumerate(self._message(error.__cause__))]
        elif error.__context__ is not None and not error.__suppress_context__:
            lines += ["while " + line if k == 0 else line for k, line in enumerate(self._message(error.__context__))]
        return lines

    def _plain(self, text: str) -> str:
        """``text`` without the folders of the program."""
        for folder in sorted(map(str, self._folders), reverse=True):
            text = text.replace(f"{folder}/", "")
        return text


NAMES = {"np": np, "jit": jit}
"""What programs of the error tests need not import."""
