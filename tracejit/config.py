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
from typing import Any, Literal, get_args

from tracejit.errors import stripped
from tracejit.record import record, replace

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
    if not text.strip().isdecimal() or int(text) < 1:
        raise ValueError("expected a positive whole number")
    return int(text)


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


@record(frozen=True)
class Settings:
    """The settings in force; see :func:`describe` for what each does.

    Example:
        >>> Settings().max_unroll
        1024
    """

    disable: bool = False
    log: frozenset[str] = frozenset()
    shapes: Shapes = "auto"
    unroll: int = 8
    unroll_nest: int = 16
    max_unroll: int = 1024
    inline_depth: int = 200
    max_versions: int = 256
    check_nan: bool = False


_ABOUT: dict[str, tuple[Callable[[str], Any], str]] = {
    "disable": (_flag, "jit gives back a callable that runs the user's Python unchanged"),
    "log": (
        _topics,
        "what to print to stderr while compiling, separated by commas: compile (why, and how long), "
        "passes (each with its time), ir (the program after each pass), or all",
    ),
    "shapes": (
        _shapes,
        "auto: compile for the dimensions at hand, then once more for any value of those that change; "
        "static: for each shape anew; dynamic: for any value from the first call on",
    ),
    "unroll": (_count, "loops over a static range of at most so many turns are unrolled"),
    "unroll_nest": (_count, "... as long as nested ones together make at most so many copies of a statement"),
    "max_unroll": (_count, "the longest loop that is unrolled because its body needs the index as a Python value"),
    "inline_depth": (_count, "how deep calls of Python functions are followed"),
    "check_nan": (
        _flag,
        "what is compiled raises FloatingPointError where nan or inf first comes out of finite numbers, and says in "
        "which operation, also in derivatives; for finding mistakes: such code is slow",
    ),
    "max_versions": (_count, "how many versions of one function may be compiled before that is an error"),
}
"""How the text of a setting is read, and what the setting does."""


_override: ContextVar[Settings | None] = ContextVar("tracejit.config", default=None)
_from_environment: Settings | None = None


def variable(name: str) -> str:
    """The environment variable of a setting.

    Example:
        >>> variable("shapes")
        'TRACEJIT_SHAPES'
    """
    return f"TRACEJIT_{name.upper()}"


def _read(environment: Mapping[str, str]) -> Settings:
    values: dict[str, Any] = {}
    for name, (parse, _) in _ABOUT.items():
        text = environment.get(variable(name))
        if text is not None:
            try:
                values[name] = parse(text)
            except ValueError as error:
                raise ValueError(f"environment variable {variable(name)}={text!r}: {error}") from None
    return Settings(**values)


def current() -> Settings:
    """The settings in force here and now.

    Raises:
        ValueError: An environment variable has a value that its setting cannot have.

    Example:
        >>> from tracejit import config
        >>> config.current().shapes
        'auto'
    """
    global _from_environment
    overridden = _override.get()
    if overridden is not None:
        return overridden
    if _from_environment is None:
        _from_environment = _read(os.environ)
    return _from_environment


def _checked(name: str, value: Any) -> Any:
    if name not in _ABOUT:
        raise TypeError(f"there is no setting {name!r}; there are {', '.join(_ABOUT)}")
    parse, _ = _ABOUT[name]
    try:
        return parse(str(value) if not isinstance(value, frozenset) else ",".join(value))
    except ValueError as error:
        raise ValueError(f"setting {name}={value!r}: {error}") from None


@contextmanager
def override(**changes: Any) -> Iterator[Settings]:
    """Change settings inside a ``with`` (in this thread, or asynchronous task).

    Values may be given as in the environment: ``override(log="passes")``.

    Raises:
        TypeError: There is no setting of that name.
        ValueError: The setting cannot have that value.

    Example:
        >>> from tracejit import config
        >>> with config.override(max_unroll=64, shapes="static") as settings:
        ...     settings.max_unroll, settings.shapes
        (64, 'static')
    """
    try:
        values = {name: _checked(name, value) for name, value in changes.items()}
    except (TypeError, ValueError) as error:
        stripped(error)
        raise
    token = _override.set(replace(current(), **values))
    try:
        yield current()
    finally:
        _override.reset(token)


def describe() -> str:
    """All settings as text: name, value in force, environment variable, what it does.

    Example:
        >>> from tracejit import config
        >>> print(config.describe())
        disable = False  (TRACEJIT_DISABLE)
            jit gives back a callable that runs the user's Python unchanged
        ...
    """
    settings = current()
    lines = []
    for name, (_, doc) in _ABOUT.items():
        value = getattr(settings, name)
        shown = ",".join(sorted(value)) or "nothing" if isinstance(value, frozenset) else value
        lines.append(f"{name} = {shown}  ({variable(name)})\n    {doc}")
    return "\n".join(lines)
