"""Writing straight-line vector arithmetic as LLVM IR text with Python's operators.

A math function is written once, as ordinary arithmetic on `Value` objects; the `Emitter` turns each operation into one
line of LLVM IR, for float32 or float64 and for any vector width. Width 1 gives scalar types, so a lane of a vector and
a scalar run through the very same operations and agree to the last bit. For that reason no fast-math flag is ever
set: a multiply-add is fused where `fma` is written and nowhere else.

The text keeps to what LLVM has understood since version 7 (NVVM's dialect): negation is `-0.0 - x`, tests over all
lanes go through an integer, and sign bits are changed with integer operations.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from tracejit.record import record

__all__ = ["FORMATS", "Emitter", "Format", "Number", "Value", "symbol"]


@record(frozen=True)
class Format:
    """An IEEE binary format: its LLVM types and the constants of its layout."""

    name: str
    real: str
    integer: str
    bits: int
    mantissa: int
    """Stored bits of the significand."""

    @property
    def bias(self) -> int:
        """The exponent field of 1.0."""
        return (1 << (self.bits - self.mantissa - 2)) - 1

    @property
    def sign_bit(self) -> int:
        """The integer with only the sign bit set, as a signed number."""
        return -(1 << (self.bits - 1))

    @property
    def shifter(self) -> float:
        """Adding this rounds a small number to an integer, which then stands in the low bits of the sum."""
        return 1.5 * 2.0**self.mantissa

    @property
    def smallest_normal(self) -> float:
        """The smallest number with full precision."""
        return 2.0 ** (1 - self.bias)

    def nearest(self, value: float) -> float:
        """The number of the format nearest to `value`."""
        return float(struct.unpack("<f", struct.pack("<f", value))[0]) if self.name == "f32" else value

    def to_bits(self, value: float) -> int:
        """The bit pattern of `value`, which must be a number of the format."""
        if self.name == "f32":
            return int(struct.unpack("<i", struct.pack("<f", value))[0])
        return int(struct.unpack("<q", struct.pack("<d", value))[0])


FORMATS = {
    "f32": Format("f32", "float", "i32", 32, 23),
    "f64": Format("f64", "double", "i64", 64, 52),
}


def symbol(name: str, dtype: str, width: int) -> str:
    """The LLVM name of a vector math function."""
    return f"tj.{name}.{dtype}" if width == 1 else f"tj.{name}.v{width}{dtype}"


_REAL_TYPES = {"float": FORMATS["f32"], "double": FORMATS["f64"]}


class Value:
    """An SSA value of an `Emitter`: an LLVM scalar type (the lanes' type, for a vector) and its name in the text.

    Operators emit instructions. Python numbers are allowed on either side and take the other side's type. `<` and the
    other comparisons are ordered (false for NaN) on floats and signed on integers.
    """

    __slots__ = ("emitter", "text", "type")
    __hash__ = None  # type: ignore[assignment]  # `==` is not an equivalence here

    def __init__(self, emitter: Emitter, type: str, text: str) -> None:
        self.emitter = emitter
        self.type = type
        self.text = text

    @property
    def is_real(self) -> bool:
        """Whether the lanes are floating-point numbers."""
        return self.type in _REAL_TYPES

    @property
    def format(self) -> Format:
        """The floating-point format of a real value."""
        return _REAL_TYPES[self.type]

    def _binary(self, real: str, integer: str, left: Number, right: Number) -> Value:
        e = self.emitter
        opcode = real if self.is_real else integer
        return e.line(self.type, f"{opcode} {e.vector(self.type)} {e.text(left, self)}, {e.text(right, self)}")

    def __add__(self, other: Number) -> Value:
        return self._binary("fadd", "add", self, other)

    def __radd__(self, other: Number) -> Value:
        return self._binary("fadd", "add", other, self)

    def __sub__(self, other: Number) -> Value:
        return self._binary("fsub", "sub", self, other)

    def __rsub__(self, other: Number) -> Value:
        return self._binary("fsub", "sub", other, self)

    def __mul__(self, other: Number) -> Value:
        return self._binary("fmul", "mul", self, other)

    def __rmul__(self, other: Number) -> Value:
        return self._binary("fmul", "mul", other, self)

    def __truediv__(self, other: Number) -> Value:
        return self._binary("fdiv", "sdiv", self, other)

    def __rtruediv__(self, other: Number) -> Value:
        return self._binary("fdiv", "sdiv", other, self)

    def __neg__(self) -> Value:
        return self._binary("fsub", "sub", -0.0 if self.is_real else 0, self)

    def __and__(self, other: Number) -> Value:
        return self._binary("", "and", self, other)

    def __or__(self, other: Number) -> Value:
        return self._binary("", "or", self, other)

    def __xor__(self, other: Number) -> Value:
        return self._binary("", "xor", self, other)

    def __invert__(self) -> Value:
        return self._binary("", "xor", self, -1)

    def shl(self, count: Number) -> Value:
        """Shift left."""
        return self._binary("", "shl", self, count)

    def lshr(self, count: Number) -> Value:
        """Shift right, filling with zeros."""
        return self._binary("", "lshr", self, count)

    def ashr(self, count: Number) -> Value:
        """Shift right, filling with the sign."""
        return self._binary("", "ashr", self, count)

    def _compare(self, real: str, integer: str, other: Number) -> Value:
        e = self.emitter
        opcode = f"fcmp {real}" if self.is_real else f"icmp {integer}"
        return e.line("i1", f"{opcode} {e.vector(self.type)} {self.text}, {e.text(other, self)}")

    def __lt__(self, other: Number) -> Value:
        return self._compare("olt", "slt", other)

    def __le__(self, other: Number) -> Value:
        return self._compare("ole", "sle", other)

    def __gt__(self, other: Number) -> Value:
        return self._compare("ogt", "sgt", other)

    def __ge__(self, other: Number) -> Value:
        return self._compare("oge", "sge", other)

    def equals(self, other: Number) -> Value:
        """Equal; false for NaN."""
        return self._compare("oeq", "eq", other)

    def differs(self, other: Number) -> Value:
        """Not equal; true for NaN."""
        return self._compare("une", "ne", other)

    def unordered(self, other: Value) -> Value:
        """Whether one of the two is NaN."""
        return self._compare("uno", "", other)

    def bits(self) -> Value:
        """The bit pattern of a float as an integer."""
        return self.emitter.convert("bitcast", self, self.format.integer)

    def real(self) -> Value:
        """The float with this bit pattern."""
        real = next(f.real for f in FORMATS.values() if f.integer == self.type)
        return self.emitter.convert("bitcast", self, real)


Number = Value | float | int


class Emitter:
    """The body of one function: collects lines, the intrinsics it declares and the functions it requires."""

    def __init__(self, dtype: str, width: int, parameters: Sequence[str]) -> None:
        self.format = FORMATS[dtype]
        self.width = width
        self.body: list[str] = ["entry:"]
        self.block = "entry"
        self.declares: set[str] = set()
        self.requires: list[str] = []
        self.parameters = [Value(self, self.format.real, f"%{name}") for name in parameters]
        self._count = 0

    # --- text

    def vector(self, type: str) -> str:
        """The LLVM type of a value whose lanes have `type`."""
        return type if self.width == 1 else f"<{self.width} x {type}>"

    def constant(self, type: str, number: float | int) -> str:
        """A constant operand, the same in all lanes. Floats are written by their bits, so nothing is rounded."""
        if type in _REAL_TYPES:
            if number == number and _REAL_TYPES[type].nearest(number) != number:
                raise ValueError(f"{number!r} is not a float32")
            text = f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"
        elif type == "i1":
            text = "true" if number else "false"
        else:
            text = str(int(number))
        return text if self.width == 1 else f"splat ({type} {text})"

    def text(self, number: Number, like: Value) -> str:
        """An operand: a value's name, or a constant of the type of `like`."""
        return number.text if isinstance(number, Value) else self.constant(like.type, number)

    def line(self, type: str, instruction: str) -> Value:
        """Append an instruction whose result has lanes of `type`."""
        name = f"%{self._count}"
        self._count += 1
        self.body.append(f"  {name} = {instruction}")
        return Value(self, type, name)

    # --- instructions

    def convert(self, opcode: str, value: Value, type: str) -> Value:
        """A conversion instruction: `bitcast`, `fpext`, `fptrunc`, `sitofp`, `zext`, ..."""
        return self.line(type, f"{opcode} {self.vector(value.type)} {value.text} to {self.vector(type)}")

    def select(self, condition: Value, yes: Number, no: Number) -> Value:
        """`yes` where the condition holds, else `no`. Two plain numbers are of the emitter's real type."""
        like = yes if isinstance(yes, Value) else no if isinstance(no, Value) else self.parameters[0]
        type = self.vector(like.type)
        return self.line(
            like.type,
            f"select {self.vector('i1')} {condition.text}, {type} {self.text(yes, like)}, {type} {self.text(no, like)}",
        )

    def intrinsic(self, name: str, *arguments: Number) -> Value:
        """Call an LLVM intrinsic whose arguments and result all have one real type."""
        like = next(a for a in arguments if isinstance(a, Value))
        type = self.vector(like.type)
        symbol = f"llvm.{name}.{'' if self.width == 1 else f'v{self.width}'}{like.format.name}"
        self.declares.add(f"declare {type} @{symbol}({', '.join([type] * len(arguments))})")
        operands = ", ".join(f"{type} {self.text(a, like)}" for a in arguments)
        return self.line(like.type, f"call {type} @{symbol}({operands})")

    def fma(self, a: Number, b: Number, c: Number) -> Value:
        """a·b + c, rounded once."""
        return self.intrinsic("fma", a, b, c)

    def sqrt(self, x: Value) -> Value:
        """The square root, correctly rounded."""
        return self.intrinsic("sqrt", x)

    def absolute(self, x: Value) -> Value:
        """|x|, by clearing the sign bit."""
        return (x.bits() & ~x.format.sign_bit).real()

    def sign(self, x: Value) -> Value:
        """The sign bit of x, alone in an integer."""
        return x.bits() & x.format.sign_bit

    def flip_sign(self, x: Value, sign: Value) -> Value:
        """x with its sign changed where `sign` (an integer) has its top bit set; no other bit of `sign` may be set."""
        return (x.bits() ^ sign).real()

    def with_sign(self, x: Value, sign: Value) -> Value:
        """A number x >= 0 with the sign bit `sign`."""
        return (x.bits() | sign).real()

    def clamp(self, x: Value, low: float, high: float) -> Value:
        """x limited to [low, high]; NaN stays NaN."""
        x = self.select(x < low, low, x)
        return self.select(x > high, high, x)

    def polynomial(self, x: Value, coefficients: Sequence[float]) -> Value:
        """Evaluate by Estrin's scheme (pairs, then pairs of pairs): a short dependency chain at the price of a few
        extra products. Coefficients from the lowest power up."""
        terms: list[Number] = list(coefficients)
        power = x
        while len(terms) > 1:
            pairs: list[Number] = [self.fma(power, terms[i + 1], terms[i]) for i in range(0, len(terms) - 1, 2)]
            if len(terms) % 2:
                pairs.append(terms[-1])
            terms = pairs
            if len(terms) > 1:
                power = power * power
        value = terms[0]
        assert isinstance(value, Value)
        return value

    def power_of_two(self, n: Value, format: Format | None = None) -> Value:
        """2^n for the integer in the low bits of n, an exponent of a normal number; the bits above are ignored."""
        format = format or self.format
        return (n.shl(format.mantissa) + format.to_bits(1.0)).real()

    def call(self, name: str, arguments: Sequence[Value], results: Sequence[str]) -> list[Value]:
        """Call another vector math function of the same dtype and width that returns a struct of vectors."""
        self.requires.append(name)
        struct_type = "{" + ", ".join(self.vector(t) for t in results) + "}"
        operands = ", ".join(f"{self.vector(a.type)} {a.text}" for a in arguments)
        whole = self.line("struct", f"call {struct_type} @{symbol(name, self.format.name, self.width)}({operands})")
        return [self.line(t, f"extractvalue {struct_type} {whole.text}, {i}") for i, t in enumerate(results)]

    # --- rare cases

    def any(self, condition: Value) -> str:
        """The name of an `i1` that says whether the condition holds in some lane."""
        if self.width == 1:
            return condition.text
        mask = self.line("mask", f"bitcast <{self.width} x i1> {condition.text} to i{self.width}")
        return self.line("i1", f"icmp ne i{self.width} {mask.text}, 0").text

    def rarely(self, condition: Value, usual: Sequence[Value], rare: Callable[[], Sequence[Value]]) -> list[Value]:
        """Values that `rare` may replace: its instructions run only when the condition holds in some lane, and its
        results are taken in the lanes where it does. `rare` should call a function marked cold."""
        start, label = self.block, self._count
        self.body.append(f"  br i1 {self.any(condition)}, label %rare{label}, label %join{label}")
        self.body.append(f"rare{label}:")
        self.block = f"rare{label}"
        replaced = [self.select(condition, r, u) for r, u in zip(rare(), usual)]
        rare_end = self.block
        self.body.append(f"  br label %join{label}")
        self.body.append(f"join{label}:")
        self.block = f"join{label}"
        return [
            self.line(u.type, f"phi {self.vector(u.type)} [ {u.text}, %{start} ], [ {r.text}, %{rare_end} ]")
            for u, r in zip(usual, replaced)
        ]
