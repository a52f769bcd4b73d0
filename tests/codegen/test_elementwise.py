"""Every elementwise op on every dtype, one element at a time: native code gives what the op's NumPy meaning gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tracejit.codegen import vmath
from tracejit.codegen.llvm import Target
from tracejit.ir.types import DTYPE_NAMES, DTYPES, ArrayType
from tracejit.ops import REGISTRY, elementwise
from tracejit.ops.primitive import Primitive

from .every_op import CASES, IDS, arity, differences, edge_values, operands, run_all, run_op
from .native import Native, build, loop_over

RNG = np.random.default_rng(7)


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


@pytest.mark.parametrize("primitive,dtype", CASES, ids=IDS)
def test_elementwise(primitive: Primitive, dtype: np.dtype[Any]) -> None:
    arrays = operands(dtype, arity(primitive))
    assert primitive.infer is not None and primitive.evaluate is not None
    out = primitive.infer([ArrayType(dtype)] * len(arrays), {})[0]
    want = evaluate(primitive, arrays, out)
    got = run_all(dtype, arity(primitive))[primitive.name]
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
    got = run_all(source, 0)[DTYPE_NAMES[target]]
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

    def write(b: Any, c: Any, x: Any, y: Any, out: Any, n: Any) -> Any:
        def body(e: Any, i: Any) -> None:
            e.store(out, i, e.apply(elementwise.select, *(e.load(v, i) for v in (c, x, y))))

        return loop_over(b, n, body, vector=True)

    got = np.zeros(len(a), dtype)
    Native(build([(np.bool_,), (dtype,), (dtype,), (dtype,), np.int64], write))(condition, a, b, got, len(a))
    assert not differences(got, np.where(condition, a, b), 0).any()


def cast_all(b: Any, out: Any, x: Any, n: Any) -> Any:
    return loop_over(b, n, lambda c, i: c.store(out, i, c.cast(c.load(x, i), out.dtype)))


def test_float64_to_float16_rounds_once() -> None:
    """Halfway cases of float16 that a detour through float32 would round twice."""
    halves = np.arange(0x0400, 0x7C00, 37, dtype=np.uint16).view(np.float16).astype(np.float64)
    following = np.nextafter(halves.astype(np.float16), np.float16(np.inf)).astype(np.float64)
    middle = (halves + following) / 2
    values = np.concatenate([middle, np.nextafter(middle, 0), np.nextafter(middle, np.inf), middle * (1 + 2.0**-40)])
    with np.errstate(all="ignore"):
        want = values.astype(np.float16)
    got = np.zeros(len(values), np.float16)
    Native(build([(np.float16,), (np.float64,), np.int64], cast_all))(got, values, len(values))
    assert np.array_equal(got, want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_remainders_of_random_bits(dtype: Any) -> None:
    """Floating remainders are exact for all magnitudes."""
    bits = np.dtype(f"u{np.dtype(dtype).itemsize}")
    a, b = (RNG.integers(0, np.iinfo(bits).max, 4000, bits, endpoint=True).view(dtype) for _ in range(2))
    with np.errstate(all="ignore"):
        pairs = [(a, b), (a * dtype(3.0), a), (np.floor(a), np.full_like(b, 3)), (a, np.full_like(b, 0.1))]
    for x, y in pairs:
        for primitive in (elementwise.mod, elementwise.floordiv):
            with np.errstate(all="ignore"):
                want = evaluate(primitive, [x, y], ArrayType(np.dtype(dtype)))
            got = run_op(primitive, [x, y])
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
            with np.errstate(all="ignore"):
                want = values * values if y == 2 else np.true_divide(1, values)
        else:
            want = evaluate(primitive, [values, right], out)
        if primitive is elementwise.pow and dtype.kind == "c":
            wrong = wrong_powers(values, right, got, want)
        else:
            wrong = differences(got, want, tolerance(primitive, dtype))
        assert not wrong.any(), (y, [(values[k], got[k], want[k]) for k in np.flatnonzero(wrong)[:6]])
