"""Running notebooks without a Jupyter kernel: cell after cell, with the outputs in the form of the file format.

``python -m tests.docs.notebooks`` runs all of them and saves their outputs.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import linecache
import sys
import types
from pathlib import Path
from typing import Any

from tests.docs.pages import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

Cell = dict[str, Any]


def code_cells(notebook: dict[str, Any]) -> list[Cell]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(notebook: dict[str, Any]) -> list[list[Cell]]:
    """The outputs of the cells of code, each run after those before it."""
    module = types.ModuleType("__main__")
    return [_run_cell("".join(cell["source"]), module, number + 1) for number, cell in enumerate(code_cells(notebook))]


def _run_cell(source: str, module: types.ModuleType, number: int) -> list[Cell]:
    name = f"In[{number}]"  # what functions and errors of the cell have as their file
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    outputs: list[Cell] = []
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(tree, name, "exec"), module.__dict__)
            result = None if last is None else eval(compile(ast.Expression(last.value), name, "eval"), module.__dict__)
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            lines = {"ename": type(error).__name__, "evalue": str(error), "traceback": text.split("\n")}
            outputs.append({"output_type": "error", **lines})
        else:
            if result is not None:
                data = {"text/plain": repr(result).splitlines(keepends=True)}
                outputs.append(
                    {"output_type": "execute_result", "execution_count": number, "data": data, "metadata": {}}
                )
    if printed.getvalue():
        text = printed.getvalue().splitlines(keepends=True)
        outputs.insert(0, {"output_type": "stream", "name": "stdout", "text": text})
    return outputs


def save_outputs(file: Path) -> None:
    """Run a notebook, and write its outputs into the file."""
    notebook = json.loads(file.read_text())
    for number, (cell, outputs) in enumerate(zip(code_cells(notebook), run(notebook), strict=True)):
        cell["execution_count"], cell["outputs"] = number + 1, outputs
    file.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:] or NOTEBOOKS):
        save_outputs(path)
