"""The type of compiled callables: a Python class extended by a vectorcall slot that native code fills.

``PyType_FromSpec`` makes a subtype of an ordinary Python class with four more fields (vectorcall pointer,
``__dict__``, weak references, the object for calls that no native entry point takes). Every function in its slots
exists in the interpreter, so making the type needs no compiled code and takes microseconds. While the vectorcall
pointer is null, a call goes through
``tp_call`` to the Python class's ``__call__``.
"""

from __future__ import annotations

import ctypes
import types
from typing import Any, Generic, TypeVar

from tracejit.record import record

T = TypeVar("T")

_TP_DESCR_GET, _TP_MEMBERS, _TP_GETSET = 54, 72, 73
_PY_SSIZE, _OBJECT_EX, _READONLY = 19, 16, 1
_HAVE_VECTORCALL, _METHOD_DESCRIPTOR, _DEFAULT = 1 << 11, 1 << 17, 1 << 18


class _Slot(ctypes.Structure):
    _fields_ = [("slot", ctypes.c_int), ("function", ctypes.c_void_p)]


class _Spec(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    ]


class _Member(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


class _GetSet(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("get", ctypes.c_void_p),
        ("set", ctypes.c_void_p),
        ("doc", ctypes.c_char_p),
        ("closure", ctypes.c_void_p),
    ]


_keep_alive: list[Any] = []

_FIELDS = object.__basicsize__ + 32
"""Where the fields of a native subtype begin: the same for all, after room for the slots of the Python class."""
VECTORCALL_OFFSET, _DICT_OFFSET, _WEAK_OFFSET, SLOW_OFFSET = range(_FIELDS, _FIELDS + 32, 8)
_SIZE = _FIELDS + 32


@record(frozen=True)
class NativeType(Generic[T]):
    """A native subtype of a Python class.

    Attributes:
        type: The subtype. Its instances have the attribute ``slow``, at :data:`SLOW_OFFSET`: what native code calls
            for calls it does not take.
    """

    type: type[T]

    def set_vectorcall(self, instance: T, address: int) -> None:
        """Let calls of ``instance`` go to the native function at ``address`` (0: to ``__call__``)."""
        ctypes.c_void_p.from_address(id(instance) + VECTORCALL_OFFSET).value = address


def native_subtype(base: type[T]) -> NativeType[T]:
    """Make the native subtype of ``base``.

    ``base`` defines ``__slots__`` with at least one name (so that its instances take part in garbage collection),
    neither
    ``__dict__`` nor ``__weakref__``, and ``__call__``. Instances bind as methods like functions do.
    """
    api = ctypes.pythonapi
    if base.__dictoffset__ or base.__weakrefoffset__ or not object.__basicsize__ < base.__basicsize__ <= _FIELDS:
        raise TypeError(f"{base.__name__} must define one to four __slots__ without __dict__ and __weakref__")
    members = (_Member * 5)(
        _Member(b"__vectorcalloffset__", _PY_SSIZE, VECTORCALL_OFFSET, _READONLY, None),
        _Member(b"__dictoffset__", _PY_SSIZE, _DICT_OFFSET, _READONLY, None),
        _Member(b"__weaklistoffset__", _PY_SSIZE, _WEAK_OFFSET, _READONLY, None),
        _Member(b"slow", _OBJECT_EX, SLOW_OFFSET, 0, None),
        _Member(),
    )

    def address(name: str) -> int | None:
        return ctypes.cast(getattr(api, name), ctypes.c_void_p).value

    attributes = (_GetSet * 2)(
        _GetSet(b"__dict__", address("PyObject_GenericGetDict"), address("PyObject_GenericSetDict"), None, None),
        _GetSet(),
    )
    get_slot = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_int)(("PyType_GetSlot", api))
    slots = (_Slot * 4)(
        _Slot(_TP_MEMBERS, ctypes.addressof(members)),
        _Slot(_TP_GETSET, ctypes.addressof(attributes)),
        # that of functions makes a bound method of any callable
        _Slot(_TP_DESCR_GET, get_slot(types.FunctionType, _TP_DESCR_GET)),
        _Slot(0, None),
    )
    name = f"{base.__module__}.{base.__name__}".encode()
    flags = _DEFAULT | _HAVE_VECTORCALL | _METHOD_DESCRIPTOR
    spec = _Spec(name, _SIZE, 0, flags, ctypes.cast(slots, ctypes.POINTER(_Slot)))
    # the type points into the getset table (and, before 3.12, to the name) for good
    _keep_alive.extend([members, attributes, slots, name, spec])
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object)(("PyType_FromSpecWithBases", api))
    subtype = make(ctypes.addressof(spec), (base,))
    subtype.__doc__ = base.__doc__
    return NativeType(subtype)
