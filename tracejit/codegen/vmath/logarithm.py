"""log and its relatives.

The argument is split into 2^k m with m in [sqrt(1/2), sqrt(2)) by integer operations on its bits. In float64,
log m = 2 atanh(s), s = (m - 1)/(m + 1), by a minimax polynomial in s² put together as in the C libraries that descend
from Sun's fdlibm: f - (f²/2 - s (f²/2 + R)), f = m - 1, which keeps the leading term f exact. In float32 a polynomial
in f, which needs no division, is good enough.
"""

from __future__ import annotations

import math

from tracejit.codegen.vmath import coefficients as c
from tracejit.codegen.vmath.emitter import Emitter, Value


def split_exponent(e: Emitter, x: Value, *, subnormals: bool = True) -> tuple[Value, Value]:
    """x = 2^k m: k as a float, and m in [sqrt(1/2), sqrt(2)), for finite positive x; otherwise some numbers."""
    layout = x.format
    # 2^mantissa has room for an integer in its low bits: the biased exponent put there becomes a float by subtraction.
    carrier = 2.0**layout.mantissa
    offset: Value | float = carrier + layout.bias
    if subnormals:
        tiny = x < layout.smallest_normal
        up = layout.mantissa + 2
        offset = e.select(tiny, carrier + layout.bias + up, carrier + layout.bias)
        x = e.select(tiny, x * 2.0**up, x)
    low_end = layout.to_bits(math.sqrt(0.5))
    moved = x.bits() + (layout.to_bits(1.0) - low_end)
    k = (moved.lshr(layout.mantissa) | layout.to_bits(carrier)).real() - offset
    m = ((moved & ((1 << layout.mantissa) - 1)) + low_end).real()
    return k, m


def log_specials(e: Emitter, x: Value, y: Value) -> Value:
    """y, except where the logarithm of x is not an ordinary number: -inf at 0, NaN below, inf and NaN stay."""
    y = e.select(x < math.inf, y, x)
    return e.select(x > 0.0, y, e.select(x.equals(0.0), -math.inf, math.nan))


def _log_of_significand(e: Emitter, f: Value) -> tuple[Value, Value, Value]:
    """log(1 + f) = f - h + tail, 1 + f in [sqrt(1/2), sqrt(2)): h = f²/2, the tail, and 1 / (1 + f) to a few bits
    (as much as a correction of f needs)."""
    half_square = f * 0.5 * f
    if e.format.name == "f32":
        square = f * f
        tail = square * f * e.polynomial(f, c.LOG_F["f32"])
        return half_square, tail, e.fma(square, 1.0 - f, 1.0 - f)
    s = f / (f + 2.0)
    z = s * s
    tail = s * e.fma(z, e.polynomial(z, c.LOG_S["f64"]), half_square)
    return half_square, tail, e.fma(s + s, s - 1.0, 1.0)  # of (1 - s) / (1 + s)


def log(e: Emitter, x: Value) -> Value:
    """The natural logarithm."""
    k, m = split_exponent(e, x)
    f = m - 1.0
    half_square, tail, _ = _log_of_significand(e, f)
    high, low = c.LN2[e.format.name]
    y = e.fma(k, high, f - (half_square - e.fma(k, low, tail)))
    return log_specials(e, x, y)


def _log_to_base(e: Emitter, x: Value, unit: tuple[float, ...], exponent_unit: tuple[float, ...]) -> Value:
    """log x times a constant, so precisely that powers of the base come out exact: log m and the products are sums of
    two numbers. `unit` is the constant in two parts, `exponent_unit` its product with ln 2, of which the first part
    times an exponent is exact."""
    k, m = split_exponent(e, x)
    f = m - 1.0
    half_square, tail, _ = _log_of_significand(e, f)
    high = f - half_square
    low = (f - high - half_square) + tail
    product = high * unit[0]
    product_low = e.fma(low, unit[0], e.fma(high, unit[1], e.fma(high, unit[0], -product)))
    whole = k * exponent_unit[0]
    y = whole + product
    return log_specials(e, x, y + ((whole - y + product) + e.fma(k, exponent_unit[1], product_low)))


def log2(e: Emitter, x: Value) -> Value:
    """The binary logarithm; exact for powers of two."""
    return _log_to_base(e, x, c.LOG2_E[e.format.name], (1.0, 0.0))


def log10(e: Emitter, x: Value) -> Value:
    """The decimal logarithm; exact for powers of ten that are numbers of the format."""
    return _log_to_base(e, x, c.LOG10_E[e.format.name], c.LOG10_2_SHORT[e.format.name])


def log1p(e: Emitter, x: Value) -> Value:
    """log(1 + x) without cancellation near 0.

    The logarithm of u = 1 + x rounded, corrected by what the rounding lost, divided by u. Where u needs no power of two
    taken out, f = x itself is the argument and nothing is lost.
    """
    layout = e.format
    u = x + 1.0
    lost = e.select(x < 1.0, x - (u - 1.0), 1.0 - (u - x))
    k, m = split_exponent(e, u, subnormals=False)
    inside = k.equals(0.0)
    f = e.select(inside, x, m - 1.0)
    half_square, tail, reciprocal = _log_of_significand(e, f)
    # m = u 2^-k, so the difference of their bits is the exponent of 2^-k. A lost part of a large x does not matter.
    down = (m.bits() - u.bits() + layout.to_bits(1.0)).real()
    correction = e.select(inside | (x > 2.0 ** (layout.mantissa + 8)), 0.0, lost * down * reciprocal)
    high, low = c.LN2[layout.name]
    y = e.fma(k, high, f - (half_square - (e.fma(k, low, tail) + correction)))
    y = log_specials(e, u, y)
    return e.select(e.absolute(x) < 2.0 ** -(layout.mantissa + 2), x, y)
