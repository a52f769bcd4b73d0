"""IR text: what is printed is parsed back, names are stable, and errors show the line."""

from __future__ import annotations

import numpy as np
import pytest

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ir.loc import Loc
from tracejit.ir.text import ParseError, literal, parse_function, print_function, print_op
from tracejit.ir.types import FLOAT64, INDEX, ArrayType, BufferType
from tracejit.ops import REGISTRY, control, loop
from tracejit.ops import elementwise as e
from tracejit.ops.builder import Builder

PROGRAM = """\
func smooth(%n: i64, %u: f64[%n, 3], %steps: i64) {mutated = {1: 0}} {
  %0: i64 = const 0
  %1: i64 = const 1
  %total: f64 = const 0.0
  %v: f64[%n, 3], %total.1: f64 = for %0, %steps, %1, %u, %total { (%i: i64, %w: f64[%n, 3], %t: f64) ->
    %2: bool = lt %i, %n
    check %2, %i {exception = IndexError, args = ("index {0}\\n", -1, (nan, inf), None, f32)} @ heat.py:12:4
    %3: f64[3] = view %w, %i, %0, %1 {pairs = ((1, 0),)} @ "<ipython-input-3>":1
    %x: f64 = reduce_sum %3 {axes = (0,)}
    %4: f64, %5: i64, %6: f64[%5] = if %2 {
      %7: i64 = const 7
      %8: f64[%7] = view %x {pairs = ()}
      yield %x, %7, %8
    } {
      %9: f64[2] = const array(f64, (2,), [1.5, -inf])
      %10: i64 = const 2
      yield %t, %10, %9
    }
    print %4 {parts = ("x =", &Slot(0, "numpy")), sep = " "}
    yield %w, %4
  }
  return %v, %total.1
}
"""


def parse(text: str) -> Function:
    return parse_function(text, REGISTRY, {"Slot": control.Slot})


def test_round_trip() -> None:
    f = parse(PROGRAM)
    assert print_function(f, locations=True) == PROGRAM
    assert f.meta == {"mutated": {1: 0}}
    assert print_function(f.clone(), locations=True) == PROGRAM
    assert "heat.py" not in str(f)
    check = next(op for op in f.walk() if op.name == "check")
    assert check.loc == Loc("heat.py", 12, 4)
    assert check.attrs["exception"] is IndexError and check.attrs["args"][4] == np.float32


def test_equal_programs_have_equal_text() -> None:
    def make() -> Function:
        f = Function("f", Block([INDEX]))
        b = Builder(f.body)
        b.return_(b.apply(e.add, f.params[0], b.const(1, np.int64)))
        return f

    assert str(make()) == str(make())


def test_hints_that_repeat_or_are_no_names() -> None:
    f = Function("f")
    for hint in ("x", "x", "a b", "x", "7"):
        f.body.add_param(INDEX, hint)
    Builder(f.body).return_(*f.params)
    text = str(f)
    assert text.splitlines()[0] == "func f(%x: i64, %x.1: i64, %0: i64, %x.2: i64, %1: i64) {"
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    "value",
    [
        None, True, 7, -(2**63), 0.1, -0.0, 1e300, 1e-5, complex(-0.0, 2.5), "a \"quoted\" 'text'\n\t\\", "é", (), (1,),
        [1, (2,)], {"a": 1, 2: None}, np.dtype("c8"), ValueError, KeyboardInterrupt, np.exceptions.AxisError,
        control.Slot(3, "array"),
    ],
)  # fmt: skip
def test_literals(value: object) -> None:
    text = f"func f() {{\n  print {{parts = {literal(value)}}}\n  return\n}}\n"
    f = parse(text)
    assert repr(f.body.ops[0].attrs["parts"]) == repr(value)
    assert str(f) == text


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "complex(nan, -inf)"])
def test_numbers_that_are_not(text: str) -> None:
    f = parse(f"func f() {{\n  print {{parts = {text}}}\n  return\n}}\n")
    assert literal(f.body.ops[0].attrs["parts"]) == text


def test_array_constants() -> None:
    for value in (
        np.arange(6, dtype=np.uint8).reshape(2, 3),
        np.zeros((2, 0, 3), np.complex64),
        np.array([np.nan, -0.0]),
    ):
        f = Function("f")
        b = Builder(f.body)
        b.return_(b.const(value, value.dtype))
        again = parse(str(f))
        got = again.outputs[0].op.attrs["value"]
        assert got.dtype == value.dtype and got.shape == value.shape and got.tobytes() == value.tobytes()
        assert not got.flags.writeable


def test_buffers() -> None:
    f = Function("f", Block([BufferType(FLOAT64), INDEX]))
    op = Op(loop.load, f.params, (ArrayType(FLOAT64),))
    f.body.append(op)
    Builder(f.body).return_(op.result)
    assert str(parse(str(f))) == str(f)
    assert "ptr<f64>" in str(f)


def test_objects_without_a_literal() -> None:
    def callback(x: float) -> float:
        return x

    f = Function("f", Block([ArrayType(FLOAT64)]))
    f.body.append(Op(control.callback, f.params, (), {"function": callback, "tree": None, "kinds": ("python",)}))
    Builder(f.body).return_()
    assert "&callback" in str(f)
    again = parse_function(str(f), REGISTRY, {"callback": callback})
    assert again.body.ops[0].attrs["function"] is callback
    with pytest.raises(ParseError, match="callback"):
        parse(str(f))


def test_comments_and_print_op() -> None:
    f = parse("# a program\nfunc f(%x: i64) {  # its only parameter\n  %y: i64 = neg %x  # negated\n  return %y\n}")
    op = f.body.ops[0]
    assert print_op(op) == f"%y: i64 = neg %?{f.params[0].label}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%y: i64 = neg %z", "%z is not defined"),
        ("%x: i64 = neg %x", "%x is defined twice"),
        ("%y: i64 = frobnicate %x", "'frobnicate' is not a primitive"),
        ("%y: i65 = neg %x", "'i65' is not a dtype"),
        ("%y: i64 = neg %x {a = ?}", "line 2"),
        ("%y: i64 = neg %x {a = Nothing}", "'Nothing' is not a literal"),
        ("%y: i64 = neg %x %x", "newline"),
    ],
)
def test_errors(line: str, message: str) -> None:
    with pytest.raises(ParseError, match="line 2") as caught:
        parse(f"func f(%x: i64) {{\n  {line}\n  return %x\n}}")
    assert message in str(caught.value)


def test_values_print_alone() -> None:
    n = Value(INDEX)
    assert repr(Value(ArrayType(FLOAT64, (n, 3)))).endswith(f"f64[%{n.label}, 3]")
