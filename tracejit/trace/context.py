"""The state of one trace: where ops go, which user line they come from, which arrays were written."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Sequence
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from tracejit.errors import CaptureError, is_inline, user_place
from tracejit.ir.core import Block, Op, Value
from tracejit.ir.loc import UNKNOWN, Loc
from tracejit.ops.builder import Builder

if TYPE_CHECKING:
    from tracejit.trace.boxes import ArrayTracer

_stack: list[Context] = []


def current() -> Context:
    """The trace in progress (the innermost one when a trace starts another)."""
    if not _stack:
        raise leaked()
    return _stack[-1]


def leaked() -> CaptureError:
    """The error for a traced value that is used outside of the trace that it belongs to."""
    return CaptureError(
        "this stands for a value that only the compiled program has: it was kept in a place that compiled code does "
        "not see, such as globals(), and is used outside of the function",
        hint="'return' in the compiled function, for what is needed outside",
        loc=None if _stack else user_place(sys._getframe(1)),
    )


def is_tracing() -> bool:
    """Whether a trace is in progress."""
    return bool(_stack)


def _nothing_to_localize(root: ArrayTracer) -> None:
    root.scope = None


class Context:
    """One trace. ``with context:`` makes it the :func:`current` one.

    Attributes:
        builder: Appends ops to the innermost block that is open.
        blocks: The open blocks, outermost first: a value defined in one of them may be used here.
        writes: One ``(root box, value before)`` per write to an array, in order: the control side rolls writes back and
            finds out which arrays a loop carries.
        nonnegative: Values that are at least 0 by what they are, though not by how they are computed (loop counters,
            dimensions of arguments). See also :meth:`assume_nonnegative`.
        exact: Results of integer arithmetic that cannot have wrapped around.
        in_routine: Whether a function is being traced that is not the user's, but ours or NumPy's.
        trusted: Whether a routine of ours is being traced, whose indices are in bounds and count from the start.
        capture_array: Turns a concrete array met while tracing into a box (a hidden input); None: into a constant.
        inputs: Whatever the control side keeps about the program's inputs.
        told_apart: Arrays that the program found to be different objects.
        notes: What was chosen, for people (each once, in order).
        doubts: Arrays that share memory or do not; see :mod:`tracejit.trace.doubts`.
        scope: The innermost loop that is being recorded (the control side's object), or None.
        localize: Called before the contents of a root whose ``scope`` is not the current one are used: a loop that is
            being recorded turns them into a parameter, so that a later write in its body is seen by the next turn.
    """

    def __init__(self, block: Block) -> None:
        self.builder = Builder(block)
        self.blocks: list[Block] = [block]
        self.writes: list[tuple[ArrayTracer, Value]] = []
        self.nonnegative: set[Value] = set()
        self.exact: set[Value] = set()
        self._assumptions: dict[Value, tuple[Block, int, Op | None]] = {}
        self.capture_array: Callable[[np.ndarray[Any, Any]], ArrayTracer] | None = None
        self.inputs: Any = None
        self.told_apart: list[tuple[ArrayTracer, ArrayTracer]] = []
        self.doubts: list[tuple[weakref.ref[ArrayTracer], weakref.ref[ArrayTracer]]] = []
        self.notes: dict[str, None] = {}
        self.scope: Any = None
        self.localize: Callable[[ArrayTracer], None] = _nothing_to_localize
        self.boxes: dict[int, tuple[np.ndarray[Any, Any], ArrayTracer, Op | None]] = {}  # see trace.boxes.box_of
        self.index_values: dict[Any, tuple[Value, Block | None, int]] = {}  # see trace.dims
        self.forms: dict[Value, Any] = {}  # see trace.dims
        self.nonzeros: dict[Value, tuple[list[Value], Block, int]] = {}  # see trace.advanced
        self.in_routine = False
        self.trusted = False
        self._user_codes: dict[int, CodeType] = {}
        self._routine_codes: dict[int, CodeType] = {}
        self._inline: set[int] = set()
        self._positions: dict[int, list[tuple[int | None, int | None, int | None, int | None]]] = {}
        self._locs: dict[tuple[int, int, int], Loc] = {}
        self._frame: FrameType | None = None
        self._callers: Loc | None = None

    # --- being current
    def __enter__(self) -> Context:
        _stack.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        popped = _stack.pop()
        assert popped is self
        self._frame = None

    # --- blocks
    def region(self, block: Block) -> Region:
        """``with ctx.region(block):`` ops go to the end of ``block``, which lies inside the block open now."""
        return Region(self, block)

    def at(self) -> Builder:
        """The builder, set to the user's current line: every operation of the user starts with this."""
        self.builder.loc = self.here()
        return self.builder

    def emit(
        self,
        primitive: Any,
        operands: Sequence[Value],
        types: Sequence[Any] | None = None,
        attrs: dict[str, Any] | None = None,
        regions: Sequence[Block] = (),
    ) -> list[Value]:
        """``builder.emit`` at the user's current line."""
        return self.at().emit(primitive, operands, types, attrs, regions)

    def is_available(self, value: Value) -> bool:
        """Whether ``value`` may be used at the end of the open block (not inside a closed region, nor erased)."""
        block = value.block
        return block is not None and any(b is block for b in self.blocks)

    # --- facts
    def assume_nonnegative(self, value: Value) -> None:
        """From here on, in the open block and inside it, ``value`` is at least 0: a check has just seen to that."""
        if not self.is_nonnegative(value):
            ops = self.builder.block.ops
            self._assumptions[value] = (self.builder.block, len(ops) - 1, ops[-1] if ops else None)

    def is_nonnegative(self, value: Value) -> bool:
        """Whether ``value`` is known to be at least 0 here, other than by how it is computed."""
        if value in self.nonnegative:
            return True
        known = self._assumptions.get(value)
        if known is None:
            return False
        block, position, op = known
        if not any(b is block for b in self.blocks):
            return False
        # the check may have been rolled back
        return op is None or (position < len(block.ops) and block.ops[position] is op)

    # --- places
    def add_user_code(self, code: CodeType) -> None:
        """Frames that run ``code`` are the user's."""
        self._user_codes[id(code)] = code
        if is_inline(code):
            self._inline.add(id(code))

    def is_user_code(self, code: CodeType) -> bool:
        return id(code) in self._user_codes

    def add_routine_code(self, code: CodeType) -> None:
        """Frames that run ``code`` are ours: what they do happens where the user called them."""
        self._routine_codes[id(code)] = code

    def is_converted(self, code: CodeType) -> bool:
        """Whether ``code`` is made to be traced, the user's or ours."""
        return id(code) in self._user_codes or id(code) in self._routine_codes

    def here(self) -> Loc:
        """Where the user's program is: the innermost user frame, and how it was called."""
        codes = self._user_codes
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and id(frame.f_code) not in codes:
            frame = frame.f_back
        if frame is None:
            return UNKNOWN
        if frame is not self._frame:
            # callers of a live frame do not move on, so their places are found once per frame
            self._frame = frame
            self._callers = self._caller(frame)
        return self._loc(frame, self._callers)

    def _caller(self, frame: FrameType) -> Loc | None:
        outer = self._next(frame)
        while outer is not None and id(frame.f_code) in self._inline:
            frame, outer = outer, self._next(outer)
        return None if outer is None else self._loc(outer, self._caller(outer))

    def _next(self, frame: FrameType) -> FrameType | None:
        outer = frame.f_back
        while outer is not None and id(outer.f_code) not in self._user_codes:
            outer = outer.f_back
        return outer

    def _loc(self, frame: FrameType, caller: Loc | None) -> Loc:
        code = frame.f_code
        key = (id(code), frame.f_lasti, id(caller))
        loc = self._locs.get(key)
        if loc is None:
            positions = self._positions.get(id(code))
            if positions is None:
                positions = self._positions[id(code)] = list(code.co_positions())
            line, end_line, column, end_column = positions[frame.f_lasti // 2]
            if line is None:
                line = frame.f_lineno
            if end_line != line:
                end_column = None
            loc = Loc(code.co_filename, line or code.co_firstlineno, column, end_column, code.co_qualname, caller)
            self._locs[key] = loc
        return loc


class Region:
    """The context manager of :meth:`Context.region`."""

    __slots__ = ("block", "context")

    def __init__(self, context: Context, block: Block) -> None:
        self.context = context
        self.block = block

    def __enter__(self) -> Block:
        self.context.blocks.append(self.block)
        self.context.builder.block = self.block
        return self.block

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        popped = self.context.blocks.pop()
        assert popped is self.block
        self.context.builder.block = self.context.blocks[-1]
