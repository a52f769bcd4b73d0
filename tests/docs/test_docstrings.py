"""Every public function and class has a docstring with an example (which runs: the tests collect doctests)."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import tracejit
from tracejit import config, errors
from tracejit.runtime.jitted import JittedBase


def public() -> dict[str, Any]:
    found = {name: getattr(tracejit, name) for name in tracejit.__all__}
    found.update({f"config.{name}": getattr(config, name) for name in config.__all__})
    family = inspect.getmembers(errors, lambda x: inspect.isclass(x) and issubclass(x, errors.TracejitError))
    found.update({f"errors.{name}": cls for name, cls in family})
    methods = inspect.getmembers(JittedBase, inspect.isfunction)
    found.update({f"jit(f).{name}": method for name, method in methods if not name.startswith("_")})
    return {name: x for name, x in found.items() if inspect.isfunction(x) or inspect.isclass(x)}


@pytest.mark.parametrize(("name", "value"), public().items(), ids=public())
def test_has_an_example(name: str, value: Any) -> None:
    assert value.__doc__ and ">>> " in value.__doc__, name
