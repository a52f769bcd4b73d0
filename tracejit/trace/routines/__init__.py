"""What NumPy does with loops of its own, written as a user would write it, in Python and NumPy, and traced like that.

So these functions are compiled into the program that calls them, and everything that works for programs works for
them: derivatives, vmap, run-time shapes. What happens in them happens, for errors, at the user's call.

A routine relies on its arguments having been checked, and is trusted: its indices are in bounds and not negative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracejit.trace.context import current


def run(routine: Callable[..., Any], *args: Any) -> Any:
    """Trace ``routine(*args)`` into the program that is being recorded."""
    from tracejit.trace import calls

    context = current()
    before = context.trusted
    context.trusted = True
    try:
        return calls.routine(routine)(*args)  # type: ignore[arg-type]
    finally:
        context.trusted = before
