"""The page about what of NumPy is supported is the one that the tables give."""

import importlib.util
from pathlib import Path

TOOL = Path(__file__).parent.parent / "tools" / "numpy_support.py"


def test_the_page_is_current() -> None:
    spec = importlib.util.spec_from_file_location("numpy_support", TOOL)
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.PAGE.read_text() == tool.text(), "run: ./dev run python tools/numpy_support.py"
