"""Ordinary Python and NumPy, compiled: the same answers, or an error at your line.

>>> import tracejit as tj
>>> @tj.jit
... def f(x):
...     return x * 2 if x > 0 else -x
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tracejit.collector import Paused

if TYPE_CHECKING:
    from tracejit.derivatives import checkpoint as checkpoint
    from tracejit.derivatives import checkpointed as checkpointed
    from tracejit.derivatives import custom_jvp as custom_jvp
    from tracejit.derivatives import custom_root as custom_root
    from tracejit.derivatives import custom_vjp as custom_vjp
    from tracejit.derivatives import grad as grad
    from tracejit.derivatives import hessian as hessian
    from tracejit.derivatives import hvp as hvp
    from tracejit.derivatives import jacfwd as jacfwd
    from tracejit.derivatives import jacobian as jacobian
    from tracejit.derivatives import jacrev as jacrev
    from tracejit.derivatives import jvp as jvp
    from tracejit.derivatives import linearize as linearize
    from tracejit.derivatives import stop_gradient as stop_gradient
    from tracejit.derivatives import value_and_grad as value_and_grad
    from tracejit.derivatives import vjp as vjp
    from tracejit.mapping import all_gather as all_gather
    from tracejit.mapping import axis_index as axis_index
    from tracejit.mapping import pmax as pmax
    from tracejit.mapping import pmean as pmean
    from tracejit.mapping import pmin as pmin
    from tracejit.mapping import psum as psum
    from tracejit.mapping import vectorize as vectorize
    from tracejit.mapping import vmap as vmap

# All of tracejit that an ordinary function needs is loaded here and not by the first call; LLVM is loaded by that.
with Paused():
    from tracejit import config as config
    from tracejit import errors as errors
    from tracejit.api import jit as jit
    from tracejit.api import unroll as unroll
    from tracejit.errors import TracejitError as TracejitError
    from tracejit.runtime import dispatcher as _dispatcher  # noqa: F401
    from tracejit.trace import hooks as _hooks  # noqa: F401
    from tracejit.trace.numpy_api import ufuncs as _ufuncs  # noqa: F401

_LATER = {
    "derivatives": (
        "checkpoint checkpointed custom_jvp custom_root custom_vjp grad hessian hvp jacfwd jacobian "
        "jacrev jvp linearize stop_gradient value_and_grad vjp"
    ),
    "mapping": "all_gather axis_index pmax pmean pmin psum vectorize vmap",
}
"""Public names that are loaded when they are used."""


def __getattr__(name: str) -> Any:
    for home, names in _LATER.items():
        if name in names.split():
            value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__version__ = "0.1.0"
__all__ = [
    "TracejitError",
    "all_gather",
    "axis_index",
    "checkpoint",
    "checkpointed",
    "config",
    "custom_jvp",
    "custom_root",
    "custom_vjp",
    "errors",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "linearize",
    "pmax",
    "pmean",
    "pmin",
    "psum",
    "stop_gradient",
    "unroll",
    "value_and_grad",
    "vectorize",
    "vjp",
    "vmap",
]
