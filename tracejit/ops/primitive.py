"""What an op means: the declaration that every primitive has, and the registry of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from tracejit.ir.core import Op, PrimitiveBase
from tracejit.ir.types import Type

Family: TypeAlias = Literal[
    "elementwise", "reduction", "structural", "library", "collective", "control", "effect", "loop"
]
Attrs: TypeAlias = Mapping[str, Any]
InferRule: TypeAlias = Callable[[Sequence[Type], Attrs], tuple[Type, ...]]
Evaluate: TypeAlias = Callable[..., Any]
Partial: TypeAlias = "Callable[..., Any] | tuple[Callable[..., Any], Callable[..., Any]] | None"
Partials: TypeAlias = "tuple[Partial, ...] | Mapping[str, tuple[Partial, ...]]"

Derivative: TypeAlias = Literal["rules", "zero", "undefined", "structure"]
"""How an op is differentiated: by rules of its own; not at all, because it is constant wherever it is smooth, or
because nobody can say (an error at the user's line); or by what the transforms know of control flow."""

Kind: TypeAlias = Literal["python", "numpy", "array"]
"""What a value is to the user: a Python scalar, a NumPy scalar, or an array (also of rank 0)."""

REGISTRY: dict[str, Primitive] = {}
"""Every primitive by name, in order of declaration; tests iterate over it."""


class Primitive(PrimitiveBase):
    """One operation, declared in one place.

    Args:
        name: Name in IR text, unique.
        family: What kind of op it is; families share defaults (type rule, batching, fusion).
        infer: Type rule: operand types and attributes to result types. None when the caller must say the result types
            (shapes that are not a function of the operand types, such as those of ``view``).
        evaluate: The NumPy meaning, ``evaluate(operands, attrs, result_types) -> result | tuple of results`` on
            concrete arrays, where ``result_types`` have int shapes. None for control flow and effects, which the
            interpreter itself defines.
        codegen: How one element is computed, by dtype kind (``"b" "i" "u" "f" "c"``) of the first operand; see
            :mod:`tracejit.codegen.llvm`. Elementwise ops only.
        partials: Derivatives of an elementwise op, one entry per operand: None where the derivative is zero, else a
            rule ``(f, t, y, *x)`` giving ``t`` times the partial derivative (see :mod:`tracejit.ops.formula`), or a
            pair of rules, for tangents and for cotangents, where these differ (complex functions that are not
            holomorphic). A mapping from dtype kinds to such tuples where kinds differ.
        transpose: How a cotangent of the result reaches a floating-point operand of an op that is linear in those (or
            in each of them), ``transpose(b, op, ct, k)``: the cotangent of operand ``k``, or a function that adds it
            to one already there, for ops that concern a part of the operand only.
        jvp: The tangent of the result, ``jvp(b, op, tangents)`` with one tangent or None per operand, where it is not
            the op itself applied to the tangents.
        expand: The results in terms of other ops, ``expand(b, op)``; differentiated in the place of ops without rules
            of their own.
        derivative: What to know of an op without such rules, see :data:`Derivative`. Every op says one or the other.
        batch: What it becomes for many lanes at once, where the family's default does not fit (see
            :mod:`tracejit.ops.batching`); an op without either runs lane by lane.
        pure: See :class:`~tracejit.ir.core.PrimitiveBase`.
        terminator: Ends a block.
        commutative: Operands of a binary op may be swapped.
    """

    def __init__(
        self,
        name: str,
        family: Family,
        *,
        infer: InferRule | None = None,
        evaluate: Evaluate | None = None,
        codegen: Mapping[str, str] | None = None,
        partials: Partials | None = None,
        transpose: Callable[..., Any] | None = None,
        jvp: Callable[..., Any] | None = None,
        expand: Callable[..., Any] | None = None,
        derivative: Derivative | None = None,
        batch: Callable[..., Any] | None = None,
        pure: bool = True,
        terminator: bool = False,
        commutative: bool = False,
    ) -> None:
        if name in REGISTRY:
            raise ValueError(f"primitive {name!r} is declared twice")
        self.name = name
        self.family = family
        self.infer = infer
        self.evaluate = evaluate
        self.codegen = codegen or {}
        self.partials = partials
        self.transpose = transpose
        self.jvp = jvp
        self.expand = expand
        ruled = any(rule is not None for rule in (partials, transpose, jvp, expand))
        self.derivative: Derivative | None = "rules" if ruled else derivative
        self.batch = batch
        self.pure = pure
        self.terminator = terminator
        self.commutative = commutative
        REGISTRY[name] = self

    def partials_for(self, dtype: np.dtype[Any]) -> tuple[Partial, ...] | None:
        """The derivative rules for operands (the first one) of ``dtype``; None when there are none."""
        if isinstance(self.partials, Mapping):
            return self.partials.get(dtype.kind)
        return self.partials

    def problem(self, op: Op) -> str | None:
        from tracejit.ops.wellformed import problem

        return problem(op)


def quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` without NumPy's floating-point warnings: ops are total, a result of inf or nan is a result."""

    def evaluate(*args: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*args)

    return evaluate


def as_kind(x: np.ndarray[Any, Any], kind: Kind) -> Any:
    """The contents ``x`` of a value as the object the user sees."""
    if kind == "python":
        return x.item()
    return x[()] if kind == "numpy" else x
