"""The axes that the function being traced is mapped over, by name."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from tracejit.errors import BatchError
from tracejit.ir.types import Dim
from tracejit.ops.collective import Axis
from tracejit.record import record
from tracejit.trace.context import is_tracing
from tracejit.trace.control import Control, control


@record(frozen=True, eq=False)
class Frame:
    """An axis, its length, and the trace that it belongs to."""

    axis: Axis
    size: Dim
    control: Control


_frames: list[Frame] = []  # tracing holds a lock


@contextmanager
def frame(axis: Axis, size: Dim) -> Iterator[None]:
    """What is called inside finds the axis by its name."""
    _frames.append(Frame(axis, size, control()))
    try:
        yield
    finally:
        _frames.pop()


def find(name: Hashable, who: str) -> Frame:
    """The innermost axis of that name."""
    frames = [f for f in _frames if f.control is control()] if is_tracing() else []
    for f in reversed(frames):
        if name is not None and f.axis.name == name:
            return f
    known = [repr(f.axis.name) for f in frames if f.axis.name is not None]
    have = f"the names around it are {', '.join(known)}" if known else "there is none around it that has a name"
    raise BatchError(
        f"{who} looks across the lanes of a vmap with axis_name={name!r}, but {have}",
        hint=f"vmap(..., axis_name={name!r})",
    )
