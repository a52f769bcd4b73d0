"""IR as text: printing and parsing, which are inverse to each other.

::

    func sum(%n: i64, %x: f64[%n]) {
      %0: i64 = const 0
      %1: i64 = const 1
      %2: f64 = const 0.0
      %3: f64 = for %0, %n, %1, %2 { (%i: i64, %s: f64) ->
        %4: f64 = view %x, %i {pairs = ()}
        %5: f64 = add %s, %4
        yield %5
      }
      return %3
    }

One op per line: results with their types, the primitive, operands, attributes in braces, regions in braces, and (when
asked for) the place in the user's source after ``@``. Values are named by their hints where they have one and numbered
in order of appearance otherwise, so that the text of equal programs is equal. ``const`` shows its value instead of
attributes. ``#`` starts a comment.
"""

from __future__ import annotations

import ast
import builtins
import math
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from tracejit.ir.core import Block, Function, Op, PrimitiveBase, Value
from tracejit.ir.loc import UNKNOWN, Loc
from tracejit.ir.types import DTYPE_NAMES, DTYPES, INDEX, ArrayType, BufferType, Dim, Type
from tracejit.record import fields

_NAME = re.compile(r"[A-Za-z_]\w*\Z")


def print_function(function: Function, locations: bool = False) -> str:
    """``function`` as text; with ``locations``, each op is followed by its place in the user's source."""
    return _Printer(locations).function(function)


def print_op(op: Op, names: Mapping[Value, str] | None = None) -> str:
    """One op (with its regions) as text, outside values named by ``names`` or else by their labels."""
    printer = _Printer(False)
    printer.names.update(names or {})
    return "\n".join(printer.op(op, ""))


def value_names(function: Function) -> dict[Value, str]:
    """The names that :func:`print_function` gives to the values of ``function``."""
    printer = _Printer(False)
    printer.function(function)
    return printer.names


class _Printer:
    def __init__(self, locations: bool) -> None:
        self.locations = locations
        self.names: dict[Value, str] = {}
        self.hints: dict[str, int] = {}
        self.count = 0

    def define(self, v: Value) -> None:
        if v in self.names:
            return
        if v.hint and _NAME.match(v.hint):
            n = self.hints.get(v.hint, 0)
            self.hints[v.hint] = n + 1
            self.names[v] = v.hint if n == 0 else f"{v.hint}.{n}"
        else:
            self.names[v] = str(self.count)
            self.count += 1

    def name(self, v: Value) -> str:
        return "%" + (self.names.get(v) or f"?{v.label}")

    def dim(self, d: Dim) -> str:
        return str(d) if isinstance(d, int) else self.name(d)

    def type(self, t: Type) -> str:
        if isinstance(t, BufferType):
            return str(t)
        name = DTYPE_NAMES[t.dtype]
        return f"{name}[{', '.join(map(self.dim, t.shape))}]" if t.shape else name

    def typed(self, values: list[Value]) -> str:
        for v in values:
            self.define(v)
        return ", ".join(f"{self.name(v)}: {self.type(v.type)}" for v in values)

    def function(self, function: Function) -> str:
        meta = f" {self.attrs(function.meta)}" if function.meta else ""
        lines = [f"func {function.name}({self.typed(function.params)}){meta} {{"]
        for op in function.body.ops:
            lines += self.op(op, "  ")
        return "\n".join([*lines, "}"]) + "\n"

    def op(self, op: Op, indent: str) -> list[str]:
        head = indent
        operands = ", ".join(map(self.name, op.operands))
        results = self.typed(op.results)
        if op.results:
            head += results + " = "
        head += op.name
        if operands:
            head += " " + operands
        if op.name == "const" and set(op.attrs) == {"value"}:
            head += " " + literal(op.attrs["value"])
        elif op.attrs:
            head += " " + self.attrs(op.attrs)
        lines: list[str] = []
        for region in op.regions:
            params = self.typed(region.params)
            head += " {" + (f" ({params}) ->" if params else "")
            lines.append(head)
            for inner in region.ops:
                lines += self.op(inner, indent + "  ")
            head = indent + "}"
        if self.locations and op.loc is not UNKNOWN:
            head += f" @ {_location(op.loc)}"
        return [*lines, head]

    def attrs(self, attrs: Mapping[str, Any]) -> str:
        return "{" + ", ".join(f"{k} = {literal(v)}" for k, v in attrs.items()) + "}"


def _location(loc: Loc) -> str:
    short = loc.file.rsplit("/", 1)[-1]
    file = short if re.fullmatch(r"[A-Za-z_][\w.\-]*", short) else _string(short)
    return f"{file}:{loc.line}" + ("" if loc.column is None else f":{loc.column}")


def _string(text: str) -> str:
    body = repr(text)
    return body if body[0] == '"' else '"' + body[1:-1].replace('"', '\\"').replace("\\'", "'") + '"'


def literal(x: Any) -> str:
    """An attribute as text. Objects without a literal print as ``&name``, which the parser looks up in ``objects``."""
    if x is None or isinstance(x, bool):
        return str(x)
    if isinstance(x, np.generic):
        return literal(x.item())
    if isinstance(x, int):
        return str(int(x))
    if isinstance(x, float):
        return repr(x) if math.isfinite(x) else "nan" if x != x else "inf" if x > 0 else "-inf"
    if isinstance(x, complex):
        return f"complex({literal(x.real)}, {literal(x.imag)})"
    if isinstance(x, str):
        return _string(x)
    if isinstance(x, tuple):
        return "(" + ", ".join(map(literal, x)) + (",)" if len(x) == 1 else ")")
    if isinstance(x, list):
        return "[" + ", ".join(map(literal, x)) + "]"
    if isinstance(x, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in x.items()) + "}"
    if isinstance(x, np.dtype):
        return DTYPE_NAMES[x]
    if isinstance(x, np.ndarray):
        return f"array({DTYPE_NAMES[x.dtype]}, {literal(x.shape)}, {literal(x.ravel().tolist())})"
    if isinstance(x, type):
        return x.__qualname__ if x.__module__ == "builtins" else f"{x.__module__}:{x.__qualname__}"
    if fields(x):
        shown = ", ".join(literal(getattr(x, name)) for name in fields(x))
        return f"&{type(x).__name__}({shown})"
    name = str(getattr(x, "__name__", type(x).__name__))
    return "&" + (name if _NAME.match(name) else "object")


# --- parsing ---------------------------------------------------------------------------------------------------------


class ParseError(ValueError):
    """The text is not IR; the message shows the line."""


def parse_function(
    text: str, primitives: Mapping[str, PrimitiveBase], objects: Mapping[str, Any] | None = None
) -> Function:
    """The function that ``text`` describes.

    Args:
        text: What :func:`print_function` writes.
        primitives: The primitives by name (``tracejit.ops.REGISTRY``).
        objects: What ``&name`` stands for, and the callables that make ``&name(...)``.
    """
    return _Parser(text, primitives, objects or {}).function()


_TOKEN = re.compile(
    r"""(?P<skip>[ \t\r]+|\#[^\n]*)
    | (?P<newline>\n)
    | (?P<value>%[\w.]+)
    | (?P<number>-?(?:\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+|\d+|inf\b))
    | (?P<string>"(?:[^"\\\n]|\\.)*")
    | (?P<name>[A-Za-z_][\w.\-]*(?::[A-Za-z_][\w.]*)?)
    | (?P<punctuation>->|[()\[\]{}<>,:=@&])""",
    re.VERBOSE,
)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    at, line = 0, 1
    while at < len(text):
        m = _TOKEN.match(text, at)
        if m is None:
            raise ParseError(f"line {line}: what is {text[at : at + 20]!r}?")
        at = m.end()
        kind = m.lastgroup or ""
        if kind != "skip":
            yield kind, m.group(), line
        line += m.group().count("\n")
    yield "end", "", line


class _Parser:
    def __init__(self, text: str, primitives: Mapping[str, PrimitiveBase], objects: Mapping[str, Any]) -> None:
        self.tokens = list(_tokens(text))
        self.lines = text.split("\n")
        self.at = 0
        self.primitives = primitives
        self.objects = objects
        self.values: dict[str, Value] = {}

    # --- tokens
    def error(self, message: str) -> NoReturn:
        line = self.tokens[self.at][2]
        raise ParseError(f"line {line}: {message}\n    {self.lines[line - 1].strip()}")

    def peek(self, ahead: int = 0) -> str:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)][1]

    def kind(self) -> str:
        return self.tokens[self.at][0]

    def take(self, kind: str) -> str:
        if self.kind() != kind:
            self.error(f"a {kind} is expected where {self.peek()!r} stands")
        self.at += 1
        return self.tokens[self.at - 1][1]

    def accept(self, text: str) -> bool:
        if self.peek() == text and self.kind() in ("punctuation", "name"):
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            self.error(f"{text!r} is expected where {self.peek()!r} stands")

    def skip_lines(self) -> None:
        while self.kind() == "newline":
            self.at += 1

    # --- values and types
    def use(self) -> Value:
        name = self.take("value")[1:]
        if name not in self.values:
            self.at -= 1
            self.error(f"%{name} is not defined")
        return self.values[name]

    def definitions(self, owner: Op | Block, end: str) -> list[Value]:
        """``%a: type, %b: type``; the types may mention any of the values."""
        values: list[Value] = []
        types: list[tuple[Value, int]] = []
        while self.peek() != end:
            if values:
                self.expect(",")
            name = self.take("value")[1:]
            if name in self.values:
                self.error(f"%{name} is defined twice")
            hint = re.sub(r"\.\d+\Z", "", name)
            v = Value(INDEX, owner, None if hint.isdigit() else hint)
            self.values[name] = v
            values.append(v)
            self.expect(":")
            types.append((v, self.at))
            self.skip_type()
        after = self.at
        for v, at in types:
            self.at = at
            v.set_type(self.type())
        self.at = after
        return values

    def skip_type(self) -> None:
        self.take("name")
        for open_, close in (("[", "]"), ("<", ">")):
            if self.accept(open_):
                while not self.accept(close):
                    self.at += 1

    def dtype(self) -> np.dtype[Any]:
        name = self.take("name")
        if name not in DTYPES:
            self.error(f"{name!r} is not a dtype")
        return DTYPES[name]

    def type(self) -> Type:
        if self.accept("ptr"):
            self.expect("<")
            dtype = self.dtype()
            self.expect(">")
            return BufferType(dtype)
        dtype = self.dtype()
        shape: list[Dim] = []
        if self.accept("["):
            while not self.accept("]"):
                if shape:
                    self.expect(",")
                shape.append(self.use() if self.kind() == "value" else int(self.take("number")))
        return ArrayType(dtype, tuple(shape))

    # --- structure
    def function(self) -> Function:
        self.skip_lines()
        self.expect("func")
        function = Function(self.take("name"))
        self.expect("(")
        function.body.params = self.definitions(function.body, ")")
        self.expect(")")
        if self.peek() == "{" and self.tokens[self.at + 1][0] == "name":
            function.meta = self.attrs()
        self.expect("{")
        self.block(function.body)
        self.skip_lines()
        if self.kind() != "end":
            self.error("text after the function")
        return function

    def block(self, block: Block) -> None:
        """Ops up to and with the closing brace."""
        self.skip_lines()
        while not self.accept("}"):
            block.append(self.op())
            if self.peek() != "}":
                self.take("newline")
            self.skip_lines()

    def op(self) -> Op:
        op = Op(PrimitiveBase(), (), ())
        if self.kind() == "value":
            op.results = self.definitions(op, "=")
            self.expect("=")
        name = self.take("name")
        if name not in self.primitives:
            self.error(f"{name!r} is not a primitive")
        op.primitive, op.name = self.primitives[name], name
        operands: list[Value] = []
        while self.kind() == "value":
            operands.append(self.use())
            if not self.accept(","):
                break
        op.set_operands(operands)
        if name == "const" and self.peek() != "{":
            value = self.literal()
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            op.attrs = {"value": value}
        if self.peek() == "{" and self.peek(2) == "=" and self.tokens[self.at + 1][0] == "name":
            op.attrs = self.attrs()
        while self.accept("{"):
            region = Block()
            region.parent = op
            self.skip_lines()
            if self.accept("("):
                region.params = self.definitions(region, ")")
                self.expect(")")
                self.expect("->")
            self.block(region)
            op.regions.append(region)
        if self.accept("@"):
            op.loc = self.location()
        return op

    def location(self) -> Loc:
        file = self.literal_string() if self.kind() == "string" else self.take("name")
        numbers: list[int] = []
        while self.accept(":"):
            numbers.append(int(self.take("number")))
        return Loc(file, numbers[0], numbers[1] if len(numbers) > 1 else None)

    # --- attributes
    def attrs(self) -> dict[str, Any]:
        attrs: dict[str, Any] = {}
        self.expect("{")
        while not self.accept("}"):
            if attrs:
                self.expect(",")
            name = self.take("name")
            self.expect("=")
            attrs[name] = self.literal()
        return attrs

    def sequence(self, end: str) -> list[Any]:
        items: list[Any] = []
        while not self.accept(end):
            items.append(self.literal())
            if not self.accept(","):
                self.expect(end)
                break
        return items

    def literal_string(self) -> str:
        text: str = ast.literal_eval(self.take("string"))
        return text

    def literal(self) -> Any:
        if self.kind() == "number":
            text = self.take("number")
            return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
        if self.kind() == "string":
            return self.literal_string()
        if self.accept("("):
            return tuple(self.sequence(")"))
        if self.accept("["):
            return self.sequence("]")
        if self.accept("{"):
            mapping: dict[Any, Any] = {}
            while not self.accept("}"):
                if mapping:
                    self.expect(",")
                key = self.literal()
                self.expect(":")
                mapping[key] = self.literal()
            return mapping
        if self.accept("&"):
            name = self.take("name")
            if name not in self.objects:
                self.error(f"the object {name!r} is not given")
            return self.objects[name](*self.sequence(")")) if self.accept("(") else self.objects[name]
        return self.named(self.take("name"))

    def named(self, name: str) -> Any:
        constants = {"None": None, "True": True, "False": False, "nan": math.nan, "inf": math.inf}
        if name in constants:
            return constants[name]
        if name == "complex" and self.accept("("):
            return complex(*self.sequence(")"))
        if name == "array" and self.accept("("):
            dtype = self.dtype()
            self.expect(",")
            shape = self.literal()
            self.expect(",")
            items = self.literal()
            self.expect(")")
            return np.array(items, dtype).reshape(shape)
        if name in DTYPES:
            return DTYPES[name]
        if ":" in name:
            module, _, path = name.partition(":")
            found: Any = sys.modules.get(module)
            for part in path.split("."):
                found = getattr(found, part, None)
        else:
            found = getattr(builtins, name, None)
        if not isinstance(found, type):
            self.error(f"{name!r} is not a literal")
        return found
