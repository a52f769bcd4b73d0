"""Where an array lives at the loop level, and loop nests that read and write such places.

Offsets, strides and dimensions are *indices*: Python ints where they are known, index values where they are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from tracejit.ir.core import Block, Op, Value
from tracejit.ir.types import INDEX, ArrayType, Type
from tracejit.ops import control, elementwise, loop, structural
from tracejit.ops.builder import Builder
from tracejit.ops.primitive import Primitive
from tracejit.record import record

Index: TypeAlias = "int | Value"


@record(eq=False)
class Storage:
    """A buffer seen as an array.

    Args:
        buffer: The loop-level buffer.
        shape: Dimensions.
        strides: Distance between neighbours along each axis, in elements.
        c_order: Contiguous in C order (``strides`` follow from ``shape``).
        foreign: The buffer may belong to the caller (so it cannot be handed out as a new array).
    """

    buffer: Value
    shape: tuple[Index, ...]
    strides: tuple[Index, ...]
    c_order: bool = True
    foreign: bool = False


class Nest:
    """Emits loop-level ops into a stack of nested loops, each op as far out as its operands allow.

    Level 0 is the block around the nest. What is emitted twice at open levels is shared.
    """

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.blocks: list[Block] = [builder.block]
        self.level: dict[Value, int] = {}
        self.shared: list[dict[tuple[Any, ...], Value]] = [{}]
        self._open: list[tuple[list[Value], dict[str, Any]]] = []

    @property
    def depth(self) -> int:
        return len(self.blocks) - 1

    # --- loops
    def open(self, stop: Index, *, start: Index = 0, carried: Sequence[Value] = (), **attrs: Any) -> list[Value]:
        """Begin ``for i in range(start, stop)``; returns ``[i, *carried parameters]``."""
        bounds = [self.value(start), self.value(stop), self.value(1), *carried]
        block = Block([INDEX, *(v.type for v in carried)])
        self._open.append((bounds, attrs))
        self.blocks.append(block)
        self.shared.append({})
        for p in block.params:
            self.level[p] = self.depth
        return list(block.params)

    def close(self, *yields: Value) -> list[Value]:
        """End the innermost loop; returns its results."""
        block = self.blocks.pop()
        self.shared.pop()
        block.append(Op(control.yield_, yields, ()))
        bounds, attrs = self._open.pop()
        # bounds and initial values were emitted at or above this level
        op = Op(control.for_, bounds, [v.type for v in bounds[3:]], attrs, (block,), self.builder.loc)
        self.blocks[-1].append(op)
        for r in op.results:
            self.level[r] = self.depth
        return op.results

    # --- ops
    def emit(
        self,
        primitive: Primitive,
        operands: Sequence[Value],
        types: Sequence[Type] | None = None,
        attrs: dict[str, Any] | None = None,
        *,
        innermost: bool = False,
    ) -> Value:
        """Emit an op with one result at the outermost possible level (or the innermost)."""
        at = self.depth if innermost else max((self.level.get(v, 0) for v in operands), default=0)
        key = (primitive, tuple(operands), tuple(attrs.items()) if attrs else (), types[0] if types else None)
        if not innermost and primitive is not structural.const:
            known = self.shared[at].get(key)
            if known is not None:
                return known
        if types is None:
            assert primitive.infer is not None
            types = primitive.infer([v.type for v in operands], attrs or {})
        op = Op(primitive, operands, types, attrs, (), self.builder.loc)
        self.blocks[at].append(op)
        result = op.results[0]
        self.level[result] = at
        if not innermost:
            self.shared[at][key] = result
        return result

    def effect(self, primitive: Primitive, *operands: Value, **attrs: Any) -> None:
        """Emit an op without results at the innermost level."""
        self.blocks[-1].append(Op(primitive, operands, (), attrs, (), self.builder.loc))

    def const(self, value: Any, type: ArrayType) -> Value:
        key = ("const", repr(value), type)
        known = self.shared[0].get(key)
        if known is None:
            op = Op(structural.const, (), (type,), {"value": value}, (), self.builder.loc)
            self.blocks[0].append(op)
            known = self.shared[0][key] = op.results[0]
        return known

    # --- index arithmetic
    def value(self, x: Index) -> Value:
        return self.const(x, INDEX) if isinstance(x, int) else x

    def add(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if isinstance(a, int) and a == 0:
            return b
        if isinstance(b, int) and b == 0:
            return a
        return self.emit(elementwise.add, (self.value(a), self.value(b)))

    def sub(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a - b
        if isinstance(b, int) and b == 0:
            return a
        return self.emit(elementwise.sub, (self.value(a), self.value(b)))

    def mul(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        for x, y in ((a, b), (b, a)):
            if isinstance(x, int):
                if x == 0:
                    return 0
                if x == 1:
                    return y
        return self.emit(elementwise.mul, (self.value(a), self.value(b)))

    def divmod(self, a: Index, b: Index) -> tuple[Index, Index]:
        """Quotient and remainder of non-negative indices."""
        if isinstance(a, int) and isinstance(b, int):
            return divmod(a, b) if b else (0, 0)
        if isinstance(b, int) and b == 1:
            return a, 0
        operands = (self.value(a), self.value(b))
        return self.emit(elementwise.floordiv, operands), self.emit(elementwise.mod, operands)

    def sum(self, terms: Sequence[Index]) -> Index:
        """The sum, outer loops' terms first, so that partial sums stay outside the inner loops."""
        total: Index = 0
        for t in sorted(terms, key=lambda t: 0 if isinstance(t, int) else self.level.get(t, 0)):
            total = self.add(total, t)
        return total

    def product(self, factors: Sequence[Index]) -> Index:
        total: Index = 1
        for f in factors:
            total = self.mul(total, f)
        return total

    # --- memory
    def c_strides(self, shape: Sequence[Index]) -> tuple[Index, ...]:
        strides: list[Index] = []
        step: Index = 1
        for d in reversed(shape):
            strides.append(step)
            step = self.mul(step, d)
        return tuple(reversed(strides))

    def linear(self, storage: Storage, index: Sequence[Index]) -> Index:
        return self.sum([self.mul(i, s) for i, s in zip(index, storage.strides, strict=True)])

    def load(self, buffer: Value, at: Index, *, innermost: bool = False) -> Value:
        return self.emit(loop.load, (buffer, self.value(at)), innermost=innermost)

    def store(self, buffer: Value, at: Index, value: Value) -> None:
        self.effect(loop.store, buffer, self.value(at), value)

    def alloc(self, dtype: Any, shape: Sequence[Index]) -> Storage:
        """A new C-contiguous array, allocated outside the nest."""
        assert self.depth == 0
        from tracejit.ir.types import BufferType

        count = self.product(shape)
        op = Op(loop.alloc, (self.value(count),), (BufferType(dtype),), None, (), self.builder.loc)
        self.blocks[0].append(op)
        return Storage(op.results[0], tuple(shape), self.c_strides(shape))
