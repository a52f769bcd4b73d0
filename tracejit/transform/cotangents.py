"""Cotangents on their way through a block: sums that grow as the ops that use a value are passed, last to first.

A cotangent that is zero everywhere is not represented. One that came through a choice (``select``, ``minimum``, ...)
may have a *mask*: it is zero where the mask is false, whatever the number that stands there. The mask is applied as
late as possible, so that a function that is singular where it was not chosen (``select(x > 0, sqrt(x), 0)`` at 0) never
turns a zero into a NaN.
"""

from __future__ import annotations

from collections.abc import Callable

from tracejit.ir.core import Value
from tracejit.ops import elementwise as e
from tracejit.ops.builder import Builder
from tracejit.ops.linear import Contribution


class Cotangents:
    """The cotangents of one block.

    Args:
        b: Where ops that add and mask go.
        active: The values that have cotangents; contributions to others are dropped.
        singular: Whether the derivatives of the op that made a value may be inf or nan.
    """

    def __init__(self, b: Builder, active: Callable[[Value], bool], singular: Callable[[Value], bool]) -> None:
        self.b = b
        self.active = active
        self.singular = singular
        self._found: dict[Value, tuple[Value, Value | None]] = {}

    def __contains__(self, v: Value) -> bool:
        return v in self._found

    def inside(self, b: Builder) -> Cotangents:
        """For a region of an op in this block; empty."""
        return Cotangents(b, self.active, self.singular)

    def set(self, v: Value, ct: Value) -> None:
        self._found[v] = (ct, None)

    def add(self, v: Value, ct: Contribution, mask: Value | None = None) -> None:
        """Add ``ct`` to the cotangent of ``v``, where ``mask`` holds."""
        if not self.active(v):
            return
        if not isinstance(ct, Value):
            known = self.get(v)
            self.set(v, ct(self.b.full(0, v) if known is None else known))
            return
        if mask is not None and not self.singular(v):
            ct, mask = self._masked(ct, mask), None
        known, known_mask = self._found.get(v, (None, None))
        if known is None:
            self._found[v] = (ct, mask)
            return
        if mask is not known_mask:
            ct, known, mask = self._masked(ct, mask), self._masked(known, known_mask), None
        self._found[v] = (self.b.apply(e.add, known, ct), mask)

    def take(self, v: Value) -> tuple[Value, Value | None] | None:
        """The cotangent of ``v`` and its mask; it is forgotten here."""
        return self._found.pop(v, None)

    def get(self, v: Value) -> Value | None:
        """The cotangent of ``v`` with its mask applied, or None for zero."""
        ct, mask = self._found.get(v, (None, None))
        if ct is not None and mask is not None:
            ct = self._masked(ct, mask)
            self.set(v, ct)
        return ct

    def get_or_zero(self, v: Value) -> Value:
        ct = self.get(v)
        return self.b.full(0, v) if ct is None else ct

    def _masked(self, ct: Value, mask: Value | None) -> Value:
        return ct if mask is None else self.b.apply(e.select, mask, ct, self.b.full(0, ct))
