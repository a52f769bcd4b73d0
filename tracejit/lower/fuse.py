"""Fusion: decide which arrays are stored, and group the ops that compute each of them into one ``fusion`` op.

Every array-level op that makes an array is either a *root*, whose result is stored in memory by one loop nest, or it
is *inlined*: its elements are computed inside the nests of its consumers. The body of a ``fusion`` holds the inlined
ops and, last, the root.

An op is inlined when that costs no work twice: all its consumers belong to one group and read it at the same index,
or it is so cheap that computing it again is cheaper than a trip through memory. It is not inlined past a write to an
array it reads.
"""

from __future__ import annotations

from collections.abc import Iterator

from tracejit.ir.core import Block, Function, Op, Value, clone_op, map_type
from tracejit.ir.types import ArrayType
from tracejit.ops import control, structural
from tracejit.ops.primitive import Primitive

CHEAP = 4
"""How many element operations may be repeated rather than stored."""

COSTLY = 10
"""From how many element operations on an expression is worth vectors of its own."""

_PLAIN = {"mul", "neg", "conj", "sign", "add", "sub"}
"""Ops that are cheap on complex numbers too."""

_INLINABLE = {"view", "reshape", "iota", "gather"}
_ROOT_ONLY = {"update", "scatter", "concat", "nonzero", "matmul", "sort", "argsort", "solve", "cholesky", "det"}


def run(function: Function) -> None:
    """Fuse every block of ``function``."""
    _fuse_block(function.body)


def writes_base(op: Op) -> bool:
    """Whether ``op`` is a store in SSA form: its result is operand 0 with some elements replaced."""
    return op.primitive in (structural.update, structural.scatter)


def is_alias_reshape(op: Op) -> bool:
    """Whether a ``reshape`` only renames a stored array, which is the case when something stores into it or carries
    it."""
    if op.primitive is not structural.reshape:
        return False
    return any(
        (writes_base(u) and u.operands[0] is op.results[0])
        or u.regions
        or u.primitive.terminator
        or u.name == "reshape"
        for u in op.results[0].users
    )


def _family(op: Op) -> str:
    assert isinstance(op.primitive, Primitive)
    return op.primitive.family


def _makes_arrays(op: Op) -> bool:
    return any(r.rank for r in op.results)


def _is_candidate(op: Op) -> bool:
    """Whether the op may be inlined into its consumers."""
    if len(op.results) != 1 or not op.results[0].rank or is_alias_reshape(op):
        return False
    return _family(op) == "elementwise" or op.name in _INLINABLE


def _is_root_kind(op: Op) -> bool:
    """Whether the op is computed by a loop nest of its own when it is not inlined."""
    if op.name in ("const", "empty") or is_alias_reshape(op):
        return False
    if writes_base(op):
        return op.operands[1].rank > 0 or op.name == "scatter"
    if op.name in _ROOT_ONLY or _family(op) == "reduction":
        return any(v.rank for v in op.operands)
    return _makes_arrays(op) and _is_candidate(op)


def _inline_operands(op: Op) -> Iterator[tuple[int, Value]]:
    """The array operands of a consumer that may be computed on the fly, with their positions."""
    if op.name == "matmul":
        for k, v in enumerate(op.operands):
            if v.op is None:
                continue
            if v.op.name == "view":
                if len(v.users) == 1 and _keeps_matrix(v.op):
                    yield k, v
            elif k == 0 and reads_rows(op):
                yield k, v
        return
    first = 1 if writes_base(op) else 0
    for k, v in enumerate(op.operands):
        if k >= first and v.rank:
            yield k, v


def reads_rows(op: Op) -> bool:
    """Whether a product reads each element of its first operand once, row by row: a matrix times a vector."""
    return op.name == "matmul" and op.operands[1].shape[-1] == 1


def _computes_rows(product: Op, op: Op) -> bool:
    """Whether ``op`` is computed element by element as a part of the matrix that ``product`` reads row by row."""
    matrix, vector = (v.op for v in product.operands)
    if not reads_rows(product) or matrix is None or matrix.name == "view":
        return False
    return _is_part(op, matrix) and not (vector is not None and _is_part(op, vector))


def _is_part(op: Op, whole: Op) -> bool:
    """Whether ``op`` is among what is computed on the fly for ``whole``, if all of it is."""
    seen: set[Op] = set()
    todo = [whole]
    while todo:
        found = todo.pop()
        if found is op:
            return True
        if found not in seen and _is_candidate(found):
            seen.add(found)
            todo += [v.op for v in found.operands if v.op is not None]
    return False


def _keeps_matrix(view: Op) -> bool:
    """Whether a view of a matrix can be handed to the matrix product as it is (strides instead of a copy).

    What it is a view of will be stored, because it is not inlined into a product; but another view may be.
    """
    source = view.operands[0]
    if not source.rank:  # a broadcast number is stored nowhere
        return False
    return source.op is None or source.op.block is not view.block or source.op.name != "view"


def element_cost(op: Op) -> int:
    """Roughly how many simple operations one element costs."""
    if op.name in ("view", "reshape", "iota", "cast"):
        return 0 if op.name != "reshape" else 2
    if op.name == "gather":
        return 3
    assert isinstance(op.primitive, Primitive)
    kind = op.operands[0].dtype.kind
    how = op.primitive.codegen.get(kind, "")
    if how.startswith("math") or op.name == "pow" or (kind == "c" and how.startswith("emit") and op.name not in _PLAIN):
        return 10
    return 4 if op.name in ("div", "sqrt", "floordiv", "mod") else 1


def _repeats(op: Op) -> bool:
    """Whether a view of an array shows its elements several times."""
    return op.name == "view" and len({axis for _, axis in op.attrs["pairs"]}) < op.results[0].rank


def _repeats_outer(op: Op) -> bool:
    """Whether a view reads elements again for every turn of a loop outside the ones that vary them."""
    if op.name != "view":
        return False
    paired = {axis for _, axis in op.attrs["pairs"]}
    free = [axis for axis in range(op.results[0].rank) if axis not in paired]
    return bool(free) and bool(paired) and min(free) < max(paired)


class _Analysis:
    """Facts about one block: positions, what every array reads, and where arrays are written."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.position = {op: k for k, op in enumerate(block.ops)}
        self.cost: dict[Value, int] = {}
        self.reads: dict[Value, frozenset[Value]] = {}
        for op in block.ops:
            if _is_candidate(op):
                (r,) = op.results
                arrays = [v for v in op.operands if v.rank]
                self.cost[r] = element_cost(op) + sum(self.cost.get(v, 1) for v in arrays)
                self.reads[r] = frozenset().union(*(self.reads.get(v, frozenset((v,))) for v in arrays))
        self.writes: dict[Value, list[int]] = {}
        for k, op in enumerate(block.ops):
            for v in _overwritten(op):
                self.writes.setdefault(v, []).append(k)

    def written_between(self, arrays: frozenset[Value], first: Op, last: Op) -> bool:
        low, high = self.position[first], self.position[last]
        return any(low < k < high for v in arrays for k in self.writes.get(v, ()))

    def in_block(self, op: Op) -> bool:
        return op.block is self.block


def _overwritten(op: Op) -> Iterator[Value]:
    """Arrays whose memory ``op`` may take over or write into."""
    for inner in op.walk():
        if writes_base(inner) or inner.name == "reshape":
            yield inner.operands[0]
        elif inner.regions or inner.primitive.terminator:
            yield from (v for v in inner.operands if v.rank)


def _fuse_block(block: Block) -> None:
    for op in block.ops:
        for region in op.regions:
            _fuse_block(region)
    facts = _Analysis(block)
    groups: dict[Op, set[Op]] = {}  # inlined op -> the roots that compute it
    contexts: dict[Op, set[tuple[Op, object]]] = {}  # inlined op -> (root, index at which the root reads it)
    roots: list[Op] = []
    for op in reversed(block.ops):
        if not _is_root_kind(op):
            continue
        found = _inlining(op, facts, contexts) if _is_candidate(op) else None
        if found is None:
            roots.append(op)
            contexts[op] = {(op, None)}
        else:
            contexts[op] = found
            groups[op] = {root for root, _ in found}
    fusions = {root: _make_fusion(root, groups) for root in reversed(roots)}
    before = block.ops
    block.ops = [fusions.get(op, op) for op in before if op not in groups]
    for op in reversed(before):
        if op in groups or op in fusions:
            op.block = None
            op.drop_references()


def _inlining(op: Op, facts: _Analysis, contexts: dict[Op, set[tuple[Op, object]]]) -> set[tuple[Op, object]] | None:
    """At which indices of which roots ``op`` would be computed if inlined; None when it must be stored."""
    (value,) = op.results
    if value.op is None or not value.users:
        return None
    reached: set[tuple[Op, object]] = set()
    for user in value.users:
        if not facts.in_block(user) or user not in contexts:
            return None
        positions = [k for k, v in _inline_operands(user) if v is value]
        if len(positions) != value.users[user]:
            return None
        for k in positions:
            moves = user.name in ("view", "reshape", "gather", "scatter", "concat")
            for root, index in contexts[user]:
                reached.add(
                    (root, (index, user, k if user.name in ("gather", "scatter", "concat") else 0) if moves else index)
                )
        if _repeats_outer(user) and facts.cost[value] > 2:
            return None
        if user.name == "nonzero" and facts.cost[value] > 2 * CHEAP:
            return None  # the mask is gone through twice: to count, and to list
        if _repeats(user) and facts.cost[value] >= COSTLY:
            return None  # once per element, outside of the innermost loop, it would not be computed in vectors
    if len(reached) > 1 and facts.cost[value] * (len(reached) - 1) > CHEAP:
        return None
    if op.name != "view" and any(root.name == "matmul" and not _computes_rows(root, op) for root, _ in reached):
        return None
    for root, _ in reached:
        if facts.written_between(facts.reads[value], op, root):
            return None
    return reached


def _make_fusion(root: Op, groups: dict[Op, set[Op]]) -> Op:
    """The fusion op whose body holds ``root`` and the ops inlined into it, and whose results are now used instead."""
    members: dict[Op, None] = {}

    def collect(op: Op) -> None:
        for _, v in _inline_operands(op):
            producer = v.op
            if producer is not None and producer in groups and root in groups[producer] and producer not in members:
                collect(producer)
                members[producer] = None

    collect(root)
    body = Block()
    mapping: dict[Value, Value] = {}
    for op in (*members, root):
        body.append(clone_op(op, mapping))
    body.append(Op(control.yield_, [mapping[r] for r in root.results], ()))
    fusion = Op(control.fusion, (), (), None, (body,), root.loc)
    outer: dict[Value, Value] = {}
    for r in root.results:
        v = Value(r.type, fusion, r.hint)
        fusion.results.append(v)
        outer[r] = v
    for v in fusion.results:
        if isinstance(v.type, ArrayType) and not v.type.is_static:
            v.set_type(map_type(v.type, outer))
    for old, new in zip(root.results, fusion.results):
        old.replace_by(new)
    fusion.block = root.block
    return fusion
