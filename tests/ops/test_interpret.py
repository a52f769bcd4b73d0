"""The interpreter: structural ops, control flow, effects, run-time dimensions, and the loop level; it is strict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tracejit.ir.core import Block, Function, Value
from tracejit.ir.text import parse_function
from tracejit.ir.types import FLOAT64, INDEX, INT64, ArrayType
from tracejit.ir.verify import verify
from tracejit.ops import REGISTRY, control
from tracejit.ops import elementwise as e
from tracejit.ops.builder import Builder
from tracejit.ops.interpret import InterpreterError, interpret


def parse(text: str, **objects: Any) -> Function:
    function = parse_function(text, REGISTRY, {"Slot": control.Slot, **objects})
    verify(function)
    return function


def run(text: str, *arguments: Any, **objects: Any) -> list[Any]:
    return interpret(parse(text, **objects), arguments)


X = np.arange(12.0).reshape(3, 4)


def one(build: Any, *arrays: np.ndarray) -> np.ndarray:
    """The result of what ``build(builder, *parameters)`` emits."""
    function = Function("f", Block([ArrayType(a.dtype, a.shape) for a in arrays]))
    b = Builder(function.body)
    b.return_(build(b, *function.params))
    verify(function)
    (out,) = interpret(function, arrays)
    assert isinstance(out, np.ndarray)
    return out


@pytest.mark.parametrize(
    ("index", "shape", "starts", "pairs", "steps"),
    [
        (np.s_[1:3], (2, 4), (1, 0), ((0, 0), (1, 1)), (1, 1)),
        (np.s_[::-1, 2], (3,), (2, 2), ((0, 0),), (-1,)),
        (np.s_[1, ::2], (2,), (1, 0), ((1, 0),), (2,)),
        (np.s_[:, None, 3:0:-2], (3, 1, 2), (0, 3), ((0, 0), (1, 2)), (1, -2)),
        (np.s_[2, 3], (), (2, 3), (), ()),
        (np.s_[3:], (0, 4), (3, 0), ((0, 0), (1, 1)), (1, 1)),
    ],
)
def test_views_are_numpys(index: Any, shape: Any, starts: Any, pairs: Any, steps: Any) -> None:
    got = one(lambda b, x: b.view(x, shape, starts, pairs, steps), X)
    np.testing.assert_array_equal(got, X[index])
    assert got.shape == X[index].shape
    value = np.full(shape, 99.0)
    expected = X.copy()
    expected[index] = value
    np.testing.assert_array_equal(one(lambda b, x, v: b.update(x, v, starts, pairs, steps), X, value), expected)


def test_views_that_are_no_slices() -> None:
    np.testing.assert_array_equal(one(lambda b, x: b.transpose(x, (1, 0)), X), X.T)
    np.testing.assert_array_equal(one(lambda b, x: b.view(x, (3,), (0, 0), ((0, 0), (1, 0)), (1, 1)), X), np.diag(X))
    np.testing.assert_array_equal(one(lambda b, x: b.view(x, (2, 3, 4), (0, 0), ((0, 1), (1, 2)), (1, 1)), X), [X, X])
    windows = np.lib.stride_tricks.sliding_window_view(X, 2, axis=1)
    pairs = ((0, 0), (1, 1), (1, 2))
    np.testing.assert_array_equal(one(lambda b, x: b.view(x, (3, 3, 2), (0, 0), pairs, (1, 1, 1)), X), windows)
    filled = one(lambda b, x: b.fill(b.view(x, (), (1, 1), (), ()), (2, 2)), X)
    np.testing.assert_array_equal(filled, np.full((2, 2), 5.0))


def test_last_store_wins() -> None:
    got = one(lambda b, x, v: b.update(x, v, (1,), ((0, 0),), (0,)), np.zeros(3), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(got, [0, 3, 0])


def test_other_structural_ops() -> None:
    index = np.array([[2, 0], [1, 1]])
    columns = one(lambda b, x, i: b.gather(x, (i,), (1,)), X, index)
    np.testing.assert_array_equal(columns, np.moveaxis(X[:, index], 0, -1))
    np.testing.assert_array_equal(one(lambda b, x, i: b.gather(x, (i, i), (0, 1)), X, index), X[index, index])
    expected = X.copy()
    np.add.at(expected, (index, index), 1.0)
    ones = np.ones((2, 2))
    added = one(lambda b, x, v, i: b.scatter(x, v, (i, i), (0, 1), "add"), X, ones, index)
    np.testing.assert_array_equal(added, expected)
    expected = X.copy()
    expected[index, index] = 1.0
    np.testing.assert_array_equal(one(lambda b, x, v, i: b.scatter(x, v, (i, i), (0, 1)), X, ones, index), expected)
    np.testing.assert_array_equal(one(lambda b, x: b.concat([x, x], 1, 8), X), np.concatenate([X, X], 1))
    np.testing.assert_array_equal(one(lambda b, x: b.reshape(x, (2, 6)), X), X.reshape(2, 6))
    np.testing.assert_array_equal(one(lambda b: b.iota(4)), np.arange(4))
    np.testing.assert_array_equal(one(lambda b, x: b.nonzero(x)[2], X > 5), np.nonzero(X > 5)[1])


def test_arguments_are_not_changed() -> None:
    x = X.copy()
    one(lambda b, x, v: b.update(x, v, (0, 0), (), ()), x, np.array(7.0))
    np.testing.assert_array_equal(x, X)


def test_loops_and_branches() -> None:
    text = """
    func f(%n: i64) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %two: i64 = const 2
      %steps: i64, %last: i64 = while %zero, %n { (%s: i64, %k: i64) ->
        %p: bool = ne %k, %one
        yield %p
      } { (%s1: i64, %k1: i64) ->
        %r: i64 = mod %k1, %two
        %odd: bool = eq %r, %one
        %next: i64 = if %odd {
          %three: i64 = const 3
          %m: i64 = mul %k1, %three
          %u: i64 = add %m, %one
          yield %u
        } {
          %h: i64 = floordiv %k1, %two
          yield %h
        }
        %s2: i64 = add %s1, %one
        yield %s2, %next
      }
      %minus: i64 = const -2
      %sum: i64 = for %n, %zero, %minus, %zero { (%i: i64, %t: i64) ->
        %t1: i64 = add %t, %i
        yield %t1
      }
      return %steps, %last, %sum
    }
    """
    assert [int(v) for v in run(text, 27)] == [111, 1, sum(range(27, 0, -2))]
    assert [int(v) for v in run(text, 1)] == [0, 1, 1]


def test_dimensions_at_run_time() -> None:
    text = """
    func f(%n: i64, %x: f64[%n]) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %limit: f64 = const 2.0
      %m: i64, %y: f64[%m] = for %zero, %n, %one, %n, %x { (%i: i64, %k: i64, %z: f64[%k]) ->
        %limits: f64[%k] = view %limit {pairs = ()}
        %big: bool[%k] = gt %z, %limits
        %c: i64, %index: i64[%c] = nonzero %big
        %w: f64[%c] = gather %z, %index {axes = (0,)}
        yield %c, %w
      }
      return %m, %y
    }
    """
    m, y = run(text, 4, np.array([1.0, 5.0, 2.0, 3.0]))
    assert m == 2
    np.testing.assert_array_equal(y, [5.0, 3.0])


def test_failing_checks() -> None:
    text = """
    func f(%ok: bool, %i: i64, %x: f64) {
      check %ok, %i, %x {exception = IndexError, args = ("index {0} of {{3}} is {1}", 7)}
      return %i
    }
    """
    assert run(text, True, 3, 0.1)[0] == 3
    with pytest.raises(IndexError) as caught:
        run(text, False, 3, 0.1)
    assert caught.value.args == ("index 3 of {3} is 0.1", 7)


def test_prints_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    run("""
    func f(%n: i64, %x: f64[2]) {
      %zero: i64 = const 0
      %one: i64 = const 1
      for %zero, %n, %one { (%i: i64) ->
        print %i, %x {parts = ("turn", &Slot(0, "numpy"), &Slot(1, "array")), sep = ";", end = "."}
        yield
      }
      print %n {parts = (&Slot(0, "python"),)}
      return
    }
    """, 2, np.array([1.0, 2.5]))  # fmt: skip
    assert capsys.readouterr().out == "turn;0;[1.  2.5].turn;1;[1.  2.5].2\n"


def test_callbacks() -> None:
    seen = []

    def f(x: Any, y: Any) -> Any:
        seen.append((type(x), type(y)))
        return x + float(y.sum()), 7

    a, b = run("""
    func f(%x: f64, %y: f64[2]) {
      %a: f64, %b: i64 = callback %x, %y {function = &f, tree = None, kinds = ("python", "array")}
      return %a, %b
    }
    """, 0.5, np.ones(2), f=f)  # fmt: skip
    assert (a, b) == (2.5, 7) and seen == [(float, np.ndarray)] and b.dtype == np.int64


@pytest.mark.parametrize(
    ("op", "arguments"),
    [
        ("view %x, %i {pairs = ()}", (3,)),
        ("view %x, %i {pairs = ()}", (-1,)),
        ("gather %x, %i {axes = (0,)}", (3,)),
    ],
)
def test_out_of_bounds_is_an_error(op: str, arguments: tuple[int]) -> None:
    with pytest.raises(InterpreterError, match="indices"):
        run(f"func f(%x: f64[3], %i: i64) {{\n  %y: f64 = {op}\n  return %y\n}}", np.zeros(3), *arguments)


def test_wrong_shapes_are_errors() -> None:
    with pytest.raises(InterpreterError, match="would hold"):
        run("func f(%n: i64, %x: f64[%n]) {\n  return %x\n}", 3, np.zeros(4))
    with pytest.raises(InterpreterError, match="negative"):
        run("func f(%n: i64) {\n  %x: f64[%n] = empty\n  return %x\n}", -1)
    with pytest.raises(InterpreterError, match="would hold"):
        text = "func f(%n: i64, %x: f64[3]) {\n  %y: f64[%n] = neg %x\n  return %y\n}"
        run(text, 4, np.zeros(3))
    with pytest.raises(TypeError, match="2 arguments"):
        run("func f(%n: i64, %x: f64[%n]) {\n  return %x\n}", 3)
    with pytest.raises(TypeError, match="float32"):
        run("func f(%x: f64[2]) {\n  return %x\n}", np.zeros(2, np.float32))


# --- the loop level
COPY = """
    func f(%n: i64, %x: ptr<f64>, %s: i64) {
      %zero: i64 = const 0
      %one: i64 = const 1
      %y: ptr<f64> = alloc %n
      for %zero, %n, %one { (%i: i64) ->
        %at: i64 = mul %i, %s
        %v: f64 = load %x, %at
        %w: f64 = neg %v
        store %y, %i, %w
        yield
      }
      return %y
    }
    """


def test_buffers() -> None:
    x = np.arange(6.0)
    np.testing.assert_array_equal(run(COPY, 3, x, 2)[0], [0.0, -2.0, -4.0])
    np.testing.assert_array_equal(run(COPY, 3, (x, 5), -1)[0], [-5.0, -4.0, -3.0])
    with pytest.raises(InterpreterError, match="load"):
        run(COPY, 4, x, 2)


def test_writing_into_an_argument() -> None:
    x = np.arange(6.0)
    run("""
    func f(%x: ptr<f64>, %i: i64, %v: f64) {
      %y: ptr<f64> = offset %x, %i
      store %y, %i, %v
      %two: i64 = const 2
      fill_zero %x, %two
      %z: ptr<f64> = alloc {stack = 2}
      copy_elements %z, %y, %two
      %w: f64 = load %z, %i
      %same: bool = same_buffer %x, %y
      return %w, %same
    }
    """, x, 1, 9.0)  # fmt: skip
    np.testing.assert_array_equal(x, [0, 0, 9, 3, 4, 5])


def test_freed_and_uninitialised_buffers() -> None:
    with pytest.raises(InterpreterError, match="freed"):
        run("""
        func f(%n: i64, %i: i64) {
          %x: ptr<f64> = alloc %n
          free %x
          %v: f64 = load %x, %i
          return %v
        }
        """, 3, 0)  # fmt: skip
    head = "func f(%n: i64, %i: i64) {\n  %x: ptr<f64> = alloc %n\n  %v: f64 = load %x, %i\n"
    v, _ = run(head + "  return %v, %x\n}", 3, 0)
    assert v != 0
    with pytest.raises(InterpreterError, match="neither freed nor handed out"):
        run(head + "  return %v\n}", 3, 0)


def test_overlapping_copy_is_an_error() -> None:
    with pytest.raises(InterpreterError, match="overlap"):
        run("""
        func f(%x: ptr<f64>, %i: i64) {
          %y: ptr<f64> = offset %x, %i
          %two: i64 = const 2
          copy_elements %y, %x, %two
          return
        }
        """, np.zeros(4), 1)  # fmt: skip


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_gemm(transpose_a: bool, transpose_b: bool) -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    x, y = a.T if transpose_a else a, b.T if transpose_b else b
    c = np.zeros(8)
    run(f"""
    func f(%c: ptr<f64>, %a: ptr<f64>, %b: ptr<f64>, %m: i64, %n: i64, %k: i64, %lda: i64, %ldb: i64) {{
      gemm %c, %a, %b, %m, %n, %k, %lda, %ldb {{transpose_a = {transpose_a}, transpose_b = {transpose_b}}}
      return
    }}
    """, c, x.ravel(), y.ravel(), 2, 4, 3, x.shape[1], y.shape[1])  # fmt: skip
    np.testing.assert_array_equal(c.reshape(2, 4), a @ b)


def test_constant_buffers_and_fusions() -> None:
    out = run("""
    func f(%x: f64[3]) {
      %y: f64[3] = fusion {
        %a: f64[3] = neg %x
        %b: f64[3] = exp %a
        yield %b
      }
      return %y
    }
    """, np.arange(3.0))  # fmt: skip
    np.testing.assert_array_equal(out[0], np.exp(-np.arange(3.0)))
    (v,) = run("""
    func f(%i: i64) {
      %x: ptr<i64> = constant_buffer {value = array(i64, (2, 2), [1, 2, 3, 4])}
      %v: i64 = load %x, %i
      return %v
    }
    """, 2)  # fmt: skip
    assert v == 3


def test_unknown_ops() -> None:
    from tracejit.ops.primitive import Primitive

    primitive = Primitive.__new__(Primitive)
    primitive.name, primitive.evaluate, primitive.pure, primitive.terminator = "mystery", None, True, False
    function = Function("f", Block([INDEX]))
    b = Builder(function.body)
    b.return_(*b.emit(primitive, function.params, (ArrayType(INT64),)))
    with pytest.raises(NotImplementedError, match="mystery"):
        interpret(function, [1])


def test_int_results_of_a_total_op() -> None:
    values = np.array([-(2**63), -7, 0, 7], np.int64)

    def divide(b: Builder, x: Value) -> Value:
        return b.apply(e.floordiv, x, b.fill(b.const(0, INT64), (4,)))

    np.testing.assert_array_equal(one(divide, values), np.zeros(4))
    assert one(lambda b, x: b.cast(x, FLOAT64), values).dtype == np.float64
