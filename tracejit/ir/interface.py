"""How a compiled program meets its caller: where inputs come from, what must hold, and what the outputs become.

The front end writes it (:class:`Program`), the native entry point is generated from it, and the dispatcher reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from tracejit.ir.core import Function
from tracejit.record import field, record

# --- sources: paths from the call to an object -----------------------------------------------------------------------


@record(frozen=True, eq=False)
class Source:
    """A path to a Python object, evaluated anew on each call."""


@record(frozen=True, eq=False)
class Argument(Source):
    """The value bound to the function's parameter number ``index`` (``*args`` is one parameter, a tuple; ``**kwargs``
    one, a dict)."""

    index: int
    name: str


@record(frozen=True, eq=False)
class Global(Source):
    """``namespace[name]``, else ``builtins`` (a module's globals)."""

    namespace: dict[str, Any]
    name: str


@record(frozen=True, eq=False)
class Cell(Source):
    """The contents of a closure cell."""

    cell: Any
    name: str


@record(frozen=True, eq=False)
class Attribute(Source):
    """``getattr(base, name)``."""

    base: Source
    name: str


@record(frozen=True, eq=False)
class Item(Source):
    """``base[key]`` of a tuple, list or dict (exact types)."""

    base: Source
    key: Any


def describe(source: Source) -> str:
    """The source as the user would write it: ``params['w'][0]``."""
    match source:
        case Argument(_, name) | Global(_, name) | Cell(_, name):
            return name
        case Attribute(base, name):
            return f"{describe(base)}.{name}"
        case Item(base, key):
            return f"{describe(base)}[{key!r}]"
    raise AssertionError(source)


# --- inputs: sources whose contents the program computes with --------------------------------------------------------

ScalarKind: TypeAlias = Literal["python", "numpy"]
Layout: TypeAlias = Literal["C", "F", "strided"]


@record(frozen=True, eq=False)
class ArrayInput:
    """An exact, aligned, native-order ``ndarray``.

    Args:
        source: Where it is found.
        dtype: Its dtype.
        shape: Per axis an int the dimension must equal, or the name of a symbol in :attr:`Program.symbols`: dimensions
            under one symbol must be equal.
        layout: ``"C"`` or ``"F"`` contiguous, or ``"strided"``: any strides that are multiples of the item size.
        written: The program writes into it (so it must be writeable).
        readonly: The program relies on the array being read-only (a write to it raises).
    """

    source: Source
    dtype: np.dtype[Any]
    shape: tuple[int | str, ...]
    layout: Layout
    written: bool = False
    readonly: bool = False


@record(frozen=True, eq=False)
class ScalarInput:
    """A Python scalar of the exact type, or a NumPy scalar, by value."""

    source: Source
    kind: ScalarKind
    dtype: np.dtype[Any]


Input: TypeAlias = ArrayInput | ScalarInput

# --- guards: what must hold beside the inputs ------------------------------------------------------------------------


@record(frozen=True, eq=False)
class Guard:
    """A condition on the object at ``source``.

    ``"is"``: it is ``value`` itself; ``"equal"``: its type is ``type(value)`` and it equals ``value`` bit for bit
    (int, float, complex, bool, str, bytes, None, dtype and tuples of those); ``"container"``: its exact type is that
    of ``value``, a tuple or list with as many items, or a dict with the same keys in the same order; ``"type"``: its
    exact type is ``value``.
    """

    source: Source
    condition: Literal["is", "equal", "container", "type"]
    value: Any


@record(frozen=True)
class Disjoint:
    """Inputs number ``a`` and ``b`` (of :attr:`Program.inputs`, arrays of which one is written) do not overlap in
    memory."""

    a: int
    b: int


@record(frozen=True)
class Same:
    """Inputs number ``a`` and ``b`` are one and the same array object; ``b`` has no parameter of its own."""

    a: int
    b: int


# --- outputs: what the Python result is made of
# ------------------------------------------------------------------------


@record(frozen=True)
class OutScalar:
    """Function output ``index`` as a Python or NumPy scalar.

    When ``selector`` is given, it is the index of an i64 output that says which of ``alternatives`` ``(kind,
    dtype)`` the result is; the value is cast to that dtype first. Otherwise there is one alternative.
    """

    index: int
    alternatives: tuple[tuple[ScalarKind, np.dtype[Any]], ...]
    selector: int | None = None


@record(frozen=True)
class OutArray:
    """Function output ``index`` as a new C-contiguous array (the same object wherever the same ``index`` occurs)."""

    index: int


@record(frozen=True)
class OutInput:
    """The very object that input number ``index`` was (with its new contents, when the program wrote into it)."""

    index: int


@record(frozen=True)
class OutView:
    """A view of another result: ``base`` is an OutArray or OutInput. Per axis of the base, ``starts`` counts
    elements along that axis; ``pairs`` and ``steps`` are those of the ``view`` primitive. Entries are ints, or
    ``OutIndex`` for run-time values."""

    base: OutArray | OutInput
    shape: tuple[int | OutIndex, ...]
    starts: tuple[int | OutIndex, ...]
    pairs: tuple[tuple[int, int], ...]
    steps: tuple[int | OutIndex, ...]
    writeable: bool = True


@record(frozen=True)
class OutChoice:
    """Option number ``selector`` (the index of an i64 output) of ``options``: what differs in more than a number
    from path to path, such as which of two arguments it is, a str or another, None or a tuple.

    Outputs that belong to the other options exist and may be released, but their contents mean nothing.
    """

    selector: int
    options: tuple[Output, ...]


@record(frozen=True)
class OutIndex:
    """Function output ``index``, an i64, as a plain number inside an :class:`OutView`."""

    index: int


@record(frozen=True, eq=False)
class OutStatic:
    """A Python object known while tracing (a str, None, a function, a constant, ...)."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OutStatic) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


@record(frozen=True, eq=False)
class OutSource:
    """The object found at ``source`` (a container argument handed back as it is)."""

    source: Source

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OutSource) and self.source is other.source

    def __hash__(self) -> int:
        return id(self.source)


@record(frozen=True)
class OutTree:
    """A container: ``kind`` is ``"tuple" "list" "dict"`` or ``"make"``; ``keys`` are the dict's keys; ``make``
    builds any other registered pytree (namedtuple, dataclass) from the list of its children."""

    kind: Literal["tuple", "list", "dict", "make"]
    children: tuple[Output, ...]
    keys: tuple[Any, ...] = ()
    make: Any = None


Output: TypeAlias = OutScalar | OutArray | OutInput | OutView | OutChoice | OutStatic | OutSource | OutTree


def walk(output: Output) -> Iterator[Output]:
    """``output`` and everything inside it."""
    yield output
    match output:
        case OutTree(_, children):
            for child in children:
                yield from walk(child)
        case OutChoice(_, options):
            for option in options:
                yield from walk(option)
        case OutView(base):
            yield base


def mentioned(output: Output, inputs: Sequence[Input]) -> Iterator[Source]:
    """The sources of the objects in ``output`` that are the caller's."""
    for part in walk(output):
        if isinstance(part, OutSource):
            yield part.source
        elif isinstance(part, OutInput):
            yield inputs[part.index].source


@record
class Program:
    """A traced function with everything needed to call its compiled form.

    ``function.params`` are the index values of :attr:`symbols` in order, then one parameter per input (none for the
    ``b`` of a
    :class:`Same`). ``function.meta["mutated"]`` maps positions in ``function.params`` of written arrays to positions of
    their final contents in the outputs; those outputs are not part of :attr:`output`. ``notes`` tell people about
    choices that were made on the way.
    """

    function: Function
    symbols: tuple[str, ...]
    inputs: tuple[Input, ...]
    guards: tuple[Guard, ...]
    output: Output
    relations: tuple[Disjoint | Same, ...] = ()
    keep_alive: list[Any] = field(default_factory=list)
    notes: tuple[str, ...] = ()
