"""``jacfwd``, ``jacrev``, ``jacobian`` and ``hvp``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

from tracejit.derivatives.forward import POSITIONAL, Jvp, check_tuple, two_of
from tracejit.derivatives.gradient import Gradient, check_complex, place_of, split_aux
from tracejit.derivatives.leaves import Inputs, Leaf, floats, is_float, leaf_of
from tracejit.derivatives.selection import Selection, parameter_name
from tracejit.errors import DerivativeError
from tracejit.ir.core import Value
from tracejit.trace import calls, dims
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.recording import Recording
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.transformed import Transformed, definition, name_of
from tracejit.trace.trees import kind_of, mapped
from tracejit.transform.jacobian import jacobians

Way = Literal["jacfwd", "jacrev", "jacobian"]
Mode = Literal["forward", "reverse"]


class Jacobian(Transformed):
    """The derivative of each element of the result with respect to each element of arguments."""

    def __init__(
        self, how: Way, function: Callable[..., Any], selection: Selection, has_aux: bool, holomorphic: bool
    ) -> None:
        super().__init__(how, function)
        self.how: Way = how
        self.selection = selection
        self.has_aux = has_aux
        self.holomorphic = holomorphic

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
            main = split_aux(result, what, function)[0] if self.has_aux else result
            found = _results(main, what, function)
            mode = self._mode(inputs, found, what)
            recorded = recording.close(result, found)
        primal = recorded.function
        wanted = range(recorded.count, len(primal.outputs))
        outputs = recorded.inline(jacobians(primal, inputs.positions(recorded), wanted, mode))
        result = recorded.settle(outputs)
        main, aux = result if self.has_aux else (result, None)
        rest = iter(outputs[len(primal.outputs) :])
        tree = mapped(lambda y, _: self._blocks(leaf_of(y), given, rest) if is_float(y) else None, main)
        return (tree, aux) if self.has_aux else tree

    def _blocks(self, y: Leaf, given: list[Any], values: Any) -> Any:
        """For one part of the result: the derivative with respect to each part of the arguments."""
        parts = [mapped(lambda x, _: _block(next(values), y, leaf_of(x)), tree) for tree in given]
        return self.selection.arranged(parts)

    def _mode(self, inputs: Inputs, found: list[Value], what: str) -> Mode:
        complex_in = any(leaf.dtype.kind == "c" for leaf in inputs.leaves)
        complex_out = next((v for v in found if v.dtype.kind == "c"), None)
        if self.holomorphic:
            for v in found:
                if v.dtype.kind != "c":
                    raise DerivativeError(
                        f"{what} is to be holomorphic, and the function returns {v.type}",
                        hint="holomorphic=False",
                        loc=place_of(v),
                    )
        else:
            mixed = complex_in and complex_out is not None
            if mixed or (complex_in and self.how == "jacfwd") or (complex_out and self.how == "jacrev"):
                which = "arguments and results are" if mixed else "an argument is" if complex_in else "a result is"
                other = "jacrev" if complex_in else "jacfwd"
                raise DerivativeError(
                    f"{what}: {which} complex, and the derivative is not known to be a complex number",
                    hint="holomorphic=True, if the function is; else its real and imaginary parts"
                    + ("" if mixed else f", or {other}"),
                    loc=None if complex_out is None else place_of(complex_out),
                )
            if complex_in or complex_out is not None:
                return "reverse" if complex_in else "forward"
        if self.how != "jacobian":
            return "forward" if self.how == "jacfwd" else "reverse"
        return _cheaper(inputs.values, found)


def _cheaper(given: list[Value], found: list[Value]) -> Mode:
    """Forward mode runs once per number in, reverse mode once per number out (and keeps more)."""
    numbers_in: Any = 0
    numbers_out: Any = 0
    for v in given:
        numbers_in = dims.add(numbers_in, dims.product(v.shape))
    for v in found:
        numbers_out = dims.add(numbers_out, dims.product(v.shape))
    more = dims.gt(numbers_in, numbers_out)
    if isinstance(more, bool):
        return "reverse" if more else "forward"
    return "reverse" if all(not v.rank for v in found) else "forward"


def _results(main: Any, what: str, function: Any) -> list[Value]:
    found = floats(main)
    if not found:
        raise DerivativeError(
            f"{what} needs a function that returns floating-point numbers, and it returns {kind_of(main)}",
            loc=definition(function),
        )
    return found


def _block(value: Value, y: Leaf, x: Leaf) -> Any:
    if y.alternatives is None or x.alternatives is None:
        return ArrayTracer(value)
    kinds = [k for k in (*y.alternatives, *x.alternatives) if k[1] == value.dtype]
    return ScalarTracer(value, (kinds[0] if kinds else ("numpy", value.dtype),))


class Hvp(Transformed):
    """``(primals, tangents) -> Hessian times tangents``: forward over reverse."""

    def __init__(self, function: Callable[..., Any], has_aux: bool) -> None:
        parameters = [inspect.Parameter(n, POSITIONAL) for n in ("primals", "tangents")]
        super().__init__("hvp", function, inspect.Signature(parameters))
        self.has_aux = has_aux

    def inline(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        primals, tangents = two_of(self, args, kwargs)
        what = f"hvp of {name_of(self.function)}"
        check_tuple(primals, "primals", what)
        check_tuple(tangents, "tangents", what)
        moving = tuple(k for k, t in enumerate(tangents) if t is not None)
        gradient = Gradient("grad", self.target(), Selection(moving, None), self.has_aux, False, False)
        found = Jvp(gradient, self.has_aux).inline((primals, tangents), {})
        parts: list[Any] = [None] * len(tangents)
        for k, product in zip(moving, found[1]):
            parts[k] = product
        return (tuple(parts), found[2]) if self.has_aux else tuple(parts)
