"""The slow path: calls that no compiled version takes.

:meth:`Dispatcher.call` binds and classifies the arguments, tries the compiled versions once more (a call may have come
with keywords that only Python binds, or another thread may have compiled meanwhile), and compiles a new version. How
many are compiled is decided here: dimensions that changed become symbols, captured numbers that changed become hidden
inputs, and numbers that tracing needs become static.
"""

from __future__ import annotations

import functools
import inspect
import os
import threading
import time
import types
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tracejit import config
from tracejit.codegen import support
from tracejit.codegen.entry_arguments import flat_parameters, parameters_of
from tracejit.collector import Paused
from tracejit.errors import NeedsConcrete, TracejitError, UnsupportedError
from tracejit.ir.core import Function, Value
from tracejit.ir.interface import Argument, ArrayInput, Input, Program, ScalarInput, describe
from tracejit.lazy import Lazy
from tracejit.record import field, record, replace
from tracejit.runtime import aliasing, history
from tracejit.runtime.options import Options
from tracejit.runtime.requests import make_request
from tracejit.runtime.signature import (
    PYTHON_DTYPES,
    BoundCall,
    Classifier,
    Policy,
    Signature,
    StaticLeaf,
    arrange,
    bind,
    exact,
    fits_int64,
    layout_of,
    native_dtype,
    needs_copy,
    oddity,
    walk,
)
from tracejit.runtime.versions import MISS, Observer, Probe, Times, Version, at_stage, build, log
from tracejit.trace import calls
from tracejit.trace.captures import source_key
from tracejit.trace.context import is_tracing
from tracejit.trace.numpy_api.table import has_traced
from tracejit.trace.program import Specialise, trace
from tracejit.trace.transformed import Inlined

if TYPE_CHECKING:
    from tracejit.runtime import explain, sources
    from tracejit.trace import places
else:
    explain = Lazy("tracejit.runtime.explain")
    sources = Lazy("tracejit.runtime.sources")
    places = Lazy("tracejit.trace.places")

ATTEMPTS = 5
"""How often a version that was just compiled may turn out not to fit, because captured state changed meanwhile."""


compile_lock = threading.RLock()
"""Held for all compilation in the process: tracing runs Python code that may call any other compiled function."""


def _acquire() -> None:
    compile_lock.acquire()


def _release() -> None:
    compile_lock.release()


if hasattr(os, "register_at_fork"):
    # another thread may be compiling: the child gets a process in which nobody is
    os.register_at_fork(before=_acquire, after_in_parent=_release, after_in_child=_release)


@record
class Family:
    """Versions for calls that differ in dimensions and captured state only.

    Attributes:
        versions: In order of compilation.
        shapes: The shapes that each was compiled at.
        numbers: Captured Python numbers that have changed, and so are inputs.
        constant: Captured numbers that tracing needs the value of.
        fixed: Dimensions that tracing needs as Python numbers, each an array and an axis.
    """

    versions: list[Version] = field(default_factory=list)
    shapes: list[history.Shapes] = field(default_factory=list)
    numbers: dict[Hashable, ScalarInput] = field(default_factory=dict)
    constant: set[Hashable] = field(default_factory=set)
    fixed: set[tuple[Hashable, int]] = field(default_factory=set)


@record
class Traced:
    """A traced call, and what it was traced for."""

    program: Program
    signature: Signature
    family: Family
    groups: aliasing.Groups
    identified: bool
    pattern: history.Pattern
    hidden: Mapping[Hashable, Input]
    argument_guards: int
    seconds: float


class Dispatcher:
    """The versions of one function, and how new ones come about.

    Args:
        function: The user's function.
        options: What the user said to ``jit``.
        install: Called with the address of the entry point that calls are to go to.
    """

    def __init__(self, function: Callable[..., Any], options: Options, install: Callable[[int], None]) -> None:
        self.function = function
        self.options = options
        self.name = str(getattr(function, "__qualname__", function))
        self.signature = inspect.signature(function, follow_wrapped=False)
        self.names = tuple(self.signature.parameters)
        self.policy = Policy(static=self._static_parameters())
        self.families: dict[Hashable, Family] = {}
        self.versions: list[Version] = []
        self._generation = 0
        self._install = install
        self._probe = Probe()
        self._overlapping: dict[Hashable, Version] = {}
        self._codes: dict[types.CodeType, int] = {}
        self._head = 0

    def _static_parameters(self) -> frozenset[int]:
        named = {self.names.index(name) for name in self.options.static_argnames}
        return frozenset(named | {n % len(self.names) for n in self.options.static_argnums})

    # --- calling
    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run a call that came to the slow path."""
        if is_tracing() and (isinstance(self.function, Inlined) or has_traced(args) or has_traced(kwargs.values())):
            # a library calls it (functools.reduce, say) on behalf of a function that is being traced; what a transform
            # closes over may be traced
            return calls.call(self.function, args, dict(kwargs))
        if kwargs or len(args) != len(self.names):
            support.provide_bind()
        bound = bind(self.function, self.signature, args, kwargs)
        copies = aliasing.copy_in(self.names, bound.values)
        if copies:
            self._check_kept(copies, self.version_for(args, kwargs))
        try:
            result = self._run(arrange(self.signature, copies.values))
        finally:
            copies.copy_out()
        return copies.restore(result)

    def _check_kept(self, copies: aliasing.Copies, version: Version) -> None:
        """Refuse to let a program store copies of arrays in objects of the caller."""
        values = arrange(self.signature, copies.values).values
        for source in version.native.kept:
            original = copies.original_of(sources.evaluate(source, values))
            if original is not None:
                raise UnsupportedError(
                    f"{describe(source)} is {oddity(original)}, and the function stores it in an object",
                    hint="np.ascontiguousarray(x.astype(x.dtype.newbyteorder('=')))",
                    loc=places.of_parameter(self.function, describe(source)),
                )

    def _run(self, bound: BoundCall) -> Any:
        for _ in range(ATTEMPTS):
            generation = self._generation
            if generation:
                result = self._probe.call(*bound.positional, **bound.keywords)
                if result is not MISS:
                    return result
            with compile_lock, Paused():
                if self._generation != generation:
                    continue
                call = self._version_for(bound)
            result = call()
            if result is not MISS:
                return result
        raise RuntimeError(
            f"the version of {self.name} compiled for this call does not take it: captured state changes all the "
            "time, or this is a bug in tracejit"
        )

    def _version_for(self, bound: BoundCall) -> Callable[[], Any]:
        """A call of a version that was made for these arguments (and of those after it in the chain)."""
        signature = self._classify(bound)
        shared = aliasing.Groups(signature.arrays)
        version = self._overlapping.get((signature.key, shared.key))
        if version is None or sources.misfit(version.program, [*bound.values, *shared.bases]) is not None:
            version = self._compile(signature, bound, shared)
        if version.overlap is not None:
            return functools.partial(version.probe.call, *bound.values, *shared.bases)
        return functools.partial(version.probe.call, *bound.positional, **bound.keywords)

    def version_for(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Version:
        """The version that a call would run, compiled if there is none yet; nothing is run."""
        bound = bind(self.function, self.signature, args, kwargs)
        bound = arrange(self.signature, aliasing.copy_in(self.names, bound.values).values)
        with compile_lock, Paused():
            signature = self._classify(bound)
            shared = aliasing.Groups(signature.arrays)
            return self._known_version(bound, signature, shared) or self._compile(signature, bound, shared)

    def _known_version(self, bound: BoundCall, signature: Signature, shared: aliasing.Groups) -> Version | None:
        """The version that a call would run, if there is one."""
        for version in reversed(self.versions):
            if version.overlap is None and sources.misfit(version.program, bound.values) is None:
                return version
        return self._overlapping.get((signature.key, shared.key))

    def program_at(self, stage: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Function:
        """The program that a call would run, as it is after a stage of :data:`tracejit.lower.pipeline.STAGES`; nothing
        is compiled or run."""
        bound = bind(self.function, self.signature, args, kwargs)
        bound = arrange(self.signature, aliasing.copy_in(self.names, bound.values).values)
        with compile_lock, Paused():
            signature = self._classify(bound)
            shared = aliasing.Groups(signature.arrays)
            version = self._known_version(bound, signature, shared)
            if version is None:
                return at_stage(self._trace(signature, bound, shared).program, stage)
            groups = shared if version.shares else aliasing.NO_GROUPS
            request = make_request(
                self.function, signature, version.pattern, version.hidden, groups, version.identified
            )
            return at_stage(trace(request), stage)

    def _classify(self, bound: BoundCall) -> Signature:
        classifier = Classifier(self.names, self.policy)
        try:
            signature = classifier.classify(bound.values)
        except UnsupportedError as error:
            error.loc = places.of_parameter(self.function, classifier.parameter)
            raise
        fresh = False
        for function in _functions(signature):
            # a second function object made of the same code: from now on the code is what counts
            code = function.__code__
            if self._codes.setdefault(code, id(function)) != id(function) and code not in self.policy.structural:
                self.policy.structural.add(code)
                fresh = True
        return Classifier(self.names, self.policy).classify(bound.values) if fresh else signature

    # --- compiling
    def _compile(self, signature: Signature, bound: BoundCall, shared: aliasing.Groups) -> Version:
        """Trace and compile; the new version becomes the first that calls try."""
        limit = config.current().max_versions
        if len(self.versions) >= limit:
            raise TracejitError(
                f"{self.name} has been compiled {limit} times, which is the limit: its explain() says why, each time",
                hint="what changes as an array, or as a number that is not used as a Python value; or a higher setting "
                "TRACEJIT_MAX_VERSIONS",
            )
        traced = self._trace(signature, bound, shared)
        signature, family, groups, program = traced.signature, traced.family, traced.groups, traced.program
        if self.options.check_nan if self.options.check_nan is not None else config.current().check_nan:
            from tracejit.transform import check_nan

            check_nan.instrument(program.function)
        reason = "first call"
        if self.versions:
            reason = explain.reason(signature, family.versions, self.versions, bound.values)
        if groups.key:
            call = flat_parameters(self.names, len(groups.bases))
        else:
            call = parameters_of(self.signature, *self._extra(bound))
        arguments = {id(leaf.source) for leaf in signature.leaves}
        times = Times(trace=traced.seconds)
        version = Version(
            number=len(self.versions) + 1,
            reason=reason,
            texts=signature.texts,
            native=build(program, call, times, _observer(self.name)),
            program=replace(program, function=Function(program.function.name), keep_alive=[]),
            times=times,
            captured=[i for i in program.inputs if id(i.source) not in arguments and not _is_base(i, len(self.names))],
            argument_guards=traced.argument_guards,
            pattern=traced.pattern,
            hidden=traced.hidden,
            shares=bool(groups),
            identified=traced.identified,
            overlap=(signature.key, groups.key) if groups.key else None,
            keep_alive=signature.keep_alive,
        )
        self._enter(version, family)
        family.shapes.append(self._shapes(signature, family, bound))
        log("compile", lambda: explain.summary(self.name, version))
        return version

    def _trace(self, signature: Signature, bound: BoundCall, shared: aliasing.Groups) -> Traced:
        """Trace the function for a call, as often as it takes to know what must be constant."""
        identified = False  # likewise: that an argument is captured, too
        groups = aliasing.NO_GROUPS  # what the program is to know of shared memory: nothing, as long as it only reads
        while True:
            key = (signature.key, groups.same, groups.key)
            family = self.families.setdefault(key, Family())
            shapes = self._shapes(signature, family, bound)
            policy = "static" if groups.key else self.options.shapes or config.current().shapes
            pattern = history.generalize([*family.shapes, shapes], policy, family.fixed)
            hidden = self._hidden(family, pattern, bound)
            request = make_request(self.function, signature, pattern, hidden, groups, identified)
            start = time.perf_counter()
            try:
                program = trace(request)
            except Specialise as needed:
                signature = self._specialise(needed, signature, family, hidden, bound)
                shared = aliasing.Groups(signature.arrays)
                groups = shared if groups else groups
                continue
            except TracejitError as error:
                # the function needs to know dimensions that have changed: as numbers, or to end a recursion
                fixed = _dimensions_behind(error, pattern)
                if not fixed:
                    raise
                family.fixed |= fixed
                continue
            seconds = time.perf_counter() - start
            if not groups and shared.violates(program.relations, program.inputs):
                groups = shared
            elif not identified and self._is_captured_too(program, signature, [*bound.values, *groups.bases]):
                identified = True
            else:
                guards = len(request.guards)
                return Traced(program, signature, family, groups, identified, pattern, hidden, guards, seconds)

    def _is_captured_too(self, program: Program, signature: Signature, values: list[Any]) -> bool:
        if all(isinstance(i.source, Argument) for i in program.inputs):
            return False
        arguments = {id(leaf.source) for leaf in signature.leaves}
        arguments |= {id(i.source) for i in program.inputs if _is_base(i, len(self.names))}
        objects = [sources.evaluate(i.source, values) for i in program.inputs]
        place = functools.partial(places.of_parameter, self.function)
        return aliasing.is_captured_too(program, arguments, objects, place)

    def _enter(self, version: Version, family: Family) -> None:
        """Make a version known: from now on calls may use it."""
        self.versions.append(version)
        family.versions.append(version)
        if version.overlap is not None:
            self._overlapping[version.overlap] = version
        else:
            version.set_next(self._head)
            self._head = version.entry
            self._probe.aim(version.entry)
            self._install(version.entry)
        self._generation += 1

    def _specialise(
        self,
        needed: Specialise,
        signature: Signature,
        family: Family,
        hidden: Mapping[Hashable, Input],
        bound: BoundCall,
    ) -> Signature:
        """Note that tracing needs the value of an input; the signature of the call from now on."""
        for leaf in signature.leaves:
            if leaf.source is needed.source:
                if leaf.path in self.policy.specialized or any(leaf is a for _, a in signature.arrays):
                    raise needed.error
                self.policy.specialized.add(leaf.path)
                return self._classify(bound)
        key = source_key(needed.source)
        if key not in hidden:
            raise needed.error
        family.numbers.pop(key, None)
        family.constant.add(key)
        return signature

    # --- captured state
    def _shapes(self, signature: Signature, family: Family, bound: BoundCall) -> history.Shapes:
        """The shapes of this call's arrays, captured ones included as far as they are known."""
        shapes: dict[Hashable, tuple[int, ...]] = {}
        for _, leaf in signature.arrays:
            shapes["argument", leaf.path] = leaf.array.shape
        for key, array, _ in _captured_arrays(family, bound):
            shapes["captured", key] = array.shape
        return shapes

    def _hidden(self, family: Family, pattern: history.Pattern, bound: BoundCall) -> dict[Hashable, Input]:
        """Captured state that has changed before, as inputs."""
        for version in family.versions:
            for guard in version.program.guards[version.argument_guards :]:
                key = source_key(guard.source)
                kind = type(guard.value)
                if guard.condition != "equal" or kind not in (int, float, complex) or key in family.constant:
                    continue
                value = sources.evaluate(guard.source, bound.values)
                if type(value) is kind and exact(value) != exact(guard.value) and fits_int64(value):
                    family.numbers[key] = ScalarInput(guard.source, "python", PYTHON_DTYPES[kind])
        hidden: dict[Hashable, Input] = {}
        for key, scalar in family.numbers.items():
            value = sources.evaluate(scalar.source, bound.values)
            if PYTHON_DTYPES.get(type(value)) == scalar.dtype and fits_int64(value):
                hidden[key] = scalar
        for key, array, given in _captured_arrays(family, bound):
            shape = pattern["captured", key]
            if any(isinstance(d, str) for d in shape):
                readonly = not array.flags.writeable
                hidden[key] = ArrayInput(given.source, given.dtype, shape, layout_of(array), readonly=readonly)
        return hidden

    def _extra(self, bound: BoundCall) -> tuple[int, tuple[str, ...]]:
        """How many arguments went into ``*args``, and which into ``**kwargs``."""
        count, names = 0, ()
        for parameter, value in zip(self.signature.parameters.values(), bound.values):
            if parameter.kind is parameter.VAR_POSITIONAL:
                count = len(value)
            elif parameter.kind is parameter.VAR_KEYWORD:
                names = tuple(value)
        return count, names


def _dimensions_behind(error: TracejitError, pattern: history.Pattern) -> set[tuple[Hashable, int]]:
    """The symbolic dimensions that a function could not be traced for; all, if that cannot be told."""
    places = [(leaf, axis, d) for leaf, shape in pattern.items() for axis, d in enumerate(shape) if isinstance(d, str)]
    names: set[str | None] = set()
    value = getattr(error.value, "value", None) if isinstance(error, NeedsConcrete) else None
    queue = [value] if isinstance(value, Value) else []
    seen = set(queue)
    while queue:
        v = queue.pop()
        if v.op is None:
            names.add(v.hint)
        else:
            queue += [x for x in v.op.inputs() if x not in seen]
            seen.update(queue)
    behind = {(leaf, axis) for leaf, axis, d in places if d in names}
    return behind or {(leaf, axis) for leaf, axis, _ in places}


def _functions(signature: Signature) -> Iterator[types.FunctionType]:
    """The Python functions among the static leaves."""
    for parameter in signature.nodes:
        for node in walk(parameter):
            if isinstance(node, StaticLeaf) and isinstance(node.value, types.FunctionType):
                yield node.value


def _captured_arrays(family: Family, bound: BoundCall) -> Iterator[tuple[Hashable, np.ndarray[Any, Any], ArrayInput]]:
    """The arrays that programs of a family capture, as they are now, each once; only those an input can still be."""
    seen: set[Hashable] = set()
    for version in reversed(family.versions):
        for given in version.captured:
            if isinstance(given, ArrayInput):
                key = source_key(given.source)
                array = sources.evaluate(given.source, bound.values)
                if key in seen or type(array) is not np.ndarray or needs_copy(array):
                    continue
                if native_dtype(array.dtype) == given.dtype and array.ndim == len(given.shape):
                    seen.add(key)
                    yield key, array, given


def _is_base(i: Input, parameters: int) -> bool:
    """Whether an input is the memory that arguments share."""
    return isinstance(i.source, Argument) and i.source.index >= parameters


def _observer(name: str) -> Observer | None:
    """What watches the passes, as the settings ask for it."""
    topics = config.current().log
    if not topics & {"passes", "ir"}:
        return None

    def observe(stage: str, seconds: float, function: Any) -> None:
        log("passes", lambda: f"{name}: {stage} {1e3 * seconds:.2f} ms")
        log("ir", lambda: f"{name} after {stage}\n{function}")

    return observe
