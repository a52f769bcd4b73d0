"""From the shapes seen so far to the shapes to compile for."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TypeAlias

from tracejit.config import Shapes as Policy

Shapes: TypeAlias = Mapping[Hashable, tuple[int, ...]]
"""The shape of each array of one call."""

Pattern: TypeAlias = dict[Hashable, "tuple[int | str, ...]"]
"""Per array the shape to compile for: ints, and names of dimensions that may be anything. Equal names: equal
dimensions."""


def generalize(seen: Sequence[Shapes], policy: Policy, fixed: Collection[tuple[Hashable, int]] = ()) -> Pattern:
    """The shapes to compile for, given those of all calls so far, of which the last is the one at hand.

    A dimension that was the same in every call is compiled as that number. Dimensions that changed become symbols,
    and those that were equal to each other in every call share one: so a batch size that occurs in three arguments
    is one symbol. With the policy
    ``"dynamic"`` every dimension is a symbol from the first call on, with ``"static"`` none ever is. The dimensions
    ``fixed`` (array and axis) never are.
    """
    now = seen[-1]
    if policy == "static":
        return {leaf: tuple(shape) for leaf, shape in now.items()}
    names: dict[tuple[int, ...], str] = {}
    pattern: Pattern = {}
    for leaf, shape in now.items():
        past = [s[leaf] for s in seen if leaf in s and len(s[leaf]) == len(shape)]
        dims: list[int | str] = []
        for axis, size in enumerate(shape):
            sizes = tuple(p[axis] for p in past)
            if (leaf, axis) in fixed or (policy == "auto" and all(s == size for s in sizes)):
                dims.append(size)
            else:
                dims.append(names.setdefault(sizes, f"n{len(names)}"))
        pattern[leaf] = tuple(dims)
    return pattern
