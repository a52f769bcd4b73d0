"""NumPy, ``math`` and the builtins for traced values: one function of ours for each function of theirs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import BuiltinFunctionType, FunctionType
from typing import Any, TypeVar

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.trace.numpy_api import table
from tracejit.trace.tracer import OUTSIDE

T = TypeVar("T")

_HOMES = {
    "builtins": ["builtins", "printing"],
    "math": ["mathlib"],
    "numpy": [
        "ufuncs", "reductions", "shaping", "creation", "constructors", "joining", "products", "linalg",
        "sorting", "choosing", "grids", "counting", "contraction", "extending", "nans", "ufunc_methods", "methods",
        "by_numpy",
    ],
    "scipy": ["special"],
}  # fmt: skip
"""The modules here that declare what stands for functions and methods of theirs, those most asked for first."""

_left = {package: list(names) for package, names in _HOMES.items()}
"""Those not loaded yet."""


def lookup(function: Any) -> Callable[..., Any] | None:
    """What compiled programs call in place of ``function``; None when it has no entry (or cannot be a key)."""
    try:
        return table.TABLE.get(function) or find(table.TABLE, function, _package(function))
    except TypeError:
        return None


def find(declared: Mapping[Any, T], key: Any, package: str = "numpy") -> T | None:
    """An entry of a table, for which the modules of a package are loaded until one has declared it."""
    left = _left.get(package)
    while left and key not in declared:
        import_module(f"{__name__}.{left[0]}")
        del left[0]
    return declared.get(key)


def _package(function: Any) -> str:
    if isinstance(function, FunctionType | type) or (
        isinstance(function, BuiltinFunctionType) and not isinstance(function.__self__, np.ufunc)
    ):
        return str(function.__module__).partition(".")[0]
    if isinstance(function, np.ufunc) and getattr(np, function.__name__, None) is not function:
        special = sys.modules.get("scipy.special")
        if getattr(special, function.__name__, None) is function:
            return "scipy"
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
    for public in ("builtins", "os", *(".".join(places[:n]) for n in range(1, len(places) + 1))):
        found = getattr(sys.modules.get(public), last, None)
        if found is not None and (found == function or getattr(found, "__func__", None) is function):
            name, places = last, public.split(".")
            break
    module = ".".join(part for part in places if not part.startswith("_"))
    if module.partition(".")[0] == "numpy":
        return f"np{module.removeprefix('numpy')}.{name}"
    return f"{module}.{name}" if module not in ("", "builtins") else name
