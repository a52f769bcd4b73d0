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


def log(e: Emitter, x: Value) -> Value:
    """The natural logarithm."""
    dtype = e.format.name
    k, m = split_exponent(e, x)
    f = m - 1.0
    high, low = c.LN2[dtype]
    if dtype == "f32":
        square = f * f
        tail = e.fma(square * f, e.polynomial(f, c.LOG_F[dtype]), k * low)
        y = e.fma(k, high, f + e.fma(square, -0.5, tail))
    else:
        s = f / (f + 2.0)
        z = s * s
        half_square = f * 0.5 * f
        tail = e.fma(k, low, s * e.fma(z, e.polynomial(z, c.LOG_S[dtype]), half_square))
        y = e.fma(k, high, f - (half_square - tail))
    return log_specials(e, x, y)
