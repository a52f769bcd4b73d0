"""NumPy, ``math`` and the builtins for traced values: one function of ours for each function of theirs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.trace.numpy_api import table
from tracejit.trace.tracer import OUTSIDE

_HOMES = {
    "builtins": "builtins printing",
    "math": "mathlib",
    "numpy": "choosing constructors counting creation grids joining linalg methods products reductions shaping "
    "sorting ufunc_methods ufuncs",
}
"""Which modules here have the functions of which of theirs; loaded when a program uses one of these."""

_loaded: set[str] = set()


def lookup(function: Any) -> Callable[..., Any] | None:
    """What compiled programs call in place of ``function``; None when it has no entry (or cannot be a key)."""
    package = _package(function)
    if package not in _loaded:
        if package not in _HOMES:
            return None
        for name in _HOMES[package].split():
            import_module(f"{__name__}.{name}")
        _loaded.add(package)
    try:
        return table.TABLE.get(function)
    except TypeError:
        return None


def _package(function: Any) -> str:
    if isinstance(function, FunctionType | type) or (
        isinstance(function, BuiltinFunctionType) and not isinstance(function.__self__, np.ufunc)
    ):
        return str(function.__module__).partition(".")[0]
    if isinstance(function, BuiltinFunctionType | np.ufunc) or type(function).__module__.startswith("numpy"):
        return "numpy"  # also methods of ufuncs, and functions that arrays may override
    return ""


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
    """A function as the user calls it: ``np.linalg.solve``."""
    name = str(getattr(function, "__qualname__", None) or getattr(function, "__name__", repr(function)))
    if isinstance(function, np.ufunc):
        return f"np.{name}" if getattr(np, name, None) is function else f"the ufunc {name}"
    owner = type(getattr(function, "__self__", None))
    places = str(getattr(function, "__module__", None) or owner.__module__).split(".")
    last = name.rpartition(".")[2]
    for public in ("builtins", *(".".join(places[:n]) for n in range(1, len(places) + 1)), "os"):
        if getattr(sys.modules.get(public), last, None) == function:
            name, places = last, public.split(".")
            break
    module = ".".join(part for part in places if not part.startswith("_"))
    if module.partition(".")[0] == "numpy":
        return f"np{module.removeprefix('numpy')}.{name}"
    return f"{module}.{name}" if module not in ("", "builtins") else name
