"""From a fused array-level function and its ownership plan to the loop level: every array becomes a buffer and index
arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ir.types import INDEX, ArrayType, BufferType
from tracejit.lower.fuse import writes_base
from tracejit.lower.kernels import Kernel
from tracejit.lower.ownership import Plan
from tracejit.lower.storage import Index, Nest, Storage
from tracejit.ops import control, loop
from tracejit.ops.builder import Builder
from tracejit.record import record

Layout: TypeAlias = Literal["C", "F", "strided"]


@record(frozen=True)
class Returned:
    """One output of the loop-level function.

    Args:
        output: Its position among the array-level outputs.
        position: Where it stands among the operands of ``return`` (a scalar, or a buffer followed by its run-time
        dimensions). dtype: Element type.
        shape: Dimensions; None for a scalar. A run-time dimension is given by its position among the operands, as
        ``("at", k)``.
    """

    output: int
    position: int
    dtype: np.dtype[Any]
    shape: tuple[int | tuple[Literal["at"], int], ...] | None


@record(frozen=True)
class Lowered:
    """A loop-level function and how its parameters and results correspond to the array level.

    ``function`` takes, per array-level parameter, a scalar, or a buffer followed by one stride (in elements) per
    axis when the layout is ``"strided"``. Outputs that are the final contents of mutated arguments are not returned.
    """

    function: Function
    layouts: tuple[Layout | None, ...]
    returned: tuple[Returned, ...]


def lower(function: Function, plan: Plan, layouts: Sequence[Layout | None]) -> Lowered:
    """Write the loop-level function. ``layouts`` has one entry per parameter, None for scalars."""
    return Lowering(function, plan, layouts).run()


class Lowering:
    """Walks the function, keeping the loop-level scalar or :class:`Storage` of every value."""

    def __init__(self, function: Function, plan: Plan, layouts: Sequence[Layout | None]) -> None:
        self.source = function
        self.plan = plan
        self.layouts = layouts
        self.result = Function(function.name)
        self.builder = Builder(self.result.body)
        self.temporaries: set[Storage] = set()
        self._scalars: dict[Value, Value] = {}
        self._storages: dict[Value, Storage] = {}
        self._argument: dict[Value, Storage] = {}
        self._pending: list[tuple[Value, Value, Layout | None, list[Value]]] = []

    # --- what values are
    def scalar(self, v: Value) -> Value:
        return self._scalars[v]

    def bind_scalar(self, v: Value, lowered: Value) -> None:
        lowered.hint = lowered.hint or v.hint
        self._scalars[v] = lowered

    def storage(self, v: Value) -> Storage:
        return self._storages[v]

    def bind(self, v: Value, storage: Storage) -> None:
        self._storages[v] = storage

    def dim(self, d: int | Value) -> Index:
        return self.known(d) if isinstance(d, Value) else d

    def known(self, v: Value) -> Index:
        if v.op is not None and v.op.name == "const":
            return int(v.op.attrs["value"])
        return self.scalar(v)

    def shape(self, v: Value) -> tuple[Index, ...]:
        return tuple(self.dim(d) for d in v.shape)

    # --- memory
    def free(self, storage: Storage) -> None:
        self.builder.emit(loop.free, (storage.buffer,), ())

    def copy(self, source: Storage, dtype: Any) -> Storage:
        """A new C-contiguous array with the elements of ``source``."""
        nest = Nest(self.builder)
        target = nest.alloc(dtype, source.shape)
        self.copy_into(target, source)
        return target

    def copy_into(self, target: Storage, source: Storage) -> None:
        nest = Nest(self.builder)
        if target.c_order and source.c_order:
            count = nest.value(nest.product(target.shape))
            self.builder.emit(loop.copy_elements, (target.buffer, source.buffer, count), ())
            return
        index = Kernel.open_nest(nest, target.shape)
        value = nest.load(source.buffer, nest.linear(source, index))
        nest.store(target.buffer, nest.linear(target, index), value)
        Kernel.close_nest(nest)

    def base_storage(self, op: Op, x: Value, *, keep: bool) -> Storage:
        """Where a store into ``x`` writes: the buffer of ``x`` when ``op`` takes it, else a copy (``keep``: of the
        elements too)."""
        if (op, 0) in self.plan.takes:
            return self.storage(x)
        return self.copy(self.storage(x), x.dtype) if keep else Nest(self.builder).alloc(x.dtype, self.shape(x))

    # --- the function
    def run(self) -> Lowered:
        mutated: dict[int, int] = self.source.meta.get("mutated", {})
        noalias: set[int] = set()
        readonly: set[int] = set()
        for k, (p, layout) in enumerate(zip(self.source.params, self.layouts, strict=True)):
            if not p.rank and isinstance(p.type, ArrayType):
                if layout is None:
                    self.bind_scalar(p, self.result.body.add_param(p.type, p.hint))
                    continue
            position = len(self.result.params)
            buffer = self.result.body.add_param(BufferType(p.dtype), p.hint)
            noalias.add(position)
            if k not in mutated:
                readonly.add(position)
            strides: list[Value] = []
            if layout == "strided":
                strides = [self.result.body.add_param(INDEX, f"{p.hint or 'x'}_stride{j}") for j in range(p.rank)]
            self._pending.append((p, buffer, layout, strides))
        self.result.meta |= {"noalias": noalias, "readonly": readonly}
        self._bind_arguments()
        operands = self.block(self.source.body)
        returned = self._return(operands, mutated)
        return Lowered(self.result, tuple(self.layouts), tuple(returned))

    def _bind_arguments(self) -> None:
        # after all parameters exist: strides of contiguous arguments may depend on any dimension
        nest = Nest(self.builder)
        for p, buffer, layout, strides in self._pending:
            shape = self.shape(p)
            if layout == "strided":
                place = Storage(buffer, shape, tuple(strides), c_order=False, foreign=True)
            elif layout == "F" and p.rank > 1:
                reverse = nest.c_strides(shape[::-1])[::-1]
                place = Storage(buffer, shape, reverse, c_order=False, foreign=True)
            else:
                place = Storage(buffer, shape, nest.c_strides(shape), foreign=True)
            if not p.rank:
                # a 0-d array: its one element is the scalar; a store happens when the function returns
                self.bind_scalar(p, nest.load(buffer, 0))
            self.bind(p, place)
            self._argument[p] = place

    def _return(self, operands: Sequence[Value], mutated: dict[int, int]) -> list[Returned]:
        terminator = self.source.body.terminator
        finals = {output: self._argument[self.source.params[k]] for k, output in mutated.items()}
        results: list[Value] = []
        returned: list[Returned] = []
        replaced: list[Storage] = []
        for k, v in enumerate(operands):
            if k in finals:
                continue
            position = len(results)
            if not v.rank:
                results.append(self.scalar(v))
                returned.append(Returned(k, position, v.dtype, None))
                continue
            place = self.storage(v)
            taken = (terminator, k) in self.plan.takes
            if place.foreign or not place.c_order or not taken:
                if taken:
                    replaced.append(place)
                place = self.copy(place, v.dtype)
            results.append(place.buffer)
            shape: list[int | tuple[Literal["at"], int]] = []
            for d in place.shape:
                if isinstance(d, int):
                    shape.append(d)
                else:
                    shape.append(("at", len(results)))
                    results.append(d)
            returned.append(Returned(k, position, v.dtype, tuple(shape)))
        self._write_back([(operands[k], place, (terminator, k) in self.plan.takes) for k, place in finals.items()])
        for place in (*replaced, *map(self.storage, self.plan.frees.get(terminator, ()))):
            self.free(place)
        self.builder.return_(*results)
        return returned

    def _write_back(self, finals: Sequence[tuple[Value, Storage, bool]]) -> None:
        """Bring the final contents of mutated arguments to where the caller looks, if they are elsewhere.

        ``finals``: the contents, the argument's place, and whether the contents' buffer is free to give back.
        """
        moved: list[tuple[Storage, Storage, bool]] = []
        for v, place, ours in finals:
            if not v.rank:
                nest = Nest(self.builder)
                nest.store(place.buffer, 0, self.scalar(v))
            elif self.storage(v) is not place:
                moved.append((place, self.storage(v), ours))
        if len(moved) > 1:
            # each may lie in the other's place (swapped in a loop), so all are copied before any is written
            copies = [(place, self.copy(source, place.buffer.dtype), True) for place, source, _ in moved]
            for _, source, ours in moved:
                if ours:
                    self.free(source)
            moved = copies
        for place, source, ours in moved:
            if source.foreign:
                self._unless_same(place, source, ours)
            else:
                self._move_into(place, source, ours)

    def _move_into(self, place: Storage, source: Storage, ours: bool) -> None:
        self.copy_into(place, source)
        if ours:
            self.free(source)

    def _unless_same(self, place: Storage, source: Storage, ours: bool) -> None:
        """Copy ``source`` to ``place`` unless, at run time, that is where it is."""
        around = self.builder.block
        same = self.builder.apply(loop.same_buffer, place.buffer, source.buffer)
        arms = [Block(), Block()]
        self.builder.block = arms[0]
        self.builder.yield_()
        self.builder.block = arms[1]
        self._move_into(place, source, ours)
        self.builder.yield_()
        self.builder.block = around
        self.builder.emit(control.if_, (same,), (), None, arms)

    # --- blocks
    def block(self, block: Block) -> list[Value]:
        """Lower the ops of ``block`` into the builder's block; returns the operands of its terminator."""
        for v in self.plan.frees_at_start.get(block, ()):
            self.free(self.storage(v))
        for op in block.ops[:-1]:
            self.builder.loc = op.loc
            snapshots = [(v, self.copy(self.storage(v), v.dtype)) for v in self.plan.snapshots.get(op, ())]
            self._lower_op(op)
            for v, snapshot in snapshots:
                self.bind(v, snapshot)
            for v in self.plan.frees.get(op, ()):
                self.free(self.storage(v))
        self.builder.loc = block.terminator.loc
        return list(block.terminator.operands)

    def _lower_op(self, op: Op) -> None:
        match op.name:
            case "fusion":
                Kernel(self, op).run()
            case "const":
                self._const(op)
            case "empty":
                self._empty(op)
            case "if":
                self._if(op)
            case "for" | "while":
                self._loop(op)
            case "reshape":
                self._reshape(op)
            case "print" | "callback":
                self._effect(op)
            case "check" if any(v.rank for v in op.operands):
                self._effect(op)
            case "view" | "update" if not any(v.rank for v in (*op.operands, *op.results)):
                # the one element of a 0-d array
                self.bind_scalar(op.results[0], self.scalar(op.operands[op.name == "update"]))
            case _ if any(v.rank for v in (*op.operands, *op.results)):
                self._scalar_access(op)
            case _:
                results = self.builder.emit(
                    op.primitive,  # type: ignore[arg-type]
                    [self.scalar(v) for v in op.operands],
                    [r.type for r in op.results],
                    op.attrs,
                )
                for r, v in zip(op.results, results, strict=True):
                    self.bind_scalar(r, v)

    def _effect(self, op: Op) -> None:
        """An op with an effect: an array operand becomes its buffer followed by its dimensions."""
        nest = Nest(self.builder)
        operands: list[Value] = []
        copies: list[Storage] = []
        for v in op.operands:
            if not v.rank:
                operands.append(self.scalar(v))
                continue
            place = self.storage(v)
            if not place.c_order:
                place = self.copy(place, v.dtype)
                copies.append(place)
            operands += [place.buffer, *map(nest.value, place.shape)]
        attrs = op.attrs | {"ranks": tuple(v.rank for v in op.operands)}
        results = self.builder.emit(op.primitive, operands, [r.type for r in op.results], attrs)  # type: ignore[arg-type]
        for r, v in zip(op.results, results, strict=True):
            self.bind_scalar(r, v)
        for place in copies:
            self.free(place)

    def _const(self, op: Op) -> None:
        (r,) = op.results
        if not r.rank:
            self.bind_scalar(r, self.builder.emit(op.primitive, (), (r.type,), op.attrs)[0])  # type: ignore[arg-type]
            return
        buffer = self.builder.emit(loop.constant_buffer, (), (BufferType(r.dtype),), op.attrs)[0]
        self.bind(r, Storage(buffer, self.shape(r), Nest(self.builder).c_strides(self.shape(r)), foreign=True))

    def _empty(self, op: Op) -> None:
        (r,) = op.results
        if r.rank:
            self.bind(r, Nest(self.builder).alloc(r.dtype, self.shape(r)))
        else:
            self.bind_scalar(r, self.builder.const(r.dtype.type(0), r.dtype))

    def _scalar_access(self, op: Op) -> None:
        """A load or a store of one element of a stored array."""
        nest = Nest(self.builder)
        if op.name == "view" and not op.results[0].rank:
            place = self.storage(op.operands[0])
            at = nest.linear(place, [self.known(v) for v in op.operands[1:]])
            self.bind_scalar(op.results[0], nest.load(place.buffer, at, innermost=True))
        elif writes_base(op) and not op.operands[1].rank:
            x, v = op.operands[:2]
            place = self.base_storage(op, x, keep=True)
            at = nest.linear(place, [self.known(s) for s in op.operands[2:]])
            nest.store(place.buffer, at, self.scalar(v))
            self.bind(op.results[0], place)
        else:
            raise AssertionError(f"{op.name} is neither fused nor an access to one element")

    def _reshape(self, op: Op) -> None:
        (x,), (r,) = op.operands, op.results
        if not x.rank or not r.rank:
            self._scalar_reshape(x, r)
            return
        place = self.storage(x)
        if (op, 0) not in self.plan.takes or not place.c_order:
            place = self.copy(place, x.dtype)
        shape = self.shape(r)
        self.bind(r, Storage(place.buffer, shape, Nest(self.builder).c_strides(shape), foreign=place.foreign))

    def _scalar_reshape(self, x: Value, r: Value) -> None:
        nest = Nest(self.builder)
        if x.rank:
            place = self.storage(x)
            self.bind_scalar(r, nest.load(place.buffer, 0, innermost=True))
        elif r.rank:
            place = nest.alloc(r.dtype, self.shape(r))
            nest.store(place.buffer, 0, self.scalar(x))
            self.bind(r, place)
        else:
            self.bind_scalar(r, self.scalar(x))

    # --- control flow
    def _if(self, op: Op) -> None:
        around = self.builder.block
        arms: list[tuple[Block, list[Value | Storage]]] = []
        before = dict(self._storages)
        for region in op.regions:
            self.builder.block = Block()
            self._storages = dict(before)
            yields = [self._yielded(region, k, v) for k, v in enumerate(self.block(region))]
            self._free_at_end(region)
            arms.append((self.builder.block, yields))
        self._storages = before
        kept: list[list[Value]] = [[], []]
        bindings: list[tuple[Value, Storage | None, int]] = []
        for k, r in enumerate(op.results):
            pair = [arms[0][1][k], arms[1][1][k]]
            if not r.rank:
                bindings.append((r, None, len(kept[0])))
                for side, v in zip(kept, pair, strict=True):
                    assert isinstance(v, Value)
                    side.append(v)
                continue
            first, second = pair
            assert isinstance(first, Storage)
            assert isinstance(second, Storage)
            if first is second:
                bindings.append((r, first, -1))
                continue
            foreign = False
            for j, (side, place) in enumerate(zip(kept, (first, second), strict=True)):
                self.builder.block = arms[j][0]
                contiguous = place if place.c_order else self.copy(place, r.dtype)
                foreign |= contiguous.foreign
                side.append(contiguous.buffer)
            bindings.append((r, Storage(first.buffer, (), (), foreign=foreign), len(kept[0]) - 1))
        for (block, _), side in zip(arms, kept, strict=True):
            block.append(Op(control.yield_, side, ()))
        self.builder.block = around
        self.builder.loc = op.loc
        condition = self.scalar(op.operands[0])
        results = self.builder.emit(
            control.if_, (condition,), [v.type for v in kept[0]], op.attrs, [block for block, _ in arms]
        )
        self._bind_results(bindings, results)

    def _bind_results(self, bindings: Sequence[tuple[Value, Storage | None, int]], results: Sequence[Value]) -> None:
        for r, _, position in bindings:
            if not r.rank:
                self.bind_scalar(r, results[position])
        for r, place, position in bindings:
            if place is None:
                continue
            if position < 0:
                self.bind(r, place)
            else:
                self.bind(r, self._contiguous(results[position], r, place.foreign))

    def _contiguous(self, buffer: Value, v: Value, foreign: bool) -> Storage:
        shape = self.shape(v)
        return Storage(buffer, shape, Nest(self.builder).c_strides(shape), foreign=foreign)

    def _yielded(self, region: Block, k: int, v: Value) -> Value | Storage:
        """What a region hands out for operand ``k`` of its terminator: a scalar, or a storage it gives away."""
        if not v.rank:
            return self.scalar(v)
        if (region.terminator, k) in self.plan.takes:
            return self.storage(v)
        return self.copy(self.storage(v), v.dtype)

    def _free_at_end(self, region: Block) -> None:
        for v in self.plan.frees.get(region.terminator, ()):
            self.free(self.storage(v))

    def _loop(self, op: Op) -> None:
        head = 3 if op.name == "for" else 0
        inits = op.operands[head:]
        body = op.regions[-1]
        first = 1 if op.name == "for" else 0
        swaps = any(v in body.params[first:] and body.params.index(v) - first != k for k, v in enumerate(body.yields))
        starts: list[Value] = []
        places: dict[int, Storage] = {}  # where carried arrays are before the loop
        fixed: dict[int, Storage] = {}  # carried arrays that stay in one place
        slots: dict[int, int] = {}  # carried value -> position at the loop level
        foreign = False
        for k, v in enumerate(inits):
            if not v.rank:
                slots[k] = len(starts)
                starts.append(self.scalar(v))
                continue
            place = self.storage(v)
            if (op, head + k) not in self.plan.takes or (swaps and not place.c_order):
                place = self.copy(place, v.dtype)
            if place.c_order:
                foreign |= place.foreign
                places[k] = place
                slots[k] = len(starts)
                starts.append(place.buffer)
            else:
                fixed[k] = place
        around = self.builder.block
        types = [v.type for v in starts]
        before = dict(self._storages)
        regions: list[Block] = []
        for region in op.regions:
            is_body = region is body
            offset = first if is_body else 0
            block = Block([INDEX] * offset + types)
            self.builder.block = block
            self._storages = dict(before)
            if offset:
                self.bind_scalar(region.params[0], block.params[0])
            self._bind_params(region.params[offset:], block.params[offset:], slots, fixed, foreign)
            operands = self.block(region)
            if is_body:
                self._loop_yield(region, operands, slots, fixed)
            else:
                self.builder.yield_(self.scalar(operands[0]))
            regions.append(block)
        self._storages = before
        self.builder.block = around
        self.builder.loc = op.loc
        bounds = [self.scalar(v) for v in op.operands[:head]]
        for k in _invariant(regions, first, places, slots):
            # stores happened in place: no pointer is carried
            fixed[k] = places[k]
            slot = slots.pop(k)
            for region, offset in zip(regions[::-1], (first, 0), strict=False):
                region.params[offset + slot].replace_by(starts[slot])
                del region.params[offset + slot]
            terminator = regions[-1].terminator
            terminator.set_operands([v for j, v in enumerate(terminator.operands) if j != slot])
            del starts[slot]
            slots = {j: s - (s > slot) for j, s in slots.items()}
        types = [v.type for v in starts]
        results = self.builder.emit(op.primitive, [*bounds, *starts], types, op.attrs, regions)  # type: ignore[arg-type]
        self._bind_params(op.results, results, slots, fixed, foreign)

    def _bind_params(
        self,
        values: Sequence[Value],
        lowered: Sequence[Value],
        slots: dict[int, int],
        fixed: dict[int, Storage],
        foreign: bool,
    ) -> None:
        for k, v in enumerate(values):
            if not v.rank:
                self.bind_scalar(v, lowered[slots[k]])
        for k, v in enumerate(values):
            if v.rank:
                self.bind(v, fixed[k] if k in fixed else self._contiguous(lowered[slots[k]], v, foreign))

    def _loop_yield(
        self, region: Block, operands: Sequence[Value], slots: dict[int, int], fixed: dict[int, Storage]
    ) -> None:
        yields: dict[int, Value] = {}
        places = [self._yielded(region, k, v) for k, v in enumerate(operands)]
        for k, (v, place) in enumerate(zip(operands, places, strict=True)):
            if isinstance(place, Value):
                yields[slots[k]] = place
            elif k in fixed:
                if place is not fixed[k]:
                    self.copy_into(fixed[k], place)
                    self.free(place)
            else:
                yields[slots[k]] = (place if place.c_order else self.copy(place, v.dtype)).buffer
        self._free_at_end(region)
        self.builder.yield_(*(yields[k] for k in range(len(slots))))


def _invariant(regions: Sequence[Block], first: int, places: dict[int, Storage], slots: dict[int, int]) -> list[int]:
    """The carried arrays whose buffer is the same in every turn."""
    body = regions[-1]
    return [k for k in places if body.yields[slots[k]] is body.params[first + slots[k]]]
