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
import functools
import linecache
from collections.abc import Callable, Container, Iterator, Sequence
from types import CodeType, FrameType, TracebackType
from typing import Any, TypeVar

from tracejit.ir.loc import Loc

E = TypeVar("E", bound=BaseException)
F = TypeVar("F", bound=Callable[..., Any])

_PACKAGE = __name__.partition(".")[0]
_USER_PARTS = (f"{_PACKAGE}.demos",)  # part of the package, but written as a user would write it


class TracejitError(Exception):
    """Base of the errors that tracejit itself raises.

    Args:
        message: What is wrong, and why.
        hint: What to write instead.
        loc: Where; filled in by :func:`locate` when not given.
        related: Other places that matter, each with what it shows ("a float here").

    Example:
        >>> import tracejit
        >>> @tracejit.jit
        ... def f(x):
        ...     return open(x)
        >>> try:
        ...     f("file")
        ... except tracejit.TracejitError as error:
        ...     error.message, error.loc.line
        ('open would be called once, while the function is compiled, and not each time it runs', 3)
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
    """The program cannot be turned into a compiled one: unsupported syntax, or branches that disagree.

    Example:
        >>> import tracejit
        >>> @tracejit.jit
        ... def f(n):
        ...     return [k * k for k in range(n)]
        >>> f(3)
        Traceback (most recent call last):
        tracejit.errors.CaptureError: the length of this is known at run time only, so Python cannot iterate over ...
    """


class NeedsConcrete(CaptureError):
    """Python needs the value of something that is known only when the compiled program runs.

    Args:
        value: The tracer; its ``origin`` says what it is.
        what: What is needed: ``"its value as a Python int"``.

    Example:
        >>> import numpy as np, tracejit
        >>> @tracejit.jit
        ... def f(x):
        ...     return ["a", "b"][x.argmax()]
        >>> f(np.ones(2))
        Traceback (most recent call last):
        tracejit.errors.NeedsConcrete: a value computed from x is known only at run time, but Python needs ...
    """

    value: Any
    what: str

    def __init__(self, value: Any, what: str, *, hint: str | None = None, loc: Loc | None = None) -> None:
        text = value.origin.text or "a computed value"
        super().__init__(f"{text} is known only at run time, but Python needs {what} here", hint=hint, loc=loc)
        self.value = value
        self.what = what


class RecursionTooDeep(CaptureError, RecursionError):
    """Calls nest too deep while the function is compiled: often a recursion that only run-time values would end.

    Example:
        >>> import numpy as np, tracejit
        >>> @tracejit.jit
        ... def length(x):
        ...     return length(x / 2) + 1 if x.max() > 1 else 0
        >>> length(np.full(2, 8.0))
        Traceback (most recent call last):
        tracejit.errors.RecursionTooDeep: calls of Python functions nest more than 200 deep, at length: ...
    """


class UnsupportedError(TracejitError):
    """A function, argument or option that tracejit does not compile (yet).

    Example:
        >>> import numpy as np, tracejit
        >>> tracejit.jit(lambda x: x)(np.array(["text"]))
        Traceback (most recent call last):
        tracejit.errors.UnsupportedError: x is an array of dtype <U4, which tracejit does not compile
        ...
    """


class DerivativeError(TracejitError):
    """A derivative is asked for that does not exist or is not defined.

    Example:
        >>> import tracejit
        >>> tracejit.grad(lambda x: x * x)(3)
        Traceback (most recent call last):
        tracejit.errors.DerivativeError: grad of <lambda>: x is an int, and derivatives are taken with respect to ...
    """


class BatchError(TracejitError, ValueError):
    """Arguments or results that ``vmap`` cannot split into lanes or put together.

    Example:
        >>> import numpy as np, tracejit
        >>> tracejit.vmap(lambda x, y: x + y)(np.ones(3), np.ones(4))
        Traceback (most recent call last):
        tracejit.errors.BatchError: vmap of <lambda>: the numbers of lanes disagree: axis 0 of x has the length 3, ...
    """


def a(name: str) -> str:
    """``name`` with its indefinite article."""
    return f"an {name}" if name[:1].lower() in "aeiou" or name.startswith("ndarray") else f"a {name}"


def public(error: TracejitError) -> None:
    """Make ``error`` an instance of one of the classes of this module: what is caught inside may be more special."""
    if type(error).__module__.startswith(f"{_PACKAGE}."):
        error.__class__ = next(cls for cls in type(error).__mro__ if cls.__module__ == __name__)


# --- showing the user's source
# -----------------------------------------------------------------------------------------


_FIRST, _LAST = 4, 3  # how many places of a long chain of calls are shown


def show(loc: Loc, text: str = "") -> str:
    """The user's source line at ``loc`` with carets (followed by ``text``), then those of its callers."""
    places: list[tuple[Loc, int]] = []  # and how many more times
    for place in _chain(loc):
        if places and _key(places[-1][0]) == _key(place):
            places[-1] = (place, places[-1][1] + 1)
        else:
            places.append((place, 0))
    lines: list[str] = []
    left_out = len(places) - _FIRST - _LAST
    for k, (place, times) in enumerate(places):
        if left_out > 1 and _FIRST <= k < len(places) - _LAST:
            if k == _FIRST:
                lines.append(f"  ... {left_out} more calls ...")
            continue
        word = "called from" if k else "-->"
        function = f", in {place.function}" if place.function else ""
        lines.append(f"  {word} {place.file}:{place.line}{function}")
        lines.extend(_excerpt(place, "" if k else text))
        if times:
            lines.append(f"  ... and {times} more times from there ...")
    return "\n".join(lines)


def _chain(loc: Loc | None) -> Iterator[Loc]:
    """A place and those of its callers, innermost first."""
    while loc is not None:
        yield loc
        loc = loc.caller


def _key(loc: Loc) -> tuple[str, int, int | None, str]:
    return loc.file, loc.line, loc.column, loc.function


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


def is_inline(code: CodeType) -> bool:
    """Whether code is a part of an expression that the rewriting has made a function of."""
    return any("@" in name for name in code.co_varnames[: code.co_argcount])


def traceback_loc(
    tb: TracebackType | None, is_user: Callable[[FrameType], bool], caller: Loc | None = None
) -> Loc | None:
    """The place of the innermost frame of a traceback that ``is_user``, and how it was called.

    ``caller`` is how the outermost one was called; without any such frame the result is None.
    """
    loc = caller
    found = False
    while tb is not None:
        if is_user(tb.tb_frame):
            code = tb.tb_frame.f_code
            line, column, end_column = position(code, tb.tb_lasti)
            if found and loc is not None and is_inline(code):
                loc = loc.caller
            loc = Loc(code.co_filename, line or tb.tb_lineno, column, end_column, code.co_qualname, loc)
            found = True
        tb = tb.tb_next
    return loc if found else None


def locate(error: TracejitError, is_user: Callable[[FrameType], bool]) -> None:
    """Fill in where ``error`` happened, unless it knows: the innermost user frame of its traceback."""
    if error.loc is None:
        error.loc = traceback_loc(error.__traceback__, is_user)


# --- tracebacks
# --------------------------------------------------------------------------------------------------------


def is_internal(frame: FrameType) -> bool:
    """Whether a frame belongs to tracejit and not to the user."""
    name = str(frame.f_globals.get("__name__", ""))
    return (name == _PACKAGE or name.startswith(_PACKAGE + ".")) and not name.startswith(_USER_PARTS)


def user_place(frame: FrameType | None) -> Loc | None:
    """Where the user's code is that calls, by some of tracejit's own, the code of ``frame``."""
    while frame is not None and is_internal(frame):
        frame = frame.f_back
    if frame is None:
        return None
    line, column, end_column = position(frame.f_code, frame.f_lasti)
    return Loc(frame.f_code.co_filename, line or frame.f_lineno, column, end_column, frame.f_code.co_qualname)


def frames(error: BaseException) -> Iterator[FrameType]:
    """The frames of an exception's traceback, outermost first."""
    tb = error.__traceback__
    while tb is not None:
        yield tb.tb_frame
        tb = tb.tb_next


def strip_traceback(tb: TracebackType | None, files: Container[str] | None = None) -> TracebackType | None:
    """``tb`` without tracejit's own frames.

    Of what they call, only code in ``files`` is kept, when that is given: not the libraries that tracejit uses.
    """
    kept: list[TracebackType] = []
    inside = False
    while tb is not None:
        internal = is_internal(tb.tb_frame)
        inside = inside or internal
        code = tb.tb_frame.f_code
        if not internal and (not inside or files is None or code.co_filename in files):
            if is_inline(code) and kept and kept[-1].tb_frame.f_code.co_qualname == code.co_qualname:
                kept.pop()  # the function that it is a part of
            kept.append(tb)
        tb = tb.tb_next
    result: TracebackType | None = None
    for entry in reversed(kept):
        result = TracebackType(result, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return result


def stripped(error: E) -> E:
    """``error`` with tracejit's frames taken out of its traceback and of its context's."""
    files = None
    if isinstance(error, TracejitError):
        files = {place.file for place in _chain(error.loc)}
    error.__traceback__ = strip_traceback(error.__traceback__, files)
    context = error.__context__
    if isinstance(context, TracejitError):
        error.__context__ = None
    elif context is not None:
        context.__traceback__ = strip_traceback(context.__traceback__)
    return error


def cleanly(function: F) -> F:
    """``function`` without tracejit's frames in the tracebacks of what it raises."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            stripped(error)
            raise

    return wrapper  # type: ignore[return-value]


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
    end = loc.end_column
    if end is None:  # it goes on in the next line
        end = len(linecache.getline(loc.file, loc.line).rstrip().encode())
    where["end_col_offset"] = max(end, column)
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
