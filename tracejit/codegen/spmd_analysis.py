"""What of a lane loop differs from lane to lane, and whether the loop can be written with vectors.

A value of the body is *uniform* (the same number in all lanes that get there), *affine* (an int64 that grows by a fixed
stride from lane to lane) or *varying*. Memory: iterations of a ``parallel`` loop are independent as far as arrays go,
but buffers for single lanes may have been moved out of it. So stores must go to places that lanes do not share, which
affine indices with a stride prove, and what is stored into is read at such places only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tracejit.codegen.scalars import SCALARS
from tracejit.ir.core import Block, Op, Value
from tracejit.ir.types import INT64, BufferType
from tracejit.ops.effects import constant
from tracejit.ops.primitive import Primitive
from tracejit.record import field, record


@record
class Shape:
    """What analysis finds out about a loop.

    Attributes:
        width: Lanes.
        strides: The stride of affine values: an int, or the uniform value it is.
        varying: Values that have a vector only.
        leaving: Results of loops that lanes leave one by one, though the value is uniform inside.
        weight: Vector instructions in a turn, roughly.
        has_loops: There are loops in the body.
    """

    width: int = 1
    strides: dict[Value, int | Value] = field(default_factory=dict)
    varying: set[Value] = field(default_factory=set)
    leaving: set[Value] = field(default_factory=set)
    weight: int = 0
    has_loops: bool = False

    def is_uniform(self, v: Value) -> bool:
        return v not in self.varying and v not in self.strides

    def stride(self, v: Value) -> int | Value | None:
        """How much ``v`` grows per lane; None when it is not affine."""
        return None if v in self.varying else self.strides.get(v, 0)


def analyse(op: Op, vector_bits: int) -> Shape | str:
    """How to write the ``for`` loop ``op`` with a lane per turn; why not, when that is not possible."""
    if len(op.operands) != 3 or constant(op.operands[2]) != 1:
        return "lanes hand something on"
    unsupported = next((inner for inner in _inside(op) if not _is_supported(inner)), None)
    if unsupported is not None:
        return _hindrance(unsupported)
    analysis = _Analysis(op)
    analysis.run()
    shape = analysis.shape
    if not analysis.are_accesses_apart():
        return "it stores into an array by indices that may be the same in two lanes"
    widest = 8
    for inner in _inside(op):
        shape.weight += 12 if _is_math(inner) else 1
        shape.has_loops = shape.has_loops or inner.name in ("for", "while")
        for v in (*inner.results, *(p for region in inner.regions for p in region.params)):
            if v in shape.varying:
                widest = max(widest, _bits(v))
    shape.width = vector_bits // widest
    return shape if shape.width > 1 else "a vector holds one number of this size"


def _bits(v: Value) -> int:
    s = SCALARS[v.dtype]
    return {"bool": 8, "f16": 32}.get(s.name, s.bits)


def _is_math(op: Op) -> bool:
    codegen = op.primitive.codegen if isinstance(op.primitive, Primitive) else {}
    return bool(op.operands) and codegen.get(op.operands[0].dtype.kind, "").startswith("math")


def _inside(op: Op) -> Iterator[Op]:
    """The ops of the body of a loop, those in regions included, but for terminators."""
    for region in op.regions:
        for inner in region.ops[:-1]:
            yield inner
            yield from _inside(inner)


def _hindrance(op: Op) -> str:
    """Why an op has no form for lanes."""
    if op.name == "for":
        return "there is a loop over the elements of arrays in it, which is made of vectors itself"
    names = {"alloc": "arrays are made in it", "offset": "arrays are made in it", "call": "it calls a library"}
    return names.get(op.name, f"there is no vector form of {op.name!r}")


def _is_supported(op: Op) -> bool:
    if any(isinstance(v.type, BufferType) for v in (*op.results, *(p for r in op.regions for p in r.params))):
        return False
    if op.name == "for":
        # a loop that is made of vectors, or of lanes, itself is better left so
        return not op.attrs.get("vector") and not op.attrs.get("parallel") and constant(op.operands[2]) not in (None, 0)
    if op.name == "check":
        return not any(isinstance(v.type, BufferType) for v in op.operands)
    if op.name in ("const", "load", "store", "if", "while"):
        return True
    return isinstance(op.primitive, Primitive) and op.primitive.family == "elementwise"


class _Analysis:
    def __init__(self, op: Op) -> None:
        self.op = op
        (self.body,) = op.regions
        self.shape = Shape()
        self.shape.strides[self.body.params[0]] = 1

    def run(self) -> None:
        before = -1
        while before != len(self.shape.varying) + len(self.shape.leaving):
            before = len(self.shape.varying) + len(self.shape.leaving)
            self.block(self.body)

    def vary(self, *values: Value) -> None:
        for v in values:
            self.shape.strides.pop(v, None)
            self.shape.varying.add(v)

    def is_uniform(self, v: Value) -> bool:
        return self.shape.is_uniform(v)

    def block(self, block: Block) -> None:
        for op in block.ops[:-1]:
            if op.name == "if":
                self.branch(op)
            elif op.name == "for":
                self.counted(op)
            elif op.name == "while":
                self.repeated(op)
            elif op.results and op.result not in self.shape.varying:
                self.value(op)

    def value(self, op: Op) -> None:
        if op.name == "load":
            if not self.is_uniform(op.operands[1]):
                self.vary(op.result)
        elif not all(map(self.is_uniform, op.operands)):
            stride = self._affine(op)
            if stride is None:
                self.vary(op.result)
            else:
                self.shape.strides[op.result] = stride

    def _affine(self, op: Op) -> int | Value | None:
        if op.result.dtype != INT64 or op.name not in ("add", "sub", "mul"):
            return None
        a, b = (self.shape.stride(v) for v in op.operands)
        if a is None or b is None:
            return None
        if op.name == "mul":
            if a == 0:
                a, b, factor = b, a, op.operands[0]
            else:
                factor = op.operands[1]
            known = constant(factor)
            if b != 0:
                return None
            if isinstance(known, int) and isinstance(a, int):
                return a * known
            return factor if a == 1 else None
        if isinstance(a, int) and isinstance(b, int):
            return a + b if op.name == "add" else a - b
        if b == 0:
            return a
        return b if a == 0 and op.name == "add" else None

    def branch(self, op: Op) -> None:
        together = self.is_uniform(op.operands[0])
        for arm in op.regions:
            self.block(arm)
        for k, r in enumerate(op.results):
            if not together or not all(self.is_uniform(arm.yields[k]) for arm in op.regions):
                self.vary(r)

    def counted(self, op: Op) -> None:
        (body,) = op.regions
        if not self.is_uniform(op.operands[0]):
            self.vary(body.params[0])
        apart = not all(map(self.is_uniform, op.operands[:3]))
        self.carried(op, op.operands[3:], body.params[1:], body.yields, apart)
        self.block(body)

    def repeated(self, op: Op) -> None:
        condition, body = op.regions
        self.block(condition)
        apart = not self.is_uniform(condition.yields[0])
        self.carried(op, op.operands, body.params, body.yields, apart)
        for p, q in zip(body.params, condition.params):
            if p in self.shape.varying:
                self.vary(q)
        self.block(condition)
        self.block(body)

    def carried(
        self, op: Op, inits: Sequence[Value], params: Sequence[Value], yields: Sequence[Value], apart: bool
    ) -> None:
        for init, p, y, r in zip(inits, params, yields, op.results):
            if not self.is_uniform(init) or not self.is_uniform(y):
                self.vary(p, r)
            elif apart:
                self.vary(r)
                self.shape.leaving.add(r)
        self.shape.leaving -= {r for p, r in zip(params, op.results) if p in self.shape.varying}

    # --- memory
    def are_accesses_apart(self) -> bool:
        """Whether lanes write to places of their own, which no other lane reads."""
        stored: set[Value] = set()
        for op in _inside(self.op):
            if op.name == "store":
                if self._is_shared(op.operands[1]):
                    return False
                stored.add(_root(op.operands[0]))
        for op in _inside(self.op):
            if op.name == "load" and _root(op.operands[0]) in stored and self._is_shared(op.operands[1]):
                return False
        return not stored or all(_is_known(root) for root in stored)

    def _is_shared(self, index: Value) -> bool:
        """Whether lanes may mean the same place by an index."""
        stride = self.shape.stride(index)
        return stride is None or stride == 0


def _root(buffer: Value) -> Value:
    while buffer.op is not None and buffer.op.name == "offset":
        buffer = buffer.op.operands[0]
    return buffer


def _is_known(root: Value) -> bool:
    """Whether a buffer is one that no other value stands for: a parameter, or an allocation."""
    if root.op is not None:
        return root.op.name == "alloc"
    return root.block is not None and root.block.parent is None
