"""What one turn of an innermost loop computes for the next one: kept in registers, and used as late as possible.

The time of such a loop is often the length of the chain of ops that leads from turn to turn. Two things shorten it.

*Elements.* A turn that loads the element which the turn before has stored (``t[j]`` where ``t[j - 1]`` is updated:
dynamic programming, error diffusion, recursive filters) waits for the store. The element is carried beside the array
instead (scalar replacement, after Callahan, Carr and Kennedy: Improving register allocation for subscripted variables,
PLDI 1990), when no other store comes between the two. The first turn's element is loaded before the loop.

*Order.* ``min(min(a, left), b)`` becomes ``min(min(a, b), left)`` where ``left`` is what the turn before has computed:
then there is one operation between two turns and not two.
"""

from __future__ import annotations

from collections.abc import Iterator

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ir.types import INDEX, PREDICATE, ArrayType
from tracejit.lower.algebra import is_integer, made_by, offset
from tracejit.lower.facts import inequalities, integer
from tracejit.lower.ranges import Ranges
from tracejit.ops import control, structural
from tracejit.ops import elementwise as e
from tracejit.record import record

_LARGEST_BODY = 400
"""Loops with more ops than this are left as they are."""
_EXTREMA = frozenset({"minimum", "maximum"})


def run(function: Function) -> None:
    """Shorten the recurrences of the innermost loops of ``function``."""
    ranges: Ranges | None = None
    for loop in [op for op in function.walk() if op.name == "for" and _is_innermost(op)]:
        for element in list(_elements(loop)):
            ranges = ranges or Ranges(function)
            _carry(element, ranges)
        _order(loop)


def _is_innermost(loop: Op) -> bool:
    inner = list(loop.regions[0].walk())
    return len(inner) <= _LARGEST_BODY and not any(op.name in ("for", "while") for op in inner)


# --- elements
Place = tuple[Value | None, int]
"""An index as value + constant; no value stands for 0."""


@record
class _Element:
    """A load of what the turn before has stored.

    Attributes:
        loop: The loop.
        load: The load; every turn does it.
        store: The store, in the loop's body or in one arm of a branch of it (``branch``).
        array: What is carried into the loop as the array that both are about.
    """

    loop: Op
    load: Op
    store: Op
    branch: Op | None
    array: Value


def _elements(loop: Op) -> Iterator[_Element]:
    step = integer(loop.operands[2])
    (body,) = loop.regions
    if not step:
        return
    for k, p in enumerate(body.params[1:]):
        if not p.rank:
            continue
        stores = [op for op in body.walk() if op.name in ("update", "scatter") and _origins(op.operands[0], p)[1]]
        loads = [op for op in body.ops if op.name == "view" and not op.result.rank and op.operands[0].rank == p.rank]
        if not stores or not loads or any(op.name == "scatter" or op.operands[1].rank for op in stores):
            continue
        for load in loads:
            before, known = _origins(load.operands[0], p)
            if not known or not _origins(body.yields[k], p)[1]:
                continue
            where = [_place(v) for v in load.operands[1:]]
            for store in stores:
                there = [_place(v) for v in store.operands[2:]]
                if not _is_next(where, there, loop, step):
                    continue
                branch = store.block.parent if store.block is not None and store.block is not body else None
                if branch is not None and not _is_on_the_way(branch, store, loop, step):
                    continue
                earlier = _origins(store.operands[0], p)[0]
                between = [(op, there) for op in stores if op is not store and op not in earlier]
                between += [(op, where) for op in before]
                if all(_apart([_place(v) for v in op.operands[2:]], x) for op, x in between):
                    yield _Element(loop, load, store, branch, loop.operands[3 + k])
                    break


def _origins(array: Value, p: Value) -> tuple[set[Op], bool]:
    """The stores that ``array`` has and the loop's array ``p`` has not; and whether it is ``p`` but for these."""
    stores: set[Op] = set()
    work, seen = [array], set()
    while work:
        v = work.pop()
        if v is p or v in seen:
            continue
        seen.add(v)
        op = v.op
        if op is None:
            return stores, False
        if op.name == "update":
            stores.add(op)
            work.append(op.operands[0])
        elif op.name == "if":
            work += [region.yields[op.results.index(v)] for region in op.regions]
        else:
            return stores, False
    return stores, True


def _place(index: Value) -> Place:
    n = integer(index)
    return (None, n) if n is not None else offset(index)


def _is_next(where: list[Place], there: list[Place], loop: Op, step: int) -> bool:
    """Whether ``there`` in one turn is ``where`` in the next one."""
    (body,) = loop.regions
    counter, moves = body.params[0], False
    for (v, c), (w, d) in zip(where, there, strict=True):
        if v is not w:
            return False
        if v is counter:
            moves = True
        elif v is not None and body.contains(v.block):
            return False
        if d != c + (step if v is counter else 0):
            return False
    return moves


def _apart(where: list[Place], there: list[Place]) -> bool:
    """Whether two places of one turn are certainly different elements."""
    return any(v is w and c != d for (v, c), (w, d) in zip(where, there, strict=True))


def _is_on_the_way(branch: Op, store: Op, loop: Op, step: int) -> bool:
    """Whether an arm of ``branch`` is taken, and stores, in every turn that another turn follows."""
    if branch.name != "if" or branch.block is not loop.regions[0]:
        return False
    counter, stop = loop.regions[0].params[0], _place(loop.operands[1])
    taken = store.block is branch.regions[0]
    for a, b, k in inequalities(branch.operands[0], not taken):
        # a <= b + k where the arm is not taken: there is no next turn if that says stop <= counter + step
        (x, c), (y, d) = ((None, 0) if v is None else offset(v) for v in (a, b))
        if step == 1 and (x, y) == (stop[0], counter) and k + d - c + stop[1] <= step:
            return True
        if step == -1 and (x, y) == (counter, stop[0]) and k + d - c - stop[1] <= -step:
            return True
    return False


def _carry(element: _Element, ranges: Ranges) -> None:
    loop, load, store = element.loop, element.load, element.store
    first = _first(element, ranges)
    if first is None:
        return
    (body,) = loop.regions
    kind = load.result.type
    carried = body.add_param(kind)
    load.result.replace_by(carried)
    following = store.operands[1]
    if element.branch is not None:
        other = element.branch.regions[store.block is element.branch.regions[0]]
        for region, v in ((store.block, following), (other, carried)):
            assert region is not None
            region.terminator.set_operands([*region.yields, v])
        following = Value(kind, element.branch)
        element.branch.results.append(following)
    body.terminator.set_operands([*body.yields, following])
    loop.set_operands([*loop.operands, first])
    loop.results.append(Value(kind, loop))
    load.erase()


def _first(element: _Element, ranges: Ranges) -> Value | None:
    """The element that the first turn loads, loaded before the loop, if it is certain to exist."""
    loop, load = element.loop, element.load
    start, stop, step = loop.operands[:3]
    counter, at = loop.regions[0].params[0], ranges.facts.order[loop]
    may_not_run = False
    new: list[Op] = []
    indices: list[Value] = []
    for index, d in zip(load.operands[1:], element.array.shape, strict=True):
        v, c = _place(index)
        size, last = (d, -1) if isinstance(d, Value) else (None, d - 1)
        inside = v
        if v is counter:
            inside = start
        if not ranges.at_most(None, inside, c, at):
            return None
        if not ranges.at_most(inside, size, last - c, at):
            # a loop that runs has its counter below the stop
            if v is not counter or integer(step) != 1 or not ranges.at_most(stop, size, last - c + 1, at):
                return None
            may_not_run = True
        if inside is not None and not c:
            indices.append(inside)
            continue
        constant = Op(structural.const, (), (INDEX,), {"value": c}, (), load.loc)
        new.append(constant)
        indices.append(constant.result)
        if inside is not None:
            new.append(Op(e.add, (inside, constant.result), (INDEX,), None, (), load.loc))
            indices[-1] = new[-1].result
    kind = load.result.type
    new.append(Op(structural.view, (element.array, *indices), (kind,), {"pairs": ()}, (), load.loc))
    assert loop.block is not None
    if may_not_run:
        then, otherwise = Block(), Block()
        nothing = Op(structural.const, (), (kind,), {"value": kind.dtype.type(0).item()}, (), load.loc)
        for block, ops in ((then, new), (otherwise, [nothing])):
            for op in ops:
                block.append(op)
            block.append(Op(control.yield_, (ops[-1].result,), (), None, (), load.loc))
        entered = Op(e.lt, (start, stop), (PREDICATE,), None, (), load.loc)
        new = [entered, Op(control.if_, (entered.result,), (kind,), None, (then, otherwise), load.loc)]
    loop.block.insert_before(loop, *new)
    return new[-1].result


# --- order
def _order(loop: Op) -> None:
    """Let what comes from the turn before enter an extremum of several integers last."""
    (body,) = loop.regions
    late: set[Value] = {p for p, v in zip(body.params[1:], body.yields) if not p.rank and v is not p}
    if not late:
        return
    for op in list(body.walk()):
        if not any(v in late for v in op.operands):
            continue
        late.update(r for r in op.results if not r.rank)
        if op.name in _EXTREMA and is_integer(op.result) and not op.result.rank:
            _swap(op, late)


def _swap(op: Op, late: set[Value]) -> None:
    """``op(op(a, left), b)`` as ``op(op(a, b), left)``."""
    for x, b in (op.operands, op.operands[::-1]):
        inner = made_by(x, op.name)
        if inner is None or b in late or len(x.users) > 1 or inner.block is not op.block:
            continue
        for a, left in (inner.operands, inner.operands[::-1]):
            if left in late and a not in late:
                first = Op(op.primitive, (a, b), (ArrayType(op.result.dtype),), None, (), inner.loc)
                assert op.block is not None
                op.block.insert_before(op, first)
                op.set_operands([first.result, left])
                inner.erase()
                return
