"""One test per program of the corpus."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from . import isolate
from .registry import load

CORPUS = load()
FRESH = os.environ.get("TRACEJIT_NIGHTLY", "") not in ("", "0")


@pytest.mark.parametrize("name", list(CORPUS))
def test_program(name: str, jit: Callable[..., Any]) -> None:
    program = CORPUS[name]

    def body() -> None:
        program.run(jit)
        if FRESH and program.inputs is not None:
            program.run(jit, fresh=True)

    if isolate.ENABLED:
        isolate.run(body)
    else:
        body()
