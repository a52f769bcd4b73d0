"""Pairs of arrays that share memory or do not, depending on strides known at run time only.

Where NumPy's ``reshape`` gives a view or a copy depending on the layout, the program makes a copy. That is the same
thing as long as neither array is written to while both are in use, so a write to either one is an error. A pair lasts
as long as the program can reach both arrays; it is handed on to the boxes that they are after a branch or a loop, and
at the start of a turn (:func:`inherit`, :meth:`Turn.open <tracejit.trace.turns.Turn.open>`).
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tracejit.errors import CaptureError
from tracejit.trace.context import current

if TYPE_CHECKING:
    from tracejit.trace.boxes import ArrayTracer


def entangle(a: ArrayTracer, b: ArrayTracer) -> None:
    """One array is a view or a copy of the other: from now on neither may be written while both are in use."""
    pairs = [(x, y) for x in _may_be(a.root) for y in _may_be(b.root)]
    current().doubts.extend((weakref.ref(x), weakref.ref(y)) for x, y in pairs if x is not y)


def _may_be(root: ArrayTracer) -> Iterator[ArrayTracer]:
    """The arrays that a root may be: candidates, and arrays from before the loop."""
    inputs = current().inputs
    for r in root.roots:
        yield r
        head = None if inputs is None else inputs.heads.get(r)
        for entry in getattr(head, "entries", ()):
            yield from _may_be(entry.root)


def settle(roots: list[ArrayTracer]) -> None:
    """A box that may be any of ``roots`` is about to be written to.

    Raises:
        CaptureError: An array that may share its memory is in use.
    """
    if any(map(partners, roots)):
        gc.collect()  # a root refers to itself, so one that the program has dropped may be there still
        if any(map(partners, roots)):
            raise CaptureError(
                "this array is written to, and another one made from it by reshape or ravel is a view or a copy "
                "depending on its memory layout, which is not known while compiling",
                hint="an explicit copy: x.copy().reshape(...)",
            )


def partners(root: ArrayTracer) -> list[ArrayTracer]:
    """The arrays that may share memory with ``root``."""
    context = current()
    if not context.doubts:
        return []
    found: list[ArrayTracer] = []
    for pair in context.doubts:
        a, b = pair[0](), pair[1]()
        if a is None or b is None or (a is not root and b is not root):
            continue
        other = b if a is root else a
        if all(other is not f for f in found):
            found.append(other)
    return found


def inherit(new: ArrayTracer, old: ArrayTracer) -> None:
    """``new`` is what ``old`` is from now on."""
    if not current().doubts:
        return
    for root in old.root.roots:
        for other in partners(root):
            if other is not new.root:
                entangle(new, other)
