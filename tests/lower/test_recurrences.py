"""What a turn of a loop computes for the next one is carried in scalars, and enters an extremum last."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.lower.helpers import apply, golden, parse
from tracejit.ir.core import Function
from tracejit.lower import recurrences


def carried(function: Function) -> int:
    """How many scalars the innermost loops carry."""
    return sum(not r.rank for op in function.walk() if op.name == "for" and not count_loops(op) for r in op.results)


def count_loops(loop) -> int:
    return sum(op.name in ("for", "while") for op in loop.regions[0].walk())


def test_an_element_stored_by_the_turn_before() -> None:
    golden(
        """
        func f(%t: f64[8], %x: f64) {
          %one: i64 = const 1
          %last: i64 = const 7
          %minus: i64 = const -1
          %r: f64[8] = for %one, %last, %one, %t { (%i: i64, %a: f64[8]) ->
            %before: i64 = add %i, %minus
            %v: f64 = view %a, %before {pairs = ()}
            %w: f64 = mul %v, %x
            %b: f64[8] = update %a, %w, %i {pairs = ()}
            yield %b
          }
          return %r
        }
        """,
        """
        func f(%t: f64[8], %x: f64) {
          %one: i64 = const 1
          %last: i64 = const 7
          %minus: i64 = const -1
          %0: i64 = const -1
          %1: i64 = add %one, %0
          %2: f64 = view %t, %1 {pairs = ()}
          %r: f64[8], %3: f64 = for %one, %last, %one, %t, %2 { (%i: i64, %a: f64[8], %4: f64) ->
            %before: i64 = add %i, %minus
            %w: f64 = mul %4, %x
            %b: f64[8] = update %a, %w, %i {pairs = ()}
            yield %b, %w
          }
          return %r
        }
        """,
        recurrences.run,
        inputs=[[np.arange(8.0), 3.0]],
    )


def test_a_loop_that_may_not_run_loads_nothing_then() -> None:
    text = """
        func f(%n: i64, %t: f64[%n], %x: f64) {
          %zero: i64 = const 0
          %one: i64 = const 1
          %minus: i64 = const -1
          %last: i64 = add %n, %minus
          %r: f64[%n] = for %zero, %last, %one, %t { (%i: i64, %a: f64[%n]) ->
            %v: f64 = view %a, %i {pairs = ()}
            %w: f64 = mul %v, %x
            %next: i64 = add %i, %one
            %b: f64[%n] = update %a, %w, %next {pairs = ()}
            yield %b
          }
          return %r
        }
        """
    inputs = [[n, np.arange(float(n)), 3.0] for n in range(4)]
    function = apply(parse(text), [recurrences.run], inputs)
    assert carried(function) == 1
    assert [op.name for op in function.walk() if op.name == "if"] == ["if"]


DIFFUSION = """
        func f(%t: f64[4, 6], %x: f64) {{
          %zero: i64 = const 0
          %one: i64 = const 1
          %three: i64 = const 3
          %five: i64 = const 5
          %n: i64 = const 6
          %r: f64[4, 6] = for %zero, %three, %one, %t {{ (%i: i64, %t1: f64[4, 6]) ->
            %below: i64 = add %i, %one
            %s: f64[4, 6] = for %zero, %n, %one, %t1 {{ (%j: i64, %a: f64[4, 6]) ->
              %v: f64 = view %a, %i, %j {{pairs = ()}}
              %w: f64 = mul %v, %x
              %next: i64 = add %j, %one
              %more: bool = lt %next, {stop}
              %b: f64[4, 6] = if %more {{
                %old: f64 = view %a, %i, %next {{pairs = ()}}
                %new: f64 = add %old, %w
                %c: f64[4, 6] = update %a, %new, %i, %next {{pairs = ()}}
                yield %c
              }} {{
                yield %a
              }}
              %d: f64[4, 6] = update %b, %w, {place} {{pairs = ()}}
              yield %d
            }}
            yield %s
          }}
          return %r
        }}
        """


@pytest.mark.parametrize(
    "stop, place, expected",
    [
        ("%n", "%below, %j", 1),  # the store is left out in the last turn only; the other one is in another row
        ("%three", "%below, %j", 0),  # left out sooner
        ("%n", "%three, %five", 0),  # what may be the same element
    ],
)
def test_a_store_in_every_turn_but_the_last(stop: str, place: str, expected: int) -> None:
    function = parse(DIFFUSION.format(stop=stop, place=place))
    after = apply(function, [recurrences.run], [[np.arange(24.0).reshape(4, 6), 0.5]])
    assert carried(after) == expected


@pytest.mark.parametrize("order", ["%left, %a", "%a, %left"])
@pytest.mark.parametrize("outer", ["%m, %b", "%b, %m"])
def test_what_comes_from_the_turn_before_is_used_last(order: str, outer: str) -> None:
    function = parse(
        f"""
        func f(%t: i64[8], %x: i64[8], %y: i64[8]) {{
          %one: i64 = const 1
          %last: i64 = const 8
          %minus: i64 = const -1
          %r: i64[8] = for %one, %last, %one, %t {{ (%i: i64, %s: i64[8]) ->
            %before: i64 = add %i, %minus
            %v: i64 = view %s, %before {{pairs = ()}}
            %left: i64 = add %v, %one
            %a: i64 = view %x, %i {{pairs = ()}}
            %b: i64 = view %y, %i {{pairs = ()}}
            %m: i64 = minimum {order}
            %k: i64 = minimum {outer}
            %q: i64[8] = update %s, %k, %i {{pairs = ()}}
            yield %q
          }}
          return %r
        }}
        """
    )
    rng = np.random.default_rng(0)
    after = apply(function, [recurrences.run], [[rng.integers(0, 9, 8) for _ in range(3)] for _ in range(5)])
    first, second = (op for op in after.walk() if op.name == "minimum")
    assert {v.op.name for v in first.operands} == {"view"}
    assert first.result in second.operands
    assert any(v.op.name == "add" for v in second.operands)


def random_program(r: random.Random) -> str:
    """A loop over a counter that loads and stores elements near it, some of them in branches."""
    step = r.choice([1, 1, 1, 2, -1])
    start, stop = (3, 12) if step > 0 else (12, 3)
    lines = ["%x0: f64 = const 1.5"]
    values = ["%x0"]
    array = "%a"
    for k in range(r.randint(2, 6)):
        c = r.choice([-2, -1, -1, 0, 0, 1, 1, 2])
        lines += [f"%c{k}: i64 = const {c}", f"%i{k}: i64 = add %i, %c{k}"]
        match r.choice(["load", "load", "store", "store", "branch"]):
            case "load":
                lines.append(f"%v{k}: f64 = view {array}, %i{k} {{pairs = ()}}")
                lines.append(f"%s{k}: f64 = sub %v{k}, {r.choice(values)}")
                values.append(f"%s{k}")
            case "store":
                lines.append(f"%a{k}: f64[16] = update {array}, {r.choice(values)}, %i{k} {{pairs = ()}}")
                array = f"%a{k}"
            case "branch":
                c = r.choice([-1, 0, 1, 1])
                lines += [f"%d{k}: i64 = const {c}", f"%j{k}: i64 = add %i, %d{k}"]
                lines.append(f"%p{k}: bool = {r.choice(['lt', 'lt', 'le', 'gt', 'ge', 'ne'])} %j{k}, %stop")
                store = f"%u{k}: f64[16] = update {array}, {r.choice(values)}, %i{k} {{pairs = ()}}\n yield %u{k}"
                arms = [store, f"yield {array}"]
                if r.random() < 0.3:
                    arms.reverse()
                lines.append(f"%a{k}: f64[16] = if %p{k} {{\n {arms[0]}\n }} {{\n {arms[1]}\n }}")
                array = f"%a{k}"
    body = "\n".join(lines)
    return f"""
        func f(%t: f64[16]) {{
          %start: i64 = const {start}
          %stop: i64 = const {stop}
          %step: i64 = const {step}
          %r: f64[16] = for %start, %stop, %step, %t {{ (%i: i64, %a: f64[16]) ->
            {body}
            yield {array}
          }}
          return %r
        }}
        """


def test_random_recurrences() -> None:
    found = 0
    for seed in range(400):
        function = parse(random_program(random.Random(seed)))
        after = apply(function, [recurrences.run], [[np.arange(16.0)]])
        found += carried(after)
    assert found > 30
