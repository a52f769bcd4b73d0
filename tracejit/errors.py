"""The exception family, how errors are shown at the user's source, and tracebacks that lead there.

An error says what is wrong, why, and what to write instead; it shows the user's line with a caret, and the lines of the
callers when the code was a helper inlined into another function::

    CaptureError: 'y' is a float64 array in one branch and a tuple in the other
      --> model.py:12, in forward
       12 |         y = x * 2
          |         ^^^^^^^^^
    write instead: ...

Places are found where the error leaves the front end (:func:`locate`), so that code which raises need not know them.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FrameType, TracebackType
from typing import Any, TypeVar

from tracejit.ir.loc import Loc

E = TypeVar("E", bound=BaseException)

_PACKAGE = __name__.partition(".")[0]
_USER_PARTS = (f"{_PACKAGE}.demos",)  # part of the package, but written as a user would write it


class TracejitError(Exception):
    """Base of the errors that tracejit itself raises.

    Args:
        message: What is wrong, and why.
        hint: What to write instead.
        loc: Where; filled in by :func:`locate` when not given.
        related: Other places that matter, each with what it shows ("a float here").
    """

    message: str
    hint: str | None
    loc: Loc | None
    related: tuple[tuple[Loc, str], ...]

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        loc: Loc | None = None,
        related: Sequence[tuple[Loc, str]] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.loc = loc
        self.related = tuple(related)

    def __str__(self) -> str:
        parts = [self.message]
        if self.loc is not None:
            parts.append(show(self.loc))
        for loc, text in self.related:
            parts.append(show(loc, text))
        if self.hint:
            parts.append(f"write instead: {self.hint}")
        return "\n".join(parts)


class CaptureError(TracejitError):
    """The program cannot be turned into a compiled one: unsupported syntax, or branches that disagree."""


class NeedsConcrete(CaptureError):
    """Python needs the value of something that is known only when the compiled program runs.

    Args:
        value: The tracer; its ``origin`` says what it is.
        what: What is needed: ``"its value as a Python int"``.
    """

    value: Any
    what: str

    def __init__(self, value: Any, what: str, *, hint: str | None = None, loc: Loc | None = None) -> None:
        text = value.origin.text or "a value computed from traced values"
        super().__init__(f"Python needs {what} here, but {text} is known only at run time", hint=hint, loc=loc)
        self.value = value
        self.what = what


class UnsupportedError(TracejitError):
    """A function or option that tracejit does not compile (yet)."""


class DerivativeError(TracejitError):
    """A derivative is asked for that does not exist or is not defined."""


# --- showing the user's source -----------------------------------------------------------------------------------------


def show(loc: Loc, text: str = "") -> str:
    """The user's source line at ``loc`` with carets (followed by ``text``), then those of its callers."""
    lines: list[str] = []
    place: Loc | None = loc
    while place is not None:
        word = "-->" if place is loc else "called from"
        function = f", in {place.function}" if place.function else ""
        lines.append(f"  {word} {place.file}:{place.line}{function}")
        lines.extend(_excerpt(place, text if place is loc else ""))
        place = place.caller
    return "\n".join(lines)


def _excerpt(loc: Loc, text: str) -> Iterator[str]:
    source = linecache.getline(loc.file, loc.line).rstrip("\n")
    if not source.strip():
        if text:
            yield f"      {text}"
        return
    number = f"{loc.line:>5}"
    yield f"{number} | {source}"
    # co_positions and ast count UTF-8 bytes; the caret stands under characters
    raw = source.encode()
    indent = len(source) - len(source.lstrip())
    start = indent if loc.column is None else len(raw[: loc.column].decode(errors="replace"))
    end = len(source) if loc.end_column is None else len(raw[: loc.end_column].decode(errors="replace"))
    carets = "^" * max(1, end - start)
    gap = "".join("\t" if c == "\t" else " " for c in source[:start])
    yield f"{' ' * len(number)} | {gap}{carets}{' ' + text if text else ''}"


def position(code: CodeType, lasti: int) -> tuple[int | None, int | None, int | None]:
    """Line, column and end column of an instruction (the end column only when it is on the same line)."""
    for k, (line, end_line, column, end_column) in enumerate(code.co_positions()):
        if k == lasti // 2:
            return line, column, end_column if end_line == line else None
    return None, None, None


def traceback_loc(tb: TracebackType | None, is_user: Callable[[FrameType], bool]) -> Loc | None:
    """The place of the innermost frame of a traceback that ``is_user``, and how it was called."""
    loc: Loc | None = None
    while tb is not None:
        if is_user(tb.tb_frame):
            code = tb.tb_frame.f_code
            line, column, end_column = position(code, tb.tb_lasti)
            loc = Loc(code.co_filename, line or tb.tb_lineno, column, end_column, code.co_qualname, loc)
        tb = tb.tb_next
    return loc


def locate(error: TracejitError, is_user: Callable[[FrameType], bool]) -> None:
    """Fill in where ``error`` happened, unless it knows: the innermost user frame of its traceback."""
    if error.loc is None:
        error.loc = traceback_loc(error.__traceback__, is_user)


# --- tracebacks --------------------------------------------------------------------------------------------------------


def is_internal(frame: FrameType) -> bool:
    """Whether a frame belongs to tracejit and not to the user."""
    name = str(frame.f_globals.get("__name__", ""))
    return (name == _PACKAGE or name.startswith(_PACKAGE + ".")) and not name.startswith(_USER_PARTS)


def strip_traceback(tb: TracebackType | None, drop: Callable[[FrameType], bool] = is_internal) -> TracebackType | None:
    """``tb`` without the frames that ``drop`` names (tracejit's own)."""
    kept: list[TracebackType] = []
    while tb is not None:
        if not drop(tb.tb_frame):
            kept.append(tb)
        tb = tb.tb_next
    result: TracebackType | None = None
    for entry in reversed(kept):
        result = TracebackType(result, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return result


def stripped(error: E) -> E:
    """``error`` with tracejit's frames taken out of its traceback and of its context's."""
    error.__traceback__ = strip_traceback(error.__traceback__)
    context = error.__context__
    if isinstance(context, TracejitError):
        error.__context__ = None
    elif context is not None:
        context.__traceback__ = strip_traceback(context.__traceback__)
    return error


def runtime_error(exception: E, loc: Loc) -> E:
    """``exception`` with a traceback as if it had been raised at ``loc`` (and called from its callers).

    Compiled code has no Python frames; these are made of code objects that carry the user's file, function and line.
    """
    step: Any = _place(loc, "raise", {"error": exception})
    caller = loc.caller
    while caller is not None:
        step = _place(caller, "call", {"run": exec, "step": step, "names": {"__name__": "<compiled>"}})
        caller = caller.caller
    try:
        exec(step[0], step[1])
    except BaseException as error:
        assert error is exception
        tb = error.__traceback__
        assert tb is not None
        exception.__traceback__ = tb.tb_next  # without this function's frame
    return exception


def _place(loc: Loc, kind: str, names: dict[str, Any]) -> tuple[CodeType, dict[str, Any]]:
    where: dict[str, int] = {"lineno": loc.line, "end_lineno": loc.line}
    column = 0 if loc.column is None else loc.column
    where["col_offset"] = column
    where["end_col_offset"] = column if loc.end_column is None else loc.end_column
    source = "raise error" if kind == "raise" else "run(*step)"
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for field, number in where.items():
            if field in node._attributes:
                setattr(node, field, number)
    code = compile(tree, loc.file, "exec")
    function = loc.function.rpartition(".")[2] or "<compiled>"
    code = code.replace(co_name=function, co_qualname=loc.function or function)
    return code, {"__name__": "<compiled>", **names}
