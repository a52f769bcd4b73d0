"""Values, ops with regions, blocks, functions.

One data structure serves every level: the array level (NumPy-like ops on whole arrays) and the loop level (scalars,
loads, stores, loops) differ only in the primitives they use. Regions are single blocks that end in a terminator;
block parameters take the place of phi nodes; regions read outer values by dominance. Equality is identity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from tracejit.ir.loc import UNKNOWN, Loc
from tracejit.ir.types import ArrayType, BufferType, Dim, Type

_labels = count()


class PrimitiveBase:
    """The identity of an op and the traits that IR algorithms need; :mod:`tracejit.ops` adds what it means.

    Attributes:
        name: Name in IR text, unique.
        pure: Without effect and total: may be removed when unused, shared with an equal op, and moved.
        terminator: Ends a block.
    """

    name: str = ""
    pure: bool = True
    terminator: bool = False

    def problem(self, op: Op) -> str | None:
        """What is wrong with ``op`` as an application of this primitive (the verifier asks), or None."""
        return None

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


class Value:
    """An SSA value: a result of an op or a parameter of a block."""

    __slots__ = ("dim_users", "hint", "label", "owner", "type", "users")

    def __init__(self, type: Type, owner: Op | Block | None = None, hint: str | None = None) -> None:
        self.type = type
        self.owner = owner
        self.hint = hint
        self.label = str(next(_labels))
        self.users: dict[Op, int] = {}
        self.dim_users: dict[Value, None] = {}
        for d in type.shape:
            if not isinstance(d, int):
                d.dim_users[self] = None

    @property
    def dtype(self) -> Any:
        return self.type.dtype

    @property
    def shape(self) -> tuple[Dim, ...]:
        return self.type.shape

    @property
    def rank(self) -> int:
        return len(self.type.shape)

    @property
    def op(self) -> Op | None:
        """The op that defines this value, or None for a block parameter."""
        return self.owner if isinstance(self.owner, Op) else None

    @property
    def block(self) -> Block | None:
        """The block this value is defined in."""
        return self.owner if isinstance(self.owner, Block) else self.owner.block if self.owner else None

    @property
    def is_used(self) -> bool:
        return bool(self.users) or bool(self.dim_users)

    def set_type(self, type: Type) -> None:
        for d in self.type.shape:
            if not isinstance(d, int):
                d.dim_users.pop(self, None)
        self.type = type
        for d in type.shape:
            if not isinstance(d, int):
                d.dim_users[self] = None

    def replace_by(self, new: Dim) -> None:
        """Let every op, and every type that mentions this value as a dimension, use ``new`` instead.

        ``new`` may be an int only when this value is used as a dimension alone.
        """
        if new is self:
            return
        if isinstance(new, Value):
            for user in list(self.users):
                user.replace_operand(self, new)
        elif self.users:
            raise ValueError("an operand cannot be replaced by an int")
        for holder in list(self.dim_users):
            t = holder.type
            assert isinstance(t, ArrayType)
            holder.set_type(t.with_shape(tuple(new if d is self else d for d in t.shape)))

    def __repr__(self) -> str:
        return f"%{self.label}: {self.type}"


class Op:
    """One operation: a primitive applied to operands, with attributes, regions, results and a source location."""

    __slots__ = ("attrs", "block", "loc", "name", "operands", "primitive", "regions", "results")

    def __init__(
        self,
        primitive: PrimitiveBase,
        operands: Sequence[Value],
        result_types: Sequence[Type],
        attrs: Mapping[str, Any] | None = None,
        regions: Sequence[Block] = (),
        loc: Loc = UNKNOWN,
    ) -> None:
        self.primitive = primitive
        self.name = primitive.name
        self.operands: list[Value] = list(operands)
        self.attrs: dict[str, Any] = dict(attrs) if attrs else {}
        self.regions: list[Block] = list(regions)
        self.loc = loc
        self.block: Block | None = None
        for v in self.operands:
            v.users[self] = v.users.get(self, 0) + 1
        for r in self.regions:
            r.parent = self
        self.results: list[Value] = []
        for t in result_types:
            self.results.append(Value(t, self))

    @property
    def result(self) -> Value:
        """The only result."""
        (r,) = self.results
        return r

    def replace_operand(self, old: Value, new: Value) -> None:
        n = old.users.pop(self, 0)
        if n:
            self.operands = [new if v is old else v for v in self.operands]
            new.users[self] = new.users.get(self, 0) + n

    def set_operands(self, operands: Sequence[Value]) -> None:
        for v in self.operands:
            v.users.pop(self, None)
        self.operands = list(operands)
        for v in self.operands:
            v.users[self] = v.users.get(self, 0) + 1

    def replace_by(self, values: Sequence[Value]) -> None:
        """Let all users of the results use ``values`` and erase this op."""
        for old, new in zip(self.results, values, strict=True):
            old.replace_by(new)
        self.erase()

    def erase(self) -> None:
        """Remove this op, whose results must be unused, and drop its uses of other values (regions included)."""
        assert not any(r.users for r in self.results), f"{self.name} still has users"
        if self.block is not None:
            self.block.ops.remove(self)
            self.block = None
        self.drop_references()

    def drop_references(self) -> None:
        """Forget the uses this op and its regions make of other values."""
        for v in self.operands:
            v.users.pop(self, None)
        self.operands = []
        for r in self.results:
            for d in r.type.shape:
                if isinstance(d, Value):
                    d.dim_users.pop(r, None)
        for region in self.regions:
            region.drop_references()

    def inputs(self) -> Iterator[Value]:
        """Operands, and outside values that the result types mention as dimensions."""
        yield from self.operands
        for r in self.results:
            for d in r.type.shape:
                if isinstance(d, Value) and d.owner is not self:
                    yield d

    def walk(self) -> Iterator[Op]:
        """This op and every op inside its regions, in order."""
        yield self
        for r in self.regions:
            yield from r.walk()

    def __repr__(self) -> str:
        return f"<{self.name} {self.results}>"


class Block:
    """A list of ops with parameters, ending in a terminator."""

    __slots__ = ("ops", "params", "parent")

    def __init__(self, param_types: Iterable[Type] = ()) -> None:
        self.params: list[Value] = [Value(t, self) for t in param_types]
        self.ops: list[Op] = []
        self.parent: Op | None = None

    def add_param(self, type: Type, hint: str | None = None) -> Value:
        v = Value(type, self, hint)
        self.params.append(v)
        return v

    def append(self, op: Op) -> Op:
        op.block = self
        self.ops.append(op)
        return op

    def insert_before(self, anchor: Op, *ops: Op) -> None:
        i = self.ops.index(anchor)
        self.ops[i:i] = ops
        for op in ops:
            op.block = self

    def remove(self, op: Op) -> None:
        """Take ``op`` out without touching its uses (to put it elsewhere)."""
        self.ops.remove(op)
        op.block = None

    @property
    def terminator(self) -> Op:
        return self.ops[-1]

    @property
    def yields(self) -> list[Value]:
        """Operands of the terminator."""
        return self.ops[-1].operands

    def walk(self) -> Iterator[Op]:
        for op in list(self.ops):
            yield from op.walk()

    def drop_references(self) -> None:
        for op in self.ops:
            op.drop_references()
        for p in self.params:
            for d in p.type.shape:
                if isinstance(d, Value):
                    d.dim_users.pop(p, None)

    def contains(self, other: Block | None) -> bool:
        """Whether ``other`` is this block or lies inside one of its ops."""
        while other is not None:
            if other is self:
                return True
            other = other.parent.block if other.parent is not None else None
        return False


class Function:
    """A whole program: a body whose parameters are the inputs and whose ``return`` gives the outputs.

    Attributes:
        name: The user's function name.
        body: The top block.
        meta: Facts about parameters and outputs that later stages need, by documented keys
            (see ``docs/architecture.md``): ``"mutated"``: ``{param index: output index}`` of arrays the program writes
            into, the output being the final contents.
    """

    def __init__(self, name: str, body: Block | None = None, meta: dict[str, Any] | None = None) -> None:
        self.name = name
        self.body = body if body is not None else Block()
        self.meta: dict[str, Any] = meta if meta is not None else {}

    @property
    def params(self) -> list[Value]:
        return self.body.params

    @property
    def outputs(self) -> list[Value]:
        return self.body.yields

    def walk(self) -> Iterator[Op]:
        return self.body.walk()

    def clone(self) -> Function:
        return Function(self.name, clone_block(self.body, {}), dict(self.meta))

    def __str__(self) -> str:
        from tracejit.ir.text import print_function

        return print_function(self)


def map_type(type: Type, mapping: Mapping[Value, Value]) -> Type:
    """``type`` with dimensions replaced by ``mapping``."""
    if isinstance(type, BufferType) or type.is_static:
        return type
    return type.with_shape(tuple(d if isinstance(d, int) else mapping.get(d, d) for d in type.shape))


def clone_op(op: Op, mapping: dict[Value, Value]) -> Op:
    """A copy of ``op`` (not yet in a block) whose operands and dimensions go through ``mapping``, which learns the
    copy's results."""
    regions = [clone_block(r, mapping) for r in op.regions]
    new = Op(op.primitive, [mapping.get(v, v) for v in op.operands], (), op.attrs, regions, op.loc)
    for old in op.results:
        v = Value(map_type(old.type, mapping), new, old.hint)
        mapping[old] = v
        new.results.append(v)
    _remap_own_dims(op.results, mapping)
    return new


def clone_block(block: Block, mapping: dict[Value, Value]) -> Block:
    """A deep copy of ``block``; ``mapping`` learns every copied value."""
    new = Block()
    for p in block.params:
        mapping[p] = new.add_param(map_type(p.type, mapping), p.hint)
    _remap_own_dims(block.params, mapping)
    for op in block.ops:
        new.append(clone_op(op, mapping))
    return new


def _remap_own_dims(olds: Sequence[Value], mapping: Mapping[Value, Value]) -> None:
    # siblings may mention each other in any order, so types are mapped again once all copies exist
    for old in olds:
        if isinstance(old.type, ArrayType) and not old.type.is_static:
            mapping[old].set_type(map_type(old.type, mapping))


def inline_block(block: Block, arguments: Sequence[Value], emit: Callable[[Op], object]) -> list[Value]:
    """Copy the ops of ``block``, parameters bound to ``arguments``, through ``emit``; return the values it yields."""
    mapping: dict[Value, Value] = dict(zip(block.params, arguments, strict=True))
    for op in block.ops[:-1]:
        emit(clone_op(op, mapping))
    return [mapping.get(v, v) for v in block.yields]
