"""What compiled code calls back for: failing checks, prints and callbacks."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.codegen.entry_results import SLOT
from tracejit.errors import runtime_error
from tracejit.ir.core import Op, Value
from tracejit.ops.control import Slot
from tracejit.ops.interpret import failure
from tracejit.ops.primitive import as_kind


def read(address: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """The number at ``address`` as a rank-0 array."""
    raw = ctypes.string_at(address, dtype.itemsize)
    return np.frombuffer(raw, dtype).reshape(())


def read_slots(address: int, values: Sequence[Value]) -> list[np.ndarray[Any, Any]]:
    """The values that compiled code put into consecutive slots."""
    return [read(address + SLOT * k, v.dtype) for k, v in enumerate(values)]


def write_slots(address: int, values: Sequence[Value], numbers: Sequence[Any]) -> None:
    """Put numbers where compiled code reads results."""
    for k, (v, number) in enumerate(zip(values, numbers, strict=True)):
        raw = np.asarray(number, v.dtype).tobytes()
        ctypes.memmove(address + SLOT * k, raw, len(raw))


class Callbacks:
    """The Python side of one kernel. Its methods are what the entry point calls."""

    def __init__(self, sites: Sequence[Op], effects: Sequence[Op]) -> None:
        self.sites = sites
        self.effects = effects

    def make_error(self, status: int, address: int) -> BaseException:
        """The exception of the check that failed, with a traceback to the user's line."""
        site = self.sites[status - 1]
        return runtime_error(failure(site, read_slots(address, site.operands[1:])), site.loc)

    def run_effect(self, number: int, address: int) -> None:
        """Run a print or a callback; the callback's results go where its operands were."""
        op = self.effects[number]
        operands = read_slots(address, op.operands)
        if op.name == "print":
            parts = [as_kind(operands[p.index], p.kind) if isinstance(p, Slot) else p for p in op.attrs["parts"]]
            print(*parts, sep=op.attrs.get("sep", " "), end=op.attrs.get("end", "\n"))
            return
        arguments = [as_kind(v, kind) for v, kind in zip(operands, op.attrs["kinds"], strict=True)]
        tree = op.attrs.get("tree")
        args, kwargs = (arguments, {}) if tree is None else tree.unflatten(arguments)
        result = op.attrs["function"](*args, **kwargs)
        results = (result,) if len(op.results) == 1 else () if not op.results else tuple(result)
        write_slots(address, op.results, results)
