"""The breadth of NumPy, and of ``scipy.special``: each function against its original."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

import tracejit
from tracejit.errors import UnsupportedError

from .test_numpy_api import arr
from .test_numpy_routines import agree

RNG = np.random.default_rng(3)
M, V, I = RNG.normal(size=(4, 5)), RNG.normal(size=8), RNG.integers(0, 5, 8)
NAN = np.where(RNG.random((4, 5)) < 0.2, np.nan, M)
NAN[2] = np.nan


def both(function, *arguments, **options):
    with pytest.warns() if options.pop("warns", False) else np.errstate(all="ignore"):
        agree(function, *arguments, rtol=options.pop("rtol", 1e-12), **options)


# --- NumPy's own Python ------------------------------------------------------------------------------


def test_statistics():
    both(lambda m: np.cov(m), M, dynamic=False)
    both(lambda m: np.cov(m, rowvar=False, ddof=0), M, dynamic=False)
    both(lambda m: np.corrcoef(m), M, dynamic=False)
    both(lambda m: np.average(m, axis=0, weights=[1.0, 2, 3, 4]), M)
    both(lambda m: np.average(m, axis=1, weights=m[0] ** 2, returned=True), M)
    both(lambda m: np.average(m, returned=True), M)


def test_differences():
    both(lambda v: np.gradient(v), V, dynamic=False)
    both(lambda m: np.gradient(m, 2.0), M, dynamic=False)
    both(lambda m: np.gradient(m, axis=1, edge_order=2), M, dynamic=False)
    both(lambda v: np.ediff1d(v), V)
    both(lambda v: np.ediff1d(v, to_end=[1.0, 2.0], to_begin=0.0), V)
    both(lambda v: np.unwrap(v * 4), V, dynamic=False)


def test_sequences():
    both(lambda a: np.logspace(0, a, 5), 2.0)
    both(lambda a: np.geomspace(1.0, a, 5), 100.0)
    both(lambda v: np.vander(v, 3), V, dynamic=False)
    both(lambda v: np.resize(v, (3, 5)), V, dynamic=False)
    both(lambda v: np.sinc(v), V)
    both(lambda v: np.hamming(5) * v[:5], V)
    both(lambda v: np.piecewise(v, [v < 0, v >= 0], [-1.0, 1.0]), V, dynamic=False)
    both(lambda m: np.unstack(m), M, dynamic=False)


def test_sets():
    both(lambda i: (np.isin(i, [1, 3]), np.union1d(i, i + 2), np.setdiff1d(i, [1, 2])), I, dynamic=False)
    both(lambda i: np.intersect1d(i, i + 2), I, dynamic=False)


def test_polynomials():
    both(lambda v: (np.polyadd(v, v[:3]), np.polyder(v), np.polyint(v)), V, dynamic=False)


def test_accumulations():
    both(lambda v: (np.cumulative_sum(v, include_initial=True), np.nancumsum(v), np.nancumprod(v)), V, dynamic=False)


# --- reductions that ignore NaN ----------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ["nanmax", "nanmin", "nanstd", "nanvar", "nanmedian", "nanprod", "nansum", "nanmean"])
def test_reductions_ignoring_nan(name):
    function = getattr(np, name)
    both(lambda m: (function(m), function(m, axis=0)), NAN, dynamic=False)
    both(lambda m: function(m, axis=1, keepdims=True), NAN, dynamic=False)
    both(lambda m: function(m, axis=1), arr(3, 4), dynamic=False)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_more_of_nan():
    both(lambda m: np.nanvar(m, axis=1, ddof=4), NAN)
    both(lambda m: np.nanvar(m + 1j * m, axis=1), NAN)
    both(lambda m: np.nanargmax(m[:2], axis=1), NAN, dynamic=False)


# --- padding, blocks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize("width", [1, (2, 0), ((1, 2), (0, 3)), ((9, 11), (6, 7)), {0: 2}], ids=str)
def test_pad(mode, width):
    both(lambda m: np.pad(m, width, mode), M)


def test_pad_with_constants():
    both(lambda m: np.pad(m, 2, constant_values=3.0), M)
    both(lambda m: np.pad(m, 2, constant_values=((1.0, 2.0), (3.0, 4.0))), M)
    both(lambda m, x: np.pad(m, ((0, 1), (2, 0)), constant_values=x), M, 7.0)
    both(lambda m: np.pad(m[:0], 1, "edge"), M)
    both(lambda m: np.pad(m, -1), M)
    with pytest.raises(UnsupportedError, match="mode='mean'"):
        tracejit.jit(lambda m: np.pad(m, 1, "mean"))(M)


def test_block_and_delete():
    both(lambda m: np.block([[m, m * 2], [m, np.zeros((4, 5))]]), M)
    both(lambda v: np.block([v, 1.0, v]), V)
    both(lambda v: np.delete(v, 2), V, dynamic=False)
    both(lambda m: np.delete(m, [0, -1], axis=1), M, dynamic=False)
    both(lambda m: np.delete(m, slice(1, 3), 0), M, dynamic=False)


# --- sums of products --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["ij,kj->ik", "ij,ij->", "ij->ji", "ij,ij->i", "ij->j", "ii->i", "ii", "ij,jk,kl->il", "i,j->ij", "ij",
             "...j,j->...", "ij,kl->ijkl", "bij,bjk->bik", "a...,a...->...", "iij->j", "ij,jk->k", "b...,...->b..."]
)  # fmt: skip
def test_einsum(text):
    square = RNG.normal(size=(3, 3))
    shapes = {"b": 2}
    count = text.partition("->")[0].count(",") + 1
    arrays = []
    for part in text.partition("->")[0].split(","):
        letters = part.replace("...", "")
        arrays.append(RNG.normal(size=[shapes.get(c, 3) for c in letters] + [3] * ("..." in part)))
    both(lambda *a: np.einsum(text, *a), *arrays)
    if count == 1 and len(arrays[0].shape) == 2:
        both(lambda a: np.einsum(text, a), square.astype("i4"))


def test_einsum_errors_and_options():
    both(lambda m: np.einsum("ij,kj->ik", m, m, optimize=True), M)
    both(lambda m: np.einsum("ij,kj->ik", m, m.astype("f4")), M)
    both(lambda m, v: np.einsum("ij,j->i", m, v[:1]), M, V, dynamic=False)
    both(lambda m: np.einsum("ij->i", m + 1j), M)
    for bad in ("ij->k", "ijk->i"):
        with pytest.raises(ValueError):
            tracejit.jit(lambda m, bad=bad: np.einsum(bad, m))(M)


def test_stacks_of_vectors():
    both(lambda m: (np.vecdot(m, m * 1j), np.matvec(m, m[0]), np.vecmat(m[:, 0], m)), M)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolve_and_correlate(mode):
    kernel = np.array([1.0, 2.0, -3.0])
    both(lambda v, k: np.convolve(v, k, mode), V, kernel, dynamic=False)
    both(lambda v, k: np.convolve(k, v, mode), V, kernel, dynamic=False)
    both(lambda v, k: np.correlate(v, k, mode), V, kernel, dynamic=False)
    both(lambda v, k: np.convolve(v, k, mode), np.arange(5), np.arange(4), dynamic=False)
    both(lambda v, k: np.correlate(v, k * 1j, mode), V, kernel, dynamic=False)


def test_interp():
    xp, fp = np.array([-1.0, 0.0, 0.5, 2.0]), np.array([3.0, 1.0, np.inf, 2.0])
    x = np.array([[-2.0, -1.0, -0.25], [0.0, 0.25, 1.0], [2.0, 3.0, np.nan]])
    both(lambda x, xp, fp: np.interp(x, xp, fp), x, xp, fp)
    both(lambda x, xp, fp: np.interp(x, xp, fp, left=-7, right=9.5), x, xp, np.nan_to_num(fp, posinf=4))
    both(lambda x, xp, fp: np.interp(x, xp, fp), 0.3, xp, fp)
    both(lambda x, xp, fp: np.interp(x, xp, fp * 1j), x, xp, np.ones(4))


# --- ufuncs and their methods ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_inverse_hyperbolic_functions(dtype):
    x = np.array([0.0, -0.0, 1e-20, 0.3, -0.99, 1.0, 2.5, 1e8, 1e30, np.inf, -np.inf, np.nan]).astype(dtype)
    rtol = 1e-14 if dtype == "f8" else 1e-6
    both(lambda x: (np.arcsinh(x), np.arctanh(np.clip(x, -1, 1))), x, rtol=rtol)
    both(lambda x: np.arccosh(np.abs(x) + 1), x, rtol=rtol)
    both(lambda x, y: np.logaddexp2(x, y), x, x[::-1].copy(), rtol=rtol)


@pytest.mark.parametrize("ufunc", [np.subtract, np.divide, np.fmax, np.hypot, np.logaddexp, np.maximum, np.copysign])
def test_reduce_and_accumulate(ufunc):
    both(lambda m: (ufunc.reduce(m), ufunc.reduce(m, axis=1), ufunc.reduce(m, axis=0, keepdims=True)), np.abs(M))
    both(lambda m: (ufunc.accumulate(m), ufunc.accumulate(m, axis=1)), np.abs(M))


def test_methods_of_integer_ufuncs():
    both(lambda i: (np.bitwise_xor.reduce(i), np.bitwise_or.accumulate(i), np.true_divide.accumulate(i + 1)), I)
    both(lambda i: np.subtract.reduce(i[:0]), I)
    both(lambda m: np.sin.reduce(m), M)

    def changed(x, i, v):
        np.maximum.at(x, i, v)
        np.multiply.at(x, [0, 0, 1], 2.0)
        np.negative.at(x, i)
        return x

    both(changed, V, I, V[::-1].copy())
    both(lambda x: np.maximum.at(x, [99], 1.0), V)


# --- choices -----------------------------------------------------------------------------------------


def test_choices():
    both(lambda i: np.choose(i, [i, i + 1, i + 2, i * 2, i * 3]), I)
    both(lambda i: np.choose(i, [i, i + 1]), I)
    both(lambda i: np.ravel_multi_index((i % 2, i % 3), (2, 3)), I)
    both(lambda i: np.ravel_multi_index((i, i), (2, 3)), I)
    both(lambda i: np.array_equiv(i, i), I, dynamic=False)

    def masked(x):
        np.putmask(x, x > 0, 0.0)
        np.putmask(x, x < -1, x * x)
        return x

    both(masked, V)


# --- scipy.special -----------------------------------------------------------------------------------


def test_scipy_special():
    logsumexp = special.logsumexp
    x = np.array([[-1000.0, -3.0, -0.5, 0.0], [0.5, 3.0, 40.0, np.inf], [np.nan, 0.0, 1.0, 2.0]])
    p = np.array([0.0, 1e-10, 0.3, 0.49999, 0.5, 0.7, 1.0, 2.0])
    both(lambda x: (special.expit(x), special.expit(x.astype("f4"))), x, rtol=1e-6)
    both(lambda x: special.expit(x), x, rtol=4e-16 * 4)
    both(lambda p: special.logit(p), p, rtol=1e-14)
    both(lambda x, p: (special.xlogy(x[:, 2:3], p), special.xlog1py(x[:, 2:3], p)), x, p)
    both(lambda x: (logsumexp(x), logsumexp(x, axis=1), logsumexp(x[:2, :3], axis=0, keepdims=True)), x)
    both(lambda x: (special.softmax(x[:2, :3], axis=0), special.log_softmax(x[:2, :3], axis=-1)), x)
    with pytest.raises(UnsupportedError, match="ellipj is not supported"):
        tracejit.jit(lambda x: special.ellipj(x, x))(x)


def test_error_functions():
    x = np.concatenate([np.linspace(-7, 28, 4001), [0.0, -0.0, 1e-300, 0.5, 1.0, 30.0, np.inf, -np.inf, np.nan]])
    both(lambda x: special.erf(x), x, rtol=1e-15)
    both(lambda x: special.erfc(x), x[x < 26], rtol=1e-13)  # what SciPy's own is good for
    tail = np.linspace(-3, 26, 4001)
    exact = np.array([math.erfc(v) for v in tail])
    np.testing.assert_array_less(np.abs(tracejit.jit(lambda x: special.erfc(x))(tail) - exact), 5.5 * np.spacing(exact))
    both(lambda x: special.erfc(x)[4001:], x)
    both(lambda x: (special.erf(x), special.erfc(x)), x[:4001].astype("f4"), rtol=3e-7)
    both(lambda a: (math.erf(a), math.erfc(a), math.erf(-2 * a)), 0.7, rtol=1e-15)
    for numbers in (np.array([0.1, 0.6, 2.0, -3.0]),):
        slope = tracejit.grad(lambda x: special.erf(x).sum())(numbers)
        np.testing.assert_allclose(slope, 2 / np.sqrt(np.pi) * np.exp(-(numbers**2)), rtol=1e-13)
        slope = tracejit.grad(lambda x: special.erfc(x).sum())(numbers)
        np.testing.assert_allclose(slope, -2 / np.sqrt(np.pi) * np.exp(-(numbers**2)), rtol=1e-13)
