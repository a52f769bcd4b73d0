"""``custom_root``: derivatives of what an equation defines, by the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tracejit.derivatives.custom import WithRule
from tracejit.derivatives.jacobians import Jacobian
from tracejit.derivatives.leaves import floats, leaf_of
from tracejit.derivatives.reverse import Split
from tracejit.derivatives.selection import Selection
from tracejit.errors import DerivativeError
from tracejit.ir.core import Value
from tracejit.ir.types import Dim
from tracejit.ops import elementwise as e
from tracejit.trace import calls, dims
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.context import current
from tracejit.trace.tracer import lift
from tracejit.trace.transformed import name_of
from tracejit.trace.trees import mapped, structure


class Root(WithRule):
    """A solver, differentiated by the equation that it solves.

    With ``F(x, a) == 0``: ``dx = -(dF/dx)^-1 dF/da da``, so the cotangent of ``a`` is ``-w dF/da`` where
    ``w dF/dx == ct``.

    Args:
        solver: ``solver(*args)`` gives the solution.
        residual: ``residual(x, *args)`` is zero there.
        linear_solve: ``linear_solve(product, ct)`` gives the ``w`` with ``product(w) == ct``; None: ``dF/dx`` is
            computed, and ``np.linalg.solve``.
    """

    def __init__(
        self, solver: Callable[..., Any], residual: Callable[..., Any], linear_solve: Callable[..., Any] | None
    ) -> None:
        super().__init__("custom_root", solver)
        self.residual = residual
        self.linear_solve = linear_solve
        self.rules = (self._solve, self._pull)

    def _solve(self, *args: Any) -> Any:
        x = self.inline(args, {})
        return x, (x, args)

    def _pull(self, kept: Any, ct: Any) -> Any:
        x, args = kept
        residual = Split("vjp", self.residual, False)
        value, pullback = residual.inline((x, *args), {})
        self._check(x, value)
        ct = mapped(lambda leaf, _: leaf, ct)
        if self.linear_solve is not None:
            w = calls.call(self.linear_solve, (_Product(pullback), ct), {})
        else:
            w = self._dense(x, args, ct)
        negated = mapped(lambda leaf, _: calls.call(np.negative, (leaf,), {}), w)
        return pullback.inline((negated,), {})[1:]

    def _check(self, x: Any, value: Any) -> None:
        found, expected = (floats(tree) for tree in (value, x))
        if [v.rank for v in found] != [v.rank for v in expected] or any(
            isinstance(d, int) and isinstance(n, int) and d != n
            for v, u in zip(found, expected)
            for d, n in zip(v.shape, u.shape)
        ):
            raise DerivativeError(
                f"the equation {name_of(self.residual)} of {name_of(self.function)} gives {structure(value)}, which is "
                f"not like the solution, {structure(x)}",
                hint="as many numbers as the solution has, in the same structure",
            )

    def _dense(self, x: Any, args: tuple[Any, ...], ct: Any) -> Any:
        """The ``w`` with ``w dF/dx == ct``, by the matrix of ``dF/dx``."""
        table = Jacobian("jacobian", self.residual, Selection(0, None), False, False).inline((x, *args), {})
        own = floats(x)
        sizes = [dims.product(v.shape) for v in own]
        blocks = floats(table)
        b = current().at()
        rows = [
            _joined([b.reshape(blocks[i * len(own) + j], (m, n)) for j, n in enumerate(sizes)], 1)
            for i, m in enumerate(sizes)
        ]
        right = _joined([b.reshape(v, (n,)) for v, n in zip(floats(ct), sizes)], 0)
        matrix = b.transpose(_joined(rows, 0), (1, 0))
        if sizes == [1]:
            found = b.apply(e.div, right, b.reshape(matrix, (1,)))
        else:
            found = lift(calls.call(np.linalg.solve, (ArrayTracer(matrix), ArrayTracer(right)), {}))
        start: Dim = 0
        parts: list[Value] = []
        for v, n in zip(own, sizes):
            part = b.view(found, (n,), (start,), ((0, 0),), (1,))
            parts.append(b.reshape(part, v.shape))
            start = dims.add(start, n)
        rest = iter(parts)
        return mapped(lambda leaf, _: None if leaf is None else leaf_of(leaf).wrap(next(rest)), ct)


def _joined(values: list[Value], axis: int) -> Value:
    if len(values) == 1:
        return values[0]
    length: Dim = 0
    for v in values:
        length = dims.add(length, v.shape[axis])
    return current().at().concat(values, axis, length)


class _Product:
    """``w -> w dF/dx``."""

    def __init__(self, pullback: Any) -> None:
        self.pullback = pullback

    def __call__(self, w: Any) -> Any:
        return self.pullback.inline((w,), {})[0]
