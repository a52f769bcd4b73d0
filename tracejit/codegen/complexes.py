"""Complex arithmetic on pairs of registers.

Products and quotients are NumPy's formulas. Functions are computed in float64 also for complex64 (they are rare, and
squares and exponentials then neither overflow nor lose digits), each in a helper function of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tracejit.codegen import floats
from tracejit.codegen.lanes import Lanes
from tracejit.codegen.scalars import F64, Pair, Scalar


def add(e: Lanes, s: Scalar, a: Pair, b: Pair) -> Pair:
    return e.op("fadd", s.llvm, a[0], b[0]), e.op("fadd", s.llvm, a[1], b[1])


def subtract(e: Lanes, s: Scalar, a: Pair, b: Pair) -> Pair:
    return e.op("fsub", s.llvm, a[0], b[0]), e.op("fsub", s.llvm, a[1], b[1])


def multiply(e: Lanes, s: Scalar, a: Pair, b: Pair) -> Pair:
    def product(x: str, y: str) -> str:
        return e.op("fmul", s.llvm, x, y)

    re = e.op("fsub", s.llvm, product(a[0], b[0]), product(a[1], b[1]))
    return re, e.op("fadd", s.llvm, product(a[0], b[1]), product(a[1], b[0]))


def divide(e: Lanes, s: Scalar, a: Pair, b: Pair) -> Pair:
    """Smith's algorithm in NumPy's order of operations."""
    t, zero = s.llvm, e.num(s, 0.0)
    size_re, size_im = e.intrinsic("fabs", t, b[0]), e.intrinsic("fabs", t, b[1])
    wide = e.op("fcmp oge", t, size_re, size_im)
    large, small = e.select(wide, t, b[0], b[1]), e.select(wide, t, b[1], b[0])
    x, y = e.select(wide, t, a[0], a[1]), e.select(wide, t, a[1], a[0])
    ratio = e.op("fdiv", t, small, large)
    scale = e.op("fdiv", t, e.num(s, 1.0), e.op("fadd", t, large, e.op("fmul", t, small, ratio)))
    re = e.op("fmul", t, e.op("fadd", t, x, e.op("fmul", t, y, ratio)), scale)
    x_ratio = e.op("fmul", t, x, ratio)
    im = e.op("fsub", t, e.select(wide, t, y, x_ratio), e.select(wide, t, x_ratio, y))
    im = e.op("fmul", t, im, scale)
    by_zero = e.op("and", "i1", e.op("fcmp oeq", t, size_re, zero), e.op("fcmp oeq", t, size_im, zero))
    re = e.select(by_zero, t, e.op("fdiv", t, a[0], size_re), re)
    return re, e.select(by_zero, t, e.op("fdiv", t, a[1], size_re), im)


def negative(e: Lanes, s: Scalar, a: Pair) -> Pair:
    return e.fneg(s.llvm, a[0]), e.fneg(s.llvm, a[1])


def conjugate(e: Lanes, s: Scalar, a: Pair) -> Pair:
    return a[0], e.fneg(s.llvm, a[1])


def absolute(e: Lanes, s: Scalar, a: Pair) -> str:
    return floats.call_math(e, "hypot", s, a)


def sign(e: Lanes, s: Scalar, a: Pair) -> Pair:
    """``a / abs(a)``; along an axis for one infinite part, NaN for two."""
    t, zero, nan = s.llvm, e.num(s, 0.0), e.num(s, math.nan)
    size = absolute(e, s, a)
    infinite = floats.is_inf(e, s, size)
    parts = []
    for part, other in (a, (a[1], a[0])):
        unit = e.intrinsic("copysign", t, e.num(s, 1.0), part)
        at_infinity = e.select(floats.is_inf(e, s, part), t, unit, zero)
        at_infinity = e.select(both_inf(e, s, part, other), t, nan, at_infinity)
        parts.append(e.select(infinite, t, at_infinity, e.op("fdiv", t, part, size)))
    is_zero = e.op("fcmp oeq", t, size, zero)
    undefined = floats.is_nan(e, s, size)
    re, im = [e.select(undefined, t, nan, e.select(is_zero, t, zero, p)) for p in parts]
    return re, im


def both_inf(e: Lanes, s: Scalar, a: str, b: str) -> str:
    return e.op("and", "i1", floats.is_inf(e, s, a), floats.is_inf(e, s, b))


# --- comparison: lexicographic, false when a NaN decides, as NumPy orders complex numbers
def equal(e: Lanes, s: Scalar, a: Pair, b: Pair) -> str:
    return e.op("and", "i1", e.op("fcmp oeq", s.llvm, a[0], b[0]), e.op("fcmp oeq", s.llvm, a[1], b[1]))


def not_equal(e: Lanes, s: Scalar, a: Pair, b: Pair) -> str:
    return e.op("or", "i1", e.op("fcmp une", s.llvm, a[0], b[0]), e.op("fcmp une", s.llvm, a[1], b[1]))


def _ordered(e: Lanes, s: Scalar, strict: str, last: str, a: Pair, b: Pair) -> str:
    first = e.op(f"fcmp {strict}", s.llvm, a[0], b[0])
    first = e.op("and", "i1", first, e.op("fcmp ord", s.llvm, a[1], b[1]))
    tie = e.op("fcmp oeq", s.llvm, a[0], b[0])
    return e.op("or", "i1", first, e.op("and", "i1", tie, e.op(f"fcmp {last}", s.llvm, a[1], b[1])))


def less(e: Lanes, s: Scalar, a: Pair, b: Pair) -> str:
    return _ordered(e, s, "olt", "olt", a, b)


def less_equal(e: Lanes, s: Scalar, a: Pair, b: Pair) -> str:
    return _ordered(e, s, "olt", "ole", a, b)


def greater(e: Lanes, s: Scalar, a: Pair, b: Pair) -> str:
    return _ordered(e, s, "ogt", "ogt", a, b)


def greater_equal(e: Lanes, s: Scalar, a: Pair, b: Pair) -> str:
    return _ordered(e, s, "ogt", "oge", a, b)


def is_nan(e: Lanes, s: Scalar, a: Pair) -> str:
    return e.op("fcmp uno", s.llvm, a[0], a[1])


def is_inf(e: Lanes, s: Scalar, a: Pair) -> str:
    return e.op("or", "i1", floats.is_inf(e, s, a[0]), floats.is_inf(e, s, a[1]))


def is_finite(e: Lanes, s: Scalar, a: Pair) -> str:
    return e.op("and", "i1", floats.is_finite(e, s, a[0]), floats.is_finite(e, s, a[1]))


def _pick(e: Lanes, s: Scalar, first: str, a: Pair, b: Pair) -> Pair:
    first = e.op("or", "i1", first, is_nan(e, s, a))
    return e.select(first, s.llvm, a[0], b[0]), e.select(first, s.llvm, a[1], b[1])


def minimum(e: Lanes, s: Scalar, a: Pair, b: Pair) -> Pair:
    return _pick(e, s, less_equal(e, s, a, b), a, b)


def maximum(e: Lanes, s: Scalar, a: Pair, b: Pair) -> Pair:
    return _pick(e, s, greater_equal(e, s, a, b), a, b)


# --- functions
def _in_double(e: Lanes, s: Scalar, name: str, write: object, *operands: Pair) -> Pair:
    """Call the helper ``name`` with operands in float64, and round its result."""

    def extend(x: str) -> str:
        return e.convert("fpext", "float", "double", x)

    if s is not F64:
        operands = tuple((extend(re), extend(im)) for re, im in operands)
    re, im = e.pair_helper(name, F64, operands, write)  # type: ignore[arg-type]
    if s is not F64:
        return e.convert("fptrunc", "double", "float", re), e.convert("fptrunc", "double", "float", im)
    return re, im


def square_root(e: Lanes, s: Scalar, a: Pair) -> Pair:
    return _in_double(e, s, "csqrt", _square_root, a)


def exponential(e: Lanes, s: Scalar, a: Pair) -> Pair:
    return _in_double(e, s, "cexp", _exponential, a)


def logarithm(e: Lanes, s: Scalar, a: Pair) -> Pair:
    return _in_double(e, s, "clog", _logarithm, a)


def sine(e: Lanes, s: Scalar, a: Pair) -> Pair:
    return _in_double(e, s, "csin", _sine, a)


def cosine(e: Lanes, s: Scalar, a: Pair) -> Pair:
    return _in_double(e, s, "ccos", _cosine, a)


def power(e: Lanes, s: Scalar, a: Pair, b: Pair) -> Pair:
    known_re, known_im = e.known(b[0]), e.known(b[1])
    if known_im == 0 and known_re in (1, 2, 3):
        square = a if known_re == 1 else multiply(e, s, a, a)
        return multiply(e, s, a, square) if known_re == 3 else square
    return _in_double(e, s, "cpow", _power, a, b)


def _square_root(e: Lanes, s: Scalar, operands: list[Pair]) -> Pair:
    ((re, im),) = operands
    t, zero, inf = s.llvm, e.num(s, 0.0), e.num(s, math.inf)

    def mul(x: str, factor: str) -> str:
        return e.op("fmul", t, x, factor)

    size_re, size_im = e.intrinsic("fabs", t, re), e.intrinsic("fabs", t, im)
    # a power of four, so that neither the modulus overflows nor its halves lose digits
    largest = floats.maximum(e, s, size_re, size_im)
    huge = e.op("fcmp ogt", t, largest, e.num(s, 2.0**1000))
    tiny = e.op("fcmp olt", t, largest, e.num(s, 2.0**-900))
    one = e.num(s, 1.0)
    scale = e.select(huge, t, e.num(s, 2.0**-100), e.select(tiny, t, e.num(s, 2.0**200), one))
    unscale = e.select(huge, t, e.num(s, 2.0**50), e.select(tiny, t, e.num(s, 2.0**-100), one))
    x, y = mul(size_re, scale), mul(size_im, scale)
    half = e.num(s, 0.5)
    root = e.intrinsic("sqrt", t, mul(e.op("fadd", t, x, floats.call_math(e, "hypot", s, [x, y])), half))
    other = e.select(e.op("fcmp oeq", t, root, zero), t, zero, mul(e.op("fdiv", t, y, root), half))
    root, other = mul(root, unscale), mul(other, unscale)
    right = e.not_(floats.sign_bit(e, s, re))
    r_re, r_im = e.select(right, t, root, other), e.select(right, t, other, root)
    # an infinite part, and NaN, in C's way
    re_inf = e.op("fcmp oeq", t, size_re, inf)
    not_number = floats.is_nan(e, s, im)
    bounded = e.select(not_number, t, im, zero)
    r_re = e.select(re_inf, t, e.select(right, t, inf, bounded), r_re)
    r_im = e.select(re_inf, t, e.select(right, t, bounded, inf), r_im)
    im_inf = e.op("fcmp oeq", t, size_im, inf)
    r_re, r_im = e.select(im_inf, t, inf, r_re), e.select(im_inf, t, inf, r_im)
    return r_re, e.intrinsic("copysign", t, r_im, im)


def _exponential(e: Lanes, s: Scalar, operands: list[Pair]) -> Pair:
    ((re, im),) = operands
    t, zero = s.llvm, e.num(s, 0.0)
    # exp(re) may overflow where its product with a sine does not: multiply in two steps
    excess = e.op("fsub", t, re, e.num(s, 700.0))
    excess = floats.maximum(e, s, e.num(s, 0.0), e.select(floats.is_nan(e, s, excess), t, zero, excess))
    excess = floats.minimum(e, s, excess, e.num(s, 100.0))
    size = floats.call_math(e, "exp", s, [e.op("fsub", t, re, excess)])
    more = floats.call_math(e, "exp", s, [excess])
    finite = floats.is_finite(e, s, im)
    vanishes = e.op("and", "i1", e.op("fcmp oeq", t, re, e.num(s, -math.inf)), e.not_(finite))
    real = e.op("fcmp oeq", t, im, zero)

    def part(function: str) -> str:
        wave = e.op("fmul", t, size, floats.call_math(e, function, s, [im]))
        return e.select(vanishes, t, zero, e.op("fmul", t, wave, more))

    r_re, r_im = part("cos"), part("sin")
    infinite = e.op("and", "i1", e.op("fcmp oeq", t, re, e.num(s, math.inf)), e.not_(finite))
    r_re = e.select(infinite, t, e.num(s, math.inf), r_re)
    r_re = e.select(real, t, e.op("fmul", t, size, more), r_re)
    return r_re, e.select(real, t, im, r_im)


def _logarithm(e: Lanes, s: Scalar, operands: list[Pair]) -> Pair:
    ((re, im),) = operands
    t = s.llvm
    far = floats.call_math(e, "log", s, [floats.call_math(e, "hypot", s, [re, im])])
    # near the unit circle log(hypot) cancels: log1p(x**2 + y**2 - 1) / 2 with the squares in two pieces
    a, b = e.intrinsic("fabs", t, re), e.intrinsic("fabs", t, im)
    x, y = floats.maximum(e, s, a, b), floats.minimum(e, s, a, b)
    xx, yy = e.op("fmul", t, x, x), e.op("fmul", t, y, y)
    xx_low = e.intrinsic("fma", t, x, x, e.fneg(t, xx))
    yy_low = e.intrinsic("fma", t, y, y, e.fneg(t, yy))
    top, top_low = floats.two_sum(e, s, xx, e.num(s, -1.0))
    total, low = floats.two_sum(e, s, top, yy)
    rest = e.op("fadd", t, e.op("fadd", t, low, top_low), e.op("fadd", t, xx_low, yy_low))
    close = floats.call_math(e, "log1p", s, [e.op("fadd", t, total, rest)])
    close = e.op("fmul", t, close, e.num(s, 0.5))
    squared = e.op("fadd", t, xx, yy)
    is_close = e.op(
        "and", "i1", e.op("fcmp ogt", t, squared, e.num(s, 0.25)), e.op("fcmp olt", t, squared, e.num(s, 4.0))
    )
    return e.select(is_close, t, close, far), floats.call_math(e, "atan2", s, [im, re])


def _wave(e: Lanes, s: Scalar, re: str, im: str, first: str, second: str) -> Pair:
    """``(first(re) * cosh(im), second(re) * sinh(im))``, exact zeros kept where a factor is infinite."""
    t, zero = s.llvm, e.num(s, 0.0)
    a, b = floats.call_math(e, first, s, [re]), floats.call_math(e, second, s, [re])
    c, d = floats.call_math(e, "cosh", s, [im]), floats.call_math(e, "sinh", s, [im])

    def product(x: str, y: str) -> str:
        is_zero = e.op("or", "i1", e.op("fcmp oeq", t, x, zero), e.op("fcmp oeq", t, y, zero))
        numbers = e.op("fcmp ord", t, x, y)
        sign = e.intrinsic("copysign", t, e.num(s, 1.0), x)
        kept = e.op("fmul", t, sign, e.intrinsic("copysign", t, zero, y))
        return e.select(e.op("and", "i1", is_zero, numbers), t, kept, e.op("fmul", t, x, y))

    return product(a, c), product(b, d)


def _sine(e: Lanes, s: Scalar, operands: list[Pair]) -> Pair:
    ((re, im),) = operands
    return _wave(e, s, re, im, "sin", "cos")


def _cosine(e: Lanes, s: Scalar, operands: list[Pair]) -> Pair:
    ((re, im),) = operands
    r_re, r_im = _wave(e, s, re, im, "cos", "sin")
    return r_re, e.fneg(s.llvm, r_im)


def _power(e: Lanes, s: Scalar, operands: list[Pair]) -> Pair:
    """NumPy's cases: exponent 0, base 0, integers below 100 by repeated squaring; else ``exp(b log a)``."""
    a, b = operands
    t, zero, one = s.llvm, e.num(s, 0.0), e.num(s, 1.0)

    def choose(condition: str, x: Pair, y: Pair) -> Pair:
        return e.select(condition, t, x[0], y[0]), e.select(condition, t, x[1], y[1])

    def both(p: str, q: str) -> str:
        return e.op("and", "i1", p, q)

    result = exponential(e, s, multiply(e, s, b, logarithm(e, s, a)))
    size = e.intrinsic("fabs", t, b[0])
    real = e.op("fcmp oeq", t, b[1], zero)
    whole = e.op("fcmp oeq", t, size, e.intrinsic("trunc", t, size))
    small = both(both(real, whole), e.op("fcmp olt", t, size, e.num(s, 100.0)))
    count = e.convert("fptoui", t, "i64", e.select(small, t, size, zero))
    chain: Pair = (one, zero)
    square = a
    from tracejit.codegen.scalars import I64

    for k in range(7):
        bit = e.op("icmp ne", "i64", e.op("and", "i64", count, e.num(I64, 1 << k)), e.num(I64, 0))
        chain = choose(bit, multiply(e, s, chain, square), chain)
        if k < 6:
            square = multiply(e, s, square, square)
    reciprocal = divide(e, s, (one, zero), chain)
    chain = choose(e.op("fcmp olt", t, b[0], zero), reciprocal, chain)
    # the products of NumPy's chain begin with the base itself, not with 1 times it
    chain = choose(e.op("fcmp oeq", t, b[0], one), a, chain)
    result = choose(small, chain, result)
    base_zero = both(e.op("fcmp oeq", t, a[0], zero), e.op("fcmp oeq", t, a[1], zero))
    grows = e.op("fcmp ogt", t, b[0], zero)
    nan = e.num(s, math.nan)
    result = choose(base_zero, choose(grows, (zero, zero), (nan, nan)), result)
    return choose(both(real, e.op("fcmp oeq", t, b[0], zero)), (one, zero), result)


RULES: dict[str, Callable[..., Any]] = {
    "cadd": add,
    "csub": subtract,
    "cmul": multiply,
    "cdiv": divide,
    "cneg": negative,
    "cabs": absolute,
    "csign": sign,
    "cpow": power,
    "cminimum": minimum,
    "cmaximum": maximum,
    "ceq": equal,
    "cne": not_equal,
    "clt": less,
    "cle": less_equal,
    "cgt": greater,
    "cge": greater_equal,
    "cisnan": is_nan,
    "cisinf": is_inf,
    "cisfinite": is_finite,
    "csqrt": square_root,
    "cexp": exponential,
    "clog": logarithm,
    "csin": sine,
    "ccos": cosine,
    "conj": conjugate,
}
"""The rules that the ``codegen`` templates of :mod:`tracejit.ops.elementwise` name."""
