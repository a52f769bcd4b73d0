"""Traced arrays: boxes with identity, whose contents change, and views that read and write through to their base.

A *root* box holds its contents as an IR value, which a write replaces. A *view* is a root and a chain of lenses;
reading takes the part out of the root's current contents, writing puts it back. So every alias sees every write, as in
NumPy, and the IR stays free of aliases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, TypeAlias

import numpy as np

from tracejit.errors import NeedsConcrete, UnsupportedError
from tracejit.ir.core import Block, Value
from tracejit.ir.types import INT64, Dim
from tracejit.ops import control
from tracejit.ops import elementwise as E
from tracejit.ops.builder import Builder
from tracejit.trace import dims, doubts, layout, promotion
from tracejit.trace.context import current, leaked
from tracejit.trace.layout import Layout
from tracejit.trace.lenses import Dims, ImagPart, Lens, Lenses, RealPart, Reshape, Strided, extended, joined
from tracejit.trace.scalars import UFUNC_OF, ScalarTracer, from_dim, numpy_scalar
from tracejit.trace.tracer import COMPUTED, Origin, Tracer

DType: TypeAlias = "np.dtype[Any]"
Order: TypeAlias = str | Layout | Callable[[Dims], Layout]

LONG_AGO = -1
"""The moment (see :meth:`Control.now <tracejit.trace.control.Control.now>`) at which the caller's objects were made."""

READ_ONLY = "assignment destination is read-only"

_serials = count()


# --- the box --------------------------------------------------------------------------------------


_ORDERS = ("C", "F", "A", "K", "strided", "")


class ArrayTracer(Tracer):
    """A NumPy array that exists when the program runs.

    Args:
        value: Its contents.
        order: How a new array lies in memory: ``"C"``, ``"F"``, ``"strided"`` (nothing is known), its strides, or a
            function that gives them for its shape.
        origin: Where it comes from.

    Attributes:
        dtype: Its dtype.
        shape_dims: Its shape in terms of the IR.
        root: The box whose contents it shows; itself unless it is a view.
        lenses: How to get from the root's contents to its own.
        writeable: NumPy's flag: broadcast views and diagonals are read-only.
        input_index: Which input of the program it is (set by the control side), or None.
        serial: Boxes that were made later have a higher one.
        scope: Of a root: the innermost loop being recorded in which its contents have been looked at.
        viewed: Of a root: whether views of it have been made.
    """

    __slots__ = ("_cache", "_dtype", "_order", "_value", "input_index", "lenses", "root", "scope", "serial",
                 "shape_dims", "viewed", "writeable")  # fmt: skip
    __array_priority__ = 1000.0

    def __init__(self, value: Value, order: Order = "C", origin: Origin = COMPUTED) -> None:
        self._value: Value = value
        if isinstance(order, str) and order not in _ORDERS:
            raise ValueError(f"order must be one of 'C', 'F', 'A', or 'K' (got {order!r})")
        self._set_up(value.type.dtype, value.type.shape, order, origin)

    def _set_up(self, dtype: DType, shape: Dims, order: Order, origin: Origin) -> None:
        self._order = order
        self._cache: tuple[Value, Block, int, Value] | None = None
        self.context = current()
        self.serial = next(_serials)
        self.scope = self.context.scope
        self.origin = origin
        self._dtype = dtype
        self.shape_dims = shape
        self.root: ArrayTracer = self
        self.lenses: Lenses = ()
        self.writeable = True
        self.viewed = False
        self.input_index: int | None = None

    def part(self, lens: Lens, dtype: DType | None = None, writeable: bool = True) -> ArrayTracer:
        """A view of this array through ``lens``."""
        view: ArrayTracer = ArrayTracer.__new__(ArrayTracer)
        view._set_up(self.dtype if dtype is None else dtype, lens.dims, "", COMPUTED)
        view.root = self.root
        view.root.viewed = True
        view.lenses = extended(self.lenses, lens)
        view.writeable = writeable and self.writeable
        return view

    @property
    def roots(self) -> list[ArrayTracer]:
        """Of a root: the boxes that a write to it may change."""
        return [self]

    @property
    def lens(self) -> Lenses | None:
        """How a view gets from its root's contents to its own; None for a root."""
        return self.lenses or None

    def stands_for(self, other: ArrayTracer) -> bool:
        """Whether a program takes this for ``other``: the same array, or an equal view made while it runs. A view that
        the caller gave is an object of its own, which results must not be confused with."""
        if self is other:
            return True
        if LONG_AGO in (self.serial, other.serial):
            return False
        return self.root is other.root and self.lenses == other.lenses

    # --- contents
    def read(self) -> Value:
        """The current contents."""
        root = self.root
        if self.context is not current():
            raise leaked()
        if root.scope is not self.context.scope:
            self.context.localize(root)
        if not self.lenses:
            return root._load(())
        cache = self._cache
        block = self.context.builder.block
        if isinstance(root, ChoiceTracer):
            return root._load(self.lenses)
        if cache is not None and cache[0] is root._value and cache[1] is block:
            if cache[2] < len(block.ops) and block.ops[cache[2]] is cache[3].owner:
                return cache[3]
        value = root._load(self.lenses)
        self._cache = (root._value, block, len(block.ops) - 1, value)
        return value

    def write(self, value: Value) -> None:
        """Replace the contents by ``value``, of the same dtype and shape."""
        if self.context is not current():
            raise leaked()
        self.require_writeable()
        self.root._store(self.lenses, value)

    def require_writeable(self) -> None:
        """Raise (now, or when the program runs) unless the array may be written to."""
        if not self.writeable:
            raise ValueError(READ_ONLY)
        if isinstance(self.root, ChoiceTracer):
            self.root.check_writeable()

    def load_element(self, starts: Sequence[Dim]) -> Value:
        """The element at in-bounds indices, one per axis."""
        lens = Strided((), tuple(starts), (), ())
        return self.root._load(extended(self.lenses, lens))

    def _load(self, lenses: Lenses) -> Value:
        if self.scope is not self.context.scope:
            self.context.localize(self)
        value = self._value
        b = self.context.builder
        for lens in lenses:
            value = lens.get(b, value)
        return value

    def _store(self, lenses: Lenses, value: Value) -> None:
        b = self.context.builder
        doubts.settle(self.roots)
        if self.scope is not self.context.scope:
            self.context.localize(self)
        previous = self._value
        if lenses:
            bases = [previous]
            for lens in lenses[:-1]:
                bases.append(lens.get(b, bases[-1]))
            for lens, base in zip(reversed(lenses), reversed(bases)):
                value = lens.put(b, base, value)
        elif self.input_index is not None:
            # the caller sees it, and may see it when a check fails later: a store, in order with those
            axes = range(len(self.shape_dims))
            value = b.update(previous, value, (0,) * len(axes), [(k, k) for k in axes], (1,) * len(axes))
        self.context.writes.append((self, previous))
        self._value = retyped(b, value, self.shape_dims)

    def set_value(self, value: Value) -> None:
        """Let a root hold ``value`` without logging a write (for joins and loops)."""
        assert self.root is self
        self._value = value
        self._cache = None

    # --- memory order
    @property
    def layout(self) -> Layout:
        """The strides, as far as they are known."""
        if self.lenses:
            result = self.root.layout
            for lens in self.lenses:
                if isinstance(lens, Strided):
                    result = layout.strided(result, lens.pairs, lens.steps, len(lens.dims))
                elif isinstance(lens, Reshape):
                    result = _reshaped_layout(lens, result)
                else:
                    result = tuple(dims.plus(s, s) for s in result)  # a complex number is two floats
            return result
        order = self._order
        if isinstance(order, tuple):
            return order
        if callable(order):
            self._order = order(self.shape_dims)
        elif order == "C":
            return layout.contiguous(self.shape_dims)
        elif order == "F":
            self._order = layout.fortran(self.shape_dims)
        else:
            self._order = layout.unknown(len(self.shape_dims))
        return self.layout

    @property
    def is_plain(self) -> bool:
        """Whether this certainly is a C-contiguous array of its own (a cheap test)."""
        return not self.lenses and self._order == "C"

    # --- dtype and shape
    @property
    def dtype(self) -> DType:
        return self._dtype

    @dtype.setter
    def dtype(self, value: Any) -> None:
        raise UnsupportedError("assigning the dtype of an array is not supported", hint="x.astype(dtype)")

    @property
    def shape(self) -> tuple[Any, ...]:
        return tuple(map(from_dim, self.shape_dims))

    @shape.setter
    def shape(self, value: Any) -> None:
        from tracejit.trace.numpy_api import shaping

        shaping.set_shape(self, value)

    @property
    def ndim(self) -> int:
        return len(self.shape_dims)

    @property
    def size(self) -> Any:
        self.context.at()
        return from_dim(dims.product(self.shape_dims))

    @property
    def size_dim(self) -> Dim:
        return dims.product(self.shape_dims)

    @property
    def itemsize(self) -> int:
        return int(self.dtype.itemsize)

    @property
    def nbytes(self) -> Any:
        return self.size * self.itemsize

    def __len__(self) -> int:
        n = self.length()
        return n if isinstance(n, int) else n.__index__()

    def length(self) -> Any:
        """``len(self)``: an int, traced where it must be."""
        if not self.shape_dims:
            raise TypeError("len() of unsized object")
        return from_dim(self.shape_dims[0])

    def __iter__(self) -> Iterator[Any]:
        if not self.shape_dims:
            raise TypeError("iteration over a 0-d array")
        length = self.shape_dims[0]
        if not isinstance(length, int):
            raise NeedsConcrete(
                from_dim(length),
                "its value to take the array apart",
                hint="a 'for' statement over the array, or its items one by one: x[0], x[1]",
            )
        return map(self.__getitem__, range(length))

    # --- indexing
    def __getitem__(self, key: Any) -> Any:
        from tracejit.trace import indexing

        return indexing.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        from tracejit.trace import indexing

        indexing.setitem(self, key, value)

    def __delitem__(self, key: Any) -> None:
        raise ValueError("cannot delete array elements")

    def __contains__(self, item: Any) -> bool:
        result = self.contains(item)
        return result if isinstance(result, bool) else result.__bool__()

    def contains(self, item: Any) -> Any:
        """``item in self``: a bool, traced."""
        from tracejit.trace import conversions

        return conversions.to_bool((self == item).any())

    # --- what only one element allows
    def as_index_scalar(self) -> ScalarTracer:
        """The element of a 0-d integer array, as an index."""
        if self.shape_dims or self.dtype.kind not in "iu":
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return numpy_scalar(self.read())

    def __index__(self) -> int:
        return self.as_index_scalar().__index__()

    # --- NumPy's protocols
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from tracejit.trace.numpy_api import ufuncs

        return ufuncs.dispatch(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from tracejit.trace.numpy_api import call_function

        return call_function(function, args, kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise self._needs("its contents as a NumPy array")

    # --- operators; the binary ones are installed below
    def __neg__(self) -> Any:
        return _ufunc(np.negative, self)

    def __pos__(self) -> Any:
        return _ufunc(np.positive, self)

    def __abs__(self) -> Any:
        return _ufunc(np.absolute, self)

    def __invert__(self) -> Any:
        return _ufunc(np.invert, self)

    def __pow__(self, other: Any, modulus: Any = None) -> Any:
        from tracejit.trace.numpy_api import ufuncs

        return ufuncs.power(self, other, modulus)

    def __ipow__(self, other: Any) -> Any:  # type: ignore[misc]
        from tracejit.trace.numpy_api import ufuncs

        return ufuncs.power(self, other, None, out=self)

    def __rpow__(self, other: Any, modulus: Any = None) -> Any:
        return _ufunc(np.power, other, self)

    def __matmul__(self, other: Any) -> Any:
        from tracejit.trace.numpy_api import products

        return products.matmul(self, other) if _is_operand(other) else NotImplemented

    def __rmatmul__(self, other: Any) -> Any:
        from tracejit.trace.numpy_api import products

        return products.matmul(other, self) if _is_operand(other) else NotImplemented

    def __imatmul__(self, other: Any) -> Any:
        from tracejit.trace.numpy_api import products

        return products.matmul(self, other, out=self)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __hash__(self) -> int:
        raise TypeError("unhashable type: 'numpy.ndarray'")

    def _shown(self) -> str:
        text = ", ".join(str(d) if isinstance(d, int) else f"%{d.label}" for d in self.shape_dims)
        return f"<traced {'view' if self.lenses else 'array'} {self.dtype}[{text}]>"

    # --- attributes and methods of ndarray
    @property
    def real(self) -> ArrayTracer:
        return self.part(RealPart(self.shape_dims), _real_dtype(self.dtype)) if self.dtype.kind == "c" else self

    @real.setter
    def real(self, value: Any) -> None:
        self.real[...] = value

    @property
    def imag(self) -> ArrayTracer:
        if self.dtype.kind == "c":
            return self.part(ImagPart(self.shape_dims), _real_dtype(self.dtype))
        b = self.context.at()
        zeros = ArrayTracer(b.fill(b.const(0, self.dtype), self.shape_dims))
        zeros.writeable = False
        return zeros

    @imag.setter
    def imag(self, value: Any) -> None:
        if self.dtype.kind != "c":
            np.ones(()).imag = 1.0  # raises
        self.imag[...] = value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        from tracejit.trace.numpy_api import methods

        return methods.attribute(self, name)


def _install_operators() -> None:
    for name, ufunc in UFUNC_OF.items():
        if name == "pow":
            continue
        for prefix in ("", "r", "i"):
            if prefix and name in ("eq", "ne", "lt", "le", "gt", "ge"):
                continue
            if prefix == "i" and name == "divmod":
                continue
            setattr(ArrayTracer, f"__{prefix}{name}__", _operator(ufunc, name, prefix))


def _operator(ufunc: np.ufunc, name: str, prefix: str) -> Any:
    from_right, in_place = prefix == "r", prefix == "i"

    def method(self: ArrayTracer, other: Any) -> Any:
        if not _is_operand(other):
            return _not_a_number(ufunc, name, self, other, from_right)
        if in_place:
            return _ufunc(ufunc, self, other, out=self)
        return _ufunc(ufunc, other, self) if from_right else _ufunc(ufunc, self, other)

    return method


def _ufunc(ufunc: np.ufunc, *inputs: Any, **kwargs: Any) -> Any:
    from tracejit.trace.numpy_api import ufuncs

    return ufuncs.dispatch(ufunc, "__call__", inputs, kwargs)


def _is_operand(x: Any) -> bool:
    return isinstance(x, (ArrayTracer, ScalarTracer, bool, int, float, complex, np.generic, np.ndarray, list, tuple))


def _not_a_number(ufunc: np.ufunc, name: str, x: ArrayTracer, other: Any, from_right: bool) -> Any:
    """``x == None`` compares every element; other operators leave it to the other side."""
    if ufunc in (np.equal, np.not_equal) and (other is None or isinstance(other, (str, bytes))):
        b = x.context.at()
        return ArrayTracer(b.fill(b.const(ufunc is np.not_equal, bool), x.shape_dims))
    if not isinstance(other, Tracer):
        from tracejit.trace import samples

        samples.complain_binary(name, other if from_right else x, x if from_right else other)
    return NotImplemented


def _real_dtype(dtype: DType) -> DType:
    return E.real_dtype(dtype)


def _reshaped_layout(lens: Reshape, base: Layout) -> Layout:
    strides = layout.reshaped(lens.base_dims, base, lens.dims)
    return strides if isinstance(strides, tuple) else layout.unknown(len(lens.dims))


_install_operators()


# --- choices --------------------------------------------------------------------------------------


class ChoiceTracer(ArrayTracer):
    """One of several arrays, which one being known at run time: what a name is bound to after two arms.

    Args:
        selector: The index (i64) of the array in ``candidates``.
        candidates: At least two boxes of one dtype and rank.
    """

    __slots__ = ("_leaves", "_roots", "candidates", "selector")

    def __init__(self, selector: Value, candidates: Sequence[ArrayTracer], origin: Origin = COMPUTED) -> None:
        first = candidates[0]
        shape: list[Dim] = list(first.shape_dims)
        b = current().at()
        for k, candidate in enumerate(candidates[1:], 1):
            is_this = b.apply(E.eq, selector, b.const(k, INT64))
            shape = [dims.select(is_this, d, s) for d, s in zip(candidate.shape_dims, shape)]
        self.selector = selector
        self.candidates = tuple(candidates)
        self._leaves: tuple[Value, list[ArrayTracer]] | None = None
        self._roots: list[ArrayTracer] = []
        for r in (r for c in candidates for r in c.root.roots):
            if all(r is not known for known in self._roots):
                self._roots.append(r)
        same = all(c.is_plain for c in candidates)
        self._set_up(first.dtype, tuple(shape), "C" if same else "strided", origin)
        self.writeable = any(c.writeable for c in candidates)  # see check_writeable

    @property
    def roots(self) -> list[ArrayTracer]:
        """The boxes that a write may change."""
        return list(self._roots)

    def leaves(self) -> tuple[Value, Sequence[ArrayTracer]]:
        """Candidates that are no choices themselves, each once, and the index of the one that it is: what code is made
        for, since choices between choices between the same few arrays would double it with every level."""
        if not any(isinstance(c.root, ChoiceTracer) for c in self.candidates):
            return self.selector, self.candidates
        if self._leaves is not None and self.context.is_available(self._leaves[0]):
            return self._leaves
        b = self.context.builder
        found: list[ArrayTracer] = []
        selector: Value | None = None
        for k, candidate in reversed(list(enumerate(self.candidates))):
            own = _leaf_index(candidate, found)
            selector = own if selector is None else b.apply(E.select, self._is(k), own, selector)
        assert selector is not None
        self._leaves = selector, found
        return self._leaves

    def _is(self, k: int) -> Value:
        b = self.context.builder
        return b.apply(E.eq, self.selector, b.const(k, INT64))

    def check_writeable(self) -> None:
        """Raise, when the program runs, if it is one of the candidates that must not be written to."""
        b = self.context.builder
        selector, leaves = self.leaves()
        for k, leaf in enumerate(leaves):
            if not leaf.writeable:
                b.check(b.apply(E.ne, selector, b.const(k, INT64)), ValueError, (READ_ONLY,))

    def set_value(self, value: Value) -> None:
        raise AssertionError("a choice has no contents of its own")

    def _load(self, lenses: Lenses) -> Value:
        return self._load_from(0, lenses, *self.leaves())

    def _load_from(self, k: int, lenses: Lenses, selector: Value, leaves: Sequence[ArrayTracer]) -> Value:
        candidate = leaves[k]
        if k == len(leaves) - 1:
            return _through(candidate, lenses)
        b = self.context.builder
        shape = lenses[-1].dims if lenses else self.shape_dims
        arms: list[Block] = []
        for take in (True, False):
            block = Block()
            with self.context.region(block):
                value = _through(candidate, lenses) if take else self._load_from(k + 1, lenses, selector, leaves)
                b.yield_(retyped(b, value, shape))
            arms.append(block)
        condition = b.apply(E.eq, selector, b.const(k, INT64))
        return b.emit(control.if_, (condition,), (arms[0].yields[0].type,), None, arms)[0]

    def _store(self, lenses: Lenses, value: Value) -> None:
        doubts.settle(self.roots)
        self._store_from(0, lenses, value, *self.leaves())

    def _store_from(self, k: int, lenses: Lenses, value: Value, selector: Value, leaves: Sequence[ArrayTracer]) -> None:
        candidate = leaves[k]
        b = self.context.builder
        if k == len(leaves) - 1:
            part = retyped(b, value, _dims_through(candidate, lenses))
            candidate.root._store(joined(candidate.lenses, lenses), part)
            return
        writes = self.context.writes
        roots = self.roots
        for r in roots:
            if r.scope is not self.context.scope:
                self.context.localize(r)
        before = [r._value for r in roots]
        after: list[list[Value]] = []
        arms: list[Block] = []
        for take in (True, False):
            mark = len(writes)
            block = Block()
            with self.context.region(block):
                if take:
                    part = retyped(b, value, _dims_through(candidate, lenses))
                    candidate.root._store(joined(candidate.lenses, lenses), part)
                else:
                    self._store_from(k + 1, lenses, value, selector, leaves)
            arms.append(block)
            after.append([r._value for r in roots])
            del writes[mark:]
            for r, old in zip(roots, before):
                r._value = old
        changed = [j for j, old in enumerate(before) if any(new[j] is not old for new in after)]
        for block, new in zip(arms, after):
            with self.context.region(block):
                b.yield_(*(new[j] for j in changed))
        condition = b.apply(E.eq, selector, b.const(k, INT64))
        results = b.emit(control.if_, (condition,), [before[j].type for j in changed], None, arms)
        for j, value_now in zip(changed, results):
            writes.append((roots[j], before[j]))
            roots[j]._value = value_now


def _leaf_index(candidate: ArrayTracer, found: list[ArrayTracer]) -> Value:
    """The index of the array that ``candidate`` is among ``found``, which learns of it."""
    b = candidate.context.builder
    choice = candidate.root
    if not isinstance(choice, ChoiceTracer):
        return b.const(_place(candidate, found), INT64)
    selector, leaves = choice.leaves()
    places = [_place(_part_of(leaf, candidate), found) for leaf in leaves]
    result = b.const(places[-1], INT64)
    for k in range(len(places) - 2, -1, -1):
        is_k = b.apply(E.eq, selector, b.const(k, INT64))
        result = b.apply(E.select, is_k, b.const(places[k], INT64), result)
    return result


def _part_of(leaf: ArrayTracer, view: ArrayTracer) -> ArrayTracer:
    """``leaf`` as seen through the lenses of ``view``, which is a view of a choice, or all of it."""
    if not view.lenses:
        return leaf
    part = leaf.root.part(view.lenses[-1], view.dtype, view.writeable and leaf.writeable)
    part.lenses = joined(leaf.lenses, view.lenses)
    return part


def _place(x: ArrayTracer, found: list[ArrayTracer]) -> int:
    for k, known in enumerate(found):
        if known.root is x.root and known.lenses == x.lenses and known.writeable == x.writeable:
            return k
    found.append(x)
    return len(found) - 1


def _through(box: ArrayTracer, lenses: Lenses) -> Value:
    return box.root._load(joined(box.lenses, lenses))


def _dims_through(box: ArrayTracer, lenses: Lenses) -> Dims:
    return lenses[-1].dims if lenses else box.shape_dims


# --- helpers --------------------------------------------------------------------------------------


def retyped(b: Builder, value: Value, shape: Dims) -> Value:
    """``value`` under dimensions that are equal to its own."""
    if value.type.shape == shape:
        return value
    return b.whole(value, shape)


def box_of(array: np.ndarray[Any, Any]) -> ArrayTracer:
    """The box of a concrete array met while tracing; always the same one for the same array."""
    context = current()
    known = context.boxes.get(id(array))
    if known is not None:
        _, box, op = known
        if op is None or (op.block is not None and any(o is op for o in op.block.ops)):
            return box
    op = None
    if context.capture_array is not None:
        box = context.capture_array(array)
    else:
        # in the outermost block, so that it is in scope wherever the array turns up again
        b = context.builder
        inner, b.block = b.block, context.blocks[0]
        box = ArrayTracer(b.const(array, promotion.canonical(array.dtype)))
        op = box._value.op
        b.block = inner
    context.boxes[id(array)] = (array, box, op)
    return box


def only_element(x: ArrayTracer) -> ScalarTracer:
    """The element whose truth is the truth of an array, with NumPy's errors for arrays that have not exactly one."""
    x.context.at()
    n = x.size_dim
    many = "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
    none = "The truth value of an empty array is ambiguous. Use `array.size > 0` to check that an array is not empty."
    dims.check(dims.le(n, 1), ValueError, many)
    dims.check(dims.ge(n, 1), ValueError, none)
    return numpy_scalar(x.load_element((0,) * x.ndim))
