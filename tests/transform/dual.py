"""The interpreter on dual numbers: every value carries how it moves, op by op, with formulas of its own.

A second way to derivatives, independent of the rules in the registry: nothing here builds or changes programs.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ops.interpret import _Run
from tracejit.transform.structure import is_float

Array = np.ndarray[Any, Any]


def dual_run(
    function: Function, arguments: Sequence[Any], wrt: Sequence[int], tangents: Sequence[Array]
) -> tuple[list[Array], list[Array]]:
    """The outputs of ``function``, and the tangents of those that are floating-point."""
    run = _Dual()
    run.bind(function.params, [run.argument(p, a) for p, a in zip(function.params, arguments, strict=True)], None)
    for k, t in zip(wrt, tangents, strict=True):
        run.tangents[function.params[k]] = t
    with np.errstate(all="ignore"):
        outputs = run.block(function.body)
        moved = [run.tangent(v) for v in function.outputs if is_float(v)]
    return outputs, moved


def decisions(function: Function, arguments: Sequence[Any]) -> bytes:
    """A digest of everything that the program decides by comparing: where two runs agree in it, no predicate flips
    between them."""
    run = _Dual()
    run.bind(function.params, [run.argument(p, a) for p, a in zip(function.params, arguments, strict=True)], None)
    quiet = np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO())
    with quiet[0], quiet[1], contextlib.suppress(_Raised):
        run.block(function.body)
    return run.decided.digest()


class _Raised(Exception):
    """A check failed."""


class _Dual(_Run):
    def __init__(self) -> None:
        super().__init__()
        self.tangents: dict[Value, Array] = {}
        self.decided = hashlib.sha256()

    def tangent(self, v: Value) -> Array:
        found = self.tangents.get(v)
        return np.zeros_like(self.env[v]) if found is None else found

    def move(self, values: Sequence[Value], tangents: Sequence[Array | None]) -> None:
        for v, t in zip(values, tangents, strict=True):
            if t is None:
                self.tangents.pop(v, None)
            else:
                self.tangents[v] = np.asarray(t, v.dtype)

    def of(self, values: Sequence[Value]) -> list[Array | None]:
        return [self.tangents.get(v) for v in values]

    # --- control flow
    def region(self, block: Block, values: Sequence[Any], tangents: Sequence[Array | None], op: Op) -> Any:
        self.bind(block.params, values, op)
        self.move(block.params, tangents)
        return self.block(block), self.of(block.yields)

    def op(self, op: Op) -> None:
        moved: Sequence[Array | None]
        operands = [self.env[v] for v in op.operands]
        if op.name == "check" and not operands[0]:
            self.decided.update(b"raised")
            raise _Raised
        if op.name == "if":
            results, moved = self.region(op.regions[0 if operands[0] else 1], [], [], op)
        elif op.name == "for":
            start, stop, step = (int(v) for v in operands[:3])
            results, moved = operands[3:], self.of(op.operands[3:])
            for i in range(start, stop, step):
                results, moved = self.region(op.regions[0], [np.array(i), *results], [None, *moved], op)
        elif op.name == "while":
            results, moved = operands, self.of(op.operands)
            while self.region(op.regions[0], results, moved, op)[0][0]:
                results, moved = self.region(op.regions[1], results, moved, op)
        else:
            super().op(op)
            self.note(op)
            active = any(v in self.tangents for v in op.operands) and any(is_float(r) for r in op.results)
            # the first result moves, the others only say how it went
            self.move(op.results, [self.rule(op) if active and k == 0 else None for k in range(len(op.results))])
            return
        self.bind(op.results, results, op)
        self.move(op.results, moved)

    # --- other ops
    def note(self, op: Op) -> None:
        """Remember what ``op`` decided: integers, bools and steps, and which of two or more was the least."""
        y = [self.env[r] for r in op.results]
        if op.name in _STEPS or any(r.dtype.kind in "biu" for r in op.results):
            found = y
        elif op.name in ("minimum", "maximum", "fmin", "fmax"):
            a, b = (self.env[v] for v in op.operands)
            found = [a < b, a == b]
        elif op.name in ("reduce_min", "reduce_max"):
            found = [self.env[op.operands[0]] == np.expand_dims(y[0], op.attrs["axes"])]
        elif op.name == "sort":
            found = [np.argsort(self.env[op.operands[0]], axis=-1, kind="stable")]
        elif op.name in ("abs", "mod") and op.operands[0].dtype.kind == "f":
            x = [self.env[v] for v in op.operands]
            found = [np.sign(x[0]) if op.name == "abs" else np.floor_divide(*x)]
        elif op.name in ("sqrt", "log", "pow") and op.operands[0].dtype.kind == "c":
            found = [np.signbit(self.env[op.operands[0]].imag)]  # the side of the cut
        else:
            return
        for x in found:
            self.decided.update(np.ascontiguousarray(x).tobytes())

    def rule(self, op: Op) -> Array:
        y = self.env[op.results[0]]
        x = [self.env[v] for v in op.operands]
        t = [self.tangent(v) if is_float(v) else None for v in op.operands]
        if op.name in _PARTIALS:
            parts = _PARTIALS[op.name]
            total = np.zeros_like(y)
            for k, partial in enumerate(parts):
                if op.operands[k] in self.tangents and partial is not _zero:
                    total = total + partial(*x, y) * t[k]
            return np.asarray(total, y.dtype)
        if op.name in _LINEAR:
            given = [b if a is None else a for a, b in zip(t, x)]
            types = [self.resolve(r.type, op) for r in op.results]
            return np.asarray(op.primitive.evaluate(given, op.attrs, types))  # type: ignore[attr-defined]
        return np.asarray(_OTHERS[op.name](op, x, t, y), y.dtype)


def _share(wins: Callable[[Array, Array], Array]) -> tuple[Callable[..., Array], Callable[..., Array]]:
    def weight(a: Array, b: Array) -> Array:
        return np.where(a == b, 0.5, np.where(wins(a, b), 1.0, 0.0)).astype(a.dtype)

    return lambda a, b, y: weight(a, b), lambda a, b, y: weight(b, a)


def _power_of(a: Array, b: Array, y: Array) -> Array:
    return np.where(b == 0, 0.0, b * np.power(a, np.where(b == 0, 1.0, b - 1)))


def _ratio(a: Array, b: Array) -> Array:
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)


_STEPS = frozenset({"floordiv", "floor", "ceil", "trunc", "rint"})

_zero = lambda *x: 0.0  # noqa: E731
_PARTIALS: dict[str, tuple[Callable[..., Any], ...]] = {
    "add": (lambda a, b, y: 1.0, lambda a, b, y: 1.0),
    "sub": (lambda a, b, y: 1.0, lambda a, b, y: -1.0),
    "mul": (lambda a, b, y: b, lambda a, b, y: a),
    "div": (lambda a, b, y: 1 / b, lambda a, b, y: -y / b),
    "neg": (lambda x, y: -1.0,),
    "pow": (_power_of, lambda a, b, y: np.where(a == 0, 0.0, y * np.log(np.where(a == 0, 1.0, a)))),
    "floordiv": (_zero, _zero),
    "mod": (lambda a, b, y: 1.0, lambda a, b, y: -np.floor(a / b)),
    "minimum": _share(np.less),
    "maximum": _share(np.greater),
    "fmin": _share(lambda a, b: (a < b) | np.isnan(b)),
    "fmax": _share(lambda a, b: (a > b) | np.isnan(b)),
    "copysign": (lambda a, b, y: np.copysign(1.0, a) * np.copysign(1.0, b), _zero),
    "floor": (_zero,), "ceil": (_zero,), "trunc": (_zero,), "rint": (_zero,),
    "sqrt": (lambda x, y: 0.5 / y,),
    "exp": (lambda x, y: np.exp(x),),
    "expm1": (lambda x, y: np.exp(x),),
    "log": (lambda x, y: 1 / x,),
    "log1p": (lambda x, y: 1 / (1 + x),),
    "log2": (lambda x, y: 1 / (x * np.log(2)),),
    "log10": (lambda x, y: 1 / (x * np.log(10)),),
    "sin": (lambda x, y: np.cos(x),),
    "cos": (lambda x, y: -np.sin(x),),
    "tan": (lambda x, y: 1 / np.cos(x) ** 2,),
    "asin": (lambda x, y: 1 / np.sqrt(1 - x * x),),
    "acos": (lambda x, y: -1 / np.sqrt(1 - x * x),),
    "atan": (lambda x, y: 1 / (1 + x * x),),
    "atan2": (lambda a, b, y: b / (a * a + b * b), lambda a, b, y: -a / (a * a + b * b)),
    "sinh": (lambda x, y: np.cosh(x),),
    "cosh": (lambda x, y: np.sinh(x),),
    "tanh": (lambda x, y: 1 / np.cosh(x) ** 2,),
    "cbrt": (lambda x, y: 1 / (3 * np.cbrt(x) ** 2),),
    "hypot": (lambda a, b, y: _ratio(a, y), lambda a, b, y: _ratio(b, y)),
}  # fmt: skip
"""What a movement of an operand is multiplied by, given the operands and the result."""

_LINEAR = frozenset(
    {"select", "cast", "real", "imag", "conj", "complex", "view", "update", "reshape", "gather", "scatter", "concat",
     "reduce_sum"}
)  # fmt: skip
"""Ops that move as they compute: applied to the tangents (and to what is no floating-point operand as it is)."""


def _abs(op: Op, x: list[Array], t: list[Any], y: Array) -> Array:
    if x[0].dtype.kind != "c":
        return np.sign(x[0]) * t[0]
    return _ratio((np.conj(x[0]) * t[0]).real, y)


def _sign(op: Op, x: list[Array], t: list[Any], y: Array) -> Array:
    if x[0].dtype.kind != "c":
        return np.zeros_like(y)
    size = np.abs(x[0]).astype(y.dtype)
    return _ratio(t[0] - y * (np.conj(y) * t[0]).real, size)


def _product(op: Op, x: list[Array], t: list[Any], y: Array) -> Array:
    axes = op.attrs["axes"]
    a, d = (np.moveaxis(v, axes, range(len(axes))).reshape((-1, *y.shape)) for v in (x[0], t[0]))
    value, moved = np.ones(y.shape, y.dtype), np.zeros(y.shape, y.dtype)
    for factor, change in zip(a, d):
        value, moved = value * factor, moved * factor + value * change
    return moved


def _extremum(op: Op, x: list[Array], t: list[Any], y: Array) -> Array:
    axes = op.attrs["axes"]
    chosen = x[0] == np.expand_dims(y, axes)
    count = chosen.sum(axis=axes)
    return np.asarray(_ratio(np.where(chosen, t[0], 0).sum(axis=axes), count.astype(y.dtype)))


def _matmul(op: Op, x: list[Array], t: list[Any], y: Array) -> Array:
    return np.asarray(t[0] @ x[1] + x[0] @ t[1])


def _sort(op: Op, x: list[Array], t: list[Any], y: Array) -> Array:
    return np.take_along_axis(t[0], np.argsort(x[0], axis=-1), axis=-1)


def _solve(op: Op, x: list[Array], t: list[Any], y: Array) -> Array:
    return np.asarray(np.linalg.solve(x[0], t[1] - t[0] @ y))


def _cholesky(op: Op, x: list[Array], t: list[Any], y: Array) -> Array:
    below = np.tril(t[0], -1)
    moved = np.linalg.inv(y) @ (below + np.swapaxes(below, -1, -2) + t[0] * np.eye(y.shape[-1]))
    inner = np.tril(moved @ np.swapaxes(np.linalg.inv(y), -1, -2))
    return np.asarray(y @ (inner - 0.5 * inner * np.eye(y.shape[-1])))


def _det(op: Op, x: list[Array], t: list[Any], y: Array) -> Array:
    return np.asarray(y * np.trace(np.linalg.solve(x[0], t[0]), axis1=-2, axis2=-1))


_OTHERS: dict[str, Callable[..., Array]] = {
    "abs": _abs, "sign": _sign, "reduce_prod": _product, "reduce_min": _extremum, "reduce_max": _extremum,
    "matmul": _matmul, "sort": _sort, "solve": _solve, "cholesky": _cholesky, "det": _det,
}  # fmt: skip
