"""Derivatives of compiled functions: the public functions. What they are made of is loaded when one is used."""

from __future__ import annotations

import copy
import functools
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ParamSpec, TypeAlias, TypeVar, overload

import numpy as np

from tracejit.errors import cleanly
from tracejit.runtime.jitted import Jitted, JittedBase, compiled
from tracejit.runtime.options import Options
from tracejit.trace.context import is_tracing

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

Numbers: TypeAlias = "int | Sequence[int] | None"
Names: TypeAlias = "str | Sequence[str] | None"


@overload
def grad(
    function: Callable[P, Any],
    /,
    *,
    argnums: Numbers = None,
    argnames: Names = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> JittedBase[P, Any]: ...


@overload
def grad(
    *, argnums: Numbers = None, argnames: Names = None, has_aux: bool = False, holomorphic: bool = False
) -> Callable[[Callable[P, Any]], JittedBase[P, Any]]: ...


@cleanly
def grad(
    function: Any = None,
    /,
    *,
    argnums: Numbers = None,
    argnames: Names = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Any:
    """The gradient of a function that returns one number, as a compiled function of the same arguments.

    Computed in reverse mode: at a small multiple of the cost of the function, however many arguments there are. Loops,
    branches and writes into arrays are differentiated as they are. The function's own effects (prints, writes into
    its arguments, exceptions) happen once, as in a call of it.

    Args:
        function: Any function that ``jit`` compiles, compiled or not; without it, ``grad(...)`` is a decorator. It
            returns a floating-point number, or an array of rank 0.
        argnums: Which positional arguments to differentiate with respect to; the first, if neither this nor
            ``argnames`` is given. With several, the result is a tuple of gradients.
        argnames: The same by name. With several, the result is a dict of gradients; with both ``argnums`` and
            ``argnames``, a pair.
        has_aux: The function returns ``(value, aux)``, and the result is ``(gradient, aux)``.
        holomorphic: The function is holomorphic, its arguments and its result are complex: the result is the complex
            derivative. Without it, a real function of a complex number ``x + 1j*y`` has the gradient ``df/dx - 1j *
            df/dy`` (as in JAX), and a complex result is an error.

    Returns:
        A function whose result has the structure of the argument: a number or array of the same shape and dtype, or
        the same tuples, lists, dicts, named tuples and dataclasses of those. ``None`` stays ``None``.

    Raises:
        TypeError: ``function`` cannot be called, or there is no such parameter.
        DerivativeError: In a call: the argument has a part that is no floating-point number, the function does not
            return one such number, or uses an operation without derivative.

    Example:
        >>> import tracejit
        >>> def newton(a):
        ...     x = a
        ...     while abs(x * x - a) > 1e-12:
        ...         x = 0.5 * (x + a / x)
        ...     return x
        >>> round(tracejit.grad(newton)(4.0), 6)
        0.25
    """
    return _derived("grad", function, (argnums, argnames), (has_aux, holomorphic))


@overload
def value_and_grad(
    function: Callable[P, Any],
    /,
    *,
    argnums: Numbers = None,
    argnames: Names = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> JittedBase[P, tuple[Any, Any]]: ...


@overload
def value_and_grad(
    *, argnums: Numbers = None, argnames: Names = None, has_aux: bool = False, holomorphic: bool = False
) -> Callable[[Callable[P, Any]], JittedBase[P, tuple[Any, Any]]]: ...


@cleanly
def value_and_grad(
    function: Any = None,
    /,
    *,
    argnums: Numbers = None,
    argnames: Names = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Any:
    """The value and the gradient of a function in one call: ``(value, gradient)``; see :func:`grad`.

    Args:
        function: As for :func:`grad`.
        argnums: As for :func:`grad`.
        argnames: As for :func:`grad`.
        has_aux: The function returns ``(value, aux)``, and the result is ``((value, aux), gradient)``.
        holomorphic: As for :func:`grad`.

    Raises:
        TypeError: As for :func:`grad`.
        DerivativeError: As for :func:`grad`.

    Example:
        >>> import tracejit
        >>> tracejit.value_and_grad(lambda x: x ** 3)(2.0)
        (8.0, 12.0)
    """
    return _derived("value_and_grad", function, (argnums, argnames), (has_aux, holomorphic))


@overload
def jvp(function: Callable[..., Any], /, *, has_aux: bool = False) -> JittedBase[..., Any]: ...


@overload
def jvp(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], /, *, has_aux: bool = False
) -> Any: ...


@cleanly
def jvp(function: Any, /, *vectors: Any, has_aux: bool = False) -> Any:
    """The derivative of a function along a direction, in forward mode.

    ``jvp(f, primals, tangents)`` is ``(f(*primals), tangent of the result)``; ``jvp(f)`` is the compiled function of
    ``primals`` and ``tangents``.

    Args:
        function: Any function that ``jit`` compiles, compiled or not.
        vectors: ``primals``, a tuple with the arguments, and ``tangents``, a tuple with the direction of each: of the
            same structure, shapes and dtypes, with ``None`` for what is no floating-point number or array.
        has_aux: The function returns ``(value, aux)``; the result is ``(value, tangent, aux)``.

    Returns:
        The result of the function, and its tangent: of the same structure, with ``None`` for what is no floating-point
        number or array.

    Raises:
        TypeError: ``function`` cannot be called, or not with these arguments.
        DerivativeError: The tangents do not fit the primals, or the function uses an operation without derivative.

    Example:
        >>> import numpy as np, tracejit
        >>> tracejit.jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 0.0))
        (6.0, 3.0)
    """
    made = _derived("jvp", function, None, (has_aux,))
    return made(*_both(vectors, "jvp")) if vectors else made


@overload
def vjp(function: Callable[P, Any], /, *, has_aux: bool = False) -> JittedBase[P, Any]: ...


@overload
def vjp(function: Callable[..., Any], /, *primals: Any, has_aux: bool = False) -> Any: ...


@cleanly
def vjp(function: Any, /, *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function, and a function that carries a cotangent of its result back to its arguments.

    ``vjp(f, *primals)`` is ``(f(*primals), pullback)``; ``vjp(f)`` is the compiled function of the primals that gives
    this. The program runs once; ``pullback`` may be called any number of times, and goes in and out of compiled
    functions as an argument or a result.

    Args:
        function: Any function that ``jit`` compiles, compiled or not.
        primals: Its arguments.
        has_aux: The function returns ``(value, aux)``; the result is ``(value, pullback, aux)``.

    Returns:
        The result of the function, and ``pullback``: it takes a cotangent with the structure, shapes and dtypes of the
        result (``None`` for what is no floating-point number or array), and gives a tuple with the cotangent of each
        positional argument.

    Raises:
        TypeError: ``function`` cannot be called, or not with these arguments.
        DerivativeError: The function uses an operation without derivative; of ``pullback``: the cotangent does not
            fit the result.

    Example:
        >>> import numpy as np, tracejit
        >>> y, pullback = tracejit.vjp(lambda x, k: k * x ** 2, np.array([1.0, 2.0]), 3.0)
        >>> pullback(np.array([1.0, 0.0]))
        (array([6., 0.]), 1.0)
    """
    made = _derived("vjp", function, None, (has_aux,))
    return made(*primals) if primals else made


@overload
def linearize(function: Callable[P, Any], /, *, has_aux: bool = False) -> JittedBase[P, Any]: ...


@overload
def linearize(function: Callable[..., Any], /, *primals: Any, has_aux: bool = False) -> Any: ...


@cleanly
def linearize(function: Any, /, *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function, and its derivative at that point as a function of tangents.

    ``linearize(f, *primals)`` is ``(f(*primals), pushforward)``, where ``pushforward(*tangents)`` is what :func:`jvp`
    gives as the tangent of the result, without running the program again; ``linearize(f)`` is the compiled function of
    the primals that gives this.

    Args:
        function: Any function that ``jit`` compiles, compiled or not.
        primals: Its arguments.
        has_aux: The function returns ``(value, aux)``; the result is ``(value, pushforward, aux)``.

    Raises:
        TypeError: ``function`` cannot be called, or not with these arguments.
        DerivativeError: The function uses an operation without derivative; of ``pushforward``: the tangents do not
            fit the arguments.

    Example:
        >>> import tracejit
        >>> y, pushforward = tracejit.linearize(lambda x, y: x * y, 2.0, 3.0)
        >>> y, pushforward(1.0, 0.0), pushforward(0.0, 1.0)
        (6.0, 3.0, 2.0)
    """
    made = _derived("linearize", function, None, (has_aux,))
    return made(*primals) if primals else made


@overload
def jacfwd(
    function: Callable[P, Any],
    /,
    *,
    argnums: Numbers = None,
    argnames: Names = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> JittedBase[P, Any]: ...


@overload
def jacfwd(
    *, argnums: Numbers = None, argnames: Names = None, has_aux: bool = False, holomorphic: bool = False
) -> Callable[[Callable[P, Any]], JittedBase[P, Any]]: ...


@cleanly
def jacfwd(
    function: Any = None,
    /,
    *,
    argnums: Numbers = None,
    argnames: Names = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Any:
    """The Jacobian of a function, computed in forward mode: a column per element of the arguments.

    Cheap for few numbers in, many numbers out; see :func:`jacrev` and :func:`jacobian`. The program itself runs once.

    Args:
        function: Any function that ``jit`` compiles, compiled or not; without it, ``jacfwd(...)`` is a decorator. It
            returns floating-point numbers or arrays, or containers of them.
        argnums: As for :func:`grad`.
        argnames: As for :func:`grad`.
        has_aux: The function returns ``(value, aux)``, and the result is ``(jacobian, aux)``.
        holomorphic: As for :func:`grad`. Without it, arguments are real; results may be complex.

    Returns:
        A function whose result has the structure of the function's result, and in it, for each number or array, the
        structure of the arguments; there, for each number or array, an array whose shape is that of the result
        followed by that of the argument (a number, if both are).

    Raises:
        TypeError: As for :func:`grad`.
        DerivativeError: As for :func:`grad`.

    Example:
        >>> import numpy as np, tracejit
        >>> tracejit.jacfwd(lambda x: x[1:] * x[:-1])(np.array([1.0, 2.0, 3.0]))
        array([[2., 1., 0.],
               [0., 3., 2.]])
    """
    return _derived("jacfwd", function, (argnums, argnames), (has_aux, holomorphic))


@overload
def jacrev(
    function: Callable[P, Any],
    /,
    *,
    argnums: Numbers = None,
    argnames: Names = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> JittedBase[P, Any]: ...


@overload
def jacrev(
    *, argnums: Numbers = None, argnames: Names = None, has_aux: bool = False, holomorphic: bool = False
) -> Callable[[Callable[P, Any]], JittedBase[P, Any]]: ...


@cleanly
def jacrev(
    function: Any = None,
    /,
    *,
    argnums: Numbers = None,
    argnames: Names = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Any:
    """The Jacobian of a function, computed in reverse mode: a row per element of the result.

    Cheap for many numbers in, few numbers out; see :func:`jacfwd`, of which arguments and result are the same.

    Args:
        function: As for :func:`jacfwd`.
        argnums: As for :func:`grad`.
        argnames: As for :func:`grad`.
        has_aux: As for :func:`jacfwd`.
        holomorphic: As for :func:`grad`. Without it, results are real; arguments may be complex.

    Raises:
        TypeError: As for :func:`grad`.
        DerivativeError: As for :func:`grad`.

    Example:
        >>> import numpy as np, tracejit
        >>> tracejit.jacrev(lambda x, w: w @ x, argnums=(0, 1))(np.array([1.0, 2.0]), np.array([[3.0, 4.0]]))
        (array([[3., 4.]]), array([[[1., 2.]]]))
    """
    return _derived("jacrev", function, (argnums, argnames), (has_aux, holomorphic))


@overload
def jacobian(
    function: Callable[P, Any],
    /,
    *,
    argnums: Numbers = None,
    argnames: Names = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> JittedBase[P, Any]: ...


@overload
def jacobian(
    *, argnums: Numbers = None, argnames: Names = None, has_aux: bool = False, holomorphic: bool = False
) -> Callable[[Callable[P, Any]], JittedBase[P, Any]]: ...


@cleanly
def jacobian(
    function: Any = None,
    /,
    *,
    argnums: Numbers = None,
    argnames: Names = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Any:
    """The Jacobian of a function, computed in whichever mode is cheaper for the shapes at hand.

    Forward mode (:func:`jacfwd`) unless the arguments have more elements than the result; for complex numbers, the
    mode in which the result is well-defined.

    Args:
        function: As for :func:`jacfwd`.
        argnums: As for :func:`grad`.
        argnames: As for :func:`grad`.
        has_aux: As for :func:`jacfwd`.
        holomorphic: As for :func:`grad`.

    Raises:
        TypeError: As for :func:`grad`.
        DerivativeError: As for :func:`grad`.

    Example:
        >>> import numpy as np, tracejit
        >>> tracejit.jacobian(lambda t: np.array([np.exp(t), np.sin(t)]))(0.0)
        array([1., 1.])
    """
    return _derived("jacobian", function, (argnums, argnames), (has_aux, holomorphic))


@overload
def hessian(
    function: Callable[P, Any],
    /,
    *,
    argnums: Numbers = None,
    argnames: Names = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> JittedBase[P, Any]: ...


@overload
def hessian(
    *, argnums: Numbers = None, argnames: Names = None, has_aux: bool = False, holomorphic: bool = False
) -> Callable[[Callable[P, Any]], JittedBase[P, Any]]: ...


@cleanly
def hessian(
    function: Any = None,
    /,
    *,
    argnums: Numbers = None,
    argnames: Names = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Any:
    """The matrix of second derivatives of a function that returns one number: forward mode over reverse mode.

    Args:
        function: As for :func:`grad`.
        argnums: As for :func:`grad`; with several, the result is a tuple of tuples.
        argnames: As for :func:`grad`.
        has_aux: The function returns ``(value, aux)``, and the result is ``(hessian, aux)``.
        holomorphic: As for :func:`grad`.

    Returns:
        A function whose result has the structure of the argument, and in it, for each number or array, that structure
        again, with arrays of the two shapes together.

    Raises:
        TypeError: As for :func:`grad`.
        DerivativeError: As for :func:`grad`.

    Example:
        >>> import numpy as np, tracejit
        >>> tracejit.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
        array([[4., 2.],
               [2., 0.]])
    """
    return _derived("hessian", function, (argnums, argnames), (has_aux, holomorphic))


@overload
def hvp(function: Callable[..., Any], /, *, has_aux: bool = False) -> JittedBase[..., Any]: ...


@overload
def hvp(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], /, *, has_aux: bool = False
) -> Any: ...


@cleanly
def hvp(function: Any, /, *vectors: Any, has_aux: bool = False) -> Any:
    """The Hessian of a function that returns one number, times a vector, without making the matrix.

    ``hvp(f, primals, tangents)`` is the derivative of the gradient of ``f`` at ``primals`` along ``tangents``;
    ``hvp(f)`` is the compiled function of ``primals`` and ``tangents``. It costs a small multiple of the function.

    Args:
        function: As for :func:`grad`.
        vectors: ``primals``, a tuple with the arguments, and ``tangents``, a tuple with a vector for each, of the same
            structure, shapes and dtypes; ``None`` for an argument that is held constant.
        has_aux: The function returns ``(value, aux)``, and the result is ``(product, aux)``.

    Returns:
        A tuple with the product for each argument, ``None`` where the vector is.

    Raises:
        TypeError: ``function`` cannot be called, or not with these arguments.
        DerivativeError: As for :func:`grad` and :func:`jvp`.

    Example:
        >>> import numpy as np, tracejit
        >>> tracejit.hvp(lambda x: x[0] ** 2 * x[1], (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
        (array([4., 2.]),)
    """
    made = _derived("hvp", function, None, (has_aux,))
    return made(*_both(vectors, "hvp")) if vectors else made


# --- derivatives by rules of the user ---------------------------------------------------------------------------------


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
            raise TypeError(f"{what} of custom_root is a function, not {_kind(f)}")
    options = (residual, linear_solve)
    if solver is None:
        return functools.partial(_derived, "custom_root", selected=None, options=options, remember=False)
    return _derived("custom_root", solver, None, options, remember=False)


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
    return _derived("checkpoint", function, None, ())


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
            a number: parts of so many turns.

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
    known = schedule == "sqrt" or (len(words) == 2 and words[0] == "levels" and words[1].isdigit() and int(words[1]))
    if not known and (not isinstance(schedule, int) or isinstance(schedule, bool) or schedule < 1):
        raise ValueError(
            f"the schedule of checkpointed is {schedule!r}, expected 'sqrt', 'levels 2' (or more), or a number of turns"
        )
    from tracejit.trace.iterables import Checkpointed

    result: Iterable[T] = Checkpointed(items, schedule)
    return result


def _with_rule(how: str, function: Any, method: str) -> Any:
    made = _derived(how, function, None, (), remember=False)
    setattr(made, method, getattr(made.__wrapped__, method))
    return made


# --- making them ------------------------------------------------------------------------------------------------------


@cleanly
def _derived(
    how: str,
    function: Any,
    selected: tuple[Numbers, Names] | None,
    options: tuple[Any, ...],
    remember: bool = True,
) -> Any:
    """The transform ``how`` of a function, compiled; a decorator, without a function."""
    if function is None:
        return functools.partial(_derived, how, selected=selected, options=options)
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(_derived(how, function.__func__, selected, options))
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"{how} takes a function, not {_kind(function)}")
    if selected is not None:
        from tracejit.derivatives.selection import select

        options = (select(function, *selected, how), *options)
    # the same function again, as in ``grad(f)(x)`` in a loop, must not be compiled again
    if remember and isinstance(function, _KNOWN_BY_IDENTITY) and not is_tracing():
        return _remembered(how, function, options)
    return _made(how, function, options)


_KNOWN_BY_IDENTITY = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, np.ufunc, Jitted)


def _made(how: str, function: Any, options: tuple[Any, ...]) -> JittedBase[..., Any]:
    from tracejit.derivatives import makers

    transformed = makers.MAKERS[how](how, function, *options)
    same = isinstance(function, Jitted) and transformed.__signature__ == transformed.inner_signature
    return compiled(transformed, function._options if same else Options())


_remembered = functools.lru_cache(maxsize=512)(_made)


def _both(vectors: tuple[Any, ...], how: str) -> tuple[Any, ...]:
    if len(vectors) != 2:
        raise TypeError(f"{how} takes a function, primals and tangents, not a function and {len(vectors)} more")
    return vectors


def _kind(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"an object of type {type(value).__name__}: {value!r}"
