"""A row of the benchmarks: a program, its inputs, who runs it, and what must hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

Function = Callable[..., Any]

#: Frameworks that take a NumPy program as it stands.
NUMPY_PROGRAM = ("numpy", "numba", "tracejit")
#: Frameworks that run a program of array expressions when its `np` is their own module.
ARRAY_PROGRAM = (*NUMPY_PROGRAM, "jax", "torch")


@dataclass(frozen=True)
class Workload:
    """One row.

    Attributes:
        group: the table it stands in.
        name: unique in its group.
        source: the plain NumPy function. It is what the "numpy" column times and what every answer is checked
            against; the other frameworks share it unless `variants` says otherwise.
        make_inputs: makes the arguments, the same ones each time.
        frameworks: who runs it.
        variants: another source for a framework, where the shared one cannot serve or is not that framework's best.
        limits: framework -> tracejit's time must stay under this multiple of that framework's.
        tolerance: the greatest relative difference from NumPy's answer that rounding may make.
    """

    group: str
    name: str
    source: Function
    make_inputs: Callable[[], tuple[Any, ...]]
    frameworks: tuple[str, ...] = NUMPY_PROGRAM
    variants: Mapping[str, Function] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    tolerance: float = 0.0

    @property
    def title(self) -> str:
        """The name by which `--rows` selects it."""
        return f"{self.group}/{self.name}"


def with_globals(function: Function, **replaced: Any) -> Function:
    """The same function with other values for some of its globals, such as another module for `np`.

    >>> import math
    >>> def root(x):
    ...     return np.sqrt(x)
    >>> with_globals(root, np=math)(4.0)
    2.0
    """
    assert isinstance(function, FunctionType)
    copy = FunctionType(
        function.__code__,
        {**function.__globals__, **replaced},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
