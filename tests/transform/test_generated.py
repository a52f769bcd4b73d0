"""Random programs, as a NumPy user might write them, are differentiated: those of tests/differential, with nested
control flow, writes into arrays and views of them.

A few hundred by default, always the same; 2,000 with `TRACEJIT_NIGHTLY=1`. `TRACEJIT_SEED` gives other programs.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, seed

from tests.differential.generate import Program, programs
from tests.differential.harness import count_calls, make_call, observe
from tests.differential.test_generated import NIGHTLY, SEED, quiet
from tests.transform.agreement import differentiate

SHARDS = 20 if NIGHTLY else 4
ROUNDS = 5 if NIGHTLY else 3  # a fresh start gives more variety
EXAMPLES = 20


def compare(program: Program) -> int:
    """How many calls of a program have a derivative."""
    count = 0
    for k in range(count_calls(program.inputs)):
        if observe(program.fn, make_call(program.inputs, k), program.fn).error is None:
            count += differentiate(program.fn, make_call(program.inputs, k), repr(program), (OverflowError,))
    return count


@pytest.mark.parametrize("shard", range(SHARDS))
def test_generated_programs(shard: int) -> None:
    counts: list[int] = []
    for number in range(ROUNDS):

        @seed((SEED * SHARDS + shard) * ROUNDS + number)
        @quiet(EXAMPLES)
        @given(programs())
        def run(program: Program) -> None:
            with np.errstate(all="ignore"):
                counts.append(compare(program))

        run()
    assert sum(count > 0 for count in counts) > len(counts) / 6
