"""Accumulators of vector loops.

A reduction has one accumulator per unrolled vector (its *parts*), combined when the loop ends. Sums of floats do better
than that: the parts are emptied after `BLOCK` turns, and block sums are added up with their rounding errors kept
(Knuth's two-sum), so that the error does not grow with the length: it stays within that of NumPy's pairwise summation.
``float16`` is summed in float32, as NumPy does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from tracejit.codegen import casts, floats
from tracejit.codegen.elementwise import rule_of
from tracejit.codegen.lanes import Lanes
from tracejit.codegen.scalars import F16, F32, SCALARS, Operand, Scalar
from tracejit.codegen.writer import Lines, Phi
from tracejit.ir.core import Op, Value
from tracejit.ops.primitive import Primitive

BLOCK = 16
"""Turns of the main loop that are summed plainly."""

_IDENTITY = {"add": 0, "mul": 1}
"""Reductions whose accumulators cannot all begin with the initial value."""


class Reduction:
    """What is combined, and how."""

    def __init__(self, op: Op, param: Value) -> None:
        self.op = op
        self.param = param
        self.scalar = SCALARS[param.dtype]
        self.name = op.name
        self.is_sum = self.name == "add" and self.scalar.kind in "fc"
        self.addend = op.operands[1] if op.operands[0] is param else op.operands[0]
        self.param_first = op.operands[0] is param

    @property
    def held(self) -> Scalar:
        """The dtype of accumulators."""
        return F32 if self.is_sum and self.scalar is F16 else self.scalar

    def combine(self, e: Lanes, a: Operand, b: Operand) -> Operand:
        """``a`` combined with ``b``, both of dtype :attr:`held`."""
        s = self.held
        if s is F16:
            r = rule_of(cast(Primitive, self.op.primitive), s)(e, F32, *(casts.cast(e, F16, F32, x) for x in (a, b)))
            return casts.cast(e, F32, F16, r)
        result: Operand = rule_of(cast(Primitive, self.op.primitive), s)(e, s.part, a, b)
        return result


def _flat(values: Sequence[Operand]) -> list[str]:
    return [x for v in values for x in ((v,) if isinstance(v, str) else v)]


class State:
    """The accumulators of one reduction while its loop is written.

    ``parts`` are those of the loop being written; ``sums`` and ``errors`` (sums only) hold the finished blocks.
    ``total`` folds everything, the initial value too, into one scalar.
    """

    def __init__(self, reduction: Reduction, lanes: Lanes, init: Operand, ahead: Lines) -> None:
        self.reduction = reduction
        self.e = lanes
        self.init = init
        self.ahead = ahead
        self.width = 2 if reduction.held.kind == "c" else 1
        self.count = 0
        self.parts: list[Operand] = []
        self.finished: list[Operand] = []
        self._start: Operand | None = None
        self.sums = self.errors = self.start() if reduction.is_sum else ""

    # --- operands
    def start(self) -> Operand:
        """A vector that changes nothing when it is combined with another."""
        if self._start is None:
            r, e = self.reduction, self.e
            s = r.held
            if r.name in _IDENTITY:
                value = -0.0 if r.is_sum else _IDENTITY[r.name]
                self._start = e.constant(s, complex(value, value if r.is_sum else 0.0) if s.kind == "c" else value)
            else:
                self._start = e.splat(s, self.init, self.ahead)
        return self._start

    def _rebuild(self, flat: Sequence[str]) -> list[Operand]:
        if self.width == 1:
            return list(flat)
        return [(flat[k], flat[k + 1]) for k in range(0, len(flat), 2)]

    def _phis(self, values: Sequence[Operand], label: str) -> tuple[list[Phi], list[Operand]]:
        """Phis at the top of the current block that are ``values`` when control comes from ``label``."""
        t = self.e.types[self.reduction.held.llvm]
        phis = []
        for v in _flat(values):
            phi = Phi(self.e.function, t, None)
            phi.add(v, label)
            phis.append(phi)
        return phis, self._rebuild([cast(str, p.operand) for p in phis])

    @staticmethod
    def _edges(phis: list[Phi], values: Sequence[Operand], label: str) -> None:
        for phi, v in zip(phis, _flat(values), strict=True):
            phi.add(v, label)

    # --- one loop: parts
    def open(self, count: int) -> None:
        self.count = count
        self.parts = [self.start()] * count

    def carry_parts(self, label: str) -> tuple[list[Phi], list[Operand]]:
        """Make the parts phis of the loop that begins; they came from ``label``."""
        entering = self.parts
        phis, self.parts = self._phis(self.parts, label)
        return phis, entering

    def come_back_parts(self, carried: tuple[list[Phi], list[Operand]], label: str) -> None:
        self._edges(carried[0], self.parts, label)

    def merge_parts(self, carried: tuple[list[Phi], list[Operand]], skipped: str, last: str) -> None:
        """After a loop that may have been skipped."""
        phis, merged = self._phis(carried[1], skipped)
        self._edges(phis, self.parts, last)
        self.parts = merged

    def add(self, u: int, x: Operand, mask: str | None) -> None:
        """Combine part ``u`` with ``x`` (where ``mask`` is on)."""
        r, e = self.reduction, self.e
        part = self.parts[u]
        if r.held is not r.scalar:
            x = casts.cast(e, r.scalar, r.held, x)
        new = r.combine(e, part, x) if r.param_first else r.combine(e, x, part)
        if mask is not None:
            t = r.held.llvm
            chosen = [e.select(mask, t, n, old) for n, old in zip(_flat([new]), _flat([part]), strict=True)]
            (new,) = self._rebuild(chosen)
        self.parts[u] = new

    def _folded(self) -> Operand:
        """All parts in one vector, pairwise."""
        parts = self.parts
        while len(parts) > 1:
            parts = [self.reduction.combine(self.e, parts[k], parts[k + 1]) for k in range(0, len(parts), 2)]
        return parts[0]

    def close(self) -> None:
        """The loop is over: keep what it gave."""
        if not self.parts:
            return
        if self.reduction.is_sum:
            self._keep(self._folded())
        else:
            self.finished.append(self._folded())
        self.parts = []

    # --- blocks of sums
    def _keep(self, block: Operand) -> None:
        """Add the sum of a block to the finished ones, and its rounding error to the errors."""
        if self.sums == self.start():
            self.sums = block
            return
        e, s = self.e, self.reduction.held.part
        sums, errors = [], []
        for total, error, x in zip(_flat([self.sums]), _flat([self.errors]), _flat([block]), strict=True):
            total, lost = floats.two_sum(e, s, total, x)
            sums.append(total)
            errors.append(e.op("fadd", s.llvm, error, lost))
        (self.sums,), (self.errors,) = self._rebuild(sums), self._rebuild(errors)

    def carry(self, label: str) -> tuple[list[Phi], list[Operand]]:
        """Make what lives across blocks phis of the block loop that begins."""
        entering = [self.sums, self.errors] if self.reduction.is_sum else self.parts
        phis, current = self._phis(entering, label)
        self._set(current)
        return phis, entering

    def _set(self, current: list[Operand]) -> None:
        if self.reduction.is_sum:
            self.sums, self.errors = current
        else:
            self.parts = current

    def _current(self) -> list[Operand]:
        return [self.sums, self.errors] if self.reduction.is_sum else self.parts

    def open_block(self) -> None:
        if self.reduction.is_sum:
            self.parts = [self.start()] * self.count

    def close_block(self) -> None:
        if self.reduction.is_sum:
            self._keep(self._folded())
            self.parts = []

    def come_back(self, carried: tuple[list[Phi], list[Operand]], label: str) -> None:
        self._edges(carried[0], self._current(), label)

    def merge(self, carried: tuple[list[Phi], list[Operand]], skipped: str, last: str) -> None:
        phis, merged = self._phis(carried[1], skipped)
        self._edges(phis, self._current(), last)
        self._set(merged)

    # --- the end
    def total(self) -> Operand:
        """The reduction of all lanes and the initial value."""
        r = self.reduction
        scalar = Lanes(self.e.function, 1, self.e.flags)
        init = self.init if r.held is r.scalar else casts.cast(scalar, r.scalar, r.held, self.init)
        if r.is_sum:
            result = self._sum(scalar)
        else:
            folded = self.finished[0]
            for more in self.finished[1:]:
                folded = r.combine(self.e, folded, more)
            result = self._across(folded)
        result = r.combine(scalar, init, result)
        return result if r.held is r.scalar else casts.cast(scalar, r.held, r.scalar, result)

    def _sum(self, scalar: Lanes) -> Operand:
        s = self.reduction.held.part
        sums = self._across(self.sums)
        if self.errors == self.start():
            return sums
        errors = self._across(self.errors)
        results = []
        for total, error in zip(_flat([sums]), _flat([errors]), strict=True):
            # an infinite sum has NaN for its error
            known = scalar.op("fcmp ord", s.llvm, error, error)
            exact = scalar.op("fadd", s.llvm, total, error)
            results.append(scalar.select(known, s.llvm, exact, total))
        return self._rebuild(results)[0]

    def _across(self, vector: Operand) -> Operand:
        """The lanes of ``vector`` combined, halves with halves."""
        f, llvm = self.e.function, self.reduction.held.llvm
        width, current = self.e.width, vector
        while width > 1:
            t, half = Lanes(f, width).types[llvm], width // 2
            halves: list[list[str]] = [[], []]
            for x in _flat([current]):
                for side in range(2):
                    y = f.fresh()
                    if half == 1:
                        f.line(f"{y} = extractelement {t} {x}, i64 {side}")
                    else:
                        picks = ", ".join(f"i32 {side * half + k}" for k in range(half))
                        f.line(f"{y} = shufflevector {t} {x}, {t} poison, <{half} x i32> <{picks}>")
                    halves[side].append(y)
            (a,), (b,) = self._rebuild(halves[0]), self._rebuild(halves[1])
            current = self.reduction.combine(Lanes(f, half, self.e.flags), a, b)
            width = half
        return current
