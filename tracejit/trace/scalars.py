"""Traced scalars: Python's and NumPy's numbers, and those that are one or the other depending on the path taken."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from tracejit.errors import UnsupportedError
from tracejit.ir.core import Value
from tracejit.ir.types import BOOL, FLOAT64, INT64, UINT64, Dim
from tracejit.ops import elementwise as E
from tracejit.ops.builder import Builder
from tracejit.trace import promotion, pynumbers
from tracejit.trace.context import current, leaked
from tracejit.trace.kernels import COMPARISONS, NEGATIVE_POWER, PAIRS, kernel_of, known_nonnegative
from tracejit.trace.pynumbers import Guard, Operand
from tracejit.trace.tracer import (
    COMPUTED,
    DIMENSION,
    PY_INT,
    PYTHON_TYPES,
    Alternative,
    Origin,
    ScalarAbstract,
    Tracer,
    alternative_of,
)

DType: TypeAlias = "np.dtype[Any]"

UFUNC_OF: dict[str, np.ufunc] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "divmod": np.divmod,
    "pow": np.power,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
"""The ufunc that NumPy uses for each binary operator."""


def ufunc_of(name: str) -> np.ufunc:
    """The ufunc of a binary operator, or of one half of ``divmod``."""
    return UFUNC_OF["floordiv" if name == "divmod//" else "mod" if name == "divmod%" else name]


class ScalarTracer(Tracer):
    """A number that is known when the program runs; immutable, as numbers are.

    Attributes:
        value: Its IR value, of rank 0, in the widest dtype of the alternatives, exactly.
        alternatives: What it may be to the user: kinds and dtypes.
        selector: Which of several alternatives it is (an i64), else None.
    """

    __slots__ = ("alternatives", "selector", "value")
    __array_priority__ = 1000.0

    def __init__(
        self,
        value: Value,
        alternatives: tuple[Alternative, ...],
        selector: Value | None = None,
        origin: Origin = COMPUTED,
    ) -> None:
        self.value = value
        self.alternatives = alternatives
        self.selector = selector
        self.context = current()
        self.origin = origin

    @property
    def is_mixed(self) -> bool:
        return self.selector is not None

    @property
    def kind(self) -> str:
        """``"python"``, ``"numpy"`` or, when that depends on the path taken, ``"mixed"``."""
        kinds = {k for k, _ in self.alternatives}
        return kinds.pop() if len(kinds) == 1 else "mixed"

    def _shown(self) -> str:
        names = " or ".join(type_of(a).__name__ for a in self.alternatives)
        return f"<traced {names} {self.value!r}>"

    __hash__ = Tracer.__hash__

    def __copy__(self) -> ScalarTracer:
        return self

    def __deepcopy__(self, memo: Any) -> ScalarTracer:
        return self

    # --- conversions that Python itself performs
    def __index__(self) -> int:
        from tracejit.trace import conversions

        conversions.as_index(self)  # a float is a TypeError
        return super().__index__()

    # --- NumPy's protocols
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from tracejit.trace.numpy_api import ufuncs

        return ufuncs.dispatch(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from tracejit.trace.numpy_api import call_function

        return call_function(function, args, kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise self._needs("its value as a NumPy array")

    # --- operators
    def __neg__(self) -> Any:
        return unary(self, pynumbers.negative, np.negative)

    def __pos__(self) -> Any:
        return unary(self, pynumbers.positive, np.positive)

    def __abs__(self) -> Any:
        return unary(self, pynumbers.absolute, np.absolute)

    def __invert__(self) -> Any:
        for kind, dtype in self.alternatives:
            if kind == "python" and dtype.kind not in "bi":
                raise TypeError(f"bad operand type for unary ~: '{PYTHON_TYPES[dtype].__name__}'")
        return unary(self, pynumbers.inverted, np.invert)

    def __divmod__(self, other: Any) -> Any:
        return _divmod(self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return _divmod(other, self)

    def __pow__(self, other: Any, modulus: Any = None) -> Any:
        return power(self, other, modulus)

    def __rpow__(self, other: Any, modulus: Any = None) -> Any:
        return power(other, self, modulus)

    def __matmul__(self, other: Any) -> Any:
        return _matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return _matmul(other, self)

    def __round__(self, ndigits: Any = None) -> Any:
        from tracejit.trace import scalar_methods

        return scalar_methods.rounded(self, ndigits)

    def __getattr__(self, name: str) -> Any:
        from tracejit.trace import scalar_methods

        return scalar_methods.attribute(self, name)

    def __iter__(self) -> Any:
        raise TypeError(f"'{type_name(self)}' object is not iterable")

    def __len__(self) -> int:
        raise TypeError(f"object of type '{type_name(self)}' has no len()")

    def __getitem__(self, key: Any) -> Any:
        from tracejit.trace import scalar_methods

        return scalar_methods.getitem(self, key)


def _install_operators() -> None:
    def direct(name: str) -> Callable[[Any, Any], Any]:
        def method(self: Any, other: Any) -> Any:
            return binary(name, self, other)

        return method

    def reflected(name: str) -> Callable[[Any, Any], Any]:
        def method(self: Any, other: Any) -> Any:
            return binary(name, other, self)

        return method

    for name in UFUNC_OF:
        if name in ("divmod", "pow"):
            continue
        setattr(ScalarTracer, f"__{name}__", direct(name))
        if UFUNC_OF[name] not in COMPARISONS:
            setattr(ScalarTracer, f"__r{name}__", reflected(name))


_install_operators()
# defining __eq__ afterwards leaves __hash__ as it is: it must go on raising


# --- making scalars -------------------------------------------------------------------------------


def python_scalar(value: Value, origin: Origin = COMPUTED) -> ScalarTracer:
    """``value`` (bool, int64, float64 or complex128) as a Python number."""
    return ScalarTracer(value, (("python", value.type.dtype),), None, origin)


def numpy_scalar(value: Value) -> ScalarTracer:
    """``value`` as a NumPy scalar."""
    return ScalarTracer(value, (("numpy", value.type.dtype),))


def from_dim(dim: Dim) -> int | ScalarTracer:
    """A dimension as the Python int that the user sees."""
    if isinstance(dim, int):
        return dim
    current().assume_nonnegative(dim)
    return ScalarTracer(dim, (PY_INT,), None, DIMENSION)


def type_of(alternative: Alternative) -> type:
    """The Python class of a scalar: ``float``, ``np.float32``, ..."""
    kind, dtype = alternative
    return PYTHON_TYPES[dtype] if kind == "python" else dtype.type


def type_name_of(alternative: Alternative) -> str:
    """The class of a scalar as messages name it: ``float``, ``numpy.float64``."""
    cls = type_of(alternative)
    return cls.__name__ if cls.__module__ == "builtins" else f"numpy.{cls.__name__}"


def type_name(x: ScalarTracer) -> str:
    """The class of ``x`` as messages name it."""
    return type_name_of(x.alternatives[0])


def is_scalar(x: object) -> bool:
    """Whether ``x`` is a traced or concrete scalar."""
    return isinstance(x, ScalarTracer) or alternative_of(x) is not None


def alternatives_of(x: Any) -> tuple[Alternative, ...]:
    """What a traced or concrete scalar may be."""
    if isinstance(x, ScalarTracer):
        return x.alternatives
    alternative = alternative_of(x)
    if alternative is None:
        raise TypeError(f"{x!r} is not a number")
    return (alternative,)


def operand_of(b: Builder, x: Any, dtype: DType) -> Operand:
    """A scalar as an operand that is a number of ``dtype``, one of its alternatives."""
    if isinstance(x, ScalarTracer):
        if x.context is not current():
            raise leaked()
        return Operand(b, dtype, x.value)
    return Operand(b, dtype, None, x)


# --- mixed scalars --------------------------------------------------------------------------------


def chosen(b: Builder, x: Any, index: int) -> Value | None:
    """The predicate that scalar ``x`` is its alternative number ``index``; None when there is no other."""
    if not isinstance(x, ScalarTracer) or x.selector is None:
        return None
    return b.apply(E.eq, x.selector, b.const(index, INT64))


def conjunction(b: Builder, p: Guard, q: Guard) -> Guard:
    if p is None or q is None:
        return q if p is None else p
    return b.apply(E.and_, p, q)


def mixed(b: Builder, cases: Sequence[tuple[Guard, ScalarTracer]]) -> ScalarTracer:
    """The scalar that is the one whose predicate holds; the predicates are disjoint and one of them is true."""
    first = cases[0][1]
    if all(s.value is first.value and s.alternatives == first.alternatives and not s.is_mixed for _, s in cases):
        return first
    alternatives: list[Alternative] = []
    for _, s in cases:
        alternatives.extend(a for a in s.alternatives if a not in alternatives)
    dtype = widest(alternatives)
    value: Value | None = None
    selector: Value | None = None
    for guard, s in reversed(cases):
        held = widened_scalar(b, s, dtype, guard)
        index = _selector_among(b, s, alternatives)
        if value is None or selector is None:
            value, selector = held, index
        else:
            assert guard is not None
            value = held if held is value else b.apply(E.select, guard, held, value)
            selector = index if index is selector else b.apply(E.select, guard, index, selector)
    assert value is not None
    if len(alternatives) == 1:
        selector = None
    return ScalarTracer(value, tuple(alternatives), selector)


def _selector_among(b: Builder, x: ScalarTracer, alternatives: Sequence[Alternative]) -> Value:
    """Which of ``alternatives`` the scalar is."""
    places = [alternatives.index(a) for a in x.alternatives]
    if x.selector is None:
        return b.const(places[0], INT64)
    if places == list(range(len(places))):
        return x.selector
    result = b.const(places[-1], INT64)
    for k in range(len(places) - 1):
        result = b.apply(E.select, b.apply(E.eq, x.selector, b.const(k, INT64)), b.const(places[k], INT64), result)
    return result


def widest(alternatives: Sequence[Alternative]) -> DType:
    """The dtype in which a scalar with these alternatives is held."""
    dtype = alternatives[0][1]
    for _, other in alternatives[1:]:
        dtype = promotion.canonical(np.promote_types(dtype, other))
    return dtype


def widened_scalar(b: Builder, x: ScalarTracer, dtype: DType, guard: Guard) -> Value:
    """The value of ``x`` in a wider dtype, checked to be exact."""
    return pynumbers.widened(b, x.value, dtype, guard)


def join_scalars(a: ScalarAbstract, b: ScalarAbstract) -> ScalarAbstract:
    """What is either: the alternatives of both, held in the widest dtype."""
    alternatives = (*a.alternatives, *(x for x in b.alternatives if x not in a.alternatives))
    return ScalarAbstract(alternatives, widest(alternatives))


def coerce(x: Any, to: ScalarAbstract) -> tuple[Value, Value | None]:
    """A scalar as a value of ``to`` and, when ``to`` is mixed, which alternative it is.

    Emits the check that an int which is widened to a float is exact.
    """
    context = current()
    b = context.at()
    if not isinstance(x, ScalarTracer):
        (alternative,) = alternatives_of(x)
        operand = Operand(b, alternative[1], None, x)
        value = operand.as_(to.dtype)
        if type(x) is int and to.dtype.kind in "fc" and complex(x) != x:
            raise OverflowError(f"an int that meets a float here has no exact float64 ({x})")
        return value, b.const(to.alternatives.index(alternative), INT64) if to.is_mixed else None
    value = widened_scalar(b, x, to.dtype, None)
    return value, _selector_among(b, x, to.alternatives) if to.is_mixed else None


def as_tracer(x: Any) -> ScalarTracer:
    """A traced or concrete scalar as a tracer."""
    if isinstance(x, ScalarTracer):
        return x
    (alternative,) = alternatives_of(x)
    b = current().builder
    return ScalarTracer(Operand(b, alternative[1], None, x).as_(alternative[1]), (alternative,))


def select_scalar(condition: Value, x: Any, y: Any) -> ScalarTracer:
    """``x if condition else y`` of two scalars."""
    b = current().builder
    return mixed(b, [(condition, as_tracer(x)), (b.apply(E.not_, condition), as_tracer(y))])


# --- binary operators -----------------------------------------------------------------------------


def binary(name: str, x: Any, y: Any) -> Any:
    """The binary operator ``name`` of a traced scalar and anything; NotImplemented when the other side must decide."""
    xs = x.alternatives if isinstance(x, ScalarTracer) else _other(x)
    ys = y.alternatives if isinstance(y, ScalarTracer) else _other(y)
    if xs is None or ys is None:
        return _with_object(name, x, y, xs is None)
    b = current().at()
    if len(xs) == 1 and len(ys) == 1:
        result = one_binary(b, name, x, xs[0], y, ys[0], None)
        if result is NotImplemented:
            raise _not_supported(name, xs[0], ys[0])
        return result
    cases: list[tuple[Guard, ScalarTracer]] = []
    computed: dict[Any, Any] = {}
    operands = {("x", d): operand_of(b, x, d) for _, d in xs} | {("y", d): operand_of(b, y, d) for _, d in ys}
    for i, xa in enumerate(xs):
        for j, ya in enumerate(ys):
            guard = conjunction(b, chosen(b, x, i), chosen(b, y, j))
            key = _computation(name, xa, ya)
            result = computed.get(key) if key is not None else None
            if result is None:
                try:
                    result = one_binary(b, name, x, xa, y, ya, guard, operands["x", xa[1]], operands["y", ya[1]])
                except TypeError as error:
                    pynumbers.check(b, b.const(False, BOOL), guard, TypeError, error.args)
                    continue
                if result is NotImplemented:
                    why = _not_supported(name, xa, ya)
                    pynumbers.check(b, b.const(False, BOOL), guard, type(why), why.args)
                    continue
                if key is not None:
                    computed[key] = result
            cases.append((guard, _retyped(result, name, xa, ya)))
    if not cases:
        return NotImplemented
    return mixed(b, cases)


def _not_supported(name: str, xa: Alternative, ya: Alternative) -> BaseException:
    """What Python raises for an operator that these numbers do not have."""
    operation = divmod if name.startswith("divmod") else getattr(operator, f"__{name}__")
    return pynumbers.failure_of(operation, type_of(xa)(1), type_of(ya)(1))


def _computation(name: str, xa: Alternative, ya: Alternative) -> Any:
    """A key under which alternatives compute the same value with the same checks; None when they may not."""
    if name in ("add", "sub", "mul", "lt", "le", "gt", "ge", "eq", "ne") and xa[1].kind in "f" and ya[1].kind in "f":
        numpy = "numpy" in (xa[0], ya[0])
        if not numpy:
            return FLOAT64
        return promotion.resolve(ufunc_of(name), (promotion.spec_of(xa), promotion.spec_of(ya)))[0]
    return None


def _retyped(result: ScalarTracer, name: str, xa: Alternative, ya: Alternative) -> ScalarTracer:
    """A shared computation as what this combination of alternatives makes of it."""
    if result.is_mixed or _computation(name, xa, ya) is None:
        return result
    kind = "numpy" if "numpy" in (xa[0], ya[0]) else "python"
    if result.alternatives[0][0] == kind:
        return result
    return python_scalar(result.value) if kind == "python" else numpy_scalar(result.value)


def one_binary(
    b: Builder, name: str, x: Any, xa: Alternative, y: Any, ya: Alternative, guard: Guard,
    p: Operand | None = None, q: Operand | None = None,
) -> Any:  # fmt: skip
    """The operator for one alternative of each side."""
    if p is None:
        p = operand_of(b, x, xa[1])
    if q is None:
        q = operand_of(b, y, ya[1])
    if xa[0] == "python" and ya[0] == "python":
        result = pynumbers.BINARY[name](b, p, q, guard)
        if isinstance(result, Value):
            return ScalarTracer(result, (("python", result.type.dtype),))
        if not result:
            return NotImplemented
        return mixed(b, [(case.when, python_scalar(case.value)) for case in result])
    return numpy_binary(b, ufunc_of(name), p, xa, q, ya, guard)


def numpy_binary(
    b: Builder, ufunc: np.ufunc, p: Operand, xa: Alternative, q: Operand, ya: Alternative, guard: Guard
) -> ScalarTracer:
    """A binary ufunc of two scalars, at least one of which is NumPy's."""
    if ufunc in COMPARISONS and (xa[0] == "python" or ya[0] == "python"):
        result = compare_weak(b, ufunc, p, xa, q, ya)
        if result is not None:
            return numpy_scalar(result)
    kernel = kernel_of(ufunc)
    dx, dy, out = promotion.resolve(ufunc, (promotion.spec_of(xa), promotion.spec_of(ya)))
    operands = (numpy_operand(b, p, xa, dx, guard), numpy_operand(b, q, ya, dy, guard))
    if ufunc is np.power and dy.kind == "i" and not known_nonnegative(operands[1]):
        natural = b.apply(E.ge, operands[1], b.const(0, dy))
        pynumbers.check(b, natural, guard, ValueError, (NEGATIVE_POWER,))
        return numpy_scalar(b.apply(E.pow, *operands))
    return ScalarTracer(kernel(b, operands, (out,)), (("numpy", out),))


def numpy_operand(b: Builder, p: Operand, alternative: Alternative, dtype: DType, guard: Guard) -> Value:
    """A scalar in the dtype that a ufunc loop wants; a Python int that does not fit raises."""
    if alternative[0] == "python" and p.dtype is INT64 and dtype.kind in "iu":
        if p.value is None:
            promotion.check_python_int(p.const, dtype)
            return b.const(p.const, dtype)
        if dtype != INT64:
            return checked_python_int(b, p.as_(INT64), dtype, guard)
    return p.as_(dtype)


def checked_python_int(b: Builder, value: Value, dtype: DType, guard: Guard) -> Value:
    """A Python int (an i64) as another integer dtype, with NumPy's OverflowError."""
    low, high = promotion.int_bounds(dtype)
    ok = b.apply(E.ge, value, b.const(max(low, pynumbers.INT_MIN), INT64))
    if high < pynumbers.INT_MAX:
        ok = b.apply(E.and_, ok, b.apply(E.le, value, b.const(high, INT64)))
    pynumbers.check(b, ok, guard, OverflowError, (promotion.out_of_bounds_message(dtype),), [value])
    return b.cast(value, dtype)


def compare_weak(b: Builder, ufunc: np.ufunc, p: Operand, xa: Alternative, q: Operand, ya: Alternative) -> Value | None:
    """A comparison of a NumPy integer with a Python int, which NumPy performs exactly; None for any other."""
    if xa[1].kind not in "iu" or ya[1].kind not in "iu":
        return None
    weak, strong = (p, q) if xa[0] == "python" else (q, p)
    if weak.value is None:
        low, high = promotion.int_bounds(strong.dtype)
        if low <= weak.const <= high:
            return None
        sides = (weak.const, 0) if weak is p else (0, weak.const)
        return b.const(bool(ufunc(*map(float, sides))), BOOL)
    dtype = UINT64 if strong.dtype == UINT64 else INT64
    operands = [o.as_(INT64 if o is weak else dtype) for o in (p, q)]
    return kernel_of(ufunc)(b, operands, (BOOL,))


def _other(x: Any) -> tuple[Alternative, ...] | None:
    alternative = alternative_of(x)
    return None if alternative is None else (alternative,)


def _with_object(name: str, x: Any, y: Any, on_left: bool) -> Any:
    """The operator when one side is no scalar: arrays (and, for NumPy scalars, sequences) go to the ufunc."""
    from tracejit.trace import boxes
    from tracejit.trace.numpy_api import ufuncs

    other, scalar = (x, y) if on_left else (y, x)
    if name == "mul" and isinstance(other, (list, tuple)) and scalar.kind == "numpy":
        if scalar.value.dtype.kind not in "iu":
            raise TypeError(f"can't multiply sequence by non-int of type {type_name(scalar)!r}")
        return other * operator.index(scalar)  # NumPy repeats, too
    is_array = isinstance(other, (boxes.ArrayTracer, np.ndarray))
    if is_array or (isinstance(other, (list, tuple)) and scalar.kind == "numpy"):
        return ufuncs.dispatch(UFUNC_OF[name], "__call__", (x, y), {})
    if name not in ("eq", "ne") and not isinstance(other, Tracer):
        from tracejit.trace import samples

        samples.complain_binary(name, x, y)
    return NotImplemented


def power(x: Any, y: Any, modulus: Any = None) -> Any:
    """``pow(x, y)`` or ``x ** y``."""
    if modulus is not None:
        raise UnsupportedError("pow with three arguments is not supported in compiled code", hint="a loop with %")
    return binary("pow", x, y)


def _divmod(x: Any, y: Any) -> Any:
    if not is_scalar(x) or not is_scalar(y):
        return _with_object("divmod", x, y, not is_scalar(x))
    return binary("divmod//", x, y), binary("divmod%", x, y)


def _matmul(x: Any, y: Any) -> Any:
    scalars = [side for side in (x, y) if isinstance(side, ScalarTracer)]
    if (is_scalar(x) and is_scalar(y)) or any(side.kind == "python" for side in scalars):
        from tracejit.trace import samples

        samples.complain_binary("matmul", x, y)
        return NotImplemented
    raise ValueError(
        "matmul: Input operand 0 does not have enough dimensions (has 0, gufunc core with signature "
        "(n?,k),(k,m?)->(n?,m?) requires 1)"
    )


# --- unary operators and ufuncs of scalars --------------------------------------------------------


def cases_of(b: Builder, x: Any) -> list[tuple[Guard, Alternative, Operand]]:
    """The alternatives of a scalar, each with its predicate and operand."""
    return [(chosen(b, x, k), a, operand_of(b, x, a[1])) for k, a in enumerate(alternatives_of(x))]


def unary(x: ScalarTracer, python: Callable[[Builder, Operand, Guard], Value], ufunc: np.ufunc) -> ScalarTracer:
    """A unary operator."""
    b = current().at()
    results: list[tuple[Guard, ScalarTracer]] = []
    for guard, alternative, operand in cases_of(b, x):
        if alternative[0] == "python":
            results.append((guard, python_scalar(python(b, operand, guard))))
        else:
            dtype, out = promotion.resolve(ufunc, (alternative[1],))
            results.append((guard, numpy_scalar(kernel_of(ufunc)(b, (operand.as_(dtype),), (out,)))))
    return mixed(b, results)


def numpy_ufunc(ufunc: np.ufunc, output: int, *inputs: Any, dtype: DType | None = None) -> ScalarTracer:
    """Output number ``output`` of a ufunc whose inputs are scalars: a NumPy scalar."""
    b = current().at()
    combinations: list[tuple[Guard, tuple[tuple[Alternative, Operand], ...]]] = [(None, ())]
    for x in inputs:
        combinations = [
            (conjunction(b, guard, g), (*chosen_so_far, (alternative, operand)))
            for guard, chosen_so_far in combinations
            for g, alternative, operand in cases_of(b, x)
        ]
    results: list[tuple[Guard, ScalarTracer]] = []
    for guard, sides in combinations:
        results.append((guard, numpy_scalar(_ufunc_case(b, ufunc, output, sides, dtype, guard))))
    return mixed(b, results)


def _ufunc_case(
    b: Builder, ufunc: np.ufunc, output: int, sides: tuple[tuple[Alternative, Operand], ...], dtype: DType | None,
    guard: Guard,
) -> Value:  # fmt: skip
    if ufunc in COMPARISONS and dtype is None:
        (xa, p), (ya, q) = sides
        if "python" in (xa[0], ya[0]):
            result = compare_weak(b, ufunc, p, xa, q, ya)
            if result is not None:
                return result
    kernel = kernel_of(ufunc) if ufunc.nout == 1 else PAIRS[ufunc][output]
    dtypes = promotion.resolve(ufunc, tuple(promotion.spec_of(a) for a, _ in sides), dtype)
    operands = [numpy_operand(b, p, a, d, guard) for (a, p), d in zip(sides, dtypes)]
    return kernel(b, operands, dtypes[ufunc.nin :])
