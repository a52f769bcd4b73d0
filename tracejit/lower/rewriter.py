"""Walking a function and replacing ops on the way: what the simplifying passes share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tracejit.ir.core import Block, Op, Value
from tracejit.ir.loc import UNKNOWN, Loc
from tracejit.ir.types import INDEX, ArrayType, Type
from tracejit.ops import elementwise, structural
from tracejit.ops.effects import constant
from tracejit.ops.primitive import Primitive

Scalar = bool | int | float | complex


def splat(v: Value) -> Scalar | None:
    """The number that ``v`` holds at every index, when that is a known one."""
    op = v.op
    if op is not None and op.name == "view" and op.operands[0].rank == 0:
        op = op.operands[0].op
    if op is None or op.name != "const" or op.result.rank:
        return None
    value: Scalar = op.attrs["value"]
    return value


def filled(v: Value) -> Value | None:
    """The scalar that ``v`` holds at every index: ``v`` itself, or what it was filled with."""
    if v.rank == 0:
        return v
    op = v.op
    if op is not None and op.name == "view" and op.operands[0].rank == 0:
        return op.operands[0]
    return None


def replace(old: Value, new: Value) -> None:
    """Let everything that uses ``old`` use ``new``; as a dimension, a constant is an int."""
    n = constant(new) if old.dim_users else None
    if isinstance(n, int):
        dimension_is(old, n)
    old.replace_by(new)


def dimension_is(value: Value, n: int) -> None:
    """Let types that mention ``value`` as a dimension say ``n``."""
    for holder in list(value.dim_users):
        t = holder.type
        if isinstance(t, ArrayType):
            holder.set_type(t.with_shape(tuple(n if d is value else d for d in t.shape)))


def drop(op: Op) -> None:
    """Forget an op that is in no list of ops any more and whose results are unused."""
    op.block = None
    op.drop_references()


class Rewriter:
    """Rebuilds blocks op by op: subclasses define :meth:`visit`, which calls :meth:`keep` or puts other ops in place.

    Attributes:
        out: The rebuilt part of the current block.
        loc: Where in the user's source new ops belong.
    """

    def __init__(self) -> None:
        self.out_block: Block = Block()
        self.loc: Loc = UNKNOWN

    @property
    def out(self) -> list[Op]:
        return self.out_block.ops

    def block(self, block: Block) -> None:
        """Rebuild ``block``."""
        outer, self.out_block = self.out_block, block
        ops, block.ops = block.ops, []
        for op in ops:
            self.visit(op)
        self.out_block = outer

    def visit(self, op: Op) -> None:
        raise NotImplementedError

    def keep(self, op: Op) -> None:
        """Put ``op`` at the end of the rebuilt part."""
        op.block = self.out_block
        self.out_block.ops.append(op)

    def replace(self, op: Op, values: Sequence[Value]) -> None:
        """Let ``values`` stand for the results of ``op``, which is dropped."""
        for old, new in zip(op.results, values, strict=True):
            replace(old, new)
        drop(op)

    def inline(self, block: Block) -> list[Value]:
        """Visit the ops of a block (not a copy) here, and return what it yields."""
        ops, block.ops = block.ops, []
        *inner, last = ops
        for op in inner:
            self.visit(op)
        values = list(last.operands)
        drop(last)
        return values

    # --- new ops, visited as if the program had had them
    def emit(
        self,
        primitive: Primitive,
        operands: Sequence[Value],
        types: Sequence[Type] | None = None,
        attrs: Mapping[str, Any] | None = None,
        regions: Sequence[Block] = (),
    ) -> list[Value]:
        """The results of a new op at the end of the rebuilt part, simplified."""
        if types is None:
            assert primitive.infer is not None, primitive.name
            types = primitive.infer([v.type for v in operands], attrs or {})
        op = Op(primitive, operands, types, attrs, regions, self.loc)
        # a holder sees what the visit makes of the results
        holder = Op(structural.empty, op.results, ())
        self.visit(op)
        values = list(holder.operands)
        holder.drop_references()
        return values

    def apply(self, primitive: Primitive, *operands: Value, **attrs: Any) -> Value:
        return self.emit(primitive, operands, None, attrs)[0]

    def const(self, value: Any, dtype: np.dtype[Any]) -> Value:
        """A scalar constant."""
        item = dtype.type(value).item()
        op = Op(structural.const, (), (ArrayType(dtype),), {"value": item}, (), self.loc)
        self.keep(op)
        return op.result

    def index(self, d: int | Value) -> Value:
        return self.const(d, INDEX.dtype) if isinstance(d, int) else d

    def full(self, value: Any, like: Type) -> Value:
        """``value`` at every index of the shape of ``like``, in its dtype."""
        return self.fill(self.const(value, like.dtype), like)

    def fill(self, x: Value, like: Type) -> Value:
        """The scalar ``x`` at every index of the shape of ``like``."""
        if not like.shape:
            return x
        return self.emit(structural.view, (x,), (ArrayType(x.dtype, like.shape),), {"pairs": ()})[0]

    def cast(self, x: Value, dtype: np.dtype[Any]) -> Value:
        if x.dtype == dtype:
            return x
        return self.emit(elementwise.cast, (x,), (ArrayType(dtype, x.shape),))[0]
