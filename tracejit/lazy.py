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
