"""Every setting, once: its name, type, default, environment variable and what it does.

A setting comes from, in this order: an enclosing ``with tracejit.config.override(...)``, the environment variable
(``TRACEJIT_`` and the name in capitals, read when it is first needed), the default::

    with tracejit.config.override(max_unroll=64):
        f(x)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

__all__ = ["Settings", "Shapes", "current", "describe", "override"]

Shapes = Literal["auto", "static", "dynamic"]
"""How dimensions of arguments are compiled: see :attr:`Settings.shapes`."""

_LOG_TOPICS = ("compile", "passes", "ir")


def _flag(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("", "0", "false", "no", "off"):
        return False
    raise ValueError("expected 0 or 1")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("expected a positive number")
    return number


def _shapes(text: str) -> str:
    if text not in get_args(Shapes):
        raise ValueError(f"expected one of {', '.join(get_args(Shapes))}")
    return text


def _topics(text: str) -> frozenset[str]:
    topics = frozenset(t.strip() for t in text.split(",") if t.strip() not in ("", "0"))
    if topics & {"1", "all"}:
        return frozenset(_LOG_TOPICS)
    unknown = topics - set(_LOG_TOPICS)
    if unknown:
        raise ValueError(f"unknown topic {min(unknown)!r}; expected {', '.join(_LOG_TOPICS)} or all")
    return topics


def _about(parse: Callable[[str], Any], doc: str) -> dict[str, Any]:
    return {"parse": parse, "doc": doc}


@dataclass(frozen=True)
class Settings:
    """The settings in force; see :func:`describe` for what each does."""

    disable: bool = field(
        default=False, metadata=_about(_flag, "jit gives back a callable that runs the user's Python unchanged")
    )
    log: frozenset[str] = field(
        default=frozenset(),
        metadata=_about(
            _topics,
            "what to print to stderr while compiling, separated by commas: compile (why, and how long), "
            "passes (each with its time), ir (the program after each pass), or all",
        ),
    )
    shapes: Shapes = field(
        default="auto",
        metadata=_about(
            _shapes,
            "auto: compile for the dimensions at hand, then once more for any value of those that change; "
            "static: for each shape anew; dynamic: for any value from the first call on",
        ),
    )
    unroll: int = field(
        default=8, metadata=_about(_count, "loops over a static range of at most so many turns are unrolled")
    )
    unroll_nest: int = field(
        default=16,
        metadata=_about(_count, "... as long as nested ones together make at most so many copies of a statement"),
    )
    max_unroll: int = field(
        default=1024,
        metadata=_about(_count, "the longest loop that is unrolled because its body needs the index as a Python value"),
    )
    inline_depth: int = field(default=200, metadata=_about(_count, "how deep calls of Python functions are followed"))
    max_versions: int = field(
        default=256,
        metadata=_about(_count, "how many versions of one function may be compiled before that is an error"),
    )


_override: ContextVar[Settings | None] = ContextVar("tracejit.config", default=None)
_from_environment: Settings | None = None


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"TRACEJIT_{name.upper()}"


def _read(environment: Mapping[str, str]) -> Settings:
    values: dict[str, Any] = {}
    for f in fields(Settings):
        text = environment.get(variable(f.name))
        if text is not None:
            try:
                values[f.name] = f.metadata["parse"](text)
            except ValueError as error:
                raise ValueError(f"environment variable {variable(f.name)}={text!r}: {error}") from None
    return Settings(**values)


def current() -> Settings:
    """The settings in force here and now."""
    global _from_environment
    overridden = _override.get()
    if overridden is not None:
        return overridden
    if _from_environment is None:
        _from_environment = _read(os.environ)
    return _from_environment


@contextmanager
def override(**changes: Any) -> Iterator[Settings]:
    """Change settings inside a ``with`` (in this thread, or asynchronous task).

    Values may be given as in the environment: ``override(log="passes")``.
    """
    parsers = {f.name: f.metadata["parse"] for f in fields(Settings)}
    values: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in parsers:
            raise TypeError(f"there is no setting {name!r}; see tracejit.config.describe()")
        values[name] = parsers[name](str(value) if not isinstance(value, frozenset) else ",".join(value))
    token = _override.set(replace(current(), **values))
    try:
        yield current()
    finally:
        _override.reset(token)


def describe() -> str:
    """All settings as text: name, value in force, environment variable, what it does."""
    settings = current()
    lines = []
    for f in fields(Settings):
        value = getattr(settings, f.name)
        shown = ",".join(sorted(value)) or "nothing" if isinstance(value, frozenset) else value
        lines.append(f"{f.name} = {shown}  ({variable(f.name)})\n    {f.metadata['doc']}")
    return "\n".join(lines)
