"""Arrays that compiled code cannot take as they are: odd memory, and memory shared with other arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.lib.stride_tricks import as_strided

from tracejit.errors import UnsupportedError
from tracejit.ir.interface import Disjoint, Input, Program, Same, describe
from tracejit.ir.loc import Loc
from tracejit.record import field, record
from tracejit.runtime.signature import ArrayLeaf, native_dtype, needs_copy, oddity

Array = np.ndarray[Any, Any]

_HINT = "a copy of one of them as the argument"


# --- byte-swapped and misaligned arrays
# --------------------------------------------------------------------------------------


@record
class Copies:
    """Arguments of a call with odd arrays replaced by copies.

    Attributes:
        values: The arguments to use.
        pairs: ``(original, copy)`` of every array.
    """

    values: list[Any]
    pairs: list[tuple[Array, Array]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.pairs)

    def original_of(self, x: Any) -> Array | None:
        """The array that ``x`` is a copy of, if it is one."""
        return next((original for original, copy in self.pairs if copy is x), None)

    def copy_out(self) -> None:
        """Give the originals what was written into the copies."""
        for original, copy in self.pairs:
            if original.flags.writeable:
                original[...] = copy

    def restore(self, result: Any) -> Any:
        """``result`` with the originals in place of their copies."""
        if not self.pairs:
            return result
        kind = type(result)
        if kind in (tuple, list):
            return kind(map(self.restore, result))
        if kind is dict:
            return {k: self.restore(v) for k, v in result.items()}
        for original, copy in self.pairs:
            if result is copy:
                return original
            if isinstance(result, np.ndarray) and result.base is copy:
                raise UnsupportedError(
                    f"the result is a view of an argument whose memory is {oddity(original)}",
                    hint="a copy as the result; or x.astype(x.dtype.newbyteorder('=')) as the argument",
                )
        return result


def copy_in(names: Sequence[str], values: Sequence[Any]) -> Copies:
    """Replace what compiled code cannot address by equal objects that it can.

    Args:
        names: Of the arguments.
        values: The arguments.

    Raises:
        UnsupportedError: One of the copied arrays shares memory with another argument: a write into one of them would
            not be seen in the other.
    """
    copies = Copies([])
    known: dict[int, Array] = {}
    copies.values = [_usable(v, copies, known) for v in values]
    if copies:
        arrays = [(name, x) for name, value in zip(names, values, strict=True) for x in _arrays(value)]
        for original, _ in copies.pairs:
            for name, other in arrays:
                if other is not original and _share_memory(original, other):
                    first = next(n for n, x in arrays if x is original)
                    raise UnsupportedError(
                        f"{first} and {name} overlap in memory, and {first} is {oddity(original)}", hint=_HINT
                    )
    return copies


def _arrays(value: Any) -> Iterator[Array]:
    """The arrays in an argument."""
    stack, seen = [value], {id(value)}
    for x in stack:
        if isinstance(x, np.ndarray):
            yield x
        elif isinstance(x, (tuple, list, dict)):
            fresh = [v for v in (x.values() if isinstance(x, dict) else x) if id(v) not in seen]
            seen.update(map(id, fresh))
            stack.extend(fresh)


def _share_memory(a: Array, b: Array) -> bool:
    try:
        return np.shares_memory(a, b, max_work=10_000)  # type: ignore[arg-type]  # the stubs know -1 and 0 only
    except np.exceptions.TooHardError:
        return True


def _usable(value: Any, copies: Copies, known: dict[int, Array]) -> Any:
    kind = type(value)
    if kind is np.ndarray:
        dtype = native_dtype(value.dtype)
        if dtype is None or not needs_copy(value):
            return value
        if id(value) not in known:
            copy = np.array(value, dtype=dtype, order="C")
            copy.flags.writeable = value.flags.writeable
            known[id(value)] = copy
            copies.pairs.append((value, copy))
        return known[id(value)]
    if isinstance(value, np.generic):
        dtype = native_dtype(value.dtype)
        return value if dtype is None or kind is dtype.type else dtype.type(value)
    if kind is tuple:
        items = [_usable(v, copies, known) for v in value]
        return value if all(a is b for a, b in zip(items, value)) else tuple(items)
    return value


# --- overlapping arrays
# ------------------------------------------------------------------------------------------------------


@record
class Overlap:
    """Arrays that share memory, seen as views of one flat array.

    Attributes:
        inputs: Their input numbers.
        base: The flat array that covers them.
        views: Per input ``(shape, start, steps)`` in elements of the base.
    """

    inputs: tuple[int, ...]
    base: Array
    views: tuple[tuple[tuple[int, ...], int, tuple[int, ...]], ...]


class Groups:
    """The groups of array arguments of a call whose memory ranges meet; false when there are none.

    A group of one array given several times needs no more than saying so (:attr:`same`); any other is seen as views of
    one flat array (:attr:`overlaps`).
    """

    def __init__(self, leaves: Sequence[tuple[int, ArrayLeaf]]) -> None:
        spans = sorted(
            ((*byte_bounds(leaf.array), n, leaf) for n, leaf in leaves if leaf.array.size), key=lambda s: s[:3]
        )
        groups: list[list[tuple[int, ArrayLeaf]]] = []
        end = -1
        for low, high, number, leaf in spans:
            if low >= end:
                groups.append([])
            groups[-1].append((number, leaf))
            end = max(end, high)
        self._members = [sorted(g, key=lambda m: m[0]) for g in groups if len(g) > 1]

    def __bool__(self) -> bool:
        return bool(self._members)

    @property
    def same(self) -> tuple[Same, ...]:
        """Pairs of inputs that are one array, of the groups that need nothing else."""
        identical = [g for g in self._members if _is_one(g)]
        return tuple(Same(g[0][0], number) for g in identical for number, _ in g[1:])

    @property
    def key(self) -> Hashable:
        """Everything about the groups that a program compiled for them depends on."""
        return tuple(
            tuple(
                (number, leaf.array.shape, leaf.array.strides, _address(leaf.array) - _address(group[0][1].array))
                for number, leaf in group
            )
            for group in self._members
            if not _is_one(group)
        )

    @functools.cached_property
    def overlaps(self) -> list[Overlap]:
        """The other groups as views of flat arrays. Raises :class:`UnsupportedError` where they cannot be."""
        return [_overlap(g) for g in self._members if not _is_one(g)]

    @property
    def bases(self) -> list[Array]:
        return [g.base for g in self.overlaps]

    def violates(self, relations: Sequence[Disjoint | Same], inputs: Sequence[Input]) -> bool:
        """Whether a program needs two of the arrays to be apart that are not."""
        group_of = {id(leaf.source): k for k, group in enumerate(self._members) for _, leaf in group}
        for relation in relations:
            if isinstance(relation, Disjoint):
                a, b = (group_of.get(id(inputs[n].source)) for n in (relation.a, relation.b))
                if a is not None and a == b:
                    return True
        return False


NO_GROUPS = Groups(())


def is_captured_too(
    program: Program, arguments: Collection[int], objects: Sequence[Any], place: Callable[[str], Loc | None]
) -> bool:
    """Whether a program needs an array of the state around the function to be apart from another, and they are one.

    Args:
        program: The program.
        arguments: The sources of the arguments, by ``id``.
        objects: What the inputs are in the call.
        place: Where the function has a parameter.

    Raises:
        UnsupportedError: They are two that overlap.
    """
    inputs = program.inputs
    for relation in program.relations:
        a, b = (inputs[n].source for n in (relation.a, relation.b))
        if isinstance(relation, Same) or (id(a) in arguments and id(b) in arguments):
            continue
        x, y = objects[relation.a], objects[relation.b]
        if x is y:
            return True
        if np.may_share_memory(x, y):
            written = inputs[relation.a].written or inputs[relation.b].written  # type: ignore[union-attr]
            raise UnsupportedError(
                f"{describe(a)} and {describe(b)} overlap in memory, and "
                + ("one of them is written" if written else "the program asks whether they are one array"),
                hint="both as arguments; or a copy of one of them",
                loc=place(describe(a)) or place(describe(b)),
            )
    return False


def _is_one(group: Sequence[tuple[int, ArrayLeaf]]) -> bool:
    return len({id(leaf.array) for _, leaf in group}) == 1


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _overlap(group: list[tuple[int, ArrayLeaf]]) -> Overlap:
    leaves = [leaf for _, leaf in group]
    names = " and ".join(describe(leaf.source) for leaf in leaves[:2])
    if len({leaf.dtype for leaf in leaves}) > 1:
        raise UnsupportedError(
            f"{names} overlap in memory with different dtypes, and one of them is written", hint=_HINT
        )
    if len({leaf.array.flags.writeable for leaf in leaves}) > 1:
        raise UnsupportedError(
            f"{names} overlap in memory, one of them is written and the other is read-only", hint=_HINT
        )
    size = leaves[0].dtype.itemsize
    low = min(byte_bounds(leaf.array)[0] for leaf in leaves)
    high = max(byte_bounds(leaf.array)[1] for leaf in leaves)
    if any((byte_bounds(leaf.array)[0] - low) % size for leaf in leaves):
        raise UnsupportedError(f"{names} overlap in memory by parts of elements", hint=_HINT)
    first = next(leaf.array for leaf in leaves if byte_bounds(leaf.array)[0] == low)
    corner = first[tuple(slice(-1, None) if s < 0 else slice(0, 1) for s in first.strides)]
    base = as_strided(corner.reshape(1), ((high - low) // size,), (size,), writeable=first.flags.writeable)
    views = []
    for leaf in leaves:
        start = (_address(leaf.array) - low) // size
        views.append((leaf.array.shape, start, tuple(s // size for s in leaf.array.strides)))
    return Overlap(tuple(n for n, _ in group), base, tuple(views))
