"""``jvp``: forward mode."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tracejit.derivatives.gradient import split_aux
from tracejit.derivatives.leaves import Inputs, directions, filled, floats
from tracejit.derivatives.selection import parameter_name
from tracejit.errors import DerivativeError
from tracejit.ir.core import Value
from tracejit.ir.types import ArrayType
from tracejit.trace import calls
from tracejit.trace.recording import Recorded, Recording
from tracejit.trace.transformed import Transformed, name_of
from tracejit.trace.trees import kind_of
from tracejit.transform.jvp import jvp
from tracejit.transform.structure import is_float

POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD


class Jvp(Transformed):
    """``(primals, tangents) -> (value, tangent)``, and what else the function gives if so asked."""

    def __init__(self, function: Callable[..., Any], has_aux: bool) -> None:
        parameters = [inspect.Parameter(n, POSITIONAL) for n in ("primals", "tangents")]
        super().__init__("jvp", function, inspect.Signature(parameters))
        self.has_aux = has_aux

    def inline(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        primals, tangents = two_of(self, args, kwargs)
        what = f"jvp of {name_of(self.function)}"
        check_tuple(primals, "primals", what)
        check_tuple(tangents, "tangents", what)
        function = self.target()
        if len(primals) != len(tangents):
            raise DerivativeError(
                f"{what}: a tangent is expected for each of {len(primals)} primals, and {len(tangents)} given",
                hint="None for what is constant",
            )
        moved: list[Value] = []
        with Recording(self.__name__, orders=1) as recording:
            inputs = Inputs(recording, what)
            names = [parameter_name(self.function, k) for k in range(len(primals))]
            values = [
                x if t is None else inputs.stand_in(x, name, optional=True)
                for x, t, name in zip(primals, tangents, names)
            ]
            given, named = self.bind(tuple(values), {})
            result = calls.call(function, tuple(given), named)
            main = split_aux(result, what, function)[0] if self.has_aux else result
            recorded = recording.close(result, floats(main))
        types = [v.type for v in inputs.values]
        for x, t, name in zip(primals, tangents, names):
            if t is None:  # a constant
                continue
            rest = [_arraytype(u) for u in types[len(moved) :]]
            moved += directions(x, t, rest, "tangent", name)
        outputs = recorded.inline(jvp(recorded.function, inputs.positions(recorded)), *moved)
        result = recorded.settle(outputs)
        main, aux = result if self.has_aux else (result, None)
        tangent = filled(main, tangents_of(recorded, outputs))
        return (main, tangent, aux) if self.has_aux else (main, tangent)


def tangents_of(recorded: Recorded, outputs: list[Value]) -> list[Value]:
    """The tangents of the outputs that were asked for, among the outputs of a forward derivative."""
    primal = recorded.function.outputs
    before = sum(is_float(v) for v in primal[: recorded.count])
    return outputs[len(primal) + before :]


def two_of(transformed: Transformed, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
    """The two arguments of a call of a transformed function."""
    bound = transformed.__signature__.bind(*args, **kwargs)
    first, second = bound.args
    return first, second


def check_tuple(x: Any, name: str, what: str) -> None:
    if not isinstance(x, (tuple, list)):
        raise DerivativeError(
            f"{what}: {name} is {kind_of(x)}, expected a tuple with one entry per argument", hint=f"({name},)"
        )


def _arraytype(t: Any) -> ArrayType:
    assert isinstance(t, ArrayType)
    return t
