"""Finding functions in files: definitions, lambdas, notebooks, edited files."""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Callable
from typing import Any

import pytest

from tracejit.trace.source import NoSource, remember, source_of


def plain(x: int, *, y: int = 1) -> int:
    """A text
    that is not indented."""
    return (x +
            y)  # fmt: skip


class Holder:
    @staticmethod
    @functools.lru_cache
    def method(__p: int, q: int) -> int:
        # a comment
        return __p + q

    def last(self, x: int) -> int:
        if x:
            return x
        else:
            pass


PAIR = (lambda x: x + 1), (lambda x: (lambda y: y)(x))  # fmt: skip
LIST = [lambda a, b=2:
        a * b, lambda a, b=3: a - b]  # fmt: skip
TWICE = [lambda a: a, lambda a: a]


def shown(function: Any) -> str:
    return ast.unparse(source_of(function).node)


def test_a_function_with_positions_of_the_file() -> None:
    node = source_of(plain).node
    assert node.lineno == plain.__code__.co_firstlineno
    assert isinstance(node, ast.FunctionDef)
    returned = node.body[-1]
    assert (returned.lineno, returned.col_offset) == (node.lineno + 3, 4)


def test_decorated_methods() -> None:
    source = source_of(Holder.method.__wrapped__)
    assert source.class_name == "Holder"
    assert isinstance(source.node, ast.FunctionDef) and source.node.name == "method"
    assert source.node.body[0].col_offset == 8
    assert isinstance(source_of(Holder.last).node, ast.FunctionDef)


def test_lambdas_sharing_lines() -> None:
    assert [shown(f) for f in PAIR] == ["lambda x: x + 1", "lambda x: (lambda y: y)(x)"]
    assert [shown(f) for f in LIST] == ["lambda a, b=2: a * b", "lambda a, b=3: a - b"]
    assert [shown(f) for f in TWICE] == ["lambda a: a", "lambda a: a"]


def test_nested_functions_and_lambdas() -> None:
    def outer(k: int) -> Callable[[int], int]:
        def inner(x: int) -> int:
            return x + k

        return inner

    assert "x + k" in shown(outer(1))
    inner = PAIR[1](0)
    assert inner == 0


def cell(name: str, text: str) -> dict[str, Any]:
    """Run a cell of a notebook: its source is known to linecache only."""
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    namespace: dict[str, Any] = {}
    exec(compile(text, name, "exec"), namespace)
    return namespace


def test_notebooks() -> None:
    f = cell("<ipython-input-3-abc>", "y = 1\n\ndef f(x):\n    return x * y\n")["f"]
    assert source_of(f).filename == "<ipython-input-3-abc>"
    assert "x * y" in shown(f)


def test_missing_source() -> None:
    namespace: dict[str, Any] = {}
    # not "<string>": since Python 3.13 that names the text of ``python -c``
    exec(compile("def f(x):\n    return x", "<nowhere>", "exec"), namespace)
    with pytest.raises(NoSource, match="not available"):
        source_of(namespace["f"])


def test_a_file_that_was_edited_is_noticed(tmp_path: Any) -> None:
    path = tmp_path / "module_that_changes.py"
    text = "def f(x):\n    return x + 1\n"
    path.write_text(text)
    namespace: dict[str, Any] = {}
    exec(compile(text, str(path), "exec"), namespace)
    path.write_text("# quite another\n# file\n")
    with pytest.raises(NoSource, match="edited"):
        source_of(namespace["f"])


def test_a_file_that_was_edited_after_it_was_remembered(tmp_path: Any) -> None:
    path = tmp_path / "module_that_changes_later.py"
    text = "def f(x):\n    return x + 1\n"
    path.write_text(text)
    namespace: dict[str, Any] = {}
    exec(compile(text, str(path), "exec"), namespace)
    remember(namespace["f"])
    path.write_text("def f(x):\n    return x + 2\n")
    linecache.checkcache(str(path))
    assert "x + 1" in shown(namespace["f"])
