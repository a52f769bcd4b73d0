"""Functions that are transforms of other functions: derivatives, vectorised functions.

A transform is a callable (:class:`Transformed`) that is only ever called while a program is traced: by a function that
is being compiled, or because it is itself what is compiled (``jit`` of it is what the user gets). It records a call of
the function it is a transform of (:mod:`tracejit.trace.recording`), transforms the recorded program, and puts that in
the place of the call. So transforms nest with each other and with everything else that can be traced.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tracejit.errors import stripped
from tracejit.ir.loc import Loc
from tracejit.trace.control import control


class Inlined:
    """A callable that puts ops of its own into the program that calls it.

    Attributes:
        is_plain: It can be called without being compiled.
    """

    is_plain = False

    def inline(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A call with these arguments, as ops of the program that is being traced."""
        raise NotImplementedError


class Transformed(Inlined):
    """A function made from ``function`` by a transform named ``how``.

    Subclasses define :meth:`inline`.

    Args:
        how: The transform, as the user wrote it: ``"grad"``.
        function: Any callable that can be compiled.
        signature: Of the new function; None: that of ``function``.
    """

    def __init__(self, how: str, function: Callable[..., Any], signature: inspect.Signature | None = None) -> None:
        self.function = function
        self.rename(how, function)
        self.__module__ = str(getattr(_innermost(function), "__module__", None) or "")
        self.inner_signature = signature_of(function)
        self.__signature__ = self.inner_signature if signature is None else signature

    def rename(self, how: str, function: Any) -> None:
        """Be called ``how`` of ``function``."""
        name = name_of(function)
        self.__name__ = f"{how}_{name.rpartition('.')[2].strip('<>')}"
        self.__qualname__ = f"{how}({name})"
        self.__doc__ = f"{how} of {name}."

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Not for calls: what says why arguments do not fit."""
        try:
            self.__signature__.bind(*args, **kwargs)
        except TypeError as error:
            if isinstance(self.function, types.FunctionType) and self.__signature__ == self.inner_signature:
                self.function(*args, **kwargs)  # fails before its body runs, with Python's message
            raise TypeError(f"{self.__qualname__}: {error}") from None
        raise AssertionError("transforms are compiled, or inlined")

    def target(self) -> Any:
        """The function as the program that is being traced must see it: an object with state of its own is captured."""
        function = self.function
        if isinstance(function, types.FunctionType):
            return function
        from tracejit.ir.interface import Cell

        captures = control().captures
        if captures.is_ours(function):
            return function
        anchor = self.__dict__.setdefault("_anchor", types.CellType(function))
        return captures.see(function, Cell(anchor, name_of(function)))

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call, positional as far as they can be."""
        try:
            bound = self.inner_signature.bind(*args, **kwargs)
        except TypeError as error:
            raise stripped(TypeError(f"{name_of(self.function)}: {error}")) from None
        return list(bound.args), dict(bound.kwargs)


def name_of(function: Any) -> str:
    """The name of a function for people."""
    if isinstance(function, functools.partial):
        return name_of(function.func)
    found = getattr(function, "__qualname__", None) or getattr(function, "__name__", None)
    return str(found or type(function).__qualname__).replace("<locals>.", "").rpartition("..")[2]


def definition(function: Any) -> Loc | None:
    """Where a function is defined."""
    while not isinstance(function, types.FunctionType):
        inner = getattr(function, "func", None) or getattr(function, "__func__", None)
        function = inner or getattr(function, "__wrapped__", None) or getattr(function, "function", None)
        if function is None:
            return None
    code = function.__code__
    return Loc(code.co_filename, code.co_firstlineno, function=code.co_qualname)


def signature_of(function: Any) -> inspect.Signature:
    """The parameters of a function; any number of positional ones where Python cannot tell."""
    if isinstance(function, np.ufunc):
        names = (f"x{k}" for k in range(1, function.nin + 1))
        return inspect.Signature([inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in names])
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return inspect.Signature([inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)])


def _innermost(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function
