"""Calls functions the way the compiled form does, by tracing and interpreting: the front end without native code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracejit.ir.interface import (
    Argument,
    ArrayInput,
    Guard,
    Input,
    Item,
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
    Program,
    Same,
    ScalarInput,
    Source,
)
from tracejit.ir.verify import verify
from tracejit.ops.interpret import interpret
from tracejit.runtime.sources import evaluate, misfit
from tracejit.trace.control import Options
from tracejit.trace.program import Rebuilt, Specialise, Static, TraceRequest, source_key, trace
from tracejit.trace.tracer import PYTHON_ALTERNATIVES


class Traced:
    """A function whose calls are traced and interpreted; programs are kept and reused as their guards allow.

    Attributes:
        programs: What was traced.
    """

    def __init__(self, function: Callable[..., Any], dynamic: bool = False, **options: Any) -> None:
        self.function = function
        self.dynamic = dynamic
        self.options = Options(**options)
        self.signature = inspect.signature(function, follow_wrapped=False)
        self.programs: list[Program] = []
        self._static: set[Any] = set()
        self._hidden: dict[Any, Input] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        values = list(bound.arguments.values())
        for program in self.programs:
            if misfit(program, values) is None:
                return run(program, values)
        self._generalise(values)
        program = self._trace(values)
        wrong = misfit(program, values)
        assert wrong is None, f"the program does not fit the call that it was traced for: {wrong}"
        self.programs.append(program)
        return run(program, values)

    def program(self, *args: Any, **kwargs: Any) -> tuple[Program, list[Any]]:
        """The program for these arguments, and what its function's parameters are given."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        values = list(bound.arguments.values())
        program = self._trace(values)
        return program, parameters(program, values)[0]

    def _generalise(self, values: list[Any]) -> None:
        """Let captured numbers that changed be inputs from now on."""
        for program in self.programs:
            for guard in program.guards:
                kind = PYTHON_ALTERNATIVES.get(type(guard.value))
                if guard.condition != "equal" or kind is None or source_key(guard.source) in self._static:
                    continue
                now = evaluate(guard.source, values)
                if type(now) is type(guard.value) and now != guard.value:
                    self._hidden[source_key(guard.source)] = ScalarInput(guard.source, *kind)

    def _trace(self, values: list[Any]) -> Program:
        while True:
            describer = _Describer(self.dynamic, self._static)
            names = list(self.signature.parameters)
            arguments = tuple(describer.describe(v, Argument(k, names[k])) for k, v in enumerate(values))
            request = TraceRequest(
                self.function,
                arguments,
                tuple(describer.guards),
                tuple(describer.same),
                dict(self._hidden),
                self.options,
            )
            try:
                program = trace(request)
            except Specialise as needed:
                key = source_key(needed.source)
                assert key not in self._static
                self._static.add(key)
                self._hidden.pop(key, None)
                continue
            verify(program.function)
            return program


@dataclass
class _Describer:
    dynamic: bool
    static: set[Any]

    def __post_init__(self) -> None:
        self.guards: list[Guard] = []
        self.same: list[Same] = []
        self._arrays: dict[int, int] = {}
        self._count = 0

    def describe(self, value: Any, source: Source) -> Any:
        kind = type(value)
        if kind is np.ndarray:
            flags = value.flags
            layout = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "strided"
            shape: tuple[Any, ...] = value.shape
            if self.dynamic:
                shape = tuple(f"s{self._count}_{k}" for k in range(value.ndim))
            first = self._arrays.setdefault(id(value), self._count)
            if first != self._count:
                self.same.append(Same(first, self._count))
            self._count += 1
            return ArrayInput(source, value.dtype, shape, layout, readonly=not flags.writeable)
        if (kind in PYTHON_ALTERNATIVES or isinstance(value, np.generic)) and source_key(source) not in self.static:
            self._count += 1
            if kind in PYTHON_ALTERNATIVES:
                return ScalarInput(source, *PYTHON_ALTERNATIVES[kind])
            return ScalarInput(source, "numpy", value.dtype)
        if kind in (tuple, list, dict) or (isinstance(value, tuple) and hasattr(kind, "_fields")):
            keys = list(value) if kind is dict else range(len(value))
            blank = dict.fromkeys(keys) if kind is dict else [None] * len(value)
            if kind in (tuple, list, dict):
                self.guards.append(Guard(source, "container", kind(blank)))
            else:
                self.guards.append(Guard(source, "type", kind))
            items = [self.describe(value[k], Item(source, k)) for k in keys]
            if kind is dict:
                return dict(zip(keys, items))
            return kind(items) if kind in (tuple, list) else Rebuilt(kind._make(items), source)
        atom = value is None or isinstance(value, (str, bytes, np.dtype)) or kind in PYTHON_ALTERNATIVES
        if atom:
            self.guards.append(Guard(source, "equal", value))
        elif callable(value):
            self.guards.append(Guard(source, "is", value))
        else:
            self.guards.append(Guard(source, "type", kind))
        return Static(value, source)


# --- running a program ------------------------------------------------------------------------------------------------


def parameters(program: Program, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """What a call gives the parameters of the program's function, and the objects behind its inputs."""
    objects = [evaluate(i.source, values) for i in program.inputs]
    same = {r.b for r in program.relations if isinstance(r, Same)}
    symbols: dict[str, int] = {}
    for given, value in zip(program.inputs, objects):
        if isinstance(given, ArrayInput):
            symbols.update((d, n) for d, n in zip(given.shape, value.shape) if isinstance(d, str))
    inputs = [np.array(symbols[s]) for s in program.symbols]
    for k, (given, value) in enumerate(zip(program.inputs, objects)):
        if k not in same:
            inputs.append(np.array(value, given.dtype))
    return inputs, objects


def run(program: Program, values: Sequence[Any]) -> Any:
    """Call a program: what native code and its entry point do."""
    inputs, objects = parameters(program, values)
    same = {r.b for r in program.relations if isinstance(r, Same)}
    outputs = interpret(program.function, inputs)
    position = len(program.symbols)
    for k, value in enumerate(objects):
        if k not in same:
            if position in program.function.meta["mutated"]:
                value[...] = outputs[program.function.meta["mutated"][position]]
            position += 1
    return _Builder(values, objects, outputs).build(program.output)


@dataclass
class _Builder:
    values: Sequence[Any]
    objects: list[Any]
    outputs: Sequence[Any]

    def __post_init__(self) -> None:
        self.arrays: dict[int, np.ndarray] = {}

    def build(self, output: Output) -> Any:
        match output:
            case OutScalar(index, alternatives, selector):
                kind, dtype = alternatives[0 if selector is None else int(self.outputs[selector])]
                value = np.asarray(self.outputs[index]).astype(dtype)
                return value.item() if kind == "python" else value[()]
            case OutArray(index):
                return self.arrays.setdefault(index, np.array(self.outputs[index]))
            case OutInput(index):
                return self.objects[index]
            case OutView(base, shape, starts, pairs, steps, writeable):
                array = self.build(base)
                at = [int(self.index(s)) for s in starts]
                corner = array[tuple(slice(s, None) for s in at)] if array.ndim else array
                strides = [0] * len(shape)
                for (axis, to), step in zip(pairs, steps):
                    strides[to] += array.strides[axis] * int(self.index(step))
                dims = [int(self.index(d)) for d in shape]
                return np.lib.stride_tricks.as_strided(corner, dims, strides, writeable=writeable)
            case OutChoice(selector, options):
                return self.build(options[int(self.outputs[selector])])
            case OutStatic(value):
                return value
            case OutSource(source):
                return evaluate(source, self.values)
            case OutTree(kind, children, keys, make):
                parts = [self.build(c) for c in children]
                if kind == "dict":
                    return dict(zip(keys, parts))
                return {"tuple": tuple, "list": list, "make": make}[kind](parts)
        raise TypeError(output)

    def index(self, x: int | OutIndex) -> Any:
        return self.outputs[x.index] if isinstance(x, OutIndex) else x


def written(program: Program) -> list[ArrayInput]:
    """The inputs that a program writes into."""
    return [i for i in program.inputs if isinstance(i, ArrayInput) and i.written]
