"""``vjp`` and ``linearize``: a function and the linear part of its derivative, which is applied later.

The program is split in two: the forward part runs at once and gives what the other part will need (residuals). The
result is a named tuple of those and of the compiled other part, so that it goes in and out of compiled functions as
any named tuple does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from tracejit.derivatives.forward import POSITIONAL
from tracejit.derivatives.gradient import split_aux
from tracejit.derivatives.leaves import Inputs, described, directions, filled, floats
from tracejit.derivatives.selection import parameter_name
from tracejit.errors import DerivativeError, cleanly
from tracejit.ir.core import Function, Value
from tracejit.lower import share
from tracejit.runtime.jitted import compiled
from tracejit.runtime.options import Options
from tracejit.trace import calls
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.recording import Recording, inlined
from tracejit.trace.scalars import numpy_scalar
from tracejit.trace.tracer import lift
from tracejit.trace.transformed import Inlined, Transformed, name_of
from tracejit.transform.structure import is_float
from tracejit.transform.vjp import linearize, split

Kind = Literal["vjp", "linearize"]


class Split(Transformed):
    """``*primals -> (value, linear function)``, and what else the function gives if so asked."""

    def __init__(self, how: Kind, function: Callable[..., Any], has_aux: bool) -> None:
        super().__init__(how, function)
        self.how: Kind = how
        self.has_aux = has_aux

    def inline(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        function = self.target()
        what = f"{self.how} of {name_of(self.function)}"
        given, named = self.bind(args, kwargs)
        with Recording(self.__name__, orders=1) as recording:
            inputs = Inputs(recording, what)
            names = [parameter_name(self.function, k) for k in range(len(given))]
            values = [inputs.stand_in(x, name, optional=True) for x, name in zip(given, names)]
            result = calls.call(function, tuple(values), named)
            main = split_aux(result, what, function)[0] if self.has_aux else result
            recorded = recording.close(result, floats(main))
        primal, positions = recorded.function, inputs.positions(recorded)
        share.run(primal)
        if self.how == "vjp":
            parts = split(primal, positions, range(recorded.count, len(primal.outputs)))
            skip = 0
        else:
            parts = linearize(primal, positions)
            skip = sum(is_float(v) for v in primal.outputs[: recorded.count])
        outputs = recorded.inline(parts.forward)
        kept = tuple(_wrapped(v) for v in outputs[len(primal.outputs) :])
        result = recorded.settle(outputs)
        main, aux = result if self.has_aux else (result, None)
        linear = Linear(
            self.how, name_of(self.function), parts.backward, len(kept), skip,
            tuple(zip(names, map(described, given))), described(main),
        )  # fmt: skip
        kind = Pullback if self.how == "vjp" else Pushforward
        pulled = kind(kept, compiled(linear, Options()))
        return (main, pulled, aux) if self.has_aux else (main, pulled)


def _wrapped(value: Value) -> Any:
    return ArrayTracer(value) if value.rank else numpy_scalar(value)


class Linear(Transformed):
    """The compiled linear part: a function of residuals and tangents, or a cotangent.

    Args:
        how: Which of the two.
        name: The function it is the derivative of.
        program: Parameters: residuals, then vectors; outputs: ``skip`` to leave out, then vectors.
        residuals: How many there are.
        skip: See ``program``.
        arguments: Name and description of each argument of the function.
        result: The description of its result.
    """

    def __init__(
        self,
        how: Kind,
        name: str,
        program: Function,
        residuals: int,
        skip: int,
        arguments: tuple[tuple[str, Any], ...],
        result: Any,
    ) -> None:
        self.how = how
        self.name = name
        parameters = [inspect.Parameter(n, POSITIONAL) for n in ("residuals", "vector")]
        super().__init__(f"{how} part", _named(name), inspect.Signature(parameters))
        self.program = program
        self.residuals = residuals
        self.skip = skip
        self.arguments = arguments
        self.result = result

    def inline(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        kept, vector = args
        residuals = [lift(r) for r in kept]
        params = self.program.params[self.residuals :]
        lengths = dict(zip(self.program.params, residuals))
        types: list[Any] = [_with_lengths(p, lengths) for p in params]
        if self.how == "vjp":
            moved = directions(self.result, vector, types, "cotangent", "result")
        else:
            if len(vector) != len(self.arguments):
                raise DerivativeError(
                    f"linearize of {self.name}: a tangent is expected for each of {len(self.arguments)} arguments, "
                    f"and {len(vector)} given"
                )
            moved = []
            for (name, tree), t in zip(self.arguments, vector, strict=True):
                moved += directions(tree, t, types[len(moved) :], "tangent", name)
        outputs = iter(inlined(self.program, [*residuals, *moved])[self.skip :])
        if self.how == "vjp":
            return tuple(filled(tree, outputs) for _, tree in self.arguments)
        return filled(self.result, outputs)


def _with_lengths(p: Value, lengths: dict[Value, Value]) -> Any:
    """The type of a parameter in terms of the residuals that are its lengths."""
    return p.type.with_shape(tuple(d if isinstance(d, int) else _number(lengths[d]) for d in p.shape))  # type: ignore[union-attr]


def _number(length: Value) -> Any:
    op = length.op
    return op.attrs["value"] if op is not None and op.name == "const" else length


def _named(name: str) -> Callable[..., Any]:
    def function(residuals: Any, vector: Any) -> Any:
        raise AssertionError("the program of a linear function is given")

    function.__name__ = function.__qualname__ = name
    return function


class _Fields(NamedTuple):
    residuals: tuple[Any, ...]
    program: Callable[[tuple[Any, ...], Any], Any]


class Pullback(_Fields, Inlined):
    """The reverse derivative of a function at a point: takes a cotangent of the result to cotangents of the arguments.

    Made by :func:`tracejit.vjp`. It is a named tuple: of what the function computed on the way, and of the compiled
    program that goes back.
    """

    __slots__ = ()

    def inline(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        (cotangent,) = args
        return calls.call(self.program, (self.residuals, cotangent), {})

    @cleanly
    def __call__(self, cotangent: Any, /) -> Any:
        return self.program(self.residuals, cotangent)


class Pushforward(_Fields, Inlined):
    """The forward derivative of a function at a point: takes tangents of the arguments to a tangent of the result.

    Made by :func:`tracejit.linearize`. It is a named tuple, as :class:`Pullback` is.
    """

    __slots__ = ()

    def inline(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        return calls.call(self.program, (self.residuals, args), {})

    @cleanly
    def __call__(self, *tangents: Any) -> Any:
        return self.program(self.residuals, tangents)
