"""What a program does to the caller's lists, dicts, objects and variables, as part of what it gives back.

While tracing, the program changes stand-ins. The difference between what they were at first and what they are is an
output like any other: of the whole program, which has it done when the call returns, and of every op that may raise
(or print), which has it done before the exception leaves (:class:`Pending`), with the values of that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tracejit.errors import CaptureError
from tracejit.ir.core import Value
from tracejit.ir.interface import OutArray, Output, OutTree, Source, describe
from tracejit.record import record
from tracejit.trace import outer
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.carried import Head

if TYPE_CHECKING:
    from tracejit.trace.captures import Captures
    from tracejit.trace.control import Control


class Changes:
    """What the program did to the caller's objects.

    Attributes:
        targets: The stand-ins of those it changed.
        values: For each, the new contents (a list or dict).
        ways: For each, how they are put in place.
    """

    def __init__(self, captures: Captures) -> None:
        self.targets: list[Any] = []
        self.values: list[Any] = []
        self.ways: list[tuple[str, Any]] = []
        others = []
        for container in captures.containers:
            if _differs(container.object, container.initial):
                way, value = _difference(container.object, container.initial)
                self.targets.append(container.object)
                self.values.append(value)
                self.ways.append(way)
            else:
                others.append(container.object)
        for stand_in in captures.instances.values():
            state, initial = stand_in.state, stand_in.initial
            new = {k: v for k, v in state.items() if k not in initial or initial[k] is not v}
            gone = tuple(k for k in initial if k not in state)
            order = [*(k for k in initial if k in state), *(k for k in new if k not in initial)]
            if stand_in.filled and order != list(state):  # deleted, and assigned again
                moved = list(state)[next(n for n, (k, j) in enumerate(zip(order, state)) if k != j) :]
                new.update((k, state[k]) for k in moved)
                gone += tuple(k for k in moved if k in initial)
                new = {k: new[k] for k in state if k in new}
            if new or gone:
                self.targets.append(stand_in.object)
                self.values.append(new)
                self.ways.append(("object", gone))
            else:
                others.append(stand_in.object)
        for source, variable, before in captures.variables.values():
            if variable.value is not before:
                self.targets.append(None)
                self.values.append(variable.value)
                self.ways.append(("variable", source))
        if self.targets:
            # those that are not changed must not be the same objects as those that are
            self.targets.extend(others)
            self.ways.append(("sources", tuple(_sources(captures, self.targets))))


def _sources(captures: Captures, targets: Sequence[Any]) -> list[Source]:
    known = {id(c.object): c.source for c in captures.containers}
    known.update((i, s.source) for i, s in captures.instances.items())
    return [known[id(t)] for t in targets if t is not None]


def _differs(now: Any, before: Any) -> bool:
    if len(now) != len(before):
        return True
    if isinstance(now, dict):
        return list(now) != list(before) or any(now[k] is not before[k] for k in now)
    return any(a is not b for a, b in zip(now, before))


def _difference(now: Any, before: Any) -> tuple[tuple[str, Any], Any]:
    """How a list or dict is changed, and the new items."""
    if isinstance(now, dict):
        if list(now)[: len(before)] == list(before):
            return ("update", ()), {k: v for k, v in now.items() if k not in before or before[k] is not v}
        return ("dict", ()), now.copy()
    if len(now) == len(before):
        places = tuple(k for k, (a, b) in enumerate(zip(now, before)) if a is not b)
        return ("places", places), [now[k] for k in places]
    return ("list", ()), now.copy()


@record(frozen=True)
class Apply:
    """Changes the caller's objects as the program did, and gives its result.

    Attributes:
        ways: See :class:`Changes`; last of all the sources of the targets.
        unfold: Builds the result and the new contents where they share objects.
    """

    ways: tuple[tuple[str, Any], ...]
    unfold: Callable[[list[Any]], list[Any]] | None = None

    def __call__(self, parts: list[Any]) -> Any:
        *ways, (_, sources) = self.ways
        if self.unfold is not None:
            leaves, *targets = parts
            result, *values = self.unfold(leaves)
        else:
            n = len(ways)
            result, values, targets = parts[0], parts[1 : n + 1], parts[n + 1 :]
        others = [t for t in targets if t is not None]
        if len({id(t) for t in others}) < len(others):
            _refuse(others, sources)
        for (way, detail), target, value in zip(ways, targets, values):
            if way == "list":
                target[:] = value
            elif way == "places":
                for place, item in zip(detail, value):
                    target[place] = item
            elif way == "update":
                target.update(value)
            elif way == "dict":
                target.clear()
                target.update(value)
            elif way == "variable":
                outer.put(detail, value)
            else:
                for name in detail:
                    object.__delattr__(target, name)
                for name, part in value.items():
                    object.__setattr__(target, name, part)
        return result


def _refuse(targets: list[Any], sources: Sequence[Source]) -> None:
    for k, target in enumerate(targets):
        for j in range(k):
            if targets[j] is target:
                raise CaptureError(
                    f"{describe(sources[j])} and {describe(sources[k])} are one object in this call, were two when the "
                    "function was compiled, and it changes one of them",
                    hint="a copy of one of them as the argument, or another compiled function for such calls",
                )


def exchanges(control: Control) -> Iterator[tuple[ArrayTracer, Head]]:
    """In loops that exchange arrays and write to them: the boxes that have the contents of these arrays meanwhile."""
    scope = control.context.scope
    while scope is not None:
        for box in () if scope.driver is None else scope.driver.swapped:
            head = control.heads[box]
            assert isinstance(head, Head)
            yield box, head
        scope = scope.parent


def _is_visible(array: ArrayTracer) -> bool:
    return array.input_index is not None


class Pending:
    """What has been changed so far, wherever the program may raise.

    Args:
        captures: The state around the function.
        views: Arguments that are views, by the box that stands for them: where they are.
    """

    def __init__(self, captures: Captures, views: dict[int, Source]) -> None:
        self.captures = captures
        self.views = views
        self._busy = False

    def __call__(self, payload: list[Value]) -> Output | None:
        """The changes as an output in terms of ``payload``, which gets the values it needs; None if there are none."""
        swapped = [pair for pair in exchanges(self.captures.control) if any(map(_is_visible, pair[1].entries))]
        written = [box for box in self._numbers() if box.writeable]
        if self._busy or not (swapped or written or self.captures.control.journal.touched):
            return None
        changes = Changes(self.captures)
        if not (swapped or written or changes.targets):
            return None
        self._busy = True
        try:
            return self._output(payload, swapped, written, changes)
        except CaptureError as error:
            raise CaptureError(
                "this may raise when the program runs, and of what was changed before, the caller would have to see "
                f"something that cannot be seen: {error.message}",
                hint="change the object after everything that may raise",
            ) from None
        finally:
            self._busy = False

    def _numbers(self) -> Iterator[ArrayTracer]:
        """The arrays of the caller without axes that may have been written to: programs store them in the end."""
        for entry in self.captures.entries:
            box = entry.tracer
            if isinstance(box, ArrayTracer) and not box.ndim and box._value is not entry.param:
                yield box

    def _output(
        self,
        payload: list[Value],
        swapped: Sequence[tuple[ArrayTracer, Head]],
        written: Sequence[ArrayTracer],
        changes: Changes,
    ) -> Output:
        from tracejit.trace.results import Results

        results = Results(self.captures, self.views, payload)
        done = results.changed(None, changes)
        if not (swapped or written):
            return done
        contents: list[Output] = []
        for box, head in swapped:
            contents.append(results.one_of(head.identity, [e if _is_visible(e) else None for e in head.entries]))
            contents.append(OutArray(results.add(box.read())))
        for box in written:
            contents += [results.output(box), OutArray(results.add(box.read()))]
        return OutTree("make", (done, *contents), make=put_contents)


def put_contents(parts: list[Any]) -> None:
    """Give arrays the contents that they have by now: targets and contents take turns after the first part."""
    for target, contents in zip(parts[1::2], parts[2::2], strict=True):
        if target is not None:
            target[...] = contents
