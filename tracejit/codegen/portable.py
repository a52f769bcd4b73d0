"""Intrinsics in other instructions, for dialects of LLVM that lack them. The results are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tracejit.codegen.scalars import BY_NAME, F32, F64, Scalar

if TYPE_CHECKING:
    from tracejit.codegen.lanes import Lanes

_FLOATS = {"float": F32, "double": F64}


def _integer_of(llvm: str) -> Scalar:
    """The integers of a type's size, or the type's own."""
    return BY_NAME[{"float": "i32", "double": "i64"}.get(llvm, llvm)]


def fabs(e: Lanes, llvm: str, a: str) -> str:
    s = _integer_of(llvm)
    bits = e.op("and", s.llvm, e.convert("bitcast", llvm, s.llvm, a), e.num(s, (1 << (s.bits - 1)) - 1))
    return e.convert("bitcast", s.llvm, llvm, bits)


def trunc(e: Lanes, llvm: str, a: str) -> str:
    return e.intrinsic("copysign", llvm, e.intrinsic("floor", llvm, fabs(e, llvm, a)), a)


def rint(e: Lanes, llvm: str, a: str) -> str:
    """Adding a number whose unit is 1 rounds to even; larger numbers are whole."""
    s = _FLOATS[llvm]
    whole, size = e.num(s, 2.0 ** (52 if s is F64 else 23)), fabs(e, llvm, a)
    rounded = e.op("fsub", llvm, e.op("fadd", llvm, size, whole), whole)
    small = e.op("fcmp olt", llvm, size, whole)
    return e.intrinsic("copysign", llvm, e.select(small, llvm, rounded, size), a)


def absolute(e: Lanes, llvm: str, a: str) -> str:
    s = _integer_of(llvm)
    negative = e.op("icmp slt", llvm, a, e.num(s, 0))
    return e.select(negative, llvm, e.op("sub", llvm, e.num(s, 0), a), a)


def _extreme(predicate: str) -> Callable[..., str]:
    def write(e: Lanes, llvm: str, a: str, b: str) -> str:
        return e.select(e.op(f"icmp {predicate}", llvm, a, b), llvm, a, b)

    return write


RULES: dict[str, Callable[..., str]] = {
    "fabs": fabs,
    "trunc": trunc,
    "rint": rint,
    "abs": absolute,
    "smin": _extreme("slt"),
    "smax": _extreme("sgt"),
    "umin": _extreme("ult"),
    "umax": _extreme("ugt"),
}
