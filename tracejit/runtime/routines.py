"""Where the routines come from that kernels call (:data:`tracejit.ops.library.ROUTINES`): sorting from NumPy, linear
algebra from the LAPACK that NumPy or SciPy has.

Kernels import ``tj_<routine>_<dtype>``. Each such symbol is a few lines of LLVM IR around the library's routine, which
give it 64-bit integers by value and a status to return.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from types import ModuleType

import numpy as np

from tracejit.codegen import capi
from tracejit.codegen.cpu import CompiledCode, compile_module
from tracejit.errors import UnsupportedError
from tracejit.ir.types import DTYPES
from tracejit.runtime import blas

_LAPACK = {"f32": "s", "f64": "d", "c64": "c", "c128": "z"}
_WIDE = ("scipy_{}_64_", "{}_64_", "{}64_", "{}$NEWLAPACK$ILP64")
_NARROW = ("scipy_{}_", "{}_", "{}$NEWLAPACK")
_FACTORIZATIONS = ("potrf", "gesv", "getrf")
_SORTS = {"sort": (33, 0), "argsort": (36, 0), "stable_argsort": (36, 2)}
"""Where the routine stands in ``PyArray_ArrFuncs``, in words: the table of the kinds of sorting, and which of it."""

_linked: dict[str, CompiledCode] = {}

SYMBOLS = (
    frozenset(f"tj_{routine}_{dtype}" for routine in _SORTS for dtype in DTYPES)
    | frozenset(f"tj_{routine}_{dtype}" for routine in _FACTORIZATIONS for dtype in _LAPACK)
    | blas.SYMBOLS
)
"""The symbols that :func:`address` knows."""


@functools.cache
def address(symbol: str) -> int:
    """The address of one of :data:`SYMBOLS`.

    Raises:
        UnsupportedError: It belongs to LAPACK, and there is none.
    """
    if symbol in blas.SYMBOLS:
        return blas.address(symbol)
    routine, _, dtype = symbol.removeprefix("tj_").rpartition("_")
    if routine in _SORTS:
        text, imports = _sorting(symbol, routine), {"routine": sorting_routine(routine, DTYPES[dtype])}
    else:
        where, width = lapack_routine(_LAPACK[dtype] + routine)
        text, imports = _factorization(symbol, routine, width), {"routine": where}
    code = compile_module(text, symbols=(symbol,), imports=imports)
    _linked[symbol] = code
    return code.address[symbol]


# --- NumPy's sorting ------------------------------------------------------------------------------


def sorting_routine(routine: str, dtype: np.dtype[np.generic]) -> int:
    """The address of NumPy's routine for a dtype."""
    functions = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)(capi.function("_PyDataType_GetArrFuncs"))(dtype)
    table, kind = _SORTS[routine]
    return capi.word(functions + 8 * (table + kind))


def _sorting(symbol: str, routine: str) -> str:
    if routine == "sort":
        head, given = "ptr %x, i64 %n", "ptr %x, i64 %n, ptr null"
    else:
        head, given = "ptr %x, ptr %index, i64 %n", "ptr %x, ptr %index, i64 %n, ptr null"
    types = "ptr, i64, ptr" if routine == "sort" else "ptr, ptr, i64, ptr"
    return f"""
declare i32 @routine({types})
define i64 @{symbol}({head}) {{
  %status = call i32 @routine({given})
  %wide = sext i32 %status to i64
  ret i64 %wide
}}
"""


# --- LAPACK ---------------------------------------------------------------------------------------


@functools.cache
def lapack_routine(name: str) -> tuple[int, int]:
    """The address of a routine of LAPACK (``dgesv``), and the bits of its integers.

    Raises:
        UnsupportedError: Neither NumPy nor SciPy has one that can be called.
    """
    extension: ModuleType = np.linalg._umath_linalg
    assert extension.__file__ is not None
    library = ctypes.CDLL(extension.__file__)
    for patterns, width in ((_WIDE, 64), (_NARROW, 32)):
        for pattern in patterns:
            found = getattr(library, pattern.format(name), None)
            if found is not None:
                return int(ctypes.cast(found, ctypes.c_void_p).value or 0), width
    if importlib.util.find_spec("scipy") is not None:
        return _from_scipy(name), 32
    raise UnsupportedError(
        "np.linalg needs a LAPACK that can be called: the one in this build of NumPy cannot",
        hint="pip install scipy, whose LAPACK is used then",
    )


def _from_scipy(name: str) -> int:
    from scipy.linalg import cython_lapack

    capsule = cython_lapack.__pyx_capi__[name]
    api = ctypes.pythonapi
    label = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", api))(capsule)
    get = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", api))
    return int(get(capsule, label))


_HEADS = {
    "potrf": "ptr %a, i64 %n",
    "gesv": "ptr %a, ptr %b, ptr %p, i64 %n, i64 %m",
    "getrf": "ptr %a, ptr %p, i64 %n",
}
_CALLS = {
    # the letter is followed by its hidden length
    "potrf": "ptr @lower, ptr %N, ptr %a, ptr %LD, ptr %INFO, i64 1",
    "gesv": "ptr %N, ptr %M, ptr %a, ptr %LD, ptr %p, ptr %b, ptr %LD, ptr %INFO",
    "getrf": "ptr %N, ptr %N, ptr %a, ptr %LD, ptr %p, ptr %INFO",
}


def _factorization(symbol: str, routine: str, width: int) -> str:
    whole = f"i{width}"

    def stored(name: str, value: str) -> str:
        cut = f"  %{name}.cut = trunc i64 {value} to i32\n" if width == 32 else ""
        return f"{cut}  store {whole} {f'%{name}.cut' if width == 32 else value}, ptr %{name}\n"

    slots = "".join(f"  %{name} = alloca {whole}\n" for name in ("N", "M", "LD", "INFO"))
    call = _CALLS[routine]
    types = ", ".join(part.split()[0] for part in call.split(", "))
    status = f"  %status = load {whole}, ptr %INFO\n"
    status += "  %wide = sext i32 %status to i64\n" if width == 32 else "  %wide = add i64 %status, 0\n"
    widen = _WIDEN if width == 32 and routine == "getrf" else "  ret i64 %wide\n"
    return f"""
@lower = private constant [1 x i8] c"L"
declare void @routine({types})
declare i64 @llvm.umax.i64(i64, i64)
define i64 @{symbol}({_HEADS[routine]}) {{
start:
{slots}  %none = icmp eq i64 %n, 0
  br i1 %none, label %empty, label %work
empty:
  ret i64 0
work:
{stored("N", "%n")}{stored("M", "%m") if routine == "gesv" else ""}{stored("LD", "%n")}{stored("INFO", "0")}\
  call void @routine({call})
{status}{widen}}}
"""


_WIDEN = """  br label %turn
turn:
  %i = phi i64 [ %n, %work ], [ %k, %body ]
  %done = icmp eq i64 %i, 0
  br i1 %done, label %end, label %body
body:
  %k = sub i64 %i, 1
  %from = getelementptr i32, ptr %p, i64 %k
  %pivot = load i32, ptr %from
  %pivot.wide = sext i32 %pivot to i64
  %to = getelementptr i64, ptr %p, i64 %k
  store i64 %pivot.wide, ptr %to
  br label %turn
end:
  ret i64 %wide
"""
"""32-bit pivots as 64-bit ones, last to first, in the same place."""
