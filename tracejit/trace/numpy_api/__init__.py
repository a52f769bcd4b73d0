"""NumPy, ``math`` and the builtins for traced values: one function of ours for each function of theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.trace.numpy_api import table

_MODULES = (
    "builtins choosing constructors creation joining mathlib methods printing products reductions shaping "
    "ufunc_methods ufuncs"
)
_table: dict[Any, Callable[..., Any]] = {}

OUTSIDE = "call it outside of the compiled function, and pass in what it gives"
"""What to write instead of a call that is not compiled."""


def lookup(function: Any) -> Callable[..., Any] | None:
    """What compiled programs call in place of ``function``; None when it has no entry (or cannot be a key)."""
    if not _table:
        for name in _MODULES.split():
            import_module(f"{__name__}.{name}")
        _table.update(table.TABLE)
    try:
        return _table.get(function)
    except TypeError:
        return None


def call_function(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """``function(*args, **kwargs)`` for a NumPy function that met a traced value.

    Raises:
        UnsupportedError: It has no entry.
    """
    ours = lookup(function)
    if ours is None:
        raise UnsupportedError(f"{name_of(function)} is not supported yet", hint=OUTSIDE)
    return ours(*args, **kwargs)


def name_of(function: Any) -> str:
    """A NumPy function as the user calls it: ``np.linalg.solve``."""
    name = str(getattr(function, "__qualname__", None) or getattr(function, "__name__", repr(function)))
    module = str(getattr(function, "__module__", None) or "").lstrip("_")
    if isinstance(function, np.ufunc):
        return f"np.{name}" if getattr(np, name, None) is function else f"the ufunc {name}"
    if module == "numpy" or module.startswith("numpy."):
        return f"np{module.removeprefix('numpy')}.{name}"
    return f"{module}.{name}" if module not in ("", "builtins") else name
