"""The middle of an entry point: inputs checked and taken apart into the kernel's arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracejit.codegen import capi
from tracejit.codegen.entry_arguments import MISMATCH, Navigator
from tracejit.codegen.entry_text import Writer
from tracejit.codegen.scalars import SCALARS
from tracejit.ir.interface import ArrayInput, Disjoint, Input, Program, Same, ScalarInput
from tracejit.record import field, record


@record
class CheckedArray:
    """An array that passed its checks: IR values (or ints that are known)."""

    object: str
    dtype: np.dtype[Any]
    dims: list[int | str]
    data: str
    flags: str
    strides: list[str] = field(default_factory=list)
    """In bytes; loaded only for the layout ``"strided"``."""
    layout: str = "C"


def type_numbers(dtype: np.dtype[Any]) -> list[int]:
    """The type numbers of all C types that are this dtype (``long`` and ``long long`` may both be 64 bits)."""
    return [t.num for t in map(np.dtype, "?bBhHiIlLqQefdFD") if t == dtype]


class Inputs:
    """Checks the program's inputs and collects the kernel's arguments."""

    def __init__(self, writer: Writer, navigator: Navigator, program: Program) -> None:
        self.writer = writer
        self.navigator = navigator
        self.program = program
        self.symbols: dict[str, str] = {}
        self.checked: list[CheckedArray | str] = []
        self._same = {r.b: r.a for r in program.relations if isinstance(r, Same)}
        self._arguments: list[list[str]] = []

    def check(self, input: Input) -> None:
        """Check one input, in the order of the program's inputs."""
        number = len(self.checked)
        object = self.navigator.object(input.source)
        if isinstance(input, ScalarInput):
            self.checked.append(object)
            self._arguments.append(self._scalar(object, input))
        elif number in self._same:
            other = self.checked[self._same[number]]
            assert isinstance(other, CheckedArray)
            self.writer.require(self.writer.op(f"icmp eq ptr {object}, {other.object}"), MISMATCH)
            self.checked.append(other)
            self._arguments.append([])
        else:
            array = self._array(object, input)
            self.checked.append(array)
            self._arguments.append(self._array_arguments(array))

    def kernel_arguments(self) -> list[str]:
        """Arguments with their types: symbols, then one group per input."""
        symbols = [f"i64 {self.symbols[s]}" for s in self.program.symbols]
        return symbols + [a for group in self._arguments for a in group]

    # --- scalars
    def _scalar(self, object: str, input: ScalarInput) -> list[str]:
        w, s = self.writer, SCALARS[input.dtype]
        if input.kind == "python":
            python_type = {"b": bool, "i": int, "f": float, "c": complex}[s.kind]
            w.require(w.type_is(object, w.object(python_type)), MISMATCH)
            if s.kind == "b":
                yes = w.op(f"icmp eq ptr {object}, {w.object(True)}")
                return [f"i8 {w.op(f'zext i1 {yes} to i8')}"]
            if s.kind == "i":
                overflow = w.alloca("i32")
                value = w.call("i64", "PyLong_AsLongLongAndOverflow", f"ptr {object}", f"ptr {overflow}")
                w.require(w.op(f"icmp eq i32 {w.load('i32', overflow)}, 0"), MISMATCH)
                return [f"i64 {value}"]
        else:
            w.require(w.type_is(object, w.object(input.dtype.type)), MISMATCH)
        return self.load_number(object, input.dtype, capi.SCALAR_VALUE)

    def load_number(self, pointer: str, dtype: np.dtype[Any], offset: int = 0) -> list[str]:
        """One element as kernel arguments."""
        w, s = self.writer, SCALARS[dtype]
        if s.kind == "c":
            size = s.part.size
            return [f"{s.llvm} {w.load(s.part.memory, pointer, offset + k * size)}" for k in (0, 1)]
        return [f"{s.memory} {w.load(s.memory, pointer, offset)}"]

    # --- arrays
    def _array(self, object: str, input: ArrayInput) -> CheckedArray:
        w = self.writer
        w.require(w.type_is(object, w.object(np.ndarray)), MISMATCH)
        self._check_dtype(object, input.dtype)
        flags = w.load("i32", object, capi.ARRAY_FLAGS)
        required = capi.FLAG_ALIGNED | {"C": capi.FLAG_C, "F": capi.FLAG_F, "strided": 0}[input.layout]
        mask = required | (capi.FLAG_WRITEABLE if input.written or input.readonly else 0)
        required |= capi.FLAG_WRITEABLE if input.written else 0
        fits = [w.op(f"icmp eq i32 {w.op(f'and i32 {flags}, {mask}')}, {required}")]
        ndim = w.load("i32", object, capi.ARRAY_NDIM)
        fits.append(w.op(f"icmp eq i32 {ndim}, {len(input.shape)}"))
        w.require(w.all(fits), MISMATCH)
        dims = self._dims(object, input)
        strides = self._strides(object, input) if input.layout == "strided" else []
        data = w.load("ptr", object, capi.ARRAY_DATA)
        return CheckedArray(object, input.dtype, dims, data, flags, strides, input.layout)

    def _check_dtype(self, object: str, dtype: np.dtype[Any]) -> None:
        """The singleton dtype, or (after unpickling, or with metadata) another object that means the same."""
        w = self.writer
        descr = w.load("ptr", object, capi.ARRAY_DESCR)

        def equivalent() -> str:
            number = w.load("i32", descr, capi.DESCR_TYPE_NUM)
            order = w.load("i8", descr, capi.DESCR_BYTEORDER)
            native = [w.op(f"icmp eq i8 {order}, {ord(c)}") for c in "=|"]
            known = [w.op(f"icmp eq i32 {number}, {n}") for n in type_numbers(dtype)]
            either = w.op(f"or i1 {native[0]}, {native[1]}")
            one = known[0]
            for k in known[1:]:
                one = w.op(f"or i1 {one}, {k}")
            return w.all([either, one])

        identical = w.op(f"icmp eq ptr {descr}, {w.object(dtype)}")
        w.require(w.choose(identical, lambda: "true", equivalent, "i1"), MISMATCH)

    def _dims(self, object: str, input: ArrayInput) -> list[int | str]:
        w = self.writer
        if not input.shape:
            return []
        table = w.load("ptr", object, capi.ARRAY_DIMS)
        dims: list[int | str] = []
        fits = []
        for k, d in enumerate(input.shape):
            value = w.load("i64", table, 8 * k)
            if isinstance(d, str):
                if d in self.symbols:
                    fits.append(w.op(f"icmp eq i64 {value}, {self.symbols[d]}"))
                else:
                    self.symbols[d] = value
                dims.append(self.symbols[d])
            else:
                fits.append(w.op(f"icmp eq i64 {value}, {d}"))
                dims.append(d)
        w.require(w.all(fits), MISMATCH)
        return dims

    def _strides(self, object: str, input: ArrayInput) -> list[str]:
        w = self.writer
        if not input.shape:
            return []
        table = w.load("ptr", object, capi.ARRAY_STRIDES)
        strides = [w.load("i64", table, 8 * k) for k in range(len(input.shape))]
        bits = strides[0]
        for s in strides[1:]:
            bits = w.op(f"or i64 {bits}, {s}")
        if input.dtype.itemsize > 1:
            odd = w.op(f"and i64 {bits}, {input.dtype.itemsize - 1}")
            w.require(w.op(f"icmp eq i64 {odd}, 0"), MISMATCH)
        return strides

    def _array_arguments(self, array: CheckedArray) -> list[str]:
        w = self.writer
        shift = array.dtype.itemsize.bit_length() - 1
        strides = [w.op(f"ashr exact i64 {s}, {shift}") if shift else s for s in array.strides]
        return [f"ptr {array.data}", *(f"i64 {s}" for s in strides)]

    # --- relations
    def check_relations(self) -> None:
        """Arrays that the kernel takes to be apart in memory are."""
        extents: dict[int, tuple[str, str, str]] = {}
        for relation in self.program.relations:
            if isinstance(relation, Disjoint):
                a, b = (extents.setdefault(n, ext) for n, ext in self._extents(relation, extents))
                self._require_apart(a, b)

    def _extents(
        self, relation: Disjoint, known: dict[int, tuple[str, str, str]]
    ) -> list[tuple[int, tuple[str, str, str]]]:
        return [(n, known[n] if n in known else self._extent(n)) for n in (relation.a, relation.b)]

    def _extent(self, number: int) -> tuple[str, str, str]:
        """First byte, end, and whether there is any byte."""
        w, array = self.writer, self.checked[number]
        assert isinstance(array, CheckedArray)
        start = w.op(f"ptrtoint ptr {array.data} to i64")
        low: int | str = 0
        high: int | str = array.dtype.itemsize
        if array.strides:
            for d, s in zip(array.dims, array.strides):
                reach = w.op(f"mul i64 {w.add(d, -1)}, {s}")
                negative = w.op(f"icmp slt i64 {reach}, 0")
                low = w.add(low, w.op(f"select i1 {negative}, i64 {reach}, i64 0"))
                high = w.add(high, w.op(f"select i1 {negative}, i64 0, i64 {reach}"))
        else:
            high = w.product([array.dtype.itemsize, *array.dims])
        count = self.element_count(array)
        some = ("true" if count else "false") if isinstance(count, int) else w.op(f"icmp ne i64 {count}, 0")
        return str(w.add(start, low)), str(w.add(start, high)), some

    def _require_apart(self, a: tuple[str, str, str], b: tuple[str, str, str]) -> None:
        w = self.writer
        before = w.op(f"icmp ult i64 {a[0]}, {b[1]}")
        after = w.op(f"icmp ult i64 {b[0]}, {a[1]}")
        overlap = w.all([c for c in (before, after, a[2], b[2]) if c != "true"])
        w.require(w.op(f"xor i1 {overlap}, true"), MISMATCH)

    # --- sizes
    def element_count(self, array: CheckedArray) -> int | str:
        return self.writer.product(array.dims)

    def total_elements(self) -> int | str:
        """How many elements the array inputs have together."""
        total: int | str = 0
        for array in self.checked:
            if isinstance(array, CheckedArray):
                total = self.writer.add(total, self.element_count(array))
        return total
