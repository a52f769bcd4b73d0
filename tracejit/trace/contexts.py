"""``with`` and ``try`` in compiled programs: allowed where what they do is done by the time the program is compiled."""

from __future__ import annotations

import contextlib
import sys
import types
import warnings
from typing import Any

import numpy as np

from tracejit.errors import CaptureError, TracejitError
from tracejit.trace import libraries
from tracejit.trace.control import TryScope, Unreachable, cannot_catch, control
from tracejit.trace.samples import type_text
from tracejit.trace.tracer import Tracer

_HARMLESS = (np.errstate, warnings.catch_warnings, contextlib.nullcontext)


def manager(given: Any) -> Any:
    """The context manager of a ``with`` statement, if it may be used."""
    kind = type(given)
    if isinstance(given, Tracer):
        raise TypeError(f"{type_text(given)!r} object does not support the context manager protocol")
    if isinstance(given, np.errstate):
        for what in ("divide", "over", "under", "invalid", "all"):
            if _errstate_options(given).get(what) in ("raise", "call", "print", "log"):
                raise CaptureError(
                    "np.errstate that does more than ignore or warn is not supported in compiled code",
                    hint="a test of the result: np.isnan, np.isinf",
                )
        return given
    if isinstance(given, _HARMLESS):
        return given
    enter, leave = getattr(kind, "__enter__", None), getattr(kind, "__exit__", None)
    if enter is None or leave is None:
        raise TypeError(f"{kind.__name__!r} object does not support the context manager protocol")
    if isinstance(enter, types.FunctionType) and isinstance(leave, types.FunctionType):
        if not libraries.is_library_code(enter.__code__) and not libraries.is_library_code(leave.__code__):
            return _Converted(given)
    raise CaptureError(
        f"a {kind.__name__} would be entered and left once, while the function is compiled, and not each time it runs",
        hint="the 'with' around the call of the compiled function",
    )


def _errstate_options(given: Any) -> dict[str, Any]:
    options = getattr(given, "kwargs", None) or {}
    if not options:
        slots = {n: getattr(given, f"_{n}", None) for n in ("all", "divide", "over", "under", "invalid")}
        options = {n: v for n, v in slots.items() if isinstance(v, str)}
    return dict(options)


class _Converted:
    """A context manager of the user's, whose methods are compiled."""

    def __init__(self, given: Any) -> None:
        self._given = given

    def __enter__(self) -> Any:
        from tracejit.trace import calls

        self._token = enter_try(True, ())
        return calls.call(type(self._given).__enter__, (self._given,), {})

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> Any:
        from tracejit.trace import calls

        if kind is not None:
            return False
        leave_try(self._token)
        calls.call(type(self._given).__exit__, (self._given, None, None, None), {})
        return False


def enter_try(has_finally: bool, kinds: tuple[Any, ...]) -> TryScope:
    """A ``try`` begins; ``kinds`` are what its handlers catch (None: everything)."""
    c = control()
    catches: list[type[BaseException]] = []
    for kind in kinds:
        if kind is None:
            catches.append(BaseException)
        else:
            catches.extend(kind if isinstance(kind, tuple) else (kind,))
    if has_finally:
        catches.append(BaseException)
    block = c.context.builder.block
    scope = TryScope(block, len(block.ops), tuple(catches), c.context.here(), not kinds)
    c.tries.append(scope)
    return scope


def leave_try(scope: TryScope) -> None:
    """The body of a ``try`` is done: nothing recorded in it may raise what it catches."""
    c = control()
    while c.tries and c.tries.pop() is not scope:
        pass
    for op in scope.block.ops[scope.start :]:
        for inner in op.walk():
            if inner.name == "check" and _may_catch(scope, inner.attrs["exception"]):
                raise cannot_catch(inner.attrs["exception"], inner.loc, scope)


def _may_catch(scope: TryScope, kind: type[BaseException]) -> bool:
    return any(issubclass(kind, t) or issubclass(t, kind) for t in scope.catches)


def handle(scope: TryScope) -> None:
    """A handler of the user's begins: exceptions of the tracing itself are not for it."""
    c = control()
    while c.tries and c.tries[-1] is not scope:
        c.tries.pop()
    if c.tries:
        c.tries.pop()
    error = sys.exception() if sys.version_info >= (3, 11) else sys.exc_info()[1]
    if isinstance(error, TracejitError | Unreachable):
        raise error
