"""The numbers and arrays of arguments and results, as the derivatives of a recorded call see them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tracejit.errors import DerivativeError, a
from tracejit.ir.core import Value
from tracejit.ir.types import ArrayType
from tracejit.record import record
from tracejit.trace import dims
from tracejit.trace.boxes import ArrayTracer, box_of, retyped
from tracejit.trace.context import current
from tracejit.trace.either import Either
from tracejit.trace.recording import Recorded, Recording
from tracejit.trace.scalars import ScalarTracer, as_tracer
from tracejit.trace.tracer import Alternative, Tracer, abstract, lift
from tracejit.trace.trees import is_number, kind_of, mapped

FLOATING = "fc"


@record(frozen=True)
class Leaf:
    """What is known of a number or array once the trace is over.

    Attributes:
        dtype: Its dtype.
        alternatives: Of a number: what it is to the user; None for an array.
        rank: The number of axes.
    """

    dtype: np.dtype[Any]
    alternatives: tuple[Alternative, ...] | None
    rank: int

    @property
    def is_float(self) -> bool:
        return self.dtype.kind in FLOATING

    def wrap(self, value: Value) -> Tracer:
        """``value`` as a number or array of this kind."""
        if self.alternatives is None:
            return ArrayTracer(value)
        kinds = tuple(k for k in self.alternatives if k[1].kind in FLOATING)
        kind: Alternative = kinds[0] if len(kinds) == 1 else ("numpy", self.dtype)
        return ScalarTracer(current().at().cast(value, kind[1]), (kind,))


def leaf_of(x: Any) -> Leaf:
    """What a number or array is."""
    found = abstract(x)
    assert found is not None
    if isinstance(x, (ArrayTracer, np.ndarray)):
        return Leaf(found.dtype, None, x.ndim)
    return Leaf(found.dtype, found.alternatives, 0)  # type: ignore[union-attr]


def is_float(x: Any) -> bool:
    """Whether a leaf is a floating-point number or array."""
    if isinstance(x, Either) and any(is_number(o) for o in x.options):
        raise DerivativeError(
            f"a result is {kind_of(x)}, depending on the path taken: it has no derivative",
            hint="a float on every path, such as 0.0 or np.nan",
        )
    return is_number(x) and leaf_of(x).is_float


class Inputs:
    """The numbers and arrays that a recorded call is differentiated with respect to.

    Args:
        recording: The recording.
        what: Who asks, for messages: ``grad of f``.
    """

    def __init__(self, recording: Recording, what: str) -> None:
        self.recording = recording
        self.what = what
        self.leaves: list[Leaf] = []
        self.values: list[Value] = []

    def stand_in(self, tree: Any, path: str, optional: bool = False) -> Any:
        """A tree of stand-ins; with ``optional``, leaves without a derivative stay as they are."""

        def change(leaf: Any, where: str) -> Any:
            if not is_number(leaf) or leaf_of(leaf).dtype.kind not in FLOATING:
                if optional:
                    return leaf
                raise self._refused(leaf, where)
            inside = self.recording.stand_in(leaf)
            self.leaves.append(leaf_of(leaf))
            self.values.append(inside.value if isinstance(inside, ScalarTracer) else inside._value)
            return inside

        inside = mapped(change, tree, path=path)
        self.recording.watch(inside, path)
        return inside

    def _refused(self, leaf: Any, where: str) -> DerivativeError:
        kind = kind_of(leaf)
        if is_number(leaf):
            if not isinstance(leaf, (np.ndarray, ArrayTracer)):
                kind = a(type(leaf).__name__) if not isinstance(leaf, Tracer) else kind_of(leaf)
            hint = f"a float for {where}, or other argnums: they say which arguments to differentiate with respect to"
            return DerivativeError(
                f"{self.what}: {where} is {kind}, and derivatives are taken with respect to floating-point numbers",
                hint=hint,
            )
        return DerivativeError(
            f"{self.what}: {where} is {kind}, and derivatives are taken with respect to numbers and arrays, or tuples, "
            "lists, dicts, named tuples and dataclasses of them",
            hint="an argument of its own for what is not differentiated, or other argnums",
        )

    def positions(self, recorded: Recorded) -> list[int]:
        """Their positions among the parameters of the recorded function."""
        params = self.recording.params
        return [recorded.first + next(k for k, p in enumerate(params) if p is v) for v in self.values]


def floats(tree: Any) -> list[Value]:
    """The values of the floating-point leaves of a result."""
    found: list[Value] = []

    def look(leaf: Any, path: str) -> None:
        if is_float(leaf):
            found.append(lift(leaf))

    mapped(look, tree)
    return found


def filled(tree: Any, values: Iterable[Value]) -> Any:
    """A tree like ``tree`` with one of ``values`` for each floating-point leaf, and None for each other one."""
    rest = iter(values)

    def change(leaf: Any, path: str) -> Any:
        if isinstance(leaf, Leaf):
            return leaf.wrap(next(rest)) if leaf.is_float else None
        return leaf_of(leaf).wrap(next(rest)) if is_float(leaf) else None

    return mapped(change, tree)


def described(tree: Any) -> Any:
    """A tree like ``tree`` with a :class:`Leaf` for each number or array, and None for anything else."""
    return mapped(lambda leaf, path: leaf_of(leaf) if is_number(leaf) else None, tree)


def directions(tree: Any, given: Any, types: Sequence[ArrayType], what: str, path: str) -> list[Value]:
    """The values of ``given``, a tree with a number or array for each floating-point leaf of ``tree``.

    Args:
        tree: Numbers, arrays, or :class:`Leaf` in their place.
        given: What the user gave.
        types: The types that are needed, one for each floating-point leaf.
        what: What the parts of ``given`` are: ``tangent``.
        path: What ``tree`` is called.
    """
    found: list[Value] = []

    def look(leaf: Any, x: Any, where: str) -> None:
        where = "the result" if where == "result" else where
        known = leaf if isinstance(leaf, Leaf) else leaf_of(leaf) if is_number(leaf) else None
        if known is None or not known.is_float:
            if x is not None:
                raise DerivativeError(
                    f"{where} has no derivative, being {_text(leaf)}, and the {what} for it is {kind_of(x)}",
                    hint="None in its place",
                )
            return
        found.append(_direction(x, types[len(found)], f"the {what} of {where}" if where else f"the {what}"))

    try:
        mapped(look, tree, given, path=path)
    except TypeError as error:
        raise DerivativeError(f"the structure of the {what}s does not fit: {error}") from None
    return found


def _text(leaf: Any) -> str:
    return f"of dtype {leaf.dtype}" if isinstance(leaf, Leaf) else kind_of(leaf)


def _direction(x: Any, needed: ArrayType, what: str) -> Value:
    if x is None or not is_number(x):
        raise DerivativeError(f"{what} is {kind_of(x)}, expected {_kind_of_type(needed)}")
    own = lift(x if isinstance(x, Tracer) else box_of(x) if isinstance(x, np.ndarray) else as_tracer(x))
    b = current().at()
    if own.rank != len(needed.shape) or any(
        isinstance(d, int) and isinstance(e, int) and d != e for d, e in zip(own.shape, needed.shape)
    ):
        raise DerivativeError(f"{what} has the shape {_shape(own.shape)}, expected {_shape(needed.shape)}")
    if not np.can_cast(own.dtype, needed.dtype, "same_kind"):
        raise DerivativeError(f"{what} is of dtype {own.dtype}, expected {needed.dtype}")
    for d, e in zip(own.shape, needed.shape):
        if not dims.equal(d, e):
            dims.check(dims.eq(d, e), ValueError, f"{what} has another shape")
    if own.dtype != needed.dtype:
        own = b.cast(own, needed.dtype)
    return retyped(b, own, needed.shape)


def _kind_of_type(needed: ArrayType) -> str:
    kind = a(str(needed.dtype))
    return f"{kind} array of shape {_shape(needed.shape)}" if needed.shape else f"{kind} number"


def _shape(shape: Sequence[Any]) -> str:
    return str(tuple(d if isinstance(d, int) else "?" for d in shape)).replace("'", "")
