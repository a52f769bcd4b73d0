"""The passes between the traced program and the loop level, in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tracejit.ir.core import Function
from tracejit.lower import (
    allocations,
    checks,
    dce,
    fuse,
    hoist,
    loops,
    overflow,
    ownership,
    recurrences,
    share,
    simplify,
    versions,
)
from tracejit.lower.loops import Layout, Lowered
from tracejit.ops import custom

Pass = Callable[[Function], object]
Observer = Callable[[str, float, Function], None]
"""Called after each pass with its name, its time in seconds, and the function as it left it."""

OPTIMIZE: tuple[tuple[str, Pass], ...] = (
    ("rules", custom.drop_rules),
    ("simplify", simplify.run),
    ("share", share.run),
    ("checks", checks.run),
    ("flatten", simplify.flatten),
    ("hoist", hoist.run),
    ("overflow", overflow.run),
    ("versions", versions.run),
    ("simplify", simplify.run),
    ("share", share.run),
    ("dce", dce.run),
    ("recurrences", recurrences.run),
)
"""Array-level passes that keep what the program means."""

STAGES = ("traced", "optimized", "fused", "loops")
"""What ``f.ir(..., stage=...)`` can show."""


def optimize(function: Function, observe: Observer | None = None) -> None:
    """Run :data:`OPTIMIZE` in place."""
    _run(OPTIMIZE, function, observe)


def lower(function: Function, layouts: Sequence[Layout | None], observe: Observer | None = None) -> Lowered:
    """From the array level to the loop level; ``function`` is changed on the way.

    Args:
        function: A traced (or transformed) program.
        layouts: Per parameter, None for a scalar, else the memory layout the entry point guarantees.
        observe: Sees the function after every pass.
    """
    optimize(function, observe)
    _run((("barriers", custom.drop_barriers),), function, observe)
    _run((("fuse", fuse.run),), function, observe)
    start = time.perf_counter()
    lowered = loops.lower(function, ownership.plan(function), layouts)
    if observe is not None:
        observe("loops", time.perf_counter() - start, lowered.function)
    _run((("allocations", allocations.run),), lowered.function, observe)
    return lowered


def _run(passes: Sequence[tuple[str, Pass]], function: Function, observe: Observer | None) -> None:
    for name, run in passes:
        start = time.perf_counter()
        run(function)
        if observe is not None:
            observe(name, time.perf_counter() - start, function)
