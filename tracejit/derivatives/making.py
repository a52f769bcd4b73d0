"""Making the compiled function that a public function gives, the same one for the same function."""

from __future__ import annotations

import functools
import types
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tracejit.errors import cleanly
from tracejit.runtime.jitted import Jitted, JittedBase, compiled
from tracejit.runtime.options import Options
from tracejit.trace.context import is_tracing

Numbers: TypeAlias = "int | Sequence[int] | None"
Names: TypeAlias = "str | Sequence[str] | None"
Selected: TypeAlias = "tuple[Numbers, Names] | None"

_KNOWN_BY_IDENTITY = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, np.ufunc, Jitted)


@cleanly
def derived(how: str, function: Any, selected: Selected, options: tuple[Any, ...], remember: bool = True) -> Any:
    """The transform ``how`` of a function, compiled; a decorator, without a function.

    Args:
        how: A key of :data:`tracejit.derivatives.makers.MAKERS`.
        function: What the user gave.
        selected: ``argnums`` and ``argnames``, for transforms that have these.
        options: What else the maker takes.
        remember: The same function and options again give the same compiled function.
    """
    if function is None:
        return functools.partial(derived, how, selected=selected, options=options, remember=remember)
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(derived(how, function.__func__, selected, options, remember))
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"{how} takes a function, not {kind_of(function)}")
    # ``grad(f)(x)`` in a loop must not compile f again
    if remember and isinstance(function, _KNOWN_BY_IDENTITY) and not is_tracing():
        if selected is not None:
            selected = (_hashable(selected[0]), _hashable(selected[1]))
        return _remembered(how, function, selected, options)
    return _made(how, function, selected, options)


def _made(how: str, function: Any, selected: Selected, options: tuple[Any, ...]) -> JittedBase[..., Any]:
    from tracejit.derivatives import makers
    from tracejit.derivatives.selection import select

    if selected is not None:
        options = (select(function, *selected, how), *options)
    transformed = makers.MAKERS[how](how, function, *options)
    same = isinstance(function, Jitted) and transformed.__signature__ == transformed.inner_signature
    return compiled(transformed, function._options if same else Options())


_remembered = functools.lru_cache(maxsize=512)(_made)


def _hashable(given: Any) -> Any:
    return given if given is None or isinstance(given, (int, str)) else tuple(given)


def both(vectors: tuple[Any, ...], how: str) -> tuple[Any, ...]:
    """Primals and tangents."""
    if len(vectors) != 2:
        raise TypeError(f"{how} takes a function, primals and tangents, not a function and {len(vectors)} more")
    return vectors


def kind_of(value: Any) -> str:
    """What something is that is no function, for messages."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"an object of type {type(value).__name__}: {value!r}"
