"""One version of a function: a signature, the program it was traced to, and native code."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tracejit import config
from tracejit.codegen import cpu, support
from tracejit.codegen.costs import Costs
from tracejit.codegen.entry import Release, emit_entry, link
from tracejit.codegen.entry_arguments import Parameters
from tracejit.codegen.llvm import Target, emit_kernel
from tracejit.codegen.writer import PYTHON
from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ir.interface import ArrayInput, Input, Layout, Output, OutTree, Program, Same, Source, mentioned
from tracejit.lazy import Lazy
from tracejit.lower import pipeline
from tracejit.record import field, record
from tracejit.runtime.effects import Callbacks
from tracejit.runtime.history import Pattern
from tracejit.runtime.native_type import SLOW_OFFSET, native_subtype
from tracejit.trace.changes import Apply, put_contents

if TYPE_CHECKING:
    from tracejit.runtime import routines
else:
    routines = Lazy("tracejit.runtime.routines")

LONG = 20_000
"""A kernel of at least so many instructions (some microseconds) releases the GIL."""
LONG_ELEMENTS = 4096
"""A kernel whose loops run over its arguments releases the GIL when they have so many elements together."""


Observer = pipeline.Observer


class Miss:
    """What a call of a version gives when the version is not for it."""


MISS = Miss()


class _Probe:
    """Calls native entry points; gives :data:`MISS` where no one fits."""

    __slots__ = ("_",)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return MISS


_PROBE = native_subtype(_Probe)


def _miss(*args: Any, **kwargs: Any) -> Miss:
    return MISS


class Probe:
    """A way to call a chain of versions that says when none fits instead of compiling one."""

    def __init__(self) -> None:
        self.call: Callable[..., Any] = _PROBE.type()
        self.call.slow = _miss  # type: ignore[attr-defined]

    def aim(self, address: int) -> None:
        _PROBE.set_vectorcall(self.call, address)  # type: ignore[arg-type]


@record
class Times:
    """Seconds spent on a version."""

    trace: float = 0.0
    lower: float = 0.0
    compile: float = 0.0

    @property
    def total(self) -> float:
        return self.trace + self.lower + self.compile


@record(eq=False)
class Native:
    """A compiled program.

    Attributes:
        code: The linked module.
        keep_alive: Python objects that it mentions.
        kept: Where the arrays are (and more) that it may store in objects of the caller, or views of them.
        notes: How loops over the lanes of ``vmap`` were written, for people.
    """

    code: cpu.CompiledCode
    keep_alive: list[Any]
    kept: list[Source]
    notes: tuple[str, ...] = ()

    @property
    def entry(self) -> int:
        """The address of the entry point."""
        return self.code.address["entry"]


@record(eq=False)
class Version:
    """Native code for one signature.

    Attributes:
        number: 1 for the first version of its function.
        reason: Why it was compiled.
        texts: What each argument leaf is, for people.
        program: What the function was traced to, without the IR: inputs, guards, result.
        native: The code.
        times: What it cost.
        captured: The inputs that are not arguments but captured state.
        argument_guards: How many of the program's guards are about arguments; they come first.
        pattern: The shapes it was compiled for.
        hidden: Captured state that was generalised.
        shares: It was made for arguments that share memory.
        identified: It was made for arguments that are captured, too.
        overlap: The signature and the geometry of arguments that overlap in part, if it was made for those: calls of
            it pass the shared memory, too, and it is not in the chain.
        probe: Calls this version (and those after it in the chain).
    """

    number: int
    reason: str
    texts: Mapping[str, str]
    program: Program
    native: Native
    times: Times
    captured: Sequence[Input]
    argument_guards: int
    pattern: Pattern
    hidden: Mapping[Hashable, Input]
    shares: bool = False
    identified: bool = False
    overlap: Hashable = None
    keep_alive: list[Any] = field(default_factory=list)
    probe: Probe = field(default_factory=Probe)

    def __post_init__(self) -> None:
        self.probe.aim(self.native.entry)

    @property
    def entry(self) -> int:
        """The address of the entry point."""
        return self.native.entry

    def set_next(self, address: int) -> None:
        """Say which entry point gets calls that are not for this version (0: none)."""
        ctypes.c_void_p.from_address(self.native.code.address["next"]).value = address


def layouts(program: Program) -> list[Layout | None]:
    """The memory layout of each parameter of the program's function."""
    same = {r.b for r in program.relations if isinstance(r, Same)}
    given = [i.layout if isinstance(i, ArrayInput) else None for k, i in enumerate(program.inputs) if k not in same]
    return [None] * len(program.symbols) + given


def build(program: Program, call: Parameters, times: Times, observe: pipeline.Observer | None = None) -> Native:
    """Compile a traced program; ``program.function`` is lowered on the way."""
    start = time.perf_counter()
    lowered = pipeline.lower(program.function, layouts(program), observe)
    times.lower = time.perf_counter() - start
    start = time.perf_counter()
    kernel = emit_kernel(lowered.function, target=Target.host())
    callbacks = Callbacks(kernel.sites, kernel.effects, program.inputs)
    entry = emit_entry(
        program,
        lowered,
        kernel,
        call,
        make_error=callbacks.make_error,
        run_effect=callbacks.run_effect,
        changed=callbacks.changed,
        slow_offset=SLOW_OFFSET,
        release=release_policy(lowered.function, len(program.symbols)),
    )
    library = kernel.needs - support.SIGNATURES.keys() - {PYTHON}
    code = link(entry, kernel, {s: routines.address(s) for s in library})
    times.compile = time.perf_counter() - start
    changes = [
        program.output,
        *(op.attrs["changes"] for op in (*kernel.sites, *kernel.effects) if "changes" in op.attrs),
    ]
    return Native(
        code, entry.keep_alive, [source for c in changes for source in kept_by(c, program.inputs)], kernel.notes
    )


def kept_by(output: Output, inputs: Sequence[Input]) -> Iterator[Source]:
    """Where the objects are that an output mentions beside what it returns, if it changes any."""
    if isinstance(output, OutTree) and output.make is put_contents:
        yield from kept_by(output.children[0], inputs)
    elif isinstance(output, OutTree) and isinstance(output.make, Apply):
        for part in output.children if output.make.unfold else output.children[1:]:
            yield from mentioned(part, inputs)


def at_stage(program: Program, stage: str) -> Function:
    """The program's function after a stage of :data:`tracejit.lower.pipeline.STAGES`; it is lowered on the way."""
    if stage not in pipeline.STAGES:
        raise ValueError(f"stage {stage!r} is none of {', '.join(pipeline.STAGES)}")
    traced = program.function
    if stage == "traced":
        return traced
    if stage == "optimized":
        pipeline.optimize(traced)
        return traced
    seen: dict[str, Function] = {}

    def observe(name: str, seconds: float, function: Function) -> None:
        if name == "fuse":
            seen["fused"] = function.clone()

    seen["loops"] = pipeline.lower(traced, layouts(program), observe).function
    return seen[stage]


# --- when to release the GIL
# -----------------------------------------------------------------------------------------------


def release_policy(function: Function, symbols: int) -> Release:
    """When the GIL is worth releasing around a kernel: when it may run for longer than some microseconds.

    The first ``symbols`` parameters of ``function`` are dimensions."""
    cost = Costs().of(function.body)
    if cost is not None:
        return "always" if cost >= LONG else "never"
    return LONG_ELEMENTS if _Sizes(function, symbols).bound_all_loops() else "always"


class _Sizes:
    """Tells whether all loops run over dimensions: then the size of the arguments says how long they take."""

    def __init__(self, function: Function, symbols: int) -> None:
        self.function = function
        self._known: dict[Value, bool] = dict.fromkeys(function.params[:symbols], True)

    def bound_all_loops(self) -> bool:
        return self._block(self.function.body)

    def _block(self, block: Block) -> bool:
        return all(self._op(op) for op in block.ops)

    def _op(self, op: Op) -> bool:
        if op.name in ("while", "gemm", "call"):
            return False
        if op.name == "for" and not all(self._is_size(v) for v in op.operands[:3]):
            return False
        return all(self._block(r) for r in op.regions)

    def _is_size(self, value: Value) -> bool:
        """Whether a value is computed from constants and symbols (whose parameters are index values) alone."""
        if value not in self._known:
            op = value.op
            self._known[value] = (
                op is not None and not op.regions and op.name != "load" and all(map(self._is_size, op.operands))
            )
        return self._known[value]


def log(topic: str, text: Callable[[], str]) -> None:
    """Print a text to stderr if ``TRACEJIT_LOG`` asks for the topic."""
    if topic in config.current().log:
        print(f"tracejit: {text()}", file=sys.stderr)
