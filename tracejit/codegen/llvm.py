"""From a loop-level function to text LLVM IR: start here.

`emit_kernel` writes one kernel. Reading order: `scalars` (types and literals), `writer` (lines, labels, phis), `lanes`
(instructions on one or several elements), `elementwise` with `integers`, `floats`, `complexes` and `casts` (what ops
compute), `memory`, `control` (loops, checks, polling), `vector` (vector loops).

The kernel is ``i32 @kernel(<params>, ptr %results, ptr %context)``. Parameters: a bool is an ``i8``, a complex number
two numbers, a buffer a pointer. See `docs/architecture.md` for what it returns.
"""

from __future__ import annotations

import numpy as np

from tracejit.codegen import cpu
from tracejit.codegen.control import Kernel
from tracejit.codegen.scalars import SCALARS
from tracejit.codegen.target import Target
from tracejit.codegen.writer import FunctionText, ModuleText
from tracejit.ir.core import Function, Op
from tracejit.ir.types import BufferType
from tracejit.record import record

__all__ = ["KernelText", "Target", "emit_kernel"]

BRIEF = 256
"""A kernel of at most so much work, a fraction of what calling it costs, runs no faster for being optimised (unless it
has loops over single elements), and compiles in half the time if it is not."""


@record(frozen=True)
class KernelText:
    """A kernel in LLVM IR.

    Attributes:
        text: The definition of the kernel, and all definitions and declarations it needs.
        symbol: Its name.
        sites: The ``check`` ops: the kernel's result ``k + 1`` means that number ``k`` failed.
        effects: The ``print`` and ``callback`` ops, by the number that ``tj_python`` is given.
        needs: Symbols whose addresses (or definitions) the runtime provides.
        optimize: The pipeline of :mod:`tracejit.codegen.cpu` that suits it.
        slots: 16-byte slots that must be at ``%context``.
        notes: How loops over the lanes of ``vmap`` were written, for people.
    """

    text: str
    symbol: str
    sites: tuple[Op, ...]
    effects: tuple[Op, ...]
    needs: frozenset[str]
    optimize: cpu.Optimize
    slots: int
    notes: tuple[str, ...] = ()

    @property
    def calls_python(self) -> bool:
        """Whether the kernel runs prints or callbacks, so that it must hold the GIL."""
        return bool(self.effects)


def parameters(function: Function) -> list[str]:
    """The LLVM types of the kernel's parameters for values (the two pointers follow them)."""
    return [declared.split()[0] for declared in declare_parameters(function, ModuleText())]


def declare_parameters(function: Function, module: ModuleText) -> list[str]:
    """The kernel's parameters for values: type, facts about a buffer, name."""
    noalias, readonly = function.meta.get("noalias", ()), function.meta.get("readonly", ())
    declared: list[str] = []
    for k, p in enumerate(function.params):
        s = SCALARS[p.dtype]
        if isinstance(p.type, BufferType):
            facts = (" noalias" if k in noalias else "") + (" readonly" if k in readonly else "")
            declared.append(f"{module.pointer(s)}{facts} %p{k}")
        elif s.kind == "c":
            declared += [f"{s.llvm} %p{k}.re", f"{s.llvm} %p{k}.im"]
        else:
            declared.append(f"{s.memory} %p{k}")
    return declared


def bind_parameters(kernel: Kernel) -> None:
    """Give the function's parameters their operands."""
    for k, p in enumerate(kernel.source.params):
        if isinstance(p.type, BufferType) or p.dtype.kind not in "bc":
            kernel.env[p] = f"%p{k}"
        elif p.dtype.kind == "c":
            kernel.env[p] = (f"%p{k}.re", f"%p{k}.im")
        else:
            kernel.env[p] = kernel.lanes.op("icmp ne", "i8", f"%p{k}", "0")


def emit_kernel(function: Function, *, symbol: str = "kernel", target: Target) -> KernelText:
    """Write the loop-level ``function`` as the kernel ``@symbol``.

    ``function.meta`` may say ``"noalias"`` and ``"readonly"`` (sets of parameter positions: buffers that overlap no
    other buffer that is written, and buffers that are not written) and ``"contract"`` (products and sums may be fused).
    """
    module = ModuleText()
    head = [*declare_parameters(function, module), "ptr noalias %results", "ptr noalias %context"]
    text = FunctionText(module, f"define i32 @{symbol}({', '.join(head)}) #0 {{")
    kernel = Kernel(function, module, text, target)
    bind_parameters(kernel)
    kernel.block(function.body)
    kernel.finish(function.body.terminator)
    # inlined into the entry point, a kernel with loops would lose its vector width
    inlining = " noinline" if kernel.scalar_loops else ""
    attributes = f"attributes #0 = {{ nounwind{inlining} }}"
    parts = [text.finish(), *module.parts(), attributes]
    slots = max((len(op.operands) - 1 for op in kernel.sites), default=0)
    return KernelText(
        "\n".join(parts) + "\n",
        symbol,
        tuple(kernel.sites),
        tuple(kernel.effects),
        frozenset(module.needs),
        _pipeline(kernel),
        slots,
        tuple(dict.fromkeys(kernel.notes)),
    )


def _pipeline(kernel: Kernel) -> cpu.Optimize:
    if kernel.scalar_loops:
        return "full"
    work = kernel.costs.of(kernel.source.body)
    if work is not None and work <= BRIEF:
        return "none"
    # in what is written for the other dtypes LLVM finds nothing more to simplify
    widened = any(r.dtype.kind == "c" or r.dtype in _NARROW for op in kernel.source.walk() for r in op.results)
    return "peephole" if widened else "light"


_NARROW = frozenset(map(np.dtype, ("i1", "i2", "i4", "u1", "u2", "u4", "f2")))
