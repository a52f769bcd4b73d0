"""Code that runs as it is because its source is not available: the state that it may read is guarded."""

from __future__ import annotations

import types
from typing import Any

import numpy as np

from tracejit.ir.interface import Cell, Global, Source
from tracejit.ir.types import DTYPE_NAMES
from tracejit.trace import libraries
from tracejit.trace.captures import Captures
from tracejit.trace.tracer import PYTHON_ALTERNATIVES


def guard_code(captures: Captures, function: types.FunctionType, seen: set[Any] | None = None) -> None:
    """Guard the globals and cells that ``function`` and the functions it mentions may read.

    It reads them without our knowledge, so they are guarded by identity or value.
    """
    seen = set() if seen is None else seen
    if function in seen:
        return
    seen.add(function)
    names = {n for code in _codes(function.__code__) for n in code.co_names}
    namespace = function.__globals__
    for name in sorted(names & namespace.keys()):
        _guard(captures, namespace[name], Global(namespace, name), seen)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            value = cell.cell_contents
        except ValueError:
            continue
        _guard(captures, value, Cell(cell, name), seen)


def _guard(captures: Captures, value: Any, source: Source, seen: set[Any]) -> None:
    if captures.is_ours(value):
        return
    kind = type(value)
    simple = kind in PYTHON_ALTERNATIVES or kind in (str, bytes, type(None)) or isinstance(value, np.dtype)
    captures.guard(source, "equal" if simple else "is", value)
    if kind is np.ndarray and value.dtype in DTYPE_NAMES:
        captures.see(value, source)
    if kind is types.FunctionType and not libraries.is_library_code(value.__code__):
        guard_code(captures, value, seen)


def _codes(code: types.CodeType) -> list[types.CodeType]:
    found = [code]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found.extend(_codes(constant))
    return found
