"""The choice of what to store, against trying everything."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from tracejit.transform.mincut import minimum_cut


def obtainable(v: int, operands: dict[int, list[int] | None], stored: set[int]) -> bool:
    found = operands[v]
    return v in stored or (found is not None and all(obtainable(x, operands, stored) for x in found))


@pytest.mark.parametrize("seed", range(200))
def test_no_choice_is_cheaper(seed: int) -> None:
    r = random.Random(seed)
    n = r.randint(1, 8)
    operands: dict[int, list[int] | None] = {
        v: None if r.random() < 0.3 else sorted(r.sample(range(v), min(v, r.randint(0, 3)))) for v in range(n)
    }
    cost = {v: r.choice([1, 1, 2, 5, 8]) for v in range(n)}
    needed = r.sample(range(n), r.randint(1, n))
    stored, computed = minimum_cut(needed, operands.__getitem__, cost.__getitem__)
    assert all(obtainable(v, operands, set(stored)) for v in needed)
    assert set(needed) <= {*stored, *computed}
    for v in computed:
        assert all(x in stored or x in computed for x in operands[v] or ())
    best = min(
        sum(cost[v] for v in chosen)
        for k in range(n + 1)
        for chosen in combinations(range(n), k)
        if all(obtainable(v, operands, set(chosen)) for v in needed)
    )
    assert sum(cost[v] for v in stored) == best


def test_ties_are_settled_near_to_what_is_needed() -> None:
    operands: dict[str, list[str] | None] = {"x": None, "y": ["x"], "z": ["y"]}
    assert minimum_cut(["z"], operands.__getitem__, lambda v: 8) == (["z"], [])
    assert minimum_cut(["y", "z"], operands.__getitem__, lambda v: 8) == (["y"], ["z"])
