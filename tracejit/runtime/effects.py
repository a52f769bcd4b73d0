"""What compiled code calls back for: failing checks, prints and callbacks."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tracejit.codegen.entry_results import SLOT
from tracejit.errors import runtime_error
from tracejit.ir.core import Op
from tracejit.ir.loc import Loc
from tracejit.ops.control import exception_of, materialise
from tracejit.ops.primitive import as_kind
from tracejit.record import record


def read(address: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """The number at ``address`` as a rank-0 array."""
    raw = ctypes.string_at(address, dtype.itemsize)
    return np.frombuffer(raw, dtype).reshape(())


def read_slots(address: int, dtypes: Sequence[np.dtype[Any]]) -> list[np.ndarray[Any, Any]]:
    """The numbers that compiled code put into consecutive slots."""
    return [read(address + SLOT * k, d) for k, d in enumerate(dtypes)]


def read_operands(address: int, dtypes: Sequence[np.dtype[Any]], ranks: Sequence[int]) -> list[np.ndarray[Any, Any]]:
    """The operands of an effect: an array of rank above 0 is a pointer slot followed by its dimensions, and is
    copied."""
    operands: list[np.ndarray[Any, Any]] = []
    at = 0
    for rank in ranks:
        dtype, slot = dtypes[at], address + SLOT * at
        at += 1 + rank
        if not rank:
            operands.append(read(slot, dtype))
            continue
        shape = [int(read(slot + SLOT * (k + 1), np.dtype(np.int64))) for k in range(rank)]
        raw = ctypes.string_at(int(read(slot, np.dtype(np.uintp))), dtype.itemsize * math.prod(shape))
        operands.append(np.frombuffer(raw, dtype).reshape(shape).copy())
    return operands


def write_slots(address: int, dtypes: Sequence[np.dtype[Any]], numbers: Sequence[Any]) -> None:
    """Put numbers where compiled code reads results."""
    for k, (dtype, number) in enumerate(zip(dtypes, numbers, strict=True)):
        raw = np.asarray(number, dtype).tobytes()
        ctypes.memmove(address + SLOT * k, raw, len(raw))


@record(frozen=True)
class _Site:
    """What is needed of an op at run time; the op itself would keep the whole program alive."""

    name: str
    attrs: Mapping[str, Any]
    operands: tuple[np.dtype[Any], ...]
    results: tuple[np.dtype[Any], ...]
    loc: Loc


def _site(op: Op) -> _Site:
    return _Site(op.name, op.attrs, tuple(v.dtype for v in op.operands), tuple(v.dtype for v in op.results), op.loc)


class Callbacks:
    """The Python side of one kernel. Its methods are what the entry point calls."""

    def __init__(self, sites: Sequence[Op], effects: Sequence[Op]) -> None:
        self._sites = [_site(op) for op in sites]
        self._effects = [_site(op) for op in effects]

    def make_error(self, status: int, address: int) -> BaseException:
        """The exception of the check that failed, with a traceback to the user's line."""
        site = self._sites[status - 1]
        slots = read_slots(address, site.operands[1:])
        error = exception_of(site.attrs, slots)
        return runtime_error(error, site.loc)

    def run_effect(self, number: int, address: int) -> None:
        """Run a print or a callback; the callback's results go where its operands were."""
        site = self._effects[number]
        attrs = site.attrs
        operands = read_operands(address, site.operands, attrs.get("ranks", (0,) * len(site.operands)))
        if site.name == "print":
            parts = [materialise(p, operands) for p in attrs["parts"]]
            print(*parts, sep=attrs.get("sep", " "), end=attrs.get("end", "\n"))
            return
        arguments = [as_kind(v, kind) for v, kind in zip(operands, attrs["kinds"], strict=True)]
        tree = attrs.get("tree")
        args, kwargs = (arguments, {}) if tree is None else tree.unflatten(arguments)
        result = attrs["function"](*args, **kwargs)
        results = (result,) if len(site.results) == 1 else () if not site.results else tuple(result)
        write_slots(address, site.results, results)
