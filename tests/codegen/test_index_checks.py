"""The check of an index and its normalisation, fused: every index from below the range to above it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.codegen.native import Native, build
from tracejit.ops import elementwise as e


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("run_time", [True, False])
@pytest.mark.parametrize("negative", ["neg", "sub"])
def test_indices(upper: bool, run_time: bool, negative: str) -> None:
    def write(b, x, i, size):
        n = size if run_time else b.const(4, np.int64)
        zero = b.const(0, np.int64)
        if not run_time:
            least = b.const(-4, np.int64)
        else:
            least = b.apply(e.neg, n) if negative == "neg" else b.apply(e.sub, zero, n)
        ok = b.apply(e.ge, i, least)
        if upper:
            ok = b.apply(e.and_, b.apply(e.lt, i, n), ok)
        b.check(ok, IndexError, ("index {0} is out of bounds for axis 0 with size {1}",), (i, n))
        at = b.apply(e.select, b.apply(e.lt, i, zero), b.apply(e.add, i, n), i)
        return [b.load(x, at), at]

    native = Native(build([(np.float64,), np.int64, np.int64], write))
    x = np.arange(10.0, 20.0)
    for i in (*range(-7, 7 if upper else 4), -(2**63), 2**63 - 1 if upper else 3):
        if -4 <= i < 4:
            assert [float(v) for v in native(x, i, 4)] == [x[:4][i], i % 4]
        else:
            with pytest.raises(IndexError, match=f"index {i} is out of bounds for axis 0 with size 4"):
                native(x, i, 4)
