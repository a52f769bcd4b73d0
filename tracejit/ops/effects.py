"""What a pass may do with an op: drop it, share it, move it, run it where the program would not have.

An op with regions is what its regions are, so these are functions of the op and not traits of its primitive.
"""

from __future__ import annotations

from tracejit.ir.core import Op

_FAILING = frozenset({"check", "callback"})
_INDEXING = frozenset({"view", "update", "gather", "scatter"})
_NONEMPTY = frozenset({"reduce_min", "reduce_max", "argmin", "argmax"})


def is_pure(op: Op) -> bool:
    """Whether the op does nothing but compute its results: it may be dropped when they are unused, and an equal op that
    dominates it may stand for it. (A loop that never ends counts as pure, as in C.)"""
    if not op.primitive.pure or op.primitive.terminator:
        return False
    return all(is_pure(inner) for region in op.regions for inner in region.ops[:-1])


def has_effects(op: Op) -> bool:
    """Whether the op must stay in the order of effects (checks, prints, callbacks, and at the loop level memory)."""
    if not op.primitive.pure:
        return True
    return any(has_effects(inner) for region in op.regions for inner in region.ops)


def may_fail(op: Op) -> bool:
    """Whether running the op may raise a Python exception."""
    if op.name in _FAILING:
        return True
    return any(may_fail(inner) for region in op.regions for inner in region.ops)


def is_speculatable(op: Op) -> bool:
    """Whether the op may run, for nothing, where the program would not have run it.

    Beside purity that needs indices known to be in bounds, dimensions known not to be negative (or, for a minimum, 0),
    and an end: an op that indexes with run-time numbers relies on a check before it, one that makes an array of
    run-time size likewise, and a ``while`` may rely on its guard to end.
    """
    if not is_pure(op) or op.name == "while":
        return False
    if op.name == "for" and constant(op.operands[2]) in (None, 0):
        return False
    if op.name in _INDEXING and not _indices_known(op):
        return False
    if op.name in _NONEMPTY and not all(isinstance(d, int) and d > 0 for d in op.operands[0].shape):
        return False
    for r in op.results:
        for d in r.type.shape:
            if not isinstance(d, int) and not any(d in v.shape for v in op.operands):
                return False
    return all(is_speculatable(inner) for region in op.regions for inner in region.ops[:-1])


def constant(value: object) -> object | None:
    """The Python scalar that a rank-0 constant holds, else None."""
    op = getattr(value, "op", None)
    if op is None or op.name != "const" or op.result.rank:
        return None
    scalar: object = op.attrs["value"]
    return scalar


def _indices_known(op: Op) -> bool:
    """Whether a view or update is in bounds by constants alone."""
    base = op.operands[0]
    if base.rank == 0:
        return True
    if op.name not in ("view", "update"):
        return False
    shape, rest = (op.result.shape, op.operands[1:]) if op.name == "view" else (op.operands[1].shape, op.operands[2:])
    if 0 in shape:
        return True
    starts, steps = rest[: base.rank], rest[base.rank :]
    lows: list[int] = []
    for s in starts:
        n = constant(s)
        if not isinstance(n, int):
            return False
        lows.append(n)
    highs = list(lows)
    whole = [False] * base.rank
    for (axis, along), step in zip(op.attrs["pairs"], steps):
        extent, size, n = shape[along], base.shape[axis], constant(step)
        if n == 0:
            continue
        if extent is size and n == 1 and lows[axis] == 0 and not whole[axis]:
            whole[axis] = True  # the whole axis, whatever its length
            continue
        if not isinstance(n, int) or not isinstance(extent, int):
            return False
        reach = (extent - 1) * n
        lows[axis] += min(reach, 0)
        highs[axis] += max(reach, 0)
    for axis, size in enumerate(base.shape):
        if whole[axis]:
            if lows[axis] != 0 or highs[axis] != 0:
                return False
        elif not isinstance(size, int) or lows[axis] < 0 or highs[axis] >= size:
            return False
    return True
