"""Every elementwise op on every dtype, one element at a time: native code gives what the op's NumPy meaning gives."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tracejit.codegen import vmath
from tracejit.codegen.llvm import Target
from tracejit.ir.types import DTYPE_NAMES, DTYPES, ArrayType
from tracejit.ops import REGISTRY, elementwise
from tracejit.ops.elementwise import real_dtype
from tracejit.ops.primitive import Primitive

from .native import Native, build, loop_over

RNG = np.random.default_rng(7)

ARITY = {"select": 3}
UNARY = """
neg abs sign not cast floor ceil trunc rint isnan isinf isfinite signbit sqrt exp expm1 log log1p log2 log10
sin cos tan asin acos atan sinh cosh tanh cbrt real imag conj
""".split()


def arity(primitive: Primitive) -> int:
    return ARITY.get(primitive.name, 1 if primitive.name in UNARY else 2)


def edge_values(dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Numbers at which an implementation may go wrong, and some ordinary ones."""
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        wanted = [
            0,
            1,
            2,
            3,
            5,
            7,
            8,
            10,
            31,
            32,
            63,
            64,
            65,
            100,
            127,
            128,
            255,
            256,
            32767,
            46341,
            2**31 - 1,
            2**31,
            3037000500,
        ]
        wanted += [-w for w in wanted] + [
            info.min,
            info.min + 1,
            info.max,
            info.max - 1,
            info.max // 2,
            info.max // 2 + 1,
        ]
        inside = sorted({w for w in wanted if info.min <= w <= info.max})
        return np.concatenate([np.array(inside, dtype), RNG.integers(info.min, info.max, 12, dtype, endpoint=True)])
    if dtype.kind == "f":
        info = np.finfo(dtype)
        plain = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 0.1, 0.75, 7.25, 127.9, 128.0, 1000.5, 65504.0]
        more = [
            info.tiny,
            info.tiny / 4,
            info.max,
            info.eps,
            1 + info.eps,
            2.0**31,
            2.0**32 + 256,
            2.0**63,
            2.0**64,
            1e10,
            1e-5,
            4.8e5,
        ]
        with np.errstate(all="ignore"):
            numbers = np.array([*plain, *more], dtype)
            numbers = np.concatenate([numbers, RNG.standard_normal(8).astype(dtype) * 30])
            return np.concatenate([numbers, -numbers, np.array([np.nan, np.inf, -np.inf], dtype)])
    part = real_dtype(dtype)
    real = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e3, -1e-3, 0.6, 0.8], part)
    values = [complex(a, b) for a, b in itertools.product(real, real)]
    return np.array(values, dtype)


def operands(dtype: np.dtype[Any], count: int) -> list[np.ndarray[Any, Any]]:
    """Pairs of edge values, all combinations."""
    values = edge_values(dtype)
    if count == 1:
        return [values]
    grid = np.meshgrid(values, values, indexing="ij")
    return [np.ascontiguousarray(g.ravel()) for g in grid]


def differences(got: np.ndarray[Any, Any], want: np.ndarray[Any, Any], ulps: Any) -> np.ndarray[Any, Any]:
    """Where ``got`` is not ``want``: NaN is NaN, zeros have signs, other numbers may differ by ``ulps`` (of complex
    numbers: of their modulus)."""
    if want.dtype.kind == "c":
        with np.errstate(all="ignore"):
            near = np.abs(got - want) <= ulps * np.finfo(want.dtype).eps * np.abs(want)
        parts = differences(got.real, want.real, ulps) | differences(got.imag, want.imag, ulps)
        return parts & ~(near & np.isfinite(want))
    if want.dtype.kind != "f":
        return got != want
    both_nan = np.isnan(got) & np.isnan(want)
    same = (got == want) & ((want != 0) | (np.signbit(got) == np.signbit(want)))
    if np.any(ulps):
        with np.errstate(all="ignore"):
            wide = np.longdouble
            near = np.abs(got.astype(wide) - want.astype(wide)) <= ulps * np.abs(np.spacing(want)).astype(wide)
        same |= near & np.isfinite(want)
    return ~(both_nan | same)


CASES = [
    (primitive, dtype)
    for primitive in REGISTRY.values()
    if primitive.family == "elementwise" and primitive.name not in ("cast", "select")
    for dtype in DTYPE_NAMES
    if dtype.kind in primitive.codegen and not (primitive.name == "complex" and dtype == np.float16)
    and (not primitive.name.endswith("_overflows") or dtype == np.int64)
]  # fmt: skip


def run_elementwise(
    primitive: Primitive,
    arrays: list[np.ndarray[Any, Any]],
    out: np.dtype[Any],
    *,
    vector: bool = False,
    **options: Any,
) -> np.ndarray[Any, Any]:
    """``primitive`` over one-dimensional arrays by a native loop."""

    def write(b: Any, *params: Any) -> list[Any]:
        *inputs, n = params

        def body(c: Any, i: Any) -> None:
            xs = [c.load(x, i) for x in inputs[1:]]
            r = c.emit(primitive, xs, (ArrayType(out),))[0]
            c.store(inputs[0], i, r)

        loop_over(b, n, body, vector=vector)
        return []

    function = build([(out,), *((a.dtype,) for a in arrays), np.int64], write, noalias={0})
    result = np.zeros(len(arrays[0]), out)
    Native(function, **options)(result, *arrays, len(result))
    return result


def wrong_powers(
    base: Any, exponent: Any, got: np.ndarray[Any, Any], want: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Complex powers are ``exp(b log a)``, which magnifies rounding errors by the size of the product."""
    with np.errstate(all="ignore"):
        product = np.abs(np.asarray(exponent, np.complex128) * np.log(np.asarray(base, np.complex128)))
        size = 8 + 4 * np.where(np.isfinite(product), product, 0)
        return differences(got, want, size) & np.isfinite(want) | (np.isfinite(got) != np.isfinite(want))


def tolerance(primitive: Primitive, dtype: np.dtype[Any]) -> float:
    template = primitive.codegen[dtype.kind]
    if template.startswith("math") or template in ("emit fpow", "emit cabs"):
        return 1 if dtype == np.float16 else 4
    if dtype.kind == "c" and primitive.name in ("exp", "log", "sqrt", "sin", "cos", "pow", "sign"):
        return 8
    # NumPy's vector loops multiply complex numbers with fused operations, its scalar loops without
    return 2 if dtype.kind == "c" and primitive.name == "mul" else 0


def test_all_functions_of_vmath_are_reached() -> None:
    names = {t.split()[1] for p in REGISTRY.values() for t in p.codegen.values() if t.startswith("math ")}
    assert names <= set(vmath.FUNCTIONS)


@pytest.mark.parametrize("primitive,dtype", CASES, ids=[f"{p.name}-{DTYPE_NAMES[d]}" for p, d in CASES])
def test_elementwise(primitive: Primitive, dtype: np.dtype[Any]) -> None:
    arrays = operands(dtype, arity(primitive))
    assert primitive.infer is not None and primitive.evaluate is not None
    out = primitive.infer([ArrayType(dtype)] * len(arrays), {})[0]
    want = evaluate(primitive, arrays, out)
    got = run_elementwise(primitive, arrays, out.dtype)
    if primitive is elementwise.pow and dtype.kind == "c":
        wrong = wrong_powers(*arrays, got, want)
    else:
        wrong = differences(got, want, tolerance(primitive, dtype))
    if wrong.any():
        shown = [tuple(a[k] for a in (*arrays, got, want)) for k in np.flatnonzero(wrong)[:12]]
        raise AssertionError(f"{wrong.sum()} of {len(wrong)}: operands, got, want: {shown}")


def evaluate(primitive: Primitive, arrays: list[np.ndarray[Any, Any]], out: ArrayType) -> np.ndarray[Any, Any]:
    assert primitive.evaluate is not None
    return np.asarray(primitive.evaluate(arrays, {}, [out]))


@pytest.mark.parametrize("target", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("source", DTYPES.values(), ids=DTYPES)
def test_cast(source: np.dtype[Any], target: np.dtype[Any]) -> None:
    values = edge_values(source)
    with np.errstate(all="ignore"):
        want = values.astype(target)
    got = run_elementwise(elementwise.cast, [values], target)
    wrong = differences(got, want, 0)
    if target == np.uint32 and source.kind in "fc":
        # outside these NumPy itself gives different numbers in vector and scalar loops
        with np.errstate(all="ignore"):
            wrong &= (values.real > -(2.0**31)) & (values.real < 2.0**32)
    assert not wrong.any(), [(values[k], got[k], want[k]) for k in np.flatnonzero(wrong)]


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_select(dtype: np.dtype[Any]) -> None:
    a, b = operands(dtype, 2)
    condition = np.arange(len(a)) % 3 == 0
    got = run_elementwise(elementwise.select, [condition, a, b], dtype)
    assert not differences(got, np.where(condition, a, b), 0).any()


def test_float64_to_float16_rounds_once() -> None:
    """Halfway cases of float16 that a detour through float32 would round twice."""
    halves = np.arange(0x0400, 0x7C00, 37, dtype=np.uint16).view(np.float16).astype(np.float64)
    following = np.nextafter(halves.astype(np.float16), np.float16(np.inf)).astype(np.float64)
    middle = (halves + following) / 2
    values = np.concatenate([middle, np.nextafter(middle, 0), np.nextafter(middle, np.inf), middle * (1 + 2.0**-40)])
    with np.errstate(all="ignore"):
        want = values.astype(np.float16)
    assert np.array_equal(run_elementwise(elementwise.cast, [values], np.dtype(np.float16)), want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_remainders_of_random_bits(dtype: Any) -> None:
    """Floating remainders are exact for all magnitudes."""
    bits = np.dtype(f"u{np.dtype(dtype).itemsize}")
    a, b = (RNG.integers(0, np.iinfo(bits).max, 4000, bits, endpoint=True).view(dtype) for _ in range(2))
    near = a * dtype(3.0)
    for x, y in ((a, b), (near, a), (np.floor(a), dtype(3) + 0 * b), (a, np.abs(b) * 0 + dtype(0.1))):
        for primitive in (elementwise.mod, elementwise.floordiv):
            with np.errstate(all="ignore"):
                want = evaluate(primitive, [x, y], ArrayType(np.dtype(dtype)))
            got = run_elementwise(primitive, [x, y], np.dtype(dtype))
            wrong = differences(got, want, 0)
            assert not wrong.any(), [(x[k], y[k], got[k], want[k]) for k in np.flatnonzero(wrong)[:5]]


CONSTANT_CASES = [
    (p, d)
    for p, d in CASES
    if p.name in ("floordiv", "mod", "pow", "shl", "shr", "pow_overflows", "shl_overflows", "mul_overflows")
]


@pytest.mark.parametrize(
    "primitive,dtype", CONSTANT_CASES, ids=[f"{p.name}-{DTYPE_NAMES[d]}" for p, d in CONSTANT_CASES]
)
def test_a_constant_right_operand_changes_nothing(primitive: Primitive, dtype: np.dtype[Any]) -> None:
    values = edge_values(dtype)
    constants = values[:: max(len(values) // 12, 1)].tolist() + [2, 1, 0, 3]
    if dtype.kind in "if":
        constants.append(-1)
    out = primitive.infer([ArrayType(dtype)] * 2, {})[0]  # type: ignore[misc]

    def write(b: Any, x: Any, n: Any, *results: Any) -> list[Any]:
        def body(c: Any, i: Any) -> None:
            for y, r in zip(constants, results):
                c.store(r, i, c.apply(primitive, c.load(x, i), c.const(y, dtype)))

        loop_over(b, n, body)
        return []

    results = [np.zeros(len(values), out.dtype) for _ in constants]
    function = build([(dtype,), np.int64, *[(out.dtype,)] * len(constants)], write)
    Native(function, Target(128))(values, len(values), *results)
    for y, got in zip(constants, results):
        right = np.full(len(values), y, dtype)
        if primitive is elementwise.pow and dtype.kind == "f" and y in (2, -1):
            want = values * values if y == 2 else np.true_divide(1, values)
        else:
            want = evaluate(primitive, [values, right], out)
        if primitive is elementwise.pow and dtype.kind == "c":
            wrong = wrong_powers(values, right, got, want)
        else:
            wrong = differences(got, want, tolerance(primitive, dtype))
        assert not wrong.any(), (y, [(values[k], got[k], want[k]) for k in np.flatnonzero(wrong)[:6]])
