"""Running a loop-level function natively, without the entry point: a small driver in IR unpacks 16-byte slots into the
kernel's parameters. And writing such functions in few lines."""

from __future__ import annotations

import ctypes
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tracejit.codegen import cpu, runtime_ir, support
from tracejit.codegen.llvm import KernelText, Target, emit_kernel, parameters
from tracejit.codegen.scalars import SCALARS
from tracejit.ir.core import Block, Function, Value
from tracejit.ir.types import INDEX, ArrayType, BufferType
from tracejit.ops import control, loop
from tracejit.ops.builder import Builder
from tracejit.ops.interpret import failure

_DRIVER = ctypes.PYFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
POLL = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)
PYTHON = ctypes.PYFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p)
_free = ctypes.CDLL(None).free
_free.argtypes = [ctypes.c_void_p]


class Status(Exception):
    """The kernel gave a negative result."""


def _driver(function: Function, kernel: KernelText) -> str:
    lines, arguments, slot = [], [], 0
    for p in function.params:
        name = "ptr" if isinstance(p.type, BufferType) else SCALARS[p.dtype].name
        offsets = [16 * slot]
        if name in ("c64", "c128"):
            offsets.append(16 * slot + (4 if name == "c64" else 8))
        for o in offsets:
            kind = parameters(function)[len(arguments)]
            k = len(arguments)
            lines += [f"  %a{k} = getelementptr i8, ptr %args, i64 {o}", f"  %x{k} = load {kind}, ptr %a{k}, align 1"]
            arguments.append(f"{kind} %x{k}")
        slot += 1
    listed = ", ".join([*arguments, "ptr %results", "ptr %context"])
    body = "\n".join(lines)
    return (
        f"\ndefine i32 @driver(ptr %args, ptr %results, ptr %context) {{\n{body}\n"
        f"  %status = call i32 @{kernel.symbol}({listed})\n  ret i32 %status\n}}\n"
    )


def _pipeline(kernel: KernelText) -> cpu.Optimize:
    """The pipeline of a kernel, but of those that are not optimised because they are brief, two thirds get one that
    longer kernels have."""
    brief: tuple[cpu.Optimize, ...] = ("none", "light", "peephole")
    return brief[zlib.crc32(kernel.text.encode()) % 3] if kernel.optimize == "none" else kernel.optimize


class Native:
    """A compiled loop-level function: called like `interpret`."""

    def __init__(
        self,
        function: Function,
        target: Target | None = None,
        *,
        optimize: cpu.Optimize | None = None,
        poll: Callable[[], bool] = lambda: False,
        python: Callable[[int, int], int] = lambda number, payload: 0,
        rewrite: Callable[[str], str] = str,
        imports: Mapping[str, int] | None = None,
    ) -> None:
        self.function = function
        self.kernel = emit_kernel(function, target=target or Target.host())
        # the allocator is a module of its own, but what a test rewrites may be it
        own_allocator = rewrite is not str
        allocator = "\n".join([runtime_ir.LIBRARY, *runtime_ir.ROUTINES.values()])
        text = cpu.joined(self.kernel.text, allocator) if own_allocator else self.kernel.text
        self.text = rewrite(text) + _driver(function, self.kernel)
        self._poll = POLL(lambda context: int(poll()))
        self._python = PYTHON(lambda context, number, payload: python(number, payload))
        given = {"tj_poll": self._poll, "tj_python": self._python}
        addresses = {n: ctypes.cast(f, ctypes.c_void_p).value or 0 for n, f in given.items() if n in self.kernel.needs}
        if not own_allocator:
            addresses |= support.addresses(self.kernel.needs & runtime_ir.ALLOCATOR.keys())
        self.code = cpu.compile_module(
            self.text,
            symbols=["driver"],
            imports=addresses | dict(imports or {}),
            optimize=optimize or _pipeline(self.kernel),
        )
        self._call = _DRIVER(self.code.address["driver"])

    def __call__(self, *arguments: Any) -> list[Any]:
        """Outputs as NumPy scalars; buffers as (owned address, dtype) pairs: see `take`."""
        function = self.function
        slots = np.zeros((max(len(function.params), 1), 16), np.uint8)
        for k, (p, a) in enumerate(zip(function.params, arguments, strict=True)):
            if isinstance(p.type, BufferType):
                assert a.dtype == p.dtype and a.flags.c_contiguous
                slots[k, :8] = np.frombuffer(np.uint64(a.ctypes.data).tobytes(), np.uint8)
            else:
                raw = np.array(a, p.dtype).tobytes()
                slots[k, : len(raw)] = np.frombuffer(raw, np.uint8)
        outputs = function.outputs
        results = np.zeros((max(len(outputs), 1), 16), np.uint8)
        context = np.zeros((self.kernel.slots + 1, 16), np.uint8)
        status = self._call(slots.ctypes.data, results.ctypes.data, context.ctypes.data)
        if status < 0:
            raise Status(status)
        if status:
            site = self.kernel.sites[status - 1]
            raise failure(site, [_decode(context[k], v) for k, v in enumerate(site.operands[1:])])
        return [_decode(results[k], v) for k, v in enumerate(outputs)]


def _decode(slot: np.ndarray, v: Any) -> Any:
    if isinstance(v.type, BufferType):
        return int(slot[:8].view(np.uint64)[0])
    return slot[: v.dtype.itemsize].view(v.dtype)[0]


def take(address: int, dtype: Any, count: int) -> np.ndarray:
    """The contents of a buffer that a kernel returned, which is freed."""
    raw = (ctypes.c_uint8 * (count * np.dtype(dtype).itemsize)).from_address(address)
    copy = np.frombuffer(bytes(raw), dtype).copy()
    _free(address)
    return copy


class LoopBuilder(Builder):
    """A builder with short names for ops of the loop level."""

    def load(self, buffer: Value, index: Value, **attrs: Any) -> Value:
        return self.apply(loop.load, buffer, index, **attrs)

    def store(self, buffer: Value, index: Value, value: Value) -> None:
        self.emit(loop.store, (buffer, index, value), ())

    def alloc(self, dtype: Any, count: Value, **attrs: Any) -> Value:
        return self.emit(loop.alloc, (count,), (BufferType(np.dtype(dtype)),), attrs)[0]


def build(params: Sequence[Any], write: Callable[..., Sequence[Value]], **meta: Any) -> Function:
    """A loop-level function: ``params`` are dtypes, or ``(dtype,)`` for buffers; ``write(builder, *params)`` gives the
    results."""
    function = Function("f", meta=dict(meta))
    for p in params:
        function.body.add_param(BufferType(np.dtype(p[0])) if isinstance(p, tuple) else ArrayType(np.dtype(p)))
    b = LoopBuilder(function.body)
    b.return_(*write(b, *function.params))
    return function


def loop_over(
    b: Builder,
    stop: Value | int,
    body: Callable[..., Any],
    *inits: Value,
    start: Value | int = 0,
    step: Value | int = 1,
    **attrs: Any,
) -> list[Value]:
    """``for i in range(start, stop, step)``: ``body(builder, i, *carried)`` gives the next carried values."""
    block = Block([INDEX, *(v.type for v in inits)])
    c = LoopBuilder(block)
    c.yield_(*(body(c, *block.params) or ()))
    bounds = [b.index(v) for v in (start, stop, step)]
    return b.emit(control.for_, (*bounds, *inits), [v.type for v in inits], attrs, [block])


def loop_while(
    b: Builder, condition: Callable[..., Value], body: Callable[..., Sequence[Value]], *inits: Value
) -> list[Value]:
    """``while condition(builder, *carried): carried = body(builder, *carried)``."""
    types = [v.type for v in inits]
    first, second = Block(types), Block(types)
    c, d = LoopBuilder(first), LoopBuilder(second)
    c.yield_(condition(c, *first.params))
    d.yield_(*body(d, *second.params))
    return b.emit(control.while_, inits, types, None, [first, second])


def choose(
    b: Builder,
    condition: Value,
    then: Callable[[LoopBuilder], Sequence[Value]],
    otherwise: Callable[[LoopBuilder], Sequence[Value]],
) -> list[Value]:
    """``if``: the values of one of two arms."""
    arms, results = [Block(), Block()], []
    for block, write in zip(arms, (then, otherwise)):
        c = LoopBuilder(block)
        results.append(list(write(c)))
        c.yield_(*results[-1])
    return b.emit(control.if_, (condition,), [v.type for v in results[0]], None, arms)
