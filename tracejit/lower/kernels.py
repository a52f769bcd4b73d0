"""One loop nest per fusion root: maps, reductions, stores, joins, index lists, matrix products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tracejit.ir.core import Op, Value
from tracejit.ir.types import INDEX, ArrayType
from tracejit.lower.elements import Elements
from tracejit.lower.storage import Index, Nest, Storage
from tracejit.ops import elementwise, loop
from tracejit.ops.primitive import Primitive

if TYPE_CHECKING:
    from tracejit.lower.loops import Lowering

_COMBINE: dict[str, Primitive] = {
    "reduce_sum": elementwise.add,
    "reduce_prod": elementwise.mul,
    "reduce_min": elementwise.minimum,
    "reduce_max": elementwise.maximum,
    "reduce_any": elementwise.or_,
    "reduce_all": elementwise.and_,
}


def identity_of(reduction: str, dtype: np.dtype[Any]) -> Any:
    """The value that a reduction starts from."""
    match reduction:
        case "reduce_sum" | "reduce_any":
            return dtype.type(0).item()
        case "reduce_prod" | "reduce_all":
            return dtype.type(1).item()
    low = reduction == "reduce_max"
    if dtype.kind == "b":
        return not low
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return int(info.min if low else info.max)
    infinite = float("-inf") if low else float("inf")
    return complex(infinite, infinite) if dtype.kind == "c" else infinite


def is_long(d: Index) -> bool:
    """Whether a loop is worth vectors: shorter ones are unrolled by the machine-code optimiser."""
    return not isinstance(d, int) or d >= 8


class Kernel:
    """Lowers the root of one fusion (or a bare store); made anew for each."""

    def __init__(self, lowering: Lowering, op: Op) -> None:
        self.low = lowering
        self.fusion = op
        self.root = op.regions[0].ops[-2] if op.name == "fusion" else op
        self.inlined = set(op.regions[0].ops[:-2]) if op.name == "fusion" else set()

    def run(self) -> None:
        family = getattr(self.root.primitive, "family", "")
        method: Callable[[], None] = getattr(self, f"_{self.root.name}", None) or (
            {"reduction": self._reduce, "library": self._library}.get(family, self._map)
        )
        method()

    def elements(self, nest: Nest, written: Storage | None = None) -> Elements:
        return Elements(nest, self.low.storage, self.low.scalar, self.low.dim, self.inlined, written)

    # --- elementwise results
    def _map(self) -> None:
        (root,) = self.root.results
        nest = Nest(self.low.builder)
        if not root.rank:
            self.inlined.add(self.root)
            self.low.bind_scalar(self.fusion.results[0], self._scalar_root(nest))
            return
        self.inlined.add(self.root)
        target = nest.alloc(root.dtype, [self.low.dim(d) for d in root.shape])
        self.low.bind(self.fusion.results[0], target)
        self.fill(nest, target, root)

    def _scalar_root(self, nest: Nest) -> Value:
        op = self.root
        elements = self.elements(nest)
        if op.name == "view":
            return elements.at(op.operands[0], elements.view_index(op, ()))
        assert op.name == "reshape"
        return elements.at(op.operands[0], [0] * op.operands[0].rank)

    def fill(self, nest: Nest, target: Storage, v: Value, elements: Elements | None = None) -> None:
        """Store every element of ``v`` into ``target`` of the same shape."""
        elements = elements or self.elements(nest, target)
        if target.c_order and elements.is_flat(v, v.shape):
            if self._is_zero(v):
                self.low.builder.emit(loop.fill_zero, (target.buffer, nest.value(nest.product(target.shape))), ())
                return
            (i,) = nest.open(nest.product(target.shape), vector=True)
            nest.store(target.buffer, i, elements.at_flat(v, i))
            nest.close()
            return
        core = elements.core(v) if target.c_order and self._reshapes() else None
        if core is not None:
            shape = [self.low.dim(d) for d in core] if core else [nest.product(target.shape)]
            strides = nest.c_strides(shape)
            index = self.open_nest(nest, shape)
            flat = nest.sum([nest.mul(i, s) for i, s in zip(index, strides, strict=True)])
            nest.store(target.buffer, flat, elements.in_core(v, index, flat))
            self.close_nest(nest)
            return
        index = self.open_nest(nest, target.shape)
        nest.store(target.buffer, nest.linear(target, index), elements.at(v, index))
        self.close_nest(nest)

    def _reshapes(self) -> bool:
        """Whether a reshape is among what is computed on the fly."""
        return any(op.name == "reshape" for op in self.inlined)

    def _is_zero(self, v: Value) -> bool:
        """Whether ``v`` is a constant whose bytes are all zero."""
        op = v.op
        if op is None or op not in self.inlined or op.name != "view" or op.attrs["pairs"]:
            return False
        source = op.operands[0].op
        if source is None or source.name != "const" or source.results[0].rank:
            return False
        return not any(np.asarray(source.attrs["value"], v.dtype).tobytes())

    @staticmethod
    def open_nest(nest: Nest, shape: Sequence[Index]) -> list[Index]:
        """Loops over ``shape`` in C order, the innermost one over independent elements."""
        return [nest.open(d, vector=k == len(shape) - 1 and is_long(d))[0] for k, d in enumerate(shape)]

    @staticmethod
    def close_nest(nest: Nest) -> None:
        while nest.depth:
            nest.close()

    # --- stores
    def _update(self) -> None:
        x, v = self.root.operands[:2]
        place = self.low.base_storage(self.fusion, x, keep=not self._covers(x, v))
        reads = self._reads_of(x)
        if any(not self._reads_alike(op) for op in reads):
            nest = Nest(self.low.builder)
            temporary = nest.alloc(v.dtype, [self.low.dim(d) for d in v.shape])
            self.fill(nest, temporary, v)
            self._store(place, v, temporary)
            self.low.free(temporary)
        else:
            self._store(place, v, None)
        self.low.bind(self.fusion.results[0], place)

    def _store(self, place: Storage, v: Value, temporary: Storage | None) -> None:
        nest = Nest(self.low.builder)
        elements = self.elements(nest, place)
        shape = tuple(self.low.dim(d) for d in v.shape)
        whole = self._covers(self.root.operands[0], v) and place.c_order and self._is_straight()
        flat = elements.is_flat(v, v.shape) or (self._reshapes() and elements.core(v) is not None)
        if whole and temporary is None and flat:
            self.fill(nest, place, v, elements)
            return
        last = len(shape) - 1
        index = [nest.open(d, vector=k == last and is_long(d) and self._distinct())[0] for k, d in enumerate(shape)]
        at = nest.linear(place, elements.view_index(self.root, index, base=1))
        if temporary is None:
            value = elements.at(v, index)
        else:
            value = nest.load(temporary.buffer, nest.linear(temporary, index))
        nest.store(place.buffer, at, value)
        self.close_nest(nest)

    def _distinct(self) -> bool:
        """Whether all turns of the innermost loop store to different places."""
        root = self.root
        last = root.operands[1].rank - 1
        steps = root.operands[2 + root.operands[0].rank :]
        varying = [s for (_, j), s in zip(root.attrs["pairs"], steps, strict=True) if j == last]
        return any(s.op is not None and s.op.name == "const" and s.op.attrs["value"] != 0 for s in varying)

    def _is_straight(self) -> bool:
        """Whether a store that covers its base goes through it in C order."""
        root = self.root
        pairs = root.attrs["pairs"]
        steps = root.operands[2 + root.operands[0].rank :]
        return pairs == tuple((k, k) for k in range(root.operands[0].rank)) and all(_is_const(s, 1) for s in steps)

    def _covers(self, x: Value, v: Value) -> bool:
        """Whether the store replaces every element of its base."""
        if self.root.name != "update" or v.shape != x.shape:
            return False
        starts = self.root.operands[2 : 2 + x.rank]
        return self._is_straight() and all(_is_const(s, 0) for s in starts)

    def _reads_of(self, x: Value) -> list[Op]:
        """The ops of the fusion that read the memory of the store's base."""
        found = [op for op in self.inlined if x in op.operands]
        if self.root.operands[1] is x or x in self.root.operands[2:]:
            found.append(self.root)
        return found

    def _reads_alike(self, op: Op) -> bool:
        """Whether ``op`` reads, for each element stored, just the element that is overwritten."""
        root = self.root
        if op is root or self.root.name != "update":
            return False
        value = root.operands[1]
        if op.name == "view":
            same = op.operands[1:] == root.operands[2:] or _equal_constants(op.operands[1:], root.operands[2:])
            return op.attrs["pairs"] == root.attrs["pairs"] and same and self._at_own_index(op.results[0], value)
        if getattr(op.primitive, "family", "") != "elementwise" or not self._covers(root.operands[0], value):
            return False
        return self._at_own_index(op.results[0], value)

    def _at_own_index(self, v: Value, value: Value) -> bool:
        """Whether ``v`` reaches ``value`` through elementwise ops only."""
        if v is value:
            return True
        return all(
            user in self.inlined
            and getattr(user.primitive, "family", "") == "elementwise"
            and self._at_own_index(user.results[0], value)
            for user in v.users
        )

    def _scatter(self) -> None:
        x, v, *indices = self.root.operands
        place = self.low.base_storage(self.fusion, x, keep=True)
        values, spots = v, indices
        temporaries: list[Storage] = []
        if self._reads_of(x):
            # the elements and the indices are read before anything is stored
            for w in (v, *indices):
                nest = Nest(self.low.builder)
                temporaries.append(nest.alloc(w.dtype, [self.low.dim(d) for d in w.shape]))
                self.fill(nest, temporaries[-1], w)
        nest = Nest(self.low.builder)
        elements = self.elements(nest, place)
        index: list[Index] = [nest.open(self.low.dim(d))[0] for d in values.shape]
        if temporaries:
            n = spots[0].rank
            rest = iter(index[n:])
            axes = list(self.root.attrs["axes"])
            base: list[Index] = []
            for k in range(x.rank):
                if k in axes:
                    t = temporaries[1 + axes.index(k)]
                    base.append(nest.load(t.buffer, nest.linear(t, index[:n])))
                else:
                    base.append(next(rest))
            value = nest.load(temporaries[0].buffer, nest.linear(temporaries[0], index))
        else:
            base = elements.gather_index(self.root, spots, x.rank, index)
            value = elements.at(values, index)
        at = nest.linear(place, base)
        if self.root.attrs.get("mode") == "add":
            value = nest.emit(elementwise.add, (nest.load(place.buffer, at, innermost=True), value), innermost=True)
        nest.store(place.buffer, at, value)
        self.close_nest(nest)
        for t in temporaries:
            self.low.free(t)
        self.low.bind(self.fusion.results[0], place)

    # --- joins and index lists
    def _concat(self) -> None:
        (root,) = self.root.results
        axis = self.root.attrs["axis"]
        outer = Nest(self.low.builder)
        target = outer.alloc(root.dtype, [self.low.dim(d) for d in root.shape])
        offset: Index = 0
        for part in self.root.operands:
            nest = Nest(self.low.builder)
            elements = self.elements(nest)
            shape = [self.low.dim(d) for d in part.shape]
            index = self.open_nest(nest, shape)
            place = [nest.add(i, offset) if k == axis else i for k, i in enumerate(index)]
            nest.store(target.buffer, nest.linear(target, place), elements.at(part, index))
            self.close_nest(nest)
            offset = Nest(self.low.builder).add(offset, shape[axis])
        self.low.bind(self.fusion.results[0], target)

    def _nonzero(self) -> None:
        (mask,) = self.root.operands
        nest = Nest(self.low.builder)
        shape = [self.low.dim(d) for d in mask.shape]
        elements = self.elements(nest)
        count = self._count(nest, elements, mask, shape)
        n, *lists = self.fusion.results
        self.low.bind_scalar(n, count)
        nest = Nest(self.low.builder)
        # each index is stored where the next hit goes; the last ones may go behind the end
        rooms = [nest.alloc(INDEX.dtype, (nest.add(count, 1),)) for _ in lists]
        targets = [Storage(r.buffer, (count,), (1,)) for r in rooms]
        for v, t in zip(lists, targets, strict=True):
            self.low.bind(v, t)
        elements = self.elements(nest)
        # the write position is carried through all loops
        at: Value = nest.const(0, INDEX)
        index: list[Index] = []
        for d in shape:
            i, at = nest.open(d, carried=(at,))
            index.append(i)
        hit = elements.at(mask, index)
        for t, place in zip(targets, index, strict=True):
            nest.store(t.buffer, at, nest.value(place))
        step = nest.emit(elementwise.cast, (hit,), (INDEX,), innermost=True)
        at = nest.emit(elementwise.add, (at, step), innermost=True)
        while nest.depth:
            (at,) = nest.close(at)

    def _count(self, nest: Nest, elements: Elements, mask: Value, shape: Sequence[Index]) -> Value:
        total = nest.const(0, INDEX)
        flat = elements.is_flat(mask, mask.shape)
        dims: Sequence[Index] = (nest.product(shape),) if flat else shape
        index: list[Index] = []
        for k, d in enumerate(dims):
            i, total = nest.open(d, carried=(total,), vector=k == len(dims) - 1, reductions=("add",))
            index.append(i)
        hit = elements.at_flat(mask, index[0]) if flat else elements.at(mask, index)
        total = nest.emit(elementwise.add, (total, nest.emit(elementwise.cast, (hit,), (INDEX,))), innermost=True)
        while nest.depth:
            (total,) = nest.close(total)
        return total

    # --- reductions
    def _reduce(self) -> None:
        root = self.root
        (x,) = root.operands
        axes: tuple[int, ...] = root.attrs["axes"]
        kept = [k for k in range(x.rank) if k not in axes]
        shape = [self.low.dim(d) for d in x.shape]
        if root.name in ("argmin", "argmax"):
            self._reduce_inner(kept, axes, shape, self._arg_turns)
        elif kept and kept[-1] == x.rank - 1:
            self._reduce_outer(kept, axes, shape)
        else:
            self._reduce_inner(kept, axes, shape, self._combine_turns)

    def _reduce_inner(
        self,
        kept: Sequence[int],
        axes: Sequence[int],
        shape: Sequence[Index],
        turns: Callable[[Nest, Elements, dict[int, Index], Sequence[int], Sequence[Index]], Value],
    ) -> None:
        """Loops over the kept axes outside, over the reduced ones inside; the result stays in a register."""
        result = self.fusion.results[0]
        nest = Nest(self.low.builder)
        target = nest.alloc(result.dtype, [shape[k] for k in kept]) if kept else None
        elements = self.elements(nest)
        index: dict[int, Index] = {k: nest.open(shape[k])[0] for k in kept}
        value = turns(nest, elements, index, axes, shape)
        if target is None:
            self.low.bind_scalar(result, value)
        else:
            nest.store(target.buffer, nest.linear(target, [index[k] for k in kept]), value)
            self.close_nest(nest)
            self.low.bind(result, target)

    def _combine_turns(
        self, nest: Nest, elements: Elements, index: dict[int, Index], axes: Sequence[int], shape: Sequence[Index]
    ) -> Value:
        (x,) = self.root.operands
        combine = _COMBINE[self.root.name]
        start = nest.const(identity_of(self.root.name, x.dtype), ArrayType(x.dtype))
        flat = not index and elements.is_flat(x, x.shape)
        dims: list[Index] = [nest.product(shape)] if flat else [shape[k] for k in axes]
        around = nest.depth
        outer: list[Value] = []
        found: list[Index] = []
        for k, d in enumerate(dims):
            innermost = k == len(dims) - 1
            i, acc = nest.open(d, carried=(start,), vector=innermost and is_long(d), reductions=(combine.name,))
            outer.append(acc)
            found.append(i)
        if flat:
            value = elements.at_flat(x, found[0])
        else:
            at = dict(index) | dict(zip(axes, found, strict=True))
            value = elements.at(x, [at[k] for k in range(x.rank)])
        while nest.depth > around:
            value = nest.emit(combine, (outer.pop(), value), innermost=True)
            (value,) = nest.close(value)
        return value

    def _arg_turns(
        self, nest: Nest, elements: Elements, index: dict[int, Index], axes: Sequence[int], shape: Sequence[Index]
    ) -> Value:
        (x,) = self.root.operands
        (axis,) = axes
        better = elementwise.lt if self.root.name == "argmin" else elementwise.gt
        zero = nest.value(0)
        at = [index.get(k, 0) for k in range(x.rank)]
        first = elements.at(x, at)
        i, best, where = nest.open(shape[axis], start=1, carried=(first, zero))
        at[axis] = i
        value = elements.at(x, at)

        def emit(p: Primitive, *operands: Value) -> Value:
            return nest.emit(p, operands, innermost=True)

        take = emit(better, value, best)
        if x.dtype.kind in "fc":
            # the first NaN wins, and nothing replaces it
            take = emit(elementwise.or_, take, emit(elementwise.isnan, value))
            take = emit(elementwise.and_, take, emit(elementwise.not_, emit(elementwise.isnan, best)))
        best = emit(elementwise.select, take, value, best)
        where = emit(elementwise.select, take, i, where)
        return nest.close(best, where)[1]

    def _reduce_outer(self, kept: Sequence[int], axes: Sequence[int], shape: Sequence[Index]) -> None:
        """The last axis is kept: combine whole rows into the stored result."""
        (x,) = self.root.operands
        result = self.fusion.results[0]
        combine = _COMBINE[self.root.name]
        nest = Nest(self.low.builder)
        target = nest.alloc(result.dtype, [shape[k] for k in kept])
        start = nest.const(identity_of(self.root.name, x.dtype), ArrayType(x.dtype))
        (i,) = nest.open(nest.product(target.shape), vector=True)
        nest.store(target.buffer, i, start)
        nest.close()
        nest = Nest(self.low.builder)
        elements = self.elements(nest, target)
        last = kept[-1]
        order = [*(k for k in range(x.rank) if k != last), last]
        index: dict[int, Index] = {k: nest.open(shape[k], vector=k == last and is_long(shape[k]))[0] for k in order}
        value = elements.at(x, [index[k] for k in range(x.rank)])
        at = nest.linear(target, [index[k] for k in kept])
        old = nest.load(target.buffer, at, innermost=True)
        nest.store(target.buffer, at, nest.emit(combine, (old, value), innermost=True))
        self.close_nest(nest)
        self.low.bind(result, target)

    def _matmul(self) -> None:
        from tracejit.lower.products import matmul

        matmul(self)

    def _library(self) -> None:
        from tracejit.lower.libraries import LOWERINGS

        LOWERINGS[self.root.name](self)


def _is_const(v: Value, value: int) -> bool:
    return v.op is not None and v.op.name == "const" and v.op.attrs["value"] == value


def _equal_constants(a: Sequence[Value], b: Sequence[Value]) -> bool:
    return len(a) == len(b) and all(
        x is y or (x.op is not None and x.op.name == "const" and _is_const(y, x.op.attrs["value"]))
        for x, y in zip(a, b, strict=True)
    )
