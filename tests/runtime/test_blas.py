"""Matrix products: NumPy's BLAS, one with 32-bit integers, and none."""

import ctypes

import numpy as np
import pytest

from tracejit.codegen.cpu import compile_module
from tracejit.runtime import blas

DTYPES = {"s": np.float32, "d": np.float64, "c": np.complex64, "z": np.complex128}


def narrow_stub(letter: str) -> object:
    """A BLAS with 32-bit integers that only knows untransposed matrices: enough to see that it is called."""

    @ctypes.CFUNCTYPE(None, *[ctypes.c_int32] * 6, ctypes.c_double, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p,
                      ctypes.c_int32, ctypes.c_double, ctypes.c_void_p, ctypes.c_int32)  # fmt: skip
    def gemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
        def matrix(p, rows, columns):
            flat = (ctypes.c_double * (rows * columns)).from_address(p)
            return np.frombuffer(flat).reshape(rows, columns)

        matrix(c, m, n)[...] = matrix(a, m, k) @ matrix(b, k, n) + 1000

    return gemm


def multiply(address: int, letter: str, a: np.ndarray, b: np.ndarray, ta: bool, tb: bool) -> np.ndarray:
    """``op(a) @ op(b)`` through a routine with CBLAS's interface."""
    dtype = DTYPES[letter]
    m, k = a.shape[::-1] if ta else a.shape
    n = b.shape[0] if tb else b.shape[1]
    c = np.full((m, n), np.nan, dtype)
    number = ctypes.c_float if letter == "s" else ctypes.c_double
    one, zero = np.ones(1, dtype), np.zeros(1, dtype)
    if letter in "cz":
        number, alpha, beta = ctypes.c_void_p, one.ctypes.data, zero.ctypes.data
    else:
        alpha, beta = 1.0, 0.0
    i32, i64, pointer = ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p
    f = ctypes.CFUNCTYPE(None, i32, i32, i32, i64, i64, i64, number, pointer, i64, pointer, i64, number, pointer, i64)(
        address
    )
    trans = {False: 111, True: 112}
    f(
        101,
        trans[ta],
        trans[tb],
        m,
        n,
        k,
        alpha,
        a.ctypes.data,
        a.shape[1],
        b.ctypes.data,
        b.shape[1],
        beta,
        c.ctypes.data,
        n,
    )
    return c


@pytest.mark.parametrize("letter", DTYPES)
@pytest.mark.parametrize("source", ["numpy", "own"])
def test_products(letter, source):
    rng = np.random.default_rng(1)
    if source == "numpy":
        address = blas.address(f"tj_{letter}gemm")
    else:
        name = f"tj_{letter}gemm"
        code = compile_module(blas._text(letter, narrow=False), symbols=(name,), optimize="full")
        address = code.address[name]
    for m, n, k in [(1, 1, 1), (3, 4, 5), (17, 9, 33)]:
        for ta in (False, True):
            for tb in (False, True):
                a = rng.normal(size=(k, m) if ta else (m, k)).astype(DTYPES[letter])
                b = rng.normal(size=(n, k) if tb else (k, n)).astype(DTYPES[letter])
                if letter in "cz":
                    a, b = a * (1 + 2j), b * (0.5 - 1j)
                    a, b = a.astype(DTYPES[letter]), b.astype(DTYPES[letter])
                want = (a.T if ta else a) @ (b.T if tb else b)
                got = multiply(address, letter, a, b, ta, tb)
                np.testing.assert_allclose(
                    got, want, rtol=1e-4 if letter in "sc" else 1e-12, atol=1e-4 if letter in "sc" else 1e-12
                )


def test_numpys_own_library_is_found():
    assert blas.find("d", blas._WIDE) or blas.find("d", blas._NARROW)
    assert blas.find("d", ("no_such_{}routine",)) is None


def test_a_library_with_32_bit_integers_is_wrapped():
    stub = narrow_stub("d")
    pointer = ctypes.cast(stub, ctypes.c_void_p).value
    code = compile_module(
        blas._text("d", narrow=True), symbols=("tj_dgemm",), imports={"narrow": pointer}, optimize="full"
    )
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(multiply(code.address["tj_dgemm"], "d", a, b, False, False), a @ b + 1000)


def test_a_matrix_too_large_for_it_is_multiplied_by_the_loop():
    stub = narrow_stub("d")
    pointer = ctypes.cast(stub, ctypes.c_void_p).value
    code = compile_module(
        blas._text("d", narrow=True), symbols=("tj_dgemm",), imports={"narrow": pointer}, optimize="full"
    )
    a, b, c = np.arange(2.0), np.arange(2.0), np.zeros(1)
    i32, i64, number, p = ctypes.c_int32, ctypes.c_int64, ctypes.c_double, ctypes.c_void_p
    f = ctypes.CFUNCTYPE(None, i32, i32, i32, i64, i64, i64, number, p, i64, p, i64, number, p, i64)(
        code.address["tj_dgemm"]
    )
    f(101, 111, 111, 1, 1, 2, 1.0, a.ctypes.data, 2**40, b.ctypes.data, 1, 0.0, c.ctypes.data, 2**40)
    assert c[0] == 1.0
