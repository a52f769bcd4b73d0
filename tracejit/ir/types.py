"""Types of IR values: arrays whose dimensions are ints or SSA index values, and raw buffers at the loop level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from tracejit.record import record

if TYPE_CHECKING:
    from tracejit.ir.core import Value

BOOL = np.dtype(np.bool_)
INT64 = np.dtype(np.int64)
UINT64 = np.dtype(np.uint64)
FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
COMPLEX128 = np.dtype(np.complex128)

DTYPE_NAMES: dict[np.dtype, str] = {
    np.dtype(t): n
    for n, t in {
        "bool": np.bool_,
        "i8": np.int8,
        "i16": np.int16,
        "i32": np.int32,
        "i64": np.int64,
        "u8": np.uint8,
        "u16": np.uint16,
        "u32": np.uint32,
        "u64": np.uint64,
        "f16": np.float16,
        "f32": np.float32,
        "f64": np.float64,
        "c64": np.complex64,
        "c128": np.complex128,
    }.items()
}
"""Every dtype a traced value can have, with its name in IR text."""

DTYPES: dict[str, np.dtype] = {n: t for t, n in DTYPE_NAMES.items()}

Dim: TypeAlias = "int | Value"
"""A dimension: an ``int``, or a rank-0 ``i64`` value of the same program (an *index value*)."""


class ArrayType:
    """The type of a value that holds numbers.

    Args:
        dtype: One of :data:`DTYPE_NAMES`, in native byte order.
        shape: One :data:`Dim` per axis; ``()`` is a scalar.

    Whether a value is a Python scalar, a NumPy scalar or a 0-d array is not part of its type: the front end
    keeps that (its *kind*) beside the value, and makes every promotion an explicit ``cast``.
    """

    __slots__ = ("dtype", "shape")
    __match_args__ = ("dtype", "shape")

    def __init__(self, dtype: np.dtype, shape: tuple[Dim, ...] = ()) -> None:
        self.dtype: Final = dtype
        self.shape: Final = shape

    def __eq__(self, other: object) -> bool:
        return type(other) is ArrayType and self.dtype == other.dtype and self.shape == other.shape

    def __hash__(self) -> int:
        return hash((self.dtype, self.shape))

    def __repr__(self) -> str:
        return f"ArrayType({self.dtype!r}, {self.shape!r})"

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_static(self) -> bool:
        """Whether every dimension is a known int."""
        for d in self.shape:  # noqa: SIM110 (asked often: a generator would cost more)
            if not isinstance(d, int):
                return False
        return True

    def with_shape(self, shape: tuple[Dim, ...]) -> ArrayType:
        return ArrayType(self.dtype, shape)

    def with_dtype(self, dtype: np.dtype) -> ArrayType:
        return ArrayType(dtype, self.shape)

    def __str__(self) -> str:
        name = DTYPE_NAMES[self.dtype]
        if not self.shape:
            return name
        return f"{name}[{', '.join(str(d) if isinstance(d, int) else f'%{d.label}' for d in self.shape)}]"


@record(frozen=True)
class BufferType:
    """A pointer to elements of one dtype: what an array becomes at the loop level."""

    dtype: np.dtype

    @property
    def shape(self) -> tuple[Dim, ...]:
        return ()

    @property
    def rank(self) -> int:
        return 0

    def __str__(self) -> str:
        return f"ptr<{DTYPE_NAMES[self.dtype]}>"


Type: TypeAlias = ArrayType | BufferType

INDEX = ArrayType(INT64)
"""The type of dimensions, offsets and loop counters."""

PREDICATE = ArrayType(BOOL)
"""The type of conditions."""


def scalar(dtype: np.dtype) -> ArrayType:
    """The rank-0 type of ``dtype``."""
    return ArrayType(dtype)
