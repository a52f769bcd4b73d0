"""Taking arrays out of a recorded block: boxes made inside it, and views whose numbers were computed there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracejit.ir.core import Value
from tracejit.ir.types import INDEX, INT64, ArrayType, Dim
from tracejit.ops import elementwise as E
from tracejit.ops.builder import Builder
from tracejit.record import record
from tracejit.trace import dims, doubts
from tracejit.trace.boxes import ArrayTracer, ChoiceTracer
from tracejit.trace.carried import Head, Rebound, Which, heads
from tracejit.trace.context import Context, current
from tracejit.trace.identity import ById
from tracejit.trace.lenses import ImagPart, Lens, Lenses, RealPart, Reshape, Strided, joined
from tracejit.trace.templates import NewValue, Static, Template, Values

# --- the numbers in a chain of lenses
# -----------------------------------------------------------------------------------------


def lens_numbers(lens: Lens) -> tuple[Dim, ...]:
    match lens:
        case Strided(d, starts, _, steps):
            return (*d, *starts, *steps)
        case Reshape(d, base):
            return (*d, *base)
        case RealPart(d) | ImagPart(d):
            return d


def with_numbers(lens: Lens, numbers: Sequence[Dim]) -> Lens:
    """``lens`` with other numbers in the order of :func:`lens_numbers`."""
    n = len(lens.dims)
    match lens:
        case Strided(_, starts, pairs, _):
            k = n + len(starts)
            return Strided(tuple(numbers[:n]), tuple(numbers[n:k]), pairs, tuple(numbers[k:]))
        case Reshape():
            return Reshape(tuple(numbers[:n]), tuple(numbers[n:]))
        case RealPart():
            return RealPart(tuple(numbers))
        case ImagPart():
            return ImagPart(tuple(numbers))


def numbers_of(lenses: Lenses) -> tuple[Dim, ...]:
    return tuple(n for lens in lenses for n in lens_numbers(lens))


def with_all_numbers(lenses: Lenses, numbers: Sequence[Dim]) -> Lenses:
    out: list[Lens] = []
    at = 0
    for lens in lenses:
        k = len(lens_numbers(lens))
        out.append(with_numbers(lens, numbers[at : at + k]))
        at += k
    return tuple(out)


def same_structure(a: Lenses, b: Lenses) -> bool:
    """Whether two chains differ in numbers only."""
    zeros = [with_all_numbers(x, (0,) * len(numbers_of(x))) for x in (a, b)]
    return zeros[0] == zeros[1] and [len(p.dims) for p in a] == [len(p.dims) for p in b]


def available(context: Context, d: Dim) -> bool:
    return isinstance(d, int) or context.is_available(d)


def whole_view(root: ArrayTracer) -> ArrayTracer:
    """All of an array, as a view of it."""
    rank = root.ndim
    return root.part(Strided(root.shape_dims, (0,) * rank, tuple((k, k) for k in range(rank)), (1,) * rank))


def view_of(root: ArrayTracer, lenses: Lenses, like: ArrayTracer) -> ArrayTracer:
    """The view of ``root`` through ``lenses`` with the dtype and flags of ``like``."""
    view = root.part(lenses[-1], like.dtype, like.writeable)
    view.lenses = lenses
    return view


# --- exports
# ------------------------------------------------------------------------------------------------------------------


class Export:
    """A root box made inside one or both arms, as one root box after them.

    Attributes:
        inside: The box in each arm, or None.
        box: The box afterwards, once the values are there.
    """

    def __init__(self, inside: Sequence[ArrayTracer | None], shape: tuple[Dim | None, ...], order: str) -> None:
        self.inside = tuple(inside)
        self.shape = shape
        self.order = order
        self.like = next(b for b in inside if b is not None)
        self.box: ArrayTracer | None = None

    def pack(self, arm: int, out: list[Value]) -> None:
        b = current().at()
        box = self.inside[arm]
        if box is None:
            made: list[Value] = []

            def blank(t: ArrayType) -> Value:
                made.append(b.const(0, t.dtype) if not t.shape else b.empty(t.dtype, t.shape))
                return made[-1]

            self.allocate(blank)  # type: ignore[arg-type]
            out.extend(made)
            return
        for d, own in zip(self.shape, box.shape_dims):
            if d is None:
                out.append(b.index(own))
        out.append(box.read())

    def allocate(self, new: NewValue) -> None:
        shape = tuple(new(INDEX) if d is None else d for d in self.shape)
        new(ArrayType(self.like.dtype, shape))

    def unpack(self, values: Values) -> None:
        for d in self.shape:
            if d is None:
                current().nonnegative.add(next(values))
        self.box = ArrayTracer(next(values), self.order)
        self.box.writeable = all(b.writeable for b in self.inside if b is not None)
        self._inherit()

    def _inherit(self) -> None:
        assert self.box is not None
        for box in self.inside:
            if box is not None:
                doubts.inherit(self.box, box)


class HeadExport(Export):
    """The array that a name is bound to at the start of a turn, after the loop: maybe one from before it."""

    def __init__(self, box: ArrayTracer, template: Rebound, shape: tuple[Dim | None, ...]) -> None:
        super().__init__((box,), shape, template.order)
        self._template = Rebound(-1, box.dtype, shape, template.order, template.entries, "read")

    def pack(self, arm: int, out: list[Value]) -> None:
        self._template.pack(self.inside[0], out)

    def allocate(self, new: NewValue) -> None:
        self._template.allocate(new)

    def unpack(self, values: Values) -> None:
        self.box = self._template.unpack(values)
        self._inherit()


@record(frozen=True, eq=False)
class Exported(Template):
    """The box of an export."""

    export: Export
    is_array = True

    def pack(self, x: Any, out: list[Value]) -> None:
        pass

    def blank(self, out: list[Value]) -> None:
        pass

    def allocate(self, new: NewValue) -> None:
        pass

    def unpack(self, values: Values) -> Any:
        return self.export.box

    def fits(self, x: Any) -> bool:
        return any(x is box for box in self.export.inside)


@record(frozen=True, eq=False)
class View(Template):
    """A view with numbers that come out of the arms; ``fixed`` has those that do not (else None).

    ``known`` are the arrays from outside of the arms that it may be (the array itself of which it is a view otherwise
    among them).
    """

    root: Template
    like: ArrayTracer
    fixed: tuple[Dim | None, ...]
    given: tuple[ArrayTracer, ...]
    known: tuple[ArrayTracer, ...] = ()
    is_array = True

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, View) or self.root != other.root or self.fixed != other.fixed:
            return False
        if list(map(id, self.known)) != list(map(id, other.known)):
            return False
        return same_structure(self.like.lenses, other.like.lenses)

    __hash__ = None  # type: ignore[assignment]

    def pack(self, x: ArrayTracer, out: list[Value]) -> None:
        b = current().at()
        for own, d in zip(numbers_of(x.lenses or self.like.lenses), self.fixed):
            if d is None:
                out.append(b.index(own))
        if self.known:
            out.append(self._which(x, b))

    def _which(self, x: ArrayTracer, b: Builder) -> Value:
        """The position of ``x`` among the arrays from outside; their number if it is none of them."""
        own = b.const(len(self.known), INT64)
        for k, box in enumerate(self.known):
            if x is box:
                return b.const(k, INT64)
        which = current().inputs.heads.get(x)
        if not isinstance(which, Which):
            return own
        result = own
        for k, box in enumerate(which.boxes):
            is_k = b.apply(E.eq, which.value, b.const(k, INT64))
            result = b.apply(E.select, is_k, self._which(box, b), result)
        return result

    def allocate(self, new: NewValue) -> None:
        for d in self.fixed:
            if d is None:
                new(INDEX)
        if self.known:
            new(INDEX)

    def unpack(self, values: Values) -> Any:
        numbers = [next(values) if d is None else d for d in self.fixed]
        root = self.root.unpack(iter(()))
        view = view_of(root, with_all_numbers(self.like.lenses, numbers), self.like)
        context = current()
        context.nonnegative.update(d for d in view.shape_dims if isinstance(d, Value))
        if self.known:
            context.inputs.heads[view] = Which(next(values), self.known, any(map(self._may_be_new, self.given)))
        return view

    def _may_be_new(self, x: ArrayTracer) -> bool:
        """Whether ``x`` may be none of the arrays from outside."""
        if any(x is box for box in self.known):
            return False
        which = current().inputs.heads.get(x)
        return not isinstance(which, Which) or which.may_be_new or any(map(self._may_be_new, which.boxes))

    def fits(self, x: Any) -> bool:
        if any(x is box for box in self.given):
            return True
        root = getattr(self.root, "value", None)
        return isinstance(x, ArrayTracer) and x.root is root and same_structure(x.lenses, self.like.lenses)


@record(frozen=True, eq=False)
class Chosen(Template):
    """One of several arrays: ``candidates`` are templates, ``given`` the boxes inside that each stands for."""

    candidates: tuple[Template, ...]
    given: tuple[tuple[ArrayTracer, ...], ...]
    is_array = True

    def pack(self, x: ArrayTracer, out: list[Value]) -> None:
        current().at()
        found: dict[int, ArrayTracer] = {}
        out.append(self._select(x, found))
        for k, candidate in enumerate(self.candidates):
            if k in found:
                candidate.pack(found[k], out)
            else:
                candidate.blank(out)

    def _select(self, x: ArrayTracer, found: dict[int, ArrayTracer]) -> Value:
        """Which candidate ``x`` is; ``found`` learns the box that stands for each that it may be."""
        b = current().builder
        place = self._place(x)
        if place is not None:
            found.setdefault(place, x)
            return b.const(place, INT64)
        choice, parts = options_of(x)
        selector = self._select(parts[-1], found)
        for k in range(len(parts) - 2, -1, -1):
            is_k = b.apply(E.eq, choice.selector, b.const(k, INT64))
            selector = b.apply(E.select, is_k, self._select(parts[k], found), selector)
        return selector

    def _place(self, x: ArrayTracer) -> int | None:
        for k, boxes_of in enumerate(self.given):
            if any(map(x.stands_for, boxes_of)):
                return k
        return None

    def allocate(self, new: NewValue) -> None:
        new(INDEX)
        for candidate in self.candidates:
            candidate.allocate(new)

    def unpack(self, values: Values) -> Any:
        selector = next(values)
        return ChoiceTracer(selector, [c.unpack(values) for c in self.candidates])

    def fits(self, x: Any) -> bool:
        if not isinstance(x, ArrayTracer):
            return False
        if self._place(x) is not None:
            return True
        return isinstance(x.root, ChoiceTracer) and all(map(self.fits, options_of(x)[1]))


def options_of(x: ArrayTracer) -> tuple[ChoiceTracer, list[ArrayTracer]]:
    """The choice that a box is, or is a view of, and the boxes that it may be."""
    choice = x.root
    assert isinstance(choice, ChoiceTracer)
    if not x.lenses:
        return choice, list(choice.candidates)
    return choice, [view_of(c.root, joined(c.lenses, x.lenses), x) for c in choice.candidates]


class Exports:
    """The arrays that leave a pair of arms (or one block), each once.

    Args:
        since: Boxes with a higher serial were made inside.
        arms: How many arms there are.
    """

    def __init__(self, since: int, arms: int) -> None:
        self.since = since
        self.arms = arms
        self.context = current()
        self.list: list[Export] = []

    def is_inside(self, box: ArrayTracer) -> bool:
        """Whether a root box was made in the arms."""
        return box.root.serial > self.since

    def pair(self, x: ArrayTracer, y: ArrayTracer) -> Template | None:
        """Two boxes made inside, one per arm, as one; None if they cannot be (or one already became another)."""
        for export in self.list:
            if export.inside[0] is x or export.inside[1] is y:
                return Exported(export) if export.inside == (x, y) else None
        return Exported(self._add((x, y), x, y))

    def single(self, x: ArrayTracer, arm: int) -> Template:
        """A root box that was made inside one arm."""
        for export in self.list:
            if export.inside[arm] is x:
                return Exported(export)
        head = heads().get(x)
        if isinstance(head, Head):
            shape = tuple(d if available(self.context, d) else None for d in x.shape_dims)
            self.list.append(HeadExport(x, head.template, shape))
            return Exported(self.list[-1])
        inside: list[ArrayTracer | None] = [None] * self.arms
        inside[arm] = x
        return Exported(self._add(inside, x, x))

    def _add(self, inside: Sequence[ArrayTracer | None], x: ArrayTracer, y: ArrayTracer) -> Export:
        shape: list[Dim | None] = []
        for a, b in zip(x.shape_dims, y.shape_dims):
            same = dims.equal(a, b)
            shape.append(
                a if same and available(self.context, a) else b if same and available(self.context, b) else None
            )
        orders = {o if isinstance(o, str) else "strided" for o in (x._order, y._order)}
        export = Export(inside, tuple(shape), orders.pop() if len(orders) == 1 else "strided")
        self.list.append(export)
        return export

    def any_box(self, x: ArrayTracer, arm: int) -> Template:
        """Whatever box, as it is after the arms."""
        if not self.is_inside(x) and all(available(self.context, n) for n in numbers_of(x.lenses)):
            which = self.context.inputs.heads.get(x)
            if not isinstance(which, Which) or available(self.context, which.value):
                return Static(x)
        root = x.root
        if isinstance(root, ChoiceTracer):
            return self.choice([(x, arm)])
        base: Template = self.single(root, arm) if self.is_inside(root) else Static(root)
        if not x.lenses:
            return base
        numbers = numbers_of(x.lenses)
        fixed = tuple(n if available(self.context, n) else None for n in numbers)
        return View(base, x, fixed, (x,), self._from_outside(x))

    def views(self, x: ArrayTracer, y: ArrayTracer) -> Template | None:
        """Two views of one root that differ in numbers only, as one view; None if they are not that."""
        if x.root is not y.root or not x.lenses or not y.lenses or isinstance(x.root, ChoiceTracer):
            return None
        if self.is_inside(x) or not same_structure(x.lenses, y.lenses) or x.writeable != y.writeable:
            return None
        fixed = tuple(
            a if dims.equal(a, b) and available(self.context, a) else None
            for a, b in zip(numbers_of(x.lenses), numbers_of(y.lenses))
        )
        return View(Static(x.root), x, fixed, (x, y), self._from_outside(x, y))

    def _from_outside(self, *views: ArrayTracer) -> tuple[ArrayTracer, ...]:
        """The arrays from outside of the arms that ``views`` may be."""
        found: ById[None] = ById()
        for x in views:
            which = self.context.inputs.heads.get(x)
            if x.serial <= self.since:
                found[x] = None
            elif isinstance(which, Which):
                found.update((box, None) for box in which.boxes if box.serial <= self.since)
        return tuple(found)

    def choice(self, given: Sequence[tuple[ArrayTracer, int]]) -> Template:
        """One of several boxes, each of an arm."""
        candidates: list[Template] = []
        places: list[list[ArrayTracer]] = []
        for box, arm in given:
            for part in self._leaves(box):
                for known in places:
                    if any(map(part.stands_for, known)):
                        known.append(part)
                        break
                else:
                    candidates.append(self.any_box(part, arm))
                    places.append([part])
        return Chosen(tuple(candidates), tuple(map(tuple, places)))

    def _leaves(self, x: ArrayTracer) -> list[ArrayTracer]:
        """The boxes that a box may be, as far as which one is decided inside."""
        if not isinstance(x.root, ChoiceTracer):
            return [x]
        if not self.is_inside(x) and all(available(self.context, n) for n in numbers_of(x.lenses)):
            return [x]
        return [leaf for part in options_of(x)[1] for leaf in self._leaves(part)]
