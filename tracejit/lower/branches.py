"""Rules for control flow: branches that are decided or make no difference, and what loops carry for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tracejit.ir.core import Block, Op, Value
from tracejit.lower.dce import carried_slots, drop_slots
from tracejit.lower.facts import consequences
from tracejit.lower.rewriter import drop, replace
from tracejit.lower.share import attr_key
from tracejit.ops import elementwise as e
from tracejit.ops.effects import constant, has_effects, is_pure, is_speculatable

if TYPE_CHECKING:
    from tracejit.lower.simplify import Simplifier

_BUDGET = 12
"""Cost up to which both arms of a branch are computed."""
_CHECKS = 4
_COMPANIONS = 3
"""Results from which on a branch that is rarely taken stays a branch."""

_COSTS = {
    **dict.fromkeys(("const", "cast", "neg", "not", "abs", "add", "sub", "and", "or", "xor", "select"), 1),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge", "isnan", "isinf", "isfinite", "signbit", "copysign"), 1),
    **dict.fromkeys(("mul", "minimum", "maximum", "fmin", "fmax", "shl", "shr"), 1),
    **dict.fromkeys(("add_overflows", "sub_overflows", "mul_overflows"), 1),
    **dict.fromkeys(("floor", "ceil", "trunc", "rint", "real", "imag", "conj", "complex", "view"), 2),
}
"""What a scalar op costs; ops that are not here are dear."""


@contextmanager
def _knowing(s: Simplifier, facts: list[tuple[Value, bool]]) -> Iterator[None]:
    """Within this context ``facts`` hold."""
    new = {v: truth for v, truth in facts if v not in s.known and constant(v) is None}
    s.known.update(new)
    yield
    for v in new:
        del s.known[v]


def _identical(a: Value, b: Value) -> bool:
    """Whether two values are one, or equal scalar constants (bit for bit)."""
    if a is b:
        return True
    x, y = constant(a), constant(b)
    return x is not None and y is not None and a.type == b.type and attr_key(x) == attr_key(y)


# --- if
def _if(s: Simplifier, op: Op) -> None:
    condition = op.operands[0]
    decided = constant(condition)
    if decided is not None:
        s.replace(op, s.inline(op.regions[0 if decided else 1]))
        return
    for region, truth in zip(op.regions, (True, False)):
        with _knowing(s, list(consequences(condition, truth))):
            s.block(region)
    if not op.results and all(len(r.ops) == 1 for r in op.regions):
        s.replace(op, ())
        return
    if s.flatten:
        for region in op.regions:
            _drop_unused(region)
    stores = _joint_stores(op) if s.flatten else []
    if s.flatten and _is_small(op):
        _flatten(s, op)
        for store in stores:
            s.visit(store)
        return
    _results(s, op)
    if not op.results and all(len(r.ops) == 1 for r in op.regions):
        s.replace(op, ())
    else:
        s.keep(op)
    for store in stores:
        s.visit(store)


def _drop_unused(region: Block) -> None:
    """Drop what checks that have been proved asked for: it is no work."""
    for inner in reversed(region.ops[:-1]):
        if is_pure(inner) and not any(v.is_used for v in inner.results):
            region.remove(inner)
            drop(inner)


def _joint_stores(op: Op) -> list[Op]:
    """Let both arms of a branch that end with a store to one array yield what they store and where; the stores to do
    after the branch.

    What is left in the arms is often little enough to compute both, and a branch that nobody can foresee is gone.
    """
    stores: list[Op] = []
    for k in reversed(range(len(op.results))):
        last = [_last_store(region, k) for region in op.regions]
        if last[0] is None or last[1] is None or last[0].operands[0] is not last[1].operands[0]:
            continue
        if op.regions[0].contains(last[0].operands[0].block) or last[0].attrs != last[1].attrs:
            continue
        new = [Value(v.type, op) for v in last[0].operands[1:]]
        joint = Op(last[0].primitive, (last[0].operands[0], *new), (op.results[k].type,), last[0].attrs, (), op.loc)
        replace(op.results[k], joint.result)
        op.results += new
        for region, store in zip(op.regions, last):
            assert store is not None
            region.terminator.set_operands([*region.yields, *store.operands[1:]])
        drop_slots(op, [n for n in range(len(op.results)) if n != k])
        for store in last:
            assert store is not None
            store.erase()
        stores.append(joint)
    return stores


def _last_store(region: Block, k: int) -> Op | None:
    """The store of one element whose result ``region`` yields, for nothing else and with no effect after it."""
    store = region.yields[k].op
    if store is None or store.name != "update" or store.block is not region or store.operands[1].rank:
        return None
    if (
        list(store.result.users) != [region.terminator]
        or store.result.dim_users
        or region.yields.count(store.result) > 1
    ):
        return None
    return None if any(map(has_effects, region.ops[region.ops.index(store) : -1])) else store


def _results(s: Simplifier, op: Op) -> None:
    """Give results their names outside where both arms yield the same, or values that exist outside."""
    if "rare" not in op.attrs and _is_record(op):
        op.attrs = {**op.attrs, "rare": True}
    keep = []
    for k, r in enumerate(op.results):
        if not r.is_used:
            continue
        a, b = (_outside(s, region, region.yields[k]) for region in op.regions)
        if a is not None and b is not None and (a is b or _identical(a, b)):
            replace(r, a)
        elif a is not None and b is not None and r.rank == 0 and "rare" not in op.attrs:
            replace(r, s.apply(e.select, op.operands[0], a, b))
        else:
            keep.append(k)
    if len(keep) < len(op.results):
        drop_slots(op, keep)


def _is_record(op: Op) -> bool:
    """Whether a branch keeps track of an extremum and of where it was met: ``if x > best: best, i, j = x, k, m``.

    The more numbers have been seen, the fewer of them are records, so that the branch is foreseen by the processor
    nearly always. To choose each of the results in every turn takes longer, unless there are few of them.
    """
    order = op.operands[0].op
    if order is None or order.name not in ("lt", "le", "gt", "ge") or sum(r.is_used for r in op.results) < _COMPANIONS:
        return False
    then, otherwise = (region.yields for region in op.regions)
    for x, best in (order.operands, order.operands[::-1]):
        loop = best.owner.parent if isinstance(best.owner, Block) else None
        if (
            loop is not None
            and loop.name in ("for", "while")
            and any(map(lambda a, b: a is x and b is best, then, otherwise))
        ):
            return True
    return False


def _outside(s: Simplifier, region: Block, v: Value) -> Value | None:
    """A value that a region yields, if it can be had outside."""
    if v.block is not region:
        return v
    c = constant(v)
    return s.const(c, v.dtype) if c is not None else None


def _is_small(op: Op) -> bool:
    if "rare" in op.attrs or any(r.rank for r in op.results):
        return False
    cost = 0
    for region in op.regions:
        checks = 0
        for inner in region.ops[:-1]:
            if inner.name == "check":
                checks += 1
                continue
            if inner.name in ("floordiv", "mod") and inner.operands[0].dtype.kind in "iu":
                if constant(inner.operands[1]) is None:
                    return False
                cost += 3
            elif inner.name not in _COSTS:
                return False
            if any(v.rank for v in inner.results) or not is_speculatable(inner):
                return False
            cost += _COSTS.get(inner.name, 0)
        if checks > _CHECKS:
            return False
    return cost <= _BUDGET


def _flatten(s: Simplifier, op: Op) -> None:
    """Compute both arms and choose; a check of an arm only counts when the arm would have run."""
    condition = op.operands[0]
    chosen = []
    for region, truth in zip(op.regions, (True, False)):
        ops, region.ops = region.ops, []
        for inner in ops[:-1]:
            if inner.name == "check":
                skipped = s.apply(e.not_, condition) if truth else condition
                ok = s.apply(e.or_, inner.operands[0], skipped)
                inner.set_operands([ok, *inner.operands[1:]])
            s.keep(inner)
        chosen.append(list(ops[-1].operands))
        ops[-1].block = None
        ops[-1].drop_references()
    s.replace(op, [s.apply(e.select, condition, a, b) for a, b in zip(*chosen)])


# --- loops
def _returns(v: Value, param: Value, init: Value) -> bool:
    """Whether a next value is certainly the init again, given that the parameter is."""
    if v is param or _identical(v, init):
        return True
    op = v.op
    if op is None:
        return False
    if op.name == "select":
        return all(_returns(x, param, init) for x in op.operands[1:])
    if op.name == "if":
        k = op.results.index(v)
        return all(_returns(region.yields[k], param, init) for region in op.regions)
    return False


def _steps_alike(a: Value, b: Value, p: Value, q: Value) -> bool:
    """Whether next value ``a`` is of parameter ``p`` what ``b`` is of ``q``."""
    if a is b:
        return True
    x, y = a.op, b.op
    if x is None or y is None or x.primitive is not y.primitive or x.regions or x.block is not y.block:
        return False
    if len(x.results) != 1 or not is_pure(x) or a.type != b.type or len(x.operands) != len(y.operands):
        return False
    if attr_key(x.attrs) != attr_key(y.attrs):
        return False
    return all((v is p and w is q) or (v is q and w is p) or _identical(v, w) for v, w in zip(x.operands, y.operands))


def _carried(op: Op) -> bool:
    """Values a loop carries unchanged are their inits; of two that are always equal one is carried. Whether there were
    any."""
    slots = [carried_slots(op, k) for k in range(len(op.results))]
    keep: list[int] = []
    for k, (init, params, following) in enumerate(slots):
        if _returns(following, params[-1], init):
            for v in (*params, op.results[k]):
                replace(v, init)
            continue
        for j in keep:
            other_init, other_params, other_following = slots[j]
            if not _identical(init, other_init) or params[-1].type != other_params[-1].type:
                continue
            if _steps_alike(following, other_following, params[-1], other_params[-1]):
                for v, other in zip((*params, op.results[k]), (*other_params, op.results[j])):
                    replace(v, other)
                break
        else:
            keep.append(k)
    if len(keep) < len(slots):
        drop_slots(op, keep)
        return True
    return False


def _for(s: Simplifier, op: Op) -> None:
    start, stop, step = (constant(v) for v in op.operands[:3])
    trips = None
    if isinstance(start, int) and isinstance(stop, int) and isinstance(step, int) and step:
        trips = len(range(start, stop, step))
    if trips == 0 or op.operands[0] is op.operands[1]:
        s.replace(op, op.operands[3:])
        return
    if trips == 1:
        (body,) = op.regions
        for p, v in zip(body.params, (op.operands[0], *op.operands[3:])):
            replace(p, v)
        s.replace(op, s.inline(body))
        return
    _carried(op)
    s.block(op.regions[0])
    s.again |= _carried(op)
    s.keep(op)


def _while(s: Simplifier, op: Op) -> None:
    _carried(op)
    condition, body = op.regions
    s.block(condition)
    predicate = condition.yields[0]
    if constant(predicate) is False:
        inits = list(op.operands)
        for p, v in zip(condition.params, inits):
            replace(p, v)
        s.inline(condition)
        s.replace(op, inits)
        return
    inside = dict(zip(condition.params, body.params))
    facts = [(inside.get(v, v), truth) for v, truth in consequences(predicate, True)]
    with _knowing(s, [(v, truth) for v, truth in facts if v.block is not condition]):
        s.block(body)
    s.again |= _carried(op)
    s.keep(op)


def _check(s: Simplifier, op: Op) -> None:
    if constant(op.operands[0]) is True:
        s.replace(op, ())
    else:
        s.keep(op)


RULES: dict[str, Callable[[Simplifier, Op], None]] = {"if": _if, "while": _while, "for": _for, "check": _check}
