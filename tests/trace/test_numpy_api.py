"""NumPy functions, array methods and builtins on traced values give what NumPy and Python give."""

from __future__ import annotations

import itertools
import math

import numpy
import pytest

from tracejit.errors import NeedsConcrete, UnsupportedError
from tracejit.trace.kernels import KERNELS, PAIRS

from .run import Dynamic, Numpy, outcome, traced

np = Numpy()


def close(want, got, rtol) -> None:
    if isinstance(want, (tuple, list)):
        assert type(want) is type(got) and len(want) == len(got), f"{want!r} against {got!r}"
        for w, g in zip(want, got):
            close(w, g, rtol)
        return
    assert type(want) is type(got), f"{want!r} against {got!r}"
    if isinstance(want, (numpy.ndarray, numpy.generic)):
        assert want.dtype == got.dtype and want.shape == got.shape, f"{want!r} against {got!r}"
        if want.dtype.kind in "fc":
            numpy.testing.assert_allclose(
                got, want, rtol=max(rtol, float(numpy.finfo(want.dtype).eps) * 4 if rtol else 0)
            )
            return
        numpy.testing.assert_array_equal(got, want)
    elif isinstance(want, float):
        numpy.testing.assert_allclose(got, want, rtol=rtol)
    else:
        assert want == got


def agree(function, *arguments, dynamic=True, rtol=1e-13) -> None:
    """``function`` gives the same on traced arguments, of static and of run-time shapes, and changes them alike."""
    plain = [a.copy() if isinstance(a, numpy.ndarray) else a for a in arguments]
    want = outcome(function, *plain)
    for wrap in (lambda a: a, Dynamic) if dynamic else (lambda a: a,):
        ours = [wrap(a.copy()) if isinstance(a, numpy.ndarray) else a for a in arguments]
        got = outcome(traced, function, *ours)
        assert want[0] == got[0], f"{want} against {got}"
        if want[0] == "error":
            assert got[1] is want[1] and (got[2] == want[2] or want[1] is TypeError), f"{want} against {got}"
            continue
        close(want[1], got[1], rtol)
        for p, o in zip(plain, ours):
            if isinstance(p, numpy.ndarray):
                close(p, o.array if isinstance(o, Dynamic) else o, rtol)


def arr(*shape, dtype="f8", start=1):
    return numpy.arange(start, start + int(numpy.prod(shape))).astype(dtype).reshape(shape)


RNG = numpy.random.default_rng(7)
FLOATS = numpy.array([0.0, -0.0, 0.5, -1.5, 2.5, 3.0, -7.25, 1e10, math.inf, -math.inf, math.nan])
DTYPES = ["?", "i1", "u1", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]

# --- ufuncs -----------------------------------------------------------------------------------------

UNARY = [u for u in KERNELS if u.nin == 1] + [u for u in PAIRS if u.nin == 1]
BINARY = [u for u in KERNELS if u.nin == 2] + [u for u in PAIRS if u.nin == 2]


@pytest.mark.parametrize("ufunc", UNARY, ids=lambda u: u.__name__)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.filterwarnings("ignore")
def test_unary_ufuncs(ufunc, dtype):
    with numpy.errstate(all="ignore"):
        x = FLOATS.astype(dtype) if dtype[0] in "fc" else numpy.array([0, 1, 3, 5, 100]).astype(dtype)
    got = outcome(traced, lambda x: ufunc(x), x)
    if got[1] is UnsupportedError:
        assert "not supported" in got[2] and (dtype[0] == "c" or ufunc is numpy.reciprocal)
        return
    agree(lambda x: ufunc(x), x, dynamic=False, rtol=1e-12)
    agree(lambda x: ufunc(x), x[2], rtol=1e-12)


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda u: u.__name__)
@pytest.mark.filterwarnings("ignore")
def test_binary_ufuncs(ufunc):
    for a, b in itertools.product(DTYPES, ["?", "u1", "i8", "u8", "f4", "f8", "c16"]):
        x = numpy.array([0, 1, 2, 5, 3]).astype(a)
        y = numpy.array([2, 3, 0, 1, 7]).astype(b)
        if outcome(traced, lambda x, y: ufunc(x, y), x, y)[1] is UnsupportedError:
            assert "c" in a + b, (a, b)
            continue
        agree(lambda x, y: ufunc(x, y), x, y, dynamic=False, rtol=1e-12)


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda u: u.__name__)
@pytest.mark.filterwarnings("ignore")
def test_binary_ufuncs_with_python_numbers(ufunc):
    for dtype, other in itertools.product(["?", "u1", "i8", "u8", "f2", "f4"], [True, 2, -1, 300, 1.5, 2**40]):
        x = numpy.array([0, 1, 2, 5]).astype(dtype)
        agree(lambda x: ufunc(x, other), x, dynamic=False, rtol=1e-12)
        agree(lambda x: ufunc(other, x), x, dynamic=False, rtol=1e-12)
        agree(lambda x, y: ufunc(x, y), x, other, dynamic=False, rtol=1e-12)


def test_broadcasting():
    shapes = [(), (1,), (3,), (2, 3), (2, 1), (1, 3), (4, 1, 3), (2,), (0,), (1, 0)]
    for a, b in itertools.product(shapes, shapes):
        agree(lambda x, y: x + y, arr(*a), arr(*b))


def test_equal_dimensions_are_proved_without_checks():
    from tracejit.ir.core import Block
    from tracejit.ir.types import FLOAT64, INT64, ArrayType
    from tracejit.trace.boxes import ArrayTracer
    from tracejit.trace.context import Context

    context = Context(Block())
    with context:
        n = context.blocks[0].add_param(ArrayType(INT64))
        context.nonnegative.add(n)
        x = ArrayTracer(context.blocks[0].add_param(ArrayType(FLOAT64, (n,))))
        y = x[1:] - x[:-1] + x[1:] * x[:-1]
        z = numpy.concatenate([y, x[:1]])
        del z
        w = y.reshape(-1)[::-1] + y
        del w
    assert not any(op.name == "check" for op in context.blocks[0].ops)


def test_out_where_and_dtype():
    x, y, m = arr(3), arr(3, dtype="f4"), numpy.array([True, False, True])
    agree(lambda x, y: (np.add(x, 1, out=y, casting="same_kind"), y), x, y)
    agree(lambda x, y: np.add(x, 1, y) is y, x, x)
    agree(lambda x, y: np.add(x, 1, out=y), x, arr(3, dtype="i8"))
    agree(lambda x, y: np.add(x, 1, out=y), x, arr(2))
    agree(lambda x, y: np.add(x, 1, out=y), x, arr(2, 3))
    agree(lambda x, y: np.add(x, 1, out=y), arr(2, 3), arr(3))
    agree(lambda x, y, m: np.multiply(x, 2, out=y, where=m), x, arr(3), m)
    agree(lambda x: np.add(x, 1, dtype="f4"), x)
    agree(lambda x: np.add(x, x, dtype=numpy.float64), arr(3, dtype="i4"))
    agree(lambda x, y: np.divmod(x, 2, out=(x, y)), arr(3), arr(3))
    agree(lambda x: np.sqrt(x, out=x[::-1]), x)


def test_powers_of_arrays():
    for exponent in (0, 1, 2, 3, 0.5, -1, 2.0, -0.5, -2):
        for dtype in ("f8", "f4", "i8", "c16"):
            agree(lambda x: x**exponent, arr(4, dtype=dtype), rtol=1e-12)
            agree(lambda x: np.power(x, exponent), arr(4, dtype=dtype), rtol=1e-12)
    special = numpy.array([-0.0, -numpy.inf, numpy.inf, 4.0])
    agree(lambda x: (x**0.5, np.power(x, 0.5), x ** np.array(0.5)), special)
    agree(lambda x, y: (x**y, x[3] ** y), special, 0.25)
    agree(lambda x, y: x**y, arr(3, dtype="i8"), numpy.array([1, -1, 2]))


def test_numpy_functions_on_scalars():
    for x in (2, 2.5, True, numpy.float32(1.5), numpy.int16(4)):
        agree(lambda x: (np.sqrt(x), np.add(x, 1), np.maximum(x, 3), np.floor(x), np.isnan(x)), x)
        agree(lambda x: (np.clip(x, 0, 2), np.where(x > 2, x, 0), np.abs(x), np.square(x)), x)
        agree(lambda x: (np.sum(x), np.mean(x), np.max(x), np.all(x)), x)


def test_clip_and_round():
    x = arr(5) - 2.5
    agree(lambda x: (np.clip(x, -1, 1), x.clip(0), x.clip(max=0), np.clip(x, None, 1.0), np.clip(x, x[::-1], 2)), x)
    agree(lambda x: np.clip(x, -1, 1, out=x), x)
    agree(lambda x: np.clip(x, 0, 300), arr(3, dtype="u1"))
    agree(lambda x: (np.round(x), x.round(1), np.around(x * 1.2345, 2), np.rint(x)), x)
    agree(lambda x: (np.round(x), x.round(2)), arr(3, dtype="i4"))


# --- reductions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["sum", "prod", "min", "max", "any", "all", "mean", "std", "var", "argmin", "argmax", "ptp"]
)
@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i8", "f2", "f4", "f8", "c16"])
@pytest.mark.filterwarnings("ignore")
def test_reductions(name, dtype):
    if dtype == "c16" and name in ("min", "max", "argmin", "argmax", "ptp"):
        pytest.raises(UnsupportedError, traced, lambda x: getattr(np, name)(x), arr(3, dtype=dtype))
        return
    x = numpy.array([[3, 1, 2], [0, 5, 4]]).astype(dtype)
    for axis in (None, 0, 1, -1, (0, 1), (), 2):
        if name in ("argmin", "argmax") and isinstance(axis, tuple):
            continue
        rtol = 2e-3 if dtype == "f2" else 1e-6 if dtype == "f4" else 1e-13
        agree(lambda x: getattr(np, name)(x, axis=axis), x, rtol=rtol)
        agree(lambda x: getattr(np, name)(x, axis=axis, keepdims=True), x, rtol=rtol)
    agree(lambda x: getattr(np, name)(x[:0]), x, rtol=1e-3)
    agree(lambda x: getattr(np, name)(x[:, :0], axis=1), x, rtol=1e-3)
    agree(lambda x: getattr(np, name)(x[:0, :0], axis=1), x, rtol=1e-3)
    if name != "ptp":
        agree(lambda x: getattr(x, name)(), x, rtol=2e-3)


def test_options_of_reductions():
    x = arr(2, 3)
    agree(lambda x: (x.sum(dtype="f4"), np.sum(x, initial=10), np.max(x, initial=100), np.max(x[:0], initial=-1.0)), x)
    agree(lambda x, y: np.sum(x, axis=0, out=y), x, arr(3))
    i = arr(2, 3, dtype="i4")
    agree(lambda x: (np.max(x, initial=2.5), np.sum(x, initial=2.5), np.min(x, axis=0, initial=1)), i)
    agree(lambda x, v: (np.max(x[:0], initial=v), np.max(x, axis=0, initial=v), np.sum(x, initial=v)), x, -1.0)
    agree(lambda x, m: (np.sum(x, where=m), np.mean(x, where=m), np.any(x > 2, where=m)), x, x % 2 == 0)
    agree(
        lambda x: (np.std(x, ddof=1), np.var(x, axis=0, ddof=1), np.count_nonzero(x > 2), np.count_nonzero(x, axis=0)),
        x,
    )
    agree(lambda x: (np.add.reduce(x), np.maximum.reduce(x, axis=1), np.multiply.reduce(x, axis=None)), x)
    agree(lambda x, w: (np.average(x, axis=0), np.average(x, weights=w)), x, x)
    agree(lambda x: (np.nansum(x), np.nanmean(x)), numpy.array([1.0, numpy.nan, 2.0]))
    agree(lambda x: (np.linalg.norm(x), np.linalg.norm(x[0], 1), np.linalg.norm(x[0], np.inf)), x)


def test_nan_in_extremes():
    x = numpy.array([1.0, numpy.nan, -1.0])
    agree(lambda x: (np.min(x), np.max(x), np.argmin(x), np.argmax(x), np.fmin(x, 0), np.minimum(x, 0)), x)


def test_running_totals():
    x = arr(3, 4)
    agree(
        lambda x: (np.cumsum(x), x.cumsum(axis=0), x.cumsum(1), np.cumprod(x, axis=-1), np.maximum.accumulate(x % 3)), x
    )
    agree(lambda x: (np.cumsum(x), np.cumsum(x, dtype="f4"), x[:0].cumsum()), arr(4, dtype="i1"))
    agree(lambda x: np.cumsum(x > 2), arr(4))


# --- making arrays ------------------------------------------------------------------------------------------


def test_creation():
    agree(lambda n: (np.zeros(n), np.ones((n, 2)), np.zeros((2, n), int), np.full(n, 2.5), np.full((n,), n)), 3)
    agree(
        lambda n: (
            np.zeros(n, numpy.bool_),
            np.full((2, 2), 7, dtype="f4"),
            np.eye(n),
            np.eye(n, 4, 1),
            np.identity(n),
        ),
        3,
    )
    agree(lambda n: np.zeros(n), -1)
    agree(lambda: (np.zeros(()), np.zeros((0, 2)), np.ones(3, "i2"), np.eye(3, k=-1, dtype=int), np.tri(3)))
    agree(lambda: np.zeros(-1))
    x = arr(2, 3, dtype="i4")
    agree(lambda x: (np.zeros_like(x), np.ones_like(x, dtype=float), np.full_like(x, 2.9)), x)
    agree(lambda x: np.full_like(x, 3.5, dtype="f4"), x)
    agree(lambda x: (np.empty_like(x).shape, np.zeros_like(x, shape=(2,))), arr(3), dynamic=False)
    agree(lambda: np.full(2, 300, dtype="u1"))


def test_arange():
    agree(
        lambda n: (np.arange(n), np.arange(1, n), np.arange(n, 0, -1), np.arange(0, n, 2), np.arange(n, dtype="f4")), 7
    )
    agree(lambda a, b, s: np.arange(a, b, s), 10, -3, -4)
    agree(lambda a, b, s: np.arange(a, b, s), 3, 30, 4)
    agree(lambda a, b, s: np.arange(a, b, s), 3, 30, 0)
    agree(lambda a, b, s: np.arange(a, b, s), 0.1, 1.0, 0.3)
    agree(lambda a, b, s: np.arange(a, b, s), 0.0, 1.0, 0.0)
    agree(lambda a: (np.arange(a, 3), np.arange(0, a, 0.25)), 1.5)
    agree(lambda: (np.arange(5), np.arange(2.5), np.arange(3, dtype="i2"), np.arange(0, 1, 0.1), np.arange(5, 0)))
    agree(lambda x: np.arange(x), numpy.int32(4))


def test_linspace():
    for n in (0, 1, 2, 5, 10):
        agree(lambda a, b: (np.linspace(a, b, n), np.linspace(a, b, n, endpoint=False)), -1.5, 7.25, rtol=1e-15)
        agree(lambda a, n: np.linspace(a, 3, n), 1, n, rtol=1e-15)
    agree(lambda: (np.linspace(0, 1, 7), np.linspace(0, 10, 5, dtype=int)), rtol=1e-15)
    agree(lambda a: np.linspace(a, 1, -1), 0)


def test_arrays_of_sequences():
    agree(
        lambda a, b: (np.array([a, b]), np.array([[a, 1], [b, 2.5]]), np.array((a, b), dtype="f4"), np.asarray([b])),
        1,
        2.5,
    )
    agree(
        lambda a, b: (np.array([a, b]), np.array([a, 2]), np.array(a), np.array([True, b])),
        numpy.float32(1),
        numpy.int8(2),
    )
    agree(
        lambda x, a: (np.array([x, x * 2]), np.array([x[0], a, 1]), np.stack([x, x]), np.array([[a, a], x[:2]])),
        arr(3),
        2.0,
    )
    agree(lambda x: np.array([x, [1, 2]]), arr(3), dynamic=False)
    agree(lambda x: np.array([x, 1.0]), arr(3), dynamic=False)
    agree(lambda a: np.array([a, 300], dtype="u1"), 5)
    agree(lambda: (np.array([1, 2]), np.array([[1.5], [2]]), np.array([]), np.array(5), np.array([True, False])))
    agree(
        lambda x: (np.array(x) is x, np.asarray(x) is x, np.asarray(x, dtype="f8") is x, np.array(x, copy=False) is x),
        arr(3),
    )
    agree(lambda x: (np.array(x, dtype=int), np.array(x, ndmin=3), np.ascontiguousarray(x.T), np.copy(x)), arr(2, 3))
    agree(lambda x, y: np.meshgrid(x, y), arr(2), arr(3))
    agree(lambda x, y: np.meshgrid(x, y, indexing="ij", sparse=True), arr(2), arr(3))


def test_new_arrays_are_independent():
    def program(x):
        a, b, c = np.copy(x), x.copy(), np.array(x)
        z = np.zeros(3)
        y = np.ones_like(x)
        a[0], b[1], c[2], z[0], y[1] = 10, 20, 30, 40, 50
        w = np.array([1.0, 2.0, 3.0])
        w[0] = x[2]
        return a, b, c, z, y, w

    agree(program, arr(3))


def test_constructors_of_numbers():
    agree(
        lambda x: (
            np.float32(x),
            np.int64(x),
            np.bool_(x),
            np.complex64(x),
            np.uint8(x),
            np.float64(x) + np.float32(1),
        ),
        2.5,
    )
    agree(lambda x: (np.float32(x), np.int8(x)), arr(3))
    agree(lambda x: np.int8(x), 300)
    agree(lambda x: x.dtype.type(2) * x, arr(3, dtype="f4"))
    agree(lambda x: x.astype(numpy.float32).astype(int), arr(3) + 0.7)
    agree(lambda x: x.astype("i4", casting="safe"), arr(3))


# --- shapes ----------------------------------------------------------------------------------------------------


def test_reshaping():
    x = arr(2, 6)
    agree(
        lambda x: (x.reshape(3, 4), x.reshape((4, 3)), x.reshape(-1, 2), np.reshape(x, 12), x.ravel(), x.flatten("F")),
        x,
    )
    agree(lambda x: (x.reshape(3, 4, order="F"), x.T.reshape(-1), x[..., None].squeeze(-1), x.reshape(2, -1)), x)
    agree(lambda x: x.reshape(5), x)
    agree(lambda x: x.reshape(5, -1), x)
    agree(lambda x: x.reshape(-1, -1), x)
    agree(lambda x, n: (x.reshape(n, -1), x.reshape(n, 12 // n), x.reshape(-1, n)), x, 4)
    agree(lambda x, n: x.reshape(n, -1), x, 5)
    agree(lambda x: x.reshape(x.shape[0] // 2, 2, x.shape[1]), arr(4, 3))
    agree(lambda x: x.squeeze(0), x)
    agree(lambda x: x.reshape(0, 3), arr(0), dynamic=False)


def test_axes():
    x = arr(2, 3, 4)
    agree(
        lambda x: (x.T, x.transpose(1, 0, 2), np.transpose(x, (2, 0, 1)), x.swapaxes(0, -1), np.moveaxis(x, 0, -1)), x
    )
    agree(
        lambda x: (
            np.moveaxis(x, [0, 1], [-1, -2]),
            np.rollaxis(x, 2),
            np.expand_dims(x, 1),
            np.expand_dims(x, (0, -1)),
        ),
        x,
    )
    agree(
        lambda x: (np.atleast_1d(x), np.atleast_3d(x[0]), np.flip(x, 1), np.flipud(x), np.fliplr(x), np.rot90(x[0])), x
    )
    agree(lambda x: x.transpose(0, 0, 1), x)
    agree(lambda x: x.transpose(0, 1), x)
    agree(lambda x: x.swapaxes(0, 3), x)
    agree(lambda x: (np.squeeze(x[:1]), x[:, :1].squeeze(1)), x, dynamic=False)
    agree(lambda x: (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1)), x, dynamic=False)


def test_broadcast_to():
    agree(lambda x: (np.broadcast_to(x, (2, 3)), np.broadcast_to(x, 3)), arr(3))
    agree(lambda x: np.broadcast_to(x, (2, 4)), arr(3), dynamic=False)
    agree(lambda x, y: np.broadcast_arrays(x, y), arr(3), arr(2, 1))
    agree(lambda x, n: np.broadcast_to(x, (n, 3)), arr(3), 2)


def test_joining():
    x, y = arr(2, 3), arr(2, 3) * 10
    agree(
        lambda x, y: (np.concatenate([x, y]), np.concatenate((x, y), axis=1), np.concatenate([x, y], axis=None)), x, y
    )
    agree(
        lambda x, y: (
            np.stack([x, y]),
            np.stack((x, y), axis=-1),
            np.hstack([x, y]),
            np.vstack([x, y]),
            np.dstack([x, y]),
        ),
        x,
        y,
    )
    agree(
        lambda x, y: (np.column_stack([x[0], y[0]]), np.hstack([x[0], y[1]]), np.append(x, y), np.append(x, y, axis=0)),
        x,
        y,
    )
    agree(lambda x, y: np.concatenate([x, y]), x, arr(2, 2))
    agree(lambda x, y: np.concatenate([x, y]), x, arr(3))
    agree(lambda x, y: np.stack([x, y]), x, arr(2, 2))
    agree(lambda x, y: (np.concatenate([x, y]), np.concatenate([x, y], dtype="f4")), x, arr(4, 3, dtype="i4"))
    agree(lambda: np.concatenate([]))


def test_splitting():
    agree(lambda x: (np.split(x, 3), np.split(x, [1, 4]), np.array_split(x, 4), np.hsplit(x, 2)), arr(6), dynamic=False)
    agree(lambda x: (np.split(x, 2, axis=1), np.vsplit(x, 2)), arr(2, 4), dynamic=False)
    agree(lambda x: np.split(x, 4), arr(6), dynamic=False)


def test_repeating_and_shifting():
    x = arr(2, 3)
    agree(lambda x: (np.repeat(x, 2), np.repeat(x, 3, axis=0), x.repeat(2, 1), np.tile(x, 2), np.tile(x, (2, 1, 3))), x)
    agree(lambda x: (np.roll(x, 1), np.roll(x, -2, axis=1), np.roll(x, 7, axis=0), np.roll(x, (1, 1), axis=(0, 1))), x)
    agree(lambda x, k: (np.roll(x, k), np.roll(x, -k, axis=1)), x, 2)
    agree(lambda x: (np.diff(x), np.diff(x, axis=0), np.diff(x, n=2), np.diff(x > 2)), x)


def test_diagonals():
    x = arr(3, 4)
    agree(lambda x: (np.diag(x), np.diag(x, 1), np.diag(x, -2), np.diag(x[0]), np.diag(x[0], 2), np.diag(x[0], -1)), x)
    agree(lambda x: (np.diagonal(x, 1), np.trace(x), x.trace(1), np.tril(x), np.triu(x, 1), np.diagflat(x[:1])), x)
    agree(lambda x: (np.diagonal(x), np.trace(x), np.diagonal(x, 0, 0, 2)), arr(2, 3, 2))
    agree(lambda x: np.fill_diagonal(x, 7), x)


def test_products():
    x, y, v = arr(2, 3), arr(3, 4), arr(3)
    agree(
        lambda x, y, v: (x @ y, x @ v, v @ y, v @ v, np.dot(x, y), x.dot(v), np.matmul(x, y), np.inner(v, v)), x, y, v
    )
    agree(
        lambda x, v: (
            np.outer(v, x),
            np.vdot(x, x),
            np.inner(x, x),
            np.dot(v, 2),
            np.kron(x, x),
            np.tensordot(x, x, 2),
        ),
        x,
        v,
    )
    agree(lambda x, y: (x @ y, np.dot(x, y[0])), arr(5, 2, 3), arr(5, 3, 2))
    agree(lambda x, y: np.dot(x, y), arr(2, 3, 4), arr(5, 4, 2))
    agree(lambda x, y: np.tensordot(x, y, ([0, 1], [1, 0])), arr(2, 3, 4), arr(3, 2))
    agree(lambda x, y: x @ y, arr(2, 3), arr(2, 3))
    agree(lambda x, y: x.dot(y), arr(2, 3), arr(2, 3))
    agree(lambda x, y: x @ y, arr(3), arr(2, 3))
    agree(lambda x, y: x @ y, arr(3), arr(2))
    agree(lambda x: x @ 2, arr(3))
    agree(lambda x, y: (x @ y, np.dot(x, y)), arr(2, 3, dtype="i4"), arr(3, 2, dtype="f4"))
    agree(lambda x: x @ x, numpy.array([[True, False], [True, True]]))
    agree(lambda x, y, z: np.matmul(x, y, out=z), x, y, numpy.zeros((2, 4)))
    agree(lambda x, y: np.cross(x, y), arr(2, 3), arr(2, 3)[::-1].copy(), dynamic=False)
    agree(lambda x: x.__imatmul__(x), arr(2, 2))


def test_choosing():
    x, m = arr(2, 3), arr(2, 3) % 2 == 0
    agree(lambda x, m: (np.where(m, x, 0), np.where(m, 1, x), np.where(x > 2, x, -x), np.where(m[0], x, x[0])), x, m)
    agree(lambda m: (np.where(m, 1, 2), np.where(m, np.float32(1), 2), np.where(m, True, False)), m)
    agree(lambda x, m: (np.where(m), np.nonzero(x > 3), np.flatnonzero(m), np.argwhere(m)), x, m)
    agree(
        lambda x, i: (np.take(x, i), np.take(x, i, axis=1), x.take(i, 1), np.take_along_axis(x, i[None] % 2, 0)),
        x,
        numpy.array([0, 2, 1]),
    )
    agree(lambda x, m: (np.extract(m, x), np.compress(m[0], x, axis=1), np.select([x < 2, x < 4], [x, -x], 9)), x, m)
    agree(lambda x, m: np.copyto(x, 5, where=m), x, m)
    agree(lambda x, i: np.put(x, i, -1.0), x, numpy.array([0, 4]))
    agree(lambda x, m: np.where(m, x, arr(4)), x, m, dynamic=False)
    for number in (300, -1, 2**62, 2**64):
        agree(lambda x: np.where(x > 1, x, number), arr(3, dtype="u1"))
    agree(lambda x, n: np.where(x > 1, n, x), arr(3, dtype="u1"), 255)
    agree(lambda x, n: np.where(x > 1, n, x), arr(3, dtype="u1"), 256)
    agree(lambda x: np.select([x > 1], [x], 300), arr(3, dtype="u1"))


def test_adding_at_indices():
    agree(lambda x, i, v: np.add.at(x, i, v), arr(4), numpy.array([0, 1, 0, -1]), arr(4))
    agree(lambda x, i: np.subtract.at(x, i, 1), arr(4), numpy.array([0, 0, 2]))
    agree(lambda x, i: np.add.at(x, (i, 0), 2.0), arr(3, 2), numpy.array([2, 2]))


def test_questions():
    x = arr(3)
    agree(lambda x: (np.isclose(x, x + 1e-9), np.allclose(x, x * 2), np.array_equal(x, x), np.iscomplexobj(x)), x)
    agree(lambda x: (np.isscalar(x[0]), np.result_type(x, 1.0), np.real(x), np.imag(x)), x)
    agree(lambda z: (np.real(z), z.imag, np.conj(z), np.angle(z), np.abs(z)), arr(3).astype("c16") * (1 - 2j))
    agree(lambda x: np.nan_to_num(x), numpy.array([1, numpy.nan, numpy.inf, -numpy.inf]))
    agree(lambda x: (np.polyval([1, 2, 3], x), np.trapezoid(x), np.trapezoid(x, dx=0.5)), x)


def test_methods():
    agree(
        lambda x: (x.item(), x.item(0), x.any(), x.fill(3), x.tolist(), x.conj() is x, x.copy("F")),
        arr(1, 1),
        dynamic=False,
    )
    agree(
        lambda x: (x.item(1, 2), x.item(-1), x.item((0, 1)), x.tolist(), x.nonzero(), x.flat[1]),
        arr(2, 3),
        dynamic=False,
    )
    agree(lambda x: x.item(), arr(2))
    agree(lambda x: (x.base is None, x[1:].base is x), arr(3))


def test_an_array_that_must_not_be_written():
    def program(x):
        y = x * 2
        y.setflags(write=False)
        y[0] = 1

    agree(program, arr(2))


# --- constants -----------------------------------------------------------------------------------------


def test_what_must_be_known_while_tracing():
    for use in (lambda x, n: x.sum(axis=n), lambda x, n: np.round(x, n), lambda x, n: np.expand_dims(x, n)):
        with pytest.raises(NeedsConcrete):
            traced(use, arr(3), 0)


def test_functions_of_constants_are_computed_at_once():
    def program(x):
        a = np.sqrt(2.0)
        assert type(a) is numpy.float64
        table = np.sin(np.array([0.0, 1.0]))
        table[0] = x[0]
        return table * a, np.prod((2, 3)), np.float32(1.5)

    agree(program, arr(3))
