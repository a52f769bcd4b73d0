"""Writing the LLVM IR text of native entry points: fresh names, loads at offsets, C-API calls, Python objects as
symbols."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tracejit.codegen import capi, support

PROFILE_METADATA = (
    '!9000 = !{!"branch_weights", i32 2000, i32 1}',
    '!9001 = !{!"branch_weights", i32 1, i32 2000}',
)


class Writer:
    """Collects the body of one function, and what the module around it must declare.

    Attributes:
        lines: The body so far.
        imports: Address of every symbol that the text uses.
        routines: Those of :mod:`tracejit.codegen.support` that it uses, too.
        keep_alive: The Python objects behind those addresses.
        kernel_types: The kernel's parameter types.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.allocas: list[str] = []
        self.globals: list[str] = []
        self.imports: dict[str, int] = {}
        self.routines: set[str] = set()
        self.keep_alive: list[Any] = []
        self.kernel_types: list[str] = []
        self._declared: dict[str, str] = {}
        self._objects: dict[int, str] = {}
        self._count = 0

    # --- names and blocks
    def fresh(self, hint: str) -> str:
        self._count += 1
        return f"{hint}.{self._count}"

    def do(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def op(self, text: str, hint: str = "v") -> str:
        """Append an instruction with a result; return its name."""
        name = f"%{self.fresh(hint)}"
        self.do(f"{name} = {text}")
        return name

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def require(self, condition: str, otherwise: str) -> None:
        """Go on when ``condition`` holds (as it nearly always does), else to the block ``otherwise``."""
        if condition == "true":
            return
        ok = self.fresh("ok")
        self.do(f"br i1 {condition}, label %{ok}, label %{otherwise}, !prof !9000")
        self.label(ok)

    def choose(self, condition: str, yes: Callable[[], str], no: Callable[[], str], type: str = "ptr") -> str:
        """The value of ``yes()`` where ``condition`` holds, else that of ``no()``."""
        labels = [self.fresh(n) for n in ("then", "then.end", "else", "else.end", "join")]
        then, then_end, other, other_end, join = labels
        self.do(f"br i1 {condition}, label %{then}, label %{other}")
        self.label(then)
        a = yes()
        self.do(f"br label %{then_end}")
        self.label(then_end)
        self.do(f"br label %{join}")
        self.label(other)
        b = no()
        self.do(f"br label %{other_end}")
        self.label(other_end)
        self.do(f"br label %{join}")
        self.label(join)
        return self.op(f"phi {type} [ {a}, %{then_end} ], [ {b}, %{other_end} ]")

    # --- memory
    def alloca(self, type: str, count: int = 1, align: int = 8) -> str:
        """Room in the frame; the instruction goes to the top of the function."""
        name = f"%{self.fresh('room')}"
        self.allocas.append(f"  {name} = alloca {type}, i64 {max(count, 1)}, align {align}")
        return name

    def empty_slot(self) -> str:
        """Room in the frame for a reference, null from the start of the function."""
        slot = self.alloca("ptr")
        self.allocas.append(f"  store ptr null, ptr {slot}")
        return slot

    def at(self, pointer: str, offset: int | str) -> str:
        """``pointer`` plus a number of bytes."""
        return pointer if offset == 0 else self.op(f"getelementptr i8, ptr {pointer}, i64 {offset}", "p")

    def load(self, type: str, pointer: str, offset: int | str = 0) -> str:
        return self.op(f"load {type}, ptr {self.at(pointer, offset)}")

    def store(self, type: str, value: str, pointer: str, offset: int | str = 0) -> None:
        self.do(f"store {type} {value}, ptr {self.at(pointer, offset)}")

    def type_is(self, object: str, type_symbol: str) -> str:
        return self.op(f"icmp eq ptr {self.load('ptr', object, capi.OB_TYPE)}, {type_symbol}")

    # --- arithmetic on i64, folded where both sides are known
    def mul(self, a: int | str, b: int | str) -> int | str:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if a == 1 or b == 1:
            return b if a == 1 else a
        return self.op(f"mul i64 {a}, {b}")

    def add(self, a: int | str, b: int | str) -> int | str:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if a == 0 or b == 0:
            return b if a == 0 else a
        return self.op(f"add i64 {a}, {b}")

    def product(self, factors: Iterable[int | str]) -> int | str:
        total: int | str = 1
        for f in factors:
            total = self.mul(total, f)
        return total

    def all(self, conditions: Iterable[str]) -> str:
        """The conjunction of i1 values."""
        total = "true"
        for c in conditions:
            total = c if total == "true" else self.op(f"and i1 {total}, {c}")
        return total

    # --- the world outside
    def object(self, value: Any) -> str:
        """The symbol whose address is that of a Python object, which is kept alive."""
        symbol = self._objects.get(id(value))
        if symbol is None:
            symbol = f"@object.{len(self._objects)}"
            self._objects[id(value)] = symbol
            self.keep_alive.append(value)
            self.imports[symbol[1:]] = id(value)
            self.globals.append(f"{symbol} = external global i8")
        return symbol

    def address(self, name: str, address: int) -> str:
        """A symbol for an address that the process will not free."""
        if name not in self.imports:
            self.imports[name] = address
            self.globals.append(f"@{name} = external global i8")
        return f"@{name}"

    def declare(self, name: str, signature: str, address: int | None = None) -> None:
        """Declare an external function (``address``: None when the C library has it)."""
        if name not in self._declared:
            self._declared[name] = signature
            if address is not None:
                self.imports[name] = address

    def call(self, returns: str, name: str, *arguments: str) -> str:
        """Call a C-API function; arguments are written with their types. Returns the result's name (or ``""``)."""
        types = ", ".join(a.split(" ", 1)[0] for a in arguments)
        self.declare(name, f"declare {returns} @{name}({types})", capi.function(name))
        text = f"call {returns} @{name}({', '.join(arguments)})"
        if returns == "void":
            self.do(text)
            return ""
        return self.op(text)

    def python_call(self, function: Any, number: str, address: str, object: str) -> str:
        """The instruction that gives ``function(number, address, object)``, or null."""
        name = "PyObject_CallFunction"
        if name not in self._declared:
            self.declare(name, f"declare ptr @{name}(ptr, ptr, ...)", capi.function(name))
            self.globals.append('@call.format = private constant [4 x i8] c"iKO\\00"')
        arguments = f"ptr {self.object(function)}, ptr @call.format, i32 {number}, ptr {address}, ptr {object}"
        return f"call ptr (ptr, ptr, ...) @{name}({arguments})"

    def support(self, name: str, *arguments: str) -> str:
        """Call a routine of :mod:`tracejit.codegen.support`; the result's name."""
        result, parameters = support.SIGNATURES[name]
        self.declare(name, f"declare {result} @{name}({parameters})")
        self.routines.add(name)
        return self.op(f"call {result} @{name}({', '.join(arguments)})")

    def incref(self, object: str) -> None:
        self.call("void", "Py_IncRef", f"ptr {object}")

    def decref(self, object: str) -> None:
        """Also of null."""
        self.call("void", "Py_DecRef", f"ptr {object}")

    def free(self, pointer: str) -> None:
        """Give back memory that the kernel allocated."""
        self.declare("free", "declare void @free(ptr)")
        self.do(f"call void @free(ptr {pointer})")

    def declarations(self) -> list[str]:
        return list(self._declared.values())
