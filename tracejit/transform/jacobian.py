"""Whole Jacobians: the linear part of a derivative, applied to one basis vector after the other.

The program runs once. Then a loop goes over the elements of the input (forward mode) or of the output (reverse mode)
and computes a column or a row from the residuals.
"""

from __future__ import annotations

from typing import Literal

from tracejit.errors import DerivativeError
from tracejit.ir.core import Function, Value, inline_block
from tracejit.ops.builder import Builder
from tracejit.transform.structure import is_float
from tracejit.transform.vjp import Split, linearize, split


def jacobian(function: Function, wrt: int, output: int, mode: Literal["forward", "reverse"]) -> Function:
    """The function that also gives the derivative of each element of an output with respect to each of an input.

    Args:
        function: An array-level function.
        wrt: Position of a floating-point parameter.
        output: Position of a floating-point output.
        mode: Which way to go: forward mode costs as much as the program for each element of the input, reverse mode
            for each element of the output.

    Returns:
        A function with the parameters of ``function`` that gives its outputs and, last, an array whose shape is that of
        the output followed by that of the input.
    """
    y = function.outputs[output]
    if not is_float(y):
        raise DerivativeError(f"output {output} of {function.name} is {y.type}: it has no derivative")
    if y.dtype != function.params[wrt].dtype and "c" in (y.dtype.kind, function.params[wrt].dtype.kind):
        raise DerivativeError("the Jacobian of a function between real and complex numbers is not a matrix of numbers")
    if mode == "forward":
        parts = linearize(function, [wrt])
        which = [k for k, v in enumerate(function.outputs) if is_float(v)].index(output)
    else:
        parts, which = split(function, [wrt], [output]), 0
    return _rows(parts, len(function.outputs), wrt, output, which, mode)


def _rows(
    parts: Split, count: int, wrt: int, output: int, which: int, mode: Literal["forward", "reverse"]
) -> Function:
    whole, linear = parts.forward, parts.backward
    body = whole.body
    last = body.ops.pop()
    outputs, residuals = last.operands[:count], last.operands[count:]
    x, y = whole.params[wrt], outputs[output]
    given, found = (x, y) if mode == "forward" else (y, x)
    dtype = linear.outputs[which].dtype
    b = Builder(body)
    rows, columns = b.dim_product(given.shape), b.dim_product(found.shape)

    def row(b: Builder, i: Value, matrix: Value) -> list[Value]:
        basis = b.fill(b.const(0, given.dtype), (rows,))
        basis = b.reshape(b.update(basis, b.const(1, given.dtype), (i,), (), ()), given.shape)
        result = inline_block(linear.body, [*residuals, basis], b.block.append)[which]
        flat = b.reshape(result, (columns,))
        return [b.update(matrix, flat, (i, 0), ((1, 0),), (1,))]

    matrix = b.for_(0, rows, 1, [b.empty(dtype, (rows, columns))], row)[0]
    if mode == "forward":
        matrix = b.transpose(matrix, (1, 0))
    last.set_operands([*outputs, b.reshape(matrix, (*y.shape, *x.shape))])
    body.append(last)
    return whole
