"""What each NumPy ufunc computes, as ops: the operands have equal shapes and the dtypes of the loop NumPy would run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.core import Block, Value
from tracejit.ir.types import BOOL, INT64, UINT64
from tracejit.ops import elementwise as E
from tracejit.ops import reduction, structural
from tracejit.ops.builder import Builder
from tracejit.ops.custom import custom
from tracejit.ops.primitive import Primitive
from tracejit.trace.context import current
from tracejit.trace.control import Control
from tracejit.trace.tracer import OUTSIDE

DType: TypeAlias = "np.dtype[Any]"
Kernel: TypeAlias = Callable[[Builder, Sequence[Value], Sequence[DType]], Value]
"""``kernel(builder, operands, output dtypes) -> result``."""

KERNELS: dict[np.ufunc, Kernel] = {}
"""The ufuncs with one output; :data:`PAIRS` has those with two."""

PAIRS: dict[np.ufunc, tuple[Kernel, Kernel]] = {}


def kernel_of(ufunc: np.ufunc) -> Kernel:
    """The kernel of a ufunc with one output.

    Raises:
        UnsupportedError: There is none yet.
    """
    found = KERNELS.get(ufunc)
    if found is None:
        name = f"np.{ufunc.__name__}" if getattr(np, ufunc.__name__, None) is ufunc else f"the ufunc {ufunc.__name__}"
        raise UnsupportedError(f"{name} is not supported yet", hint=OUTSIDE)
    return found


def implements(*ufuncs: np.ufunc) -> Callable[[Kernel], Kernel]:
    """Declare a kernel of ``ufuncs``."""

    def declare(kernel: Kernel) -> Kernel:
        for ufunc in ufuncs:
            KERNELS[ufunc] = kernel
        return kernel

    return declare


def filled(b: Builder, x: Value, number: complex) -> Value:
    """The constant ``number`` in the dtype and shape of ``x``."""
    return b.fill(b.const(number, x.dtype), x.shape)


def simple(primitive: Primitive, ufunc: np.ufunc) -> Kernel:
    """The kernel that is one primitive."""

    def kernel(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
        if x[0].dtype.kind not in primitive.codegen:
            raise UnsupportedError(f"np.{ufunc.__name__} of {x[0].dtype} numbers is not supported yet")
        return b.apply(primitive, *x)

    return kernel


for _ufunc, _primitive in {
    np.add: E.add,
    np.subtract: E.sub,
    np.multiply: E.mul,
    np.true_divide: E.div,
    np.floor_divide: E.floordiv,
    np.remainder: E.mod,
    np.negative: E.neg,
    np.absolute: E.abs,
    np.fabs: E.abs,
    np.sign: E.sign,
    np.minimum: E.minimum,
    np.maximum: E.maximum,
    np.fmin: E.fmin,
    np.fmax: E.fmax,
    np.copysign: E.copysign,
    np.bitwise_and: E.and_,
    np.bitwise_or: E.or_,
    np.bitwise_xor: E.xor,
    np.invert: E.not_,
    np.left_shift: E.shl,
    np.right_shift: E.shr,
    np.rint: E.rint,
    np.signbit: E.signbit,
    np.sqrt: E.sqrt,
    np.exp: E.exp,
    np.expm1: E.expm1,
    np.log: E.log,
    np.log1p: E.log1p,
    np.log2: E.log2,
    np.log10: E.log10,
    np.sin: E.sin,
    np.cos: E.cos,
    np.tan: E.tan,
    np.arcsin: E.asin,
    np.arccos: E.acos,
    np.arctan: E.atan,
    np.arctan2: E.atan2,
    np.sinh: E.sinh,
    np.cosh: E.cosh,
    np.tanh: E.tanh,
    np.cbrt: E.cbrt,
    np.hypot: E.hypot,
    np.float_power: E.pow,
}.items():
    KERNELS[_ufunc] = simple(_primitive, _ufunc)


def _logical(primitive: Primitive) -> Kernel:
    def kernel(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
        return b.apply(primitive, *(b.cast(v, BOOL) for v in x))

    return kernel


for _ufunc, _primitive in {
    np.logical_and: E.and_,
    np.logical_or: E.or_,
    np.logical_xor: E.xor,
    np.logical_not: E.not_,
}.items():
    KERNELS[_ufunc] = _logical(_primitive)


@implements(np.positive)
def _identity(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    return x[0]


@implements(np.conjugate)
def _conjugate(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    return b.apply(E.conj, x[0]) if x[0].dtype.kind == "c" else x[0]


@implements(np.square)
def _square(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    return b.apply(E.mul, x[0], x[0])


@implements(np.reciprocal)
def _reciprocal(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    if x[0].dtype.kind in "biu":
        raise UnsupportedError("np.reciprocal of integers is not supported")
    return b.apply(E.div, filled(b, x[0], 1), x[0])


def _rounding(primitive: Primitive, ufunc: np.ufunc) -> Kernel:
    def kernel(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
        return x[0] if x[0].dtype.kind in "biu" else b.apply(primitive, x[0])

    return kernel


for _ufunc, _primitive in {np.floor: E.floor, np.ceil: E.ceil, np.trunc: E.trunc}.items():
    KERNELS[_ufunc] = _rounding(_primitive, _ufunc)


def _classification(primitive: Primitive, of_integers: bool) -> Kernel:
    def kernel(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
        if x[0].dtype.kind in "biu":
            return b.fill(b.const(of_integers, BOOL), x[0].shape)
        return b.apply(primitive, x[0])

    return kernel


for _ufunc, _primitive in {np.isnan: E.isnan, np.isinf: E.isinf, np.isfinite: E.isfinite}.items():
    KERNELS[_ufunc] = _classification(_primitive, _ufunc is np.isfinite)


def _comparison(primitive: Primitive, mirrored: Primitive) -> Kernel:
    def kernel(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
        left, right = x
        if left.dtype == right.dtype:
            return b.apply(primitive, left, right)
        if left.dtype == INT64 and right.dtype == UINT64:
            return signed_unsigned(b, primitive, left, right)
        if left.dtype == UINT64 and right.dtype == INT64:
            return signed_unsigned(b, mirrored, right, left)
        raise UnsupportedError(f"comparing {left.dtype} with {right.dtype} is not supported")

    return kernel


def signed_unsigned(b: Builder, primitive: Primitive, signed: Value, unsigned: Value) -> Value:
    """A comparison of an int64 with a uint64, exactly: all negative numbers are less than all unsigned ones."""
    negative = b.apply(E.lt, signed, filled(b, signed, 0))
    result = b.apply(primitive, b.cast(signed, UINT64), unsigned)
    if primitive in (E.lt, E.le, E.ne):
        return b.apply(E.or_, negative, result)
    return b.apply(E.and_, b.apply(E.not_, negative), result)


for _ufunc, _primitive, _mirrored in (
    (np.equal, E.eq, E.eq),
    (np.not_equal, E.ne, E.ne),
    (np.less, E.lt, E.gt),
    (np.less_equal, E.le, E.ge),
    (np.greater, E.gt, E.lt),
    (np.greater_equal, E.ge, E.le),
):
    KERNELS[_ufunc] = _comparison(_primitive, _mirrored)
COMPARISONS = frozenset({np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal})


NEGATIVE_POWER = "Integers to negative integer powers are not allowed."
with np.errstate(invalid="ignore"):
    # whether this NumPy takes a root for the exponent 0.5, which differs from a power at -0.0 and -inf
    _SQRT_IN_POWER = bool(np.isnan(np.power(np.full(2, -np.inf), 0.5)[0]))


def _is_one_half(x: Value) -> bool:
    op = x.op
    if op is not None and op.primitive is structural.view and not op.operands[0].shape:
        op = op.operands[0].op
    return op is not None and op.primitive is structural.const and not op.result.shape and op.attrs["value"] == 0.5


@implements(np.power)
def _power(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    base, exponent = x
    if exponent.dtype.kind == "i" and not known_nonnegative(exponent):
        negative = b.apply(E.lt, exponent, filled(b, exponent, 0))
        if exponent.rank:
            negative = b.reduce(reduction.reduce_any, negative, range(exponent.rank))
        b.check(b.apply(E.not_, negative), ValueError, (NEGATIVE_POWER,))
    if _SQRT_IN_POWER and base.rank and base.dtype.kind == "f" and _is_one_half(exponent):
        return b.apply(E.sqrt, base)
    return b.apply(E.pow, base, exponent)


def known_nonnegative(x: Value) -> bool:
    """Whether no element of ``x`` is negative, as far as its constants show."""
    op = x.op
    while op is not None and (op.primitive is structural.view or op.primitive is E.cast):
        if op.primitive is E.cast and op.operands[0].dtype.kind not in "biu":
            return False
        op = op.operands[0].op
    return op is not None and op.primitive is structural.const and bool(np.all(np.asarray(op.attrs["value"]) >= 0))


def _c_remainder(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    """The remainder with the sign of the dividend."""
    dividend, divisor = x
    if dividend.dtype.kind == "f":
        size = b.apply(E.mod, b.apply(E.abs, dividend), b.apply(E.abs, divisor))
        return b.apply(E.copysign, size, dividend)
    remainder = b.apply(E.mod, dividend, divisor)
    if dividend.dtype.kind == "u":
        return remainder
    zero = filled(b, dividend, 0)
    signs_differ = b.apply(E.xor, b.apply(E.lt, dividend, zero), b.apply(E.lt, divisor, zero))
    adjust = b.apply(E.and_, signs_differ, b.apply(E.ne, remainder, zero))
    return b.apply(E.select, adjust, b.apply(E.sub, remainder, divisor), remainder)


KERNELS[np.fmod] = _c_remainder


@implements(np.exp2)
def _exp2(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    if x[0].dtype.kind == "c":
        raise UnsupportedError("np.exp2 of complex numbers is not supported yet")
    return b.apply(E.pow, filled(b, x[0], 2), x[0])


def _scaled(factor: float) -> Kernel:
    def kernel(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
        return b.apply(E.mul, x[0], filled(b, x[0], factor))

    return kernel


KERNELS[np.deg2rad] = KERNELS[np.radians] = _scaled(np.pi / 180.0)
KERNELS[np.rad2deg] = KERNELS[np.degrees] = _scaled(180.0 / np.pi)


@implements(np.heaviside)
def _heaviside(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    zero = filled(b, x[0], 0)
    step = b.apply(E.select, b.apply(E.lt, x[0], zero), zero, filled(b, x[0], 1))
    step = b.apply(E.select, b.apply(E.eq, x[0], zero), x[1], step)
    return b.apply(E.select, b.apply(E.isnan, x[0]), x[0], step)


@implements(np.logaddexp)
def _logaddexp(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    if _differentiated():
        return _smooth_logaddexp(b, x, 1.0)
    difference = b.apply(E.sub, x[0], x[1])
    tail = b.apply(E.log1p, b.apply(E.exp, b.apply(E.neg, b.apply(E.abs, difference))))
    apart = b.apply(E.add, b.apply(E.maximum, x[0], x[1]), tail)
    # equal infinities have no difference
    return b.apply(E.select, b.apply(E.eq, x[0], x[1]), _doubled(b, x, float(np.log(2.0))), apart)


def _differentiated() -> bool:
    inputs = current().inputs
    return isinstance(inputs, Control) and inputs.differentiating > 0


def _doubled(b: Builder, x: Sequence[Value], logarithm: float) -> Value:
    """The common value of ``x`` and the logarithm of 2; both have the same part in it."""
    half = filled(b, x[0], 0.5)
    both = b.apply(E.add, b.apply(E.mul, x[0], half), b.apply(E.mul, x[1], half))
    return b.apply(E.add, both, filled(b, both, logarithm))


def _smooth_logaddexp(b: Builder, x: Sequence[Value], scale: float) -> Value:
    """``log(exp(scale * x0) + exp(scale * x1)) / scale``, by ops that are as smooth as that is."""
    first = b.apply(E.ge, *x)
    high, low = b.apply(E.select, first, *x), b.apply(E.select, first, x[1], x[0])
    top = unmoved(b, high)
    rest = [b.apply(E.sub, v, top) for v in (high, low)]
    if scale != 1.0:
        rest = [b.apply(E.mul, v, filled(b, v, scale)) for v in rest]
    tail = b.apply(E.log1p, b.apply(E.add, b.apply(E.expm1, rest[0]), b.apply(E.exp, rest[1])))
    if scale != 1.0:
        tail = b.apply(E.mul, tail, filled(b, tail, 1 / scale))
    infinite = b.apply(E.and_, b.apply(E.eq, *x), b.apply(E.isinf, x[0]))
    return b.apply(E.select, infinite, _doubled(b, x, 0.0), b.apply(E.add, top, tail))


def unmoved(b: Builder, x: Value) -> Value:
    """``x`` as a number whose derivative is zero."""
    rule = Block()
    Builder(rule, b.loc).return_()
    attrs = {"counts": (1, 0, 0, 0), "direction": "backward", "name": "stop_gradient"}
    return b.emit(custom, [x], [x.type], attrs, [rule])[0]


def _fraction(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    whole = b.apply(E.trunc, x[0])
    rest = b.apply(E.select, b.apply(E.isinf, x[0]), filled(b, x[0], 0), b.apply(E.sub, x[0], whole))
    return b.apply(E.copysign, rest, x[0])


PAIRS[np.modf] = (_fraction, KERNELS[np.trunc])
PAIRS[np.divmod] = (KERNELS[np.floor_divide], KERNELS[np.remainder])


def _large(b: Builder, x: Value) -> Value:
    """Whether squares of ``x`` might overflow or absorb 1."""
    limit = {2: 2.0**6, 4: 2.0**28, 8: 2.0**56}[x.dtype.itemsize]
    return b.apply(E.gt, x, filled(b, x, limit))


def _of_reals(x: Value, name: str) -> None:
    if x.dtype.kind != "f":
        raise UnsupportedError(f"np.{name} of complex numbers is not supported yet")


def _log_doubled(b: Builder, x: Value) -> Value:
    return b.apply(E.add, b.apply(E.log, x), filled(b, x, float(np.log(2.0))))


@implements(np.arcsinh)
def _arcsinh(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    # log1p(|x| + x^2 / (1 + sqrt(1 + x^2))), with the sign of x
    _of_reals(x[0], "arcsinh")
    size = b.apply(E.abs, x[0])
    far = _large(b, size)
    near = b.apply(E.select, far, filled(b, size, 1), size)
    square = b.apply(E.mul, near, near)
    root = b.apply(E.sqrt, b.apply(E.add, filled(b, size, 1), square))
    rest = b.apply(E.div, square, b.apply(E.add, filled(b, size, 1), root))
    close = b.apply(E.log1p, b.apply(E.add, near, rest))
    return b.apply(E.copysign, b.apply(E.select, far, _log_doubled(b, size), close), x[0])


@implements(np.arccosh)
def _arccosh(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    # log1p(t + sqrt(t (t + 2))) for t = x - 1
    _of_reals(x[0], "arccosh")
    far = _large(b, x[0])
    t = b.apply(E.select, far, filled(b, x[0], 1), b.apply(E.sub, x[0], filled(b, x[0], 1)))
    root = b.apply(E.sqrt, b.apply(E.mul, t, b.apply(E.add, t, filled(b, t, 2))))
    return b.apply(E.select, far, _log_doubled(b, x[0]), b.apply(E.log1p, b.apply(E.add, t, root)))


@implements(np.arctanh)
def _arctanh(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    # log1p(2 |x| / (1 - |x|)) / 2, with the sign of x
    _of_reals(x[0], "arctanh")
    size = b.apply(E.abs, x[0])
    twice = b.apply(E.add, size, size)
    ratio = b.apply(E.div, twice, b.apply(E.sub, filled(b, size, 1), size))
    half = b.apply(E.mul, filled(b, size, 0.5), b.apply(E.log1p, ratio))
    return b.apply(E.copysign, half, x[0])


@implements(np.logaddexp2)
def _logaddexp2(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    if _differentiated():
        return _smooth_logaddexp(b, x, float(np.log(2.0)))
    difference = b.apply(E.neg, b.apply(E.abs, b.apply(E.sub, x[0], x[1])))
    power = b.apply(E.pow, filled(b, difference, 2), difference)
    tail = b.apply(E.mul, b.apply(E.log1p, power), filled(b, power, float(1 / np.log(2.0))))
    apart = b.apply(E.add, b.apply(E.maximum, x[0], x[1]), tail)
    return b.apply(E.select, b.apply(E.eq, x[0], x[1]), _doubled(b, x, 1.0), apart)
