"""What NumPy does with loops of its own, written as a user would write it, in Python and NumPy, and traced like that.

So these functions are compiled into the program that calls them, and everything that works for programs works for
them: derivatives, vmap, run-time shapes. What happens in them happens, for errors, at the user's call.

A routine relies on its arguments having been checked, and is trusted: its indices are in bounds and not negative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tracejit.trace.context import current


def run(routine: Callable[..., Any], *args: Any) -> Any:
    """Trace ``routine(*args)`` into the program that is being recorded."""
    return _traced(routine, args, {}, True)


def run_library(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Trace a call of a function of NumPy that is written in Python, all of whose indices are checked."""
    return _traced(function, args, kwargs, False)


def _traced(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], trusted: bool) -> Any:
    from tracejit.trace import calls

    context = current()
    before = context.in_routine, context.trusted
    context.in_routine, context.trusted = True, trusted
    try:
        return calls.routine(function)(*args, **kwargs)
    finally:
        context.in_routine, context.trusted = before
