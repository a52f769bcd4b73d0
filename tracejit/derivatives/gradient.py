"""``grad`` and ``value_and_grad``: reverse mode from one number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tracejit.derivatives.leaves import Inputs, filled
from tracejit.derivatives.selection import Selection, parameter_name
from tracejit.errors import DerivativeError
from tracejit.ir.core import Value
from tracejit.ir.loc import Loc
from tracejit.lower import share
from tracejit.trace import calls
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.recording import Recording
from tracejit.trace.tracer import lift
from tracejit.trace.transformed import Transformed, definition, name_of
from tracejit.trace.trees import is_number, kind_of, structure
from tracejit.transform.vjp import gradient


class Gradient(Transformed):
    """The gradient of a function, and its value too if so asked."""

    def __init__(
        self,
        how: str,
        function: Callable[..., Any],
        selection: Selection,
        has_aux: bool,
        holomorphic: bool,
        with_value: bool,
    ) -> None:
        super().__init__(how, function)
        self.how = how
        self.selection = selection
        self.has_aux = has_aux
        self.holomorphic = holomorphic
        self.with_value = with_value

    def inline(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        function = self.target()
        what = f"{self.how} of {name_of(self.function)}"
        values, named = self.bind(args, kwargs)
        places = self.selection.places(self.function, values, named)
        with Recording(self.__name__, orders=1) as recording:
            inputs = Inputs(recording, what)
            given: list[Any] = []
            for place in places:
                holder: Any = named if isinstance(place, str) else values
                given.append(holder[place])
                holder[place] = inputs.stand_in(holder[place], parameter_name(self.function, place))
            if self.holomorphic:
                check_complex(inputs, what)
            result = calls.call(function, tuple(values), named)
            loss = scalar_loss(
                split_aux(result, what, function)[0] if self.has_aux else result, what, function, self.holomorphic
            )
            recorded = recording.close(result, [loss])
        # a value that is computed once has its cotangents added up once
        share.run(recorded.function)
        derivative = gradient(recorded.function, inputs.positions(recorded), recorded.count)
        outputs = recorded.inline(derivative)
        result = recorded.settle(outputs)
        rest = iter(outputs[recorded.count + 1 :])
        parts = [filled(tree, rest) for tree in given]
        grads = self.selection.arranged(parts)
        if self.has_aux:
            value, aux = result
            return ((value, aux), grads) if self.with_value else (grads, aux)
        return (result, grads) if self.with_value else grads


def check_complex(inputs: Inputs, what: str) -> None:
    """What a holomorphic function is differentiated with respect to is complex."""
    for leaf in inputs.leaves:
        if leaf.dtype.kind != "c":
            raise DerivativeError(
                f"{what} is to be holomorphic, and an argument is of dtype {leaf.dtype}",
                hint="complex arguments, or holomorphic=False",
            )


def split_aux(result: Any, what: str, function: Any) -> tuple[Any, Any]:
    """The two parts of a result that has more than what is differentiated."""
    if not isinstance(result, tuple) or len(result) != 2:
        raise DerivativeError(
            f"{what} has has_aux=True, and the function returns {structure(result)}",
            hint="return value, aux",
            loc=definition(function),
        )
    return result[0], result[1]


def scalar_loss(loss: Any, what: str, function: Any, holomorphic: bool) -> Value:
    """The one number that a gradient is the derivative of."""
    if not is_number(loss):
        hint = "has_aux=True, if the first of two results is to be differentiated" if isinstance(loss, tuple) else None
        raise DerivativeError(
            f"{what} needs a function that returns one number, and it returns {structure(loss)}",
            hint=hint,
            loc=definition(function),
        )
    if isinstance(loss, ArrayTracer) and loss.ndim:
        raise DerivativeError(
            f"{what} needs a function that returns one number, and it returns {kind_of(loss)}",
            hint="a number, such as .sum() of it; or jacobian(f), or vjp(f, ...) with a cotangent of that shape",
            loc=place_of(loss.read()),
        )
    value = lift(loss)
    kind = value.dtype.kind
    if kind not in "fc":
        raise DerivativeError(
            f"{what} needs a function that returns a floating-point number, and it returns {kind_of(loss)}",
            hint="float(...) of it, if that depends smoothly on the arguments",
            loc=place_of(value),
        )
    if holomorphic and kind != "c":
        raise DerivativeError(
            f"{what} is to be holomorphic, and the function returns {kind_of(loss)}",
            hint="holomorphic=False",
            loc=place_of(value),
        )
    if not holomorphic and kind == "c":
        raise DerivativeError(
            f"{what} needs a function that returns a real number, and it returns {kind_of(loss)}",
            hint="holomorphic=True, if the function is; else its .real, .imag or abs()",
            loc=place_of(value),
        )
    return value


def place_of(value: Value) -> Loc | None:
    """Where a value is computed."""
    return value.op.loc if value.op is not None and value.op.loc.line else None
