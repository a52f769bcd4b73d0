"""Random programs of branches, loops, jumps and stores whose lanes part ways: what Python does lane by lane."""

from __future__ import annotations

import linecache
import re
from typing import Any

import numpy as np
import pytest

import tracejit as tj
from tests.trace.test_random_programs import TooLong, Writer, at_most

LANES = 11


def function(seed: int) -> tuple[Any, str]:
    """A program that gives the same structure on every path."""
    text = re.sub(r"return .*", "return a, b, c, p, q, x, y", Writer(seed).program())
    name = f"<random lanes {seed}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    namespace: dict[str, Any] = {"np": np, "__name__": "random_program"}
    exec(compile(text, name, "exec"), namespace)
    return namespace["f"], text


def arguments(seed: int) -> list[np.ndarray]:
    r = np.random.default_rng(seed)
    return [
        r.integers(-3, 8, LANES),
        r.integers(-3, 12, LANES),
        r.uniform(-1, 2, (LANES, 5)),
        r.uniform(-1, 2, (LANES, 5)),
    ]


def plainly(f: Any, given: list[np.ndarray]) -> tuple[list[Any], set[type[BaseException]]]:
    """The results of the lanes, and the exceptions that lanes raise."""
    outputs, errors = [], set()
    for lane in zip(*given):
        try:
            # copies: results are to be what they are when the lane is done
            outputs.append([np.array(part) for part in f(*lane)])
        except Exception as error:
            errors.add(type(error))
    return outputs, errors


def compare(seed: int) -> bool:
    """Whether the program could be compared."""
    f, text = function(seed)
    plain, compiled = arguments(seed), arguments(seed)
    try:
        with at_most(5), np.errstate(all="ignore"):
            outputs, errors = plainly(f, plain)
    except TooLong:
        return False
    try:
        with at_most(60):
            got = tj.vmap(f)(*compiled)
    except TooLong:  # choices between arrays that are choices take tracing exponentially long
        return False
    except tj.TracejitError as refused:
        assert not isinstance(refused, tj.errors.BatchError), text
        return False
    except Exception as error:
        if isinstance(error, OverflowError):  # an int left 64 bits
            return False
        assert type(error) in errors, f"{text}\nraises {error!r}"
        return True
    assert not errors, f"{text}\nshould raise {errors}"
    for k, (x, column) in enumerate(zip(got, zip(*outputs), strict=True)):
        want = np.stack(column)
        np.testing.assert_allclose(x, want, 1e-9, equal_nan=True, err_msg=f"result {k} of\n{text}")
    for x, y in zip(compiled, plain):
        np.testing.assert_allclose(x, y, 1e-9, equal_nan=True, err_msg=f"an argument of\n{text}")
    return True


def test_some() -> None:
    assert sum(compare(seed) for seed in range(40)) > 20


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(20))
def test_many(block: int) -> None:
    for seed in range(1000 + 100 * block, 1100 + 100 * block):
        compare(seed)
