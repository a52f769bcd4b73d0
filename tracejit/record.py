"""Classes that are little more than their fields.

``record`` means what ``dataclasses.dataclass`` means, for the part of it that tracejit uses, at a hundredth of the
cost: decorating with ``dataclass`` generates and compiles half a dozen methods, and a hundred such classes took half of
the time until the first compiled call. Here all records share their methods. Making an instance is somewhat slower,
so records that are made by the hundred write their own ``__init__``. ``frozen`` is a promise that type checkers check,
not something that is looked after at run time.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import Any, TypeVar, dataclass_transform, overload

C = TypeVar("C", bound=type)
T = TypeVar("T")


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


class _Defaults:
    """The parameters of ``__init__`` of a record class, and what they are when not given."""

    __slots__ = ("kind", "names", "values")

    def __init__(self, kind: str, names: tuple[str, ...], values: dict[str, Any]) -> None:
        self.kind = kind
        self.names = names
        self.values = values

    def complete(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """The values of all parameters, in order."""
        if len(args) > len(self.names):
            raise TypeError(f"{self.kind} takes at most {len(self.names)} arguments, not {len(args)}")
        for name in kwargs:
            if name not in self.names[len(args) :]:
                raise TypeError(f"{self.kind} got an unexpected argument {name!r}, or got it twice")
        return [*args, *(kwargs[n] if n in kwargs else self._default(n) for n in self.names[len(args) :])]

    def _default(self, name: str) -> Any:
        if name not in self.values:
            raise TypeError(f"{self.kind} misses its argument {name!r}")
        value = self.values[name]
        return value.factory() if isinstance(value, Field) and value.factory is not None else value


def _complete(cls: Any, frozen: bool, eq: bool) -> Any:
    own = cls.__dict__
    names = dict.fromkeys(fields(cls.__base__))
    defaults: dict[str, Any] = dict(getattr(cls, "__record_defaults__", {}))
    for name in cls.__annotations__:
        names[name] = None
        if name in own:
            value = defaults[name] = own[name]
            if type(value) is Field:
                delattr(cls, name)
    cls.__record_fields__ = tuple(names)
    cls.__record_defaults__ = defaults
    parameters = tuple(n for n in names if type(spec := defaults.get(n)) is not Field or spec.init)
    cls.__match_args__ = parameters  # type: ignore[misc]
    if "__init__" not in own:
        cls.__init__ = _init(_Defaults(cls.__qualname__, parameters, defaults), hasattr(cls, "__post_init__"))
    if "__repr__" not in own:
        cls.__repr__ = _repr
    if eq and "__eq__" not in own:
        key = attrgetter(*names) if names else type
        cls.__eq__ = _equality(key)
        if "__hash__" not in own:
            cls.__hash__ = _hashing(key) if frozen else None
    return cls


def _init(parameters: _Defaults, finish: bool) -> Callable[..., None]:
    names, complete = parameters.names, parameters.complete
    count = len(names)

    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:
        values = args if len(args) == count and not kwargs else complete(args, kwargs)
        self.__dict__.update(zip(names, values))
        if finish:
            self.__post_init__()

    return __init__


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
