"""Algebra: every rule fires, keeps the value on edge cases, and does not fire where it would change one."""

from __future__ import annotations

import pytest

from tests.lower.helpers import simplified
from tracejit.ir.types import DTYPES
from tracejit.lower.algebra import exact

FIRES = [
    # integers: modulo 2**bits
    ("i64", "add(x, 0)", "x"),
    ("i64", "add(0, x)", "x"),
    ("i64", "add(2, x)", "add(x, 2)"),
    ("i64", "add(add(x, 2), 3)", "add(x, 5)"),
    ("i8", "add(add(x, 100), 100)", "add(x, -56)"),
    ("u8", "sub(x, 1)", "add(x, 255)"),
    ("i64", "sub(x, 3)", "add(x, -3)"),
    ("i64", "sub(x, x)", "0"),
    ("i64", "sub(0, x)", "neg(x)"),
    ("i64", "sub(add(x, 3), x)", "3"),
    ("i64", "sub(add(x, y), y)", "x"),
    ("i64", "sub(add(x, y), x)", "y"),
    ("i64", "sub(x, sub(x, y))", "y"),
    ("i64", "add(sub(x, y), y)", "x"),
    ("i64", "add(y, sub(x, y))", "x"),
    ("i64", "add(x, neg(y))", "sub(x, y)"),
    ("i64", "mul(x, 0)", "0"),
    ("i64", "mul(1, x)", "x"),
    ("i64", "mul(x, -1)", "neg(x)"),
    ("i64", "mul(mul(x, 3), 4)", "mul(x, 12)"),
    ("i64", "mul(neg(x), neg(y))", "mul(x, y)"),
    ("i64", "floordiv(x, 1)", "x"),
    ("i64", "floordiv(x, 8)", "shr(x, 3)"),
    ("u8", "floordiv(x, 8)", "shr(x, 3)"),
    ("i64", "floordiv(0, x)", "0"),
    ("i64", "mod(x, 1)", "0"),
    ("i64", "mod(x, -1)", "0"),
    ("i64", "mod(x, 8)", "and(x, 7)"),
    ("i64", "pow(x, 2)", "mul(x, x)"),
    ("i64", "pow(x, 0)", "1"),
    ("i64", "neg(neg(x))", "x"),
    ("i64", "neg(sub(x, y))", "sub(y, x)"),
    ("i8", "abs(abs(x))", "abs(x)"),
    ("i8", "abs(neg(x))", "abs(x)"),
    ("u8", "abs(x)", "x"),
    ("i64", "minimum(x, x)", "x"),
    ("i64", "minimum(minimum(x, y), x)", "minimum(x, y)"),
    ("i64", "minimum(minimum(x, 7), 3)", "minimum(x, 3)"),
    ("i64", "maximum(x, -9223372036854775808)", "x"),
    ("u8", "maximum(x, 0)", "x"),
    ("i8", "minimum(x, 127)", "x"),
    ("i64", "add_overflows(x, 0)", "False"),
    ("i64", "mul_overflows(1, x)", "False"),
    ("i64", "sub_overflows(x, x)", "False"),
    # floats: only what IEEE 754 makes exact
    ("f64", "add(x, -0.0)", "x"),
    ("f64", "sub(x, 0.0)", "x"),
    ("f64", "add(x, neg(y))", "sub(x, y)"),
    ("f64", "sub(x, neg(y))", "add(x, y)"),
    ("f64", "mul(x, 1.0)", "x"),
    ("f64", "mul(x, -1.0)", "neg(x)"),
    ("f64", "mul(neg(x), neg(y))", "mul(x, y)"),
    ("f64", "div(x, 1.0)", "x"),
    ("f64", "div(x, 4.0)", "mul(x, 0.25)"),
    ("f64", "div(x, -0.5)", "mul(x, -2.0)"),
    ("f64", "pow(x, 1.0)", "x"),
    ("f64", "pow(x, 0.0)", "1.0"),
    ("f64", "pow(x, -1.0)", "div(1.0, x)"),
    ("f64", "neg(neg(x))", "x"),
    ("f64", "abs(neg(x))", "abs(x)"),
    ("f64", "minimum(minimum(x, y), y)", "minimum(x, y)"),
    ("f64", "floor(ceil(x))", "ceil(x)"),
    ("i32", "rint(cast(x, f64))", "cast(x, f64)"),
    ("i64", "isnan(cast(x, f64))", "False"),
    ("i64", "isfinite(cast(x, f64))", "True"),
    # comparisons
    ("i64", "eq(x, x)", "True"),
    ("f64", "lt(x, x)", "False"),
    ("i64", "lt(3, x)", "gt(x, 3)"),
    ("i64", "eq(add(x, 1), 3)", "eq(x, 2)"),
    ("u8", "lt(x, 0)", "False"),
    ("u8", "ge(x, 0)", "True"),
    ("i8", "le(x, 127)", "True"),
    ("bool", "eq(x, True)", "x"),
    ("bool", "ne(x, True)", "not(x)"),
    ("bool", "ne(cast(x, i64), 0)", "x"),
    ("bool", "eq(cast(x, i64), 0)", "not(x)"),
    ("bool", "eq(cast(x, i64), 2)", "False"),
    ("i64", "eq(select(p, 1, 2), 2)", "not(p)"),
    ("i64", "ne(select(p, 1, 2), 2)", "p"),
    ("i8", "lt(cast(x, i64), cast(y, i64))", "lt(x, y)"),
    ("f32", "lt(cast(x, f64), cast(y, f64))", "lt(x, y)"),
    # logic
    ("bool", "and_(x, True)", "x"),
    ("bool", "and_(x, False)", "False"),
    ("bool", "and_(x, x)", "x"),
    ("bool", "and_(x, not_(x))", "False"),
    ("bool", "or_(x, not_(x))", "True"),
    ("bool", "or_(False, x)", "x"),
    ("bool", "and_(and_(x, y), x)", "and(x, y)"),
    ("bool", "and_(or_(x, y), x)", "x"),
    ("bool", "or_(and_(x, y), y)", "y"),
    ("bool", "xor(x, True)", "not(x)"),
    ("bool", "xor(x, x)", "False"),
    ("bool", "not_(not_(x))", "x"),
    ("bool", "add(x, False)", "x"),
    ("bool", "mul(x, True)", "x"),
    ("i64", "and_(x, -1)", "x"),
    ("u8", "or_(x, 255)", "255"),
    ("i64", "not_(lt(x, y))", "ge(x, y)"),
    ("f64", "not_(eq(x, y))", "ne(x, y)"),
    # choice
    ("f64", "select(p, x, x)", "x"),
    ("f64", "select(not_(p), x, y)", "select(p, y, x)"),
    ("f64", "select(True, x, y)", "x"),
    ("f64", "select(p, select(p, x, y), z)", "select(p, x, z)"),
    ("f64", "select(p, x, select(p, y, z))", "select(p, x, z)"),
    ("i64", "select(lt(x, y), x, y)", "minimum(x, y)"),
    ("i64", "select(gt(x, y), x, y)", "maximum(x, y)"),
    ("u8", "select(ge(x, y), y, x)", "minimum(y, x)"),
    ("i8", "select(le(x, 3), 3, x)", "maximum(x, 3)"),
    ("bool", "select(p, True, False)", "p"),
    ("bool", "select(p, False, True)", "not(p)"),
    ("bool", "select(p, x, False)", "and(p, x)"),
    ("bool", "select(p, True, x)", "or(p, x)"),
    ("bool", "select(p, False, x)", "and(not(p), x)"),
    # conversions
    ("i32", "cast(cast(x, i64), i32)", "x"),
    ("i8", "cast(cast(x, i32), f64)", "cast(x, f64)"),
    ("f32", "cast(cast(x, f64), f32)", "x"),
    ("i32", "cast(cast(x, f64), f32)", "cast(x, f32)"),
    ("i32", "cast(cast(x, f64), i64)", "cast(x, i64)"),
    ("bool", "cast(cast(x, i64), f64)", "cast(x, f64)"),
    ("f64", "real(cast(x, c128))", "real(cast(x, c128))"),
    ("f64", "real(complex(x, y))", "x"),
    ("f64", "imag(complex(x, y))", "y"),
    ("c128", "conj(conj(x))", "x"),
    # constants
    ("i64", "add(mul(3, 4), 5)", "17"),
    ("f64", "sqrt(2.0)", "1.4142135623730951"),
    ("f64", "div(1.0, 0.0)", "inf"),
    ("i8", "add(100, 100)", "-56"),
    ("i64", "floordiv(7, 0)", "0"),
]

STAYS = [
    ("f64", "add(x, 0.0)"),
    ("f64", "sub(x, -0.0)"),
    ("f64", "sub(x, x)"),
    ("f64", "sub(0.0, x)"),
    ("f64", "mul(x, 0.0)"),
    ("f64", "eq(x, x)"),
    ("f64", "le(x, x)"),
    ("f64", "not_(lt(x, y))"),
    ("f64", "div(x, 3.0)"),
    ("f64", "pow(x, 0.5)"),
    ("f64", "neg(sub(x, y))"),
    ("f64", "add(sub(x, y), y)"),
    ("f64", "add(add(x, 1.0), 2.0)"),
    ("f64", "minimum(maximum(x, y), x)"),
    ("f64", "maximum(x, inf)"),
    ("i8", "abs(x)"),
    ("i64", "floordiv(x, 3)"),
    ("i64", "floordiv(x, -2)"),
    ("i64", "mod(x, 6)"),
    ("i64", "lt(add(x, 1), 3)"),
    ("i64", "floordiv(x, x)"),
    ("u8", "lt(x, 1)"),
    ("i64", "cast(cast(x, f64), i64)"),
    ("i64", "cast(cast(x, i32), i64)"),
    ("f64", "cast(cast(x, f32), f64)"),
    ("i64", "rint(cast(cast(x, f64), f32))"),
    ("u8", "lt(cast(x, i8), cast(y, i8))"),
    ("f64", "select(p, 0.0, -0.0)"),
    ("f64", "select(lt(x, y), x, y)"),
    ("i64", "select(lt(x, y), x, z)"),
    ("c128", "eq(x, x)"),
]


@pytest.mark.parametrize(("dtype", "before", "after"), FIRES)
@pytest.mark.parametrize("shape", [(), (3,)])
def test_rule_fires(dtype: str, before: str, after: str, shape: tuple[int, ...]) -> None:
    assert simplified(before, dtype, shape) == after


@pytest.mark.parametrize(("dtype", "text"), STAYS)
def test_rule_does_not_fire(dtype: str, text: str) -> None:
    assert simplified(text, dtype) == text.replace("_(", "(")


def test_exact_casts() -> None:
    yes = {("bool", "u8"), ("i8", "i16"), ("u8", "i16"), ("i32", "f64"), ("i16", "f32"), ("f32", "c64"), ("i8", "f16")}
    no = {("i8", "u64"), ("i64", "f64"), ("i32", "f32"), ("u64", "i64"), ("c64", "f64"), ("f64", "f32"), ("f64", "c64")}
    assert all(exact(DTYPES[a], DTYPES[b]) for a, b in yes)
    assert not any(exact(DTYPES[a], DTYPES[b]) for a, b in no)
