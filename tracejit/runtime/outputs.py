"""What an op with an effect makes of its payload: outputs built in Python, where the entry point builds results."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tracejit.codegen import capi
from tracejit.ir.interface import (
    Input,
    OutArray,
    OutChoice,
    OutIndex,
    OutInput,
    Output,
    OutScalar,
    OutSource,
    OutStatic,
    OutTree,
    OutView,
    Source,
)
from tracejit.ops.primitive import as_kind

Array = np.ndarray[Any, Any]


class Maker:
    """Builds an output.

    Args:
        payload: The numbers and arrays that indices refer to; the arrays are nobody else's.
        inputs: The inputs of the program.
        objects: The caller's objects, by source.
    """

    def __init__(self, payload: Sequence[Array], inputs: Sequence[Input], objects: Mapping[Source, Any]) -> None:
        self.payload = payload
        self.inputs = inputs
        self.objects = objects
        self._made: dict[int, Any] = {}

    def make(self, output: Output) -> Any:
        """The object that ``output`` describes: one object wherever the same output occurs."""
        key = id(output)
        if key not in self._made:
            self._made[key] = self._make(output)
        return self._made[key]

    def _make(self, output: Output) -> Any:
        match output:
            case OutScalar(index, alternatives, selector):
                kind, dtype = alternatives[0 if selector is None else int(self.payload[selector])]
                return as_kind(self.payload[index].astype(dtype), kind)
            case OutArray(index):
                return self.payload[index]
            case OutInput(index):
                return self.objects[self.inputs[index].source]
            case OutSource(source):
                return self.objects[source]
            case OutStatic(value):
                return value
            case OutChoice(selector, options):
                return self.make(options[int(self.payload[selector])])
            case OutView():
                return self._view(output)
            case OutTree(kind, children, keys, make):
                parts = [self.make(c) for c in children]
                if kind == "dict":
                    return dict(zip(keys, parts, strict=True))
                return tuple(parts) if kind == "tuple" else parts if kind == "list" else make(parts)
        raise AssertionError(output)

    def _view(self, output: OutView) -> Array:
        base: Array = self.make(output.base)
        offset = sum(self._number(n) * s for n, s in zip(output.starts, base.strides))
        strides = [0] * len(output.shape)
        for (axis, along), step in zip(output.pairs, output.steps):
            strides[along] += self._number(step) * base.strides[axis]
        writeable = output.writeable and base.flags.writeable
        return view_of(base, [self._number(d) for d in output.shape], strides, offset, writeable)

    def _number(self, n: int | OutIndex) -> int:
        return n if isinstance(n, int) else int(self.payload[n.index])


def view_of(base: Array, shape: Sequence[int], strides: Sequence[int], offset: int, writeable: bool) -> Array:
    """A view of ``base`` whose ``.base`` it is, ``offset`` bytes after its first element."""
    numbers = ctypes.c_ssize_t * len(shape)
    new = ctypes.PYFUNCTYPE(
        ctypes.py_object,
        *(ctypes.py_object, ctypes.py_object, ctypes.c_int, numbers, numbers),
        *(ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p),
    )(capi.function("PyArray_NewFromDescr"))
    own = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.py_object)(capi.function("PyArray_SetBaseObject"))
    for given in (base.dtype, base):  # both functions keep the reference that they are given
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(given))
    data, flags = base.ctypes.data + offset, capi.FLAG_WRITEABLE if writeable else 0
    view: Array = new(np.ndarray, base.dtype, len(shape), numbers(*shape), numbers(*strides), data, flags, None)
    own(view, base)
    return view
