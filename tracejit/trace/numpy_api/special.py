"""``scipy.special``: loaded when a program uses one of its functions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import scipy.special

from tracejit.errors import UnsupportedError
from tracejit.ir.core import Value
from tracejit.ops import elementwise as E
from tracejit.ops.builder import Builder
from tracejit.trace import erf
from tracejit.trace.context import current
from tracejit.trace.kernels import KERNELS, filled
from tracejit.trace.kernels import implements as kernel_for
from tracejit.trace.numpy_api import reductions, ufuncs
from tracejit.trace.numpy_api.arguments import as_array
from tracejit.trace.numpy_api.table import implements

DType: TypeAlias = "np.dtype[Any]"


@kernel_for(scipy.special.expit)
def _expit(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    one = filled(b, x[0], 1)
    return b.apply(E.div, one, b.apply(E.add, one, b.apply(E.exp, b.apply(E.neg, x[0]))))


@kernel_for(scipy.special.logit)
def _logit(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    # near 1/2 by log1p: x / (1 - x) = 1 + (2 x - 1) / (1 - x)
    one = filled(b, x[0], 1)
    rest = b.apply(E.sub, one, x[0])
    excess = b.apply(E.div, b.apply(E.sub, b.apply(E.add, x[0], x[0]), one), rest)
    near = b.apply(E.lt, b.apply(E.abs, b.apply(E.sub, x[0], filled(b, x[0], 0.5))), filled(b, x[0], 0.2))
    close = b.apply(E.log1p, b.apply(E.select, near, excess, filled(b, x[0], 0)))
    return b.apply(E.select, near, close, b.apply(E.log, b.apply(E.div, x[0], rest)))


def _zero_times(b: Builder, x: Value, y: Value, log: Any) -> Value:
    """``x * log(y)``, and 0 where ``x`` is 0 and ``y`` is a number."""
    zero = filled(b, x, 0)
    nothing = b.apply(E.and_, b.apply(E.eq, x, zero), b.apply(E.not_, b.apply(E.isnan, y)))
    safe = b.apply(E.select, nothing, filled(b, y, 1), y)
    return b.apply(E.select, nothing, zero, b.apply(E.mul, x, b.apply(log, safe)))


@kernel_for(scipy.special.xlogy)
def _xlogy(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    return _zero_times(b, x[0], x[1], E.log)


@kernel_for(scipy.special.xlog1py)
def _xlog1py(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    return _zero_times(b, x[0], x[1], E.log1p)


def _evaluated(ufunc: np.ufunc, *inputs: Any, **options: Any) -> Any:
    return ufuncs.call(ufunc, *inputs, **options)


@kernel_for(scipy.special.erf)
def _erf(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    _of_reals(x[0], "erf")
    return erf.erf(b, x[0])


@kernel_for(scipy.special.erfc)
def _erfc(b: Builder, x: Sequence[Value], out: Sequence[DType]) -> Value:
    _of_reals(x[0], "erfc")
    return erf.erfc(b, x[0])


def _of_reals(x: Value, name: str) -> None:
    if x.dtype.kind != "f":
        raise UnsupportedError(f"scipy.special.{name} of complex numbers is not supported yet")


for _ufunc in (
    scipy.special.expit, scipy.special.logit, scipy.special.xlogy, scipy.special.xlog1py, scipy.special.erf,
    scipy.special.erfc,
):  # fmt: skip
    assert _ufunc in KERNELS
    implements(_ufunc)(partial(_evaluated, _ufunc))


@implements(scipy.special.logsumexp)
def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """``scipy.special.logsumexp`` without weights: the largest number is taken out of the sum."""
    current().at()
    if b is not None or return_sign:
        raise UnsupportedError("scipy.special.logsumexp with b= or return_sign= is not supported yet")
    x = as_array(a)
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)
    if x.dtype.kind == "c":
        raise UnsupportedError("scipy.special.logsumexp of complex numbers is not supported yet")
    top = reductions.max_(x, axis, keepdims=True)
    top = np.where(np.isfinite(top), top, x.dtype.type(0))
    total = reductions.sum_(np.exp(np.subtract(x, top)), axis, keepdims=keepdims)
    if not keepdims:
        top = reductions.sum_(top, axis)  # of one number each
    return np.add(np.log(total), top)


def _shifted(a: Any, axis: Any) -> Any:
    current().at()
    x = as_array(a)
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)
    return np.subtract(x, reductions.max_(x, axis, keepdims=True))


@implements(scipy.special.softmax)
def softmax(x: Any, axis: Any = None) -> Any:
    """``scipy.special.softmax``."""
    powers = np.exp(_shifted(x, axis))
    return np.true_divide(powers, reductions.sum_(powers, axis, keepdims=True))


@implements(scipy.special.log_softmax)
def log_softmax(x: Any, axis: Any = None) -> Any:
    """``scipy.special.log_softmax``."""
    shifted = _shifted(x, axis)
    return np.subtract(shifted, np.log(reductions.sum_(np.exp(shifted), axis, keepdims=True)))
