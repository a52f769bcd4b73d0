"""Derivatives by rules that the user gives: the ``custom`` op in forward and in reverse mode.

A rule goes one way, tangents to tangents or cotangents to cotangents. It is linear in these, so its transpose is the
rule for the other way; that it is linear is checked (:func:`check_linear`), for a rule that is not has no transpose.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from tracejit.errors import DerivativeError
from tracejit.ir.core import Block, Function, Op, Value, clone_block, inline_block
from tracejit.ops.builder import Builder
from tracejit.ops.custom import barrier, parts
from tracejit.ops.formula import known_number
from tracejit.ops.primitive import Primitive
from tracejit.transform.structure import carried, inits, inserting, is_float, is_loop


def tangents(b: Builder, op: Op, tangent: Callable[[Value], Value | None]) -> list[Value]:
    """The tangents of the results."""
    _, arguments, residuals, closed = parts(op)
    _refuse_closed(op, [v for v in closed if tangent(v) is not None])
    vectors = [b.full(0, x) if (t := tangent(x)) is None else t for x in arguments]
    return _apply(b, op, "forward", residuals, vectors)


def cotangents(b: Builder, op: Op, given: Sequence[Value], active: Container[Value]) -> list[tuple[Value, Value]]:
    """The arguments that are ``active``, each with its cotangent, from those of the results."""
    _, arguments, residuals, closed = parts(op)
    _refuse_closed(op, [v for v in closed if v in active])
    if not any(x in active for x in arguments):
        return []
    found = _apply(b, op, "backward", residuals, given)
    return [(x, ct) for x, ct in zip(arguments, found, strict=True) if x in active]


def _apply(b: Builder, op: Op, direction: str, residuals: Sequence[Value], vectors: Sequence[Value]) -> list[Value]:
    (region,) = op.regions
    block: Block = region
    if op.attrs["direction"] != direction:
        function = Function(op.attrs["name"], clone_block(region, {}), {"mutated": {}})
        wrt = range(len(residuals), len(function.params))
        check_linear(function, wrt, op)
        from tracejit.transform.vjp import transpose

        block = transpose(function, wrt).body
    return inline_block(block, [*residuals, *vectors], b.block.append)


def _refuse_closed(op: Op, varying: Sequence[Value]) -> None:
    if varying:
        raise DerivativeError(
            f"{op.attrs['name']} has a derivative rule of its own, and depends on a value that is not among its "
            "arguments, with respect to which it is differentiated, too",
            hint="an argument for what it closes over",
            loc=op.loc if op.loc.line else None,
        )


def recomputing(function: Function, wrt: Sequence[int], outputs: Sequence[int]) -> Function:
    """The rule of a function that is computed again: parameters of the function (and lengths that it computes) and
    cotangents of ``outputs`` to cotangents of the parameters ``wrt``."""
    from tracejit.transform.vjp import vjp

    quiet = function.clone()
    for op in list(quiet.walk()):
        if op.name == "callback":
            raise DerivativeError("a function that is computed again calls back into Python", loc=op.loc)
        if not op.primitive.pure and not op.results:
            op.erase()  # it has happened
    rule = vjp(quiet, wrt, outputs)
    rule.body.terminator.set_operands(rule.outputs[len(function.outputs) :])
    with inserting(rule.body, at=0) as b:
        for k in wrt:
            p = rule.params[k]
            again = b.emit(barrier, (), [p.type])[0]
            p.replace_by(again)
            assert again.op is not None
            again.op.set_operands([p])
    return rule


def check_linear(function: Function, wrt: Sequence[int], rule: Op) -> None:
    """Refuse a function that is not linear in its parameters ``wrt``, as far as that can be seen.

    Raises:
        DerivativeError: It may not be.
    """
    dependent = {function.params[k] for k in wrt}
    while _spread(function.body, dependent):
        pass
    for op in function.walk():
        which = [k for k, v in enumerate(op.operands) if v in dependent]
        if which and not _is_linear(op, which):
            way, vectors = ("jvp", "cotangents") if rule.attrs["direction"] == "backward" else ("vjp", "tangents")
            raise DerivativeError(
                f"the derivative rule of {rule.attrs['name']} is needed the other way round, for which it must be "
                f"linear in the {vectors}, and {op.name} of one is not",
                hint=f"a rule made with custom_{way}",
                loc=op.loc if op.loc.line else None,
            )


def _spread(block: Block, dependent: set[Value]) -> bool:
    """Add to ``dependent`` what is computed from it; whether anything was added."""
    before = len(dependent)
    for op in block.ops:
        for region in op.regions:
            _spread(region, dependent)
        if op.name == "if":
            _link(op.regions[0].yields, op.results, dependent)
            _link(op.regions[1].yields, op.results, dependent)
        elif is_loop(op):
            for region in op.regions:
                _link(inits(op), region.params[len(region.params) - len(op.results) :], dependent)
            _link(op.regions[-1].yields, carried(op), dependent)
            _link(op.regions[-1].yields, op.results, dependent)
            if op.name == "while":
                _link(op.regions[-1].yields, op.regions[0].params, dependent)
            _link(inits(op), op.results, dependent)
        elif any(v in dependent for v in op.operands):
            # whether a system has a solution depends on its matrix
            dependent.update(op.results[:1] if op.name == "solve" else op.results)
    return len(dependent) > before


def _link(sources: Sequence[Value], targets: Sequence[Value], dependent: set[Value]) -> None:
    dependent.update(t for v, t in zip(sources, targets) if v in dependent)


def _is_linear(op: Op, which: Sequence[int]) -> bool:
    """Whether an op is linear in the operands ``which`` together, the others being given."""
    if not all(is_float(op.operands[k]) for k in which):
        return False
    if op.primitive.terminator or is_loop(op) or op.name in ("custom", "select"):
        return True
    if op.name in ("add", "sub"):
        return all(k in which or known_number(v) == 0 for k, v in enumerate(op.operands))
    if op.name == "div":
        return list(which) == [0]
    if op.name in ("mul", "matmul"):
        return len(which) == 1
    if op.name == "solve":
        return list(which) == [1]
    primitive = op.primitive
    assert isinstance(primitive, Primitive)
    if primitive.family == "elementwise":
        return op.name in ("neg", "cast", "real", "imag", "conj", "complex")
    return primitive.transpose is not None and primitive.jvp is None
