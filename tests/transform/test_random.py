"""Random programs: reverse = forward = differences where these exist, in all compositions."""

from __future__ import annotations

import pytest

from tests.transform.checking import check
from tests.transform.generate import Generator


def compare(seed: int, order: int, budget: int, depth: int) -> None:
    generator = Generator(seed, budget, depth)
    function = generator.function()
    try:
        check(function, *generator.arguments(seed), order=order, seed=seed, numerical="where smooth", tolerance=1e-4)
    except Exception as e:
        e.add_note(f"seed {seed}\n{function}")
        raise


@pytest.mark.parametrize("seed", range(80))
def test_first_derivatives(seed: int) -> None:
    compare(seed, 1, 12, 3)


@pytest.mark.parametrize("seed", range(100, 115))
def test_second_derivatives(seed: int) -> None:
    compare(seed, 2, 6, 2)


@pytest.mark.parametrize("seed", range(200, 204))
def test_third_derivatives(seed: int) -> None:
    compare(seed, 3, 3, 2)


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(20))
def test_many(block: int) -> None:
    for seed in range(1000 + 100 * block, 1100 + 100 * block):
        compare(seed, 1 if seed % 5 else 2, 12 if seed % 5 else 6, 3 if seed % 5 else 2)
