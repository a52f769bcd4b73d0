"""The verifier accepts what is well-formed and names what is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tracejit.ir.core import Block, Function, Op, Value
from tracejit.ir.text import parse_function
from tracejit.ir.types import BOOL, FLOAT64, INDEX, ArrayType
from tracejit.ir.verify import VerifyError, verify
from tracejit.ops import REGISTRY, control, reduction, structural
from tracejit.ops import elementwise as e

TEXT = """
func f(%n: i64, %x: f64[%n], %p: bool) {
  %zero: i64 = const 0
  %one: i64 = const 1
  %s: f64 = const 0.0
  %y: f64[%n], %t: f64 = for %zero, %n, %one, %x, %s { (%i: i64, %a: f64[%n], %b: f64) ->
    %v: f64 = view %a, %i {pairs = ()}
    %w: f64 = if %p {
      %c: f64 = add %v, %b
      yield %c
    } {
      yield %v
    }
    yield %a, %w
  }
  return %y, %t
}
"""


def parse(text: str) -> Function:
    return parse_function(text, REGISTRY, {"Slot": control.Slot})


def find(f: Function, name: str, nth: int = 0) -> Op:
    return [op for op in f.walk() if op.name == name][nth]


def test_well_formed() -> None:
    verify(parse(TEXT))


def use_before_definition(f: Function) -> None:
    block = find(f, "if").regions[0]
    find(f, "for").regions[0].terminator.set_operands([f.body.ops[3].operands[3], block.ops[0].result])


def stale_use(f: Function) -> None:
    find(f, "view").operands[1] = f.params[0]


def stale_dimension(f: Function) -> None:
    f.params[0].dim_users.clear()


def dangling_user(f: Function) -> None:
    Op(e.neg, (f.params[1],), (f.params[1].type,))


def wrong_block(f: Function) -> None:
    find(f, "view").block = f.body


def wrong_parent(f: Function) -> None:
    find(f, "if").regions[0].parent = None


def no_terminator(f: Function) -> None:
    block = find(f, "if").regions[0]
    last = block.ops.pop()
    last.drop_references()


def terminator_inside(f: Function) -> None:
    f.body.ops.insert(1, Op(control.yield_, (), ()))
    f.body.ops[1].block = f.body


def return_in_a_region(f: Function) -> None:
    block = find(f, "if").regions[0]
    block.ops[-1] = Op(control.return_, block.yields, ())
    block.ops[-1].block = block


def wrong_result_type(f: Function) -> None:
    find(f, "add").result.set_type(ArrayType(BOOL))


def condition_is_no_bool(f: Function) -> None:
    find(f, "if").set_operands([f.params[0]])


def yields_too_few(f: Function) -> None:
    find(f, "if").regions[0].terminator.set_operands([])


def yields_another_type(f: Function) -> None:
    find(f, "if").regions[1].terminator.set_operands([f.params[0]])


def carries_another_type(f: Function) -> None:
    op = find(f, "for")
    op.set_operands([*op.operands[:4], op.operands[0]])


def counter_is_no_index(f: Function) -> None:
    find(f, "for").regions[0].params[0].set_type(ArrayType(FLOAT64))


def bound_is_no_index(f: Function) -> None:
    op = find(f, "for")
    op.set_operands([op.operands[0], f.params[2], *op.operands[2:]])


def mixed_dtypes(f: Function) -> None:
    op = find(f, "add")
    op.set_operands([op.operands[0], f.params[0]])


def too_few_starts(f: Function) -> None:
    op = find(f, "view")
    op.set_operands(op.operands[:1])


def pair_without_axis(f: Function) -> None:
    op = find(f, "view")
    op.attrs["pairs"] = ((0, 0),)
    op.set_operands([*op.operands, op.operands[1]])


def wrong_constant(f: Function) -> None:
    find(f, "const").attrs["value"] = 0.5


def dimension_out_of_scope(f: Function) -> None:
    i = find(f, "for").regions[0].params[0]
    op = Op(structural.iota, (), (ArrayType(INDEX.dtype, (i,)),))
    f.body.insert_before(f.body.terminator, op)


def dimension_is_no_index(f: Function) -> None:
    op = Op(structural.iota, (), (ArrayType(INDEX.dtype, (f.params[2],)),))
    f.body.insert_before(f.body.terminator, op)


def defined_twice(f: Function) -> None:
    find(f, "add").results = find(f, "view").results


def wrong_axes(f: Function) -> None:
    op = Op(reduction.reduce_sum, (f.params[1],), (ArrayType(FLOAT64),), {"axes": (1,)})
    f.body.insert_before(f.body.terminator, op)


def check_without_exception(f: Function) -> None:
    f.body.insert_before(f.body.terminator, Op(control.check, (f.params[2],), (), {"args": ()}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (use_before_definition, "is not defined here"),
        (stale_use, "the use list"),
        (stale_dimension, "the list of types that mention"),
        (dangling_user, "the use list|that mention"),
        (wrong_block, "another block"),
        (wrong_parent, "another parent"),
        (no_terminator, "without a terminator"),
        (terminator_inside, "a terminator ends a block"),
        (return_in_a_region, "'yield' is expected"),
        (wrong_result_type, "the shapes|the type rule"),
        (condition_is_no_bool, "should be bool"),
        (yields_too_few, "1 values are yielded, not 0"),
        (yields_another_type, "is yielded as f64"),
        (carries_another_type, "is carried as f64"),
        (counter_is_no_index, "i64 counter|dtypes|i64 scalars"),
        (bound_is_no_index, "start, stop and step"),
        (mixed_dtypes, "different dtypes"),
        (too_few_starts, "starts and 0 steps"),
        (pair_without_axis, "axes that do not exist"),
        (wrong_constant, "0.5 is not of type int"),
        (dimension_out_of_scope, "is not defined here"),
        (dimension_is_no_index, "is not an i64 scalar"),
        (defined_twice, "owner|defined twice"),
        (wrong_axes, "are not axes"),
        (check_without_exception, "not an exception class"),
    ],
)
def test_damage_is_found(damage: Callable[[Function], None], message: str) -> None:
    f = parse(TEXT)
    damage(f)
    with pytest.raises(VerifyError, match=message):
        verify(f)


def test_message_shows_the_op_among_its_neighbours() -> None:
    f = parse(TEXT)
    mixed_dtypes(f)
    with pytest.raises(VerifyError) as caught:
        verify(f)
    assert ">>> %c: f64 = add %v, %n" in str(caught.value)
    assert "    yield %c" in str(caught.value)


def test_dimensions_may_be_known_on_one_side_only() -> None:
    verify(
        parse("""
    func f(%n: i64, %x: f64[%n], %y: f64[5], %m: i64, %z: f64[%m]) {
      %a: f64[%n] = add %x, %y
      %b: f64[%n] = add %x, %z
      return %a, %b
    }
    """)
    )
    with pytest.raises(VerifyError, match="the shapes of"):
        verify(parse("func f(%x: f64[4], %y: f64[5]) {\n  %a: f64[4] = add %x, %y\n  return %a\n}"))


def test_parent_of_the_body() -> None:
    f = Function("f", Block())
    f.body.append(Op(control.return_, (), ()))
    verify(f)
    f.body.parent = Op(control.if_, (), ())
    with pytest.raises(VerifyError, match="parent"):
        verify(f)


def test_values_know_their_owner() -> None:
    f = parse(TEXT)
    f.body.params[0] = Value(INDEX)
    with pytest.raises(VerifyError):
        verify(f)
