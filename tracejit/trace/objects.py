"""Stand-ins for the caller's objects: instances of Python classes that the program reads and writes attributes of.

A stand-in is an instance of a subclass made for the purpose. Its attributes are read from the original when they are
first asked for, and captured (:mod:`tracejit.trace.captures`), also by code that is not rewritten; what is assigned
stays with the stand-in. Its methods, operators included, are converted.
"""

from __future__ import annotations

import functools
import inspect
import types
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tracejit.errors import TracejitError
from tracejit.ir.interface import Attribute, Source
from tracejit.record import field, record
from tracejit.trace import libraries
from tracejit.trace.context import leaked

if TYPE_CHECKING:
    from tracejit.trace.captures import Captures

_HEAP_TYPE = 1 << 9
_BASE_TYPE = 1 << 10
_MEMBER = types.MemberDescriptorType
_MISSING = object()
_KEPT = {
    "__class__", "__delattr__", "__dict__", "__dir__", "__doc__", "__getattr__", "__getattribute__", "__init__",
    "__init_subclass__", "__module__", "__new__", "__qualname__", "__reduce__", "__reduce_ex__",
    "__setattr__", "__slots__", "__subclasshook__", "__weakref__", "__annotations__", "__class_getitem__", "__del__",
}  # fmt: skip
"""Special names that stand-ins do not wrap."""


_plain: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()


@record(eq=False)
class StandIn:
    """What is known about a stand-in.

    Attributes:
        original: The caller's object.
        source: Where it is.
        object: The stand-in itself.
        initial: Attributes of the instance as the program first saw them.
        filled: All attributes of the instance have been captured; one that is missing was deleted.
    """

    original: Any
    source: Source
    object: Any
    initial: dict[str, Any] = field(default_factory=dict)
    filled: bool = False

    @property
    def state(self) -> dict[str, Any]:
        """The attributes that the stand-in has by now."""
        result: dict[str, Any] = object.__getattribute__(self.object, "__dict__")
        return result


def can_stand_in(value: Any) -> bool:
    """Whether the state of ``value`` is in attributes, so that a stand-in can be made."""
    return not isinstance(value, type) and _is_plain(class_of(value))


def _is_plain(kind: type) -> bool:
    """Whether a class is written in Python, and reading attributes of its instances means what it usually does."""
    known = _plain.get(kind)
    if known is None:
        known = _plain[kind] = _find_out(kind)
    return known


def _find_out(kind: type) -> bool:
    base = types.SimpleNamespace if issubclass(kind, types.SimpleNamespace) else object
    if _lookup(kind, "__getattribute__") is not _lookup(base, "__getattribute__"):
        return False
    if base is not object:
        return True
    if not kind.__flags__ & _HEAP_TYPE or not kind.__flags__ & _BASE_TYPE:
        return False
    try:
        object.__new__(kind)
    except TypeError:  # it has state of another kind
        return False
    return True


def stand_in_for(value: Any, source: Source) -> StandIn:
    """A stand-in for ``value``, with nothing captured yet."""
    cls = _class_for(type(value))
    base = types.SimpleNamespace if isinstance(value, types.SimpleNamespace) else object
    return StandIn(value, source, base.__new__(cls))


def _lookup(kind: type, name: str) -> Any:
    return getattr(kind, name)


# --- the class --------------------------------------------------------------------------------------------------------

_classes: weakref.WeakKeyDictionary[type, type] = weakref.WeakKeyDictionary()
_originals: weakref.WeakKeyDictionary[type, type] = weakref.WeakKeyDictionary()


class _Base:
    """What stand-ins have in common."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        # does not go on to the user's: no class of theirs is being defined
        pass


def _class_for(kind: type) -> type:
    known = _classes.get(kind)
    if known is None:
        known = _classes[kind] = _make_class(kind)
    return known


def class_of(value: Any) -> type:
    """The class of an object as the program sees it."""
    kind = type(value)
    return _originals.get(kind, kind)


def class_of_new(kind: type) -> type:
    """The class to use for new instances of ``kind``: one whose operators are converted, if it has any."""
    if not _is_plain(kind) or libraries.is_library_class(kind):
        return kind
    made = _class_for(kind)
    return made if any(name in made.__dict__ for name in _special_names(kind)) else kind


def _special_names(kind: type) -> list[str]:
    """The special methods of a class that are the user's."""
    found = []
    for name in dir(kind):
        if name.startswith("__") and name.endswith("__") and name not in _KEPT:
            function = inspect.getattr_static(kind, name)
            if isinstance(function, types.FunctionType) and not libraries.is_library_code(function.__code__):
                if not function.__code__.co_filename.startswith("<string>"):  # made by dataclass and the like
                    found.append(name)
    return found


def _make_class(kind: type) -> type:
    namespace: dict[str, Any] = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        "__class__": property(lambda self: kind),
        "__getattribute__": _getattribute,
        "__hash__": kind.__hash__,
    }
    if _lookup(kind, "__setattr__") is object.__setattr__:
        namespace["__setattr__"] = _setattr
        namespace["__delattr__"] = _delattr
    if _lookup(kind, "__reduce_ex__") is object.__reduce_ex__ and _lookup(kind, "__reduce__") is object.__reduce__:
        namespace["__reduce_ex__"] = _reduce
    for name in _special_names(kind):
        namespace[name] = _converted(name, inspect.getattr_static(kind, name))
    # not through the metaclass, which may keep a register of classes
    made: type = type.__new__(type(kind), kind.__name__, (_Base, kind), namespace)
    _originals[made] = kind
    return made


def _converted(name: str, function: types.FunctionType) -> Callable[..., Any]:
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        from tracejit.trace import calls

        captures, record = _record(self)
        if record is not None:
            captures.guard(Attribute(Attribute(record.source, "__class__"), name), "is", function)
        return calls.call(function, (self, *args), kwargs)

    return method


def _record(self: Any) -> tuple[Captures, StandIn | None]:
    from tracejit.trace.captures import current_captures

    captures = current_captures()
    if captures is None:
        raise leaked()
    return captures, captures.instances.get(id(self))


def _getattribute(self: Any, name: str) -> Any:
    captures, record = _record(self)
    if record is None:
        return object.__getattribute__(self, name)
    return _attribute(captures, record, name)


def _setattr(self: Any, name: str, value: Any) -> None:
    static = inspect.getattr_static(type(self), name, None)
    if _record(self)[1] is None:
        object.__setattr__(self, name, value)
    elif isinstance(static, _MEMBER) or not hasattr(type(static), "__set__"):
        _check_room(self, name, static)
        object.__getattribute__(self, "__dict__")[name] = value
    else:
        object.__setattr__(self, name, value)


def _check_room(self: Any, name: str, static: Any) -> None:
    """What ``self`` stands for can have an attribute ``name``: stand-ins can have any, objects with slots cannot."""
    original = _record(self)[1]
    assert original is not None
    if not isinstance(static, _MEMBER) and not hasattr(original.original, "__dict__"):
        object.__setattr__(_empty(type(original.original)), name, None)  # raises what Python raises


def _empty(kind: type) -> Any:
    return object.__new__(kind)


def _delattr(self: Any, name: str) -> None:
    if _record(self)[1] is None:
        object.__delattr__(self, name)
        return
    state = object.__getattribute__(self, "__dict__")
    if name not in state:
        raise AttributeError(f"{_text_of(class_of(self))!r} object has no attribute {name!r}", name=name, obj=self)
    del state[name]


def _reduce(self: Any, protocol: int) -> tuple[Any, ...]:
    """How the module ``copy`` makes another one: not a stand-in, and new."""
    captures, record = _record(self)
    kind = class_of(self)
    if record is None or _lookup(kind, "__getstate__") is not _lookup(object, "__getstate__"):
        made: tuple[Any, ...] = object.__reduce_ex__(self, protocol)  # type: ignore[assignment]
        return _born, (kind, *made[1][1:]), *made[2:]
    fill(captures, record)
    slots = {k: v for k, v in record.state.items() if isinstance(_static(kind, k), _MEMBER)}
    others = {k: v for k, v in record.state.items() if k not in slots}
    return _born, (kind,), (others or None, slots)


def _born(kind: type, *args: Any) -> Any:
    from tracejit.trace.control import control

    new = _lookup(kind, "__new__")(class_of_new(kind), *args)
    control().journal.bear(new, control().now())
    return new


# --- reading ----------------------------------------------------------------------------------------------------------


def _attribute(captures: Captures, record: StandIn, name: str) -> Any:
    if name == "__dict__":
        fill(captures, record)
        return record.state
    if name.startswith("__") and name.endswith("__"):
        return object.__getattribute__(record.object, name)
    kind = type(record.original)
    static = _static(kind, name)
    if isinstance(static, property):
        captures.guard(Attribute(Attribute(record.source, "__class__"), name), "is", static)
        return _property(static, record.object, name)
    if static is not _MISSING and hasattr(type(static), "__set__") and not isinstance(static, _MEMBER):
        return static.__get__(record.object, kind)
    state = record.state
    if name in state:
        value = state[name]
        if isinstance(value, Unwatched):
            raise value.error.with_traceback(None)
        return value
    if not record.filled and name in own_attributes(record.original):
        value = captures.see(getattr(record.original, name), Attribute(record.source, name))
        state[name] = record.initial[name] = value
        return value
    if static is _MISSING or isinstance(static, _MEMBER):
        return _missing(captures, record, name)
    return _class_attribute(captures, record, name, static)


def _class_attribute(captures: Captures, record: StandIn, name: str, static: Any) -> Any:
    kind, place = type(record.original), Attribute(record.source, name)
    if isinstance(static, functools.cached_property):
        from tracejit.trace import calls

        value = calls.call(static.func, (record.object,), {})
        captures.setattr(record.object, name, value)
        return value
    if isinstance(static, types.FunctionType):
        captures.guard(Attribute(place, "__func__"), "is", static)
        return types.MethodType(static, record.object)
    if isinstance(static, classmethod):
        captures.guard(Attribute(place, "__func__"), "is", static.__func__)
        return types.MethodType(static.__func__, kind)
    if isinstance(static, staticmethod):
        return captures.see(static.__func__, place)
    if hasattr(type(static), "__get__"):
        bound = static.__get__(record.original, kind)
        if isinstance(bound, types.MethodType) and bound.__self__ is record.original:
            captures.guard(Attribute(place, "__func__"), "is", bound.__func__)
            return types.MethodType(bound.__func__, record.object)
        return static.__get__(record.object, kind)
    return captures.see(static, place)


def _missing(captures: Captures, record: StandIn, name: str) -> Any:
    kind = type(record.original)
    if hasattr(record.original, "__dict__"):
        keys = dict.fromkeys(record.original.__dict__)
        captures.guard(Attribute(record.source, "__dict__"), "container", keys)
    fallback = _static(kind, "__getattr__")
    if isinstance(fallback, types.FunctionType):
        from tracejit.trace import calls

        return calls.call(fallback, (record.object, name), {})
    raise AttributeError(f"{_text_of(kind)!r} object has no attribute {name!r}", name=name, obj=record.object)


def _text_of(kind: type) -> str:
    """A class as Python's messages name it: those written in C have their module in their name."""
    return kind.__name__ if kind.__flags__ & _HEAP_TYPE else f"{kind.__module__}.{kind.__name__}"


def _static(kind: type, name: str) -> Any:
    for c in kind.__mro__:
        found = c.__dict__.get(name, _MISSING)
        if found is not _MISSING:
            return found
    return _MISSING


def own_attributes(value: Any) -> dict[str, None]:
    """The names of the attributes that an instance has by itself, in order."""
    names: dict[str, None] = {}
    for c in reversed(class_of(value).__mro__):
        for name, member in c.__dict__.items():
            if isinstance(member, _MEMBER) and name != "__dict__" and hasattr(value, name):
                names[name] = None
    names.update(dict.fromkeys(getattr(value, "__dict__", ())))
    return names


def fill(captures: Captures, record: StandIn) -> None:
    """Capture all attributes of the instance: from now on the stand-in's state is complete."""
    if record.filled:
        return
    if hasattr(record.original, "__dict__"):
        keys = dict.fromkeys(record.original.__dict__)
        captures.guard(Attribute(record.source, "__dict__"), "container", keys)
    seen = {name: _see_or_not(captures, record, name) for name in own_attributes(record.original)}
    state = record.state
    complete = {name: state.get(name, value) for name, value in seen.items()}
    complete.update({name: value for name, value in state.items() if name not in complete})
    state.clear()
    state.update(complete)
    record.initial.update(seen)
    record.filled = True


@record(frozen=True, eq=False)
class Unwatched:
    """The value of an attribute that cannot be captured, which matters when it is read."""

    error: TracejitError


def _see_or_not(captures: Captures, record: StandIn, name: str) -> Any:
    try:
        return captures.see(getattr(record.original, name), Attribute(record.source, name))
    except TracejitError as error:
        return Unwatched(error)


# --- objects made while tracing ---------------------------------------------------------------------------------------


def computed_attribute(owner: Any, name: str) -> Callable[[], Any] | None:
    """How to get an attribute that a function of the user's computes; None for any other."""
    kind = class_of(owner)
    if not kind.__flags__ & _HEAP_TYPE:
        return None
    static = _static(kind, name)
    if isinstance(static, property):
        return lambda: _property(static, owner, name)
    if isinstance(static, functools.cached_property) and name not in getattr(owner, "__dict__", ()):
        return lambda: _cached(static, owner, name)
    return None


def _property(found: property, owner: Any, name: str) -> Any:
    from tracejit.trace import calls

    if found.fget is None:
        return found.__get__(owner)
    return calls.call(found.fget, (owner,), {})


def _cached(found: functools.cached_property[Any], owner: Any, name: str) -> Any:
    from tracejit.trace import calls
    from tracejit.trace.control import control

    value = calls.call(found.func, (owner,), {})
    control().journal.note(owner)
    owner.__dict__[name] = value
    return value
