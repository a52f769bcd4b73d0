"""Whole Jacobians: the linear part of a derivative, applied to all basis vectors.

The program runs once. Then the linear part computes columns (forward mode: one per element of an input) or rows
(reverse mode: one per element of an output) from the residuals: all at once, as the lanes of a batch, or one after the
other in a loop where this would take much memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tracejit.errors import DerivativeError
from tracejit.ir.core import Function, Value, inline_block
from tracejit.ir.types import ArrayType
from tracejit.ops import elementwise as e
from tracejit.ops.builder import Builder
from tracejit.transform.batch import batch
from tracejit.transform.structure import elements, is_float
from tracejit.transform.vjp import split, transpose

Mode = Literal["forward", "reverse"]

_AT_ONCE = 2**23
"""Elements that an array may have for all basis vectors together."""
_UNKNOWN = 1024
"""What a run-time length is taken to be."""


def jacobian(function: Function, wrt: int, output: int, mode: Mode) -> Function:
    """:func:`jacobians` of one output with respect to one input."""
    return jacobians(function, [wrt], [output], mode)


def jacobians(function: Function, wrt: Sequence[int], outputs: Sequence[int], mode: Mode) -> Function:
    """The function that also gives the derivative of each element of outputs with respect to each of inputs.

    Args:
        function: An array-level function.
        wrt: Positions of floating-point parameters.
        outputs: Positions of floating-point outputs.
        mode: Which way to go: forward mode costs as much as the program for each element of the inputs, reverse mode
            for each element of the outputs.

    Returns:
        A function with the parameters of ``function`` that gives its outputs and then, for each of ``outputs``, for
        each of ``wrt``, an array whose shape is that of the output followed by that of the input.
    """
    for k in outputs:
        _check(function, k, wrt, mode)
    parts = split(function, wrt, outputs)
    whole, count = parts.forward, len(function.outputs)
    last = whole.body.ops.pop()
    primal, residuals = last.operands[:count], last.operands[count:]
    xs, ys = [whole.params[k] for k in wrt], [primal[k] for k in outputs]
    b = Builder(whole.body)
    given, found = (xs, ys) if mode == "forward" else (ys, xs)
    linear = _one_by_one(parts.backward, len(given), len(found), mode)
    table = [_matrices(b, part, residuals, v, found) for part, v in zip(linear, given)]
    ordered = []
    for k, y in enumerate(ys):
        for i, x in enumerate(xs):
            matrix = b.transpose(table[i][k], (1, 0)) if mode == "forward" else table[k][i]
            ordered.append(b.reshape(matrix, (*y.shape, *x.shape)))
    last.set_operands([*primal, *ordered])
    whole.body.append(last)
    return whole


def _check(function: Function, output: int, wrt: Sequence[int], mode: Mode) -> None:
    y = function.outputs[output]
    if not is_float(y):
        raise DerivativeError(f"output {output} of {function.name} is {y.type}: it has no derivative")
    for k in wrt:
        x = function.params[k]
        given, found = (x, y) if mode == "forward" else (y, x)
        if given.dtype.kind == "c" and found.dtype.kind != "c":
            other = "reverse" if mode == "forward" else "forward"
            raise DerivativeError(
                f"a derivative from {x.dtype} to {y.dtype} is not linear in complex numbers: {mode} mode cannot "
                f"compute a Jacobian of it, {other} mode can"
            )


def _one_by_one(backward: Function, given: int, found: int, mode: Mode) -> list[Function]:
    """For each given vector a linear function of residuals and it alone, the other vectors being zero."""
    first = len(backward.params) - (found if mode == "forward" else given)
    if mode == "reverse":
        if given == 1:
            return [backward]
        # backward again from each of its inputs alone
        forward = transpose(backward, range(first, first + given))
        return [transpose(_only(forward, k), range(first, first + found)) for k in range(given)]
    return [transpose(_only(backward, k), range(first, first + found)) for k in range(given)]


def _only(function: Function, output: int) -> Function:
    """A copy of a function with one of its outputs."""
    copy = function.clone()
    copy.body.terminator.set_operands([copy.outputs[output]])
    return copy


def _matrices(
    b: Builder, linear: Function, residuals: Sequence[Value], given: Value, found: Sequence[Value]
) -> list[Value]:
    """What ``linear`` makes of each basis vector like ``given``, a row each; a matrix per output."""
    rows = b.dim_product(given.shape)
    columns = [b.dim_product(v.shape) for v in found]
    if isinstance(rows, int) and rows * _largest(linear) <= _AT_ONCE:
        whole = batch(linear, [None] * (len(linear.params) - 1) + [0], None, rows)
        basis = b.reshape(_identity(b, rows, given), (rows, *given.shape))
        results = inline_block(whole.body, [*residuals, basis], b.block.append)
        return [b.reshape(r, (rows, n)) for r, n in zip(results, columns)]

    def row(b: Builder, i: Value, *matrices: Value) -> list[Value]:
        basis = b.fill(b.const(0, given.dtype), (rows,))
        basis = b.reshape(b.update(basis, b.const(1, given.dtype), (i,), (), ()), given.shape)
        results = inline_block(linear.body, [*residuals, basis], b.block.append)
        return [b.update(m, b.reshape(r, (n,)), (i, 0), ((1, 0),), (1,)) for m, r, n in zip(matrices, results, columns)]

    empty = [b.empty(v.dtype, (rows, n)) for v, n in zip(linear.outputs, columns)]
    return b.for_(0, rows, 1, empty, row)


def _identity(b: Builder, n: int, like: Value) -> Value:
    """The basis vectors, a row each. Its zeros are no numbers but the absence of any: attribute ``basis`` says that
    a product with infinity is not to be feared."""
    i = b.iota(n)
    rows, columns = (b.view(i, (n, n), (0,), ((0, axis),), (1,)) for axis in (0, 1))
    t = ArrayType(like.dtype, (n, n))
    return b.emit(e.cast, (b.apply(e.eq, rows, columns),), (t,), {"basis": True})[0]


def _largest(function: Function) -> int:
    """The most elements that a value in a function has."""
    return max(elements(r.type, _UNKNOWN) for op in function.walk() for r in (*op.operands, *op.results))
