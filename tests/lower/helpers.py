"""Running passes on IR text and on small expressions, and checking that they keep what the program means."""

from __future__ import annotations

import ast
import itertools
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.lower.programs import outcome
from tracejit.ir.core import Block, Function, Value
from tracejit.ir.text import literal, parse_function, print_function
from tracejit.ir.types import BOOL, DTYPES, INDEX, ArrayType
from tracejit.ir.verify import verify
from tracejit.lower import dce, simplify
from tracejit.ops import REGISTRY, control
from tracejit.ops.builder import Builder

Pass = Callable[[Function], object]


def parse(text: str) -> Function:
    """The function that ``text`` describes, verified."""
    function = parse_function(text, REGISTRY, {"Slot": control.Slot})
    verify(function)
    return function


def apply(function: Function, passes: Sequence[Pass], inputs: Sequence[Sequence[Any]] = ()) -> Function:
    """``function`` after ``passes``, each of which must leave valid IR that does the same on ``inputs``."""
    expected = [outcome(function, args) for args in inputs]
    function = function.clone()
    for run in passes:
        run(function)
        verify(function)
        for args, before in zip(inputs, expected):
            assert outcome(function, args) == before, f"{run} on {args}\n{function}"
    return function


def golden(before: str, after: str, *passes: Pass, inputs: Sequence[Sequence[Any]] = ()) -> None:
    """``passes`` turn the IR text ``before`` into ``after``."""
    got = print_function(apply(parse(before), passes, inputs))
    assert got == textwrap.dedent(after).lstrip("\n"), got


# --- expressions
_EDGES = {
    "b": [False, True],
    "i": [0, 1, -1, 2, -2, 7, -8],
    "u": [0, 1, 2, 7, 8],
    "f": [0.0, -0.0, 1.0, -1.5, 2.0, 3e300, float("inf"), float("-inf"), float("nan")],
    "c": [0j, 1 + 2j, complex(-0.0, 0.0), complex(float("nan"), 1)],
}


def edges(dtype: np.dtype) -> list[Any]:
    """Numbers of ``dtype`` that tell right from wrong."""
    with np.errstate(over="ignore"):
        values = [dtype.type(v) for v in _EDGES[dtype.kind]]
    if dtype.kind in "iu":
        values += [dtype.type(np.iinfo(dtype).min), dtype.type(np.iinfo(dtype).max)]
    return values


class Expression:
    """``add(x, 0)`` as a function of ``x``, ``y``, ``z`` of one type and the bools ``p``, ``q``.

    ``cast(x, f32)`` converts. Numbers take the type of ``x``. With a shape, every parameter is an array.
    """

    def __init__(self, text: str, dtype: str, shape: tuple[int, ...] = ()) -> None:
        self.dtype, self.shape = DTYPES[dtype], shape
        self.function = Function("f", Block())
        self.b = Builder(self.function.body)
        self.parameters: dict[str, Value] = {}
        for name in "xyzpq":
            t = ArrayType(BOOL if name in "pq" else self.dtype, shape)
            self.parameters[name] = self.function.body.add_param(t, name)
        self.b.return_(self.build(ast.parse(text, mode="eval").body, self.dtype))

    def build(self, node: ast.expr, dtype: np.dtype) -> Value:
        match node:
            case ast.Name(id=name) if name in self.parameters:
                return self.parameters[name]
            case ast.Call(func=ast.Name(id="cast"), args=[x, ast.Name(id=name)]):
                return self.b.cast(self.build(x, dtype), DTYPES[name])
            case ast.Call(func=ast.Name(id=name), args=args):
                primitive = REGISTRY[{"and_": "and", "or_": "or", "not_": "not"}.get(name, name)]
                logic = primitive.name in ("and", "or", "xor", "not")
                operands: list[Value] = []
                for a in args:
                    like = dtype
                    if isinstance(a, ast.Constant) and isinstance(a.value, bool) and not (logic and dtype.kind != "b"):
                        like = BOOL
                    elif operands and (primitive.name != "select" or len(operands) > 1):
                        like = operands[-1].dtype
                    operands.append(self.build(a, like))
                return self.b.apply(primitive, *operands)
            case _:
                value = eval(compile(ast.Expression(node), "", "eval"), {"nan": np.nan, "inf": np.inf})
                return self.b.fill(self.b.const(value, dtype), self.shape)

    def inputs(self) -> list[list[Any]]:
        names = {v for v in self.parameters.values() if v.users}
        cases = itertools.product(*(edges(v.dtype) if v in names else edges(v.dtype)[:1] for v in self.function.params))
        return [[np.full(self.shape, a, v.dtype) for a, v in zip(c, self.function.params)] for c in cases]


def show(v: Value) -> str:
    """A value as an expression."""
    op = v.op
    if op is None:
        return v.hint or "?"
    if op.name == "const":
        return literal(op.attrs["value"])
    if op.name == "view" and op.operands[0].rank == 0:
        return show(op.operands[0])
    args = [show(x) for x in op.operands]
    if op.name == "cast":
        args.append({t: n for n, t in DTYPES.items()}[v.dtype])
    return f"{op.name}({', '.join(args)})"


def simplified(text: str, dtype: str, shape: tuple[int, ...] = ()) -> str:
    """What an expression is simplified to; it keeps its value on every edge case."""
    expression = Expression(text, dtype, shape)
    function = apply(expression.function, [simplify.run, dce.run], expression.inputs())
    return show(function.outputs[0])


def count(function: Function, name: str) -> int:
    """How many ops of a kind there are."""
    return sum(op.name == name for op in function.walk())


__all__ = ["INDEX", "Expression", "apply", "count", "edges", "golden", "parse", "show", "simplified"]
