"""Ordinary Python and NumPy, compiled: the same answers, or an error at your line.

>>> import tracejit as tj
>>> @tj.jit
... def f(x):
...     return x * 2 if x > 0 else -x
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracejit import config as config
    from tracejit import errors as errors
    from tracejit.api import jit as jit
    from tracejit.api import unroll as unroll
    from tracejit.errors import TracejitError as TracejitError

__version__ = "0.1.0"
__all__ = ["TracejitError", "config", "errors", "jit", "unroll"]

# Where the public names live: loaded when first used, so that importing the package costs next to nothing.
_HOMES = {
    "TracejitError": "tracejit.errors",
    "jit": "tracejit.api",
    "unroll": "tracejit.api",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name in ("config", "errors"):
        return importlib.import_module(f"tracejit.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tracejit' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
