"""``vmap``: a call is recorded for one lane, made a program for many, and put in the place of the call."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from tracejit.errors import BatchError
from tracejit.ir.core import Value
from tracejit.ir.interface import ScalarKind
from tracejit.ir.types import BOOL, COMPLEX128, FLOAT64, INT64, ArrayType, Dim
from tracejit.mapping.axes import Along, Arguments, Default, along, numbered, without_defaults
from tracejit.mapping.frames import frame
from tracejit.ops.collective import Axis
from tracejit.record import record
from tracejit.trace import calls, dims
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.recording import Recorded, Recording, inlined
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.tracer import Alternative, abstract, lift
from tracejit.trace.transformed import Transformed, name_of, signature_of
from tracejit.trace.trees import is_number, kind_of, mapped
from tracejit.transform.batch import batch

PYTHON_DTYPES = (BOOL, INT64, FLOAT64, COMPLEX128)


class Vmap(Transformed):
    """A function of many lanes."""

    def __init__(
        self,
        function: Callable[..., Any],
        in_axes: Any,
        out_axes: Any,
        axis_size: int | None,
        axis_name: Hashable,
        lanes: str | None,
    ) -> None:
        super().__init__("vmap", function, without_defaults(signature_of(function)))
        self.arguments = Arguments(function, in_axes)
        self.out_axes = out_axes
        self.axis_size = axis_size
        self.axis_name = axis_name
        self.lanes = lanes
        if axis_size is not None and (not isinstance(axis_size, int) or axis_size < 0):
            raise TypeError(f"axis_size is {axis_size!r}, expected the number of lanes")

    def inline(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        function = self.target()
        values, named = self.bind(args, kwargs)
        axes, named_axes = self.arguments.of(values, named)
        values = [x.value if isinstance(x, Default) else x for x in values]
        named = {name: x.value if isinstance(x, Default) else x for name, x in named.items()}
        lanes = Lanes(name_of(self.function), self.axis_size)
        for k, (x, a) in enumerate(zip(values, axes)):
            lanes.measure(x, a, self.arguments.parameter(k))
        for name, x in named.items():
            lanes.measure(x, named_axes[name], name)
        return lanes.call(
            lambda part: calls.call(
                function,
                tuple(part(x, a) for x, a in zip(values, axes)),
                {name: part(x, named_axes[name]) for name, x in named.items()},
            ),
            self.out_axes,
            self.axis_name,
            self.lanes,
        )


@record(frozen=True)
class _Result:
    """A leaf of a result: which of the outputs it is, and along which axis its lanes lie; or what it is for all."""

    number: int | None
    axis: int | None
    leaf: Any
    path: str


class Lanes:
    """A call for many lanes.

    Args:
        name: The name of the function.
        size: The number of lanes, as far as the user says.
        kind: What numbers a lane gets, if Python has them in that dtype.
    """

    def __init__(self, name: str, size: int | None = None, kind: ScalarKind = "numpy") -> None:
        self.name = name
        self.what = f"vmap of {name}"
        self.kind = kind
        self.size: Dim | None = size
        self._first = "axis_size" if size is not None else ""
        self._sizes: list[tuple[str, int, Dim]] = []

    # --- how many lanes
    def measure(self, tree: Any, axes: Any, path: str) -> None:
        """Take down how many lanes an argument has; it must be as many as the others have."""
        mapped(self._measure, tree, axes, path=path)

    def _measure(self, leaf: Any, place: Along, path: str) -> None:
        if place.axis is None:
            return
        if not isinstance(leaf, (ArrayTracer, np.ndarray)):
            raise BatchError(
                f"{self.what}: {path} is {kind_of(leaf)}, which has no axis {place.axis}",
                hint=f"an array, or None in in_axes for {path}: all lanes share it",
            )
        axis = numbered(place.axis, _shape(leaf), self.what, path)
        own = _shape(leaf)[axis]
        self._sizes.append((path, axis, own))
        if self.size is None:
            self.size, self._first = own, path
        elif not dims.equal(self.size, own):
            self._check(path, axis, own)

    def _check(self, path: str, axis: int, own: Dim) -> None:
        first = self._first if self._first == "axis_size" else f"axis {self._sizes[0][1]} of {self._first}"
        assert self.size is not None
        if isinstance(self.size, int) and isinstance(own, int):
            known = [f"axis {a} of {p} has the length {n}" for p, a, n in self._sizes]
            known = [f"axis_size is {self.size}", *known] if self._first == "axis_size" else known
            raise BatchError(f"{self.what}: the numbers of lanes disagree: {', '.join(known)}")
        message = (
            f"{self.what}: the numbers of lanes disagree: {first} has the length {{0}}, axis {axis} of {path} {{1}}"
        )
        dims.check(dims.eq(self.size, own), ValueError, message, self.size, own)
        if isinstance(own, int):
            self.size = own

    # --- the call
    def call(
        self,
        body: Callable[[Callable[..., Any]], Any],
        out_axes: Any,
        axis_name: Hashable = None,
        how: str | None = None,
    ) -> Any:
        """The results for all lanes.

        Args:
            body: Computes one lane; ``part(argument, axes)`` gives it its part of an argument.
            out_axes: Where the lanes lie in the results.
            axis_name: What the lanes are called.
            how: See ``lanes`` of :func:`tracejit.vmap`.
        """
        if self.size is None:
            raise BatchError(
                f"{self.what}: no argument is mapped, so the number of lanes is not known", hint="axis_size=..."
            )
        axis = Axis(axis_name)
        places: dict[Value, int] = {}
        with Recording(self.name) as recording, frame(axis, self.size):

            def part(tree: Any, axes: Any) -> Any:
                made = len(recording.params)
                parts = mapped(lambda leaf, place, path: self._part(recording, places, leaf, place), tree, axes)
                if len(recording.params) == made:  # all lanes share it, and what one does to it is done to it
                    return tree
                recording.watch(parts, "an argument")
                return parts

            result = body(part)
            values: list[Value] = []
            axes = along(result, out_axes, "the result", "out_axes", self.name)
            tree = mapped(lambda leaf, place, path: self._leaf(values, leaf, place, path), result, axes, path="result")
            recorded = recording.close(None, values)
        positions = {recorded.first + k: places[p] for k, p in enumerate(recording.params) if p in places}
        outputs = self._run(recorded, positions, tree, axis, how)
        recorded.settle(outputs[: recorded.count])
        rest = outputs[recorded.count :]
        return mapped(lambda r, path: _wrapped(r, rest), tree)

    def _part(self, recording: Recording, places: dict[Value, int], leaf: Any, place: Along) -> Any:
        if place.axis is None:
            return leaf
        shape = list(_shape(leaf))
        axis = place.axis % len(shape)
        del shape[axis]
        t = ArrayType(leaf.dtype, tuple(shape))
        inside = recording.stand_in(leaf, t, self.kind_of_number(t.dtype) if not shape else None)
        places[recording.params[-1]] = axis
        return inside

    def kind_of_number(self, dtype: np.dtype[Any]) -> ScalarKind:
        return self.kind if dtype in PYTHON_DTYPES else "numpy"

    def _leaf(self, values: list[Value], leaf: Any, place: Along, path: str) -> _Result:
        if not is_number(leaf):
            if place.axis is None:
                return _Result(None, None, leaf, path)
            raise BatchError(
                f"{self.what}: the {path} is {kind_of(leaf)}; only numbers and arrays can be stacked",
                hint="leave it out of the result, or None in out_axes for it if it is the same in all lanes",
            )
        v = lift(leaf)
        axis = place.axis
        if axis is not None:
            if not -v.rank - 1 <= axis <= v.rank:
                raise BatchError(
                    f"{self.what}: the {path} is {kind_of(leaf)}: with the lanes it has {v.rank + 1} axes, and "
                    f"out_axes asks for axis {axis}"
                )
            axis %= v.rank + 1
        values.append(v)
        return _Result(len(values) - 1, axis, _Shown(abstract(leaf)), path)

    def _run(
        self, recorded: Recorded, positions: Mapping[int, int], tree: Any, axis: Axis, how: str | None
    ) -> list[Value]:
        if recorded.states:
            raise BatchError(
                f"{self.what}: the function changes a Python object (a list, a dict, an attribute or a variable from "
                "outside): it would have to do so once per lane",
                hint="return what it computes",
            )
        function = recorded.function
        assert recorded.count == len(recorded.mutated)
        function.meta["mutated"] = dict(recorded.mutated)
        leaves: list[_Result] = []
        mapped(lambda r, path: leaves.append(r) if r.number is not None else None, tree)
        axes_in = [positions.get(k) for k in range(len(function.params))]
        axes_out = [*(0 for _ in range(recorded.count)), *(r.axis for r in leaves)]
        names = [*("an array" for _ in range(recorded.count)), *(f"{self.what}: the {r.path}" for r in leaves)]
        size = self.size if isinstance(self.size, int) else None
        whole = batch(function, axes_in, axes_out, size, axis, names, how)
        if not any("mapped" in op.attrs for op in whole.walk()):
            current().notes[f"{self.what}: all lanes at once, by batching rules"] = None
        first = [] if size is not None else [self.size]
        return inlined(whole, [*first, *recorded.arguments])  # type: ignore[list-item]


@record(frozen=True)
class _Shown:
    """What a leaf is in one lane."""

    abstract: Any


def _shape(x: Any) -> Sequence[Dim]:
    shape: Sequence[Dim] = x.shape_dims if isinstance(x, ArrayTracer) else x.shape
    return shape


def _wrapped(r: _Result, values: Sequence[Value]) -> Any:
    """A leaf of the result for all lanes."""
    if r.number is None:
        return r.leaf
    value = values[r.number]
    alternatives = getattr(r.leaf.abstract, "alternatives", None)
    if r.axis is not None or alternatives is None:
        return ArrayTracer(value)
    kind: Alternative = alternatives[0] if len(alternatives) == 1 else ("numpy", value.dtype)
    return ScalarTracer(current().at().cast(value, kind[1]), (kind,))
