"""Overflow predicates with a constant operand: exact at every boundary."""

from __future__ import annotations

import numpy as np
import pytest

from tests.codegen.native import Native, build
from tracejit.ops import elementwise

LOW, HIGH = -(2**63), 2**63 - 1
CONSTANTS = [0, 1, -1, 2, 3, -3, 10, 7, LOW, HIGH, LOW + 1, 2**62, -(2**62), 2**32]


@pytest.mark.parametrize("name", ["add", "sub", "mul"])
@pytest.mark.parametrize("first", [False, True])
def test_constant_operands(name: str, first: bool) -> None:
    apply = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b}[name]
    primitive = getattr(elementwise, f"{name}_overflows")

    def write(b, x):
        results = []
        for c in CONSTANTS:
            k = b.const(c, np.int64)
            results.append(b.apply(primitive, *((k, x) if first else (x, k))))
        return results

    native = Native(build([np.int64], write))
    xs = {LOW, HIGH, 0, 1, -1}
    for c in CONSTANTS:
        for edge in (LOW, HIGH):
            near = [edge - c, edge + c, c - edge]
            if c:
                near += [edge // c, -(-edge // c)]
            xs |= {n + d for n in near for d in (-1, 0, 1) if LOW <= n + d <= HIGH}
    for x in sorted(xs):
        got = [bool(r) for r in native(x)]
        want = [not LOW <= (apply(c, x) if first else apply(x, c)) <= HIGH for c in CONSTANTS]
        assert got == want, (name, x)
