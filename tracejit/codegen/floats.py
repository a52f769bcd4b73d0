"""Floating-point arithmetic beyond single instructions, with NumPy's results in every corner. ``float16`` is computed
in float32."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tracejit.codegen.lanes import Lanes
from tracejit.codegen.scalars import BY_NAME, Scalar
from tracejit.codegen.writer import LLVM


def call_math(e: Lanes, name: str, s: Scalar, operands: Sequence[str]) -> str:
    """A function of :mod:`tracejit.codegen.vmath` (float32 or float64)."""
    from tracejit.codegen import vmath

    function = vmath.definition(name, s.name, e.width)
    e.module.math.add((name, s.name, e.width))
    t, r = e.types[s.llvm], e.function.fresh()
    e.function.line(f"{r} = call {t} @{function.symbol}({', '.join([f'{t} {x}' for x in operands])})")
    return r


def negative(e: Lanes, s: Scalar, a: str) -> str:
    return e.fneg(s.llvm, a)


# --- classification
def is_nan(e: Lanes, s: Scalar, a: str) -> str:
    return e.op("fcmp uno", s.llvm, a, a)


def is_inf(e: Lanes, s: Scalar, a: str) -> str:
    return e.op("fcmp oeq", s.llvm, e.intrinsic("fabs", s.llvm, a), e.num(s, math.inf))


def is_finite(e: Lanes, s: Scalar, a: str) -> str:
    return e.op("fcmp olt", s.llvm, e.intrinsic("fabs", s.llvm, a), e.num(s, math.inf))


def bits_of(e: Lanes, s: Scalar, a: str) -> str:
    return e.convert("bitcast", s.llvm, f"i{s.bits}", a)


def sign_bit(e: Lanes, s: Scalar, a: str) -> str:
    return e.op("icmp slt", f"i{s.bits}", bits_of(e, s, a), e.num(BY_NAME[f"i{s.bits}"], 0))


def sign(e: Lanes, s: Scalar, a: str) -> str:
    zero = e.num(s, 0.0)
    rest = e.select(e.op("fcmp oeq", s.llvm, a, zero), s.llvm, zero, a)  # NaN stays
    rest = e.select(e.op("fcmp olt", s.llvm, a, zero), s.llvm, e.num(s, -1.0), rest)
    return e.select(e.op("fcmp ogt", s.llvm, a, zero), s.llvm, e.num(s, 1.0), rest)


# --- extremes: of equal numbers (0.0 and -0.0) the second, as NumPy's vector loops give
def _pick(e: Lanes, s: Scalar, code: str, a: str, b: str, unless: str) -> str:
    """``a`` where ``a code b`` or ``unless`` is NaN, else ``b``: one ``max`` and one blend on x86."""
    chosen = e.select(e.op(f"fcmp {code}", s.llvm, a, b), s.llvm, a, b)
    return e.select(is_nan(e, s, unless), s.llvm, a, chosen)


def minimum(e: Lanes, s: Scalar, a: str, b: str) -> str:
    return _pick(e, s, "olt", a, b, a)


def maximum(e: Lanes, s: Scalar, a: str, b: str) -> str:
    return _pick(e, s, "ogt", a, b, a)


def fmin(e: Lanes, s: Scalar, a: str, b: str) -> str:
    return _pick(e, s, "olt", a, b, b)


def fmax(e: Lanes, s: Scalar, a: str, b: str) -> str:
    return _pick(e, s, "ogt", a, b, b)


def half_minimum(e: Lanes, s: Scalar, a: str, b: str) -> str:
    """Of equal float16 numbers NumPy gives the first."""
    return _pick(e, s, "ole", a, b, a)


def half_maximum(e: Lanes, s: Scalar, a: str, b: str) -> str:
    return _pick(e, s, "oge", a, b, a)


def half_fmin(e: Lanes, s: Scalar, a: str, b: str) -> str:
    return _pick(e, s, "ole", a, b, b)


def half_fmax(e: Lanes, s: Scalar, a: str, b: str) -> str:
    return _pick(e, s, "oge", a, b, b)


# --- powers
def power(e: Lanes, s: Scalar, a: str, b: str) -> str:
    """Exponents whose power is one rounded operation, as NumPy has them; else ``pow``."""
    match e.known(b):
        case 0:
            return e.num(s, 1.0)
        case 1:
            return a
        case 2:
            return e.op("fmul", s.llvm, a, a)
        case -1:
            return e.op("fdiv", s.llvm, e.num(s, 1.0), a)
    return call_math(e, "pow", s, [a, b])


# --- division with remainder
def remainder_of_trunc(e: Lanes, s: Scalar, a: str, b: str) -> str:
    """C's ``fmod``: exact, with the sign of ``a``."""
    return e.helper("fmod", s, [a, b], _fmod, inline=True)[0]


def _fmod(e: Lanes, s: Scalar, operands: list[str]) -> list[str]:
    """``x - trunc(x / y) * y`` by one fused multiply-add is exact while the quotient has few enough bits: the rounded
    quotient may be one too large, and then the (still exact) difference is negative."""
    a, b = operands
    f, t = e.function, e.types[s.llvm]
    x, y = e.intrinsic("fabs", s.llvm, a), e.intrinsic("fabs", s.llvm, b)
    quotient = e.op("fdiv", s.llvm, x, y)
    usual = e.op("fcmp olt", s.llvm, quotient, e.num(s, 2.0 ** (52 if s.bits == 64 else 23)))
    whole = e.intrinsic("trunc", s.llvm, quotient)
    r = e.intrinsic("fma", s.llvm, e.fneg(s.llvm, whole), y, x)
    r = e.select(e.op("fcmp olt", s.llvm, r, e.num(s, 0.0)), s.llvm, e.op("fadd", s.llvm, r, y), r)
    r = e.select(e.op("fcmp olt", s.llvm, x, y), s.llvm, x, r)  # also for an infinite y
    r = e.intrinsic("copysign", s.llvm, r, a)
    rare = e.any(e.not_(usual))
    before = f.label
    f.branch_likely(scalar_not(e, rare), "done", "rare")
    f.start("rare")
    slow = e.helper("fmod_slow", s, [a, b], _fmod_slow)[0]
    chosen = e.select(usual, s.llvm, r, slow)
    f.branch("done")
    f.start("done")
    f.line(f"%m = phi {t} [ {r}, %{before} ], [ {chosen}, %rare ]")
    return ["%m"]


def scalar_not(e: Lanes, bit: str) -> str:
    """Negation of a scalar bit, whatever the width of ``e``."""
    r = e.function.fresh()
    e.function.line(f"{r} = xor i1 {bit}, true")
    return r


def _fmod_slow(e: Lanes, s: Scalar, operands: list[str]) -> list[str]:
    if e.module.dialect is LLVM:
        return [e.op("frem", s.llvm, *operands)]
    symbol = "__nv_fmod" if s.bits == 64 else "__nv_fmodf"  # NVVM's own ``frem`` is not exact
    e.module.declare(symbol, s.llvm, f"{s.llvm}, {s.llvm}")
    r = e.function.fresh()
    e.function.line(f"{r} = call {s.llvm} @{symbol}({s.llvm} {operands[0]}, {s.llvm} {operands[1]})")
    return [r]


def _divmod(e: Lanes, s: Scalar, a: str, b: str) -> tuple[str, str, str]:
    """The C remainder, whether it must move to the divisor's sign, and the remainder so moved."""
    m = remainder_of_trunc(e, s, a, b)
    zero = e.num(s, 0.0)
    opposite = e.op("xor", "i1", e.op("fcmp olt", s.llvm, b, zero), e.op("fcmp olt", s.llvm, m, zero))
    adjust = e.op("and", "i1", opposite, e.op("fcmp une", s.llvm, m, zero))
    moved = e.select(adjust, s.llvm, e.op("fadd", s.llvm, m, b), m)
    return m, adjust, moved


def modulo(e: Lanes, s: Scalar, a: str, b: str) -> str:
    m, _, moved = _divmod(e, s, a, b)
    # an exact multiple gives a zero of the divisor's sign; b == 0 gave NaN above
    signed_zero = e.intrinsic("copysign", s.llvm, e.num(s, 0.0), b)
    return e.select(e.op("fcmp oeq", s.llvm, m, e.num(s, 0.0)), s.llvm, signed_zero, moved)


def floor_divide(e: Lanes, s: Scalar, a: str, b: str) -> str:
    m, adjust, _ = _divmod(e, s, a, b)
    zero, one = e.num(s, 0.0), e.num(s, 1.0)
    ratio = e.op("fdiv", s.llvm, a, b)
    div = e.op("fdiv", s.llvm, e.op("fsub", s.llvm, a, m), b)
    div = e.select(adjust, s.llvm, e.op("fsub", s.llvm, div, one), div)
    below = e.intrinsic("floor", s.llvm, div)
    far = e.op("fcmp ogt", s.llvm, e.op("fsub", s.llvm, div, below), e.num(s, 0.5))
    whole = e.select(far, s.llvm, e.op("fadd", s.llvm, below, one), below)
    signed_zero = e.intrinsic("copysign", s.llvm, zero, ratio)
    whole = e.select(e.op("fcmp oeq", s.llvm, div, zero), s.llvm, signed_zero, whole)
    return e.select(e.op("fcmp oeq", s.llvm, b, zero), s.llvm, ratio, whole)


# --- exact sums, for complex logarithms and long reductions
def two_sum(e: Lanes, s: Scalar, a: str, b: str) -> tuple[str, str]:
    """The rounded sum and its exact error (Knuth)."""
    total = e.op("fadd", s.llvm, a, b)
    virtual = e.op("fsub", s.llvm, total, a)
    lost_a = e.op("fsub", s.llvm, a, e.op("fsub", s.llvm, total, virtual))
    lost_b = e.op("fsub", s.llvm, b, virtual)
    return total, e.op("fadd", s.llvm, lost_a, lost_b)
