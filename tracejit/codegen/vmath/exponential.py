"""exp, expm1 and the hyperbolic functions.

All start with the reduction x = n ln 2 + r, |r| <= ln 2 / 2 (n is found by adding the number that makes the sum's low
bits an integer; both products with ln 2, which is in two parts, are fused, so that r is right to half a unit in the
last place) and a minimax polynomial for exp(r) - 1 - r.
"""

from __future__ import annotations

import math

from tracejit.codegen.vmath import coefficients as c
from tracejit.codegen.vmath.emitter import Emitter, Value


def reduce_exp(e: Emitter, x: Value) -> tuple[Value, Value, Value, Value]:
    """x = n ln 2 + r: the bits of a number with n in its low bits, n itself, r rounded, and r before its last fused
    subtraction (an exact number, from which a caller gets what the rounding lost)."""
    dtype = e.format.name
    high, low = c.LN2[dtype]
    shifted = e.fma(x, e.format.nearest(1 / math.log(2)), e.format.shifter)
    n = shifted - e.format.shifter
    exact = e.fma(n, -high, x)
    return shifted.bits(), n, e.fma(n, -low, exact), exact


def scale(e: Emitter, x: Value, n: Value) -> Value:
    """x·2^n for x near 1 and the integer in the low bits of n, in two factors, so that a result below the normal range
    is rounded once and one above it becomes infinite."""
    half = n.lshr(1)
    return x * e.power_of_two(half) * e.power_of_two(n - half)


def exp(e: Emitter, x: Value) -> Value:
    """e^x. Arguments are first limited to where the result has long been 0 or infinite."""
    limit = 150.0 if e.format.name == "f32" else 1000.0
    n, _, r, _ = reduce_exp(e, e.clamp(x, -limit, limit))
    return scale(e, e.fma(r * r, e.polynomial(r, c.EXP[e.format.name]), r) + 1.0, n)


def expm1_parts(e: Emitter, x: Value, down: int) -> tuple[Value, Value]:
    """(e^x - 1)·2^-down as a rounded head and a tail. The larger x may be, the more `down` leaves to the caller.

    2^n (1 + r + tail) - 1 is added up as (2^n - 1) + 2^n r, one fused operation, and then the tail with what r lost in
    its rounding; so the parts that cancel for small x are exact.
    """
    n_bits, n, r, exact = reduce_exp(e, x)
    power = e.power_of_two(n_bits - down)
    lost = e.fma(n, -c.LN2[e.format.name][1], exact - r)
    tail = e.fma(r * r, e.polynomial(r, c.EXP[e.format.name]), lost)
    return e.fma(power, r, power - 2.0**-down), power * tail


def expm1(e: Emitter, x: Value) -> Value:
    """e^x - 1 without cancellation near 0. An x so small that it equals its result (also -0.0) is returned as it is."""
    top = 89.0 if e.format.name == "f32" else 710.0
    head, tail = expm1_parts(e, e.clamp(x, -50.0, top), down=1)
    return e.select(e.absolute(x) < 2.0 ** -(e.format.mantissa + 2), x, (head + tail) * 2.0)


def tanh(e: Emitter, x: Value) -> Value:
    """tanh |x| = E / (E + 2), E = expm1(2|x|), limited to where the result rounds to 1.

    What E lost in rounding is put back through the derivative 2 / (E + 2)² = (1 - tanh)² / 2.
    """
    limit = 9.5 if e.format.name == "f32" else 20.0
    magnitude = e.absolute(x)
    small = e.select(magnitude > limit, limit, magnitude)
    head, tail = expm1_parts(e, small + small, down=0)
    grown = head + tail
    y = grown / (grown + 2.0)
    rest = 1.0 - y
    y = e.fma((head - grown + tail) * rest, rest * 0.5, y)
    y = e.select(magnitude < 2.0 ** -(e.format.mantissa // 2 + 2), magnitude, y)
    return e.with_sign(y, e.sign(x))


def _quarter_exp(e: Emitter, x: Value) -> tuple[Value, Value]:
    """e^x / 4 rounded and what the rounding lost, for 0 <= x (larger x are taken as one for which 2 e^x overflows)."""
    limit = 89.5 if e.format.name == "f32" else 710.5
    n, _, r, _ = reduce_exp(e, e.select(x > limit, limit, x))
    grown = e.fma(r * r, e.polynomial(r, c.EXP[e.format.name]), r)
    p = grown + 1.0
    power = e.power_of_two(n - 2)
    return p * power, (1.0 - p + grown) * power


def cosh(e: Emitter, x: Value) -> Value:
    """(e^|x| + e^-|x|) / 2, from e^|x| / 4, which overflows only when the result does."""
    q, lost = _quarter_exp(e, e.absolute(x))
    return (q + (0.0625 / q + lost)) * 2.0


def sinh(e: Emitter, x: Value) -> Value:
    """(e^|x| - e^-|x|) / 2 as `cosh`; a polynomial for |x| < 1, where the two parts cancel."""
    magnitude = e.absolute(x)
    q, lost = _quarter_exp(e, magnitude)
    z = magnitude * magnitude
    small = e.fma(z * magnitude, e.polynomial(z, c.SINH[e.format.name]), magnitude)
    y = e.select(magnitude < 1.0, small, (q - (0.0625 / q - lost)) * 2.0)
    return e.with_sign(y, e.sign(x))
