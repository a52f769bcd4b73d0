"""The text of one LLVM module while it is written: functions, the declarations they need, metadata.

`ModuleText` collects what belongs to the module; `FunctionText` is one function body: a list of lines, fresh names and
the current basic block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from tracejit.codegen.scalars import Operand, Scalar
from tracejit.record import record

if TYPE_CHECKING:
    from tracejit.codegen.vmath import Key

POLL = "tj_poll"
"""Import ``i32 tj_poll(ptr context)``: look for pending signals; not 0 when a Python exception is set."""
PYTHON = "tj_python"
"""Import ``i32 tj_python(ptr context, i32 number, ptr payload)``: run a print or a callback; not 0 when a Python
exception is set."""


@record(frozen=True)
class Dialect:
    """What kinds of LLVM differ in.

    Args:
        typed_pointers: Pointers are written with what they point to (``float*``), not ``ptr``.
        pure: Attributes of a function that only computes its result.
        undefined: The word for a value that does not matter.
        lacks: Intrinsics that do not exist; :mod:`tracejit.codegen.portable` has other instructions for them.
    """

    typed_pointers: bool
    pure: str
    undefined: str
    lacks: frozenset[str]


LLVM = Dialect(False, "willreturn memory(none)", "poison", frozenset())
"""LLVM as llvmlite has it."""

NVVM = Dialect(True, "readnone", "undef", frozenset({"fabs", "trunc", "rint", "abs", "smin", "smax", "umin", "umax"}))
"""The dialect of NVIDIA's compiler up to sm_90: LLVM 7."""


class ModuleText:
    """Definitions and declarations beside the function being written, each once."""

    def __init__(self, dialect: Dialect = LLVM) -> None:
        self.dialect = dialect
        self.declarations: dict[str, str] = {}
        self.definitions: dict[str, str] = {}
        self.metadata: list[str] = []
        self.needs: set[str] = set()
        self.math: set[Key] = set()
        self._unique_metadata: dict[str, str] = {}

    def pointer(self, scalar: Scalar) -> str:
        """The type of a pointer to elements of dtype ``scalar`` (to parts of complex ones)."""
        return f"{scalar.memory}*" if self.dialect.typed_pointers else "ptr"

    def declare(self, symbol: str, result: str, parameters: str, attributes: str = "") -> None:
        """Declare the external function or intrinsic ``@symbol``."""
        if symbol not in self.declarations:
            self.declarations[symbol] = f"declare {result} @{symbol}({parameters}){attributes}"

    def need(self, symbol: str, result: str, parameters: str, attributes: str = "") -> None:
        """Declare a function whose address the runtime provides."""
        self.needs.add(symbol)
        self.declare(symbol, result, parameters, attributes)

    def define(self, symbol: str, write: Callable[[], str]) -> None:
        """Add the definition that ``write`` gives of ``@symbol``, unless it is there."""
        if symbol not in self.definitions:
            self.definitions[symbol] = ""  # a helper that needs itself would recurse for ever
            self.definitions[symbol] = write()

    def node(self, text: str) -> str:
        """The metadata node ``text`` (without the ``!`` number), shared."""
        name = self._unique_metadata.get(text)
        if name is None:
            name = self._unique_metadata[text] = f"!{len(self.metadata)}"
            self.metadata.append(f"{name} = {text}")
        return name

    def distinct(self, *operands: str) -> str:
        """A new self-referential node, as loops are named by."""
        name = f"!{len(self.metadata)}"
        self.metadata.append(f"{name} = distinct !{{{', '.join((name, *operands))}}}")
        return name

    def unlikely(self) -> str:
        """Branch weights: the first target, except in failures."""
        return self.node('!{!"branch_weights", i32 1048575, i32 1}')

    def rare(self) -> str:
        """Branch weights: the second target nearly always."""
        return self.node('!{!"branch_weights", i32 1, i32 2000}')

    def parts(self) -> list[str]:
        if self.math:
            from tracejit.codegen import vmath

            for function in vmath.collect(sorted(self.math)):
                for line in function.declares:
                    self.declarations.setdefault(line[line.index("@") + 1 : line.index("(")], line)
                self.definitions[function.symbol] = function.text
        return [*self.declarations.values(), *self.definitions.values(), *self.metadata]


Lines: TypeAlias = "list[str | Lines]"
"""Lines of a function. A list among them is text whose place is known before it is written."""


def _flatten(lines: Lines) -> Iterator[str]:
    for line in lines:
        if isinstance(line, str):
            yield line
        else:
            yield from _flatten(line)


class FunctionText:
    """One function: its lines, fresh names, and the label of the block being written."""

    def __init__(self, module: ModuleText, head: str) -> None:
        self.module = module
        self.lines: Lines = [head, "entry:", ""]
        self.allocas: list[str] = []
        self.label = "entry"
        self._count = 0

    def fresh(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def new_label(self, hint: str) -> str:
        self._count += 1
        return f"{hint}{self._count}"

    def line(self, text: str) -> None:
        self.lines.append("  " + text)

    def start(self, label: str) -> None:
        """Begin the basic block ``label``."""
        self.lines.append(label + ":")
        self.label = label

    def branch(self, label: str) -> None:
        self.lines.append(f"  br label %{label}")

    def branch_if(self, condition: str, then: str, otherwise: str, metadata: str = "") -> None:
        self.lines.append(f"  br i1 {condition}, label %{then}, label %{otherwise}{metadata}")

    def branch_likely(self, condition: str, then: str, otherwise: str) -> None:
        """Branch to ``otherwise`` only in failures."""
        self.branch_if(condition, then, otherwise, f", !prof {self.module.unlikely()}")

    def alloca(self, type: str, align: int, count: int = 1) -> str:
        """Room in the frame, made once, in the entry block."""
        name = self.fresh()
        self.allocas.append(f"  {name} = alloca {type}, i32 {count}, align {align}")
        return name

    def finish(self) -> str:
        self.lines[2] = "\n".join(self.allocas)
        self.lines.append("}")
        return "\n".join(_flatten(self.lines))


class Phi:
    """A value that depends on where control came from; ends of edges are added as they become known."""

    __slots__ = ("_into", "_lines", "function", "operand", "scalar", "type")

    def __init__(self, function: FunctionText, type: str, scalar: Scalar | None) -> None:
        self.function = function
        self.type = type
        self.scalar = scalar
        parts = 2 if scalar is not None and scalar.kind == "c" else 1
        names = [function.fresh() for _ in range(parts)]
        self._into = function.lines
        self._lines: list[tuple[int, str, list[str]]] = []
        for name in names:
            self._lines.append((len(function.lines), name, []))
            function.lines.append("")
        self.operand: Operand = (names[0], names[1]) if parts == 2 else names[0]

    def add(self, value: Operand, label: str) -> None:
        """The phi is ``value`` when control comes from the block ``label``."""
        values: Sequence[str] = (value,) if isinstance(value, str) else value
        for (at, name, edges), v in zip(self._lines, values, strict=True):
            edges.append(f"[ {v}, %{label} ]")
            self._into[at] = f"  {name} = phi {self.type} {', '.join(edges)}"
