"""Checks that a function is well-formed IR; tests run it after every pass."""

from __future__ import annotations

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ir.text import print_op, value_names
from tracejit.ir.types import INDEX

_CONTEXT = 4


class VerifyError(Exception):
    """The IR is not well-formed; the message says why and shows the op with its neighbours."""


def verify(function: Function) -> None:
    """Raise :class:`VerifyError` unless ``function`` is well-formed.

    That is: each op lies in one block, which knows it; terminators end blocks, and nothing else does; operands and
    dimensions are defined before they are used, where the use can see them; use lists say exactly who uses what; each
    op is a proper application of its primitive.
    """
    _Verifier(function).run()


class _Verifier:
    def __init__(self, function: Function) -> None:
        self.function = function
        self.visible: dict[Value, None] = {}
        self.seen: set[Op] = set()
        self.users: dict[Value, dict[Op, int]] = {}
        self.dim_users: dict[Value, set[Value]] = {}

    def run(self) -> None:
        body = self.function.body
        if body.parent is not None:
            raise VerifyError("the body of a function has a parent op")
        self.block(body, "return")
        self.uses()

    def fail(self, message: str, block: Block | None, op: Op | None) -> None:
        names = value_names(self.function)
        if block is None or op is None:
            raise VerifyError(f"{self.function.name}: {message}")
        at = next(k for k, other in enumerate(block.ops) if other is op)
        lines = []
        for other in block.ops[max(0, at - _CONTEXT) : at + _CONTEXT + 1]:
            head = ">>> " if other is op else "    "
            lines += [head + line for line in print_op(other, names).split("\n")]
        where = f" ({op.loc})" if op.loc.line else ""
        raise VerifyError(f"{self.function.name}: {op.name}{where}: {message}\n" + "\n".join(lines))

    def define(self, values: list[Value], owner: Op | Block, block: Block | None, op: Op | None) -> None:
        for v in values:
            if v.owner is not owner:
                self.fail(f"{v} says that its owner is {v.owner}", block, op)
            if v in self.visible:
                self.fail(f"{v} is defined twice", block, op)
            self.visible[v] = None
            self.users[v] = {}
            self.dim_users[v] = set()
        for v in values:
            for d in v.type.shape:
                if isinstance(d, Value):
                    if d not in self.visible:
                        self.fail(f"the dimension {d} of {v} is not defined here", block, op)
                    if d.type != INDEX:
                        self.fail(f"the dimension {d} of {v} is not an i64 scalar", block, op)
                    self.dim_users[d].add(v)
                elif d < 0:
                    self.fail(f"{v} has a negative dimension", block, op)

    def block(self, block: Block, terminator: str) -> None:
        outside = len(self.visible)
        holder = block.parent
        self.define(block.params, block, holder.block if holder is not None else None, holder)
        if not block.ops or not block.terminator.primitive.terminator:
            self.fail("a block without a terminator", None, None)
        for op in block.ops:
            self.op(op, block, terminator)
        while len(self.visible) > outside:
            self.visible.popitem()

    def op(self, op: Op, block: Block, terminator: str) -> None:
        if op in self.seen:
            self.fail("the op occurs twice", block, op)
        self.seen.add(op)
        if op.block is not block:
            self.fail("the op says that it is in another block", block, op)
        if op.primitive.terminator != (op is block.ops[-1]):
            self.fail("a terminator ends a block, and nothing else does", block, op)
        if op.primitive.terminator and op.name != terminator:
            self.fail(f"{terminator!r} is expected", block, op)
        for v in op.operands:
            if v not in self.visible:
                self.fail(f"the operand {v} is not defined here", block, op)
            uses = self.users[v]
            uses[op] = uses.get(op, 0) + 1
        for region in op.regions:
            if region.parent is not op:
                self.fail("a region has another parent", block, op)
            if not region.ops or not region.terminator.primitive.terminator:
                self.fail("a region without a terminator", block, op)
            self.block(region, "yield")
        problem = op.primitive.problem(op)
        if problem is not None:
            self.fail(problem, block, op)
        self.define(op.results, op, block, op)

    def uses(self) -> None:
        for v, users in self.users.items():
            if v.users != users:
                stale = {*v.users, *users} - {u for u in users if v.users.get(u) == users[u]}
                self.fail(f"the use list of {v} is wrong about {[u.name for u in stale]}", *_place(v))
            if set(v.dim_users) != self.dim_users[v]:
                wrong = set(v.dim_users) ^ self.dim_users[v]
                self.fail(f"the list of types that mention {v} is wrong about {sorted(map(repr, wrong))}", *_place(v))


def _place(v: Value) -> tuple[Block | None, Op | None]:
    op = v.op
    return (op.block, op) if op is not None else (None, None)
