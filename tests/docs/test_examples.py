"""The Python in the README and the guides runs, and prints what they show."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, examples, matches
from tests.transcripts import Program

WITH_PYTHON = [page for page in PAGES if examples(page)]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.stem)
def test_examples(page: Path, tmp_path: Path) -> None:
    program = Program(tmp_path / "example.py", frames=False)
    for example in examples(page):
        where = f"{page.relative_to(ROOT)}:{example.line}"
        if example.code.startswith(">>>"):
            parsed = doctest.DocTestParser().get_doctest(example.code, program.names, where, str(page), example.line)
            parsed.globs = program.names
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
            assert not runner.run(parsed, clear_globs=False).failed, where
            continue
        folder = tmp_path / str(example.line)
        folder.mkdir()
        program.begin(folder / "example.py")
        seen = program.run(example.code)
        if example.expected is None:
            assert "Error: " not in seen, f"{where}: {seen}"
        else:
            assert matches(seen, example.expected), f"{where} shows\n{example.expected}\nand this was seen:\n{seen}"


def test_every_page_that_should_has_examples() -> None:
    names = {page.stem for page in WITH_PYTHON}
    assert {"README", "getting-started", "semantics", "control-flow", "errors", "inspecting"} <= names
