"""Fit the polynomials of `tracejit.codegen.vmath` and write them to its `coefficients.py`.

    python tools/fit_vmath.py            # writes tracejit/codegen/vmath/coefficients.py
    python tools/fit_vmath.py --check    # only prints the error bound of each fit

Needs mpmath and scipy (in the `dev` extra). Each entry of `FITS` names a function g, the interval of its argument, the
weight that turns an error of the polynomial into the error that matters (most often: relative to the final result),
and for each dtype the number of coefficients.

Method: the best polynomial by the Remez exchange algorithm, on a fine grid of Chebyshev-spaced points. Rounding all of
its coefficients at once would cost accuracy, so they are rounded one at a time from the lowest order, which matters
most, and each time the remaining ones are adjusted to make up for it.
"""

from __future__ import annotations

import dataclasses
import math
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy.optimize import linprog

mp.mp.dps = 60
OUTPUT = Path(__file__).parent.parent / "tracejit" / "codegen" / "vmath" / "coefficients.py"
LN2 = mp.log(2)
BITS = {"f32": 24, "f64": 53}


@dataclasses.dataclass(frozen=True)
class Fit:
    """What to fit: `function` on `interval`, minimising the largest |weight · error|, with `terms` coefficients."""

    note: str
    function: Callable[[mp.mpf], mp.mpf]
    interval: tuple[object, object]
    weight: Callable[[mp.mpf], mp.mpf]
    terms: dict[str, int]


def carefully(function: Callable[[mp.mpf], mp.mpf]) -> Callable[[mp.mpf], mp.mpf]:
    """Evaluate with so many digits that the cancellation near zero (where the formula is 0/0) does no harm."""

    def evaluate(x: mp.mpf) -> mp.mpf:
        with mp.workdps(200):
            # At zero itself take a point so near that the difference is far below the working precision.
            return function(x if x != 0 else mp.mpf(10) ** -35)

    return evaluate


def odd_tail(f: Callable[[mp.mpf], mp.mpf]) -> Callable[[mp.mpf], mp.mpf]:
    """For odd f with f'(0) = 1: P such that f(x) = x + x³ P(x²)."""
    return carefully(lambda z: (f(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3)


def relative_odd_tail(f: Callable[[mp.mpf], mp.mpf]) -> Callable[[mp.mpf], mp.mpf]:
    """The weight of `odd_tail` relative to f."""
    return carefully(lambda z: mp.sqrt(z) ** 3 / f(mp.sqrt(z)))


EDGE = mp.mpf("1.0002")  # arguments overshoot their interval a little, because reductions round
EXP_EDGE = LN2 / 2 * EDGE
TRIG_EDGE = (mp.pi / 4 * EDGE) ** 2
ATANH_EDGE = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1) * EDGE) ** 2

FITS: dict[str, Fit] = {
    "EXP": Fit(
        "(exp(r) - 1 - r) / r², |r| <= ln 2 / 2; relative to expm1(r)",
        carefully(lambda r: (mp.expm1(r) - r) / r**2),
        (-EXP_EDGE, EXP_EDGE),
        carefully(lambda r: r**2 / mp.expm1(r)),
        {"f32": 5, "f64": 11},
    ),
    "LOG_S": Fit(
        "(2 atanh(s) - 2 s) / s³ in z = s², m in [sqrt(1/2), sqrt(2)], s = (m - 1) / (m + 1)",
        carefully(lambda z: (2 * mp.atanh(mp.sqrt(z)) - 2 * mp.sqrt(z)) / mp.sqrt(z) ** 3),
        (0, ATANH_EDGE),
        carefully(lambda z: mp.sqrt(z) ** 3 / (2 * mp.atanh(mp.sqrt(z)))),
        {"f64": 7},
    ),
    "LOG_F": Fit(
        "(log(1 + f) - f + f²/2) / f³, 1 + f in [sqrt(1/2), sqrt(2)]; relative to log",
        carefully(lambda f: (mp.log1p(f) - f + f * f / 2) / f**3),
        (mp.sqrt(mp.mpf(1) / 2) - 1, mp.sqrt(2) - 1),
        carefully(lambda f: f**3 / mp.log1p(f)),
        {"f32": 9},
    ),
    "LOG_POW": Fit(
        "(2 atanh(s) - 2 s - 2/3 s³) / s⁵ in z = s², as LOG_S: the terms that pow adds in plain precision",
        carefully(lambda z: (2 * mp.atanh(mp.sqrt(z)) - 2 * mp.sqrt(z) - 2 * mp.sqrt(z) ** 3 / 3) / mp.sqrt(z) ** 5),
        (0, ATANH_EDGE),
        carefully(lambda z: mp.sqrt(z) ** 5 / (2 * mp.atanh(mp.sqrt(z)))),
        {"f32": 3, "f64": 8},
    ),
    "SIN": Fit(
        "(sin(r) - r) / r³ in z = r², |r| <= pi/4; relative to sin",
        odd_tail(mp.sin),
        (0, TRIG_EDGE),
        relative_odd_tail(mp.sin),
        {"f32": 4, "f64": 6},
    ),
    "SINH": Fit(
        "(sinh(x) - x) / x³ in z = x², |x| <= 1; relative to sinh",
        odd_tail(mp.sinh),
        (0, 1),
        relative_odd_tail(mp.sinh),
        {"f32": 4, "f64": 7},
    ),
    "ATAN": Fit(
        "(atan(x) - x) / x³ in z = x², |x| <= 1; relative to atan",
        odd_tail(mp.atan),
        (0, 1),
        relative_odd_tail(mp.atan),
        {"f32": 9, "f64": 20},
    ),
    "ASIN": Fit(
        "(asin(x) - x) / x³ in z = x², |x| <= 1/2; relative to asin",
        odd_tail(mp.asin),
        (0, mp.mpf(1) / 4),
        relative_odd_tail(mp.asin),
        {"f32": 5, "f64": 13},
    ),
    "CBRT": Fit(
        "1 / cbrt(m), m in [sqrt(1/2), sqrt(2)]; relative, a first approximation",
        lambda m: 1 / mp.cbrt(m),
        (mp.sqrt(mp.mpf(1) / 2), mp.sqrt(2)),
        mp.cbrt,
        {"f32": 3, "f64": 5},
    ),
    "COS": Fit(
        "(cos(r) - 1 + r²/2) / r⁴ in z = r², |r| <= pi/4; relative to cos",
        carefully(lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2),
        (0, TRIG_EDGE),
        carefully(lambda z: z**2 / mp.cos(mp.sqrt(z))),
        {"f32": 3, "f64": 6},
    ),
}


def rounded(value: mp.mpf, dtype: str) -> float:
    """The nearest number of the dtype."""
    if dtype == "f64":
        return float(value)
    # Through double with 29 bits to spare: a tie that double rounding would get wrong does not occur in practice.
    return struct.unpack("<f", struct.pack("<f", float(value)))[0]


def exchange(samples: list[mp.mpf], values: list[mp.mpf], weights: list[mp.mpf], terms: int) -> list[mp.mpf]:
    """Coefficients of the best weighted approximation on the samples, by the Remez exchange algorithm."""
    count = len(samples)
    reference = [round((count - 1) * (1 - math.cos(math.pi * i / terms)) / 2) for i in range(terms + 1)]
    powers = [[x**j for j in range(terms)] for x in samples]
    for _ in range(30):
        rows = [[*(weights[i] * p for p in powers[i]), mp.mpf(-1) ** n] for n, i in enumerate(reference)]
        solution = mp.lu_solve(mp.matrix(rows), mp.matrix([weights[i] * values[i] for i in reference]))
        coefficients, level = list(solution[:terms]), abs(solution[terms])
        errors = [w * (v - mp.fdot(coefficients, p)) for w, v, p in zip(weights, values, powers)]
        # One extremum from each run of errors of one sign; of too many, the smaller ones at the ends are dropped.
        peaks: list[int] = []
        for i, error in enumerate(errors):
            if peaks and (errors[peaks[-1]] > 0) == (error > 0):
                if abs(error) > abs(errors[peaks[-1]]):
                    peaks[-1] = i
            else:
                peaks.append(i)
        if len(peaks) <= terms or max(abs(e) for e in errors) <= level * mp.mpf("1.001"):
            break
        while len(peaks) > terms + 1:
            peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
        reference = peaks
    return coefficients


def fit(task: Fit, dtype: str) -> tuple[list[float], mp.mpf]:
    """Rounded coefficients, lowest order first, and the weighted error of the rounded polynomial."""
    low, high = (mp.mpf(x) for x in task.interval)
    terms = task.terms[dtype]
    count = 40 * (terms + 2)
    samples = [low + (high - low) * (1 - mp.cos(mp.pi * i / (count - 1))) / 2 for i in range(count)]
    values = [task.function(x) for x in samples]
    weights = [abs(task.weight(x)) for x in samples]
    coefficients = exchange(samples, values, weights, terms)

    def errors() -> list[mp.mpf]:
        return [w * (v - mp.polyval(coefficients[::-1], x)) for w, v, x in zip(weights, values, samples)]

    for done in range(1, terms + 1):
        coefficients[done - 1] = mp.mpf(rounded(coefficients[done - 1], dtype))
        if done == terms:
            break
        # The rest is adjusted by a linear program (the remaining powers vanish at 0, where exchange does not work).
        # Its numbers are errors, scaled to near 1, so double precision is enough for it.
        current = errors()
        unit = max(abs(e) for e in current)
        columns = [[w * x**j for w, x in zip(weights, samples)] for j in range(done, terms)]
        sizes = [max(abs(entry) for entry in column) for column in columns]
        matrix = np.array([[float(entry / size) for entry in column] for column, size in zip(columns, sizes)]).T
        target = np.array([float(e / unit) for e in current])
        ones = np.ones((count, 1))
        program = linprog(
            [0.0] * (terms - done) + [1.0],
            A_ub=np.block([[matrix, -ones], [-matrix, -ones]]),
            b_ub=np.concatenate([target, -target]),
            bounds=[(None, None)] * (terms - done + 1),
        )
        for j, (change, size) in enumerate(zip(program.x, sizes)):
            coefficients[done + j] += mp.mpf(change) * unit / size
    return [float(c) for c in coefficients], max(abs(e) for e in errors())


def split(value: mp.mpf, dtype: str, bits: tuple[int, ...]) -> list[float]:
    """`value` as a sum of numbers of the dtype, each the leading part (that many bits) of what the others leave."""
    parts = []
    for b in bits:
        exponent = mp.floor(mp.log(abs(value), 2))
        unit = mp.mpf(2) ** (exponent - b + 1)
        part = mp.nint(value / unit) * unit
        assert rounded(part, dtype) == part
        parts.append(float(part))
        value -= part
    return parts


def words_of_two_over_pi(count: int) -> list[int]:
    """The first `count` 64-bit words of the binary expansion of 2/pi."""
    with mp.workprec(64 * count + 64):
        digits = int(mp.floor(2 / mp.pi * mp.mpf(2) ** (64 * count)))
    return [(digits >> (64 * (count - 1 - i))) & (2**64 - 1) for i in range(count)]


CONSTANTS = {
    "LN2": ("ln 2, whole and in two parts", {"f32": split(LN2, "f32", (24, 24)), "f64": split(LN2, "f64", (53, 53))}),
    "LN2_SHORT": (
        "ln 2 in two parts; a product of the first with an exponent is exact",
        {"f32": split(LN2, "f32", (15, 24)), "f64": split(LN2, "f64", (40, 53))},
    ),
    "LOG10_2_SHORT": (
        "log10 2, likewise",
        {
            "f32": split(mp.log(2) / mp.log(10), "f32", (15, 24)),
            "f64": split(mp.log(2) / mp.log(10), "f64", (40, 53)),
        },
    ),
    "LOG2_E": ("1 / ln 2 in two parts", {d: split(1 / LN2, d, (b, b)) for d, b in BITS.items()}),
    "LOG10_E": ("1 / ln 10 in two parts", {d: split(1 / mp.log(10), d, (b, b)) for d, b in BITS.items()}),
    "TWO_THIRDS": ("2/3 in two parts", {d: split(mp.mpf(2) / 3, d, (b, b)) for d, b in BITS.items()}),
    "PI": ("pi in two parts", {d: split(mp.pi, d, (b, b)) for d, b in BITS.items()}),
    "PI_OVER_2_REDUCE": (
        "pi/2 in three parts for the reduction of Cody and Waite: a product of the second with a quotient is exact",
        {"f32": split(mp.pi / 2, "f32", (24, 11, 24)), "f64": split(mp.pi / 2, "f64", (53, 32, 53))},
    ),
    "PI_OVER_2": (
        "pi/2 in two parts",
        {"f32": split(mp.pi / 2, "f32", (24, 24)), "f64": split(mp.pi / 2, "f64", (53, 53))},
    ),
}


def main() -> None:
    check = "--check" in sys.argv[1:]
    lines = [
        '"""Polynomial coefficients and constants in parts. Written by tools/fit_vmath.py: change them there.',
        "",
        "Coefficients are ordered from the lowest power up, by dtype; a float32 is written as the double equal to it.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
    ]
    for name, task in FITS.items():
        lines.append(f"# {task.note}")
        lines.append(f"{name}: dict[str, tuple[float, ...]] = {{")
        for dtype in task.terms:
            coefficients, error = fit(task, dtype)
            print(f"{name} {dtype}: 2^{float(mp.log(error, 2)):.1f}", flush=True)
            lines.append(f"    # weighted error 2^{float(mp.log(error, 2)):.1f}")
            lines.append(f'    "{dtype}": (')
            lines += [f"        {c!r}," for c in coefficients]
            lines.append("    ),")
        lines += ["}", ""]
    for name, (note, parts) in CONSTANTS.items():
        lines.append(f"# {note}")
        lines.append(f"{name}: dict[str, tuple[float, ...]] = {{")
        lines += [f'    "{dtype}": {tuple(values)!r},' for dtype, values in parts.items()]
        lines += ["}", ""]
    lines.append("# The binary expansion of 2/pi in 64-bit words, after one word of zeros.")
    lines.append("TWO_OVER_PI: tuple[int, ...] = (")
    lines += [f"    0x{word:016X}," for word in [0, *words_of_two_over_pi(20)]]
    lines.append(")")
    if not check:
        OUTPUT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
