"""Polynomial coefficients and constants in parts. Written by tools/fit_vmath.py: change them there.

Coefficients are ordered from the lowest power up, by dtype; a float32 is written as the double equal to it.
"""

from __future__ import annotations

# (exp(r) - 1 - r) / r², |r| <= ln 2 / 2; relative to expm1(r)
EXP: dict[str, tuple[float, ...]] = {
    # weighted error 2^-26.1
    "f32": (
        0.4999999701976776,
        0.1666654646396637,
        0.04166744276881218,
        0.008366254158318043,
        0.001386999967508018,
    ),
    # weighted error 2^-61.6
    "f64": (
        0.5,
        0.16666666666666677,
        0.041666666666666685,
        0.008333333333321737,
        0.0013888888888889154,
        0.00019841269885474528,
        2.4801587292013803e-05,
        2.755724506663689e-06,
        2.755731717852313e-07,
        2.5108700127285838e-08,
        2.089778278273833e-09,
    ),
}

# (2 atanh(s) - 2 s) / s³ in z = s², m in [sqrt(1/2), sqrt(2)], s = (m - 1) / (m + 1)
LOG_S: dict[str, tuple[float, ...]] = {
    # weighted error 2^-59.5
    "f64": (
        0.6666666666666734,
        0.3999999999941659,
        0.28571428742062166,
        0.22222198598772713,
        0.1818356333063985,
        0.15314068639329845,
        0.14795834383391065,
    ),
}

# (log(1 + f) - f + f²/2) / f³, 1 + f in [sqrt(1/2), sqrt(2)]; relative to log
LOG_F: dict[str, tuple[float, ...]] = {
    # weighted error 2^-30.3
    "f32": (
        0.3333331346511841,
        -0.25000008940696716,
        0.2000207155942917,
        -0.16667988896369934,
        0.14220358431339264,
        -0.12406232953071594,
        0.11883548647165298,
        -0.1167011484503746,
        0.06749299168586731,
    ),
}

# (2 atanh(s) - 2 s - 2/3 s³) / s⁵ in z = s², as LOG_S: the terms that pow adds in plain precision
LOG_POW: dict[str, tuple[float, ...]] = {
    # weighted error 2^-73.5
    "f64": (
        0.3999999999999998,
        0.28571428571443847,
        0.22222222217787332,
        0.1818181884439396,
        0.1538455839511334,
        0.133362659855197,
        0.11675746980028606,
        0.1198206055033962,
    ),
}

# log(1 + f) / f in double precision, to more bits than float has: pow in f32
LOG_WIDE: dict[str, tuple[float, ...]] = {
    # weighted error 2^-35.8
    "f64": (
        0.9999999999859583,
        -0.5000000002940278,
        0.3333333433372919,
        -0.24999994081386975,
        0.19999881145068846,
        -0.16666943361964867,
        0.14290986914583415,
        -0.12497485678849043,
        0.11005084256301129,
        -0.09922846495326444,
        0.10033193844225702,
        -0.09900879198157982,
        0.053629246312297214,
    ),
}

# exp(r) in double precision, to more bits than float has: pow in f32
EXP_WIDE: dict[str, tuple[float, ...]] = {
    # weighted error 2^-29.0
    "f64": (
        1.0000000005553684,
        1.0000000363627704,
        0.4999999206566679,
        0.16666419982021569,
        0.04166822777223069,
        0.008374831965585442,
        0.0013836776614951538,
    ),
}

# (sin(r) - r) / r³ in z = r², |r| <= pi/4; relative to sin
SIN: dict[str, tuple[float, ...]] = {
    # weighted error 2^-32.5
    "f32": (
        -0.1666666716337204,
        0.008333379402756691,
        -0.00019853065896313637,
        2.832547352227266e-06,
    ),
    # weighted error 2^-57.9
    "f64": (
        -0.1666666666666663,
        0.00833333333332184,
        -0.000198412698293585,
        2.755731353849045e-06,
        -2.505073438318464e-08,
        1.5895432808567843e-10,
    ),
}

# (cos(r) - 1 + r²/2) / r⁴ in z = r², |r| <= pi/4; relative to cos
COS: dict[str, tuple[float, ...]] = {
    # weighted error 2^-33.0
    "f32": (
        0.04166664555668831,
        -0.0013887309469282627,
        2.4432327336398885e-05,
    ),
    # weighted error 2^-63.1
    "f64": (
        0.041666666666666664,
        -0.0013888888888883575,
        2.4801587294606087e-05,
        -2.7557315666211473e-07,
        2.0875884416061373e-09,
        -1.1367271407782267e-11,
    ),
}

# ln 2, whole and in two parts
LN2: dict[str, tuple[float, ...]] = {
    "f32": (0.6931471824645996, -1.9046542121259336e-09),
    "f64": (0.6931471805599453, 2.3190468138462996e-17),
}

# ln 2 in two parts, a product of the first with an exponent is exact
LN2_SHORT: dict[str, tuple[float, ...]] = {
    "f64": (0.6931471805601177, -1.7239444525614835e-13),
}

# pi/2 in three parts for the reduction of Cody and Waite: a product of the second with a quotient is exact
PI_OVER_2_REDUCE: dict[str, tuple[float, ...]] = {
    "f32": (1.5707963705062866, -4.371395334601402e-08, 2.5633440682570896e-12),
    "f64": (1.5707963267948966, 6.12323399667708e-17, -9.403137205957857e-27),
}

# pi/2 in two parts
PI_OVER_2: dict[str, tuple[float, ...]] = {
    "f32": (1.5707963705062866, -4.371138828673793e-08),
    "f64": (1.5707963267948966, 6.123233995736766e-17),
}

# 2/3 in two parts
TWO_THIRDS: dict[str, tuple[float, ...]] = {
    "f64": (0.6666666666666666, 3.700743415417188e-17),
}

# The binary expansion of 2/pi in 64-bit words, after one word of zeros.
TWO_OVER_PI: tuple[int, ...] = (
    0x0000000000000000,
    0xA2F9836E4E441529,
    0xFC2757D1F534DDC0,
    0xDB6295993C439041,
    0xFE5163ABDEBBC561,
    0xB7246E3A424DD2E0,
    0x06492EEA09D1921C,
    0xFE1DEB1CB129A73E,
    0xE88235F52EBB4484,
    0xE99C7026B45F7E41,
    0x3991D639835339F4,
    0x9C845F8BBDF9283B,
    0x1FF897FFDE05980F,
    0xEF2F118B5A0A6D1F,
    0x6D367ECF27CB09B7,
    0x4F463F669E5FEA2D,
    0x7527BAC7EBE5F17B,
    0x3D0739F78A5292EA,
    0x6BFB5FB11F8D5D08,
    0x56033046FC7B6BAB,
    0xF0CFBC209AF4361D,
)
