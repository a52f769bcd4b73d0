"""The error function and its complement, as polynomials (fitted by tools/fit_erf.py) and exponentials.

Up to 1, ``erf(x) / x`` is a polynomial in ``x**2``; beyond, ``erfc(x) exp(x**2)`` is ``t`` times one in
``t = 2 / (2 + x)``. In float64 ``erf`` is within 2 units in the last place, ``erfc`` within 5; shorter floats are
computed in float64.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracejit.ir.core import Value
from tracejit.ir.types import FLOAT32, FLOAT64
from tracejit.ops import elementwise as E
from tracejit.ops.builder import Builder

_NEAR = (
    0.9654687386698673,
    -0.1405360890227171,
    0.019852496688983708,
    -0.0022854855611441132,
    0.00021751715604159932,
    -1.7537169441124866e-05,
    1.223382738359897e-06,
    -7.511569286591727e-08,
    4.115800583208149e-09,
    -2.035228405815769e-10,
    9.167619596865806e-12,
    -3.8078824063194953e-13,
    1.4543887079465116e-14,
)
"""By powers of ``2 x**2 - 1``, constant first."""

_FAR = (
    0.5343229401326932,
    0.33827892810777704,
    0.12464235007162029,
    0.012373178041178224,
    -0.00889983427342713,
    -0.001832880749735039,
    0.0011232723675907233,
    0.00014901182519708864,
    -0.00018906135412275903,
    1.4081983071517992e-05,
    2.8690879113758594e-05,
    -1.0797233113033109e-05,
    -1.8788526566830922e-06,
    2.792591198769227e-06,
    -7.104956336723116e-07,
    -2.875918772736113e-07,
    2.8259627749271525e-07,
    -7.166382117073509e-08,
    -2.9272304281699574e-08,
    3.507569654323144e-08,
    -1.1563904396072968e-08,
    -4.911581866293809e-09,
    5.367287919520654e-09,
    -3.5156623791778974e-10,
    -9.299098926004891e-10,
    1.459683840551254e-10,
    5.898247176296421e-11,
)
"""By powers of ``(2 t - 16 / 15) / (14 / 15)``, constant first."""

_LARGEST = 28.0
"""``erfc`` is 0 from here on."""


def erf(b: Builder, x: Value) -> Value:
    """``erf`` of real numbers."""
    if x.dtype != FLOAT64:
        return b.cast(erf(b, b.cast(x, FLOAT64)), x.dtype)
    size = b.apply(E.abs, x)
    one = b.full(1, x)
    beyond = b.apply(E.sub, one, _far(b, size))
    found = b.apply(E.select, b.apply(E.le, size, one), _near(b, size), beyond)
    return b.apply(E.copysign, found, x)


def erfc(b: Builder, x: Value) -> Value:
    """``erfc`` of real numbers."""
    if x.dtype != FLOAT64:
        return b.cast(erfc(b, b.cast(x, FLOAT64)), x.dtype)
    size = b.apply(E.abs, x)
    close = b.apply(E.sub, b.full(1, x), b.apply(E.copysign, _near(b, size), x))
    far = _far(b, size)
    mirrored = b.apply(E.sub, b.full(2, x), far)
    tail = b.apply(E.select, b.apply(E.lt, x, b.full(0, x)), mirrored, far)
    return b.apply(E.select, b.apply(E.lt, size, b.full(0.5, x)), close, tail)


def _near(b: Builder, size: Value) -> Value:
    """``erf`` of numbers from 0 to 1; of larger ones, that of 1."""
    x = b.apply(E.minimum, size, b.full(1, size))
    square = b.apply(E.mul, x, x)
    u = b.apply(E.sub, b.apply(E.add, square, square), b.full(1, x))
    return b.apply(E.mul, x, _polynomial(b, _NEAR, u))


def _far(b: Builder, size: Value) -> Value:
    """``erfc`` of numbers from 0 on."""
    x = b.apply(E.minimum, size, b.full(_LARGEST, size))
    two = b.full(2, x)
    t = b.apply(E.div, two, b.apply(E.add, two, x))
    u = b.apply(E.div, b.apply(E.sub, b.apply(E.add, t, t), b.full(16 / 15, x)), b.full(14 / 15, x))
    # the square in two parts, the first of which is exact
    head = b.cast(b.cast(x, FLOAT32), FLOAT64)
    rest = b.apply(E.mul, b.apply(E.sub, x, head), b.apply(E.add, x, head))
    power = b.apply(E.mul, _exp_minus(b, b.apply(E.mul, head, head)), _exp_minus(b, rest))
    return b.apply(E.mul, b.apply(E.mul, power, t), _polynomial(b, _FAR, u))


def _exp_minus(b: Builder, x: Value) -> Value:
    return b.apply(E.exp, b.apply(E.neg, x))


def _polynomial(b: Builder, coefficients: Sequence[float], u: Value) -> Value:
    total = b.full(coefficients[-1], u)
    for c in coefficients[-2::-1]:
        total = b.apply(E.add, b.apply(E.mul, total, u), b.full(c, u))
    return total
