"""What rewritten code calls instead of letting Python decide: one method per construct.

Each does what Python does, unless something traced is involved, or something of the caller's is read, which is
captured. Nothing here assumes that a trace is in progress: a rewritten function that outlives its trace works as the
original.
"""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable
from types import BuiltinFunctionType, CellType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import numpy as np

from tracejit.errors import NeedsConcrete
from tracejit.ir.core import Value
from tracejit.lazy import Lazy
from tracejit.trace import calls, conversions, either, strings
from tracejit.trace.boxes import ArrayTracer, box_of
from tracejit.trace.context import current, is_tracing
from tracejit.trace.control import UNBOUND, control
from tracejit.trace.either import Either, MaybeUnbound
from tracejit.trace.journal import is_iterator, is_stateful
from tracejit.trace.numpy_api import lookup
from tracejit.trace.numpy_api.table import has_traced
from tracejit.trace.outer import Outer
from tracejit.trace.scalars import ScalarTracer
from tracejit.trace.tracer import Tracer

if TYPE_CHECKING:
    from tracejit.trace import comprehensions, contexts, iterables, loops, samples, staging
    from tracejit.trace.rewrite import Rewritten
else:
    comprehensions = Lazy("tracejit.trace.comprehensions")
    contexts = Lazy("tracejit.trace.contexts")
    iterables = Lazy("tracejit.trace.iterables")
    loops = Lazy("tracejit.trace.loops")
    samples = Lazy("tracejit.trace.samples")
    staging = Lazy("tracejit.trace.staging")

Thunk = Callable[[None], Any]

_INPLACE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.iadd, "-": operator.isub, "*": operator.imul, "/": operator.itruediv, "//": operator.ifloordiv,
    "%": operator.imod, "**": operator.ipow, "@": operator.imatmul, "&": operator.iand, "|": operator.ior,
    "^": operator.ixor, "<<": operator.ilshift, ">>": operator.irshift,
}  # fmt: skip
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_CONTAINERS = (list, dict, set)
_CONVERSIONS: dict[int, Callable[[Any], Any]] = {-1: lambda x: x, 97: ascii, 114: repr, 115: str}


class Hooks:
    """The hooks of one function (and those nested in it).

    Args:
        function: The original.
        rewritten: Its rewritten form.
    """

    UNBOUND = UNBOUND
    Exception = Exception
    locals = staticmethod(builtins.locals)
    slice = slice

    def __init__(self, function: FunctionType, rewritten: Rewritten) -> None:
        self._globals = function.__globals__
        self._sites = rewritten.sites
        code = function.__code__
        self._cells: dict[str, CellType] = dict(zip(code.co_freevars, function.__closure__ or ()))
        self.outer = Outer(function.__globals__, self._cells)

    # --- names
    def glob(self, name: str) -> Any:
        if is_tracing():
            return control().captures.glob(self._globals, name)
        namespace = self._globals
        if name in namespace:
            return namespace[name]
        known = vars(builtins)
        if name not in known:
            raise NameError(f"name {name!r} is not defined", name=name)
        return known[name]

    def cell(self, name: str, value: Any) -> Any:
        return control().captures.cell(self._cells[name], name) if is_tracing() else value

    def bound(self, name: str, value: Any) -> Any:
        return value.get() if isinstance(value, MaybeUnbound) else value

    def free(self, name: str, value: Any) -> Any:
        return value.get_free() if isinstance(value, MaybeUnbound) else value

    def rebinds(self, *readers: FunctionType) -> None:
        """A function that assigns ``nonlocal`` names begins; each reader is a lambda that reads one."""
        if is_tracing():
            for reader in readers:
                for name, cell in zip(reader.__code__.co_freevars, reader.__closure__ or ()):
                    if name != "@":
                        control().journal.note(cell)

    def fstring(self, *pieces: Any) -> Any:
        """An f-string: constants, and ``(value, conversion, spec)``."""
        if is_tracing():
            return strings.fstring(*pieces)
        return "".join(p if isinstance(p, str) else format(_CONVERSIONS[p[1]](p[0]), p[2]) for p in pieces)

    def visible(self, env: dict[str, Any]) -> dict[str, Any]:
        """``locals()`` without the names that the rewriting has added."""
        return {name: value for name, value in env.items() if "@" not in name}

    # --- control flow
    def if_(self, index: int, test: Any, tests: int) -> Any:
        return staging.branch_driver(self._sites[index], test, tests)

    def while_(self, index: int, env: dict[str, Any]) -> Any:
        return loops.While(self._sites[index], env)

    def for_(self, index: int, items: Any, env: dict[str, Any]) -> Any:
        return loops.for_driver(self._sites[index], self.items(items), env)

    def assertion_error(self, *args: Any) -> BaseException:
        return AssertionError(*args)

    # --- logic
    def and_(self, first: Any, *rest: Thunk) -> Any:
        for thunk in rest:
            if isinstance(first, Tracer):
                condition = staging.truth(first)
                if not isinstance(condition, bool):
                    return self._and(first, condition, thunk, rest[rest.index(thunk) + 1 :])
                if not condition:
                    return first
            elif not first:
                return first
            first = thunk(None)
        return first

    def _and(self, first: Any, condition: Value, thunk: Thunk, rest: tuple[Thunk, ...]) -> Any:
        return staging.logical(first, condition, lambda: self.and_(thunk(None), *rest), True)

    def or_(self, first: Any, *rest: Thunk) -> Any:
        for thunk in rest:
            if isinstance(first, Tracer):
                condition = staging.truth(first)
                if not isinstance(condition, bool):
                    return self._or(first, condition, thunk, rest[rest.index(thunk) + 1 :])
                if condition:
                    return first
            elif first:
                return first
            first = thunk(None)
        return first

    def _or(self, first: Any, condition: Value, thunk: Thunk, rest: tuple[Thunk, ...]) -> Any:
        return staging.logical(first, condition, lambda: self.or_(thunk(None), *rest), False)

    def all_(self, first: Any, *rest: Thunk) -> Any:
        return self._logic(first, rest, True)

    def any_(self, first: Any, *rest: Thunk) -> Any:
        return self._logic(first, rest, False)

    def _logic(self, first: Any, rest: tuple[Thunk, ...], conjunction: bool) -> Any:
        """``and`` (or ``or``) where only the truth of the result counts."""
        for k, thunk in enumerate(rest):
            if isinstance(first, Tracer):
                condition = staging.truth(first)
                if not isinstance(condition, bool):
                    return self._recorded_logic(condition, thunk, rest[k + 1 :], conjunction)
            else:
                condition = bool(first)
            if condition is not conjunction:
                return condition
            first = thunk(None)
        return first

    def _recorded_logic(self, condition: Value, thunk: Thunk, rest: tuple[Thunk, ...], conjunction: bool) -> Any:
        return staging.both(condition, lambda: self._logic(thunk(None), rest, conjunction), conjunction)

    def not_(self, x: Any) -> Any:
        if not isinstance(x, Tracer):
            return not x
        condition = staging.truth(x)
        return not condition if isinstance(condition, bool) else staging.negated(condition)

    def choose(self, test: Any, first: Thunk, second: Thunk) -> Any:
        if isinstance(test, Tracer):
            condition = staging.truth(test)
            if not isinstance(condition, bool):
                return staging.branch(condition, lambda: first(None), lambda: second(None))
            test = condition
        return first(None) if test else second(None)

    def chain(self, left: Any, op: str, right: Any, *rest: Any) -> Any:
        """``left op right op ...``; of ``rest``, every second is a thunk."""
        result = self._compare(op, left, right)
        if not rest:
            return result
        next_op, thunk, *more = rest
        return self.and_(result, lambda _: self.chain(right, next_op, thunk(None), *more))

    def _compare(self, op: str, a: Any, b: Any) -> Any:
        function = _COMPARE.get(op)
        if function is not None:
            return function(a, b)
        return {
            "==": self.eq, "!=": self.ne, "is": self.is_, "is not": self.is_not, "in": self.in_, "not in": self.not_in,
        }[op](a, b)  # fmt: skip

    def eq(self, a: Any, b: Any) -> Any:
        if _hold_traced(a, b):
            return len(a) == len(b) and self._items_equal(a, b)
        return a == b

    def ne(self, a: Any, b: Any) -> Any:
        return self.not_(self.eq(a, b)) if _hold_traced(a, b) else a != b

    def _items_equal(self, a: Any, b: Any) -> Any:
        if not a:
            return True
        return self.all_(staging.as_bool(self._same_or_equal(a[0], b[0])), lambda _: self._items_equal(a[1:], b[1:]))

    def is_(self, a: Any, b: Any) -> Any:
        if not isinstance(a, Tracer) and not isinstance(b, Tracer):
            return a is b
        return either.same_object(a, b)

    def is_not(self, a: Any, b: Any) -> Any:
        return self.not_(self.is_(a, b))

    def in_(self, item: Any, container: Any) -> Any:
        if isinstance(container, ArrayTracer):
            return container.contains(item)
        if isinstance(container, Either):
            return container.each(lambda c: self.in_(item, c))
        if isinstance(container, ScalarTracer):
            samples.complain(operator.contains, container, item)
        if isinstance(item, Tracer):
            if isinstance(container, np.ndarray):
                return box_of(container).contains(item)
            if isinstance(container, range):
                return self._in_range(item, container)
        if isinstance(container, (tuple, list)) and (isinstance(item, Tracer) or has_traced(container)):
            return self._in_sequence(item, container)
        return item in self.items(container)

    def _in_sequence(self, item: Any, container: Any) -> Any:
        if not container:
            return False
        first = staging.as_bool(self._same_or_equal(container[0], item))
        return self.any_(first, lambda _: self._in_sequence(item, container[1:]))

    def _in_range(self, item: Any, container: range) -> Any:
        if not container:
            return False
        low, high = min(container), max(container)
        return self.all_(
            item >= low,
            lambda _: item <= high,
            lambda _: abs(container.step) == 1 or (item - container.start) % container.step == 0,
        )

    def _same_or_equal(self, a: Any, b: Any) -> Any:
        return a is b or self.eq(a, b)

    def not_in(self, item: Any, container: Any) -> Any:
        return self.not_(self.in_(item, container))

    def percent(self, template: str, given: Any) -> Any:
        """``"..." % given``."""
        parts = given if isinstance(given, tuple) else given.values() if type(given) is dict else (given,)
        if is_tracing() and any(map(strings.holds_traced, parts)):
            return strings.percent(template, given)
        return template % given

    # --- access
    def attr(self, owner: Any, name: str) -> Any:
        if isinstance(owner, Tracer):
            return conversions.attribute(owner, name)
        return control().captures.attr(owner, name) if is_tracing() else getattr(owner, name)

    def setattr(self, value: Any, owner: Any, name: str) -> None:
        if is_tracing():
            control().captures.setattr(owner, name, value)
        else:
            setattr(owner, name, value)

    def delattr(self, owner: Any, name: str) -> None:
        if is_tracing():
            control().captures.delattr(owner, name)
        else:
            delattr(owner, name)

    def item(self, owner: Any, key: Any) -> Any:
        if isinstance(key, Tracer) and not isinstance(owner, Tracer):
            return _traced_item(owner, key)
        if isinstance(owner, dict) and type(owner) is not dict and is_tracing() and key not in owner:
            control().hold(owner)  # looking for it may add it
        if type(key) is tuple and isinstance(owner, np.ndarray) and has_traced(key):
            return box_of(owner)[key]
        if type(owner).__module__.startswith("numpy.lib") and is_tracing():
            ours = lookup(type(owner).__getitem__)  # np.mgrid and the like
            return owner[key] if ours is None else ours(owner, key)
        return owner[key]

    def setitem(self, value: Any, owner: Any, key: Any) -> None:
        if isinstance(owner, ArrayTracer):
            if isinstance(value, Either):
                value.each(lambda v: self.setitem(v, owner, key))
            else:
                owner[key] = value
            return
        if isinstance(owner, Either):
            owner.each(lambda o: self.setitem(value, o, key))
            return
        if isinstance(owner, ScalarTracer):
            samples.complain(operator.setitem, owner, 0, 0)
        if is_tracing():
            if isinstance(owner, np.ndarray):
                box_of(owner)[key] = value
                return
            if isinstance(key, Tracer):
                key = _known_key(owner, key)
            _before_change(owner)
        owner[key] = value

    def delitem(self, owner: Any, key: Any) -> None:
        if isinstance(owner, Tracer):
            samples.complain(operator.delitem, owner, 0)
        if is_tracing():
            _before_change(owner)
        del owner[key]

    def store_back(self, new: Any, old: Any, owner: Any, key: Any) -> None:
        """The end of ``owner[key] += ...``: ``new`` is what the operator made of ``old``, which was read from there."""
        if new is old and isinstance(new, ArrayTracer) and isinstance(owner, ArrayTracer) and new.root is owner.root:
            return  # it was changed in place
        self.setitem(new, owner, key)

    def inplace(self, op: str, old: Any, value: Any) -> Any:
        if is_tracing():
            _before_change(old)
        if type(old) is np.ndarray and is_tracing():
            old = box_of(old)
        return _INPLACE[op](old, value)

    # --- calls
    def call(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not is_tracing():
            return function(*args, **kwargs)
        if not isinstance(function, FunctionType | MethodType):
            calls.hold(function, args, kwargs)
        if isinstance(function, type):
            replacement = iterables.FUNCTIONS.get(function)
            if replacement is not None:
                current().at()
                return replacement(*args, **kwargs)
        if isinstance(function, Either):
            return function.each(lambda f: self.call(f, *args, **kwargs))
        place = next((k for k, a in enumerate(args) if isinstance(a, Either)), None)
        if place is not None and _looks_inside(function):
            before, after = args[:place], args[place + 1 :]
            return args[place].each(lambda x: self.call(function, *before, x, *after, **kwargs))
        if function is len and len(args) == 1 and isinstance(args[0], iterables.Staged):
            return iterables.length(args[0])
        result = calls.call(function, args, kwargs)
        if (type(result) in _CONTAINERS or is_stateful(result)) and not isinstance(function, FunctionType):
            self.new(result)
        return result

    def comprehend(
        self, function: Any, items: Any, each: Any, keep: Any, lazy: bool, /, *args: Any, **kwargs: Any
    ) -> Any:
        """``function(element for target in items if test)``."""
        items = self.items(items)
        if is_tracing():
            return comprehensions.comprehend(self.call, function, items, each, keep, lazy, args, kwargs)
        made = (each(i, i) for i in items if keep is None or keep(i, i))
        return function(made if lazy else list(made), *args, **kwargs)

    def new(self, made: Any) -> Any:
        """A container has just been made."""
        if is_tracing():
            c = control()
            if id(made) not in c.journal.born:
                c.journal.bear(made, c.now())
        return made

    def items(self, items: Any) -> Any:
        """What a loop or comprehension runs over."""
        if is_iterator(items) and is_tracing():
            control().hold(items)
        return items

    def walk(self, items: Any) -> Any:
        """What a comprehension that Python runs goes over: where that fails is the same for all versions of Python."""
        items = self.items(items)
        known: Any = items
        return iter(known) if isinstance(items, (Tracer, iterables.Staged)) else items

    unpack = items
    """``*items``."""

    # --- with and try
    def context(self, manager: Any) -> Any:
        return contexts.manager(manager) if is_tracing() else manager

    def try_(self, has_finally: bool, *kinds: Any) -> Any:
        return contexts.enter_try(has_finally, kinds) if is_tracing() else None

    def tried(self, token: Any) -> None:
        if token is not None:
            contexts.leave_try(token)

    def handling(self, token: Any) -> None:
        if token is not None:
            contexts.handle(token)


def _looks_inside(function: Any) -> bool:
    """Whether a function does something with its arguments, instead of keeping them or passing them on."""
    if lookup(function) is not None or isinstance(function, np.ufunc):
        return True
    return isinstance(function, BuiltinFunctionType) and function.__module__ in ("builtins", "math")


def _hold_traced(a: Any, b: Any) -> bool:
    """Whether two sequences are compared, traced values among their items."""
    return isinstance(a, (tuple, list)) and type(a) is type(b) and (has_traced(a) or has_traced(b))


def _traced_item(owner: Any, key: Tracer) -> Any:
    if isinstance(owner, np.ndarray):
        return box_of(owner)[key]
    if isinstance(key, Either):
        return key.each(lambda k: owner[k])
    return owner[_known_key(owner, key)]


_INSTEAD = {
    "list": "an array: np.array(list_of_numbers)[i]",
    "tuple": "an array: np.array(tuple_of_numbers)[i]",
    "str": "an array of character codes: np.frombuffer(text.encode(), np.uint8)[i]",
    "dict": "an array that is indexed by the number, or comparisons: a if k == 1 else b",
}
"""What to use in place of a Python object that is indexed by a number known at run time only."""


def _known_key(owner: Any, key: Tracer) -> Any:
    """A traced index into a Python object: the exception says which value must be known while compiling."""
    kind = type(owner).__name__
    if isinstance(owner, (list, tuple, str)):
        same_kind: Any = {"str": "ab", "tuple": (1, 2)}.get(kind, [1, 2])
        samples.complain(operator.getitem, same_kind, key)
    if isinstance(owner, (list, tuple, str, dict)) and isinstance(key, ScalarTracer):
        raise NeedsConcrete(
            key, f"the value of {'a key' if isinstance(owner, dict) else 'an index'} of a {kind}", hint=_INSTEAD[kind]
        )
    if isinstance(owner, (list, tuple, str)) and isinstance(key, ArrayTracer):
        return key.__index__()
    return key


def _before_change(owner: Any) -> None:
    if type(owner) in _CONTAINERS:
        control().journal.note(owner)
    elif is_stateful(owner):
        control().hold(owner)
