"""The notebooks run, and show what happens (but for what differs from run to run, in cells tagged "varies")."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.docs.notebooks import NOTEBOOKS, code_cells, run


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_outputs(file: Path) -> None:
    notebook = json.loads(file.read_text())
    for cell, seen in zip(code_cells(notebook), run(notebook), strict=True):
        tags = cell["metadata"].get("tags", [])
        failed = [output["evalue"] for output in seen if output["output_type"] == "error"]
        assert bool(failed) == ("raises-exception" in tags), failed
        if "varies" not in tags:
            assert seen == cell["outputs"], "".join(cell["source"])
        else:
            assert [output["output_type"] for output in seen] == [output["output_type"] for output in cell["outputs"]]


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS
