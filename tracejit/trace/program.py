"""Tracing a function: from the description of a call to a :class:`~tracejit.ir.interface.Program`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import CellType, FrameType, FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tracejit.errors import (
    NeedsConcrete,
    RecursionTooDeep,
    TracejitError,
    UnsupportedError,
    locate,
    stripped,
    traceback_loc,
)
from tracejit.ir.core import Block, Function, Value
from tracejit.ir.interface import (
    Argument,
    ArrayInput,
    Cell,
    Disjoint,
    Guard,
    Input,
    Item,
    Output,
    OutStatic,
    Program,
    Same,
    ScalarInput,
    Source,
    describe,
)
from tracejit.ir.loc import UNKNOWN, Loc
from tracejit.lazy import Lazy
from tracejit.record import field, record, replace
from tracejit.trace import calls
from tracejit.trace.boxes import LONG_AGO, ArrayTracer
from tracejit.trace.captures import Captures, Entry, SourceKey, source_key
from tracejit.trace.changes import Changes, Pending
from tracejit.trace.context import Context
from tracejit.trace.control import Control, Options, Unreachable, forget_abandoned, is_bug
from tracejit.trace.lenses import Strided
from tracejit.trace.results import Results
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.tracer import COMPUTED, FLOAT, HASH, INTEGER, OUTSIDE, TRUTH, Tracer

if TYPE_CHECKING:
    from tracejit.trace import exceptions, places
else:
    exceptions = Lazy("tracejit.trace.exceptions")
    places = Lazy("tracejit.trace.places")

__all__ = ["Options", "Rebuilt", "Specialise", "Static", "TraceRequest", "ViewOf", "source_key", "trace"]

_FRAMES_PER_CALL = 16  # a generous guess at how many of ours there are per call of the user's

# --- what a caller gives ----------------------------------------------------------------------------------------------


@record(frozen=True)
class Static:
    """An object that is part of the signature; ``source`` says where it is, for what is captured through it."""

    value: Any
    source: Source


@record(frozen=True)
class Rebuilt:
    """A container other than tuple, list and dict, with its leaves described."""

    value: Any
    source: Source


@record(frozen=True, eq=False)
class ViewOf:
    """An array argument that is a view of ``base``; fields as in :class:`~tracejit.ir.interface.OutView`.

    ``source`` is where the argument itself is.
    """

    base: ArrayInput
    shape: tuple[int, ...]
    starts: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    steps: tuple[int, ...]
    source: Source | None = None


Described: TypeAlias = Any
"""An argument in which inputs take the place of the arrays and numbers that the program computes with."""


@record(frozen=True)
class TraceRequest:
    """What to trace.

    Attributes:
        function: The user's function, or any callable.
        arguments: One per parameter, in the order of the signature; ``*args`` is one tuple, ``**kwargs`` one dict.
        guards: What the caller already guards.
        same: Array inputs that are one array, by their number in a walk of ``arguments``.
        hidden: Captured state to generalise.
        options: Limits.
        arrays: Array inputs, each with its array, that captured state may refer to, too.
    """

    function: Callable[..., Any]
    arguments: tuple[Described, ...]
    guards: tuple[Guard, ...] = ()
    same: tuple[Same, ...] = ()
    hidden: Mapping[SourceKey, Input] = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    arrays: tuple[tuple[ArrayInput, np.ndarray[Any, Any]], ...] = ()


class Specialise(Exception):
    """A scalar input must be static: tracing needs its value.

    Attributes:
        source: The source of the input.
        error: What to show if it cannot be.
    """

    def __init__(self, source: Source, error: NeedsConcrete) -> None:
        super().__init__(str(error))
        self.source = source
        self.error = error


_INSTEAD = {
    HASH: "an array that is indexed by the number, or comparisons: x == 1 or x == 2",
    TRUTH: "an 'if' in the compiled function, in place of what tests it",
    INTEGER: "an array in place of a list, or the number as a static argument",
    FLOAT: "a function of NumPy or math that is compiled, or the call outside of the compiled function",
}
"""What to write instead where Python needs something of a value, unless the place knows better."""


class Unknown(RecursionTooDeep, NeedsConcrete):
    """It is not clear which value Python needs to end a recursion, but one is missing."""

    def __init__(self, error: TracejitError) -> None:
        TracejitError.__init__(self, error.message, hint=error.hint, loc=error.loc, related=error.related)
        self.value = None
        self.what = "a value"


# --- tracing ----------------------------------------------------------------------------------------------------------


def trace(request: TraceRequest) -> Program:
    """Run the function once on tracers.

    Raises:
        Specialise: A scalar input must be static.
        TracejitError: The function cannot be compiled.
        Exception: What the function raises in every call of this signature, before it has any effect.
    """
    frozen: frozenset[SourceKey] = frozenset()
    while True:
        tracing = _Trace(request, frozen)
        try:
            return tracing.run()
        except NeedsConcrete as error:
            place = tracing.place_of(error.value)
            if place is None:
                raise
            if place.hidden and source_key(place.source) not in request.hidden:
                frozen |= {source_key(place.source)}  # a captured NumPy scalar: guard its value
                continue
            raise Specialise(place.source, error) from None
        except RecursionTooDeep as error:
            raise tracing.remedy(error) from None


@record(frozen=True)
class _Place:
    source: Source
    hidden: bool


class _Trace:
    """One attempt."""

    def __init__(self, request: TraceRequest, frozen: frozenset[SourceKey]) -> None:
        self.request = request
        self.context = Context(Block())
        self.control = Control(self.context, request.options)
        self.captures = Captures(self.control, request.hidden, _package_of(request.function), frozen)
        self.control.captures = self.captures
        self.context.inputs = self.control
        self.context.capture_array = self.captures.array_of
        self.same = self.captures.same
        self.same.update((r.b, r.a) for r in request.same)
        self.views: dict[int, Source] = {}
        self.context.builder.changes = Pending(self.captures, self.views)
        self._numbers: dict[int, int] = {}  # by the input: its number
        self._described: list[Any] = []
        self._arguments = 0

    def run(self) -> Program:
        with self.context, _deep_recursion(self.request.options), np.errstate(all="ignore"):
            values = [self.argument(a, source) for a, source in zip(self.request.arguments, self._sources())]
            self._arguments = len(self.captures.entries)
            for given, array in self.request.arrays:
                self.captures.identify(array, self._array(given), given.source)
            args, kwargs = arranged(self.request.function, values)
            try:
                result = calls.call(self._function(), args, kwargs)
            except Unreachable:
                return self._finish()
            except TracejitError as error:
                self._explain(error)
                raise stripped(error) from None
            except Exception as error:
                if is_bug(error):
                    raise
                if not self._has_effects():
                    stripped(error)
                    raise
                self._raise_at_run_time(error)
                return self._finish()
            try:
                return self._finish(result)
            except TracejitError as error:
                error.loc = error.loc or places.of_result(self.request.function)
                raise stripped(error) from None

    def _explain(self, error: TracejitError) -> None:
        """Say where the error is, and that what it is about was not rewritten, if that is so."""
        innermost: FrameType | None = None
        tb = error.__traceback__
        while tb is not None:
            if self.context.is_user_code(tb.tb_frame.f_code):
                innermost = tb.tb_frame
            tb = tb.tb_next
        locate(error, lambda frame: self.context.is_user_code(frame.f_code))
        if isinstance(error, UnsupportedError):
            error.hint = error.hint or OUTSIDE
        if not isinstance(error, NeedsConcrete):
            return
        self._explain_origin(error)
        why = self.control.sourceless.get(innermost.f_code) if innermost is not None else None
        if why is not None:
            error.message += f"; branches and loops on such values are not compiled in this function, because {why}"
            error.hint = "the function in a file or a notebook cell, so that its source can be read"

    def _explain_origin(self, error: NeedsConcrete) -> None:
        """Say from which inputs, and where, the value that Python needs was computed."""
        needed = error.value
        if not isinstance(needed, ScalarTracer):
            instead = "a number or tuple of numbers as a static argument, or the call outside"
            error.hint = error.hint or _INSTEAD.get(error.what, instead)
            return
        leaves = _leaves(needed.value)
        inputs = [e.input for e in self.captures.entries if e.param in leaves]
        names = list(dict.fromkeys(describe(i.source) for i in inputs))
        op = needed.value.op
        if needed.origin is COMPUTED and op is not None:
            if names:
                error.message = error.message.replace(COMPUTED.text, f"a value computed from {_listed(names)}", 1)
            here = error.loc
            if op.loc != UNKNOWN and here is not None and (op.loc.file, op.loc.line) != (here.file, here.line):
                place = Loc(op.loc.file, op.loc.line, op.loc.column, op.loc.end_column, op.loc.function)
                error.related = (*error.related, (place, "it is computed here"))
        if error.hint is None and inputs and len(inputs) == len(leaves):
            if all(isinstance(i, ScalarInput) and isinstance(i.source, Argument) for i in inputs):
                error.hint = f"@jit(static_argnames={', '.join(names)!r}), to compile for each value anew"
        error.hint = error.hint or _INSTEAD.get(error.what, "it as a static argument, or the call outside")

    def _sources(self) -> Iterator[Source]:
        names = parameter_names(self.request.function, len(self.request.arguments))
        return (Argument(k, name) for k, name in enumerate(names))

    def _function(self) -> Any:
        """What to call: an object that is called, or whose method is, is state like any other."""
        function = self.request.function
        if isinstance(function, FunctionType):
            return function
        anchor = CellType(function)
        self.captures.keep_alive.append(anchor)
        return self.captures.see(function, Cell(anchor, _name_of(function)), guarded=True)

    # --- arguments
    def argument(self, given: Described, source: Source) -> Any:
        """What the function gets for a described argument found at ``source``."""
        kind = type(given)
        if kind is ArrayInput:
            return self._array(given)
        if kind is ScalarInput:
            self._numbers[id(given)] = len(self.captures.entries)
            return self.captures.scalar_input(given)
        if kind is ViewOf:
            return self._view(given)
        if kind is Static:
            return self.captures.see(given.value, given.source, guarded=True)
        if kind is Rebuilt:
            value = given.value
            items = [self.argument(v, Item(given.source, k)) for k, v in enumerate(value)]
            return type(value)._make(items)
        if kind is tuple:
            return tuple(self.argument(v, Item(source, k)) for k, v in enumerate(given))
        if kind is list:
            items = [self.argument(v, Item(source, k)) for k, v in enumerate(given)]
            self.captures.adopt(items, source)
            return items
        if kind is dict:
            table = {k: self.argument(v, Item(source, k)) for k, v in given.items()}
            self.captures.adopt(table, source)
            return table
        return given

    def _array(self, given: ArrayInput) -> ArrayTracer:
        entries = self.captures.entries
        number = self._numbers.get(id(given))
        if number is None:
            number = self._numbers[id(given)] = len(entries)
            self._described.append(given)
            first = self.same.get(number)
            if first is None:
                return self.captures.array_input(given)
            entries.append(Entry(given, None, None))
        box = entries[self.same.get(number, number)].tracer
        assert isinstance(box, ArrayTracer)
        return box

    def _view(self, given: ViewOf) -> ArrayTracer:
        base = self._array(given.base)
        view = base.part(Strided(given.shape, given.starts, given.pairs, given.steps))
        view.serial = LONG_AGO
        if given.source is not None:
            self.views[id(view)] = given.source
            self.captures.keep_alive.append(view)
        return view

    # --- the end
    def _has_effects(self) -> bool:
        if any(not op.primitive.pure and not op.primitive.terminator for op in self.context.blocks[0].walk()):
            return True
        return any(self._is_written(e) for e in self.captures.entries) or bool(Changes(self.captures).targets)

    def _raise_at_run_time(self, error: Exception) -> None:
        context = self.context
        del context.blocks[1:]
        context.builder.block = context.blocks[0]
        context.scope = None
        loc = traceback_loc(error.__traceback__, lambda frame: context.is_user_code(frame.f_code))
        exceptions.emit_raise(context, error, loc or UNKNOWN)

    def _is_written(self, entry: Entry) -> bool:
        return isinstance(entry.tracer, ArrayTracer) and entry.tracer._value is not entry.param

    def _finish(self, *result: Any) -> Program:
        """The program that gives ``result``, or none because every path raises."""
        context, captures = self.context, self.captures
        results = Results(captures, self.views)
        output: Output = results.result(*result) if result else OutStatic(None)
        body = context.blocks[0]
        symbols = tuple(captures.symbols)
        body.params = [*captures.symbols.values(), *(e.param for e in captures.entries if e.param is not None)]
        position = {param: k for k, param in enumerate(body.params)}
        mutated: dict[int, int] = {}
        inputs: list[Input] = []
        for number, entry in enumerate(captures.entries):
            given = entry.input
            target = captures.entries[self.same.get(number, number)]
            if isinstance(given, ArrayInput) and self._is_written(target):
                given = replace(given, written=True)
                if target is entry:
                    assert isinstance(entry.tracer, ArrayTracer) and entry.param is not None
                    mutated[position[entry.param]] = results.add(entry.tracer.read())
            inputs.append(given)
        context.builder.return_(*results.values)
        forget_abandoned(body)
        function = Function(_name_of(self.request.function), body, {"mutated": mutated})
        return Program(
            function,
            symbols,
            tuple(inputs),
            (*self.request.guards, *captures.guards),
            output,
            (*(Same(a, b) for b, a in self.same.items()), *self._disjoint(inputs)),
            [*captures.keep_alive, self.request.function],
            tuple(context.notes),
        )

    def _disjoint(self, inputs: Sequence[Input]) -> list[Disjoint]:
        """Pairs of arrays of which one is written, or that were told apart."""
        apart = {frozenset(map(id, pair)) for pair in self.context.told_apart}
        tracers = [entry.tracer for entry in self.captures.entries]
        found: list[Disjoint] = []
        arrays = [(k, i) for k, i in enumerate(inputs) if isinstance(i, ArrayInput) and k not in self.same]
        for n, (b, second) in enumerate(arrays):
            for a, first in arrays[:n]:
                matters = first.written or second.written or frozenset((id(tracers[a]), id(tracers[b]))) in apart
                if matters:
                    found.append(Disjoint(a, b))
        return found

    # --- values that Python needs
    def remedy(self, error: RecursionTooDeep) -> Exception:
        """What may end a recursion: knowing a dimension, or else an integer, while tracing."""
        unknown = Unknown(error)
        if self.captures.symbols:
            return unknown
        for number, entry in enumerate(self.captures.entries):
            given = entry.input
            if number < self._arguments and isinstance(given, ScalarInput) and given.dtype.kind in "iu":
                return Specialise(given.source, unknown)
        return error

    def place_of(self, needed: Any) -> _Place | None:
        """A scalar input that makes a value known when it is static: the value itself, or what it is computed from."""
        if not isinstance(needed, Tracer):
            return None
        inputs = {e.param: (k, e) for k, e in enumerate(self.captures.entries) if e.param is not None}
        value = needed.value if isinstance(needed, ScalarTracer) else None
        if value is None:
            return None
        candidates: list[tuple[int, Entry]] = []
        for param in _leaves(value):
            known = inputs.get(param)
            if known is None or not isinstance(known[1].tracer, ScalarTracer):
                return None
            if known[1].input.dtype.kind not in "biu":
                return None  # a version for every float would be too many
            candidates.append(known)
        if not candidates:
            return None
        number, entry = min(candidates, key=lambda c: c[0])
        return _Place(entry.input.source, number >= self._arguments)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _leaves(value: Value) -> set[Value]:
    """The block parameters that a value is computed from."""
    found: set[Value] = set()
    seen = {value}
    stack = [value]
    while stack:
        v = stack.pop()
        op = v.op
        if op is None:
            found.add(v)
            continue
        operands = list(op.operands)
        for region in op.regions:
            for inner in region.walk():
                operands.extend(inner.operands)
        for operand in operands:
            if operand not in seen:
                seen.add(operand)
                stack.append(operand)
    return found


@contextmanager
def _deep_recursion(options: Options) -> Iterator[None]:
    """Let the user's functions nest as deep as the limit says: between any two of them there are some of ours."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, before + _FRAMES_PER_CALL * options.inline_depth))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


# --- the function -----------------------------------------------------------------------------------------------------


def parameter_names(function: Callable[..., Any], count: int) -> list[str]:
    """The names of a callable's parameters."""
    names = list(inspect.signature(function, follow_wrapped=False).parameters)
    return names + [f"argument {k}" for k in range(len(names), count)]


def arranged(function: Callable[..., Any], values: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments for parameters with these values."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for parameter, value in zip(inspect.signature(function, follow_wrapped=False).parameters.values(), values):
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            args.append(value)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            args.extend(value)
        elif parameter.kind is parameter.KEYWORD_ONLY:
            kwargs[parameter.name] = value
        else:
            kwargs.update(value)
    return tuple(args), kwargs


def _package_of(function: Any) -> str | None:
    package = str(getattr(function, "__module__", None) or "").partition(".")[0]
    return package if package not in ("", "__main__", "builtins") else None


def _name_of(function: Any) -> str:
    name = str(getattr(function, "__name__", type(function).__name__))
    return name if name.isidentifier() else "lambda_" if name == "<lambda>" else "function"
