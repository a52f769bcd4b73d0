"""Making the loop op of a recorded turn: what is carried, in which order, and what holds after the loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tracejit.ir.core import Block, Op, Value, map_type
from tracejit.ir.types import BOOL, PREDICATE, ArrayType, Dim, Type
from tracejit.ops import control as ops
from tracejit.ops import elementwise as E
from tracejit.ops.effects import is_pure, is_speculatable
from tracejit.record import field, record
from tracejit.trace import dims
from tracejit.trace.boxes import ArrayTracer
from tracejit.trace.carried import AfterLoop, MergedChoice
from tracejit.trace.control import UNBOUND, Arm, Control
from tracejit.trace.either import Either, MaybeUnbound
from tracejit.trace.exports import Exports
from tracejit.trace.identity import ById
from tracejit.trace.journal import restore, state_of
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.syntax import VALUE
from tracejit.trace.templates import Internal, Maybe, OneOf, Scalar, Template, fits, merge, settle, template_of
from tracejit.trace.turns import Env, LoopPolicy, Turn


@record(eq=False)
class Carried:
    """One value that the loop carries.

    Attributes:
        params: Its parameter in each block of the loop, the body's last.
        init: Its value before the loop.
        next: Its value after a turn.
        result: Its value after the loop.
    """

    params: list[Value]
    init: Value
    next: Value
    result: Value | None = None


@record
class _Part:
    """A template and the values that it takes."""

    template: Template
    values: list[Carried] = field(default_factory=list)


class LoopMaker:
    """Makes the op of ``turn``, whose last block is still open and whose templates fit.

    Args:
        turn: The recorded turn.
        env: The names after it.
        always: Whether the loop surely has a turn.
    """

    def __init__(self, turn: Turn, env: Env, always: bool) -> None:
        self.turn = turn
        self.c: Control = turn.c
        self.context = turn.c.context
        self.env = env
        self.always = always
        self.blocks: list[Block] = [arm.block for arm in turn.arms]
        self.exports = Exports(turn.since, 1)
        self.carried: list[Carried] = []

    # --- what is carried
    def collect(self) -> None:
        """Find out what is carried and with which values; closes the body."""
        turn, body = self.turn, self.turn.body
        names = [n for n in turn.site.joined if n not in turn.templates]
        outs = {n: UNBOUND if body.raised else self.env.get(n, UNBOUND) for n in (*turn.templates, *names)}
        with body.outside():
            self.after_only = {n: self._after_template(n, outs[n]) for n in names}
        nexts: list[list[Value]] = []
        for name, t in turn.templates.items():
            nexts.append(self._packed(t, turn.start[name] if body.raised else outs[name]))
        exported = [self._packed_export(e) for e in self.exports.list]
        nexts_after = [self._blank(t) if body.raised else self._packed(t, outs[n]) for n, t in self.after_only.items()]
        self._choices = self._merged_choices(body)
        turn.close()
        self.context.doubts += body.doubts

        self.names = {n: _Part(t) for n, t in turn.templates.items()}
        starts = [iter(values) for values in turn.starts]
        inits = [self._packed(t, turn.entry.get(n, UNBOUND)) for n, t in turn.templates.items()]
        for part, init, following in zip(self.names.values(), inits, nexts):
            for i, n in zip(init, following, strict=True):
                part.values.append(self._add([next(s) for s in starts], i, n))
        self.objects: list[tuple[Any, _Part]] = []
        for key, (target, t) in turn.objects.items():
            part = _Part(t)
            change = body.objects.get(key)
            with self.c.in_block(body.block, body.scope):
                following = self._packed(t, state_of(target) if change is None else change.after)
            for i, n in zip(self._packed(t, state_of(target)), following, strict=True):
                part.values.append(self._add([next(s) for s in starts], i, n))
            self.objects.append((target, part))
        self.export_parts = []
        for export, following in zip(self.exports.list, exported):
            self.export_parts.append(
                (export, self._new(export.allocate, _blank_of(self.context, export.allocate), following))
            )
        for (name, t), following in zip(self.after_only.items(), nexts_after):
            init = self._blank(t) if self.always else self._packed(t, turn.entry.get(name, UNBOUND))
            self.names[name] = _Part(t, self._new(t.allocate, init, following))
        self._carry_arrays()

    def _add(self, params: list[Value], init: Value, following: Value) -> Carried:
        one = Carried(params, init, following)
        self.carried.append(one)
        return one

    def _new(
        self, allocate: Callable[[Callable[[Type], Value]], None], init: list[Value], nexts: list[Value]
    ) -> list[Carried]:
        """Carry values that the body does not read."""
        params: list[list[Value]] = []
        for block in self.blocks:
            made: list[Value] = []

            def new(t: Type, block: Block = block, made: list[Value] = made) -> Value:
                made.append(block.add_param(t))
                return made[-1]

            allocate(new)
            params.append(made)
        return [self._add(list(p), i, n) for *p, i, n in zip(*params, init, nexts, strict=True)]

    def _packed(self, t: Template, x: Any) -> list[Value]:
        out: list[Value] = []
        t.pack(x, out)
        return out

    def _blank(self, t: Template) -> list[Value]:
        out: list[Value] = []
        t.blank(out)
        return out

    def _packed_export(self, export: Any) -> list[Value]:
        out: list[Value] = []
        if self.turn.body.raised:
            return _blank_of(self.context, export.allocate)
        export.pack(0, out)
        return out

    def _after_template(self, name: str, out: Any) -> Template:
        policy = LoopPolicy(self.exports, True)
        policy.what = name
        entry = self.turn.entry.get(name, UNBOUND)
        if self.turn.body.raised:
            out = entry
        t = template_of(out, policy)
        if name == VALUE:
            t = merge(Internal(template_of(UNBOUND if self.always else entry, policy)), t, policy)
        elif not self.always:
            t = merge(template_of(entry, policy), t, policy)
        return settle(t, policy)

    def _merged_choices(self, body: Arm) -> ById[Value]:
        """The contents, after a turn, of choices that were looked at in it and a candidate of which was written to."""
        out: ById[Value] = ById()
        assert body.scope is not None
        for root in list(body.scope.localized):
            if isinstance(root, MergedChoice) and any(r in body.arrays for r in root.roots):
                out[root] = root.choose()
        return out

    def _carry_arrays(self) -> None:
        """The arrays whose contents the loop reads or writes."""
        turn = self.turn
        roots: ById[None] = ById()
        for arm in turn.arms:
            assert arm.scope is not None
            for root in arm.scope.localized:
                roots[root] = None
            for root, (before, after) in arm.arrays.items():
                if after is not before:
                    roots[root] = None
        self.roots: list[tuple[ArrayTracer, Carried]] = []
        for root in roots:
            params: list[Value] = []
            for arm in turn.arms:
                assert arm.scope is not None
                known = arm.scope.localized.get(root)
                params.append(known[1] if known is not None else arm.block.add_param(root._value.type))
            change = turn.body.arrays.get(root)
            following = self._choices.get(root, params[-1] if change is None else change[1])
            init = root.choose() if isinstance(root, MergedChoice) and not root.is_current else root._value
            self.roots.append((root, self._add(params, init, following)))

    # --- simplification
    def drop_unused(self, *used: Value | None) -> None:
        """Take out of the body what nothing uses, so that it does not look as if earlier turns mattered."""
        needed = {*used, *(one.next for one in self.carried)}
        body = self.blocks[-1]
        kept: list[Op] = []
        for op in reversed(body.ops):
            if is_pure(op) and not any(r.is_used or r in needed for r in op.results):
                op.drop_references()
            else:
                kept.append(op)
        body.ops[:] = reversed(kept)

    def drop_invariants(self) -> None:
        """What a turn leaves as it was is no state of the loop."""
        replaced: dict[Value, Value] = {}
        changed = True
        while changed:
            changed = False
            for one in self.carried:
                one.next = replaced.get(one.next, one.next)
                if one.result is None and (one.next is one.params[-1] or _same_value(one.next, one.init)):
                    if isinstance(one.init.type, ArrayType) and one.init.type.shape and not self._same_type(one):
                        continue
                    for p in one.params:
                        replaced[p] = one.init
                        p.replace_by(one.init)
                    one.result = one.init
                    changed = True

    def _same_type(self, one: Carried) -> bool:
        return all(isinstance(a, int) == isinstance(b, int) for a, b in zip(one.init.shape, one.params[-1].shape))

    def close_forms(self, counter: Value, last: Callable[[], Dim], has_turns: Callable[[], dims.Predicate]) -> None:
        """What does not depend on earlier turns is what the last turn says, if there was one."""
        b = self.context.at()
        ran: dims.Predicate | None = True if self.always else None
        for one in self.carried:
            if one.result is not None or any(p.is_used for p in one.params):
                continue
            if any(one.params[-1] is other.next for other in self.carried):
                continue
            op = one.next.op
            if one.next is counter:
                final = b.index(last())
            elif op is not None and op.name == "const" and not op.result.shape:
                final = b.const(op.attrs["value"], one.next.dtype)
            elif self.context.is_available(one.next) and not one.next.shape:
                final = one.next
            else:
                continue
            if ran is None:
                ran = has_turns()
            if ran is True:
                one.result = final
            elif isinstance(ran, bool):
                one.result = one.init
            elif (
                final.dtype == BOOL
                and final.op is not None
                and final.op.name == "const"
                and final.op.attrs["value"] is True
            ):
                one.result = ran if _is_const(one.init, False) else b.apply(E.or_, ran, one.init)
            else:
                one.result = b.apply(E.select, ran, final, one.init)

    @property
    def remaining(self) -> list[Carried]:
        return [one for one in self.carried if one.result is None]

    # --- ops
    def make_for(
        self, bounds: Sequence[tuple[Dim, Dim, Dim]], outer: Sequence[Block], schedule: int | str | None = None
    ) -> None:
        """A ``for`` op, or a nest of them: ``outer`` are the blocks of the outer counters, ``schedule`` says which
        turns derivatives compute again."""
        self.context.at()
        body = self.blocks[-1]
        carried = self.remaining
        body.params = [body.params[0], *(one.params[-1] for one in carried)]
        self._yield(body, [one.next for one in carried])
        blocks = [*outer, body]
        for k in range(len(blocks) - 1, 0, -1):  # wrap the body in the outer loops, inside out
            around = blocks[k - 1]
            mapping: dict[Value, Value] = {}
            params = []
            for one in carried:
                p = around.add_param(map_type(one.params[-1].type, mapping))
                mapping[one.params[-1]] = p
                params.append(p)
            with self.c.in_block(around):
                results = self._for(bounds[k], params, blocks[k])
            self._yield(around, results)
        inits = [one.init for one in carried]
        attrs = None if schedule is None else {"checkpoint": schedule}
        for one, result in zip(carried, self._for(bounds[0], inits, blocks[0], attrs)):
            one.result = result

    def _for(
        self,
        bounds: tuple[Dim, Dim, Dim],
        inits: Sequence[Value],
        block: Block,
        attrs: dict[str, Any] | None = None,
    ) -> list[Value]:
        b = self.context.builder
        op = Op(ops.for_, [*map(b.index, bounds), *inits], (), attrs, (block,), b.loc)
        b.block.append(op)
        return _results(op, block.params[1:])

    def make_while(self, condition: Callable[[list[Value]], Value], first: Sequence[Carried]) -> None:
        """A ``while`` op; ``first`` are counters and flags, ``condition`` computes the predicate from those in its
        block."""
        b = self.context.at()
        carried = [*first, *self.remaining]
        if len(self.blocks) == 1:
            test = Block()
            mapping: dict[Value, Value] = {}
            for one in carried:
                p = test.add_param(map_type(one.params[-1].type, mapping))
                mapping[one.params[-1]] = p
                one.params.insert(0, p)
            self.blocks.insert(0, test)
        test, body = self.blocks
        test.params = [one.params[0] for one in carried]
        body.params = [one.params[-1] for one in carried]
        with self.c.in_block(test):
            predicate = condition([one.params[0] for one in first])
            b.yield_(predicate)
        self._yield(body, [one.next for one in carried])
        op = Op(ops.while_, [one.init for one in carried], (), None, (test, body), b.loc)
        b.block.append(op)
        for one, result in zip(carried, _results(op, body.params)):
            one.result = result

    def _yield(self, block: Block, values: Sequence[Value]) -> None:
        with self.c.in_block(block):
            self.context.builder.yield_(*values)

    # --- afterwards
    def settle(self) -> Env:
        """Put the results where they belong; returns the names after the loop."""
        for root, one in self.roots:
            assert one.result is not None
            if isinstance(root, MergedChoice):
                continue
            if one.result is not root._value:
                self.context.writes.append((root, root._value))
                root.set_value(one.result)
        self.c.after_loop = after = AfterLoop(self.turn.distinct, self.turn.outs)
        try:
            parts = (*self.names.values(), *(part for _, part in self.objects))
            after.prepare([(p.template, [_known(one) for one in p.values]) for p in parts])
            for export, values in self.export_parts:
                export.unpack(iter([_known(one) for one in values]))
            env: Env = {}
            for name, part in self.names.items():
                x = part.template.unpack(iter([_known(one) for one in part.values]))
                env[name] = self._narrow(part.template, name, x) if self.always else x
            for target, part in self.objects:
                self.c.journal.note(target)
                restore(target, part.template.unpack(iter([_known(one) for one in part.values])))
        finally:
            self.c.after_loop = None
        for root, one in self.roots:
            if isinstance(root, MergedChoice) and one.result is not root._value:
                assert one.result is not None
                root.refresh(one.result)
        return env

    def _narrow(self, t: Template, name: str, x: Any) -> Any:
        """After at least one turn, a name is what a turn leaves behind."""
        if self.turn.body.raised:
            return x
        out = self.env.get(name, UNBOUND)
        if isinstance(t, Scalar) and isinstance(x, ScalarTracer) and x.is_mixed:
            alternatives = out.alternatives if isinstance(out, ScalarTracer) else ()
            if len(alternatives) == 1:
                b = self.context.at()
                return ScalarTracer(b.cast(x.value, alternatives[0][1]), alternatives)
        if (
            isinstance(t, Maybe)
            and isinstance(x, MaybeUnbound)
            and out is not UNBOUND
            and not isinstance(out, MaybeUnbound)
        ):
            return self._narrow(t.inner, name, x.value)
        if isinstance(t, OneOf) and isinstance(x, Either) and not isinstance(out, Either):
            for option, value in zip(t.options, x.options):
                if fits(option, out):
                    return self._narrow(option, name, value)
        if isinstance(t, Internal):
            return self._narrow(t.inner, name, x)
        return x


def flagged_condition(c: Control, go: Value, block: Block, test: Value | None) -> Value:
    """``go and test``, where the ops of ``test`` are in ``block`` (which is open) and run only if ``go``."""
    b = c.context.builder
    if test is None:
        return go
    if all(map(is_speculatable, block.ops)):
        return b.apply(E.and_, go, test)
    inner, skip = Block(), Block()
    for op in block.ops:
        inner.append(op)
    block.ops.clear()
    with c.in_block(inner):
        b.yield_(test)
    with c.in_block(skip):
        b.yield_(b.const(False, BOOL))
    return b.emit(ops.if_, (go,), (PREDICATE,), None, (inner, skip))[0]


def _results(op: Op, params: Sequence[Value]) -> list[Value]:
    mapping: dict[Value, Value] = {}
    for p in params:
        result = Value(map_type(p.type, mapping), op)
        mapping[p] = result
        op.results.append(result)
    return op.results


def _known(one: Carried) -> Value:
    assert one.result is not None
    return one.result


def _same_value(a: Value, b: Value) -> bool:
    if a is b:
        return True
    p, q = a.op, b.op
    if p is None or q is None or p.name != "const" or q.name != "const" or a.shape or a.type != b.type:
        return False
    return repr(p.attrs["value"]) == repr(q.attrs["value"])


def _is_const(value: Value, expected: object) -> bool:
    return value.op is not None and value.op.name == "const" and value.op.attrs["value"] is expected


def _blank_of(context: Any, allocate: Callable[[Callable[[Type], Value]], None]) -> list[Value]:
    b = context.builder
    out: list[Value] = []

    def new(t: Type) -> Value:
        assert isinstance(t, ArrayType)
        out.append(b.const(0, t.dtype) if not t.shape else b.empty(t.dtype, t.shape))
        return out[-1]

    allocate(new)
    return out
