"""What may be dropped, shared, moved and run for nothing."""

from __future__ import annotations

import pytest

from tracejit.ir.core import Function, Op
from tracejit.ir.text import parse_function
from tracejit.ops import REGISTRY, control
from tracejit.ops.effects import constant, has_effects, is_pure, is_speculatable, may_fail


def last(text: str) -> Op:
    """The op before the ``return`` of a program with some parameters and constants."""
    head = "func f(%n: i64, %x: f64[5], %m: f64[%n, 4], %p: bool, %i: i64) {\n"
    constants = "  %zero: i64 = const 0\n  %one: i64 = const 1\n"
    function: Function = parse_function(head + constants + text + "\n  return\n}", REGISTRY, {"Slot": control.Slot})
    return function.body.ops[-2]


LOOP = "for %zero, %n, STEP {{ (%k: i64) ->\n {}\n yield\n }}"
BRANCH = "if %p {{\n {}\n yield\n }} {{\n yield\n }}"
WHILE = "while {{\n yield %p\n }} {{\n {}\n yield\n }}"
CHECK = "check %p {exception = ValueError, args = ()}"
PRINT = "print %n {parts = ()}"
NEG = "%a: i64 = neg %n"


@pytest.mark.parametrize(
    ("text", "pure", "effects", "fails"),
    [
        (NEG, True, False, False),
        (CHECK, False, True, True),
        (PRINT, False, True, False),
        ('callback {function = None, tree = None, kinds = ()}', False, True, True),
        (BRANCH.format(NEG), True, False, False),
        (BRANCH.format(CHECK), False, True, True),
        (LOOP.replace("STEP", "%one").format(BRANCH.format(PRINT)), False, True, False),
        (WHILE.format(NEG), True, False, False),
        (WHILE.format(CHECK), False, True, True),
    ],
)  # fmt: skip
def test_effects_are_those_of_the_regions(text: str, pure: bool, effects: bool, fails: bool) -> None:
    op = last(text)
    assert (is_pure(op), has_effects(op), may_fail(op)) == (pure, effects, fails)


def test_terminators_stay() -> None:
    op = last(NEG)
    assert op.block is not None and not is_pure(op.block.terminator) and not is_speculatable(op.block.terminator)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (NEG, True),
        (CHECK, False),
        ("%v: f64 = view %x, %one {pairs = ()}", True),
        ("%v: f64 = view %x, %i {pairs = ()}", False),
        ("%six: i64 = const 6\n %v: f64 = view %x, %six {pairs = ()}", False),
        ("%minus: i64 = const -1\n %v: f64 = view %x, %minus {pairs = ()}", False),
        ("%v: f64[4] = view %x, %one, %one {pairs = ((0, 0),)}", True),
        ("%v: f64[5] = view %x, %one, %one {pairs = ((0, 0),)}", False),
        ("%a: i64 = const 4\n %b: i64 = const -1\n %v: f64[5] = view %x, %a, %b {pairs = ((0, 0),)}", True),
        ("%v: f64[9] = view %x, %one, %zero {pairs = ((0, 0),)}", True),
        ("%v: f64[%n, 4] = view %m, %zero, %zero, %one, %one {pairs = ((0, 0), (1, 1))}", True),
        ("%v: f64[%n] = view %m, %zero, %one, %one {pairs = ((0, 0),)}", True),
        ("%v: f64[%n] = view %m, %one, %one, %one {pairs = ((0, 0),)}", False),
        ("%v: f64[4] = view %m, %zero, %zero, %one {pairs = ((1, 0),)}", False),
        ("%v: f64[%i] = view %x, %zero, %one {pairs = ((0, 0),)}", False),
        ("%y: f64 = const 0.0\n %v: f64[7] = view %y {pairs = ()}", True),
        ("%y: f64 = const 0.0\n %v: f64[%i] = view %y {pairs = ()}", False),
        ("%v: f64[%i] = empty", False),
        ("%y: f64 = const 0.0\n %v: f64[5] = update %x, %y, %i {pairs = ()}", False),
        ("%y: f64 = const 0.0\n %v: f64[5] = update %x, %y, %one {pairs = ()}", True),
        ("%v: f64 = gather %x, %i {axes = (0,)}", False),
        ("%v: i64 = argmax %x {axes = (0,)}", True),
        ("%v: f64[4] = reduce_min %m {axes = (0,)}", False),
        ("%v: f64[4] = reduce_sum %m {axes = (0,)}", True),
        (BRANCH.format(NEG), True),
        (BRANCH.format("%v: f64 = view %x, %i {pairs = ()}"), False),
        (LOOP.replace("STEP", "%one").format(NEG), True),
        (LOOP.replace("STEP", "%i").format(NEG), False),
        (WHILE.format(NEG), False),
    ],
)
def test_what_may_run_for_nothing(text: str, answer: bool) -> None:
    assert is_speculatable(last(text)) is answer


def test_constants() -> None:
    op = last("%a: bool = const True")
    assert constant(op.result) is True and constant(last(NEG).result) is None and constant(None) is None
