"""The element of an array value at an index, computed by pulling: through inlined ops down to loads from storage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tracejit.ir.core import Op, Value
from tracejit.ir.types import INDEX, ArrayType
from tracejit.lower.storage import Index, Nest, Storage
from tracejit.ops import elementwise
from tracejit.ops.primitive import Primitive


class Elements:
    """Computes elements inside one loop nest.

    Args:
        nest: Where ops go.
        storage: The storage of an array that is not inlined.
        scalar: The loop-level value of a rank-0 value.
        dim: A dimension as an index.
        inlined: The ops of the fusion, by result.
        written: A storage this nest writes into: loads from it stay where they are.
    """

    def __init__(
        self,
        nest: Nest,
        storage: Callable[[Value], Storage],
        scalar: Callable[[Value], Value],
        dim: Callable[[int | Value], Index],
        inlined: set[Op],
        written: Storage | None = None,
    ) -> None:
        self.nest = nest
        self.storage = storage
        self.scalar = scalar
        self.dim = dim
        self.inlined = inlined
        self.written = written
        self._memo: dict[tuple[Value, tuple[Index, ...], int], Value] = {}
        self._flat: dict[Value, bool] = {}

    def is_inlined(self, v: Value) -> bool:
        return v.op is not None and v.op in self.inlined

    def at(self, v: Value, index: Sequence[Index]) -> Value:
        """Element ``index`` of ``v``, a scalar."""
        if not v.rank:
            return self.scalar(v)
        key = (v, tuple(index), id(self.nest.blocks[-1]))
        known = self._memo.get(key)
        if known is None:
            known = self._memo[key] = self._compute(v, index)
        return known

    def _compute(self, v: Value, index: Sequence[Index]) -> Value:
        if not self.is_inlined(v):
            place = self.storage(v)
            return self.load(place, self.nest.linear(place, index))
        op = v.op
        assert op is not None
        assert isinstance(op.primitive, Primitive)
        if op.primitive.family == "elementwise":
            return self.nest.emit(op.primitive, [self.at(x, index) for x in op.operands], (ArrayType(v.dtype),))
        match op.name:
            case "view":
                return self.at(op.operands[0], self.view_index(op, index))
            case "iota":
                i = self.nest.value(index[0])
                return i if v.dtype == INDEX.dtype else self.nest.emit(elementwise.cast, (i,), (ArrayType(v.dtype),))
            case "gather":
                return self.at(op.operands[0], self.gather_index(op, op.operands[1:], op.operands[0].rank, index))
            case "reshape":
                return self._reshaped(op, index)
        raise AssertionError(op.name)

    def load(self, place: Storage, at: Index) -> Value:
        same = self.written is not None and place.buffer is self.written.buffer
        return self.nest.load(place.buffer, at, innermost=same)

    def view_index(self, op: Op, index: Sequence[Index], base: int = 0) -> list[Index]:
        """The index into the base of a ``view`` or ``update`` (whose starts follow operand ``base``) for result
        index ``index``."""
        x = op.operands[0]
        rest = [self.index_of(s) for s in op.operands[base + 1 :]]
        terms: list[list[Index]] = [[s] for s in rest[: x.rank]]
        for (axis, j), step in zip(op.attrs["pairs"], rest[x.rank :], strict=True):
            terms[axis].append(self.nest.mul(index[j], step))
        return [self.nest.sum(t) for t in terms]

    def gather_index(self, op: Op, indices: Sequence[Value], rank: int, index: Sequence[Index]) -> list[Index]:
        """The index into the base of a ``gather`` or ``scatter`` for an index into the gathered elements."""
        n = indices[0].rank
        rest = iter(index[n:])
        axes = list(op.attrs["axes"])
        return [self.at(indices[axes.index(k)], index[:n]) if k in axes else next(rest) for k in range(rank)]

    def index_of(self, v: Value) -> Index:
        """A rank-0 i64 operand as an index: the int itself when it is a constant."""
        if v.op is not None and v.op.name == "const":
            return int(v.op.attrs["value"])
        return self.scalar(v)

    def shape(self, v: Value) -> tuple[Index, ...]:
        return tuple(self.dim(d) for d in v.shape)

    def _reshaped(self, op: Op, index: Sequence[Index]) -> Value:
        x = op.operands[0]
        strides = self.nest.c_strides(self.shape(op.results[0]))
        flat = self.nest.sum([self.nest.mul(i, s) for i, s in zip(index, strides, strict=True)])
        if not self.is_inlined(x):
            place = self.storage(x)
            if place.c_order:
                return self.load(place, flat)
        return self.at(x, self.unravel(flat, self.shape(x)))

    def unravel(self, flat: Index, shape: Sequence[Index]) -> list[Index]:
        """The index into ``shape`` of the element with C-order number ``flat``."""
        out: list[Index] = []
        for d in reversed(shape[1:]):
            flat, i = self.nest.divmod(flat, d)
            out.append(i)
        return [flat, *reversed(out)] if shape else []

    def core(self, v: Value) -> tuple[int | Value, ...] | None:
        """The shape over which a nest visits the elements of ``v`` in C order with the least index arithmetic.

        Reshapes keep the order of elements, so that elementwise ops and stored arrays among them need only the number
        of an element; what needs its index is looked at in the shape that it has there. The empty shape when nothing
        does; None when ops need indices in several shapes.
        """
        op = v.op
        if not self.is_inlined(v):
            return () if not v.rank or self.storage(v).c_order else v.shape
        assert op is not None
        assert isinstance(op.primitive, Primitive)
        if self._keeps_order(op):
            return self.core(op.operands[0])
        if op.primitive.family == "elementwise":
            found: tuple[int | Value, ...] = ()
            for x in op.operands:
                needed = self.core(x)
                if needed is None or (found and needed and found != needed):
                    return None
                found = found or needed
            return found
        return () if op.name == "view" and not op.attrs["pairs"] else v.shape

    @staticmethod
    def _keeps_order(op: Op) -> bool:
        return (op.name == "reshape" and op.operands[0].rank > 0) or (op.name == "view" and "whole" in op.attrs)

    def in_core(self, v: Value, index: Sequence[Index], flat: Index) -> Value:
        """Element number ``flat`` of ``v`` in C order, which is at ``index`` in the shape that :meth:`core` gives."""
        if not v.rank:
            return self.scalar(v)
        op = v.op
        if not self.is_inlined(v):
            place = self.storage(v)
            return self.load(place, flat) if place.c_order else self.at(v, index)
        assert op is not None
        assert isinstance(op.primitive, Primitive)
        if self._keeps_order(op):
            return self.in_core(op.operands[0], index, flat)
        if op.primitive.family == "elementwise":
            operands = [self.in_core(x, index, flat) for x in op.operands]
            return self.nest.emit(op.primitive, operands, (ArrayType(v.dtype),))
        if op.name == "view" and not op.attrs["pairs"]:
            return self.at(op.operands[0], self.view_index(op, ()))
        return self.at(v, index)

    def is_flat(self, v: Value, shape: tuple[int | Value, ...]) -> bool:
        """Whether element ``k`` of ``v`` in C order needs only ``k``: the nest over ``shape`` can be one loop."""
        if not v.rank:
            return True
        if v.shape != shape:
            return False
        if not self.is_inlined(v):
            return self.storage(v).c_order
        # remembered: expressions that share parts have exponentially many paths
        if v not in self._flat:
            op = v.op
            assert op is not None
            assert isinstance(op.primitive, Primitive)
            if op.primitive.family == "elementwise":
                self._flat[v] = all(self.is_flat(x, shape) for x in op.operands)
            else:
                self._flat[v] = op.name == "view" and not op.attrs["pairs"]
        return self._flat[v]

    def at_flat(self, v: Value, k: Index) -> Value:
        """Element number ``k`` in C order of a value for which :meth:`is_flat` holds."""
        if not v.rank:
            return self.scalar(v)
        key = (v, (k,), id(self.nest.blocks[-1]))
        known = self._memo.get(key)
        if known is None:
            if not self.is_inlined(v):
                known = self.load(self.storage(v), k)
            elif v.op is not None and v.op.name == "view":
                known = self.at(v.op.operands[0], self.view_index(v.op, ()))
            else:
                assert v.op is not None
                assert isinstance(v.op.primitive, Primitive)
                operands = [self.at_flat(x, k) for x in v.op.operands]
                known = self.nest.emit(v.op.primitive, operands, (ArrayType(v.dtype),))
            self._memo[key] = known
        return known
