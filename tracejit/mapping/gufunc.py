"""``vectorize``: broadcasting, and core dimensions by a signature as in NumPy's generalised ufuncs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tracejit.ir.core import Value
from tracejit.ir.types import Dim
from tracejit.mapping.axes import Along
from tracejit.mapping.mapped import Lanes
from tracejit.record import record
from tracejit.trace import broadcast, calls, dims
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.tracer import lift
from tracejit.trace.transformed import Transformed, name_of, signature_of
from tracejit.trace.trees import is_number, kind_of

_NAME = r"[A-Za-z_]\w*|\d+"
_CORE = rf"\(\s*(?:(?:{_NAME})(?:\s*,\s*(?:{_NAME}))*)?\s*\)"
_SIGNATURE = re.compile(rf"\s*({_CORE}(?:\s*,\s*{_CORE})*)?\s*->\s*({_CORE}(?:\s*,\s*{_CORE})*)\s*\Z")


@record(frozen=True)
class Signature:
    """``"(m,n),(n)->(m)"``: the core dimensions of arguments and results."""

    text: str
    inputs: tuple[tuple[str, ...], ...]
    outputs: tuple[tuple[str, ...], ...]


def parse(text: str) -> Signature:
    """Read a signature.

    Raises:
        ValueError: It is none.
    """
    found = _SIGNATURE.match(text)
    if found is None:
        raise ValueError(f"not a valid gufunc signature: {text!r}")

    def sides(side: str | None) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(re.findall(_NAME, core)) for core in re.findall(_CORE, side or ""))

    return Signature(text, sides(found[1]), sides(found[2]))


class Vectorized(Transformed):
    """A function of arrays of what ``function`` takes."""

    def __init__(
        self,
        function: Callable[..., Any],
        otypes: tuple[np.dtype[Any], ...] | None,
        excluded: frozenset[int | str],
        signature: str | None,
    ) -> None:
        super().__init__("vectorize", function)
        self.otypes = otypes
        self.excluded = excluded
        self.core = parse(signature) if signature is not None else None
        self.what = f"vectorize of {name_of(function)}"
        self.__doc__ = getattr(function, "__doc__", None) or self.__doc__

    def inline(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        function = self.target()
        values, named = self.bind(args, kwargs)
        keys: list[int | str] = [k for k in range(len(values)) if not self._is_excluded(k)]
        keys += [name for name in named if name not in self.excluded]
        if self.core is not None and len(keys) != len(self.core.inputs):
            raise TypeError(f"{self.what}: {len(self.core.inputs)} arguments are expected, {len(keys)} given")
        cores = self.core.inputs if self.core is not None else ((),) * len(keys)
        given = {k: self._array(values[k] if isinstance(k, int) else named[k], k) for k in keys}
        sizes: dict[str, tuple[Dim, int | str]] = {}
        for k, core in zip(keys, cores):
            self._measure(given[k], core, k, sizes)
        loops = {k: given[k].shape[: given[k].rank - len(core)] for k, core in zip(keys, cores)}
        shape = broadcast.common_shape(list(loops.values()), broadcast.operands_fail(list(loops.values())))
        lanes = Lanes(name_of(self.function), kind="numpy" if self.core is not None else "python")
        parts: dict[int | str, Any] = {}
        for k, core in zip(keys, cores):
            parts[k] = self._flat(given[k], len(core), shape) if loops[k] else self._whole(given[k], lanes)
            lanes.measure(parts[k], Along(0 if loops[k] else None), str(k))

        def body(part: Callable[..., Any]) -> Any:
            inside = {k: part(x, Along(0 if loops[k] else None)) for k, x in parts.items()}
            found = calls.call(
                function,
                tuple(inside.get(k, x) for k, x in enumerate(values)),
                {name: inside.get(name, x) for name, x in named.items()},
            )
            self._check_results(found, sizes)
            return found

        result = lanes.call(body, 0) if shape else body(lambda x, place: x)
        return self._results(result, shape)

    def _is_excluded(self, k: int) -> bool:
        names = list(signature_of(self.function).parameters.values())
        positional = [p.name for p in names if p.kind is not inspect.Parameter.VAR_POSITIONAL]
        return k in self.excluded or (k < len(positional) and positional[k] in self.excluded)

    # --- arguments
    def _array(self, x: Any, place: int | str) -> Value:
        if isinstance(x, (list, tuple)):
            x = calls.call(np.asarray, (x,), {})
        if not is_number(x):
            raise TypeError(f"{self.what}: argument {place} is {kind_of(x)}, expected a number or an array")
        return lift(x)

    def _measure(
        self, x: Value, core: Sequence[str], place: int | str, sizes: dict[str, tuple[Dim, int | str]]
    ) -> None:
        if x.rank < len(core):
            raise ValueError(
                f"{self.what}: argument {place} has {x.rank} dimensions, which is not enough for the core dimensions "
                f"({','.join(core)})"
            )
        for name, d in zip(core, x.shape[x.rank - len(core) :]):
            known, first = sizes.setdefault(name, (int(name) if name.isdigit() else d, place))
            message = (
                f"{self.what}: the core dimension {name} is {{0}} in argument {first} and {{1}} in argument {place}"
            )
            if not dims.equal(known, d):
                dims.check(dims.eq(known, d), ValueError, message, known, d)

    def _flat(self, x: Value, core: int, shape: Sequence[Dim]) -> ArrayTracer:
        """``x`` broadcast to ``shape``, whose axes are one."""
        b = current().at()
        rest = x.shape[x.rank - core :]
        whole = broadcast.spread(b, x, (*shape, *rest))
        return ArrayTracer(b.reshape(whole, (dims.product(shape), *rest)) if len(shape) > 1 else whole)

    def _whole(self, x: Value, lanes: Lanes) -> Any:
        """What all lanes get."""
        return ArrayTracer(x) if x.rank else ScalarTracer(x, ((lanes.kind_of_number(x.dtype), x.dtype),))

    # --- results
    def _check_results(self, found: Any, sizes: dict[str, tuple[Dim, int | str]]) -> None:
        if self.core is None:
            return
        many = found if isinstance(found, tuple) else (found,)
        if len(many) != len(self.core.outputs):
            raise ValueError(
                f"{self.what}: {len(self.core.outputs)} results are expected, the function returns {len(many)}"
            )
        for x, core in zip(many, self.core.outputs):
            v = self._array(x, "in the result")
            if v.rank != len(core):
                raise ValueError(
                    f"{self.what}: a result has {v.rank} dimensions, and the core dimensions are ({','.join(core)})"
                )
            for name, d in zip(core, v.shape):
                known = sizes.setdefault(name, (int(name) if name.isdigit() else d, "the result"))[0]
                message = f"{self.what}: the core dimension {name} is {{0}}, and {{1}} in the result"
                if not dims.equal(known, d):
                    dims.check(dims.eq(known, d), ValueError, message, known, d)

    def _results(self, result: Any, shape: Sequence[Dim]) -> Any:
        if isinstance(result, tuple):
            return tuple(self._result(x, shape, k) for k, x in enumerate(result))
        return self._result(result, shape, 0)

    def _result(self, x: Any, shape: Sequence[Dim], k: int) -> ArrayTracer:
        b = current().at()
        value = self._array(x, "in the result")
        if self.otypes is not None and k < len(self.otypes):
            value = b.cast(value, self.otypes[k])
        if len(shape) > 1:
            value = b.reshape(value, (*shape, *value.shape[1:]))
        return ArrayTracer(value)
