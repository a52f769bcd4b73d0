"""``print`` in compiled code: it happens when the program runs, in order with everything else that can be seen."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.core import Value
from tracejit.ops import control
from tracejit.trace.context import current
from tracejit.trace.exceptions import run_time_part
from tracejit.trace.numpy_api.table import implements

_CONTAINERS = (list, tuple, dict, set, frozenset)


@implements(builtins.print, always=True)
def print_(*values: Any, sep: Any = None, end: Any = None, file: Any = None, flush: Any = False) -> None:
    """``print(...)`` to the standard output."""
    if file is not None:
        raise UnsupportedError(
            "print(file=...) is not supported in compiled code", hint="print without file=, to standard output"
        )
    b = current().at()
    operands: list[Value] = []
    parts = tuple(_part(x, operands) for x in values)
    attrs = {"parts": parts, "sep": " " if sep is None else sep, "end": "\n" if end is None else end}
    b.effect(control.print_, (), operands, attrs)


def _part(x: Any, operands: list[Value]) -> Any:
    if isinstance(x, (str, int, float, complex, np.generic, type(None))):
        return x
    part = run_time_part(x, operands, arrays=True)
    # a container is shown as it is now; later the program may change it
    return str(x) if part is x and isinstance(x, _CONTAINERS) else part
