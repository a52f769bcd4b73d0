"""Boxes: views write through, reshape is a view exactly where it is in NumPy, choices, identity, in-place operators."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracejit.errors import CaptureError, UnsupportedError
from tracejit.ir.core import Block, Function
from tracejit.ir.types import INT64, ArrayType
from tracejit.ops.interpret import interpret
from tracejit.trace.boxes import ArrayTracer, ChoiceTracer, box_of
from tracejit.trace.context import Context

from .run import Dynamic, Numpy, outcome, traced
from .test_indexing import agree, arr

tnp = Numpy()


# --- views ------------------------------------------------------------------------------------------

STEPS = [
    ("T", lambda a: a.T),
    ("[1:]", lambda a: a[1:]),
    ("[:, ::2]", lambda a: a[:, ::2] if a.ndim > 1 else a[::2]),
    ("[::-1]", lambda a: a[::-1]),
    ("[None]", lambda a: a[None]),
    ("reshape(-1)", lambda a: a.reshape(-1)),
    ("reshape(2, -1)", lambda a: a.reshape(2, -1)),
    ("reshape(-1, 2, 1)", lambda a: a.reshape(-1, 2, 1)),
    ("reshape F", lambda a: a.reshape((-1, 2), order="F")),
    ("ravel", lambda a: a.ravel()),
    ("swapaxes", lambda a: a.swapaxes(0, -1)),
    ("squeeze", lambda a: a.squeeze()),
    ("+ 0", lambda a: a + 0),
    ("copy", lambda a: a.copy()),
    ("copy K", lambda a: np.copy(a)),
    ("astype", lambda a: a.astype("f4").astype("f8")),
    ("ascontiguousarray", lambda a: tnp.ascontiguousarray(a)),
    ("[[0, 1]]", lambda a: a[:, [0, 1]] if a.ndim > 1 and a.shape[1] > 1 else a),
    ("zeros_like", lambda a: np.zeros_like(a) + a),
    ("flip", lambda a: np.flip(a)),
    ("moveaxis", lambda a: np.moveaxis(a, 0, -1)),
    ("where", lambda a: np.where(a > 0, a, 1.0)),
]


@given(
    st.sampled_from([(4, 6), (4, 4, 2), (8,), (2, 1, 6), (1, 4), (4, 1)]),
    st.lists(st.sampled_from(STEPS), min_size=1, max_size=4),
    st.sampled_from("CF"),
)
@settings(max_examples=400, deadline=None)
def test_writes_reach_exactly_the_arrays_that_share_memory(shape, steps, order):
    """A chain of views and copies, a write at each end: NumPy's memory layout decides who sees it."""

    def program(x):
        stages = [x.copy(order=order)]
        for _, step in steps:
            stages.append(step(stages[-1]))
        stages[-1][...] = stages[-1] * 2
        stages[0][...] += 100
        return tuple(stages)

    agree(program, arr(*shape), dynamic=False)


@pytest.mark.parametrize("name, step", STEPS, ids=[name for name, _ in STEPS])
def test_views_of_run_time_shapes(name, step):
    """Where the layout is not settled, writing is refused; nothing is ever silently different."""

    def program(x):
        y = step(x)
        y[...] = y * 2
        return y.shape

    plain = arr(4, 6)
    want = outcome(program, plain)
    other = arr(4, 6)
    kind, got, _ = outcome(traced, program, Dynamic(other))
    if kind == "error":
        assert issubclass(got, CaptureError)
    else:
        assert got == want[1]
        np.testing.assert_array_equal(plain, other)


def test_reshape_of_an_unknown_layout_can_be_read():
    def program(x):
        return x.T.reshape(-1) + 1, x.T.ravel()

    agree(program, arr(3, 4))


def test_real_and_imaginary_parts_are_views():
    def program(z):
        z.real[1:] = 7
        z.imag *= 2
        z.T.real = -1.0
        return z.real, z.imag

    agree(program, arr(4).astype("c16") * (1 + 2j))
    agree(lambda x: (x.real, x.imag), arr(3))


def test_read_only_views():
    for make in (lambda x: np.broadcast_to(x, (2, 3)), lambda x: np.diagonal(np.outer(x, x))):
        assert outcome(traced, lambda x: make(x).__setitem__(0, 1.0), arr(3))[1:] == (
            ValueError, "assignment destination is read-only")  # fmt: skip


def test_shape_attributes():
    agree(
        lambda x: (x.shape, x.ndim, x.size, len(x), x.itemsize, x.nbytes, x.dtype == np.float64),
        arr(3, 4),
        dynamic=False,
    )
    x = Dynamic(arr(3, 4))
    assert traced(lambda x: (x.shape[0], x.size, x.nbytes), x) == (3, 12, 96)
    assert outcome(traced, lambda x: len(x), np.array(1.0))[1] is TypeError


def test_rows_are_views():
    def program(x):
        for row in x:
            row += 1
        a, b = x
        a[0] = b[1]
        return [v for v in x[0]]

    agree(program, arr(2, 3), dynamic=False)


# --- operators ----------------------------------------------------------------------------------------

IN_PLACE = [operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ifloordiv, operator.imod,
            operator.ipow, operator.ilshift, operator.irshift, operator.iand, operator.ior, operator.ixor]  # fmt: skip


@pytest.mark.parametrize("op", IN_PLACE, ids=lambda f: f.__name__)
def test_in_place_operators_keep_the_array(op):
    operands = [2, 2.5, True, np.float32(1.5), np.int8(3), arr(3, dtype="i4"), arr(3), arr(2, 3), arr(2), 300, -1]
    for dtype in ("i8", "u1", "f4", "f8", "?"):
        for other in operands:

            def program(x, y):
                same = x
                view = x[1:]
                x = op(x, y)
                return same is x, view, x

            agree(program, arr(3, dtype=dtype), other)


def test_comparison_with_none_and_text():
    agree(lambda x: (x == None, x != None), arr(2))  # noqa: E711


def test_operators_with_lists_and_scalars_on_the_left():
    agree(lambda x: ([1, 2, 3] + x, 2 - x, np.float32(2) * x, 7 // x, 2**x, np.arange(3) @ x), arr(3), dynamic=False)


# --- choices --------------------------------------------------------------------------------------------


def run_choice(program, which, *arrays):
    context = Context(Block())
    with context:
        selector = context.blocks[0].add_param(ArrayType(INT64))
        boxes = [ArrayTracer(context.blocks[0].add_param(ArrayType(a.dtype, a.shape))) for a in arrays]
        result = program(selector, *boxes)
        context.builder.return_(*(b.read() for b in [*boxes, *result]))
    return interpret(Function("f", context.blocks[0]), [np.asarray(which), *arrays])


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_write_goes_to_the_chosen_array(which):
    def program(selector, a, b, c):
        chosen = ChoiceTracer(selector, [a, b[:3], c])
        chosen[1:] *= 10
        chosen[0] = chosen[2] + a[0]
        part = chosen[::2]
        part[...] += 1
        return [chosen, part]

    arrays = [arr(3), arr(5) * 2, arr(3) * 3]
    want = [a.copy() for a in arrays]
    chosen = [want[0], want[1][:3], want[2]][which]
    chosen[1:] *= 10
    chosen[0] = chosen[2] + want[0][0]
    chosen[::2] += 1
    for w, g in zip([*want, chosen, chosen[::2]], run_choice(program, which, *arrays)):
        np.testing.assert_array_equal(w, g)


@pytest.mark.parametrize("which", [0, 1])
def test_a_choice_between_parts_of_one_array(which):
    def program(selector, a):
        chosen = ChoiceTracer(selector, [a[:2], a[1:]])
        chosen[0] = 9.0
        again = ChoiceTracer(selector, [chosen, a[:2]])
        again[-1] = 8.0
        return [again]

    a = arr(3)
    want = a.copy()
    first = [want[:2], want[1:]][which]
    first[0] = 9.0
    [first, want[:2]][which][-1] = 8.0
    np.testing.assert_array_equal(want, run_choice(program, which, a)[0])


@pytest.mark.parametrize("which", [0, 1])
def test_a_choice_between_lengths(which):
    def program(selector, a, b):
        chosen = ChoiceTracer(selector, [a, b])
        chosen[-1] = 5.0
        return [chosen * 2]

    arrays = [arr(3), arr(5)]
    want = [a.copy() for a in arrays]
    want[which][-1] = 5.0
    for w, g in zip([*want, want[which] * 2], run_choice(program, which, *arrays)):
        np.testing.assert_array_equal(w, g)


# --- concrete arrays ---------------------------------------------------------------------------------------


def test_a_concrete_array_becomes_one_constant():
    table = np.array([1.0, 2.0, 3.0])

    def program(x):
        assert box_of(table) is box_of(table)
        return x + table, table * x, np.dot(table, x)

    agree(lambda x: (x + table, table * x, np.dot(table, x)), arr(3))
    traced(program, arr(3))


def test_what_is_not_supported_says_so():
    for use, name in [(lambda x: x.partition(1), "ndarray.partition"), (lambda x: np.fft.fft(x), "np.fft.fft"),
                      (lambda x: np.linalg.svd(x), "np.linalg.svd"),
                      (lambda x: np.partition(x, 1), "np.partition")]:  # fmt: skip
        with pytest.raises(UnsupportedError, match=name):
            traced(use, arr(3))
    assert outcome(traced, lambda x: x.foo, arr(3))[2] == "'numpy.ndarray' object has no attribute 'foo'"
    assert outcome(traced, hash, arr(3))[1] is TypeError
