"""Running every elementwise op natively on numbers at which an implementation may go wrong.

All ops of a dtype are compiled together, once per way of emitting them, and the results kept.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.codegen.llvm import Target
from tracejit.ir.core import Function, Value
from tracejit.ir.types import DTYPE_NAMES, DTYPES, ArrayType
from tracejit.ops import REGISTRY, elementwise
from tracejit.ops.elementwise import real_dtype
from tracejit.ops.primitive import Primitive

from .native import LoopBuilder, Native, build, loop_over

Array = np.ndarray[Any, Any]

ARITY = {"select": 3}
UNARY = """
neg abs sign not cast floor ceil trunc rint isnan isinf isfinite signbit sqrt exp expm1 log log1p log2 log10
sin cos tan asin acos atan sinh cosh tanh cbrt real imag conj
""".split()


def arity(primitive: Primitive) -> int:
    return ARITY.get(primitive.name, 1 if primitive.name in UNARY else 2)


def edge_values(dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Numbers at which an implementation may go wrong, and some ordinary ones."""
    rng = np.random.default_rng(7)
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
        return np.concatenate([np.array(inside, dtype), rng.integers(info.min, info.max, 12, dtype, endpoint=True)])
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
            numbers = np.concatenate([numbers, rng.standard_normal(8).astype(dtype) * 30])
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


IDS = [f"{p.name}-{DTYPE_NAMES[d]}" for p, d in CASES]


def ops_of(dtype: np.dtype[Any], count: int) -> list[Primitive]:
    """The ops with ``count`` operands of ``dtype``."""
    return [p for p, d in CASES if d == dtype and arity(p) == count]


def result_dtype(primitive: Primitive, dtype: np.dtype[Any]) -> np.dtype[Any]:
    assert primitive.infer is not None
    dtype_of_result: np.dtype[Any] = primitive.infer([ArrayType(dtype)] * arity(primitive), {})[0].dtype
    return dtype_of_result


def all_ops(dtype: np.dtype[Any], count: int, *, vector: bool) -> tuple[Function, list[np.dtype[Any]]]:
    """A loop that stores the result of every op with ``count`` operands of ``dtype`` (of every cast, for count 0). It
    takes the results' buffers, those of the operands, and the length."""
    ops = [elementwise.cast] * len(DTYPES) if not count else ops_of(dtype, count)
    results = [result_dtype(p, dtype) for p in ops] if count else list(DTYPES.values())

    def write(b: LoopBuilder, *params: Value) -> Sequence[Value]:
        outs, inputs, n = params[: len(ops)], params[len(ops) : -1], params[-1]

        def body(c: LoopBuilder, i: Value) -> None:
            xs = [c.load(x, i) for x in inputs]
            for op, out, r in zip(ops, outs, results):
                c.store(out, i, c.emit(op, xs, (ArrayType(r),))[0])

        return loop_over(b, n, body, vector=vector)

    params = [*((r,) for r in results), *[(dtype,)] * max(count, 1), np.int64]
    return build(params, write, noalias=set(range(len(params)))), results


@functools.cache
def run_all(dtype: np.dtype[Any], count: int, target: Target | None = None) -> dict[str, Array]:
    """Results by op name (by dtype name of casts, for count 0), over :func:`operands`; with a target in vectors for
    it."""
    function, results = all_ops(dtype, count, vector=target is not None)
    arrays = operands(dtype, max(count, 1))
    outs = [np.zeros(len(arrays[0]), r) for r in results]
    Native(function, target)(*outs, *arrays, len(arrays[0]))
    names = [p.name for p in ops_of(dtype, count)] if count else list(DTYPES)
    return dict(zip(names, outs, strict=True))


def run_op(primitive: Primitive, arrays: Sequence[Array]) -> Array:
    """The results of one op, in a scalar loop."""

    def write(b: LoopBuilder, out: Value, *params: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, i: Value) -> None:
            c.store(out, i, c.emit(primitive, [c.load(x, i) for x in params[:-1]], (ArrayType(result.dtype),))[0])

        return loop_over(b, params[-1], body)

    dtype = arrays[0].dtype
    result = np.zeros(len(arrays[0]), result_dtype(primitive, dtype))
    Native(build([(result.dtype,), *((a.dtype,) for a in arrays), np.int64], write))(result, *arrays, len(result))
    return result
