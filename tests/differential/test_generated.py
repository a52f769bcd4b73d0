"""Random programs under `jit` behave as in plain Python.

Where the compiler refuses a program, it says so with an error of its own; that must be rare.

40 programs by default, always the same; 10,000 with `TRACEJIT_NIGHTLY=1`. `TRACEJIT_SEED` gives other programs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from tracejit.errors import TracejitError

from . import isolate
from .compare import Policy
from .generate import Program, programs
from .harness import Difference, Rules, check, count_calls, identity_jit, make_call, observe

NIGHTLY = os.environ.get("TRACEJIT_NIGHTLY", "") not in ("", "0")
SEED = int(os.environ.get("TRACEJIT_SEED", "0"))
SHARDS = 20 if NIGHTLY else 4  # tests, for machines with several cores
ROUNDS = 50 if NIGHTLY else 1  # Hypothesis varies what it has tried already: a fresh start gives more variety
EXAMPLES = 10
RULES = Rules(Policy(atol=1e-9, rtol=1e-9), allow=(TracejitError,))


def quiet(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
    )


def compare(program: Program, jit: Callable[..., Any]) -> str:
    """Check a program; the reason, where it was refused on some of its calls."""

    def body() -> str:
        try:
            return "\n".join(check(program.fn, program.inputs, jit=jit, rules=RULES)[:1])
        except Difference as error:
            raise Difference(f"{error}\n{program!r}") from None

    if not isolate.ENABLED:
        return body()
    try:
        return isolate.run(body)
    except isolate.Crash as error:
        raise isolate.Crash(f"{error}\n{program!r}") from None


@pytest.mark.parametrize("shard", range(SHARDS))
def test_generated_programs(shard: int, jit: Callable[..., Any]) -> None:
    refused = []
    for number in range(ROUNDS):

        @seed((SEED * SHARDS + shard) * ROUNDS + number)
        @quiet(EXAMPLES)
        @given(programs())
        def run(program: Program) -> None:
            reason = compare(program, jit)
            if reason:
                refused.append(f"{reason}\n{program!r}")

        run()
    # An error is better than another answer, but it must stay rare: these programs keep to what is supported.
    assert len(refused) <= 2 + ROUNDS * EXAMPLES // 20, "\n".join(refused)


def test_generated_programs_are_valid_and_varied() -> None:
    outcomes: dict[str, int] = {}
    sources = []

    @seed(SEED)
    @quiet(150)
    @given(programs())
    def run(program: Program) -> None:
        compare(program, identity_jit)
        sources.append(program.source)
        for index in range(count_calls(program.inputs)):
            error = observe(program.fn, make_call(program.inputs, index), program.fn).error
            name = "returns" if error is None else type(error).__name__
            outcomes[name] = outcomes.get(name, 0) + 1

    run()
    assert set(outcomes) <= {"returns", "IndexError", "ZeroDivisionError", "ValueError", "AssertionError"}, outcomes
    assert outcomes["returns"] > 0.5 * sum(outcomes.values()), outcomes
    text = "".join(sources)
    for construct in ("while", "for", "break", "continue", "elif", "else:", "raise", "assert", "print", "helper0("):
        assert construct in text, construct
