"""State that a program reads from outside: globals, closure cells, attributes, and what they contain.

Nothing captured goes stale. Arrays and NumPy scalars become hidden inputs, read anew on each call; Python numbers are
guarded, and become hidden inputs when they change; functions, classes and modules are guarded by identity, containers
by structure and item by item. Lists, dicts and objects are represented by stand-ins, so that what the program does to
them while it is traced is not done to the caller's: :mod:`tracejit.trace.results` has it done when the call returns.
"""

from __future__ import annotations

import builtins
import enum
import functools
import inspect
import numbers
import types
from collections import deque
from collections.abc import Hashable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from tracejit.errors import CaptureError, UnsupportedError, a
from tracejit.ir.core import Value
from tracejit.ir.interface import (
    Argument,
    ArrayInput,
    Attribute,
    Cell,
    Global,
    Guard,
    Input,
    Item,
    Layout,
    ScalarInput,
    Source,
    describe,
)
from tracejit.ir.types import DTYPE_NAMES, INDEX, ArrayType, Dim
from tracejit.lazy import Lazy
from tracejit.record import record, replace
from tracejit.trace import libraries, objects
from tracejit.trace.boxes import LONG_AGO, ArrayTracer
from tracejit.trace.context import Context
from tracejit.trace.control import Control
from tracejit.trace.outer import Outer, Variable
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.tracer import PYTHON_ALTERNATIVES, Origin, Tracer

if TYPE_CHECKING:
    from tracejit.trace import samples
else:
    samples = Lazy("tracejit.trace.samples")

SourceKey: TypeAlias = Hashable
OriginKind: TypeAlias = Literal["argument", "captured"]

_ATOMS = (str, bytes, type(None), np.dtype)
_CONSTANTS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.ModuleType,
    types.CodeType,
    type(Ellipsis),
    type(NotImplemented),
    property,
    frozenset,
    np.ufunc,
    type,
    enum.Enum,
    numbers.Number,
)
_SUBCLASSED = (int, float, complex, str, bytes, list, dict, set, np.ndarray)
_MAX_WATCHED = 2048
_MUTABLE = (set, bytearray, memoryview, deque)


def _origin(given: Input, kind: OriginKind) -> Origin:
    text = "argument" if kind == "argument" else "the captured value"
    return Origin(kind, given.source, f"{text} {describe(given.source)!r}")


def source_key(source: Source) -> SourceKey:
    """Equal for sources that lead to the same place, also in different traces."""
    match source:
        case Argument(index, _):
            return ("argument", index)
        case Global(namespace, name):
            return ("global", id(namespace), name)
        case Cell(cell, _):
            return ("cell", id(cell))
        case Attribute(base, name):
            return ("attribute", source_key(base), name)
        case Item(base, key):
            return ("item", source_key(base), type(key), key)
    raise AssertionError(source)


@record(eq=False)
class Entry:
    """An input of the program.

    Attributes:
        input: How the caller finds it.
        tracer: What stands for it; None for an array that is the same as another input.
        param: Its parameter, if it has one of its own.
    """

    input: Input
    tracer: ArrayTracer | ScalarTracer | None
    param: Value | None


@record(eq=False)
class Container:
    """A list or dict of the caller.

    Attributes:
        source: Where it is.
        object: What stands for it.
        initial: A copy of that as it was at first.
    """

    source: Source
    object: Any
    initial: Any


class Captures:
    """The inputs of one trace, and its guards on the state around it.

    Attributes:
        entries: The inputs: arguments first, then hidden ones in the order in which they were met.
        symbols: The parameter of each run-time dimension.
        guards: What must hold for the trace to be right.
        containers: Stand-ins for the caller's lists and dicts.
        instances: Stand-ins for the caller's objects.
        variables: Globals and closure variables that the program assigns: where, what, and the value before.
        converted: Functions made ready for this trace.
        defaults: Those whose default arguments have been captured.
        keep_alive: Objects that sources or keys refer to.
        package: The package of the function that is traced; None for a script or notebook.
        frozen: NumPy scalars whose value tracing needs.
        same: By the number of an input that is the same array as an earlier one: the number of that.
    """

    def __init__(
        self,
        control: Control,
        hidden: Mapping[SourceKey, Input],
        package: str | None = None,
        frozen: frozenset[SourceKey] = frozenset(),
    ) -> None:
        self.control = control
        self.package = package
        self.frozen = frozen
        self.context: Context = control.context
        self.hidden = hidden
        self.entries: list[Entry] = []
        self.symbols: dict[str, Value] = {}
        self.guards: list[Guard] = []
        self.containers: list[Container] = []
        self.instances: dict[int, objects.StandIn] = {}
        self.variables: dict[SourceKey, tuple[Global | Cell, Variable, Any]] = {}
        self.converted: dict[types.FunctionType, types.FunctionType] = {}
        self.defaults: set[types.FunctionType] = set()
        self.keep_alive: list[Any] = []
        self.same: dict[int, int] = {}
        self._seen: dict[SourceKey, Any] = {}
        self._guarded: set[Hashable] = set()
        self._known: dict[int, tuple[Any, Source]] = {}  # by the caller's object: what stands for it, its source
        self._opaque: dict[int, Any] = {}
        self._watched = 0
        self._sources: dict[int, tuple[Any, Source]] = {}  # classes, functions, modules

    # --- inputs
    def array_input(self, given: ArrayInput, kind: OriginKind = "argument") -> ArrayTracer:
        """A new array input."""
        shape = tuple(d if isinstance(d, int) else self._symbol(d) for d in given.shape)
        param = self.context.blocks[0].add_param(ArrayType(given.dtype, shape))
        order: Any = given.layout
        origin = _origin(given, kind)
        box = ArrayTracer(param, order, origin)
        # it was there before the trace began, wherever it is met
        box.scope = None
        box.serial = LONG_AGO
        box.writeable = not given.readonly
        box.input_index = len(self.entries)
        self.entries.append(Entry(given, box, param))
        return box

    def identify(self, value: np.ndarray[Any, Any], box: ArrayTracer, source: Source) -> None:
        """Let ``box`` stand for the array, wherever else it is met."""
        self._known[id(value)] = (box, source)
        self.keep_alive.append(value)

    def scalar_input(self, given: ScalarInput, kind: OriginKind = "argument") -> ScalarTracer:
        """A new scalar input."""
        param = self.context.blocks[0].add_param(ArrayType(given.dtype))
        origin = _origin(given, kind)
        tracer = ScalarTracer(param, ((given.kind, given.dtype),), None, origin)
        self.entries.append(Entry(given, tracer, param))
        return tracer

    def _symbol(self, name: str) -> Dim:
        value = self.symbols.get(name)
        if value is None:
            value = self.symbols[name] = self.context.blocks[0].add_param(INDEX, name)
            self.context.nonnegative.add(value)
        return value

    # --- names
    def glob(self, namespace: dict[str, Any], name: str) -> Any:
        """The global ``name`` of a function with these globals, as the program must see it."""
        if libraries.is_routine_namespace(namespace):
            return namespace[name] if name in namespace else getattr(builtins, name)
        source = Global(namespace, name)
        key = source_key(source)
        variable = self.variables.get(key)
        if variable is not None:
            return variable[1].value
        if key in self._seen:
            return self._seen[key]
        if name in namespace:
            value = namespace[name]
        else:
            inner = namespace.get("__builtins__", builtins)
            known = vars(inner) if isinstance(inner, types.ModuleType) else inner
            if name not in known:
                raise NameError(f"name {name!r} is not defined", name=name)
            value = known[name]
        return self.see(value, source)

    def cell(self, cell: types.CellType, name: str) -> Any:
        """The contents of a closure cell, as the program must see them."""
        variable = self.variables.get(("cell", id(cell)))
        if variable is not None:
            return variable[1].value
        try:
            value = cell.cell_contents
        except ValueError:
            text = f"cannot access free variable {name!r} where it is not associated with a value in enclosing scope"
            raise NameError(text, name=name) from None
        return self.see(value, Cell(cell, name))

    def assign(self, source: Global | Cell, value: Any) -> None:
        """Let a global or a closure variable have another value."""
        key = source_key(source)
        known = self.variables.get(key)
        if known is None:
            before = (
                self.glob(source.namespace, source.name) if isinstance(source, Global) else self.cell(*_cell(source))
            )
            variable = Variable(before)
            self.control.journal.bear(variable, LONG_AGO)
            known = self.variables[key] = (source, variable, before)
        self.control.journal.note(known[1])
        known[1].value = value

    # --- objects
    def see(self, value: Any, source: Source, guarded: bool = False) -> Any:
        """What stands for the caller's object ``value``, found at ``source``, while tracing.

        ``guarded`` says that the caller checks its type, and identity or value where those matter, by itself.
        """
        key = source_key(source)
        if key in self._seen:
            return self._seen[key]
        if self.is_ours(value):
            return value
        self.keep_alive.append(value)
        result = self._see(value, source, guarded)
        self._seen[key] = result
        return result

    def is_ours(self, value: Any) -> bool:
        """Whether an object belongs to the trace."""
        return isinstance(value, Tracer) or id(value) in self.instances or id(value) in self.control.journal.born

    def _see(self, value: Any, source: Source, guarded: bool) -> Any:
        kind = type(value)
        if kind in PYTHON_ALTERNATIVES:
            return value if guarded else self._number(value, source)
        if kind is np.ndarray:
            return self._array(value, source)
        if isinstance(value, np.generic):
            return value if guarded else self._numpy_scalar(value, source)
        if isinstance(value, _ATOMS) and (kind in (str, bytes, type(None)) or isinstance(value, np.dtype)):
            return value if guarded else self._constant(value, source, "equal")
        if kind is tuple or (isinstance(value, tuple) and hasattr(kind, "_fields")):
            return self._tuple(value, source)
        if kind in (list, dict):
            return self._container(value, source)
        if kind in (slice, range):
            return value if guarded else self._range(value, source)
        if kind is types.MethodType:
            return self._method(value, source, guarded)
        if kind is functools.partial:
            return self._partial(value, source, guarded)
        if isinstance(value, _CONSTANTS) or libraries.is_ours(kind):
            if isinstance(value, _SUBCLASSED) and not isinstance(value, enum.Enum):
                self._refuse_subclass(value, source)
            self._sources.setdefault(id(value), (value, source))
            return value if guarded else self._constant(value, source, "is")
        return self._instance(value, source, guarded)

    def _constant(self, value: Any, source: Source, condition: Any) -> Any:
        self.guard(source, condition, value)
        return value

    def guard(self, source: Source, condition: Any, value: Any) -> None:
        """Let the program be used only where this holds."""
        key = (source_key(source), condition)
        if key not in self._guarded:
            self._guarded.add(key)
            self.guards.append(Guard(source, condition, value))

    def is_opaque(self, value: Any) -> bool:
        """Whether a value is an object of the caller's whose state cannot be watched."""
        return id(value) in self._opaque

    def source_of(self, value: Any) -> Source | None:
        """Where an object of the caller (a class, function, module or stand-in) was found."""
        stand_in = self.instances.get(id(value))
        if stand_in is not None:
            return stand_in.source
        known = self._sources.get(id(value))
        return None if known is None else known[1]

    # --- numbers and arrays
    def _number(self, value: Any, source: Source) -> Any:
        given = self.hidden.get(source_key(source))
        if isinstance(given, ScalarInput) and (given.kind, given.dtype) == PYTHON_ALTERNATIVES[type(value)]:
            if type(value) is not int or -(2**63) <= value < 2**63:
                return self.scalar_input(ScalarInput(source, given.kind, given.dtype), "captured")
        return self._constant(value, source, "equal")

    def _numpy_scalar(self, value: np.generic, source: Source) -> Any:
        dtype = value.dtype.newbyteorder("=")
        if dtype not in DTYPE_NAMES:
            return self._constant(value, source, "is")
        if source_key(source) in self.frozen:
            return self._constant(value, source, "equal")
        return self.scalar_input(ScalarInput(source, "numpy", dtype), "captured")

    def _array(self, value: np.ndarray[Any, Any], source: Source) -> ArrayTracer:
        known = self._known.get(id(value))
        if known is not None:  # one array in two places: both must go on being it
            box = known[0]
            assert isinstance(box, ArrayTracer)
            assert box.input_index is not None
            self.same[len(self.entries)] = box.input_index
            self.entries.append(Entry(replace(self.entries[box.input_index].input, source=source), None, None))
            return box
        dtype = value.dtype
        if dtype.newbyteorder("=") not in DTYPE_NAMES or dtype.fields is not None:
            raise UnsupportedError(
                f"{describe(source)} is an array of dtype {dtype}, which tracejit does not compile",
                hint="an array of bool, an integer, float16/32/64 or complex64/128",
            )
        size = dtype.itemsize
        if not dtype.isnative or not value.flags.aligned or any(s % size for s in value.strides):
            raise UnsupportedError(
                f"the array {describe(source)} is byte-swapped or misaligned in memory, and it is no argument",
                hint="it as an argument; or np.array(x, dtype=x.dtype.newbyteorder('='))",
            )
        flags = value.flags
        layout: Layout = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "strided"
        shape: tuple[int | str, ...] = value.shape
        given = self.hidden.get(source_key(source))
        if isinstance(given, ArrayInput) and len(given.shape) == len(shape):
            shape = tuple(g if isinstance(g, str) or g == d else d for g, d in zip(given.shape, value.shape))
        box = self.array_input(ArrayInput(source, dtype, shape, layout, readonly=not flags.writeable), "captured")
        self._known[id(value)] = (box, source)
        self.keep_alive.append(value)
        return box

    def array_of(self, value: np.ndarray[Any, Any]) -> ArrayTracer:
        """The box of an array that was met somewhere while tracing: found by reference, unless its place is known."""
        known = self._known.get(id(value))
        if known is not None:
            box = known[0]
            assert isinstance(box, ArrayTracer)
            return box
        return self._array(value, Cell(types.CellType(value), "a constant array"))

    # --- containers
    def _tuple(self, value: Any, source: Source) -> Any:
        kind = type(value)
        if kind is tuple:
            self.guard(source, "container", (None,) * len(value))
        else:
            self.guard(source, "type", kind)
        items = [self.see(v, Item(source, k)) for k, v in enumerate(value)]
        if all(a is b for a, b in zip(items, value)):
            return value
        return tuple(items) if kind is tuple else kind._make(items)

    def _container(self, value: Any, source: Source) -> Any:
        known = self._known.get(id(value))
        if known is not None:  # one object in two places: both must go on being it
            self.guard(known[1], "is", value)
            self.guard(source, "is", value)
            return known[0]
        self._watched += len(value)
        if self._watched > _MAX_WATCHED:
            raise UnsupportedError(
                f"{describe(source)} brings the items of captured containers to more than {_MAX_WATCHED}: compiled "
                "code would have to check each of them in every call",
                hint="an array of the numbers, or what the function needs of them as arguments",
            )
        stand_in: Any = type(value)()
        self._known[id(value)] = (stand_in, source)
        if isinstance(value, dict):
            self.guard(source, "container", dict.fromkeys(value))
            for k, v in list(value.items()):
                stand_in[k] = self.see(v, Item(source, k))
        else:
            self.guard(source, "container", [None] * len(value))
            stand_in.extend(self.see(v, Item(source, k)) for k, v in enumerate(list(value)))
        self.adopt(stand_in, source)
        return stand_in

    def adopt(self, container: Any, source: Source) -> None:
        """``container`` stands for the list or dict at ``source``."""
        self.containers.append(Container(source, container, container.copy()))
        self.control.journal.bear(container, LONG_AGO)

    def _range(self, value: Any, source: Source) -> Any:
        self.guard(source, "type", type(value))
        for name in ("start", "stop", "step"):
            part = getattr(value, name)
            if part is not None and type(part) not in (int, str, bool):
                raise UnsupportedError(
                    f"{describe(Attribute(source, name))} is {a(type(part).__name__)}",
                    hint="a slice or range of ints (or None)",
                )
            self.guard(Attribute(source, name), "equal", part)
        return value

    # --- callables and instances
    def _method(self, value: types.MethodType, source: Source, guarded: bool) -> Any:
        if not guarded:
            self.guard(source, "type", types.MethodType)
        function = self.see(value.__func__, Attribute(source, "__func__"), guarded)
        owner = self.see(value.__self__, Attribute(source, "__self__"), guarded)
        return value if owner is value.__self__ else types.MethodType(function, owner)

    def _partial(self, value: functools.partial[Any], source: Source, guarded: bool) -> Any:
        if not guarded:
            self.guard(source, "is", value)
        function = self.see(value.func, Attribute(source, "func"), guarded)
        args = self.see(value.args, Attribute(source, "args"))
        # keywords is a dict of the partial's own
        keywords = Attribute(source, "keywords")
        self.guard(keywords, "container", dict.fromkeys(value.keywords))
        named = {k: self.see(v, Item(keywords, k)) for k, v in value.keywords.items()}
        return functools.partial(function, *args, **named)

    def _refuse_subclass(self, value: Any, source: Source) -> None:
        base = next(b for b in _SUBCLASSED if isinstance(value, b))
        raise UnsupportedError(
            f"{describe(source)} is {a(type(value).__name__)}, a subclass of {base.__name__} that may redefine what "
            "its operations mean",
            hint=f"a plain {base.__name__}" + (": np.asarray(x)" if base is np.ndarray else ""),
        )

    def _instance(self, value: Any, source: Source, guarded: bool) -> Any:
        kind = type(value)
        if isinstance(value, _MUTABLE) or hasattr(kind, "__next__"):
            raise UnsupportedError(
                f"{describe(source)} is {a(kind.__name__)}: tracejit cannot see when its contents change",
                hint="a tuple, list, dict or frozenset",
            )
        if isinstance(value, _SUBCLASSED):
            self._refuse_subclass(value, source)
        known = self._known.get(id(value))
        if known is not None:  # one object in two places: both must go on being it
            self.guard(known[1], "is", value)
            self.guard(source, "is", value)
            return known[0]
        if not objects.can_stand_in(value):
            self.guard(source, "is", value)
            self._opaque[id(value)] = value
            return value
        if not guarded:
            self.guard(source, "type", kind)
        stand_in = objects.stand_in_for(value, source)
        self.instances[id(stand_in.object)] = stand_in
        self.control.journal.bear(stand_in.object, LONG_AGO)
        self._known[id(value)] = (stand_in.object, source)
        self._sources.setdefault(id(kind), (kind, Attribute(source, "__class__")))
        return stand_in.object

    # --- attributes
    def attr(self, owner: Any, name: str) -> Any:
        """``owner.name`` for anything that is not traced."""
        kind = type(owner)
        if kind is types.ModuleType:
            return self._module_attribute(owner, name)
        if isinstance(owner, type):
            return self._class_attribute(owner, name)
        if isinstance(owner, Tracer) or id(owner) in self.instances:
            return getattr(owner, name)
        if type(owner) is Outer:
            return getattr(owner, name)
        made = objects.computed_attribute(owner, name)
        return getattr(owner, name) if made is None else made()

    def _module_attribute(self, module: types.ModuleType, name: str) -> Any:
        namespace = vars(module)
        if name not in namespace or name.startswith("__"):
            return getattr(module, name)
        value = namespace[name]
        if libraries.is_library_module(module) and not isinstance(value, (list, dict, MutableMapping)):
            return value
        return self.glob(namespace, name)

    def _class_attribute(self, cls: type, name: str) -> Any:
        value = getattr(cls, name)
        source = self.source_of(cls)
        if source is None or name.startswith("__") or libraries.is_library_class(cls):
            return value
        return self.see(value, Attribute(source, name))

    def setattr(self, owner: Any, name: str, value: Any) -> None:
        """``owner.name = value``."""
        if type(owner) is Outer:
            setattr(owner, name, value)
            return
        self._before_change(owner, name, f"assigning {name!r} of")
        setter = getattr(inspect.getattr_static(type(owner), name, None), "fset", None)
        if isinstance(setter, types.FunctionType) and not isinstance(owner, Tracer):
            from tracejit.trace import calls

            calls.call(setter, (owner, value), {})
            return
        own = hasattr(inspect.getattr_static(type(owner), name, None), "__set__")
        if isinstance(owner, ScalarTracer) or (isinstance(owner, ArrayTracer) and not own):
            samples.complain(lambda x: setattr(x, name, None), owner)
        if not isinstance(owner, Tracer):
            self.control.journal.note(owner)
        setattr(owner, name, value)

    def delattr(self, owner: Any, name: str) -> None:
        """``del owner.name``."""
        self._before_change(owner, name, f"deleting {name!r} of")
        if isinstance(owner, (ScalarTracer, ArrayTracer)):
            samples.complain(lambda x: delattr(x, name), owner)
        if not isinstance(owner, Tracer):
            self.control.journal.note(owner)
        delattr(owner, name)

    def _before_change(self, owner: Any, name: str, what: str) -> None:
        stand_in = self.instances.get(id(owner))
        if stand_in is not None:
            objects.fill(self, stand_in)
        elif id(owner) in self._sources or isinstance(owner, types.ModuleType) or self.is_opaque(owner):
            text = getattr(owner, "__name__", type(owner).__name__)
            raise CaptureError(
                f"{what} {text} would happen once, while the function is compiled, and not each time it runs",
                hint="the new value as the result, an element of an array, or an attribute of an argument",
            )


def _cell(source: Cell) -> tuple[types.CellType, str]:
    return source.cell, source.name


def current_captures() -> Captures | None:
    """The captured state of the trace in progress, if there is one."""
    from tracejit.trace.context import current, is_tracing

    if not is_tracing():
        return None
    inputs = current().inputs
    return inputs.captures if isinstance(inputs, Control) else None


__all__ = ["Captures", "Container", "Entry", "SourceKey", "current_captures", "source_key"]
