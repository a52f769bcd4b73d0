"""sin, cos and tan of every finite argument.

x = q pi/2 + r, |r| <= pi/4, and then one polynomial or both. Two reductions give r as a sum of two numbers (its
rounding error matters near the multiples of pi/2, where the result is small):

- `_reduce`, Cody and Waite (1980): subtract q times pi/2 in three parts. The first fused product is exact because q·P1
  and x nearly cancel, the second because P2 has so few bits that q·P2 is a number of the format.
- `reduce_large`, Payne and Hanek (1983), for arguments whose q does not fit that scheme: multiply the significand with
  the window of the bits of 2/pi that decide the quotient modulo 4 and the fraction. It works on integers, lane by
  lane, in a function of its own that is called only when a lane needs it.
"""

from __future__ import annotations

import itertools
import math

from tracejit.codegen.vmath import coefficients as c
from tracejit.codegen.vmath.emitter import Emitter, Value

# |q| stays below 2^13 and 2^21, the bits that the second part of pi/2 leaves free.
_LARGE = {"f32": 2.0**13, "f64": 2.0**21}


def _reduce(e: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """(q, r, rest), x >= 0: x = q pi/2 + r + rest, q an integer of which the two low bits count, rest what r lost."""
    dtype = e.format.name
    first, second, third = c.PI_OVER_2_REDUCE[dtype]
    shifted = e.fma(x, e.format.nearest(2 / math.pi), e.format.shifter)
    n = shifted - e.format.shifter
    r0 = e.fma(n, -first, x)
    r = e.fma(n, -second, r0)
    rest = e.fma(n, -third, e.fma(n, -second, r0 - r))
    large = (x > _LARGE[dtype]) & (x < math.inf)
    types = [e.format.integer, e.format.real, e.format.real]
    q, r, rest = e.rarely(large, [shifted.bits(), r, rest], lambda: e.call("reduce_large", [x], types))
    return q, r, rest


def _sin_parts(e: Emitter, r: Value, rest: Value, z: Value) -> tuple[Value, Value]:
    """sin(r + rest), z = r², as head and tail: r, and r³ P(z) + rest cos r."""
    return r, e.fma(z * r, e.polynomial(z, c.SIN[e.format.name]), e.fma(rest * z, -0.5, rest))


def _cos_parts(e: Emitter, r: Value, rest: Value, z: Value) -> tuple[Value, Value]:
    """cos(r + rest), z = r²: 1 - z/2 rounded, and then what that rounding lost, z² P(z) and -rest sin r."""
    half = z * 0.5
    head = 1.0 - half
    tail = e.fma(z * z, e.polynomial(z, c.COS[e.format.name]), -(r * rest))
    return head, (1.0 - head - half) + tail


def sin(e: Emitter, x: Value) -> Value:
    """The sine."""
    q, r, rest = _reduce(e, e.absolute(x))
    z = r * r
    odd = (q & 1).differs(0)
    sine, cosine = _sin_parts(e, r, rest, z), _cos_parts(e, r, rest, z)
    y = e.select(odd, cosine[0], sine[0]) + e.select(odd, cosine[1], sine[1])
    return e.flip_sign(y, (q & 2).shl(e.format.bits - 2) ^ e.sign(x))


def cos(e: Emitter, x: Value) -> Value:
    """The cosine: the sine a quarter turn further."""
    q, r, rest = _reduce(e, e.absolute(x))
    z = r * r
    odd = (q & 1).differs(0)
    sine, cosine = _sin_parts(e, r, rest, z), _cos_parts(e, r, rest, z)
    y = e.select(odd, sine[0], cosine[0]) + e.select(odd, sine[1], cosine[1])
    return e.flip_sign(y, ((q + 1) & 2).shl(e.format.bits - 2))


def tan(e: Emitter, x: Value) -> Value:
    """The tangent: sin r / cos r, or its negative reciprocal in odd quadrants, with one division.

    In float64 the quotient is corrected by its remainder, which takes in what sine and cosine lost in rounding.
    """
    q, r, rest = _reduce(e, e.absolute(x))
    z = r * r
    odd = (q & 1).differs(0)
    (sin_head, sin_tail), (cos_head, cos_tail) = _sin_parts(e, r, rest, z), _cos_parts(e, r, rest, z)
    sine, cosine = sin_head + sin_tail, cos_head + cos_tail
    dividend, divisor = e.select(odd, cosine, sine), e.select(odd, sine, cosine)
    if e.format.name == "f32":
        y = dividend / divisor
    else:
        sin_lost, cos_lost = sin_head - sine + sin_tail, cos_head - cosine + cos_tail
        reciprocal = 1.0 / divisor
        y = dividend * reciprocal
        remainder = e.fma(-y, divisor, dividend) + e.select(odd, cos_lost, sin_lost)
        y = e.fma(e.fma(-y, e.select(odd, sin_lost, cos_lost), remainder), reciprocal, y)
    return e.flip_sign(y, (q & 1).shl(e.format.bits - 1) ^ e.sign(x))


def reduce_large(e: Emitter, x: Value) -> list[Value]:
    """(q, r, rest) as `_reduce`, for x from `_LARGE` to the largest finite number (other arguments: some numbers).

    Scalar. With x = M 2^t, M an integer, the bits of 2/pi of weight 2^(2-t) and more contribute multiples of 4 to the
    quotient; the window starts just after them. The window is so long that what follows it contributes less than the
    last bit kept of a fraction as small as there is among the numbers of the format (2^-62 in float64, 2^-30 in
    float32).
    """
    return _reduce_large_f64(e, x) if e.format.name == "f64" else _reduce_large_f32(e, x)


def _window(e: Emitter, start: Value, words: int, table: int) -> list[Value]:
    """64-bit words of 2/pi from bit `start` on; bit 0 is the first of 64 zeros before the binary point's digits."""
    entries = ", ".join(f"i64 {w - (1 << 64) if w >> 63 else w}" for w in c.TWO_OVER_PI[:table])
    index, shift = start.lshr(6), start & 63
    loaded = [
        e.line("i64", f"extractelement <{table} x i64> <{entries}>, i64 {(index + i if i else index).text}")
        for i in range(words + 1)
    ]
    # A shift count of 64 is not allowed; two shifts make one that may be.
    return [high.shl(shift) | low.lshr(1).lshr(shift ^ 63) for high, low in itertools.pairwise(loaded)]


def _widen(e: Emitter, value: Value) -> Value:
    return e.convert("zext", value, "i128")


def _narrow(e: Emitter, value: Value) -> Value:
    return e.convert("trunc", value, "i64")


def _significand(e: Emitter, x: Value) -> tuple[Value, Value]:
    """The significand of x as an integer and the biased exponent."""
    layout, bits = e.format, x.bits()
    significand = (bits & ((1 << layout.mantissa) - 1)) | (1 << layout.mantissa)
    return significand, bits.lshr(layout.mantissa) & ((1 << (layout.bits - layout.mantissa - 1)) - 1)


def _reduce_large_f64(e: Emitter, x: Value) -> list[Value]:
    m, exponent = _significand(e, x)
    start = exponent - (1023 + 52) + (64 - 2)
    w2, w1, w0 = _window(e, e.select(start < 0, 0, start), 3, table=21)
    wide = _widen(e, m)
    product = wide * _widen(e, w1) + (wide * _widen(e, w0)).lshr(64)
    high, low = m * w2 + _narrow(e, product.lshr(64)), _narrow(e, product)
    # Modulo 4 in units of 2^-62 and 2^-126. To the nearest quadrant; the rest is a signed fraction of one, in pieces
    # that are numbers of the format.
    quadrant = (high + (1 << 61)).lshr(62)
    high, low = high.shl(2) | low.lshr(62), low.shl(2)
    top = e.convert("sitofp", high.ashr(24), "double") * 2.0**-40
    middle = e.convert("sitofp", high & 0xFFFFFF, "double") * 2.0**-64
    bottom = e.convert("sitofp", low.lshr(12), "double") * 2.0**-116
    most = top + middle
    fraction = most + bottom
    rest = (top - most + middle) + (most - fraction + bottom)
    scale_high, scale_low = c.PI_OVER_2["f64"]
    r = fraction * scale_high
    rest = e.fma(fraction, scale_low, e.fma(rest, scale_high, e.fma(fraction, scale_high, -r)))
    return [quadrant, r, rest]


def _reduce_large_f32(e: Emitter, x: Value) -> list[Value]:
    m, exponent = _significand(e, x)
    start = e.convert("zext", exponent, "i64") - (127 + 23) + (64 - 2)
    w1, w0 = _window(e, e.select(start < 0, 0, start), 2, table=6)
    wide = e.convert("zext", m, "i64")
    product = wide * w1 + _narrow(e, (_widen(e, wide) * _widen(e, w0)).lshr(64))  # modulo 4, in units of 2^-62
    quadrant = e.convert("trunc", (product + (1 << 61)).lshr(62), "i32")
    r = e.convert("sitofp", product.shl(2), "double") * (math.pi / 2 * 2.0**-64)
    high = e.convert("fptrunc", r, "float")
    rest = e.convert("fptrunc", r - e.convert("fpext", high, "double"), "float")
    return [quadrant, high, rest]
