"""Modules that are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Lazy:
    """Stands for a module of tracejit that few programs need, until an attribute of it is used.

    For type checkers the module itself is imported::

        if TYPE_CHECKING:
            from tracejit.trace import loops
        else:
            loops = Lazy("tracejit.trace.loops")
    """

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self.__name__), name)
        setattr(self, name, value)  # found without us from now on
        return value


class LazyFunctions:
    """Stands for a module of which functions are given away by name long before any of them is called (the rules of
    transforms, which stand with the ops), if any ever is: the module is loaded by the first call."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(import_module(self.__name__), name)(*args, **kwargs)

        call.__name__ = call.__qualname__ = name
        setattr(self, name, call)
        return call
