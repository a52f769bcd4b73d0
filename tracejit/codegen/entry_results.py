"""The last part of an entry point: from what the kernel computed to the Python result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tracejit.codegen import capi
from tracejit.codegen.entry_arguments import ABORT, Navigator
from tracejit.codegen.entry_inputs import Inputs
from tracejit.codegen.entry_text import Writer
from tracejit.codegen.scalars import SCALARS, Scalar
from tracejit.ir.interface import (
    OutArray,
    OutChoice,
    OutIndex,
    OutInput,
    Output,
    OutScalar,
    OutSource,
    OutStatic,
    OutTree,
    OutView,
    Source,
    mentioned,
    walk,
)
from tracejit.lower.loops import Returned

FAILED = "failed"
"""The block for a Python exception after the kernel ran."""

SLOT = 16
"""Bytes per result, and per payload, of the kernel."""

NEW_ARRAY_FLAGS = capi.FLAG_C | capi.FLAG_ALIGNED | capi.FLAG_WRITEABLE


class Results:
    """Builds the result. References that are owned on the way are kept in frame slots that are null when they have
    been given away, so that one block, :data:`FAILED`, can clean up after any failure."""

    def __init__(
        self, writer: Writer, navigator: Navigator, inputs: Inputs, results: str, returned: Sequence[Returned]
    ) -> None:
        self.writer = writer
        self.navigator = navigator
        self.inputs = inputs
        self.results = results
        self.returned = {r.output: r for r in returned}
        self.slots: list[str] = []
        self._arrays: dict[int, tuple[str, str]] = {}
        self._movable: set[int] = set()
        self._shared: dict[int, str | None] = {}

    # --- preparation: before the kernel runs
    def hold(self, output: Output) -> None:
        """Own every object that the result mentions and that is not a new one."""
        for source in mentioned(output, self.inputs.program.inputs):
            self.navigator.hold(source)

    def gather(self, sources: Sequence[Source]) -> str:
        """A tuple of the objects at ``sources``, owned by the frame; None when there are none."""
        w = self.writer
        if not sources:
            return w.object(None)
        objects = [self.navigator.object(s) for s in sources]
        made = w.call("ptr", "PyTuple_New", f"i64 {len(sources)}")
        w.require(w.op(f"icmp ne ptr {made}, null"), ABORT)
        self.navigator.keep(made)
        for k, object in enumerate(objects):
            w.store("ptr", self._reference(object), made, capi.TUPLE_ITEMS + 8 * k)
        return made

    def _source(self, part: OutInput) -> Source:
        return self.inputs.program.inputs[part.index].source

    # --- building
    def build(self, output: Output) -> str:
        """The result, owned by the caller."""
        w = self.writer
        uses = Counter(p.index for p in walk(output) if isinstance(p, OutArray))
        inside = {p.index for c in walk(output) if isinstance(c, OutChoice) for p in walk(c) if isinstance(p, OutArray)}
        bases = {p.base.index for p in walk(output) if isinstance(p, OutView) and isinstance(p.base, OutArray)}
        self._movable = {k for k, n in uses.items() if n == 1 and k not in inside and k not in bases}
        for index in uses:
            self._arrays[index] = self._new_array(self.returned[index])
        for index, result in self.returned.items():
            if result.shape is not None and index not in uses:
                w.free(w.load("ptr", self._at(result.position)))
                w.store("ptr", "null", self._at(result.position))
        seen = Counter(id(p) for p in walk(output) if isinstance(p, (OutView, OutChoice, OutTree)))
        self._shared = {key: None for key, n in seen.items() if n > 1}
        value = self._build(output)
        for slot in self._shared.values():
            if slot is not None:
                w.decref(w.load("ptr", slot))
        for index in uses:
            if index not in self._movable:
                w.decref(self._arrays[index][0])
        return value

    def fail(self) -> None:
        """What the block :data:`FAILED` does: give up everything that is owned."""
        w = self.writer
        for result in self.returned.values():
            if result.shape is not None:
                w.free(w.load("ptr", self._at(result.position)))
        for slot in self.slots:
            w.decref(w.load("ptr", slot))

    def _own(self, object: str) -> str:
        """A slot for a new reference, after a check that it is one."""
        w = self.writer
        w.require(w.op(f"icmp ne ptr {object}, null"), FAILED)
        slot = w.empty_slot()
        self.slots.append(slot)
        w.store("ptr", object, slot)
        return slot

    def _give(self, slot: str) -> None:
        self.writer.store("ptr", "null", slot)

    def _at(self, position: int) -> str:
        return self.writer.at(self.results, SLOT * position)

    def _build(self, output: Output) -> str:
        """An owned reference to the object for ``output``, not kept in any slot."""
        if id(output) in self._shared:
            return self._once(output)
        return self._build_anew(output)

    def _once(self, output: Output) -> str:
        """What occurs in several places, maybe on some paths only: it is made where it is first needed."""
        w = self.writer
        slot = self._shared[id(output)]
        if slot is None:
            slot = self._shared[id(output)] = w.empty_slot()
            self.slots.append(slot)

        def make(slot: str = slot) -> str:
            made = self._build_anew(output)
            w.store("ptr", made, slot)
            return made

        held = w.load("ptr", slot)
        return self._reference(w.choose(w.op(f"icmp eq ptr {held}, null"), make, lambda: held))

    def _build_anew(self, output: Output) -> str:
        w = self.writer
        match output:
            case OutScalar():
                return self._scalar(output)
            case OutArray(index):
                array, slot = self._arrays[index]
                if index in self._movable:
                    self._give(slot)
                else:
                    w.incref(array)
                return array
            case OutInput():
                return self._reference(self.navigator.object(self._source(output)))
            case OutSource(source):
                return self._reference(self.navigator.object(source))
            case OutStatic(value):
                return self._reference(w.object(value))
            case OutView():
                return self._view(output)
            case OutChoice(selector, options):
                choice = w.load("i64", self._at(self.returned[selector].position))
                return self._select(choice, [partial(self._build, o) for o in options])
            case OutTree(kind):
                return {"tuple": self._tuple, "list": self._list, "dict": self._dict, "make": self._make}[kind](output)
        raise AssertionError(output)

    def _reference(self, object: str) -> str:
        self.writer.incref(object)
        return object

    def _select(self, choice: str, options: Sequence[Callable[[], str]]) -> str:
        if len(options) == 1:
            return options[0]()
        rest = len(options) - 1
        return self.writer.choose(
            self.writer.op(f"icmp eq i64 {choice}, {rest}"), options[rest], lambda: self._select(choice, options[:rest])
        )

    # --- scalars
    def _scalar(self, output: OutScalar) -> str:
        result = self.returned[output.index]
        if output.selector is None:
            ((kind, dtype),) = output.alternatives
            return self._loaded_number(result, kind, dtype)
        choice = self.writer.load("i64", self._at(self.returned[output.selector].position))
        return self._select(
            choice,
            [partial(self._loaded_number, result, k, d) for k, d in output.alternatives],
        )

    def _loaded_number(self, result: Returned, kind: str, dtype: np.dtype[Any]) -> str:
        return self._number(self._load(result), SCALARS[result.dtype], kind, dtype)

    def _load(self, result: Returned) -> list[str]:
        """The registers of a scalar result: two for a complex number."""
        w, s = self.writer, SCALARS[result.dtype]
        at = self._at(result.position)
        if s.kind == "c":
            return [w.load(s.memory, at, k * s.part.size) for k in (0, 1)]
        value = w.load(s.memory, at)
        return [w.op(f"icmp ne i8 {value}, 0")] if s.kind == "b" else [value]

    def _number(self, value: list[str], source: Scalar, kind: str, dtype: np.dtype[Any]) -> str:
        w, target = self.writer, SCALARS[dtype]
        value = self._convert(value, source, target)
        if target.kind == "b":
            yes, no = (True, False) if kind == "python" else (np.True_, np.False_)
            return self._reference(w.op(f"select i1 {value[0]}, ptr {w.object(yes)}, ptr {w.object(no)}"))
        if kind == "python":
            match target.kind:
                case "i":
                    made = w.call("ptr", "PyLong_FromLongLong", f"i64 {value[0]}")
                case "f":
                    made = w.call("ptr", "PyFloat_FromDouble", f"double {value[0]}")
                case "c":
                    made = w.call("ptr", "PyComplex_FromDoubles", f"double {value[0]}", f"double {value[1]}")
                case _:
                    raise TypeError(f"no Python scalar is a {dtype}")
            w.require(w.op(f"icmp ne ptr {made}, null"), FAILED)
            return made
        made = self._new_numpy_scalar(dtype)
        for k, part in enumerate(value):
            w.store(target.part.memory, part, made, capi.SCALAR_VALUE + k * target.part.size)
        return made

    def _new_numpy_scalar(self, dtype: np.dtype[Any]) -> str:
        w = self.writer
        name = f"alloc.{dtype.name}"
        w.declare(name, f"declare ptr @{name}(ptr, i64)", capi.type_slot(dtype.type, capi.PY_TP_ALLOC))
        made = w.op(f"call ptr @{name}(ptr {w.object(dtype.type)}, i64 0)")
        w.require(w.op(f"icmp ne ptr {made}, null"), FAILED)
        return made

    def _convert(self, value: list[str], source: Scalar, target: Scalar) -> list[str]:
        """A scalar that was held in the widest dtype of its alternatives back in its own, which can represent it."""
        if source is target:
            return value
        w = self.writer
        if target.kind == "c":
            if source.kind == "c":
                return [self._convert([v], source.part, target.part)[0] for v in value]
            return [*self._convert(value, source, target.part), "0.0"]
        (v, *_), source = value, source.part
        if target.kind == "b":
            test, zero = ("fcmp une", "0.0") if source.kind == "f" else ("icmp ne", "0")
            return [w.op(f"{test} {source.llvm} {v}, {zero}")]
        if source.kind == "f" and target.kind == "f":
            code = "fpext" if source.bits < target.bits else "fptrunc"
        elif source.kind == "f":
            code = "fptosi" if target.kind == "i" else "fptoui"
        elif target.kind == "f":
            code = "sitofp" if source.kind == "i" else "uitofp"
        elif source.bits == target.bits:
            return [v]
        elif source.bits > target.bits:
            code = "trunc"
        else:
            code = "sext" if source.kind == "i" else "zext"
        return [w.op(f"{code} {source.llvm} {v} to {target.llvm}")]

    # --- arrays
    def _new_array(self, result: Returned) -> tuple[str, str]:
        """A new array that owns the kernel's buffer (a rank-0 one: the kernel's number), and its slot."""
        w = self.writer
        descr = w.object(result.dtype)
        w.incref(descr)
        if result.shape is None:
            array = self._call_new(descr, 0, "null", "null", "null", str(NEW_ARRAY_FLAGS))
            slot = self._own(array)
            self._fill(array, result)
            return array, slot
        dims = self._table([w.load("i64", self._at(d[1])) if isinstance(d, tuple) else d for d in result.shape])
        at = self._at(result.position)
        array = self._call_new(descr, len(result.shape), dims, "null", w.load("ptr", at), str(NEW_ARRAY_FLAGS))
        slot = self._own(array)
        w.store("ptr", "null", at)
        flags = w.load("i32", array, capi.ARRAY_FLAGS)
        w.store("i32", w.op(f"or i32 {flags}, {capi.FLAG_OWNDATA}"), array, capi.ARRAY_FLAGS)
        handler = w.address("numpy.handler", capi.default_handler())
        w.incref(handler)
        w.store("ptr", handler, array, capi.ARRAY_HANDLER)
        return array, slot

    def _fill(self, array: str, result: Returned) -> None:
        w, s = self.writer, SCALARS[result.dtype]
        source, target = self._at(result.position), w.load("ptr", array, capi.ARRAY_DATA)
        for k in range(s.size // s.part.size):
            w.store(s.memory, w.load(s.memory, source, k * s.part.size), target, k * s.part.size)

    def _call_new(self, descr: str, ndim: int, dims: str, strides: str, data: str, flags: str) -> str:
        w = self.writer
        arguments = [f"ptr {w.object(np.ndarray)}", f"ptr {descr}", f"i32 {ndim}", f"ptr {dims}", f"ptr {strides}"]
        return w.call("ptr", "PyArray_NewFromDescr", *arguments, f"ptr {data}", f"i32 {flags}", "ptr null")

    def _table(self, values: Sequence[int | str]) -> str:
        """A table of i64: a constant when all are known."""
        w = self.writer
        if all(isinstance(v, int) for v in values):
            name = f"@{w.fresh('table')}"
            w.globals.append(
                f"{name} = private constant [{len(values)} x i64] [{', '.join(f'i64 {v}' for v in values)}]"
            )
            return name
        table = w.alloca("i64", len(values))
        for k, v in enumerate(values):
            w.store("i64", str(v), table, 8 * k)
        return table

    def _view(self, output: OutView) -> str:
        w = self.writer
        if isinstance(output.base, OutArray):
            base = self._arrays[output.base.index][0]
        else:
            base = self.navigator.object(self._source(output.base))
        descr = w.load("ptr", base, capi.ARRAY_DESCR)
        rank = len(output.starts)
        base_strides = w.load("ptr", base, capi.ARRAY_STRIDES) if rank else "null"
        strides = [w.load("i64", base_strides, 8 * k) for k in range(rank)]
        offset: int | str = 0
        for start, stride in zip(output.starts, strides):
            offset = w.add(offset, w.mul(self._index(start), stride))
        along: list[int | str] = [0] * len(output.shape)
        for (k, j), step in zip(output.pairs, output.steps):
            along[j] = w.add(along[j], w.mul(self._index(step), strides[k]))
        data = w.at(w.load("ptr", base, capi.ARRAY_DATA), offset)
        flags = w.op(
            f"and i32 {w.load('i32', base, capi.ARRAY_FLAGS)}, {capi.FLAG_WRITEABLE if output.writeable else 0}"
        )
        dims = self._table([self._index(d) for d in output.shape]) if output.shape else "null"
        steps = self._table(along) if along else "null"
        w.incref(descr)
        slot = self._own(self._call_new(descr, len(output.shape), dims, steps, data, flags))
        view = w.load("ptr", slot)
        w.incref(base)
        done = w.call("i32", "PyArray_SetBaseObject", f"ptr {view}", f"ptr {base}")
        w.require(w.op(f"icmp eq i32 {done}, 0"), FAILED)
        self._give(slot)
        return view

    def _index(self, value: int | OutIndex) -> int | str:
        if isinstance(value, int):
            return value
        return self.writer.load("i64", self._at(self.returned[value.index].position))

    # --- containers
    def _tuple(self, output: OutTree) -> str:
        w = self.writer
        slot = self._own(w.call("ptr", "PyTuple_New", f"i64 {len(output.children)}"))
        made = w.load("ptr", slot)
        for k, child in enumerate(output.children):
            w.store("ptr", self._build(child), made, capi.TUPLE_ITEMS + 8 * k)
        self._give(slot)
        return made

    def _list(self, output: OutTree) -> str:
        w = self.writer
        slot = self._own(w.call("ptr", "PyList_New", f"i64 {len(output.children)}"))
        made = w.load("ptr", slot)
        for k, child in enumerate(output.children):
            value = self._build(child)
            w.store("ptr", value, w.load("ptr", made, capi.LIST_ITEMS), 8 * k)
        self._give(slot)
        return made

    def _dict(self, output: OutTree) -> str:
        w = self.writer
        slot = self._own(w.call("ptr", "PyDict_New"))
        made = w.load("ptr", slot)
        for key, child in zip(output.keys, output.children, strict=True):
            value = self._build(child)
            done = w.call("i32", "PyDict_SetItem", f"ptr {made}", f"ptr {w.object(key)}", f"ptr {value}")
            w.decref(value)
            w.require(w.op(f"icmp eq i32 {done}, 0"), FAILED)
        self._give(slot)
        return made

    def _make(self, output: OutTree) -> str:
        w = self.writer
        slot = self._own(self._list(output))
        children = w.load("ptr", slot)
        argument = w.alloca("ptr")
        w.store("ptr", children, argument)
        arguments = (f"ptr {w.object(output.make)}", f"ptr {argument}", "i64 1", "ptr null")
        made = w.call("ptr", "PyObject_Vectorcall", *arguments)
        w.require(w.op(f"icmp ne ptr {made}, null"), FAILED)
        w.decref(children)
        self._give(slot)
        return made
