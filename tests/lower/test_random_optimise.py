"""Random programs mean the same after every pass, in several orders."""

from __future__ import annotations

import pytest

from tests.lower.programs import Generator, arguments, outcome
from tracejit.ir.text import parse_function, print_function
from tracejit.ir.verify import verify
from tracejit.lower import checks, dce, hoist, overflow, recurrences, share, simplify, versions
from tracejit.ops import REGISTRY, control

PASSES = {
    "simplify": simplify.run,
    "flatten": simplify.flatten,
    "share": share.run,
    "checks": checks.run,
    "hoist": hoist.run,
    "overflow": overflow.run,
    "versions": versions.run,
    "dce": dce.run,
    "recurrences": recurrences.run,
}
ORDERS = [
    [
        "simplify",
        "share",
        "checks",
        "flatten",
        "hoist",
        "overflow",
        "versions",
        "simplify",
        "share",
        "dce",
        "recurrences",
    ],
    ["checks"],
    ["versions", "dce"],
    ["recurrences", "hoist", "checks", "hoist"],
    ["flatten", "checks", "dce"],
    ["dce", "share", "simplify"],
    ["checks", "simplify", "checks", "hoist", "simplify"],
]


@pytest.mark.parametrize("part", range(8))
def test_random_programs(part: int) -> None:
    agree(range(30 * part, 30 * (part + 1)))


@pytest.mark.parametrize("seed", [9486, 11496, 11870])
def test_programs_that_were_changed(seed: int) -> None:
    """A load in an arm that nothing uses; versions of a loop that depend on what a loop with versions computes."""
    agree(range(seed, seed + 1))


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(100))
def test_many_random_programs(part: int) -> None:
    agree(range(1000 + 200 * part, 1000 + 200 * (part + 1)))


def agree(seeds: range) -> None:
    for seed in seeds:
        function = Generator(seed).function()
        inputs = [arguments(seed * 7 + k) for k in range(3)]
        text = print_function(function)
        before = [outcome(function, args) for args in inputs]
        order = ORDERS[seed % len(ORDERS)] if seed % 2 else ORDERS[0]
        try:
            verify(function)
            assert print_function(parse_function(text, REGISTRY, {"Slot": control.Slot})) == text
            for name in order:
                PASSES[name](function)
                verify(function)
                for args, expected in zip(inputs, before):
                    assert outcome(function, args) == expected, (name, args)
        except Exception as error:
            error.add_note(f"seed {seed}, {order}\n{text}")
            raise
