"""Simplification: constants folded, algebra that never changes a value, control flow that is decided already.

One walk in order of execution; an op is looked at after its operands, and an op that a rule makes is looked at like any
other. The rules: :mod:`tracejit.lower.algebra` (elementwise), :mod:`tracejit.lower.views` (structural),
:mod:`tracejit.lower.matrices` (products),
:mod:`tracejit.lower.branches` (control flow).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

import numpy as np

from tracejit.ir.core import Function, Op, Value
from tracejit.ir.types import BOOL, ArrayType
from tracejit.lower import algebra, branches, matrices, views
from tracejit.lower.rewriter import Rewriter, dimension_is, filled
from tracejit.ops import structural
from tracejit.ops.primitive import Primitive

_ROUNDS = 3
_FOLDED_ELEMENTS = 64
_NOT_FOLDED = frozenset({"const", "empty", "nonzero"})


def run(function: Function) -> None:
    """Simplify ``function`` until nothing changes (a few rounds at most)."""
    for _ in range(_ROUNDS):
        simplifier = Simplifier()
        simplifier.block(function.body)
        if not simplifier.again:
            return


def flatten(function: Function) -> None:
    """Simplify ``function``, and let branches with little in them become choices (``select``)."""
    for k in range(_ROUNDS):
        simplifier = Simplifier(flatten=k == 0)
        simplifier.block(function.body)
        if not simplifier.again:
            return


class Simplifier(Rewriter):
    """The walk.

    Attributes:
        flatten: Whether branches with little in them are computed both and chosen from.
        again: Whether something was learnt about a loop after its body had been walked through.
        known: Bool scalars whose value is known here, because of the branch or loop around.
    """

    def __init__(self, flatten: bool = False) -> None:
        super().__init__()
        self.flatten = flatten
        self.again = False
        self.known: dict[Value, bool] = {}

    def visit(self, op: Op) -> None:
        before, self.loc = self.loc, op.loc
        self.simplify(op)
        self.loc = before

    def simplify(self, op: Op) -> None:
        if self.known:
            for v in op.operands:
                if v in self.known:
                    op.replace_operand(v, self.const(self.known[v], BOOL))
        if op.name == "const":
            value = op.attrs["value"]
            if op.result.dim_users and isinstance(value, int):
                dimension_is(op.result, value)
            self.keep(op)
            return
        rule = _CONTROL.get(op.name)
        if rule is not None:
            rule(self, op)
            return
        primitive = op.primitive
        if not isinstance(primitive, Primitive) or len(op.results) != 1 or op.regions:
            self.keep(op)
            return
        new = self.fold(op)
        if new is None and primitive.family == "elementwise":
            new = self.fold_fills(op, primitive)
        if new is None:
            replacement = _RULES.get(op.name)
            new = replacement(self, op) if replacement is not None else None
        if new is None:
            self.keep(op)
        else:
            self.replace(op, (new,))

    def fold(self, op: Op) -> Value | None:
        """The result of an op on constants, computed now by NumPy, as the program itself would have."""
        primitive, t = op.primitive, op.result.type
        if not isinstance(primitive, Primitive) or primitive.evaluate is None or op.name in _NOT_FOLDED:
            return None
        if not op.operands or not isinstance(t, ArrayType) or not t.is_static:
            return None
        for v in op.operands:
            if v.op is None or v.op.name != "const":
                return None
        if t.shape and op.operands[0].rank == 0:
            return None
        sizes = (prod(d for d in v.type.shape if isinstance(d, int)) for v in (*op.operands, op.result))
        if max(sizes) > _FOLDED_ELEMENTS:
            return None
        operands = [np.asarray(v.op.attrs["value"], v.dtype) for v in op.operands if v.op is not None]
        from tracejit.ops.interpret import evaluate_op

        (result,) = evaluate_op(op, operands)
        if not t.shape:
            return self.const(result.item(), t.dtype)
        result = np.array(result, t.dtype)
        result.flags.writeable = False
        return self.emit(structural.const, (), (t,), {"value": result})[0]

    def fold_fills(self, op: Op, primitive: Primitive) -> Value | None:
        """An elementwise op on arrays that hold one number everywhere is done once, on scalars."""
        t = op.result.type
        if not t.shape:
            return None
        scalars = [filled(v) for v in op.operands]
        if None in scalars:
            return None
        operands = [v for v in scalars if v is not None]
        x = self.emit(primitive, operands, (ArrayType(t.dtype),), op.attrs)[0]
        return self.fill(x, t)


_Rule = Callable[[Simplifier, Op], "Value | None"]
_RULES: Mapping[str, _Rule] = {**algebra.RULES, **views.RULES, **matrices.RULES}
_CONTROL: Mapping[str, Callable[[Simplifier, Op], None]] = branches.RULES
