"""GPU kernels: the text that NVVM gets, run on the CPU by stand-ins for the thread registers, and compiled by NVVM.

NVVM comes with the `gpu-compile` extra (no GPU needed): `./dev gpu` installs it and runs the tests marked
`gpu_compile`.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tracejit.codegen import cpu
from tracejit.codegen.device import DeviceText, emit_device_kernel
from tracejit.ir.core import Function, Value
from tracejit.ir.types import DTYPES, BufferType
from tracejit.ops import elementwise as ew
from tracejit.ops.interpret import interpret

from .every_op import all_ops, differences, operands, run_all
from .native import LoopBuilder, build, choose, loop_over, loop_while

I, F, F4 = np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.float32)


def on_the_cpu(kernel: DeviceText) -> str:
    """The kernel's module for llvmlite, with a function that runs a whole grid, thread after thread."""
    text = re.sub(r"^(target|!nvvm).*\n", "", kernel.text, flags=re.M)
    text = re.sub(r"^![0-9]+ = !\{void.*\n", "", text, flags=re.M)
    text = re.sub(r"\b(half|float|double|i8|i16|i32|i64)\*", "ptr", text)
    text = text.replace("@__nv_fmodf(", "@fmodf(").replace("@__nv_fmod(", "@fmod(")
    for name in ("tid", "ntid", "ctaid", "nctaid"):
        symbol = f"llvm.nvvm.read.ptx.sreg.{name}.x"
        text = text.replace(
            f"declare i32 @{symbol}()",
            f"@{name} = internal global i32 1\ndefine internal i32 @read.{name}() {{\n"
            f"  %v = load i32, ptr @{name}\n  ret i32 %v\n}}",
        ).replace(f"@{symbol}(", f"@read.{name}(")
    types = ["ptr" if t.endswith("*") else t for t in kernel.parameters]
    slots = "\n".join(
        f"  %a{k} = getelementptr i8, ptr %args, i64 {16 * k}\n  %x{k} = load {t}, ptr %a{k}, align 1"
        for k, t in enumerate(types)
    )
    listed = ", ".join(f"{t} %x{k}" for k, t in enumerate(types))
    return f"""{text}
define void @grid(ptr %args, i32 %blocks, i32 %threads) {{
entry:
{slots}
  store i32 %blocks, ptr @nctaid
  store i32 %threads, ptr @ntid
  br label %block
block:
  %b = phi i32 [ 0, %entry ], [ %b1, %next ]
  store i32 %b, ptr @ctaid
  br label %thread
thread:
  %t = phi i32 [ 0, %block ], [ %t1, %thread ]
  store i32 %t, ptr @tid
  call void @{kernel.symbol}({listed})
  %t1 = add i32 %t, 1
  %more = icmp ult i32 %t1, %threads
  br i1 %more, label %thread, label %next
next:
  %b1 = add i32 %b, 1
  %blocks.left = icmp ult i32 %b1, %blocks
  br i1 %blocks.left, label %block, label %done
done:
  ret void
}}
"""


class Grid:
    """A GPU kernel as a Python function: ``grid(blocks, threads, *arguments)``."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.kernel = emit_device_kernel(function)
        self.code = cpu.compile_module(on_the_cpu(self.kernel), symbols=["grid"])
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32)
        self._call = kind(self.code.address["grid"])

    def __call__(self, blocks: int, threads: int, *arguments: Any) -> None:
        slots = np.zeros((max(len(self.kernel.parameters), 1), 16), np.uint8)
        k = 0
        for p, a in zip(self.function.params, arguments, strict=True):
            if isinstance(p.type, BufferType):
                values = [np.uint64(a.ctypes.data)]
            else:
                x = p.dtype.type(a)
                values = [x.real, x.imag] if p.dtype.kind == "c" else [x]
            for v in values:
                raw = np.asarray(v).tobytes()
                slots[k, : len(raw)] = np.frombuffer(raw, np.uint8)
                k += 1
        self._call(slots.ctypes.data, blocks, threads)


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_a_thread_computes_what_the_cpu_computes(dtype: np.dtype[Any], count: int) -> None:
    function, results = all_ops(dtype, count, vector=True)
    arrays = operands(dtype, max(count, 1))
    outs = [np.zeros(len(arrays[0]), r) for r in results]
    Grid(function)(3, 32, *outs, *arrays, len(arrays[0]))
    wrong = {name for (name, want), got in zip(run_all(dtype, count).items(), outs) if differences(got, want, 0).any()}
    assert not wrong


def fused(
    b: LoopBuilder, x: Value, y: Value, flags: Value, z: Value, out: Value, a: Value, n: Value
) -> Sequence[Value]:
    """Several dtypes, a branch, an inner loop and vector math."""
    twice = b.apply(ew.mul, a, b.const(2.0, F4))

    def body(c: LoopBuilder, i: Value) -> None:
        v = c.apply(ew.tanh, c.apply(ew.add, c.apply(ew.mul, twice, c.load(x, i)), c.load(y, i)))
        (v,) = choose(
            c, c.load(flags, i), lambda d: [d.apply(ew.exp, v)], lambda d: [d.apply(ew.div, v, d.const(3.0, F4))]
        )

        def condition(d: LoopBuilder, k: Value, w: Value) -> Value:
            return d.apply(ew.lt, k, d.apply(ew.mod, i, d.const(4, I)))

        def turn(d: LoopBuilder, k: Value, w: Value) -> Sequence[Value]:
            return [d.apply(ew.add, k, d.const(1, I)), d.apply(ew.mul, w, d.const(0.5, F4))]

        v = loop_while(c, condition, turn, c.const(0, I), v)[1]
        (v,) = loop_over(c, i, lambda d, j, w: [d.apply(ew.sub, w, d.const(0.25, F4))], v)
        w = c.apply(ew.mul, c.load(z, i), c.const(1 - 2j, np.complex64))
        c.store(z, i, w)
        c.store(flags, i, c.apply(ew.gt, v, c.apply(ew.real, w)))
        c.store(out, i, c.cast(v, np.dtype(np.float16)))

    return loop_over(b, n, body, start=1, step=2, vector=True)


FUSED = build(
    [(F4,), (F4,), (np.bool_,), (np.complex64,), (np.float16,), F4, I], fused, noalias={0, 1, 2, 3, 4}, readonly={0, 1}
)


@pytest.mark.parametrize("blocks,threads", [(1, 1), (1, 7), (3, 64), (40, 32)])
def test_any_grid_does_all_the_work_once(blocks: int, threads: int) -> None:
    grid, rng = Grid(FUSED), np.random.default_rng(0)
    for n in (0, 1, 2, 100, 1001):
        x, y = rng.standard_normal((2, n + 1)).astype(F4)
        flags, z = rng.random(n + 1) < 0.5, rng.standard_normal(n + 1).astype(np.complex64)
        out = np.zeros(n + 1, np.float16)
        mine, theirs = (flags.copy(), z.copy(), out.copy()), (flags.copy(), z.copy(), out.copy())
        interpret(FUSED, [x, y, *theirs, F4.type(0.7), n]) if n < 200 else None
        grid(blocks, threads, x, y, *mine, 0.7, n)
        if n < 200:
            assert np.array_equal(mine[0], theirs[0]) and np.array_equal(mine[1], theirs[1])
            assert np.allclose(mine[2].astype(float), theirs[2].astype(float), rtol=2e-3, atol=1e-3)


def test_what_a_gpu_kernel_cannot_do_is_said() -> None:
    def checked(b: LoopBuilder, x: Value, n: Value) -> Sequence[Value]:
        def body(c: LoopBuilder, i: Value) -> None:
            c.check(c.apply(ew.lt, i, n), IndexError, ())

        return loop_over(b, n, body, vector=True)

    def summed(b: LoopBuilder, x: Value, n: Value) -> Sequence[Value]:
        return loop_over(b, n, lambda c, i, t: [c.apply(ew.add, t, i)], b.const(0, I), vector=True, reductions=("add",))

    for write in (checked, summed):
        with pytest.raises(NotImplementedError):
            emit_device_kernel(build([(F,), I], write))


def nvvm(kernel: DeviceText) -> tuple[bytes, bytes]:
    """PTX and the machine code of sm_90."""
    from cuda.core import Linker, LinkerOptions, ObjectCode, Program, ProgramOptions

    options = ProgramOptions(arch="compute_90", use_libdevice=True)
    ptx = Program(kernel.text, "nvvm", options).compile("ptx").code
    linked = Linker(ObjectCode.from_ptx(ptx), options=LinkerOptions(arch="sm_90")).link("cubin")
    return bytes(ptx), bytes(linked.code)


@pytest.mark.gpu_compile
def test_a_fused_kernel_compiles_to_ptx_and_machine_code() -> None:
    ptx, cubin = nvvm(emit_device_kernel(FUSED))
    assert b".visible .entry kernel" in ptx and b".maxntid 256" in ptx
    assert b"ld.global.nc" in ptx, "what the kernel does not write is read through the read-only cache"
    assert cubin[:4] == b"\x7fELF"


@pytest.mark.gpu_compile
@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_every_op_compiles_for_the_gpu(dtype: np.dtype[Any], count: int) -> None:
    ptx, cubin = nvvm(emit_device_kernel(all_ops(dtype, count, vector=True)[0]))
    assert ptx and cubin[:4] == b"\x7fELF"
