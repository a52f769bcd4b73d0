"""Whether two arguments are one array is part of the signature wherever the program looks."""

from __future__ import annotations

import numpy as np

import tracejit as tj


def told_apart(a, b):
    return "same" if a is b else "different"


def not_told_apart(a, b):
    return "different" if a is not b else "same"


def test_the_same_array_given_twice() -> None:
    x, y = np.ones(3), np.ones(3)
    for function in (told_apart, not_told_apart):
        f = tj.jit(function)
        for a, b in ((x, y), (x, x), (y, x), (y, y), (x, y)):
            assert f(a, b) == function(a, b)
