"""Functions of one made functions of many: the public functions. What they are made of is loaded when one is used."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Literal, ParamSpec, TypeAlias, overload

import numpy as np

from tracejit.errors import cleanly
from tracejit.runtime.jitted import Jitted, JittedBase, compiled
from tracejit.runtime.options import Options
from tracejit.trace.context import is_tracing

P = ParamSpec("P")

Axes: TypeAlias = "int | Sequence[Any] | Mapping[Any, Any] | None"
"""Axes of the parts of a structure: one for all, or a structure like it (or like the beginning of it)."""


@overload
def vmap(
    function: Callable[P, Any],
    /,
    in_axes: Axes = 0,
    out_axes: Any = 0,
    axis_size: int | None = None,
    *,
    axis_name: Hashable = None,
    lanes: Literal["simd", "scalar"] | None = None,
) -> JittedBase[P, Any]: ...


@overload
def vmap(
    *,
    in_axes: Axes = 0,
    out_axes: Any = 0,
    axis_size: int | None = None,
    axis_name: Hashable = None,
    lanes: Literal["simd", "scalar"] | None = None,
) -> Callable[[Callable[P, Any]], JittedBase[P, Any]]: ...


@cleanly
def vmap(
    function: Any = None,
    /,
    in_axes: Axes = 0,
    out_axes: Any = 0,
    axis_size: int | None = None,
    *,
    axis_name: Hashable = None,
    lanes: Literal["simd", "scalar"] | None = None,
) -> Any:
    """A function of one element made a function of many: calls ``function`` for each *lane* and stacks the results.

    ``vmap(f)(xs, ys)`` is ``np.stack([f(x, y) for x, y in zip(xs, ys)])``, compiled as a whole: array operations run
    on all lanes at once, matrix products become one. Nothing is refused because lanes go different ways: branches,
    ``while`` loops, trip counts, slices of different lengths, exceptions and writes into arrays are what they are for
    each lane. Only results of different shapes cannot be stacked.

    What the function writes into its part of an argument is written into the argument. A function that prints, or
    writes into an array that lanes share, runs lane after lane.

    Args:
        function: Any function that ``jit`` compiles, compiled or not; without it, ``vmap(...)`` is a decorator.
        in_axes: Along which axis of the arguments the lanes lie; None for what all lanes share. One for all arguments;
            or a tuple with an entry per positional argument (named ones are then mapped over axis 0); or a dict by
            parameter name (all others are shared). An entry for an argument with structure (tuples, lists, dicts,
            named tuples, dataclasses) is one axis for all of it, or a structure like it. Negative axes count from the
            end. A lane gets a NumPy scalar where the argument has no other axis.
        out_axes: Along which axis of the results the lanes are to lie: one for all, or a structure like the result.
            What is None must be the same in all lanes, and comes out once. Negative axes count from the end, with that
            of the lanes.
        axis_size: The number of lanes: needed where nothing is mapped.
        axis_name: A name for ``axis_index``, ``psum`` and the other functions that look across lanes.
        lanes: What happens where lanes part ways: ``"simd"`` runs several at once in the lanes of vector registers,
            under masks, wherever the code allows it (it computes with single numbers, and stores into results only);
            ``"scalar"`` runs one after the other. Default: what is faster, so far always ``"simd"``.

    Returns:
        A compiled function with the parameters of ``function``. Numbers in its results become arrays with an element
        per lane, arrays get one more axis.

    Raises:
        TypeError: ``function`` cannot be called.
        ValueError: ``lanes`` is none of these.
        BatchError: In a call (a ValueError as well): axes that disagree in length, that do not exist, or are asked for
            of what is no array; a result that is no number or array, or cannot be the same in all lanes.
        ValueError: In a call: lengths that disagree, or results whose shapes differ from lane to lane.
        Exception: What ``function`` raises in a lane; a note says in which. When several lanes fail, it is the first of
            those that fail at the place in the program that is reached first.

    Example:
        >>> import numpy as np, tracejit
        >>> @tracejit.vmap
        ... def steps(n):
        ...     count = 0
        ...     while n != 1:
        ...         n = n // 2 if n % 2 == 0 else 3 * n + 1
        ...         count += 1
        ...     return count
        >>> steps(np.array([1, 6, 7, 27]))
        array([  0,   8,  16, 111])
    """
    if lanes not in (None, "simd", "scalar"):
        raise ValueError(f"lanes is {lanes!r}, expected 'simd' or 'scalar'")
    return _mapped("vmap", function, (_Given(in_axes), _Given(out_axes), axis_size, axis_name, lanes))


@overload
def vectorize(
    function: Callable[P, Any],
    /,
    otypes: str | Sequence[Any] | None = None,
    doc: str | None = None,
    excluded: Iterable[int | str] = (),
    *,
    signature: str | None = None,
) -> JittedBase[..., Any]: ...


@overload
def vectorize(
    *,
    otypes: str | Sequence[Any] | None = None,
    doc: str | None = None,
    excluded: Iterable[int | str] = (),
    signature: str | None = None,
) -> Callable[[Callable[..., Any]], JittedBase[..., Any]]: ...


@cleanly
def vectorize(
    function: Any = None,
    /,
    otypes: str | Sequence[Any] | None = None,
    doc: str | None = None,
    excluded: Iterable[int | str] = (),
    *,
    signature: str | None = None,
) -> Any:
    """``np.vectorize``, compiled: a function of numbers or small arrays made a function of arrays of them.

    The arguments are broadcast against each other as NumPy's ufuncs do, and the function is called for each element;
    see :func:`vmap` for how.

    Args:
        function: Any function that ``jit`` compiles, compiled or not; without it, ``vectorize(...)`` is a decorator.
        otypes: The dtypes of the results, as type characters or a sequence of dtypes; those that the function gives,
            when not given.
        doc: The docstring; that of the function, when not given.
        excluded: Positions and names of parameters that are passed on as they are.
        signature: The core dimensions of arguments and results, as in ``"(m,n),(n)->(m)"``: the function gets arrays of
            these dimensions, and all others are broadcast. Without it, it gets Python numbers and returns numbers.

    Returns:
        A compiled function. Its results are arrays (also of rank 0), with core dimensions last.

    Raises:
        TypeError: ``function`` cannot be called.
        ValueError: ``signature`` is none; in a call: arguments that do not broadcast, have too few dimensions, or
            disagree about a core dimension; results that do not have the core dimensions they should.

    Example:
        >>> import numpy as np, tracejit
        >>> solve = tracejit.vectorize(lambda a, b: a @ b, signature="(m,n),(n)->(m)")
        >>> solve(np.ones((4, 1, 2, 3)), np.ones((5, 3))).shape
        (4, 5, 2)
    """
    kinds = tuple(otypes) if otypes is not None else None
    made = (None if kinds is None else tuple(np.dtype(t) for t in kinds), frozenset(excluded), signature)
    mapped = _mapped("vectorize", function, made)
    if doc is not None:
        if function is None:
            return lambda f: vectorize(f, otypes, doc, excluded, signature=signature)
        mapped.__doc__ = doc
    return mapped


# --- looking across lanes ---------------------------------------------------------------------------------------------


@cleanly
def axis_index(axis_name: Hashable) -> Any:
    """Inside a function under ``vmap(..., axis_name=...)``: the number of this lane, an int.

    Raises:
        BatchError: There is no such ``vmap`` around the call.

    Example:
        >>> import numpy as np, tracejit
        >>> tracejit.vmap(lambda x: x * tracejit.axis_index("i"), axis_name="i")(np.array([5.0, 6.0, 7.0]))
        array([ 0.,  6., 14.])
    """
    return _across("axis_index", axis_name)


@cleanly
def psum(x: Any, axis_name: Hashable) -> Any:
    """Inside a function under ``vmap(..., axis_name=...)``: the sum of ``x`` over all lanes.

    Args:
        x: A number or array, or a structure of those. Bools count as ints.
        axis_name: The name given to ``vmap``.

    Raises:
        BatchError: There is no such ``vmap`` around the call; or lanes may part ways around it, so that not all get
            here.

    Example:
        >>> import numpy as np, tracejit
        >>> tracejit.vmap(lambda x: x / tracejit.psum(x, "i"), axis_name="i")(np.array([1.0, 3.0]))
        array([0.25, 0.75])
    """
    return _across("psum", axis_name, x)


@cleanly
def pmean(x: Any, axis_name: Hashable) -> Any:
    """Inside a function under ``vmap(..., axis_name=...)``: the mean of ``x`` over all lanes; see :func:`psum`.

    Example:
        >>> import numpy as np, tracejit
        >>> tracejit.vmap(lambda x: x - tracejit.pmean(x, "i"), axis_name="i")(np.array([1.0, 3.0]))
        array([-1.,  1.])
    """
    return _across("pmean", axis_name, x)


@cleanly
def pmax(x: Any, axis_name: Hashable) -> Any:
    """Inside a function under ``vmap(..., axis_name=...)``: the maximum of ``x`` over all lanes; see :func:`psum`.

    Example:
        >>> import numpy as np, tracejit
        >>> tracejit.vmap(lambda x: tracejit.pmax(x, "i"), axis_name="i")(np.array([1, 3, 2]))
        array([3, 3, 3])
    """
    return _across("pmax", axis_name, x)


@cleanly
def pmin(x: Any, axis_name: Hashable) -> Any:
    """Inside a function under ``vmap(..., axis_name=...)``: the minimum of ``x`` over all lanes; see :func:`psum`.

    Example:
        >>> import numpy as np, tracejit
        >>> tracejit.vmap(lambda x: tracejit.pmin(x, "i"), axis_name="i")(np.array([4, 3, 2]))
        array([2, 2, 2])
    """
    return _across("pmin", axis_name, x)


@cleanly
def all_gather(x: Any, axis_name: Hashable) -> Any:
    """Inside a function under ``vmap(..., axis_name=...)``: ``x`` of all lanes, stacked along a new first axis.

    Args:
        x: A number or array, or a structure of those.
        axis_name: The name given to ``vmap``.

    Raises:
        BatchError: As for :func:`psum`.

    Example:
        >>> import numpy as np, tracejit
        >>> tracejit.vmap(lambda x: tracejit.all_gather(x, "i")[::-1], axis_name="i")(np.array([1, 2]))
        array([[2, 1],
               [2, 1]])
    """
    return _across("all_gather", axis_name, x)


def _across(how: str, axis_name: Hashable, *x: Any) -> Any:
    from tracejit.mapping import collectives

    return collectives.COLLECTIVES[how](*x, axis_name)


# --- making them ------------------------------------------------------------------------------------------------------


class _Given:
    """What the user gave for axes, as a key: containers of ints and None."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self._text = repr(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Given) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def _mapped(how: str, function: Any, options: tuple[Any, ...]) -> Any:
    if function is None:
        return functools.partial(cleanly(_mapped), how, options=options)
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(_mapped(how, function.__func__, options))
    if not callable(function) or isinstance(function, type):
        what = f"the class {function.__name__}" if isinstance(function, type) else repr(function)
        raise TypeError(f"{how} takes a function, not {what}")
    # the same function again, as in ``vmap(f)(x)`` in a loop, must not be compiled again
    if isinstance(function, _KNOWN_BY_IDENTITY) and not is_tracing():
        return _remembered(how, function, options)
    return _made(how, function, options)


_KNOWN_BY_IDENTITY = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, np.ufunc, Jitted)


def _made(how: str, function: Any, options: tuple[Any, ...]) -> JittedBase[..., Any]:
    from tracejit.mapping import gufunc, mapped

    values = [o.value if isinstance(o, _Given) else o for o in options]
    transformed = mapped.Vmap(function, *values) if how == "vmap" else gufunc.Vectorized(function, *values)
    same = isinstance(function, Jitted) and transformed.__signature__ == transformed.inner_signature
    return compiled(transformed, function._options if same else Options())


_remembered = functools.lru_cache(maxsize=512)(_made)
