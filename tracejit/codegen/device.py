"""A loop over independent elements as a GPU kernel: NVVM IR, with one thread per element.

The same emitter writes it; only the loop differs: thread ``t`` of ``n`` takes the turns ``t``, ``t + n``, ... (a
grid-stride loop: any grid is right). What an element computes has the bits that the CPU computes, vector math included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tracejit.codegen.control import Kernel
from tracejit.codegen.lanes import Lanes
from tracejit.codegen.llvm import bind_parameters, declare_parameters
from tracejit.codegen.scalars import BY_NAME, I64, Operand, Scalar
from tracejit.codegen.target import Target
from tracejit.codegen.writer import NVVM, FunctionText, ModuleText, Phi
from tracejit.ir.core import Function, Op, Value
from tracejit.record import record

LAYOUT = (
    'target triple = "nvptx64-nvidia-cuda"\n'
    'target datalayout = "e-p:64:64:64-i1:8:8-i8:8:8-i16:16:16-i32:32:32-i64:64:64-i128:128:128-f32:32:32-f64:64:64-'
    'v16:16:16-v32:32:32-v64:64:64-v128:128:128-n16:32:64"\n'
)

_REGISTERS = ("tid", "ntid", "ctaid", "nctaid")


@record(frozen=True)
class DeviceText:
    """A GPU kernel in NVVM IR.

    Attributes:
        text: The module.
        symbol: The kernel's name.
        parameters: The LLVM types of its parameters.
        threads: The most threads per block it may be launched with.
    """

    text: str
    symbol: str
    parameters: tuple[str, ...]
    threads: int


class _DeviceKernel(Kernel):
    """A kernel that cannot fail, allocate, call Python or be interrupted."""

    def charge(self, amount: str) -> None:
        pass

    def again(self, go: str, amount: str | None, body: str, done: str) -> tuple[list[str], str]:
        return super().again(go, None, body, done)

    def chunked(
        self,
        start: str,
        count: str,
        step: str,
        cost: int,
        inits: list[Operand],
        carried: Sequence[Value],
        write: Callable[[str, str, list[Operand]], list[Operand]],
    ) -> list[Operand]:
        return write(start, count, inits)

    def fail_unless(
        self, ok: str, code: int, payload: Callable[[], None] | None = None, excuse: str | None = None
    ) -> None:
        raise NotImplementedError("a check inside a GPU kernel")

    def live_buffers(self) -> str:
        raise NotImplementedError("an allocation inside a GPU kernel")

    def grid_stride(self, op: Op) -> None:
        """The turns of ``op`` that are this thread's."""
        f, e = self.function, self.lanes
        start, stop, step = (self.text(v) for v in op.operands[:3])
        count = self.trip_count(op, start, stop, step)
        tid, ntid, ctaid, nctaid = (self._register(name) for name in _REGISTERS)
        first = e.op("add", "i64", e.op("mul", "i64", ctaid, ntid), tid)
        threads = e.op("mul", "i64", ntid, nctaid)
        body, done, before = f.new_label("for"), f.new_label("done"), f.label
        f.branch_if(e.op("icmp ult", "i64", first, count), body, done)
        f.start(body)
        turn = Phi(f, "i64", I64)
        turn.add(first, before)
        assert isinstance(turn.operand, str)
        (region,) = op.regions
        index = turn.operand if step == "1" else e.op("mul", "i64", turn.operand, step)
        self.bind(region.params, [index if start == "0" else e.op("add", "i64", start, index)])
        self.block(region)
        following = e.op("add", "i64", turn.operand, threads)
        turn.add(following, f.label)
        f.branch_if(e.op("icmp ult", "i64", following, count), body, done)
        f.start(done)

    def _register(self, name: str) -> str:
        symbol, f = f"llvm.nvvm.read.ptx.sreg.{name}.x", self.function
        self.module.declare(symbol, "i32", "")
        r = f.fresh()
        f.line(f"{r} = call i32 @{symbol}()")
        return self.lanes.convert("zext", "i32", "i64", r)


def emit_device_kernel(function: Function, *, symbol: str = "kernel", threads: int = 256) -> DeviceText:
    """Write the loop-level ``function`` as a GPU kernel.

    Args:
        function: Scalar ops, then one ``for`` marked ``vector`` without carried values, and no results. Its parameters
            are the kernel's: buffers are device pointers.
        symbol: The kernel's name.
        threads: The most threads per block it will be launched with.

    Raises:
        NotImplementedError: The function does something else.
    """
    *prelude, loop, end = function.body.ops
    if loop.name != "for" or not loop.attrs.get("vector") or loop.results or end.operands:
        raise NotImplementedError("a GPU kernel is one loop over independent elements")
    module = ModuleText(NVVM)
    head = declare_parameters(function, module)
    types = [declared.split()[0] for declared in head]
    text = FunctionText(module, f"define void @{symbol}({', '.join(head)}) {{")
    kernel = _DeviceKernel(function, module, text, Target())
    bind_parameters(kernel)
    for op in prelude:
        if op.regions or op.name == "load":
            raise NotImplementedError(f"{op.name} before the loop of a GPU kernel")
        kernel.op(op)
    kernel.grid_stride(loop)
    text.line("ret void")
    pointer = f"void ({', '.join(types)})* @{symbol}"
    numbered = [
        module.node(f'!{{{pointer}, !"{fact}", i32 {n}}}') for fact, n in (("kernel", 1), ("maxntidx", threads))
    ]
    version = module.node("!{i32 2, i32 0, i32 3, i32 1}")
    named = [f"!nvvm.annotations = !{{{', '.join(numbered)}}}", f"!nvvmir.version = !{{{version}}}"]
    parts = [text.finish(), *_portable(module), *named]
    return DeviceText(LAYOUT + "\n".join(parts) + "\n", symbol, tuple(types), threads)


def _portable(module: ModuleText) -> list[str]:
    """The module's other parts, with functions of ours for the intrinsics that vector math uses and NVVM lacks."""
    lacking = re.compile(rf"@llvm\.({'|'.join(sorted(NVVM.lacks))})\.(f32|f64)\(")
    lanes = Lanes(FunctionText(module, ""))
    names: dict[str, str] = {}
    for part in module.parts():
        for name, suffix in lacking.findall(part):
            scalar = BY_NAME[suffix]

            def write(e: Lanes, s: Scalar, operands: list[str], name: str = name) -> list[str]:
                return [e.intrinsic(name, s.llvm, *operands)]

            lanes.helper(name, scalar, ["undef"], write, inline=True)
            names[f"@llvm.{name}.{suffix}("] = f"@tj.lane.{name}.{suffix}("
    parts = []
    for part in module.parts():
        if part.startswith("declare") and any(name in part for name in names):
            continue
        for name, ours in names.items():
            part = part.replace(name, ours)
        parts.append(part)
    return parts
