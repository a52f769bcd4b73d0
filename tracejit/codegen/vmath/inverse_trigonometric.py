"""asin, acos, atan and atan2.

Polynomials in the square of a reduced argument: atan on [0, 1], by atan(1/x) = pi/2 - atan(x); asin on [0, 1/2], by
asin(x) = pi/2 - 2 asin(sqrt((1 - x)/2)). Multiples of pi are sums of two numbers, and the head and the tail of the
polynomial's value stay apart until the last addition.
"""

from __future__ import annotations

import math

from tracejit.codegen.vmath import coefficients as c
from tracejit.codegen.vmath.emitter import Emitter, Value


def _asin_parts(e: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """For x >= 0: whether x > 1/2, and the head and tail of asin(x), or there of asin(sqrt((1 - x)/2))."""
    big = x > 0.5
    z = e.select(big, e.fma(x, -0.5, 0.5), x * x)
    s = e.select(big, e.sqrt(z), x)
    return big, s, s * z * e.polynomial(z, c.ASIN[e.format.name])


def asin(e: Emitter, x: Value) -> Value:
    """The arc sine; NaN outside [-1, 1]."""
    high, low = c.PI_OVER_2[e.format.name]
    big, head, tail = _asin_parts(e, e.absolute(x))
    y = e.select(big, high - (head + (tail - low * 0.5)) * 2.0, head + tail)
    return e.with_sign(y, e.sign(x))


def acos(e: Emitter, x: Value) -> Value:
    """The arc cosine; NaN outside [-1, 1]. pi/2 - asin(x) in the middle, 2 asin(...) and pi - 2 asin(...) outside."""
    high, low = c.PI_OVER_2[e.format.name]
    pi_high, pi_low = c.PI[e.format.name]
    sign = e.sign(x)
    big, head, tail = _asin_parts(e, e.absolute(x))
    middle = high - (e.flip_sign(head, sign) + (e.flip_sign(tail, sign) - low))
    right = (head + tail) * 2.0
    left = pi_high - (head + (tail - pi_low * 0.5)) * 2.0
    return e.select(big, e.select(x < 0.0, left, right), middle)


def _atan_parts(e: Emitter, t: Value) -> tuple[Value, Value]:
    """The head and tail of atan(t), 0 <= t <= 1."""
    z = t * t
    return t, z * t * e.polynomial(z, c.ATAN[e.format.name])


def atan(e: Emitter, x: Value) -> Value:
    """The arc tangent."""
    high, low = c.PI_OVER_2[e.format.name]
    size = e.absolute(x)
    big = size > 1.0
    head, tail = _atan_parts(e, e.select(big, 1.0 / size, size))
    y = e.select(big, high - (head + (tail - low)), head + tail)
    return e.with_sign(y, e.sign(x))


def atan2(e: Emitter, y: Value, x: Value) -> Value:
    """The angle of the point (x, y), with C99's values at zeros (whose signs count) and infinities.

    The quotient t of the smaller and the larger coordinate gives atan(t) in an eighth of the circle; the others follow
    by angle = base ± atan(t). Equal coordinates, infinite ones too, have t = 1, and zeros t = 0.
    """
    dtype = e.format.name
    a, b = e.absolute(y), e.absolute(x)
    steep = a > b
    short, long = e.select(steep, b, a), e.select(steep, a, b)
    t = e.select(short.equals(long), 1.0, short / long)
    t = e.select(long.equals(0.0), 0.0, t)
    head, tail = _atan_parts(e, t)
    left = x.bits() < 0
    (pi, pi_low), (half, half_low) = c.PI[dtype], c.PI_OVER_2[dtype]
    base = e.select(steep, half, e.select(left, pi, 0.0))
    base_low = e.select(steep, half_low, e.select(left, pi_low, 0.0))
    back = e.convert("sext", steep ^ left, e.format.integer) & e.format.sign_bit
    angle = base + (e.flip_sign(head, back) + (e.flip_sign(tail, back) + base_low))
    return e.select(x.unordered(y), math.nan, e.with_sign(angle, e.sign(y)))
