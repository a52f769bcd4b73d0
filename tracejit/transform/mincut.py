"""What to store so that all that is needed can be computed again: a minimum cut.

Values are vertices whose capacity is what storing them costs; edges lead from operands to what is computed from them. A
set of stored values that separates what is needed from what cannot be computed again is a cut, and the cheapest one is
found as the maximum flow. Of several, that nearest to what is needed: nothing is computed again without a gain.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import pairwise
from typing import Generic, TypeAlias, TypeVar

V = TypeVar("V", bound=Hashable)
End: TypeAlias = tuple[V, bool]
"""The entry (False) or the exit (True) of a vertex."""


def minimum_cut(
    needed: Iterable[V], operands: Callable[[V], Sequence[V] | None], cost: Callable[[V], float]
) -> tuple[list[V], list[V]]:
    """What to store and what to compute again.

    Args:
        needed: The values that must be had.
        operands: What a value is computed from (possibly nothing), or None when it cannot be computed again.
        cost: What storing a value costs, more than 0.

    Returns:
        The values to store, and those to compute from these.
    """
    needed = list(dict.fromkeys(needed))
    sources: dict[V, Sequence[V] | None] = {}
    users: dict[V, list[V]] = {}
    todo = list(needed)
    while todo:
        v = todo.pop()
        if v in sources:
            continue
        sources[v] = found = operands(v)
        for x in found or ():
            users.setdefault(x, []).append(v)
            todo.append(x)
    flow = _Flow(sources, users, set(needed), cost)
    for v, found in sources.items():
        if found is None:
            flow.push(v)
    stored = flow.cut()
    computed: dict[V, None] = {}
    todo = [v for v in needed if v not in stored]
    while todo:
        v = todo.pop()
        if v not in computed:
            computed[v] = None
            todo += [x for x in sources[v] or () if x not in stored]
    return list(stored), list(computed)


class _Flow(Generic[V]):
    """A flow through vertices. A vertex is entered, passed (which uses up capacity) and left."""

    def __init__(
        self,
        sources: dict[V, Sequence[V] | None],
        users: dict[V, list[V]],
        needed: set[V],
        cost: Callable[[V], float],
    ) -> None:
        self.sources = sources
        self.users = users
        self.needed = needed
        self.room: dict[V, float] = {v: cost(v) for v in sources}
        self.passed: dict[V, float] = dict.fromkeys(sources, 0.0)
        self.between: dict[tuple[V, V], float] = {}

    def push(self, start: V) -> None:
        """As much as possible from ``start``, where a source is, to what is needed."""
        while True:
            path = self.path(start)
            if path is None:
                return
            amount = min(self.capacity(a, b) for a, b in pairwise(path))
            for (v, out), (w, to) in pairwise(path):
                if v is w:
                    sign = 1 if to else -1
                    self.room[v] -= sign * amount
                    self.passed[v] += sign * amount
                elif out:
                    self.between[v, w] = self.between.get((v, w), 0.0) + amount
                else:
                    self.between[w, v] -= amount

    def capacity(self, a: End[V], b: End[V]) -> float:
        (v, out), (w, to) = a, b
        if v is w:
            return self.room[v] if to else self.passed[v]
        return float("inf") if out else self.between.get((w, v), 0.0)

    def path(self, start: V) -> list[End[V]] | None:
        """A shortest way with capacity left, from the entry of ``start`` to the exit of something needed."""
        origin = (start, False)
        before: dict[End[V], End[V] | None] = {origin: None}
        queue = deque([origin])
        while queue:
            here = queue.popleft()
            v, out = here
            if out and v in self.needed:
                path = [here]
                at = before[here]
                while at is not None:
                    path.append(at)
                    at = before[at]
                return path[::-1]
            if out:
                ways = [(v, False), *((w, False) for w in self.users.get(v, ()))]
            else:
                ways = [(v, True), *((w, True) for w in self.sources[v] or ())]
            for way in ways:
                if way not in before and self.capacity(here, way) > 0:
                    before[way] = here
                    queue.append(way)
        return None

    def cut(self) -> dict[V, None]:
        """The full vertices nearest to what is needed."""
        reaching = {(v, True) for v in self.needed}
        todo = list(reaching)
        while todo:
            here = todo.pop()
            v, out = here
            if out:
                ways = [(v, False), *((w, False) for w in self.users.get(v, ()))]
            else:
                ways = [(v, True), *((w, True) for w in self.sources[v] or ())]
            for way in ways:
                if way not in reaching and self.capacity(way, here) > 0:
                    reaching.add(way)
                    todo.append(way)
        return {v: None for v in self.sources if (v, True) in reaching and (v, False) not in reaching}
