"""Many lanes at once: a program for arrays of arguments out of a program for one.

Two ways under one roof. Where all lanes do the same, an op becomes one op with an axis more (the rules are in
:mod:`tracejit.ops.batching`). Where lanes part ways - a branch, a number of turns, a length that differs - there is a
loop over the lanes, whose body is the program of one lane as it is, and each result is stored into its row of an array
for all (:mod:`tracejit.transform.lanes` decides). Control flow that is the same for all lanes stays as it is, around
either.

Values for all lanes have the axis of the lanes in front; parameters and outputs have it where the caller wants it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracejit.errors import BatchError
from tracejit.ir.core import Block, Function, Op, Value, clone_op, map_type
from tracejit.ir.types import BOOL, INDEX, ArrayType, Dim, Type
from tracejit.ops import control
from tracejit.ops import elementwise as e
from tracejit.ops.batching import Application, rule_of, spread
from tracejit.ops.builder import Builder
from tracejit.ops.collective import Axis
from tracejit.ops.custom import parts
from tracejit.ops.primitive import REGISTRY, Primitive
from tracejit.transform.lanes import Variation, plan, touched
from tracejit.transform.structure import first_slot, inits, is_loop


def batch(
    function: Function,
    axes_in: Sequence[int | None],
    axes_out: Sequence[int | None] | None = None,
    size: int | None = None,
    axis: Axis | None = None,
    names_out: Sequence[str] | None = None,
    lanes: str | None = None,
) -> Function:
    """The function for many lanes: what calling ``function`` once per lane and stacking the results gives.

    Args:
        function: An array-level function.
        axes_in: Per parameter, the axis along which the lanes lie, or None when all lanes share it.
        axes_out: The same per output; an output that all lanes share is repeated. All 0 when not given. Final contents
            of a mutated argument have the axis of the argument, whatever is said here.
        size: The number of lanes, if known.
        axis: What ops that look across the lanes name them by.
        names_out: What outputs are called in messages.
        lanes: How loops over the lanes are to be written, if it is said (attribute ``lanes`` of such a ``for``).

    Returns:
        A function with the parameters of ``function``, after one for the number of lanes unless ``size`` is given, and
        with its outputs. A ``check`` that fails does so for the first lane in which it does, and says which that is.

    Raises:
        BatchError: An output is to be shared by all lanes, but differs from lane to lane; an axis does not exist.
    """
    return _Batch(function, axes_in, axes_out, size, axis, names_out, lanes).run()


def _numbered(axis: int, rank: int, what: str) -> int:
    if not -rank <= axis < rank:
        raise BatchError(f"{what} has no axis {axis}: with that of the lanes it has {rank}")
    return axis % rank


class _Batch:
    def __init__(
        self,
        function: Function,
        axes_in: Sequence[int | None],
        axes_out: Sequence[int | None] | None,
        size: int | None,
        axis: Axis | None,
        names_out: Sequence[str] | None,
        lanes: str | None,
    ) -> None:
        self.function = function
        self.lanes = lanes
        self.axis = axis
        self.names_out = names_out or [f"output {k} of {function.name}" for k in range(len(function.outputs))]
        self.axes_in = [
            a if a is None else _numbered(a, p.rank + 1, f"parameter {k} of {function.name}")
            for k, (a, p) in enumerate(zip(axes_in, function.params, strict=True))
        ]
        self.mutated: dict[int, int] = dict(function.meta.get("mutated", {}))
        self.axes_out = self._output_axes(axes_out)
        self.body = Block()
        self.env: dict[Value, Value] = {}
        self.size: Dim = self.body.add_param(INDEX, "lanes") if size is None else size
        self.first = len(self.body.params)
        mapped = [p for p, a in zip(function.params, self.axes_in) if a is not None]
        self.in_order = self._is_ordered()
        self.variation = Variation(function, mapped, axis)

    def _output_axes(self, given: Sequence[int | None] | None) -> list[int | None]:
        axes: list[int | None] = []
        finals = {output: self.axes_in[param] for param, output in self.mutated.items()}
        outputs = self.function.outputs
        for k, (v, a) in enumerate(zip(outputs, given if given is not None else [0] * len(outputs), strict=True)):
            if k in finals:
                axes.append(finals[k])
            else:
                axes.append(a if a is None else _numbered(a, v.rank + 1, self.names_out[k]))
        return axes

    def _is_ordered(self) -> bool:
        """Whether lanes must run one after the other: they talk, or write into an array that they share."""
        shared = any(self.axes_in[param] is None for param in self.mutated)
        return shared or any(op.name in ("print", "callback") for op in self.function.walk())

    # --- the whole
    def run(self) -> Function:
        b = Builder(self.body)
        for p, axis in zip(self.function.params, self.axes_in):
            shape = [self.env.get(d, d) if isinstance(d, Value) else d for d in p.shape]
            if axis is not None:
                shape.insert(axis, self.size)
            self.env[p] = self.body.add_param(ArrayType(p.dtype, tuple(shape)), p.hint)
        for p, axis in zip(self.function.params, self.axes_in):
            if axis:
                v = self.env[p]
                self.env[p] = b.transpose(v, [axis, *(k for k in range(v.rank) if k != axis)])
        if self.in_order:
            outputs = self.one_after_the_other(b)
        else:
            self.block(self.function.body, b)
            outputs = [(self.env[v], v in self.variation.varying) for v in self.function.outputs]
        b.loc = self.function.body.terminator.loc
        b.return_(*(self.output(b, k, v, batched) for k, (v, batched) in enumerate(outputs)))
        mutated = {k + self.first: output for k, output in self.mutated.items()}
        return Function(self.function.name, self.body, {**self.function.meta, "mutated": mutated})

    def output(self, b: Builder, k: int, v: Value, batched: bool) -> Value:
        axis = self.axes_out[k]
        if axis is None:
            if batched:
                raise BatchError(
                    f"{self.names_out[k]} is said to be the same in all lanes, but may differ: it "
                    "depends on arguments that do",
                    hint="an axis for it in out_axes",
                )
            return v
        if not batched:
            v = spread(b, v, self.size)
        if not axis:
            return v
        rest = list(range(1, v.rank))
        return b.transpose(v, [*rest[:axis], 0, *rest[axis:]])

    # --- types and values for all lanes
    def type(self, v: Value) -> Type:
        t = map_type(v.type, self.env)
        return ArrayType(t.dtype, (self.size, *t.shape)) if v in self.variation.varying else t

    def bind(self, olds: Sequence[Value], news: Sequence[Value]) -> None:
        """Let ``news`` stand for ``olds``, and have their types, which may mention each other."""
        self.env.update(zip(olds, news))
        for old, new in zip(olds, news):
            new.set_type(self.type(old))

    def for_all(self, b: Builder, v: Value) -> Value:
        """``v`` with the axis of the lanes."""
        return self.env[v] if v in self.variation.varying else spread(b, self.env[v], self.size)

    def as_varying(self, b: Builder, v: Value, like: Value) -> Value:
        """``v`` as one of what ``like`` is."""
        return self.for_all(b, v) if like in self.variation.varying else self.env[v]

    # --- ops that are regular
    def block(self, block: Block, b: Builder) -> None:
        """The ops of a block but the last."""
        for stage in plan(block, self.variation):
            for op in stage.before:
                self.op(b, op)
            if stage.members:
                self.loop_over_lanes(b, stage.members, _used_outside(stage.members))
            for op in stage.after:
                self.op(b, op)

    def op(self, b: Builder, op: Op) -> None:
        b.loc = op.loc
        if self.variation.is_uniform(op):
            b.block.append(clone_op(op, self.env))
        elif op.name == "if":
            self.branch(b, op)
        elif is_loop(op):
            self.loop(b, op)
        elif op.name == "check":
            self.check(b, op)
        elif op.name == "custom":
            self.custom(b, op)
        else:
            assert isinstance(op.primitive, Primitive)
            rule = rule_of(op.primitive)
            assert rule is not None
            operands = [self.env[v] for v in op.operands]
            batched = [v in self.variation.varying for v in op.operands]
            types = [map_type(r.type, self.env) for r in op.results]
            found = rule(Application(b, op, operands, batched, types, self.size, self.axis))
            for r, result in zip(op.results, [found] if isinstance(found, Value) else found, strict=True):
                result.hint = r.hint
                self.env[r] = result

    def branch(self, b: Builder, op: Op) -> None:
        arms = []
        for region in op.regions:
            arm = Builder(Block(), op.loc)
            self.block(region, arm)
            arm.yield_(*(self.as_varying(arm, v, r) for v, r in zip(region.yields, op.results)))
            arms.append(arm.block)
        self.append(b, Op(op.primitive, [self.env[op.operands[0]]], (), op.attrs, arms, op.loc), op)

    def loop(self, b: Builder, op: Op) -> None:
        start = first_slot(op)[0]
        starts = [self.as_varying(b, v, r) for v, r in zip(inits(op), op.results)]
        regions = []
        for region in op.regions:
            inner = Builder(Block(), op.loc)
            self.bind(region.params, [inner.block.add_param(ArrayType(p.dtype), p.hint) for p in region.params])
            self.block(region, inner)
            if region is op.regions[-1]:
                inner.yield_(*(self.as_varying(inner, v, r) for v, r in zip(region.yields, op.results)))
            else:
                inner.yield_(self.env[region.yields[0]])
            regions.append(inner.block)
        operands = [*(self.env[v] for v in op.operands[:start]), *starts]
        self.append(b, Op(op.primitive, operands, (), op.attrs, regions, op.loc), op)

    def custom(self, b: Builder, op: Op) -> None:
        """Values whose derivative is given by a rule: the rule for all lanes, which must be told how many they are."""
        values, arguments, residuals, closed = parts(op)
        (region,) = op.regions
        inner, size = Builder(Block(), op.loc), self.size
        if isinstance(size, Value):
            self.size = inner.block.add_param(INDEX, "lanes")
        self.bind(region.params, [inner.block.add_param(ArrayType(p.dtype), p.hint) for p in region.params])
        self.block(region, inner)
        inner.yield_(*(self.for_all(inner, v) for v in region.yields))
        self.size = size
        kept = [*([size] if isinstance(size, Value) else []), *(self.env[v] for v in residuals)]
        operands = [*(self.for_all(b, v) for v in (*values, *arguments)), *kept]
        operands += [self.env[v] for v in closed]
        counts = (len(values), len(arguments), len(kept), len(closed))
        self.append(b, Op(op.primitive, operands, (), {**op.attrs, "counts": counts}, [inner.block], op.loc), op)

    def append(self, b: Builder, new: Op, op: Op) -> None:
        """Put ``new``, which has no results yet, in the place of ``op``."""
        new.results = [Value(ArrayType(r.dtype), new, r.hint) for r in op.results]
        self.bind(op.results, new.results)
        b.block.append(new)

    def check(self, b: Builder, op: Op) -> None:
        ok = self.for_all(b, op.operands[0])

        def fail(b: Builder) -> list[Value]:
            lane = b.reduce(REGISTRY["argmin"], ok, (0,))
            payload = []
            for v in op.operands[1:]:
                x = self.env[v]
                payload.append(self.row(b, x, lane) if v in self.variation.varying else x)
            b.emit(control.check, (b.const(False, BOOL), *payload, lane), (), self.noted(op))
            return []

        failed = b.apply(e.not_, b.reduce(REGISTRY["reduce_all"], ok, (0,)))
        b.if_(failed, (), fail, lambda b: [])

    def noted(self, op: Op) -> dict[str, object]:
        """The attributes of a check that has the lane as one more operand."""
        note = f"in lane {{{len(op.operands) - 1}}} of the vmap of {self.function.name}"
        return {**op.attrs, "notes": (*op.attrs.get("notes", ()), note)}

    # --- lane by lane
    def loop_over_lanes(
        self, b: Builder, members: Sequence[Op], results: Sequence[Value], shared: Sequence[tuple[Value, Value]] = ()
    ) -> list[Value]:
        """A loop over the lanes that runs ``members`` and stores ``results`` of theirs.

        Args:
            b: Where it goes.
            members: Ops of one block.
            results: What is used outside of them.
            shared: Parameters that lanes write into one after the other, each with what it is after a lane.

        Returns:
            What ``shared`` parameters are in the end.
        """
        varying = self.variation.varying
        b.loc = members[0].loc
        ragged = list(dict.fromkeys(d for v in results for d in v.type.shape if isinstance(d, Value) and d in varying))
        zeros = dict.fromkeys(ragged, b.index(0))
        homes = {v: self.home(v) for v in results}
        starts = [self.env[p] for p, _ in shared] + list(zeros.values())
        starts += [b.empty(v.dtype, self.rows(v, zeros)) if p is None else self.env[p] for v, p in homes.items()]
        inner = Builder(Block([INDEX]), b.loc)
        body = inner.block
        lane = body.params[0]
        mapping = {p: body.add_param(self.env[p].type, p.hint) for p, _ in shared}
        lengths = {d: body.add_param(INDEX, d.hint) for d in ragged}
        arrays = {v: body.add_param(ArrayType(v.dtype, self.rows(v, lengths)), v.hint) for v in results}
        mapping |= {p: self.row(inner, arrays[v], lane) for v, p in homes.items() if p is not None}
        self.rows_of_all(inner, members, lane, mapping)
        for op in members:
            if self.variation.is_barrier(op):
                self.refuse_barrier(op)
            new = clone_op(op, mapping)
            body.append(new)
            self.tell_lane(new, lane)
            mapping.update((r, lane) for r in op.results if op.name == "axis_index" and self.variation.looks_across(op))
        inner.loc = b.loc
        self.same_lengths(inner, lane, arrays, lengths, mapping)
        stored = [self.store(inner, a, mapping[v], lane) for v, a in arrays.items()]
        inner.yield_(*(mapping[v] for _, v in shared), *(mapping[d] for d in ragged), *stored)
        operands = [*map(b.index, (0, self.size, 1)), *starts]
        parallel = not ragged and not shared and not self.in_order
        attrs: dict[str, object] = {"parallel": True} if parallel else {}
        reason = "lanes keep their order" if self.in_order else self.variation.reason(members)
        attrs["mapped"] = f"vmap of {self.function.name}: a loop over the lanes, since {reason}"
        if parallel and self.lanes is not None:
            attrs["lanes"] = self.lanes
        loop = Op(control.for_, operands, (), attrs, [body], b.loc)
        finals = [Value(self.env[p].type, loop, p.hint) for p, _ in shared]
        after = {d: Value(INDEX, loop, d.hint) for d in ragged}
        found = [Value(ArrayType(v.dtype, self.rows(v, after)), loop, v.hint) for v in results]
        loop.results = [*finals, *after.values(), *found]
        b.block.append(loop)
        self.env.update(zip(results, found))
        return finals

    def home(self, v: Value) -> Value | None:
        """The parameter whose final contents ``v`` is for all lanes, if its rows can be changed where they are."""
        for param, output in self.mutated.items():
            p = self.function.params[param]
            if self.function.outputs[output] is v and self.axes_in[param] == 0:
                return p
        return None

    def rows(self, v: Value, lengths: dict[Value, Value]) -> tuple[Dim, ...]:
        """The shape of an array with a row ``v`` for each lane."""
        return (self.size, *map_type(map_type(v.type, lengths), self.env).shape)

    def row(self, b: Builder, rows: Value, lane: Value) -> Value:
        pairs = [(k, k - 1) for k in range(1, rows.rank)]
        return b.view(rows, rows.shape[1:], (lane, *(0,) * len(pairs)), pairs, (1,) * len(pairs))

    def rows_of_all(self, b: Builder, members: Sequence[Op], lane: Value, mapping: dict[Value, Value]) -> None:
        """Let ``mapping`` know what ``members`` use from outside, as this lane sees it."""
        inside = {v for op in members for inner in op.walk() for v in _definitions(inner)}
        for op in members:
            for v in touched(op):
                if v in inside or v in mapping:
                    continue
                mapping[v] = self.env[v]
                if v in self.variation.varying:
                    mapping[v] = self.row(b, self.env[v], lane)
                    mapping[v].hint = v.hint

    def store(self, b: Builder, rows: Value, row: Value, lane: Value) -> Value:
        pairs = [(k + 1, k) for k in range(row.rank)]
        return b.update(rows, row, (lane, *(0,) * row.rank), pairs, (1,) * row.rank)

    def same_lengths(
        self,
        b: Builder,
        lane: Value,
        arrays: dict[Value, Value],
        lengths: dict[Value, Value],
        mapping: dict[Value, Value],
    ) -> None:
        """Make the arrays for results when the first lane has told the lengths, which the others must have too."""
        if not lengths:
            return
        first = b.apply(e.eq, lane, b.index(0))
        for v in arrays:
            for axis, d in enumerate(v.type.shape):
                if isinstance(d, Value) and d in lengths:
                    b.loc = v.op.loc if v.op is not None else b.loc
                    ok = b.apply(e.or_, first, b.apply(e.eq, mapping[d], lengths[d]))
                    text = f"the result of vmap is ragged: its axis {axis + 1} would have length {{0}} in lane 0 and "
                    b.check(ok, ValueError, (text + "length {1} in lane {2}",), (lengths[d], mapping[d], lane))
        for v, a in arrays.items():
            if self.variation.is_ragged(v):
                t = ArrayType(v.dtype, self.rows(v, {d: mapping[d] for d in lengths}))
                made = b.if_(first, [t], lambda b, t=t: [b.empty(t.dtype, t.shape)], lambda b, a=a: [a])  # type: ignore[misc]
                arrays[v] = made[0]

    def tell_lane(self, op: Op, lane: Value) -> None:
        """Let checks say which lane it is, and ops that ask know."""
        for inner in op.walk():
            if inner.name == "check":
                inner.attrs = self.noted(inner)
                inner.set_operands([*inner.operands, lane])
            elif inner.name == "axis_index" and self.variation.looks_across(inner):
                inner.replace_by([lane])

    def refuse_barrier(self, op: Op) -> None:
        found = next(inner for inner in op.walk() if inner.name != "axis_index" and self.variation.looks_across(inner))
        raise BatchError(
            f"{found.name} over {found.attrs['axis'].name!r} needs all lanes, but lanes may part ways here: it is in a "
            "branch, loop or length that differs from lane to lane, or in a program that prints",
            hint="compute it before or after that",
            loc=found.loc if found.loc.line else None,
        )

    # --- lanes that must keep their order
    def one_after_the_other(self, b: Builder) -> list[tuple[Value, bool]]:
        """A loop over the lanes that runs the whole program in each, and hands arrays that lanes share from one to the
        next."""
        function, varying = self.function, self.variation.varying
        finals = {self.mutated[k]: function.params[k] for k in self.mutated if self.axes_in[k] is None}
        members = function.body.ops[:-1]
        varying.update(r for op in members for r in op.results)
        made = [v for k, v in enumerate(function.outputs) if k not in finals and v.op is not None]
        shared = [(p, function.outputs[k]) for k, p in finals.items()]
        last = dict(zip(finals, self.loop_over_lanes(b, members, list(dict.fromkeys(made)), shared)))
        return [(last[k], False) if k in last else (self.env[v], v in varying) for k, v in enumerate(function.outputs)]


def _definitions(op: Op) -> list[Value]:
    return [*op.results, *(p for region in op.regions for p in region.params)]


def _used_outside(members: Sequence[Op]) -> list[Value]:
    inside = {inner for op in members for inner in op.walk()}
    return [r for op in members for r in op.results if any(u not in inside for u in r.users)]
