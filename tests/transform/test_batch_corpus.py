"""Every program of the repository, for many lanes at once: what a loop over the lanes gives."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.differential.harness import Call
from tests.trace.call import Traced
from tests.transform.batching import check
from tests.transform.test_corpus import CORPUS, NOT_DESCRIBED, SMALLER, calls
from tracejit.demos import PROGRAMS, Program
from tracejit.errors import TracejitError

NIGHTLY = os.environ.get("TRACEJIT_NIGHTLY", "") not in ("", "0")


def varied(x: Any, lane: int, r: random.Random) -> Any:
    """What another lane has in the place of ``x``: floats are a little different, arrays of them in another order."""
    x = np.asarray(x)
    if x.dtype.kind not in "fc" or not lane:
        return x
    x = (x * x.dtype.type(1 + lane / 16)).astype(x.dtype)
    return np.roll(x, lane) if x.ndim and r.random() < 0.5 else x


def mapped(function: Callable[..., Any], call: Call, name: str, allow: tuple[type[BaseException], ...]) -> bool:
    """Compare one call in three lanes; False when it cannot be traced."""
    try:
        program, arguments = Traced(function).program(*call.args, **call.kwargs)
    except (TracejitError, *allow):
        return False
    r = random.Random(name)
    whole = program.function
    dims = {d for p in whole.params for d in p.shape}
    axes: list[int | None] = []
    for k, p in enumerate(whole.params):
        axes.append(None if p in dims else r.choice([None, 0, p.rank]) if k not in whole.meta["mutated"] else 0)
    places = [k for k, p in enumerate(whole.params) if p not in dims]
    if not places:
        return False
    if all(a is None for a in axes):
        axes[r.choice(places)] = 0
    lanes = [[varied(x, lane, r) if a is not None else x for x, a in zip(arguments, axes)] for lane in range(3)]
    check(whole, lanes, axes, tolerance=1e-6, strict=False)
    return True


def map_case(name: str, every_call: bool) -> int:
    case, count = CORPUS[name], 0
    for call in calls(name):
        count += mapped(case.fn, call, name, (*case.rules.allow, *call.allow))
        if count and not every_call:
            break
    return count


def test_most_of_the_corpus_is_mapped() -> None:
    names = sorted(CORPUS.keys() - NOT_DESCRIBED)[::7]
    assert sum(map_case(name, False) for name in names) > len(names) / 2


@pytest.mark.parametrize("name", sorted(CORPUS.keys() - NOT_DESCRIBED)[:: 1 if NIGHTLY else 3])
def test_corpus(name: str) -> None:
    map_case(name, NIGHTLY)


@pytest.mark.parametrize("demo", PROGRAMS, ids=lambda p: p.name)
def test_demos(demo: Program) -> None:
    arguments = SMALLER.get(demo.name, lambda a: a)(demo.make_inputs("tiny", 0))
    assert mapped(demo.function, Call(*arguments), demo.name, ())
