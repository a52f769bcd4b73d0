"""Finding the syntax tree of a function: in files, notebooks, and whatever else registers its source with linecache.

Trees keep the line and column numbers of the user's file. Reading happens once per code object, early (at
decoration), so that a file that is edited while the program runs does not matter.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FunctionType
from typing import TypeAlias

from tracejit.record import record
from tracejit.trace.syntax import SYNCHRONOUS, unsupported

FunctionNode: TypeAlias = ast.FunctionDef | ast.Lambda


class NoSource(Exception):
    """The source of a function cannot be had; the message says why."""


@record(frozen=True)
class FunctionSource:
    """Where a function was found.

    Args:
        node: Its definition, with positions as in the file. Whoever changes it must copy it.
        filename: As in the code object.
        class_name: The class whose private names (``__x``) it mangles, or None.
    """

    node: FunctionNode
    filename: str
    class_name: str | None


# code objects of different files may be equal
_found: dict[tuple[CodeType, str], FunctionSource | NoSource] = {}
_remembered: dict[tuple[CodeType, str], list[str]] = {}
_trees: dict[tuple[str, int], tuple[Sequence[str], ast.Module]] = {}
_TREES = 8  # whole files kept parsed


def remember(function: Callable[..., object]) -> None:
    """Read the file of a function now (at decoration), so that it does not matter if it is edited later."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if isinstance(code, CodeType) and (code, code.co_filename) not in _remembered:
        lines = linecache.getlines(code.co_filename, getattr(function, "__globals__", None))
        if lines:
            _remembered[code, code.co_filename] = lines


def source_of(function: FunctionType) -> FunctionSource:
    """The definition of ``function``.

    Raises:
        NoSource: It cannot be found.
    """
    code = function.__code__
    found = _found.get((code, code.co_filename))
    if found is None:
        try:
            found = _find(function)
        except NoSource as error:
            found = error
        _found[code, code.co_filename] = found
    if isinstance(found, NoSource):
        raise found.with_traceback(None)
    return found


def _find(function: FunctionType) -> FunctionSource:
    code = function.__code__
    lines = _lines(function)
    if code.co_name == "<lambda>":
        node: FunctionNode = _find_lambda(code, lines)
    else:
        node = _find_def(code, lines)
    return FunctionSource(node, code.co_filename, _class_name(code.co_qualname))


def _lines(function: FunctionType) -> list[str]:
    code = function.__code__
    lines = _remembered.get((code, code.co_filename)) or linecache.getlines(code.co_filename, function.__globals__)
    if not lines:
        try:
            lines, _ = inspect.findsource(function)
        except (OSError, TypeError, IndexError) as error:
            raise NoSource(f"the source of {code.co_qualname} ({code.co_filename}) is not available") from error
    if not 1 <= code.co_firstlineno <= len(lines):
        raise NoSource(_changed(code))
    return lines


def _changed(code: CodeType) -> str:
    return f"{code.co_filename} no longer holds {code.co_qualname} at line {code.co_firstlineno} (was it edited?)"


def _class_name(qualname: str) -> str | None:
    parent = qualname.rpartition(".")[0].rpartition(".")[2]
    return parent if parent.isidentifier() else None


# --- def
# ---------------------------------------------------------------------------------------------------------------


def _find_def(code: CodeType, lines: list[str]) -> ast.FunctionDef:
    first = code.co_firstlineno
    node: ast.FunctionDef | ast.AsyncFunctionDef | None = None
    # what lies behind the last line that has code does not matter, except for closing brackets
    end = _last_line(code)
    for stop in (end, end + 1, end + 2, None):
        try:
            block = lines[first - 1 : stop] if stop is not None else inspect.getblock(lines[first - 1 :])
            node = _parse_block(block, first)
            break
        except (SyntaxError, IndentationError):
            continue
    if node is None:  # an odd layout: look through the whole file
        for candidate in ast.walk(_whole(code.co_filename, lines)):
            if isinstance(candidate, ast.FunctionDef | ast.AsyncFunctionDef):
                start = min([candidate.lineno, *(d.lineno for d in candidate.decorator_list)])
                if start == first and candidate.name == code.co_name:
                    node = candidate
    if node is None or node.name != code.co_name or not _fits(node, code):
        raise NoSource(_changed(code))
    if isinstance(node, ast.AsyncFunctionDef):
        raise unsupported(node, code.co_filename, "'async' functions are not compiled", SYNCHRONOUS, code.co_qualname)
    return node


def _last_line(code: CodeType) -> int:
    last = max((line for _, _, line in code.co_lines() if line is not None), default=code.co_firstlineno)
    return max([last, *(_last_line(c) for c in code.co_consts if isinstance(c, CodeType))])


def _parse_block(block: list[str], first: int) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The definition at the top of ``block``, which keeps its indentation and so its columns."""
    text = "".join(block)
    indented = text[:1] in " \t"
    if indented:
        before = "\n" * (first - 2) + "if 1:\n"  # code that is indented has a line before it
        try:
            tree = ast.parse(before + text)
        except IndentationError:  # a comment or string further left
            tree = ast.parse(before + textwrap.indent(textwrap.dedent(text), text[: len(text) - len(text.lstrip())]))
        body = tree.body[0].body  # type: ignore[attr-defined]
    else:
        tree = ast.parse("\n" * (first - 1) + text)
        body = tree.body
    if len(body) != 1 or not isinstance(body[0], ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    return body[0]


def _fits(node: ast.FunctionDef | ast.AsyncFunctionDef, code: CodeType) -> bool:
    """Whether the code object may have been compiled from ``node``."""
    args = node.args
    names = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg) if a is not None]
    mangled = _class_name(code.co_qualname) or ""
    given = [_mangle(name, mangled) for name in names]
    if list(code.co_varnames[: len(names)]) != given:
        return False
    start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return all(line is None or start <= line <= (node.end_lineno or line) for _, _, line in code.co_lines())


def _mangle(name: str, class_name: str) -> str:
    if name.startswith("__") and not name.endswith("__") and class_name.strip("_"):
        return f"_{class_name.lstrip('_')}{name}"
    return name


# --- lambda
# --------------------------------------------------------------------------------------------------------------


def _find_lambda(code: CodeType, lines: list[str]) -> ast.Lambda:
    places = {(line, column) for line, _, column, _ in code.co_positions() if line and column}  # column 0: RESUME
    names = list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    fitting = []
    for node in ast.walk(_whole(code.co_filename, lines)):
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno:
            given = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            if given == names and places <= set(_span(node.body, places)):
                fitting.append(node)
    if len(fitting) > 1:  # lambdas inside each other: the code lies in the innermost that holds it all
        fitting = [a for a in fitting if not any(b is not a and b in ast.walk(a.body) for b in fitting)]
    if not fitting:
        raise NoSource(_changed(code))
    if len(fitting) > 1:
        raise NoSource(
            f"there are several lambdas at {code.co_filename}:{code.co_firstlineno} that {code.co_qualname} could be; "
            "put them on lines of their own"
        )
    return fitting[0]


def _span(node: ast.expr, places: set[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    start = (node.lineno, node.col_offset)
    end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return (place for place in places if start <= place <= end)


def _whole(filename: str, lines: list[str]) -> ast.Module:
    key = (filename, len(lines))
    known = _trees.get(key)
    if known is not None and known[0] == lines:
        return known[1]
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError as error:
        raise NoSource(f"{filename} cannot be parsed: {error}") from error
    while len(_trees) >= _TREES:
        _trees.pop(next(iter(_trees)))
    _trees[key] = (lines, tree)
    return tree
