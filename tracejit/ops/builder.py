"""Putting ops into a block: the one way in which the front end, the transforms and the lowering create IR."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tracejit.ir.core import Block, Op, Value
from tracejit.ir.loc import UNKNOWN, Loc
from tracejit.ir.types import INDEX, ArrayType, Dim, Type
from tracejit.ops import control, elementwise, reduction, structural
from tracejit.ops.primitive import Primitive


class Builder:
    """Appends ops to :attr:`block` with location :attr:`loc`; both may be reassigned at any time.

    Scalar constants are shared within a block (they print and trace better; sharing them across blocks is a pass's
    work).

    Attributes:
        changes: Asked for whatever else has to happen before an op that may raise does so: it adds the operands it
            needs, and gives the attribute ``changes`` of the op, or None.
    """

    def __init__(self, block: Block, loc: Loc = UNKNOWN, changes: Callable[[list[Value]], Any] | None = None) -> None:
        self.block = block
        self.loc = loc
        self.changes = changes
        self._constants: dict[tuple[Block, np.dtype[Any], Any], tuple[Op, int]] = {}

    def emit(
        self,
        primitive: Primitive,
        operands: Sequence[Value],
        types: Sequence[Type] | None = None,
        attrs: Mapping[str, Any] | None = None,
        regions: Sequence[Block] = (),
    ) -> list[Value]:
        """Append an op and return its results; result types come from the type rule when not given."""
        if types is None:
            assert primitive.infer is not None, f"{primitive.name} needs explicit result types"
            types = primitive.infer([v.type for v in operands], attrs or {})
        op = Op(primitive, operands, types, attrs, regions, self.loc)
        self.block.append(op)
        return op.results

    def apply(self, primitive: Primitive, *operands: Value, **attrs: Any) -> Value:
        """:meth:`emit` for a primitive with a type rule and one result."""
        return self.emit(primitive, operands, None, attrs)[0]

    # --- constants and dimensions
    def const(self, value: bool | int | float | complex | np.generic | np.ndarray[Any, Any], dtype: Any) -> Value:
        """A constant of ``dtype``: a Python scalar becomes rank 0, an array keeps its shape."""
        dtype = np.dtype(dtype)
        if isinstance(value, np.ndarray) and value.ndim:
            value = np.array(value, dtype)
            value.flags.writeable = False
            return self.emit(structural.const, (), (ArrayType(dtype, value.shape),), {"value": value})[0]
        return self._scalar(dtype.type(value).item(), dtype)

    def index(self, dim: Dim) -> Value:
        """A dimension as an index value."""
        return self._scalar(dim, INDEX.dtype) if isinstance(dim, int) else dim

    def _scalar(self, item: bool | int | float | complex, dtype: np.dtype[Any]) -> Value:
        block = self.block
        key = (block, dtype, item if isinstance(item, int) else repr(item))  # repr tells -0.0 from 0.0
        op, position = self._constants.get(key, (None, 0))
        # the op may have been erased or moved since
        if op is None or position >= len(block.ops) or block.ops[position] is not op:
            op = Op(structural.const, (), (ArrayType(dtype),), {"value": item}, (), self.loc)
            self._constants[key] = (op, len(block.ops))
            block.append(op)
        return op.results[0]

    def dim_sum(self, dims: Sequence[Dim]) -> Dim:
        """The sum of dimensions."""
        return self._fold_dims(elementwise.add, 0, dims)

    def dim_product(self, dims: Sequence[Dim]) -> Dim:
        """The product of dimensions."""
        return self._fold_dims(elementwise.mul, 1, dims)

    def _fold_dims(self, primitive: Primitive, known: int, dims: Sequence[Dim]) -> Dim:
        for d in dims:
            if isinstance(d, int):
                known = known + d if primitive is elementwise.add else known * d
        total: Dim = known
        for d in dims:
            if not isinstance(d, int):
                neutral = total == (0 if primitive is elementwise.add else 1)
                total = d if neutral else self.apply(primitive, self.index(total), d)
        return total

    def cast(self, x: Value, dtype: np.dtype[Any]) -> Value:
        """``x`` as ``dtype``; ``x`` itself when it is that already."""
        if x.dtype == dtype:
            return x
        return self.emit(elementwise.cast, (x,), (ArrayType(dtype, x.shape),))[0]

    # --- structural ops with explicit shapes
    def view(
        self,
        x: Value,
        shape: Sequence[Dim],
        starts: Sequence[Dim],
        pairs: Sequence[tuple[int, int]],
        steps: Sequence[Dim],
    ) -> Value:
        """See :data:`tracejit.ops.structural.view`."""
        operands = [x, *map(self.index, starts), *map(self.index, steps)]
        return self.emit(structural.view, operands, (ArrayType(x.dtype, tuple(shape)),), {"pairs": tuple(pairs)})[0]

    def whole(self, x: Value, shape: Sequence[Dim]) -> Value:
        """The view that is all of ``x``, under dimensions that are equal to its own."""
        zeros, ones = [self.index(0)] * x.rank, [self.index(1)] * x.rank
        attrs = {"pairs": tuple((k, k) for k in range(x.rank)), "whole": True}
        return self.emit(structural.view, (x, *zeros, *ones), (ArrayType(x.dtype, tuple(shape)),), attrs)[0]

    def update(
        self, x: Value, v: Value, starts: Sequence[Dim], pairs: Sequence[tuple[int, int]], steps: Sequence[Dim]
    ) -> Value:
        """See :data:`tracejit.ops.structural.update`."""
        operands = [x, v, *map(self.index, starts), *map(self.index, steps)]
        return self.emit(structural.update, operands, None, {"pairs": tuple(pairs)})[0]

    def fill(self, x: Value, shape: Sequence[Dim]) -> Value:
        """The scalar ``x`` at every index of ``shape``."""
        return x if not shape else self.view(x, shape, (), (), ())

    def full(self, number: bool | int | float | complex, like: Value) -> Value:
        """``number`` at every index of the shape of ``like``, in its dtype."""
        return self.fill(self.const(number, like.dtype), like.shape)

    def transpose(self, x: Value, permutation: Sequence[int]) -> Value:
        """Axis ``k`` of the result is axis ``permutation[k]`` of ``x``."""
        shape = tuple(x.shape[p] for p in permutation)
        pairs = [(p, k) for k, p in enumerate(permutation)]
        return self.view(x, shape, (0,) * x.rank, pairs, (1,) * x.rank)

    def reshape(self, x: Value, shape: Sequence[Dim]) -> Value:
        return self.emit(structural.reshape, (x,), (ArrayType(x.dtype, tuple(shape)),))[0]

    def empty(self, dtype: np.dtype[Any], shape: Sequence[Dim]) -> Value:
        return self.emit(structural.empty, (), (ArrayType(dtype, tuple(shape)),))[0]

    def iota(self, n: Dim) -> Value:
        """``0 .. n - 1`` as int64."""
        return self.emit(structural.iota, (), (ArrayType(INDEX.dtype, (n,)),))[0]

    def gather(self, x: Value, indices: Sequence[Value], axes: Sequence[int]) -> Value:
        rest = tuple(d for k, d in enumerate(x.shape) if k not in axes)
        t = ArrayType(x.dtype, (*indices[0].shape, *rest))
        return self.emit(structural.gather, (x, *indices), (t,), {"axes": tuple(axes)})[0]

    def scatter(self, x: Value, v: Value, indices: Sequence[Value], axes: Sequence[int], mode: str = "set") -> Value:
        return self.emit(structural.scatter, (x, v, *indices), None, {"axes": tuple(axes), "mode": mode})[0]

    def concat(self, parts: Sequence[Value], axis: int, length: Dim) -> Value:
        """Join ``parts``, whose lengths along ``axis`` add up to ``length``."""
        shape = tuple(length if k == axis else d for k, d in enumerate(parts[0].shape))
        return self.emit(structural.concat, parts, (ArrayType(parts[0].dtype, shape),), {"axis": axis})[0]

    def nonzero(self, mask: Value) -> list[Value]:
        """``[n, *indices]``; see :data:`tracejit.ops.structural.nonzero`."""
        op = Op(structural.nonzero, (mask,), (INDEX,), None, (), self.loc)
        n = op.results[0]
        op.results += [Value(ArrayType(INDEX.dtype, (n,)), op) for _ in range(mask.rank)]
        self.block.append(op)
        return op.results

    def reduce(self, primitive: Primitive, x: Value, axes: Sequence[int]) -> Value:
        return self.emit(primitive, (x,), None, {"axes": tuple(sorted(axes))})[0]

    def sum(self, x: Value, axes: Sequence[int]) -> Value:
        """``x`` summed along ``axes``; ``x`` itself when there are none."""
        return self.reduce(reduction.reduce_sum, x, axes) if axes else x

    # --- control flow
    def if_(
        self,
        condition: Value,
        types: Sequence[Type],
        then: Callable[[Builder], Sequence[Value]],
        otherwise: Callable[[Builder], Sequence[Value]],
    ) -> list[Value]:
        """An ``if`` whose arms yield what the functions return; ``types`` are those of its results."""
        arms = []
        for build in (then, otherwise):
            inner = Builder(Block(), self.loc, self.changes)
            inner.yield_(*build(inner))
            arms.append(inner.block)
        return self.emit(control.if_, (condition,), types, None, arms)

    def for_(
        self,
        start: Dim,
        stop: Dim,
        step: Dim,
        inits: Sequence[Value],
        body: Callable[..., Sequence[Value]],
    ) -> list[Value]:
        """A ``for`` that carries values of the types of ``inits``; ``body(builder, i, *carried)`` gives the next."""
        inner = Builder(Block([INDEX, *(v.type for v in inits)]), self.loc, self.changes)
        inner.yield_(*body(inner, *inner.block.params))
        operands = [*map(self.index, (start, stop, step)), *inits]
        return self.emit(control.for_, operands, [v.type for v in inits], None, (inner.block,))

    # --- effects and terminators
    def check(
        self,
        ok: Value,
        exception: type[BaseException],
        args: tuple[Any, ...],
        payload: Sequence[Value] = (),
        **more: Any,
    ) -> None:
        """Raise ``exception(*args)`` unless ``ok``; see :data:`tracejit.ops.control.check`."""
        self.effect(control.check, (ok,), payload, {"exception": exception, "args": args, **more})

    def effect(
        self, primitive: Primitive, operands: Sequence[Value], payload: Sequence[Value], attrs: dict[str, Any]
    ) -> None:
        """An op that may raise: :attr:`changes` may add to its payload, the last of its operands."""
        if self.changes is not None:
            payload = list(payload)
            changes = self.changes(payload)
            if changes is not None:
                attrs["changes"] = changes
        self.emit(primitive, (*operands, *payload), (), attrs)

    def yield_(self, *values: Value) -> None:
        self.emit(control.yield_, values, ())

    def return_(self, *values: Value) -> None:
        self.emit(control.return_, values, ())
