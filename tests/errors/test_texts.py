"""The errors that users meet, each by its whole text and traceback. The cases are in programs/*.txt."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.errors.cases import FOLDER, Case, read

CASES = {f"{file.stem}: {case.title}": case for file in sorted(FOLDER.glob("*.txt")) for case in read(file)}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_the_user_sees(case: Case, tmp_path: Path) -> None:
    for (call, seen), (_, expected) in zip(case.run(tmp_path), case.calls, strict=True):
        assert seen == expected, call


def test_titles_differ() -> None:
    assert len(CASES) == sum(1 for file in FOLDER.glob("*.txt") for _ in read(file))
