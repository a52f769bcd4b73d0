"""Writing instructions for one element, or for several at once.

Everything that computes elements (`integers`, `floats`, `complexes`, `casts`) is written against `Lanes`, which makes
the same instruction for one element or for a vector of ``width``: so what a lane of a vector loop computes is bit for
bit what the scalar loop computes. There are no branches inside; where a choice needs one, it goes into a helper
function (`Lanes.helper`), which has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from tracejit.codegen import portable
from tracejit.codegen.scalars import Operand, Pair, Scalar, literal
from tracejit.codegen.writer import LLVM, FunctionText, Lines


class _Types(dict[str, str]):
    """LLVM types of ``width`` elements, by element type."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def __missing__(self, element: str) -> str:
        value = element if self.width == 1 else f"<{self.width} x {element}>"
        self[element] = value
        return value


_TYPES: dict[int, _Types] = {}

_SUFFIX = {"half": "f16", "float": "f32", "double": "f64"}


class Lanes:
    """Writes instructions on ``width`` elements into ``function``.

    Attributes:
        function: Where instructions go; may be reassigned.
        width: Elements per operand; 1 means scalars, not vectors of one.
        types: The LLVM type of ``width`` elements by that of one.
    """

    def __init__(self, function: FunctionText, width: int = 1, flags: str = "") -> None:
        self.function = function
        self.module = function.module
        self.width = width
        self.flags = flags
        types = _TYPES.get(width)
        if types is None:
            types = _TYPES[width] = _Types(width)
        self.types = types
        self._constants: dict[tuple[str, Any], str] = {}
        self._values: dict[str, Any] = {}

    # --- constants
    def num(self, scalar: Scalar, value: Any) -> str:
        """The constant ``value`` in every lane."""
        key = (scalar.name, repr(value))
        text = self._constants.get(key)
        if text is None:
            text = self.splat_literal(scalar.llvm, literal(scalar, value))
            self._constants[key] = text
            self._values.setdefault(text, value)
        return text

    def constant(self, scalar: Scalar, value: Any) -> Operand:
        """:meth:`num` for any dtype."""
        if scalar.kind == "c":
            value = complex(value)
            return self.num(scalar.part, value.real), self.num(scalar.part, value.imag)
        return self.num(scalar, value)

    def known(self, operand: Operand) -> Any:
        """The Python value of a constant made by this object, or None."""
        return self._values.get(operand) if isinstance(operand, str) else None

    def splat_literal(self, llvm: str, text: str) -> str:
        if self.width == 1:
            return text
        return "<" + ", ".join([f"{llvm} {text}"] * self.width) + ">"

    # --- vectors from scalars, and lanes moved
    def spread(self, llvm: str, x: str) -> str:
        """The scalar ``x`` in every lane."""
        if self.width == 1:
            return x
        if x[0] not in "%@":
            return self.splat_literal(llvm, x)
        f, t = self.function, self.types[llvm]
        one, all_ = f.fresh(), f.fresh()
        f.line(f"{one} = insertelement {t} poison, {llvm} {x}, i64 0")
        f.line(f"{all_} = shufflevector {t} {one}, {t} poison, <{self.width} x i32> zeroinitializer")
        return all_

    def splat(self, scalar: Scalar, x: Operand, into: Lines) -> Operand:
        """:meth:`spread` for any dtype, written into the lines ``into``."""
        f = self.function
        lines, f.lines = f.lines, into
        if isinstance(x, str):
            result: Operand = self.spread(scalar.llvm, x)
        else:
            result = self.spread(scalar.llvm, x[0]), self.spread(scalar.llvm, x[1])
        f.lines = lines
        return result

    def shuffle(self, llvm: str, a: str, b: str, lanes: int, picks: Sequence[int]) -> str:
        """Elements ``picks`` of ``a`` followed by ``b``, vectors of ``lanes`` elements."""
        f, t = self.function, f"<{lanes} x {llvm}>"
        r = f.fresh()
        listed = ", ".join([f"i32 {p}" for p in picks])
        f.line(f"{r} = shufflevector {t} {a}, {t} {b}, <{len(picks)} x i32> <{listed}>")
        return r

    def reverse(self, llvm: str, a: str) -> str:
        return self.shuffle(llvm, a, "poison", self.width, range(self.width - 1, -1, -1))

    def every_second(self, llvm: str, a: str, first: int) -> str:
        """Out of a vector of twice the width."""
        return self.shuffle(llvm, a, "poison", 2 * self.width, range(first, 2 * self.width, 2))

    def interleave(self, llvm: str, a: str, b: str) -> str:
        """``a[0], b[0], a[1], b[1], ...``"""
        return self.shuffle(llvm, a, b, self.width, [k // 2 + (k % 2) * self.width for k in range(2 * self.width)])

    # --- instructions
    def op(self, code: str, llvm: str, a: str, b: str) -> str:
        """``code T a, b``; ``llvm`` is the element type."""
        f = self.function
        f._count += 1
        r = f"%v{f._count}"
        f.lines.append(f"  {r} = {code} {self.types[llvm]} {a}, {b}")
        return r

    def float_op(self, code: str, llvm: str, a: str, b: str) -> str:
        """:meth:`op` with the function's floating-point flags."""
        return self.op(code + self.flags, llvm, a, b)

    def convert(self, code: str, source: str, target: str, a: str) -> str:
        r = self.function.fresh()
        self.function.line(f"{r} = {code} {self.types[source]} {a} to {self.types[target]}")
        return r

    def select(self, condition: str, llvm: str, a: str, b: str) -> str:
        if a == b:
            return a
        r, t = self.function.fresh(), self.types[llvm]
        self.function.line(f"{r} = select {self.types['i1']} {condition}, {t} {a}, {t} {b}")
        return r

    def fneg(self, llvm: str, a: str) -> str:
        if self.module.dialect is not LLVM:
            return self.op("fsub", llvm, self.splat_literal(llvm, "0xH8000" if llvm == "half" else "-0.0"), a)
        r = self.function.fresh()
        self.function.line(f"{r} = fneg {self.types[llvm]} {a}")
        return r

    def not_(self, condition: str) -> str:
        return self.op("xor", "i1", condition, self.splat_literal("i1", "true"))

    def opaque(self, llvm: str, x: str) -> str:
        """The scalar integer ``x`` as a value that LLVM knows nothing about; this takes no instruction."""
        if self.module.dialect is not LLVM:
            return x
        r = self.function.fresh()
        self.function.line(f'{r} = call {llvm} asm "", "=r,0"({llvm} {x})')
        return r

    def intrinsic(self, name: str, llvm: str, *operands: str, extra: str = "") -> str:
        """``llvm.name`` over operands of one type; ``extra`` are trailing arguments (``, i1 false``)."""
        if name in self.module.dialect.lacks:
            return portable.RULES[name](self, llvm, *operands)
        t = self.types[llvm]
        suffix = _SUFFIX.get(llvm, llvm)
        symbol = f"llvm.{name}.{suffix}" if self.width == 1 else f"llvm.{name}.v{self.width}{suffix}"
        parameters = ", ".join([t] * len(operands)) + (", i1" if extra else "")
        self.module.declare(symbol, t, parameters)
        r = self.function.fresh()
        self.function.line(f"{r} = call {t} @{symbol}({', '.join([f'{t} {x}' for x in operands])}{extra})")
        return r

    def any(self, condition: str) -> str:
        """Whether ``condition`` is true in any lane, as a scalar."""
        if self.width == 1:
            return condition
        symbol = f"llvm.vector.reduce.or.v{self.width}i1"
        self.module.declare(symbol, "i1", self.types["i1"])
        r = self.function.fresh()
        self.function.line(f"{r} = call i1 @{symbol}({self.types['i1']} {condition})")
        return r

    def mangled(self, name: str) -> str:
        return name if self.width == 1 else f"{name}.v{self.width}"

    # --- helper functions
    def helper(
        self,
        name: str,
        scalar: Scalar,
        operands: Sequence[str],
        write: Callable[[Lanes, Scalar, list[str]], Sequence[str]],
        *,
        results: Literal[1, 2] = 1,
        inline: bool = False,
    ) -> list[str]:
        """Call ``@tj.lane.name`` on ``operands`` of element type ``scalar``; ``write`` writes its body the first time
        and gives its one or two results."""
        t = self.types[scalar.llvm]
        symbol = self.mangled(f"tj.lane.{name}.{scalar.name}")
        result_type = t if results == 1 else f"{{ {t}, {t} }}"
        count = len(operands)

        def definition() -> str:
            parameters = [f"%a{k}" for k in range(count)]
            listed = ", ".join(f"{t} {p}" for p in parameters)
            inlining = "alwaysinline" if inline else "noinline"
            facts = f"{inlining} nounwind {self.module.dialect.pure}"
            head = f"define internal {result_type} @{symbol}({listed}) {facts} {{"
            body = FunctionText(self.module, head)
            lanes = Lanes(body, self.width)
            values = write(lanes, scalar, parameters)
            if results == 1:
                body.line(f"ret {t} {values[0]}")
            else:
                body.line(f"%r0 = insertvalue {result_type} {self.module.dialect.undefined}, {t} {values[0]}, 0")
                body.line(f"%r1 = insertvalue {result_type} %r0, {t} {values[1]}, 1")
                body.line(f"ret {result_type} %r1")
            return body.finish()

        self.module.define(symbol, definition)
        f = self.function
        r = f.fresh()
        f.line(f"{r} = call {result_type} @{symbol}({', '.join([f'{t} {x}' for x in operands])})")
        if results == 1:
            return [r]
        parts = []
        for k in range(2):
            parts.append(f.fresh())
            f.line(f"{parts[k]} = extractvalue {result_type} {r}, {k}")
        return parts

    def pair_helper(
        self, name: str, scalar: Scalar, operands: Sequence[Pair], write: Callable[[Lanes, Scalar, list[Pair]], Pair]
    ) -> Pair:
        """:meth:`helper` from complex numbers to a complex number; ``scalar`` is that of a part."""

        def body(lanes: Lanes, part: Scalar, flat: list[str]) -> Sequence[str]:
            return write(lanes, part, [(flat[k], flat[k + 1]) for k in range(0, len(flat), 2)])

        re, im = self.helper(name, scalar, [x for pair in operands for x in pair], body, results=2)
        return re, im
