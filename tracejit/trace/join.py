"""What holds after a branch: the values of two recorded arms as one.

The same object in both arms stays that object. Numbers become results of the ``if``. Arrays: the contents of those
written to become results; a name bound to different arrays becomes a choice between them, or, when both were made in
their arms, one new array. Containers are joined element by element. What has nothing in common becomes an
:class:`~tracejit.trace.either.Either`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracejit.errors import CaptureError
from tracejit.ir.core import Block, Op, Value
from tracejit.ir.loc import Loc
from tracejit.ir.types import Type
from tracejit.ops import control as ops
from tracejit.ops import elementwise as E
from tracejit.ops.effects import is_pure
from tracejit.trace.boxes import ArrayTracer, ChoiceTracer
from tracejit.trace.control import Arm, Control, Unreachable
from tracejit.trace.either import describe
from tracejit.trace.exports import Exports
from tracejit.trace.identity import ById
from tracejit.trace.journal import restore, state_of
from tracejit.trace.places import named
from tracejit.trace.syntax import VALUE
from tracejit.trace.templates import Internal, OneOf, Policy, Static, Template, Tree, merge, settle, template_of


class BranchJoin(Policy):
    """Joins two arms of a branch.

    Args:
        c: The trace.
        condition: Whether the first arm runs.
        arms: The arms, closed.
    """

    def __init__(self, c: Control, condition: Value, arms: tuple[Arm, Arm]) -> None:
        self.c = c
        self.context = c.context
        self.condition = condition
        self.arms = arms
        self._since = min(arm.serial for arm in arms)
        self.exports = Exports(self._since, 2)
        self._arm = 0

    def run(self, names: Sequence[str], first: Sequence[Any], second: Sequence[Any]) -> list[Any]:
        """Emit the ``if`` and return what each name holds after it, given its values in the two arms.

        Raises:
            Unreachable: Both arms always raise.
        """
        dead = [arm.raised for arm in self.arms]
        for arm in self.arms:
            if not arm.raised:
                self.context.doubts += arm.doubts
        if all(dead):
            if any(map(_writes_visible, self.arms)):  # the caller sees what was written before
                self._join((), ((), ()), dead)
            else:
                self._emit(())
            raise Unreachable
        if any(dead) and not _writes_visible(self.arms[dead.index(True)]):
            self._go_on_with(1 - dead.index(True))
            return list(second if dead[0] else first)
        return self._join(names, (first, second), dead)

    # --- an arm that always raises
    def _go_on_with(self, alive: int) -> None:
        """One arm raises: after that, the other one's ops are simply what comes next."""
        arm, other = self.arms[alive], self.arms[1 - alive]
        b = self.context.at()
        last = other.block.ops[-1] if other.block.ops else None
        always = last is not None and last.primitive is ops.check and _is_false(last.operands[0])
        if always and all(map(is_pure, other.block.ops[:-1])):
            assert last is not None
            ok = self.condition if alive == 0 else b.apply(E.not_, self.condition)
            for op in other.block.ops[:-1]:
                b.block.append(op)
            last.set_operands([ok, *last.operands[1:]])
            b.block.append(last)
        else:
            self._finish(other.block, ())
            empty = Block()
            self._finish(empty, ())
            self._if(((other.block, empty) if alive == 1 else (empty, other.block)), [])
        for op in arm.block.ops:
            b.block.append(op)
        for root, (before, after) in arm.arrays.items():
            self.context.writes.append((root, before))
            root.set_value(after)
        for change in arm.objects.values():
            self.c.journal.note(change.target)
            restore(change.target, change.after)

    # --- both arms go on
    def _join(
        self, names: Sequence[str], values: tuple[Sequence[Any], Sequence[Any]], dead: Sequence[bool]
    ) -> list[Any]:
        templates: list[Template] = []
        for name, x, y in zip(names, *values):
            self.what = name
            templates.append(self._template(name, x, y, dead))
        roots = self._written_roots()
        changes = [] if all(dead) else self._changes(dead)
        packed: list[list[Value]] = []
        for k, arm in enumerate(self.arms):
            out: list[Value] = []
            with self.c.in_block(arm.block):
                for export in self.exports.list:
                    export.pack(k, out)
                for t, x in zip(templates, values[k]):
                    t.blank(out) if dead[k] else t.pack(x, out)
                for _, t, states in changes:
                    t.blank(out) if dead[k] else t.pack(states[k], out)
                out.extend(self._contents(arm, root) for root in roots)
            packed.append(out)
        results = iter(self._emit(packed, [*templates, *(t for _, t, _ in changes)], roots))
        for export in self.exports.list:
            export.unpack(results)
        joined = [t.unpack(results) for t in templates]
        for target, t, _ in changes:
            self.c.journal.note(target)
            restore(target, t.unpack(results))
        for root in roots:
            self.context.writes.append((root, root._value))
            root.set_value(next(results))
        return joined

    def _template(self, name: str, x: Any, y: Any, dead: Sequence[bool]) -> Template:
        if any(dead):
            t = template_of(y if dead[0] else x, self)
            self._arm = 1 if dead[0] else 0
        else:
            p, q = template_of(x, self), template_of(y, self)
            if name == VALUE:
                p, q = Internal(p), Internal(q)
            t = merge(p, q, self)
        return settle(t, self)

    def array(self, x: ArrayTracer) -> Template:
        return Static(x)

    def arrays(self, a: Template, b: Template) -> Template | None:
        x, y = getattr(a, "value", None), getattr(b, "value", None)
        if not isinstance(x, ArrayTracer) or not isinstance(y, ArrayTracer):
            return None
        if x.dtype != y.dtype or x.ndim != y.ndim:
            return None
        inside = self.exports.is_inside
        if not x.lenses and not y.lenses and inside(x) and inside(y):
            if not isinstance(x, ChoiceTracer) and not isinstance(y, ChoiceTracer):
                both = self.exports.pair(x, y)
                if both is not None:
                    return both
        return self.exports.views(x, y) or self.exports.choice([(x, 0), (y, 1)])

    def settled(self, x: ArrayTracer) -> Template:
        if not self.exports.is_inside(x) and self.exports.any_box(x, 0) == Static(x):
            return Static(x)
        arm = self._arm
        if not any(a.raised for a in self.arms):  # the one that was recorded last before the box was made
            arm = max((k for k in (0, 1) if self.arms[k].serial < x.serial), key=lambda k: self.arms[k].serial)
        return self.exports.any_box(x, arm)

    def keeps_identity(self, x: Any) -> bool:
        return not self.c.journal.is_younger(x, self._since)

    def _written_roots(self) -> list[ArrayTracer]:
        found: ById[None] = ById()
        for arm in self.arms:
            for root, (before, after) in arm.arrays.items():
                if after is not before and not self.exports.is_inside(root):
                    found[root] = None
        return list(found)

    def _contents(self, arm: Arm, root: ArrayTracer) -> Value:
        known = arm.arrays.get(root)
        return root._value if known is None else known[1]

    def _changes(self, dead: Sequence[bool]) -> list[tuple[Any, Template, tuple[Any, Any]]]:
        """Python objects that an arm changed: their contents, joined."""
        out = []
        targets = {key: change for arm in self.arms for key, change in arm.objects.items()}
        for key, change in targets.items():
            states: list[Any] = []
            for arm in self.arms:
                own = arm.objects.get(key)
                states.append(state_of(change.target) if own is None else own.after)
            self.what = describe(change.target)
            if any(dead):
                t: Template = settle(template_of(states[1 if dead[0] else 0], self), self)
            else:
                t = self._contents_template(change.target, states)
            out.append((change.target, t, (states[0], states[1])))
        return out

    def _contents_template(self, target: Any, states: Sequence[Any]) -> Template:
        first, second = states
        if isinstance(first, set):
            if first != second:
                raise self._differs(
                    target, "other elements after one branch than after the other", "a boolean array instead of a set"
                )
            return Static(first)
        if isinstance(first, dict) and isinstance(second, dict) and set(first) == set(second):
            second = {key: second[key] for key in first}
            states[1].clear()
            states[1].update(second)
        merged = merge(template_of(first, self), template_of(second, self), self)
        if isinstance(merged, OneOf):
            raise self._differs(
                target,
                *_difference(target, first, second),
            )
        if isinstance(merged, Tree):
            merged = Tree(merged.kind, merged.keys, merged.children)
        return settle(merged, self)

    def _differs(self, target: Any, how: str, hint: str) -> CaptureError:
        here = self.context.here()
        place = self.c.journal.places.get(id(target), here)
        branch = Loc(here.file, here.line, here.column, here.end_column, here.function)
        return CaptureError(
            f"{named(target)} has {how}, and which branch runs is known only at run time",
            hint=hint,
            loc=place,
            related=() if place is here else ((branch, "under this condition"),),
        )

    # --- ops
    def _finish(self, block: Block, values: Sequence[Value]) -> None:
        with self.c.in_block(block):
            self.context.builder.yield_(*values)

    def _emit(
        self, packed: Sequence[list[Value]], templates: Sequence[Template] = (), roots: Sequence[ArrayTracer] = ()
    ) -> list[Value]:
        blocks = (self.arms[0].block, self.arms[1].block)
        for k, block in enumerate(blocks):
            self._finish(block, packed[k] if packed else ())
        op = self._if(blocks, None)

        def new(t: Type) -> Value:
            op.results.append(Value(t, op))
            return op.results[-1]

        for export in self.exports.list:
            export.allocate(new)
        for template in templates:
            template.allocate(new)
        for root in roots:
            new(root._value.type)
        return op.results

    def _if(self, blocks: tuple[Block, Block], types: Sequence[Type] | None) -> Op:
        b = self.context.at()
        op = Op(ops.if_, (self.condition,), types or (), None, blocks, b.loc)
        b.block.append(op)
        return op


def _difference(target: Any, first: Any, second: Any) -> tuple[str, str]:
    """How the contents of a container, or the attributes of an object, differ; and what to write instead."""
    if not isinstance(first, dict):
        sizes = [f"{len(state)} item{'s' if len(state) != 1 else ''}" for state in (first, second)]
        return f"{sizes[0]} after one branch and {sizes[1]} after the other", (
            "as many items in both branches, or an array and the number of items in use"
        )
    what = "key" if isinstance(target, dict) else "attribute"
    only = [[repr(key) for key in state if key not in other] for state, other in ((first, second), (second, first))]
    texts = [f"the {what}{'s' if len(keys) > 1 else ''} {', '.join(keys)}" for keys in only if keys]
    how = f"{texts[0]} after one branch" + (f" and {texts[1]} after the other" if len(texts) > 1 else " only")
    return how, f"the same {what}s in both branches (one that is not used may be 0.0 there)"


def _is_false(value: Value) -> bool:
    return value.op is not None and value.op.name == "const" and value.op.attrs["value"] is False


def _writes_visible(arm: Arm) -> bool:
    """Whether an arm writes into an array that the caller can see."""
    return any(root.input_index is not None for root in arm.arrays)
