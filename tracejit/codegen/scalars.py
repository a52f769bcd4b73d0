"""How numbers are written in LLVM IR: types, sizes and literals per dtype."""

from __future__ import annotations

import struct
from typing import Any, TypeAlias

import numpy as np

from tracejit.ir.types import DTYPE_NAMES
from tracejit.record import field, record


@record(eq=False)
class Scalar:
    """One dtype as LLVM sees it.

    Attributes:
        name: Name in IR text (``"f64"``); floats have the same name in LLVM's intrinsics.
        kind: NumPy's kind: one of ``"b" "i" "u" "f" "c"``.
        llvm: LLVM type of a value in a register; for complex numbers that of one part.
        memory: LLVM type of a value in memory; a bool is a byte there.
        size: Bytes in memory.
        align: Alignment in memory.
        bits: Bits of :attr:`llvm`.
        part: The scalar of the real part (of complex numbers), else itself.
    """

    name: str
    kind: str
    llvm: str
    memory: str
    size: int
    align: int
    bits: int
    part: Scalar = field(init=False)

    def __post_init__(self) -> None:
        self.part = self

    def __repr__(self) -> str:
        return f"<scalar {self.name}>"


def _table() -> dict[np.dtype[Any], Scalar]:
    table = {}
    floats = {16: "half", 32: "float", 64: "double"}
    for dtype, name in DTYPE_NAMES.items():
        bits = 8 * dtype.itemsize
        match dtype.kind:
            case "b":
                table[dtype] = Scalar(name, "b", "i1", "i8", 1, 1, 1)
            case "f":
                table[dtype] = Scalar(name, "f", floats[bits], floats[bits], bits // 8, bits // 8, bits)
            case "c":
                part = floats[bits // 2]
                table[dtype] = Scalar(name, "c", part, part, bits // 8, bits // 16, bits // 2)
            case kind:
                table[dtype] = Scalar(name, kind, f"i{bits}", f"i{bits}", bits // 8, bits // 8, bits)
    table[np.dtype(np.complex64)].part = table[np.dtype(np.float32)]
    table[np.dtype(np.complex128)].part = table[np.dtype(np.float64)]
    return table


SCALARS: dict[np.dtype[Any], Scalar] = _table()
"""The :class:`Scalar` of every dtype."""

BY_NAME: dict[str, Scalar] = {s.name: s for s in SCALARS.values()}
BOOL, I8, I32, I64 = BY_NAME["bool"], BY_NAME["i8"], BY_NAME["i32"], BY_NAME["i64"]
F16, F32, F64 = BY_NAME["f16"], BY_NAME["f32"], BY_NAME["f64"]

Pair: TypeAlias = tuple[str, str]
"""A complex value: its real and its imaginary part."""

Operand: TypeAlias = "str | Pair"
"""A value as instructions mention it: a register (``%5``) or a literal."""


def literal(scalar: Scalar, value: Any) -> str:
    """``value`` as a literal of one (not complex) element."""
    kind = scalar.kind
    if kind == "b":
        return "true" if value else "false"
    if kind == "f":
        return _float(scalar.bits, float(value))
    return str(int(value))


def _float(bits: int, value: float) -> str:
    if bits == 16:
        return f"0xH{np.float16(value).view(np.uint16):04X}"
    if bits == 32:
        # LLVM writes a float as the double of the same value
        value = struct.unpack("f", struct.pack("f", value))[0] if abs(value) <= 3.4e38 else float(np.float32(value))
    return f"0x{struct.unpack('Q', struct.pack('d', value))[0]:016X}"


def operand(scalar: Scalar, value: Any) -> Operand:
    """``value`` as an operand of width 1."""
    if scalar.kind == "c":
        value = complex(value)
        return literal(scalar.part, value.real), literal(scalar.part, value.imag)
    return literal(scalar, value)
