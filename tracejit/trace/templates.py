"""What a Python object looks like on every path: which parts are the same, and which are run-time values.

A template takes an object apart into IR values (:meth:`Template.pack`), which then cross the end of an arm or of a
loop's turn, and puts it together again on the other side (:meth:`Template.unpack`). :func:`merge` finds the template
that fits two paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import FunctionType
from typing import Any, TypeAlias

import numpy as np

from tracejit.ir.core import Value
from tracejit.ir.types import BOOL, INDEX, INT64, PREDICATE, ArrayType, Dim, Type
from tracejit.ops import elementwise as E
from tracejit.record import record
from tracejit.trace import boxes
from tracejit.trace.context import current
from tracejit.trace.control import UNBOUND, Unbound, control
from tracejit.trace.either import Either, MaybeUnbound
from tracejit.trace.scalars import ScalarTracer, coerce, join_scalars
from tracejit.trace.tracer import ScalarAbstract, Tracer, abstract, alternative_of

NewValue: TypeAlias = Callable[[Type], Value]
Values: TypeAlias = Iterator[Value]

_ATOMS = (str, bytes, bool, int, float, complex, type(None), type(Ellipsis), slice, range, np.dtype, frozenset)


class Template:
    """See the module."""

    def pack(self, x: Any, out: list[Value]) -> None:
        """Append the values that ``x`` consists of, as ops in the open block."""
        raise NotImplementedError

    def blank(self, out: list[Value]) -> None:
        """Append values that mean nothing, for a path on which there is no such object."""
        b = current().builder
        made: list[Value] = []

        def new(t: Type) -> Value:
            assert isinstance(t, ArrayType)
            value = b.const(0, t.dtype) if not t.shape else b.empty(t.dtype, t.shape)
            made.append(value)
            return value

        self.allocate(new)
        out.extend(made)

    def allocate(self, new: NewValue) -> None:
        """Make the values that carry the object, in the order of :meth:`pack`."""
        raise NotImplementedError

    def unpack(self, values: Values) -> Any:
        """The object made of ``values``."""
        raise NotImplementedError


@record(frozen=True, eq=False)
class Static(Template):
    """The same Python object on every path."""

    value: Any

    def pack(self, x: Any, out: list[Value]) -> None:
        pass

    def allocate(self, new: NewValue) -> None:
        pass

    def unpack(self, values: Values) -> Any:
        return self.value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Static) and identical(self.value, other.value)

    def __hash__(self) -> int:
        return 0


@record(frozen=True)
class Scalar(Template):
    """A number."""

    of: ScalarAbstract

    def pack(self, x: Any, out: list[Value]) -> None:
        value, selector = coerce(x, self.of)
        out.append(value)
        if selector is not None:
            out.append(selector)

    def allocate(self, new: NewValue) -> None:
        new(ArrayType(self.of.dtype))
        if self.of.is_mixed:
            new(INDEX)

    def unpack(self, values: Values) -> ScalarTracer:
        value = next(values)
        return ScalarTracer(value, self.of.alternatives, next(values) if self.of.is_mixed else None)


@record(frozen=True)
class Array(Template):
    """The contents of an array, as a new box; dimensions that differ from path to path are None."""

    dtype: np.dtype[Any]
    shape: tuple[Dim | None, ...]
    order: str

    def pack(self, x: Any, out: list[Value]) -> None:
        b = current().at()
        for d, own in zip(self.shape, x.shape_dims):
            if d is None:
                out.append(b.index(own))
        out.append(x.read())

    def allocate(self, new: NewValue) -> None:
        shape = tuple(new(INDEX) if d is None else d for d in self.shape)
        new(ArrayType(self.dtype, shape))

    def unpack(self, values: Values) -> boxes.ArrayTracer:
        for d in self.shape:
            if d is None:
                current().nonnegative.add(next(values))
        return boxes.ArrayTracer(next(values), self.order)


@record(frozen=True)
class Tree(Template):
    """A container with the same structure on every path."""

    kind: type
    keys: tuple[Any, ...]
    children: tuple[Template, ...]
    merged: bool = False

    def pack(self, x: Any, out: list[Value]) -> None:
        for child, part in zip(self.children, parts_of(x), strict=True):
            child.pack(part, out)

    def allocate(self, new: NewValue) -> None:
        for child in self.children:
            child.allocate(new)

    def unpack(self, values: Values) -> Any:
        result = rebuild(self.kind, self.keys, [child.unpack(values) for child in self.children])
        journal = control().journal
        if self.merged:
            journal.merged[id(result)] = result
        else:
            journal.bear(result, control().now())
        return result


@record(frozen=True)
class Maybe(Template):
    """A local name that has no value on some path."""

    name: str
    inner: Template

    def pack(self, x: Any, out: list[Value]) -> None:
        b = current().at()
        if isinstance(x, Unbound):
            out.append(b.const(False, BOOL))
            self.inner.blank(out)
        elif isinstance(x, MaybeUnbound):
            out.append(x.bound)
            self.inner.pack(x.value, out)
        else:
            out.append(b.const(True, BOOL))
            self.inner.pack(x, out)

    def allocate(self, new: NewValue) -> None:
        new(PREDICATE)
        self.inner.allocate(new)

    def unpack(self, values: Values) -> MaybeUnbound:
        bound = next(values)
        return MaybeUnbound(self.name, bound, self.inner.unpack(values))


@record(frozen=True)
class Internal(Template):
    """A local of the rewriting that is not read on paths where it has no value."""

    inner: Template

    def pack(self, x: Any, out: list[Value]) -> None:
        if isinstance(x, Unbound):
            self.inner.blank(out)
        else:
            self.inner.pack(x, out)

    def allocate(self, new: NewValue) -> None:
        self.inner.allocate(new)

    def unpack(self, values: Values) -> Any:
        return self.inner.unpack(values)


@record(frozen=True)
class OneOf(Template):
    """Objects that have nothing in common: which one is a run-time value."""

    options: tuple[Template, ...]

    def pack(self, x: Any, out: list[Value]) -> None:
        b = current().at()
        given = x.options if isinstance(x, Either) else (x,)
        places = [self._place(o) for o in given]
        if isinstance(x, Either):
            selector = b.const(places[-1], INT64)
            for k in range(len(places) - 2, -1, -1):
                selector = b.apply(E.select, x.is_option(k), b.const(places[k], INT64), selector)
            out.append(selector)
        else:
            out.append(b.const(places[0], INT64))
        for k, option in enumerate(self.options):
            if k in places:
                option.pack(given[places.index(k)], out)
            else:
                option.blank(out)

    def _place(self, x: Any) -> int:
        for k, option in enumerate(self.options):
            if fits(option, x):
                return k
        raise AssertionError("an object that is none of the options")

    def allocate(self, new: NewValue) -> None:
        new(INDEX)
        for option in self.options:
            option.allocate(new)

    def unpack(self, values: Values) -> Either:
        selector = next(values)
        return Either(selector, tuple(option.unpack(values) for option in self.options))


# --- taking containers apart
# -----------------------------------------------------------------------------------------------


@record(frozen=True, eq=False)
class _Code:
    """A function apart from its defaults."""

    function: FunctionType

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Code) or self.function.__code__ is not other.function.__code__:
            return False
        cells = (self.function.__closure__ or (), other.function.__closure__ or ())
        return len(cells[0]) == len(cells[1]) and all(a is b for a, b in zip(*cells))

    def __hash__(self) -> int:
        return hash(self.function.__code__)


def parts_of(x: Any) -> list[Any]:
    """The children of a container."""
    if isinstance(x, dict):
        return list(x.values())
    if isinstance(x, (tuple, list)):
        return list(x)
    if isinstance(x, FunctionType):
        return list(x.__defaults__ or ())
    if isinstance(x, Tracer):
        return list(x._children)
    return list(vars(x).values())


def structure_of(x: Any) -> tuple[type, tuple[Any, ...]] | None:
    """The type and keys of a container that joins element by element; None for anything else."""
    kind = type(x)
    if kind is dict:
        return kind, tuple(x)
    if kind is list or kind is tuple or (isinstance(x, tuple) and hasattr(kind, "_fields")):
        return kind, tuple(range(len(x)))
    if hasattr(kind, "__dataclass_fields__") and hasattr(x, "__dict__"):
        return kind, tuple(vars(x))
    if kind is FunctionType and x.__defaults__ is not None and any(isinstance(d, Tracer) for d in x.__defaults__):
        return kind, (_Code(x),)
    if isinstance(x, Tracer):
        return None if x._structure is None else (kind, x._structure)
    if id(x) in control().journal.born and hasattr(x, "__dict__"):
        return kind, tuple(vars(x))
    return None


def rebuild(kind: type, keys: Sequence[Any], parts: Sequence[Any]) -> Any:
    """A container of these children."""
    if kind is dict:
        return dict(zip(keys, parts))
    if kind is list or kind is tuple:
        return kind(parts)
    if kind is FunctionType:
        old = keys[0].function
        made = FunctionType(old.__code__, old.__globals__, old.__name__, tuple(parts), old.__closure__)
        made.__kwdefaults__ = old.__kwdefaults__
        return made
    if issubclass(kind, Tracer):
        return kind._rebuild(tuple(keys), parts)
    if issubclass(kind, tuple):
        return kind._make(parts)  # type: ignore[attr-defined]
    new = object.__new__(kind)  # __init__ has run for the originals
    vars(new).update(zip(keys, parts))
    return new


def identical(a: Any, b: Any) -> bool:
    """Whether a program cannot tell ``a`` from ``b``."""
    if a is b:
        return True
    if isinstance(a, ScalarTracer) and isinstance(b, ScalarTracer):
        return a.value is b.value and a.alternatives == b.alternatives and a.selector is b.selector
    if type(a) is not type(b) or isinstance(a, Tracer):
        return False
    if isinstance(a, (float, complex, np.generic)):
        return bool(np.asarray(a).tobytes() == np.asarray(b).tobytes())
    if type(a) is tuple:
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, _ATOMS):
        return bool(a == b)
    method = getattr(a, "__func__", None)
    return method is not None and method is getattr(b, "__func__", None) and a.__self__ is b.__self__


def settle(t: Template, policy: Policy) -> Template:
    """``t`` with everything that exists inside the recorded block only made to come out of it."""
    match t:
        case Static(value):
            if isinstance(value, ScalarTracer):
                context = current()
                if context.is_available(value.value) and (
                    value.selector is None or context.is_available(value.selector)
                ):
                    return t
                found = abstract(value)
                assert isinstance(found, ScalarAbstract)
                return Scalar(found)
            if isinstance(value, boxes.ArrayTracer):
                return policy.settled(value)
            structure = structure_of(value)
            if structure is not None and _holds_tracers(value):
                tree = Tree(*structure, tuple(settle(template_of(p, policy), policy) for p in parts_of(value)))
                return t if all(isinstance(c, Static) for c in tree.children) else tree
            return t
        case Tree(kind, keys, children, merged):
            return Tree(kind, keys, tuple(settle(c, policy) for c in children), merged)
        case Maybe(name, inner):
            return Maybe(name, settle(inner, policy))
        case Internal(inner):
            return Internal(settle(inner, policy))
        case OneOf(options):
            return OneOf(tuple(settle(o, policy) for o in options))
    return t


def _holds_tracers(x: Any) -> bool:
    if isinstance(x, Tracer):
        return True
    return structure_of(x) is not None and any(map(_holds_tracers, parts_of(x)))


# --- merging
# ----------------------------------------------------------------------------------------------------------------


class Policy:
    """How arrays that are not the same object are merged; branches and loops differ in that.

    Attributes:
        what: What is being merged, for messages.
    """

    what: str = "a value"

    def array(self, x: boxes.ArrayTracer) -> Template:
        """The template of an array on one path."""
        return Static(x)

    def arrays(self, a: Template, b: Template) -> Template | None:
        """The template for two different arrays; None when they have nothing in common."""
        raise NotImplementedError

    def settled(self, x: boxes.ArrayTracer) -> Template:
        """The template with which an array that is the only one there comes out of the recorded block."""
        raise NotImplementedError

    def keeps_identity(self, x: Any) -> bool:
        """Whether a mutable container that is rebuilt could also be reached in another way."""
        return True


def template_of(x: Any, policy: Policy) -> Template:
    """The template that an object has by itself."""
    if isinstance(x, Unbound):
        return Static(UNBOUND)
    if isinstance(x, MaybeUnbound):
        return Maybe(x.name, template_of(x.value, policy))
    if isinstance(x, Either):
        return OneOf(tuple(template_of(o, policy) for o in x.options))
    if isinstance(x, boxes.ArrayTracer):
        return policy.array(x)
    return Static(x)


def merge(a: Template, b: Template, policy: Policy) -> Template:
    """The template of what is described by ``a`` on one path and by ``b`` on another."""
    if a == b:
        return a
    if isinstance(a, Internal) or isinstance(b, Internal):
        inner = [t.inner if isinstance(t, Internal) else t for t in (a, b)]
        return Internal(_without_unbound(inner, policy))
    if _is_unbound(a) or _is_unbound(b) or isinstance(a, Maybe) or isinstance(b, Maybe):
        return _maybe(a, b, policy)
    if isinstance(a, OneOf) or isinstance(b, OneOf):
        options = list(a.options) if isinstance(a, OneOf) else [a]
        for t in b.options if isinstance(b, OneOf) else (b,):
            _add_option(options, t, policy)
        return OneOf(tuple(options))
    return _merge_alike(a, b, policy) or OneOf((a, b))


def _without_unbound(templates: Sequence[Template], policy: Policy) -> Template:
    bound = [t for t in templates if not _is_unbound(t)]
    if len(bound) < 2:
        return bound[0] if bound else Static(UNBOUND)
    return merge(bound[0], bound[1], policy)


def _is_unbound(t: Template) -> bool:
    return isinstance(t, Static) and isinstance(t.value, Unbound)


def _maybe(a: Template, b: Template, policy: Policy) -> Template:
    name = next((t.name for t in (a, b) if isinstance(t, Maybe)), policy.what)
    inner = [t.inner if isinstance(t, Maybe) else t for t in (a, b)]
    return Maybe(name, _without_unbound(inner, policy))


def _add_option(options: list[Template], t: Template, policy: Policy) -> None:
    for k, option in enumerate(options):
        if option == t:
            return
        merged = _merge_alike(option, t, policy)
        if merged is not None:
            options[k] = merged
            return
    options.append(t)


def _merge_alike(a: Template, b: Template, policy: Policy) -> Template | None:
    """The merged template of two of a kind; None when they have nothing in common."""
    x, y = _scalar_of(a), _scalar_of(b)
    if x is not None and y is not None:
        return Scalar(join_scalars(x, y))
    if _is_array(a) and _is_array(b):
        return policy.arrays(a, b)
    s, t = _tree_of(a, policy), _tree_of(b, policy)
    if s is not None and t is not None and s.kind is t.kind and s.keys == t.keys:
        merged = s.merged or t.merged or any(isinstance(u, Static) and policy.keeps_identity(u.value) for u in (a, b))
        frozen = merged and s.kind is not tuple and not issubclass(s.kind, tuple)
        children = tuple(merge(p, q, policy) for p, q in zip(s.children, t.children))
        return Tree(s.kind, s.keys, children, frozen)
    return None


def _scalar_of(t: Template) -> ScalarAbstract | None:
    if isinstance(t, Scalar):
        return t.of
    if isinstance(t, Static) and (isinstance(t.value, ScalarTracer) or alternative_of(t.value) is not None):
        if type(t.value) is int and not -(2**63) <= t.value < 2**63:
            return None
        found = abstract(t.value)
        assert isinstance(found, ScalarAbstract)
        return found
    return None


def _is_array(t: Template) -> bool:
    if isinstance(t, Static):
        return isinstance(t.value, boxes.ArrayTracer)
    return isinstance(t, Array) or getattr(t, "is_array", False)


def _tree_of(t: Template, policy: Policy) -> Tree | None:
    if isinstance(t, Tree):
        return t
    if isinstance(t, Static):
        structure = structure_of(t.value)
        if structure is not None:
            return Tree(*structure, tuple(template_of(p, policy) for p in parts_of(t.value)))
    return None


def fits(t: Template, x: Any) -> bool:
    """Whether ``x`` is an object that template ``t`` describes (arrays fit arrays)."""
    match t:
        case Static(value):
            return identical(value, x)
        case Scalar(of):
            found = abstract(x)
            return isinstance(found, ScalarAbstract) and set(found.alternatives) <= set(of.alternatives)
        case Tree(kind, keys, children):
            if structure_of(x) != (kind, keys):
                return False
            return all(map(fits, children, parts_of(x)))
        case Maybe(_, inner) | Internal(inner):
            return isinstance(x, Unbound) or fits(inner, x.value if isinstance(x, MaybeUnbound) else x)
        case OneOf(options):
            given = x.options if isinstance(x, Either) else (x,)
            return all(any(fits(o, g) for o in options) for g in given)
        case Array(dtype, shape):
            return isinstance(x, boxes.ArrayTracer) and x.dtype == dtype and x.ndim == len(shape)
    return getattr(t, "is_array", False) and isinstance(x, boxes.ArrayTracer) and t.fits(x)  # type: ignore[attr-defined]
