"""pow, and the roots cbrt and hypot.

x^y = exp(y log |x|), with the sign and the special cases of C99. The relative error of y log |x| is multiplied by up to
745 (float32: 104) in the result, so the logarithm needs many more bits than the format has. It is a sum of two numbers:
the quotient (m - 1)/(m + 1) is corrected by its remainder, and the two leading terms of the series of atanh are added
up with their rounding errors (the formulas of Dekker, 1971, with fused products); the polynomial for the rest is in
plain precision.
"""

from __future__ import annotations

import math

from tracejit.codegen.vmath import coefficients as c
from tracejit.codegen.vmath.emitter import Emitter, Value
from tracejit.codegen.vmath.exponential import reduce_exp, scale
from tracejit.codegen.vmath.logarithm import split_exponent


def fast_two_sum(a: Value | float, b: Value) -> tuple[Value, Value]:
    """a + b as the rounded sum and its error; |a| >= |b|, or a is 0 or a multiple of b's last place."""
    total = a + b
    return total, (a - total) + b


def _log_in_two_parts(e: Emitter, x: Value) -> tuple[Value, Value]:
    """log x for x > 0 as an unevaluated sum, with a relative error of about 2^-67 (float32: 2^-36)."""
    dtype = e.format.name
    k, m = split_exponent(e, x)
    f = m - 1.0
    t = m + 1.0
    t_lost = m - (t - 1.0)
    reciprocal = 1.0 / t
    s = f * reciprocal
    s_lost = e.fma(-s, t_lost, e.fma(-s, t, f)) * reciprocal
    z = s * s
    z_lost = e.fma(s + s, s_lost, e.fma(s, s, -z))
    # 2/3 + z P(z)
    third, third_lost = c.TWO_THIRDS[dtype]
    tail = z * e.polynomial(z, c.LOG_POW[dtype])
    factor = tail + third
    factor_lost = (third - factor) + tail + third_lost
    # s³, and then the product of the two
    cube = s * z
    cube_lost = e.fma(z, s_lost, e.fma(s, z_lost, e.fma(s, z, -cube)))
    term = cube * factor
    term_lost = e.fma(cube_lost, factor, e.fma(cube, factor_lost, e.fma(cube, factor, -term)))
    head, head_lost = fast_two_sum(s + s, term)
    head_lost = head_lost + e.fma(s_lost, 2.0, term_lost)
    # k ln 2, whose first part is exact
    ln2, ln2_lost = c.LN2_SHORT[dtype]
    total, total_lost = fast_two_sum(k * ln2, head)
    return total, total_lost + e.fma(k, ln2_lost, head_lost)


def _power(e: Emitter, x: Value, y: Value, finite: Value) -> Value:
    """x^y for x >= 0, except where x = 1 or y = 0; `finite` says where x is."""
    dtype = e.format.name
    far = 150.0 if dtype == "f32" else 1000.0  # out of the range of results, where errors do not matter
    logarithm, log_lost = _log_in_two_parts(e, x)
    logarithm = e.select(x.equals(0.0), -math.inf, e.select(finite, logarithm, x))
    product = y * logarithm
    product_lost = e.fma(y, log_lost, e.fma(y, logarithm, -product))
    product_lost = e.select(e.absolute(product) < far, product_lost, 0.0)
    n_bits, n, _, exact = reduce_exp(e, e.clamp(product, -far, far))
    r, r_lost = fast_two_sum(exact, e.fma(n, -c.LN2[dtype][1], product_lost))
    one, one_lost = fast_two_sum(1.0, r)
    tail = e.fma(r * r, e.polynomial(r, c.EXP[dtype]), r_lost)
    return scale(e, one + (one_lost + tail), n_bits)


def pow(e: Emitter, x: Value, y: Value) -> Value:
    """x^y with C99's special cases.

    |x|^y is 1 where |x| = 1 or y = 0, even if the other is NaN. A negative x has a result only for an integer y (±inf
    is one, an even one; NaN is not), negative for an odd one; -0.0 and -inf take part in that sign, but have a result
    for every y.
    """
    size = e.absolute(x)
    finite = size < math.inf
    result = e.select(size.equals(1.0) | y.equals(0.0), 1.0, _power(e, size, y, finite))
    half = y * 0.5
    whole = e.intrinsic("rint", y).equals(y)
    odd = whole & e.intrinsic("rint", half).differs(half)
    sign = e.convert("sext", odd, e.format.integer) & e.sign(x)
    return e.select((x < 0.0) & finite & ~whole, math.nan, e.with_sign(result, sign))


def cbrt(e: Emitter, x: Value) -> Value:
    """The cube root: |x| = 2^(3q) w, and y = 1 / cbrt(w) from a short polynomial, made better by one step of third
    order; then w y² is nearly the root, and its remainder, computed exactly enough, gives the last bits."""
    nearest = e.format.nearest
    size = e.absolute(x)
    k, m = split_exponent(e, size)
    shifted = e.fma(k, nearest(1 / 3), e.format.shifter)
    q = shifted - e.format.shifter
    rest = e.fma(q, -3.0, k)  # -1, 0 or 1
    up, down = rest > 0.5, rest < -0.5
    w = m * e.select(up, 2.0, e.select(down, 0.5, 1.0))
    start = e.polynomial(m, c.CBRT[e.format.name])
    y = start * e.select(up, nearest(2 ** (-1 / 3)), e.select(down, nearest(2 ** (1 / 3)), 1.0))
    h = e.fma(-(y * y), w * y, 1.0)
    y = e.fma(y * h, e.fma(h, nearest(2 / 9), nearest(1 / 3)), y)
    square = y * y
    root = w * square
    root_square = root * root
    remainder = e.fma(-root_square, root, w) - e.fma(root, root, -root_square) * root
    root = e.fma(remainder * square, nearest(1 / 3), root)
    y = e.with_sign(root * e.power_of_two(shifted.bits()), e.sign(x))
    return e.select((size > 0.0) & (size < math.inf), y, x)


def hypot(e: Emitter, x: Value, y: Value) -> Value:
    """sqrt(x² + y²), on operands scaled by a power of two where squares would leave the range. Infinite if one operand
    is, even if the other is NaN."""
    single = e.format.name == "f32"
    large, small, up = (60, -50, 100) if single else (500, -450, 600)
    a, b = e.absolute(x), e.absolute(y)
    swap = a > b
    long, short = e.select(swap, a, b), e.select(swap, b, a)
    is_large, is_small = long > 2.0**large, long < 2.0**small
    factor = e.select(is_large, 2.0**-up, e.select(is_small, 2.0**up, 1.0))
    back = e.select(is_large, 2.0**up, e.select(is_small, 2.0**-up, 1.0))
    p, q = long * factor, short * factor
    infinite = a.equals(math.inf) | b.equals(math.inf)
    return e.select(infinite, math.inf, e.sqrt(e.fma(p, p, q * q)) * back)
