"""The little language in which derivative rules of elementwise ops are written.

A rule is a function ``(f, t, y, *x)`` of a :class:`Formula`, a tangent or cotangent ``t``, the op's result ``y`` and
its operands ``x``, all of one shape. It returns ``t`` times the partial derivative, as :class:`Term`\\ s with
operators::

    sin = elementwise(..., partials=(lambda f, t, y, x: t * f.cos(x),))

Because multiplying by a partial derivative at every index is its own transpose, one rule serves both modes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from tracejit.ir.core import Value
from tracejit.ops.builder import Builder
from tracejit.ops.effects import constant
from tracejit.ops.primitive import REGISTRY, Primitive
from tracejit.record import record

Number: TypeAlias = "int | float | complex"


class Term:
    """A value in a formula. A number beside it becomes an array of its shape and dtype."""

    __slots__ = ("b", "value")

    def __init__(self, b: Builder, value: Value) -> None:
        self.b = b
        self.value = value

    @property
    def kind(self) -> str:
        """The kind of its dtype: ``"f"``, ``"c"``, ..."""
        return str(self.value.dtype.kind)

    def _apply(self, name: str, *operands: Term | Number) -> Term:
        values = [x.value if isinstance(x, Term) else self.b.full(x, self.value) for x in operands]
        return Term(self.b, self.b.apply(REGISTRY[name], *values))

    def __add__(self, other: Term | Number) -> Term:
        return self._apply("add", self, other)

    def __radd__(self, other: Number) -> Term:
        return self._apply("add", other, self)

    def __sub__(self, other: Term | Number) -> Term:
        return self._apply("sub", self, other)

    def __rsub__(self, other: Number) -> Term:
        return self._apply("sub", other, self)

    def __mul__(self, other: Term | Number) -> Term:
        return self._apply("mul", self, other)

    def __rmul__(self, other: Number) -> Term:
        return self._apply("mul", other, self)

    def __truediv__(self, other: Term | Number) -> Term:
        return self._apply("div", self, other)

    def __rtruediv__(self, other: Number) -> Term:
        return self._apply("div", other, self)

    def __neg__(self) -> Term:
        return self._apply("neg", self)


@record(frozen=True)
class Guarded:
    """What a rule returns for an operand that counts only where ``condition`` holds: ``term`` there, else zero.

    Reverse mode keeps the two apart until it must not, so that what ``term`` becomes on the way to the inputs (inf or
    nan, say) never matters where the condition is false.
    """

    term: Term
    condition: Term


class Formula:
    """What rules build terms with; ``f.cos(x)`` applies the primitive ``cos``, for any elementwise primitive."""

    def __init__(self, b: Builder) -> None:
        self.b = b

    def __getattr__(self, name: str) -> Callable[..., Term]:
        primitive: Primitive = REGISTRY[name.rstrip("_")]
        return lambda *operands: self._apply(primitive, operands)

    def _apply(self, primitive: Primitive, operands: tuple[Term | Number, ...]) -> Term:
        like = next(x.value for x in operands if isinstance(x, Term))
        values = [x.value if isinstance(x, Term) else self.b.full(x, like) for x in operands]
        return Term(self.b, self.b.apply(primitive, *values))

    def select(self, condition: Term, a: Term | Number, b: Term | Number) -> Term:
        """``a`` where the condition holds, else ``b``; one of the two is a term."""
        like = a if isinstance(a, Term) else b
        assert isinstance(like, Term)
        values = [x.value if isinstance(x, Term) else self.b.full(x, like.value) for x in (a, b)]
        return Term(self.b, self.b.apply(REGISTRY["select"], condition.value, *values))

    def cast(self, x: Term, dtype: np.dtype[Any]) -> Term:
        return Term(self.b, self.b.cast(x.value, dtype))

    def guard(self, condition: Term, term: Term) -> Guarded:
        return Guarded(term, condition)

    def number(self, x: Term) -> Any:
        """The number that ``x`` is known to hold at every index, or None."""
        return known_number(x.value)


def known_number(v: Value) -> Any:
    """The number that ``v`` is known to hold at every index, or None."""
    op = v.op
    if op is not None and op.name == "view" and not op.operands[0].rank:
        v = op.operands[0]
    return constant(v)
