"""Which code is the user's, to be compiled, and which belongs to libraries, to be run as it is."""

from __future__ import annotations

import os
import sys
import types
from functools import lru_cache

_PACKAGE = __name__.partition(".")[0]
_USER_PARTS = (f"{_PACKAGE}.demos",)  # part of the package, but written as a user would write it
_ROUTINES = f"{_PACKAGE}.trace.routines"
_PACKAGES = ("site-packages", "dist-packages")
_HEAP_TYPE = 1 << 9


_STANDARD_LIBRARY = os.path.dirname(os.path.realpath(os.__file__)) + os.sep
_OUR_DIRECTORY = os.path.dirname(os.path.dirname(os.path.realpath(__file__))) + os.sep
_USER_DIRECTORIES = (os.path.join(_OUR_DIRECTORY, "demos") + os.sep,)


@lru_cache(maxsize=1024)
def _is_library_file(filename: str) -> bool:
    if filename.startswith("<frozen"):
        return True
    if filename.startswith("<"):
        return False
    path = os.path.realpath(filename)
    if path.startswith(_OUR_DIRECTORY):
        return not path.startswith(_USER_DIRECTORIES)
    return path.startswith(_STANDARD_LIBRARY) or any(f"{os.sep}{name}{os.sep}" in path for name in _PACKAGES)


def is_library_code(code: types.CodeType) -> bool:
    """Whether code is that of a library, the standard library or tracejit itself."""
    return _is_library_file(code.co_filename)


def is_own_code(code: types.CodeType) -> bool:
    """Whether code is tracejit's own (and not of its demo programs)."""
    path = os.path.realpath(code.co_filename)
    return path.startswith(_OUR_DIRECTORY) and not path.startswith(_USER_DIRECTORIES)


def is_routine(function: types.FunctionType) -> bool:
    """Whether a function is one of tracejit's that are traced as if the user had written them."""
    return is_routine_namespace(function.__globals__)


def is_routine_namespace(namespace: dict[str, object]) -> bool:
    """Whether these are the globals of a module whose functions are traced without being the user's: of
    :mod:`tracejit.trace.routines`, or what NumPy has in Python."""
    return str(namespace.get("__name__", "")).startswith((_ROUTINES, "numpy.lib.", "numpy._core."))


def is_library_module(module: types.ModuleType) -> bool:
    """Whether a module belongs to a library (its contents are taken to be constant)."""
    file = getattr(module, "__file__", None)
    if file is not None:
        return _is_library_file(file)
    return module.__name__ in sys.builtin_module_names or module.__name__ in sys.stdlib_module_names


def is_library_class(cls: type) -> bool:
    """Whether a class belongs to a library, or is implemented in C."""
    if not cls.__flags__ & _HEAP_TYPE:
        return True
    module = sys.modules.get(cls.__module__)
    return module is not None and is_library_module(module)


def is_ours(cls: type) -> bool:
    """Whether a class is one of tracejit's own, such as that of compiled functions."""
    module = str(getattr(cls, "__module__", ""))
    return module.partition(".")[0] == _PACKAGE and not module.startswith(_USER_PARTS)
