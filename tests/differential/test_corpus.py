"""The corpus itself: its programs are valid plain Python, deterministic, and raise what they declare."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .harness import Call, count_calls, identity_jit, make_call, observe
from .registry import CASES, Case, load

CORPUS = load()
GROUPS = sorted({name.partition("/")[0] for name in CORPUS})


@pytest.mark.parametrize("group", GROUPS)
def test_programs_agree_with_themselves(group: str) -> None:
    failures = []
    for name, program in CORPUS.items():
        if name.startswith(f"{group}/"):
            try:
                program.run(identity_jit)
            except AssertionError as error:
                failures.append(str(error))
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("group", GROUPS)
def test_programs_raise_what_they_declare(group: str) -> None:
    problems = [p for name, program in CORPUS.items() if name.startswith(f"{group}/") for p in _undeclared(program)]
    assert not problems, "\n".join(problems)


def _undeclared(program: Case) -> list[str]:
    problems: list[str] = []
    seen: list[BaseException] = []
    if program.inputs is None:
        error = observe(program.fn, Call(identity_jit), program.fn).error
        return [f"{program.name}: the scenario itself raises {error!r}"] if error is not None else []
    for index in range(count_calls(program.inputs)):
        outcome = observe(program.fn, make_call(program.inputs, index), program.fn)
        if outcome.error is not None:
            seen.append(outcome.error)
            if not isinstance(outcome.error, program.raises):
                problems.append(f"{program.name}: input {index} raises {outcome.error!r}, which is not declared")
    for declared in program.raises:
        if not any(isinstance(error, declared) for error in seen):
            problems.append(f"{program.name}: declares {declared.__name__}, but no input raises it")
    return problems


def test_corpus_is_large_enough() -> None:
    assert len(CASES) >= 300


def test_case_files_are_short() -> None:
    long = {p.name: n for p in Path(__file__).parent.glob("*.py") if (n := len(p.read_text().splitlines())) > 400}
    assert not long


def test_programs_have_readable_names() -> None:
    assert all(re.fullmatch(r"[a-z0-9_]+/[a-z][a-z0-9_]*", name) for name in CORPUS)
