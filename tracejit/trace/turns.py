"""Recording one turn of a loop.

:class:`Turn` is one attempt: it opens the blocks, hands out the names at the start of a turn, and afterwards says which
templates would have fitted (:meth:`Turn.widened`), if these did not. :mod:`tracejit.trace.loop_ops` makes the op.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from tracejit.errors import CaptureError
from tracejit.ir.core import Block, Value
from tracejit.ir.loc import Loc
from tracejit.ir.types import INDEX, Dim
from tracejit.record import record, replace
from tracejit.trace import dims, doubts
from tracejit.trace.boxes import ArrayTracer, ChoiceTracer
from tracejit.trace.carried import Distinct, Head, Mode, Rebound, heads, rebounds
from tracejit.trace.context import current
from tracejit.trace.control import UNBOUND, Arm, Control, NotRollable, Scope, Unbound
from tracejit.trace.either import Either, MaybeUnbound, array_text, describe
from tracejit.trace.exports import Exports, View, available, numbers_of, whole_view
from tracejit.trace.identity import ById
from tracejit.trace.journal import Change, State, restore, state_of
from tracejit.trace.paths import combinations
from tracejit.trace.places import named, related
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.templates import (
    Internal,
    Maybe,
    OneOf,
    Policy,
    Scalar,
    Static,
    Template,
    Tree,
    fits,
    merge,
    parts_of,
    settle,
    structure_of,
    template_of,
)
from tracejit.trace.tracer import ScalarAbstract, abstract, alternative_of

if TYPE_CHECKING:
    from tracejit.trace.rewrite import Site

Env = dict[str, Any]


class LoopPolicy(Policy):
    """How arrays that a loop binds to names are carried; see :mod:`tracejit.trace.carried`."""

    def __init__(self, exports: Exports, after_only: bool) -> None:
        self.exports = exports
        self.after_only = after_only
        self.slots = 0

    def arrays(self, a: Template, b: Template) -> Template | None:
        x = b.value if isinstance(b, Static) else None
        if not isinstance(x, ArrayTracer):
            return None
        if isinstance(a, Static):
            first: ArrayTracer = a.value
            shape: tuple[Dim | None, ...]
            dtype, shape, order, entries, mode = first.dtype, first.shape_dims, first._order, _flat(first), "read"
            slot = self.slots = self.slots + 1
        elif isinstance(a, Rebound):
            dtype, shape, order, entries, mode, slot = a.dtype, a.shape, a.order, list(a.entries), a.mode, a.slot
        elif isinstance(a, View):
            known = self.exports.views(a.like, x)
            if not isinstance(known, View):
                return None
            more = tuple(k for k in known.known if all(k is not j for j in a.known) and k is not a.like)
            return View(a.root, a.like, _fixed(a, known), (*a.given, x), (*a.known, *more))
        else:
            return None
        if x.dtype != dtype or x.ndim != len(shape):
            now, then = describe(x), array_text(dtype, len(shape))
            here = self.exports.context.here()
            raise CaptureError(
                f"{self.what!r} is {then} before this loop, and {now} after a turn of it",
                hint="another name in the loop, or a conversion before it",
                loc=here,
                related=related(here, self.what, (f"here it becomes {now}",), f"here it is {then}"),
            )
        if isinstance(a, Static):
            if self.after_only:
                return self.exports.views(first, x) or self.exports.choice([(first, 0), (x, 0)])
            known = self.exports.views(first, x)
            if known is None and first.root is first and x.root is first and not isinstance(first, ChoiceTracer):
                known = self.exports.views(whole_view(first), x)
                if isinstance(known, View):
                    known = replace(known, known=(first, *known.known))
            if known is not None:
                return known
        for part in _flat(x):
            head = heads().get(part) if self.exports.is_inside(part) else None
            head = head if isinstance(head, Head) else None
            more = head.template.entries if head is not None else () if self.exports.is_inside(part) else (part,)
            entries += [e for e in more if all(e is not k for k in entries)]
            if head is None and part.lenses and self._is_old(part):
                raise CaptureError(
                    f"{self.what!r} is bound to a view of another array in each turn of this loop",
                    hint=f"a copy: {self.what} = x[i].copy()",
                    loc=self.exports.context.here(),
                    related=related(self.exports.context.here(), self.what, ("here",)),
                )
        merged = tuple(
            d if d is not None and dims.equal(d, own) and available(self.exports.context, d) else None
            for d, own in zip(shape, x.shape_dims)
        )
        same = isinstance(order, str) and order == x._order
        return Rebound(slot, dtype, merged, str(order) if same else "strided", tuple(entries), mode)  # type: ignore[arg-type]

    def _is_old(self, x: ArrayTracer) -> bool:
        """Whether ``x`` is a new view, in each turn, of an array that may be from before the loop."""
        if self.exports.is_inside(x):
            head = heads().get(x.root)
            return isinstance(head, Head) and bool(head.entries)
        return not all(available(self.exports.context, n) for n in numbers_of(x.lenses))

    def settled(self, x: ArrayTracer) -> Template:
        if self.after_only or not self.exports.is_inside(x):
            return self.exports.any_box(x, 0)
        self.slots += 1
        shape = tuple(d if available(self.exports.context, d) else None for d in x.shape_dims)
        order = x._order if isinstance(x._order, str) and not x.lenses else "strided"
        return Rebound(self.slots, x.dtype, shape, order, (), "read")

    def keeps_identity(self, x: Any) -> bool:
        return not current().inputs.journal.is_younger(x, self.exports.since)


def _fixed(a: View, b: View) -> tuple[Dim | None, ...]:
    return tuple(None if d is None or e is None else d for d, e in zip(a.fixed, b.fixed))


def _flat(x: ArrayTracer) -> list[ArrayTracer]:
    """The boxes that a box may be, each once."""
    found: ById[None] = ById()
    pending, seen = [x], ById[None]()
    while pending:
        box = pending.pop()
        if box in seen:
            continue
        seen[box] = None
        if isinstance(box, ChoiceTracer) and box not in heads():
            pending += reversed(box.candidates)
        else:
            found[box] = None
    return list(found)


class Turn:
    """One attempt at recording a loop.

    Args:
        c: The trace.
        site: The loop in the source.
        entry: The names before the loop.
        templates: What each carried name is at the start of a turn.
        objects: Python objects whose contents the loop carries, with their templates.
        assumed: By slot: the names that are taken to be bound to different arrays at the start of a turn.

    Attributes:
        arms: Its blocks: the condition, if there is one, and the body.
        start: The carried names at the start of the last block.
        outer_blocks: The blocks of outer counters, when one body has several.
        distinct: By slot: the names that are never bound to the same array, and which of them it is.
        states: The contents of the objects at the start of the last block.
        outs: By slot: the arrays that names are bound to at the end of a turn.
        swapped: The boxes at the start of the last block that have the contents of arrays which the names exchange.
    """

    def __init__(
        self,
        c: Control,
        site: Site,
        entry: Env,
        templates: dict[str, Template],
        objects: dict[int, tuple[Any, Template]],
        assumed: Mapping[int, tuple[Distinct, int]] | None = None,
    ) -> None:
        self.c = c
        self.site = site
        self.entry = entry
        self.templates = templates
        self.objects = objects
        self.since = c.now()
        self.arms: list[Arm] = []
        self.starts: list[list[Value]] = []
        self.outer_blocks: list[Block] = []
        self.distinct: dict[int, tuple[Distinct, int]] = {}
        self.assumed = dict(assumed or {})
        self.start: Env = {}
        self.states: dict[int, State] = {}
        self.swapped: list[ArrayTracer] = []
        self.outs: dict[int, ArrayTracer] = {}

    # --- recording
    def open(self, counters: int = 0) -> list[Value]:
        """Open the next block of the loop; returns its first ``counters`` parameters."""
        context = self.c.context
        block = Block()
        extra = [block.add_param(INDEX) for _ in range(counters)]
        arm = Arm(self.c, block, Scope(block, context.scope, self), self.outer_blocks)
        arm.open()
        self.arms.append(arm)
        params: list[Value] = []

        def new(t: Any) -> Value:
            params.append(block.add_param(t))
            return params[-1]

        for t in self.templates.values():
            t.allocate(new)
        for _, t in self.objects.values():
            t.allocate(new)
        self.starts.append(params)
        values = iter(params)
        known = len(heads())
        self.c.assumed = self.assumed
        self.start = {name: t.unpack(values) for name, t in self.templates.items()}
        for key, (target, t) in self.objects.items():
            self.c.journal.note(target)
            restore(target, t.unpack(values))
            self.states[key] = state_of(target)
        self.c.assumed = {}
        made = [(box, head) for box, head in islice(heads().items(), known, None) if isinstance(head, Head)]
        self.swapped = [box for box, head in made if head.template.mode == "swap"]
        by_slot = {head.template.slot: box for box, head in made}
        for box, head in made:
            for other in head.template.doubts:
                doubts.entangle(box, by_slot[other] if isinstance(other, int) else other)
        return extra

    def close(self) -> None:
        """The block is recorded."""
        self.arms[-1].close()

    def abandon(self) -> None:
        """Forget everything; the current block is still open."""
        self.close()
        for arm in self.arms:
            arm.block.drop_references()

    @property
    def body(self) -> Arm:
        return self.arms[-1]

    # --- do the templates fit?
    def widened(self, env: Env) -> tuple[dict[str, Template], dict[int, tuple[Any, Template]]] | None:
        """The templates that fit what a turn leaves behind, or None if the present ones do."""
        body = self.body
        body.look()
        with body.outside():
            policy = LoopPolicy(Exports(self.since, 1), False)
            every = (*self.templates.values(), *(t for _, t in self.objects.values()))
            policy.slots = 1 + max((r.slot for t in every for r in rebounds(t)), default=0)
            new: dict[str, Template] = {}
            slots: dict[int, _Slot] = {}
            for name, t in self.templates.items():
                policy.what = name
                start = self.start[name]
                out = start if body.raised else env.get(name, UNBOUND)
                new[name] = self._fitting(t, out, start, policy)
                _collect(new[name], out, start, self.entry.get(name, UNBOUND), slots)
            objects = self._widened_objects(policy)
            for key, (target, t) in objects.items():
                change = body.objects.get(key)
                now = state_of(target) if change is None else change.after
                before = now if change is None else change.before
                _collect(t, now, self.states.get(key, before), before, slots)
            decided = self._decide(slots)
            new = {name: with_rebounds(t, decided) for name, t in new.items()}
            objects = {key: (target, with_rebounds(t, decided)) for key, (target, t) in objects.items()}
        same = all(new[name] == t for name, t in self.templates.items())
        same = same and objects.keys() == self.objects.keys()
        same = same and all(t == self.objects[key][1] for key, (_, t) in objects.items())
        same = same and self.assumed.keys() <= self.distinct.keys()
        return None if same else (new, objects)

    def _fitting(self, t: Template, out: Any, start: Any, policy: LoopPolicy) -> Template:
        if out is start and not any(rebounds(t)):
            return t
        if isinstance(t, Rebound) and isinstance(out, ArrayTracer):
            merged = policy.arrays(t, Static(out))
            assert merged is not None
            return merged
        return settle(merge(t, template_of(out, policy), policy), policy)

    def _decide(self, slots: dict[int, _Slot]) -> dict[int, Rebound]:
        """The modes of names bound to arrays; those that exchange arrays get the same entries."""
        groups: list[list[int]] = []
        for k, slot in slots.items():
            mine = [g for g in groups if any(_share(slot.template.entries, slots[j].template.entries) for j in g)]
            groups = [g for g in groups if g not in mine] + [[*(j for g in mine for j in g), k]]
        decided: dict[int, Rebound] = {}
        self.distinct.clear()
        for group in groups:
            every: list[ArrayTracer] = []
            for k in group:
                every += [e for e in slots[k].template.entries if all(e is not other for other in every)]
            mode = self._mode([slots[k] for k in group], every)
            for k in group:
                doubtful = self._doubtful(k, slots)
                decided[k] = replace(slots[k].template, entries=tuple(every), mode=mode, doubts=doubtful)
            if len(every) <= 4 and len(group) <= 3 and self._stay_distinct([slots[k] for k in group]):
                names = Distinct(len(group), len(every), mode not in ("swap", "exchange"))
                self.distinct.update((k, (names, number)) for number, k in enumerate(group))
        self._check_shared(slots)
        self.outs = {k: slot.out for k, slot in slots.items() if isinstance(slot.out, ArrayTracer)}
        return decided

    def _doubtful(self, slot: int, slots: dict[int, _Slot]) -> tuple[ArrayTracer | int, ...]:
        """What the array of ``slot`` may share memory with at the start of the next turn."""
        found = list(slots[slot].template.doubts)
        out = slots[slot].out
        for root in out.root.roots if isinstance(out, ArrayTracer) else ():
            for other in doubts.partners(root):
                same: list[ArrayTracer | int] = [
                    k
                    for k, s in slots.items()
                    if isinstance(s.out, ArrayTracer) and any(other is r for r in s.out.root.roots)
                ]
                if not self._is_new(other):
                    same.append(other)
                found += [x for x in same if all(x is not y for y in found)]
        return tuple(found)

    def _stay_distinct(self, group: list[_Slot]) -> bool:
        """Whether the names are bound to different arrays before the loop, and so after each turn."""
        starts = [slot.start for slot in group]
        for boxes, opaque in ((([slot.entry for slot in group]), []), ([slot.out for slot in group], starts)):
            if not all(isinstance(box, ArrayTracer) for box in boxes):
                return False
            for together in combinations(boxes, opaque) or [()]:
                if len({(id(b.root), b.lenses) for b in together}) < len(group):
                    return False
                if opaque and not all(self._is_new(b.root) or any(b is s for s in starts) for b in together):
                    return False  # an array that one of the names may have been bound to before
        return True

    def _mode(self, group: list[_Slot], entries: list[ArrayTracer]) -> Mode:
        written = self.body.arrays
        entry_roots = [r for e in entries for r in e.root.roots]
        exchange = _is_permutation(group, entries)
        swaps = exchange and not any(e.lenses or isinstance(e, ChoiceTracer) for e in entries)
        if not any(
            self._is_new(slot.start) for slot in group
        ):  # the names still stood for the arrays from before the loop
            if any(r in written for r in entry_roots):
                return "swap" if swaps else "choice"
            return "exchange" if exchange else "read"
        mode: Mode = max((slot.template.mode for slot in group), key=("exchange", "read", "swap", "choice").index)
        if mode in ("exchange", "read"):
            starts = [r for slot in group for r in slot.start.root.roots]
            if any(r in written for r in (*entry_roots, *starts)):
                mode = "swap" if swaps else "choice"
            elif not exchange:
                mode = "read"
        if mode == "swap":
            touched = any(r in arm.scope.localized for arm in self.arms if arm.scope for r in entry_roots)
            if not swaps or touched:
                mode = "choice"
        return mode

    def _is_new(self, box: Any) -> bool:
        """Whether a box was made for this turn, or in it."""
        return isinstance(box, ArrayTracer) and box.serial > self.since

    def _check_shared(self, slots: dict[int, _Slot]) -> None:
        """Two names for one array made in the loop are two arrays to the next turn: none of them may be written."""
        bound = [slot for slot in slots.values() if isinstance(slot.out, ArrayTracer)]
        touched = [
            self._is_new(slot.start) and any(r in self.body.arrays for r in slot.start.root.roots) for slot in bound
        ]
        if len(bound) < 2 or not any(touched):
            return
        outs = combinations([slot.out for slot in bound], [slot.start for slot in bound])
        if outs is None or any(self._clashes(together, touched) for together in outs):
            raise CaptureError(
                "two names are the same array after a turn of a loop, and it is written to in the next turn",
                hint="copy it: b = a.copy()",
            )

    def _clashes(self, together: Sequence[ArrayTracer], touched: Sequence[bool]) -> bool:
        """Whether two names, at least one of which is written to, are bound to one array that was made in the loop."""
        seen: ById[int] = ById()
        for k, box in enumerate(together):
            other = seen.setdefault(box.root, k)
            if other != k and self._is_new(box.root) and (touched[k] or touched[other]):
                return True
        return False

    def _grows(self, change: Change) -> NotRollable:
        here = self.c.context.here()
        place = self.c.journal.places.get(id(change.target), here)
        sized = isinstance(change.before, (list, set))
        keys = "keys" if isinstance(change.target, dict) else "attributes"
        what = f"{named(change.target)} gets {'another length' if sized else f'other {keys}'}"
        return NotRollable(
            f"{what} in a loop whose number of turns is known only at run time",
            hint="an array that is filled by index: x = np.empty(n)" if sized else f"all {keys} before the loop",
            loc=place,
            related=((Loc(here.file, here.line, here.column, here.end_column, here.function), "in this loop"),),
        )

    def _widened_objects(self, policy: LoopPolicy) -> dict[int, tuple[Any, Template]]:
        found: dict[int, tuple[Any, Template]] = dict(self.objects)
        for arm in self.arms:
            for key, change in arm.objects.items():
                policy.what = describe(change.target)
                known = found.get(key)
                old = template_of(change.before, policy) if known is None else known[1]
                merged = settle(merge(old, template_of(change.after, policy), policy), policy)
                if isinstance(change.before, set) or not isinstance(merged, (Tree, Static)):
                    raise self._grows(change)
                if isinstance(merged, Tree):
                    merged = Tree(merged.kind, merged.keys, merged.children)
                found[key] = (change.target, merged)
        return found


@record
class _Slot:
    """An array that the loop binds anew: its template, and the boxes before and after a turn, and before the loop."""

    template: Rebound
    start: Any
    out: Any
    entry: Any


def _collect(t: Template, out: Any, start: Any, entry: Any, slots: dict[int, _Slot]) -> None:
    """Find the arrays bound anew in ``t``."""
    match t:
        case Rebound():
            slots[t.slot] = _Slot(t, start, out, entry)
        case Tree(_, _, children):
            same = [
                parts_of(x) if structure_of(x) == (t.kind, t.keys) else [None] * len(children)
                for x in (out, start, entry)
            ]
            for child, o, s, e in zip(children, *same):
                _collect(child, o, s, e, slots)
        case Maybe(_, inner) | Internal(inner):
            o, s, e = (x.value if isinstance(x, MaybeUnbound) else x for x in (out, start, entry))
            _collect(inner, o, s, e, slots)
        case OneOf(options):
            for option in options:
                given = [
                    next((o for o in (x.options if isinstance(x, Either) else (x,)) if fits(option, o)), None)
                    for x in (out, start, entry)
                ]
                _collect(option, given[0], given[1], given[2], slots)


def with_rebounds(t: Template, decided: dict[int, Rebound]) -> Template:
    """``t`` with other templates for its arrays."""
    match t:
        case Rebound():
            return decided[t.slot]
        case Tree(kind, keys, children, merged):
            return Tree(kind, keys, tuple(with_rebounds(c, decided) for c in children), merged)
        case OneOf(options):
            return OneOf(tuple(with_rebounds(o, decided) for o in options))
        case Maybe(name, inner):
            return Maybe(name, with_rebounds(inner, decided))
        case Internal(inner):
            return Internal(with_rebounds(inner, decided))
    return t


def _is_permutation(group: Sequence[_Slot], entries: Sequence[ArrayTracer]) -> bool:
    """Whether a turn does nothing but exchange the arrays of the names."""
    if len(entries) != len(group) or not all(isinstance(slot.out, ArrayTracer) for slot in group):
        return False
    starts = [slot.start for slot in group]
    for outs in combinations([slot.out for slot in group], starts) or [()]:
        places = [next((k for k, s in enumerate(starts) if out is s), -1) for out in outs]
        if sorted(places) != list(range(len(group))):
            return False
    return True


def _share(a: Sequence[ArrayTracer], b: Sequence[ArrayTracer]) -> bool:
    return any(x is y for x in a for y in b)


def head_template(x: Any, c: Control) -> Template:
    """The first guess for a name that a loop assigns: numbers change, anything else is the same object in every
    turn."""
    if isinstance(x, Unbound):
        return Static(UNBOUND)
    if isinstance(x, MaybeUnbound):
        return Maybe(x.name, head_template(x.value, c))
    if isinstance(x, Either):
        return OneOf(tuple(head_template(o, c) for o in x.options))
    if isinstance(x, ScalarTracer) or alternative_of(x) is not None:
        if type(x) is int and not -(2**63) <= x < 2**63:
            return Static(x)
        found = abstract(x)
        assert isinstance(found, ScalarAbstract)
        return Scalar(found)
    structure = structure_of(x)
    if structure is not None and issubclass(structure[0], tuple):
        return Tree(*structure, tuple(head_template(p, c) for p in parts_of(x)))
    return Static(x)
