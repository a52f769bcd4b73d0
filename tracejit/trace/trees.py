"""Numbers and arrays in containers, while a program is traced.

A *tree* is a number, an array, None, or a tuple, list, dict, named tuple or dataclass of trees. Anything else is a leaf
as well, one that cannot be computed with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tracejit.errors import a
from tracejit.trace import objects
from tracejit.trace.control import control
from tracejit.trace.either import Either, MaybeUnbound, describe
from tracejit.trace.tracer import Tracer, abstract

Change = Callable[..., Any]


def mapped(change: Change, tree: Any, *others: Any, path: str = "") -> Any:
    """A tree of the same structure whose leaves are ``change(leaf, *other_leaves, path)``; None stays None.

    Args:
        change: Called once per leaf, in order.
        tree: Says what the structure is.
        others: Trees of the same structure.
        path: What ``tree`` is called, for messages: its parts are ``path[0]``, ``path['w']``, ``path.w``.

    Raises:
        TypeError: One of ``others`` has another structure.
    """
    if isinstance(tree, MaybeUnbound):
        tree = tree.get()
    parts = _parts(tree)
    if parts is None:
        return None if tree is None and not any(o is not None for o in others) else change(tree, *others, path)
    kind, keys, children = parts
    rests = [_matching(o, kind, keys, path, tree) for o in others]
    results = []
    for n, (key, child) in enumerate(zip(keys, children)):
        inner = f"{path}.{key}" if kind not in (tuple, list, dict) else f"{path}[{key!r}]"
        results.append(mapped(change, child, *(r[n] for r in rests), path=inner))
    return _rebuilt(kind, keys, results)


def leaves(tree: Any, path: str = "") -> Iterator[tuple[Any, str]]:
    """The leaves of a tree, each with what it is called."""
    found: list[tuple[Any, str]] = []
    mapped(lambda leaf, where: found.append((leaf, where)), tree, path=path)
    return iter(found)


def is_number(leaf: Any) -> bool:
    """Whether a leaf is a number or an array, traced or not."""
    return not isinstance(leaf, Either) and abstract(leaf) is not None


def kind_of(x: Any) -> str:
    """What a leaf or tree is, for messages, with an article: ``a float64 array of rank 2``, ``a str``."""
    if x is None:
        return "None"
    if isinstance(x, (Tracer, np.ndarray)):
        return str(describe(x))
    return a(objects.class_of(x).__name__)


def _parts(tree: Any) -> tuple[type, tuple[Any, ...], list[Any]] | None:
    kind = objects.class_of(tree)
    if kind is dict:
        return kind, tuple(tree), list(tree.values())
    if kind is list or kind is tuple:
        return kind, tuple(range(len(tree))), list(tree)
    if isinstance(tree, tuple) and hasattr(kind, "_fields"):
        return kind, kind._fields, list(tree)
    if hasattr(kind, "__dataclass_fields__") and not isinstance(tree, type):
        names = tuple(objects.own_attributes(tree)) or tuple(kind.__dataclass_fields__)
        return kind, names, [getattr(tree, n) for n in names]
    return None


def _rebuilt(kind: type, keys: tuple[Any, ...], parts: list[Any]) -> Any:
    if kind is tuple:
        return tuple(parts)
    if issubclass(kind, tuple):
        return kind._make(parts)  # type: ignore[attr-defined]
    new: Any
    if kind is list:
        new = parts
    elif kind is dict:
        new = dict(zip(keys, parts))
    else:
        new = object.__new__(objects.class_of_new(kind))
        for name, part in zip(keys, parts):
            object.__setattr__(new, name, part)
    c = control()
    c.journal.bear(new, c.now())
    return new


def _matching(other: Any, kind: type, keys: tuple[Any, ...], path: str, tree: Any) -> list[Any]:
    """The children of ``other`` in the order of ``keys``."""
    if isinstance(other, MaybeUnbound):
        other = other.get()
    found = _parts(other)
    if found is None or found[0] is not kind:
        raise TypeError(f"{path or 'the result'} is {structure(tree)}, and what goes with it is {structure(other)}")
    if found[1] != keys:
        if kind is not dict or set(found[1]) != set(keys):
            raise TypeError(f"{path or 'the result'} is {structure(tree)}, and what goes with it is {structure(other)}")
        return [other[k] for k in keys]
    return found[2]


def structure(tree: Any) -> str:
    """What a tree consists of, for messages."""
    parts = _parts(tree)
    if parts is None:
        return kind_of(tree)
    kind, keys, _ = parts
    if kind in (tuple, list):
        return f"{a(kind.__name__)} of {len(keys)}"
    if kind is dict:
        return f"a dict with the keys {', '.join(map(repr, keys))}"
    return a(kind.__name__)
