"""Runs a function with NumPy: what IR means, and what native code is tested against.

Array-level functions take and give arrays (rank 0 for scalars). Loop-level functions take one-dimensional arrays for
their buffers, which they read and write in place. The interpreter is strict: shapes, dtypes and indices are compared
with what the types promise, so that a wrong pass fails here before it crashes in native code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ir.types import ArrayType, BufferType, Dim, Type
from tracejit.ops.control import exception_of, materialise
from tracejit.ops.library import ROUTINES
from tracejit.ops.primitive import Primitive, as_kind
from tracejit.record import record

Array = np.ndarray[Any, Any]


class InterpreterError(Exception):
    """The IR broke a promise that its types or op definitions make (an out-of-bounds view, a wrong shape, ...)."""


def interpret(function: Function, arguments: Sequence[Any]) -> list[Any]:
    """Execute ``function`` and return its outputs, one array each.

    Args:
        function: An array-level or loop-level function.
        arguments: One per parameter. Python scalars become the parameter's dtype; arrays must have it already. Arrays
            are not changed, except those passed for buffers: one-dimensional arrays, or pairs of such an array and the
            position of the element that the pointer points to.

    Raises:
        InterpreterError: The function breaks its own types, or indexes out of bounds.
        Exception: What a failing ``check`` in the function says.
    """
    if len(arguments) != len(function.params):
        raise TypeError(f"{function.name} takes {len(function.params)} arguments, {len(arguments)} given")
    run = _Run()
    values = [run.argument(p, a) for p, a in zip(function.params, arguments)]
    run.bind(function.params, values, None)
    results = run.block(function.body)
    run.settle(results)
    return [x.data[x.origin :] if isinstance(x, Buffer) else x for x in results]


def evaluate_op(op: Op, operands: Sequence[Array]) -> list[Array]:
    """The results of one pure op without regions whose result types are static (constant folding)."""
    primitive = op.primitive
    assert isinstance(primitive, Primitive) and primitive.evaluate is not None
    results = primitive.evaluate(operands, op.attrs, [r.type for r in op.results])
    if len(op.results) == 1 and not isinstance(results, tuple):
        results = (results,)
    return [np.asarray(r) for r in results]


def failure(op: Op, payload: Sequence[Array]) -> BaseException:
    """The exception that a failing ``check`` raises."""
    return exception_of(op.attrs, payload)


@record(frozen=True, eq=False)
class Buffer:
    """A pointer: to the element ``origin`` of ``data``."""

    data: Array
    origin: int = 0


class _Run:
    """One execution: the environment and the rules of ops that NumPy does not define."""

    def __init__(self) -> None:
        self.env: dict[Value, Any] = {}
        self.allocated: dict[int, Array] = {}
        self.freed: set[int] = set()
        self.in_frame: set[int] = set()

    # --- values and types
    def argument(self, param: Value, argument: Any) -> Any:
        if isinstance(param.type, BufferType):
            data, origin = argument if isinstance(argument, tuple) else (argument, 0)
            if not isinstance(data, np.ndarray) or data.ndim != 1 or data.dtype != param.dtype:
                raise TypeError(f"parameter {param} takes a one-dimensional array of {param.dtype}")
            return Buffer(data, origin)
        if isinstance(argument, np.ndarray | np.generic):
            if argument.dtype != param.dtype:
                raise TypeError(f"parameter {param} is given {argument.dtype}")
            return np.array(argument)
        return np.array(argument, param.dtype)

    def dim(self, d: Dim) -> int:
        return d if isinstance(d, int) else int(self.env[d])

    def resolve(self, type: Type, op: Op) -> Type:
        """``type`` with int dimensions; those that ``op`` itself will define are -1 until then."""
        if isinstance(type, BufferType) or type.is_static:
            return type
        own = op.results
        shape = tuple(0 if d in own else self.dim(d) for d in type.shape)
        if min(shape) < 0:
            self.fail(op, f"negative dimension in {list(shape)}")
        return type.with_shape(tuple(-1 if d in own else n for d, n in zip(type.shape, shape)))

    def bind(self, values: Sequence[Value], contents: Sequence[Any], op: Op | None) -> None:
        """Give ``values`` their contents; they must be what their types say."""
        for v, x in zip(values, contents, strict=True):
            self.env[v] = x
        for v, x in zip(values, contents):
            if isinstance(v.type, ArrayType):
                shape = tuple(self.dim(d) for d in v.type.shape)
                if x.shape != shape or x.dtype != v.dtype:
                    self.fail(op, f"{v} would hold {x.dtype}{list(x.shape)}")

    def fail(self, op: Op | None, message: str) -> None:
        raise InterpreterError(f"{op.name} at {op.loc}: {message}" if op is not None else message)

    # --- control flow
    def block(self, block: Block) -> list[Any]:
        """Run the ops of a block whose parameters are bound; return what it yields."""
        for op in block.ops[:-1]:
            self.op(op)
        return [self.env[v] for v in block.yields]

    def op(self, op: Op) -> None:
        operands = [self.env[v] for v in op.operands]
        rule = _RULES.get(op.name)
        if rule is not None:
            self.bind(op.results, rule(self, op, operands), op)
            return
        primitive = op.primitive
        if not isinstance(primitive, Primitive) or primitive.evaluate is None:
            raise NotImplementedError(f"the interpreter has no rule for {op.name!r}")
        types = [self.resolve(r.type, op) for r in op.results]
        if op.name in _BOUNDS:
            _BOUNDS[op.name](self, op, operands, types[0].shape)
        results = primitive.evaluate(operands, op.attrs, types)
        if not isinstance(results, tuple):
            results = (results,)
        self.bind(op.results, [np.asarray(r) for r in results], op)

    def run_if(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        return self.block(op.regions[0 if operands[0] else 1])

    def run_while(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        condition, body = op.regions
        carried = operands
        while True:
            self.bind(condition.params, carried, op)
            if not self.block(condition)[0]:
                return carried
            self.bind(body.params, carried, op)
            carried = self.block(body)

    def run_for(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        start, stop, step = (int(v) for v in operands[:3])
        carried = operands[3:]
        (body,) = op.regions
        if step == 0:
            self.fail(op, "step is 0")
        for i in range(start, stop, step):
            self.bind(body.params, [np.array(i, np.int64), *carried], op)
            carried = self.block(body)
        return carried

    def run_fusion(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        return self.block(op.regions[0])

    # --- effects
    def run_check(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        if not operands[0]:
            raise failure(op, self.effect_operands(op, operands)[1:])
        return ()

    def run_print(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        operands = self.effect_operands(op, operands)
        parts = [materialise(p, operands) for p in op.attrs["parts"]]
        print(*parts, sep=op.attrs.get("sep", " "), end=op.attrs.get("end", "\n"), file=sys.stdout)
        return ()

    def effect_operands(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        """At the loop level an array is a buffer followed by its dimensions (attribute ``ranks``)."""
        left = list(operands)
        out: list[Any] = []
        for rank in op.attrs.get("ranks", (0,) * len(operands)):
            x = left.pop(0)
            if rank:
                shape = [int(left.pop(0)) for _ in range(rank)]
                x = self.elements(op, x, 0, int(np.prod(shape))).reshape(shape).copy()
            out.append(x)
        return out

    def run_callback(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        operands = self.effect_operands(op, operands)
        values = [as_kind(x, kind) for x, kind in zip(operands, op.attrs["kinds"], strict=True)]
        tree = op.attrs.get("tree")
        args, kwargs = (values, {}) if tree is None else tree.unflatten(values)
        out = op.attrs["function"](*args, **kwargs)
        if not op.results:
            return ()
        results = out if len(op.results) > 1 else (out,)
        return [np.array(x, r.dtype) for x, r in zip(results, op.results, strict=True)]

    # --- buffers
    def elements(self, op: Op, buffer: Buffer, first: int, count: int) -> Array:
        """The elements ``first .. first + count - 1``, which must exist."""
        at = buffer.origin + first
        if id(buffer.data) in self.freed:
            self.fail(op, "the buffer was freed before")
        if count < 0 or (count and not 0 <= at <= at + count <= len(buffer.data)):
            self.fail(op, f"{count} elements from {first} of {len(buffer.data)} elements from {-buffer.origin}")
        return buffer.data[at : at + count]

    def run_alloc(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        count = int(op.attrs["stack"]) if op.attrs.get("stack") is not None else int(operands[0])
        if count < 0:
            self.fail(op, f"{count} elements")
        data = np.empty(count, op.result.dtype)
        # what nobody has written yet must not look right by chance
        data.view(np.uint8)[:] = 1 if data.dtype == np.bool_ else 0xA5
        self.allocated[id(data)] = data
        if op.attrs.get("stack") is not None:
            self.in_frame.add(id(data))
        return (Buffer(data),)

    def run_free(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        (buffer,) = operands
        self.elements(op, buffer, 0, 0)
        if id(buffer.data) in self.allocated:
            self.freed.add(id(buffer.data))
        return ()

    def settle(self, results: Sequence[Any]) -> None:
        """At the end every allocated buffer has been freed, or is handed out, once."""
        out = [id(x.data) for x in results if isinstance(x, Buffer)]
        wrong = {
            "handed out after it was freed": self.freed & set(out),
            "handed out twice": {b for b in out if out.count(b) > 1},
            "in the frame, handed out": self.in_frame & set(out),
            "neither freed nor handed out": self.allocated.keys() - self.freed - self.in_frame - set(out),
        }
        for what, buffers in wrong.items():
            if buffers:
                raise InterpreterError(f"{len(buffers)} buffers {what}")

    def run_constant_buffer(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        data = np.array(op.attrs["value"], op.result.dtype).ravel()
        data.flags.writeable = False
        return (Buffer(data),)

    def run_offset(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        return (Buffer(operands[0].data, operands[0].origin + int(operands[1])),)

    def run_same_buffer(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        a, b = operands
        return (np.array(a.data is b.data and a.origin == b.origin),)

    def run_load(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        return (self.elements(op, operands[0], int(operands[1]), 1)[0:1].reshape(()).copy(),)

    def run_store(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        self.elements(op, operands[0], int(operands[1]), 1)[0] = operands[2]
        return ()

    def run_copy_elements(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        target, source = (self.elements(op, buffer, 0, int(operands[2])) for buffer in operands[:2])
        if np.shares_memory(target, source):
            self.fail(op, "source and target overlap")
        target[:] = source
        return ()

    def run_fill_zero(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        self.elements(op, operands[0], 0, int(operands[1]))[:] = 0
        return ()

    def run_gemm(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        m, n, k, lda, ldb = (int(v) for v in operands[3:])
        sides = []
        for buffer, rows, columns, distance, transposed in (
            (operands[1], m, k, lda, op.attrs.get("transpose_a")),
            (operands[2], k, n, ldb, op.attrs.get("transpose_b")),
        ):
            if transposed:
                rows, columns = columns, rows
            whole = self.elements(op, buffer, 0, (rows - 1) * distance + columns if rows and columns else 0)
            matrix = np.array([whole[r * distance : r * distance + columns] for r in range(rows)], whole.dtype)
            matrix = matrix.reshape(rows, columns)
            sides.append(matrix.T if transposed else matrix)
        self.elements(op, operands[0], 0, m * n)[:] = (sides[0] @ sides[1]).ravel()
        return ()

    def run_call(self, op: Op, operands: Sequence[Any]) -> Sequence[Any]:
        routine = ROUTINES[op.attrs["routine"]]
        numbers = [int(v) for v in operands[routine.buffers :]]
        sizes = routine.sizes(*numbers)
        arrays = [self.elements(op, x, 0, n) for x, n in zip(operands[: routine.buffers], sizes, strict=True)]
        return (np.array(routine.compute(*arrays, *numbers), np.int64),)

    # --- promises of indexing ops: NumPy would wrap negative indices around
    def check_view(self, op: Op, operands: Sequence[Any], shape: tuple[Dim, ...]) -> None:
        self._check_strided(op, operands[0], operands[1:], shape)

    def check_update(self, op: Op, operands: Sequence[Any], shape: tuple[Dim, ...]) -> None:
        self._check_strided(op, operands[0], operands[2:], operands[1].shape)

    def _check_strided(self, op: Op, x: Array, rest: Sequence[Any], shape: tuple[Dim, ...]) -> None:
        if 0 in shape:
            return
        low = [int(s) for s in rest[: x.ndim]]
        high = list(low)
        for (axis, along), step in zip(op.attrs["pairs"], rest[x.ndim :], strict=True):
            extent = shape[along]
            assert isinstance(extent, int)
            reach = (extent - 1) * int(step)
            low[axis] += min(reach, 0)
            high[axis] += max(reach, 0)
        if any(a < 0 or b >= d for a, b, d in zip(low, high, x.shape)):
            self.fail(op, f"indices {low} to {high} of shape {list(x.shape)}")

    def check_gather(self, op: Op, operands: Sequence[Any], shape: tuple[Dim, ...]) -> None:
        self._check_indices(op, operands[0], operands[1:])

    def check_scatter(self, op: Op, operands: Sequence[Any], shape: tuple[Dim, ...]) -> None:
        self._check_indices(op, operands[0], operands[2:])

    def _check_indices(self, op: Op, x: Array, indices: Sequence[Any]) -> None:
        for axis, index in zip(op.attrs["axes"], indices, strict=True):
            if index.size and (index.min() < 0 or index.max() >= x.shape[axis]):
                self.fail(op, f"indices {index.min()} to {index.max()} of axis {axis} of shape {list(x.shape)}")


_RULES: dict[str, Callable[[_Run, Op, Sequence[Any]], Sequence[Any]]] = {
    "if": _Run.run_if,
    "while": _Run.run_while,
    "for": _Run.run_for,
    "check": _Run.run_check,
    "print": _Run.run_print,
    "callback": _Run.run_callback,
    "fusion": _Run.run_fusion,
    "alloc": _Run.run_alloc,
    "free": _Run.run_free,
    "constant_buffer": _Run.run_constant_buffer,
    "offset": _Run.run_offset,
    "same_buffer": _Run.run_same_buffer,
    "load": _Run.run_load,
    "store": _Run.run_store,
    "copy_elements": _Run.run_copy_elements,
    "fill_zero": _Run.run_fill_zero,
    "gemm": _Run.run_gemm,
    "call": _Run.run_call,
}
"""Ops without a NumPy meaning of their own."""

_BOUNDS: dict[str, Callable[[_Run, Op, Sequence[Any], tuple[Dim, ...]], None]] = {
    "view": _Run.check_view,
    "update": _Run.check_update,
    "gather": _Run.check_gather,
    "scatter": _Run.check_scatter,
}
"""Ops whose indices are promised to be in bounds."""
