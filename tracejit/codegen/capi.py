"""Addresses and memory layouts of the Python and NumPy C-API that generated code relies on.

No C compiler is involved, so what a C extension takes from header files is found here in the live process: addresses of
functions from ``ctypes.pythonapi`` and NumPy's API table, offsets of fields from the public struct definitions.
Every offset is checked against live objects when this module is imported; an interpreter with another layout is
refused there instead of crashing later.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from types import CellType
from typing import Any

import numpy as np

HEAD: int = object.__basicsize__
"""Size of ``PyObject``: where the fields of an object begin."""
OB_TYPE = HEAD - 8
OB_SIZE = HEAD
"""``ob_size`` of variable-size objects; also ``ma_used`` of a dict."""
TUPLE_ITEMS: int = tuple.__basicsize__
LIST_ITEMS = HEAD + 8
"""Where a list keeps the pointer to its items."""
CELL_CONTENTS = HEAD
SCALAR_VALUE = HEAD
"""Where ``float``, ``complex`` and the NumPy scalars keep their number."""

ARRAY_DATA = HEAD
ARRAY_NDIM = HEAD + 8
ARRAY_DIMS = HEAD + 16
ARRAY_STRIDES = HEAD + 24
ARRAY_BASE = HEAD + 32
ARRAY_DESCR = HEAD + 40
ARRAY_FLAGS = HEAD + 48
ARRAY_HANDLER = HEAD + 72
"""The capsule of the allocator that owns the data (NEP 49)."""

DESCR_BYTEORDER = HEAD + 10
DESCR_TYPE_NUM = HEAD + 12

FLAG_C = 0x1
FLAG_F = 0x2
FLAG_OWNDATA = 0x4
FLAG_ALIGNED = 0x100
FLAG_WRITEABLE = 0x400

_NUMPY_FUNCTIONS = {
    "PyArray_NewFromDescr": 94,
    "PyArray_SetBaseObject": 282,
    "_PyDataType_GetArrFuncs": 365,
}
_DEFAULT_HANDLER = 306


class UnsupportedInterpreter(ImportError):
    """This build of Python or NumPy lays out its objects in a way that generated code does not know."""


def word(address: int) -> int:
    """The machine word at ``address``."""
    value = ctypes.c_size_t.from_address(address).value
    return int(value)


@functools.cache
def function(name: str) -> int:
    """The address of a function of the Python or NumPy C-API."""
    if name in _NUMPY_FUNCTIONS:
        return word(_numpy_table() + 8 * _NUMPY_FUNCTIONS[name])
    pointer = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
    assert pointer is not None
    return pointer


@functools.cache
def _numpy_table() -> int:
    capsule = np._core._multiarray_umath._ARRAY_API  # type: ignore[attr-defined]
    get = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    return int(get(capsule, None))


def type_slot(cls: type, slot: int) -> int:
    """The function in slot number ``slot`` (``Py_tp_alloc`` and the like) of a type."""
    get = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_int)(("PyType_GetSlot", ctypes.pythonapi))
    return int(get(cls, slot))


PY_TP_ALLOC = 47


@functools.cache
def default_handler() -> int:
    """The capsule of NumPy's own allocator. Its ``free`` takes what ``malloc`` and ``aligned_alloc`` gave."""
    return word(word(_numpy_table() + 8 * _DEFAULT_HANDLER))


def _check(ok: bool, what: str) -> None:
    if not ok:
        raise UnsupportedInterpreter(
            f"tracejit does not know the memory layout of {what} in this build (Python {sys.version.split()[0]}, "
            f"NumPy {np.__version__}, {sys.implementation.name})"
        )


def _check_python() -> None:
    _check(sys.implementation.name == "cpython" and ctypes.sizeof(ctypes.c_void_p) == 8, "objects")
    _check(not hasattr(sys, "gettotalrefcount"), "objects of a debug build")
    _check(getattr(sys, "_is_gil_enabled", lambda: True)() and HEAD == 16, "objects of a free-threaded build")
    items = (object(), object())
    _check(word(id(items) + OB_TYPE) == id(tuple) and word(id(items) + OB_SIZE) == 2, "tuple")
    _check([word(id(items) + TUPLE_ITEMS + 8 * k) for k in range(2)] == [id(v) for v in items], "tuple")
    listed = list(items)
    start = word(id(listed) + LIST_ITEMS)
    _check(word(id(listed) + OB_SIZE) == 2 and [word(start), word(start + 8)] == [id(v) for v in items], "list")
    table = {1: 2, 3: 4, 5: 6}
    _check(word(id(table) + OB_SIZE) == 3, "dict")
    cell = CellType(items)
    _check(word(id(cell) + CELL_CONTENTS) == id(items), "cell")
    number, pair = 2.5, complex(2.5, -1.5)
    _check(ctypes.c_double.from_address(id(number) + SCALAR_VALUE).value == 2.5, "float")
    _check([ctypes.c_double.from_address(id(pair) + SCALAR_VALUE + k).value for k in (0, 8)] == [2.5, -1.5], "complex")


def _check_numpy() -> None:
    a = np.zeros((3, 5), np.float32)[:, 1:4]
    at = id(a)
    _check(word(at + OB_TYPE) == id(np.ndarray) == word(_numpy_table() + 8 * 2), "ndarray")
    _check(word(at + ARRAY_DATA) == a.ctypes.data, "ndarray")
    _check(ctypes.c_int.from_address(at + ARRAY_NDIM).value == 2, "ndarray")
    _check([word(word(at + ARRAY_DIMS) + 8 * k) for k in range(2)] == [3, 3], "ndarray")
    _check([word(word(at + ARRAY_STRIDES) + 8 * k) for k in range(2)] == [20, 4], "ndarray")
    _check(word(at + ARRAY_BASE) == id(a.base) and word(at + ARRAY_DESCR) == id(np.dtype(np.float32)), "ndarray")
    flags = ctypes.c_int.from_address(at + ARRAY_FLAGS).value
    _check(
        flags & (FLAG_C | FLAG_F | FLAG_OWNDATA | FLAG_ALIGNED | FLAG_WRITEABLE) == FLAG_ALIGNED | FLAG_WRITEABLE,
        "ndarray",
    )
    owner = np.zeros(3)
    owner.flags.writeable = False
    flags = ctypes.c_int.from_address(id(owner) + ARRAY_FLAGS).value
    _check(flags & 0x507 == FLAG_C | FLAG_F | FLAG_OWNDATA | FLAG_ALIGNED, "ndarray")
    if np._core.multiarray.get_handler_name() == "default_allocator":  # type: ignore[attr-defined]
        _check(word(id(owner) + ARRAY_HANDLER) == default_handler(), "ndarray")
    for dtype in (np.dtype(np.float64), np.dtype(">i4"), np.dtype(np.bool_)):
        order = ctypes.c_char.from_address(id(dtype) + DESCR_BYTEORDER).value.decode()
        number = ctypes.c_int.from_address(id(dtype) + DESCR_TYPE_NUM).value
        _check(order == dtype.byteorder and number == dtype.num, "dtype")
    samples: list[tuple[Any, Any]] = [
        (np.float64(2.5), ctypes.c_double), (np.float32(2.5), ctypes.c_float), (np.int64(-7), ctypes.c_int64),
        (np.uint8(7), ctypes.c_uint8), (np.int16(-7), ctypes.c_int16), (np.uint64(7), ctypes.c_uint64),
    ]  # fmt: skip
    for sample, kind in samples:
        _check(kind.from_address(id(sample) + SCALAR_VALUE).value == sample, f"numpy.{type(sample).__name__}")


_check_python()
_check_numpy()
