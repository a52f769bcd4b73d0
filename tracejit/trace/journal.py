"""Python objects that the program changes while it is traced: lists, dicts, sets and attributes.

Outside of traced branches and loops a change simply happens: the trace runs it once, as Python would. Inside, every
change is noted, so that it can be undone before another arm is recorded, and joined like a local variable afterwards.
"""

from __future__ import annotations

from array import array
from collections import deque
from types import CellType, FunctionType
from typing import Any, TypeAlias

from tracejit.errors import CaptureError, a
from tracejit.ir.loc import Loc
from tracejit.record import record
from tracejit.trace.context import current

_ALWAYS = -2
"""The moment at which what surely runs once has opened: before anything was made."""

State: TypeAlias = "list[Any] | dict[Any, Any] | set[Any]"
"""What can be changed about an object: of a closure cell, a list of its contents."""

_MUTATORS: dict[type, frozenset[str]] = {
    list: frozenset(
        {"append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "__iadd__", "__imul__"}
    ),
    dict: frozenset({"pop", "popitem", "clear", "update", "setdefault", "__ior__"}),
    set: frozenset(
        {"add", "remove", "discard", "pop", "clear", "update", "intersection_update", "difference_update"}
        | {"symmetric_difference_update", "__ior__", "__iand__", "__isub__", "__ixor__"}
    ),
}


@record(frozen=True)
class Change:
    """What an arm did to an object."""

    target: Any
    before: State
    after: State


class Journal:
    """The changes in the arms that are open.

    Attributes:
        foreign: Objects that belong to the caller, by id, with how to name them: changing them is refused.
        born: Objects made while tracing, by id, with the moment.
        merged: Objects made by joining two, by id: whether they are the one or the other is known at run time only.
        places: Where an object was last about to be changed, by id.
        touched: An object that was there before the trace has been about to change.
    """

    def __init__(self) -> None:
        self.foreign: dict[int, tuple[Any, str]] = {}
        self.born: dict[int, tuple[Any, int]] = {}
        self.merged: dict[int, Any] = {}
        self.places: dict[int, Loc] = {}
        self.touched = False
        self._log: list[tuple[Any, State]] = []
        self._noted: list[set[int]] = []
        self._opened: list[int] = []

    def note(self, target: Any) -> None:
        """``target`` is about to be changed."""
        known = self.foreign.get(id(target))
        if known is not None:
            raise CaptureError(
                f"{known[1]} is an object of the caller: compiled code cannot change it",
                hint="the new contents as the result, or an array that is written into (which the caller sees)",
            )
        if id(target) in self.merged:
            raise CaptureError(
                f"this {type(target).__name__} is one of two, depending on the path taken: it cannot be changed",
                hint="a copy of it, or the change inside the branches",
            )
        born = self.born.get(id(target))
        self.touched = self.touched or born is None or born[1] < 0
        if not self._noted:
            return
        self.places[id(target)] = current().here()
        if id(target) not in self._noted[-1]:
            self._noted[-1].add(id(target))
            self._log.append((target, state_of(target)))

    def mark(self, moment: int) -> int:
        """An arm opens."""
        self._noted.append(set())
        self._opened.append(moment)
        return len(self._log)

    def pass_through(self) -> None:
        """The arm that has just opened runs exactly as often as what is around it."""
        self._opened[-1] = self._opened[-2] if len(self._opened) > 1 else _ALWAYS

    def is_outside(self, target: Any) -> bool:
        """Whether an arm is open, and ``target`` was not made in it."""
        return bool(self._opened) and self._opened[-1] != _ALWAYS and not self.is_younger(target, self._opened[-1])

    def changes(self, mark: int, since: int) -> dict[int, Change]:
        """What the innermost arm, which opened at moment ``since``, has changed so far.

        Objects that were made in the arm do not count: nothing outside knows them.
        """
        found: dict[int, Change] = {}
        for target, before in self._log[mark:]:
            if id(target) not in found and not self.is_younger(target, since):
                found[id(target)] = Change(target, before, state_of(target))
        return found

    def rewind(self, mark: int, changes: dict[int, Change]) -> None:
        """The innermost arm closes: undo its changes."""
        del self._log[mark:]
        self._noted.pop()
        self._opened.pop()
        for change in changes.values():
            restore(change.target, change.before)

    def keep(self) -> None:
        """The innermost arm closes, and its changes stay."""
        noted = self._noted.pop()
        self._opened.pop()
        if self._noted:
            self._noted[-1] |= noted

    def depth(self) -> int:
        return len(self._noted)

    def cut(self, depth: int) -> None:
        """Forget that arms further in are open: an exception left them. Their changes count as those of the arm
        around."""
        del self._noted[depth:], self._opened[depth:]

    def is_younger(self, target: Any, moment: int) -> bool:
        """Whether ``target`` was made after ``moment``."""
        known = self.born.get(id(target))
        return known is not None and known[1] > moment

    def bear(self, target: Any, moment: int) -> None:
        """``target`` has just been made."""
        self.born[id(target)] = (target, moment)


def mutates(method: Any) -> bool:
    """Whether a bound built-in method changes the object it belongs to."""
    owner = getattr(method, "__self__", None)
    names = _MUTATORS.get(type(owner))
    return names is not None and getattr(method, "__name__", "") in names


_READING = frozenset(
    {"copy", "count", "index", "get", "keys", "values", "items", "decode", "hex", "tobytes", "tolist", "find"}
    | {"most_common", "elements", "total", "startswith", "endswith"}
)


def is_iterator(x: Any) -> bool:
    """Whether ``x`` is an object of Python's that can be used up."""
    step = getattr(type(x), "__next__", None)
    return step is not None and not isinstance(step, FunctionType)


def is_stateful(x: Any) -> bool:
    """Whether ``x`` is an object of Python that can change, and whose changes are not noted."""
    kind = type(x)
    if kind is list or kind is dict or kind is set:
        return False
    return isinstance(x, (dict, list, set, deque, bytearray, memoryview, array)) or is_iterator(x)


def may_change(method: Any) -> Any:
    """The object of Python, whose changes are not noted, that a bound built-in method may change; else None."""
    owner = getattr(method, "__self__", None)
    return owner if is_stateful(owner) and getattr(method, "__name__", "") not in _READING else None


def state_of(target: Any) -> State:
    """A copy of what can be changed about ``target``."""
    kind = type(target)
    if kind is list or kind is dict or kind is set:
        copy: State = target.copy()
        return copy
    if kind is CellType:
        try:
            return [target.cell_contents]
        except ValueError:
            return []
    state = getattr(target, "__dict__", None)
    if isinstance(state, dict):
        return dict(state)
    what = f"the class {target.__name__}" if isinstance(target, type) else a(kind.__name__)
    raise CaptureError(
        f"{what} is changed under a condition, or in a loop, that depends on run-time values",
        hint="a local variable, a list, a dict, an array, or an attribute of an object",
    )


def restore(target: Any, state: State) -> None:
    """Put back what :func:`state_of` took."""
    if isinstance(target, list):
        target[:] = state
    elif isinstance(target, CellType):
        if state:
            (target.cell_contents,) = state
        else:
            del target.cell_contents
    elif isinstance(target, (dict, set)):
        target.clear()
        target.update(state)
    else:
        vars(target).clear()
        vars(target).update(state)
