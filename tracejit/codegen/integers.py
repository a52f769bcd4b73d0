"""Integer and bool arithmetic, total: what faults or is undefined in LLVM has a defined result here."""

from __future__ import annotations

from tracejit.codegen.lanes import Lanes
from tracejit.codegen.scalars import BOOL, F32, F64, I64, Scalar

_MIN, _MAX = -(2**63), 2**63 - 1


def _wrapped(x: int) -> int:
    """``x`` modulo 2**64 as a signed number."""
    return (x - _MIN) % 2**64 + _MIN


def negative(e: Lanes, s: Scalar, a: str) -> str:
    return e.op("sub", s.llvm, e.num(s, 0), a)


def invert(e: Lanes, s: Scalar, a: str) -> str:
    return e.op("xor", s.llvm, a, e.num(s, True if s is BOOL else -1))


def absolute(e: Lanes, s: Scalar, a: str) -> str:
    return e.intrinsic("abs", s.llvm, a, extra=", i1 false")


def sign_signed(e: Lanes, s: Scalar, a: str) -> str:
    above = e.convert("zext", "i1", s.llvm, e.op("icmp sgt", s.llvm, a, e.num(s, 0)))
    return e.op("or", s.llvm, above, e.op("ashr", s.llvm, a, e.num(s, s.bits - 1)))


def sign_unsigned(e: Lanes, s: Scalar, a: str) -> str:
    return e.convert("zext", "i1", s.llvm, e.op("icmp ne", s.llvm, a, e.num(s, 0)))


# --- division
def _quotient(e: Lanes, s: Scalar, a: str, b: str) -> str:
    """``a / b`` towards zero, where ``b`` is not 0 and the quotient fits."""
    if e.width > 1 and s.bits <= 32 and e.known(b) is None:
        # vectors have no integer division, and a float quotient cannot round up to the next integer: 1 / (a b) is far
        # more than half a unit of its last place
        f = F32 if s.bits <= 16 else F64
        to, back = ("uitofp", "fptoui") if s.kind == "u" else ("sitofp", "fptosi")
        q = e.op("fdiv", f.llvm, e.convert(to, s.llvm, f.llvm, a), e.convert(to, s.llvm, f.llvm, b))
        return e.convert(back, f.llvm, s.llvm, q)
    return e.op("udiv" if s.kind == "u" else "sdiv", s.llvm, a, b)


def _divisor(e: Lanes, s: Scalar, a: str, b: str) -> tuple[str, str | None]:
    """``b`` made harmless (1 where the division faults), and where it is 0 (None: nowhere)."""
    value = e.known(b)
    if value is not None:
        return (e.num(s, 1), None) if value == -1 and s.kind == "i" else (b, None)
    zero = e.op("icmp eq", s.llvm, b, e.num(s, 0))
    fault = zero
    if s.kind == "i":
        lowest = e.op("icmp eq", s.llvm, a, e.num(s, -(1 << (s.bits - 1))))
        minus = e.op("icmp eq", s.llvm, b, e.num(s, -1))
        fault = e.op("or", "i1", zero, e.op("and", "i1", lowest, minus))
    return e.select(fault, s.llvm, e.num(s, 1), b), zero


def floor_divide_signed(e: Lanes, s: Scalar, a: str, b: str) -> str:
    known = e.known(b)
    if known == 0:
        return b
    if known == -1:
        return negative(e, s, a)
    divisor, zero = _divisor(e, s, a, b)
    q = _quotient(e, s, a, divisor)
    r = e.op("sub", s.llvm, a, e.op("mul", s.llvm, q, divisor))
    inexact = e.op("icmp ne", s.llvm, r, e.num(s, 0))
    opposite = e.op("icmp slt", s.llvm, e.op("xor", s.llvm, r, divisor), e.num(s, 0))
    down = e.convert("sext", "i1", s.llvm, e.op("and", "i1", inexact, opposite))
    q = e.op("add", s.llvm, q, down)
    return q if zero is None else e.select(zero, s.llvm, e.num(s, 0), q)


def modulo_signed(e: Lanes, s: Scalar, a: str, b: str) -> str:
    known = e.known(b)
    if known in (0, -1):
        return e.num(s, 0)
    divisor, zero = _divisor(e, s, a, b)
    if e.width == 1:
        r = e.op("srem", s.llvm, a, divisor)
    else:
        r = e.op("sub", s.llvm, a, e.op("mul", s.llvm, _quotient(e, s, a, divisor), divisor))
    inexact = e.op("icmp ne", s.llvm, r, e.num(s, 0))
    opposite = e.op("icmp slt", s.llvm, e.op("xor", s.llvm, r, divisor), e.num(s, 0))
    wrong = e.op("and", "i1", inexact, opposite)
    r = e.op("add", s.llvm, r, e.select(wrong, s.llvm, divisor, e.num(s, 0)))
    # where b == -1 met the minimum the divisor is 1 now, and the remainder 0 in either case
    return r if zero is None else e.select(zero, s.llvm, e.num(s, 0), r)


def floor_divide_unsigned(e: Lanes, s: Scalar, a: str, b: str) -> str:
    if e.known(b) == 0:
        return b
    divisor, zero = _divisor(e, s, a, b)
    q = _quotient(e, s, a, divisor)
    return q if zero is None else e.select(zero, s.llvm, e.num(s, 0), q)


def modulo_unsigned(e: Lanes, s: Scalar, a: str, b: str) -> str:
    if e.known(b) == 0:
        return b
    divisor, zero = _divisor(e, s, a, b)
    if e.width == 1:
        r = e.op("urem", s.llvm, a, divisor)
    else:
        r = e.op("sub", s.llvm, a, e.op("mul", s.llvm, _quotient(e, s, a, divisor), divisor))
    return r if zero is None else e.select(zero, s.llvm, e.num(s, 0), r)


# --- shifts
def _fits(e: Lanes, s: Scalar, b: str) -> tuple[str, str | None]:
    """The shift count made harmless, and where it is within the width (None: everywhere)."""
    value = e.known(b)
    if value is not None and 0 <= value < s.bits:
        return b, None
    inside = e.op("icmp ult", s.llvm, b, e.num(s, s.bits))
    return e.select(inside, s.llvm, b, e.num(s, 0)), inside


def shift_left(e: Lanes, s: Scalar, a: str, b: str) -> str:
    count, inside = _fits(e, s, b)
    r = e.op("shl", s.llvm, a, count)
    return r if inside is None else e.select(inside, s.llvm, r, e.num(s, 0))


def shift_right_unsigned(e: Lanes, s: Scalar, a: str, b: str) -> str:
    count, inside = _fits(e, s, b)
    r = e.op("lshr", s.llvm, a, count)
    return r if inside is None else e.select(inside, s.llvm, r, e.num(s, 0))


def shift_right_signed(e: Lanes, s: Scalar, a: str, b: str) -> str:
    """A count outside the width leaves the sign, as NumPy does."""
    value = e.known(b)
    if value is None or not 0 <= value < s.bits:
        b = e.intrinsic("umin", s.llvm, b, e.num(s, s.bits - 1))
    return e.op("ashr", s.llvm, a, b)


# --- powers
_LONGEST_CHAIN = 16


def power(e: Lanes, s: Scalar, a: str, b: str) -> str:
    """Repeated squaring; wraps around; a negative exponent gives 0."""
    known = e.known(b)
    if known is not None and 0 <= known <= _LONGEST_CHAIN:
        return _power_chain(e, s, a, int(known))
    return e.helper("ipow", s, [a, b], _power_loop)[0]


def _power_chain(e: Lanes, s: Scalar, a: str, n: int) -> str:
    result: str | None = None
    while n:
        if n & 1:
            result = a if result is None else e.op("mul", s.llvm, result, a)
        n >>= 1
        if n:
            a = e.op("mul", s.llvm, a, a)
    return e.num(s, 1) if result is None else result


def _power_loop(e: Lanes, s: Scalar, operands: list[str]) -> list[str]:
    a, b = operands
    f, t = e.function, e.types[s.llvm]
    zero, one = e.num(s, 0), e.num(s, 1)
    negative_exponent = e.op("icmp slt", s.llvm, b, zero) if s.kind == "i" else None
    if negative_exponent is not None:
        b = e.select(negative_exponent, s.llvm, zero, b)
    f.branch("loop")
    f.start("loop")
    f.line(f"%x = phi {t} [ {a}, %entry ], [ %x2, %loop ]")
    f.line(f"%n = phi {t} [ {b}, %entry ], [ %n2, %loop ]")
    f.line(f"%r = phi {t} [ {one}, %entry ], [ %r2, %loop ]")
    odd = e.op("icmp ne", s.llvm, e.op("and", s.llvm, "%n", one), zero)
    f.line(f"%rx = mul {t} %r, %x")
    f.line(f"%r2 = select {e.types['i1']} {odd}, {t} %rx, {t} %r")
    f.line("%x2 = mul " + f"{t} %x, %x")
    f.line(f"%n2 = lshr {t} %n, {one}")
    more = e.any(e.op("icmp ne", s.llvm, "%n2", zero))
    f.branch_if(more, "loop", "done")
    f.start("done")
    return ["%r2" if negative_exponent is None else e.select(negative_exponent, s.llvm, zero, "%r2")]


def power_bool(e: Lanes, s: Scalar, a: str, b: str) -> str:
    return e.op("or", "i1", a, e.not_(b))


# --- overflow of Python's arithmetic in 64 bits
def with_overflow(e: Lanes, name: str, a: str, b: str) -> tuple[str, str]:
    """``name`` ("add", "sub", "mul") of two int64: the wrapped result, and whether it wrapped."""
    t, bit = e.types["i64"], e.types["i1"]
    symbol = f"llvm.s{name}.with.overflow.{'' if e.width == 1 else f'v{e.width}'}i64"
    e.module.declare(symbol, f"{{ {t}, {bit} }}", f"{t}, {t}")
    f = e.function
    both, value, wrapped = f.fresh(), f.fresh(), f.fresh()
    f.line(f"{both} = call {{ {t}, {bit} }} @{symbol}({t} {a}, {t} {b})")
    f.line(f"{value} = extractvalue {{ {t}, {bit} }} {both}, 0")
    f.line(f"{wrapped} = extractvalue {{ {t}, {bit} }} {both}, 1")
    return value, wrapped


def overflows(e: Lanes, name: str, a: str, b: str) -> str:
    """Whether ``name`` ("add", "sub", "mul") of two int64 leaves 64 bits.

    With a constant it is a comparison beside the operation: that keeps the operation itself cheap (a product with a
    small constant is one address computation, one that also gives the overflow flag is a multiplication).
    """
    if e.known(b) is not None:
        return _outside(e, a, *_allowed(name, int(e.known(b))))
    if e.known(a) is not None:
        c = int(e.known(a))
        low, high = (c - _MAX, c - _MIN) if name == "sub" else _allowed(name, c)
        return _outside(e, b, low, high)
    return with_overflow(e, name, a, b)[1]


def _allowed(name: str, c: int) -> tuple[int, int]:
    """The least and the greatest ``x`` for which ``x + c``, ``x - c`` or ``x * c`` has 64 bits."""
    if name == "mul":
        if c == 0:
            return _MIN, _MAX
        return (-(-_MIN // c), _MAX // c) if c > 0 else (-(_MAX // -c), _MIN // c)
    c = -c if name == "sub" else c
    return _MIN - c, _MAX - c


def _outside(e: Lanes, x: str, low: int, high: int) -> str:
    low, high = max(low, _MIN), min(high, _MAX)
    s = I64
    if low == _MIN:
        return e.num(BOOL, False) if high == _MAX else e.op("icmp sgt", "i64", x, e.num(s, high))
    if high == _MAX:
        return e.op("icmp slt", "i64", x, e.num(s, low))
    return e.op("icmp ugt", "i64", e.op("sub", "i64", x, e.num(s, low)), e.num(s, _wrapped(high - low)))


def shift_left_overflows(e: Lanes, s: Scalar, a: str, b: str) -> str:
    """A negative count is somebody else's error, and 0 shifted stays 0."""
    count = e.intrinsic("umin", s.llvm, b, e.num(s, s.bits - 1))
    back = e.op("ashr", s.llvm, e.op("shl", s.llvm, a, count), count)
    lost = e.op("icmp ne", s.llvm, back, a)
    far = e.op("icmp sgt", s.llvm, b, e.num(s, s.bits - 1))
    counts = e.op("icmp sge", s.llvm, b, e.num(s, 0))
    something = e.op("icmp ne", s.llvm, a, e.num(s, 0))
    return e.op("and", "i1", e.op("and", "i1", counts, something), e.op("or", "i1", far, lost))


def power_overflows(e: Lanes, s: Scalar, a: str, b: str) -> str:
    known = e.known(b)
    if known is not None and known in (0, 1):
        return e.num(BOOL, False)
    if known == 2:
        return with_overflow(e, "mul", a, a)[1]
    bit = e.helper("pow_overflows", I64, [a, b], _power_overflows)[0]
    return e.op("icmp ne", "i64", bit, e.num(s, 0))


def _power_overflows(e: Lanes, s: Scalar, operands: list[str]) -> list[str]:
    """1 where ``a ** b`` leaves 64 bits: repeated squaring that remembers a wrapped product as soon as the result uses
    it."""
    a, b = operands
    f, t, bit = e.function, e.types["i64"], e.types["i1"]
    zero, one, false = e.num(s, 0), e.num(s, 1), e.num(BOOL, False)
    # -1, 0 and 1 stay small for any exponent, and their squares never wrap
    start = e.intrinsic("smax", "i64", b, zero)
    f.branch("loop")
    f.start("loop")
    f.line(f"%x = phi {t} [ {a}, %entry ], [ %x2, %loop ]")
    f.line(f"%xw = phi {bit} [ {false}, %entry ], [ %xw2, %loop ]")
    f.line(f"%n = phi {t} [ {start}, %entry ], [ %n2, %loop ]")
    f.line(f"%r = phi {t} [ {one}, %entry ], [ %r2, %loop ]")
    f.line(f"%rw = phi {bit} [ {false}, %entry ], [ %rw2, %loop ]")
    odd = e.op("icmp ne", "i64", e.op("and", "i64", "%n", one), zero)
    product, wrapped = with_overflow(e, "mul", "%r", "%x")
    f.line(f"%r2 = select {bit} {odd}, {t} {product}, {t} %r")
    now = e.op("and", "i1", odd, e.op("or", "i1", wrapped, "%xw"))
    f.line(f"%rw2 = or {bit} %rw, {now}")
    square, square_wrapped = with_overflow(e, "mul", "%x", "%x")
    f.line(f"%x2 = add {t} {square}, {zero}")
    f.line(f"%xw2 = or {bit} %xw, {square_wrapped}")
    f.line(f"%n2 = lshr {t} %n, {one}")
    more = e.any(e.op("icmp ne", "i64", "%n2", zero))
    f.branch_if(more, "loop", "done")
    f.start("done")
    return [e.convert("zext", "i1", "i64", "%rw2")]
