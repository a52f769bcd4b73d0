"""The `jit` under test: `tracejit.jit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="session")
def jit() -> Callable[..., Any]:
    import tracejit

    return tracejit.jit
