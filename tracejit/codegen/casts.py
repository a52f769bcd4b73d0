"""Conversions between dtypes, as ``ndarray.astype`` does them on x86-64, and defined for every operand."""

from __future__ import annotations

from tracejit.codegen.lanes import Lanes
from tracejit.codegen.scalars import BY_NAME, F16, F32, F64, I32, I64, Operand, Scalar


def cast(e: Lanes, source: Scalar, target: Scalar, a: Operand) -> Operand:
    """``a`` of dtype ``source`` as ``target``."""
    if source is target:
        return a
    if source.kind == "c":
        assert not isinstance(a, str)
        re, im = a
        if target.kind == "c":
            return _real(e, source.part, target.part, re), _real(e, source.part, target.part, im)
        if target.kind == "b":
            return e.op("or", "i1", _truth(e, source.part, re), _truth(e, source.part, im))
        return _real(e, source.part, target, re)
    assert isinstance(a, str)
    if target.kind == "c":
        return _real(e, source, target.part, a), e.num(target.part, 0.0)
    return _real(e, source, target, a)


def _truth(e: Lanes, s: Scalar, a: str) -> str:
    return e.op("fcmp une" if s.kind == "f" else "icmp ne", s.llvm, a, e.num(s, 0))


def _real(e: Lanes, source: Scalar, target: Scalar, a: str) -> str:
    if source is target:
        return a
    known = e.known(a)
    if target.kind == "b":
        return _truth(e, source, a)
    if source.kind == "f":
        return float_to_float(e, source, target, a) if target.kind == "f" else float_to_int(e, source, target, a)
    if target.kind == "f":
        if known is not None:
            return e.num(target, float(known))
        code = "sitofp" if source.kind == "i" else "uitofp"
        if target is F16:  # through float32, as NumPy does
            return float_to_float(e, F32, F16, e.convert(code, source.llvm, "float", a))
        return e.convert(code, source.llvm, target.llvm, a)
    if known is not None:
        wrapped = int(known) & ((1 << target.bits) - 1)
        negative = target.kind == "i" and wrapped >> (target.bits - 1)
        return e.num(target, wrapped - (1 << target.bits) if negative else wrapped)
    if source.bits == target.bits:
        return a
    if source.bits > target.bits:
        return e.convert("trunc", source.llvm, target.llvm, a)
    return e.convert("sext" if source.kind == "i" else "zext", source.llvm, target.llvm, a)


def float_to_float(e: Lanes, source: Scalar, target: Scalar, a: str) -> str:
    if source.bits < target.bits:
        return e.convert("fpext", source.llvm, target.llvm, a)
    if source is F64 and target is F16:
        a = _round_to_odd(e, a)
        source = F32
    return e.convert("fptrunc", source.llvm, target.llvm, a)


def _round_to_odd(e: Lanes, a: str) -> str:
    """A float64 as float32 such that rounding again, to float16, gives what rounding once would: processors convert
    only from float32. Inexact results are cut towards zero and made odd."""
    i32 = BY_NAME["i32"]
    near = e.convert("fptrunc", "double", "float", a)
    back = e.convert("fpext", "float", "double", near)
    bits = e.convert("bitcast", "float", "i32", near)
    too_far = e.op("fcmp ogt", "double", e.intrinsic("fabs", "double", back), e.intrinsic("fabs", "double", a))
    cut = e.op("sub", "i32", bits, e.convert("zext", "i1", "i32", too_far))
    inexact = e.op("fcmp one", "double", back, a)
    odd = e.op("or", "i32", cut, e.convert("zext", "i1", "i32", inexact))
    return e.convert("bitcast", "i32", "float", e.select(inexact, i32.llvm, odd, bits))


def float_to_int(e: Lanes, source: Scalar, target: Scalar, a: str) -> str:
    """What the conversion instructions give: the minimum for NaN and for what does not fit."""
    if source is F16:
        a, source, wide = float_to_float(e, F16, F32, a), F32, I64 if target.name == "u32" else None
    else:
        wide = None
    name = target.name
    if name == "u64":
        return _to_unsigned(e, source, I64, a)
    if name == "u32" and wide is None:
        return _to_unsigned(e, source, I32, a)
    wide = wide or (I64 if name == "i64" else I32)
    r = _to_signed(e, source, wide, a)
    return r if target.bits == wide.bits else e.convert("trunc", wide.llvm, target.llvm, r)


def _to_signed(e: Lanes, source: Scalar, target: Scalar, a: str) -> str:
    """``select`` makes the poison of a conversion that does not fit harmless: the arm is not chosen."""
    # the minimum itself is not below the limit, and is what the other arm gives
    limit = e.num(source, 2.0 ** (target.bits - 1))
    fits = e.op("fcmp olt", source.llvm, e.intrinsic("fabs", source.llvm, a), limit)
    r = e.convert("fptosi", source.llvm, target.llvm, a)
    return e.select(fits, target.llvm, r, e.num(target, -(1 << (target.bits - 1))))


def _to_unsigned(e: Lanes, source: Scalar, signed: Scalar, a: str) -> str:
    """Upper half by subtracting ``2**(bits-1)`` before and flipping the top bit after."""
    half = 2.0 ** (signed.bits - 1)
    limit = e.num(source, half)
    upper = e.op("fcmp oge", source.llvm, a, limit)
    low = _to_signed(e, source, signed, e.select(upper, source.llvm, e.op("fsub", source.llvm, a, limit), a))
    flipped = e.op("xor", signed.llvm, low, e.num(signed, -(1 << (signed.bits - 1))))
    return e.select(upper, signed.llvm, flipped, low)
