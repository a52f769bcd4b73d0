"""Makes allocations of the loop level cheap: small ones into the frame, repeated ones out of their loops.

A loop that makes a new array in each turn and drops the one before (``x = f(x)``) exchanges two instead.
"""

from __future__ import annotations

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ir.types import INDEX
from tracejit.ops import elementwise, loop, structural
from tracejit.ops.primitive import Primitive

LARGEST = 2048
"""Bytes of the largest array kept in the frame."""


def run(function: Function) -> None:
    """Give ``alloc`` the attribute ``stack``, or move it with its ``free`` around the loop, where its life ends in
    its block; let loops exchange arrays."""
    _block(function.body)


def _block(block: Block) -> None:
    for op in list(block.ops):
        for region in op.regions:
            _block(region)
    for op in list(block.ops):
        if op.primitive is not loop.alloc:
            continue
        frees = _frees(op, block)
        if frees is None:
            continue
        size = _constant(op.operands[0])
        if size is not None and size * op.results[0].dtype.itemsize <= LARGEST:
            op.attrs["stack"] = size
            for free in frees:
                free.erase()
        elif len(frees) == 1 and block.parent is not None and block.parent.name in ("for", "while"):
            _move_out(op, frees[0], block.parent)
    for op in list(block.ops):
        if op.name in ("for", "while"):
            for slot in range(len(op.results)):
                _exchange(op, slot)
    around = block.parent
    if around is not None and around.name in ("for", "while") and block is around.regions[-1]:
        for op in list(block.ops):
            if op.primitive is loop.alloc:
                _lend(op, around)


def _constant(v: Value) -> int | None:
    op = v.op
    return int(op.attrs["value"]) if op is not None and op.primitive is structural.const else None


def _frees(op: Op, block: Block) -> list[Op] | None:
    """The ``free`` ops of an array that ends in the block where it is made; None when it lives on somewhere else."""
    frees = []
    for user in op.results[0].users:
        if user.primitive is loop.free:
            if user.block is not block:
                return None
            frees.append(user)
        elif user.primitive.terminator or user.regions or user.primitive is loop.offset:
            return None
    return frees or None


def _move_out(alloc: Op, free: Op, around: Op) -> None:
    """Allocate once before the loop ``around`` and free after it, when the size does not change inside."""
    inside = alloc.block
    chain = _computation(alloc.operands[0], inside)
    if chain is None or around.block is None:
        return
    outer = around.block
    for op in chain:
        assert op.block is not None
        op.block.remove(op)
        outer.insert_before(around, op)
    assert alloc.block is not None
    alloc.block.remove(alloc)
    outer.insert_before(around, *_at_least_zero(alloc), alloc)
    assert free.block is not None
    free.block.remove(free)
    following = outer.ops.index(around) + 1
    if following < len(outer.ops):
        outer.insert_before(outer.ops[following], free)
    else:
        outer.append(free)


def _at_least_zero(alloc: Op) -> list[Op]:
    """Make the count of an allocation 0 where it is negative, which it can be when the loop makes no turn."""
    (count,) = alloc.operands
    if _constant(count) is not None:
        return []
    zero = Op(structural.const, (), (INDEX,), {"value": 0}, (), alloc.loc)
    most = Op(elementwise.maximum, (count, zero.results[0]), (INDEX,), None, (), alloc.loc)
    alloc.set_operands(most.results)
    return [zero, most]


def _computation(v: Value, block: Block | None) -> list[Op] | None:
    """The pure ops of ``block`` that compute ``v`` from outside values, in order; None when it depends on the turn."""
    op = v.op
    if op is None:
        return None if v.owner is block else []
    if op.block is not block:
        return []
    assert isinstance(op.primitive, Primitive)
    if op.regions or not op.primitive.pure or op.primitive is loop.load:
        return None
    chain: list[Op] = []
    for w in op.operands:
        before = _computation(w, block)
        if before is None:
            return None
        chain += [o for o in before if o not in chain]
    return [*chain, op]


# --- two arrays that a loop exchanges ---------------------------------------------------------------------------------


def _exchange(around: Op, slot: int) -> None:
    """If each turn of a loop allocates what it carries on in a slot, and frees what it was given there, let it carry
    both: the array that was given serves the turn after the next."""
    body = around.regions[-1]
    given, made = _carried(around)[slot], body.yields[slot]
    alloc = made.op
    if alloc is None or alloc.primitive is not loop.alloc or alloc.block is not body or "stack" in alloc.attrs:
        return
    frees = [user for user in given.users if user.primitive is loop.free]
    if len(frees) != 1 or frees[0].block is not body or not _is_local(given, None):
        return
    if body.yields.count(made) != 1 or not _is_local(made, body.terminator):
        return
    count = _count(_inits(around)[slot], {})
    if count is None or not _same_number(count, alloc.operands[0]):
        return
    before = [_again(count)] if count.op is not None and _constant(count) is not None else []
    spare = Op(loop.alloc, before[0].results if before else [count], [made.type], alloc.attrs, (), alloc.loc)
    frees[0].erase()
    other = _carry(around, [*before, spare], given)
    made.replace_by(other)
    alloc.erase()


def _lend(alloc: Op, around: Op) -> None:
    """If each turn of a loop allocates an array for a loop inside, which hands back another one that is freed, let it
    be the array that was handed back in the turn before."""
    inside, (array,) = around.regions[-1], alloc.results
    takers = [user for user in array.users if user.regions]
    if len(takers) != 1 or "stack" in alloc.attrs or not _is_local(array, takers[0]):
        return
    (user,) = takers
    if user.name not in ("for", "while") or user.block is not inside or user.operands.count(array) != 1:
        return
    slot = user.operands.index(array) - (len(user.operands) - len(user.results))
    if slot < 0 or len(user.results[slot].users) != 1:
        return
    last = user.results[slot]
    (free,) = last.users
    size, count = alloc.operands[0], _count(last, {})
    if free.primitive is not loop.free or free.block is not inside or count is None or not _same_number(count, size):
        return
    before = [_again(size)] if _constant(size) is not None else []
    if not before and _computation(size, inside) != []:
        return
    spare = Op(loop.alloc, before[0].results if before else [size], [array.type], alloc.attrs, (), alloc.loc)
    free.erase()
    other = _carry(around, [*before, *_at_least_zero(spare), spare], last)
    array.replace_by(other)
    alloc.erase()


def _carry(around: Op, before: list[Op], following: Value) -> Value:
    """Let a loop carry one more array, the last of ``before`` (which go before the loop), carry ``following`` on, and
    free it after the last turn; the array in a turn."""
    assert around.block is not None
    around.block.insert_before(around, *before)
    array = before[-1].results[0]
    around.set_operands([*around.operands, array])
    for region in around.regions[:-1]:
        region.add_param(array.type)
    body = around.regions[-1]
    param = body.add_param(array.type)
    body.terminator.set_operands([*body.yields, following])
    last = Value(array.type, around)
    around.results.append(last)
    free = Op(loop.free, (last,), (), None, (), around.loc)
    around.block.insert_before(around.block.ops[around.block.ops.index(around) + 1], free)
    return param


def _carried(around: Op) -> list[Value]:
    params = around.regions[-1].params
    return params[len(params) - len(around.results) :]


def _inits(around: Op) -> list[Value]:
    return around.operands[len(around.operands) - len(around.results) :]


def _count(array: Value, known: dict[Value, Value]) -> Value | None:
    """How many elements a buffer was allocated for, as far as that can be seen; ``known`` is taken for granted."""
    if array in known:
        return known[array]
    op = array.op
    if op is not None and op.primitive is loop.alloc:
        return None if "stack" in op.attrs else op.operands[0]
    if op is not None and op.name in ("for", "while"):
        return _count_carried(op, op.results.index(array), known)
    block = array.owner
    if isinstance(block, Block) and block.parent is not None and block.parent.name in ("for", "while"):
        params = _carried(block.parent)
        if block is block.parent.regions[-1] and array in params:
            return _count_carried(block.parent, params.index(array), known)
    return None


def _count_carried(around: Op, slot: int, known: dict[Value, Value]) -> Value | None:
    count = _count(_inits(around)[slot], known)
    if count is None:
        return None
    inner = {**known, _carried(around)[slot]: count}
    following = _count(around.regions[-1].yields[slot], inner)
    return count if following is not None and _same_number(count, following) else None


def _is_local(array: Value, end: Op | None) -> bool:
    """Whether nothing takes an array over, but the terminator ``end``, or a ``free`` where ``end`` is None."""
    for user in array.users:
        if user is end or (end is None and user.primitive is loop.free):
            continue
        if user.primitive is loop.free or user.primitive.terminator or user.regions or user.primitive is loop.offset:
            return False
    return True


def _same_number(x: Value, y: Value) -> bool:
    x, y = _unclipped(x), _unclipped(y)
    return x is y or (_constant(x) is not None and _constant(x) == _constant(y))


def _unclipped(count: Value) -> Value:
    """A count apart from what :func:`_at_least_zero` has made of it: where it is used at all, it is not negative."""
    op = count.op
    return op.operands[0] if op is not None and op.name == "maximum" and _constant(op.operands[1]) == 0 else count


def _again(constant: Value) -> Op:
    """A copy of a constant."""
    op = constant.op
    assert op is not None
    return Op(structural.const, (), (constant.type,), op.attrs, (), op.loc)
