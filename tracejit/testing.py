"""Helpers for tests of programs that use tracejit."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from tracejit.derivatives import jvp, vjp
from tracejit.errors import stripped

__all__ = ["check_grads"]

Mode: TypeAlias = Literal["fwd", "rev"]

_STEPS = {2: 2e-1, 4: 1e-2, 8: 1e-3}
"""By the size of a real number: how far the arguments are moved, in units of their size."""
_TOLERANCES = {2: 5e-1, 4: 2e-2, 8: 1e-5}


def check_grads(
    function: Callable[..., Any],
    args: Sequence[Any],
    *,
    order: int = 2,
    modes: Sequence[Mode] = ("fwd", "rev"),
    step: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
) -> None:
    """Assert that the derivatives of a function are those that differences of its values show.

    The arguments are moved along a random direction, by a few small steps forwards and backwards; central differences
    of the fourth order (Fornberg, Generation of finite difference formulas on arbitrarily spaced grids, 1988) then say
    how the result moves. Forward mode must say the same, and reverse mode must say the same of a random combination of
    the results. The derivatives themselves are functions: up to ``order`` they are checked in the same way, each mode
    applied to each.

    Args:
        function: What ``jit`` compiles, compiled or not, or any function that has been made of one by a derivative.
            With results that are no floating-point numbers it may have others beside them; these are left out.
        args: Its positional arguments: a tuple of numbers, arrays, and tuples, lists, dicts, named tuples and
            dataclasses of them. What is no floating-point number is passed as it is. They are not changed, even if
            the function writes into its arguments.
        order: The highest derivative that is checked.
        modes: ``"fwd"`` for forward mode, ``"rev"`` for reverse mode.
        step: How far an argument is moved, in units of its greatest element (of 1, where that is 0). By default 1e-3
            for float64 and 1e-2 for float32, if there is an argument of the kind.
        rtol: The relative error that is allowed; by default 1e-5 for float64 and 2e-2 for float32.
        atol: The absolute error that is allowed; by default ``rtol`` times the greatest element of the derivative
            (or 1).
        seed: For the random directions.

    Raises:
        AssertionError: A derivative is not what differences say. The message names the order, the mode and the part of
            the result. A function with a kink or a jump near ``args`` has no derivative that this could confirm.
        ValueError: ``order`` or ``modes`` are not as above, or neither the arguments nor the result hold
            floating-point numbers.
        DerivativeError: The function uses an operation without derivative.

    Example:
        >>> import numpy as np
        >>> from tracejit.testing import check_grads
        >>> def norm(x):
        ...     total = 0.0
        ...     for v in x:
        ...         total += v * v
        ...     return np.sqrt(total)
        >>> check_grads(norm, (np.array([3.0, 4.0]),), order=2, modes=("fwd", "rev"))
        >>> check_grads(lambda x: x * np.floor(x), (2.0,), order=1)
        Traceback (most recent call last):
            ...
        AssertionError: the derivative of order 1 in forward mode does not agree with differences: ...
    """
    try:
        if order < 1:
            raise ValueError(f"order is {order}, expected at least 1")
        unknown = [m for m in modes if m not in ("fwd", "rev")]
        if unknown or not modes:
            raise ValueError(f"modes are {tuple(modes)!r}, expected 'fwd', 'rev' or both")
        _Check(modes, order, step, rtol, atol, np.random.default_rng(seed)).run(function, tuple(args), 1, "")
    except (AssertionError, ValueError) as error:
        stripped(error)
        raise


class _Check:
    """The checks of one call of :func:`check_grads`."""

    def __init__(
        self,
        modes: Sequence[Mode],
        order: int,
        step: float | None,
        rtol: float | None,
        atol: float | None,
        rng: np.random.Generator,
    ) -> None:
        self.modes = modes
        self.order = order
        self.step = step
        self.rtol = rtol
        self.atol = atol
        self.rng = rng

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], order: int, path: str) -> None:
        value = function(*_copied(args))
        for tree, what in ((args, "arguments"), (value, "result")):
            if not _floats(tree):
                raise ValueError(f"there is nothing to differentiate: the {what} of the function hold no floats")
        size = min(np.finfo(x.dtype).bits // 8 for x in _floats(args) + _floats(value))
        rtol = _TOLERANCES[size] if self.rtol is None else self.rtol
        tangents = _mapped(lambda x, path: self._random(x, _size(x)), args)
        cotangents = _mapped(lambda x, path: self._random(x, 1.0), value)
        expected = self._differences(function, args, tangents, _STEPS[size] if self.step is None else self.step)
        if "fwd" in self.modes:
            _, moved = jvp(function, _copied(args), tangents)
            self._compare(value, moved, expected, rtol, order, path + "forward mode")
        if "rev" in self.modes:
            _, pullback = vjp(function, *_copied(args))
            back = pullback(cotangents)
            got, wanted = _pairing(back, tangents), _pairing(cotangents, expected)
            allowed = rtol * max(1.0, _magnitude(cotangents, expected)) if self.atol is None else self.atol
            if not abs(got - wanted) <= allowed + rtol * abs(wanted):
                raise AssertionError(_text(order, path + "reverse mode", "a combination of the results", got, wanted))
        if order < self.order:
            if "fwd" in self.modes:
                self.run(lambda *x: jvp(function, x, tangents)[1], args, order + 1, f"{path}forward mode, then ")
            if "rev" in self.modes:
                self.run(lambda *x: vjp(function, *x)[1](cotangents), args, order + 1, f"{path}reverse mode, then ")

    def _random(self, x: Any, size: float) -> Any:
        """A direction in which ``x`` can move; None when it cannot."""
        if not _is_float(x):
            return None
        a = np.asarray(x)
        direction = self.rng.uniform(-1, 1, a.shape)
        if a.dtype.kind == "c":
            direction = direction + 1j * self.rng.uniform(-1, 1, a.shape)
        return _like(x, size * direction)

    def _differences(
        self, function: Callable[..., Any], args: tuple[Any, ...], tangents: tuple[Any, ...], step: float
    ) -> list[np.ndarray[Any, Any]]:
        def at(distance: float) -> list[np.ndarray[Any, Any]]:
            moved = _mapped(lambda x, t, path: x if t is None else _like(x, x + distance * t), _copied(args), tangents)
            return _floats(function(*moved))

        points = zip(at(step), at(-step), at(2 * step), at(-2 * step), strict=True)
        return [(8 * (a - b) - (c - d)) / (12 * step) for a, b, c, d in points]

    def _compare(
        self, value: Any, moved: Any, expected: list[np.ndarray[Any, Any]], rtol: float, order: int, how: str
    ) -> None:
        names = [path for x, path in _leaves(value, "the result") if _is_float(x)]
        for name, got, wanted in zip(names, _floats(moved), expected, strict=True):
            scale = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
            if not np.allclose(got, wanted, rtol, rtol * scale if self.atol is None else self.atol):
                raise AssertionError(_text(order, how, name, got, wanted))


def _text(order: int, how: str, what: str, got: Any, wanted: Any) -> str:
    return (
        f"the derivative of order {order} in {how} does not agree with differences: {what} moves by {got}, and "
        f"differences say {wanted}"
    )


def _is_float(x: Any) -> bool:
    return isinstance(x, (float, complex, np.ndarray, np.generic)) and np.asarray(x).dtype.kind in "fc"


def _mapped(change: Callable[..., Any], tree: Any, *others: Any, path: str = "") -> Any:
    """A tree of the same structure whose leaves are ``change(leaf, *other_leaves, path)``."""

    def inner(key: Any, *parts: Any) -> Any:
        return _mapped(change, *parts, path=f"{path}.{key}" if isinstance(key, str) else f"{path}[{key[0]!r}]")

    if isinstance(tree, dict):
        return {k: inner((k,), v, *(o[k] for o in others)) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        named = hasattr(tree, "_fields")
        keys = tree._fields if named else [(k,) for k in range(len(tree))]  # type: ignore[union-attr]
        parts = [inner(k, *values) for k, *values in zip(keys, tree, *others, strict=True)]
        return type(tree)(*parts) if named else type(tree)(parts)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        result = copy.copy(tree)
        for name in (f.name for f in dataclasses.fields(tree)):
            object.__setattr__(result, name, inner(name, *(getattr(t, name) for t in (tree, *others))))
        return result
    return None if tree is None else change(tree, *others, path)


def _leaves(tree: Any, path: str = "") -> list[tuple[Any, str]]:
    found: list[tuple[Any, str]] = []
    _mapped(lambda leaf, where: found.append((leaf, where)), tree, path=path)
    return found


def _floats(tree: Any) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(x) for x, _ in _leaves(tree) if _is_float(x)]


def _copied(tree: Any) -> Any:
    return _mapped(lambda x, path: x.copy() if isinstance(x, np.ndarray) else x, tree)


def _like(x: Any, value: Any) -> Any:
    """``value`` as the same kind of number or array as ``x``."""
    if isinstance(x, np.ndarray):
        return np.asarray(value, x.dtype)
    return type(x)(value)


def _size(x: Any) -> float:
    return float(np.max(np.abs(x), initial=0.0)) or 1.0 if _is_float(x) else 1.0


def _pairing(cotangents: Any, tangents: Any) -> float:
    pairs = zip(_floats(cotangents), _floats(tangents), strict=True)
    return float(sum(np.sum(np.real(np.asarray(c, np.result_type(c, np.float64)) * t)) for c, t in pairs))


def _magnitude(cotangents: Any, tangents: Any) -> float:
    pairs = zip(_floats(cotangents), _floats(tangents), strict=True)
    return float(sum(np.sum(np.abs(c) * np.abs(t)) for c, t in pairs))
