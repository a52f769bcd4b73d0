"""What a recorded ``for`` can run over: ranges, arrays, and ``enumerate``, ``zip``, ``reversed`` and ``np.ndindex``
of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from tracejit.errors import CaptureError, NeedsConcrete, stripped
from tracejit.ir.types import INT64, Dim
from tracejit.ops import elementwise as E
from tracejit.trace import dims, samples
from tracejit.trace.boxes import ArrayTracer, box_of
from tracejit.trace.context import current
from tracejit.trace.conversions import index_dim
from tracejit.trace.lenses import Strided
from tracejit.trace.scalars import ScalarTracer, from_dim, numpy_scalar, python_scalar
from tracejit.trace.tracer import Tracer


class Unrolled:
    """``tracejit.unroll(items)``: a ``for`` over it is unrolled.

    Args:
        items: Any iterable of known length.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(self.items)
        except TypeError as error:
            stripped(error)
            raise


class Checkpointed:
    """``tracejit.checkpointed(items, schedule)``: the derivative of a ``for`` over it computes turns again.

    Args:
        items: Any iterable of known length.
        schedule: How many turns are computed again at a time: see :func:`tracejit.checkpointed`.
    """

    def __init__(self, items: Iterable[Any], schedule: int | str) -> None:
        self.items = items
        self.schedule = schedule

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(self.items)
        except TypeError as error:
            stripped(error)
            raise


class Staged:
    """Something to iterate over that a ``for`` can record.

    Attributes:
        length: How many items it has.
    """

    length: Dim

    def item(self, k: Any) -> Any:
        """Item number ``k``, an int or a traced int."""
        raise NotImplementedError

    def axes(self) -> tuple[Dim, ...] | None:
        """The bounds of nested counters, if there are several."""
        return None

    @property
    def static_length(self) -> int | None:
        return self.length if isinstance(self.length, int) else None

    def __len__(self) -> int:
        return self.length if isinstance(self.length, int) else from_dim(self.length).__index__()

    def __iter__(self) -> Iterator[Any]:
        n = self.static_length
        if n is None:
            raise CaptureError(
                "the length of this is known at run time only, so Python cannot iterate over it here",
                hint="a 'for' statement, or np.array([... for ...]), sum(... for ...), any(...), all(...) around it",
            )
        return (self.item(k) for k in range(n))


def _next_refused(self: Any) -> NoReturn:
    raise CaptureError("next() of a recorded iteration is not supported", hint="use a 'for' loop, or index the array")


class StagedRange(Staged):
    """``range(start, stop, step)`` whose numbers may be known at run time only."""

    def __init__(self, start: Dim, stop: Dim, step: Dim) -> None:
        self.start, self.stop, self.step = start, stop, step
        self.length = range_length(start, stop, step)

    def item(self, k: Any) -> Any:
        return from_counter(dims.add(self.start, dims.mul(as_dim(k), self.step)))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            raise CaptureError(
                "slicing a range whose bounds are known at run time only is not supported",
                hint="the range that is meant: range(1, n)",
            )
        k = as_dim(key)
        current().at()
        inside = dims.both(dims.lt(k, self.length), dims.ge(k, dims.sub(0, self.length)))
        dims.check(inside, IndexError, "range object index out of range")
        return self.item(from_counter(dims.select(dims.lt(k, 0), dims.add(k, self.length), k)))

    def reversed(self) -> StagedRange:
        last = dims.add(self.start, dims.mul(dims.sub(self.length, 1), self.step))
        return StagedRange(last, dims.sub(self.start, self.step), dims.sub(0, self.step))


class StagedArray(Staged):
    """The rows of an array, or the elements of a vector."""

    def __init__(self, box: ArrayTracer) -> None:
        if not box.shape_dims:
            raise TypeError("iteration over a 0-d array")
        self.box = box
        self.length = box.shape_dims[0]

    def item(self, k: Any) -> Any:
        box, rank = self.box, self.box.ndim
        current().at()
        starts = (as_dim(k), *(0,) * (rank - 1))
        if rank == 1:
            return numpy_scalar(box.load_element(starts))
        pairs = tuple((axis, axis - 1) for axis in range(1, rank))
        return box.part(Strided(box.shape_dims[1:], starts, pairs, (1,) * (rank - 1)))


class StagedSequence(Staged):
    """A Python sequence: its items are known, so its index must be."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items
        self.length = len(items)

    def item(self, k: Any) -> Any:
        if isinstance(k, Tracer):
            raise NeedsConcrete(
                k,
                "it as the position in a Python sequence",
                hint="np.array(...) of a sequence of numbers, or tracejit.unroll(...) around what the loop goes over",
            )
        return self.items[k]


class StagedEnumerate(Staged):
    """``enumerate(items, start)``."""

    def __init__(self, items: Staged, start: Any) -> None:
        self.items, self.start = items, start
        self.length = items.length

    def item(self, k: Any) -> Any:
        return from_counter(dims.add(as_dim(k), index_dim(self.start))), self.items.item(k)

    __next__ = _next_refused


class StagedZip(Staged):
    """``zip(*items)``."""

    def __init__(self, items: Sequence[Staged], strict: bool) -> None:
        self.items = items
        self.length = items[0].length
        for n, other in enumerate(items[1:], 1):
            if strict:
                _check_equal_lengths(self.length, other.length, n)
            self.length = dims.minimum(self.length, other.length)

    def item(self, k: Any) -> Any:
        return tuple(items.item(k) for items in self.items)

    __next__ = _next_refused


class StagedReversed(Staged):
    """``reversed(items)``."""

    def __init__(self, items: Staged) -> None:
        self.items = items
        self.length = items.length

    def item(self, k: Any) -> Any:
        return self.items.item(from_counter(dims.sub(dims.sub(self.length, 1), as_dim(k))))

    __next__ = _next_refused


class StagedIndices(Staged):
    """``np.ndindex(*shape)``."""

    def __init__(self, shape: tuple[Dim, ...]) -> None:
        self.shape = shape
        self.length = dims.product(shape)

    def axes(self) -> tuple[Dim, ...] | None:
        return self.shape if len(self.shape) > 1 else None

    def item(self, k: Any) -> Any:
        b = current().at()
        rest = as_dim(k)
        out: list[Any] = []
        for n in reversed(self.shape[1:]):
            if isinstance(rest, int) and isinstance(n, int):
                rest, digit = divmod(rest, n) if n else (0, 0)
                out.append(digit)
            else:
                out.append(from_dim(b.apply(E.mod, b.index(rest), b.index(n))))
                rest = dims.floordiv(rest, n)
        if self.shape:
            out.append(from_counter(rest))
        return tuple(reversed(out))

    __next__ = _next_refused


def _check_equal_lengths(a: Dim, b: Dim, n: int) -> None:
    first = "argument 1" if n == 1 else f"arguments 1-{n}"
    for relation, word in ((dims.ge(b, a), "shorter"), (dims.le(b, a), "longer")):
        dims.check(relation, ValueError, f"zip() argument {n + 1} is {word} than {first}")


# --- numbers
# -----------------------------------------------------------------------------------------------------------------


def as_dim(k: Any) -> Dim:
    """A counter as a dimension."""
    return k.value if isinstance(k, ScalarTracer) else int(k)


def from_counter(d: Dim) -> Any:
    """A number that may be negative, as the Python int that the user sees."""
    if isinstance(d, int):
        return d
    return python_scalar(d)


def range_length(start: Dim, stop: Dim, step: Dim) -> Dim:
    """``len(range(start, stop, step))``."""
    if isinstance(start, int) and isinstance(stop, int) and isinstance(step, int):
        return len(range(start, stop, step))
    if step == 1:
        return dims.maximum(dims.sub(stop, start), 0)
    if step == -1:
        return dims.maximum(dims.sub(start, stop), 0)
    b = current().builder
    if isinstance(step, int):
        up: Any = step > 0
    else:
        up = b.apply(E.gt, step, b.const(0, INT64))
    span = dims.select(up, dims.sub(stop, start), dims.sub(start, stop))
    stride = dims.select(up, step, dims.sub(0, step))
    turns = dims.floordiv(dims.sub(dims.add(span, stride), 1), stride)
    return dims.maximum(turns, 0)


# --- the built-in functions
# ------------------------------------------------------------------------------------------------------


def staged(items: Any) -> Staged | None:
    """``items`` as something a ``for`` can record; None when it is an ordinary Python iterable."""
    if isinstance(items, Staged):
        return items
    if isinstance(items, ArrayTracer):
        return StagedArray(items)
    if isinstance(items, np.ndarray) and items.ndim:
        return StagedArray(box_of(items))
    if isinstance(items, range):
        return StagedRange(items.start, items.stop, items.step)
    return None


def _parts(items: Sequence[Any]) -> list[Staged] | None:
    """The arguments of ``zip`` and the like, if at least one of them is recorded and the others can go along."""
    if not any(isinstance(i, (Staged, ArrayTracer, np.ndarray, range)) for i in items):
        return None
    out: list[Staged] = []
    for i in items:
        part = staged(i)
        if part is None and isinstance(i, (list, tuple, str)):
            part = StagedSequence(i)
        if part is None:
            return None
        out.append(part)
    return out


def make_range(*args: Any) -> Any:
    """``range``."""
    if not any(isinstance(a, Tracer) for a in args) or len(args) > 3:
        return range(*args)
    for a in args:
        if not isinstance(a, Tracer):
            range(a)  # Python's error for what is no integer
    numbers = [index_dim(a) for a in args]
    start, stop = (0, numbers[0]) if len(numbers) == 1 else numbers[:2]
    step = numbers[2] if len(numbers) == 3 else 1
    current().at()
    dims.check(dims.ne(step, 0), ValueError, "range() arg 3 must not be zero")
    return StagedRange(start, stop, step)


def make_enumerate(items: Any, start: Any = 0) -> Any:
    """``enumerate``."""
    parts = _parts([items])
    if parts is None:
        counter: Any = start
        return (
            ((counter + k, item) for k, item in enumerate(items))
            if isinstance(start, Tracer)
            else enumerate(items, start)
        )
    return StagedEnumerate(parts[0], start)


def make_zip(*items: Any, strict: bool = False) -> Any:
    """``zip``."""
    parts = _parts(items)
    return zip(*items, strict=strict) if parts is None else StagedZip(parts, strict)


def make_reversed(items: Any) -> Any:
    """``reversed``."""
    if isinstance(items, StagedRange):
        return items.reversed()
    if isinstance(items, range):
        return items[::-1]
    parts = _parts([items]) if not isinstance(items, (list, tuple)) else None
    if parts is None and isinstance(items, Tracer):
        samples.complain(reversed, items)
    return reversed(items) if parts is None else StagedReversed(parts[0])


def make_ndindex(*shape: Any) -> Any:
    """``np.ndindex``."""
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    numbers = tuple(index_dim(n) for n in shape)
    if any(isinstance(n, int) and n < 0 for n in numbers):
        raise ValueError("negative dimensions are not allowed")
    return StagedIndices(numbers)


FUNCTIONS: dict[Any, Any] = {
    range: make_range,
    enumerate: make_enumerate,
    zip: make_zip,
    reversed: make_reversed,
    np.ndindex: make_ndindex,
}
"""What compiled programs call in place of Python's."""


def length(items: Any) -> Any:
    """``len`` of something that is iterated over."""
    return items.length if isinstance(items.length, int) else from_dim(items.length)
