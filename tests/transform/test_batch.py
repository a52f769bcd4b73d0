"""Batching: every op, the programs of the other tests, lanes that part ways, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tests.lower.helpers import parse
from tests.ops.test_registry import operands
from tests.transform import programs
from tests.transform.batching import check, placements
from tracejit.errors import BatchError
from tracejit.ir.core import Block, Function, Value
from tracejit.ir.types import BOOL, DTYPES, FLOAT64, INDEX, INT64, ArrayType
from tracejit.ir.verify import verify
from tracejit.ops import REGISTRY, collective
from tracejit.ops import elementwise as e
from tracejit.ops.builder import Builder
from tracejit.ops.collective import Axis
from tracejit.ops.interpret import interpret
from tracejit.ops.primitive import Primitive
from tracejit.transform.batch import batch

rng = np.random.default_rng(3)


def program(types: Sequence[ArrayType], build: Callable[..., Sequence[Value]]) -> Function:
    function = Function("f", Block(types))
    b = Builder(function.body)
    b.return_(*build(b, *function.params))
    return function


def everywhere(
    function: Function, sample: Callable[[int], Sequence[Any]], *, n: int = 3, tolerance: float = 0.0, limit: int = 8
) -> None:
    """Several axes, several results' axes, numbers of lanes known and not, and nested twice."""
    ranks = [p.rank for p in function.params]
    symbols = {function.params.index(d) for p in function.params for d in p.shape if isinstance(d, Value)}
    lanes = [sample(k) for k in range(n)]
    for number, axes in enumerate(placements(ranks, sorted(symbols), limit)):
        out = [(number + k) % (v.rank + 1) for k, v in enumerate(function.outputs)]
        check(function, lanes, axes, out, tolerance=tolerance, static=bool(number % 2))
        inner = batch(function, axes, out, n)
        rows = [[sample(10 * j + k) for k in range(n)] for j in range(2)]
        for outer in list(placements([p.rank for p in inner.params], sorted(symbols), 2, number)):
            arguments = [[stack(c, a) for c, a in zip(zip(*row), axes)] for row in rows]
            check(inner, arguments, outer, tolerance=tolerance)


def stack(column: Sequence[Any], axis: int | None) -> Any:
    return column[0] if axis is None else np.stack([np.asarray(x) for x in column], axis)


# --- every op
@pytest.mark.parametrize("p", [p for p in REGISTRY.values() if p.family == "elementwise"], ids=lambda p: p.name)
def test_elementwise(p: Primitive) -> None:
    for kind in "biufc":
        dtype = np.dtype({"b": "?", "i": "i8", "u": "u1", "f": "f8", "c": "c16"}[kind])
        if kind not in p.codegen and p.name != "select":
            continue
        for shape in ((), (2,), (2, 3)):
            types = [ArrayType(x.dtype, shape) for x in operands(p, dtype, shape)]
            target = DTYPES["f32"] if p.name == "cast" else None

            def build(b: Builder, *x: Value) -> list[Value]:
                if target is None:
                    return [b.apply(p, *x)]
                return [b.cast(x[0], target)]

            def sample(lane: int, dtype: np.dtype = dtype, shape: tuple[int, ...] = shape) -> list[np.ndarray]:
                return [np.roll(x, lane).reshape(-1)[: int(np.prod(shape))].reshape(shape)
                        for x in operands(p, dtype, (7 + lane,))]  # fmt: skip

            # NumPy's own vector code may differ from its scalar code in the last digits
            everywhere(program(types, build), sample, limit=4, tolerance=1e-14 if kind in "fc" else 0.0)


@pytest.mark.parametrize("p", [p for p in REGISTRY.values() if p.family == "reduction"], ids=lambda p: p.name)
def test_reductions(p: Primitive) -> None:
    dtype = BOOL if p.name in ("reduce_any", "reduce_all") else FLOAT64
    for axes in [(0,), (1,)] if p.name.startswith("arg") else [(0,), (1,), (0, 1), ()]:
        function = program([ArrayType(dtype, (2, 3))], lambda b, x, axes=axes: [b.reduce(p, x, axes)])
        everywhere(function, lambda lane: [numbers(dtype, (2, 3))], tolerance=1e-14)


def numbers(dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    return rng.random(shape) < 0.5 if dtype == BOOL else rng.uniform(-1, 1, shape)


VIEWS: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], Any, tuple[int, ...]]] = {
    "load": ((4,), (), (2,), (), ()),
    "slice": ((6,), (3,), (1,), ((0, 0),), (1,)),
    "strided": ((7,), (3,), (0,), ((0, 0),), (3,)),
    "reversed": ((5,), (5,), (4,), ((0, 0),), (-1,)),
    "transposed": ((2, 3), (3, 2), (0, 0), ((0, 1), (1, 0)), (1, 1)),
    "row": ((3, 4), (4,), (1, 0), ((1, 0),), (1,)),
    "fill": ((), (2, 3), (), (), ()),
    "broadcast": ((3,), (2, 3), (0,), ((0, 1),), (1,)),
    "step 0": ((3,), (2, 4), (1,), ((0, 1),), (0,)),
    "diagonal": ((3, 3), (3,), (0, 0), ((0, 0), (1, 0)), (1, 1)),
    "windows": ((6,), (4, 3), (0,), ((0, 0), (0, 1)), (1, 1)),
    "everything": ((5, 4), (2, 3, 2, 2), (4, 1), ((0, 0), (1, 2), (0, 3)), (-2, 1, -1)),
    "empty": ((3,), (0,), (0,), ((0, 0),), (1,)),
}
"""Shape of the base, shape of the part, starts, pairs, steps."""


@pytest.mark.parametrize("places", ["known", "shared or not"])
@pytest.mark.parametrize("name", VIEWS)
def test_view_and_update(name: str, places: str) -> None:
    base, shape, starts, pairs, steps = VIEWS[name]
    types = [ArrayType(INT64, base), ArrayType(INT64, shape)]
    given: list[Any] = [*starts, *steps]
    if places == "known":
        given = []
    else:
        types += [ArrayType(INT64)] * len(given)

    def build(b: Builder, x: Value, v: Value, *n: Value) -> list[Value]:
        at = n or tuple(map(b.index, (*starts, *steps)))
        first, rest = at[: len(starts)], at[len(starts) :]
        part = b.view(x, shape, first, pairs, rest)
        return [part, b.update(x, v, first, pairs, rest)] if base else [part]

    def sample(lane: int) -> list[Any]:
        return [rng.integers(0, 100, base), rng.integers(100, 200, shape), *given]

    everywhere(program(types, build), sample)


def test_windows_at_places_of_their_own() -> None:
    def build(b: Builder, x: Value, v: Value, i: Value, j: Value) -> list[Value]:
        part = b.view(x, (2, 2), (i, j), ((0, 0), (1, 1)), (1, 1))
        return [part, b.update(x, v, (i, j), ((0, 0), (1, 1)), (1, 1)), b.view(x, (), (i, j), (), ())]

    types = [ArrayType(FLOAT64, (4, 5)), ArrayType(FLOAT64, (2, 2)), ArrayType(INT64), ArrayType(INT64)]

    def sample(lane: int) -> list[Any]:
        return [rng.random((4, 5)), rng.random((2, 2)), int(rng.integers(3)), int(rng.integers(4))]

    everywhere(program(types, build), sample, limit=20)


def test_reshape_and_concat() -> None:
    types = [ArrayType(FLOAT64, (2, 6)), ArrayType(FLOAT64, (2, 2))]

    def build(b: Builder, x: Value, y: Value) -> list[Value]:
        return [b.reshape(x, (3, 4)), b.concat([x, y, x], 1, 14), b.reshape(x, (12,))]

    everywhere(program(types, build), lambda lane: [rng.random((2, 6)), rng.random((2, 2))])


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (1, 0)])
@pytest.mark.parametrize("shape", [(), (4,), (2, 2)])
def test_gather_and_scatter(axes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    part = np.moveaxis(np.zeros((3, 3)), axes, range(len(axes)))[(np.zeros(shape, int),) * len(axes)].shape
    types = [ArrayType(INT64, (3, 3)), ArrayType(INT64, part), *[ArrayType(INT64, shape)] * len(axes)]

    def build(b: Builder, x: Value, v: Value, *i: Value) -> list[Value]:
        return [b.gather(x, i, axes), *(b.scatter(x, v, i, axes, mode) for mode in ("set", "add"))]

    def sample(lane: int) -> list[Any]:
        index = [rng.integers(0, 3, shape) for _ in axes]
        return [rng.integers(0, 100, (3, 3)), rng.integers(0, 100, part), *index]

    everywhere(program(types, build), sample)


@pytest.mark.parametrize("shapes", [((2, 3), (3, 4)), ((2, 3), (3, 1)), ((1, 3), (3, 1)), ((2, 2, 3), (2, 3, 2))])
def test_matmul(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    function = program([ArrayType(FLOAT64, s) for s in shapes], lambda b, x, y: [b.apply(REGISTRY["matmul"], x, y)])
    everywhere(function, lambda lane: [rng.random(s) for s in shapes], tolerance=1e-14)


def test_library_ops() -> None:
    rng = np.random.default_rng(4)
    square, right = ArrayType(FLOAT64, (3, 3)), ArrayType(FLOAT64, (3, 2))

    def regular(lane: int) -> np.ndarray:
        return rng.normal(size=(3, 3)) + 3 * np.eye(3)

    solve = program([square, right], lambda b, a, y: b.emit(REGISTRY["solve"], (a, y)))
    everywhere(solve, lambda lane: [regular(lane), rng.normal(size=(3, 2))], tolerance=1e-13)

    def positive(lane: int) -> list[np.ndarray]:
        a = regular(lane)
        return [a @ a.T if lane != 1 else -a @ a.T]

    everywhere(program([square], lambda b, a: b.emit(REGISTRY["cholesky"], (a,))), positive, tolerance=1e-13)
    for name, attrs in (("det", {}), ("sort", {}), ("argsort", {"stable": True})):
        function = program([square], lambda b, a: [b.apply(REGISTRY[name], a, **attrs)])
        everywhere(function, lambda lane: [regular(lane)], tolerance=1e-13)


def test_every_op_has_a_rule_or_says_why_not() -> None:
    from tracejit.ops.batching import rule_of

    lane_by_lane = {p.name for p in REGISTRY.values() if rule_of(p) is None and p.family in ("structural", "library")}
    assert lane_by_lane == {"const", "empty", "iota", "nonzero"}


# --- lengths of their own
def test_lengths_within_a_lane() -> None:
    """x[x > 0] has a length of its own in each lane, its sum has not."""

    def build(b: Builder, x: Value) -> list[Value]:
        n, index = b.nonzero(b.apply(e.gt, x, b.full(0.0, x)))
        picked = b.gather(x, [index], (0,))
        return [b.sum(b.apply(e.mul, picked, picked), (0,)), n]

    function = program([ArrayType(FLOAT64, (5,))], build)
    everywhere(function, lambda lane: [rng.uniform(-1, 1, 5)], tolerance=1e-14)


def positives(b: Builder, x: Value) -> list[Value]:
    n, index = b.nonzero(b.apply(e.gt, x, b.full(0.0, x)))
    return [b.gather(x, [index], (0,)), n]


def test_results_whose_lengths_agree() -> None:
    function = program([ArrayType(FLOAT64, (4,))], positives)
    lanes = [[np.array(x)] for x in ([1.0, -1, 2, -3], [-1.0, -1, 2, 3], [5.0, 4, -2, -3])]
    for out in ([0, 0], [1, 0]):
        check(function, lanes, [0], out)
        check(function, [[np.zeros(4)]] * 3, [0], out)


def test_ragged_results() -> None:
    whole = batch(program([ArrayType(FLOAT64, (4,))], positives), [0])
    text = "the result of vmap is ragged: its axis 1 would have length 2 in lane 0 and length 1 in lane 1"
    with pytest.raises(ValueError, match=text):
        interpret(whole, [2, np.array([[1.0, -1, 2, -3], [1, -1, -1, -1]])])


def test_lengths_of_parameters() -> None:
    function = Function("f", Block())
    n = function.body.add_param(INDEX, "n")
    x = function.body.add_param(ArrayType(FLOAT64, (n,)), "x")
    k = function.body.add_param(INDEX, "k")
    b = Builder(function.body)
    back = b.view(x, (n,), (b.apply(e.sub, n, b.index(1)),), ((0, 0),), (-1,))
    head = b.view(x, (k,), (0,), ((0, 0),), (1,))
    b.return_(b.apply(e.mul, x, back), b.sum(head, (0,)), b.concat([x, back], 0, b.apply(e.add, n, n)))
    everywhere(function, lambda lane: [4, rng.random(4), int(rng.integers(5))], tolerance=1e-14)


# --- programs
PROGRAMS: dict[str, Callable[[int], Sequence[Any]]] = {
    "NEWTON": lambda lane: [4.0 ** (lane % 5)],
    "POWER": lambda lane: [0.5 + lane / 4, lane + 2],
    "RECURRENCE": lambda lane: [rng.random(6), rng.random(6)],
    "CHOLESKY": lambda lane: [np.eye(4) * (3 + lane) + rng.random()],
    "LAYERS": lambda lane: [rng.random((5, 3, 3)), rng.random((3, 1))],
    "STENCIL": lambda lane: [rng.random(8)],
    "COLLATZ": lambda lane: [5 + lane, 0.3 + lane / 3, rng.random(8)],
    "TALKING": lambda lane: [1.2 + lane / 30, 3 + lane],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    everywhere(parse(getattr(programs, name)), PROGRAMS[name], tolerance=1e-13)


def test_products_between_loops_that_differ() -> None:
    """One product of all lanes, not one per lane."""

    def build(b: Builder, a: Value, x: Value, n: Value) -> list[Value]:
        def doubled(b: Builder, x: Value) -> Value:
            return b.for_(0, n, 1, [x], lambda b, i, x: [b.apply(e.add, x, x)])[0]

        y = b.apply(REGISTRY["matmul"], a, doubled(b, x))
        return [doubled(b, y)]

    function = program([ArrayType(FLOAT64, (2, 3)), ArrayType(FLOAT64, (3, 1)), INDEX], build)
    lanes = [[rng.random((2, 3)), rng.random((3, 1)), k] for k in (1, 3, 0, 2)]
    whole = check(function, lanes, [None, 0, 0], tolerance=1e-14)
    assert [op.name for op in whole.body.ops if op.name in ("for", "matmul")] == ["for", "matmul", "for"]
    everywhere(function, lambda lane: [rng.random((2, 3)), rng.random((3, 1)), lane % 4], tolerance=1e-14)


def test_first_failing_lane() -> None:
    function = parse(programs.TALKING)
    check(function, [[1.1, 2], [5.0, 9], [20.0, 1]], [0, 0])
    check(function, [[1.1, 2], [5.0, 2], [20.0, 2]], [0, None])
    inner = batch(function, [0, 0])
    with pytest.raises(ValueError, match=r"400\.0 is too big") as error:
        interpret(batch(inner, [None, 0, 0]), [2, 3, np.array([[1.0, 1, 1], [1, 20, 30]]), np.full((2, 3), 2)])
    assert error.value.__notes__ == ["in lane 1 of the vmap of talking"] * 2


def test_checks_in_all_lanes_at_once() -> None:
    def build(b: Builder, x: Value, i: Value) -> list[Value]:
        ok = b.apply(e.and_, b.apply(e.ge, i, b.index(0)), b.apply(e.lt, i, b.index(4)))
        b.check(ok, IndexError, ("index {0} is out of bounds",), (i,))
        return [b.view(x, (), (i,), (), ())]

    function = program([ArrayType(FLOAT64, (4,)), INDEX], build)
    x = np.arange(4.0)
    check(function, [[x, 1], [x, 0], [x, 3]], [None, 0])
    for axes in ([None, 0], [0, 0]):
        check(function, [[x, 1], [x, 4], [x, 3], [x, -1]], axes)


# --- writes into arguments
def stores(b: Builder, x: Value, y: Value, i: Value) -> list[Value]:
    v = b.apply(e.add, b.view(x, (), (i,), (), ()), b.view(y, (), (0,), (), ()))
    y = b.update(y, b.apply(e.mul, v, b.const(2.0, FLOAT64)), (i,), (), ())
    return [b.sum(y, (0,)), y]


@pytest.mark.parametrize("axes", [[0, 0, 0], [None, 0, 0], [0, None, 0], [None, None, 0], [0, None, None], [1, 1, 0]])
def test_mutated_arguments(axes: list[int | None]) -> None:
    """Lanes that write into an array that they share do so one after the other."""
    function = program([ArrayType(FLOAT64, (3,)), ArrayType(FLOAT64, (3,)), INDEX], stores)
    function.meta["mutated"] = {1: 1}
    lanes = [[rng.random(3), rng.random(3), k % 3] for k in range(4)]
    arguments = [stack(c, a) for c, a in zip(zip(*lanes), axes)]
    expected, finals, y = [], [], arguments[1]
    for lane in range(4):
        part = [a if axis is None else np.take(a, lane, axis) for a, axis in zip(arguments, axes)]
        if axes[1] is None:
            part[1] = y
        total, y = interpret(function, part)
        expected.append(total)
        finals.append(y)
    whole = batch(function, axes)
    verify(whole)
    assert whole.meta["mutated"] == {2: 1}
    got = interpret(whole, [4, *arguments])
    np.testing.assert_array_equal(got[0], expected)
    np.testing.assert_array_equal(got[1], y if axes[1] is None else np.stack(finals, axes[1]))


# --- looking across lanes
LANES = Axis("lanes")


def across(b: Builder, x: Value, y: Value) -> list[Value]:
    i = b.apply(collective.axis_index, axis=LANES)
    total = b.apply(collective.psum, x, axis=LANES)
    share = b.apply(e.div, x, total)
    rows = b.emit(collective.all_gather, (x,), (ArrayType(FLOAT64, (3, 2)),), {"axis": LANES})[0]
    own = b.view(rows, (2,), (i, 0), ((1, 0),), (1,))
    return [share, own, b.apply(collective.pmax, y, axis=LANES), b.apply(collective.pmin, y, axis=LANES), i, rows,
            b.apply(collective.psum, b.const(2.0, FLOAT64), axis=LANES)]  # fmt: skip


def test_collectives() -> None:
    function = program([ArrayType(FLOAT64, (2,)), ArrayType(FLOAT64)], across)
    x, y = rng.random((3, 2)), rng.random(3)
    share, own, high, low, i, rows, two = interpret(batch(function, [0, 0], None, 3, LANES), [x, y])
    np.testing.assert_allclose(share, x / x.sum(0))
    np.testing.assert_array_equal(own, x)
    assert high.tolist() == [y.max()] * 3 and low.tolist() == [y.min()] * 3
    assert i.tolist() == [0, 1, 2] and two.tolist() == [6.0] * 3
    np.testing.assert_array_equal(rows, np.stack([x] * 3))


@pytest.mark.parametrize("order", ["inside out", "outside in"])
def test_collectives_of_another_axis(order: str) -> None:
    function = program([ArrayType(FLOAT64, (2,)), ArrayType(FLOAT64)], across)
    x, y = rng.random((3, 4, 2)), rng.random((3, 4))
    if order == "inside out":
        whole = batch(batch(function, [0, 0], None, 3, LANES), [1, 1], [1] * 7, 4)
    else:
        whole = batch(batch(function, [0, 0], None, 4), [0, 0], None, 3, LANES)
    verify(whole)
    got = interpret(whole, [x, y])
    alone = [interpret(batch(function, [0, 0], None, 3, LANES), [x[:, k], y[:, k]]) for k in range(4)]
    for k, g in enumerate(got):
        np.testing.assert_allclose(g, np.stack([a[k] for a in alone], 1))


def test_collectives_between_loops_that_differ() -> None:
    def build(b: Builder, n: Value) -> list[Value]:
        def count(b: Builder, n: Value) -> Value:
            return b.for_(0, n, 1, [b.const(1.0, FLOAT64)], lambda b, i, x: [b.apply(e.add, x, x)])[0]

        first = count(b, n)
        total = b.apply(collective.psum, first, axis=LANES)
        i = b.apply(collective.axis_index, axis=LANES)
        return [total, count(b, b.cast(total, INT64)), b.for_(0, i, 1, [i], lambda b, k, x: [b.apply(e.add, x, i)])[0]]

    whole = batch(program([INDEX], build), [0], None, 3, LANES)
    verify(whole)
    total, last, squares = interpret(whole, [np.array([1, 0, 2])])
    assert total.tolist() == [7.0] * 3 and last.tolist() == [128.0] * 3 and squares.tolist() == [0, 2, 6]


def test_collectives_where_lanes_part_ways() -> None:
    def build(b: Builder, n: Value, x: Value) -> list[Value]:
        return b.for_(0, n, 1, [x], lambda b, i, x: [b.apply(collective.psum, x, axis=LANES)])

    function = program([INDEX, ArrayType(FLOAT64)], build)
    got = interpret(batch(function, [None, 0], None, 3, LANES), [2, np.ones(3)])
    assert got[0].tolist() == [9.0] * 3
    with pytest.raises(BatchError, match="psum over 'lanes' needs all lanes, but lanes may part ways here"):
        batch(function, [0, 0], None, 3, LANES)


# --- what is refused
def test_outputs_that_are_shared() -> None:
    function = program([ArrayType(FLOAT64)] * 2, lambda b, x, y: [b.apply(e.add, x, x), b.apply(e.neg, y)])
    whole = batch(function, [0, None], [0, None])
    got = interpret(whole, [2, np.array([1.0, 2.0]), 3.0])
    assert got[0].tolist() == [2, 4] and got[1].tolist() == -3
    with pytest.raises(BatchError, match="output 0 of f is said to be the same in all lanes, but may differ"):
        batch(function, [0, None], [None, None])


def test_axes_that_do_not_exist() -> None:
    function = program([ArrayType(FLOAT64, (2,))], lambda b, x: [x])
    assert batch(function, [-1], [-1], 3).params[0].shape == (2, 3)
    with pytest.raises(BatchError, match="parameter 0 of f has no axis 2: with that of the lanes it has 2"):
        batch(function, [2])
    with pytest.raises(BatchError, match="output 0 of f has no axis -3"):
        batch(function, [0], [-3])
