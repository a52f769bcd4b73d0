"""Objects that differ by path in more than their numbers: None or a float, one str or another, a tuple or an int.

An :class:`Either` can be carried around, joined again and returned. Using it means using whichever it is: the
operation is recorded for each, and where Python would raise for one of them, so does the compiled program if it is
that one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from tracejit.errors import CaptureError, a
from tracejit.ir.core import Value
from tracejit.ir.loc import Loc
from tracejit.ir.types import INT64
from tracejit.ops import elementwise as E
from tracejit.record import record
from tracejit.trace.context import current
from tracejit.trace.tracer import COMPUTED, Tracer


@record(frozen=True)
class Joined:
    """Where names that differ by path come from: the branch, a name, and what it is after each arm."""

    statement: Loc
    name: str
    arms: tuple[str, ...]


class Either(Tracer):
    """One of several objects.

    Attributes:
        selector: Which one (an i64).
        options: The objects.
    """

    __slots__ = ("options", "selector")

    def __init__(self, selector: Value, options: tuple[Any, ...]) -> None:
        self.selector = selector
        self.options = options
        self.context = current()
        self.origin = COMPUTED

    def is_option(self, k: int) -> Value:
        """The predicate that it is option number ``k``."""
        b = self.context.at()
        return b.apply(E.eq, self.selector, b.const(k, INT64))

    def each(self, function: Callable[[Any], Any]) -> Any:
        """``function`` of whichever it is."""
        from tracejit.trace.staging import branch

        def among(k: int) -> Any:
            if k == len(self.options) - 1:
                return function(self.options[k])
            return branch(self.is_option(k), lambda: function(self.options[k]), lambda: among(k + 1))

        return among(0)

    def describe(self) -> str:
        return " or ".join(dict.fromkeys(map(_describe, self.options)))

    def _refuse(self, what: str) -> NoReturn:
        from tracejit.trace.places import related

        name = "this"
        places: tuple[tuple[Loc, str], ...] = ()
        if isinstance(self.origin.source, Joined):
            joined = self.origin.source
            name = repr(joined.name)
            places = related(joined.statement, joined.name, [f"here it is {text}" for text in joined.arms])
        raise CaptureError(
            f"{name} is {self.describe()}, depending on the path taken at run time, and Python needs to know which it "
            f"is to {what}",
            hint="the use inside the branches, or branches that agree",
            related=places,
        )

    def _shown(self) -> str:
        return f"<traced {self.describe()}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.each(lambda x: getattr(x, name))

    def __getitem__(self, key: Any) -> Any:
        return self.each(lambda x: x[key])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._refuse("call it")

    def __iter__(self) -> NoReturn:
        self._refuse("iterate over it")

    def __len__(self) -> NoReturn:
        self._refuse("take its length")

    def __bool__(self) -> NoReturn:
        self._refuse("test it")

    def __index__(self) -> NoReturn:
        self._refuse("use it as an index")

    __int__ = __index__

    def __float__(self) -> NoReturn:
        self._refuse("make a Python float of it")

    def __hash__(self) -> NoReturn:
        self._refuse("hash it")


def _binary(function: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    def direct(self: Either, other: Any) -> Any:
        return self.each(lambda x: function(x, other))

    def reflected(self: Either, other: Any) -> Any:
        return self.each(lambda x: function(other, x))

    return direct, reflected


def _unary(function: Callable[[Any], Any]) -> Any:
    return lambda self: self.each(function)


def _install() -> None:
    for name in (
        "add",
        "sub",
        "mul",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "matmul",
        "lshift",
        "rshift",
        "and_",
        "or_",
        "xor",
    ):
        direct, reflected = _binary(getattr(operator, name))
        plain = name.rstrip("_")
        setattr(Either, f"__{plain}__", direct)
        setattr(Either, f"__r{plain}__", reflected)
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(Either, f"__{name}__", _binary(getattr(operator, name))[0])
    for name in ("neg", "pos", "abs", "invert"):
        setattr(Either, f"__{name}__", _unary(getattr(operator, name)))


_hash = Either.__hash__
_install()
Either.__hash__ = _hash  # type: ignore[method-assign]


class MaybeUnbound(Tracer):
    """The contents of a local name that has a value on some paths only. Rewritten code takes it out before any use.

    Attributes:
        name: The name.
        bound: The predicate that it has a value.
        value: The value, if it has one.
    """

    __slots__ = ("bound", "name", "value")

    def __init__(self, name: str, bound: Value, value: Any) -> None:
        self.name = name
        self.bound = bound
        self.value = value
        self.context = current()
        self.origin = COMPUTED

    def get(self) -> Any:
        """The value; the compiled program raises if there is none."""
        text = f"cannot access local variable '{self.name}' where it is not associated with a value"
        self.context.at().check(self.bound, UnboundLocalError, (text,))
        return self.value

    def get_free(self) -> Any:
        """The same in a function nested in the one that has the name."""
        text = f"cannot access free variable '{self.name}' where it is not associated with a value in enclosing scope"
        self.context.at().check(self.bound, NameError, (text,))
        return self.value


def same_object(a: Any, b: Any) -> Any:
    """``a is b``, at least one of which is traced."""
    from tracejit.trace.boxes import ArrayTracer
    from tracejit.trace.scalars import ScalarTracer

    if isinstance(a, Either):
        return a.each(lambda x: same_object(x, b))
    if isinstance(b, Either):
        return b.each(lambda x: same_object(a, x))
    if isinstance(a, ArrayTracer) and isinstance(b, ArrayTracer) and a is not b:
        for x, other in ((a, b), (b, a)):
            found = _may_be(x)
            if found is not None:
                which, boxes = found
                same = [_same_new(x, other) if c is x else same_object(c, other) for c in boxes]
                return Either(which, tuple(same)).each(lambda t: t)
        current().told_apart.append((a, b))
        return False
    if isinstance(a, ScalarTracer) and isinstance(b, ScalarTracer) and a is not b:
        raise CaptureError("'is' of two numbers says how Python stores them, not what they are", hint="==")
    return a is b


def _may_be(x: Any) -> tuple[Value, Sequence[Any]] | None:
    """The arrays that one may be, itself (if it may be a new one) among them, and which it is."""
    from tracejit.trace.boxes import ChoiceTracer
    from tracejit.trace.carried import Which

    if isinstance(x, ChoiceTracer):
        return x.selector, x.candidates
    head = current().inputs.heads.get(x)
    if head is None:
        return None
    if isinstance(head, Which):
        return head.value, (*head.boxes, x) if head.may_be_new else head.boxes
    return head.identity, (*head.entries, x) if head.may_be_new else head.entries


def _same_new(a: Any, b: Any) -> bool:
    """Whether two names that may both be bound to an array made in arms, or in a loop, are bound to the same one."""
    from tracejit.trace.carried import Head

    heads, known = current().inputs.heads, current().inputs.shared_out
    x, y = heads.get(a), heads.get(b)
    if y is None or not y.may_be_new:
        return False
    if isinstance(x, Head) and isinstance(y, Head):
        group = known.get(x.identity, (None, 0))[0]
        if group is not None and known.get(y.identity, (None, 0))[0] is group:
            return False
    raise CaptureError(
        "whether these are one array is known only at run time, and both may have been made on the way here",
        hint="a variable that says which it is",
    )


def _describe(x: Any) -> str:
    from tracejit.trace.boxes import ArrayTracer
    from tracejit.trace.scalars import ScalarTracer, type_name

    if x is None:
        return "None"
    if isinstance(x, ScalarTracer):
        return a(type_name(x))
    if isinstance(x, ArrayTracer):
        return array_text(x.dtype, x.ndim)
    if isinstance(x, (str, bytes, bool, int, float)):
        return repr(x)
    if isinstance(x, Tracer):
        return "a str that is known only at run time"
    if isinstance(x, (tuple, list)):
        return f"a {type(x).__name__} of {len(x)}"
    if isinstance(x, type):
        return f"the class {x.__name__}"
    if callable(x):
        return f"the function {getattr(x, '__name__', type(x).__name__)}"
    return a(type(x).__name__)


def array_text(dtype: Any, ndim: int) -> str:
    """What an array is, for messages: ``an int64 array with 2 dimensions``."""
    return f"{a(str(dtype))} array with {ndim} dimension{'s' if ndim != 1 else ''}"


def describe(x: Any) -> str:
    """What ``x`` is, for messages."""
    return x.describe() if isinstance(x, Either) else _describe(x)
