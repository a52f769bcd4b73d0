"""Which arguments a function is differentiated with respect to."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from tracejit.record import record
from tracejit.trace.transformed import name_of, signature_of

Numbers: TypeAlias = "int | Sequence[int] | None"
Names: TypeAlias = "str | Sequence[str] | None"


@record(frozen=True)
class Selection:
    """``argnums`` and ``argnames`` as the user gave them; at least one of the two is given."""

    argnums: int | tuple[int, ...] | None
    argnames: str | tuple[str, ...] | None

    def places(self, function: Any, args: list[Any], kwargs: dict[str, Any]) -> list[int | str]:
        """Where the selected arguments are: positions in ``args``, keys of ``kwargs``; defaults are filled in."""
        signature = signature_of(function)
        found: list[int | str] = []
        for n in _listed(self.argnums):
            k = n if n >= 0 else n + len(args)
            if not 0 <= k < len(args):
                _fill(signature, args, kwargs)
            if not 0 <= k < len(args):
                raise TypeError(f"argnums has {n}, but this call of {name_of(function)} has {_count(args)}")
            found.append(k)
        for name in _listed(self.argnames):
            place = _place(signature, name)
            if place >= len(args) if isinstance(place, int) else place not in kwargs:
                _fill(signature, args, kwargs)
            if place == name and name not in kwargs:
                raise TypeError(f"argnames has {name!r}, which this call of {name_of(function)} does not give")
            found.append(place)
        return found

    def arranged(self, parts: list[Any]) -> Any:
        """One result per selected argument, in the form that the user asked for."""
        many = _listed(self.argnums)
        by_number: Any = parts[0] if isinstance(self.argnums, int) else tuple(parts[: len(many)])
        if self.argnames is None:
            return by_number
        rest = parts[len(many) :]
        by_name = rest[0] if isinstance(self.argnames, str) else dict(zip(self.argnames, rest))
        return by_name if self.argnums is None else (by_number, by_name)


def select(function: Callable[..., Any], argnums: Numbers, argnames: Names, how: str) -> Selection:
    """The selection, checked against the parameters of ``function`` as far as these are known.

    Raises:
        TypeError: There is no such parameter.
    """
    if argnums is None and argnames is None:
        argnums = 0
    numbers = argnums if argnums is None or isinstance(argnums, int) else tuple(argnums)
    names = argnames if argnames is None or isinstance(argnames, str) else tuple(argnames)
    for n in _listed(numbers):
        if not isinstance(n, int) or isinstance(n, bool):
            raise TypeError(f"argnums of {how} is {argnums!r}, expected positions of parameters")
    parameters = signature_of(function).parameters
    kinds = [p.kind for p in parameters.values()]
    positional = kinds.count(inspect.Parameter.POSITIONAL_ONLY) + kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD)
    for n in _listed(numbers):
        if inspect.Parameter.VAR_POSITIONAL not in kinds and not -positional <= n < positional:
            raise TypeError(
                f"argnums of {how} is {argnums!r}, but {name_of(function)} has {positional} positional "
                f"parameter{'' if positional == 1 else 's'}"
            )
    for name in _listed(names):
        if not isinstance(name, str):
            raise TypeError(f"argnames of {how} is {argnames!r}, expected names of parameters")
        if name not in parameters and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise TypeError(f"argnames of {how} has {name!r}, which is not a parameter of {name_of(function)}")
    return Selection(numbers, names)


def parameter_name(function: Any, place: int | str) -> str:
    """What the argument at a place is called."""
    if isinstance(place, str):
        return place
    parameters = list(signature_of(function).parameters.values())
    for k, p in enumerate(parameters):
        if p.kind is p.VAR_POSITIONAL:
            return f"{p.name}[{place - k}]"
        if k == place:
            return p.name
    return f"argument {place}"


def _listed(given: Any) -> tuple[Any, ...]:
    if given is None:
        return ()
    return tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)


def _place(signature: inspect.Signature, name: str) -> int | str:
    p = signature.parameters.get(name)
    if p is None or p.kind is p.KEYWORD_ONLY:
        return name
    return list(signature.parameters).index(name)


def _fill(signature: inspect.Signature, args: list[Any], kwargs: dict[str, Any]) -> None:
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    args[:] = bound.args
    kwargs.update(bound.kwargs)


def _count(args: Sequence[Any]) -> str:
    return f"{len(args)} positional argument{'' if len(args) == 1 else 's'}"
