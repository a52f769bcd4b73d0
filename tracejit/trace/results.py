"""What a program gives back: the Python result in terms of the IR function's outputs.

Numbers and new arrays are outputs; arguments are themselves, views are made of their bases, containers and objects that
the program made are made anew by each call. The caller's own lists, dicts and objects get the changes that the program
made to their stand-ins, last of all.
"""

from __future__ import annotations

import enum
import functools
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit.errors import CaptureError, a
from tracejit.ir.core import Value
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
)
from tracejit.ir.types import Dim
from tracejit.record import record
from tracejit.trace import layout, objects
from tracejit.trace.boxes import ArrayTracer, ChoiceTracer
from tracejit.trace.captures import Captures
from tracejit.trace.carried import Head, Which, exchanged
from tracejit.trace.changes import Apply, Changes, exchanges
from tracejit.trace.either import Either, MaybeUnbound
from tracejit.trace.identity import ById
from tracejit.trace.iterables import Staged
from tracejit.trace.lenses import ImagPart, Lens, Lenses, RealPart, Reshape, Strided, joined
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.strings import Text, TracedString, holds_traced
from tracejit.trace.tracer import PY_INT, Tracer

_MAKERS = (types.GeneratorType, map, filter, zip, enumerate, reversed)
_HEAP_TYPE = 1 << 9


class Results:
    """Builds the outputs of one program, or what is to be made of an op's operands.

    Attributes:
        values: The outputs of the IR function (the operands of the op) so far.
    """

    def __init__(self, captures: Captures, views: dict[int, Source], values: list[Value] | None = None) -> None:
        self.captures = captures
        self.views = views
        self.values: list[Value] = [] if values is None else values
        self._scalars: dict[Value, int] = {}
        self._arrays: dict[int, OutArray] = {}
        self._outputs: ById[Output] = ById()
        self._parts: dict[int, list[tuple[ArrayTracer, bool]]] = {}
        self._shared: set[int] = set()
        self._sources = {id(c.object): c.source for c in captures.containers}
        self._sources.update((i, s.source) for i, s in captures.instances.items())

    def result(self, x: Any) -> Output:
        """The program's result and what is done to the caller's objects."""
        return self.changed(x, Changes(self.captures))

    def changed(self, x: Any, changed: Changes) -> Output:
        """What gives ``x`` and does these changes."""
        parts = [x, *changed.values]
        self._find_shared(parts)
        if self._shared:
            steps = _Plan(self)
            plans = [steps.plan(p) for p in parts]
            if not changed.targets:
                return OutTree("make", tuple(steps.leaves), make=_Unfold(plans[0]))
            targets = tuple(map(self.output, changed.targets))
            leaves = OutTree("list", tuple(steps.leaves))
            return OutTree("make", (leaves, *targets), make=Apply(tuple(changed.ways), _UnfoldAll(plans)))
        result = self.output(x)
        if not changed.targets:
            return result
        children = (*map(self.output, changed.values), *map(self.output, changed.targets))
        return OutTree("make", (result, *children), make=Apply(tuple(changed.ways)))

    # --- objects
    def output(self, x: Any) -> Output:
        """What to make of ``x``."""
        if isinstance(x, Tracer):
            return self._traced(x)
        source = self._sources.get(id(x))
        if source is not None:
            return OutSource(source)
        if type(x) is np.ndarray and x.ndim >= 0 and x.dtype.kind in "biufc":
            return self._array(self.captures.array_of(x))
        parts = taken_apart(x)
        if parts is None:
            return OutStatic(self._static(x))
        kind, children, keys, make = parts
        return OutTree(kind, tuple(map(self.output, children)), keys, make)

    def one_of(self, which: Value, options: Sequence[Any]) -> Output:
        """Number ``which`` of ``options``; None for numbers beyond them."""
        return OutChoice(self.scalar(which), (*map(self.output, options), OutStatic(None)))

    def _traced(self, x: Tracer) -> Output:
        if isinstance(x, ScalarTracer):
            selector = None if x.selector is None else self.scalar(x.selector)
            return OutScalar(self.scalar(x.value), x.alternatives, selector)
        if isinstance(x, ArrayTracer):
            return self._array(x)
        if isinstance(x, TracedString):
            return OutTree("make", tuple(map(self.output, x.values)), (), Text(x.pieces))
        if isinstance(x, MaybeUnbound):
            return self.output(x.get())
        if isinstance(x, Either):
            return OutChoice(self.scalar(x.selector), tuple(map(self.output, x.options)))
        raise AssertionError(type(x))

    def _static(self, x: Any) -> Any:
        kind = type(x)
        if isinstance(x, _MAKERS) or hasattr(kind, "__next__"):
            raise CaptureError(f"{a(kind.__name__)} cannot be the result of a compiled function", hint="list(...)")
        if isinstance(x, types.FunctionType) and self.captures.context.is_user_code(x.__code__):
            if x in self.captures.converted:
                return x
            raise _made_inside(f"the function {x.__name__}")
        if isinstance(x, type) and "<locals>" in x.__qualname__ and self.captures.source_of(x) is None:
            raise _made_inside(f"the class {x.__name__}")
        if isinstance(x, (functools.partial, types.MethodType, BaseException)) and _holds_traced(x):
            raise CaptureError(
                f"{a(kind.__name__)} that holds what is known only at run time cannot be the result of a compiled "
                "function",
                hint="the numbers and arrays that it holds, and what is made of them outside",
            )
        return x

    def _find_shared(self, parts: Sequence[Any]) -> None:
        """Find the containers and objects to be made that occur more than once."""
        counts: Counter[int] = Counter()
        stack = list(parts)
        while stack:
            x = stack.pop()
            if isinstance(x, Either):
                stack.extend(x.options)
            if isinstance(x, (Tracer, str)) or id(x) in self._sources:
                continue
            taken = taken_apart(x)
            if taken is None:
                continue
            counts[id(x)] += 1
            if counts[id(x)] == 1:
                stack.extend(taken[1])
            elif not isinstance(x, tuple):
                self._shared.add(id(x))

    # --- numbers
    def scalar(self, value: Value) -> int:
        """The output that is ``value``, of rank 0."""
        index = self._scalars.get(value)
        if index is None:
            index = self._scalars[value] = self.add(value)
        return index

    def add(self, value: Value) -> int:
        self.values.append(value)
        return len(self.values) - 1

    def _dim(self, d: Dim) -> int | OutIndex:
        return d if isinstance(d, int) else OutIndex(self.scalar(d))

    def _number(self, d: Dim) -> Output:
        return OutStatic(d) if isinstance(d, int) else OutScalar(self.scalar(d), (PY_INT,))

    # --- arrays
    def _array(self, x: ArrayTracer) -> Output:
        """What to make of an array: the same output wherever the array occurs, so that it is one object."""
        known = self._outputs.get(x)
        if known is None:
            known = self._outputs[x] = self._new_array(x)
        return known

    def _new_array(self, x: ArrayTracer) -> Output:
        given = self.views.get(id(x))
        if given is not None:
            return OutSource(given)
        own = self._view(x.root, x.lenses, x)
        which = self.captures.control.heads.get(x)
        if not isinstance(which, Which):
            return own
        return OutChoice(self.scalar(which.value), (*map(self._array, which.boxes), own))

    def _view(self, root: ArrayTracer, lenses: Lenses, like: ArrayTracer) -> Output:
        if isinstance(root, ChoiceTracer):
            options = tuple(self._candidate(c, lenses, like) for c in root.candidates)
            return OutChoice(self.scalar(root.selector), options)
        own = self._part(root, lenses, like)
        head = self.captures.control.heads.get(root)
        if not isinstance(head, Head):
            return own
        # the array that a name is bound to at the start of a turn
        known = [self._candidate(e, lenses, like) if e.root.input_index is not None else own for e in head.entries]
        return OutChoice(self.scalar(head.identity), (*known, own)) if any(k is not own for k in known) else own

    def _part(self, root: ArrayTracer, lenses: Lenses, like: ArrayTracer) -> Output:
        base = self._root(root)
        self._check_order(root, lenses, like)
        if not lenses:
            if root.writeable or isinstance(base, OutInput):
                return base
            axes = range(len(root.shape_dims))
            lenses = (Strided(root.shape_dims, (0,) * len(axes), tuple((k, k) for k in axes), (1,) * len(axes)),)
        lens = lenses[0]
        if len(lenses) == 1 and isinstance(lens, Strided):
            shape, starts, steps = (tuple(map(self._dim, d)) for d in (lens.dims, lens.starts, lens.steps))
            return OutView(base, shape, starts, lens.pairs, steps, like.writeable)
        numbers: list[Dim] = []
        recipes = tuple(_recipe(part, numbers) for part in lenses)
        children = (base, *map(self._number, numbers))
        return OutTree("make", children, make=_Views(recipes, like.writeable))

    def _check_order(self, root: ArrayTracer, lenses: Lenses, like: ArrayTracer) -> None:
        # New arrays are handed over in C order: a reshape that is a view of another order would be a copy.
        if root.input_index is not None or root.is_plain:
            return
        reordered = any(isinstance(lens, Reshape) for lens in lenses)
        reordered = reordered and not layout.is_c_contiguous(root.shape_dims, root.layout)
        parts = self._parts.setdefault(id(root), [])
        if any(reordered or other for x, other in parts if x is not like):
            raise CaptureError(
                "two results would share memory, one being a reshape of an array whose elements do not lie in C order, "
                "which compiled functions cannot return yet",
                hint="a copy of one of them: x.reshape(...).copy()",
            )
        parts.append((like, reordered))

    def _candidate(self, x: ArrayTracer, lenses: Lenses, like: ArrayTracer) -> Output:
        return self._view(x.root, joined(x.lenses, lenses), like) if lenses else self._array(x)

    def _root(self, root: ArrayTracer) -> OutInput | OutArray:
        if root.input_index is not None:
            return OutInput(root.input_index)
        known = self._arrays.get(id(root))
        if known is None:
            known = self._arrays[id(root)] = OutArray(self.add(self._contents(root)))
        return known

    def _contents(self, root: ArrayTracer) -> Value:
        """What an array that the program made contains now."""
        found = list(exchanges(self.captures.control))
        entries = next((h.entries for _, h in found if any(e is root for e in h.entries)), None)
        if entries is None:
            return root.read()
        slots = [(h.identity, box.read()) for box, h in found if list(map(id, h.entries)) == list(map(id, entries))]
        place = next(k for k, e in enumerate(entries) if e is root)
        return exchanged(self.captures.context, slots, range(len(entries)))[place]


def _name(x: Any) -> str:
    return f"a {type(x).__name__}"


# --- taking objects apart ---------------------------------------------------------------------------------------------


def taken_apart(x: Any) -> tuple[Any, Sequence[Any], tuple[Any, ...], Callable[[list[Any]], Any] | None] | None:
    """Kind, children, keys and maker of an object that each call makes anew; None for one that may be shared by all."""
    kind = objects.class_of(x)
    if isinstance(x, Staged):
        raise CaptureError(
            "a range, or something else to iterate over, whose length is known at run time only cannot be the result "
            "of a compiled function",
            hint="an array, such as np.arange(n), or the numbers that it is made from",
        )
    if kind is tuple:
        return "tuple", x, (), None
    if kind is list:
        return "list", x, (), None
    if kind is dict:
        return "dict", list(x.values()), tuple(x), None
    if isinstance(x, tuple) and hasattr(kind, "_fields"):
        return "make", x, (), x._make  # type: ignore[attr-defined]
    if kind is slice:
        return "make", (x.start, x.stop, x.step), (), lambda parts: slice(*parts)
    if kind is set or kind is bytearray:
        return "make", (), (), lambda parts: x.copy()
    if kind is OrderedDict:
        keys = list(x)
        return "make", list(x.values()), (), lambda parts: OrderedDict(zip(keys, parts))
    if kind is defaultdict:
        keys, factory = list(x), x.default_factory
        return "make", list(x.values()), (), lambda parts: defaultdict(factory, zip(keys, parts))
    if kind is Counter:
        keys = list(x)
        return "make", list(x.values()), (), lambda parts: Counter(dict(zip(keys, parts)))
    if kind is deque:
        return "make", list(x), (), lambda parts: deque(parts, x.maxlen)
    if isinstance(x, (type, enum.Enum, types.FunctionType)) or not objects.can_stand_in(x):
        return None
    names = list(objects.own_attributes(x))
    base = types.SimpleNamespace if isinstance(x, types.SimpleNamespace) else object
    return "make", [getattr(x, n) for n in names], (), _MakeObject(base.__new__, kind, tuple(names))


@record(frozen=True)
class _MakeObject:
    """Makes an instance of a class from its attributes."""

    new: Callable[..., Any]
    kind: type
    names: tuple[str, ...]

    def __call__(self, parts: list[Any]) -> Any:
        return self.fill(self.blank(), parts)

    def blank(self) -> Any:
        return self.new(self.kind)

    def fill(self, made: Any, parts: list[Any]) -> Any:
        for name, part in zip(self.names, parts):
            object.__setattr__(made, name, part)
        return made


# --- objects that occur in several places -----------------------------------------------------------------------------


@record(frozen=True)
class _Leaf:
    index: int


@record(frozen=True)
class _Reference:
    key: int


@record(frozen=True)
class _Node:
    key: int
    make: Callable[[list[Any]], Any] | None  # None: a list or dict, which may contain itself
    keys: tuple[Any, ...] | None
    children: tuple[Any, ...]


class _Plan:
    """How to build a graph of objects from leaves."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.leaves: list[Output] = []
        self._planned: set[int] = set()

    def plan(self, x: Any) -> _Leaf | _Reference | _Node:
        taken = None
        if not isinstance(x, Tracer) and id(x) not in self.results._sources:
            taken = taken_apart(x)
        if taken is None:
            self.leaves.append(self.results.output(x))
            return _Leaf(len(self.leaves) - 1)
        if id(x) in self._planned and not isinstance(x, tuple):
            return _Reference(id(x))
        self._planned.add(id(x))
        kind, children, keys, make = taken
        plans = tuple(map(self.plan, children))
        if kind == "tuple":
            return _Node(id(x), tuple, None, plans)
        return _Node(id(x), make, keys if kind == "dict" else None, plans)


def _build(plan: Any, leaves: list[Any], made: dict[int, Any]) -> Any:
    if isinstance(plan, _Leaf):
        return leaves[plan.index]
    if isinstance(plan, _Reference):
        return made[plan.key]
    if isinstance(plan.make, _MakeObject):
        new = made[plan.key] = plan.make.blank()
        return plan.make.fill(new, [_build(c, leaves, made) for c in plan.children])
    if plan.make is not None:
        result = plan.make([_build(c, leaves, made) for c in plan.children])
        made[plan.key] = result
        return result
    if plan.keys is not None:
        table: dict[Any, Any] = {}
        made[plan.key] = table
        for key, child in zip(plan.keys, plan.children):
            table[key] = _build(child, leaves, made)
        return table
    items: list[Any] = []
    made[plan.key] = items
    items.extend(_build(c, leaves, made) for c in plan.children)
    return items


@record(frozen=True)
class _Unfold:
    plan: Any

    def __call__(self, leaves: list[Any]) -> Any:
        return _build(self.plan, leaves, {})


@record(frozen=True)
class _UnfoldAll:
    plans: list[Any]

    def __call__(self, leaves: list[Any]) -> list[Any]:
        made: dict[int, Any] = {}
        return [_build(p, leaves, made) for p in self.plans]


# --- views that one step of strides does not describe -----------------------------------------------------------------


@record(frozen=True)
class _Views:
    """Makes a view by NumPy's own means; numbers that were known while tracing are in the steps."""

    steps: tuple[tuple[str, Any], ...]
    writeable: bool

    def __call__(self, parts: list[Any]) -> Any:
        view, *numbers = parts
        rest = iter(numbers)
        for kind, detail in self.steps:
            if kind == "real":
                view = view.real
            elif kind == "imag":
                view = view.imag
            elif kind == "reshape":
                view = view.reshape([next(rest) for _ in range(detail)])
            else:
                rank, axes, pairs = detail
                shape = [next(rest) for _ in range(rank)]
                starts = [next(rest) for _ in range(axes)]
                strides = [0] * rank
                for axis, to in pairs:
                    strides[to] += next(rest) * view.strides[axis]
                corner = view[tuple(slice(s, None) for s in starts)] if axes and 0 not in shape else view
                view = np.lib.stride_tricks.as_strided(corner, shape, strides)
        if not self.writeable:
            view.flags.writeable = False
        return view


def _recipe(lens: Lens, numbers: list[Dim]) -> tuple[str, Any]:
    if isinstance(lens, RealPart):
        return "real", None
    if isinstance(lens, ImagPart):
        return "imag", None
    if isinstance(lens, Reshape):
        numbers.extend(lens.dims)
        return "reshape", len(lens.dims)
    numbers.extend((*lens.dims, *lens.starts, *lens.steps))
    return "strided", (len(lens.dims), len(lens.starts), lens.pairs)


def _made_inside(what: str) -> CaptureError:
    return CaptureError(
        f"{what}, made inside of a compiled function, cannot be its result",
        hint="the numbers and arrays that it uses, and what is made of them outside",
    )


def _holds_traced(x: Any) -> bool:
    """Whether a callable that is bound to something, or an exception, has something traced in it."""
    if isinstance(x, BaseException):
        return holds_traced((x.args, vars(x)))
    if isinstance(x, functools.partial):
        return holds_traced((x.args, x.keywords))
    return holds_traced(x.__self__)
