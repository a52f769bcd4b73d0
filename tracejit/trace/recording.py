"""Part of a trace as an IR function of its own: recorded, transformed, and put back.

::

    recording = Recording()
    with recording:
        x = recording.stand_in(given)               # what the function is to compute with instead of ``given``
        result = calls.call(function, (x,), {})
        recorded = recording.close(result, values)  # the IR function; ``values`` are more outputs of it
    derivative = jvp(recorded.function, ...)
    outputs = recorded.inline(derivative, ...)      # its ops, in the place of the call
    result = recorded.settle(outputs)               # the Python result, and what the call did to arrays and objects

Whatever the function uses from outside (traced values of closures, arrays it reads or writes) becomes a parameter of
the IR function. Its outputs are whatever leaves the call: results, the final contents of arrays, traced values that it
put into Python objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np

from tracejit.errors import CaptureError, TracejitError, a
from tracejit.ir.core import Block, Function, Value, inline_block, map_type
from tracejit.ir.interface import ScalarKind
from tracejit.ir.outline import closed
from tracejit.ir.types import INDEX, ArrayType, Dim
from tracejit.ops.control import return_
from tracejit.ops.custom import drop_rules
from tracejit.record import record
from tracejit.trace import doubts
from tracejit.trace.boxes import ArrayTracer, ChoiceTracer, box_of, retyped
from tracejit.trace.context import current
from tracejit.trace.control import Arm, Scope, Unreachable, control
from tracejit.trace.exports import Exports, available, numbers_of, view_of, with_all_numbers
from tracejit.trace.identity import ById
from tracejit.trace.journal import restore
from tracejit.trace.lenses import Lenses, joined
from tracejit.trace.scalars import ScalarTracer, as_tracer
from tracejit.trace.templates import (
    NewValue,
    Policy,
    Static,
    Template,
    Tree,
    Values,
    parts_of,
    settle,
    structure_of,
    template_of,
)
from tracejit.trace.tracer import Tracer


class Recording(Policy):
    """A stretch of the trace in progress that becomes a function; see the module.

    Args:
        name: What the function is called.
        orders: How many more times than what is around it the program is going to be differentiated.

    Attributes:
        params: The parameters that :meth:`stand_in` and :meth:`parameter` made.
        given: What is passed for them.
    """

    what = "the result"

    def __init__(self, name: str = "function", orders: int = 0) -> None:
        self.name = name
        self.orders = orders
        self.control = control()
        self.context = current()
        block = Block()
        self.scope = Scope(block, self.context.scope, None)
        self.arm = Arm(self.control, block, self.scope)
        self.params: list[Value] = []
        self.given: list[Value] = []
        self._outside: ById[tuple[ArrayTracer, Value]] = ById()  # by what stands for it: the array, the parameter
        self._watched: list[tuple[Any, Any, list[Any], str]] = []
        self._templates: ById[Template] = ById()
        self._closed = False

    def __enter__(self) -> Recording:
        self.arm.open()
        self.control.journal.pass_through()
        self.control.differentiating += self.orders
        self.exports = _Exports(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.control.differentiating -= self.orders
        if error is None or self._closed:
            return
        if isinstance(error, Unreachable) or (isinstance(error, Exception) and not isinstance(error, TracejitError)):
            self._give_up()

    # --- what goes in
    def parameter(self, given: Value, type: ArrayType | None = None) -> Value:
        """A parameter for which ``given`` is passed (of another type, where the transform changes it)."""
        p = self.arm.block.add_param(given.type if type is None else type, given.hint)
        self.params.append(p)
        self.given.append(given)
        return p

    def stand_in(self, x: Any, type: ArrayType | None = None, kind: ScalarKind | None = None) -> Any:
        """A number or array that the function is to compute with instead of ``x``: a parameter of the program.

        What the function writes into it is written into ``x`` by :meth:`Recorded.settle`.

        Args:
            x: A number or array.
            type: The type of the parameter, where the transform changes it.
            kind: What the function gets is a number of this kind, though ``x`` may be an array.
        """
        with self.arm.outside():
            self.context.scope = self.scope.parent
            x = box_of(x) if isinstance(x, np.ndarray) else x if isinstance(x, ArrayTracer) else as_tracer(x)
            value = x.read() if isinstance(x, ArrayTracer) else x.value
            self.context.scope = self.scope
        p = self.parameter(value, type)
        if kind is not None:
            return ScalarTracer(p, ((kind, p.dtype),))
        if isinstance(x, ScalarTracer):
            return ScalarTracer(p, x.alternatives, x.selector, x.origin)
        assert isinstance(x, ArrayTracer)
        order: Any = "strided" if x.lenses or isinstance(x, ChoiceTracer) or type is not None else x._order
        box = ArrayTracer(p, order, x.origin)
        box.writeable = x.writeable
        box.input_index = None if x.lenses else x.input_index
        self._outside[box] = (x, p)
        return box

    def watch(self, tree: Any, path: str) -> None:
        """``tree``, a copy with stand-ins in it, must not be changed itself: its original would not be."""
        if isinstance(tree, Tracer) or structure_of(tree) is None:
            return
        parts = parts_of(tree)
        if not isinstance(tree, tuple):
            self._watched.append((tree, structure_of(tree), parts, path))
        for part in parts:
            self.watch(part, path)

    def _check_watched(self) -> None:
        for tree, structure, parts, path in self._watched:
            now = parts_of(tree)
            if structure_of(tree) != structure or any(x is not y for x, y in zip(parts, now)):
                raise CaptureError(
                    f"the function changes {a(type(tree).__name__)} in {path}, which it is transformed with respect to",
                    hint="a new one with the change: [*items, x], {**table, key: x}, dataclasses.replace(...)",
                )

    # --- what comes out
    def close(self, result: Any, more: Sequence[Value] = ()) -> Recorded:
        """End the recording: ``result`` is what the call gave.

        Args:
            result: Any Python object.
            more: Values of the recording that are to be outputs as well, after those that make up the result.
        """
        self._check_watched()
        arm = self.arm
        arm.look()
        changes = [(c.target, c.after) for c in arm.objects.values()]
        roots = [root for root, (before, after) in arm.arrays.items() if after is not before]
        roots = [root for root in roots if not isinstance(root, ChoiceTracer)]
        written = self._written()
        self._check_aliases([box for box, _ in written])
        contents = [(self.scope.localized[root][1], arm.arrays[root][1]) for root in roots]
        contents += [(self._outside[box][1], box._value) for box, _ in written]
        # from here on objects from outside are as they were before; what they are to become is in ``changes``
        arm.close()
        self.control.context.doubts += arm.doubts
        self._closed = True
        template = self.template(result)
        states = [(target, self.template(after), after) for target, after in changes]
        outputs: list[Value] = []
        sizes: list[int] = []
        with self.control.in_block(arm.block, self.scope):
            for t, x in [(template, result), *((t, after) for _, t, after in states)]:
                before_it = len(outputs)
                t.pack(x, outputs)
                sizes.append(len(outputs) - before_it)
            for export in self.exports.list:
                export.pack(0, outputs)
        first_written = len(outputs)
        outputs.extend(after for _, after in contents)
        count = len(outputs)
        outputs.extend(more)
        localized = [(before, param) for before, param in self.scope.localized.values()]
        params = [*self.params, *(param for _, param in localized)]
        arm.block.params = params
        function, free = closed(self.name, arm.block, outputs, return_)
        places = {p: len(free) + k for k, p in enumerate(params)}
        arm.block.drop_references()
        if not self.control.differentiating:
            drop_rules(function)
        return Recorded(
            function=function,
            arguments=[*free, *self.given, *(before for before, _ in localized)],
            first=len(free),
            count=count,
            template=template,
            states=[(target, t) for target, t, _ in states],
            sizes=sizes,
            exports=self.exports,
            roots=roots,
            written=[x for _, x in written],
            mutated={places[p]: first_written + k for k, (p, _) in enumerate(contents)},
        )

    def _written(self) -> list[tuple[ArrayTracer, ArrayTracer]]:
        """What was written to of what stands for arrays from outside, and those."""
        return [(box, x) for box, (x, param) in self._outside.items() if box._value is not param]

    def _check_aliases(self, written: Sequence[ArrayTracer]) -> None:
        """An array for which something stands must not be reached in another way, when one of the two is written."""
        touched = self.scope.localized
        for box, (x, _) in self._outside.items():
            others = [o for b, (o, _) in self._outside.items() if b is not box and o.root is x.root]
            is_written = any(b is box for b in written)
            if (is_written and (others or x.root in touched)) or (x.root in self.arm.arrays):
                raise CaptureError(
                    f"{x.origin.text or 'an array'} that the function is transformed with respect to is written to, "
                    "and the function also reaches it in another way: as another argument, or from outside",
                    hint="a copy of it for one of the two",
                )

    def _give_up(self) -> None:
        """The function has raised: what it did before stays done."""
        arm, written, localized = self.arm, self._written(), list(self.scope.localized.items())
        arm._reset_blocks()
        arm.splice()
        for p, value in zip(self.params, self.given):
            p.replace_by(value)
        for root, (before, param) in localized:
            if root._value is param:
                root.set_value(before)
            param.replace_by(before)
            root.scope = self.scope.parent
        for box, x in written:
            _write_back(x, box._value)

    def template(self, x: Any) -> Template:
        """How an object comes out of the recording; the same object as one, wherever it is found."""
        known = self._templates.get(x)
        if known is not None:
            return known
        t = settle(template_of(x, self), self)
        if isinstance(t, Tree):
            shared: Template = _Shared(t)
            if not isinstance(x, tuple):
                self._templates[x] = shared
            shared.inner = Tree(t.kind, t.keys, tuple(map(self.template, parts_of(x))))  # type: ignore[attr-defined]
            return shared
        if isinstance(x, ArrayTracer) and not isinstance(t, Static):
            t = self._templates[x] = _Shared(t)
        return t

    # --- the policy for arrays
    def arrays(self, a: Template, b: Template) -> Template | None:
        return None

    def settled(self, x: ArrayTracer) -> Template:
        return self.exports.any_box(x, 0)


@record(eq=False)
class Recorded:
    """What was recorded.

    Attributes:
        function: The program: ``first`` parameters for what it uses from outside, then those of
            :attr:`Recording.params`, then one for each array from outside. Outputs: ``count`` that :meth:`settle`
            needs, then those that were asked for.
        arguments: What is passed for its parameters.
        first: The position of the first parameter of :attr:`Recording.params`.
        count: See :attr:`function`.
        mutated: Which parameters are arrays that the call writes into, and which outputs are their contents after it.
    """

    function: Function
    arguments: list[Value]
    first: int
    count: int
    template: Template
    states: list[tuple[Any, Template]]
    sizes: list[int]
    exports: Exports
    roots: list[ArrayTracer]
    written: list[ArrayTracer]
    mutated: dict[int, int]

    def inline(self, function: Function, *more: Value) -> list[Value]:
        """Put a function with the parameters of :attr:`function`, and ``more``, in the place of the call; its
        outputs."""
        return inlined(function, [*self.arguments, *more])

    def settle(self, outputs: Sequence[Value]) -> Any:
        """The result of the call; its effects on arrays and objects are made to happen.

        Args:
            outputs: The values of the first :attr:`count` outputs.
        """
        context, c = current(), control()
        values = iter(outputs)
        packed, *states = [[next(values) for _ in range(n)] for n in self.sizes]
        for export in self.exports.list:
            export.unpack(values)
        for root in self.roots:
            context.writes.append((root, root._value))
            root.set_value(retyped(context.at(), next(values), root.shape_dims))
        for x in self.written:
            _write_back(x, next(values))
        result = self.template.unpack(iter(packed))
        for (target, t), state in zip(self.states, states):
            c.journal.note(target)
            restore(target, t.unpack(iter(state)))
        return result


def _write_back(x: ArrayTracer, value: Value) -> None:
    """Let ``value`` be the contents of ``x`` from now on."""
    context = current()
    value = retyped(context.at(), value, x.shape_dims)
    if x.lenses or isinstance(x, ChoiceTracer):
        x.write(value)
        return
    if x.scope is not context.scope:
        context.localize(x)
    doubts.settle(x.roots)
    context.writes.append((x, x._value))
    x.set_value(value)


# --- functions out of blocks ------------------------------------------------------------------------------------------


def inlined(function: Function, arguments: Sequence[Value]) -> list[Value]:
    """Put the ops of ``function`` where the trace is; its outputs. Arguments may have other dimensions than the
    parameters say, as long as they are equal when the program runs."""
    b = current().at()
    bound: dict[Value, Value] = {}
    lengths: dict[Value, Dim] = {}  # parameters that are dimensions of others: better known from those
    for p, v in zip(function.params, arguments, strict=True):
        lengths.update((d, own) for d, own in zip(p.shape, v.shape) if isinstance(d, Value))
    for p, v in zip(function.params, arguments):
        if p in lengths:
            v = b.index(lengths[p])
        shape = map_type(p.type, bound).shape
        bound[p] = v if v.shape == shape else retyped(b, v, shape)
    return inline_block(function.body, [bound[p] for p in function.params], b.block.append)


# --- objects that are found in several places -------------------------------------------------------------------------


class _Shared(Template):
    """An object that comes out once."""

    def __init__(self, inner: Template) -> None:
        self.inner = inner
        self._packed = False
        self._result: tuple[Any, ...] = ()

    def pack(self, x: Any, out: list[Value]) -> None:
        if not self._packed:
            self._packed = True
            self.inner.pack(x, out)

    def unpack(self, values: Values) -> Any:
        if not self._result:
            self._result = (self.inner.unpack(values),)
        return self._result[0]


# --- arrays that something stands for ---------------------------------------------------------------------------------


class _Exports(Exports):
    """What leaves the recording; what stands for an array from outside leaves as that array."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording.arm.serial, 1)
        self.recording = recording

    def any_box(self, x: ArrayTracer, arm: int) -> Template:
        known = self.recording._outside.get(x.root)
        if known is None:
            return super().any_box(x, arm)
        fixed = tuple(n if available(self.context, n) else None for n in numbers_of(x.lenses))
        return _Original(known[0], x, fixed)


@record(frozen=True, eq=False)
class _Original(Template):
    """An array from outside, or a view of it, for which ``like`` stands inside."""

    outside: ArrayTracer
    like: ArrayTracer
    fixed: tuple[Dim | None, ...]
    is_array = True

    def pack(self, x: ArrayTracer, out: list[Value]) -> None:
        b = current().at()
        out.extend(b.index(own) for own, d in zip(numbers_of(x.lenses), self.fixed) if d is None)

    def allocate(self, new: NewValue) -> None:
        for d in self.fixed:
            if d is None:
                new(INDEX)

    def unpack(self, values: Values) -> Any:
        if not self.like.lenses:
            return self.outside
        numbers = [next(values) if d is None else d for d in self.fixed]
        lenses: Lenses = joined(self.outside.lenses, with_all_numbers(self.like.lenses, numbers))
        return view_of(self.outside.root, lenses, self.like)

    def fits(self, x: Any) -> bool:
        return isinstance(x, ArrayTracer) and x.root is self.like.root and x.lenses == self.like.lenses
