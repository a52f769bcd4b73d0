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
from tracejit.ir.interface import Input, Source, mentioned
from tracejit.ir.loc import Loc
from tracejit.ops.control import exception_of, materialise
from tracejit.ops.primitive import as_kind
from tracejit.record import record


def read(address: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """The number at ``address`` as a rank-0 array."""
    raw = ctypes.string_at(address, dtype.itemsize)
    return np.frombuffer(raw, dtype).reshape(())


def read_operands(
    address: int, dtypes: Sequence[np.dtype[Any]], ranks: Sequence[int], given: bool = False
) -> list[np.ndarray[Any, Any]]:
    """The operands of an effect: an array of rank above 0 is a pointer slot followed by its dimensions, and is copied;
    its memory is given back if it is ``given`` to us."""
    operands: list[np.ndarray[Any, Any]] = []
    at = 0
    for rank in ranks:
        dtype, slot = dtypes[at], address + SLOT * at
        at += 1 + rank
        if not rank:
            operands.append(read(slot, dtype))
            continue
        shape = [int(read(slot + SLOT * (k + 1), np.dtype(np.int64))) for k in range(rank)]
        pointer = int(read(slot, np.dtype(np.uintp)))
        if not pointer:
            raise MemoryError
        raw = ctypes.string_at(pointer, dtype.itemsize * math.prod(shape))
        if given:
            _free(pointer)
        operands.append(np.frombuffer(raw, dtype).reshape(shape).copy())
    return operands


def _free(pointer: int) -> None:
    """Give back memory that a kernel has allocated."""
    release = ctypes.CDLL(None).free
    release.argtypes, release.restype = (ctypes.c_void_p,), None
    release(pointer)


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
    ranks: tuple[int, ...]
    results: tuple[np.dtype[Any], ...]
    loc: Loc


def _site(op: Op) -> _Site:
    ranks = op.attrs.get("ranks", (0,) * len(op.operands))
    results = tuple(v.dtype for v in op.results)
    return _Site(op.name, op.attrs, tuple(v.dtype for v in op.operands), ranks, results, op.loc)


class Callbacks:
    """The Python side of one kernel. Its methods are what the entry point calls.

    Attributes:
        changed: Where the objects are that are changed before an exception leaves; the methods get them.
    """

    def __init__(self, sites: Sequence[Op], effects: Sequence[Op], inputs: Sequence[Input] = ()) -> None:
        self._sites = [_site(op) for op in sites]
        self._effects = [_site(op) for op in effects]
        self._inputs = inputs
        changes = [s.attrs["changes"] for s in (*self._sites, *self._effects) if "changes" in s.attrs]
        self.changed: list[Source] = list(dict.fromkeys(m for c in changes for m in mentioned(c, inputs)))

    def make_error(self, status: int, address: int, objects: Sequence[Any] | None) -> BaseException:
        """The exception of the check that failed, with a traceback to the user's line."""
        site = self._sites[status - 1]
        payload = read_operands(address, site.operands[1:], site.ranks[1:], given=True)
        error = exception_of(site.attrs, payload)
        self._change(site, payload, objects)
        return runtime_error(error, site.loc)

    def _change(self, site: _Site, payload: Sequence[np.ndarray[Any, Any]], objects: Sequence[Any] | None) -> None:
        """Do what was done to the caller's objects before the op raises."""
        changes = site.attrs.get("changes")
        if changes is not None:
            # rare: most calls raise nothing
            from tracejit.runtime.outputs import Maker

            Maker(payload, self._inputs, dict(zip(self.changed, objects or (), strict=True))).make(changes)

    def run_effect(self, number: int, address: int, objects: Sequence[Any] | None) -> None:
        """Run a print or a callback; the callback's results go where its operands were.

        What that raises has a traceback to the user's line.
        """
        site = self._effects[number]
        try:
            self._run_effect(site, address, objects)
        except BaseException as error:
            runtime_error(error, site.loc)
            raise

    def _run_effect(self, site: _Site, address: int, objects: Sequence[Any] | None) -> None:
        attrs = site.attrs
        operands = read_operands(address, site.operands, site.ranks)
        if site.name == "print":
            parts = [materialise(p, operands) for p in attrs["parts"]]
            try:
                print(*parts, sep=attrs.get("sep", " "), end=attrs.get("end", "\n"))
            except BaseException:
                self._change(site, operands, objects)
                raise
            return
        arguments = [as_kind(v, kind) for v, kind in zip(operands, attrs["kinds"], strict=True)]
        tree = attrs.get("tree")
        args, kwargs = (arguments, {}) if tree is None else tree.unflatten(arguments)
        result = attrs["function"](*args, **kwargs)
        results = (result,) if len(site.results) == 1 else () if not site.results else tuple(result)
        write_slots(address, site.results, results)
