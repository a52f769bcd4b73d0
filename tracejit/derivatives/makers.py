"""What each public function makes of the function that it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracejit.derivatives.custom import WithRule
from tracejit.derivatives.forward import Jvp
from tracejit.derivatives.gradient import Gradient
from tracejit.derivatives.jacobians import Hvp, Jacobian, Way
from tracejit.derivatives.rematerialised import Checkpoint
from tracejit.derivatives.reverse import Kind, Split
from tracejit.derivatives.roots import Root
from tracejit.derivatives.selection import Selection
from tracejit.trace.transformed import Transformed


def _gradient(how: str, function: Any, selection: Selection, has_aux: bool, holomorphic: bool) -> Transformed:
    return Gradient(how, function, selection, has_aux, holomorphic, how == "value_and_grad")


def _jvp(how: str, function: Any, has_aux: bool) -> Transformed:
    return Jvp(function, has_aux)


def _split(how: Kind, function: Any, has_aux: bool) -> Transformed:
    return Split(how, function, has_aux)


def _jacobian(how: Way, function: Any, selection: Selection, has_aux: bool, holomorphic: bool) -> Transformed:
    return Jacobian(how, function, selection, has_aux, holomorphic)


def _hessian(how: str, function: Any, selection: Selection, has_aux: bool, holomorphic: bool) -> Transformed:
    gradient = Gradient("grad", function, selection, has_aux, holomorphic, False)
    made = Jacobian("jacfwd", gradient, selection, has_aux, holomorphic)
    made.rename("hessian", function)
    return made


def _hvp(how: str, function: Any, has_aux: bool) -> Transformed:
    return Hvp(function, has_aux)


def _with_rule(how: str, function: Any) -> Transformed:
    return WithRule(how, function)


def _root(how: str, function: Any, residual: Any, linear_solve: Any) -> Transformed:
    return Root(function, residual, linear_solve)


def _checkpoint(how: str, function: Any) -> Transformed:
    return Checkpoint(function)


MAKERS: dict[str, Callable[..., Transformed]] = {
    "grad": _gradient,
    "value_and_grad": _gradient,
    "jvp": _jvp,
    "vjp": _split,
    "linearize": _split,
    "jacfwd": _jacobian,
    "jacrev": _jacobian,
    "jacobian": _jacobian,
    "hessian": _hessian,
    "hvp": _hvp,
    "custom_jvp": _with_rule,
    "custom_vjp": _with_rule,
    "custom_root": _root,
    "checkpoint": _checkpoint,
}
