"""Classes that are little more than their fields.

``record`` means what ``dataclasses.dataclass`` means, for the part of it that tracejit uses, at a fiftieth of the
cost: decorating with ``dataclass`` generates and compiles half a dozen methods, and a hundred such classes took half of
the time until the first compiled call. Here ``__init__`` is generated when the first instance is made, and the other
methods are shared by all records. ``frozen`` is a promise that type checkers check, not something that is looked after
at run time.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import Any, TypeVar, dataclass_transform, overload

C = TypeVar("C", bound=type)
T = TypeVar("T")


class _Missing:
    def __repr__(self) -> str:
        return "<not given>"


_MISSING: Any = _Missing()


class Field:
    """How a field gets its value; made by :func:`field`."""

    __slots__ = ("factory", "init")

    def __init__(self, factory: Callable[[], Any] | None, init: bool) -> None:
        self.factory = factory
        self.init = init


def field(*, default_factory: Callable[[], Any] | None = None, init: bool = True) -> Any:
    """What stands for the default of a field when a plain value does not do.

    Args:
        default_factory: makes the default, anew for every instance.
        init: whether the field is a parameter of ``__init__``; if not, ``__post_init__`` sets it.
    """
    return Field(default_factory, init)


@overload
def record(cls: C, /) -> C: ...


@overload
def record(*, frozen: bool = False, eq: bool = True) -> Callable[[C], C]: ...


@dataclass_transform(field_specifiers=(field,))
def record(cls: Any = None, /, *, frozen: bool = False, eq: bool = True) -> Any:
    """Give a class with annotated fields ``__init__``, ``__repr__``, ``__match_args__`` and, with ``eq``, equality.

    What the class itself defines stays. ``__post_init__`` is called at the end of ``__init__``. A record that has
    ``eq`` and is ``frozen`` can be hashed; one that has ``eq`` and is not, cannot.
    """
    if cls is None:
        return lambda c: _complete(c, frozen, eq)
    return _complete(cls, frozen, eq)


def fields(kind: Any) -> tuple[str, ...]:
    """The names of the fields of a record, or of its class, in order; () for anything else."""
    names: tuple[str, ...] = getattr(kind, "__record_fields__", ())
    return names


def replace(instance: T, /, **changes: Any) -> T:
    """A record with the same fields but for ``changes``."""
    given = {name: getattr(instance, name) for name in instance.__match_args__}  # type: ignore[attr-defined]
    return type(instance)(**(given | changes))


def _complete(cls: Any, frozen: bool, eq: bool) -> Any:
    own = cls.__dict__
    names = dict.fromkeys(fields(cls.__base__))
    specs: dict[str, Field] = dict(getattr(cls, "__record_specs__", {}))
    for name in cls.__annotations__:
        names[name] = None
        spec = own.get(name)
        if isinstance(spec, Field):
            delattr(cls, name)
            specs[name] = spec
    cls.__record_fields__ = tuple(names)
    cls.__record_specs__ = specs
    cls.__match_args__ = tuple(n for n in names if n not in specs or specs[n].init)  # type: ignore[misc]
    if "__init__" not in own:
        cls.__init__ = _deferred_init(cls)
    if "__repr__" not in own:
        cls.__repr__ = _repr
    if eq and "__eq__" not in own:
        key = attrgetter(*names) if names else type
        cls.__eq__ = _equality(key)
        if "__hash__" not in own:
            cls.__hash__ = _hashing(key) if frozen else None
    return cls


def _deferred_init(cls: Any) -> Callable[..., None]:
    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
        init = _init(cls)
        cls.__init__ = init
        init(self, *args, **kwargs)

    return __init__


def _init(cls: Any) -> Callable[..., None]:
    """The real ``__init__``, with defaults where the class has them."""
    specs: dict[str, Field] = cls.__record_specs__
    scope: dict[str, Any] = {"__name__": cls.__module__, "missing": _MISSING}
    parameters, body = ["self"], []
    for name in fields(cls):
        spec = specs.get(name)
        value = name
        if spec is not None and spec.factory is not None:
            scope[f"make_{name}"] = spec.factory
            made = f"make_{name}()"
            parameters.append(f"{name}=missing")
            value = f"{made} if {name} is missing else {name}"
        elif spec is not None and not spec.init:
            continue
        elif hasattr(cls, name):
            scope[f"default_{name}"] = getattr(cls, name)
            parameters.append(f"{name}=default_{name}")
        else:
            parameters.append(name)
        body.append(f" self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append(" self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n" + ("\n".join(body) or " pass"), scope)
    init: Callable[..., None] = scope["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in fields(self))
    return f"{type(self).__qualname__}({shown})"


def _equality(key: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def __eq__(self: Any, other: Any) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return key(self) == key(other)

    return __eq__


def _hashing(key: Callable[[Any], Any]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:
        return hash(key(self))

    return __hash__
