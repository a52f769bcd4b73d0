"""What a proper application of each primitive looks like, for the verifier.

Dimensions that are not both ints may differ here: whether two run-time lengths are equal is not a question of form, and
a pass may learn that one is constant before it learns it of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tracejit.ir.core import Block, Op, Value
from tracejit.ir.types import BOOL, DTYPE_NAMES, INDEX, INT64, PREDICATE, ArrayType, BufferType, Dim, Type
from tracejit.ops.library import ROUTINES

Rule = Callable[[Op], "str | None"]


def problem(op: Op) -> str | None:
    """What is wrong with ``op``, or None."""
    operands, results = _COUNTS.get(op.name, (0, None))
    if len(op.operands) < operands or (results is not None and len(op.results) != results):
        return f"at least {operands} operands and {'some' if results is None else results} results are expected"
    rule = _RULES.get(op.name)
    if rule is not None:
        found = rule(op)
        if found is not None:
            return found
    elif op.regions:
        return "no regions are expected"
    family = getattr(op.primitive, "family", None)
    if family == "elementwise":
        found = _elementwise(op)
    elif family == "reduction":
        found = _reduction(op)
    else:
        found = None
    return found or _type_rule(op)


def compatible(a: Type, b: Type, mapping: Mapping[Value, Value] | None = None) -> bool:
    """Whether a value of type ``a``, whose dimensions go through ``mapping``, may be one of type ``b``."""
    if isinstance(a, BufferType) or isinstance(b, BufferType):
        return a == b
    return a.dtype == b.dtype and _shapes(a.shape, b.shape, mapping)


def _shapes(a: Sequence[Dim], b: Sequence[Dim], mapping: Mapping[Value, Value] | None = None) -> bool:
    return len(a) == len(b) and all(_dims(x, y, mapping) for x, y in zip(a, b))


def _dims(a: Dim, b: Dim, mapping: Mapping[Value, Value] | None = None) -> bool:
    if isinstance(a, Value):
        a = (mapping or {}).get(a, a)
    return a == b if isinstance(a, int) and isinstance(b, int) else True


def _type_rule(op: Op) -> str | None:
    infer = getattr(op.primitive, "infer", None)
    if infer is None:
        return None
    expected = infer([v.type for v in op.operands], op.attrs)
    if len(expected) != len(op.results):
        return f"{len(expected)} results are expected"
    for t, r in zip(expected, op.results):
        if not compatible(t, r.type):
            return f"the type rule gives {t}, not {r.type}"
    return None


def _operands(op: Op, types: Sequence[Type]) -> str | None:
    if len(op.operands) != len(types):
        return f"{len(types)} operands are expected"
    for v, t in zip(op.operands, types):
        if v.type != t:
            return f"the operand {v} should be {t}"
    return None


def _elementwise(op: Op) -> str | None:
    if not op.operands:
        return "operands are expected"
    if len(op.results) != 1:
        return "one result is expected"
    for v in (*op.operands[1:], op.result):
        if not _shapes(op.operands[0].shape, v.shape):
            return f"the shapes of {op.operands[0]} and {v} differ"
    if any(isinstance(v.type, BufferType) for v in op.operands):
        return "buffers have no elementwise ops"
    if op.name == "cast":
        return None if len(op.operands) == 1 else "one operand is expected"
    same = op.operands
    if op.name == "select":
        if len(op.operands) != 3 or op.operands[0].dtype != BOOL:
            return "select takes a condition and two values"
        same = op.operands[1:]
    elif op.operands[0].dtype.kind not in op.primitive.codegen:  # type: ignore[attr-defined]
        return f"{op.name} is not defined for {DTYPE_NAMES[op.operands[0].dtype]}"
    if any(v.dtype != same[0].dtype for v in same):
        return f"operands of different dtypes: {', '.join(DTYPE_NAMES[v.dtype] for v in same)}"
    return None


def _reduction(op: Op) -> str | None:
    axes = op.attrs.get("axes")
    if not isinstance(axes, tuple) or list(axes) != sorted(set(axes)):
        return f"axes must ascend: {axes}"
    if len(op.operands) != 1 or any(not 0 <= a < op.operands[0].rank for a in axes):
        return f"axes {axes} are not axes of the operand"
    if op.name.startswith("arg") and len(axes) != 1:
        return "one axis is expected"
    return None


# --- structural ops
def _const(op: Op) -> str | None:
    value, t = op.attrs.get("value"), op.result.type
    if op.operands:
        return "no operands are expected"
    if not isinstance(t, ArrayType) or not t.is_static:
        return "a constant has a static shape"
    if not t.shape:
        if type(value) not in (bool, int, float, complex):
            return f"a scalar constant is a Python scalar, not {value!r}"
        kind = {"b": bool, "i": int, "u": int, "f": float, "c": complex}[t.dtype.kind]
        return None if type(value) is kind else f"{value!r} is not of type {kind.__name__}"
    if not isinstance(value, np.ndarray) or value.dtype != t.dtype or value.shape != t.shape:
        return f"the value is not an array {t}"
    return None if not value.flags.writeable else "a constant array must be read-only"


def _created(op: Op) -> str | None:
    if op.operands or len(op.results) != 1:
        return "no operands and one result are expected"
    if op.name == "iota" and (op.result.rank != 1 or op.result.dtype != INT64):
        return "iota gives i64[n]"
    return None


def _strided(base: Value, part: Type, rest: Sequence[Value], op: Op) -> str | None:
    pairs = op.attrs.get("pairs")
    if not isinstance(pairs, tuple):
        return f"pairs {pairs!r}"
    if len(rest) != base.rank + len(pairs):
        return f"{base.rank} starts and {len(pairs)} steps are expected"
    if any(v.type != INDEX for v in rest):
        return "starts and steps are i64 scalars"
    if any(not (0 <= k < base.rank and 0 <= j < part.rank) for k, j in pairs):
        return f"pairs {pairs} name axes that do not exist"
    return None if part.dtype == base.dtype else "the dtypes differ"


def _view(op: Op) -> str | None:
    if not op.operands or len(op.results) != 1:
        return "a base and one result are expected"
    return _strided(op.operands[0], op.result.type, op.operands[1:], op)


def _update(op: Op) -> str | None:
    if len(op.operands) < 2:
        return "a base and a value are expected"
    return _strided(op.operands[0], op.operands[1].type, op.operands[2:], op)


def _reshape(op: Op) -> str | None:
    a, b = op.operands[0].type, op.result.type
    if len(op.operands) != 1 or a.dtype != b.dtype:
        return "one operand of the result's dtype is expected"
    sizes = [np.prod([d for d in t.shape if isinstance(d, int)], dtype=object) for t in (a, b)]
    static = all(isinstance(t, ArrayType) and t.is_static for t in (a, b))
    return f"{a} and {b} have different sizes" if static and sizes[0] != sizes[1] else None


def _indexed(op: Op, base: Value, part: Type, indices: Sequence[Value]) -> str | None:
    axes = op.attrs.get("axes")
    if not isinstance(axes, tuple) or len(set(axes)) != len(axes) or any(not 0 <= a < base.rank for a in axes):
        return f"axes {axes}"
    if len(indices) != len(axes) or not indices:
        return "one index array per axis is expected"
    if any(v.dtype != INT64 or not _shapes(v.shape, indices[0].shape) for v in indices):
        return "index arrays are i64 of one shape"
    shape = (*indices[0].shape, *(d for k, d in enumerate(base.shape) if k not in axes))
    if part.dtype != base.dtype or not _shapes(shape, part.shape):
        return f"{part} is not what the indices select"
    return None


def _gather(op: Op) -> str | None:
    return _indexed(op, op.operands[0], op.result.type, op.operands[1:])


def _scatter(op: Op) -> str | None:
    if op.attrs.get("mode", "set") not in ("set", "add"):
        return f"mode {op.attrs['mode']!r}"
    return _indexed(op, op.operands[0], op.operands[1].type, op.operands[2:])


def _concat(op: Op) -> str | None:
    axis, r = op.attrs.get("axis"), op.result
    if not isinstance(axis, int) or not 0 <= axis < r.rank or not op.operands:
        return f"axis {axis}"
    for v in op.operands:
        if v.dtype != r.dtype or not _shapes(v.shape[:axis], r.shape[:axis]):
            return f"{v} does not fit"
        if not _shapes(v.shape[axis + 1 :], r.shape[axis + 1 :]):
            return f"{v} does not fit"
    lengths = [v.shape[axis] for v in op.operands]
    total = r.shape[axis]
    known = [d for d in lengths if isinstance(d, int)]
    if isinstance(total, int) and (sum(known) > total or (len(known) == len(lengths) and sum(known) != total)):
        return "the lengths do not add up"
    return None


def _nonzero(op: Op) -> str | None:
    if len(op.operands) != 1 or op.operands[0].dtype != BOOL or op.operands[0].rank == 0 or not op.results:
        return "a bool array is expected"
    n, *indices = op.results
    if n.type != INDEX or len(indices) != op.operands[0].rank:
        return "a count and one index array per axis are expected"
    return None if all(v.dtype == INT64 and v.shape == (n,) for v in indices) else f"index arrays are i64[{n}]"


def _matmul(op: Op) -> str | None:
    if len(op.operands) != 2 or any(v.rank < 2 for v in op.operands):
        return "two matrices are expected"
    a, b = op.operands
    if a.dtype != b.dtype or a.rank != b.rank or not _shapes(a.shape[:-2], b.shape[:-2]):
        return "operands of one dtype and one batch shape are expected"
    return None if _dims(a.shape[-1], b.shape[-2]) else "the inner dimensions differ"


def _collective(op: Op) -> str | None:
    count = 0 if op.name == "axis_index" else 1
    if len(op.operands) != count or len(op.results) != 1:
        return f"{count} operands and one result are expected"
    if op.attrs.get("axis") is None:
        return "an axis is expected"
    if op.name == "all_gather":
        (x,), r = op.operands, op.result
        return None if r.dtype == x.dtype and _shapes(r.shape[1:], x.shape) else f"{r} does not hold {x} of all lanes"
    return None


# --- control flow
def _region(block: Block, params: Sequence[Type], own: Sequence[Value], outer: Sequence[Value]) -> str | None:
    """The parameters of a region against the types they take; dimensions among ``outer`` are ``own`` inside."""
    if len(block.params) != len(params):
        return f"a region with {len(params)} parameters is expected"
    mapping = dict(zip(outer, own))
    for p, t in zip(block.params, params):
        if not compatible(t, p.type, mapping):
            return f"the region's parameter {p} takes {t}"
    return None


def _passed(values: Sequence[Value], targets: Sequence[Value], what: str) -> str | None:
    """``values`` handed over to ``targets``, whose types may mention each other."""
    if len(values) != len(targets):
        return f"{len(targets)} values are {what}, not {len(values)}"
    mapping = dict(zip(targets, values))
    for v, t in zip(values, targets):
        if not compatible(t.type, v.type, mapping):
            return f"{v} is {what} as {t.type}"
    return None


def _if(op: Op) -> str | None:
    found = _operands(op, (PREDICATE,))
    if found is not None:
        return found
    if len(op.regions) != 2:
        return "two regions are expected"
    for region in op.regions:
        found = _region(region, (), (), ()) or _passed(region.yields, op.results, "yielded")
        if found is not None:
            return found
    return None


def _fusion(op: Op) -> str | None:
    if op.operands or len(op.regions) != 1:
        return "no operands and one region are expected"
    return _region(op.regions[0], (), (), ()) or _passed(op.regions[0].yields, op.results, "yielded")


def _while(op: Op) -> str | None:
    if len(op.regions) != 2:
        return "two regions are expected"
    condition, body = op.regions
    if [v.type for v in condition.yields] != [PREDICATE]:
        return "the condition yields one bool"
    return (
        _passed(op.operands, condition.params, "carried")
        or _passed(op.operands, body.params, "carried")
        or _passed(body.yields, body.params, "carried on")
        or _passed(op.operands, op.results, "carried out")
        or _passed(body.yields, op.results, "carried out")
    )


def _for(op: Op) -> str | None:
    if len(op.regions) != 1 or len(op.operands) < 3:
        return "start, stop, step and one region are expected"
    if any(v.type != INDEX for v in op.operands[:3]):
        return "start, stop and step are i64 scalars"
    (body,) = op.regions
    if not body.params or body.params[0].type != INDEX:
        return "the first parameter of the body is the i64 counter"
    return (
        _passed(op.operands[3:], body.params[1:], "carried")
        or _passed(body.yields, body.params[1:], "carried on")
        or _passed(op.operands[3:], op.results, "carried out")
        or _passed(body.yields, op.results, "carried out")
    )


# --- effects
def _custom(op: Op) -> str | None:
    counts = op.attrs.get("counts", ())
    if len(counts) != 4 or sum(counts) != len(op.operands) or len(op.regions) != 1:
        return "four counts of operands and one region are expected"
    return _passed(op.operands[: counts[0]], op.results, "given")


def _barrier(op: Op) -> str | None:
    if len(op.operands) != 1 or len(op.results) != 1:
        return "one operand and one result are expected"
    return _passed(op.operands, op.results, "given")


def _check(op: Op) -> str | None:
    if not op.operands or op.operands[0].type != PREDICATE or op.results:
        return "a bool and no results are expected"
    exception, args = op.attrs.get("exception"), op.attrs.get("args")
    if not (isinstance(exception, type) and issubclass(exception, BaseException)):
        return f"{exception!r} is not an exception class"
    if not isinstance(args, tuple):
        return "args is a tuple"
    return None if "changes" in op.attrs or all(v.rank == 0 for v in op.operands) else "the payload is scalars"


def _print(op: Op) -> str | None:
    return None if isinstance(op.attrs.get("parts"), tuple) and not op.results else "parts and no results are expected"


# --- loop level
def _buffer_op(count: int, value: bool = False) -> Rule:
    def rule(op: Op) -> str | None:
        if not op.operands or not isinstance(op.operands[0].type, BufferType):
            return "a buffer is expected"
        if len(op.operands) != count:
            return f"{count} operands are expected"
        if count > 1 and op.operands[-2 if value else -1].type != INDEX:
            return "an i64 index or count is expected"
        if value and op.operands[2].type != ArrayType(op.operands[0].dtype):
            return f"{op.operands[2]} does not fit into {op.operands[0]}"
        return None

    return rule


def _gemm(op: Op) -> str | None:
    if len(op.operands) != 8 or not all(isinstance(v.type, BufferType) for v in op.operands[:3]):
        return "three buffers and five numbers are expected"
    if len({v.dtype for v in op.operands[:3]}) != 1:
        return "buffers of one dtype are expected"
    return None if all(v.type == INDEX for v in op.operands[3:]) else "sizes are i64 scalars"


def _call(op: Op) -> str | None:
    routine = ROUTINES.get(op.attrs.get("routine", ""))
    if routine is None:
        return f"there is no routine {op.attrs.get('routine')!r}"
    if not all(isinstance(v.type, BufferType) for v in op.operands[: routine.buffers]):
        return f"{routine.buffers} buffers are expected"
    return None if all(v.type == INDEX for v in op.operands[routine.buffers :]) else "numbers are i64 scalars"


def _square(op: Op) -> str | None:
    a = op.operands[0]
    if a.rank < 2 or not _dims(a.shape[-1], a.shape[-2]):
        return "a square matrix is expected"
    if a.dtype.kind not in "fc" or a.dtype.itemsize == 2:
        return "a matrix of f32, f64, c64 or c128 is expected"
    return None


def _solve(op: Op) -> str | None:
    a, b = op.operands
    if a.dtype != b.dtype or a.rank != b.rank or not _shapes(a.shape[:-1], b.shape[:-1]):
        return "a matrix and right sides of one dtype and as many rows are expected"
    return _square(op)


def _sorted(op: Op) -> str | None:
    if not op.operands[0].rank:
        return "an array is expected"
    return None if op.name == "sort" or isinstance(op.attrs.get("stable"), bool) else "stable is a bool"


def _same_buffer(op: Op) -> str | None:
    return None if all(isinstance(v.type, BufferType) for v in op.operands) else "buffers are expected"


def _constant_buffer(op: Op) -> str | None:
    value = op.attrs.get("value")
    if op.operands or not isinstance(op.result.type, BufferType) or not isinstance(value, np.ndarray):
        return "an array in the attributes and a buffer as the result are expected"
    return None if value.dtype == op.result.dtype else "the dtypes differ"


def _alloc(op: Op) -> str | None:
    if len(op.results) != 1 or not isinstance(op.result.type, BufferType):
        return "one buffer results"
    if op.attrs.get("stack") is None and [v.type for v in op.operands] != [INDEX]:
        return "the number of elements is expected"
    return None


_COUNTS: dict[str, tuple[int, int | None]] = {
    **dict.fromkeys(("const", "empty", "iota", "constant_buffer"), (0, 1)),
    **dict.fromkeys(("view", "reshape", "concat", "sort", "argsort", "det", "call"), (1, 1)),
    "cholesky": (1, 2),
    "solve": (2, 2),
    **dict.fromkeys(("update", "gather", "matmul", "same_buffer"), (2, 1)),
    "scatter": (3, 1),
    "nonzero": (1, None),
    "print": (0, 0),
}
"""The least number of operands, and the number of results where it is fixed."""

_RULES: dict[str, Rule] = {
    "const": _const,
    "empty": _created,
    "iota": _created,
    "view": _view,
    "update": _update,
    "reshape": _reshape,
    "gather": _gather,
    "scatter": _scatter,
    "concat": _concat,
    "nonzero": _nonzero,
    "matmul": _matmul,
    **dict.fromkeys(("axis_index", "psum", "pmax", "pmin", "all_gather"), _collective),
    "if": _if,
    "fusion": _fusion,
    "while": _while,
    "for": _for,
    "custom": _custom,
    "barrier": _barrier,
    "check": _check,
    "print": _print,
    "alloc": _alloc,
    "free": _buffer_op(1),
    "constant_buffer": _constant_buffer,
    "offset": _buffer_op(2),
    "same_buffer": _same_buffer,
    "gemm": _gemm,
    "call": _call,
    "sort": _sorted,
    "argsort": _sorted,
    "solve": _solve,
    "cholesky": _square,
    "det": _square,
    "load": _buffer_op(2),
    "store": _buffer_op(3, value=True),
    "copy_elements": _buffer_op(3),
    "fill_zero": _buffer_op(2),
}
