"""Common subexpressions: a pure op equal to one that dominates it gives way to it.

Equal means the same primitive, operands, attributes and result types; for control flow without effects, equal regions
too. One number at every index is shared within its block only. A ``check`` of a condition that a dominating ``check``
has asked already is removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ir.types import ArrayType, Dim
from tracejit.ops.effects import is_pure
from tracejit.ops.primitive import Primitive

Key = tuple[Any, ...]

_UNSHARED = frozenset({"empty"})
"""Uninitialised arrays are made to be written into: one array for two of them would have to be copied."""


def run(function: Function) -> None:
    """Share equal ops of ``function``."""
    _negate_once(function)
    _Sharer().block(function.body)


def _negate_once(function: Function) -> None:
    """Negations of an integer stand where it is defined, so that there is one. Lengths are negated by all checks of
    indices, in every loop and branch: what one of them says is then known to the others."""
    for op in list(function.walk()):
        if op.name != "neg" or op.result.rank or op.result.dtype.kind != "i":
            continue
        (v,) = op.operands
        if op.block is v.block or op.block is None or v.block is None:
            continue
        op.block.remove(op)
        v.block.ops.insert(0 if v.op is None else v.block.ops.index(v.op) + 1, op)
        op.block = v.block


class _Sharer:
    """A walk in order of execution with a table of what is available, block by block."""

    def __init__(self) -> None:
        self.table: dict[Key, Op] = {}

    def block(self, block: Block) -> None:
        added: list[Key] = []
        kept: list[Op] = []
        for op in block.ops:
            for region in op.regions:
                self.block(region)
            key = self.key(op)
            if key is None:
                kept.append(op)
                continue
            found = self.table.get(key)
            if found is None:
                self.table[key] = op
                added.append(key)
                kept.append(op)
                continue
            for old, new in zip(op.results, found.results):
                old.replace_by(new)
            op.block = None
            op.drop_references()
        block.ops = kept
        for key in added:
            del self.table[key]

    def key(self, op: Op) -> Key | None:
        """What two ops must have in common to be equal, or None for one that is never shared."""
        if op.name == "check":
            return ("check", op.operands[0])
        if op.name in _UNSHARED or not is_pure(op):
            return None
        if op.name == "iota" or (op.name == "view" and not op.operands[0].rank):
            # numbers that need no memory where they are used; shared with a block around this one they would
            return (op.block, *op_key(op, {}))
        return op_key(op, {})


def op_key(op: Op, inside: dict[Value, tuple[int]]) -> Key:
    """The structure of ``op`` as a hashable value; values defined inside a region go by their numbers in ``inside``."""
    operands: list[Any] = [inside.get(v, v) for v in op.operands] if inside else list(op.operands)
    primitive = op.primitive
    if isinstance(primitive, Primitive) and primitive.commutative and len(operands) == 2 and not inside:
        if operands[0].label > operands[1].label:
            operands.reverse()
    shapes: list[Any] = []
    own = op.results
    for r in own:
        shape = r.type.shape
        if shape:
            static = isinstance(r.type, ArrayType) and r.type.is_static
            shapes.append(shape if static else tuple(_dim_key(d, own, inside) for d in shape))
        shapes.append(r.type.dtype.num)
    attrs = tuple((k, attr_key(v)) for k, v in op.attrs.items()) if op.attrs else ()
    if not op.regions:
        return (primitive, tuple(operands), attrs, tuple(shapes))
    regions = []
    for region in op.regions:
        regions.append(_region_key(region, inside))
    return (primitive, tuple(operands), attrs, tuple(shapes), tuple(regions))


def _dim_key(d: Dim, own: Sequence[Value], inside: dict[Value, tuple[int]]) -> Any:
    if isinstance(d, int):
        return d
    return ("own", own.index(d)) if d in own else inside.get(d, d)


def _region_key(block: Block, inside: dict[Value, tuple[int]]) -> Key:
    numbers = dict(inside)
    for p in block.params:
        numbers[p] = (len(numbers),)
    params = tuple((p.dtype.num, tuple(_dim_key(d, (), numbers) for d in p.shape)) for p in block.params)
    ops = []
    for op in block.ops:
        ops.append(op_key(op, numbers))
        for r in op.results:
            numbers[r] = (len(numbers),)
    return (params, tuple(ops))


def attr_key(x: Any) -> Any:
    """An attribute as a hashable value that tells 0.0 from -0.0 and 1 from True, and takes nan for equal to nan."""
    if type(x) in (float, complex):
        return (type(x), repr(x))
    if isinstance(x, np.ndarray):
        return (x.dtype.num, x.shape, x.tobytes())
    if isinstance(x, tuple | list):
        return (type(x), tuple(map(attr_key, x)))
    if isinstance(x, dict):
        return (dict, tuple((attr_key(k), attr_key(v)) for k, v in x.items()))
    try:
        hash(x)
    except TypeError:
        return (object, id(x))
    return (type(x), x)
