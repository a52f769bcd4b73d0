"""Records behave as dataclasses do, where they promise to."""

import copy
import pickle
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from dataclasses import replace as dataclass_replace
from typing import Any

import pytest

from tracejit.record import field, fields, record, replace


class Both:
    """The same class made in both ways."""

    def __init__(self, define: Any) -> None:
        self.ours = define(record, field)
        self.theirs = define(dataclass, dataclass_field)
        self.pair = (self.ours, self.theirs)


def _point(make: Any, field: Any) -> Any:
    @make(frozen=True)
    class Point:
        x: int
        y: int = 2
        tags: tuple[str, ...] = ()

    return Point


def _listed(make: Any, field: Any) -> Any:
    @make
    class Listed:
        name: str
        items: list[int] = field(default_factory=list)
        total: int = field(init=False)

        def __post_init__(self) -> None:
            self.total = sum(self.items)

    return Listed


def _derived(make: Any, field: Any) -> Any:
    @make(frozen=True)
    class Base:
        a: int
        b: int = 1

    @make(frozen=True)
    class Derived(Base):
        c: int = 5
        b: int = 7

    return Derived


def _empty(make: Any, field: Any) -> Any:
    @make(frozen=True)
    class Empty:
        pass

    return Empty


def _written(make: Any, field: Any) -> Any:
    @make(frozen=True)
    class Written:
        a: int

        def __init__(self, a: int) -> None:
            object.__setattr__(self, "a", a + 1)

        def __repr__(self) -> str:
            return "written"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 3

    return Written


def _shown(run: Any) -> str:
    try:
        return repr(run()).replace("<locals>", "").split(".")[-1]
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize(
    ("define", "calls"),
    [
        (_point, ["C(1)", "C(1, 3, ('a',))", "C(y=1, x=2)", "C()", "C(1, 2, 3, 4)", "C(1, x=2)", "C(1, z=2)"]),
        (_listed, ["C('n')", "C('n', [1, 2])", "C('n', items=[4])", "C('n', [], 4)", "C('n', total=3)"]),
        (_derived, ["C(1)", "C(1, 2, 3)", "C(c=1, a=2)", "C()"]),
        (_empty, ["C()", "C(1)"]),
        (_written, ["C(1)", "C(1).a", "C(1) == 3", "hash(C(1))"]),
    ],
)
def test_made_as_dataclasses_are(define: Any, calls: list[str]) -> None:
    both = Both(define)
    for call in calls:
        ours, theirs = (_shown(lambda kind=kind: eval(call, {"C": kind})) for kind in both.pair)
        assert ours == theirs, call
    assert both.ours.__match_args__ == both.theirs.__match_args__
    assert fields(both.ours) == tuple(both.theirs.__dataclass_fields__)


def test_equality_and_hash() -> None:
    for kind in Both(_point).pair:
        assert kind(1) == kind(1, 2) != kind(2)
        assert hash(kind(1)) == hash(kind(1, 2))
        assert kind(1) != (1, 2, ())
        assert kind(1).__eq__(3) is NotImplemented
        assert len({kind(1), kind(1), kind(3)}) == 2
    for kind in Both(_listed).pair:
        assert kind("a") == kind("a") != kind("b")
        with pytest.raises(TypeError, match="unhashable"):
            hash(kind("a"))
    for kind in Both(_empty).pair:
        assert kind() == kind()
        assert hash(kind()) == hash(kind())


def test_identity_without_eq() -> None:
    for make in (record, dataclass):

        @make(eq=False)
        class Node:
            value: int

        node = Node(1)
        assert node != Node(1)
        assert node in {node}


def test_default_factories_make_new_objects() -> None:
    for kind in Both(_listed).pair:
        assert kind("a").items is not kind("b").items


def test_replace() -> None:
    ours, theirs = Both(_point).pair
    assert replace(ours(1, 2), y=5) == ours(1, 5)
    assert dataclass_replace(theirs(1, 2), y=5) == theirs(1, 5)
    with pytest.raises(TypeError):
        replace(ours(1), w=3)


def test_patterns() -> None:
    for kind in Both(_point).pair:
        match kind(1, 5):
            case kind(x, 5):
                assert x == 1
            case _:
                raise AssertionError


def test_a_record_may_contain_itself() -> None:
    for kind in Both(_listed).pair:
        node = kind("a")
        node.items.append(node)
        assert "..." in repr(node)


def test_first_instances_of_inherited_init() -> None:
    @record
    class Base:
        a: int

    class Plain(Base):
        pass

    class Calls(Base):
        def __init__(self, a: int) -> None:
            super().__init__(a)
            self.b = a + 1

    assert Calls(1).b == 2
    assert Plain(3).a == 3
    assert Base(4).a == 4


@record(frozen=True)
class Importable:
    """At module level, so that it can be pickled."""

    a: int
    b: str = "b"


def test_copies() -> None:
    one = Importable(1)
    assert copy.copy(one) == copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one
