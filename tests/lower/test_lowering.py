"""Fusion, ownership and loop nests: the loop-level function computes what the array-level function means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tests.codegen.native import Native, take
from tracejit.ir.core import Block, Function, Value
from tracejit.ir.types import FLOAT64, INDEX, INT64, ArrayType
from tracejit.lower import allocations, fuse, loops, ownership, pipeline
from tracejit.ops import REGISTRY, control, elementwise, reduction
from tracejit.ops.builder import Builder
from tracejit.ops.interpret import interpret
from tracejit.ops.library import ROUTINES
from tracejit.ops.primitive import Primitive
from tracejit.runtime import routines

IMPORTED = ["tj_dgemm", *(f"tj_{routine}_f64" for routine in ROUTINES)]


def program(
    types: Sequence[ArrayType], build: Callable[..., Sequence[Value]], mutated: dict[int, int] | None = None
) -> Function:
    """A function with parameters of ``types`` and the outputs ``build(builder, *parameters)``."""
    function = Function("f", Block(types), {"mutated": mutated or {}})
    b = Builder(function.body)
    b.return_(*build(b, *function.params))
    return function


def lower(function: Function, layouts: Sequence[loops.Layout | None]) -> loops.Lowered:
    fuse.run(function)
    lowered = loops.lower(function, ownership.plan(function), layouts)
    allocations.run(lowered.function)
    return lowered


def flat_arguments(arguments: Sequence[Any], layouts: Sequence[loops.Layout | None]) -> list[Any]:
    """Arguments of the loop-level function, and what they alias."""
    out: list[Any] = []
    for a, layout in zip(arguments, layouts, strict=True):
        if layout is None:
            out.append(a)
        elif layout == "strided":
            size = a.itemsize
            base = a
            while base.base is not None:
                base = base.base
            origin = (a.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // size
            out += [(base.reshape(-1), origin), *(s // size for s in a.strides)]
        else:
            out.append(a.reshape(-1, order="C" if layout == "C" else "F"))
    return out


def agree(
    function: Function,
    *arguments: Any,
    layouts: Sequence[loops.Layout | None] | None = None,
    native: bool = True,
    optimize: bool = False,
) -> loops.Lowered:
    """Compare array level, loop level and machine code on ``arguments``: outputs, and contents of mutated arguments."""
    layouts = layouts or ["C" if isinstance(a, np.ndarray) else None for a in arguments]
    mutated = dict(function.meta["mutated"])
    expected = interpret(function.clone(), arguments)
    if optimize:
        pipeline.optimize(function)
    lowered = lower(function, layouts)
    written = deepcopy(arguments)
    _compare(lowered, interpret(lowered.function, flat_arguments(written, layouts)), written, expected, mutated)
    if native:
        flat = [a[0][a[1] :] if isinstance(a, tuple) else a for a in flat_arguments(arguments, layouts)]
        _compare(
            lowered,
            Native(lowered.function, imports={s: routines.address(s) for s in IMPORTED})(*flat),
            arguments,
            expected,
            mutated,
        )
    return lowered


def _compare(
    lowered: loops.Lowered, actual: list[Any], arguments: Sequence[Any], expected: list[Any], mutated: dict[int, int]
) -> None:
    for r in lowered.returned:
        got = actual[r.position]
        if r.shape is not None:
            shape = tuple(d if isinstance(d, int) else int(actual[d[1]]) for d in r.shape)
            count = int(np.prod(shape))
            got = (take(got, r.dtype, count) if isinstance(got, int) else got[:count]).reshape(shape)
        np.testing.assert_allclose(got, expected[r.output], rtol=1e-13, err_msg=str(lowered.function))
    for param, output in mutated.items():
        np.testing.assert_allclose(arguments[param], expected[output], rtol=1e-13, err_msg=str(lowered.function))


def deepcopy(arguments: Sequence[Any]) -> list[Any]:
    """Copies with the same strides, over memory of their own."""
    out: list[Any] = []
    for a in arguments:
        base = a
        while isinstance(base, np.ndarray) and base.base is not None:
            base = base.base
        if base is a or not isinstance(base, np.ndarray):
            out.append(a.copy(order="K") if isinstance(a, np.ndarray) else a)
            continue
        offset = a.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        out.append(np.ndarray(a.shape, a.dtype, base.copy(), offset, a.strides))
    return out


def ops_named(lowered: loops.Lowered, name: str) -> int:
    return sum(op.name == name for op in lowered.function.walk())


def apply(b: Builder, p: Primitive, *operands: Value) -> Value:
    return b.apply(p, *operands)


VECTOR = ArrayType(FLOAT64, (6,))
MATRIX = ArrayType(FLOAT64, (4, 5))
rng = np.random.default_rng(0)


def test_a_chain_is_one_loop() -> None:
    def build(b: Builder, x: Value, y: Value) -> list[Value]:
        t = apply(b, elementwise.mul, x, y)
        t = apply(b, elementwise.add, t, b.fill(b.const(1.5, FLOAT64), x.shape))
        return [apply(b, elementwise.sub, t, x)]

    lowered = agree(program([VECTOR, VECTOR], build), rng.random(6), rng.random(6))
    assert ops_named(lowered, "for") == 1
    assert ops_named(lowered, "alloc") == 1


@pytest.mark.parametrize("layout", ["C", "F", "strided"])
def test_transpose_and_broadcast_are_access_patterns(layout: loops.Layout) -> None:
    def build(b: Builder, x: Value, y: Value) -> list[Value]:
        t = b.transpose(x, (1, 0))
        row = b.view(y, (5, 4), (0,), ((0, 1),), (1,))
        return [apply(b, elementwise.add, t, row)]

    x = np.asarray(rng.random((4, 5)), order="F" if layout == "F" else "C")
    if layout == "strided":
        x = rng.random((8, 15))[::2, ::3]
    agree(program([MATRIX, ArrayType(FLOAT64, (4,))], build), x, rng.random(4), layouts=[layout, "C"])


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("name", ["reduce_sum", "reduce_max", "reduce_min", "reduce_prod"])
def test_reductions_take_their_producers_in(axes: tuple[int, ...], name: str) -> None:
    def build(b: Builder, x: Value) -> list[Value]:
        return [b.reduce(getattr(reduction, name), apply(b, elementwise.mul, x, x), axes)]

    x = rng.integers(-3, 4, (4, 5)).astype(float)
    lowered = agree(program([MATRIX], build), x)
    assert ops_named(lowered, "alloc") == (0 if len(axes) == 2 else 1)


def test_arg_reductions() -> None:
    def build(b: Builder, x: Value) -> list[Value]:
        return [
            b.reduce(reduction.argmax, x, (1,)),
            b.reduce(reduction.argmin, x, (0,)),
        ]

    x = rng.integers(0, 3, (4, 5)).astype(float)
    x[2, 3] = np.nan
    agree(program([MATRIX], build), x)


def stencil(b: Builder, u: Value) -> Value:
    n = 6
    left = b.view(u, (n - 2,), (0,), ((0, 0),), (1,))
    right = b.view(u, (n - 2,), (2,), ((0, 0),), (1,))
    return apply(b, elementwise.add, left, right)


def test_store_that_reads_its_neighbours_goes_through_a_temporary() -> None:
    def build(b: Builder, u: Value) -> list[Value]:
        return [b.update(u, stencil(b, u), (1,), ((0, 0),), (1,))]

    agree(program([VECTOR], build, {0: 0}), rng.random(6))


def test_store_that_reads_what_it_replaces_needs_no_temporary() -> None:
    def build(b: Builder, u: Value) -> list[Value]:
        inner = b.view(u, (4,), (1,), ((0, 0),), (1,))
        return [b.update(u, apply(b, elementwise.mul, inner, inner), (1,), ((0, 0),), (1,))]

    lowered = agree(program([VECTOR], build, {0: 0}), rng.random(6))
    assert ops_named(lowered, "alloc") == 0


def test_store_into_another_array_in_place() -> None:
    def build(b: Builder, u: Value, v: Value) -> list[Value]:
        return [b.update(v, stencil(b, u), (1,), ((0, 0),), (1,))]

    lowered = agree(program([VECTOR, VECTOR], build, {1: 0}), rng.random(6), rng.random(6))
    assert ops_named(lowered, "alloc") == 0


def test_an_argument_that_is_only_read_is_copied_before_a_store() -> None:
    def build(b: Builder, u: Value) -> list[Value]:
        return [b.update(u, b.const(7.0, FLOAT64), (2,), (), ())]

    u = rng.random(6)
    kept = u.copy()
    agree(program([VECTOR], build), u)
    np.testing.assert_array_equal(u, kept)


def test_old_contents_read_after_a_store_to_an_argument() -> None:
    def build(b: Builder, u: Value) -> list[Value]:
        new = b.update(u, b.const(7.0, FLOAT64), (2,), (), ())
        return [apply(b, elementwise.add, u, new), new]

    agree(program([VECTOR], build, {0: 1}), rng.random(6))


def loop_over(b: Builder, stop: Value, inits: Sequence[Value], body: Callable[..., Sequence[Value]]) -> list[Value]:
    block = Block([INDEX, *(v.type for v in inits)])
    inner = Builder(block)
    inner.yield_(*body(inner, *block.params))
    return b.emit(control.for_, [b.index(0), stop, b.index(1), *inits], [v.type for v in inits], None, [block])


def branch(
    b: Builder, condition: Value, then: Callable[..., Sequence[Value]], other: Callable[..., Sequence[Value]]
) -> list[Value]:
    arms = []
    types = []
    for build in (then, other):
        block = Block()
        inner = Builder(block)
        yields = build(inner)
        types = [v.type for v in yields]
        inner.yield_(*yields)
        arms.append(block)
    return b.emit(control.if_, [condition], types, None, arms)


@pytest.mark.parametrize("turns", [0, 1, 4])
@pytest.mark.parametrize("written", [True, False])
def test_a_loop_of_single_stores_is_in_place(turns: int, written: bool) -> None:
    def build(b: Builder, u: Value, n: Value) -> list[Value]:
        def body(b: Builder, i: Value, x: Value) -> list[Value]:
            old = b.view(x, (), (i,), (), ())
            return [b.update(x, apply(b, elementwise.mul, old, old), (i,), (), ())]

        return loop_over(b, n, [u], body)

    lowered = agree(program([VECTOR, INDEX], build, {0: 0} if written else None), rng.random(6), turns)
    assert ops_named(lowered, "alloc") == (0 if written else 1)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("written", [{}, {0: 0}, {0: 0, 1: 1}, {0: 1, 1: 0}])
def test_ping_pong(turns: int, written: dict[int, int]) -> None:
    def build(b: Builder, u: Value, v: Value, n: Value) -> list[Value]:
        def body(b: Builder, i: Value, x: Value, y: Value) -> list[Value]:
            return [b.update(y, stencil(b, x), (1,), ((0, 0),), (1,)), x]

        return loop_over(b, n, [u, v], body)

    lowered = agree(program([VECTOR, VECTOR, INDEX], build, written), rng.random(6), rng.random(6), turns)
    loop = next(op for op in lowered.function.body.ops if op.name == "for" and op.operands[3:])
    assert not any(op.name in ("alloc", "copy_elements") for op in loop.walk()), "pointers are swapped"


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_a_new_array_each_turn(turns: int) -> None:
    def build(b: Builder, u: Value, n: Value) -> list[Value]:
        def body(b: Builder, i: Value, x: Value) -> list[Value]:
            rolled = b.view(x, (6,), (5,), ((0, 0),), (-1,))
            return [apply(b, elementwise.add, rolled, x)]

        return loop_over(b, n, [u], body)

    agree(program([VECTOR, INDEX], build), rng.random(6), turns)
    agree(program([VECTOR, INDEX], build, {0: 0}), rng.random(6), turns)


@pytest.mark.parametrize("c", [True, False])
@pytest.mark.parametrize("written", [True, False])
def test_a_store_in_one_arm(c: bool, written: bool) -> None:
    def build(b: Builder, u: Value, p: Value) -> list[Value]:
        return branch(b, p, lambda b: [b.update(u, b.const(1.0, FLOAT64), (0,), (), ())], lambda b: [u])

    predicate = ArrayType(np.dtype(bool))
    lowered = agree(program([VECTOR, predicate], build, {0: 0} if written else None), rng.random(6), c)
    if written:
        assert ops_named(lowered, "alloc") == 0


@pytest.mark.parametrize("c", [True, False])
def test_two_old_contents_are_kept_at_once(c: bool) -> None:
    """Both arms hand out an array of the chain that is read again later."""

    def build(b: Builder, u: Value, v: Value, p: Value) -> list[Value]:
        (x,) = branch(b, p, lambda b: [u], lambda b: [v])
        (y,) = branch(b, p, lambda b: [v], lambda b: [u])
        return [x, y, apply(b, elementwise.sub, u, v)]

    function = program([VECTOR, VECTOR, ArrayType(np.dtype(bool))], build, {0: 0, 1: 1})
    agree(function, rng.random(6), rng.random(6), c)


@pytest.mark.parametrize("c", [True, False])
def test_arms_that_use_an_array_differently(c: bool) -> None:
    def build(b: Builder, u: Value, p: Value) -> list[Value]:
        x = apply(b, elementwise.add, u, u)
        (y,) = branch(
            b,
            p,
            lambda b: [b.update(x, b.const(1.0, FLOAT64), (0,), (), ())],
            lambda b: [apply(b, elementwise.mul, u, u)],
        )
        (z,) = branch(b, p, lambda b: [y], lambda b: [x])
        return [y, z]

    agree(program([VECTOR, ArrayType(np.dtype(bool))], build), rng.random(6), c)


def test_masks_have_run_time_lengths() -> None:
    def build(b: Builder, x: Value) -> list[Value]:
        mask = apply(b, elementwise.gt, x, b.fill(b.const(0.5, FLOAT64), x.shape))
        n, index = b.nonzero(mask)
        picked = b.gather(x, [index], (0,))
        return [apply(b, elementwise.mul, picked, picked), n]

    for x in (rng.random(6), np.zeros(6), np.ones(6)):
        agree(program([VECTOR], build), x)


def test_a_carried_run_time_length() -> None:
    """``while len(z) > 1: z = z[z > mean]`` in IR."""

    def build(b: Builder, x: Value) -> list[Value]:
        cond, body = Block(), Block()
        for block in (cond, body):
            n = block.add_param(INDEX)
            block.add_param(ArrayType(FLOAT64, (n,)))
        c = Builder(cond)
        c.yield_(c.apply(elementwise.gt, cond.params[0], c.index(1)))
        i = Builder(body)
        n, z = body.params
        shorter = i.view(z, (i.apply(elementwise.sub, n, i.index(1)),), (1,), ((0, 0),), (1,))
        i.yield_(shorter.shape[0], i.apply(elementwise.add, shorter, shorter))
        start = b.index(6)
        op_types = [INDEX, ArrayType(FLOAT64, (6,))]
        results = b.emit(control.while_, [start, x], op_types, None, [cond, body])
        results[1].set_type(ArrayType(FLOAT64, (results[0],)))
        return [results[1]]

    agree(program([VECTOR], build), rng.random(6))


def test_scatter_and_concat() -> None:
    def build(b: Builder, x: Value, index: Value) -> list[Value]:
        y = b.scatter(x, b.gather(x, [index], (0,)), [b.view(index, (3,), (2,), ((0, 0),), (-1,))], (0,))
        z = b.scatter(x, b.fill(b.const(1.0, FLOAT64), (3,)), [index], (0,), "add")
        return [b.concat([y, z, apply(b, elementwise.add, x, x)], 0, 18)]

    agree(program([VECTOR, ArrayType(INT64, (3,))], build), rng.random(6), np.array([4, 0, 4]))


@pytest.mark.parametrize(("m", "n"), [(2, 9), (20, 9), (1, 200), (200, 1)])
@pytest.mark.parametrize("transposed", [True, False])
def test_products(m: int, n: int, transposed: bool) -> None:
    def build(b: Builder, x: Value, y: Value) -> list[Value]:
        left = b.transpose(x, (1, 0)) if transposed else x
        from tracejit.ops import structural

        return [b.apply(structural.matmul, left, y)]

    x = rng.integers(-3, 3, (30, m) if transposed else (m, 30)).astype(float)
    y = rng.integers(-3, 3, (30, n)).astype(float)
    lowered = agree(program([ArrayType(FLOAT64, x.shape), ArrayType(FLOAT64, y.shape)], build), x, y)
    assert ops_named(lowered, "gemm") == (1 if m == 20 or (n == 1 and transposed) else 0)


def test_reshape_shares_memory_when_it_can() -> None:
    def build(b: Builder, x: Value) -> list[Value]:
        flat = b.reshape(x, (20,))
        flat = b.update(flat, b.const(3.0, FLOAT64), (7,), (), ())
        return [b.reshape(flat, (4, 5))]

    lowered = agree(program([MATRIX], build, {0: 0}), rng.random((4, 5)))
    assert ops_named(lowered, "alloc") == 0


def test_strided_argument_written_through_control_flow() -> None:
    def build(b: Builder, x: Value, n: Value, p: Value) -> list[Value]:
        def body(b: Builder, i: Value, x: Value) -> list[Value]:
            return branch(b, p, lambda b: [b.update(x, b.cast(i, FLOAT64), (i, i), (), ())], lambda b: [x])

        return loop_over(b, n, [x], body)

    x = rng.random((8, 15))[::2, ::3]
    function = program([MATRIX, INDEX, ArrayType(np.dtype(bool))], build, {0: 0})
    lowered = agree(function, x, 3, True, layouts=["strided", None, None])
    assert ops_named(lowered, "alloc") == 0


def test_duplicate_and_foreign_outputs_are_new_arrays() -> None:
    def build(b: Builder, x: Value) -> list[Value]:
        y = apply(b, elementwise.add, x, x)
        return [x, y, y]

    lowered = agree(program([VECTOR], build), rng.random(6))
    assert ops_named(lowered, "alloc") == 3


def test_run_time_dimensions() -> None:
    n = Value(INDEX)
    function = Function("f", Block([INDEX]), {"mutated": {}})
    n = function.params[0]
    x = function.body.add_param(ArrayType(FLOAT64, (n, 3)))
    b = Builder(function.body)
    y = b.apply(elementwise.mul, x, x)
    b.return_(b.transpose(y, (1, 0)), b.reduce(reduction.reduce_sum, y, (0,)))
    for k in (0, 1, 5):
        agree(function.clone(), k, rng.integers(0, 5, (k, 3)).astype(float), layouts=[None, "C"])


def test_expressions_that_share_their_parts() -> None:
    """A nest is written in time proportional to its ops, not to the paths through them (here 2**60)."""

    def build(b: Builder, x: Value) -> list[Value]:
        for _ in range(60):
            x = b.apply(elementwise.add, b.apply(elementwise.mul, x, b.full(0.5, x)), x)
        return [x, b.sum(x, (0,))]

    agree(program([ArrayType(FLOAT64, (5,))], build), np.linspace(0, 1, 5))


def test_products_of_transposed_results() -> None:
    """A computed matrix is stored once, and the product reads it with other strides."""

    def build(b: Builder, x: Value, y: Value) -> list[Value]:
        h = b.apply(elementwise.tanh, b.apply(elementwise.mul, x, x))
        product = b.apply(REGISTRY["matmul"], b.transpose(h, (1, 0)), y)
        twice = b.apply(REGISTRY["matmul"], b.transpose(b.transpose(b.transpose(h, (1, 0)), (1, 0)), (1, 0)), y)
        return [product, twice, h]

    x, y = np.linspace(-1, 1, 32 * 40).reshape(32, 40), np.linspace(0, 1, 32 * 24).reshape(32, 24)
    types = [ArrayType(FLOAT64, (32, 40)), ArrayType(FLOAT64, (32, 24))]
    lowered = agree(program(types, build), x, y)
    stores = [op for op in lowered.function.walk() if op.name == "tanh"]
    assert len(stores) == 1


# --- reshapes among elementwise ops ---------------------------------------------------------------


def turned(b: Builder, x: Value) -> Value:
    return b.transpose(b.reshape(x, (2, 3, 4)), (1, 0, 2))


@pytest.mark.parametrize("second", ["stored", "turned", "turned otherwise", "scalar"])
def test_reshapes_of_turned_arrays(second: str) -> None:
    """The nest goes over the shape in which an index is needed; two such shapes still give the right elements."""
    x = np.arange(24.0)

    def build(b: Builder, x: Value, y: Value) -> list[Value]:
        other = {
            "stored": lambda: y,
            "turned": lambda: b.reshape(turned(b, y), (24,)),
            "turned otherwise": lambda: b.reshape(b.transpose(b.reshape(y, (4, 6)), (1, 0)), (24,)),
            "scalar": lambda: b.fill(b.const(3.0, FLOAT64), (24,)),
        }[second]()
        flat = b.apply(elementwise.mul, b.reshape(turned(b, x), (24,)), other)
        return [b.apply(elementwise.neg, b.reshape(flat, (6, 4)))]

    agree(program([ArrayType(FLOAT64, (24,))] * 2, build), x, x[::-1].copy())


def test_reshape_into_a_whole_array() -> None:
    def build(b: Builder, x: Value, y: Value) -> list[Value]:
        value = b.apply(elementwise.add, b.reshape(turned(b, y), (4, 6)), b.reshape(y, (4, 6)))
        return [b.update(x, value, (0, 0), [(0, 0), (1, 1)], (1, 1))]

    types = [ArrayType(FLOAT64, (4, 6)), ArrayType(FLOAT64, (24,))]
    agree(program(types, build, {0: 0}), np.zeros((4, 6)), np.arange(24.0))


def test_whole_views_of_run_time_dimensions() -> None:
    function = Function("f", Block([INDEX, INDEX]), {"mutated": {}})
    n, m = function.params
    x = function.body.add_param(ArrayType(FLOAT64, (n, 2)))
    b = Builder(function.body)
    same = b.whole(b.apply(elementwise.mul, x, x), (m, 2))
    b.return_(b.apply(elementwise.neg, b.reshape(same, (b.dim_product((m, 2)),))))
    agree(function, 3, 3, np.arange(6.0).reshape(3, 2))


@pytest.mark.parametrize("hits", ["none", "some", "all"])
def test_a_costly_mask_is_computed_once(hits: str) -> None:
    level = {"none": 10.0, "some": 1.5, "all": -1.0}[hits]

    def build(b: Builder, x: Value) -> list[Value]:
        mask = b.apply(elementwise.gt, b.apply(elementwise.exp, x), b.full(level, x))
        n, rows, columns = b.nonzero(mask)
        return [rows, b.gather(x, [rows, columns], (0, 1)), n]

    lowered = agree(program([ArrayType(FLOAT64, (3, 4))], build), np.linspace(-1, 1, 12).reshape(3, 4))
    assert count(lowered.function, "exp") == 1


def test_costly_expressions_that_are_repeated() -> None:
    def build(b: Builder, x: Value, y: Value) -> list[Value]:
        e = b.apply(elementwise.exp, x)
        return [b.apply(elementwise.mul, b.view(e, (5, 4), (0,), ((0, 0),), (1,)), y)]

    function = program([ArrayType(FLOAT64, (5,)), ArrayType(FLOAT64, (5, 4))], build)
    lowered = agree(function, np.linspace(0, 1, 5), np.ones((5, 4)))
    assert count(lowered.function, "alloc") == 2


# --- products and libraries -----------------------------------------------------------------------


def test_a_computed_matrix_times_a_vector_is_not_stored() -> None:
    def build(b: Builder, a: Value, x: Value) -> list[Value]:
        return [b.apply(REGISTRY["matmul"], b.apply(elementwise.mul, a, a), x)]

    rng = np.random.default_rng(0)
    for batch in ((), (2,)):
        types = [ArrayType(FLOAT64, (*batch, 30, 20)), ArrayType(FLOAT64, (*batch, 20, 1))]
        lowered = agree(program(types, build), *(rng.normal(size=t.shape) for t in types))
        assert count(lowered.function, "alloc") == 1 and count(lowered.function, "gemm") == 0


@pytest.mark.parametrize("name", ["sort", "argsort", "stable", "solve", "cholesky", "det"])
@pytest.mark.parametrize("batch", [(), (3,), (2, 2)], ids=str)
def test_library_ops(name: str, batch: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(*batch, 4, 4)) + 4 * np.eye(4)
    if name == "cholesky":
        a = a @ np.swapaxes(a, -1, -2)
    square, right = ArrayType(FLOAT64, a.shape), ArrayType(FLOAT64, (*batch, 4, 2))

    def build(b: Builder, a: Value, y: Value) -> list[Value]:
        double = b.apply(elementwise.add, a, a)
        if name in ("argsort", "stable"):
            return [b.apply(REGISTRY["argsort"], double, stable=name == "stable")]
        return b.emit(REGISTRY[name], (double, y) if name == "solve" else (double,))

    agree(program([square, right], build), a, rng.normal(size=right.shape))
    if batch and name in ("solve", "cholesky"):
        a[0] = 0.0
        agree(program([square, right], build), a, rng.normal(size=right.shape))


def count(function: Function, name: str) -> int:
    return sum(op.name == name for op in function.walk())
