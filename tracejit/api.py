"""The public functions: the parts below composed for the user."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar, get_args, overload

import numpy as np

from tracejit.config import Shapes
from tracejit.errors import stripped
from tracejit.runtime.jitted import Jitted, JittedBase, compiled
from tracejit.runtime.options import Options

_MISSING: Any = object()
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_NOT_PYTHON = (
    type,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    np.ufunc,
    property,
)


@overload
def jit(
    function: Callable[P, R],
    /,
    *,
    static_argnames: str | Iterable[str] = (),
    static_argnums: int | Iterable[int] = (),
    shapes: Shapes | None = None,
    check_nan: bool | None = None,
) -> JittedBase[P, R]: ...


@overload
def jit(
    *,
    static_argnames: str | Iterable[str] = (),
    static_argnums: int | Iterable[int] = (),
    shapes: Shapes | None = None,
    check_nan: bool | None = None,
) -> Callable[[Callable[P, R]], JittedBase[P, R]]: ...


def jit(
    function: Any = _MISSING,
    /,
    *,
    static_argnames: str | Iterable[str] = (),
    static_argnums: int | Iterable[int] = (),
    shapes: Shapes | None = None,
    check_nan: bool | None = None,
) -> Any:
    """Compile a Python function to native code.

    The compiled function gives the same answers as the function, writes into its arguments as the function does, and
    raises what the function raises. It is compiled when it is called, for the types of the arguments at hand, and
    again when they change; see ``explain()`` of the result.

    Args:
        function: A Python function; without it, ``jit(...)`` is a decorator. Also a method of an object, an object that
            can be called, a ``staticmethod``, a ``classmethod`` or a ``functools.partial``: the result is of the same
            kind.
        static_argnames: Parameters whose values are part of the signature: the function is compiled anew for each
            value, and may use them as Python values. Strings, functions, dtypes and numbers used as an axis or shape
            need not be named.
        static_argnums: The same by position.
        shapes: ``"auto"`` compiles for the shapes at hand, then once more for any value of the dimensions that change;
            ``"static"`` for each shape; ``"dynamic"`` for any shape from the first call on. Default: the setting.
        check_nan: Look for the first ``nan`` or ``inf`` that comes out of finite numbers, in the function and in the
            derivatives inside it, and raise ``FloatingPointError`` at the line that made it. What ``np.where`` leaves
            out does not count. For finding mistakes: such code is slow. Default: the setting.

    Example:
        >>> import numpy as np, tracejit
        >>> @tracejit.jit
        ... def norm(x):
        ...     total = 0.0
        ...     for v in x:
        ...         total += v * v
        ...     return total ** 0.5
        >>> norm.__name__
        'norm'
    """
    try:
        options = Options(_names(static_argnames), _numbers(static_argnums), _shapes(shapes), check_nan)
        return _Decorator(options) if function is _MISSING else _jit(function, options)
    except (TypeError, ValueError) as error:
        stripped(error)
        raise


class _Decorator:
    """``jit`` with options."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def __call__(self, function: Any) -> Any:
        try:
            return _jit(function, self._options)
        except (TypeError, ValueError) as error:
            stripped(error)
            raise


def unroll(items: Iterable[T]) -> Iterable[T]:
    """Have a ``for`` loop unrolled: ``for i in tracejit.unroll(range(3))``.

    The loop's body is compiled once per turn, with the item of that turn known while tracing (when it is a Python
    value). In plain Python it changes nothing. A loop is unrolled without this when it is short, or needs its counter
    as a Python value.

    Args:
        items: Anything of a length known while tracing.

    Example:
        >>> import tracejit
        >>> @tracejit.jit
        ... def horner(x):
        ...     y = 0.0
        ...     for coefficient in tracejit.unroll([2.0, 0.0, 1.0]):
        ...         y = y * x + coefficient
        ...     return y
        >>> horner(3.0)
        19.0
    """
    from tracejit.trace.iterables import Unrolled

    result: Iterable[T] = Unrolled(items)
    return result


def _jit(function: Any, options: Options) -> Any:
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(_jit(function.__func__, options))
    if isinstance(function, types.MethodType):
        return types.MethodType(_jit(function.__func__, options), function.__self__)
    if isinstance(function, functools.partial):
        return functools.partial(_jit(function.func, options), *function.args, **function.keywords)
    if isinstance(function, Jitted):
        return function if options == Options() else compiled(function.__wrapped__, options)
    if not callable(function) or isinstance(function, _NOT_PYTHON):
        raise TypeError(f"jit compiles Python functions, not {_kind(function)}")
    method = inspect.getattr_static(type(function), "__call__", None)
    if isinstance(method, types.FunctionType):
        return types.MethodType(_jit(method, options), function)
    _check_parameters(function, options)
    return compiled(function, options)


def _check_parameters(function: Any, options: Options) -> None:
    """The parameters that options name exist."""
    if options.static_argnames or options.static_argnums:
        names = list(inspect.signature(function, follow_wrapped=False).parameters)
        what = getattr(function, "__qualname__", repr(function))
        for name in options.static_argnames:
            if name not in names:
                raise TypeError(f"static_argnames has {name!r}, which is not a parameter of {what}")
        for n in options.static_argnums:
            if not -len(names) <= n < len(names):
                raise TypeError(f"static_argnums has {n}, but {what} has {len(names)} parameters")


def _kind(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}: compile its methods"
    if isinstance(value, property):
        return "properties: compile a function that the property calls"
    if value is None or isinstance(value, types.ModuleType):
        return "None" if value is None else f"modules: {value.__name__}"
    return f"objects of type {type(value).__name__}: {value!r}"


def _names(given: str | Iterable[str]) -> tuple[str, ...]:
    names = [n.strip() for n in given.split(",") if n.strip()] if isinstance(given, str) else given
    return _tuple_of(str, names, f"static_argnames is {given!r}, expected names of parameters")


def _numbers(given: int | Iterable[int]) -> tuple[int, ...]:
    message = f"static_argnums is {given!r}, expected positions of parameters"
    return _tuple_of(int, (given,) if isinstance(given, int) else given, message)


def _tuple_of(kind: type[T], items: Any, message: str) -> tuple[T, ...]:
    found = tuple(items) if isinstance(items, Iterable) else (items,)
    if not all(isinstance(item, kind) for item in found):
        raise TypeError(message)
    return found


def _shapes(given: Shapes | None) -> Shapes | None:
    if given is not None and given not in get_args(Shapes):
        raise ValueError(f"shapes is {given!r}, expected one of {', '.join(get_args(Shapes))}")
    return given
