"""The public functions that take derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, overload

from tracejit.derivatives.making import Names, Numbers, both, derived
from tracejit.errors import cleanly
from tracejit.runtime.jitted import JittedBase

P = ParamSpec("P")


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
    return derived("grad", function, (argnums, argnames), (has_aux, holomorphic))


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
    return derived("value_and_grad", function, (argnums, argnames), (has_aux, holomorphic))


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
    made = derived("jvp", function, None, (has_aux,))
    return made(*both(vectors, "jvp")) if vectors else made


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
    made = derived("vjp", function, None, (has_aux,))
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
    made = derived("linearize", function, None, (has_aux,))
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
    return derived("jacfwd", function, (argnums, argnames), (has_aux, holomorphic))


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
    return derived("jacrev", function, (argnums, argnames), (has_aux, holomorphic))


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
    return derived("jacobian", function, (argnums, argnames), (has_aux, holomorphic))


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
    return derived("hessian", function, (argnums, argnames), (has_aux, holomorphic))


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
    made = derived("hvp", function, None, (has_aux,))
    return made(*both(vectors, "hvp")) if vectors else made
