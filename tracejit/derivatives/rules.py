"""The public functions by which the user has a say in derivatives: rules, constants, equations, what is kept."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar, overload

from tracejit.derivatives.making import derived, kind_of
from tracejit.errors import cleanly
from tracejit.runtime.jitted import JittedBase
from tracejit.trace.context import is_tracing

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


@cleanly
def custom_jvp(function: Callable[P, R]) -> JittedBase[P, R]:
    """A compiled function with a derivative rule of its own, for tangents.

    ``f.defjvp(rule)`` (also as a decorator) sets the rule: ``rule(primals, tangents)`` gives the result of the function
    and its tangent. Both arguments are tuples, with an entry for each positional argument; tangents are ``None`` for
    what is no floating-point number or array. The tangent of the result must be linear in the tangents: then reverse
    mode uses the rule, too. The function, and its rule, may not change arrays and objects from outside, and what is
    differentiated must reach the function through its arguments.

    Args:
        function: Any function that ``jit`` compiles.

    Returns:
        The compiled function, with the method ``defjvp``.

    Raises:
        TypeError: ``function`` cannot be called; of ``defjvp``: there is a rule already.
        DerivativeError: When a derivative is taken: the rule gives another structure or other shapes, or is not linear,
            or the function depends on a value from outside that is differentiated.

    Example:
        >>> import numpy as np, tracejit
        >>> @tracejit.custom_jvp
        ... def log1pexp(x):
        ...     return np.log1p(np.exp(x))
        >>> @log1pexp.defjvp
        ... def rule(primals, tangents):
        ...     (x,), (t,) = primals, tangents
        ...     return log1pexp(x), t / (1 + np.exp(-x))
        >>> tracejit.grad(log1pexp)(1000.0)
        1.0
    """
    made: JittedBase[P, R] = _with_rule("custom_jvp", function, "defjvp")
    return made


@cleanly
def custom_vjp(function: Callable[P, R]) -> JittedBase[P, R]:
    """A compiled function with a derivative rule of its own, for cotangents.

    ``f.defvjp(forward, backward)`` sets the rule: ``forward(*args)`` gives the result of the function and residuals,
    any structure of what ``backward`` will need; ``backward(residuals, cotangent)`` gives a tuple with the cotangent of
    each positional argument, ``None`` for zero and for what is no floating-point number or array. Forward mode uses the
    rule, too, if ``backward`` is linear in the cotangent. See :func:`custom_jvp` for what the functions may do.

    Args:
        function: Any function that ``jit`` compiles.

    Returns:
        The compiled function, with the method ``defvjp``.

    Raises:
        TypeError: ``function`` cannot be called; of ``defvjp``: there is a rule already.
        DerivativeError: When a derivative is taken: the rule gives another structure or other shapes, or is not linear
            where forward mode needs it, or the function depends on a value from outside that is differentiated.

    Example:
        >>> import numpy as np, tracejit
        >>> @tracejit.custom_vjp
        ... def clipped(x):                          # x, with gradients of at most 1
        ...     return x
        >>> clipped.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1, 1),))
        >>> tracejit.grad(lambda x: 5.0 * clipped(x))(2.0)
        1.0
    """
    made: JittedBase[P, R] = _with_rule("custom_vjp", function, "defvjp")
    return made


@overload
def custom_root(
    residual: Callable[..., Any], /, *, linear_solve: Callable[..., Any] | None = None
) -> Callable[[Callable[P, R]], JittedBase[P, R]]: ...


@overload
def custom_root(
    residual: Callable[..., Any], solver: Callable[P, R], /, *, linear_solve: Callable[..., Any] | None = None
) -> JittedBase[P, R]: ...


@cleanly
def custom_root(residual: Any, solver: Any = None, /, *, linear_solve: Any = None) -> Any:
    """A compiled solver of an equation, differentiated by the equation and not through the steps of the solver.

    At the solution ``x`` of ``residual(x, *args) == 0`` the implicit function theorem gives the derivative, in both
    modes and to any order, from derivatives of ``residual`` alone. ``custom_root(residual, solver)``, or as a
    decorator of the solver. A fixed point of ``f`` is a root of ``f(x, *args) - x``.

    Args:
        residual: A function of the solution and of the arguments of the solver, which gives as many numbers as the
            solution has, in the same structure.
        solver: Gives the solution from its (positional) arguments: a number, an array, or a structure of those.
        linear_solve: ``linear_solve(product, ct)`` gives ``w`` such that ``product(w)``, which is ``w`` times the
            Jacobian of ``residual`` with respect to the solution, is ``ct``. Without it the Jacobian is computed, and
            ``np.linalg.solve`` of it.

    Raises:
        TypeError: ``residual`` or ``solver`` cannot be called.
        DerivativeError: When a derivative is taken: ``residual`` has another structure than the solution, or the
            derivative of one of the two does not exist.

    Example:
        >>> import tracejit
        >>> @tracejit.custom_root(lambda x, a: x * x - a)
        ... def root(a):
        ...     x = a
        ...     while abs(x * x - a) > 1e-12:
        ...         x = 0.5 * (x + a / x)
        ...     return x
        >>> round(tracejit.grad(root)(4.0), 9), round(tracejit.grad(tracejit.grad(root))(4.0), 9)
        (0.25, -0.03125)
    """
    for what, f in (("residual", residual), ("linear_solve", linear_solve)):
        if not callable(f) and (what == "residual" or f is not None):
            raise TypeError(f"{what} of custom_root is a function, not {kind_of(f)}")
    options = (residual, linear_solve)
    if solver is None:
        return functools.partial(derived, "custom_root", selected=None, options=options, remember=False)
    return derived("custom_root", solver, None, options, remember=False)


def stop_gradient(x: T) -> T:
    """``x`` as a constant: derivatives do not go through it.

    Args:
        x: A number, an array, or a tuple, list, dict, named tuple or dataclass of those.

    Returns:
        The same values; arrays are new ones.

    Example:
        >>> import tracejit
        >>> tracejit.grad(lambda x: x * tracejit.stop_gradient(x))(3.0)
        3.0
    """
    if not is_tracing():
        return copy.deepcopy(x)
    from tracejit.derivatives.custom import stopped

    stop: T = stopped(x)
    return stop


@overload
def checkpoint(function: Callable[P, R], /) -> JittedBase[P, R]: ...


@overload
def checkpoint() -> Callable[[Callable[P, R]], JittedBase[P, R]]: ...


@cleanly
def checkpoint(function: Any = None, /) -> Any:
    """A compiled function that reverse mode computes again, instead of keeping what it computed on the way.

    The derivative of a call keeps what the function is given (its arguments, and what it closes over), which takes
    less memory and about one more run of the function. Values and derivatives are the same.

    Args:
        function: Any function that ``jit`` compiles, compiled or not.

    Raises:
        TypeError: ``function`` cannot be called.
        DerivativeError: When a derivative is taken: the function calls back into Python.

    Example:
        >>> import numpy as np, tracejit
        >>> layer = tracejit.checkpoint(lambda x: np.tanh(np.sin(x)))
        >>> tracejit.grad(lambda x: layer(layer(x)))(0.0)
        1.0
    """
    return derived("checkpoint", function, None, ())


@cleanly
def checkpointed(items: Iterable[T], schedule: int | str = "sqrt") -> Iterable[T]:
    """Have reverse mode compute turns of a ``for`` loop again: ``for i in tracejit.checkpointed(range(n))``.

    Without it, the derivative of a loop of n turns keeps what each turn has computed. With it the loop is divided into
    parts; only the state at the start of each part is kept, and a part is computed again when the derivative comes to
    it. Values and derivatives are the same. The loop must not end early (``break``, ``return``), nor carry arrays whose
    lengths change.

    Args:
        items: What the loop runs over.
        schedule: ``"sqrt"``: parts of about sqrt(n) turns, for memory of 2 sqrt(n) states and one more run; ``"levels
            k"``: parts are divided again, down to k levels, for memory of about k n**(1/(k+1)) states and k more runs;
            ``"binomial k"``: memory for k states, and no more runs than these make necessary (with r more runs,
            (k + r)! / (k! r!) turns: Griewank and Walther, ACM TOMS 26, 2000); a number: parts of so many turns.

    Raises:
        ValueError: There is no such schedule.
        CaptureError: When the loop is compiled: it may end early.
        DerivativeError: When a derivative is taken: the loop carries arrays whose lengths change.

    Example:
        >>> import numpy as np, tracejit
        >>> @tracejit.grad
        ... def f(x):
        ...     for _ in tracejit.checkpointed(range(100)):
        ...         x = np.sin(x)
        ...     return x
        >>> f(0.0)
        1.0
    """
    words = str(schedule).split()
    known = schedule == "sqrt" or (
        len(words) == 2 and words[0] in ("levels", "binomial") and words[1].isdigit() and int(words[1])
    )
    if not known and (not isinstance(schedule, int) or isinstance(schedule, bool) or schedule < 1):
        raise ValueError(
            f"the schedule of checkpointed is {schedule!r}, expected 'sqrt', 'levels 2' (or more), 'binomial 10' (or "
            "another number of states), or a number of turns"
        )
    from tracejit.trace.iterables import Checkpointed

    result: Iterable[T] = Checkpointed(items, schedule)
    return result


def _with_rule(how: str, function: Any, method: str) -> Any:
    made = derived(how, function, None, (), remember=False)
    setattr(made, method, getattr(made.__wrapped__, method))
    return made
