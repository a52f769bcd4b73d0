"""What the control side of a trace keeps: open loops and branches, ``try`` blocks, recorded arms and how to undo
them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tracejit.errors import CaptureError, TracejitError, a, is_internal, traceback_loc
from tracejit.ir.core import Block, Op, Value
from tracejit.ir.loc import Loc
from tracejit.record import field, record
from tracejit.trace import boxes
from tracejit.trace.context import Context, current
from tracejit.trace.identity import ById
from tracejit.trace.journal import Journal, is_iterator

if TYPE_CHECKING:
    from tracejit.trace.captures import Captures


class Unbound:
    """The mark for a name without a value."""

    def __repr__(self) -> str:
        return "<unbound>"


UNBOUND = Unbound()


class Unreachable(Exception):
    """What follows is never executed: every path to it raises. Ends the arm that is being recorded."""


class NotRollable(CaptureError):
    """Something that a recorded loop cannot do but an unrolled one can, such as growing a list."""


@record(frozen=True)
class Options:
    """Limits of a trace.

    Args:
        unroll: Static loops of at most this many turns are unrolled.
        unroll_nest: ... as long as nested ones together stay below this.
        max_unroll: The most turns of a loop that has to be unrolled.
        inline_depth: The deepest chain of calls.
    """

    unroll: int = 8
    unroll_nest: int = 16
    max_unroll: int = 1024
    inline_depth: int = 200


@record(eq=False)
class Scope:
    """A block in a loop that runs many times: contents of arrays from outside become its parameters when first
    looked at.

    Attributes:
        block: The block.
        parent: The loop around it.
        localized: Per root box: its contents before, and the parameter.
        driver: The loop's driver.
    """

    block: Block
    parent: Scope | None
    driver: Any
    localized: ById[tuple[Value, Value]] = field(default_factory=ById)


@record(eq=False)
class TryScope:
    """An open ``try``: checks that are recorded inside cannot be caught by it."""

    block: Block
    start: int
    catches: tuple[type[BaseException], ...]
    loc: Loc
    only_cleans_up: bool


def cannot_catch(kind: type[BaseException], loc: Loc | None, scope: TryScope) -> CaptureError:
    """The error for an exception that a ``try`` in compiled code would catch."""
    place = Loc(scope.loc.file, scope.loc.line, scope.loc.column, scope.loc.end_column, scope.loc.function)
    return CaptureError(
        f"whether {a(kind.__name__)} is raised here is known only at run time, and compiled code cannot catch it",
        hint="a test of the condition, or the 'try' around the call of the compiled function",
        loc=loc,
        related=((place, f"this would {'run code after' if scope.only_cleans_up else 'catch'} it"),),
    )


class Control:
    """The control side of one trace.

    Attributes:
        serial: Numbers moments: compare with :attr:`ArrayTracer.serial <tracejit.trace.boxes.ArrayTracer.serial>`.
        recording: How many arms and loop bodies are open.
        unrolled: How many copies of the current statement the unrolled loops around it make.
        depth: How many calls are open.
        differentiating: How many derivatives are being taken of what is recorded.
        tries: The open ``try`` blocks.
        sourceless: Functions that run as they are, by code object: why.
    """

    captures: Captures

    def __init__(self, context: Context, options: Options) -> None:
        self.context = context
        self.options = options
        self.journal = Journal()
        self.recording = 0
        self.unrolled = 1
        self.depth = 0
        self.differentiating = 0
        self.tries: list[TryScope] = []
        self.sourceless: dict[Any, str] = {}
        self.heads: ById[Any] = ById()  # see tracejit.trace.carried
        self.after_loop: Any = None  # see tracejit.trace.carried
        self.assumed: dict[int, tuple[Any, int]] = {}  # see tracejit.trace.turns
        self.shared_out: dict[Value, tuple[Any, int]] = {}  # see tracejit.trace.paths
        context.localize = self.localize

    def now(self) -> int:
        return next(boxes._serials)

    def hold(self, target: Any) -> None:
        """``target``, whose changes are not noted, may be about to change, or to be used up."""
        if self.journal.is_outside(target):
            used = is_iterator(target)
            what = f"{a(type(target).__name__)} is {'used up' if used else 'changed'}"
            raise NotRollable(
                f"{what} under a condition, or in a loop, that depends on run-time values",
                hint="an index into a list or an array" if used else "a list, a dict or an array",
            )

    # --- array contents in loops
    def localize(self, root: boxes.ArrayTracer) -> None:
        """Let ``root``'s contents be those at the start of a turn, in every loop between its scope and the current
        one."""
        if type(root) is boxes.ChoiceTracer:  # its candidates have the contents
            root.scope = self.context.scope
            return
        chain: list[Scope] = []
        scope: Scope | None = self.context.scope
        while scope is not None and scope is not root.scope:
            chain.append(scope)
            scope = scope.parent
        for inner in reversed(chain):
            before = root._value
            param = inner.block.add_param(before.type)
            inner.localized[root] = (before, param)
            root.set_value(param)
        root.scope = self.context.scope

    def unlocalized(self, root: boxes.ArrayTracer) -> Value:
        """The contents of ``root``, seen from outside of the loops that are being recorded as far as it is unchanged
        in them."""
        value = root._value
        scope: Scope | None = self.context.scope
        while scope is not None:
            known = scope.localized.get(root)
            if known is not None and known[1] is value:
                value = known[0]
            scope = scope.parent
        return value

    @contextmanager
    def in_block(self, block: Block, scope: Scope | None = None) -> Iterator[None]:
        """Ops go to the end of ``block``, a closed region of the block that is open (``scope``: the loop that it
        is)."""
        outer = self.context.scope
        if scope is not None:
            self.context.scope = scope
        with self.context.region(block):
            yield
        self.context.scope = outer


def forget_abandoned(body: Block) -> None:
    """Take out of the use lists of a finished program what was recorded and then given up."""
    kept: set[Op] = set()
    values: list[Value] = []
    for op in body.walk():
        kept.add(op)
        values.extend(op.results)
        for region in op.regions:
            values.extend(region.params)
    values.extend(body.params)
    known = set(values)
    for v in values:
        if not kept.issuperset(v.users):
            v.users = {op: n for op, n in v.users.items() if op in kept}
        if not known.issuperset(v.dim_users):
            v.dim_users = {holder: None for holder in v.dim_users if holder in known}


_MACHINERY = frozenset(
    f"tracejit.trace.{name}"
    for name in [
        "carried",
        "control",
        "exports",
        "join",
        "journal",
        "loop_ops",
        "loops",
        "program",
        "results",
        "rewrite",
        "staging",
        "templates",
        "turns",
    ]
)


def is_bug(error: BaseException) -> bool:
    """Whether an exception is a bug of tracejit's, and not what the user's code raises."""
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    if tb is None or not is_internal(tb.tb_frame):
        return False
    return (
        isinstance(error, AssertionError | NotImplementedError) or tb.tb_frame.f_globals.get("__name__") in _MACHINERY
    )


def control() -> Control:
    """The control side of the trace in progress."""
    result = current().inputs
    assert isinstance(result, Control)
    return result


class Arm:
    """One recorded path: a block, the state it leaves behind, and a way back to the state before.

    Attributes:
        block: The ops.
        arrays: Contents after, of the root boxes it wrote to, and before.
        objects: The journal of Python objects it changed.
        raised: How it ends, if it always raises.
        doubts: Arrays that it made and that may share memory with others; for :mod:`tracejit.trace.doubts` once it is
            known to have run.
    """

    def __init__(
        self, c: Control, block: Block | None = None, scope: Scope | None = None, around: Sequence[Block] = ()
    ) -> None:
        self.control = c
        self.around = tuple(around)
        self.block = block if block is not None else Block()
        self.scope = scope
        self.arrays: ById[tuple[Value, Value]] = ById()
        self.objects: dict[int, Any] = {}
        self.raised = False
        self.doubts: list[Any] = []

    def open(self) -> None:
        c, context = self.control, self.control.context
        self._depth = len(context.blocks)
        self._scope = context.scope
        self._writes = len(context.writes)
        self._doubts = len(context.doubts)
        self._journals = c.journal.depth()
        self._journal = c.journal.mark(c.now())
        self._tries = len(c.tries)
        self._calls = c.depth
        self._unrolled = c.unrolled
        self.serial = c.now()
        c.recording += 1
        self._recording = c.recording
        context.blocks.extend((*self.around, self.block))
        context.builder.block = self.block
        if self.scope is not None:
            context.scope = self.scope

    def look(self) -> None:
        """Take down the changes. Arrays and objects made in the arm do not count: nothing outside knows them."""
        self.arrays = ById()
        for root, previous in self.control.context.writes[self._writes :]:
            if root.serial <= self.serial and root not in self.arrays:
                self.arrays[root] = (previous, root._value)
        self.objects = self.control.journal.changes(self._journal, self.serial)

    def close(self) -> None:
        """Back to the state before, having taken down the changes."""
        c, context = self.control, self.control.context
        self.look()
        self._leave()
        c.journal.rewind(self._journal, self.objects)
        del context.writes[self._writes :]
        self.doubts = context.doubts[self._doubts :]
        del context.doubts[self._doubts :]
        for root, (previous, _) in self.arrays.items():
            root.set_value(previous)
        if self.scope is not None:
            self._unlocalize()

    @contextmanager
    def outside(self) -> Iterator[None]:
        """As if the arm were closed, as far as it matters which values are available."""
        context = self.control.context
        inside = context.blocks[self._depth :]
        del context.blocks[self._depth :]
        context.builder.block = context.blocks[-1]
        yield
        context.blocks.extend(inside)
        context.builder.block = context.blocks[-1]

    def abandon(self) -> None:
        """Back to the state before, forgetting everything."""
        self.close()
        self.block.drop_references()
        self.block.ops.clear()

    def splice(self) -> None:
        """The arm was no branch after all: its ops and changes become those of the code around it."""
        c, context = self.control, self.control.context
        self._leave()
        c.journal.keep()
        for op in self.block.ops:
            context.builder.block.append(op)

    def _leave(self) -> None:
        c, context = self.control, self.control.context
        del context.blocks[self._depth :]
        context.builder.block = context.blocks[-1]
        context.scope = self._scope
        c.recording = self._recording - 1
        c.depth = self._calls
        c.unrolled = self._unrolled
        c.journal.cut(self._journals + 1)
        del c.tries[self._tries :]

    def _unlocalize(self) -> None:
        assert self.scope is not None
        for root, (before, _) in self.scope.localized.items():
            root.set_value(before)
            root.scope = self.scope.parent

    # --- exceptions
    def caught(self, error: Exception) -> bool:
        """Take an exception that the user's code raised while this arm was recorded: the arm then always raises it."""
        if isinstance(error, Unreachable):
            self._reset_blocks()
            self.raised = True
            return True
        if isinstance(error, TracejitError | RecursionError | MemoryError) or is_bug(error):
            return False
        from tracejit.trace.exceptions import emit_raise

        c = self.control
        self._reset_blocks()
        if len(c.tries) > self._tries:
            del c.tries[self._tries :]
        is_user = c.context.is_user_code
        caller = c.context.here().caller
        loc = traceback_loc(error.__traceback__, lambda frame: is_user(frame.f_code), caller)
        for scope in c.tries:
            if any(issubclass(type(error), t) for t in scope.catches):
                raise cannot_catch(type(error), loc, scope)
        emit_raise(c.context, error, loc or c.context.here())
        error.__traceback__ = None  # another arm may raise the same object, from elsewhere
        self.raised = True
        return True

    def _reset_blocks(self) -> None:
        context = self.control.context
        del context.blocks[self._depth + len(self.around) + 1 :]
        context.builder.block = self.block
        context.scope = self.scope if self.scope is not None else self._scope
        self.control.recording = self._recording
        self.control.depth = self._calls
        self.control.journal.cut(self._journals + 1)
