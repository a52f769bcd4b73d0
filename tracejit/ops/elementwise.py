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
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tracejit.ir.types import BOOL, ArrayType, Type
from tracejit.ops.primitive import Attrs, Primitive, quiet

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
) -> Primitive:
    """Declare an elementwise op from the NumPy function that defines it."""

    def evaluate(operands: Sequence[Any], attrs: Attrs, result_types: Sequence[ArrayType]) -> Any:
        return np.asarray(function(*operands), dtype=result_types[0].dtype)

    return Primitive(
        name, "elementwise", infer=infer, evaluate=quiet(evaluate), codegen=codegen, commutative=commutative
    )


# --- arithmetic (integers wrap around; bool addition is "or", multiplication "and", as NumPy's)
add = elementwise(
    "add", np.add, {"f": "op fadd", "i": "op add", "u": "op add", "b": "op or", "c": "emit cadd"}, commutative=True
)
sub = elementwise("sub", np.subtract, {"f": "op fsub", "i": "op sub", "u": "op sub", "c": "emit csub"})
mul = elementwise(
    "mul",
    np.multiply,
    {"f": "op fmul", "i": "op mul", "u": "op mul", "b": "op and", "c": "emit cmul"},
    commutative=True,
)
div = elementwise("div", np.true_divide, {"f": "op fdiv", "c": "emit cdiv"})
floordiv = elementwise(
    "floordiv", np.floor_divide, {"f": "emit ffloordiv", "i": "emit ifloordiv", "u": "emit ufloordiv"}
)
"""Rounds towards minus infinity; integer division by zero gives 0, and the minimum divided by -1 the minimum."""
mod = elementwise("mod", np.remainder, {"f": "emit fmod", "i": "emit imod", "u": "emit umod"})
"""The remainder with the sign of the divisor; integer remainder by zero is 0."""
pow = elementwise(
    "pow", np.power, {"f": "emit fpow", "i": "emit ipow", "u": "emit ipow", "b": "emit bpow", "c": "emit cpow"}
)
"""Integers wrap around; a negative integer exponent gives 0 here (the front end emits NumPy's ``ValueError``)."""
neg = elementwise("neg", np.negative, {"f": "emit fneg", "i": "emit ineg", "u": "emit ineg", "c": "emit cneg"})
abs = elementwise(
    "abs",
    np.absolute,
    {"f": "intrinsic fabs", "i": "emit iabs", "u": "emit identity", "b": "emit identity", "c": "emit cabs"},
    infer=_real,
)
sign = elementwise("sign", np.sign, {"f": "emit fsign", "i": "emit isign", "u": "emit usign", "c": "emit csign"})
minimum = elementwise(
    "minimum",
    np.minimum,
    {"f": "emit fminimum", "i": "intrinsic smin", "u": "intrinsic umin", "b": "op and", "c": "emit cminimum"},
    commutative=True,
)
maximum = elementwise(
    "maximum",
    np.maximum,
    {"f": "emit fmaximum", "i": "intrinsic smax", "u": "intrinsic umax", "b": "op or", "c": "emit cmaximum"},
    commutative=True,
)
fmin = elementwise(
    "fmin", np.fmin, {"f": "emit ffmin", "i": "intrinsic smin", "u": "intrinsic umin", "b": "op and"}
)
fmax = elementwise(
    "fmax", np.fmax, {"f": "emit ffmax", "i": "intrinsic smax", "u": "intrinsic umax", "b": "op or"}
)
copysign = elementwise("copysign", np.copysign, {"f": "intrinsic copysign"})


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


select = elementwise("select", np.where, {"b": "emit select"}, infer=_select)
"""``select(condition, a, b)``: ``a`` where the bool ``condition`` is true, else ``b``; both are computed."""


def _cast_evaluate(operands: Sequence[Any], attrs: Attrs, result_types: Sequence[ArrayType]) -> Any:
    return np.asarray(operands[0]).astype(result_types[0].dtype)


cast = Primitive(
    "cast",
    "elementwise",
    evaluate=quiet(_cast_evaluate),
    codegen=dict.fromkeys("biufc", "emit cast"),
)
"""To the dtype of the result type, as ``ndarray.astype``; complex to real drops the imaginary part."""

# --- rounding and classification
floor = elementwise("floor", np.floor, {"f": "intrinsic floor"})
ceil = elementwise("ceil", np.ceil, {"f": "intrinsic ceil"})
trunc = elementwise("trunc", np.trunc, {"f": "intrinsic trunc"})
rint = elementwise("rint", np.rint, {"f": "intrinsic rint"})
"""To the nearest integer, ties to even."""
isnan = elementwise("isnan", np.isnan, {"f": "emit isnan", "c": "emit cisnan"}, infer=_predicate)
isinf = elementwise("isinf", np.isinf, {"f": "emit isinf", "c": "emit cisinf"}, infer=_predicate)
isfinite = elementwise("isfinite", np.isfinite, {"f": "emit isfinite", "c": "emit cisfinite"}, infer=_predicate)
signbit = elementwise("signbit", np.signbit, {"f": "emit signbit"}, infer=_predicate)

# --- functions of a real (or complex, where listed) variable
sqrt = elementwise("sqrt", np.sqrt, {"f": "intrinsic sqrt", "c": "emit csqrt"})
exp = elementwise("exp", np.exp, {"f": "math exp", "c": "emit cexp"})
expm1 = elementwise("expm1", np.expm1, {"f": "math expm1"})
log = elementwise("log", np.log, {"f": "math log", "c": "emit clog"})
log1p = elementwise("log1p", np.log1p, {"f": "math log1p"})
log2 = elementwise("log2", np.log2, {"f": "math log2"})
log10 = elementwise("log10", np.log10, {"f": "math log10"})
sin = elementwise("sin", np.sin, {"f": "math sin", "c": "emit csin"})
cos = elementwise("cos", np.cos, {"f": "math cos", "c": "emit ccos"})
tan = elementwise("tan", np.tan, {"f": "math tan"})
asin = elementwise("asin", np.arcsin, {"f": "math asin"})
acos = elementwise("acos", np.arccos, {"f": "math acos"})
atan = elementwise("atan", np.arctan, {"f": "math atan"})
atan2 = elementwise("atan2", np.arctan2, {"f": "math atan2"})
sinh = elementwise("sinh", np.sinh, {"f": "math sinh"})
cosh = elementwise("cosh", np.cosh, {"f": "math cosh"})
tanh = elementwise("tanh", np.tanh, {"f": "math tanh"})
cbrt = elementwise("cbrt", np.cbrt, {"f": "math cbrt"})
hypot = elementwise("hypot", np.hypot, {"f": "math hypot"})

# --- complex numbers
real = elementwise("real", np.real, {"c": "emit real"}, infer=_real)
imag = elementwise("imag", np.imag, {"c": "emit imag"}, infer=_real)
conj = elementwise("conj", np.conjugate, {"c": "emit conj"})


def _complex(types: Sequence[Type], attrs: Attrs) -> tuple[Type, ...]:
    return (ArrayType(complex_dtype(types[0].dtype), types[0].shape),)


def _make_complex(re: Any, im: Any) -> Any:
    out = np.empty(np.shape(re), complex_dtype(np.asarray(re).dtype))
    out.real, out.imag = re, im
    return out


make_complex = elementwise("complex", _make_complex, {"f": "emit make_complex"}, infer=_complex)
"""``complex(re, im)`` from two reals of the same float dtype."""
