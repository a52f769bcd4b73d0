"""Writes docs/numpy-support.md: what of NumPy, math, the builtins and scipy.special compiled programs may call.

    ./dev run python tools/numpy_support.py

The lists come from the tables by which calls are compiled, so a test can tell whether the page is current.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import math
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import scipy.special

from tracejit.ops import REGISTRY, Primitive
from tracejit.ops.batching import rule_of
from tracejit.trace.kernels import KERNELS, PAIRS
from tracejit.trace.numpy_api import _HOMES, by_numpy, lookup, table

PAGE = Path(__file__).parent.parent / "docs" / "numpy-support.md"

HEAD = """\
# What of NumPy is supported

Written by `tools/numpy_support.py` from the tables by which calls are compiled; do not edit.

Whatever is not here raises `UnsupportedError` at the line that uses it, and so does an option that is not named with a
function. Functions without traced arguments are called while compiling, whether they are listed or not: `np.polyfit` of
constants is a constant.

Functions work for arrays of static and of run-time shapes; a few need to know a length while compiling, and say so.
Derivatives and `vmap` follow from the operations at the end of the page. Of a function with `(...)` NumPy's own Python
source is compiled, as far as what it does is supported.
"""

MODULES: tuple[tuple[str, ModuleType], ...] = (
    ("np", np),
    ("np.linalg", np.linalg),
    ("scipy.special", scipy.special),
    ("math", math),
    ("builtins", builtins),
)

KINDS = {"b": "bool", "i": "signed", "u": "unsigned", "f": "float", "c": "complex"}


def load() -> None:
    """Fill the tables."""
    for modules in _HOMES.values():
        for name in modules:
            importlib.import_module(f"tracejit.trace.numpy_api.{name}")


def options(function: Any, ours: Callable[..., Any]) -> str:
    """What may be passed: the parameters of our function; of a function that NumPy writes in Python, all."""
    inner = inspect.unwrap(ours)
    if inner.__module__ == by_numpy.__name__:
        return "(...)"
    names = []
    for p in inspect.signature(inner).parameters.values():
        if p.kind is p.VAR_POSITIONAL:
            names.append(f"*{p.name}")
        elif p.kind is not p.VAR_KEYWORD:
            names.append(p.name)
    return f"({', '.join(names)})"


def listing(items: Iterable[str]) -> str:
    """Code words, separated by commas."""
    return textwrap.fill(", ".join(f"`{item}`" for item in items) + ".", 118, break_on_hyphens=False) + "\n"


def functions(name: str, module: ModuleType) -> str:
    """The functions of one module."""
    found: dict[str, str] = {}
    for key in dir(module):
        function = getattr(module, key)
        if key.startswith("_") or isinstance(function, np.ufunc) or not callable(function):
            continue
        ours = lookup(function)
        if ours is not None:
            found[key] = key if isinstance(function, type) else key + options(function, ours)
    return f"## `{name}`\n\n" + listing(found.values())


def ufuncs() -> str:
    """The ufuncs of NumPy and SciPy."""
    of_numpy = sorted({u.__name__ for u in (*KERNELS, *PAIRS) if getattr(np, u.__name__, None) is u})
    of_scipy = sorted({u.__name__ for u in KERNELS if getattr(scipy.special, u.__name__, None) is u})
    return (
        "## Ufuncs\n\nWith `out=`, `where=`, `dtype=` and `casting=`; of two arguments also `reduce`, `accumulate`, "
        "`outer` and `at`.\n\n" + listing(of_numpy) + "\nOf `scipy.special`:\n\n" + listing(of_scipy)
    )


def methods() -> str:
    """Methods and attributes of arrays."""
    own = ["dtype", "shape", "ndim", "size", "itemsize", "nbytes", "real", "imag"]
    return (
        "## Methods of arrays\n\n"
        + listing(sorted(n for n in table.METHODS if not n.startswith("__")))
        + "\n## Attributes of arrays\n\n"
        + listing(sorted([*table.PROPERTIES, *own]))
    )


def dtypes(p: Primitive) -> str:
    if p.family != "elementwise":
        return "–"
    return ", ".join(KINDS[kind] for kind in KINDS if kind in p.codegen) or "all"


def operations() -> str:
    """The operations that programs are made of."""
    lines = ["| operation | family | numbers | derivative | vmap |", "|---|---|---|---|---|"]
    for p in REGISTRY.values():
        if p.family in ("elementwise", "reduction", "structural", "library"):
            derivative = {"rules": "yes", "zero": "zero"}.get(p.derivative or "", "no")
            lanes = "together" if rule_of(p) is not None else "one by one"
            lines.append(f"| `{p.name}` | {p.family} | {dtypes(p)} | {derivative} | {lanes} |")
    head = "## Operations\n\nWhat all of the above is made of, in programs (`f.ir(...)` shows them).\n\n"
    return head + "\n".join(lines) + "\n"


def text() -> str:
    """The page."""
    load()
    parts = [HEAD, ufuncs(), *(functions(name, module) for name, module in MODULES), methods(), operations()]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(text())
