"""One turn of a vector loop: loads, arithmetic and stores of ``unroll`` vectors, or of one under a mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tracejit.codegen import elementwise, memory
from tracejit.codegen.lanes import Lanes
from tracejit.codegen.scalars import BOOL, I64, SCALARS, Operand, Scalar
from tracejit.codegen.writer import Lines
from tracejit.ir.core import Op, Value

if TYPE_CHECKING:
    from tracejit.codegen.control import Kernel
    from tracejit.codegen.vector import Shape
    from tracejit.codegen.vector_reduction import State

_NEAR = 4
"""Up to this stride, elements are picked out of contiguous loads."""


class Body:
    """Writes the loop's body, any number of times. Uniform values go to ``ahead``, the lines before the loop."""

    def __init__(self, k: Kernel, op: Op, shape: Shape, lanes: Lanes, ahead: Lines, first: str) -> None:
        self.k = k
        self.op = op
        self.shape = shape
        self.e = lanes
        self.ahead = ahead
        self.first = first
        (self.region,) = op.regions
        self.reduced: dict[Op, int] = {r.op: n for n, r in enumerate(shape.reductions)}
        self._splats: dict[Value, Operand] = {}
        # of the turn being written
        self._vectors: dict[tuple[Value, int], Operand] = {}
        self._scalars: dict[Value, str] = {}
        self._places: dict[tuple[Value, Value], str] = {}
        self._mask: str | None = None
        self._left: str | None = None
        self._uniforms()

    # --- before the loop
    def _before(self, write: Callable[[], None]) -> None:
        f = self.e.function
        lines, f.lines = f.lines, self.ahead
        write()
        f.lines = lines

    def _uniforms(self) -> None:
        def write() -> None:
            for op in self.region.ops[:-1]:
                if not op.results or op.result not in self.shape.uniform:
                    continue
                if op.name == "const":
                    self.k.const(op)
                elif op.name == "load":
                    memory.load(self.k, op)
                else:
                    self.k.elementwise(op)

        self._before(write)

    def splat(self, v: Value) -> Operand:
        """A uniform value in every lane."""
        found = self._splats.get(v)
        if found is None:
            s = SCALARS[v.dtype]
            scalar = self.k.env[v]
            if v.op is not None and v.op.name == "const":
                found = self.e.constant(s, v.op.attrs["value"])
            else:
                found = self.e.splat(s, scalar, self.ahead)
            self._splats[v] = found
        return found

    # --- one turn
    def write(self, turn: str, unroll: int, states: Sequence[State], left: str | None) -> None:
        """``unroll`` vectors from turn number ``turn`` on; with ``left``, one vector of which so many lanes are on."""
        self._vectors.clear()
        self._places.clear()
        index = self.region.params[0]
        step = self.shape.strides[index]
        assert isinstance(step, int)
        e = self.k.lanes
        moved = turn if step == 1 else e.op("mul", "i64", turn, str(step))
        self._scalars = {index: moved if self.first == "0" else e.op("add", "i64", self.first, moved)}
        self._left = left
        self._mask = None if left is None else self._mask_of(self.e.width, left)
        for op in self.region.ops[:-1]:
            if op.results and (op.result in self.shape.uniform or op.result in self.shape.strides):
                continue
            for u in range(unroll):
                if op.name == "load":
                    self._vectors[op.result, u] = self._load(op, u)
                elif op.name == "store":
                    self._store(op, u)
                elif op in self.reduced:
                    state = states[self.reduced[op]]
                    state.add(u, self.vector(state.reduction.addend, u), self._mask)
                else:
                    operands = [self.vector(v, u) for v in op.operands]
                    self._vectors[op.result, u] = elementwise.apply(self.e, op, operands)

    def _mask_of(self, lanes: int, left: str) -> str:
        """The mask with the first ``left`` (1 to ``lanes``) lanes on."""
        f, e = self.e.function, self.k.lanes
        bits = max(lanes, 64)
        if bits > 64:
            left = e.convert("zext", "i64", f"i{bits}", left)
        ones = e.op("lshr", f"i{bits}", "-1", e.op("sub", f"i{bits}", str(bits), left))
        if lanes < bits:
            ones = e.convert("trunc", f"i{bits}", f"i{lanes}", ones)
        r = f.fresh()
        f.line(f"{r} = bitcast i{lanes} {ones} to <{lanes} x i1>")
        return r

    # --- values
    def scalar(self, v: Value) -> str:
        """Lane 0 of the first vector of an affine (or uniform) value."""
        found = self._scalars.get(v)
        if found is None:
            if v not in self.shape.strides:
                return self.k.text(v)
            op = v.op
            assert op is not None
            operand = elementwise.apply(self.k.lanes, op, [self.scalar(x) for x in op.operands])
            assert isinstance(operand, str)
            found = self._scalars[v] = operand
        return found

    def vector(self, v: Value, u: int) -> Operand:
        """Vector number ``u`` of a value."""
        found = self._vectors.get((v, u))
        if found is None:
            if v in self.shape.strides:
                found = self.e.op("add", "i64", self.e.spread("i64", self.scalar(v)), self._distances(v, u))
                self._vectors[v, u] = found
            else:
                found = self.splat(v)
        return found

    def _distances(self, v: Value, u: int) -> str:
        """How far each lane of vector ``u`` of an affine value is from its first lane of vector 0."""
        e, stride = self.e, self.shape.strides[v]
        lanes = range(u * e.width, (u + 1) * e.width)
        if isinstance(stride, int):
            return "<" + ", ".join(f"i64 {n * stride}" for n in lanes) + ">"
        numbers = "<" + ", ".join(f"i64 {n}" for n in lanes) + ">"
        found = ""

        def write() -> None:
            nonlocal found
            found = e.op("mul", "i64", e.spread("i64", self.k.text(stride)), numbers)

        self._before(write)
        return found

    # --- memory
    def _place(self, buffer: Value, index: Value, s: Scalar) -> str:
        """The address of lane 0 of the first vector."""
        key = (buffer, index)
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = memory.element(self.e.function, s, self.k.pointer(buffer), self.scalar(index))
        return found

    def _ahead_of(self, place: str, s: Scalar, elements: int) -> str:
        return place if not elements else memory.element(self.e.function, s, place, str(elements))

    def _access(self, op: Op, u: int) -> tuple[str, int | Value | None]:
        """The address of lane 0 of vector ``u`` and the stride; for a varying index the buffer and None."""
        buffer, index = op.operands[:2]
        s = SCALARS[buffer.dtype]
        stride = self.shape.strides.get(index)
        if stride is None and (index, u) in self._vectors:
            return self.k.pointer(buffer), None
        place = self._place(buffer, index, s)
        if stride is None:
            return place, 0
        if isinstance(stride, int):
            return self._ahead_of(place, s, u * self.e.width * stride), stride
        return place, stride

    def _load(self, op: Op, u: int) -> Operand:
        s = SCALARS[op.result.dtype]
        place, stride = self._access(op, u)
        suffix = ", !invariant.load " + self.k.module.node("!{}") if op.attrs.get("invariant") else ""
        e = self.e
        if stride == 0:
            return self._spread(s, memory.read(self.k.lanes, s, place, suffix))
        if stride == 1:
            return self._read_contiguous(s, place, suffix)
        if stride == -1 and s.kind != "c" and self._mask is None:
            back = self._ahead_of(place, s, 1 - e.width)
            return self._to_register(s, e.reverse(s.memory, self._plain_read(s.memory, e.width, back, s.align, suffix)))
        if isinstance(stride, int) and 2 <= stride <= min(_NEAR, e.width) and s.kind != "c" and self._mask is None:
            return self._to_register(s, self._read_near(s, place, stride, suffix))
        parts = []
        for address in self._addresses(s, op, place, stride, u):
            parts.append(self._gather(s, address))
        if s.kind == "c":
            return parts[0], parts[1]
        return self._to_register(s, parts[0])

    def _spread(self, s: Scalar, v: Operand) -> Operand:
        if isinstance(v, str):
            return self.e.spread(s.llvm, v)
        return self.e.spread(s.llvm, v[0]), self.e.spread(s.llvm, v[1])

    def _to_register(self, s: Scalar, v: str) -> str:
        return self.e.op("icmp ne", "i8", v, "zeroinitializer") if s is BOOL else v

    def _plain_read(self, llvm: str, lanes: int, place: str, align: int, suffix: str) -> str:
        f = self.e.function
        r = f.fresh()
        f.line(f"{r} = load <{lanes} x {llvm}>, ptr {place}, align {align}{suffix}")
        return r

    def _read_contiguous(self, s: Scalar, place: str, suffix: str) -> Operand:
        e, f = self.e, self.e.function
        lanes = e.width * (2 if s.kind == "c" else 1)
        if self._mask is None:
            r = self._plain_read(s.memory, lanes, place, s.align, suffix)
        else:
            mask = self._wide_mask(lanes)
            t, name = f"<{lanes} x {s.memory}>", f"v{lanes}{memory.suffix_of(s.memory)}"
            e.module.declare(f"llvm.masked.load.{name}.p0", t, f"ptr, i32, <{lanes} x i1>, {t}")
            r = f.fresh()
            f.line(
                f"{r} = call {t} @llvm.masked.load.{name}.p0(ptr {place}, i32 {s.align}, <{lanes} x i1> {mask}, "
                f"{t} zeroinitializer)"
            )
        if s.kind == "c":
            return e.every_second(s.memory, r, 0), e.every_second(s.memory, r, 1)
        return self._to_register(s, r)

    def _wide_mask(self, lanes: int) -> str:
        """The mask for ``lanes`` numbers in memory: complex elements have two each."""
        assert self._mask is not None and self._left is not None
        if lanes == self.e.width:
            return self._mask
        return self._mask_of(lanes, self.k.lanes.op("shl nuw", "i64", self._left, "1"))

    def _read_near(self, s: Scalar, place: str, stride: int, suffix: str) -> str:
        """Elements a small stride apart, out of ``stride`` contiguous loads that reach no further than the last of
        them."""
        e, f, w = self.e, self.e.function, self.e.width
        last = (w - 1) * stride
        starts = [n * w for n in range(stride - 1)] + [last - w + 1]
        t, result = e.types[s.memory], "poison"
        for n, start in enumerate(starts):
            v = self._plain_read(s.memory, w, self._ahead_of(place, s, start), s.align, suffix)
            picks = []
            for lane in range(w):
                at = lane * stride
                owner = min(at // w, stride - 1)
                picks.append(f"i32 {w + at - start}" if owner == n else f"i32 {lane}" if owner < n else "i32 poison")
            r = f.fresh()
            f.line(f"{r} = shufflevector {t} {result}, {t} {v}, <{w} x i32> <{', '.join(picks)}>")
            result = r
        return result

    def _addresses(self, s: Scalar, op: Op, place: str, stride: int | Value | None, u: int) -> list[str]:
        """Vectors of addresses: of the elements, or of both parts of complex elements."""
        e, f = self.e, self.e.function
        index = op.operands[1]
        offsets = self.vector(index, u) if stride is None else self._offsets(index, stride, u)
        kind = f"[2 x {s.memory}]" if s.kind == "c" else s.memory
        r = f.fresh()
        f.line(f"{r} = getelementptr inbounds {kind}, ptr {place}, {e.types['i64']} {offsets}")
        if s.kind != "c":
            return [r]
        im = f.fresh()
        f.line(f"{im} = getelementptr inbounds i8, {e.types['ptr']} {r}, {e.types['i64']} {e.num(I64, s.align)}")
        return [r, im]

    def _offsets(self, index: Value, stride: int | Value, u: int) -> str:
        # the address of vector u is known for an int stride; else it is that of vector 0
        return self._distances(index, 0 if isinstance(stride, int) else u)

    def _by_hand(self, s: Scalar) -> bool:
        """Whether to move elements one by one instead of by gather and scatter instructions."""
        return self._mask is None and (s.part.size < 4 or not self.k.target.masked)

    def _gather(self, s: Scalar, addresses: str) -> str:
        e, f, w = self.e, self.e.function, self.e.width
        t, p = e.types[s.memory], e.types["ptr"]
        if self._by_hand(s):
            result = "poison"
            for lane in range(w):
                at, x, r = f.fresh(), f.fresh(), f.fresh()
                f.line(f"{at} = extractelement {p} {addresses}, i64 {lane}")
                f.line(f"{x} = load {s.memory}, ptr {at}, align {s.align}")
                f.line(f"{r} = insertelement {t} {result}, {s.memory} {x}, i64 {lane}")
                result = r
            return result
        name = f"llvm.masked.gather.v{w}{memory.suffix_of(s.memory)}.v{w}p0"
        e.module.declare(name, t, f"{p}, i32, {e.types['i1']}, {t}")
        r = f.fresh()
        f.line(
            f"{r} = call {t} @{name}({p} {addresses}, i32 {s.align}, {e.types['i1']} {self._on()}, {t} zeroinitializer)"
        )
        return r

    def _on(self) -> str:
        return self._mask or self.e.splat_literal("i1", "true")

    def _store(self, op: Op, u: int) -> None:
        value = op.operands[2]
        s = SCALARS[op.operands[0].dtype]
        place, stride = self._access(op, u)
        e = self.e
        x = self.vector(value, u)
        if s is BOOL:
            assert isinstance(x, str)
            x = e.convert("zext", "i1", "i8", x)
        if stride == 1:
            if s.kind == "c":
                assert not isinstance(x, str)
                x = e.interleave(s.memory, x[0], x[1])
            assert isinstance(x, str)
            self._write_contiguous(s, place, x)
            return
        if stride == -1 and isinstance(x, str) and self._mask is None:
            self._write_contiguous(s, self._ahead_of(place, s, 1 - e.width), e.reverse(s.memory, x))
            return
        for address, part in zip(self._addresses(s, op, place, stride, u), (x,) if isinstance(x, str) else x):
            self._scatter(s, address, part)

    def _write_contiguous(self, s: Scalar, place: str, x: str) -> None:
        e, f = self.e, self.e.function
        lanes = e.width * (2 if s.kind == "c" else 1)
        t = f"<{lanes} x {s.memory}>"
        if self._mask is None:
            f.line(f"store {t} {x}, ptr {place}, align {s.align}")
            return
        name = f"llvm.masked.store.v{lanes}{memory.suffix_of(s.memory)}.p0"
        e.module.declare(name, "void", f"{t}, ptr, i32, <{lanes} x i1>")
        f.line(f"call void @{name}({t} {x}, ptr {place}, i32 {s.align}, <{lanes} x i1> {self._wide_mask(lanes)})")

    def _scatter(self, s: Scalar, addresses: str, x: str) -> None:
        e, f, w = self.e, self.e.function, self.e.width
        t, p = e.types[s.memory], e.types["ptr"]
        if self._by_hand(s):
            for lane in range(w):
                at, v = f.fresh(), f.fresh()
                f.line(f"{at} = extractelement {p} {addresses}, i64 {lane}")
                f.line(f"{v} = extractelement {t} {x}, i64 {lane}")
                f.line(f"store {s.memory} {v}, ptr {at}, align {s.align}")
            return
        name = f"llvm.masked.scatter.v{w}{memory.suffix_of(s.memory)}.v{w}p0"
        e.module.declare(name, "void", f"{t}, {p}, i32, {e.types['i1']}")
        f.line(f"call void @{name}({t} {x}, {p} {addresses}, i32 {s.align}, {e.types['i1']} {self._on()})")
