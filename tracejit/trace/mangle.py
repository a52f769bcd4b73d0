"""Private names of classes (``self.__x``): Python renames them while it compiles the class, and we compile without
it."""

from __future__ import annotations

import ast

_FIELDS = {"id", "attr", "arg", "name", "asname", "rest"}


def mangle(node: ast.AST, class_name: str) -> None:
    """Rename the private names in a method of ``class_name``, in place."""
    prefix = "_" + class_name.lstrip("_")
    if prefix == "_":
        return
    for n in ast.walk(node):
        for field in _FIELDS & set(n._fields):
            name = getattr(n, field)
            if isinstance(name, str) and name.startswith("__") and not name.endswith("__") and "." not in name:
                setattr(n, field, prefix + name)
        if isinstance(n, ast.Global | ast.Nonlocal):
            n.names = [prefix + x if x.startswith("__") and not x.endswith("__") else x for x in n.names]
