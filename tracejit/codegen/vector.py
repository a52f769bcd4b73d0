"""Vector loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracejit.ir.core import Op

if TYPE_CHECKING:
    from tracejit.codegen.control import Kernel


def emit(k: Kernel, op: Op, trips: int | None) -> bool:
    """Write the ``for`` loop ``op`` with explicit vectors; False when it has to be a scalar loop."""
    return False
