"""Elementwise ops: one number out of one number per operand, at every index.

All operands have the same shape and (unless said otherwise) the same dtype; the front end has broadcast (``view``) and
promoted (``cast``) them. Every op is total: what fails in Python or NumPy is a ``check`` beside it, and integer
division by zero gives 0.

The ``codegen`` templates say how one element is computed, per dtype kind of the first operand:

- ``"op fadd"``: the LLVM instruction ``fadd T a, b``;
- ``"cmp fcmp oeq"``: a comparison giving ``i1``;
- ``"intrinsic floor"``: ``llvm.floor.T``;
- ``"math exp"``: the function of :mod:`tracejit.codegen.vmath`;
- ``"emit name"``: the method ``name`` of the scalar emitter, where a few instructions are needed.

Derivatives (``partials``) are those of calculus where these exist. Where they do not: steps (``floor``, ``sign``, ...)
have derivative 0; ``abs`` and ``hypot`` have 0 at 0; operands of ``minimum`` and ``maximum`` that are equal share
equally. A complex number counts as two real ones: for a function from complex to real numbers the cotangent is
``d/dre - i d/dim``, and linear maps are transposed without conjugation, as JAX does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tracejit.ir.core import Op, Value
from tracejit.ir.types import BOOL, ArrayType, Type
from tracejit.ops.primitive import Attrs, Partials, Primitive, quiet

_REAL_PART: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(np.complex64): np.dtype(np.float32),
    np.dtype(np.complex128): np.dtype(np.float64),
}
_COMPLEX_OF = {v: k for k, v in _REAL_PART.items()}


def real_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of the real part of ``dtype``."""
    return _REAL_PART.get(dtype, dtype)


def complex_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The complex dtype whose parts are ``dtype`` (float32 or float64)."""
    return _COMPLEX_OF[dtype]


def _same(types: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
    return (types[0],)


def _predicate(types: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
    return (ArrayType(BOOL, types[0].shape),)


def _real(types: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
    return (ArrayType(real_dtype(types[0].dtype), types[0].shape),)


def elementwise(
    name: str,
    function: Any,
    codegen: Mapping[str, str],
    *,
    infer: Any = _same,
    commutative: bool = False,
    partials: Partials | None = None,
    jvp: Any = None,
) -> Primitive:
    """Declare an elementwise op from the NumPy function that defines it."""

    def evaluate(operands: Sequence[Any], attrs: Attrs, result_types: Sequence[ArrayType]) -> Any:
        return np.asarray(function(*operands), dtype=result_types[0].dtype)

    return Primitive(
        name,
        "elementwise",
        infer=infer,
        evaluate=quiet(evaluate),
        codegen=codegen,
        partials=partials,
        jvp=jvp,
        # of integers and bools alone, or a bool itself
        derivative="zero" if infer is _predicate or not codegen.keys() & {"f", "c"} else None,
        commutative=commutative,
    )


# --- derivative rules that several ops use, or that are more than an expression
def _same_rule(f: Any, t: Any, *_: Any) -> Any:
    return t


def _minus(f: Any, t: Any, *_: Any) -> Any:
    return -t


def _abs_tangent(f: Any, t: Any, y: Any, x: Any) -> Any:
    return f.select(f.eq(y, 0.0), 0.0, f.real(f.conj(x) * t) / y)


def _abs_cotangent(f: Any, t: Any, y: Any, x: Any) -> Any:
    return f.complex(f.select(f.eq(y, 0.0), 0.0, t / y), 0.0) * f.conj(x)


def _sign_tangent(f: Any, t: Any, y: Any, x: Any) -> Any:
    r = f.complex(f.abs(x), 0.0)
    return f.select(f.eq(r, 0.0), 0.0, (t - y * f.complex(f.real(f.conj(y) * t), 0.0)) / r)


def _sign_cotangent(f: Any, t: Any, y: Any, x: Any) -> Any:
    r = f.complex(f.abs(x), 0.0)
    return f.select(f.eq(r, 0.0), 0.0, (t - f.conj(y) * f.complex(f.real(y * t), 0.0)) / r)


def _pow_base(f: Any, t: Any, y: Any, a: Any, b: Any) -> Any:
    n = f.number(b)
    if n is not None:
        return 0.0 * t if n == 0 else t if n == 1 else t * (2.0 * a) if n == 2 else t * (n * f.pow(a, n - 1))
    return t * f.select(f.eq(b, 0.0), 0.0, b * f.pow(a, b - 1.0))


def _pow_exponent(f: Any, t: Any, y: Any, a: Any, b: Any) -> Any:
    return t * (y * f.log(f.select(f.eq(a, 0.0), 1.0, a)))


def _chosen(wins: str, loses_nan: bool, operand: int) -> Any:
    """The rule of a minimum or maximum: an operand counts where it ``wins``, and half where both are equal."""

    def rule(f: Any, t: Any, y: Any, *x: Any) -> Any:
        mine, other = x[operand], x[1 - operand]
        chosen = getattr(f, wins)(mine, other)
        if loses_nan:
            chosen = f.or_(chosen, f.isnan(other))
        return f.guard(chosen, f.select(f.eq(mine, other), 0.5 * t, t))

    return rule


def _choice(wins: str, loses_nan: bool = False) -> Partials:
    return (_chosen(wins, loses_nan, 0), _chosen(wins, loses_nan, 1))


_STEP = (None,)
"""A derivative that is zero."""


# --- arithmetic (integers wrap around; bool addition is "or", multiplication "and", as NumPy's)
add = elementwise(
    "add",
    np.add,
    {"f": "op fadd", "i": "op add", "u": "op add", "b": "op or", "c": "emit cadd"},
    commutative=True,
    partials=(_same_rule, _same_rule),
)
sub = elementwise(
    "sub",
    np.subtract,
    {"f": "op fsub", "i": "op sub", "u": "op sub", "c": "emit csub"},
    partials=(_same_rule, _minus),
)
mul = elementwise(
    "mul",
    np.multiply,
    {"f": "op fmul", "i": "op mul", "u": "op mul", "b": "op and", "c": "emit cmul"},
    commutative=True,
    partials=(lambda f, t, y, a, b: t * b, lambda f, t, y, a, b: t * a),
)
div = elementwise(
    "div",
    np.true_divide,
    {"f": "op fdiv", "c": "emit cdiv"},
    partials=(lambda f, t, y, a, b: t / b, lambda f, t, y, a, b: -(t * y / b)),
)
floordiv = elementwise(
    "floordiv",
    np.floor_divide,
    {"f": "emit ffloordiv", "i": "emit ifloordiv", "u": "emit ufloordiv"},
    partials=(None, None),
)
"""Rounds towards minus infinity; integer division by zero gives 0, and the minimum divided by -1 the minimum."""
mod = elementwise(
    "mod",
    np.remainder,
    {"f": "emit fmod", "i": "emit imod", "u": "emit umod"},
    partials=(_same_rule, lambda f, t, y, a, b: -(t * f.floordiv(a, b))),
)
"""The remainder with the sign of the divisor; integer remainder by zero is 0."""


def _power(a: Any, b: Any) -> Any:
    b = np.asarray(b)
    if b.dtype.kind != "i":
        if b.size != 1:
            return np.power(a, b)
        # for a single exponent NumPy takes shortcuts (sqrt for 0.5) whose results differ at -0.0 and -inf
        return np.power(np.stack([a, a]), np.stack([b, b]))[0]
    return np.where(b < 0, b.dtype.type(0), np.power(a, np.maximum(b, b.dtype.type(0))))


pow = elementwise(
    "pow",
    _power,
    {"f": "emit fpow", "i": "emit ipow", "u": "emit ipow", "b": "emit bpow", "c": "emit cpow"},
    partials=(_pow_base, _pow_exponent),
)
"""The derivative with respect to an exponent is 0 where the base is 0, that with respect to a base is 0 where the
exponent is. Integers wrap around; a negative integer exponent gives 0 here (the front end emits NumPy's
``ValueError``)."""
neg = elementwise(
    "neg",
    np.negative,
    {"f": "emit fneg", "i": "emit ineg", "u": "emit ineg", "c": "emit cneg"},
    partials=(_minus,),
)
abs = elementwise(
    "abs",
    np.absolute,
    {"f": "intrinsic fabs", "i": "emit iabs", "u": "emit identity", "b": "emit identity", "c": "emit cabs"},
    infer=_real,
    partials={"f": (lambda f, t, y, x: t * f.sign(x),), "c": ((_abs_tangent, _abs_cotangent),)},
)
sign = elementwise(
    "sign",
    np.sign,
    {"f": "emit fsign", "i": "emit isign", "u": "emit usign", "c": "emit csign"},
    partials={"f": _STEP, "c": ((_sign_tangent, _sign_cotangent),)},
)
minimum = elementwise(
    "minimum",
    np.minimum,
    {"f": "emit fminimum", "i": "intrinsic smin", "u": "intrinsic umin", "b": "op and", "c": "emit cminimum"},
    commutative=True,
    partials=_choice("le"),
)
maximum = elementwise(
    "maximum",
    np.maximum,
    {"f": "emit fmaximum", "i": "intrinsic smax", "u": "intrinsic umax", "b": "op or", "c": "emit cmaximum"},
    commutative=True,
    partials=_choice("ge"),
)
fmin = elementwise(
    "fmin",
    np.fmin,
    {"f": "emit ffmin", "i": "intrinsic smin", "u": "intrinsic umin", "b": "op and"},
    partials=_choice("le", loses_nan=True),
)
fmax = elementwise(
    "fmax",
    np.fmax,
    {"f": "emit ffmax", "i": "intrinsic smax", "u": "intrinsic umax", "b": "op or"},
    partials=_choice("ge", loses_nan=True),
)
copysign = elementwise(
    "copysign",
    np.copysign,
    {"f": "intrinsic copysign"},
    partials=(lambda f, t, y, a, b: f.select(f.eq(f.signbit(a), f.signbit(b)), t, -t), None),
)


# --- whether the int64 result of Python arithmetic leaves 64 bits (an ``OverflowError`` in compiled code)
def _overflows(operation: Any) -> Any:
    def function(a: Any, b: Any) -> Any:
        wide = np.vectorize(lambda x, y: not -(2**63) <= operation(int(x), int(y)) < 2**63, otypes=[bool])
        return wide(a, b)

    return function


add_overflows = elementwise(
    "add_overflows", _overflows(lambda a, b: a + b), {"i": "emit add_overflows"}, infer=_predicate, commutative=True
)
sub_overflows = elementwise(
    "sub_overflows", _overflows(lambda a, b: a - b), {"i": "emit sub_overflows"}, infer=_predicate
)
mul_overflows = elementwise(
    "mul_overflows", _overflows(lambda a, b: a * b), {"i": "emit mul_overflows"}, infer=_predicate, commutative=True
)


def _pow_overflows(a: Any, b: Any) -> Any:
    def one(x: int, y: int) -> bool:
        if y < 0 or x in (0, 1, -1):
            return False
        return y >= 64 or not -(2**63) <= x**y < 2**63

    return np.vectorize(lambda x, y: one(int(x), int(y)), otypes=[bool])(a, b)


pow_overflows = elementwise("pow_overflows", _pow_overflows, {"i": "emit pow_overflows"}, infer=_predicate)
"""Whether ``a ** b`` of two ints, ``b >= 0``, leaves 64 bits."""
shl_overflows = elementwise(
    "shl_overflows",
    _overflows(lambda a, b: 0 if a == 0 or b < 0 else (a << b if b < 64 else 2**64)),
    {"i": "emit shl_overflows"},
    infer=_predicate,
)


# --- comparison
def _comparison(name: str, function: Any, f: str, i: str, u: str, commutative: bool = False) -> Primitive:
    codegen = {kind: f"cmp icmp {unsigned}" for kind, unsigned in (("i", i), ("u", u), ("b", u))}
    codegen |= {"f": f"cmp fcmp {f}", "c": f"emit c{name}"}
    return elementwise(name, function, codegen, infer=_predicate, commutative=commutative)


eq = _comparison("eq", np.equal, "oeq", "eq", "eq", commutative=True)
ne = _comparison("ne", np.not_equal, "une", "ne", "ne", commutative=True)
lt = _comparison("lt", np.less, "olt", "slt", "ult")
le = _comparison("le", np.less_equal, "ole", "sle", "ule")
gt = _comparison("gt", np.greater, "ogt", "sgt", "ugt")
ge = _comparison("ge", np.greater_equal, "oge", "sge", "uge")

# --- bits and logic (``not_`` is bitwise on integers and logical on bool; the front end makes operands of logical ops
# bool)
and_ = elementwise("and", np.bitwise_and, {"i": "op and", "u": "op and", "b": "op and"}, commutative=True)
or_ = elementwise("or", np.bitwise_or, {"i": "op or", "u": "op or", "b": "op or"}, commutative=True)
xor = elementwise("xor", np.bitwise_xor, {"i": "op xor", "u": "op xor", "b": "op xor"}, commutative=True)
not_ = elementwise("not", np.invert, {"i": "emit inot", "u": "emit inot", "b": "emit inot"})
shl = elementwise("shl", np.left_shift, {"i": "emit shl", "u": "emit shl"})
"""A shift by at least the width gives 0, as in NumPy."""
shr = elementwise("shr", np.right_shift, {"i": "emit ashr", "u": "emit lshr"})


# --- choice and conversion
def _select(types: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
    return (types[1],)


def _select_jvp(b: Any, op: Op, tangents: Sequence[Value | None]) -> Value:
    _, x, y = tangents
    chosen = [b.full(0, op.result) if t is None else t for t in (x, y)]
    result: Value = b.apply(select, op.operands[0], *chosen)
    return result


select = elementwise(
    "select",
    np.where,
    {"b": "emit select"},
    infer=_select,
    partials=(None, lambda f, t, y, c, a, b: f.guard(c, t), lambda f, t, y, c, a, b: f.guard(f.not_(c), t)),
    jvp=_select_jvp,
)
"""``select(condition, a, b)``: ``a`` where the bool ``condition`` is true, else ``b``; both are computed."""


def _cast_evaluate(operands: Sequence[Any], attrs: Attrs, result_types: Sequence[ArrayType]) -> Any:
    x, dtype = np.asarray(operands[0]), result_types[0].dtype
    return (x.real if x.dtype.kind == "c" and dtype.kind in "iuf" else x).astype(dtype)


cast = Primitive(
    "cast",
    "elementwise",
    evaluate=quiet(_cast_evaluate),
    codegen=dict.fromkeys("biufc", "emit cast"),
    partials=((lambda f, t, y, x: f.cast(t, y.value.dtype), lambda f, t, y, x: f.cast(t, x.value.dtype)),),
)
"""To the dtype of the result type, as ``ndarray.astype``; complex to real drops the imaginary part."""

# --- rounding and classification
floor = elementwise("floor", np.floor, {"f": "intrinsic floor"}, partials=_STEP)
ceil = elementwise("ceil", np.ceil, {"f": "intrinsic ceil"}, partials=_STEP)
trunc = elementwise("trunc", np.trunc, {"f": "intrinsic trunc"}, partials=_STEP)
rint = elementwise("rint", np.rint, {"f": "intrinsic rint"}, partials=_STEP)
"""To the nearest integer, ties to even."""
isnan = elementwise("isnan", np.isnan, {"f": "emit isnan", "c": "emit cisnan"}, infer=_predicate)
isinf = elementwise("isinf", np.isinf, {"f": "emit isinf", "c": "emit cisinf"}, infer=_predicate)
isfinite = elementwise("isfinite", np.isfinite, {"f": "emit isfinite", "c": "emit cisfinite"}, infer=_predicate)
signbit = elementwise("signbit", np.signbit, {"f": "emit signbit"}, infer=_predicate)

# --- functions of a real (or complex, where listed) variable
sqrt = elementwise(
    "sqrt", np.sqrt, {"f": "intrinsic sqrt", "c": "emit csqrt"}, partials=(lambda f, t, y, x: 0.5 * t / y,)
)
exp = elementwise("exp", np.exp, {"f": "math exp", "c": "emit cexp"}, partials=(lambda f, t, y, x: t * y,))
expm1 = elementwise("expm1", np.expm1, {"f": "math expm1"}, partials=(lambda f, t, y, x: t * (y + 1.0),))
log = elementwise("log", np.log, {"f": "math log", "c": "emit clog"}, partials=(lambda f, t, y, x: t / x,))
log1p = elementwise("log1p", np.log1p, {"f": "math log1p"}, partials=(lambda f, t, y, x: t / (1.0 + x),))
log2 = elementwise("log2", np.log2, {"f": "math log2"}, partials=(lambda f, t, y, x: t / (x * math.log(2)),))
log10 = elementwise("log10", np.log10, {"f": "math log10"}, partials=(lambda f, t, y, x: t / (x * math.log(10)),))
sin = elementwise("sin", np.sin, {"f": "math sin", "c": "emit csin"}, partials=(lambda f, t, y, x: t * f.cos(x),))
cos = elementwise("cos", np.cos, {"f": "math cos", "c": "emit ccos"}, partials=(lambda f, t, y, x: -(t * f.sin(x)),))
tan = elementwise("tan", np.tan, {"f": "math tan"}, partials=(lambda f, t, y, x: t * (1.0 + y * y),))
asin = elementwise(
    "asin", np.arcsin, {"f": "math asin"}, partials=(lambda f, t, y, x: t / f.sqrt((1.0 - x) * (1.0 + x)),)
)
acos = elementwise(
    "acos", np.arccos, {"f": "math acos"}, partials=(lambda f, t, y, x: -(t / f.sqrt((1.0 - x) * (1.0 + x))),)
)
atan = elementwise("atan", np.arctan, {"f": "math atan"}, partials=(lambda f, t, y, x: t / (1.0 + x * x),))
atan2 = elementwise(
    "atan2",
    np.arctan2,
    {"f": "math atan2"},
    partials=(lambda f, t, y, a, b: t * b / (a * a + b * b), lambda f, t, y, a, b: -(t * a / (a * a + b * b))),
)
sinh = elementwise("sinh", np.sinh, {"f": "math sinh"}, partials=(lambda f, t, y, x: t * f.cosh(x),))
cosh = elementwise("cosh", np.cosh, {"f": "math cosh"}, partials=(lambda f, t, y, x: t * f.sinh(x),))
tanh = elementwise("tanh", np.tanh, {"f": "math tanh"}, partials=(lambda f, t, y, x: t * ((1.0 - y) * (1.0 + y)),))
cbrt = elementwise("cbrt", np.cbrt, {"f": "math cbrt"}, partials=(lambda f, t, y, x: t / (3.0 * (y * y)),))
hypot = elementwise(
    "hypot",
    np.hypot,
    {"f": "math hypot"},
    partials=(
        lambda f, t, y, a, b: t * f.select(f.eq(y, 0.0), 0.0, a / y),
        lambda f, t, y, a, b: t * f.select(f.eq(y, 0.0), 0.0, b / y),
    ),
)

# --- complex numbers
real = elementwise(
    "real",
    np.real,
    {"c": "emit real"},
    infer=_real,
    partials=((lambda f, t, y, x: f.real(t), lambda f, t, y, x: f.complex(t, 0.0)),),
)
imag = elementwise(
    "imag",
    np.imag,
    {"c": "emit imag"},
    infer=_real,
    partials=((lambda f, t, y, x: f.imag(t), lambda f, t, y, x: f.complex(0.0, -t)),),
)
conj = elementwise("conj", np.conjugate, {"c": "emit conj"}, partials=(lambda f, t, y, x: f.conj(t),))


def _complex(types: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
    return (ArrayType(complex_dtype(types[0].dtype), types[0].shape),)


def _make_complex(re: Any, im: Any) -> Any:
    out = np.empty(np.shape(re), complex_dtype(np.asarray(re).dtype))
    out.real, out.imag = re, im
    return out


make_complex = elementwise(
    "complex",
    _make_complex,
    {"f": "emit make_complex"},
    infer=_complex,
    partials=(
        (lambda f, t, y, a, b: f.complex(t, 0.0), lambda f, t, y, a, b: f.real(t)),
        (lambda f, t, y, a, b: f.complex(0.0, t), lambda f, t, y, a, b: -f.imag(t)),
    ),
)
"""``complex(re, im)`` from two reals of the same float dtype."""
