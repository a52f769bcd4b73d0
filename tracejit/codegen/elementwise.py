"""How an elementwise op becomes instructions: the ``codegen`` templates of :mod:`tracejit.ops.elementwise`, carried
out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from tracejit.codegen import casts, floats, integers
from tracejit.codegen.lanes import Lanes
from tracejit.codegen.scalars import BOOL, F16, F32, SCALARS, Operand, Scalar
from tracejit.ir.core import Op
from tracejit.ops.primitive import Primitive

Rule = Callable[..., Any]
"""``rule(lanes, scalar, *operands)``: ``scalar`` is that of the operands, of their parts for complex numbers."""

_EMIT: dict[str, Rule] = {
    "identity": lambda e, s, a: a,
    "ifloordiv": integers.floor_divide_signed,
    "ufloordiv": integers.floor_divide_unsigned,
    "imod": integers.modulo_signed,
    "umod": integers.modulo_unsigned,
    "ipow": integers.power,
    "bpow": integers.power_bool,
    "ineg": integers.negative,
    "inot": integers.invert,
    "iabs": integers.absolute,
    "isign": integers.sign_signed,
    "usign": integers.sign_unsigned,
    "shl": integers.shift_left,
    "ashr": integers.shift_right_signed,
    "lshr": integers.shift_right_unsigned,
    "add_overflows": lambda e, s, a, b: integers.overflows(e, "add", a, b),
    "sub_overflows": lambda e, s, a, b: integers.overflows(e, "sub", a, b),
    "mul_overflows": lambda e, s, a, b: integers.overflows(e, "mul", a, b),
    "pow_overflows": integers.power_overflows,
    "shl_overflows": integers.shift_left_overflows,
    "ffloordiv": floats.floor_divide,
    "fmod": floats.modulo,
    "fpow": floats.power,
    "fneg": floats.negative,
    "fsign": floats.sign,
    "fminimum": floats.minimum,
    "fmaximum": floats.maximum,
    "ffmin": floats.fmin,
    "ffmax": floats.fmax,
    "isnan": floats.is_nan,
    "isinf": floats.is_inf,
    "isfinite": floats.is_finite,
    "signbit": floats.sign_bit,
    "real": lambda e, s, a: a[0],
    "imag": lambda e, s, a: a[1],
    "make_complex": lambda e, s, re, im: (re, im),
}

_HALF: dict[str, Rule] = {
    "fminimum": floats.half_minimum,
    "fmaximum": floats.half_maximum,
    "ffmin": floats.half_fmin,
    "ffmax": floats.half_fmax,
}
"""Rules that differ for float16 (they compute in float32 like all others)."""


def _parse(template: str, half: bool) -> Rule:
    kind, _, rest = template.partition(" ")
    match kind:
        case "op":
            if rest[0] == "f":
                return lambda e, s, a, b: e.float_op(rest, s.llvm, a, b)
            return lambda e, s, a, b: e.op(rest, s.llvm, a, b)
        case "cmp":
            return lambda e, s, a, b: e.op(rest, s.llvm, a, b)
        case "intrinsic":
            return lambda e, s, *operands: e.intrinsic(rest, s.llvm, *operands)
        case "math":
            return lambda e, s, *operands: floats.call_math(e, rest, s, operands)
        case "emit":
            if half and rest in _HALF:
                return _HALF[rest]
            if rest in _EMIT:
                return _EMIT[rest]
            from tracejit.codegen import complexes  # few programs compute with complex numbers

            return complexes.RULES[rest]
    raise ValueError(f"codegen template {template!r}")


_RULES: dict[tuple[str, str], Rule] = {}
"""Parsed templates by primitive and dtype name."""


def rule_of(primitive: Primitive, scalar: Scalar) -> Rule:
    """The rule for operands of dtype ``scalar``."""
    key = (primitive.name, scalar.name)
    rule = _RULES.get(key)
    if rule is None:
        template = primitive.codegen.get(scalar.kind)
        if template is None:
            raise NotImplementedError(f"{primitive.name} is not defined for {scalar.name}")
        rule = _RULES[key] = _parse(template, scalar is F16)
    return rule


def apply(e: Lanes, op: Op, operands: list[Operand]) -> Operand:
    """The result of the elementwise ``op`` on ``operands``."""
    name = op.primitive.name
    scalar = SCALARS[op.operands[0].dtype]
    if name == "cast":
        return casts.cast(e, scalar, SCALARS[op.result.dtype], operands[0])
    if name == "select":
        return _select(e, SCALARS[op.result.dtype], operands)
    rule = rule_of(cast(Primitive, op.primitive), scalar)
    if scalar is F16:
        wide = [casts.float_to_float(e, F16, F32, cast(str, x)) for x in operands]
        r = rule(e, F32, *wide)
        return r if SCALARS[op.result.dtype] is BOOL else casts.float_to_float(e, F32, F16, r)
    result: Operand = rule(e, scalar.part, *operands)
    return result


def _select(e: Lanes, s: Scalar, operands: list[Operand]) -> Operand:
    condition, a, b = operands
    assert isinstance(condition, str)
    if s.kind == "c":
        return e.select(condition, s.llvm, a[0], b[0]), e.select(condition, s.llvm, a[1], b[1])
    return e.select(condition, s.llvm, cast(str, a), cast(str, b))
