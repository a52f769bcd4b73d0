"""The corpus: programs registered by `@case` (a function and its inputs) and `@scenario` (a story that takes jit)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tracejit.errors import TracejitError, UnsupportedError

from .compare import Policy
from .harness import Rules, check, check_scenario

UNSUPPORTED = (UnsupportedError,)  # stands in for NumPy functions that are not compiled yet
REFUSED = (TypeError, TracejitError)  # a clear "no"

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Case:
    """One program of the corpus."""

    name: str
    fn: Callable[..., Any]
    inputs: Callable[[np.random.Generator], Sequence[Any]] | None  # None: `fn` is a scenario
    rules: Rules
    raises: tuple[type[BaseException], ...] = ()  # what plain Python raises on some of the inputs
    jit_options: dict[str, Any] = field(default_factory=dict)

    def run(self, jit: Callable[..., Any], fresh: bool = False) -> None:
        """Compare plain and compiled; raises `Difference`."""
        if self.inputs is None:
            check_scenario(self.fn, jit=jit, rules=self.rules)
        else:
            check(
                self.fn,
                self.inputs,
                jit=jit,
                jit_options=self.jit_options,
                rules=self.rules,
                fresh=fresh,
                name=self.name,
            )


CASES: dict[str, Case] = {}


def case(
    inputs: Callable[[np.random.Generator], Sequence[Any]],
    *,
    raises: type[BaseException] | tuple[type[BaseException], ...] = (),
    allow: tuple[type[BaseException], ...] = (),
    messages: bool = True,
    lines: bool = True,
    jit_options: dict[str, Any] | None = None,
    **policy: Any,
) -> Callable[[F], F]:
    """Register a function: it is compared on each of `inputs(rng)`, a list of argument tuples (or `Call`s).

    `raises` declares which exceptions plain Python raises on some inputs; `allow` which clear exceptions may stand in
    for the right answer; further keywords are those of `Policy` (`rtol`, `kind`, ...).
    """
    declared = raises if isinstance(raises, tuple) else (raises,)
    rules = Rules(Policy(**policy), allow, messages, lines)

    def register(fn: F) -> F:
        _add(fn, inputs, rules, declared, jit_options or {})
        return fn

    return register


def scenario(*, allow: tuple[type[BaseException], ...] = (), **policy: Any) -> Callable[[F], F]:
    """Register a story: it takes `jit` and returns what it observed."""

    def register(fn: F) -> F:
        _add(fn, None, Rules(Policy(**policy), allow), (), {})
        return fn

    return register


def _add(fn: Callable[..., Any], inputs: Any, rules: Rules, raises: Any, jit_options: dict[str, Any]) -> None:
    group = fn.__module__.rpartition("cases_")[2]
    name = f"{group}/{fn.__name__}"
    if name in CASES:
        raise ValueError(f"two programs are called {name}")
    CASES[name] = Case(name, fn, inputs, rules, raises, jit_options)


def load() -> dict[str, Case]:
    """Import every `cases_*.py` of this folder and return the corpus."""
    for path in sorted(Path(__file__).parent.glob("cases_*.py")):
        importlib.import_module(f"{__package__}.{path.stem}")
    return CASES
