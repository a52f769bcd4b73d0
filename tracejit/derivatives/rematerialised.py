"""``checkpoint``: the derivative of a function computes the function again instead of keeping what it computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tracejit.derivatives.custom import emit
from tracejit.ir.core import Value
from tracejit.trace import calls
from tracejit.trace.control import control
from tracejit.trace.recording import Recording
from tracejit.trace.transformed import Transformed, name_of
from tracejit.transform.custom import recomputing
from tracejit.transform.structure import is_float


class Checkpoint(Transformed):
    """A function whose derivative keeps what it is given, and nothing else."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__("checkpoint", function)

    def inline(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if not control().differentiating:
            return calls.call(self.target(), args, kwargs)
        with Recording(self.__name__) as recording:
            result = calls.call(self.target(), args, kwargs)
            recorded = recording.close(result)
        function = recorded.function
        outputs = recorded.inline(function)
        moving = [k for k, p in enumerate(function.params) if is_float(p)]
        found = [k for k, v in enumerate(function.outputs) if is_float(v)]
        if moving and found:
            rule = recomputing(function, moving, found)
            values = [outputs[k] for k in found]
            given = [recorded.arguments[k] for k in moving]
            residuals = [*recorded.arguments, *_lengths(recorded.function.outputs, outputs, found)]
            attrs = {
                "counts": (len(values), len(given), len(residuals), 0),
                "direction": "backward",
                "name": name_of(self.function),
            }
            for k, v in zip(found, emit([*values, *given, *residuals], attrs, rule.body)):
                outputs[k] = v
        return recorded.settle(outputs)


def _lengths(inside: list[Value], outside: list[Value], which: list[int]) -> list[Value]:
    """The lengths of outputs that the function computes, as they are outside."""
    found: dict[Value, Value] = {}
    for k in which:
        for d, e in zip(inside[k].shape, outside[k].shape):
            if isinstance(d, Value) and d.op is not None and isinstance(e, Value):
                found[d] = e
    return list(found.values())
