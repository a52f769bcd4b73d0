"""Forward mode: a program that computes tangents beside its values.

The program is copied and extended in place: the ops that compute the tangent of a result follow the op that computes
the result, and control flow carries tangents beside the values it carries. A tangent that is zero everywhere is not
represented.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracejit.errors import DerivativeError
from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ops.builder import Builder
from tracejit.ops.formula import Formula, Guarded, Term
from tracejit.ops.primitive import Partial, Primitive
from tracejit.transform import custom
from tracejit.transform.activity import Activity, flows
from tracejit.transform.structure import add_result, carried, carry, carry_on, expand, inits, is_float, yield_too


def jvp(function: Function, wrt: Sequence[int]) -> Function:
    """The function that also gives directional derivatives.

    Args:
        function: An array-level function.
        wrt: Positions of the floating-point parameters that have tangents.

    Returns:
        A function whose parameters are those of ``function`` and one tangent for each of ``wrt``, and whose outputs are
        those of ``function`` and one tangent for each that is floating-point, all in order.
    """
    function = function.clone()
    inputs = [differentiable_param(function, k) for k in wrt]
    varied = Activity(function).varied(inputs)
    if expand(function, varied):
        varied = Activity(function).varied(inputs)
    tangents = {p: function.body.add_param(p.type, f"d{p.hint}" if p.hint else None) for p in inputs}
    forward = _Forward(varied, tangents)
    forward.block(function.body)
    b = Builder(Block())
    outputs = [forward.tangent(b, v) for v in function.outputs if is_float(v)]
    block, last = function.body, function.body.ops.pop()
    for op in b.block.ops:
        block.append(op)
    block.append(last)
    yield_too(block, outputs)
    return function


def differentiable_param(function: Function, k: int) -> Value:
    """Parameter ``k``, which must be floating-point."""
    p = function.params[k]
    if not is_float(p):
        raise DerivativeError(
            f"{function.name} cannot be differentiated with respect to its parameter {k}, which is {p.type}: "
            "derivatives are taken with respect to floating-point numbers"
        )
    return p


class _Forward:
    def __init__(self, varied: set[Value], tangents: dict[Value, Value]) -> None:
        self.varied = varied
        self.tangents = tangents

    def tangent(self, b: Builder, v: Value) -> Value:
        """The tangent of ``v``; zeros, when it does not vary."""
        found = self.tangents.get(v)
        return b.full(0, v) if found is None else found

    def block(self, block: Block) -> None:
        ops, block.ops = block.ops, []
        b = Builder(block)
        for op in ops:
            b.loc = op.loc.as_role("tangent", op.name)
            if op.name == "if":
                block.append(op)
                self.branch(op)
            elif op.name in ("for", "while"):
                self.loop(b, op)
            elif op.name == "custom":
                block.append(op)
                if any(r in self.varied for r in op.results):
                    self.tangents.update(zip(op.results, custom.tangents(b, op, self.tangents.get)))
            else:
                block.append(op)
                if any(r in self.varied for r in op.results):
                    self.tangents[op.results[0]] = self.rule(b, op)

    def branch(self, op: Op) -> None:
        slots = [k for k, r in enumerate(op.results) if r in self.varied]
        for arm in op.regions:
            self.block(arm)
            last = arm.ops.pop()
            b = Builder(arm, last.loc)
            values = [self.tangent(b, last.operands[k]) for k in slots]
            arm.append(last)
            yield_too(arm, values)
        for k in slots:
            r = op.results[k]
            self.tangents[r] = add_result(op, r.type, r.hint)

    def loop(self, b: Builder, op: Op) -> None:
        params = carried(op)
        slots = [k for k, p in enumerate(params) if p in self.varied]
        starts = [self.tangent(b, inits(op)[k]) for k in slots]
        b.block.append(op)
        for k, start in zip(slots, starts):
            p, r = params[k], op.results[k]
            self.tangents[p], self.tangents[r] = carry(op, start, p.type, p.hint)
        body = op.regions[-1]
        self.block(body)
        last = body.ops.pop()
        inner = Builder(body, last.loc)
        values = [self.tangent(inner, last.operands[k]) for k in slots]
        body.append(last)
        carry_on(op, values)

    def rule(self, b: Builder, op: Op) -> Value:
        """The tangent of the only result of ``op``."""
        primitive = op.primitive
        assert isinstance(primitive, Primitive)
        if sum(map(is_float, op.results)) != 1 or not is_float(op.results[0]):
            raise no_derivative(op)
        tangents = [self.tangents.get(v) if flows(op, k) else None for k, v in enumerate(op.operands)]
        if primitive.jvp is not None:
            found: Value = primitive.jvp(b, op, tangents)
            return found
        if primitive.family == "elementwise":
            return self.elementwise(b, op, tangents)
        if primitive.transpose is None:
            raise no_derivative(op)
        operands = [self.tangent(b, v) if is_float(v) else v for v in op.operands]
        return b.emit(primitive, operands, [op.result.type], op.attrs)[0]

    def elementwise(self, b: Builder, op: Op, tangents: Sequence[Value | None]) -> Value:
        f = Formula(b)
        total: Term | None = None
        terms = [Term(b, v) for v in (op.result, *op.operands)]
        for k, rule in enumerate(partials_of(op)):
            t = tangents[k]
            if t is None or rule is None:
                continue
            term = (rule[0] if isinstance(rule, tuple) else rule)(f, Term(b, t), *terms)
            if isinstance(term, Guarded):
                term = f.select(term.condition, term.term, 0.0)
            total = term if total is None else total + term
        assert total is not None
        return total.value


def partials_of(op: Op) -> tuple[Partial, ...]:
    """The derivative rules of an elementwise op."""
    assert isinstance(op.primitive, Primitive)
    partials = op.primitive.partials_for(op.operands[0].dtype)
    if partials is None:
        raise no_derivative(op)
    return partials


def no_derivative(op: Op) -> DerivativeError:
    return DerivativeError(
        f"{op.name} has no derivative",
        hint="custom_jvp or custom_vjp around it, with a rule of your own; stop_gradient, if its derivative is zero",
        loc=op.loc if op.loc.line else None,
    )
