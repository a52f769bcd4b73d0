"""Vector math: accuracy against mpmath, special values against NumPy, lanes against scalars to the bit."""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import itertools
import math
from collections.abc import Callable

import mpmath as mp
import numpy as np
import pytest

from tracejit.codegen import cpu, vmath
from tracejit.codegen.vmath.emitter import FORMATS

DTYPES = {"f32": np.float32, "f64": np.float64}
POINTS = 3000
"""Random points per range for float64, where mpmath is the reference; float32 gets 20 times as many."""


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A loop over arrays that applies one vector math function."""

    code: cpu.CompiledCode
    arity: int
    dtype: type
    width: int

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        count = arrays[0].size
        padding = -count % self.width
        inputs = [np.concatenate([a.astype(self.dtype), np.ones(padding, self.dtype)]) for a in arrays]
        output = np.empty_like(inputs[0])
        loop = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (self.arity + 1), ctypes.c_int64)(self.code.address["loop"])
        loop(*[a.ctypes.data for a in inputs], output.ctypes.data, output.size)
        return output[:count]


@functools.cache
def compiled(name: str, dtype: str, width: int = 4) -> Compiled:
    made = vmath.definition(name, dtype, width)
    real = FORMATS[dtype].real
    vector = real if width == 1 else f"<{width} x {real}>"
    align = np.dtype(DTYPES[dtype]).itemsize
    operands = range(made.arity)
    loads = "\n".join(
        f"  %at{k} = getelementptr {real}, ptr %in{k}, i64 %i\n  %x{k} = load {vector}, ptr %at{k}, align {align}"
        for k in operands
    )
    text = f"""{vmath.module_text([(name, dtype, width)])}
define void @loop({"".join(f"ptr %in{k}, " for k in operands)}ptr %out, i64 %n) nounwind {{
entry:
  br label %body
body:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
{loads}
  %y = call {vector} @{made.symbol}({", ".join(f"{vector} %x{k}" for k in operands)})
  %at = getelementptr {real}, ptr %out, i64 %i
  store {vector} %y, ptr %at, align {align}
  %next = add i64 %i, {width}
  %more = icmp ult i64 %next, %n
  br i1 %more, label %body, label %done
done:
  ret void
}}
"""
    return Compiled(cpu.compile_module(text, symbols=["loop"]), made.arity, DTYPES[dtype], width)


# --- what is promised


Rng = np.random.Generator
Range = Callable[[Rng, int], tuple[np.ndarray, ...]]


def uniform(low: float, high: float) -> Range:
    return lambda rng, n: (rng.uniform(low, high, n),)


def powers(low: float, high: float, signed: bool = True, around: float = 0.0) -> Range:
    """Numbers whose logarithms are spread evenly, around a point."""

    def draw(rng: Rng, n: int) -> tuple[np.ndarray, ...]:
        x = np.exp2(rng.uniform(low, high, n))
        return (around + (x * rng.choice([-1.0, 1.0], n) if signed else x),)

    return draw


def multiples_of_half_pi(limit: int) -> Range:
    return lambda rng, n: (rng.integers(1, limit, n) * (math.pi / 2),)


def near(x: float) -> Range:
    """The numbers nearest to x, in float64 and in float32."""

    def draw(rng: Rng, n: int) -> tuple[np.ndarray, ...]:
        steps = np.arange(-20, 21)
        single = np.float32(min(x, 2.0**120))
        return (np.concatenate([x + steps * np.spacing(x), single + steps * np.spacing(single)]),)

    return draw


def pairs(first: Range, second: Range) -> Range:
    return lambda rng, n: (first(rng, n)[0], second(rng, n)[0])


def pow_near_limits(rng: Rng, n: int) -> tuple[np.ndarray, ...]:
    """Bases and exponents whose result is anywhere from underflow to overflow."""
    x = np.exp2(rng.uniform(-100, 100, n))
    return x, rng.uniform(-1080, 1026, n) / np.log2(x)


def whole(low: int, high: int) -> Range:
    return lambda rng, n: (rng.integers(low, high, n).astype(float),)


@dataclasses.dataclass(frozen=True)
class Promise:
    """Error bounds in units in the last place, and where they are tested."""

    exact: Callable[..., object]
    f64: float
    f32: float
    ranges: dict[str, Range]


ANGLES = {
    "one turn": uniform(-7, 7),
    "thousands": uniform(-2e4, 2e4),
    "to the switch of reductions": uniform(-2.2e6, 2.2e6),
    "all magnitudes": powers(-1074, 1023.9),
    "all float32 magnitudes": powers(-149, 127.9),
    "near zeros": multiples_of_half_pi(2_000_000),
    "nearest to a zero of all": near(6381956970095103.0 * 2.0**797),
    "switch in float64": near(2.0**21),
    "switch in float32": near(2.0**13),
}

LOGARITHM_ARGUMENTS = {
    "ordinary": uniform(0.01, 100),
    "near 1": powers(-52, -1, around=1.0),
    "all magnitudes": powers(-1074, 1023.9, signed=False),
    "all float32 magnitudes": powers(-149, 127.9, signed=False),
}
GROWING = {
    "ordinary": uniform(-5, 5),
    "all": uniform(-712, 712),
    "all of float32": uniform(-90, 90),
    "tiny": powers(-1074, 1),
}
UNIT_INTERVAL = {
    "all": uniform(-1, 1),
    "near 1": powers(-53, -1, around=1.0),
    "near -1": powers(-53, -1, around=-1.0),
    "near 1/2": powers(-53, -3, around=0.5),
    "tiny": powers(-1074, 0),
}

PROMISES = {
    "exp": Promise(mp.exp, 1.0, 1.1, {"ordinary": uniform(-20, 20), "all": uniform(-750, 712), "tiny": powers(-80, 1)}),
    "expm1": Promise(
        mp.expm1,
        1.4,
        1.4,
        {"ordinary": uniform(-5, 5), "all": uniform(-60, 712), "tiny": powers(-1074, 1), "to -1": uniform(-60, -20)},
    ),
    "sinh": Promise(mp.sinh, 1.1, 1.1, GROWING),
    "cosh": Promise(mp.cosh, 1.1, 1.1, GROWING),
    "tanh": Promise(
        mp.tanh, 2.0, 2.1, {"ordinary": uniform(-3, 3), "saturating": uniform(-22, 22), "tiny": powers(-1074, 1)}
    ),
    "log": Promise(mp.log, 0.8, 0.9, LOGARITHM_ARGUMENTS),
    "log1p": Promise(
        mp.log1p,
        0.9,
        0.9,
        {
            "ordinary": uniform(-0.99, 5),
            "tiny": powers(-1074, 0, signed=False),
            "tiny below": powers(-60, -1),
            "near -1": powers(-53, -1, signed=False, around=-1.0),
            "all magnitudes": powers(-20, 1023.9, signed=False),
            "all float32 magnitudes": powers(-20, 127.9, signed=False),
        },
    ),
    "log2": Promise(lambda x: mp.log(x) / mp.log(2), 0.8, 0.8, LOGARITHM_ARGUMENTS),
    "log10": Promise(lambda x: mp.log(x) / mp.log(10), 0.7, 0.8, LOGARITHM_ARGUMENTS),
    "pow": Promise(
        mp.power,
        0.7,
        0.8,
        {
            "ordinary": pairs(uniform(0.01, 20), uniform(-10, 10)),
            "near 1": pairs(powers(-45, -2, around=1.0), powers(0, 40)),
            "roots": pairs(powers(-1074, 1023.9, signed=False), uniform(-1, 1)),
            "limits": pow_near_limits,
            "integers": pairs(whole(1, 60), whole(-12, 12)),
            "negative bases": pairs(uniform(-5, 0), whole(-200, 200)),
        },
    ),
    "cbrt": Promise(
        lambda x: mp.sign(x) * mp.cbrt(abs(x)),
        0.51,
        0.51,
        {"ordinary": uniform(-10, 10), "all": powers(-1074, 1023.9), "all of float32": powers(-149, 127.9)},
    ),
    "hypot": Promise(
        mp.hypot,
        1.0,
        1.0,
        {
            "ordinary": pairs(uniform(-5, 5), uniform(-5, 5)),
            "near equal": lambda rng, n: (x := np.exp2(rng.uniform(-1074, 1022, n)), x * rng.uniform(-2, 2, n)),
            "near equal in float32": lambda rng, n: (
                x := np.exp2(rng.uniform(-149, 126, n)),
                x * rng.uniform(-2, 2, n),
            ),
            "all": pairs(powers(-1074, 1022.9), powers(-1074, 1022.9)),
            "all of float32": pairs(powers(-149, 126.9), powers(-149, 126.9)),
        },
    ),
    "sin": Promise(mp.sin, 0.8, 0.8, ANGLES),
    "cos": Promise(mp.cos, 0.8, 0.8, ANGLES),
    "tan": Promise(mp.tan, 1.0, 2.2, ANGLES),
    "asin": Promise(mp.asin, 1.6, 1.8, UNIT_INTERVAL),
    "acos": Promise(mp.acos, 1.2, 1.3, UNIT_INTERVAL),
    "atan": Promise(
        mp.atan,
        1.5,
        1.5,
        {"ordinary": uniform(-3, 3), "all": powers(-1074, 1023.9), "near 1": powers(-50, -1, around=1.0)},
    ),
    "atan2": Promise(
        mp.atan2,
        1.6,
        1.6,
        {
            "ordinary": pairs(uniform(-5, 5), uniform(-5, 5)),
            "near the diagonal": pairs(powers(-50, -1, around=1.0), powers(-50, -1, around=-1.0)),
            "all": pairs(powers(-1074, 1023.9), powers(-1074, 1023.9)),
            "all of float32": pairs(powers(-149, 127.9), powers(-149, 127.9)),
        },
    ),
}


def test_every_function_is_tested() -> None:
    assert set(PROMISES) == set(vmath.FUNCTIONS)


# --- accuracy


def numpy_function(name: str) -> np.ufunc:
    renamed = {"pow": "power", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2"}
    return getattr(np, renamed.get(name, name))


def correct(exact: Callable[..., object], arguments: tuple[float, ...]) -> mp.mpf:
    """The exact value, to 120 bits; NaN where it is complex or undefined."""
    try:
        value = exact(*[mp.mpf(x) for x in arguments])
    except (ZeroDivisionError, ValueError):
        return mp.nan
    return mp.nan if isinstance(value, mp.mpc) else mp.mpf(value)


def error_in_ulps(got: float, value: mp.mpf, dtype: str) -> float:
    layout = FORMATS[dtype]
    with np.errstate(over="ignore"):
        nearest = float(DTYPES[dtype](float(value))) if mp.isfinite(value) else float(value)
    if math.isnan(nearest) or math.isinf(nearest) or not math.isfinite(got):
        same = nearest == got or (math.isnan(nearest) and math.isnan(got))
        return 0.0 if same else math.inf
    exponent = max(mp.frexp(value)[1] - 1 if value else -5000, 1 - layout.bias)
    return float(abs(mp.mpf(got) - value) / mp.ldexp(1, exponent - layout.mantissa))


def errors_in_ulps(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """As `error_in_ulps`, for float32 results and float64 references."""
    with np.errstate(all="ignore"):
        nearest = exact.astype(np.float32)
        unit = np.ldexp(1.0, np.maximum(np.frexp(exact)[1] - 1, -126) - 23)
        errors = np.abs(got - exact) / unit
        ordinary = np.isfinite(nearest) & np.isfinite(got)
        same = (nearest == got) | (np.isnan(nearest) & np.isnan(got))
    return np.where(ordinary, errors, np.where(same, 0.0, np.inf))


def describe(name: str, worst: float, point: tuple[float, ...]) -> str:
    return f"{name}{tuple(x.hex() for x in point)}: {worst:.3f} ulp"


@pytest.mark.parametrize("name", PROMISES)
def test_float64_is_accurate(name: str) -> None:
    promise = PROMISES[name]
    rng = np.random.default_rng(1)
    for label, draw in promise.ranges.items():
        arguments = draw(rng, POINTS)
        got = compiled(name, "f64")(*arguments)
        with mp.workprec(120):
            errors = [
                error_in_ulps(float(y), correct(promise.exact, point), "f64")
                for y, point in zip(got, zip(*(a.tolist() for a in arguments)))
            ]
        worst = int(np.argmax(errors))
        point = tuple(float(a[worst]) for a in arguments)
        assert errors[worst] <= promise.f64, f"{label}: {describe(name, errors[worst], point)}"


@pytest.mark.parametrize("name", PROMISES)
def test_float32_is_accurate(name: str) -> None:
    promise = PROMISES[name]
    rng = np.random.default_rng(2)
    for label, draw in promise.ranges.items():
        with np.errstate(over="ignore"):
            arguments = [a.astype(np.float32) for a in draw(rng, POINTS * 20)]
        got = compiled(name, "f32")(*arguments)
        with np.errstate(all="ignore"):
            exact = numpy_function(name)(*[a.astype(np.float64) for a in arguments])
        errors = errors_in_ulps(got, exact)
        worst = int(np.argmax(errors))
        point = tuple(float(a[worst]) for a in arguments)
        assert errors[worst] <= promise.f32, f"{label}: {describe(name, errors[worst], point)}"


# --- special values


def special_values(dtype: str) -> np.ndarray:
    limits = np.finfo(DTYPES[dtype])
    positive = [0.0, limits.smallest_subnormal, limits.tiny, limits.max, math.inf]
    positive += [0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 10.0, 1e10, 2.0 ** (limits.nmant + 1), 2.0**limits.nmant + 1]
    positive += [1 - limits.epsneg, 1 + limits.eps, 2.0 ** (limits.nmant // 2), 88.0, 90.0, 104.0, 708.0, 711.0, 746.0]
    both = np.array(positive, DTYPES[dtype])
    return np.concatenate([both, -both, np.array([math.nan], DTYPES[dtype])])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PROMISES)
def test_special_values_are_numpys(name: str, dtype: str) -> None:
    """NaN, infinities and zeros (with their signs) exactly as NumPy has them; other results nearly so."""
    values = special_values(dtype)
    operands = np.array(list(itertools.product(values, repeat=compiled(name, dtype).arity)), DTYPES[dtype]).T
    with np.errstate(all="ignore"):
        expected = numpy_function(name)(*operands)
    got = compiled(name, dtype)(*operands)
    with np.errstate(all="ignore"):
        close = np.abs(got - expected) <= 4 * np.spacing(np.abs(expected))
    good = np.where(
        np.isnan(expected) | np.isinf(expected) | (expected == 0),
        (np.isnan(got) & np.isnan(expected)) | ((got == expected) & (np.signbit(got) == np.signbit(expected))),
        close & (np.signbit(got) == np.signbit(expected)),
    )
    wrong = [(*(float(o[i]) for o in operands), float(got[i]), float(expected[i])) for i in np.flatnonzero(~good)]
    assert not wrong, f"{name}{wrong[:5]}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_powers_of_integers_are_exact(dtype: str) -> None:
    limit = 2 ** (FORMATS[dtype].mantissa + 1)
    cases = [(b, p) for b in range(-40, 41) for p in range(60) if abs(b) ** p <= limit]
    bases, exponents = (np.array(c, DTYPES[dtype]) for c in zip(*cases))
    got = compiled("pow", dtype)(bases, exponents)
    assert got.tolist() == [float(b**p) for b, p in cases]


@pytest.mark.parametrize("dtype", DTYPES)
def test_logarithms_of_powers_of_the_base_are_exact(dtype: str) -> None:
    layout = FORMATS[dtype]
    exponents = np.arange(1 - layout.bias - layout.mantissa, layout.bias + 1)
    assert np.array_equal(compiled("log2", dtype)(np.exp2(exponents.astype(np.float64))), exponents)
    tens = [k for k in range(23) if float(DTYPES[dtype](10**k)) == 10**k]
    assert compiled("log10", dtype)(np.array([10.0**k for k in tens])).tolist() == tens


# --- lanes


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PROMISES)
def test_every_width_gives_the_same_bits(name: str, dtype: str) -> None:
    rng = np.random.default_rng(3)
    draws = [draw(rng, 61) for draw in PROMISES[name].ranges.values()]
    values = special_values(dtype)
    specials = [rng.choice(values, 200) for _ in draws[0]]
    with np.errstate(over="ignore"):
        arguments = [
            np.concatenate([*parts, special]).astype(DTYPES[dtype]) for *parts, special in zip(*draws, specials)
        ]
    integer = np.int32 if dtype == "f32" else np.int64
    scalar = compiled(name, dtype, 1)(*arguments)
    ordinary = ~np.isnan(scalar)
    for width in (2, 4, 8, 16):
        vector = compiled(name, dtype, width)(*arguments)
        assert np.array_equal(np.isnan(vector), ~ordinary)
        assert np.array_equal(vector[ordinary].view(integer), scalar[ordinary].view(integer)), f"width {width}"


# --- the interface


def test_definitions_are_cached_and_name_what_they_need() -> None:
    sine = vmath.definition("sin", "f64", 8)
    assert sine is vmath.definition("sin", "f64", 8)
    assert sine.symbol == "tj.sin.v8f64"
    assert sine.requires == (("reduce_large", "f64", 8),)
    assert "declare <8 x double> @llvm.fma.v8f64(<8 x double>, <8 x double>, <8 x double>)" in sine.declares
    assert vmath.definition("exp", "f32", 1).symbol == "tj.exp.f32"


def test_collect_gives_every_definition_once() -> None:
    keys = [("sin", "f32", 4), ("cos", "f32", 4), ("sin", "f32", 4)]
    symbols = [d.symbol for d in vmath.collect(keys)]
    assert sorted(symbols) == ["tj.cos.v4f32", "tj.reduce_large.v4f32", "tj.sin.v4f32"]


def test_unknown_functions_and_widths_are_refused() -> None:
    with pytest.raises(KeyError, match="frobnicate"):
        vmath.definition("frobnicate", "f64", 1)
    with pytest.raises(ValueError, match="width 3"):
        vmath.definition("exp", "f64", 3)
