"""pow: x^y = exp(y log |x|), with the sign and the special cases of C99.

The relative error of y log |x| is multiplied by up to 745 (float64) in the result, so the logarithm needs about 13 bits
more than the format has. In float32 it is enough to compute everything in double precision with short polynomials. In
float64 the logarithm is a sum of two numbers: the quotient (m - 1)/(m + 1) is corrected by its remainder, and the two
leading terms of the series of atanh are added up with their rounding errors (Dekker's and Fast2Sum's formulas); the
polynomial for the rest is in plain precision.
"""

from __future__ import annotations

import math

from tracejit.codegen.vmath import coefficients as c
from tracejit.codegen.vmath.emitter import FORMATS, Emitter, Value
from tracejit.codegen.vmath.exponential import reduce_exp, scale
from tracejit.codegen.vmath.logarithm import split_exponent


def fast_two_sum(a: Value | float, b: Value) -> tuple[Value, Value]:
    """a + b as the rounded sum and its error; |a| >= |b|, or a is 0 or a multiple of b's last place."""
    total = a + b
    return total, (a - total) + b


def _log_in_two_parts(e: Emitter, x: Value) -> tuple[Value, Value]:
    """log x for x > 0 as an unevaluated sum, with a relative error of about 2^-67."""
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
    third, third_lost = c.TWO_THIRDS["f64"]
    tail = z * e.polynomial(z, c.LOG_POW["f64"])
    factor = tail + third
    factor_lost = (third - factor) + tail + third_lost
    # s³ and then the product of the two
    cube = s * z
    cube_lost = e.fma(z, s_lost, e.fma(s, z_lost, e.fma(s, z, -cube)))
    term = cube * factor
    term_lost = e.fma(cube_lost, factor, e.fma(cube, factor_lost, e.fma(cube, factor, -term)))
    head, head_lost = fast_two_sum(s + s, term)
    head_lost = head_lost + e.fma(s_lost, 2.0, term_lost)
    # k ln 2, whose first part is exact
    ln2, ln2_lost = c.LN2_SHORT["f64"]
    total, total_lost = fast_two_sum(k * ln2, head)
    return total, total_lost + e.fma(k, ln2_lost, head_lost)


def _power_f64(e: Emitter, x: Value, y: Value) -> Value:
    """x^y for x >= 0, except where x = 1 or y = 0."""
    logarithm, log_lost = _log_in_two_parts(e, x)
    logarithm = e.select(x.equals(0.0), -math.inf, e.select(x < math.inf, logarithm, x))
    product = y * logarithm
    product_lost = e.fma(y, log_lost, e.fma(y, logarithm, -product))
    # Far outside the range of results the error is not a number, or not needed.
    product_lost = e.select(e.absolute(product) < 1000.0, product_lost, 0.0)
    n_bits, n, _, exact = reduce_exp(e, e.clamp(product, -1000.0, 1000.0))
    r, r_lost = fast_two_sum(exact, e.fma(n, -c.LN2["f64"][1], product_lost))
    one, one_lost = fast_two_sum(1.0, r)
    tail = e.fma(r * r, e.polynomial(r, c.EXP["f64"]), r_lost)
    return scale(e, one + (one_lost + tail), n_bits)


def _power_f32(e: Emitter, x: Value, y: Value) -> Value:
    """x^y for x >= 0, except where x = 1 or y = 0; in double precision."""
    layout = FORMATS["f64"]
    k, m = split_exponent(e, e.convert("fpext", x, "double"), subnormals=False)
    f = m - 1.0
    logarithm = e.fma(f, e.polynomial(f, c.LOG_WIDE["f64"]), k * math.log(2))
    wide_x = e.convert("fpext", x, "double")
    logarithm = e.select(wide_x.equals(0.0), -math.inf, e.select(wide_x < math.inf, logarithm, wide_x))
    product = e.clamp(e.convert("fpext", y, "double") * logarithm, -200.0, 200.0)
    shifted = e.fma(product, 1 / math.log(2), layout.shifter)
    r = e.fma(shifted - layout.shifter, -math.log(2), product)
    grown = e.polynomial(r, c.EXP_WIDE["f64"])
    return e.convert("fptrunc", grown * e.power_of_two(shifted.bits(), layout), "float")


def pow(e: Emitter, x: Value, y: Value) -> Value:
    """x^y with C99's special cases.

    1 where x = 1 or y = 0, even if the other is NaN, and for (-1)^±inf. A negative x has a result only for an integer
    y, negative for an odd one; -0.0 and -inf take part in that sign, but have a result for every y.
    """
    size = e.absolute(x)
    result = _power_f64(e, size, y) if e.format.name == "f64" else _power_f32(e, size, y)
    half = y * 0.5
    whole = e.intrinsic("rint", y).equals(y)
    odd = whole & e.intrinsic("rint", half).differs(half)
    sign = e.convert("sext", odd, e.format.integer) & x.bits() & e.format.sign_bit
    result = e.with_sign(result, sign)
    result = e.select((x < 0.0) & (x > -math.inf) & ~whole, math.nan, result)
    one = y.equals(0.0) | x.equals(1.0) | (x.equals(-1.0) & e.absolute(y).equals(math.inf))
    return e.select(one, 1.0, result)
