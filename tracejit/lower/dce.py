"""Dead code elimination: what neither an effect nor an output needs is removed.

Liveness starts at effects and outputs and flows backwards, through loops and branches result by result. So a value
that a loop carries only to compute itself goes, and with it whatever computed it.
"""

from __future__ import annotations

from tracejit.ir.core import Block, Function, Op, Value


def run(function: Function) -> None:
    """Remove dead ops, dead results of branches, and dead carried values of loops."""
    live = _Liveness()
    live.effects(function.body)
    live.use_all(function.outputs)
    live.use_all(function.params)
    live.spread()
    _sweep(function.body, live)


def carried_slots(op: Op, k: int) -> tuple[Value, list[Value], Value]:
    """The init, the region parameters and the next value of what a ``for`` or ``while`` carries as result ``k``."""
    if op.name == "for":
        (body,) = op.regions
        return op.operands[3 + k], [body.params[1 + k]], body.yields[k]
    condition, body = op.regions
    return op.operands[k], [condition.params[k], body.params[k]], body.yields[k]


def drop_slots(op: Op, keep: list[int]) -> None:
    """Leave only the results ``keep`` of an ``if``, or the carried values ``keep`` of a loop; the others are unused."""
    dropped = [r for k, r in enumerate(op.results) if k not in set(keep)]
    op.results = [op.results[k] for k in keep]
    for r in dropped:
        _forget_dims(r)
    first = 1 if op.name == "for" else 0
    for region in op.regions:
        if op.name != "if":
            for p in (p for k, p in enumerate(region.params[first:]) if k not in set(keep)):
                _forget_dims(p)
            region.params = region.params[:first] + [region.params[first + k] for k in keep]
        if op.name != "while" or region is op.regions[1]:
            region.terminator.set_operands([region.yields[k] for k in keep])
    if op.name == "for":
        op.set_operands(op.operands[:3] + [op.operands[3 + k] for k in keep])
    elif op.name == "while":
        op.set_operands([op.operands[k] for k in keep])


def _forget_dims(v: Value) -> None:
    for d in v.type.shape:
        if isinstance(d, Value):
            d.dim_users.pop(v, None)


class _Liveness:
    def __init__(self) -> None:
        self.values: set[Value] = set()
        self.ops: set[Op] = set()
        self.work: list[Value] = []
        self.slots: dict[Value, tuple[Op, int]] = {}

    def use_all(self, values: list[Value]) -> None:
        for v in values:
            if v not in self.values:
                self.values.add(v)
                self.work.append(v)

    def effects(self, block: Block) -> bool:
        """Mark ops with effects inside ``block``, and the ops around them; whether there are any."""
        found = False
        for op in block.ops[:-1]:
            if op.regions:
                inside = False
                for region in op.regions:
                    inside |= self.effects(region)
                if inside:
                    self.need(op)
                    found = True
                first = 1 if op.name == "for" else 0
                if op.name in ("for", "while"):
                    for region in op.regions:
                        for k, p in enumerate(region.params[first:]):
                            self.slots[p] = (op, k)
            elif not op.primitive.pure:
                self.need(op)
                self.use_all(op.operands)
                found = True
        return found

    def need(self, op: Op) -> None:
        """The op runs; what it carries or yields is needed slot by slot."""
        if op in self.ops:
            return
        self.ops.add(op)
        match op.name:
            case "if":
                self.use_all(op.operands)
            case "for":
                self.use_all(op.operands[:3])
            case "while":
                self.use_all(op.regions[0].yields)
            case _:
                self.use_all(op.operands)
                for region in op.regions:
                    self.use_all(region.yields)

    def spread(self) -> None:
        while self.work:
            v = self.work.pop()
            for d in v.type.shape:
                if isinstance(d, Value):
                    self.use_all([d])
            op = v.op
            if op is None:
                if v in self.slots:
                    self.slot(*self.slots[v])
                elif isinstance(v.owner, Block) and v.owner.parent is not None:
                    self.need(v.owner.parent)
                continue
            self.need(op)
            if op.name == "if":
                k = op.results.index(v)
                self.use_all([region.yields[k] for region in op.regions])
            elif op.name in ("for", "while"):
                self.slot(op, op.results.index(v))

    def slot(self, op: Op, k: int) -> None:
        self.need(op)
        init, params, following = carried_slots(op, k)
        self.use_all([op.results[k], init, *params, following])


def _sweep(block: Block, live: _Liveness) -> None:
    kept = []
    for op in reversed(block.ops):
        if op.primitive.terminator:
            kept.append(op)
            continue
        if op not in live.ops:
            op.block = None
            op.drop_references()
            continue
        kept.append(op)
        if op.regions:
            if op.name in ("if", "for", "while") and not all(r in live.values for r in op.results):
                drop_slots(op, [k for k, r in enumerate(op.results) if r in live.values])
            for region in op.regions:
                _sweep(region, live)
    kept.reverse()
    block.ops = kept
