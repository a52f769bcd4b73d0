"""``custom_jvp``, ``custom_vjp`` and ``stop_gradient``: derivatives that the user gives.

Where nothing is differentiated, the function is simply called. Under a derivative its call becomes a ``custom`` op,
which has the rule recorded beside the values. What is recorded for a rule is differentiated one time less than what is
around it, so a rule may call its own function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tracejit.derivatives.leaves import Inputs, directions, floats, is_float, leaf_of
from tracejit.derivatives.selection import parameter_name
from tracejit.errors import DerivativeError, cleanly
from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ops.custom import custom
from tracejit.trace import calls
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.control import control
from tracejit.trace.recording import Recorded, Recording
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.transformed import Transformed, definition, name_of
from tracejit.trace.trees import is_number, mapped, structure


class WithRule(Transformed):
    """A function with a derivative rule of its own.

    Args:
        how: ``custom_jvp`` or ``custom_vjp``.
        function: The function.
    """

    def __init__(self, how: str, function: Callable[..., Any]) -> None:
        super().__init__(how, function)
        self.how = how
        self.rules: tuple[Callable[..., Any], ...] = ()

    def rename(self, how: str, function: Any) -> None:
        self.__name__ = self.__qualname__ = name_of(function)
        self.__doc__ = getattr(function, "__doc__", None)

    @cleanly
    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """See :func:`tracejit.custom_jvp`."""
        self._define(rule)
        return rule

    @cleanly
    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """See :func:`tracejit.custom_vjp`."""
        self._define(forward, backward)

    def _define(self, *rules: Callable[..., Any]) -> None:
        for rule in rules:
            if not callable(rule):
                raise TypeError(f"a derivative rule is a function, not {rule!r}")
        if self.rules:
            raise TypeError(f"{name_of(self.function)} has a derivative rule already")
        self.rules = rules

    def inline(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        values, named = self.bind(args, kwargs)
        if not control().differentiating:
            return calls.call(self.target(), tuple(values), named)
        if not self.rules:
            name = name_of(self.function)
            call = "defjvp(rule)" if self.how == "custom_jvp" else "defvjp(forward, backward)"
            raise DerivativeError(f"{name} is made with {self.how} and has no rule", hint=f"{name}.{call}")
        if named:
            bound = self.inner_signature.bind(*args, **kwargs)
            bound.apply_defaults()
            values, named = list(bound.args), dict(bound.kwargs)
        what = f"the rule of {name_of(self.function)}"
        names = [parameter_name(self.function, k) for k in range(len(values))]
        with Recording(self.__name__, orders=-1) as recording:
            inputs = Inputs(recording, what)
            inside = tuple(inputs.stand_in(x, n, optional=True) for x, n in zip(values, names))
            if self.how == "custom_jvp":
                result, kept = calls.call(self.target(), inside, named), None
            else:
                pair = calls.call(self.rules[0], inside, named)
                result, kept = _pair(
                    pair, self.rules[0], f"the forward rule of {name_of(self.function)}", "(result, residuals)"
                )
            main = recording.close((result, kept))
        _check_pure(main, what)
        result, kept = main.settle(main.inline(main.function))
        given = [v for tree in values for v in floats(tree)]
        outputs = floats(result)
        closed = [v for v in _outside(main, len(given)) if v.dtype.kind in "fc"]
        if self.how == "custom_jvp":
            rule = self._forward(values, named, names, result, given, what)
        else:
            rule = self._backward(values, names, result, kept, given, what)
        function, residuals = rule
        counts = (len(outputs), len(given), len(residuals), len(closed))
        attrs = {
            "counts": counts,
            "direction": "forward" if self.how == "custom_jvp" else "backward",
            "name": name_of(self.function),
        }
        made = emit([*outputs, *given, *residuals, *closed], attrs, function.body)
        return _replaced(result, made)

    # --- recording the rules
    def _forward(
        self,
        values: Sequence[Any],
        named: Mapping[str, Any],
        names: Sequence[str],
        result: Any,
        given: Sequence[Value],
        what: str,
    ) -> tuple[Function, list[Value]]:
        with Recording(f"{self.__name__}_jvp", orders=-1) as recording:
            primals = Inputs(recording, what)
            inside = tuple(primals.stand_in(x, n, optional=True) for x, n in zip(values, names))
            tangents = Inputs(recording, what)
            moving = tuple(tangents.stand_in(_vectors(x), f"the tangent of {n}") for x, n in zip(values, names))
            pair = calls.call(self.rules[0], (inside, moving), named)
            _, tangent = _pair(pair, self.rules[0], what, "(result, tangent of the result)")
            types = [v.type for v in floats(result)]
            found = directions(result, tangent, types, "tangent", "result")  # type: ignore[arg-type]
            recorded = recording.close(None, found)
        _check_pure(recorded, what)
        return _linear(recorded, recording, len(tangents.values))

    def _backward(
        self, values: Sequence[Any], names: Sequence[str], result: Any, kept: Any, given: Sequence[Value], what: str
    ) -> tuple[Function, list[Value]]:
        what = f"the backward rule of {name_of(self.function)}"
        with Recording(f"{self.__name__}_vjp", orders=-1) as recording:
            residuals = mapped(lambda x, _: recording.stand_in(x) if is_number(x) else x, kept)
            cotangents = Inputs(recording, what)
            vectors = cotangents.stand_in(_vectors(result), "the cotangent")
            back = calls.call(self.rules[1], (residuals, vectors), {})
            if not isinstance(back, (tuple, list)) or len(back) != len(values):
                raise DerivativeError(
                    f"{what} gives {structure(back)}, expected a tuple of {len(values)}: a cotangent per argument",
                    hint="None for an argument without a derivative",
                    loc=definition(self.rules[1]),
                )
            found: list[Value] = []
            for x, ct, name in zip(values, back, names):
                found += _cotangents(x, ct, name)
            recorded = recording.close(None, found)
        _check_pure(recorded, what)
        return _linear(recorded, recording, len(cotangents.values))


def _cotangents(x: Any, ct: Any, name: str) -> list[Value]:
    """The cotangents of the floating-point parts of an argument; zeros for None."""
    b = current().at()
    own = floats(x)
    if ct is None:
        return [b.full(0, v) for v in own]
    return directions(x, ct, [v.type for v in own], "cotangent", name)  # type: ignore[misc]


def _vectors(tree: Any) -> Any:
    """The floating-point parts of a tree, None for each other one."""
    return mapped(lambda x, _: x if is_float(x) else None, tree)


def _pair(x: Any, rule: Any, what: str, expected: str) -> tuple[Any, Any]:
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise DerivativeError(f"{what} gives {structure(x)}, expected a pair: {expected}", loc=definition(rule))
    return x[0], x[1]


def _check_pure(recorded: Recorded, what: str) -> None:
    if recorded.roots or recorded.written or recorded.states:
        changed = "an object" if recorded.states else "an array"
        raise DerivativeError(
            f"{what}: the function, or its rule, changes {changed} from outside", hint="a copy of it to write into"
        )


def _outside(recorded: Recorded, given: int) -> list[Value]:
    """The values that a recorded function uses from outside."""
    return [*recorded.arguments[: recorded.first], *recorded.arguments[recorded.first + given :]]


def _linear(recorded: Recorded, recording: Recording, vectors: int) -> tuple[Function, list[Value]]:
    """A rule as a function of residuals and then vectors, which it was recorded with last; and the residuals."""
    function = recorded.function
    end = recorded.first + len(recording.params)
    start = end - vectors
    params, arguments = function.body.params, recorded.arguments
    function.body.params = [*params[:start], *params[end:], *params[start:end]]
    function.body.terminator.set_operands(function.outputs[recorded.count :])
    return function, [*arguments[:start], *arguments[end:]]


def emit(operands: Sequence[Value], attrs: dict[str, Any], rule: Block) -> list[Value]:
    """A ``custom`` op in the trace in progress; its results."""
    b = current().at()
    op = Op(custom, operands, [v.type for v in operands[: attrs["counts"][0]]], attrs, (rule,), b.loc)
    b.block.append(op)
    return op.results


def _replaced(tree: Any, values: Sequence[Value]) -> Any:
    """A tree with other values for its floating-point parts."""
    rest = iter(values)

    def change(leaf: Any, path: str) -> Any:
        if not is_float(leaf):
            return leaf
        value = next(rest)
        if isinstance(leaf, ScalarTracer):
            return ScalarTracer(value, leaf.alternatives, leaf.selector)
        if isinstance(leaf, ArrayTracer):
            return ArrayTracer(value)
        return leaf_of(leaf).wrap(value)

    return mapped(change, tree)


def stopped(tree: Any) -> Any:
    """A tree whose floating-point parts have no derivative, as far as the trace in progress is concerned."""
    values = floats(tree)
    if not control().differentiating or not values:
        return _replaced(tree, values)
    rule = Block()
    with current().region(rule):
        current().builder.return_()
    attrs = {"counts": (len(values), 0, 0, 0), "direction": "backward", "name": "stop_gradient"}
    return _replaced(tree, emit(values, attrs, rule))
