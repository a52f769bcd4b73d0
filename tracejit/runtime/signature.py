"""What a call looks like to the compiler: arguments bound to parameters and classified, leaf by leaf.

:func:`bind` finds each parameter's value. :class:`Classifier` walks the values: arrays and numbers become inputs of
the program, containers are taken apart (and guarded), everything else is static: part of the signature, guarded by
identity, type or value. Two calls with equal :attr:`Signature.key` differ at most in the dimensions of their arrays.
"""

from __future__ import annotations

import enum
import inspect
import numbers
import struct
import sys
import types
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tracejit.errors import UnsupportedError, a, stripped
from tracejit.ir.interface import (
    Argument,
    ArrayInput,
    Attribute,
    Guard,
    Item,
    Layout,
    Same,
    ScalarInput,
    ScalarKind,
    Source,
    describe,
)
from tracejit.ir.types import DTYPE_NAMES
from tracejit.record import field, record

Path: TypeAlias = tuple[Any, ...]
"""Where a leaf is, without objects: parameter number, then keys."""

_INT64 = range(-(2**63), 2**63)
PYTHON_DTYPES: dict[type, np.dtype[Any]] = {
    bool: np.dtype(bool),
    int: np.dtype(np.int64),
    float: np.dtype(np.float64),
    complex: np.dtype(complex),
}
"""The dtype that a Python number has in a program."""
_DTYPES = {(d.kind, d.itemsize): d for d in DTYPE_NAMES}
_MUTABLE = (set, bytearray, memoryview, deque)
_NUMBERS = "bool, an integer, float16/32/64 or complex64/128"
_SUBCLASSED = (int, float, complex, str, bytes, list, dict, set, np.ndarray)


# --- binding
# -------------------------------------------------------------------------------------------------------------


@record
class BoundCall:
    """A call with every parameter bound.

    Attributes:
        values: One per parameter: ``*args`` is a tuple, ``**kwargs`` a dict.
        positional: The same call written with as many positional arguments as possible.
        keywords: Its remaining keyword arguments.
    """

    values: list[Any]
    positional: list[Any]
    keywords: dict[str, Any]


def bind(function: Callable[..., Any], signature: inspect.Signature, args: Any, kwargs: Any) -> BoundCall:
    """Bind a call as Python would. A call that does not fit raises Python's own ``TypeError``."""
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        try:
            function(*args, **kwargs)  # the call fails before the body runs, with Python's message
        except TypeError as error:
            raise stripped(error) from None
        raise
    bound.apply_defaults()
    return arrange(signature, list(bound.arguments.values()))


def arrange(signature: inspect.Signature, values: list[Any]) -> BoundCall:
    """The call with these values of its parameters."""
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for parameter, value in zip(signature.parameters.values(), values, strict=True):
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            positional.append(value)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            positional.extend(value)
        elif parameter.kind is parameter.KEYWORD_ONLY:
            keywords[parameter.name] = value
        else:
            # native code tells names apart by identity
            keywords.update((sys.intern(k) if type(k) is str else k, v) for k, v in value.items())
    return BoundCall(values, positional, keywords)


# --- the parts of a signature
# ----------------------------------------------------------------------------------------------


@record(frozen=True, eq=False)
class ArrayLeaf:
    """An array argument."""

    path: Path
    source: Source
    array: np.ndarray[Any, Any]
    dtype: np.dtype[Any]
    layout: Layout

    def input(self, shape: tuple[int | str, ...]) -> ArrayInput:
        return ArrayInput(self.source, self.dtype, shape, self.layout, readonly=not self.array.flags.writeable)


@record(frozen=True, eq=False)
class ScalarLeaf:
    """A number whose value the program does not depend on while it is traced."""

    path: Path
    source: Source
    kind: ScalarKind
    dtype: np.dtype[Any]

    def input(self) -> ScalarInput:
        return ScalarInput(self.source, self.kind, self.dtype)


@record(frozen=True, eq=False)
class StaticLeaf:
    """An object that is part of the signature."""

    path: Path
    source: Source
    value: Any


@record(frozen=True, eq=False)
class Tree:
    """A container: an exact tuple, list or dict, or a named tuple."""

    path: Path
    source: Source
    value: Any
    keys: tuple[Any, ...]
    children: tuple[Node, ...]


Node: TypeAlias = ArrayLeaf | ScalarLeaf | StaticLeaf | Tree


@record
class Signature:
    """A classified call.

    Attributes:
        nodes: One per parameter.
        guards: What must hold for the structure and the static leaves.
        key: Everything but dimensions and which arrays share memory, hashable.
        leaves: Arrays and scalars in order: the program's inputs.
        same: Pairs of inputs that are one array.
        texts: What each leaf is, for people, by its path as text.
        keep_alive: Objects that :attr:`key` mentions by identity.
    """

    nodes: tuple[Node, ...]
    guards: tuple[Guard, ...]
    key: Hashable
    leaves: tuple[ArrayLeaf | ScalarLeaf, ...]
    same: tuple[Same, ...]
    texts: Mapping[str, str]
    keep_alive: list[Any]

    @property
    def arrays(self) -> list[tuple[int, ArrayLeaf]]:
        """Array leaves with their input numbers."""
        return [(k, leaf) for k, leaf in enumerate(self.leaves) if isinstance(leaf, ArrayLeaf)]


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, depth first."""
    yield node
    if isinstance(node, Tree):
        for child in node.children:
            yield from walk(child)


# --- classification
# --------------------------------------------------------------------------------------------------------


def layout_of(array: np.ndarray[Any, Any]) -> Layout:
    """The most specific layout that an array has."""
    flags = array.flags
    return "C" if flags.c_contiguous else "F" if flags.f_contiguous else "strided"


def native_dtype(dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """The dtype that programs know for ``dtype`` (in native byte order), or None when they know none."""
    if dtype.kind not in "biufc" or dtype.fields is not None:
        return None
    return _DTYPES.get((dtype.kind, dtype.itemsize))


def fits_int64(value: Any) -> bool:
    """Whether a number is not a Python int beyond 64 bits (programs compute with those as they are, while they are
    traced)."""
    return type(value) is not int or value in _INT64


def needs_copy(array: np.ndarray[Any, Any]) -> bool:
    """Whether compiled code cannot address the elements where they are: byte-swapped, misaligned, odd strides."""
    size = array.dtype.itemsize
    return not array.dtype.isnative or not array.flags.aligned or any(s % size for s in array.strides)


def oddity(array: np.ndarray[Any, Any]) -> str:
    """Why an array :func:`needs_copy`."""
    if not array.dtype.isnative:
        return "byte-swapped"
    return "misaligned" if not array.flags.aligned else "laid out with strides that are no multiple of the item size"


@record
class Policy:
    """What a dispatcher has learnt about its arguments.

    Attributes:
        static: Numbers of the parameters that are static as a whole.
        specialized: Paths of numbers whose value tracing needs.
        structural: Code objects of functions that come as ever new objects, and are recognised by their code.
    """

    static: frozenset[int] = frozenset()
    specialized: set[Path] = field(default_factory=set)
    structural: set[types.CodeType] = field(default_factory=set)


class Classifier:
    """Classifies one call.

    Attributes:
        parameter: The one that is being classified.
    """

    parameter: str

    def __init__(self, names: Sequence[str], policy: Policy) -> None:
        self.names = names
        self.policy = policy
        self.guards: list[Guard] = []
        self.leaves: list[ArrayLeaf | ScalarLeaf] = []
        self.same: list[Same] = []
        self.texts: dict[str, str] = {}
        self.keep_alive: list[Any] = []
        self._arrays: dict[int, int] = {}
        self._open: set[int] = set()
        self._static = False

    def classify(self, values: Sequence[Any]) -> Signature:
        nodes, keys = [], []
        for k, (name, value) in enumerate(zip(self.names, values, strict=True)):
            self.parameter = name
            self._static = k in self.policy.static
            node, key = self._node(value, (k,), Argument(k, name))
            nodes.append(node)
            keys.append(key)
        return Signature(
            tuple(nodes),
            tuple(self.guards),
            tuple(keys),
            tuple(self.leaves),
            tuple(self.same),
            self.texts,
            self.keep_alive,
        )

    def _node(self, value: Any, path: Path, source: Source) -> tuple[Node, Hashable]:
        kind = type(value)
        if kind in (tuple, list, dict):
            return self._container(value, path, source)
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return self._named_tuple(value, path, source)
        if kind is np.ndarray and not self._static:
            return self._array(value, path, source)
        if kind in PYTHON_DTYPES or isinstance(value, np.generic):
            return self._number(value, path, source)
        return self._object(value, path, source)

    # --- containers
    def _container(self, value: Any, path: Path, source: Source) -> tuple[Node, Hashable]:
        keys = tuple(value) if isinstance(value, dict) else tuple(range(len(value)))
        self.guards.append(Guard(source, "container", _skeleton(value)))
        children = self._children(value, keys, path, source)
        listed = tuple((type(k), k) for k in keys) if isinstance(value, dict) else len(keys)
        self.texts[describe(source)] = f"{type(value).__name__} of {len(keys)}"
        node = Tree(path, source, value, keys, tuple(c for c, _ in children))
        return node, (type(value), listed, tuple(k for _, k in children))

    def _named_tuple(self, value: Any, path: Path, source: Source) -> tuple[Node, Hashable]:
        keys = tuple(range(len(value)))
        self.guards.append(Guard(source, "type", type(value)))
        children = self._children(value, keys, path, source)
        self.texts[describe(source)] = type(value).__name__
        return Tree(path, source, value, keys, tuple(c for c, _ in children)), (
            type(value),
            tuple(k for _, k in children),
        )

    def _children(self, value: Any, keys: Sequence[Any], path: Path, source: Source) -> list[tuple[Node, Hashable]]:
        if id(value) in self._open:
            raise UnsupportedError(
                f"{describe(source)} contains itself, and compiled code takes containers apart",
                hint="a container of what the function needs",
            )
        self._open.add(id(value))
        children = [self._node(value[k], (*path, type(k), k), Item(source, k)) for k in keys]
        self._open.remove(id(value))
        return children

    # --- inputs
    def _array(self, array: np.ndarray[Any, Any], path: Path, source: Source) -> tuple[Node, Hashable]:
        dtype = native_dtype(array.dtype)
        if dtype is None:
            raise UnsupportedError(
                f"{describe(source)} is an array of dtype {array.dtype}, which tracejit does not compile",
                hint=f"an array of {_NUMBERS}",
            )
        if needs_copy(array):
            raise UnsupportedError(
                f"{describe(source)} is {oddity(array)}, and such an array is taken only as an argument by itself",
                hint="np.array(x, dtype=x.dtype.newbyteorder('='))",
            )
        leaf = ArrayLeaf(path, source, array, dtype, layout_of(array))
        number = len(self.leaves)
        first = self._arrays.setdefault(id(array), number)
        if first != number:
            self.same.append(Same(first, number))
        self.leaves.append(leaf)
        readonly = not array.flags.writeable
        shape = ", ".join(map(str, array.shape))
        notes = [n for n in ("" if leaf.layout == "C" else leaf.layout, "read-only" if readonly else "") if n]
        self.texts[describe(source)] = f"{dtype}[{shape}]" + (f" ({', '.join(notes)})" if notes else "")
        return leaf, ("array", dtype, array.ndim, leaf.layout, readonly)

    def _number(self, value: Any, path: Path, source: Source) -> tuple[Node, Hashable]:
        kind = type(value)
        if isinstance(value, np.generic):
            dtype = native_dtype(value.dtype)
            if dtype is None:
                raise UnsupportedError(
                    f"{describe(source)} is a NumPy scalar of dtype {value.dtype}, which tracejit does not compile",
                    hint=f"a number that is {_NUMBERS}",
                )
            if kind is not dtype.type:
                raise UnsupportedError(
                    f"{describe(source)} is a numpy.{kind.__name__}", hint=f"a numpy.{dtype.type.__name__}"
                )
            scalar_kind: ScalarKind = "numpy"
        else:
            dtype, scalar_kind = PYTHON_DTYPES[kind], "python"
        if self._static or path in self.policy.specialized or not fits_int64(value):
            return self._equal(value, path, source)
        leaf = ScalarLeaf(path, source, scalar_kind, dtype)
        self.leaves.append(leaf)
        self.texts[describe(source)] = kind.__name__ if scalar_kind == "python" else f"numpy.{kind.__name__}"
        return leaf, ("scalar", scalar_kind, dtype)

    # --- static objects
    def _object(self, value: Any, path: Path, source: Source) -> tuple[Node, Hashable]:
        kind = type(value)
        if (isinstance(value, (str, bytes)) and kind in (str, bytes)) or value is None or isinstance(value, np.dtype):
            return self._equal(value, path, source)
        if kind is slice or kind is range:
            self.guards.append(Guard(source, "type", kind))
            parts = [self._part(getattr(value, n), n, path, source) for n in ("start", "stop", "step")]
            self.texts[describe(source)] = repr(value)
            return StaticLeaf(path, source, value), (kind, *parts)
        if kind is types.MethodType:
            return self._method(value, path, source)
        if kind is types.FunctionType and value.__code__ in self.policy.structural and _is_plain(value):
            return self._structural_function(value, path, source)
        if isinstance(value, (type, enum.Enum, types.ModuleType)):
            return self._identical(value, path, source)
        self._refuse_unusual(value, source)
        if self._static or _is_constant(value):
            return self._identical(value, path, source)
        self.guards.append(Guard(source, "type", kind))
        self.texts[describe(source)] = f"{kind.__name__} object"
        return StaticLeaf(path, source, value), ("type", kind)

    def _refuse_unusual(self, value: Any, source: Source) -> None:
        kind = type(value)
        text = f"{describe(source)} is {a(kind.__name__)}"
        if kind is np.ndarray:
            raise UnsupportedError(
                f"{text}, and arrays cannot be static arguments", hint="a tuple, or no static_argnames for it"
            )
        base = next((b for b in _SUBCLASSED if isinstance(value, b) and kind is not b), None)
        if base is not None:
            raise UnsupportedError(
                f"{text}, a subclass of {base.__name__} that may redefine what its operations mean",
                hint=f"a plain {base.__name__}" + (": np.asarray(x)" if base is np.ndarray else ""),
            )
        if isinstance(value, _MUTABLE) or hasattr(kind, "__next__") or inspect.iscoroutine(value):
            raise UnsupportedError(
                f"{text}: tracejit cannot see when its contents change",
                hint="an array: np.frombuffer(x, np.uint8)"
                if isinstance(value, (bytearray, memoryview))
                else "a tuple, list or dict",
            )

    def _equal(self, value: Any, path: Path, source: Source) -> tuple[Node, Hashable]:
        self.guards.append(Guard(source, "equal", value))
        self.texts[describe(source)] = repr(value)
        return StaticLeaf(path, source, value), ("equal", type(value), exact(value))

    def _identical(self, value: Any, path: Path, source: Source) -> tuple[Node, Hashable]:
        self.guards.append(Guard(source, "is", value))
        self.keep_alive.append(value)
        self.texts[describe(source)] = getattr(value, "__qualname__", None) or repr(value)
        return StaticLeaf(path, source, value), ("is", id(value))

    def _part(self, value: Any, name: str, path: Path, source: Source) -> Hashable:
        place = Attribute(source, name)
        if value is not None and type(value) not in (int, str, bool) and not isinstance(value, np.generic):
            raise UnsupportedError(
                f"{describe(place)} is {a(type(value).__name__)}", hint="a slice or range of ints (or None)"
            )
        self.guards.append(Guard(place, "equal", value))
        return type(value), exact(value)

    def _method(self, value: types.MethodType, path: Path, source: Source) -> tuple[Node, Hashable]:
        """A bound method is made anew whenever it is looked up: what it binds counts."""
        self.guards.append(Guard(source, "type", types.MethodType))
        function, owner = Attribute(source, "__func__"), Attribute(source, "__self__")
        self.guards.append(Guard(function, "is", value.__func__))
        _, key = self._object(value.__self__, (*path, "__self__"), owner)
        self.keep_alive.append(value.__func__)
        return StaticLeaf(path, source, value), ("method", id(value.__func__), key)

    def _structural_function(self, value: types.FunctionType, path: Path, source: Source) -> tuple[Node, Hashable]:
        """A function without closure or defaults is its code and its globals."""
        self.guards.append(Guard(source, "type", types.FunctionType))
        for name, condition in _PLAIN.items():
            part = getattr(value, name)
            self.guards.append(Guard(Attribute(source, name), condition, part))
        self.keep_alive.append(value)
        self.texts[describe(source)] = value.__qualname__
        return StaticLeaf(path, source, value), ("code", value.__code__, id(value.__globals__))


_PLAIN: dict[str, Any] = {
    "__code__": "is",
    "__globals__": "is",
    "__closure__": "is",
    "__defaults__": "is",
    "__kwdefaults__": "is",
}


def _is_plain(function: types.FunctionType) -> bool:
    return function.__closure__ is None and function.__defaults__ is None and function.__kwdefaults__ is None


def _is_constant(value: Any) -> bool:
    """Whether an object cannot change as far as a program can tell: functions, and the immutable types of C
    extensions."""
    if callable(value) and isinstance(
        value,
        (types.FunctionType, types.BuiltinFunctionType, types.MethodWrapperType, types.MethodDescriptorType, np.ufunc),
    ):
        return True
    if value is Ellipsis or value is NotImplemented or isinstance(value, frozenset):
        return True
    # callables that are not classes' instances with state of their own: compiled functions, partials, NumPy's
    # dispatchers
    return isinstance(value, numbers.Number) or (callable(value) and hasattr(value, "__wrapped__"))


def _skeleton(value: Any) -> Any:
    """An object of the same container type and size, without the items."""
    if isinstance(value, dict):
        return dict.fromkeys(value)
    return type(value)([None]) * len(value)


def exact(value: Any) -> Hashable:
    """A hashable form of a static value that tells apart whatever a program could: signed zeros, NaN payloads,
    types."""
    if isinstance(value, float):
        return struct.pack("d", value)
    if isinstance(value, np.generic):
        return value.tobytes()
    if isinstance(value, complex):
        return struct.pack("dd", value.real, value.imag)
    if isinstance(value, tuple):
        return tuple((type(v), exact(v)) for v in value)
    return value  # type: ignore[no-any-return]
