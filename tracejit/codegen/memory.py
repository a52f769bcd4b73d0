"""Buffers: loads and stores of single elements, allocation, constant data, block copies and matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tracejit.codegen import runtime_ir
from tracejit.codegen.lanes import Lanes
from tracejit.codegen.scalars import BOOL, SCALARS, Operand, Scalar
from tracejit.codegen.writer import FunctionText
from tracejit.ir.core import Op, Value
from tracejit.ir.types import BufferType

if TYPE_CHECKING:
    from tracejit.codegen.control import Kernel

OUT_OF_MEMORY = -2
"""The kernel's result when an allocation failed."""

_BYTES = [f"\\{b:02X}" for b in range(256)]


# --- single elements
def element(f: FunctionText, s: Scalar, buffer: str, index: str) -> str:
    """The address of element ``index``."""
    if index == "0":
        return buffer
    p, pointer = f.fresh(), f.module.pointer(s)
    if s.kind != "c":
        f.line(f"{p} = getelementptr inbounds {s.memory}, {pointer} {buffer}, i64 {index}")
    elif pointer == "ptr":
        f.line(f"{p} = getelementptr inbounds [2 x {s.memory}], ptr {buffer}, i64 {index}")
    else:
        f.line(f"{p}.n = shl i64 {index}, 1")
        f.line(f"{p} = getelementptr inbounds {s.memory}, {pointer} {buffer}, i64 {p}.n")
    return p


def suffix_of(llvm: str) -> str:
    """An element type as intrinsics are named by it."""
    return {"half": "f16", "float": "f32", "double": "f64"}.get(llvm, llvm)


def read(e: Lanes, s: Scalar, address: str, suffix: str = "") -> Operand:
    """The value of dtype ``s`` in memory at ``address``."""
    f = e.function
    pointer, r = e.module.pointer(s), f.fresh()
    f.line(f"{r} = load {s.memory}, {pointer} {address}, align {s.align}{suffix}")
    if s is BOOL:
        return e.op("icmp ne", "i8", r, "0")
    if s.kind == "c":
        at, im = f.fresh(), f.fresh()
        f.line(f"{at} = getelementptr inbounds {s.memory}, {pointer} {address}, i64 1")
        f.line(f"{im} = load {s.memory}, {pointer} {at}, align {s.align}{suffix}")
        return r, im
    return r


def write(e: Lanes, s: Scalar, address: str, value: Operand) -> None:
    """Put ``value`` into memory at ``address``."""
    f = e.function
    pointer = e.module.pointer(s)
    if s.kind == "c":
        assert not isinstance(value, str)
        re, im = value
        at = f.fresh()
        f.line(f"store {s.memory} {re}, {pointer} {address}, align {s.align}")
        f.line(f"{at} = getelementptr inbounds {s.memory}, {pointer} {address}, i64 1")
        f.line(f"store {s.memory} {im}, {pointer} {at}, align {s.align}")
        return
    assert isinstance(value, str)
    if s is BOOL:
        value = e.convert("zext", "i1", "i8", value)
    f.line(f"store {s.memory} {value}, {pointer} {address}, align {s.align}")


def write_slot(k: Kernel, area: str, number: int, op: Op, position: int, copied: int | None = None) -> None:
    """Put operand ``position`` of ``op`` into slot ``number`` (16 bytes each) of ``area``; of an array of rank
    ``copied``, a copy that is not the kernel's any more."""
    value = op.operands[position]
    address = element(k.function, SCALARS[np.dtype(np.int8)], area, str(16 * number))
    if isinstance(value.type, BufferType):
        pointer = k.pointer(value)
        if copied is not None:
            pointer = _copy_out(k, value, op.operands[position + 1 : position + 1 + copied])
        k.function.line(f"store ptr {pointer}, ptr {address}, align 8")
    else:
        write(k.lanes, SCALARS[value.dtype], address, k.env[value])


def ranks_at(op: Op) -> dict[int, int]:
    """The rank of each array among the operands of an effect, by its position."""
    found: dict[int, int] = {}
    at = 0
    for rank in op.attrs.get("ranks", ()):
        if rank:
            found[at] = rank
        at += 1 + rank
    return found


def _copy_out(k: Kernel, buffer: Value, shape: Sequence[Value]) -> str:
    """A copy of an array, which somebody else will free; null when there is no memory for it."""
    f, e = k.function, k.lanes
    count = "1"
    for d in shape:
        count = e.op("mul", "i64", count, k.text(d))
    n = _bytes(k, SCALARS[buffer.dtype], count)
    k.module.declare("malloc", "noalias ptr", "i64", " nounwind")
    k.module.declare("llvm.memcpy.p0.p0.i64", "void", "ptr, ptr, i64, i1")
    made, missing, length = f.fresh(), f.fresh(), f.fresh()
    f.line(f"{made} = call noalias ptr @malloc(i64 {e.op('add', 'i64', n, '1')})")
    f.line(f"{missing} = icmp eq ptr {made}, null")
    f.line(f"{length} = select i1 {missing}, i64 0, i64 {n}")
    f.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {made}, ptr {k.pointer(buffer)}, i64 {length}, i1 false)")
    return made


def load(k: Kernel, op: Op) -> None:
    buffer, index = op.operands
    s = SCALARS[buffer.dtype]
    suffix = ", !invariant.load " + k.module.node("!{}") if op.attrs.get("invariant") else ""
    address = element(k.function, s, k.pointer(buffer), k.text(index))
    k.env[op.results[0]] = read(k.lanes, s, address, suffix)


def store(k: Kernel, op: Op) -> None:
    buffer, index, value = op.operands
    s = SCALARS[buffer.dtype]
    write(k.lanes, s, element(k.function, s, k.pointer(buffer), k.text(index)), k.env[value])


# --- whole buffers
def alloc(k: Kernel, op: Op) -> None:
    s = SCALARS[op.result.dtype]
    stack = op.attrs.get("stack")
    f = k.function
    if stack is not None:
        k.env[op.result] = f.alloca(f"[{max(int(stack), 1) * s.size} x i8]", 64)
        return
    count = k.text(op.operands[0])
    p, ok = f.fresh(), f.fresh()
    if k.tracks:
        table, routine = k.live_buffers(), runtime_ir.need(k.module, "tj_alloc")
        f.line(f"{p} = call noalias ptr {routine}(ptr {table}, i64 {count}, i64 {s.size})")
    else:
        f.line(f"{p} = call noalias ptr {_new(k, count, s.size)}")
    f.line(f"{ok} = icmp ne ptr {p}, null")
    k.fail_unless(ok, OUT_OF_MEMORY)
    if not k.tracks:
        k.own(p)
    k.env[op.result] = p


def _new(k: Kernel, count: str, size: int) -> str:
    """The call that gives a buffer which is in no table."""
    if count.isdecimal():
        room = max(-(-int(count) * size // 64) * 64, 64)
        if room <= runtime_ir.SMALL:
            k.module.declare("malloc", "noalias ptr", "i64", " nounwind")
            return f"@malloc(i64 {room})"
    return f"{runtime_ir.need(k.module, 'tj_new')}(i64 {count}, i64 {size})"


def free(k: Kernel, op: Op) -> None:
    if k.allocates:
        routine = runtime_ir.need(k.module, "tj_free")
        k.function.line(f"call void {routine}(ptr {k.live_buffers()}, ptr {k.pointer(op.operands[0])})")


def constant_buffer(k: Kernel, op: Op) -> None:
    data = np.ascontiguousarray(op.attrs["value"]).tobytes()
    name = f"tj.data.{len(k.module.definitions)}"
    text = f"@{name} = private unnamed_addr constant [{len(data)} x i8] " + (
        'c"' + "".join(map(_BYTES.__getitem__, data)) + '"' if any(data) else "zeroinitializer"
    )
    k.module.define(name, lambda: f"{text}, align 64")
    k.env[op.result] = f"@{name}"


def offset(k: Kernel, op: Op) -> None:
    buffer, index = op.operands
    k.env[op.result] = element(k.function, SCALARS[buffer.dtype], k.pointer(buffer), k.text(index))


def same_buffer(k: Kernel, op: Op) -> None:
    a, b = op.operands
    r = k.function.fresh()
    k.function.line(f"{r} = icmp eq ptr {k.pointer(a)}, {k.pointer(b)}")
    k.env[op.result] = r


def copy_elements(k: Kernel, op: Op) -> None:
    target, source, count = op.operands
    s = SCALARS[target.dtype]
    n = _bytes(k, s, k.text(count))
    k.module.declare("llvm.memcpy.p0.p0.i64", "void", "ptr, ptr, i64, i1")
    pointers = ", ".join(f"ptr align {s.align} {k.pointer(v)}" for v in (target, source))
    k.function.line(f"call void @llvm.memcpy.p0.p0.i64({pointers}, i64 {n}, i1 false)")


def fill_zero(k: Kernel, op: Op) -> None:
    target, count = op.operands
    s = SCALARS[target.dtype]
    n = _bytes(k, s, k.text(count))
    k.module.declare("llvm.memset.p0.i64", "void", "ptr, i8, i64, i1")
    k.function.line(f"call void @llvm.memset.p0.i64(ptr align {s.align} {k.pointer(target)}, i8 0, i64 {n}, i1 false)")


def _bytes(k: Kernel, s: Scalar, count: str) -> str:
    return count if s.size == 1 else k.lanes.op("mul nuw nsw", "i64", count, str(s.size))


_CBLAS = {"f32": "s", "f64": "d", "c64": "c", "c128": "z"}
_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112


def gemm(k: Kernel, op: Op) -> None:
    """Import ``tj_{s,d,c,z}gemm``: CBLAS's routine with 64-bit integers."""
    c, a, b, m, n, depth, lda, ldb = op.operands
    s = SCALARS[c.dtype]
    if s.name not in _CBLAS:
        raise NotImplementedError(f"matrix products of {s.name} are loops, not gemm")
    e, f = k.lanes, k.function
    symbol = f"tj_{_CBLAS[s.name]}gemm"
    transpose_a, transpose_b = bool(op.attrs.get("transpose_a")), bool(op.attrs.get("transpose_b"))
    m_, n_, k_ = k.text(m), k.text(n), k.text(depth)
    one = e.num(s.part, 1.0)
    if s.kind == "c":
        scalar, alpha, beta = "ptr", f.alloca(s.memory, 16, 2), f.alloca(s.memory, 16, 2)
        write(e, s, alpha, (one, e.num(s.part, 0.0)))
        write(e, s, beta, (e.num(s.part, 0.0), e.num(s.part, 0.0)))
    else:
        scalar, alpha, beta = s.llvm, one, e.num(s, 0.0)
    k.module.need(
        symbol, "void", f"i32, i32, i32, i64, i64, i64, {scalar}, ptr, i64, ptr, i64, {scalar}, ptr, i64", " nounwind"
    )

    def distance(given: str, columns: str) -> str:
        # CBLAS wants at least the row length and 1, also where there is one row, or none
        return e.intrinsic("smax", "i64", e.intrinsic("smax", "i64", given, columns), "1")

    lda_ = distance(k.text(lda), m_ if transpose_a else k_)
    ldb_ = distance(k.text(ldb), k_ if transpose_b else n_)
    ldc_ = distance(n_, n_)
    f.line(
        f"call void @{symbol}(i32 {_ROW_MAJOR}, i32 {_TRANSPOSED if transpose_a else _PLAIN}, "
        f"i32 {_TRANSPOSED if transpose_b else _PLAIN}, i64 {m_}, i64 {n_}, i64 {k_}, {scalar} {alpha}, "
        f"ptr {k.pointer(a)}, i64 {lda_}, ptr {k.pointer(b)}, i64 {ldb_}, "
        f"{scalar} {beta}, ptr {k.pointer(c)}, i64 {ldc_})"
    )


def call(k: Kernel, op: Op) -> None:
    """Import ``tj_<routine>_<dtype>``, which takes pointers and 64-bit integers and returns one."""
    symbol = f"tj_{op.attrs['routine']}_{SCALARS[op.operands[0].dtype].name}"
    given = [("ptr", k.pointer(v)) if isinstance(v.type, BufferType) else ("i64", k.text(v)) for v in op.operands]
    k.module.need(symbol, "i64", ", ".join(kind for kind, _ in given), " nounwind")
    r = k.function.fresh()
    k.function.line(f"{r} = call i64 @{symbol}({', '.join(' '.join(g) for g in given)})")
    k.env[op.result] = r


__all__ = [
    "OUT_OF_MEMORY",
    "alloc",
    "call",
    "constant_buffer",
    "copy_elements",
    "element",
    "fill_zero",
    "free",
    "gemm",
    "load",
    "offset",
    "ranks_at",
    "read",
    "same_buffer",
    "store",
    "suffix_of",
    "write",
    "write_slot",
]
