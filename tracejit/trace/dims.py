"""Index arithmetic: dimensions, slice bounds and offsets, each an ``int`` or an index value.

Everything folds where it is known while tracing. What is not becomes ops, and equal expressions become the *same*
value as long as that is in scope, so that ``x[1:]`` and ``x[:-1]`` have the same dimension. :func:`equal` proves that
two dimensions are equal from how they are computed (polynomials of index values, with minimum and maximum).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from tracejit.ir.core import Value
from tracejit.ir.types import INT64, Dim
from tracejit.ops import elementwise as E
from tracejit.ops import structural
from tracejit.ops.primitive import Primitive
from tracejit.trace.context import Context, current

Predicate: TypeAlias = "bool | Value"
"""A condition that is known, or a rank-0 bool value."""

# An atom is an index value, or ("max" | "min", frozenset of forms); a form is a polynomial of atoms with int
# coefficients. Both are hashable, so equality of forms is equality of sets.
Atom: TypeAlias = Value | tuple[str, frozenset[Any]]
Monomial: TypeAlias = frozenset[tuple[Atom, int]]
Form: TypeAlias = frozenset[tuple[Monomial, int]]

_ONE: Monomial = frozenset()
_ZERO: Form = frozenset()
_MOST_PARTS = 6  # of an extremum
_DEPTH = 24  # of the expressions that forms look through


def constant(n: int) -> Form:
    """The form of a number."""
    return frozenset({(_ONE, n)}) if n else _ZERO


def atom(a: Atom) -> Form:
    """The form of something that is not looked into."""
    return frozenset({(frozenset({(a, 1)}), 1)})


def plus(a: Form, b: Form, factor: int = 1) -> Form:
    """``a + factor * b``."""
    terms = dict(a)
    for monomial, coefficient in b:
        terms[monomial] = terms.get(monomial, 0) + factor * coefficient
    return frozenset((m, c) for m, c in terms.items() if c)


def times(a: Form, b: Form) -> Form:
    """``a * b``."""
    terms: dict[Monomial, int] = {}
    for m, c in a:
        for n, d in b:
            powers = dict(m)
            for atom, power in n:
                powers[atom] = powers.get(atom, 0) + power
            key = frozenset(powers.items())
            terms[key] = terms.get(key, 0) + c * d
    return frozenset((m, c) for m, c in terms.items() if c)


def number_of(form: Form) -> int | None:
    """The number that ``form`` is, if it is one."""
    if not form:
        return 0
    if len(form) == 1:
        ((monomial, coefficient),) = form
        if not monomial:
            return coefficient
    return None


def form(x: Dim, depth: int = 0) -> Form:
    """``x`` as a polynomial of what it is computed from."""
    if isinstance(x, int):
        return constant(x)
    context = current()
    known: Form | None = context.forms.get(x)
    if known is None:
        known = _form(context, x, depth)
        context.forms[x] = known
    return known


def _form(context: Context, x: Value, depth: int) -> Form:
    op = x.op
    if op is not None and x.dtype == INT64 and depth < _DEPTH:
        primitive, operands = op.primitive, op.operands
        if primitive is structural.const and not x.shape:
            return constant(op.attrs["value"])
        if x not in context.exact:
            return atom(x)  # it may have wrapped around
        if primitive is E.add:
            return plus(form(operands[0], depth + 1), form(operands[1], depth + 1))
        if primitive is E.sub:
            return plus(form(operands[0], depth + 1), form(operands[1], depth + 1), -1)
        if primitive is E.neg:
            return plus(_ZERO, form(operands[0], depth + 1), -1)
        if primitive is E.mul:
            a, b = form(operands[0], depth + 1), form(operands[1], depth + 1)
            if len(a) * len(b) <= 16:
                return times(a, b)
        if primitive is E.maximum or primitive is E.minimum:
            f, g = form(operands[0], depth + 1), form(operands[1], depth + 1)
            return _extremum("max" if primitive is E.maximum else "min", f, g)
    return atom(x)


def _extremum(kind: str, f: Form, g: Form) -> Form:
    """The form of the maximum or minimum of two: of all that they are the same extremum of, without what never counts.

    So ``max(max(n - 1, 0) - 1, 0)`` is ``max(n - 2, 0)``.
    """
    parts = list(dict.fromkeys((*_parts(kind, f), *_parts(kind, g))))
    kept: list[Form] = []
    for k, p in enumerate(parts):
        others = [*kept, *parts[k + 1 :]]
        # by constants only: what else is known may not be known wherever the form is used
        differences = [number_of(plus(q, p, -1)) for q in others]
        if not any(d is not None and (d >= 0) == (kind == "max") for d in differences):
            kept.append(p)
    if len(kept) == 1:
        return kept[0]
    if len(kept) > _MOST_PARTS:
        return atom((kind, frozenset({f, g})))
    return atom((kind, frozenset(kept)))


def _parts(kind: str, f: Form) -> list[Form]:
    """What ``f`` is the maximum or minimum of, a constant that is added to it included."""
    c = next((c for monomial, c in f if not monomial), 0)
    rest = plus(f, constant(c), -1)
    if len(rest) == 1:
        ((monomial, coefficient),) = rest
        if coefficient == 1 and len(monomial) == 1:
            ((a, power),) = monomial
            if power == 1 and not isinstance(a, Value) and a[0] == kind:
                return [plus(p, constant(c)) for p in a[1]]
    return [f]


def _nonnegative_form(f: Form) -> bool:
    for monomial, coefficient in f:
        if coefficient < 0:
            return False
        for atom, power in monomial:
            if power % 2 and not _nonnegative_atom(atom):
                return False
    return True


def _nonnegative_atom(atom: Atom) -> bool:
    if isinstance(atom, Value):
        return _nonnegative_value(atom)
    kind, forms = atom
    if kind not in ("max", "min"):
        return False
    return (any if kind == "max" else all)(map(_nonnegative_form, forms))


def _nonnegative_value(x: Value, depth: int = 0) -> bool:
    context = current()
    if context.is_nonnegative(x):
        return True
    op = x.op
    if op is None or depth > 6:
        return False
    p, o = op.primitive, op.operands
    if p is structural.nonzero:
        return True
    if p is structural.const:
        return not x.shape and x.dtype.kind in "biuf" and op.attrs["value"] >= 0
    if p is E.cast:
        source = o[0].dtype
        return (source.kind in "bu" and source.itemsize < 8) or (
            source.kind == "i" and _nonnegative_value(o[0], depth + 1)
        )
    if p is E.floordiv or p is E.shr or p is E.minimum:
        return all(_nonnegative_value(v, depth + 1) for v in o)
    if p is E.mod:
        return _nonnegative_value(o[1], depth + 1)  # the sign of the divisor; 0 for divisor 0
    if p is E.maximum or p is E.and_:
        return any(_nonnegative_value(v, depth + 1) for v in o)
    if p is E.select:
        return all(_nonnegative_value(v, depth + 1) for v in o[1:])
    return False


def nonnegative(x: Dim) -> bool:
    """Whether ``x`` is proved to be at least 0."""
    if isinstance(x, int):
        return x >= 0
    return _nonnegative_value(x) or _nonnegative_form(form(x))


def equal(a: Dim, b: Dim) -> bool:
    """Whether ``a`` and ``b`` are proved to be equal."""
    if a is b:
        return True
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    return form(a) == form(b)


def all_equal(a: Sequence[Dim], b: Sequence[Dim]) -> bool:
    """Whether two shapes are proved to be equal."""
    return len(a) == len(b) and all(x is y or equal(x, y) for x, y in zip(a, b))


# --- arithmetic -----------------------------------------------------------------------------------


def _made(primitive: Primitive, a: Dim, b: Dim, result: Form) -> Dim:
    """``primitive(a, b)``, whose form is ``result``: the number, a value that is in scope, or a new op."""
    number = number_of(result)
    if number is not None:
        return number
    context = current()
    known = context.index_values.get(result)
    if known is not None:
        value, block, position = known
        if block is None or (any(block is b for b in context.blocks) and _in_place(value, block, position)):
            return value
    if len(result) == 1:
        ((monomial, coefficient),) = result
        if coefficient == 1 and len(monomial) == 1:
            ((atom, power),) = monomial
            if power == 1 and isinstance(atom, Value) and context.is_available(atom):
                return atom
    builder = context.builder
    value = builder.apply(primitive, builder.index(a), builder.index(b))
    context.exact.add(value)
    context.forms[value] = result
    context.index_values[result] = (value, builder.block, len(builder.block.ops) - 1)
    return value


def _in_place(value: Value, block: Any, position: int) -> bool:
    return position < len(block.ops) and block.ops[position] is value.owner


def add(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    if a == 0:
        return b
    if b == 0:
        return a
    return _made(E.add, a, b, plus(form(a), form(b)))


def sub(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return a - b
    if b == 0:
        return a
    return _made(E.sub, a, b, plus(form(a), form(b), -1))


def mul(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    if a == 1:
        return b
    if b == 1:
        return a
    return _made(E.mul, a, b, times(form(a), form(b)))


def maximum(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    f, g = form(a), form(b)
    if f == g or _nonnegative_form(plus(f, g, -1)) or (b == 0 and nonnegative(a)):
        return a
    if _nonnegative_form(plus(g, f, -1)) or (a == 0 and nonnegative(b)):
        return b
    return _made(E.maximum, a, b, _extremum("max", f, g))


def minimum(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    f, g = form(a), form(b)
    if f == g or _nonnegative_form(plus(f, g, -1)) or (b == 0 and nonnegative(a)):
        return b
    if _nonnegative_form(plus(g, f, -1)) or (a == 0 and nonnegative(b)):
        return a
    return _made(E.minimum, a, b, _extremum("min", f, g))


def floordiv(a: Dim, b: Dim) -> Dim:
    """``a // b``; ``b`` is not 0 (the op gives 0 if it is)."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b if b else 0
    if b == 1:
        return a
    builder = current().builder
    return builder.apply(E.floordiv, builder.index(a), builder.index(b))


def product(dims: Sequence[Dim]) -> Dim:
    """The number of elements of a shape."""
    n: Dim = 1
    for d in dims:
        n = mul(n, d)
    return n


# --- comparison and logic -------------------------------------------------------------------------


def _compare(primitive: Primitive, python: Callable[[int, int], bool], a: Dim, b: Dim) -> Predicate:
    if isinstance(a, int) and isinstance(b, int):
        return python(a, b)
    builder = current().builder
    return builder.apply(primitive, builder.index(a), builder.index(b))


def eq(a: Dim, b: Dim) -> Predicate:
    difference = number_of(plus(form(a), form(b), -1))
    return difference == 0 if difference is not None else _compare(E.eq, int.__eq__, a, b)


def ne(a: Dim, b: Dim) -> Predicate:
    difference = number_of(plus(form(a), form(b), -1))
    return difference != 0 if difference is not None else _compare(E.ne, int.__ne__, a, b)


def lt(a: Dim, b: Dim) -> Predicate:
    if b == 0 and nonnegative(a):
        return False
    return _compare(E.lt, int.__lt__, a, b)


def le(a: Dim, b: Dim) -> Predicate:
    if a == 0 and nonnegative(b):
        return True
    return _compare(E.le, int.__le__, a, b)


def gt(a: Dim, b: Dim) -> Predicate:
    return lt(b, a)


def ge(a: Dim, b: Dim) -> Predicate:
    return le(b, a)


def predicate(p: Predicate) -> Value:
    """A condition as a value."""
    return current().builder.const(p, bool) if isinstance(p, bool) else p


def both(p: Predicate, q: Predicate) -> Predicate:
    if isinstance(p, bool):
        return q if p else False
    if isinstance(q, bool):
        return p if q else False
    return current().builder.apply(E.and_, p, q)


def either(p: Predicate, q: Predicate) -> Predicate:
    if isinstance(p, bool):
        return True if p else q
    if isinstance(q, bool):
        return True if q else p
    return current().builder.apply(E.or_, p, q)


def invert(p: Predicate) -> Predicate:
    return not p if isinstance(p, bool) else current().builder.apply(E.not_, p)


def select(condition: Predicate, a: Dim, b: Dim) -> Dim:
    """``a if condition else b``."""
    if isinstance(condition, bool):
        return a if condition else b
    if equal(a, b):
        return a
    builder = current().builder
    return builder.apply(E.select, condition, builder.index(a), builder.index(b))


def check(ok: Predicate, exception: type[BaseException], message: str, *payload: Dim) -> None:
    """Raise ``exception(message)`` unless ``ok``: now if that is known, else when the program runs.

    ``message`` is a :meth:`str.format` template of the payload.
    """
    if ok is True:
        return
    if ok is False and all(isinstance(p, int) for p in payload):
        raise exception(message.format(*payload))
    builder = current().builder
    builder.check(predicate(ok), exception, (message,), [builder.index(p) for p in payload])


def shape_text(shape: Sequence[Dim], payload: list[Dim]) -> str:
    """The shape as NumPy writes it, run-time dimensions as slots of a message; they are added to ``payload``."""
    parts = []
    for d in shape:
        if isinstance(d, int):
            parts.append(str(d))
        else:
            parts.append(f"{{{len(payload)}}}")
            payload.append(d)
    return f"({parts[0]},)" if len(parts) == 1 else f"({','.join(parts)})"
