"""The first half of an entry point: from the call's arguments to checked Python objects.

:class:`Binder` finds the argument of each parameter whatever way it was passed; :class:`Navigator` follows sources to
objects and checks the guards on the way. Whatever does not fit leaves to the block :data:`MISMATCH`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from tracejit.codegen import capi, support
from tracejit.codegen.entry_text import Writer
from tracejit.ir.interface import Argument, Attribute, Cell, Global, Guard, Item, Source
from tracejit.record import field, record

MISMATCH = "mismatch"
"""The block for a call that this entry point is not made for: the next one gets it."""
ABORT = "abort"
"""The block for a Python exception before the kernel ran."""


@record(frozen=True)
class Parameters:
    """What a function's signature says about binding, for calls whose ``*args`` and ``**kwargs`` have a known size.

    Args:
        names: Of all parameters, in order of definition.
        kinds: Their ``inspect.Parameter`` kinds.
        defaults: Default objects by parameter number.
        extra_positional: How many positional arguments ``*args`` receives.
        extra_keywords: The keywords that ``**kwargs`` receives, in order.
    """

    names: tuple[str, ...]
    kinds: tuple[Any, ...]
    defaults: Mapping[int, Any] = field(default_factory=dict)
    extra_positional: int = 0
    extra_keywords: tuple[str, ...] = ()

    def numbers(self, *kinds: Any) -> list[int]:
        return [k for k, kind in enumerate(self.kinds) if kind in kinds]

    @property
    def var_positional(self) -> int | None:
        return next(iter(self.numbers(inspect.Parameter.VAR_POSITIONAL)), None)

    @property
    def var_keyword(self) -> int | None:
        return next(iter(self.numbers(inspect.Parameter.VAR_KEYWORD)), None)


class Binder:
    """Gives every parameter a slot in an array of borrowed object pointers.

    Slots: positional parameters, the items of ``*args``, keyword-only parameters, the items of ``**kwargs``. A call
    that passes exactly the positional ones uses the caller's own argument array; any other goes through
    :data:`support.BIND` (until that is there, to Python, which provides it).
    """

    def __init__(self, writer: Writer, parameters: Parameters) -> None:
        self.writer = writer
        p = parameters
        self.parameters = p
        kind = inspect.Parameter
        positional = p.numbers(kind.POSITIONAL_ONLY, kind.POSITIONAL_OR_KEYWORD)
        keyword_only = p.numbers(kind.KEYWORD_ONLY)
        self.first_extra = len(positional)
        self.direct = len(positional) + p.extra_positional
        self.first_keyword = self.direct + len(keyword_only)
        self.total = self.first_keyword + len(p.extra_keywords)
        self.slot_of = {n: k for k, n in enumerate(positional)}
        self.slot_of.update({n: self.direct + k for k, n in enumerate(keyword_only)})
        self._names: list[str | None] = [None if p.kinds[n] is kind.POSITIONAL_ONLY else p.names[n] for n in positional]
        self._names += [None] * p.extra_positional
        self._names += [p.names[n] for n in keyword_only]
        self._names += list(p.extra_keywords)
        self._defaults = {self.slot_of[n]: value for n, value in p.defaults.items()}
        self.bound = ""

    def emit(self) -> None:
        """Leave the slots' address in :attr:`bound`."""
        w = self.writer
        w.do("%nargs = and i64 %nargsf, 9223372036854775807")
        if self.total == 0:
            w.require(w.op("icmp eq i64 %nargs, 0"), MISMATCH)
            w.require(w.op("icmp eq ptr %kwnames, null"), MISMATCH)
            return
        w.do("%nokw = icmp eq ptr %kwnames, null")
        w.do(f"%full = icmp eq i64 %nargs, {self.total if self.total == self.direct else -1}")
        w.do("%direct = and i1 %nokw, %full")
        w.do("br i1 %direct, label %bound.join, label %bound.other, !prof !9000")
        w.label("bound.other")
        room = w.alloca("ptr", self.total)
        least = self.direct if self.parameters.extra_positional else 0
        sizes = (f"i64 {n}" for n in (least, self.direct, self.first_keyword, self.total))
        tables = ("ptr @bind.names", "ptr @bind.defaults")
        if self.total != self.direct:
            support.provide_bind()  # all calls need it
        bind = w.load("ptr", w.address(support.BIND_CELL, support.bind_cell()))
        w.do(f"%bindable = icmp ne ptr {bind}, null")
        w.do(f"br i1 %bindable, label %bound.shared, label %{MISMATCH}")
        w.label("bound.shared")
        arguments = ("ptr %args", "i64 %nargs", "ptr %kwnames", f"ptr {room}", *tables, *sizes)
        ok = w.op(f"call i1 {bind}({', '.join(arguments)})")
        w.do(f"br i1 {ok}, label %bound.join, label %{MISMATCH}")
        w.label("bound.join")
        self.bound = w.op(f"phi ptr [ %args, %start ], [ {room}, %bound.shared ]", "bound")
        w.globals.append(self._tables())

    def _tables(self) -> str:
        def table(symbols: list[str]) -> str:
            return f"[{self.total} x ptr] [{', '.join(f'ptr {s}' for s in symbols)}]"

        w = self.writer
        names = [w.object(sys.intern(n)) if n is not None else "null" for n in self._names]
        defaults = [w.object(self._defaults[k]) if k in self._defaults else "null" for k in range(self.total)]
        return f"@bind.names = private constant {table(names)}\n@bind.defaults = private constant {table(defaults)}"


Key = tuple[Any, ...]


class Navigator:
    """Follows sources to objects, each once, and checks the guards on each object as soon as it is found.

    Objects that are not arguments themselves may lose their owner when Python code runs (an attribute's getter, a
    callback, another thread): those that :meth:`hold` was called for have a reference of their own until
    :meth:`release`.
    """

    def __init__(self, writer: Writer, binder: Binder, guards: Sequence[Guard]) -> None:
        self.writer = writer
        self.binder = binder
        self.held: list[str] = []
        self._objects: dict[Key, str] = {}
        self._items: dict[Key, list[str]] = {}
        self._holding: set[Key] = set()
        self._guards: dict[Key, list[Guard]] = {}
        self._modules: dict[Key, ModuleType] = {}
        for g in guards:
            key = self.key(g.source)
            self._guards.setdefault(key, []).append(g)
            if g.condition == "is" and type(g.value) is ModuleType:
                self._modules[key] = g.value
        # an attribute's getter may run any code, so everything found before it must be held
        self.runs_python = any(self._has_attribute(g.source) for g in guards)

    def _has_attribute(self, source: Source) -> bool:
        match source:
            case Attribute(base, name):
                module = self._modules.get(self.key(base))
                return module is None or name not in module.__dict__ or self._has_attribute(base)
            case Item(base, _):
                return self._has_attribute(base)
        return False

    def key(self, source: Source) -> Key:
        """What tells one source from another (sources are made anew wherever they are mentioned)."""
        match source:
            case Argument(index, _):
                return ("argument", index)
            case Global(namespace, name):
                return ("global", id(namespace), name)
            case Cell(cell, _):
                return ("cell", id(cell))
            case Attribute(base, name):
                return ("attribute", self.key(base), name)
            case Item(base, key):
                return ("item", self.key(base), type(key), key)
        raise AssertionError(source)

    def expect(self, sources: Sequence[Source]) -> None:
        """Say which sources will be asked for beside those of the guards, before the first is."""
        self.runs_python = self.runs_python or any(self._has_attribute(s) for s in sources)

    def check_guards(self) -> None:
        """Everything that has a guard, found and checked."""
        for guards in list(self._guards.values()):
            self.object(guards[0].source)

    def object(self, source: Source) -> str:
        """A pointer to the object at ``source``; it is owned by somebody else unless held."""
        key = self.key(source)
        found = self._objects.get(key)
        if found is None:
            found = self._objects[key] = self._find(source, key)
            if self.runs_python:
                self.hold(source)
            for guard in self._guards.get(key, ()):
                self._check(guard, key, found)
        return found

    def hold(self, source: Source) -> None:
        """Own a reference to the object at ``source`` for the length of the call (arguments have one already)."""
        object, key = self.object(source), self.key(source)
        if key in self._holding or key[0] == "argument":
            return
        self._holding.add(key)
        self.writer.incref(object)
        self.keep(object)

    def keep(self, object: str) -> None:
        """Let go of a reference that the frame owns when the call ends."""
        slot = self.writer.empty_slot()
        self.held.append(slot)
        self.writer.store("ptr", object, slot)

    def release(self) -> None:
        for slot in self.held:
            self.writer.decref(self.writer.load("ptr", slot))

    # --- finding
    def _find(self, source: Source, key: Key) -> str:
        w = self.writer
        match source:
            case Argument(index, _):
                return self._argument(index, key)
            case Global(namespace, name):
                return self._global(namespace, name)
            case Cell(cell, _):
                value = w.load("ptr", w.object(cell), capi.CELL_CONTENTS)
                w.require(w.op(f"icmp ne ptr {value}, null"), MISMATCH)
                return value
            case Attribute(base, name):
                module = self._modules.get(self.key(base))
                if module is not None and name in module.__dict__:
                    self.object(base)
                    return self._entry(w.object(module.__dict__), name)
                return self._attribute(self.object(base), name, key)
            case Item(base, item):
                return self._item(base, item)
        raise AssertionError(source)

    def _argument(self, index: int, key: Key) -> str:
        w, b = self.writer, self.binder
        p = b.parameters
        if index == p.var_positional:
            items = [self._slot(b.first_extra + k) for k in range(p.extra_positional)]
            made = w.call("ptr", "PyTuple_New", f"i64 {len(items)}")
            w.require(w.op(f"icmp ne ptr {made}, null"), ABORT)
            for k, item in enumerate(items):
                w.incref(item)
                w.store("ptr", item, made, capi.TUPLE_ITEMS + 8 * k)
            self.keep(made)
            self._items[key] = items
            return made
        if index == p.var_keyword:
            made = w.call("ptr", "PyDict_New")
            w.require(w.op(f"icmp ne ptr {made}, null"), ABORT)
            self.keep(made)
            for k, name in enumerate(p.extra_keywords):
                item = self._slot(b.first_keyword + k)
                done = w.call(
                    "i32", "PyDict_SetItem", f"ptr {made}", f"ptr {w.object(sys.intern(name))}", f"ptr {item}"
                )
                w.require(w.op(f"icmp eq i32 {done}, 0"), ABORT)
            return made
        return self._slot(b.slot_of[index])

    def _slot(self, k: int) -> str:
        return self.writer.load("ptr", self.binder.bound, 8 * k)

    def _entry(self, table: str, name: str) -> str:
        w = self.writer
        value = w.call("ptr", "PyDict_GetItemWithError", f"ptr {table}", f"ptr {w.object(sys.intern(name))}")
        w.require(w.op(f"icmp ne ptr {value}, null"), MISMATCH)
        return value

    def _global(self, namespace: dict[str, Any], name: str) -> str:
        builtins = namespace.get("__builtins__", {})
        builtins = builtins.__dict__ if isinstance(builtins, ModuleType) else builtins
        if name in namespace or name not in builtins:
            return self._entry(self.writer.object(namespace), name)
        # a name that only builtins had: the module may define it later
        w = self.writer
        interned = w.object(sys.intern(name))
        shadow = w.call("ptr", "PyDict_GetItemWithError", f"ptr {w.object(namespace)}", f"ptr {interned}")
        w.require(w.op(f"icmp eq ptr {shadow}, null"), MISMATCH)
        return self._entry(w.object(builtins), name)

    def _attribute(self, base: str, name: str, key: Key) -> str:
        w = self.writer
        value = w.call("ptr", "PyObject_GetAttr", f"ptr {base}", f"ptr {w.object(sys.intern(name))}")
        w.require(w.op(f"icmp ne ptr {value}, null"), MISMATCH)
        self._holding.add(key)
        self.keep(value)
        return value

    def _item(self, base: Source, item: Any) -> str:
        w, p = self.writer, self.binder.parameters
        if isinstance(base, Argument) and base.index == p.var_positional:
            return self._slot(self.binder.first_extra + int(item))
        if isinstance(base, Argument) and base.index == p.var_keyword:
            return self._slot(self.binder.first_keyword + p.extra_keywords.index(item))
        container, key = self.object(base), self.key(base)
        kind, keys = self._container(base)
        if issubclass(kind, dict):
            return self._items[key][
                next(k for k, known in enumerate(keys) if type(known) is type(item) and known == item)
            ]
        if issubclass(kind, tuple):
            return w.load("ptr", container, capi.TUPLE_ITEMS + 8 * int(item))
        return w.load("ptr", w.load("ptr", container, capi.LIST_ITEMS), 8 * int(item))

    def _container(self, base: Source) -> tuple[type, Sequence[Any]]:
        """Type and keys of a container that a guard has checked; without a guard its items cannot be found safely."""
        for guard in self._guards.get(self.key(base), ()):
            if guard.condition == "container":
                return type(guard.value), list(guard.value)
            if guard.condition == "type" and issubclass(guard.value, tuple) and hasattr(guard.value, "_fields"):
                return guard.value, guard.value._fields
        raise ValueError(f"the items of {base} are used without a guard on the container")

    # --- checking
    def _check(self, guard: Guard, key: Key, object: str) -> None:
        w = self.writer
        match guard.condition:
            case "is":
                w.require(w.op(f"icmp eq ptr {object}, {w.object(guard.value)}"), MISMATCH)
            case "type":
                w.require(w.type_is(object, w.object(guard.value)), MISMATCH)
                if issubclass(guard.value, tuple) and hasattr(guard.value, "_fields"):
                    self._size_is(object, len(guard.value._fields))
            case "equal":
                self._check_equal(object, guard.value)
            case "container":
                if key[0] == "argument" and key[1] in (
                    self.binder.parameters.var_positional,
                    self.binder.parameters.var_keyword,
                ):
                    return
                w.require(w.type_is(object, w.object(type(guard.value))), MISMATCH)
                self._size_is(object, len(guard.value))
                if isinstance(guard.value, dict):
                    self._check_keys(key, object, list(guard.value))

    def _size_is(self, object: str, size: int) -> None:
        w = self.writer
        w.require(w.op(f"icmp eq i64 {w.load('i64', object, capi.OB_SIZE)}, {size}"), MISMATCH)

    def _check_keys(self, key: Key, object: str, keys: list[Any]) -> None:
        w = self.writer
        position, at_key, at_value = w.alloca("i64"), w.alloca("ptr"), w.alloca("ptr")
        w.store("i64", "0", position)
        values = self._items[key] = []
        for k in keys:
            more = w.call("i32", "PyDict_Next", *(f"ptr {p}" for p in (object, position, at_key, at_value)))
            w.require(w.op(f"icmp ne i32 {more}, 0"), MISMATCH)
            values.append(w.load("ptr", at_value))
            self._require_equal(w.load("ptr", at_key), k)

    def _check_equal(self, object: str, value: Any) -> None:
        w = self.writer
        if value is None or isinstance(value, bool):
            w.require(w.op(f"icmp eq ptr {object}, {w.object(value)}"), MISMATCH)
        elif type(value) is tuple:
            w.require(w.type_is(object, w.object(tuple)), MISMATCH)
            self._size_is(object, len(value))
            for k, item in enumerate(value):
                self._check_equal(w.load("ptr", object, capi.TUPLE_ITEMS + 8 * k), item)
        elif type(value) in (float, complex) or isinstance(value, np.generic):
            w.require(w.type_is(object, w.object(type(value))), MISMATCH)
            self._check_bits(object, value)
        else:
            self._require_equal(object, value)

    def _check_bits(self, object: str, value: Any) -> None:
        w = self.writer
        data = np.asarray(value).tobytes()
        offset = 0
        while offset < len(data):
            size = next(s for s in (8, 4, 2, 1) if len(data) - offset >= s)
            part = int.from_bytes(data[offset : offset + size], sys.byteorder)
            loaded = w.load(f"i{8 * size}", object, capi.SCALAR_VALUE + offset)
            w.require(w.op(f"icmp eq i{8 * size} {loaded}, {part}"), MISMATCH)
            offset += size

    def _require_equal(self, object: str, value: Any) -> None:
        """``object`` is ``value``, or is of the same type and equal (of types whose comparison runs no Python code)."""
        w = self.writer
        if type(value) not in (int, str, bytes, float, bool) and not isinstance(value, np.dtype):
            w.require(w.op(f"icmp eq ptr {object}, {w.object(value)}"), MISMATCH)
            return
        expected = w.object(value)
        same = w.op(f"icmp eq ptr {object}, {expected}")
        equal = w.choose(
            same, lambda: "true", lambda: w.support(support.SAME_KEY, f"ptr {object}", f"ptr {expected}"), "i1"
        )
        w.require(equal, MISMATCH)


def parameters_of(signature: inspect.Signature, extra_positional: int, extra_keywords: Sequence[str]) -> Parameters:
    """The :class:`Parameters` of a signature for calls with so many extra arguments."""
    defaults = {k: p.default for k, p in enumerate(signature.parameters.values()) if p.default is not p.empty}
    kinds = tuple(p.kind for p in signature.parameters.values())
    return Parameters(tuple(signature.parameters), kinds, defaults, extra_positional, tuple(extra_keywords))


def flat_parameters(names: Sequence[str], extra: int) -> Parameters:
    """For calls that pass each parameter's value by position (``*args`` as one tuple), and ``extra`` more objects."""
    count = len(names) + extra
    return Parameters((*names, *map(str, range(extra))), (inspect.Parameter.POSITIONAL_ONLY,) * count)
