"""``vectorize`` against ``np.vectorize``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tracejit as tj

rng = np.random.default_rng(4)


def agree(function: Any, *arguments: Any, signature: str | None = None, **options: Any) -> None:
    want = np.vectorize(function, signature=signature, **options)(*arguments)
    got = tj.vectorize(function, signature=signature, **options)(*arguments)
    pairs = zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]
    for x, y in pairs:
        assert type(x) is np.ndarray and x.shape == y.shape and x.dtype == y.dtype
        np.testing.assert_allclose(x, y, 1e-13)


def gcd(a: Any, b: Any) -> Any:
    while b:
        a, b = b, a % b
    return a


def test_numbers() -> None:
    agree(gcd, np.arange(1, 7)[:, None], np.array([4, 6, 9]))
    agree(gcd, np.arange(1, 7), 12)
    agree(gcd, 12, 18)
    agree(gcd, [[4, 6], [10, 3]], (2, 3))
    agree(lambda x: math.sqrt(x) if x > 0 else -1.0, rng.uniform(-1, 1, (2, 3, 4)))
    agree(lambda x, y: (x + y, x > y), rng.random((3, 1)), rng.random(4))
    agree(lambda x: x * 2, np.arange(3, dtype=np.float32))


def test_named_and_excluded() -> None:
    def polynomial(coefficients: Any, x: Any) -> Any:
        total = 0.0
        for c in coefficients:
            total = total * x + c
        return total

    for excluded in ({0}, {"coefficients"}):
        got = tj.vectorize(polynomial, excluded=excluded)(np.array([1.0, 2.0, 3.0]), np.array([[0.0, 1.0], [2.0, 3.0]]))
        np.testing.assert_allclose(got, np.polyval([1, 2, 3], np.array([[0, 1], [2, 3]])))
    got = tj.vectorize(polynomial, excluded={"coefficients"})(coefficients=np.array([1.0, 2.0]), x=np.arange(3))
    np.testing.assert_allclose(got, np.arange(3) + 2.0)


def test_otypes() -> None:
    agree(lambda x: x, np.arange(3), otypes=[np.float64])
    agree(lambda x: (x, x), np.arange(3), otypes="df")
    assert tj.vectorize(lambda x: x, otypes=[float])(np.zeros(0, np.int64)).dtype == np.float64


@pytest.mark.parametrize(
    ("shapes", "signature"),
    [
        (((2, 3), (3,)), "(m,n),(n)->(m)"),
        (((4, 1, 2, 3), (5, 3)), "(m,n),(n)->(m)"),
        (((2, 3), (5, 3)), "(m,n),(n)->(m)"),
    ],
)
def test_products(shapes: Any, signature: str) -> None:
    agree(lambda a, x: a @ x, *(rng.random(s) for s in shapes), signature=signature)


def test_signatures() -> None:
    agree(lambda x: x.mean(), rng.random((2, 3, 4)), signature="(n)->()")
    agree(lambda x, k: (x * k, x.sum()), rng.random((2, 3)), rng.random(2), signature="(n),()->(n),()")
    agree(lambda x: np.outer(x, x), rng.random((2, 3)), signature="(n)->(n,n)")
    agree(lambda x, y: x + y, 1.0, 2.0, signature="(),()->()")
    agree(lambda p, q: p[0] * q[1] - p[1] * q[0], rng.random((4, 1, 2)), rng.random((3, 2)), signature="(2),(2)->()")


def test_as_a_decorator() -> None:
    @tj.vectorize(signature="(n)->()", doc="Adds.")
    def total(x: Any) -> Any:
        return x.sum()

    assert total(np.ones((2, 3))).tolist() == [3.0, 3.0] and total.__doc__ == "Adds."


def test_derivatives() -> None:
    x = rng.random((2, 3))
    got = tj.grad(lambda x: tj.vectorize(lambda v: v * v if v > 0.5 else v)(x).sum())(x)
    np.testing.assert_allclose(got, np.where(x > 0.5, 2 * x, 1.0))


def refused(error: type[Exception], message: str, function: Any, *arguments: Any, **options: Any) -> None:
    with pytest.raises(error, match=message):
        tj.vectorize(function, **options)(*arguments)


def test_what_is_refused() -> None:
    def f(a: Any, b: Any) -> Any:
        return a

    refused(ValueError, "not a valid gufunc signature: 'm,n->m'", f, signature="m,n->m")
    refused(ValueError, "could not be broadcast together with shapes", f, np.zeros(3), np.zeros(4))
    refused(ValueError, "the core dimension n is 3 in argument 0 and 4 in argument 1", f, np.zeros(3), np.zeros(4),
            signature="(n),(n)->(n)")  # fmt: skip
    refused(ValueError, "argument 0 has 1 dimensions, which is not enough", f, np.zeros(3), 1.0,
            signature="(m,n),()->()")  # fmt: skip
    refused(ValueError, r"a result has 1 dimensions, and the core dimensions are \(\)", f, np.zeros((2, 3)), 1.0,
            signature="(n),()->()")  # fmt: skip
    refused(ValueError, "2 results are expected, the function returns 1", f, 1.0, 2.0, signature="(),()->(),()")
    refused(TypeError, "2 arguments are expected, 1 given", lambda a: a, 1.0, signature="(),()->()")
    refused(TypeError, "argument 1 is a str, expected a number or an array", f, 1.0, "text")


def test_a_dict_that_lanes_change_is_refused() -> None:
    def f(v, d):
        d["k"] = 5
        return v + d["k"]

    for axes in (None, 0):
        table = {"k": np.arange(3.0)}
        with pytest.raises(tj.errors.TracejitError, match="changes a"):
            tj.vmap(f, in_axes=(0, axes))(np.arange(3.0), table)
        assert list(table["k"]) == [0, 1, 2]
