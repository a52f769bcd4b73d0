"""Sources and guards evaluated in Python: what the entry point does natively, for people, reports and tests."""

from __future__ import annotations

import builtins
import types
from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.ir.interface import (
    Argument,
    ArrayInput,
    Attribute,
    Cell,
    Global,
    Guard,
    Input,
    Item,
    Program,
    Same,
    Source,
    describe,
)
from tracejit.runtime.signature import exact, fits_int64, native_dtype


class Missing:
    """What :func:`evaluate` gives where there is no such object any more."""


MISSING = Missing()


def evaluate(source: Source, values: Sequence[Any]) -> Any:
    """The object at ``source`` now, for a call whose parameters have ``values``; :data:`MISSING` if there is none."""
    match source:
        case Argument(index, _):
            return values[index] if index < len(values) else MISSING
        case Global(namespace, name):
            if name in namespace:
                return namespace[name]
            inner = namespace.get("__builtins__", builtins)
            return (inner.__dict__ if isinstance(inner, types.ModuleType) else inner).get(name, MISSING)
        case Cell(cell, _):
            try:
                return cell.cell_contents
            except ValueError:
                return MISSING
        case Attribute(base, name):
            owner = evaluate(base, values)
            return MISSING if owner is MISSING else getattr(owner, name, MISSING)
        case Item(base, key):
            container = evaluate(base, values)
            try:
                return container[key]
            except (LookupError, TypeError):
                return MISSING
    raise AssertionError(source)


def root(source: Source) -> Source:
    """Where the path of a source begins."""
    while isinstance(source, (Attribute, Item)):
        source = source.base
    return source


def holds(guard: Guard, value: Any) -> bool:
    """Whether ``value`` satisfies a guard."""
    match guard.condition:
        case "is":
            return value is guard.value
        case "type":
            return type(value) is guard.value
        case "equal":
            return type(value) is type(guard.value) and exact(value) == exact(guard.value)
        case "container":
            if type(value) is not type(guard.value) or len(value) != len(guard.value):
                return False
            return not isinstance(value, dict) or [*map(_key, value)] == [*map(_key, guard.value)]


def _key(key: Any) -> Any:
    return type(key), key


def guard_text(guard: Guard) -> str:
    """A guard as a sentence: ``SCALE == 2.0``."""
    place = describe(guard.source)
    match guard.condition:
        case "is":
            name = (
                getattr(guard.value, "__qualname__", None)
                or getattr(guard.value, "__name__", None)
                or repr(guard.value)
            )
            return f"{place} is {name}"
        case "type":
            return f"type({place}) is {guard.value.__name__}"
        case "equal":
            return f"{place} == {guard.value!r}"
        case "container":
            kind = type(guard.value).__name__
            return (
                f"{place} is a {kind} with keys {list(guard.value)}"
                if kind == "dict"
                else f"{place} is a {kind} of {len(guard.value)}"
            )


def misfit(program: Program, values: Sequence[Any]) -> str | None:
    """The first condition of a program that a call with these parameter values does not meet, or None."""
    for guard in program.guards:
        if not holds(guard, evaluate(guard.source, values)):
            return guard_text(guard)
    symbols: dict[str, int] = {}
    objects = [evaluate(i.source, values) for i in program.inputs]
    for i, value in zip(program.inputs, objects):
        wrong = _input_misfit(i, value, symbols)
        if wrong is not None:
            return wrong
    for relation in program.relations:
        a, b = objects[relation.a], objects[relation.b]
        names = f"{describe(program.inputs[relation.a].source)} and {describe(program.inputs[relation.b].source)}"
        if isinstance(relation, Same):
            if a is not b:
                return f"{names} are one array"
        elif np.may_share_memory(a, b):
            return f"{names} do not overlap in memory"
    return None


def _input_misfit(i: Input, value: Any, symbols: dict[str, int]) -> str | None:
    place = describe(i.source)
    if not isinstance(i, ArrayInput):
        if i.kind == "numpy":
            return None if type(value) is i.dtype.type else f"{place} is a numpy.{i.dtype.name}"
        python = {"b": bool, "i": int, "f": float, "c": complex}[i.dtype.kind]
        if type(value) is not python or not fits_int64(value):
            return f"{place} is a Python {python.__name__}"
        return None
    if type(value) is not np.ndarray or native_dtype(value.dtype) != i.dtype or value.ndim != len(i.shape):
        return f"{place} is a {i.dtype} array of {len(i.shape)} dimensions"
    if not all((symbols.setdefault(d, n) if isinstance(d, str) else d) == n for d, n in zip(i.shape, value.shape)):
        return f"{place} has shape ({', '.join(map(str, i.shape))})"
    flags = value.flags
    fits = {"C": flags.c_contiguous, "F": flags.f_contiguous, "strided": True}[i.layout]
    if not fits:
        return f"{place} is contiguous in {i.layout} order"
    if (i.written and not flags.writeable) or (i.readonly and flags.writeable):
        return f"{place} is {'writeable' if i.written else 'read-only'}"
    return None
