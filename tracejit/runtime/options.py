"""What the user says to ``jit``."""

from __future__ import annotations

from tracejit.config import Shapes
from tracejit.record import record


@record(frozen=True)
class Options:
    """Options of one compiled function; see :func:`tracejit.jit`."""

    static_argnames: tuple[str, ...] = ()
    static_argnums: tuple[int, ...] = ()
    shapes: Shapes | None = None
    check_nan: bool | None = None
