"""Vector loops: a ``for`` whose turns are independent, written with explicit vectors of `width` lanes.

`emit` decides and lays out the loop; `lanes` of the body come from `vector_body`, sums from `vector_reduction`:

    main loop     unroll x width elements a turn
    rest          one vector a turn, the last one under a mask (`Target.masked`), or a scalar loop

Every value of the body is *uniform* (the same for all turns: computed once, before the loop), *affine* (an int64 that
grows by a fixed stride: kept as the scalar of lane 0, it becomes an address or, on demand, a vector) or *varying* (a
vector).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tracejit.codegen.costs import FUEL
from tracejit.codegen.lanes import Lanes
from tracejit.codegen.scalars import I64, SCALARS, Operand
from tracejit.codegen.vector_body import Body
from tracejit.codegen.writer import Phi
from tracejit.ir.core import Op, Value
from tracejit.ir.types import INT64
from tracejit.lazy import Lazy
from tracejit.ops.effects import constant
from tracejit.ops.primitive import Primitive
from tracejit.record import field, record

if TYPE_CHECKING:
    from tracejit.codegen import vector_reduction
    from tracejit.codegen.control import Kernel
    from tracejit.codegen.vector_reduction import Reduction, State
else:
    vector_reduction = Lazy("tracejit.codegen.vector_reduction")

_LIGHT = 4
"""Work per element up to which a loop is bound by memory, and charged as a whole: a pass over a gigabyte takes a
fraction of a second."""

_MANY = 20
"""The most functions (exp, sin, ...) that a body is written twice for: machine code of more takes long to make."""

_PLAIN = frozenset({"const", "load", "store"})


@record
class Shape:
    """What analysis finds out about a loop.

    Attributes:
        width: Lanes.
        unroll: Vectors per turn of the main loop.
        masked: The rest runs under a mask.
        strides: The stride of affine values: an int, or the uniform value it is.
        uniform: Values of the body computed before the loop.
        reductions: One per carried value.
    """

    width: int = 1
    unroll: int = 1
    masked: bool = False
    strides: dict[Value, int | Value] = field(default_factory=dict)
    uniform: set[Value] = field(default_factory=set)
    reductions: list[Reduction] = field(default_factory=list)


def emit(k: Kernel, op: Op, trips: int | None) -> bool:
    """Write the ``for`` loop ``op`` with explicit vectors; False when it has to be a scalar loop."""
    shape = _analyse(k, op, trips)
    if shape is None:
        return False
    loop = VectorLoop(k, op, shape)
    start, stop, step = (k.text(v) for v in op.operands[:3])
    inits = k.operands(op.operands[3:])
    count = str(trips) if trips is not None else k.trip_count(op, start, stop, step)
    cost = max((k.costs.of(op.regions[0]) or 1) // shape.width, 1)
    if k.costs.of_op(op) is not None:
        results = loop.write(start, count, inits, charged=False)
    elif any(r.is_sum for r in shape.reductions):
        k.charge("1")  # the blocks are charged one by one
        results = loop.write(start, count, inits, charged=True)
    elif cost <= _LIGHT:
        k.charge(k.lanes.intrinsic("umin", "i64", count, str(FUEL)) if trips is None else str(min(trips, FUEL)))
        results = loop.write(start, count, inits, charged=False)
    else:
        results = k.chunked(
            start, count, step, cost, inits, op.results,
            lambda first, n, carried: loop.write(first, n, carried, charged=False),
        )  # fmt: skip
    k.bind(op.results, results)
    return True


# --- analysis
def _analyse(k: Kernel, op: Op, trips: int | None) -> Shape | None:
    step = constant(op.operands[2])
    if not isinstance(step, int) or step == 0 or (trips is not None and trips < 2):
        return None
    (region,) = op.regions
    shape = Shape(strides={region.params[0]: step})
    for inner in region.ops[:-1]:
        primitive = inner.primitive
        if inner.name not in _PLAIN and not (isinstance(primitive, Primitive) and primitive.family == "elementwise"):
            return None
    if not _find_reductions(op, shape):
        return None
    accumulators = {r.op for r in shape.reductions}
    stored = False
    widest, size, functions, awkward = 8, 0, 0, False
    inside = set(region.params) | {r for inner in region.ops for r in inner.results}

    def is_uniform(v: Value) -> bool:
        return v not in inside or v in shape.uniform

    for inner in region.ops[:-1]:
        if inner.name == "const":
            shape.uniform.add(inner.result)
            continue
        if inner.name == "store":
            stride = _stride(shape, inner.operands[1], is_uniform)
            if stride == 0 or not is_uniform(inner.operands[0]):
                return None
            stored = True
            s = SCALARS[inner.operands[0].dtype]
            awkward = awkward or (stride != 1 and s.part.size < 4)
            widest, size = max(widest, s.part.size * 8), size + 1
            continue
        r = inner.result
        if inner.name == "load":
            if not is_uniform(inner.operands[0]):
                return None
            stride = _stride(shape, inner.operands[1], is_uniform)
            if stride == 0 and not stored:
                shape.uniform.add(r)
                continue
            s = SCALARS[r.dtype]
            awkward = awkward or (stride not in (0, 1) and s.part.size < 4)
        elif inner not in accumulators:
            if all(is_uniform(v) for v in inner.operands):
                shape.uniform.add(r)
                continue
            stride = _affine(shape, inner, is_uniform)
            if stride is not None:
                shape.strides[r] = stride
                continue
        functions += _is_math(inner)
        size += 1 if not _is_math(inner) else 12
        for v in (r,) if inner.name == "load" else (r, *inner.operands):
            if not is_uniform(v):
                widest = max(widest, _bits(v))
    shape.width = k.target.vector_bits // widest
    shape.masked = k.target.masked and not awkward
    if trips is not None:
        while shape.width >= 2 * trips or (shape.width > trips and not shape.masked):
            shape.width //= 2
    if shape.width < 2:
        return None
    few, some = (16, 48) if shape.reductions else (5, 12)
    # functions are long chains of operations that wait for each other: with two vectors there is less to wait for
    waits = size <= 24 * functions and functions <= _MANY
    shape.unroll = 4 if size <= few else 2 if size <= some or waits else 1
    while trips is not None and shape.unroll > 1 and shape.unroll * shape.width > trips:
        shape.unroll //= 2
    return shape


def _bits(v: Value) -> int:
    s = SCALARS[v.dtype]
    return {"bool": 8, "f16": 32}.get(s.name, s.bits)


def _is_math(op: Op) -> bool:
    codegen = op.primitive.codegen if isinstance(op.primitive, Primitive) else {}
    return codegen.get(op.operands[0].dtype.kind, "").startswith("math")


def _stride(shape: Shape, v: Value, is_uniform: Callable[[Value], bool]) -> int | Value | None:
    """How much ``v`` grows per turn; None when it is not affine."""
    return shape.strides[v] if v in shape.strides else 0 if is_uniform(v) else None


def _affine(shape: Shape, op: Op, is_uniform: Callable[[Value], bool]) -> int | Value | None:
    """The stride of an int64 computed from affine and uniform values, or None when it is not affine (or not simply)."""
    if op.result.dtype != INT64 or op.name not in ("add", "sub", "mul"):
        return None
    a, b = (_stride(shape, v, is_uniform) for v in op.operands)
    if a is None or b is None:
        return None
    if op.name == "mul":
        if a == 0:
            a, b, factor = b, a, op.operands[0]
        else:
            factor = op.operands[1]
        if b != 0:
            return None
        known = constant(factor)
        if isinstance(known, int) and isinstance(a, int):
            return a * known
        return factor if a == 1 else None
    if isinstance(a, int) and isinstance(b, int):
        return a + b if op.name == "add" else a - b
    if b == 0:
        return a
    return b if a == 0 and op.name == "add" else None


def _find_reductions(op: Op, shape: Shape) -> bool:
    """Carried values must be combined with something once a turn, and be used for nothing else."""
    (region,) = op.regions
    names = op.attrs.get("reductions", ())
    carried = region.params[1:]
    if len(names) < len(carried):
        return False
    for param, result, name in zip(carried, region.yields, names):
        combine = result.op
        if combine is None or combine.block is not region or combine.name != name:
            return False
        if param.users != {combine: 1} or result.users != {region.terminator: 1}:
            return False
        shape.reductions.append(vector_reduction.Reduction(combine, param))
    return True


# --- layout
class VectorLoop:
    """Writes one loop. ``write`` may be called once."""

    def __init__(self, k: Kernel, op: Op, shape: Shape) -> None:
        self.k = k
        self.op = op
        self.shape = shape
        self.lanes = Lanes(k.function, shape.width, k.lanes.flags)

    def write(self, first: str, count: str, inits: Sequence[Operand], *, charged: bool) -> list[Operand]:
        """The loop of ``count`` turns from index ``first`` on, in the block being written; returns the carried
        values."""
        k, f, shape = self.k, self.k.function, self.shape
        static = int(count) if count.isdigit() else None
        before, done = f.label, f.new_label("vdone")
        if static is None:
            enter = f.new_label("vector")
            f.branch_if(k.lanes.op("icmp ne", "i64", count, "0"), enter, done)
            f.start(enter)
        ahead = f.lines
        f.lines = []
        body = Body(k, self.op, shape, self.lanes, ahead, first)
        states = [
            vector_reduction.State(r, self.lanes, init, ahead) for r, init in zip(shape.reductions, inits, strict=True)
        ]
        turn = self._whole_vectors(body, states, count, static, charged)
        if shape.masked:
            self._masked_rest(body, states, turn, count, static)
            results = [s.total() for s in states]
        else:
            if shape.unroll > 1:
                turn = self._single_vectors(body, states, turn, count, static)
            results = self._scalar_rest(first, [s.total() for s in states], turn, count, static)
        ahead.append(f.lines)
        f.lines = ahead
        if static is None:
            last = f.label
            f.branch(done)
            f.start(done)
            merged = k.phis(self.op.results)
            for phi, init, v in zip(merged, inits, results):
                phi.add(init, before)
                phi.add(v, last)
            results = [phi.operand for phi in merged]
        return results

    def _whole_vectors(self, body: Body, states: list[State], count: str, static: int | None, charged: bool) -> str:
        """The main loop; returns how many turns it made."""
        e, shape = self.k.lanes, self.shape
        stride = shape.unroll * shape.width
        if static is not None and static < stride:
            return "0"
        whole = str(static // stride * stride) if static is not None else e.op("and", "i64", count, str(-stride))
        for s in states:
            s.open(shape.unroll)
        if any(s.reduction.is_sum for s in states):
            self._blocks(body, states, whole, static, charged)
        else:
            self._loop(body, states, "0", whole, shape.unroll, sure=static is not None)
        for s in states:
            s.close()
        return whole

    def _blocks(self, body: Body, states: list[State], whole: str, static: int | None, charged: bool) -> None:
        """The main loop in blocks, after each of which sums are added up without loss."""
        k, f, e, shape = self.k, self.k.function, self.k.lanes, self.shape
        longest = vector_reduction.BLOCK * shape.unroll * shape.width
        if static is not None and static <= longest:
            self._loop(body, states, "0", whole, shape.unroll, sure=True)
            return
        block, done, before = f.new_label("block"), f.new_label("blocks"), f.label
        if static is None:
            f.branch_if(e.op("icmp ne", "i64", whole, "0"), block, done)
        else:
            f.branch(block)
        f.start(block)
        at = Phi(f, "i64", I64)
        at.add("0", before)
        assert isinstance(at.operand, str)
        outer = [s.carry(before) for s in states]
        if charged:
            k.charge(str(longest))
        left = e.op("sub nuw", "i64", whole, at.operand)
        end = e.op("add nuw", "i64", at.operand, e.intrinsic("umin", "i64", left, str(longest)))
        for s in states:
            s.open_block()
        self._loop(body, states, at.operand, end, shape.unroll, sure=True)
        for s in states:
            s.close_block()
        at.add(end, f.label)
        for s, phis in zip(states, outer):
            s.come_back(phis, f.label)
        last = f.label
        f.branch_if(e.op("icmp ult", "i64", end, whole), block, done)
        f.start(done)
        if static is None:
            for s, phis in zip(states, outer):
                s.merge(phis, before, last)

    def _loop(self, body: Body, states: list[State], start: str, end: str, unroll: int, *, sure: bool) -> None:
        """Turns from ``start`` to ``end``, a multiple of ``unroll`` vectors; ``sure``: there is at least one."""
        f, e = self.k.function, self.k.lanes
        stride = unroll * self.shape.width
        head, done, before = f.new_label("lanes"), f.new_label("done"), f.label
        if sure:
            f.branch(head)
        else:
            f.branch_if(e.op("icmp ult", "i64", start, end), head, done)
        f.start(head)
        turn = Phi(f, "i64", I64)
        turn.add(start, before)
        assert isinstance(turn.operand, str)
        phis = [s.carry_parts(before) for s in states]
        body.write(turn.operand, unroll, states, None)
        following = e.op("add nuw", "i64", turn.operand, str(stride))
        turn.add(following, f.label)
        for s, p in zip(states, phis):
            s.come_back_parts(p, f.label)
        last = f.label
        facts = f", !llvm.loop {self._facts()}"
        f.branch_if(e.op("icmp ult", "i64", following, end), head, done, facts)
        f.start(done)
        if not sure:
            for s, p in zip(states, phis):
                s.merge_parts(p, before, last)

    def _facts(self) -> str:
        """The optimiser leaves the loop as it is."""
        node = self.k.module.node
        return self.k.module.distinct(
            node('!{!"llvm.loop.vectorize.enable", i1 false}'), node('!{!"llvm.loop.unroll.disable"}')
        )

    def _single_vectors(self, body: Body, states: list[State], turn: str, count: str, static: int | None) -> str:
        e, width = self.k.lanes, self.shape.width
        whole = str(static // width * width) if static is not None else e.op("and", "i64", count, str(-width))
        if static is not None and whole == turn:
            return turn
        for s in states:
            s.open(1)
        self._loop(body, states, turn, whole, 1, sure=static is not None)
        for s in states:
            s.close()
        return whole

    def _masked_rest(self, body: Body, states: list[State], turn: str, count: str, static: int | None) -> None:
        """Single vectors, of which the last has lanes that are switched off."""
        f, e, width = self.k.function, self.k.lanes, self.shape.width
        if static is not None and int(turn) == static:
            return
        head, done, before = f.new_label("rest"), f.new_label("done"), f.label
        for s in states:
            s.open(1)
        if static is None:
            f.branch_if(e.op("icmp ult", "i64", turn, count), head, done)
        else:
            f.branch(head)
        f.start(head)
        at = Phi(f, "i64", I64)
        at.add(turn, before)
        assert isinstance(at.operand, str)
        phis = [s.carry_parts(before) for s in states]
        left = e.op("sub nuw", "i64", count, at.operand)
        body.write(at.operand, 1, states, e.intrinsic("umin", "i64", left, str(width)))
        following = e.op("add nuw", "i64", at.operand, str(width))
        at.add(following, f.label)
        for s, p in zip(states, phis):
            s.come_back_parts(p, f.label)
        last = f.label
        f.branch_if(e.op("icmp ult", "i64", following, count), head, done, f", !llvm.loop {self._facts()}")
        f.start(done)
        if static is None:
            for s, p in zip(states, phis):
                s.merge_parts(p, before, last)
        for s in states:
            s.close()

    def _scalar_rest(
        self, first: str, carried: list[Operand], turn: str, count: str, static: int | None
    ) -> list[Operand]:
        k, e = self.k, self.k.lanes
        step = k.text(self.op.operands[2])
        if static is not None and int(turn) == static:
            return carried
        start = first if turn == "0" else e.op("add", "i64", first, e.op("mul", "i64", turn, step))
        left = str(static - int(turn)) if static is not None else e.op("sub nuw", "i64", count, turn)
        return k.plain_for(self.op, start, left, step, carried, charged=False)
