"""One adapter per framework: whether it is here, and how it takes a function and its arguments.

A framework's package is imported only when the framework is used.
"""

import importlib
import importlib.util
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from benchmarks.workload import Function, with_globals

Arguments = tuple[Any, ...]


class Framework:
    """What the runner needs to know of a framework; this base class runs a function as it is, with NumPy."""

    name = "numpy"
    #: What it raises for a program that it does not support. Anything else is a defect and ends the run.
    refusals: tuple[type[BaseException], ...] = ()
    #: Whether its answers must have NumPy's dtypes, or only NumPy's values.
    keeps_dtypes = False

    def compile(self, function: Function) -> Function:
        """The callable to time."""
        return function

    def convert(self, arguments: Arguments) -> Arguments:
        """The arguments as its users hold them."""
        return arguments


class Tracejit(Framework):
    name = "tracejit"
    keeps_dtypes = True

    def __init__(self) -> None:
        tracejit = importlib.import_module("tracejit")
        self.jit: Callable[[Function], Function] = tracejit.jit
        self.refusals = (importlib.import_module("tracejit.errors").TracejitError,)

    def compile(self, function: Function) -> Function:
        return self.jit(function)


class Numba(Framework):
    name = "numba"

    def __init__(self) -> None:
        self.njit: Callable[[Function], Function] = importlib.import_module("numba").njit
        self.refusals = (importlib.import_module("numba.core.errors").NumbaError,)

    def compile(self, function: Function) -> Function:
        """`njit` on the function and on the functions of the same module that it calls.

        Numba wants a decorator on each; that is the only change.
        """
        assert isinstance(function, FunctionType)
        helpers = {
            name: self.compile(value)
            for name in function.__code__.co_names
            if isinstance(value := function.__globals__.get(name), FunctionType)
            and value.__module__ == function.__module__
            and value is not function
        }
        return self.njit(with_globals(function, **helpers) if helpers else function)


class Jax(Framework):
    name = "jax"

    def __init__(self) -> None:
        self.jax = importlib.import_module("jax")
        self.jax.config.update("jax_enable_x64", True)
        self.jnp = importlib.import_module("jax.numpy")

    def compile(self, function: Function) -> Function:
        return self.finishing(self.jax.jit(with_globals(function, np=self.jnp)))

    def finishing(self, function: Function) -> Function:
        """The function, waiting for its results."""
        block = self.jax.block_until_ready

        def finished(*arguments: Any) -> Any:
            return block(function(*arguments))

        return finished

    def convert(self, arguments: Arguments) -> Arguments:
        return tuple(self.jnp.asarray(a) if isinstance(a, np.ndarray) else a for a in arguments)


class Torch(Framework):
    """Eager PyTorch. `torch.compile` needs a C++ compiler and tens of seconds, which these rows do not ask for."""

    name = "torch"

    def __init__(self) -> None:
        self.torch = importlib.import_module("torch")
        self.torch.set_num_threads(1)
        self.torch.set_grad_enabled(False)

    def compile(self, function: Function) -> Function:
        return with_globals(function, np=self.torch)

    def convert(self, arguments: Arguments) -> Arguments:
        return tuple(self.torch.from_numpy(a.copy()) if isinstance(a, np.ndarray) else a for a in arguments)


FRAMEWORKS: dict[str, type[Framework]] = {
    framework.name: framework for framework in (Framework, Tracejit, Numba, Jax, Torch)
}


def installed() -> list[str]:
    """The frameworks that this environment has, by name."""
    return [name for name in FRAMEWORKS if importlib.util.find_spec(name) is not None]
