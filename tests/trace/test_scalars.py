"""Traced scalars behave as Python's and NumPy's numbers: values, types, exceptions and their texts."""

from __future__ import annotations

import itertools
import math
import operator

import numpy as np
import pytest

from tracejit.ir.core import Block
from tracejit.ir.types import BOOL
from tracejit.trace import conversions, pynumbers
from tracejit.trace.context import Context, current
from tracejit.trace.numpy_api import lookup
from tracejit.trace.scalars import as_tracer, select_scalar

from .run import outcome, traced

BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.lshift, operator.rshift, operator.and_, operator.or_, operator.xor,
    operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge, divmod,
]  # fmt: skip
PYTHON = [True, False, 0, 1, -1, 3, -7, 62, 2**62, -(2**63), 0.0, -0.0, 0.5, -2.5, 1e300, math.inf, -math.inf, math.nan]
PYTHON += [1 + 2j, 0j, 2**53 + 1, 9007199254740993.0]
NUMPY = [
    np.bool_(True), np.int8(-128), np.int8(7), np.uint8(200), np.int32(-5), np.int64(2**63 - 1), np.uint64(2**64 - 1),
    np.float16(1.5), np.float32(-0.1), np.float64(2.0), np.complex64(1 - 1j),
]  # fmt: skip


def same(want, got) -> bool:
    if isinstance(want, tuple):
        return isinstance(got, tuple) and all(map(same, want, got))
    if type(want) is not type(got):
        return False
    if isinstance(want, (float, complex, np.inexact)) and not isinstance(want, bool):
        both = np.asarray([want, got])
        if np.isnan(both).any():
            return bool(np.isnan(both).all())
        if isinstance(want, float) and math.copysign(1, want) != math.copysign(1, got):
            return False
        return (
            bool(np.isclose(both[0], both[1], rtol=1e-3 if isinstance(want, np.float16) else 1e-6, atol=0))
            or want == got
        )
    return bool(want == got)


def fits(value) -> bool:
    """Whether a Python result is one that compiled code can have."""
    parts = value if isinstance(value, tuple) else (value,)
    return all(type(v) is not int or -(2**63) <= v < 2**63 for v in parts)


def assert_same(function, *arguments, text: bool = True) -> None:
    want, got = outcome(function, *arguments), outcome(traced, function, *arguments)
    where = f"{function} of {arguments}: {want} against {got}"
    if want[0] == "value" and not fits(want[1]):
        assert got[:2] == ("error", OverflowError), where
    elif (
        want[0] == "value"
        and type(want[1]) is complex
        and not any(isinstance(a, (complex, np.complexfloating)) for a in arguments)
    ):
        assert got[:2] == ("error", ValueError), where  # a negative number to a fractional power
    elif want[0] == "value":
        assert got[0] == "value" and same(want[1], got[1]), where
    else:
        assert got[:2] == want[:2], where
        if text and want[1] is not TypeError and want[1] is not OverflowError:
            assert got[2] == want[2], where


@pytest.mark.parametrize("op", BINARY, ids=lambda f: f.__name__)
def test_binary_operators_of_python_numbers(op):
    for a, b in itertools.product(PYTHON, PYTHON):
        if op in (operator.pow, operator.lshift) and isinstance(b, int) and abs(b) > 2**40:
            continue  # Python itself would not finish
        if op is operator.pow and complex in (type(a), type(b)) and not (np.isfinite(a) and np.isfinite(b)):
            continue  # C's complex power
        if op is operator.pow and type(a) is type(b) is int and abs(a) > 2**53:
            continue  # int or float depending on the sign of b, so held as a float
        assert_same(op, a, b)


@pytest.mark.parametrize("op", BINARY, ids=lambda f: f.__name__)
def test_binary_operators_with_constants(op):
    for a, c in itertools.product([True, 5, -3, 2.5, -0.0, 1j], [False, 0, 2, 3, -1, 7, 0.0, 0.5, -2.0]):
        assert_same(lambda x: op(x, c), a)
        assert_same(lambda x: op(c, x), a)


@pytest.mark.parametrize("op", BINARY, ids=lambda f: f.__name__)
def test_binary_operators_of_numpy_numbers(op):
    numbers = [*NUMPY, 2, -1, 0, 0.5, True, 300]
    for a, b in itertools.product(numbers, numbers):
        if not isinstance(a, np.generic) and not isinstance(b, np.generic):
            continue
        assert_same(op, a, b, text=False)


def test_negative_integer_powers_of_numpy_integers():
    for b in (-1, np.int64(-2)):
        assert_same(operator.pow, np.int64(3), b)


@pytest.mark.parametrize("op", [operator.neg, operator.pos, abs, operator.invert], ids=lambda f: f.__name__)
def test_unary_operators(op):
    for a in [*PYTHON, *NUMPY]:
        assert_same(op, a)


def call(function):
    return lambda *args: lookup(function)(*args)


@pytest.mark.parametrize("cls", [int, float, bool, complex], ids=lambda f: f.__name__)
def test_conversions(cls):
    for a in [*PYTHON, *NUMPY]:
        want, got = outcome(cls, a), outcome(traced, call(cls), a)
        if want[0] == "value" and not fits(want[1]):
            assert got[1] is OverflowError
        else:
            assert got[0] == want[0] and (got[0] == "error" or same(want[1], got[1])), (cls, a, want, got)
            assert want[0] == "value" or want[1:] == got[1:]


CLASSES = [np.bool_, np.int8, np.uint8, np.int32, np.int64, np.uint64, np.float32, np.float64, np.complex128]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda f: f.__name__)
def test_numpy_constructors(cls):
    for a in [True, 0, 3, -7, 300, 2.5, -2.5, 1e30, math.nan, *NUMPY]:
        want, got = outcome(cls, a), outcome(traced, call(cls), a)
        assert got[0] == want[0], (cls, a, want, got)
        if got[0] == "error":
            assert want[1:] == got[1:], (cls, a, want, got)
        elif not (isinstance(a, np.floating) and not np.isfinite(a)):
            assert same(want[1], got[1]), (cls, a, want, got)


UNARY_MATH = [
    math.sqrt, math.exp, math.expm1, math.log, math.log2, math.log10, math.log1p, math.sin, math.cos, math.tan,
    math.asin, math.acos,
    math.atan, math.sinh, math.cosh, math.tanh, math.cbrt, math.fabs, math.exp2, math.degrees, math.radians,
    math.isnan, math.isinf, math.isfinite, math.floor, math.ceil, math.trunc, math.modf,
]  # fmt: skip


@pytest.mark.parametrize("function", UNARY_MATH, ids=lambda f: f.__name__)
def test_math_functions_of_one_number(function):
    for a in [True, 0, 3, -7, 0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.5, 700.0, 1e6, 1e300, math.inf, -math.inf, math.nan,
              np.float32(0.25), np.int8(3), np.float64(-3.5), 1j]:  # fmt: skip
        want, got = outcome(function, a), outcome(traced, call(function), a)
        if want[0] == "value" and not fits(want[1]):
            assert got[1] is OverflowError
            continue
        assert got[0] == want[0], (function, a, want, got)
        if want[0] == "value":
            assert same(want[1], got[1]), (function, a, want, got)
        else:
            assert got[1] is want[1] and (got[1] is TypeError or got[2] == want[2]), (function, a, want, got)


@pytest.mark.parametrize("function", [math.atan2, math.copysign, math.hypot, math.pow, math.fmod, math.log], ids=str)
def test_math_functions_of_two_numbers(function):
    numbers = [0, 2, -3, 0.0, -0.0, 1.5, -2.5, 1.0, 1e200, math.inf, -math.inf, math.nan]
    for a, b in itertools.product(numbers, numbers):
        want, got = outcome(function, a, b), outcome(traced, call(function), a, b)
        assert got[0] == want[0], (function, a, b, want, got)
        if want[0] == "value":
            assert same(want[1], got[1]), (function, a, b, want, got)
        else:
            assert got[1:] == want[1:], (function, a, b, want, got)


def test_math_of_integers():
    for a, b in itertools.product([0, 1, 12, -18, 35, 2**40], repeat=2):
        assert traced(call(math.gcd), a, b) == math.gcd(a, b)
        assert outcome(traced, call(math.lcm), a, b)[1] in (math.lcm(a, b), OverflowError)
    for n in [0, 1, 2, 3, 4, 8, 9, 24, 25, 2**53 - 1, 2**62, 2**63 - 1, 3037000499**2, 3037000499**2 - 1, -1]:
        want, got = outcome(math.isqrt, n), outcome(traced, call(math.isqrt), n)
        assert want == got


def test_python_round_is_exact():
    rng = np.random.default_rng(0)
    numbers = [2.675, 0.5, 1.5, 2.5, -2.5, 1.005, 0.285, 1e16 + 2, -0.0, 1e-9, 5e-324, 1e300, math.inf, math.nan]
    numbers += (rng.integers(0, 10**6, 300) / 1000).tolist() + rng.normal(0, 100, 300).tolist()
    for digits in (0, 1, 2, 3, 5):
        for x in numbers:
            want, got = round(x, digits), traced(lambda v: round(v, digits), x)
            assert same(want, got), (x, digits, want, got)
    for x in numbers:
        assert_same(round, x)


def test_round_of_numpy_scalars():
    for x in [np.float64(2.675), np.float32(2.675), np.float64(2.5), np.int32(26)]:
        assert_same(round, x)
        assert_same(lambda v: round(v, 2), x)


def test_isinstance_and_type():
    isinstance_, type_ = lookup(isinstance), lookup(type)
    for a in [True, 1, 1.0, 1j, *NUMPY]:
        for cls in (
            bool,
            int,
            float,
            complex,
            np.float64,
            np.floating,
            np.integer,
            np.number,
            np.generic,
            (int, float),
        ):
            assert traced(lambda x: isinstance_(x, cls), a) == isinstance(a, cls)
        assert traced(lambda x: type_(x), a) is type(a)
    assert traced(lambda x: (isinstance_(x, np.ndarray), type_(x)), np.ones(2)) == (True, np.ndarray)


def test_attributes_of_python_numbers():
    for a in [True, 5, -2.5, 3.0, 1 - 2j]:
        assert_same(lambda x: x.real, a)
        assert_same(lambda x: x.imag, a)
        assert_same(lambda x: x.conjugate(), a)
    for a in [3.0, 2.5, math.inf, math.nan]:
        assert_same(lambda x: x.is_integer(), a)
    for a in [0, 1, -1, 255, 256, -(2**63), 2**62, 2**63 - 1, True]:
        assert_same(lambda x: x.bit_length(), a)
    for name in ("dtype", "foo", "bit_length"):
        assert outcome(traced, lambda x: getattr(x, name), 1.5)[:2] == ("error", AttributeError)
    for name in ("value", "kind", "origin"):  # a tracer has them, a number does not
        assert outcome(traced, lambda x: conversions.attribute(x, name), 1.5)[1] is AttributeError
        assert outcome(traced, lambda x: conversions.attribute(x, name), np.ones(2))[1] is AttributeError
    assert outcome(traced, lambda x: x.dtype, 1.5)[2] == "'float' object has no attribute 'dtype'"


def test_attributes_of_numpy_numbers():
    for a in NUMPY:
        assert traced(lambda x: x.dtype, a) == a.dtype
        assert traced(lambda x: (x.shape, x.ndim, x.size, x.itemsize), a) == (a.shape, a.ndim, a.size, a.itemsize)
        if not isinstance(a, np.uint64):
            assert_same(lambda x: x.item(), a)
        assert_same(lambda x: x.astype(np.float32), np.float64(1.25))
        assert_same(lambda x: x.sum(), np.float64(1.25))
    assert_same(lambda x: x.conj().imag, np.complex64(1 - 2j))


# --- scalars of several kinds ---------------------------------------------------------------------


def either(first, second):
    """A function of a flag: a scalar that is ``first`` or ``second``."""

    def make(flag):
        return (
            select_scalar(conversions.truth(flag), as_tracer(first), as_tracer(second))
            if not isinstance(flag, bool)
            else (first if flag else second)
        )

    return make


PAIRS = [(1, 2.5), (0, np.float64(3.5)), (1.5, np.float64(-2.0)), (True, 7), (2, np.int32(5)), (0, 0.0), (-3, 2.0)]
OTHERS = [2, 0, 1.5, 0.0, np.float64(4.0), np.float32(2.5), np.int64(3), True]


@pytest.mark.parametrize("op", BINARY, ids=lambda f: f.__name__)
def test_operators_of_mixed_scalars(op):
    for pair, other, flag in itertools.product(PAIRS, OTHERS, [True, False]):
        make = either(*pair)
        assert_same(lambda f, y: op(make(f), y), flag, other)
        assert_same(lambda f, y: op(y, make(f)), flag, other)


def test_mixed_scalars_that_meet():
    for pair, pair2, f, g in itertools.product(PAIRS, PAIRS, [True, False], [True, False]):
        assert_same(lambda x, y: either(*pair)(x) + either(*pair2)(y), f, g)
        assert_same(lambda x, y: either(*pair)(x) / either(*pair2)(y), f, g)


def test_mixed_scalars_keep_one_computation_where_they_can():
    context = Context(Block())
    with context:
        condition = context.blocks[0].add_param(__import__("tracejit.ir.types").ir.types.ArrayType(BOOL))
        x = select_scalar(condition, 0.0, np.float64(2.0))
        y = x + np.float64(1.0)
        assert y.alternatives == (("numpy", np.dtype(float)),) and y.selector is None
        assert sum(op.name == "add" for op in context.blocks[0].ops) == 1


def test_isinstance_of_mixed_scalars():
    isinstance_ = lookup(isinstance)
    for flag in (True, False):
        assert traced(lambda f: isinstance_(either(1, 2.5)(f), int), flag) is flag
        assert traced(lambda f: isinstance_(either(1, 2.5)(f), (int, float)), flag) is True


def test_an_int_that_is_no_exact_float_is_refused():
    huge = 2**53 + 1
    make = lambda f, n: select_scalar(conversions.truth(f), n, 0.5)
    assert outcome(traced, make, True, huge)[:2] == ("error", OverflowError)
    assert traced(make, False, huge) == 0.5
    assert traced(make, True, 2**60) == 2**60


def test_min_and_max_of_mixed_numbers():
    low, high = lookup(min), lookup(max)
    for a, b in itertools.product([1, 2, 2.0, 1.5, np.float64(2.0), math.nan, True], repeat=2):
        assert_same(lambda x, y: low(x, y) if isinstance(x, object) and not _plain(x) else min(x, y), a, b)
        assert_same(lambda x, y: high(x, y) if isinstance(x, object) and not _plain(x) else max(x, y), a, b)


def _plain(x) -> bool:
    return isinstance(x, (bool, int, float, complex, np.generic))


# --- what Python needs at once ----------------------------------------------------------------------


def test_python_cannot_have_the_value():
    from tracejit.errors import NeedsConcrete

    for use in (bool, int, float, hash, lambda x: [1, 2][x], range):
        with pytest.raises(NeedsConcrete):
            traced(use, 1)
    with pytest.raises(TypeError):
        traced(lambda x: [1, 2][x], 1.0)


def test_a_value_of_another_trace_is_refused():
    from tracejit.errors import CaptureError

    kept = []
    traced(lambda x: kept.append(x), 1.0)
    with pytest.raises(CaptureError):
        traced(lambda x: x + kept[0], 2.0)
    with pytest.raises(CaptureError):
        kept[0] + 1


def test_texts_of_failures_come_from_this_python():
    error = pynumbers.failure_of(operator.floordiv, 1, 0)
    assert isinstance(error, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError) as raised:
        1 // 0
    assert str(raised.value) == str(error)
    assert not pynumbers.succeeds(int, "x")
    assert current.__name__ == "current"
