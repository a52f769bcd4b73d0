"""A check whose condition is "cannot overflow, or does not matter": the second half is looked at only when needed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.codegen.native import Native, build
from tracejit.ops import elementwise

LOW, HIGH = -(2**63), 2**63 - 1


@pytest.mark.parametrize("kind", ["predicate", "bounds"])
def test_all_four_outcomes(kind: str) -> None:
    def write(b, x, excuse):
        if kind == "predicate":
            ok = b.apply(elementwise.not_, b.apply(elementwise.mul_overflows, x, b.const(3, np.int64)))
        else:
            low, high = (b.const(v, np.int64) for v in (-(2**63 // 3), 2**63 // 3))
            ok = b.apply(elementwise.and_, b.apply(elementwise.ge, x, low), b.apply(elementwise.le, x, high))
        b.check(b.apply(elementwise.or_, excuse, ok), OverflowError, ("too large",))
        return [b.apply(elementwise.mul, x, b.const(3, np.int64))]

    native = Native(build([np.int64, np.bool_], write))
    for x in (0, 5, -5, HIGH // 3, HIGH // 3 + 1, HIGH, LOW):
        fits = LOW <= 3 * x <= HIGH
        for excuse in (True, False):
            if fits or excuse:
                assert int(native(x, excuse)[0]) == (3 * x - LOW) % 2**64 + LOW
            else:
                with pytest.raises(OverflowError, match="too large"):
                    native(x, excuse)
