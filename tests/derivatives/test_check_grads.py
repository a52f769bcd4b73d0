"""``tracejit.testing.check_grads``: right derivatives pass, wrong ones are named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tracejit as tj
from tracejit.testing import check_grads


def recurrence(a: Any, n: int) -> Any:
    y = np.empty(n)
    y[0] = a[0]
    for i in range(1, n):
        y[i] = np.sin(y[i - 1]) * a[i % len(a)]
    return y, n


@pytest.mark.parametrize("modes", [("fwd",), ("rev",), ("fwd", "rev")])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_right_derivatives(modes: Any, order: int) -> None:
    check_grads(recurrence, (np.array([0.4, 1.5, -0.8]), 5), order=order, modes=modes)


def test_structures_numbers_and_writes_into_arguments() -> None:
    def program(p: Any, x: Any, scale: Any) -> Any:
        x[0] = p["w"] @ x
        return {"y": np.tanh(x) * scale, "n": len(x), "t": (p["b"] * scale, None)}

    x = np.array([1.0, 2.0])
    check_grads(program, ({"w": np.array([0.5, -0.5]), "b": 2.0}, x, np.float64(3)))
    assert x.tolist() == [1.0, 2.0]


def test_compiled_functions_and_derivatives() -> None:
    check_grads(tj.jit(lambda x: np.exp(x) * x), (0.7,))
    check_grads(tj.grad(lambda x: np.sum(x**4)), (np.array([0.7, -1.2]),))


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.complex128])
def test_dtypes(dtype: Any) -> None:
    check_grads(lambda z: np.sin(z) * z, (np.array([0.5, 0.25], dtype) * dtype(1 if dtype is np.float32 else 1 + 1j),))
    check_grads(lambda z: np.abs(z), (np.array([0.5, 0.25], dtype),))


def test_a_wrong_rule_is_found() -> None:
    @tj.custom_jvp
    def cube(x: Any) -> Any:
        return x * x * x

    cube.defjvp(lambda primals, tangents: (primals[0] ** 3, 2 * primals[0] ** 2 * tangents[0]))  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match=r"order 1 in forward mode .* the result moves by"):
        check_grads(lambda x: cube(x) + 1, (2.0,))
    with pytest.raises(AssertionError, match=r"order 1 in reverse mode"):
        check_grads(lambda x: cube(x) + 1, (2.0,), modes=("rev",))


def test_a_wrong_second_derivative_is_found() -> None:
    def derivative(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return x**3, 3 * tj.stop_gradient(x) ** 2 * t

    @tj.custom_jvp
    def cube(x: Any) -> Any:
        return x * x * x

    cube.defjvp(derivative)  # type: ignore[attr-defined]
    check_grads(cube, (2.0,), order=1)
    with pytest.raises(AssertionError, match=r"order 2 in forward mode, then forward mode"):
        check_grads(cube, (2.0,), order=2)


def test_which_part_of_the_result_is_wrong() -> None:
    with pytest.raises(AssertionError, match=r"the result\['b'\] moves by"):
        check_grads(lambda x: {"a": x * x, "b": np.floor(x)}, (2.0,), order=1, modes=("fwd",))


def test_bad_requests() -> None:
    with pytest.raises(ValueError, match="order is 0"):
        check_grads(np.sin, (1.0,), order=0)
    with pytest.raises(ValueError, match="expected 'fwd', 'rev' or both"):
        check_grads(np.sin, (1.0,), modes=("forward",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the arguments of the function hold no floats"):
        check_grads(lambda n: n * 1.5, (2,))
    with pytest.raises(ValueError, match="the result of the function hold no floats"):
        check_grads(lambda x: x > 1, (2.0,))
