"""Index arithmetic: what folds, is shared and is proved, and that facts hold only where they were established."""

from __future__ import annotations

import numpy as np
import pytest

from tracejit.ir.core import Block
from tracejit.ir.types import INT64, ArrayType
from tracejit.ops import elementwise as E
from tracejit.trace import dims
from tracejit.trace.context import Context
from tracejit.trace.scalars import ScalarTracer, numpy_scalar
from tracejit.trace.tracer import PY_INT

from .run import outcome, traced
from .test_indexing import agree, arr


@pytest.fixture
def context():
    with Context(Block()) as c:
        yield c


def index(context, nonnegative=False):
    value = context.blocks[0].add_param(ArrayType(INT64))
    if nonnegative:
        context.nonnegative.add(value)
    return value


def test_folding(context):
    n, m = index(context), index(context)
    assert dims.add(2, 3) == 5
    assert dims.sub(dims.add(n, 4), dims.sub(n, -1)) == 3
    assert dims.sub(dims.add(n, m), m) is n
    assert dims.mul(n, 0) == 0
    assert dims.add(n, m) is dims.add(m, n)
    assert dims.equal(dims.mul(dims.add(n, 1), 2), dims.add(dims.add(n, n), 2))
    assert not dims.equal(n, m)
    assert dims.eq(n, dims.add(n, 1)) is False


def test_minimum_and_maximum(context):
    n, k = index(context, nonnegative=True), index(context)
    assert dims.maximum(n, 0) is n
    assert dims.minimum(dims.sub(n, 1), n) is dims.sub(n, 1)
    assert dims.maximum(k, 0) is not k
    assert dims.equal(dims.maximum(dims.sub(n, 1), 0), dims.maximum(0, dims.sub(n, 1)))
    assert dims.nonnegative(dims.maximum(k, 0))
    assert dims.lt(dims.add(n, 2), 0) is False


def test_lengths_of_slices_of_slices(context):
    n, m = index(context, nonnegative=True), index(context)
    inner = dims.maximum(dims.sub(dims.maximum(dims.sub(n, 1), 0), 1), 0)  # of x[1:-1]
    assert inner is dims.maximum(dims.sub(n, 2), 0)  # of x[2:]
    assert dims.equal(dims.minimum(dims.add(dims.minimum(m, n), 3), 4), dims.minimum(dims.add(m, 3), 4)) is False
    assert dims.equal(dims.minimum(dims.add(dims.minimum(m, 5), 3), 4), dims.minimum(dims.add(m, 3), 4))


def test_what_is_proved_equal_is_equal(context):
    """Random expressions: those of equal forms have equal values at every argument."""
    rng = np.random.default_rng(0)
    n, m = index(context, nonnegative=True), index(context)
    proved = 0
    for _ in range(60):
        known = {}
        for _ in range(40):
            x, f = [(n, lambda n, m: n), (m, lambda n, m: m)][rng.integers(2)]
            for _ in range(rng.integers(1, 6)):
                c = int(rng.integers(-2, 3))
                match rng.integers(4):
                    case 0:
                        x, f = dims.add(x, c), lambda n, m, f=f, c=c: f(n, m) + c
                    case 1:
                        x, f = dims.maximum(x, c), lambda n, m, f=f, c=c: max(f(n, m), c)
                    case 2:
                        x, f = dims.minimum(x, c), lambda n, m, f=f, c=c: min(f(n, m), c)
                    case 3:
                        x, f = dims.maximum(x, dims.add(m, c)), lambda n, m, f=f, c=c: max(f(n, m), m + c)
            values = [f(a, b) for a in range(6) for b in range(-6, 7)]
            form = dims.form(x)
            if form in known:
                proved += 1
                assert known[form] == values
            known[form] = values
    assert proved > 100


def test_values_are_shared_only_where_they_are_in_scope(context):
    n = index(context)
    inner = Block()
    with context.region(inner):
        inside = dims.add(n, 1)
    outside = dims.add(n, 1)
    assert inside is not outside and inside.block is inner
    with context.region(Block()):
        assert dims.add(n, 1) is outside


def test_a_fact_holds_where_it_was_checked(context):
    n = index(context)
    with context.region(Block()):
        context.assume_nonnegative(n)
        assert dims.nonnegative(n)
        with context.region(Block()):
            assert dims.nonnegative(n)
    assert not dims.nonnegative(n)


def test_a_fact_goes_with_its_check(context):
    n = index(context)
    b = context.builder
    b.check(b.apply(E.ge, n, b.index(0)), ValueError, ("negative",))
    context.assume_nonnegative(n)
    assert dims.nonnegative(n)
    del b.block.ops[-1]
    assert not dims.nonnegative(n)


def test_what_may_wrap_around_proves_nothing(context):
    n = index(context, nonnegative=True)
    python = ScalarTracer(n, (PY_INT,))
    assert dims.nonnegative((python + 1).value)
    assert dims.nonnegative((python * python).value)
    numpy = numpy_scalar(n)
    assert not dims.nonnegative((numpy + np.int64(1)).value)
    assert not dims.nonnegative((numpy * numpy).value)


def test_indices_that_wrap_around():
    huge = np.int64(2**62)
    agree(lambda x, i: x[i + i], arr(4), huge)
    agree(lambda x, i: x[np.uint64(3) - i], arr(4), np.uint64(4))
    assert outcome(traced, lambda x, i: x[i + i], arr(4), 2**62)[1] is OverflowError


def test_constants_beyond_64_bits():
    for i in (2**70, -(2**70), 2**63, 2**63 - 1, -(2**63)):
        agree(lambda x: (x[i:], x[:i], x[::i], x[-i:i]), arr(5))
    for i in (2**70, -(2**70)):
        agree(lambda x: x[i], arr(5))
        agree(lambda x, k: x[k, i], arr(5, 2), 1)


def test_huge_steps_and_bounds():
    for s in (2**63 - 1, -(2**63), 2**62, -(2**62)):
        agree(lambda x, s: (x[::s], x[1::s], x[:s], x[s:]), arr(5), s)
