"""Rules for structural ops: views of views, loads after stores, shapes that change nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from tests.lower.helpers import apply, count, parse
from tracejit.ir.core import Block, Function, Value
from tracejit.ir.types import BOOL, FLOAT64, INDEX, INT64, ArrayType
from tracejit.lower import dce, share, simplify
from tracejit.ops import control
from tracejit.ops import elementwise as e
from tracejit.ops.builder import Builder

X = np.arange(12.0).reshape(3, 4)
LINE = np.arange(1.0, 7.0)


def build(types: Sequence[ArrayType], body: Callable[..., Sequence[Value] | Value]) -> Function:
    function = Function("f")
    params = [function.body.add_param(t) for t in types]
    b = Builder(function.body)
    out = body(b, *params)
    b.return_(*(out if isinstance(out, (list, tuple)) else [out]))
    return function


def simplified(function: Function, *inputs: Sequence[object]) -> Function:
    return apply(function, [simplify.run, share.run, simplify.run, dce.run], inputs)


def names(function: Function) -> list[str]:
    return [op.name for op in function.body.ops if op.name not in ("const", "return")]


MATRIX, VECTOR = ArrayType(FLOAT64, (3, 4)), ArrayType(FLOAT64, (6,))


def test_identity_view() -> None:
    f = simplified(build([MATRIX], lambda b, x: b.view(x, (3, 4), (0, 0), ((0, 0), (1, 1)), (1, 1))), [X])
    assert f.outputs[0] is f.params[0]
    f = simplified(build([MATRIX], lambda b, x: b.transpose(b.transpose(x, (1, 0)), (1, 0))), [X])
    assert f.outputs[0] is f.params[0]


@pytest.mark.parametrize(("shape", "start", "step"), [((2, 4), 0, 1), ((3, 4), 1, 1), ((3, 4), 2, -1)])
def test_other_views_stay(shape: tuple[int, int], start: int, step: int) -> None:
    start = min(start, 2 if step < 0 else 3 - shape[0])
    f = simplified(build([MATRIX], lambda b, x: b.view(x, shape, (start, 0), ((0, 0), (1, 1)), (step, 1))), [X])
    assert names(f) == (["view"] if (shape, start, step) != ((3, 4), 0, 1) else [])


def test_view_of_view_is_one_view() -> None:
    def body(b: Builder, x: Value, i: Value) -> Value:
        row = b.view(x, (4,), (i, 0), ((1, 0),), (1,))
        back = b.view(row, (2,), (3,), ((0, 0),), (-2,))
        return b.view(back, (), (1,), (), ())

    f = simplified(build([MATRIX, INDEX], body), [X, 0], [X, 2])
    assert names(f) == ["view"]


def random_view(r: random.Random, b: Builder, x: Value) -> Value:
    """Some view of ``x`` that is in bounds."""
    starts, pairs, steps, shape = [], [], [], []
    for axis, d in enumerate(x.shape):
        assert isinstance(d, int)
        if d and r.random() < 0.75:
            length, step = r.randint(0, d), r.choice([1, 1, -1, 2, 0])
            length = min(length, (d - 1) // abs(step) + 1) if step else length
            reach = (length - 1) * step if length else 0
            starts.append(r.randint(max(0, -reach), d - 1 - max(0, reach)) if length else 0)
            pairs.append((axis, len(shape)))
            steps.append(step)
            shape.append(length)
        else:
            starts.append(r.randrange(d) if d else 0)
            if not d:
                pairs.append((axis, len(shape)))
                steps.append(1)
                shape.append(0)
    if r.random() < 0.3:
        shape.append(2)
    if len(shape) > 1 and r.random() < 0.5:
        order = list(range(len(shape)))
        r.shuffle(order)
        shape = [shape[k] for k in order]
        pairs = [(axis, order.index(k)) for axis, k in pairs]
    if len(pairs) == 2 and r.random() < 0.3 and shape[pairs[0][1]] == shape[pairs[1][1]] and len(shape) == 2:
        shape.pop(pairs[1][1])  # the diagonal
        pairs = [(axis, 0) for axis, _ in pairs]
    if len(shape) > 3:
        return x
    return b.view(x, shape, starts, pairs, steps)


@pytest.mark.parametrize("seed", range(60))
def test_random_chains_of_views(seed: int) -> None:
    r = random.Random(seed)

    def body(b: Builder, x: Value) -> Value:
        for _ in range(r.randint(2, 4)):
            x = random_view(r, b, x)
        return x

    f = simplified(build([MATRIX], body), [X])
    # an element that is loaded to fill an array with it is loaded once
    assert sum(op.operands[0].rank > 0 for op in f.walk() if op.name == "view") <= 1


def test_load_of_fill_iota_constant_and_part() -> None:
    def body(b: Builder, y: Value, i: Value) -> list[Value]:
        constant = b.const(np.array([5, 6, 7]), INT64)
        whole = b.concat([b.fill(y, (2,)), b.fill(b.const(1.0, FLOAT64), (3,))], 0, 5)
        return [
            b.view(b.fill(y, (6, 2)), (), (i, i), (), ()),
            b.view(b.iota(6), (), (i,), (), ()),
            b.view(constant, (), (2,), (), ()),
            b.view(whole, (), (1,), (), ()),
            b.view(whole, (2,), (2,), ((0, 0),), (2,)),
            b.view(whole, (2,), (1,), ((0, 0),), (2,)),
        ]

    f = simplified(build([ArrayType(FLOAT64), INDEX], body), [2.5, 1])
    assert f.outputs[0] is f.outputs[3] is f.params[0]
    assert f.outputs[1] is f.params[1]
    assert [o.op.name for o in f.outputs if o.op is not None] == ["const", "view", "view"]
    last = f.outputs[5].op
    assert last is not None and last.operands[0].op is not None and last.operands[0].op.name == "concat"


def test_load_after_store() -> None:
    def body(b: Builder, x: Value, v: Value, w: Value, i: Value) -> list[Value]:
        one = b.const(1, INT64)
        x = b.update(x, v, (i,), (), ())
        x = b.update(x, w, (b.apply(e.add, i, one),), (), ())
        return [x, b.view(x, (), (i,), (), ()), b.view(x, (), (b.apply(e.add, one, i),), (), ())]

    f = simplified(build([VECTOR, ArrayType(FLOAT64), ArrayType(FLOAT64), INDEX], body), [LINE, 7.0, 8.0, 2])
    assert f.outputs[1:] == f.params[1:3]


def test_load_after_a_store_that_may_be_elsewhere() -> None:
    def body(b: Builder, x: Value, v: Value, i: Value, j: Value) -> list[Value]:
        x = b.update(x, v, (i,), (), ())
        x = b.update(x, b.const(9.0, FLOAT64), (j,), (), ())
        return [x, b.view(x, (), (i,), (), ())]

    f = simplified(build([VECTOR, ArrayType(FLOAT64), INDEX, INDEX], body), [LINE, 7.0, 2, 2], [LINE, 7.0, 2, 3])
    assert names(f) == ["update", "update", "view"]


def test_load_of_an_older_version_stays_a_load_of_the_newest() -> None:
    """``a[0] = v; a[1]``: reading the array as it was would keep a copy of it alive."""

    def body(b: Builder, x: Value, v: Value) -> list[Value]:
        y = b.update(x, v, (0,), (), ())
        return [y, b.view(y, (), (1,), (), ())]

    f = simplified(build([VECTOR, ArrayType(FLOAT64)], body), [LINE, 7.0])
    load = f.outputs[1].op
    assert load is not None and load.operands[0] is f.outputs[0]


def test_loads_from_an_array_built_element_by_element() -> None:
    def body(b: Builder, v: Value, w: Value) -> list[Value]:
        x = b.fill(b.const(0.0, FLOAT64), (4,))
        x = b.update(x, v, (0,), (), ())
        x = b.update(x, w, (1,), (), ())
        x = b.update(x, b.fill(v, (2,)), (2,), ((0, 0),), (1,))
        return [b.view(x, (), (k,), (), ()) for k in range(4)]

    f = simplified(build([ArrayType(FLOAT64)] * 2, body), [1.5, 2.5])
    v, w = f.params
    assert f.outputs[:2] == [v, w] and f.outputs[2:] == [v, v]


def test_load_of_a_filled_row() -> None:
    def body(b: Builder, x: Value, v: Value, i: Value, j: Value) -> list[Value]:
        y = b.update(x, b.fill(v, (4,)), (i, 0), ((1, 0),), (1,))
        return [y, b.view(y, (), (i, j), (), ()), b.view(y, (), (j, i), (), ())]

    f = simplified(build([MATRIX, ArrayType(FLOAT64), INDEX, INDEX], body), [X, 7.0, 2, 1])
    assert f.outputs[1] is f.params[1]
    assert f.outputs[2].op is not None


def test_store_over_a_store() -> None:
    def twice(b: Builder, x: Value, v: Value, i: Value) -> Value:
        return b.update(b.update(x, b.const(1.0, FLOAT64), (i,), (), ()), v, (i,), (), ())

    f = simplified(build([VECTOR, ArrayType(FLOAT64), INDEX], twice), [LINE, 7.0, 2])
    assert count(f, "update") == 1


def test_store_over_a_store_that_was_seen() -> None:
    """The caller sees the first store when the check between them fails."""

    def body(b: Builder, x: Value, v: Value, i: Value, ok: Value) -> Value:
        y = b.update(x, b.const(1.0, FLOAT64), (i,), (), ())
        b.check(ok, ValueError, ("no",))
        return b.update(y, v, (i,), (), ())

    f = simplified(build([VECTOR, ArrayType(FLOAT64), INDEX, ArrayType(BOOL)], body), [LINE, 7.0, 2, True])
    assert count(f, "update") == 2

    def read(b: Builder, x: Value, v: Value, i: Value) -> list[Value]:
        y = b.update(x, b.const(1.0, FLOAT64), (i,), (), ())
        return [b.update(y, v, (i,), (), ()), b.apply(e.neg, y)]

    f = simplified(build([VECTOR, ArrayType(FLOAT64), INDEX], read), [LINE, 7.0, 2])
    assert count(f, "update") == 2


def test_storing_what_is_there() -> None:
    def body(b: Builder, x: Value, i: Value) -> Value:
        return b.update(x, b.view(x, (), (i,), (), ()), (i,), (), ())

    f = simplified(build([VECTOR, INDEX], body), [LINE, 2])
    assert f.outputs[0] is f.params[0]


def test_whole_stores_stay() -> None:
    """``x[...] = v`` is a store into the memory of ``x``, which may be the caller's."""
    f = simplified(build([VECTOR, VECTOR], lambda b, x, v: b.update(x, v, (0,), ((0, 0),), (1,))), [LINE, -LINE])
    assert names(f) == ["update"]


def test_elementwise_ops_on_fills_are_done_once() -> None:
    def body(b: Builder, x: Value, y: Value) -> Value:
        return b.apply(e.mul, b.apply(e.add, b.fill(x, (6,)), b.fill(y, (6,))), b.fill(x, (6,)))

    f = simplified(build([ArrayType(FLOAT64)] * 2, body), [2.0, 3.0])
    assert names(f) == ["add", "mul", "view"]
    assert all(op.result.rank == 0 for op in f.body.ops[:2])


def test_reshapes() -> None:
    def body(b: Builder, x: Value, y: Value) -> list[Value]:
        return [
            b.reshape(b.reshape(x, (12,)), (3, 4)),
            b.reshape(b.reshape(x, (12,)), (2, 6)),
            b.apply(e.neg, b.reshape(y, (6, 1))),
            b.view(b.reshape(x, (12,)), (), (7,), (), ()),
        ]

    f = simplified(build([MATRIX, VECTOR], body), [X, LINE])
    assert f.outputs[0] is f.params[0]
    assert [count(f, name) for name in ("reshape", "view")] == [1, 2]


def test_reshape_that_is_stored_into_stays() -> None:
    def body(b: Builder, y: Value, v: Value) -> Value:
        return b.update(b.reshape(y, (6, 1)), v, (0, 0), (), ())

    f = simplified(build([VECTOR, ArrayType(FLOAT64)], body), [LINE, 3.0])
    assert names(f) == ["reshape", "update"]


def test_gather_and_scatter_at_one_place() -> None:
    def body(b: Builder, x: Value, i: Value) -> list[Value]:
        row = b.gather(x, (i,), (0,))
        return [row, b.scatter(x, row, (i,), (0,)), b.scatter(x, b.const(1.0, FLOAT64), (i, i), (0, 1))]

    f = simplified(build([MATRIX, INDEX], body), [X, 1])
    assert count(f, "gather") == count(f, "scatter") == 0


def test_repeated_scatter_stays() -> None:
    def body(b: Builder, x: Value, index: Value, v: Value) -> Value:
        return b.scatter(x, v, (index,), (0,), "add")

    f = build([VECTOR, ArrayType(INT64, (3,)), ArrayType(FLOAT64, (3,))], body)
    f = simplified(f, [LINE, np.array([1, 1, 2]), np.ones(3)])
    assert names(f) == ["scatter"]


def test_constant_dimension_becomes_an_int() -> None:
    f = parse("""
    func f(%y: f64) {
      %2: i64 = const 2
      %3: i64 = const 3
      %n: i64 = add %2, %3
      %x: f64[%n] = view %y {pairs = ()}
      %z: f64[%n] = neg %x
      return %z
    }
    """)
    f = simplified(f, [1.5])
    assert f.outputs[0].shape == (5,)


def test_concat_of_one() -> None:
    f = simplified(build([VECTOR], lambda b, x: b.concat([b.fill(b.const(0.0, FLOAT64), (0,)), x], 0, 6)), [LINE])
    assert f.outputs[0] is f.params[0]


def test_load_in_a_loop_reads_what_the_turn_stored() -> None:
    def body(b: Builder, x: Value, n: Value) -> Value:
        inner = Block()
        i, y = inner.add_param(INDEX), inner.add_param(VECTOR)
        c = Builder(inner)
        v = c.cast(i, FLOAT64)
        y = c.update(y, v, (i,), (), ())
        c.yield_(c.update(y, c.apply(e.add, c.view(y, (), (i,), (), ()), v), (i,), (), ()))
        return b.emit(control.for_, (b.index(0), n, b.index(1), x), (VECTOR,), None, (inner,))[0]

    f = simplified(build([VECTOR, INDEX], body), [LINE, 4])
    assert count(f, "view") == 0 and count(f, "update") == 1


def test_column_times_row() -> None:
    """Elementwise, and a sum: never -0.0."""
    text = """
    func f(%x: f64[2, 3, 1], %y: f64[2, 1, 2]) {
      %z: f64[2, 3, 2] = matmul %x, %y
      return %z
    }
    """
    x = np.array([[[-0.0], [1.5], [np.inf]], [[0.0], [-2.0], [3.0]]])
    y = np.array([[[2.0, -0.5]], [[-0.0, 0.25]]])
    with np.errstate(invalid="ignore"):
        after = apply(parse(text), [simplify.run, dce.run], [[x, y]])
    assert count(after, "matmul") == 0
