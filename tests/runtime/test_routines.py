"""Routines that kernels call: NumPy's sorting for every dtype, LAPACK with 64-bit and 32-bit integers, and none."""

import ctypes
import types

import numpy as np
import pytest

from tracejit.codegen.cpu import compile_module
from tracejit.errors import UnsupportedError
from tracejit.ir.types import DTYPES
from tracejit.ops.library import ROUTINES
from tracejit.runtime import routines

LAPACK = {"f32": "f4", "f64": "f8", "c64": "c8", "c128": "c16"}


def call(address: int, *arguments: object) -> int:
    given = [a.ctypes.data if isinstance(a, np.ndarray) else a for a in arguments]
    kinds = [ctypes.c_void_p if isinstance(a, np.ndarray) else ctypes.c_int64 for a in arguments]
    return int(ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(address)(*given))


@pytest.mark.parametrize("name", DTYPES)
def test_sorting(name: str) -> None:
    x = np.random.default_rng(2).integers(0, 100, 300).astype(DTYPES[name])
    ordered = x.copy()
    assert call(routines.address(f"tj_sort_{name}"), ordered, len(x)) == 0
    np.testing.assert_array_equal(ordered, np.sort(x))
    for routine, kind in (("argsort", None), ("stable_argsort", "stable")):
        index = np.arange(len(x))
        assert call(routines.address(f"tj_{routine}_{name}"), x, index, len(x)) == 0
        np.testing.assert_array_equal(index, np.argsort(x, kind=kind))


def system(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    a = np.asfortranarray((rng.normal(size=(5, 5)) + 4 * np.eye(5)).astype(dtype))
    return a, np.asfortranarray(rng.normal(size=(5, 2)).astype(dtype))


def check_linear_algebra(name: str, address: object) -> None:
    a, b = system(LAPACK[name])
    tolerance = 1e-4 if name in ("f32", "c64") else 1e-12
    x, factors, pivots = b.copy("F"), a.copy("F"), np.zeros(5, np.int64)
    assert call(address(f"tj_gesv_{name}"), factors, x, pivots, 5, 2) == 0
    np.testing.assert_allclose(a @ x, b, atol=tolerance)
    factors, pivots = a.copy("F"), np.zeros(5, np.int64)
    assert call(address(f"tj_getrf_{name}"), factors, pivots, 5) == 0
    want, wanted = a.copy("F"), np.zeros(5, np.int64)
    ROUTINES["getrf"].compute(want.ravel("K"), wanted, 5)
    np.testing.assert_array_equal(pivots, wanted)
    s = np.asfortranarray(a @ a.conj().T)
    lower = s.copy("F")
    assert call(address(f"tj_potrf_{name}"), lower, 5) == 0
    np.testing.assert_allclose(np.tril(lower), np.linalg.cholesky(s), rtol=10 * tolerance)
    assert call(address(f"tj_potrf_{name}"), np.asfortranarray(-s), 5) > 0
    assert call(address(f"tj_potrf_{name}"), s, 0) == 0


@pytest.mark.parametrize("name", LAPACK)
def test_the_lapack_that_is_found(name: str) -> None:
    check_linear_algebra(name, routines.address)


@pytest.mark.parametrize("name", LAPACK)
def test_the_lapack_of_scipy(name: str) -> None:
    pytest.importorskip("scipy")
    kept = []

    def address(symbol: str) -> int:
        routine = symbol.split("_")[1]
        where = routines._from_scipy(routines._LAPACK[name] + routine)
        code = compile_module(
            routines._factorization(symbol, routine, 32), symbols=(symbol,), imports={"routine": where}
        )
        kept.append(code)
        return code.address[symbol]

    check_linear_algebra(name, address)


def test_no_lapack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routines.ctypes, "CDLL", lambda file: types.SimpleNamespace())
    monkeypatch.setattr(routines.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnsupportedError, match="needs a LAPACK"):
        routines.lapack_routine.__wrapped__("dgesv")


def test_what_routines_mean() -> None:
    a, b = system("f8")
    x = b.copy("F")
    assert ROUTINES["gesv"].compute(a.ravel("K"), x.T.reshape(-1), np.zeros(5, int), 5, 2) == 0
    np.testing.assert_allclose(a @ x, b)
    assert ROUTINES["gesv"].compute(np.zeros(4), np.zeros(2), np.zeros(2, int), 2, 1) == 1
    assert ROUTINES["potrf"].compute(-np.eye(3).ravel(), 3) == 1
    singular = np.ones(4)
    assert ROUTINES["getrf"].compute(singular, np.zeros(2, int), 2) == 2
