"""Lane loops with control flow, written with vectors: each turn of the ``for`` is a lane, and lanes that do not take
part are switched off by a mask.

As in ISPC: both arms of an ``if`` run, each under the mask of the lanes that take it; a loop runs until the last lane
has left it. Code that would do harm or cost much when no lane takes part is branched around. What is the same in all
lanes (:mod:`tracejit.codegen.spmd_analysis`) stays scalar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tracejit.codegen import elementwise, memory
from tracejit.codegen.lanes import Lanes
from tracejit.codegen.scalars import BOOL, I64, SCALARS, Operand, Scalar
from tracejit.codegen.spmd_analysis import Shape, analyse
from tracejit.codegen.writer import LLVM, Lines, Phi
from tracejit.ir.core import Block, Op, Value
from tracejit.ops.effects import constant

if TYPE_CHECKING:
    from tracejit.codegen.control import Kernel

_NARROWEST = 256
"""Bits of vectors below which there is nothing to be gained."""
_LIGHT = 64
"""Instructions of a body up to which registers suffice for vectors of twice the width."""
_SHORT = 12
"""Instructions that run under an empty mask rather than being branched around."""


def emit(k: Kernel, op: Op, trips: int | None) -> bool:
    """Write the ``for`` loop ``op``, whose turns are independent, with a lane per turn; False when it has to be a
    scalar loop. What became of it is noted for people."""
    shape = _shape(k, op, trips)
    if isinstance(shape, str):
        k.note(op, f"one lane at a time, since {shape}")
        return False
    if shape.weight <= _LIGHT and shape.has_loops:
        shape.width *= 2  # each instruction waits for the one before: two vectors at a time fill the gaps
    while trips is not None and shape.width >= 2 * trips:
        shape.width //= 2
    k.note(op, f"{shape.width} lanes at a time, as vectors")
    _LaneLoop(k, op, shape).write(trips)
    return True


def _shape(k: Kernel, op: Op, trips: int | None) -> Shape | str:
    if k.module.dialect is not LLVM or k.target.vector_bits < _NARROWEST:
        return "this processor has no vectors of 256 bits"
    if op.attrs.get("lanes") == "scalar":
        return 'lanes="scalar" says so'
    if trips is not None and trips < 2:
        return "there is but one"
    return analyse(op, k.target.vector_bits)


class _LaneLoop:
    """Writes one loop. Vectors are in ``vectors``; the scalars of uniform values, and lane 0 of affine ones, are where
    the kernel keeps its operands."""

    def __init__(self, k: Kernel, op: Op, shape: Shape) -> None:
        self.k = k
        self.op = op
        self.shape = shape
        self.e = Lanes(k.function, shape.width, k.lanes.flags)
        self.vectors: dict[Value, Operand] = {}
        self.all_on = self.e.splat_literal("i1", "true")
        self.ahead: Lines = []  # before the loop

    def write(self, trips: int | None) -> None:
        k, f, e, width = self.k, self.k.function, self.k.lanes, self.shape.width
        (region,) = self.op.regions
        start, stop, step = (k.text(v) for v in self.op.operands[:3])
        count = str(trips) if trips is not None else k.trip_count(self.op, start, stop, step)
        head, done = f.new_label("lanes"), f.new_label("done")
        before = f.new_label("before")
        f.branch(before)
        f.start(before)
        f.lines.append(self.ahead)
        if trips is not None:
            f.branch(head)
        else:
            f.branch_if(e.op("icmp ne", "i64", count, "0"), head, done)
        f.start(head)
        turn = Phi(f, "i64", I64)
        turn.add("0", before)
        assert isinstance(turn.operand, str)
        index = region.params[0]
        k.env[index] = turn.operand if start == "0" else e.op("add", "i64", start, turn.operand)
        mask = None
        if trips is None or trips % width:
            left = e.op("sub nuw", "i64", count, turn.operand)
            mask = self.e.op("icmp ugt", "i64", self.e.spread("i64", left), self._numbers(1))
        self.block(region, mask)
        if k.costs.of_op(self.op) is None and not k.costs.pays(region):
            k.charge(str(1 + k.costs.of_parts(region)))
        following = e.op("add nuw", "i64", turn.operand, str(width))
        turn.add(following, f.label)
        f.branch_if(e.op("icmp ult", "i64", following, count), head, done)
        f.start(done)

    # --- values
    def _numbers(self, stride: int) -> str:
        return "<" + ", ".join(f"i64 {n * stride}" for n in range(self.shape.width)) + ">"

    def vector(self, v: Value) -> Operand:
        """A value in every lane."""
        found = self.vectors.get(v)
        if found is not None:
            return found
        if v.op is not None and v.op.name == "const":
            return self.e.constant(SCALARS[v.dtype], v.op.attrs["value"])
        f = self.k.function
        if self.shape.is_uniform(v) and not self.op.regions[0].contains(v.block):
            found = self.e.splat(SCALARS[v.dtype], self.k.env[v], self.ahead)
            self.vectors[v] = found
            return found
        if self.shape.is_uniform(v):
            return self.e.splat(SCALARS[v.dtype], self.k.env[v], f.lines)
        stride = self.shape.strides[v]
        return self.e.op("add", "i64", self.e.spread("i64", self.k.text(v)), self._distances(stride))

    def _text(self, v: Value) -> str:
        found = self.vector(v)
        assert isinstance(found, str)
        return found

    def _distances(self, stride: int | Value) -> str:
        """How far each lane of an affine value is from lane 0."""
        if isinstance(stride, int):
            return self._numbers(stride)
        return self.e.op("mul", "i64", self._text(stride), self._numbers(1))

    def define(self, v: Value, operand: Operand) -> None:
        """Make known the scalar of a value that is not varying; its vector is written here, where it can be seen from
        wherever it is used."""
        self.k.env[v] = operand
        if any(not (u.name in ("load", "store") and u.operands[1] is v) for u in v.users):
            self.vectors.pop(v, None)
            self.vectors[v] = self.vector(v)

    def bind(self, v: Value, operand: Operand) -> None:
        """Make known a parameter of a region, or a result of control flow."""
        if v in self.shape.varying:
            self.vectors[v] = operand
        else:
            self.define(v, operand)

    def own(self, v: Value) -> Operand:
        """A value as what it is: a vector if it is varying, else a scalar."""
        return self.vectors[v] if v in self.shape.varying else self.k.env[v]

    def passed(self, v: Value, to: Value) -> Operand:
        """A value as ``to`` is."""
        return self.vector(v) if to in self.shape.varying else self.k.env[v]

    def phi(self, v: Value) -> Phi:
        s = SCALARS[v.dtype]
        return Phi(self.k.function, self.e.types[s.llvm] if v in self.shape.varying else s.llvm, s)

    def chosen(self, mask: str | None, s: Scalar, a: Operand, b: Operand) -> Operand:
        """``a`` where the mask is on, else ``b``."""
        if mask is None:
            return a
        if isinstance(a, str) and isinstance(b, str):
            return self.e.select(mask, s.llvm, a, b)
        return self.e.select(mask, s.llvm, a[0], b[0]), self.e.select(mask, s.llvm, a[1], b[1])

    def both(self, mask: str | None, condition: str) -> str:
        return condition if mask is None else self.e.op("and", "i1", mask, condition)

    def nothing(self, v: Value) -> Operand:
        """What stands for a vector that is not looked at."""
        return ("zeroinitializer", "zeroinitializer") if SCALARS[v.dtype].kind == "c" else "zeroinitializer"

    # --- ops
    def block(self, block: Block, mask: str | None) -> None:
        for op in block.ops[:-1]:
            if op.name == "if":
                self.branch(op, mask)
            elif op.name == "while":
                self.repeated(op, mask)
            elif op.name == "for":
                self.counted(op, mask)
            elif op.name == "check":
                self.check(op, mask)
            elif op.name == "store":
                self.store(op, mask)
            elif op.name == "const":
                self.k.const(op)
            elif op.result not in self.shape.varying:
                if op.name == "load":
                    memory.load(self.k, op)
                else:
                    self.k.env[op.result] = elementwise.apply(self.k.lanes, op, [self.k.env[v] for v in op.operands])
                self.define(op.result, self.k.env[op.result])
            elif op.name == "load":
                self.vectors[op.result] = self.load(op, mask)
            else:
                self.vectors[op.result] = elementwise.apply(self.e, op, [self.vector(v) for v in op.operands])

    def check(self, op: Op, mask: str | None) -> None:
        """The first lane that fails is the one that tells."""
        k, e = self.k, self.e
        failing = self.both(mask, e.not_(self._text(op.operands[0])))

        def payload() -> None:
            width = self.shape.width
            f = k.function
            bits, lane = f.fresh(), f.fresh()
            f.line(f"{bits} = bitcast <{width} x i1> {failing} to i{width}")
            first = k.lanes.intrinsic("cttz", f"i{width}", bits, extra=", i1 true")
            f.line(f"{lane} = zext i{width} {first} to i64")
            before = {v: k.env.get(v) for v in op.operands[1:]}
            for v in op.operands[1:]:
                if not self.shape.is_uniform(v):
                    k.env[v] = self._element(SCALARS[v.dtype], self.vector(v), lane)
            for n in range(1, len(op.operands)):
                memory.write_slot(k, "%context", n - 1, op, n)
            k.env.update((v, x) for v, x in before.items() if x is not None)

        k.fail_unless(k.lanes.not_(e.any(failing)), k.number_of(op), payload)

    def _element(self, s: Scalar, vector: Operand, lane: str) -> Operand:
        f = self.k.function

        def pick(x: str) -> str:
            r = f.fresh()
            f.line(f"{r} = extractelement {self.e.types[s.llvm]} {x}, i64 {lane}")
            return r

        return pick(vector) if isinstance(vector, str) else (pick(vector[0]), pick(vector[1]))

    # --- branches
    def branch(self, op: Op, mask: str | None) -> None:
        if self.shape.is_uniform(op.operands[0]):
            self._together(op, mask)
            return
        e = self.e
        condition = self._text(op.operands[0])
        masks = (self.both(mask, condition), self.both(mask, e.not_(condition)))
        sides = [self._arm(op, arm, m) for arm, m in zip(op.regions, masks)]
        for k, r in enumerate(op.results):
            self.vectors[r] = self.chosen(condition, SCALARS[r.dtype], sides[0][k], sides[1][k])

    def _arm(self, op: Op, arm: Block, mask: str) -> list[Operand]:
        """The vectors that an arm yields, under a mask that may be empty."""
        if not self._needs_lanes(arm):
            self.block(arm, mask)
            return [self.vector(v) for v in arm.yields]
        f = self.k.function
        inside, join, before = f.new_label("arm"), f.new_label("join"), f.label
        f.branch_if(self.e.any(mask), inside, join)
        f.start(inside)
        self.block(arm, mask)
        values = [self.vector(v) for v in arm.yields]
        last = f.label
        f.branch(join)
        f.start(join)
        phis = [self.phi(r) for r in op.results]
        for phi, r, v in zip(phis, op.results, values):
            phi.add(self.nothing(r), before)
            phi.add(v, last)
        return [phi.operand for phi in phis]

    def _needs_lanes(self, arm: Block) -> bool:
        """Whether an arm must not, or should not, run when no lane takes it."""
        if len(arm.ops) > _SHORT:
            return True
        for op in arm.ops[:-1]:
            if op.regions or op.name == "check" or (op.name == "load" and self.shape.is_uniform(op.operands[1])):
                return True
        return False

    def _together(self, op: Op, mask: str | None) -> None:
        f = self.k.function
        then, otherwise, join = f.new_label("then"), f.new_label("else"), f.new_label("join")
        f.branch_if(self.k.text(op.operands[0]), then, otherwise)
        edges = []
        for label, arm in zip((then, otherwise), op.regions, strict=True):
            f.start(label)
            self.block(arm, mask)
            edges.append(([self.passed(v, r) for v, r in zip(arm.yields, op.results)], f.label))
            f.branch(join)
        f.start(join)
        phis = [self.phi(r) for r in op.results]
        for n, phi in enumerate(phis):
            for values, label in edges:
                phi.add(values[n], label)
        for r, phi in zip(op.results, phis):
            self.bind(r, phi.operand)

    # --- loops
    def repeated(self, op: Op, mask: str | None) -> None:
        condition, region = op.regions

        def more(active: str | None, carried: Sequence[Operand]) -> Value:
            for v, x in zip(condition.params, carried):
                self.bind(v, x)
            self.block(condition, active)
            return condition.yields[0]

        if self.shape.is_uniform(condition.yields[0]):
            self._loop(op, op.operands, region, region.params, mask, None, more)
        else:
            self._loop_of_lanes(op, op.operands, region, region.params, mask, more, lambda value: self._text(value))

    def counted(self, op: Op, mask: str | None) -> None:
        """A ``for``: a ``while`` that counts."""
        (region,) = op.regions
        start, stop = op.operands[:2]
        step = constant(op.operands[2])
        assert isinstance(step, int)
        test = "icmp slt" if step > 0 else "icmp sgt"
        apart = not all(map(self.shape.is_uniform, (start, stop)))
        counter = region.params[0]
        if not apart:
            k = self.k

            def go_on(active: str | None, carried: Sequence[Operand]) -> str:
                assert isinstance(carried[0], str)
                return k.lanes.op(test, "i64", carried[0], k.text(stop))

            self._loop(op, [start, *op.operands[3:]], region, region.params, mask, step, go_on)
            return

        def in_lanes(active: str | None, carried: Sequence[Operand]) -> str:
            at = carried[0]
            assert isinstance(at, str)
            at = at if counter in self.shape.varying else self.e.spread("i64", at)
            return self.e.op(test, "i64", at, self._text(stop))

        self._loop_of_lanes(
            op, [start, *op.operands[3:]], region, region.params, mask, in_lanes, lambda found: found, step
        )

    def _loop(
        self,
        op: Op,
        inits: Sequence[Value],
        region: Block,
        params: Sequence[Value],
        mask: str | None,
        step: int | None,
        more: Callable[[str | None, Sequence[Operand]], Value | str],
    ) -> None:
        """A loop that all lanes leave together; with ``step``, the first parameter counts."""
        k, f = self.k, self.k.function
        head, body, done = f.new_label("while"), f.new_label("body"), f.new_label("done")
        starts = [self.passed(v, p) for v, p in zip(inits, params)]
        before = f.label
        f.branch(head)
        f.start(head)
        phis = [self.phi(p) for p in params]
        for phi, v in zip(phis, starts):
            phi.add(v, before)
        carried = [phi.operand for phi in phis]
        found = more(mask, carried)
        f.branch_if(found if isinstance(found, str) else k.text(found), body, done)
        f.start(body)
        for p, x in zip(params, carried):
            self.bind(p, x)
        self.block(region, mask)
        values = self._following(region, params, carried, step)
        self._charge(op)
        for phi, v in zip(phis, values):
            phi.add(v, f.label)
        f.branch(head)
        f.start(done)
        for r, x, p in zip(op.results, carried[step is not None :], params[step is not None :]):
            if (p in self.shape.varying) == (r in self.shape.varying):
                self.bind(r, x)
            else:
                self.vectors[r] = self.e.splat(SCALARS[r.dtype], x, f.lines)

    def _following(
        self, region: Block, params: Sequence[Value], carried: Sequence[Operand], step: int | None
    ) -> list[Operand]:
        """What a turn hands to the next."""
        if step is None:
            return [self.passed(v, p) for v, p in zip(region.yields, params)]
        at = carried[0]
        assert isinstance(at, str)
        if params[0] in self.shape.varying:
            following = self.e.op("add", "i64", at, self.e.splat_literal("i64", str(step)))
        else:
            following = self.k.lanes.op("add", "i64", at, str(step))
        return [following, *(self.passed(v, p) for v, p in zip(region.yields, params[1:]))]

    def _loop_of_lanes(
        self,
        op: Op,
        inits: Sequence[Value],
        region: Block,
        params: Sequence[Value],
        mask: str | None,
        more: Callable[[str | None, Sequence[Operand]], Value | str],
        in_lanes: Callable[..., str],
        step: int | None = None,
    ) -> None:
        """A loop that lanes leave one by one: it goes on until all have."""
        f, e = self.k.function, self.e
        head, body, done = f.new_label("while"), f.new_label("body"), f.new_label("done")
        starts = [self.passed(v, p) for v, p in zip(inits, params)]
        before = f.label
        f.branch(head)
        f.start(head)
        phis = [self.phi(p) for p in params]
        for phi, v in zip(phis, starts):
            phi.add(v, before)
        active = Phi(f, e.types["i1"], BOOL)
        active.add(mask or self.all_on, before)
        leaving = [r for r in op.results if r in self.shape.leaving and r.users]
        last = [self.phi(r) for r in leaving]
        for phi, r in zip(last, leaving):
            phi.add(self.nothing(r), before)
        carried = [phi.operand for phi in phis]
        first = len(params) - len(op.results)
        assert isinstance(active.operand, str)
        found = in_lanes(more(active.operand, carried))
        kept: list[Operand] = []
        for phi, r in zip(last, leaving):
            s, x = SCALARS[r.dtype], carried[first + op.results.index(r)]
            kept.append(self.chosen(active.operand, s, e.splat(s, x, f.lines), phi.operand))
        on = e.op("and", "i1", active.operand, found)
        f.branch_if(e.any(on), body, done)
        f.start(body)
        for p, x in zip(params, carried):
            self.bind(p, x)
        self.block(region, on)
        values = self._following(region, params, carried, step)
        for n, r in enumerate(op.results):
            p = params[first + n]
            if p in self.shape.varying and r.users:
                values[first + n] = self.chosen(on, SCALARS[r.dtype], values[first + n], carried[first + n])
        self._charge(op)
        for phi, v in zip([*phis, active, *last], [*values, on, *kept]):
            phi.add(v, f.label)
        f.branch(head)
        f.start(done)
        for r, x in zip(leaving, kept):
            self.vectors[r] = x
        for r, p, x in zip(op.results, params[first:], carried[first:]):
            if p in self.shape.varying:
                self.vectors[r] = x

    def _charge(self, op: Op) -> None:
        costs = self.k.costs
        if costs.of_op(op) is None and not any(map(costs.pays, op.regions)):
            self.k.charge(str(1 + sum(map(costs.of_parts, op.regions))))

    # --- memory
    def _addresses(self, op: Op) -> list[str]:
        """Vectors of addresses: of the elements, or of both parts of complex ones."""
        e, f = self.e, self.k.function
        buffer, index = op.operands[:2]
        s = SCALARS[buffer.dtype]
        stride = self.shape.stride(index)
        if stride is None:
            place, offsets = self.k.pointer(buffer), self._text(index)
        else:
            place = memory.element(f, s, self.k.pointer(buffer), self.k.text(index))
            offsets = self._distances(stride)
        kind = f"[2 x {s.memory}]" if s.kind == "c" else s.memory
        r = f.fresh()
        f.line(f"{r} = getelementptr inbounds {kind}, ptr {place}, {e.types['i64']} {offsets}")
        if s.kind != "c":
            return [r]
        im = f.fresh()
        f.line(f"{im} = getelementptr inbounds i8, {e.types['ptr']} {r}, {e.types['i64']} {e.num(I64, s.align)}")
        return [r, im]

    def _contiguous(self, op: Op) -> str | None:
        """The address of lane 0, where lanes are side by side."""
        buffer, index = op.operands[:2]
        s = SCALARS[buffer.dtype]
        if s.kind == "c" or self.shape.stride(index) != 1:
            return None
        return memory.element(self.k.function, s, self.k.pointer(buffer), self.k.text(index))

    def load(self, op: Op, mask: str | None) -> Operand:
        e, f, w = self.e, self.k.function, self.shape.width
        s = SCALARS[op.result.dtype]
        t, p, m = e.types[s.memory], e.types["ptr"], e.types["i1"]
        place = self._contiguous(op)
        found: list[str] = []
        if place is not None and mask is None:
            found.append(f.fresh())
            f.line(f"{found[0]} = load {t}, ptr {place}, align {s.align}")
        elif place is not None:
            name = f"llvm.masked.load.v{w}{memory.suffix_of(s.memory)}.p0"
            e.module.declare(name, t, f"ptr, i32, {m}, {t}")
            found.append(f.fresh())
            f.line(f"{found[0]} = call {t} @{name}(ptr {place}, i32 {s.align}, {m} {mask}, {t} zeroinitializer)")
        else:
            name = f"llvm.masked.gather.v{w}{memory.suffix_of(s.memory)}.v{w}p0"
            e.module.declare(name, t, f"{p}, i32, {m}, {t}")
            for address in self._addresses(op):
                r = f.fresh()
                f.line(
                    f"{r} = call {t} @{name}({p} {address}, i32 {s.align}, {m} {mask or self.all_on}, "
                    f"{t} zeroinitializer)"
                )
                found.append(r)
        if s.kind == "c":
            return found[0], found[1]
        return e.op("icmp ne", "i8", found[0], "zeroinitializer") if s is BOOL else found[0]

    def store(self, op: Op, mask: str | None) -> None:
        e, f, w = self.e, self.k.function, self.shape.width
        s = SCALARS[op.operands[0].dtype]
        t, p, m = e.types[s.memory], e.types["ptr"], e.types["i1"]
        x = self.vector(op.operands[2])
        if s is BOOL:
            assert isinstance(x, str)
            x = e.convert("zext", "i1", "i8", x)
        place = self._contiguous(op)
        if place is not None and mask is None:
            f.line(f"store {t} {x}, ptr {place}, align {s.align}")
            return
        if place is not None:
            name = f"llvm.masked.store.v{w}{memory.suffix_of(s.memory)}.p0"
            e.module.declare(name, "void", f"{t}, ptr, i32, {m}")
            f.line(f"call void @{name}({t} {x}, ptr {place}, i32 {s.align}, {m} {mask})")
            return
        name = f"llvm.masked.scatter.v{w}{memory.suffix_of(s.memory)}.v{w}p0"
        e.module.declare(name, "void", f"{t}, {p}, i32, {m}")
        for address, part in zip(self._addresses(op), (x,) if isinstance(x, str) else x):
            f.line(f"call void @{name}({t} {part}, {p} {address}, i32 {s.align}, {m} {mask or self.all_on})")
