"""``check_nan``: programs that stop where ``nan`` or ``inf`` first comes out of finite numbers.

After each op that can make such a number of finite ones there is a check. What came in with an argument, or is a
constant, is not reported, nor is what it becomes. Nor is a number that is made only to be left out by a ``select``:
where all uses of a value lead there through elementwise ops, what counts is what the ``select`` lets through.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ops import elementwise as e
from tracejit.ops import reduction
from tracejit.ops.builder import Builder
from tracejit.ops.primitive import Primitive
from tracejit.transform.structure import inserting, is_float

_NAMES = {
    "add": "addition", "sub": "subtraction", "mul": "multiplication", "div": "division", "pow": "the power",
    "mod": "the remainder", "cast": "conversion", "matmul": "the matrix product", "reduce_sum": "the sum",
    "reduce_prod": "the product",
}  # fmt: skip

_SAFE = frozenset(
    {"select", "neg", "copysign", "sign", "minimum", "maximum", "fmin", "fmax", "real", "imag", "conj", "complex",
     "floor", "ceil", "trunc", "rint", "atan", "atan2", "tanh"}
)  # fmt: skip
"""Elementwise ops that make finite numbers of finite ones."""

_FOLDS = frozenset({"reduce_sum", "reduce_prod", "matmul"})


def instrument(function: Function) -> None:
    """Add the checks to ``function``, an array-level program."""
    for op in function.walk():
        op.attrs.pop("parallel", None)
    _block(function.body)


def _block(block: Block) -> None:
    found = _Guards(block)
    for op in list(block.ops):
        for region in op.regions:
            _block(region)
        if len(op.results) != 1 or not is_float(op.result):
            continue
        if op.name == "select" and any(found.is_guarded(v) for v in op.operands[1:]):
            _check_choice(block, op, found)
        elif _may_spoil(op) and not found.is_guarded(op.result):
            _check(block, op, found)


def _family(op: Op) -> str:
    assert isinstance(op.primitive, Primitive)
    return op.primitive.family


def _may_spoil(op: Op) -> bool:
    if _family(op) == "elementwise":
        return op.name not in _SAFE and (op.name != "abs" or op.operands[0].dtype.kind == "c")
    return op.name in _FOLDS


class _Guards:
    """The values of a block that matter only as far as a ``select`` lets them through."""

    def __init__(self, block: Block) -> None:
        self.guarded: set[Value] = set()
        self._known: tuple[Builder | None, dict[Value, Value]] = (None, {})
        for op in reversed(block.ops):
            if len(op.results) == 1 and is_float(op.result) and _family(op) == "elementwise" and op.result.users:
                if all(self._guards(user, op.result, block) for user in op.result.users):
                    self.guarded.add(op.result)

    def _guards(self, user: Op, v: Value, block: Block) -> bool:
        if user.block is not block or _family(user) != "elementwise" or len(user.results) != 1:
            return False
        return (user.name == "select" and user.operands[0] is not v) or user.result in self.guarded

    def is_guarded(self, v: Value) -> bool:
        return v in self.guarded

    def finite(self, b: Builder, v: Value) -> Value:
        """Where what ``v`` is computed from is finite."""
        if self._known[0] is not b:
            self._known = (b, {})
        known = self._known[1]
        if v not in known:
            if v in self.guarded:
                assert v.op is not None
                known[v] = self.all_finite(b, [x for x in v.op.operands if is_float(x)], v)
            else:
                known[v] = b.apply(e.isfinite, v)
        return known[v]

    def all_finite(self, b: Builder, values: Sequence[Value], like: Value) -> Value:
        parts = [self.finite(b, x) for x in values]
        if not parts:
            return b.full(True, b.apply(e.isfinite, like))
        total = parts[0]
        for part in parts[1:]:
            total = b.apply(e.and_, total, part)
        return total


def _check(block: Block, op: Op, found: _Guards) -> None:
    with inserting(block, at=block.ops.index(op) + 1) as b:
        b.loc = op.loc
        r = op.result
        operands = [v for v in op.operands if is_float(v)]
        if _family(op) == "elementwise":
            spoilt = b.apply(e.and_, b.apply(e.not_, b.apply(e.isfinite, r)), found.all_finite(b, operands, r))
        else:
            # an element depends on many: they all must be finite
            fine = [_all(b, b.apply(e.isfinite, v)) for v in operands]
            before = fine[0] if len(fine) == 1 else b.apply(e.and_, *fine)
            spoilt = b.apply(e.not_, b.apply(e.isfinite, r))
            spoilt = b.apply(e.and_, spoilt, b.fill(before, r.shape))
        _stop(b, op, spoilt)


def _check_choice(block: Block, op: Op, found: _Guards) -> None:
    """Of what a ``select`` lets through, that which was made for it alone."""
    condition, *sides = op.operands
    for k, v in enumerate(sides):
        if not found.is_guarded(v) or v in sides[:k]:
            continue
        maker = v.op
        assert maker is not None
        with inserting(block, at=block.ops.index(op) + 1) as b:
            b.loc = maker.loc
            chosen = condition if k == 0 else b.apply(e.not_, condition)
            spoilt = b.apply(e.and_, b.apply(e.not_, b.apply(e.isfinite, v)), found.finite(b, v))
            _stop(b, maker, b.apply(e.and_, spoilt, chosen))


def _all(b: Builder, v: Value) -> Value:
    return b.reduce(reduction.reduce_all, v, range(v.rank)) if v.rank else v


def _stop(b: Builder, op: Op, spoilt: Value) -> None:
    name = _NAMES.get(op.name, op.name)
    if op.loc.role:
        what, _, primal = op.loc.role.partition(" of ")
        name = f"the {what} of {_NAMES.get(primal, primal)}"
    text = f"{name} gives nan or inf where its operands are finite"
    if not spoilt.rank:
        b.check(b.apply(e.not_, spoilt), FloatingPointError, (text,))
        return
    axes = range(spoilt.rank)
    count = b.sum(b.cast(spoilt, np.dtype(np.int64)), axes)
    size = b.index(b.dim_product(spoilt.shape))
    ok = b.apply(e.not_, b.reduce(reduction.reduce_any, spoilt, axes))
    b.check(ok, FloatingPointError, (text + ", at {0} of {1} places",), [count, size])
