"""The demo programs in several lanes, compiled: what plain Python gives lane by lane."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import tracejit as tj
from tests.transform.test_batch_corpus import varied
from tests.transform.test_corpus import SMALLER
from tracejit.demos import PROGRAMS, Program

LANES = 5


def copies(arguments: list[Any]) -> list[Any]:
    return [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]


@pytest.mark.parametrize("demo", PROGRAMS, ids=lambda p: p.name)
def test_demo(demo: Program) -> None:
    r = random.Random(demo.name)
    given = SMALLER.get(demo.name, lambda a: a)(demo.make_inputs("tiny", 0))
    axes: list[int | None] = [0 if isinstance(a, (np.ndarray, float)) else None for a in given]
    if all(a is None for a in axes):
        axes[0] = 0
    arguments = [
        a if axis is None else np.stack([varied(a, lane, r) for lane in range(LANES)]) for a, axis in zip(given, axes)
    ]
    plain, compiled = copies(arguments), copies(arguments)
    with np.errstate(all="ignore"):
        outputs = [
            demo.function(*(a if axis is None else a[lane] for a, axis in zip(plain, axes))) for lane in range(LANES)
        ]
    got = tj.vmap(demo.function, tuple(axes))(*compiled)
    tolerance = max(demo.tolerance * 10, 1e-12)
    if outputs[0] is not None:
        columns = list(zip(*outputs)) if isinstance(outputs[0], tuple) else [outputs]
        for x, column in zip(got if isinstance(got, tuple) else (got,), columns, strict=True):
            np.testing.assert_allclose(x, np.stack(column), tolerance, tolerance)
    for x, y in zip(compiled, plain):
        if isinstance(y, np.ndarray):
            np.testing.assert_allclose(x, y, tolerance, tolerance, err_msg="an argument")
