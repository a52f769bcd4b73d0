"""Which of our functions stands for which function of NumPy, ``math`` and the builtins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from types import BuiltinFunctionType
from typing import Any, TypeVar

import numpy as np

from tracejit.ir.types import DTYPE_NAMES
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.tracer import Tracer

F = TypeVar("F", bound=Callable[..., Any])

TABLE: dict[Any, Callable[..., Any]] = {}
"""Function object → what compiled programs call in its place."""

METHODS: dict[str, Callable[..., Any]] = {}
"""Method of ``ndarray`` → function that takes the array first."""

PROPERTIES: dict[str, Callable[[ArrayTracer], Any]] = {}
"""Attribute of ``ndarray`` → function of the array."""


def implements(*functions: Any, always: bool = False) -> Callable[[F], F]:
    """Declare what stands for ``functions``.

    Calls without traced arguments are made at once, and an array they give becomes a box. With ``always`` they too go
    through the declared function: those that make new arrays (which may be large), or give their argument back.
    """

    def declare(ours: F) -> F:
        for function in functions:
            checked = _checked(function, ours)
            TABLE[function] = checked if always else _staged(function, checked)
            inner = getattr(function, "_implementation", None)
            if isinstance(inner, BuiltinFunctionType):
                TABLE[inner] = TABLE[function]  # what NumPy's own Python code calls
        return ours

    return declare


def method(*names: str) -> Callable[[F], F]:
    """Declare methods of ``ndarray``."""

    def declare(ours: F) -> F:
        for name in names:
            METHODS[name] = _checked(getattr(np.ndarray, name), ours)
        return ours

    return declare


def attribute(name: str) -> Callable[[F], F]:
    """Declare an attribute of ``ndarray``."""

    def declare(ours: F) -> F:
        PROPERTIES[name] = ours
        return ours

    return declare


def _staged(function: Any, ours: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(ours)
    def call(*args: Any, **kwargs: Any) -> Any:
        if has_traced(args) or (kwargs and has_traced(kwargs.values())):
            return ours(*args, **kwargs)
        return boxed(function(*args, **kwargs))

    return call


def _checked(function: Any, ours: Callable[..., Any]) -> Callable[..., Any]:
    """``ours``, which says what ``function`` says about arguments that it does not take."""

    @wraps(ours)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return ours(*args, **kwargs)
        except TypeError as error:
            from tracejit.trace.samples import refuse_arguments, said_by

            if error.__traceback__ is not None and error.__traceback__.tb_next is None:
                raise refuse_arguments(function, args, kwargs, str(error)) from None
            if any(isinstance(x, ScalarTracer) for x in (*args, *kwargs.values())):
                raise  # what NumPy says may mention their values
            raise said_by(function, args, kwargs) or error from None

    return call


def has_traced(values: Iterable[Any]) -> bool:
    """Whether a traced value is among ``values`` or inside lists and tuples among them."""
    for v in values:
        if isinstance(v, Tracer):
            return True
        if type(v) in (list, tuple) and has_traced(v):
            return True
    return False


def boxed(result: Any) -> Any:
    """A result computed while tracing: arrays become boxes, for the program may write into them."""
    if type(result) is np.ndarray and result.dtype in DTYPE_NAMES:
        return ArrayTracer(current().at().const(result, result.dtype))
    if type(result) in (list, tuple):
        return type(result)(map(boxed, result))
    return result
